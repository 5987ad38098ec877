/* Session descriptions: RFC 8866 as JSEP (RFC 9429) uses it. A data model, a parser and a writer; sdp_answer.h has the
 * functions by which an answer is put together.
 *
 *     struct sdp sdp;
 *     sdp_init(&sdp);
 *     if (!sdp_parse(text, &sdp, &error)) ... error.line, error.what
 *     ... sdp.sections[i]->mid ...
 *     sdp_free(&sdp);
 *
 * or, to write one: sdp_init, fields of the session, sdp_add_section, its fields, sdp_add_format and the like, sdp_write.
 *
 * Ownership: a `struct sdp` owns everything it points to, in blocks of its own that are allocated as it grows (this is
 * the control plane) and given back by sdp_free together; pointers and spans into it live until then. All texts are
 * copied: the input of the parser may go away. Texts put in by a writer are borrowed instead, unless they went through
 * sdp_copy_text, and must outlive the sdp_write. sections[i] and elements of arrays: a section pointer stays valid; an
 * element pointer only until the next add to the same array.
 *
 * On allocation failure or when a limit is reached an adder answers NULL (or an empty span) and `sdp.failed` is set and
 * stays set; sdp_write of a failed description fails.
 *
 * What is not kept: bandwidth, timing, phone, e-mail, repeat and key lines, connection addresses, extmaps at session
 * level, and attributes not named below; they are read over. Session-level transport attributes (ice-*, fingerprint, setup) and direction are handed down to the sections
 * that have none (RFC 8839 section 5.4, RFC 8122 section 5, RFC 8866 section 6.7) and written at the sections.
 *
 * Threads: none. Counters: none, an error goes back to the peer that caused it. */
#ifndef CONCLAVE_PROTOCOL_SDP_H
#define CONCLAVE_PROTOCOL_SDP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "protocol/codec.h"

/* Longest text taken. A meeting of fifty people over one connection has a hundred sections and more; Chromium's offer of
 * fifty audio and fifty video sections, none sending, is 296 kB (measured with version 156). */
#define SDP_TEXT_MAX (1 << 20)
/* Lines are 30 bytes and more on average. */
#define SDP_LINES_MAX 32768
/* Fifty people with camera, microphone, screen and its sound are 200; sections are never taken away again, only reused. */
#define SDP_SECTIONS_MAX 512
/* Payload types are 7 bits, of which 32..63 and 96..127 are dynamic (RFC 5761 section 4): 64, and the static ones. */
#define SDP_FORMATS_MAX 96
/* Browsers offer 15 at most; ids above 255 do not exist (RFC 8285 section 4.3). */
#define SDP_EXTMAPS_MAX 64
/* Three simulcast layers are usual; Chromium refuses more than 4 encodings in most paths, Firefox allows 3. */
#define SDP_RIDS_MAX 16
/* Alternatives of all streams, both directions. */
#define SDP_SIMULCAST_MAX 32
#define SDP_MSIDS_MAX 8
/* Four layers, each with retransmission and repair, twice. */
#define SDP_SSRCS_MAX 64
#define SDP_SSRC_GROUPS_MAX 32
#define SDP_SSRC_GROUP_MEMBERS_MAX 8
/* A host with many interfaces and relays; the ICE agent takes fewer. */
#define SDP_CANDIDATES_MAX 64
#define SDP_FINGERPRINTS_MAX 4
/* rtcp-fb values without a bit that are kept for one payload type ("nack rpsi", "ccm tmmbr"); further ones are read over. */
#define SDP_FEEDBACK_OTHER_MAX 3
/* Texts that travel in RTP header extensions: rids must fit the one-byte form, 16 (RFC 8285 section 4.2); mids are chosen
 * by the offerer and browsers keep them at a few characters. */
#define SDP_RID_LEN_MAX 16
#define SDP_MID_LEN_MAX 32
/* Memory of one description, of all its blocks. Text and model take five times the text of a browser's offer. */
#define SDP_MEMORY_MAX (16u << 20)

enum sdp_kind { SDP_OTHER = 0, SDP_AUDIO, SDP_VIDEO, SDP_APPLICATION };

/* Bit 0: the describing side sends; bit 1: it receives. */
enum sdp_direction { SDP_INACTIVE = 0, SDP_SENDONLY = 1, SDP_RECVONLY = 2, SDP_SENDRECV = 3 };

enum sdp_setup { SDP_SETUP_NONE = 0, SDP_SETUP_ACTPASS, SDP_SETUP_ACTIVE, SDP_SETUP_PASSIVE, SDP_SETUP_HOLDCONN };

struct sdp_fingerprint {
    struct span algorithm; /* "sha-256" */
    struct span value;     /* "AB:CD:..." */
};

/* What a section says of its transport. With BUNDLE the first bundled section's counts for all (RFC 9143 section 9). */
struct sdp_transport {
    struct span ice_ufrag; /* empty: none */
    struct span ice_pwd;
    struct span ice_options; /* "trickle", "trickle renomination" */
    enum sdp_setup setup;
    uint8_t fingerprint_count;
    struct sdp_fingerprint fingerprints[SDP_FINGERPRINTS_MAX];
};

/* a=rtcp-fb values as bits (RFC 4585, 5104, and the two of congestion control). */
#define SDP_FB_NACK (1u << 0)
#define SDP_FB_NACK_PLI (1u << 1)
#define SDP_FB_CCM_FIR (1u << 2)
#define SDP_FB_REMB (1u << 3)
#define SDP_FB_TRANSPORT_CC (1u << 4)
#define SDP_FB_RRTR (1u << 5)

struct sdp_format {
    uint8_t pt; /* 0..127 */
    enum codec codec;
    struct span name; /* as a=rtpmap spells it; empty: codec_name(codec) is written */
    uint32_t clock_hz;
    uint8_t channels;  /* 0 or 1: not written */
    struct span fmtp;  /* without the payload type; several lines are joined by ';' */
    uint32_t feedback; /* SDP_FB_*; "a=rtcp-fb:*" is handed to every format */
    uint8_t feedback_other_count;
    struct span feedback_other[SDP_FEEDBACK_OTHER_MAX];
};

struct sdp_extmap {
    uint8_t id;                   /* 1..255, 15 is never used with one-byte headers (RFC 8285 section 4.2) */
    enum sdp_direction direction; /* SDP_SENDRECV when the line says none */
    struct span uri;
    struct span attributes; /* behind the URI, usually empty */
};

struct sdp_rid {
    struct span id;               /* RFC 8851: letters and digits (and, as browsers take them, '-' and '_') */
    enum sdp_direction direction; /* SENDONLY or RECVONLY */
    struct span restrictions;     /* "max-width=1280;max-fps=30", may be empty */
};

/* One alternative of one simulcast stream (RFC 8853 section 5.1): entries with equal direction and stream are alternatives. */
struct sdp_simulcast {
    enum sdp_direction direction;
    uint8_t stream; /* 0.. in the order of preference of that direction */
    bool paused;    /* '~' */
    struct span rid;
};

struct sdp_msid {
    struct span stream; /* "-": no stream */
    struct span track;  /* may be empty */
};

struct sdp_ssrc {
    uint32_t ssrc;
    struct span cname;
    struct sdp_msid msid; /* of the old a=ssrc msid form, both empty when absent */
};

enum sdp_ssrc_semantics { SDP_SSRC_OTHER = 0, SDP_SSRC_FID, SDP_SSRC_SIM, SDP_SSRC_FEC_FR };

struct sdp_ssrc_group {
    enum sdp_ssrc_semantics semantics;
    struct span semantics_text; /* of SDP_SSRC_OTHER */
    uint8_t count;
    uint32_t ssrcs[SDP_SSRC_GROUP_MEMBERS_MAX];
};

struct sdp_section {
    enum sdp_kind kind;
    struct span kind_text; /* of SDP_OTHER */
    uint16_t port;         /* 0: rejected, unless bundle_only */
    bool bundle_only;
    bool bundled;                 /* its mid is in the (first) BUNDLE group */
    struct span protocol;         /* "UDP/TLS/RTP/SAVPF", "UDP/DTLS/SCTP" */
    struct span mid;              /* empty: none */
    enum sdp_direction direction; /* of SDP_APPLICATION always SENDRECV */
    struct sdp_transport transport;
    bool rtcp_mux;
    bool rtcp_rsize;
    bool extmap_allow_mixed;
    bool end_of_candidates;
    /* of SDP_APPLICATION */
    bool has_max_message_size;
    uint16_t sctp_port;        /* 0: none */
    uint64_t max_message_size; /* 0 means any size, absent means 65536 (RFC 8841 section 6.1) */
    struct span app_format;    /* "webrtc-datachannel"; of SDP_OTHER: the whole format list */

    struct sdp_format *formats;
    struct sdp_extmap *extmaps;
    struct sdp_rid *rids;
    struct sdp_simulcast *simulcast;
    struct sdp_msid *msids;
    struct sdp_ssrc *ssrcs;
    struct sdp_ssrc_group *ssrc_groups;
    struct span *candidates; /* values that begin "candidate:", for ice.h to read */
    uint16_t format_count, format_room;
    uint16_t extmap_count, extmap_room;
    uint16_t rid_count, rid_room;
    uint16_t simulcast_count, simulcast_room;
    uint16_t msid_count, msid_room;
    uint16_t ssrc_count, ssrc_room;
    uint16_t ssrc_group_count, ssrc_group_room;
    uint16_t candidate_count, candidate_room;
};

struct sdp_block; /* private */

struct sdp {
    uint64_t session_id; /* o= line; below 2^63 (RFC 9429 section 5.2.1) */
    uint64_t session_version;
    struct span session_name; /* empty: "-" is written */
    bool ice_lite;
    bool extmap_allow_mixed; /* at session level: holds for every section */
    bool msid_semantic;      /* "a=msid-semantic: WMS *" is there / is written */
    struct sdp_section **sections;
    uint16_t section_count;
    uint16_t section_room;
    bool failed;
    struct sdp_block *blocks;
    size_t memory_bytes;
};

struct sdp_error {
    uint32_t line; /* 1.., 0 when it is about the whole text */
    char what[96]; /* one sentence in ASCII, without any of the input */
};

void sdp_init(struct sdp *sdp);
/* Gives all memory back and leaves the description as sdp_init does. */
void sdp_free(struct sdp *sdp);

/* `out` was initialised and is empty (an assert). On failure it is freed and empty again. Lines end with CR LF or LF.
 * Refused are: texts over the limits, zero bytes and other control characters, a missing v=, o= or s= line, unreadable
 * m= lines, equal mids, unreadable values of the attributes above, an extmap id or payload type named twice in a section.
 * Candidates over their maximum are read over. */
bool sdp_parse(struct span text, struct sdp *out, struct sdp_error *error);
/* Browsers and sdp-transform read what it writes. False when the description failed or the writer is full. Texts with
 * CR, LF or zero bytes in them are an assert: they would forge lines. */
bool sdp_write(const struct sdp *sdp, struct writer *w);
/* Room that suffices for sdp_write. */
size_t sdp_write_len_max(const struct sdp *sdp);

/* Copies to memory of the description; empty and `failed` when there is none. */
struct span sdp_copy_text(struct sdp *sdp, struct span text);
/* printf into memory of the description, at most 1023 characters. */
struct span sdp_format_text(struct sdp *sdp, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Each answers a zeroed new element at the end, or NULL (see above). A new section is an RTP section on port 9 (of an
 * SDP_APPLICATION: UDP/DTLS/SCTP webrtc-datachannel), bundled, rtcp-mux and rtcp-rsize on, direction inactive. A new
 * extmap's direction is SENDRECV. */
struct sdp_section *sdp_add_section(struct sdp *sdp, enum sdp_kind kind, struct span mid);
struct sdp_format *sdp_add_format(struct sdp *sdp, struct sdp_section *section);
struct sdp_extmap *sdp_add_extmap(struct sdp *sdp, struct sdp_section *section);
struct sdp_rid *sdp_add_rid(struct sdp *sdp, struct sdp_section *section);
struct sdp_simulcast *sdp_add_simulcast(struct sdp *sdp, struct sdp_section *section);
struct sdp_msid *sdp_add_msid(struct sdp *sdp, struct sdp_section *section);
struct sdp_ssrc *sdp_add_ssrc(struct sdp *sdp, struct sdp_section *section);
struct sdp_ssrc_group *sdp_add_ssrc_group(struct sdp *sdp, struct sdp_section *section);
struct span *sdp_add_candidate(struct sdp *sdp, struct sdp_section *section);
/* `value` is borrowed, as "AB:CD:..". False when the section has SDP_FINGERPRINTS_MAX. */
bool sdp_add_fingerprint(struct sdp_section *section, struct span algorithm, struct span value);

/* Look-ups; NULL when there is none. */
struct sdp_section *sdp_section_by_mid(const struct sdp *sdp, struct span mid);
const struct sdp_format *sdp_format_by_pt(const struct sdp_section *section, uint8_t pt);
const struct sdp_extmap *sdp_extmap_by_uri(const struct sdp_section *section, const char *uri);
const struct sdp_rid *sdp_rid_by_id(const struct sdp_section *section, struct span id);
const struct sdp_ssrc *sdp_ssrc_by_number(const struct sdp_section *section, uint32_t ssrc);
/* The format whose "apt" names `pt` (RFC 4588 section 8.1). */
const struct sdp_format *sdp_rtx_of(const struct sdp_section *section, uint8_t pt);
/* The second member of the FID group whose first is `ssrc`; 0 when there is none. */
uint32_t sdp_rtx_ssrc_of(const struct sdp_section *section, uint32_t ssrc);
/* The section whose transport counts: the first bundled one that is not rejected, else the first not rejected. */
const struct sdp_section *sdp_transport_section(const struct sdp *sdp);
/* The sha-256 fingerprint as bytes; false when there is none or it is malformed. */
bool sdp_sha256(const struct sdp_transport *transport, uint8_t digest[32]);
bool sdp_rejected(const struct sdp_section *section);
/* Value of `key` in "a=1;b=2" texts, spaces around trimmed, letter case of keys ignored; false when it is not there. */
bool sdp_fmtp_get(struct span fmtp, const char *key, struct span *value);

#endif
