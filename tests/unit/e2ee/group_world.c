#include "group_world.h"

#include <stdio.h>

#include "unit.h"

#include "base/assert.h"
#include "e2ee/mls_group.h"

static const uint8_t seal_key[MLS_SEAL_KEY_LEN] = {7};

/* ---- the world ---- */

void world_init(struct world *w, uint16_t suite) {
    memset(w, 0, sizeof *w);
    w->suite = suite;
    w->rng = rng_seeded(suite);
    struct mls_buf *buffers[] = {&w->commit, &w->welcome, &w->group_info, &w->message, &w->proposals};
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        mls_buf_init(buffers[i], MLS_MESSAGE_LEN_MAX);
}

void world_free(struct world *w) {
    for (uint32_t i = 0; i < w->count; i++) {
        struct peer *p = &w->peers[i];
        mls_group_free(p->group);
        mls_client_free(p->client);
        mls_buf_free(&p->signature_public);
        mls_buf_free(&p->credential);
        mls_buf_free(&p->key_package);
    }
    struct mls_buf *buffers[] = {&w->commit, &w->welcome, &w->group_info, &w->message, &w->proposals};
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        mls_buf_free(buffers[i]);
}

struct peer *world_peer(struct world *w, const char *name) {
    assert_true(w->count < WORLD_PEERS_MAX);
    struct peer *p = &w->peers[w->count++];
    p->world = w;
    snprintf(p->name, sizeof p->name, "%s", name);
    assert_int_equal(mls_client_create(&crypto_openssl, &p->client), MLS_OK);
    mls_buf_init(&p->signature_public, SIGN_PUBLIC_LEN_MAX);
    mls_buf_init(&p->credential, MLS_CREDENTIAL_LEN_MAX);
    mls_buf_init(&p->key_package, MLS_MESSAGE_LEN_MAX);
    assert_int_equal(
        mls_signature_key_generate(&crypto_openssl, w->suite, &w->rng, &p->signature_key, &p->signature_public),
        MLS_OK);
    assert_int_equal(mls_credential_basic(span_str(p->name), &p->credential), MLS_OK);
    p->identity = (struct mls_identity){
        .suite = w->suite, .credential = mls_buf_span(&p->credential), .signature_key = &p->signature_key};
    return p;
}

void world_found(struct peer *p) {
    struct world *w = p->world;
    assert_int_equal(mls_group_create(p->client, &p->identity, &w->options, span_str("the group"),
                                      w->context_extensions, WORLD_NOW, &w->rng, &p->group),
                     MLS_OK);
}

void world_grow(struct world *w, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%u", i);
        struct peer *p = world_peer(w, name);
        if (i == 0)
            world_found(p);
        else
            peer_invite(&w->peers[0], p);
    }
}

/* ---- what members do ---- */

struct span peer_package(struct peer *p) {
    mls_buf_clear(&p->key_package);
    assert_int_equal(mls_key_package_create(p->client, &p->identity, NULL, WORLD_NOW, &p->world->rng, &p->key_package),
                     MLS_OK);
    return mls_buf_span(&p->key_package);
}

struct mls_hash peer_package_ref(struct peer *p) {
    struct mls_key_package_info info;
    struct mls_hash ref = {0};
    assert_int_equal(mls_key_package_check(&crypto_openssl, mls_buf_span(&p->key_package), WORLD_NOW, &info), MLS_OK);
    ref.len = (uint8_t)info.ref_len;
    memcpy(ref.bytes, info.ref, info.ref_len);
    return ref;
}

enum mls_status peer_try_commit(struct peer *p, const struct mls_commit_options *options) {
    struct world *w = p->world;
    mls_buf_clear(&w->commit);
    mls_buf_clear(&w->welcome);
    mls_buf_clear(&w->group_info);
    enum mls_status status = mls_commit(p->group, options, WORLD_NOW, &w->rng, &w->commit, &w->welcome, &w->group_info);
    if (status != MLS_OK)
        assert_int_equal(mls_buf_len(&w->commit) + mls_buf_len(&w->welcome) + mls_buf_len(&w->group_info), 0);
    return status;
}

void peer_join(struct peer *joiner) {
    struct world *w = joiner->world;
    assert_null(joiner->group);
    assert_int_equal(
        mls_join(joiner->client, &w->options, mls_buf_span(&w->welcome), NULL, WORLD_NOW, &w->rng, &joiner->group),
        MLS_OK);
}

void world_deliver_commit(struct peer *from) {
    struct world *w = from->world;
    for (uint32_t i = 0; i < w->count; i++) {
        struct peer *p = &w->peers[i];
        struct mls_received received;
        if (p == from || p->group == NULL || mls_group_state(p->group) != MLS_STATE_ACTIVE)
            continue;
        assert_int_equal(mls_process(p->group, mls_buf_span(&w->commit), WORLD_NOW, &received), MLS_OK);
        assert_int_equal(received.kind, MLS_RECEIVED_COMMIT);
        assert_int_equal(mls_staged_apply(p->group), MLS_OK);
    }
    assert_int_equal(mls_commit_confirm(from->group), MLS_OK);
}

void world_deliver_proposal(struct peer *from, struct span message) {
    struct world *w = from->world;
    for (uint32_t i = 0; i < w->count; i++) {
        struct peer *p = &w->peers[i];
        struct mls_received received;
        if (p == from || p->group == NULL || mls_group_state(p->group) != MLS_STATE_ACTIVE)
            continue;
        assert_int_equal(mls_process(p->group, message, WORLD_NOW, &received), MLS_OK);
        assert_int_equal(received.kind, MLS_RECEIVED_PROPOSAL);
    }
}

void peer_commit(struct peer *p, const struct mls_commit_options *options) {
    struct world *w = p->world;
    struct mls_commit_options o = options == NULL ? (struct mls_commit_options){0} : *options;
    o.tree_in_welcome = true;
    assert_int_equal(peer_try_commit(p, &o), MLS_OK);
    world_deliver_commit(p);
    for (uint32_t i = 0; i < w->count && mls_buf_len(&w->welcome) > 0; i++) {
        struct peer *joiner = &w->peers[i];
        if (joiner->group != NULL || mls_buf_len(&joiner->key_package) == 0)
            continue;
        enum mls_status status =
            mls_join(joiner->client, &w->options, mls_buf_span(&w->welcome), NULL, WORLD_NOW, &w->rng, &joiner->group);
        assert_true(status == MLS_OK || status == MLS_WELCOME_NOT_FOR_US);
    }
}

void peer_commit_values(struct peer *p, struct span proposals) {
    struct mls_commit_options o = {.proposals = proposals};
    peer_commit(p, &o);
}

void peer_invite(struct peer *p, struct peer *joiner) {
    struct world *w = p->world;
    mls_buf_clear(&w->proposals);
    assert_int_equal(mls_propose_write_add(peer_package(joiner), &w->proposals), MLS_OK);
    peer_commit_values(p, mls_buf_span(&w->proposals));
    assert_non_null(joiner->group);
}

void peer_remove(struct peer *p, uint32_t leaf) {
    struct world *w = p->world;
    mls_buf_clear(&w->proposals);
    assert_int_equal(mls_propose_write_remove(leaf, &w->proposals), MLS_OK);
    peer_commit_values(p, mls_buf_span(&w->proposals));
}

void peer_join_external(struct peer *joiner, struct peer *host, const struct mls_external_options *options) {
    struct world *w = joiner->world;
    struct mls_group_info_options info = {.external_pub = true, .tree = true};
    mls_buf_clear(&w->group_info);
    mls_buf_clear(&w->commit);
    assert_int_equal(mls_group_info(host->group, &info, &w->group_info), MLS_OK);
    assert_int_equal(mls_join_external(joiner->client, &joiner->identity, &w->options, mls_buf_span(&w->group_info),
                                       options, WORLD_NOW, &w->rng, &joiner->group, &w->commit, NULL),
                     MLS_OK);
    world_deliver_commit(joiner);
}

void peer_leave(struct peer *p) {
    mls_group_free(p->group);
    p->group = NULL;
}

/* ---- what holds ---- */

void world_say(struct peer *from, const char *text) {
    struct world *w = from->world;
    mls_buf_clear(&w->message);
    assert_int_equal(mls_protect(from->group, span_str(text), span_str("about"), &w->rng, &w->message), MLS_OK);
    for (uint32_t i = 0; i < w->count; i++) {
        struct peer *p = &w->peers[i];
        struct mls_received got;
        if (p == from || p->group == NULL || mls_group_state(p->group) != MLS_STATE_ACTIVE)
            continue;
        assert_int_equal(mls_process(p->group, mls_buf_span(&w->message), WORLD_NOW, &got), MLS_OK);
        assert_int_equal(got.kind, MLS_RECEIVED_APPLICATION);
        assert_true(span_equal_str(got.application_data, text));
        assert_true(span_equal_str(got.authenticated_data, "about"));
        assert_int_equal(got.sender, mls_own_leaf(from->group));
    }
}

void world_check(struct world *w) {
    const struct peer *first = NULL;
    for (uint32_t i = 0; i < w->count; i++) {
        const struct peer *p = &w->peers[i];
        if (p->group == NULL || mls_group_state(p->group) != MLS_STATE_ACTIVE)
            continue;
        if (first == NULL)
            first = p;
        assert_true(span_equal(mls_epoch_authenticator(p->group), mls_epoch_authenticator(first->group)));
        assert_int_equal(mls_epoch_authenticator(p->group).len > 0, 1);
        assert_true(span_equal(mls_group_context(p->group), mls_group_context(first->group)));
        struct mls_member own;
        assert_true(mls_member_at(p->group, mls_own_leaf(p->group), &own));
        assert_true(span_equal(own.leaf.signature_key, mls_buf_span(&p->signature_public)));
    }
    for (uint32_t i = 0; i < w->count; i++) {
        if (w->peers[i].group != NULL && mls_group_state(w->peers[i].group) == MLS_STATE_ACTIVE)
            world_say(&w->peers[i], "hello");
    }
}

void peer_seal(const struct peer *p, struct mls_buf *out) {
    struct rng rng = rng_seeded(99);
    mls_buf_init(out, 2 * (size_t)MLS_TREE_LEN_MAX);
    assert_int_equal(mls_group_seal(p->group, span_of(seal_key, sizeof seal_key), &rng, out), MLS_OK);
}

static void same_state(const struct peer *p, struct mls_buf *before) {
    struct mls_buf after;
    peer_seal(p, &after);
    assert_true(span_equal(mls_buf_span(before), mls_buf_span(&after)));
    mls_buf_free(&after);
    mls_buf_free(before);
}

void peer_refuses(struct peer *p, struct span message, enum mls_status reason) {
    struct mls_buf before;
    struct mls_received received;
    struct mls_commit_info info;
    peer_seal(p, &before);
    enum mls_status status = mls_process(p->group, message, WORLD_NOW, &received);
    if (status != reason)
        print_message("%s, not %s\n", mls_status_name(status), mls_status_name(reason));
    assert_int_equal(status, reason);
    assert_false(mls_staged_info(p->group, &info));
    same_state(p, &before);
}

void peer_cannot_commit(struct peer *p, const struct mls_commit_options *options, enum mls_status reason) {
    struct mls_buf before;
    peer_seal(p, &before);
    enum mls_status status = peer_try_commit(p, options);
    if (status != reason)
        print_message("%s, not %s\n", mls_status_name(status), mls_status_name(reason));
    assert_int_equal(status, reason);
    assert_false(mls_commit_is_pending(p->group));
    same_state(p, &before);
}

/* ---- the forger ---- */

static void forge(struct peer *p, struct mls_sender sender, uint8_t content_type, const struct secret *key,
                  struct span content, struct mls_buf *out) {
    struct mls_group *g = p->group;
    struct mls_draft_header header = {.wire_format = MLS_WIRE_PUBLIC_MESSAGE,
                                      .group_id = mls_group_id(g),
                                      .epoch = mls_group_epoch(g),
                                      .sender = sender,
                                      .content_type = content_type};
    struct mls_draft d;
    mls_draft_begin(&d, &header);
    mls_wr_span(&d.bytes, content);
    assert_int_equal(mls_draft_sign(&d, &g->crypto, mls_bytes_span(&g->epoch.context), key), MLS_OK);
    struct mls_hash tag = {.len = g->crypto.suite->hash_len};
    if (content_type == MLS_CONTENT_COMMIT)
        assert_int_equal(mls_draft_confirm(&d, mls_hash_span(&tag)), MLS_OK);
    assert_int_equal(mls_public_protect(&d, &g->crypto, mls_bytes_span(&g->epoch.context),
                                        sender.type == MLS_SENDER_MEMBER ? &g->epoch.secrets.membership_key : NULL),
                     MLS_OK);
    mls_buf_clear(out);
    mls_wr_span(out, mls_buf_span(&d.bytes));
    mls_draft_free(&d);
}

static void commit_content(struct span proposals, struct span path, struct mls_buf *out) {
    mls_buf_init(out, MLS_MESSAGE_LEN_MAX);
    mls_wr_vec(out, proposals);
    mls_wr_u8(out, path.len > 0);
    mls_wr_span(out, path);
}

void forge_commit(struct peer *p, struct span proposals, struct span path, struct mls_buf *out) {
    struct mls_buf content;
    commit_content(proposals, path, &content);
    struct mls_sender self = {.type = MLS_SENDER_MEMBER, .index = mls_own_leaf(p->group)};
    forge(p, self, MLS_CONTENT_COMMIT, &p->group->signature_key, mls_buf_span(&content), out);
    mls_buf_free(&content);
}

void forge_external_commit(struct peer *in_group, const struct secret *key, struct span proposals, struct span path,
                           struct mls_buf *out) {
    struct mls_buf content;
    commit_content(proposals, path, &content);
    struct mls_sender stranger = {.type = MLS_SENDER_NEW_MEMBER_COMMIT};
    forge(in_group, stranger, MLS_CONTENT_COMMIT, key, mls_buf_span(&content), out);
    mls_buf_free(&content);
}

void forge_proposal(struct peer *p, struct span proposal, struct mls_buf *out) {
    struct mls_sender self = {.type = MLS_SENDER_MEMBER, .index = mls_own_leaf(p->group)};
    forge(p, self, MLS_CONTENT_PROPOSAL, &p->group->signature_key, proposal, out);
}

void forge_by_value(struct span proposal, struct mls_buf *out) {
    mls_wr_u8(out, MLS_PROPOSAL_BY_VALUE);
    mls_wr_span(out, proposal);
}

void forge_by_ref(struct span ref, struct mls_buf *out) {
    mls_wr_u8(out, MLS_PROPOSAL_BY_REFERENCE);
    mls_wr_vec(out, ref);
}

void forge_commit_of(struct peer *p, struct span proposal, struct mls_buf *out) {
    struct mls_buf list;
    mls_buf_init(&list, MLS_MESSAGE_LEN_MAX);
    forge_by_value(proposal, &list);
    forge_commit(p, mls_buf_span(&list), span_of(NULL, 0), out);
    mls_buf_free(&list);
}

void forge_key_package(struct peer *p, forge_leaf *leaf, forge_package *package, void *with, struct mls_buf *out) {
    struct mls_crypto c;
    struct mls_message m;
    struct mls_buf leaf_bytes;
    assert_int_equal(mls_crypto_of(&crypto_openssl, p->identity.suite, &c), MLS_OK);
    assert_int_equal(mls_message_parse(peer_package(p), &m), MLS_OK);
    struct mls_key_package x = m.key_package;
    mls_buf_init(&leaf_bytes, MLS_MESSAGE_LEN_MAX);
    if (leaf != NULL)
        leaf(&x.leaf_node, with);
    /* a change made by `package` is not under the leaf's signature */
    assert_int_equal(mls_leaf_node_sign(&c, &x.leaf_node, span_str("the group"), 0, &p->signature_key, &leaf_bytes),
                     MLS_OK);
    assert_int_equal(mls_leaf_node_parse(mls_buf_span(&leaf_bytes), &x.leaf_node), MLS_OK);
    if (package != NULL)
        package(&x, with);
    assert_int_equal(mls_key_package_sign(&c, &x, &p->signature_key, out), MLS_OK);
    mls_buf_free(&leaf_bytes);
}

void forge_update(struct peer *p, forge_leaf *leaf, void *with, struct mls_buf *out) {
    const struct mls_group *g = p->group;
    uint8_t public_key[KEM_PUBLIC_LEN_MAX];
    struct secret private_key;
    struct mls_leaf_node x = *tree_leaf(g->tree, g->own_leaf);
    assert_int_equal(mls_kem_generate(&g->crypto, &p->world->rng, &private_key, public_key), MLS_OK);
    x.encryption_key = span_of(public_key, mls_public_key_len(&g->crypto));
    x.source = MLS_LEAF_UPDATE;
    if (leaf != NULL)
        leaf(&x, with);
    mls_wr_u16(out, MLS_PROPOSAL_UPDATE);
    assert_int_equal(mls_leaf_node_sign(&g->crypto, &x, mls_group_id(g), g->own_leaf, &p->signature_key, out), MLS_OK);
}

void world_refuses(struct world *w, struct span proposal, enum mls_status reason) {
    forge_commit_of(&w->peers[0], proposal, &w->message);
    peer_refuses(&w->peers[1], mls_buf_span(&w->message), reason);
    struct mls_commit_options o = {.proposals = proposal};
    peer_cannot_commit(&w->peers[0], &o, reason);
}
