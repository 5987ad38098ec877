#include "signal/query.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <zlib.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/text.h"
#include "signal/control.h"

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool percent_decode(struct span text, struct arena *arena, struct span *out) {
    uint8_t *bytes = arena_bytes(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            if (text.len - i < 3)
                return false;
            int high = hex_digit(text.data[i + 1]), low = hex_digit(text.data[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        bytes[len++] = c;
    }
    *out = span_of(bytes, len);
    return true;
}

bool query_get(struct span query, const char *name, struct arena *arena, struct span *value) {
    *value = span_of(NULL, 0);
    if (query.len > QUERY_LEN_MAX)
        return false;
    size_t name_len = strlen(name);
    for (size_t start = 0; start <= query.len;) {
        size_t end = start;
        while (end < query.len && query.data[end] != '&')
            end++;
        if (end - start > name_len && memcmp(query.data + start, name, name_len) == 0 &&
            query.data[start + name_len] == '=')
            return percent_decode(span_of(query.data + start + name_len + 1, end - start - name_len - 1), arena, value);
        start = end + 1;
    }
    return false;
}

bool query_bool(struct span query, const char *name, bool absent, struct arena *arena) {
    struct span value;
    if (!query_get(query, name, arena, &value))
        return absent;
    return span_equal_str(value, "1") || span_equal_str(value, "true");
}

bool media_type_is(struct span value, const char *type) {
    size_t end = 0;
    while (end < value.len && value.data[end] != ';' && value.data[end] != ' ' && value.data[end] != '\t')
        end++;
    return text_equal_nocase(span_of(value.data, end), type);
}

/* RFC 1952, with the output bounded before it is made: a bomb costs at most the limit. */
static bool gunzip(struct span in, struct arena *arena, struct span *out) {
    z_stream stream = {0};
    if (in.len > CONTROL_JOIN_REQUEST_LEN_MAX || inflateInit2(&stream, 15 + 16) != Z_OK)
        return false;
    size_t size = in.len * 8 + 4096;
    if (size > CONTROL_JOIN_REQUEST_LEN_MAX)
        size = CONTROL_JOIN_REQUEST_LEN_MAX;
    uint8_t *bytes = arena_bytes(arena, size);
    stream.next_in = (Bytef *)(uintptr_t)in.data;
    stream.avail_in = (uInt)in.len;
    stream.next_out = bytes;
    stream.avail_out = (uInt)size;
    int result = inflate(&stream, Z_FINISH);
    if ((result == Z_BUF_ERROR || result == Z_OK) && stream.avail_out == 0 && size < CONTROL_JOIN_REQUEST_LEN_MAX) {
        uint8_t *larger = arena_bytes(arena, CONTROL_JOIN_REQUEST_LEN_MAX);
        memcpy(larger, bytes, size);
        bytes = larger;
        stream.next_out = bytes + size;
        stream.avail_out = (uInt)(CONTROL_JOIN_REQUEST_LEN_MAX - size);
        result = inflate(&stream, Z_FINISH);
    }
    *out = span_of(bytes, (size_t)(stream.next_out - bytes));
    (void)inflateEnd(&stream);
    return result == Z_STREAM_END;
}

static void *unpack(const ProtobufCMessageDescriptor *descriptor, struct span bytes, struct arena *arena) {
    struct arena decoded;
    arena_init(&decoded, arena_decode_max(bytes.len));
    /* a first pass under the limit tells whether the message is decent; the second puts it where the caller wants it */
    ProtobufCMessage *probe = protobuf_c_message_unpack(descriptor, arena_allocator(&decoded), bytes.len, bytes.data);
    arena_free(&decoded);
    if (probe == NULL)
        return NULL;
    return protobuf_c_message_unpack(descriptor, arena_allocator(arena), bytes.len, bytes.data);
}

Livekit__JoinRequest *query_join_request(struct span value, struct arena *arena) {
    if (value.len == 0 || value.len > BASE64_LEN(CONTROL_JOIN_REQUEST_LEN_MAX))
        return NULL;
    uint8_t *bytes = arena_bytes(arena, value.len);
    size_t len = 0;
    if (!base64_decode(value, bytes, value.len, &len))
        return NULL;
    Livekit__WrappedJoinRequest *wrapped =
        unpack(&livekit__wrapped_join_request__descriptor, span_of(bytes, len), arena);
    if (wrapped == NULL)
        return NULL;
    struct span inner = span_of(wrapped->join_request.data, wrapped->join_request.len);
    if (wrapped->compression == LIVEKIT__WRAPPED_JOIN_REQUEST__COMPRESSION__GZIP) {
        if (!gunzip(inner, arena, &inner))
            return NULL;
    } else if (wrapped->compression != LIVEKIT__WRAPPED_JOIN_REQUEST__COMPRESSION__NONE) {
        return NULL;
    }
    return unpack(&livekit__join_request__descriptor, inner, arena);
}

static char *query_text(struct span query, const char *name, struct arena *arena) {
    struct span value;
    if (!query_get(query, name, arena, &value))
        value = span_of(NULL, 0);
    return arena_text(arena, value);
}

static int32_t query_int(struct span query, const char *name, struct arena *arena) {
    struct span value;
    uint64_t number = 0;
    if (!query_get(query, name, arena, &value) || !span_to_u64(value, INT32_MAX, &number))
        return 0;
    return (int32_t)number;
}

static Livekit__ClientInfo__SDK sdk_of(const char *name) {
    static const struct {
        const char *name;
        Livekit__ClientInfo__SDK sdk;
    } names[] = {
        {"js", LIVEKIT__CLIENT_INFO__SDK__JS},           {"reactnative", LIVEKIT__CLIENT_INFO__SDK__REACT_NATIVE},
        {"swift", LIVEKIT__CLIENT_INFO__SDK__SWIFT},     {"ios", LIVEKIT__CLIENT_INFO__SDK__SWIFT},
        {"android", LIVEKIT__CLIENT_INFO__SDK__ANDROID}, {"flutter", LIVEKIT__CLIENT_INFO__SDK__FLUTTER},
        {"go", LIVEKIT__CLIENT_INFO__SDK__GO},           {"unity", LIVEKIT__CLIENT_INFO__SDK__UNITY},
        {"rust", LIVEKIT__CLIENT_INFO__SDK__RUST},       {"unityweb", LIVEKIT__CLIENT_INFO__SDK__UNITY_WEB},
        {"python", LIVEKIT__CLIENT_INFO__SDK__PYTHON},   {"cpp", LIVEKIT__CLIENT_INFO__SDK__CPP},
        {"node", LIVEKIT__CLIENT_INFO__SDK__NODE},       {"esp32", LIVEKIT__CLIENT_INFO__SDK__ESP32},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i].name) == 0)
            return names[i].sdk;
    }
    return LIVEKIT__CLIENT_INFO__SDK__UNKNOWN;
}

/* "CAP_PACKET_TRAILER,CAP_COMPRESSION_DEFLATE_RAW" */
static void read_capabilities(const char *text, Livekit__ClientInfo *info, struct arena *arena) {
    const ProtobufCEnumDescriptor *names = &livekit__client_info__capability__descriptor;
    info->capabilities = arena_bytes(arena, names->n_values * sizeof *info->capabilities);
    while (*text != 0 && info->n_capabilities < names->n_values) {
        size_t len = strcspn(text, ",");
        for (unsigned i = 0; i < names->n_values; i++) {
            if (strlen(names->values[i].name) == len && memcmp(names->values[i].name, text, len) == 0)
                info->capabilities[info->n_capabilities++] = (Livekit__ClientInfo__Capability)names->values[i].value;
        }
        text += len + (text[len] == ',' ? 1 : 0);
    }
}

Livekit__JoinRequest *query_join_request_v0(struct span query, struct arena *arena) {
    Livekit__JoinRequest *request = arena_new(arena, &livekit__join_request__descriptor);
    Livekit__ClientInfo *info = arena_new(arena, &livekit__client_info__descriptor);
    Livekit__ConnectionSettings *settings = arena_new(arena, &livekit__connection_settings__descriptor);
    request->client_info = info;
    request->connection_settings = settings;
    info->sdk = sdk_of(query_text(query, "sdk", arena));
    info->version = query_text(query, "version", arena);
    info->protocol = query_int(query, "protocol", arena);
    info->client_protocol = query_int(query, "client_protocol", arena);
    info->os = query_text(query, "os", arena);
    info->browser = query_text(query, "browser", arena);
    read_capabilities(query_text(query, "capabilities", arena), info, arena);
    settings->auto_subscribe = query_bool(query, "auto_subscribe", true, arena);
    settings->adaptive_stream = query_bool(query, "adaptive_stream", false, arena);
    struct span pause;
    if (query_get(query, "subscriber_allow_pause", arena, &pause)) {
        settings->subscriber_allow_pause_presence_case =
            LIVEKIT__CONNECTION_SETTINGS__SUBSCRIBER_ALLOW_PAUSE_PRESENCE_SUBSCRIBER_ALLOW_PAUSE;
        settings->subscriber_allow_pause = query_bool(query, "subscriber_allow_pause", true, arena);
    }
    struct span data;
    if (query_get(query, "auto_subscribe_data_track", arena, &data)) {
        settings->auto_subscribe_data_track_presence_case =
            LIVEKIT__CONNECTION_SETTINGS__AUTO_SUBSCRIBE_DATA_TRACK_PRESENCE_AUTO_SUBSCRIBE_DATA_TRACK;
        settings->auto_subscribe_data_track = query_bool(query, "auto_subscribe_data_track", true, arena);
    }
    request->reconnect = query_bool(query, "reconnect", false, arena);
    request->participant_sid = query_text(query, "sid", arena);
    int32_t reason = query_int(query, "reconnect_reason", arena);
    request->reconnect_reason = reason <= LIVEKIT__RECONNECT_REASON__RR_SWITCH_CANDIDATE
                                    ? (Livekit__ReconnectReason)reason
                                    : LIVEKIT__RECONNECT_REASON__RR_UNKNOWN;
    return request;
}
