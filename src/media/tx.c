/* The way out. Media waits as descriptions (which packet, for which sink, under which numbers) in one list for each
 * transport and class, and is made and sealed only when it is polled: straight from the shared plain text into a
 * transmit slot. So the transport-wide number and the send time are the true ones, and what is dropped before has cost
 * nothing. Finished datagrams (STUN, DTLS, RTCP) wait in a list of their own and go first. */
#include <string.h>

#include "media/impl.h"

/* Padding of a packet that fills a hole: one byte, its own length. */
static const uint8_t fill_padding[1] = {1};

void tx_init(struct engine *e) {
    e->tx_free = NONE;
    e->raw = (struct tx_list){.head = NONE, .tail = NONE};
    e->active_head = NONE;
    e->active_tail = NONE;
}

static uint32_t entry_take(struct engine *e) {
    uint32_t index;
    if (e->tx_free != NONE) {
        index = e->tx_free;
        e->tx_free = e->tx_entries[index].next;
    } else if (e->tx_fresh < e->config.tx_queue_max) {
        index = e->tx_fresh++;
    } else {
        return NONE;
    }
    e->tx_used++;
    if (e->tx_used > e->tx_high)
        e->tx_high = e->tx_used;
    return index;
}

static void entry_give(struct engine *e, uint32_t index) {
    struct tx_entry *entry = &e->tx_entries[index];
    if (entry->packet != NONE)
        packet_unref(&e->arena, &e->arena.packets[entry->packet]);
    entry->packet = NONE;
    entry->next = e->tx_free;
    e->tx_free = index;
    ASSERT(e->tx_used > 0);
    e->tx_used--;
}

static void list_append(struct engine *e, struct tx_list *list, uint32_t index) {
    e->tx_entries[index].next = NONE;
    if (list->tail == NONE)
        list->head = index;
    else
        e->tx_entries[list->tail].next = index;
    list->tail = index;
}

static uint32_t list_pop(struct engine *e, struct tx_list *list) {
    uint32_t index = list->head;
    if (index == NONE)
        return NONE;
    list->head = e->tx_entries[index].next;
    if (list->head == NONE)
        list->tail = NONE;
    return index;
}

static void make_active(struct engine *e, struct transport *t) {
    if (t->active)
        return;
    t->active = true;
    t->next_active = NONE;
    if (e->active_tail == NONE)
        e->active_head = t->index;
    else
        e->transports[e->active_tail].next_active = t->index;
    e->active_tail = t->index;
}

static void drop_active_head(struct engine *e) {
    struct transport *t = &e->transports[e->active_head];
    ASSERT(t->active && t->queued == 0);
    t->active = false;
    e->active_head = t->next_active;
    if (e->active_head == NONE)
        e->active_tail = NONE;
}

struct tx_entry *tx_push(struct engine *e, struct transport *t, enum tx_class class, struct packet *packet) {
    ASSERT(class < TX_CLASSES);
    if (t->queued >= TRANSPORT_QUEUE_MAX) {
        e->counters.drop_transport_queue++;
        return NULL;
    }
    uint32_t index = entry_take(e);
    if (index == NONE) {
        e->counters.drop_tx_queue++;
        return NULL;
    }
    struct tx_entry *entry = &e->tx_entries[index];
    *entry = (struct tx_entry){.packet = NONE, .class = (uint8_t) class};
    if (packet != NULL) {
        packet_ref(packet);
        entry->packet = packet->index;
    }
    list_append(e, &t->queue[class], index);
    t->queued++;
    make_active(e, t);
    return entry;
}

void tx_raw(struct engine *e, struct span datagram, const struct net_addr *to, const struct net_addr *local) {
    ASSERT(datagram.len > 0 && datagram.len <= PACKET_LEN_MAX);
    _Static_assert(sizeof(struct raw_head) <= PACKET_HEADROOM, "the addresses lie in the headroom");
    if (e->raw_count >= RAW_QUEUE_MAX) {
        e->counters.drop_tx_queue++;
        return;
    }
    uint32_t index = entry_take(e);
    struct packet *packet = index != NONE ? packet_take(&e->arena) : NULL;
    if (packet == NULL) {
        if (index == NONE) {
            e->counters.drop_tx_queue++;
        } else {
            e->tx_entries[index].packet = NONE;
            entry_give(e, index);
            e->counters.drop_no_slot++;
        }
        return;
    }
    e->tx_entries[index] = (struct tx_entry){.packet = packet->index, .kind = TX_RAW};
    struct raw_head head = {.to = *to, .local = local != NULL ? *local : (struct net_addr){0}};
    uint8_t *data = packet_data(&e->arena, packet);
    memcpy(data - packet->offset, &head, sizeof head);
    memcpy(data, datagram.data, datagram.len);
    packet->len_bytes = (uint16_t)datagram.len;
    list_append(e, &e->raw, index);
    e->raw_count++;
}

void tx_raw_transport(struct engine *e, struct transport *t, struct span datagram) {
    if (!t->has_target)
        return;
    if (t->unproven && !ice_lite_may_send(&t->ice, datagram.len)) {
        e->counters.drop_unproven++;
        return;
    }
    t->tx_bytes += datagram.len;
    t->tx_packets++;
    tx_raw(e, datagram, &t->to, &t->local);
}

void tx_rtcp(struct engine *e, struct transport *t, struct span compound) {
    ASSERT(compound.len <= RTCP_LEN_MAX);
    if (!transport_can_send(t))
        return;
    uint8_t sealed[RTCP_LEN_MAX + SRTCP_OVERHEAD_MAX];
    size_t len = 0;
    if (srtcp_seal(&t->tx, compound, sealed, sizeof sealed, &len) != SRTP_OK) {
        e->counters.drop_seal++;
        return;
    }
    tx_raw_transport(e, t, span_of(sealed, len));
}

void tx_drop_raw(struct engine *e) {
    for (uint32_t index; (index = list_pop(e, &e->raw)) != NONE; e->raw_count--)
        entry_give(e, index);
    ASSERT(e->raw_count == 0);
}

void tx_drop_transport(struct engine *e, struct transport *t) {
    for (int class = 0; class < TX_CLASSES; class ++) {
        for (uint32_t index; (index = list_pop(e, &t->queue[class])) != NONE; t->queued--)
            entry_give(e, index);
    }
    ASSERT(t->queued == 0);
    if (!t->active)
        return;
    uint32_t *link = &e->active_head, before = NONE;
    while (*link != t->index) {
        ASSERT(*link != NONE);
        before = *link;
        link = &e->transports[*link].next_active;
    }
    *link = t->next_active;
    if (e->active_tail == t->index)
        e->active_tail = before;
    t->active = false;
}

void tx_drop_sink(struct engine *e, struct transport *t, const struct sink *sink) {
    for (int class = 0; class < TX_CLASSES; class ++) {
        struct tx_list kept = {.head = NONE, .tail = NONE};
        for (uint32_t index; (index = list_pop(e, &t->queue[class])) != NONE;) {
            if (e->tx_entries[index].sink == sink->index) {
                entry_give(e, index);
                t->queued--;
            } else {
                list_append(e, &kept, index);
            }
        }
        t->queue[class] = kept;
    }
}

/* ---- making packets -------------------------------------------------------------------------------------------- */

/* The dependency descriptor for this receiver: another frame number, and at times other active decode targets. */
static struct span descriptor_for(struct engine *e, const struct sink *sink, const struct tx_entry *entry,
                                  struct span bytes, uint8_t layer, uint8_t out[AV1DD_LEN_MAX]) {
    if (bytes.len < 3 || bytes.len > AV1DD_LEN_MAX)
        return (struct span){0};
    struct source *source = &e->sources[sink->source];
    if (entry->active_targets != 0 && source->streams[layer].has_dd_state) {
        const struct av1dd_state *state = engine_dd_state(e, source, layer);
        struct av1dd_structure attached;
        struct av1dd dd;
        if (av1dd_parse(bytes, state->valid ? &state->structure : NULL, &dd, &attached) == AV1DD_OK) {
            struct writer w = writer_of(out, AV1DD_LEN_MAX);
            dd.frame_number = entry->frame16;
            dd.has_active_targets = true;
            dd.active_targets = entry->active_targets;
            av1dd_write(&dd, dd.has_structure ? &attached : &state->structure, &w);
            if (writer_ok(&w))
                return writer_span(&w);
        }
    }
    memcpy(out, bytes.data, bytes.len);
    out[1] = (uint8_t)(entry->frame16 >> 8); /* the mandatory fields: flags and template, then the number */
    out[2] = (uint8_t)entry->frame16;
    return span_of(out, bytes.len);
}

static void add_passed(struct engine *e, const struct transport *t, const struct sink *sink,
                       const struct tx_entry *entry, uint8_t descriptor[AV1DD_LEN_MAX], struct rtp_ext_out *exts) {
    const struct packet *packet = &e->arena.packets[entry->packet];
    const struct packet_info *info = engine_info(e, packet);
    const uint8_t *data = packet_data(&e->arena, packet);
    for (int i = 0; i < PASS_EXTS; i++) {
        const struct packet_ext *ext = &info->ext[i];
        uint8_t id = t->tx_ext.id[packet_ext_kinds[i]];
        if (ext->len == 0 || id == 0)
            continue;
        struct span value = span_of(data + ext->offset, ext->len);
        if (i == PASS_DEPENDENCY_DESCRIPTOR)
            value = descriptor_for(e, sink, entry, value, info->layer, descriptor);
        if (value.len > 0)
            rtp_ext_add(exts, id, value);
    }
}

/* The rewritten payload descriptor becomes the job's prefix, what follows it stays in the shared packet. */
static void split_payload(const struct engine *e, const struct tx_entry *entry, uint8_t *prefix, struct srtp_job *job) {
    const struct packet *packet = &e->arena.packets[entry->packet];
    const struct packet_info *info = &e->infos[packet->index];
    const uint8_t *payload = packet_data(&e->arena, packet) + info->payload_offset;
    struct span whole = span_of(payload, info->payload_len);
    size_t len = 0;
    if (entry->kind == TX_RTX) {
        rtp_rtx_prefix(entry->original_seq16, prefix);
        len = RTP_RTX_OSN_LEN;
    }
    size_t cut = info->descriptor_len;
    if (cut > 0) {
        ASSERT(len + cut <= SRTP_PREFIX_LEN_MAX && cut < info->payload_len);
        memcpy(prefix + len, payload, cut);
        struct vp8_descriptor vp8;
        struct vp9_descriptor vp9;
        if (info->codec == CODEC_VP8 && vp8_parse(whole, &vp8)) {
            /* the ids lie within the first bytes, which are the ones that were copied */
            vp8_write_ids(prefix + len, whole.len, &vp8, entry->picture_id, entry->tl0);
            if (vp8.has_key_index)
                vp8_write_key_index(prefix + len, whole.len, &vp8, entry->key_index);
        } else if (info->codec == CODEC_VP9 && vp9_parse(whole, &vp9)) {
            vp9_write_ids(prefix + len, whole.len, &vp9, entry->picture_id, entry->tl0);
        }
        len += cut;
        whole = span_of(payload + cut, info->payload_len - cut);
    }
    job->prefix = span_of(prefix, len);
    job->payload = whole;
}

/* Fills one job; the header goes straight into the transmit slot. */
static void make_media(struct engine *e, struct transport *t, struct tx_entry *entry, uint8_t *slot, uint8_t *prefix,
                       struct srtp_job *job) {
    struct sink *sink = &e->sinks[entry->sink];
    ASSERT(sink->handle != 0 && sink->transport == t->index);
    struct rtp_ext_out exts;
    exts.count = 0;
    uint8_t descriptor[AV1DD_LEN_MAX];
    *job = (struct srtp_job){.session = &t->tx, .out = slot, .out_size = PACKET_LEN_MAX, .header = slot};
    if (entry->kind == TX_FILL) {
        job->payload = span_of(fill_padding, sizeof fill_padding);
    } else {
        split_payload(e, entry, prefix, job);
        add_passed(e, t, sink, entry, descriptor, &exts);
    }
    if (sink->mid_len > 0)
        rtp_ext_add(&exts, t->tx_ext.id[RTP_EXT_MID], span_of(sink->mid, sink->mid_len));
    rtp_ext_add_u24(&exts, t->tx_ext.id[RTP_EXT_ABS_SEND_TIME], rtp_ext_abs_send_time_of(e->now_us));
    uint16_t bytes = (uint16_t)(RTP_HEADER_LEN + job->prefix.len + job->payload.len);
    if (t->sendlog != NULL)
        rtp_ext_add_u16(&exts, t->tx_ext.id[RTP_EXT_TRANSPORT_SEQ], sendlog_next(t->sendlog, e->now_us, bytes));
    struct rtp_header header = {
        .marker = entry->marker,
        .pt = entry->pt,
        .seq16 = entry->seq16,
        .timestamp = entry->timestamp,
        .ssrc = entry->kind == TX_RTX ? sink->rtx_ssrc : sink->ssrc,
        .padding_len = entry->kind == TX_FILL ? fill_padding[0] : 0,
    };
    struct writer w = writer_of(slot, RTP_HEADER_LEN_MAX);
    bool fits = rtp_write(&w, &header, &exts);
    ASSERT(fits);
    job->header_len = w.len;
}

static uint32_t next_media(struct engine *e, struct transport **transport) {
    while (e->active_head != NONE) {
        struct transport *t = &e->transports[e->active_head];
        for (int class = 0; class < TX_CLASSES; class ++) {
            uint32_t index = list_pop(e, &t->queue[class]);
            if (index == NONE)
                continue;
            ASSERT(t->queued > 0);
            t->queued--;
            *transport = t;
            return index;
        }
        drop_active_head(e);
    }
    return NONE;
}

static size_t poll_raw(struct engine *e, struct engine_tx *out, size_t max) {
    size_t count = 0;
    uint32_t index;
    while (count < max && (index = list_pop(e, &e->raw)) != NONE) {
        const struct packet *packet = &e->arena.packets[e->tx_entries[index].packet];
        const uint8_t *data = packet_data(&e->arena, packet);
        uint8_t *slot = e->tx_slots + count * PACKET_SLOT_LEN + PACKET_HEADROOM;
        struct raw_head head;
        memcpy(&head, data - packet->offset, sizeof head);
        memcpy(slot, data, packet->len_bytes);
        out[count++] = (struct engine_tx){.data = slot, .len = packet->len_bytes, .to = head.to, .local = head.local};
        ASSERT(e->raw_count > 0);
        e->raw_count--;
        entry_give(e, index);
    }
    return count;
}

static uint8_t priority_of(const struct tx_entry *entry) {
    return entry->class; /* audio 0, retransmission 1, video 2 */
}

/* Seals the jobs and closes up over those that failed. */
static size_t seal(struct engine *e, struct engine_tx *out, size_t first, size_t count) {
    srtp_seal_many(e->jobs + first, count - first);
    size_t kept = first;
    for (size_t i = first; i < count; i++) {
        if (e->jobs[i].result != SRTP_OK) {
            e->counters.drop_seal++;
            continue;
        }
        out[kept] = out[i];
        out[kept].len = (uint16_t)e->jobs[i].out_len;
        kept++;
    }
    return kept;
}

/* Shared packets may be given back only when they were sealed from. */
static void release(struct engine *e, const uint32_t *indices, size_t count) {
    for (size_t i = 0; i < count; i++)
        entry_give(e, indices[i]);
}

static size_t bytes_of(const struct engine *e, const struct tx_entry *entry) {
    return entry->packet == NONE ? RTP_HEADER_LEN_MAX : e->arena.packets[entry->packet].len_bytes;
}

static size_t poll_media(struct engine *e, struct engine_tx *out, size_t first, size_t max) {
    uint32_t indices[ENGINE_TX_BATCH_MAX];
    size_t count = first, taken = 0;
    while (count < max && taken < ENGINE_TX_BATCH_MAX) {
        struct transport *t = NULL;
        uint32_t index = next_media(e, &t);
        if (index == NONE)
            break;
        struct tx_entry *entry = &e->tx_entries[index];
        indices[taken++] = index;
        if (!transport_can_send(t))
            continue;
        if (t->unproven && !ice_lite_may_send(&t->ice, bytes_of(e, entry))) {
            e->counters.drop_unproven++;
            continue;
        }
        uint8_t *slot = e->tx_slots + count * PACKET_SLOT_LEN + PACKET_HEADROOM;
        make_media(e, t, entry, slot, e->prefixes + count * SRTP_PREFIX_LEN_MAX, &e->jobs[count]);
        struct srtp_job *job = &e->jobs[count];
        size_t bytes = job->header_len + job->prefix.len + job->payload.len;
        t->tx_bytes += bytes;
        t->tx_packets++;
        rate_add(&t->tx_rate, e->now_us, (uint32_t)bytes);
        out[count++] = (struct engine_tx){.data = slot, .to = t->to, .local = t->local, .priority = priority_of(entry)};
    }
    count = seal(e, out, first, count);
    release(e, indices, taken);
    return count;
}

size_t engine_poll_tx(struct engine *e, uint64_t now_us, struct engine_tx *out, size_t max) {
    ASSERT(e != NULL && out != NULL);
    if (now_us > e->now_us)
        e->now_us = now_us;
    if (max > ENGINE_TX_BATCH_MAX)
        max = ENGINE_TX_BATCH_MAX;
    size_t count = poll_raw(e, out, max);
    /* a batch whose media all failed to seal is not the end */
    do {
        size_t before = count;
        count = poll_media(e, out, count, max);
        if (count > before)
            break;
    } while (count < max && e->active_head != NONE);
    for (size_t i = 0; i < count; i++) {
        e->counters.tx_datagrams++;
        e->counters.tx_bytes += out[i].len;
    }
    return count;
}
