#include "srtp_pair.h"

#include <stdlib.h>

#include "unit.h"

const enum srtp_profile profiles[3] = {SRTP_PROFILE_AES128_CM_SHA1_80, SRTP_PROFILE_AEAD_AES_128_GCM,
                                       SRTP_PROFILE_AEAD_AES_256_GCM};

void pair_init(struct pair *pair, enum srtp_profile profile, uint64_t seed) {
    *pair = (struct pair){.rng = rng_seeded(seed)};
    pair->master.profile = profile;
    rng_fill(&pair->rng, pair->master.key, srtp_key_len(profile));
    rng_fill(&pair->rng, pair->master.salt, srtp_salt_len(profile));
    pair->seal_memory = malloc(srtp_size(STREAMS, RETIRED));
    pair->open_memory = malloc(srtp_size(STREAMS, RETIRED));
    assert_true(
        srtp_session_init(&pair->seal, pair->seal_memory, STREAMS, RETIRED, SRTP_SEALING, &pair->master, &pair->rng));
    assert_true(
        srtp_session_init(&pair->open, pair->open_memory, STREAMS, RETIRED, SRTP_OPENING, &pair->master, &pair->rng));
}

void pair_end(struct pair *pair) {
    srtp_session_end(&pair->seal);
    srtp_session_end(&pair->open);
    free(pair->seal_memory);
    free(pair->open_memory);
}

size_t make_header(uint8_t out[RTP_HEADER_LEN_MAX], uint32_t ssrc, uint16_t seq16, bool extended) {
    struct rtp_header header = {.pt = PAYLOAD_TYPE, .seq16 = seq16, .timestamp = seq16 * 960u, .ssrc = ssrc};
    struct rtp_ext_out exts = {0};
    if (extended) {
        rtp_ext_add_u16(&exts, 3, seq16);
        rtp_ext_add(&exts, 4, span_str("0"));
    }
    struct writer w = writer_of(out, RTP_HEADER_LEN_MAX);
    assert_true(rtp_write(&w, &header, &exts));
    return w.len;
}

enum srtp_result seal_seq(struct srtp_session *session, uint32_t ssrc, uint16_t seq16, struct span payload,
                          struct packet_bytes *out) {
    uint8_t header[RTP_HEADER_LEN_MAX];
    size_t header_len = make_header(header, ssrc, seq16, seq16 % 2 == 0);
    return srtp_seal(session, header, header_len, payload, out->data, sizeof out->data, &out->len);
}

const struct span hello = {.data = (const uint8_t *)"hello, conclave", .len = 15};

enum srtp_result open_copy(struct srtp_session *session, const struct packet_bytes *sealed) {
    struct packet_bytes copy = *sealed;
    return srtp_open(session, copy.data, &copy.len);
}
