/* The delivery protocol's messages, one function each. */
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "member/member_internal.h"

#define GROUP_INFO_LEN_MAX (64u << 10)

void member_send_bad(struct member *m, uint64_t epoch, enum mls_status status) {
    member_send_wire(m, &(struct wire1_message){.type = WIRE1_BAD, .epoch = epoch, .status = (uint16_t)status});
}

/* ---- hello ---- */

void member_connected(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng) {
    if (m->ended_told)
        return;
    m->now_us = now_us;
    m->connected = true;
    m->unanswered = 0;
    if (m->group != NULL) {
        member_send_wire(m, &(struct wire1_message){.type = WIRE1_HELLO, .resume = true, .seq = m->last_seq});
        return;
    }
    struct mls_identity identity = member_identity(m);
    struct mls_buf package;
    mls_buf_init(&package, WIRE1_MESSAGE_LEN_MAX);
    if (mls_key_package_create(m->client, &identity, NULL, unix_s, rng, &package) == MLS_OK) {
        member_send_wire(m, &(struct wire1_message){.type = WIRE1_HELLO, .key_package = mls_buf_span(&package)});
        member_set_state(m, MEMBER_WAITING);
    } else {
        member_end(m, WIRE1_GONE_REFUSED);
    }
    mls_buf_free(&package);
}

void member_lost(struct member *m, uint64_t now_us, uint16_t close_code) {
    m->now_us = now_us;
    if (!m->connected || m->ended_told)
        return;
    m->connected = false;
    /* a commit in flight: whether it was taken is told by the log, on resuming */
    member_drop_joining(m);
    m->fetching = FETCH_NONE;
    /* what came while a tree was fetched belongs to that attempt; a server that was restarted counts anew */
    mls_buf_free(&m->inbox);
    m->inbox_count = 0;
    if (close_code == WIRE1_CLOSE_OVER || close_code == WIRE1_CLOSE_REPLACED) {
        member_end(m, close_code == WIRE1_CLOSE_REPLACED ? 0 : WIRE1_GONE_OVER);
        return;
    }
    member_set_state(m, m->group != NULL ? MEMBER_AWAY : MEMBER_CONNECTING);
    uint64_t delay_us = MEMBER_RETRY_MIN_US << (m->tries < 4 ? m->tries : 4);
    m->tries++;
    member_put(m, &(struct member_output){.type = MEMBER_CONNECT, .delay_us = time_min(delay_us, MEMBER_RETRY_MAX_US)});
}

static void on_state(struct member *m, const struct wire1_message *message) {
    m->tries = 0;
    if (message->suite != m->suite.suite->id) {
        member_alarm(m, MEMBER_ALARM_SUITE, span_of(NULL, 0), MLS_SUITE_UNSUPPORTED);
        member_end(m, WIRE1_GONE_REFUSED);
        return;
    }
    if (m->group != NULL) {
        if (message->epoch > mls_group_epoch(m->group))
            m->behind_epoch = message->epoch;
        member_rejoin_resumed(m, message->epoch != mls_group_epoch(m->group) || message->seq != m->last_seq);
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
    mls_buf_init(&hosts, WIRE1_IDENTITY_LEN_MAX + 2);
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
        member_send_wire(m, &(struct wire1_message){
                                .type = WIRE1_CREATE, .group_info = mls_buf_span(&info), .tree = mls_buf_span(&tree)});
        member_set_state(m, MEMBER_JOINING);
    } else {
        member_drop_joining(m);
    }
    mls_buf_free(&extensions);
    mls_buf_free(&info);
    mls_buf_free(&tree);
}

/* ---- entering a group ---- */

void member_fetch_tree(struct member *m, enum fetch_purpose purpose, const struct wire1_message *message) {
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
    if (m->group == NULL)
        member_set_state(m, MEMBER_JOINING);
}

/* The client of the group to be: with a group of ours still open, another one, since both groups have one id. */
static struct mls_client *client_to_join(struct member *m) {
    if (m->group == NULL)
        return m->client;
    if (mls_client_create(m->crypto, &m->joining_client) != MLS_OK)
        return NULL;
    if (mls_psk_add(m->joining_client, span_str(SECURE_PSK_ID), secret_span(&m->link.psk)) != MLS_OK)
        member_drop_joining(m);
    return m->joining_client;
}

static void not_joined(struct member *m) {
    member_drop_joining(m);
    if (m->group != NULL)
        member_rejoin_later(m);
    else
        member_set_state(m, MEMBER_WAITING); /* the server gives another turn, after others */
}

static void join_external(struct member *m, struct rng *rng, struct span tree, bool resync) {
    const struct span psk_id = span_str(SECURE_PSK_ID);
    struct mls_identity identity = member_identity(m);
    struct mls_group_options options = member_options(m);
    /* what is to replace a good group is looked at whole before */
    struct mls_external_options external = {.join = {.tree = tree, .verify_later = m->group == NULL},
                                            .resync = resync,
                                            .psks = &psk_id,
                                            .psk_count = 1,
                                            .group_info = true};
    struct mls_buf commit, info;
    if (m->joining != NULL)
        return;
    mls_buf_init(&commit, WIRE1_MESSAGE_LEN_MAX);
    mls_buf_init(&info, GROUP_INFO_LEN_MAX);
    struct mls_client *client = client_to_join(m);
    enum mls_status status = MLS_NO_MEMORY;
    if (client != NULL)
        status = mls_join_external(client, &identity, &options, mls_buf_span(&m->fetch_group_info), &external, 0, rng,
                                   &m->joining, &commit, &info);
    if (status != MLS_OK) {
        member_alarm(m, status == MLS_TREE_HASH_WRONG ? MEMBER_ALARM_TREE : MEMBER_ALARM_GROUP, span_of(NULL, 0),
                     status);
        not_joined(m);
    } else if (!member_group_good(m, m->joining) || (m->group != NULL && !member_rejoin_good(m))) {
        if (m->group == NULL)
            member_end(m, WIRE1_GONE_REFUSED);
        else
            not_joined(m);
    } else {
        m->unanswered++;
        m->joining_since_us = m->now_us;
        member_send_wire(m, &(struct wire1_message){.type = WIRE1_COMMIT,
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
        member_input(m, now_us, unix_s, rng, mls_rd_vec(&r, WIRE1_MESSAGE_LEN_MAX, MLS_TOO_LARGE));
    mls_buf_free(&inbox);
}

static void join_welcome(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng, struct span tree) {
    struct mls_group_options options = member_options(m);
    struct mls_join_options join = {.tree = tree, .verify_later = true};
    struct mls_group *group = NULL;
    enum mls_status status = mls_join(m->client, &options, mls_buf_span(&m->fetch_welcome), &join, 0, rng, &group);
    if (status != MLS_OK) {
        member_alarm(m, status == MLS_TREE_HASH_WRONG ? MEMBER_ALARM_TREE : MEMBER_ALARM_GROUP, span_of(NULL, 0),
                     status);
        /* the server then sends what a rejoin needs */
        member_send_bad(m, 0, status);
        return;
    }
    if (!member_group_good(m, group)) {
        mls_group_free(group);
        member_end(m, WIRE1_GONE_REFUSED);
        return;
    }
    member_drop_joining(m);
    m->group = group;
    m->last_seq = m->fetch_seq;
    m->greeter = mls_group_info_signer(group);
    member_entered(m, now_us, unix_s, rng, span_of(NULL, 0), ENTRY_NEW);
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
    } else if (body.len == 0) {
        not_joined(m); /* the group went on meanwhile */
    } else {
        join_external(m, rng, body, purpose == FETCH_RESYNC);
    }
}

/* Is this answer that of the newest commit? One that lost may be answered when its successor is on the way already. */
static bool answers_newest(struct member *m) {
    if (m->unanswered > 0)
        m->unanswered--;
    return m->unanswered == 0;
}

/* The server took a commit that we have given up waiting for: we cannot follow. */
static void lost_track(struct member *m, const struct wire1_message *message) {
    if (m->group == NULL || message->epoch != mls_group_epoch(m->group) + 1)
        return; /* told again, or long ago */
    if (message->seq == m->last_seq + 1)
        m->last_seq = message->seq;
    mls_commit_drop(m->group);
    m->pending_since_us = 0;
    member_go_astray(m, message->epoch, MLS_NOTHING_PENDING);
}

static void on_accepted(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng,
                        const struct wire1_message *message) {
    bool newest = answers_newest(m);
    if (m->joining != NULL) {
        enum mls_status status = m->creating ? MLS_OK : mls_commit_confirm(m->joining);
        if (status != MLS_OK || mls_group_epoch(m->joining) != message->epoch) {
            member_alarm(m, MEMBER_ALARM_COMMIT, span_of(NULL, 0), status);
            not_joined(m);
            return;
        }
        enum entry entry = m->group != NULL ? ENTRY_AGAIN : ENTRY_NEW;
        m->title_known = m->title_known || m->creating; /* there is nobody who could tell it */
        member_adopt_joining(m);
        m->last_seq = message->seq;
        m->greeter = UINT32_MAX;
        member_entered(m, now_us, unix_s, rng, mls_buf_span(&m->identity), entry);
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
        member_go_astray(m, message->epoch, status);
        return;
    }
    member_entered(m, now_us, unix_s, rng, mls_buf_span(&m->identity), ENTRY_NEXT);
    if (m->pending_adds)
        member_send_roster(m, rng);
}

static void on_stale(struct member *m) {
    if (!answers_newest(m))
        return;
    if (m->joining != NULL)
        not_joined(m);
    if (m->group != NULL)
        mls_commit_drop(m->group);
    m->pending_since_us = 0;
}

/* ---- committing ---- */

enum mls_status member_commit(struct member *m, struct rng *rng, struct span proposals, bool adds) {
    struct mls_buf bytes, welcome, info;
    struct mls_commit_options options = {.proposals = proposals,
                                         .pick = MLS_PICK_ALL,
                                         .frame = {.as_public = true},
                                         .group_info = {.external_pub = true}};
    mls_buf_init(&bytes, WIRE1_MESSAGE_LEN_MAX - GROUP_INFO_LEN_MAX);
    mls_buf_init(&welcome, WIRE1_MESSAGE_LEN_MAX - GROUP_INFO_LEN_MAX);
    mls_buf_init(&info, GROUP_INFO_LEN_MAX);
    enum mls_status status = mls_commit(m->group, &options, 0, rng, &bytes, &welcome, &info);
    if (status == MLS_OK) {
        m->pending_adds = adds;
        m->pending_since_us = m->now_us;
        m->unanswered++;
        member_send_wire(m, &(struct wire1_message){.type = WIRE1_COMMIT,
                                                    .commit = mls_buf_span(&bytes),
                                                    .welcome = mls_buf_span(&welcome),
                                                    .group_info = mls_buf_span(&info)});
    }
    mls_buf_free(&bytes);
    mls_buf_free(&welcome);
    mls_buf_free(&info);
    return status;
}

static void on_commit_now(struct member *m, struct rng *rng, const struct wire1_message *message) {
    struct mls_buf proposals;
    struct span package;
    size_t at = 0;
    bool adds = false;
    if (m->group == NULL || message->epoch != mls_group_epoch(m->group) || mls_commit_is_pending(m->group))
        return;
    mls_buf_init(&proposals, WIRE1_MESSAGE_LEN_MAX);
    while (wire1_next(message, &at, &package)) {
        if (member_package_good(m, package) && mls_propose_write_add(package, &proposals) == MLS_OK)
            adds = true;
    }
    if (adds && mls_propose_write_psk(m->suite.suite->id, span_str(SECURE_PSK_ID), rng, &proposals) != MLS_OK)
        mls_buf_clear(&proposals);
    if (mls_buf_ok(&proposals) && (adds || m->remove_try_us != TIME_NEVER))
        (void)member_commit(m, rng, mls_buf_span(&proposals), adds); /* else the server names another */
    mls_buf_free(&proposals);
}

/* ---- what others send ---- */

/* True when the message is the next one. A repeated one is dropped; after a gap MLS tells whether a commit is missing.
 */
static bool in_order(struct member *m, uint64_t seq) {
    if (seq <= m->last_seq)
        return false;
    if (seq != m->last_seq + 1) {
        member_alarm(m, MEMBER_ALARM_ORDER, span_of(NULL, 0), MLS_OK);
        m->astray = true;
    }
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
    m->remove_try_us = time_min(m->remove_try_us, now_us + MEMBER_OPEN_REMOVE_US);
    struct person *gone = member_find_person(m, info.leaf.identity);
    if (gone != NULL) {
        gone->online = false;
        /* the first announcement counts, whatever epochs come and whatever commits fail until it is carried out */
        if (gone->leaving_since_us == 0)
            gone->leaving_since_us = now_us;
        member_put(m, &(struct member_output){.type = MEMBER_ROSTER});
    }
}

static void on_commit(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng) {
    struct mls_commit_info info;
    uint8_t by[WIRE1_IDENTITY_LEN_MAX];
    struct mls_member sender;
    struct span committer = span_of(NULL, 0);
    uint64_t epoch = mls_group_epoch(m->group) + 1;
    bool known = mls_staged_info(m->group, &info);
    ASSERT(known);
    bool external = info.sender_type == MLS_SENDER_NEW_MEMBER_COMMIT;
    /* our own way back, of which we did not hear that it was taken; its keys are gone */
    bool own = external && span_equal(info.leaf.signature_key, mls_buf_span(&m->signature_public));
    if (own || !member_commit_good(m, m->group)) {
        mls_staged_refuse(m->group);
        member_go_astray(m, epoch, MLS_PROPOSAL_REFUSED);
        return;
    }
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
        member_go_astray(m, epoch, status);
    } else if (out) {
        member_end(m, WIRE1_GONE_REMOVED);
    } else {
        member_entered(m, now_us, unix_s, rng, span_of(by, committer.len), ENTRY_NEXT);
        /* a newcomer by external commit is greeted by the first of those who are here */
        if (external && member_greeter_of(m, span_of(by, committer.len)) == mls_own_leaf(m->group))
            member_send_roster(m, rng);
    }
}

static void on_message(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng,
                       const struct wire1_message *message) {
    struct mls_received received;
    if (!in_order(m, message->seq))
        return;
    if (message->type == WIRE1_APP_FROM && span_equal(message->identity, mls_buf_span(&m->identity)))
        return; /* our own, from the log */
    enum mls_status status = mls_process(m->group, message->message, 0, &received);
    bool handshake = message->type == WIRE1_HANDSHAKE;
    if (status != MLS_OK) {
        struct mls_message_info info;
        bool ahead = status == MLS_EPOCH_AHEAD && mls_message_peek(message->message, &info) == MLS_OK;
        if (ahead && m->behind_epoch > 0) {
            m->dropped++; /* we could not follow before, and said so */
        } else if (handshake && status != MLS_EPOCH_OVER) {
            member_alarm(m, MEMBER_ALARM_COMMIT, span_of(NULL, 0), status);
            if (ahead)
                m->behind_epoch = info.epoch + 1;
            member_go_astray(m, mls_group_epoch(m->group) + 1, status);
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
            member_entered(m, now_us, unix_s, rng, mls_buf_span(&m->identity), ENTRY_NEXT);
        break;
    case MLS_RECEIVED_OWN_PROPOSAL:
        break;
    }
}

static void on_online(struct member *m, const struct wire1_message *message) {
    struct span identity;
    size_t at = 0;
    for (uint32_t i = 0; i < m->people_count; i++)
        m->people[i].online = span_equal(mls_buf_span(&m->people[i].identity), mls_buf_span(&m->identity));
    while (wire1_next(message, &at, &identity)) {
        struct person *p = member_find_person(m, identity);
        if (p != NULL)
            p->online = true;
    }
    m->online_told = true;
    if (m->group != NULL)
        member_rosters_look(m);
    member_put(m, &(struct member_output){.type = MEMBER_ROSTER});
}

void member_input(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng, struct span bytes) {
    struct wire1_message message;
    m->now_us = now_us;
    if (m->ended_told)
        return;
    if (!wire1_read(WIRE1_FROM_SERVER, bytes, &message)) {
        member_alarm(m, MEMBER_ALARM_CONTENT, span_of(NULL, 0), MLS_TRUNCATED);
        return;
    }
    bool broadcast = message.type == WIRE1_HANDSHAKE || message.type == WIRE1_APP_FROM;
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
    case WIRE1_STATE:
        on_state(m, &message);
        break;
    case WIRE1_CREATE_NOW:
        on_create_now(m, unix_s, rng);
        break;
    case WIRE1_JOIN_NOW:
        if (m->group == NULL && m->joining == NULL)
            member_fetch_tree(m, FETCH_JOIN, &message);
        break;
    case WIRE1_WELCOME:
        if (m->group == NULL) {
            member_drop_joining(m); /* an attempt of our own, whose answer would come too late */
            member_fetch_tree(m, FETCH_WELCOME, &message);
        } else {
            m->dropped++;
        }
        break;
    case WIRE1_RESYNC:
        member_on_resync(m, &message);
        break;
    case WIRE1_COMMIT_NOW:
        on_commit_now(m, rng, &message);
        break;
    case WIRE1_HANDSHAKE:
    case WIRE1_APP_FROM:
        on_message(m, now_us, unix_s, rng, &message);
        break;
    case WIRE1_ACCEPTED:
        on_accepted(m, now_us, unix_s, rng, &message);
        break;
    case WIRE1_SENT:
        if (message.seq == m->last_seq + 1)
            m->last_seq = message.seq;
        break;
    case WIRE1_STALE:
        on_stale(m);
        break;
    case WIRE1_DIRECT_FROM:
        if (m->group != NULL)
            member_take_direct(m, rng, message.identity, message.sealed);
        break;
    case WIRE1_READY:
        if (m->group != NULL)
            member_switch(m, message.epoch);
        break;
    case WIRE1_ONLINE:
        on_online(m, &message);
        break;
    case WIRE1_GONE:
        member_end(m, message.gone);
        break;
    default:
        break;
    }
}

void member_leave(struct member *m) {
    member_send_wire(m, &(struct wire1_message){.type = WIRE1_LEAVE});
    member_end(m, 0);
}

/* ---- the clock ---- */

static void check_signatures(struct member *m, uint64_t now_us) {
    if (mls_verify_some(m->group, CHECKS_A_STEP) != MLS_OK || mls_group_state(m->group) == MLS_STATE_BROKEN) {
        member_alarm(m, MEMBER_ALARM_SIGNATURE, span_of(NULL, 0), MLS_LEAF_SIGNATURE_INVALID);
        member_end(m, WIRE1_GONE_REFUSED);
        return;
    }
    bool more = mls_verify_left(m->group) > 0;
    m->checks_at_us = more ? now_us + CHECK_STEP_US : TIME_NEVER;
    if (!more)
        member_put(m, &(struct member_output){.type = MEMBER_ROSTER});
}

static void look_at_departures(struct member *m, uint64_t now_us) {
    for (uint32_t i = 0; i < m->people_count; i++) {
        struct person *p = &m->people[i];
        if (p->leaving_since_us == 0 || p->withheld_told || now_us < p->leaving_since_us + MEMBER_WITHHELD_US)
            continue;
        member_alarm(m, MEMBER_ALARM_WITHHELD, mls_buf_span(&p->identity), MLS_OK);
        p->withheld_told = true;
    }
}

void member_tick(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng) {
    (void)unix_s;
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
    look_at_departures(m, now_us);
    member_rejoin_tick(m, now_us);
    if (now_us >= m->remove_try_us) {
        m->remove_try_us = now_us + MEMBER_OPEN_REMOVE_US;
        if (m->pending_since_us == 0)
            (void)member_commit(m, rng, span_of(NULL, 0), false);
    }
    if (now_us >= m->removal_at_us)
        member_removals_look(m, now_us, rng);
    if (now_us >= m->heal_at_us) {
        m->heal_at_us = now_us + MEMBER_HEAL_US;
        if (m->pending_since_us == 0)
            (void)member_commit(m, rng, span_of(NULL, 0), false);
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
