#include "io/media.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/media_internal.h"
#include "io/memory.h"

#define RINGS_LEN (MEDIA_COMMAND_RING_LEN + MEDIA_EVENT_RING_LEN + MEDIA_INSIGHT_RING_LEN)

static bool fail(char *error, size_t error_size, const char *what) {
    (void)snprintf(error, error_size, "%s: %s", what, strerror(errno));
    return false;
}

static bool create_rings(struct media_thread *t, char *error, size_t error_size) {
    uint32_t shards = t->media->config.shards;
    t->rings_memory = memory_map(RINGS_LEN);
    t->backlog = memory_map(MEDIA_EVENT_BACKLOG_MAX * sizeof *t->backlog);
    if (t->rings_memory == NULL || t->backlog == NULL)
        return fail(error, error_size, "no memory for the rings of a media thread");
    ring_init(&t->commands, t->rings_memory, MEDIA_COMMAND_RING_LEN);
    uint8_t *memory = t->rings_memory;
    ring_init(&t->events, memory + MEDIA_COMMAND_RING_LEN, MEDIA_EVENT_RING_LEN);
    ring_init(&t->insights, memory + MEDIA_COMMAND_RING_LEN + MEDIA_EVENT_RING_LEN, MEDIA_INSIGHT_RING_LEN);
    ASSERT(sizeof(struct media_insight) <= ring_record_max(&t->insights));
    for (uint32_t i = 0; i < shards; i++) {
        if (i == t->shard)
            continue;
        t->handover_memory[i] = memory_map(MEDIA_HANDOVER_RING_LEN);
        if (t->handover_memory[i] == NULL)
            return fail(error, error_size, "no memory for the rings between media threads");
        ring_init(&t->handover[i], t->handover_memory[i], MEDIA_HANDOVER_RING_LEN);
    }
    if (shards > 1 && !steer_init(&t->steer, STEER_ADDRESSES_MAX, &t->rng))
        return fail(error, error_size, "no memory for the steering table");
    return true;
}

static bool create_engine(struct media_thread *t, char *error, size_t error_size) {
    struct engine_config config = t->media->config.engine;
    config.core = (uint16_t)t->shard;
    t->engine_len = engine_size(&config);
    t->engine_memory = memory_map(t->engine_len);
    if (t->engine_memory == NULL)
        return fail(error, error_size, "no memory for a media engine");
    t->engine = engine_init(t->engine_memory, &config, t->media->config.dtls, &t->rng, clock_now_us());
    return true;
}

static bool watch(struct media_thread *t, int fd, uint64_t tag) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};
    return fd < 0 || epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool create_sockets(struct media_thread *t, char *error, size_t error_size) {
    struct media *media = t->media;
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    t->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (t->epoll < 0 || t->wake_fd < 0)
        return fail(error, error_size, "a media thread's events");
    t->udp = memory_map(sizeof *t->udp);
    if (t->udp == NULL)
        return fail(error, error_size, "no memory for the UDP buffers");
    t->udp->fd4 = t->udp->fd6 = -1;
    if (!udp_open(t->udp, media->udp_port, media->config.loopback_only, error, error_size))
        return false;
    media->udp_port = t->udp->port;
    if (!watch(t, t->wake_fd, MEDIA_TAG_WAKE) || !watch(t, t->udp->fd4, MEDIA_TAG_UDP4) ||
        !watch(t, t->udp->fd6, MEDIA_TAG_UDP6))
        return fail(error, error_size, "a media thread's events");
    if (!media->config.tcp)
        return true;
    struct tcp_config config = {
        .shard = t->shard,
        .shards = media->config.shards,
        .epoll = t->epoll,
        .event_tag = MEDIA_TAG_TCP,
        .handlers = {.context = t,
                     .frame = media_thread_frame,
                     .lost = media_thread_connection_lost,
                     .move = media_thread_connection_move},
    };
    t->tcp = tcp_create(&config);
    if (t->tcp == NULL)
        return fail(error, error_size, "no memory for ICE-TCP");
    if (!tcp_listen(t->tcp, media->tcp_port, media->config.loopback_only, error, error_size))
        return false;
    media->tcp_port = tcp_port(t->tcp);
    return true;
}

struct media *media_create(const struct media_config *config, char *error, size_t error_size) {
    ASSERT(config->shards > 0 && config->shards <= MEDIA_SHARDS_MAX);
    size_t len = sizeof(struct media) + config->shards * sizeof(struct media_thread);
    struct media *media = memory_map(len);
    if (media == NULL) {
        (void)fail(error, error_size, "no memory for media threads");
        return NULL;
    }
    media->config = *config;
    media->mapped_len = len;
    media->udp_port = config->udp_port;
    media->tcp_port = config->tcp_port;
    bool ok = udp_check_free(config->udp_port, config->loopback_only, error, error_size) &&
              (!config->tcp || tcp_check_free(config->tcp_port, config->loopback_only, error, error_size));
    for (uint32_t i = 0; i < config->shards; i++)
        media->threads[i].epoll = media->threads[i].wake_fd = -1;
    for (uint32_t i = 0; i < config->shards && ok; i++) {
        struct media_thread *t = &media->threads[i];
        t->media = media;
        t->shard = i;
        t->rng = entropy_rng();
        ok = create_rings(t, error, error_size) && create_sockets(t, error, error_size) &&
             create_engine(t, error, error_size);
    }
    if (ok)
        return media;
    media_destroy(media);
    return NULL;
}

bool media_start(struct media *media, char *error, size_t error_size) {
    /* Signals are the control thread's. */
    sigset_t all, before;
    sigfillset(&all);
    ASSERT(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    bool ok = true;
    for (uint32_t i = 0; i < media->config.shards && ok; i++) {
        struct media_thread *t = &media->threads[i];
        int result = pthread_create(&t->thread, NULL, media_thread_main, t);
        if (result != 0) {
            (void)snprintf(error, error_size, "a media thread cannot be started: %s", strerror(result));
            ok = false;
        } else {
            char name[16];
            (void)snprintf(name, sizeof name, "media%u", i);
            (void)pthread_setname_np(t->thread, name);
            t->started = true;
        }
    }
    ASSERT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return ok;
}

void media_stop(struct media *media) {
    atomic_store(&media->stop, true);
    for (uint32_t i = 0; i < media->config.shards; i++) {
        struct media_thread *t = &media->threads[i];
        if (!t->started)
            continue;
        uint64_t one = 1;
        ASSERT(write(t->wake_fd, &one, sizeof one) == sizeof one);
        ASSERT(pthread_join(t->thread, NULL) == 0);
        t->started = false;
    }
}

/* Descriptors on their way between threads when these ended. */
static void close_handed_over(struct media_thread *t) {
    for (uint32_t i = 0; i < t->media->config.shards; i++) {
        struct handover_record *record;
        size_t len;
        while (t->handover_memory[i] != NULL && (record = ring_peek(&t->handover[i], &len)) != NULL) {
            if (record->type == HANDOVER_CONNECTION)
                close(record->fd);
            ring_release(&t->handover[i]);
        }
        memory_unmap(t->handover_memory[i], MEDIA_HANDOVER_RING_LEN);
    }
}

static void destroy_thread(struct media_thread *t) {
    close_handed_over(t);
    if (t->engine != NULL)
        engine_destroy(t->engine);
    memory_unmap(t->engine_memory, t->engine_len);
    if (t->tcp != NULL)
        tcp_destroy(t->tcp);
    if (t->udp != NULL) {
        udp_close(t->udp);
        memory_unmap(t->udp, sizeof *t->udp);
    }
    if (t->steer.memory != NULL)
        steer_free(&t->steer);
    memory_unmap(t->rings_memory, RINGS_LEN);
    memory_unmap(t->backlog, MEDIA_EVENT_BACKLOG_MAX * sizeof *t->backlog);
    if (t->epoll >= 0)
        close(t->epoll);
    if (t->wake_fd >= 0)
        close(t->wake_fd);
    while (t->waiting_first != NULL) {
        struct waiting *next = t->waiting_first->next;
        free(t->waiting_first);
        t->waiting_first = next;
    }
}

void media_destroy(struct media *media) {
    media_stop(media);
    for (uint32_t i = 0; i < media->config.shards; i++) {
        if (media->threads[i].media != NULL)
            destroy_thread(&media->threads[i]);
    }
    memory_unmap(media, media->mapped_len);
}

uint16_t media_udp_port(const struct media *media) {
    return media->udp_port;
}

uint16_t media_tcp_port(const struct media *media) {
    return media->tcp_port;
}

/* ---- commands ---- */

static size_t command_len(const struct engine_command *command) {
    size_t base = offsetof(struct engine_command, transport_open);
    switch (command->type) {
    case ENGINE_TRANSPORT_OPEN:
    case ENGINE_TRANSPORT_RESTART:
        return base + sizeof command->transport_open;
    case ENGINE_TRANSPORT_REMOTE:
        return base + sizeof command->transport_remote;
    case ENGINE_SOURCE_OPEN:
        return base + sizeof command->source_open;
    case ENGINE_SOURCE_MUTE:
        return base + sizeof command->source_mute;
    case ENGINE_SINK_OPEN:
        return base + sizeof command->sink_open;
    case ENGINE_SINK_SETTINGS:
        return base + sizeof command->sink_settings;
    case ENGINE_CHANNEL_OPEN:
        return base + sizeof command->channel_open;
    case ENGINE_CHANNEL_SEND:
        return base + sizeof command->channel_send;
    case ENGINE_CHANNEL_RELEASE:
        return base + sizeof command->channel_release;
    case ENGINE_TRANSPORT_CLOSE:
    case ENGINE_SOURCE_CLOSE:
    case ENGINE_SINK_CLOSE:
    case ENGINE_KEYFRAME_REQUEST:
        return base;
    }
    return sizeof *command;
}

static size_t record_len(const struct engine_command *command, struct span payload) {
    return sizeof(struct command_record) + ((command_len(command) + 7) & ~(size_t)7) + payload.len;
}

static void write_record(uint8_t *to, const struct engine_command *command, struct span payload) {
    size_t len = command_len(command);
    struct command_record head = {.command_len = (uint32_t)len, .payload_len = (uint32_t)payload.len};
    memcpy(to, &head, sizeof head);
    memcpy(to + sizeof head, command, len);
    if (payload.len > 0)
        memcpy(to + sizeof head + ((len + 7) & ~(size_t)7), payload.data, payload.len);
}

static bool put_record(struct media_thread *t, const struct engine_command *command, struct span payload) {
    uint8_t *to = ring_reserve(&t->commands, record_len(command, payload));
    if (to == NULL)
        return false;
    write_record(to, command, payload);
    ring_commit(&t->commands);
    t->signal = true;
    return true;
}

static bool put_waiting(struct media_thread *t, const struct engine_command *command, struct span payload) {
    size_t len = record_len(command, payload);
    if (t->waiting_len + len > MEDIA_BACKLOG_LEN_MAX)
        return false;
    struct waiting *w = malloc(sizeof *w + len);
    if (w == NULL)
        return false;
    w->next = NULL;
    w->len = len;
    write_record(w->record, command, payload);
    if (t->waiting_last != NULL)
        t->waiting_last->next = w;
    else
        t->waiting_first = w;
    t->waiting_last = w;
    t->waiting_len += len;
    return true;
}

static void flush_waiting(struct media_thread *t) {
    while (t->waiting_first != NULL) {
        struct waiting *w = t->waiting_first;
        uint8_t *to = ring_reserve(&t->commands, w->len);
        if (to == NULL)
            break;
        memcpy(to, w->record, w->len);
        ring_commit(&t->commands);
        t->signal = true;
        t->waiting_first = w->next;
        if (w->next == NULL)
            t->waiting_last = NULL;
        t->waiting_len -= w->len;
        free(w);
    }
    if (t->signal)
        media_thread_signal(t);
    t->signal = false;
}

/* A thread that is busy takes commands again after milliseconds, and then nothing was lost; one that takes none for this
 * long stands still for good. */
static bool wait_for_room(struct media_thread *t, const struct engine_command *command, struct span payload) {
    uint64_t patience_us = t->media->config.patience_us != 0 ? t->media->config.patience_us : MEDIA_PATIENCE_US;
    uint64_t last_us = clock_now_us();
    while (!put_waiting(t, command, payload)) {
        size_t before = t->waiting_len;
        flush_waiting(t);
        if (t->waiting_len < before) {
            last_us = clock_now_us();
            continue;
        }
        if (clock_now_us() - last_us > patience_us)
            return false;
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return true;
}

bool media_command(struct media *media, uint32_t shard, const struct engine_command *command, struct span payload) {
    ASSERT(shard < media->config.shards);
    ASSERT(payload.len <= ENGINE_MESSAGE_LEN_MAX);
    struct media_thread *t = &media->threads[shard];
    if (t->waiting_first == NULL && put_record(t, command, payload))
        return true;
    if (command->type == ENGINE_CHANNEL_SEND) {
        media->commands_dropped++;
        return true;
    }
    return wait_for_room(t, command, payload);
}

void media_flush(struct media *media) {
    for (uint32_t i = 0; i < media->config.shards; i++)
        flush_waiting(&media->threads[i]);
}

bool media_congested(const struct media *media) {
    for (uint32_t i = 0; i < media->config.shards; i++) {
        if (media->threads[i].waiting_first != NULL)
            return true;
    }
    return false;
}

size_t media_data_room(const struct media *media, uint32_t shard) {
    ASSERT(shard < media->config.shards);
    const struct media_thread *t = &media->threads[shard];
    size_t room = ring_free(&t->commands), kept = MEDIA_COMMAND_RING_LEN / 4;
    return t->waiting_first == NULL && room > kept ? room - kept : 0;
}

uint64_t media_commands_dropped(const struct media *media) {
    return media->commands_dropped;
}

/* ---- events ---- */

static bool poll_thread(struct media_thread *t, struct engine_event *event) {
    if (t->polled)
        ring_release(&t->events);
    t->polled = false;
    size_t len;
    const struct event_record *record = ring_peek(&t->events, &len);
    if (record == NULL)
        return false;
    ASSERT(len == sizeof *record + record->payload_len);
    *event = record->event;
    event->payload = span_of(record + 1, record->payload_len);
    t->polled = true;
    return true;
}

bool media_poll(struct media *media, uint32_t *shard, struct engine_event *event) {
    /* Round robin, so that one busy shard does not keep the others waiting. */
    for (uint32_t tried = 0; tried < media->config.shards; tried++) {
        media->poll_shard = (media->poll_shard + 1) % media->config.shards;
        if (poll_thread(&media->threads[media->poll_shard], event)) {
            *shard = media->poll_shard;
            return true;
        }
    }
    return false;
}

const struct media_insight *media_insight(struct media *media, uint32_t shard) {
    ASSERT(shard < media->config.shards);
    struct media_thread *t = &media->threads[shard];
    const struct media_insight *copy;
    size_t len;
    while ((copy = ring_peek(&t->insights, &len)) != NULL) {
        t->insight = *copy;
        ring_release(&t->insights);
    }
    return &t->insight;
}
