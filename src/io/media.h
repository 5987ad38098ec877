/* The media threads: each owns one engine (one shard), its UDP sockets and its ICE-TCP connections, and speaks with the control
 * thread and with the other media threads through single-producer rings only.
 *
 *     control thread -- commands (4 MB ring) --> media thread i -- events (8 MB ring) --> control thread
 *                                                media thread i -- datagrams, paths, connections (1 MB ring) --> media thread j
 *
 *     media_create     engines, sockets, rings; tells what went wrong in a sentence
 *     media_start      the threads
 *     media_command    control thread, any number of times; then media_flush once
 *     media_poll       control thread, until false, when it was woken and at times
 *     media_stop       ends and joins the threads; what they had said can still be polled
 *     media_destroy
 *
 * On full. A command that finds no room waits in a backlog of the control thread (MEDIA_BACKLOG_LEN_MAX bytes a shard), but data
 * messages are dropped with a counter. When the backlog is full, too, media_command waits for the thread: a moment of the
 * control thread is all that a flood of work costs. It answers false only when the thread took nothing for
 * MEDIA_PATIENCE_US, which nobody's messages bring about: the caller ends the process. Events work alike: data messages,
 * levels and statistics are dropped with a counter, state changes wait.
 *
 * Metrics. Once a second each thread puts a copy of its counters into a small ring; nothing is shared. Threads: the functions
 * here are for the control thread. */
#ifndef CONCLAVE_IO_MEDIA_H
#define CONCLAVE_IO_MEDIA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cursor.h"
#include "io/tcp.h"
#include "io/udp.h"
#include "media/engine.h"

struct dtls_context;
struct media;

#define MEDIA_SHARDS_MAX 64
#define MEDIA_COMMAND_RING_LEN (4u << 20)
#define MEDIA_EVENT_RING_LEN (8u << 20)
#define MEDIA_HANDOVER_RING_LEN (1u << 20)
/* About 60,000 commands: joining everybody of a full engine at once, or putting everybody out, takes fewer. */
#define MEDIA_BACKLOG_LEN_MAX (16u << 20)
/* A thread that took no command for so long stands still. */
#define MEDIA_PATIENCE_US UINT64_C(10000000)
/* State changes that wait in a media thread while the control thread does not read. */
#define MEDIA_EVENT_BACKLOG_MAX 8192
/* Copies of the counters go their own way: they come each second, and a large ring would become resident just for them. */
#define MEDIA_INSIGHT_RING_LEN (16u << 10)
#define MEDIA_INSIGHT_US UINT64_C(1000000)

#define MEDIA_COUNTERS(X)                                                                                              \
    X(media_wakeups, "turns of the media threads' loops")                                                              \
    X(steer_out, "datagrams handed to the thread of their shard")                                                      \
    X(steer_in, "datagrams taken over from other threads")                                                             \
    X(steer_unknown, "datagrams dropped because no thread knows their address or ufrag")                               \
    X(steer_dropped, "datagrams and connections dropped because the way to the other thread was full")                 \
    X(steer_paths_dropped, "addresses not told to other threads because the way was full")                             \
    X(steer_contested, "addresses named by checks at which a peer of another thread proved to be")                     \
    X(steer_addresses_refused, "addresses of other threads not learned because the table was full")                    \
    X(events_dropped, "engine events without lasting meaning dropped because the control thread was behind")           \
    X(events_stuck, "times that reliable data waited because the control thread was behind")                           \
    X(events_waited, "times that engine events were left in the engine because the control thread stood still")
COUNTERS_DEFINE(media_counters, MEDIA_COUNTERS)

struct media_insight {
    struct engine_counters engine;
    struct engine_module_counters modules;
    struct engine_gauges gauges;
    struct udp_counters udp;
    struct tcp_counters tcp;
    struct media_counters media;
    uint32_t tcp_connections;
};

struct media_config {
    uint32_t shards;
    uint16_t udp_port, tcp_port; /* 0 = any free one */
    bool tcp;                    /* listen for ICE over TCP at all */
    bool loopback_only;
    struct engine_config engine; /* of each; `core` is filled in */
    struct dtls_context *dtls;   /* outlives the threads */
    uint64_t patience_us;        /* 0 = MEDIA_PATIENCE_US */
    void (*wake)(void *context); /* called by media threads when there is something to poll; must only signal */
    void *wake_context;
};

/* NULL with a sentence in `error`. */
struct media *media_create(const struct media_config *config, char *error, size_t error_size);
bool media_start(struct media *media, char *error, size_t error_size);
void media_stop(struct media *media);
void media_destroy(struct media *media);
uint16_t media_udp_port(const struct media *media);
uint16_t media_tcp_port(const struct media *media);

/* `payload` is copied. */
bool media_command(struct media *media, uint32_t shard, const struct engine_command *command, struct span payload);
/* Moves what waits and wakes the threads that have something to do. */
void media_flush(struct media *media);
/* Commands wait behind a full ring: a moment not to take on new work. */
bool media_congested(const struct media *media);
/* Bytes of data messages that the ring takes now, with a quarter of it kept for commands. */
size_t media_data_room(const struct media *media, uint32_t shard);
uint64_t media_commands_dropped(const struct media *media);

/* The next engine event; its payload is valid until the next call. */
bool media_poll(struct media *media, uint32_t *shard, struct engine_event *event);
/* The latest copy that the thread gave. */
const struct media_insight *media_insight(struct media *media, uint32_t shard);

#endif
