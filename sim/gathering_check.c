/* What must hold in an encrypted meeting. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "e2ee/frame_native.h"
#include "media/impl.h"
#include "protocol/demux.h"
#include "sim/gathering.h"

/* A leaf that nobody has: who tries keys is not the sender. */
#define NOBODY SFRAME_LEAF_MAX
#define REMOVED_TRIES 4

static const struct frame_info picture = GATHERING_FRAME;

static const char *name_of(const struct gathering *g, const struct attendee *a) {
    return g->assembly.people[a->person].identity;
}

/* ---- b: keys and counters ---------------------------------------------------------------------------------------- */

/* Nonce and key follow from base key, KID and counter (RFC 9605 sections 4.4.2, 4.4.3). */
static void note_use(struct gathering *g, const struct attendee *a, uint64_t print, uint64_t kid, uint64_t ctr) {
    ASSERT(g->used_count < GATHERING_USED_MAX / 2);
    uint64_t mixed = (print ^ kid * UINT64_C(0x9e3779b97f4a7c15) ^ ctr * UINT64_C(0xc2b2ae3d27d4eb4f)) *
                     UINT64_C(0xff51afd7ed558ccd);
    for (uint64_t at = mixed >> 40;; at++) {
        struct used_counter *slot = &g->used[at % GATHERING_USED_MAX];
        if (slot->print == 0) {
            *slot = (struct used_counter){print, kid, ctr};
            g->used_count++;
            return;
        }
        if (slot->print == print && slot->kid == kid && slot->ctr == ctr)
            conference_fail(g->conference, "%s used counter %llu of KID %llx a second time", name_of(g, a),
                            (unsigned long long)ctr, (unsigned long long)kid);
    }
}

static const struct kept_key *kept_of(const struct attendee *a, uint64_t epoch) {
    for (uint32_t i = 0; i < a->kept_count; i++) {
        if (a->kept[i].epoch == epoch)
            return &a->kept[i];
    }
    return NULL;
}

/* ---- c: who opens what ------------------------------------------------------------------------------------------- */

/* Tries a key as if it were that of the frame's epoch: whatever the frame's header says, only the key counts. */
static bool opens(struct gathering *g, const struct kept_key *key, const struct sealed_frame *frame) {
    static uint8_t *memory;
    struct sframe_receiver receiver;
    uint8_t out[sizeof frame->bytes];
    size_t len;
    if (memory == NULL)
        memory = calloc(1, sframe_receiver_size(4));
    ASSERT(memory != NULL);
    sframe_receiver_init(&receiver, memory, 4, &crypto_openssl, GATHERING_SFRAME, &sframe_native, &g->conference->rng);
    struct sframe_epoch_key install = {.epoch = frame->epoch,
                                       .leaf = NOBODY,
                                       .base_key = span_of(key->key, sizeof key->key),
                                       .switch_by_us = TIME_NEVER};
    enum sframe_status status = sframe_receiver_install(&receiver, &install, 1);
    ASSERT(status == SFRAME_OK);
    status = frame_open(&receiver, frame->leaf, &picture, span_of(frame->bytes, frame->len), 1, out, sizeof out, &len);
    sframe_receiver_end(&receiver);
    g->figures.tries++;
    return status == SFRAME_OK;
}

/* Everybody who is out tries with what it has: its receiver as it was, and some with single keys. */
static void removed_try(struct gathering *g, const struct sealed_frame *frame) {
    uint8_t out[sizeof frame->bytes];
    size_t len;
    uint32_t tries = 0, first = (uint32_t)rng_below(&g->conference->rng, g->attendees_count);
    for (uint32_t i = 0; i < g->attendees_count; i++) {
        struct attendee *a = &g->attendees[(first + i) % g->attendees_count];
        bool is_out = a->removed && a->removed_epoch <= frame->epoch;
        if (!is_out || a->kept_count == 0)
            continue;
        bool opened = frame_open(&a->receiver, frame->leaf, &picture, span_of(frame->bytes, frame->len),
                                 a->last_frame_us, out, sizeof out, &len) == SFRAME_OK;
        for (uint32_t k = 0; k < a->kept_count && tries < REMOVED_TRIES; k++, tries++)
            opened = opens(g, &a->kept[k], frame) || opened;
        if (opened)
            conference_fail(g->conference, "%s, removed in epoch %llu, opens a frame of epoch %llu", name_of(g, a),
                            (unsigned long long)a->removed_epoch, (unsigned long long)frame->epoch);
    }
}

void gathering_check_newcomer(struct gathering *g, struct attendee *a) {
    uint32_t count = g->frames_count < GATHERING_FRAMES ? g->frames_count : GATHERING_FRAMES;
    for (uint32_t i = 0; i < count; i++) {
        const struct sealed_frame *frame = &g->frames[i];
        if (frame->epoch >= a->first_epoch)
            continue;
        uint8_t out[sizeof frame->bytes];
        size_t len;
        bool opened = frame_open(&a->receiver, frame->leaf, &picture, span_of(frame->bytes, frame->len),
                                 g->assembly.now_us, out, sizeof out, &len) == SFRAME_OK;
        for (uint32_t k = 0; i % 8 == 0 && k < a->kept_count; k++)
            opened = opens(g, &a->kept[k], frame) || opened;
        if (opened)
            conference_fail(g->conference, "%s, who came in epoch %llu, opens a frame of epoch %llu", name_of(g, a),
                            (unsigned long long)a->first_epoch, (unsigned long long)frame->epoch);
    }
}

void gathering_check_sealed(struct gathering *g, struct attendee *a, const struct sframe_seal *seal, bool video,
                            struct span sealed) {
    struct sealed_frame *frame = &g->frames[g->frames_count % GATHERING_FRAMES];
    struct sframe_kid kid = sframe_kid_split(seal->kid);
    uint64_t epoch;
    bool any = sframe_sender_epoch(&a->sender, &epoch);
    ASSERT(any && kid.epoch8 == (uint8_t)epoch && sealed.len <= sizeof frame->bytes);
    const struct kept_key *key = kept_of(a, epoch);
    if (key == NULL && g->conference->options.plant == PLANT_NONE)
        conference_fail(g->conference, "%s seals with a key of %llu, %u epochs ago", name_of(g, a),
                        (unsigned long long)epoch, GATHERING_KEPT);
    if (key != NULL)
        note_use(g, a, key->print, seal->kid, seal->ctr);
    note_use(g, a, ~epoch, seal->kid, seal->ctr); /* and whatever the key: each name of a counter once in an epoch */
    frame->epoch = epoch;
    frame->leaf = kid.leaf;
    frame->video = video;
    frame->len = sealed.len;
    memcpy(frame->bytes, sealed.data, sealed.len);
    g->frames_count++;
    g->figures.sealed++;
    removed_try(g, frame);
}

void gathering_check_opened(struct gathering *g, const struct attendee *a, uint64_t kid) {
    uint8_t epoch8 = sframe_kid_split(kid).epoch8;
    if (epoch8 < (uint8_t)a->first_epoch && g->figures.epochs < 256)
        conference_fail(g->conference, "%s, who came in epoch %llu, opened a frame of epoch %u", name_of(g, a),
                        (unsigned long long)a->first_epoch, epoch8);
    if (a->removed && epoch8 >= (uint8_t)a->removed_epoch && g->figures.epochs < 256)
        conference_fail(g->conference, "%s, removed in epoch %llu, opened a frame of epoch %u", name_of(g, a),
                        (unsigned long long)a->removed_epoch, epoch8);
}

/* ---- d, e: what the server sends --------------------------------------------------------------------------------- */

static bool is_member(const struct gathering *g, const char *identity) {
    return g->assembly.service != NULL &&
           service_is_member(g->assembly.service, span_str(g->assembly.meeting), span_str(identity));
}

static const struct transport *transport_to(const struct engine *e, uint32_t transports_max,
                                            const struct net_addr *to) {
    for (uint32_t i = 0; i < transports_max; i++) {
        const struct transport *t = &e->transports[i];
        if (t->handle != 0 && t->has_target && net_addr_equal(&t->to, to))
            return t;
    }
    return NULL;
}

/* Whose media is it? The source behind the SSRC that goes out. */
static const struct client *sender_of(struct gathering *g, uint32_t shard, const struct engine_tx *tx) {
    struct conference *c = g->conference;
    const struct engine *e = c->server.engines[shard];
    struct reader r = reader_of(tx->data, tx->len);
    rd_skip(&r, 8);
    uint32_t ssrc = rd_u32(&r), node, socket;
    bool current;
    const struct transport *to = transport_to(e, c->server.engine_config.transports_max, &tx->to);
    if (to == NULL || !reader_ok(&r))
        return NULL;
    for (uint32_t i = to->first_sink; i != NONE; i = e->sinks[i].next_of_transport) {
        const struct sink *sink = &e->sinks[i];
        if (sink->ssrc != ssrc && sink->rtx_ssrc != ssrc)
            continue;
        const struct transport *from = &e->transports[e->sources[sink->source].transport];
        return from->has_target && network_owner(c->network, &from->to, &node, &socket, &current) ? &c->clients[node]
                                                                                                  : NULL;
    }
    return NULL;
}

void gathering_check_media(struct gathering *g, const struct client *to, uint32_t shard, const struct engine_tx *tx) {
    struct conference *c = g->conference;
    if (!is_member(g, to->identity) && c->options.plant != PLANT_SOURCE)
        conference_fail(c, "media goes to %s, who is not in the group", to->identity);
    if (demux(span_of(tx->data, tx->len)) != DEMUX_RTP)
        return;
    const struct client *from = sender_of(g, shard, tx);
    if (from == NULL)
        conference_fail(c, "%s gets media without a source", to->identity);
    if (!is_member(g, from->identity))
        conference_fail(c, "media of %s, who is not in the group, goes to %s", from->identity, to->identity);
    g->figures.forwarded++;
}

void gathering_check_signal(struct gathering *g, const struct client *to) {
    if (!g->expelling && !is_member(g, to->identity) && g->conference->options.plant != PLANT_OPEN)
        conference_fail(g->conference, "the server goes on telling %s, who is not in the group", to->identity);
}

/* ---- f: how long old keys are in use ----------------------------------------------------------------------------- */

void gathering_departed(struct gathering *g, int person) {
    ASSERT(g->departures_count < GATHERING_DEPARTURES_MAX);
    struct attendee *a = &g->attendees[person];
    g->departures[g->departures_count++] = (struct departure){
        .person = person, .since_us = g->assembly.now_us, .known = a->removed, .epoch = a->removed_epoch};
}

void gathering_gone_in_epoch(struct gathering *g, int person, uint64_t epoch) {
    struct attendee *a = &g->attendees[person];
    if (a->removed && a->removed_epoch <= epoch)
        return;
    a->removed = true;
    a->removed_epoch = epoch;
    for (uint32_t i = 0; i < g->departures_count; i++) {
        if (g->departures[i].person == person && !g->departures[i].known) {
            g->departures[i].known = true;
            g->departures[i].epoch = epoch;
        }
    }
}

/* Who lost its connection switches when it is back; those are not counted. */
static bool all_switched(const struct gathering *g, const struct departure *d) {
    for (uint32_t i = 0; i < g->attendees_count; i++) {
        const struct attendee *a = &g->attendees[i];
        if (gathering_in(g, a) && a->keyed && a->seal_epoch < d->epoch && g->assembly.people[a->person].up &&
            a->resumed_us < d->since_us)
            return false;
    }
    return true;
}

void gathering_check_departures(struct gathering *g) {
    for (uint32_t i = 0; i < g->departures_count; i++) {
        struct departure *d = &g->departures[i];
        if (d->done)
            continue;
        uint64_t took_us = g->assembly.now_us - d->since_us;
        if (took_us > GATHERING_REKEY_MAX_US && !g->ending && g->conference->options.plant != PLANT_DEAF)
            conference_fail(g->conference, "p_%d is out since %.3f s, and a sender still uses a key that it has",
                            d->person, (double)(d->since_us - g->conference->start_us) / 1e6);
        if (!d->known || !all_switched(g, d))
            continue;
        d->done = true;
        if (g->ending)
            continue;
        g->figures.rekeys++;
        g->figures.rekey_sum_us += took_us;
        if (took_us > g->figures.rekey_max_us)
            g->figures.rekey_max_us = took_us;
    }
}

/* ---- g: members without a connection ----------------------------------------------------------------------------- */

/* As those who are in know its role. */
static uint64_t grace_of(const struct gathering *g, struct span identity) {
    struct member_person seen;
    for (uint32_t i = 0; i < g->attendees_count; i++) {
        const struct attendee *a = &g->attendees[i];
        if (gathering_in(g, a) && member_person_find(g->assembly.people[a->person].member, identity, &seen))
            return seen.host ? SERVICE_GRACE_HOST_US : SERVICE_GRACE_US;
    }
    return SERVICE_GRACE_HOST_US;
}

void gathering_check_ghosts(struct gathering *g) {
    struct span identity;
    uint32_t cursor = 0;
    if (g->assembly.service == NULL || g->assembly.now_us < g->ghosts_looked_us + 100 * US_PER_MS)
        return;
    g->ghosts_looked_us = g->assembly.now_us;
    gathering_check_groups(g);
    while (service_member_next(g->assembly.service, span_str(g->assembly.meeting), &cursor, &identity)) {
        for (uint32_t i = 0; i < g->attendees_count; i++) {
            const struct assembly_person *p = &g->assembly.people[g->attendees[i].person];
            if (!span_equal_str(identity, p->identity) || p->seen_up)
                continue;
            if (g->assembly.now_us > p->seen_gone_us + grace_of(g, identity) + GATHERING_GHOST_US)
                conference_fail(g->conference, "%s is a member, and has had no connection for %.1f s", p->identity,
                                (double)(g->assembly.now_us - p->seen_gone_us) / 1e6);
        }
    }
}

/* ---- a: agreement ------------------------------------------------------------------------------------------------ */

/* Empty when they agree; else what is wrong. */
static const char *disagreement(struct gathering *g, int *who) {
    char first[GROUP_CODE_DIGITS + 1] = "", code[GROUP_CODE_DIGITS + 1];
    struct member_person person;
    uint32_t count = 0;
    uint64_t epoch = 0;
    for (uint32_t i = 0; i < g->attendees_count; i++)
        count += g->attendees[i].should_be_in;
    for (uint32_t i = 0; i < g->attendees_count; i++) {
        const struct attendee *a = &g->attendees[i];
        const struct assembly_person *p = &g->assembly.people[a->person];
        *who = a->person;
        if (!a->should_be_in) {
            if (is_member(g, p->identity))
                return "is still a member";
            continue;
        }
        if (!gathering_in(g, a) || !member_code(p->member, code))
            return "is not in";
        if (!is_member(g, p->identity))
            return "is no member for the server";
        if (first[0] == 0) {
            memcpy(first, code, sizeof first);
            epoch = member_epoch(p->member);
        }
        if (member_epoch(p->member) != epoch)
            return "is in another epoch";
        if (strcmp(first, code) != 0)
            return "has another code";
        if (a->seal_epoch != epoch)
            return "seals with an older key";
        if (member_people(p->member) != count)
            return "has a roster of another length";
        for (uint32_t k = 0; k < g->attendees_count; k++) {
            if (g->attendees[k].should_be_in &&
                !member_person_find(p->member, span_str(g->assembly.people[g->attendees[k].person].identity), &person))
                return "misses somebody";
        }
    }
    return NULL;
}

void gathering_expect_agreement(struct gathering *g, uint64_t within_us) {
    struct conference *c = g->conference;
    uint64_t end_us = c->now_us + within_us;
    int who = 0;
    for (;;) {
        const char *what = disagreement(g, &who);
        if (what == NULL)
            break;
        if (c->now_us >= end_us)
            conference_fail(c, "no agreement: p_%d %s", who, what);
        conference_run(c, 100 * US_PER_MS);
        gathering_check_departures(g);
    }
    for (uint32_t i = 0; i < g->departures_count; i++) {
        if (!g->departures[i].done)
            conference_fail(c, "the keys that p_%d has were never given up", g->departures[i].person);
    }
}
