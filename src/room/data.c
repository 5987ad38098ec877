#include "room/data.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "room/memory.h"

void data_history_init(struct data_history *history) {
    *history = (struct data_history){0};
}

static void drop_oldest(struct data_history *history) {
    ASSERT(history->count > 0);
    struct data_entry *packet = &history->packets[history->first];
    ASSERT(history->bytes >= packet->len);
    history->bytes -= packet->len;
    free(packet->bytes);
    *packet = (struct data_entry){0};
    history->first = (history->first + 1) % DATA_HISTORY_PACKETS_MAX;
    history->count--;
}

void data_history_free(struct data_history *history) {
    while (history->count > 0)
        drop_oldest(history);
    free(history->packets);
    *history = (struct data_history){0};
}

void data_history_expire(struct data_history *history, uint64_t now_us) {
    while (history->count > 0 && time_since(now_us, history->packets[history->first].at_us) > DATA_HISTORY_AGE_US)
        drop_oldest(history);
}

void data_history_add(struct data_history *history, uint64_t now_us, const char *sender_sid, uint32_t sequence,
                      struct span packet) {
    data_history_expire(history, now_us);
    if (packet.len > DATA_HISTORY_BYTES_MAX)
        return;
    if (history->packets == NULL)
        history->packets = memory_new(DATA_HISTORY_PACKETS_MAX * sizeof *history->packets);
    while (history->count == DATA_HISTORY_PACKETS_MAX ||
           (history->count > 0 && history->bytes + packet.len > DATA_HISTORY_BYTES_MAX))
        drop_oldest(history);
    struct data_entry *slot = &history->packets[(history->first + history->count) % DATA_HISTORY_PACKETS_MAX];
    *slot = (struct data_entry){.at_us = now_us, .sequence = sequence, .len = (uint32_t)packet.len};
    bool fits = span_to_str(span_str(sender_sid), slot->sender_sid, sizeof slot->sender_sid);
    ASSERT(fits);
    slot->bytes = memory_new(packet.len);
    if (packet.len > 0)
        memcpy(slot->bytes, packet.data, packet.len);
    history->count++;
    history->bytes += packet.len;
}

const struct data_entry *data_history_at(const struct data_history *history, uint32_t n) {
    if (n >= history->count)
        return NULL;
    return &history->packets[(history->first + n) % DATA_HISTORY_PACKETS_MAX];
}

bool data_sequence_take(uint32_t *last, uint32_t sequence) {
    if (sequence == 0)
        return true;
    if (sequence <= *last)
        return false;
    *last = sequence;
    return true;
}
