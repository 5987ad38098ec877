/* What a meeting writes into an MLS group: Meeting in the GroupContext, Info in each GroupInfo, Client in each leaf.
 * All fields are public to the server; what is here binds everybody, because it is in the epoch's secrets (Meeting),
 * signed by a member (Info) or by the leaf (Client).
 *
 * Readers are strict: one encoding for one meaning, limits checked, so that two sides that read the same bytes know the
 * same. Spans point into the bytes that were read. Who may change what is in rules.h. No allocation but in buffers
 * written to. Threads: any. */
#ifndef CONCLAVE_GROUP_CONTEXT_H
#define CONCLAVE_GROUP_CONTEXT_H

#include "base/cursor.h"
#include "crypto/backend.h"
#include "e2ee/mls_codec.h"
#include "group/identity.h"

/* Private range of RFC 9420 section 17.3. */
#define GROUP_EXTENSION_MEETING 0xF0C0
#define GROUP_EXTENSION_CLIENT 0xF0C1
#define GROUP_EXTENSION_INFO 0xF0C2
#define GROUP_VERSION 2

/* Suites of meetings, and no others: every signature has 64 bytes, every signature key 32. */
bool group_suite_good(uint16_t suite);

#define GROUP_HASH_LEN 32
#define GROUP_KEY_LEN 32
#define GROUP_BARRED_LEN 16
/* Roles are few and in every GroupInfo; a meeting of a thousand has a handful of hosts. */
#define GROUP_ROLES_MAX 64
#define GROUP_HOSTS_MAX 32 /* of these, hosts and co-hosts */
#define GROUP_RECORDERS_MAX 4
#define GROUP_REGIONS_MAX 8
#define GROUP_REGION_LEN_MAX 32
#define GROUP_BARRED_MAX 64
#define GROUP_MEETING_LEN_MAX (5u << 10)
#define GROUP_INFO_LEN_MAX (3u << 10)
#define GROUP_CLIENT_LEN_MAX (1u << 10)
#define GROUP_SOFTWARE_LEN_MAX 64
#define GROUP_BUNDLE_LEN_MAX 64

enum group_kind {
    GROUP_KIND_NOW = 1,
    GROUP_KIND_SCHEDULED = 2,
    GROUP_KIND_SERIES = 3,
    GROUP_KIND_PERMANENT = 4,
    GROUP_KIND_ANYBODY = 128, /* added: anybody may begin */
};
/* Higher is stricter. */
enum group_entry { GROUP_OPEN = 0, GROUP_HOUSE = 1, GROUP_LOBBY = 2, GROUP_LOCKED = 3 };
enum group_mode { GROUP_SUSPENDED = 1, GROUP_PASSCODE = 2, GROUP_MEMBERS_ONLY = 4 };
enum group_succession { GROUP_HOLD = 1, GROUP_SUCCEED_HOUSE = 2, GROUP_END = 3 };
/* Bits of `may`, allow and deny. */
enum group_may {
    GROUP_MAY_MICROPHONE = 1,
    GROUP_MAY_CAMERA = 2,
    GROUP_MAY_SCREEN = 4, /* with its sound */
    GROUP_MAY_CHAT = 8,
    GROUP_MAY_PRIVATE_CHAT = 16,
    GROUP_MAY_FILES = 32,
    GROUP_MAY_REACTIONS = 64,
    GROUP_MAY_RENAME = 128,
    GROUP_MAY_RECORD = 256,
    GROUP_MAY_LINK = 512,
    GROUP_MAY_ALL = 1023,
};
enum group_role { GROUP_HOST = 1, GROUP_COHOST = 2, GROUP_PARTICIPANT = 3, GROUP_VIEWER = 4 };

/* struct {
 *     uint8 version = 2; uint8 meeting[32]; uint8 kind;
 *     uint8 operator[32]; uint8 owner[32]; uint8 first_link_key[32]; uint32 generation; opaque regions<V>;
 *     uint8 entry; uint8 mode; uint32 may; uint8 succession; uint16 succession_min;
 *     Role roles<V>; Recorder recorders<V>; opaque barred<V>; uint8 floor[32], founding[32];
 * } Meeting;                                                       GroupContext, 0xF0C0; the suite is MLS's own field
 * regions: names, each <V>, sorted, no two equal; empty: any
 * struct { uint8 role; uint32 allow; uint32 deny; opaque key<V>; } Role;            one a seat key, of 32 bytes
 * struct { opaque key<V>; uint64 since_s; } Recorder;                               one a seat key
 * barred: SHA-256(seat key)[0..16) and account tags, 16 bytes each, newest last, no two equal
 * floor: SHA-256 of the house's Policy; founding: SHA-256 of Founding; zeros without one */
struct group_meeting {
    struct span meeting;                             /* [32]: group_meeting_hash of link.h */
    uint8_t kind;                                    /* enum group_kind, one of 1 to 4, perhaps + 128 */
    struct span operator_key, owner, first_link_key; /* [32] each; `operator_key` is the house's */
    uint32_t generation;
    struct span regions;
    uint8_t entry;      /* enum group_entry */
    uint8_t mode;       /* enum group_mode */
    uint32_t may;       /* enum group_may, for participants */
    uint8_t succession; /* enum group_succession */
    uint16_t succession_min;
    struct span roles;
    struct span recorders;
    struct span barred;
    struct span floor, founding; /* [32] each */
};

/* `data` is the extension's; false when it is not one of version 2, well-formed and within limits. */
bool group_meeting_read(struct span data, struct group_meeting *out);
/* Appends it. What group_meeting_read would refuse makes `out` fail (MLS_TOO_LARGE). */
void group_meeting_write(const struct group_meeting *meeting, struct mls_buf *out);
/* The meeting of an encoded list of GroupContext extensions. */
bool group_meeting_of(struct span extensions, struct group_meeting *out);

struct group_role_entry {
    uint8_t role; /* enum group_role */
    uint32_t allow, deny;
    struct span key; /* [32] */
};
/* Walks the roles: start with *at = 0, until false. */
bool group_role_next(const struct group_meeting *meeting, size_t *at, struct group_role_entry *out);
bool group_role_find(const struct group_meeting *meeting, struct span seat_key, struct group_role_entry *out);
void group_role_add(struct mls_buf *roles, const struct group_role_entry *entry);

struct group_recorder {
    struct span key;
    uint64_t since_s;
};
bool group_recorder_next(const struct group_meeting *meeting, size_t *at, struct group_recorder *out);
void group_recorder_add(struct mls_buf *recorders, const struct group_recorder *recorder);

bool group_region_next(const struct group_meeting *meeting, size_t *at, struct span *name);

/* The entry of a seat in `barred`, and whether it is there. */
void group_barred_of_seat(const struct crypto_backend *crypto, struct span seat_key, uint8_t out[GROUP_BARRED_LEN]);
bool group_is_barred(const struct group_meeting *meeting, struct span entry);

/* struct { uint32 generation; uint8 link_key[32]; opaque policy<V>; opaque founding<V>; } Info;       GroupInfo, 0xF0C2
 * policy and founding: the bodies whose hashes are in the Meeting, empty when those are zeros */
struct group_info {
    uint32_t generation;
    struct span link_key; /* [32] */
    struct span policy, founding;
};
bool group_info_read(struct span data, struct group_info *out);
void group_info_write(const struct group_info *info, struct mls_buf *out);
/* The Info of an encoded list of GroupInfo extensions. */
bool group_info_of(struct span extensions, struct group_info *out);

enum group_client_kind { GROUP_BROWSER = 1, GROUP_NATIVE = 2, GROUP_TEST = 3 };

/* struct {
 *     uint8 version = 2; uint8 kind; opaque software<V>; opaque bundle<V>; uint32 generation;
 *     uint8 link_signature[64]; opaque house<V>; opaque grant<V>;
 * } Client;                                                                                            leaf, 0xF0C1 */
struct group_client {
    uint8_t kind; /* enum group_client_kind */
    struct span software, bundle;
    uint32_t generation;
    struct span link_signature; /* [64]: statement.h, "Leaf" */
    struct span house, grant;   /* bodies of statements, or empty */
};
bool group_client_read(struct span data, struct group_client *out);
void group_client_write(const struct group_client *client, struct mls_buf *out);
/* The Client of an encoded list of leaf extensions. */
bool group_client_of(struct span extensions, struct group_client *out);

#endif
