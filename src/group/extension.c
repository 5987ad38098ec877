#include "group/extension.h"

#include "base/assert.h"
#include "crypto/hkdf.h"

bool secure_identity_good(struct span identity) {
    for (size_t i = 0; i < identity.len; i++) {
        uint8_t c = identity.data[i];
        bool good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
                    c == '-' || c == '.';
        if (!good)
            return false;
    }
    return identity.len > 0 && identity.len <= WIRE1_IDENTITY_LEN_MAX;
}

static bool hosts_good(struct span hosts) {
    struct mls_reader r = mls_reader_of(hosts);
    size_t count = 0;
    while (mls_reader_left(&r) > 0) {
        struct span identity = mls_rd_vec(&r, WIRE1_IDENTITY_LEN_MAX, MLS_TOO_LARGE);
        if (identity.len == 0 || ++count > SECURE_HOSTS_MAX)
            return false;
    }
    return mls_reader_ok(&r) && count > 0;
}

bool secure_meeting_read(struct span data, struct secure_meeting *out) {
    struct mls_reader r = mls_reader_of(data);
    uint8_t version = mls_rd_u8(&r);
    out->meeting = mls_rd_vec(&r, SECURE_MEETING_HASH_LEN, MLS_TOO_LARGE);
    out->policy = mls_rd_u8(&r);
    out->hosts = mls_rd_vec(&r, SECURE_HOSTS_MAX * (WIRE1_IDENTITY_LEN_MAX + 2), MLS_TOO_LARGE);
    return mls_reader_end(&r) == MLS_OK && version == SECURE_VERSION && out->meeting.len == SECURE_MEETING_HASH_LEN &&
           (out->policy & ~SECURE_POLICY_OPEN) == 0 && hosts_good(out->hosts);
}

void secure_meeting_write(const struct secure_meeting *meeting, struct mls_buf *out) {
    ASSERT(meeting->meeting.len == SECURE_MEETING_HASH_LEN && hosts_good(meeting->hosts));
    mls_wr_u8(out, SECURE_VERSION);
    mls_wr_vec(out, meeting->meeting);
    mls_wr_u8(out, meeting->policy);
    mls_wr_vec(out, meeting->hosts);
}

bool secure_host_next(const struct secure_meeting *meeting, size_t *at, struct span *identity) {
    struct wire1_message list = {.list = meeting->hosts};
    return wire1_next(&list, at, identity);
}

bool secure_is_host(const struct secure_meeting *meeting, struct span identity) {
    size_t at = 0;
    struct span host;
    while (secure_host_next(meeting, &at, &host)) {
        if (span_equal(host, identity))
            return true;
    }
    return false;
}

bool secure_client_read(struct span data, struct secure_client *out) {
    struct mls_reader r = mls_reader_of(data);
    uint8_t version = mls_rd_u8(&r);
    uint8_t kind = mls_rd_u8(&r);
    out->software = mls_rd_vec(&r, SECURE_SOFTWARE_LEN_MAX, MLS_TOO_LARGE);
    out->bundle = mls_rd_vec(&r, SECURE_BUNDLE_LEN_MAX, MLS_TOO_LARGE);
    out->link_proof = mls_rd_vec(&r, SECURE_PROOF_LEN, MLS_TOO_LARGE);
    if (mls_reader_end(&r) != MLS_OK || version != SECURE_VERSION || kind < SECURE_BROWSER || kind > SECURE_TEST ||
        out->link_proof.len != SECURE_PROOF_LEN)
        return false;
    out->kind = (enum secure_kind)kind;
    return true;
}

void secure_client_write(const struct secure_client *client, struct mls_buf *out) {
    ASSERT(client->software.len <= SECURE_SOFTWARE_LEN_MAX && client->bundle.len <= SECURE_BUNDLE_LEN_MAX);
    ASSERT(client->link_proof.len == SECURE_PROOF_LEN);
    mls_wr_u8(out, SECURE_VERSION);
    mls_wr_u8(out, (uint8_t)client->kind);
    mls_wr_vec(out, client->software);
    mls_wr_vec(out, client->bundle);
    mls_wr_vec(out, client->link_proof);
}

static enum crypto_status derive(const struct crypto_backend *crypto, struct span prk, const char *label,
                                 struct secret *out) {
    struct span info = span_str(label);
    secret_zeros(out, SECURE_PROOF_LEN);
    return hkdf_expand(crypto, HASH_SHA256, prk, &info, 1, out->bytes, SECURE_PROOF_LEN);
}

enum crypto_status secure_link_derive(const struct crypto_backend *crypto, struct span secret,
                                      struct secure_link *out) {
    ASSERT(secret.len == SECURE_LINK_SECRET_LEN);
    struct secret prk;
    enum crypto_status status = hkdf_extract(crypto, HASH_SHA256, span_of(NULL, 0), &secret, 1, &prk);
    if (status == CRYPTO_OK)
        status = derive(crypto, secret_span(&prk), "conclave link psk v1", &out->psk);
    if (status == CRYPTO_OK)
        status = derive(crypto, secret_span(&prk), "conclave link proof v1", &out->proof_key);
    secret_wipe(&prk);
    if (status != CRYPTO_OK)
        secure_link_wipe(out);
    return status;
}

void secure_link_wipe(struct secure_link *link) {
    secret_wipe(&link->psk);
    secret_wipe(&link->proof_key);
}

enum crypto_status secure_link_proof(const struct crypto_backend *crypto, const struct secure_link *link,
                                     struct span identity, struct span signature_key, uint8_t out[SECURE_PROOF_LEN]) {
    const uint8_t identity_len = (uint8_t)identity.len; /* so that the two parts cannot be divided elsewhere */
    ASSERT(identity.len <= WIRE1_IDENTITY_LEN_MAX);
    const struct span parts[] = {span_of(&identity_len, 1), identity, signature_key};
    return crypto->hmac(HASH_SHA256, secret_span(&link->proof_key), parts, ARRAY_LEN(parts), out);
}
