/* frame.h for the host of a WebAssembly module (wasm.h). The host does AES-GCM, asynchronously:
 *
 *     job_create(len)            the host copies the frame to job_part(JOB_IN)
 *     frame_seal(...)            then AES-GCM: key JOB_KEY, nonce JOB_NONCE, aad JOB_AAD, text JOB_TEXT
 *     the host writes ciphertext and tag to JOB_BODY
 *     frame_sealed(job)          the sealed frame's length; it is at JOB_OUT
 *     job_free(job)
 *
 * Opening: frame_open, JOB_SEALED instead of JOB_TEXT, the plaintext goes to JOB_BODY, frame_opened(job, authentic).
 * Addresses move when memory grows: ask again after anything was awaited. Jobs may be many at a time. */
#include "base/assert.h"
#include "crypto/host.h"
#include "e2ee/frame.h"
#include "e2ee/mem.h"
#include "wasm/wasm.h"

struct job {
    size_t size, out_size, len;
    enum sframe_status status;
    struct frame_seal seal;
    struct frame_open open;
    uint8_t *in, *out;
};

enum job_part {
    JOB_IN,
    JOB_OUT,
    JOB_TEXT,
    JOB_TEXT_LEN,
    JOB_BODY,
    JOB_AAD,
    JOB_AAD_LEN,
    JOB_NONCE,
    JOB_KEY,
    JOB_KEY_LEN,
    JOB_HANDLE,
    JOB_SEALED,
    JOB_SEALED_LEN,
    JOB_LEN,
    JOB_CTR_LOW,
    JOB_KID,
};

/* `frame_len` of what will be sealed or opened. NULL: no memory. */
struct job *WASM_EXPORT(job_create)(size_t frame_len) {
    struct job *job = mls_alloc(sizeof *job);
    size_t out_size = frame_sealed_len_max(FRAME_CODEC_H264, frame_len) + 64;
    if (job == NULL)
        return NULL;
    job->size = frame_len;
    job->out_size = out_size;
    job->in = mls_alloc(frame_len + 1);
    job->out = mls_alloc(out_size);
    if (job->in == NULL || job->out == NULL) {
        mls_free(job->in, frame_len + 1);
        mls_free(job->out, out_size);
        mls_free(job, sizeof *job);
        return NULL;
    }
    return job;
}

void WASM_EXPORT(job_free)(struct job *job) {
    mls_free(job->in, job->size + 1);
    mls_free(job->out, job->out_size);
    mls_free(job, sizeof *job);
}

static uintptr_t seal_part(const struct job *job, uint32_t part) {
    const struct sframe_seal *s = &job->seal.sframe;
    switch (part) {
    case JOB_TEXT:
        return (uintptr_t)job->seal.text.data;
    case JOB_TEXT_LEN:
        return job->seal.text.len;
    case JOB_BODY:
        return (uintptr_t)job->seal.body;
    case JOB_AAD:
        return (uintptr_t)job->seal.aad.bytes;
    case JOB_AAD_LEN:
        return job->seal.aad.len;
    case JOB_NONCE:
        return (uintptr_t)s->nonce;
    case JOB_KEY:
        return (uintptr_t)sframe_key_raw(s->key).data;
    case JOB_KEY_LEN:
        return sframe_key_raw(s->key).len;
    case JOB_HANDLE:
        return s->key->handle;
    case JOB_CTR_LOW:
        return (uintptr_t)s->ctr;
    case JOB_KID:
        return (uintptr_t)s->kid;
    default:
        return 0;
    }
}

static uintptr_t open_part(const struct job *job, uint32_t part) {
    const struct sframe_open *s = &job->open.sframe;
    switch (part) {
    case JOB_BODY:
        return (uintptr_t)job->open.text;
    case JOB_TEXT_LEN:
        return job->open.text_len;
    case JOB_AAD:
        return (uintptr_t)job->open.aad.bytes;
    case JOB_AAD_LEN:
        return job->open.aad.len;
    case JOB_NONCE:
        return (uintptr_t)s->nonce;
    case JOB_KEY:
        return (uintptr_t)sframe_key_raw(s->key).data;
    case JOB_KEY_LEN:
        return sframe_key_raw(s->key).len;
    case JOB_HANDLE:
        return s->key_handle;
    case JOB_SEALED:
        return (uintptr_t)job->open.sealed.data;
    case JOB_SEALED_LEN:
        return job->open.sealed.len;
    case JOB_CTR_LOW:
        return (uintptr_t)s->ctr;
    case JOB_KID:
        return (uintptr_t)s->kid;
    default:
        return 0;
    }
}

/* JOB_KEY: only right after the begin; the key object is borrowed. */
uintptr_t WASM_EXPORT(job_part)(const struct job *job, uint32_t opening, uint32_t part) {
    if (part == JOB_IN)
        return (uintptr_t)job->in;
    if (part == JOB_OUT)
        return (uintptr_t)job->out;
    if (part == JOB_LEN)
        return job->len;
    return opening != 0 ? open_part(job, part) : seal_part(job, part);
}

/* ---- sealing ---- */

struct sframe_sender *WASM_EXPORT(sender_create)(uint32_t suite) {
    struct sframe_sender *sender = mls_alloc(sizeof *sender);
    if (sender != NULL)
        sframe_sender_init(sender, &crypto_host, (uint16_t)suite, NULL);
    return sender;
}

void WASM_EXPORT(sender_free)(struct sframe_sender *sender) {
    sframe_sender_end(sender);
    mls_free(sender, sizeof *sender);
}

uint32_t WASM_EXPORT(sender_install)(struct sframe_sender *sender, uint64_t epoch, uint32_t leaf, const uint8_t *key,
                                     size_t key_len, uint64_t switch_by_us, uint64_t now_us) {
    struct sframe_epoch_key epoch_key = {
        .epoch = epoch, .leaf = leaf, .base_key = span_of(key, key_len), .switch_by_us = switch_by_us};
    if (sender->epochs.any && epoch <= sender->epochs.newest)
        return SFRAME_ENDED_EPOCH; /* the page may be told anything; counters never begin again */
    return sframe_sender_install(sender, &epoch_key, now_us);
}

void WASM_EXPORT(sender_switch)(struct sframe_sender *sender, uint64_t epoch, uint64_t now_us) {
    if (sender->epochs.any && epoch <= sender->epochs.newest)
        sframe_sender_switch(sender, epoch, now_us);
}

void WASM_EXPORT(sender_withdraw)(struct sframe_sender *sender, uint64_t epoch) {
    sframe_sender_withdraw(sender, epoch);
}

void WASM_EXPORT(sender_step)(struct sframe_sender *sender, uint64_t now_us) {
    sframe_sender_step(sender, now_us);
}

/* The epoch in use; -1: none. */
int64_t WASM_EXPORT(sender_epoch)(const struct sframe_sender *sender) {
    uint64_t epoch;
    return sframe_sender_epoch(sender, &epoch) ? (int64_t)epoch : -1;
}

uint32_t WASM_EXPORT(sender_key_live)(const struct sframe_sender *sender, uint32_t handle) {
    return sframe_sender_key_live(sender, handle);
}

uint32_t WASM_EXPORT(sender_count)(const struct sframe_sender *sender, uint32_t status) {
    ASSERT(status < SFRAME_STATUS_COUNT);
    return (uint32_t)sender->counts.of[status];
}

uint32_t WASM_EXPORT(frame_seal)(struct job *job, struct sframe_sender *sender, uint32_t context, uint32_t codec,
                                 uint32_t kind, uint32_t type, uint64_t now_us) {
    struct frame_info info = {
        .codec = (enum frame_codec)codec, .kind = (enum frame_kind)kind, .type = (enum frame_type)type};
    ASSERT(codec < FRAME_CODEC_COUNT);
    job->status = frame_seal_begin(sender, context, &info, span_of(job->in, job->size), now_us, job->out, job->out_size,
                                   &job->seal);
    return job->status;
}

size_t WASM_EXPORT(frame_sealed)(struct job *job) {
    frame_seal_finish(&job->seal, &job->len);
    return job->len;
}

/* ---- opening ---- */

struct receiver {
    struct sframe_receiver sframe;
    void *memory;
    size_t memory_len;
};

struct receiver *WASM_EXPORT(receiver_create)(uint32_t suite, uint32_t keys_max) {
    struct rng rng = rng_host();
    struct receiver *receiver = mls_alloc(sizeof *receiver);
    if (receiver == NULL)
        return NULL;
    receiver->memory_len = sframe_receiver_size(keys_max);
    receiver->memory = mls_alloc(receiver->memory_len);
    if (receiver->memory == NULL) {
        mls_free(receiver, sizeof *receiver);
        return NULL;
    }
    sframe_receiver_init(&receiver->sframe, receiver->memory, keys_max, &crypto_host, (uint16_t)suite, NULL, &rng);
    return receiver;
}

void WASM_EXPORT(receiver_free)(struct receiver *receiver) {
    sframe_receiver_end(&receiver->sframe);
    mls_free(receiver->memory, receiver->memory_len);
    mls_free(receiver, sizeof *receiver);
}

uint32_t WASM_EXPORT(receiver_install)(struct receiver *receiver, uint64_t epoch, uint32_t leaf, const uint8_t *key,
                                       size_t key_len, uint64_t switch_by_us, uint64_t now_us) {
    struct sframe_epoch_key epoch_key = {
        .epoch = epoch, .leaf = leaf, .base_key = span_of(key, key_len), .switch_by_us = switch_by_us};
    if (receiver->sframe.epochs.any && epoch <= receiver->sframe.epochs.newest)
        return SFRAME_ENDED_EPOCH;
    return sframe_receiver_install(&receiver->sframe, &epoch_key, now_us);
}

void WASM_EXPORT(receiver_switch)(struct receiver *receiver, uint64_t epoch, uint64_t now_us) {
    if (receiver->sframe.epochs.any && epoch <= receiver->sframe.epochs.newest)
        sframe_receiver_switch(&receiver->sframe, epoch, now_us);
}

void WASM_EXPORT(receiver_withdraw)(struct receiver *receiver, uint64_t epoch) {
    sframe_receiver_withdraw(&receiver->sframe, epoch);
}

void WASM_EXPORT(receiver_step)(struct receiver *receiver, uint64_t now_us) {
    sframe_receiver_step(&receiver->sframe, now_us);
}

uint32_t WASM_EXPORT(receiver_key_live)(const struct receiver *receiver, uint32_t handle) {
    return sframe_receiver_key_live(&receiver->sframe, handle);
}

uint32_t WASM_EXPORT(receiver_count)(const struct receiver *receiver, uint32_t status) {
    ASSERT(status < SFRAME_STATUS_COUNT);
    return (uint32_t)receiver->sframe.counts.of[status];
}

uint32_t WASM_EXPORT(frame_open)(struct job *job, struct receiver *receiver, uint32_t leaf, uint32_t codec,
                                 uint32_t kind, uint32_t type, uint64_t now_us) {
    struct frame_info info = {
        .codec = (enum frame_codec)codec, .kind = (enum frame_kind)kind, .type = (enum frame_type)type};
    ASSERT(codec < FRAME_CODEC_COUNT);
    job->status = frame_open_begin(&receiver->sframe, leaf, &info, span_of(job->in, job->size), now_us, job->out,
                                   job->out_size, &job->open);
    return job->status;
}

/* The length is JOB_LEN. */
uint32_t WASM_EXPORT(frame_opened)(struct job *job, struct receiver *receiver, uint32_t authentic) {
    job->status = frame_open_finish(&receiver->sframe, &job->open, authentic != 0, &job->len);
    return job->status;
}
