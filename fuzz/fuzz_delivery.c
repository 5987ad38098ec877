/* The delivery service with hostile members: two of five have a working group of their own and do with it what the
 * input says, at any moment: commits that nobody asked for, commits and GroupInfos that are changed, kept back and sent
 * later or twice, refusals and acks of any epoch, sealed messages, connections cut and taken up again. Nothing falls
 * over; and when the two have been put out, the other three go on with each other.
 *
 * Input: records of four bytes: what to do (enum deed), who (1) and where (2). */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "member/member_internal.h"
#include "sim/assembly.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEPT 8
#define KEPT_LEN_MAX (32u << 10)
#define RECORDS_MAX 200

enum deed {
    DEED_WAIT,
    DEED_COMMIT,       /* without being asked */
    DEED_KEEP_COMMITS, /* the next ones do not set out */
    DEED_LET_COMMITS,
    DEED_SEND_KEPT,    /* as it was */
    DEED_SEND_CHANGED, /* one bit turned */
    DEED_SEND_CUT,
    DEED_SEND_AS_OTHER,
    DEED_BAD,
    DEED_ACK,
    DEED_CHAT,
    DEED_DIRECT,
    DEED_CUT,
    DEED_JOIN, /* somebody new comes */
    DEED_CREATE,
    DEED_HELLO,
    DEED_CHECKED, /* of a ticket that it was asked about, or was not */
    DEED_MODERATE,
    DEED_WHERE,
    DEED_COUNT
};

static struct assembly a;
static bool keep;
static struct {
    size_t len;
    uint8_t bytes[KEPT_LEN_MAX];
} kept[KEPT];
static uint32_t kept_count;

static bool is_hostile(int person) {
    return person == 1 || person == 2;
}

static bool up(void *context, int person, struct span message) {
    (void)context;
    if (message.len <= KEPT_LEN_MAX) {
        uint32_t at = kept_count++ % KEPT;
        kept[at].len = message.len;
        memcpy(kept[at].bytes, message.data, message.len);
    }
    return !(keep && is_hostile(person) && message.data[0] == WIRE_COMMIT);
}

static void lie(int person, const struct wire_message *message) {
    assembly_say(&a, person, true, message);
}

static void send_kept(int person, enum deed deed, uint16_t where) {
    uint32_t at = where % KEPT;
    if (kept[at].len == 0)
        return;
    if (deed == DEED_SEND_CHANGED)
        kept[at].bytes[(where / KEPT) * 37u % kept[at].len] ^= (uint8_t)(1u << (where & 7));
    size_t len = deed == DEED_SEND_CUT ? (where * 61u) % (kept[at].len + 1) : kept[at].len;
    assembly_inject(&a, person, true, span_of(kept[at].bytes, len));
}

static void act(enum deed deed, int person, uint16_t where) {
    struct assembly_person *p = &a.people[person];
    uint64_t epoch = p->member != NULL ? member_epoch(p->member) + where % 3 - 1 : 0;
    switch (deed) {
    case DEED_COMMIT:
        if (assembly_present(p) && member_state(p->member) == MEMBER_IN) {
            p->member->heal_at_us = a.now_us;
            member_tick(p->member, a.now_us, ASSEMBLY_UNIX_S(&a), &a.rng);
            assembly_drain(&a, person);
        }
        break;
    case DEED_KEEP_COMMITS:
    case DEED_LET_COMMITS:
        keep = deed == DEED_KEEP_COMMITS;
        break;
    case DEED_SEND_KEPT:
    case DEED_SEND_CHANGED:
    case DEED_SEND_CUT:
        send_kept(person, deed, where);
        break;
    case DEED_SEND_AS_OTHER:
        send_kept(3 - person, DEED_SEND_KEPT, where);
        break;
    case DEED_BAD:
        lie(person, &(struct wire_message){.type = WIRE_BAD, .epoch = epoch, .status = where});
        break;
    case DEED_ACK:
        lie(person, &(struct wire_message){.type = WIRE_ACK, .epoch = epoch});
        break;
    case DEED_CHAT:
    case DEED_DIRECT:
        if (assembly_present(p) && member_state(p->member) == MEMBER_IN) {
            struct span to = deed == DEED_DIRECT ? span_str(a.people[0].identity) : span_of(NULL, 0);
            (void)member_chat(p->member, 1, &a.rng, to, span_str("id"), span_str("words"));
            assembly_drain(&a, person);
        }
        break;
    case DEED_CUT:
        if (assembly_present(p) && p->up)
            assembly_cut(&a, person, false);
        break;
    case DEED_JOIN:
        if (assembly_in(&a) < 8 && !a.people[20].used)
            (void)assembly_join(&a, ASSEMBLY_GUEST);
        break;
    case DEED_CREATE:
        lie(person, &(struct wire_message){
                        .type = WIRE_CREATE, .group_info = span_str("group info"), .tree = span_str("tree")});
        break;
    case DEED_HELLO:
        lie(person, &(struct wire_message){.type = WIRE_HELLO,
                                           .how = WIRE_RESUME,
                                           .kind = a.kind,
                                           .suite = a.suite,
                                           .seat_key = span_of(a.owner, sizeof a.owner),
                                           .seq = where});
        break;
    case DEED_CHECKED:
        lie(person, &(struct wire_message){.type = WIRE_CHECKED, .ticket = where % 16, .good = where % 3 == 0});
        break;
    case DEED_MODERATE:
        lie(person, &(struct wire_message){.type = WIRE_MODERATE,
                                           .what = (uint8_t)(1 + where % 7),
                                           .target = span_str(a.people[where % 2 == 0 ? 0 : 3].identity)});
        break;
    case DEED_WHERE:
        lie(person, &(struct wire_message){.type = WIRE_WHERE, .epoch = epoch});
        break;
    default:
        assembly_run(&a, (1 + where % 1000) * US_PER_MS);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader r = reader_of(data, size);
    keep = false;
    kept_count = 0;
    memset(kept, 0, sizeof kept);
    assembly_begin(&a, 11, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    a.watch = (struct assembly_watch){.up = up};
    for (int i = 0; i < 5; i++) {
        (void)assembly_join(&a, i == 0 ? ASSEMBLY_OWNER : ASSEMBLY_GUEST);
        assembly_run(&a, US_PER_S + 500 * US_PER_MS);
    }
    for (int i = 0; i < RECORDS_MAX && reader_left(&r) >= 4; i++) {
        enum deed deed = (enum deed)(rd_u8(&r) % DEED_COUNT);
        int person = 1 + rd_u8(&r) % 2;
        act(deed, person, rd_u16(&r));
        assembly_run(&a, US_PER_MS);
    }
    keep = false;
    for (int i = 1; i < ASSEMBLY_PEOPLE_MAX; i++) {
        if (i == 3 || i == 4 || !a.people[i].used)
            continue;
        struct service_now now = assembly_service_now(&a);
        service_expel(a.service, &now, span_str(a.meeting), span_str(a.people[i].identity));
        assembly_crash(&a, i, 0); /* who has not said hello has nothing yet that could be expelled */
    }
    assembly_run(&a, 90 * US_PER_S);
    ASSERT(!a.people[0].ended && !a.people[3].ended && !a.people[4].ended);
    ASSERT(a.people[0].key_epoch == a.people[3].key_epoch && a.people[0].key_epoch == a.people[4].key_epoch);
    ASSERT(memcmp(a.people[0].key, a.people[3].key, sizeof a.people[0].key) == 0);
    ASSERT(member_people(a.people[0].member) == 3);
    assembly_end(&a);
    return 0;
}
