/* A whole encrypted meeting: the group (sim/assembly.h: delivery service and members), the conference
 * (sim/conference.h: SFU and participants) and the frames between them, tied together as in the server
 * (src/server/app_delivery.c) and in the web client:
 *
 *     member: in the group --> participant joins the room (gate: service_is_member) --> media
 *     member: keys, switch --> SFrame sender and receiver --> seal and open what the participant carries
 *     delivery service: expelled --> control_expel; over --> control_room_end; control: expelled --> service_expel
 *
 * Each person is a member core and a participant; some publish pictures at a low rate, everybody receives all of them.
 * Nobody's participant goes by itself when the group goes on without the person: half of them hear no goodbye either
 * and go on sending while their consent lasts. Those who are out keep the keys of the last epochs that they were in.
 *
 * Checked, beside what conference.h lists:
 *
 *     a  when things have calmed down, all who should be in are in one epoch with one code and one roster,
 *        and nobody raised an alarm                                              gathering_expect_agreement
 *     b  no key is used twice with one counter, by anybody, in the whole run     every frame sealed
 *     c  who was removed opens nothing that was sealed from that epoch on, with any key that it kept; who is new opens
 *        nothing sealed before its epoch                                    every frame sealed, opened; at each entry
 *     d  the SFU sends no media to one who is not a member now, nor what came from one    every RTP and RTCP it sends
 *     e  who was dropped gets no media and no signalling but the goodbye         every datagram, every message
 *     g  every member has had a connection within the grace period and GATHERING_GHOST_US             every 100 ms
 *     f  from an open Remove to the new epoch's keys at all senders: within GATHERING_REKEY_MAX_US, and recorded
 *
 *     h  nobody's group is given up before it has another                         every 100 ms
 *     i  no commit stays staged for 2 s while a connection is there               every 100 ms
 *     j  two honest members of one epoch show one code, or an alarm               at each epoch
 *     k  no commit is applied before it stands                                    at each epoch
 *     l  no commit of a host is taken back, but its own that came too late        at each that is taken back
 *     m  no deadline that was served comes again at once                          every 100 ms
 *
 * Hostile members (gathering_hostile.c) make commits that nobody can open, refuse good ones, vouch for anything, flood,
 * and moderate; a lying server tells one person what it likes.
 *
 * `enum plant` has a bug for each but j, l and m. */
#ifndef CONCLAVE_SIM_GATHERING_H
#define CONCLAVE_SIM_GATHERING_H

#include "e2ee/frame.h"
#include "meeting/meeting.h"
#include "sim/assembly.h"
#include "sim/conference.h"

#define GATHERING_PUBLISHERS 6
/* Newest keys of a person that the checks keep for it, beyond their time. */
#define GATHERING_KEPT SFRAME_EPOCHS_MAX
/* Newest sealed frames that newcomers try to open. */
#define GATHERING_FRAMES 64
#define GATHERING_DEPARTURES_MAX 256
/* Frames that may be sealed in a run, twice over. */
#define GATHERING_USED_MAX (1u << 20)
/* What everybody publishes, and how it is sealed. */
#define GATHERING_SFRAME SFRAME_AES_256_GCM_SHA512_128
#define GATHERING_FRAME                                                                                                \
    { .codec = FRAME_CODEC_VP8, .kind = FRAME_KIND_VIDEO }
/* Of those who stay connected. Committers crash one after the other: 0.3, 0.6, 1.2, 2.4, 2.4 .. s of waiting. */
#define GATHERING_REKEY_MAX_US (12 * US_PER_S)

/* How much longer than the grace period somebody without a connection may be a member. */
#define GATHERING_GHOST_US (3 * US_PER_S)

enum plant {
    PLANT_NONE,
    PLANT_DEAF,   /* a: nothing reaches one person any more */
    PLANT_AGAIN,  /* b: a sender begins to count again */
    PLANT_KEEP,   /* c: removed people are told the new keys */
    PLANT_EARLY,  /* c: newcomers are told the last epoch's key */
    PLANT_OPEN,   /* d: the room has no gate, and people come there first */
    PLANT_SOURCE, /* d: sources of the removed are not closed */
    PLANT_STAY,   /* e: control does not hear of who was removed */
    PLANT_SLOW,   /* f: one sender stays with its old key */
    PLANT_GHOST,  /* g: the delivery service does not hear of connections that go */
    PLANT_FREE,   /* h: a commit that cannot be followed costs the group */
    PLANT_HANG,   /* i: one person is never told what becomes of a commit */
    PLANT_HASTE,  /* k: commits are applied when they are staged */
};

/* Where a committer dies. */
enum crash_at {
    CRASH_NAMED = 1,     /* when it is named */
    CRASH_COMMITTED = 2, /* when its commit has set out */
    CRASH_ACCEPTED = 4,  /* before it hears that the commit was taken */
    CRASH_ENTERED = 8,   /* when it has entered the epoch, before the server knows */
};

struct kept_key {
    uint64_t epoch, print;
    uint32_t leaf;
    uint8_t key[32];
};

struct epoch_code {
    uint64_t epoch;
    int person;
    char code[GROUP_CODE_DIGITS + 1];
};

struct attendee {
    bool hostile;             /* its program does what it likes; it has no media */
    bool lied_to;             /* by the server: what it believes is checked, not whether it is right */
    uint64_t deed_us;         /* hostile: when it does the next thing */
    uint64_t ready_epoch;     /* newest that the service said to it that it stands */
    uint64_t staged_since_us; /* the newest commit that it was given keys of */
    uint64_t open_since_us;   /* as seen every 100 ms */
    struct gathering *gathering;
    int person;            /* in the assembly */
    struct client *client; /* NULL before it is in the group */
    bool publisher;
    bool should_be_in;   /* as the scenario means it */
    uint64_t put_out_us; /* the host wants it out, and tries (again) then; 0 = no */
    uint32_t put_out_tries;
    bool expelled; /* the delivery service dropped it */
    bool removed;  /* the group went on without it: */
    uint64_t removed_epoch;
    uint64_t resumed_us; /* last time its group connection came back */
    bool keyed;
    bool may_come_again; /* it may be sent away through nobody's fault: */
    bool again;          /* then another stay begins */
    bool enters_again;   /* the room, anew */
    uint64_t first_epoch, seal_epoch;
    uint64_t last_frame_us;               /* of the receiver's clock */
    struct kept_key kept[GATHERING_KEPT]; /* newest first */
    uint32_t kept_count;
    struct sframe_sender sender;
    struct sframe_receiver receiver;
    void *receiver_memory;
    struct participant_crypt crypt;
};

struct sealed_frame {
    uint64_t epoch;
    uint32_t leaf;
    bool video;
    size_t len;
    uint8_t bytes[1200];
};

struct departure {
    int person;
    uint64_t since_us, epoch;
    bool known, done; /* in which epoch it is gone; all senders are there */
};

struct gathering_figures {
    uint64_t sealed, opened, unopened, tries, forwarded, epochs, checks, withdrawn, removes, resyncs, crashes;
    uint64_t rekeys, rekey_sum_us, rekey_max_us;
    uint64_t bad_commits, lies;
};

struct used_counter {
    uint64_t print, kid, ctr; /* print of the base key; 0 = free */
};

struct gathering {
    struct conference *conference;
    struct assembly assembly;
    char room[MEETING_ROOM_LEN + 1];
    struct conference_part part;
    uint64_t restarted_us; /* 0: never */
    struct attendee attendees[ASSEMBLY_PEOPLE_MAX];
    uint32_t attendees_count;
    bool lossy;
    uint32_t publishers_wanted;
    uint32_t crash_at, crashes_left; /* enum crash_at, set */
    uint64_t crash_not_before_us;
    bool expelling, ending, lying;
    uint64_t ghosts_looked_us;
    struct used_counter *used;
    uint32_t used_count;
    struct sealed_frame frames[GATHERING_FRAMES];
    uint32_t frames_count; /* ever */
    struct departure departures[GATHERING_DEPARTURES_MAX];
    uint32_t departures_count;
    char out_of_control[16][GROUP_IDENTITY_LEN + 1]; /* identities that control put out, for the next step */
    uint32_t out_of_control_count;
    struct gathering_figures figures;
    struct epoch_code codes[64]; /* of the newest epochs, as the first showed it who was there */
    uint32_t alarms_expected;    /* 1 << enum member_alarm: of honest people among hostile ones */
};

void gathering_begin(struct gathering *g, struct conference *c, uint16_t suite, uint8_t kind);
void gathering_end(struct gathering *g);
/* Somebody opens the link now; comes in by itself. */
struct attendee *gathering_join(struct gathering *g);
void gathering_leave(struct gathering *g, struct attendee *a);
/* Vanishes; the server learns of the lost connection after a while. */
void gathering_crash(struct gathering *g, struct attendee *a);
/* Its WebSocket of the group breaks, and is resumed. */
void gathering_cut(struct gathering *g, struct attendee *a);
/* The server dies and comes back without its state; the members give it the group back. */
void gathering_restart(struct gathering *g, uint64_t down_us);
/* The host puts somebody out; false when there is no host to do it. */
bool gathering_remove(struct gathering *g, struct attendee *a);
/* The same, tried again until it is done; without a host the person goes by itself. */
void gathering_put_out(struct gathering *g, struct attendee *a);
/* Faults of the network end. */
void gathering_calm(struct gathering *g);
/* Those who were told to go and did not listen, or try to get in again. */
void gathering_switch_off(struct gathering *g);
/* There, in the group as far as it knows, and not on the way out. */
bool gathering_in(const struct gathering *g, const struct attendee *a);
uint32_t gathering_count(const struct gathering *g);
/* Any who is in, by the conference's dice; NULL when nobody is. */
struct attendee *gathering_any(struct gathering *g);

/* ---- gathering_hostile.c ----------------------------------------------------------------------------------------- */

/* Whoever is hostile and has not done anything for a while does something. */
void gathering_misbehave(struct gathering *g);
bool gathering_hostile_down(struct gathering *g, int person, struct span bytes);
bool gathering_lie(struct gathering *g, int person, struct span bytes);
void gathering_check_code(struct gathering *g, const struct attendee *a, uint64_t epoch);
void gathering_check_applied(struct gathering *g, const struct attendee *a, uint64_t epoch);
void gathering_check_groups(struct gathering *g);
void gathering_check_withdrawn(struct gathering *g, const struct attendee *a, struct span identity);

/* ---- gathering_check.c ------------------------------------------------------------------------------------------- */

void gathering_check_sealed(struct gathering *g, struct attendee *a, const struct sframe_seal *seal, bool video,
                            struct span sealed);
void gathering_check_opened(struct gathering *g, const struct attendee *a, uint64_t kid);
void gathering_check_newcomer(struct gathering *g, struct attendee *a);
void gathering_check_media(struct gathering *g, const struct client *to, uint32_t shard, const struct engine_tx *tx);
void gathering_check_signal(struct gathering *g, const struct client *to);
void gathering_departed(struct gathering *g, int person);
void gathering_gone_in_epoch(struct gathering *g, int person, uint64_t epoch);
void gathering_check_ghosts(struct gathering *g);
/* After a switch, or a departure of somebody who had not switched. */
void gathering_check_departures(struct gathering *g);
/* Runs until it holds; fails when it does not within `within_us`. */
void gathering_expect_agreement(struct gathering *g, uint64_t within_us);

/* ---- gathering_scenario.c ---------------------------------------------------------------------------------------- */

extern const struct scenario gatherings[];
extern const uint32_t gatherings_count;
/* Of the run of this process. */
const struct gathering_figures *gathering_figures(void);
/* After the conference has ended. */
void gathering_done(void);

#endif
