#include "base/assert.h"
#include "base/secret.h"
#include "heap_watch.h"
#include "mls_samples.h"
#include "unit.h"

static struct samples samples;

/* Runs `check` in every suite that the backend has. */
static void in_every_suite(void (*check)(struct samples *s)) {
    for (size_t i = 0; mls_suite_at(i) != NULL; i++) {
        samples_make(&samples, mls_suite_at(i)->id);
        check(&samples);
        samples_free(&samples);
    }
}

static struct secret random_secret(struct samples *s) {
    struct secret secret;
    mls_random_secret(&s->c, &s->rng, &secret);
    return secret;
}

static void assert_wiped(const struct secret *secret) {
    static const struct secret none;
    assert_memory_equal(secret, &none, sizeof none);
}

static void check_suite_lengths(struct samples *s) {
    const struct mls_suite *suite = s->c.suite;
    assert_int_equal(suite->hash_len, hash_len(suite->hash));
    assert_int_equal(suite->hpke.kdf, suite->hash);
    assert_int_equal(suite->key_len, suite->hpke.aead == AEAD_AES_128_GCM ? 16 : 32);
    assert_ptr_equal(mls_suite_named(suite->name), suite);
    assert_ptr_equal(mls_suite_find(suite->id), suite);
}

static void suites_are_found_by_number_and_name(void **state) {
    (void)state;
    in_every_suite(check_suite_lengths);
    struct mls_crypto c;
    static const uint16_t unknown[] = {0, 8, 0x0a0a, 0xf0a8};
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        assert_null(mls_suite_find(unknown[i]));
        assert_int_equal(mls_crypto_of(&crypto_openssl, unknown[i], &c), MLS_SUITE_UNSUPPORTED);
    }
    assert_null(mls_suite_named("MLS_128_SOMETHING"));
}

static bool has_no_ed25519(enum sign_algorithm algorithm) {
    return algorithm != SIGN_ED25519 && crypto_openssl.has_sign(algorithm);
}

static bool has_no_x448(enum dh_group group) {
    return group != DH_X448 && crypto_openssl.has_dh(group);
}

static void a_suite_whose_primitive_the_backend_lacks_is_unsupported(void **state) {
    (void)state;
    struct crypto_backend backend = crypto_openssl;
    struct mls_crypto c;
    backend.has_sign = has_no_ed25519;
    backend.has_dh = has_no_x448;
    assert_int_equal(mls_crypto_of(&backend, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, &c), MLS_SUITE_UNSUPPORTED);
    assert_int_equal(mls_crypto_of(&backend, MLS_SUITE_X448_AES256GCM_SHA512_ED448, &c), MLS_SUITE_UNSUPPORTED);
    assert_int_equal(mls_crypto_of(&backend, MLS_SUITE_P256_AES128GCM_SHA256_P256, &c), MLS_OK);
}

static void check_encryption(struct samples *s) {
    struct mls_buf *sealed = samples_buf(s), *plain = samples_buf(s);
    struct span public_key = span_of(s->leaf_public, mls_public_key_len(&s->c));
    struct span text = samples_bytes(s, s->c.suite->hash_len), context = samples_bytes(s, 500);
    struct mls_hpke_ciphertext x;
    assert_int_equal(mls_encrypt_with_label(&s->c, public_key, "UpdatePathNode", context, text, &s->rng, sealed,
                                            MLS_ENCRYPTION_KEY_INVALID),
                     MLS_OK);
    struct mls_reader r = mls_reader_of(mls_buf_span(sealed));
    mls_hpke_ciphertext_read(&r, &x);
    assert_int_equal(mls_reader_end(&r), MLS_OK);
    assert_int_equal(mls_decrypt_with_label(&s->c, &s->leaf_private, public_key, "UpdatePathNode", context,
                                            x.kem_output, x.ciphertext, plain, MLS_PATH_SECRET_INVALID),
                     MLS_OK);
    assert_true(span_equal(mls_buf_span(plain), text));
    /* another label, another context, another key, a cut ciphertext: nothing */
    static const char *labels[] = {"Welcome", "UpdatePathNode", "UpdatePathNode", "UpdatePathNode", "UpdatePathNode"};
    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        const struct secret *key = i == 2 ? &s->init_private : &s->leaf_private;
        struct mls_hpke_ciphertext y = x;
        y.ciphertext.len = i == 3 ? AEAD_TAG_LEN - 1 : y.ciphertext.len;
        y.kem_output.len -= i == 4 ? 1 : 0;
        mls_buf_clear(plain);
        assert_int_equal(mls_decrypt_with_label(&s->c, key, (struct span){0}, labels[i], i == 1 ? text : context,
                                                y.kem_output, y.ciphertext, plain, MLS_PATH_SECRET_INVALID),
                         MLS_PATH_SECRET_INVALID);
        assert_int_equal(mls_buf_len(plain), 0);
    }
    mls_buf_clear(sealed);
    public_key.len--;
    assert_int_equal(mls_encrypt_with_label(&s->c, public_key, "Welcome", context, text, &s->rng, sealed,
                                            MLS_ENCRYPTION_KEY_INVALID),
                     MLS_ENCRYPTION_KEY_INVALID);
    assert_int_equal(mls_buf_len(sealed), 0);
}

static void what_is_encrypted_with_a_label_opens_with_the_same_only(void **state) {
    (void)state;
    in_every_suite(check_encryption);
}

static void check_signature(struct samples *s) {
    struct mls_buf *out = samples_buf(s);
    struct span key = span_of(s->sign_public, mls_signature_key_len(&s->c));
    struct span parts[] = {samples_bytes(s, 10), samples_bytes(s, 100)};
    assert_int_equal(mls_sign_with_label(&s->c, &s->sign_private, "LeafNodeTBS", parts, 2, out), MLS_OK);
    struct mls_reader r = mls_reader_of(mls_buf_span(out));
    struct span signature = mls_rd_vec(&r, MLS_KEY_LEN_MAX, MLS_FIELD_TOO_LONG);
    assert_int_equal(mls_reader_end(&r), MLS_OK);
    assert_int_equal(mls_verify_with_label(&s->c, key, "LeafNodeTBS", parts, 2, signature, MLS_LEAF_SIGNATURE_INVALID),
                     MLS_OK);
    assert_int_equal(
        mls_verify_with_label(&s->c, key, "KeyPackageTBS", parts, 2, signature, MLS_LEAF_SIGNATURE_INVALID),
        MLS_LEAF_SIGNATURE_INVALID);
    assert_int_equal(mls_verify_with_label(&s->c, key, "LeafNodeTBS", parts, 1, signature, MLS_LEAF_SIGNATURE_INVALID),
                     MLS_LEAF_SIGNATURE_INVALID);
    signature.len--;
    assert_int_equal(mls_verify_with_label(&s->c, key, "LeafNodeTBS", parts, 2, signature, MLS_LEAF_SIGNATURE_INVALID),
                     MLS_LEAF_SIGNATURE_INVALID);
}

static void what_is_signed_with_a_label_verifies_with_the_same_only(void **state) {
    (void)state;
    in_every_suite(check_signature);
}

static void check_external_init(struct samples *s) {
    struct secret external = random_secret(s), private_key, joiner, member;
    uint8_t external_pub[KEM_PUBLIC_LEN_MAX];
    struct mls_buf *kem_output = samples_buf(s);
    assert_int_equal(mls_external_key_pair(&s->c, &external, &private_key, external_pub), MLS_OK);
    struct span key = span_of(external_pub, mls_public_key_len(&s->c));
    assert_int_equal(mls_external_init_send(&s->c, key, &s->rng, kem_output, &joiner), MLS_OK);
    struct span output = mls_buf_span(kem_output);
    assert_int_equal(output.len, kem_enc_len(s->c.suite->hpke.kem));
    assert_int_equal(joiner.len, s->c.suite->hash_len);
    assert_int_equal(mls_external_init_receive(&s->c, &external, output, &member), MLS_OK);
    assert_memory_equal(&joiner, &member, sizeof member);
    output.len--;
    assert_int_equal(mls_external_init_receive(&s->c, &external, output, &member), MLS_EXTERNAL_INIT_INVALID);
    assert_wiped(&member);
    key.len--;
    mls_buf_clear(kem_output);
    assert_int_equal(mls_external_init_send(&s->c, key, &s->rng, kem_output, &joiner), MLS_EXTERNAL_INIT_INVALID);
    assert_wiped(&joiner);
    assert_int_equal(mls_buf_len(kem_output), 0);
}

static void joiner_and_members_agree_on_the_external_init_secret(void **state) {
    (void)state;
    in_every_suite(check_external_init);
    /* a KEM output that is no point, of the right length */
    samples_make(&samples, MLS_SUITE_P256_AES128GCM_SHA256_P256);
    struct secret external = random_secret(&samples), member = external;
    uint8_t zeros[65] = {4};
    assert_int_equal(mls_external_init_receive(&samples.c, &external, span_of(zeros, 65), &member),
                     MLS_EXTERNAL_INIT_INVALID);
    assert_wiped(&member);
    samples_free(&samples);
}

static void check_group_info(struct samples *s) {
    struct secret welcome = random_secret(s), other = random_secret(s);
    struct mls_buf *sealed = samples_buf(s), *plain = samples_buf(s);
    struct span info = samples_bytes(s, 400);
    assert_int_equal(mls_group_info_seal(&s->c, &welcome, info, sealed), MLS_OK);
    assert_int_equal(mls_buf_len(sealed), info.len + AEAD_TAG_LEN);
    assert_int_equal(mls_group_info_open(&s->c, &welcome, mls_buf_span(sealed), plain), MLS_OK);
    assert_true(span_equal(mls_buf_span(plain), info));
    mls_buf_clear(plain);
    assert_int_equal(mls_group_info_open(&s->c, &other, mls_buf_span(sealed), plain), MLS_WELCOME_INFO_INVALID);
    assert_int_equal(mls_group_info_open(&s->c, &welcome, span_of(mls_buf_span(sealed).data, AEAD_TAG_LEN), plain),
                     MLS_WELCOME_INFO_INVALID);
    sealed->w.data[3] ^= 1;
    assert_int_equal(mls_group_info_open(&s->c, &welcome, mls_buf_span(sealed), plain), MLS_WELCOME_INFO_INVALID);
    assert_int_equal(mls_buf_len(plain), 0);
}

static void a_sealed_group_info_opens_with_its_welcome_secret_only(void **state) {
    (void)state;
    in_every_suite(check_group_info);
}

static void every_input_of_the_key_schedule_changes_every_output(void **state) {
    (void)state;
    samples_make(&samples, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    struct samples *s = &samples;
    struct mls_epoch_secrets out[5];
    for (size_t i = 0; i < ARRAY_LEN(out); i++) {
        struct rng rng = rng_seeded(1);
        struct secret init, commit, psk, joiner, member;
        mls_random_secret(&s->c, &rng, &init);
        mls_random_secret(&s->c, &rng, &commit);
        mls_random_secret(&s->c, &rng, &psk);
        uint8_t context[] = "a group context";
        init.bytes[31] ^= i == 1;
        commit.bytes[31] ^= i == 2;
        psk.bytes[31] ^= i == 3;
        context[0] ^= i == 4;
        assert_int_equal(mls_joiner_secret(&s->c, &init, &commit, span_of(context, sizeof context), &joiner), MLS_OK);
        assert_int_equal(mls_member_secret(&s->c, &joiner, &psk, &member), MLS_OK);
        assert_int_equal(mls_epoch_derive(&s->c, &member, span_of(context, sizeof context), &out[i]), MLS_OK);
    }
    const size_t count = sizeof out[0] / sizeof(struct secret);
    for (size_t i = 0; i < ARRAY_LEN(out); i++) {
        const struct secret *a = &out[i].sender_data;
        for (size_t j = 0; j < count; j++) {
            for (size_t k = 0; k < ARRAY_LEN(out) * count; k++) {
                const struct secret *b = &out[k / count].sender_data + k % count;
                assert_true(&a[j] == b || memcmp(&a[j], b, sizeof *b) != 0);
            }
        }
    }
    mls_epoch_secrets_wipe(&out[0]);
    for (size_t j = 0; j < count; j++)
        assert_wiped(&out[0].sender_data + j);
    samples_free(s);
}

static void exporters_are_bound_to_label_context_and_length(void **state) {
    (void)state;
    samples_make(&samples, MLS_SUITE_P384_AES256GCM_SHA384_P384);
    struct samples *s = &samples;
    struct secret exporter = random_secret(s);
    uint8_t a[32], b[32], big[HKDF_OUT_LEN_MAX + 1];
    assert_int_equal(mls_exporter(&s->c, &exporter, "one", span_str("context"), a, sizeof a), MLS_OK);
    assert_int_equal(mls_exporter(&s->c, &exporter, "one", span_str("context"), b, sizeof b), MLS_OK);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(mls_exporter(&s->c, &exporter, "two", span_str("context"), b, sizeof b), MLS_OK);
    assert_memory_not_equal(a, b, sizeof a);
    assert_int_equal(mls_exporter(&s->c, &exporter, "one", (struct span){0}, b, sizeof b), MLS_OK);
    assert_memory_not_equal(a, b, sizeof a);
    assert_int_equal(mls_exporter(&s->c, &exporter, "one", span_str("context"), b, 16), MLS_OK);
    assert_memory_not_equal(a, b, 16);
    assert_int_equal(mls_exporter(&s->c, &exporter, "one", (struct span){0}, big, HKDF_OUT_LEN_MAX), MLS_OK);
    assert_int_equal(mls_exporter(&s->c, &exporter, "one", (struct span){0}, big, sizeof big), MLS_TOO_LARGE);
    samples_free(s);
}

static void the_order_of_pre_shared_keys_matters(void **state) {
    (void)state;
    samples_make(&samples, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    struct samples *s = &samples;
    struct mls_buf *ids[2];
    struct secret results[3];
    struct span psks[] = {samples_bytes(s, 1), samples_bytes(s, MLS_PSK_LEN_MAX)};
    for (size_t i = 0; i < 2; i++) {
        struct mls_psk_id id = samples_psk_id(s, i == 0 ? MLS_PSK_EXTERNAL : MLS_PSK_RESUMPTION);
        id.id = samples_bytes(s, MLS_GROUP_ID_LEN_MAX); /* the longest there are */
        ids[i] = samples_buf(s);
        mls_psk_id_write(ids[i], &id);
    }
    for (size_t run = 0; run < 3; run++) {
        mls_zero_secret(&s->c, &results[run]);
        for (uint16_t i = 0; i < 2; i++) {
            size_t which = run == 1 ? 1u - i : i;
            assert_int_equal(mls_psk_secret_add(&s->c, &results[run], mls_buf_span(ids[which]), psks[which], i, 2),
                             MLS_OK);
        }
    }
    assert_memory_equal(&results[0], &results[2], sizeof results[0]);
    assert_memory_not_equal(&results[0], &results[1], sizeof results[0]);
    samples_free(s);
}

static void confirmation_tags_are_checked_as_a_whole(void **state) {
    (void)state;
    samples_make(&samples, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    struct samples *s = &samples;
    struct secret key = random_secret(s);
    struct mls_hash tag;
    struct span confirmed = samples_bytes(s, 32);
    assert_int_equal(mls_confirmation_tag(&s->c, &key, confirmed, &tag), MLS_OK);
    assert_int_equal(mls_confirmation_tag_check(&s->c, &key, confirmed, mls_hash_span(&tag)), MLS_OK);
    for (uint8_t i = 0; i < tag.len; i++) {
        tag.bytes[i] ^= 1;
        assert_int_equal(mls_confirmation_tag_check(&s->c, &key, confirmed, mls_hash_span(&tag)),
                         MLS_CONFIRMATION_TAG_INVALID);
        tag.bytes[i] ^= 1;
    }
    tag.len--;
    assert_int_equal(mls_confirmation_tag_check(&s->c, &key, confirmed, mls_hash_span(&tag)),
                     MLS_CONFIRMATION_TAG_INVALID);
    assert_int_equal(mls_confirmation_tag_check(&s->c, &key, confirmed, (struct span){0}),
                     MLS_CONFIRMATION_TAG_INVALID);
    samples_free(s);
}

static void nothing_secret_is_left_on_the_heap(void **state) {
    (void)state;
    samples_make(&samples, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    (void)heap_freed_dirty();
    check_encryption(&samples);
    check_signature(&samples);
    check_external_init(&samples);
    check_group_info(&samples);
    samples_free(&samples);
    assert_int_equal(heap_freed_dirty(), 0);
    assert_int_equal(heap_blocks(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suites_are_found_by_number_and_name),
        cmocka_unit_test(a_suite_whose_primitive_the_backend_lacks_is_unsupported),
        cmocka_unit_test(what_is_encrypted_with_a_label_opens_with_the_same_only),
        cmocka_unit_test(what_is_signed_with_a_label_verifies_with_the_same_only),
        cmocka_unit_test(joiner_and_members_agree_on_the_external_init_secret),
        cmocka_unit_test(a_sealed_group_info_opens_with_its_welcome_secret_only),
        cmocka_unit_test(every_input_of_the_key_schedule_changes_every_output),
        cmocka_unit_test(exporters_are_bound_to_label_context_and_length),
        cmocka_unit_test(the_order_of_pre_shared_keys_matters),
        cmocka_unit_test(confirmation_tags_are_checked_as_a_whole),
        cmocka_unit_test(nothing_secret_is_left_on_the_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
