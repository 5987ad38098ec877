#include "e2ee/sframe_sender.h"

#include "base/assert.h"

void sframe_sender_init(struct sframe_sender *sender, const struct crypto_backend *crypto, uint16_t suite,
                        const struct sframe_cipher *cipher) {
    ASSERT(sender != NULL);
    *sender = (struct sframe_sender){0};
    sframe_epochs_init(&sender->epochs, crypto, suite, cipher, 0);
}

static void end_keys(struct sframe_sender *sender) {
    for (size_t i = 0; i < SFRAME_CONTEXTS_MAX; i++) {
        sframe_key_end(&sender->streams[i].key, sender->epochs.cipher);
        sender->streams[i].next_ctr = 0;
    }
}

void sframe_sender_end(struct sframe_sender *sender) {
    ASSERT(sender != NULL);
    end_keys(sender);
    sframe_epochs_wipe(&sender->epochs);
}

void sframe_sender_step(struct sframe_sender *sender, uint64_t now_us) {
    ASSERT(sender != NULL);
    if (now_us < sender->epochs.next_us)
        return;
    uint64_t before = sender->epochs.current;
    bool switched = sender->epochs.switched;
    (void)sframe_epochs_step(&sender->epochs, now_us);
    if (sender->epochs.switched && (!switched || sender->epochs.current != before))
        end_keys(sender); /* all of them are the former epoch's */
}

enum sframe_status sframe_sender_install(struct sframe_sender *sender, const struct sframe_epoch_key *key,
                                         uint64_t now_us) {
    ASSERT(sender != NULL);
    sframe_slots ended = 0;
    enum sframe_status status = sframe_epochs_install(&sender->epochs, key, &ended);
    sframe_sender_step(sender, now_us);
    return status;
}

void sframe_sender_withdraw(struct sframe_sender *sender, uint64_t epoch) {
    ASSERT(sender != NULL);
    (void)sframe_epochs_withdraw(&sender->epochs, epoch); /* no stream has a key of it */
}

void sframe_sender_switch(struct sframe_sender *sender, uint64_t epoch, uint64_t now_us) {
    ASSERT(sender != NULL);
    sframe_epochs_switch(&sender->epochs, epoch, now_us);
    sframe_sender_step(sender, now_us);
}

uint64_t sframe_sender_next_us(const struct sframe_sender *sender) {
    return sender->epochs.next_us;
}

bool sframe_sender_epoch(const struct sframe_sender *sender, uint64_t *epoch) {
    ASSERT(sender != NULL && epoch != NULL);
    *epoch = sender->epochs.current;
    return sender->epochs.switched;
}

bool sframe_sender_key_live(const struct sframe_sender *sender, uint32_t handle) {
    ASSERT(handle != 0);
    for (size_t i = 0; i < SFRAME_CONTEXTS_MAX; i++) {
        if (sender->streams[i].key.handle == handle)
            return true;
    }
    return false;
}

static enum sframe_status make_key(struct sframe_sender *sender, uint32_t context) {
    struct sframe_stream *stream = &sender->streams[context];
    int slot = sframe_epochs_current(&sender->epochs);
    ASSERT(slot >= 0 && stream->next_ctr == 0);
    ASSERT(sender->last_handle < UINT32_MAX);
    const struct sframe_epoch *epoch = &sender->epochs.slots[slot];
    enum sframe_status status =
        sframe_key_make(&stream->key, &sender->epochs, slot, sframe_kid(context, epoch->leaf, epoch->epoch),
                        sender->last_handle + 1, AEAD_SEAL);
    if (status == SFRAME_OK)
        sender->last_handle++;
    return status;
}

static enum sframe_status seal_begin(struct sframe_sender *sender, uint32_t context, struct sframe_seal *out) {
    struct sframe_stream *stream = &sender->streams[context];
    if (!sender->epochs.switched)
        return SFRAME_NO_EPOCH;
    if (stream->next_ctr >= SFRAME_FRAMES_MAX)
        return SFRAME_COUNTER_SPENT;
    if (stream->key.handle == 0) {
        enum sframe_status status = make_key(sender, context);
        if (status != SFRAME_OK)
            return status;
    }
    struct sframe_header header = {.kid = stream->key.kid, .ctr = stream->next_ctr++};
    /* the law: this key, in the epoch that is in use, and a counter that was never taken */
    ASSERT((uint8_t)header.kid == (uint8_t)sender->epochs.current && stream->next_ctr > header.ctr);
    out->key = &stream->key;
    out->kid = header.kid;
    out->ctr = header.ctr;
    out->header_len = (uint8_t)sframe_header_put(out->header, &header);
    sframe_nonce(stream->key.material.salt, header.ctr, out->nonce);
    return SFRAME_OK;
}

enum sframe_status sframe_seal_begin(struct sframe_sender *sender, uint32_t context, uint64_t now_us,
                                     struct sframe_seal *out) {
    ASSERT(sender != NULL && out != NULL && context < SFRAME_CONTEXTS_MAX);
    sframe_sender_step(sender, now_us);
    enum sframe_status status = seal_begin(sender, context, out);
    sender->counts.of[status]++;
    return status;
}
