/* Base64 (RFC 4648 sections 4 and 5) and lower-case hexadecimal. */
#ifndef CONCLAVE_BASE_BASE64_H
#define CONCLAVE_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cursor.h"

/* Characters for `len` bytes, without terminator. */
#define BASE64_LEN(len) (((len) + 2) / 3 * 4)

/* Writes the encoding; base64url is without padding. */
void wr_base64(struct writer *w, struct span bytes);
void wr_base64url(struct writer *w, struct span bytes);
void wr_hex(struct writer *w, struct span bytes);
/* Decodes either alphabet, padded or not, and answers false on any other character, on misplaced padding, on set bits
 * behind the last byte, or when `out` is too small. */
bool base64_decode(struct span text, void *out, size_t out_size, size_t *out_len);
/* The one text in base64url that stands for exactly `len` bytes; false for any other: names and keys have one spelling. */
bool base64url_decode_exact(struct span text, void *out, size_t len);
/* Lower-case hexadecimal of at least one byte and at most `out_size`; false for any other text. */
bool hex_decode(struct span text, void *out, size_t out_size, size_t *out_len);

#endif
