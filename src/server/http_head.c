#include "server/http_head.h"

#include "base/assert.h"
#include "base/text.h"

/* A length that fits what is computed with it; routes have far lower limits. */
#define CONTENT_LEN_MAX (UINT64_C(1) << 40)

struct line {
    struct span name, value;
};

struct lines {
    struct line at[HTTP_HEAD_LINES_MAX];
    size_t count;
};

/* `single`: a second line of it is refused. */
static const struct field {
    const char *name;
    bool single;
} fields[FIELDS_COUNT] = {
    [FIELD_HOST] = {"host", true},
    [FIELD_ORIGIN] = {"origin", true},
    [FIELD_ACCEPT] = {"accept", false},
    [FIELD_ACCEPT_ENCODING] = {"accept-encoding", false},
    [FIELD_AUTHORIZATION] = {"authorization", true},
    [FIELD_CONTENT_TYPE] = {"content-type", true},
    [FIELD_CONTENT_LENGTH] = {"content-length", true},
    [FIELD_TRANSFER_ENCODING] = {"transfer-encoding", false},
    [FIELD_IF_MATCH] = {"if-match", false},
    [FIELD_IF_NONE_MATCH] = {"if-none-match", false},
    [FIELD_RANGE] = {"range", true},
    [FIELD_EXPECT] = {"expect", true},
    [FIELD_CONNECTION] = {"connection", false},
    [FIELD_UPGRADE] = {"upgrade", false},
    [FIELD_FORWARDED] = {"forwarded", false},
    [FIELD_FORWARDED_FOR] = {"x-forwarded-for", false},
    [FIELD_VIA] = {"via", false},
    [FIELD_REAL_IP] = {"x-real-ip", false},
    [FIELD_SOCKET_KEY] = {"sec-websocket-key", true},
    [FIELD_SOCKET_VERSION] = {"sec-websocket-version", true},
};

static const char *const methods[] = {"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"};

/* ---- characters ---- */

static uint8_t lower(uint8_t c) {
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static bool is_alnum(uint8_t c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9');
}

/* RFC 9110 section 5.6.2 */
static bool is_token(struct span text) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == 0 || (!is_alnum(c) && strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return text.len > 0;
}

static struct span trimmed(struct span text) {
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = span_of(text.data + 1, text.len - 1);
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* q=0, q=0. and q=0.000 */
static bool weighs_nothing(struct span parameter) {
    struct span text = trimmed(parameter);
    if (text.len < 3 || lower(text.data[0]) != 'q' || text.data[1] != '=' || text.data[2] != '0')
        return false;
    for (size_t i = 3; i < text.len; i++) {
        if (text.data[i] != '0' && text.data[i] != '.')
            return false;
    }
    return true;
}

bool http_list_has(struct span list, const char *word) {
    struct reader r = reader_of_span(list);
    struct span item;
    while (rd_token(&r, ',', &item)) {
        struct reader parts = reader_of_span(item);
        struct span name = span_of(NULL, 0), parameter;
        bool refused = false;
        (void)rd_token(&parts, ';', &name);
        while (rd_token(&parts, ';', &parameter))
            refused = refused || weighs_nothing(parameter);
        if (text_equal_nocase(trimmed(name), word) && !refused)
            return true;
    }
    return false;
}

/* ---- is it complete? ---- */

size_t http_head_scan(struct span bytes, size_t *seen) {
    for (size_t i = *seen; i < bytes.len; i++) {
        uint8_t c = bytes.data[i];
        bool after_cr = i > 0 && bytes.data[i - 1] == '\r';
        if ((c == '\n') != after_cr || c == 0x7f || (c < 0x20 && c != '\n' && c != '\r' && c != '\t'))
            return HTTP_HEAD_BROKEN;
        /* an empty line ends the head when there was something before it */
        if (c == '\n' && i >= 3 && bytes.data[i - 2] == '\n') {
            bool any = false;
            for (size_t k = 0; k < i && !any && k < 5; k++)
                any = bytes.data[k] != '\r' && bytes.data[k] != '\n';
            if (any)
                return i + 1;
            if (i >= 5)
                return HTTP_HEAD_BROKEN; /* nothing but empty lines */
        }
    }
    *seen = bytes.len;
    return 0;
}

/* ---- lines ---- */

/* A line without its CR LF, of a head that http_head_scan found complete: each LF has its CR. */
static bool next_line(struct reader *r, struct span *line) {
    return rd_line(r, line);
}

static uint16_t read_lines(struct reader *r, struct lines *out, const char **why) {
    struct span line;
    while (next_line(r, &line) && line.len > 0) {
        if (out->count == HTTP_HEAD_LINES_MAX) {
            *why = "there are too many headers\n";
            return 431;
        }
        size_t colon = 0;
        while (colon < line.len && line.data[colon] != ':')
            colon++;
        struct span name = span_of(line.data, colon);
        if (colon == line.len || !is_token(name)) {
            *why = "a header is malformed\n";
            return 400;
        }
        out->at[out->count++] =
            (struct line){.name = name, .value = trimmed(span_of(line.data + colon + 1, line.len - colon - 1))};
    }
    return 0;
}

/* The value of a field; one in several lines is joined. False when there are several and there may be one only. */
static bool take_field(const struct lines *lines, enum http_field field, struct writer *copies, struct span *out,
                       size_t *count) {
    *out = span_of(NULL, 0);
    *count = 0;
    for (size_t i = 0; i < lines->count; i++)
        *count += text_equal_nocase(lines->at[i].name, fields[field].name);
    size_t start = copies->len, seen = 0;
    for (size_t i = 0; i < lines->count; i++) {
        const struct line *line = &lines->at[i];
        if (!text_equal_nocase(line->name, fields[field].name))
            continue;
        if (*count == 1) {
            *out = line->value;
            return true;
        }
        if (seen++ > 0)
            wr_str(copies, ", ");
        wr_span(copies, line->value);
    }
    if (*count > 1)
        *out = span_of(copies->data + start, copies->len - start);
    return *count <= 1 || !fields[field].single;
}

/* ---- the target ---- */

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes the last segment away: "/a/b" becomes "/a". */
static void drop_segment(struct writer *w, size_t start) {
    while (w->len > start && w->data[w->len - 1] != '/')
        w->len--;
    if (w->len > start)
        w->len--;
}

/* Writes one decoded segment behind a slash; "", "." and ".." are resolved (RFC 3986 section 5.2.4). False for bad escapes. */
static bool write_segment(struct writer *w, size_t start, struct span segment) {
    size_t at = w->len;
    wr_u8(w, '/');
    for (size_t i = 0; i < segment.len; i++) {
        uint8_t c = segment.data[i];
        if (c == '%') {
            int high = segment.len - i > 2 ? hex_digit(segment.data[i + 1]) : -1;
            int low = segment.len - i > 2 ? hex_digit(segment.data[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return false;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        wr_u8(w, c);
    }
    if (!writer_ok(w))
        return false;
    struct span made = span_of(w->data + at + 1, w->len - at - 1);
    if (made.len == 0 || span_equal_str(made, "."))
        w->len = at;
    else if (span_equal_str(made, "..")) {
        w->len = at;
        drop_segment(w, start);
    }
    return true;
}

static bool write_path(struct span raw, struct writer *w, struct span *out) {
    size_t start = w->len;
    struct reader r = reader_of_span(raw);
    struct span segment;
    while (rd_token(&r, '/', &segment)) {
        if (!write_segment(w, start, segment))
            return false;
    }
    /* a slash at the end stays */
    bool slash = raw.data[raw.len - 1] == '/' && w->len > start;
    if (w->len == start || slash)
        wr_u8(w, '/');
    *out = span_of(w->data + start, w->len - start);
    return writer_ok(w);
}

/* "/path?query", "*" of OPTIONS, or an absolute URI, whose host then counts (RFC 9112 section 3.2.2). */
static bool read_target(struct span target, struct writer *copies, struct http_head *out, struct span *authority) {
    *authority = span_of(NULL, 0);
    for (size_t i = 0; i < target.len; i++) {
        if (target.data[i] <= 0x20 || target.data[i] >= 0x7f || target.data[i] == '#')
            return false;
    }
    if (span_equal_str(target, "*") && span_equal_str(out->method, "OPTIONS")) {
        out->path = target;
        return true;
    }
    const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (target.len <= len || !text_equal_nocase(span_of(target.data, len), schemes[i]))
            continue;
        size_t end = len;
        while (end < target.len && target.data[end] != '/' && target.data[end] != '?')
            end++;
        *authority = span_of(target.data + len, end - len);
        target = end == target.len ? span_str("/") : span_of(target.data + end, target.len - end);
        if (authority->len == 0)
            return false;
    }
    if (target.len == 0 || (target.data[0] != '/' && authority->len == 0))
        return false;
    size_t mark = 0;
    while (mark < target.len && target.data[mark] != '?')
        mark++;
    if (mark < target.len)
        out->query = span_of(target.data + mark + 1, target.len - mark - 1);
    return write_path(mark > 0 ? span_of(target.data, mark) : span_str("/"), copies, &out->path);
}

/* ---- all of it ---- */

static uint16_t read_request_line(struct span line, struct writer *copies, struct http_head *out,
                                  struct span *authority, const char **why) {
    struct reader r = reader_of_span(line);
    struct span target, version;
    *why = "the request line is malformed\n";
    if (!rd_token(&r, ' ', &out->method) || !rd_token(&r, ' ', &target) || !is_token(out->method))
        return 400;
    version = rd_rest(&r);
    if (version.len != 8 || !span_starts_with(version, "HTTP/") || version.data[6] != '.')
        return 400;
    if (version.data[5] != '1' || version.data[7] < '0' || version.data[7] > '9') {
        *why = "only HTTP/1.1 is spoken here\n";
        return 505;
    }
    out->http10 = version.data[7] == '0';
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        known = known || span_equal_str(out->method, methods[i]);
    if (!known) {
        *why = "there is no such method here\n";
        return 501;
    }
    *why = "the target is malformed\n";
    return read_target(target, copies, out, authority) ? 0 : 400;
}

/* RFC 9112 section 6: how long the body is must be sure, or the next request begins somewhere else for somebody else. */
static uint16_t read_framing(struct http_head *out, size_t lengths, size_t encodings, const char **why) {
    *why = "the length of the body is not clear\n";
    out->has_length = lengths > 0;
    if (encodings > 0 && (lengths > 0 || out->http10))
        return 400;
    return lengths == 0 || span_to_u64(out->fields[FIELD_CONTENT_LENGTH], CONTENT_LEN_MAX, &out->content_len) ? 0 : 400;
}

uint16_t http_head_read(struct span head_bytes, struct writer *copies, struct http_head *out, const char **why) {
    struct reader r = reader_of_span(head_bytes);
    struct span line = span_of(NULL, 0), authority;
    struct lines lines = {.count = 0};
    size_t counts[FIELDS_COUNT];
    *out = (struct http_head){0};
    while (next_line(&r, &line) && line.len == 0) { /* empty lines in front */
    }
    uint16_t refused = read_request_line(line, copies, out, &authority, why);
    if (refused == 0)
        refused = read_lines(&r, &lines, why);
    if (refused != 0)
        return refused;
    for (enum http_field field = 0; field < FIELDS_COUNT; field++) {
        if (!take_field(&lines, field, copies, &out->fields[field], &counts[field])) {
            *why = "a header is there twice\n";
            return 400;
        }
    }
    if (counts[FIELD_HOST] == 0 && !out->http10) {
        *why = "the Host header is missing\n";
        return 400;
    }
    if (authority.len > 0)
        out->fields[FIELD_HOST] = authority;
    refused = read_framing(out, counts[FIELD_CONTENT_LENGTH], counts[FIELD_TRANSFER_ENCODING], why);
    if (refused != 0)
        return refused;
    ASSERT(writer_ok(copies));
    struct span connection = out->fields[FIELD_CONNECTION];
    out->keep = !http_list_has(connection, "close") && (!out->http10 || http_list_has(connection, "keep-alive"));
    return 0;
}
