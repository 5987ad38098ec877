/* The metrics page, in Prometheus' text format 0.0.4. Everything comes from the counter lists of the modules, so that a counter
 * which exists is a counter that is shown: conclave_<module>_<name>_total for counters, conclave_<name> for gauges. Media threads
 * are told apart by the label `shard`. Holds no addresses, names or ids. */
#ifndef CONCLAVE_SERVER_METRICS_H
#define CONCLAVE_SERVER_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Counters of one module: `values` is an array of `instances` structs of `count` uint64_t each. With more than one instance,
 * or `labelled`, each line carries shard="i". */
void metrics_counters(struct writer *w, const char *module, const struct counter_info *info, size_t count,
                      const void *values, size_t instances, bool labelled);
void metrics_gauge(struct writer *w, const char *name, const char *help, uint64_t value);
/* One gauge of several shards. */
void metrics_gauge_shards(struct writer *w, const char *name, const char *help, const uint64_t *values, size_t count);

#define METRICS_COUNTERS(w, module, type, values, instances, labelled)                                                 \
    metrics_counters(w, module, type##_list, sizeof type##_list / sizeof type##_list[0], values, instances, labelled)

#endif
