#include "io/memory.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"

void *memory_map(size_t len_bytes) {
    ASSERT(len_bytes > 0);
    void *memory = mmap(NULL, len_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    /* Arenas are used sparsely from the low end; a huge page would make 2 MB resident for the first packet. */
    (void)madvise(memory, len_bytes, MADV_NOHUGEPAGE);
    return memory;
}

void memory_unmap(void *memory, size_t len_bytes) {
    if (memory != NULL)
        ASSERT(munmap(memory, len_bytes) == 0);
}

void memory_forget(void *start, size_t len_bytes) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)start + page - 1) & ~(page - 1);
    uintptr_t to = ((uintptr_t)start + len_bytes) & ~(page - 1);
    if (from < to)
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
}
