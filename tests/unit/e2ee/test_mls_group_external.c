/* Ways into a group that nobody has to be invited to: external commits, proposals from outside; and what members refuse
 * of them (RFC 9420 sections 12.1.8, 12.4.3.2). */
#include "unit.h"

#include "base/assert.h"
#include "e2ee/mls_group.h"
#include "group_world.h"

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

/* Where some bytes are in others. */
static uint8_t *find(struct mls_buf *in, struct span what) {
    for (size_t i = 0; i + what.len <= in->w.len; i++) {
        if (memcmp(in->w.data + i, what.data, what.len) == 0)
            return in->w.data + i;
    }
    fail();
    return NULL;
}

/* ---- external commits ---- */

static void anybody_with_the_link_joins_by_external_commit(void **state) {
    (void)state;
    static const uint16_t suites[] = {SUITE, MLS_SUITE_P256_AES128GCM_SHA256_P256,
                                      MLS_SUITE_XWING_AES256GCM_SHA384_ED25519};
    for (size_t s = 0; s < ARRAY_LEN(suites); s++) {
        struct world w;
        world_init(&w, suites[s]);
        world_grow(&w, 3);
        struct span link = span_str("link");
        struct mls_external_options o = {.psks = &link, .psk_count = 1};
        for (int i = 0; i < 3; i++) {
            struct peer *p = world_peer(&w, "stranger");
            for (uint32_t k = 0; k < w.count; k++)
                assert_int_equal(mls_psk_add(w.peers[k].client, link, span_str("secret")), MLS_OK);
            peer_join_external(p, &w.peers[i], &o);
            assert_int_equal(mls_group_state(p->group), MLS_STATE_ACTIVE);
            world_check(&w);
        }
        peer_remove(&w.peers[5], 1);
        world_check(&w);
        /* without the link's secret nobody gets in */
        struct peer *late = world_peer(&w, "late");
        struct mls_group_info_options info = {.external_pub = true, .tree = true};
        assert_int_equal(mls_group_info(w.peers[0].group, &info, empty(&w.group_info)), MLS_OK);
        assert_int_equal(mls_join_external(late->client, &late->identity, NULL, mls_buf_span(&w.group_info), &o,
                                           WORLD_NOW, &w.rng, &late->group, empty(&w.commit), NULL),
                         MLS_PSK_UNKNOWN);
        assert_null(late->group);
        assert_int_equal(mls_psk_add(late->client, link, span_str("guessed")), MLS_OK);
        assert_int_equal(mls_join_external(late->client, &late->identity, NULL, mls_buf_span(&w.group_info), &o,
                                           WORLD_NOW, &w.rng, &late->group, empty(&w.commit), NULL),
                         MLS_OK);
        peer_refuses(&w.peers[0], mls_buf_span(&w.commit), MLS_CONFIRMATION_TAG_INVALID);
        world_free(&w);
    }
}

static void the_next_joiner_uses_the_group_info_of_the_last(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 1);
    struct mls_group_info_options info = {.external_pub = true, .tree = true};
    assert_int_equal(mls_group_info(w.peers[0].group, &info, empty(&w.group_info)), MLS_OK);
    for (int i = 0; i < 6; i++) {
        struct peer *p = world_peer(&w, "p");
        struct mls_external_options o = {.group_info = true, .tree_in_group_info = true};
        struct mls_buf next;
        mls_buf_init(&next, MLS_MESSAGE_LEN_MAX);
        assert_int_equal(mls_join_external(p->client, &p->identity, NULL, mls_buf_span(&w.group_info), &o, WORLD_NOW,
                                           &w.rng, &p->group, empty(&w.commit), &next),
                         MLS_OK);
        mls_buf_clear(&w.group_info);
        mls_wr_span(&w.group_info, mls_buf_span(&next));
        mls_buf_free(&next);
        world_deliver_commit(p);
        world_check(&w);
    }
    world_free(&w);
}

static void an_external_commit_that_loses_is_thrown_away(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    struct peer *p = world_peer(&w, "p");
    struct mls_group_info_options info = {.external_pub = true, .tree = true};
    assert_int_equal(mls_group_info(w.peers[0].group, &info, empty(&w.group_info)), MLS_OK);
    assert_int_equal(mls_join_external(p->client, &p->identity, NULL, mls_buf_span(&w.group_info), NULL, WORLD_NOW,
                                       &w.rng, &p->group, empty(&w.message), NULL),
                     MLS_OK);
    assert_int_equal(mls_group_state(p->group), MLS_STATE_JOINING);
    struct mls_received got;
    assert_int_equal(mls_process(p->group, mls_buf_span(&w.message), WORLD_NOW, &got), MLS_GROUP_JOINING);
    assert_int_equal(mls_protect(p->group, span_str("x"), none(), &w.rng, &w.message), MLS_GROUP_JOINING);
    assert_int_equal(mls_epoch_authenticator(p->group).len, 0);
    struct mls_buf lost;
    mls_buf_init(&lost, MLS_MESSAGE_LEN_MAX);
    mls_wr_span(&lost, mls_buf_span(&w.message));
    mls_group_free(p->group);
    p->group = NULL;
    peer_commit(&w.peers[1], NULL);
    peer_refuses(&w.peers[0], mls_buf_span(&lost), MLS_EPOCH_OVER);
    mls_buf_free(&lost);
    peer_join_external(p, &w.peers[0], NULL);
    world_check(&w);
    world_free(&w);
}

static void a_member_that_lost_its_state_comes_back_by_resync(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 4);
    struct peer *p = &w.peers[2];
    uint32_t old_leaf = mls_own_leaf(p->group);
    peer_leave(p);
    struct mls_external_options o = {.resync = true};
    peer_join_external(p, &w.peers[0], &o);
    assert_int_equal(mls_own_leaf(p->group), old_leaf);
    assert_int_equal(mls_member_count(p->group), 4);
    world_check(&w);
    /* without the removal its key would be there twice */
    struct peer *q = &w.peers[3];
    peer_leave(q);
    struct mls_group_info_options info = {.external_pub = true, .tree = true};
    assert_int_equal(mls_group_info(w.peers[0].group, &info, empty(&w.group_info)), MLS_OK);
    assert_int_equal(mls_join_external(q->client, &q->identity, NULL, mls_buf_span(&w.group_info), NULL, WORLD_NOW,
                                       &w.rng, &q->group, empty(&w.commit), NULL),
                     MLS_SIGNATURE_KEY_DUPLICATE);
    /* who never was there has nothing to come back to */
    struct peer *stranger = world_peer(&w, "stranger");
    assert_int_equal(mls_join_external(stranger->client, &stranger->identity, NULL, mls_buf_span(&w.group_info), &o,
                                       WORLD_NOW, &w.rng, &stranger->group, empty(&w.commit), NULL),
                     MLS_NO_FORMER_SELF);
    world_free(&w);
}

static void a_member_that_is_replaced_by_its_resync_knows_it(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 3);
    struct mls_group *old = w.peers[1].group;
    w.peers[1].group = NULL;
    /* a second device with the same key would be the same to the group: here the client forgot that it is in */
    struct mls_client *second;
    assert_int_equal(mls_client_create(&crypto_openssl, &second), MLS_OK);
    struct mls_group_info_options info = {.external_pub = true, .tree = true};
    assert_int_equal(mls_group_info(w.peers[0].group, &info, empty(&w.group_info)), MLS_OK);
    struct mls_external_options o = {.resync = true};
    struct mls_group *fresh = NULL;
    assert_int_equal(mls_join_external(second, &w.peers[1].identity, NULL, mls_buf_span(&w.group_info), &o, WORLD_NOW,
                                       &w.rng, &fresh, empty(&w.commit), NULL),
                     MLS_OK);
    struct mls_received got;
    struct mls_commit_info commit;
    assert_int_equal(mls_process(old, mls_buf_span(&w.commit), WORLD_NOW, &got), MLS_OK);
    assert_true(mls_staged_info(old, &commit) && commit.removes_us);
    assert_int_equal(mls_staged_apply(old), MLS_OK);
    assert_int_equal(mls_group_state(old), MLS_STATE_REMOVED);
    mls_group_free(old);
    mls_group_free(fresh);
    mls_client_free(second);
    world_free(&w);
}

/* A real external commit of a stranger, taken apart. */
struct external {
    struct mls_message message;
    struct mls_buf path, init; /* encoded UpdatePath; ExternalInit as ProposalOrRef */
};

static void real_external(struct world *w, struct peer *stranger, struct external *e) {
    struct mls_group_info_options info = {.external_pub = true, .tree = true};
    assert_int_equal(mls_group_info(w->peers[0].group, &info, empty(&w->group_info)), MLS_OK);
    assert_int_equal(mls_join_external(stranger->client, &stranger->identity, NULL, mls_buf_span(&w->group_info), NULL,
                                       WORLD_NOW, &w->rng, &stranger->group, empty(&w->commit), NULL),
                     MLS_OK);
    assert_int_equal(mls_message_parse(mls_buf_span(&w->commit), &e->message), MLS_OK);
    const struct mls_commit *commit = &e->message.public_message.authenticated.content.commit;
    mls_buf_init(&e->path, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&e->init, MLS_MESSAGE_LEN_MAX);
    mls_wr_span(&e->path, commit->path.encoding);
    mls_wr_span(&e->init, commit->proposals.bytes);
}

static void an_external_commit_that_breaks_a_rule_is_refused(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 4);
    struct peer *stranger = world_peer(&w, "stranger"), *m = &w.peers[1];
    struct external e;
    struct mls_buf list, proposal;
    mls_buf_init(&list, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&proposal, MLS_MESSAGE_LEN_MAX);
    real_external(&w, stranger, &e);
    const struct secret *key = &stranger->signature_key;
    struct span path = mls_buf_span(&e.path), init = mls_buf_span(&e.init);
    forge_external_commit(m, key, init, none(), &w.message);
    peer_refuses(m, mls_buf_span(&w.message), MLS_EXTERNAL_COMMIT_PATH_MISSING);
    forge_external_commit(m, key, none(), path, &w.message);
    peer_refuses(m, mls_buf_span(&w.message), MLS_EXTERNAL_COMMIT_INIT_COUNT);
    mls_wr_span(empty(&list), init);
    mls_wr_span(&list, init);
    forge_external_commit(m, key, mls_buf_span(&list), path, &w.message);
    peer_refuses(m, mls_buf_span(&w.message), MLS_EXTERNAL_COMMIT_INIT_COUNT);
    /* two removals; an Add; a reference */
    mls_wr_span(empty(&list), init);
    for (uint32_t leaf = 2; leaf < 4; leaf++) {
        assert_int_equal(mls_propose_write_remove(leaf, empty(&proposal)), MLS_OK);
        forge_by_value(mls_buf_span(&proposal), &list);
    }
    forge_external_commit(m, key, mls_buf_span(&list), path, &w.message);
    peer_refuses(m, mls_buf_span(&w.message), MLS_EXTERNAL_COMMIT_REMOVES);
    mls_wr_span(empty(&list), init);
    assert_int_equal(mls_propose_write_add(peer_package(world_peer(&w, "friend")), empty(&proposal)), MLS_OK);
    forge_by_value(mls_buf_span(&proposal), &list);
    forge_external_commit(m, key, mls_buf_span(&list), path, &w.message);
    peer_refuses(m, mls_buf_span(&w.message), MLS_EXTERNAL_COMMIT_PROPOSAL);
    mls_wr_span(empty(&list), init);
    forge_by_ref(span_str("some reference"), &list);
    forge_external_commit(m, key, mls_buf_span(&list), path, &w.message);
    peer_refuses(m, mls_buf_span(&w.message), MLS_EXTERNAL_COMMIT_REFERENCE);
    /* it throws a member out whose key it does not have */
    mls_wr_span(empty(&list), init);
    assert_int_equal(mls_propose_write_remove(3, empty(&proposal)), MLS_OK);
    forge_by_value(mls_buf_span(&proposal), &list);
    forge_external_commit(m, key, mls_buf_span(&list), path, &w.message);
    peer_refuses(m, mls_buf_span(&w.message), MLS_RESYNC_KEY_CHANGED);
    /* signed by another than the leaf of the path */
    forge_external_commit(m, &m->signature_key, init, path, &w.message);
    peer_refuses(m, mls_buf_span(&w.message), MLS_SIGNATURE_INVALID);
    /* an output that is none */
    struct mls_proposal bad = {.type = MLS_PROPOSAL_EXTERNAL_INIT, .kem_output = span_str("short")};
    mls_proposal_write(empty(&proposal), &bad);
    mls_buf_clear(&list);
    forge_by_value(mls_buf_span(&proposal), &list);
    forge_external_commit(m, key, mls_buf_span(&list), path, &w.message);
    peer_refuses(m, mls_buf_span(&w.message), MLS_EXTERNAL_INIT_INVALID);
    /* the real one is fine */
    world_deliver_commit(stranger);
    world_check(&w);
    mls_buf_free(&list);
    mls_buf_free(&proposal);
    mls_buf_free(&e.path);
    mls_buf_free(&e.init);
    world_free(&w);
}

static void a_group_may_refuse_external_commits_or_resyncs(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    w.options.no_resync = true;
    world_grow(&w, 3);
    w.options.no_resync = false;
    w.options.no_external_commits = true;
    struct peer *strict = world_peer(&w, "strict"), *stranger = world_peer(&w, "stranger");
    peer_invite(&w.peers[0], strict);
    struct external e;
    real_external(&w, stranger, &e);
    peer_refuses(strict, mls_buf_span(&w.commit), MLS_EXTERNAL_COMMIT_REFUSED);
    mls_buf_free(&e.path);
    mls_buf_free(&e.init);
    peer_leave(&w.peers[2]);
    struct mls_external_options o = {.resync = true};
    assert_int_equal(mls_join_external(w.peers[2].client, &w.peers[2].identity, NULL, mls_buf_span(&w.group_info), &o,
                                       WORLD_NOW, &w.rng, &w.peers[2].group, empty(&w.commit), NULL),
                     MLS_OK);
    peer_refuses(&w.peers[1], mls_buf_span(&w.commit), MLS_EXTERNAL_COMMIT_REFUSED);
    world_free(&w);
}

static void a_group_info_that_breaks_a_rule_is_refused(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 3);
    struct peer *p = world_peer(&w, "p");
#define REFUSED(reason)                                                                                                \
    assert_int_equal(mls_join_external(p->client, &p->identity, NULL, mls_buf_span(&w.group_info), NULL, WORLD_NOW,    \
                                       &w.rng, &p->group, empty(&w.commit), NULL),                                     \
                     reason)
    struct mls_group_info_options info = {.tree = true};
    assert_int_equal(mls_group_info(w.peers[0].group, &info, empty(&w.group_info)), MLS_OK);
    REFUSED(MLS_GROUP_INFO_EXTERNAL_PUB_MISSING);
    info = (struct mls_group_info_options){.external_pub = true};
    assert_int_equal(mls_group_info(w.peers[0].group, &info, empty(&w.group_info)), MLS_OK);
    REFUSED(MLS_WELCOME_TREE_MISSING);
    info.tree = true;
    assert_int_equal(mls_group_info(w.peers[0].group, &info, empty(&w.group_info)), MLS_OK);
    w.group_info.w.data[w.group_info.w.len - 1] ^= 1;
    REFUSED(MLS_GROUP_INFO_SIGNATURE_INVALID);
    w.group_info.w.data[w.group_info.w.len - 1] ^= 1;
    find(&w.group_info, mls_group_tree_hash(w.peers[0].group))[0] ^= 1;
    REFUSED(MLS_TREE_HASH_WRONG);
    mls_buf_clear(&w.group_info);
    mls_wr_span(&w.group_info, peer_package(p));
    REFUSED(MLS_WIRE_FORMAT_REFUSED);
    p->identity.suite = MLS_SUITE_X25519_CHACHA20POLY1305_SHA256_ED25519;
    assert_int_equal(mls_group_info(w.peers[0].group, &info, empty(&w.group_info)), MLS_OK);
    REFUSED(MLS_WELCOME_SUITE);
    assert_null(p->group);
    world_free(&w);
}

/* ---- proposals from outside ---- */

struct server {
    struct secret key;
    struct mls_buf public_key, credential, extensions;
};

static void server_init(struct server *s, struct world *w, bool enlisted) {
    struct mls_buf senders;
    mls_buf_init(&senders, 1000);
    mls_buf_init(&s->public_key, 1000);
    mls_buf_init(&s->credential, 1000);
    mls_buf_init(&s->extensions, 1000);
    assert_int_equal(mls_signature_key_generate(&crypto_openssl, w->suite, &w->rng, &s->key, &s->public_key), MLS_OK);
    assert_int_equal(mls_credential_basic(span_str("server"), &s->credential), MLS_OK);
    assert_int_equal(mls_external_sender_write(mls_buf_span(&s->public_key), mls_buf_span(&s->credential), &senders),
                     MLS_OK);
    assert_int_equal(mls_extension_write_external_senders(mls_buf_span(&senders), &s->extensions), MLS_OK);
    if (enlisted)
        w->context_extensions = mls_buf_span(&s->extensions);
    mls_buf_free(&senders);
}

static void server_free(struct server *s) {
    mls_buf_free(&s->public_key);
    mls_buf_free(&s->credential);
    mls_buf_free(&s->extensions);
}

static void server_proposes(struct server *s, struct world *w, uint32_t index, struct span proposal) {
    assert_int_equal(mls_external_propose(&crypto_openssl, w->suite, span_str("the group"),
                                          mls_group_epoch(w->peers[0].group), index, &s->key, proposal, none(),
                                          empty(&w->message)),
                     MLS_OK);
}

static void the_server_may_ask_for_a_removal_and_for_nothing_else(void **state) {
    (void)state;
    struct world w;
    struct server s;
    world_init(&w, SUITE);
    w.options.external_proposals = MLS_EXTERNAL_ONLY(MLS_PROPOSAL_REMOVE);
    server_init(&s, &w, true);
    world_grow(&w, 4);
    assert_int_equal(mls_propose_write_remove(2, empty(&w.proposals)), MLS_OK);
    server_proposes(&s, &w, 0, mls_buf_span(&w.proposals));
    world_deliver_proposal(&w.peers[3], mls_buf_span(&w.message));
    struct mls_received got;
    assert_int_equal(mls_process(w.peers[3].group, mls_buf_span(&w.message), WORLD_NOW, &got), MLS_OK);
    assert_int_equal(got.sender_type, MLS_SENDER_EXTERNAL);
    peer_commit(&w.peers[1], NULL);
    assert_int_equal(mls_group_state(w.peers[2].group), MLS_STATE_REMOVED);
    world_check(&w);
    /* anything else */
    struct peer *ghost = world_peer(&w, "ghost");
    assert_int_equal(mls_propose_write_add(peer_package(ghost), empty(&w.proposals)), MLS_OK);
    server_proposes(&s, &w, 0, mls_buf_span(&w.proposals));
    peer_refuses(&w.peers[0], mls_buf_span(&w.message), MLS_EXTERNAL_PROPOSAL_REFUSED);
    assert_int_equal(mls_propose_write_extensions(none(), empty(&w.proposals)), MLS_OK);
    server_proposes(&s, &w, 0, mls_buf_span(&w.proposals));
    peer_refuses(&w.peers[0], mls_buf_span(&w.message), MLS_EXTERNAL_PROPOSAL_REFUSED);
    /* another place in the list, another key, another epoch */
    assert_int_equal(mls_propose_write_remove(1, empty(&w.proposals)), MLS_OK);
    server_proposes(&s, &w, 1, mls_buf_span(&w.proposals));
    peer_refuses(&w.peers[0], mls_buf_span(&w.message), MLS_SENDER_EXTERNAL_UNKNOWN);
    struct secret real = s.key;
    s.key = ghost->signature_key;
    server_proposes(&s, &w, 0, mls_buf_span(&w.proposals));
    peer_refuses(&w.peers[0], mls_buf_span(&w.message), MLS_SIGNATURE_INVALID);
    s.key = real;
    server_proposes(&s, &w, 0, mls_buf_span(&w.proposals));
    struct mls_buf early;
    mls_buf_init(&early, MLS_MESSAGE_LEN_MAX);
    mls_wr_span(&early, mls_buf_span(&w.message));
    peer_commit(&w.peers[0], NULL);
    peer_refuses(&w.peers[1], mls_buf_span(&early), MLS_EPOCH_OVER);
    mls_buf_free(&early);
    server_free(&s);
    world_free(&w);
}

static void external_senders_may_send_five_types_where_the_group_lets_them(void **state) {
    (void)state;
    struct world w;
    struct server s;
    world_init(&w, SUITE);
    server_init(&s, &w, true);
    world_grow(&w, 3);
    struct peer *carol = world_peer(&w, "carol");
    for (uint32_t i = 0; i < w.count; i++)
        assert_int_equal(mls_psk_add(w.peers[i].client, span_str("k"), span_str("v")), MLS_OK);
    assert_int_equal(mls_propose_write_add(peer_package(carol), empty(&w.proposals)), MLS_OK);
    server_proposes(&s, &w, 0, mls_buf_span(&w.proposals));
    world_deliver_proposal(carol, mls_buf_span(&w.message));
    assert_int_equal(mls_propose_write_psk(SUITE, span_str("k"), &w.rng, empty(&w.proposals)), MLS_OK);
    server_proposes(&s, &w, 0, mls_buf_span(&w.proposals));
    world_deliver_proposal(carol, mls_buf_span(&w.message));
    assert_int_equal(mls_propose_write_extensions(mls_buf_span(&s.extensions), empty(&w.proposals)), MLS_OK);
    server_proposes(&s, &w, 0, mls_buf_span(&w.proposals));
    world_deliver_proposal(carol, mls_buf_span(&w.message));
    assert_int_equal(mls_propose_write_remove(1, empty(&w.proposals)), MLS_OK);
    server_proposes(&s, &w, 0, mls_buf_span(&w.proposals));
    world_deliver_proposal(carol, mls_buf_span(&w.message));
    peer_commit(&w.peers[2], NULL);
    assert_non_null(carol->group);
    assert_int_equal(mls_group_state(w.peers[1].group), MLS_STATE_REMOVED);
    world_check(&w);
    assert_int_equal(mls_propose_write_reinit(span_str("next"), SUITE, none(), empty(&w.proposals)), MLS_OK);
    server_proposes(&s, &w, 0, mls_buf_span(&w.proposals));
    world_deliver_proposal(&w.peers[1], mls_buf_span(&w.message));
    peer_commit(&w.peers[0], NULL);
    assert_int_equal(mls_group_state(w.peers[2].group), MLS_STATE_REINIT);
    /* types that only members have */
    struct mls_proposal init = {.type = MLS_PROPOSAL_EXTERNAL_INIT, .kem_output = span_str("x")};
    mls_proposal_write(empty(&w.proposals), &init);
    assert_int_equal(mls_external_propose(&crypto_openssl, SUITE, span_str("the group"), 0, 0, &s.key,
                                          mls_buf_span(&w.proposals), none(), empty(&w.message)),
                     MLS_SENDER_PROPOSAL_MISMATCH);
    server_free(&s);
    world_free(&w);
}

static void without_the_extension_there_is_no_external_sender(void **state) {
    (void)state;
    struct world w;
    struct server s;
    world_init(&w, SUITE);
    server_init(&s, &w, false);
    world_grow(&w, 3);
    assert_int_equal(mls_propose_write_remove(2, empty(&w.proposals)), MLS_OK);
    server_proposes(&s, &w, 0, mls_buf_span(&w.proposals));
    peer_refuses(&w.peers[0], mls_buf_span(&w.message), MLS_SENDER_EXTERNAL_UNKNOWN);
    server_free(&s);
    world_free(&w);
}

static void joiners_ask_for_themselves_and_one_commit_takes_them_by_reference(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 3);
    for (int i = 0; i < 40; i++) {
        struct peer *p = world_peer(&w, "joiner");
        (void)peer_package(p);
        struct mls_hash ref = peer_package_ref(p);
        assert_int_equal(mls_new_member_propose(p->client, mls_hash_span(&ref), span_str("the group"),
                                                mls_group_epoch(w.peers[0].group), none(), empty(&w.message)),
                         MLS_OK);
        for (uint32_t m = 0; m < 3; m++) {
            struct mls_received got;
            assert_int_equal(mls_process(w.peers[m].group, mls_buf_span(&w.message), WORLD_NOW, &got), MLS_OK);
            assert_int_equal(got.kind, MLS_RECEIVED_PROPOSAL);
            assert_int_equal(got.sender_type, MLS_SENDER_NEW_MEMBER_PROPOSAL);
        }
    }
    struct mls_commit_options o = {.no_path = true};
    peer_commit(&w.peers[0], &o);
    /* a reference is 34 bytes in the commit */
    assert_true(mls_buf_len(&w.commit) < 300 + 40 * 34);
    assert_int_equal(mls_member_count(w.peers[1].group), 43);
    world_check(&w);
    struct peer *unknown = world_peer(&w, "unknown");
    assert_int_equal(
        mls_new_member_propose(unknown->client, span_str("?"), span_str("the group"), 0, none(), empty(&w.message)),
        MLS_KEY_PACKAGE_UNKNOWN);
    world_free(&w);
}

static void joiners_wait_when_a_commit_has_no_place_for_their_welcome(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    struct peer *p = world_peer(&w, "p");
    (void)peer_package(p);
    struct mls_hash ref = peer_package_ref(p);
    struct mls_received got;
    assert_int_equal(mls_new_member_propose(p->client, mls_hash_span(&ref), span_str("the group"),
                                            mls_group_epoch(w.peers[0].group), none(), empty(&w.message)),
                     MLS_OK);
    assert_int_equal(mls_process(w.peers[0].group, mls_buf_span(&w.message), WORLD_NOW, &got), MLS_OK);
    assert_int_equal(mls_commit(w.peers[0].group, NULL, WORLD_NOW, &w.rng, empty(&w.commit), NULL, NULL), MLS_OK);
    world_deliver_commit(&w.peers[0]);
    assert_int_equal(mls_member_count(w.peers[1].group), 2);
    world_check(&w);
    world_free(&w);
}

static void a_group_may_refuse_proposals_of_joiners(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    w.options.no_new_member_proposals = true;
    world_grow(&w, 2);
    struct peer *p = world_peer(&w, "p");
    (void)peer_package(p);
    struct mls_hash ref = peer_package_ref(p);
    assert_int_equal(mls_new_member_propose(p->client, mls_hash_span(&ref), span_str("the group"),
                                            mls_group_epoch(w.peers[0].group), none(), empty(&w.message)),
                     MLS_OK);
    peer_refuses(&w.peers[0], mls_buf_span(&w.message), MLS_NEW_MEMBER_PROPOSAL_REFUSED);
    world_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anybody_with_the_link_joins_by_external_commit),
        cmocka_unit_test(the_next_joiner_uses_the_group_info_of_the_last),
        cmocka_unit_test(an_external_commit_that_loses_is_thrown_away),
        cmocka_unit_test(a_member_that_lost_its_state_comes_back_by_resync),
        cmocka_unit_test(a_member_that_is_replaced_by_its_resync_knows_it),
        cmocka_unit_test(an_external_commit_that_breaks_a_rule_is_refused),
        cmocka_unit_test(a_group_may_refuse_external_commits_or_resyncs),
        cmocka_unit_test(a_group_info_that_breaks_a_rule_is_refused),
        cmocka_unit_test(the_server_may_ask_for_a_removal_and_for_nothing_else),
        cmocka_unit_test(external_senders_may_send_five_types_where_the_group_lets_them),
        cmocka_unit_test(without_the_extension_there_is_no_external_sender),
        cmocka_unit_test(joiners_ask_for_themselves_and_one_commit_takes_them_by_reference),
        cmocka_unit_test(joiners_wait_when_a_commit_has_no_place_for_their_welcome),
        cmocka_unit_test(a_group_may_refuse_proposals_of_joiners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
