#include "e2ee/sframe.h"

#include <string.h>

#include "base/assert.h"
#include "crypto/hkdf.h"

#define NAME_OF(name, text) #name,
#define TEXT_OF(name, text) text,

const char *sframe_status_name(enum sframe_status status) {
    static const char *const names[] = {SFRAME_STATUSES(NAME_OF)};
    ASSERT((size_t)status < ARRAY_LEN(names));
    return names[status];
}

const char *sframe_status_text(enum sframe_status status) {
    static const char *const texts[] = {SFRAME_STATUSES(TEXT_OF)};
    ASSERT((size_t)status < ARRAY_LEN(texts));
    return texts[status];
}

/* ---- Header ------------------------------------------------------------------------------------------------------ */

#define EXTENDED 8u /* the flags X and Y, each in its half of the config byte */

/* Bytes that follow the config byte for a value; 0 when the value is in the config byte. */
static size_t value_len(uint64_t value) {
    return value < EXTENDED ? 0 : (size_t)(71 - __builtin_clzll(value)) / 8;
}

static unsigned half_of(uint64_t value) {
    return value < EXTENDED ? (unsigned)value : EXTENDED | (unsigned)(value_len(value) - 1);
}

static size_t half_len(unsigned half) {
    return half < EXTENDED ? 0 : half - EXTENDED + 1;
}

/* Writes 8 bytes, of which those count that the value needs: what follows is written over the others. */
static size_t put_value(uint8_t *out, uint64_t value) {
    size_t len = value_len(value);
    uint64_t word = len > 0 ? value << (64 - 8 * len) : 0;
    word = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap64(word) : word;
    memcpy(out, &word, sizeof word);
    return len;
}

static uint64_t get_value(unsigned half, const uint8_t *bytes) {
    uint64_t value = half < EXTENDED ? half : 0;
    for (size_t i = 0; i < half_len(half); i++)
        value = value << 8 | bytes[i];
    return value;
}

size_t sframe_header_len(const struct sframe_header *header) {
    return 1 + value_len(header->kid) + value_len(header->ctr);
}

size_t sframe_header_put(uint8_t out[SFRAME_HEADER_LEN_MAX], const struct sframe_header *header) {
    out[0] = (uint8_t)(half_of(header->kid) << 4 | half_of(header->ctr));
    size_t len = 1 + put_value(out + 1, header->kid);
    return len + put_value(out + len, header->ctr);
}

void sframe_header_write(struct writer *w, const struct sframe_header *header) {
    ASSERT(w != NULL && header != NULL);
    uint8_t bytes[SFRAME_HEADER_LEN_MAX];
    wr_bytes(w, bytes, sframe_header_put(bytes, header));
}

enum sframe_status sframe_header_read(struct reader *r, struct sframe_header *out) {
    ASSERT(r != NULL && out != NULL);
    uint8_t config = rd_u8(r);
    unsigned kid_half = config >> 4, ctr_half = config & 15u;
    struct span values = rd_span(r, half_len(kid_half) + half_len(ctr_half));
    *out = (struct sframe_header){0};
    if (!reader_ok(r))
        return SFRAME_TRUNCATED;
    out->kid = get_value(kid_half, values.data);
    out->ctr = get_value(ctr_half, values.data + half_len(kid_half));
    return half_of(out->kid) == kid_half && half_of(out->ctr) == ctr_half ? SFRAME_OK : SFRAME_NOT_MINIMAL;
}

/* ---- Key ids ----------------------------------------------------------------------------------------------------- */

uint64_t sframe_kid(uint32_t context, uint32_t leaf, uint64_t epoch) {
    ASSERT(context < SFRAME_CONTEXTS_MAX && leaf <= SFRAME_LEAF_MAX);
    return (uint64_t)context << (SFRAME_LEAF_BITS + SFRAME_EPOCH_BITS) | (uint64_t)leaf << SFRAME_EPOCH_BITS |
           (epoch & 0xff);
}

struct sframe_kid sframe_kid_split(uint64_t kid) {
    return (struct sframe_kid){.context = kid >> (SFRAME_LEAF_BITS + SFRAME_EPOCH_BITS),
                               .leaf = (uint32_t)(kid >> SFRAME_EPOCH_BITS) & SFRAME_LEAF_MAX,
                               .epoch8 = (uint8_t)kid};
}

/* ---- Suites and keys --------------------------------------------------------------------------------------------- */

const struct sframe_suite *sframe_suite(uint16_t id) {
    static const struct sframe_suite suites[] = {
        {1, "AES_128_CTR_HMAC_SHA256_80", HASH_SHA256, 32, 16, 48, 10},
        {2, "AES_128_CTR_HMAC_SHA256_64", HASH_SHA256, 32, 16, 48, 8},
        {3, "AES_128_CTR_HMAC_SHA256_32", HASH_SHA256, 32, 16, 48, 4},
        {4, "AES_128_GCM_SHA256_128", HASH_SHA256, 32, 0, 16, 16},
        {5, "AES_256_GCM_SHA512_128", HASH_SHA512, 64, 0, 32, 16},
        {6, "AES_256_CTR_HMAC_SHA512_80", HASH_SHA512, 64, 32, 96, 10},
        {7, "AES_256_CTR_HMAC_SHA512_64", HASH_SHA512, 64, 32, 96, 8},
        {8, "AES_256_CTR_HMAC_SHA512_32", HASH_SHA512, 64, 32, 96, 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
        if (suites[i].id == id)
            return &suites[i];
    }
    return NULL;
}

/* All inputs are ours and of fixed lengths, so memory is all that a derivation can lack. */
static enum sframe_status derived(enum crypto_status status) {
    ASSERT(status == CRYPTO_OK || status == CRYPTO_NO_MEMORY);
    return status == CRYPTO_OK ? SFRAME_OK : SFRAME_NO_MEMORY;
}

enum sframe_status sframe_extract(const struct crypto_backend *crypto, const struct sframe_suite *suite,
                                  struct span base_key, struct secret *sframe_secret) {
    ASSERT(crypto != NULL && suite != NULL && base_key.len > 0 && sframe_secret != NULL);
    return derived(hkdf_extract(crypto, suite->hash, span_of(NULL, 0), &base_key, 1, sframe_secret));
}

enum sframe_status sframe_expand(const struct crypto_backend *crypto, const struct sframe_suite *suite,
                                 const struct secret *sframe_secret, uint64_t kid, struct sframe_material *out) {
    ASSERT(crypto != NULL && suite != NULL && out != NULL);
    ASSERT(sframe_secret->len == suite->nh && suite->nk <= sizeof out->key);
    uint8_t tail[10];
    struct writer w = writer_of(tail, sizeof tail);
    wr_u64(&w, kid);
    wr_u16(&w, suite->id);
    struct span label[2] = {span_str("SFrame 1.0 Secret key "), writer_span(&w)};
    enum crypto_status status =
        hkdf_expand(crypto, suite->hash, secret_span(sframe_secret), label, 2, out->key, suite->nk);
    label[0] = span_str("SFrame 1.0 Secret salt ");
    if (status == CRYPTO_OK)
        status = hkdf_expand(crypto, suite->hash, secret_span(sframe_secret), label, 2, out->salt, sizeof out->salt);
    if (status != CRYPTO_OK)
        secure_wipe(out, sizeof *out);
    return derived(status);
}

void sframe_nonce(const uint8_t salt[SFRAME_NONCE_LEN], uint64_t ctr, uint8_t nonce[SFRAME_NONCE_LEN]) {
    /* the counter in network byte order, as one word: this is done for each frame */
    uint64_t word, ctr_be = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap64(ctr) : ctr;
    memcpy(&word, salt + SFRAME_NONCE_LEN - sizeof word, sizeof word);
    word ^= ctr_be;
    memcpy(nonce, salt, SFRAME_NONCE_LEN - sizeof word);
    memcpy(nonce + SFRAME_NONCE_LEN - sizeof word, &word, sizeof word);
}
