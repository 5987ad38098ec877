/* Groups that come out of groups: reinitialisation and branches (RFC 9420 sections 11.2, 11.3). */
#include "base/assert.h"
#include "e2ee/mls_group.h"

/* Adds of everybody and the PSK that links the new group to the old. */
static enum mls_status write_proposals(const struct mls_group *old, enum mls_psk_usage usage, uint16_t suite,
                                       const struct mls_successor_options *o, struct rng *rng, struct mls_buf *out) {
    enum mls_status status = mls_psk_write_successor(suite, usage, mls_group_id(old), mls_group_epoch(old), rng, out);
    for (size_t i = 0; status == MLS_OK && i < o->key_package_count; i++)
        status = mls_propose_write_add(o->key_packages[i], out);
    return status;
}

/* Makes the group of one, commits once, and enters epoch 1. */
static enum mls_status make(struct mls_group *old, enum mls_psk_usage usage, const struct mls_successor_options *o,
                            struct span group_id, struct span extensions, uint64_t unix_s, struct rng *rng,
                            struct mls_group **group, struct mls_buf *welcome) {
    if (o->key_package_count > MLS_PROPOSALS_MAX - 1)
        return MLS_PROPOSALS_TOO_MANY;
    struct mls_group *g = NULL;
    struct mls_buf proposals, commit;
    mls_buf_init(&proposals, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&commit, MLS_MESSAGE_LEN_MAX);
    size_t start = mls_buf_len(welcome);
    enum mls_status status = write_proposals(old, usage, o->identity->suite, o, rng, &proposals);
    if (status == MLS_OK)
        status = mls_group_create(old->client, o->identity, o->options, group_id, extensions, unix_s, rng, &g);
    struct mls_commit_options what = {
        .proposals = mls_buf_span(&proposals), .pick = MLS_PICK_NONE, .tree_in_welcome = o->tree_in_welcome};
    if (status == MLS_OK)
        status = mls_commit_of(g, &what, true, unix_s, rng, &commit, welcome, NULL);
    if (status == MLS_OK)
        status = mls_commit_confirm(g);
    mls_buf_free(&proposals);
    mls_buf_free(&commit);
    if (status == MLS_OK && !g->options.match_by_application)
        status = usage == MLS_PSK_USAGE_BRANCH ? mls_members_covered(g->tree, old->tree, MLS_WELCOME_BRANCH_MISMATCH)
                                               : mls_members_covered(old->tree, g->tree, MLS_WELCOME_REINIT_MISMATCH);
    status = mls_output_end(welcome, start, status);
    if (status != MLS_OK) {
        mls_group_free(g);
        return status;
    }
    *group = g;
    return MLS_OK;
}

enum mls_status mls_reinit_finish(struct mls_group *old, const struct mls_successor_options *successor, uint64_t unix_s,
                                  struct rng *rng, struct mls_group **group, struct mls_buf *welcome) {
    if (old->state != MLS_STATE_REINIT)
        return MLS_WRONG_STATE;
    struct mls_proposal announced;
    enum mls_status status = mls_proposal_parse(mls_bytes_span(&old->reinit), &announced);
    if (status != MLS_OK)
        return status;
    const struct mls_reinit *r = &announced.reinit;
    if (r->version != MLS_VERSION_10)
        return MLS_VERSION_UNKNOWN;
    if (successor->identity->suite != r->cipher_suite)
        return MLS_WELCOME_REINIT_MISMATCH;
    return make(old, MLS_PSK_USAGE_REINIT, successor, r->group_id, r->extensions.bytes, unix_s, rng, group, welcome);
}

enum mls_status mls_branch(struct mls_group *parent, const struct mls_successor_options *successor,
                           struct span group_id, struct span extensions, uint64_t unix_s, struct rng *rng,
                           struct mls_group **group, struct mls_buf *welcome) {
    enum mls_status status = mls_group_ready(parent);
    if (status != MLS_OK)
        return status;
    if (successor->identity->suite != mls_group_suite(parent))
        return MLS_WELCOME_BRANCH_MISMATCH;
    return make(parent, MLS_PSK_USAGE_BRANCH, successor, group_id, extensions, unix_s, rng, group, welcome);
}
