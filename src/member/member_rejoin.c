/* Coming back to the group when we cannot follow it any more, without ever trusting less than we know.
 *
 * A group that is good is given up for nothing: what is to take its place is made beside it, in a client of its own
 * since both have the same group id, and replaces it when it has passed the rules and its commit stands. What a resync
 * leads to must descend from our own epoch: the commits and Removes since are fetched and replayed publicly, under the
 * rules, and must end exactly where its GroupInfo is (transcript, tree, extensions). */
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "group/public.h"
#include "member/member_internal.h"

void member_drop_joining(struct member *m) {
    mls_group_free(m->joining);
    m->joining = NULL;
    m->creating = false;
    if (m->next == NEXT_JOINING)
        m->next = NEXT_NONE;
    if (m->joining_client != NULL)
        mls_client_free(m->joining_client);
    m->joining_client = NULL;
}

void member_drop_way_back(struct member *m) {
    member_drop_joining(m);
    if (m->fetching == FETCH_CHAIN || m->fetching == FETCH_RESYNC)
        m->fetching = FETCH_NONE;
    if (m->astray && m->rejoin_at_us == TIME_NEVER)
        member_rejoin_later(m); /* not all is there yet */
}

void member_adopt_joining(struct member *m) {
    ASSERT(m->joining != NULL);
    if (m->group != NULL) {
        ASSERT(m->joining_client != NULL);
        mls_group_free(m->group);
        mls_client_free(m->client);
        m->client = m->joining_client;
        m->joining_client = NULL;
    }
    m->group = m->joining;
    m->joining = NULL;
    m->creating = false;
}

/* ---- a server that was started again ---- */

static bool context_hash(const struct member *m, struct span context, uint8_t out[WIRE_HASH_LEN]) {
    return m->crypto->hash(HASH_SHA256, &context, 1, out) == CRYPTO_OK;
}

/* Where we are, and where we may be soon: a commit that others have seen to stand does so here, too. */
static void send_where(struct member *m) {
    uint8_t here[WIRE_HASH_LEN], next[WIRE_HASH_LEN];
    struct span context;
    bool waits = mls_next_context(m->group, &context) == MLS_OK && context_hash(m, context, next);
    if (context_hash(m, mls_group_context(m->group), here))
        member_send_wire(m, &(struct wire_message){.type = WIRE_WHERE,
                                                   .epoch = mls_group_epoch(m->group),
                                                   .context_hash = span_of(here, sizeof here),
                                                   .next_hash = span_of(next, waits ? sizeof next : 0)});
}

static enum mls_status write_own(struct member *m, struct mls_buf *info, struct mls_buf *tree) {
    struct mls_buf extensions;
    mls_buf_init(&extensions, 4096);
    enum mls_status status = member_info_extensions(m, &extensions);
    struct mls_group_info_options options = {.external_pub = true, .extensions = mls_buf_span(&extensions)};
    if (status == MLS_OK)
        status = mls_group_info(m->group, &options, info);
    if (status == MLS_OK)
        status = mls_group_tree(m->group, tree);
    mls_buf_free(&extensions);
    return status;
}

void member_on_restate(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng,
                       const struct wire_message *message) {
    struct mls_buf info, tree;
    if (m->group == NULL || !m->resuming || (m->restated && m->restated_whole)) {
        m->dropped++;
        return;
    }
    if (m->next != NEXT_NONE && m->next_apply_us != TIME_NEVER)
        member_stand(m, now_us, unix_s, rng); /* a host's, which nothing takes back */
    if (m->group == NULL)
        return;
    if (!m->restated)
        send_where(m);
    m->restated = true;
    if ((message->flags & WIRE_RESTATE_WHOLE) == 0)
        return;
    m->restated_whole = true;
    mls_buf_init(&info, WIRE_GROUP_INFO_LEN_MAX);
    mls_buf_init(&tree, WIRE_MESSAGE_LEN_MAX - WIRE_GROUP_INFO_LEN_MAX);
    if (write_own(m, &info, &tree) == MLS_OK)
        member_send_wire(m, &(struct wire_message){
                                .type = WIRE_RESTATED, .group_info = mls_buf_span(&info), .tree = mls_buf_span(&tree)});
    mls_buf_free(&info);
    mls_buf_free(&tree);
}

/* What the former server had announced or taken and not ended is over; it counts anew. */
void member_restated(struct member *m, const struct wire_message *state) {
    struct mls_proposal_info proposal;
    m->last_seq = state->seq;
    if (state->epoch != mls_group_epoch(m->group)) { /* what we have staged may be it */
        if (m->next == NEXT_NONE && mls_commit_is_pending(m->group))
            member_await_own(m);
        return;
    }
    member_forget_next(m);
    while (mls_proposal_at(m->group, 0, &proposal))
        mls_proposal_forget(m->group, proposal.ref);
    m->remove_try_us = TIME_NEVER;
    for (uint32_t i = 0; i < m->people_count; i++)
        m->people[i].leaving_since_us = 0;
}

/* ---- coming in again ---- */

/* What was asked for on a connection that broke is asked for again. */
void member_rejoin_resumed(struct member *m, const struct wire_message *state) {
    m->log_ends_seq = state->seq;
    m->catching_up = state->epoch != mls_group_epoch(m->group) || state->seq != m->last_seq;
    if (m->astray)
        member_rejoin_later(m);
}

void member_caught_up(struct member *m) {
    if (!m->catching_up || m->group == NULL || m->last_seq < m->log_ends_seq)
        return;
    if (mls_group_epoch(m->group) >= m->behind_epoch)
        m->catching_up = false;
    else if (m->rejoin_at_us == TIME_NEVER) /* the log was to lead there and does not */
        member_rejoin_later(m);
}

void member_go_astray(struct member *m, uint64_t epoch, enum mls_status status) {
    bool before = m->astray && m->rejoin_at_us != TIME_NEVER;
    m->astray = true;
    if (before)
        return; /* said, and about to be said again */
    m->resync_asked = true;
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
    if (m->group == NULL || !(m->astray || m->catching_up))
        return;
    if (m->joining != NULL && now_us < m->joining_since_us + PENDING_US) {
        m->rejoin_at_us = m->joining_since_us + PENDING_US;
        return;
    }
    member_drop_joining(m);
    m->resync_asked = true;
    member_send_bad(m, member_epoch(m) + 1, MLS_EPOCH_AHEAD);
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
    return true;
}

static void fetch_chain(struct member *m) {
    char path[40];
    struct writer w = writer_of(path, sizeof path);
    uint64_t epoch = mls_group_epoch(m->group);
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + epoch % 10);
        epoch /= 10;
    } while (epoch > 0);
    wr_str(&w, "mls/chain/");
    while (count > 0)
        wr_u8(&w, (uint8_t)digits[--count]);
    ASSERT(writer_ok(&w));
    m->fetching = FETCH_CHAIN;
    m->ticket++;
    member_put(m, &(struct member_output){.type = MEMBER_FETCH, .ticket = m->ticket, .text = writer_span(&w)});
}

void member_on_resync(struct member *m, const struct wire_message *message) {
    if (m->group == NULL) { /* a newcomer whose Welcome was of no use: it knows nothing that could be contradicted */
        member_fetch_for(m, message);
        if (m->joining == NULL)
            member_fetch_tree(m, FETCH_RESYNC, message->tree_hash);
        return;
    }
    if (!m->astray && !m->catching_up) {
        if (!m->resync_asked)
            (void)refuse(m, MLS_WRONG_STATE);
        m->resync_asked = false;
        m->dropped++;
        return;
    }
    if (m->joining != NULL || !info_good(m, message->group_info))
        return;
    member_fetch_for(m, message);
    if (mls_buf_len(&m->fetch_tree_hash) != message->tree_hash.len)
        (void)refuse(m, MLS_TOO_LARGE);
    else if (message->from_epoch > mls_group_epoch(m->group))
        (void)refuse(m, MLS_EPOCH_FORGOTTEN); /* nothing shows that it descends from ours */
    else
        fetch_chain(m);
}

/* Our own epoch, as anybody can see it. */
static enum mls_status open_own(struct member *m, struct rng *rng, struct public_group **out) {
    struct mls_buf info, tree;
    mls_buf_init(&info, WIRE_GROUP_INFO_LEN_MAX);
    mls_buf_init(&tree, WIRE_MESSAGE_LEN_MAX);
    enum mls_status status = write_own(m, &info, &tree);
    if (status == MLS_OK)
        status = public_group_open(&m->suite, m->people_max, mls_buf_span(&info), mls_buf_span(&tree), rng, out);
    mls_buf_free(&info);
    mls_buf_free(&tree);
    return status;
}

static enum mls_status replay(struct public_group *g, struct span chain) {
    struct mls_reader r = mls_reader_of(chain);
    enum mls_status status = MLS_OK;
    while (status == MLS_OK && mls_reader_left(&r) > 0) {
        struct span bytes = mls_rd_vec(&r, WIRE_MESSAGE_LEN_MAX, MLS_TOO_LARGE);
        struct mls_message_info info;
        struct public_group_staged staged;
        status = mls_reader_ok(&r) ? mls_message_peek(bytes, &info) : MLS_TRUNCATED;
        if (status == MLS_OK && info.content_type == MLS_CONTENT_PROPOSAL) {
            status = public_group_proposal(g, bytes);
        } else if (status == MLS_OK) {
            status = public_group_stage(g, bytes, span_of(NULL, 0), span_of(NULL, 0), 0, &staged);
            public_group_keep(g);
        }
    }
    return status;
}

/* The chain itself may have put us out: then we are out, and come back by no way of our own. */
static bool seat_is_in(const struct member *m, const struct public_group *g) {
    uint32_t leaf;
    return public_group_find_seat(g, mls_buf_span(&m->signature_public), &leaf);
}

bool member_chain_good(struct member *m, struct rng *rng, struct span chain) {
    struct public_group *g = NULL;
    enum mls_status status = open_own(m, rng, &g);
    if (status == MLS_OK)
        status = replay(g, chain);
    if (status == MLS_OK)
        status = public_group_agrees(g, mls_buf_span(&m->fetch_group_info));
    if (status == MLS_OK && !seat_is_in(m, g)) {
        public_group_free(g);
        member_end(m, WIRE_GONE_REMOVED);
        return false;
    }
    public_group_free(g);
    return status == MLS_OK || refuse(m, status);
}
