/* What people cost who do nothing: bytes of control state (as the allocator counts them) and of engine memory (resident
 * pages) for each participant that is connected and neither publishes nor subscribes, and for an engine without
 * anybody.
 *
 *     bench_memory [participants]
 *
 * The participants are real ones on the simulator's clean network, half of them with one peer connection, half with
 * two; each transport has finished DTLS and has its data channels open. What is weighed is the server's alone: the
 * pages of the engine's mapping, and the heap that goes away when the server is stopped.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/conference.h"

static struct conference conference;

/* Memory of the engine's mapping that is really held. (mincore would count the shared page of zeros, which reading
 * maps.) */
static size_t engine_resident(const struct conference *c) {
    FILE *maps = fopen("/proc/self/smaps", "r");
    ASSERT(maps != NULL);
    char line[512];
    size_t kilobytes = 0;
    bool inside = false;
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to, value;
        if (sscanf(line, "%lx-%lx", &from, &to) == 2)
            inside = (uintptr_t)c->server.engine_memory[0] >= from && (uintptr_t)c->server.engine_memory[0] < to;
        else if (inside && sscanf(line, "Private_Dirty: %lu kB", &value) == 1)
            kilobytes = value;
    }
    (void)fclose(maps);
    return kilobytes * 1024;
}

static size_t heap_bytes(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void join(struct conference *c, bool single) {
    struct client_options options = {.single_connection = single, .no_auto_subscribe = true};
    options.up.delay_us = options.down.delay_us = 5000;
    struct client *client = conference_join(c, &options);
    participant_want_data(client->participant, c->now_us);
    client->deadline_us = 0;
    conference_run(c, 50 * US_PER_MS);
}

int main(int argc, char **argv) {
    uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 64;
    if (count < 2 || count > CONFERENCE_CLIENTS_MAX - 2)
        count = 64;
    struct sim_options options = {.seed = 1, .scenario = "memory"};
    conference_init(&conference, &options, 1);
    struct conference *c = &conference;
    conference_run(c, 100 * US_PER_MS);
    printf("engine mapping of %.1f MB, idle: %.1f kB resident\n", (double)c->server.engine_len / 1e6,
           (double)engine_resident(c) / 1e3);
    join(c, true); /* the room, and what is made once */
    join(c, false);
    conference_run(c, 3 * US_PER_S);
    size_t engine_before = engine_resident(c);
    for (uint32_t i = 0; i < count; i++)
        join(c, i % 2 == 0);
    conference_run(c, 3 * US_PER_S);
    struct control_gauges gauges;
    control_gauges_get(c->server.control, &gauges);
    struct engine_gauges engine;
    engine_gauges_get(c->server.engines[0], &engine);
    printf("%u participants, %u transports connected\n", gauges.participants, engine.transports_connected);
    printf("engine: %.1f kB a participant\n", (double)(engine_resident(c) - engine_before) / 1e3 / count);
    /* the heap that goes away with the server is the server's: control state, and DTLS of the transports */
    size_t heap_before = heap_bytes();
    uint32_t people = gauges.participants;
    conference_server_stop(c);
    printf("heap (control state and DTLS): %.1f kB a participant\n",
           (double)(heap_before - heap_bytes()) / 1e3 / people);
    conference_free(c);
    return 0;
}
