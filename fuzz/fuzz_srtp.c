/* SRTP, stateful: a sealing and an opening session of the same keys are driven by a script of steps. Each step seals a
 * packet, mutates it or not, and opens it, or opens bytes of the script. What was sealed and not changed opens once and
 * reads the same; what was changed never opens. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "protocol/rtp.h"
#include "protocol/srtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STREAMS 4
#define RETIRED 2
#define PACKET_MAX 512

static struct srtp_session sealing, opening;
static _Alignas(8) uint8_t sealing_memory[8192], opening_memory[8192];

static void start(enum srtp_profile profile) {
    struct rng rng = rng_seeded(1);
    struct srtp_master master = {.profile = profile, .key = {1, 2, 3}, .salt = {4, 5, 6}};
    ASSERT(srtp_size(STREAMS, RETIRED) <= sizeof sealing_memory);
    ASSERT(srtp_session_init(&sealing, sealing_memory, STREAMS, RETIRED, SRTP_SEALING, &master, &rng));
    ASSERT(srtp_session_init(&opening, opening_memory, STREAMS, RETIRED, SRTP_OPENING, &master, &rng));
}

/* Opens an exact heap copy, so that a read past the end is found. */
static enum srtp_result open_exact(const uint8_t *packet, size_t len, bool rtcp, const uint8_t *expected,
                                   size_t expected_len) {
    uint8_t *copy = malloc(len > 0 ? len : 1);
    if (copy == NULL)
        abort();
    if (len > 0)
        memcpy(copy, packet, len);
    enum srtp_result result = rtcp ? srtcp_open(&opening, copy, &len) : srtp_open(&opening, copy, &len);
    if (result == SRTP_OK && expected != NULL)
        ASSERT(len == expected_len && memcmp(copy, expected, len) == 0);
    free(copy);
    return result;
}

static void step_rtp(struct reader *r, bool mutate) {
    uint8_t plain[PACKET_MAX], sealed[PACKET_MAX];
    struct rtp_header header = {.pt = 96, .ssrc = rd_u8(r) % 6u, .seq16 = rd_u16(r)};
    struct span payload = rd_span(r, rd_u8(r));
    struct writer w = writer_of(plain, sizeof plain);
    ASSERT(rtp_write(&w, &header, NULL));
    wr_span(&w, payload);
    size_t len;
    enum srtp_result result = srtp_seal(&sealing, plain, RTP_HEADER_LEN, payload, sealed, sizeof sealed, &len);
    if (result != SRTP_OK) {
        ASSERT(len == 0 && result != SRTP_MALFORMED && result != SRTP_NO_ROOM);
        return;
    }
    uint8_t flip = mutate ? rd_u8(r) : 0;
    sealed[rd_u16(r) % len] ^= flip;
    result = open_exact(sealed, len, false, plain, w.len);
    ASSERT(flip == 0 || result != SRTP_OK);
    if (result == SRTP_OK)
        ASSERT(open_exact(sealed, len, false, NULL, 0) == SRTP_REPLAYED);
}

static void step_rtcp(struct reader *r, bool mutate) {
    uint8_t plain[8 + 256] = {0x80, 201, 0, 1, 0, 0, 0, rd_u8(r) % 6u}, sealed[PACKET_MAX];
    struct span rest = rd_span(r, rd_u8(r));
    if (rest.len > 0)
        memcpy(plain + 8, rest.data, rest.len);
    size_t len;
    ASSERT(srtcp_seal(&sealing, span_of(plain, 8 + rest.len), sealed, sizeof sealed, &len) == SRTP_OK);
    uint8_t flip = mutate ? rd_u8(r) : 0;
    sealed[rd_u16(r) % len] ^= flip;
    enum srtp_result result = open_exact(sealed, len, true, plain, 8 + rest.len);
    ASSERT(flip == 0 || result != SRTP_OK);
    ASSERT(flip != 0 || result == SRTP_OK || result == SRTP_STREAMS_FULL || result == SRTP_RETIRED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const enum srtp_profile profiles[] = {SRTP_PROFILE_AES128_CM_SHA1_80, SRTP_PROFILE_AEAD_AES_128_GCM,
                                                 SRTP_PROFILE_AEAD_AES_256_GCM};
    struct reader r = reader_of(data, size);
    start(profiles[rd_u8(&r) % 3]);
    while (reader_left(&r) > 0) {
        uint8_t op = rd_u8(&r);
        struct span raw;
        switch (op % 8) {
        case 0:
        case 1:
        case 2:
            step_rtp(&r, op % 8 == 2);
            break;
        case 3:
        case 4:
            step_rtcp(&r, op % 8 == 4);
            break;
        case 5:
        case 6: /* nothing that was not sealed opens: a forgery would be worth a paper */
            raw = rd_span(&r, rd_u8(&r));
            ASSERT(open_exact(raw.data, raw.len, op % 8 == 6, NULL, 0) != SRTP_OK);
            break;
        default:
            (void)srtp_retire(&sealing, op / 8 % 6);
            (void)srtp_retire(&opening, op / 8 % 6);
            break;
        }
    }
    ASSERT(opening.stream_count <= STREAMS && sealing.stream_count <= STREAMS);
    srtp_session_end(&sealing);
    srtp_session_end(&opening);
    return 0;
}
