/* Sealed messages: what people write and show (docs/delivery-protocol.md, "Application messages"). */
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "e2ee/mls_direct.h"
#include "member/member_internal.h"

#define CONTENT_LEN_MAX (WIRE_APP_LEN_MAX - 2048) /* framing, tag, signature and padding */
#define ROSTER_PART_LEN_MAX (32u << 10)
#define ID_LEN_MAX 32
#define CODEC_LEN_MAX 16
#define FILE_ID_LEN_MAX 64
#define PROFILE_LABEL "ConclaveProfile"
#define DIRECT_LABEL "ConclaveDirect"
#define DIRECT_PADDING 256
#define COMPARED_LEN_MAX (WIRE_IDENTITIES_MAX * (WIRE_IDENTITY_LEN_MAX + 2))

/* ---- sending ---- */

static enum mls_status send_to_all(struct member *m, struct rng *rng, struct span content, bool kept) {
    struct mls_buf message;
    mls_buf_init(&message, WIRE_APP_LEN_MAX);
    enum mls_status status = mls_protect(m->group, content, span_of(NULL, 0), rng, &message);
    if (status == MLS_OK)
        member_send_wire(m, &(struct wire_message){.type = WIRE_APP,
                                                   .flags = kept ? 0 : WIRE_APP_NOT_KEPT,
                                                   .message = mls_buf_span(&message)});
    mls_buf_free(&message);
    return status;
}

/* What a private message's signature is over, after epoch, from and to. */
static enum mls_status seal_direct(struct member *m, struct rng *rng, struct span to, uint64_t number,
                                   struct span content, struct mls_buf *out) {
    struct mls_buf plain;
    mls_buf_init(&plain, WIRE_APP_LEN_MAX);
    mls_wr_u64(&plain, member_epoch(m));
    mls_wr_vec(&plain, mls_buf_span(&m->identity));
    mls_wr_vec(&plain, to);
    mls_wr_u64(&plain, number);
    mls_wr_vec(&plain, content);
    struct span group_id = mls_group_id(m->group);
    const struct span parts[] = {group_id, mls_buf_span(&plain)};
    struct mls_buf signature;
    mls_buf_init(&signature, SIGN_SIGNATURE_LEN_MAX + 4);
    enum mls_status status = plain.status;
    if (status == MLS_OK)
        status = mls_sign_with_label(&m->suite, &m->signature_key, DIRECT_LABEL, parts, ARRAY_LEN(parts), &signature);
    mls_wr_span(&plain, mls_buf_span(&signature)); /* is signature<V> */
    mls_wr_zeros(&plain, (DIRECT_PADDING - mls_buf_len(&plain) % DIRECT_PADDING) % DIRECT_PADDING);
    const struct person *p = member_find_person(m, to);
    if (status == MLS_OK)
        status = p == NULL ? MLS_LEAF_BLANK
                           : mls_seal_to_member(m->group, p->leaf, DIRECT_LABEL,
                                                span_of(m->meeting_hash, sizeof m->meeting_hash), mls_buf_span(&plain),
                                                rng, out);
    mls_buf_free(&signature);
    mls_buf_free(&plain);
    return status;
}

static enum mls_status send_direct(struct member *m, struct rng *rng, struct span to, uint64_t number,
                                   struct span content) {
    struct mls_buf sealed;
    mls_buf_init(&sealed, WIRE_APP_LEN_MAX);
    enum mls_status status = seal_direct(m, rng, to, number, content, &sealed);
    if (status == MLS_OK)
        member_send_wire(m,
                         &(struct wire_message){.type = WIRE_DIRECT, .identity = to, .sealed = mls_buf_span(&sealed)});
    mls_buf_free(&sealed);
    return status;
}

/* ---- private messages whose receivers change their keys meanwhile ---- */

static void direct_forget(struct direct_sent *d) {
    mls_buf_free(&d->to);
    mls_buf_free(&d->signer);
    mls_buf_free(&d->key);
    mls_buf_free(&d->content);
}

void member_directs_forget(struct member *m) {
    for (uint32_t i = 0; i < DIRECTS_SENT_MAX; i++)
        direct_forget(&m->directs_sent[i]);
    m->directs_at_us = TIME_NEVER;
}

static bool leaf_of(const struct member *m, struct span identity, struct mls_member *out) {
    const struct person *p = member_find_person(m, identity);
    return p != NULL && mls_member_at(m->group, p->leaf, out);
}

static void direct_remember(struct member *m, struct span to, uint64_t number, struct span content) {
    struct direct_sent *d = &m->directs_sent[m->directs_sent_next++ % DIRECTS_SENT_MAX];
    struct mls_member receiver;
    if (!leaf_of(m, to, &receiver))
        return;
    d->at_us = m->now_us;
    d->number = number;
    m->directs_at_us = m->now_us + DIRECTS_SENT_US;
    buf_set(&d->to, to);
    buf_set(&d->signer, receiver.leaf.signature_key);
    buf_set(&d->key, receiver.leaf.encryption_key);
    buf_set(&d->content, content);
}

void member_directs_again(struct member *m, struct rng *rng) {
    for (uint32_t i = 0; i < DIRECTS_SENT_MAX; i++) {
        struct direct_sent *d = &m->directs_sent[i];
        struct mls_member receiver;
        if (mls_buf_len(&d->content) == 0)
            continue;
        /* whoever has the identity with another signature key is somebody else */
        bool same = leaf_of(m, mls_buf_span(&d->to), &receiver) &&
                    span_equal(receiver.leaf.signature_key, mls_buf_span(&d->signer));
        if (!same || time_since(m->now_us, d->at_us) > DIRECTS_SENT_US) {
            direct_forget(d);
        } else if (!span_equal(receiver.leaf.encryption_key, mls_buf_span(&d->key))) {
            buf_set(&d->key, receiver.leaf.encryption_key);
            (void)send_direct(m, rng, mls_buf_span(&d->to), d->number, mls_buf_span(&d->content));
        }
    }
}

/* What is of no use later is not numbered and not in the log. */
static bool kept_kind(struct span content) {
    return content.len == 0 || (content.data[0] != CONTENT_HEARTBEAT && content.data[0] != CONTENT_REACTION);
}

static enum mls_status send_content(struct member *m, struct rng *rng, struct span to, struct mls_buf *content) {
    enum mls_status status = content->status;
    if (m->state != MEMBER_IN && m->state != MEMBER_AWAY)
        status = MEMBER_NOT_IN;
    if (status == MLS_OK && !m->connected)
        status = MEMBER_NOT_IN;
    if (status == MLS_OK && to.len == 0) {
        status = send_to_all(m, rng, mls_buf_span(content), kept_kind(mls_buf_span(content)));
    } else if (status == MLS_OK) {
        /* its number among what we sent to that person: sent again it is the same message */
        struct person *p = member_find_person(m, to);
        uint64_t number = p != NULL ? p->directs_sent++ : 0;
        status = send_direct(m, rng, to, number, mls_buf_span(content));
        if (status == MLS_OK)
            direct_remember(m, to, number, mls_buf_span(content));
    }
    mls_buf_free(content);
    return status;
}

static struct mls_buf begin(enum content_kind kind) {
    struct mls_buf content;
    mls_buf_init(&content, CONTENT_LEN_MAX);
    mls_wr_u8(&content, (uint8_t)kind);
    return content;
}

enum mls_status member_chat(struct member *m, uint64_t unix_ms, struct rng *rng, struct span to, struct span id,
                            struct span text) {
    if (text.len == 0 || text.len > MEMBER_CHAT_LEN_MAX || id.len > ID_LEN_MAX || !utf8_good(text))
        return MLS_TOO_LARGE;
    struct mls_buf content = begin(CONTENT_CHAT);
    mls_wr_u64(&content, unix_ms);
    mls_wr_vec(&content, id);
    mls_wr_vec(&content, text);
    return send_content(m, rng, to, &content);
}

enum mls_status member_react(struct member *m, struct rng *rng, struct span emoji) {
    if (emoji.len == 0 || emoji.len > MEMBER_EMOJI_LEN_MAX || !utf8_good(emoji))
        return MLS_TOO_LARGE;
    struct mls_buf content = begin(CONTENT_REACTION);
    mls_wr_vec(&content, emoji);
    return send_content(m, rng, span_of(NULL, 0), &content);
}

enum mls_status member_hand(struct member *m, struct rng *rng, bool raised) {
    struct mls_buf content = begin(CONTENT_HAND);
    mls_wr_u8(&content, raised);
    enum mls_status status = send_content(m, rng, span_of(NULL, 0), &content);
    struct person *self = member_find_person(m, mls_buf_span(&m->identity));
    if (status == MLS_OK && self != NULL) {
        self->hand = raised;
        self->hand_known = true;
        member_put(m, &(struct member_output){.type = MEMBER_ROSTER});
    }
    return status;
}

enum mls_status member_title(struct member *m, struct rng *rng, struct span title) {
    struct member_person self;
    if (!member_person_find(m, mls_buf_span(&m->identity), &self) || !self.host)
        return MLS_PROPOSAL_REFUSED;
    if (!text_set(&m->title, title))
        return MLS_TOO_LARGE;
    m->title_known = true;
    struct mls_buf content = begin(CONTENT_TITLE);
    mls_wr_vec(&content, title);
    enum mls_status status = send_content(m, rng, span_of(NULL, 0), &content);
    if (status == MLS_OK)
        member_put(m, &(struct member_output){.type = MEMBER_TITLE, .text = title});
    return status;
}

enum mls_status member_file(struct member *m, uint64_t unix_ms, struct rng *rng, struct span to,
                            const struct member_file *file) {
    if (file->name.len == 0 || file->name.len > MEMBER_FILE_NAME_LEN_MAX || !utf8_good(file->name) ||
        file->id.len == 0 || file->id.len > FILE_ID_LEN_MAX || file->key.len != 32 || file->sha256.len != 32)
        return MLS_TOO_LARGE;
    struct mls_buf content = begin(CONTENT_FILE);
    mls_wr_u64(&content, unix_ms);
    mls_wr_vec(&content, file->id);
    mls_wr_vec(&content, file->name);
    mls_wr_u64(&content, file->len_bytes);
    mls_wr_vec(&content, file->key);
    mls_wr_vec(&content, file->sha256);
    return send_content(m, rng, to, &content);
}

enum mls_status member_track(struct member *m, struct rng *rng, uint8_t context, uint8_t source, struct span codec) {
    if (codec.len > CODEC_LEN_MAX)
        return MLS_TOO_LARGE;
    struct mls_buf content = begin(CONTENT_TRACK);
    mls_wr_u8(&content, context);
    mls_wr_u8(&content, source);
    mls_wr_vec(&content, codec);
    return send_content(m, rng, span_of(NULL, 0), &content);
}

/* ---- comparing ---- */

/* An empty list: everybody's code. */
static enum mls_status send_compared(struct member *m, struct rng *rng, enum compare_result result) {
    struct mls_buf content = begin(CONTENT_COMPARE_RESULT);
    mls_wr_u8(&content, (uint8_t)result);
    mls_wr_vec(&content, span_of(NULL, 0));
    return send_content(m, rng, span_of(NULL, 0), &content);
}

enum mls_status member_tell_compared(struct member *m, struct rng *rng, bool differs) {
    enum mls_status status = send_compared(m, rng, differs ? COMPARE_DIFFER : COMPARE_RESOLVED);
    struct person *self = member_find_person(m, mls_buf_span(&m->identity));
    if (status == MLS_OK && self != NULL)
        self->disputes = differs;
    return status;
}

void member_dispute_again(struct member *m, struct rng *rng) {
    const struct person *self = member_find_person(m, mls_buf_span(&m->identity));
    if (self != NULL && self->disputes)
        (void)send_compared(m, rng, COMPARE_DIFFER);
}

/* ---- profiles ---- */

/* What a profile's signature is over. */
static void write_claim(struct mls_buf *out, struct span identity, uint32_t version, struct span name) {
    mls_wr_vec(out, identity);
    mls_wr_u32(out, version);
    mls_wr_vec(out, name);
}

static enum mls_status make_profile(struct member *m, struct mls_buf *out) {
    struct mls_buf claim;
    mls_buf_init(&claim, 1024);
    write_claim(&claim, mls_buf_span(&m->identity), m->name_version, text_span(&m->name));
    const struct span parts[] = {mls_group_id(m->group), mls_buf_span(&claim)};
    mls_wr_span(out, mls_buf_span(&claim));
    enum mls_status status = claim.status;
    if (status == MLS_OK)
        status = mls_sign_with_label(&m->suite, &m->signature_key, PROFILE_LABEL, parts, ARRAY_LEN(parts), out);
    mls_buf_free(&claim);
    return status;
}

void member_send_profile(struct member *m, struct rng *rng) {
    struct mls_buf profile, content = begin(CONTENT_PROFILE);
    struct person *self = member_find_person(m, mls_buf_span(&m->identity));
    mls_buf_init(&profile, 1024);
    m->name_version++;
    m->profile_at_us = TIME_NEVER;
    if (self != NULL && make_profile(m, &profile) == MLS_OK) {
        buf_set(&self->profile, mls_buf_span(&profile));
        self->name = m->name;
        self->name_version = m->name_version;
        mls_wr_span(&content, mls_buf_span(&profile));
        (void)send_content(m, rng, span_of(NULL, 0), &content);
    }
    mls_buf_free(&content);
    mls_buf_free(&profile);
}

enum mls_status member_rename(struct member *m, struct rng *rng, struct span name) {
    if (m->state != MEMBER_IN)
        return MEMBER_NOT_IN;
    if (name.len == 0 || !text_set(&m->name, name))
        return MLS_TOO_LARGE;
    member_send_profile(m, rng);
    member_put(m, &(struct member_output){.type = MEMBER_ROSTER});
    return MLS_OK;
}

/* A signed profile, from its owner or handed on. Older versions and strangers are passed over in silence: a roster may
 * cross a departure. False when it is forged or malformed. */
static bool take_profile(struct member *m, struct mls_reader *r) {
    size_t start = mls_reader_pos(r);
    struct span identity = mls_rd_vec(r, WIRE_IDENTITY_LEN_MAX, MLS_TOO_LARGE);
    uint32_t version = mls_rd_u32(r);
    struct span name = mls_rd_vec(r, MEMBER_NAME_LEN_MAX, MLS_TOO_LARGE);
    struct span claim = mls_reader_since(r, start);
    struct span signature = mls_rd_vec(r, SIGN_SIGNATURE_LEN_MAX, MLS_TOO_LARGE);
    struct span whole = mls_reader_since(r, start);
    if (!mls_reader_ok(r))
        return false;
    struct person *p = member_find_person(m, identity);
    if (p == NULL || span_equal(identity, mls_buf_span(&m->identity)) || (p->named && version <= p->name_version))
        return true; /* of ourselves others may still have what we said before we came again */
    if (p->profile_in == m->contents)
        return false; /* many of one person are nothing but work for everybody who checks their signatures */
    const struct span parts[] = {mls_group_id(m->group), claim};
    if (mls_verify_with_label(&m->suite, mls_buf_span(&p->signature_key), PROFILE_LABEL, parts, ARRAY_LEN(parts),
                              signature, MLS_SIGNATURE_INVALID) != MLS_OK ||
        !text_set(&p->name, name))
        return false;
    p->named = true;
    p->name_version = version;
    p->profile_in = m->contents;
    buf_set(&p->profile, whole);
    member_put(m, &(struct member_output){.type = MEMBER_ROSTER});
    return true;
}

static void end_roster(struct member *m, struct rng *rng, struct mls_buf *profiles, struct mls_buf *hands) {
    struct mls_buf content = begin(CONTENT_ROSTER);
    mls_wr_vec(&content, mls_buf_span(profiles));
    mls_wr_vec(&content, text_span(&m->title));
    mls_wr_vec(&content, mls_buf_span(hands));
    (void)send_content(m, rng, span_of(NULL, 0), &content);
    mls_buf_clear(profiles);
    mls_buf_clear(hands);
}

void member_send_roster(struct member *m, struct rng *rng) {
    struct mls_buf profiles, hands;
    mls_buf_init(&profiles, ROSTER_PART_LEN_MAX);
    mls_buf_init(&hands, ROSTER_PART_LEN_MAX / 2);
    for (uint32_t i = 0; i < m->people_count; i++) {
        const struct person *p = &m->people[i];
        if (mls_buf_len(&p->profile) == 0)
            continue;
        if (mls_buf_len(&profiles) + mls_buf_len(&p->profile) > ROSTER_PART_LEN_MAX)
            end_roster(m, rng, &profiles, &hands);
        mls_wr_span(&profiles, mls_buf_span(&p->profile));
        if (p->hand)
            mls_wr_vec(&hands, mls_buf_span(&p->identity));
    }
    end_roster(m, rng, &profiles, &hands);
    mls_buf_free(&profiles);
    mls_buf_free(&hands);
}

bool member_ask_names(struct member *m, struct rng *rng) {
    struct mls_buf names, content = begin(CONTENT_WHO);
    uint32_t count = 0;
    mls_buf_init(&names, NAMES_ASKED_MAX * (WIRE_IDENTITY_LEN_MAX + 2));
    for (uint32_t i = 0; i < m->people_count && count < NAMES_ASKED_MAX; i++) {
        if (!m->people[i].named && m->people[i].online) {
            mls_wr_vec(&names, mls_buf_span(&m->people[i].identity));
            count++;
        }
    }
    mls_wr_vec(&content, mls_buf_span(&names));
    if (count > 0)
        (void)send_content(m, rng, span_of(NULL, 0), &content);
    mls_buf_free(&content);
    mls_buf_free(&names);
    return count > 0;
}

void member_send_heartbeat(struct member *m, struct rng *rng) {
    struct mls_buf content = begin(CONTENT_HEARTBEAT);
    (void)send_content(m, rng, span_of(NULL, 0), &content);
}

/* ---- receiving ---- */

struct source {
    const struct author *author; /* as it was in the message's epoch */
    struct span identity;
    bool private_to_us;
    bool of_now; /* of our present epoch, and not of one before whose late messages still open */
    struct rng *rng;
};

/* The author, if that seat is still here: another who has its identity by now is somebody else. */
static struct person *person_of(const struct member *m, const struct source *from) {
    struct person *p = member_find_person(m, from->identity);
    struct span key = span_of(from->author->key, from->author->key_len);
    return p != NULL && span_equal(mls_buf_span(&p->signature_key), key) ? p : NULL;
}

/* Somebody lacks names: if ours, it is told again a little later, once for all who ask meanwhile. */
static bool take_who(struct member *m, const struct source *from, struct mls_reader *r) {
    struct span names = mls_rd_vec(r, NAMES_ASKED_MAX * (WIRE_IDENTITY_LEN_MAX + 2), MLS_TOO_LARGE);
    if (mls_reader_end(r) != MLS_OK)
        return false;
    struct mls_reader list = mls_reader_of(names);
    bool ours = false;
    while (mls_reader_left(&list) > 0) {
        struct span identity = mls_rd_vec(&list, WIRE_IDENTITY_LEN_MAX, MLS_TOO_LARGE);
        ours = ours || span_equal(identity, mls_buf_span(&m->identity));
    }
    struct person *p = person_of(m, from);
    if (!mls_reader_ok(&list))
        return false;
    if (!ours || p == NULL || (p->who_us != 0 && m->now_us < p->who_us + WHO_AGAIN_US))
        return true;
    p->who_us = m->now_us;
    if (m->profile_at_us == TIME_NEVER)
        m->profile_at_us = m->now_us + rng_below(from->rng, PROFILE_SPREAD_US);
    return true;
}

/* One's own word, which says nothing but that this person saw other codes; only who said it takes it back. */
static bool take_compared(struct member *m, const struct source *from, struct mls_reader *r) {
    uint8_t result = mls_rd_u8(r);
    struct span identities = mls_rd_vec(r, COMPARED_LEN_MAX, MLS_TOO_LARGE);
    if (mls_reader_end(r) != MLS_OK || result > COMPARE_DIFFER)
        return false;
    struct mls_reader list = mls_reader_of(identities);
    while (mls_reader_left(&list) > 0)
        (void)mls_rd_vec(&list, WIRE_IDENTITY_LEN_MAX, MLS_TOO_LARGE);
    struct person *p = person_of(m, from);
    bool differs = result == COMPARE_DIFFER;
    if (!mls_reader_ok(&list))
        return false;
    if (p == NULL || p->disputes == differs || result == COMPARE_MATCH)
        return true;
    p->disputes = differs;
    member_put(m, &(struct member_output){.type = MEMBER_DISPUTED, .identity = from->identity, .flag = differs});
    return true;
}

/* ---- what newcomers are told ---- */

struct roster_parts {
    struct span profiles, title, hands;
};

static bool read_roster(struct span content, struct roster_parts *out) {
    struct mls_reader r = mls_reader_of(content);
    out->profiles = mls_rd_vec(&r, ROSTER_PART_LEN_MAX, MLS_TOO_LARGE);
    out->title = mls_rd_vec(&r, MEMBER_TITLE_LEN_MAX, MLS_TOO_LARGE);
    out->hands = mls_rd_vec(&r, ROSTER_PART_LEN_MAX, MLS_TOO_LARGE);
    return mls_reader_end(&r) == MLS_OK;
}

/* Only what we do not know: what was heard from somebody itself, or from a host, stands. */
static void apply_roster(struct member *m, const struct roster_parts *parts) {
    struct mls_reader list = mls_reader_of(parts->hands);
    while (mls_reader_left(&list) > 0) {
        struct person *p = member_find_person(m, mls_rd_vec(&list, WIRE_IDENTITY_LEN_MAX, MLS_TOO_LARGE));
        if (p == NULL || p->hand_known)
            continue;
        p->hand = p->hand_known = true;
        member_put(m, &(struct member_output){.type = MEMBER_ROSTER});
    }
    if (parts->title.len == 0 || m->title_known || !text_set(&m->title, parts->title))
        return;
    m->title_known = true;
    member_put(m, &(struct member_output){.type = MEMBER_TITLE, .text = parts->title});
}

/* Who lets a newcomer in tells it; of one who came by itself it is the first of those who are online. */
static uint32_t our_greeter(const struct member *m) {
    return m->greeter != UINT32_MAX ? m->greeter : member_greeter_of(m, mls_buf_span(&m->identity));
}

void member_rosters_forget(struct member *m) {
    for (uint32_t i = 0; i < m->rosters_held_count; i++)
        mls_buf_free(&m->rosters_held[i].content);
    m->rosters_held_count = 0;
}

void member_rosters_look(struct member *m) {
    for (uint32_t i = 0; i < m->rosters_held_count; i++) {
        struct roster_parts parts;
        if (m->rosters_held[i].leaf == our_greeter(m) && read_roster(mls_buf_span(&m->rosters_held[i].content), &parts))
            apply_roster(m, &parts);
    }
    member_rosters_forget(m);
}

/* Names are signed by those who have them, and come from anybody. Title and hands are one member's word, for who has
 * just come and knows nothing yet. */
static bool take_roster(struct member *m, const struct source *from, struct span content) {
    struct roster_parts parts;
    if (from->private_to_us || !read_roster(content, &parts))
        return false;
    struct mls_reader list = mls_reader_of(parts.profiles);
    while (mls_reader_left(&list) > 0) {
        if (!take_profile(m, &list))
            return false;
    }
    if (m->now_us >= m->came_us + ROSTER_WITHIN_US) {
        m->dropped++;
    } else if (from->author->leaf == our_greeter(m)) {
        apply_roster(m, &parts);
    } else if (!m->online_told && m->greeter == UINT32_MAX && m->rosters_held_count < ROSTERS_HELD_MAX) {
        struct roster_held *held = &m->rosters_held[m->rosters_held_count++];
        *held = (struct roster_held){.leaf = from->author->leaf};
        buf_set(&held->content, content);
    } else {
        m->dropped++;
    }
    return true;
}

static bool take_chat(struct member *m, const struct source *from, struct mls_reader *r) {
    uint64_t unix_ms = mls_rd_u64(r);
    struct span id = mls_rd_vec(r, ID_LEN_MAX, MLS_TOO_LARGE);
    struct span text = mls_rd_vec(r, MEMBER_CHAT_LEN_MAX, MLS_TOO_LARGE);
    if (mls_reader_end(r) != MLS_OK || text.len == 0 || !utf8_good(text))
        return false;
    member_put(m, &(struct member_output){.type = MEMBER_CHAT,
                                          .identity = from->identity,
                                          .private_to_us = from->private_to_us,
                                          .unix_ms = unix_ms,
                                          .id = id,
                                          .text = text});
    return true;
}

static bool take_file(struct member *m, const struct source *from, struct mls_reader *r) {
    uint64_t unix_ms = mls_rd_u64(r);
    struct member_file file = {.id = mls_rd_vec(r, FILE_ID_LEN_MAX, MLS_TOO_LARGE)};
    file.name = mls_rd_vec(r, MEMBER_FILE_NAME_LEN_MAX, MLS_TOO_LARGE);
    file.len_bytes = mls_rd_u64(r);
    file.key = mls_rd_vec(r, 32, MLS_TOO_LARGE);
    file.sha256 = mls_rd_vec(r, 32, MLS_TOO_LARGE);
    if (mls_reader_end(r) != MLS_OK || file.key.len != 32 || file.sha256.len != 32 || !utf8_good(file.name) ||
        !group_identity_good(file.id)) /* ids of files have the same letters */
        return false;
    member_put(m, &(struct member_output){.type = MEMBER_FILE,
                                          .identity = from->identity,
                                          .private_to_us = from->private_to_us,
                                          .unix_ms = unix_ms,
                                          .file = file});
    return true;
}

static bool take_small(struct member *m, enum content_kind kind, const struct source *from, struct mls_reader *r) {
    struct person *p = person_of(m, from);
    if (kind == CONTENT_REACTION) {
        struct span emoji = mls_rd_vec(r, MEMBER_EMOJI_LEN_MAX, MLS_TOO_LARGE);
        if (mls_reader_end(r) != MLS_OK || emoji.len == 0 || !utf8_good(emoji))
            return false;
        member_put(m, &(struct member_output){.type = MEMBER_REACTION, .identity = from->identity, .text = emoji});
    } else if (kind == CONTENT_HAND) {
        uint8_t raised = mls_rd_u8(r);
        if (mls_reader_end(r) != MLS_OK || raised > 1)
            return false;
        if (p == NULL)
            return true; /* of somebody who has left */
        p->hand = raised == 1;
        p->hand_known = true;
        member_put(m, &(struct member_output){.type = MEMBER_ROSTER});
    } else if (kind == CONTENT_TITLE) {
        struct span title = mls_rd_vec(r, MEMBER_TITLE_LEN_MAX, MLS_TOO_LARGE);
        if (mls_reader_end(r) != MLS_OK || from->author->role != GROUP_HOST || !text_set(&m->title, title))
            return false;
        m->title_known = true;
        member_put(m, &(struct member_output){.type = MEMBER_TITLE, .text = title});
    } else {
        uint8_t context = mls_rd_u8(r), source = mls_rd_u8(r);
        struct span codec = mls_rd_vec(r, CODEC_LEN_MAX, MLS_TOO_LARGE);
        if (mls_reader_end(r) != MLS_OK || !utf8_good(codec))
            return false;
        member_put(
            m,
            &(struct member_output){
                .type = MEMBER_TRACK, .identity = from->identity, .context = context, .source = source, .text = codec});
    }
    return true;
}

static void take_content(struct member *m, const struct source *from, struct span data) {
    struct mls_reader r = mls_reader_of(data);
    uint8_t kind = mls_rd_u8(&r);
    bool good = true;
    m->contents++;
    switch (kind) {
    case CONTENT_PROFILE:
        good = !from->private_to_us && take_profile(m, &r) && mls_reader_end(&r) == MLS_OK;
        break;
    case CONTENT_CHAT:
        good = take_chat(m, from, &r);
        break;
    case CONTENT_FILE:
        good = take_file(m, from, &r);
        break;
    case CONTENT_ROSTER:
        good = take_roster(m, from, span_of(data.data + 1, data.len - 1));
        break;
    case CONTENT_HEARTBEAT:
        good = !from->private_to_us && mls_reader_end(&r) == MLS_OK;
        if (good && from->of_now)
            m->heard_us = m->now_us;
        break;
    case CONTENT_COMPARE_RESULT:
        good = !from->private_to_us && take_compared(m, from, &r);
        break;
    case CONTENT_WHO:
        good = !from->private_to_us && take_who(m, from, &r);
        break;
    case CONTENT_REACTION:
    case CONTENT_HAND:
    case CONTENT_TITLE:
    case CONTENT_TRACK:
        good = !from->private_to_us && take_small(m, (enum content_kind)kind, from, &r);
        break;
    default: /* of a later version: not ours to judge */
        m->dropped++;
        break;
    }
    if (!good)
        member_alarm(m, MEMBER_ALARM_CONTENT, from->identity, MLS_TRUNCATED);
}

void member_take_app(struct member *m, struct rng *rng, struct span from, const struct mls_received *received) {
    struct author author;
    /* the leaf is of the message's epoch, and so is its owner: who has it now may be somebody else */
    if (!member_author(m, received->epoch, received->sender, &author) || !span_equal(author_identity(&author), from)) {
        member_alarm(m, MEMBER_ALARM_FROM, from, MLS_OK);
        return;
    }
    take_content(m,
                 &(struct source){.author = &author,
                                  .identity = author_identity(&author),
                                  .of_now = received->epoch == member_epoch(m),
                                  .rng = rng},
                 received->application_data);
}

/* Opened, and what it says is well-formed and signed by who sent it to us. */
static bool direct_good(const struct member *m, const struct person *p, struct span from, struct span plain,
                        uint64_t *epoch, uint64_t *number, struct span *content) {
    struct mls_reader r = mls_reader_of(plain);
    *epoch = mls_rd_u64(&r);
    struct span said_from = mls_rd_vec(&r, WIRE_IDENTITY_LEN_MAX, MLS_TOO_LARGE);
    struct span to = mls_rd_vec(&r, WIRE_IDENTITY_LEN_MAX, MLS_TOO_LARGE);
    *number = mls_rd_u64(&r);
    *content = mls_rd_vec(&r, CONTENT_LEN_MAX, MLS_TOO_LARGE);
    struct span claim = mls_reader_since(&r, 0);
    struct span signature = mls_rd_vec(&r, SIGN_SIGNATURE_LEN_MAX, MLS_TOO_LARGE);
    const struct span parts[] = {mls_group_id(m->group), claim};
    return mls_reader_ok(&r) && *number < UINT64_MAX && span_equal(said_from, from) &&
           span_equal(to, mls_buf_span(&m->identity)) &&
           mls_verify_with_label(&m->suite, mls_buf_span(&p->signature_key), DIRECT_LABEL, parts, ARRAY_LEN(parts),
                                 signature, MLS_SIGNATURE_INVALID) == MLS_OK;
}

void member_take_direct(struct member *m, struct rng *rng, struct span from, struct span sealed) {
    struct mls_buf plain;
    struct person *p = member_find_person(m, from);
    uint64_t epoch, number;
    struct span content;
    mls_buf_init(&plain, WIRE_APP_LEN_MAX);
    if (p == NULL || mls_open_as_member(m->group, DIRECT_LABEL, span_of(m->meeting_hash, sizeof m->meeting_hash),
                                        sealed, &plain) != MLS_OK) {
        m->dropped++; /* sealed to a key that we had before: it comes again */
    } else if (!direct_good(m, p, from, mls_buf_span(&plain), &epoch, &number, &content)) {
        member_alarm(m, MEMBER_ALARM_FROM, from, MLS_SIGNATURE_INVALID);
    } else if (epoch < p->since_epoch || replay_check(&p->directs_seen, number) != REPLAY_FRESH) {
        m->dropped++; /* there before: sent again by its sender, or by somebody on the way */
    } else {
        struct author author;
        replay_mark(&p->directs_seen, number);
        if (member_author(m, member_epoch(m), p->leaf, &author))
            take_content(
                m,
                &(struct source){
                    .author = &author, .identity = author_identity(&author), .private_to_us = true, .rng = rng},
                content);
    }
    mls_buf_free(&plain);
}
