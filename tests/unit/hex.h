/* Hexadecimal text in test vectors, for unit tests and for the programs in tools/ that run vectors. */
#ifndef CONCLAVE_TESTS_HEX_H
#define CONCLAVE_TESTS_HEX_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* 0 to 15; -1: no digit of lower-case hex. */
static inline int hex_digit(char c) {
    static const char digits[] = "0123456789abcdef";
    const char *at = c == 0 ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* One byte of two digits, which are there if the first is not the text's end; -1: no hex. */
static inline int hex_byte(const char *text) {
    int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
    return low < 0 ? -1 : high * 16 + low;
}

/* All bytes of a text whose bytes may have spaces between them; ends at what is no hex. How many there were. */
static inline size_t hex_text(const char *text, uint8_t *out) {
    size_t len = 0;
    for (; *text != 0; text += *text == ' ' ? 1 : 2) {
        int byte = *text == ' ' ? 0 : hex_byte(text);
        if (byte < 0)
            break;
        if (*text != ' ')
            out[len++] = (uint8_t)byte;
    }
    return len;
}

#endif
