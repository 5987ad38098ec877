/* What media.c (the control thread's side) and media_thread.c (the media threads' side) share. */
#ifndef CONCLAVE_IO_MEDIA_INTERNAL_H
#define CONCLAVE_IO_MEDIA_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/ring.h"
#include "base/rng.h"
#include "io/media.h"
#include "io/steer.h"

/* Followed by `command_len` bytes of a struct engine_command, as many as its type uses, rounded up to 8, and by
 * `payload_len` bytes. Closing a full room closes all of its sinks at once: each is a small record. */
struct command_record {
    uint32_t command_len, payload_len;
};

/* `payload_len` bytes follow. */
struct event_record {
    uint32_t payload_len;
    struct engine_event event;
};

enum handover_type { HANDOVER_DATAGRAM, HANDOVER_PATH, HANDOVER_CONNECTION };

struct handover_record {
    enum handover_type type;
    bool added, proven; /* PATH */
    uint32_t len;       /* DATAGRAM: bytes that follow */
    int fd;             /* CONNECTION */
    struct engine_rx meta;
};

/* A command that waits in the control thread. */
struct waiting {
    struct waiting *next;
    size_t len;
    uint8_t record[];
};

struct media_thread {
    struct media *media;
    uint32_t shard;
    pthread_t thread;
    bool started;
    int epoll, wake_fd;
    _Atomic bool asleep; /* may be in epoll_wait: who adds to one of its rings must signal */

    /* the media thread's own */
    struct engine *engine;
    void *engine_memory;
    size_t engine_len;
    struct rng rng;
    struct udp *udp;
    struct tcp *tcp; /* NULL without TCP */
    struct steer steer;
    struct media_counters counters;
    uint64_t wake_shards; /* other threads to signal at the end of this turn, a bit each */
    bool wake_control;
    uint64_t now_us, insight_at_us;
    struct engine_event *backlog; /* MEDIA_EVENT_BACKLOG_MAX */
    bool has_stuck; /* a reliable message found no room: the engine is not asked for more events until it has */
    struct engine_event stuck;
    uint8_t stuck_payload[ENGINE_MESSAGE_LEN_MAX];
    uint32_t backlog_start, backlog_count;
    struct engine_tx tx[ENGINE_TX_BATCH_MAX];
    uint8_t datagram[PACKET_SLOT_LEN];
    struct engine_command command; /* being carried out */

    /* the control thread's own */
    struct waiting *waiting_first, *waiting_last;
    size_t waiting_len;
    bool signal; /* has new commands */
    bool polled; /* the record last handed out is still to be released */
    struct media_insight insight;

    struct ring commands, events, insights;
    void *rings_memory;
    struct ring handover[MEDIA_SHARDS_MAX]; /* from thread i; unused for itself */
    void *handover_memory[MEDIA_SHARDS_MAX];
};

struct media {
    struct media_config config;
    size_t mapped_len;
    _Atomic bool stop;
    uint32_t poll_shard;
    uint64_t commands_dropped;
    uint16_t udp_port, tcp_port;
    struct media_thread threads[];
};

/* Upper halves of epoll data. */
#define MEDIA_TAG_WAKE (UINT64_C(1) << 32)
#define MEDIA_TAG_UDP4 (UINT64_C(2) << 32)
#define MEDIA_TAG_UDP6 (UINT64_C(3) << 32)
#define MEDIA_TAG_TCP (UINT64_C(4) << 32)

void *media_thread_main(void *argument);
/* Handlers of struct tcp; the context is the media thread. */
bool media_thread_frame(void *context, const struct engine_rx *meta, uint8_t *data, size_t len);
void media_thread_connection_lost(void *context, uint32_t conn);
bool media_thread_connection_move(void *context, uint32_t shard, int fd, const struct net_addr *from,
                                  const struct net_addr *local);
/* Wakes a thread if it may be asleep; any thread. */
void media_thread_signal(struct media_thread *thread);

#endif
