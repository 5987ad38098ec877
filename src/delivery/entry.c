#include "delivery/entry.h"

#include <string.h>

#include "base/assert.h"
#include "e2ee/mls.h"
#include "group/context.h"
#include "group/statement.h"

/* What the checks know of a meeting: of its running group, else of the hello, which the id then has to fit. */
struct known {
    struct group_id_parts parts;
    struct span link_key;
    uint32_t generation;
};

static const uint8_t zeros[GROUP_SIGNATURE_LEN];

static struct known known_of(const struct entry_meeting *meeting, const struct wire_message *hello) {
    struct known known = {.parts = {.first_link_key = hello->first_link_key,
                                    .owner = hello->owner,
                                    .operator_key = meeting->operator_key,
                                    .suite = hello->suite,
                                    .kind = hello->kind},
                          .link_key = hello->first_link_key};
    if (meeting->group == NULL)
        return known;
    const struct group_before *before = public_group_before(meeting->group);
    known.parts.first_link_key = before->meeting.first_link_key;
    known.parts.owner = before->meeting.owner;
    known.parts.operator_key = before->meeting.operator_key;
    known.parts.suite = before->suite;
    known.parts.kind = before->meeting.kind;
    known.link_key = before->link_key;
    known.generation = before->meeting.generation;
    return known;
}

/* The key package of a hello: of the meeting's suite, of this seat, and with the identity that follows from it. */
static bool package_good(const struct crypto_backend *crypto, const struct known *known,
                         const struct wire_message *hello, struct span identity, uint64_t unix_s,
                         struct mls_key_package_info *info) {
    return mls_key_package_check(crypto, hello->key_package, unix_s, info) == MLS_OK &&
           info->suite == known->parts.suite && span_equal(info->leaf.signature_key, hello->seat_key) &&
           span_equal(info->leaf.identity, identity);
}

static bool is_barred(const struct crypto_backend *crypto, const struct public_group *group, struct span seat_key) {
    uint8_t barred[GROUP_BARRED_LEN];
    group_barred_of_seat(crypto, seat_key, barred);
    return group_is_barred(&public_group_before(group)->meeting, span_of(barred, sizeof barred));
}

/* May this seat come back without the link's present key? */
static bool may_return(const struct entry_meeting *meeting, const struct wire_message *hello, struct span meeting_hash,
                       const struct mls_leaf_info *leaf, bool in_tree, const struct crypto_backend *crypto) {
    struct group_role_entry role;
    struct group_client client;
    const struct group_before *before = public_group_before(meeting->group);
    if (in_tree || (meeting->was_taken != NULL && meeting->was_taken(meeting->context, hello->seat_key)))
        return true;
    if (group_role_find(&before->meeting, hello->seat_key, &role) &&
        (role.role == GROUP_HOST || role.role == GROUP_COHOST))
        return true;
    return leaf != NULL && group_client_of(leaf->extensions, &client) && client.grant.len > 0 &&
           group_grant_check(crypto, client.grant, before->meeting.owner, meeting_hash, hello->seat_key) == CRYPTO_OK;
}

static bool proofs_good(const struct crypto_backend *crypto, const struct known *known,
                        const struct wire_message *hello, struct span meeting_hash, struct span server_nonce) {
    /* both are verified in any case; how 2 and 3 carry zeros for the link's, which then does not count */
    struct span link_signature =
        hello->link_signature.len == GROUP_SIGNATURE_LEN ? hello->link_signature : span_of(zeros, sizeof zeros);
    bool link = group_leaf_verify(crypto, known->link_key, meeting_hash, known->generation, hello->seat_key,
                                  link_signature) == CRYPTO_OK;
    struct group_hello said = {.meeting = meeting_hash,
                               .seat_key = hello->seat_key,
                               .how = hello->how,
                               .server_nonce = server_nonce,
                               .client_nonce = hello->nonce,
                               .key_package = hello->key_package};
    bool seat = group_hello_verify(crypto, &said, hello->leaf_signature) == CRYPTO_OK;
    return seat && (link || hello->how != WIRE_ENTER);
}

static enum wire_standing standing_of(const struct entry_meeting *meeting, const struct wire_message *hello,
                                      const struct mls_leaf_info *leaf, bool in_tree) {
    if (hello->how == WIRE_RESUME)
        return WIRE_STANDING_RESUMED;
    if (hello->how == WIRE_RETURN)
        return WIRE_STANDING_RETURN;
    if (meeting->group == NULL)
        return (hello->flags & WIRE_HELLO_MAY_FOUND) != 0 ? WIRE_STANDING_FOUND : WIRE_STANDING_WAIT;
    return group_rules_enter(public_group_before(meeting->group), leaf, in_tree) == GROUP_GOOD ? WIRE_STANDING_TURN
                                                                                               : WIRE_STANDING_WAIT;
}

void entry_check(const struct crypto_backend *crypto, const struct entry_meeting *meeting,
                 const struct wire_message *hello, struct span server_nonce, uint64_t unix_s,
                 struct entry_result *out) {
    struct mls_key_package_info info;
    uint8_t meeting_hash[32];
    uint32_t leaf = 0;
    ASSERT(hello->type == WIRE_HELLO && server_nonce.len == 32);
    memset(out, 0, sizeof *out);
    struct known known = known_of(meeting, hello);
    group_meeting_hash(crypto, meeting->id, meeting_hash);
    struct span hash = span_of(meeting_hash, sizeof meeting_hash);
    group_identity(crypto, hash, hello->seat_key, out->identity);
    struct span identity = span_of(out->identity, sizeof out->identity);
    bool good = group_id_is_of_server(meeting->server, meeting->id);
    good = group_id_is_of(crypto, meeting->id, &known.parts) && good;
    good = group_suite_good(known.parts.suite) && good;
    bool packaged = hello->how != WIRE_RESUME && package_good(crypto, &known, hello, identity, unix_s, &info);
    out->in_tree = meeting->group != NULL && public_group_find_seat(meeting->group, hello->seat_key, &leaf);
    if (hello->how == WIRE_ENTER)
        good = packaged && hello->generation == known.generation && span_equal(hello->link_key, known.link_key) && good;
    else if (meeting->group == NULL) /* forgotten at a restart: whoever is in it may say where it is */
        good = hello->how == WIRE_RESUME && good;
    else
        good = (hello->how == WIRE_RESUME ? out->in_tree : packaged) &&
               may_return(meeting, hello, hash, packaged ? &info.leaf : NULL, out->in_tree, crypto) && good;
    if (meeting->group != NULL) /* a host put it out: another seat may ask */
        good = !is_barred(crypto, meeting->group, hello->seat_key) && good;
    good = proofs_good(crypto, &known, hello, hash, server_nonce) && good;
    out->good = good;
    if (good)
        out->standing = standing_of(meeting, hello, packaged ? &info.leaf : NULL, out->in_tree);
}

uint64_t entry_answer_us(uint64_t now_us) {
    return (now_us / ENTRY_GRID_US + 1) * ENTRY_GRID_US;
}
