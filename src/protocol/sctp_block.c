#include <string.h>

#include "protocol/sctp_internal.h"

size_t sctp_buffers_size(uint32_t capacity) {
    return (size_t)capacity * sizeof(struct sctp_block);
}

void sctp_buffers_init(struct sctp_buffers *buffers, void *memory, uint32_t capacity) {
    ASSERT(memory != NULL && (uintptr_t)memory % _Alignof(struct sctp_block) == 0);
    ASSERT(capacity > 0 && capacity < SCTP_NONE);
    *buffers = (struct sctp_buffers){.blocks = memory, .capacity = capacity, .free_head = SCTP_NONE};
}

uint32_t sctp_block_take(struct sctp *s) {
    struct sctp_buffers *buffers = s->config.buffers;
    uint32_t index = buffers->free_head;
    if (index != SCTP_NONE)
        buffers->free_head = buffers->blocks[index].next;
    else if (buffers->fresh < buffers->capacity)
        index = buffers->fresh++;
    else
        return SCTP_NONE;
    buffers->used++;
    ASSERT(buffers->used <= buffers->capacity);
    memset(&buffers->blocks[index], 0, offsetof(struct sctp_block, bytes));
    return index;
}

void sctp_block_give(struct sctp *s, uint32_t index) {
    struct sctp_buffers *buffers = s->config.buffers;
    ASSERT(index < buffers->fresh && buffers->used > 0);
    s->settled_bytes[buffers->blocks[index].account] += buffers->blocks[index].charge_bytes;
    buffers->blocks[index].next = buffers->free_head;
    buffers->free_head = index;
    buffers->used--;
}

uint32_t sctp_blocks_free(const struct sctp *s) {
    return s->config.buffers->capacity - s->config.buffers->used;
}

struct sctp_list sctp_list_empty(void) {
    return (struct sctp_list){.head = SCTP_NONE, .tail = SCTP_NONE};
}

void sctp_list_insert(struct sctp *s, struct sctp_list *list, uint32_t before, uint32_t index) {
    struct sctp_block *b = sctp_block_at(s, index);
    b->prev = before;
    b->next = before == SCTP_NONE ? list->head : sctp_block_at(s, before)->next;
    if (b->prev == SCTP_NONE)
        list->head = index;
    else
        sctp_block_at(s, b->prev)->next = index;
    if (b->next == SCTP_NONE)
        list->tail = index;
    else
        sctp_block_at(s, b->next)->prev = index;
    list->count++;
}

void sctp_list_push(struct sctp *s, struct sctp_list *list, uint32_t index) {
    sctp_list_insert(s, list, list->tail, index);
}

void sctp_list_remove(struct sctp *s, struct sctp_list *list, uint32_t index) {
    ASSERT(list->count > 0);
    struct sctp_block *b = sctp_block_at(s, index);
    if (b->prev == SCTP_NONE)
        list->head = b->next;
    else
        sctp_block_at(s, b->prev)->next = b->next;
    if (b->next == SCTP_NONE)
        list->tail = b->prev;
    else
        sctp_block_at(s, b->next)->prev = b->prev;
    list->count--;
}

void sctp_list_clear(struct sctp *s, struct sctp_list *list) {
    while (list->head != SCTP_NONE) {
        uint32_t index = list->head;
        sctp_list_remove(s, list, index);
        sctp_block_give(s, index);
    }
    ASSERT(list->count == 0);
}

bool sctp_bit_first(const uint64_t words[SCTP_STREAM_WORDS], uint32_t *bit) {
    for (uint32_t i = 0; i < SCTP_STREAM_WORDS; i++) {
        if (words[i] != 0) {
            *bit = i * 64 + (uint32_t)__builtin_ctzll(words[i]);
            return true;
        }
    }
    return false;
}
