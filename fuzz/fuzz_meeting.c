/* The meeting API: a method and a path from strangers. The first line is "METHOD path". */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "meeting/meeting.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct meeting *meeting;
    static struct rng rng;
    if (meeting == NULL) {
        rng = rng_seeded(1);
        struct meeting_config config = {.rates = {{1000000, 1}, {1000000, 1}, {1000000, 1}}};
        memcpy(config.key.key, "key", 4);
        memcpy(config.key.secret, "secret", 7);
        void *memory = calloc(1, meeting_size());
        ASSERT(memory != NULL);
        meeting = meeting_init(memory, &config, &rng);
    }
    struct reader r = reader_of(data, size), words;
    struct span line, method, path;
    if (!rd_line(&r, &line))
        return 0;
    words = reader_of_span(line);
    if (!rd_token(&words, ' ', &method))
        return 0;
    path = rd_rest(&words);
    char full[512] = "/api/v1/meetings";
    /* paths outside the API never come here; "@" stands for a known meeting */
    char id[MEETING_ID_LEN + 1];
    meeting_make(meeting, &rng, id);
    struct writer w = writer_of(full, sizeof full);
    wr_str(&w, "/api/v1/meetings");
    for (size_t i = 0; i < path.len; i++) {
        if (path.data[i] == '@')
            wr_str(&w, id);
        else
            wr_u8(&w, path.data[i]);
    }
    if (!writer_ok(&w))
        return 0;
    static struct meeting_reply reply;
    struct meeting_request request = {.method = method, .path = writer_span(&w),
                                      .client = net_addr_v4(192, 0, 2, 1, 0)};
    meeting_request(meeting, &rng, 1000000, UINT64_C(1800000000000000), &request, &reply);
    ASSERT(reply.status >= 200 && reply.status < 600 && reply.len > 0 && reply.len <= sizeof reply.body);
    return 0;
}
