#include "crypto/aead.h"

#include "base/assert.h"

size_t aead_key_len(enum aead_algorithm algorithm) {
    ASSERT(algorithm == AEAD_AES_128_GCM || algorithm == AEAD_AES_256_GCM || algorithm == AEAD_CHACHA20_POLY1305);
    return algorithm == AEAD_AES_128_GCM ? 16 : 32;
}

bool aead_key_init(struct aead_key *key, const struct aead_backend *backend, enum aead_algorithm algorithm,
                   enum aead_direction direction, const uint8_t *bytes) {
    ASSERT(key != NULL && backend != NULL && bytes != NULL);
    ASSERT(direction == AEAD_SEAL || direction == AEAD_OPEN);
    *key = (struct aead_key){.backend = backend, .direction = direction};
    if (!backend->key_make(key, algorithm, bytes)) {
        *key = (struct aead_key){0};
        return false;
    }
    ASSERT(key->state != NULL);
    return true;
}

void aead_key_end(struct aead_key *key) {
    ASSERT(key != NULL);
    if (key->backend != NULL)
        key->backend->key_free(key);
    *key = (struct aead_key){0};
}

static const struct aead_backend *checked_backend(const struct aead_job *jobs, size_t count,
                                                  enum aead_direction direction) {
    ASSERT(jobs[0].key != NULL && jobs[0].key->backend != NULL);
    const struct aead_backend *backend = jobs[0].key->backend;
    for (size_t i = 0; i < count; i++) {
        const struct aead_job *job = &jobs[i];
        ASSERT(job->key->backend == backend && job->key->direction == direction);
        ASSERT(job->len <= AEAD_MESSAGE_LEN_MAX && job->aad_len <= AEAD_MESSAGE_LEN_MAX);
        ASSERT(job->prefix_len == 0 || (direction == AEAD_SEAL && job->prefix_len <= AEAD_MESSAGE_LEN_MAX));
    }
    return backend;
}

void aead_seal(struct aead_job *jobs, size_t count) {
    ASSERT(jobs != NULL || count == 0);
    if (count > 0)
        checked_backend(jobs, count, AEAD_SEAL)->seal(jobs, count);
}

size_t aead_open(struct aead_job *jobs, size_t count) {
    ASSERT(jobs != NULL || count == 0);
    size_t good = 0;
    if (count > 0)
        checked_backend(jobs, count, AEAD_OPEN)->open(jobs, count);
    for (size_t i = 0; i < count; i++)
        good += jobs[i].ok ? 1 : 0;
    return good;
}
