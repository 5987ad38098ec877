/* What SFrame's sender and receiver share: a key that is ready for use, and the epochs that are alive.
 *
 * Both kinds of use go through `struct sframe_key`. Natively a `struct sframe_cipher` (sframe_native.h) makes cipher
 * objects of the key, and its raw bytes are wiped at once. In WebAssembly there is no cipher (NULL): the raw key stays
 * here for the host to import, under a handle by which it may keep what it imported; the host does the encryption.
 *
 * EPOCHS. Each epoch of the group has a base key. `install` makes it known when the commit is processed; frames are
 * sealed with the former one until `switch` names it or the time `switch_by_us` has come, whichever is first. With
 * that, the epochs before it end: for sealing at once, for opening SFRAME_LATE_US later, for frames that are on the
 * way. An epoch that ends has its secret and all of its keys wiped. Base keys are not kept, only sframe_secret. */
#ifndef CONCLAVE_E2EE_SFRAME_KEYS_H
#define CONCLAVE_E2EE_SFRAME_KEYS_H

#include "base/time.h"
#include "crypto/aead.h"
#include "crypto/aes_ctr.h"
#include "e2ee/sframe.h"

/* Frames of the former epoch come late by a network's delay, a jitter buffer's, and the difference between two members'
 * switches (1 s at most when somebody was removed). */
#define SFRAME_LATE_US (3 * US_PER_S)
/* How long a caller may keep a frame that answered UNKNOWN_EPOCH: the commit is on its way on another path. */
#define SFRAME_BUFFER_US (500 * US_PER_MS)
/* With a commit each 250 ms, the fastest that joins are batched, an epoch is needed for 0.4 s as the next one and 3 s
 * as a former one: 14 at a time. When there are more the oldest ends early; never is the newest refused. */
#define SFRAME_EPOCHS_MAX 16
/* Section 9.1 wants each counter once; 2^32 frames of 2^16 blocks stay below what GCM under one key can take (NIST SP
 * 800-38D section 8.3), and last 2 years at 60 frames a second. */
#define SFRAME_FRAMES_MAX (UINT64_C(1) << 32)
/* An exporter's output, or another protocol's key. */
#define SFRAME_BASE_KEY_LEN_MAX 64

/* ---- A key ------------------------------------------------------------------------------------------------------- */

struct sframe_key {
    uint32_t handle; /* never 0 and never given twice by one sender or receiver; 0 = no key */
    uint64_t kid;
    const struct sframe_suite *suite;
    const struct crypto_backend *crypto;
    struct sframe_material material; /* with a cipher: salt and, for AES-CTR, the HMAC key; the rest is wiped */
    struct aead_key aead;            /* the cipher's */
    struct aes_ctr_key ctr;
};

struct sframe_cipher {
    /* Fills in the cipher's fields from key->material. False when memory is short; nothing is kept then. */
    bool (*key_make)(struct sframe_key *key, enum aead_direction direction);
    void (*key_end)(struct sframe_key *key);
};

/* The bytes that a host imports: nk of the suite. Asserts that there are such (no cipher). */
struct span sframe_key_raw(const struct sframe_key *key);

/* ---- Epochs ------------------------------------------------------------------------------------------------------ */

/* One epoch's input. */
struct sframe_epoch_key {
    uint64_t epoch;        /* above all that were installed before (asserted): counters would start again */
    uint32_t leaf;         /* our own index in it */
    struct span base_key;  /* of this epoch alone (asserted against those alive); the caller wipes it */
    uint64_t switch_by_us; /* at the latest; a time that has passed means at once */
};

/* The rest is for sframe_sender.c and sframe_receiver.c. */

struct sframe_epoch {
    bool live;
    uint32_t leaf;
    uint64_t epoch;
    uint64_t switch_us;
    uint64_t end_us;
    struct secret secret;
};

struct sframe_epochs {
    const struct crypto_backend *crypto;
    const struct sframe_suite *suite;
    const struct sframe_cipher *cipher;
    uint64_t late_us; /* how long a former epoch lives on */
    uint64_t newest;  /* highest installed; valid with `any` */
    bool any;
    bool switched;    /* `current` is valid */
    uint64_t current; /* the epoch in use for sealing; its slot is live */
    uint64_t next_us; /* when sframe_epochs_step has something to do */
    struct sframe_epoch slots[SFRAME_EPOCHS_MAX];
};

/* A set of slots, one bit each: those whose epoch just ended. The caller ends the keys. */
typedef uint32_t sframe_slots;

void sframe_epochs_init(struct sframe_epochs *e, const struct crypto_backend *crypto, uint16_t suite,
                        const struct sframe_cipher *cipher, uint64_t late_us);
enum sframe_status sframe_epochs_install(struct sframe_epochs *e, const struct sframe_epoch_key *key,
                                         sframe_slots *ended);
/* The newest epoch, not in use yet, will not come: its commit was withdrawn. Its secret is wiped, and another key may
 * be installed under its number. One in use, or another than the newest, stays: counters never begin again. */
sframe_slots sframe_epochs_withdraw(struct sframe_epochs *e, uint64_t epoch);
/* Puts an installed epoch into use; one that is not ahead of the current one changes nothing. */
void sframe_epochs_switch(struct sframe_epochs *e, uint64_t epoch, uint64_t now_us);
/* Does what the time asks for: switches and ends. To be called after a switch as well. */
sframe_slots sframe_epochs_step(struct sframe_epochs *e, uint64_t now_us);
/* The slot of an epoch by its low bits, or of the current epoch; -1 when there is none. */
int sframe_epochs_find8(const struct sframe_epochs *e, uint8_t epoch8);
int sframe_epochs_current(const struct sframe_epochs *e);
void sframe_epochs_wipe(struct sframe_epochs *e);

/* Derives a KID's key. OK or NO_MEMORY; without a key then. */
enum sframe_status sframe_key_make(struct sframe_key *key, const struct sframe_epochs *e, int slot, uint64_t kid,
                                   uint32_t handle, enum aead_direction direction);
/* Wipes; also allowed on an empty (zeroed) key. */
void sframe_key_end(struct sframe_key *key, const struct sframe_cipher *cipher);

#endif
