/* The keeper of secrets: what it answers, and the process that answers. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "crypto/hmac.h"
#include "server/cli.h"
#include "server/keeper_internal.h"
#include "unit.h"

#define API_SECRET "an-api-secret-of-more-than-thirty-two-characters"

static struct keeper_store store;
static uint8_t out[KEEPER_ANSWER_LEN_MAX];
static char folder[] = "/tmp/conclave-keeper-XXXXXX";

static int make_store(void **state) {
    (void)state;
    memset(&store, 0, sizeof store);
    secret_zeros(&store.server, 32);
    memset(store.server.bytes, 0x5a, 32);
    store.keys[0] = (struct control_key){.key = "first", .secret = API_SECRET};
    store.keys_count = 1;
    return 0;
}

static int wipe_store(void **state) {
    (void)state;
    keeper_wipe(&store);
    return 0;
}

/* Asks; the answer without its first byte, which must be `yes`. */
static struct span ask(bool yes, uint8_t what, struct span rest) {
    uint8_t question[KEEPER_BLOCK_LEN_MAX + 64];
    struct writer w = writer_of(question, sizeof question);
    wr_u8(&w, what);
    wr_span(&w, rest);
    assert_true(writer_ok(&w));
    size_t len = keeper_answer(&store, writer_span(&w), out);
    assert_in_range(len, 1, KEEPER_ANSWER_LEN_MAX);
    assert_int_equal(out[0], yes);
    return span_of(out + 1, len - 1);
}

static bool contains(struct span text, const void *bytes, size_t len) {
    return memmem(text.data, text.len, bytes, len) != NULL;
}

static void the_keeper_answers_what_follows_from_a_secret_and_never_the_secret(void **state) {
    (void)state;
    uint8_t mac[32], tag[8], hash[16] = {1, 2, 3}, meeting[32] = {4};
    struct secret seed;
    hmac_once(HMAC_SHA256, span_str(API_SECRET), span_str("header.claims"), mac);
    struct span answer = ask(true, KEEPER_MAC, span_of("\0header.claims", 14));
    assert_true(span_equal(answer, span_of(mac, sizeof mac)));
    group_id_tag(&crypto_openssl, secret_span(&store.server), hash, tag);
    assert_true(span_equal(ask(true, KEEPER_TAG, span_of(hash, 16)), span_of(tag, sizeof tag)));
    assert_int_equal(group_external_seed(&crypto_openssl, secret_span(&store.server), span_of(meeting, 32), &seed),
                     CRYPTO_OK);
    assert_true(span_equal(ask(true, KEEPER_SEED, span_of(meeting, 32)), secret_span(&seed)));
    /* every short question there is, and some longer ones */
    struct rng rng = rng_seeded(3);
    for (int what = 0; what < 256; what++) {
        for (size_t len = 0; len < 40; len++) {
            uint8_t question[64] = {(uint8_t)what};
            rng_fill(&rng, question + 1, len);
            question[1] = (uint8_t)rng_below(&rng, 3);
            struct span got = span_of(out, keeper_answer(&store, span_of(question, 1 + len), out));
            assert_false(contains(got, API_SECRET, 16) || contains(got, store.server.bytes, 16));
        }
    }
}

static void what_cannot_be_answered_is_refused_with_a_sentence(void **state) {
    (void)state;
    uint8_t bytes[64] = {0};
    assert_int_equal(keeper_answer(&store, span_of(bytes, 0), out) > 1 && out[0] == 0, 1);
    (void)ask(false, 99, span_of(bytes, 4));
    (void)ask(false, KEEPER_MAC, span_of(bytes, 0));
    (void)ask(false, KEEPER_MAC, span_of("\1text", 5));
    (void)ask(false, KEEPER_TAG, span_of(bytes, 15));
    (void)ask(false, KEEPER_TAG, span_of(bytes, 17));
    (void)ask(false, KEEPER_SEED, span_of(bytes, 31));
    (void)ask(false, KEEPER_SIGN_EC, span_of(bytes, 3));
    (void)ask(false, KEEPER_SIGN_EC, span_of(bytes, 36));
    (void)ask(false, KEEPER_SIGN_RSA, span_of(bytes, 36));
    (void)ask(false, KEEPER_CERTIFICATE, span_of(bytes, 4)); /* of the process, which has files */
}

static void a_tls_key_signs_what_is_a_digest_and_only_with_its_own_number(void **state) {
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_int_equal(keeper_add_tls(&store, key), 0);
    assert_int_equal(EVP_PKEY_up_ref(key), 1);
    assert_int_equal(keeper_add_tls(&store, key), 0); /* the same again */
    uint8_t question[4 + 32] = {0, 0, 0, 0, 7};
    struct span signature = ask(true, KEEPER_SIGN_EC, span_of(question, sizeof question));
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    assert_int_equal(EVP_PKEY_verify_init(context), 1);
    assert_int_equal(EVP_PKEY_verify(context, signature.data, signature.len, question + 4, 32), 1);
    EVP_PKEY_CTX_free(context);
    (void)ask(false, KEEPER_SIGN_RSA, span_of(question, sizeof question));
    (void)ask(false, KEEPER_SIGN_EC, span_of(question, 4));
    uint8_t longer[4 + KEEPER_DIGEST_LEN_MAX + 1] = {0};
    (void)ask(false, KEEPER_SIGN_EC, span_of(longer, sizeof longer));
    question[3] = 1;
    (void)ask(false, KEEPER_SIGN_EC, span_of(question, sizeof question));
    /* others come: the first stays usable for a while, then it is gone */
    for (uint32_t i = 1; i < KEEPER_TLS_KEYS_MAX; i++)
        assert_int_equal(keeper_add_tls(&store, EVP_EC_gen("P-256")), i);
    question[3] = 0;
    (void)ask(true, KEEPER_SIGN_EC, span_of(question, sizeof question));
    assert_int_equal(keeper_add_tls(&store, EVP_RSA_gen(2048)), KEEPER_TLS_KEYS_MAX);
    (void)ask(false, KEEPER_SIGN_EC, span_of(question, sizeof question));
    uint8_t block[4 + 256] = {0, 0, 0, KEEPER_TLS_KEYS_MAX, 0, 1, 2, 3};
    assert_int_equal(ask(true, KEEPER_SIGN_RSA, span_of(block, sizeof block)).len, 256);
    (void)ask(false, KEEPER_SIGN_RSA, span_of(block, sizeof block - 1));
}

/* ---- the process ---- */

static struct keeper keeper;
static struct config config;

static void start(char *keys) {
    static char data_dir[64], settings[] = "tls.port=7443";
    (void)snprintf(data_dir, sizeof data_dir, "%s/data", folder);
    const struct cli_common common = {.data_dir = data_dir, .keys = keys, .set = {1, {settings}}};
    assert_true(keeper_start(&keeper, &common, &config));
}

static void the_server_gets_a_configuration_without_secrets_and_tokens_are_signed_all_the_same(void **state) {
    (void)state;
    char words[] = "first: " API_SECRET;
    start(words);
    assert_null(strstr(words, API_SECRET)); /* overwritten where it stood */
    assert_int_equal(config.keys_count, 1);
    assert_string_equal(config.keys[0].key, "first");
    assert_false(contains(span_of(&config, sizeof config), API_SECRET, 16));
    const struct control_key key = {.key = "first", .secret = API_SECRET};
    const struct control_keys ours = keeper_keys(&keeper, &config), local = control_keys_local(&key, 1);
    char one[2048], two[2048];
    struct writer w = writer_of(one, sizeof one), x = writer_of(two, sizeof two);
    const struct control_token_request request = {.identity = "ana", .room = "room", .ttl_s = 60};
    assert_true(token_sign(&ours, 0, UINT64_C(1760000000000000), &request, &w));
    assert_true(token_sign(&local, 0, UINT64_C(1760000000000000), &request, &x));
    assert_true(span_equal(writer_span(&w), writer_span(&x)));
    /* the longest text that is a token's */
    uint8_t *text = malloc(TOKEN_LEN_MAX), mac[32], expected[32];
    memset(text, 'a', TOKEN_LEN_MAX);
    assert_true(ours.mac(ours.context, 0, span_of(text, TOKEN_LEN_MAX), mac));
    assert_true(local.mac(local.context, 0, span_of(text, TOKEN_LEN_MAX), expected));
    assert_memory_equal(mac, expected, sizeof mac);
    free(text);
    keeper_end(&keeper);
}

static void ids_and_keys_of_meetings_are_the_same_at_each_start(void **state) {
    (void)state;
    uint8_t hash[16] = {9}, tag[2][8], meeting[32] = {1};
    struct secret seed[2];
    for (int i = 0; i < 2; i++) {
        start(NULL);
        struct group_server server = keeper_server(&keeper);
        assert_true(server.tag(&server, hash, tag[i]));
        assert_true(server.tag(&server, hash, tag[i])); /* remembered */
        assert_true(server.external_seed(&server, span_of(meeting, 32), &seed[i]));
        assert_int_equal(keeper.made_key, i == 0);
        keeper_end(&keeper);
    }
    assert_memory_equal(tag[0], tag[1], sizeof tag[0]);
    assert_true(span_equal(secret_span(&seed[0]), secret_span(&seed[1])));
}

static void a_handshake_is_signed_by_the_keeper(void **state) {
    (void)state;
    start(NULL);
    const char *names[] = {"localhost", "127.0.0.1"};
    struct keeper_certificate certificate;
    struct config_error error;
    assert_true(keeper_certificate(&keeper, names, ARRAY_LEN(names), &certificate, &error));
    assert_int_equal(strlen(certificate.files.fingerprint), 95);
    BIO *bio = BIO_new_mem_buf(certificate.chain, (int)certificate.chain_len);
    X509 *own = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    EVP_PKEY *key = keeper_tls_key(&keeper, own, certificate.key_number);
    assert_non_null(key);
    uint8_t signature[256];
    size_t len = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, signature, &len, (const uint8_t *)"hello", 5), 1);
    EVP_MD_CTX_reset(context);
    assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, X509_get0_pubkey(own)), 1);
    assert_int_equal(EVP_DigestVerify(context, signature, len, (const uint8_t *)"hello", 5), 1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    X509_free(own);
    BIO_free(bio);
    free(certificate.chain);
    keeper_end(&keeper);
}

static void who_asks_a_keeper_that_is_gone_gets_no_answer_and_does_not_wait(void **state) {
    (void)state;
    start(NULL);
    assert_true(keeper_look(&keeper));
    struct group_server server = keeper_server(&keeper);
    uint8_t hash[16] = {1}, tag[8];
    assert_int_equal(kill(keeper.pid, SIGKILL), 0);
    assert_false(server.tag(&server, hash, tag));
    assert_false(keeper_look(&keeper));
    struct control_keys keys = keeper_keys(&keeper, &config);
    uint8_t mac[32];
    assert_false(keys.mac(keys.context, 0, span_str("text"), mac));
    keeper_end(&keeper);
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

#define ANSWER(name) cmocka_unit_test_setup_teardown(name, make_store, wipe_store)

int main(void) {
    const struct CMUnitTest tests[] = {
        ANSWER(the_keeper_answers_what_follows_from_a_secret_and_never_the_secret),
        ANSWER(what_cannot_be_answered_is_refused_with_a_sentence),
        ANSWER(a_tls_key_signs_what_is_a_digest_and_only_with_its_own_number),
        cmocka_unit_test(the_server_gets_a_configuration_without_secrets_and_tokens_are_signed_all_the_same),
        cmocka_unit_test(ids_and_keys_of_meetings_are_the_same_at_each_start),
        cmocka_unit_test(a_handshake_is_signed_by_the_keeper),
        cmocka_unit_test(who_asks_a_keeper_that_is_gone_gets_no_answer_and_does_not_wait),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
