/* Codes that people read to each other. */
#ifndef CONCLAVE_GROUP_CODE_H
#define CONCLAVE_GROUP_CODE_H

/* 256 common words; the order is part of the code. */
extern const char *const secure_words[256];

#endif
