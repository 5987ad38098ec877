#include "protocol/stun.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc.h"
#include "base/secret.h"
#include "crypto/hmac.h"

/* RFC 8489 section 18.3, RFC 8445 section 16.1. */
enum {
    ATTR_MAPPED_ADDRESS = 0x0001,
    ATTR_USERNAME = 0x0006,
    ATTR_INTEGRITY = 0x0008,
    ATTR_ERROR_CODE = 0x0009,
    ATTR_UNKNOWN = 0x000A,
    ATTR_REALM = 0x0014,
    ATTR_NONCE = 0x0015,
    ATTR_INTEGRITY_SHA256 = 0x001C,
    ATTR_XOR_MAPPED = 0x0020,
    ATTR_PRIORITY = 0x0024,
    ATTR_USE_CANDIDATE = 0x0025,
    ATTR_OPTIONAL = 0x8000, /* from here on: may be ignored */
    ATTR_FINGERPRINT = 0x8028,
    ATTR_CONTROLLED = 0x8029,
    ATTR_CONTROLLING = 0x802A,
};

#define ATTR_HEADER_LEN 4
#define INTEGRITY_ATTR_LEN (ATTR_HEADER_LEN + HMAC_SHA1_LEN)
#define FINGERPRINT_ATTR_LEN (ATTR_HEADER_LEN + 4)
/* RFC 8489 section 14.7. */
#define FINGERPRINT_XOR UINT32_C(0x5354554e)
/* RFC 8489 section 14.3: fewer than 509 bytes. */
#define USERNAME_LEN_MAX 508

/* Values are padded to 4 bytes; the padding does not count in the attribute's length (RFC 8489 section 14). */
static size_t padding(size_t len) {
    return (4 - len % 4) % 4;
}

/* The class bits lie at 4 and 8 of the type, between the bits of the method (RFC 8489 section 5). */
static enum stun_class type_class(uint16_t type) {
    return (enum stun_class)((type >> 4 & 1) | (type >> 7 & 2));
}

static uint16_t type_method(uint16_t type) {
    return (uint16_t)((type & 0x000f) | (type >> 1 & 0x0070) | (type >> 2 & 0x0f80));
}

bool stun_looks_like(struct span datagram) {
    struct reader r = reader_of_span(datagram);
    uint16_t type = rd_u16(&r);
    uint16_t len = rd_u16(&r);
    uint32_t cookie = rd_u32(&r);
    return reader_ok(&r) && type < 0x4000 && cookie == STUN_COOKIE && len % 4 == 0 &&
           (size_t)len + STUN_HEADER_LEN == datagram.len;
}

static bool parse_xor_mapped(struct reader value, struct stun_message *out) {
    rd_u8(&value);
    uint8_t family = rd_u8(&value);
    struct net_addr addr = {.proto = NET_UDP};
    addr.port = (uint16_t)(rd_u16(&value) ^ (STUN_COOKIE >> 16));
    uint8_t mask[16] = {0x21, 0x12, 0xA4, 0x42};
    memcpy(mask + 4, out->transaction, STUN_TRANSACTION_LEN);
    size_t ip_len = family == 1 ? 4 : 16;
    rd_copy(&value, addr.ip, ip_len);
    if (!reader_ok(&value) || reader_left(&value) != 0 || (family != 1 && family != 2))
        return false;
    for (size_t i = 0; i < ip_len; i++)
        addr.ip[i] ^= mask[i];
    addr.family = family == 1 ? 4 : 6;
    out->mapped = addr;
    return true;
}

static bool parse_error_code(struct reader value, struct stun_message *out) {
    rd_u16(&value);
    uint8_t hundreds = rd_u8(&value) & 7;
    uint8_t rest = rd_u8(&value);
    if (!reader_ok(&value) || hundreds < 3 || hundreds > 6 || rest > 99)
        return false;
    out->error_code = (uint16_t)(hundreds * 100 + rest);
    return true;
}

static void note_unknown(struct stun_message *out, uint16_t type) {
    if (out->unknown_count < STUN_UNKNOWN_MAX)
        out->unknown[out->unknown_count] = type;
    out->unknown_count++;
}

/* One attribute in front of MESSAGE-INTEGRITY; false when it is malformed. */
static bool parse_attribute(struct stun_message *out, uint16_t type, struct reader value) {
    uint16_t had = out->present;
    size_t len = reader_left(&value);
    switch (type) {
    case ATTR_USERNAME:
        out->present |= STUN_HAS_USERNAME;
        if (len > USERNAME_LEN_MAX)
            return false;
        if (!(had & STUN_HAS_USERNAME))
            out->username = rd_rest(&value);
        return true;
    case ATTR_PRIORITY:
        out->present |= STUN_HAS_PRIORITY;
        if (!(had & STUN_HAS_PRIORITY))
            out->priority = rd_u32(&value);
        return len == 4;
    case ATTR_USE_CANDIDATE:
        out->present |= STUN_HAS_USE_CANDIDATE;
        return len == 0;
    case ATTR_CONTROLLING:
    case ATTR_CONTROLLED:
        if (!(had & (STUN_HAS_CONTROLLING | STUN_HAS_CONTROLLED))) {
            out->present |= type == ATTR_CONTROLLING ? STUN_HAS_CONTROLLING : STUN_HAS_CONTROLLED;
            out->tie_breaker = rd_u64(&value);
        }
        return len == 8;
    case ATTR_XOR_MAPPED:
        out->present |= STUN_HAS_MAPPED;
        return (had & STUN_HAS_MAPPED) || parse_xor_mapped(value, out);
    case ATTR_ERROR_CODE:
        out->present |= STUN_HAS_ERROR;
        return (had & STUN_HAS_ERROR) || parse_error_code(value, out);
    case ATTR_MAPPED_ADDRESS: /* understood, of no use here */
    case ATTR_UNKNOWN:
    case ATTR_REALM:
    case ATTR_NONCE:
        return true;
    default:
        if (type < ATTR_OPTIONAL)
            note_unknown(out, type);
        return true;
    }
}

/* FINGERPRINT is the last attribute (RFC 8489 section 14.7) and covers all before it; the length field already counts
 * it. */
static enum stun_result parse_fingerprint(struct stun_message *out, size_t at, struct reader value) {
    uint32_t got = rd_u32(&value);
    if (!reader_ok(&value) || reader_left(&value) != 0 || at + FINGERPRINT_ATTR_LEN != out->bytes.len)
        return STUN_MALFORMED;
    if ((crc32_iso(out->bytes.data, at) ^ FINGERPRINT_XOR) != got)
        return STUN_BAD_FINGERPRINT;
    out->present |= STUN_HAS_FINGERPRINT;
    return STUN_OK;
}

static enum stun_result parse_attributes(struct reader *r, struct stun_message *out) {
    for (unsigned count = 0; reader_left(r) > 0; count++) {
        size_t at = r->pos;
        uint16_t type = rd_u16(r);
        uint16_t len = rd_u16(r);
        struct reader value = rd_sub(r, len);
        rd_skip(r, padding(len));
        if (!reader_ok(r) || count >= STUN_ATTRIBUTES_MAX)
            return STUN_MALFORMED;
        if (type == ATTR_FINGERPRINT)
            return parse_fingerprint(out, at, value);
        if (out->present & STUN_HAS_INTEGRITY)
            continue;
        if (type == ATTR_INTEGRITY) {
            if (len != HMAC_SHA1_LEN)
                return STUN_MALFORMED;
            out->present |= STUN_HAS_INTEGRITY;
            out->integrity_at = (uint16_t)at;
        } else if (type != ATTR_INTEGRITY_SHA256 && !parse_attribute(out, type, value)) {
            return STUN_MALFORMED;
        }
    }
    return STUN_OK;
}

enum stun_result stun_parse(struct span datagram, struct stun_message *out) {
    ASSERT(out != NULL);
    *out = (struct stun_message){.bytes = datagram};
    if (!stun_looks_like(datagram))
        return STUN_MALFORMED;
    struct reader r = reader_of_span(datagram);
    uint16_t type = rd_u16(&r);
    rd_skip(&r, 6);
    rd_copy(&r, out->transaction, STUN_TRANSACTION_LEN);
    out->class = type_class(type);
    out->method = type_method(type);
    return parse_attributes(&r, out);
}

bool stun_peek_username(struct span datagram, struct span *username) {
    if (!stun_looks_like(datagram))
        return false;
    struct reader r = reader_of_span(datagram);
    if (rd_u16(&r) != STUN_METHOD_BINDING)
        return false;
    rd_skip(&r, STUN_HEADER_LEN - 2);
    for (unsigned count = 0; reader_left(&r) > 0 && count < STUN_ATTRIBUTES_MAX; count++) {
        uint16_t type = rd_u16(&r);
        uint16_t len = rd_u16(&r);
        struct span value = rd_span(&r, len);
        rd_skip(&r, padding(len));
        if (!reader_ok(&r))
            return false;
        if (type == ATTR_USERNAME) {
            *username = value;
            return true;
        }
    }
    return false;
}

/* HMAC-SHA1 over everything before the attribute, with the length field as if the message ended behind it
 * (RFC 8489 section 14.5). */
static void integrity_sign(const uint8_t *message, size_t attribute_at, struct span key, uint8_t out[HMAC_SHA1_LEN]) {
    uint16_t len = (uint16_t)(attribute_at + INTEGRITY_ATTR_LEN - STUN_HEADER_LEN);
    uint8_t head[4] = {message[0], message[1], (uint8_t)(len >> 8), (uint8_t)len};
    struct span parts[2] = {span_of(head, sizeof head), span_of(message + 4, attribute_at - 4)};
    struct hmac_key hmac;
    hmac_key_init(&hmac, HMAC_SHA1, key);
    hmac_key_sign(&hmac, parts, 2, out);
    hmac_key_wipe(&hmac);
}

bool stun_check_integrity(const struct stun_message *message, struct span key) {
    ASSERT(message != NULL);
    if (!(message->present & STUN_HAS_INTEGRITY) || key.len == 0)
        return false;
    size_t at = message->integrity_at;
    ASSERT(at >= STUN_HEADER_LEN && at + INTEGRITY_ATTR_LEN <= message->bytes.len);
    uint8_t expected[HMAC_SHA1_LEN];
    integrity_sign(message->bytes.data, at, key, expected);
    bool good = secure_equal(expected, message->bytes.data + at + ATTR_HEADER_LEN, HMAC_SHA1_LEN);
    secure_wipe(expected, sizeof expected);
    return good;
}

static size_t begin(struct writer *w, enum stun_class class, const uint8_t transaction[STUN_TRANSACTION_LEN]) {
    size_t start = w->len;
    wr_u16(w, (uint16_t)(STUN_METHOD_BINDING | (class & 1) << 4 | (class & 2) << 7));
    wr_u16(w, 0);
    wr_u32(w, STUN_COOKIE);
    wr_bytes(w, transaction, STUN_TRANSACTION_LEN);
    return start;
}

static void attribute(struct writer *w, uint16_t type, size_t len) {
    wr_u16(w, type);
    wr_u16(w, (uint16_t)len);
}

static void set_length(struct writer *w, size_t start) {
    wr_patch_u16(w, start + 2, (uint16_t)(w->len - start - STUN_HEADER_LEN));
}

static bool finish(struct writer *w, size_t start, struct span key) {
    if (!writer_ok(w))
        return false;
    if (key.len > 0) {
        uint8_t mac[HMAC_SHA1_LEN];
        integrity_sign(w->data + start, w->len - start, key, mac);
        attribute(w, ATTR_INTEGRITY, sizeof mac);
        wr_bytes(w, mac, sizeof mac);
    }
    size_t at = w->len;
    attribute(w, ATTR_FINGERPRINT, 4);
    wr_u32(w, 0);
    if (!writer_ok(w))
        return false;
    set_length(w, start);
    wr_patch_u32(w, at + ATTR_HEADER_LEN, crc32_iso(w->data + start, at - start) ^ FINGERPRINT_XOR);
    return true;
}

bool stun_write_request(struct writer *w, const struct stun_binding_request *request) {
    ASSERT(request->transaction != NULL && request->key.len > 0);
    ASSERT(request->username.len <= USERNAME_LEN_MAX);
    size_t start = begin(w, STUN_REQUEST, request->transaction);
    attribute(w, ATTR_USERNAME, request->username.len);
    wr_span(w, request->username);
    wr_zeros(w, padding(request->username.len));
    attribute(w, request->controlling ? ATTR_CONTROLLING : ATTR_CONTROLLED, 8);
    wr_u64(w, request->tie_breaker);
    attribute(w, ATTR_PRIORITY, 4);
    wr_u32(w, request->priority);
    if (request->use_candidate)
        attribute(w, ATTR_USE_CANDIDATE, 0);
    return finish(w, start, request->key);
}

bool stun_write_success(struct writer *w, const uint8_t transaction[STUN_TRANSACTION_LEN],
                        const struct net_addr *mapped, struct span key) {
    ASSERT(mapped->family == 4 || mapped->family == 6);
    size_t start = begin(w, STUN_SUCCESS, transaction);
    size_t ip_len = mapped->family == 4 ? 4 : 16;
    uint8_t mask[16] = {0x21, 0x12, 0xA4, 0x42};
    memcpy(mask + 4, transaction, STUN_TRANSACTION_LEN);
    attribute(w, ATTR_XOR_MAPPED, 4 + ip_len);
    wr_u8(w, 0);
    wr_u8(w, mapped->family == 4 ? 1 : 2);
    wr_u16(w, (uint16_t)(mapped->port ^ (STUN_COOKIE >> 16)));
    for (size_t i = 0; i < ip_len; i++)
        wr_u8(w, mapped->ip[i] ^ mask[i]);
    return finish(w, start, key);
}

static const char *error_reason(enum stun_error_code code) {
    switch (code) {
    case STUN_ERROR_BAD_REQUEST:
        return "Bad Request";
    case STUN_ERROR_UNAUTHENTICATED:
        return "Unauthenticated";
    case STUN_ERROR_UNKNOWN_ATTRIBUTE:
        return "Unknown Attribute";
    case STUN_ERROR_ROLE_CONFLICT:
        return "Role Conflict";
    }
    return "";
}

bool stun_write_error(struct writer *w, const struct stun_message *request, enum stun_error_code code,
                      struct span key) {
    ASSERT(request != NULL && request->class == STUN_REQUEST);
    size_t start = begin(w, STUN_ERROR, request->transaction);
    const char *reason = error_reason(code);
    size_t reason_len = strlen(reason);
    attribute(w, ATTR_ERROR_CODE, 4 + reason_len);
    wr_u16(w, 0);
    wr_u8(w, (uint8_t)((unsigned)code / 100));
    wr_u8(w, (uint8_t)((unsigned)code % 100));
    wr_str(w, reason);
    wr_zeros(w, padding(reason_len));
    if (code == STUN_ERROR_UNKNOWN_ATTRIBUTE) {
        size_t named = request->unknown_count < STUN_UNKNOWN_MAX ? request->unknown_count : STUN_UNKNOWN_MAX;
        attribute(w, ATTR_UNKNOWN, 2 * named);
        for (size_t i = 0; i < named; i++)
            wr_u16(w, request->unknown[i]);
        wr_zeros(w, named % 2 * 2);
    }
    return finish(w, start, key);
}
