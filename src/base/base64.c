#include "base/base64.h"

static const char standard_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(struct writer *w, struct span bytes, const char *alphabet, bool pad) {
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t part = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t group = (uint32_t)bytes.data[i] << 16;
        if (part > 1)
            group |= (uint32_t)bytes.data[i + 1] << 8;
        if (part > 2)
            group |= bytes.data[i + 2];
        for (size_t j = 0; j < 4; j++) {
            if (j <= part)
                wr_u8(w, (uint8_t)alphabet[group >> (18 - 6 * j) & 63]);
            else if (pad)
                wr_u8(w, '=');
        }
    }
}

void wr_base64(struct writer *w, struct span bytes) {
    encode(w, bytes, standard_alphabet, true);
}

void wr_base64url(struct writer *w, struct span bytes) {
    encode(w, bytes, url_alphabet, false);
}

void wr_hex(struct writer *w, struct span bytes) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        wr_u8(w, (uint8_t)digits[bytes.data[i] >> 4]);
        wr_u8(w, (uint8_t)digits[bytes.data[i] & 15]);
    }
}

static int digit_value(uint8_t c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}

bool base64_decode(struct span text, void *out, size_t out_size, size_t *out_len) {
    struct writer w = writer_of(out, out_size);
    size_t len = text.len;
    if (len > 0 && len % 4 == 0 && text.data[len - 1] == '=')
        len -= text.data[len - 2] == '=' ? 2 : 1;
    if (len % 4 == 1)
        return false;
    uint32_t group = 0;
    for (size_t i = 0; i < len; i++) {
        int value = digit_value(text.data[i]);
        if (value < 0)
            return false;
        group = group << 6 | (uint32_t)value;
        if (i % 4 == 3) {
            wr_u24(&w, group & 0xffffff);
            group = 0;
        }
    }
    if (len % 4 == 2) {
        if ((group & 15) != 0)
            return false;
        wr_u8(&w, (uint8_t)(group >> 4));
    } else if (len % 4 == 3) {
        if ((group & 3) != 0)
            return false;
        wr_u16(&w, (uint16_t)(group >> 2));
    }
    *out_len = w.len;
    return writer_ok(&w);
}

bool base64url_decode_exact(struct span text, void *out, size_t len) {
    size_t decoded_len;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '+' || text.data[i] == '/' || text.data[i] == '=')
            return false; /* base64_decode takes these as well */
    }
    return base64_decode(text, out, len, &decoded_len) && decoded_len == len;
}

bool hex_decode(struct span text, void *out, size_t out_size, size_t *out_len) {
    uint8_t *bytes = out;
    if (text.len == 0 || text.len % 2 != 0 || text.len / 2 > out_size)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'a' && c <= 'f'))
            return false;
        uint8_t value = (uint8_t)(digit ? c - '0' : c - 'a' + 10);
        bytes[i / 2] = (uint8_t)(i % 2 == 0 ? value << 4 : bytes[i / 2] | value);
    }
    *out_len = text.len / 2;
    return true;
}
