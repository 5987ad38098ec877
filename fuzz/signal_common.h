/* A small control core for the fuzz targets of the signalling side: deterministic, with few of everything. */
#ifndef CONCLAVE_FUZZ_SIGNAL_COMMON_H
#define CONCLAVE_FUZZ_SIGNAL_COMMON_H

#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "base/time.h"
#include "signal/control.h"

#define FUZZ_NOW_US (1000 * US_PER_S)
#define FUZZ_UNIX_US (UINT64_C(1760000000) * US_PER_S)

static inline struct control_config fuzz_config(void) {
    struct control_config config = control_config_default();
    static const struct control_key key = {.key = "devkey", .secret = "a secret of thirty-two characters"};
    config.keys = control_keys_local(&key, 1);
    config.candidates_count = 1;
    config.candidates[0] = net_addr_v4(192, 0, 2, 1, 7882);
    strcpy(config.dtls_fingerprint,
           "5F:7A:7D:8E:F6:32:B0:71:16:91:BA:5F:87:18:2B:BD:74:C4:9E:9A:12:B8:CE:98:A2:79:50:ED:4D:4D:AA:75");
    config.transports_max = 8;
    config.sources_max = 16;
    config.sinks_max = 32;
    config.sessions_max = 8;
    config.rooms_max = 4;
    return config;
}

static inline void fuzz_token(const struct control *control, const char *identity, char out[2048]) {
    struct control_token_request request = {.identity = identity,
                                            .name = "",
                                            .room = "tea",
                                            .ttl_s = 3600,
                                            .can_publish = true,
                                            .can_subscribe = true,
                                            .can_publish_data = true,
                                            .room_admin = true,
                                            .room_create = true,
                                            .room_list = true,
                                            .can_update_own_metadata = true};
    strcpy(out, "Bearer ");
    struct writer w = writer_of(out + 7, 2040);
    (void)control_token_make(control, FUZZ_UNIX_US, &request, &w);
    out[7 + w.len] = 0;
}

static inline uint32_t fuzz_join(struct control *control, const char *identity) {
    char token[2048];
    fuzz_token(control, identity, token);
    struct control_http_request request = {.method = span_str("GET"),
                                           .path = span_str("/rtc"),
                                           .query = span_str("protocol=17"),
                                           .authorization = span_str(token)};
    struct control_http_reply reply;
    return control_session_open(control, FUZZ_NOW_US, FUZZ_UNIX_US, &request, &reply);
}

/* Carries nothing out but the closing of sessions, which the contract asks for. */
static inline void fuzz_drain(struct control *control, uint32_t *sessions, size_t count) {
    struct control_output out;
    bool closed[8] = {false};
    while (control_poll(control, &out)) {
        for (size_t i = 0; i < count; i++)
            closed[i] = closed[i] || (out.type == CONTROL_CLOSE && out.session == sessions[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (!closed[i])
            continue;
        control_session_closed(control, FUZZ_NOW_US, sessions[i]);
        sessions[i] = 0;
    }
    while (control_poll(control, &out)) {
    }
}

#endif
