#include "room/room.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "base/time.h"
#include "room/memory.h"

static void sid_make(struct rng *rng, const char *prefix, char out[ROOM_SID_SIZE]) {
    size_t prefix_len = strlen(prefix);
    ASSERT(prefix_len < 5);
    memcpy(out, prefix, prefix_len);
    rng_token(rng, out + prefix_len, ROOM_SID_LEN - prefix_len);
}

void rooms_init(struct rooms *rooms, struct rng *rng) {
    *rooms = (struct rooms){.rng = rng, .next_tag = 1};
    list_init(&rooms->list);
    list_init(&rooms->dirty);
    list_init(&rooms->dirty_participants);
    index_init(&rooms->participants_by_sid, rng);
    index_init(&rooms->tracks_by_sid, rng);
    index_init(&rooms->data_tracks_by_sid, rng);
    index_init(&rooms->data_tracks_by_handle, rng);
    index_init(&rooms->subscriptions, rng);
    index_init(&rooms->data_subscriptions, rng);
}

void rooms_free(struct rooms *rooms) {
    ASSERT(list_empty(&rooms->list) && list_empty(&rooms->dirty) && list_empty(&rooms->dirty_participants));
    index_free(&rooms->participants_by_sid);
    index_free(&rooms->tracks_by_sid);
    index_free(&rooms->data_tracks_by_sid);
    index_free(&rooms->data_tracks_by_handle);
    index_free(&rooms->subscriptions);
    index_free(&rooms->data_subscriptions);
}

static uint64_t sid_hash(const struct index *index, const char *sid) {
    return index_hash(index, sid, strlen(sid));
}

/* ---- rooms ------------------------------------------------------------------------------------------------------- */

struct room *room_find(const struct rooms *rooms, const char *name) {
    LIST_EACH(&rooms->list, struct room, node, room) {
        if (strcmp(room->name, name) == 0)
            return room;
    }
    return NULL;
}

struct room *room_open(struct rooms *rooms, const char *name, uint64_t now_us, uint64_t unix_us) {
    ASSERT(name[0] != 0 && room_find(rooms, name) == NULL);
    struct room *room = memory_new(sizeof *room);
    sid_make(rooms->rng, "RM_", room->sid);
    room->owner = rooms;
    room->name = memory_text(name);
    room->metadata = memory_text("");
    room->tag = rooms->next_tag++;
    room->created_us = room->empty_since_us = now_us;
    room->created_unix_us = unix_us;
    room->speakers_due_us = room->next_us = TIME_NEVER;
    list_init(&room->participants);
    data_history_init(&room->history);
    list_append(&rooms->list, &room->node);
    rooms->count++;
    return room;
}

void room_close(struct room *room) {
    ASSERT(list_empty(&room->participants) && room->participants_count == 0);
    ASSERT(room->owner->count > 0);
    room->owner->count--;
    list_remove(&room->node);
    list_remove(&room->dirty_node);
    data_history_free(&room->history);
    free(room->name);
    free(room->metadata);
    free(room);
}

uint64_t room_expires_us(const struct room *room) {
    if (room->participants_count > 0)
        return TIME_NEVER;
    uint32_t timeout_s = room->ever_joined ? room->departure_timeout_s : room->empty_timeout_s;
    return room->empty_since_us + timeout_s * US_PER_S;
}

static bool uncounted(const struct room_permission *permission, enum room_participant_kind kind) {
    return permission->recorder || permission->agent || kind == ROOM_AGENT || kind == ROOM_EGRESS;
}

bool room_full(const struct room *room, uint32_t server_participants_max, const struct room_permission *permission,
               enum room_participant_kind kind) {
    if (uncounted(permission, kind))
        return false;
    uint32_t counted = 0;
    LIST_EACH(&room->participants, struct participant, node, participant) {
        if (!uncounted(&participant->permission, participant->kind))
            counted++;
    }
    return (room->participants_max != 0 && counted >= room->participants_max) ||
           (server_participants_max != 0 && counted >= server_participants_max);
}

void room_census(const struct room *room, uint32_t *visible, uint32_t *publishers) {
    *visible = *publishers = 0;
    LIST_EACH(&room->participants, struct participant, node, participant) {
        if (participant->permission.hidden)
            continue;
        (*visible)++;
        if (participant_publishes(participant))
            (*publishers)++;
    }
}

/* ---- participants ------------------------------------------------------------------------------------------------ */

struct participant *participant_find(const struct room *room, const char *identity) {
    LIST_EACH(&room->participants, struct participant, node, participant) {
        if (strcmp(participant->identity, identity) == 0)
            return participant;
    }
    return NULL;
}

struct participant *participant_find_sid(const struct rooms *rooms, const char *sid) {
    const struct index *index = &rooms->participants_by_sid;
    for (struct index_node *node = index_first(index, sid_hash(index, sid)); node != NULL; node = index_next(node)) {
        struct participant *participant = LIST_ENTRY(node, struct participant, by_sid);
        if (strcmp(participant->sid, sid) == 0)
            return participant;
    }
    return NULL;
}

struct participant *participant_open(struct room *room, const char *identity, uint64_t now_us, uint64_t unix_us) {
    ASSERT(identity[0] != 0 && participant_find(room, identity) == NULL);
    struct participant *participant = memory_new(sizeof *participant);
    sid_make(room->owner->rng, "PA_", participant->sid);
    participant->room = room;
    participant->identity = memory_text(identity);
    participant->name = memory_text("");
    participant->metadata = memory_text("");
    participant->state = ROOM_JOINED;
    participant->joined_us = now_us;
    participant->joined_unix_us = unix_us;
    participant->allow_all = true;
    participant->connection = ROOM_EXCELLENT;
    list_init(&participant->tracks);
    list_init(&participant->subscriptions);
    list_init(&participant->data_tracks);
    list_init(&participant->data_subscriptions);
    struct index *index = &room->owner->participants_by_sid;
    index_add(index, &participant->by_sid, sid_hash(index, participant->sid));
    list_append(&room->participants, &participant->node);
    room->participants_count++;
    room->owner->participants_count++;
    room->ever_joined = true;
    return participant;
}

void participant_allow_clear(struct participant *publisher) {
    for (uint32_t i = 0; i < publisher->allow_count; i++) {
        free(publisher->allow[i].name);
        free(publisher->allow[i].sids);
    }
    free(publisher->allow);
    publisher->allow = NULL;
    publisher->allow_count = 0;
}

void participant_close(struct participant *participant, uint64_t now_us) {
    struct room *room = participant->room;
    ASSERT(list_empty(&participant->tracks) && list_empty(&participant->subscriptions));
    LIST_EACH(&participant->data_tracks, struct data_track, node, track) {
        data_track_close(track);
    }
    LIST_EACH(&participant->data_subscriptions, struct data_subscription, node, subscription) {
        data_subscription_close(subscription);
    }
    ASSERT(participant->tracks_count == 0 && room->participants_count > 0);
    list_remove(&participant->node);
    list_remove(&participant->dirty_node);
    index_remove(&room->owner->participants_by_sid, &participant->by_sid);
    room->participants_count--;
    room->owner->participants_count--;
    room->info_len -= participant->info_len;
    room->empty_since_us = now_us;
    participant_allow_clear(participant);
    for (uint32_t i = 0; i < participant->attributes_count; i++) {
        free(participant->attributes[i].key);
        free(participant->attributes[i].value);
    }
    free(participant->identity);
    free(participant->name);
    free(participant->metadata);
    free(participant);
}

const char *participant_attribute(const struct participant *participant, const char *key) {
    for (uint32_t i = 0; i < participant->attributes_count; i++) {
        if (strcmp(participant->attributes[i].key, key) == 0)
            return participant->attributes[i].value;
    }
    return NULL;
}

bool participant_attribute_set(struct participant *participant, const char *key, const char *value) {
    struct room_attribute *attributes = participant->attributes;
    uint32_t i = 0;
    while (i < participant->attributes_count && strcmp(attributes[i].key, key) != 0)
        i++;
    if (value[0] == 0) {
        if (i < participant->attributes_count) {
            free(attributes[i].key);
            free(attributes[i].value);
            attributes[i] = attributes[--participant->attributes_count];
        }
        return true;
    }
    if (i < participant->attributes_count) {
        memory_set_text(&attributes[i].value, value);
        return true;
    }
    if (participant->attributes_count == ROOM_ATTRIBUTES_MAX)
        return false;
    attributes[participant->attributes_count++] = (struct room_attribute){memory_text(key), memory_text(value)};
    return true;
}

size_t participant_attributes_len(const struct participant *participant) {
    size_t len = 0;
    for (uint32_t i = 0; i < participant->attributes_count; i++)
        len += strlen(participant->attributes[i].key) + strlen(participant->attributes[i].value);
    return len;
}

void participant_count_info(struct participant *participant) {
    struct room *room = participant->room;
    ASSERT(room->info_len >= participant->info_len);
    room->info_len -= participant->info_len;
    participant->info_len =
        strlen(participant->name) + strlen(participant->metadata) + participant_attributes_len(participant);
    room->info_len += participant->info_len;
}

bool room_info_fits(const struct room *room, size_t before_len, size_t after_len) {
    ASSERT(room->info_len >= before_len);
    return after_len <= before_len || after_len <= ROOM_INFO_SMALL_LEN ||
           room->info_len - before_len + after_len <= ROOM_INFO_LEN_MAX;
}

bool participant_may_publish(const struct participant *participant, enum room_track_source source) {
    const struct room_permission *permission = &participant->permission;
    if (!permission->can_publish)
        return false;
    return permission->publish_sources == 0 || (permission->publish_sources >> source & 1) != 0;
}

bool participant_publishes(const struct participant *participant) {
    LIST_EACH(&participant->tracks, struct track, node, track) {
        if (track->published)
            return true;
    }
    return false;
}

/* ---- tracks ------------------------------------------------------------------------------------------------------ */

struct track *track_open(struct participant *publisher, enum room_track_type type) {
    ASSERT(publisher != NULL && (type == ROOM_AUDIO || type == ROOM_VIDEO));
    struct track *track = memory_new(sizeof *track);
    sid_make(publisher->room->owner->rng, "TR_", track->sid);
    track->publisher = publisher;
    track->type = type;
    track->name = memory_text("");
    track->dynacast = (struct room_dynacast){ROOM_HIGH, ROOM_HIGH, TIME_NEVER};
    list_init(&track->subscriptions);
    struct index *index = &publisher->room->owner->tracks_by_sid;
    index_add(index, &track->by_sid, sid_hash(index, track->sid));
    list_append(&publisher->tracks, &track->node);
    publisher->tracks_count++;
    publisher->room->owner->tracks_count++;
    return track;
}

void track_close(struct track *track) {
    ASSERT(list_empty(&track->subscriptions) && track->source == 0);
    ASSERT(track->publisher->tracks_count > 0);
    track->publisher->tracks_count--;
    track->publisher->room->owner->tracks_count--;
    list_remove(&track->node);
    index_remove(&track->publisher->room->owner->tracks_by_sid, &track->by_sid);
    free(track->name);
    free(track);
}

struct track *track_find_in_room(const struct room *room, const char *sid) {
    const struct index *index = &room->owner->tracks_by_sid;
    for (struct index_node *node = index_first(index, sid_hash(index, sid)); node != NULL; node = index_next(node)) {
        struct track *track = LIST_ENTRY(node, struct track, by_sid);
        if (strcmp(track->sid, sid) == 0)
            return track->publisher->room == room ? track : NULL;
    }
    return NULL;
}

struct track *track_find(const struct participant *publisher, const char *sid) {
    struct track *track = track_find_in_room(publisher->room, sid);
    return track != NULL && track->publisher == publisher ? track : NULL;
}
