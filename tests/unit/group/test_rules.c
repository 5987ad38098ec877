/* The rules of meetings over real groups, each with somebody who breaks it: the member's verdict and the server's
 * (public.h) are the same. */
#include "unit.h"

#include "base/assert.h"
#include "e2ee/mls_message.h"
#include "meeting_world.h"

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519
#define NOW_ANYBODY (GROUP_KIND_NOW | GROUP_KIND_ANYBODY)

/* Follows the world's group: opened at the first, then one commit at a time. */
static struct public_group *follow(struct meeting_world *w) {
    struct public_group *g;
    struct mls_crypto crypto;
    assert_int_equal(mls_crypto_of(&crypto_openssl, w->suite, &crypto), MLS_OK);
    assert_int_equal(public_group_open(&crypto, 100, mls_buf_span(&w->group_info), mls_buf_span(&w->tree), &w->rng, &g),
                     MLS_OK);
    return g;
}

/* Both sides judge w->commit of `author`; then it is dropped, or delivered when it is good. */
static void judged(struct public_group *g, struct seat *author, struct seat *other, enum group_verdict expected) {
    struct meeting_world *w = author->world;
    struct public_group_staged staged;
    enum group_verdict verdict = seat_judges(other);
    if (verdict != expected)
        print_message("member says: %s\n", group_verdict_text(verdict));
    assert_int_equal(verdict, expected);
    enum mls_status status = public_group_stage(g, mls_buf_span(&w->commit), mls_buf_span(&w->group_info),
                                                span_of(author->public_key, 32), MEETING_NOW, &staged);
    if (staged.verdict != expected)
        print_message("server says: %s, %s\n", group_verdict_text(staged.verdict), mls_status_text(status));
    assert_int_equal(staged.verdict, expected);
    assert_int_equal(status, expected == GROUP_GOOD ? MLS_OK : MLS_PROPOSAL_REFUSED);
    if (expected != GROUP_GOOD) {
        assert_false(public_group_is_staged(g));
        if (mls_group_state(author->group) == MLS_STATE_JOINING) {
            mls_group_free(author->group);
            author->group = NULL;
        } else {
            mls_commit_drop(author->group);
        }
        return;
    }
    public_group_keep(g);
    meeting_deliver(author);
    assert_true(span_equal(public_group_context(g), mls_group_context(author->group)));
}

struct scene {
    struct meeting_world w;
    struct seat *owner, *guest, *third;
    struct public_group *g;
};

/* The owner, who is host by its Grant, a guest and a third. */
static void scene_init(struct scene *s, uint8_t entry) {
    meeting_init(&s->w, SUITE, GROUP_KIND_NOW, entry);
    s->owner = seat_make(&s->w, true);
    s->guest = seat_make(&s->w, false);
    s->third = seat_make(&s->w, false);
    seat_found(s->owner, true);
    s->g = follow(&s->w);
    propose_add(&s->w, s->guest);
    propose_add(&s->w, s->third);
    propose_psk(&s->w);
    seat_commit(s->owner);
    struct public_group_staged staged;
    assert_int_equal(public_group_stage(s->g, mls_buf_span(&s->w.commit), mls_buf_span(&s->w.group_info),
                                        span_of(s->owner->public_key, 32), MEETING_NOW, &staged),
                     MLS_OK);
    assert_int_equal(staged.adds, 2);
    public_group_keep(s->g);
    meeting_deliver(s->owner);
    assert_non_null(s->guest->group);
    assert_non_null(s->third->group);
}

static void scene_free(struct scene *s) {
    public_group_free(s->g);
    meeting_free(&s->w);
}

/* ---- rule 1 ---- */

static void an_add_by_a_participant_is_refused(void **state) {
    (void)state;
    struct scene s;
    for (uint8_t entry = GROUP_OPEN; entry <= GROUP_LOCKED; entry++) {
        scene_init(&s, entry);
        struct seat *newcomer = seat_make(&s.w, false);
        propose_add(&s.w, newcomer);
        propose_psk(&s.w);
        seat_commit(s.guest);
        judged(s.g, s.guest, s.owner, entry == GROUP_OPEN ? GROUP_GOOD : GROUP_ADD_BY_NOBODY);
        if (entry != GROUP_OPEN) { /* a host may */
            propose_add(&s.w, newcomer);
            propose_psk(&s.w);
            seat_commit(s.owner);
            judged(s.g, s.owner, s.guest, GROUP_GOOD);
        }
        assert_non_null(newcomer->group);
        scene_free(&s);
    }
}

/* Refused before any of their signatures is looked at. */
static void a_commit_adds_no_more_than_anybody_was_asked_for(void **state) {
    (void)state;
    struct scene s;
    struct group_before before;
    struct mls_commit_info info;
    struct group_staged staged;
    struct mls_received received;
    scene_init(&s, GROUP_OPEN);
    struct seat *newcomer = seat_make(&s.w, false);
    propose_add(&s.w, newcomer);
    propose_psk(&s.w);
    seat_commit(s.owner);
    assert_int_equal(mls_process(s.guest->group, mls_buf_span(&s.w.commit), MEETING_NOW, &received), MLS_OK);
    assert_int_equal(group_rules_before_of(&crypto_openssl, s.guest->group, span_of(NULL, 0), &before), GROUP_GOOD);
    assert_true(group_staged_of(s.guest->group, &info, &staged));
    assert_int_equal(group_rules_commit(&before, &staged), GROUP_GOOD);
    info.adds = GROUP_ADDS_MAX;
    assert_int_equal(group_rules_commit(&before, &staged), GROUP_GOOD);
    info.adds = GROUP_ADDS_MAX + 1;
    assert_int_equal(group_rules_commit(&before, &staged), GROUP_ADD_TOO_MANY);
    scene_free(&s);
}

static void nobody_is_added_without_the_links_psk(void **state) {
    (void)state;
    struct scene s;
    scene_init(&s, GROUP_OPEN);
    struct seat *newcomer = seat_make(&s.w, false);
    propose_add(&s.w, newcomer);
    seat_commit(s.owner);
    judged(s.g, s.owner, s.guest, GROUP_PSK_MISSING);
    scene_free(&s);
}

static void a_leaf_that_is_not_what_it_should_be_is_not_added(void **state) {
    (void)state;
    struct scene s;
    scene_init(&s, GROUP_OPEN);
    struct client_storage storage;
    static const struct {
        const char *what;
        enum group_verdict verdict;
    } cases[] = {
        {"a signature of somebody else's seat", GROUP_LEAF_LINK},
        {"another generation", GROUP_LEAF_LINK},
        {"a Grant of another seat", GROUP_LEAF_GRANT},
        {"a House", GROUP_UNSUPPORTED},
        {"an identity of its own choice", GROUP_LEAF_IDENTITY},
        {"no client extension of ours", GROUP_LEAF_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct seat *liar = seat_make(&s.w, false);
        struct group_client client = seat_honest_client(liar, false, &storage);
        struct client_storage others;
        struct group_client owners = seat_honest_client(s.owner, true, &others);
        print_message("%s\n", cases[i].what);
        if (i == 0)
            client.link_signature = owners.link_signature;
        else if (i == 1)
            client.generation = 1;
        else if (i == 2)
            client.grant = owners.grant;
        else if (i == 3)
            client.house = span_str("house");
        if (i == 4) {
            mls_buf_clear(&liar->credential);
            assert_int_equal(mls_credential_basic(span_of(s.owner->identity, GROUP_IDENTITY_LEN), &liar->credential),
                             MLS_OK);
        }
        seat_client(liar, &client);
        if (i == 5) {
            mls_buf_clear(&liar->leaf_extensions);
            assert_int_equal(mls_extension_write(GROUP_EXTENSION_CLIENT, span_str("x"), &liar->leaf_extensions),
                             MLS_OK);
            liar->mls.extensions = mls_buf_span(&liar->leaf_extensions);
        }
        propose_add(&s.w, liar);
        propose_psk(&s.w);
        seat_commit(s.owner);
        judged(s.g, s.owner, s.guest, cases[i].verdict);
        s.w.count--; /* makes room for the next */
        mls_client_free(liar->client);
        mls_buf_free(&liar->credential);
        mls_buf_free(&liar->leaf_extensions);
        mls_buf_free(&liar->key_package);
    }
    scene_free(&s);
}

/* ---- rule 2 ---- */

static void an_external_commit_comes_in_by_one_of_four_ways(void **state) {
    (void)state;
    struct scene s;
    for (uint8_t entry = GROUP_OPEN; entry <= GROUP_LOCKED; entry++) {
        scene_init(&s, entry);
        struct seat *stranger = seat_make(&s.w, false), *again = seat_make(&s.w, true);
        seat_enter(stranger, s.owner, true, false);
        judged(s.g, stranger, s.guest, entry == GROUP_OPEN ? GROUP_GOOD : GROUP_EXTERNAL_ENTRY);
        seat_enter(s.third, s.owner, true, true); /* the seat that is in the tree */
        judged(s.g, s.third, s.guest, GROUP_GOOD);
        seat_enter(again, s.owner, true, false); /* the owner on another device, by a Grant */
        judged(s.g, again, s.guest, GROUP_GOOD);
        scene_free(&s);
    }
}

static void a_seat_in_roles_comes_back_by_itself(void **state) {
    (void)state;
    struct scene s;
    scene_init(&s, GROUP_LOCKED);
    struct seat *cohost = seat_make(&s.w, false);
    struct mls_buf roles;
    struct group_meeting m;
    mls_buf_init(&roles, 4096);
    group_role_add(&roles, &(struct group_role_entry){.role = GROUP_COHOST, .key = span_of(cohost->public_key, 32)});
    assert_true(group_meeting_of(mls_group_extensions(s.owner->group), &m));
    m.roles = mls_buf_span(&roles);
    propose_meeting(&s.w, &m);
    seat_commit(s.owner);
    judged(s.g, s.owner, s.guest, GROUP_GOOD);
    seat_enter(cohost, s.owner, true, false);
    judged(s.g, cohost, s.guest, GROUP_GOOD);
    mls_buf_free(&roles);
    scene_free(&s);
}

static void an_entrant_without_the_psk_is_refused(void **state) {
    (void)state;
    struct scene s;
    scene_init(&s, GROUP_OPEN);
    struct seat *stranger = seat_make(&s.w, false);
    seat_enter(stranger, s.owner, false, false);
    judged(s.g, stranger, s.guest, GROUP_PSK_MISSING);
    scene_free(&s);
}

/* ---- rule 3 ---- */

static void give_role(struct scene *s, struct seat *to, enum group_role role) {
    struct mls_buf roles;
    struct group_meeting m;
    struct group_role_entry entry;
    size_t at = 0;
    mls_buf_init(&roles, 4096);
    assert_true(group_meeting_of(mls_group_extensions(s->owner->group), &m));
    while (group_role_next(&m, &at, &entry))
        group_role_add(&roles, &entry);
    group_role_add(&roles, &(struct group_role_entry){.role = (uint8_t)role, .key = span_of(to->public_key, 32)});
    m.roles = mls_buf_span(&roles);
    propose_meeting(&s->w, &m);
    seat_commit(s->owner);
    judged(s->g, s->owner, s->guest, GROUP_GOOD);
    mls_buf_free(&roles);
}

static void only_hosts_remove_and_cohosts_remove_no_hosts(void **state) {
    (void)state;
    struct scene s;
    scene_init(&s, GROUP_OPEN);
    propose_remove(&s.w, s.third);
    seat_commit(s.guest);
    judged(s.g, s.guest, s.owner, GROUP_REMOVE_BY_NOBODY);
    give_role(&s, s.guest, GROUP_COHOST);
    propose_remove(&s.w, s.owner);
    seat_commit(s.guest);
    judged(s.g, s.guest, s.third, GROUP_REMOVE_ABOVE);
    propose_remove(&s.w, s.third);
    seat_commit(s.guest);
    judged(s.g, s.guest, s.owner, GROUP_GOOD);
    assert_null(s.third->group);
    propose_remove(&s.w, s.guest);
    seat_commit(s.owner);
    struct public_group_staged staged;
    assert_int_equal(public_group_stage(s.g, mls_buf_span(&s.w.commit), mls_buf_span(&s.w.group_info),
                                        span_of(s.owner->public_key, 32), MEETING_NOW, &staged),
                     MLS_OK);
    scene_free(&s);
}

/* ---- rule 4 ---- */

static void change(struct scene *s, struct seat *by, struct seat *judge, const struct group_meeting *m,
                   enum group_verdict expected) {
    propose_meeting(&s->w, m);
    seat_commit(by);
    judged(s->g, by, judge, expected);
}

static void nobody_changes_what_never_changes(void **state) {
    (void)state;
    struct scene s;
    static const uint8_t other[32] = {1};
    scene_init(&s, GROUP_OPEN);
    struct group_meeting m;
    struct span *fields[] = {&m.meeting, &m.operator_key, &m.owner, &m.first_link_key, &m.founding};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        assert_true(group_meeting_of(mls_group_extensions(s.owner->group), &m));
        *fields[i] = span_of(other, 32);
        change(&s, s.owner, s.guest, &m, GROUP_CONTEXT_IMMUTABLE);
    }
    assert_true(group_meeting_of(mls_group_extensions(s.owner->group), &m));
    m.kind = GROUP_KIND_PERMANENT;
    change(&s, s.owner, s.guest, &m, GROUP_CONTEXT_IMMUTABLE);
    assert_true(group_meeting_of(mls_group_extensions(s.owner->group), &m));
    m.floor = span_of(other, 32);
    change(&s, s.owner, s.guest, &m, GROUP_UNSUPPORTED);
    assert_true(group_meeting_of(mls_group_extensions(s.owner->group), &m));
    m.mode = GROUP_PASSCODE;
    change(&s, s.owner, s.guest, &m, GROUP_UNSUPPORTED);
    assert_true(group_meeting_of(mls_group_extensions(s.owner->group), &m));
    m.generation = 2;
    change(&s, s.owner, s.guest, &m, GROUP_CONTEXT_GENERATION);
    /* the server's place as external sender */
    assert_true(group_meeting_of(mls_group_extensions(s.owner->group), &m));
    s.w.external_sender.w.data[3] ^= 1;
    change(&s, s.owner, s.guest, &m, GROUP_CONTEXT_IMMUTABLE);
    scene_free(&s);
}

static void roles_change_by_rules_only(void **state) {
    (void)state;
    struct scene s;
    struct group_meeting m;
    struct mls_buf roles;
    scene_init(&s, GROUP_LOBBY);
    mls_buf_init(&roles, 4096);
    assert_true(group_meeting_of(mls_group_extensions(s.owner->group), &m));
    struct group_meeting looser = m;
    looser.entry = GROUP_OPEN;
    change(&s, s.guest, s.owner, &looser, GROUP_CONTEXT_BY_NOBODY);
    group_role_add(&roles, &(struct group_role_entry){.role = GROUP_HOST, .key = span_of(s.guest->public_key, 32)});
    m.roles = mls_buf_span(&roles);
    change(&s, s.guest, s.owner, &m, GROUP_CONTEXT_BY_NOBODY);
    give_role(&s, s.guest, GROUP_COHOST);
    /* a co-host: not itself host, not others co-host, no rights for all; but a viewer, and the lobby */
    assert_true(group_meeting_of(mls_group_extensions(s.owner->group), &m));
    m.roles = mls_buf_span(&roles);
    change(&s, s.guest, s.owner, &m, GROUP_CONTEXT_COHOST);
    assert_true(group_meeting_of(mls_group_extensions(s.owner->group), &m));
    m.may = 0;
    change(&s, s.guest, s.owner, &m, GROUP_CONTEXT_COHOST);
    for (int role = GROUP_COHOST; role <= GROUP_VIEWER; role++) {
        assert_true(group_meeting_of(mls_group_extensions(s.owner->group), &m));
        mls_buf_clear(&roles);
        mls_wr_span(&roles, m.roles);
        group_role_add(&roles, &(struct group_role_entry){.role = (uint8_t)role,
                                                          .deny = GROUP_MAY_CHAT,
                                                          .key = span_of(s.third->public_key, 32)});
        m.roles = mls_buf_span(&roles);
        m.entry = GROUP_LOCKED;
        change(&s, s.guest, s.owner, &m, role == GROUP_COHOST ? GROUP_CONTEXT_COHOST : GROUP_GOOD);
        if (role == GROUP_PARTICIPANT)
            break;
    }
    /* nor does it take from a host */
    assert_true(group_meeting_of(mls_group_extensions(s.owner->group), &m));
    m.roles = span_of(NULL, 0);
    change(&s, s.guest, s.owner, &m, GROUP_CONTEXT_COHOST);
    change(&s, s.owner, s.guest, &m, GROUP_GOOD);
    mls_buf_free(&roles);
    scene_free(&s);
}

static void a_seat_that_is_barred_does_not_come_back(void **state) {
    (void)state;
    struct scene s;
    struct group_meeting m;
    uint8_t barred[GROUP_BARRED_LEN];
    scene_init(&s, GROUP_OPEN);
    group_barred_of_seat(&crypto_openssl, span_of(s.third->public_key, 32), barred);
    assert_true(group_meeting_of(mls_group_extensions(s.owner->group), &m));
    m.barred = span_of(barred, sizeof barred);
    propose_remove(&s.w, s.third);
    propose_meeting(&s.w, &m);
    seat_commit(s.owner);
    judged(s.g, s.owner, s.guest, GROUP_GOOD);
    assert_null(s.third->group);
    seat_enter(s.third, s.owner, true, false);
    judged(s.g, s.third, s.guest, GROUP_LEAF_BARRED);
    propose_add(&s.w, s.third);
    propose_psk(&s.w);
    seat_commit(s.guest);
    judged(s.g, s.guest, s.owner, GROUP_LEAF_BARRED);
    /* a host may take the bar away in the commit that adds */
    assert_true(group_meeting_of(mls_group_extensions(s.owner->group), &m));
    m.barred = span_of(NULL, 0);
    propose_add(&s.w, s.third);
    propose_psk(&s.w);
    propose_meeting(&s.w, &m);
    seat_commit(s.owner);
    judged(s.g, s.owner, s.guest, GROUP_GOOD);
    /* nobody is barred and host at once */
    group_barred_of_seat(&crypto_openssl, span_of(s.guest->public_key, 32), barred);
    give_role(&s, s.guest, GROUP_HOST);
    assert_true(group_meeting_of(mls_group_extensions(s.owner->group), &m));
    m.barred = span_of(barred, sizeof barred);
    change(&s, s.owner, s.third, &m, GROUP_CONTEXT_BARRED_HOST);
    scene_free(&s);
}

/* ---- rule 5 ---- */

static void a_member_keeps_its_grant_and_gets_none(void **state) {
    (void)state;
    struct scene s;
    struct client_storage storage;
    scene_init(&s, GROUP_OPEN);
    /* the owner's device gives its guest a Grant after all, by a leaf change */
    struct group_client client = seat_honest_client(s.guest, true, &storage);
    seat_client(s.guest, &client);
    struct mls_commit_options options = {
        .identity = &s.guest->mls,
        .group_info = {.external_pub = true, .extensions = mls_buf_span(&s.w.info_extensions)},
        .frame = {.as_public = true}};
    mls_buf_clear(&s.w.commit);
    mls_buf_clear(&s.w.group_info);
    assert_int_equal(mls_commit(s.guest->group, &options, MEETING_NOW, &s.w.rng, &s.w.commit, NULL, &s.w.group_info),
                     MLS_OK);
    judged(s.g, s.guest, s.owner, GROUP_LEAF_CHANGED);
    /* its own software may change */
    client = seat_honest_client(s.guest, false, &storage);
    client.software = span_str("newer");
    seat_client(s.guest, &client);
    options.identity = &s.guest->mls;
    mls_buf_clear(&s.w.commit);
    mls_buf_clear(&s.w.group_info);
    assert_int_equal(mls_commit(s.guest->group, &options, MEETING_NOW, &s.w.rng, &s.w.commit, NULL, &s.w.group_info),
                     MLS_OK);
    judged(s.g, s.guest, s.owner, GROUP_GOOD);
    scene_free(&s);
}

/* ---- beginning, rule 6 ---- */

static enum group_verdict begins(struct meeting_world *w, struct seat *founder) {
    struct public_group *g = follow(w);
    struct mls_leaf_info leaf;
    struct mls_message message;
    assert_true(public_group_leaf(g, 0, &leaf));
    assert_int_equal(mls_message_parse(mls_buf_span(&w->group_info), &message), MLS_OK);
    struct group_beginning beginning = {.id = span_str(w->id),
                                        .group_id = public_group_id(g),
                                        .info_extensions = message.group_info.extensions.bytes,
                                        .external_sender = mls_buf_span(&w->external_sender)};
    enum group_verdict verdict = group_rules_found(public_group_before(g), &leaf, &beginning);
    (void)founder;
    public_group_free(g);
    return verdict;
}

static void a_server_with_the_link_cannot_found_the_owners_meeting(void **state) {
    (void)state;
    struct meeting_world w;
    meeting_init(&w, SUITE, GROUP_KIND_NOW, GROUP_OPEN);
    struct seat *stranger = seat_make(&w, false);
    seat_found(stranger, false);
    assert_int_equal(begins(&w, stranger), GROUP_JOIN_FOUNDING);
    meeting_free(&w);
    meeting_init(&w, SUITE, GROUP_KIND_NOW, GROUP_LOBBY);
    struct seat *owner = seat_make(&w, true);
    seat_found(owner, true);
    assert_int_equal(begins(&w, owner), GROUP_GOOD);
    meeting_free(&w);
}

static void who_begins_for_everybody_is_a_participant(void **state) {
    (void)state;
    struct meeting_world w;
    struct group_standing standing;
    meeting_init(&w, SUITE, NOW_ANYBODY, GROUP_OPEN);
    struct seat *anybody = seat_make(&w, false);
    seat_found(anybody, false);
    assert_int_equal(begins(&w, anybody), GROUP_GOOD);
    struct public_group *g = follow(&w);
    assert_true(public_group_standing(g, 0, &standing));
    assert_int_equal(standing.role, GROUP_PARTICIPANT);
    assert_int_equal(standing.may, GROUP_MAY_ALL);
    public_group_free(g);
    meeting_free(&w);
    meeting_init(&w, SUITE, NOW_ANYBODY, GROUP_LOBBY);
    anybody = seat_make(&w, false);
    seat_found(anybody, false);
    assert_int_equal(begins(&w, anybody), GROUP_FOUND_ROLES);
    meeting_free(&w);
}

static struct group_joining joining_of(struct scene *s, struct mls_message *message, uint8_t operator_hash[64]) {
    struct span operator_key = span_of(s->w.operator_key, 32);
    seat_publish(s->owner);
    assert_int_equal(mls_message_parse(mls_buf_span(&s->w.group_info), message), MLS_OK);
    assert_int_equal(crypto_openssl.hash(HASH_SHA256, &operator_key, 1, operator_hash), CRYPTO_OK);
    return (struct group_joining){.id = span_str(s->w.id),
                                  .operator_hash = span_of(operator_hash, 16),
                                  .group_id = mls_group_id(s->owner->group),
                                  .info_extensions = message->group_info.extensions.bytes,
                                  .leaf_count = 16,
                                  .by_welcome = true,
                                  .signer = seat_leaf(s->owner, s->owner)};
}

/* What rule 6 wants of a Welcome is told by the join. */
static void a_welcome_tells_its_info_and_who_made_it(void **state) {
    (void)state;
    struct scene s;
    struct group_info info;
    struct group_before before;
    uint8_t operator_hash[64];
    scene_init(&s, GROUP_LOBBY);
    struct seat *newcomer = seat_make(&s.w, false);
    propose_add(&s.w, newcomer);
    propose_psk(&s.w);
    struct mls_commit_options options = {.proposals = mls_buf_span(&s.w.proposals),
                                         .welcome_extensions = mls_buf_span(&s.w.info_extensions),
                                         .frame = {.as_public = true}};
    mls_buf_clear(&s.w.welcome);
    assert_int_equal(mls_commit(s.owner->group, &options, MEETING_NOW, &s.w.rng, &s.w.commit, &s.w.welcome, NULL),
                     MLS_OK);
    assert_int_equal(mls_commit_confirm(s.owner->group), MLS_OK);
    mls_buf_clear(&s.w.tree);
    assert_int_equal(mls_group_tree(s.owner->group, &s.w.tree), MLS_OK);
    const struct mls_join_options join = {.tree = mls_buf_span(&s.w.tree)};
    assert_int_equal(
        mls_join(newcomer->client, NULL, mls_buf_span(&s.w.welcome), &join, MEETING_NOW, &s.w.rng, &newcomer->group),
        MLS_OK);
    struct span extensions = mls_group_info_extensions(newcomer->group);
    assert_int_equal(mls_group_info_signer(newcomer->group), seat_leaf(s.owner, s.owner));
    assert_true(group_info_of(extensions, &info));
    struct span operator_key = span_of(s.w.operator_key, 32);
    assert_int_equal(crypto_openssl.hash(HASH_SHA256, &operator_key, 1, operator_hash), CRYPTO_OK);
    const struct group_joining joining = {.id = span_str(s.w.id),
                                          .operator_hash = span_of(operator_hash, 16),
                                          .group_id = mls_group_id(newcomer->group),
                                          .info_extensions = extensions,
                                          .leaf_count = 16,
                                          .by_welcome = true,
                                          .signer = mls_group_info_signer(newcomer->group)};
    assert_int_equal(group_rules_before_of(&crypto_openssl, newcomer->group, span_of(NULL, 0), &before), GROUP_GOOD);
    assert_int_equal(group_rules_join(&before, &joining), GROUP_GOOD);
    scene_free(&s);
}

static void who_joins_checks_that_it_is_the_meeting_of_its_link(void **state) {
    (void)state;
    struct scene s;
    struct mls_message message;
    uint8_t operator_hash[64];
    scene_init(&s, GROUP_LOBBY);
    struct group_joining good = joining_of(&s, &message, operator_hash), j = good;
    struct group_before before;
    assert_int_equal(group_rules_before_of(&crypto_openssl, s.guest->group, span_of(s.w.link.link_key, 32), &before),
                     GROUP_GOOD);
    assert_int_equal(group_rules_join(&before, &good), GROUP_GOOD);
    char other_id[GROUP_MEETING_ID_LEN + 1];
    memcpy(other_id, s.w.id, sizeof other_id);
    other_id[0] = other_id[0] == 'A' ? 'B' : 'A';
    j.id = span_str(other_id);
    assert_int_equal(group_rules_join(&before, &j), GROUP_JOIN_ID);
    j = good;
    operator_hash[0] ^= 1;
    assert_int_equal(group_rules_join(&before, &j), GROUP_JOIN_OPERATOR);
    operator_hash[0] ^= 1;
    j.generation = 1;
    assert_int_equal(group_rules_join(&before, &j), GROUP_JOIN_GENERATION);
    j = good;
    j.signer = seat_leaf(s.owner, s.guest); /* a Welcome from one who is no host */
    assert_int_equal(group_rules_join(&before, &j), GROUP_JOIN_SIGNER);
    j = good;
    j.info_extensions = span_of(NULL, 0);
    assert_int_equal(group_rules_join(&before, &j), GROUP_JOIN_INFO);
    j = good;
    static const uint8_t other_group[16] = {1};
    j.group_id = span_of(other_group, 16); /* a Founding of another group */
    assert_int_equal(group_rules_join(&before, &j), GROUP_JOIN_FOUNDING);
    uint8_t other_key[32];
    memcpy(other_key, s.w.link.link_key, 32);
    other_key[0] ^= 1;
    assert_int_equal(group_rules_before_of(&crypto_openssl, s.guest->group, span_of(other_key, 32), &before),
                     GROUP_JOIN_INFO);
    scene_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_add_by_a_participant_is_refused),
        cmocka_unit_test(a_commit_adds_no_more_than_anybody_was_asked_for),
        cmocka_unit_test(nobody_is_added_without_the_links_psk),
        cmocka_unit_test(a_leaf_that_is_not_what_it_should_be_is_not_added),
        cmocka_unit_test(an_external_commit_comes_in_by_one_of_four_ways),
        cmocka_unit_test(a_seat_in_roles_comes_back_by_itself),
        cmocka_unit_test(an_entrant_without_the_psk_is_refused),
        cmocka_unit_test(only_hosts_remove_and_cohosts_remove_no_hosts),
        cmocka_unit_test(nobody_changes_what_never_changes),
        cmocka_unit_test(roles_change_by_rules_only),
        cmocka_unit_test(a_seat_that_is_barred_does_not_come_back),
        cmocka_unit_test(a_member_keeps_its_grant_and_gets_none),
        cmocka_unit_test(a_server_with_the_link_cannot_found_the_owners_meeting),
        cmocka_unit_test(who_begins_for_everybody_is_a_participant),
        cmocka_unit_test(a_welcome_tells_its_info_and_who_made_it),
        cmocka_unit_test(who_joins_checks_that_it_is_the_meeting_of_its_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
