#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "delivery/delivery_internal.h"

/* A Remove that could not be proposed is tried again. */
#define REMOVE_AGAIN_US US_PER_S
#include "e2ee/mem.h"
#include "e2ee/mls.h"

/* ---- the log, and telling everybody ---- */

static void log_drop_oldest(struct assembly *m) {
    struct logged *oldest = &m->log[m->log_first];
    m->log_len -= oldest->blob->len;
    blob_free(oldest->blob);
    m->log_first = (m->log_first + 1) % DELIVERY_LOG_MESSAGES_MAX;
    m->log_count--;
}

static void log_add(struct assembly *m, struct blob *blob) {
    while (m->log_count > 0 &&
           (m->log_count == DELIVERY_LOG_MESSAGES_MAX || m->log_len + blob->len > DELIVERY_LOG_LEN_MAX))
        log_drop_oldest(m);
    m->log[(m->log_first + m->log_count++) % DELIVERY_LOG_MESSAGES_MAX] = (struct logged){.seq = m->seq, .blob = blob};
    m->log_len += blob->len;
    blob->refs++;
}

/* Numbers a message, keeps it, and sends it to all members but `except`. */
static void broadcast(struct assembly *m, struct wire_message *message, const struct connection *except) {
    message->seq = ++m->seq;
    struct blob *blob = blob_of(message);
    if (blob == NULL) /* a gap in the log: whoever resumes over it is sent to rejoin */
        return;
    log_add(m, blob);
    struct connection *c = NULL;
    while ((c = delivery_next_connection(m, c)) != NULL) {
        if (c->phase == PHASE_MEMBER && c != except)
            delivery_send_blob(m->owner, c, blob);
    }
    blob_free(blob);
}

static void tell_members(struct assembly *m, const struct wire_message *message) {
    struct blob *blob = blob_of(message);
    struct connection *c = NULL;
    while ((c = delivery_next_connection(m, c)) != NULL) {
        if (c->phase == PHASE_MEMBER)
            delivery_send_blob(m->owner, c, blob);
    }
    blob_free(blob);
}

void assembly_group_free(struct assembly *m) {
    while (m->log_count > 0)
        log_drop_oldest(m);
    if (m->active)
        public_group_free(&m->group);
    m->active = false;
}

/* ---- coming ---- */

static void send_state(struct assembly *m, struct connection *c) {
    struct wire_message state = {.type = WIRE_STATE,
                                 .suite = m->owner->config.suite,
                                 .active = m->active,
                                 .seq = m->seq,
                                 .external_sender = mls_buf_span(&m->owner->external_sender)};
    if (m->active) {
        state.epoch = m->group.epoch;
        state.group_info = mls_buf_span(&m->group.info);
        state.tree_hash = mls_hash_span(&m->group.tree_hash);
    }
    delivery_send(m->owner, c, &state);
}

static void send_resync(struct assembly *m, struct connection *c) {
    struct wire_message resync = {.type = WIRE_RESYNC,
                                  .group_info = mls_buf_span(&m->group.info),
                                  .tree_hash = mls_hash_span(&m->group.tree_hash)};
    c->resyncing = true;
    c->acked = false;
    m->owner->counters.delivery_resyncs++;
    delivery_send(m->owner, c, &resync);
}

static void forget_absent(struct assembly *m, struct span identity) {
    for (uint32_t i = 0; i < m->absent_count; i++) {
        if (span_equal(name_span(&m->absent[i].identity), identity))
            m->absent[i--] = m->absent[--m->absent_count];
    }
}

static void become_member(struct assembly *m, struct connection *c) {
    c->phase = PHASE_MEMBER;
    c->leaf = public_group_find(&m->group, name_span(&c->identity));
    c->acked = c->asked_to_add = c->resyncing = false;
    mls_buf_clear(&c->key_package);
    forget_absent(m, name_span(&c->identity));
    m->online_changed = true;
}

static void resume(struct assembly *m, struct connection *c, uint64_t last_seq) {
    uint64_t oldest = m->log_count > 0 ? m->log[m->log_first].seq : m->seq + 1;
    become_member(m, c);
    send_state(m, c);
    bool whole = last_seq <= m->seq && last_seq + 1 >= oldest && m->seq - oldest + 1 == m->log_count;
    if (!whole) {
        send_resync(m, c);
        return;
    }
    for (uint32_t i = 0; i < m->log_count; i++) {
        const struct logged *entry = &m->log[(m->log_first + i) % DELIVERY_LOG_MESSAGES_MAX];
        if (entry->seq > last_seq)
            delivery_send_blob(m->owner, c, entry->blob);
    }
}

static uint32_t waiting_count(struct assembly *m) {
    uint32_t count = 0;
    struct connection *c = NULL;
    while ((c = delivery_next_connection(m, c)) != NULL)
        count += c->phase == PHASE_WAITING;
    return count;
}

void assembly_hello(struct assembly *m, struct connection *c, uint64_t now_us, struct rng *rng,
                    const struct wire_message *message) {
    struct delivery *d = m->owner;
    (void)rng;
    if (message->resume) {
        uint32_t leaf = m->active ? public_group_find(&m->group, name_span(&c->identity)) : TREE_NONE;
        if (!m->active) /* it was forgotten, by a restart or because everybody had gone: a new stay may begin */
            delivery_close(d, c, WIRE_GONE_OVER, WIRE_CLOSE_OVER);
        else if (leaf == TREE_NONE || public_group_is_leaving(&m->group, leaf))
            delivery_close(d, c, WIRE_GONE_REMOVED, WIRE_CLOSE_OVER);
        else
            resume(m, c, message->seq);
        return;
    }
    struct mls_key_package_info info;
    bool good = mls_key_package_check(d->config.crypto, message->key_package, 0, &info) == MLS_OK &&
                info.suite == d->config.suite && span_equal(info.leaf.identity, name_span(&c->identity));
    if (good)
        mls_wr_span(&c->key_package, message->key_package);
    if (!good || !mls_buf_ok(&c->key_package)) {
        delivery_close(d, c, WIRE_GONE_REFUSED, WIRE_CLOSE_OVER);
        return;
    }
    if (waiting_count(m) >= DELIVERY_WAITING_MAX ||
        (m->active && tree_member_count(m->group.tree) >= d->config.members_max)) {
        d->counters.delivery_refused_full++;
        delivery_close(d, c, WIRE_GONE_FULL, WIRE_CLOSE_OVER);
        return;
    }
    c->phase = PHASE_WAITING;
    c->waiting_since_us = now_us;
    send_state(m, c);
    /* Who comes again without its keys is somebody new; the former self goes. */
    if (m->active)
        assembly_leaves(m, name_span(&c->identity));
}

void assembly_created(struct assembly *m, struct connection *c, uint64_t now_us, struct rng *rng,
                      const struct wire_message *message) {
    struct delivery *d = m->owner;
    if (m->active || m->lease != c->handle) {
        struct wire_message stale = {.type = WIRE_STALE, .epoch = m->active ? m->group.epoch : 0};
        stale.reason = span_str("somebody else makes the group");
        delivery_send(d, c, &stale);
        return;
    }
    m->lease = 0;
    enum mls_status status = public_group_create(
        &m->group, &d->crypto, d->config.members_max, message->group_info, message->tree, name_span(&c->identity),
        span_of(m->id_hash, sizeof m->id_hash), mls_buf_span(&d->external_sender), rng);
    if (status != MLS_OK) {
        d->counters.delivery_commits_refused++;
        delivery_close(d, c, WIRE_GONE_REFUSED, WIRE_CLOSE_OVER);
        return;
    }
    m->active = true;
    m->ready_told = true;
    m->last_join_us = now_us;
    d->counters.delivery_groups++;
    become_member(m, c);
    c->acked = true;
    struct wire_message accepted = {.type = WIRE_ACCEPTED, .seq = ++m->seq, .epoch = 0};
    delivery_send(d, c, &accepted);
    delivery_tell(d, DELIVERY_ADMITTED, m, name_span(&c->identity));
}

/* ---- commits ---- */

static void send_stale(struct assembly *m, struct connection *c, enum mls_status status) {
    struct wire_message stale = {
        .type = WIRE_STALE, .epoch = m->active ? m->group.epoch : 0, .reason = span_str(mls_status_name(status))};
    delivery_send(m->owner, c, &stale);
}

static bool hash_commit(const struct assembly *m, struct span commit, struct mls_hash *out) {
    out->len = 32;
    return m->owner->config.crypto->hash(HASH_SHA256, &commit, 1, out->bytes) == CRYPTO_OK;
}

/* Who waited and is in the tree now has been added: their part of the Welcome. */
static void welcome(struct assembly *m, struct connection *c, struct span bytes) {
    struct delivery *d = m->owner;
    struct mls_key_package_info info;
    struct mls_buf part;
    mls_buf_init(&part, WIRE_MESSAGE_LEN_MAX);
    enum mls_status status = mls_key_package_check(d->config.crypto, mls_buf_span(&c->key_package), 0, &info);
    if (status == MLS_OK)
        status = mls_welcome_for(bytes, span_of(info.ref, info.ref_len), &part);
    become_member(m, c);
    if (status == MLS_OK) {
        struct wire_message message = {.type = WIRE_WELCOME,
                                       .seq = m->seq,
                                       .welcome = mls_buf_span(&part),
                                       .tree_hash = mls_hash_span(&m->group.tree_hash)};
        delivery_send(d, c, &message);
        d->counters.delivery_joins_welcome++;
    } else {
        send_resync(m, c); /* a committer who adds but does not welcome: the way in is open all the same */
    }
    mls_buf_free(&part);
    delivery_tell(d, DELIVERY_ADMITTED, m, name_span(&c->identity));
}

/* Everybody's place after a commit. */
static void apply_membership(struct assembly *m, struct connection *committer, struct span welcome_bytes) {
    struct delivery *d = m->owner;
    struct connection *c = NULL;
    while ((c = delivery_next_connection(m, c)) != NULL) {
        uint32_t leaf = c->phase == PHASE_NEW ? TREE_NONE : public_group_find(&m->group, name_span(&c->identity));
        if (c == committer)
            continue;
        if (c->phase == PHASE_WAITING && leaf != TREE_NONE) {
            welcome(m, c, welcome_bytes);
        } else if (c->phase == PHASE_MEMBER && leaf == TREE_NONE) {
            delivery_tell(d, DELIVERY_EXPELLED, m, name_span(&c->identity));
            delivery_close(d, c, WIRE_GONE_REMOVED, WIRE_CLOSE_OVER);
        } else if (c->phase == PHASE_MEMBER) {
            c->leaf = leaf;
            c->acked = false;
            c->passed_over = false;
        }
    }
    for (uint32_t i = 0; i < m->absent_count; i++) {
        if (public_group_find(&m->group, name_span(&m->absent[i].identity)) == TREE_NONE)
            m->absent[i--] = m->absent[--m->absent_count];
    }
}

static void accepted(struct assembly *m, struct connection *c, uint64_t now_us, const struct wire_message *message,
                     const struct public_group_result *result) {
    struct delivery *d = m->owner;
    struct wire_message handshake = {.type = WIRE_HANDSHAKE, .message = message->commit};
    bool newcomer = c->phase == PHASE_WAITING;
    d->counters.delivery_commits++;
    broadcast(m, &handshake, c);
    struct wire_message yes = {.type = WIRE_ACCEPTED, .seq = m->seq, .epoch = m->group.epoch};
    if (result->external)
        become_member(m, c);
    c->leaf = result->committer;
    c->acked = false;
    delivery_send(d, c, &yes);
    if (newcomer) {
        d->counters.delivery_joins_external++;
        m->last_join_us = now_us;
        delivery_tell(d, DELIVERY_ADMITTED, m, name_span(&c->identity));
    }
    if (m->lease == c->handle)
        m->lease = 0;
    m->last_committer = c->handle;
    m->named = 0;
    m->named_for_us = 0;
    m->ready_told = false;
    apply_membership(m, c, message->welcome);
    if (message->welcome.len > 0)
        m->last_join_us = now_us;
}

/* Members whose departure was not in the commit that won: proposals end with their epoch, so they are made anew. */
static uint32_t leaving_names(struct assembly *m, struct name *names, uint32_t max) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->group.removes_count && count < max; i++)
        name_set(&names[count++], public_group_identity(&m->group, m->group.removes[i].leaf));
    return count;
}

static void remove_ghosts(struct assembly *m);

void assembly_commit(struct assembly *m, struct connection *c, uint64_t now_us, uint64_t unix_s,
                     const struct wire_message *message) {
    struct delivery *d = m->owner;
    struct mls_hash hash;
    if (!m->active || c->phase == PHASE_NEW || !hash_commit(m, message->commit, &hash)) {
        send_stale(m, c, MLS_WRONG_STATE);
        return;
    }
    if (m->last_commit.len > 0 && mls_hash_equal(&m->last_commit, mls_hash_span(&hash)) &&
        span_equal(name_span(&m->last_commit_by), name_span(&c->identity))) {
        struct wire_message again = {.type = WIRE_ACCEPTED, .seq = m->seq, .epoch = m->group.epoch};
        delivery_send(d, c, &again);
        return;
    }
    struct name *leaving = mls_alloc(PUBLIC_GROUP_REMOVES_MAX * sizeof *leaving);
    uint32_t leaving_count = leaving != NULL ? leaving_names(m, leaving, PUBLIC_GROUP_REMOVES_MAX) : 0;
    struct public_group_sender sender = {.identity = name_span(&c->identity),
                                         .may_join = m->lease == c->handle || c->resyncing};
    struct public_group_result result;
    enum mls_status status = leaving == NULL ? MLS_NO_MEMORY
                                             : public_group_commit(&m->group, &sender, message->commit,
                                                                   message->group_info, unix_s, &result);
    if (status == MLS_OK) {
        m->last_commit = hash;
        m->last_commit_by = c->identity;
        accepted(m, c, now_us, message, &result);
        for (uint32_t i = 0; i < leaving_count; i++)
            assembly_leaves(m, name_span(&leaving[i]));
        remove_ghosts(m);
    } else {
        bool late = status == MLS_EPOCH_OVER;
        d->counters.delivery_commits_stale += late;
        d->counters.delivery_commits_refused += !late;
        if (!late && m->named == c->handle)
            m->named_until_us = 0;
        send_stale(m, c, status);
        if (m->lease == c->handle)
            m->lease = 0; /* it asks anew, from the newer GroupInfo, when its turn comes */
    }
    if (leaving != NULL)
        mls_free(leaving, PUBLIC_GROUP_REMOVES_MAX * sizeof *leaving);
}

void assembly_ack(struct assembly *m, struct connection *c, uint64_t epoch) {
    if (m->active && c->phase == PHASE_MEMBER && epoch == m->group.epoch)
        c->acked = true;
}

/* Whoever cannot follow comes in again. The committer of the epoch that is refused is asked last from now on. */
void assembly_bad(struct assembly *m, struct connection *c, uint64_t epoch) {
    if (!m->active || c->phase != PHASE_MEMBER || epoch > m->group.epoch)
        return;
    m->owner->counters.delivery_bad_reports++;
    struct connection *committer = delivery_find(m->owner, m->last_committer);
    if (epoch == m->group.epoch && committer != NULL && committer->meeting == m && committer != c)
        committer->passed_over = true;
    send_resync(m, c);
}

/* ---- sealed messages ---- */

void assembly_app(struct assembly *m, struct connection *c, const struct wire_message *message) {
    struct mls_message_info info;
    if (mls_message_peek(message->message, &info) != MLS_OK || info.wire_format != MLS_WIRE_PRIVATE_MESSAGE ||
        info.content_type != MLS_CONTENT_APPLICATION) {
        m->owner->counters.delivery_app_dropped++;
        return;
    }
    struct wire_message out = {.type = WIRE_APP_FROM, .identity = name_span(&c->identity), .message = message->message};
    m->owner->counters.delivery_app++;
    broadcast(m, &out, c);
    struct wire_message own = {.type = WIRE_SENT, .seq = m->seq};
    delivery_send(m->owner, c, &own);
}

void assembly_direct(struct assembly *m, struct connection *c, const struct wire_message *message) {
    struct connection *to = delivery_connection_of(m, message->identity);
    if (to == NULL || to->phase != PHASE_MEMBER) {
        m->owner->counters.delivery_app_dropped++;
        return;
    }
    struct wire_message out = {
        .type = WIRE_DIRECT_FROM, .identity = name_span(&c->identity), .sealed = message->sealed};
    m->owner->counters.delivery_app++;
    delivery_send(m->owner, to, &out);
}

/* ---- going ---- */

static void expect_back(struct assembly *m, struct span identity, uint32_t leaf, uint64_t until_us) {
    forget_absent(m, identity);
    ASSERT(m->absent_count < m->owner->config.members_max);
    struct absent *entry = &m->absent[m->absent_count++];
    name_set(&entry->identity, identity);
    entry->leaf = leaf;
    entry->until_us = until_us;
}

void assembly_leaves(struct assembly *m, struct span identity) {
    uint32_t leaf = m->active ? public_group_find(&m->group, identity) : TREE_NONE;
    if (leaf == TREE_NONE || public_group_is_leaving(&m->group, leaf))
        return;
    struct delivery *d = m->owner;
    struct mls_buf message;
    mls_buf_init(&message, PUBLIC_GROUP_INFO_LEN_MAX);
    forget_absent(m, identity);
    if (public_group_remove(&m->group, leaf, &d->signature_key, &message) == MLS_OK) {
        struct wire_message handshake = {.type = WIRE_HANDSHAKE, .message = mls_buf_span(&message)};
        d->counters.delivery_removes++;
        broadcast(m, &handshake, NULL);
    } else {
        expect_back(m, identity, leaf, d->now_us + REMOVE_AGAIN_US);
    }
    mls_buf_free(&message);
    delivery_tell(d, DELIVERY_EXPELLED, m, identity);
}

void assembly_lost(struct assembly *m, struct span identity, uint64_t now_us) {
    uint32_t leaf = m->active ? public_group_find(&m->group, identity) : TREE_NONE;
    if (leaf != TREE_NONE)
        expect_back(m, identity, leaf, now_us + DELIVERY_GRACE_US);
}

/* A leaf that nobody answers for: it was named for an Add, and its person went before that commit came. Nobody would
 * ever miss it, so it goes at once; who lost the connection as a member is waited for. */
static void remove_ghosts(struct assembly *m) {
    uint8_t *here = mls_alloc(tree_leaf_count(m->group.tree));
    struct connection *c = NULL;
    if (here == NULL)
        return; /* after the next commit */
    while ((c = delivery_next_connection(m, c)) != NULL) {
        if (c->phase == PHASE_MEMBER && c->leaf != TREE_NONE)
            here[c->leaf] = 1;
    }
    for (uint32_t i = 0; i < m->absent_count; i++)
        here[m->absent[i].leaf] = 1;
    const struct tree *tree = m->group.tree;
    for (uint32_t leaf = tree_next_member(tree, 0); leaf != TREE_NONE; leaf = tree_next_member(tree, leaf + 1)) {
        if (here[leaf] != 0 || public_group_is_leaving(&m->group, leaf))
            continue;
        struct name identity;
        name_set(&identity, public_group_identity(&m->group, leaf));
        m->owner->counters.delivery_ghosts++;
        assembly_leaves(m, name_span(&identity));
    }
    mls_free(here, tree_leaf_count(m->group.tree));
}

bool assembly_is_over(const struct assembly *m) {
    if (m->connections > 0)
        return false;
    return !m->active || m->absent_count == 0;
}

/* ---- what is due ---- */

static bool eligible(const struct assembly *m, const struct connection *c) {
    return c->phase == PHASE_MEMBER && c->acked && !c->resyncing && c->leaf != TREE_NONE &&
           !public_group_is_leaving(&m->group, c->leaf);
}

/* Hosts by leaf, then others by leaf; who was passed over only when nobody else is there. */
static struct connection *choose_committer(struct assembly *m) {
    struct connection *best = NULL, *c = NULL;
    uint64_t best_rank = UINT64_MAX;
    while ((c = delivery_next_connection(m, c)) != NULL) {
        if (!eligible(m, c))
            continue;
        uint64_t rank = c->leaf + (public_group_is_host(&m->group, c->leaf) ? 0 : UINT64_C(1) << 20) +
                        (c->passed_over ? UINT64_C(1) << 21 : 0);
        if (rank < best_rank) {
            best = c;
            best_rank = rank;
        }
    }
    return best;
}

static struct connection *first_waiting(struct assembly *m, uint32_t *count) {
    struct connection *first = NULL, *c = NULL;
    *count = 0;
    while ((c = delivery_next_connection(m, c)) != NULL) {
        if (c->phase != PHASE_WAITING)
            continue;
        (*count)++;
        if (first == NULL || c->waiting_since_us < first->waiting_since_us)
            first = c;
    }
    return first;
}

static void name_committer(struct assembly *m, struct connection *committer, uint64_t now_us) {
    struct delivery *d = m->owner;
    struct mls_buf list;
    uint32_t adds = 0;
    mls_buf_init(&list, WIRE_MESSAGE_LEN_MAX - 64);
    struct connection *c = NULL;
    while ((c = delivery_next_connection(m, c)) != NULL && adds < WIRE_ADDS_MAX) {
        /* who comes again is added when the former self has gone */
        c->asked_to_add = c->phase == PHASE_WAITING &&
                          public_group_find(&m->group, name_span(&c->identity)) == TREE_NONE &&
                          mls_buf_len(&list) + mls_buf_len(&c->key_package) + 8 < list.max;
        if (c->asked_to_add) {
            mls_wr_vec(&list, mls_buf_span(&c->key_package));
            adds++;
        }
    }
    struct wire_message message = {.type = WIRE_COMMIT_NOW, .epoch = m->group.epoch, .list = mls_buf_span(&list)};
    delivery_send(d, committer, &message);
    mls_buf_free(&list);
    m->named = committer->handle;
    m->named_for_us = m->named_for_us == 0 ? DELIVERY_COMMIT_US : time_min(2 * m->named_for_us, DELIVERY_COMMIT_MAX_US);
    m->named_until_us = now_us + m->named_for_us;
    committer->passed_over = true; /* until its commit comes */
    d->counters.delivery_committers_named++;
}

static void lease(struct assembly *m, struct connection *c, uint64_t now_us) {
    struct wire_message message = {.type = WIRE_CREATE_NOW};
    if (m->active) {
        message = (struct wire_message){.type = WIRE_JOIN_NOW,
                                        .group_info = mls_buf_span(&m->group.info),
                                        .tree_hash = mls_hash_span(&m->group.tree_hash)};
    }
    delivery_send(m->owner, c, &message);
    m->lease = c->handle;
    m->lease_until_us = now_us + (m->active ? DELIVERY_JOIN_US : DELIVERY_CREATE_US);
}

/* Lets people in and out: one at a time by external commit, several by a member's. */
static void pump_membership(struct assembly *m, uint64_t now_us) {
    uint32_t waiting;
    struct connection *first = first_waiting(m, &waiting);
    if (m->lease != 0)
        return;
    if (!m->active) {
        if (first != NULL)
            lease(m, first, now_us);
        return;
    }
    bool work = m->group.removes_count > 0;
    if (m->named != 0 && now_us < m->named_until_us)
        return;
    if (m->named != 0) {
        m->owner->counters.delivery_committers_late++;
        m->named = 0;
    }
    if (!work && waiting == 0)
        return;
    if (!work && waiting == 1) {
        lease(m, first, now_us);
        return;
    }
    bool busy = now_us - time_min(m->last_join_us, now_us) < DELIVERY_GATHER_BUSY_US;
    uint64_t gathered_us =
        work ? now_us : first->waiting_since_us + (busy ? DELIVERY_GATHER_BUSY_US : DELIVERY_GATHER_US);
    if (now_us < gathered_us) {
        m->look_at_us = time_min(m->look_at_us, gathered_us);
        return;
    }
    struct connection *committer = choose_committer(m);
    if (committer != NULL)
        name_committer(m, committer, now_us);
    else if (first != NULL && now_us >= first->waiting_since_us + DELIVERY_COMMIT_US)
        lease(m, first, now_us); /* nobody can commit: whoever enters can */
    else
        m->look_at_us = time_min(m->look_at_us, now_us + DELIVERY_COMMIT_US);
}

static void pump_ready(struct assembly *m) {
    struct connection *c = NULL;
    if (m->ready_told)
        return;
    while ((c = delivery_next_connection(m, c)) != NULL) {
        if (c->phase == PHASE_MEMBER && !c->acked && !c->resyncing)
            return;
    }
    struct wire_message ready = {.type = WIRE_READY, .epoch = m->group.epoch};
    tell_members(m, &ready);
    m->ready_told = true;
}

/* Large meetings hear of it less often: the list goes to everybody. */
static void pump_online(struct assembly *m, uint64_t now_us) {
    if (!m->online_changed)
        return;
    if (m->online_at_us == TIME_NEVER)
        m->online_at_us = now_us + DELIVERY_ONLINE_US * (1 + m->connections / 100);
    if (now_us < m->online_at_us)
        return;
    struct mls_buf list;
    mls_buf_init(&list, WIRE_MESSAGE_LEN_MAX - 64);
    struct connection *c = NULL;
    while ((c = delivery_next_connection(m, c)) != NULL) {
        if (c->phase == PHASE_MEMBER)
            mls_wr_vec(&list, name_span(&c->identity));
    }
    struct wire_message online = {.type = WIRE_ONLINE, .list = mls_buf_span(&list)};
    tell_members(m, &online);
    mls_buf_free(&list);
    m->online_changed = false;
    m->online_at_us = TIME_NEVER;
}

static void pump_absent(struct assembly *m, uint64_t now_us) {
    for (uint32_t i = 0; i < m->absent_count;) {
        struct name identity = m->absent[i].identity;
        if (m->absent[i].until_us > now_us) {
            i++;
            continue;
        }
        assembly_leaves(m, name_span(&identity)); /* takes it out of the list */
        forget_absent(m, name_span(&identity));
    }
}

static void pump_silent(struct assembly *m, uint64_t now_us) {
    struct connection *c = NULL;
    while ((c = delivery_next_connection(m, c)) != NULL) {
        if (c->phase != PHASE_NEW)
            continue;
        if (now_us >= c->waiting_since_us + DELIVERY_HELLO_US) {
            m->owner->counters.delivery_silent++;
            delivery_close(m->owner, c, 0, WIRE_CLOSE_MALFORMED);
        } else {
            m->look_at_us = time_min(m->look_at_us, c->waiting_since_us + DELIVERY_HELLO_US);
        }
    }
}

void assembly_pump(struct assembly *m, uint64_t now_us) {
    m->look_at_us = TIME_NEVER;
    pump_silent(m, now_us);
    if (m->lease != 0 && now_us >= m->lease_until_us) {
        struct connection *slow = delivery_find(m->owner, m->lease);
        m->lease = 0;
        if (slow != NULL)
            slow->waiting_since_us = now_us; /* to the end of the line */
    }
    pump_absent(m, now_us);
    /* A group whose members have all gone has no use for its keys: whoever comes begins anew. */
    bool somebody = m->absent_count > 0;
    struct connection *c = NULL;
    while (!somebody && (c = delivery_next_connection(m, c)) != NULL)
        somebody = c->phase == PHASE_MEMBER;
    if (m->active && !somebody) {
        assembly_group_free(m);
        m->named = m->lease = 0;
        m->last_commit.len = 0;
    }
    pump_membership(m, now_us);
    if (m->active) {
        pump_ready(m);
        pump_online(m, now_us);
    }
}

uint64_t assembly_deadline_us(const struct assembly *m) {
    uint64_t deadline_us = m->look_at_us;
    if (m->lease != 0)
        deadline_us = time_min(deadline_us, m->lease_until_us);
    if (m->named != 0)
        deadline_us = time_min(deadline_us, m->named_until_us);
    if (m->online_changed)
        deadline_us = time_min(deadline_us, m->online_at_us);
    for (uint32_t i = 0; i < m->absent_count; i++)
        deadline_us = time_min(deadline_us, m->absent[i].until_us);
    return deadline_us;
}
