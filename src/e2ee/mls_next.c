/* What can be told of the epoch that a commit starts, before it stands. */
#include "base/assert.h"
#include "e2ee/mls_group.h"

/* The commit that waits: one of others goes before our own, which it would drop. An external commit of ours is pending
 * while the group is joining. */
static enum mls_status next_of(const struct mls_group *g, const struct mls_change **out) {
    if (g->state != MLS_STATE_ACTIVE && g->state != MLS_STATE_JOINING)
        return mls_group_ready(g);
    *out = g->staged != NULL ? g->staged : g->pending;
    if (*out == NULL)
        return MLS_NOTHING_STAGED;
    return (*out)->removes_us ? MLS_GROUP_LEFT : MLS_OK;
}

enum mls_status mls_next_export(const struct mls_group *group, const char *label, struct span context, uint8_t *out,
                                size_t out_len) {
    const struct mls_change *c = NULL;
    enum mls_status status = next_of(group, &c);
    if (status != MLS_OK)
        return status;
    return mls_exporter(&group->crypto, &c->epoch.secrets.exporter, label, context, out, out_len);
}

enum mls_status mls_next_external_pub(const struct mls_group *group, struct mls_buf *out) {
    const struct mls_change *c = NULL;
    struct secret private_key = {0};
    size_t start = mls_buf_len(out);
    enum mls_status status = next_of(group, &c);
    if (status != MLS_OK)
        return status;
    uint8_t *public_key = mls_wr_reserve(out, mls_public_key_len(&group->crypto));
    status = public_key == NULL
                 ? out->status
                 : mls_external_key_pair(&group->crypto, &c->epoch.secrets.external, &private_key, public_key);
    secret_wipe(&private_key);
    return mls_output_end(out, start, status);
}

enum mls_status mls_next_context(const struct mls_group *group, struct span *out) {
    const struct mls_change *c = NULL;
    enum mls_status status = next_of(group, &c);
    *out = status == MLS_OK ? mls_bytes_span(&c->epoch.context) : span_of(NULL, 0);
    return status;
}

enum mls_status mls_next_group_info(struct mls_group *group, const struct mls_group_info_options *options,
                                    struct mls_buf *out) {
    static const struct mls_group_info_options none = {0};
    const struct mls_change *waiting = NULL;
    size_t start = mls_buf_len(out);
    enum mls_status status = next_of(group, &waiting);
    if (status != MLS_OK)
        return status;
    struct mls_change *c = waiting == group->staged ? group->staged : group->pending;
    bool ours = c == group->pending;
    struct mls_group_info_parts parts = {
        .epoch = &c->epoch,
        .tree = group->tree,
        .signer = ours ? c->committer : group->own_leaf,
        .signature_key = c->signature_key.len > 0 ? &c->signature_key : &group->signature_key,
        .options = options == NULL ? &none : options,
    };
    tree_attach(group->tree, c->tree); /* in and out again: neither fails */
    status = mls_group_info_make(&group->crypto, &parts, out);
    c->tree = tree_detach(group->tree);
    return mls_output_end(out, start, status);
}
