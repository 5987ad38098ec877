/* Joining by Welcome (RFC 9420 section 12.4.3.1), and handing Welcomes out. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "e2ee/mls_group.h"

/* ---- a tree that came from elsewhere ---- */

static enum mls_status info_tree(const struct mls_group_info *info, struct span apart, struct span *out) {
    *out = apart;
    if (apart.len == 0 && !mls_extensions_find(&info->extensions, MLS_EXTENSION_RATCHET_TREE, out))
        return MLS_WELCOME_TREE_MISSING;
    return MLS_OK;
}

static enum mls_status take_tree(struct mls_group *g, struct span encoded, uint64_t unix_s, struct rng *rng) {
    enum mls_status status = tree_read(&g->crypto, g->options.members_max, rng, encoded, &g->tree);
    uint8_t hash[HASH_LEN_MAX];
    if (status == MLS_OK)
        status = tree_hash(g->tree, hash);
    if (status == MLS_OK && !span_equal(span_of(hash, g->crypto.suite->hash_len), g->epoch.parsed.tree_hash))
        status = MLS_TREE_HASH_WRONG;
    if (status == MLS_OK)
        status = tree_validate(g->tree);
    if (status != MLS_OK)
        return status;
    for (uint32_t l = tree_next_member(g->tree, 0); l != TREE_NONE; l = tree_next_member(g->tree, l + 1)) {
        const struct mls_leaf_node *leaf = tree_leaf(g->tree, l);
        status = mls_leaf_node_check(&g->crypto, leaf, 0);
        if (status == MLS_OK)
            status = mls_leaf_check_times(leaf, unix_s);
        if (status == MLS_OK)
            status = mls_leaf_node_check_group(leaf, &g->epoch.parsed.extensions);
        if (status != MLS_OK)
            return status;
    }
    return MLS_OK;
}

static enum mls_status check_signer(struct mls_group *g, const struct mls_group_info *info) {
    const struct mls_leaf_node *signer = tree_leaf(g->tree, info->signer);
    if (signer == NULL)
        return MLS_GROUP_INFO_SIGNER_BLANK;
    enum mls_status status = mls_group_info_verify(&g->crypto, info, signer->signature_key);
    if (status == MLS_OK)
        status = mls_leaf_node_verify(&g->crypto, signer, mls_group_id(g), info->signer);
    if (status == MLS_OK)
        tree_set_verified(g->tree, info->signer);
    g->info_signer = info->signer;
    return status == MLS_OK ? mls_bytes_copy(info->extensions.bytes, &g->info_extensions) : status;
}

enum mls_status mls_group_take_info(struct mls_client *client, const struct mls_crypto *crypto,
                                    const struct mls_group_options *options, const struct mls_group_info *info,
                                    const struct mls_join_options *join, uint64_t unix_s, struct rng *rng,
                                    struct mls_group **out) {
    struct mls_join_options none = {0};
    if (info->group_context.cipher_suite != crypto->suite->id)
        return MLS_WELCOME_SUITE;
    if (mls_client_group(client, info->group_context.group_id) != NULL)
        return MLS_GROUP_ID_IN_USE;
    struct mls_group *g = NULL;
    struct span tree;
    enum mls_status status = info_tree(info, (join == NULL ? &none : join)->tree, &tree);
    if (status == MLS_OK)
        status = mls_context_extensions_check(&info->group_context.extensions);
    if (status == MLS_OK && info->confirmation_tag.len != crypto->suite->hash_len)
        status = MLS_CONFIRMATION_TAG_INVALID;
    if (status == MLS_OK)
        status = mls_group_alloc(client, crypto, options, &g);
    if (status != MLS_OK)
        return status;
    status = mls_epoch_take_context(&g->epoch, info->group_context.encoding);
    if (status == MLS_OK)
        status = take_tree(g, tree, unix_s, rng);
    if (status == MLS_OK)
        status = check_signer(g, info);
    struct mls_epoch *e = &g->epoch;
    e->confirmation_tag.len = (uint8_t)info->confirmation_tag.len;
    memcpy(e->confirmation_tag.bytes, info->confirmation_tag.data, info->confirmation_tag.len);
    if (status == MLS_OK)
        status = mls_interim_transcript_hash(&g->crypto, e->parsed.confirmed_transcript_hash, info->confirmation_tag,
                                             &e->interim);
    if (status == MLS_OK && (join == NULL || !join->verify_later))
        status = mls_verify_some(g, UINT32_MAX);
    if (status != MLS_OK) {
        mls_group_free(g);
        return status;
    }
    *out = g;
    return MLS_OK;
}

/* ---- the Welcome's secrets ---- */

/* What a Welcome says to one key package. Spans into `plain` and `info_bytes`. */
struct opened {
    struct mls_package *package;
    struct mls_buf plain, info_bytes;
    struct mls_group_secrets secrets;
    struct mls_group_info info;
    struct secret member; /* of the key schedule */
    bool has_link;        /* a reinit or branch PSK */
    struct mls_psk_id link;
};

static void close_welcome(struct opened *o) {
    mls_buf_free(&o->plain);
    mls_buf_free(&o->info_bytes);
    secure_wipe(o, sizeof *o);
}

static enum mls_status find_entry(const struct mls_client *client, const struct mls_welcome *welcome,
                                  struct mls_encrypted_group_secrets *entry, struct mls_package **package) {
    enum mls_status status = MLS_WELCOME_NOT_FOR_US;
    struct mls_reader it = mls_reader_of(welcome->secrets.bytes);
    while (mls_encrypted_group_secrets_next(&it, entry)) {
        *package = mls_client_package(client, entry->new_member);
        if (*package == NULL)
            continue;
        if ((*package)->crypto.suite->id == welcome->cipher_suite)
            return MLS_OK;
        status = MLS_WELCOME_SUITE;
    }
    return status;
}

/* PSKs of the Welcome, in its order (section 8.4); at most one may be of a reinitialisation or branch. */
static enum mls_status welcome_psks(const struct mls_client *client, const struct mls_crypto *c, struct opened *o,
                                    struct secret *psk_secret) {
    mls_zero_secret(c, psk_secret);
    struct mls_reader it = mls_reader_of(o->secrets.psks.bytes);
    struct mls_psk_id id;
    enum mls_status status = MLS_OK;
    for (uint16_t i = 0; status == MLS_OK && mls_psk_id_next(&it, &id); i++) {
        if (id.nonce.len != c->suite->hash_len)
            return MLS_PSK_NONCE_LENGTH;
        if (id.type == MLS_PSK_RESUMPTION && id.usage != MLS_PSK_USAGE_APPLICATION) {
            if (o->has_link)
                return MLS_WELCOME_PSKS_MIXED;
            o->has_link = true;
            o->link = id;
        }
        struct span psk;
        status = mls_psk_find(client, &id, &psk);
        if (status == MLS_OK)
            status = mls_psk_secret_add(c, psk_secret, id.encoding, psk, i, (uint16_t)o->secrets.psks.count);
    }
    return status;
}

static enum mls_status open_info(const struct mls_client *client, const struct mls_welcome *welcome, struct opened *o) {
    const struct mls_crypto *c = &o->package->crypto;
    struct secret joiner = {0}, psk = {0}, welcome_secret = {0};
    if (o->secrets.joiner_secret.len != c->suite->hash_len ||
        (o->secrets.has_path_secret && o->secrets.path_secret.len != c->suite->hash_len))
        return MLS_WELCOME_SECRETS_INVALID;
    secret_set(&joiner, o->secrets.joiner_secret);
    enum mls_status status = welcome_psks(client, c, o, &psk);
    if (status == MLS_OK)
        status = mls_member_secret(c, &joiner, &psk, &o->member);
    if (status == MLS_OK)
        status = mls_welcome_secret(c, &o->member, &welcome_secret);
    if (status == MLS_OK)
        status = mls_group_info_open(c, &welcome_secret, welcome->encrypted_group_info, &o->info_bytes);
    if (status == MLS_OK)
        status = mls_group_info_parse(mls_buf_span(&o->info_bytes), &o->info);
    secret_wipe(&joiner);
    secret_wipe(&psk);
    secret_wipe(&welcome_secret);
    return status;
}

static enum mls_status open_welcome(const struct mls_client *client, const struct mls_welcome *welcome,
                                    struct opened *o) {
    struct mls_encrypted_group_secrets entry;
    enum mls_status status = find_entry(client, welcome, &entry, &o->package);
    if (status != MLS_OK)
        return status;
    struct mls_key_package own;
    status = mls_key_package_parse(mls_bytes_span(&o->package->bytes), &own);
    if (status == MLS_OK)
        status = mls_decrypt_with_label(&o->package->crypto, &o->package->init_key, own.init_key, "Welcome",
                                        welcome->encrypted_group_info, entry.encrypted.kem_output,
                                        entry.encrypted.ciphertext, &o->plain, MLS_WELCOME_SECRETS_INVALID);
    if (status == MLS_OK)
        status = mls_group_secrets_parse(mls_buf_span(&o->plain), &o->secrets);
    return status != MLS_OK ? status : open_info(client, welcome, o);
}

/* ---- successors of other groups ---- */

static int compare_spans(const void *a, const void *b) {
    const struct span *x = a, *y = b;
    size_t len = x->len < y->len ? x->len : y->len;
    int order = len == 0 ? 0 : memcmp(x->data, y->data, len);
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

enum mls_status mls_members_covered(const struct tree *smaller, const struct tree *larger, enum mls_status mismatch) {
    uint32_t count = tree_member_count(larger), n = 0;
    if (count == 0)
        return mismatch;
    struct span *known = mls_alloc(count * sizeof *known);
    if (known == NULL)
        return MLS_NO_MEMORY;
    for (uint32_t l = tree_next_member(larger, 0); l != TREE_NONE; l = tree_next_member(larger, l + 1))
        known[n++] = tree_leaf(larger, l)->credential.encoding;
    qsort(known, n, sizeof *known, compare_spans);
    enum mls_status status = MLS_OK;
    for (uint32_t l = tree_next_member(smaller, 0); status == MLS_OK && l != TREE_NONE;
         l = tree_next_member(smaller, l + 1)) {
        struct span wanted = tree_leaf(smaller, l)->credential.encoding;
        if (bsearch(&wanted, known, n, sizeof *known, compare_spans) == NULL)
            status = mismatch;
    }
    mls_free(known, count * sizeof *known);
    return status;
}

/* Section 11.2: what was announced is what we are invited to. */
static enum mls_status check_reinit(const struct mls_group *old, const struct mls_group *g) {
    struct mls_proposal announced;
    if (old->state != MLS_STATE_REINIT || mls_proposal_parse(mls_bytes_span(&old->reinit), &announced) != MLS_OK)
        return MLS_WELCOME_REINIT_MISMATCH;
    const struct mls_reinit *r = &announced.reinit;
    const struct mls_group_context *context = &g->epoch.parsed;
    if (r->version != context->version || r->cipher_suite != context->cipher_suite ||
        !span_equal(r->group_id, context->group_id) || !span_equal(r->extensions.bytes, context->extensions.bytes))
        return MLS_WELCOME_REINIT_MISMATCH;
    return g->options.match_by_application ? MLS_OK
                                           : mls_members_covered(old->tree, g->tree, MLS_WELCOME_REINIT_MISMATCH);
}

static enum mls_status check_branch(const struct mls_group *parent, const struct mls_group *g) {
    const struct mls_group_context *a = &parent->epoch.parsed, *b = &g->epoch.parsed;
    if (a->version != b->version || a->cipher_suite != b->cipher_suite || parent->tree == NULL)
        return MLS_WELCOME_BRANCH_MISMATCH;
    return g->options.match_by_application ? MLS_OK
                                           : mls_members_covered(g->tree, parent->tree, MLS_WELCOME_BRANCH_MISMATCH);
}

static enum mls_status check_link(const struct mls_group *g, const struct opened *o) {
    if (!o->has_link)
        return MLS_OK;
    if (g->epoch.parsed.epoch != 1)
        return MLS_WELCOME_EPOCH;
    /* it is open: its PSK was found */
    const struct mls_group *origin = mls_client_group(g->client, o->link.id);
    ASSERT(origin != NULL);
    if (o->link.usage == MLS_PSK_USAGE_BRANCH)
        return check_branch(origin, g);
    if (o->link.epoch != mls_group_epoch(origin))
        return MLS_WELCOME_REINIT_MISMATCH;
    return check_reinit(origin, g);
}

/* ---- joining ---- */

static enum mls_status take_own_leaf(struct mls_group *g, const struct opened *o) {
    struct mls_key_package own;
    enum mls_status status = mls_key_package_parse(mls_bytes_span(&o->package->bytes), &own);
    if (status != MLS_OK)
        return status;
    uint32_t leaf = tree_find_signature_key(g->tree, own.leaf_node.signature_key);
    if (leaf == TREE_NONE || !span_equal(tree_leaf_encoding(g->tree, leaf), own.leaf_node.encoding))
        return MLS_WELCOME_NOT_IN_TREE;
    tree_set_verified(g->tree, leaf); /* we made it */
    status = tree_set_own(g->tree, leaf, &o->package->encryption_key);
    if (status == MLS_OK && o->secrets.has_path_secret) {
        struct secret path = {0};
        secret_set(&path, o->secrets.path_secret);
        status = tree_join_path(g->tree, o->info.signer, &path);
        secret_wipe(&path);
    }
    g->own_leaf = leaf;
    g->signature_key = o->package->signature_key;
    return status;
}

static enum mls_status enter_first(struct mls_group *g, const struct opened *o) {
    struct mls_epoch *e = &g->epoch;
    enum mls_status status = mls_epoch_derive(&g->crypto, &o->member, mls_bytes_span(&e->context), &e->secrets);
    if (status == MLS_OK)
        status = mls_confirmation_tag_check(&g->crypto, &e->secrets.confirmation_key,
                                            e->parsed.confirmed_transcript_hash, mls_hash_span(&e->confirmation_tag));
    if (status == MLS_OK)
        status = mls_secret_tree_init(&e->messages, &g->crypto, &e->secrets.encryption, tree_leaf_count(g->tree));
    return status;
}

enum mls_status mls_join(struct mls_client *client, const struct mls_group_options *options, struct span welcome,
                         const struct mls_join_options *join, uint64_t unix_s, struct rng *rng,
                         struct mls_group **group) {
    struct mls_message message;
    enum mls_status status = mls_message_parse(welcome, &message);
    if (status == MLS_OK && message.wire_format != MLS_WIRE_WELCOME)
        status = MLS_WIRE_FORMAT_REFUSED;
    if (status != MLS_OK)
        return status;
    struct opened o = {0};
    mls_buf_init(&o.plain, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&o.info_bytes, MLS_MESSAGE_LEN_MAX);
    struct mls_group *g = NULL;
    status = open_welcome(client, &message.welcome, &o);
    if (status == MLS_OK)
        status = mls_group_take_info(client, &o.package->crypto, options, &o.info, join, unix_s, rng, &g);
    if (status == MLS_OK)
        status = take_own_leaf(g, &o);
    if (status == MLS_OK)
        status = check_link(g, &o);
    if (status == MLS_OK)
        status = enter_first(g, &o);
    if (status == MLS_OK) {
        mls_group_keep_resumption(g);
        mls_group_enlist(g);
        if (!o.package->keep)
            mls_client_remove_package(client, o.package);
        *group = g;
    } else {
        mls_group_free(g);
    }
    close_welcome(&o);
    return status;
}

/* ---- for relays ---- */

static enum mls_status read_welcome(struct span bytes, struct mls_welcome *out) {
    struct mls_message message;
    enum mls_status status = mls_message_parse(bytes, &message);
    if (status == MLS_OK && message.wire_format != MLS_WIRE_WELCOME)
        status = MLS_WIRE_FORMAT_REFUSED;
    if (status == MLS_OK)
        *out = message.welcome;
    return status;
}

enum mls_status mls_welcome_ref(struct span welcome, uint32_t index, struct span *ref) {
    struct mls_welcome x;
    struct mls_encrypted_group_secrets entry;
    enum mls_status status = read_welcome(welcome, &x);
    if (status != MLS_OK)
        return status;
    struct mls_reader it = mls_reader_of(x.secrets.bytes);
    for (uint32_t i = 0; mls_encrypted_group_secrets_next(&it, &entry); i++) {
        if (i == index) {
            *ref = entry.new_member;
            return MLS_OK;
        }
    }
    return MLS_END;
}

enum mls_status mls_welcome_for(struct span welcome, struct span ref, struct mls_buf *out) {
    struct mls_welcome x;
    struct mls_encrypted_group_secrets entry;
    enum mls_status status = read_welcome(welcome, &x);
    if (status != MLS_OK)
        return status;
    struct mls_reader it = mls_reader_of(x.secrets.bytes);
    while (mls_encrypted_group_secrets_next(&it, &entry)) {
        if (!span_equal(entry.new_member, ref))
            continue;
        size_t start = mls_buf_len(out);
        mls_wr_u16(out, MLS_VERSION_10);
        mls_wr_u16(out, MLS_WIRE_WELCOME);
        mls_wr_u16(out, x.cipher_suite);
        size_t secrets = mls_wr_vec_begin(out);
        mls_encrypted_group_secrets_write(out, &entry);
        mls_wr_vec_end(out, secrets);
        mls_wr_vec(out, x.encrypted_group_info);
        return mls_output_end(out, start, MLS_OK);
    }
    return MLS_WELCOME_NOT_FOR_US;
}
