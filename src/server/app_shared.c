/* Trees and chains that are being sent: everybody who enters at the same time gets the same bytes, of which a large meeting
 * has some megabytes, and the delivery service may go on to others meanwhile. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "server/app_internal.h"

struct shared_bytes *shared_find(struct app *app, const uint8_t name[32]) {
    struct shared_bytes *shared = app->shared;
    while (shared != NULL && memcmp(shared->name, name, sizeof shared->name) != 0)
        shared = shared->next;
    if (shared != NULL)
        shared->refs++;
    return shared;
}

static bool room_for(const struct app *app, struct span meeting, const struct net_addr *source, size_t len) {
    size_t all = len, of_meeting = len, of_source = len;
    for (const struct shared_bytes *shared = app->shared; shared != NULL; shared = shared->next) {
        all += shared->room;
        if (span_equal(meeting, span_of(shared->meeting, sizeof shared->meeting)))
            of_meeting += shared->room;
        if (net_addr_equal(&shared->source, source) && !net_addr_is_loopback(source))
            of_source += shared->room;
    }
    return all <= SHARED_LEN_MAX && of_meeting <= SHARED_SHARE_MAX && of_source <= SHARED_SHARE_MAX;
}

struct shared_bytes *shared_make(struct app *app, const uint8_t name[32], struct span meeting,
                                 const struct net_addr *source, size_t len) {
    ASSERT(meeting.len == MEETING_ID_LEN);
    struct shared_bytes *shared = room_for(app, meeting, source, len) ? calloc(1, sizeof *shared) : NULL;
    if (shared == NULL)
        return NULL;
    *shared = (struct shared_bytes){.next = app->shared, .app = app, .refs = 1, .source = *source, .room = len};
    memcpy(shared->name, name, sizeof shared->name);
    memcpy(shared->meeting, meeting.data, sizeof shared->meeting);
    mls_buf_init(&shared->bytes, len);
    app->shared = shared;
    return shared;
}

void shared_release(void *held) {
    struct shared_bytes *shared = held;
    ASSERT(shared->refs > 0);
    if (--shared->refs > 0)
        return;
    struct shared_bytes **at = &shared->app->shared;
    while (*at != shared)
        at = &(*at)->next;
    *at = shared->next;
    mls_buf_free(&shared->bytes);
    free(shared);
}
