/* Packets of SRTP and SRTCP: srtp.h. Keys: srtp_keys.c, the table of streams and their windows: srtp_streams.c. */
#include <string.h>

#include "base/assert.h"
#include "base/secret.h"
#include "protocol/rtp.h"
#include "protocol/srtp.h"
#include "protocol/srtp_internal.h"

#define RTCP_CLEAR_LEN 8 /* header and sender SSRC, RFC 3711 section 3.4 */
#define RTCP_ENCRYPTED UINT32_C(0x80000000)
/* Jobs given to the AEAD at a time: enough for any interleaving backend, little stack. */
#define BATCH 16

static bool is_gcm(const struct srtp_session *session) {
    return session->profile != SRTP_PROFILE_AES128_CM_SHA1_80;
}

static void store_u32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t load_u32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* RFC 7714 sections 8.1 and 9.1: 00 00, SSRC, and 48 bits of index (SRTCP: 00 00 and the 31-bit index), XOR salt. */
static void gcm_nonce(uint8_t nonce[AEAD_NONCE_LEN], const struct srtp_keys *keys, uint32_t ssrc, uint64_t index) {
    ASSERT_HOT(index <= SRTP_INDEX_MAX);
    nonce[0] = nonce[1] = 0;
    store_u32(nonce + 2, ssrc);
    nonce[6] = (uint8_t)(index >> 40);
    nonce[7] = (uint8_t)(index >> 32);
    store_u32(nonce + 8, (uint32_t)index);
    for (size_t i = 0; i < AEAD_NONCE_LEN; i++)
        nonce[i] ^= keys->salt[i];
}

/* RFC 3711 section 4.1.1: (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16). */
static void ctr_iv(uint8_t iv[AES_CTR_IV_LEN], const struct srtp_keys *keys, uint32_t ssrc, uint64_t index) {
    uint8_t words[AES_CTR_IV_LEN] = {0};
    store_u32(words + 4, ssrc);
    store_u32(words + 8, (uint32_t)(index >> 16));
    words[12] = (uint8_t)(index >> 8);
    words[13] = (uint8_t)index;
    memcpy(iv, keys->salt, SRTP_MASTER_SALT_LEN_MAX);
    iv[14] = iv[15] = 0;
    for (size_t i = 0; i < AES_CTR_IV_LEN; i++)
        iv[i] ^= words[i];
}

static enum srtp_result count_result(struct srtp_counters *counters, enum srtp_result result) {
    switch (result) {
    case SRTP_OK:
        break;
    case SRTP_MALFORMED:
        counters->malformed++;
        break;
    case SRTP_AUTH_FAILED:
        counters->auth_failed++;
        break;
    case SRTP_REPLAYED:
        counters->replayed++;
        break;
    case SRTP_TOO_OLD:
        counters->too_old++;
        break;
    case SRTP_STREAMS_FULL:
        counters->streams_full++;
        break;
    case SRTP_RETIRED:
        counters->retired++;
        break;
    case SRTP_KEY_USED_UP:
        counters->used_up++;
        break;
    case SRTP_NO_ROOM:
        counters->no_room++;
        break;
    }
    return result;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

/* Verifies and decrypts text[0..len) in place, whose first aad_len bytes stay clear, followed by the tag. For AES-CM
 * the roll-over counter, or nothing, is authenticated behind it (RFC 3711 section 4.2). */
static bool open_gcm(struct srtp_keys *keys, uint32_t ssrc, uint64_t index, struct span aad, uint8_t *text,
                     size_t len) {
    uint8_t nonce[AEAD_NONCE_LEN];
    gcm_nonce(nonce, keys, ssrc, index);
    struct aead_job job = {
        .key = &keys->aead, .nonce = nonce, .aad = aad.data, .aad_len = aad.len, .in = text, .len = len, .out = text};
    return aead_open(&job, 1) == 1;
}

static bool open_ctr(struct srtp_keys *keys, uint32_t ssrc, uint64_t index, const struct span *signed_parts,
                     size_t parts, const uint8_t *tag, uint8_t *text, size_t len) {
    uint8_t expected[HMAC_LEN_MAX];
    hmac_key_sign(&keys->mac, signed_parts, parts, expected);
    if (!secure_equal(expected, tag, SRTP_TAG_LEN_SHA1_80))
        return false;
    uint8_t iv[AES_CTR_IV_LEN];
    ctr_iv(iv, keys, ssrc, index);
    aes_ctr_start(&keys->ctr, iv);
    aes_ctr_xor(&keys->ctr, text, text, len);
    return true;
}

static bool open_rtp(struct srtp_session *session, uint32_t ssrc, uint64_t index, uint8_t *packet, size_t header_len,
                     size_t text_len) {
    if (is_gcm(session))
        return open_gcm(&session->rtp, ssrc, index, span_of(packet, header_len), packet + header_len,
                        text_len + SRTP_TAG_LEN_GCM);
    uint8_t roc[4];
    store_u32(roc, (uint32_t)(index >> 16));
    struct span parts[2] = {span_of(packet, header_len + text_len), span_of(roc, sizeof roc)};
    return open_ctr(&session->rtp, ssrc, index, parts, 2, packet + header_len + text_len, packet + header_len,
                    text_len);
}

static enum srtp_result open_packet(struct srtp_session *session, uint8_t *packet, size_t *len) {
    struct rtp_header header;
    size_t tag_len = srtp_overhead(session->profile);
    if (rtp_parse_clear(span_of(packet, *len), &header) != RTP_OK || header.payload.len < tag_len)
        return SRTP_MALFORMED;
    struct srtp_stream *stream = srtp_stream_find(session, header.ssrc);
    uint64_t index = srtp_rtp_index(stream, header.seq16);
    /* cheap refusals first: a replay is not worth a decryption */
    enum srtp_result result = srtp_rtp_check(stream, index);
    if (result != SRTP_OK)
        return result;
    size_t text_len = header.payload.len - tag_len;
    if (!open_rtp(session, header.ssrc, index, packet, header.header_len, text_len))
        return SRTP_AUTH_FAILED;
    result = srtp_stream_admit(session, header.ssrc, &stream);
    if (result != SRTP_OK)
        return result;
    srtp_rtp_mark(stream, index);
    *len -= tag_len;
    session->counters.opened++;
    return SRTP_OK;
}

enum srtp_result srtp_open(struct srtp_session *session, uint8_t *packet, size_t *len) {
    ASSERT(session->live && session->direction == SRTP_OPENING);
    ASSERT(packet != NULL && len != NULL);
    return count_result(&session->counters, open_packet(session, packet, len));
}

static bool open_rtcp(struct srtp_session *session, uint32_t ssrc, uint8_t *packet, size_t len, uint32_t index_word) {
    size_t text_len = len - RTCP_CLEAR_LEN - srtcp_overhead(session->profile);
    uint8_t *text = packet + RTCP_CLEAR_LEN;
    if (!is_gcm(session)) {
        struct span all = span_of(packet, len - SRTP_TAG_LEN_SHA1_80);
        return open_ctr(&session->rtcp, ssrc, index_word & SRTCP_INDEX_MAX, &all, 1, packet + all.len, text, text_len);
    }
    uint8_t aad[RTCP_CLEAR_LEN + SRTCP_INDEX_LEN]; /* RFC 7714 section 9.2 */
    memcpy(aad, packet, RTCP_CLEAR_LEN);
    store_u32(aad + RTCP_CLEAR_LEN, index_word);
    return open_gcm(&session->rtcp, ssrc, index_word & SRTCP_INDEX_MAX, span_of(aad, sizeof aad), text,
                    text_len + SRTP_TAG_LEN_GCM);
}

static enum srtp_result open_compound(struct srtp_session *session, uint8_t *packet, size_t *len) {
    size_t overhead = srtcp_overhead(session->profile);
    if (*len < RTCP_CLEAR_LEN + overhead || packet[0] >> 6 != 2)
        return SRTP_MALFORMED;
    size_t index_at = *len - SRTCP_INDEX_LEN - (is_gcm(session) ? 0 : SRTP_TAG_LEN_SHA1_80);
    uint32_t index_word = load_u32(packet + index_at);
    uint32_t index = index_word & SRTCP_INDEX_MAX;
    if ((index_word & RTCP_ENCRYPTED) == 0) {
        /* DTLS-SRTP's profiles encrypt SRTCP (RFC 5764 section 4.1.2): such a packet would be a downgrade */
        session->counters.unencrypted++;
        return SRTP_MALFORMED;
    }
    uint32_t ssrc = load_u32(packet + 4);
    struct srtp_stream *stream = srtp_stream_find(session, ssrc);
    enum srtp_result result = srtp_rtcp_check(stream, index);
    if (result != SRTP_OK)
        return result;
    if (!open_rtcp(session, ssrc, packet, *len, index_word))
        return SRTP_AUTH_FAILED;
    result = srtp_stream_admit(session, ssrc, &stream);
    if (result != SRTP_OK)
        return result;
    srtp_rtcp_mark(stream, index);
    *len -= overhead;
    session->counters.opened_rtcp++;
    return SRTP_OK;
}

enum srtp_result srtcp_open(struct srtp_session *session, uint8_t *packet, size_t *len) {
    ASSERT(session->live && session->direction == SRTP_OPENING);
    ASSERT(packet != NULL && len != NULL);
    return count_result(&session->counters, open_compound(session, packet, len));
}

/* ---- sealing ------------------------------------------------------------------------------------------- */

/* Checks a job and takes its index: from here on the packet counts as sent, whatever happens. */
static enum srtp_result begin_job(const struct srtp_job *job, uint32_t *ssrc, uint64_t *index) {
    struct srtp_session *session = job->session;
    ASSERT(session->live && session->direction == SRTP_SEALING);
    ASSERT(job->header != NULL && job->out != NULL);
    ASSERT(job->prefix.len <= SRTP_PREFIX_LEN_MAX);
    struct rtp_header header;
    if (rtp_parse_clear(span_of(job->header, job->header_len), &header) != RTP_OK ||
        header.header_len != job->header_len)
        return SRTP_MALFORMED;
    size_t needed = job->header_len + job->prefix.len + srtp_overhead(session->profile);
    if (job->out_size < needed || job->out_size - needed < job->payload.len)
        return SRTP_NO_ROOM;
    struct srtp_stream *stream = srtp_stream_find(session, header.ssrc);
    *ssrc = header.ssrc;
    *index = srtp_rtp_index(stream, header.seq16);
    enum srtp_result result = srtp_rtp_check(stream, *index);
    if (result == SRTP_OK)
        result = srtp_stream_admit(session, header.ssrc, &stream);
    if (result == SRTP_OK)
        srtp_rtp_mark(stream, *index);
    return result;
}

static void seal_ctr(struct srtp_job *job, uint32_t ssrc, uint64_t index) {
    struct srtp_keys *keys = &job->session->rtp;
    uint8_t iv[AES_CTR_IV_LEN], roc[4], tag[HMAC_LEN_MAX];
    uint8_t *at = job->out + job->header_len;
    ctr_iv(iv, keys, ssrc, index);
    aes_ctr_start(&keys->ctr, iv);
    aes_ctr_xor(&keys->ctr, job->prefix.data, at, job->prefix.len);
    at += job->prefix.len;
    aes_ctr_xor(&keys->ctr, job->payload.data, at, job->payload.len);
    at += job->payload.len;
    store_u32(roc, (uint32_t)(index >> 16));
    struct span parts[2] = {span_of(job->out, (size_t)(at - job->out)), span_of(roc, sizeof roc)};
    hmac_key_sign(&keys->mac, parts, 2, tag);
    memcpy(at, tag, SRTP_TAG_LEN_SHA1_80);
}

static void prepare_gcm(struct aead_job *aead, uint8_t nonce[AEAD_NONCE_LEN], struct srtp_job *job, uint32_t ssrc,
                        uint64_t index) {
    gcm_nonce(nonce, &job->session->rtp, ssrc, index);
    *aead = (struct aead_job){
        .key = &job->session->rtp.aead,
        .nonce = nonce,
        .aad = job->out,
        .aad_len = job->header_len,
        .prefix = job->prefix.data,
        .prefix_len = job->prefix.len,
        .in = job->payload.data,
        .len = job->payload.len,
        .out = job->out + job->header_len,
    };
}

static size_t seal_batch(struct srtp_job *jobs, size_t count) {
    struct aead_job aead[BATCH];
    uint8_t nonces[BATCH][AEAD_NONCE_LEN];
    size_t aead_count = 0, good = 0;
    ASSERT(count <= BATCH);
    for (size_t i = 0; i < count; i++) {
        struct srtp_job *job = &jobs[i];
        uint32_t ssrc = 0;
        uint64_t index = 0;
        job->out_len = 0;
        job->result = count_result(&job->session->counters, begin_job(job, &ssrc, &index));
        if (job->result != SRTP_OK)
            continue;
        if (job->out != job->header)
            memcpy(job->out, job->header, job->header_len);
        if (is_gcm(job->session)) {
            prepare_gcm(&aead[aead_count], nonces[aead_count], job, ssrc, index);
            aead_count++;
        } else {
            seal_ctr(job, ssrc, index);
        }
        job->out_len = job->header_len + job->prefix.len + job->payload.len + srtp_overhead(job->session->profile);
        job->session->counters.sealed++;
        good++;
    }
    aead_seal(aead, aead_count);
    return good;
}

size_t srtp_seal_many(struct srtp_job *jobs, size_t count) {
    ASSERT(jobs != NULL || count == 0);
    size_t good = 0;
    for (size_t done = 0; done < count; done += BATCH)
        good += seal_batch(jobs + done, count - done < BATCH ? count - done : BATCH);
    return good;
}

enum srtp_result srtp_seal(struct srtp_session *session, const uint8_t *header, size_t header_len, struct span payload,
                           uint8_t *out, size_t out_size, size_t *out_len) {
    ASSERT(session != NULL && out_len != NULL);
    struct srtp_job job = {.session = session,
                           .header = header,
                           .header_len = header_len,
                           .payload = payload,
                           .out = out,
                           .out_size = out_size};
    (void)seal_batch(&job, 1);
    *out_len = job.out_len;
    return job.result;
}

static void seal_rtcp_gcm(struct srtp_session *session, uint32_t ssrc, uint8_t *out, struct span text, uint32_t index) {
    uint8_t nonce[AEAD_NONCE_LEN];
    uint8_t aad[RTCP_CLEAR_LEN + SRTCP_INDEX_LEN];
    memcpy(aad, out, RTCP_CLEAR_LEN);
    store_u32(aad + RTCP_CLEAR_LEN, RTCP_ENCRYPTED | index);
    gcm_nonce(nonce, &session->rtcp, ssrc, index);
    struct aead_job job = {.key = &session->rtcp.aead,
                           .nonce = nonce,
                           .aad = aad,
                           .aad_len = sizeof aad,
                           .in = text.data,
                           .len = text.len,
                           .out = out + RTCP_CLEAR_LEN};
    aead_seal(&job, 1);
    store_u32(out + RTCP_CLEAR_LEN + text.len + SRTP_TAG_LEN_GCM, RTCP_ENCRYPTED | index);
}

static void seal_rtcp_ctr(struct srtp_session *session, uint32_t ssrc, uint8_t *out, struct span text, uint32_t index) {
    uint8_t iv[AES_CTR_IV_LEN], tag[HMAC_LEN_MAX];
    ctr_iv(iv, &session->rtcp, ssrc, index);
    aes_ctr_start(&session->rtcp.ctr, iv);
    aes_ctr_xor(&session->rtcp.ctr, text.data, out + RTCP_CLEAR_LEN, text.len);
    uint8_t *index_at = out + RTCP_CLEAR_LEN + text.len;
    store_u32(index_at, RTCP_ENCRYPTED | index);
    struct span all = span_of(out, RTCP_CLEAR_LEN + text.len + SRTCP_INDEX_LEN);
    hmac_key_sign(&session->rtcp.mac, &all, 1, tag);
    memcpy(index_at + SRTCP_INDEX_LEN, tag, SRTP_TAG_LEN_SHA1_80);
}

enum srtp_result srtcp_seal(struct srtp_session *session, struct span compound, uint8_t *out, size_t out_size,
                            size_t *out_len) {
    ASSERT(session->live && session->direction == SRTP_SEALING);
    ASSERT(out != NULL && out_len != NULL);
    *out_len = 0;
    if (compound.len < RTCP_CLEAR_LEN || compound.data[0] >> 6 != 2)
        return count_result(&session->counters, SRTP_MALFORMED);
    size_t overhead = srtcp_overhead(session->profile);
    if (out_size < overhead || out_size - overhead < compound.len)
        return count_result(&session->counters, SRTP_NO_ROOM);
    if (session->rtcp_index > SRTCP_INDEX_MAX)
        return count_result(&session->counters, SRTP_KEY_USED_UP);
    uint32_t index = session->rtcp_index++;
    uint32_t ssrc = load_u32(compound.data + 4);
    struct span text = span_of(compound.data + RTCP_CLEAR_LEN, compound.len - RTCP_CLEAR_LEN);
    if (out != compound.data)
        memcpy(out, compound.data, RTCP_CLEAR_LEN);
    if (is_gcm(session))
        seal_rtcp_gcm(session, ssrc, out, text, index);
    else
        seal_rtcp_ctr(session, ssrc, out, text, index);
    *out_len = compound.len + overhead;
    session->counters.sealed_rtcp++;
    return SRTP_OK;
}
