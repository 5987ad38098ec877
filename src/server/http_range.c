#include "server/http_range.h"

#define UNIT "bytes="
/* So that sums of positions cannot wrap. */
#define POSITION_MAX (UINT64_MAX / 2)

/* FIRST-LAST, FIRST- or -COUNT; an absent number leaves what `out` says. */
static bool read_positions(struct span text, struct span *first, struct span *last) {
    struct reader r = reader_of_span(text);
    if (!rd_token(&r, '-', first))
        return false;
    *last = rd_rest(&r);
    bool dash = last->len > 0 || text.data[text.len - 1] == '-';
    return dash && (first->len > 0 || last->len > 0);
}

bool http_range_read(struct span header, uint64_t len, struct http_range *out) {
    struct span from, to;
    uint64_t a = 0, b = len;
    *out = (struct http_range){.first = 0, .count = len};
    if (!span_starts_with(header, UNIT))
        return true;
    struct span positions = span_of(header.data + sizeof UNIT - 1, header.len - (sizeof UNIT - 1));
    if (!read_positions(positions, &from, &to) || (from.len > 0 && !span_to_u64(from, POSITION_MAX, &a)) ||
        (to.len > 0 && !span_to_u64(to, POSITION_MAX, &b)) || (from.len > 0 && to.len > 0 && a > b))
        return true;
    out->partial = true;
    if (from.len == 0) { /* the last b bytes */
        out->count = b < len ? b : len;
        out->first = len - out->count;
        return out->count > 0;
    }
    if (a >= len)
        return false;
    out->first = a;
    out->count = (to.len > 0 && b < len ? b + 1 : len) - a;
    return true;
}
