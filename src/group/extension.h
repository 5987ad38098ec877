/* What makes an MLS group a meeting (docs/delivery-protocol.md): the meeting extension of the GroupContext, the client
 * extension of each leaf, and the keys that follow from the secret of the link.
 *
 * Server and clients read the extensions; only clients have a link secret. Sans-IO, no allocation but in buffers
 * written to. Threads: any. */
#ifndef CONCLAVE_GROUP_EXTENSION_H
#define CONCLAVE_GROUP_EXTENSION_H

#include "base/cursor.h"
#include "base/secret.h"
#include "crypto/backend.h"
#include "e2ee/mls_codec.h"
#include "group/wire1.h"

/* Private range of RFC 9420 section 17.3. */
#define SECURE_EXTENSION_MEETING 0xF0C0
#define SECURE_EXTENSION_CLIENT 0xF0C1
#define SECURE_VERSION 1

#define SECURE_LINK_SECRET_LEN 32
#define SECURE_MEETING_HASH_LEN 32
#define SECURE_PROOF_LEN 32
#define SECURE_SOFTWARE_LEN_MAX 64
#define SECURE_BUNDLE_LEN_MAX 64
/* A meeting of a thousand has a handful of hosts; the list is in every GroupInfo. */
#define SECURE_HOSTS_MAX 32
/* The id of the external PSK that every way into an open meeting carries. */
#define SECURE_PSK_ID "conclave link v1"

#define SECURE_POLICY_OPEN 0x01 /* who knows the link's secret may enter */

struct secure_meeting {
    uint8_t policy;
    struct span meeting; /* SHA-256 of the meeting's id */
    struct span hosts;   /* identities, each <V>; secure_is_host looks in it */
};

/* An identity as leaves carry it: 1 to WIRE1_IDENTITY_LEN_MAX of the letters A-Z and a-z, digits, "_", "-" and ".". So
 * no two of them look alike or become one in a decoder, and none is empty. */
bool secure_identity_good(struct span identity);

/* `data` is the extension's; false when it is not one of version 1, well-formed and within limits. */
bool secure_meeting_read(struct span data, struct secure_meeting *out);
void secure_meeting_write(const struct secure_meeting *meeting, struct mls_buf *out);
bool secure_is_host(const struct secure_meeting *meeting, struct span identity);
/* Walks the hosts: start with *at = 0, until false. */
bool secure_host_next(const struct secure_meeting *meeting, size_t *at, struct span *identity);

enum secure_kind { SECURE_BROWSER = 1, SECURE_NATIVE = 2, SECURE_TEST = 3 };

struct secure_client {
    enum secure_kind kind;
    struct span software;
    struct span bundle;
    struct span link_proof; /* SECURE_PROOF_LEN */
};

bool secure_client_read(struct span data, struct secure_client *out);
void secure_client_write(const struct secure_client *client, struct mls_buf *out);

/* The PSK and the proof key of a link's secret. */
struct secure_link {
    struct secret psk;
    struct secret proof_key;
};
/* `secret` has SECURE_LINK_SECRET_LEN bytes (asserted). The caller wipes `out`. */
enum crypto_status secure_link_derive(const struct crypto_backend *crypto, struct span secret, struct secure_link *out);
void secure_link_wipe(struct secure_link *link);
/* HMAC over identity and signature key. */
enum crypto_status secure_link_proof(const struct crypto_backend *crypto, const struct secure_link *link,
                                     struct span identity, struct span signature_key, uint8_t out[SECURE_PROOF_LEN]);

#endif
