/* What is told of an epoch before it stands is what the epoch then is; and what is sealed to one person. */
#include "unit.h"

#include "base/assert.h"
#include "e2ee/mls_direct.h"
#include "group_world.h"

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

struct told {
    uint8_t exported[32];
    struct mls_buf external_pub, group_info, context;
};

static void tell(struct mls_group *group, struct told *t) {
    struct span context;
    const struct mls_group_info_options options = {.external_pub = true, .tree = true};
    mls_buf_init(&t->external_pub, 4096);
    mls_buf_init(&t->group_info, 1 << 20);
    mls_buf_init(&t->context, 1 << 20);
    assert_int_equal(mls_next_export(group, "label", span_str("context"), t->exported, 32), MLS_OK);
    assert_int_equal(mls_next_external_pub(group, &t->external_pub), MLS_OK);
    assert_int_equal(mls_next_group_info(group, &options, &t->group_info), MLS_OK);
    assert_int_equal(mls_next_context(group, &context), MLS_OK);
    mls_wr_span(&t->context, context);
}

/* The group stands now where it was told to come. */
static void holds(struct mls_group *group, struct told *t) {
    uint8_t exported[32];
    struct mls_buf now;
    const struct mls_group_info_options options = {.external_pub = true, .tree = true};
    assert_int_equal(mls_export(group, "label", span_str("context"), exported, 32), MLS_OK);
    assert_memory_equal(exported, t->exported, 32);
    assert_true(span_equal(mls_group_context(group), mls_buf_span(&t->context)));
    mls_buf_init(&now, 1 << 20);
    assert_int_equal(mls_group_info(group, &options, &now), MLS_OK);
    assert_true(span_equal(mls_buf_span(&now), mls_buf_span(&t->group_info))); /* Ed25519 signs the same twice */
    struct mls_message message;
    struct span data, external_pub;
    assert_int_equal(mls_message_parse(mls_buf_span(&now), &message), MLS_OK);
    assert_true(mls_extensions_find(&message.group_info.extensions, MLS_EXTENSION_EXTERNAL_PUB, &data));
    assert_int_equal(mls_external_pub_parse(data, &external_pub), MLS_OK);
    assert_true(span_equal(external_pub, mls_buf_span(&t->external_pub)));
    mls_buf_free(&now);
    mls_buf_free(&t->external_pub);
    mls_buf_free(&t->group_info);
    mls_buf_free(&t->context);
}

static void what_is_told_of_the_next_epoch_is_what_it_becomes(void **state) {
    (void)state;
    struct world w;
    struct told pending, staged;
    struct mls_received received;
    world_init(&w, SUITE);
    world_grow(&w, 3);
    struct mls_group *author = w.peers[0].group, *other = w.peers[1].group;
    const struct mls_commit_options empty = {0};
    assert_int_equal(peer_try_commit(&w.peers[0], &empty), MLS_OK);
    assert_int_equal(mls_process(other, mls_buf_span(&w.commit), WORLD_NOW, &received), MLS_OK);
    tell(author, &pending);
    tell(other, &staged);
    assert_memory_equal(pending.exported, staged.exported, 32);
    assert_int_equal(mls_commit_confirm(author), MLS_OK);
    assert_int_equal(mls_staged_apply(other), MLS_OK);
    holds(author, &pending);
    holds(other, &staged);
    world_free(&w);
}

static void an_entrant_can_say_what_the_epoch_is_that_it_starts(void **state) {
    (void)state;
    struct world w;
    struct told told;
    struct mls_buf info, tree;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    struct peer *entrant = world_peer(&w, "entrant");
    mls_buf_init(&info, 1 << 20);
    mls_buf_init(&tree, 1 << 20);
    const struct mls_group_info_options options = {.external_pub = true};
    assert_int_equal(mls_group_info(w.peers[0].group, &options, &info), MLS_OK);
    assert_int_equal(mls_group_tree(w.peers[0].group, &tree), MLS_OK);
    const struct mls_external_options external = {.join = {.tree = mls_buf_span(&tree)}};
    mls_buf_clear(&w.commit);
    assert_int_equal(mls_join_external(entrant->client, &entrant->identity, NULL, mls_buf_span(&info), &external,
                                       WORLD_NOW, &w.rng, &entrant->group, &w.commit, NULL),
                     MLS_OK);
    tell(entrant->group, &told);
    world_deliver_commit(entrant); /* confirms */
    holds(entrant->group, &told);
    world_check(&w);
    mls_buf_free(&info);
    mls_buf_free(&tree);
    world_free(&w);
}

static void nothing_is_told_without_a_commit_or_when_it_removes_us(void **state) {
    (void)state;
    struct world w;
    uint8_t out[32];
    struct mls_buf buf;
    struct span context;
    struct mls_received received;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    mls_buf_init(&buf, 1 << 20);
    struct mls_group *group = w.peers[1].group;
    assert_int_equal(mls_next_export(group, "label", none(), out, 32), MLS_NOTHING_STAGED);
    assert_int_equal(mls_next_external_pub(group, &buf), MLS_NOTHING_STAGED);
    assert_int_equal(mls_next_group_info(group, NULL, &buf), MLS_NOTHING_STAGED);
    mls_buf_clear(&w.proposals);
    assert_int_equal(mls_propose_write_remove(1, &w.proposals), MLS_OK);
    const struct mls_commit_options remove = {.proposals = mls_buf_span(&w.proposals)};
    assert_int_equal(peer_try_commit(&w.peers[0], &remove), MLS_OK);
    assert_int_equal(mls_process(group, mls_buf_span(&w.commit), WORLD_NOW, &received), MLS_OK);
    assert_int_equal(mls_next_export(group, "label", none(), out, 32), MLS_GROUP_LEFT);
    assert_int_equal(mls_next_group_info(group, NULL, &buf), MLS_GROUP_LEFT);
    assert_int_equal(mls_next_context(group, &context), MLS_GROUP_LEFT);
    assert_int_equal(mls_buf_len(&buf), 0);
    mls_buf_free(&buf);
    world_free(&w);
}

static void what_is_sealed_to_a_member_opens_under_its_context_only(void **state) {
    (void)state;
    struct world w;
    struct mls_buf sealed, plain;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    mls_buf_init(&sealed, 1 << 12);
    mls_buf_init(&plain, 1 << 12);
    struct mls_group *from = w.peers[0].group, *to = w.peers[1].group;
    assert_int_equal(mls_seal_to_member(from, 1, "test", span_str("transcript"), span_str("hello"), &w.rng, &sealed),
                     MLS_OK);
    assert_int_equal(mls_open_as_member(to, "test", span_str("another"), mls_buf_span(&sealed), &plain),
                     MLS_CONTENT_INVALID);
    assert_int_equal(mls_open_as_member(to, "test", none(), mls_buf_span(&sealed), &plain), MLS_CONTENT_INVALID);
    assert_int_equal(mls_open_as_member(to, "tset", span_str("transcript"), mls_buf_span(&sealed), &plain),
                     MLS_CONTENT_INVALID);
    assert_int_equal(mls_buf_len(&plain), 0);
    assert_int_equal(mls_open_as_member(to, "test", span_str("transcript"), mls_buf_span(&sealed), &plain), MLS_OK);
    assert_true(span_equal_str(mls_buf_span(&plain), "hello"));
    mls_buf_free(&sealed);
    mls_buf_free(&plain);
    world_free(&w);
}

static void what_is_sealed_to_a_key_package_opens_at_its_owner_only(void **state) {
    (void)state;
    static const uint16_t suites[] = {SUITE, MLS_SUITE_XWING_AES256GCM_SHA384_ED25519};
    for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
        struct world w;
        struct mls_buf sealed, plain;
        world_init(&w, suites[i]);
        mls_buf_init(&sealed, 1 << 13);
        mls_buf_init(&plain, 1 << 12);
        struct peer *owner = world_peer(&w, "owner"), *other = world_peer(&w, "other");
        struct span package = peer_package(owner);
        struct mls_hash ref = peer_package_ref(owner);
        (void)peer_package(other);
        struct mls_hash other_ref = peer_package_ref(other);
        assert_int_equal(mls_seal_to_package(&crypto_openssl, package, "test", span_str("meeting"), span_str("hello"),
                                             &w.rng, &sealed),
                         MLS_OK);
        assert_int_equal(mls_open_with_package(other->client, mls_hash_span(&ref), "test", span_str("meeting"),
                                               mls_buf_span(&sealed), &plain),
                         MLS_KEY_PACKAGE_UNKNOWN);
        assert_int_equal(mls_open_with_package(other->client, mls_hash_span(&other_ref), "test", span_str("meeting"),
                                               mls_buf_span(&sealed), &plain),
                         MLS_CONTENT_INVALID);
        assert_int_equal(mls_open_with_package(owner->client, mls_hash_span(&ref), "test", span_str("gniteem"),
                                               mls_buf_span(&sealed), &plain),
                         MLS_CONTENT_INVALID);
        assert_int_equal(mls_open_with_package(owner->client, mls_hash_span(&ref), "test", span_str("meeting"),
                                               mls_buf_span(&sealed), &plain),
                         MLS_OK);
        assert_true(span_equal_str(mls_buf_span(&plain), "hello"));
        /* a package whose signature is wrong is nobody's */
        owner->key_package.w.data[owner->key_package.w.len - 1] ^= 1;
        mls_buf_clear(&sealed);
        assert_int_equal(mls_seal_to_package(&crypto_openssl, package, "test", none(), span_str("x"), &w.rng, &sealed),
                         MLS_KEY_PACKAGE_SIGNATURE_INVALID);
        assert_int_equal(mls_buf_len(&sealed), 0);
        mls_buf_free(&sealed);
        mls_buf_free(&plain);
        world_free(&w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_of_the_next_epoch_is_what_it_becomes),
        cmocka_unit_test(an_entrant_can_say_what_the_epoch_is_that_it_starts),
        cmocka_unit_test(nothing_is_told_without_a_commit_or_when_it_removes_us),
        cmocka_unit_test(what_is_sealed_to_a_member_opens_under_its_context_only),
        cmocka_unit_test(what_is_sealed_to_a_key_package_opens_at_its_owner_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
