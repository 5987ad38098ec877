/* Whatever allocation fails, a call on a client or group answers so, changes nothing, and works when tried again. What
 * OpenSSL allocates is not among them (heap_watch.h). */
#include "unit.h"

#include "base/assert.h"
#include "e2ee/mls_group.h"
#include "group_world.h"
#include "heap_watch.h"

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

/* One call under test: what it needs is in the world, and it may be made any number of times until it succeeds. */
struct call {
    struct world w;
    struct peer *p; /* whose state must not change; NULL: none */
    struct mls_group *made;
    struct mls_buf out[3];
    struct mls_buf in; /* a message, a Welcome.. */
    struct mls_successor_options successor;
    struct span packages[4];
};
typedef enum mls_status call_fn(struct call *c);

static void call_init(struct call *c) {
    memset(c, 0, sizeof *c);
    world_init(&c->w, SUITE);
    mls_buf_init(&c->in, MLS_MESSAGE_LEN_MAX);
    for (size_t i = 0; i < ARRAY_LEN(c->out); i++)
        mls_buf_init(&c->out[i], MLS_TREE_LEN_MAX);
}

static void call_free(struct call *c) {
    mls_group_free(c->made);
    world_free(&c->w);
    mls_buf_free(&c->in);
    for (size_t i = 0; i < ARRAY_LEN(c->out); i++)
        mls_buf_free(&c->out[i]);
}

/* Makes allocation 0, 1, 2 .. fail, until the call succeeds without having met a failure. Answers how many there were.
 */
static int try_all(struct call *c, call_fn *fn, bool compare) {
    struct mls_buf before = {0}, after;
    if (c->p != NULL && compare)
        peer_seal(c->p, &before);
    for (int n = 0;; n++) {
        for (size_t i = 0; i < ARRAY_LEN(c->out); i++)
            mls_buf_free(&c->out[i]);
        heap_fail_after(n);
        enum mls_status status = fn(c);
        bool failed = heap_has_failed();
        heap_fail_after(-1);
        if (!failed) {
            assert_int_equal(status, MLS_OK);
            mls_buf_free(&before);
            return n;
        }
        if (status == MLS_OK)
            print_message("allocation %d\n", n);
        assert_int_equal(status, MLS_NO_MEMORY);
        assert_null(c->made);
        for (size_t i = 0; i < ARRAY_LEN(c->out); i++)
            assert_int_equal(mls_buf_len(&c->out[i]), 0);
        if (c->p == NULL || !compare)
            continue;
        peer_seal(c->p, &after);
        assert_true(span_equal(mls_buf_span(&before), mls_buf_span(&after)));
        mls_buf_free(&after);
    }
}

/* ---- the calls ---- */

static enum mls_status make_package(struct call *c) {
    struct peer *p = &c->w.peers[0];
    return mls_key_package_create(p->client, &p->identity, NULL, WORLD_NOW, &c->w.rng, &c->out[0]);
}

static enum mls_status create(struct call *c) {
    struct peer *p = &c->w.peers[0];
    return mls_group_create(p->client, &p->identity, NULL, span_str("another"), none(), WORLD_NOW, &c->w.rng, &c->made);
}

static enum mls_status add_psk(struct call *c) {
    return mls_psk_add(c->w.peers[0].client, span_str("id"), span_str("secret"));
}

static enum mls_status commit(struct call *c) {
    struct mls_commit_options o = {.proposals = mls_buf_span(&c->w.proposals), .tree_in_welcome = true};
    return mls_commit(c->p->group, &o, WORLD_NOW, &c->w.rng, &c->out[0], &c->out[1], &c->out[2]);
}

static enum mls_status process(struct call *c) {
    struct mls_received got;
    return mls_process(c->p->group, mls_buf_span(&c->in), WORLD_NOW, &got);
}

static enum mls_status join(struct call *c) {
    struct peer *joiner = &c->w.peers[c->w.count - 1];
    return mls_join(joiner->client, NULL, mls_buf_span(&c->in), NULL, WORLD_NOW, &c->w.rng, &c->made);
}

static enum mls_status join_external(struct call *c) {
    struct peer *joiner = &c->w.peers[c->w.count - 1];
    struct mls_external_options o = {.group_info = true, .tree_in_group_info = true};
    return mls_join_external(joiner->client, &joiner->identity, NULL, mls_buf_span(&c->in), &o, WORLD_NOW, &c->w.rng,
                             &c->made, &c->out[0], &c->out[1]);
}

static enum mls_status update(struct call *c) {
    return mls_propose_update(c->p->group, NULL, NULL, WORLD_NOW, &c->w.rng, &c->out[0]);
}

static enum mls_status protect(struct call *c) {
    return mls_protect(c->p->group, span_str("text"), none(), &c->w.rng, &c->out[0]);
}

static enum mls_status info(struct call *c) {
    struct mls_group_info_options o = {.external_pub = true, .tree = true};
    return mls_group_info(c->p->group, &o, &c->out[0]);
}

static const uint8_t seal_key[MLS_SEAL_KEY_LEN] = {3};

static enum mls_status seal(struct call *c) {
    return mls_group_seal(c->p->group, span_of(seal_key, sizeof seal_key), &c->w.rng, &c->out[0]);
}

static enum mls_status restore(struct call *c) {
    return mls_group_restore(c->w.peers[1].client, span_of(seal_key, sizeof seal_key), mls_buf_span(&c->in), &c->w.rng,
                             &c->made);
}

static enum mls_status branch(struct call *c) {
    return mls_branch(c->p->group, &c->successor, span_str("branch"), none(), WORLD_NOW, &c->w.rng, &c->made,
                      &c->out[0]);
}

/* ---- tests ---- */

static void beginnings_survive_any_failed_allocation(void **state) {
    (void)state;
    struct call c;
    call_init(&c);
    world_peer(&c.w, "alice");
    assert_true(try_all(&c, make_package, false) > 5);
    assert_true(try_all(&c, create, false) > 10);
    mls_group_free(c.made);
    c.made = NULL;
    assert_true(try_all(&c, add_psk, false) > 1);
    call_free(&c);
}

static void commits_survive_any_failed_allocation(void **state) {
    (void)state;
    struct call c;
    call_init(&c);
    world_grow(&c.w, 5);
    for (uint32_t i = 0; i < 5; i++)
        peer_commit(&c.w.peers[i], NULL);
    struct peer *joiner = world_peer(&c.w, "joiner");
    /* an Update by reference, a removal and an Add by value */
    mls_buf_clear(&c.w.message);
    mls_buf_clear(&c.w.proposals);
    assert_int_equal(mls_propose_update(c.w.peers[3].group, NULL, NULL, WORLD_NOW, &c.w.rng, &c.w.message), MLS_OK);
    mls_wr_span(&c.in, mls_buf_span(&c.w.message));
    for (uint32_t i = 0; i < 5; i++) {
        c.p = &c.w.peers[i];
        if (i != 3)
            assert_true(try_all(&c, process, true) > 2);
    }
    assert_int_equal(mls_propose_write_remove(4, &c.w.proposals), MLS_OK);
    assert_int_equal(mls_propose_write_add(peer_package(joiner), &c.w.proposals), MLS_OK);
    c.p = &c.w.peers[1];
    assert_true(try_all(&c, commit, true) > 40);
    mls_buf_clear(&c.in);
    mls_wr_span(&c.in, mls_buf_span(&c.out[0]));
    mls_buf_clear(&c.w.welcome);
    mls_wr_span(&c.w.welcome, mls_buf_span(&c.out[1]));
    assert_int_equal(mls_commit_confirm(c.p->group), MLS_OK);
    for (uint32_t i = 0; i < 5; i++) {
        c.p = &c.w.peers[i];
        if (i == 1)
            continue;
        assert_true(try_all(&c, process, true) > 10);
        assert_int_equal(mls_staged_apply(c.p->group), MLS_OK);
    }
    mls_buf_clear(&c.in);
    mls_wr_span(&c.in, mls_buf_span(&c.w.welcome));
    c.p = NULL;
    assert_true(try_all(&c, join, false) > 20);
    joiner->group = c.made;
    c.made = NULL;
    world_check(&c.w);
    call_free(&c);
}

static void external_joins_survive_any_failed_allocation(void **state) {
    (void)state;
    struct call c;
    call_init(&c);
    world_grow(&c.w, 4);
    c.p = &c.w.peers[2];
    assert_true(try_all(&c, info, true) > 3);
    mls_wr_span(&c.in, mls_buf_span(&c.out[0]));
    struct peer *joiner = world_peer(&c.w, "joiner");
    c.p = NULL;
    assert_true(try_all(&c, join_external, false) > 40);
    joiner->group = c.made;
    c.made = NULL;
    mls_buf_clear(&c.in);
    mls_wr_span(&c.in, mls_buf_span(&c.out[0]));
    assert_int_equal(mls_commit_confirm(joiner->group), MLS_OK);
    for (uint32_t i = 0; i < 4; i++) {
        c.p = &c.w.peers[i];
        assert_true(try_all(&c, process, true) > 10);
        assert_int_equal(mls_staged_apply(c.p->group), MLS_OK);
    }
    world_check(&c.w);
    call_free(&c);
}

static void private_messages_survive_any_failed_allocation(void **state) {
    (void)state;
    struct call c;
    call_init(&c);
    c.w.options.private_handshake = true;
    world_grow(&c.w, 4);
    /* what is derived on the way may stay: the same keys come out, and the message opens in the end */
    c.p = &c.w.peers[0];
    assert_true(try_all(&c, protect, false) > 2);
    mls_wr_span(&c.in, mls_buf_span(&c.out[0]));
    c.p = &c.w.peers[2];
    assert_true(try_all(&c, process, false) > 1);
    c.p = &c.w.peers[0];
    assert_true(try_all(&c, update, false) > 5);
    mls_buf_clear(&c.in);
    mls_wr_span(&c.in, mls_buf_span(&c.out[0]));
    c.p = &c.w.peers[2];
    assert_true(try_all(&c, process, false) > 1);
    mls_buf_clear(&c.w.proposals);
    assert_true(try_all(&c, commit, false) > 20);
    mls_buf_clear(&c.in);
    mls_wr_span(&c.in, mls_buf_span(&c.out[0]));
    assert_int_equal(mls_commit_confirm(c.p->group), MLS_OK);
    c.p = &c.w.peers[0];
    assert_true(try_all(&c, process, false) > 10);
    assert_int_equal(mls_staged_apply(c.p->group), MLS_OK);
    assert_true(span_equal(mls_epoch_authenticator(c.p->group), mls_epoch_authenticator(c.w.peers[2].group)));
    call_free(&c);
}

static void sealing_and_branching_survive_any_failed_allocation(void **state) {
    (void)state;
    struct call c;
    call_init(&c);
    world_grow(&c.w, 4);
    c.p = &c.w.peers[1];
    assert_true(try_all(&c, seal, true) > 2);
    mls_wr_span(&c.in, mls_buf_span(&c.out[0]));
    peer_leave(c.p);
    c.p = NULL;
    assert_true(try_all(&c, restore, false) > 10);
    c.w.peers[1].group = c.made;
    c.made = NULL;
    world_check(&c.w);
    c.p = &c.w.peers[3];
    c.packages[0] = peer_package(&c.w.peers[1]);
    c.successor = (struct mls_successor_options){
        .identity = &c.w.peers[3].identity, .key_packages = c.packages, .key_package_count = 1};
    assert_true(try_all(&c, branch, true) > 40);
    call_free(&c);
}

static void nothing_is_left_when_all_is_freed(void **state) {
    (void)state;
    size_t before = heap_blocks();
    commits_survive_any_failed_allocation(NULL);
    sealing_and_branching_survive_any_failed_allocation(NULL);
    assert_int_equal(heap_blocks(), before);
    (void)heap_freed_dirty();
    commits_survive_any_failed_allocation(NULL);
    assert_int_equal(heap_freed_dirty(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beginnings_survive_any_failed_allocation),
        cmocka_unit_test(commits_survive_any_failed_allocation),
        cmocka_unit_test(external_joins_survive_any_failed_allocation),
        cmocka_unit_test(private_messages_survive_any_failed_allocation),
        cmocka_unit_test(sealing_and_branching_survive_any_failed_allocation),
        cmocka_unit_test(nothing_is_left_when_all_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
