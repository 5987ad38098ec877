/* Proposals that do not go together in one commit are refused, and those that do are applied in their order: RFC 9420
 * section 12.2. What honest members cannot make is forged with their keys. */
#include "unit.h"

#include "base/assert.h"
#include "e2ee/mls_group.h"
#include "group_world.h"

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

/* Forges a commit of several encoded proposals, each by value. */
static void forge_list(struct peer *p, const struct span *proposals, size_t count, struct mls_buf *out) {
    struct mls_buf list;
    mls_buf_init(&list, MLS_MESSAGE_LEN_MAX);
    for (size_t i = 0; i < count; i++)
        forge_by_value(proposals[i], &list);
    forge_commit(p, mls_buf_span(&list), none(), out);
    mls_buf_free(&list);
}

static void pair_refused(struct world *w, struct span first, struct span second, enum mls_status reason) {
    const struct span pair[] = {first, second};
    forge_list(&w->peers[0], pair, 2, &w->message);
    peer_refuses(&w->peers[1], mls_buf_span(&w->message), reason);
    struct mls_buf both;
    mls_buf_init(&both, MLS_MESSAGE_LEN_MAX);
    mls_wr_span(&both, first);
    mls_wr_span(&both, second);
    struct mls_commit_options o = {.proposals = mls_buf_span(&both)};
    peer_cannot_commit(&w->peers[0], &o, reason);
    mls_buf_free(&both);
}

static void proposals_that_do_not_go_together_are_refused(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 4);
    struct peer *carol = world_peer(&w, "carol");
    struct mls_buf a, b;
    mls_buf_init(&a, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&b, MLS_MESSAGE_LEN_MAX);
    assert_int_equal(mls_propose_write_remove(2, &a), MLS_OK);
    pair_refused(&w, mls_buf_span(&a), mls_buf_span(&a), MLS_LEAF_TOUCHED_TWICE);
    /* one client twice: two key packages with one signature key; the same key package */
    assert_int_equal(mls_propose_write_add(peer_package(carol), empty(&a)), MLS_OK);
    assert_int_equal(mls_propose_write_add(peer_package(carol), empty(&b)), MLS_OK);
    pair_refused(&w, mls_buf_span(&a), mls_buf_span(&b), MLS_ADD_DUPLICATE);
    pair_refused(&w, mls_buf_span(&a), mls_buf_span(&a), MLS_ADD_DUPLICATE);
    /* a member again */
    assert_int_equal(mls_propose_write_add(peer_package(&w.peers[2]), empty(&a)), MLS_OK);
    world_refuses(&w, mls_buf_span(&a), MLS_ADD_ALREADY_MEMBER);
    /* one PSK twice */
    assert_int_equal(mls_psk_add(w.peers[0].client, span_str("k"), span_str("v")), MLS_OK);
    assert_int_equal(mls_psk_add(w.peers[1].client, span_str("k"), span_str("v")), MLS_OK);
    assert_int_equal(mls_propose_write_psk(SUITE, span_str("k"), &w.rng, empty(&a)), MLS_OK);
    pair_refused(&w, mls_buf_span(&a), mls_buf_span(&a), MLS_PSK_DUPLICATE);
    /* a reinitialisation beside anything else, before or after */
    assert_int_equal(mls_propose_write_reinit(span_str("next"), SUITE, none(), empty(&b)), MLS_OK);
    pair_refused(&w, mls_buf_span(&a), mls_buf_span(&b), MLS_REINIT_NOT_ALONE);
    pair_refused(&w, mls_buf_span(&b), mls_buf_span(&a), MLS_REINIT_NOT_ALONE);
    pair_refused(&w, mls_buf_span(&b), mls_buf_span(&b), MLS_REINIT_NOT_ALONE);
    mls_buf_free(&a);
    mls_buf_free(&b);
    world_check(&w);
    world_free(&w);
}

static void a_member_may_come_back_in_the_commit_that_removes_it(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 4);
    assert_int_equal(mls_propose_write_add(peer_package(&w.peers[2]), empty(&w.proposals)), MLS_OK);
    assert_int_equal(mls_propose_write_remove(2, &w.proposals), MLS_OK);
    peer_leave(&w.peers[2]);
    peer_commit_values(&w.peers[0], mls_buf_span(&w.proposals));
    assert_non_null(w.peers[2].group);
    world_check(&w);
    world_free(&w);
}

static void removals_go_before_updates_and_later_updates_before_earlier(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 4);
    struct peer *p = &w.peers[1];
    struct mls_proposal_info first, second, removal;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mls_propose_update(p->group, NULL, NULL, WORLD_NOW, &w.rng, empty(&w.message)), MLS_OK);
        world_deliver_proposal(p, mls_buf_span(&w.message));
    }
    assert_true(mls_proposal_at(w.peers[0].group, 0, &first) && mls_proposal_at(w.peers[0].group, 1, &second));
    struct span refs[] = {first.ref, second.ref, none()};
    struct mls_commit_options o = {.pick = MLS_PICK_LISTED, .refs = refs, .ref_count = 2};
    peer_cannot_commit(&w.peers[0], &o, MLS_LEAF_TOUCHED_TWICE);
    struct mls_buf list;
    mls_buf_init(&list, 1000);
    forge_by_ref(first.ref, &list);
    forge_by_ref(second.ref, &list);
    forge_commit(&w.peers[0], mls_buf_span(&list), none(), &w.message);
    peer_refuses(&w.peers[2], mls_buf_span(&w.message), MLS_LEAF_TOUCHED_TWICE);
    uint8_t wanted[64];
    size_t wanted_len = second.leaf.encryption_key.len;
    memcpy(wanted, second.leaf.encryption_key.data, wanted_len);
    peer_commit(&w.peers[0], NULL);
    struct mls_member member;
    assert_true(mls_member_at(w.peers[0].group, 1, &member));
    assert_true(span_equal(member.leaf.encryption_key, span_of(wanted, wanted_len)));
    world_check(&w);
    /* and now a removal of the updated one */
    assert_int_equal(mls_propose_update(p->group, NULL, NULL, WORLD_NOW, &w.rng, empty(&w.message)), MLS_OK);
    world_deliver_proposal(p, mls_buf_span(&w.message));
    assert_int_equal(mls_propose_write_remove(1, empty(&w.proposals)), MLS_OK);
    assert_int_equal(
        mls_propose(w.peers[3].group, mls_buf_span(&w.proposals), NULL, WORLD_NOW, &w.rng, empty(&w.message)), MLS_OK);
    world_deliver_proposal(&w.peers[3], mls_buf_span(&w.message));
    assert_true(mls_proposal_at(w.peers[0].group, 0, &first) && mls_proposal_at(w.peers[0].group, 1, &removal));
    refs[0] = first.ref;
    refs[1] = removal.ref;
    peer_cannot_commit(&w.peers[0], &o, MLS_LEAF_TOUCHED_TWICE);
    /* our own Update is no reason against committing */
    peer_commit(&w.peers[0], NULL);
    assert_int_equal(mls_group_state(p->group), MLS_STATE_REMOVED);
    world_check(&w);
    mls_buf_free(&list);
    world_free(&w);
}

static void own_updates_and_removals_of_oneself_are_left_to_others(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 3);
    struct peer *p = &w.peers[1];
    assert_int_equal(mls_propose_update(p->group, NULL, NULL, WORLD_NOW, &w.rng, empty(&w.message)), MLS_OK);
    world_deliver_proposal(p, mls_buf_span(&w.message));
    struct mls_proposal_info info;
    assert_true(mls_proposal_at(p->group, 0, &info));
    struct mls_commit_options o = {.pick = MLS_PICK_LISTED, .refs = &info.ref, .ref_count = 1};
    peer_cannot_commit(p, &o, MLS_UPDATE_BY_COMMITTER);
    struct mls_buf list;
    mls_buf_init(&list, 1000);
    forge_by_ref(info.ref, &list);
    forge_commit(p, mls_buf_span(&list), none(), &w.message);
    peer_refuses(&w.peers[0], mls_buf_span(&w.message), MLS_UPDATE_BY_COMMITTER);
    mls_buf_free(&list);
    peer_commit(p, NULL);
    world_check(&w);
    assert_int_equal(mls_propose_write_remove(1, empty(&w.proposals)), MLS_OK);
    assert_int_equal(mls_propose(p->group, mls_buf_span(&w.proposals), NULL, WORLD_NOW, &w.rng, empty(&w.message)),
                     MLS_OK);
    world_deliver_proposal(p, mls_buf_span(&w.message));
    peer_commit(p, NULL);
    assert_int_equal(mls_member_count(p->group), 3);
    world_check(&w);
    world_free(&w);
}

static void a_group_takes_no_more_members_than_it_was_made_for(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    w.options.members_max = 3;
    world_grow(&w, 3);
    struct peer *carol = world_peer(&w, "carol");
    assert_int_equal(mls_propose_write_add(peer_package(carol), empty(&w.proposals)), MLS_OK);
    struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals)};
    peer_cannot_commit(&w.peers[0], &o, MLS_TREE_FULL);
    assert_int_equal(
        mls_propose(w.peers[1].group, mls_buf_span(&w.proposals), NULL, WORLD_NOW, &w.rng, empty(&w.message)), MLS_OK);
    world_deliver_proposal(&w.peers[1], mls_buf_span(&w.message));
    peer_commit(&w.peers[0], NULL);
    assert_int_equal(mls_member_count(w.peers[0].group), 3);
    world_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proposals_that_do_not_go_together_are_refused),
        cmocka_unit_test(a_member_may_come_back_in_the_commit_that_removes_it),
        cmocka_unit_test(removals_go_before_updates_and_later_updates_before_earlier),
        cmocka_unit_test(own_updates_and_removals_of_oneself_are_left_to_others),
        cmocka_unit_test(a_group_takes_no_more_members_than_it_was_made_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
