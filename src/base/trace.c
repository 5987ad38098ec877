#include "base/trace.h"

void trace_note(struct trace *trace, uint64_t at_us, uint32_t event, uint32_t object, uint64_t a, uint64_t b) {
    if (trace->records == NULL)
        return;
    trace->records[trace->count % TRACE_RECORDS_MAX] =
        (struct trace_record){.at_us = at_us, .event = event, .object = object, .a = a, .b = b};
    trace->count++;
}

const struct trace_record *trace_back(const struct trace *trace, uint64_t n) {
    if (trace->records == NULL || n >= trace->count || n >= TRACE_RECORDS_MAX)
        return NULL;
    return &trace->records[(trace->count - 1 - n) % TRACE_RECORDS_MAX];
}
