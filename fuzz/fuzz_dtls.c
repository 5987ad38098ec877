/* Two DTLS associations under a script: genuine flights are delivered, altered, repeated, reordered and mixed with
 * invented records, and time passes. Whatever happens nobody is connected to somebody whom signalling did not name, and
 * records that are not genuine do not end an established association. */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "protocol/dtls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEPT_MAX 8

struct world {
    struct dtls *end[2]; /* server, client */
    struct dtls_counters counters;
    uint64_t now_us;
    struct {
        uint8_t bytes[DTLS_MTU];
        size_t len;
    } kept[2][KEPT_MAX]; /* datagrams waiting for the server and for the client, oldest first */
    size_t kept_count[2];
};

static struct dtls_context *context[2];

static void drain(struct world *w, int from) {
    uint8_t bytes[DTLS_DATAGRAM_LEN_MAX];
    struct writer out = writer_of(bytes, sizeof bytes);
    while (dtls_poll_data(w->end[from], &out))
        out.len = 0;
    out = writer_of(bytes, DTLS_MTU);
    while (dtls_poll_out(w->end[from], &out)) {
        int to = !from;
        if (w->kept_count[to] < KEPT_MAX) {
            memcpy(w->kept[to][w->kept_count[to]].bytes, bytes, out.len);
            w->kept[to][w->kept_count[to]++].len = out.len;
        }
        out.len = 0;
    }
}

static void deliver(struct world *w, int to, struct span datagram, bool genuine) {
    enum dtls_state before = dtls_state(w->end[to]);
    dtls_input(w->end[to], w->now_us, datagram);
    drain(w, to);
    if (before == DTLS_CONNECTED && !genuine)
        ASSERT(dtls_state(w->end[to]) == DTLS_CONNECTED);
    struct srtp_master seal;
    struct srtp_master open;
    ASSERT(dtls_export(w->end[to], &seal, &open) == (dtls_state(w->end[to]) == DTLS_CONNECTED));
    ASSERT(dtls_next_deadline(w->end[to]) == TIME_NEVER || dtls_state(w->end[to]) == DTLS_HANDSHAKING);
}

/* Delivers the oldest waiting datagram, or the one after, perhaps altered, perhaps keeping it for another time. */
static void deliver_kept(struct world *w, int to, uint8_t how, uint8_t flip, uint16_t at) {
    if (w->kept_count[to] == 0)
        return;
    size_t index = how & 1 && w->kept_count[to] > 1 ? 1 : 0;
    uint8_t bytes[DTLS_MTU];
    size_t len = w->kept[to][index].len;
    memcpy(bytes, w->kept[to][index].bytes, len);
    if (!(how & 2)) {
        w->kept_count[to]--;
        memmove(&w->kept[to][index], &w->kept[to][index + 1], (w->kept_count[to] - index) * sizeof w->kept[to][0]);
    }
    bytes[at % len] ^= flip;
    deliver(w, to, span_of(bytes, len), flip == 0);
}

static void step(struct world *w, struct reader *r) {
    uint8_t op = rd_u8(r);
    int to = op >> 7;
    uint8_t bytes[DTLS_MTU];
    struct writer out = writer_of(bytes, sizeof bytes);
    switch (op & 7) {
    case 0:
    case 1:
        deliver_kept(w, to, (uint8_t)(op >> 3), 0, 0);
        break;
    case 2: {
        uint8_t flip = rd_u8(r);
        deliver_kept(w, to, (uint8_t)(op >> 3), flip, rd_u16(r));
        break;
    }
    case 3: {
        size_t len = rd_u16(r) % 1700;
        deliver(w, to, rd_span(r, len < reader_left(r) ? len : reader_left(r)), false);
        break;
    }
    case 4: /* one record with a good header */
        wr_u8(&out, (uint8_t)(20 + rd_u8(r) % 6));
        wr_u16(&out, 0xfefd);
        wr_u16(&out, rd_u8(r) & 1);
        wr_u48(&out, rd_u8(r));
        wr_u16(&out, rd_peek(r, 0));
        wr_span(&out, rd_span(r, rd_u8(r)));
        deliver(w, to, writer_span(&out), false);
        break;
    case 5:
        w->now_us += (uint64_t)rd_u8(r) * 20000;
        for (int i = 0; i < 2; i++) {
            dtls_tick(w->end[i], w->now_us);
            drain(w, i);
        }
        break;
    case 6:
        if (dtls_seal(w->end[!to], span_str("data"), &out))
            deliver(w, to, writer_span(&out), true);
        break;
    case 7:
        if (op == 0xff)
            dtls_close(w->end[0]);
        drain(w, 0);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (int i = 0; i < 2 && context[i] == NULL; i++)
        context[i] = dtls_context_create(UINT64_C(1790000000), NULL);
    static struct world w;
    memset(&w, 0, sizeof w);
    w.now_us = 1000000;
    struct reader r = reader_of(data, size);
    uint8_t flags = rd_u8(&r);
    for (int i = 0; i < 2; i++) {
        w.end[i] = dtls_create(context[i], i == 0 ? DTLS_SERVER : DTLS_CLIENT, &w.counters);
        ASSERT(w.end[i] != NULL);
        dtls_set_fingerprint(w.end[i], dtls_context_fingerprint(context[flags & 1 ? i : !i]));
    }
    dtls_start(w.end[1], w.now_us);
    drain(&w, 1);
    for (unsigned i = 0; i < 64 && reader_left(&r) > 0; i++)
        step(&w, &r);
    if (flags & 1) /* each expects its own certificate: nobody has it */
        ASSERT(w.counters.handshakes == 0);
    dtls_destroy(w.end[0]);
    dtls_destroy(w.end[1]);
    return 0;
}
