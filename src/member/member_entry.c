/* From the server's challenge into the group: proof of the seat, beginning a group, coming in by an external commit or
 * a Welcome. */
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "group/statement.h"
#include "member/member_internal.h"

#define SMALL_LEN_MAX 4096
/* Key packages of this and of connections before: a Welcome for one may be on its way over a break. */
#define PACKAGES_KEPT 4

/* ---- hello ---- */

void member_connected(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng) {
    (void)unix_s;
    (void)rng;
    if (m->ended_told)
        return;
    m->now_us = now_us;
    m->connected = true;
    m->greeted = false;
    m->unanswered = 0;
}

static void look_at_clock(struct member *m, uint64_t unix_s, uint64_t server_s) {
    int64_t off_s = (int64_t)unix_s - (int64_t)server_s;
    if (server_s > INT64_MAX || (off_s <= MEMBER_CLOCK_OFF_S && off_s >= -MEMBER_CLOCK_OFF_S))
        return;
    member_put(m, &(struct member_output){.type = MEMBER_CLOCK, .off_s = off_s});
}

/* We could begin the meeting: its id says that it is ours to begin. */
static bool may_found(const struct member *m) {
    if (!m->operator_known || !m->owner_known || m->generation != 0 ||
        (m->owner_seed.len == 0 && (m->kind & GROUP_KIND_ANYBODY) == 0))
        return false;
    const struct group_id_parts parts = {.first_link_key = span_of(m->link.link_key, sizeof m->link.link_key),
                                         .owner = span_of(m->owner, sizeof m->owner),
                                         .operator_key = span_of(m->operator_key, sizeof m->operator_key),
                                         .suite = m->suite.suite->id,
                                         .kind = m->kind};
    return group_id_is_of(m->crypto, mls_buf_span(&m->meeting), &parts);
}

/* What the id commits to, as far as we know it: of our group, which we have seen to be the id's; else of the link. */
static struct group_id_parts id_parts(const struct member *m) {
    struct group_meeting meeting;
    if (m->group != NULL && group_meeting_of(mls_group_extensions(m->group), &meeting))
        return (struct group_id_parts){
            .first_link_key = meeting.first_link_key, .owner = meeting.owner, .kind = meeting.kind};
    return (struct group_id_parts){
        .first_link_key = m->generation == 0 ? span_of(m->link.link_key, sizeof m->link.link_key) : span_of(NULL, 0),
        .owner = m->owner_known ? span_of(m->owner, sizeof m->owner) : span_of(NULL, 0),
        .kind = m->kind};
}

static void send_hello(struct member *m, struct rng *rng, const struct wire_message *challenge, struct span package) {
    uint8_t nonce[WIRE_NONCE_LEN], proof[GROUP_SIGNATURE_LEN], link_signature[GROUP_SIGNATURE_LEN];
    bool resume = m->group != NULL;
    struct span meeting = span_of(m->meeting_hash, sizeof m->meeting_hash), seat = mls_buf_span(&m->signature_public);
    rng_fill(rng, nonce, sizeof nonce);
    struct group_hello hello = {.meeting = meeting,
                                .seat_key = seat,
                                .how = resume ? WIRE_RESUME : WIRE_ENTER,
                                .server_nonce = challenge->nonce,
                                .client_nonce = span_of(nonce, sizeof nonce),
                                .key_package = package};
    if (group_hello_sign(m->crypto, &m->signature_key, &hello, proof) != CRYPTO_OK ||
        group_leaf_sign(m->crypto, &m->link.sign, meeting, m->generation, seat, link_signature) != CRYPTO_OK) {
        member_end(m, WIRE_GONE_REFUSED);
        return;
    }
    struct span link_key = span_of(m->link.link_key, sizeof m->link.link_key);
    struct group_id_parts known = id_parts(m);
    m->resuming = resume;
    m->restated = m->restated_whole = false;
    member_send_wire(m,
                     &(struct wire_message){.type = WIRE_HELLO,
                                            .how = hello.how,
                                            .flags = !resume && may_found(m) ? WIRE_HELLO_MAY_FOUND : 0,
                                            .kind = known.kind,
                                            .suite = m->suite.suite->id,
                                            .first_link_key = known.first_link_key,
                                            .owner = known.owner,
                                            .link_key = link_key,
                                            .generation = m->generation,
                                            .seat_key = seat,
                                            .nonce = hello.client_nonce,
                                            .term = challenge->term,
                                            .claim = challenge->claim,
                                            .epoch = member_epoch(m),
                                            .seq = resume ? m->last_seq : 0,
                                            .key_package = package,
                                            .link_signature = resume ? span_of(NULL, 0)
                                                                     : span_of(link_signature, sizeof link_signature),
                                            .leaf_signature = span_of(proof, sizeof proof)});
}

void member_on_challenge(struct member *m, uint64_t unix_s, struct rng *rng, const struct wire_message *message) {
    struct mls_identity identity = member_identity(m);
    struct mls_buf package;
    if (m->greeted) { /* one hello a connection: whoever asks again wants what only a new connection begins */
        member_alarm(m, MEMBER_ALARM_ORDER, span_of(NULL, 0), MLS_WRONG_STATE);
        return;
    }
    m->greeted = true;
    look_at_clock(m, unix_s, message->unix_s);
    mls_buf_init(&package, WIRE_PACKAGE_LEN_MAX);
    mls_key_packages_keep(m->client, PACKAGES_KEPT - 1);
    /* a package is judged by the server's clock and by whoever adds us: ours may be wrong */
    enum mls_status status =
        m->group != NULL ? MLS_OK : mls_key_package_create(m->client, &identity, NULL, message->unix_s, rng, &package);
    if (status == MLS_OK)
        send_hello(m, rng, message, mls_buf_span(&package));
    else
        member_end(m, WIRE_GONE_REFUSED);
    mls_buf_free(&package);
    if (m->group == NULL)
        member_set_state(m, MEMBER_WAITING);
}

void member_lost(struct member *m, uint64_t now_us, uint16_t close_code) {
    m->now_us = now_us;
    if (!m->connected || m->ended_told)
        return;
    m->connected = m->resuming = m->catching_up = m->resync_asked = false;
    /* a commit in flight: whether it was taken is told by the log, on resuming */
    member_drop_joining(m);
    m->fetching = FETCH_NONE;
    if (m->group == NULL) { /* what came while a tree was fetched belongs to that attempt */
        mls_buf_free(&m->inbox);
        m->inbox_count = 0;
    }
    if (close_code == WIRE_CLOSE_OVER || close_code == WIRE_CLOSE_REPLACED || close_code == WIRE_CLOSE_NO_ENTRY) {
        member_end(m, close_code == WIRE_CLOSE_REPLACED ? 0
                      : close_code == WIRE_CLOSE_OVER   ? WIRE_GONE_OVER
                                                        : MEMBER_GONE_NO_ENTRY);
        return;
    }
    member_set_state(m, m->group != NULL ? MEMBER_AWAY : MEMBER_CONNECTING);
    uint64_t delay_us = MEMBER_RETRY_MIN_US << (m->tries < 4 ? m->tries : 4);
    m->tries++;
    member_put(m, &(struct member_output){.type = MEMBER_CONNECT, .delay_us = time_min(delay_us, MEMBER_RETRY_MAX_US)});
}

void member_on_state(struct member *m, const struct wire_message *message) {
    m->tries = 0;
    if (message->suite != m->suite.suite->id) {
        member_alarm(m, MEMBER_ALARM_SUITE, span_of(NULL, 0), MLS_SUITE_UNSUPPORTED);
        if (m->group == NULL)
            member_end(m, WIRE_GONE_REFUSED);
        return;
    }
    if (message->token.len > 0)
        member_put(
            m, &(struct member_output){.type = MEMBER_TOKEN, .text = message->token, .number = message->file_len_max});
    if (m->group == NULL || message->standing != WIRE_STANDING_RESUMED)
        return;
    if (!m->resuming) { /* no hello of ours is unanswered */
        member_alarm(m, MEMBER_ALARM_ORDER, span_of(NULL, 0), MLS_WRONG_STATE);
        return;
    }
    if (m->restated)
        member_restated(m, message);
    m->resuming = false;
    if (message->epoch > mls_group_epoch(m->group))
        m->behind_epoch = message->epoch;
    member_rejoin_resumed(m, message);
    member_set_state(m, MEMBER_IN);
}

/* ---- what a GroupInfo says beyond MLS ---- */

enum mls_status member_info_extensions(const struct member *m, struct mls_buf *out) {
    struct mls_buf data;
    mls_buf_init(&data, GROUP_INFO_LEN_MAX);
    group_info_write(&(struct group_info){.generation = m->generation,
                                          .link_key = span_of(m->link.link_key, sizeof m->link.link_key),
                                          .founding = mls_buf_span(&m->founding)},
                     &data);
    enum mls_status status = data.status;
    if (status == MLS_OK)
        status = mls_extension_write(GROUP_EXTENSION_INFO, mls_buf_span(&data), out);
    mls_buf_free(&data);
    return status;
}

static bool read_info(struct span message, struct mls_message *out) {
    return mls_message_parse(message, out) == MLS_OK && out->wire_format == MLS_WIRE_GROUP_INFO;
}

bool member_info_tag(const struct member *m, struct span group_info, uint8_t out[GROUP_INFO_TAG_LEN]) {
    struct mls_message message;
    struct span data;
    if (!read_info(group_info, &message) ||
        !mls_extension_find(message.group_info.extensions.bytes, MLS_EXTENSION_EXTERNAL_PUB, &data))
        return false;
    struct mls_reader r = mls_reader_of(data);
    struct span key = mls_rd_vec(&r, data.len, MLS_TOO_LARGE);
    if (mls_reader_end(&r) != MLS_OK)
        return false;
    group_info_tag(m->crypto, key, m->generation, span_of(m->link.link_key, sizeof m->link.link_key), out);
    return true;
}

/* ---- making the group ---- */

static enum mls_status context_extensions(struct member *m, struct span founding, struct span sender,
                                          struct mls_buf *out) {
    static const uint16_t required[] = {GROUP_EXTENSION_MEETING, GROUP_EXTENSION_CLIENT};
    static const uint16_t credential[] = {MLS_CREDENTIAL_BASIC};
    static const uint8_t zeros[GROUP_HASH_LEN];
    uint8_t hash[GROUP_HASH_LEN] = {0};
    struct mls_buf data;
    if (founding.len > 0 && m->crypto->hash(HASH_SHA256, &founding, 1, hash) != CRYPTO_OK)
        return MLS_CRYPTO_FAILED;
    mls_buf_init(&data, GROUP_MEETING_LEN_MAX);
    group_meeting_write(&(struct group_meeting){.meeting = span_of(m->meeting_hash, sizeof m->meeting_hash),
                                                .kind = m->kind,
                                                .operator_key = span_of(m->operator_key, sizeof m->operator_key),
                                                .owner = span_of(m->owner, sizeof m->owner),
                                                .first_link_key = span_of(m->link.link_key, sizeof m->link.link_key),
                                                .entry = GROUP_OPEN,
                                                .may = GROUP_MAY_ALL,
                                                .succession = GROUP_HOLD,
                                                .floor = span_of(zeros, sizeof zeros),
                                                .founding = span_of(hash, sizeof hash)},
                        &data);
    enum mls_status status = data.status;
    if (status == MLS_OK)
        status = mls_extension_write_required(required, ARRAY_LEN(required), NULL, 0, credential, 1, out);
    if (status == MLS_OK)
        status = mls_extension_write_external_senders(sender, out);
    if (status == MLS_OK)
        status = mls_extension_write(GROUP_EXTENSION_MEETING, mls_buf_span(&data), out);
    mls_buf_free(&data);
    return status;
}

static enum mls_status begin_group(struct member *m, uint64_t unix_s, struct rng *rng, struct span sender) {
    struct mls_identity identity = member_identity(m);
    struct mls_group_options options = member_options(m);
    struct mls_buf extensions;
    uint8_t group_id[GROUP_ID_LEN];
    rng_fill(rng, group_id, sizeof group_id);
    mls_buf_init(&extensions, GROUP_MEETING_LEN_MAX + SMALL_LEN_MAX);
    mls_buf_clear(&m->founding);
    enum mls_status status = MLS_OK;
    if (mls_buf_len(&m->grant) > 0)
        status = group_founding_make(m->crypto, &m->signature_key, mls_buf_span(&m->grant), unix_s,
                                     span_of(group_id, sizeof group_id), &m->founding);
    if (status == MLS_OK)
        status = context_extensions(m, mls_buf_span(&m->founding), sender, &extensions);
    if (status == MLS_OK)
        status = mls_group_create(m->client, &identity, &options, span_of(group_id, sizeof group_id),
                                  mls_buf_span(&extensions), unix_s, rng, &m->joining);
    mls_buf_free(&extensions);
    return status;
}

void member_on_create_now(struct member *m, uint64_t unix_s, struct rng *rng, const struct wire_message *message) {
    struct mls_buf info_extensions, info, tree;
    if (m->group != NULL || m->joining != NULL || !may_found(m))
        return;
    mls_buf_init(&info_extensions, SMALL_LEN_MAX);
    mls_buf_init(&info, WIRE_GROUP_INFO_LEN_MAX);
    mls_buf_init(&tree, WIRE_GROUP_INFO_LEN_MAX);
    enum mls_status status = begin_group(m, unix_s, rng, message->external_sender);
    if (status == MLS_OK)
        status = member_info_extensions(m, &info_extensions);
    struct mls_group_info_options options = {.external_pub = true, .extensions = mls_buf_span(&info_extensions)};
    if (status == MLS_OK)
        status = mls_group_info(m->joining, &options, &info);
    if (status == MLS_OK)
        status = mls_group_tree(m->joining, &tree);
    if (status == MLS_OK) {
        m->creating = true;
        m->unanswered++;
        member_send_wire(m, &(struct wire_message){
                                .type = WIRE_CREATE, .group_info = mls_buf_span(&info), .tree = mls_buf_span(&tree)});
        member_set_state(m, MEMBER_JOINING);
    } else {
        member_drop_joining(m);
    }
    mls_buf_free(&info_extensions);
    mls_buf_free(&info);
    mls_buf_free(&tree);
}

/* ---- entering a group ---- */

void member_fetch_for(struct member *m, const struct wire_message *message) {
    mls_buf_clear(&m->fetch_group_info);
    mls_buf_clear(&m->fetch_welcome);
    mls_buf_clear(&m->fetch_tree_hash);
    mls_wr_span(&m->fetch_group_info, message->group_info);
    mls_wr_span(&m->fetch_welcome, message->welcome);
    mls_wr_span(&m->fetch_tree_hash, message->tree_hash.len <= HASH_LEN_MAX ? message->tree_hash : span_of(NULL, 0));
    m->fetch_seq = message->seq;
}

void member_fetch_tree(struct member *m, enum fetch_purpose purpose, struct span tree_hash) {
    static const char digits[] = "0123456789abcdef";
    char path[16 + 2 * HASH_LEN_MAX];
    struct writer w = writer_of(path, sizeof path);
    wr_str(&w, "mls/tree/");
    for (size_t i = 0; i < tree_hash.len && i < HASH_LEN_MAX; i++) {
        wr_u8(&w, (uint8_t)digits[tree_hash.data[i] >> 4]);
        wr_u8(&w, (uint8_t)digits[tree_hash.data[i] & 15]);
    }
    ASSERT(writer_ok(&w));
    m->fetching = purpose;
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
    if (mls_psk_add(m->joining_client, span_of(m->psk_id, sizeof m->psk_id), secret_span(&m->link.psk)) != MLS_OK)
        member_drop_joining(m);
    return m->joining_client;
}

void member_not_joined(struct member *m) {
    member_drop_joining(m);
    if (m->group != NULL)
        member_rejoin_later(m);
    else
        member_set_state(m, MEMBER_WAITING); /* the server gives another turn, after others */
}

/* The commit is out; its GroupInfo is of the epoch that it starts. */
static enum mls_status send_external(struct member *m, struct span commit) {
    struct mls_buf extensions, info;
    mls_buf_init(&extensions, SMALL_LEN_MAX);
    mls_buf_init(&info, WIRE_GROUP_INFO_LEN_MAX);
    enum mls_status status = member_info_extensions(m, &extensions);
    struct mls_group_info_options options = {.external_pub = true, .extensions = mls_buf_span(&extensions)};
    if (status == MLS_OK)
        status = mls_next_group_info(m->joining, &options, &info);
    if (status == MLS_OK) {
        m->unanswered++;
        m->joining_since_us = m->now_us;
        member_send_wire(
            m, &(struct wire_message){.type = WIRE_COMMIT, .commit = commit, .group_info = mls_buf_span(&info)});
    }
    mls_buf_free(&extensions);
    mls_buf_free(&info);
    return status;
}

static void join_external(struct member *m, struct rng *rng, struct span tree, bool resync) {
    const struct span psk_id = span_of(m->psk_id, sizeof m->psk_id);
    struct mls_identity identity = member_identity(m);
    struct mls_group_options options = member_options(m);
    /* what is to replace a good group is looked at whole before */
    struct mls_external_options external = {
        .join = {.tree = tree, .verify_later = m->group == NULL}, .resync = resync, .psks = &psk_id, .psk_count = 1};
    struct mls_message message;
    struct mls_buf commit;
    if (m->joining != NULL)
        return;
    mls_buf_init(&commit, WIRE_MESSAGE_LEN_MAX);
    struct mls_client *client = client_to_join(m);
    enum mls_status status = MLS_NO_MEMORY;
    if (client != NULL)
        status = read_info(mls_buf_span(&m->fetch_group_info), &message) ? MLS_OK : MLS_TRUNCATED;
    if (status == MLS_OK)
        status = mls_join_external(client, &identity, &options, mls_buf_span(&m->fetch_group_info), &external, 0, rng,
                                   &m->joining, &commit, NULL);
    /* the former leaf of our seat goes as we come, where it still is */
    if (m->group == NULL && status == (resync ? MLS_NO_FORMER_SELF : MLS_SIGNATURE_KEY_DUPLICATE)) {
        external.resync = !resync;
        status = mls_join_external(client, &identity, &options, mls_buf_span(&m->fetch_group_info), &external, 0, rng,
                                   &m->joining, &commit, NULL);
    }
    if (status == MLS_OK && !member_group_good(m, m->joining, message.group_info.extensions.bytes, false)) {
        bool newcomer = m->group == NULL;
        member_not_joined(m);
        if (newcomer)
            member_end(m, WIRE_GONE_REFUSED);
    } else {
        if (status == MLS_OK)
            status = send_external(m, mls_buf_span(&commit));
        if (status != MLS_OK) {
            member_alarm(m, status == MLS_TREE_HASH_WRONG ? MEMBER_ALARM_TREE : MEMBER_ALARM_GROUP, span_of(NULL, 0),
                         status);
            member_not_joined(m);
        }
    }
    mls_buf_free(&commit);
}

static void join_welcome(struct member *m, uint64_t now_us, uint64_t unix_s, struct rng *rng, struct span tree) {
    struct mls_group_options options = member_options(m);
    struct mls_join_options join = {.tree = tree, .verify_later = true};
    struct mls_group *group = NULL;
    enum mls_status status = mls_join(m->client, &options, mls_buf_span(&m->fetch_welcome), &join, 0, rng, &group);
    if (status != MLS_OK) {
        member_alarm(m, status == MLS_TREE_HASH_WRONG ? MEMBER_ALARM_TREE : MEMBER_ALARM_GROUP, span_of(NULL, 0),
                     status);
        member_send_bad(m, 0, status); /* the server then sends what a rejoin needs */
        return;
    }
    if (!member_group_good(m, group, mls_group_info_extensions(group), true)) {
        mls_group_free(group);
        member_end(m, WIRE_GONE_REFUSED);
        return;
    }
    member_drop_joining(m);
    m->group = group;
    m->last_seq = m->fetch_seq;
    m->greeter = mls_group_info_signer(group);
    member_entered(m, now_us, unix_s, rng, span_of(NULL, 0), ENTRY_NEW);
    member_take_inbox(m, now_us, unix_s, rng);
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
        member_not_joined(m); /* the group went on meanwhile */
    } else if (purpose == FETCH_CHAIN) {
        if (member_chain_good(m, rng, body))
            member_fetch_tree(m, FETCH_RESYNC, mls_buf_span(&m->fetch_tree_hash));
        else
            member_not_joined(m);
    } else {
        join_external(m, rng, body, purpose == FETCH_RESYNC);
    }
}
