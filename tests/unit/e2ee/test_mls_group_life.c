/* What happens to groups over time: races, commits looked at before they are applied, late messages, successors, states
 * that are kept (RFC 9420 sections 11.2, 11.3, 12.4, 14, 15.3). */
#include "unit.h"

#include "base/assert.h"
#include "e2ee/mls_group.h"
#include "group_world.h"

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

static struct mls_buf copy_of(const struct mls_buf *from) {
    struct mls_buf copy;
    mls_buf_init(&copy, MLS_MESSAGE_LEN_MAX);
    mls_wr_span(&copy, mls_buf_span(from));
    return copy;
}

/* ---- races ---- */

static void of_two_commits_the_one_that_is_delivered_wins(void **state) {
    (void)state;
    for (int as_private = 0; as_private < 2; as_private++) {
        struct world w;
        world_init(&w, SUITE);
        w.options.private_handshake = as_private == 1;
        world_grow(&w, 4);
        struct peer *loser = &w.peers[1], *winner = &w.peers[2], *joiner = world_peer(&w, "joiner");
        /* the loser had an Update open, too, and wanted to add somebody */
        assert_int_equal(mls_propose_update(winner->group, NULL, NULL, WORLD_NOW, &w.rng, empty(&w.message)), MLS_OK);
        world_deliver_proposal(winner, mls_buf_span(&w.message));
        assert_int_equal(mls_propose_write_add(peer_package(joiner), empty(&w.proposals)), MLS_OK);
        struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals)};
        assert_int_equal(peer_try_commit(loser, &o), MLS_OK);
        assert_true(mls_commit_is_pending(loser->group));
        struct mls_buf lost = copy_of(&w.commit);
        uint64_t epoch = mls_group_epoch(loser->group);
        /* it works on in the old epoch */
        struct mls_received got;
        assert_int_equal(mls_protect(winner->group, span_str("x"), none(), &w.rng, empty(&w.message)),
                         MLS_PROPOSALS_OPEN);
        assert_int_equal(peer_try_commit(winner, NULL), MLS_OK);
        world_deliver_commit(winner);
        assert_false(mls_commit_is_pending(loser->group));
        assert_int_equal(mls_group_epoch(loser->group), epoch + 1);
        world_check(&w);
        for (uint32_t i = 0; i < 4; i++)
            peer_refuses(&w.peers[i], mls_buf_span(&lost), MLS_EPOCH_OVER);
        assert_int_equal(mls_commit_confirm(loser->group), MLS_NOTHING_PENDING);
        /* and then gets its turn */
        peer_commit(loser, &o);
        assert_non_null(joiner->group);
        world_check(&w);
        (void)got;
        mls_buf_free(&lost);
        world_free(&w);
    }
}

static void a_dropped_commit_leaves_no_trace(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 5);
    struct peer *p = &w.peers[3];
    struct mls_buf before, after;
    peer_seal(p, &before);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(mls_propose_write_remove(1, empty(&w.proposals)), MLS_OK);
        struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals), .no_path = true};
        assert_int_equal(peer_try_commit(p, &o), MLS_OK);
        assert_int_equal(mls_member_count(p->group), 5);
        assert_int_equal(peer_try_commit(p, &o), MLS_COMMIT_PENDING);
        mls_commit_drop(p->group);
        mls_commit_drop(p->group);
        peer_seal(p, &after);
        assert_true(span_equal(mls_buf_span(&before), mls_buf_span(&after)));
        mls_buf_free(&after);
    }
    mls_buf_free(&before);
    world_check(&w);
    world_free(&w);
}

static void own_messages_that_come_back_are_known(void **state) {
    (void)state;
    for (int as_private = 0; as_private < 2; as_private++) {
        struct world w;
        world_init(&w, SUITE);
        w.options.private_handshake = as_private == 1;
        world_grow(&w, 3);
        struct peer *p = &w.peers[1];
        struct mls_received got;
        assert_int_equal(mls_propose_update(p->group, NULL, NULL, WORLD_NOW, &w.rng, empty(&w.message)), MLS_OK);
        assert_int_equal(mls_process(p->group, mls_buf_span(&w.message), WORLD_NOW, &got), MLS_OK);
        assert_int_equal(got.kind, MLS_RECEIVED_OWN_PROPOSAL);
        assert_int_equal(got.sender, 1);
        struct mls_proposal_info info;
        assert_true(mls_proposal_find(p->group, got.proposal_ref, &info));
        assert_int_equal(info.type, MLS_PROPOSAL_UPDATE);
        mls_proposal_forget(p->group, got.proposal_ref);
        peer_refuses(p, mls_buf_span(&w.message), MLS_SENDER_SELF);
        assert_int_equal(peer_try_commit(p, NULL), MLS_OK);
        assert_int_equal(mls_process(p->group, mls_buf_span(&w.commit), WORLD_NOW, &got), MLS_OK);
        assert_int_equal(got.kind, MLS_RECEIVED_OWN_COMMIT);
        mls_commit_drop(p->group);
        peer_refuses(p, mls_buf_span(&w.commit), MLS_SENDER_SELF);
        world_free(&w);
    }
}

static void a_proposal_that_comes_twice_is_stored_once(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 3);
    assert_int_equal(mls_propose_update(w.peers[1].group, NULL, NULL, WORLD_NOW, &w.rng, empty(&w.message)), MLS_OK);
    world_deliver_proposal(&w.peers[1], mls_buf_span(&w.message));
    world_deliver_proposal(&w.peers[1], mls_buf_span(&w.message));
    struct mls_proposal_info info;
    assert_true(mls_proposal_at(w.peers[0].group, 0, &info));
    assert_false(mls_proposal_at(w.peers[0].group, 1, &info));
    peer_commit(&w.peers[0], NULL);
    world_check(&w);
    world_free(&w);
}

/* ---- staged commits ---- */

static void a_staged_commit_tells_what_it_does_before_it_does_it(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 5);
    struct peer *joiner = world_peer(&w, "joiner"), *p = &w.peers[4];
    assert_int_equal(mls_propose_update(w.peers[2].group, NULL, NULL, WORLD_NOW, &w.rng, empty(&w.message)), MLS_OK);
    world_deliver_proposal(&w.peers[2], mls_buf_span(&w.message));
    assert_int_equal(mls_propose_write_remove(3, empty(&w.proposals)), MLS_OK);
    assert_int_equal(mls_propose_write_add(peer_package(joiner), &w.proposals), MLS_OK);
    struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals),
                                   .frame = {.authenticated_data = span_str("note")}};
    assert_int_equal(peer_try_commit(&w.peers[0], &o), MLS_OK);
    struct mls_received got;
    struct mls_commit_info c;
    struct mls_proposal_info info;
    struct mls_member member;
    uint64_t epoch = mls_group_epoch(p->group);
    uint8_t authenticator[32];
    memcpy(authenticator, mls_epoch_authenticator(p->group).data, 32);
    assert_false(mls_staged_info(p->group, &c));
    assert_int_equal(mls_process(p->group, mls_buf_span(&w.commit), WORLD_NOW, &got), MLS_OK);
    assert_int_equal(got.kind, MLS_RECEIVED_COMMIT);
    assert_true(span_equal_str(got.authenticated_data, "note"));
    assert_true(mls_staged_info(p->group, &c));
    assert_int_equal(c.epoch, epoch + 1);
    assert_int_equal(c.sender, 0);
    assert_int_equal(c.proposals, 3);
    assert_int_equal(c.adds + 10 * c.removes + 100 * c.updates, 111);
    assert_true(c.has_path && !c.removes_us && !c.reinit && !c.extensions_changed);
    assert_true(span_equal_str(c.leaf.identity, "m0") && span_equal_str(c.old_leaf.identity, "m0"));
    assert_false(span_equal(c.leaf.encryption_key, c.old_leaf.encryption_key));
    for (uint32_t i = 0; mls_staged_proposal(p->group, i, &info); i++) {
        switch (info.type) {
        case MLS_PROPOSAL_UPDATE:
            assert_true(info.by_reference && info.leaf_index == 2 && info.sender == 2);
            assert_false(span_equal(info.leaf.encryption_key, info.old_leaf.encryption_key));
            break;
        case MLS_PROPOSAL_REMOVE:
            assert_true(!info.by_reference && info.leaf_index == 3);
            assert_true(span_equal_str(info.leaf.identity, "m3"));
            break;
        default:
            assert_int_equal(info.type, MLS_PROPOSAL_ADD);
            assert_int_equal(info.leaf_index, 3); /* the place that is free then */
            assert_true(span_equal_str(info.leaf.identity, "joiner"));
        }
    }
    /* meanwhile everything is as it was, and works */
    assert_int_equal(mls_group_epoch(p->group), epoch);
    assert_memory_equal(authenticator, mls_epoch_authenticator(p->group).data, 32);
    assert_true(mls_member_at(p->group, 3, &member) && span_equal_str(member.leaf.identity, "m3"));
    assert_int_equal(mls_process(p->group, mls_buf_span(&w.commit), WORLD_NOW, &got), MLS_COMMIT_STAGED);
    assert_int_equal(mls_commit(p->group, NULL, WORLD_NOW, &w.rng, empty(&w.message), NULL, NULL), MLS_COMMIT_STAGED);
    struct mls_buf sealed;
    uint8_t key[MLS_SEAL_KEY_LEN] = {1};
    mls_buf_init(&sealed, MLS_TREE_LEN_MAX);
    assert_int_equal(mls_group_seal(p->group, span_of(key, sizeof key), &w.rng, &sealed), MLS_COMMIT_STAGED);
    mls_buf_free(&sealed);
    mls_staged_refuse(p->group);
    assert_false(mls_staged_info(p->group, &c));
    assert_int_equal(mls_staged_apply(p->group), MLS_NOTHING_STAGED);
    world_deliver_commit(&w.peers[0]); /* p has thought again */
    assert_true(mls_member_at(p->group, 3, &member) && span_equal_str(member.leaf.identity, "joiner"));
    world_free(&w);
}

static void a_refused_commit_leaves_no_trace(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 6);
    struct peer *p = &w.peers[4];
    struct mls_received got;
    struct mls_proposal_info info;
    assert_int_equal(mls_propose_update(w.peers[2].group, NULL, NULL, WORLD_NOW, &w.rng, empty(&w.message)), MLS_OK);
    world_deliver_proposal(&w.peers[2], mls_buf_span(&w.message));
    struct mls_buf before, after;
    peer_seal(p, &before);
    assert_int_equal(peer_try_commit(&w.peers[0], NULL), MLS_OK);
    assert_int_equal(mls_process(p->group, mls_buf_span(&w.commit), WORLD_NOW, &got), MLS_OK);
    mls_staged_refuse(p->group);
    peer_seal(p, &after);
    assert_true(span_equal(mls_buf_span(&before), mls_buf_span(&after)));
    mls_buf_free(&before);
    mls_buf_free(&after);
    /* a proposal that is forgotten while it is part of a staged commit stays readable until then */
    assert_int_equal(mls_process(p->group, mls_buf_span(&w.commit), WORLD_NOW, &got), MLS_OK);
    assert_true(mls_staged_proposal(p->group, 0, &info));
    mls_proposal_forget(p->group, info.ref);
    assert_true(mls_staged_proposal(p->group, 0, &info));
    assert_int_equal(info.type, MLS_PROPOSAL_UPDATE);
    assert_false(mls_proposal_at(p->group, 0, &info));
    mls_staged_refuse(p->group);
    peer_refuses(p, mls_buf_span(&w.commit), MLS_PROPOSAL_UNKNOWN_REF);
    world_free(&w);
}

/* ---- late messages ---- */

static void late_application_messages_of_past_epochs_open(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    w.options.past_epochs = 2;
    world_grow(&w, 4);
    struct mls_buf late[4];
    struct mls_received got;
    /* m1 speaks in each epoch, changes its key once, and is removed in the end */
    struct secret new_key;
    struct mls_buf new_public;
    mls_buf_init(&new_public, 100);
    assert_int_equal(mls_signature_key_generate(&crypto_openssl, SUITE, &w.rng, &new_key, &new_public), MLS_OK);
    struct mls_identity renewed = w.peers[1].identity;
    renewed.signature_key = &new_key;
    for (int i = 0; i < 4; i++) {
        uint8_t digit = (uint8_t)i;
        mls_buf_init(&late[i], MLS_MESSAGE_LEN_MAX);
        if (i < 3)
            assert_int_equal(mls_protect(w.peers[1].group, span_of(&digit, 1), none(), &w.rng, &late[i]), MLS_OK);
        struct mls_commit_options o = {.identity = &renewed};
        if (i < 2)
            peer_commit(&w.peers[1], i == 0 ? NULL : &o);
        else if (i == 2)
            peer_remove(&w.peers[0], 1);
    }
    struct mls_group *g = w.peers[2].group;
    uint64_t epoch = mls_group_epoch(g);
    assert_int_equal(mls_process(g, mls_buf_span(&late[2]), WORLD_NOW, &got), MLS_OK);
    assert_int_equal(got.epoch, epoch - 1);
    assert_int_equal(got.sender, 1);
    assert_int_equal(got.application_data.data[0], 2);
    peer_refuses(&w.peers[2], mls_buf_span(&late[2]), MLS_GENERATION_CONSUMED);
    assert_int_equal(mls_process(g, mls_buf_span(&late[1]), WORLD_NOW, &got), MLS_OK);
    assert_int_equal(got.epoch, epoch - 2);
    assert_int_equal(got.application_data.data[0], 1);
    peer_refuses(&w.peers[2], mls_buf_span(&late[0]), MLS_EPOCH_FORGOTTEN);
    for (int i = 0; i < 4; i++)
        mls_buf_free(&late[i]);
    mls_buf_free(&new_public);
    world_free(&w);
}

static void past_epochs_may_be_none(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    w.options.no_past_epochs = true;
    world_grow(&w, 2);
    assert_int_equal(mls_protect(w.peers[1].group, span_str("x"), none(), &w.rng, empty(&w.message)), MLS_OK);
    peer_commit(&w.peers[1], NULL);
    peer_refuses(&w.peers[0], mls_buf_span(&w.message), MLS_EPOCH_FORGOTTEN);
    world_free(&w);
}

static void a_removed_member_opens_what_was_late_and_nothing_after(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 3);
    struct peer *gone = &w.peers[2];
    struct mls_buf late, later;
    mls_buf_init(&late, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&later, MLS_MESSAGE_LEN_MAX);
    assert_int_equal(mls_protect(w.peers[0].group, span_str("before"), none(), &w.rng, &late), MLS_OK);
    peer_remove(&w.peers[1], 2);
    assert_int_equal(mls_group_state(gone->group), MLS_STATE_REMOVED);
    assert_int_equal(mls_protect(w.peers[0].group, span_str("after"), none(), &w.rng, &later), MLS_OK);
    struct mls_received got;
    assert_int_equal(mls_process(gone->group, mls_buf_span(&late), WORLD_NOW, &got), MLS_OK);
    assert_true(span_equal_str(got.application_data, "before"));
    assert_int_equal(mls_process(gone->group, mls_buf_span(&late), WORLD_NOW, &got), MLS_GENERATION_CONSUMED);
    assert_int_equal(mls_process(gone->group, mls_buf_span(&later), WORLD_NOW, &got), MLS_EPOCH_AHEAD);
    /* it can do nothing more */
    uint8_t out[32];
    assert_int_equal(mls_export(gone->group, "x", none(), out, 32), MLS_GROUP_LEFT);
    assert_int_equal(mls_protect(gone->group, none(), none(), &w.rng, &w.message), MLS_GROUP_LEFT);
    assert_int_equal(mls_commit(gone->group, NULL, WORLD_NOW, &w.rng, &w.message, NULL, NULL), MLS_GROUP_LEFT);
    assert_int_equal(mls_epoch_authenticator(gone->group).len, 0);
    assert_int_equal(mls_member_count(gone->group), 0);
    struct mls_group_info_options info = {.external_pub = true};
    assert_int_equal(mls_group_info(gone->group, &info, &w.message), MLS_GROUP_LEFT);
    assert_int_equal(mls_group_tree(gone->group, &w.message), MLS_GROUP_LEFT);
    mls_buf_free(&late);
    mls_buf_free(&later);
    world_free(&w);
}

/* ---- successors ---- */

static void reinit_to(struct world *w, uint16_t suite) {
    assert_int_equal(mls_propose_write_reinit(span_str("next"), suite, none(), empty(&w->proposals)), MLS_OK);
    struct mls_commit_options o = {.proposals = mls_buf_span(&w->proposals), .pick = MLS_PICK_NONE};
    assert_int_equal(peer_try_commit(&w->peers[0], &o), MLS_OK);
    world_deliver_commit(&w->peers[0]);
}

static void a_group_goes_on_in_another_suite(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 4);
    reinit_to(&w, MLS_SUITE_XWING_AES256GCM_SHA384_ED25519);
    struct mls_group *old[4], *next[4] = {NULL};
    struct span packages[3];
    for (uint32_t i = 0; i < 4; i++) {
        struct peer *p = &w.peers[i];
        old[i] = p->group;
        assert_int_equal(mls_group_state(old[i]), MLS_STATE_REINIT);
        assert_int_equal(mls_protect(old[i], none(), none(), &w.rng, empty(&w.message)), MLS_GROUP_ENDED);
        assert_int_equal(mls_commit(old[i], NULL, WORLD_NOW, &w.rng, empty(&w.message), NULL, NULL), MLS_GROUP_ENDED);
        p->identity.suite = MLS_SUITE_XWING_AES256GCM_SHA384_ED25519;
        if (i != 1)
            packages[i == 0 ? 0 : i - 1] = peer_package(p);
    }
    /* another member than who committed it makes the new one */
    struct mls_successor_options o = {
        .identity = &w.peers[1].identity, .key_packages = packages, .key_package_count = 2, .tree_in_welcome = true};
    assert_int_equal(mls_reinit_finish(old[1], &o, WORLD_NOW, &w.rng, &next[1], empty(&w.welcome)),
                     MLS_WELCOME_REINIT_MISMATCH); /* somebody is missing */
    assert_null(next[1]);
    assert_int_equal(mls_buf_len(&w.welcome), 0);
    o.key_package_count = 3;
    assert_int_equal(mls_reinit_finish(old[1], &o, WORLD_NOW, &w.rng, &next[1], empty(&w.welcome)), MLS_OK);
    for (uint32_t i = 0; i < 4; i++) {
        if (i != 1)
            assert_int_equal(
                mls_join(w.peers[i].client, NULL, mls_buf_span(&w.welcome), NULL, WORLD_NOW, &w.rng, &next[i]), MLS_OK);
        mls_group_free(old[i]);
        w.peers[i].group = next[i];
    }
    assert_int_equal(mls_group_epoch(next[0]), 1);
    assert_true(span_equal_str(mls_group_id(next[2]), "next"));
    world_check(&w);
    peer_commit(&w.peers[2], NULL);
    world_check(&w);
    world_free(&w);
}

static void a_successor_that_is_not_what_was_announced_is_refused(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 3);
    reinit_to(&w, SUITE);
    struct mls_group *g = NULL, *joined = NULL;
    struct span packages[2] = {peer_package(&w.peers[1]), peer_package(&w.peers[2])};
    struct mls_successor_options o = {
        .identity = &w.peers[0].identity, .key_packages = packages, .key_package_count = 2, .tree_in_welcome = true};
    struct mls_group *old = w.peers[0].group;
    /* whoever makes it may lie about what was announced; its own copy of the announcement is changed here */
    static const struct {
        size_t at;
        uint8_t value;
    } lies[] = {{3, 'N'}, {2 + 1 + 4 + 2 + 1, MLS_SUITE_X25519_CHACHA20POLY1305_SHA256_ED25519}};
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        uint8_t *byte = &old->reinit.data[lies[i].at], right = *byte;
        struct mls_identity identity = w.peers[0].identity;
        *byte = lies[i].value;
        if (i == 1) {
            identity.suite = MLS_SUITE_X25519_CHACHA20POLY1305_SHA256_ED25519;
            for (uint32_t k = 1; k < 3; k++) {
                w.peers[k].identity.suite = identity.suite;
                packages[k - 1] = peer_package(&w.peers[k]);
            }
        }
        o.identity = &identity;
        assert_int_equal(mls_reinit_finish(old, &o, WORLD_NOW, &w.rng, &g, empty(&w.welcome)), MLS_OK);
        *byte = right;
        assert_int_equal(mls_join(w.peers[1].client, NULL, mls_buf_span(&w.welcome), NULL, WORLD_NOW, &w.rng, &joined),
                         MLS_WELCOME_REINIT_MISMATCH);
        assert_null(joined);
        mls_group_free(g);
    }
    /* somebody is left out: the honest library does not make that, so it is told to let the application judge */
    struct mls_group_options lax = {.match_by_application = true};
    for (uint32_t k = 1; k < 3; k++) {
        w.peers[k].identity.suite = SUITE;
        packages[k - 1] = peer_package(&w.peers[k]);
    }
    o.identity = &w.peers[0].identity;
    o.options = &lax;
    o.key_package_count = 1;
    assert_int_equal(mls_reinit_finish(old, &o, WORLD_NOW, &w.rng, &g, empty(&w.welcome)), MLS_OK);
    assert_int_equal(mls_join(w.peers[1].client, NULL, mls_buf_span(&w.welcome), NULL, WORLD_NOW, &w.rng, &joined),
                     MLS_WELCOME_REINIT_MISMATCH);
    assert_int_equal(mls_join(w.peers[1].client, &lax, mls_buf_span(&w.welcome), NULL, WORLD_NOW, &w.rng, &joined),
                     MLS_OK);
    mls_group_free(g);
    mls_group_free(joined);
    world_free(&w);
}

static void some_members_branch_into_a_group_of_their_own(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 5);
    struct mls_group *parents[5], *branch = NULL;
    struct span packages[2] = {peer_package(&w.peers[1]), peer_package(&w.peers[4])};
    struct mls_successor_options o = {
        .identity = &w.peers[3].identity, .key_packages = packages, .key_package_count = 2, .tree_in_welcome = true};
    assert_int_equal(
        mls_branch(w.peers[3].group, &o, span_str("breakout"), none(), WORLD_NOW, &w.rng, &branch, empty(&w.welcome)),
        MLS_OK);
    for (uint32_t i = 0; i < 5; i++) {
        parents[i] = w.peers[i].group;
        w.peers[i].group = i == 3 ? branch : NULL;
    }
    peer_join(&w.peers[1]);
    peer_join(&w.peers[4]);
    world_check(&w);
    assert_int_equal(mls_member_count(branch), 3);
    peer_commit(&w.peers[4], NULL);
    world_check(&w);
    /* the parent goes on */
    for (uint32_t i = 0; i < 5; i++) {
        mls_group_free(w.peers[i].group);
        w.peers[i].group = parents[i];
    }
    world_check(&w);
    /* a stranger is no branch of it */
    struct peer *stranger = world_peer(&w, "stranger");
    packages[0] = peer_package(stranger);
    packages[1] = peer_package(&w.peers[4]);
    branch = NULL;
    assert_int_equal(
        mls_branch(w.peers[3].group, &o, span_str("breakout"), none(), WORLD_NOW, &w.rng, &branch, empty(&w.welcome)),
        MLS_WELCOME_BRANCH_MISMATCH);
    struct mls_group_options lax = {.match_by_application = true};
    struct mls_group *joined = NULL;
    o.options = &lax;
    assert_int_equal(
        mls_branch(w.peers[3].group, &o, span_str("breakout"), none(), WORLD_NOW, &w.rng, &branch, empty(&w.welcome)),
        MLS_OK);
    assert_int_equal(mls_join(w.peers[4].client, NULL, mls_buf_span(&w.welcome), NULL, WORLD_NOW, &w.rng, &joined),
                     MLS_WELCOME_BRANCH_MISMATCH);
    /* who is not in the parent lacks its secret */
    assert_int_equal(mls_join(stranger->client, NULL, mls_buf_span(&w.welcome), NULL, WORLD_NOW, &w.rng, &joined),
                     MLS_PSK_UNKNOWN);
    mls_group_free(branch);
    world_free(&w);
}

/* ---- kept states ---- */

static void reopen(struct peer *p, struct mls_buf *sealed, const uint8_t *key) {
    peer_leave(p);
    assert_int_equal(
        mls_group_restore(p->client, span_of(key, MLS_SEAL_KEY_LEN), mls_buf_span(sealed), &p->world->rng, &p->group),
        MLS_OK);
}

static void a_restored_group_goes_on_where_it_was(void **state) {
    (void)state;
    static const uint16_t suites[] = {SUITE, MLS_SUITE_P521_AES256GCM_SHA512_P521,
                                      MLS_SUITE_XWING_AES256GCM_SHA384_ED25519};
    static const uint8_t key[MLS_SEAL_KEY_LEN] = {5};
    for (size_t s = 0; s < ARRAY_LEN(suites); s++) {
        struct world w;
        world_init(&w, suites[s]);
        w.options.padding_step = 32;
        world_grow(&w, 5);
        struct peer *p = &w.peers[2];
        struct mls_buf late, sealed, before, after;
        mls_buf_init(&late, MLS_MESSAGE_LEN_MAX);
        mls_buf_init(&sealed, MLS_TREE_LEN_MAX);
        /* with late messages, skipped keys and an own Update open */
        struct mls_received got;
        struct mls_buf skipped;
        mls_buf_init(&skipped, MLS_MESSAGE_LEN_MAX);
        assert_int_equal(mls_protect(w.peers[0].group, span_str("late"), none(), &w.rng, &late), MLS_OK);
        peer_commit(&w.peers[1], NULL);
        assert_int_equal(mls_protect(w.peers[0].group, span_str("skipped"), none(), &w.rng, &skipped), MLS_OK);
        world_say(&w.peers[0], "first");
        assert_int_equal(mls_propose_update(p->group, NULL, NULL, WORLD_NOW, &w.rng, empty(&w.message)), MLS_OK);
        world_deliver_proposal(p, mls_buf_span(&w.message));
        peer_seal(p, &before);
        assert_int_equal(mls_group_seal(p->group, span_of(key, sizeof key), &w.rng, &sealed), MLS_OK);
        reopen(p, &sealed, key);
        peer_seal(p, &after);
        assert_true(span_equal(mls_buf_span(&before), mls_buf_span(&after)));
        assert_int_equal(mls_process(p->group, mls_buf_span(&skipped), WORLD_NOW, &got), MLS_OK);
        assert_true(span_equal_str(got.application_data, "skipped"));
        assert_int_equal(mls_process(p->group, mls_buf_span(&late), WORLD_NOW, &got), MLS_OK);
        assert_true(span_equal_str(got.application_data, "late"));
        assert_int_equal(mls_process(p->group, mls_buf_span(&late), WORLD_NOW, &got), MLS_GENERATION_CONSUMED);
        peer_commit(&w.peers[4], NULL); /* with the Update, whose key was kept */
        world_check(&w);
        peer_commit(p, NULL);
        world_check(&w);
        mls_buf_free(&late);
        mls_buf_free(&skipped);
        mls_buf_free(&sealed);
        mls_buf_free(&before);
        mls_buf_free(&after);
        world_free(&w);
    }
}

static void a_sealed_state_opens_under_its_key_only_and_untouched(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    uint8_t key[MLS_SEAL_KEY_LEN] = {5};
    struct mls_buf sealed;
    struct mls_group *g = NULL;
    mls_buf_init(&sealed, MLS_TREE_LEN_MAX);
    assert_int_equal(mls_group_seal(w.peers[0].group, span_of(key, sizeof key), &w.rng, &sealed), MLS_OK);
    assert_int_equal(mls_group_restore(w.peers[0].client, span_of(key, sizeof key), mls_buf_span(&sealed), &w.rng, &g),
                     MLS_GROUP_ID_IN_USE);
    peer_leave(&w.peers[0]);
    for (size_t i = 0; i < sealed.w.len; i += 7) {
        sealed.w.data[i] ^= 1;
        assert_int_equal(
            mls_group_restore(w.peers[0].client, span_of(key, sizeof key), mls_buf_span(&sealed), &w.rng, &g),
            MLS_SEAL_INVALID);
        sealed.w.data[i] ^= 1;
    }
    for (size_t len = 0; len < 60; len++)
        assert_int_equal(
            mls_group_restore(w.peers[0].client, span_of(key, sizeof key), span_of(sealed.w.data, len), &w.rng, &g),
            MLS_SEAL_INVALID);
    key[0]++;
    assert_int_equal(mls_group_restore(w.peers[0].client, span_of(key, sizeof key), mls_buf_span(&sealed), &w.rng, &g),
                     MLS_SEAL_INVALID);
    assert_null(g);
    mls_buf_free(&sealed);
    world_free(&w);
}

static void a_closed_group_can_be_kept_and_still_finds_its_successor(void **state) {
    (void)state;
    static const uint8_t key[MLS_SEAL_KEY_LEN] = {5};
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    reinit_to(&w, SUITE);
    struct mls_buf sealed;
    mls_buf_init(&sealed, MLS_TREE_LEN_MAX);
    assert_int_equal(mls_group_seal(w.peers[1].group, span_of(key, sizeof key), &w.rng, &sealed), MLS_OK);
    reopen(&w.peers[1], &sealed, key);
    assert_int_equal(mls_group_state(w.peers[1].group), MLS_STATE_REINIT);
    struct span package = peer_package(&w.peers[1]);
    struct mls_successor_options o = {
        .identity = &w.peers[0].identity, .key_packages = &package, .key_package_count = 1, .tree_in_welcome = true};
    struct mls_group *next = NULL, *joined = NULL;
    assert_int_equal(mls_reinit_finish(w.peers[0].group, &o, WORLD_NOW, &w.rng, &next, empty(&w.welcome)), MLS_OK);
    assert_int_equal(mls_join(w.peers[1].client, NULL, mls_buf_span(&w.welcome), NULL, WORLD_NOW, &w.rng, &joined),
                     MLS_OK);
    mls_group_free(next);
    mls_group_free(joined);
    mls_buf_free(&sealed);
    world_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_two_commits_the_one_that_is_delivered_wins),
        cmocka_unit_test(a_dropped_commit_leaves_no_trace),
        cmocka_unit_test(own_messages_that_come_back_are_known),
        cmocka_unit_test(a_proposal_that_comes_twice_is_stored_once),
        cmocka_unit_test(a_staged_commit_tells_what_it_does_before_it_does_it),
        cmocka_unit_test(a_refused_commit_leaves_no_trace),
        cmocka_unit_test(late_application_messages_of_past_epochs_open),
        cmocka_unit_test(past_epochs_may_be_none),
        cmocka_unit_test(a_removed_member_opens_what_was_late_and_nothing_after),
        cmocka_unit_test(a_group_goes_on_in_another_suite),
        cmocka_unit_test(a_successor_that_is_not_what_was_announced_is_refused),
        cmocka_unit_test(some_members_branch_into_a_group_of_their_own),
        cmocka_unit_test(a_restored_group_goes_on_where_it_was),
        cmocka_unit_test(a_sealed_state_opens_under_its_key_only_and_untouched),
        cmocka_unit_test(a_closed_group_can_be_kept_and_still_finds_its_successor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
