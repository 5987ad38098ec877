/* The model: rooms, participants, their tracks, who subscribes to what, and the rules about it. No messages, no
 * descriptions, no time but what is passed in.
 *
 *     rooms ── room ── participant ── track ── subscription (by track)
 *                           └───────────────── subscription (by subscriber)
 *
 * Values of the enums are those of the LiveKit protocol, so that no table translates them; the signalling side checks
 * that with static asserts. Handles of engine objects (`source`, `sink`) are kept here and owned by the signalling
 * side.
 *
 * Ownership: `rooms` owns rooms, a room its participants, a participant its tracks and its subscriptions. Texts are
 * owned by the struct that points to them. Objects are freed by the close functions, leaves first; each close asserts
 * that the signalling side has let go of the handles. Limits are arguments of the open functions: NULL means that one
 * was reached.
 *
 * Threads: none. */
#ifndef CONCLAVE_ROOM_ROOM_H
#define CONCLAVE_ROOM_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/net.h"
#include "protocol/codec.h"
#include "room/data.h"
#include "room/index.h"
#include "room/list.h"

struct rng;

/* "TR_" and 14 random characters: 83 bits, nobody guesses one. */
#define ROOM_SID_LEN 17
#define ROOM_SID_SIZE (ROOM_SID_LEN + 1)
#define ROOM_CID_LEN_MAX 128 /* MediaStreamTrack.id is 36 characters, Firefox adds braces */
#define ROOM_TRACK_NAME_LEN_MAX 256
#define ROOM_LAYERS_MAX 4  /* three qualities, and one to spare for odd clients */
#define ROOM_CODECS_MAX 4  /* entries of an add_track's simulcast_codecs that are kept */
#define ROOM_FORMATS_MAX 4 /* payload formats that one track may switch between: ENGINE_SOURCE_CODECS_MAX */
#define ROOM_FMTP_LEN_MAX 127
#define ROOM_MIME_LEN_MAX 31
#define ROOM_CAPABILITIES_MAX 8
/* Entries of one subscription_permission: a publisher names people and tracks of one room. */
#define ROOM_ALLOW_MAX 1024
#define ROOM_ALLOW_SIDS_MAX 4096
#define ROOM_ATTRIBUTES_MAX 256
/* Names, metadata and attributes of everybody in a room: whoever joins is told all of it, and a client that reads slowly
 * must still be able to (HTTP_QUEUE_LEN_MAX). What is below the small size always fits: nobody is kept out by others'. */
#define ROOM_INFO_LEN_MAX (4u << 20)
#define ROOM_INFO_SMALL_LEN 2048
#define ROOM_DATA_TRACKS_MAX 256 /* what the tests of LiveKit's SDKs publish */
/* Data tracks that one participant receives: all of them are named in each map of its handles. */
#define ROOM_DATA_SUBSCRIPTIONS_MAX 1024

enum room_participant_state { ROOM_JOINING = 0, ROOM_JOINED, ROOM_ACTIVE, ROOM_DISCONNECTED };
enum room_participant_kind {
    ROOM_STANDARD = 0,
    ROOM_INGRESS,
    ROOM_EGRESS,
    ROOM_SIP,
    ROOM_AGENT,
    ROOM_CONNECTOR = 7,
    ROOM_BRIDGE
};
enum room_track_type { ROOM_AUDIO = 0, ROOM_VIDEO = 1 };
enum room_track_source { ROOM_SOURCE_UNKNOWN = 0, ROOM_CAMERA, ROOM_MICROPHONE, ROOM_SCREEN, ROOM_SCREEN_AUDIO };
enum room_quality { ROOM_LOW = 0, ROOM_MEDIUM, ROOM_HIGH, ROOM_OFF };
enum room_encryption { ROOM_ENCRYPTION_NONE = 0, ROOM_ENCRYPTION_GCM, ROOM_ENCRYPTION_CUSTOM };
enum room_connection { ROOM_POOR = 0, ROOM_GOOD, ROOM_EXCELLENT, ROOM_LOST };
enum room_leave_reason {
    ROOM_LEAVE_UNKNOWN = 0,
    ROOM_LEAVE_CLIENT = 1,
    ROOM_LEAVE_DUPLICATE = 2,
    ROOM_LEAVE_SHUTDOWN = 3,
    ROOM_LEAVE_REMOVED = 4,
    ROOM_LEAVE_ROOM_DELETED = 5,
    ROOM_LEAVE_STATE_MISMATCH = 6,
    ROOM_LEAVE_JOIN_FAILURE = 7,
    ROOM_LEAVE_SIGNAL_CLOSE = 9,
    ROOM_LEAVE_ROOM_CLOSED = 10,
    ROOM_LEAVE_TIMEOUT = 14,
    ROOM_LEAVE_MEDIA_FAILURE = 15,
};

struct room_permission {
    bool can_subscribe, can_publish, can_publish_data, hidden, recorder, can_update_metadata, agent;
    bool can_subscribe_metrics, can_manage_agent_session;
    uint32_t publish_sources; /* bit per room_track_source; 0 = all */
};

struct room_layer {
    enum room_quality quality;
    uint32_t width, height, bitrate_bps, ssrc;
    int32_t spatial_layer;
    char rid[17];
};

struct room_simulcast_codec {
    char mime[ROOM_MIME_LEN_MAX + 1];
    char cid[ROOM_CID_LEN_MAX + 1];
    int32_t layer_mode; /* VideoLayer.Mode, passed on */
    uint32_t layers_count;
    struct room_layer layers[ROOM_LAYERS_MAX];
};

/* A payload format that the publisher may send, as agreed with it. The first is the one it was asked to use. */
struct room_format {
    enum codec codec;
    char fmtp[ROOM_FMTP_LEN_MAX + 1];
};

struct room_dynacast {
    enum room_quality announced; /* highest quality that the publisher was told to send; ROOM_OFF = none */
    enum room_quality wanted;
    uint64_t lower_at_us; /* TIME_NEVER when nothing is due */
};

struct track {
    struct list node; /* of participant.tracks */
    struct index_node by_sid;
    struct participant *publisher;
    char sid[ROOM_SID_SIZE];
    char cid[ROOM_CID_LEN_MAX + 1];     /* as the client calls it in add_track */
    char sdp_cid[ROOM_CID_LEN_MAX + 1]; /* as its description calls it */
    char *name;
    char stream[65];
    enum room_track_type type;
    enum room_track_source track_source;
    bool muted, simulcast, disable_dtx, disable_red, stereo;
    uint8_t reminders; /* offers asked for because none has carried the track */
    bool forced_mute;  /* muted by the API: stays so until the API says otherwise */
    uint32_t width, height;
    enum room_encryption encryption;
    int32_t backup_codec_policy;
    uint32_t audio_features, trailer_features; /* bit per protocol value */
    uint32_t layers_count;
    struct room_layer layers[ROOM_LAYERS_MAX]; /* lowest quality first */
    uint32_t codecs_count;
    struct room_simulcast_codec codecs[ROOM_CODECS_MAX];
    char mime[ROOM_MIME_LEN_MAX + 1];
    char mid[17];
    uint64_t version_unix_us;

    uint64_t visited; /* of the signalling side: by the walk with this number */
    bool published;   /* others may see it */
    uint32_t source;  /* engine handle, 0 = not open */
    uint32_t formats_count;
    struct room_format formats[ROOM_FORMATS_MAX];
    struct list subscriptions; /* by track_node */
    uint32_t wanted[ROOM_OFF]; /* subscriptions that want this quality, see subscription_recount */
    struct room_dynacast dynacast;
    bool first_subscriber_told;
    /* audio level: smoothed loudness 0..1 and what came in since the last interval */
    float level, level_input;
};

enum room_wish { ROOM_WISH_NONE = 0, ROOM_WISH_YES, ROOM_WISH_NO };

struct room_settings {
    bool given;
    bool disabled;
    enum room_quality quality;
    uint32_t width, height, fps, priority;
};

/* Exists while a participant takes a track, or has said something about it. */
struct subscription {
    struct list node;       /* of participant.subscriptions */
    struct list track_node; /* of track.subscriptions */
    struct index_node by_pair;
    struct participant *subscriber;
    struct track *track;
    enum room_wish wish;
    bool active;      /* to be forwarded: wanted, permitted and receivable */
    bool unsupported; /* the subscriber cannot receive its codec */
    bool denied_told; /* the subscriber knows that the publisher does not permit it */
    bool paused;      /* by the bandwidth allocator */
    struct room_settings settings;
    enum room_quality counted; /* as what it counts in track.wanted; ROOM_OFF = not */
    void *section;             /* of the signalling side: where it is negotiated, NULL = not yet */
    uint32_t sink;             /* engine handle, 0 = not open */
};

struct room_allow {
    char *name; /* an identity, or a sid when `by_sid` */
    bool by_sid;
    bool all_tracks;
    uint32_t sids_count;
    char (*sids)[ROOM_SID_SIZE]; /* sorted */
};

struct room_attribute {
    char *key, *value;
};

struct data_track {
    struct list node; /* of participant.data_tracks */
    struct index_node by_sid, by_handle;
    struct participant *publisher;
    char sid[ROOM_SID_SIZE];
    uint16_t handle;
    char *name;
    struct span info;          /* the packed DataTrackInfo, owned */
    struct list subscriptions; /* by track_node */
};

/* Another's data track that a participant receives, or did, under a handle of its own. */
struct data_subscription {
    struct list node;       /* of participant.data_subscriptions */
    struct list track_node; /* of data_track.subscriptions */
    struct index_node by_pair;
    struct participant *subscriber;
    struct data_track *track;
    uint16_t handle;
    bool subscribed;
};

struct participant {
    struct list node;       /* of room.participants */
    struct list dirty_node; /* of rooms.dirty_participants: an update is due */
    struct index_node by_sid;
    struct room *room;
    void *user; /* of the signalling side */
    char sid[ROOM_SID_SIZE];
    char *identity, *name, *metadata;
    uint32_t attributes_count;
    struct room_attribute attributes[ROOM_ATTRIBUTES_MAX];
    struct room_permission permission;
    enum room_participant_state state;
    enum room_participant_kind kind;
    enum room_leave_reason leave_reason;
    uint32_t version; /* strictly increasing with every update that is sent */
    size_t info_len;  /* of name, metadata and attributes, as counted in room.info_len */
    uint64_t joined_us, joined_unix_us;
    int32_t client_protocol;
    uint32_t capabilities_count;
    int32_t capabilities[ROOM_CAPABILITIES_MAX];
    bool auto_subscribe, adaptive_stream, allow_pause;

    struct list tracks;
    uint32_t tracks_count; /* pending ones included */
    struct list subscriptions;

    bool allow_all; /* subscription_permission: true until the publisher narrows it */
    uint32_t allow_count;
    struct room_allow *allow; /* sorted by name */

    uint32_t data_seq; /* last sequence of a reliable packet taken from it */
    uint32_t data_tracks_count;
    struct list data_tracks;
    uint32_t data_subscriptions_count;
    struct list data_subscriptions;
    uint64_t data_handles[(ROOM_DATA_SUBSCRIPTIONS_MAX + 64) / 64]; /* taken, a bit each */
    bool handles_changed;                                           /* the subscriber is to be told its map anew */
    bool auto_subscribe_data;

    enum room_connection connection;
    uint64_t connection_at_us; /* when it is told again; 0 = never told yet */
    float connection_score;
    bool speaking;
    uint32_t speaking_step; /* last announced loudness in eighths */
};

/* What a room takes of its engine. */
enum room_object { ROOM_TRANSPORTS, ROOM_SOURCES, ROOM_SINKS, ROOM_OBJECTS };

struct room {
    struct list node;       /* of rooms.list */
    struct list dirty_node; /* of rooms.dirty: a room update is due */
    struct rooms *owner;
    char sid[ROOM_SID_SIZE];
    char *name, *metadata;
    struct net_addr source; /* who began it; family 0 = nobody whom shares count */
    uint64_t tag;           /* never used twice; names the room towards the engine */
    uint32_t shard;
    uint32_t objects[ROOM_OBJECTS]; /* how many it has */
    uint32_t empty_timeout_s, departure_timeout_s;
    uint32_t participants_max; /* 0 = no limit of its own */
    uint64_t created_us, created_unix_us;
    uint64_t empty_since_us; /* valid while nobody is in */
    bool ever_joined;
    uint64_t next_us; /* nothing of this room is due before */
    uint64_t work_us; /* when the work that it caused is paid for */
    struct list participants;
    uint32_t participants_count;
    size_t info_len;
    uint64_t speakers_due_us; /* TIME_NEVER when everybody is silent */
    uint64_t levels_at_us;
    struct data_history history;
};

struct rooms {
    struct list list;
    uint32_t count;
    uint32_t participants_count, tracks_count, subscriptions_count;
    struct list dirty, dirty_participants;
    struct index participants_by_sid, tracks_by_sid, data_tracks_by_sid, data_tracks_by_handle;
    struct index subscriptions, data_subscriptions; /* by subscriber and track */
    uint64_t next_tag;
    struct rng *rng;
};

void rooms_init(struct rooms *rooms, struct rng *rng);
/* Everything is closed (an assert). */
void rooms_free(struct rooms *rooms);

/* ---- rooms ------------------------------------------------------------------------------------------------------- */

struct room *room_find(const struct rooms *rooms, const char *name);
/* The name is free (an assert). */
struct room *room_open(struct rooms *rooms, const char *name, uint64_t now_us, uint64_t unix_us);
/* Everybody has left (an assert). */
void room_close(struct room *room);
/* When the room closes by itself if nobody comes: empty_timeout when nobody ever was in, departure_timeout after the
 * last has left; TIME_NEVER while somebody is in. */
uint64_t room_expires_us(const struct room *room);
/* Does one more count against max_participants? Agents, egress and recorders do not count. */
bool room_full(const struct room *room, uint32_t server_participants_max, const struct room_permission *permission,
               enum room_participant_kind kind);
/* Participants that others may see, and those among them that publish. */
void room_census(const struct room *room, uint32_t *visible, uint32_t *publishers);

/* ---- participants ------------------------------------------------------------------------------------------------ */

struct participant *participant_find(const struct room *room, const char *identity);
/* In whatever room. */
struct participant *participant_find_sid(const struct rooms *rooms, const char *sid);
/* The identity is free in this room (an assert). Starts as ROOM_JOINED. */
struct participant *participant_open(struct room *room, const char *identity, uint64_t now_us, uint64_t unix_us);
/* Its tracks and subscriptions are closed already (an assert). */
void participant_close(struct participant *participant, uint64_t now_us);
const char *participant_attribute(const struct participant *participant, const char *key);
/* Sets, replaces, or with an empty value deletes. False when there are ROOM_ATTRIBUTES_MAX. */
bool participant_attribute_set(struct participant *participant, const char *key, const char *value);
size_t participant_attributes_len(const struct participant *participant);
/* Counts what it says of itself in its room; after every change. */
void participant_count_info(struct participant *participant);
/* May a participant of this room who said `before_len` bytes of itself say `after_len`? */
bool room_info_fits(const struct room *room, size_t before_len, size_t after_len);
bool participant_may_publish(const struct participant *participant, enum room_track_source source);
bool participant_publishes(const struct participant *participant);

/* ---- tracks ------------------------------------------------------------------------------------------------------ */

struct track *track_open(struct participant *publisher, enum room_track_type type);
/* Its subscriptions are closed already, its source handle is given back (asserts). */
void track_close(struct track *track);
struct track *track_find(const struct participant *publisher, const char *sid);
struct track *track_find_in_room(const struct room *room, const char *sid);
/* Sorts the layers, lowest quality first. */
void track_sort_layers(struct track *track);
/* Spatial index (0 = lowest) of the smallest layer that has at least this size, or of this quality. */
uint8_t track_layer_for(const struct track *track, const struct room_settings *settings, enum room_quality absent);
enum room_quality track_quality_of_layer(const struct track *track, uint8_t spatial);

/* ---- subscriptions ----------------------------------------------------------------------------------------------- */

struct subscription *subscription_find(const struct participant *subscriber, const struct track *track);
struct subscription *subscription_open(struct participant *subscriber, struct track *track);
/* The sink handle is given back and the section let go (asserts). */
void subscription_close(struct subscription *subscription);
/* Does the publisher permit this subscriber to have the track? */
bool subscription_permitted(const struct participant *subscriber, const struct track *track);
/* Would the subscriber like it: by its own word, else by auto-subscribe? */
bool subscription_desired(const struct participant *subscriber, const struct track *track);
/* Both, and the track is published, not its own, and the subscriber may subscribe at all. */
bool subscription_wanted(const struct participant *subscriber, const struct track *track);
void participant_allow_clear(struct participant *publisher);
/* After `allow` was filled: sorts it, as it is searched. */
void participant_allow_sort(struct participant *publisher);

/* ---- data tracks ------------------------------------------------------------------------------------------------- */

/* NULL when there are ROOM_DATA_TRACKS_MAX. The handle is free (an assert). */
struct data_track *data_track_open(struct participant *publisher, uint16_t handle, const char *name);
/* Ends its subscriptions as well; marks the subscribers whose maps change. */
void data_track_close(struct data_track *track);
struct data_track *data_track_find(const struct participant *publisher, uint16_t handle);
struct data_track *data_track_find_sid(const struct room *room, const char *sid);
struct data_subscription *data_subscription_find(const struct participant *subscriber, const struct data_track *track);
/* Takes the least free handle. NULL when there are ROOM_DATA_SUBSCRIPTIONS_MAX. */
struct data_subscription *data_subscription_open(struct participant *subscriber, struct data_track *track);
void data_subscription_close(struct data_subscription *subscription);

/* ---- dynacast ---------------------------------------------------------------------------------------------------- */

#define ROOM_DYNACAST_DELAY_US (5 * UINT64_C(1000000))

/* Counts anew what a subscription wants; after every change of `active` or `settings`. */
void subscription_recount(struct subscription *subscription);
/* Highest quality that any subscriber wants; ROOM_OFF when none does. */
enum room_quality track_quality_wanted(const struct track *track);
/* Works out the wish and answers whether the publisher must be told now: a raise at once, a drop after
 * ROOM_DYNACAST_DELAY_US without a raise. */
bool track_dynacast_step(struct track *track, uint64_t now_us);

#endif
