/* Making a commit, its Welcome and its GroupInfo (RFC 9420 sections 12.4.1, 12.4.3). */
#include <string.h>

#include "base/assert.h"
#include "e2ee/mls_group.h"

/* What is made on the way, and wiped at the end. */
struct work {
    struct tree_path *path;
    struct mls_buf path_bytes; /* UpdatePath */
    struct secret commit, psk, joiner, member;
    struct mls_list extensions;
    uint8_t tree_hash[HASH_LEN_MAX];
    size_t commit_start, welcome_start, group_info_start; /* in the outputs */
};

/* ---- the path ---- */

/* A new leaf: with keys from the path, content from the identity or the old leaf. */
static enum mls_status sign_leaf(struct mls_commit_work *w, const struct work *k, struct mls_own_leaf *own,
                                 struct mls_buf *out) {
    struct mls_group *g = w->group;
    own->leaf.encryption_key = tree_path_leaf_key(k->path);
    own->leaf.source = MLS_LEAF_COMMIT;
    own->leaf.parent_hash = tree_path_parent_hash(k->path);
    enum mls_status status =
        mls_leaf_node_sign(&g->crypto, &own->leaf, mls_group_id(g), w->leaf, own->signature_key, out);
    struct mls_leaf_node made;
    if (status == MLS_OK)
        status = mls_leaf_node_parse(mls_buf_span(out), &made);
    if (status == MLS_OK)
        status = mls_leaf_node_check(&g->crypto, &made, MLS_LEAF_COMMIT);
    if (status == MLS_OK)
        status = mls_leaf_node_check_group(&made, &k->extensions);
    return status;
}

static enum mls_status make_path(struct mls_commit_work *w, struct work *k) {
    struct mls_group *g = w->group;
    struct span hash = span_of(k->tree_hash, g->crypto.suite->hash_len);
    struct mls_own_leaf own;
    struct mls_buf leaf;
    struct mls_bytes provisional = {0};
    mls_buf_init(&leaf, MLS_MESSAGE_LEN_MAX);
    enum mls_status status = mls_own_leaf_begin(g, w->leaf, w->identity, w->rng, &own);
    if (status == MLS_OK)
        status = tree_path_create(g->tree, w->leaf, w->rng, &k->path);
    if (status == MLS_OK)
        status = sign_leaf(w, k, &own, &leaf);
    if (status == MLS_OK)
        status = tree_path_finish(g->tree, k->path, mls_buf_span(&leaf));
    if (status == MLS_OK)
        status = tree_check(g->tree);
    if (status == MLS_OK)
        status = tree_hash(g->tree, k->tree_hash);
    if (status == MLS_OK)
        status = mls_context_next(g, hash, g->epoch.parsed.confirmed_transcript_hash, &k->extensions, &provisional);
    if (status == MLS_OK)
        status = tree_path_encrypt(g->tree, k->path, mls_bytes_span(&provisional), w->rng, &k->path_bytes);
    if (status == MLS_OK) {
        k->commit = *tree_path_commit_secret(k->path);
        if (w->identity != NULL)
            w->change->signature_key = *w->identity->signature_key;
    }
    mls_bytes_free(&provisional);
    mls_own_leaf_end(&own);
    mls_buf_free(&leaf);
    return status;
}

/* ---- the message ---- */

static void write_commit(const struct mls_proposals *list, const struct work *k, struct mls_buf *out) {
    size_t begin = mls_wr_vec_begin(out);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct mls_entry *e = &list->entries[i];
        if (e->stored != NULL) {
            mls_wr_u8(out, MLS_PROPOSAL_BY_REFERENCE);
            mls_wr_vec(out, mls_hash_span(&e->stored->ref));
        } else {
            mls_wr_u8(out, MLS_PROPOSAL_BY_VALUE);
            mls_wr_span(out, e->proposal->encoding);
        }
    }
    mls_wr_vec_end(out, begin);
    mls_wr_u8(out, k->path != NULL);
    mls_wr_span(out, mls_buf_span(&k->path_bytes));
}

static struct mls_draft_header header_of(const struct mls_commit_work *w) {
    const struct mls_group *g = w->group;
    bool outside = w->sender.type != MLS_SENDER_MEMBER;
    return (struct mls_draft_header){
        .wire_format = !outside && mls_frame_is_private(g, &w->options->frame) ? MLS_WIRE_PRIVATE_MESSAGE
                                                                               : MLS_WIRE_PUBLIC_MESSAGE,
        .group_id = mls_group_id(g),
        .epoch = mls_group_epoch(g),
        .sender = w->sender,
        .authenticated_data = w->options->frame.authenticated_data,
        .content_type = MLS_CONTENT_COMMIT,
    };
}

/* Content, signature, new epoch, tag; then the message of the old epoch's keys. */
static enum mls_status frame(struct mls_commit_work *w, struct work *k) {
    struct mls_group *g = w->group;
    struct mls_change *c = w->change;
    struct mls_draft_header header = header_of(w);
    struct mls_hash tag;
    struct mls_draft d;
    mls_draft_begin(&d, &header);
    write_commit(&c->proposals, k, &d.bytes);
    /* a member signs as the member that it still is; a joiner with the key of the leaf in the path */
    enum mls_status status =
        mls_draft_sign(&d, &g->crypto, mls_bytes_span(&g->epoch.context),
                       w->sender.type == MLS_SENDER_MEMBER ? &g->signature_key : w->identity->signature_key);
    if (status == MLS_OK) {
        struct mls_schedule_inputs in = {.init_secret = w->init_secret,
                                         .commit_secret = &k->commit,
                                         .psk_secret = &k->psk,
                                         .confirmed_input = mls_draft_confirmed_input(&d),
                                         .tree_hash = span_of(k->tree_hash, g->crypto.suite->hash_len),
                                         .extensions = &k->extensions};
        status = mls_change_schedule(g, c, &in, &k->joiner, &k->member);
    }
    if (status == MLS_OK)
        status = mls_confirmation_tag(&g->crypto, &c->epoch.secrets.confirmation_key,
                                      c->epoch.parsed.confirmed_transcript_hash, &tag);
    if (status == MLS_OK)
        status = mls_draft_confirm(&d, mls_hash_span(&tag));
    if (status == MLS_OK) {
        c->epoch.confirmation_tag = tag;
        status = mls_frame_protect(g, &d, w->rng, w->commit);
    }
    if (status == MLS_OK)
        status = w->commit->status;
    if (status == MLS_OK)
        status = mls_message_hash(&g->crypto, w->commit, k->commit_start, &c->message_hash);
    mls_draft_free(&d);
    return status;
}

/* ---- Welcome and GroupInfo ---- */

static const struct secret *new_signature_key(const struct mls_commit_work *w) {
    return w->change->signature_key.len > 0 ? &w->change->signature_key : &w->group->signature_key;
}

static enum mls_status make_group_info(struct mls_commit_work *w, const struct mls_group_info_options *options,
                                       bool bare, struct mls_buf *out) {
    struct mls_group_info_parts parts = {.epoch = &w->change->epoch,
                                         .tree = w->group->tree,
                                         .signer = w->leaf,
                                         .signature_key = new_signature_key(w),
                                         .options = options,
                                         .bare = bare};
    return mls_group_info_make(&w->group->crypto, &parts, out);
}

/* PSK ids of the commit, as GroupSecrets lists them: same set, same order (section 8.4). */
static void write_psk_ids(const struct mls_proposals *list, struct mls_buf *out) {
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->entries[i].proposal->type == MLS_PROPOSAL_PSK)
            mls_wr_span(out, list->entries[i].proposal->psk.encoding);
    }
}

/* One EncryptedGroupSecrets. */
static enum mls_status welcome_one(struct mls_commit_work *w, const struct work *k, const struct mls_entry *e,
                                   struct span psk_ids, struct span group_info, struct mls_buf *out) {
    const struct mls_crypto *c = &w->group->crypto;
    const struct mls_key_package *package = &e->proposal->add;
    struct mls_group_secrets secrets = {.joiner_secret = secret_span(&k->joiner),
                                        .psks = {.bytes = psk_ids, .count = w->change->proposals.psks}};
    if (k->path != NULL) {
        secrets.has_path_secret = true;
        secrets.path_secret = secret_span(tree_path_secret_for(k->path, e->leaf));
    }
    struct mls_hash ref;
    struct mls_buf plain;
    mls_buf_init(&plain, MLS_MESSAGE_LEN_MAX);
    mls_group_secrets_write(&plain, &secrets);
    enum mls_status status = plain.status;
    if (status == MLS_OK)
        status = mls_key_package_ref(c, package->encoding, &ref);
    if (status == MLS_OK) {
        mls_wr_vec(out, mls_hash_span(&ref));
        status = mls_encrypt_with_label(c, package->init_key, "Welcome", group_info, mls_buf_span(&plain), w->rng, out,
                                        MLS_KEY_PACKAGE_INIT_KEY_INVALID);
    }
    mls_buf_free(&plain);
    return status;
}

static enum mls_status seal_group_info(struct mls_commit_work *w, const struct work *k, struct mls_buf *out) {
    struct mls_group_info_options options = {.tree = w->options->tree_in_welcome,
                                             .extensions = w->options->welcome_extensions};
    struct secret welcome = {0};
    struct mls_buf info;
    mls_buf_init(&info, MLS_MESSAGE_LEN_MAX);
    enum mls_status status = make_group_info(w, &options, true, &info);
    if (status == MLS_OK)
        status = mls_welcome_secret(&w->group->crypto, &k->member, &welcome);
    if (status == MLS_OK)
        status = mls_group_info_seal(&w->group->crypto, &welcome, mls_buf_span(&info), out);
    secret_wipe(&welcome);
    mls_buf_free(&info);
    return status;
}

static enum mls_status make_welcome(struct mls_commit_work *w, struct work *k) {
    const struct mls_proposals *list = &w->change->proposals;
    if (list->adds == 0)
        return MLS_OK;
    ASSERT(w->welcome != NULL);
    struct mls_buf sealed, psk_ids;
    mls_buf_init(&sealed, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&psk_ids, MLS_MESSAGE_LEN_MAX);
    write_psk_ids(list, &psk_ids);
    enum mls_status status = psk_ids.status;
    if (status == MLS_OK)
        status = seal_group_info(w, k, &sealed);
    mls_wr_u16(w->welcome, MLS_VERSION_10);
    mls_wr_u16(w->welcome, MLS_WIRE_WELCOME);
    mls_wr_u16(w->welcome, w->group->crypto.suite->id);
    size_t secrets = mls_wr_vec_begin(w->welcome);
    for (uint32_t i = 0; status == MLS_OK && i < list->count; i++) {
        if (list->entries[i].proposal->type == MLS_PROPOSAL_ADD)
            status = welcome_one(w, k, &list->entries[i], mls_buf_span(&psk_ids), mls_buf_span(&sealed), w->welcome);
    }
    mls_wr_vec_end(w->welcome, secrets);
    mls_wr_vec(w->welcome, mls_buf_span(&sealed));
    mls_buf_free(&sealed);
    mls_buf_free(&psk_ids);
    return status != MLS_OK ? status : w->welcome->status;
}

/* ---- all of it ---- */

static enum mls_status note_reinit(struct mls_change *c) {
    return c->proposals.reinit == NULL ? MLS_OK : mls_bytes_copy(c->proposals.reinit->proposal->encoding, &c->reinit);
}

/* With the tree's change open; mls_change_finish closes it. */
static enum mls_status make_with_tree(struct mls_commit_work *w, struct work *k) {
    struct mls_group *g = w->group;
    struct mls_change *c = w->change;
    bool with_path = c->proposals.needs_path || !w->options->no_path || w->identity != NULL;
    enum mls_status status = mls_proposals_apply(g, &c->proposals, &k->extensions);
    if (status == MLS_OK && w->sender.type != MLS_SENDER_MEMBER)
        status = tree_reserve(g->tree, &w->leaf);
    c->committer = w->leaf;
    mls_zero_secret(&g->crypto, &k->commit);
    if (status == MLS_OK)
        status = with_path ? make_path(w, k) : tree_hash(g->tree, k->tree_hash);
    if (status == MLS_OK)
        status = mls_proposals_psk_secret(g, &c->proposals, &k->psk);
    if (status == MLS_OK)
        status = frame(w, k);
    if (status == MLS_OK)
        status = make_welcome(w, k);
    if (status == MLS_OK && w->group_info != NULL)
        status = make_group_info(w, &w->options->group_info, false, w->group_info);
    struct mls_hash tag = c->epoch.confirmation_tag;
    return status != MLS_OK ? status : mls_change_finish(g, c, mls_hash_span(&tag));
}

static enum mls_status cut_outputs(struct mls_commit_work *w, const struct work *k, enum mls_status status) {
    status = mls_output_end(w->commit, k->commit_start, status);
    if (w->welcome != NULL)
        status = mls_output_end(w->welcome, k->welcome_start, status);
    if (w->group_info != NULL)
        status = mls_output_end(w->group_info, k->group_info_start, status);
    return status;
}

enum mls_status mls_commit_make(struct mls_commit_work *w) {
    struct mls_group *g = w->group;
    struct work k = {.commit_start = mls_buf_len(w->commit),
                     .welcome_start = w->welcome == NULL ? 0 : mls_buf_len(w->welcome),
                     .group_info_start = w->group_info == NULL ? 0 : mls_buf_len(w->group_info)};
    mls_buf_init(&k.path_bytes, MLS_MESSAGE_LEN_MAX);
    struct mls_proposals_context x = {.committer = w->sender, .successor = w->successor, .unix_s = w->unix_s};
    enum mls_status status = mls_proposals_check(g, &w->change->proposals, &x);
    if (status == MLS_OK)
        status = note_reinit(w->change);
    if (status == MLS_OK)
        status = tree_begin(g->tree);
    if (status == MLS_OK) {
        status = make_with_tree(w, &k);
        /* an output that ran out of room is a failure, too, and undoes the others */
        status = cut_outputs(w, &k, status);
        if (tree_is_open(g->tree))
            tree_rollback(g->tree);
    }
    tree_path_free(k.path);
    mls_buf_free(&k.path_bytes);
    secure_wipe(&k, sizeof k);
    if (status == MLS_OK)
        g->pending = w->change;
    return status;
}

/* ---- by a member ---- */

/* By-value proposals in front of being put into a list: how many are there, and are they all right? */
static enum mls_status count_values(struct span proposals, uint32_t *count) {
    struct mls_reader r = mls_reader_of(proposals);
    struct mls_proposal p;
    *count = 0;
    while (mls_reader_left(&r) > 0) {
        mls_proposal_read(&r, &p);
        if (++*count > MLS_PROPOSALS_MAX)
            return MLS_PROPOSALS_TOO_MANY;
    }
    return mls_reader_end(&r);
}

static enum mls_status gather(const struct mls_group *g, const struct mls_commit_options *o, bool adds,
                              struct mls_proposals *list) {
    uint32_t values;
    enum mls_status status = count_values(o->proposals, &values);
    if (status != MLS_OK)
        return status;
    uint32_t refs = o->pick == MLS_PICK_LISTED ? (uint32_t)o->ref_count : 0;
    if (o->pick == MLS_PICK_ALL)
        refs = g->stored_count;
    if (o->ref_count > MLS_PROPOSALS_MAX || values + refs > 2 * MLS_PROPOSALS_MAX)
        return MLS_PROPOSALS_TOO_MANY;
    /* with "all", what does not fit is left for the next commit */
    uint32_t room = values + refs > MLS_PROPOSALS_MAX && o->pick == MLS_PICK_ALL ? MLS_PROPOSALS_MAX : values + refs;
    status = mls_proposals_alloc(list, room, values);
    for (uint32_t i = 0; status == MLS_OK && o->pick == MLS_PICK_LISTED && i < refs; i++) {
        const struct mls_stored *stored = mls_group_stored(g, o->refs[i]);
        if (stored == NULL)
            return MLS_PROPOSAL_UNKNOWN_REF;
        mls_proposals_add_stored(list, stored);
    }
    struct mls_sender self = {.type = MLS_SENDER_MEMBER, .index = g->own_leaf};
    struct mls_reader r = mls_reader_of(o->proposals);
    struct mls_proposal p;
    while (status == MLS_OK && mls_reader_left(&r) > 0) {
        mls_proposal_read(&r, &p);
        mls_proposals_add_value(list, &p, self);
    }
    if (status == MLS_OK && o->pick == MLS_PICK_ALL)
        mls_proposals_pick(g, list, adds);
    return status;
}

enum mls_status mls_commit_of(struct mls_group *group, const struct mls_commit_options *options, bool successor,
                              uint64_t unix_s, struct rng *rng, struct mls_buf *commit, struct mls_buf *welcome,
                              struct mls_buf *group_info) {
    static const struct mls_commit_options none = {0};
    enum mls_status status = mls_group_ready(group);
    if (status == MLS_OK && group->pending != NULL)
        status = MLS_COMMIT_PENDING;
    if (status == MLS_OK && group->staged != NULL)
        status = MLS_COMMIT_STAGED;
    if (status != MLS_OK)
        return status;
    struct mls_change *c = mls_alloc(sizeof *c);
    if (c == NULL)
        return MLS_NO_MEMORY;
    struct mls_commit_work w = {
        .group = group,
        .change = c,
        .options = options == NULL ? &none : options,
        .sender = {.type = MLS_SENDER_MEMBER, .index = group->own_leaf},
        .leaf = group->own_leaf,
        .init_secret = &group->epoch.secrets.init,
        .identity = options == NULL ? NULL : options->identity,
        .successor = successor,
        .unix_s = unix_s,
        .rng = rng,
        .commit = commit,
        .welcome = welcome,
        .group_info = group_info,
    };
    status = w.options->frame.authenticated_data.len > MLS_AUTHENTICATED_DATA_LEN_MAX ? MLS_TOO_LARGE : MLS_OK;
    if (status == MLS_OK)
        status = gather(group, w.options, welcome != NULL, &c->proposals);
    if (status == MLS_OK)
        status = mls_commit_make(&w);
    /* the list was of the caller's bytes and of stored proposals that may be forgotten */
    mls_proposals_free(&c->proposals);
    if (status != MLS_OK)
        mls_change_free(c);
    return status;
}

enum mls_status mls_commit(struct mls_group *group, const struct mls_commit_options *options, uint64_t unix_s,
                           struct rng *rng, struct mls_buf *commit, struct mls_buf *welcome,
                           struct mls_buf *group_info) {
    return mls_commit_of(group, options, false, unix_s, rng, commit, welcome, group_info);
}
