/* Join requests: the query as it is, or the input as the binary inside of it. */
#include <stdlib.h>

#include "base/base64.h"
#include "signal_common.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > 65536)
        return 0;
    struct control_config config = fuzz_config();
    struct rng rng = rng_seeded(1);
    struct control *control = control_create(&config, &rng, FUZZ_NOW_US, FUZZ_UNIX_US);
    char token[2048];
    fuzz_token(control, "ana", token);
    bool binary = (data[0] & 1) != 0;
    size_t room = BASE64_LEN(size) + 32;
    char *query = malloc(room);
    struct writer w = writer_of(query, room);
    if (binary) {
        wr_str(&w, "join_request=");
        wr_base64url(&w, span_of(data + 1, size - 1));
    } else {
        wr_bytes(&w, data + 1, size - 1);
    }
    struct control_http_request request = {.method = span_str("GET"),
                                           .path = span_str(binary ? "/rtc/v1" : "/rtc"),
                                           .query = writer_span(&w),
                                           .authorization = span_str(token)};
    struct control_http_reply reply;
    uint32_t session = control_session_open(control, FUZZ_NOW_US, FUZZ_UNIX_US, &request, &reply);
    fuzz_drain(control, &session, 1);
    free(query);
    control_destroy(control);
    return 0;
}
