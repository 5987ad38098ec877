/* SRTP and SRTCP (RFC 3711) with AES-GCM (RFC 7714) or AES-CM and HMAC-SHA1 (RFC 3711), keyed by DTLS (RFC 5764).
 *
 *     SRTP    | RTP header, extensions | payload (encrypted)  | tag |
 *             |<------ authenticated (GCM: AAD) ------------->|
 *     SRTCP   | first 8 bytes | rest (encrypted) | tag | E, index |       GCM
 *             | first 8 bytes | rest (encrypted) | E, index | tag |       AES-CM
 *
 * A `struct srtp_session` is one direction of one transport: one for opening what the peer sends, one for sealing
 * what we send. Order of calls: srtp_size for the memory, srtp_session_init, any number of open or seal calls,
 * srtp_session_end, which wipes the keys. Only init and end may allocate and free (cipher objects inside OpenSSL); open
 * and seal never do. The caller owns struct and memory. Threads: none, one owner.
 *
 * Streams. Each SSRC has its own 48-bit packet index (roll-over counter and sequence number, RFC 3711 section 3.3.1)
 * and a window of the last 1024 indices. The table has `streams_max` places. A place is taken only for an SSRC of which
 * a packet was authenticated (opening) or which we send ourselves (sealing), so strangers who send garbage cannot fill
 * it. When it is full, packets of further SSRCs are refused and counted: replacing the oldest entry instead would reset
 * its window and its index, and with them the protection against replay and against the reuse of a key stream. All
 * state changes happen after authentication.
 *
 * Retiring. When a stream ends for good, srtp_retire frees its place and remembers its SSRC (4 bytes): the session
 * refuses that SSRC for ever after, because a second start at index 0 under the same key would repeat nonces (sealing)
 * or admit recorded packets (opening).
 *
 * Nonce law, sealing: no index of an SSRC is sealed twice, and none older than the window. A repeated or too old one is
 * refused with SRTP_REPLAYED or SRTP_TOO_OLD. To send a packet again, send it on an RTX stream (RFC 4588), or send the
 * sealed bytes again.
 *
 * The index of a stream starts at its first sequence number with a roll-over count of 0, on both sides. Start streams
 * at a sequence number below 2^15 (RFC 3711 section 3.3.1 counts on the receiver seeing a packet before the first wrap)
 * and some distance above 0, because a packet that belongs before number 0 is refused as too old.
 *
 * Not here: MKI, key derivation rates other than 0, rekeying by lifetime (the limits are refusals), RFC 6904 header
 * encryption. */
#ifndef CONCLAVE_PROTOCOL_SRTP_H
#define CONCLAVE_PROTOCOL_SRTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"
#include "base/map.h"
#include "base/replay.h"
#include "crypto/aead.h"
#include "crypto/aes_ctr.h"
#include "crypto/hmac.h"

struct rng;

/* DTLS-SRTP profile numbers (RFC 5764 section 4.1.2, RFC 7714 section 14.2). */
enum srtp_profile {
    SRTP_PROFILE_NONE = 0,
    SRTP_PROFILE_AES128_CM_SHA1_80 = 0x0001,
    SRTP_PROFILE_AEAD_AES_128_GCM = 0x0007,
    SRTP_PROFILE_AEAD_AES_256_GCM = 0x0008,
};

#define SRTP_MASTER_KEY_LEN_MAX 32
#define SRTP_MASTER_SALT_LEN_MAX 14
/* Both keys and both salts of the longest profile. */
#define SRTP_EXPORT_LEN_MAX (2 * (SRTP_MASTER_KEY_LEN_MAX + SRTP_MASTER_SALT_LEN_MAX))

/* Bytes that sealing adds: to an RTP packet, and to an RTCP compound (index word included). _MAX holds for all. */
#define SRTP_TAG_LEN_SHA1_80 10
#define SRTP_TAG_LEN_GCM 16
#define SRTP_OVERHEAD_MAX SRTP_TAG_LEN_GCM
#define SRTCP_INDEX_LEN 4
#define SRTCP_OVERHEAD_MAX (SRTP_TAG_LEN_GCM + SRTCP_INDEX_LEN)

/* RFC 3711 section 3.3.2 asks for at least 64. */
#define SRTP_WINDOW_PACKETS REPLAY_WINDOW_LEN
/* RTCP compounds come in order or not at all; 64 is the least the RFC allows. */
#define SRTCP_WINDOW_PACKETS 64
/* RFC 3711 section 9.2: 2^48 SRTP and 2^31 SRTCP packets a master key. */
#define SRTP_INDEX_MAX ((UINT64_C(1) << 48) - 1)
#define SRTCP_INDEX_MAX UINT32_C(0x7fffffff)
/* Tables above these are a mistake of the caller: a room does not have so many live tracks. */
#define SRTP_STREAMS_LIMIT 16384
#define SRTP_RETIRED_LIMIT 65536

enum srtp_result {
    SRTP_OK = 0,
    SRTP_MALFORMED, /* too short, not RTP or RTCP version 2, header runs past the end */
    SRTP_AUTH_FAILED,
    SRTP_REPLAYED,     /* index seen before (opening) or sealed before (sealing) */
    SRTP_TOO_OLD,      /* index behind the window */
    SRTP_STREAMS_FULL, /* a new SSRC and no place for it */
    SRTP_RETIRED,      /* an SSRC that was retired */
    SRTP_KEY_USED_UP,  /* beyond SRTP_INDEX_MAX or SRTCP_INDEX_MAX: a new DTLS session is needed */
    SRTP_NO_ROOM,      /* the output buffer is too small (sealing) */
};

#define SRTP_COUNTERS(X)                                                                                               \
    X(opened, "SRTP packets opened")                                                                                   \
    X(opened_rtcp, "SRTCP packets opened")                                                                             \
    X(sealed, "SRTP packets sealed")                                                                                   \
    X(sealed_rtcp, "SRTCP packets sealed")                                                                             \
    X(malformed, "SRTP and SRTCP packets refused as malformed")                                                        \
    X(auth_failed, "SRTP and SRTCP packets whose authentication failed")                                               \
    X(replayed, "SRTP and SRTCP packets refused because their index was seen before")                                  \
    X(too_old, "SRTP and SRTCP packets refused because their index was behind the window")                             \
    X(streams_full, "SRTP and SRTCP packets refused because no further stream fitted into the table")                  \
    X(retired, "SRTP and SRTCP packets refused because their stream had ended")                                        \
    X(unencrypted, "SRTCP packets refused because they were not encrypted (also counted as malformed)")                \
    X(used_up, "packets refused because the key had reached its limit")                                                \
    X(no_room, "packets not sealed because the output buffer was too small")
COUNTERS_DEFINE(srtp_counters, SRTP_COUNTERS)

/* ---- keys ---------------------------------------------------------------------------------------------- */

/* Secret: the master key and salt of one direction. Wipe it after init. */
struct srtp_master {
    enum srtp_profile profile;
    uint8_t key[SRTP_MASTER_KEY_LEN_MAX];
    uint8_t salt[SRTP_MASTER_SALT_LEN_MAX];
};

bool srtp_profile_known(enum srtp_profile profile);
/* 16 or 32, and 14 or 12. */
size_t srtp_key_len(enum srtp_profile profile);
size_t srtp_salt_len(enum srtp_profile profile);
/* How many bytes the DTLS exporter "EXTRACTOR-dtls_srtp" has to give for this profile. */
size_t srtp_export_len(enum srtp_profile profile);
/* Bytes that sealing adds to an RTP packet, and to an RTCP compound. */
size_t srtp_overhead(enum srtp_profile profile);
size_t srtcp_overhead(enum srtp_profile profile);
/* Splits exported material (RFC 5764 section 4.2: client key, server key, client salt, server salt). `exported` has
 * exactly srtp_export_len(profile) bytes and remains the caller's to wipe. */
void srtp_master_split(enum srtp_profile profile, const uint8_t *exported, struct srtp_master *client,
                       struct srtp_master *server);
void srtp_master_wipe(struct srtp_master *master);

/* ---- sessions ------------------------------------------------------------------------------------------- */

enum srtp_direction { SRTP_OPENING, SRTP_SEALING };

struct srtp_stream; /* one SSRC's indices and windows, in the caller's memory */

struct srtp_keys {          /* of SRTP or of SRTCP: what the key derivation gives */
    struct aead_key aead;   /* GCM profiles */
    struct aes_ctr_key ctr; /* AES-CM */
    struct hmac_key mac;    /* AES-CM */
    uint8_t salt[SRTP_MASTER_SALT_LEN_MAX];
};

struct srtp_session {
    enum srtp_profile profile;
    enum srtp_direction direction;
    bool live;
    uint32_t streams_max, stream_count;
    uint32_t retired_max, retired_count;
    uint32_t rtcp_index; /* sealing: of the next SRTCP packet, one count for all SSRCs */
    struct srtp_stream *streams;
    uint32_t *retired;
    struct map by_ssrc;
    struct srtp_keys rtp, rtcp;
    struct srtp_counters counters;
};

/* Bytes of memory for the tables; 8-byte alignment. About 200 bytes a stream and 4 a retired SSRC; they are touched
 * only when used. */
size_t srtp_size(uint32_t streams_max, uint32_t retired_max);
/* `memory` and `rng` (for the hash key) as above; false only when OpenSSL has no memory. The master remains the
 * caller's to wipe. */
bool srtp_session_init(struct srtp_session *session, void *memory, uint32_t streams_max, uint32_t retired_max,
                       enum srtp_direction direction, const struct srtp_master *master, struct rng *rng);
/* Frees cipher objects and wipes keys and tables. Also allowed on a zeroed or ended session. */
void srtp_session_end(struct srtp_session *session);

/* Frees the place of an SSRC and refuses it from then on. An SSRC without a place is remembered as well. False when
 * `retired_max` are remembered: the stream then keeps its place. */
bool srtp_retire(struct srtp_session *session, uint32_t ssrc);

/* Opens an SRTP packet in place. On SRTP_OK *len is the length of the RTP packet; on anything else the packet's bytes
 * are undefined and must not be used. */
enum srtp_result srtp_open(struct srtp_session *session, uint8_t *packet, size_t *len);
/* The same for SRTCP; the result is an RTCP compound. */
enum srtp_result srtcp_open(struct srtp_session *session, uint8_t *packet, size_t *len);

/* One packet to seal, out of place: the payload is shared by all receivers and only read. */
struct srtp_job {
    struct srtp_session *session;
    const uint8_t *header; /* RTP header with extensions, as rtp_write made it */
    size_t header_len;
    struct span prefix;  /* encrypted in front of the payload: RTX number, rewritten payload descriptor; may be empty */
    struct span payload; /* the rest, RTP padding included */
    uint8_t *out; /* gets header, ciphertext and tag; does not overlap the inputs, but may be equal to `header` */
    size_t out_size;
    size_t out_len; /* result: 0 unless SRTP_OK */
    enum srtp_result result;
};

/* Longest prefix: a VP9 descriptor with all its parts is shorter, and it fits into one cipher call of small size. */
#define SRTP_PREFIX_LEN_MAX 64

/* Seals jobs of any sessions in order; returns how many are SRTP_OK. The array form lets a backend overlap packets. */
size_t srtp_seal_many(struct srtp_job *jobs, size_t count);
/* One packet without prefix. */
enum srtp_result srtp_seal(struct srtp_session *session, const uint8_t *header, size_t header_len, struct span payload,
                           uint8_t *out, size_t out_size, size_t *out_len);
/* An RTCP compound; `out` does not overlap it, but may be equal to compound.data. */
enum srtp_result srtcp_seal(struct srtp_session *session, struct span compound, uint8_t *out, size_t out_size,
                            size_t *out_len);

#endif
