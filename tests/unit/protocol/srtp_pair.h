/* Two SRTP sessions of the same keys, one that seals and one that opens, and packets for them. */
#ifndef CONCLAVE_TESTS_SRTP_PAIR_H
#define CONCLAVE_TESTS_SRTP_PAIR_H

#include "base/rng.h"
#include "protocol/rtp.h"
#include "protocol/srtp.h"

#define STREAMS 8
#define RETIRED 4
#define PACKET_MAX 1600
#define PAYLOAD_TYPE 111

extern const enum srtp_profile profiles[3];
extern const struct span hello;

/* The tables are exact heap blocks, for the sanitizers. */
struct pair {
    struct srtp_session seal, open;
    void *seal_memory, *open_memory;
    struct srtp_master master;
    struct rng rng;
};

struct packet_bytes {
    uint8_t data[PACKET_MAX];
    size_t len;
};

void pair_init(struct pair *pair, enum srtp_profile profile, uint64_t seed);
void pair_end(struct pair *pair);
size_t make_header(uint8_t out[RTP_HEADER_LEN_MAX], uint32_t ssrc, uint16_t seq16, bool extended);
enum srtp_result seal_seq(struct srtp_session *session, uint32_t ssrc, uint16_t seq16, struct span payload,
                          struct packet_bytes *out);
enum srtp_result open_copy(struct srtp_session *session, const struct packet_bytes *sealed);

#endif
