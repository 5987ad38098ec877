#include "signal/datapacket.h"

#include <string.h>

#include "base/assert.h"

/* Protocol buffers on the wire: a tag (number << 3 | type) as a varint, then the value. */
enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

#define FIELD_KIND 1
#define FIELD_IDENTITY 4
#define FIELD_DESTINATIONS 5
#define FIELD_SEQUENCE 16
#define FIELD_SID 17
#define USER_SID 1
#define USER_DESTINATION_SIDS 3
#define USER_IDENTITY 5
#define USER_DESTINATIONS 6

struct field {
    uint32_t number;
    uint32_t type;
    uint64_t varint;
    struct span bytes; /* of WIRE_BYTES */
    struct span whole; /* tag included */
};

static uint64_t read_varint(struct reader *r) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = rd_u8(r);
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return value;
    }
    reader_fail(r);
    return 0;
}

static bool next_field(struct reader *r, struct field *out) {
    if (reader_left(r) == 0)
        return false;
    size_t start = r->pos;
    uint64_t tag = read_varint(r);
    *out = (struct field){.number = (uint32_t)(tag >> 3), .type = (uint32_t)(tag & 7)};
    if (tag >> 32 != 0 || out->number == 0)
        reader_fail(r);
    switch (out->type) {
    case WIRE_VARINT:
        out->varint = read_varint(r);
        break;
    case WIRE_64:
        rd_skip(r, 8);
        break;
    case WIRE_BYTES: {
        uint64_t len = read_varint(r);
        if (len > reader_left(r))
            reader_fail(r);
        else
            out->bytes = rd_span(r, (size_t)len);
        break;
    }
    case WIRE_32:
        rd_skip(r, 4);
        break;
    default: /* groups have not been sent for fifteen years */
        reader_fail(r);
    }
    if (!reader_ok(r))
        return false;
    out->whole = span_of(r->data + start, r->pos - start);
    return true;
}

static void write_varint(struct writer *w, uint64_t value) {
    while (value >= 0x80) {
        wr_u8(w, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    wr_u8(w, (uint8_t)value);
}

static void write_text(struct writer *w, uint32_t number, const char *text) {
    if (text[0] == 0)
        return; /* the default is not written */
    write_varint(w, (uint64_t)number << 3 | WIRE_BYTES);
    write_varint(w, strlen(text));
    wr_str(w, text);
}

static bool is_value(uint32_t number) {
    return number == DATAPACKET_USER || number == DATAPACKET_SPEAKER ||
           (number >= DATAPACKET_SIP_DTMF && number <= DATAPACKET_STREAM_TRAILER) || number == DATAPACKET_ENCRYPTED;
}

static bool add_destination(struct span *list, uint32_t *count, struct span text) {
    if (*count == DATAPACKET_DESTINATIONS_MAX)
        return false;
    list[(*count)++] = text;
    return true;
}

static bool parse_user(struct span bytes, struct datapacket *out, bool outer_identities) {
    struct reader r = reader_of_span(bytes);
    struct field field;
    bool fits = true;
    while (fits && next_field(&r, &field)) {
        if (field.number == USER_DESTINATIONS && field.type == WIRE_BYTES && !outer_identities)
            fits = add_destination(out->identities, &out->identities_count, field.bytes);
        else if (field.number == USER_DESTINATION_SIDS && field.type == WIRE_BYTES)
            fits = add_destination(out->sids, &out->sids_count, field.bytes);
    }
    return fits && reader_ok(&r);
}

bool datapacket_parse(struct span bytes, struct datapacket *out) {
    ASSERT(out != NULL);
    out->value = DATAPACKET_NONE;
    out->sequence = out->identities_count = out->sids_count = 0;
    struct reader r = reader_of_span(bytes);
    struct field field;
    struct span user = span_of(NULL, 0);
    while (next_field(&r, &field)) {
        if (field.number == FIELD_SEQUENCE && field.type == WIRE_VARINT)
            out->sequence = (uint32_t)field.varint;
        else if (field.number == FIELD_DESTINATIONS && field.type == WIRE_BYTES) {
            if (!add_destination(out->identities, &out->identities_count, field.bytes))
                return false;
        } else if (is_value(field.number) && field.type == WIRE_BYTES) {
            out->value = (enum datapacket_case)field.number;
            user = field.number == DATAPACKET_USER ? field.bytes : span_of(NULL, 0);
        }
    }
    if (!reader_ok(&r) || out->value == DATAPACKET_NONE)
        return false;
    return out->value != DATAPACKET_USER || parse_user(user, out, out->identities_count > 0);
}

bool datapacket_is_for(const struct datapacket *packet, const char *identity, const char *sid) {
    for (uint32_t i = 0; i < packet->identities_count; i++) {
        if (span_equal_str(packet->identities[i], identity))
            return true;
    }
    if (packet->identities_count > 0)
        return false;
    for (uint32_t i = 0; i < packet->sids_count; i++) {
        if (span_equal_str(packet->sids[i], sid))
            return true;
    }
    return packet->sids_count == 0;
}

static size_t varint_len(uint64_t value) {
    size_t len = 1;
    for (; value >= 0x80; value >>= 7)
        len++;
    return len;
}

static size_t text_len(uint32_t number, const char *text) {
    size_t len = strlen(text);
    return len == 0 ? 0 : varint_len((uint64_t)number << 3) + varint_len(len) + len;
}

static bool of_sender(const struct field *field) {
    return field->number == USER_SID || field->number == USER_IDENTITY;
}

static bool patch_user(struct span bytes, const char *identity, const char *sid, struct writer *out) {
    size_t len = text_len(USER_SID, sid) + text_len(USER_IDENTITY, identity);
    struct reader r = reader_of_span(bytes);
    struct field field;
    while (next_field(&r, &field))
        len += of_sender(&field) ? 0 : field.whole.len;
    if (!reader_ok(&r))
        return false;
    write_varint(out, DATAPACKET_USER << 3 | WIRE_BYTES);
    write_varint(out, len);
    size_t start = out->len;
    write_text(out, USER_SID, sid);
    write_text(out, USER_IDENTITY, identity);
    r = reader_of_span(bytes);
    while (next_field(&r, &field)) {
        if (!of_sender(&field))
            wr_span(out, field.whole);
    }
    ASSERT(!writer_ok(out) || out->len - start == len);
    return writer_ok(out);
}

bool datapacket_patch(struct span bytes, bool lossy, const char *sender_identity, const char *sender_sid,
                      struct writer *out) {
    struct reader r = reader_of_span(bytes);
    struct field field;
    if (lossy) {
        write_varint(out, FIELD_KIND << 3 | WIRE_VARINT);
        write_varint(out, 1);
    }
    write_text(out, FIELD_IDENTITY, sender_identity);
    while (next_field(&r, &field)) {
        if (field.number == FIELD_KIND || field.number == FIELD_IDENTITY || field.number == FIELD_SID)
            continue;
        if (field.number == DATAPACKET_USER && field.type == WIRE_BYTES) {
            if (!patch_user(field.bytes, sender_identity, sender_sid, out))
                return false;
        } else {
            wr_span(out, field.whole);
        }
    }
    write_text(out, FIELD_SID, sender_sid);
    return reader_ok(&r) && writer_ok(out);
}

bool datapacket_track_handle(struct span bytes, uint16_t *handle) {
    struct reader r = reader_of_span(bytes);
    uint8_t first = rd_u8(&r);
    rd_skip(&r, 1);
    *handle = rd_u16(&r);
    rd_skip(&r, 8); /* sequence, frame number, timestamp */
    return reader_ok(&r) && first >> 5 == 0;
}
