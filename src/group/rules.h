/* The rules of meetings: what a commit may change, who may come in, what a joiner checks. Each is a function of the
 * group before (public data) and of the staged commit, and of nothing else, no clock either, so server, member, native
 * and WebAssembly say the same. RFC 9420's own rules come first and are the library's.
 *
 *     1 ADD       2 EXTERNAL       3 REMOVE       4 CONTEXT       5 LEAF       6 JOIN
 *
 * Entry OPEN is served; HOUSE, LOBBY and LOCKED are judged as far as they need no House: hosts and co-hosts add, and
 * who is in the tree or in `roles`, or has a Grant, comes back by itself. What needs a House, a Policy or a passcode is
 * refused (UNSUPPORTED): leaves without House, meetings without floor and PASSCODE. Threads: any; nothing is kept. */
#ifndef CONCLAVE_GROUP_RULES_H
#define CONCLAVE_GROUP_RULES_H

#include "e2ee/mls.h"
#include "group/context.h"

/* Adds in one commit, as many as one commit_now names: each costs everybody three signatures. */
#define GROUP_ADDS_MAX 64

/* X(NAME, rule, "words for a log") */
#define GROUP_VERDICTS(X)                                                                                              \
    X(GOOD, 0, "keeps to the rules")                                                                                   \
    X(NO_MEMORY, 0, "memory is short; may be tried again")                                                             \
    X(CONTEXT_MALFORMED, 4, "the group has no meeting in its context, or a malformed one")                             \
    X(UNSUPPORTED, 4, "the meeting or a leaf uses what this version does not have")                                    \
    X(BY_REFERENCE, 1, "a proposal by reference that is not the server's Remove")                                      \
    X(PROPOSAL_KIND, 4, "a kind of proposal that meetings do not have")                                                \
    X(ADD_BY_NOBODY, 1, "an Add by somebody who may not add in this entry")                                            \
    X(ADD_TOO_MANY, 1, "more Adds in one commit than anybody is asked for")                                            \
    X(PSK_MISSING, 1, "somebody comes in without the PSK of the link's generation")                                    \
    X(PSK_OTHER, 1, "a PSK that is not the one of the link's generation")                                              \
    X(LEAF_MALFORMED, 1, "a leaf without a well-formed client extension or with another credential than basic")        \
    X(LEAF_IDENTITY, 1, "an identity that does not follow from its seat key")                                          \
    X(LEAF_LINK, 1, "a leaf without a good signature of the link's present generation")                                \
    X(LEAF_GRANT, 1, "a leaf with a Grant that is not the owner's for it")                                             \
    X(LEAF_BARRED, 1, "a seat that is barred")                                                                         \
    X(LEAF_MEMBERS_ONLY, 1, "somebody without a House where members of the house alone come in")                       \
    X(EXTERNAL_OTHER, 2, "an external commit with more in it than its kind may have")                                  \
    X(EXTERNAL_ENTRY, 2, "an external commit of somebody who may not come in so")                                      \
    X(REMOVE_BY_NOBODY, 3, "a Remove by somebody who may not remove")                                                  \
    X(REMOVE_ABOVE, 3, "a Remove of a host or co-host by a co-host")                                                   \
    X(CONTEXT_BY_NOBODY, 4, "a change of the meeting by somebody who may not")                                         \
    X(CONTEXT_IMMUTABLE, 4, "a change of what never changes")                                                          \
    X(CONTEXT_COHOST, 4, "a change of what only hosts may change")                                                     \
    X(CONTEXT_GENERATION, 4, "a generation that does not rise by one, or rises while somebody is added")               \
    X(CONTEXT_BARRED_HOST, 4, "a seat that is barred and host or co-host at once")                                     \
    X(LEAF_CHANGED, 5, "a member changed its identity, seat key, House or Grant")                                      \
    X(JOIN_ID, 6, "the group's meeting is not the one of the link")                                                    \
    X(JOIN_OPERATOR, 6, "the group's operator is not the one of the link")                                             \
    X(JOIN_GENERATION, 6, "the group's link is of another generation than ours")                                       \
    X(JOIN_INFO, 6, "the GroupInfo contradicts its own context")                                                       \
    X(JOIN_FOUNDING, 6, "nobody who might has begun this group")                                                       \
    X(JOIN_SIGNER, 6, "the Welcome is by somebody who may not add")                                                    \
    X(JOIN_SENDER, 6, "not exactly one external sender, or not the server's")                                          \
    X(FOUND_ROLES, 6, "a group begun without a Grant that has hosts, or is not open")
#define GROUP_VERDICT_NAME(name, rule, text) GROUP_##name,
enum group_verdict { GROUP_VERDICTS(GROUP_VERDICT_NAME) GROUP_VERDICT_COUNT };
#undef GROUP_VERDICT_NAME
const char *group_verdict_text(enum group_verdict verdict);
/* The rule that was broken, 1 to 6; 0 for GOOD and NO_MEMORY. */
unsigned group_verdict_rule(enum group_verdict verdict);

/* The group before. Made by group_rules_before from what both sides have. */
struct group_before {
    const struct crypto_backend *crypto;
    uint16_t suite;
    struct span extensions;       /* GroupContext's, encoded */
    struct group_meeting meeting; /* of these */
    struct span link_key; /* [32], of the present generation: Info's, which for generation 0 is first_link_key */
    /* A member's leaf; false for a blank one. Spans live until the next call. */
    bool (*leaf_at)(const void *group, uint32_t leaf_index, struct mls_leaf_info *leaf);
    const void *group;
};
/* `link_key` empty: generation 0 is expected, and first_link_key taken. */
enum group_verdict group_rules_before(const struct crypto_backend *crypto, uint16_t suite, struct span extensions,
                                      struct span link_key, struct group_before *out);
/* Of a member: leaf_at and the rest over its group, which outlives it. */
enum group_verdict group_rules_before_of(const struct crypto_backend *crypto, const struct mls_group *group,
                                         struct span link_key, struct group_before *out);

/* The staged commit, as mls.h tells it or as a public follower makes it up. */
struct group_staged {
    const struct mls_commit_info *info;
    bool (*proposal_at)(const void *commit, uint32_t index, struct mls_proposal_info *out); /* from 0 until false */
    const void *commit;
};
/* A member's mls_staged_*; `info` gets what mls_staged_info says and outlives `out`. False when nothing is staged. */
bool group_staged_of(const struct mls_group *group, struct mls_commit_info *info, struct group_staged *out);

/* Rules 1 to 5. */
enum group_verdict group_rules_commit(const struct group_before *before, const struct group_staged *staged);

/* ---- who somebody is ---- */

struct group_standing {
    enum group_role role;
    uint32_t may; /* enum group_may, after allow and deny */
    bool by_grant;
};
/* Of a leaf of this group: host by a good Grant, else its entry in roles, else participant. False when memory is short.
 * Verifies a signature when the leaf has a Grant. */
bool group_standing_of(const struct group_before *before, const struct mls_leaf_info *leaf, struct group_standing *out);

/* Whether this leaf could be added by `by` (a member's leaf), or by anybody who may add at all when NULL: what a host's
 * client asks before a commit, and the server at hello. The conditions of rule 1 without the PSK. */
enum group_verdict group_rules_add(const struct group_before *before, const struct mls_leaf_info *leaf,
                                   const struct mls_leaf_info *by);
/* Whether this leaf may enter by an external commit, `in_tree`: because a leaf of the same seat key goes with it. Rule
 * 2 without the PSK; GOOD is standing 2 of hello. */
enum group_verdict group_rules_enter(const struct group_before *before, const struct mls_leaf_info *leaf, bool in_tree);

/* ---- beginning and joining ---- */

/* Epoch 0 of a group that its only member begins: its leaf, generation 0, begun by the owner (a good Founding and Grant
 * of that seat) or by anybody where kind has 128 (then OPEN and without hosts). `external_sender`: the server's own,
 * encoded (create_now); it is the only entry. */
struct group_beginning {
    struct span id;              /* of the meeting, as in the link */
    struct span group_id;        /* GROUP_ID_LEN of statement.h */
    struct span info_extensions; /* of the GroupInfo, encoded */
    struct span external_sender;
};
enum group_verdict group_rules_found(const struct group_before *first, const struct mls_leaf_info *founder,
                                     const struct group_beginning *beginning);

/* Rule 6: what who joins checks of the group that it is about to be in, before it says or shows anything. `joined` is
 * that group with its own link_key (group_link_derive). */
struct group_joining {
    struct span id;              /* of the meeting, from the link */
    struct span operator_hash;   /* [16], from the link: SHA-256(operator)[0..16) */
    uint32_t generation;         /* of the link's secret that we have */
    struct span group_id;        /* of the group */
    struct span info_extensions; /* of the GroupInfo, or of the one in the Welcome */
    uint32_t leaf_count;         /* leaves are looked at from 0 below this; 0: see group_rules_members */
    struct span external_sender; /* the server's own, encoded; empty: any */
    bool by_welcome;             /* then: */
    uint32_t signer;             /* leaf that made the Welcome */
};
enum group_verdict group_rules_join(const struct group_before *joined, const struct group_joining *joining);
/* Its part that is about the leaves from `from` below `end`, for who looks at a few at a time. */
enum group_verdict group_rules_members(const struct group_before *joined, uint32_t from, uint32_t end);

#endif
