/* What comes once we are in, or nearly: commits and their standing, messages, the clock. */
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "member/member_internal.h"

#define SMALL_LEN_MAX 4096

void member_send_bad(struct member *m, uint64_t epoch, enum mls_status status) {
    member_send_wire(m, &(struct wire_message){.type = WIRE_BAD, .epoch = epoch, .status = (uint16_t)status});
}

bool member_is_committing(const struct member *m) {
    return m->pending_since_us != 0 || m->next != NEXT_NONE;
}

/* ---- a commit that does not stand yet ---- */

/* Of a host or co-host, as it was before the commit: cannot be withdrawn. */
static bool author_is_firm(const struct member *m, struct span identity, bool external) {
    const struct person *p = external ? NULL : member_find_person(m, identity);
    return p != NULL && (p->role == GROUP_HOST || p->role == GROUP_COHOST);
}

static void await(struct member *m, enum next next, uint64_t epoch, struct span by, bool external) {
    m->next = next;
    m->next_epoch = epoch;
    m->next_external = external;
    buf_set(&m->next_by, by);
    m->next_apply_us =
        next != NEXT_JOINING && author_is_firm(m, by, external) ? m->now_us + MEMBER_SWITCH_US : TIME_NEVER;
    if (next != NEXT_JOINING)
        member_give_next_keys(m);
}

static void greet(struct member *m, struct rng *rng, struct span newcomer) {
    if (m->group != NULL && member_greeter_of(m, newcomer) == mls_own_leaf(m->group))
        member_send_roster(m, rng);
}

void member_stand(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng) {
    enum next next = m->next;
    struct mls_commit_info info;
    struct mls_buf by;
    mls_buf_init(&by, WIRE_IDENTITY_LEN_MAX);
    mls_wr_span(&by, mls_buf_span(&m->next_by));
    bool out = next == NEXT_STAGED && mls_staged_info(m->group, &info) && info.removes_us, external = m->next_external;
    uint64_t epoch = m->next_epoch;
    m->next = NEXT_NONE;
    m->next_apply_us = TIME_NEVER;
    enum mls_status status = next == NEXT_STAGED ? mls_staged_apply(m->group)
                             : next == NEXT_OWN  ? mls_commit_confirm(m->group)
                                                 : mls_commit_confirm(m->joining);
    if (next == NEXT_JOINING && status != MLS_OK) {
        member_alarm(m, MEMBER_ALARM_COMMIT, span_of(NULL, 0), status);
        member_not_joined(m);
    } else if (next == NEXT_JOINING) {
        enum entry entry = m->group != NULL ? ENTRY_AGAIN : ENTRY_NEW;
        member_adopt_joining(m);
        m->greeter = UINT32_MAX;
        member_entered(m, now_us, unix_s, rng, mls_buf_span(&m->identity), entry);
        member_take_inbox(m, now_us, unix_s, rng);
    } else if (status != MLS_OK) {
        member_go_astray(m, epoch, status);
    } else if (out) {
        member_end_by(m, WIRE_GONE_REMOVED, mls_buf_span(&by));
    } else {
        member_entered(m, now_us, unix_s, rng, mls_buf_span(&by), ENTRY_NEXT);
        if (next == NEXT_OWN && m->pending_adds)
            member_send_roster(m, rng);
        else if (external)
            greet(m, rng, mls_buf_span(&by));
        member_take_inbox(m, now_us, unix_s, rng);
    }
    mls_buf_free(&by);
}

static void on_ready(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng,
                     const struct wire_message *message) {
    if (message->seq == m->last_seq + 1)
        m->last_seq = message->seq;
    if (m->next != NEXT_NONE && message->epoch == m->next_epoch) {
        if (m->next == NEXT_JOINING)
            m->last_seq = message->seq;
        member_stand(m, now_us, unix_s, rng);
        return;
    }
    if (m->group == NULL || message->epoch <= mls_group_epoch(m->group))
        return; /* applied by itself before */
    m->behind_epoch = message->epoch > m->behind_epoch ? message->epoch : m->behind_epoch;
    member_go_astray(m, message->epoch, MLS_EPOCH_AHEAD); /* others took what we refused, or what we never had */
}

void member_await_own(struct member *m) {
    m->pending_since_us = 0;
    await(m, NEXT_OWN, mls_group_epoch(m->group) + 1, mls_buf_span(&m->identity), false);
}

void member_forget_next(struct member *m) {
    if (m->next == NEXT_STAGED || m->next == NEXT_OWN)
        member_drop_next_keys(m);
    if (m->next == NEXT_STAGED)
        mls_staged_refuse(m->group);
    else
        mls_commit_drop(m->group);
    m->next = NEXT_NONE;
    m->next_apply_us = TIME_NEVER;
    m->pending_since_us = 0;
    m->inbox_count = 0; /* nobody has sealed under it */
    mls_buf_free(&m->inbox);
}

static void on_withdrawn(struct member *m, const struct wire_message *message) {
    if (message->seq == m->last_seq + 1)
        m->last_seq = message->seq;
    bool ours = m->next != NEXT_NONE && message->epoch == m->next_epoch;
    bool refused = m->refused_epoch == message->epoch;
    if (refused && !ours)
        m->refused_epoch = 0; /* others refused it as well */
    if (refused && !ours)
        return;
    if (!ours || m->next_apply_us != TIME_NEVER) {
        member_alarm(m, MEMBER_ALARM_WITHDRAWN, mls_buf_span(&m->next_by), MLS_WRONG_STATE);
        return;
    }
    if (m->next == NEXT_JOINING) {
        member_not_joined(m);
        return;
    }
    member_forget_next(m);
    member_put(m, &(struct member_output){.type = MEMBER_WITHDRAWN, .identity = mls_buf_span(&m->next_by)});
}

/* ---- answers to commits of ours ---- */

/* Is this answer that of the newest commit? One that lost may be answered when its successor is on the way already. */
static bool answers_newest(struct member *m) {
    if (m->unanswered > 0)
        m->unanswered--;
    return m->unanswered == 0;
}

static void on_accepted(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng,
                        const struct wire_message *message) {
    bool newest = answers_newest(m);
    struct span self = mls_buf_span(&m->identity);
    if (m->joining != NULL && m->creating) {
        m->title_known = true; /* there is nobody who could tell it */
        member_adopt_joining(m);
        m->last_seq = message->seq;
        m->greeter = UINT32_MAX;
        member_entered(m, now_us, unix_s, rng, self, ENTRY_NEW);
        return;
    }
    if (m->joining != NULL && m->group != NULL && m->next != NEXT_NONE) {
        if (m->next_apply_us != TIME_NEVER) { /* one way back and one commit of a host that cannot be withdrawn */
            member_alarm(m, MEMBER_ALARM_FORK, span_of(NULL, 0), MLS_COMMIT_STAGED);
            member_not_joined(m);
            return;
        }
        member_forget_next(m); /* others took another one, of which we have seen that it descends from our epoch */
    }
    if (m->joining != NULL) {
        m->last_seq = m->group == NULL || message->seq == m->last_seq + 1 ? message->seq : m->last_seq;
        await(m, NEXT_JOINING, message->epoch, self, true);
        return;
    }
    if (message->seq == m->last_seq + 1)
        m->last_seq = message->seq;
    if (!newest || m->group == NULL || !mls_commit_is_pending(m->group) || m->next != NEXT_NONE ||
        message->epoch != mls_group_epoch(m->group) + 1) {
        if (m->group != NULL && message->epoch == mls_group_epoch(m->group) + 1 && m->next == NEXT_NONE) {
            mls_commit_drop(m->group); /* taken after we had given it up */
            m->pending_since_us = 0;
            member_go_astray(m, message->epoch, MLS_NOTHING_PENDING);
        }
        return;
    }
    m->pending_since_us = 0;
    await(m, NEXT_OWN, message->epoch, self, false);
}

static void on_stale(struct member *m) {
    if (!answers_newest(m))
        return;
    if (m->joining != NULL)
        member_not_joined(m);
    if (m->group != NULL && m->next != NEXT_OWN)
        mls_commit_drop(m->group);
    m->pending_since_us = 0;
}

/* ---- committing ---- */

enum mls_status member_commit(struct member *m, struct rng *rng, struct span proposals, bool adds, bool urgent,
                              struct span left_out) {
    struct mls_buf bytes, welcome, info, extensions;
    if (m->next != NEXT_NONE)
        return MLS_COMMIT_STAGED;
    mls_buf_init(&bytes, WIRE_MESSAGE_LEN_MAX - WIRE_GROUP_INFO_LEN_MAX);
    mls_buf_init(&welcome, WIRE_MESSAGE_LEN_MAX - WIRE_GROUP_INFO_LEN_MAX);
    mls_buf_init(&info, WIRE_GROUP_INFO_LEN_MAX);
    mls_buf_init(&extensions, SMALL_LEN_MAX);
    enum mls_status status = member_info_extensions(m, &extensions);
    struct mls_commit_options options = {.proposals = proposals,
                                         .pick = MLS_PICK_ALL,
                                         .frame = {.as_public = true},
                                         .group_info = {.external_pub = true, .extensions = mls_buf_span(&extensions)},
                                         .welcome_extensions = mls_buf_span(&extensions)};
    if (status == MLS_OK)
        status = mls_commit(m->group, &options, 0, rng, &bytes, &welcome, &info);
    if (status == MLS_OK) {
        m->pending_adds = adds;
        m->pending_since_us = m->now_us;
        m->unanswered++;
        member_send_wire(m, &(struct wire_message){.type = WIRE_COMMIT,
                                                   .flags = urgent ? WIRE_COMMIT_URGENT : 0,
                                                   .commit = mls_buf_span(&bytes),
                                                   .welcome = mls_buf_span(&welcome),
                                                   .group_info = mls_buf_span(&info),
                                                   .list = left_out});
    }
    mls_buf_free(&bytes);
    mls_buf_free(&welcome);
    mls_buf_free(&info);
    mls_buf_free(&extensions);
    return status;
}

static void on_commit_now(struct member *m, struct rng *rng, const struct wire_message *message) {
    struct mls_buf proposals, left_out;
    struct wire_package package;
    struct member_package_keys keys[WIRE_ADDS_MAX + 1];
    size_t at = 0, adds = 0;
    if (m->group == NULL || message->epoch != mls_group_epoch(m->group) || mls_commit_is_pending(m->group) ||
        m->next != NEXT_NONE)
        return;
    mls_buf_init(&proposals, WIRE_MESSAGE_LEN_MAX);
    mls_buf_init(&left_out, SMALL_LEN_MAX);
    while (wire_next_package(message, &at, &package)) {
        enum mls_status status;
        if (member_package_good(m, package.key_package, keys, adds, &status) &&
            mls_propose_write_add(package.key_package, &proposals) == MLS_OK)
            adds++;
        else /* one that is no good costs the others nothing */
            wire_add_left_out(&left_out, &(struct wire_left_out){.knock = package.knock, .status = (uint16_t)status});
    }
    if (adds > 0 &&
        mls_propose_write_psk(m->suite.suite->id, span_of(m->psk_id, sizeof m->psk_id), rng, &proposals) != MLS_OK)
        mls_buf_clear(&proposals);
    if (mls_buf_ok(&proposals) && (adds > 0 || m->remove_try_us != TIME_NEVER))
        (void)member_commit(m, rng, mls_buf_span(&proposals), adds > 0, false, mls_buf_span(&left_out));
    mls_buf_free(&proposals); /* without a commit the server names another */
    mls_buf_free(&left_out);
}

/* ---- commits of others ---- */

static bool next_tag(const struct member *m, uint8_t out[GROUP_INFO_TAG_LEN]) {
    struct mls_buf key;
    mls_buf_init(&key, KEM_PUBLIC_LEN_MAX);
    bool good = mls_next_external_pub(m->group, &key) == MLS_OK;
    if (good)
        group_info_tag(m->crypto, mls_buf_span(&key), m->generation, span_of(m->link.link_key, sizeof m->link.link_key),
                       out);
    mls_buf_free(&key);
    return good;
}

static void on_commit(struct member *m) {
    struct mls_commit_info info;
    struct mls_member sender;
    uint8_t tag[GROUP_INFO_TAG_LEN];
    uint64_t epoch = mls_group_epoch(m->group) + 1;
    bool known = mls_staged_info(m->group, &info);
    ASSERT(known); /* what mls_process has just said */
    bool external = info.sender_type == MLS_SENDER_NEW_MEMBER_COMMIT;
    /* our own way back, of which we did not hear that it was taken; its keys are gone */
    bool own =
        external && m->joining == NULL && span_equal(info.leaf.signature_key, mls_buf_span(&m->signature_public));
    if (own || !member_commit_good(m, false) || (!info.removes_us && !next_tag(m, tag))) {
        mls_staged_refuse(m->group);
        m->refused_epoch = epoch;
        if (!m->catching_up) /* of what the log tells it is decided long since, and told there, too */
            member_send_bad(m, epoch, MLS_PROPOSAL_REFUSED);
        return;
    }
    struct span by = span_of(NULL, 0);
    if (external)
        by = info.leaf.identity;
    else if (mls_member_at(m->group, info.sender, &sender))
        by = sender.leaf.identity;
    m->pending_since_us = 0;
    if (m->next == NEXT_JOINING) { /* our way back was taken in its place, we were told */
        member_alarm(m, MEMBER_ALARM_FORK, by, MLS_COMMIT_STAGED);
        member_not_joined(m);
    }
    if (info.removes_us) {
        m->next = NEXT_STAGED;
        m->next_epoch = epoch;
        m->next_external = external;
        buf_set(&m->next_by, by);
        m->next_apply_us = author_is_firm(m, by, external) ? m->now_us + MEMBER_SWITCH_US : TIME_NEVER;
        return;
    }
    await(m, NEXT_STAGED, epoch, by, external);
    member_send_wire(m, &(struct wire_message){.type = WIRE_ACK, .epoch = epoch, .info_tag = span_of(tag, sizeof tag)});
}

/* Somebody wants in: whether its commit can be followed, before it is numbered. Nothing of it stays. */
static void on_check_now(struct member *m, const struct wire_message *message) {
    struct mls_received received;
    struct mls_message_info info;
    uint8_t ours[GROUP_INFO_TAG_LEN], theirs[GROUP_INFO_TAG_LEN];
    if (m->group == NULL || m->next != NEXT_NONE || m->astray || m->catching_up)
        return; /* no word of ours is worth anything now; the next is asked */
    /* nothing else: the key of a message would be used up, and a Remove that waits is not to be forgotten */
    enum mls_status status = mls_message_peek(message->commit, &info);
    if (status == MLS_OK && info.sender_type != MLS_SENDER_NEW_MEMBER_COMMIT)
        status = MLS_PROPOSAL_REFUSED;
    if (status == MLS_OK)
        status = mls_process(m->group, message->commit, 0, &received);
    bool good = status == MLS_OK && received.kind == MLS_RECEIVED_COMMIT && member_commit_good(m, true) &&
                next_tag(m, ours) && member_info_tag(m, message->group_info, theirs) &&
                memcmp(ours, theirs, sizeof ours) == 0;
    mls_staged_refuse(m->group);
    member_send_wire(
        m, &(struct wire_message){.type = WIRE_CHECKED,
                                  .ticket = message->ticket,
                                  .good = good,
                                  .status = (uint16_t)(status == MLS_OK && !good ? MLS_PROPOSAL_REFUSED : status)});
}

/* ---- what others send ---- */

/* True when the message is the next one. A repeated one is dropped; after a gap MLS tells whether a commit is missing.
 * 0: not numbered. */
static bool in_order(struct member *m, uint64_t seq) {
    if (seq == 0)
        return true;
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
    if (gone == NULL)
        return;
    gone->online = false;
    /* the first announcement counts, whatever epochs come and whatever commits fail until it is carried out */
    if (gone->leaving_since_us == 0)
        gone->leaving_since_us = now_us;
    member_put(m, &(struct member_output){.type = MEMBER_ROSTER});
}

static void not_processed(struct member *m, const struct wire_message *message, enum mls_status status) {
    struct mls_message_info info;
    bool handshake = message->type == WIRE_HANDSHAKE;
    bool ahead = status == MLS_EPOCH_AHEAD && mls_message_peek(message->message, &info) == MLS_OK;
    if (ahead && m->behind_epoch > 0) {
        m->dropped++; /* we could not follow before, and said so */
    } else if (handshake && status != MLS_EPOCH_OVER) {
        member_alarm(m, MEMBER_ALARM_COMMIT, span_of(NULL, 0), status);
        if (ahead) {
            m->behind_epoch = info.epoch + 1;
            member_go_astray(m, mls_group_epoch(m->group) + 1, status);
        } else {
            m->refused_epoch = mls_group_epoch(m->group) + 1;
            if (!m->catching_up)
                member_send_bad(m, m->refused_epoch, status); /* one of us alone decides nothing */
        }
    } else if (!handshake) {
        m->dropped++;
        /* the server orders commits and messages: one of a later epoch means that it kept a commit back */
        if (status == MLS_EPOCH_AHEAD)
            member_alarm(m, MEMBER_ALARM_ORDER, span_of(NULL, 0), status);
        else if (status != MLS_EPOCH_FORGOTTEN)
            member_alarm(m, MEMBER_ALARM_CONTENT, message->identity, status);
    }
}

/* A message of the epoch that does not stand here yet: others were told sooner. */
static bool for_later(struct member *m, const struct wire_message *message, struct span bytes) {
    struct mls_message_info info;
    if (m->next == NEXT_NONE || m->next == NEXT_JOINING || message->type != WIRE_APP_FROM ||
        mls_message_peek(message->message, &info) != MLS_OK || info.epoch != m->next_epoch)
        return false;
    if (m->inbox_count < INBOX_MAX) {
        mls_wr_vec(&m->inbox, bytes);
        m->inbox_count++;
    }
    return true;
}

static void on_message(struct member *m, uint64_t now_us, struct rng *rng, const struct wire_message *message) {
    struct mls_received received;
    if (message->type == WIRE_APP_FROM && span_equal(message->identity, mls_buf_span(&m->identity)))
        return; /* our own, from the log */
    enum mls_status status = mls_process(m->group, message->message, 0, &received);
    bool handshake = message->type == WIRE_HANDSHAKE;
    if (status != MLS_OK) {
        not_processed(m, message, status);
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
        on_commit(m);
        break;
    case MLS_RECEIVED_OWN_COMMIT: /* taken while we were away; it stands when `ready` says so */
        if (m->next == NEXT_NONE)
            member_await_own(m);
        m->pending_since_us = 0;
        break;
    case MLS_RECEIVED_OWN_PROPOSAL:
        break;
    }
}

void member_take_inbox(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng) {
    struct mls_buf inbox = m->inbox;
    struct wire_message message;
    (void)unix_s;
    mls_buf_init(&m->inbox, INBOX_LEN_MAX);
    m->inbox_count = 0;
    struct mls_reader r = mls_reader_of(mls_buf_span(&inbox));
    while (m->group != NULL && mls_reader_left(&r) > 0) {
        struct span bytes = mls_rd_vec(&r, WIRE_MESSAGE_LEN_MAX, MLS_TOO_LARGE);
        if (wire_read(WIRE_FROM_SERVER, bytes, &message) != WIRE_OK)
            break;
        /* of messages that waited for their epoch the order was seen when they came */
        if (message.seq > m->last_seq && !in_order(m, message.seq))
            continue;
        on_message(m, now_us, rng, &message);
    }
    mls_buf_free(&inbox);
}

static void on_broadcast(struct member *m, uint64_t now_us, struct rng *rng, const struct wire_message *message,
                         struct span bytes) {
    if (m->group == NULL && (m->fetching == FETCH_WELCOME || m->next == NEXT_JOINING)) {
        if (m->inbox_count < INBOX_MAX) {
            mls_wr_vec(&m->inbox, bytes);
            m->inbox_count++;
        }
        return;
    }
    if (m->group == NULL || !in_order(m, message->seq) || for_later(m, message, bytes))
        return;
    on_message(m, now_us, rng, message);
}

static void on_online(struct member *m, const struct wire_message *message) {
    struct span identity;
    size_t at = 0;
    for (uint32_t i = 0; i < m->people_count; i++)
        m->people[i].online = span_equal(mls_buf_span(&m->people[i].identity), mls_buf_span(&m->identity));
    while (wire_next_identity(message, &at, &identity)) {
        struct person *p = member_find_person(m, identity);
        if (p != NULL)
            p->online = true;
    }
    m->online_told = true;
    if (m->group != NULL)
        member_rosters_look(m);
    member_put(m, &(struct member_output){.type = MEMBER_ROSTER});
}

static void on_turn(struct member *m, enum fetch_purpose purpose, const struct wire_message *message) {
    if (m->group != NULL || (purpose == FETCH_JOIN && m->joining != NULL)) {
        m->dropped++;
        return;
    }
    member_drop_joining(m); /* with a Welcome: an attempt of our own, whose answer would come too late */
    member_fetch_for(m, message);
    member_fetch_tree(m, purpose, message->tree_hash);
}

static void take(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng,
                 const struct wire_message *message, struct span bytes) {
    switch (message->type) {
    case WIRE_CHALLENGE:
        member_on_challenge(m, unix_s, rng, message);
        break;
    case WIRE_STATE:
        member_on_state(m, message);
        break;
    case WIRE_CREATE_NOW:
        member_on_create_now(m, unix_s, rng, message);
        break;
    case WIRE_JOIN_NOW:
        on_turn(m, FETCH_JOIN, message);
        break;
    case WIRE_WELCOME:
        on_turn(m, FETCH_WELCOME, message);
        break;
    case WIRE_RESYNC:
        member_on_resync(m, message);
        break;
    case WIRE_RESTATE:
        member_on_restate(m, now_us, unix_s, rng, message);
        break;
    case WIRE_COMMIT_NOW:
        on_commit_now(m, rng, message);
        break;
    case WIRE_CHECK_NOW:
        on_check_now(m, message);
        break;
    case WIRE_HANDSHAKE:
    case WIRE_APP_FROM:
        on_broadcast(m, now_us, rng, message, bytes);
        break;
    case WIRE_ACCEPTED:
        on_accepted(m, now_us, unix_s, rng, message);
        break;
    case WIRE_SENT:
        if (message->seq == m->last_seq + 1)
            m->last_seq = message->seq;
        break;
    case WIRE_STALE:
        on_stale(m);
        break;
    case WIRE_DIRECT_FROM:
        if (m->group != NULL)
            member_take_direct(m, rng, message->identity, message->sealed);
        break;
    case WIRE_READY:
        on_ready(m, now_us, unix_s, rng, message);
        break;
    case WIRE_WITHDRAWN:
        on_withdrawn(m, message);
        break;
    case WIRE_ONLINE:
        on_online(m, message);
        break;
    case WIRE_CLOSING:
        member_put(m, &(struct member_output){.type = MEMBER_CLOSING, .number = message->within_s});
        break;
    case WIRE_GONE:
        member_end_by(m, message->reason_gone, message->by);
        break;
    default:
        m->dropped++;
        break;
    }
}

void member_input(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng, struct span bytes) {
    struct wire_message message;
    m->now_us = now_us;
    if (m->ended_told)
        return;
    enum wire_verdict verdict = wire_read(WIRE_FROM_SERVER, bytes, &message);
    if (verdict == WIRE_MALFORMED)
        member_alarm(m, MEMBER_ALARM_CONTENT, span_of(NULL, 0), MLS_TRUNCATED);
    else if (verdict == WIRE_OK)
        take(m, now_us, unix_s, rng, &message, bytes);
    member_caught_up(m);
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

static void look_at_departures(struct member *m, uint64_t now_us) {
    for (uint32_t i = 0; i < m->people_count; i++) {
        struct person *p = &m->people[i];
        if (p->leaving_since_us == 0 || p->withheld_told || now_us < p->leaving_since_us + MEMBER_WITHHELD_US)
            continue;
        member_alarm(m, MEMBER_ALARM_WITHHELD, mls_buf_span(&p->identity), MLS_OK);
        p->withheld_told = true;
    }
}

/* Hosts and the four lowest leaves. */
static bool says_heartbeats(const struct member *m) {
    const struct person *self = member_find_person(m, mls_buf_span(&m->identity));
    uint32_t lower = 0;
    for (uint32_t i = 0; self != NULL && i < m->people_count; i++)
        lower += m->people[i].leaf < self->leaf;
    return self != NULL && (self->role == GROUP_HOST || lower < 4);
}

static void heartbeat(struct member *m, uint64_t now_us, struct rng *rng) {
    m->heartbeat_at_us = now_us + MEMBER_HEARTBEAT_US;
    if (says_heartbeats(m))
        member_send_heartbeat(m, rng);
    if (m->people_count < 2)
        m->heard_us = now_us;
    bool confirmed = now_us < m->heard_us + 3 * MEMBER_HEARTBEAT_US;
    if (confirmed != m->confirmed)
        member_put(m, &(struct member_output){.type = MEMBER_CONFIRMED, .flag = confirmed});
    m->confirmed = confirmed;
}

/* Commits that are due: a departure that nobody carries out, keys that are old. */
static void commits_due(struct member *m, uint64_t now_us, struct rng *rng) {
    const struct span none = span_of(NULL, 0);
    if (now_us >= m->remove_try_us) {
        m->remove_try_us = now_us + MEMBER_OPEN_REMOVE_US;
        if (!member_is_committing(m))
            (void)member_commit(m, rng, none, false, false, none);
    }
    if (now_us >= m->removal_at_us)
        member_removals_look(m, now_us, rng);
    if (now_us >= m->heal_at_us) {
        m->heal_at_us = now_us + MEMBER_HEAL_US;
        if (!member_is_committing(m))
            (void)member_commit(m, rng, none, false, false, none);
    }
}

void member_tick(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng) {
    m->now_us = now_us;
    if (now_us >= m->directs_at_us)
        member_directs_forget(m);
    /* of a host's commit, without a connection too: media flows on */
    if (m->group != NULL && m->next != NEXT_NONE && now_us >= m->next_apply_us)
        member_stand(m, now_us, unix_s, rng);
    if (m->group == NULL || m->state != MEMBER_IN)
        return;
    if (m->pending_since_us != 0 && now_us >= m->pending_since_us + PENDING_US) {
        mls_commit_drop(m->group);
        m->pending_since_us = 0;
    }
    look_at_departures(m, now_us);
    member_rejoin_tick(m, now_us);
    commits_due(m, now_us, rng);
    if (now_us >= m->heartbeat_at_us)
        heartbeat(m, now_us, rng);
    if (now_us >= m->profile_at_us)
        member_send_profile(m, rng);
    if (now_us >= m->names_at_us)
        m->names_at_us = ++m->names_tries < NAMES_TRIES_MAX && member_ask_names(m, rng)
                             ? now_us + (NAMES_US << m->names_tries)
                             : TIME_NEVER;
    if (now_us >= m->checks_at_us)
        check_signatures(m, now_us);
}
