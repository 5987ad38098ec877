/* Files of meetings: ciphertexts that members share, in a folder of their own for as long as their meeting lasts. The
 * index is in memory; what an earlier server left in the folder is deleted when this one starts.
 *
 *     store_create     empties the folder
 *     store_begin      room for a file of this length in a group    -> upload, 0: there is none
 *     store_write      its next bytes                                  store_abort: it will not come
 *     store_commit     all of them are there: the file's id
 *     store_open       a file, for store_read and store_close
 *     store_delete     a file is taken back by the person who sent it
 *     store_drop       everything of a group, uploads under way included, is deleted; who reads may read to the end
 *
 * Shares: what one person, one group and one source (an address) may have of it, below; what would be more is refused (STORE_SHARE),
 * before what there is room for in all is looked at (STORE_FULL). What is under way is never ended for a newcomer: who is slow is ended
 * by the HTTP server's minimum rate.
 *
 * Limits: bytes of a file, of a group, of everything (STORE_GROUPS_FULL groups that are full), files of a group and in
 * all, uploads and readers at a time (each holds a descriptor). Bytes are reserved when an upload begins. Calls block
 * for as long as the file system takes to take a piece into its cache; nothing is synced, since nothing outlives the
 * process. Threads: one. */
#ifndef CONCLAVE_IO_STORE_H
#define CONCLAVE_IO_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"
#include "base/net.h"
#include "base/rng.h"

struct store;

/* 96 random bits: nobody guesses one, and only members may ask. */
#define STORE_ID_LEN 16
#define STORE_GROUP_LEN_MAX 64
#define STORE_FILES_MAX 16384
#define STORE_FILES_PER_GROUP_MAX 1000
#define STORE_UPLOADS_MAX 64
#define STORE_READERS_MAX 256
#define STORE_GROUPS_FULL 16
/* Browsers of one person send one file after the other, and open six connections to a host; a file is fetched by everybody at once. */
#define STORE_UPLOADS_PER_PERSON_MAX 4
#define STORE_UPLOADS_PER_GROUP_MAX (STORE_UPLOADS_MAX / 4)
#define STORE_UPLOADS_PER_SOURCE_MAX (STORE_UPLOADS_MAX / 4)
#define STORE_READERS_PER_PERSON_MAX 6
#define STORE_READERS_PER_GROUP_MAX (STORE_READERS_MAX / 2)
#define STORE_READERS_PER_SOURCE_MAX (STORE_READERS_MAX / 2)
/* Nobody takes a meeting's room from its others: a person has half of its bytes (one file in any case) and files. One source has a
 * quarter of all bytes and files, with as many meetings as it makes. */
#define STORE_PERSON_PART 2
#define STORE_SOURCE_PART 4

#define STORE_COUNTERS(X)                                                                                              \
    X(files_stored, "files taken from members")                                                                        \
    X(files_read, "files given to members, whole or in parts")                                                         \
    X(files_refused, "files refused because a limit was reached")                                                      \
    X(files_refused_share, "files neither taken nor given because a person, meeting or address had its share")         \
    X(files_aborted, "files whose upload ended early")                                                                 \
    X(files_deleted, "files deleted because their meeting was over")                                                   \
    X(files_taken_back, "files deleted by the members who had sent them")                                              \
    X(files_failed, "files that the file system failed to take or give")
COUNTERS_DEFINE(store_counters, STORE_COUNTERS)

struct store_config {
    const char *folder; /* is made when it is missing; everything in it is deleted; copied */
    uint64_t file_len_max, group_len_max;
};

/* NULL with a sentence. `rng` is for ids and outlives the store. */
struct store *store_create(const struct store_config *config, struct rng *rng, char *error, size_t error_size);
/* Deletes everything that is left. NULL is fine. */
void store_destroy(struct store *store);
const struct store_counters *store_counters_get(const struct store *store);
/* Bytes kept or reserved, of all groups. */
uint64_t store_len(const struct store *store);

/* Whose shares something counts to. A source without family is not counted: this machine, where a proxy may be. */
struct store_who {
    struct span group, person;
    struct net_addr source; /* as address_client makes it */
};
enum store_refusal { STORE_TAKEN, STORE_SHARE, STORE_FULL, STORE_MISSING };

/* `len` > 0 bytes will come. 0, and why not in `refusal`. */
uint32_t store_begin(struct store *store, const struct store_who *who, uint64_t len, enum store_refusal *refusal);
/* False: the upload is over (its group was dropped, too much came, or the disk failed), and the handle with it. */
bool store_write(struct store *store, uint32_t upload, struct span bytes);
/* False when bytes are missing; the upload is over in any case. */
bool store_commit(struct store *store, uint32_t upload, char id[STORE_ID_LEN + 1]);
/* Stale handles are ignored. */
void store_abort(struct store *store, uint32_t upload);

/* A descriptor, or -1 and why: the group has no such file, or too many are being read. */
int store_open(struct store *store, const struct store_who *who, struct span id, uint64_t *len,
               enum store_refusal *refusal);
/* Bytes from `at` on, at least one; 0 when it cannot be read. */
size_t store_read(struct store *store, int file, uint64_t at, uint8_t *out, size_t max);
void store_close(struct store *store, int file);
/* False: there is no such file of this person. Who reads it may read to the end. */
bool store_delete(struct store *store, const struct store_who *who, struct span id);
void store_drop(struct store *store, struct span group);

#endif
