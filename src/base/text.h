/* Text in foreign bytes: UTF-8 (RFC 3629), and words that are compared without case. */
#ifndef CONCLAVE_BASE_TEXT_H
#define CONCLAVE_BASE_TEXT_H

#include <stdbool.h>

#include "base/cursor.h"

/* Whole, in the shortest form, without surrogates. Empty text is. */
bool utf8_good(struct span text);
/* Without regard to the case of ASCII letters in `text`; `lower` has none that is upper. */
bool text_equal_nocase(struct span text, const char *lower);

#endif
