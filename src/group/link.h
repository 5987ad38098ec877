/* What follows from the secret of a link, from the keys of a meeting and from the server's secret. The server has none
 * of a link's secrets: it knows `link_key`, which verifies, and which the id commits to.
 *
 * Outputs that are secret are of type `secret` and wiped by the caller. Threads: any. */
#ifndef CONCLAVE_GROUP_LINK_H
#define CONCLAVE_GROUP_LINK_H

#include "base/secret.h"
#include "crypto/backend.h"
#include "e2ee/mls_codec.h"

#define GROUP_LINK_SECRET_LEN 32
#define GROUP_PSK_ID_LEN 20
/* base64url of 16 bytes of hash and 8 of tag; a cell's name and "-" may stand before it. */
#define GROUP_MEETING_ID_LEN 32
#define GROUP_CELL_LEN_MAX 16
#define GROUP_MEETING_ID_LEN_MAX (GROUP_CELL_LEN_MAX + 1 + GROUP_MEETING_ID_LEN)
#define GROUP_IDENTITY_LEN 24 /* "p_" and 22 characters */
#define GROUP_INFO_TAG_LEN 16

/* prk      = HKDF-Extract(SHA-256, salt "conclave link v2", link secret)
 * sign     = Expand(prk, "conclave link sign v2", 32): the seed of L;  link_key = L's public half
 * knock, info, psk = Expand(prk, "conclave link knock v2" | "... info v2" | "... psk v2", 32) */
struct group_link {
    struct secret sign;
    uint8_t link_key[32];
    struct secret knock, info, psk;
};
/* `secret` has GROUP_LINK_SECRET_LEN bytes (asserted: it is the caller's). */
enum crypto_status group_link_derive(const struct crypto_backend *crypto, struct span secret, struct group_link *out);
void group_link_wipe(struct group_link *link);
/* "conclave link v2" || uint32 generation: of the PSK that brings everybody in. */
void group_psk_id(uint32_t generation, uint8_t out[GROUP_PSK_ID_LEN]);

/* The id commits to what cannot change:
 *     hash = SHA-256("conclave id v2" || first link_key || O public || operator || uint16 suite || uint8 kind)[0..16)
 *     tag  = HMAC-SHA-256(server secret, "conclave id v2" || hash)[0..8)
 *     id   = base64url(hash || tag) */
struct group_id_parts {
    struct span first_link_key, owner, operator_key; /* [32] each (asserted) */
    uint16_t suite;
    uint8_t kind;
};
void group_id_hash(const struct crypto_backend *crypto, const struct group_id_parts *parts, uint8_t out[16]);
void group_id_tag(const struct crypto_backend *crypto, struct span server_secret, const uint8_t hash[16],
                  uint8_t out[8]);
void group_id_text(const uint8_t hash[16], const uint8_t tag[8], char out[GROUP_MEETING_ID_LEN + 1]);
/* The hash and tag in an id, with or without a cell before them; false when it is none: other characters than its own
 * maker writes, another length. */
bool group_id_read(struct span id, uint8_t hash[16], uint8_t tag[8]);

/* The server's secret, which makes the tags of its ids and its keys in the groups: at hand, or kept by somebody who is
 * asked (server/keeper.h). False: no answer. Plain data, copied; what it points to outlives the copies. */
struct group_server {
    bool (*tag)(const struct group_server *server, const uint8_t hash[16], uint8_t out[8]);
    /* 32 bytes, see group_external_sender; wiped by the caller. */
    bool (*external_seed)(const struct group_server *server, struct span meeting, struct secret *out);
    const struct crypto_backend *crypto;
    struct span secret; /* [32]; empty when somebody else has it */
    void *context;
};
/* With the secret at hand. */
struct group_server group_server_local(const struct crypto_backend *crypto, struct span secret);

/* Constant time in the tag. */
bool group_id_is_of_server(const struct group_server *server, struct span id);
bool group_id_is_of(const struct crypto_backend *crypto, struct span id, const struct group_id_parts *parts);

/* SHA-256("conclave meeting v2" || id); the id as it is in the link, a cell included. */
void group_meeting_hash(const struct crypto_backend *crypto, struct span id, uint8_t out[32]);
/* "p_" || base64url(SHA-256("conclave identity v2" || meeting || seat_key)[0..16)), without terminator: one seat is one
 * identity, also after a reload; everybody checks it. */
void group_identity(const struct crypto_backend *crypto, struct span meeting, struct span seat_key,
                    uint8_t out[GROUP_IDENTITY_LEN]);

/* The link's next secret is what the epoch that raised `generation` exports under this label and context, 32 bytes. */
#define GROUP_NEXT_LINK_LABEL "conclave link v2"
#define GROUP_NEXT_LINK_CONTEXT_LEN 36
void group_next_link_context(struct span meeting, uint32_t generation, uint8_t out[GROUP_NEXT_LINK_CONTEXT_LEN]);

/* The server's key pair as external sender of a meeting's group: Ed25519 from the seed
 * Expand(Extract(SHA-256, no salt, server secret), "conclave external sender v2" || meeting, 32): the same after a
 * restart. `public_key` gets 32 bytes. */
enum crypto_status group_external_seed(const struct crypto_backend *crypto, struct span server_secret,
                                       struct span meeting, struct secret *seed);
enum crypto_status group_external_sender(const struct crypto_backend *crypto, const struct group_server *server,
                                         struct span meeting, struct secret *seed, uint8_t public_key[32]);
/* The encoded ExternalSender around that key: a basic credential "conclave". What `create_now` carries, and what the
 * only entry of external_senders is. */
void group_external_sender_write(struct span public_key, struct mls_buf *out);

/* SHA-256("conclave info v2" || external_pub || uint32 generation || link_key)[0..16): what a member acks of an epoch's
 * GroupInfo, beside what the transcript covers. `external_pub` is the extension's key. */
void group_info_tag(const struct crypto_backend *crypto, struct span external_pub, uint32_t generation,
                    struct span link_key, uint8_t out[GROUP_INFO_TAG_LEN]);

#endif
