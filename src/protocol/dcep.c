#include "protocol/dcep.h"

#include <string.h>

#include "base/assert.h"

/* RFC 8832 section 8.2. */
enum { DCEP_MESSAGE_ACK = 2, DCEP_MESSAGE_OPEN = 3 };
#define DCEP_CHANNEL_UNORDERED 0x80

/* --- wire format (RFC 8832 section 5) ----------------------------------------------------------------------------- */

bool dcep_parse_open(struct span message, struct dcep_open *open) {
    struct reader r = reader_of_span(message);
    *open = (struct dcep_open){0};
    uint8_t type = rd_u8(&r);
    uint8_t channel = rd_u8(&r);
    open->priority = rd_u16(&r);
    open->reliability_value = rd_u32(&r);
    uint16_t label_len = rd_u16(&r);
    uint16_t protocol_len = rd_u16(&r);
    open->label = rd_span(&r, label_len);
    open->protocol = rd_span(&r, protocol_len);
    if (!reader_ok(&r) || reader_left(&r) > 0 || type != DCEP_MESSAGE_OPEN)
        return false;
    if (label_len > DCEP_LABEL_MAX || protocol_len > DCEP_PROTOCOL_MAX)
        return false;
    open->unordered = (channel & DCEP_CHANNEL_UNORDERED) != 0;
    channel &= (uint8_t)~DCEP_CHANNEL_UNORDERED;
    if (channel > DCEP_LIFETIME_MS)
        return false;
    open->reliability = (enum dcep_reliability)channel;
    if (open->reliability == DCEP_RELIABLE)
        open->reliability_value = 0; /* to be ignored: section 5.1 */
    return true;
}

void dcep_write_open(struct writer *w, const struct dcep_open *open) {
    ASSERT(open->label.len <= DCEP_LABEL_MAX && open->protocol.len <= DCEP_PROTOCOL_MAX);
    wr_u8(w, DCEP_MESSAGE_OPEN);
    wr_u8(w, (uint8_t)((unsigned)open->reliability | (open->unordered ? DCEP_CHANNEL_UNORDERED : 0u)));
    wr_u16(w, open->priority);
    wr_u32(w, open->reliability == DCEP_RELIABLE ? 0 : open->reliability_value);
    wr_u16(w, (uint16_t)open->label.len);
    wr_u16(w, (uint16_t)open->protocol.len);
    wr_span(w, open->label);
    wr_span(w, open->protocol);
}

bool dcep_is_ack(struct span message) {
    return message.len == 1 && message.data[0] == DCEP_MESSAGE_ACK;
}

void dcep_write_ack(struct writer *w) {
    wr_u8(w, DCEP_MESSAGE_ACK);
}

/* --- table ----------------------------------------------------------------------------------------------------------
 */

void data_channels_init(struct data_channels *set, struct sctp *sctp, enum dcep_side side,
                        struct dcep_counters *counters) {
    ASSERT(sctp != NULL && counters != NULL);
    *set = (struct data_channels){.sctp = sctp, .counters = counters, .side = side};
}

static struct dcep_channel *by_stream(struct data_channels *set, uint16_t stream) {
    for (uint32_t i = 0; i < DATA_CHANNELS_MAX; i++) {
        struct dcep_channel *c = &set->channels[i];
        if (c->state != DCEP_FREE && c->stream == stream && !c->closed)
            return c;
    }
    return NULL;
}

static struct dcep_channel *free_channel(struct data_channels *set) {
    for (uint32_t i = 0; i < DATA_CHANNELS_MAX; i++) {
        if (set->channels[i].state == DCEP_FREE)
            return &set->channels[i];
    }
    return NULL;
}

static uint32_t number_of(const struct data_channels *set, const struct dcep_channel *channel) {
    return (uint32_t)(channel - set->channels);
}

static struct dcep_channel channel_of(const struct dcep_open *open, uint16_t stream, enum dcep_state state) {
    struct dcep_channel c = {.state = (uint8_t)state,
                             .unordered = open->unordered,
                             .reliability = (uint8_t)open->reliability,
                             .reliability_value = open->reliability_value,
                             .priority = open->priority,
                             .stream = stream,
                             .label_len = (uint8_t)open->label.len,
                             .protocol_len = (uint8_t)open->protocol.len};
    if (open->label.len > 0)
        memcpy(c.label, open->label.data, open->label.len);
    if (open->protocol.len > 0)
        memcpy(c.protocol, open->protocol.data, open->protocol.len);
    return c;
}

static enum sctp_send_result send_control(struct data_channels *set, uint64_t now_us, uint16_t stream,
                                          struct span message) {
    struct sctp_send_options options = {.stream = stream, .ppid = DCEP_PPID_CONTROL};
    return sctp_send(set->sctp, now_us, &options, message);
}

bool data_channels_open(struct data_channels *set, uint64_t now_us, const struct dcep_open *open, uint32_t *channel) {
    uint8_t message[DCEP_OPEN_BYTES_MAX];
    struct writer w = writer_of(message, sizeof message);
    struct dcep_channel *c = free_channel(set);
    if (set->down || c == NULL) {
        set->counters->refused_full++;
        return false;
    }
    dcep_write_open(&w, open);
    ASSERT(writer_ok(&w));
    /* one stream more than there are channels is enough to find a free one */
    for (uint32_t i = 0; i <= DATA_CHANNELS_MAX; i++) {
        uint16_t stream = (uint16_t)(2 * i + (uint32_t)set->side);
        if (by_stream(set, stream) != NULL)
            continue;
        if (send_control(set, now_us, stream, writer_span(&w)) != SCTP_SEND_OK)
            break;
        *c = channel_of(open, stream, DCEP_OPENING);
        set->counters->opened_by_us++;
        *channel = number_of(set, c);
        return true;
    }
    set->counters->refused_full++;
    return false;
}

enum data_channel_send_result data_channels_send(struct data_channels *set, uint64_t now_us, uint32_t channel,
                                                 bool binary, struct span bytes) {
    ASSERT(channel < DATA_CHANNELS_MAX);
    static const uint8_t nothing[1] = {0};
    const struct dcep_channel *c = &set->channels[channel];
    if (set->down || (c->state != DCEP_OPENING && c->state != DCEP_OPEN))
        return DATA_CHANNEL_NOT_OPEN;
    struct sctp_send_options options = {.stream = c->stream, .unordered = c->unordered && c->answered};
    options.account = c->reliability == DCEP_RELIABLE ? DATA_CHANNEL_RELIABLE : DATA_CHANNEL_LOSSY;
    options.charge_bytes = data_channel_charge(bytes.len);
    options.ppid = binary ? DCEP_PPID_BINARY : DCEP_PPID_STRING;
    if (bytes.len == 0) {
        options.ppid = binary ? DCEP_PPID_BINARY_EMPTY : DCEP_PPID_STRING_EMPTY;
        bytes = span_of(nothing, sizeof nothing);
    }
    if (c->reliability == DCEP_MAX_RETRANSMITS) {
        options.limit_retransmits = true;
        options.retransmits_max = c->reliability_value < UINT16_MAX ? (uint16_t)c->reliability_value : UINT16_MAX;
    } else if (c->reliability == DCEP_LIFETIME_MS) {
        options.lifetime_ms = c->reliability_value > 0 ? c->reliability_value : 1; /* 0 is no limit to sctp_send */
    }
    switch (sctp_send(set->sctp, now_us, &options, bytes)) {
    case SCTP_SEND_OK:
        return DATA_CHANNEL_OK;
    case SCTP_SEND_FULL:
        return DATA_CHANNEL_FULL;
    case SCTP_SEND_TOO_LONG:
        return DATA_CHANNEL_TOO_LONG;
    case SCTP_SEND_BAD_STREAM: /* the stream's former life is still being reset */
        return c->old_reset ? DATA_CHANNEL_FULL : DATA_CHANNEL_NOT_OPEN;
    default:
        return DATA_CHANNEL_NOT_OPEN;
    }
}

void data_channels_close(struct data_channels *set, uint64_t now_us, uint32_t channel) {
    ASSERT(channel < DATA_CHANNELS_MAX);
    struct dcep_channel *c = &set->channels[channel];
    if (set->down || (c->state != DCEP_OPENING && c->state != DCEP_OPEN))
        return;
    c->state = DCEP_CLOSING;
    sctp_reset_stream(set->sctp, now_us, c->stream);
}

const struct dcep_channel *data_channels_get(const struct data_channels *set, uint32_t channel) {
    ASSERT(channel < DATA_CHANNELS_MAX);
    return set->channels[channel].state != DCEP_FREE ? &set->channels[channel] : NULL;
}

bool data_channels_find(const struct data_channels *set, struct span label, uint32_t *channel) {
    for (uint32_t i = 0; i < DATA_CHANNELS_MAX; i++) {
        const struct dcep_channel *c = &set->channels[i];
        if ((c->state == DCEP_OPENING || c->state == DCEP_OPEN) && span_equal(span_of(c->label, c->label_len), label)) {
            *channel = i;
            return true;
        }
    }
    return false;
}

uint64_t data_channels_settled(const struct data_channels *set, enum data_channel_account account) {
    return sctp_settled_bytes(set->sctp, (uint8_t)account);
}

uint32_t data_channels_buffered_bytes(const struct data_channels *set, uint32_t channel) {
    const struct dcep_channel *c = data_channels_get(set, channel);
    return c != NULL ? sctp_buffered_bytes(set->sctp, c->stream) : 0;
}

/* --- what the peer does ---------------------------------------------------------------------------------------------
 */

static void try_ack(struct data_channels *set, uint64_t now_us, struct dcep_channel *c) {
    uint8_t message[1];
    struct writer w = writer_of(message, sizeof message);
    dcep_write_ack(&w);
    enum sctp_send_result result = send_control(set, now_us, c->stream, writer_span(&w));
    c->ack_wanted = result == SCTP_SEND_FULL || result == SCTP_SEND_BAD_STREAM;
}

/* False when the OPEN made no channel. */
static bool on_open(struct data_channels *set, uint64_t now_us, uint16_t stream, struct span message,
                    struct data_channel_event *event) {
    struct dcep_open open;
    struct dcep_channel *old = by_stream(set, stream);
    bool old_reset = old != NULL && old->state == DCEP_CLOSING && old->incoming_reset;
    if (old_reset) {
        old->closed = true; /* only the answer to our reset is missing: the peer is done and uses the stream anew */
        old = NULL;
    }
    if (old != NULL) {
        set->counters->rx_unexpected++;
        return false;
    }
    struct dcep_channel *c = free_channel(set);
    bool good = dcep_parse_open(message, &open);
    if (!good) {
        set->counters->rx_bad_control++;
    } else if (stream % 2 == (unsigned)set->side) {
        set->counters->rx_wrong_parity++;
        good = false;
    } else if (c == NULL) {
        set->counters->refused_full++;
        good = false;
    }
    if (!good) { /* RFC 8832 section 6: the refusal is a reset of the stream */
        sctp_reset_stream(set->sctp, now_us, stream);
        return false;
    }
    *c = channel_of(&open, stream, DCEP_OPEN);
    c->answered = true;
    c->old_reset = old_reset;
    set->counters->opened_by_peer++;
    try_ack(set, now_us, c);
    event->type = DATA_CHANNEL_OPENED;
    event->channel = number_of(set, c);
    event->by_peer = true;
    return true;
}

static bool on_control(struct data_channels *set, uint64_t now_us, const struct sctp_message *m,
                       struct data_channel_event *event) {
    uint8_t bytes[DCEP_OPEN_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    sctp_message_copy(set->sctp, &w);
    struct span message = writer_span(&w);
    set->controls++;
    if (writer_ok(&w) && dcep_is_ack(message)) {
        struct dcep_channel *c = by_stream(set, m->stream);
        if (c == NULL || c->state != DCEP_OPENING) {
            set->counters->rx_unexpected++;
            return false;
        }
        c->state = DCEP_OPEN;
        c->answered = true;
        event->type = DATA_CHANNEL_OPENED;
        event->channel = number_of(set, c);
        return true;
    }
    /* texts too long for us did not fit the buffer: what is left does not parse, and the stream is reset */
    if (message.len > 0 && message.data[0] == DCEP_MESSAGE_OPEN)
        return on_open(set, now_us, m->stream, writer_ok(&w) ? message : span_of(bytes, 1), event);
    if (!writer_ok(&w) || by_stream(set, m->stream) == NULL)
        sctp_reset_stream(set->sctp, now_us, m->stream);
    set->counters->rx_bad_control++;
    return false;
}

static bool on_message(struct data_channels *set, uint64_t now_us, const struct sctp_message *m,
                       struct data_channel_event *event) {
    if (m->ppid == DCEP_PPID_CONTROL)
        return on_control(set, now_us, m, event);
    struct dcep_channel *c = by_stream(set, m->stream);
    if (c == NULL || c->state == DCEP_CLOSING) {
        set->counters->rx_no_channel++;
        return false;
    }
    bool empty = m->ppid == DCEP_PPID_STRING_EMPTY || m->ppid == DCEP_PPID_BINARY_EMPTY;
    if (!empty && m->ppid != DCEP_PPID_STRING && m->ppid != DCEP_PPID_BINARY) {
        set->counters->rx_bad_ppid++;
        return false;
    }
    c->answered = true;
    event->type = DATA_CHANNEL_MESSAGE;
    event->channel = number_of(set, c);
    event->binary = m->ppid == DCEP_PPID_BINARY || m->ppid == DCEP_PPID_BINARY_EMPTY;
    event->len_bytes = empty ? 0 : m->len_bytes;
    return true;
}

/* RFC 8831 section 6.7: a channel is closed when both directions are reset. */
static void note_reset(struct data_channels *set, uint64_t now_us, uint16_t stream, bool incoming) {
    struct dcep_channel *c = by_stream(set, stream);
    if (c == NULL)
        return;
    if (!incoming && c->old_reset) {
        c->old_reset = false;
        if (c->state == DCEP_CLOSING)
            sctp_reset_stream(set->sctp, now_us, stream);
        else if (c->ack_wanted)
            try_ack(set, now_us, c);
        return;
    }
    if (incoming) {
        c->incoming_reset = true;
        if (c->state != DCEP_CLOSING) {
            c->state = DCEP_CLOSING;
            sctp_reset_stream(set->sctp, now_us, stream);
        }
    } else {
        c->outgoing_reset = true;
        c->state = DCEP_CLOSING;
    }
    c->closed = c->outgoing_reset && (c->incoming_reset || !sctp_peer_resets(set->sctp));
}

static bool take_closed(struct data_channels *set, struct data_channel_event *event) {
    for (uint32_t i = 0; i < DATA_CHANNELS_MAX; i++) {
        struct dcep_channel *c = &set->channels[i];
        if (c->state == DCEP_FREE || !c->closed)
            continue;
        *c = (struct dcep_channel){.state = DCEP_FREE};
        set->counters->closed++;
        event->type = DATA_CHANNEL_CLOSED;
        event->channel = i;
        return true;
    }
    return false;
}

static void close_all(struct data_channels *set) {
    for (uint32_t i = 0; i < DATA_CHANNELS_MAX; i++)
        set->channels[i].closed = set->channels[i].state != DCEP_FREE;
}

void data_channels_hold(struct data_channels *set, enum data_channels_hold hold) {
    set->hold = (uint8_t)hold;
}

/* Whether the next message has to wait. What makes channels does only with everything: it is told once, and costs more
 * than a message. */
static bool must_wait(struct data_channels *set) {
    struct sctp_message next;
    if (set->hold == DATA_CHANNELS_HOLD_NONE || !sctp_peek_message(set->sctp, &next))
        return false;
    if (set->hold == DATA_CHANNELS_HOLD_ALL)
        return true;
    if (next.ppid == DCEP_PPID_CONTROL)
        return false;
    const struct dcep_channel *c = by_stream(set, next.stream);
    return c != NULL && c->state != DCEP_CLOSING && c->reliability == DCEP_RELIABLE;
}

bool data_channels_poll(struct data_channels *set, uint64_t now_us, struct data_channel_event *event) {
    struct sctp_event e;
    *event = (struct data_channel_event){0};
    while (!take_closed(set, event)) {
        set->holds = must_wait(set);
        sctp_hold_messages(set->sctp, set->holds);
        if (!sctp_poll_event(set->sctp, &e))
            return false;
        switch (e.type) {
        case SCTP_EVENT_CONNECTED:
            event->type = DATA_CHANNELS_CONNECTED;
            return true;
        case SCTP_EVENT_RESTARTED:
            close_all(set);
            break;
        case SCTP_EVENT_MESSAGE:
            if (on_message(set, now_us, &e.message, event))
                return true;
            break;
        case SCTP_EVENT_STREAM_RESET:
            note_reset(set, now_us, e.stream, true);
            break;
        case SCTP_EVENT_RESET_DONE:
            note_reset(set, now_us, e.stream, false);
            if (!take_closed(set, event))
                event->type = DATA_CHANNELS_WRITABLE;
            return true;
        case SCTP_EVENT_BUFFERED_LOW:
            for (uint32_t i = 0; i < DATA_CHANNELS_MAX; i++) {
                if (set->channels[i].state != DCEP_FREE && set->channels[i].ack_wanted)
                    try_ack(set, now_us, &set->channels[i]);
            }
            event->type = DATA_CHANNELS_WRITABLE;
            return true;
        case SCTP_EVENT_CLOSED:
            set->down = true;
            memset(set->channels, 0, sizeof set->channels);
            event->type = DATA_CHANNELS_DOWN;
            event->reason = e.reason;
            return true;
        }
    }
    return true;
}

void data_channels_copy(const struct data_channels *set, const struct data_channel_event *event, struct writer *w) {
    ASSERT(event->type == DATA_CHANNEL_MESSAGE);
    if (event->len_bytes > 0)
        sctp_message_copy(set->sctp, w);
}

bool data_channels_part(const struct data_channels *set, const struct data_channel_event *event, uint32_t *part,
                        struct span *bytes) {
    ASSERT(event->type == DATA_CHANNEL_MESSAGE);
    return event->len_bytes > 0 && sctp_message_part(set->sctp, part, bytes);
}
