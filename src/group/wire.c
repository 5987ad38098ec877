#include "group/wire.h"

#include "base/assert.h"

#define HASH_FIELD_LEN_MAX 64
#define SENDER_LEN_MAX 1024 /* a signature key and a short credential */

/* Every message is a list of fields; one table says which, in order, for reading and for writing. */
enum field {
    END = 0,
    RESUME,
    ACTIVE,
    GONE,
    SUITE,
    STATUS,
    EPOCH,
    SEQ,
    KEY_PACKAGE,
    MESSAGE,
    APP_MESSAGE,
    COMMIT,
    WELCOME,
    WELCOME_OPTIONAL,
    GROUP_INFO,
    GROUP_INFO_OPTIONAL,
    TREE,
    TREE_HASH,
    EXTERNAL_SENDER,
    IDENTITY,
    SEALED,
    PACKAGES,
    IDENTITIES,
    REASON,
};

#define FIELDS_MAX 8

struct layout {
    uint8_t type;
    uint8_t fields[FIELDS_MAX];
};

static const struct layout layouts[] = {
    {WIRE_HELLO, {RESUME, SEQ, KEY_PACKAGE}},
    {WIRE_CREATE, {GROUP_INFO, TREE}},
    {WIRE_COMMIT, {COMMIT, WELCOME_OPTIONAL, GROUP_INFO}},
    {WIRE_ACK, {EPOCH}},
    {WIRE_BAD, {EPOCH, STATUS}},
    {WIRE_APP, {APP_MESSAGE}},
    {WIRE_DIRECT, {IDENTITY, SEALED}},
    {WIRE_LEAVE, {END}},
    {WIRE_STATE, {SUITE, ACTIVE, EPOCH, SEQ, EXTERNAL_SENDER, GROUP_INFO_OPTIONAL, TREE_HASH}},
    {WIRE_CREATE_NOW, {END}},
    {WIRE_JOIN_NOW, {GROUP_INFO, TREE_HASH}},
    {WIRE_COMMIT_NOW, {EPOCH, PACKAGES}},
    {WIRE_HANDSHAKE, {SEQ, MESSAGE}},
    {WIRE_ACCEPTED, {SEQ, EPOCH}},
    {WIRE_STALE, {EPOCH, REASON}},
    {WIRE_WELCOME, {SEQ, WELCOME, TREE_HASH}},
    {WIRE_APP_FROM, {SEQ, IDENTITY, APP_MESSAGE}},
    {WIRE_DIRECT_FROM, {IDENTITY, SEALED}},
    {WIRE_READY, {EPOCH}},
    {WIRE_RESYNC, {GROUP_INFO, TREE_HASH}},
    {WIRE_GONE, {GONE}},
    {WIRE_ONLINE, {IDENTITIES}},
    {WIRE_SENT, {SEQ}},
};

static const struct layout *layout_of(unsigned type) {
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
        if (layouts[i].type == type)
            return &layouts[i];
    }
    return NULL;
}

/* Where a field of bytes is in the struct, and its shortest and longest form. */
struct bytes_field {
    struct span *at;
    size_t min, max;
};

static struct bytes_field bytes_of(enum field field, struct wire_message *m) {
    switch (field) {
    case KEY_PACKAGE: /* empty on a resume: judged by wire_read */
        return (struct bytes_field){&m->key_package, 0, WIRE_MESSAGE_LEN_MAX};
    case MESSAGE:
        return (struct bytes_field){&m->message, 1, WIRE_MESSAGE_LEN_MAX};
    case APP_MESSAGE:
        return (struct bytes_field){&m->message, 1, WIRE_APP_LEN_MAX};
    case COMMIT:
        return (struct bytes_field){&m->commit, 1, WIRE_MESSAGE_LEN_MAX};
    case WELCOME:
        return (struct bytes_field){&m->welcome, 1, WIRE_MESSAGE_LEN_MAX};
    case WELCOME_OPTIONAL:
        return (struct bytes_field){&m->welcome, 0, WIRE_MESSAGE_LEN_MAX};
    case GROUP_INFO:
        return (struct bytes_field){&m->group_info, 1, WIRE_MESSAGE_LEN_MAX};
    case GROUP_INFO_OPTIONAL:
        return (struct bytes_field){&m->group_info, 0, WIRE_MESSAGE_LEN_MAX};
    case TREE:
        return (struct bytes_field){&m->tree, 1, WIRE_MESSAGE_LEN_MAX};
    case TREE_HASH:
        return (struct bytes_field){&m->tree_hash, 0, HASH_FIELD_LEN_MAX};
    case EXTERNAL_SENDER:
        return (struct bytes_field){&m->external_sender, 1, SENDER_LEN_MAX};
    case IDENTITY:
        return (struct bytes_field){&m->identity, 1, WIRE_IDENTITY_LEN_MAX};
    case SEALED:
        return (struct bytes_field){&m->sealed, 1, WIRE_APP_LEN_MAX};
    case PACKAGES:
    case IDENTITIES:
        return (struct bytes_field){&m->list, 0, WIRE_MESSAGE_LEN_MAX};
    case REASON:
        return (struct bytes_field){&m->reason, 0, WIRE_REASON_LEN_MAX};
    default:
        return (struct bytes_field){NULL, 0, 0};
    }
}

static bool read_flag(struct mls_reader *r) {
    uint8_t value = mls_rd_u8(r);
    if (value > 1)
        mls_reader_refuse(r, MLS_TRAILING_BYTES);
    return value == 1;
}

static void read_field(struct mls_reader *r, enum field field, struct wire_message *m) {
    struct bytes_field bytes = bytes_of(field, m);
    if (bytes.at != NULL) {
        *bytes.at = mls_rd_vec(r, bytes.max, MLS_TOO_LARGE);
        if (bytes.at->len < bytes.min)
            mls_reader_refuse(r, MLS_TRUNCATED);
        return;
    }
    switch (field) {
    case RESUME:
        m->resume = read_flag(r);
        break;
    case ACTIVE:
        m->active = read_flag(r);
        break;
    case GONE:
        m->gone = mls_rd_u8(r);
        break;
    case SUITE:
        m->suite = mls_rd_u16(r);
        break;
    case STATUS:
        m->status = mls_rd_u16(r);
        break;
    case EPOCH:
        m->epoch = mls_rd_u64(r);
        break;
    case SEQ:
        m->seq = mls_rd_u64(r);
        break;
    default:
        ASSERT(false);
    }
}

static bool list_good(const struct wire_message *m, size_t element_max, size_t count_max) {
    struct mls_reader r = mls_reader_of(m->list);
    size_t count = 0;
    while (mls_reader_left(&r) > 0) {
        struct span element = mls_rd_vec(&r, element_max, MLS_TOO_LARGE);
        if (element.len == 0 || ++count > count_max)
            return false;
    }
    return mls_reader_ok(&r);
}

bool wire_read(enum wire_direction direction, struct span bytes, struct wire_message *out) {
    *out = (struct wire_message){0};
    if (bytes.len > WIRE_MESSAGE_LEN_MAX)
        return false;
    struct mls_reader r = mls_reader_of(bytes);
    uint8_t type = mls_rd_u8(&r);
    const struct layout *layout = layout_of(type);
    if (!mls_reader_ok(&r) || layout == NULL || (type >= 128) != (direction == WIRE_FROM_SERVER))
        return false;
    out->type = (enum wire_type)type;
    for (size_t i = 0; i < FIELDS_MAX && layout->fields[i] != END; i++)
        read_field(&r, (enum field)layout->fields[i], out);
    if (mls_reader_end(&r) != MLS_OK)
        return false;
    switch (out->type) {
    case WIRE_HELLO:
        return out->resume == (out->key_package.len == 0);
    case WIRE_STATE:
        return out->active == (out->group_info.len > 0);
    case WIRE_COMMIT_NOW:
        return list_good(out, WIRE_MESSAGE_LEN_MAX, WIRE_ADDS_MAX);
    case WIRE_ONLINE:
        return list_good(out, WIRE_IDENTITY_LEN_MAX, WIRE_IDENTITIES_MAX);
    case WIRE_GONE:
        return out->gone >= WIRE_GONE_REMOVED && out->gone <= WIRE_GONE_CANNOT_FOLLOW;
    default:
        return true;
    }
}

static void write_field(const struct wire_message *message, enum field field, struct mls_buf *out) {
    struct wire_message copy = *message; /* spans only: bytes_of wants somewhere to point */
    struct bytes_field bytes = bytes_of(field, &copy);
    if (bytes.at != NULL) {
        ASSERT(bytes.at->len >= bytes.min && bytes.at->len <= bytes.max);
        mls_wr_vec(out, *bytes.at);
        return;
    }
    switch (field) {
    case RESUME:
        mls_wr_u8(out, message->resume);
        break;
    case ACTIVE:
        mls_wr_u8(out, message->active);
        break;
    case GONE:
        mls_wr_u8(out, message->gone);
        break;
    case SUITE:
        mls_wr_u16(out, message->suite);
        break;
    case STATUS:
        mls_wr_u16(out, message->status);
        break;
    case EPOCH:
        mls_wr_u64(out, message->epoch);
        break;
    case SEQ:
        mls_wr_u64(out, message->seq);
        break;
    default:
        ASSERT(false);
    }
}

void wire_write(const struct wire_message *message, struct mls_buf *out) {
    const struct layout *layout = layout_of(message->type);
    ASSERT(layout != NULL);
    mls_wr_u8(out, (uint8_t)message->type);
    for (size_t i = 0; i < FIELDS_MAX && layout->fields[i] != END; i++)
        write_field(message, (enum field)layout->fields[i], out);
}

bool wire_next(const struct wire_message *message, size_t *at, struct span *element) {
    ASSERT(*at <= message->list.len);
    if (*at == message->list.len)
        return false;
    struct mls_reader r = mls_reader_of(span_of(message->list.data + *at, message->list.len - *at));
    *element = mls_rd_vec(&r, WIRE_MESSAGE_LEN_MAX, MLS_TOO_LARGE);
    ASSERT(mls_reader_ok(&r)); /* the list was checked when the message was read */
    *at += mls_reader_pos(&r);
    return true;
}
