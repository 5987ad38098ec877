/* Vectors of primitives, structures, key schedule, secret tree and framing. */
#include "base/assert.h"
#include "e2ee/mls_framing.h"
#include "e2ee/mls_message.h"
#include "e2ee/mls_schedule.h"
#include "e2ee/mls_secret_tree.h"
#include "mls_vectors.h"

/* ---- crypto-basics ---- */

static bool check_ref_hash(struct vector_entry *e, const json_t *v) {
    struct mls_hash hash;
    CHECK(e, mls_ref_hash(&e->crypto, vector_text(e, v, "label"), vector_hex(e, v, "value"), &hash) == MLS_OK);
    CHECK(e, mls_hash_equal(&hash, vector_hex(e, v, "out")));
    return true;
}

static bool check_expand(struct vector_entry *e, const json_t *v) {
    struct secret secret;
    uint8_t out[HKDF_OUT_LEN_MAX];
    vector_secret(e, v, "secret", &secret);
    size_t len = (size_t)vector_number(e, v, "length");
    CHECK(e, len <= sizeof out);
    CHECK(e, mls_expand_with_label(&e->crypto, &secret, vector_text(e, v, "label"), vector_hex(e, v, "context"), out,
                                   len) == MLS_OK);
    CHECK(e, span_equal(span_of(out, len), vector_hex(e, v, "out")));
    return true;
}

static bool check_derive(struct vector_entry *e, const json_t *v) {
    struct secret secret;
    vector_secret(e, v, "secret", &secret);
    CHECK(e, mls_derive_secret(&e->crypto, &secret, vector_text(e, v, "label"), &secret) == MLS_OK);
    CHECK(e, span_equal(secret_span(&secret), vector_hex(e, v, "out")));
    return true;
}

static bool check_derive_tree(struct vector_entry *e, const json_t *v) {
    struct secret secret;
    uint8_t out[HKDF_OUT_LEN_MAX], generation[4];
    struct writer w = writer_of(generation, sizeof generation);
    vector_secret(e, v, "secret", &secret);
    wr_u32(&w, (uint32_t)vector_number(e, v, "generation"));
    size_t len = (size_t)vector_number(e, v, "length");
    CHECK(e, len <= sizeof out);
    CHECK(e,
          mls_expand_with_label(&e->crypto, &secret, vector_text(e, v, "label"), writer_span(&w), out, len) == MLS_OK);
    CHECK(e, span_equal(span_of(out, len), vector_hex(e, v, "out")));
    return true;
}

static bool check_sign(struct vector_entry *e, const json_t *v) {
    struct secret private_key;
    vector_private_key(e, v, "priv", sign_private_len(e->crypto.suite->sign), &private_key);
    struct span public_key = vector_hex(e, v, "pub"), content = vector_hex(e, v, "content");
    const char *label = vector_text(e, v, "label");
    CHECK(e, mls_verify_with_label(&e->crypto, public_key, label, &content, 1, vector_hex(e, v, "signature"),
                                   MLS_SIGNATURE_INVALID) == MLS_OK);
    struct mls_buf out;
    mls_buf_init(&out, MLS_MESSAGE_LEN_MAX);
    bool good = mls_sign_with_label(&e->crypto, &private_key, label, &content, 1, &out) == MLS_OK;
    struct mls_reader r = mls_reader_of(mls_buf_span(&out));
    struct span signature = mls_rd_vec(&r, MLS_KEY_LEN_MAX, MLS_FIELD_TOO_LONG);
    good =
        good && mls_reader_end(&r) == MLS_OK &&
        mls_verify_with_label(&e->crypto, public_key, label, &content, 1, signature, MLS_SIGNATURE_INVALID) == MLS_OK;
    mls_buf_free(&out);
    CHECK(e, good);
    return true;
}

static bool check_encrypt(struct vector_entry *e, const json_t *v) {
    struct secret private_key;
    vector_private_key(e, v, "priv", kem_private_len(e->crypto.suite->hpke.kem), &private_key);
    struct span public_key = vector_hex(e, v, "pub"), context = vector_hex(e, v, "context");
    struct span plaintext = vector_hex(e, v, "plaintext");
    const char *label = vector_text(e, v, "label");
    struct mls_buf plain, sealed;
    mls_buf_init(&plain, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&sealed, MLS_MESSAGE_LEN_MAX);
    bool theirs = mls_decrypt_with_label(&e->crypto, &private_key, (struct span){0}, label, context,
                                         vector_hex(e, v, "kem_output"), vector_hex(e, v, "ciphertext"), &plain,
                                         MLS_CONTENT_INVALID) == MLS_OK &&
                  span_equal(mls_buf_span(&plain), plaintext);
    mls_buf_clear(&plain);
    bool ours = mls_encrypt_with_label(&e->crypto, public_key, label, context, plaintext, e->rng, &sealed,
                                       MLS_ENCRYPTION_KEY_INVALID) == MLS_OK;
    struct mls_reader r = mls_reader_of(mls_buf_span(&sealed));
    struct mls_hpke_ciphertext ciphertext;
    mls_hpke_ciphertext_read(&r, &ciphertext);
    ours = ours && mls_reader_end(&r) == MLS_OK &&
           mls_decrypt_with_label(&e->crypto, &private_key, public_key, label, context, ciphertext.kem_output,
                                  ciphertext.ciphertext, &plain, MLS_CONTENT_INVALID) == MLS_OK &&
           span_equal(mls_buf_span(&plain), plaintext);
    mls_buf_free(&plain);
    mls_buf_free(&sealed);
    CHECK(e, theirs);
    CHECK(e, ours);
    return true;
}

static bool check_crypto_basics(struct vector_entry *e) {
    return check_ref_hash(e, json_object_get(e->json, "ref_hash")) &&
           check_expand(e, json_object_get(e->json, "expand_with_label")) &&
           check_derive(e, json_object_get(e->json, "derive_secret")) &&
           check_derive_tree(e, json_object_get(e->json, "derive_tree_secret")) &&
           check_sign(e, json_object_get(e->json, "sign_with_label")) &&
           check_encrypt(e, json_object_get(e->json, "encrypt_with_label"));
}

/* ---- deserialization ---- */

static bool check_deserialization(struct vector_entry *e) {
    struct mls_reader r = mls_reader_of(vector_hex(e, e->json, "vlbytes_header"));
    size_t len = mls_rd_len(&r);
    CHECK(e, mls_reader_end(&r) == MLS_OK);
    CHECK(e, len == vector_number(e, e->json, "length"));
    uint8_t encoded[4];
    CHECK(e, span_equal(span_of(encoded, mls_len_encode(len, encoded)), vector_hex(e, e->json, "vlbytes_header")));
    return true;
}

/* ---- key-schedule ---- */

static bool is_secret(struct vector_entry *e, const json_t *v, const char *name, const struct secret *secret) {
    CHECK(e, span_equal(secret_span(secret), vector_hex(e, v, name)));
    return true;
}

static bool check_exporter(struct vector_entry *e, const json_t *v, const struct mls_epoch_secrets *secrets) {
    uint8_t out[HKDF_OUT_LEN_MAX];
    size_t len = (size_t)vector_number(e, v, "length");
    CHECK(e, len <= sizeof out);
    CHECK(e, mls_exporter(&e->crypto, &secrets->exporter, vector_text(e, v, "label"), vector_hex(e, v, "context"), out,
                          len) == MLS_OK);
    CHECK(e, span_equal(span_of(out, len), vector_hex(e, v, "secret")));
    return true;
}

static bool check_epoch(struct vector_entry *e, const json_t *v, struct span group_id, uint64_t epoch,
                        struct secret *init_secret) {
    const struct mls_crypto *c = &e->crypto;
    const struct mls_group_context context = {.version = MLS_VERSION_10,
                                              .cipher_suite = c->suite->id,
                                              .group_id = group_id,
                                              .epoch = epoch,
                                              .tree_hash = vector_hex(e, v, "tree_hash"),
                                              .confirmed_transcript_hash =
                                                  vector_hex(e, v, "confirmed_transcript_hash")};
    uint8_t storage[1024];
    struct mls_buf buf;
    mls_buf_over(&buf, storage, sizeof storage);
    mls_group_context_write(&buf, &context);
    CHECK(e, mls_buf_ok(&buf) && span_equal(mls_buf_span(&buf), vector_hex(e, v, "group_context")));

    struct secret commit, psk, joiner, member, welcome, external_private;
    struct mls_epoch_secrets s;
    uint8_t external_pub[KEM_PUBLIC_LEN_MAX];
    vector_secret(e, v, "commit_secret", &commit);
    vector_secret(e, v, "psk_secret", &psk);
    CHECK(e, mls_joiner_secret(c, init_secret, &commit, mls_buf_span(&buf), &joiner) == MLS_OK);
    CHECK(e, mls_member_secret(c, &joiner, &psk, &member) == MLS_OK);
    CHECK(e, mls_welcome_secret(c, &member, &welcome) == MLS_OK);
    CHECK(e, mls_epoch_derive(c, &member, mls_buf_span(&buf), &s) == MLS_OK);
    CHECK(e, mls_external_key_pair(c, &s.external, &external_private, external_pub) == MLS_OK);
    CHECK(e, span_equal(span_of(external_pub, mls_public_key_len(c)), vector_hex(e, v, "external_pub")));
    *init_secret = s.init;
    return is_secret(e, v, "joiner_secret", &joiner) && is_secret(e, v, "welcome_secret", &welcome) &&
           is_secret(e, v, "init_secret", &s.init) && is_secret(e, v, "sender_data_secret", &s.sender_data) &&
           is_secret(e, v, "encryption_secret", &s.encryption) && is_secret(e, v, "exporter_secret", &s.exporter) &&
           is_secret(e, v, "epoch_authenticator", &s.epoch_authenticator) &&
           is_secret(e, v, "external_secret", &s.external) &&
           is_secret(e, v, "confirmation_key", &s.confirmation_key) &&
           is_secret(e, v, "membership_key", &s.membership_key) &&
           is_secret(e, v, "resumption_psk", &s.resumption_psk) &&
           check_exporter(e, json_object_get(v, "exporter"), &s);
}

static bool check_key_schedule(struct vector_entry *e) {
    struct secret init_secret;
    struct span group_id = vector_hex(e, e->json, "group_id");
    vector_secret(e, e->json, "initial_init_secret", &init_secret);
    const json_t *epochs = json_object_get(e->json, "epochs");
    CHECK(e, json_array_size(epochs) > 0);
    for (size_t i = 0; i < json_array_size(epochs); i++) {
        if (!check_epoch(e, json_array_get(epochs, i), group_id, i, &init_secret))
            return false;
    }
    return true;
}

/* ---- psk_secret ---- */

static bool check_psk_secret(struct vector_entry *e) {
    const json_t *psks = json_object_get(e->json, "psks");
    struct secret secret;
    mls_zero_secret(&e->crypto, &secret);
    CHECK(e, json_is_array(psks));
    for (size_t i = 0; i < json_array_size(psks); i++) {
        const json_t *v = json_array_get(psks, i);
        const struct mls_psk_id id = {
            .type = MLS_PSK_EXTERNAL, .id = vector_hex(e, v, "psk_id"), .nonce = vector_hex(e, v, "psk_nonce")};
        uint8_t storage[MLS_PSK_ID_LEN_MAX + MLS_HASH_LEN_MAX + 16];
        struct mls_buf buf;
        mls_buf_over(&buf, storage, sizeof storage);
        mls_psk_id_write(&buf, &id);
        CHECK(e, mls_buf_ok(&buf));
        CHECK(e, mls_psk_secret_add(&e->crypto, &secret, mls_buf_span(&buf), vector_hex(e, v, "psk"), (uint16_t)i,
                                    (uint16_t)json_array_size(psks)) == MLS_OK);
    }
    return is_secret(e, e->json, "psk_secret", &secret);
}

/* ---- transcript-hashes ---- */

static bool check_transcript_hashes(struct vector_entry *e) {
    struct mls_authenticated_content ac;
    struct mls_hash confirmed, interim;
    struct secret confirmation_key;
    vector_secret(e, e->json, "confirmation_key", &confirmation_key);
    CHECK(e, mls_authenticated_content_parse(vector_hex(e, e->json, "authenticated_content"), &ac) == MLS_OK);
    CHECK(e, ac.content.content_type == MLS_CONTENT_COMMIT);
    CHECK(e, mls_confirmed_transcript_hash(&e->crypto, vector_hex(e, e->json, "interim_transcript_hash_before"),
                                           ac.confirmed_input, &confirmed) == MLS_OK);
    CHECK(e, mls_hash_equal(&confirmed, vector_hex(e, e->json, "confirmed_transcript_hash_after")));
    CHECK(e, mls_confirmation_tag_check(&e->crypto, &confirmation_key, mls_hash_span(&confirmed),
                                        ac.auth.confirmation_tag) == MLS_OK);
    CHECK(e, mls_interim_transcript_hash(&e->crypto, mls_hash_span(&confirmed), ac.auth.confirmation_tag, &interim) ==
                 MLS_OK);
    CHECK(e, mls_hash_equal(&interim, vector_hex(e, e->json, "interim_transcript_hash_after")));
    return true;
}

/* ---- secret-tree ---- */

static bool check_sender_data(struct vector_entry *e, const json_t *v) {
    struct secret secret;
    uint8_t key[AEAD_KEY_LEN_MAX], nonce[AEAD_NONCE_LEN];
    vector_secret(e, v, "sender_data_secret", &secret);
    CHECK(e, mls_sender_data_keys(&e->crypto, &secret, vector_hex(e, v, "ciphertext"), key, nonce) == MLS_OK);
    CHECK(e, span_equal(span_of(key, e->crypto.suite->key_len), vector_hex(e, v, "key")));
    CHECK(e, span_equal(span_of(nonce, sizeof nonce), vector_hex(e, v, "nonce")));
    return true;
}

static bool check_generation(struct vector_entry *e, const json_t *v, struct mls_secret_tree *tree, uint32_t leaf,
                             enum mls_ratchet_kind kind) {
    bool handshake = kind == MLS_RATCHET_HANDSHAKE;
    struct mls_message_key key;
    enum mls_status status = mls_secret_tree_peek(tree, leaf, kind, (uint32_t)vector_number(e, v, "generation"), &key);
    CHECK(e, status == MLS_OK);
    bool good = span_equal(span_of(key.key, e->crypto.suite->key_len),
                           vector_hex(e, v, handshake ? "handshake_key" : "application_key")) &&
                span_equal(span_of(key.nonce, sizeof key.nonce),
                           vector_hex(e, v, handshake ? "handshake_nonce" : "application_nonce"));
    mls_secret_tree_consume(tree, &key);
    mls_message_key_wipe(tree, &key);
    CHECK(e, good);
    return true;
}

static bool check_leaves(struct vector_entry *e, const json_t *leaves, struct mls_secret_tree *tree, bool backwards) {
    for (size_t leaf = 0; leaf < json_array_size(leaves); leaf++) {
        const json_t *generations = json_array_get(leaves, leaf);
        size_t count = json_array_size(generations);
        for (size_t i = 0; i < count; i++) {
            const json_t *v = json_array_get(generations, backwards ? count - 1 - i : i);
            if (!check_generation(e, v, tree, (uint32_t)leaf, MLS_RATCHET_HANDSHAKE) ||
                !check_generation(e, v, tree, (uint32_t)leaf, MLS_RATCHET_APPLICATION))
                return false;
        }
    }
    return true;
}

static bool check_secret_tree(struct vector_entry *e) {
    if (!check_sender_data(e, json_object_get(e->json, "sender_data")))
        return false;
    const json_t *leaves = json_object_get(e->json, "leaves");
    uint32_t count = 1;
    while (count < json_array_size(leaves))
        count *= 2;
    CHECK(e, json_array_size(leaves) > 0 && count <= MLS_MEMBERS_MAX);
    /* in order, and from the last generation back: what was skipped is still there */
    for (int backwards = 0; backwards < 2; backwards++) {
        struct secret encryption_secret;
        struct mls_secret_tree tree;
        vector_secret(e, e->json, "encryption_secret", &encryption_secret);
        CHECK(e, mls_secret_tree_init(&tree, &e->crypto, &encryption_secret, count) == MLS_OK);
        bool good = check_leaves(e, leaves, &tree, backwards);
        mls_secret_tree_free(&tree);
        if (!good)
            return false;
    }
    return true;
}

/* ---- message-protection ---- */

/* What all messages of an entry share. */
struct protection {
    struct span group_context, group_id, signature_key;
    uint64_t epoch;
    struct secret signature_private, membership_key, sender_data_secret;
};

/* "In all of these tests, use the member with LeafIndex 1 as the sender." */
#define SENDER_LEAF 1

static struct span content_of(const struct mls_framed_content *content) {
    if (content->content_type == MLS_CONTENT_APPLICATION)
        return content->application_data;
    return content->content_type == MLS_CONTENT_PROPOSAL ? content->proposal.encoding : content->commit.encoding;
}

static bool open_public(struct vector_entry *e, const struct protection *p, struct span message, struct span raw) {
    struct mls_message m;
    CHECK(e, mls_message_parse(message, &m) == MLS_OK && m.wire_format == MLS_WIRE_PUBLIC_MESSAGE);
    CHECK(e, m.public_message.authenticated.content.sender.index == SENDER_LEAF);
    CHECK(e, mls_public_unprotect(&e->crypto, &m.public_message, p->group_context, &p->membership_key,
                                  p->signature_key) == MLS_OK);
    CHECK(e, span_equal(content_of(&m.public_message.authenticated.content), raw));
    return true;
}

static bool open_private(struct vector_entry *e, const struct protection *p, struct mls_secret_tree *tree,
                         struct span message, struct span raw) {
    struct mls_message m;
    struct mls_sender_data sender;
    struct mls_authenticated_content ac;
    struct mls_buf plain;
    CHECK(e, mls_message_parse(message, &m) == MLS_OK && m.wire_format == MLS_WIRE_PRIVATE_MESSAGE);
    CHECK(e, mls_private_sender(&e->crypto, &m.private_message, &p->sender_data_secret, &sender) == MLS_OK);
    CHECK(e, sender.leaf == SENDER_LEAF);
    mls_buf_init(&plain, MLS_MESSAGE_LEN_MAX);
    enum mls_status status =
        mls_private_unprotect(tree, &m.private_message, &sender, p->group_context, p->signature_key, &plain, &ac);
    bool good = status == MLS_OK && span_equal(content_of(&ac.content), raw);
    mls_buf_free(&plain);
    CHECK(e, good);
    return true;
}

/* A draft of the raw content, signed; commits get a confirmation tag, which nobody checks here. */
static bool make_draft(struct vector_entry *e, const struct protection *p, uint16_t wire_format, uint8_t content_type,
                       struct span raw, struct mls_draft *d) {
    static const uint8_t tag[32] = {1};
    const struct mls_draft_header header = {.wire_format = wire_format,
                                            .group_id = p->group_id,
                                            .epoch = p->epoch,
                                            .sender = {MLS_SENDER_MEMBER, SENDER_LEAF},
                                            .authenticated_data = span_str("authenticated"),
                                            .content_type = content_type};
    mls_draft_begin(d, &header);
    if (content_type == MLS_CONTENT_APPLICATION)
        mls_wr_vec(&d->bytes, raw);
    else
        mls_wr_span(&d->bytes, raw);
    enum mls_status status = mls_draft_sign(d, &e->crypto, p->group_context, &p->signature_private);
    if (status == MLS_OK && content_type == MLS_CONTENT_COMMIT)
        status = mls_draft_confirm(d, span_of(tag, sizeof tag));
    return status == MLS_OK;
}

static bool round_trip_public(struct vector_entry *e, const struct protection *p, uint8_t content_type,
                              struct span raw) {
    struct mls_draft d;
    bool good = make_draft(e, p, MLS_WIRE_PUBLIC_MESSAGE, content_type, raw, &d) &&
                mls_public_protect(&d, &e->crypto, p->group_context, &p->membership_key) == MLS_OK &&
                open_public(e, p, mls_buf_span(&d.bytes), raw);
    mls_draft_free(&d);
    CHECK(e, good);
    return true;
}

static bool round_trip_private(struct vector_entry *e, const struct protection *p, struct mls_secret_tree *sending,
                               struct mls_secret_tree *receiving, uint8_t content_type, struct span raw) {
    struct mls_draft d;
    struct mls_buf message;
    mls_buf_init(&message, MLS_MESSAGE_LEN_MAX);
    bool good = make_draft(e, p, MLS_WIRE_PRIVATE_MESSAGE, content_type, raw, &d) &&
                mls_private_protect(&d, sending, &p->sender_data_secret, 11, e->rng, &message) == MLS_OK &&
                open_private(e, p, receiving, mls_buf_span(&message), raw);
    mls_draft_free(&d);
    mls_buf_free(&message);
    CHECK(e, good);
    return true;
}

static bool fresh_tree(struct vector_entry *e, struct mls_secret_tree *tree) {
    struct secret encryption_secret;
    vector_secret(e, e->json, "encryption_secret", &encryption_secret);
    CHECK(e, mls_secret_tree_init(tree, &e->crypto, &encryption_secret, 2) == MLS_OK);
    return true;
}

static bool check_protection_of(struct vector_entry *e, const struct protection *p, const char *name,
                                uint8_t content_type) {
    struct span raw = vector_hex(e, e->json, name);
    struct mls_secret_tree theirs, sending, receiving;
    char field[32];
    struct writer w = writer_of(field, sizeof field - 1);
    wr_span(&w, span_str(name));
    wr_span(&w, span_str("_priv"));
    field[w.len] = 0;
    if (!fresh_tree(e, &theirs) || !fresh_tree(e, &sending) || !fresh_tree(e, &receiving))
        return false;
    bool good = open_private(e, p, &theirs, vector_hex(e, e->json, field), raw) &&
                round_trip_private(e, p, &sending, &receiving, content_type, raw);
    mls_secret_tree_free(&theirs);
    mls_secret_tree_free(&sending);
    mls_secret_tree_free(&receiving);
    if (!good || content_type == MLS_CONTENT_APPLICATION)
        return good; /* that application data in public is refused is mls_framing's unit test */
    w = writer_of(field, sizeof field - 1);
    wr_span(&w, span_str(name));
    wr_span(&w, span_str("_pub"));
    field[w.len] = 0;
    return open_public(e, p, vector_hex(e, e->json, field), raw) && round_trip_public(e, p, content_type, raw);
}

static bool check_message_protection(struct vector_entry *e) {
    struct protection p = {.group_id = vector_hex(e, e->json, "group_id"),
                           .epoch = vector_number(e, e->json, "epoch"),
                           .signature_key = vector_hex(e, e->json, "signature_pub")};
    vector_private_key(e, e->json, "signature_priv", sign_private_len(e->crypto.suite->sign), &p.signature_private);
    vector_secret(e, e->json, "membership_key", &p.membership_key);
    vector_secret(e, e->json, "sender_data_secret", &p.sender_data_secret);
    const struct mls_group_context context = {.version = MLS_VERSION_10,
                                              .cipher_suite = e->crypto.suite->id,
                                              .group_id = p.group_id,
                                              .epoch = p.epoch,
                                              .tree_hash = vector_hex(e, e->json, "tree_hash"),
                                              .confirmed_transcript_hash =
                                                  vector_hex(e, e->json, "confirmed_transcript_hash")};
    uint8_t storage[1024];
    struct mls_buf buf;
    mls_buf_over(&buf, storage, sizeof storage);
    mls_group_context_write(&buf, &context);
    CHECK(e, mls_buf_ok(&buf) && e->failed == NULL);
    p.group_context = mls_buf_span(&buf);
    return check_protection_of(e, &p, "proposal", MLS_CONTENT_PROPOSAL) &&
           check_protection_of(e, &p, "commit", MLS_CONTENT_COMMIT) &&
           check_protection_of(e, &p, "application", MLS_CONTENT_APPLICATION);
}

/* ---- messages ---- */

/* Whatever was written equals what was read. */
static bool same_again(struct vector_entry *e, struct mls_buf *written, struct span read) {
    bool same = mls_buf_ok(written) && span_equal(mls_buf_span(written), read);
    mls_buf_free(written);
    CHECK(e, same);
    return true;
}

static bool check_wire(struct vector_entry *e, const char *name, uint16_t wire_format, uint8_t content_type) {
    struct span bytes = vector_hex(e, e->json, name);
    struct mls_message m;
    struct mls_buf written;
    CHECK(e, mls_message_parse(bytes, &m) == MLS_OK && m.wire_format == wire_format);
    CHECK(e, content_type == 0 || m.public_message.authenticated.content.content_type == content_type);
    mls_buf_init(&written, MLS_MESSAGE_LEN_MAX);
    mls_message_write(&written, &m);
    return same_again(e, &written, bytes);
}

/* The bare structs of proposals, read with the type that the field's name says in front. */
static bool check_proposal(struct vector_entry *e, const char *name, uint16_t type) {
    struct span bytes = vector_hex(e, e->json, name);
    struct mls_buf whole, written;
    struct mls_proposal proposal;
    mls_buf_init(&whole, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&written, MLS_MESSAGE_LEN_MAX);
    mls_wr_u16(&whole, type);
    mls_wr_span(&whole, bytes);
    bool good = mls_proposal_parse(mls_buf_span(&whole), &proposal) == MLS_OK && proposal.type == type;
    if (good)
        mls_proposal_write(&written, &proposal);
    good = good && span_equal(mls_buf_span(&written), mls_buf_span(&whole));
    mls_buf_free(&whole);
    mls_buf_free(&written);
    CHECK(e, good);
    return true;
}

static bool check_ratchet_tree(struct vector_entry *e) {
    struct span bytes = vector_hex(e, e->json, "ratchet_tree"), nodes;
    CHECK(e, mls_ratchet_tree_parse(bytes, &nodes) == MLS_OK);
    struct mls_buf written;
    mls_buf_init(&written, MLS_TREE_LEN_MAX);
    size_t begin = mls_wr_vec_begin(&written);
    struct mls_reader r = mls_reader_of(nodes);
    while (mls_reader_left(&r) > 0) {
        struct mls_node node;
        mls_node_read(&r, &node);
        if (mls_reader_ok(&r))
            mls_node_write(&written, &node);
    }
    mls_wr_vec_end(&written, begin);
    bool good = mls_reader_end(&r) == MLS_OK;
    return same_again(e, &written, bytes) && good;
}

static bool check_group_secrets(struct vector_entry *e) {
    struct span bytes = vector_hex(e, e->json, "group_secrets");
    struct mls_group_secrets secrets;
    struct mls_buf written;
    CHECK(e, mls_group_secrets_parse(bytes, &secrets) == MLS_OK);
    mls_buf_init(&written, MLS_MESSAGE_LEN_MAX);
    mls_group_secrets_write(&written, &secrets);
    return same_again(e, &written, bytes);
}

static bool check_commit(struct vector_entry *e) {
    struct span bytes = vector_hex(e, e->json, "commit");
    struct mls_commit commit;
    struct mls_buf written;
    CHECK(e, mls_commit_parse(bytes, &commit) == MLS_OK);
    mls_buf_init(&written, MLS_MESSAGE_LEN_MAX);
    mls_commit_write(&written, &commit);
    return same_again(e, &written, bytes);
}

static bool check_messages(struct vector_entry *e) {
    return check_wire(e, "mls_welcome", MLS_WIRE_WELCOME, 0) &&
           check_wire(e, "mls_group_info", MLS_WIRE_GROUP_INFO, 0) &&
           check_wire(e, "mls_key_package", MLS_WIRE_KEY_PACKAGE, 0) && check_ratchet_tree(e) &&
           check_group_secrets(e) && check_proposal(e, "add_proposal", MLS_PROPOSAL_ADD) &&
           check_proposal(e, "update_proposal", MLS_PROPOSAL_UPDATE) &&
           check_proposal(e, "remove_proposal", MLS_PROPOSAL_REMOVE) &&
           check_proposal(e, "pre_shared_key_proposal", MLS_PROPOSAL_PSK) &&
           check_proposal(e, "re_init_proposal", MLS_PROPOSAL_REINIT) &&
           check_proposal(e, "external_init_proposal", MLS_PROPOSAL_EXTERNAL_INIT) &&
           check_proposal(e, "group_context_extensions_proposal", MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS) &&
           check_commit(e) &&
           check_wire(e, "public_message_application", MLS_WIRE_PUBLIC_MESSAGE, MLS_CONTENT_APPLICATION) &&
           check_wire(e, "public_message_proposal", MLS_WIRE_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL) &&
           check_wire(e, "public_message_commit", MLS_WIRE_PUBLIC_MESSAGE, MLS_CONTENT_COMMIT) &&
           check_wire(e, "private_message", MLS_WIRE_PRIVATE_MESSAGE, 0);
}

const struct vector_kind vector_kinds_message[] = {
    {"crypto-basics.json", true, check_crypto_basics},
    {"deserialization.json", false, check_deserialization},
    {"key-schedule.json", true, check_key_schedule},
    {"message-protection.json", true, check_message_protection},
    {"messages.json", false, check_messages},
    {"psk_secret.json", true, check_psk_secret},
    {"secret-tree.json", true, check_secret_tree},
    {"transcript-hashes.json", true, check_transcript_hashes},
    {NULL, false, NULL},
};
