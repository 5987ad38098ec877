/* Security codes: what two people read to each other to know that nobody stands between them. */
#include <string.h>

#include "base/assert.h"
#include "crypto/hkdf.h"
#include "member/member_internal.h"

#define CODE_BYTES (8 * (MEMBER_DIGITS / 5))

/* Five digits from eight bytes each: the bias of the remainder is below 2^-47. */
static void spell(const uint8_t bytes[CODE_BYTES], struct member_code *out) {
    struct reader r = reader_of(bytes, CODE_BYTES);
    for (size_t group = 0; group < MEMBER_DIGITS / 5; group++) {
        uint64_t value = rd_u64(&r) % 100000;
        for (size_t i = 0; i < 5; i++) {
            out->digits[5 * group + 4 - i] = (char)('0' + value % 10);
            value /= 10;
        }
    }
    out->digits[MEMBER_DIGITS] = 0;
    /* the words come from other bytes than the digits show whole, so each code has its full strength alone */
    memcpy(out->words, bytes, MEMBER_WORDS);
}

static bool code_of(const struct member *m, struct span secret, const char *label, const struct span *parts,
                    size_t count, struct member_code *out) {
    uint8_t bytes[CODE_BYTES];
    struct secret prk;
    struct span info[4];
    ASSERT(count < ARRAY_LEN(info));
    info[0] = span_str(label);
    for (size_t i = 0; i < count; i++)
        info[i + 1] = parts[i];
    bool good =
        hkdf_extract(m->crypto, HASH_SHA512, span_of(NULL, 0), &secret, 1, &prk) == CRYPTO_OK &&
        hkdf_expand(m->crypto, HASH_SHA512, secret_span(&prk), info, count + 1, bytes, sizeof bytes) == CRYPTO_OK;
    secret_wipe(&prk);
    if (good)
        spell(bytes, out);
    secure_wipe(bytes, sizeof bytes);
    return good;
}

/* The epoch authenticator covers the whole group: members, keys, history (RFC 9420 section 8.7). */
bool member_code(const struct member *m, struct member_code *out) {
    if (m->group == NULL)
        return false;
    struct span authenticator = mls_epoch_authenticator(m->group);
    struct span parts[] = {mls_group_context(m->group)};
    return authenticator.len > 0 && code_of(m, authenticator, "conclave security code v1", parts, 1, out);
}

/* Both signature keys, the smaller first, so that both see the same; no secret is in it, and none is needed: who is
 * between the two has another key. */
bool member_pair_code(const struct member *m, struct span identity, struct member_code *out) {
    const struct person *other = member_find_person(m, identity);
    if (other == NULL || m->group == NULL)
        return false;
    struct span a = mls_buf_span(&m->signature_public), b = mls_buf_span(&other->signature_key);
    bool swap = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len) > 0;
    struct span parts[] = {swap ? b : a, swap ? a : b};
    return code_of(m, span_of(m->meeting_hash, sizeof m->meeting_hash), "conclave pair code v1", parts, 2, out);
}
