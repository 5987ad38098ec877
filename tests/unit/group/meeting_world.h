/* People with seats in a meeting's MLS group, for tests of src/group: everything by the library, nothing by a member or
 * a server, so that a test may also do what an honest one would not. Everything asserts (cmocka). */
#ifndef CONCLAVE_TESTS_MEETING_WORLD_H
#define CONCLAVE_TESTS_MEETING_WORLD_H

#include "e2ee/mls.h"
#include "group/context.h"
#include "group/link.h"
#include "group/public.h"
#include "group/rules.h"
#include "group/statement.h"

#define PEOPLE_MAX 12
#define MEETING_NOW 1700000000u

struct seat {
    struct meeting_world *world;
    struct mls_client *client;
    struct secret key;
    uint8_t public_key[32];
    uint8_t identity[GROUP_IDENTITY_LEN];
    struct mls_buf credential, leaf_extensions, key_package;
    struct mls_identity mls;
    struct mls_group *group;
};

struct meeting_world {
    struct rng rng;
    uint16_t suite;
    uint8_t kind, entry;
    uint8_t operator_key[32], server_secret[32], link_secret[32];
    struct secret owner;
    uint8_t owner_key[32];
    struct group_link link;
    char id[GROUP_MEETING_ID_LEN + 1];
    uint8_t meeting[32];
    struct secret external_key;
    struct mls_buf external_sender;
    struct mls_buf context_extensions, info_extensions, founding;
    struct seat people[PEOPLE_MAX];
    size_t count;
    struct mls_buf commit, welcome, group_info, tree, proposals, scratch;
    uint8_t group_id[16];
};

/* A meeting of this kind and entry, without anybody. */
void meeting_init(struct meeting_world *w, uint16_t suite, uint8_t kind, uint8_t entry);
void meeting_free(struct meeting_world *w);

/* A person with a seat key; `grant`: its leaf has one by the owner. */
struct seat *seat_make(struct meeting_world *w, bool grant);
/* Its leaf's client extension, changed before it is written; makes all again that hangs on it. */
void seat_client(struct seat *s, const struct group_client *client);
/* What an honest one has. `storage` holds what its spans point to. */
struct client_storage {
    uint8_t signature[64];
    uint8_t grant[GROUP_STATEMENT_LEN_MAX];
};
struct group_client seat_honest_client(struct seat *s, bool grant, struct client_storage *storage);

/* The Meeting as it begins; spans into the world. */
struct group_meeting meeting_first(const struct meeting_world *w);
/* Sets context_extensions to these of a group: required capabilities, external sender, and this meeting. */
void meeting_context(struct meeting_world *w, const struct group_meeting *meeting);
/* Begins the group, with a Founding if the seat has a Grant and `founding`. GroupInfo and tree are in w->group_info and
 * w->tree. */
void seat_found(struct seat *s, bool founding);
/* w->info_extensions for this Meeting. */
void meeting_info(struct meeting_world *w, const struct group_meeting *meeting);
/* GroupInfo and tree of the group as `s` has it. */
void seat_publish(struct seat *s);

/* Appends an encoded proposal to w->proposals. */
void propose_add(struct meeting_world *w, struct seat *joiner);
void propose_psk(struct meeting_world *w);
void propose_remove(struct meeting_world *w, struct seat *gone);
void propose_meeting(struct meeting_world *w, const struct group_meeting *meeting);
uint32_t seat_leaf(const struct seat *of, const struct seat *who);
/* Commits w->proposals (then empty again): w->commit, w->welcome, w->group_info; pending. */
void seat_commit(struct seat *s);
/* Enters by external commit with w->group_info and w->tree of `host`, pending; `psk`: with the link's. */
void seat_enter(struct seat *s, struct seat *host, bool psk, bool resync);
/* Everybody takes w->commit over, the added join by w->welcome. */
void meeting_deliver(struct seat *from);

/* The verdict of a member on w->commit, which it then refuses. */
enum group_verdict seat_judges(struct seat *s);

#endif
