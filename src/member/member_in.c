/* The delivery protocol's messages, one function each. */
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "member/member_internal.h"

#define GROUP_INFO_LEN_MAX (64u << 10)

static void send_bad(struct member *m, uint64_t epoch, enum mls_status status) {
    member_send_wire(m, &(struct wire_message){.type = WIRE_BAD, .epoch = epoch, .status = (uint16_t)status});
}

/* ---- hello ---- */

void member_connected(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng) {
    if (m->ended_told)
        return;
    m->now_us = now_us;
    m->connected = true;
    m->unanswered = 0;
    if (m->group != NULL) {
        member_send_wire(m, &(struct wire_message){.type = WIRE_HELLO, .resume = true, .seq = m->last_seq});
        return;
    }
    struct mls_identity identity = member_identity(m);
    struct mls_buf package;
    mls_buf_init(&package, WIRE_MESSAGE_LEN_MAX);
    if (mls_key_package_create(m->client, &identity, NULL, unix_s, rng, &package) == MLS_OK) {
        member_send_wire(m, &(struct wire_message){.type = WIRE_HELLO, .key_package = mls_buf_span(&package)});
        member_set_state(m, MEMBER_WAITING);
    } else {
        member_end(m, WIRE_GONE_REFUSED);
    }
    mls_buf_free(&package);
}

void member_lost(struct member *m, uint64_t now_us, uint16_t close_code) {
    m->now_us = now_us;
    if (!m->connected || m->ended_told)
        return;
    m->connected = false;
    /* a commit in flight: whether it was taken is told by the log, on resuming */
    mls_group_free(m->joining);
    m->joining = NULL;
    m->creating = false;
    m->fetching = FETCH_NONE;
    /* what came while a tree was fetched belongs to that attempt; a server that was restarted counts anew */
    mls_buf_free(&m->inbox);
    m->inbox_count = 0;
    if (close_code == WIRE_CLOSE_OVER || close_code == WIRE_CLOSE_REPLACED) {
        member_end(m, close_code == WIRE_CLOSE_REPLACED ? 0 : WIRE_GONE_OVER);
        return;
    }
    member_set_state(m, m->group != NULL ? MEMBER_AWAY : MEMBER_CONNECTING);
    uint64_t delay_us = MEMBER_RETRY_MIN_US << (m->tries < 4 ? m->tries : 4);
    m->tries++;
    member_put(m, &(struct member_output){.type = MEMBER_CONNECT, .delay_us = time_min(delay_us, MEMBER_RETRY_MAX_US)});
}

static void on_state(struct member *m, const struct wire_message *message) {
    m->tries = 0;
    if (message->suite != m->suite.suite->id) {
        member_alarm(m, MEMBER_ALARM_SUITE, span_of(NULL, 0), MLS_SUITE_UNSUPPORTED);
        member_end(m, WIRE_GONE_REFUSED);
        return;
    }
    if (m->group != NULL) {
        member_set_state(m, MEMBER_IN);
        return;
    }
    mls_buf_clear(&m->external_sender);
    mls_wr_span(&m->external_sender, message->external_sender);
}

/* ---- making the group ---- */

static enum mls_status context_extensions(struct member *m, struct mls_buf *out) {
    static const uint16_t required[] = {SECURE_EXTENSION_MEETING, SECURE_EXTENSION_CLIENT};
    static const uint16_t credential[] = {MLS_CREDENTIAL_BASIC};
    struct mls_buf hosts, data;
    mls_buf_init(&hosts, WIRE_IDENTITY_LEN_MAX + 2);
    mls_buf_init(&data, GROUP_INFO_LEN_MAX);
    mls_wr_vec(&hosts, mls_buf_span(&m->identity));
    if (mls_buf_ok(&hosts))
        secure_meeting_write(&(struct secure_meeting){.policy = SECURE_POLICY_OPEN,
                                                      .meeting = span_of(m->meeting_hash, sizeof m->meeting_hash),
                                                      .hosts = mls_buf_span(&hosts)},
                             &data);
    enum mls_status status = mls_buf_ok(&hosts) ? data.status : hosts.status;
    if (status == MLS_OK)
        status = mls_extension_write_required(required, ARRAY_LEN(required), NULL, 0, credential, 1, out);
    if (status == MLS_OK)
        status = mls_extension_write_external_senders(mls_buf_span(&m->external_sender), out);
    if (status == MLS_OK)
        status = mls_extension_write(SECURE_EXTENSION_MEETING, mls_buf_span(&data), out);
    mls_buf_free(&hosts);
    mls_buf_free(&data);
    return status;
}

static void on_create_now(struct member *m, uint64_t unix_s, struct rng *rng) {
    struct mls_identity identity = member_identity(m);
    struct mls_group_options options = member_options(m);
    struct mls_buf extensions, info, tree;
    uint8_t group_id[16];
    if (m->group != NULL || m->joining != NULL)
        return;
    mls_buf_init(&extensions, GROUP_INFO_LEN_MAX);
    mls_buf_init(&info, GROUP_INFO_LEN_MAX);
    mls_buf_init(&tree, GROUP_INFO_LEN_MAX);
    rng_fill(rng, group_id, sizeof group_id);
    enum mls_status status = context_extensions(m, &extensions);
    if (status == MLS_OK)
        status = mls_group_create(m->client, &identity, &options, span_of(group_id, sizeof group_id),
                                  mls_buf_span(&extensions), unix_s, rng, &m->joining);
    if (status == MLS_OK)
        status = mls_group_info(m->joining, &(struct mls_group_info_options){.external_pub = true}, &info);
    if (status == MLS_OK)
        status = mls_group_tree(m->joining, &tree);
    if (status == MLS_OK) {
        m->creating = true;
        m->unanswered++;
        member_send_wire(m, &(struct wire_message){
                                .type = WIRE_CREATE, .group_info = mls_buf_span(&info), .tree = mls_buf_span(&tree)});
        member_set_state(m, MEMBER_JOINING);
    } else {
        mls_group_free(m->joining);
        m->joining = NULL;
    }
    mls_buf_free(&extensions);
    mls_buf_free(&info);
    mls_buf_free(&tree);
}

/* ---- entering a group ---- */

static void fetch_tree(struct member *m, enum fetch_purpose purpose, const struct wire_message *message) {
    static const char digits[] = "0123456789abcdef";
    char path[16 + 2 * HASH_LEN_MAX];
    struct writer w = writer_of(path, sizeof path);
    wr_str(&w, "mls/tree/");
    for (size_t i = 0; i < message->tree_hash.len; i++) {
        wr_u8(&w, (uint8_t)digits[message->tree_hash.data[i] >> 4]);
        wr_u8(&w, (uint8_t)digits[message->tree_hash.data[i] & 15]);
    }
    ASSERT(writer_ok(&w));
    mls_buf_clear(&m->fetch_group_info);
    mls_buf_clear(&m->fetch_welcome);
    mls_wr_span(&m->fetch_group_info, message->group_info);
    mls_wr_span(&m->fetch_welcome, message->welcome);
    m->fetching = purpose;
    m->fetch_seq = message->seq;
    m->ticket++;
    member_put(m, &(struct member_output){.type = MEMBER_FETCH, .ticket = m->ticket, .text = writer_span(&w)});
    member_set_state(m, MEMBER_JOINING);
}

static void join_external(struct member *m, uint64_t unix_s, struct rng *rng, struct span tree, bool resync) {
    const struct span psk_id = span_str(SECURE_PSK_ID);
    struct mls_identity identity = member_identity(m);
    struct mls_group_options options = member_options(m);
    struct mls_external_options external = {.join = {.tree = tree, .verify_later = true},
                                            .resync = resync,
                                            .psks = &psk_id,
                                            .psk_count = 1,
                                            .group_info = true};
    struct mls_buf commit, info;
    if (m->joining != NULL)
        return;
    mls_buf_init(&commit, WIRE_MESSAGE_LEN_MAX);
    mls_buf_init(&info, GROUP_INFO_LEN_MAX);
    enum mls_status status = mls_join_external(m->client, &identity, &options, mls_buf_span(&m->fetch_group_info),
                                               &external, unix_s, rng, &m->joining, &commit, &info);
    if (status != MLS_OK) {
        member_alarm(m, status == MLS_TREE_HASH_WRONG ? MEMBER_ALARM_TREE : MEMBER_ALARM_GROUP, span_of(NULL, 0),
                     status);
    } else if (!member_group_good(m, m->joining)) {
        mls_group_free(m->joining);
        m->joining = NULL;
        member_end(m, WIRE_GONE_REFUSED);
    } else {
        m->unanswered++;
        member_send_wire(m, &(struct wire_message){.type = WIRE_COMMIT,
                                                   .commit = mls_buf_span(&commit),
                                                   .group_info = mls_buf_span(&info)});
    }
    mls_buf_free(&commit);
    mls_buf_free(&info);
}

static void take_inbox(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng) {
    struct mls_buf inbox = m->inbox;
    mls_buf_init(&m->inbox, INBOX_LEN_MAX);
    m->inbox_count = 0;
    struct mls_reader r = mls_reader_of(mls_buf_span(&inbox));
    while (mls_reader_left(&r) > 0)
        member_input(m, now_us, unix_s, rng, mls_rd_vec(&r, WIRE_MESSAGE_LEN_MAX, MLS_TOO_LARGE));
    mls_buf_free(&inbox);
}

static void join_welcome(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng, struct span tree) {
    struct mls_group_options options = member_options(m);
    struct mls_join_options join = {.tree = tree, .verify_later = true};
    struct mls_group *group = NULL;
    enum mls_status status = mls_join(m->client, &options, mls_buf_span(&m->fetch_welcome), &join, unix_s, rng, &group);
    if (status != MLS_OK) {
        member_alarm(m, status == MLS_TREE_HASH_WRONG ? MEMBER_ALARM_TREE : MEMBER_ALARM_GROUP, span_of(NULL, 0),
                     status);
        /* the server then sends what a rejoin needs */
        send_bad(m, 0, status);
        return;
    }
    if (!member_group_good(m, group)) {
        mls_group_free(group);
        member_end(m, WIRE_GONE_REFUSED);
        return;
    }
    m->group = group;
    m->last_seq = m->fetch_seq;
    member_entered(m, now_us, unix_s, rng, span_of(NULL, 0), true);
    take_inbox(m, now_us, unix_s, rng);
}

void member_fetched(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng, uint32_t ticket,
                    struct span body) {
    enum fetch_purpose purpose = m->fetching;
    m->now_us = now_us;
    if (ticket != m->ticket || purpose == FETCH_NONE || m->ended_told)
        return;
    m->fetching = FETCH_NONE;
    if (purpose == FETCH_WELCOME) {
        join_welcome(m, now_us, unix_s, rng, body);
    } else if (body.len == 0 && purpose == FETCH_RESYNC) {
        send_bad(m, 0, MLS_TREE_HASH_WRONG); /* for a newer one */
    } else if (body.len == 0) {
        member_set_state(m, MEMBER_WAITING); /* the group went on meanwhile; the server gives another turn */
    } else {
        if (purpose == FETCH_RESYNC) {
            mls_group_free(m->group);
            m->group = NULL;
        }
        join_external(m, unix_s, rng, body, purpose == FETCH_RESYNC);
    }
}

/* Is this answer that of the newest commit? One that lost may be answered when its successor is on the way already. */
static bool answers_newest(struct member *m) {
    if (m->unanswered > 0)
        m->unanswered--;
    return m->unanswered == 0;
}

/* The server took a commit that we have given up waiting for: we cannot follow. */
static void lost_track(struct member *m, const struct wire_message *message) {
    if (m->group == NULL || message->epoch != mls_group_epoch(m->group) + 1)
        return; /* told again, or long ago */
    if (message->seq == m->last_seq + 1)
        m->last_seq = message->seq;
    mls_commit_drop(m->group);
    m->pending_since_us = 0;
    send_bad(m, message->epoch, MLS_NOTHING_PENDING);
}

static void on_accepted(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng,
                        const struct wire_message *message) {
    bool newest = answers_newest(m);
    if (m->joining != NULL) {
        enum mls_status status = m->creating ? MLS_OK : mls_commit_confirm(m->joining);
        if (status != MLS_OK || mls_group_epoch(m->joining) != message->epoch) {
            member_alarm(m, MEMBER_ALARM_COMMIT, span_of(NULL, 0), status);
            mls_group_free(m->joining);
            m->joining = NULL;
            return;
        }
        m->group = m->joining;
        m->joining = NULL;
        m->creating = false;
        m->last_seq = message->seq;
        member_entered(m, now_us, unix_s, rng, mls_buf_span(&m->identity), true);
        return;
    }
    if (!newest || m->group == NULL || !mls_commit_is_pending(m->group) ||
        message->epoch != mls_group_epoch(m->group) + 1) {
        lost_track(m, message);
        return;
    }
    m->pending_since_us = 0;
    if (message->seq == m->last_seq + 1)
        m->last_seq = message->seq;
    else
        member_alarm(m, MEMBER_ALARM_ORDER, span_of(NULL, 0), MLS_OK);
    enum mls_status status = mls_commit_confirm(m->group);
    if (status != MLS_OK) {
        send_bad(m, message->epoch, status);
        return;
    }
    member_entered(m, now_us, unix_s, rng, mls_buf_span(&m->identity), false);
    if (m->pending_adds)
        member_send_roster(m, rng);
}

static void on_stale(struct member *m) {
    if (!answers_newest(m))
        return;
    if (m->joining != NULL) {
        mls_group_free(m->joining);
        m->joining = NULL;
        m->creating = false;
        member_set_state(m, MEMBER_WAITING);
    }
    if (m->group != NULL)
        mls_commit_drop(m->group);
    m->pending_since_us = 0;
}

/* ---- committing ---- */

static enum mls_status commit(struct member *m, uint64_t unix_s, struct rng *rng, struct span proposals, bool adds) {
    struct mls_buf bytes, welcome, info;
    struct mls_commit_options options = {.proposals = proposals,
                                         .pick = MLS_PICK_ALL,
                                         .frame = {.as_public = true},
                                         .group_info = {.external_pub = true}};
    mls_buf_init(&bytes, WIRE_MESSAGE_LEN_MAX - GROUP_INFO_LEN_MAX);
    mls_buf_init(&welcome, WIRE_MESSAGE_LEN_MAX - GROUP_INFO_LEN_MAX);
    mls_buf_init(&info, GROUP_INFO_LEN_MAX);
    enum mls_status status = mls_commit(m->group, &options, unix_s, rng, &bytes, &welcome, &info);
    if (status == MLS_OK) {
        m->pending_adds = adds;
        m->pending_since_us = m->now_us;
        m->unanswered++;
        member_send_wire(m, &(struct wire_message){.type = WIRE_COMMIT,
                                                   .commit = mls_buf_span(&bytes),
                                                   .welcome = mls_buf_span(&welcome),
                                                   .group_info = mls_buf_span(&info)});
    }
    mls_buf_free(&bytes);
    mls_buf_free(&welcome);
    mls_buf_free(&info);
    return status;
}

static void on_commit_now(struct member *m, uint64_t unix_s, struct rng *rng, const struct wire_message *message) {
    struct mls_buf proposals;
    struct span package;
    size_t at = 0;
    bool adds = false;
    if (m->group == NULL || message->epoch != mls_group_epoch(m->group) || mls_commit_is_pending(m->group))
        return;
    mls_buf_init(&proposals, WIRE_MESSAGE_LEN_MAX);
    while (wire_next(message, &at, &package)) {
        if (member_package_good(m, package, unix_s) && mls_propose_write_add(package, &proposals) == MLS_OK)
            adds = true;
    }
    if (adds && mls_propose_write_psk(m->suite.suite->id, span_str(SECURE_PSK_ID), rng, &proposals) != MLS_OK)
        mls_buf_clear(&proposals);
    if (mls_buf_ok(&proposals) && (adds || m->remove_open_us != 0))
        (void)commit(m, unix_s, rng, mls_buf_span(&proposals), adds); /* else the server names another */
    mls_buf_free(&proposals);
}

enum mls_status member_remove(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng,
                              struct span identity) {
    struct member_person self, other;
    struct mls_buf proposal;
    m->now_us = now_us;
    if (m->state != MEMBER_IN || !member_person_find(m, mls_buf_span(&m->identity), &self))
        return MEMBER_NOT_IN;
    if (!self.host || !member_person_find(m, identity, &other) || other.self)
        return MLS_PROPOSAL_REFUSED;
    mls_buf_init(&proposal, 64);
    enum mls_status status = mls_propose_write_remove(other.leaf, &proposal);
    if (status == MLS_OK)
        status = commit(m, unix_s, rng, mls_buf_span(&proposal), false);
    mls_buf_free(&proposal);
    return status;
}

/* The GroupContext's extensions with one more host. */
static enum mls_status with_host(const struct member *m, struct span identity, struct mls_buf *out) {
    struct span data;
    struct secure_meeting meeting;
    struct mls_buf hosts, changed, wrapped;
    if (!mls_group_extension(m->group, SECURE_EXTENSION_MEETING, &data) || !secure_meeting_read(data, &meeting))
        return MLS_WRONG_STATE;
    mls_buf_init(&hosts, (SECURE_HOSTS_MAX + 1) * (WIRE_IDENTITY_LEN_MAX + 2));
    mls_buf_init(&changed, GROUP_INFO_LEN_MAX);
    mls_buf_init(&wrapped, GROUP_INFO_LEN_MAX);
    size_t at = 0, count = 1;
    struct span host;
    while (secure_host_next(&meeting, &at, &host))
        count++;
    mls_wr_span(&hosts, meeting.hosts);
    mls_wr_vec(&hosts, identity);
    meeting.hosts = mls_buf_span(&hosts);
    enum mls_status status = count > SECURE_HOSTS_MAX ? MLS_TOO_LARGE : hosts.status;
    if (status == MLS_OK)
        secure_meeting_write(&meeting, &changed);
    mls_wr_vec(&wrapped, mls_group_extensions(m->group));
    struct mls_reader r = mls_reader_of(mls_buf_span(&wrapped));
    struct mls_list list;
    struct mls_extension extension;
    mls_extensions_read(&r, &list);
    struct mls_reader it = mls_reader_of(list.bytes);
    while (status == MLS_OK && mls_extensions_next(&it, &extension)) {
        bool ours = extension.type == SECURE_EXTENSION_MEETING;
        status = mls_extension_write(extension.type, ours ? mls_buf_span(&changed) : extension.data, out);
    }
    mls_buf_free(&hosts);
    mls_buf_free(&changed);
    mls_buf_free(&wrapped);
    return status;
}

enum mls_status member_make_host(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng,
                                 struct span identity) {
    struct member_person self, other;
    struct mls_buf extensions, proposal;
    m->now_us = now_us;
    if (m->state != MEMBER_IN || !member_person_find(m, mls_buf_span(&m->identity), &self))
        return MEMBER_NOT_IN;
    if (!self.host || !member_person_find(m, identity, &other) || other.host)
        return MLS_PROPOSAL_REFUSED;
    mls_buf_init(&extensions, GROUP_INFO_LEN_MAX);
    mls_buf_init(&proposal, GROUP_INFO_LEN_MAX);
    enum mls_status status = with_host(m, identity, &extensions);
    if (status == MLS_OK)
        status = mls_propose_write_extensions(mls_buf_span(&extensions), &proposal);
    if (status == MLS_OK)
        status = commit(m, unix_s, rng, mls_buf_span(&proposal), false);
    mls_buf_free(&extensions);
    mls_buf_free(&proposal);
    return status;
}

/* ---- what others send ---- */

/* True when the message is the next one. A repeated one is dropped; after a gap MLS tells whether a commit is missing.
 */
static bool in_order(struct member *m, uint64_t seq) {
    if (seq <= m->last_seq)
        return false;
    if (seq != m->last_seq + 1)
        member_alarm(m, MEMBER_ALARM_ORDER, span_of(NULL, 0), MLS_OK);
    m->last_seq = seq;
    return true;
}

static void on_remove_proposed(struct member *m, uint64_t now_us, const struct mls_received *received) {
    struct mls_proposal_info info;
    bool fine = received->sender_type == MLS_SENDER_EXTERNAL &&
                mls_proposal_find(m->group, received->proposal_ref, &info) && info.type == MLS_PROPOSAL_REMOVE;
    if (!fine) {
        mls_proposal_forget(m->group, received->proposal_ref);
        member_alarm(m, MEMBER_ALARM_REMOVE, span_of(NULL, 0), MLS_PROPOSAL_REFUSED);
        return;
    }
    if (m->remove_open_us == 0)
        m->remove_open_us = now_us;
    struct person *gone = member_find_person(m, info.leaf.identity);
    if (gone != NULL) {
        gone->online = false;
        member_put(m, &(struct member_output){.type = MEMBER_ROSTER});
    }
}

static void on_commit(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng) {
    struct mls_commit_info info;
    uint8_t by[WIRE_IDENTITY_LEN_MAX];
    struct mls_member sender;
    struct span committer = span_of(NULL, 0);
    uint64_t epoch = mls_group_epoch(m->group) + 1;
    if (!member_commit_good(m, m->group)) {
        mls_staged_refuse(m->group);
        send_bad(m, epoch, MLS_PROPOSAL_REFUSED);
        return;
    }
    bool known = mls_staged_info(m->group, &info);
    ASSERT(known);
    bool external = info.sender_type == MLS_SENDER_NEW_MEMBER_COMMIT;
    if (external)
        committer = info.leaf.identity;
    else if (mls_member_at(m->group, info.sender, &sender))
        committer = sender.leaf.identity;
    ASSERT(committer.len <= sizeof by);
    if (committer.len > 0)
        memcpy(by, committer.data, committer.len);
    bool out = info.removes_us;
    m->pending_since_us = 0;
    enum mls_status status = mls_staged_apply(m->group);
    if (status != MLS_OK) {
        send_bad(m, epoch, status);
    } else if (out) {
        member_end(m, WIRE_GONE_REMOVED);
    } else {
        member_entered(m, now_us, unix_s, rng, span_of(by, committer.len), false);
        /* a newcomer by external commit is greeted by the first of those who are here */
        if (external) {
            struct person *first = NULL;
            for (uint32_t i = 0; i < m->people_count; i++) {
                struct person *p = &m->people[i];
                bool candidate = p->online && !span_equal(mls_buf_span(&p->identity), span_of(by, committer.len));
                if (candidate && (first == NULL || p->leaf < first->leaf))
                    first = p;
            }
            if (first != NULL && first->leaf == mls_own_leaf(m->group))
                member_send_roster(m, rng);
        }
    }
}

static void on_message(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng,
                       const struct wire_message *message) {
    struct mls_received received;
    if (!in_order(m, message->seq) || m->fetching == FETCH_RESYNC)
        return;
    if (message->type == WIRE_APP_FROM && span_equal(message->identity, mls_buf_span(&m->identity)))
        return; /* our own, from the log */
    enum mls_status status = mls_process(m->group, message->message, unix_s, &received);
    bool handshake = message->type == WIRE_HANDSHAKE;
    if (status != MLS_OK) {
        if (handshake && status != MLS_EPOCH_OVER) {
            member_alarm(m, MEMBER_ALARM_COMMIT, span_of(NULL, 0), status);
            send_bad(m, mls_group_epoch(m->group) + 1, status);
        } else if (!handshake) {
            m->dropped++;
            /* the server orders commits and messages: one of a later epoch means that it kept a commit back */
            if (status == MLS_EPOCH_AHEAD)
                member_alarm(m, MEMBER_ALARM_ORDER, span_of(NULL, 0), status);
            else if (status != MLS_EPOCH_FORGOTTEN)
                member_alarm(m, MEMBER_ALARM_CONTENT, message->identity, status);
        }
        return;
    }
    switch (received.kind) {
    case MLS_RECEIVED_APPLICATION:
        if (handshake)
            member_alarm(m, MEMBER_ALARM_CONTENT, span_of(NULL, 0), MLS_CONTENT_TYPE_UNKNOWN);
        else
            member_take_app(m, rng, message->identity, &received);
        break;
    case MLS_RECEIVED_PROPOSAL:
        on_remove_proposed(m, now_us, &received);
        break;
    case MLS_RECEIVED_COMMIT:
        on_commit(m, now_us, unix_s, rng);
        break;
    case MLS_RECEIVED_OWN_COMMIT: /* taken while we were away */
        m->pending_since_us = 0;
        if (mls_commit_confirm(m->group) == MLS_OK)
            member_entered(m, now_us, unix_s, rng, mls_buf_span(&m->identity), false);
        break;
    case MLS_RECEIVED_OWN_PROPOSAL:
        break;
    }
}

static void on_online(struct member *m, const struct wire_message *message) {
    struct span identity;
    size_t at = 0;
    for (uint32_t i = 0; i < m->people_count; i++)
        m->people[i].online = span_equal(mls_buf_span(&m->people[i].identity), mls_buf_span(&m->identity));
    while (wire_next(message, &at, &identity)) {
        struct person *p = member_find_person(m, identity);
        if (p != NULL)
            p->online = true;
    }
    member_put(m, &(struct member_output){.type = MEMBER_ROSTER});
}

void member_input(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng, struct span bytes) {
    struct wire_message message;
    m->now_us = now_us;
    if (m->ended_told)
        return;
    if (!wire_read(WIRE_FROM_SERVER, bytes, &message)) {
        member_alarm(m, MEMBER_ALARM_CONTENT, span_of(NULL, 0), MLS_TRUNCATED);
        return;
    }
    bool broadcast = message.type == WIRE_HANDSHAKE || message.type == WIRE_APP_FROM;
    if (broadcast && m->fetching == FETCH_WELCOME && m->group == NULL) {
        if (m->inbox_count < INBOX_MAX) {
            mls_wr_vec(&m->inbox, bytes);
            m->inbox_count++;
        }
        return;
    }
    if (broadcast && m->group == NULL)
        return;
    switch (message.type) {
    case WIRE_STATE:
        on_state(m, &message);
        break;
    case WIRE_CREATE_NOW:
        on_create_now(m, unix_s, rng);
        break;
    case WIRE_JOIN_NOW:
        if (m->group == NULL && m->joining == NULL)
            fetch_tree(m, FETCH_JOIN, &message);
        break;
    case WIRE_WELCOME:
        if (m->group != NULL)
            break;
        /* a member was faster than our own commit, which the server will not take any more */
        mls_group_free(m->joining);
        m->joining = NULL;
        m->creating = false;
        fetch_tree(m, FETCH_WELCOME, &message);
        break;
    case WIRE_RESYNC:
        fetch_tree(m, FETCH_RESYNC, &message);
        break;
    case WIRE_COMMIT_NOW:
        on_commit_now(m, unix_s, rng, &message);
        break;
    case WIRE_HANDSHAKE:
    case WIRE_APP_FROM:
        on_message(m, now_us, unix_s, rng, &message);
        break;
    case WIRE_ACCEPTED:
        on_accepted(m, now_us, unix_s, rng, &message);
        break;
    case WIRE_SENT:
        if (message.seq == m->last_seq + 1)
            m->last_seq = message.seq;
        break;
    case WIRE_STALE:
        on_stale(m);
        break;
    case WIRE_DIRECT_FROM:
        if (m->group != NULL)
            member_take_direct(m, rng, message.identity, message.sealed);
        break;
    case WIRE_READY:
        if (m->group != NULL)
            member_switch(m, message.epoch);
        break;
    case WIRE_ONLINE:
        on_online(m, &message);
        break;
    case WIRE_GONE:
        member_end(m, message.gone);
        break;
    default:
        break;
    }
}

void member_leave(struct member *m) {
    member_send_wire(m, &(struct wire_message){.type = WIRE_LEAVE});
    member_end(m, 0);
}

/* ---- the clock ---- */

static void check_signatures(struct member *m, uint64_t now_us) {
    if (mls_verify_some(m->group, CHECKS_A_STEP) != MLS_OK || mls_group_state(m->group) == MLS_STATE_BROKEN) {
        member_alarm(m, MEMBER_ALARM_SIGNATURE, span_of(NULL, 0), MLS_LEAF_SIGNATURE_INVALID);
        member_end(m, WIRE_GONE_REFUSED);
        return;
    }
    bool more = mls_verify_left(m->group) > 0;
    m->checks_at_us = more ? now_us + CHECK_STEP_US : TIME_NEVER;
    if (!more)
        member_put(m, &(struct member_output){.type = MEMBER_ROSTER});
}

void member_tick(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng) {
    m->now_us = now_us;
    if (now_us >= m->directs_at_us)
        member_directs_forget(m);
    /* without a connection, too: media flows on */
    while (m->group != NULL && m->switches_count > 0 && now_us >= m->switches[0].at_us)
        member_switch(m, m->switches[0].epoch);
    if (m->group == NULL || m->state != MEMBER_IN)
        return;
    if (m->pending_since_us != 0 && now_us >= m->pending_since_us + PENDING_US) {
        mls_commit_drop(m->group);
        m->pending_since_us = 0;
    }
    if (m->remove_open_us != 0 && m->pending_since_us == 0 && now_us >= m->remove_open_us + MEMBER_OPEN_REMOVE_US) {
        if (now_us >= m->remove_open_us + 10 * MEMBER_OPEN_REMOVE_US && !m->withheld_told) {
            member_alarm(m, MEMBER_ALARM_WITHHELD, span_of(NULL, 0), MLS_OK);
            m->withheld_told = true;
        }
        if (commit(m, unix_s, rng, span_of(NULL, 0), false) != MLS_OK)
            m->remove_open_us = now_us;
    }
    if (now_us >= m->heal_at_us) {
        m->heal_at_us = now_us + MEMBER_HEAL_US;
        if (m->pending_since_us == 0)
            (void)commit(m, unix_s, rng, span_of(NULL, 0), false);
    }
    if (now_us >= m->profile_at_us)
        member_send_profile(m, rng);
    if (now_us >= m->names_at_us)
        m->names_at_us = ++m->names_tries < NAMES_TRIES_MAX && member_ask_names(m, rng)
                             ? now_us + (NAMES_US << m->names_tries)
                             : TIME_NEVER;
    if (now_us >= m->checks_at_us)
        check_signatures(m, now_us);
}
