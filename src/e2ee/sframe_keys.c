#include "e2ee/sframe_keys.h"

#include "base/assert.h"

/* ---- A key ------------------------------------------------------------------------------------------------------- */

struct span sframe_key_raw(const struct sframe_key *key) {
    ASSERT(key != NULL && key->handle != 0);
    ASSERT(key->aead.state == NULL && key->ctr.state == NULL);
    return span_of(key->material.key, key->suite->nk);
}

enum sframe_status sframe_key_make(struct sframe_key *key, const struct sframe_epochs *e, int slot, uint64_t kid,
                                   uint32_t handle, enum aead_direction direction) {
    ASSERT(slot >= 0 && slot < SFRAME_EPOCHS_MAX && e->slots[slot].live && handle != 0);
    ASSERT(key->handle == 0);
    *key = (struct sframe_key){.handle = handle, .kid = kid, .suite = e->suite, .crypto = e->crypto};
    enum sframe_status status = sframe_expand(e->crypto, e->suite, &e->slots[slot].secret, kid, &key->material);
    if (status == SFRAME_OK && e->cipher != NULL && !e->cipher->key_make(key, direction))
        status = SFRAME_NO_MEMORY;
    if (status != SFRAME_OK)
        secure_wipe(key, sizeof *key);
    return status;
}

void sframe_key_end(struct sframe_key *key, const struct sframe_cipher *cipher) {
    ASSERT(key != NULL);
    if (key->handle != 0 && cipher != NULL)
        cipher->key_end(key);
    secure_wipe(key, sizeof *key);
}

/* ---- Epochs ------------------------------------------------------------------------------------------------------ */

void sframe_epochs_init(struct sframe_epochs *e, const struct crypto_backend *crypto, uint16_t suite,
                        const struct sframe_cipher *cipher, uint64_t late_us) {
    ASSERT(e != NULL && crypto != NULL && sframe_suite(suite) != NULL);
    *e = (struct sframe_epochs){
        .crypto = crypto, .suite = sframe_suite(suite), .cipher = cipher, .late_us = late_us, .next_us = TIME_NEVER};
}

void sframe_epochs_wipe(struct sframe_epochs *e) {
    secure_wipe(e, sizeof *e);
}

static sframe_slots end_slot(struct sframe_epochs *e, int slot) {
    secure_wipe(&e->slots[slot], sizeof e->slots[slot]);
    return UINT32_C(1) << slot;
}

/* The place for a new epoch: RFC 9605 section 5.2 lets one with the same low bits go first of all. */
static int make_place(struct sframe_epochs *e, uint64_t epoch, sframe_slots *ended) {
    int twin = sframe_epochs_find8(e, (uint8_t)epoch), oldest = -1;
    if (twin >= 0)
        *ended |= end_slot(e, twin);
    for (int i = 0; i < SFRAME_EPOCHS_MAX; i++) {
        if (!e->slots[i].live)
            return i;
        if (oldest < 0 || e->slots[i].epoch < e->slots[oldest].epoch)
            oldest = i;
    }
    *ended |= end_slot(e, oldest);
    return oldest;
}

static void note_next(struct sframe_epochs *e) {
    e->next_us = TIME_NEVER;
    for (int i = 0; i < SFRAME_EPOCHS_MAX; i++) {
        const struct sframe_epoch *slot = &e->slots[i];
        if (slot->live)
            e->next_us = time_min(e->next_us, time_min(slot->end_us, slot->switch_us));
    }
}

/* The epoch in use had to make place: the oldest of those that wait takes over. */
static void replace_current(struct sframe_epochs *e) {
    struct sframe_epoch *oldest = NULL;
    for (int i = 0; i < SFRAME_EPOCHS_MAX; i++) {
        struct sframe_epoch *slot = &e->slots[i];
        if (slot->live && (oldest == NULL || slot->epoch < oldest->epoch))
            oldest = slot;
    }
    ASSERT(oldest != NULL);
    oldest->switch_us = 0;
    e->switched = false;
}

enum sframe_status sframe_epochs_install(struct sframe_epochs *e, const struct sframe_epoch_key *key,
                                         sframe_slots *ended) {
    ASSERT(e != NULL && key != NULL && ended != NULL);
    ASSERT(key->leaf <= SFRAME_LEAF_MAX && key->base_key.len > 0 && key->base_key.len <= SFRAME_BASE_KEY_LEN_MAX);
    ASSERT(!e->any || key->epoch > e->newest);
    struct secret secret = {0};
    enum sframe_status status = sframe_extract(e->crypto, e->suite, key->base_key, &secret);
    if (status != SFRAME_OK)
        return status;
    for (int i = 0; i < SFRAME_EPOCHS_MAX; i++) /* the same key under a new number would start counters again */
        ASSERT(!e->slots[i].live || !secure_equal(e->slots[i].secret.bytes, secret.bytes, secret.len));
    int slot = make_place(e, key->epoch, ended);
    e->slots[slot] = (struct sframe_epoch){.live = true,
                                           .leaf = key->leaf,
                                           .epoch = key->epoch,
                                           .switch_us = key->switch_by_us,
                                           .end_us = TIME_NEVER,
                                           .secret = secret};
    secret_wipe(&secret);
    e->any = true;
    e->newest = key->epoch;
    if (e->switched && sframe_epochs_current(e) < 0)
        replace_current(e);
    note_next(e);
    return SFRAME_OK;
}

sframe_slots sframe_epochs_withdraw(struct sframe_epochs *e, uint64_t epoch) {
    ASSERT(e != NULL);
    sframe_slots ended = 0;
    if (!e->any || epoch != e->newest || (e->switched && epoch <= e->current))
        return ended;
    for (int i = 0; i < SFRAME_EPOCHS_MAX; i++) {
        if (e->slots[i].live && e->slots[i].epoch == epoch)
            ended |= end_slot(e, i);
    }
    if (ended == 0)
        return ended;
    e->any = epoch > 0;
    e->newest = epoch > 0 ? epoch - 1 : 0;
    note_next(e);
    return ended;
}

void sframe_epochs_switch(struct sframe_epochs *e, uint64_t epoch, uint64_t now_us) {
    ASSERT(e != NULL && e->any && epoch <= e->newest);
    if (e->switched && epoch <= e->current)
        return;
    for (int i = 0; i < SFRAME_EPOCHS_MAX; i++) {
        struct sframe_epoch *slot = &e->slots[i];
        if (slot->live && slot->epoch == epoch)
            slot->switch_us = time_min(slot->switch_us, now_us);
    }
    note_next(e);
}

/* The newest epoch whose time has come is in use, and all before it are on their way out. */
static void step_switch(struct sframe_epochs *e, uint64_t now_us) {
    int to = -1;
    for (int i = 0; i < SFRAME_EPOCHS_MAX; i++) {
        struct sframe_epoch *slot = &e->slots[i];
        if (slot->live && slot->switch_us <= now_us && (to < 0 || slot->epoch > e->slots[to].epoch))
            to = i;
    }
    if (to < 0)
        return;
    uint64_t switch_us = e->slots[to].switch_us;
    for (int i = 0; i < SFRAME_EPOCHS_MAX; i++) {
        struct sframe_epoch *slot = &e->slots[i];
        if (!slot->live || slot->epoch > e->slots[to].epoch)
            continue;
        slot->switch_us = TIME_NEVER; /* done, or overtaken */
        if (i != to)
            slot->end_us = time_min(slot->end_us, switch_us + e->late_us);
    }
    ASSERT(!e->switched || e->slots[to].epoch > e->current);
    e->current = e->slots[to].epoch;
    e->switched = true;
}

sframe_slots sframe_epochs_step(struct sframe_epochs *e, uint64_t now_us) {
    ASSERT(e != NULL);
    sframe_slots ended = 0;
    if (now_us < e->next_us)
        return ended;
    step_switch(e, now_us);
    for (int i = 0; i < SFRAME_EPOCHS_MAX; i++) {
        if (e->slots[i].live && e->slots[i].end_us <= now_us)
            ended |= end_slot(e, i);
    }
    note_next(e);
    return ended;
}

int sframe_epochs_find8(const struct sframe_epochs *e, uint8_t epoch8) {
    for (int i = 0; i < SFRAME_EPOCHS_MAX; i++) {
        if (e->slots[i].live && (uint8_t)e->slots[i].epoch == epoch8)
            return i;
    }
    return -1;
}

int sframe_epochs_current(const struct sframe_epochs *e) {
    for (int i = 0; e->switched && i < SFRAME_EPOCHS_MAX; i++) {
        if (e->slots[i].live && e->slots[i].epoch == e->current)
            return i;
    }
    return -1;
}
