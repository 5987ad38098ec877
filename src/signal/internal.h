/* The inside of the control core: what its files share. control.h is the contract; nothing here is used outside of
 * src/signal.
 *
 *     session ── peer ── participant (room/room.h)
 *                  └─ pc ── section ── track (what we receive), subscription (what we send)
 *
 * A session is one WebSocket; a peer is a participant's signalling side and outlives its sessions (resume). A pc is one
 * peer connection, an engine transport with its descriptions:
 *
 *     PC_CLIENT_OFFERS  the publisher of the two-connection form; the only one of the one-connection form, WHIP and
 * WHEP PC_SERVER_OFFERS  the subscriber of the two-connection form
 *
 * Files: control.c (create, poll, timers, events), output.c (queue, handles, commands), session.c (open, close,
 * resume), request.c (what clients ask), participant.c (join, leave, updates), message.c (model to messages), codecs.c
 * (policy), pc.c (connections and sections), answer.c and offer.c (descriptions), publish.c, subscribe.c,
 * datachannel.c, datasend.c, whip.c, api.c, webhook.c. */
#ifndef CONCLAVE_SIGNAL_INTERNAL_H
#define CONCLAVE_SIGNAL_INTERNAL_H

#include "base/pool.h"
#include "base/rng.h"
#include "base/time.h"
#include "protocol/sdp.h"
#include "room/list.h"
#include "room/room.h"
#include "signal/arena.h"
#include "signal/control.h"
#include "signal/datapacket.h"
#include "signal/livekit.pb-c.h"
#include "signal/token.h"

/* Sections of one connection: beyond it inactive ones are used again even for encrypted tracks, so that descriptions
 * stay bounded. */
#define PC_SECTIONS_REUSE 192
#define PC_SECTIONS_MAX 384
/* How long subscriptions gather before one offer carries them: a short while when nothing was offered lately. */
#define OFFER_DEBOUNCE_US (150 * US_PER_MS)
#define OFFER_FIRST_US (10 * US_PER_MS)
#define NEGOTIATION_TIMEOUT_US (15 * US_PER_S)
/* A client that was asked for an offer while it made another one may have taken that for the answer: it is asked again.
 */
#define NEGOTIATION_REPEAT_US (3 * US_PER_S)
/* A client that announced a track and then offered without it is asked for another offer after this, so often: some
 * (livekit 1.1 for Node) forget a track that is added while an offer is being made. */
#define OFFER_MISSING_US US_PER_S
#define PUBLISH_REMINDERS_MAX 3
/* A participant whose media transport failed, or who never had one, may resume for this long. */
#define FAILED_GRACE_US (5 * US_PER_S)
/* Connected media without signalling: clients try for about 45 s. */
#define ABSENT_MAX_US (60 * US_PER_S)
/* Rooms that one source may have begun at a time: this part of all, and at least so many. */
#define ROOMS_SOURCE_PARTS 8u
#define ROOMS_SOURCE_MIN 16u
/* A room has at most so many times what is free of its engine's transports, tracks and subscriptions: one alone two
 * thirds, two of them two fifths each. So something is left for whoever comes, however many rooms are greedy; and a
 * small one gets what is left in any case. */
#define ROOM_SHARE_OF_FREE 2u
#define ROOM_SHARE_MIN 16u
/* When half of an engine's tracks are taken, nobody opens more than these. */
#define SOURCES_SCARCE_MAX 8u
/* How often a connection's quality is told that did not change: to those who came later. */
#define QUALITY_REPEAT_US (10 * US_PER_S)
#define TOKEN_REFRESH_US (300 * US_PER_S)
#define TOKEN_REFRESH_TTL_S 600
/* A client comes back with it in a request line of 64 kB, beside its join request. */
#define REFRESH_TOKEN_LEN_MAX (40u << 10)
#define CONTROL_NONCES_MAX 64
/* Requests of one session a second; a page that moves sliders sends dozens. */
#define SESSION_REQUESTS_PER_S 200
#define SESSION_REQUESTS_BURST 1000
/* Every so many bytes of a message count as one request more: work grows with what a message lists. */
#define SESSION_REQUEST_LEN 4096
/* Tracks, publishers or states that one message may list: twice the tracks that a room has by default. Each is looked
 * up by its name, so a message of two megabytes would keep everybody else waiting for minutes. */
#define REQUEST_LIST_MAX 4096
/* Of a list those that are answered for not being there: each answer is a message, and costs more than the question. */
#define SUBSCRIPTION_ERRORS_MAX 64

/* Reliable data. A message goes to each receiver's engine within the window of its transport
 * (ENGINE_CHANNEL_TX_WINDOW_BYTES); what does not fit waits here, once for all receivers. What waits beyond
 * DATA_SLACK_BYTES for one receiver is held against its sender: the sender's own window (ENGINE_CHANNEL_RX_WINDOW_BYTES)
 * opens again when nobody holds it any more, so the slowest receiver sets the pace, and each sender has the same share of
 * its queue. All sizes are charges (engine_channel_charge). */
#define DATA_SLACK_BYTES (256u << 10)
/* Of all rooms: beyond it whatever has to wait is held. */
#define DATA_WAITING_BYTES_MAX (64u << 20)
/* A receiver that holds others up must take so much, on an average of so long; or it is put out, with the advice to
 * connect anew: its stream has a hole then, of which it knows. One that acknowledges nothing at all (less than is told at
 * once) has not so long: four times what SCTP waits before it sends again. */
#define DATA_SLOW_BYTES_PER_S (64u << 10)
#define DATA_SLOW_US (10 * US_PER_S)
#define DATA_SILENT_US (4 * US_PER_S)
/* Whoever was put out for that is not waited for as long again for a while: else it would come back and hold the others
 * up from the beginning, for ever. */
#define DATA_AGAIN_US (500 * US_PER_MS)
#define DATA_REMEMBERED_US (300 * US_PER_S)
/* One for whom only the sender waits may be as slow as it is, but not stand still for so long. */
#define DATA_STUCK_US (60 * US_PER_S)

struct data_message;
struct outbox_entry;

/* What waits for one receiver, in order. */
struct outbox {
    struct outbox_entry *first, *last;
    uint64_t queued_bytes, held_bytes;
    uint64_t given_bytes, sent_bytes; /* to the engine, ever; and of that acknowledged by the peer */
    uint64_t holding_since_us;        /* TIME_NEVER while no sender waits for it */
    uint64_t holding_mark_bytes;      /* sent_bytes of that moment */
    struct list waiting;              /* of shard.data_waiting */
};

/* Work is the budget, not messages or bytes. What costs time adds to control.work_ns what it takes on an ordinary core,
 * rounded up (bench/bench_signal measures it; all of them are within twice); whoever caused it pays: its session and its room. A session may take a twentieth of the thread and a room
 * a quarter of it in the long run, after a burst; then its messages wait, and when too many do it is ended. */
#define WORK_MESSAGE_NS                                                                                                \
    4000u /* a message to one client, or from one, with the socket's part, which is nearly all of it */
#define WORK_COMMAND_NS 300u    /* a command to an engine, with its way through the ring */
#define WORK_PAIR_NS 250u       /* a subscriber and a track looked at */
#define WORK_ENTRY_NS 100u      /* a name in a list */
#define WORK_PERSON_NS 1300u    /* a participant described in a message */
#define WORK_ATTRIBUTE_NS 6u    /* an attribute compared with another */
#define WORK_BYTE_IN_NS 8u      /* of a message that is decoded, at its worst: many fields of few bytes */
#define WORK_DESCRIPTION_NS 30u /* a byte of a session description, read and answered */
#define WORK_HELLO_NS 60000u    /* a token verified, a join request read, somebody shown in or back */
#define WORK_SESSION_PARTS 20u
#define WORK_SESSION_BURST_US (2 * US_PER_S) /* of its own time: 100 ms of the thread's */
/* The same, of its own, for what one sends to others over lossy channels: what is beyond is dropped, as on a path that is
 * too narrow. With fifty receivers it is three thousand messages a second, with a thousand a hundred and sixty. */
#define WORK_LOSSY_PARTS WORK_SESSION_PARTS
#define WORK_ROOM_PARTS 4u
#define WORK_ROOM_BURST_US (2 * US_PER_S) /* 500 ms of the thread's */
/* Messages that wait for a session's or room's time. */
#define WORK_WAITING_MAX 64
#define WORK_WAITING_BYTES_MAX (512u << 10)
/* Who owes more than this is not let in again, be it by resuming or anew: longer than a session may come to owe by its
 * messages, which wait before, and paid long before its room's, so that nobody shuts a room by coming again and again. */
#define WORK_ENTRY_US (2 * WORK_SESSION_BURST_US)
/* What people and rooms owed as they went, for as long as they owe it: a few seconds. When four of the same place in the
 * table owe, the least is forgotten. */
#define DEBTS_MAX 1024u
#define DEBTS_WAYS 4u

struct debt {
    uint64_t key; /* of the names of room and participant; "" for the room itself */
    uint64_t work_us, budget_us;
    uint64_t slow_us; /* it was put out for taking data too slowly, and this is remembered until then */
};

struct waiting_message {
    struct waiting_message *next;
    struct buffer *buffer;
};

struct buffer {
    uint32_t refs;
    uint32_t len;
    uint8_t data[];
};

struct output_node {
    struct output_node *next;
    struct buffer *message, *authorization;
    struct control_output output;
};

struct shard {
    struct pool objects[ROOM_OBJECTS];
    struct pc **transport_owner;
    struct track **source_owner;
    struct subscription **sink_owner;
    size_t data_room_bytes;   /* of reliable data that the way to the engine takes now */
    struct list data_waiting; /* outboxes that wait for it */
};

struct session {
    uint32_t handle;
    struct peer *peer; /* NULL when it was refused, replaced or left */
    bool closing;      /* CLOSE is queued: nothing more is sent or read */
    uint64_t seen_us;
    size_t queued_bytes;
    uint64_t budget_us; /* request allowance, in time */
    uint64_t work_us;   /* when the work that it caused is paid for */
    uint64_t turn;      /* the last in which one of its waiting messages went on */
    struct waiting_message *waiting_first, *waiting_last;
    uint32_t waiting_count;
    size_t waiting_bytes;
};

enum peer_kind { PEER_V0, PEER_V1, PEER_WHIP, PEER_WHEP };

struct peer {
    struct control *control;
    struct participant *participant;
    enum peer_kind kind;
    struct session *session;           /* NULL between two of them, and always for WHIP and WHEP */
    uint32_t key_index;                /* of the API key that signed its token */
    bool subscriber_primary;           /* data and readiness are the subscriber connection's */
    struct pc *publisher, *subscriber; /* one and the same unless PEER_V0 */
    bool ever_connected, leaving;
    bool drop_on_resume;      /* simulate scenario: the next resume is cut off */
    uint64_t absent_since_us; /* TIME_NEVER while there is a session */
    uint64_t failed_since_us; /* TIME_NEVER while the primary transport is usable */
    uint64_t token_at_us;
    uint64_t work_us, budget_us; /* while it has no session: as that left them, or what it owes of an earlier stay */
    uint64_t slow_us;            /* as of struct debt */
    uint64_t lossy_us;           /* when the work for its lossy data is paid for */
    uint64_t visited;            /* by the walk with this number */
    /* WHEP: whose tracks, "" = the first publisher's */
    char *whep_identity;
};

enum pc_role { PC_CLIENT_OFFERS, PC_SERVER_OFFERS };

struct section {
    char mid[ENGINE_MID_LEN_MAX + 1];
    enum sdp_kind kind;
    bool stopped; /* rejected by one side: its place stays */
    /* what the peer sends here */
    bool receives;
    bool offers_stereo, offers_dtx; /* of opus */
    struct track *track;
    char cid[ROOM_CID_LEN_MAX + 1];
    struct engine_codec_map rx_codecs[ENGINE_SOURCE_CODECS_MAX];
    struct room_format rx_formats[ENGINE_SOURCE_CODECS_MAX];
    uint8_t layers;
    char rids[ENGINE_LAYERS_MAX][ENGINE_RID_LEN_MAX + 1];
    bool rids_known; /* their order is that of their sizes for certain */
    uint32_t ssrcs[ENGINE_LAYERS_MAX], rtx_ssrcs[ENGINE_LAYERS_MAX];
    /* what we send here */
    bool can_send; /* the peer would receive */
    struct subscription *subscription;
    bool used, used_encrypted; /* by some track before */
    bool settled;              /* the peer knows the present state */
    uint32_t ssrc, rtx_ssrc;
    bool agreed; /* both descriptions know of this subscription: its sink may be opened */
    struct engine_codec_map tx_offered[ENGINE_SOURCE_CODECS_MAX]; /* PC_SERVER_OFFERS */
    struct engine_codec_map tx_codecs[ENGINE_SOURCE_CODECS_MAX];  /* agreed */
    struct room_format *tx_formats; /* WHEP: everything the peer takes, for tracks that come later; owned */
    uint32_t tx_formats_count;
    struct engine_codec_map *tx_maps; /* beside it; owned */
};

enum channel { CHANNEL_RELIABLE, CHANNEL_LOSSY, CHANNEL_DATA_TRACK, CHANNELS };

struct pc {
    struct peer *peer;
    enum pc_role role;
    uint32_t shard, transport;
    enum engine_transport_state state;
    char local_ufrag[ENGINE_UFRAG_LEN_MAX + 1], local_pwd[ENGINE_PWD_LEN_MAX + 1];
    char remote_ufrag[ENGINE_UFRAG_LEN_MAX + 1], remote_pwd[ENGINE_PWD_LEN_MAX + 1];
    uint64_t sdp_id, sdp_version;
    struct section **sections;
    uint32_t sections_count;
    bool channel_ready[CHANNELS];
    struct outbox outbox;
    bool channels_asked; /* PC_SERVER_OFFERS: CHANNEL_OPEN was sent */
    bool replayed;       /* the joiner's missed packets were sent */
    bool firefox;
    struct engine_transport_remote remote; /* as last told to the engine */
    float score;                           /* of its last statistics; 0 = none yet */
    /* negotiation */
    uint32_t offer_id;     /* of our last offer, or of the client's */
    bool dirty, in_flight; /* in flight: we wait for an answer, or for the offer that we asked for */
    uint64_t due_us, sent_us, last_offer_us;
    uint64_t asked_us; /* PC_CLIENT_OFFERS: the last media_sections_requirement */
};

struct control {
    struct control_config config;
    struct rng *rng;
    struct rooms rooms;
    uint64_t now_us, unix_us;
    struct pool sessions;
    void *sessions_memory;
    struct session **session_slots;
    struct shard shards[CONTROL_SHARDS_MAX];
    void *shard_memory[CONTROL_SHARDS_MAX];
    struct output_node *queue_head, **queue_tail;
    struct output_node *polled; /* given out by the last poll */
    bool shutting_down, draining;
    uint64_t next_us;                  /* nothing is due before */
    size_t data_waiting_bytes;         /* of reliable data of all rooms */
    uint64_t work_ns, work_charged_ns; /* ever done; and of that charged to a room */
    uint64_t visits;                   /* walks over what may be met twice */
    uint64_t turns;                    /* of sessions whose messages wait */
    struct arena reply_arena;          /* of the last HTTP reply */
    struct datapacket *packet;         /* scratch of the data path */
    uint8_t *packet_bytes;
    struct debt debts[DEBTS_MAX];
    uint64_t debts_key[2];
    uint32_t whip_resources;
    uint8_t nonces[CONTROL_NONCES_MAX][16]; /* of the last SendData calls: a repeated call is not sent again */
    uint32_t nonces_next;
    struct control_counters counters;
};

/* ---- output.c: what goes out ------------------------------------------------------------------------------------- */

/* Buffers are shared by the outputs that hold them. */
struct buffer *buffer_new(struct span bytes);
void buffer_release(struct buffer *buffer);
void output_send(struct control *control, struct session *session, struct buffer *buffer);
void output_close(struct control *control, struct session *session, uint16_t code);
void output_command(struct control *control, uint32_t shard, const struct engine_command *command,
                    struct buffer *payload);
void output_webhook(struct control *control, struct buffer *body, struct buffer *authorization);
void output_expelled(struct control *control, const char *room, const char *identity);
void output_free_all(struct control *control);
/* Packs once; answers a buffer with one reference. */
struct buffer *message_pack(const ProtobufCMessage *message);
/* To one peer's session, if it has one. */
void peer_send(struct peer *peer, const Livekit__SignalResponse *response);
void session_send(struct control *control, struct session *session, const Livekit__SignalResponse *response);
/* To everybody in the room but `except` (NULL = nobody). */
void room_send(struct control *control, struct room *room, const struct participant *except,
               const Livekit__SignalResponse *response);
/* Charges a room with what was done since `before_ns`. */
void work_charge_room(struct control *control, struct room *room, uint64_t before_ns);
/* Charges whoever this is with the same. */
void work_charge_peer(struct peer *peer, uint64_t before_ns);
/* What was owed by somebody who is not there, or by a room that ended; zeros when nothing. */
struct debt debt_of(const struct control *control, const char *room, const char *identity);
void debt_keep(struct control *control, const char *room, const char *identity, struct debt debt);
/* May this identity come in: see WORK_ENTRY_US. `room` may be NULL. */
bool work_lets_in(const struct control *control, const struct room *room, const struct token *token);
/* Has the room done so much lately that what is not urgent waits? */
bool work_room_waits(const struct control *control, const struct room *room);
/* Something of this room is due then. */
void timer_arm(struct control *control, struct room *room, uint64_t at_us);

/* Handles of engine objects; 0 when the shard is full or the room has its share (ROOM_SHARE_OF_FREE). */
uint32_t room_take(struct control *control, struct room *room, enum room_object object);
void room_give(struct control *control, struct room *room, enum room_object object, uint32_t handle);
bool shards_init(struct control *control);
void shards_free(struct control *control);
uint32_t shard_least_loaded(const struct control *control);

/* ---- participant.c: coming, going, and what others are told ------------------------------------------------------ */

struct peer *peer_of(const struct participant *participant);
/* The participant joins: model, connections, but no message yet. NULL with the HTTP status when a limit stops it. */
struct peer *peer_join(struct control *control, enum peer_kind kind, const struct token *token, struct room *room);
/* Out of the room, with everything that hangs on it. With a session: leave message first, then it is closed. */
void peer_leave(struct peer *peer, enum room_leave_reason reason, Livekit__LeaveRequest__Action action);
/* As peer_leave, for good, because it broke a limit: in a meeting it leaves the group as well. */
void peer_expel(struct peer *peer);
/* As peer_leave, when the client already said goodbye or is gone. */
void peer_gone(struct peer *peer, enum room_leave_reason reason);
void session_leave(struct control *control, struct session *session, enum room_leave_reason reason,
                   Livekit__LeaveRequest__Action action);
/* NULL when there are too many, or too many of this source (NULL: the keeper of an API key). */
struct room *room_open_configured(struct control *control, const char *name, const struct token *token,
                                  const struct net_addr *source);

/* Everybody has left. */
void room_finish(struct control *control, struct room *room);
void room_end(struct control *control, struct room *room, enum room_leave_reason reason);
void participant_touch(struct participant *participant);
void room_touch(struct room *room);
/* Sends the updates that are due; before anything that refers to what they say. */
void updates_flush(struct control *control);
void peer_send_token(struct peer *peer);
void peer_set_permission(struct peer *peer, const struct room_permission *permission);
void peer_stats(struct pc *pc, const struct engine_stats *stats);
void peer_transport_state(struct pc *pc, enum engine_transport_state state);
void peer_tick(struct peer *peer);
/* The peer goes on without its session, and owes what that did. */
void session_detach(struct peer *peer);
/* Messages of its sessions that had to wait and now may go on, in turns. Participants may be gone after it. */
void room_catch_up(struct control *control, struct room *room);
void room_tick(struct control *control, struct room *room);

/* ---- message.c: the model as messages ---------------------------------------------------------------------------- */

Livekit__ParticipantInfo *message_participant(struct arena *arena, const struct participant *participant);
Livekit__TrackInfo *message_track(struct arena *arena, const struct track *track);
Livekit__Room *message_room(struct arena *arena, const struct control *control, const struct room *room);
Livekit__ParticipantPermission *message_permission(struct arena *arena, const struct room_permission *permission);
struct room_permission permission_of_message(const Livekit__ParticipantPermission *message);
Livekit__ServerInfo *message_server(struct arena *arena, const struct control *control);
Livekit__SignalResponse *message_response(struct arena *arena, Livekit__SignalResponse__MessageCase which);
void send_join(struct peer *peer);
void send_reconnect(struct peer *peer);
void send_participants(struct peer *peer);
void send_description(struct peer *peer, bool offer, const char *sdp, uint32_t id, const struct pc *pc);
void send_candidates(struct peer *peer, const struct pc *pc, bool subscriber_target);
void send_track_published(struct peer *peer, const struct track *track, const char *cid);
void send_mute(struct peer *peer, const struct track *track);
void send_quality_request(const struct track *track);
void send_subscription_error(struct peer *peer, const char *track_sid, Livekit__SubscriptionError error);
void send_permission_update(struct peer *peer, const struct track *track, bool allowed);
void send_sections_requirement(struct peer *peer, uint32_t audios, uint32_t videos);
void send_room_update(struct control *control, struct room *room);
void send_connection_quality(struct participant *participant);

/* ---- codecs.c: what is spoken ------------------------------------------------------------------------------------ */

#include "protocol/sdp_answer.h"

#define CODECS_SUPPORT_MAX 16
struct codec_choice {
    struct sdp_codec_support list[CODECS_SUPPORT_MAX];
    size_t count;
    bool only_first; /* Firefox takes any codec of the answer: it gets one */
};
/* What we take on a section of this kind, the track's own choice first (NULL: no track yet). */
struct codec_choice codecs_for_publish(const struct pc *pc, enum sdp_kind kind, const struct track *track);
/* What a subscriber may receive, the track's formats first. */
struct codec_choice codecs_for_subscribe(const struct pc *pc, enum sdp_kind kind, const struct track *track);
/* One opus fmtp for all sections of a connection. */
const char *codecs_opus_fmtp(const struct pc *pc);
/* Our payload types in offers: for the track's formats, and back to lines of the section. */
void codecs_offer_choose(const struct track *track, struct engine_codec_map maps[ENGINE_SOURCE_CODECS_MAX]);
void codecs_offer_write(struct sdp *sdp, struct sdp_section *section, const struct pc *pc,
                        const struct engine_codec_map maps[ENGINE_SOURCE_CODECS_MAX]);
/* The section's formats that the track may be sent in, in the track's order; false when there is none for its codec of
 * now. */
bool codecs_map_track(const struct sdp_section *section, const struct track *track,
                      struct engine_codec_map maps[ENGINE_SOURCE_CODECS_MAX]);
struct engine_codec_map codecs_map_format(const struct sdp_section *section, const struct sdp_format *format);
/* URIs of the header extensions that we speak. In our offers the id of one is its place in the list of
 * codecs_offer_extensions. */
const char *const *codecs_extensions(bool publish, enum sdp_kind kind, size_t *count);
void codecs_offer_extensions(struct sdp *sdp, struct sdp_section *section);
/* The codec a publisher wishes, from its add_track; CODEC_UNKNOWN without a wish. */
enum codec codecs_of_track(const struct track *track);

/* ---- pc.c, answer.c, offer.c: connections and their descriptions ------------------------------------------------- */

struct pc *pc_open(struct peer *peer, enum pc_role role);
void pc_close(struct pc *pc);
/* New local ICE credentials; the remote ones follow with the next description. */
void pc_restart_ice(struct pc *pc);
struct section *pc_section_add(struct pc *pc, enum sdp_kind kind, const char *mid);
/* Marks that something must be negotiated and when. */
void pc_schedule(struct pc *pc, bool at_once);
/* The same at a time of the caller's choice, for a peer that can be asked. */
void pc_schedule_at(struct pc *pc, uint64_t due_us);
/* Writes candidates, credentials, fingerprint to a section. */
void pc_describe_transport(struct pc *pc, struct sdp *sdp, struct sdp_section *section, enum sdp_setup setup);
/* ENGINE_TRANSPORT_REMOTE from the peer's description; `ours` is the other one. False when it is unusable. */
bool pc_remote(struct pc *pc, const struct sdp *theirs, const struct sdp *ours, bool dtls_client);
/* New ICE credentials of the peer, everything else as before. */
void pc_remote_credentials(struct pc *pc, const char *ufrag, const char *pwd);
bool pc_remote_changed(const struct pc *pc, const struct sdp *theirs);
char *pc_write(struct pc *pc, const struct sdp *sdp, struct arena *arena);
/* Takes a client's offer and answers it: the text, in the arena, or NULL when the offer is unusable. */
const char *pc_answer(struct pc *pc, struct span offer, struct arena *arena);
/* Makes and sends our offer. */
void pc_offer(struct pc *pc);
/* Takes the client's answer to it. False when it is unusable. */
bool pc_accept(struct pc *pc, struct span answer);
void pc_tick(struct pc *pc);
uint64_t pc_deadline_us(const struct pc *pc);
void candidate_text(const struct control *control, uint32_t index, struct writer *w);

/* ---- publish.c --------------------------------------------------------------------------------------------------- */

void publish_add_track(struct peer *peer, const Livekit__AddTrackRequest *request);
/* WHIP: a track without add_track. */
struct track *publish_synthesise(struct peer *peer, const struct section *section);
/* Gives tracks to the sections that receive, takes them from those that no longer do. */
void publish_match(struct pc *pc);
/* True when tracks were announced that no section carries, and the client has not been told so often enough. */
bool publish_remind(struct peer *peer);
/* Opens sources for matched sections whose codecs are known, and shows the tracks to the others. */
void publish_start(struct pc *pc);
/* Out of the room; `tell` the publisher that the server did it. */
void publish_remove(struct track *track, bool tell);
void publish_mute(struct track *track, bool muted, bool by_server);
void publish_source_started(struct track *track, enum codec codec);
void publish_dynacast(struct track *track);

/* ---- subscribe.c ------------------------------------------------------------------------------------------------- */

/* Brings a pair in line with the rules. */
void subscribe_update(struct participant *subscriber, struct track *track);
void subscribe_update_track(struct track *track);
void subscribe_update_participant(struct participant *subscriber);
void subscribe_request(struct participant *subscriber, struct track *track, bool subscribe);
void subscribe_settings(struct participant *subscriber, const Livekit__UpdateTrackSettings *settings);
void subscribe_permission(struct peer *publisher, const Livekit__SubscriptionPermission *permission);
void subscribe_drop(struct subscription *subscription);
/* Places waiting subscriptions on sections that can send; answers how many of each kind found none. */
void subscribe_assign(struct pc *pc, uint32_t *audios, uint32_t *videos);
/* Opens sinks for the sections whose codecs are agreed. */
void subscribe_start(struct pc *pc);
void subscribe_unsupported(struct subscription *subscription);
/* New SSRCs for what we send on a section. */
void section_draw_ssrcs(struct control *control, struct section *section);
/* Sends the sink what the subscriber wants of it. */
void subscribe_apply(struct subscription *subscription);
void subscribe_stream_state(struct subscription *subscription, bool paused);

/* ---- datachannel.c ----------------------------------------------------------------------------------------------- */

const char *channel_label(enum channel channel);
/* The connection on which this peer receives data; NULL when it receives none. */
struct pc *data_pc(const struct peer *peer);
void data_channel_opened(struct pc *pc, const char *label);
void data_channel_closed(struct pc *pc, const char *label);
/* `charged_bytes` are given back to the sender's window when the message has gone on. */
void data_channel_message(struct pc *pc, const char *label, struct span payload, uint32_t charged_bytes);
void data_replay(struct peer *peer, const Livekit__SyncState *state);
/* From the API: `packet` is a whole DataPacket. False when somebody in the room has to read first. */
bool data_send_from_server(struct control *control, struct room *room, struct span packet, bool lossy);
void data_publish_track(struct peer *peer, const Livekit__PublishDataTrackRequest *request);
void data_unpublish_track(struct peer *peer, const Livekit__UnpublishDataTrackRequest *request);
void data_update_subscription(struct peer *peer, const Livekit__UpdateDataSubscription *request);
/* Tells everybody of the room whose map of handles changed. */
void data_tracks_changed(struct room *room);

/* ---- datasend.c -------------------------------------------------------------------------------------------------- */

/* Has one reference. `sender` NULL: nobody waits for it. */
struct data_message *data_message_new(struct control *control, const struct pc *sender, uint32_t charged_bytes,
                                      struct span bytes);
void data_message_release(struct control *control, struct data_message *message);
void outbox_init(struct outbox *outbox);
/* Forgets what waits: the receiver or its channel is gone. */
void outbox_clear(struct pc *pc);
void outbox_send(struct pc *pc, struct data_message *message);
/* The engine's ENGINE_EV_CHANNEL_SENT. */
void outbox_sent(struct pc *pc, uint64_t total_bytes);
/* Is this receiver to be put out, because senders wait for it too long? */
bool outbox_too_slow(struct pc *pc);

/* ---- request.c, whip.c, api.c, webhook.c ------------------------------------------------------------------------- */

/* Answers a request; `which` says which of the oneof is echoed, with the names in the request's own message. */
void send_request_response(struct peer *peer, uint32_t request_id, Livekit__RequestResponse__Reason reason,
                           const char *text, Livekit__RequestResponse__RequestCase which, const void *request);
void request_handle(struct peer *peer, const Livekit__SignalRequest *request);
/* Metadata, name and attributes of a participant; RequestResponse.Reason. */
Livekit__RequestResponse__Reason participant_set_info(struct peer *peer, const char *metadata, const char *name,
                                                      size_t attributes_count, const char *const *keys,
                                                      const char *const *values);
void request_offer(struct peer *peer, const Livekit__SessionDescription *offer);
void whip_http(struct control *control, const struct control_http_request *request, struct control_http_reply *reply);
void api_http(struct control *control, const struct control_http_request *request, struct control_http_reply *reply);
void http_text(struct control_http_reply *reply, uint16_t status, const char *text);
/* `event` as LiveKit names it; participant and track may be NULL. */
void webhook_event(struct control *control, const char *event, const struct room *room,
                   const struct participant *participant, const struct track *track);
/* No control characters: nobody could ask for it by its name. */
bool name_usable(const char *name);
bool room_is_meeting(const struct control *control, const char *name);

#endif
