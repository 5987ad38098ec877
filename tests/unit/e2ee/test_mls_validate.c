/* Validity of leaf nodes, key packages and GroupInfo: RFC 9420 sections 7.3, 10.1, 12.4.3. */
#include <stdlib.h>

#include "base/assert.h"
#include "e2ee/mls_validate.h"
#include "mls_samples.h"
#include "unit.h"

static struct samples samples;

static int make(void **state) {
    *state = &samples;
    samples_make(&samples, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    return 0;
}

static int clear(void **state) {
    samples_free(*state);
    return 0;
}

/* An exact heap copy, so that a sanitizer sees a read past the end. */
/* ---- validity of leaf nodes and key packages ---- */

static void a_valid_leaf_and_key_package_pass_in_every_suite(void **state) {
    (void)state;
    static struct samples s;
    for (size_t i = 0; mls_suite_at(i) != NULL; i++) {
        samples_make(&s, mls_suite_at(i)->id);
        struct mls_key_package key_package = samples_key_package(&s), read;
        assert_int_equal(mls_key_package_parse(samples_key_package_signed(&s, &key_package), &read), MLS_OK);
        assert_int_equal(mls_key_package_validate(&s.c, &read), MLS_OK);
        for (uint8_t source = MLS_LEAF_KEY_PACKAGE; source <= MLS_LEAF_COMMIT; source++) {
            struct mls_leaf_node leaf = samples_leaf(&s, source);
            assert_int_equal(mls_leaf_node_parse(samples_leaf_signed(&s, &leaf), &leaf), MLS_OK);
            assert_int_equal(mls_leaf_node_check(&s.c, &leaf, source), MLS_OK);
            assert_int_equal(mls_leaf_node_check(&s.c, &leaf, 0), MLS_OK);
            assert_int_equal(mls_leaf_node_verify(&s.c, &leaf, s.group_id, 3), MLS_OK);
            /* leaves made in a group are bound to the group and the place in it, others are not (section 7.2) */
            bool bound = source != MLS_LEAF_KEY_PACKAGE;
            enum mls_status elsewhere = bound ? MLS_LEAF_SIGNATURE_INVALID : MLS_OK;
            assert_int_equal(mls_leaf_node_verify(&s.c, &leaf, s.group_id, 4), elsewhere);
            assert_int_equal(mls_leaf_node_verify(&s.c, &leaf, span_str("another"), 3), elsewhere);
        }
        samples_free(&s);
    }
}

static void a_leaf_that_breaks_a_rule_is_refused_for_it(void **state) {
    struct samples *s = *state;
    const struct mls_leaf_node good = samples_leaf(s, MLS_LEAF_UPDATE);
    struct mls_leaf_node leaf = good;
    assert_int_equal(mls_leaf_node_check(&s->c, &leaf, MLS_LEAF_UPDATE), MLS_OK);
    assert_int_equal(mls_leaf_node_check(&s->c, &leaf, MLS_LEAF_COMMIT), MLS_LEAF_SOURCE_WRONG);
    leaf.capabilities.versions = samples_u16s(s, (const uint16_t[]){2, 0});
    assert_int_equal(mls_leaf_node_check(&s->c, &leaf, 0), MLS_LEAF_VERSION_UNLISTED);
    leaf = good;
    /* no step of section 7.3 looks for the suite, and some clients do not list it: its keys show it */
    leaf.capabilities.cipher_suites = samples_u16s(s, (const uint16_t[]){2, 3, 0});
    assert_int_equal(mls_leaf_node_check(&s->c, &leaf, 0), MLS_OK);
    leaf = good;
    leaf.capabilities.credentials = samples_u16s(s, (const uint16_t[]){MLS_CREDENTIAL_X509, 0});
    assert_int_equal(mls_leaf_node_check(&s->c, &leaf, 0), MLS_LEAF_CREDENTIAL_UNLISTED);
    leaf = good;
    leaf.capabilities.extensions = samples_u16s(s, (const uint16_t[]){0x1a1a, 0});
    assert_int_equal(mls_leaf_node_check(&s->c, &leaf, 0), MLS_LEAF_EXTENSION_UNLISTED);
    leaf = good;
    leaf.signature_key.len--;
    assert_int_equal(mls_leaf_node_check(&s->c, &leaf, 0), MLS_SIGNATURE_KEY_INVALID);
    leaf = good;
    leaf.encryption_key.len--;
    assert_int_equal(mls_leaf_node_check(&s->c, &leaf, 0), MLS_ENCRYPTION_KEY_INVALID);
    /* default types need not be listed (section 7.2) */
    leaf = good;
    struct mls_buf *list = samples_buf(s);
    mls_extensions_add(list, MLS_EXTENSION_APPLICATION_ID, span_str("me"));
    leaf.extensions.bytes = mls_buf_span(list);
    leaf.capabilities.extensions = (struct span){0};
    assert_int_equal(mls_leaf_node_check(&s->c, &leaf, 0), MLS_OK);
}

static void a_lifetime_is_now_and_no_longer_than_accepted(void **state) {
    struct samples *s = *state;
    struct mls_leaf_node leaf = samples_leaf(s, MLS_LEAF_KEY_PACKAGE);
    assert_int_equal(mls_leaf_node_check_lifetime(&leaf, 999), MLS_LEAF_LIFETIME);
    assert_int_equal(mls_leaf_node_check_lifetime(&leaf, 1000), MLS_OK);
    assert_int_equal(mls_leaf_node_check_lifetime(&leaf, 2000), MLS_OK);
    assert_int_equal(mls_leaf_node_check_lifetime(&leaf, 2001), MLS_LEAF_LIFETIME);
    assert_int_equal(mls_leaf_node_check_lifetime_max(&leaf, 1000), MLS_OK);
    assert_int_equal(mls_leaf_node_check_lifetime_max(&leaf, 999), MLS_LEAF_LIFETIME_TOO_LONG);
    leaf.not_after = 999;
    assert_int_equal(mls_leaf_node_check_lifetime_max(&leaf, 1000), MLS_LEAF_LIFETIME);
    leaf = samples_leaf(s, MLS_LEAF_UPDATE);
    assert_int_equal(mls_leaf_node_check_lifetime(&leaf, 5000), MLS_OK);
    assert_int_equal(mls_leaf_node_check_lifetime_max(&leaf, 0), MLS_OK);
}

static void a_leaf_supports_what_the_group_uses_and_requires(void **state) {
    struct samples *s = *state;
    const struct mls_leaf_node leaf = samples_leaf(s, MLS_LEAF_UPDATE);
    static const struct {
        uint16_t extension, proposal, credential;
        enum mls_status status;
    } cases[] = {{0xff01, 0xff02, MLS_CREDENTIAL_BASIC, MLS_OK},
                 {MLS_EXTENSION_RATCHET_TREE, MLS_PROPOSAL_PSK, MLS_CREDENTIAL_BASIC, MLS_OK},
                 {0xff03, 0xff02, MLS_CREDENTIAL_BASIC, MLS_LEAF_LACKS_REQUIRED},
                 {0xff01, 0xff03, MLS_CREDENTIAL_BASIC, MLS_LEAF_LACKS_REQUIRED},
                 {0xff01, 0xff02, MLS_CREDENTIAL_X509, MLS_LEAF_LACKS_REQUIRED}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct mls_buf *data = samples_buf(s), *list = samples_buf(s);
        const struct mls_required_capabilities required = {samples_u16s(s, (const uint16_t[]){cases[i].extension, 0}),
                                                           samples_u16s(s, (const uint16_t[]){cases[i].proposal, 0}),
                                                           samples_u16s(s, (const uint16_t[]){cases[i].credential, 0})};
        mls_required_capabilities_write(data, &required);
        mls_extensions_add(list, 0xff01, samples_bytes(s, 2));
        mls_extensions_add(list, MLS_EXTENSION_REQUIRED_CAPABILITIES, mls_buf_span(data));
        const struct mls_list extensions = {.bytes = mls_buf_span(list), .count = 2};
        assert_int_equal(mls_leaf_node_check_group(&leaf, &extensions), cases[i].status);
    }
    struct mls_buf *list = samples_buf(s);
    mls_extensions_add(list, 0xff03, samples_bytes(s, 2));
    struct mls_list extensions = {.bytes = mls_buf_span(list), .count = 1};
    assert_int_equal(mls_leaf_node_check_group(&leaf, &extensions), MLS_LEAF_LACKS_EXTENSION);
    mls_buf_clear(list);
    mls_extensions_add(list, MLS_EXTENSION_REQUIRED_CAPABILITIES, span_of("\1", 1));
    extensions.bytes = mls_buf_span(list);
    assert_int_equal(mls_leaf_node_check_group(&leaf, &extensions), MLS_EXTENSION_MALFORMED);
}

static enum mls_status validated(struct samples *s, const struct mls_key_package *key_package) {
    struct mls_key_package read;
    assert_int_equal(mls_key_package_parse(samples_key_package_signed(s, key_package), &read), MLS_OK);
    return mls_key_package_validate(&s->c, &read);
}

static void a_key_package_that_breaks_a_rule_is_refused_for_it(void **state) {
    struct samples *s = *state;
    const struct mls_key_package good = samples_key_package(s);
    struct mls_key_package x = good;
    assert_int_equal(validated(s, &x), MLS_OK);
    x.version = 2;
    assert_int_equal(mls_key_package_validate(&s->c, &x), MLS_KEY_PACKAGE_VERSION);
    x = good;
    x.cipher_suite = MLS_SUITE_X25519_CHACHA20POLY1305_SHA256_ED25519;
    assert_int_equal(validated(s, &x), MLS_KEY_PACKAGE_SUITE);
    x = good;
    struct mls_leaf_node update = samples_leaf(s, MLS_LEAF_UPDATE);
    assert_int_equal(mls_leaf_node_parse(samples_leaf_signed(s, &update), &x.leaf_node), MLS_OK);
    assert_int_equal(validated(s, &x), MLS_LEAF_SOURCE_WRONG);
    x = good;
    x.init_key = x.leaf_node.encryption_key;
    assert_int_equal(validated(s, &x), MLS_KEY_PACKAGE_INIT_KEY_REUSED);
    x = good;
    x.init_key.len--;
    assert_int_equal(validated(s, &x), MLS_KEY_PACKAGE_INIT_KEY_INVALID);
    x = good;
    struct mls_buf *list = samples_buf(s);
    mls_extensions_add(list, 0xff03, samples_bytes(s, 1));
    x.extensions.bytes = mls_buf_span(list);
    assert_int_equal(validated(s, &x), MLS_OK); /* unlisted: no step of section 10.1 */
    x = good;
    x.leaf_node.signature = samples_bytes(s, 64);
    assert_int_equal(validated(s, &x), MLS_LEAF_SIGNATURE_INVALID);
    assert_int_equal(mls_key_package_parse(samples_key_package_signed(s, &good), &x), MLS_OK);
    x.signature = samples_bytes(s, 64);
    assert_int_equal(mls_key_package_validate(&s->c, &x), MLS_KEY_PACKAGE_SIGNATURE_INVALID);
}

static void a_group_info_verifies_under_its_signers_key_only(void **state) {
    struct samples *s = *state;
    const struct mls_group_info info = samples_group_info(s);
    struct mls_buf *b = samples_buf(s);
    assert_int_equal(mls_group_info_sign(&s->c, &info, &s->sign_private, b), MLS_OK);
    struct mls_group_info read;
    assert_int_equal(mls_group_info_parse(mls_buf_span(b), &read), MLS_OK);
    struct span key = span_of(s->sign_public, mls_signature_key_len(&s->c));
    assert_int_equal(mls_group_info_verify(&s->c, &read, key), MLS_OK);
    assert_int_equal(mls_group_info_verify(&s->c, &read, samples_bytes(s, 32)), MLS_GROUP_INFO_SIGNATURE_INVALID);
    for (size_t i = 0; i < read.tbs.len; i += 7) {
        b->w.data[i] ^= 1;
        struct mls_group_info changed;
        if (mls_group_info_parse(mls_buf_span(b), &changed) == MLS_OK)
            assert_int_equal(mls_group_info_verify(&s->c, &changed, key), MLS_GROUP_INFO_SIGNATURE_INVALID);
        b->w.data[i] ^= 1;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, clear)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_valid_leaf_and_key_package_pass_in_every_suite),
        TEST(a_leaf_that_breaks_a_rule_is_refused_for_it),
        TEST(a_lifetime_is_now_and_no_longer_than_accepted),
        TEST(a_leaf_supports_what_the_group_uses_and_requires),
        TEST(a_key_package_that_breaks_a_rule_is_refused_for_it),
        TEST(a_group_info_verifies_under_its_signers_key_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
