#include <string.h>

#include "media/impl.h"

/* A queued event takes only as many bytes as its kind needs. */
static size_t event_len(const struct engine_event *event) {
    size_t base = offsetof(struct engine_event, transport_state);
    switch (event->type) {
    case ENGINE_EV_TRANSPORT_STATE:
        return base + sizeof event->transport_state;
    case ENGINE_EV_SOURCE_STARTED:
        return base + sizeof event->source_started;
    case ENGINE_EV_CHANNEL_OPENED:
    case ENGINE_EV_CHANNEL_CLOSED:
        return base + sizeof event->channel;
    case ENGINE_EV_CHANNEL_MESSAGE:
        return base + sizeof event->message;
    case ENGINE_EV_CHANNEL_SENT:
        return base + sizeof event->channel_sent;
    case ENGINE_EV_LEVELS:
        return base + offsetof(struct engine_event, levels.level) - offsetof(struct engine_event, levels) +
               event->levels.count * sizeof event->levels.level[0];
    case ENGINE_EV_STATS:
        return base + sizeof event->stats;
    case ENGINE_EV_STREAM_STATE:
        return base + sizeof event->stream_state;
    case ENGINE_EV_SINK_LAYER:
        return base + sizeof event->sink_layer;
    case ENGINE_EV_REFUSED:
        return base + sizeof event->refused;
    }
    return sizeof *event;
}

static size_t round_up(size_t len) {
    return (len + 7) & ~(size_t)7;
}

/* Told again and again, or kept elsewhere when there is no room. */
static bool leaves_reserve(enum engine_event_type type) {
    return type == ENGINE_EV_CHANNEL_MESSAGE || type == ENGINE_EV_LEVELS || type == ENGINE_EV_STATS;
}

static size_t bytes_left(const struct engine *e) {
    return EVENT_BYTES_MAX - (e->event_read == e->event_write ? 0 : e->event_write);
}

bool event_room(const struct engine *e, size_t payload_len) {
    size_t whole = sizeof(struct event_head) + round_up(sizeof(struct engine_event)) + round_up(payload_len);
    return bytes_left(e) >= whole + EVENT_RESERVE_BYTES;
}

uint8_t *event_push(struct engine *e, const struct engine_event *event, size_t payload_len) {
    size_t event_bytes = event_len(event);
    ASSERT(event_bytes <= sizeof *event);
    if (e->event_read == e->event_write) { /* all are out: begin again, so that an idle engine touches few pages */
        e->event_read = 0;
        e->event_write = 0;
    }
    size_t whole = sizeof(struct event_head) + round_up(event_bytes) + round_up(payload_len);
    size_t reserve = leaves_reserve(event->type) ? EVENT_RESERVE_BYTES : 0;
    if (bytes_left(e) < whole + reserve) {
        e->counters.drop_event_queue++;
        return NULL;
    }
    uint8_t *at = e->events + e->event_write;
    struct event_head head = {.event_bytes = (uint32_t)event_bytes, .payload_bytes = (uint32_t)payload_len};
    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, event, event_bytes);
    e->event_write += whole;
    return at + sizeof head + round_up(event_bytes);
}

bool engine_poll_event(struct engine *e, struct engine_event *event) {
    ASSERT(e != NULL && event != NULL);
    if (e->event_read == e->event_write)
        return false;
    const uint8_t *at = e->events + e->event_read;
    struct event_head head;
    memcpy(&head, at, sizeof head);
    ASSERT(head.event_bytes <= sizeof *event);
    memset(event, 0, sizeof *event);
    memcpy(event, at + sizeof head, head.event_bytes);
    event->payload = span_of(at + sizeof head + round_up(head.event_bytes), head.payload_bytes);
    e->event_read += sizeof head + round_up(head.event_bytes) + round_up(head.payload_bytes);
    ASSERT(e->event_read <= e->event_write);
    return true;
}

void event_state(struct engine *e, struct transport *t, enum engine_transport_state state) {
    if (t->state == state)
        return;
    if (t->state == ENGINE_TRANSPORT_CONNECTED) {
        ASSERT(e->connected > 0);
        e->connected--;
    }
    if (state == ENGINE_TRANSPORT_CONNECTED)
        e->connected++;
    t->state = state;
    struct engine_event event = {.type = ENGINE_EV_TRANSPORT_STATE, .object = t->handle, .transport_state = {state}};
    event_push(e, &event, 0);
}

bool event_refused(struct engine *e, uint32_t object, enum engine_command_type command) {
    struct engine_event event = {.type = ENGINE_EV_REFUSED, .object = object, .refused = {command}};
    bool told = event_push(e, &event, 0) != NULL;
    e->counters.command_refused += told ? 1 : 0;
    return told;
}

void event_channel(struct engine *e, struct transport *t, enum engine_event_type type, const char *label) {
    ASSERT(type == ENGINE_EV_CHANNEL_OPENED || type == ENGINE_EV_CHANNEL_CLOSED);
    struct engine_event event = {.type = type, .object = t->handle};
    memcpy(event.channel.label, label, sizeof event.channel.label);
    event_push(e, &event, 0);
}
