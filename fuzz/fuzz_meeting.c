/* The meeting API: a method, a path and a body from strangers. The first line is "METHOD path", the rest the body. */
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
        static const uint8_t secret[32];
        static const struct control_key key = {.key = "key", .secret = "secret"};
        struct meeting_config config = {.crypto = &crypto_openssl,
                                        .server = group_server_local(&crypto_openssl, span_of(secret, 32)),
                                        .keys = control_keys_local(&key, 1),
                                        .rates = {{1000000, 1}, {1000000, 1}}};
        void *memory = calloc(1, meeting_size());
        ASSERT(memory != NULL);
        meeting = meeting_init(memory, &config, &rng);
    }
    struct reader r = reader_of(data, size), words;
    struct span line, method;
    if (!rd_line(&r, &line))
        return 0;
    words = reader_of_span(line);
    if (!rd_token(&words, ' ', &method))
        return 0;
    static struct meeting_reply reply;
    struct meeting_request request = {
        .method = method, .path = rd_rest(&words), .body = rd_rest(&r), .client = net_addr_v4(192, 0, 2, 1, 0)};
    meeting_request(meeting, 1000000, &request, &reply);
    ASSERT(reply.status >= 200 && reply.status < 600 && reply.len > 0 && reply.len <= sizeof reply.body);
    return 0;
}
