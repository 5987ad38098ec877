/* The two CRCs of the protocols: CRC-32 (ISO 3309, as STUN's FINGERPRINT uses it, RFC 8489 section 14.7) and CRC-32C
 * (Castagnoli, SCTP's checksum, RFC 9260 appendix A). Both take and answer finished values. */
#ifndef CONCLAVE_BASE_CRC_H
#define CONCLAVE_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32_iso(const void *data, size_t len);
uint32_t crc32c(const void *data, size_t len);

#endif
