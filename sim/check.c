/* What must hold in a conference, and the report when it does not. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/conference.h"

/* How long after an unsubscribe media may still come: the message's way, the datagrams' way back, retransmissions. */
#define QUIET_AFTER_US (3 * US_PER_S)
#define TRACE_PRINT_MAX 40
#define FORGET_MAX_S 200

/* ---- failure
 * ---------------------------------------------------------------------------------------------------------- */

static const char *trace_name(uint32_t event) {
    static const char *const names[] = {
        "datagram up",  "datagram down", "socket open", "message up", "message down", "socket closed", "command",
        "engine event", "client event",  "script",      "member",     "delivery",     "group up",      "group down"};
    uint32_t i = event - TRACE_DATAGRAM_UP;
    return i < ARRAY_LEN(names) ? names[i] : "?";
}

void conference_print_trace(const struct conference *c) {
    uint32_t shown = 0;
    printf("the last records, newest first (datagrams left out):\n");
    for (uint64_t n = 0; n < TRACE_RECORDS_MAX && shown < TRACE_PRINT_MAX; n++) {
        const struct trace_record *record = trace_back(&c->trace, n);
        if (record == NULL)
            break;
        if (record->event == TRACE_DATAGRAM_UP || record->event == TRACE_DATAGRAM_DOWN)
            continue;
        printf("  %10.4f s  %-13s object %u  a %llu  b %llu\n", (double)(record->at_us - c->start_us) / 1e6,
               trace_name(record->event), record->object, (unsigned long long)record->a, (unsigned long long)record->b);
        shown++;
    }
}

static void print_client(const struct conference *c, const struct client *client) {
    if (!client->used)
        return;
    char text[256];
    struct participant_counters counters;
    participant_counters_get(client->participant, &counters);
    printf("  %s %s state %d joined %u connected %u rx %llu lost %llu nack %llu pli %llu frames %llu resumes %llu "
           "rejoins %llu "
           "bad %llu unknown %llu\n",
           client->identity, participant_sid(client->participant), (int)participant_state(client->participant),
           client->joined_count, client->connected_count, (unsigned long long)counters.rx_rtp,
           (unsigned long long)counters.rx_lost, (unsigned long long)counters.tx_nack,
           (unsigned long long)counters.tx_pli, (unsigned long long)counters.rx_frames,
           (unsigned long long)counters.resumes, (unsigned long long)counters.rejoins,
           (unsigned long long)counters.signal_bad, (unsigned long long)counters.rx_unknown_ssrc);
    for (uint32_t i = 0; i < PARTICIPANT_LINKS; i++) {
        struct writer w = writer_of(text, sizeof text - 1);
        participant_link_text(client->participant, i, &w);
        text[w.len] = 0;
        printf("    %s\n", text);
    }
    for (uint32_t i = 0; c->options.verbose && i < CONFERENCE_STREAMS_MAX; i++) {
        struct participant_stream stream;
        if (participant_stream_get(client->participant, i, &stream))
            printf(
                "    stream %s video %d of %u/%u packets %llu frames %llu lost %llu last %.3f decoded %.3f layer %u\n",
                stream.track_sid, stream.video, stream.publisher, stream.publication,
                (unsigned long long)stream.packets, (unsigned long long)stream.frames, (unsigned long long)stream.lost,
                (double)stream.last_rx_us / 1e6 - (double)c->start_us / 1e6,
                (double)stream.last_decoded_us / 1e6 - (double)c->start_us / 1e6, stream.layer);
    }
}

_Noreturn void conference_fail(struct conference *c, const char *format, ...) {
    char what[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (c->options.expected != NULL && strstr(what, c->options.expected) != NULL)
        _Exit(CONFERENCE_EXIT_EXPECTED);
    printf("FAILED seed %llu scenario %s at %.3f s: %s\n", (unsigned long long)c->options.seed, c->options.scenario,
           (double)(c->now_us - c->start_us) / 1e6, what);
    conference_print_trace(c);
    for (uint32_t i = 0; i < c->client_count && i < 16; i++)
        print_client(c, &c->clients[i]);
    for (uint32_t i = 0; c->server.running && i < c->shards; i++) {
        struct engine_counters counters;
        engine_counters_get(c->server.engines[i], &counters);
        const uint64_t *values = (const uint64_t *)(const void *)&counters;
        printf("  engine %u:", i);
        for (size_t k = 0; k < ARRAY_LEN(engine_counters_list); k++) {
            if (values[k] != 0)
                printf(" %s %llu", engine_counters_list[k].name, (unsigned long long)values[k]);
        }
        printf("\n");
    }
    printf("to see it again: sim run --seeds 1 --first %llu --scenario %s --verbose\n",
           (unsigned long long)c->options.seed, c->options.scenario);
    fflush(stdout);
    _Exit(1);
}

/* ---- every 100 ms
 * ------------------------------------------------------------------------------------------------------- */

static void check_origin(struct conference *c, const struct client *client, const struct participant_stream *stream) {
    if (!stream->stamped)
        return;
    if (stream->publisher >= c->client_count)
        conference_fail(c, "%s gets media of nobody", client->identity);
    const struct client *publisher = &c->clients[stream->publisher];
    if (publisher->room != client->room)
        conference_fail(c, "%s in room %u gets media of %s in room %u", client->identity, client->room,
                        publisher->identity, publisher->room);
    if (publisher == client)
        conference_fail(c, "%s gets its own media", client->identity);
    bool live;
    const char *sid =
        publisher->used ? participant_publication_sid(publisher->participant, stream->publication, &live) : "";
    /* a publisher that joined anew has new sids while the old stream ends */
    if (sid[0] != 0 && strcmp(sid, stream->track_sid) != 0 && publisher->joined_count == 1)
        conference_fail(c, "%s subscribed to %s and gets %s of %s", client->identity, stream->track_sid, sid,
                        publisher->identity);
}

static void check_quiet(struct conference *c, const struct client *client, const struct participant_stream *stream) {
    for (uint32_t i = 0; i < client->quiet_count; i++) {
        const struct quiet *quiet = &client->quiet[i];
        if (strcmp(quiet->sid, stream->track_sid) == 0 && stream->last_rx_us > quiet->since_us + QUIET_AFTER_US)
            conference_fail(c, "%s still gets %s, which it gave up at %.3f s", client->identity, quiet->sid,
                            (double)(quiet->since_us - c->start_us) / 1e6);
    }
}

void check_streams(struct conference *c) {
    for (uint32_t i = 0; i < c->client_count; i++) {
        struct client *client = &c->clients[i];
        if (!client->used)
            continue;
        struct participant_counters counters;
        participant_counters_get(client->participant, &counters);
        if (counters.violations > 0)
            conference_fail(c, "%s: %s", client->identity, participant_violation(client->participant));
        if (counters.signal_bad > 0)
            conference_fail(c, "%s could not use a signalling message", client->identity);
        if (counters.drop_tx > 0 || counters.drop_events > 0)
            conference_fail(c, "%s: a queue of its own ran over", client->identity);
        for (uint32_t k = 0; k < CONFERENCE_STREAMS_MAX; k++) {
            struct participant_stream stream;
            if (!participant_stream_get(client->participant, k, &stream))
                continue;
            check_origin(c, client, &stream);
            check_quiet(c, client, &stream);
        }
    }
}

void check_limits(struct conference *c) {
    struct server *s = &c->server;
    if (!s->running)
        return;
    for (uint32_t i = 0; i < c->shards; i++) {
        struct engine_gauges gauges;
        engine_gauges_get(s->engines[i], &gauges);
        if (gauges.transports > s->engine_config.transports_max || gauges.sources > s->engine_config.sources_max ||
            gauges.sinks > s->engine_config.sinks_max || gauges.packets_used > gauges.packets_max ||
            gauges.data_blocks_used > s->engine_config.data_blocks_max ||
            gauges.tx_queue_high > s->engine_config.tx_queue_max)
            conference_fail(c, "a pool of engine %u is over its limit", i);
        s->tx_queue_high = gauges.tx_queue_high > s->tx_queue_high ? gauges.tx_queue_high : s->tx_queue_high;
        struct engine_counters counters;
        engine_counters_get(s->engines[i], &counters);
        if (counters.drop_event_queue > 0 || counters.drop_no_slot > 0 || counters.drop_seal > 0 ||
            counters.command_refused > 0)
            conference_fail(c, "engine %u dropped what there was room for", i);
    }
    struct control_counters control;
    control_counters_get(s->control, &control);
    if (control.messages_bad > 0 || control.queue_overrun > 0 || control.engine_refused > 0 ||
        control.limit_refused > control.meeting_entry_refused) /* at the gate: who is out and tries again */
        conference_fail(c, "control refused what was within the limits (bad %llu overrun %llu engine %llu limit %llu)",
                        (unsigned long long)control.messages_bad, (unsigned long long)control.queue_overrun,
                        (unsigned long long)control.engine_refused, (unsigned long long)control.limit_refused);
}

/* ---- when faults have ended
 * --------------------------------------------------------------------------------------------- */

static bool is_quiet(const struct client *client, const char *sid) {
    for (uint32_t i = 0; i < client->quiet_count; i++) {
        if (strcmp(client->quiet[i].sid, sid) == 0)
            return true;
    }
    return false;
}

static bool find_stream(const struct client *client, const char *sid, struct participant_stream *out) {
    for (uint32_t k = 0; k < CONFERENCE_STREAMS_MAX; k++) {
        if (participant_stream_get(client->participant, k, out) && strcmp(out->track_sid, sid) == 0)
            return true;
    }
    return false;
}

static void expect_track(struct conference *c, const struct client *publisher, const struct client_track *track,
                         uint64_t window_us) {
    bool live;
    const char *sid = participant_publication_sid(publisher->participant, track->publication, &live);
    if (!live || sid[0] == 0)
        conference_fail(c, "publication %u of %s did not come about", track->publication, publisher->identity);
    for (uint32_t i = 0; i < c->client_count; i++) {
        struct client *client = &c->clients[i];
        struct participant_stream stream;
        if (!client->used || client->over || client == publisher || client->room != publisher->room ||
            !client->subscribes || is_quiet(client, sid) || (client->slow && track->video))
            continue;
        if (!find_stream(client, sid, &stream))
            conference_fail(c, "%s has no stream of %s (publication %u) of %s", client->identity, sid,
                            track->publication, publisher->identity);
        if (stream.last_decoded_us + window_us < c->now_us)
            conference_fail(c, "%s has had nothing %s of %s (publication %u) of %s since %.3f s (newest packet %.3f s)",
                            client->identity, track->video ? "decodable" : "to hear", sid, track->publication,
                            publisher->identity, (double)stream.last_decoded_us / 1e6 - (double)c->start_us / 1e6,
                            (double)stream.last_rx_us / 1e6 - (double)c->start_us / 1e6);
        c->frames_total += stream.frames;
        c->freeze_total_us += stream.freeze_us;
        c->seen_streams++;
    }
}

void conference_expect_media(struct conference *c, uint64_t window_us) {
    for (uint32_t i = 0; i < c->client_count; i++) {
        struct client *client = &c->clients[i];
        if (!client->used || client->over)
            continue;
        if (participant_state(client->participant) != PARTICIPANT_CONNECTED)
            conference_fail(c, "%s is not connected", client->identity);
        for (int k = 0; k < PARTICIPANT_TRACKS_MAX; k++) {
            if (client->tracks[k].publication != 0 && !client->tracks[k].muted)
                expect_track(c, client, &client->tracks[k], window_us);
        }
        for (uint32_t k = 0; k < c->client_count; k++) {
            struct client *other = &c->clients[k];
            if (other->used && !other->over && other != client && other->room == client->room &&
                !participant_roster_has(client->participant, other->identity))
                conference_fail(c, "%s does not know of %s", client->identity, other->identity);
        }
    }
}

void conference_expect_whole(struct conference *c, uint32_t numbers) {
    for (uint32_t i = 0; i < c->client_count; i++) {
        const struct client *client = &c->clients[i];
        for (uint32_t k = 0; client->used && !client->slow && k < CONFERENCE_STREAMS_MAX; k++) {
            struct participant_stream stream;
            if (!participant_stream_get(client->participant, k, &stream) || stream.last_rx_us + US_PER_S < c->now_us)
                continue;
            uint32_t missing = participant_stream_missing(client->participant, k, numbers);
            if (missing > 0)
                conference_fail(c, "%s misses %u of the last %u numbers of %s", client->identity, missing, numbers,
                                stream.track_sid);
        }
    }
}

void conference_expect_data(struct conference *c) {
    for (uint32_t i = 0; i < c->client_count; i++) {
        const struct client *from = &c->clients[i];
        for (uint32_t k = 0; k < c->client_count; k++) {
            const struct client *to = &c->clients[k];
            if (!from->used || !to->used || from == to || from->room != to->room || from->data_sent_reliable == 0)
                continue;
            if (to->data_got[i] != from->data_sent_reliable)
                conference_fail(c, "%s got %u of %u reliable data packets of %s", to->identity, to->data_got[i],
                                from->data_sent_reliable, from->identity);
        }
    }
}

/* ---- the end
 * ------------------------------------------------------------------------------------------------------------ */

static bool all_empty(struct conference *c, char *what, size_t what_size) {
    struct control_gauges control;
    control_gauges_get(c->server.control, &control);
    struct engine_gauges sum = {0};
    for (uint32_t i = 0; i < c->shards; i++) {
        struct engine_gauges gauges;
        engine_gauges_get(c->server.engines[i], &gauges);
        sum.transports += gauges.transports;
        sum.sources += gauges.sources;
        sum.sinks += gauges.sinks;
        sum.packets_used += gauges.packets_used;
        sum.data_blocks_used += gauges.data_blocks_used;
    }
    (void)snprintf(
        what, what_size,
        "rooms %u participants %u sessions %u tracks %u subscriptions %u transports %u sources %u sinks %u packets "
        "%u blocks %u",
        control.rooms, control.participants, control.sessions, control.tracks, control.subscriptions, sum.transports,
        sum.sources, sum.sinks, sum.packets_used, sum.data_blocks_used);
    return control.rooms + control.participants + control.sessions + control.tracks + control.subscriptions +
               sum.transports + sum.sources + sum.sinks + sum.packets_used + sum.data_blocks_used ==
           0;
}

void conference_finish(struct conference *c) {
    char what[256];
    for (uint32_t i = 0; i < c->client_count; i++) {
        if (c->clients[i].used && !c->clients[i].over)
            conference_leave(c, &c->clients[i]);
    }
    for (int s = 0; s < FORGET_MAX_S; s += 5) {
        conference_run(c, 5 * US_PER_S);
        if (all_empty(c, what, sizeof what))
            return;
    }
    conference_fail(c, "when all have left, this is still there: %s", what);
}
