#include "delivery/order.h"

#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "e2ee/mem.h"
#include "e2ee/mls.h"
#include "e2ee/mls_message.h"
#include "group/link.h"

/* A commit, its end, and Removes: more cannot wait between two polls. */
#define OUTPUTS_MAX (PUBLIC_GROUP_REMOVES_MAX + 8)
#define BADS_MIN 2
#define CHAIN_SIZE_FIRST 16 /* a power of two, as ORDER_CHAIN_MESSAGES_MAX is */

enum answer { ANSWER_NONE, ANSWER_ACK, ANSWER_BAD };

struct voter {
    bool here;
    bool late;  /* let the last window pass: it is not waited for */
    bool votes; /* of the commit that is staged: neither its author nor added nor removed */
    bool leads; /* host or co-host */
    uint8_t answer;
};

struct link_of_chain {
    uint64_t epoch; /* in which it was said; a commit ends it */
    struct mls_buf bytes;
};

struct queued {
    enum order_output_type type;
    uint64_t seq, epoch;
    bool info_doubted;
    bool has_seat;
    uint8_t seat[32];
    struct mls_buf message;
};

struct order {
    const struct crypto_backend *crypto;
    struct public_group *group;
    uint32_t members_max;
    uint64_t seq;
    struct voter *voters;    /* by leaf, members_max of them */
    uint64_t window_ends_us; /* of the staged commit */
    uint64_t staged_epoch;
    bool author_leads;
    uint8_t author[32];
    uint8_t info_tag[GROUP_INFO_TAG_LEN];
    struct mls_buf staged;       /* the commit */
    struct link_of_chain *chain; /* chain_size of them: it grows to ORDER_CHAIN_MESSAGES_MAX */
    uint32_t chain_first, chain_count, chain_size;
    size_t chain_len;
    uint64_t chain_from;  /* epoch */
    struct queued *queue; /* OUTPUTS_MAX of them */
    uint32_t queue_first, queue_count;
    struct mls_buf given;
    uint8_t given_seat[32];
};

struct order *order_create(const struct crypto_backend *crypto, struct public_group *group, uint32_t members_max) {
    struct order *o = mls_alloc(sizeof *o);
    if (o == NULL)
        return NULL;
    o->crypto = crypto;
    o->members_max = members_max;
    o->window_ends_us = TIME_NEVER;
    o->voters = mls_alloc(members_max * sizeof *o->voters);
    o->chain_size = CHAIN_SIZE_FIRST;
    o->chain = mls_alloc(o->chain_size * sizeof *o->chain);
    o->queue = mls_alloc(OUTPUTS_MAX * sizeof *o->queue);
    mls_buf_init(&o->staged, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&o->given, MLS_MESSAGE_LEN_MAX);
    if (o->voters == NULL || o->chain == NULL || o->queue == NULL) {
        order_free(o);
        return NULL;
    }
    o->group = group;
    o->chain_from = public_group_epoch(group);
    return o;
}

static void chain_drop_oldest(struct order *o) {
    struct link_of_chain *oldest = &o->chain[o->chain_first];
    o->chain_from = oldest->epoch + 1; /* an epoch is whole or not there */
    o->chain_len -= mls_buf_len(&oldest->bytes);
    mls_buf_free(&oldest->bytes);
    o->chain_first = (o->chain_first + 1) % o->chain_size;
    o->chain_count--;
}

void order_free(struct order *o) {
    if (o == NULL)
        return;
    while (o->chain_count > 0)
        chain_drop_oldest(o);
    for (; o->queue_count > 0; o->queue_count--)
        mls_buf_free(&o->queue[o->queue_first++ % OUTPUTS_MAX].message);
    if (o->voters != NULL)
        mls_free(o->voters, o->members_max * sizeof *o->voters);
    if (o->chain != NULL)
        mls_free(o->chain, o->chain_size * sizeof *o->chain);
    if (o->queue != NULL)
        mls_free(o->queue, OUTPUTS_MAX * sizeof *o->queue);
    mls_buf_free(&o->staged);
    mls_buf_free(&o->given);
    public_group_free(o->group);
    mls_free(o, sizeof *o);
}

struct public_group *order_group(struct order *o) {
    return o->group;
}

uint64_t order_number(struct order *o) {
    return ++o->seq;
}

uint64_t order_seq(const struct order *o) {
    return o->seq;
}

/* ---- outputs ---- */

static void put(struct order *o, enum order_output_type type, uint64_t epoch, struct span message, struct span seat,
                bool info_doubted) {
    ASSERT(o->queue_count < OUTPUTS_MAX);
    struct queued *q = &o->queue[(o->queue_first + o->queue_count++) % OUTPUTS_MAX];
    *q = (struct queued){
        .type = type, .seq = order_number(o), .epoch = epoch, .info_doubted = info_doubted, .has_seat = seat.len == 32};
    if (q->has_seat)
        memcpy(q->seat, seat.data, sizeof q->seat);
    mls_buf_init(&q->message, MLS_MESSAGE_LEN_MAX);
    mls_wr_span(&q->message, message);
}

bool order_poll(struct order *o, struct order_output *out) {
    if (o->queue_count == 0)
        return false;
    struct queued *q = &o->queue[o->queue_first];
    o->queue_first = (o->queue_first + 1) % OUTPUTS_MAX;
    o->queue_count--;
    mls_buf_free(&o->given);
    o->given = q->message;
    memcpy(o->given_seat, q->seat, sizeof o->given_seat);
    *out = (struct order_output){.type = q->type,
                                 .seq = q->seq,
                                 .epoch = q->epoch,
                                 .message = mls_buf_span(&o->given),
                                 .seat = span_of(o->given_seat, q->has_seat ? sizeof o->given_seat : 0),
                                 .info_doubted = q->info_doubted};
    return true;
}

/* ---- the chain ---- */

/* Where that fails the oldest make room. */
static void chain_grow(struct order *o) {
    uint32_t size = 2 * o->chain_size;
    struct link_of_chain *grown = size > ORDER_CHAIN_MESSAGES_MAX ? NULL : mls_alloc(size * sizeof *grown);
    if (grown == NULL)
        return;
    for (uint32_t i = 0; i < o->chain_count; i++)
        grown[i] = o->chain[(o->chain_first + i) % o->chain_size];
    mls_free(o->chain, o->chain_size * sizeof *o->chain);
    o->chain = grown;
    o->chain_size = size;
    o->chain_first = 0;
}

static void chain_add(struct order *o, uint64_t epoch, struct span message) {
    if (o->chain_count == o->chain_size)
        chain_grow(o);
    while (o->chain_count > 0 && (o->chain_count == o->chain_size || o->chain_len + message.len > ORDER_CHAIN_LEN_MAX))
        chain_drop_oldest(o);
    struct link_of_chain *next = &o->chain[(o->chain_first + o->chain_count) % o->chain_size];
    *next = (struct link_of_chain){.epoch = epoch};
    mls_buf_init(&next->bytes, MLS_MESSAGE_LEN_MAX);
    mls_wr_span(&next->bytes, message);
    if (!mls_buf_ok(&next->bytes)) { /* a gap: it begins anew behind it */
        mls_buf_free(&next->bytes);
        while (o->chain_count > 0)
            chain_drop_oldest(o);
        o->chain_from = epoch + 1;
        return;
    }
    o->chain_count++;
    o->chain_len += message.len;
}

uint64_t order_chain_from(const struct order *o) {
    return o->chain_from;
}

/* RFC 9420 section 2.1.2 */
#define VECTOR_HEAD_LEN_MAX 4

static bool reaches_back(const struct order *o, uint64_t epoch) {
    return epoch >= o->chain_from && epoch <= public_group_epoch(o->group);
}

bool order_chain_room(const struct order *o, uint64_t epoch, size_t *room) {
    *room = 0;
    if (!reaches_back(o, epoch))
        return false;
    for (uint32_t i = 0; i < o->chain_count; i++) {
        const struct link_of_chain *element = &o->chain[(o->chain_first + i) % o->chain_size];
        if (element->epoch >= epoch)
            *room += VECTOR_HEAD_LEN_MAX + mls_buf_len(&element->bytes);
    }
    return true;
}

bool order_chain(const struct order *o, uint64_t epoch, struct mls_buf *out) {
    if (!reaches_back(o, epoch))
        return false;
    for (uint32_t i = 0; i < o->chain_count; i++) {
        const struct link_of_chain *element = &o->chain[(o->chain_first + i) % o->chain_size];
        if (element->epoch >= epoch)
            mls_wr_vec(out, mls_buf_span(&element->bytes));
    }
    return mls_buf_ok(out);
}

/* ---- votes ---- */

static bool leads(const struct order *o, uint32_t leaf) {
    struct group_standing standing;
    return public_group_standing(o->group, leaf, &standing) &&
           (standing.role == GROUP_HOST || standing.role == GROUP_COHOST);
}

static struct voter *voter_of(struct order *o, struct span seat_key) {
    uint32_t leaf;
    return public_group_find_seat(o->group, seat_key, &leaf) && leaf < o->members_max ? &o->voters[leaf] : NULL;
}

/* Who has a vote on the staged commit: members of the epoch that it ends. */
static void open_votes(struct order *o, const struct public_group_staged *staged) {
    struct mls_proposal_info proposal;
    uint32_t cursor = 0, leaf;
    for (uint32_t i = 0; i < o->members_max; i++) {
        o->voters[i].votes = false;
        o->voters[i].answer = ANSWER_NONE;
    }
    while (public_group_next(o->group, &cursor, &leaf)) {
        if (leaf >= o->members_max)
            continue;
        o->voters[leaf].votes = true;
        o->voters[leaf].leads = leads(o, leaf);
    }
    if (!staged->external && staged->committer < o->members_max)
        o->voters[staged->committer].votes = false;
    for (uint32_t i = 0; public_group_staged_proposal(o->group, i, &proposal); i++) {
        if (proposal.type == MLS_PROPOSAL_REMOVE && proposal.leaf_index < o->members_max)
            o->voters[proposal.leaf_index].votes = false;
    }
}

struct tally {
    uint32_t acks, bads, lead_acks, lead_bads, open;
};

static struct tally count(const struct order *o) {
    struct tally t = {0};
    for (uint32_t i = 0; i < o->members_max; i++) {
        const struct voter *v = &o->voters[i];
        if (!v->votes)
            continue;
        bool ack = v->answer == ANSWER_ACK, bad = v->answer == ANSWER_BAD;
        t.acks += ack;
        t.bads += bad;
        t.lead_acks += ack && v->leads;
        t.lead_bads += bad && v->leads;
        t.open += v->here && !v->late && v->answer == ANSWER_NONE;
    }
    return t;
}

/* What those say whose word counts. */
static bool outvoted(const struct tally *t) {
    if (t->lead_acks + t->lead_bads > 0)
        return t->lead_bads > t->lead_acks;
    return t->bads >= BADS_MIN && t->bads > t->acks;
}

/* Leaves of who is here move with the tree: members keep their place, so only those that went have to be forgotten. */
static void forget_gone(struct order *o) {
    struct mls_leaf_info leaf;
    for (uint32_t i = 0; i < o->members_max; i++) {
        if (!public_group_leaf(o->group, i, &leaf))
            o->voters[i] = (struct voter){0};
    }
}

static void decide(struct order *o) {
    struct tally t = count(o);
    struct span author = span_of(o->author, sizeof o->author);
    bool stands = o->author_leads || !outvoted(&t), doubted = stands && outvoted(&t);
    uint64_t epoch = o->staged_epoch;
    for (uint32_t i = 0; i < o->members_max; i++) {
        struct voter *v = &o->voters[i];
        if (v->votes)
            v->late = v->here && v->answer == ANSWER_NONE;
        v->votes = false;
    }
    o->window_ends_us = TIME_NEVER;
    if (stands) {
        chain_add(o, epoch - 1, mls_buf_span(&o->staged));
        public_group_keep(o->group);
        forget_gone(o);
        put(o, ORDER_READY, epoch, span_of(NULL, 0), span_of(NULL, 0), doubted);
    } else {
        public_group_withdraw(o->group);
        put(o, ORDER_WITHDRAWN, epoch, span_of(NULL, 0), author, false);
    }
    mls_buf_free(&o->staged);
    mls_buf_init(&o->staged, MLS_MESSAGE_LEN_MAX);
}

static void look(struct order *o, uint64_t now_us) {
    if (!public_group_is_staged(o->group))
        return;
    if (now_us >= o->window_ends_us || count(o).open == 0)
        decide(o);
}

static void answer(struct order *o, uint64_t now_us, struct span seat_key, uint64_t epoch, enum answer said) {
    if (!public_group_is_staged(o->group) || epoch != o->staged_epoch)
        return;
    struct voter *v = voter_of(o, seat_key);
    if (v == NULL || !v->votes || !v->here || v->answer != ANSWER_NONE)
        return;
    v->answer = (uint8_t)said;
    v->late = false;
    look(o, now_us);
}

void order_ack(struct order *o, uint64_t now_us, struct span seat_key, uint64_t epoch, const uint8_t info_tag[16]) {
    bool same = memcmp(info_tag, o->info_tag, sizeof o->info_tag) == 0;
    answer(o, now_us, seat_key, epoch, same ? ANSWER_ACK : ANSWER_BAD);
}

void order_bad(struct order *o, uint64_t now_us, struct span seat_key, uint64_t epoch) {
    answer(o, now_us, seat_key, epoch, ANSWER_BAD);
}

void order_here(struct order *o, uint64_t now_us, struct span seat_key, bool here) {
    struct voter *v = voter_of(o, seat_key);
    if (v == NULL)
        return;
    v->here = here;
    v->late = v->late && here;
    look(o, now_us);
}

void order_tick(struct order *o, uint64_t now_us) {
    look(o, now_us);
}

uint64_t order_deadline_us(const struct order *o) {
    return o->window_ends_us;
}

/* ---- commits ---- */

static bool tag_of(const struct order *o, struct span group_info, uint8_t out[GROUP_INFO_TAG_LEN]) {
    struct mls_message message;
    struct group_info info;
    struct span external_pub;
    if (mls_message_parse(group_info, &message) != MLS_OK || message.wire_format != MLS_WIRE_GROUP_INFO ||
        !mls_extensions_find(&message.group_info.extensions, MLS_EXTENSION_EXTERNAL_PUB, &external_pub) ||
        !group_info_of(message.group_info.extensions.bytes, &info))
        return false;
    struct mls_reader r = mls_reader_of(external_pub);
    struct span key = mls_rd_vec(&r, external_pub.len, MLS_TOO_LARGE);
    if (mls_reader_end(&r) != MLS_OK)
        return false;
    group_info_tag(o->crypto, key, info.generation, info.link_key, out);
    return true;
}

/* A window in which nobody said bad is closed by a host's removal, which is for the next epoch. */
static void close_for_urgent(struct order *o, struct span seat_key, bool urgent) {
    uint32_t leaf;
    if (!urgent || !public_group_is_staged(o->group) || !public_group_find_seat(o->group, seat_key, &leaf) ||
        !leads(o, leaf))
        return;
    if (count(o).bads == 0)
        decide(o);
}

enum mls_status order_commit(struct order *o, uint64_t now_us, uint64_t unix_s, struct span seat_key, bool urgent,
                             struct span commit, struct span group_info, struct public_group_staged *out) {
    uint8_t tag[GROUP_INFO_TAG_LEN];
    memset(out, 0, sizeof *out);
    close_for_urgent(o, seat_key, urgent);
    if (public_group_is_staged(o->group))
        return MLS_COMMIT_STAGED;
    if (!tag_of(o, group_info, tag))
        return MLS_GROUP_INFO_MISMATCH;
    mls_wr_span(&o->staged, commit);
    enum mls_status status = o->staged.status;
    if (status == MLS_OK)
        status = public_group_stage(o->group, commit, group_info, seat_key, unix_s, out);
    if (status != MLS_OK) {
        mls_buf_free(&o->staged);
        mls_buf_init(&o->staged, MLS_MESSAGE_LEN_MAX);
        return status;
    }
    ASSERT(seat_key.len == sizeof o->author);
    memcpy(o->author, seat_key.data, sizeof o->author);
    memcpy(o->info_tag, tag, sizeof o->info_tag);
    o->staged_epoch = out->epoch;
    o->author_leads = !out->external && leads(o, out->committer);
    o->window_ends_us = now_us + ORDER_READY_US;
    open_votes(o, out);
    put(o, ORDER_HANDSHAKE, out->epoch, commit, seat_key, false);
    look(o, now_us); /* nobody else is here */
    return MLS_OK;
}

enum mls_status order_remove(struct order *o, uint32_t leaf, const struct secret *signature_key) {
    struct mls_buf message;
    mls_buf_init(&message, MLS_MESSAGE_LEN_MAX);
    enum mls_status status = public_group_remove(o->group, leaf, signature_key, &message);
    if (status == MLS_OK) {
        chain_add(o, public_group_epoch(o->group), mls_buf_span(&message));
        put(o, ORDER_HANDSHAKE, public_group_epoch(o->group), mls_buf_span(&message), span_of(NULL, 0), false);
    }
    mls_buf_free(&message);
    return status;
}
