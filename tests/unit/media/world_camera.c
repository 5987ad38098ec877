/* What peers of the world send: cameras of several layers, and sound. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/seq.h"
#include "base/time.h"
#include "world.h"

void camera_make_plan(struct camera *c, struct peer *p, const char *mid, const struct camera_plan *plan,
                      uint32_t ssrc_base) {
    uint32_t layers = plan->layers;
    memset(c, 0, sizeof *c);
    c->peer = p;
    c->layers = layers;
    c->packet_len = 300;
    c->answer_nacks = true;
    c->temporal = true;
    c->next_us = p->world->now_us;
    strcpy(c->mid, mid);
    struct engine_source_open open = {.transport = p->transport, .video = true, .layers = (uint8_t)layers};
    strcpy(open.mid, mid);
    open.codecs[0] = (struct engine_codec_map){.codec = CODEC_VP8, .pt = PT_VP8, .rtx_pt = PT_VP8_RTX, .nack = true};
    open.order_known = plan->order_known;
    for (uint32_t i = 0; i < layers; i++) {
        struct vp8_layer *l = &c->layer[i];
        l->ssrc = ssrc_base + i;
        l->rtx_ssrc = ssrc_base + 100 + i;
        if (layers > 1) {
            strcpy(l->rid, plan->rids[i]);
            strcpy(open.rids[i], plan->rids[i]);
        }
        /* numbers near their wraps, and different ones in each layer */
        l->seq16 = (uint16_t)(65500 - 17 * i);
        l->timestamp = UINT32_C(0xffffff00) + i * 123456789;
        l->picture = (uint16_t)(32700 + 11 * i);
        l->tl0 = (uint8_t)(250 + i);
        l->key_index = 30;
        l->packets_per_frame = plan->packets[i];
        l->width = plan->widths[i];
        l->height = (uint16_t)(l->width / 16 * 9);
        l->want_key = true;
    }
    c->source = world_source(p->world, &open);
}

void camera_make(struct camera *c, struct peer *p, const char *mid, uint32_t layers, uint32_t ssrc_base) {
    struct camera_plan plan = {.layers = layers,
                               .rids = {"q", "h", "f"},
                               .widths = {320, 640, 1280},
                               .packets = {1, 2, 3},
                               .order_known = true};
    camera_make_plan(c, p, mid, &plan, ssrc_base);
}

static size_t write_vp8(const struct vp8_layer *l, uint32_t layer, uint8_t temporal, bool sync, bool start, bool key,
                        uint8_t part, size_t len, uint8_t *out) {
    memset(out, 0xab, len);
    out[0] = (uint8_t)(0x80 | (temporal == 2 ? 0x20 : 0) | (start ? 0x10 : 0));
    out[1] = 0xf0; /* I L T K */
    out[2] = (uint8_t)(0x80 | (l->picture >> 8 & 0x7f));
    out[3] = (uint8_t)l->picture;
    out[4] = l->tl0;
    out[5] = (uint8_t)(temporal << 6 | (sync ? 0x20 : 0) | (l->key_index & 31));
    uint8_t *body = out + 6;
    body[0] = key ? 0x10 : 0x11;
    if (start && key) {
        const uint8_t code[9] = {0,
                                 0,
                                 0x9d,
                                 0x01,
                                 0x2a,
                                 (uint8_t)l->width,
                                 (uint8_t)(l->width >> 8),
                                 (uint8_t)l->height,
                                 (uint8_t)(l->height >> 8)};
        memcpy(body + 1, code, sizeof code);
    }
    uint8_t *stamp = out + 16;
    stamp[0] = 'S';
    stamp[1] = (uint8_t)layer;
    stamp[2] = temporal;
    stamp[3] = (uint8_t)(l->frame >> 24);
    stamp[4] = (uint8_t)(l->frame >> 16);
    stamp[5] = (uint8_t)(l->frame >> 8);
    stamp[6] = (uint8_t)l->frame;
    stamp[7] = part;
    stamp[8] = key ? 1 : 0;
    return len;
}

bool stamp_read(const struct logged *packet, struct stamp *out) {
    const uint8_t *b = packet->payload;
    if (packet->padding_only)
        return false;
    ASSERT(packet->len >= 25 && b[16] == 'S');
    *out = (struct stamp){.layer = b[17],
                          .temporal = b[18],
                          .part = b[23],
                          .key = b[24] != 0,
                          .frame = (uint32_t)b[19] << 24 | (uint32_t)b[20] << 16 | (uint32_t)b[21] << 8 | b[22],
                          .picture = (uint16_t)((b[2] & 0x7f) << 8 | b[3]),
                          .tl0 = b[4],
                          .key_index = b[5] & 31};
    return true;
}

static void camera_send(struct camera *c, uint32_t layer, const uint8_t *bytes, size_t len, bool marker) {
    struct vp8_layer *l = &c->layer[layer];
    struct rtp_ext_out exts = {0};
    rtp_ext_add(&exts, EXT_MID, span_str(c->mid));
    if (l->rid[0] != 0)
        rtp_ext_add(&exts, EXT_RID, span_str(l->rid));
    l->sent[l->seq16 % 512].seq16 = l->seq16;
    l->sent[l->seq16 % 512].timestamp = l->timestamp;
    l->sent[l->seq16 % 512].marker = marker;
    l->sent[l->seq16 % 512].len = (uint16_t)len;
    memcpy(l->sent[l->seq16 % 512].bytes, bytes, len);
    peer_send_rtp(c->peer, l->ssrc, PT_VP8, l->seq16, l->timestamp, marker, &exts, span_of(bytes, len), 0);
    l->seq16++;
    l->any = true;
}

void camera_frame(struct camera *c, uint32_t layer) {
    struct vp8_layer *l = &c->layer[layer];
    static const uint8_t pattern[4] = {0, 2, 1, 2};
    bool key = l->want_key;
    if (key) {
        l->frame = (l->frame + 3) & ~3u; /* the pattern begins anew */
        l->key_index++;
        l->keys++;
        l->want_key = false;
    }
    uint8_t temporal = c->temporal ? pattern[l->frame % 4] : 0;
    if (temporal == 0)
        l->tl0++;
    bool sync = temporal > 0 && l->frame / 4 % 2 == 0;
    uint32_t parts = l->packets_per_frame + (key ? 2 : 0);
    uint8_t bytes[1300];
    for (uint32_t part = 0; part < parts; part++) {
        size_t len = write_vp8(l, layer, temporal, sync, part == 0, key, (uint8_t)part, c->packet_len, bytes);
        camera_send(c, layer, bytes, len, part + 1 == parts);
    }
    l->frame++;
    l->picture = (uint16_t)((l->picture + 1) & 0x7fff);
}

static void camera_repair(struct camera *c, uint32_t ssrc, uint16_t seq16) {
    for (uint32_t i = 0; i < c->layers; i++) {
        struct vp8_layer *l = &c->layer[i];
        if (l->ssrc != ssrc || l->sent[seq16 % 512].seq16 != seq16)
            continue;
        uint8_t bytes[1400];
        rtp_rtx_prefix(seq16, bytes);
        memcpy(bytes + 2, l->sent[seq16 % 512].bytes, l->sent[seq16 % 512].len);
        struct rtp_ext_out exts = {0};
        rtp_ext_add(&exts, EXT_MID, span_str(c->mid));
        if (l->rid[0] != 0)
            rtp_ext_add(&exts, EXT_RRID, span_str(l->rid));
        peer_send_rtp(c->peer, l->rtx_ssrc, PT_VP8_RTX, l->rtx_seq16++, l->sent[seq16 % 512].timestamp,
                      l->sent[seq16 % 512].marker, &exts, span_of(bytes, (size_t)l->sent[seq16 % 512].len + 2), 0);
    }
}

void camera_step(struct camera *c) {
    struct peer *p = c->peer;
    for (uint32_t i = 0; i < c->layers; i++) {
        struct vp8_layer *l = &c->layer[i];
        for (; l->plis_seen < p->plis; l->plis_seen++) {
            if (p->pli_ssrc[l->plis_seen] == l->ssrc)
                l->want_key = true;
        }
    }
    for (; c->nacks_seen < p->nacks; c->nacks_seen++) {
        if (c->answer_nacks)
            camera_repair(c, p->nack_ssrc[c->nacks_seen % 256], p->nack_seq[c->nacks_seen % 256]);
    }
    if (p->world->now_us < c->next_us)
        return;
    c->next_us += 33000;
    for (uint32_t i = 0; i < c->layers; i++) {
        struct vp8_layer *l = &c->layer[i];
        if (!l->stopped)
            camera_frame(c, i);
        l->timestamp += 2970;
    }
}

void camera_report(struct camera *c) {
    uint64_t unix_us = WORLD_UNIX_US + c->peer->world->now_us - WORLD_START_US;
    for (uint32_t i = 0; i < c->layers; i++) {
        uint8_t bytes[200];
        struct writer w = writer_of(bytes, sizeof bytes);
        uint64_t since_us = c->peer->world->now_us + 33000 - c->next_us + CAMERA_ENCODING_US;
        struct rtcp_sender_info info = {.ntp = time_ntp(unix_us), .packets = 1, .bytes = 1};
        info.rtp_time = c->layer[i].timestamp - 2970 + (uint32_t)(since_us * 90 / 1000);
        rtcp_write_sr(&w, c->layer[i].ssrc, &info, NULL, 0);
        rtcp_write_sdes(&w, c->layer[i].ssrc, span_str("camera"));
        peer_send_rtcp(c->peer, writer_span(&w));
    }
}

struct engine_sink_open sink_video(const struct peer *to, uint32_t source, uint32_t ssrc) {
    struct engine_sink_open open = {.transport = to->transport, .source = source, .ssrc = ssrc, .rtx_ssrc = ssrc + 1};
    strcpy(open.mid, "v");
    strcpy(open.cname, "room-cname-of-publisher");
    open.codecs[0] =
        (struct engine_codec_map){.codec = CODEC_VP8, .pt = PT_VP8_OUT, .rtx_pt = PT_VP8_RTX_OUT, .nack = true};
    return open;
}

struct engine_sink_open sink_audio(const struct peer *to, uint32_t source, uint32_t ssrc) {
    struct engine_sink_open open = {.transport = to->transport, .source = source, .ssrc = ssrc};
    strcpy(open.mid, "a");
    strcpy(open.cname, "room-cname-of-publisher");
    open.codecs[0] = (struct engine_codec_map){.codec = CODEC_OPUS, .pt = PT_OPUS_OUT};
    return open;
}

uint32_t source_audio(struct peer *p, const char *mid, uint32_t ssrc) {
    struct engine_source_open open = {.transport = p->transport, .layers = 1};
    strcpy(open.mid, mid);
    open.ssrcs[0] = ssrc;
    open.codecs[0] = (struct engine_codec_map){.codec = CODEC_OPUS, .pt = PT_OPUS};
    return world_source(p->world, &open);
}

void send_opus(struct peer *p, const char *mid, uint32_t ssrc, uint16_t seq16, uint32_t timestamp, uint8_t level) {
    struct rtp_ext_out exts = {0};
    uint8_t payload[80];
    memset(payload, (int)(seq16 & 0xff), sizeof payload);
    rtp_ext_add(&exts, EXT_MID, span_str(mid));
    rtp_ext_add_u8(&exts, EXT_LEVEL, rtp_ext_audio_level_byte(true, level));
    peer_send_rtp(p, ssrc, PT_OPUS, seq16, timestamp, false, &exts, span_of(payload, sizeof payload), 0);
}
