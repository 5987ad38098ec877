/* Identities: credentials, leaves made from them, key packages (RFC 9420 sections 5.3, 7.2, 10). */
#include <string.h>

#include "base/assert.h"
#include "e2ee/mls_group.h"

/* ---- small writers ---- */

enum mls_status mls_credential_basic(struct span identity, struct mls_buf *out) {
    if (identity.len > MLS_CREDENTIAL_LEN_MAX)
        return MLS_TOO_LARGE;
    size_t start = mls_buf_len(out);
    struct mls_credential credential = {.type = MLS_CREDENTIAL_BASIC, .identity = identity};
    mls_credential_write(out, &credential);
    return mls_output_end(out, start, MLS_OK);
}

enum mls_status mls_credential_x509(struct span certificates, struct mls_buf *out) {
    size_t start = mls_buf_len(out);
    mls_wr_u16(out, MLS_CREDENTIAL_X509);
    mls_wr_vec(out, certificates);
    if (!mls_buf_ok(out))
        return mls_output_end(out, start, MLS_OK);
    struct span made = mls_buf_span(out);
    struct mls_reader r = mls_reader_of(span_of(made.data + start, made.len - start));
    struct mls_credential check;
    mls_credential_read(&r, &check);
    return mls_output_end(out, start, mls_reader_end(&r));
}

enum mls_status mls_extension_write(uint16_t type, struct span data, struct mls_buf *out) {
    size_t start = mls_buf_len(out);
    mls_extensions_add(out, type, data);
    return mls_output_end(out, start, MLS_OK);
}

enum mls_status mls_external_sender_write(struct span signature_public, struct span credential, struct mls_buf *out) {
    struct mls_reader r = mls_reader_of(credential);
    struct mls_external_sender sender = {.signature_key = signature_public};
    mls_credential_read(&r, &sender.credential);
    enum mls_status status = mls_reader_end(&r);
    if (status != MLS_OK)
        return status;
    size_t start = mls_buf_len(out);
    mls_external_senders_add(out, &sender);
    return mls_output_end(out, start, MLS_OK);
}

enum mls_status mls_extension_write_external_senders(struct span senders, struct mls_buf *out) {
    size_t start = mls_buf_len(out);
    mls_wr_u16(out, MLS_EXTENSION_EXTERNAL_SENDERS);
    size_t data = mls_wr_vec_begin(out);
    mls_wr_vec(out, senders);
    mls_wr_vec_end(out, data);
    if (!mls_buf_ok(out))
        return mls_output_end(out, start, MLS_OK);
    /* read back: a list that nobody can read must not get into a group */
    struct span made = mls_buf_span(out);
    struct mls_reader r = mls_reader_of(span_of(made.data + start, made.len - start));
    struct mls_extension extension;
    struct mls_list list;
    enum mls_status status = MLS_EXTENSION_MALFORMED;
    if (mls_extensions_next(&r, &extension))
        status = mls_external_senders_parse(extension.data, &list);
    return mls_output_end(out, start, status);
}

static void write_types(struct mls_buf *out, const uint16_t *types, size_t count) {
    size_t begin = mls_wr_vec_begin(out);
    for (size_t i = 0; i < count; i++)
        mls_wr_u16(out, types[i]);
    mls_wr_vec_end(out, begin);
}

enum mls_status mls_extension_write_required(const uint16_t *extension_types, size_t extension_type_count,
                                             const uint16_t *proposal_types, size_t proposal_type_count,
                                             const uint16_t *credential_types, size_t credential_type_count,
                                             struct mls_buf *out) {
    if (extension_type_count > MLS_CAPABILITIES_MAX || proposal_type_count > MLS_CAPABILITIES_MAX ||
        credential_type_count > MLS_CAPABILITIES_MAX)
        return MLS_CAPABILITIES_TOO_MANY;
    size_t start = mls_buf_len(out);
    mls_wr_u16(out, MLS_EXTENSION_REQUIRED_CAPABILITIES);
    size_t data = mls_wr_vec_begin(out);
    write_types(out, extension_types, extension_type_count);
    write_types(out, proposal_types, proposal_type_count);
    write_types(out, credential_types, credential_type_count);
    mls_wr_vec_end(out, data);
    return mls_output_end(out, start, MLS_OK);
}

enum mls_status mls_extension_list_of(struct span extensions, struct mls_list *out) {
    *out = (struct mls_list){.bytes = extensions};
    if (extensions.len == 0)
        return MLS_OK;
    /* the reader of lists wants the vector's length in front: read the entries as it does */
    uint16_t seen[MLS_EXTENSIONS_MAX];
    struct mls_reader r = mls_reader_of(extensions);
    while (mls_reader_left(&r) > 0) {
        uint16_t type = mls_rd_u16(&r);
        mls_rd_vec(&r, MLS_MESSAGE_LEN_MAX, MLS_TOO_LARGE);
        if (!mls_reader_ok(&r))
            break;
        if (out->count == MLS_EXTENSIONS_MAX)
            return MLS_EXTENSIONS_TOO_MANY;
        for (uint32_t i = 0; i < out->count; i++) {
            if (seen[i] == type)
                return MLS_EXTENSION_DUPLICATE;
        }
        seen[out->count++] = type;
    }
    return mls_reader_end(&r);
}

bool mls_extension_find(struct span extensions, uint16_t type, struct span *data) {
    struct mls_list list;
    if (mls_extension_list_of(extensions, &list) != MLS_OK)
        return false;
    return mls_extensions_find(&list, type, data);
}

bool mls_suite_supported(const struct crypto_backend *crypto, uint16_t suite) {
    struct mls_crypto c;
    return mls_crypto_of(crypto, suite, &c) == MLS_OK;
}

enum mls_status mls_signature_key_generate(const struct crypto_backend *crypto, uint16_t suite, struct rng *rng,
                                           struct secret *private_key, struct mls_buf *public_key) {
    struct mls_crypto c;
    enum mls_status status = mls_crypto_of(crypto, suite, &c);
    if (status != MLS_OK)
        return status;
    uint8_t public_bytes[SIGN_PUBLIC_LEN_MAX];
    status = mls_signature_generate(&c, rng, private_key, public_bytes);
    if (status != MLS_OK)
        return status;
    size_t start = mls_buf_len(public_key);
    mls_wr_span(public_key, span_of(public_bytes, mls_signature_key_len(&c)));
    status = mls_output_end(public_key, start, MLS_OK);
    if (status != MLS_OK)
        secret_wipe(private_key);
    return status;
}

/* ---- leaves ---- */

enum mls_status mls_identity_crypto(const struct crypto_backend *backend, const struct mls_identity *identity,
                                    struct mls_crypto *out) {
    ASSERT(identity->signature_key != NULL);
    enum mls_status status = mls_crypto_of(backend, identity->suite, out);
    if (status != MLS_OK)
        return status;
    if (identity->signature_key->len != sign_private_len(out->suite->sign))
        return MLS_SIGNATURE_KEY_INVALID;
    if (identity->extension_type_count > MLS_CAPABILITIES_MAX / 2 ||
        identity->proposal_type_count > MLS_CAPABILITIES_MAX / 2 ||
        identity->credential_type_count > MLS_CAPABILITIES_MAX / 2)
        return MLS_CAPABILITIES_TOO_MANY;
    return MLS_OK;
}

/* The reserved values are 0x0a0a, 0x1a1a .. 0xeaea (section 13.5). */
static uint16_t grease(struct rng *rng) {
    return (uint16_t)(0x0a0a + 0x1010 * rng_below(rng, 15));
}

static bool written(const struct mls_buf *b, size_t start, uint16_t type) {
    struct span all = mls_buf_span(b);
    return all.len > start && mls_u16s_have(span_of(all.data + start, all.len - start), type);
}

static void write_type_once(struct mls_buf *b, size_t start, uint16_t type) {
    if (!written(b, start, type))
        mls_wr_u16(b, type);
}

static void write_extension_types(struct mls_buf *b, size_t start, const struct mls_list *extensions) {
    struct mls_reader it = mls_reader_of(extensions->bytes);
    struct mls_extension extension;
    while (mls_extensions_next(&it, &extension)) {
        if (!mls_extension_is_default(extension.type))
            write_type_once(b, start, extension.type);
    }
}

/* The five lists go one after the other into `storage`, after the signature key; `at` tells where each begins. */
static void write_capabilities(const struct mls_crypto *c, const struct mls_identity *identity,
                               const struct mls_leaf_node *leaf, const struct mls_list *package_extensions,
                               struct rng *rng, struct mls_buf *storage, size_t at[6]) {
    at[0] = mls_buf_len(storage);
    mls_wr_u16(storage, MLS_VERSION_10);
    at[1] = mls_buf_len(storage);
    mls_wr_u16(storage, c->suite->id);
    for (size_t i = 0; mls_suite_at(i) != NULL; i++) {
        struct mls_crypto other;
        if (mls_crypto_of(c->backend, mls_suite_at(i)->id, &other) == MLS_OK)
            write_type_once(storage, at[1], other.suite->id);
    }
    if (!identity->no_grease)
        mls_wr_u16(storage, grease(rng));
    at[2] = mls_buf_len(storage);
    for (size_t i = 0; i < identity->extension_type_count; i++) {
        if (!mls_extension_is_default(identity->extension_types[i]))
            write_type_once(storage, at[2], identity->extension_types[i]);
    }
    write_extension_types(storage, at[2], &leaf->extensions);
    if (package_extensions != NULL)
        write_extension_types(storage, at[2], package_extensions);
    if (!identity->no_grease)
        write_type_once(storage, at[2], grease(rng));
    at[3] = mls_buf_len(storage);
    for (size_t i = 0; i < identity->proposal_type_count; i++)
        write_type_once(storage, at[3], identity->proposal_types[i]);
    if (!identity->no_grease)
        write_type_once(storage, at[3], grease(rng));
    at[4] = mls_buf_len(storage);
    mls_wr_u16(storage, leaf->credential.type);
    for (size_t i = 0; i < identity->credential_type_count; i++)
        write_type_once(storage, at[4], identity->credential_types[i]);
    if (!identity->no_grease)
        write_type_once(storage, at[4], grease(rng));
    at[5] = mls_buf_len(storage);
}

enum mls_status mls_identity_leaf(const struct mls_crypto *c, const struct mls_identity *identity,
                                  const struct mls_list *package_extensions, struct rng *rng, struct mls_buf *storage,
                                  struct mls_leaf_node *leaf) {
    *leaf = (struct mls_leaf_node){0};
    struct mls_reader r = mls_reader_of(identity->credential);
    mls_credential_read(&r, &leaf->credential);
    enum mls_status status = mls_reader_end(&r);
    if (status == MLS_OK)
        status = mls_extension_list_of(identity->extensions, &leaf->extensions);
    if (status != MLS_OK)
        return status;
    size_t key_len = mls_signature_key_len(c);
    uint8_t *key = mls_wr_reserve(storage, key_len);
    if (key == NULL)
        return storage->status;
    status = mls_status_of_crypto(c->backend->sign_public(c->suite->sign, identity->signature_key, key),
                                  MLS_SIGNATURE_KEY_INVALID);
    if (status != MLS_OK)
        return status;
    size_t at[6];
    write_capabilities(c, identity, leaf, package_extensions, rng, storage, at);
    if (!mls_buf_ok(storage))
        return storage->status;
    const uint8_t *base = mls_buf_span(storage).data;
    leaf->signature_key = span_of(base, key_len);
    leaf->capabilities = (struct mls_capabilities){
        .versions = span_of(base + at[0], at[1] - at[0]),
        .cipher_suites = span_of(base + at[1], at[2] - at[1]),
        .extensions = span_of(base + at[2], at[3] - at[2]),
        .proposals = span_of(base + at[3], at[4] - at[3]),
        .credentials = span_of(base + at[4], at[5] - at[4]),
    };
    return MLS_OK;
}

void mls_leaf_info_of(const struct mls_leaf_node *leaf, struct mls_leaf_info *out) {
    *out = (struct mls_leaf_info){
        .credential_type = leaf->credential.type,
        .credential = leaf->credential.encoding,
        .identity = leaf->credential.type == MLS_CREDENTIAL_BASIC ? leaf->credential.identity
                                                                  : leaf->credential.certificates.bytes,
        .signature_key = leaf->signature_key,
        .encryption_key = leaf->encryption_key,
        .extensions = leaf->extensions.bytes,
        .source = (enum mls_leaf_source)leaf->source,
    };
    if (leaf->source == MLS_LEAF_KEY_PACKAGE) {
        out->not_before_s = leaf->not_before;
        out->not_after_s = leaf->not_after;
    }
}

enum mls_status mls_leaf_check_times(const struct mls_leaf_node *leaf, uint64_t unix_s) {
    if (unix_s == 0)
        return MLS_OK;
    enum mls_status status = mls_leaf_node_check_lifetime(leaf, unix_s);
    return status != MLS_OK ? status : mls_leaf_node_check_lifetime_max(leaf, MLS_LIFETIME_MAX_S);
}

/* ---- key packages ---- */

enum mls_status mls_key_package_of(struct span message_or_bare, struct mls_key_package *out) {
    /* both begin with the version; then a message has the wire format 5, and a key package its suite. Suite 5 and a
     * message cannot be told apart by that alone, so the whole is tried as a message first. */
    struct mls_message message;
    enum mls_status status = mls_message_parse(message_or_bare, &message);
    if (status == MLS_OK && message.wire_format == MLS_WIRE_KEY_PACKAGE) {
        *out = message.key_package;
        return MLS_OK;
    }
    enum mls_status bare = mls_key_package_parse(message_or_bare, out);
    if (bare == MLS_OK)
        return MLS_OK;
    return status != MLS_OK && message_or_bare.len >= 4 && message_or_bare.data[3] == MLS_WIRE_KEY_PACKAGE ? status
                                                                                                           : bare;
}

static enum mls_status package_of(const struct mls_crypto *c, struct span bytes, struct mls_package **out) {
    struct mls_package *package = mls_alloc(sizeof *package);
    if (package == NULL)
        return MLS_NO_MEMORY;
    package->crypto = *c;
    enum mls_status status = mls_bytes_copy(bytes, &package->bytes);
    if (status == MLS_OK)
        status = mls_key_package_ref(c, bytes, &package->ref);
    if (status != MLS_OK) {
        mls_package_free(package);
        return status;
    }
    *out = package;
    return MLS_OK;
}

void mls_leaf_set_lifetime(const struct mls_key_package_options *options, uint64_t unix_s, struct mls_leaf_node *leaf) {
    if (options != NULL && (options->not_before_s != 0 || options->not_after_s != 0)) {
        leaf->not_before = options->not_before_s;
        leaf->not_after = options->not_after_s;
        return;
    }
    if (unix_s == 0) {
        leaf->not_before = 0;
        leaf->not_after = UINT64_MAX;
        return;
    }
    leaf->not_before = unix_s > MLS_LIFETIME_SLACK_S ? unix_s - MLS_LIFETIME_SLACK_S : 0;
    leaf->not_after = unix_s + MLS_LIFETIME_DEFAULT_S;
}

/* Keys of a new key package and the signed structure; `keys` has room for both public keys. */
static enum mls_status sign_package(const struct mls_crypto *c, const struct mls_identity *identity,
                                    const struct mls_key_package_options *options, uint64_t unix_s, struct rng *rng,
                                    struct secret *init, struct secret *encryption, struct mls_buf *out) {
    struct mls_buf storage, leaf_bytes;
    mls_buf_init(&storage, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&leaf_bytes, MLS_MESSAGE_LEN_MAX);
    uint8_t init_public[KEM_PUBLIC_LEN_MAX], encryption_public[KEM_PUBLIC_LEN_MAX];
    struct mls_key_package x = {.version = MLS_VERSION_10, .cipher_suite = c->suite->id};
    struct mls_leaf_node leaf;
    enum mls_status status =
        mls_extension_list_of(options == NULL ? span_of(NULL, 0) : options->extensions, &x.extensions);
    if (status == MLS_OK)
        status = mls_identity_leaf(c, identity, &x.extensions, rng, &storage, &leaf);
    if (status == MLS_OK)
        status = mls_kem_generate(c, rng, init, init_public);
    if (status == MLS_OK)
        status = mls_kem_generate(c, rng, encryption, encryption_public);
    if (status == MLS_OK) {
        leaf.encryption_key = span_of(encryption_public, mls_public_key_len(c));
        leaf.source = MLS_LEAF_KEY_PACKAGE;
        mls_leaf_set_lifetime(options, unix_s, &leaf);
        status = mls_leaf_node_sign(c, &leaf, span_of(NULL, 0), 0, identity->signature_key, &leaf_bytes);
    }
    if (status == MLS_OK)
        status = mls_leaf_node_parse(mls_buf_span(&leaf_bytes), &x.leaf_node);
    if (status == MLS_OK) {
        x.init_key = span_of(init_public, mls_public_key_len(c));
        status = mls_key_package_sign(c, &x, identity->signature_key, out);
    }
    mls_buf_free(&storage);
    mls_buf_free(&leaf_bytes);
    return status;
}

enum mls_status mls_key_package_create(struct mls_client *client, const struct mls_identity *identity,
                                       const struct mls_key_package_options *options, uint64_t unix_s, struct rng *rng,
                                       struct mls_buf *message) {
    struct mls_crypto c;
    enum mls_status status = mls_identity_crypto(client->backend, identity, &c);
    if (status != MLS_OK)
        return status;
    if (client->package_count >= MLS_KEY_PACKAGES_MAX)
        return MLS_KEY_PACKAGES_TOO_MANY;
    size_t start = mls_buf_len(message);
    mls_wr_u16(message, MLS_VERSION_10);
    mls_wr_u16(message, MLS_WIRE_KEY_PACKAGE);
    size_t body = mls_buf_len(message);
    struct secret init = {0}, encryption = {0};
    struct mls_package *package = NULL;
    status = sign_package(&c, identity, options, unix_s, rng, &init, &encryption, message);
    if (status == MLS_OK)
        status = message->status;
    if (status == MLS_OK) {
        struct span all = mls_buf_span(message);
        struct span bytes = span_of(all.data + body, all.len - body);
        /* what nobody would accept is not published: a lifetime that is over, an extension list that is too long */
        struct mls_key_package parsed;
        status = mls_key_package_parse(bytes, &parsed);
        if (status == MLS_OK)
            status = mls_key_package_validate(&c, &parsed);
        if (status == MLS_OK)
            status = mls_leaf_check_times(&parsed.leaf_node, unix_s);
        if (status == MLS_OK)
            status = package_of(&c, bytes, &package);
    }
    if (status == MLS_OK) {
        package->init_key = init;
        package->encryption_key = encryption;
        package->signature_key = *identity->signature_key;
        package->keep = options != NULL && options->keep;
        status = mls_client_add_package(client, package);
        ASSERT(status == MLS_OK);
    }
    secret_wipe(&init);
    secret_wipe(&encryption);
    return mls_output_end(message, start, status);
}

/* Whether a KEM private key is that of the public key. */
static enum mls_status check_pair(const struct mls_crypto *c, const struct secret *private_key,
                                  struct span public_key) {
    uint8_t computed[KEM_PUBLIC_LEN_MAX];
    if (private_key->len != kem_private_len(c->suite->hpke.kem))
        return MLS_PRIVATE_KEY_MISMATCH;
    enum mls_status status = mls_status_of_crypto(kem_public(c->backend, c->suite->hpke.kem, private_key, computed),
                                                  MLS_PRIVATE_KEY_MISMATCH);
    if (status == MLS_OK && !span_equal(public_key, span_of(computed, mls_public_key_len(c))))
        status = MLS_PRIVATE_KEY_MISMATCH;
    return status;
}

static enum mls_status check_signature_pair(const struct mls_crypto *c, const struct secret *private_key,
                                            struct span public_key) {
    uint8_t computed[SIGN_PUBLIC_LEN_MAX];
    if (private_key->len != sign_private_len(c->suite->sign))
        return MLS_PRIVATE_KEY_MISMATCH;
    enum mls_status status =
        mls_status_of_crypto(c->backend->sign_public(c->suite->sign, private_key, computed), MLS_PRIVATE_KEY_MISMATCH);
    if (status == MLS_OK && !span_equal(public_key, span_of(computed, mls_signature_key_len(c))))
        status = MLS_PRIVATE_KEY_MISMATCH;
    return status;
}

/* Private keys of other implementations may have leading zeros left out (scalars) or an RFC 8032 seed followed by the
 * public key; only the plain form is taken. */
static bool take_private(struct span from, struct secret *out) {
    if (from.len == 0 || from.len > SECRET_LEN_MAX)
        return false;
    secret_set(out, from);
    return true;
}

enum mls_status mls_key_package_import(struct mls_client *client, struct span message, struct span init_private,
                                       struct span encryption_private, struct span signature_private, bool keep) {
    struct mls_key_package x;
    struct mls_crypto c;
    enum mls_status status = mls_key_package_of(message, &x);
    if (status == MLS_OK)
        status = mls_crypto_of(client->backend, x.cipher_suite, &c);
    if (status == MLS_OK)
        status = mls_key_package_validate(&c, &x);
    if (status != MLS_OK)
        return status;
    struct mls_package *package;
    status = package_of(&c, x.encoding, &package);
    if (status != MLS_OK)
        return status;
    if (!take_private(init_private, &package->init_key) ||
        !take_private(encryption_private, &package->encryption_key) ||
        !take_private(signature_private, &package->signature_key))
        status = MLS_PRIVATE_KEY_MISMATCH;
    if (status == MLS_OK)
        status = check_pair(&c, &package->init_key, x.init_key);
    if (status == MLS_OK)
        status = check_pair(&c, &package->encryption_key, x.leaf_node.encryption_key);
    if (status == MLS_OK)
        status = check_signature_pair(&c, &package->signature_key, x.leaf_node.signature_key);
    package->keep = keep;
    if (status == MLS_OK)
        status = mls_client_add_package(client, package);
    if (status != MLS_OK)
        mls_package_free(package);
    return status;
}

enum mls_status mls_key_package_check(const struct crypto_backend *crypto, struct span message, uint64_t unix_s,
                                      struct mls_key_package_info *info) {
    struct mls_key_package x;
    struct mls_crypto c;
    struct mls_hash ref;
    enum mls_status status = mls_key_package_of(message, &x);
    if (status == MLS_OK)
        status = mls_crypto_of(crypto, x.cipher_suite, &c);
    if (status == MLS_OK)
        status = mls_key_package_validate(&c, &x);
    if (status == MLS_OK)
        status = mls_leaf_check_times(&x.leaf_node, unix_s);
    if (status == MLS_OK)
        status = mls_key_package_ref(&c, x.encoding, &ref);
    if (status != MLS_OK)
        return status;
    *info =
        (struct mls_key_package_info){.suite = x.cipher_suite, .extensions = x.extensions.bytes, .ref_len = ref.len};
    mls_leaf_info_of(&x.leaf_node, &info->leaf);
    memcpy(info->ref, ref.bytes, ref.len);
    return MLS_OK;
}

/* ---- our own next leaf ---- */

enum mls_status mls_own_leaf_begin(const struct mls_group *g, uint32_t leaf, const struct mls_identity *identity,
                                   struct rng *rng, struct mls_own_leaf *out) {
    *out = (struct mls_own_leaf){.signature_key = &g->signature_key};
    mls_buf_init(&out->storage, MLS_MESSAGE_LEN_MAX);
    if (identity != NULL) {
        struct mls_crypto c;
        enum mls_status status = mls_identity_crypto(g->client->backend, identity, &c);
        if (status == MLS_OK && c.suite != g->crypto.suite)
            status = MLS_IDENTITY_SUITE;
        out->signature_key = identity->signature_key;
        return status != MLS_OK ? status
                                : mls_identity_leaf(&g->crypto, identity, NULL, rng, &out->storage, &out->leaf);
    }
    /* a copy: the tree's own goes when the leaf changes */
    ASSERT(tree_leaf(g->tree, leaf) != NULL);
    mls_wr_span(&out->storage, tree_leaf_encoding(g->tree, leaf));
    if (!mls_buf_ok(&out->storage))
        return out->storage.status;
    return mls_leaf_node_parse(mls_buf_span(&out->storage), &out->leaf);
}

void mls_own_leaf_end(struct mls_own_leaf *work) {
    mls_buf_free(&work->storage);
}
