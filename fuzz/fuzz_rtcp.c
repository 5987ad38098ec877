/* RTCP: any bytes are read without a read outside, every view to its end; and the recorder of transport-wide feedback,
 * fed with any numbers and times, writes messages that our own reader takes. The first byte chooses. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "protocol/rtcp.h"
#include "protocol/rtcp_twcc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_twcc(const struct rtcp_view *view) {
    struct rtcp_twcc_iter iter = rtcp_twcc_iter_of(view);
    struct rtcp_twcc_packet packet;
    size_t count = 0;
    for (; rtcp_twcc_next(&iter, &packet); count++)
        ASSERT(packet.seq16 == (uint16_t)(view->twcc_base_seq16 + count));
    ASSERT(count == view->twcc_status_count && count <= RTCP_TWCC_STATUS_MAX);
}

static void walk_nack(const struct rtcp_view *view) {
    uint8_t bytes[4096];
    uint16_t seq16, seqs[17];
    struct rtcp_nack_iter iter = rtcp_nack_iter_of(view);
    size_t count = 0, total = 0;
    for (; rtcp_nack_next(&iter, &seq16); total++) {
        if (total < 17)
            seqs[count++] = seq16;
    }
    ASSERT(total >= view->body.len / 4 && total <= view->body.len / 4 * 17);
    struct writer w = writer_of(bytes, sizeof bytes);
    ASSERT(rtcp_write_nack(&w, 1, 2, seqs, count) == count);
}

static void walk(const struct rtcp_view *view) {
    uint32_t ssrc;
    for (size_t i = 0; i < view->count; i++) {
        if (view->kind == RTCP_SR || view->kind == RTCP_RR)
            (void)rtcp_report_block_at(view, i);
        if (view->kind == RTCP_SDES)
            ASSERT(rtcp_sdes_cname(view, i, &ssrc).len <= RTCP_CNAME_LEN_MAX);
        if (view->kind == RTCP_BYE)
            (void)rtcp_bye_ssrc(view, i);
    }
    if (view->kind == RTCP_NACK)
        walk_nack(view);
    if (view->kind == RTCP_TWCC)
        walk_twcc(view);
    for (size_t i = 0; view->kind == RTCP_FIR && i < rtcp_fir_count(view); i++)
        (void)rtcp_fir_at(view, i);
    for (size_t i = 0; view->kind == RTCP_REMB && i < rtcp_remb_count(view); i++)
        (void)rtcp_remb_ssrc(view, i);
}

static size_t read_all(struct span compound) {
    struct rtcp_counters counters = {0};
    struct rtcp_iter iter = rtcp_iter_of(compound, &counters);
    struct rtcp_view view;
    size_t views = 0;
    for (; rtcp_next(&iter, &view); views++)
        walk(&view);
    ASSERT(views + counters.malformed + counters.unknown <= RTCP_PACKETS_MAX);
    return counters.framing + counters.malformed + counters.unknown == 0 ? views : 0;
}

static void record(struct span script) {
    static struct twcc_log log;
    static uint8_t bytes[1500];
    struct reader r = reader_of_span(script);
    uint64_t now_us = 1 + ((uint64_t)rd_u32(&r) << 16);
    uint16_t seq16 = rd_u16(&r);
    twcc_init(&log);
    while (reader_left(&r) >= 3) {
        uint8_t op = rd_u8(&r);
        uint16_t value = rd_u16(&r);
        seq16 = (uint16_t)(seq16 + (op & 0x80 ? value : op % 4));
        now_us += op & 0x40 ? (uint64_t)value << 8 : value;
        twcc_note(&log, seq16, now_us);
        if (op % 8 != 7)
            continue;
        struct writer w = writer_of(bytes, 24 + value % 1400);
        size_t start = 0;
        while (twcc_write(&log, &w, 1, 2)) {
            ASSERT(read_all(span_of(bytes + start, w.len - start)) == 1);
            start = w.len;
        }
        ASSERT(writer_ok(&w));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    if (data[0] >> 6 == 2) /* the version of RTCP: the bytes are a compound as they stand */
        (void)read_all(span_of(data, size));
    else
        record(span_of(data + 1, size - 1));
    return 0;
}
