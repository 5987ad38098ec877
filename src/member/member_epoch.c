#include <string.h>

#include "base/time.h"
#include "member/member_internal.h"

#define BASE_KEY_LEN 32 /* AES_256_GCM_SHA512_128 (RFC 9605 section 4.5) */

/* ---- keys ---- */

static void give_keys(struct member *m) {
    uint8_t key[BASE_KEY_LEN];
    if (mls_export(m->group, "SFrame 1.0 Base Key", span_of(NULL, 0), key, sizeof key) == MLS_OK) {
        member_put(m, &(struct member_output){.type = MEMBER_KEYS,
                                              .epoch = member_epoch(m),
                                              .own_leaf = mls_own_leaf(m->group),
                                              .bytes = span_of(key, sizeof key)});
    }
    secure_wipe(key, sizeof key);
}

void member_switch(struct member *m, uint64_t epoch) {
    uint32_t done = 0;
    while (done < m->switches_count && m->switches[done].epoch <= epoch)
        done++;
    if (done == 0)
        return;
    uint64_t to = m->switches[done - 1].epoch;
    m->switches_count -= done;
    memmove(m->switches, m->switches + done, m->switches_count * sizeof m->switches[0]);
    member_put(m, &(struct member_output){.type = MEMBER_SWITCH, .epoch = to});
}

/* Each epoch has a time of its own: commits that come faster than that must not put the switch off for ever. */
static void plan_switch(struct member *m, uint64_t at_us) {
    if (m->switches_count == SWITCHES_MAX)
        m->switches[SWITCHES_MAX - 1].epoch = member_epoch(m);
    else
        m->switches[m->switches_count++] = (struct due_switch){member_epoch(m), at_us};
}

static bool anybody_new(const struct member *m, uint32_t before, uint32_t history_before) {
    return m->people_count != before || m->history_count != history_before;
}

/* What a newcomer knows nothing of yet, and whoever comes back to the group still knows. */
static void begin_stay(struct member *m, uint64_t now_us) {
    m->came_us = now_us;
    m->online_told = false;
    member_rosters_forget(m);
}

void member_entered(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng, struct span by,
                    enum entry entry) {
    uint32_t before = m->people_count, history = m->history_count;
    member_update_people(m, unix_s, by, entry);
    if (entry != ENTRY_NEW && !anybody_new(m, before, history))
        member_note(m, MEMBER_HEALED, unix_s, by, by);
    if (entry == ENTRY_NEW)
        begin_stay(m, now_us);
    m->remove_try_us = TIME_NEVER; /* proposals end with their epoch: the server makes anew what is not done */
    m->pending_since_us = 0;
    if (member_epoch(m) >= m->behind_epoch) {
        m->astray = false;
        m->behind_epoch = 0;
        m->rejoin_at_us = TIME_NEVER;
        m->rejoin_tries = 0;
    }
    give_keys(m);
    member_send_wire(m, &(struct wire1_message){.type = WIRE1_ACK, .epoch = member_epoch(m)});
    plan_switch(m, now_us + MEMBER_SWITCH_US);
    if (entry != ENTRY_NEXT)
        member_switch(m, member_epoch(m));
    /* Somebody commits when nothing has changed for long; spread, so that it is one and not all. */
    m->heal_at_us = now_us + MEMBER_HEAL_US + rng_below(rng, MEMBER_HEAL_US / 10 * (1 + m->people_count / 10));
    m->checks_at_us = mls_verify_left(m->group) > 0 ? now_us : TIME_NEVER;
    m->names_at_us = now_us + NAMES_US;
    m->names_tries = 0;
    member_set_state(m, MEMBER_IN);
    member_put(m, &(struct member_output){.type = MEMBER_EPOCH, .epoch = member_epoch(m)});
    member_put(m, &(struct member_output){.type = MEMBER_ROSTER});
    member_directs_again(m, rng);
    member_removals_look(m, now_us, rng);
    if (entry != ENTRY_NEXT)
        member_send_profile(m, rng);
}
