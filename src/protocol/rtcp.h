/* RTCP compounds: reading and building (RFC 3550 section 6, 4585, 5104; REMB: draft-alvestrand-rmcat-remb-03;
 * transport-wide feedback: draft-holmer-rmcat-transport-wide-cc-extensions-01, its recorder in rtcp_twcc.h).
 *
 *     | SR or RR | SDES | feedback ... |        or, reduced-size (RFC 5506), any packet alone
 *       each:  V=2 P count PT length(32-bit words - 1), SSRC of sender, ...
 *
 * Reading: rtcp_iter_of over a decrypted compound, then rtcp_next until it answers false. Each view has been checked
 * whole, so that the getters and iterators of its contents cannot run past it. A packet with broken contents is counted
 * and skipped; broken framing (version, length past the end) ends the walk, and what came before remains valid. Views
 * are spans into the caller's bytes. A compound without any readable packet is the caller's to drop.
 *
 * Building: one function a packet type, appending to a writer; false when the writer is full: it then has failed, and
 * what is in it still ends with the last whole packet. RFC 3550 section 6.1: a full compound begins with SR or RR and
 * has a CNAME. Pure functions, no state, no allocation.
 *
 * Not here: timing rules (RFC 3550 section 6.2), RTT arithmetic, XR (skipped), APP (skipped), RFC 8888. */
#ifndef CONCLAVE_PROTOCOL_RTCP_H
#define CONCLAVE_PROTOCOL_RTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"

#define RTCP_HEADER_LEN 4
/* Count is a 5-bit field: report blocks, SDES chunks, BYE sources. */
#define RTCP_BLOCKS_MAX 31
/* SDES item length is one byte (RFC 3550 section 6.5). */
#define RTCP_CNAME_LEN_MAX 255
/* Our own bound of packets in one compound: 1600 bytes hold 200 smallest PLIs; nobody sends more than a few dozen. */
#define RTCP_PACKETS_MAX 256
/* REMB counts its SSRCs in one byte. */
#define RTCP_REMB_SSRCS_MAX 255
/* Packet status count of a transport-wide feedback that is accepted. The field allows 65535, which a few bytes of run
 * length can claim; libwebrtc reports at least every 250 ms, 8192 is 30000 packets a second. */
#define RTCP_TWCC_STATUS_MAX 8192

#define RTCP_COUNTERS(X)                                                                                               \
    X(framing, "RTCP compounds cut short because a packet header was broken")                                          \
    X(malformed, "RTCP packets skipped because their contents were broken")                                            \
    X(unknown, "RTCP packets skipped because their type is not used here")
COUNTERS_DEFINE(rtcp_counters, RTCP_COUNTERS)

/* Payload types (RFC 3550 section 12.1, 4585 section 6.1). */
enum rtcp_pt {
    RTCP_PT_SR = 200,
    RTCP_PT_RR = 201,
    RTCP_PT_SDES = 202,
    RTCP_PT_BYE = 203,
    RTCP_PT_APP = 204,
    RTCP_PT_RTPFB = 205,
    RTCP_PT_PSFB = 206,
    RTCP_PT_XR = 207,
};

/* Feedback message types: RFC 4585 sections 6.2, 6.3; RFC 5104 section 4.3; the two drafts. */
enum rtcp_fmt {
    RTCP_FMT_NACK = 1,
    RTCP_FMT_TWCC = 15,
    RTCP_FMT_PLI = 1,
    RTCP_FMT_FIR = 4,
    RTCP_FMT_AFB = 15,
};

/* ---- reading ------------------------------------------------------------------------------------------- */

enum rtcp_kind {
    RTCP_SR,
    RTCP_RR,
    RTCP_SDES,
    RTCP_BYE,
    RTCP_NACK,
    RTCP_TWCC,
    RTCP_PLI,
    RTCP_FIR,
    RTCP_REMB,
};

struct rtcp_sender_info {
    uint64_t ntp; /* 32.32 seconds since 1900, 0 = unknown */
    uint32_t rtp_time;
    uint32_t packets;
    uint32_t bytes; /* payload octets */
};

struct rtcp_report_block {
    uint32_t ssrc;
    uint8_t fraction_lost; /* of 256, since the last report */
    int32_t lost;          /* cumulative, 24 bits, may be negative (duplicates) */
    uint32_t highest_seq;  /* extended: cycles and sequence number */
    uint32_t jitter;       /* timestamp units */
    uint32_t lsr;          /* middle 32 bits of the last SR's NTP time, 0 = none */
    uint32_t dlsr;         /* delay since it, 1/65536 s */
};

struct rtcp_view {
    enum rtcp_kind kind;
    uint8_t count;        /* SR, RR: report blocks; SDES: chunks; BYE: sources */
    uint32_t sender_ssrc; /* SR, RR and feedback */
    uint32_t media_ssrc;  /* feedback; 0 in FIR and REMB */
    struct rtcp_sender_info sr;
    uint16_t twcc_base_seq16;
    uint16_t twcc_status_count;
    int64_t twcc_reference_us; /* multiple of 64 ms, signed 24 bits on the wire */
    uint8_t twcc_feedback_count;
    uint64_t remb_bps; /* saturates at UINT64_MAX */
    struct span body;  /* for the iterators below: what follows the fixed part */
};

struct rtcp_iter {
    struct reader in;
    struct rtcp_counters *counters;
    uint32_t packets;
};

/* `counters` may be NULL. */
struct rtcp_iter rtcp_iter_of(struct span compound, struct rtcp_counters *counters);
bool rtcp_next(struct rtcp_iter *iter, struct rtcp_view *view);

/* SR, RR: index < view->count. */
struct rtcp_report_block rtcp_report_block_at(const struct rtcp_view *view, size_t index);
/* SDES: CNAME of a chunk, index < view->count; empty when it has none. */
struct span rtcp_sdes_cname(const struct rtcp_view *view, size_t index, uint32_t *ssrc);
/* BYE: index < view->count. */
uint32_t rtcp_bye_ssrc(const struct rtcp_view *view, size_t index);

/* NACK: lost sequence numbers in the order of the packet, PID before its bits. At most 17 a word. */
struct rtcp_nack_iter {
    struct reader in;
    uint16_t pid;
    uint32_t bits; /* still to come, bit 0 = pid itself */
};

struct rtcp_nack_iter rtcp_nack_iter_of(const struct rtcp_view *view);
bool rtcp_nack_next(struct rtcp_nack_iter *iter, uint16_t *seq16);

/* FIR: entries (RFC 5104 section 4.3.1.1). A repeated sequence number from the same sender is a repetition of the
 * request. */
struct rtcp_fir_entry {
    uint32_t ssrc;
    uint8_t seq8;
};

size_t rtcp_fir_count(const struct rtcp_view *view);
struct rtcp_fir_entry rtcp_fir_at(const struct rtcp_view *view, size_t index);

/* REMB: the streams that the estimate covers. */
size_t rtcp_remb_count(const struct rtcp_view *view);
uint32_t rtcp_remb_ssrc(const struct rtcp_view *view, size_t index);

/* Transport-wide feedback: one entry for each of twcc_status_count packets, in sequence order from twcc_base_seq16. */
struct rtcp_twcc_packet {
    uint16_t seq16;
    bool received;
    int32_t delta_us;   /* after the packet received before it in this feedback (first: after the reference time) */
    int64_t arrival_us; /* reference time and all deltas; on the receiver's clock, wraps with the reference time's 24
                           bits */
};

struct rtcp_twcc_iter {
    struct reader chunks, deltas;
    uint16_t seq16;
    uint16_t left;       /* packets still to come */
    uint16_t run_left;   /* of the current chunk */
    uint16_t symbols;    /* vector chunk: remaining symbols, next one on top; run: the symbol */
    uint8_t symbol_bits; /* 1 or 2 in a vector chunk, 0 in a run */
    int64_t arrival_us;
};

struct rtcp_twcc_iter rtcp_twcc_iter_of(const struct rtcp_view *view);
bool rtcp_twcc_next(struct rtcp_twcc_iter *iter, struct rtcp_twcc_packet *packet);

/* ---- building ------------------------------------------------------------------------------------------ */

/* The middle 32 bits of a 64-bit NTP time, as LSR holds it. */
static inline uint32_t rtcp_ntp_middle(uint64_t ntp) {
    return (uint32_t)(ntp >> 16);
}

/* count <= RTCP_BLOCKS_MAX; more receivers' reports go into further RRs. */
bool rtcp_write_sr(struct writer *w, uint32_t sender_ssrc, const struct rtcp_sender_info *info,
                   const struct rtcp_report_block *blocks, size_t count);
bool rtcp_write_rr(struct writer *w, uint32_t sender_ssrc, const struct rtcp_report_block *blocks, size_t count);
/* One chunk with a CNAME of 1 to RTCP_CNAME_LEN_MAX bytes. */
bool rtcp_write_sdes(struct writer *w, uint32_t ssrc, struct span cname);
bool rtcp_write_bye(struct writer *w, const uint32_t *ssrcs, size_t count);
/* Packs ascending (by RFC 1982) sequence numbers into as few words as possible and stops when the writer has no room
 * for another. Returns how many numbers were written: the rest goes into a further packet. 0 with count > 0: not even
 * one fitted, and the writer is unchanged and has not failed. */
size_t rtcp_write_nack(struct writer *w, uint32_t sender_ssrc, uint32_t media_ssrc, const uint16_t *seqs, size_t count);
bool rtcp_write_pli(struct writer *w, uint32_t sender_ssrc, uint32_t media_ssrc);
bool rtcp_write_fir(struct writer *w, uint32_t sender_ssrc, const struct rtcp_fir_entry *entries, size_t count);
/* The rate is rounded down to an 18-bit mantissa. */
bool rtcp_write_remb(struct writer *w, uint32_t sender_ssrc, uint64_t rate_bps, const uint32_t *ssrcs, size_t count);

/* An arrival for rtcp_write_twcc: extended transport-wide sequence number and our monotonic receive time. */
struct rtcp_twcc_arrival {
    uint64_t seq64;
    uint64_t at_us;
};

/* Largest gap between two arrivals of one feedback; a wider one begins the next packet. */
#define RTCP_TWCC_GAP_MAX 2000
/* Packets reported in one feedback message that we build. */
#define RTCP_TWCC_BUILD_MAX 2048

/* Writes one feedback for as many of the arrivals as it can hold. They are ascending by seq64 without repetition, but
 * not necessarily by time. `base_seq64` <= arrivals[0].seq64 is where the report begins: numbers from there on that are
 * not in the list are reported lost. Returns how many arrivals were consumed; call again for the rest, with base_seq64
 * = last consumed + 1 and the next feedback count. A message ends early when the writer is full, before a time step of
 * more than 8.19 s (a 16-bit delta of 250 us) or a gap above RTCP_TWCC_GAP_MAX; when base_seq64 itself lies that far
 * back, the report begins at the first arrival. 0: not even one fitted, the writer is then unchanged and has not
 * failed. */
size_t rtcp_write_twcc(struct writer *w, uint32_t sender_ssrc, uint32_t media_ssrc, uint8_t feedback_count,
                       uint64_t base_seq64, const struct rtcp_twcc_arrival *arrivals, size_t count);

#endif
