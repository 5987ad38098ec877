/* LabeledExtract and LabeledExpand (RFC 9180 section 4), which the KEMs and the key schedule share. Not for users of
 * the library. */
#ifndef CONCLAVE_CRYPTO_LABELED_H
#define CONCLAVE_CRYPTO_LABELED_H

#include "crypto/hkdf.h"

#define LABELED_PARTS_MAX 4

/* `prk` gets hash_len bytes. */
enum crypto_status labeled_extract(const struct crypto_backend *crypto, enum hash_algorithm hash, struct span suite_id,
                                   struct span salt, const char *label, struct span ikm, struct secret *prk);
/* `info` is the concatenation of at most LABELED_PARTS_MAX parts. */
enum crypto_status labeled_expand(const struct crypto_backend *crypto, enum hash_algorithm hash, struct span suite_id,
                                  const struct secret *prk, const char *label, const struct span *info_parts,
                                  size_t count, uint8_t *out, size_t out_len);

#endif
