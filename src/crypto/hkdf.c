#include "crypto/hkdf.h"

#include <string.h>

#include "base/assert.h"

enum crypto_status hkdf_extract(const struct crypto_backend *crypto, enum hash_algorithm hash, struct span salt,
                                const struct span *ikm_parts, size_t count, struct secret *prk) {
    ASSERT(crypto != NULL && prk != NULL);
    struct secret out = {.len = (uint8_t)hash_len(hash)};
    enum crypto_status status = crypto->hmac(hash, salt, ikm_parts, count, out.bytes);
    if (status == CRYPTO_OK)
        *prk = out; /* not before: the salt may be the old value of prk */
    else
        secret_wipe(prk);
    secret_wipe(&out);
    return status;
}

enum crypto_status hkdf_expand(const struct crypto_backend *crypto, enum hash_algorithm hash, struct span prk,
                               const struct span *info_parts, size_t count, uint8_t *out, size_t out_len) {
    ASSERT(crypto != NULL && (out != NULL || out_len == 0));
    ASSERT(out_len <= HKDF_OUT_LEN_MAX && count <= HKDF_PARTS_MAX);
    struct span parts[HKDF_PARTS_MAX + 2];
    uint8_t block[HASH_LEN_MAX], counter = 0;
    size_t len = hash_len(hash);
    enum crypto_status status = CRYPTO_OK;
    for (size_t i = 0; i < count; i++)
        parts[1 + i] = info_parts[i];
    parts[1 + count] = span_of(&counter, 1);
    for (size_t done = 0; done < out_len && status == CRYPTO_OK; done += len) {
        parts[0] = span_of(block, counter == 0 ? 0 : len);
        counter++;
        status = crypto->hmac(hash, prk, parts, count + 2, block);
        size_t left = out_len - done;
        memcpy(out + done, block, left < len ? left : len);
    }
    secure_wipe(block, sizeof block);
    if (status != CRYPTO_OK)
        secure_wipe(out, out_len);
    return status;
}
