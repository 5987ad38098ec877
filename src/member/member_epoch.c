/* Entering epochs: keys, people, what is due after. */
#include <string.h>

#include "base/time.h"
#include "member/member_internal.h"

#define BASE_KEY_LEN 32 /* AES_256_GCM_SHA512_128 (RFC 9605 section 4.5) */
#define BASE_KEY_LABEL "SFrame 1.0 Base Key"

/* ---- keys ---- */

static void give(struct member *m, uint64_t epoch, uint32_t leaf, uint8_t key[BASE_KEY_LEN]) {
    member_put(m, &(struct member_output){
                      .type = MEMBER_KEYS, .epoch = epoch, .own_leaf = leaf, .bytes = span_of(key, BASE_KEY_LEN)});
    secure_wipe(key, BASE_KEY_LEN);
}

void member_give_next_keys(struct member *m) {
    uint8_t key[BASE_KEY_LEN];
    if (mls_next_export(m->group, BASE_KEY_LABEL, span_of(NULL, 0), key, sizeof key) == MLS_OK)
        give(m, m->next_epoch, mls_own_leaf(m->group), key);
}

void member_drop_next_keys(struct member *m) {
    member_put(m, &(struct member_output){.type = MEMBER_KEYS_DROP, .epoch = m->next_epoch});
}

static void give_keys(struct member *m) {
    uint8_t key[BASE_KEY_LEN];
    if (mls_export(m->group, BASE_KEY_LABEL, span_of(NULL, 0), key, sizeof key) == MLS_OK)
        give(m, member_epoch(m), mls_own_leaf(m->group), key);
}

/* ---- an epoch ---- */

static bool anybody_new(const struct member *m, uint32_t before, uint32_t history_before) {
    return m->people_count != before || m->history_count != history_before;
}

/* What a newcomer knows nothing of yet, and whoever comes back to the group still knows. */
static void begin_stay(struct member *m, uint64_t now_us) {
    m->came_us = m->heard_us = now_us;
    m->online_told = false;
    member_rosters_forget(m);
}

/* Who came by itself or was welcomed says that it is in. */
static void send_ack(struct member *m) {
    struct mls_buf info;
    uint8_t tag[GROUP_INFO_TAG_LEN];
    struct mls_group_info_options options = {.external_pub = true};
    mls_buf_init(&info, WIRE_GROUP_INFO_LEN_MAX);
    if (mls_group_info(m->group, &options, &info) == MLS_OK && member_info_tag(m, mls_buf_span(&info), tag))
        member_send_wire(m, &(struct wire_message){
                                .type = WIRE_ACK, .epoch = member_epoch(m), .info_tag = span_of(tag, sizeof tag)});
    mls_buf_free(&info);
}

void member_entered(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng, struct span by,
                    enum entry entry) {
    uint32_t before = m->people_count, history = m->history_count;
    member_update_people(m, unix_s, by, entry);
    bool changed = anybody_new(m, before, history);
    if (entry != ENTRY_NEW && !changed)
        member_note(m, MEMBER_HEALED, unix_s, by, by);
    if (entry == ENTRY_NEW)
        begin_stay(m, now_us);
    m->remove_try_us = TIME_NEVER; /* proposals end with their epoch: the server makes anew what is not done */
    m->pending_since_us = 0;
    m->next = NEXT_NONE;
    m->next_apply_us = TIME_NEVER;
    if (member_epoch(m) >= m->behind_epoch) {
        m->astray = false;
        m->behind_epoch = 0;
        m->rejoin_at_us = TIME_NEVER;
        m->rejoin_tries = 0;
    }
    if (entry == ENTRY_NEXT)
        member_drop_way_back(m);
    if (entry == ENTRY_NEW)
        mls_key_packages_keep(m->client, 0); /* nobody has a use for them any more but who got hold of them */
    if (entry != ENTRY_NEXT) {               /* of the others the keys were given when the commit was staged */
        give_keys(m);
        send_ack(m);
        m->heartbeat_at_us = now_us + rng_below(rng, MEMBER_HEARTBEAT_US);
    }
    member_put(m, &(struct member_output){.type = MEMBER_SWITCH, .epoch = member_epoch(m)});
    /* Somebody commits when nothing has changed for long; spread, so that it is one and not all. */
    m->heal_at_us = now_us + MEMBER_HEAL_US + rng_below(rng, MEMBER_HEAL_US / 10 * (1 + m->people_count / 10));
    m->checks_at_us = mls_verify_left(m->group) > 0 ? now_us : TIME_NEVER;
    m->names_at_us = now_us + NAMES_US;
    m->names_tries = 0;
    if (m->connected)
        member_set_state(m, MEMBER_IN);
    member_put(m, &(struct member_output){.type = MEMBER_EPOCH, .epoch = member_epoch(m)});
    member_put(m, &(struct member_output){.type = MEMBER_ROSTER});
    member_directs_again(m, rng);
    member_removals_look(m, now_us, rng);
    if (entry != ENTRY_NEXT)
        member_send_profile(m, rng);
    const struct person *self = member_find_person(m, mls_buf_span(&m->identity));
    if (entry == ENTRY_AGAIN && self != NULL && self->hand)
        (void)member_hand(m, rng, true); /* to others we may be somebody who has just come */
    if (changed)
        member_dispute_again(m, rng);
}
