/* Media out: frames on time, packets of them, and packets again. */
#include <string.h>

#include "client/internal.h"

#define AUDIO_INTERVAL_US (20 * US_PER_MS)
#define KEYFRAME_FACTOR 3
/* Requests for key frames closer than this are one. */
#define KEYFRAME_LEAST_US (300 * US_PER_MS)
/* A publisher that was not ticked for so long drops the frames of that time. */
#define BEHIND_MAX_US (200 * US_PER_MS)

uint32_t publication_layers(const struct publication *publication) {
    return publication->what.video && publication->what.layers > 1 ? publication->what.layers : 1;
}

struct publication *publication_of(struct participant *p, uint16_t number) {
    for (int i = 0; number != 0 && i < PARTICIPANT_TRACKS_MAX; i++) {
        if (p->publications[i].number == number)
            return &p->publications[i];
    }
    return NULL;
}

/* As new, for the first or a further connection: numbers of the old one are never used again. */
void publication_reset(struct participant *p, struct publication *publication) {
    publication->announced = publication->sending = false;
    publication->sid[0] = 0;
    publication->section = NONE;
    publication->epoch_us = p->now_us;
    for (int i = 0; i < PARTICIPANT_LAYERS_MAX; i++) {
        struct layer *layer = &publication->layers[i];
        uint32_t frame = layer->frame;
        memset(layer->sent, 0, sizeof layer->sent);
        *layer = (struct layer){.enabled = true, .key_wanted = true, .frame = frame};
        layer->ssrc = (rng_u32(p->rng) & ~UINT32_C(1)) | 2;
        layer->rtx_ssrc = rng_u32(p->rng) | 1;
        layer->seq16 = (uint16_t)(1000 + rng_below(p->rng, 20000));
        layer->rtx_seq16 = (uint16_t)(1000 + rng_below(p->rng, 20000));
        layer->timestamp_base = rng_u32(p->rng);
        layer->picture_id = (uint16_t)(rng_u32(p->rng) & 0x7fff);
        layer->tl0 = (uint8_t)rng_u32(p->rng);
    }
}

static struct layer *layer_of(struct participant *p, uint32_t ssrc, struct publication **publication) {
    for (int i = 0; i < PARTICIPANT_TRACKS_MAX; i++) {
        struct publication *of = &p->publications[i];
        for (uint32_t k = 0; of->number != 0 && of->sending && k < publication_layers(of); k++) {
            if (of->layers[k].ssrc == ssrc) {
                *publication = of;
                return &of->layers[k];
            }
        }
    }
    return NULL;
}

void publish_keyframe(struct participant *p, uint32_t ssrc) {
    struct publication *publication;
    struct layer *layer = layer_of(p, ssrc, &publication);
    if (layer == NULL || time_since(p->now_us, layer->keyframe_us) < KEYFRAME_LEAST_US)
        return;
    if (!layer->key_wanted)
        p->counters.tx_keyframes++;
    layer->key_wanted = true;
}

void publish_reported(struct participant *p, uint32_t ssrc) {
    struct publication *publication;
    struct layer *layer = layer_of(p, ssrc, &publication);
    if (layer != NULL)
        layer->reported = true;
}

/* ---- one packet ------------------------------------------------------------------------------------------------- */

static void add_extensions(struct participant *p, struct link *link, const struct publication *publication,
                           const struct layer *layer, bool rtx, struct rtp_ext_out *exts) {
    const uint8_t *id = link->ext.id;
    uint32_t index = (uint32_t)(layer - publication->layers);
    /* nobody reports on the retransmissions: they name their stream always */
    if ((rtx || !layer->reported) && publication->section != NONE) {
        rtp_ext_add(exts, id[RTP_EXT_MID], span_str(link->sections[publication->section].mid));
        if (publication_layers(publication) > 1)
            rtp_ext_add(exts, id[rtx ? RTP_EXT_REPAIRED_RID : RTP_EXT_RID], span_of(&"qhf"[index], 1));
    }
    if (!publication->what.video)
        rtp_ext_add_u8(exts, id[RTP_EXT_AUDIO_LEVEL],
                       rtp_ext_audio_level_byte(publication->what.level_dbov < 60, publication->what.level_dbov));
    rtp_ext_add_u24(exts, id[RTP_EXT_ABS_SEND_TIME], rtp_ext_abs_send_time_of(p->now_us));
    if (link->transport_wide && id[RTP_EXT_TRANSPORT_SEQ] != 0)
        rtp_ext_add_u16(exts, id[RTP_EXT_TRANSPORT_SEQ], link->twcc_seq16++);
}

static bool write_payload(struct writer *w, const struct publication *publication, const struct stamp *stamp,
                          uint16_t len_bytes) {
    return publication->what.video ? stamp_write_video(w, stamp, len_bytes) : stamp_write_audio(w, stamp, len_bytes);
}

static uint8_t *sealed_place(struct participant *p, const struct publication *publication, const struct layer *layer,
                             uint16_t seq16) {
    return p->sealed[publication - p->publications][layer - publication->layers] +
           (size_t)(seq16 % SENT_MAX) * STAMP_VIDEO_PAYLOAD_MAX;
}

/* The sealed payload goes to the place of its number: it cannot be made again. 0: there is no key. */
static uint16_t seal_payload(struct participant *p, const struct publication *publication, const struct layer *layer,
                             const struct stamp *stamp, uint16_t len_bytes) {
    uint8_t clear[STAMP_VIDEO_PAYLOAD_MAX];
    struct writer w = writer_of(clear, sizeof clear);
    bool video = publication->what.video;
    ASSERT(stamp->packets == 1 && len_bytes + PARTICIPANT_SEALING_LEN_MAX <= STAMP_VIDEO_PAYLOAD_MAX);
    bool made = write_payload(&w, publication, stamp, len_bytes);
    ASSERT(made);
    size_t head_len = video ? STAMP_VP8_DESCRIPTOR_LEN : 0;
    uint8_t *out = sealed_place(p, publication, layer, layer->seq16);
    memcpy(out, clear, head_len);
    const struct participant_crypt *crypt = p->config.crypt;
    size_t len = crypt->seal(crypt->context, p->now_us, video, span_of(clear + head_len, w.len - head_len),
                             out + head_len, STAMP_VIDEO_PAYLOAD_MAX - head_len);
    ASSERT(head_len + len <= STAMP_VIDEO_PAYLOAD_MAX);
    return (uint16_t)(len == 0 ? 0 : head_len + len);
}

static bool send_packet(struct participant *p, struct publication *publication, struct layer *layer,
                        const struct sent *sent, bool rtx) {
    struct link *link = &p->links[0];
    struct net_addr to;
    struct tx_slot *slot = link_target(link, &to) ? client_tx_reserve(p) : NULL;
    if (slot == NULL)
        return false;
    uint8_t payload[STAMP_VIDEO_PAYLOAD_MAX + RTP_RTX_OSN_LEN], header[RTP_HEADER_LEN_MAX];
    struct writer body = writer_of(payload, sizeof payload);
    if (rtx)
        wr_u16(&body, sent->seq16);
    bool made = true;
    if (p->config.crypt != NULL)
        wr_bytes(&body, sealed_place(p, publication, layer, sent->seq16), sent->len_bytes);
    else
        made = write_payload(&body, publication, &sent->stamp, sent->len_bytes);
    ASSERT(made && writer_ok(&body));
    struct rtp_ext_out exts = {0};
    add_extensions(p, link, publication, layer, rtx, &exts);
    struct rtp_header rtp = {.marker = sent->marker,
                             .pt = rtx ? publication->rtx_pt : publication->pt,
                             .seq16 = rtx ? layer->rtx_seq16++ : sent->seq16,
                             .timestamp = sent->timestamp,
                             .ssrc = rtx ? layer->rtx_ssrc : layer->ssrc};
    struct writer head = writer_of(header, sizeof header);
    if (!rtp_write(&head, &rtp, &exts))
        return false;
    size_t len;
    if (srtp_seal(&link->tx, header, head.len, writer_span(&body), slot->data, sizeof slot->data, &len) != SRTP_OK)
        return false;
    client_tx_commit(p, link, &to, len);
    if (rtx)
        p->counters.tx_rtx++;
    else
        p->counters.tx_rtp++;
    return true;
}

static void send_new(struct participant *p, struct publication *publication, struct layer *layer,
                     const struct stamp *stamp, uint32_t timestamp, bool marker, uint16_t len_bytes) {
    struct sent *sent = &layer->sent[layer->seq16 % SENT_MAX];
    if (p->config.crypt != NULL)
        len_bytes = seal_payload(p, publication, layer, stamp, len_bytes);
    if (len_bytes == 0)
        return;
    *sent = (struct sent){.valid = true,
                          .marker = marker,
                          .seq16 = layer->seq16++,
                          .len_bytes = len_bytes,
                          .timestamp = timestamp,
                          .stamp = *stamp};
    layer->packets++;
    layer->bytes += len_bytes;
    (void)send_packet(p, publication, layer, sent, false);
}

void publish_nack(struct participant *p, uint32_t ssrc, uint16_t seq16) {
    struct publication *publication;
    struct layer *layer = layer_of(p, ssrc, &publication);
    if (layer == NULL || publication->rtx_pt == 0)
        return;
    struct sent *sent = &layer->sent[seq16 % SENT_MAX];
    if (!sent->valid || sent->seq16 != seq16) {
        p->counters.tx_rtx_missed++;
        return;
    }
    if (time_since(p->now_us, sent->resent_us) < 15 * US_PER_MS)
        return;
    sent->resent_us = p->now_us;
    (void)send_packet(p, publication, layer, sent, true);
}

/* ---- frames ----------------------------------------------------------------------------------------------------- */

static void send_video_frame(struct participant *p, struct publication *publication, uint32_t index, uint64_t at_us) {
    struct layer *layer = &publication->layers[index];
    if (!layer->enabled)
        return;
    struct stamp stamp = {.video = true, .layer = (uint8_t)index, .publisher = p->config.number};
    if (layer->key_wanted) {
        layer->key_wanted = false;
        layer->since_keyframe = 0;
        layer->keyframe_us = p->now_us;
        layer->key_index++;
    }
    stamp_pattern(&stamp, layer->since_keyframe++);
    stamp.publication = publication->number;
    stamp.frame = ++layer->frame;
    layer->picture_id = (uint16_t)((layer->picture_id + 1) & 0x7fff);
    if (stamp.temporal == 0)
        layer->tl0++;
    stamp.picture_id = layer->picture_id;
    stamp.tl0 = layer->tl0;
    stamp.key_index = layer->key_index & 0x1f;
    uint32_t shift = publication_layers(publication) - 1 - index;
    stamp.width = (uint16_t)(publication->what.width >> shift);
    stamp.height = (uint16_t)(publication->what.height >> shift);
    uint32_t bytes = publication->what.frame_bytes[index] * (stamp.keyframe ? KEYFRAME_FACTOR : 1);
    stamp.packets = stamp_packets(bytes);
    uint32_t each = bytes / stamp.packets;
    uint16_t len = (uint16_t)(each < 64 ? 64 : each > STAMP_VIDEO_PAYLOAD_MAX ? STAMP_VIDEO_PAYLOAD_MAX : each);
    uint32_t timestamp = layer->timestamp_base + (uint32_t)((at_us - publication->epoch_us) * 90 / 1000);
    for (stamp.packet = 0; stamp.packet < stamp.packets; stamp.packet++)
        send_new(p, publication, layer, &stamp, timestamp, stamp.packet + 1 == stamp.packets, len);
}

static void send_audio_frame(struct participant *p, struct publication *publication, uint64_t at_us) {
    struct layer *layer = &publication->layers[0];
    struct stamp stamp = {.publisher = p->config.number, .publication = publication->number, .packets = 1};
    stamp.frame = ++layer->frame;
    uint32_t timestamp = layer->timestamp_base + (uint32_t)((at_us - publication->epoch_us) * 48 / 1000);
    send_new(p, publication, layer, &stamp, timestamp, stamp.frame == 1, STAMP_AUDIO_PAYLOAD_LEN);
}

static bool flows(const struct participant *p, const struct publication *publication) {
    return publication->number != 0 && publication->sending && !publication->what.muted && link_usable(&p->links[0]);
}

uint64_t publication_deadline(const struct participant *p, const struct publication *publication) {
    return flows(p, publication) ? publication->next_us : TIME_NEVER;
}

void publication_tick(struct participant *p, struct publication *publication) {
    if (!flows(p, publication))
        return;
    uint64_t interval_us = publication->what.video ? US_PER_S / publication->what.fps : AUDIO_INTERVAL_US;
    if (publication->next_us + BEHIND_MAX_US < p->now_us) /* idle until now: begin somewhere in the interval */
        publication->next_us = p->now_us + rng_below(p->rng, interval_us);
    while (publication->next_us <= p->now_us) {
        uint64_t at_us = publication->next_us;
        publication->next_us += interval_us;
        if (!publication->what.video) {
            send_audio_frame(p, publication, at_us);
            continue;
        }
        for (uint32_t i = 0; i < publication_layers(publication); i++)
            send_video_frame(p, publication, i, at_us);
    }
}
