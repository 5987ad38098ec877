#include "group/code.h"

#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "crypto/hkdf.h"

#define GROUP_DIGITS 5
#define CODE_BYTES (8 * (GROUP_CODE_DIGITS / GROUP_DIGITS))

static enum crypto_status spell(const struct crypto_backend *crypto, struct span secret, const struct span *info,
                                size_t info_count, char out[GROUP_CODE_DIGITS + 1]) {
    uint8_t bytes[CODE_BYTES] = {0};
    struct secret prk;
    out[0] = 0;
    enum crypto_status status = hkdf_extract(crypto, HASH_SHA512, span_of(NULL, 0), &secret, 1, &prk);
    if (status == CRYPTO_OK)
        status = hkdf_expand(crypto, HASH_SHA512, secret_span(&prk), info, info_count, bytes, sizeof bytes);
    secret_wipe(&prk);
    struct reader r = reader_of(bytes, sizeof bytes);
    for (size_t group = 0; status == CRYPTO_OK && group < GROUP_CODE_DIGITS / GROUP_DIGITS; group++) {
        uint64_t value = rd_u64(&r) % 100000;
        for (size_t i = GROUP_DIGITS; i-- > 0; value /= 10)
            out[GROUP_DIGITS * group + i] = (char)('0' + value % 10);
    }
    if (status == CRYPTO_OK)
        out[GROUP_CODE_DIGITS] = 0;
    secure_wipe(bytes, sizeof bytes);
    return status;
}

enum crypto_status group_code(const struct crypto_backend *crypto, struct span epoch_authenticator,
                              struct span group_context, char out[GROUP_CODE_DIGITS + 1]) {
    const struct span info[] = {span_str("conclave security code v2"), group_context};
    return spell(crypto, epoch_authenticator, info, ARRAY_LEN(info), out);
}

enum crypto_status group_pair_code(const struct crypto_backend *crypto, struct span meeting, struct span a,
                                   struct span b, char out[GROUP_CODE_DIGITS + 1]) {
    size_t len = a.len < b.len ? a.len : b.len;
    bool swap = len > 0 && memcmp(a.data, b.data, len) > 0;
    const struct span info[] = {span_str("conclave pair code v2"), swap ? b : a, swap ? a : b};
    return spell(crypto, meeting, info, ARRAY_LEN(info), out);
}
