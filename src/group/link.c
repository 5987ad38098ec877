#include "group/link.h"

#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "crypto/hkdf.h"
#include "e2ee/mls_message.h"

#define ID_HASH_LEN 16
#define ID_TAG_LEN 8

/* ---- the link's secret ---- */

static enum crypto_status expand(const struct crypto_backend *crypto, const struct secret *prk, const char *label,
                                 struct secret *out) {
    struct span info = span_str(label);
    secret_zeros(out, 32);
    return hkdf_expand(crypto, HASH_SHA256, secret_span(prk), &info, 1, out->bytes, 32);
}

enum crypto_status group_link_derive(const struct crypto_backend *crypto, struct span secret, struct group_link *out) {
    ASSERT(secret.len == GROUP_LINK_SECRET_LEN);
    struct secret prk;
    *out = (struct group_link){0};
    enum crypto_status status = hkdf_extract(crypto, HASH_SHA256, span_str("conclave link v2"), &secret, 1, &prk);
    if (status == CRYPTO_OK)
        status = expand(crypto, &prk, "conclave link sign v2", &out->sign);
    if (status == CRYPTO_OK)
        status = expand(crypto, &prk, "conclave link knock v2", &out->knock);
    if (status == CRYPTO_OK)
        status = expand(crypto, &prk, "conclave link info v2", &out->info);
    if (status == CRYPTO_OK)
        status = expand(crypto, &prk, "conclave link psk v2", &out->psk);
    if (status == CRYPTO_OK)
        status = crypto->sign_public(SIGN_ED25519, &out->sign, out->link_key);
    secret_wipe(&prk);
    if (status != CRYPTO_OK)
        group_link_wipe(out);
    return status;
}

void group_link_wipe(struct group_link *link) {
    secure_wipe(link, sizeof *link);
}

void group_psk_id(uint32_t generation, uint8_t out[GROUP_PSK_ID_LEN]) {
    struct writer w = writer_of(out, GROUP_PSK_ID_LEN);
    wr_str(&w, "conclave link v2");
    wr_u32(&w, generation);
    ASSERT(writer_ok(&w) && w.len == GROUP_PSK_ID_LEN);
}

/* ---- the id ---- */

/* Of public things; every backend's hash and HMAC is computed without allocation and cannot fail. */
static void sha256(const struct crypto_backend *crypto, const struct span *parts, size_t count, uint8_t *out,
                   size_t len) {
    uint8_t hash[HASH_LEN_MAX];
    (void)crypto->hash(HASH_SHA256, parts, count, hash);
    memcpy(out, hash, len);
}

void group_id_hash(const struct crypto_backend *crypto, const struct group_id_parts *p, uint8_t out[ID_HASH_LEN]) {
    ASSERT(p->first_link_key.len == 32 && p->owner.len == 32 && p->operator_key.len == 32);
    uint8_t end[3] = {(uint8_t)(p->suite >> 8), (uint8_t)p->suite, p->kind};
    struct span parts[] = {span_str("conclave id v2"), p->first_link_key, p->owner, p->operator_key, span_of(end, 3)};
    sha256(crypto, parts, ARRAY_LEN(parts), out, ID_HASH_LEN);
}

void group_id_tag(const struct crypto_backend *crypto, struct span server_secret, const uint8_t hash[ID_HASH_LEN],
                  uint8_t out[ID_TAG_LEN]) {
    struct span parts[] = {span_str("conclave id v2"), span_of(hash, ID_HASH_LEN)};
    uint8_t mac[HASH_LEN_MAX];
    (void)crypto->hmac(HASH_SHA256, server_secret, parts, ARRAY_LEN(parts), mac);
    memcpy(out, mac, ID_TAG_LEN);
    secure_wipe(mac, sizeof mac);
}

void group_id_text(const uint8_t hash[ID_HASH_LEN], const uint8_t tag[ID_TAG_LEN], char out[GROUP_MEETING_ID_LEN + 1]) {
    uint8_t bytes[ID_HASH_LEN + ID_TAG_LEN];
    memcpy(bytes, hash, ID_HASH_LEN);
    memcpy(bytes + ID_HASH_LEN, tag, ID_TAG_LEN);
    struct writer w = writer_of(out, GROUP_MEETING_ID_LEN);
    wr_base64url(&w, span_of(bytes, sizeof bytes));
    ASSERT(writer_ok(&w) && w.len == GROUP_MEETING_ID_LEN);
    out[GROUP_MEETING_ID_LEN] = 0;
}

/* Letters and digits, then "-": the cell's own characters exclude what base64url has beside. */
static bool cell_good(struct span cell) {
    if (cell.len == 0)
        return true;
    if (cell.len < 2 || cell.len > GROUP_CELL_LEN_MAX + 1 || cell.data[cell.len - 1] != '-')
        return false;
    for (size_t i = 0; i + 1 < cell.len; i++) {
        uint8_t c = cell.data[i];
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9'))
            return false;
    }
    return true;
}

bool group_id_read(struct span id, uint8_t hash[ID_HASH_LEN], uint8_t tag[ID_TAG_LEN]) {
    uint8_t bytes[ID_HASH_LEN + ID_TAG_LEN];
    if (id.len < GROUP_MEETING_ID_LEN || id.len > GROUP_MEETING_ID_LEN_MAX)
        return false;
    size_t cell = id.len - GROUP_MEETING_ID_LEN;
    struct span text = span_of(id.data + cell, GROUP_MEETING_ID_LEN);
    if (!cell_good(span_of(id.data, cell)) || !base64url_decode_exact(text, bytes, sizeof bytes))
        return false;
    memcpy(hash, bytes, ID_HASH_LEN);
    memcpy(tag, bytes + ID_HASH_LEN, ID_TAG_LEN);
    return true;
}

bool group_id_is_of_server(const struct group_server *server, struct span id) {
    uint8_t hash[ID_HASH_LEN], tag[ID_TAG_LEN], expected[ID_TAG_LEN];
    return group_id_read(id, hash, tag) && server->tag(server, hash, expected) &&
           secure_equal(tag, expected, sizeof tag);
}

bool group_id_is_of(const struct crypto_backend *crypto, struct span id, const struct group_id_parts *parts) {
    uint8_t hash[ID_HASH_LEN], tag[ID_TAG_LEN], expected[ID_HASH_LEN];
    if (!group_id_read(id, hash, tag))
        return false;
    group_id_hash(crypto, parts, expected);
    return memcmp(hash, expected, sizeof hash) == 0;
}

/* ---- what follows from the id ---- */

void group_meeting_hash(const struct crypto_backend *crypto, struct span id, uint8_t out[32]) {
    struct span parts[] = {span_str("conclave meeting v2"), id};
    sha256(crypto, parts, ARRAY_LEN(parts), out, 32);
}

void group_identity(const struct crypto_backend *crypto, struct span meeting, struct span seat_key,
                    uint8_t out[GROUP_IDENTITY_LEN]) {
    struct span parts[] = {span_str("conclave identity v2"), meeting, seat_key};
    uint8_t hash[16];
    sha256(crypto, parts, ARRAY_LEN(parts), hash, sizeof hash);
    struct writer w = writer_of(out, GROUP_IDENTITY_LEN);
    wr_str(&w, "p_");
    wr_base64url(&w, span_of(hash, sizeof hash));
    ASSERT(writer_ok(&w) && w.len == GROUP_IDENTITY_LEN);
}

void group_next_link_context(struct span meeting, uint32_t generation, uint8_t out[GROUP_NEXT_LINK_CONTEXT_LEN]) {
    ASSERT(meeting.len == 32);
    struct writer w = writer_of(out, GROUP_NEXT_LINK_CONTEXT_LEN);
    wr_span(&w, meeting);
    wr_u32(&w, generation);
}

enum crypto_status group_external_seed(const struct crypto_backend *crypto, struct span server_secret,
                                       struct span meeting, struct secret *seed) {
    struct secret prk;
    struct span info[] = {span_str("conclave external sender v2"), meeting};
    secret_zeros(seed, 32);
    enum crypto_status status = hkdf_extract(crypto, HASH_SHA256, span_of(NULL, 0), &server_secret, 1, &prk);
    if (status == CRYPTO_OK)
        status = hkdf_expand(crypto, HASH_SHA256, secret_span(&prk), info, ARRAY_LEN(info), seed->bytes, 32);
    secret_wipe(&prk);
    if (status != CRYPTO_OK)
        secret_wipe(seed);
    return status;
}

enum crypto_status group_external_sender(const struct crypto_backend *crypto, const struct group_server *server,
                                         struct span meeting, struct secret *seed, uint8_t public_key[32]) {
    if (!server->external_seed(server, meeting, seed))
        return CRYPTO_UNSUPPORTED;
    enum crypto_status status = crypto->sign_public(SIGN_ED25519, seed, public_key);
    if (status != CRYPTO_OK)
        secret_wipe(seed);
    return status;
}

/* ---- the secret at hand ---- */

static bool tag_local(const struct group_server *server, const uint8_t hash[ID_HASH_LEN], uint8_t out[ID_TAG_LEN]) {
    group_id_tag(server->crypto, server->secret, hash, out);
    return true;
}

static bool seed_local(const struct group_server *server, struct span meeting, struct secret *out) {
    return group_external_seed(server->crypto, server->secret, meeting, out) == CRYPTO_OK;
}

struct group_server group_server_local(const struct crypto_backend *crypto, struct span secret) {
    ASSERT(secret.len == 32);
    return (struct group_server){.tag = tag_local, .external_seed = seed_local, .crypto = crypto, .secret = secret};
}

void group_external_sender_write(struct span public_key, struct mls_buf *out) {
    struct mls_external_sender sender = {
        .signature_key = public_key,
        .credential = {.type = MLS_CREDENTIAL_BASIC, .identity = span_str("conclave")},
    };
    mls_external_senders_add(out, &sender);
}

void group_info_tag(const struct crypto_backend *crypto, struct span external_pub, uint32_t generation,
                    struct span link_key, uint8_t out[GROUP_INFO_TAG_LEN]) {
    uint8_t number[4] = {(uint8_t)(generation >> 24), (uint8_t)(generation >> 16), (uint8_t)(generation >> 8),
                         (uint8_t)generation};
    struct span parts[] = {span_str("conclave info v2"), external_pub, span_of(number, sizeof number), link_key};
    sha256(crypto, parts, ARRAY_LEN(parts), out, GROUP_INFO_TAG_LEN);
}
