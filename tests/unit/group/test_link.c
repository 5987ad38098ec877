/* Derivations, ids, statements and codes against values made by another implementation (Python's hashlib and hmac,
 * Node's Ed25519), so that both sides, and the next version, mean the same bytes. */
#include <stdio.h>
#include <string.h>

#include "unit.h"

#include "base/assert.h"
#include "group/code.h"
#include "group/context.h"
#include "group/link.h"
#include "group/statement.h"

static const struct crypto_backend *const crypto = &crypto_openssl;

#define MEETING "c8b63c8ec3bcd8a439c2b1671d940c44634d161592793694d2dcddb6044e7a65"
#define SEAT "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1"
#define OWNER "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"
#define LINK_KEY "49e4f987a51a99170402d0d557c4842e49fabd4d4e17a083e93d2ebb1b43fa4c"
#define ID "B3EQc2ngt-v-Bl0HqsVWILTIuVJNhDyD"

static struct span hex(const char *text, uint8_t *out, size_t size) {
    size_t len = strlen(text) / 2;
    assert_true(len <= size);
    for (size_t i = 0; i < len; i++) {
        unsigned byte;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return span_of(out, len);
}

static void is(const void *bytes, size_t len, const char *text) {
    uint8_t expected[512];
    struct span e = hex(text, expected, sizeof expected);
    assert_int_equal(e.len, len);
    assert_memory_equal(bytes, expected, len);
}

static struct secret seed_of(uint8_t byte) {
    struct secret s;
    secret_zeros(&s, 32);
    memset(s.bytes, byte, 32);
    return s;
}

static void link_of(struct group_link *link) {
    uint8_t secret[32];
    for (size_t i = 0; i < 32; i++)
        secret[i] = (uint8_t)i;
    assert_int_equal(group_link_derive(crypto, span_of(secret, 32), link), CRYPTO_OK);
}

static void what_follows_from_a_links_secret_is_fixed(void **state) {
    (void)state;
    struct group_link link;
    uint8_t psk_id[GROUP_PSK_ID_LEN];
    link_of(&link);
    is(link.link_key, 32, LINK_KEY);
    is(link.sign.bytes, link.sign.len, "7e91b7b19480fecced05dd1b36de9931b0fa46815fa7b7a3cef633d0a90cc5e5");
    is(link.knock.bytes, link.knock.len, "4f3be49c5f960b0878ff48f922cf0c6fbc97e88b3810fe82078a9ab77f1a3f46");
    is(link.info.bytes, link.info.len, "05553167479af666dd8294b7d87b33470ac02ee1c413dd0f4c52584a7fe45d48");
    is(link.psk.bytes, link.psk.len, "9fe266f9b55415b5f28dcfaee735ae60ea557a583335fd720267cb230d0ee06a");
    group_psk_id(0x01020304, psk_id);
    assert_memory_equal(psk_id, "conclave link v2\x01\x02\x03\x04", sizeof psk_id);
    group_link_wipe(&link);
    assert_int_equal(link.psk.len, 0);
}

static void an_id_commits_to_keys_operator_suite_and_kind(void **state) {
    (void)state;
    uint8_t flk[32], owner[32], operator_key[32], server[32], hash[16], tag[8];
    char id[GROUP_MEETING_ID_LEN + 1];
    memset(operator_key, 9, 32);
    memset(server, 5, 32);
    struct group_id_parts parts = {.first_link_key = hex(LINK_KEY, flk, 32),
                                   .owner = hex(OWNER, owner, 32),
                                   .operator_key = span_of(operator_key, 32),
                                   .suite = 1,
                                   .kind = 129};
    group_id_hash(crypto, &parts, hash);
    group_id_tag(crypto, span_of(server, 32), hash, tag);
    group_id_text(hash, tag, id);
    assert_string_equal(id, ID);
    assert_true(group_id_is_of(crypto, span_str(ID), &parts));
    assert_true(group_id_is_of(crypto, span_str("de1-" ID), &parts));
    const struct group_server ours = group_server_local(crypto, span_of(server, 32));
    assert_true(group_id_is_of_server(&ours, span_str(ID)));
    server[0] ^= 1;
    assert_false(group_id_is_of_server(&ours, span_str(ID)));
    struct group_id_parts other = parts;
    other.kind = 1; /* "anybody may begin" taken away */
    assert_false(group_id_is_of(crypto, span_str(ID), &other));
    other = parts;
    other.suite = 0xf0a7;
    assert_false(group_id_is_of(crypto, span_str(ID), &other));
    uint8_t *keys[] = {flk, owner, operator_key};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        keys[i][31] ^= 1;
        assert_false(group_id_is_of(crypto, span_str(ID), &parts));
        keys[i][31] ^= 1;
    }
}

static void an_id_has_one_form(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "B3EQc2ngt-v-Bl0HqsVWILTIuVJNhDy",
        "B3EQc2ngt-v-Bl0HqsVWILTIuVJNhDyDA",
        "B3EQc2ngt+v-Bl0HqsVWILTIuVJNhDyD",
        "B3EQc2ngt-v/Bl0HqsVWILTIuVJNhDyD",
        "B3EQc2ngt-v-Bl0HqsVWILTIuVJNhDy=",
        "B3EQc2ngt-v-Bl0HqsVWILTIuVJNhDy\xc3",
        "-" ID,
        "DE1-" ID,
        "de.1-" ID,
        "de1" ID,
        "abcdefghijklmnopq-" ID,
    };
    uint8_t hash[16], tag[8];
    assert_true(group_id_read(span_str(ID), hash, tag));
    assert_true(group_id_read(span_str("abcdefghijklmnop-" ID), hash, tag));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(group_id_read(span_str(bad[i]), hash, tag));
}

static void meeting_and_identity_follow_from_id_and_seat(void **state) {
    (void)state;
    uint8_t meeting[32], seat[32], identity[GROUP_IDENTITY_LEN], context[GROUP_NEXT_LINK_CONTEXT_LEN];
    group_meeting_hash(crypto, span_str(ID), meeting);
    is(meeting, 32, MEETING);
    group_identity(crypto, span_of(meeting, 32), hex(SEAT, seat, 32), identity);
    assert_memory_equal(identity, "p_pAp2xr5T4kuYHyPHafFlrw", sizeof identity);
    assert_true(group_identity_good(span_of(identity, sizeof identity)));
    group_next_link_context(span_of(meeting, 32), 7, context);
    is(context, sizeof context, MEETING "00000007");
    group_meeting_hash(crypto, span_str("de1-" ID), meeting);
    is(meeting, 32, "ae2d3592cc0a726a06e6f65511173647905fbd0d22b7fe8b5475d475c481e458");
}

static void the_external_sender_is_the_same_after_a_restart(void **state) {
    (void)state;
    uint8_t server[32], meeting[32], key[32];
    struct secret seed;
    memset(server, 5, 32);
    struct span m = hex(MEETING, meeting, 32);
    const struct group_server ours = group_server_local(crypto, span_of(server, 32));
    assert_int_equal(group_external_sender(crypto, &ours, m, &seed, key), CRYPTO_OK);
    is(key, 32, "88d4482c9dd0f9c8833cbca9ab4b2aaab7153d3850a32b50dd52523f97e1766a");
    secret_wipe(&seed);
}

static void an_info_tag_is_fixed(void **state) {
    (void)state;
    uint8_t pub[32], link_key[32], tag[GROUP_INFO_TAG_LEN];
    memset(pub, 1, 32);
    group_info_tag(crypto, span_of(pub, 32), 2, hex(LINK_KEY, link_key, 32), tag);
    is(tag, sizeof tag, "e08ee04df3f0e2952d7c8d7ff17a1588");
}

#define LEAF_SIGNATURE                                                                                                 \
    "315fc573d4633670db274ddaedb91302ebede96ca982d5b58390c032e91f3f2477e6faa09156506b6ee07fe7899de2f0546ac647a82ba2f4" \
    "bfb1513d9e16ed0d"
#define HELLO_SIGNATURE                                                                                                \
    "c0e55736df19cb143dc60950ce68fff5cbe6ea580aae837cf9c85b06c2bb50822708a5e4e34a7dfb163d70f7a905ce9e4676e9395a4ac4fe" \
    "7f87aa6800aa9b08"

static void a_leaf_is_signed_by_the_link_for_one_seat_of_one_generation(void **state) {
    (void)state;
    struct group_link link;
    uint8_t meeting[32], seat[32], signature[64];
    struct span m = hex(MEETING, meeting, 32), s = hex(SEAT, seat, 32), sig = span_of(signature, 64);
    link_of(&link);
    struct span key = span_of(link.link_key, 32);
    assert_int_equal(group_leaf_sign(crypto, &link.sign, m, 0, s, signature), CRYPTO_OK);
    is(signature, 64, LEAF_SIGNATURE);
    assert_int_equal(group_leaf_verify(crypto, key, m, 0, s, sig), CRYPTO_OK);
    assert_int_equal(group_leaf_verify(crypto, key, m, 1, s, sig), CRYPTO_INVALID);
    seat[0] ^= 1;
    assert_int_equal(group_leaf_verify(crypto, key, m, 0, s, sig), CRYPTO_INVALID);
    seat[0] ^= 1;
    meeting[0] ^= 1;
    assert_int_equal(group_leaf_verify(crypto, key, m, 0, s, sig), CRYPTO_INVALID);
    meeting[0] ^= 1;
    assert_int_equal(group_leaf_verify(crypto, key, m, 0, s, span_of(signature, 63)), CRYPTO_INVALID);
    assert_int_equal(group_leaf_verify(crypto, key, span_of(meeting, 31), 0, s, sig), CRYPTO_INVALID);
    group_link_wipe(&link);
}

/* A hello is good for one connection, one way in and one package: replayed, reflected or patched it is none. */
static void a_replayed_hello_is_refused(void **state) {
    (void)state;
    struct secret seat_seed = seed_of(3);
    uint8_t meeting[32], seat[32], server[32], client[32], signature[64];
    memset(server, 11, 32);
    memset(client, 12, 32);
    struct group_hello hello = {.meeting = hex(MEETING, meeting, 32),
                                .seat_key = hex(SEAT, seat, 32),
                                .how = 1,
                                .server_nonce = span_of(server, 32),
                                .client_nonce = span_of(client, 32),
                                .key_package = span_str("package")};
    assert_int_equal(group_hello_sign(crypto, &seat_seed, &hello, signature), CRYPTO_OK);
    is(signature, 64, HELLO_SIGNATURE);
    struct span sig = span_of(signature, 64);
    assert_int_equal(group_hello_verify(crypto, &hello, sig), CRYPTO_OK);
    uint8_t *changed[] = {meeting, seat, server, client, signature};
    for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
        changed[i][5] ^= 1;
        assert_int_equal(group_hello_verify(crypto, &hello, sig), CRYPTO_INVALID);
        changed[i][5] ^= 1;
    }
    struct group_hello other = hello;
    other.how = 2;
    assert_int_equal(group_hello_verify(crypto, &other, sig), CRYPTO_INVALID);
    other = hello;
    other.key_package = span_str("Package");
    assert_int_equal(group_hello_verify(crypto, &other, sig), CRYPTO_INVALID);
    assert_int_equal(group_hello_verify(crypto, &hello, sig), CRYPTO_OK);
}

#define GRANT                                                                                                          \
    "02" MEETING "20" SEAT                                                                                             \
    "732e0ca658081fbdbca050ffdf8d188e28ba086b95b554acbaeb19aa9bbf406b4db280a3f815e9f70c25305430f3560622fb32361270d763" \
    "ea7d41d652d9af09"
#define FOUNDING                                                                                                       \
    "02" GRANT "000000006553f100"                                                                                      \
    "06060606060606060606060606060606"                                                                                 \
    "e81461f499890963d4ad22bd6ec6e49a8dddf975ac5d9cf5138a24631cbed7e20c683e1e5ec3b6e8d34e7062cbf791286d6163071bc62271" \
    "814ab3228c323703"

static void a_grant_is_for_one_seat_of_one_meeting(void **state) {
    (void)state;
    struct secret owner_seed = seed_of(7);
    uint8_t meeting[32], seat[32], owner[32], storage[256];
    struct span m = hex(MEETING, meeting, 32), s = hex(SEAT, seat, 32), o = hex(OWNER, owner, 32);
    struct mls_buf out;
    struct group_grant grant;
    mls_buf_over(&out, storage, sizeof storage);
    assert_int_equal(group_grant_make(crypto, &owner_seed, m, s, &out), MLS_OK);
    struct span bytes = mls_buf_span(&out);
    is(bytes.data, bytes.len,
       "02" MEETING "20" SEAT "732e0ca658081fbdbca050ffdf8d188e28ba086b95b554acbaeb19aa9bbf406b4db280a3f815e9f70c253054"
       "30f3560622fb32361270d763"
       "ea7d41d652d9af09");
    assert_int_equal(group_grant_check(crypto, bytes, o, m, s), CRYPTO_OK);
    uint8_t *changed[] = {meeting, seat, owner};
    for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
        changed[i][31] ^= 1;
        assert_int_equal(group_grant_check(crypto, bytes, o, m, s), CRYPTO_INVALID);
        changed[i][31] ^= 1;
    }
    for (size_t i = 0; i < bytes.len; i++) {
        storage[i] ^= 1;
        assert_int_equal(group_grant_check(crypto, bytes, o, m, s), CRYPTO_INVALID);
        storage[i] ^= 1;
        assert_false(group_grant_read(span_of(storage, i), &grant));
    }
    assert_false(group_grant_read(span_of(storage, bytes.len + 1), &grant));
    assert_int_equal(group_grant_make(crypto, &owner_seed, span_of(meeting, 31), s, &out), MLS_SIGNATURE_KEY_INVALID);
}

static void a_founding_is_of_one_group_by_the_owners_seat(void **state) {
    (void)state;
    struct secret owner_seed = seed_of(7), seat_seed = seed_of(3), stranger = seed_of(8);
    uint8_t meeting[32], seat[32], owner[32], group_id[16], storage[512], other_id[16] = {1};
    struct span m = hex(MEETING, meeting, 32), s = hex(SEAT, seat, 32), o = hex(OWNER, owner, 32);
    struct mls_buf out, grant;
    uint8_t grant_storage[256];
    struct group_founding founding;
    memset(group_id, 6, sizeof group_id);
    mls_buf_over(&grant, grant_storage, sizeof grant_storage);
    mls_buf_over(&out, storage, sizeof storage);
    assert_int_equal(group_grant_make(crypto, &owner_seed, m, s, &grant), MLS_OK);
    assert_int_equal(
        group_founding_make(crypto, &seat_seed, mls_buf_span(&grant), 1700000000, span_of(group_id, 16), &out), MLS_OK);
    struct span bytes = mls_buf_span(&out), g = span_of(group_id, 16);
    is(bytes.data, bytes.len, FOUNDING);
    assert_int_equal(group_founding_check(crypto, bytes, o, m, g, &founding), CRYPTO_OK);
    assert_int_equal(founding.unix_s, 1700000000);
    assert_true(span_equal(founding.grant.seat_key, s));
    assert_int_equal(group_founding_check(crypto, bytes, o, m, span_of(other_id, 16), &founding), CRYPTO_INVALID);
    for (size_t i = 0; i < bytes.len; i++) {
        storage[i] ^= 1;
        assert_int_equal(group_founding_check(crypto, bytes, o, m, g, &founding), CRYPTO_INVALID);
        storage[i] ^= 1;
        assert_int_equal(group_founding_check(crypto, span_of(storage, i), o, m, g, &founding), CRYPTO_INVALID);
    }
    /* who has a Grant of another seat begins nothing in the owner's name */
    mls_buf_clear(&out);
    assert_int_equal(group_founding_make(crypto, &stranger, mls_buf_span(&grant), 1700000000, g, &out), MLS_OK);
    assert_int_equal(group_founding_check(crypto, mls_buf_span(&out), o, m, g, &founding), CRYPTO_INVALID);
}

static void no_statement_stands_for_another(void **state) {
    (void)state;
    struct secret seed = seed_of(7);
    uint8_t owner[32], signature[64];
    struct span o = hex(OWNER, owner, 32), content = span_str("content"),
                halves[] = {span_str("con"), span_str("tent")};
    assert_int_equal(group_sign(crypto, &seed, "Grant", &content, 1, signature), CRYPTO_OK);
    struct span sig = span_of(signature, 64);
    assert_int_equal(group_verify(crypto, o, "Grant", &content, 1, sig), CRYPTO_OK);
    assert_int_equal(group_verify(crypto, o, "Grant", halves, 2, sig), CRYPTO_OK);
    assert_int_equal(group_verify(crypto, o, "Leaf", &content, 1, sig), CRYPTO_INVALID);
    assert_int_equal(group_verify(crypto, o, "Gran", &content, 1, sig), CRYPTO_INVALID);
    assert_int_equal(crypto->verify(SIGN_ED25519, o, content, sig), CRYPTO_INVALID);
}

static void a_code_has_thirty_digits_of_the_whole_group(void **state) {
    (void)state;
    uint8_t authenticator[32];
    char code[GROUP_CODE_DIGITS + 1], other[GROUP_CODE_DIGITS + 1];
    memset(authenticator, 4, 32);
    assert_int_equal(group_code(crypto, span_of(authenticator, 32), span_str("context"), code), CRYPTO_OK);
    assert_string_equal(code, "892972875301317326756962740553");
    assert_int_equal(group_code(crypto, span_of(authenticator, 32), span_str("contexT"), other), CRYPTO_OK);
    assert_string_not_equal(code, other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_follows_from_a_links_secret_is_fixed),
        cmocka_unit_test(an_id_commits_to_keys_operator_suite_and_kind),
        cmocka_unit_test(an_id_has_one_form),
        cmocka_unit_test(meeting_and_identity_follow_from_id_and_seat),
        cmocka_unit_test(the_external_sender_is_the_same_after_a_restart),
        cmocka_unit_test(an_info_tag_is_fixed),
        cmocka_unit_test(a_leaf_is_signed_by_the_link_for_one_seat_of_one_generation),
        cmocka_unit_test(a_replayed_hello_is_refused),
        cmocka_unit_test(a_grant_is_for_one_seat_of_one_meeting),
        cmocka_unit_test(a_founding_is_of_one_group_by_the_owners_seat),
        cmocka_unit_test(no_statement_stands_for_another),
        cmocka_unit_test(a_code_has_thirty_digits_of_the_whole_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
