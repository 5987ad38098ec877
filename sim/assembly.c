#include "sim/assembly.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "member/member_internal.h"

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

int assembly_person_of(const struct assembly *a, struct span identity) {
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++) {
        if (a->people[i].used && span_equal_str(identity, a->people[i].identity))
            return i;
    }
    return -1;
}

struct service_now assembly_service_now(struct assembly *a) {
    return (struct service_now){.now_us = a->now_us, .unix_s = ASSEMBLY_UNIX_S(a), .rng = &a->rng};
}

static void seen_gone(const struct assembly *a, struct assembly_person *p) {
    p->seen_up = false;
    p->seen_gone_us = a->now_us;
}

static void carry(struct assembly *a, const struct service_output *out) {
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++) {
        struct assembly_person *p = &a->people[i];
        if (!p->used || p->connection != out->connection)
            continue;
        uint64_t at_us = arrival(a, &p->last_down_us, p->delay_us);
        if (out->type == SERVICE_SEND) {
            post(a, at_us, TO_PERSON, i, out->connection, out->message);
        } else {
            seen_gone(a, p);
            post(a, at_us, PERSON_SEES_CLOSE, i, out->code, span_of(NULL, 0));
        }
        return;
    }
}

static void hold(struct assembly *a, const struct service_output *out) {
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++) {
        if (a->people[i].used && a->people[i].connection == out->connection)
            a->people[i].held = out->held;
    }
}

static void drain_service(struct assembly *a) {
    struct service_output out;
    while (service_poll(a->service, &out)) {
        int i;
        switch (out.type) {
        case SERVICE_SEND:
        case SERVICE_CLOSE:
            carry(a, &out);
            continue;
        case SERVICE_ADMITTED:
        case SERVICE_EXPELLED:
            i = assembly_person_of(a, out.identity);
            if (i >= 0)
                a->people[i].admitted = out.type == SERVICE_ADMITTED;
            break;
        case SERVICE_HOLD:
            hold(a, &out);
            continue;
        case SERVICE_OVER:
            a->over++;
            break;
        }
        if (a->watch.service != NULL)
            a->watch.service(a->watch.context, &out);
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
            if (out->bytes.data[0] == WIRE_COMMIT && a->commit_slow_us > 0)
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
    case MEMBER_KEYS_DROP:
        p->keys_dropped++;
        break;
    case MEMBER_WITHDRAWN:
        p->withdrawn++;
        break;
    case MEMBER_TOKEN:
        p->token_good = span_equal_str(out->text, p->identity);
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
    a->people[i].deadline_us = member_next_deadline_us(a->people[i].member);
}

void assembly_inject(struct assembly *a, int i, bool to_server, struct span message) {
    struct assembly_person *p = &a->people[i];
    post(a, a->now_us, to_server ? TO_SERVER : TO_PERSON_UNSEEN, i, p->connection, message);
}

void assembly_say(struct assembly *a, int i, bool to_server, const struct wire_message *message) {
    struct mls_buf bytes;
    mls_buf_init(&bytes, 2 * WIRE_MESSAGE_LEN_MAX);
    wire_write(message, &bytes);
    ASSERT(mls_buf_ok(&bytes));
    assembly_inject(a, i, to_server, mls_buf_span(&bytes));
    mls_buf_free(&bytes);
}

uint64_t assembly_unix_s(const struct assembly *a, int person) {
    return (uint64_t)((int64_t)ASSEMBLY_UNIX_S(a) + a->people[person].clock_off_s);
}

/* A house, an owner and a link: as the server and the page make them when somebody makes a meeting. */
static void make_meeting(struct assembly *a) {
    uint8_t seed[32], hash[32], id_hash[16], tag[8];
    struct span operator_key = span_of(a->operator_key, sizeof a->operator_key);
    struct group_link link;
    rng_fill(&a->rng, a->link_secret, sizeof a->link_secret);
    rng_fill(&a->rng, a->server_secret, sizeof a->server_secret);
    rng_fill(&a->rng, a->operator_key, sizeof a->operator_key);
    rng_fill(&a->rng, seed, sizeof seed);
    secret_set(&a->owner_seed, span_of(seed, sizeof seed));
    bool good =
        assembly_crypto()->sign_public(SIGN_ED25519, &a->owner_seed, a->owner) == CRYPTO_OK &&
        assembly_crypto()->hash(HASH_SHA256, &operator_key, 1, hash) == CRYPTO_OK &&
        group_link_derive(assembly_crypto(), span_of(a->link_secret, sizeof a->link_secret), &link) == CRYPTO_OK;
    ASSERT(good);
    memcpy(a->operator_hash, hash, sizeof a->operator_hash);
    const struct group_id_parts parts = {.first_link_key = span_of(link.link_key, sizeof link.link_key),
                                         .owner = span_of(a->owner, sizeof a->owner),
                                         .operator_key = operator_key,
                                         .suite = a->suite,
                                         .kind = a->kind};
    group_id_hash(assembly_crypto(), &parts, id_hash);
    group_id_tag(assembly_crypto(), span_of(a->server_secret, sizeof a->server_secret), id_hash, tag);
    group_id_text(id_hash, tag, a->meeting);
    group_link_wipe(&link);
}

void assembly_begin_kind(struct assembly *a, uint64_t seed, uint16_t suite, uint8_t kind) {
    memset(a, 0, sizeof *a);
    a->now_us = 1000000;
    a->rng = rng_seeded(seed);
    a->suite = suite;
    a->kind = kind;
    make_meeting(a);
    assembly_server_start(a);
}

void assembly_begin(struct assembly *a, uint64_t seed, uint16_t suite) {
    assembly_begin_kind(a, seed, suite, GROUP_KIND_NOW | GROUP_KIND_ANYBODY);
}

/* A token that says whose it is. */
static void token(void *context, struct span id, struct span identity, struct mls_buf *out) {
    (void)context;
    (void)id;
    mls_wr_span(out, identity);
}

void assembly_server_start(struct assembly *a) {
    struct service_config config = {
        .crypto = assembly_crypto(),
        .server = group_server_local(assembly_crypto(), span_of(a->server_secret, sizeof a->server_secret)),
        .operator_key = span_of(a->operator_key, sizeof a->operator_key),
        .meetings_max = 10,
        .connections_max = 400,
        .members_max = 200,
        .file_len_max = 1u << 20,
        .founding_from_us = a->events_made > 0 ? a->now_us + 5 * US_PER_S : 0,
        .token = token};
    a->service = service_create(&config);
    ASSERT(a->service != NULL);
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
    service_free(a->service);
    a->service = NULL;
}

void assembly_end(struct assembly *a) {
    while (a->events_count > 0)
        free(next_event(a));
    free(a->events);
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++) {
        member_free(a->people[i].member);
        secret_wipe(&a->people[i].seat);
    }
    service_free(a->service);
    secret_wipe(&a->owner_seed);
}

static void make_member(struct assembly *a, struct assembly_person *p, bool stranger, const struct secret *seat) {
    uint8_t secret[GROUP_LINK_SECRET_LEN];
    memcpy(secret, a->link_secret, sizeof secret);
    secret[0] ^= stranger;
    struct member_config config = {.crypto = assembly_crypto(),
                                   .suite = a->suite,
                                   .meeting = span_str(a->meeting),
                                   .kind = a->kind,
                                   .link_secret = span_of(secret, sizeof secret),
                                   .operator_hash = span_of(a->operator_hash, sizeof a->operator_hash),
                                   .operator_key = span_of(a->operator_key, sizeof a->operator_key),
                                   .owner = span_of(a->owner, sizeof a->owner),
                                   .owner_seed = p->owner ? secret_span(&a->owner_seed) : span_of(NULL, 0),
                                   .name = span_str(p->name),
                                   .client = GROUP_TEST,
                                   .software = span_str("test"),
                                   .seat_seed = seat};
    enum mls_status status = member_create(&config, &a->rng, &p->member);
    ASSERT(status == MLS_OK);
    bool fits = span_to_str(member_own_identity(p->member), p->identity, sizeof p->identity);
    ASSERT(fits);
    p->seat = p->member->signature_key;
    p->deadline_us = member_next_deadline_us(p->member);
}

int assembly_join(struct assembly *a, enum assembly_as as) {
    int i = 0;
    while (i < ASSEMBLY_PEOPLE_MAX && a->people[i].used)
        i++;
    ASSERT(i < ASSEMBLY_PEOPLE_MAX);
    struct assembly_person *p = &a->people[i];
    p->used = true;
    p->owner = as == ASSEMBLY_OWNER;
    p->delay_us = 1000 + rng_below(&a->rng, 120000);
    snprintf(p->name, sizeof p->name, "Person %d", i);
    make_member(a, p, as == ASSEMBLY_STRANGER, NULL);
    post(a, a->now_us + p->delay_us, CONNECT, i, 0, span_of(NULL, 0));
    return i;
}

static void connect_person(struct assembly *a, int i) {
    struct assembly_person *p = &a->people[i];
    if (p->crashed || p->up || p->ended)
        return;
    if (p->asleep_until_us > a->now_us || a->service == NULL) {
        uint64_t at_us = a->now_us + MEMBER_RETRY_MIN_US;
        post(a, at_us > p->asleep_until_us ? at_us : p->asleep_until_us, CONNECT, i, 0, span_of(NULL, 0));
        return;
    }
    struct service_now now = assembly_service_now(a);
    p->connection = service_open(a->service, &now, p->address, span_str(a->meeting));
    ASSERT(p->connection != 0);
    p->up = p->seen_up = true;
    p->held = false;
    member_connected(p->member, a->now_us, assembly_unix_s(a, i), &a->rng);
    assembly_drain(a, i);
    drain_service(a);
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

static struct span tree_of(struct assembly *a, struct span digits) {
    uint8_t hash[64];
    size_t len = 0;
    for (size_t at = 0; at + 1 < digits.len && len < sizeof hash; at += 2) {
        char two[3] = {(char)digits.data[at], (char)digits.data[at + 1], 0};
        hash[len++] = (uint8_t)strtoul(two, NULL, 16);
    }
    return service_tree(a->service, span_str(a->meeting), span_of(hash, len));
}

static void serve_fetch(struct assembly *a, const struct assembly_event *e) {
    static const char tree[] = "mls/tree/", chain[] = "mls/chain/";
    struct assembly_person *p = &a->people[e->person];
    struct span path = span_of(e->bytes, e->len), body = span_of(NULL, 0);
    struct mls_buf elements;
    mls_buf_init(&elements, ORDER_CHAIN_LEN_MAX + (1u << 20));
    bool may = p->token_good && service_may_read(a->service, span_str(a->meeting), span_str(p->identity));
    if (may && span_starts_with(path, tree)) {
        body = tree_of(a, span_of(path.data + sizeof tree - 1, path.len - (sizeof tree - 1)));
    } else if (may && span_starts_with(path, chain)) {
        char digits[24] = {0};
        memcpy(digits, path.data + sizeof chain - 1, path.len - (sizeof chain - 1));
        if (service_chain(a->service, span_str(a->meeting), strtoull(digits, NULL, 10), &elements))
            body = mls_buf_span(&elements);
    }
    if (a->watch.fetched != NULL)
        body = a->watch.fetched(a->watch.context, e->person, path, body);
    post(a, a->now_us + p->delay_us / 2, FETCHED, e->person, e->ticket, body);
    mls_buf_free(&elements);
}

static void happen(struct assembly *a, const struct assembly_event *e) {
    struct assembly_person *p = &a->people[e->person];
    struct service_now now = assembly_service_now(a);
    bool for_server = e->kind == TO_SERVER || e->kind == SERVER_SEES_CLOSE || e->kind == FETCH;
    if (for_server && a->service == NULL)
        return;
    switch (e->kind) {
    case NOTHING:
        break;
    case TO_SERVER:
        if (a->watch.taking != NULL)
            a->watch.taking(a->watch.context, e->person, span_of(e->bytes, e->len));
        service_message(a->service, &now, e->connection, span_of(e->bytes, e->len));
        if (a->watch.taken != NULL)
            a->watch.taken(a->watch.context, e->person, span_of(e->bytes, e->len));
        drain_service(a);
        break;
    case TO_PERSON:
    case TO_PERSON_UNSEEN:
        deliver(a, e);
        break;
    case SERVER_SEES_CLOSE:
        if (e->connection == p->connection)
            seen_gone(a, p);
        if (!a->blind)
            service_closed(a->service, &now, e->connection, false);
        drain_service(a);
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

static bool ticks(const struct assembly *a, const struct assembly_person *p) {
    return p->used && !p->crashed && p->asleep_until_us <= a->now_us;
}

static uint64_t next_deadline(const struct assembly *a) {
    uint64_t at_us = a->service != NULL ? service_next_deadline_us(a->service) : TIME_NEVER;
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++) {
        if (ticks(a, &a->people[i]))
            at_us = time_min(at_us, a->people[i].deadline_us);
    }
    return at_us;
}

static void tick(struct assembly *a) {
    if (a->service != NULL && service_next_deadline_us(a->service) <= a->now_us) {
        struct service_now now = assembly_service_now(a);
        service_tick(a->service, &now);
        drain_service(a);
    }
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++) {
        struct assembly_person *p = &a->people[i];
        if (ticks(a, p) && p->deadline_us <= a->now_us) {
            member_tick(p->member, a->now_us, assembly_unix_s(a, i), &a->rng);
            assembly_drain(a, i);
        }
    }
    /* who sleeps until its deadline would not sleep at all while this lasts */
    if (next_deadline(a) > a->now_us)
        a->overdue_since_us = 0;
    else if (a->overdue_since_us == 0)
        a->overdue_since_us = a->now_us;
    else if (a->now_us - a->overdue_since_us > a->overdue_us)
        a->overdue_us = a->now_us - a->overdue_since_us;
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
    char first[GROUP_CODE_DIGITS + 1] = "", code[GROUP_CODE_DIGITS + 1];
    uint32_t count = 0;
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++) {
        struct assembly_person *p = &a->people[i];
        if (!assembly_present(p))
            continue;
        if (member_state(p->member) != MEMBER_IN || !member_code(p->member, code))
            return false;
        if (count++ == 0)
            memcpy(first, code, sizeof first);
        if (strcmp(first, code) != 0)
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

void assembly_sleep(struct assembly *a, int i, uint64_t us) {
    a->people[i].asleep_until_us = a->now_us + us;
    assembly_cut(a, i, false);
}

void assembly_reload(struct assembly *a, int i) {
    struct assembly_person *p = &a->people[i];
    if (p->up)
        close_at_server(a, i, 1);
    member_free(p->member);
    p->up = p->ended = p->crashed = false;
    p->gone = 0;
    p->key_epoch = p->seal_epoch = 0;
    make_member(a, p, false, &p->seat);
    post(a, a->now_us + p->delay_us, CONNECT, i, 0, span_of(NULL, 0));
}

void assembly_leave(struct assembly *a, int i) {
    member_leave(a->people[i].member);
    assembly_drain(a, i);
}
