#include "media/sendlog.h"

#include <string.h>

#include "base/assert.h"
#include "base/seq.h"

void sendlog_init(struct sendlog *log) {
    ASSERT(log != NULL);
    log->next_seq64 = UINT64_C(0x10001);
    log->reported_seq64 = UINT64_C(0x10000);
    for (uint32_t i = 0; i < SENDLOG_PACKETS; i++) {
        if (log->entries[i].sent_us != 0)
            log->entries[i] = (struct sendlog_entry){0};
    }
}

uint16_t sendlog_next(struct sendlog *log, uint64_t now_us, uint16_t bytes) {
    ASSERT(log->next_seq64 != 0);
    uint64_t seq64 = log->next_seq64++;
    log->entries[seq64 % SENDLOG_PACKETS] =
        (struct sendlog_entry){.sent_us = now_us, .seq = (uint32_t)seq64, .bytes = bytes};
    return (uint16_t)seq64;
}

struct estimator_report sendlog_feedback(struct sendlog *log, const struct rtcp_view *view) {
    ASSERT(view->kind == RTCP_TWCC);
    struct estimator_report report = {0};
    int64_t delays_us = 0;
    struct rtcp_twcc_iter iter = rtcp_twcc_iter_of(view);
    struct rtcp_twcc_packet packet;
    while (rtcp_twcc_next(&iter, &packet)) {
        uint64_t seq64 = seq16_extend(log->next_seq64 - 1, packet.seq16);
        struct sendlog_entry *entry = &log->entries[seq64 % SENDLOG_PACKETS];
        if (seq64 >= log->next_seq64 || entry->sent_us == 0 || entry->seq != (uint32_t)seq64)
            continue;
        if (!packet.received) {
            /* counted once: when a feedback first passes it */
            if (seq64 > log->reported_seq64)
                report.lost++;
            continue;
        }
        report.received++;
        report.acked_bytes += entry->bytes;
        delays_us += packet.arrival_us - (int64_t)entry->sent_us;
        entry->sent_us = 0;
    }
    uint64_t last64 =
        seq16_extend(log->next_seq64 - 1, (uint16_t)(view->twcc_base_seq16 + view->twcc_status_count - 1));
    if (last64 < log->next_seq64 && last64 > log->reported_seq64)
        log->reported_seq64 = last64;
    if (report.received > 0) {
        report.has_delay = true;
        report.delay_us = delays_us / (int64_t)report.received;
    }
    return report;
}
