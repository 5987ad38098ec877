/* Data tracks and who receives them (LiveKit client protocol). */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "room/memory.h"
#include "room/room.h"

static uint64_t handle_hash(const struct participant *publisher, uint16_t handle) {
    return index_hash_pair(&publisher->room->owner->data_tracks_by_handle, publisher, handle);
}

static uint64_t pair_hash(const struct participant *subscriber, const struct data_track *track) {
    return index_hash_pair(&subscriber->room->owner->data_subscriptions, subscriber, (uintptr_t)track);
}

struct data_track *data_track_open(struct participant *publisher, uint16_t handle, const char *name) {
    struct rooms *rooms = publisher->room->owner;
    ASSERT(data_track_find(publisher, handle) == NULL);
    if (publisher->data_tracks_count == ROOM_DATA_TRACKS_MAX)
        return NULL;
    struct data_track *track = memory_new(sizeof *track);
    memcpy(track->sid, "DTR_", 4);
    rng_token(rooms->rng, track->sid + 4, ROOM_SID_LEN - 4);
    track->publisher = publisher;
    track->handle = handle;
    track->name = memory_text(name);
    list_init(&track->subscriptions);
    list_append(&publisher->data_tracks, &track->node);
    index_add(&rooms->data_tracks_by_sid, &track->by_sid,
              index_hash(&rooms->data_tracks_by_sid, track->sid, strlen(track->sid)));
    index_add(&rooms->data_tracks_by_handle, &track->by_handle, handle_hash(publisher, handle));
    publisher->data_tracks_count++;
    return track;
}

void data_track_close(struct data_track *track) {
    struct rooms *rooms = track->publisher->room->owner;
    LIST_EACH(&track->subscriptions, struct data_subscription, track_node, subscription) {
        if (subscription->subscribed)
            subscription->subscriber->handles_changed = true;
        data_subscription_close(subscription);
    }
    ASSERT(track->publisher->data_tracks_count > 0);
    track->publisher->data_tracks_count--;
    list_remove(&track->node);
    index_remove(&rooms->data_tracks_by_sid, &track->by_sid);
    index_remove(&rooms->data_tracks_by_handle, &track->by_handle);
    free(track->name);
    free((void *)(uintptr_t)track->info.data);
    free(track);
}

struct data_track *data_track_find(const struct participant *publisher, uint16_t handle) {
    const struct index *index = &publisher->room->owner->data_tracks_by_handle;
    uint64_t hash = handle_hash(publisher, handle);
    for (struct index_node *node = index_first(index, hash); node != NULL; node = index_next(node)) {
        struct data_track *track = LIST_ENTRY(node, struct data_track, by_handle);
        if (track->publisher == publisher && track->handle == handle)
            return track;
    }
    return NULL;
}

struct data_track *data_track_find_sid(const struct room *room, const char *sid) {
    const struct index *index = &room->owner->data_tracks_by_sid;
    uint64_t hash = index_hash(index, sid, strlen(sid));
    for (struct index_node *node = index_first(index, hash); node != NULL; node = index_next(node)) {
        struct data_track *track = LIST_ENTRY(node, struct data_track, by_sid);
        if (strcmp(track->sid, sid) == 0)
            return track->publisher->room == room ? track : NULL;
    }
    return NULL;
}

struct data_subscription *data_subscription_find(const struct participant *subscriber, const struct data_track *track) {
    const struct index *index = &subscriber->room->owner->data_subscriptions;
    uint64_t hash = pair_hash(subscriber, track);
    for (struct index_node *node = index_first(index, hash); node != NULL; node = index_next(node)) {
        struct data_subscription *subscription = LIST_ENTRY(node, struct data_subscription, by_pair);
        if (subscription->subscriber == subscriber && subscription->track == track)
            return subscription;
    }
    return NULL;
}

/* Handles are 1 and up; bit 0 is the handle 1. There are more bits than subscriptions. */
static uint16_t take_handle(struct participant *subscriber) {
    uint32_t word = 0;
    while (subscriber->data_handles[word] == UINT64_MAX)
        word++;
    ASSERT(word < sizeof subscriber->data_handles / sizeof subscriber->data_handles[0]);
    uint32_t bit = (uint32_t)__builtin_ctzll(~subscriber->data_handles[word]);
    subscriber->data_handles[word] |= UINT64_C(1) << bit;
    return (uint16_t)(word * 64 + bit + 1);
}

struct data_subscription *data_subscription_open(struct participant *subscriber, struct data_track *track) {
    ASSERT(subscriber != track->publisher && subscriber->room == track->publisher->room);
    ASSERT(data_subscription_find(subscriber, track) == NULL);
    if (subscriber->data_subscriptions_count == ROOM_DATA_SUBSCRIPTIONS_MAX)
        return NULL;
    struct data_subscription *subscription = memory_new(sizeof *subscription);
    subscription->subscriber = subscriber;
    subscription->track = track;
    subscription->handle = take_handle(subscriber);
    list_append(&subscriber->data_subscriptions, &subscription->node);
    list_append(&track->subscriptions, &subscription->track_node);
    index_add(&subscriber->room->owner->data_subscriptions, &subscription->by_pair, pair_hash(subscriber, track));
    subscriber->data_subscriptions_count++;
    return subscription;
}

void data_subscription_close(struct data_subscription *subscription) {
    struct participant *subscriber = subscription->subscriber;
    uint32_t bit = subscription->handle - 1u;
    subscriber->data_handles[bit / 64] &= ~(UINT64_C(1) << bit % 64);
    subscriber->data_subscriptions_count--;
    list_remove(&subscription->node);
    list_remove(&subscription->track_node);
    index_remove(&subscriber->room->owner->data_subscriptions, &subscription->by_pair);
    free(subscription);
}
