#include "base/text.h"

/* Length of a UTF-8 sequence by its first byte, and the least code point it may stand for (RFC 3629 section 4); 0:
 * none. */
static size_t utf8_len(uint8_t first, uint32_t *least) {
    if (first < 0x80) {
        *least = 0;
        return 1;
    }
    if (first >= 0xc2 && first <= 0xdf) {
        *least = 0x80;
        return 2;
    }
    if ((first & 0xf0) == 0xe0) {
        *least = 0x800;
        return 3;
    }
    *least = 0x10000;
    return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

bool utf8_good(struct span text) {
    for (size_t i = 0; i < text.len;) {
        uint32_t least = 0;
        size_t len = utf8_len(text.data[i], &least);
        if (len == 0 || len > text.len - i)
            return false;
        uint32_t code = len == 1 ? text.data[i] : text.data[i] & (0x7fu >> len);
        for (size_t k = 1; k < len; k++) {
            if ((text.data[i + k] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (text.data[i + k] & 0x3fu);
        }
        if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
        i += len;
    }
    return true;
}

bool text_equal_nocase(struct span text, const char *lower) {
    size_t i = 0;
    while (i < text.len && lower[i] != 0) {
        uint8_t c = text.data[i];
        c = c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
        if (c != (uint8_t)lower[i])
            return false;
        i++;
    }
    return i == text.len && lower[i] == 0;
}
