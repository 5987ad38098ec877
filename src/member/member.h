/* One person's side of a meeting's group: what a client does on the delivery protocol (group/wire.h), from the server's
 * challenge to "leave", with every rule that a client must hold others to. Sans-IO, so that native clients, the
 * simulator and browsers share it.
 *
 *     WebSocket messages, HTTP answers,          messages to send, things to fetch,
 *     commands of the person, the time  --> member --> events for the person, keys for frames
 *
 * The law: after any input, command or tick, call member_poll until it answers false; then sleep until
 * member_next_deadline_us. A member never calls back. Spans in an output are valid until the next call of member_poll.
 *
 *     member_create      who we are, the meeting, the link's secret
 *     member_connected   the WebSocket is up (first time, or again)          -> nothing yet: the server speaks first
 *     member_input       a message came                                      member_fetched: the answer to MEMBER_FETCH
 *     member_lost        the WebSocket is down; connect again after the delay given by MEMBER_CONNECT
 *     member_tick        the deadline has come
 *     member_...         what the person does: chat, hand, name, title, remove
 *     member_free        wipes everything
 *
 * TRUST. What comes from the server is data. It can delay and drop, and choose the order of one epoch's messages; it
 * cannot add, read, forge or replay, nor reorder commits, unseen: each violation of a client rule is an event
 * MEMBER_ALARM with what was seen, counted, and changes nothing else.
 *
 * KEYS. A commit stands when the server says `ready`; until then it is staged, and we stay in the epoch before.
 * MEMBER_KEYS hands out an epoch's SFrame base key for receiving as soon as its commit is staged; MEMBER_SWITCH says
 * from when on to seal with it, which is when it stands. MEMBER_KEYS_DROP: it was withdrawn, and another commit may
 * start an epoch of the same number; nobody has sealed with that key. Whoever owns the frames installs, switches and
 * wipes.
 *
 * Memory: heap through e2ee/mem.h, bounded by the limits below. Time: `now_us` monotonic, `unix_s` wall clock for
 * the own key package, which others judge, and for the history; what others sent is never judged by it, so that a dead
 * clock puts nobody out. `unix_ms` for chat. Randomness: `rng`, fit for secrets. Threads: one owner. */
#ifndef CONCLAVE_MEMBER_MEMBER_H
#define CONCLAVE_MEMBER_MEMBER_H

#include "e2ee/mls.h"
#include "group/code.h"
#include "group/link.h"
#include "group/rules.h"
#include "group/wire.h"

struct member;

/* A meeting's members, as the server bounds them. */
#define MEMBER_PEOPLE_MAX 1000
#define MEMBER_NAME_LEN_MAX 256
#define MEMBER_TITLE_LEN_MAX 256
#define MEMBER_CHAT_LEN_MAX 8000
#define MEMBER_EMOJI_LEN_MAX 32
#define MEMBER_FILE_NAME_LEN_MAX 255
/* Outputs that may wait between two polls. Beyond it, chat of others is dropped with a count; nothing else can be that
 * many. */
#define MEMBER_OUTPUTS_MAX 4096
/* What changed the security code, newest first. */
#define MEMBER_HISTORY_MAX 64

/* A commit of a host or co-host cannot be withdrawn, and is applied so long after it was staged though `ready` did not
 * come. Of others it waits: to withhold `ready` is to withhold the commit. */
#define MEMBER_SWITCH_US UINT64_C(400000)
/* Hosts and the four lowest leaves say so often that they are in this epoch; who hears none of them for three of these
 * is told that nobody confirms it. */
#define MEMBER_HEARTBEAT_US UINT64_C(10000000)
/* Own clock this far from the server's: the person is told. */
#define MEMBER_CLOCK_OFF_S 600
#define MEMBER_OPEN_REMOVE_US UINT64_C(1000000)
/* A departure that was announced and is not carried out for so long is an alarm, whatever else was committed. */
#define MEMBER_WITHHELD_US UINT64_C(10000000)
/* So long a host's removal of somebody is tried, in each epoch anew; then the person is told that it failed. */
#define MEMBER_REMOVAL_US UINT64_C(30000000)
/* Healing: an empty commit of somebody when nothing changed for so long (post-compromise security, full trees). */
#define MEMBER_HEAL_US UINT64_C(300000000)
#define MEMBER_RETRY_MIN_US UINT64_C(500000)
#define MEMBER_RETRY_MAX_US UINT64_C(8000000)

/* What the link says, and who we are. */
struct member_config {
    const struct crypto_backend *crypto;
    uint16_t suite;            /* the link's; nothing else is accepted */
    struct span meeting;       /* id of the meeting, as in the link */
    uint8_t kind;              /* enum group_kind, of who may begin it; else 0 */
    struct span link_secret;   /* GROUP_LINK_SECRET_LEN bytes, copied */
    uint32_t generation;       /* of that secret */
    struct span operator_hash; /* [16] */
    struct span operator_key;  /* [32], or empty: then we cannot begin the meeting */
    struct span owner;         /* [32]: O's public half, or empty: not known */
    struct span owner_seed;    /* [32]: of the host link, or empty */
    struct span name;          /* UTF-8, shown to others */
    enum group_client_kind client;
    struct span software;
    struct span bundle;
    const struct secret *seat_seed; /* NULL: a fresh seat */
    uint32_t people_max;            /* 0: MEMBER_PEOPLE_MAX */
};

enum mls_status member_create(const struct member_config *config, struct rng *rng, struct member **out);
void member_free(struct member *m);

/* ---- inputs ---- */

void member_connected(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng);
void member_input(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng, struct span message);
void member_lost(struct member *m, uint64_t now_us, uint16_t close_code);
/* The answer to MEMBER_FETCH with this ticket; an empty body when it failed. */
void member_fetched(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng, uint32_t ticket,
                    struct span body);
void member_tick(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng);
uint64_t member_next_deadline_us(const struct member *m);

/* ---- what the person does; each is MLS_OK or says why not, and is then an output or nothing ---- */

/* Not a member (yet, or any more). */
#define MEMBER_NOT_IN MLS_WRONG_STATE

/* `to`: an identity, or empty for everybody. `id`: 16 random bytes of the caller, for the copy that it shows. */
enum mls_status member_chat(struct member *m, uint64_t unix_ms, struct rng *rng, struct span to, struct span id,
                            struct span text);
enum mls_status member_react(struct member *m, struct rng *rng, struct span emoji);
enum mls_status member_hand(struct member *m, struct rng *rng, bool raised);
enum mls_status member_rename(struct member *m, struct rng *rng, struct span name);
/* Hosts only. member_remove goes on until that seat is out of the tree (MEMBER_REMOVAL tells), also when another
 * commit was faster. */
enum mls_status member_title(struct member *m, struct rng *rng, struct span title);
enum mls_status member_remove(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng,
                              struct span identity);
enum mls_status member_make_host(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng,
                                 struct span identity);
struct member_file {
    struct span id; /* where its ciphertext is: the server's name for it */
    struct span name;
    uint64_t len_bytes;
    struct span key;    /* 32 bytes */
    struct span sha256; /* of the plaintext */
};
enum mls_status member_file(struct member *m, uint64_t unix_ms, struct rng *rng, struct span to,
                            const struct member_file *file);
/* What a frame context of ours means, told before its first frame. */
enum mls_status member_track(struct member *m, struct rng *rng, uint8_t context, uint8_t source, struct span codec);
void member_leave(struct member *m);
/* This device's person compared the code with that member (or with all: empty) and it matched; remembered for the stay,
 * by signature key. */
void member_mark_verified(struct member *m, struct span identity, bool verified);
/* Tells everybody, and who comes later, that our person compared the meeting's code and it was another one; or that
 * this is resolved. */
enum mls_status member_tell_compared(struct member *m, struct rng *rng, bool differs);

/* ---- outputs ---- */

enum member_output_type {
    MEMBER_SEND,      /* bytes: a message for the WebSocket */
    MEMBER_FETCH,     /* ticket, text: path below /api/v2/meetings/ID, GET with the token; answer with member_fetched */
    MEMBER_CONNECT,   /* connect the WebSocket (again) in delay_us */
    MEMBER_STATE,     /* state changed */
    MEMBER_ROSTER,    /* people, names, roles, hands or verification changed: read member_person again */
    MEMBER_EPOCH,     /* a new epoch: security code, history changed */
    MEMBER_TOKEN,     /* text: the token for HTTP and /rtc; number: longest file in bytes */
    MEMBER_KEYS,      /* epoch, own_leaf, base key in `bytes`: install for receiving */
    MEMBER_KEYS_DROP, /* epoch: wipe the key that was installed and is not sealed with */
    MEMBER_WITHDRAWN, /* identity: a change by it was taken back */
    MEMBER_CONFIRMED, /* flag: whether others confirm our epoch (heartbeats) */
    MEMBER_CLOCK,     /* off_s: our clock is ahead (behind: negative) of the server's */
    MEMBER_SWITCH,    /* epoch: seal with it from now on */
    MEMBER_REMOVED,   /* identity went, epoch: drop what was kept for it */
    MEMBER_CHAT,      /* identity, private_to_us, unix_ms, id, text */
    MEMBER_REACTION,  /* identity, text */
    MEMBER_TITLE,     /* text */
    MEMBER_FILE,      /* identity, private_to_us, unix_ms, file */
    MEMBER_TRACK,     /* identity, context, source, text (codec) */
    MEMBER_ALARM,     /* alarm, identity (may be empty), status */
    MEMBER_REMOVAL,   /* identity, removal: what became of member_remove */
    MEMBER_DISPUTED,  /* identity, flag: it says that codes differ, or that what it said is resolved */
    MEMBER_CLOSING,   /* number: the server goes down within so many seconds, and the meeting with it */
    MEMBER_ENDED,     /* gone: why; identity: by whom, empty: nobody in the meeting; nothing follows */
};

/* Beside enum wire_gone: the one answer to a link that opens nothing here (close code 4005). After
 * WIRE_GONE_CANNOT_FOLLOW the leaf is kept for a while: a new member with the same seat_seed takes its place. After
 * WIRE_GONE_REMOVED by somebody the seat is barred, and another seat is what may come back, by a click of the person.
 */
#define MEMBER_GONE_NO_ENTRY 32

enum member_removal { MEMBER_REMOVAL_WANTED, MEMBER_REMOVAL_DONE, MEMBER_REMOVAL_FAILED };

enum member_state { MEMBER_CONNECTING, MEMBER_WAITING, MEMBER_JOINING, MEMBER_IN, MEMBER_AWAY, MEMBER_OVER };

/* What a client rule saw broken. X(NAME, "words for a log"). */
#define MEMBER_ALARMS(X)                                                                                               \
    X(SUITE, "the server named another suite than the link does")                                                      \
    X(GROUP, "the group is not this meeting's, or lacks what every meeting has")                                       \
    X(SENDER, "the group's external sender was changed")                                                               \
    X(ADD, "somebody was to be added without proof that they have the link")                                           \
    X(REMOVE, "somebody was to be removed by one who may not")                                                         \
    X(ROLES, "roles or policy were to be changed by one who may not")                                                  \
    X(IDENTITY, "an identity was doubled or changed")                                                                  \
    X(COMMIT, "a commit was invalid")                                                                                  \
    X(ORDER, "messages came out of order, twice, or are missing")                                                      \
    X(FROM, "the server named another sender than the message proves")                                                 \
    X(CONTENT, "a sealed message was malformed")                                                                       \
    X(TREE, "the ratchet tree that the server gave is not the group's")                                                \
    X(SIGNATURE, "a member's leaf signature is wrong")                                                                 \
    X(WITHHELD, "a departure is not carried out although it was announced")                                            \
    X(FORK, "the server leads to a group that does not continue ours")                                                 \
    X(WITHDRAWN, "the server takes back what cannot be taken back")
#define MEMBER_ALARM_NAME(name, text) MEMBER_ALARM_##name,
enum member_alarm { MEMBER_ALARMS(MEMBER_ALARM_NAME) MEMBER_ALARM_COUNT };
const char *member_alarm_text(enum member_alarm alarm);

struct member_output {
    enum member_output_type type;
    enum member_state state;
    enum member_alarm alarm;
    enum mls_status status;
    enum member_removal removal;
    uint8_t gone; /* enum wire_gone, 0: we left */
    bool private_to_us;
    uint8_t context, source;
    uint32_t ticket, own_leaf;
    bool flag;
    int64_t off_s;
    uint64_t epoch, delay_us, unix_ms, number;
    struct span bytes, text, identity, id;
    struct member_file file;
};
bool member_poll(struct member *m, struct member_output *out);

/* ---- what there is to see ---- */

enum member_state member_state(const struct member *m);
uint16_t member_suite(const struct member *m);
uint64_t member_epoch(const struct member *m);
struct span member_own_identity(const struct member *m);

struct member_person {
    struct span identity;
    uint32_t leaf;
    uint64_t since_epoch; /* it came with this one; or came again, its seat with a new program */
    enum group_role role;
    uint32_t may; /* enum group_may */
    bool self, host, online, hand;
    bool named;    /* its signed name has come; `name` is empty else */
    bool checked;  /* its leaf signature was verified (deferred checks) */
    bool verified; /* our person compared codes with it */
    bool disputes; /* it says that it compared codes and that they differ */
    struct span name;
    enum group_client_kind client;
    struct span software, bundle, signature_key;
};
uint32_t member_people(const struct member *m);
/* By rising leaf: start with *cursor 0, until false. */
bool member_person_next(const struct member *m, uint32_t *cursor, struct member_person *out);
bool member_person_find(const struct member *m, struct span identity, struct member_person *out);
struct span member_title_text(const struct member *m);

/* The meeting's code (group/code.h). False while not in. */
bool member_code(const struct member *m, char out[GROUP_CODE_DIGITS + 1]);
/* Of us and one other. False when that is nobody here. */
bool member_pair_code(const struct member *m, struct span identity, char out[GROUP_CODE_DIGITS + 1]);

enum member_change_kind { MEMBER_CAME, MEMBER_WENT, MEMBER_HEALED, MEMBER_ROLE, MEMBER_BEGAN };
struct member_change {
    enum member_change_kind kind;
    uint64_t epoch, unix_s;
    struct span identity, by; /* `by` is empty for the server */
    struct span name;         /* of identity, as last known */
};
bool member_change_at(const struct member *m, uint32_t index, struct member_change *out);

#endif
