/* Counters. A module lists its counters once, as an X-macro, with a help text each:
 *
 *     #define STUN_COUNTERS(X) \
 *         X(rx_bad_integrity, "binding requests whose MESSAGE-INTEGRITY did not verify")
 *     COUNTERS_DEFINE(stun_counters, STUN_COUNTERS)
 *
 * which makes `struct stun_counters { uint64_t rx_bad_integrity; }` and `stun_counters_list`, an array of names and help
 * texts in field order for the metrics page. Every drop of input or output has a counter. Single writer; the metrics
 * reader gets a copy by message, so nothing here is atomic. */
#ifndef CONCLAVE_BASE_COUNTER_H
#define CONCLAVE_BASE_COUNTER_H

#include <stddef.h>
#include <stdint.h>

struct counter_info {
    const char *name;
    const char *help;
};

#define COUNTER_FIELD(name, help) uint64_t name;
#define COUNTER_INFO(name, help) {#name, help},
#define COUNTERS_DEFINE(type, LIST)                                                                                    \
    struct type {                                                                                                      \
        LIST(COUNTER_FIELD)                                                                                            \
    };                                                                                                                 \
    __attribute__((unused)) static const struct counter_info type##_list[] = {LIST(COUNTER_INFO)};

/* Adds every field of one counter struct to another of the same type. */
static inline void counters_add(void *sum, const void *part, size_t size_bytes) {
    uint64_t *to = sum;
    const uint64_t *from = part;
    for (size_t i = 0; i < size_bytes / sizeof(uint64_t); i++)
        to[i] += from[i];
}

#endif
