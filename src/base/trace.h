/* A fixed ring of binary trace records. Modules note what happened as an event number and three integers; text is made
 * outside, by whoever prints the ring after a failure. Cheap enough to stay on. Holds no addresses, names or keys. */
#ifndef CONCLAVE_BASE_TRACE_H
#define CONCLAVE_BASE_TRACE_H

#include <stddef.h>
#include <stdint.h>

struct trace_record {
    uint64_t at_us;
    uint32_t event;  /* module number << 16 | event of the module */
    uint32_t object; /* handle */
    uint64_t a;
    uint64_t b;
};

/* 4096 records of 32 bytes: about the last second of a busy room, 128 KiB a thread. */
#define TRACE_RECORDS_MAX 4096

struct trace {
    uint64_t count;
    struct trace_record *records; /* TRACE_RECORDS_MAX, owned by the caller; NULL turns the trace off */
};

void trace_note(struct trace *trace, uint64_t at_us, uint32_t event, uint32_t object, uint64_t a, uint64_t b);
/* The n-th newest record (0 = last), or NULL. */
const struct trace_record *trace_back(const struct trace *trace, uint64_t n);

#endif
