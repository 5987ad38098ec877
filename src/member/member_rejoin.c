/* Coming back to the group when we cannot follow it any more, without ever trusting less than we know.
 *
 * A group that is good is given up for nothing: what is to take its place is made beside it, in a client of its own
 * since both have the same group id, and replaces it when it has passed the rules and was accepted. What a resync leads
 * to must be our group, go on from no earlier than where we are, with the same extensions, the server's key and the
 * hosts' list among them, and nobody in it whom we saw go. That it descends from our epoch cannot be seen from a
 * GroupInfo alone. */
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "member/member_internal.h"

void member_drop_joining(struct member *m) {
    mls_group_free(m->joining);
    m->joining = NULL;
    m->creating = false;
    if (m->joining_client != NULL)
        mls_client_free(m->joining_client);
    m->joining_client = NULL;
}

void member_adopt_joining(struct member *m) {
    ASSERT(m->joining != NULL);
    if (m->group != NULL) {
        ASSERT(m->joining_client != NULL);
        mls_group_free(m->group);
        mls_client_free(m->client);
        m->client = m->joining_client;
        m->joining_client = NULL;
        m->switches_count = 0;
    }
    m->group = m->joining;
    m->joining = NULL;
    m->creating = false;
}

/* What was asked for on a connection that broke is asked for again. */
void member_rejoin_resumed(struct member *m, bool behind) {
    bool before = m->astray;
    m->astray = before || behind; /* what we miss comes from the log, or, when that does not reach back, by a resync */
    if (before)
        member_rejoin_later(m);
}

void member_go_astray(struct member *m, uint64_t epoch, enum mls_status status) {
    bool before = m->astray && m->rejoin_at_us != TIME_NEVER;
    m->astray = true;
    if (before)
        return; /* said, and about to be said again */
    member_send_bad(m, epoch, status);
    member_rejoin_later(m);
}

void member_rejoin_later(struct member *m) {
    uint64_t pause_us = REJOIN_MIN_US << (m->rejoin_tries < 6 ? m->rejoin_tries : 6);
    m->rejoin_tries++;
    m->rejoin_at_us = m->now_us + time_min(pause_us, REJOIN_MAX_US);
}

/* The answer did not come, or was of no use: whoever made that GroupInfo may have made it so, and the next is
 * another's.
 */
void member_rejoin_tick(struct member *m, uint64_t now_us) {
    if (now_us < m->rejoin_at_us)
        return;
    m->rejoin_at_us = TIME_NEVER;
    if (!m->astray || m->group == NULL)
        return;
    if (m->joining != NULL && now_us < m->joining_since_us + PENDING_US) {
        m->rejoin_at_us = m->joining_since_us + PENDING_US;
        return;
    }
    member_drop_joining(m);
    member_send_bad(m, 0, MLS_EPOCH_AHEAD);
    member_rejoin_later(m);
}

static bool refuse(struct member *m, enum mls_status status) {
    member_alarm(m, MEMBER_ALARM_FORK, span_of(NULL, 0), status);
    return false;
}

/* What can be seen before its tree is there. */
static bool info_good(struct member *m, struct span bytes) {
    struct mls_message message;
    if (mls_message_parse(bytes, &message) != MLS_OK || message.wire_format != MLS_WIRE_GROUP_INFO)
        return refuse(m, MLS_TRUNCATED);
    const struct mls_group_context *context = &message.group_info.group_context;
    if (!span_equal(context->group_id, mls_group_id(m->group)))
        return refuse(m, MLS_WRONG_GROUP);
    if (context->epoch < mls_group_epoch(m->group))
        return refuse(m, MLS_EPOCH_OVER);
    /* in our own epoch there is one group: ours */
    if (context->epoch == mls_group_epoch(m->group) &&
        !(span_equal(context->confirmed_transcript_hash, mls_group_transcript_hash(m->group)) &&
          span_equal(context->tree_hash, mls_group_tree_hash(m->group))))
        return refuse(m, MLS_GROUP_INFO_MISMATCH);
    if (!span_equal(context->extensions.bytes, mls_group_extensions(m->group)))
        return refuse(m, MLS_PROPOSAL_REFUSED);
    return true;
}

void member_on_resync(struct member *m, const struct wire1_message *message) {
    if (m->group == NULL) { /* a newcomer whose Welcome was of no use: it knows nothing that could be contradicted */
        if (m->joining == NULL)
            member_fetch_tree(m, FETCH_RESYNC, message);
        return;
    }
    if (!m->astray) {
        (void)refuse(m, MLS_WRONG_STATE);
        return;
    }
    if (m->joining != NULL || !info_good(m, message->group_info))
        return;
    member_fetch_tree(m, FETCH_RESYNC, message);
}

bool member_rejoin_good(struct member *m) {
    uint32_t cursor = 0;
    struct mls_member member;
    while (mls_member_next(m->joining, &cursor, &member)) {
        if (!member_key_is_gone(m, member.leaf.signature_key))
            continue;
        member_alarm(m, MEMBER_ALARM_FORK, member.leaf.identity, MLS_SENDER_NOT_MEMBER);
        return false;
    }
    return true;
}
