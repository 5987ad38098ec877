#include "sim/assembly.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/time.h"

enum event_kind {
    TO_SERVER,
    TO_PERSON,
    TO_PERSON_UNSEEN,
    SERVER_SEES_CLOSE,
    PERSON_SEES_CLOSE,
    CONNECT,
    FETCH,
    FETCHED,
    NOTHING
};

struct assembly_event {
    uint64_t at_us;
    uint64_t order;
    enum event_kind kind;
    int person;
    uint32_t connection;
    uint16_t code;
    uint32_t ticket;
    size_t len;
    uint8_t bytes[];
};

static bool before(const struct assembly_event *x, const struct assembly_event *y) {
    return x->at_us != y->at_us ? x->at_us < y->at_us : x->order < y->order;
}

static void post(struct assembly *a, uint64_t at_us, enum event_kind kind, int person, uint32_t number,
                 struct span bytes) {
    struct assembly_event *e = malloc(sizeof *e + bytes.len);
    ASSERT(e != NULL);
    *e = (struct assembly_event){
        .at_us = at_us, .order = ++a->events_made, .kind = kind, .person = person, .len = bytes.len};
    e->connection = e->ticket = number;
    e->code = (uint16_t)number;
    if (bytes.len > 0)
        memcpy(e->bytes, bytes.data, bytes.len);
    if (a->events_count == a->events_room) {
        a->events_room = a->events_room == 0 ? 256 : 2 * a->events_room;
        a->events = realloc(a->events, a->events_room * sizeof *a->events);
        ASSERT(a->events != NULL);
    }
    size_t i = a->events_count++;
    for (; i > 0 && before(e, a->events[(i - 1) / 2]); i = (i - 1) / 2)
        a->events[i] = a->events[(i - 1) / 2];
    a->events[i] = e;
}

static struct assembly_event *next_event(struct assembly *a) {
    struct assembly_event *top = a->events[0], *last = a->events[--a->events_count];
    size_t i = 0;
    for (size_t child = 1; child < a->events_count; child = 2 * i + 1) {
        if (child + 1 < a->events_count && before(a->events[child + 1], a->events[child]))
            child++;
        if (!before(a->events[child], last))
            break;
        a->events[i] = a->events[child];
        i = child;
    }
    a->events[i] = last;
    return top;
}

static uint64_t arrival(struct assembly *a, uint64_t *last_us, uint64_t delay_us) {
    uint64_t at_us = a->now_us + delay_us / 2 + rng_below(&a->rng, delay_us / 2 + 1);
    *last_us = at_us > *last_us ? at_us : *last_us;
    return *last_us;
}

static int person_of(const struct assembly *a, struct span identity) {
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++) {
        if (a->people[i].used && span_equal_str(identity, a->people[i].identity))
            return i;
    }
    return -1;
}

static void seen_gone(const struct assembly *a, struct assembly_person *p) {
    p->seen_up = false;
    p->seen_gone_us = a->now_us;
}

static void drain_delivery(struct assembly *a) {
    struct delivery_output out;
    while (delivery_poll(a->delivery, &out)) {
        if (out.type != DELIVERY_SEND && out.type != DELIVERY_CLOSE && out.type != DELIVERY_HOLD &&
            a->watch.delivery != NULL)
            a->watch.delivery(a->watch.context, &out);
        if (out.type == DELIVERY_ADMITTED || out.type == DELIVERY_EXPELLED) {
            int i = person_of(a, out.identity);
            if (i >= 0)
                a->people[i].admitted = out.type == DELIVERY_ADMITTED;
            continue;
        }
        if (out.type == DELIVERY_OVER) {
            a->over++;
            continue;
        }
        for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++) {
            struct assembly_person *p = &a->people[i];
            if (!p->used || p->connection != out.connection)
                continue;
            if (out.type == DELIVERY_HOLD) {
                p->held = out.held;
                break;
            }
            uint64_t at_us = arrival(a, &p->last_down_us, p->delay_us);
            if (out.type == DELIVERY_CLOSE)
                seen_gone(a, p);
            if (out.type == DELIVERY_SEND)
                post(a, at_us, TO_PERSON, i, out.connection, out.message);
            else
                post(a, at_us, PERSON_SEES_CLOSE, i, out.code, span_of(NULL, 0));
            break;
        }
    }
}

static void note_text(char *out, size_t size, struct span text) {
    size_t len = text.len < size - 1 ? text.len : size - 1;
    memcpy(out, text.data, len);
    out[len] = 0;
}

static void take(struct assembly *a, int i, const struct member_output *out) {
    struct assembly_person *p = &a->people[i];
    switch (out->type) {
    case MEMBER_SEND:
        if (p->up && (a->watch.up == NULL || a->watch.up(a->watch.context, i, out->bytes))) {
            if (out->bytes.data[0] == WIRE1_COMMIT && a->commit_slow_us > 0)
                p->last_up_us =
                    a->now_us + time_since(p->last_up_us, a->now_us) + rng_below(&a->rng, a->commit_slow_us);
            post(a, arrival(a, &p->last_up_us, p->delay_us), TO_SERVER, i, p->connection, out->bytes);
        }
        break;
    case MEMBER_FETCH:
        post(a, a->now_us + p->delay_us / 2, FETCH, i, out->ticket, out->text);
        break;
    case MEMBER_CONNECT:
        if (!p->crashed)
            post(a, a->now_us + out->delay_us, CONNECT, i, 0, span_of(NULL, 0));
        break;
    case MEMBER_KEYS:
        p->keys++;
        p->key_epoch = out->epoch;
        memcpy(p->key, out->bytes.data, sizeof p->key);
        break;
    case MEMBER_SWITCH:
        p->switches++;
        p->seal_epoch = out->epoch;
        break;
    case MEMBER_CHAT:
        p->chats += !out->private_to_us;
        p->private_chats += out->private_to_us;
        note_text(p->last_chat, sizeof p->last_chat, out->text);
        note_text(p->last_from, sizeof p->last_from, out->identity);
        break;
    case MEMBER_ALARM:
        p->alarms++;
        p->alarms_by_kind[out->alarm]++;
        p->last_alarm = out->alarm;
        if (getenv("ASSEMBLY_VERBOSE") != NULL)
            printf("%8.3f person %d alarm: %s (%s)\n", (double)a->now_us / 1e6, i, member_alarm_text(out->alarm),
                   mls_status_name(out->status));
        break;
    case MEMBER_STATE:
        if (out->state == MEMBER_IN && p->joined_us == 0)
            p->joined_us = a->now_us;
        if (getenv("ASSEMBLY_VERBOSE") != NULL)
            printf("%8.3f person %d state %d\n", (double)a->now_us / 1e6, i, out->state);
        break;
    case MEMBER_REMOVAL:
        p->removals_done += out->removal == MEMBER_REMOVAL_DONE;
        p->removals_failed += out->removal == MEMBER_REMOVAL_FAILED;
        break;
    case MEMBER_ENDED:
        p->ended = true;
        p->gone = out->gone;
        break;
    default:
        break;
    }
}

void assembly_drain(struct assembly *a, int i) {
    struct member_output out;
    while (member_poll(a->people[i].member, &out)) {
        take(a, i, &out);
        if (a->watch.output != NULL && out.type != MEMBER_SEND && out.type != MEMBER_FETCH &&
            out.type != MEMBER_CONNECT && !a->people[i].crashed)
            a->watch.output(a->watch.context, i, &out);
    }
}

void assembly_inject(struct assembly *a, int i, bool to_server, struct span message) {
    struct assembly_person *p = &a->people[i];
    post(a, a->now_us, to_server ? TO_SERVER : TO_PERSON_UNSEEN, i, p->connection, message);
}

uint64_t assembly_unix_s(const struct assembly *a, int person) {
    return (uint64_t)((int64_t)ASSEMBLY_UNIX_S(a) + a->people[person].clock_off_s);
}

void assembly_begin(struct assembly *a, uint64_t seed, uint16_t suite) {
    memset(a, 0, sizeof *a);
    a->now_us = 1000000;
    a->rng = rng_seeded(seed);
    a->suite = suite;
    snprintf(a->meeting, sizeof a->meeting, "%s", ASSEMBLY_MEETING);
    assembly_server_start(a);
}

void assembly_server_start(struct assembly *a) {
    struct delivery_config config = {
        .crypto = assembly_crypto(), .suite = a->suite, .meetings_max = 10, .connections_max = 400, .members_max = 200};
    a->delivery = delivery_create(&config, &a->rng);
    ASSERT(a->delivery != NULL);
}

void assembly_server_stop(struct assembly *a) {
    for (size_t i = 0; i < a->events_count; i++) {
        struct assembly_event *e = a->events[i];
        if (e->kind == TO_SERVER || e->kind == SERVER_SEES_CLOSE || e->kind == FETCH)
            e->kind = NOTHING;
    }
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++) {
        struct assembly_person *p = &a->people[i];
        if (p->used && p->up)
            post(a, arrival(a, &p->last_down_us, p->delay_us), PERSON_SEES_CLOSE, i, 1001, span_of(NULL, 0));
        seen_gone(a, p);
        p->connection = 0; /* the next server numbers them anew; what is on the way is lost */
    }
    delivery_destroy(a->delivery);
    a->delivery = NULL;
}

void assembly_end(struct assembly *a) {
    while (a->events_count > 0)
        free(next_event(a));
    free(a->events);
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++)
        member_free(a->people[i].member);
    delivery_destroy(a->delivery);
}

int assembly_join(struct assembly *a, uint8_t secret_seed) {
    int i = 0;
    while (a->people[i].used)
        i++;
    ASSERT(i < ASSEMBLY_PEOPLE_MAX);
    struct assembly_person *p = &a->people[i];
    uint8_t secret[SECURE_LINK_SECRET_LEN];
    memset(secret, secret_seed, sizeof secret);
    p->used = true;
    p->delay_us = 1000 + rng_below(&a->rng, 120000);
    snprintf(p->identity, sizeof p->identity, "p_%d", i);
    snprintf(p->name, sizeof p->name, "Person %d", i);
    struct member_config config = {.crypto = assembly_crypto(),
                                   .suite = a->suite,
                                   .meeting = span_str(a->meeting),
                                   .identity = span_str(p->identity),
                                   .link_secret = span_of(secret, sizeof secret),
                                   .name = span_str(p->name),
                                   .kind = SECURE_TEST,
                                   .software = span_str("test")};
    enum mls_status status = member_create(&config, &a->rng, &p->member);
    ASSERT(status == MLS_OK);
    post(a, a->now_us + p->delay_us, CONNECT, i, 0, span_of(NULL, 0));
    return i;
}

static void connect_person(struct assembly *a, int i) {
    struct assembly_person *p = &a->people[i];
    if (p->crashed || p->up || p->ended)
        return;
    if (a->delivery == NULL) {
        post(a, a->now_us + MEMBER_RETRY_MIN_US, CONNECT, i, 0, span_of(NULL, 0));
        return;
    }
    p->connection = delivery_open(a->delivery, a->now_us, NULL, span_str(a->meeting), span_str(p->identity));
    drain_delivery(a);
    ASSERT(p->connection != 0);
    p->up = p->seen_up = true;
    p->held = false;
    member_connected(p->member, a->now_us, assembly_unix_s(a, i), &a->rng);
    assembly_drain(a, i);
}

static void person_closed(struct assembly *a, int i, uint16_t code) {
    struct assembly_person *p = &a->people[i];
    if (!p->up)
        return;
    p->up = false;
    member_lost(p->member, a->now_us, code);
    assembly_drain(a, i);
}

static void deliver(struct assembly *a, const struct assembly_event *e) {
    struct assembly_person *p = &a->people[e->person];
    struct span message = span_of(e->bytes, e->len);
    if (!p->up || p->connection != e->connection ||
        (e->kind == TO_PERSON && a->watch.down != NULL && !a->watch.down(a->watch.context, e->person, message)))
        return;
    member_input(p->member, a->now_us, assembly_unix_s(a, e->person), &a->rng, message);
    assembly_drain(a, e->person);
}

static void serve_fetch(struct assembly *a, const struct assembly_event *e) {
    uint8_t hash[64];
    size_t len = 0;
    struct assembly_person *p = &a->people[e->person];
    const size_t prefix = sizeof "mls/tree/" - 1;
    for (size_t at = prefix; at + 1 < e->len; at += 2) {
        unsigned value;
        char digits[3] = {(char)e->bytes[at], (char)e->bytes[at + 1], 0};
        value = (unsigned)strtoul(digits, NULL, 16);
        hash[len++] = (uint8_t)value;
    }
    struct span tree = delivery_tree(a->delivery, span_str(a->meeting), span_of(hash, len));
    if (a->watch.fetched != NULL)
        tree = a->watch.fetched(a->watch.context, e->person, tree);
    post(a, a->now_us + p->delay_us / 2, FETCHED, e->person, e->ticket, tree);
}

static void happen(struct assembly *a, const struct assembly_event *e) {
    struct assembly_person *p = &a->people[e->person];
    bool for_server = e->kind == TO_SERVER || e->kind == SERVER_SEES_CLOSE || e->kind == FETCH;
    if (for_server && a->delivery == NULL)
        return;
    switch (e->kind) {
    case NOTHING:
        break;
    case TO_SERVER:
        if (a->watch.taking != NULL)
            a->watch.taking(a->watch.context, e->person, span_of(e->bytes, e->len));
        delivery_message(a->delivery, a->now_us, ASSEMBLY_UNIX_S(a), &a->rng, e->connection, span_of(e->bytes, e->len));
        if (a->watch.taken != NULL)
            a->watch.taken(a->watch.context, e->person, span_of(e->bytes, e->len));
        drain_delivery(a);
        break;
    case TO_PERSON:
    case TO_PERSON_UNSEEN:
        deliver(a, e);
        break;
    case SERVER_SEES_CLOSE:
        if (e->connection == p->connection)
            seen_gone(a, p);
        if (!a->blind)
            delivery_closed(a->delivery, a->now_us, &a->rng, e->connection, false);
        drain_delivery(a);
        break;
    case PERSON_SEES_CLOSE:
        person_closed(a, e->person, e->code);
        break;
    case CONNECT:
        connect_person(a, e->person);
        break;
    case FETCH:
        serve_fetch(a, e);
        break;
    case FETCHED:
        if (!p->crashed) {
            member_fetched(p->member, a->now_us, assembly_unix_s(a, e->person), &a->rng, e->ticket,
                           span_of(e->bytes, e->len));
            assembly_drain(a, e->person);
        }
        break;
    }
}

static uint64_t next_deadline(const struct assembly *a) {
    uint64_t at_us = a->delivery != NULL ? delivery_next_deadline_us(a->delivery) : TIME_NEVER;
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++) {
        if (a->people[i].used && !a->people[i].crashed)
            at_us = time_min(at_us, member_next_deadline_us(a->people[i].member));
    }
    return at_us;
}

static void tick(struct assembly *a) {
    if (a->delivery != NULL && delivery_next_deadline_us(a->delivery) <= a->now_us) {
        delivery_tick(a->delivery, a->now_us, ASSEMBLY_UNIX_S(a), &a->rng);
        drain_delivery(a);
    }
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++) {
        struct assembly_person *p = &a->people[i];
        if (p->used && !p->crashed && member_next_deadline_us(p->member) <= a->now_us) {
            member_tick(p->member, a->now_us, assembly_unix_s(a, i), &a->rng);
            assembly_drain(a, i);
        }
    }
}

static uint64_t next_event_us(const struct assembly *a) {
    return a->events_count > 0 ? a->events[0]->at_us : TIME_NEVER;
}

uint64_t assembly_next_us(const struct assembly *a) {
    return time_min(next_event_us(a), next_deadline(a));
}

void assembly_run(struct assembly *a, uint64_t us) {
    uint64_t end_us = a->now_us + us;
    for (;;) {
        uint64_t event_us = next_event_us(a);
        uint64_t at_us = time_min(event_us, next_deadline(a));
        if (at_us > end_us)
            break;
        a->now_us = at_us > a->now_us ? at_us : a->now_us;
        if (event_us <= a->now_us) {
            struct assembly_event *e = next_event(a);
            happen(a, e);
            free(e);
        } else {
            tick(a);
            a->now_us++; /* a deadline that was served but stays is seen again a moment later */
        }
    }
    a->now_us = end_us;
}

bool assembly_present(const struct assembly_person *p) {
    return p->used && !p->crashed && !p->ended;
}

bool assembly_agree(struct assembly *a) {
    struct member_code first = {0}, code;
    uint32_t count = 0;
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++) {
        struct assembly_person *p = &a->people[i];
        if (!assembly_present(p))
            continue;
        if (member_state(p->member) != MEMBER_IN || !member_code(p->member, &code))
            return false;
        if (count++ == 0)
            first = code;
        if (strcmp(first.digits, code.digits) != 0)
            return false;
    }
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++) {
        if (assembly_present(&a->people[i]) && member_people(a->people[i].member) != count)
            return false;
    }
    return true;
}

bool assembly_settle(struct assembly *a, uint64_t within_us) {
    uint64_t end_us = a->now_us + within_us;
    while (a->now_us < end_us) {
        assembly_run(a, 20000);
        if (assembly_agree(a))
            return true;
    }
    return false;
}

uint32_t assembly_in(const struct assembly *a) {
    uint32_t count = 0;
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++)
        count += assembly_present(&a->people[i]);
    return count;
}

static void close_at_server(struct assembly *a, int i, uint64_t later_us) {
    post(a, a->now_us + later_us, SERVER_SEES_CLOSE, i, a->people[i].connection, span_of(NULL, 0));
}

void assembly_cut(struct assembly *a, int i, bool crash) {
    if (crash) {
        assembly_crash(a, i, 1);
        return;
    }
    close_at_server(a, i, 1);
    person_closed(a, i, 1006);
}

void assembly_crash(struct assembly *a, int i, uint64_t seen_us) {
    close_at_server(a, i, seen_us);
    a->people[i].crashed = true;
    a->people[i].up = false;
}

void assembly_leave(struct assembly *a, int i) {
    member_leave(a->people[i].member);
    assembly_drain(a, i);
}
