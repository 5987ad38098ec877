/* Access tokens: JWT (RFC 7519) signed with HMAC-SHA-256 (RFC 7515, RFC 7518 section 3.2), as LiveKit's server SDKs
 * make them.
 *
 * Only alg HS256 is taken: no "none", no other algorithm, no `crit` header (RFC 7515 section 4.1.11). The signature is
 * checked in constant time before any claim is looked at. `exp` is required and strict; `nbf` and `iat` may lie
 * TOKEN_LEEWAY_S ahead, for clocks that differ. The key is chosen by `iss`.
 *
 * Texts of a verified token live in the caller's arena. Threads: none. */
#ifndef CONCLAVE_SIGNAL_TOKEN_H
#define CONCLAVE_SIGNAL_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/cursor.h"
#include "room/room.h"
#include "signal/arena.h"
#include "signal/control.h"

/* Metadata may be 512 kB and is base64 inside; what is larger is no token. */
#define TOKEN_LEN_MAX (1u << 20)
#define TOKEN_LEEWAY_S 60
#define TOKEN_ATTRIBUTES_MAX 256

enum token_result {
    TOKEN_OK = 0,
    TOKEN_MISSING,
    TOKEN_MALFORMED,     /* not three base64url parts with JSON objects in them, or too long */
    TOKEN_BAD_ALGORITHM, /* anything but HS256 */
    TOKEN_UNKNOWN_KEY,   /* `iss` names no key of ours */
    TOKEN_BAD_SIGNATURE,
    TOKEN_EXPIRED, /* or without `exp` */
    TOKEN_NOT_YET,
};

/* One sentence for the body of a 401. */
const char *token_result_text(enum token_result result);

struct token {
    uint32_t key_index;   /* of the keys given to token_verify */
    const char *identity; /* "sub", else "jti"; "" without */
    const char *name, *metadata;
    enum room_participant_kind kind;
    uint32_t attributes_count;
    const char *attributes[TOKEN_ATTRIBUTES_MAX][2];
    bool has_video; /* the `video` grant is there; without it no right below holds */
    const char *room;
    bool room_create, room_list, room_admin, room_join;
    struct room_permission permission;
    /* roomConfig, for the join that makes the room; 0 and "" = not given */
    uint32_t config_empty_timeout_s, config_departure_timeout_s, config_participants_max;
    const char *config_metadata;
    uint64_t expires_unix_us;
};

enum token_result token_verify(const struct control_keys *keys, uint64_t unix_us, struct span text, struct arena *arena,
                               struct token *out);
/* Takes the token out of an Authorization header's value ("Bearer ..."), empty when there is none. */
struct span token_from_header(struct span authorization);
/* Signs any claims with key `index`; false when the writer is full, or nobody signs. */
bool token_sign_claims(const struct control_keys *keys, uint32_t index, const json_t *claims, struct writer *out);
/* A new token with the rights a participant has now, for refresh_token; its metadata and attributes only `with_texts`. */
bool token_sign_participant(const struct control_keys *keys, uint32_t index, uint64_t unix_us, uint32_t ttl_s,
                            const struct participant *participant, bool with_texts, struct writer *out);

#endif
