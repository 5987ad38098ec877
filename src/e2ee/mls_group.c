/* A group's life and what can be asked of it. */
#include <string.h>

#include "base/assert.h"
#include "e2ee/mls_group.h"

/* ---- memory ---- */

void mls_epoch_free(struct mls_epoch *e) {
    mls_bytes_free(&e->context);
    mls_epoch_secrets_wipe(&e->secrets);
    mls_secret_tree_free(&e->messages);
    secure_wipe(e, sizeof *e);
}

void mls_past_free(struct mls_past *past) {
    if (past == NULL)
        return;
    mls_bytes_free(&past->context);
    mls_secret_tree_free(&past->messages);
    mls_free(past->changed, past->changed_room * sizeof *past->changed);
    mls_bytes_free(&past->keys);
    mls_free(past, sizeof *past);
}

enum mls_status mls_group_alloc(struct mls_client *client, const struct mls_crypto *crypto,
                                const struct mls_group_options *options, struct mls_group **out) {
    struct mls_group *g = mls_alloc(sizeof *g);
    if (g == NULL)
        return MLS_NO_MEMORY;
    g->client = client;
    g->info_signer = TREE_NONE;
    g->crypto = *crypto;
    if (options != NULL)
        g->options = *options;
    ASSERT(g->options.members_max <= MLS_MEMBERS_MAX && g->options.past_epochs <= MLS_PAST_EPOCHS_MAX);
    ASSERT(g->options.padding_step <= MLS_PADDING_STEP_MAX);
    ASSERT(g->options.resumption_epochs <= MLS_RESUMPTION_EPOCHS_MAX);
    if (g->options.members_max == 0)
        g->options.members_max = MLS_MEMBERS_MAX;
    if (!g->options.no_past_epochs)
        g->past_max = g->options.past_epochs == 0 ? MLS_PAST_EPOCHS_DEFAULT : g->options.past_epochs;
    g->resumption_max =
        g->options.resumption_epochs == 0 ? MLS_RESUMPTION_EPOCHS_DEFAULT : g->options.resumption_epochs;
    g->resumption = mls_alloc(g->resumption_max * sizeof *g->resumption);
    if (g->resumption == NULL) {
        mls_free(g, sizeof *g);
        return MLS_NO_MEMORY;
    }
    mls_buf_init(&g->received, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&g->check, MLS_MESSAGE_LEN_MAX);
    *out = g;
    return MLS_OK;
}

void mls_group_enlist(struct mls_group *g) {
    g->next = g->client->groups;
    g->client->groups = g;
    g->client->group_count++;
}

static void unlist(struct mls_group *g) {
    struct mls_group **link = &g->client->groups;
    while (*link != NULL && *link != g)
        link = &(*link)->next;
    if (*link == NULL)
        return; /* it failed before it was in */
    *link = g->next;
    g->client->group_count--;
}

/* Everything but the epoch's context, which still tells the group's name. */
static void wipe_secrets(struct mls_group *g) {
    mls_change_free(g->pending);
    mls_change_free(g->staged);
    g->pending = g->staged = NULL;
    mls_group_forget_proposals(g);
    while (g->past_count > 0)
        mls_past_free(g->past[--g->past_count]);
    secure_wipe(g->resumption, g->resumption_max * sizeof *g->resumption);
    g->resumption_count = 0;
    mls_epoch_secrets_wipe(&g->epoch.secrets);
    mls_secret_tree_free(&g->epoch.messages);
    tree_free(g->tree);
    g->tree = NULL;
    secret_wipe(&g->signature_key);
    mls_buf_free(&g->received);
    mls_buf_free(&g->check);
}

void mls_group_free(struct mls_group *group) {
    if (group == NULL)
        return;
    unlist(group);
    wipe_secrets(group);
    mls_free(group->stored, group->stored_room * sizeof(struct mls_stored *));
    mls_epoch_free(&group->epoch);
    mls_bytes_free(&group->reinit);
    mls_free(group->resumption, group->resumption_max * sizeof *group->resumption);
    mls_bytes_free(&group->info_extensions);
    mls_free(group, sizeof *group);
}

void mls_group_break(struct mls_group *g, enum mls_status why) {
    wipe_secrets(g);
    g->state = MLS_STATE_BROKEN;
    g->broken_by = why;
}

/* ---- creation ---- */

/* The creator's leaf, as a key package would have it (section 11: a leaf node with key and credential). */
static enum mls_status first_leaf(struct mls_group *g, const struct mls_identity *identity,
                                  const struct mls_list *extensions, uint64_t unix_s, struct rng *rng) {
    struct mls_buf storage, bytes;
    mls_buf_init(&storage, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&bytes, MLS_MESSAGE_LEN_MAX);
    uint8_t public_key[KEM_PUBLIC_LEN_MAX];
    struct secret private_key = {0};
    struct mls_leaf_node leaf, made;
    uint32_t index = 0;
    enum mls_status status = mls_identity_leaf(&g->crypto, identity, NULL, rng, &storage, &leaf);
    if (status == MLS_OK)
        status = mls_kem_generate(&g->crypto, rng, &private_key, public_key);
    if (status == MLS_OK) {
        leaf.encryption_key = span_of(public_key, mls_public_key_len(&g->crypto));
        leaf.source = MLS_LEAF_KEY_PACKAGE;
        mls_leaf_set_lifetime(NULL, unix_s, &leaf);
        status = mls_leaf_node_sign(&g->crypto, &leaf, span_of(NULL, 0), 0, identity->signature_key, &bytes);
    }
    if (status == MLS_OK)
        status = mls_leaf_node_parse(mls_buf_span(&bytes), &made);
    if (status == MLS_OK)
        status = mls_leaf_node_check(&g->crypto, &made, MLS_LEAF_KEY_PACKAGE);
    if (status == MLS_OK)
        status = mls_leaf_node_check_group(&made, extensions);
    if (status == MLS_OK)
        status = tree_begin(g->tree);
    if (status == MLS_OK) {
        status = tree_add(g->tree, mls_buf_span(&bytes), &index);
        if (status == MLS_OK)
            status = tree_set_own(g->tree, index, &private_key);
        if (status == MLS_OK)
            status = tree_check(g->tree);
        if (status == MLS_OK)
            tree_keep(g->tree);
        else
            tree_rollback(g->tree);
    }
    g->own_leaf = index;
    secret_wipe(&private_key);
    mls_buf_free(&storage);
    mls_buf_free(&bytes);
    return status;
}

/* Section 11: the context of epoch 0, a random epoch secret, the first tag and hash. */
static enum mls_status first_epoch(struct mls_group *g, struct span group_id, const struct mls_list *extensions,
                                   struct rng *rng) {
    uint8_t tree_hash_bytes[HASH_LEN_MAX];
    enum mls_status status = tree_hash(g->tree, tree_hash_bytes);
    if (status != MLS_OK)
        return status;
    struct mls_group_context context = {
        .version = MLS_VERSION_10,
        .cipher_suite = g->crypto.suite->id,
        .group_id = group_id,
        .tree_hash = span_of(tree_hash_bytes, g->crypto.suite->hash_len),
        .extensions = *extensions,
    };
    struct mls_buf bytes;
    mls_buf_init(&bytes, MLS_MESSAGE_LEN_MAX);
    mls_group_context_write(&bytes, &context);
    status = bytes.status;
    if (status == MLS_OK)
        status = mls_epoch_take_context(&g->epoch, mls_buf_span(&bytes));
    mls_buf_free(&bytes);
    struct secret epoch_secret = {0};
    mls_random_secret(&g->crypto, rng, &epoch_secret);
    struct mls_epoch *e = &g->epoch;
    if (status == MLS_OK)
        status = mls_epoch_expand(&g->crypto, &epoch_secret, &e->secrets);
    secret_wipe(&epoch_secret);
    struct span confirmed = e->parsed.confirmed_transcript_hash;
    if (status == MLS_OK)
        status = mls_confirmation_tag(&g->crypto, &e->secrets.confirmation_key, confirmed, &e->confirmation_tag);
    if (status == MLS_OK)
        status = mls_interim_transcript_hash(&g->crypto, confirmed, mls_hash_span(&e->confirmation_tag), &e->interim);
    if (status == MLS_OK)
        status = mls_secret_tree_init(&e->messages, &g->crypto, &e->secrets.encryption, tree_leaf_count(g->tree));
    return status;
}

enum mls_status mls_group_create(struct mls_client *client, const struct mls_identity *identity,
                                 const struct mls_group_options *options, struct span group_id, struct span extensions,
                                 uint64_t unix_s, struct rng *rng, struct mls_group **group) {
    struct mls_crypto crypto;
    struct mls_list list;
    struct mls_group *g = NULL;
    if (group_id.len > MLS_GROUP_ID_LEN_MAX)
        return MLS_FIELD_TOO_LONG;
    if (mls_client_group(client, group_id) != NULL)
        return MLS_GROUP_ID_IN_USE;
    enum mls_status status = mls_identity_crypto(client->backend, identity, &crypto);
    if (status == MLS_OK)
        status = mls_extension_list_of(extensions, &list);
    if (status == MLS_OK)
        status = mls_context_extensions_check(&list);
    if (status == MLS_OK)
        status = mls_group_alloc(client, &crypto, options, &g);
    if (status != MLS_OK)
        return status;
    status = tree_create(&crypto, g->options.members_max, rng, &g->tree);
    if (status == MLS_OK)
        status = first_leaf(g, identity, &list, unix_s, rng);
    if (status == MLS_OK)
        status = first_epoch(g, group_id, &list, rng);
    if (status != MLS_OK) {
        mls_group_free(g);
        return status;
    }
    g->signature_key = *identity->signature_key;
    mls_group_keep_resumption(g);
    mls_group_enlist(g);
    *group = g;
    return MLS_OK;
}

enum mls_status mls_epoch_take_context(struct mls_epoch *e, struct span encoded) {
    struct mls_bytes copy;
    enum mls_status status = mls_bytes_copy(encoded, &copy);
    if (status == MLS_OK)
        status = mls_group_context_parse(mls_bytes_span(&copy), &e->parsed);
    if (status != MLS_OK) {
        mls_bytes_free(&copy);
        e->parsed = (struct mls_group_context){0};
        return status;
    }
    e->context = copy;
    return MLS_OK;
}

/* ---- resumption PSKs ---- */

void mls_group_keep_resumption(struct mls_group *g) {
    struct mls_resumption *r = g->resumption;
    if (g->resumption_count == g->resumption_max)
        secret_wipe(&r[--g->resumption_count].psk);
    memmove(&r[1], &r[0], g->resumption_count * sizeof r[0]);
    r[0].epoch = g->epoch.parsed.epoch;
    r[0].psk = g->epoch.secrets.resumption_psk;
    g->resumption_count++;
}

const struct secret *mls_group_resumption(const struct mls_group *g, uint64_t epoch) {
    for (uint32_t i = 0; i < g->resumption_count; i++) {
        if (g->resumption[i].epoch == epoch)
            return &g->resumption[i].psk;
    }
    return NULL;
}

/* ---- questions ---- */

enum mls_status mls_group_ready(const struct mls_group *g) {
    switch (g->state) {
    case MLS_STATE_ACTIVE:
        return MLS_OK;
    case MLS_STATE_JOINING:
        return MLS_GROUP_JOINING;
    case MLS_STATE_REMOVED:
        return MLS_GROUP_LEFT;
    case MLS_STATE_REINIT:
        return MLS_GROUP_ENDED;
    case MLS_STATE_BROKEN:
        return MLS_GROUP_BROKEN;
    }
    return MLS_WRONG_STATE;
}

enum mls_group_state mls_group_state(const struct mls_group *group) {
    return group->state;
}

enum mls_status mls_group_broken_by(const struct mls_group *group) {
    return group->broken_by;
}

uint16_t mls_group_suite(const struct mls_group *group) {
    return group->crypto.suite->id;
}

uint64_t mls_group_epoch(const struct mls_group *group) {
    return group->epoch.parsed.epoch;
}

struct span mls_group_id(const struct mls_group *group) {
    return group->epoch.parsed.group_id;
}

struct mls_list mls_group_extension_list(const struct mls_group *g) {
    return g->epoch.parsed.extensions;
}

struct span mls_group_extensions(const struct mls_group *group) {
    return group->epoch.parsed.extensions.bytes;
}

bool mls_group_extension(const struct mls_group *group, uint16_t type, struct span *data) {
    return mls_extensions_find(&group->epoch.parsed.extensions, type, data);
}

struct span mls_group_context(const struct mls_group *group) {
    return mls_bytes_span(&group->epoch.context);
}

struct span mls_group_tree_hash(const struct mls_group *group) {
    return group->epoch.parsed.tree_hash;
}

struct span mls_group_transcript_hash(const struct mls_group *group) {
    return group->epoch.parsed.confirmed_transcript_hash;
}

static bool has_secrets(const struct mls_group *g) {
    return g->state == MLS_STATE_ACTIVE || g->state == MLS_STATE_REINIT;
}

struct span mls_epoch_authenticator(const struct mls_group *group) {
    return has_secrets(group) ? secret_span(&group->epoch.secrets.epoch_authenticator) : span_of(NULL, 0);
}

uint32_t mls_group_info_signer(const struct mls_group *group) {
    return group->info_signer;
}

struct span mls_group_info_extensions(const struct mls_group *group) {
    return mls_bytes_span(&group->info_extensions);
}

uint32_t mls_own_leaf(const struct mls_group *group) {
    return group->own_leaf;
}

enum mls_status mls_export(const struct mls_group *group, const char *label, struct span context, uint8_t *out,
                           size_t out_len) {
    if (!has_secrets(group))
        return mls_group_ready(group);
    return mls_exporter(&group->crypto, &group->epoch.secrets.exporter, label, context, out, out_len);
}

uint32_t mls_member_count(const struct mls_group *group) {
    return group->tree == NULL ? 0 : tree_member_count(group->tree);
}

bool mls_member_at(const struct mls_group *group, uint32_t leaf_index, struct mls_member *member) {
    const struct mls_leaf_node *leaf = group->tree == NULL ? NULL : tree_leaf(group->tree, leaf_index);
    if (leaf == NULL)
        return false;
    member->leaf_index = leaf_index;
    member->verified = tree_is_verified(group->tree, leaf_index);
    mls_leaf_info_of(leaf, &member->leaf);
    return true;
}

bool mls_member_next(const struct mls_group *group, uint32_t *cursor, struct mls_member *member) {
    uint32_t leaf = group->tree == NULL ? TREE_NONE : tree_next_member(group->tree, *cursor);
    if (leaf == TREE_NONE)
        return false;
    *cursor = leaf + 1;
    return mls_member_at(group, leaf, member);
}

struct span mls_group_sender_key(const struct mls_group *g, uint32_t past_index, uint32_t leaf) {
    for (uint32_t i = past_index; past_index != MLS_PRESENT && i != UINT32_MAX; i--) {
        const struct mls_past *past = g->past[i];
        for (uint32_t k = 0; k < past->changed_count; k++) {
            if (past->changed[k].leaf == leaf)
                return past->changed[k].key;
        }
    }
    const struct mls_leaf_node *node = g->tree == NULL ? NULL : tree_leaf(g->tree, leaf);
    return node == NULL ? span_of(NULL, 0) : node->signature_key;
}

enum mls_status mls_group_tree(const struct mls_group *group, struct mls_buf *out) {
    if (group->tree == NULL)
        return mls_group_ready(group);
    size_t start = mls_buf_len(out);
    return mls_output_end(out, start, tree_write(group->tree, out));
}

/* ---- GroupInfo ---- */

static enum mls_status info_extensions(const struct mls_crypto *c, const struct mls_group_info_parts *parts,
                                       struct mls_buf *out) {
    enum mls_status status = MLS_OK;
    if (parts->options->tree) {
        mls_wr_u16(out, MLS_EXTENSION_RATCHET_TREE);
        size_t data = mls_wr_vec_begin(out);
        status = tree_write(parts->tree, out);
        mls_wr_vec_end(out, data);
    }
    if (status == MLS_OK && parts->options->external_pub) {
        struct secret private_key = {0};
        uint8_t public_key[KEM_PUBLIC_LEN_MAX];
        status = mls_external_key_pair(c, &parts->epoch->secrets.external, &private_key, public_key);
        secret_wipe(&private_key);
        if (status == MLS_OK) {
            mls_wr_u16(out, MLS_EXTENSION_EXTERNAL_PUB);
            size_t data = mls_wr_vec_begin(out);
            mls_external_pub_write(out, span_of(public_key, mls_public_key_len(c)));
            mls_wr_vec_end(out, data);
        }
    }
    mls_wr_span(out, parts->options->extensions);
    return status != MLS_OK ? status : out->status;
}

enum mls_status mls_group_info_make(const struct mls_crypto *c, const struct mls_group_info_parts *parts,
                                    struct mls_buf *out) {
    struct mls_buf extensions;
    mls_buf_init(&extensions, MLS_TREE_LEN_MAX + MLS_MESSAGE_LEN_MAX);
    struct mls_group_info info = {
        .group_context = parts->epoch->parsed,
        .confirmation_tag = mls_hash_span(&parts->epoch->confirmation_tag),
        .signer = parts->signer,
    };
    enum mls_status status = info_extensions(c, parts, &extensions);
    if (status == MLS_OK)
        status = mls_extension_list_of(mls_buf_span(&extensions), &info.extensions);
    size_t start = mls_buf_len(out);
    if (status == MLS_OK) {
        if (!parts->bare) {
            mls_wr_u16(out, MLS_VERSION_10);
            mls_wr_u16(out, MLS_WIRE_GROUP_INFO);
        }
        status = mls_group_info_sign(c, &info, parts->signature_key, out);
    }
    mls_buf_free(&extensions);
    return mls_output_end(out, start, status);
}

enum mls_status mls_group_info(const struct mls_group *group, const struct mls_group_info_options *options,
                               struct mls_buf *out) {
    enum mls_status status = mls_group_ready(group);
    if (status != MLS_OK)
        return status;
    struct mls_group_info_options none = {0};
    struct mls_group_info_parts parts = {.epoch = &group->epoch,
                                         .tree = group->tree,
                                         .signer = group->own_leaf,
                                         .signature_key = &group->signature_key,
                                         .options = options == NULL ? &none : options};
    return mls_group_info_make(&group->crypto, &parts, out);
}

/* ---- leaf signatures checked later ---- */

enum mls_status mls_verify_next(struct mls_group *group, struct mls_check *check) {
    if (group->tree == NULL)
        return MLS_END;
    struct tree_verify_job job;
    enum mls_status status =
        tree_verify_next(group->tree, mls_group_id(group), &group->check_cursor, &group->check, &job);
    if (status != MLS_OK)
        return status;
    if (job.leaf == TREE_NONE)
        return MLS_END;
    if (!sign_signature_good(group->crypto.suite->sign, job.signature)) { /* whoever verifies may be laxer */
        mls_verify_done(group, job.ticket, false);
        return MLS_LEAF_SIGNATURE_INVALID;
    }
    *check = (struct mls_check){
        .leaf_index = job.leaf,
        .ticket = job.ticket,
        .algorithm = group->crypto.suite->sign,
        .public_key = job.public_key,
        .message = job.message,
        .signature = job.signature,
    };
    return MLS_OK;
}

void mls_verify_done(struct mls_group *group, uint64_t ticket, bool good) {
    if (group->tree == NULL)
        return;
    enum mls_status status = tree_verify_done(group->tree, ticket, good);
    if (status != MLS_OK)
        mls_group_break(group, status);
}

enum mls_status mls_verify_some(struct mls_group *group, uint32_t max) {
    for (uint32_t i = 0; i < max; i++) {
        struct mls_check check;
        enum mls_status status = mls_verify_next(group, &check);
        if (status == MLS_END)
            break;
        if (status != MLS_OK)
            return status;
        enum crypto_status good =
            group->crypto.backend->verify(check.algorithm, check.public_key, check.message, check.signature);
        if (good != CRYPTO_OK && good != CRYPTO_INVALID) {
            tree_verify_give_back(group->tree, check.ticket);
            group->check_cursor = check.leaf_index;
            return mls_status_of_crypto(good, MLS_CRYPTO_FAILED);
        }
        mls_verify_done(group, check.ticket, good == CRYPTO_OK);
        if (group->state == MLS_STATE_BROKEN)
            return group->broken_by;
    }
    return MLS_OK;
}

uint32_t mls_verify_left(const struct mls_group *group) {
    return group->tree == NULL ? 0 : tree_unverified_count(group->tree);
}
