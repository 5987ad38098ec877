/* PrivateMessages between two members of one epoch: whatever arrives, each honest message opens exactly once, nothing
 * else opens, and what is refused costs nothing.
 *
 * Input: a list of steps, each a byte (modulo the number of kinds) and what the kind takes:
 *   0 raw: length (2 bytes), a message as it is
 *   1 seal: leaf, generation (1 byte each, modulo their number), length (2), a plaintext that is sealed with the right
 * keys 2 send: content type (1), padding (1), length of the data (1): an honest message of leaf 1, kept for later 3
 * deliver: which (1) 4 deliver changed: which (1), where (2), by what (1) */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/secret.h"
#include "e2ee/mls_framing.h"

#define LEAVES 4
#define SENDER 1
/* Of sealed plaintexts: each is derived from the start. */
#define GENERATIONS 32
#define SENT_MAX 32
#define STEPS_MAX 128

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sent {
    struct mls_buf message;
    bool opened;
};

struct epoch {
    struct mls_crypto c;
    struct rng rng;
    struct mls_secret_tree sending, receiving;
    struct secret sender_data, sign_private;
    uint8_t sign_public[SIGN_PUBLIC_LEN_MAX];
    struct sent sent[SENT_MAX];
    size_t sent_count;
};

static const char group_context[] = "a group context";
static const char group_id[] = "group";

static void start_tree(struct epoch *e, struct mls_secret_tree *tree) {
    struct rng rng = rng_seeded(7);
    struct secret encryption;
    mls_random_secret(&e->c, &rng, &encryption);
    ASSERT(mls_secret_tree_init(tree, &e->c, &encryption, LEAVES) == MLS_OK);
}

static void start(struct epoch *e) {
    *e = (struct epoch){.rng = rng_seeded(1)};
    ASSERT(mls_crypto_of(&crypto_openssl, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, &e->c) == MLS_OK);
    ASSERT(mls_signature_generate(&e->c, &e->rng, &e->sign_private, e->sign_public) == MLS_OK);
    mls_random_secret(&e->c, &e->rng, &e->sender_data);
    start_tree(e, &e->sending);
    start_tree(e, &e->receiving);
}

static void stop(struct epoch *e) {
    for (size_t i = 0; i < e->sent_count; i++)
        mls_buf_free(&e->sent[i].message);
    mls_secret_tree_free(&e->sending);
    mls_secret_tree_free(&e->receiving);
}

static enum mls_status deliver(struct epoch *e, struct span bytes) {
    struct mls_message m;
    struct mls_sender_data sender;
    struct mls_authenticated_content ac;
    struct mls_buf plain;
    enum mls_status status = mls_message_parse(bytes, &m);
    if (status != MLS_OK || m.wire_format != MLS_WIRE_PRIVATE_MESSAGE)
        return status == MLS_OK ? MLS_WIRE_FORMAT_UNKNOWN : status;
    status = mls_private_sender(&e->c, &m.private_message, &e->sender_data, &sender);
    if (status != MLS_OK)
        return status;
    mls_buf_init(&plain, MLS_MESSAGE_LEN_MAX);
    status =
        mls_private_unprotect(&e->receiving, &m.private_message, &sender, span_of(group_context, sizeof group_context),
                              span_of(e->sign_public, mls_signature_key_len(&e->c)), &plain, &ac);
    ASSERT(status == MLS_OK || mls_buf_len(&plain) == 0);
    mls_buf_free(&plain);
    return status;
}

/* Any plaintext as that of the leaf's generation; the content type is application data's. */
static void seal_and_deliver(struct epoch *e, uint32_t leaf, uint32_t generation, struct span plaintext) {
    const struct mls_crypto *c = &e->c;
    struct mls_secret_tree tree;
    struct mls_message_key key;
    struct mls_buf b, sealed;
    uint8_t sender_key[AEAD_KEY_LEN_MAX], sender_nonce[AEAD_NONCE_LEN], sender_plain[12];
    start_tree(e, &tree);
    ASSERT(mls_secret_tree_peek(&tree, leaf, MLS_RATCHET_APPLICATION, generation, &key) == MLS_OK);
    mls_buf_init(&b, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&sealed, MLS_MESSAGE_LEN_MAX);
    mls_wr_u16(&b, MLS_VERSION_10);
    mls_wr_u16(&b, MLS_WIRE_PRIVATE_MESSAGE);
    mls_wr_vec(&b, span_str(group_id));
    mls_wr_u64(&b, 3);
    mls_wr_u8(&b, MLS_CONTENT_APPLICATION);
    size_t sender_aad_end = mls_buf_len(&b);
    mls_wr_vec(&b, (struct span){0});
    struct span aad = span_of(b.w.data + 4, mls_buf_len(&b) - 4);
    uint8_t *out = mls_wr_reserve(&sealed, plaintext.len + AEAD_TAG_LEN);
    ASSERT(c->backend->aead_seal(c->suite->hpke.aead, span_of(key.key, c->suite->key_len), key.nonce, aad, plaintext,
                                 out) == CRYPTO_OK);
    struct writer w = writer_of(sender_plain, sizeof sender_plain);
    wr_u32(&w, leaf);
    wr_u32(&w, generation);
    wr_u32(&w, 0);
    ASSERT(mls_sender_data_keys(c, &e->sender_data, mls_buf_span(&sealed), sender_key, sender_nonce) == MLS_OK);
    mls_wr_len(&b, sizeof sender_plain + AEAD_TAG_LEN);
    out = mls_wr_reserve(&b, sizeof sender_plain + AEAD_TAG_LEN);
    ASSERT(c->backend->aead_seal(c->suite->hpke.aead, span_of(sender_key, c->suite->key_len), sender_nonce,
                                 span_of(b.w.data + 4, sender_aad_end - 4), writer_span(&w), out) == CRYPTO_OK);
    mls_wr_vec(&b, mls_buf_span(&sealed));
    /* without the private key nobody makes a signature that verifies */
    enum mls_status status = deliver(e, mls_buf_span(&b));
    ASSERT(status != MLS_OK && status != MLS_SENDER_DATA_INVALID);
    mls_message_key_wipe(&tree, &key);
    mls_secret_tree_free(&tree);
    mls_buf_free(&b);
    mls_buf_free(&sealed);
}

static void send(struct epoch *e, uint8_t content_type, size_t padding_len, struct span data) {
    const struct mls_draft_header header = {.wire_format = MLS_WIRE_PRIVATE_MESSAGE,
                                            .group_id = span_str(group_id),
                                            .epoch = 3,
                                            .sender = {MLS_SENDER_MEMBER, SENDER},
                                            .content_type = content_type};
    struct mls_draft d;
    struct sent *sent = &e->sent[e->sent_count++];
    mls_buf_init(&sent->message, MLS_MESSAGE_LEN_MAX);
    mls_draft_begin(&d, &header);
    if (content_type == MLS_CONTENT_APPLICATION) {
        mls_wr_vec(&d.bytes, data);
    } else if (content_type == MLS_CONTENT_PROPOSAL) {
        const struct mls_proposal p = {.type = 0xf000, .body = data};
        mls_proposal_write(&d.bytes, &p);
    } else {
        const struct mls_commit commit = {0};
        mls_commit_write(&d.bytes, &commit);
    }
    ASSERT(mls_draft_sign(&d, &e->c, span_of(group_context, sizeof group_context), &e->sign_private) == MLS_OK);
    if (content_type == MLS_CONTENT_COMMIT)
        ASSERT(mls_draft_confirm(&d, span_of("tag", 3)) == MLS_OK);
    ASSERT(mls_private_protect(&d, &e->sending, &e->sender_data, padding_len, &e->rng, &sent->message) == MLS_OK);
    mls_draft_free(&d);
}

static void deliver_sent(struct epoch *e, size_t which, size_t where, uint8_t change) {
    if (e->sent_count == 0)
        return;
    struct sent *sent = &e->sent[which % e->sent_count];
    uint8_t *bytes = sent->message.w.data;
    where %= mls_buf_len(&sent->message);
    bytes[where] ^= change;
    enum mls_status status = deliver(e, mls_buf_span(&sent->message));
    bytes[where] ^= change;
    if (change != 0)
        ASSERT(status != MLS_OK);
    else
        ASSERT(status == (sent->opened ? MLS_GENERATION_CONSUMED : MLS_OK));
    sent->opened = sent->opened || change == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct epoch e;
    start(&e);
    struct reader r = reader_of(data, size);
    for (unsigned steps = 0; reader_left(&r) > 0 && steps < STEPS_MAX; steps++) {
        uint8_t kind = rd_u8(&r) % 5;
        if (kind == 0) {
            size_t len = rd_u16(&r);
            (void)deliver(&e, rd_span(&r, len < reader_left(&r) ? len : reader_left(&r)));
        } else if (kind == 1) {
            uint32_t leaf = rd_u8(&r) % LEAVES, generation = rd_u8(&r) % GENERATIONS;
            size_t len = rd_u16(&r);
            seal_and_deliver(&e, leaf, generation, rd_span(&r, len < reader_left(&r) ? len : reader_left(&r)));
        } else if (kind == 2) {
            uint8_t content_type = (uint8_t)(1 + rd_u8(&r) % 3), padding_len = rd_u8(&r);
            size_t len = rd_u8(&r);
            struct span text = rd_span(&r, len < reader_left(&r) ? len : reader_left(&r));
            if (e.sent_count < SENT_MAX)
                send(&e, content_type, padding_len, text);
        } else {
            size_t which = rd_u8(&r), where = kind == 4 ? rd_u16(&r) : 0;
            deliver_sent(&e, which, where, kind == 4 ? rd_u8(&r) : 0);
        }
    }
    stop(&e);
    return 0;
}
