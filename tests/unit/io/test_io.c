/* The IO layer against real sockets on loopback, with a fake engine behind. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "fake_engine.h"
#include "io/address.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/media.h"
#include "io/steer.h"
#include "io/tcp.h"
#include "sockets.h"

#define PATIENCE_MS 5000

static int entries_in(const char *path) {
    DIR *dir = opendir(path);
    int count = 0;
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static _Atomic int wakes;

static void wake(void *context) {
    (void)context;
    atomic_fetch_add(&wakes, 1);
}

static struct media *open_media_patient(uint32_t shards, uint64_t patience_us) {
    char error[256] = "";
    struct media_config config = {
        .shards = shards, .tcp = true, .loopback_only = true, .wake = wake, .patience_us = patience_us};
    config.engine.transports_max = 8;
    struct media *media = media_create(&config, error, sizeof error);
    if (media == NULL)
        fail_msg("%s", error);
    assert_true(media_start(media, error, sizeof error));
    return media;
}

static struct media *open_media(uint32_t shards) {
    return open_media_patient(shards, 0);
}

static bool echoes(int fd, const void *data, size_t len) {
    uint8_t back[2048];
    assert_int_equal(send(fd, data, len, 0), (ssize_t)len);
    return receive(fd, back, sizeof back, PATIENCE_MS) == (ssize_t)len && memcmp(back, data, len) == 0;
}

static uint64_t sum_of(struct media *media, uint32_t shards, size_t offset) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < shards; i++)
        sum += *(const uint64_t *)(const void *)((const uint8_t *)media_insight(media, i) + offset);
    return sum;
}

static void the_clock_runs_forward_and_is_never_zero(void **state) {
    (void)state;
    uint64_t first = clock_now_us();
    assert_true(first > 0);
    assert_true(clock_now_us() >= first);
    assert_true(clock_unix_us() > UINT64_C(1700000000) * US_PER_S);
}

static void randomness_of_the_system_does_not_repeat(void **state) {
    (void)state;
    struct rng rng = entropy_rng();
    uint8_t a[32] = {0}, b[32] = {0};
    rng_fill(&rng, a, sizeof a);
    rng_fill(&rng, b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
}

static void ipv6_clients_are_counted_by_their_64(void **state) {
    (void)state;
    struct net_addr a, b, c;
    assert_true(net_ip_parse(span_str("2001:db8:1:2:3:4:5:6"), &a));
    assert_true(net_ip_parse(span_str("2001:db8:1:2::9"), &b));
    assert_true(net_ip_parse(span_str("2001:db8:1:3::9"), &c));
    a.port = 5;
    a = address_client(&a);
    b = address_client(&b);
    c = address_client(&c);
    assert_true(net_addr_equal(&a, &b));
    assert_false(net_addr_equal(&a, &c));
}

static void ufrags_name_their_shard_in_base_36(void **state) {
    (void)state;
    assert_int_equal(steer_ufrag_shard(span_str("00abcd")), 0);
    assert_int_equal(steer_ufrag_shard(span_str("0aXYZ")), 10);
    assert_int_equal(steer_ufrag_shard(span_str("10xy")), 36);
    assert_int_equal(steer_ufrag_shard(span_str("zz")), 1295);
    assert_int_equal(steer_ufrag_shard(span_str("0Abc")), STEER_UNKNOWN);
    assert_int_equal(steer_ufrag_shard(span_str("0")), STEER_UNKNOWN);
}

static void a_full_steering_table_refuses_and_a_late_goodbye_of_the_former_owner_is_ignored(void **state) {
    (void)state;
    struct rng rng = rng_seeded(1);
    struct steer steer;
    assert_true(steer_init(&steer, 4, &rng));
    struct net_addr addr = net_addr_v4(10, 0, 0, 1, 1);
    for (uint16_t port = 1; port <= 4; port++) {
        addr.port = port;
        assert_true(steer_learn(&steer, &addr, 1, false));
    }
    addr.port = 5;
    assert_false(steer_learn(&steer, &addr, 1, false));
    addr.port = 1;
    assert_true(steer_learn(&steer, &addr, 2, false));
    steer_forget(&steer, &addr, 1);
    assert_int_equal(steer_find(&steer, &addr), 2);
    steer_forget(&steer, &addr, 2);
    assert_int_equal(steer_find(&steer, &addr), STEER_UNKNOWN);
    steer_free(&steer);
}

static void an_address_that_was_proven_passes_on_only_by_another_proof(void **state) {
    (void)state;
    struct rng rng = rng_seeded(2);
    struct steer steer;
    assert_true(steer_init(&steer, 4, &rng));
    struct net_addr addr = net_addr_v4(10, 0, 0, 1, 1);
    assert_true(steer_learn(&steer, &addr, 1, false));
    assert_true(steer_learn(&steer, &addr, 2, false)); /* nobody proved anything */
    assert_int_equal(steer_find(&steer, &addr), 2);
    assert_true(steer_learn(&steer, &addr, 2, true));
    assert_true(steer_learn(&steer, &addr, 1, false));
    assert_int_equal(steer_find(&steer, &addr), 2);
    assert_true(steer_proven_elsewhere(&steer, &addr, 1));
    assert_false(steer_proven_elsewhere(&steer, &addr, 2));
    assert_true(steer_learn(&steer, &addr, 2, false)); /* told again: still proven */
    assert_true(steer_proven_elsewhere(&steer, &addr, 1));
    assert_true(steer_learn(&steer, &addr, 1, true));
    assert_int_equal(steer_find(&steer, &addr), 1);
    steer_forget(&steer, &addr, 1);
    assert_int_equal(steer_find(&steer, &addr), STEER_UNKNOWN);
    steer_free(&steer);
}

/* A check for a transport of another thread that seems to come from the victim, as its forger would send it: from the
 * victim's own socket here, since nothing else tells the two apart. */
static void a_forged_check_draws_nobodys_datagrams_to_another_thread(void **state) {
    (void)state;
    enum { SHARDS = 3, CLIENTS = 40 };
    struct media *media = open_media(SHARDS);
    int fds[CLIENTS];
    uint8_t check[128];
    for (int i = 0; i < CLIENTS; i++) { /* all of one shard, wherever the kernel puts them */
        size_t len = fake_check(check, "01Pvictim");
        fds[i] = connect_to(SOCK_DGRAM, media_udp_port(media));
        assert_true(echoes(fds[i], check, len));
    }
    for (int i = 0; i < CLIENTS; i++) {
        for (int other = 0; other < SHARDS; other += 2) {
            char ufrag[16];
            (void)snprintf(ufrag, sizeof ufrag, "0%dforged", other);
            size_t len = fake_check(check, ufrag);
            assert_true(echoes(fds[i], check, len)); /* a check is answered: it may be another's path after all */
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        assert_true(echoes(fds[i], "\x80media", 6));
    uint64_t taken = 0, contested = 0;
    for (int tries = 0; tries < PATIENCE_MS && (taken < CLIENTS || contested == 0); tries++) {
        usleep(1000);
        taken = sum_of(media, SHARDS, offsetof(struct media_insight, engine.rx_rtp));
        contested = sum_of(media, SHARDS, offsetof(struct media_insight, media.steer_contested));
    }
    assert_int_equal(media_insight(media, 1)->engine.rx_rtp, CLIENTS);
    assert_true(contested > 0);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    media_destroy(media);
}

static void datagrams_reach_the_engine_and_answers_come_back(void **state) {
    (void)state;
    struct media *media = open_media(1);
    uint8_t check[128];
    size_t len = fake_check(check, "00abcdef");
    int fd = connect_to(SOCK_DGRAM, media_udp_port(media));
    assert_true(echoes(fd, check, len));
    assert_true(echoes(fd, "\x80zzz", 4));
    close(fd);
    media_destroy(media);
}

static void datagrams_find_their_shard_whichever_thread_the_kernel_gave_them_to(void **state) {
    (void)state;
    enum { SHARDS = 3, CLIENTS = 60 };
    struct media *media = open_media(SHARDS);
    int fds[CLIENTS];
    uint8_t check[128];
    for (int i = 0; i < CLIENTS; i++) {
        char ufrag[16];
        (void)snprintf(ufrag, sizeof ufrag, "0%dclient", i % SHARDS);
        size_t len = fake_check(check, ufrag);
        fds[i] = connect_to(SOCK_DGRAM, media_udp_port(media));
        assert_true(echoes(fds[i], check, len));
    }
    /* what is not STUN is known by its address, which the owner has told the others */
    for (int i = 0; i < CLIENTS; i++)
        assert_true(echoes(fds[i], "\x80media", 6));
    uint64_t out = 0;
    for (int tries = 0; tries < 300 && out == 0; tries++) {
        usleep(10000);
        out = sum_of(media, SHARDS, offsetof(struct media_insight, media.steer_out));
    }
    assert_true(out > 0);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    media_destroy(media);
}

static void datagrams_of_nobody_are_dropped_and_counted(void **state) {
    (void)state;
    struct media *media = open_media(2);
    uint8_t check[128], back[16], large[1700] = {0x80};
    int fd = connect_to(SOCK_DGRAM, media_udp_port(media));
    size_t len = fake_check(check, "zzabcdef"); /* a shard that does not exist */
    assert_true(send(fd, check, len, 0) > 0);
    assert_true(send(fd, "\x80nobody", 7, 0) > 0);
    assert_true(send(fd, large, sizeof large, 0) > 0);
    assert_int_equal(receive(fd, back, sizeof back, 100), -1);
    uint64_t unknown = 0, truncated = 0;
    for (int tries = 0; tries < 300 && (unknown < 2 || truncated < 1); tries++) {
        usleep(10000);
        unknown = sum_of(media, 2, offsetof(struct media_insight, media.steer_unknown));
        truncated = sum_of(media, 2, offsetof(struct media_insight, udp.udp_rx_truncated));
    }
    assert_int_equal(unknown, 2);
    assert_int_equal(truncated, 1);
    close(fd);
    media_destroy(media);
}

static bool next_event(struct media *media, struct engine_event *event) {
    uint32_t shard;
    for (int tries = 0; tries < PATIENCE_MS; tries++) {
        if (media_poll(media, &shard, event))
            return true;
        media_flush(media);
        usleep(1000);
    }
    return false;
}

static void commands_and_messages_cross_over_and_the_control_thread_is_woken(void **state) {
    (void)state;
    struct media *media = open_media(2);
    atomic_store(&wakes, 0);
    struct engine_command open = {.type = ENGINE_TRANSPORT_OPEN, .object = 77};
    struct engine_command message = {.type = ENGINE_CHANNEL_SEND, .object = 77};
    assert_true(media_command(media, 1, &open, span_of(NULL, 0)));
    assert_true(media_command(media, 1, &message, span_str("hello")));
    media_flush(media);
    struct engine_event event;
    assert_true(next_event(media, &event));
    assert_int_equal(event.type, ENGINE_EV_TRANSPORT_STATE);
    assert_int_equal(event.object, 77);
    assert_true(next_event(media, &event));
    assert_int_equal(event.type, ENGINE_EV_CHANNEL_MESSAGE);
    assert_true(span_equal_str(event.payload, "hello"));
    assert_true(atomic_load(&wakes) > 0);
    media_destroy(media);
}

static void when_a_media_thread_stands_still_commands_wait_and_data_messages_are_dropped(void **state) {
    (void)state;
    struct media *media = open_media(1);
    atomic_store(&fake_engine_hold, true);
    uint32_t sent = 0;
    struct engine_command open = {.type = ENGINE_TRANSPORT_OPEN};
    struct engine_command message = {.type = ENGINE_CHANNEL_SEND};
    /* most of them are of a kind that is not answered, so that the answers fit into their ring, whoever runs first */
    struct engine_command remote = {.type = ENGINE_TRANSPORT_REMOTE, .object = 1};
    while (!media_congested(media)) {
        for (int i = 0; i < 20; i++)
            assert_true(media_command(media, 0, &remote, span_of(NULL, 0)));
        open.object = ++sent;
        assert_true(media_command(media, 0, &open, span_of(NULL, 0)));
    }
    for (int i = 0; i < 100; i++) {
        open.object = ++sent;
        assert_true(media_command(media, 0, &open, span_of(NULL, 0)));
    }
    assert_true(media_command(media, 0, &message, span_str("late")));
    assert_int_equal(media_commands_dropped(media), 1);
    media_flush(media);
    atomic_store(&fake_engine_hold, false);
    for (uint32_t i = 1; i <= sent; i++) {
        struct engine_event event;
        assert_true(next_event(media, &event));
        assert_int_equal(event.type, ENGINE_EV_TRANSPORT_STATE);
        assert_int_equal(event.object, i);
    }
    assert_false(media_congested(media));
    media_destroy(media);
}

static void a_backlog_without_end_is_refused(void **state) {
    (void)state;
    struct media *media = open_media_patient(1, 20000);
    atomic_store(&fake_engine_hold, true);
    struct engine_command open = {.type = ENGINE_TRANSPORT_OPEN};
    size_t accepted = 0;
    while (media_command(media, 0, &open, span_of(NULL, 0)) && accepted < 10000000)
        accepted++;
    assert_in_range(accepted, 1000, 200000);
    atomic_store(&fake_engine_hold, false);
    media_destroy(media);
}

static void the_commands_that_close_a_full_room_all_find_room(void **state) {
    (void)state;
    struct media *media = open_media(1);
    atomic_store(&fake_engine_hold, true);
    /* more sinks than an engine has by default, while the thread stands still */
    struct engine_command close = {.type = ENGINE_SINK_CLOSE};
    for (uint32_t i = 1; i <= 100000; i++) {
        close.object = i;
        assert_true(media_command(media, 0, &close, span_of(NULL, 0)));
    }
    atomic_store(&fake_engine_hold, false);
    media_destroy(media);
}

static void *let_go(void *unused) {
    (void)unused;
    usleep(50000);
    atomic_store(&fake_engine_hold, false);
    return NULL;
}

static void a_media_thread_that_is_only_busy_is_waited_for(void **state) {
    (void)state;
    struct media *media = open_media(1);
    atomic_store(&fake_engine_hold, true);
    struct engine_command remote = {.type = ENGINE_TRANSPORT_REMOTE}; /* the longest one */
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, let_go, NULL), 0);
    for (int i = 0; i < 100000; i++) /* 40 MB */
        assert_true(media_command(media, 0, &remote, span_of(NULL, 0)));
    assert_int_equal(pthread_join(thread, NULL), 0);
    media_destroy(media);
}

static void when_the_control_thread_stands_still_messages_are_dropped_and_states_wait(void **state) {
    (void)state;
    struct media *media = open_media(1);
    static uint8_t payload[60000];
    struct engine_command open = {.type = ENGINE_TRANSPORT_OPEN, .object = 1};
    struct engine_command message = {.type = ENGINE_CHANNEL_SEND};
    for (int i = 0; i < 300; i++) { /* 18 MB of messages through a ring of 8 */
        assert_true(media_command(media, 0, &message, span_of(payload, sizeof payload)));
        media_flush(media);
        usleep(i % 16 == 0 ? 2000 : 0);
    }
    for (int i = 0; i < 300; i++) {
        open.object = (uint32_t)i + 1;
        assert_true(media_command(media, 0, &open, span_of(NULL, 0)));
    }
    media_flush(media);
    uint64_t dropped = 0;
    for (int tries = 0; tries < 300 && dropped == 0; tries++) {
        usleep(10000);
        dropped = media_insight(media, 0)->media.events_dropped + media_commands_dropped(media);
    }
    assert_true(dropped > 0);
    uint32_t expected = 1;
    while (expected <= 300) {
        struct engine_event event;
        assert_true(next_event(media, &event));
        if (event.type == ENGINE_EV_TRANSPORT_STATE)
            assert_int_equal(event.object, expected++);
    }
    media_destroy(media);
}

static void what_was_acknowledged_is_told_however_long_the_control_thread_stood_still(void **state) {
    (void)state;
    struct media *media = open_media(1);
    struct engine_command open = {.type = ENGINE_TRANSPORT_OPEN};
    struct engine_command release = {.type = ENGINE_CHANNEL_RELEASE, .object = 7};
    release.channel_release.bytes = 1000;
    for (uint32_t i = 1; i <= 60000; i++) { /* beyond ring and backlog */
        open.object = i;
        assert_true(media_command(media, 0, &open, span_of(NULL, 0)));
    }
    for (int i = 0; i < 100; i++) /* the engine tells a sum */
        assert_true(media_command(media, 0, &release, span_of(NULL, 0)));
    media_flush(media);
    for (int tries = 0; tries < PATIENCE_MS && media_insight(media, 0)->media.events_waited == 0; tries++)
        usleep(1000);
    uint64_t told_bytes = 0;
    while (told_bytes < 100 * 1000) {
        struct engine_event event;
        assert_true(next_event(media, &event));
        if (event.type == ENGINE_EV_CHANNEL_SENT)
            told_bytes = event.channel_sent.total_bytes;
    }
    assert_int_equal(told_bytes, 100 * 1000);
    media_destroy(media);
}

static void when_the_control_thread_stands_still_reliable_messages_wait_for_it(void **state) {
    (void)state;
    struct media *media = open_media(1);
    static uint8_t payload[60000];
    struct engine_command message = {.type = ENGINE_CHANNEL_SEND, .object = 5, .channel_send = {.text = true}};
    uint32_t sent = 160; /* 9.6 MB through a ring of 8 */
    for (uint32_t i = 0; i < sent; i++) {
        assert_true(media_command(media, 0, &message, span_of(payload, sizeof payload)));
        media_flush(media);
        usleep(i % 16 == 0 ? 2000 : 0);
    }
    sent -= (uint32_t)media_commands_dropped(media);
    for (uint32_t i = 0; i < sent; i++) {
        struct engine_event event;
        assert_true(next_event(media, &event));
        assert_int_equal(event.type, ENGINE_EV_CHANNEL_MESSAGE);
        assert_int_equal(event.payload.len, sizeof payload);
        assert_true(event.message.charged_bytes > 0);
    }
    media_destroy(media);
}

static void start_and_stop_leave_no_thread_and_no_descriptor(void **state) {
    (void)state;
    media_destroy(open_media(3));
    int threads = entries_in("/proc/self/task"), files = entries_in("/proc/self/fd");
    for (int i = 0; i < 5; i++)
        media_destroy(open_media(3));
    /* a thread that was joined may stand in the list a moment longer */
    for (int tries = 0; tries < PATIENCE_MS && entries_in("/proc/self/task") > threads; tries++)
        usleep(1000);
    assert_true(entries_in("/proc/self/task") <= threads);
    assert_int_equal(entries_in("/proc/self/fd"), files);
}

static void a_port_in_use_is_named(void **state) {
    (void)state;
    char error[256] = "";
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in name = loopback(0);
    socklen_t len = sizeof name;
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    struct media_config config = {.shards = 1, .udp_port = ntohs(name.sin_port), .loopback_only = true, .wake = wake};
    assert_null(media_create(&config, error, sizeof error));
    assert_non_null(strstr(error, "UDP port"));
    close(fd);
}

/* Every media thread opens the port with SO_REUSEPORT; a second server must not get half of the datagrams by that. */
static void the_ports_of_another_server_are_not_shared(void **state) {
    (void)state;
    char error[256] = "";
    struct media *first = open_media(2);
    struct media_config config = {.shards = 1, .udp_port = media_udp_port(first), .loopback_only = true, .wake = wake};
    assert_null(media_create(&config, error, sizeof error));
    assert_non_null(strstr(error, "UDP port"));
    assert_non_null(strstr(error, "another program uses it"));
    config = (struct media_config){
        .shards = 1, .tcp = true, .tcp_port = media_tcp_port(first), .loopback_only = true, .wake = wake};
    assert_null(media_create(&config, error, sizeof error));
    assert_non_null(strstr(error, "TCP port"));
    media_destroy(first);
}

/* ---- ICE over TCP, through media threads ---- */

static void frames_over_tcp_reach_the_shard_they_name(void **state) {
    (void)state;
    struct media *media = open_media(2);
    uint8_t check[128], frame[256];
    for (int i = 0; i < 16; i++) {
        size_t len = framed(frame, check, fake_check(check, i % 2 == 0 ? "00tcp" : "01tcp"));
        int fd = connect_to(SOCK_STREAM, media_tcp_port(media));
        assert_true(echoes(fd, frame, len));
        /* in pieces, and two at once */
        assert_int_equal(send(fd, frame, 1, 0), 1);
        usleep(1000);
        assert_true(send(fd, frame + 1, len - 1, 0) > 0);
        uint8_t back[512];
        assert_int_equal(receive(fd, back, len, PATIENCE_MS), (ssize_t)len);
        memcpy(back, frame, len);
        memcpy(back + len, frame, len);
        assert_true(send(fd, back, 2 * len, 0) > 0);
        size_t got = 0;
        while (got < 2 * len) {
            ssize_t part = receive(fd, back, sizeof back, PATIENCE_MS);
            assert_true(part > 0);
            got += (size_t)part;
        }
        close(fd);
    }
    media_destroy(media);
}

static void a_tcp_connection_that_does_not_begin_with_a_check_is_closed(void **state) {
    (void)state;
    struct media *media = open_media(2);
    static const struct {
        const char *bytes;
        size_t len;
    } openings[] = {
        {"GET / HTTP/1.1\r\n\r\n", 18}, /* a frame of 18,245 bytes */
        {"\0\4\x80"
         "abc",
         6}, /* a frame that is no STUN */
        {"\0\0\0\0", 4},
        {"\2\x41"
         "x",
         3}, /* 577 bytes */
    };
    for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++) {
        uint8_t back[16];
        int fd = connect_to(SOCK_STREAM, media_tcp_port(media));
        assert_true(send(fd, openings[i].bytes, openings[i].len, 0) > 0);
        assert_int_equal(receive(fd, back, sizeof back, PATIENCE_MS), 0);
        close(fd);
    }
    media_destroy(media);
}

static void the_engine_hears_of_lost_tcp_connections(void **state) {
    (void)state;
    struct media *media = open_media(1);
    uint8_t check[128], frame[256];
    size_t len = framed(frame, check, fake_check(check, "00tcp"));
    int fd = connect_to(SOCK_STREAM, media_tcp_port(media));
    assert_true(echoes(fd, frame, len));
    close(fd);
    struct engine_event event;
    assert_true(next_event(media, &event));
    assert_int_equal(event.transport_state.state, ENGINE_TRANSPORT_FAILED);
    media_destroy(media);
}

int main(void) {
    const struct CMUnitTest io[] = {
        cmocka_unit_test(the_clock_runs_forward_and_is_never_zero),
        cmocka_unit_test(randomness_of_the_system_does_not_repeat),
        cmocka_unit_test(ipv6_clients_are_counted_by_their_64),
        cmocka_unit_test(ufrags_name_their_shard_in_base_36),
        cmocka_unit_test(a_full_steering_table_refuses_and_a_late_goodbye_of_the_former_owner_is_ignored),
        cmocka_unit_test(an_address_that_was_proven_passes_on_only_by_another_proof),
        cmocka_unit_test(a_forged_check_draws_nobodys_datagrams_to_another_thread),
        cmocka_unit_test(datagrams_reach_the_engine_and_answers_come_back),
        cmocka_unit_test(datagrams_find_their_shard_whichever_thread_the_kernel_gave_them_to),
        cmocka_unit_test(datagrams_of_nobody_are_dropped_and_counted),
        cmocka_unit_test(commands_and_messages_cross_over_and_the_control_thread_is_woken),
        cmocka_unit_test(when_a_media_thread_stands_still_commands_wait_and_data_messages_are_dropped),
        cmocka_unit_test(a_backlog_without_end_is_refused),
        cmocka_unit_test(the_commands_that_close_a_full_room_all_find_room),
        cmocka_unit_test(a_media_thread_that_is_only_busy_is_waited_for),
        cmocka_unit_test(when_the_control_thread_stands_still_messages_are_dropped_and_states_wait),
        cmocka_unit_test(when_the_control_thread_stands_still_reliable_messages_wait_for_it),
        cmocka_unit_test(what_was_acknowledged_is_told_however_long_the_control_thread_stood_still),
        cmocka_unit_test(start_and_stop_leave_no_thread_and_no_descriptor),
        cmocka_unit_test(a_port_in_use_is_named),
        cmocka_unit_test(the_ports_of_another_server_are_not_shared),
        cmocka_unit_test(frames_over_tcp_reach_the_shard_they_name),
        cmocka_unit_test(a_tcp_connection_that_does_not_begin_with_a_check_is_closed),
        cmocka_unit_test(the_engine_hears_of_lost_tcp_connections),
    };
    return cmocka_run_group_tests(io, NULL, NULL);
}
