#include "group/code.h"

#include "base/assert.h"
#include "base/cursor.h"
#include "crypto/hkdf.h"

#define GROUP_DIGITS 5
#define CODE_BYTES (8 * (GROUP_CODE_DIGITS / GROUP_DIGITS))

enum crypto_status group_code(const struct crypto_backend *crypto, struct span epoch_authenticator,
                              struct span group_context, char out[GROUP_CODE_DIGITS + 1]) {
    uint8_t bytes[CODE_BYTES] = {0};
    struct secret prk;
    struct span info[] = {span_str("conclave security code v2"), group_context};
    out[0] = 0;
    enum crypto_status status = hkdf_extract(crypto, HASH_SHA512, span_of(NULL, 0), &epoch_authenticator, 1, &prk);
    if (status == CRYPTO_OK)
        status = hkdf_expand(crypto, HASH_SHA512, secret_span(&prk), info, ARRAY_LEN(info), bytes, sizeof bytes);
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
