/* MLS groups as applications use them: every way in, every kind of change, messages. */
#include "unit.h"

#include "base/assert.h"
#include "group_world.h"

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

static const uint16_t all_suites[] = {
    MLS_SUITE_X25519_AES128GCM_SHA256_ED25519,
    MLS_SUITE_P256_AES128GCM_SHA256_P256,
    MLS_SUITE_X25519_CHACHA20POLY1305_SHA256_ED25519,
    MLS_SUITE_X448_AES256GCM_SHA512_ED448,
    MLS_SUITE_P521_AES256GCM_SHA512_P521,
    MLS_SUITE_X448_CHACHA20POLY1305_SHA512_ED448,
    MLS_SUITE_P384_AES256GCM_SHA384_P384,
    MLS_SUITE_XWING_AES256GCM_SHA384_ED25519,
};

/* Empties the scratch buffers that a test writes into. */
/* ---- beginnings ---- */

static void a_group_of_one_talks_to_itself_in_new_epochs(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    struct peer *a = world_peer(&w, "alice");
    world_found(a);
    assert_int_equal(mls_group_state(a->group), MLS_STATE_ACTIVE);
    assert_int_equal(mls_group_epoch(a->group), 0);
    assert_int_equal(mls_member_count(a->group), 1);
    assert_true(span_equal_str(mls_group_id(a->group), "the group"));
    uint8_t before[HASH_LEN_MAX];
    memcpy(before, mls_epoch_authenticator(a->group).data, 32);
    peer_commit(a, NULL);
    assert_int_equal(mls_group_epoch(a->group), 1);
    assert_memory_not_equal(before, mls_epoch_authenticator(a->group).data, 32);
    assert_true(mls_buf_len(&w.welcome) == 0);
    world_free(&w);
}

static void three_members_agree_and_talk_in_every_suite(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all_suites); i++) {
        for (int private_handshake = 0; private_handshake < 2; private_handshake++) {
            struct world w;
            world_init(&w, all_suites[i]);
            assert_true(mls_suite_supported(&crypto_openssl, all_suites[i]));
            w.options.private_handshake = private_handshake == 1;
            world_grow(&w, 3);
            world_check(&w);
            peer_commit(&w.peers[2], NULL);
            world_check(&w);
            peer_commit(&w.peers[1], NULL);
            peer_remove(&w.peers[1], 0);
            assert_int_equal(mls_group_state(w.peers[0].group), MLS_STATE_REMOVED);
            world_check(&w);
            assert_int_equal(mls_member_count(w.peers[1].group), 2);
            world_free(&w);
        }
    }
}

static void a_welcome_without_tree_is_joined_with_a_tree_handed_apart(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    struct peer *joiner = world_peer(&w, "carol");
    assert_int_equal(mls_propose_write_add(peer_package(joiner), empty(&w.proposals)), MLS_OK);
    struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals)};
    assert_int_equal(peer_try_commit(&w.peers[0], &o), MLS_OK);
    world_deliver_commit(&w.peers[0]);
    struct mls_join_options join = {0};
    assert_int_equal(mls_join(joiner->client, NULL, mls_buf_span(&w.welcome), &join, WORLD_NOW, &w.rng, &joiner->group),
                     MLS_WELCOME_TREE_MISSING);
    struct mls_buf tree;
    mls_buf_init(&tree, MLS_TREE_LEN_MAX);
    assert_int_equal(mls_group_tree(w.peers[1].group, &tree), MLS_OK);
    join.tree = mls_buf_span(&tree);
    assert_int_equal(mls_join(joiner->client, NULL, mls_buf_span(&w.welcome), &join, WORLD_NOW, &w.rng, &joiner->group),
                     MLS_OK);
    mls_buf_free(&tree);
    world_check(&w);
    world_free(&w);
}

static void a_commit_without_path_adds_and_a_later_path_heals(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    for (int i = 0; i < 5; i++) {
        struct peer *joiner = world_peer(&w, "joiner");
        assert_int_equal(mls_propose_write_add(peer_package(joiner), empty(&w.proposals)), MLS_OK);
        struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals), .no_path = true};
        peer_commit(&w.peers[0], &o);
        assert_non_null(joiner->group);
        world_check(&w);
    }
    for (uint32_t i = 0; i < w.count; i++) {
        peer_commit(&w.peers[i], NULL);
        world_check(&w);
    }
    world_free(&w);
}

static void many_join_in_one_commit_and_each_welcome_can_be_cut_out(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 1);
    for (int i = 0; i < 20; i++) {
        struct peer *joiner = world_peer(&w, "joiner");
        assert_int_equal(mls_propose_write_add(peer_package(joiner), &w.proposals), MLS_OK);
    }
    struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals), .tree_in_welcome = true};
    assert_int_equal(peer_try_commit(&w.peers[0], &o), MLS_OK);
    world_deliver_commit(&w.peers[0]);
    struct span ref;
    uint32_t refs = 0;
    while (mls_welcome_ref(mls_buf_span(&w.welcome), refs, &ref) == MLS_OK)
        refs++;
    assert_int_equal(refs, 20);
    assert_int_equal(mls_welcome_ref(mls_buf_span(&w.welcome), 20, &ref), MLS_END);
    for (uint32_t i = 1; i < w.count; i++) {
        struct peer *p = &w.peers[i];
        struct mls_hash own = peer_package_ref(p);
        struct mls_buf cut;
        mls_buf_init(&cut, MLS_MESSAGE_LEN_MAX);
        assert_int_equal(mls_welcome_for(mls_buf_span(&w.welcome), mls_hash_span(&own), &cut), MLS_OK);
        assert_true(mls_buf_len(&cut) < mls_buf_len(&w.welcome));
        assert_int_equal(mls_join(p->client, NULL, mls_buf_span(&cut), NULL, WORLD_NOW, &w.rng, &p->group), MLS_OK);
        mls_buf_free(&cut);
    }
    world_check(&w);
    world_free(&w);
}

/* ---- proposals, each kind ---- */

static void proposals_by_reference_are_committed_by_another_member(void **state) {
    (void)state;
    for (int as_private = 0; as_private < 2; as_private++) {
        struct world w;
        world_init(&w, SUITE);
        world_grow(&w, 4);
        struct mls_frame_options frame = {.authenticated_data = span_str("why"), .as_private = as_private == 1};
        /* m1 wants new keys, m2 wants m3 out and carol in */
        struct peer *carol = world_peer(&w, "carol");
        assert_int_equal(mls_propose_update(w.peers[1].group, NULL, &frame, WORLD_NOW, &w.rng, empty(&w.message)),
                         MLS_OK);
        world_deliver_proposal(&w.peers[1], mls_buf_span(&w.message));
        assert_int_equal(mls_propose_write_remove(mls_own_leaf(w.peers[3].group), empty(&w.proposals)), MLS_OK);
        assert_int_equal(
            mls_propose(w.peers[2].group, mls_buf_span(&w.proposals), &frame, WORLD_NOW, &w.rng, empty(&w.message)),
            MLS_OK);
        world_deliver_proposal(&w.peers[2], mls_buf_span(&w.message));
        assert_int_equal(mls_propose_write_add(peer_package(carol), empty(&w.proposals)), MLS_OK);
        assert_int_equal(
            mls_propose(w.peers[2].group, mls_buf_span(&w.proposals), &frame, WORLD_NOW, &w.rng, empty(&w.message)),
            MLS_OK);
        world_deliver_proposal(&w.peers[2], mls_buf_span(&w.message));
        struct mls_proposal_info info;
        assert_true(mls_proposal_at(w.peers[0].group, 2, &info));
        assert_int_equal(info.type, MLS_PROPOSAL_ADD);
        assert_int_equal(info.sender, 2);
        assert_true(info.by_reference && span_equal_str(info.leaf.identity, "carol"));
        assert_false(mls_proposal_at(w.peers[0].group, 3, &info));
        peer_commit(&w.peers[0], NULL);
        assert_int_equal(mls_group_state(w.peers[3].group), MLS_STATE_REMOVED);
        assert_non_null(carol->group);
        assert_false(mls_proposal_at(w.peers[0].group, 0, &info));
        /* carol has the place that was given free */
        assert_int_equal(mls_own_leaf(carol->group), 3);
        world_check(&w);
        world_free(&w);
    }
}

static void an_update_can_change_name_key_and_extensions(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 3);
    struct peer *p = &w.peers[1];
    struct mls_buf credential, extensions, public_key;
    struct secret key;
    mls_buf_init(&credential, 100);
    mls_buf_init(&extensions, 100);
    mls_buf_init(&public_key, 100);
    assert_int_equal(mls_credential_basic(span_str("new name"), &credential), MLS_OK);
    assert_int_equal(mls_extension_write(0xf123, span_str("a role"), &extensions), MLS_OK);
    assert_int_equal(mls_signature_key_generate(&crypto_openssl, SUITE, &w.rng, &key, &public_key), MLS_OK);
    struct mls_identity identity = {.suite = SUITE,
                                    .credential = mls_buf_span(&credential),
                                    .extensions = mls_buf_span(&extensions),
                                    .signature_key = &key};
    for (int by_update = 0; by_update < 2; by_update++) {
        if (by_update == 1) {
            assert_int_equal(mls_propose_update(p->group, &identity, NULL, WORLD_NOW, &w.rng, empty(&w.message)),
                             MLS_OK);
            world_deliver_proposal(p, mls_buf_span(&w.message));
            peer_commit(&w.peers[0], NULL);
        } else {
            struct mls_commit_options o = {.identity = &identity};
            peer_commit(p, &o);
        }
        struct mls_member member;
        struct span role;
        assert_true(mls_member_at(w.peers[2].group, mls_own_leaf(p->group), &member));
        assert_true(span_equal_str(member.leaf.identity, "new name"));
        assert_true(span_equal(member.leaf.signature_key, mls_buf_span(&public_key)));
        assert_true(mls_extension_find(member.leaf.extensions, 0xf123, &role) && span_equal_str(role, "a role"));
        assert_int_equal(member.leaf.source, by_update == 1 ? MLS_LEAF_UPDATE : MLS_LEAF_COMMIT);
        mls_buf_clear(&p->signature_public);
        mls_wr_span(&p->signature_public, mls_buf_span(&public_key));
        world_check(&w);
        /* and it signs with the new key from now on */
        peer_commit(p, NULL);
        world_check(&w);
    }
    mls_buf_free(&credential);
    mls_buf_free(&extensions);
    mls_buf_free(&public_key);
    world_free(&w);
}

static void context_extensions_are_replaced_as_a_whole(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    static const uint16_t types[] = {0xf001, 0xf002};
    struct peer *a = world_peer(&w, "a"), *b = world_peer(&w, "b");
    a->identity.extension_types = b->identity.extension_types = types;
    a->identity.extension_type_count = b->identity.extension_type_count = 2;
    struct mls_buf extensions;
    mls_buf_init(&extensions, 1000);
    assert_int_equal(mls_extension_write(0xf001, span_str("policy"), &extensions), MLS_OK);
    w.context_extensions = mls_buf_span(&extensions);
    world_found(a);
    peer_invite(a, b);
    struct span data;
    assert_true(mls_group_extension(b->group, 0xf001, &data) && span_equal_str(data, "policy"));
    mls_buf_clear(&extensions);
    assert_int_equal(mls_extension_write(0xf002, span_str("roles"), &extensions), MLS_OK);
    assert_int_equal(mls_propose_write_extensions(mls_buf_span(&extensions), empty(&w.proposals)), MLS_OK);
    peer_commit_values(b, mls_buf_span(&w.proposals));
    assert_false(mls_group_extension(a->group, 0xf001, &data));
    assert_true(mls_group_extension(a->group, 0xf002, &data) && span_equal_str(data, "roles"));
    world_check(&w);
    mls_buf_free(&extensions);
    world_free(&w);
}

static void external_psks_come_into_the_key_schedule(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    struct peer *carol = world_peer(&w, "carol");
    for (uint32_t i = 0; i < w.count; i++)
        assert_int_equal(mls_psk_add(w.peers[i].client, span_str("link"), span_str("the secret of the link")), MLS_OK);
    assert_int_equal(mls_propose_write_psk(SUITE, span_str("link"), &w.rng, empty(&w.proposals)), MLS_OK);
    assert_int_equal(mls_propose_write_add(peer_package(carol), &w.proposals), MLS_OK);
    peer_commit_values(&w.peers[0], mls_buf_span(&w.proposals));
    assert_non_null(carol->group);
    world_check(&w);
    /* two members with different keys for one id do not agree */
    assert_int_equal(mls_psk_add(w.peers[1].client, span_str("link"), span_str("something else")), MLS_OK);
    assert_int_equal(mls_propose_write_psk(SUITE, span_str("link"), &w.rng, empty(&w.proposals)), MLS_OK);
    struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals)};
    assert_int_equal(peer_try_commit(&w.peers[0], &o), MLS_OK);
    peer_refuses(&w.peers[1], mls_buf_span(&w.commit), MLS_CONFIRMATION_TAG_INVALID);
    mls_psk_remove(w.peers[1].client, span_str("link"));
    peer_refuses(&w.peers[1], mls_buf_span(&w.commit), MLS_PSK_UNKNOWN);
    world_free(&w);
}

static void resumption_psks_prove_membership_in_a_past_epoch(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 3);
    uint64_t then = mls_group_epoch(w.peers[0].group);
    peer_commit(&w.peers[1], NULL);
    peer_commit(&w.peers[2], NULL);
    assert_int_equal(mls_propose_write_resumption(SUITE, span_str("the group"), then, &w.rng, empty(&w.proposals)),
                     MLS_OK);
    assert_int_equal(mls_propose_write_resumption(SUITE, span_str("the group"), then + 1, &w.rng, &w.proposals),
                     MLS_OK);
    peer_commit_values(&w.peers[1], mls_buf_span(&w.proposals));
    world_check(&w);
    /* who was not there cannot follow, nor join */
    struct peer *carol = world_peer(&w, "carol");
    peer_invite(&w.peers[0], carol);
    assert_int_equal(mls_propose_write_resumption(SUITE, span_str("the group"), then, &w.rng, empty(&w.proposals)),
                     MLS_OK);
    struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals)};
    assert_int_equal(peer_try_commit(&w.peers[0], &o), MLS_OK);
    peer_refuses(carol, mls_buf_span(&w.commit), MLS_PSK_UNKNOWN);
    /* an epoch whose secret is deleted is unknown to everybody */
    mls_commit_drop(w.peers[0].group);
    for (int i = 0; i < MLS_RESUMPTION_EPOCHS_DEFAULT; i++)
        peer_commit(&w.peers[0], NULL);
    peer_cannot_commit(&w.peers[0], &o, MLS_PSK_UNKNOWN);
    world_free(&w);
}

static void resumption_psks_are_kept_for_as_long_as_asked_for(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    w.options.resumption_epochs = 40;
    world_grow(&w, 3);
    uint64_t then = mls_group_epoch(w.peers[0].group);
    for (int i = 0; i < 39; i++)
        peer_commit(&w.peers[i % 3], NULL);
    assert_int_equal(mls_propose_write_resumption(SUITE, span_str("the group"), then, &w.rng, empty(&w.proposals)),
                     MLS_OK);
    peer_commit_values(&w.peers[1], mls_buf_span(&w.proposals));
    world_check(&w);
    assert_int_equal(mls_propose_write_resumption(SUITE, span_str("the group"), then, &w.rng, empty(&w.proposals)),
                     MLS_OK);
    struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals)};
    peer_cannot_commit(&w.peers[0], &o, MLS_PSK_UNKNOWN); /* one epoch later it is gone */
    world_free(&w);
}

static void proposals_of_a_private_type_are_carried_when_all_know_it(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    static const uint16_t types[] = {0xf0f0};
    struct peer *a = world_peer(&w, "a"), *b = world_peer(&w, "b"), *c = world_peer(&w, "c");
    a->identity.proposal_types = b->identity.proposal_types = types;
    a->identity.proposal_type_count = b->identity.proposal_type_count = 1;
    world_found(a);
    peer_invite(a, b);
    assert_int_equal(mls_propose_write_other(0xf0f0, span_str("raise hand"), empty(&w.proposals)), MLS_OK);
    assert_int_equal(mls_propose(b->group, mls_buf_span(&w.proposals), NULL, WORLD_NOW, &w.rng, empty(&w.message)),
                     MLS_OK);
    world_deliver_proposal(b, mls_buf_span(&w.message));
    struct mls_proposal_info info;
    assert_true(mls_proposal_at(a->group, 0, &info));
    assert_int_equal(info.type, 0xf0f0);
    peer_commit(a, NULL);
    world_check(&w);
    struct mls_buf other;
    mls_buf_init(&other, 100);
    mls_wr_span(&other, mls_buf_span(&w.proposals));
    peer_invite(a, c);
    struct mls_commit_options o = {.proposals = mls_buf_span(&other)};
    peer_cannot_commit(a, &o, MLS_PROPOSAL_TYPE_UNSUPPORTED);
    forge_commit_of(a, mls_buf_span(&other), &w.message);
    peer_refuses(b, mls_buf_span(&w.message), MLS_PROPOSAL_TYPE_UNSUPPORTED);
    assert_int_equal(mls_propose_write_other(0x0a0a, none(), &other), MLS_PROPOSAL_TYPE_UNKNOWN);
    mls_buf_free(&other);
    world_free(&w);
}

/* ---- messages ---- */

static void padding_hides_the_length_of_messages(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    w.options.padding_step = 256;
    w.options.private_handshake = true;
    world_grow(&w, 3);
    size_t len = 0;
    static const char *const texts[] = {"", "yes", "no, not on wednesday, but what about thursday afternoon?"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        world_say(&w.peers[0], texts[i]);
        if (i == 0)
            len = mls_buf_len(&w.message);
        assert_int_equal(mls_buf_len(&w.message), len);
    }
    world_check(&w);
    world_free(&w);
}

static void messages_out_of_order_open_once_each(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    struct mls_buf sent[5];
    struct mls_received got;
    for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
        mls_buf_init(&sent[i], MLS_MESSAGE_LEN_MAX);
        uint8_t digit = (uint8_t)i;
        assert_int_equal(mls_protect(w.peers[0].group, span_of(&digit, 1), none(), &w.rng, &sent[i]), MLS_OK);
    }
    static const size_t order[] = {3, 0, 4, 2, 1};
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        struct span message = mls_buf_span(&sent[order[i]]);
        assert_int_equal(mls_process(w.peers[1].group, message, WORLD_NOW, &got), MLS_OK);
        assert_int_equal(got.application_data.data[0], order[i]);
        peer_refuses(&w.peers[1], message, MLS_GENERATION_CONSUMED);
    }
    /* our own do not open at us */
    peer_refuses(&w.peers[0], mls_buf_span(&sent[0]), MLS_SENDER_SELF);
    for (size_t i = 0; i < ARRAY_LEN(sent); i++)
        mls_buf_free(&sent[i]);
    world_free(&w);
}

static void application_data_waits_for_open_proposals(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    struct mls_group *g = w.peers[1].group;
    assert_int_equal(mls_propose_update(w.peers[0].group, NULL, NULL, WORLD_NOW, &w.rng, empty(&w.message)), MLS_OK);
    world_deliver_proposal(&w.peers[0], mls_buf_span(&w.message));
    struct mls_buf out;
    mls_buf_init(&out, MLS_MESSAGE_LEN_MAX);
    assert_int_equal(mls_protect(g, span_str("hi"), none(), &w.rng, &out), MLS_PROPOSALS_OPEN);
    assert_int_equal(mls_buf_len(&out), 0);
    struct mls_proposal_info info;
    assert_true(mls_proposal_at(g, 0, &info));
    mls_proposal_forget(g, info.ref);
    assert_int_equal(mls_protect(g, span_str("hi"), none(), &w.rng, &out), MLS_OK);
    mls_buf_free(&out);
    /* what was forgotten is unknown to a commit that others make of it */
    assert_int_equal(mls_propose_update(g, NULL, NULL, WORLD_NOW, &w.rng, empty(&w.message)), MLS_OK);
    struct mls_commit_options o = {.pick = MLS_PICK_NONE};
    assert_int_equal(peer_try_commit(&w.peers[0], &o), MLS_OK);
    world_free(&w);
}

static void exported_secrets_agree_and_differ_by_label_context_and_epoch(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    uint8_t a[4][32], b[32];
    struct mls_group *g = w.peers[0].group;
    assert_int_equal(mls_export(g, "SFrame 1.0 Base Key", none(), a[0], 32), MLS_OK);
    assert_int_equal(mls_export(g, "another", none(), a[1], 32), MLS_OK);
    assert_int_equal(mls_export(g, "SFrame 1.0 Base Key", span_str("x"), a[2], 32), MLS_OK);
    assert_int_equal(mls_export(w.peers[1].group, "SFrame 1.0 Base Key", none(), b, 32), MLS_OK);
    assert_memory_equal(a[0], b, 32);
    peer_commit(&w.peers[1], NULL);
    assert_int_equal(mls_export(g, "SFrame 1.0 Base Key", none(), a[3], 32), MLS_OK);
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(a[i], a[k], 32);
    }
    world_free(&w);
}

static void messages_say_where_they_belong_without_a_group(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    struct mls_message_info info;
    assert_int_equal(peer_try_commit(&w.peers[0], NULL), MLS_OK);
    assert_int_equal(mls_message_peek(mls_buf_span(&w.commit), &info), MLS_OK);
    assert_int_equal(info.wire_format, MLS_WIRE_PUBLIC_MESSAGE);
    assert_int_equal(info.content_type, MLS_CONTENT_COMMIT);
    assert_int_equal(info.sender, 0);
    assert_int_equal(info.epoch, 1);
    assert_true(span_equal_str(info.group_id, "the group"));
    assert_int_equal(mls_message_peek(mls_buf_span(&w.group_info), &info), MLS_OK);
    assert_int_equal(info.wire_format, MLS_WIRE_GROUP_INFO);
    assert_int_equal(info.epoch, 2);
    assert_int_equal(mls_protect(w.peers[0].group, span_str("x"), none(), &w.rng, &w.message), MLS_OK);
    assert_int_equal(mls_message_peek(mls_buf_span(&w.message), &info), MLS_OK);
    assert_int_equal(info.wire_format, MLS_WIRE_PRIVATE_MESSAGE);
    assert_int_equal(mls_message_peek(peer_package(&w.peers[0]), &info), MLS_OK);
    assert_int_equal(info.wire_format, MLS_WIRE_KEY_PACKAGE);
    assert_int_equal(mls_message_peek(span_str("?"), &info), MLS_TRUNCATED);
    world_free(&w);
}

static void larger_trees_hold_with_members_coming_and_going(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 17);
    world_check(&w);
    for (uint32_t i = 0; i < 17; i += 3)
        peer_commit(&w.peers[i], NULL);
    world_check(&w);
    static const uint32_t gone[] = {16, 3, 4, 5, 8, 1};
    for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
        peer_remove(&w.peers[0], mls_own_leaf(w.peers[gone[i]].group));
        peer_leave(&w.peers[gone[i]]);
        world_check(&w);
    }
    for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
        peer_invite(&w.peers[2], &w.peers[gone[i]]);
        peer_commit(&w.peers[gone[i]], NULL);
        world_check(&w);
    }
    assert_int_equal(mls_member_count(w.peers[7].group), 17);
    world_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_of_one_talks_to_itself_in_new_epochs),
        cmocka_unit_test(three_members_agree_and_talk_in_every_suite),
        cmocka_unit_test(a_welcome_without_tree_is_joined_with_a_tree_handed_apart),
        cmocka_unit_test(a_commit_without_path_adds_and_a_later_path_heals),
        cmocka_unit_test(many_join_in_one_commit_and_each_welcome_can_be_cut_out),
        cmocka_unit_test(proposals_by_reference_are_committed_by_another_member),
        cmocka_unit_test(an_update_can_change_name_key_and_extensions),
        cmocka_unit_test(context_extensions_are_replaced_as_a_whole),
        cmocka_unit_test(external_psks_come_into_the_key_schedule),
        cmocka_unit_test(resumption_psks_prove_membership_in_a_past_epoch),
        cmocka_unit_test(resumption_psks_are_kept_for_as_long_as_asked_for),
        cmocka_unit_test(proposals_of_a_private_type_are_carried_when_all_know_it),
        cmocka_unit_test(padding_hides_the_length_of_messages),
        cmocka_unit_test(messages_out_of_order_open_once_each),
        cmocka_unit_test(application_data_waits_for_open_proposals),
        cmocka_unit_test(exported_secrets_agree_and_differ_by_label_context_and_epoch),
        cmocka_unit_test(messages_say_where_they_belong_without_a_group),
        cmocka_unit_test(larger_trees_hold_with_members_coming_and_going),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
