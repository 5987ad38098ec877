#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/time.h"
#include "io/clock.h"
#include "io/media_internal.h"
#include "io/wait.h"
#include "protocol/demux.h"

/* Work of one kind in one turn of the loop, so that no kind starves the others. */
#define EVENTS_PER_TURN 64
#define UDP_BATCHES_PER_TURN 4
#define COMMANDS_PER_TURN 1024
#define HANDOVERS_PER_TURN 256
#define PATHS_PER_POLL 32
/* Longest sleep: the once-a-second duties. */
#define SLEEP_MAX_US UINT64_C(1000000)

/* ---- rings ---- */

void media_thread_signal(struct media_thread *t) {
    /* Pairs with the exchange in wait_for_events. The two are ordered: when ours is the later one we see that it may sleep,
     * and wake it; when it is the earlier one, it sees our record. The first who signals clears the flag for the others. */
    if (!atomic_exchange(&t->asleep, false))
        return;
    uint64_t one = 1;
    ssize_t written = write(t->wake_fd, &one, sizeof one);
    ASSERT(written == sizeof one || errno == EAGAIN);
}

static void *reserve_handover(struct media_thread *t, uint32_t shard, size_t len) {
    ASSERT(shard != t->shard && shard < t->media->config.shards);
    void *record = ring_reserve(&t->media->threads[shard].handover[t->shard], len);
    if (record != NULL)
        t->wake_shards |= UINT64_C(1) << shard;
    return record;
}

static void commit_handover(struct media_thread *t, uint32_t shard) {
    ring_commit(&t->media->threads[shard].handover[t->shard]);
}

static bool is_reliable(const struct engine_event *event) {
    return event->type == ENGINE_EV_CHANNEL_MESSAGE && event->message.charged_bytes > 0;
}

/* Events that say how things are at the moment (the next one says it again), and data that may be lost. */
static bool is_transient(const struct engine_event *event) {
    return event->type == ENGINE_EV_LEVELS || event->type == ENGINE_EV_STATS ||
           (event->type == ENGINE_EV_CHANNEL_MESSAGE && !is_reliable(event));
}

static bool put_event(struct media_thread *t, const struct engine_event *event) {
    struct event_record *record = ring_reserve(&t->events, sizeof *record + event->payload.len);
    if (record == NULL)
        return false;
    record->payload_len = (uint32_t)event->payload.len;
    record->event = *event;
    if (event->payload.len > 0)
        memcpy(record + 1, event->payload.data, event->payload.len);
    ring_commit(&t->events);
    t->wake_control = true;
    return true;
}

static void take_event(struct media_thread *t, const struct engine_event *event) {
    ASSERT(event->payload.len <= ENGINE_MESSAGE_LEN_MAX);
    if (t->backlog_count == 0 && put_event(t, event))
        return;
    t->wake_control = true;
    if (is_reliable(event)) {
        ASSERT(!t->has_stuck);
        t->has_stuck = true;
        t->stuck = *event;
        if (event->payload.len > 0)
            memcpy(t->stuck_payload, event->payload.data, event->payload.len);
        t->stuck.payload = span_of(t->stuck_payload, event->payload.len);
        t->counters.events_stuck++;
    } else if (is_transient(event)) {
        t->counters.events_dropped++;
    } else {
        ASSERT(t->backlog_count < MEDIA_EVENT_BACKLOG_MAX);
        struct engine_event *to = &t->backlog[(t->backlog_start + t->backlog_count++) % MEDIA_EVENT_BACKLOG_MAX];
        *to = *event;
        to->payload = span_of(NULL, 0);
    }
}

/* What finds no room here waits in the engine, which tells again what must not be lost (ENGINE_EV_CHANNEL_SENT,
 * ENGINE_EV_REFUSED) when its own queue was full as well. */
static void take_events(struct media_thread *t) {
    struct engine_event event;
    while (!t->has_stuck && t->backlog_count < MEDIA_EVENT_BACKLOG_MAX && engine_poll_event(t->engine, &event))
        take_event(t, &event);
    if (t->backlog_count == MEDIA_EVENT_BACKLOG_MAX)
        t->counters.events_waited++;
}

static void retry_events(struct media_thread *t) {
    bool full = t->backlog_count == MEDIA_EVENT_BACKLOG_MAX;
    while (t->backlog_count > 0 && put_event(t, &t->backlog[t->backlog_start])) {
        t->backlog_start = (t->backlog_start + 1) % MEDIA_EVENT_BACKLOG_MAX;
        t->backlog_count--;
    }
    if (t->has_stuck && t->backlog_count == 0 && put_event(t, &t->stuck)) {
        t->has_stuck = false;
        full = true;
    }
    if (full)
        take_events(t);
}

/* ---- the engine's law: after each input, poll until empty ---- */

static void send_all(struct media_thread *t) {
    size_t count;
    while ((count = engine_poll_tx(t->engine, t->now_us, t->tx, ENGINE_TX_BATCH_MAX)) > 0) {
        size_t start = 0;
        while (start < count) {
            size_t end = start;
            while (end < count && t->tx[end].to.proto == NET_UDP)
                end++;
            if (end > start) {
                udp_send(t->udp, t->tx + start, end - start);
                start = end;
                continue;
            }
            if (t->tcp != NULL)
                tcp_send(t->tcp, t->tx[start].to.conn, t->tx[start].data, t->tx[start].len);
            start++;
        }
    }
}

static void tell_path(struct media_thread *t, const struct engine_path *path) {
    if (path->from.proto == NET_TCP) {
        if (!path->added && t->tcp != NULL)
            tcp_close(t->tcp, path->from.conn);
        return;
    }
    if (t->media->config.shards > 1 && path->added && !path->proven &&
        steer_proven_elsewhere(&t->steer, &path->from, t->shard)) {
        t->counters.steer_contested++;
        engine_path_elsewhere(t->engine, &path->from);
        return;
    }
    for (uint32_t shard = 0; shard < t->media->config.shards; shard++) {
        if (shard == t->shard)
            continue;
        struct handover_record *record = reserve_handover(t, shard, sizeof *record);
        if (record == NULL) {
            t->counters.steer_paths_dropped++;
            continue;
        }
        *record = (struct handover_record){
            .type = HANDOVER_PATH, .added = path->added, .proven = path->proven, .meta.from = path->from};
        commit_handover(t, shard);
    }
    /* an address that is ours now may have been another shard's */
    if (path->added && t->media->config.shards > 1) {
        uint32_t other = steer_find(&t->steer, &path->from);
        if (other != STEER_UNKNOWN)
            steer_forget(&t->steer, &path->from, other);
    }
}

/* Paths before answers: who gets the answer and sends on to another thread finds his address known there. */
static void settle(struct media_thread *t) {
    struct engine_path paths[PATHS_PER_POLL];
    size_t count;
    while ((count = engine_poll_paths(t->engine, paths, PATHS_PER_POLL)) > 0) {
        for (size_t i = 0; i < count; i++)
            tell_path(t, &paths[i]);
    }
    send_all(t);
    take_events(t);
}

/* ---- datagrams ---- */

static void hand_over(struct media_thread *t, const struct engine_rx *meta, const uint8_t *data, size_t len) {
    struct span datagram = span_of(data, len);
    uint32_t shard = STEER_UNKNOWN;
    if (t->media->config.shards > 1) {
        shard = demux(datagram) == DEMUX_STUN ? steer_stun_shard(datagram) : STEER_UNKNOWN;
        if (shard == STEER_UNKNOWN)
            shard = steer_find(&t->steer, &meta->from);
    }
    if (shard >= t->media->config.shards || shard == t->shard) {
        t->counters.steer_unknown++;
        return;
    }
    struct handover_record *record = reserve_handover(t, shard, sizeof *record + len);
    if (record == NULL) {
        t->counters.steer_dropped++;
        return;
    }
    *record = (struct handover_record){.type = HANDOVER_DATAGRAM, .len = (uint32_t)len, .meta = *meta};
    memcpy(record + 1, data, len);
    commit_handover(t, shard);
    t->counters.steer_out++;
}

static void receive(struct media_thread *t, int fd) {
    for (int batch = 0; batch < UDP_BATCHES_PER_TURN; batch++) {
        size_t count = udp_receive(t->udp, fd);
        t->now_us = clock_now_us();
        for (size_t i = 0; i < count; i++) {
            struct udp_rx *rx = &t->udp->batch[i];
            enum engine_rx_result result = engine_input(t->engine, t->now_us, &rx->meta, rx->data, rx->len);
            settle(t);
            if (result == ENGINE_RX_UNKNOWN)
                hand_over(t, &rx->meta, rx->data, rx->len);
        }
        if (count < UDP_RX_BATCH_MAX)
            return;
    }
}

bool media_thread_frame(void *context, const struct engine_rx *meta, uint8_t *data, size_t len) {
    struct media_thread *t = context;
    enum engine_rx_result result = engine_input(t->engine, t->now_us, meta, data, len);
    settle(t);
    return result == ENGINE_RX_TAKEN;
}

void media_thread_connection_lost(void *context, uint32_t conn) {
    struct media_thread *t = context;
    engine_connection_lost(t->engine, t->now_us, conn);
    settle(t);
}

bool media_thread_connection_move(void *context, uint32_t shard, int fd, const struct net_addr *from,
                                  const struct net_addr *local) {
    struct media_thread *t = context;
    struct handover_record *record = reserve_handover(t, shard, sizeof *record);
    if (record == NULL) {
        t->counters.steer_dropped++;
        return false;
    }
    *record = (struct handover_record){.type = HANDOVER_CONNECTION, .fd = fd, .meta = {.from = *from, .local = *local}};
    commit_handover(t, shard);
    return true;
}

/* ---- what other threads say ---- */

static void take_commands(struct media_thread *t) {
    for (int i = 0; i < COMMANDS_PER_TURN; i++) {
        size_t len;
        struct command_record *record = ring_peek(&t->commands, &len);
        if (record == NULL)
            return;
        size_t command_len = (record->command_len + 7u) & ~(size_t)7;
        ASSERT(record->command_len <= sizeof t->command && len == sizeof *record + command_len + record->payload_len);
        memcpy(&t->command, record + 1, record->command_len);
        engine_command(t->engine, t->now_us, &t->command,
                       span_of((uint8_t *)(record + 1) + command_len, record->payload_len));
        ring_release(&t->commands);
        settle(t);
    }
}

static void take_handover(struct media_thread *t, uint32_t from_shard, const struct handover_record *record) {
    switch (record->type) {
    case HANDOVER_DATAGRAM:
        ASSERT(record->len <= PACKET_LEN_MAX);
        memcpy(t->datagram, record + 1, record->len);
        t->counters.steer_in++;
        /* not handed over again: an address that nobody has any more must not circle */
        if (engine_input(t->engine, t->now_us, &record->meta, t->datagram, record->len) == ENGINE_RX_UNKNOWN)
            t->counters.steer_unknown++;
        settle(t);
        break;
    case HANDOVER_PATH:
        if (!record->added)
            steer_forget(&t->steer, &record->meta.from, from_shard);
        else if (!steer_learn(&t->steer, &record->meta.from, from_shard, record->proven))
            t->counters.steer_addresses_refused++;
        if (record->added && record->proven)
            engine_path_elsewhere(t->engine, &record->meta.from);
        break;
    case HANDOVER_CONNECTION:
        ASSERT(t->tcp != NULL);
        tcp_adopt(t->tcp, t->now_us, record->fd, &record->meta.from, &record->meta.local);
        break;
    }
}

static void take_handovers(struct media_thread *t) {
    for (uint32_t from = 0; from < t->media->config.shards; from++) {
        if (from == t->shard)
            continue;
        for (int i = 0; i < HANDOVERS_PER_TURN; i++) {
            size_t len;
            const struct handover_record *record = ring_peek(&t->handover[from], &len);
            if (record == NULL)
                break;
            take_handover(t, from, record);
            ring_release(&t->handover[from]);
        }
    }
}

static bool rings_empty(struct media_thread *t) {
    size_t len;
    if (ring_peek(&t->commands, &len) != NULL)
        return false;
    for (uint32_t from = 0; from < t->media->config.shards; from++) {
        if (from != t->shard && ring_peek(&t->handover[from], &len) != NULL)
            return false;
    }
    return true;
}

/* ---- the loop ---- */

static void once_a_second(struct media_thread *t) {
    if (t->now_us < t->insight_at_us)
        return;
    t->insight_at_us = t->now_us + MEDIA_INSIGHT_US;
    if (t->tcp != NULL)
        tcp_expire(t->tcp, t->now_us);
    struct media_insight *insight = ring_reserve(&t->insights, sizeof *insight);
    if (insight == NULL)
        return;
    memset(insight, 0, sizeof *insight);
    engine_counters_get(t->engine, &insight->engine);
    engine_module_counters_get(t->engine, &insight->modules);
    engine_gauges_get(t->engine, &insight->gauges);
    insight->udp = t->udp->counters;
    insight->media = t->counters;
    if (t->tcp != NULL) {
        insight->tcp = *tcp_counters_get(t->tcp);
        insight->tcp_connections = tcp_connections(t->tcp);
    }
    /* No wake-up for this alone: the control thread reads it when it comes by. */
    ring_commit(&t->insights);
}

static int wait_for_events(struct media_thread *t, struct epoll_event *events) {
    uint64_t deadline_us = time_min(engine_next_deadline_us(t->engine), t->insight_at_us);
    uint64_t now_us = clock_now_us();
    uint64_t wait_us = time_min(time_since(deadline_us, now_us), SLEEP_MAX_US);
    (void)atomic_exchange(&t->asleep, true);
    if (!rings_empty(t))
        wait_us = 0;
    else if (t->backlog_count > 0 || t->has_stuck) /* nobody tells us when the control thread has made room */
        wait_us = time_min(wait_us, US_PER_MS);
    int count = wait_events(t->epoll, events, EVENTS_PER_TURN, wait_us);
    (void)atomic_exchange(&t->asleep, false);
    return count;
}

static void handle_event(struct media_thread *t, const struct epoll_event *event) {
    uint64_t tag = event->data.u64 & ~(uint64_t)UINT32_MAX;
    if (tag == MEDIA_TAG_UDP4) {
        receive(t, t->udp->fd4);
    } else if (tag == MEDIA_TAG_UDP6) {
        receive(t, t->udp->fd6);
    } else if (tag == MEDIA_TAG_TCP) {
        tcp_event(t->tcp, t->now_us, (uint32_t)event->data.u64, event->events);
    } else {
        ASSERT(tag == MEDIA_TAG_WAKE);
        uint64_t count;
        (void)!read(t->wake_fd, &count, sizeof count);
    }
}

static void wake_others(struct media_thread *t) {
    for (uint32_t shard = 0; t->wake_shards != 0 && shard < t->media->config.shards; shard++) {
        if ((t->wake_shards >> shard & 1) != 0)
            media_thread_signal(&t->media->threads[shard]);
    }
    t->wake_shards = 0;
    if (t->wake_control)
        t->media->config.wake(t->media->config.wake_context);
    t->wake_control = false;
}

/* Packets are late after milliseconds, everything else here after seconds: where the system allows it (root, or LimitNICE of
 * the systemd unit), media goes first on a busy machine. On Linux the priority is the calling thread's alone. */
#define NICENESS (-10)

void *media_thread_main(void *argument) {
    struct media_thread *t = argument;
    (void)setpriority(PRIO_PROCESS, 0, NICENESS);
    struct epoll_event events[EVENTS_PER_TURN];
    t->now_us = clock_now_us();
    t->insight_at_us = t->now_us;
    while (!atomic_load(&t->media->stop)) {
        int count = wait_for_events(t, events);
        t->now_us = clock_now_us();
        t->counters.media_wakeups++;
        take_handovers(t); /* before new datagrams, see settle */
        for (int i = 0; i < count; i++)
            handle_event(t, &events[i]);
        take_commands(t);
        if (t->now_us >= engine_next_deadline_us(t->engine)) {
            engine_tick(t->engine, t->now_us, clock_unix_us());
            settle(t);
        }
        once_a_second(t);
        if (t->tcp != NULL)
            tcp_reap(t->tcp);
        retry_events(t);
        wake_others(t);
    }
    take_commands(t); /* the last ones close transports, and their peers should hear of it */
    return NULL;
}
