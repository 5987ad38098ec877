#include "signal/pbjson.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/base64.h"

/* The descriptors nest no deeper than this. */
#define DEPTH_MAX 16
#define NAME_LEN_MAX 63

/* map<K, V> is a repeated message "...Entry" of a key and a value on the wire. */
static bool is_map(const ProtobufCFieldDescriptor *field) {
    if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    size_t len = strlen(entry->short_name);
    return entry->n_fields == 2 && len > 5 && strcmp(entry->short_name + len - 5, "Entry") == 0 &&
           strcmp(entry->fields[0].name, "key") == 0 && strcmp(entry->fields[1].name, "value") == 0;
}

static void camel_name(const char *name, char out[NAME_LEN_MAX + 1]) {
    size_t len = 0;
    for (bool upper = false; *name != 0 && len < NAME_LEN_MAX; name++) {
        if (*name == '_') {
            upper = true;
            continue;
        }
        out[len++] = (char)(upper && *name >= 'a' && *name <= 'z' ? *name - 32 : *name);
        upper = false;
    }
    out[len] = 0;
}

static size_t value_size(const ProtobufCFieldDescriptor *field) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static json_t *write_message(const ProtobufCMessage *message, struct pbjson_style style, int depth);

static json_t *write_bytes(const ProtobufCBinaryData *bytes) {
    size_t size = BASE64_LEN(bytes->len);
    char *text = malloc(size + 1);
    ASSERT(text != NULL);
    struct writer w = writer_of(text, size);
    wr_base64(&w, span_of(bytes->data, bytes->len));
    ASSERT(writer_ok(&w));
    json_t *out = json_stringn(text, w.len);
    free(text);
    return out;
}

static json_t *write_number(const char *format, uint64_t value) {
    char text[24];
    (void)snprintf(text, sizeof text, format, value);
    return json_string(text);
}

static json_t *write_value(const ProtobufCFieldDescriptor *field, const void *at, struct pbjson_style style,
                           int depth) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return json_integer(*(const int32_t *)at);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return json_integer(*(const uint32_t *)at);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return write_number("%" PRId64, *(const uint64_t *)at);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return write_number("%" PRIu64, *(const uint64_t *)at);
    case PROTOBUF_C_TYPE_FLOAT:
        return json_real(isfinite(*(const float *)at) ? (double)*(const float *)at : 0);
    case PROTOBUF_C_TYPE_DOUBLE:
        return json_real(isfinite(*(const double *)at) ? *(const double *)at : 0);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)at);
    case PROTOBUF_C_TYPE_ENUM: {
        const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(field->descriptor, *(const int *)at);
        return value != NULL ? json_string(value->name) : json_integer(*(const int *)at);
    }
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(char *const *)at;
        json_t *out = json_string(text != NULL ? text : "");
        return out != NULL ? out : json_string(""); /* not UTF-8 */
    }
    case PROTOBUF_C_TYPE_BYTES:
        return write_bytes(at);
    case PROTOBUF_C_TYPE_MESSAGE:
        return write_message(*(ProtobufCMessage *const *)at, style, depth + 1);
    }
    return json_null();
}

static json_t *write_map(const ProtobufCFieldDescriptor *field, const uint8_t *list, size_t count,
                         struct pbjson_style style, int depth) {
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    json_t *out = json_object();
    for (size_t i = 0; i < count; i++) {
        const uint8_t *item = *(const uint8_t *const *)(const void *)(list + i * sizeof(void *));
        json_t *key = write_value(&entry->fields[0], item + entry->fields[0].offset, style, depth);
        char number[24];
        const char *name = json_string_value(key);
        if (json_is_integer(key)) {
            (void)snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(key));
            name = number;
        }
        if (name != NULL)
            (void)json_object_set_new(out, name,
                                      write_value(&entry->fields[1], item + entry->fields[1].offset, style, depth));
        json_decref(key);
    }
    return out;
}

static json_t *write_repeated(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message,
                              struct pbjson_style style, int depth) {
    const uint8_t *base = (const uint8_t *)message;
    size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
    const uint8_t *list = *(const uint8_t *const *)(const void *)(base + field->offset);
    if (is_map(field))
        return write_map(field, list, count, style, depth);
    json_t *out = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(out, write_value(field, list + i * value_size(field), style, depth));
    return out;
}

static bool is_default(const ProtobufCFieldDescriptor *field, const uint8_t *at, size_t count) {
    static const uint8_t zeros[16] = {0};
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return count == 0;
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(char *const *)(const void *)at;
        return text == NULL || text[0] == 0;
    }
    if (field->type == PROTOBUF_C_TYPE_BYTES)
        return ((const ProtobufCBinaryData *)(const void *)at)->len == 0;
    return memcmp(at, zeros, value_size(field)) == 0;
}

static json_t *write_message(const ProtobufCMessage *message, struct pbjson_style style, int depth) {
    if (message == NULL || depth > DEPTH_MAX)
        return json_null();
    json_t *out = json_object();
    const uint8_t *base = (const uint8_t *)message;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        bool oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        size_t count = 0;
        if (oneof && *(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id)
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            count = *(const size_t *)(const void *)(base + field->quantifier_offset);
        if (!oneof && is_default(field, base + field->offset, count) &&
            (!style.defaults || field->type == PROTOBUF_C_TYPE_MESSAGE) &&
            !(style.defaults && field->label == PROTOBUF_C_LABEL_REPEATED))
            continue;
        char name[NAME_LEN_MAX + 1];
        (void)snprintf(name, sizeof name, "%s", field->name);
        if (style.camel)
            camel_name(field->name, name);
        json_t *value = field->label == PROTOBUF_C_LABEL_REPEATED
                            ? write_repeated(field, message, style, depth)
                            : write_value(field, base + field->offset, style, depth);
        (void)json_object_set_new(out, name, value);
    }
    return out;
}

json_t *pbjson_write(const ProtobufCMessage *message, struct pbjson_style style) {
    ASSERT(message != NULL);
    return write_message(message, style, 0);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static ProtobufCMessage *read_message(const ProtobufCMessageDescriptor *descriptor, const json_t *object,
                                      struct arena *arena, int depth);

static void *take(struct arena *arena, size_t len) {
    ProtobufCAllocator *allocator = arena_allocator(arena);
    void *out = allocator->alloc(allocator->allocator_data, len > 0 ? len : 1);
    if (out != NULL)
        memset(out, 0, len);
    return out;
}

static char *take_text(struct arena *arena, const char *text) {
    size_t len = strlen(text);
    char *out = take(arena, len + 1);
    if (out != NULL)
        memcpy(out, text, len);
    return out;
}

/* Signed as it is, unsigned ones in two's complement; false outside [min, max]. */
static bool read_integer(const json_t *value, int64_t min, uint64_t max, uint64_t *out) {
    const char *text = json_string_value(value);
    if (json_is_integer(value)) {
        json_int_t number = json_integer_value(value);
        *out = (uint64_t)number;
        return number >= min && (number < 0 || (uint64_t)number <= max);
    }
    if (json_is_real(value)) {
        double number = json_real_value(value);
        if (number != floor(number) || number < (double)min || number > 9007199254740992.0)
            return false;
        *out = (uint64_t)(int64_t)number;
        return number < 0 || *out <= max;
    }
    if (text == NULL)
        return false;
    bool negative = text[0] == '-';
    uint64_t magnitude;
    if (!span_to_u64(span_str(negative ? text + 1 : text), UINT64_MAX, &magnitude))
        return false;
    if (negative) {
        *out = 0 - magnitude;
        return min < 0 && magnitude <= (uint64_t)INT64_MAX && -(int64_t)magnitude >= min;
    }
    *out = magnitude;
    return magnitude <= max;
}

static bool read_enum(const ProtobufCFieldDescriptor *field, const json_t *value, int *out) {
    const char *name = json_string_value(value);
    const ProtobufCEnumValue *known =
        name != NULL ? protobuf_c_enum_descriptor_get_value_by_name(field->descriptor, name) : NULL;
    if (known != NULL) {
        *out = known->value;
        return true;
    }
    uint64_t number;
    if (!read_integer(value, INT32_MIN, INT32_MAX, &number))
        return false;
    *out = (int)(int64_t)number;
    return true;
}

static bool read_bytes(const json_t *value, ProtobufCBinaryData *out, struct arena *arena) {
    const char *text = json_string_value(value);
    if (text == NULL)
        return false;
    size_t size = strlen(text) + 1;
    out->data = take(arena, size);
    return out->data != NULL && base64_decode(span_str(text), out->data, size, &out->len);
}

static bool read_scalar(const ProtobufCFieldDescriptor *field, const json_t *value, void *at) {
    uint64_t number = 0;
    bool ok;
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        ok = read_integer(value, INT32_MIN, INT32_MAX, &number);
        *(int32_t *)at = (int32_t)(int64_t)number;
        return ok;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        ok = read_integer(value, 0, UINT32_MAX, &number);
        *(uint32_t *)at = (uint32_t)number;
        return ok;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        ok = read_integer(value, INT64_MIN, INT64_MAX, &number);
        *(uint64_t *)at = number;
        return ok;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return read_integer(value, 0, UINT64_MAX, at);
    case PROTOBUF_C_TYPE_FLOAT:
        *(float *)at = (float)json_number_value(value);
        return json_is_number(value);
    case PROTOBUF_C_TYPE_DOUBLE:
        *(double *)at = json_number_value(value);
        return json_is_number(value);
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)at = json_is_true(value);
        return json_is_boolean(value);
    default:
        return read_enum(field, value, at);
    }
}

static bool read_value(const ProtobufCFieldDescriptor *field, const json_t *value, void *at, struct arena *arena,
                       int depth) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        if (!json_is_string(value))
            return false;
        *(char **)at = take_text(arena, json_string_value(value));
        return *(char **)at != NULL;
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(value, at, arena);
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)at = read_message(field->descriptor, value, arena, depth + 1);
        return *(ProtobufCMessage **)at != NULL;
    default:
        return read_scalar(field, value, at);
    }
}

static ProtobufCMessage *new_message(const ProtobufCMessageDescriptor *descriptor, struct arena *arena) {
    ProtobufCMessage *message = take(arena, descriptor->sizeof_message);
    if (message != NULL)
        descriptor->message_init(message);
    return message;
}

static bool read_map(const ProtobufCFieldDescriptor *field, const json_t *object, void **list, size_t *count,
                     struct arena *arena, int depth) {
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return false;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        uint8_t *item = (uint8_t *)new_message(entry, arena);
        json_t *name = json_string(key);
        bool ok = item != NULL && read_value(&entry->fields[0], name, item + entry->fields[0].offset, arena, depth) &&
                  read_value(&entry->fields[1], value, item + entry->fields[1].offset, arena, depth);
        json_decref(name);
        if (!ok)
            return false;
        list[(*count)++] = item;
    }
    return true;
}

static bool read_repeated(const ProtobufCFieldDescriptor *field, const json_t *value, uint8_t *base,
                          struct arena *arena, int depth) {
    size_t *count = (size_t *)(void *)(base + field->quantifier_offset);
    void **list = (void **)(void *)(base + field->offset);
    bool map = is_map(field);
    size_t items = map ? json_object_size(value) : json_array_size(value);
    *list = take(arena, (items + 1) * value_size(field));
    *count = 0;
    if (*list == NULL)
        return false;
    if (map)
        return read_map(field, value, *list, count, arena, depth);
    if (!json_is_array(value))
        return false;
    for (size_t i = 0; i < items; i++) {
        if (!read_value(field, json_array_get(value, i), (uint8_t *)*list + i * value_size(field), arena, depth))
            return false;
        (*count)++;
    }
    return true;
}

static const ProtobufCFieldDescriptor *field_named(const ProtobufCMessageDescriptor *descriptor, const char *name) {
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        char camel[NAME_LEN_MAX + 1];
        camel_name(descriptor->fields[i].name, camel);
        if (strcmp(descriptor->fields[i].name, name) == 0 || strcmp(camel, name) == 0)
            return &descriptor->fields[i];
    }
    return NULL;
}

static ProtobufCMessage *read_message(const ProtobufCMessageDescriptor *descriptor, const json_t *object,
                                      struct arena *arena, int depth) {
    if (!json_is_object(object) || depth > DEPTH_MAX)
        return NULL;
    ProtobufCMessage *message = new_message(descriptor, arena);
    uint8_t *base = (uint8_t *)message;
    const char *name;
    json_t *value;
    if (message == NULL)
        return NULL;
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        const ProtobufCFieldDescriptor *field = field_named(descriptor, name);
        if (field == NULL || json_is_null(value))
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            if (!read_repeated(field, value, base, arena, depth))
                return NULL;
            continue;
        }
        if (!read_value(field, value, base + field->offset, arena, depth))
            return NULL;
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
            *(uint32_t *)(void *)(base + field->quantifier_offset) = field->id;
    }
    return message;
}

ProtobufCMessage *pbjson_read(const ProtobufCMessageDescriptor *descriptor, const json_t *object, struct arena *arena) {
    ASSERT(descriptor != NULL && arena != NULL);
    return read_message(descriptor, object, arena, 0);
}
