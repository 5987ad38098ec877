/* Webhooks: an event as protobuf-JSON, and a token over its hash (LiveKit client protocol). */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "crypto/hmac.h"
#include "signal/internal.h"
#include "signal/pbjson.h"

#define TOKEN_TTL_S 300
#define EVENT_ID_RANDOM_LEN 14

static struct buffer *authorization_for(struct control *control, struct span body) {
    uint8_t digest[HMAC_SHA256_LEN];
    char hash[BASE64_LEN(HMAC_SHA256_LEN) + 1], text[1024];
    struct writer w = writer_of(hash, sizeof hash - 1);
    sha256_once(body, digest);
    wr_base64(&w, span_of(digest, sizeof digest));
    hash[w.len] = 0;
    const struct control_keys *keys = &control->config.keys;
    json_int_t now_s = (json_int_t)(control->unix_us / US_PER_S);
    json_t *claims = json_pack("{s:s, s:I, s:I, s:s}", "iss", keys->names[0], "nbf", now_s, "exp", now_s + TOKEN_TTL_S,
                               "sha256", hash);
    ASSERT(claims != NULL);
    struct writer token = writer_of(text, sizeof text);
    if (!token_sign_claims(keys, 0, claims, &token)) /* all of it is of bounded length: nobody signs any more */
        token.len = 0;
    json_decref(claims);
    return buffer_new(writer_span(&token));
}

void webhook_event(struct control *control, const char *event, const struct room *room,
                   const struct participant *participant, const struct track *track) {
    /* a meeting's room name is its link, which must not leave the server */
    if (!control->config.webhooks || room_is_meeting(control, room->name))
        return;
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    Livekit__WebhookEvent *message = arena_new(&arena, &livekit__webhook_event__descriptor);
    char id[4 + EVENT_ID_RANDOM_LEN] = "EV_";
    rng_token(control->rng, id + 3, EVENT_ID_RANDOM_LEN);
    message->event = arena_text(&arena, span_str(event));
    message->id = id;
    message->created_at = (int64_t)(control->unix_us / US_PER_S);
    message->room = message_room(&arena, control, room);
    if (participant != NULL)
        message->participant = message_participant(&arena, participant);
    if (track != NULL)
        message->track = message_track(&arena, track);
    json_t *json = pbjson_write(&message->base, (struct pbjson_style){.camel = true});
    char *text = json_dumps(json, JSON_COMPACT);
    ASSERT(text != NULL);
    struct buffer *body = buffer_new(span_str(text));
    struct buffer *authorization = authorization_for(control, span_str(text));
    output_webhook(control, body, authorization);
    buffer_release(body);
    buffer_release(authorization);
    free(text);
    json_decref(json);
    arena_free(&arena);
}
