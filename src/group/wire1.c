#include "group/wire1.h"

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
    {WIRE1_HELLO, {RESUME, SEQ, KEY_PACKAGE}},
    {WIRE1_CREATE, {GROUP_INFO, TREE}},
    {WIRE1_COMMIT, {COMMIT, WELCOME_OPTIONAL, GROUP_INFO}},
    {WIRE1_ACK, {EPOCH}},
    {WIRE1_BAD, {EPOCH, STATUS}},
    {WIRE1_APP, {APP_MESSAGE}},
    {WIRE1_DIRECT, {IDENTITY, SEALED}},
    {WIRE1_LEAVE, {END}},
    {WIRE1_STATE, {SUITE, ACTIVE, EPOCH, SEQ, EXTERNAL_SENDER, GROUP_INFO_OPTIONAL, TREE_HASH}},
    {WIRE1_CREATE_NOW, {END}},
    {WIRE1_JOIN_NOW, {GROUP_INFO, TREE_HASH}},
    {WIRE1_COMMIT_NOW, {EPOCH, PACKAGES}},
    {WIRE1_HANDSHAKE, {SEQ, MESSAGE}},
    {WIRE1_ACCEPTED, {SEQ, EPOCH}},
    {WIRE1_STALE, {EPOCH, REASON}},
    {WIRE1_WELCOME, {SEQ, WELCOME, TREE_HASH}},
    {WIRE1_APP_FROM, {SEQ, IDENTITY, APP_MESSAGE}},
    {WIRE1_DIRECT_FROM, {IDENTITY, SEALED}},
    {WIRE1_READY, {EPOCH}},
    {WIRE1_RESYNC, {GROUP_INFO, TREE_HASH}},
    {WIRE1_GONE, {GONE}},
    {WIRE1_ONLINE, {IDENTITIES}},
    {WIRE1_SENT, {SEQ}},
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

static struct bytes_field bytes_of(enum field field, struct wire1_message *m) {
    switch (field) {
    case KEY_PACKAGE: /* empty on a resume: judged by wire1_read */
        return (struct bytes_field){&m->key_package, 0, WIRE1_MESSAGE_LEN_MAX};
    case MESSAGE:
        return (struct bytes_field){&m->message, 1, WIRE1_MESSAGE_LEN_MAX};
    case APP_MESSAGE:
        return (struct bytes_field){&m->message, 1, WIRE1_APP_LEN_MAX};
    case COMMIT:
        return (struct bytes_field){&m->commit, 1, WIRE1_MESSAGE_LEN_MAX};
    case WELCOME:
        return (struct bytes_field){&m->welcome, 1, WIRE1_MESSAGE_LEN_MAX};
    case WELCOME_OPTIONAL:
        return (struct bytes_field){&m->welcome, 0, WIRE1_MESSAGE_LEN_MAX};
    case GROUP_INFO:
        return (struct bytes_field){&m->group_info, 1, WIRE1_MESSAGE_LEN_MAX};
    case GROUP_INFO_OPTIONAL:
        return (struct bytes_field){&m->group_info, 0, WIRE1_MESSAGE_LEN_MAX};
    case TREE:
        return (struct bytes_field){&m->tree, 1, WIRE1_MESSAGE_LEN_MAX};
    case TREE_HASH:
        return (struct bytes_field){&m->tree_hash, 0, HASH_FIELD_LEN_MAX};
    case EXTERNAL_SENDER:
        return (struct bytes_field){&m->external_sender, 1, SENDER_LEN_MAX};
    case IDENTITY:
        return (struct bytes_field){&m->identity, 1, WIRE1_IDENTITY_LEN_MAX};
    case SEALED:
        return (struct bytes_field){&m->sealed, 1, WIRE1_APP_LEN_MAX};
    case PACKAGES:
    case IDENTITIES:
        return (struct bytes_field){&m->list, 0, WIRE1_MESSAGE_LEN_MAX};
    case REASON:
        return (struct bytes_field){&m->reason, 0, WIRE1_REASON_LEN_MAX};
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

static void read_field(struct mls_reader *r, enum field field, struct wire1_message *m) {
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

static bool list_good(const struct wire1_message *m, size_t element_max, size_t count_max) {
    struct mls_reader r = mls_reader_of(m->list);
    size_t count = 0;
    while (mls_reader_left(&r) > 0) {
        struct span element = mls_rd_vec(&r, element_max, MLS_TOO_LARGE);
        if (element.len == 0 || ++count > count_max)
            return false;
    }
    return mls_reader_ok(&r);
}

bool wire1_read(enum wire1_direction direction, struct span bytes, struct wire1_message *out) {
    *out = (struct wire1_message){0};
    if (bytes.len > WIRE1_MESSAGE_LEN_MAX)
        return false;
    struct mls_reader r = mls_reader_of(bytes);
    uint8_t type = mls_rd_u8(&r);
    const struct layout *layout = layout_of(type);
    if (!mls_reader_ok(&r) || layout == NULL || (type >= 128) != (direction == WIRE1_FROM_SERVER))
        return false;
    out->type = (enum wire1_type)type;
    for (size_t i = 0; i < FIELDS_MAX && layout->fields[i] != END; i++)
        read_field(&r, (enum field)layout->fields[i], out);
    if (mls_reader_end(&r) != MLS_OK)
        return false;
    switch (out->type) {
    case WIRE1_HELLO:
        return out->resume == (out->key_package.len == 0);
    case WIRE1_STATE:
        return out->active == (out->group_info.len > 0);
    case WIRE1_COMMIT_NOW:
        return list_good(out, WIRE1_MESSAGE_LEN_MAX, WIRE1_ADDS_MAX);
    case WIRE1_ONLINE:
        return list_good(out, WIRE1_IDENTITY_LEN_MAX, WIRE1_IDENTITIES_MAX);
    case WIRE1_GONE:
        return out->gone >= WIRE1_GONE_REMOVED && out->gone <= WIRE1_GONE_CANNOT_FOLLOW;
    default:
        return true;
    }
}

static void write_field(const struct wire1_message *message, enum field field, struct mls_buf *out) {
    struct wire1_message copy = *message; /* spans only: bytes_of wants somewhere to point */
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

void wire1_write(const struct wire1_message *message, struct mls_buf *out) {
    const struct layout *layout = layout_of(message->type);
    ASSERT(layout != NULL);
    mls_wr_u8(out, (uint8_t)message->type);
    for (size_t i = 0; i < FIELDS_MAX && layout->fields[i] != END; i++)
        write_field(message, (enum field)layout->fields[i], out);
}

bool wire1_next(const struct wire1_message *message, size_t *at, struct span *element) {
    ASSERT(*at <= message->list.len);
    if (*at == message->list.len)
        return false;
    struct mls_reader r = mls_reader_of(span_of(message->list.data + *at, message->list.len - *at));
    *element = mls_rd_vec(&r, WIRE1_MESSAGE_LEN_MAX, MLS_TOO_LARGE);
    ASSERT(mls_reader_ok(&r)); /* the list was checked when the message was read */
    *at += mls_reader_pos(&r);
    return true;
}
