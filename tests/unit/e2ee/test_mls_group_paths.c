/* Every rule that a commit's path and framing can break is refused under its own name, and leaves the group as it was:
 * RFC 9420 sections 6, 7.3, 7.5, 12.4. What honest members cannot make is forged with their keys. */
#include "unit.h"

#include "base/assert.h"
#include "e2ee/mls_group.h"
#include "group_world.h"

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

static void key_of_zeros(struct mls_leaf_node *leaf, void *with) {
    static const uint8_t zeros[32];
    (void)with;
    leaf->encryption_key = span_of(zeros, 31);
}

static void foreign_signature_key(struct mls_leaf_node *leaf, void *with) {
    leaf->signature_key = mls_buf_span(&((struct peer *)with)->signature_public);
}

static void no_version(struct mls_leaf_node *leaf, void *with) {
    (void)with;
    leaf->capabilities.versions = none();
}

static void no_credential_type(struct mls_leaf_node *leaf, void *with) {
    static const uint8_t x509[] = {0, 2};
    (void)with;
    leaf->capabilities.credentials = span_of(x509, sizeof x509);
}

static void unlisted_extension(struct mls_leaf_node *leaf, void *with) {
    static const uint8_t extension[] = {0xf7, 0x77, 0};
    (void)with;
    leaf->extensions = (struct mls_list){.bytes = span_of(extension, sizeof extension), .count = 1};
}

static void source_update(struct mls_leaf_node *leaf, void *with) {
    (void)with;
    leaf->source = MLS_LEAF_UPDATE;
}

static void same_key(struct mls_leaf_node *leaf, void *with) {
    leaf->encryption_key = ((const struct mls_leaf_node *)with)->encryption_key;
}

static void renamed_credential(struct mls_leaf_node *leaf, void *with) {
    (void)with;
    leaf->credential.identity = span_str("x");
}

/* ---- commits and their paths: section 12.4 ---- */

/* A commit of peers[0] as made, taken apart: its proposals' list and UpdatePath. */
struct real_commit {
    struct mls_message message;
    struct mls_commit *commit;
    struct mls_update_path *path;
};

static void real_commit(struct world *w, const struct mls_commit_options *o, struct real_commit *c) {
    assert_int_equal(peer_try_commit(&w->peers[0], o), MLS_OK);
    assert_int_equal(mls_message_parse(mls_buf_span(&w->commit), &c->message), MLS_OK);
    c->commit = &c->message.public_message.authenticated.content.commit;
    c->path = &c->commit->path;
}

/* Writes the path with another leaf, or other nodes, and forges the commit around it. */
static void forge_path(struct world *w, const struct real_commit *c, struct span leaf, struct span nodes) {
    struct mls_buf path;
    mls_buf_init(&path, MLS_MESSAGE_LEN_MAX);
    mls_wr_span(&path, leaf.len > 0 ? leaf : c->path->leaf_node.encoding);
    mls_wr_vec(&path, nodes.data != NULL ? nodes : c->path->nodes.bytes);
    forge_commit(&w->peers[0], c->commit->proposals.bytes, mls_buf_span(&path), &w->message);
    mls_buf_free(&path);
}

static void forge_path_leaf(struct world *w, const struct real_commit *c, forge_leaf *change, void *with) {
    const struct mls_group *g = w->peers[0].group;
    struct mls_leaf_node leaf = c->path->leaf_node;
    struct mls_buf bytes;
    mls_buf_init(&bytes, MLS_MESSAGE_LEN_MAX);
    change(&leaf, with);
    assert_int_equal(mls_leaf_node_sign(&g->crypto, &leaf, mls_group_id(g), g->own_leaf, &g->signature_key, &bytes),
                     MLS_OK);
    forge_path(w, c, mls_buf_span(&bytes), none());
    mls_buf_free(&bytes);
}

static void source_key_package(struct mls_leaf_node *leaf, void *with) {
    (void)with;
    leaf->source = MLS_LEAF_KEY_PACKAGE;
}

static void other_parent_hash(struct mls_leaf_node *leaf, void *with) {
    (void)with;
    leaf->parent_hash = span_str("0123456789abcdef0123456789abcdef");
}

static void a_path_with_a_leaf_that_breaks_a_rule_is_refused(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 4);
    struct real_commit c;
    real_commit(&w, NULL, &c);
    struct mls_leaf_node own = *tree_leaf(w.peers[1].group->tree, 0), other = *tree_leaf(w.peers[1].group->tree, 3);
    static const struct {
        forge_leaf *leaf;
        enum mls_status reason;
    } cases[] = {
        {source_key_package, MLS_LEAF_SOURCE_WRONG},        {source_update, MLS_LEAF_SOURCE_WRONG},
        {key_of_zeros, MLS_ENCRYPTION_KEY_INVALID},         {no_version, MLS_LEAF_VERSION_UNLISTED},
        {no_credential_type, MLS_LEAF_CREDENTIAL_UNLISTED}, {unlisted_extension, MLS_LEAF_EXTENSION_UNLISTED},
        {other_parent_hash, MLS_PARENT_HASH_WRONG},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        forge_path_leaf(&w, &c, cases[i].leaf, NULL);
        peer_refuses(&w.peers[1], mls_buf_span(&w.message), cases[i].reason);
    }
    forge_path_leaf(&w, &c, same_key, &own);
    peer_refuses(&w.peers[1], mls_buf_span(&w.message), MLS_ENCRYPTION_KEY_NOT_FRESH);
    forge_path_leaf(&w, &c, same_key, &other);
    peer_refuses(&w.peers[1], mls_buf_span(&w.message), MLS_PATH_KEY_REUSED);
    forge_path_leaf(&w, &c, foreign_signature_key, &w.peers[2]);
    peer_refuses(&w.peers[1], mls_buf_span(&w.message), MLS_LEAF_SIGNATURE_INVALID);
    /* a changed name is the application's to judge; but the path was not encrypted for a tree that has it */
    forge_path_leaf(&w, &c, renamed_credential, NULL);
    peer_refuses(&w.peers[1], mls_buf_span(&w.message), MLS_PATH_SECRET_INVALID);
    world_free(&w);
}

/* The nodes of a path, one by one. */
static size_t split_nodes(const struct real_commit *c, struct mls_update_path_node *nodes) {
    struct mls_reader it = mls_reader_of(c->path->nodes.bytes);
    size_t count = 0;
    while (mls_update_path_node_next(&it, &nodes[count]))
        count++;
    return count;
}

static void write_nodes(const struct mls_update_path_node *nodes, size_t count, struct mls_buf *out) {
    mls_buf_clear(out);
    for (size_t i = 0; i < count; i++)
        mls_update_path_node_write(out, &nodes[i]);
}

static void a_path_with_nodes_that_break_a_rule_is_refused(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 4);
    struct real_commit c;
    struct mls_update_path_node nodes[8], changed[8];
    struct mls_buf bytes;
    mls_buf_init(&bytes, MLS_MESSAGE_LEN_MAX);
    real_commit(&w, NULL, &c);
    size_t count = split_nodes(&c, nodes);
    assert_int_equal(count, 2);
    /* one too few, one too many */
    write_nodes(nodes, 1, &bytes);
    forge_path(&w, &c, none(), mls_buf_span(&bytes));
    peer_refuses(&w.peers[1], mls_buf_span(&w.message), MLS_PATH_LENGTH_WRONG);
    nodes[2] = nodes[1];
    write_nodes(nodes, 3, &bytes);
    forge_path(&w, &c, none(), mls_buf_span(&bytes));
    peer_refuses(&w.peers[1], mls_buf_span(&w.message), MLS_PATH_LENGTH_WRONG);
    /* ciphertexts missing */
    memcpy(changed, nodes, sizeof changed);
    changed[1].encrypted_path_secret = (struct mls_list){0};
    write_nodes(changed, 2, &bytes);
    forge_path(&w, &c, none(), mls_buf_span(&bytes));
    peer_refuses(&w.peers[1], mls_buf_span(&w.message), MLS_PATH_CIPHERTEXTS_WRONG);
    /* a key that the tree has; a key that is none */
    memcpy(changed, nodes, sizeof changed);
    changed[1].encryption_key = tree_leaf(w.peers[1].group->tree, 2)->encryption_key;
    write_nodes(changed, 2, &bytes);
    forge_path(&w, &c, none(), mls_buf_span(&bytes));
    peer_refuses(&w.peers[1], mls_buf_span(&w.message), MLS_PATH_KEY_REUSED);
    changed[1].encryption_key.len--;
    write_nodes(changed, 2, &bytes);
    forge_path(&w, &c, none(), mls_buf_span(&bytes));
    peer_refuses(&w.peers[1], mls_buf_span(&w.message), MLS_ENCRYPTION_KEY_INVALID);
    /* ciphertexts that do not open */
    memcpy(changed, nodes, sizeof changed);
    changed[0].encrypted_path_secret = nodes[1].encrypted_path_secret;
    struct mls_reader it = mls_reader_of(nodes[1].encrypted_path_secret.bytes);
    struct mls_hpke_ciphertext first;
    assert_true(mls_hpke_ciphertext_next(&it, &first));
    changed[0].encrypted_path_secret.count = 1;
    changed[0].encrypted_path_secret.bytes.len = mls_reader_pos(&it);
    write_nodes(changed, 2, &bytes);
    forge_path(&w, &c, none(), mls_buf_span(&bytes));
    peer_refuses(&w.peers[1], mls_buf_span(&w.message), MLS_PATH_SECRET_INVALID);
    mls_buf_free(&bytes);
    mls_commit_drop(w.peers[0].group);
    peer_commit(&w.peers[0], NULL);
    world_check(&w);
    world_free(&w);
}

static void commits_that_need_a_path_are_refused_without_one(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 4);
    forge_commit(&w.peers[0], none(), none(), &w.message);
    peer_refuses(&w.peers[1], mls_buf_span(&w.message), MLS_PATH_MISSING);
    assert_int_equal(mls_propose_write_remove(2, empty(&w.proposals)), MLS_OK);
    forge_commit_of(&w.peers[0], mls_buf_span(&w.proposals), &w.message);
    peer_refuses(&w.peers[1], mls_buf_span(&w.message), MLS_PATH_MISSING);
    assert_int_equal(mls_propose_write_extensions(none(), empty(&w.proposals)), MLS_OK);
    forge_commit_of(&w.peers[0], mls_buf_span(&w.proposals), &w.message);
    peer_refuses(&w.peers[1], mls_buf_span(&w.message), MLS_PATH_MISSING);
    /* no_path is a wish: it is not followed where a path must be */
    assert_int_equal(mls_propose_write_remove(3, empty(&w.proposals)), MLS_OK);
    struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals), .no_path = true};
    peer_commit(&w.peers[0], &o);
    world_check(&w);
    world_free(&w);
}

static void references_must_be_to_proposals_that_were_seen(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 3);
    assert_int_equal(mls_propose_update(w.peers[1].group, NULL, NULL, WORLD_NOW, &w.rng, empty(&w.message)), MLS_OK);
    struct mls_received got;
    struct mls_proposal_info info;
    assert_int_equal(mls_process(w.peers[0].group, mls_buf_span(&w.message), WORLD_NOW, &got), MLS_OK);
    assert_true(mls_proposal_find(w.peers[0].group, got.proposal_ref, &info));
    assert_int_equal(peer_try_commit(&w.peers[0], NULL), MLS_OK);
    peer_refuses(&w.peers[2], mls_buf_span(&w.commit), MLS_PROPOSAL_UNKNOWN_REF);
    /* the proposal comes late: then it is all right */
    assert_int_equal(mls_process(w.peers[2].group, mls_buf_span(&w.message), WORLD_NOW, &got), MLS_OK);
    world_deliver_commit(&w.peers[0]);
    world_check(&w);
    struct span unknown = span_str("no such reference");
    struct mls_commit_options o = {.pick = MLS_PICK_LISTED, .refs = &unknown, .ref_count = 1};
    peer_cannot_commit(&w.peers[0], &o, MLS_PROPOSAL_UNKNOWN_REF);
    world_free(&w);
}

/* ---- framing: sections 6, 12.4.2 ---- */

static void messages_of_other_groups_and_epochs_are_refused(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 3);
    struct mls_buf old;
    mls_buf_init(&old, MLS_MESSAGE_LEN_MAX);
    assert_int_equal(mls_propose_update(w.peers[0].group, NULL, NULL, WORLD_NOW, &w.rng, &old), MLS_OK);
    peer_commit(&w.peers[1], &(struct mls_commit_options){.pick = MLS_PICK_NONE});
    peer_refuses(&w.peers[2], mls_buf_span(&old), MLS_EPOCH_OVER);
    /* who missed a commit says so */
    assert_int_equal(peer_try_commit(&w.peers[0], NULL), MLS_OK);
    assert_int_equal(mls_commit_confirm(w.peers[0].group), MLS_OK);
    assert_int_equal(peer_try_commit(&w.peers[0], NULL), MLS_OK);
    peer_refuses(&w.peers[2], mls_buf_span(&w.commit), MLS_EPOCH_AHEAD);
    assert_int_equal(mls_protect(w.peers[0].group, span_str("x"), none(), &w.rng, empty(&w.message)), MLS_OK);
    peer_refuses(&w.peers[2], mls_buf_span(&w.message), MLS_EPOCH_AHEAD);
    /* another group of the same members */
    struct peer *other = world_peer(&w, "other");
    assert_int_equal(mls_group_create(other->client, &other->identity, NULL, span_str("another"), none(), WORLD_NOW,
                                      &w.rng, &other->group),
                     MLS_OK);
    assert_int_equal(mls_protect(other->group, span_str("x"), none(), &w.rng, empty(&w.message)), MLS_OK);
    peer_refuses(&w.peers[2], mls_buf_span(&w.message), MLS_WRONG_GROUP);
    assert_int_equal(mls_propose_update(other->group, NULL, NULL, WORLD_NOW, &w.rng, empty(&w.message)), MLS_OK);
    peer_refuses(&w.peers[2], mls_buf_span(&w.message), MLS_WRONG_GROUP);
    /* messages that are for no member */
    peer_refuses(&w.peers[2], peer_package(other), MLS_WIRE_FORMAT_REFUSED);
    mls_buf_free(&old);
    world_free(&w);
}

static void each_changed_byte_of_a_commit_is_refused(void **state) {
    (void)state;
    for (int as_private = 0; as_private < 2; as_private++) {
        struct world w;
        world_init(&w, SUITE);
        w.options.private_handshake = as_private == 1;
        world_grow(&w, 3);
        struct peer *carol = world_peer(&w, "carol");
        assert_int_equal(mls_propose_write_add(peer_package(carol), empty(&w.proposals)), MLS_OK);
        struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals)};
        assert_int_equal(peer_try_commit(&w.peers[0], &o), MLS_OK);
        struct mls_received got;
        struct mls_commit_info info;
        for (size_t i = 0; i < w.commit.w.len; i++) {
            w.commit.w.data[i] ^= 0x20;
            assert_int_not_equal(mls_process(w.peers[1].group, mls_buf_span(&w.commit), WORLD_NOW, &got), MLS_OK);
            assert_false(mls_staged_info(w.peers[1].group, &info));
            w.commit.w.data[i] ^= 0x20;
        }
        world_deliver_commit(&w.peers[0]);
        world_check(&w);
        world_free(&w);
    }
}

static void the_confirmation_tag_is_checked_last(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    struct peer *carol = world_peer(&w, "carol");
    assert_int_equal(mls_propose_write_add(peer_package(carol), empty(&w.proposals)), MLS_OK);
    forge_commit_of(&w.peers[0], mls_buf_span(&w.proposals), &w.message);
    peer_refuses(&w.peers[1], mls_buf_span(&w.message), MLS_CONFIRMATION_TAG_INVALID);
    world_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_with_a_leaf_that_breaks_a_rule_is_refused),
        cmocka_unit_test(a_path_with_nodes_that_break_a_rule_is_refused),
        cmocka_unit_test(commits_that_need_a_path_are_refused_without_one),
        cmocka_unit_test(references_must_be_to_proposals_that_were_seen),
        cmocka_unit_test(messages_of_other_groups_and_epochs_are_refused),
        cmocka_unit_test(each_changed_byte_of_a_commit_is_refused),
        cmocka_unit_test(the_confirmation_tag_is_checked_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
