/* Both ICE agents under a script: the input is a list of steps, each one byte and its arguments, that deliver genuine,
 * altered and invented datagrams, let time pass, restart and lose connections. */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "protocol/candidate.h"
#include "protocol/ice_client.h"
#include "protocol/ice_lite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct ice_lite lite;
    struct ice_lite_counters counters;
    struct ice_client client;
    struct rng rng;
    uint64_t now_us;
    unsigned generation;
    bool old_valid;
};

static struct net_addr address(uint8_t n) {
    struct net_addr addr = net_addr_v4(192, 0, 2, (uint8_t)(n & 15), 5000);
    if (n & 16) {
        addr.proto = NET_TCP;
        addr.conn = 1u + (n & 3);
    }
    return addr;
}

static void credentials(unsigned generation, char ufrag[8], char pwd[32]) {
    struct writer w = writer_of(ufrag, 8);
    wr_fmt(&w, "uf%02u", generation % 100);
    wr_u8(&w, 0);
    w = writer_of(pwd, 32);
    wr_fmt(&w, "password of generation %02u", generation % 100);
    wr_u8(&w, 0);
}

static void check_invariants(const struct world *w) {
    struct net_addr to;
    struct net_addr local;
    struct net_addr paths[ICE_LITE_PATHS_MAX];
    size_t count = ice_lite_paths(&w->lite, paths);
    ASSERT(ice_lite_target(&w->lite, &to, &local) == (count > 0));
    ASSERT(count == 0 || ice_lite_is_path(&w->lite, &to));
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            ASSERT(!net_addr_equal(&paths[i], &paths[k]));
    uint64_t next_us = ice_lite_next_deadline(&w->lite, w->now_us);
    ASSERT(next_us > w->now_us);
}

static void to_lite(struct world *w, const struct net_addr *from, struct span datagram, bool genuine) {
    uint8_t out[ICE_LITE_RESPONSE_LEN_MAX];
    struct writer response = writer_of(out, sizeof out);
    struct net_addr local = address((uint8_t)(from->ip[3] / 3));
    local.proto = NET_UDP;
    local.conn = 0;
    struct ice_lite_change change;
    size_t paths = w->lite.path_count;
    enum ice_result result =
        ice_lite_input(&w->lite, w->now_us, from, &local, datagram, &response, &change, &w->counters);
    ASSERT((result == ICE_DROPPED) == (response.len == 0));
    ASSERT(genuine || result != ICE_ANSWERED); /* nobody guesses the password */
    ASSERT(result == ICE_ANSWERED || w->lite.path_count == paths);
    if (result != ICE_DROPPED)
        (void)ice_client_input(&w->client, w->now_us, from, writer_span(&response));
}

/* Everything that the client has to say; `flip` alters one byte of each datagram, in front of FINGERPRINT, the last 8
 * bytes: with that turned into another optional attribute a message is still a good one. */
static void poll_client(struct world *w, uint8_t flip) {
    uint8_t bytes[ICE_CLIENT_DATAGRAM_LEN_MAX];
    struct net_addr to;
    ice_client_tick(&w->client, w->now_us);
    struct writer out = writer_of(bytes, sizeof bytes);
    for (unsigned i = 0; ice_client_poll(&w->client, w->now_us, &out, &to); i++, out.len = 0) {
        ASSERT(i < 64); /* it comes to an end */
        if (flip != 0)
            bytes[flip % (out.len - 8)] ^= flip;
        to_lite(w, &to, writer_span(&out), flip == 0);
    }
}

static void restart(struct world *w) {
    char ufrag[8];
    char pwd[32];
    w->generation++;
    credentials(w->generation, ufrag, pwd);
    ice_lite_restart(&w->lite, span_str(ufrag), span_str(pwd));
    ice_client_restart(&w->client, w->now_us);
    ASSERT(ice_lite_set_remote(&w->lite, w->now_us, span_str(w->client.local_ufrag), span_str(w->client.local_pwd)));
    ASSERT(ice_client_set_remote(&w->client, span_str(ufrag), span_str(pwd)));
}

static void step(struct world *w, struct reader *r) {
    uint8_t op = rd_u8(r);
    uint8_t argument = rd_u8(r);
    struct net_addr addr = address(argument);
    switch (op % 8) {
    case 0:
        poll_client(w, 0);
        break;
    case 1:
        poll_client(w, (uint8_t)(argument | 1));
        break;
    case 2:
        (void)ice_client_add_candidate(&w->client, w->now_us, &addr, 1000u + argument);
        break;
    case 3:
        w->now_us += (uint64_t)argument * argument * 1000;
        break;
    case 4:
        restart(w);
        break;
    case 5:
        (void)ice_lite_forget_conn(&w->lite, argument & 3);
        break;
    case 6:
        to_lite(w, &addr, rd_span(r, argument), false);
        break;
    case 7:
        (void)ice_client_input(&w->client, w->now_us, &addr, rd_span(r, argument));
        break;
    }
    check_invariants(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct world w = {.rng = rng_seeded(1), .now_us = 1000000};
    char ufrag[8];
    char pwd[32];
    struct span peeked;
    (void)ice_peek_local_ufrag((struct span){.data = data, .len = size}, &peeked);
    credentials(0, ufrag, pwd);
    ice_lite_init(&w.lite, w.now_us, span_str(ufrag), span_str(pwd));
    ice_client_init(&w.client, &w.rng);
    ASSERT(ice_client_set_remote(&w.client, span_str(ufrag), span_str(pwd)));
    struct reader r = reader_of(data, size);
    for (unsigned i = 0; i < 256 && reader_left(&r) >= 2; i++)
        step(&w, &r);
    ice_lite_destroy(&w.lite);
    ice_client_destroy(&w.client);
    return 0;
}
