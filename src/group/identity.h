/* What an identity may be, wherever a leaf is judged: 1 to 64 of A-Z a-z 0-9 - _ . and nothing else, compared as bytes.
 * So no two that differ are shown alike because a decoder mends or drops what is invalid, folds or normalises. */
#ifndef CONCLAVE_GROUP_IDENTITY_H
#define CONCLAVE_GROUP_IDENTITY_H

#include "base/cursor.h"

#define GROUP_IDENTITY_LEN_MAX 64

bool group_identity_good(struct span identity);

#endif
