#include "group/wire.h"

#include "base/assert.h"

#define HASH_FIELD_LEN_MAX 64
#define SENDER_LEN_MAX 1024 /* a signature key and a short credential */
#define TYPE_SKIPPED_CLIENT 192
#define TYPE_SKIPPED_SERVER 224

/* Every message is a list of fields; one table says which, in order, for reading and for writing. */
enum field {
    END = 0,
    HOW,
    FLAGS,
    KIND,
    STANDING,
    REASON_GONE,
    WHAT,
    ENTRY,
    MODE,
    HOST_HERE,
    GOOD,
    SUITE,
    STATUS,
    POSITION,
    WITHIN_S,
    FEATURES,
    GENERATION,
    BITS,
    EPOCH,
    SEQ,
    FROM_EPOCH,
    TICKET,
    UNIX_S,
    FILE_LEN_MAX,
    TERM,
    CLAIM,
    NONCE,
    FIRST_LINK_KEY,
    OWNER,
    LINK_KEY,
    SEAT_KEY,
    LINK_SIGNATURE,
    LEAF_SIGNATURE,
    KEY_PACKAGE,
    INFO_TAG,
    CONTEXT_HASH,
    NEXT_HASH,
    MESSAGE,
    APP_MESSAGE,
    COMMIT,
    WELCOME,
    WELCOME_OPTIONAL,
    GROUP_INFO,
    TREE,
    TREE_HASH,
    EXTERNAL_SENDER,
    IDENTITY,
    SEALED,
    TARGET,
    BY,
    REASON,
    HERE,
    TOKEN,
    INFO,
    POLICY,
    PACKAGES,
    LEFT_OUT,
    IDENTITIES,
};

#define FIELDS_MAX 20

struct layout {
    uint8_t type;
    uint8_t fields[FIELDS_MAX];
};

static const struct layout layouts[] = {
    {WIRE_HELLO,
     {HOW, FLAGS, FEATURES, KIND, SUITE, FIRST_LINK_KEY, OWNER, LINK_KEY, GENERATION, SEAT_KEY, NONCE, TERM, CLAIM,
      EPOCH, SEQ, KEY_PACKAGE, LINK_SIGNATURE, LEAF_SIGNATURE}},
    {WIRE_CREATE, {GROUP_INFO, TREE}},
    {WIRE_COMMIT, {FLAGS, COMMIT, WELCOME_OPTIONAL, GROUP_INFO, LEFT_OUT}},
    {WIRE_ACK, {EPOCH, INFO_TAG}},
    {WIRE_BAD, {EPOCH, STATUS}},
    {WIRE_APP, {FLAGS, APP_MESSAGE}},
    {WIRE_DIRECT, {IDENTITY, SEALED}},
    {WIRE_LEAVE, {END}},
    {WIRE_RESTATED, {GROUP_INFO, TREE}},
    {WIRE_MODERATE, {WHAT, BITS, TARGET}},
    {WIRE_CHECKED, {TICKET, GOOD, STATUS}},
    {WIRE_WHERE, {EPOCH, CONTEXT_HASH, NEXT_HASH}},
    {WIRE_CHALLENGE, {NONCE, FEATURES, TERM, CLAIM, UNIX_S}},
    {WIRE_STATE, {SUITE, STANDING, TERM, CLAIM, HERE, TOKEN, INFO, FILE_LEN_MAX}}, /* and, resumed, EPOCH, SEQ */
    {WIRE_CREATE_NOW, {EXTERNAL_SENDER}},
    {WIRE_JOIN_NOW, {GROUP_INFO, TREE_HASH, FROM_EPOCH}},
    {WIRE_COMMIT_NOW, {EPOCH, PACKAGES}},
    {WIRE_HANDSHAKE, {SEQ, MESSAGE}},
    {WIRE_ACCEPTED, {SEQ, EPOCH}},
    {WIRE_STALE, {EPOCH, REASON}},
    {WIRE_WELCOME, {SEQ, WELCOME, TREE_HASH}},
    {WIRE_APP_FROM, {SEQ, IDENTITY, APP_MESSAGE}},
    {WIRE_DIRECT_FROM, {IDENTITY, SEALED}},
    {WIRE_READY, {SEQ, EPOCH}},
    {WIRE_RESYNC, {GROUP_INFO, TREE_HASH, FROM_EPOCH}},
    {WIRE_GONE, {REASON_GONE, BY}},
    {WIRE_ONLINE, {IDENTITIES}},
    {WIRE_SENT, {SEQ}},
    {WIRE_RESTATE, {FLAGS}},
    {WIRE_WAITING, {POSITION, ENTRY, MODE, HOST_HERE, POLICY}},
    {WIRE_CHECK_NOW, {TICKET, COMMIT, GROUP_INFO}},
    {WIRE_MODERATED, {WHAT, BITS, TARGET, BY}},
    {WIRE_WITHDRAWN, {SEQ, EPOCH}},
    {WIRE_CLOSING, {WITHIN_S}},
};

static const struct layout *layout_of(unsigned type) {
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
        if (layouts[i].type == type)
            return &layouts[i];
    }
    return NULL;
}

/* ---- fields ---- */

/* Where a field is in the struct: a vector between `min` and `max` bytes, a fixed one (min == max, and `fixed`), or a
 * number of `width` bytes. */
struct place {
    struct span *bytes;
    size_t min, max;
    bool fixed;
    void *number;
    size_t width;
};

static struct place vector(struct span *at, size_t min, size_t max) {
    return (struct place){.bytes = at, .min = min, .max = max};
}
static struct place fixed(struct span *at, size_t len) {
    return (struct place){.bytes = at, .min = len, .max = len, .fixed = true};
}
static struct place number(void *at, size_t width) {
    return (struct place){.number = at, .width = width};
}

static struct place number_place(enum field field, struct wire_message *m) {
    switch (field) {
    case HOW:
        return number(&m->how, 1);
    case FLAGS:
        return number(&m->flags, 1);
    case KIND:
        return number(&m->kind, 1);
    case STANDING:
        return number(&m->standing, 1);
    case REASON_GONE:
        return number(&m->reason_gone, 1);
    case WHAT:
        return number(&m->what, 1);
    case ENTRY:
        return number(&m->entry, 1);
    case MODE:
        return number(&m->mode, 1);
    case HOST_HERE:
        return number(&m->host_here, 1);
    case SUITE:
        return number(&m->suite, 2);
    case STATUS:
        return number(&m->status, 2);
    case POSITION:
        return number(&m->position, 2);
    case WITHIN_S:
        return number(&m->within_s, 4);
    case FEATURES:
        return number(&m->features, 4);
    case GENERATION:
        return number(&m->generation, 4);
    case BITS:
        return number(&m->bits, 4);
    case EPOCH:
        return number(&m->epoch, 8);
    case SEQ:
        return number(&m->seq, 8);
    case FROM_EPOCH:
        return number(&m->from_epoch, 8);
    case TICKET:
        return number(&m->ticket, 8);
    case UNIX_S:
        return number(&m->unix_s, 8);
    case FILE_LEN_MAX:
        return number(&m->file_len_max, 8);
    case TERM:
        return number(&m->term, 8);
    default:
        return (struct place){0};
    }
}

static struct place fixed_place(enum field field, struct wire_message *m) {
    switch (field) {
    case CLAIM:
        return fixed(&m->claim, WIRE_CLAIM_LEN);
    case NONCE:
        return fixed(&m->nonce, WIRE_NONCE_LEN);
    case FIRST_LINK_KEY:
        return fixed(&m->first_link_key, WIRE_KEY_LEN);
    case OWNER:
        return fixed(&m->owner, WIRE_KEY_LEN);
    case LINK_KEY:
        return fixed(&m->link_key, WIRE_KEY_LEN);
    case LINK_SIGNATURE:
        return fixed(&m->link_signature, WIRE_SIGNATURE_LEN);
    case LEAF_SIGNATURE:
        return fixed(&m->leaf_signature, WIRE_SIGNATURE_LEN);
    case INFO_TAG:
        return fixed(&m->info_tag, WIRE_INFO_TAG_LEN);
    case CONTEXT_HASH:
        return fixed(&m->context_hash, WIRE_HASH_LEN);
    case NEXT_HASH:
        return fixed(&m->next_hash, WIRE_HASH_LEN);
    default:
        return number_place(field, m);
    }
}

/* Vectors of the protocol's own; those of MLS follow below. */
static struct place vector_place(enum field field, struct wire_message *m) {
    switch (field) {
    case SEAT_KEY:
        return vector(&m->seat_key, WIRE_KEY_LEN, WIRE_KEY_LEN);
    case IDENTITY:
        return vector(&m->identity, 1, WIRE_IDENTITY_LEN_MAX);
    case SEALED:
        return vector(&m->sealed, 1, WIRE_APP_LEN_MAX);
    case TARGET:
        return vector(&m->target, 0, WIRE_IDENTITY_LEN_MAX);
    case BY:
        return vector(&m->by, 0, WIRE_IDENTITY_LEN_MAX);
    case REASON:
        return vector(&m->reason, 0, WIRE_REASON_LEN_MAX);
    case HERE:
        return vector(&m->here, 0, WIRE_HERE_LEN_MAX);
    case TOKEN:
        return vector(&m->token, 0, WIRE_TOKEN_LEN_MAX);
    case INFO:
        return vector(&m->info, 0, WIRE_INFO_LEN_MAX);
    case POLICY:
        return vector(&m->policy, 0, WIRE_POLICY_LEN_MAX);
    case PACKAGES:
    case LEFT_OUT:
    case IDENTITIES:
        return vector(&m->list, 0, WIRE_MESSAGE_LEN_MAX);
    default:
        return fixed_place(field, m);
    }
}

static struct place place_of(enum field field, struct wire_message *m) {
    switch (field) {
    case KEY_PACKAGE: /* empty on a resume: judged by sound */
        return vector(&m->key_package, 0, WIRE_PACKAGE_LEN_MAX);
    case MESSAGE:
        return vector(&m->message, 1, WIRE_MESSAGE_LEN_MAX);
    case APP_MESSAGE:
        return vector(&m->message, 1, WIRE_APP_LEN_MAX);
    case COMMIT:
        return vector(&m->commit, 1, WIRE_MESSAGE_LEN_MAX);
    case WELCOME:
        return vector(&m->welcome, 1, WIRE_MESSAGE_LEN_MAX);
    case WELCOME_OPTIONAL:
        return vector(&m->welcome, 0, WIRE_MESSAGE_LEN_MAX);
    case GROUP_INFO:
        return vector(&m->group_info, 1, WIRE_GROUP_INFO_LEN_MAX);
    case TREE:
        return vector(&m->tree, 1, WIRE_MESSAGE_LEN_MAX);
    case TREE_HASH:
        return vector(&m->tree_hash, 1, HASH_FIELD_LEN_MAX);
    case EXTERNAL_SENDER:
        return vector(&m->external_sender, 1, SENDER_LEN_MAX);
    default:
        return vector_place(field, m);
    }
}

static void read_number(struct mls_reader *r, const struct place *place) {
    switch (place->width) {
    case 1:
        *(uint8_t *)place->number = mls_rd_u8(r);
        break;
    case 2:
        *(uint16_t *)place->number = mls_rd_u16(r);
        break;
    case 4:
        *(uint32_t *)place->number = mls_rd_u32(r);
        break;
    default:
        *(uint64_t *)place->number = mls_rd_u64(r);
    }
}

static void read_field(struct mls_reader *r, enum field field, struct wire_message *m) {
    if (field == GOOD) {
        uint8_t value = mls_rd_u8(r);
        if (value > 1)
            mls_reader_refuse(r, MLS_TRAILING_BYTES);
        m->good = value == 1;
        return;
    }
    struct place place = place_of(field, m);
    if (place.bytes == NULL) {
        read_number(r, &place);
        return;
    }
    *place.bytes = place.fixed ? mls_rd_bytes(r, place.max) : mls_rd_vec(r, place.max, MLS_TOO_LARGE);
    if (mls_reader_ok(r) && place.bytes->len < place.min)
        mls_reader_refuse(r, MLS_TRUNCATED);
}

static void write_field(const struct wire_message *message, enum field field, struct mls_buf *out) {
    struct wire_message copy = *message; /* spans only: place_of wants somewhere to point */
    if (field == GOOD) {
        mls_wr_u8(out, message->good);
        return;
    }
    struct place place = place_of(field, &copy);
    if (place.bytes == NULL) {
        switch (place.width) {
        case 1:
            mls_wr_u8(out, *(uint8_t *)place.number);
            break;
        case 2:
            mls_wr_u16(out, *(uint16_t *)place.number);
            break;
        case 4:
            mls_wr_u32(out, *(uint32_t *)place.number);
            break;
        default:
            mls_wr_u64(out, *(uint64_t *)place.number);
        }
    } else if (!place.fixed) {
        mls_wr_vec(out, *place.bytes);
    } else if (place.bytes->len == 0) {
        mls_wr_zeros(out, place.max);
    } else {
        mls_wr_span(out, *place.bytes);
    }
}

/* ---- lists ---- */

/* One element; false when the list is at its end or its next element is none. */
static bool read_package(struct mls_reader *r, struct wire_package *out) {
    if (mls_reader_left(r) == 0)
        return false;
    out->knock = mls_rd_u32(r);
    out->key_package = mls_rd_vec(r, WIRE_PACKAGE_LEN_MAX, MLS_TOO_LARGE);
    if (mls_reader_ok(r) && out->key_package.len == 0)
        mls_reader_refuse(r, MLS_TRUNCATED);
    return mls_reader_ok(r);
}

static bool read_left_out(struct mls_reader *r, struct wire_left_out *out) {
    if (mls_reader_left(r) == 0)
        return false;
    out->knock = mls_rd_u32(r);
    out->status = mls_rd_u16(r);
    return mls_reader_ok(r);
}

static bool read_identity(struct mls_reader *r, struct span *out) {
    if (mls_reader_left(r) == 0)
        return false;
    *out = mls_rd_vec(r, WIRE_IDENTITY_LEN_MAX, MLS_TOO_LARGE);
    if (mls_reader_ok(r) && out->len == 0)
        mls_reader_refuse(r, MLS_TRUNCATED);
    return mls_reader_ok(r);
}

static bool list_good(const struct wire_message *m) {
    struct mls_reader r = mls_reader_of(m->list);
    struct wire_package package;
    struct wire_left_out left_out;
    struct span identity;
    size_t count = 0;
    if (m->type == WIRE_COMMIT_NOW) {
        while (read_package(&r, &package))
            count++;
    } else if (m->type == WIRE_COMMIT) {
        while (read_left_out(&r, &left_out))
            count++;
    } else {
        while (read_identity(&r, &identity))
            count++;
    }
    return mls_reader_ok(&r) && count <= (m->type == WIRE_ONLINE ? WIRE_IDENTITIES_MAX : WIRE_ADDS_MAX);
}

/* An empty list has no bytes to point to. */
static struct mls_reader list_from(struct span list, size_t at) {
    ASSERT(at <= list.len);
    return mls_reader_of(at == 0 ? list : span_of(list.data + at, list.len - at));
}

bool wire_next_package(const struct wire_message *commit_now, size_t *at, struct wire_package *out) {
    struct mls_reader r = list_from(commit_now->list, *at);
    if (!read_package(&r, out))
        return false;
    *at += mls_reader_pos(&r);
    return true;
}

bool wire_next_left_out(const struct wire_message *commit, size_t *at, struct wire_left_out *out) {
    struct mls_reader r = list_from(commit->list, *at);
    if (!read_left_out(&r, out))
        return false;
    *at += mls_reader_pos(&r);
    return true;
}

bool wire_next_identity(const struct wire_message *online, size_t *at, struct span *out) {
    struct mls_reader r = list_from(online->list, *at);
    if (!read_identity(&r, out))
        return false;
    *at += mls_reader_pos(&r);
    return true;
}

void wire_add_package(struct mls_buf *list, const struct wire_package *package) {
    mls_wr_u32(list, package->knock);
    mls_wr_vec(list, package->key_package);
}

void wire_add_left_out(struct mls_buf *list, const struct wire_left_out *left_out) {
    mls_wr_u32(list, left_out->knock);
    mls_wr_u16(list, left_out->status);
}

void wire_add_identity(struct mls_buf *list, struct span identity) {
    mls_wr_vec(list, identity);
}

/* ---- messages ---- */

/* What the fields of one message must be together. */
static bool sound(const struct wire_message *m) {
    switch (m->type) {
    case WIRE_HELLO:
        return m->how >= WIRE_ENTER && m->how <= WIRE_RETURN && (m->flags & ~WIRE_HELLO_MAY_FOUND) == 0 &&
               (m->how == WIRE_RESUME) == (m->key_package.len == 0);
    case WIRE_COMMIT:
        return (m->flags & ~WIRE_COMMIT_URGENT) == 0 && list_good(m);
    case WIRE_APP:
        return (m->flags & ~WIRE_APP_NOT_KEPT) == 0;
    case WIRE_RESTATE:
        return (m->flags & ~WIRE_RESTATE_WHOLE) == 0;
    case WIRE_STATE:
        return m->standing >= WIRE_STANDING_FOUND && m->standing <= WIRE_STANDING_RETURN;
    case WIRE_COMMIT_NOW:
    case WIRE_ONLINE:
        return list_good(m);
    case WIRE_GONE:
        return m->reason_gone >= WIRE_GONE_REMOVED && m->reason_gone <= WIRE_GONE_CANNOT_FOLLOW;
    case WIRE_MODERATE:
    case WIRE_MODERATED:
        return m->what >= WIRE_MUTE && m->what <= WIRE_END;
    case WIRE_WAITING:
        return m->entry <= 3 && m->mode <= 7 && m->host_here <= 2;
    default:
        return true;
    }
}

static bool resumed(const struct wire_message *m) {
    return m->type == WIRE_STATE && m->standing == WIRE_STANDING_RESUMED;
}

static bool read_all(struct mls_reader *r, const struct layout *layout, struct wire_message *out) {
    for (size_t i = 0; i < FIELDS_MAX && layout->fields[i] != END; i++)
        read_field(r, (enum field)layout->fields[i], out);
    if (resumed(out)) {
        read_field(r, EPOCH, out);
        read_field(r, SEQ, out);
    }
    return mls_reader_end(r) == MLS_OK && sound(out);
}

enum wire_verdict wire_read(enum wire_direction direction, struct span bytes, struct wire_message *out) {
    *out = (struct wire_message){0};
    if (bytes.len == 0 || bytes.len > WIRE_MESSAGE_LEN_MAX)
        return WIRE_MALFORMED;
    struct mls_reader r = mls_reader_of(bytes);
    uint8_t type = mls_rd_u8(&r);
    const struct layout *layout = layout_of(type);
    bool client = direction == WIRE_FROM_CLIENT;
    if (layout == NULL &&
        (client ? type >= TYPE_SKIPPED_CLIENT && type < TYPE_SKIPPED_SERVER : type >= TYPE_SKIPPED_SERVER))
        return WIRE_SKIP;
    if (layout == NULL || (type < 128) != client)
        return WIRE_MALFORMED;
    out->type = (enum wire_type)type;
    if (read_all(&r, layout, out))
        return WIRE_OK;
    *out = (struct wire_message){0};
    return WIRE_MALFORMED;
}

static bool fits(const struct wire_message *message, enum field field) {
    struct wire_message copy = *message;
    struct place place = field == GOOD ? (struct place){0} : place_of(field, &copy);
    if (place.bytes == NULL || (place.fixed && place.bytes->len == 0))
        return true;
    return place.bytes->len >= place.min && place.bytes->len <= place.max;
}

void wire_write(const struct wire_message *message, struct mls_buf *out) {
    const struct layout *layout = layout_of(message->type);
    ASSERT(layout != NULL); /* the caller's own constant */
    size_t start = mls_buf_len(out);
    bool good = sound(message);
    for (size_t i = 0; i < FIELDS_MAX && layout->fields[i] != END; i++)
        good = good && fits(message, (enum field)layout->fields[i]);
    if (!mls_buf_ok(out))
        return;
    if (!good) {
        out->status = MLS_TOO_LARGE;
        return;
    }
    mls_wr_u8(out, (uint8_t)message->type);
    for (size_t i = 0; i < FIELDS_MAX && layout->fields[i] != END; i++)
        write_field(message, (enum field)layout->fields[i], out);
    if (resumed(message)) {
        mls_wr_u64(out, message->epoch);
        mls_wr_u64(out, message->seq);
    }
    if (mls_buf_ok(out) && mls_buf_len(out) - start > WIRE_MESSAGE_LEN_MAX) {
        mls_buf_cut(out, start);
        out->status = MLS_TOO_LARGE;
    }
}
