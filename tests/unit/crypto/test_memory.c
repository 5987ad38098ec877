/* The table over OpenSSL when memory is short: each allocation inside of each function is made to fail in turn. */
#include <openssl/crypto.h>

#include <stdlib.h>

#include "base/assert.h"
#include "base/rng.h"
#include "crypto/hpke.h"
#include "unit.h"

static struct {
    long left;    /* allocations until one fails; none when negative */
    bool forever; /* all after it fail, too */
    long refused; /* how many were */
    long held;
} memory = {.left = -1};

static bool refuse(void) {
    if (memory.left < 0)
        return false;
    if (memory.left > 0) {
        memory.left--;
        return false;
    }
    memory.left = memory.forever ? 0 : -1;
    memory.refused++;
    return true;
}

static void *counted_malloc(size_t len, const char *file, int line) {
    (void)file;
    (void)line;
    if (len == 0 || refuse())
        return NULL;
    void *data = malloc(len);
    memory.held += data != NULL ? 1 : 0;
    return data;
}

static void counted_free(void *data, const char *file, int line) {
    (void)file;
    (void)line;
    memory.held -= data != NULL ? 1 : 0;
    free(data);
}

static void *counted_realloc(void *data, size_t len, const char *file, int line) {
    if (data == NULL)
        return counted_malloc(len, file, line);
    if (len == 0) {
        counted_free(data, file, line);
        return NULL;
    }
    return refuse() ? NULL : realloc(data, len);
}

static const struct crypto_backend *const crypto = &crypto_openssl;
static struct {
    struct secret key, shared;
    uint8_t public_key[KEM_PUBLIC_LEN_MAX], signature[SIGN_SIGNATURE_LEN_MAX], out[SIGN_SIGNATURE_LEN_MAX];
    size_t signature_len, len;
    enum aead_algorithm aead;
    enum dh_group group;
    enum sign_algorithm sign;
} t;

static const uint8_t nonce[AEAD_NONCE_LEN];

static enum crypto_status seal(void) {
    return crypto->aead_seal(t.aead, secret_span(&t.key), nonce, span_of(NULL, 0), span_str("text"), t.out);
}

static enum crypto_status open(void) {
    return crypto->aead_open(t.aead, secret_span(&t.key), nonce, span_of(NULL, 0), span_of(t.signature, 20), t.out);
}

static enum crypto_status dh_public(void) {
    return crypto->dh_public(t.group, &t.key, t.out);
}

static enum crypto_status dh_check(void) {
    return crypto->dh_check(t.group, span_of(t.public_key, dh_public_len(t.group)));
}

static enum crypto_status dh(void) {
    enum crypto_status status = crypto->dh(t.group, &t.key, span_of(t.public_key, dh_public_len(t.group)), &t.shared);
    assert_int_equal(t.shared.len, status == CRYPTO_OK ? dh_private_len(t.group) : 0);
    return status;
}

static enum crypto_status sign_public(void) {
    return crypto->sign_public(t.sign, &t.key, t.out);
}

static enum crypto_status sign(void) {
    enum crypto_status status = crypto->sign(t.sign, &t.key, span_str("text"), t.out, &t.len);
    assert_true(t.len <= sizeof t.out && (t.len > 0) == (status == CRYPTO_OK));
    return status;
}

static enum crypto_status verify(void) {
    return crypto->verify(t.sign, span_of(t.public_key, sign_public_len(t.sign)), span_str("text"),
                          span_of(t.signature, t.signature_len));
}

/* One call in which allocation `at` fails, or all from there on. False when there are not so many. Verification of
 * Ed448 may take short memory for a bad signature. */
static bool fail_at(const char *name, enum crypto_status (*run)(void), long at, bool forever) {
    memory.left = at;
    memory.forever = forever;
    memory.refused = 0;
    enum crypto_status status = run();
    memory.left = -1;
    if (memory.refused == 0) {
        assert_int_equal(status, CRYPTO_OK);
        return false;
    }
    bool told_apart = run != verify || t.sign != SIGN_ED448;
    if (told_apart && status != CRYPTO_OK && status != CRYPTO_NO_MEMORY)
        fail_msg("%s: allocation %ld failed, answer %d", name, at, status);
    return true;
}

/* Good input: every outcome is CRYPTO_OK or CRYPTO_NO_MEMORY, the latter leaves nothing behind but what OpenSSL keeps
 * for its next error, and the next call after it is good. OpenSSL 3.0 itself loses some memory in such moments on NIST
 * curves and in EVP_DigestSignInit: there what is left is not looked at. Answers how many allocations there are. */
static long fail_each(const char *name, enum crypto_status (*run)(void), bool watch_held) {
    assert_int_equal(run(), CRYPTO_OK); /* caches fill */
    assert_int_equal(run(), CRYPTO_OK);
    for (long at = 0;; at++) {
        for (int forever = 0; forever < 2; forever++) {
            if (!fail_at(name, run, at, forever != 0))
                return at;
            (void)fail_at(name, run, at, forever != 0);
            long held = memory.held;
            (void)fail_at(name, run, at, forever != 0);
            if (watch_held && memory.held > held)
                fail_msg("%s: allocation %ld failed, %ld were left", name, at, memory.held - held);
            assert_int_equal(run(), CRYPTO_OK);
        }
    }
}

static void a_failed_allocation_is_told_and_leaves_nothing_behind(void **state) {
    (void)state;
    struct rng rng = rng_seeded(1);
    for (t.aead = AEAD_AES_128_GCM; t.aead <= AEAD_CHACHA20_POLY1305; t.aead++) {
        secret_zeros(&t.key, aead_key_len(t.aead));
        assert_true(fail_each("seal", seal, true) > 0);
        memcpy(t.signature, t.out, 20);
        assert_true(fail_each("open", open, true) > 0);
    }
    for (t.group = DH_X25519; t.group <= DH_P521; t.group++) {
        secret_zeros(&t.key, dh_private_len(t.group));
        rng_fill(&rng, t.key.bytes + 1, t.key.len - 1u);
        assert_true(fail_each("dh_public", dh_public, t.group < DH_P256) > 0);
        memcpy(t.public_key, t.out, dh_public_len(t.group));
        (void)fail_each("dh_check", dh_check, t.group < DH_P256);
        assert_true(fail_each("dh", dh, t.group < DH_P256) > 0);
    }
    for (t.sign = SIGN_ED25519; t.sign <= SIGN_P521_SHA512; t.sign++) {
        assert_int_equal(sign_generate(crypto, t.sign, &rng, &t.key, t.public_key), CRYPTO_OK);
        assert_true(fail_each("sign_public", sign_public, false) > 0);
        assert_true(fail_each("sign", sign, false) > 0);
        memcpy(t.signature, t.out, t.len);
        t.signature_len = t.len;
        assert_true(fail_each("verify", verify, false) > 0);
    }
}

int main(void) {
    int set = CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free);
    ASSERT(set == 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_allocation_is_told_and_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
