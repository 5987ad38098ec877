/* SFrame (RFC 9605): the format and the key schedule, as pure functions. Who holds keys and counters is in
 * sframe_sender.h and sframe_receiver.h; what SFrame does to a frame of a codec is in frame.h.
 *
 *     SFrame ciphertext:  header | encrypted data | tag
 *     header:             X K K K Y C C C | KID, 0 to 8 bytes | CTR, 0 to 8 bytes           (section 4.3)
 *
 * X = 0: K is the key id (KID) itself, below 8; X = 1: K + 1 bytes of it follow. Y and C say the same of the counter
 * (CTR). Nothing here allocates but what the crypto backend does inside of itself. Threads: any. */
#ifndef CONCLAVE_E2EE_SFRAME_H
#define CONCLAVE_E2EE_SFRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/secret.h"
#include "crypto/backend.h"

/* ---- Outcomes ---------------------------------------------------------------------------------------------------- */

/* One list for SFrame and for the frames around it: X(NAME, "what it means"). A status other than OK means that the
 * frame must neither be sent nor played. Sections are RFC 9605's. */
#define SFRAME_STATUSES(X)                                                                                             \
    X(OK, "sealed, or opened and authentic")                                                                           \
    X(EMPTY, "a frame of no bytes: a gap made by a jitter buffer; neither plaintext nor a failure")                    \
    X(TOO_LONG, "the frame is longer than FRAME_LEN_MAX")                                                              \
    X(NO_ROOM, "the output buffer is too small")                                                                       \
    X(NO_MEMORY, "memory is short; nothing happened")                                                                  \
    X(NO_EPOCH, "sealing: no epoch is in use yet (4.4.1)")                                                             \
    X(COUNTER_SPENT, "sealing: the key has sealed SFRAME_FRAMES_MAX frames (9.1)")                                     \
    X(TRUNCATED, "the bytes end before header and tag do (4.3)")                                                       \
    X(NOT_MINIMAL, "KID or CTR take more bytes than they need (4.3)")                                                  \
    X(BAD_CONTEXT, "the KID names a context of SFRAME_CONTEXTS_MAX or above (5.2)")                                    \
    X(WRONG_SENDER, "the KID names another member than the one the stream belongs to (5.2)")                           \
    X(OWN_KEY, "the KID names ourselves: a key is for sealing or for opening, never both (4.4.1)")                     \
    X(UNKNOWN_EPOCH, "the KID's epoch is not installed yet; the frame may be kept for SFRAME_BUFFER_US (4.4.4)")       \
    X(ENDED_EPOCH, "the KID's epoch has ended, or came before we joined (5.2)")                                        \
    X(KEYS_FULL, "the table of keys is full")                                                                          \
    X(COUNTER_TOO_HIGH, "the CTR lies beyond what a key may seal (9.1)")                                               \
    X(REPLAYED, "a frame with this KID and CTR was opened before (9.3)")                                               \
    X(TOO_OLD, "the CTR lies behind the replay window (9.3)")                                                          \
    X(NOT_AUTHENTIC, "the tag does not match frame, header and metadata (4.4.4)")                                      \
    X(KEY_GONE, "the key ended between the two steps of opening")                                                      \
    X(BAD_FRAME, "the bytes do not begin as the codec says they do")                                                   \
    X(CLEAR_TOO_LONG, "more than FRAME_CLEAR_LEN_MAX bytes would stay in clear")                                       \
    X(BAD_TRAILER, "the trailer is none")                                                                              \
    X(CLEAR_MISMATCH, "the trailer's clear length is not the one that the codec's rule gives")                         \
    X(BAD_WRAPPING, "AV1: the frame is not exactly one metadata OBU as we write it")                                   \
    X(BAD_ESCAPE, "H.264: escaped bytes are not as we write them")

#define SFRAME_STATUS_NAME(name, text) SFRAME_##name,
enum sframe_status { SFRAME_STATUSES(SFRAME_STATUS_NAME) SFRAME_STATUS_COUNT };

/* "NOT_AUTHENTIC" and the text beside it; static. */
const char *sframe_status_name(enum sframe_status status);
const char *sframe_status_text(enum sframe_status status);

/* How often each outcome came: the counters of a sender or receiver. Names and help texts are the two functions above.
 * One writer. */
struct sframe_counts {
    uint64_t of[SFRAME_STATUS_COUNT];
};

/* ---- Header (section 4.3) ---------------------------------------------------------------------------------------- */

#define SFRAME_HEADER_LEN_MAX 17

struct sframe_header {
    uint64_t kid;
    uint64_t ctr;
};

/* 1 to SFRAME_HEADER_LEN_MAX. */
size_t sframe_header_len(const struct sframe_header *header);
void sframe_header_write(struct writer *w, const struct sframe_header *header);
/* The same into an array; answers its length. */
size_t sframe_header_put(uint8_t out[SFRAME_HEADER_LEN_MAX], const struct sframe_header *header);
/* TRUNCATED, or NOT_MINIMAL: the RFC wants the shortest form of senders, and here of everybody. */
enum sframe_status sframe_header_read(struct reader *r, struct sframe_header *out);

/* ---- Key ids of an MLS group (section 5.2) ----------------------------------------------------------------------- */

/* KID = context << 24 | leaf << 8 | epoch mod 256. The widths of leaf index (S = 16) and epoch (E = 8) do not follow
 * the group's size, so that a KID means the same to everybody at any time. A group has at most 2^14 members. */
#define SFRAME_EPOCH_BITS 8
#define SFRAME_LEAF_BITS 16
#define SFRAME_LEAF_MAX ((UINT32_C(1) << SFRAME_LEAF_BITS) - 1)
/* The context is the number of one of the sender's streams, each with a counter of its own: 0 is the microphone; camera
 * and screen take one a layer that is encoded apart (3 and 3), sound of the screen 1, data some. KIDs stay within 4
 * bytes. */
#define SFRAME_CONTEXTS_MAX 32

struct sframe_kid {
    uint64_t context;
    uint32_t leaf;
    uint8_t epoch8; /* epoch mod 256 */
};

/* context < SFRAME_CONTEXTS_MAX, leaf <= SFRAME_LEAF_MAX (asserted). */
uint64_t sframe_kid(uint32_t context, uint32_t leaf, uint64_t epoch);
/* Any KID; what it names may not exist. */
struct sframe_kid sframe_kid_split(uint64_t kid);

/* ---- Cipher suites and the key schedule (sections 4.5 and 4.4.2) ------------------------------------------------- */

#define SFRAME_NONCE_LEN 12   /* Nn of every suite */
#define SFRAME_KEY_LEN_MAX 96 /* Nk of suites 6 to 8: a 32 byte AES key and a 64 byte HMAC key */
#define SFRAME_TAG_LEN_MAX 16

#define SFRAME_AES_128_GCM_SHA256_128 4
/* Ours: 256 bits throughout. */
#define SFRAME_AES_256_GCM_SHA512_128 5

/* A row of the registry. Suites 1 to 5 are RFC 9605's, 6 to 8 (AES-256 in counter mode) were added later. */
struct sframe_suite {
    uint16_t id;
    const char *name;
    enum hash_algorithm hash;
    uint8_t nh;  /* output of the hash */
    uint8_t nka; /* AES-CTR with HMAC (section 4.5.1): AES key; 0 for AES-GCM */
    uint8_t nk;  /* whole key */
    uint8_t nt;  /* tag */
};

/* NULL when the registry has no such number. */
const struct sframe_suite *sframe_suite(uint16_t id);

/* Key and salt of one KID. Its owner wipes it. */
struct sframe_material {
    uint8_t key[SFRAME_KEY_LEN_MAX]; /* suite->nk bytes count */
    uint8_t salt[SFRAME_NONCE_LEN];
};

/* sframe_secret, the first half of derive_key_salt: one for all KIDs of a base key. The base key is
 * MLS-Exporter("SFrame 1.0 Base Key", "", nk) of an epoch (section 5.2), or any other secret. OK or NO_MEMORY. */
enum sframe_status sframe_extract(const struct crypto_backend *crypto, const struct sframe_suite *suite,
                                  struct span base_key, struct secret *sframe_secret);
/* sframe_key and sframe_salt of a KID, the second half. OK or NO_MEMORY. */
enum sframe_status sframe_expand(const struct crypto_backend *crypto, const struct sframe_suite *suite,
                                 const struct secret *sframe_secret, uint64_t kid, struct sframe_material *out);
/* Section 4.4.3: salt XOR counter. */
void sframe_nonce(const uint8_t salt[SFRAME_NONCE_LEN], uint64_t ctr, uint8_t nonce[SFRAME_NONCE_LEN]);

#endif
