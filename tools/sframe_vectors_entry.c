/* Entries of SFrame test vectors and their checks. Files are not read here, so that the same checks run natively and in
 * WebAssembly. */
#include "sframe_vectors.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "e2ee/sframe_native.h"

#define BYTES_MAX 4096
#define KEYS_MAX 4

struct bytes {
    uint8_t data[BYTES_MAX];
    size_t len;
};

static bool get_bytes(const json_t *vector, const char *name, struct bytes *out) {
    const char *text = json_string_value(json_object_get(vector, name));
    out->len = 0;
    for (; text != NULL && text[0] != 0; text += 2) {
        int byte = hex_byte(text);
        if (out->len == sizeof out->data || byte < 0)
            return false;
        out->data[out->len++] = (uint8_t)byte;
    }
    return text != NULL;
}

static bool equals(const json_t *vector, const char *name, struct span got) {
    struct bytes expected;
    return get_bytes(vector, name, &expected) && span_equal(span_of(expected.data, expected.len), got);
}

static uint64_t get_u64(const json_t *vector, const char *name) {
    const char *text = json_string_value(json_object_get(vector, name));
    uint64_t value = 0;
    /* one that is missing, or no number, is 0, and what depends on it does not hold */
    (void)(text != NULL && span_to_u64(span_str(text), UINT64_MAX, &value));
    return value;
}

static const struct sframe_suite *get_suite(const json_t *vector) {
    return sframe_suite((uint16_t)get_u64(vector, "cipher_suite"));
}

static bool run_header(const json_t *vector) {
    struct sframe_header header = {.kid = get_u64(vector, "kid"), .ctr = get_u64(vector, "ctr")}, again;
    uint8_t out[SFRAME_HEADER_LEN_MAX];
    struct writer w = writer_of(out, sizeof out);
    sframe_header_write(&w, &header);
    struct reader r = reader_of_span(writer_span(&w));
    return writer_ok(&w) && w.len == sframe_header_len(&header) && equals(vector, "encoded", writer_span(&w)) &&
           sframe_header_read(&r, &again) == SFRAME_OK && reader_left(&r) == 0 && again.kid == header.kid &&
           again.ctr == header.ctr;
}

/* The compound AEAD alone (section 4.5.1), both ways. */
static bool run_aead(const json_t *vector) {
    struct bytes key_bytes, nonce, aad, text;
    static uint8_t out[BYTES_MAX + SFRAME_TAG_LEN_MAX], again[BYTES_MAX];
    struct sframe_key key = {.handle = 1, .suite = get_suite(vector), .crypto = &VECTOR_BACKEND};
    if (key.suite == NULL || !get_bytes(vector, "key", &key_bytes) || !get_bytes(vector, "nonce", &nonce) ||
        !get_bytes(vector, "aad", &aad) || !get_bytes(vector, "pt", &text) || key_bytes.len != key.suite->nk ||
        nonce.len != SFRAME_NONCE_LEN)
        return false;
    memcpy(key.material.key, key_bytes.data, key_bytes.len);
    if (!sframe_native.key_make(&key, AEAD_SEAL))
        return false;
    struct sframe_seal seal = {.key = &key};
    struct sframe_open open = {.key = &key};
    memcpy(seal.nonce, nonce.data, nonce.len);
    memcpy(open.nonce, nonce.data, nonce.len);
    struct span sealed = span_of(out, text.len + key.suite->nt), aad_span = span_of(aad.data, aad.len);
    bool ok = sframe_native_seal(&seal, aad_span, span_of(text.data, text.len), out) && equals(vector, "ct", sealed) &&
              sframe_native_open(&open, aad_span, sealed, again) && equals(vector, "pt", span_of(again, text.len));
    sframe_native.key_end(&key);
    return ok;
}

/* Section 4.4.2 and 4.4.3 step by step. */
static bool run_schedule(const json_t *vector, const struct sframe_suite *suite, struct span base_key) {
    struct secret secret;
    struct sframe_material material;
    uint8_t nonce[SFRAME_NONCE_LEN];
    if (sframe_extract(&VECTOR_BACKEND, suite, base_key, &secret) != SFRAME_OK ||
        sframe_expand(&VECTOR_BACKEND, suite, &secret, get_u64(vector, "kid"), &material) != SFRAME_OK)
        return false;
    sframe_nonce(material.salt, get_u64(vector, "ctr"), nonce);
    return equals(vector, "sframe_secret", secret_span(&secret)) &&
           equals(vector, "sframe_key", span_of(material.key, suite->nk)) &&
           equals(vector, "sframe_salt", span_of(material.salt, sizeof material.salt)) &&
           equals(vector, "nonce", span_of(nonce, sizeof nonce));
}

static bool run_sealing(const json_t *vector, const struct sframe_suite *suite, struct span base_key,
                        struct span metadata, struct span text) {
    static uint8_t out[BYTES_MAX + SFRAME_HEADER_LEN_MAX + SFRAME_TAG_LEN_MAX];
    struct sframe_kid kid = sframe_kid_split(get_u64(vector, "kid"));
    struct sframe_sender sender;
    size_t len;
    sframe_sender_init(&sender, &VECTOR_BACKEND, suite->id, &sframe_native);
    struct sframe_epoch_key epoch = {.epoch = kid.epoch8, .leaf = kid.leaf, .base_key = base_key};
    bool ok = sframe_sender_install(&sender, &epoch, 1) == SFRAME_OK;
    uint32_t context = (uint32_t)kid.context;
    ok = ok && sframe_seal(&sender, context, metadata, text, 1, out, &len) == SFRAME_OK;
    sender.streams[context].next_ctr = get_u64(vector, "ctr");
    ok = ok && sframe_seal(&sender, context, metadata, text, 1, out, &len) == SFRAME_OK &&
         equals(vector, "ct", span_of(out, len));
    sframe_sender_end(&sender);
    return ok;
}

static bool run_opening(const json_t *vector, const struct sframe_suite *suite, struct span base_key,
                        struct span metadata) {
    static uint8_t out[BYTES_MAX];
    struct sframe_kid kid = sframe_kid_split(get_u64(vector, "kid"));
    struct bytes ciphertext;
    struct sframe_receiver receiver;
    struct rng rng = rng_seeded(1);
    size_t len;
    void *memory = malloc(sframe_receiver_size(KEYS_MAX));
    if (memory == NULL || !get_bytes(vector, "ct", &ciphertext)) {
        free(memory);
        return false;
    }
    sframe_receiver_init(&receiver, memory, KEYS_MAX, &VECTOR_BACKEND, suite->id, &sframe_native, &rng);
    struct sframe_epoch_key epoch = {.epoch = kid.epoch8, .leaf = kid.leaf + 1, .base_key = base_key};
    struct span sealed = span_of(ciphertext.data, ciphertext.len);
    bool ok = sframe_receiver_install(&receiver, &epoch, 1) == SFRAME_OK &&
              sframe_open(&receiver, kid.leaf, metadata, sealed, 1, out, &len) == SFRAME_OK &&
              equals(vector, "pt", span_of(out, len)) &&
              sframe_open(&receiver, kid.leaf, metadata, sealed, 1, out, &len) == SFRAME_REPLAYED;
    sframe_receiver_end(&receiver);
    free(memory);
    return ok;
}

static bool run_sframe(const json_t *vector) {
    const struct sframe_suite *suite = get_suite(vector);
    struct bytes base_key, metadata, text;
    if (suite == NULL || !get_bytes(vector, "base_key", &base_key) || !get_bytes(vector, "metadata", &metadata) ||
        !get_bytes(vector, "pt", &text))
        return false;
    struct span base = span_of(base_key.data, base_key.len), meta = span_of(metadata.data, metadata.len);
    if (!SFRAME_VECTORS_CTR && suite->nka != 0)
        return run_schedule(vector, suite, base);
    return run_schedule(vector, suite, base) && run_sealing(vector, suite, base, meta, span_of(text.data, text.len)) &&
           run_opening(vector, suite, base, meta);
}

static const struct sframe_vector_kind kinds[] = {{"header", false, run_header},
                                                  {"aes_ctr_hmac", true, run_aead},
                                                  {"aes_256_ctr_hmac", true, run_aead},
                                                  {"sframe", false, run_sframe},
                                                  {"sframe_aes_256_ctr_hmac", false, run_sframe}};

const struct sframe_vector_kind *sframe_vector_kind_of(const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].name, name) == 0 && (SFRAME_VECTORS_CTR || !kinds[i].needs_ctr))
            return &kinds[i];
    }
    return NULL;
}
