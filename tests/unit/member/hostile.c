#include "member/hostile.h"

#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "unit.h"

struct hostile h;
struct assembly a;

static bool concerns(int person) {
    return h.person < 0 || h.person == person;
}

static void keep(struct span message) {
    free(h.kept);
    h.kept = malloc(message.len);
    assert_non_null(h.kept);
    memcpy(h.kept, message.data, message.len);
    h.kept_len = message.len;
}

struct span kept(void) {
    assert_true(h.kept_len > 0);
    return span_of(h.kept, h.kept_len);
}

struct wire_message kept_message(void) {
    struct wire_message message;
    enum wire_direction from = kept().data[0] < 128 ? WIRE_FROM_CLIENT : WIRE_FROM_SERVER;
    assert_int_equal(wire_read(from, kept(), &message), WIRE_OK);
    return message;
}

void inject(int person, const struct wire_message *message) {
    assembly_say(&a, person, false, message);
}

void inject_kept(int person) {
    assembly_inject(&a, person, false, kept());
}

/* A heartbeat or the like, which is not numbered. */
static bool is_passing(struct span message) {
    struct wire_message m;
    return message.data[0] == WIRE_APP_FROM && wire_read(WIRE_FROM_SERVER, message, &m) == WIRE_OK && m.seq == 0;
}

static bool down(void *context, int person, struct span message) {
    (void)context;
    h.downs[message.data[0]]++;
    if (!concerns(person))
        return true;
    if (message.data[0] == h.keep_type && !is_passing(message))
        keep(message);
    if (message.data[0] == WIRE_RESYNC && h.spoil_group_info) {
        struct wire_message resync;
        struct mls_buf info;
        assert_int_equal(wire_read(WIRE_FROM_SERVER, message, &resync), WIRE_OK);
        mls_buf_init(&info, resync.group_info.len);
        mls_wr_span(&info, resync.group_info);
        info.w.data[resync.group_info.len - 1] ^= 1; /* of its signature */
        resync.group_info = mls_buf_span(&info);
        h.spoil_group_info = false;
        inject(person, &resync);
        mls_buf_free(&info);
        return false;
    }
    return h.drop_down[message.data[0]] == 0;
}

static bool up(void *context, int person, struct span message) {
    (void)context;
    struct wire_message sent;
    struct mls_message_info info;
    if (h.person == person && message.data[0] == WIRE_COMMIT) {
        assert_true(wire_read(WIRE_FROM_CLIENT, message, &sent) == WIRE_OK &&
                    mls_message_peek(sent.commit, &info) == MLS_OK);
        h.rejoins += info.sender_type == MLS_SENDER_NEW_MEMBER_COMMIT;
    }
    if (concerns(person) && message.data[0] == h.keep_up_type)
        keep(message);
    return !concerns(person) || h.drop_up[message.data[0]] == 0;
}

static struct span fetched(void *context, int person, struct span path, struct span body) {
    static uint8_t forged[1u << 20];
    (void)context;
    if (!concerns(person))
        return body;
    if (h.no_fetch)
        return span_of(NULL, 0);
    if (!h.forge_chain || !span_starts_with(path, "mls/chain/") || body.len < 200 || body.len > sizeof forged)
        return body;
    memcpy(forged, body.data, body.len);
    forged[body.len - 100] ^= 1; /* of the last commit */
    return span_of(forged, body.len);
}

static void gather(uint64_t seed, int people, enum assembly_as first) {
    free(h.kept);
    h = (struct hostile){.person = -1};
    assembly_begin(&a, seed, FAST);
    a.watch = (struct assembly_watch){.down = down, .up = up, .fetched = fetched};
    for (int i = 0; i < people; i++) {
        assembly_join(&a, i == 0 ? first : ASSEMBLY_GUEST);
        assert_true(assembly_settle(&a, 5 * US_PER_S));
    }
    assembly_run(&a, US_PER_S);
}

void begin(uint64_t seed, int people) {
    gather(seed, people, ASSEMBLY_OWNER);
}

void begin_without_host(uint64_t seed, int people) {
    gather(seed, people, ASSEMBLY_GUEST);
}

void end(void) {
    assembly_end(&a);
    free(h.kept);
    h.kept = NULL;
    h.kept_len = 0;
}

uint32_t alarms(int person, enum member_alarm alarm) {
    return a.people[person].alarms_by_kind[alarm];
}

uint32_t all_alarms(void) {
    uint32_t count = 0;
    for (int i = 0; i < ASSEMBLY_PEOPLE_MAX; i++)
        count += a.people[i].alarms;
    return count;
}

struct span id_of(int person) {
    return span_str(a.people[person].identity);
}

struct span seat_of(int person) {
    return mls_buf_span(&a.people[person].member->signature_public);
}

void act(int person) {
    assembly_drain(&a, person);
    assembly_run(&a, US_PER_S);
}

enum mls_status commit(int person, struct span proposals, bool adds) {
    enum mls_status status = member_commit(a.people[person].member, &a.rng, proposals, adds, false, span_of(NULL, 0));
    act(person);
    return status;
}

void renew(int person) {
    assert_int_equal(commit(person, span_of(NULL, 0), false), MLS_OK);
}

enum mls_status remove_person(int by, int person) {
    enum mls_status status = member_remove(a.people[by].member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng, id_of(person));
    act(by);
    return status;
}

void keep_resync(int person) {
    h.person = person;
    h.keep_type = WIRE_RESYNC;
    h.drop_down[WIRE_RESYNC] = 1;
    assembly_say(&a, person, true, &(struct wire_message){.type = WIRE_BAD, .status = 1});
    assembly_run(&a, US_PER_S);
    h.keep_type = 0; /* of the server's no further one arrives, only what is injected */
}

void chat(int person, struct span to, const char *text) {
    assert_int_equal(member_chat(a.people[person].member, 1, &a.rng, to, span_str("id"), span_str(text)), MLS_OK);
    act(person);
}

void say(int person, struct span content) {
    struct mls_buf message;
    mls_buf_init(&message, WIRE_APP_LEN_MAX);
    assert_int_equal(mls_protect(a.people[person].member->group, content, span_of(NULL, 0), &a.rng, &message), MLS_OK);
    assembly_say(&a, person, true, &(struct wire_message){.type = WIRE_APP, .message = mls_buf_span(&message)});
    mls_buf_free(&message);
    assembly_run(&a, 300000);
}
