/* Joining by external commit (RFC 9420 sections 8.3, 12.4.3.2). */
#include "base/assert.h"
#include "e2ee/mls_group.h"

/* The proposals of an external commit, by value: ExternalInit, the removal of our former self, PSKs. */
static enum mls_status write_proposals(const struct mls_group *g, const struct mls_external_options *o,
                                       struct span kem_output, struct span signature_key, struct rng *rng,
                                       struct mls_buf *out) {
    struct mls_proposal init = {.type = MLS_PROPOSAL_EXTERNAL_INIT, .kem_output = kem_output};
    mls_proposal_write(out, &init);
    enum mls_status status = out->status;
    if (status == MLS_OK && o->resync) {
        uint32_t former = tree_find_signature_key(g->tree, signature_key);
        status = former == TREE_NONE ? MLS_NO_FORMER_SELF : mls_propose_write_remove(former, out);
    }
    for (size_t i = 0; status == MLS_OK && i < o->psk_count; i++)
        status = mls_propose_write_psk(g->crypto.suite->id, o->psks[i], rng, out);
    return status;
}

static enum mls_status fill_list(struct span proposals, struct mls_proposals *list) {
    uint32_t count = 0;
    struct mls_proposal p;
    struct mls_reader r = mls_reader_of(proposals);
    for (; mls_reader_left(&r) > 0; count++)
        mls_proposal_read(&r, &p);
    enum mls_status status = mls_proposals_alloc(list, count, count);
    struct mls_sender self = {.type = MLS_SENDER_NEW_MEMBER_COMMIT};
    r = mls_reader_of(proposals);
    while (status == MLS_OK && mls_reader_left(&r) > 0) {
        mls_proposal_read(&r, &p);
        mls_proposals_add_value(list, &p, self);
    }
    return status;
}

/* ExternalInit's two halves: what is sent, and the init secret that it stands for. */
static enum mls_status external_init(const struct mls_group *g, const struct mls_group_info *info, struct rng *rng,
                                     struct mls_buf *kem_output, struct secret *init_secret) {
    struct span data, external_pub;
    if (!mls_extensions_find(&info->extensions, MLS_EXTENSION_EXTERNAL_PUB, &data))
        return MLS_GROUP_INFO_EXTERNAL_PUB_MISSING;
    enum mls_status status = mls_external_pub_parse(data, &external_pub);
    return status != MLS_OK ? status : mls_external_init_send(&g->crypto, external_pub, rng, kem_output, init_secret);
}

static enum mls_status make_commit(struct mls_commit_work *w, const struct mls_group_info *info,
                                   const struct mls_external_options *external) {
    struct mls_group *g = w->group;
    struct mls_buf kem_output, proposals;
    struct secret init = {0};
    uint8_t signature_key[SIGN_PUBLIC_LEN_MAX];
    mls_buf_init(&kem_output, MLS_KEY_LEN_MAX);
    mls_buf_init(&proposals, MLS_MESSAGE_LEN_MAX);
    enum mls_status status = external_init(g, info, w->rng, &kem_output, &init);
    if (status == MLS_OK)
        status = mls_status_of_crypto(
            g->crypto.backend->sign_public(g->crypto.suite->sign, w->identity->signature_key, signature_key),
            MLS_SIGNATURE_KEY_INVALID);
    if (status == MLS_OK)
        status = write_proposals(g, external, mls_buf_span(&kem_output),
                                 span_of(signature_key, mls_signature_key_len(&g->crypto)), w->rng, &proposals);
    if (status == MLS_OK)
        status = fill_list(mls_buf_span(&proposals), &w->change->proposals);
    w->init_secret = &init;
    if (status == MLS_OK)
        status = mls_commit_make(w);
    /* the list is of bytes that go away here */
    mls_proposals_free(&w->change->proposals);
    w->init_secret = NULL;
    secret_wipe(&init);
    mls_buf_free(&kem_output);
    mls_buf_free(&proposals);
    return status;
}

enum mls_status mls_join_external(struct mls_client *client, const struct mls_identity *identity,
                                  const struct mls_group_options *options, struct span group_info_message,
                                  const struct mls_external_options *external, uint64_t unix_s, struct rng *rng,
                                  struct mls_group **group, struct mls_buf *commit, struct mls_buf *group_info) {
    static const struct mls_external_options none = {0};
    const struct mls_external_options *o = external == NULL ? &none : external;
    struct mls_crypto crypto;
    struct mls_message message;
    struct mls_group *g = NULL;
    if (o->psk_count > MLS_PSKS_MAX)
        return MLS_PSKS_TOO_MANY;
    if (o->authenticated_data.len > MLS_AUTHENTICATED_DATA_LEN_MAX)
        return MLS_TOO_LARGE;
    enum mls_status status = mls_identity_crypto(client->backend, identity, &crypto);
    if (status == MLS_OK)
        status = mls_message_parse(group_info_message, &message);
    if (status == MLS_OK && message.wire_format != MLS_WIRE_GROUP_INFO)
        status = MLS_WIRE_FORMAT_REFUSED;
    if (status == MLS_OK)
        status = mls_group_take_info(client, &crypto, options, &message.group_info, &o->join, unix_s, rng, &g);
    if (status != MLS_OK)
        return status;
    g->state = MLS_STATE_JOINING;
    struct mls_change *c = mls_alloc(sizeof *c);
    struct mls_commit_options what = {
        .frame = {.authenticated_data = o->authenticated_data},
        .group_info = {.external_pub = true, .tree = o->tree_in_group_info},
    };
    struct mls_commit_work w = {
        .group = g,
        .change = c,
        .options = &what,
        .sender = {.type = MLS_SENDER_NEW_MEMBER_COMMIT},
        .identity = identity,
        .unix_s = unix_s,
        .rng = rng,
        .commit = commit,
        .group_info = o->group_info ? group_info : NULL,
    };
    status = c == NULL ? MLS_NO_MEMORY : make_commit(&w, &message.group_info, o);
    if (status != MLS_OK) {
        mls_change_free(c);
        mls_group_free(g);
        return status;
    }
    g->signature_key = *identity->signature_key;
    mls_group_enlist(g);
    *group = g;
    return MLS_OK;
}
