#include "media/nack.h"

#include <string.h>

#include "base/assert.h"
#include "base/time.h"

void nack_init(struct nack_list *list) {
    ASSERT(list != NULL);
    list->started = false;
    list->highest = 0;
    list->count = 0;
    list->rtt_us = NACK_RTT_DEFAULT_US;
    list->given_up = 0;
    list->repaired = 0;
}

static void remove_range(struct nack_list *list, uint32_t from, uint32_t count) {
    ASSERT(from + count <= list->count);
    memmove(&list->entries[from], &list->entries[from + count],
            (size_t)(list->count - from - count) * sizeof list->entries[0]);
    list->count -= count;
}

static void strike_out(struct nack_list *list, uint64_t now_us, uint64_t seq64) {
    for (uint32_t i = 0; i < list->count; i++) {
        const struct nack_entry *entry = &list->entries[i];
        if (entry->seq64 != seq64)
            continue;
        if (entry->tries == 1) { /* with more tries it is not known which one was answered (Karn) */
            uint64_t sample_us = time_since(now_us, entry->asked_us);
            if (sample_us < NACK_AGE_US)
                list->rtt_us = (uint32_t)((list->rtt_us * 7 + sample_us) / 8);
        }
        if (entry->tries > 0)
            list->repaired++;
        remove_range(list, i, 1);
        return;
    }
}

bool nack_packet(struct nack_list *list, uint64_t now_us, uint64_t seq64) {
    ASSERT(list != NULL && list->count <= NACK_LIST_MAX);
    if (!list->started) {
        list->started = true;
        list->highest = seq64;
        return true;
    }
    if (seq64 <= list->highest) {
        strike_out(list, now_us, seq64);
        return true;
    }
    uint64_t gap = seq64 - list->highest - 1;
    uint64_t first = list->highest + 1;
    list->highest = seq64;
    if (gap > NACK_LIST_MAX) {
        list->given_up += gap + list->count;
        list->count = 0;
        return false;
    }
    bool fits = list->count + gap <= NACK_LIST_MAX;
    if (!fits) { /* the newer ones are worth more */
        uint32_t surplus = (uint32_t)(list->count + gap - NACK_LIST_MAX);
        list->given_up += surplus;
        remove_range(list, 0, surplus);
    }
    for (uint64_t i = 0; i < gap; i++)
        list->entries[list->count++] =
            (struct nack_entry){.seq64 = first + i, .noticed_us = now_us, .next_us = now_us + NACK_REORDER_US};
    return fits;
}

size_t nack_due(struct nack_list *list, uint64_t now_us, uint64_t *out, size_t max, uint32_t *lost) {
    ASSERT(list != NULL && out != NULL);
    size_t due = 0;
    uint32_t kept = 0, dropped = 0;
    uint64_t interval_us = list->rtt_us > NACK_INTERVAL_MIN_US ? list->rtt_us : NACK_INTERVAL_MIN_US;
    for (uint32_t i = 0; i < list->count; i++) {
        struct nack_entry entry = list->entries[i];
        bool is_due = entry.next_us <= now_us;
        if (is_due && (entry.tries >= NACK_TRIES_MAX || time_since(now_us, entry.noticed_us) >= NACK_AGE_US)) {
            dropped++;
            continue;
        }
        if (is_due && due < max) {
            out[due++] = entry.seq64;
            entry.tries++;
            entry.asked_us = now_us;
            entry.next_us = now_us + interval_us;
        }
        list->entries[kept++] = entry;
    }
    list->count = kept;
    list->given_up += dropped;
    if (lost != NULL)
        *lost = dropped;
    return due;
}

uint64_t nack_next_deadline(const struct nack_list *list) {
    uint64_t next = TIME_NEVER;
    for (uint32_t i = 0; i < list->count; i++)
        next = time_min(next, list->entries[i].next_us);
    return next;
}
