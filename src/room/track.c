/* Layers, subscriptions and what publishers are asked to send. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "room/memory.h"
#include "room/room.h"

void track_sort_layers(struct track *track) {
    for (uint32_t i = 1; i < track->layers_count; i++) {
        for (uint32_t j = i; j > 0 && track->layers[j - 1].quality > track->layers[j].quality; j--) {
            struct room_layer swap = track->layers[j];
            track->layers[j] = track->layers[j - 1];
            track->layers[j - 1] = swap;
        }
    }
}

/* Without layers the client says nothing about sizes; three is what any track can have at most. */
static uint8_t layers_of(const struct track *track) {
    return track->layers_count == 0 ? 3 : (uint8_t)track->layers_count;
}

uint8_t track_layer_for(const struct track *track, const struct room_settings *settings, enum room_quality absent) {
    uint8_t top = (uint8_t)(layers_of(track) - 1);
    if (top > 2)
        top = 2;
    if (settings->given && settings->width > 0 && settings->height > 0) {
        for (uint8_t i = 0; i < track->layers_count && i < top; i++) {
            if (track->layers[i].width >= settings->width && track->layers[i].height >= settings->height)
                return i;
        }
        return top;
    }
    enum room_quality quality = settings->given ? settings->quality : absent;
    if (quality >= ROOM_HIGH)
        return top;
    for (uint8_t i = 0; i < track->layers_count; i++) {
        if (track->layers[i].quality >= quality)
            return i < top ? i : top;
    }
    return quality < top ? (uint8_t)quality : top;
}

enum room_quality track_quality_of_layer(const struct track *track, uint8_t spatial) {
    /* one layer is the whole picture: clients list it as HIGH, whatever its size */
    if (track->layers_count == 1)
        return ROOM_HIGH;
    if (spatial < track->layers_count && track->layers[spatial].quality <= ROOM_HIGH)
        return track->layers[spatial].quality;
    return spatial > 2 ? ROOM_HIGH : (enum room_quality)spatial;
}

/* ---- subscriptions ----------------------------------------------------------------------------------------------- */

static uint64_t pair_hash(const struct participant *subscriber, const struct track *track) {
    return index_hash_pair(&subscriber->room->owner->subscriptions, subscriber, (uintptr_t)track);
}

struct subscription *subscription_find(const struct participant *subscriber, const struct track *track) {
    const struct index *index = &subscriber->room->owner->subscriptions;
    uint64_t hash = pair_hash(subscriber, track);
    for (struct index_node *node = index_first(index, hash); node != NULL; node = index_next(node)) {
        struct subscription *subscription = LIST_ENTRY(node, struct subscription, by_pair);
        if (subscription->subscriber == subscriber && subscription->track == track)
            return subscription;
    }
    return NULL;
}

static enum room_quality quality_of(const struct subscription *subscription) {
    if (!subscription->active || (subscription->settings.given && subscription->settings.disabled))
        return ROOM_OFF;
    enum room_quality absent = subscription->subscriber->adaptive_stream ? ROOM_LOW : ROOM_HIGH;
    uint8_t layer = track_layer_for(subscription->track, &subscription->settings, absent);
    return track_quality_of_layer(subscription->track, layer);
}

static void count_as(struct subscription *subscription, enum room_quality quality) {
    uint32_t *wanted = subscription->track->wanted;
    if (subscription->counted != ROOM_OFF) {
        ASSERT(wanted[subscription->counted] > 0);
        wanted[subscription->counted]--;
    }
    if (quality != ROOM_OFF)
        wanted[quality]++;
    subscription->counted = quality;
}

void subscription_recount(struct subscription *subscription) {
    count_as(subscription, quality_of(subscription));
}

struct subscription *subscription_open(struct participant *subscriber, struct track *track) {
    ASSERT(subscriber != track->publisher && subscriber->room == track->publisher->room);
    ASSERT(subscription_find(subscriber, track) == NULL);
    struct subscription *subscription = memory_new(sizeof *subscription);
    subscription->subscriber = subscriber;
    subscription->track = track;
    subscription->counted = ROOM_OFF;
    list_append(&subscriber->subscriptions, &subscription->node);
    list_append(&track->subscriptions, &subscription->track_node);
    index_add(&subscriber->room->owner->subscriptions, &subscription->by_pair, pair_hash(subscriber, track));
    subscriber->room->owner->subscriptions_count++;
    return subscription;
}

void subscription_close(struct subscription *subscription) {
    ASSERT(subscription->sink == 0 && subscription->section == NULL);
    struct rooms *rooms = subscription->subscriber->room->owner;
    ASSERT(rooms->subscriptions_count > 0);
    rooms->subscriptions_count--;
    count_as(subscription, ROOM_OFF);
    list_remove(&subscription->node);
    list_remove(&subscription->track_node);
    index_remove(&rooms->subscriptions, &subscription->by_pair);
    free(subscription);
}

static int compare_allow(const void *a, const void *b) {
    return strcmp(((const struct room_allow *)a)->name, ((const struct room_allow *)b)->name);
}

static int compare_sids(const void *a, const void *b) {
    return strcmp(a, b);
}

void participant_allow_sort(struct participant *publisher) {
    if (publisher->allow_count > 0)
        qsort(publisher->allow, publisher->allow_count, sizeof *publisher->allow, compare_allow);
    for (uint32_t i = 0; i < publisher->allow_count; i++) {
        if (publisher->allow[i].sids_count > 0)
            qsort(publisher->allow[i].sids, publisher->allow[i].sids_count, ROOM_SID_SIZE, compare_sids);
    }
}

/* The first entry that is not before this name. */
static uint32_t allow_from(const struct participant *publisher, const char *name) {
    uint32_t low = 0, high = publisher->allow_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(publisher->allow[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool allowed_as(const struct participant *publisher, const char *name, bool by_sid, const char *track_sid) {
    for (uint32_t i = allow_from(publisher, name);
         i < publisher->allow_count && strcmp(publisher->allow[i].name, name) == 0; i++) {
        const struct room_allow *allow = &publisher->allow[i];
        if (allow->by_sid == by_sid &&
            (allow->all_tracks || (allow->sids_count > 0 && bsearch(track_sid, allow->sids, allow->sids_count,
                                                                    ROOM_SID_SIZE, compare_sids) != NULL)))
            return true;
    }
    return false;
}

bool subscription_permitted(const struct participant *subscriber, const struct track *track) {
    const struct participant *publisher = track->publisher;
    return publisher->allow_all || allowed_as(publisher, subscriber->identity, false, track->sid) ||
           allowed_as(publisher, subscriber->sid, true, track->sid);
}

bool subscription_desired(const struct participant *subscriber, const struct track *track) {
    const struct subscription *subscription = subscription_find(subscriber, track);
    if (subscription != NULL && subscription->wish != ROOM_WISH_NONE)
        return subscription->wish == ROOM_WISH_YES;
    return subscriber->auto_subscribe;
}

bool subscription_wanted(const struct participant *subscriber, const struct track *track) {
    return subscriber != track->publisher && track->published && subscriber->permission.can_subscribe &&
           subscription_desired(subscriber, track) && subscription_permitted(subscriber, track);
}

/* ---- dynacast ---------------------------------------------------------------------------------------------------- */

enum room_quality track_quality_wanted(const struct track *track) {
    for (int quality = ROOM_HIGH; quality >= ROOM_LOW; quality--) {
        if (track->wanted[quality] > 0)
            return (enum room_quality)quality;
    }
    return ROOM_OFF;
}

/* ROOM_OFF is the largest value on the wire but the least of wishes. */
static int rank(enum room_quality quality) {
    return quality == ROOM_OFF ? -1 : (int)quality;
}

bool track_dynacast_step(struct track *track, uint64_t now_us) {
    struct room_dynacast *state = &track->dynacast;
    if (track->type != ROOM_VIDEO || !track->published)
        return false;
    state->wanted = track_quality_wanted(track);
    if (rank(state->wanted) == rank(state->announced)) {
        state->lower_at_us = TIME_NEVER;
        return false;
    }
    if (rank(state->wanted) < rank(state->announced)) {
        if (state->lower_at_us == TIME_NEVER)
            state->lower_at_us = now_us + ROOM_DYNACAST_DELAY_US;
        if (now_us < state->lower_at_us)
            return false;
    }
    state->announced = state->wanted;
    state->lower_at_us = TIME_NEVER;
    return true;
}
