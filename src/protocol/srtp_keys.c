/* Keys of SRTP: what a profile is made of, the split of DTLS's exported material, and RFC 3711's key derivation. */
#include <string.h>

#include "base/assert.h"
#include "base/secret.h"
#include "protocol/srtp_internal.h"

#define AUTH_KEY_LEN 20 /* HMAC-SHA1, RFC 3711 section 5.2 */

/* RFC 3711 section 4.3.2 */
enum label {
    LABEL_RTP_ENCRYPTION = 0,
    LABEL_RTP_AUTH = 1,
    LABEL_RTP_SALT = 2,
    LABEL_RTCP_ENCRYPTION = 3,
    LABEL_RTCP_AUTH = 4,
    LABEL_RTCP_SALT = 5,
};

bool srtp_profile_known(enum srtp_profile profile) {
    return profile == SRTP_PROFILE_AES128_CM_SHA1_80 || profile == SRTP_PROFILE_AEAD_AES_128_GCM ||
           profile == SRTP_PROFILE_AEAD_AES_256_GCM;
}

size_t srtp_key_len(enum srtp_profile profile) {
    ASSERT(srtp_profile_known(profile));
    return profile == SRTP_PROFILE_AEAD_AES_256_GCM ? 32 : 16;
}

size_t srtp_salt_len(enum srtp_profile profile) {
    ASSERT(srtp_profile_known(profile));
    return profile == SRTP_PROFILE_AES128_CM_SHA1_80 ? 14 : 12;
}

size_t srtp_export_len(enum srtp_profile profile) {
    return 2 * (srtp_key_len(profile) + srtp_salt_len(profile));
}

size_t srtp_overhead(enum srtp_profile profile) {
    ASSERT(profile != SRTP_PROFILE_NONE);
    return profile == SRTP_PROFILE_AES128_CM_SHA1_80 ? SRTP_TAG_LEN_SHA1_80 : SRTP_TAG_LEN_GCM;
}

size_t srtcp_overhead(enum srtp_profile profile) {
    return srtp_overhead(profile) + SRTCP_INDEX_LEN;
}

void srtp_master_split(enum srtp_profile profile, const uint8_t *exported, struct srtp_master *client,
                       struct srtp_master *server) {
    ASSERT(exported != NULL && client != NULL && server != NULL);
    size_t key_len = srtp_key_len(profile), salt_len = srtp_salt_len(profile);
    *client = (struct srtp_master){.profile = profile};
    *server = (struct srtp_master){.profile = profile};
    struct reader r = reader_of(exported, srtp_export_len(profile));
    rd_copy(&r, client->key, key_len);
    rd_copy(&r, server->key, key_len);
    rd_copy(&r, client->salt, salt_len);
    rd_copy(&r, server->salt, salt_len);
    ASSERT(reader_ok(&r) && reader_left(&r) == 0);
}

void srtp_master_wipe(struct srtp_master *master) {
    ASSERT(master != NULL);
    secure_wipe(master, sizeof *master);
}

/* RFC 3711 section 4.3.3 (RFC 6188 for 256 bits): the key stream of the master key that starts at (label * 2^48 XOR
 * salt) * 2^16. A 96-bit salt (RFC 7714 section 11) is the 112-bit one with 16 zero bits behind it, as it stands in
 * struct srtp_master. */
static void derive(struct aes_ctr_key *prf, const struct srtp_master *master, enum label label, uint8_t *out,
                   size_t len) {
    uint8_t iv[AES_CTR_IV_LEN] = {0};
    memcpy(iv, master->salt, SRTP_MASTER_SALT_LEN_MAX);
    iv[7] ^= (uint8_t)label;
    memset(out, 0, len);
    aes_ctr_start(prf, iv);
    aes_ctr_xor(prf, out, out, len);
    secure_wipe(iv, sizeof iv);
}

static bool derive_set(struct aes_ctr_key *prf, const struct srtp_master *master, struct srtp_keys *keys,
                       enum label first, bool sealing) {
    uint8_t key[SRTP_MASTER_KEY_LEN_MAX];
    bool ok;
    derive(prf, master, first, key, srtp_key_len(master->profile));
    derive(prf, master, first + (LABEL_RTP_SALT - LABEL_RTP_ENCRYPTION), keys->salt, srtp_salt_len(master->profile));
    if (master->profile == SRTP_PROFILE_AES128_CM_SHA1_80) {
        uint8_t auth[AUTH_KEY_LEN];
        ok = aes_ctr_key_init(&keys->ctr, key, srtp_key_len(master->profile));
        derive(prf, master, first + (LABEL_RTP_AUTH - LABEL_RTP_ENCRYPTION), auth, sizeof auth);
        hmac_key_init(&keys->mac, HMAC_SHA1, span_of(auth, sizeof auth));
        secure_wipe(auth, sizeof auth);
    } else {
        enum aead_algorithm algorithm =
            master->profile == SRTP_PROFILE_AEAD_AES_256_GCM ? AEAD_AES_256_GCM : AEAD_AES_128_GCM;
        ok = aead_key_init(&keys->aead, &aead_openssl, algorithm, sealing ? AEAD_SEAL : AEAD_OPEN, key);
    }
    secure_wipe(key, sizeof key);
    return ok;
}

bool srtp_keys_derive(const struct srtp_master *master, struct srtp_keys *rtp, struct srtp_keys *rtcp, bool sealing) {
    ASSERT(master != NULL && srtp_profile_known(master->profile));
    *rtp = (struct srtp_keys){0};
    *rtcp = (struct srtp_keys){0};
    struct aes_ctr_key prf;
    bool ok = aes_ctr_key_init(&prf, master->key, srtp_key_len(master->profile)) &&
              derive_set(&prf, master, rtp, LABEL_RTP_ENCRYPTION, sealing) &&
              derive_set(&prf, master, rtcp, LABEL_RTCP_ENCRYPTION, sealing);
    aes_ctr_key_end(&prf);
    if (!ok) {
        srtp_keys_end(rtp);
        srtp_keys_end(rtcp);
    }
    return ok;
}

void srtp_keys_end(struct srtp_keys *keys) {
    ASSERT(keys != NULL);
    aead_key_end(&keys->aead);
    aes_ctr_key_end(&keys->ctr);
    hmac_key_wipe(&keys->mac);
    secure_wipe(keys, sizeof *keys);
}
