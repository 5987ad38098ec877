#include "e2ee/sframe_receiver.h"

#include "base/assert.h"
#include "base/rng.h"

struct sframe_peer {
    struct sframe_key key;
    int slot; /* of its epoch */
    bool proven;
    struct replay_window window;
};

/* The parts of the memory: places, pool, map, each aligned. */
static size_t aligned(size_t len) {
    return (len + 15) & ~(size_t)15;
}

size_t sframe_receiver_size(uint32_t keys_max) {
    ASSERT(keys_max > 0 && keys_max <= SFRAME_KEYS_LIMIT);
    return aligned(keys_max * sizeof(struct sframe_peer)) + aligned(pool_size(keys_max)) +
           aligned(map_size(keys_max, sizeof(uint64_t)));
}

void sframe_receiver_init(struct sframe_receiver *receiver, void *memory, uint32_t keys_max,
                          const struct crypto_backend *crypto, uint16_t suite, const struct sframe_cipher *cipher,
                          struct rng *rng) {
    ASSERT(receiver != NULL && memory != NULL && rng != NULL);
    ASSERT(keys_max > 0 && keys_max <= SFRAME_KEYS_LIMIT);
    *receiver = (struct sframe_receiver){.peers = memory};
    uint8_t *at = (uint8_t *)memory + aligned(keys_max * sizeof(struct sframe_peer));
    for (uint32_t i = 0; i < keys_max; i++)
        receiver->peers[i] = (struct sframe_peer){0};
    pool_init(&receiver->places, at, keys_max);
    at += aligned(pool_size(keys_max));
    map_init(&receiver->by_kid, at, keys_max, sizeof(uint64_t), rng);
    sframe_epochs_init(&receiver->epochs, crypto, suite, cipher, SFRAME_LATE_US);
}

/* ---- The table of keys ------------------------------------------------------------------------------------------- */

static void drop_peer(struct sframe_receiver *receiver, uint32_t place) {
    struct sframe_peer *peer = &receiver->peers[pool_index(place)];
    bool found = map_remove(&receiver->by_kid, &peer->key.kid);
    ASSERT(found);
    sframe_key_end(&peer->key, receiver->epochs.cipher);
    *peer = (struct sframe_peer){0};
    pool_give(&receiver->places, place);
}

static void drop_epochs(struct sframe_receiver *receiver, sframe_slots ended) {
    for (uint32_t i = 0; ended != 0 && i < receiver->places.capacity; i++) {
        uint32_t place = pool_handle_at(&receiver->places, i);
        if (place != 0 && (ended >> receiver->peers[i].slot & 1) != 0)
            drop_peer(receiver, place);
    }
}

/* Takes the oldest key from the list of newcomers, and from the table when it has proven nothing. True: a place is free
 * now. */
static bool drop_oldest_unproven(struct sframe_receiver *receiver) {
    uint32_t place = receiver->unproven[receiver->unproven_head];
    receiver->unproven_head = (receiver->unproven_head + 1) % SFRAME_UNPROVEN_MAX;
    receiver->unproven_count--;
    if (!pool_live(&receiver->places, place) || receiver->peers[pool_index(place)].proven)
        return false;
    drop_peer(receiver, place);
    return true;
}

/* 0 when all places are taken by proven keys. */
static uint32_t take_place(struct sframe_receiver *receiver) {
    if (receiver->unproven_count == SFRAME_UNPROVEN_MAX)
        (void)drop_oldest_unproven(receiver);
    uint32_t place = pool_take(&receiver->places);
    while (place == 0 && receiver->unproven_count > 0) {
        if (drop_oldest_unproven(receiver))
            place = pool_take(&receiver->places);
    }
    return place;
}

static enum sframe_status add_peer(struct sframe_receiver *receiver, int slot, uint64_t kid, uint32_t *place) {
    *place = take_place(receiver);
    if (*place == 0)
        return SFRAME_KEYS_FULL;
    struct sframe_peer *peer = &receiver->peers[pool_index(*place)];
    ASSERT(receiver->last_handle < UINT32_MAX);
    enum sframe_status status =
        sframe_key_make(&peer->key, &receiver->epochs, slot, kid, receiver->last_handle + 1, AEAD_OPEN);
    if (status != SFRAME_OK) {
        pool_give(&receiver->places, *place);
        return status;
    }
    receiver->last_handle++;
    peer->slot = slot;
    bool put = map_put(&receiver->by_kid, &kid, *place);
    ASSERT(put);
    uint32_t end = (receiver->unproven_head + receiver->unproven_count++) % SFRAME_UNPROVEN_MAX;
    receiver->unproven[end] = *place;
    return SFRAME_OK;
}

uint32_t sframe_receiver_keys(const struct sframe_receiver *receiver) {
    return receiver->places.used;
}

bool sframe_receiver_key_live(const struct sframe_receiver *receiver, uint32_t handle) {
    ASSERT(handle != 0);
    for (uint32_t i = 0; i < receiver->places.capacity; i++) {
        if (receiver->peers[i].key.handle == handle)
            return true;
    }
    return false;
}

/* ---- Epochs ------------------------------------------------------------------------------------------------------ */

void sframe_receiver_step(struct sframe_receiver *receiver, uint64_t now_us) {
    ASSERT(receiver != NULL);
    if (now_us >= receiver->epochs.next_us)
        drop_epochs(receiver, sframe_epochs_step(&receiver->epochs, now_us));
}

enum sframe_status sframe_receiver_install(struct sframe_receiver *receiver, const struct sframe_epoch_key *key,
                                           uint64_t now_us) {
    ASSERT(receiver != NULL);
    sframe_slots ended = 0;
    enum sframe_status status = sframe_epochs_install(&receiver->epochs, key, &ended);
    drop_epochs(receiver, ended);
    sframe_receiver_step(receiver, now_us);
    return status;
}

void sframe_receiver_withdraw(struct sframe_receiver *receiver, uint64_t epoch) {
    ASSERT(receiver != NULL);
    drop_epochs(receiver, sframe_epochs_withdraw(&receiver->epochs, epoch));
}

void sframe_receiver_switch(struct sframe_receiver *receiver, uint64_t epoch, uint64_t now_us) {
    ASSERT(receiver != NULL);
    sframe_epochs_switch(&receiver->epochs, epoch, now_us);
    sframe_receiver_step(receiver, now_us);
}

uint64_t sframe_receiver_next_us(const struct sframe_receiver *receiver) {
    return receiver->epochs.next_us;
}

void sframe_receiver_end(struct sframe_receiver *receiver) {
    ASSERT(receiver != NULL && receiver->peers != NULL);
    drop_epochs(receiver, UINT32_MAX);
    ASSERT(receiver->places.used == 0);
    sframe_epochs_wipe(&receiver->epochs);
    receiver->peers = NULL;
}

/* ---- Opening ----------------------------------------------------------------------------------------------------- */

static enum sframe_status check_kid(const struct sframe_kid *kid, uint32_t leaf) {
    if (kid->context >= SFRAME_CONTEXTS_MAX)
        return SFRAME_BAD_CONTEXT;
    return kid->leaf == leaf ? SFRAME_OK : SFRAME_WRONG_SENDER;
}

/* The epoch's slot, or why there is none. */
static enum sframe_status find_epoch(const struct sframe_epochs *epochs, const struct sframe_kid *kid, int *slot) {
    *slot = sframe_epochs_find8(epochs, kid->epoch8);
    if (*slot >= 0)
        return epochs->slots[*slot].leaf == kid->leaf ? SFRAME_OWN_KEY : SFRAME_OK;
    uint8_t ahead = (uint8_t)(kid->epoch8 - (uint8_t)epochs->newest);
    bool to_come = !epochs->any || (ahead > 0 && ahead < 128);
    return to_come ? SFRAME_UNKNOWN_EPOCH : SFRAME_ENDED_EPOCH;
}

static enum sframe_status check_replay(const struct sframe_peer *peer, uint64_t ctr) {
    switch (replay_check(&peer->window, ctr)) {
    case REPLAY_FRESH:
        return SFRAME_OK;
    case REPLAY_SEEN:
        return SFRAME_REPLAYED;
    case REPLAY_TOO_OLD:
        break;
    }
    return SFRAME_TOO_OLD;
}

/* Most frames belong to a stream that was heard a moment ago. */
static bool find_known(struct sframe_receiver *receiver, const struct sframe_kid *parts, uint64_t kid,
                       uint32_t *place) {
    uint32_t *recent = &receiver->recent[(parts->leaf + parts->context * 8 + parts->epoch8) % SFRAME_RECENT_LEN];
    *place = *recent;
    const struct sframe_key *key = &receiver->peers[pool_index(*recent)].key;
    if (key->kid == kid && pool_live(&receiver->places, *recent))
        return true;
    if (!map_get(&receiver->by_kid, &kid, place))
        return false;
    *recent = *place;
    return true;
}

static enum sframe_status find_peer(struct sframe_receiver *receiver, uint32_t leaf, uint64_t kid, uint32_t *place) {
    struct sframe_kid parts = sframe_kid_split(kid);
    enum sframe_status status = check_kid(&parts, leaf);
    if (status != SFRAME_OK || find_known(receiver, &parts, kid, place))
        return status;
    int slot;
    status = find_epoch(&receiver->epochs, &parts, &slot);
    return status == SFRAME_OK ? add_peer(receiver, slot, kid, place) : status;
}

static enum sframe_status open_begin(struct sframe_receiver *receiver, uint32_t leaf, struct span ciphertext,
                                     struct sframe_open *out) {
    struct reader r = reader_of_span(ciphertext);
    struct sframe_header header;
    enum sframe_status status = sframe_header_read(&r, &header);
    if (status == SFRAME_OK && reader_left(&r) < receiver->epochs.suite->nt)
        status = SFRAME_TRUNCATED;
    if (status == SFRAME_OK && header.ctr >= SFRAME_FRAMES_MAX)
        status = SFRAME_COUNTER_TOO_HIGH;
    if (status == SFRAME_OK)
        status = find_peer(receiver, leaf, header.kid, &out->place);
    if (status != SFRAME_OK)
        return status;
    const struct sframe_peer *peer = &receiver->peers[pool_index(out->place)];
    ASSERT(peer->key.kid == header.kid);
    out->key = &peer->key;
    out->key_handle = peer->key.handle;
    out->kid = header.kid;
    out->ctr = header.ctr;
    out->header_len = (uint8_t)(ciphertext.len - reader_left(&r));
    sframe_nonce(peer->key.material.salt, header.ctr, out->nonce);
    return check_replay(peer, header.ctr);
}

enum sframe_status sframe_open_begin(struct sframe_receiver *receiver, uint32_t leaf, struct span ciphertext,
                                     uint64_t now_us, struct sframe_open *out) {
    ASSERT(receiver != NULL && out != NULL && leaf <= SFRAME_LEAF_MAX);
    sframe_receiver_step(receiver, now_us);
    enum sframe_status status = open_begin(receiver, leaf, ciphertext, out);
    if (status != SFRAME_OK)
        receiver->counts.of[status]++;
    return status;
}

enum sframe_status sframe_open_commit(struct sframe_receiver *receiver, const struct sframe_open *open) {
    ASSERT(receiver != NULL && open != NULL);
    enum sframe_status status = SFRAME_KEY_GONE;
    struct sframe_peer *peer = &receiver->peers[pool_index(open->place)];
    if (pool_live(&receiver->places, open->place) && peer->key.handle == open->key_handle)
        status = check_replay(peer, open->ctr);
    if (status == SFRAME_OK) {
        peer->proven = true;
        replay_mark(&peer->window, open->ctr);
    }
    receiver->counts.of[status]++;
    return status;
}

enum sframe_status sframe_open_failed(struct sframe_receiver *receiver, const struct sframe_open *open) {
    ASSERT(receiver != NULL && open != NULL);
    receiver->counts.of[SFRAME_NOT_AUTHENTIC]++;
    return SFRAME_NOT_AUTHENTIC;
}
