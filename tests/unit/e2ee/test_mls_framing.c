#include <stdlib.h>

#include "base/assert.h"
#include "base/secret.h"
#include "heap_watch.h"
#include "mls_samples.h"
#include "unit.h"

/* Sender and receiver in one epoch. */
struct world {
    struct samples s;
    struct samples_epoch sender, receiver;
    struct span signature_key;
};

static const struct mls_sender member = {MLS_SENDER_MEMBER, 1};

static void world_make(struct world *w, uint16_t suite) {
    samples_make(&w->s, suite);
    samples_epoch_make(&w->s, 1, 4, &w->sender);
    samples_epoch_make(&w->s, 1, 4, &w->receiver);
    w->signature_key = span_of(w->s.sign_public, mls_signature_key_len(&w->s.c));
}

static void world_free(struct world *w) {
    samples_epoch_free(&w->sender);
    samples_epoch_free(&w->receiver);
    samples_free(&w->s);
}

static struct world world;

static int make(void **state) {
    *state = &world;
    world_make(&world, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    return 0;
}

static int clear(void **state) {
    world_free(*state);
    return 0;
}

static struct span protect_public(struct world *w, struct mls_sender sender, uint8_t content_type) {
    struct mls_draft d;
    struct mls_buf *out = samples_buf(&w->s);
    samples_draft(&w->s, &w->sender, MLS_WIRE_PUBLIC_MESSAGE, sender, content_type, &d);
    assert_int_equal(mls_public_protect(&d, &w->s.c, w->sender.group_context, &w->sender.membership_key), MLS_OK);
    mls_wr_span(out, mls_buf_span(&d.bytes));
    mls_draft_free(&d);
    return mls_buf_span(out);
}

static struct span protect_private(struct world *w, uint8_t content_type, size_t padding_len) {
    struct mls_draft d;
    struct mls_buf *out = samples_buf(&w->s);
    samples_draft(&w->s, &w->sender, MLS_WIRE_PRIVATE_MESSAGE, member, content_type, &d);
    assert_int_equal(mls_private_protect(&d, &w->sender.tree, &w->sender.sender_data, padding_len, &w->s.rng, out),
                     MLS_OK);
    mls_draft_free(&d);
    return mls_buf_span(out);
}

static enum mls_status unprotect_public(struct world *w, struct span bytes, struct mls_message *m) {
    enum mls_status status = mls_message_parse(bytes, m);
    if (status != MLS_OK)
        return status;
    assert_int_equal(m->wire_format, MLS_WIRE_PUBLIC_MESSAGE);
    return mls_public_unprotect(&w->s.c, &m->public_message, w->receiver.group_context, &w->receiver.membership_key,
                                w->signature_key);
}

static enum mls_status unprotect_private(struct world *w, struct span bytes, struct mls_buf *plain,
                                         struct mls_authenticated_content *ac) {
    struct mls_message m;
    struct mls_sender_data sender;
    enum mls_status status = mls_message_parse(bytes, &m);
    if (status != MLS_OK)
        return status;
    if (m.wire_format != MLS_WIRE_PRIVATE_MESSAGE)
        return MLS_WIRE_FORMAT_UNKNOWN;
    status = mls_private_sender(&w->s.c, &m.private_message, &w->receiver.sender_data, &sender);
    if (status != MLS_OK)
        return status;
    return mls_private_unprotect(&w->receiver.tree, &m.private_message, &sender, w->receiver.group_context,
                                 w->signature_key, plain, ac);
}

static enum mls_status open_private(struct world *w, struct span bytes) {
    struct mls_buf plain;
    struct mls_authenticated_content ac;
    mls_buf_init(&plain, MLS_MESSAGE_LEN_MAX);
    enum mls_status status = unprotect_private(w, bytes, &plain, &ac);
    if (status != MLS_OK)
        assert_int_equal(mls_buf_len(&plain), 0);
    mls_buf_free(&plain);
    return status;
}

static void what_is_protected_opens_as_the_same_in_every_suite(void **state) {
    (void)state;
    static struct world w;
    for (size_t i = 0; mls_suite_at(i) != NULL; i++) {
        world_make(&w, mls_suite_at(i)->id);
        for (uint8_t type = MLS_CONTENT_PROPOSAL; type <= MLS_CONTENT_COMMIT; type++) {
            struct mls_message m;
            struct span bytes = protect_public(&w, member, type);
            assert_int_equal(unprotect_public(&w, bytes, &m), MLS_OK);
            assert_int_equal(m.public_message.authenticated.content.content_type, type);
            assert_int_equal(m.public_message.authenticated.content.sender.index, 1);
        }
        for (uint8_t type = MLS_CONTENT_APPLICATION; type <= MLS_CONTENT_COMMIT; type++) {
            for (size_t padding_len = 0; padding_len < 300; padding_len = 2 * padding_len + 1) {
                struct mls_buf plain;
                struct mls_authenticated_content ac;
                mls_buf_init(&plain, MLS_MESSAGE_LEN_MAX);
                struct span bytes = protect_private(&w, type, padding_len);
                assert_int_equal(unprotect_private(&w, bytes, &plain, &ac), MLS_OK);
                assert_int_equal(ac.wire_format, MLS_WIRE_PRIVATE_MESSAGE);
                assert_int_equal(ac.content.content_type, type);
                assert_int_equal(ac.content.sender.index, 1);
                assert_int_equal(ac.content.epoch, 5);
                assert_true(span_equal(ac.content.group_id, w.s.group_id));
                assert_true(span_equal_str(ac.content.authenticated_data, "in the clear"));
                assert_true(type != MLS_CONTENT_APPLICATION || span_equal_str(ac.content.application_data, "sample"));
                mls_buf_free(&plain);
            }
        }
        world_free(&w);
    }
}

/* The hashes over a message (ProposalRef, transcript) are the same at both ends. */
static void both_ends_have_the_same_authenticated_content(void **state) {
    struct world *w = *state;
    static const uint16_t formats[] = {MLS_WIRE_PUBLIC_MESSAGE, MLS_WIRE_PRIVATE_MESSAGE};
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        struct mls_draft d;
        struct mls_buf out, plain;
        struct mls_message m;
        struct mls_authenticated_content ac;
        mls_buf_init(&out, MLS_MESSAGE_LEN_MAX);
        mls_buf_init(&plain, MLS_MESSAGE_LEN_MAX);
        samples_draft(&w->s, &w->sender, formats[i], member, MLS_CONTENT_COMMIT, &d);
        struct span authenticated = samples_bytes(&w->s, 0), confirmed = authenticated;
        struct mls_buf *kept = samples_buf(&w->s);
        mls_wr_span(kept, mls_draft_authenticated(&d));
        authenticated = mls_buf_span(kept);
        confirmed = span_of(authenticated.data, mls_draft_confirmed_input(&d).len);
        if (formats[i] == MLS_WIRE_PUBLIC_MESSAGE) {
            assert_int_equal(mls_public_protect(&d, &w->s.c, w->sender.group_context, &w->sender.membership_key),
                             MLS_OK);
            assert_int_equal(unprotect_public(w, mls_buf_span(&d.bytes), &m), MLS_OK);
            ac = m.public_message.authenticated;
        } else {
            assert_int_equal(mls_private_protect(&d, &w->sender.tree, &w->sender.sender_data, 9, &w->s.rng, &out),
                             MLS_OK);
            assert_int_equal(unprotect_private(w, mls_buf_span(&out), &plain, &ac), MLS_OK);
        }
        assert_true(span_equal(ac.encoding, authenticated));
        assert_true(span_equal(ac.confirmed_input, confirmed));
        /* what stands behind is the confirmation tag */
        assert_int_equal(ac.encoding.len - ac.confirmed_input.len, 1 + w->s.c.suite->hash_len);
        mls_draft_free(&d);
        mls_buf_free(&out);
        mls_buf_free(&plain);
    }
}

static void every_changed_byte_of_a_private_message_is_refused_and_uses_up_nothing(void **state) {
    struct world *w = *state;
    struct span bytes = protect_private(w, MLS_CONTENT_APPLICATION, 5);
    struct mls_buf *changed = samples_buf(&w->s);
    mls_wr_span(changed, bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        for (unsigned bit = 0; bit < 8; bit += 3) {
            changed->w.data[i] ^= (uint8_t)(1u << bit);
            assert_int_not_equal(open_private(w, mls_buf_span(changed)), MLS_OK);
            changed->w.data[i] ^= (uint8_t)(1u << bit);
        }
    }
    assert_int_equal(open_private(w, bytes), MLS_OK);
    assert_int_equal(open_private(w, bytes), MLS_GENERATION_CONSUMED);
}

static void every_changed_byte_of_a_public_message_is_refused(void **state) {
    struct world *w = *state;
    struct span bytes = protect_public(w, member, MLS_CONTENT_PROPOSAL);
    struct mls_buf *changed = samples_buf(&w->s);
    mls_wr_span(changed, bytes);
    for (size_t i = 4; i < bytes.len; i++) {
        struct mls_message m;
        changed->w.data[i] ^= 0x10;
        assert_int_not_equal(unprotect_public(w, mls_buf_span(changed), &m), MLS_OK);
        changed->w.data[i] ^= 0x10;
    }
}

static void a_public_message_needs_membership_and_signature(void **state) {
    struct world *w = *state;
    struct mls_message m;
    struct span bytes = protect_public(w, member, MLS_CONTENT_PROPOSAL);
    struct secret membership_key = w->receiver.membership_key;
    w->receiver.membership_key.bytes[0] ^= 1;
    assert_int_equal(unprotect_public(w, bytes, &m), MLS_MEMBERSHIP_TAG_INVALID);
    w->receiver.membership_key = membership_key;
    m.public_message.membership_tag.len--;
    assert_int_equal(
        mls_public_unprotect(&w->s.c, &m.public_message, w->receiver.group_context, &membership_key, w->signature_key),
        MLS_MEMBERSHIP_TAG_INVALID);
    struct span key = w->signature_key;
    w->signature_key = samples_bytes(&w->s, key.len);
    assert_int_equal(unprotect_public(w, bytes, &m), MLS_SIGNATURE_INVALID);
    w->signature_key = key;
    struct span context = w->receiver.group_context;
    w->receiver.group_context = samples_bytes(&w->s, context.len);
    assert_int_equal(unprotect_public(w, bytes, &m), MLS_MEMBERSHIP_TAG_INVALID);
    w->receiver.group_context = context;
    assert_int_equal(unprotect_public(w, bytes, &m), MLS_OK);
}

/* A member who knows the membership key cannot speak for another one. */
static void a_message_signed_by_somebody_else_is_refused(void **state) {
    struct world *w = *state;
    struct samples *other = malloc(sizeof *other);
    assert_non_null(other);
    samples_make(other, MLS_SUITE_X25519_CHACHA20POLY1305_SHA256_ED25519);
    other->c = w->s.c;
    other->group_id = w->s.group_id;
    struct mls_draft d;
    struct mls_buf out;
    struct mls_message m;
    mls_buf_init(&out, MLS_MESSAGE_LEN_MAX);
    samples_draft(other, &w->sender, MLS_WIRE_PUBLIC_MESSAGE, member, MLS_CONTENT_PROPOSAL, &d);
    assert_int_equal(mls_public_protect(&d, &w->s.c, w->sender.group_context, &w->sender.membership_key), MLS_OK);
    assert_int_equal(unprotect_public(w, mls_buf_span(&d.bytes), &m), MLS_SIGNATURE_INVALID);
    mls_draft_free(&d);
    samples_draft(other, &w->sender, MLS_WIRE_PRIVATE_MESSAGE, member, MLS_CONTENT_APPLICATION, &d);
    assert_int_equal(mls_private_protect(&d, &w->sender.tree, &w->sender.sender_data, 0, &w->s.rng, &out), MLS_OK);
    assert_int_equal(open_private(w, mls_buf_span(&out)), MLS_SIGNATURE_INVALID);
    /* the forgery did not use up the victim's generation */
    struct samples_epoch honest;
    samples_epoch_make(&w->s, 1, 4, &honest);
    mls_buf_clear(&out);
    mls_draft_free(&d);
    samples_draft(&w->s, &honest, MLS_WIRE_PRIVATE_MESSAGE, member, MLS_CONTENT_APPLICATION, &d);
    assert_int_equal(mls_private_protect(&d, &honest.tree, &honest.sender_data, 0, &w->s.rng, &out), MLS_OK);
    assert_int_equal(open_private(w, mls_buf_span(&out)), MLS_OK);
    samples_epoch_free(&honest);
    mls_draft_free(&d);
    mls_buf_free(&out);
    samples_free(other);
    free(other);
}

static void senders_outside_of_the_group_sign_what_section_6_1_says(void **state) {
    struct world *w = *state;
    static const struct {
        struct mls_sender sender;
        uint8_t content_type;
        bool signs_context;
    } cases[] = {{{MLS_SENDER_EXTERNAL, 0}, MLS_CONTENT_PROPOSAL, false},
                 {{MLS_SENDER_NEW_MEMBER_PROPOSAL, 0}, MLS_CONTENT_PROPOSAL, false},
                 {{MLS_SENDER_NEW_MEMBER_COMMIT, 0}, MLS_CONTENT_COMMIT, true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct mls_message m;
        struct span bytes = protect_public(w, cases[i].sender, cases[i].content_type);
        assert_int_equal(unprotect_public(w, bytes, &m), MLS_OK);
        assert_int_equal(m.public_message.membership_tag.len, 0);
        assert_int_equal(
            mls_public_unprotect(&w->s.c, &m.public_message, w->receiver.group_context, NULL, w->signature_key),
            MLS_OK);
        assert_int_equal(
            mls_public_unprotect(&w->s.c, &m.public_message, span_str("another context"), NULL, w->signature_key),
            cases[i].signs_context ? MLS_SIGNATURE_INVALID : MLS_OK);
    }
}

static void each_type_of_sender_may_send_its_contents_only(void **state) {
    (void)state;
    for (uint8_t sender = MLS_SENDER_MEMBER; sender <= MLS_SENDER_NEW_MEMBER_COMMIT; sender++) {
        for (uint8_t content = MLS_CONTENT_APPLICATION; content <= MLS_CONTENT_COMMIT; content++) {
            for (uint16_t type = MLS_PROPOSAL_ADD; type <= MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS; type++) {
                struct mls_authenticated_content ac = {
                    .wire_format = MLS_WIRE_PUBLIC_MESSAGE,
                    .content = {.sender = {.type = sender}, .content_type = content, .proposal = {.type = type}}};
                enum mls_status expected = MLS_OK;
                if (content == MLS_CONTENT_APPLICATION)
                    expected = MLS_APPLICATION_DATA_PUBLIC;
                else if (sender == MLS_SENDER_NEW_MEMBER_COMMIT)
                    expected = content == MLS_CONTENT_COMMIT ? MLS_OK : MLS_SENDER_CONTENT_MISMATCH;
                else if (sender != MLS_SENDER_MEMBER && content != MLS_CONTENT_PROPOSAL)
                    expected = MLS_SENDER_CONTENT_MISMATCH;
                else if (sender == MLS_SENDER_NEW_MEMBER_PROPOSAL && type != MLS_PROPOSAL_ADD)
                    expected = MLS_SENDER_PROPOSAL_MISMATCH;
                else if (sender == MLS_SENDER_EXTERNAL &&
                         (type == MLS_PROPOSAL_UPDATE || type == MLS_PROPOSAL_EXTERNAL_INIT))
                    expected = MLS_SENDER_PROPOSAL_MISMATCH;
                assert_int_equal(mls_content_check_sender(&ac), expected);
                ac.wire_format = MLS_WIRE_PRIVATE_MESSAGE;
                assert_int_equal(mls_content_check_sender(&ac),
                                 sender == MLS_SENDER_MEMBER ? MLS_OK : MLS_EXTERNAL_SENDER_PRIVATE);
            }
        }
    }
}

static void application_data_in_public_is_refused(void **state) {
    struct world *w = *state;
    struct mls_message m = {.version = MLS_VERSION_10, .wire_format = MLS_WIRE_PUBLIC_MESSAGE};
    m.public_message.authenticated =
        (struct mls_authenticated_content){.wire_format = MLS_WIRE_PUBLIC_MESSAGE,
                                           .content = {.group_id = w->s.group_id,
                                                       .epoch = 5,
                                                       .sender = member,
                                                       .content_type = MLS_CONTENT_APPLICATION,
                                                       .application_data = span_str("for all to read")},
                                           .auth = {.signature = samples_bytes(&w->s, 64)}};
    m.public_message.membership_tag = samples_bytes(&w->s, 32);
    struct mls_buf *b = samples_buf(&w->s);
    mls_message_write(b, &m);
    assert_int_equal(unprotect_public(w, mls_buf_span(b), &m), MLS_APPLICATION_DATA_PUBLIC);
}

/* A PrivateMessage with any plaintext, sealed with the sender's next application key. */
static struct span seal_anything(struct world *w, uint32_t leaf, uint32_t generation, struct span plaintext) {
    const struct mls_crypto *c = &w->s.c;
    struct mls_buf *aad = samples_buf(&w->s), *out = samples_buf(&w->s);
    uint8_t sealed[1024], sender_key[AEAD_KEY_LEN_MAX], sender_nonce[AEAD_NONCE_LEN], sender_data[12 + AEAD_TAG_LEN];
    struct mls_message m = {.version = MLS_VERSION_10, .wire_format = MLS_WIRE_PRIVATE_MESSAGE};
    m.private_message =
        (struct mls_private_message){.group_id = w->s.group_id, .epoch = 5, .content_type = MLS_CONTENT_APPLICATION};
    mls_wr_vec(aad, w->s.group_id);
    mls_wr_u64(aad, 5);
    mls_wr_u8(aad, MLS_CONTENT_APPLICATION);
    struct span sender_aad = mls_buf_span(aad);
    mls_wr_vec(aad, (struct span){0});
    struct mls_message_key key;
    assert_int_equal(mls_secret_tree_next(&w->sender.tree, 1, MLS_RATCHET_APPLICATION, &key), MLS_OK);
    assert_int_equal(c->backend->aead_seal(c->suite->hpke.aead, span_of(key.key, c->suite->key_len), key.nonce,
                                           mls_buf_span(aad), plaintext, sealed),
                     CRYPTO_OK);
    mls_message_key_wipe(&w->sender.tree, &key);
    m.private_message.ciphertext = span_of(sealed, plaintext.len + AEAD_TAG_LEN);
    struct writer plain = writer_of(sender_data, sizeof sender_data);
    wr_u32(&plain, leaf);
    wr_u32(&plain, generation);
    wr_u32(&plain, 0);
    assert_int_equal(
        mls_sender_data_keys(c, &w->sender.sender_data, m.private_message.ciphertext, sender_key, sender_nonce),
        MLS_OK);
    sender_aad = span_of(mls_buf_span(aad).data, sender_aad.len);
    assert_int_equal(c->backend->aead_seal(c->suite->hpke.aead, span_of(sender_key, c->suite->key_len), sender_nonce,
                                           sender_aad, writer_span(&plain), sender_data),
                     CRYPTO_OK);
    m.private_message.encrypted_sender_data = span_of(sender_data, sizeof sender_data);
    mls_message_write(out, &m);
    return mls_buf_span(out);
}

/* application_data, a signature that verifies, and what comes behind. */
static struct span signed_application(struct world *w, struct span padding) {
    const struct mls_draft_header header = {.wire_format = MLS_WIRE_PRIVATE_MESSAGE,
                                            .group_id = w->s.group_id,
                                            .epoch = 5,
                                            .sender = member,
                                            .content_type = MLS_CONTENT_APPLICATION};
    struct mls_draft d;
    struct mls_buf *out = samples_buf(&w->s);
    mls_draft_begin(&d, &header);
    mls_wr_vec(&d.bytes, span_str("hand made"));
    assert_int_equal(mls_draft_sign(&d, &w->s.c, w->sender.group_context, &w->s.sign_private), MLS_OK);
    mls_wr_span(out, span_of(d.bytes.w.data + d.header_end, d.auth_end - d.header_end));
    mls_wr_span(out, padding);
    mls_draft_free(&d);
    return mls_buf_span(out);
}

static void padding_is_zeros_of_any_length(void **state) {
    struct world *w = *state;
    uint8_t padding[100] = {0};
    assert_int_equal(open_private(w, seal_anything(w, 1, 0, signed_application(w, (struct span){0}))), MLS_OK);
    assert_int_equal(open_private(w, seal_anything(w, 1, 1, signed_application(w, span_of(padding, 100)))), MLS_OK);
    static const size_t places[] = {0, 50, 99};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        padding[places[i]] = 0x80;
        struct span bytes = seal_anything(w, 1, (uint32_t)(2 + i), signed_application(w, span_of(padding, 100)));
        assert_int_equal(open_private(w, bytes), MLS_PADDING_NOT_ZERO);
        padding[places[i]] = 0;
    }
}

static void contents_that_decrypt_and_are_malformed_are_refused(void **state) {
    struct world *w = *state;
    assert_int_equal(open_private(w, seal_anything(w, 1, 0, (struct span){0})), MLS_TRUNCATED);
    assert_int_equal(open_private(w, seal_anything(w, 1, 1, span_of("\xff", 1))), MLS_LENGTH_INVALID);
    assert_int_equal(open_private(w, seal_anything(w, 1, 2, span_of("\x40\x01", 2))), MLS_LENGTH_NOT_MINIMAL);
    /* sealed with leaf 1's third key, said to be another's: the key is another one */
    assert_int_equal(open_private(w, seal_anything(w, 2, 3, signed_application(w, (struct span){0}))),
                     MLS_CONTENT_INVALID);
    assert_int_equal(open_private(w, seal_anything(w, 4, 0, signed_application(w, (struct span){0}))),
                     MLS_SENDER_NOT_MEMBER);
    assert_int_equal(open_private(w, seal_anything(w, 1, 1025, signed_application(w, (struct span){0}))),
                     MLS_GENERATION_TOO_FAR);
}

static void sender_data_that_does_not_decrypt_is_refused(void **state) {
    struct world *w = *state;
    struct mls_message m;
    struct mls_sender_data sender;
    struct span bytes = protect_private(w, MLS_CONTENT_APPLICATION, 0);
    assert_int_equal(mls_message_parse(bytes, &m), MLS_OK);
    struct mls_private_message *p = &m.private_message;
    assert_int_equal(mls_private_sender(&w->s.c, p, &w->receiver.sender_data, &sender), MLS_OK);
    assert_int_equal(sender.leaf, 1);
    struct span good = p->encrypted_sender_data;
    p->encrypted_sender_data.len--;
    assert_int_equal(mls_private_sender(&w->s.c, p, &w->receiver.sender_data, &sender), MLS_SENDER_DATA_INVALID);
    p->encrypted_sender_data = samples_bytes(&w->s, good.len);
    assert_int_equal(mls_private_sender(&w->s.c, p, &w->receiver.sender_data, &sender), MLS_SENDER_DATA_INVALID);
    p->encrypted_sender_data = good;
    struct secret wrong = w->receiver.membership_key;
    assert_int_equal(mls_private_sender(&w->s.c, p, &wrong, &sender), MLS_SENDER_DATA_INVALID);
    /* a ciphertext shorter than a hash is sampled as a whole, and then is no content */
    p->ciphertext = samples_bytes(&w->s, 3);
    assert_int_equal(mls_private_sender(&w->s.c, p, &w->receiver.sender_data, &sender), MLS_SENDER_DATA_INVALID);
    struct mls_authenticated_content ac;
    struct mls_buf plain;
    mls_buf_init(&plain, 1000);
    assert_int_equal(
        mls_private_unprotect(&w->receiver.tree, p, &sender, w->receiver.group_context, w->signature_key, &plain, &ac),
        MLS_CONTENT_INVALID);
}

/* State that was lost and is used again: the guard keeps key and nonce from repeating (section 6.3.1). */
static void a_generation_used_twice_does_not_repeat_its_nonce(void **state) {
    struct world *w = *state;
    struct mls_message first, second;
    struct span a = protect_private(w, MLS_CONTENT_APPLICATION, 0);
    samples_epoch_free(&w->sender);
    samples_epoch_make(&w->s, 1, 4, &w->sender);
    struct span b = protect_private(w, MLS_CONTENT_APPLICATION, 0);
    assert_int_equal(mls_message_parse(a, &first), MLS_OK);
    assert_int_equal(mls_message_parse(b, &second), MLS_OK);
    /* equal plaintexts under an equal key: equal nonces would give an equal beginning */
    assert_memory_not_equal(first.private_message.ciphertext.data, second.private_message.ciphertext.data, 7);
    assert_int_equal(open_private(w, a), MLS_OK);
    assert_int_equal(open_private(w, b), MLS_GENERATION_CONSUMED);
}

static void messages_that_would_be_too_large_are_not_made(void **state) {
    struct world *w = *state;
    struct mls_draft d;
    struct mls_buf out;
    mls_buf_init(&out, 2 * (size_t)MLS_MESSAGE_LEN_MAX);
    samples_draft(&w->s, &w->sender, MLS_WIRE_PRIVATE_MESSAGE, member, MLS_CONTENT_APPLICATION, &d);
    assert_int_equal(
        mls_private_protect(&d, &w->sender.tree, &w->sender.sender_data, MLS_MESSAGE_LEN_MAX, &w->s.rng, &out),
        MLS_TOO_LARGE);
    assert_int_equal(mls_private_protect(&d, &w->sender.tree, &w->sender.sender_data, SIZE_MAX, &w->s.rng, &out),
                     MLS_TOO_LARGE);
    assert_int_equal(mls_buf_len(&out), 0);
    assert_int_equal(mls_private_protect(&d, &w->sender.tree, &w->sender.sender_data,
                                         MLS_MESSAGE_LEN_MAX - d.auth_end - 100, &w->s.rng, &out),
                     MLS_OK);
    assert_int_equal(open_private(w, mls_buf_span(&out)), MLS_OK);
    mls_draft_free(&d);
    mls_buf_free(&out);
}

/* Sends and receives once; anything may fail, and then nothing has happened that cannot be done again. */
static enum mls_status one_exchange(struct world *w) {
    struct mls_draft d;
    struct mls_buf out;
    mls_buf_init(&out, MLS_MESSAGE_LEN_MAX);
    const struct mls_draft_header header = {.wire_format = MLS_WIRE_PRIVATE_MESSAGE,
                                            .group_id = w->s.group_id,
                                            .epoch = 5,
                                            .sender = member,
                                            .content_type = MLS_CONTENT_APPLICATION};
    mls_draft_begin(&d, &header);
    mls_wr_vec(&d.bytes, span_str("exchange"));
    enum mls_status status = mls_draft_sign(&d, &w->s.c, w->sender.group_context, &w->s.sign_private);
    if (status == MLS_OK)
        status = mls_private_protect(&d, &w->sender.tree, &w->sender.sender_data, 400, &w->s.rng, &out);
    if (status == MLS_OK)
        status = open_private(w, mls_buf_span(&out));
    mls_draft_free(&d);
    mls_buf_free(&out);
    return status;
}

static void a_failed_allocation_at_any_point_is_told_and_can_be_tried_again(void **state) {
    struct world *w = *state;
    int n = 0;
    for (bool failed = true; failed; n++) {
        clear(state);
        make(state);
        size_t blocks = heap_blocks();
        heap_fail_after(n);
        enum mls_status status = one_exchange(w);
        failed = heap_has_failed();
        heap_fail_after(-1);
        assert_int_equal(status, failed ? MLS_NO_MEMORY : MLS_OK);
        assert_int_equal(one_exchange(w), MLS_OK);
        assert_true(heap_blocks() >= blocks);
    }
    assert_true(n > 10);
}

static void plaintexts_are_wiped_from_the_heap(void **state) {
    struct world *w = *state;
    (void)heap_freed_dirty();
    assert_int_equal(one_exchange(w), MLS_OK);
    assert_int_equal(heap_freed_dirty(), 0);
    assert_false(heap_holds("exchange", 8));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, clear)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_protected_opens_as_the_same_in_every_suite),
        TEST(both_ends_have_the_same_authenticated_content),
        TEST(every_changed_byte_of_a_private_message_is_refused_and_uses_up_nothing),
        TEST(every_changed_byte_of_a_public_message_is_refused),
        TEST(a_public_message_needs_membership_and_signature),
        TEST(a_message_signed_by_somebody_else_is_refused),
        TEST(senders_outside_of_the_group_sign_what_section_6_1_says),
        cmocka_unit_test(each_type_of_sender_may_send_its_contents_only),
        TEST(application_data_in_public_is_refused),
        TEST(padding_is_zeros_of_any_length),
        TEST(contents_that_decrypt_and_are_malformed_are_refused),
        TEST(sender_data_that_does_not_decrypt_is_refused),
        TEST(a_generation_used_twice_does_not_repeat_its_nonce),
        TEST(messages_that_would_be_too_large_are_not_made),
        TEST(a_failed_allocation_at_any_point_is_told_and_can_be_tried_again),
        TEST(plaintexts_are_wiped_from_the_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
