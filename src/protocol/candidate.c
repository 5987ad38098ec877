#include "protocol/candidate.h"

#include <string.h>

#include "base/assert.h"

static bool is_ice_char(uint8_t c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* 1*`max` ice-chars, as the grammar of RFC 8839 section 5.1 has it. */
static bool copy_ice_chars(struct span token, char *out, size_t out_size) {
    if (token.len == 0)
        return false;
    for (size_t i = 0; i < token.len; i++)
        if (!is_ice_char(token.data[i]))
            return false;
    memset(out, 0, out_size); /* a repeated extension leaves nothing of the one before */
    return span_to_str(token, out, out_size);
}

/* ABNF strings match in either case; `word` is lower case. */
static bool token_is(struct span token, const char *word) {
    if (token.len != strlen(word))
        return false;
    for (size_t i = 0; i < token.len; i++) {
        uint8_t c = token.data[i];
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c + ('a' - 'A'));
        if (c != (uint8_t)word[i])
            return false;
    }
    return true;
}

static bool read_number(struct reader *r, uint64_t min, uint64_t max, uint64_t *out) {
    struct span token;
    return rd_token(r, ' ', &token) && span_to_u64(token, max, out) && *out >= min;
}

static bool read_type(struct reader *r, enum candidate_type *type) {
    static const char *const names[] = {"host", "srflx", "prflx", "relay"};
    struct span token;
    if (!rd_token(r, ' ', &token) || !token_is(token, "typ") || !rd_token(r, ' ', &token))
        return false;
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if (token_is(token, names[i])) {
            *type = (enum candidate_type)i;
            return true;
        }
    }
    return false;
}

static bool read_tcptype(struct span value, enum candidate_tcp *tcp) {
    if (token_is(value, "active"))
        *tcp = CANDIDATE_TCP_ACTIVE;
    else if (token_is(value, "passive"))
        *tcp = CANDIDATE_TCP_PASSIVE;
    else if (token_is(value, "so"))
        *tcp = CANDIDATE_TCP_SO;
    else
        return false;
    return true;
}

/* Name and value pairs behind the type. */
static bool read_extensions(struct reader *r, struct candidate *out) {
    struct span name;
    struct span value;
    uint64_t port;
    while (rd_token(r, ' ', &name)) {
        if (name.len == 0) /* a space at the line's end */
            continue;
        if (!rd_token(r, ' ', &value))
            return false;
        if (token_is(name, "raddr")) {
            uint16_t had = out->related.port;
            (void)net_ip_parse(value, &out->related); /* a host name leaves family 0 */
            out->related.port = had;
        } else if (token_is(name, "rport")) {
            if (!span_to_u64(value, UINT16_MAX, &port))
                return false;
            out->related.port = (uint16_t)port;
        } else if (token_is(name, "tcptype")) {
            if (!read_tcptype(value, &out->tcp))
                return false;
        } else if (token_is(name, "ufrag")) {
            if (!copy_ice_chars(value, out->ufrag, sizeof out->ufrag))
                return false;
        }
    }
    return true;
}

/* What stands before the foundation and behind the last token. */
static bool trim(struct span line, struct reader *r) {
    while (line.len > 0 && (line.data[line.len - 1] == '\n' || line.data[line.len - 1] == '\r'))
        line.len--;
    *r = reader_of_span(line);
    if (span_starts_with(line, "a="))
        rd_skip(r, 2);
    struct span word;
    return line.len <= CANDIDATE_LINE_LEN_MAX && rd_token(r, ':', &word) && span_equal_str(word, "candidate");
}

bool candidate_parse(struct span line, struct candidate *out) {
    ASSERT(out != NULL);
    struct candidate c = {0};
    *out = c;
    struct reader r;
    struct span token;
    uint64_t component;
    uint64_t priority;
    uint64_t port;
    if (!trim(line, &r) || !rd_token(&r, ' ', &token) || !copy_ice_chars(token, c.foundation, sizeof c.foundation))
        return false;
    if (!read_number(&r, 1, 256, &component) || !rd_token(&r, ' ', &token))
        return false;
    bool tcp = token_is(token, "tcp");
    if (!tcp && !token_is(token, "udp"))
        return false;
    if (!read_number(&r, 1, INT32_MAX, &priority) || !rd_token(&r, ' ', &token) || token.len == 0)
        return false;
    (void)net_ip_parse(token, &c.addr); /* a host name leaves family 0 */
    if (!read_number(&r, 0, UINT16_MAX, &port) || !read_type(&r, &c.type) || !read_extensions(&r, &c))
        return false;
    if (tcp != (c.tcp != CANDIDATE_TCP_NONE)) /* RFC 6544 section 4.5: tcptype is there for TCP, and only then */
        return false;
    c.addr.port = (uint16_t)port;
    c.addr.proto = tcp ? NET_TCP : NET_UDP;
    c.related.proto = c.addr.proto;
    c.component = (uint16_t)component;
    c.priority = (uint32_t)priority;
    *out = c;
    return true;
}

bool candidate_write(struct writer *w, const struct candidate *candidate) {
    static const char *const types[] = {"host", "srflx", "prflx", "relay"};
    static const char *const tcptypes[] = {NULL, "active", "passive", "so"};
    const struct candidate *c = candidate;
    ASSERT(c->addr.family != 0 && c->foundation[0] != 0);
    ASSERT((c->addr.proto == NET_TCP) == (c->tcp != CANDIDATE_TCP_NONE));
    char ip[NET_IP_TEXT_LEN];
    net_ip_text(&c->addr, ip);
    wr_fmt(w, "candidate:%s %u %s %u %s %u typ %s", c->foundation, (unsigned)c->component,
           c->addr.proto == NET_TCP ? "tcp" : "udp", (unsigned)c->priority, ip, (unsigned)c->addr.port, types[c->type]);
    if (c->related.family != 0) {
        net_ip_text(&c->related, ip);
        wr_fmt(w, " raddr %s rport %u", ip, (unsigned)c->related.port);
    }
    if (c->tcp != CANDIDATE_TCP_NONE)
        wr_fmt(w, " tcptype %s", tcptypes[c->tcp]);
    if (c->ufrag[0] != 0)
        wr_fmt(w, " ufrag %s", c->ufrag);
    return writer_ok(w);
}

uint32_t candidate_priority(enum candidate_type type, uint16_t local_preference, uint16_t component) {
    static const uint32_t preference[] = {126, 100, 110, 0}; /* in the order of the enum */
    ASSERT((unsigned)type < ARRAY_LEN(preference) && component >= 1 && component <= 256);
    return preference[type] << 24 | (uint32_t)local_preference << 8 | (uint32_t)(256 - component);
}

uint64_t candidate_pair_priority(uint32_t g, uint32_t d) {
    uint64_t low = g < d ? g : d;
    uint64_t high = g < d ? d : g;
    return (low << 32) + 2 * high + (g > d ? 1 : 0);
}
