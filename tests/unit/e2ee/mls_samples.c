#include "mls_samples.h"

#include "base/assert.h"

void samples_make(struct samples *s, uint16_t suite) {
    *s = (struct samples){.rng = rng_seeded(suite)};
    ASSERT(mls_crypto_of(&crypto_openssl, suite, &s->c) == MLS_OK);
    ASSERT(mls_signature_generate(&s->c, &s->rng, &s->sign_private, s->sign_public) == MLS_OK);
    ASSERT(mls_kem_generate(&s->c, &s->rng, &s->leaf_private, s->leaf_public) == MLS_OK);
    ASSERT(mls_kem_generate(&s->c, &s->rng, &s->init_private, s->init_public) == MLS_OK);
    s->group_id = samples_bytes(s, 16);
}

void samples_free(struct samples *s) {
    for (size_t i = 0; i < s->kept_count; i++)
        mls_buf_free(&s->kept[i]);
    s->kept_count = 0;
}

struct mls_buf *samples_buf(struct samples *s) {
    ASSERT(s->kept_count < SAMPLES_KEPT_MAX);
    struct mls_buf *b = &s->kept[s->kept_count++];
    mls_buf_init(b, MLS_MESSAGE_LEN_MAX);
    return b;
}

struct span samples_bytes(struct samples *s, size_t len) {
    struct mls_buf *b = samples_buf(s);
    if (len > 0)
        rng_fill(&s->rng, mls_wr_reserve(b, len), len);
    return mls_buf_span(b);
}

struct span samples_u16s(struct samples *s, const uint16_t *values) {
    struct mls_buf *b = samples_buf(s);
    for (; *values != 0; values++)
        mls_wr_u16(b, *values);
    return mls_buf_span(b);
}

/* One extension of a type that capabilities list. */
static struct mls_list one_extension(struct samples *s, uint16_t type) {
    struct mls_buf *b = samples_buf(s);
    mls_extensions_add(b, type, samples_bytes(s, 5));
    return (struct mls_list){.bytes = mls_buf_span(b), .count = 1};
}

struct mls_leaf_node samples_leaf(struct samples *s, uint8_t source) {
    const uint16_t suites[] = {s->c.suite->id, 0x0a0a, 0};
    struct mls_leaf_node leaf = {
        .encryption_key = span_of(s->leaf_public, mls_public_key_len(&s->c)),
        .signature_key = span_of(s->sign_public, mls_signature_key_len(&s->c)),
        .credential = {.type = MLS_CREDENTIAL_BASIC, .identity = span_str("somebody")},
        .capabilities = {.versions = samples_u16s(s, (const uint16_t[]){MLS_VERSION_10, 0}),
                         .cipher_suites = samples_u16s(s, suites),
                         .extensions = samples_u16s(s, (const uint16_t[]){0xff01, 0x1a1a, 0}),
                         .proposals = samples_u16s(s, (const uint16_t[]){0xff02, 0}),
                         .credentials = samples_u16s(s, (const uint16_t[]){MLS_CREDENTIAL_BASIC, 0x2a2a, 0})},
        .source = source,
        .extensions = one_extension(s, 0xff01)};
    if (source == MLS_LEAF_KEY_PACKAGE) {
        leaf.not_before = 1000;
        leaf.not_after = 2000;
    } else if (source == MLS_LEAF_COMMIT) {
        leaf.parent_hash = samples_bytes(s, s->c.suite->hash_len);
    }
    return leaf;
}

struct span samples_leaf_signed(struct samples *s, const struct mls_leaf_node *leaf) {
    struct mls_buf *b = samples_buf(s);
    ASSERT(mls_leaf_node_sign(&s->c, leaf, s->group_id, 3, &s->sign_private, b) == MLS_OK);
    return mls_buf_span(b);
}

/* The leaf as others read it, with its signature. */
static struct mls_leaf_node signed_leaf(struct samples *s, uint8_t source) {
    struct mls_leaf_node leaf = samples_leaf(s, source), read;
    ASSERT(mls_leaf_node_parse(samples_leaf_signed(s, &leaf), &read) == MLS_OK);
    return read;
}

struct mls_key_package samples_key_package(struct samples *s) {
    return (struct mls_key_package){.version = MLS_VERSION_10,
                                    .cipher_suite = s->c.suite->id,
                                    .init_key = span_of(s->init_public, mls_public_key_len(&s->c)),
                                    .leaf_node = signed_leaf(s, MLS_LEAF_KEY_PACKAGE),
                                    .extensions = one_extension(s, 0x1a1a)};
}

struct span samples_key_package_signed(struct samples *s, const struct mls_key_package *key_package) {
    struct mls_buf *b = samples_buf(s);
    ASSERT(mls_key_package_sign(&s->c, key_package, &s->sign_private, b) == MLS_OK);
    return mls_buf_span(b);
}

struct mls_psk_id samples_psk_id(struct samples *s, uint8_t type) {
    struct mls_psk_id id = {.type = type, .nonce = samples_bytes(s, s->c.suite->hash_len)};
    id.id = type == MLS_PSK_EXTERNAL ? span_str("link") : s->group_id;
    if (type == MLS_PSK_RESUMPTION) {
        id.usage = MLS_PSK_USAGE_APPLICATION;
        id.epoch = UINT64_C(0x0102030405060708);
    }
    return id;
}

struct mls_proposal samples_proposal(struct samples *s, uint16_t type) {
    struct mls_proposal p = {.type = type};
    struct mls_key_package key_package;
    switch (type) {
    case MLS_PROPOSAL_ADD:
        key_package = samples_key_package(s);
        ASSERT(mls_key_package_parse(samples_key_package_signed(s, &key_package), &p.add) == MLS_OK);
        break;
    case MLS_PROPOSAL_UPDATE:
        p.update = signed_leaf(s, MLS_LEAF_UPDATE);
        break;
    case MLS_PROPOSAL_REMOVE:
        p.removed = 7;
        break;
    case MLS_PROPOSAL_PSK:
        p.psk = samples_psk_id(s, MLS_PSK_RESUMPTION);
        break;
    case MLS_PROPOSAL_REINIT:
        p.reinit = (struct mls_reinit){.group_id = samples_bytes(s, 20),
                                       .version = MLS_VERSION_10,
                                       .cipher_suite = s->c.suite->id,
                                       .extensions = one_extension(s, 0xff01)};
        break;
    case MLS_PROPOSAL_EXTERNAL_INIT:
        p.kem_output = samples_bytes(s, kem_enc_len(s->c.suite->hpke.kem));
        break;
    case MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS:
        p.extensions = one_extension(s, 0xff01);
        break;
    default:
        p.body = samples_bytes(s, 9);
    }
    return p;
}

static struct mls_list ciphertexts(struct samples *s, uint32_t count) {
    struct mls_buf *b = samples_buf(s);
    for (uint32_t i = 0; i < count; i++) {
        const struct mls_hpke_ciphertext ciphertext = {samples_bytes(s, kem_enc_len(s->c.suite->hpke.kem)),
                                                       samples_bytes(s, s->c.suite->hash_len + AEAD_TAG_LEN)};
        mls_hpke_ciphertext_write(b, &ciphertext);
    }
    return (struct mls_list){.bytes = mls_buf_span(b), .count = count};
}

struct mls_commit samples_commit(struct samples *s) {
    static const uint16_t types[] = {MLS_PROPOSAL_ADD,           MLS_PROPOSAL_UPDATE,
                                     MLS_PROPOSAL_REMOVE,        MLS_PROPOSAL_PSK,
                                     MLS_PROPOSAL_EXTERNAL_INIT, MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS,
                                     MLS_PROPOSAL_REINIT,        0xff02};
    struct mls_buf *proposals = samples_buf(s), *nodes = samples_buf(s);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        const struct mls_proposal_or_ref by_value = {.type = MLS_PROPOSAL_BY_VALUE,
                                                     .proposal = samples_proposal(s, types[i])};
        mls_proposal_or_ref_write(proposals, &by_value);
    }
    const struct mls_proposal_or_ref by_reference = {.type = MLS_PROPOSAL_BY_REFERENCE,
                                                     .reference = samples_bytes(s, s->c.suite->hash_len)};
    mls_proposal_or_ref_write(proposals, &by_reference);
    for (uint32_t i = 0; i < 3; i++) {
        const struct mls_update_path_node node = {samples_bytes(s, mls_public_key_len(&s->c)), ciphertexts(s, i)};
        mls_update_path_node_write(nodes, &node);
    }
    return (struct mls_commit){
        .proposals = {.bytes = mls_buf_span(proposals), .count = ARRAY_LEN(types) + 1},
        .has_path = true,
        .path = {.leaf_node = signed_leaf(s, MLS_LEAF_COMMIT), .nodes = {.bytes = mls_buf_span(nodes), .count = 3}}};
}

struct mls_group_context samples_group_context(struct samples *s) {
    return (struct mls_group_context){.version = MLS_VERSION_10,
                                      .cipher_suite = s->c.suite->id,
                                      .group_id = s->group_id,
                                      .epoch = 5,
                                      .tree_hash = samples_bytes(s, s->c.suite->hash_len),
                                      .confirmed_transcript_hash = samples_bytes(s, s->c.suite->hash_len),
                                      .extensions = one_extension(s, 0xff01)};
}

struct mls_group_info samples_group_info(struct samples *s) {
    return (struct mls_group_info){.group_context = samples_group_context(s),
                                   .extensions = one_extension(s, MLS_EXTENSION_EXTERNAL_PUB),
                                   .confirmation_tag = samples_bytes(s, s->c.suite->hash_len),
                                   .signer = 2,
                                   .signature = samples_bytes(s, 64)};
}

struct mls_group_secrets samples_group_secrets(struct samples *s) {
    struct mls_buf *psks = samples_buf(s);
    const struct mls_psk_id external = samples_psk_id(s, MLS_PSK_EXTERNAL);
    const struct mls_psk_id resumption = samples_psk_id(s, MLS_PSK_RESUMPTION);
    mls_psk_id_write(psks, &external);
    mls_psk_id_write(psks, &resumption);
    return (struct mls_group_secrets){.joiner_secret = samples_bytes(s, s->c.suite->hash_len),
                                      .has_path_secret = true,
                                      .path_secret = samples_bytes(s, s->c.suite->hash_len),
                                      .psks = {.bytes = mls_buf_span(psks), .count = 2}};
}

struct mls_welcome samples_welcome(struct samples *s) {
    struct mls_buf *secrets = samples_buf(s);
    for (uint32_t i = 0; i < 3; i++) {
        const struct mls_encrypted_group_secrets one = {
            .new_member = samples_bytes(s, s->c.suite->hash_len),
            .encrypted = {samples_bytes(s, kem_enc_len(s->c.suite->hpke.kem)), samples_bytes(s, 90)}};
        mls_encrypted_group_secrets_write(secrets, &one);
    }
    return (struct mls_welcome){.cipher_suite = s->c.suite->id,
                                .secrets = {.bytes = mls_buf_span(secrets), .count = 3},
                                .encrypted_group_info = samples_bytes(s, 300)};
}

void samples_epoch_make(struct samples *s, uint64_t seed, uint32_t leaves, struct samples_epoch *out) {
    struct rng rng = rng_seeded(seed);
    struct secret encryption;
    struct mls_buf *context = samples_buf(s);
    struct mls_group_context group_context = samples_group_context(s);
    /* both ends need the same: only what the seed gives */
    uint8_t hash[HASH_LEN_MAX] = {(uint8_t)seed};
    group_context.tree_hash = group_context.confirmed_transcript_hash = span_of(hash, s->c.suite->hash_len);
    group_context.extensions = (struct mls_list){0};
    mls_group_context_write(context, &group_context);
    out->group_context = mls_buf_span(context);
    mls_random_secret(&s->c, &rng, &out->sender_data);
    mls_random_secret(&s->c, &rng, &out->membership_key);
    mls_random_secret(&s->c, &rng, &encryption);
    ASSERT(mls_secret_tree_init(&out->tree, &s->c, &encryption, leaves) == MLS_OK);
}

void samples_epoch_free(struct samples_epoch *e) {
    mls_secret_tree_free(&e->tree);
    secret_wipe(&e->sender_data);
    secret_wipe(&e->membership_key);
}

void samples_draft(struct samples *s, const struct samples_epoch *e, uint16_t wire_format, struct mls_sender sender,
                   uint8_t content_type, struct mls_draft *d) {
    const struct mls_draft_header header = {.wire_format = wire_format,
                                            .group_id = s->group_id,
                                            .epoch = 5,
                                            .sender = sender,
                                            .authenticated_data = span_str("in the clear"),
                                            .content_type = content_type};
    mls_draft_begin(d, &header);
    if (content_type == MLS_CONTENT_APPLICATION) {
        mls_wr_vec(&d->bytes, span_str("sample"));
    } else if (content_type == MLS_CONTENT_PROPOSAL) {
        bool adds = sender.type == MLS_SENDER_NEW_MEMBER_PROPOSAL;
        const struct mls_proposal p = samples_proposal(s, adds ? MLS_PROPOSAL_ADD : MLS_PROPOSAL_REMOVE);
        mls_proposal_write(&d->bytes, &p);
    } else {
        const struct mls_commit commit = samples_commit(s);
        mls_commit_write(&d->bytes, &commit);
    }
    ASSERT(mls_draft_sign(d, &s->c, e->group_context, &s->sign_private) == MLS_OK);
    if (content_type == MLS_CONTENT_COMMIT)
        ASSERT(mls_draft_confirm(d, samples_bytes(s, s->c.suite->hash_len)) == MLS_OK);
}
