/* What a client says when it comes: the query parameters of /rtc, and the join request of /rtc/v1 (LiveKit
 * client protocol). */
#ifndef CONCLAVE_SIGNAL_QUERY_H
#define CONCLAVE_SIGNAL_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "signal/arena.h"
#include "signal/livekit.pb-c.h"

/* A query longer than this is not read: the server takes request lines of 64 kB, tokens in them may be larger over
 * HTTP/2. */
#define QUERY_LEN_MAX (2u << 20)

/* Finds the first parameter called `name` and answers its percent-decoded value ('+' is a space, as in forms) in the
 * arena. False when it is not there or badly encoded. */
bool query_get(struct span query, const char *name, struct arena *arena, struct span *value);
/* `1` and `true` are yes, anything else no; `absent` when it is not there. */
bool query_bool(struct span query, const char *name, bool absent, struct arena *arena);

/* Whether a Content-Type is this media type, written in small letters: case does not count, nor do parameters (RFC 9110
 * section 8.3.1). */
bool media_type_is(struct span value, const char *type);

/* Reads a `join_request` value: base64 in either alphabet, WrappedJoinRequest, gzip (RFC 1952) up to
 * CONTROL_JOIN_REQUEST_LEN_MAX bytes, JoinRequest. NULL when any of these is malformed or too large. Lives in the
 * arena. */
Livekit__JoinRequest *query_join_request(struct span value, struct arena *arena);
/* The same from the query parameters of the older form: everything but an offer. */
Livekit__JoinRequest *query_join_request_v0(struct span query, struct arena *arena);

#endif
