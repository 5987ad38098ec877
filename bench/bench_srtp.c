/* What sealing and opening a packet of 1200 bytes of payload costs, per profile, and what a session weighs.
 *
 * One payload is sealed for many sessions in turn, as a forwarder does, so that keys and windows come from as many
 * cache lines as they do in service. Opening is measured on one session, as a publisher's packets come. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "base/rng.h"
#include "protocol/rtp.h"
#include "protocol/srtp.h"

#define PAYLOAD_LEN 1200
#define SESSIONS 500
#define SLICES 8
#define ROUNDS 25 /* a slice */
#define BATCH 50
#define STREAMS 64
#define RETIRED 1024

static uint64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static struct srtp_session sessions[SESSIONS];
static uint8_t out[BATCH][1600];
static uint8_t payload[PAYLOAD_LEN];

static size_t write_header(uint8_t *header, uint16_t seq16) {
    struct rtp_ext_out exts = {0};
    rtp_ext_add_u16(&exts, 3, seq16);
    rtp_ext_add_u24(&exts, 2, seq16);
    rtp_ext_add(&exts, 4, span_str("12"));
    struct writer w = writer_of(header, RTP_HEADER_LEN_MAX);
    bool ok = rtp_write(&w, &(struct rtp_header){.pt = 96, .ssrc = 1, .seq16 = seq16}, &exts);
    ASSERT(ok);
    return w.len;
}

/* Rounds of one payload to all sessions; the array is given in pieces of BATCH. */
static double seal_slice_ns(uint16_t first_seq16) {
    uint8_t header[RTP_HEADER_LEN_MAX];
    struct srtp_job jobs[BATCH];
    uint64_t start = now_ns();
    for (uint16_t round = 0; round < ROUNDS; round++) {
        size_t header_len = write_header(header, (uint16_t)(first_seq16 + round));
        for (size_t at = 0; at < SESSIONS; at += BATCH) {
            for (size_t i = 0; i < BATCH; i++) {
                jobs[i] = (struct srtp_job){.session = &sessions[at + i],
                                            .header = header,
                                            .header_len = header_len,
                                            .payload = span_of(payload, sizeof payload),
                                            .out = out[i],
                                            .out_size = sizeof out[i]};
            }
            size_t good = srtp_seal_many(jobs, BATCH);
            ASSERT(good == BATCH);
        }
    }
    return (double)(now_ns() - start) / ((double)ROUNDS * SESSIONS);
}

static double seal_ns(void) {
    double best = seal_slice_ns(1);
    for (uint16_t slice = 1; slice < SLICES; slice++) {
        double ns = seal_slice_ns((uint16_t)(1 + slice * ROUNDS));
        best = ns < best ? ns : best;
    }
    return best;
}

static double open_ns(const struct srtp_master *master, struct rng *rng) {
    enum { PACKETS = 20000, SLICE = 1000 };
    struct srtp_session seal, open;
    void *memory[2] = {calloc(1, srtp_size(STREAMS, RETIRED)), calloc(1, srtp_size(STREAMS, RETIRED))};
    bool ok = memory[0] != NULL && memory[1] != NULL &&
              srtp_session_init(&seal, memory[0], STREAMS, RETIRED, SRTP_SEALING, master, rng) &&
              srtp_session_init(&open, memory[1], STREAMS, RETIRED, SRTP_OPENING, master, rng);
    ASSERT(ok);
    uint8_t header[RTP_HEADER_LEN_MAX];
    uint64_t spent_ns = 0, best_ns = UINT64_MAX;
    for (uint16_t seq16 = 0; seq16 < PACKETS; seq16++) {
        size_t len, header_len = write_header(header, seq16);
        (void)srtp_seal(&seal, header, header_len, span_of(payload, sizeof payload), out[0], sizeof out[0], &len);
        uint64_t start = now_ns();
        enum srtp_result result = srtp_open(&open, out[0], &len);
        spent_ns += now_ns() - start;
        ASSERT(result == SRTP_OK);
        if (seq16 % SLICE == SLICE - 1) {
            best_ns = spent_ns < best_ns ? spent_ns : best_ns;
            spent_ns = 0;
        }
    }
    srtp_session_end(&seal);
    srtp_session_end(&open);
    free(memory[0]);
    free(memory[1]);
    return (double)best_ns / SLICE;
}

int main(void) {
    static const struct {
        enum srtp_profile profile;
        const char *name;
    } profiles[] = {{SRTP_PROFILE_AEAD_AES_128_GCM, "AEAD_AES_128_GCM"},
                    {SRTP_PROFILE_AEAD_AES_256_GCM, "AEAD_AES_256_GCM"},
                    {SRTP_PROFILE_AES128_CM_SHA1_80, "AES128_CM_SHA1_80"}};
    struct rng rng = rng_seeded(1);
    printf("%d bytes of payload, %d sessions\n", PAYLOAD_LEN, SESSIONS);
    printf("%-20s %12s %12s %16s %18s\n", "profile", "seal ns", "open ns", "cipher bytes", "table bytes");
    rng_fill(&rng, payload, sizeof payload);
    (void)open_ns(&(struct srtp_master){.profile = profiles[0].profile}, &rng); /* OpenSSL's own start-up */
    for (size_t p = 0; p < ARRAY_LEN(profiles); p++) {
        struct srtp_master master = {.profile = profiles[p].profile};
        size_t table_len = srtp_size(STREAMS, RETIRED);
        uint8_t *tables = calloc(SESSIONS, table_len);
        ASSERT(tables != NULL);
        size_t before = mallinfo2().uordblks;
        for (size_t i = 0; i < SESSIONS; i++) {
            rng_fill(&rng, master.key, sizeof master.key);
            bool ok =
                srtp_session_init(&sessions[i], tables + i * table_len, STREAMS, RETIRED, SRTP_SEALING, &master, &rng);
            ASSERT(ok);
        }
        size_t cipher_bytes = (mallinfo2().uordblks - before) / SESSIONS;
        double seal = seal_ns();
        printf("%-20s %12.0f %12.0f %16zu %18zu\n", profiles[p].name, seal, open_ns(&master, &rng), cipher_bytes,
               table_len);
        for (size_t i = 0; i < SESSIONS; i++)
            srtp_session_end(&sessions[i]);
        free(tables);
    }
    printf("struct srtp_session: %zu bytes\n", sizeof(struct srtp_session));
    return 0;
}
