/* The sealing half of SFrame (RFC 9605) for one member of a group: keys by stream and epoch, and their counters.
 *
 * Order of calls: sframe_sender_init; sframe_sender_install at each epoch of the group; sframe_sender_switch when all
 * receivers have acknowledged it (it switches by itself at `switch_by_us`); sframe_seal_begin for each frame;
 * sframe_sender_step at sframe_sender_next_us, so that old keys go even when nothing is sent; sframe_sender_end. The
 * time is an argument of each call and never goes back.
 *
 * COUNTER LAW. No (key, counter) is given out twice: a counter only counts up, a stream's counter lives as long as its
 * key, and an epoch is installed once. Therefore a sender is never copied and never stored: after a restart the group
 * makes a new epoch. After SFRAME_FRAMES_MAX frames of one stream in one epoch sealing is refused (COUNTER_SPENT).
 *
 * TWO WAYS. Natively sframe_native.h seals; it is given `cipher = &sframe_native`. In WebAssembly (`cipher = NULL`)
 * sframe_seal_begin answers what the host needs: the key by handle and raw bytes for import, nonce, header and counter;
 * the host computes AEAD(key, nonce, aad = header || metadata, plaintext). Nothing has to be reported back: a frame
 * that is never sealed leaves a counter unused. Each begin is good for one encryption.
 *
 * Plain data with secrets in it, wiped by sframe_sender_end; allocates only cipher objects, at the first frame of a
 * stream in an epoch. Threads: none. */
#ifndef CONCLAVE_E2EE_SFRAME_SENDER_H
#define CONCLAVE_E2EE_SFRAME_SENDER_H

#include "e2ee/sframe_keys.h"

struct sframe_stream {
    struct sframe_key key; /* of the current epoch */
    uint64_t next_ctr;
};

struct sframe_sender {
    struct sframe_epochs epochs;
    uint32_t last_handle;
    struct sframe_stream streams[SFRAME_CONTEXTS_MAX]; /* by context */
    struct sframe_counts counts;
};

/* What seals one frame. */
struct sframe_seal {
    const struct sframe_key *key; /* borrowed until the next call on the sender that is not sframe_seal_begin */
    uint64_t kid;
    uint64_t ctr;
    uint8_t nonce[SFRAME_NONCE_LEN];
    uint8_t header_len;
    uint8_t header[SFRAME_HEADER_LEN_MAX];
};

/* `suite` is one that sframe_suite knows (asserted). `crypto` and `cipher` are constant data. */
void sframe_sender_init(struct sframe_sender *sender, const struct crypto_backend *crypto, uint16_t suite,
                        const struct sframe_cipher *cipher);
/* OK or NO_MEMORY, which changes nothing. */
enum sframe_status sframe_sender_install(struct sframe_sender *sender, const struct sframe_epoch_key *key,
                                         uint64_t now_us);
/* The newest epoch, installed and not in use, does not come: its key is wiped. Else nothing happens. */
void sframe_sender_withdraw(struct sframe_sender *sender, uint64_t epoch);
/* `epoch` was installed (asserted). One that is not ahead of the current epoch changes nothing. */
void sframe_sender_switch(struct sframe_sender *sender, uint64_t epoch, uint64_t now_us);
/* Switches and wipes what the time asks for. */
void sframe_sender_step(struct sframe_sender *sender, uint64_t now_us);
/* TIME_NEVER when only a call can change anything. */
uint64_t sframe_sender_next_us(const struct sframe_sender *sender);
/* The epoch that frames are sealed with at present; false: none yet. A change of it is when to make key frames. */
bool sframe_sender_epoch(const struct sframe_sender *sender, uint64_t *epoch);
/* Takes the next counter of a stream; `context` < SFRAME_CONTEXTS_MAX (asserted). OK, NO_EPOCH, COUNTER_SPENT or
 * NO_MEMORY; the frame must not be sent unless OK. Counted. */
enum sframe_status sframe_seal_begin(struct sframe_sender *sender, uint32_t context, uint64_t now_us,
                                     struct sframe_seal *out);
/* False: the key of this handle has ended, and what the host imported under it should go, too. */
bool sframe_sender_key_live(const struct sframe_sender *sender, uint32_t handle);
void sframe_sender_end(struct sframe_sender *sender);

#endif
