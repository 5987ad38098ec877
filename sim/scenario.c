/* The scenarios: who joins, what goes wrong, what must hold after it. Each draws its own size, network and mix of
 * clients from the seed (swarm testing: features that a run does not have, it does not have at all). */
#include <string.h>

#include "base/assert.h"
#include "sim/conference.h"

static uint64_t below(struct conference *c, uint64_t bound) {
    return rng_below(&c->rng, bound);
}

static bool coin(struct conference *c, uint32_t one_in) {
    return below(c, one_in) == 0;
}

static uint64_t ms(uint64_t n) {
    return n * US_PER_MS;
}

/* ---- networks -------------------------------------------------------------------------------------------------------
 */

static struct path_config clean_path(struct conference *c) {
    return (struct path_config){.delay_us = ms(1 + below(c, 30))};
}

/* Up to 10 % loss, 150 ms one way, and each other fault in some of the runs. */
static struct path_config rough_path(struct conference *c) {
    struct path_config path = {.delay_us = ms(1 + below(c, 150))};
    if (coin(c, 2))
        path.loss = 0.10 * rng_unit(&c->rng);
    if (coin(c, 4)) {
        path.burst_enter = 0.002;
        path.burst_leave = 0.2;
        path.burst_loss = 0.7;
    }
    if (coin(c, 2))
        path.jitter_us = ms(1 + below(c, 20));
    path.reorder = coin(c, 2);
    if (coin(c, 3))
        path.duplicate = 0.02;
    if (coin(c, 4))
        path.corrupt = 0.005;
    if (coin(c, 4))
        path.mtu_bytes = 1280;
    return path;
}

static struct client_options client_options(struct conference *c, bool rough) {
    struct client_options options = {.single_connection = coin(c, 2), .dynacast = coin(c, 2)};
    options.up = rough ? rough_path(c) : clean_path(c);
    options.down = rough ? rough_path(c) : clean_path(c);
    return options;
}

/* From here on the paths keep only their delay. */
static void calm(struct conference *c) {
    for (uint32_t i = 0; i < c->client_count; i++) {
        struct path_config up = {.delay_us = network_path(c->network, i, true)->delay_us};
        struct path_config down = {.delay_us = network_path(c->network, i, false)->delay_us};
        if (c->clients[i].slow) {
            down.rate_bps = network_path(c->network, i, false)->rate_bps;
            down.queue_us = network_path(c->network, i, false)->queue_us;
        }
        network_set(c->network, i, &up, &down);
        network_partition(c->network, i, false);
    }
}

/* ---- media ----------------------------------------------------------------------------------------------------------
 */

static const struct participant_publish microphone = {.level_dbov = 30};

static struct participant_publish camera(struct conference *c) {
    struct participant_publish what = {.video = true, .width = 1280, .height = 720, .fps = 15};
    what.layers = (uint8_t)(1 + below(c, 3));
    static const uint32_t sizes[PARTICIPANT_LAYERS_MAX] = {500, 1500, 3000};
    memcpy(what.frame_bytes, sizes, sizeof sizes);
    if (what.layers == 1)
        what.frame_bytes[0] = 1500;
    return what;
}

static void publish_both(struct conference *c, struct client *client) {
    struct participant_publish video = camera(c);
    (void)conference_publish(c, client, &microphone);
    (void)conference_publish(c, client, &video);
}

static void join_some(struct conference *c, uint32_t count, bool rough, bool publish) {
    for (uint32_t i = 0; i < count; i++) {
        struct client_options options = client_options(c, rough);
        struct client *client = conference_join(c, &options);
        if (publish)
            publish_both(c, client);
        conference_run(c, ms(below(c, 300)));
    }
}

/* Those of the last second or so: the slowest stream has fifteen packets a second, and every pause for faults to heal
 * is longer than that. */
#define RECENT_NUMBERS 16

static void settle(struct conference *c, uint64_t for_s) {
    calm(c);
    conference_run(c, for_s * US_PER_S);
    conference_expect_media(c, 2 * US_PER_S);
    conference_expect_whole(c, RECENT_NUMBERS);
}

static struct client *any_client(struct conference *c) {
    for (;;) {
        struct client *client = &c->clients[below(c, c->client_count)];
        if (client->used && !client->over)
            return client;
    }
}

/* What befalls a meeting while the others go on talking. The seed decides which of it. */
static void mishaps(struct conference *c) {
    if (coin(c, 2))
        network_rebind(c->network, any_client(c)->node);
    conference_run(c, ms(below(c, 500)));
    if (coin(c, 2))
        conference_kill(c, any_client(c));
    conference_run(c, ms(below(c, 500)));
    if (coin(c, 2))
        conference_cut_socket(c, any_client(c), ms(below(c, 2000)));
}

/* ---- scenarios ------------------------------------------------------------------------------------------------------
 */

static void run_two(struct conference *c) {
    join_some(c, 2, false, true);
    conference_run(c, ms(4000));
    settle(c, 3);
    conference_expect_whole(c, PARTICIPANT_NUMBERS_MAX);
    for (uint32_t i = 0; i < c->client_count; i++) {
        struct participant_counters counters;
        participant_counters_get(c->clients[i].participant, &counters);
        if (counters.rx_lost > 0 || counters.rx_frames < 60)
            conference_fail(c, "%s lost %llu packets and decoded %llu frames on a clean network",
                            c->clients[i].identity, (unsigned long long)counters.rx_lost,
                            (unsigned long long)counters.rx_frames);
    }
}

static void run_rough(struct conference *c) {
    join_some(c, (uint32_t)(2 + below(c, 3)), true, true);
    conference_run(c, ms(8000));
    settle(c, 4);
}

static void run_ten(struct conference *c) {
    bool rough = coin(c, 2);
    for (uint32_t i = 0; i < 10; i++) {
        struct client_options options = client_options(c, rough);
        struct client *client = conference_join(c, &options);
        if (i < 4)
            publish_both(c, client);
        else
            (void)conference_publish(c, client, &microphone);
        conference_run(c, ms(below(c, 200)));
    }
    conference_run(c, ms(2000));
    mishaps(c);
    conference_run(c, ms(1500));
    settle(c, 10); /* consent checks are up to 6 s apart */
}

static void run_fifty(struct conference *c) {
    bool rough = coin(c, 2);
    for (uint32_t i = 0; i < 50; i++) {
        struct client_options options = client_options(c, rough || coin(c, 4));
        struct client *client = conference_join(c, &options);
        if (i < 2)
            publish_both(c, client);
        else if (i < 5)
            (void)conference_publish(c, client, &microphone);
        conference_run(c, ms(below(c, 60)));
    }
    conference_run(c, ms(1000));
    mishaps(c);
    conference_run(c, ms(1000));
    settle(c, 10);
}

static void run_storm(struct conference *c) {
    uint32_t count = (uint32_t)(8 + below(c, 8));
    for (uint32_t i = 0; i < count; i++) {
        struct client_options options = client_options(c, false);
        options.room = i % 2;
        struct client *client = conference_join(c, &options);
        if (i < 6)
            (void)conference_publish(c, client, &microphone);
        if (i < 4) {
            struct participant_publish video = camera(c);
            (void)conference_publish(c, client, &video);
        }
    }
    conference_run(c, ms(1000));
    for (int i = 0; i < 3; i++) {
        conference_leave(c, any_client(c));
        conference_run(c, ms(below(c, 200)));
    }
    settle(c, 5);
}

static void run_rebind(struct conference *c) {
    join_some(c, (uint32_t)(2 + below(c, 2)), coin(c, 3), true);
    conference_run(c, ms(2000 + below(c, 2000)));
    uint32_t times = (uint32_t)(1 + below(c, 3));
    for (uint32_t i = 0; i < times; i++) {
        network_rebind(c->network, any_client(c)->node);
        conference_run(c, ms(below(c, 3000)));
    }
    settle(c, 10); /* consent checks are up to 6 s apart */
}

static void run_kill(struct conference *c) {
    join_some(c, 4, coin(c, 3), true);
    conference_run(c, ms(2000 + below(c, 1000)));
    conference_kill(c, any_client(c));
    conference_run(c, ms(1000));
    struct client_options options = client_options(c, false);
    publish_both(c, conference_join(c, &options));
    settle(c, 6);
    if (coin(c, 2))
        conference_run(c, CONFERENCE_VANISHED_US + 5 * US_PER_S);
}

static void run_cut(struct conference *c) {
    join_some(c, 3, false, true);
    conference_run(c, ms(2500 + below(c, 1500)));
    uint32_t times = (uint32_t)(1 + below(c, 3));
    for (uint32_t i = 0; i < times; i++) {
        conference_cut_socket(c, any_client(c), ms(below(c, 2000)));
        conference_run(c, ms(below(c, 4000)));
    }
    settle(c, 10);
    uint64_t resumed = 0;
    for (uint32_t i = 0; i < c->client_count; i++) {
        struct participant_counters counters;
        participant_counters_get(c->clients[i].participant, &counters);
        resumed += counters.resumes;
    }
    if (resumed == 0)
        conference_fail(c, "nobody resumed");
}

static void run_partition(struct conference *c) {
    join_some(c, 3, false, true);
    conference_run(c, ms(2500));
    struct client *client = any_client(c);
    network_partition(c->network, client->node, true);
    conference_run(c, ms(500 + below(c, 5000)));
    network_partition(c->network, client->node, false);
    settle(c, 8);
}

static void run_restart(struct conference *c) {
    join_some(c, (uint32_t)(2 + below(c, 2)), false, true);
    conference_run(c, ms(2000 + below(c, 1000)));
    conference_server_stop(c);
    conference_run(c, ms(200 + below(c, 1500)));
    conference_server_start(c);
    settle(c, 12);
}

static void churn(struct conference *c, struct client *client) {
    struct client_track *track = &client->tracks[below(c, 2)];
    struct participant_publish video = camera(c);
    if (track->publication == 0)
        (void)conference_publish(c, client, track == &client->tracks[0] ? &microphone : &video);
    else if (coin(c, 2))
        conference_mute(c, client, track->publication, !track->muted);
    else
        conference_unpublish(c, client, track->publication);
}

static void run_churn(struct conference *c) {
    join_some(c, (uint32_t)(2 + below(c, 3)), coin(c, 2), true);
    conference_run(c, ms(1000));
    for (int i = 0; i < 24; i++) {
        churn(c, any_client(c));
        conference_run(c, ms(below(c, 500)));
    }
    settle(c, 5);
}

/* The track of somebody else, drawn; NULL when nobody has one. */
static const char *any_track(struct conference *c, const struct client *client, bool video) {
    for (uint32_t tries = 0; tries < 20; tries++) {
        struct client *other = any_client(c);
        if (other == client || other->room != client->room)
            continue;
        for (int i = 0; i < PARTICIPANT_TRACKS_MAX; i++) {
            bool live;
            const char *sid = participant_publication_sid(other->participant, other->tracks[i].publication, &live);
            if (other->tracks[i].publication != 0 && other->tracks[i].video == video && sid[0] != 0)
                return sid;
        }
    }
    return NULL;
}

static void run_layers(struct conference *c) {
    join_some(c, 3, coin(c, 3), true);
    conference_run(c, ms(3000));
    for (int i = 0; i < 14; i++) {
        struct client *client = any_client(c);
        const char *sid = any_track(c, client, true);
        if (sid == NULL || participant_state(client->participant) != PARTICIPANT_CONNECTED)
            continue;
        struct participant_settings settings = {.quality = (uint8_t)below(c, 3), .disabled = coin(c, 4)};
        if (coin(c, 2)) {
            settings.width = (uint16_t)(160 << below(c, 4));
            settings.height = (uint16_t)(settings.width * 9 / 16);
        }
        participant_settings(client->participant, c->now_us, sid, &settings);
        client->deadline_us = 0;
        if (settings.disabled)
            conference_quiet(c, client, sid);
        else
            conference_not_quiet(client, sid);
        conference_run(c, ms(below(c, 1200)));
    }
    settle(c, 5);
}

static void run_subscribe(struct conference *c) {
    join_some(c, 3, coin(c, 3), true);
    conference_run(c, ms(2500));
    for (int i = 0; i < 12; i++) {
        struct client *client = any_client(c);
        const char *sid = any_track(c, client, coin(c, 2));
        if (sid == NULL || participant_state(client->participant) != PARTICIPANT_CONNECTED)
            continue;
        bool subscribe = coin(c, 2);
        participant_subscribe(client->participant, c->now_us, sid, subscribe);
        client->deadline_us = 0;
        if (subscribe)
            conference_not_quiet(client, sid);
        else
            conference_quiet(c, client, sid);
        conference_run(c, ms(below(c, 1200)));
    }
    settle(c, 6);
}

static void run_data(struct conference *c) {
    bool rough = coin(c, 2);
    uint32_t count = (uint32_t)(2 + below(c, 4));
    join_some(c, count, rough, false);
    for (uint32_t i = 0; i < count; i++) {
        participant_want_data(c->clients[i].participant, c->now_us);
        c->clients[i].deadline_us = 0;
    }
    conference_run(c, ms(4000));
    bool unicast = coin(c, 2), cuts = !rough && coin(c, 2);
    for (int i = 0; i < 150; i++) {
        if (cuts && coin(c, 50))
            conference_cut_socket(c, any_client(c), ms(below(c, 500)));
        struct client *client = any_client(c);
        struct client *only_to = unicast && coin(c, 3) ? any_client(c) : NULL;
        bool reliable = only_to == NULL && coin(c, 2);
        (void)conference_send_data(c, client, reliable, only_to == client ? NULL : only_to);
        conference_run(c, ms(below(c, 60)));
    }
    settle(c, cuts ? 8 : 5);
    conference_expect_data(c);
    uint32_t sent = 0;
    for (uint32_t i = 0; i < count; i++)
        sent += c->clients[i].data_sent_reliable;
    if (sent < 10)
        conference_fail(c, "only %u reliable data packets could be sent", sent);
}

static void run_late(struct conference *c) {
    join_some(c, 3, coin(c, 2), true);
    conference_run(c, ms(5000));
    for (int i = 0; i < 2; i++) {
        struct client_options options = client_options(c, false);
        (void)conference_join(c, &options);
        conference_run(c, ms(below(c, 1000)));
    }
    settle(c, 4);
}

static void run_slow(struct conference *c) {
    join_some(c, 3, false, true);
    struct client_options options = client_options(c, false);
    options.down.rate_bps = 150000 + below(c, 400000);
    options.down.queue_us = ms(200 + below(c, 600));
    struct client *client = conference_join(c, &options);
    client->slow = true;
    conference_run(c, ms(6000));
    settle(c, 5);
}

const struct scenario scenarios[] = {
    {"two", "two participants on a clean network: nothing may be lost", 3, run_two},
    {"rough", "loss up to 10 %, delay, jitter, reordering, duplicates, corruption, a small MTU", 6, run_rough},
    {"ten", "ten participants, four cameras; new addresses, a vanished one, cut sockets", 5, run_ten},
    {"fifty", "fifty participants, two cameras; the same", 4, run_fifty},
    {"storm", "all join at once, in two rooms, some leave at once", 3, run_storm},
    {"rebind", "a NAT gives new addresses", 3, run_rebind},
    {"kill", "a participant vanishes", 3, run_kill},
    {"cut", "signalling sockets break and are resumed", 5, run_cut},
    {"partition", "a participant is cut off for a while", 3, run_partition},
    {"restart", "the server loses its state", 3, run_restart},
    {"churn", "mute, unmute, unpublish, publish again", 6, run_churn},
    {"layers", "receivers ask for other sizes, hide and show", 5, run_layers},
    {"subscribe", "receivers unsubscribe and subscribe again", 4, run_subscribe},
    {"data", "reliable and lossy data with destinations", 4, run_data},
    {"late", "somebody joins late", 2, run_late},
    {"slow", "a receiver on a narrow path", 3, run_slow},
};
const uint32_t scenarios_count = ARRAY_LEN(scenarios);

/* Seeds go around the scenarios by weight, so that any run of consecutive ones covers them. */
const struct scenario *scenario_of_seed(const struct scenario *table, uint32_t count, uint64_t seed) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += table[i].weight;
    /* a stride prime to the sum spreads equal ones */
    uint32_t at = (uint32_t)(seed * 23 % sum);
    for (uint32_t i = 0; i < count; i++) {
        if (at < table[i].weight)
            return &table[i];
        at -= table[i].weight;
    }
    return &table[0];
}
