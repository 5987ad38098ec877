/* What the service has to say: messages that wait for several connections at once, closes, what the media side hears.
 */
#include <string.h>

#include "base/assert.h"
#include "delivery/service_internal.h"
#include "e2ee/mem.h"
#include "e2ee/mls.h"

/* Messages between two polls; closes and what the media side has to hear go beyond it: there is at most one of them for
 * each connection, member and meeting. */
#define SENDS_MAX(s) (16u * SERVICE_MEMBERS_MAX + 2u * (s)->config.connections_max)
#define QUEUE_MAX(s)                                                                                                   \
    (SENDS_MAX(s) + 4u * (s)->config.connections_max + 2u * (s)->config.meetings_max + SERVICE_MEMBERS_MAX)

struct queued_output {
    enum service_output_type type;
    uint32_t connection;
    uint16_t code;
    bool held;
    uint8_t id_len, identity_len;
    uint8_t id[GROUP_MEETING_ID_LEN_MAX], identity[GROUP_IDENTITY_LEN];
    struct service_blob *blob;
};

struct service_blob *blob_of(const struct wire_message *message) {
    struct mls_buf out;
    mls_buf_init(&out, 2 * WIRE_MESSAGE_LEN_MAX);
    wire_write(message, &out);
    struct service_blob *blob = mls_buf_ok(&out) ? mls_alloc(sizeof *blob + mls_buf_len(&out)) : NULL;
    if (blob != NULL) {
        blob->refs = 1;
        blob->len = mls_buf_len(&out);
        memcpy(blob->bytes, mls_buf_span(&out).data, blob->len);
    }
    mls_buf_free(&out);
    return blob;
}

void blob_drop(struct service_blob *blob) {
    if (blob != NULL && --blob->refs == 0)
        mls_free(blob, sizeof *blob + blob->len);
}

static struct queued_output *queue_new(struct service *s, enum service_output_type type) {
    if (s->queue_count >= (type == SERVICE_SEND ? SENDS_MAX(s) : QUEUE_MAX(s)))
        return NULL;
    if (s->queue_count == s->queue_size) {
        size_t size = s->queue_size == 0 ? 64 : 2 * s->queue_size;
        struct queued_output *more = mls_alloc(size * sizeof *more);
        if (more == NULL)
            return NULL;
        for (size_t i = 0; i < s->queue_count; i++)
            more[i] = s->queue[(s->queue_first + i) % s->queue_size];
        if (s->queue != NULL)
            mls_free(s->queue, s->queue_size * sizeof *s->queue);
        s->queue = more;
        s->queue_size = size;
        s->queue_first = 0;
    }
    struct queued_output *out = &s->queue[(s->queue_first + s->queue_count++) % s->queue_size];
    *out = (struct queued_output){.type = type};
    return out;
}

/* One that misses something must come again: nothing is left out of what somebody is told. */
static void missed(struct service *s, uint32_t connection) {
    struct guest *g = guest_find(s, connection);
    if (g == NULL || g->missed)
        return;
    g->missed = true;
    s->missed_count++;
    guest_rearm(s, g);
}

void guest_send_blob(struct service *s, const struct guest *g, struct service_blob *blob) {
    struct queued_output *out = blob == NULL || g->missed ? NULL : queue_new(s, SERVICE_SEND);
    if (out == NULL) {
        missed(s, g->handle);
        return;
    }
    out->connection = g->handle;
    out->blob = blob;
    blob->refs++;
}

void guest_send(struct service *s, const struct guest *g, const struct wire_message *message) {
    struct service_blob *blob = blob_of(message);
    guest_send_blob(s, g, blob);
    blob_drop(blob);
}

void service_tell(struct service *s, enum service_output_type type, const struct hall *h, struct span identity) {
    struct queued_output *out = queue_new(s, type);
    if (out == NULL || identity.len > sizeof out->identity)
        return;
    out->id_len = h->id_len;
    memcpy(out->id, h->id, h->id_len);
    out->identity_len = (uint8_t)identity.len;
    if (identity.len > 0)
        memcpy(out->identity, identity.data, identity.len);
}

void service_tell_held(struct service *s, const struct guest *g, bool held) {
    struct queued_output *out = queue_new(s, SERVICE_HOLD);
    if (out == NULL)
        return;
    out->connection = g->handle;
    out->held = held;
}

bool service_tell_close(struct service *s, uint32_t connection, uint16_t code) {
    struct queued_output *out = queue_new(s, SERVICE_CLOSE);
    if (out == NULL)
        return false;
    out->connection = connection;
    out->code = code;
    return true;
}

void service_queue_free(struct service *s) {
    struct service_output out;
    while (service_poll(s, &out))
        continue;
    if (s->queue != NULL)
        mls_free(s->queue, s->queue_size * sizeof *s->queue);
}

bool service_poll(struct service *s, struct service_output *out) {
    blob_drop(s->given);
    s->given = NULL;
    if (s->queue_count == 0)
        return false;
    struct queued_output *q = &s->queue[s->queue_first];
    s->queue_first = (s->queue_first + 1) % s->queue_size;
    s->queue_count--;
    s->given = q->blob;
    memcpy(s->given_id, q->id, sizeof s->given_id);
    memcpy(s->given_identity, q->identity, sizeof s->given_identity);
    *out = (struct service_output){.type = q->type,
                                   .connection = q->connection,
                                   .code = q->code,
                                   .held = q->held,
                                   .id = span_of(s->given_id, q->id_len),
                                   .identity = span_of(s->given_identity, q->identity_len)};
    if (q->blob != NULL)
        out->message = span_of(q->blob->bytes, q->blob->len);
    return true;
}
