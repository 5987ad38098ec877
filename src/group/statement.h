/* Signed sentences outside of MLS. Each is an Ed25519 signature over
 *
 *     struct { opaque label<V>; opaque content<V>; }
 *
 * with the label "Conclave 2 " and a name, so that none can stand for another, nor for a signature of MLS (whose labels
 * begin with "MLS 1.0 "). The content is all fields before the signature. Verification is the backend's: reduced keys
 * of large order, S below the order, R compared as bytes.
 *
 * House, Delegation, Policy, Rotation have their fields in Client and Meeting and come with accounts: until then these
 * fields are empty, and a leaf or meeting that fills them is refused by rules.h. Threads: any. */
#ifndef CONCLAVE_GROUP_STATEMENT_H
#define CONCLAVE_GROUP_STATEMENT_H

#include "base/secret.h"
#include "crypto/backend.h"
#include "e2ee/mls_codec.h"

#define GROUP_SIGNATURE_LEN 64
#define GROUP_STATEMENT_LEN_MAX 512
#define GROUP_ID_LEN 16 /* of MLS groups of meetings */

/* The content is the concatenation of `count` parts. `name` without "Conclave 2 ". */
#define GROUP_SIGN_PARTS_MAX 8
enum crypto_status group_sign(const struct crypto_backend *crypto, const struct secret *seed, const char *name,
                              const struct span *parts, size_t count, uint8_t signature[GROUP_SIGNATURE_LEN]);
/* CRYPTO_INVALID for any signature that is not good; CRYPTO_NO_MEMORY may be tried again. */
enum crypto_status group_verify(const struct crypto_backend *crypto, struct span key, const char *name,
                                const struct span *parts, size_t count, struct span signature);

/* "Leaf", by the link key of that generation: whoever has the link let this seat use it.
 *     { uint8 meeting[32]; uint32 generation; opaque seat_key<V>; }                    signature apart, in Client,
 * hello */
enum crypto_status group_leaf_sign(const struct crypto_backend *crypto, const struct secret *link_seed,
                                   struct span meeting, uint32_t generation, struct span seat_key,
                                   uint8_t signature[GROUP_SIGNATURE_LEN]);
enum crypto_status group_leaf_verify(const struct crypto_backend *crypto, struct span link_key, struct span meeting,
                                     uint32_t generation, struct span seat_key, struct span signature);

/* "Hello", by the seat key: the holder of the seat says this hello on this connection, now.
 *     { uint8 meeting[32]; opaque seat_key<V>; uint8 how; uint8 server_nonce[32], client_nonce[32], package_hash[32]; }
 * package_hash: SHA-256 of the field key_package as it is in the hello, of nothing when that is empty. */
struct group_hello {
    struct span meeting;  /* [32] */
    struct span seat_key; /* [32] */
    uint8_t how;
    struct span server_nonce, client_nonce; /* [32] each */
    struct span key_package;                /* not its hash */
};
enum crypto_status group_hello_sign(const struct crypto_backend *crypto, const struct secret *seat_seed,
                                    const struct group_hello *hello, uint8_t signature[GROUP_SIGNATURE_LEN]);
enum crypto_status group_hello_verify(const struct crypto_backend *crypto, const struct group_hello *hello,
                                      struct span signature);

/* "Grant", by O: this seat is the owner's.
 *     struct { uint8 version = 2; uint8 meeting[32]; opaque seat_key<V>; uint8 signature[64]; } Grant; */
struct group_grant {
    struct span meeting, seat_key, signature;
};
bool group_grant_read(struct span bytes, struct group_grant *out);
/* Appends a signed one. */
enum mls_status group_grant_make(const struct crypto_backend *crypto, const struct secret *owner_seed,
                                 struct span meeting, struct span seat_key, struct mls_buf *out);
/* CRYPTO_OK when these bytes are a Grant by this owner for this meeting and seat. */
enum crypto_status group_grant_check(const struct crypto_backend *crypto, struct span bytes, struct span owner,
                                     struct span meeting, struct span seat_key);

/* "Founding", by the seat key of its Grant: the owner began this group.
 *     struct { uint8 version = 2; Grant grant; uint64 unix_s; uint8 group_id[16]; uint8 signature[64]; } Founding; */
struct group_founding {
    struct group_grant grant;
    uint64_t unix_s;
    struct span group_id, signature;
};
bool group_founding_read(struct span bytes, struct group_founding *out);
/* `grant` is an encoded Grant for the seat of `seat_seed`. */
enum mls_status group_founding_make(const struct crypto_backend *crypto, const struct secret *seat_seed,
                                    struct span grant, uint64_t unix_s, struct span group_id, struct mls_buf *out);
enum crypto_status group_founding_check(const struct crypto_backend *crypto, struct span bytes, struct span owner,
                                        struct span meeting, struct span group_id, struct group_founding *out);

#endif
