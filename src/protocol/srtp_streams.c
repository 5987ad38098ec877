/* Sessions of SRTP and their streams: places by SSRC, packet indices, windows against replay. */
#include <string.h>

#include "base/assert.h"
#include "base/secret.h"
#include "base/seq.h"
#include "protocol/srtp_internal.h"

#define KEY_LEN 4 /* an SSRC */

/* The three tables in the caller's memory, in this order; all sizes are multiples of 8 but the last. */
static size_t streams_len(uint32_t streams_max) {
    return (size_t)streams_max * sizeof(struct srtp_stream);
}

size_t srtp_size(uint32_t streams_max, uint32_t retired_max) {
    ASSERT(streams_max > 0 && streams_max <= SRTP_STREAMS_LIMIT);
    ASSERT(retired_max <= SRTP_RETIRED_LIMIT);
    return streams_len(streams_max) + map_size(streams_max, KEY_LEN) + (size_t)retired_max * sizeof(uint32_t);
}

bool srtp_session_init(struct srtp_session *session, void *memory, uint32_t streams_max, uint32_t retired_max,
                       enum srtp_direction direction, const struct srtp_master *master, struct rng *rng) {
    ASSERT(session != NULL && memory != NULL && master != NULL);
    ASSERT((uintptr_t)memory % _Alignof(struct srtp_stream) == 0);
    ASSERT(srtp_size(streams_max, retired_max) > 0);
    uint8_t *map_at = (uint8_t *)memory + streams_len(streams_max);
    uint8_t *retired_at = map_at + map_size(streams_max, KEY_LEN);
    *session = (struct srtp_session){.profile = master->profile,
                                     .direction = direction,
                                     .streams_max = streams_max,
                                     .retired_max = retired_max,
                                     .streams = memory,
                                     .retired = (uint32_t *)(void *)retired_at};
    if (!srtp_keys_derive(master, &session->rtp, &session->rtcp, direction == SRTP_SEALING))
        return false;
    map_init(&session->by_ssrc, map_at, streams_max, KEY_LEN, rng);
    session->live = true;
    return true;
}

void srtp_session_end(struct srtp_session *session) {
    ASSERT(session != NULL);
    srtp_keys_end(&session->rtp);
    srtp_keys_end(&session->rtcp);
    if (session->live)
        memset(session->streams, 0, session->stream_count * sizeof(struct srtp_stream));
    session->live = false;
    session->stream_count = session->retired_count = 0;
}

/* ---- places -------------------------------------------------------------------------------------------- */

struct srtp_stream *srtp_stream_find(struct srtp_session *session, uint32_t ssrc) {
    uint32_t place;
    if (!map_get(&session->by_ssrc, &ssrc, &place))
        return NULL;
    ASSERT(place < session->stream_count && session->streams[place].ssrc == ssrc);
    return &session->streams[place];
}

/* Asked only for an SSRC without a place, which is rare, so that a plain list does. */
static bool is_retired(const struct srtp_session *session, uint32_t ssrc) {
    for (uint32_t i = 0; i < session->retired_count; i++) {
        if (session->retired[i] == ssrc)
            return true;
    }
    return false;
}

enum srtp_result srtp_stream_admit(struct srtp_session *session, uint32_t ssrc, struct srtp_stream **stream) {
    ASSERT(session->live && stream != NULL);
    if (*stream != NULL)
        return SRTP_OK;
    if (is_retired(session, ssrc))
        return SRTP_RETIRED;
    if (session->stream_count >= session->streams_max)
        return SRTP_STREAMS_FULL;
    bool put = map_put(&session->by_ssrc, &ssrc, session->stream_count);
    ASSERT(put);
    *stream = &session->streams[session->stream_count++];
    **stream = (struct srtp_stream){.ssrc = ssrc};
    return SRTP_OK;
}

bool srtp_retire(struct srtp_session *session, uint32_t ssrc) {
    ASSERT(session != NULL && session->live);
    struct srtp_stream *stream = srtp_stream_find(session, ssrc);
    if (stream == NULL && is_retired(session, ssrc))
        return true;
    if (session->retired_count >= session->retired_max)
        return false;
    session->retired[session->retired_count++] = ssrc;
    if (stream == NULL)
        return true;
    /* the last place moves into the gap */
    struct srtp_stream *last = &session->streams[--session->stream_count];
    bool removed = map_remove(&session->by_ssrc, &ssrc);
    ASSERT(removed);
    if (last != stream) {
        *stream = *last;
        uint32_t place = (uint32_t)(stream - session->streams);
        bool put = map_put(&session->by_ssrc, &stream->ssrc, place);
        ASSERT(put);
    }
    memset(last, 0, sizeof *last);
    return true;
}

/* ---- indices and windows ------------------------------------------------------------------------------- */

uint64_t srtp_rtp_index(const struct srtp_stream *stream, uint16_t seq16) {
    if (stream == NULL || stream->rtp.end == 0)
        return seq16;
    /* one turn up, so that numbers before the first turn do not wrap below 0 */
    uint64_t extended = seq16_extend(stream->rtp.end - 1 + 0x10000, seq16);
    return extended >= 0x10000 ? extended - 0x10000 : SRTP_INDEX_BELOW;
}

enum srtp_result srtp_rtp_check(const struct srtp_stream *stream, uint64_t index) {
    if (index == SRTP_INDEX_BELOW)
        return SRTP_TOO_OLD;
    if (index > SRTP_INDEX_MAX)
        return SRTP_KEY_USED_UP;
    switch (stream == NULL ? REPLAY_FRESH : replay_check(&stream->rtp, index)) {
    case REPLAY_FRESH:
        return SRTP_OK;
    case REPLAY_SEEN:
        return SRTP_REPLAYED;
    case REPLAY_TOO_OLD:
        return SRTP_TOO_OLD;
    }
    ASSERT(false);
    return SRTP_TOO_OLD;
}

void srtp_rtp_mark(struct srtp_stream *stream, uint64_t index) {
    ASSERT(stream != NULL);
    ASSERT(srtp_rtp_check(stream, index) == SRTP_OK);
    replay_mark(&stream->rtp, index);
}

enum srtp_result srtp_rtcp_check(const struct srtp_stream *stream, uint32_t index) {
    ASSERT(index <= SRTCP_INDEX_MAX);
    if (stream == NULL || !stream->rtcp_started || index > stream->rtcp_highest)
        return SRTP_OK;
    if (stream->rtcp_highest - index >= SRTCP_WINDOW_PACKETS)
        return SRTP_TOO_OLD;
    return (stream->rtcp_seen >> index % SRTCP_WINDOW_PACKETS & 1) != 0 ? SRTP_REPLAYED : SRTP_OK;
}

void srtp_rtcp_mark(struct srtp_stream *stream, uint32_t index) {
    ASSERT(stream != NULL);
    ASSERT(srtp_rtcp_check(stream, index) == SRTP_OK);
    if (!stream->rtcp_started) {
        stream->rtcp_started = true;
        stream->rtcp_highest = index;
    }
    if (index > stream->rtcp_highest && index - stream->rtcp_highest >= SRTCP_WINDOW_PACKETS) {
        stream->rtcp_seen = 0;
        stream->rtcp_highest = index;
    }
    while (stream->rtcp_highest < index) {
        stream->rtcp_highest++;
        stream->rtcp_seen &= ~(UINT64_C(1) << stream->rtcp_highest % SRTCP_WINDOW_PACKETS);
    }
    stream->rtcp_seen |= UINT64_C(1) << index % SRTCP_WINDOW_PACKETS;
}
