/* Bounds of everything that MLS leaves open. RFC 9420 allows vectors of 2^30 bytes; what is above these is refused with
 * a reason code (mls_status.h) before anything is computed or kept. A group may set lower ones at its creation. */
#ifndef CONCLAVE_E2EE_MLS_LIMITS_H
#define CONCLAVE_E2EE_MLS_LIMITS_H

/* Members of a group, and the depth of its tree: 2^14. A suite-1 leaf is about 0.3 kB, a hybrid one 1.5 kB, so a full
 * tree is 5 to 28 MB; larger audiences are several groups. */
#define MLS_MEMBERS_MAX 16384
#define MLS_TREE_DEPTH_MAX 14

/* One message. The longest legitimate one is a commit with a path in a hybrid group whose tree is bare: 1.2 kB a
 * member, 20 MB in a full group. Applications bound it further by their transport. */
#define MLS_MESSAGE_LEN_MAX (32u << 20)
/* A serialised ratchet tree (section 12.4.3.3): 2^14 leaves of 2.8 kB and as many parents of 1.3 kB. */
#define MLS_TREE_LEN_MAX (64u << 20)

/* Names of groups and of external PSKs: a hash is 64 bytes, a URI seldom more than 200. */
#define MLS_GROUP_ID_LEN_MAX 256
#define MLS_PSK_ID_LEN_MAX 256
/* An external pre-shared key: 32 bytes are enough, some systems hand out more. */
#define MLS_PSK_LEN_MAX 1024
#define MLS_PSK_LEN_MIN 1
/* Hashes, MACs, nonces and references on the wire: SHA-512. */
#define MLS_HASH_LEN_MAX 64
/* Public keys, KEM outputs and signatures: above every algorithm that has a number, ML-KEM-1024 and ML-DSA-87 (4627
 * byte signatures) included, so that members which use them can be read past. */
#define MLS_KEY_LEN_MAX 8192
/* Authenticated data of a frame: it travels in the clear, applications put identifiers there. */
#define MLS_AUTHENTICATED_DATA_LEN_MAX 65536
/* An identity, or one certificate of a chain: chains with post-quantum signatures are about 20 kB. */
#define MLS_CREDENTIAL_LEN_MAX 65536
#define MLS_CERTIFICATES_MAX 16

/* Extensions of one list. Registered types are fewer than 20 with GREASE. */
#define MLS_EXTENSIONS_MAX 64
/* Entries of one list of capabilities or required capabilities: all GREASE values and all registered ones several
 * times. */
#define MLS_CAPABILITIES_MAX 256
#define MLS_EXTERNAL_SENDERS_MAX 64

/* Proposals of one commit, and the joiners of one Welcome: at 4 joins a commit held back for 250 ms it is 256. */
#define MLS_PROPOSALS_MAX 1024
#define MLS_WELCOME_SECRETS_MAX 1024
/* PSKs of one commit or Welcome: one for the link, one for a reinitialisation, a few of past epochs. */
#define MLS_PSKS_MAX 64
/* Ciphertexts of one node of an UpdatePath: the resolution of a subtree, in the worst case all of its leaves. */
#define MLS_RESOLUTION_MAX (MLS_MEMBERS_MAX / 2)

/* The secret tree (section 9, 15.3). A message may be this far ahead of its sender's ratchet: 1024 lost messages in one
 * epoch. A malicious member can ask for their 1500 key derivations with each message: 1 to 3 ms. */
#define MLS_GENERATION_AHEAD_MAX 1024
/* Keys of skipped generations that one ratchet keeps for late messages, the newest ones: reordering spans network
 * queues, not more. */
#define MLS_SKIPPED_KEYS_MAX 256
/* Every ratchet may keep this many; all that ratchets keep above it is counted, and bounded by the second number in one
 * epoch: 4096 keys are 200 kB. A member who skips generations on purpose can fill that and costs others the keys
 * beyond their own 8. */
#define MLS_SKIPPED_KEYS_OWN 8
#define MLS_SKIPPED_KEYS_SHARED_MAX 4096

/* What a client keeps: key packages that nobody has used yet (a hundred meetings ahead), external PSKs (one a link). */
#define MLS_KEY_PACKAGES_MAX 128
#define MLS_CLIENT_PSKS_MAX 256
/* Lifetime of a key package (section 7.2): three months by default, a year and its clock slack at most. */
#define MLS_LIFETIME_DEFAULT_S (90ull * 86400)
#define MLS_LIFETIME_SLACK_S 3600ull
#define MLS_LIFETIME_MAX_S (366ull * 86400)
/* Epochs whose late application messages still open: a message and a commit that cross on the way need one; two commits
 * in a row, two. Each costs its secret tree; more keeps keys alive that section 9.2 wants gone. */
#define MLS_PAST_EPOCHS_DEFAULT 2
#define MLS_PAST_EPOCHS_MAX 8
/* Epochs whose resumption PSK is kept (section 8.6), the present one included: how many is the application's to say;
 * each is a secret more that outlives its epoch. */
#define MLS_RESUMPTION_EPOCHS_DEFAULT 8
#define MLS_RESUMPTION_EPOCHS_MAX 1024
/* Padding of a PrivateMessage to a multiple of this at most. */
#define MLS_PADDING_STEP_MAX 65536
/* One exported secret (section 8.5): what HKDF gives here. */
#define MLS_EXPORT_LEN_MAX 1024
/* AES-256-GCM over a sealed state. */
#define MLS_SEAL_KEY_LEN 32

#endif
