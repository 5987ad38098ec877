#include "server/metrics.h"

#include <inttypes.h>

static void head(struct writer *w, const char *prefix, const char *name, const char *suffix, const char *help,
                 const char *type) {
    wr_fmt(w, "# HELP conclave_%s%s%s %s\n", prefix, name, suffix, help);
    wr_fmt(w, "# TYPE conclave_%s%s%s %s\n", prefix, name, suffix, type);
}

void metrics_counters(struct writer *w, const char *module, const struct counter_info *info, size_t count,
                      const void *values, size_t instances, bool labelled) {
    const uint64_t *numbers = values;
    for (size_t i = 0; i < count; i++) {
        char prefix[32];
        struct writer p = writer_of(prefix, sizeof prefix - 1);
        wr_fmt(&p, "%s_", module);
        prefix[p.len] = 0;
        head(w, prefix, info[i].name, "_total", info[i].help, "counter");
        for (size_t k = 0; k < instances; k++) {
            if (labelled)
                wr_fmt(w, "conclave_%s_%s_total{shard=\"%zu\"} %" PRIu64 "\n", module, info[i].name, k,
                       numbers[k * count + i]);
            else
                wr_fmt(w, "conclave_%s_%s_total %" PRIu64 "\n", module, info[i].name, numbers[k * count + i]);
        }
    }
}

void metrics_gauge(struct writer *w, const char *name, const char *help, uint64_t value) {
    head(w, "", name, "", help, "gauge");
    wr_fmt(w, "conclave_%s %" PRIu64 "\n", name, value);
}

void metrics_gauge_shards(struct writer *w, const char *name, const char *help, const uint64_t *values, size_t count) {
    head(w, "", name, "", help, "gauge");
    for (size_t i = 0; i < count; i++)
        wr_fmt(w, "conclave_%s{shard=\"%zu\"} %" PRIu64 "\n", name, i, values[i]);
}
