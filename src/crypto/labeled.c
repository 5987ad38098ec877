#include "crypto/labeled.h"

#include "base/assert.h"

#define VERSION "HPKE-v1"

enum crypto_status labeled_extract(const struct crypto_backend *crypto, enum hash_algorithm hash, struct span suite_id,
                                   struct span salt, const char *label, struct span ikm, struct secret *prk) {
    struct span parts[] = {span_str(VERSION), suite_id, span_str(label), ikm};
    return hkdf_extract(crypto, hash, salt, parts, ARRAY_LEN(parts), prk);
}

enum crypto_status labeled_expand(const struct crypto_backend *crypto, enum hash_algorithm hash, struct span suite_id,
                                  const struct secret *prk, const char *label, const struct span *info_parts,
                                  size_t count, uint8_t *out, size_t out_len) {
    ASSERT(count <= LABELED_PARTS_MAX && out_len <= HKDF_OUT_LEN_MAX);
    uint8_t length[2] = {(uint8_t)(out_len >> 8), (uint8_t)out_len};
    struct span parts[4 + LABELED_PARTS_MAX] = {span_of(length, 2), span_str(VERSION), suite_id, span_str(label)};
    for (size_t i = 0; i < count; i++)
        parts[4 + i] = info_parts[i];
    return hkdf_expand(crypto, hash, secret_span(prk), parts, 4 + count, out, out_len);
}
