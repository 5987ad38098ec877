/* Encrypted meetings: who comes, who goes, who crashes, and what must hold after it. As in scenario.c the seed draws.
 */
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "sim/gathering.h"

#define FAST MLS_SUITE_X25519_AES128GCM_SHA256_ED25519
#define HYBRID MLS_SUITE_XWING_AES256GCM_SHA384_ED25519
#define ARRIVE_US (10 * US_PER_S)
/* A lost connection is noticed late, waited for, and then committers may crash one after the other. */
#define AGREE_US (SERVICE_GRACE_HOST_US + 30 * US_PER_S)
#define LEFT_MIN 3

static struct gathering gathering; /* of this process */

const struct gathering_figures *gathering_figures(void) {
    return &gathering.figures;
}

static uint64_t below(struct gathering *g, uint64_t bound) {
    return rng_below(&g->conference->rng, bound);
}

static void run_ms(struct gathering *g, uint64_t ms) {
    conference_run(g->conference, ms * US_PER_MS);
}

static struct gathering *begin(struct conference *c, uint16_t suite) {
    gathering_begin(&gathering, c, suite, GROUP_KIND_NOW | (c->options.seed % 3 == 0 ? 0 : GROUP_KIND_ANYBODY));
    gathering.lossy = below(&gathering, 2) == 0;
    return &gathering;
}

/* Everybody within ten seconds: one by one, or in clumps of up to ten, whom the group lets in together. */
static void arrive(struct gathering *g, uint32_t people) {
    uint64_t end_us = g->conference->now_us + ARRIVE_US;
    bool clumps = below(g, 2) == 0;
    for (uint32_t left = people; left > 0;) {
        uint32_t at_once = clumps ? (uint32_t)(1 + below(g, 10)) : 1;
        for (; at_once > 0 && left > 0; at_once--, left--)
            (void)gathering_join(g);
        uint64_t now_us = g->conference->now_us;
        if (left > 0 && now_us < end_us)
            conference_run(g->conference, 1 + below(g, 2 * (end_us - now_us) / left * (clumps ? 5 : 1) + 1));
    }
}

/* Some go within a moment: by the door, without a word, or because the host says so. */
static void burst(struct gathering *g, uint32_t count) {
    for (uint32_t i = 0; i < count && gathering_count(g) > LEFT_MIN; i++) {
        struct attendee *a = gathering_any(g);
        uint64_t how = below(g, 4);
        if (how == 0)
            gathering_crash(g, a);
        else if (how == 1)
            gathering_put_out(g, a);
        else
            gathering_leave(g, a);
        if (below(g, 4) == 0)
            run_ms(g, below(g, 100));
    }
}

static void cuts(struct gathering *g, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct attendee *a = gathering_any(g);
        gathering_cut(g, a);
        if (below(g, 2) == 0 && a->client != NULL)
            conference_cut_socket(g->conference, a->client, below(g, US_PER_S));
        run_ms(g, below(g, 200));
    }
}

/* Everything that was promised, and then all go at once. */
static void finish(struct gathering *g) {
    g->crash_at = 0;
    gathering_calm(g);
    gathering_expect_agreement(g, AGREE_US);
    conference_run(g->conference, 6 * US_PER_S);
    gathering_expect_agreement(g, US_PER_S);
    gathering_switch_off(g);
    conference_expect_media(g->conference, 2 * US_PER_S);
    g->ending = true;
    for (uint32_t i = 0; i < g->attendees_count; i++) {
        if (gathering_in(g, &g->attendees[i]))
            gathering_leave(g, &g->attendees[i]);
    }
    run_ms(g, 3000);
    gathering_switch_off(g);
    if (service_meetings(g->assembly.service) != 0)
        conference_fail(g->conference, "the delivery service remembers a meeting that all have left");
}

static void run_arrive(struct conference *c) {
    struct gathering *g = begin(c, FAST);
    arrive(g, 100);
    finish(g);
}

static void run_bursts(struct conference *c) {
    struct gathering *g = begin(c, FAST);
    arrive(g, 100);
    for (uint32_t i = 0; i < 3; i++) {
        run_ms(g, 500 + below(g, 2000));
        burst(g, (uint32_t)(5 + below(g, 25)));
    }
    finish(g);
}

static void crashing(struct gathering *g, uint32_t people, uint32_t crashes) {
    g->crash_at = 1 + (uint32_t)below(g, 15);
    g->crashes_left = crashes;
    arrive(g, people);
    for (uint32_t i = 0; i < 3; i++) {
        burst(g, (uint32_t)(1 + below(g, people / 10)));
        run_ms(g, 500 + below(g, 2000));
    }
    finish(g);
}

static void run_crashes(struct conference *c) {
    crashing(begin(c, FAST), 100, 8);
}

/* Committers are slow, and people do not wait until they are let in. */
static void run_impatient(struct conference *c) {
    struct gathering *g = begin(c, FAST);
    arrive(g, 10);
    run_ms(g, 2000);
    g->assembly.commit_slow_us = 2 * US_PER_S;
    for (uint32_t i = 0; i < 12; i++) {
        struct attendee *comers[4];
        for (uint32_t k = 0; k < ARRAY_LEN(comers); k++)
            comers[k] = gathering_join(g);
        run_ms(g, 100 + below(g, 900));
        for (uint32_t k = 0; k < ARRAY_LEN(comers); k++) {
            if (below(g, 3) == 0 && below(g, 2) == 0)
                gathering_crash(g, comers[k]);
            else if (below(g, 2) == 0)
                gathering_leave(g, comers[k]);
        }
        run_ms(g, below(g, 1500));
    }
    run_ms(g, (SERVICE_GRACE_US + GATHERING_GHOST_US + 5 * US_PER_S) / US_PER_MS);
    g->assembly.commit_slow_us = 0;
    finish(g);
}

static void run_resume(struct conference *c) {
    struct gathering *g = begin(c, FAST);
    arrive(g, 100);
    for (uint32_t i = 0; i < 3; i++) {
        cuts(g, (uint32_t)(2 + below(g, 8)));
        burst(g, (uint32_t)(1 + below(g, 8)));
        run_ms(g, below(g, 1500));
    }
    finish(g);
}

/* Comings, goings, cuts and crashes at the same time. */
static void mixed(struct gathering *g, uint32_t people) {
    g->crash_at = (uint32_t)below(g, 16);
    g->crashes_left = 1 + people / 20;
    arrive(g, people - people / 5);
    for (uint32_t i = 0; i < people / 5; i++) {
        (void)gathering_join(g);
        if (below(g, 3) == 0)
            cuts(g, 1);
        if (below(g, 3) == 0)
            burst(g, (uint32_t)(1 + below(g, 4)));
        run_ms(g, below(g, 300));
    }
    finish(g);
}

static void run_all(struct conference *c) {
    mixed(begin(c, FAST), 100);
}

static void run_outage(struct conference *c) {
    struct gathering *g = begin(c, FAST);
    arrive(g, 30);
    for (uint32_t i = 0; i < 2; i++) {
        run_ms(g, below(g, 4000));
        (void)gathering_join(g);
        run_ms(g, below(g, 500));
        gathering_restart(g, (200 + below(g, 1500)) * US_PER_MS);
    }
    run_ms(g, 5000 + below(g, 5000));
    burst(g, 4);
    finish(g);
}

static void run_three(struct conference *c) {
    struct gathering *g = begin(c, c->options.seed % 2 == 0 ? FAST : HYBRID);
    arrive(g, 4);
    run_ms(g, 2000);
    burst(g, 1);
    finish(g);
}

static void run_twenty(struct conference *c) {
    mixed(begin(c, FAST), 20);
}

static void run_hybrid(struct conference *c) {
    crashing(begin(c, HYBRID), 20, 3);
}

/* Three hosts; some clocks are off by years. */
static void seat_hosts(struct gathering *g) {
    struct assembly_person *owner = &g->assembly.people[0];
    for (uint32_t tries = 0; tries < 40; tries++) {
        bool all = true;
        for (int i = 1; i < 3; i++) {
            struct member_person seen;
            struct span identity = span_str(g->assembly.people[i].identity);
            if (member_person_find(owner->member, identity, &seen) && seen.host)
                continue;
            all = false;
            (void)member_make_host(owner->member, g->assembly.now_us, ASSEMBLY_UNIX_S(&g->assembly), &g->assembly.rng,
                                   identity);
            assembly_drain(&g->assembly, 0);
            run_ms(g, 1000);
            break;
        }
        if (all)
            return;
    }
    conference_fail(g->conference, "there are no three hosts");
}

static struct gathering *begin_with_hosts(struct conference *c, uint32_t least, uint32_t more) {
    struct gathering *g = begin(c, FAST);
    arrive(g, least + (uint32_t)below(g, more));
    for (uint32_t i = 0; i < g->attendees_count; i++) {
        if (below(g, 4) == 0)
            g->assembly.people[g->attendees[i].person].clock_off_s =
                (int64_t)below(g, 20 * UINT64_C(31536000)) - 10 * INT64_C(31536000);
    }
    gathering_expect_agreement(g, AGREE_US);
    seat_hosts(g);
    return g;
}

/* Whom a host wants out is out within two seconds of a quiet network. */
static void put_out_now(struct gathering *g, struct attendee *a) {
    gathering_put_out(g, a);
    run_ms(g, 2000 + 2 * 250);
    struct assembly_person *p = &g->assembly.people[a->person];
    struct member_person seen;
    if (member_person_find(g->assembly.people[0].member, span_str(p->identity), &seen))
        conference_fail(g->conference, "p_%d was to be put out and is there", a->person);
}

/* Some do what they like, phones sleep, others come and go; the hosts then put the hostile ones out. */
static void run_hostile(struct conference *c) {
    struct gathering *g = begin_with_hosts(c, 20, 10);
    uint32_t hostile = 1 + (uint32_t)below(g, 3), first = 3 + (uint32_t)below(g, 10);
    g->alarms_expected = 1u << MEMBER_ALARM_COMMIT;
    for (uint32_t i = first; i < first + hostile; i++) {
        g->attendees[i].hostile = true;
        g->attendees[i].should_be_in = false;
        if (g->attendees[i].client != NULL && g->attendees[i].client->used)
            conference_kill(c, g->attendees[i].client);
    }
    g->assembly.commit_slow_us = below(g, 2) * 300 * US_PER_MS;
    uint64_t epoch = member_epoch(g->assembly.people[0].member);
    for (uint32_t i = 0; i < 8; i++) {
        struct attendee *a = gathering_any(g);
        (void)gathering_join(g);
        if (a->person >= 3) {
            a->may_come_again = true;
            a->resumed_us = UINT64_MAX; /* switches when it is back */
            assembly_sleep(&g->assembly, a->person, below(g, 16) * US_PER_S);
        }
        run_ms(g, 500 + below(g, 2000));
    }
    if (member_epoch(g->assembly.people[0].member) < epoch + 4)
        conference_fail(c, "hostile members hold the group up");
    g->assembly.commit_slow_us = 0;
    run_ms(g, 20000);
    for (uint32_t i = 0; i < g->attendees_count; i++) {
        if (g->attendees[i].hostile && assembly_present(&g->assembly.people[i]))
            put_out_now(g, &g->attendees[i]);
    }
    finish(g);
}

/* The server lies to one, who then is put out; nobody else notices, and that one never believed anything. */
static void run_lies(struct conference *c) {
    struct gathering *g = begin_with_hosts(c, 6, 6);
    struct attendee *victim = &g->attendees[3 + below(g, 3)];
    victim->lied_to = true;
    victim->should_be_in = false;
    g->lying = true;
    for (uint32_t i = 0; i < 6; i++) {
        (void)gathering_join(g);
        run_ms(g, 500 + below(g, 2000));
    }
    g->lying = false;
    run_ms(g, 2000);
    if (assembly_present(&g->assembly.people[victim->person]))
        put_out_now(g, victim);
    finish(g);
}

const struct scenario gatherings[] = {
    {"arrive", "a hundred come within ten seconds", 3, run_arrive},
    {"bursts", "a hundred, of whom many go at once: by themselves, without a word, put out by the host", 4, run_bursts},
    {"crashes", "a hundred, and committers crash when named, after their commit, before and after they entered", 5,
     run_crashes},
    {"resume", "a hundred, WebSockets break and are resumed while others go", 4, run_resume},
    {"all", "a hundred, all of it at the same time", 5, run_all},
    {"impatient", "forty-eight come to ten, half of whom do not wait for slow committers", 2, run_impatient},
    {"outage", "thirty, and the server loses its state twice", 2, run_outage},
    {"three", "few people; with odd seeds in the hybrid suite", 1, run_three},
    {"twenty", "twenty people, all of it at the same time", 2, run_twenty},
    {"hostile", "three hosts and some thirty, of whom up to three are hostile; phones sleep, clocks are off by years",
     2, run_hostile},
    {"lies", "three hosts and a dozen; the server lies to one person", 1, run_lies},
    {"hybrid", "twenty people in the hybrid suite, committers crash", 2, run_hybrid},
};
const uint32_t gatherings_count = ARRAY_LEN(gatherings);

void gathering_done(void) {
    gathering_end(&gathering);
}
