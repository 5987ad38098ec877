/* Intrusive doubly linked lists, circular around a head. A node is in at most one list; removing it twice is harmless.
 */
#ifndef CONCLAVE_ROOM_LIST_H
#define CONCLAVE_ROOM_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *head) {
    head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head) {
    return head->next == head;
}

static inline bool list_linked(const struct list *node) {
    return node->next != NULL && node->next != node;
}

static inline void list_append(struct list *head, struct list *node) {
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_remove(struct list *node) {
    if (node->next == NULL)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = node;
}

#define LIST_ENTRY(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
/* The node `next` is taken before the body runs, so the body may remove (or free) `it`, but no other element. */
#define LIST_EACH(head, type, member, it)                                                                              \
    for (type *it = LIST_ENTRY((head)->next, type, member), *it##_next = LIST_ENTRY(it->member.next, type, member);    \
         &it->member != (head); it = it##_next, it##_next = LIST_ENTRY(it->member.next, type, member))

#endif
