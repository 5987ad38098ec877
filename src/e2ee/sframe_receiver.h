/* The opening half of SFrame (RFC 9605) for one member of a group: the keys of everybody else, and replay windows.
 *
 * Order of calls: sframe_receiver_size for the memory, sframe_receiver_init; sframe_receiver_install at each epoch of
 * the group; for each frame sframe_open_begin, then the AEAD, then sframe_open_commit or sframe_open_failed;
 * sframe_receiver_switch when the group goes over to an epoch; sframe_receiver_step at sframe_receiver_next_us;
 * sframe_receiver_end. The time is an argument and never goes back.
 *
 * WHO SENT IT. The caller says whose stream the frame came on (the leaf index that is announced for its SSRC), and a
 * frame under any other leaf is refused. The KID names exactly one key: nothing is tried out.
 *
 * REPLAY. Each KID has a window of REPLAY_WINDOW_LEN counters. It is asked at begin and changed at commit only, after
 * the AEAD: two copies of a frame may both be on the way through an asynchronous AEAD, and the second commit answers
 * REPLAYED. What did not commit OK must not be used.
 *
 * KEYS are derived when a (leaf, context, epoch) is first seen, and live as long as their epoch; windows are never
 * forgotten before, or old frames would open again. The table has `keys_max` places. Whoever can send us bytes can make
 * up KIDs, so a key of which no frame was authentic yet may be thrown out again: of those there are never more than
 * SFRAME_UNPROVEN_MAX, the oldest makes room for the newest. When all places are taken by proven keys, further ones are
 * refused (KEYS_FULL) until an epoch ends.
 *
 * EPOCHS are described in sframe_keys.h. An epoch opens frames from its install on; after the switch to a newer one it
 * does for SFRAME_LATE_US more. A frame of an epoch that is not installed answers UNKNOWN_EPOCH, and the caller may
 * keep it for up to SFRAME_BUFFER_US; one of an epoch that is over answers ENDED_EPOCH. (Epochs are told apart modulo
 * 256: what is up to 127 ahead of the newest is to come, the rest is over.)
 *
 * A replayed or foreign frame is refused before the AEAD runs, so it takes less time than an authentic one; section
 * 4.4.4 recommends equal times for failed decryptions, which these are not.
 *
 * Contains secrets, wiped by sframe_receiver_end; allocates only cipher objects, one a key. Threads: none. */
#ifndef CONCLAVE_E2EE_SFRAME_RECEIVER_H
#define CONCLAVE_E2EE_SFRAME_RECEIVER_H

#include "base/map.h"
#include "base/pool.h"
#include "base/replay.h"
#include "e2ee/sframe_keys.h"

struct rng;

/* A member who hears 1000 others' sound and sees 30 of their pictures through an epoch change needs 2060; more than
 * this is a mistake of the caller. */
#define SFRAME_KEYS_LIMIT 16384
/* New keys that prove themselves within one AEAD's time: at an epoch change everybody's at once. */
#define SFRAME_UNPROVEN_MAX 256

/* Streams whose frames come at a time; a gallery shows fewer. */
#define SFRAME_RECENT_LEN 64

struct sframe_peer; /* one key and its window, in the caller's memory */

struct sframe_receiver {
    struct sframe_epochs epochs;
    uint32_t last_handle;
    struct map by_kid;
    uint32_t recent[SFRAME_RECENT_LEN]; /* pool handles by a few bits of the KID: asked before by_kid */
    struct pool places;
    struct sframe_peer *peers;
    uint32_t unproven[SFRAME_UNPROVEN_MAX]; /* pool handles, oldest first from unproven_head; some may have gone */
    uint32_t unproven_head;
    uint32_t unproven_count;
    struct sframe_counts counts;
};

/* What opens one frame. */
struct sframe_open {
    const struct sframe_key *key; /* borrowed until the next call on the receiver */
    uint32_t key_handle;
    uint32_t place; /* the receiver's */
    uint64_t kid;
    uint64_t ctr;
    uint8_t nonce[SFRAME_NONCE_LEN];
    uint8_t header_len; /* of the ciphertext's first bytes, which begin the AAD */
};

size_t sframe_receiver_size(uint32_t keys_max);
/* keys_max: 1 to SFRAME_KEYS_LIMIT (asserted). `memory`: sframe_receiver_size bytes, aligned for any type, the
 * caller's; it outlives the receiver. `rng` is used here only: the secret of a hash table. */
void sframe_receiver_init(struct sframe_receiver *receiver, void *memory, uint32_t keys_max,
                          const struct crypto_backend *crypto, uint16_t suite, const struct sframe_cipher *cipher,
                          struct rng *rng);
/* OK or NO_MEMORY, which changes nothing. */
enum sframe_status sframe_receiver_install(struct sframe_receiver *receiver, const struct sframe_epoch_key *key,
                                           uint64_t now_us);
/* The newest epoch, installed and not in use, does not come: its keys are wiped. Else nothing happens. */
void sframe_receiver_withdraw(struct sframe_receiver *receiver, uint64_t epoch);
/* `epoch` was installed (asserted). One that is not ahead of the current epoch changes nothing. */
void sframe_receiver_switch(struct sframe_receiver *receiver, uint64_t epoch, uint64_t now_us);
/* Switches and wipes what the time asks for. */
void sframe_receiver_step(struct sframe_receiver *receiver, uint64_t now_us);
uint64_t sframe_receiver_next_us(const struct sframe_receiver *receiver);

/* `ciphertext` is a whole SFrame ciphertext: header, encrypted data, tag. Answers OK with `out` filled in, TRUNCATED,
 * NOT_MINIMAL, WRONG_SENDER, OWN_KEY, BAD_CONTEXT, COUNTER_TOO_HIGH, UNKNOWN_EPOCH, ENDED_EPOCH, KEYS_FULL, NO_MEMORY,
 * REPLAYED or TOO_OLD. Refusals are counted. The next step is the AEAD: key, nonce, aad = first header_len bytes ||
 * metadata, over the bytes after the header. */
enum sframe_status sframe_open_begin(struct sframe_receiver *receiver, uint32_t leaf, struct span ciphertext,
                                     uint64_t now_us, struct sframe_open *out);
/* The AEAD said authentic: OK, and only then may the plaintext be used; REPLAYED, TOO_OLD or KEY_GONE. Counted. */
enum sframe_status sframe_open_commit(struct sframe_receiver *receiver, const struct sframe_open *open);
/* The AEAD said no: counts and answers NOT_AUTHENTIC. */
enum sframe_status sframe_open_failed(struct sframe_receiver *receiver, const struct sframe_open *open);
/* False: the key of this handle has ended, and what the host imported under it should go, too. Walks the table: to be
 * asked when an epoch ends, not for each frame. */
bool sframe_receiver_key_live(const struct sframe_receiver *receiver, uint32_t handle);
/* Keys in the table. */
uint32_t sframe_receiver_keys(const struct sframe_receiver *receiver);
void sframe_receiver_end(struct sframe_receiver *receiver);

#endif
