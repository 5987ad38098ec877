/* What the files of member.h share: member.c (life, outputs, questions), member_entry.c (from the challenge into the
 * group), member_in.c (what comes then), member_epoch.c (entering epochs, keys), member_people.c (who is and was here),
 * member_rejoin.c (coming back without trusting less), member_moderate.c (what hosts do), member_rules.c (what is
 * refused), member_content.c (sealed messages), member_code.c (security codes). */
#ifndef CONCLAVE_MEMBER_MEMBER_INTERNAL_H
#define CONCLAVE_MEMBER_MEMBER_INTERNAL_H

#include "base/replay.h"
#include "base/text.h"
#include "e2ee/mem.h"
#include "e2ee/mls_message.h"
#include "e2ee/mls_suite.h"
#include "member/member.h"

/* Messages that come while a Welcome's tree is fetched. */
#define INBOX_MAX 256
#define INBOX_LEN_MAX (8u << 20)
/* Leaf signatures checked a step: a few milliseconds, so that nothing waits for them. */
#define CHECKS_A_STEP 4
#define CHECK_STEP_US UINT64_C(5000)
/* Names cross on the way when several people come at once: who is missing some asks for them, after a while and not for
 * ever. */
#define NAMES_US UINT64_C(700000)
#define NAMES_TRIES_MAX 6
#define NAMES_ASKED_MAX 32
#define PROFILE_SPREAD_US UINT64_C(200000)
/* One who asks is answered so often: its retries are slower (NAMES_US), and one message that names many makes many
 * answer, to everybody. */
#define WHO_AGAIN_US UINT64_C(2000000)
/* A commit of ours that nobody answers: the connection will tell; then it is made anew. */
#define PENDING_US UINT64_C(5000000)

/* Private messages that may have to be sent again, because a person's key changed while they were on their way; they
 * are kept until so long after the last of them. */
#define DIRECTS_SENT_MAX 16
#define DIRECTS_SENT_US UINT64_C(5000000)

/* Epochs whose late messages open; who was in them is kept as long (MLS_PAST_EPOCHS_DEFAULT says why so many). */
#define PAST_EPOCHS 2
/* Between two requests for what a rejoin needs: the first soon, then twice as long each time. */
#define REJOIN_MIN_US UINT64_C(500000)
#define REJOIN_MAX_US UINT64_C(32000000)
/* A newcomer is told the title and the raised hands so long after it came. */
#define ROSTER_WITHIN_US UINT64_C(10000000)
#define ROSTERS_HELD_MAX 4
/* People that a host wants out at a time, and when a commit for them that lost is made again. */
#define REMOVALS_MAX 64
#define REMOVAL_AGAIN_US UINT64_C(500000)

/* Kinds of application messages (docs/delivery-protocol.md). */
enum content_kind {
    CONTENT_PROFILE = 1,
    CONTENT_CHAT = 2,
    CONTENT_REACTION = 3,
    CONTENT_HAND = 4,
    CONTENT_TITLE = 5,
    CONTENT_FILE = 6,
    CONTENT_ROSTER = 7,
    CONTENT_TRACK = 8,
    CONTENT_WHO = 9,
    CONTENT_HEARTBEAT = 23,
    CONTENT_COMPARE_RESULT = 25,
};

enum compare_result { COMPARE_RESOLVED = 0, COMPARE_MATCH = 1, COMPARE_DIFFER = 2 };

struct text {
    uint16_t len;
    uint8_t bytes[MEMBER_NAME_LEN_MAX];
};

struct person {
    uint32_t leaf;
    struct mls_buf identity, signature_key, software, bundle; /* small, each exactly as long as needed */
    enum group_client_kind client;
    bool online, hand, hand_known, verified, disputes, named;
    enum group_role role;
    uint32_t may;
    uint32_t name_version;
    struct text name;
    struct mls_buf profile;    /* the signed statement, to hand on */
    uint64_t since_epoch;      /* it came, or came again, with this one */
    uint64_t key_mark;         /* begins its leaf's encryption key: another key is of another path, or program */
    uint64_t leaving_since_us; /* since when its Remove is announced; 0: it is not */
    bool withheld_told;
    uint64_t profile_in;   /* `contents` of the message that told its profile last */
    uint64_t who_us;       /* when it asked for our name and was answered, last; 0: never */
    uint64_t directs_sent; /* private messages to it: the number of the next */
    struct replay_window directs_seen;
};

/* Who wrote a message: a leaf of the message's own epoch. */
struct author {
    uint32_t leaf;
    enum group_role role;
    uint8_t identity_len, key_len;
    uint8_t identity[WIRE_IDENTITY_LEN_MAX], key[SIGN_PUBLIC_LEN_MAX];
};
struct roster {
    uint64_t epoch;
    uint32_t count; /* 0: none */
    struct author *authors;
};

struct roster_held {
    uint32_t leaf;
    struct mls_buf content;
};

/* Somebody whom our person, a host, wants out: until that seat is out of the tree. */
struct removal {
    uint8_t identity_len, key_len;
    uint8_t identity[WIRE_IDENTITY_LEN_MAX], key[SIGN_PUBLIC_LEN_MAX];
    uint64_t since_us;
};

struct direct_sent {
    uint64_t at_us, number;
    struct mls_buf to, signer, key, content; /* whom for, with which keys of theirs; content empty: free */
};

struct change {
    enum member_change_kind kind;
    uint64_t epoch, unix_s;
    uint8_t identity_len, by_len;
    uint8_t identity[WIRE_IDENTITY_LEN_MAX], by[WIRE_IDENTITY_LEN_MAX];
    struct text name;
};

/* The commit that does not stand yet. */
enum next { NEXT_NONE, NEXT_STAGED, NEXT_OWN, NEXT_JOINING };

struct queued {
    struct member_output output;
    struct mls_buf storage; /* what the spans of `output` point into */
};

enum fetch_purpose { FETCH_NONE, FETCH_JOIN, FETCH_WELCOME, FETCH_CHAIN, FETCH_RESYNC };

struct member {
    const struct crypto_backend *crypto;
    struct mls_crypto suite;
    uint32_t people_max;
    enum group_client_kind client_kind;
    uint8_t kind;
    struct mls_buf meeting, identity, software, bundle;
    uint8_t meeting_hash[GROUP_HASH_LEN], operator_hash[16];
    uint8_t operator_key[GROUP_KEY_LEN], owner[GROUP_KEY_LEN];
    bool operator_known, owner_known;
    uint32_t generation;
    uint8_t psk_id[GROUP_PSK_ID_LEN];
    uint8_t own_identity[GROUP_IDENTITY_LEN];
    struct text name;
    uint32_t name_version;
    struct group_link link;
    struct secret owner_seed; /* len 0: none */
    struct secret signature_key;
    struct mls_buf signature_public, credential, leaf_extensions;
    struct mls_client *client;
    struct mls_group *group;           /* where we are; NULL before */
    struct mls_group *joining;         /* created or to be entered, not confirmed yet; `group` stays until it is */
    struct mls_client *joining_client; /* of `joining` when `group` is there too: both have the same id */
    bool creating;
    uint64_t joining_since_us;
    bool astray;           /* we refused a commit or miss something: a resync has a use */
    bool catching_up;      /* by the log, after resuming; or, where that does not reach back, by a resync */
    uint64_t log_ends_seq; /* with this number, while the epoch is ours */
    bool resync_asked;     /* on this connection: one may still come when it has no use any more */
    uint64_t behind_epoch; /* that the others have reached as the server says; 0: it has not said that we are behind */
    uint64_t rejoin_at_us; /* ask for it again */
    uint32_t rejoin_tries;
    enum member_state state;
    uint8_t gone;
    bool ended_told;
    bool connected;
    bool greeted;        /* the server has sent its challenge on this connection */
    bool resuming;       /* hello 2 is out and not answered */
    bool restated;       /* on this connection the server said that it has forgotten the group */
    bool restated_whole; /* and was given it */
    uint32_t tries;
    uint64_t last_seq;
    struct mls_buf grant;    /* ours, from owner_seed; may be empty */
    struct mls_buf founding; /* the group's, as its GroupInfos carry it */
    struct mls_buf fetch_group_info, fetch_welcome, fetch_tree_hash;
    enum fetch_purpose fetching;
    uint32_t ticket;
    uint64_t fetch_seq;
    struct mls_buf inbox; /* messages, each <V> */
    uint32_t inbox_count;
    bool pending_adds; /* the commit that is pending lets somebody in */
    uint64_t pending_since_us;
    uint32_t unanswered; /* commits that went out on this connection: each is answered once, in order */
    enum next next;
    uint64_t next_epoch;
    uint64_t next_apply_us; /* by itself; TIME_NEVER: never */
    struct mls_buf next_by; /* identity */
    bool next_external;
    uint64_t refused_epoch;             /* that we called bad; 0: none */
    uint64_t heartbeat_at_us, heard_us; /* ours; the last of the others' */
    bool confirmed;
    uint64_t checks_at_us;
    uint64_t names_at_us, profile_at_us;
    uint64_t contents; /* of sealed messages that were taken */
    uint32_t names_tries;
    uint64_t heal_at_us;
    uint64_t remove_try_us; /* when we commit a Remove that waits, unless somebody does; TIME_NEVER: none waits */
    struct person *people;  /* people_max of them at most, grown */
    uint32_t people_count, people_room;
    struct roster past[PAST_EPOCHS];
    uint32_t past_next;
    uint64_t people_epoch; /* that `people` are of */
    uint64_t came_us;      /* when we entered as a newcomer */
    uint32_t greeter;      /* leaf of who let us in by Welcome; UINT32_MAX: nobody did */
    bool online_told;      /* the server has said who is online */
    struct roster_held rosters_held[ROSTERS_HELD_MAX];
    uint32_t rosters_held_count;
    struct removal removals[REMOVALS_MAX];
    uint32_t removals_count;
    uint64_t removal_at_us;
    struct text title;
    bool title_known; /* from a host, or told when we came */
    struct change history[MEMBER_HISTORY_MAX];
    uint32_t history_count;
    struct direct_sent directs_sent[DIRECTS_SENT_MAX];
    uint32_t directs_sent_next;
    uint64_t directs_at_us; /* when the newest of these is too old to be sent again */
    struct queued *queue;   /* ring of MEMBER_OUTPUTS_MAX at most, grown */
    uint32_t queue_first, queue_count, queue_room;
    struct queued given;
    uint64_t alarms[MEMBER_ALARM_COUNT];
    uint64_t dropped;
    uint64_t now_us;
};

/* ---- member.c ---- */

/* Queues an output. Its spans are copied. */
void member_put(struct member *m, const struct member_output *output);
void member_send_wire(struct member *m, const struct wire_message *message);
void member_alarm(struct member *m, enum member_alarm alarm, struct span identity, enum mls_status status);
void member_set_state(struct member *m, enum member_state state);
/* The end: wipes the groups, tells once. */
void member_end(struct member *m, uint8_t gone);
/* By somebody: its identity, or empty for the server. */
void member_end_by(struct member *m, uint8_t gone, struct span by);
void buf_set(struct mls_buf *b, struct span bytes);
bool text_set(struct text *text, struct span bytes);
struct span text_span(const struct text *text);

/* ---- member_people.c ---- */

struct person *member_find_person(const struct member *m, struct span identity);
void member_person_free(struct person *p);
/* We are new; or the group is another one, with another leaf of ours, to which we came back; or it went on. */
enum entry { ENTRY_NEW, ENTRY_AGAIN, ENTRY_NEXT };
/* Brings the list in line with the group's leaves; who is new or gone is noted, unless we are new ourselves. Who was
 * here before is kept for late messages, as long as the group opens those. */
void member_update_people(struct member *m, uint64_t unix_s, struct span by, enum entry entry);
/* Leaf of who greets a newcomer that came by itself: the lowest of the others that are online. UINT32_MAX: nobody. */
uint32_t member_greeter_of(const struct member *m, struct span newcomer);
void member_past_forget(struct member *m);
/* Who is at that leaf in that epoch. False: nobody, or the epoch is too old. */
bool member_author(const struct member *m, uint64_t epoch, uint32_t leaf, struct author *out);
struct span author_identity(const struct author *a);

/* ---- member_epoch.c ---- */

/* After the group entered an epoch: people, keys, acknowledgement, history. `by`: who committed, empty when unknown. */
void member_entered(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng, struct span by,
                    enum entry entry);
/* Hands out the key of the epoch that waits; takes it back. */
void member_give_next_keys(struct member *m);
void member_drop_next_keys(struct member *m);
void member_note(struct member *m, enum member_change_kind kind, uint64_t unix_s, struct span identity, struct span by);

/* ---- member_entry.c ---- */

void member_on_challenge(struct member *m, uint64_t unix_s, struct rng *rng, const struct wire_message *message);
void member_on_state(struct member *m, const struct wire_message *message);
void member_on_create_now(struct member *m, uint64_t unix_s, struct rng *rng, const struct wire_message *message);
void member_fetch_tree(struct member *m, enum fetch_purpose purpose, struct span tree_hash);
/* Sets aside what a fetch is for. */
void member_fetch_for(struct member *m, const struct wire_message *message);
void member_not_joined(struct member *m);
/* Our Info for GroupInfos of this group, as a list of extensions. */
enum mls_status member_info_extensions(const struct member *m, struct mls_buf *out);
/* SHA-256("conclave info v2" ...) of a GroupInfo's external key, with our link; false when it has none. */
bool member_info_tag(const struct member *m, struct span group_info, uint8_t out[GROUP_INFO_TAG_LEN]);

/* ---- member_in.c ---- */

void member_send_bad(struct member *m, uint64_t epoch, enum mls_status status);
/* Makes a commit of these proposals and of all that are stored, and sends it. */
enum mls_status member_commit(struct member *m, struct rng *rng, struct span proposals, bool adds, bool urgent,
                              struct span left_out);
void member_take_inbox(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng);
/* The commit that waits stands: from now on we are in its epoch. */
void member_stand(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng);
/* Our own commit, of which the server says that others took it, waits for `ready`. */
void member_await_own(struct member *m);
/* The commit that waits does not stand, and nothing of it stays. */
void member_forget_next(struct member *m);
/* Has a commit that waits for `ready`; or makes a new one impossible in another way. */
bool member_is_committing(const struct member *m);

/* ---- member_rejoin.c ---- */

void member_drop_joining(struct member *m);
/* The group has gone on by itself: a way back that was prepared does not descend from where it is now. */
void member_drop_way_back(struct member *m);
void member_adopt_joining(struct member *m);
/* We cannot follow: says so, and takes what the server answers. */
void member_go_astray(struct member *m, uint64_t epoch, enum mls_status status);
void member_rejoin_later(struct member *m);
void member_rejoin_resumed(struct member *m, const struct wire_message *state);
/* After each message: whether all is there that we missed. */
void member_caught_up(struct member *m);
/* The server has forgotten the group and asks for it; and says which epoch stands there now, from where it counts anew.
 */
void member_on_restate(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng,
                       const struct wire_message *message);
void member_restated(struct member *m, const struct wire_message *state);
void member_rejoin_tick(struct member *m, uint64_t now_us);
void member_on_resync(struct member *m, const struct wire_message *message);
/* The commits and Removes from our epoch on: whether what we are led to descends from it. On false an alarm was raised.
 */
bool member_chain_good(struct member *m, struct rng *rng, struct span chain);

/* ---- member_moderate.c ---- */

/* After each epoch and when its time has come: who is out, who is not yet. */
void member_removals_look(struct member *m, uint64_t now_us, struct rng *rng);

/* Appends the proposal that makes this the group's Meeting. */
enum mls_status member_propose_meeting(const struct member *m, const struct group_meeting *meeting,
                                       struct mls_buf *proposals);

/* ---- member_rules.c ---- */

struct mls_identity member_identity(const struct member *m);
struct mls_group_options member_options(const struct member *m);
/* Rule 6, of a group that we made or are about to enter. On false an alarm was raised. */
bool member_group_good(struct member *m, const struct mls_group *group, struct span info_extensions, bool by_welcome);
/* The staged commit against the rules. On false an alarm was raised, unless `quiet`. */
bool member_commit_good(struct member *m, bool quiet);
/* Whether it may be added beside those whose keys are the first `keys_count` of `keys`, where it puts its own. */
struct member_package_keys {
    struct span signature, encryption;
};
bool member_package_good(struct member *m, struct span key_package, struct member_package_keys *keys, size_t keys_count,
                         enum mls_status *status);
bool member_standing(const struct member *m, uint32_t leaf, struct group_standing *out);

/* ---- member_content.c ---- */

void member_take_app(struct member *m, struct rng *rng, struct span from, const struct mls_received *received);
void member_take_direct(struct member *m, struct rng *rng, struct span from, struct span sealed);
/* Sends those private messages again whose receivers have another key since. After each change of epoch. */
void member_directs_again(struct member *m, struct rng *rng);
/* Wipes what was kept for that: at directs_at_us, and with the groups. */
void member_directs_forget(struct member *m);
/* "We are in this epoch": kind 23, not kept. */
void member_send_heartbeat(struct member *m, struct rng *rng);
void member_send_profile(struct member *m, struct rng *rng);
void member_send_roster(struct member *m, struct rng *rng);
/* Our person's word that codes differ, for those who have just come. */
void member_dispute_again(struct member *m, struct rng *rng);
/* Asks for the names that are missing; false when none is. */
bool member_ask_names(struct member *m, struct rng *rng);
/* Judges the rosters that came before it was known who greets newcomers. */
void member_rosters_look(struct member *m);
void member_rosters_forget(struct member *m);

#endif
