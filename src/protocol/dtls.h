/* DTLS 1.2 for one transport (RFC 6347) with use_srtp (RFC 5764), over OpenSSL 3. Sans-IO: datagrams go in by
 * dtls_input, come out by dtls_poll_out, and time is an argument; the retransmission timer runs on the caller's clock.
 *
 *     context = dtls_context_create()       once a process (or certificate): key, certificate, SSL_CTX
 *     dtls = dtls_create(context, role)     only after an authenticated STUN check: this is what allocates, and the
 *                                           check is the proof of address, so no cookies are exchanged
 *     dtls_set_fingerprint(dtls, sha256)    before or during the handshake: nothing is "connected" without it
 *     dtls_start(dtls, now)                 the client role sends its first flight; nothing happens in a server
 *     dtls_input(dtls, now, datagram)
 *     dtls_tick(dtls, now)                  at dtls_next_deadline
 *
 *     after each of these, and after dtls_set_fingerprint and dtls_close:
 *         while (dtls_poll_data(dtls, &w))  first: decrypted application datagrams (SCTP)
 *         while (dtls_poll_out(dtls, &w))   then: datagrams to send
 *         dtls_state(dtls)
 *
 *     dtls_export(dtls, &seal, &open)       SRTP keys, when connected
 *     dtls_seal(dtls, data, &w)             application data, one record in one datagram
 *     dtls_destroy(dtls)
 *
 * The peer's certificate is judged by its SHA-256 fingerprint alone (RFC 8122, RFC 8827): any certificate passes the
 * TLS handshake, and then must match what signalling said, else the state is DTLS_FAILED and no key leaves the object.
 *
 * Garbage. Records that do not parse or decrypt are dropped in silence (RFC 6347 section 4.1.2.7). During the handshake
 * forged plaintext from the path could break it, as with every DTLS; once connected only authenticated records count.
 *
 * Clock. OpenSSL reads the system's clock for its retransmission timer. Its timer callback and the control call by
 * which it tells the BIO about the next timeout are used to put ours in its place; dtls_virtual_clock tells whether
 * that works with the library at hand (3.0 and 3.1). If not, its timer runs in real time with the same durations, which
 * is the same thing for a server.
 *
 * Owner and threads: one owner, one thread for each object; the context is read-only after creation and may be shared.
 * A dtls object allocates inside OpenSSL at creation, during the handshake and for each datagram (its buffers are given
 * back in between); the number of objects is bounded by the engine. A connected one holds about 40 kB of heap, 22 of
 * them a handshake buffer that OpenSSL keeps for DTLS in case the last flight must be sent again.
 *
 * Not done: DTLS 1.3, renegotiation, resumption, tickets, compression, other hashes than SHA-256. */
#ifndef CONCLAVE_PROTOCOL_DTLS_H
#define CONCLAVE_PROTOCOL_DTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"
#include "base/packet.h"
#include "protocol/srtp.h"

#define DTLS_FINGERPRINT_LEN 32
/* "AB:CD:…" and the terminator. */
#define DTLS_FINGERPRINT_TEXT_LEN (DTLS_FINGERPRINT_LEN * 3)
/* Datagrams that we write: fits every path that WebRTC assumes (1200 bytes of UDP payload). */
#define DTLS_MTU 1200
#define DTLS_DATAGRAM_LEN_MAX PACKET_LEN_MAX
/* Application bytes in one record: MTU less record header 13, explicit nonce 8 and tag 16. */
#define DTLS_DATA_LEN_MAX (DTLS_MTU - 37)
/* A flight is 4 to 6 datagrams; two of them and alerts fit. */
#define DTLS_OUT_MAX 16
/* RFC 6347 section 4.2.4.1 recommends 1 s and allows less where timing matters; media peers start with 50 to 400 ms. */
#define DTLS_RTO_INITIAL_US UINT64_C(100000)
#define DTLS_RTO_MAX_US UINT64_C(4000000)
#define DTLS_HANDSHAKE_US UINT64_C(30000000)

#define DTLS_COUNTERS(X)                                                                                               \
    X(rx_datagrams, "DTLS datagrams taken in")                                                                         \
    X(rx_oversize, "DTLS datagrams dropped because they were too long")                                                \
    X(rx_bad_record, "DTLS datagrams dropped: an encrypted record too short for its cipher, or not of DTLS 1.2")       \
    X(rx_after_end, "DTLS datagrams dropped because the association had ended")                                        \
    X(rx_data, "application datagrams decrypted")                                                                      \
    X(rx_data_dropped, "application datagrams dropped: no room in the caller's buffer, or not verified yet")           \
    X(tx_datagrams, "DTLS datagrams put out")                                                                          \
    X(tx_dropped, "DTLS datagrams dropped because too many were waiting")                                              \
    X(retransmits, "handshake flights sent again")                                                                     \
    X(handshakes, "handshakes completed and verified")                                                                 \
    X(failed_handshake, "associations failed for a fatal error or an alert")                                           \
    X(failed_timeout, "handshakes given up")                                                                           \
    X(failed_fingerprint, "handshakes refused because the certificate was not the one of signalling")                  \
    X(failed_profile, "handshakes refused because no SRTP profile was agreed")                                         \
    X(closed_by_peer, "associations closed by the peer")
COUNTERS_DEFINE(dtls_counters, DTLS_COUNTERS)

struct dtls_context;
struct dtls;

enum dtls_role { DTLS_SERVER, DTLS_CLIENT };

enum dtls_state {
    DTLS_HANDSHAKING, /* also: handshake done but dtls_set_fingerprint still missing */
    DTLS_CONNECTED,
    DTLS_CLOSED, /* close_notify came, or dtls_close was called */
    DTLS_FAILED,
};

/* Profiles offered or accepted, for tests and for operators who restrict them; the order is the preference. */
struct dtls_options {
    const enum srtp_profile *profiles; /* NULL = AEAD_AES_256_GCM, AEAD_AES_128_GCM, AES128_CM_SHA1_80 */
    size_t profile_count;
    const char *groups; /* key exchange groups, OpenSSL's syntax; NULL = "X25519:P-256" */
    uint16_t mtu;       /* 0 = DTLS_MTU; 256..1200 */
};

/* Makes a P-256 key and a self-signed certificate (valid for a year from one day ago, `unix_s` seconds since 1970;
 * peers look at the fingerprint only, RFC 8827 section 6.5). NULL when OpenSSL refuses. `options` may be NULL. */
struct dtls_context *dtls_context_create(uint64_t unix_s, const struct dtls_options *options);
/* After all its dtls objects are destroyed. */
void dtls_context_destroy(struct dtls_context *context);
/* Upper-case hexadecimal with colons, as a=fingerprint wants it after "sha-256 ". */
const char *dtls_context_fingerprint_text(const struct dtls_context *context);
const uint8_t *dtls_context_fingerprint(const struct dtls_context *context);
/* Reads the text form, either case. */
bool dtls_fingerprint_parse(struct span text, uint8_t out[DTLS_FINGERPRINT_LEN]);

/* NULL when memory is short. The 30 seconds of DTLS_HANDSHAKE_US begin with dtls_start or the first datagram.
 * `counters` (the engine's, shared by its objects) outlives the object. */
struct dtls *dtls_create(struct dtls_context *context, enum dtls_role role, struct dtls_counters *counters);
/* Without close_notify; wipes keys. */
void dtls_destroy(struct dtls *dtls);
/* A handshake that is already done is judged now. A second call with another value, after the first, fails the
 * association. */
void dtls_set_fingerprint(struct dtls *dtls, const uint8_t sha256[DTLS_FINGERPRINT_LEN]);
void dtls_start(struct dtls *dtls, uint64_t now_us);
/* `datagram` must stay valid until dtls_poll_data answered false. What is not polled before the next input is lost. */
void dtls_input(struct dtls *dtls, uint64_t now_us, struct span datagram);
void dtls_tick(struct dtls *dtls, uint64_t now_us);
/* TIME_NEVER when no timer runs. */
uint64_t dtls_next_deadline(const struct dtls *dtls);
/* Appends one decrypted datagram, shorter than the one that came in; what does not fit is dropped. Nothing comes out
 * before the state is DTLS_CONNECTED. */
bool dtls_poll_data(struct dtls *dtls, struct writer *data);
/* Appends one datagram to send, at most DTLS_MTU bytes; asserts that there is room. */
bool dtls_poll_out(struct dtls *dtls, struct writer *datagram);
enum dtls_state dtls_state(const struct dtls *dtls);
enum dtls_role dtls_role(const struct dtls *dtls);
/* Whether retransmission follows the caller's clock; meaningful once a flight was sent. For simulations. */
bool dtls_virtual_clock(const struct dtls *dtls);
/* SRTP master keys (RFC 5764 section 4.2) of what we send and of what we receive; the caller wipes both with
 * srtp_master_wipe. False unless DTLS_CONNECTED. May be called again. */
bool dtls_export(struct dtls *dtls, struct srtp_master *sealing, struct srtp_master *opening);
/* Encrypts one application datagram of 1..DTLS_DATA_LEN_MAX bytes into `datagram`, ready to send; false unless
 * connected, or when there is no room (DTLS_MTU always suffices). */
bool dtls_seal(struct dtls *dtls, struct span data, struct writer *datagram);
/* Queues close_notify when connected; state DTLS_CLOSED. */
void dtls_close(struct dtls *dtls);

#endif
