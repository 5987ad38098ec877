/* mls.h for the host of a WebAssembly module, one export a function (wasm.h). */
#include "base/assert.h"
#include "crypto/host.h"
#include "e2ee/mem.h"
#include "e2ee/mls.h"
#include "wasm/wasm.h"

#define IDENTITY_LEN_MAX (64u << 10)
#define EXTENSION_TYPES_MAX 16

struct identity {
    struct mls_identity mls;
    struct mls_buf credential, extensions;
    struct secret signature_key;
    uint16_t extension_types[EXTENSION_TYPES_MAX];
};

/* Options that a host may choose for a membership; bits of `flags`. */
enum { OPTION_PRIVATE_HANDSHAKE = 1, OPTION_REMOVE_ONLY = 2, OPTION_SEND_WITH_PROPOSALS = 4 };

static struct mls_group_options options_of(uint32_t flags, uint32_t members_max, uint32_t padding_step) {
    return (struct mls_group_options){
        .members_max = members_max,
        .padding_step = padding_step,
        .private_handshake = (flags & OPTION_PRIVATE_HANDSHAKE) != 0,
        .external_proposals = (flags & OPTION_REMOVE_ONLY) != 0 ? MLS_EXTERNAL_ONLY(MLS_PROPOSAL_REMOVE) : 0,
        .send_with_proposals_open = (flags & OPTION_SEND_WITH_PROPOSALS) != 0,
    };
}

/* ---- client ---- */

uint32_t WASM_EXPORT(client_create)(void) {
    struct mls_client *client;
    enum mls_status status = mls_client_create(&crypto_host, &client);
    if (status == MLS_OK)
        wasm_give(client);
    return status;
}

void WASM_EXPORT(client_free)(struct mls_client *client) {
    mls_client_free(client);
}

uint32_t WASM_EXPORT(client_psk)(struct mls_client *client, const uint8_t *id, size_t id_len, const uint8_t *psk,
                                 size_t psk_len) {
    return mls_psk_add(client, span_of(id, id_len), span_of(psk, psk_len));
}

uint32_t WASM_EXPORT(suite_supported)(uint32_t suite) {
    return mls_suite_supported(&crypto_host, (uint16_t)suite);
}

/* Results: private key, public key. */
uint32_t WASM_EXPORT(signature_key)(uint32_t suite) {
    struct rng rng = rng_host();
    struct secret private_key = {0};
    enum mls_status status =
        mls_signature_key_generate(&crypto_host, (uint16_t)suite, &rng, &private_key, wasm_result(1));
    mls_wr_span(wasm_result(0), secret_span(&private_key));
    secret_wipe(&private_key);
    return status;
}

/* `types`: extension types that are understood, 16 bits each. */
uint32_t WASM_EXPORT(identity_create)(uint32_t suite, const uint8_t *name, size_t name_len, const uint8_t *key,
                                      size_t key_len, const uint8_t *extensions, size_t extensions_len,
                                      const uint8_t *types, size_t types_len) {
    struct identity *identity = mls_alloc(sizeof *identity);
    struct reader r = reader_of(types, types_len);
    if (identity == NULL)
        return MLS_NO_MEMORY;
    ASSERT(key_len <= SECRET_LEN_MAX && types_len <= 2 * EXTENSION_TYPES_MAX);
    mls_buf_init(&identity->credential, IDENTITY_LEN_MAX);
    mls_buf_init(&identity->extensions, IDENTITY_LEN_MAX);
    secret_set(&identity->signature_key, span_of(key, key_len));
    mls_wr_span(&identity->extensions, span_of(extensions, extensions_len));
    for (size_t i = 0; i < types_len / 2; i++)
        identity->extension_types[i] = rd_u16(&r);
    enum mls_status status = mls_credential_basic(span_of(name, name_len), &identity->credential);
    identity->mls = (struct mls_identity){
        .suite = (uint16_t)suite,
        .credential = mls_buf_span(&identity->credential),
        .signature_key = &identity->signature_key,
        .extensions = mls_buf_span(&identity->extensions),
        .extension_types = identity->extension_types,
        .extension_type_count = types_len / 2,
    };
    wasm_give(identity);
    return status == MLS_OK ? identity->extensions.status : status;
}

void WASM_EXPORT(identity_free)(struct identity *identity) {
    mls_buf_free(&identity->credential);
    mls_buf_free(&identity->extensions);
    mls_free(identity, sizeof *identity);
}

uint32_t WASM_EXPORT(key_package)(struct mls_client *client, const struct identity *identity, uint64_t unix_s) {
    struct rng rng = rng_host();
    return mls_key_package_create(client, &identity->mls, NULL, unix_s, &rng, wasm_result(0));
}

/* ---- birth ---- */

uint32_t WASM_EXPORT(group_create)(struct mls_client *client, const struct identity *identity, uint32_t flags,
                                   uint32_t members_max, uint32_t padding_step, const uint8_t *id, size_t id_len,
                                   const uint8_t *extensions, size_t extensions_len, uint64_t unix_s) {
    struct rng rng = rng_host();
    struct mls_group_options options = options_of(flags, members_max, padding_step);
    struct mls_group *group = NULL;
    enum mls_status status = mls_group_create(client, &identity->mls, &options, span_of(id, id_len),
                                              span_of(extensions, extensions_len), unix_s, &rng, &group);
    wasm_give(group);
    return status;
}

uint32_t WASM_EXPORT(group_join)(struct mls_client *client, uint32_t flags, uint32_t members_max, uint32_t padding_step,
                                 const uint8_t *welcome, size_t welcome_len, const uint8_t *tree, size_t tree_len,
                                 uint32_t verify_later, uint64_t unix_s) {
    struct rng rng = rng_host();
    struct mls_group_options options = options_of(flags, members_max, padding_step);
    struct mls_join_options join = {.tree = span_of(tree, tree_len), .verify_later = verify_later != 0};
    struct mls_group *group = NULL;
    enum mls_status status = mls_join(client, &options, span_of(welcome, welcome_len), &join, unix_s, &rng, &group);
    wasm_give(group);
    return status;
}

/* `psk` may be empty. Results: commit, GroupInfo of the epoch that it starts. */
uint32_t WASM_EXPORT(group_join_external)(struct mls_client *client, const struct identity *identity, uint32_t flags,
                                          uint32_t members_max, uint32_t padding_step, const uint8_t *info,
                                          size_t info_len, const uint8_t *tree, size_t tree_len, const uint8_t *psk,
                                          size_t psk_len, uint32_t resync, uint32_t verify_later, uint64_t unix_s) {
    struct rng rng = rng_host();
    struct mls_group_options options = options_of(flags, members_max, padding_step);
    const struct span psk_id = span_of(psk, psk_len);
    struct mls_external_options external = {
        .join = {.tree = span_of(tree, tree_len), .verify_later = verify_later != 0},
        .resync = resync != 0,
        .psks = &psk_id,
        .psk_count = psk_len > 0 ? 1 : 0,
        .group_info = true,
    };
    struct mls_group *group = NULL;
    enum mls_status status = mls_join_external(client, &identity->mls, &options, span_of(info, info_len), &external,
                                               unix_s, &rng, &group, wasm_result(0), wasm_result(1));
    wasm_give(group);
    return status;
}

void WASM_EXPORT(group_free)(struct mls_group *group) {
    mls_group_free(group);
}

/* ---- questions ---- */

uint32_t WASM_EXPORT(group_state)(const struct mls_group *group) {
    return mls_group_state(group);
}

uint32_t WASM_EXPORT(group_suite)(const struct mls_group *group) {
    return mls_group_suite(group);
}

uint64_t WASM_EXPORT(group_epoch)(const struct mls_group *group) {
    return mls_group_epoch(group);
}

uint32_t WASM_EXPORT(group_own_leaf)(const struct mls_group *group) {
    return mls_own_leaf(group);
}

uint32_t WASM_EXPORT(group_member_count)(const struct mls_group *group) {
    return mls_member_count(group);
}

/* What to write to result 0. */
enum question { ASK_ID, ASK_CONTEXT, ASK_AUTHENTICATOR, ASK_EXTENSIONS, ASK_TREE_HASH };

uint32_t WASM_EXPORT(group_bytes)(const struct mls_group *group, uint32_t question) {
    struct mls_buf *out = wasm_result(0);
    switch (question) {
    case ASK_ID:
        mls_wr_span(out, mls_group_id(group));
        break;
    case ASK_CONTEXT:
        mls_wr_span(out, mls_group_context(group));
        break;
    case ASK_AUTHENTICATOR:
        mls_wr_span(out, mls_epoch_authenticator(group));
        break;
    case ASK_EXTENSIONS:
        mls_wr_span(out, mls_group_extensions(group));
        break;
    case ASK_TREE_HASH:
        mls_wr_span(out, mls_group_tree_hash(group));
        break;
    default:
        ASSERT(false);
    }
    return out->status;
}

uint32_t WASM_EXPORT(group_tree)(const struct mls_group *group) {
    return mls_group_tree(group, wasm_result(0));
}

uint32_t WASM_EXPORT(group_info)(const struct mls_group *group, uint32_t external_pub, uint32_t tree) {
    struct mls_group_info_options options = {.external_pub = external_pub != 0, .tree = tree != 0};
    return mls_group_info(group, &options, wasm_result(0));
}

static void write_leaf(struct mls_buf *out, const struct mls_leaf_info *leaf) {
    mls_wr_vec(out, leaf->identity);
    mls_wr_vec(out, leaf->signature_key);
    mls_wr_vec(out, leaf->encryption_key);
    mls_wr_vec(out, leaf->extensions);
}

/* Result 0, for each member: uint32 leaf; uint8 verified; identity<V>, signature_key<V>, encryption_key<V>,
 * extensions<V>. */
uint32_t WASM_EXPORT(group_members)(const struct mls_group *group) {
    struct mls_buf *out = wasm_result(0);
    struct mls_member member;
    uint32_t cursor = 0;
    while (mls_member_next(group, &cursor, &member)) {
        mls_wr_u32(out, member.leaf_index);
        mls_wr_u8(out, member.verified);
        write_leaf(out, &member.leaf);
    }
    return out->status;
}

/* `label` ends with a zero byte. */
uint32_t WASM_EXPORT(group_export)(const struct mls_group *group, const char *label, const uint8_t *context,
                                   size_t context_len, size_t len) {
    struct mls_buf *out = wasm_result(0);
    uint8_t *bytes = mls_wr_reserve(out, len);
    return bytes == NULL ? MLS_NO_MEMORY : mls_export(group, label, span_of(context, context_len), bytes, len);
}

/* ---- proposals and commits ---- */

uint32_t WASM_EXPORT(propose_write_add)(const uint8_t *key_package, size_t len) {
    return mls_propose_write_add(span_of(key_package, len), wasm_result(0));
}

uint32_t WASM_EXPORT(propose_write_remove)(uint32_t leaf) {
    return mls_propose_write_remove(leaf, wasm_result(0));
}

uint32_t WASM_EXPORT(propose_write_psk)(uint32_t suite, const uint8_t *id, size_t id_len) {
    struct rng rng = rng_host();
    return mls_propose_write_psk((uint16_t)suite, span_of(id, id_len), &rng, wasm_result(0));
}

uint32_t WASM_EXPORT(propose_write_extensions)(const uint8_t *extensions, size_t len) {
    return mls_propose_write_extensions(span_of(extensions, len), wasm_result(0));
}

uint32_t WASM_EXPORT(group_propose)(struct mls_group *group, const uint8_t *proposal, size_t len, uint64_t unix_s) {
    struct rng rng = rng_host();
    return mls_propose(group, span_of(proposal, len), NULL, unix_s, &rng, wasm_result(0));
}

uint32_t WASM_EXPORT(group_propose_update)(struct mls_group *group, uint64_t unix_s) {
    struct rng rng = rng_host();
    return mls_propose_update(group, NULL, NULL, unix_s, &rng, wasm_result(0));
}

enum { COMMIT_NO_PATH = 1, COMMIT_TREE = 2, COMMIT_PICK_NONE = 4 };

/* Results: commit, Welcome (empty when nobody is added), GroupInfo with external_pub. */
uint32_t WASM_EXPORT(group_commit)(struct mls_group *group, const uint8_t *proposals, size_t len, uint32_t flags,
                                   uint64_t unix_s) {
    struct rng rng = rng_host();
    struct mls_commit_options options = {
        .proposals = span_of(proposals, len),
        .pick = (flags & COMMIT_PICK_NONE) != 0 ? MLS_PICK_NONE : MLS_PICK_ALL,
        .no_path = (flags & COMMIT_NO_PATH) != 0,
        .tree_in_welcome = (flags & COMMIT_TREE) != 0,
        .group_info = {.external_pub = true, .tree = (flags & COMMIT_TREE) != 0},
    };
    return mls_commit(group, &options, unix_s, &rng, wasm_result(0), wasm_result(1), wasm_result(2));
}

uint32_t WASM_EXPORT(group_confirm)(struct mls_group *group) {
    return mls_commit_confirm(group);
}

void WASM_EXPORT(group_drop)(struct mls_group *group) {
    mls_commit_drop(group);
}

/* Result 0: uint8 kind; uint64 epoch; uint8 sender_type; uint32 sender; data<V>; authenticated_data<V>. */
uint32_t WASM_EXPORT(group_process)(struct mls_group *group, const uint8_t *message, size_t len, uint64_t unix_s) {
    struct mls_received received;
    struct mls_buf *out = wasm_result(0);
    enum mls_status status = mls_process(group, span_of(message, len), unix_s, &received);
    if (status != MLS_OK)
        return status;
    mls_wr_u8(out, (uint8_t)received.kind);
    mls_wr_u64(out, received.epoch);
    mls_wr_u8(out, (uint8_t)received.sender_type);
    mls_wr_u32(out, received.sender);
    mls_wr_vec(out, received.application_data);
    mls_wr_vec(out, received.authenticated_data);
    return out->status;
}

/* Result 0, for each proposal of the staged commit: uint16 type; uint8 sender_type; uint32 sender; uint32 leaf; then of
 * the leaf that is added, removed or updated: identity<V>, signature_key<V>, encryption_key<V>, extensions<V>. */
uint32_t WASM_EXPORT(group_staged)(const struct mls_group *group) {
    struct mls_buf *out = wasm_result(0);
    struct mls_proposal_info proposal;
    for (uint32_t i = 0; mls_staged_proposal(group, i, &proposal); i++) {
        mls_wr_u16(out, proposal.type);
        mls_wr_u8(out, (uint8_t)proposal.sender_type);
        mls_wr_u32(out, proposal.sender);
        mls_wr_u32(out, proposal.leaf_index);
        write_leaf(out, &proposal.leaf);
    }
    return out->status;
}

uint32_t WASM_EXPORT(group_apply)(struct mls_group *group) {
    return mls_staged_apply(group);
}

void WASM_EXPORT(group_refuse)(struct mls_group *group) {
    mls_staged_refuse(group);
}

uint32_t WASM_EXPORT(group_protect)(struct mls_group *group, const uint8_t *data, size_t data_len, const uint8_t *aad,
                                    size_t aad_len) {
    struct rng rng = rng_host();
    return mls_protect(group, span_of(data, data_len), span_of(aad, aad_len), &rng, wasm_result(0));
}

/* ---- deferred signatures, for a host that verifies asynchronously ---- */

/* Result 0: uint32 leaf; uint64 ticket; uint8 algorithm; public_key<V>; message<V>; signature<V>. MLS_END at the end.
 */
uint32_t WASM_EXPORT(group_verify_next)(struct mls_group *group) {
    struct mls_check check;
    struct mls_buf *out = wasm_result(0);
    enum mls_status status = mls_verify_next(group, &check);
    if (status != MLS_OK)
        return status;
    mls_wr_u32(out, check.leaf_index);
    mls_wr_u64(out, check.ticket);
    mls_wr_u8(out, (uint8_t)check.algorithm);
    mls_wr_vec(out, check.public_key);
    mls_wr_vec(out, check.message);
    mls_wr_vec(out, check.signature);
    return out->status;
}

/* The verdict on one such check, for a host whose own verifier does not know the algorithm. */
uint32_t WASM_EXPORT(signature_verify)(uint32_t algorithm, const uint8_t *key, size_t key_len, const uint8_t *message,
                                       size_t message_len, const uint8_t *signature, size_t signature_len) {
    ASSERT(algorithm <= SIGN_P521_SHA512);
    return crypto_host.verify((enum sign_algorithm)algorithm, span_of(key, key_len), span_of(message, message_len),
                              span_of(signature, signature_len)) == CRYPTO_OK;
}

void WASM_EXPORT(group_verify_done)(struct mls_group *group, uint64_t ticket, uint32_t good) {
    mls_verify_done(group, ticket, good != 0);
}

uint32_t WASM_EXPORT(group_verify_some)(struct mls_group *group, uint32_t max) {
    return mls_verify_some(group, max);
}

uint32_t WASM_EXPORT(group_verify_left)(const struct mls_group *group) {
    return mls_verify_left(group);
}

/* ---- keeping ---- */

uint32_t WASM_EXPORT(group_seal)(const struct mls_group *group, const uint8_t *key, size_t key_len) {
    struct rng rng = rng_host();
    return mls_group_seal(group, span_of(key, key_len), &rng, wasm_result(0));
}

uint32_t WASM_EXPORT(group_restore)(struct mls_client *client, const uint8_t *key, size_t key_len,
                                    const uint8_t *sealed, size_t sealed_len) {
    struct rng rng = rng_host();
    struct mls_group *group = NULL;
    enum mls_status status =
        mls_group_restore(client, span_of(key, key_len), span_of(sealed, sealed_len), &rng, &group);
    wasm_give(group);
    return status;
}
