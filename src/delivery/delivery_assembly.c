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
    m->owner->logs_len -= oldest->blob->len;
    blob_free(oldest->blob);
    m->log_first = (m->log_first + 1) % DELIVERY_LOG_MESSAGES_MAX;
    m->log_count--;
}

static void log_add(struct assembly *m, struct blob *blob) {
    while (m->log_count > 0 &&
           (m->log_count == DELIVERY_LOG_MESSAGES_MAX || m->log_len + blob->len > DELIVERY_LOG_LEN_MAX ||
            m->owner->logs_len + blob->len > DELIVERY_LOGS_LEN_MAX))
        log_drop_oldest(m);
    if (m->owner->logs_len + blob->len > DELIVERY_LOGS_LEN_MAX)
        return; /* a gap: whoever resumes over it comes in again */
    m->log[(m->log_first + m->log_count++) % DELIVERY_LOG_MESSAGES_MAX] = (struct logged){.seq = m->seq, .blob = blob};
    m->log_len += blob->len;
    m->owner->logs_len += blob->len;
    blob->refs++;
}

/* Numbers a message, keeps it, and sends it to all members but `except`. */
static void broadcast(struct assembly *m, struct wire1_message *message, const struct connection *except) {
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

void assembly_tell_members(struct assembly *m, const struct wire1_message *message) {
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
        public1_group_free(&m->group);
    m->active = false;
}

/* ---- coming ---- */

static void send_state(struct assembly *m, struct connection *c) {
    struct wire1_message state = {.type = WIRE1_STATE,
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

void assembly_forget_absent(struct assembly *m, struct span identity) {
    for (uint32_t i = 0; i < m->absent_count; i++) {
        if (span_equal(name_span(&m->absent[i].identity), identity))
            m->absent[i--] = m->absent[--m->absent_count];
    }
}

static void become_member(struct assembly *m, struct connection *c) {
    connection_set(c, PHASE_MEMBER, false, false);
    c->leaf = public1_group_find(&m->group, name_span(&c->identity));
    c->asked_to_add = false;
    c->turns_missed = 0;
    mls_buf_clear(&c->key_package);
    c->signature_key = c->encryption_key = span_of(NULL, 0);
    assembly_forget_absent(m, name_span(&c->identity));
    m->online_changed = true;
}

static void resume(struct assembly *m, struct connection *c, uint64_t last_seq) {
    uint64_t oldest = m->log_count > 0 ? m->log[m->log_first].seq : m->seq + 1;
    become_member(m, c);
    send_state(m, c);
    bool whole = last_seq <= m->seq && last_seq + 1 >= oldest && m->seq - oldest + 1 == m->log_count;
    if (!whole) {
        fair_resync(m, c, m->owner->now_us);
        return;
    }
    for (uint32_t i = 0; i < m->log_count; i++) {
        const struct logged *entry = &m->log[(m->log_first + i) % DELIVERY_LOG_MESSAGES_MAX];
        if (entry->seq > last_seq)
            delivery_send_blob(m->owner, c, entry->blob);
    }
}

/* Takes the key package of a hello; false when it is none of this suite and identity. */
static bool take_package(struct connection *c, struct span bytes) {
    const struct delivery *d = c->meeting->owner;
    struct mls_key_package_info info;
    struct mls_message message;
    if (mls_key_package_check(d->config.crypto, bytes, 0, &info) != MLS_OK || info.suite != d->config.suite ||
        !span_equal(info.leaf.identity, name_span(&c->identity)) || info.ref_len > sizeof c->ref.bytes)
        return false;
    mls_wr_span(&c->key_package, bytes);
    if (!mls_buf_ok(&c->key_package) || mls_message_parse(mls_buf_span(&c->key_package), &message) != MLS_OK)
        return false;
    c->signature_key = message.key_package.leaf_node.signature_key;
    c->encryption_key = message.key_package.leaf_node.encryption_key;
    c->ref.len = (uint8_t)info.ref_len;
    memcpy(c->ref.bytes, info.ref, info.ref_len);
    return true;
}

/* Keys that are somebody else's already could be added by nobody. */
static bool package_clashes(struct assembly *m, const struct connection *c) {
    const struct connection *other = NULL;
    uint32_t leaf = m->active ? tree_find_signature_key(m->group.tree, c->signature_key) : TREE_NONE;
    if (leaf != TREE_NONE && !span_equal(public1_group_identity(&m->group, leaf), name_span(&c->identity)))
        return true;
    if (m->active && leaf == TREE_NONE && tree_has_encryption_key(m->group.tree, c->encryption_key))
        return true;
    while ((other = delivery_next_connection(m, (struct connection *)(uintptr_t)other)) != NULL) {
        if (other != c && other->phase == PHASE_WAITING &&
            (span_equal(other->signature_key, c->signature_key) ||
             span_equal(other->encryption_key, c->encryption_key)))
            return true;
    }
    return false;
}

static bool may_wait(const struct assembly *m, const struct connection *c) {
    uint32_t of_network = 0;
    const struct connection *other = m->first;
    for (; other != NULL && c->network != NULL; other = other->next)
        of_network += other->phase == PHASE_WAITING && other->network == c->network;
    return m->in_phase[PHASE_WAITING] < DELIVERY_WAITING_MAX && of_network < DELIVERY_NETWORK_WAITING_MAX &&
           !(m->active && tree_member_count(m->group.tree) >= m->owner->config.members_max);
}

void assembly_hello(struct assembly *m, struct connection *c, uint64_t now_us, const struct wire1_message *message) {
    struct delivery *d = m->owner;
    uint32_t leaf = m->active ? public1_group_find(&m->group, name_span(&c->identity)) : TREE_NONE;
    if (message->resume) {
        if (!m->active) /* it was forgotten, by a restart or because everybody had gone: a new stay may begin */
            delivery_close(d, c, WIRE1_GONE_OVER, WIRE1_CLOSE_OVER);
        else if (leaf == TREE_NONE || public1_group_is_leaving(&m->group, leaf))
            delivery_close(d, c, WIRE1_GONE_REMOVED, WIRE1_CLOSE_OVER);
        else
            resume(m, c, message->seq);
        return;
    }
    if (!take_package(c, message->key_package) || package_clashes(m, c)) {
        delivery_close(d, c, WIRE1_GONE_REFUSED, WIRE1_CLOSE_OVER);
        return;
    }
    if (!may_wait(m, c)) {
        d->counters.delivery_refused_full++;
        delivery_close(d, c, WIRE1_GONE_FULL, WIRE1_CLOSE_OVER);
        return;
    }
    connection_set(c, PHASE_WAITING, false, false);
    c->since_us = c->waiting_since_us = now_us;
    c->leaf = leaf;
    send_state(m, c);
    /* Who comes again without its keys is somebody new; the former self goes. */
    if (m->active)
        assembly_leaves(m, name_span(&c->identity));
}

void assembly_created(struct assembly *m, struct connection *c, uint64_t now_us, struct rng *rng,
                      const struct wire1_message *message) {
    struct delivery *d = m->owner;
    if (m->active || m->lease != c->handle) {
        struct wire1_message stale = {.type = WIRE1_STALE, .epoch = m->active ? m->group.epoch : 0};
        stale.reason = span_str("somebody else makes the group");
        delivery_send(d, c, &stale);
        return;
    }
    m->lease = 0;
    enum mls_status status = public1_group_create(
        &m->group, &d->crypto, d->config.members_max, message->group_info, message->tree, name_span(&c->identity),
        span_of(m->id_hash, sizeof m->id_hash), mls_buf_span(&d->external_sender), rng);
    if (status != MLS_OK) {
        d->counters.delivery_commits_refused++;
        delivery_close(d, c, WIRE1_GONE_REFUSED, WIRE1_CLOSE_OVER);
        return;
    }
    m->active = true;
    m->ready_told = true;
    m->last_join_us = now_us;
    d->counters.delivery_groups++;
    become_member(m, c);
    connection_set(c, PHASE_MEMBER, true, false);
    struct wire1_message accepted = {.type = WIRE1_ACCEPTED, .seq = ++m->seq, .epoch = 0};
    delivery_send(d, c, &accepted);
    delivery_tell(d, DELIVERY_ADMITTED, m, name_span(&c->identity));
}

/* ---- commits ---- */

static void send_stale(struct assembly *m, struct connection *c, const char *reason) {
    struct wire1_message stale = {
        .type = WIRE1_STALE, .epoch = m->active ? m->group.epoch : 0, .reason = span_str(reason)};
    delivery_send(m->owner, c, &stale);
}

static bool hash_commit(const struct assembly *m, struct span commit, struct mls_hash *out) {
    out->len = 32;
    return m->owner->config.crypto->hash(HASH_SHA256, &commit, 1, out->bytes) == CRYPTO_OK;
}

/* Who waited and is in the tree now has been added: their part of the Welcome. */
static void welcome(struct assembly *m, struct connection *c, struct span bytes) {
    struct delivery *d = m->owner;
    struct mls_buf part;
    mls_buf_init(&part, WIRE1_MESSAGE_LEN_MAX);
    enum mls_status status = mls_welcome_for(bytes, mls_hash_span(&c->ref), &part);
    become_member(m, c);
    if (status == MLS_OK) {
        struct wire1_message message = {.type = WIRE1_WELCOME,
                                        .seq = m->seq,
                                        .welcome = mls_buf_span(&part),
                                        .tree_hash = mls_hash_span(&m->group.tree_hash)};
        delivery_send(d, c, &message);
        d->counters.delivery_joins_welcome++;
    } else {
        fair_resync(m, c, d->now_us); /* a committer who adds but does not welcome: the way in is open all the same */
    }
    mls_buf_free(&part);
    delivery_tell(d, DELIVERY_ADMITTED, m, name_span(&c->identity));
}

/* Where a connection's person is in the tree now: members stay in their place, and who waits is found by its key. */
static uint32_t place_of(const struct assembly *m, const struct connection *c) {
    uint32_t leaf = c->phase == PHASE_MEMBER ? c->leaf : tree_find_signature_key(m->group.tree, c->signature_key);
    bool same = leaf != TREE_NONE && span_equal(public1_group_identity(&m->group, leaf), name_span(&c->identity));
    return same ? leaf : TREE_NONE;
}

/* Everybody's place after a commit. */
static void apply_membership(struct assembly *m, struct connection *committer, struct span welcome_bytes) {
    struct delivery *d = m->owner;
    struct connection *c, *next;
    for (c = m->first; c != NULL; c = next) {
        next = c->next;
        if (c == committer || c->phase == PHASE_NEW)
            continue;
        uint32_t leaf = place_of(m, c);
        if (c->phase == PHASE_WAITING && leaf != TREE_NONE) {
            welcome(m, c, welcome_bytes);
        } else if (c->phase == PHASE_MEMBER && leaf == TREE_NONE) {
            delivery_tell(d, DELIVERY_EXPELLED, m, name_span(&c->identity));
            delivery_close(d, c, WIRE1_GONE_REMOVED, WIRE1_CLOSE_OVER);
        } else if (c->phase == PHASE_MEMBER) {
            connection_set(c, PHASE_MEMBER, false, c->resyncing);
            c->passed_over = false;
        }
    }
    for (uint32_t i = 0; i < m->absent_count; i++) {
        if (!span_equal(public1_group_identity(&m->group, m->absent[i].leaf), name_span(&m->absent[i].identity)))
            m->absent[i--] = m->absent[--m->absent_count];
    }
}

static void accepted(struct assembly *m, struct connection *c, uint64_t now_us, const struct wire1_message *message,
                     const struct public1_group_result *result) {
    struct delivery *d = m->owner;
    struct wire1_message handshake = {.type = WIRE1_HANDSHAKE, .message = message->commit};
    bool newcomer = c->phase == PHASE_WAITING;
    d->counters.delivery_commits++;
    broadcast(m, &handshake, c);
    struct wire1_message yes = {.type = WIRE1_ACCEPTED, .seq = m->seq, .epoch = m->group.epoch};
    if (result->external)
        become_member(m, c);
    c->leaf = result->committer;
    connection_set(c, PHASE_MEMBER, false, false);
    delivery_send(d, c, &yes);
    if (newcomer) {
        d->counters.delivery_joins_external++;
        m->last_join_us = now_us;
        delivery_tell(d, DELIVERY_ADMITTED, m, name_span(&c->identity));
    }
    if (m->lease == c->handle || result->external)
        m->lease = 0;
    m->urgent = m->urgent == c->handle ? 0 : m->urgent;
    bool named = m->named == c->handle;
    m->named = 0;
    m->named_for_us = 0;
    m->epoch_at_us = now_us;
    m->ready_told = false;
    apply_membership(m, c, message->welcome);
    if (named)
        assembly_note_left_out(m, c);
    if (message->welcome.len > 0)
        m->last_join_us = now_us;
}

/* Members whose departure was not in the commit that won: proposals end with their epoch, so they are made anew. */
static uint32_t leaving_names(struct assembly *m, struct name *names, uint32_t max) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->group.removes_count && count < max; i++)
        name_set(&names[count++], public1_group_identity(&m->group, m->group.removes[i].leaf));
    return count;
}

static void remove_ghosts(struct assembly *m);

/* True when this is the last commit again, from the same member. */
static bool taken_before(struct assembly *m, struct connection *c, const struct mls_hash *hash) {
    return m->last_commit.len > 0 && mls_hash_equal(&m->last_commit, mls_hash_span(hash)) &&
           span_equal(name_span(&m->last_commit_by), name_span(&c->identity));
}

static void commit_refused(struct assembly *m, struct connection *c, uint64_t now_us, struct span commit,
                           enum mls_status status) {
    struct delivery *d = m->owner;
    bool late = status == MLS_EPOCH_OVER;
    d->counters.delivery_commits_stale += late;
    d->counters.delivery_commits_refused += !late;
    if (late)
        fair_commit_lost(m, c, now_us, commit);
    if (!late && m->named == c->handle) {
        m->named_until_us = 0; /* the next one at once */
    }
    if (!late && m->lease == c->handle)
        c->turns_missed++;
    send_stale(m, c, mls_status_name(status));
    if (m->lease == c->handle)
        m->lease = 0; /* it asks anew, from the newer GroupInfo, when its turn comes */
    if (c->phase == PHASE_MEMBER && c->resyncing)
        fair_resync(m, c, now_us);
}

void assembly_commit(struct assembly *m, struct connection *c, uint64_t now_us, uint64_t unix_s,
                     const struct wire1_message *message) {
    struct delivery *d = m->owner;
    struct mls_hash hash;
    if (!m->active || c->phase == PHASE_NEW || !hash_commit(m, message->commit, &hash)) {
        send_stale(m, c, mls_status_name(MLS_WRONG_STATE));
        return;
    }
    if (taken_before(m, c, &hash)) {
        struct wire1_message again = {.type = WIRE1_ACCEPTED, .seq = m->seq, .epoch = m->group.epoch};
        delivery_send(d, c, &again);
        return;
    }
    bool asked = m->named == c->handle || m->lease == c->handle;
    const char *refused = fair_commit_refused(m, c, now_us, asked);
    if (refused != NULL) {
        send_stale(m, c, refused);
        return;
    }
    struct name *leaving = mls_alloc(PUBLIC1_GROUP_REMOVES_MAX * sizeof *leaving);
    uint32_t leaving_count = leaving != NULL ? leaving_names(m, leaving, PUBLIC1_GROUP_REMOVES_MAX) : 0;
    struct public1_group_sender sender = {.identity = name_span(&c->identity), .may_join = m->lease == c->handle};
    struct public1_group_result result;
    enum mls_status status = leaving == NULL ? MLS_NO_MEMORY
                                             : public1_group_commit(&m->group, &sender, message->commit,
                                                                    message->group_info, unix_s, &result);
    if (status == MLS_OK) {
        uint64_t removes = d->counters.delivery_removes;
        m->last_commit = hash;
        m->last_commit_by = c->identity;
        accepted(m, c, now_us, message, &result);
        for (uint32_t i = 0; i < leaving_count; i++)
            assembly_leaves(m, name_span(&leaving[i]));
        if (!asked && leaving_count > 0 && d->counters.delivery_removes == removes)
            fair_commit_give_back(m, c); /* it did what was to be done */
        remove_ghosts(m);
    } else {
        commit_refused(m, c, now_us, message->commit, status);
    }
    if (leaving != NULL)
        mls_free(leaving, PUBLIC1_GROUP_REMOVES_MAX * sizeof *leaving);
}

void assembly_ack(struct assembly *m, struct connection *c, uint64_t epoch) {
    if (m->active && c->phase == PHASE_MEMBER && epoch == m->group.epoch && !c->resyncing)
        connection_set(c, PHASE_MEMBER, true, false);
}

/* ---- sealed messages ---- */

void assembly_app(struct assembly *m, struct connection *c, const struct wire1_message *message) {
    struct mls_message_info info;
    if (mls_message_peek(message->message, &info) != MLS_OK || info.wire_format != MLS_WIRE_PRIVATE_MESSAGE ||
        info.content_type != MLS_CONTENT_APPLICATION) {
        m->owner->counters.delivery_app_dropped++;
        return;
    }
    struct wire1_message out = {
        .type = WIRE1_APP_FROM, .identity = name_span(&c->identity), .message = message->message};
    m->owner->counters.delivery_app++;
    broadcast(m, &out, c);
    struct wire1_message own = {.type = WIRE1_SENT, .seq = m->seq};
    delivery_send(m->owner, c, &own);
}

void assembly_direct(struct assembly *m, struct connection *c, const struct wire1_message *message) {
    struct connection *to = delivery_connection_of(m, message->identity);
    if (to == NULL || to->phase != PHASE_MEMBER) {
        m->owner->counters.delivery_app_dropped++;
        return;
    }
    struct wire1_message out = {
        .type = WIRE1_DIRECT_FROM, .identity = name_span(&c->identity), .sealed = message->sealed};
    m->owner->counters.delivery_app++;
    delivery_send(m->owner, to, &out);
}

/* ---- going ---- */

static void expect_back(struct assembly *m, struct span identity, uint32_t leaf, uint64_t until_us) {
    assembly_forget_absent(m, identity);
    ASSERT(m->absent_count < m->owner->config.members_max);
    struct absent *entry = &m->absent[m->absent_count++];
    name_set(&entry->identity, identity);
    entry->leaf = leaf;
    entry->until_us = until_us;
    m->absent_at_us = time_min(m->absent_at_us, until_us);
}

void assembly_leaves(struct assembly *m, struct span identity) {
    uint32_t leaf = m->active ? public1_group_find(&m->group, identity) : TREE_NONE;
    if (leaf == TREE_NONE || public1_group_is_leaving(&m->group, leaf))
        return;
    struct delivery *d = m->owner;
    struct mls_buf message;
    mls_buf_init(&message, PUBLIC1_GROUP_INFO_LEN_MAX);
    assembly_forget_absent(m, identity);
    if (public1_group_remove(&m->group, leaf, &d->signature_key, &message) == MLS_OK) {
        struct wire1_message handshake = {.type = WIRE1_HANDSHAKE, .message = mls_buf_span(&message)};
        d->counters.delivery_removes++;
        broadcast(m, &handshake, NULL);
    } else {
        expect_back(m, identity, leaf, d->now_us + REMOVE_AGAIN_US);
    }
    mls_buf_free(&message);
    delivery_tell(d, DELIVERY_EXPELLED, m, identity);
}

void assembly_lost(struct assembly *m, struct span identity, uint64_t now_us) {
    uint32_t leaf = m->active ? public1_group_find(&m->group, identity) : TREE_NONE;
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
        if (here[leaf] != 0 || public1_group_is_leaving(&m->group, leaf))
            continue;
        struct name identity;
        name_set(&identity, public1_group_identity(&m->group, leaf));
        m->owner->counters.delivery_ghosts++;
        assembly_leaves(m, name_span(&identity));
    }
    mls_free(here, tree_leaf_count(m->group.tree));
}
