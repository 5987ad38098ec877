/* Reliable data on its way to receivers: nothing of it is dropped. See internal.h for the rules. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "room/memory.h"
#include "signal/internal.h"

/* What a command takes of a ring besides its payload. */
#define COMMAND_OVERHEAD_BYTES 128
/* How soon a full ring is looked at again when nothing else happens. */
#define RING_RETRY_US (2 * US_PER_MS)

/* One message for any number of receivers. While somebody holds it, its sender's window stays closed by as much. */
struct data_message {
    struct buffer *buffer;
    uint32_t refs, holds;
    uint32_t charged_bytes; /* 0 = nobody waits for it, or given back */
    uint32_t shard, transport;
};

struct outbox_entry {
    struct outbox_entry *next;
    struct data_message *message;
    uint32_t charge_bytes;
    bool holds;
};

/* ---- messages ---------------------------------------------------------------------------------------------------- */

/* The window of whoever sent it opens again. */
static void give_back(struct control *control, struct data_message *message) {
    if (message->charged_bytes != 0 &&
        pool_live(&control->shards[message->shard].objects[ROOM_TRANSPORTS], message->transport)) {
        struct engine_command command = {.type = ENGINE_CHANNEL_RELEASE, .object = message->transport};
        command.channel_release.bytes = message->charged_bytes;
        output_command(control, message->shard, &command, NULL);
    }
    message->charged_bytes = 0;
}

struct data_message *data_message_new(struct control *control, const struct pc *sender, uint32_t charged_bytes,
                                      struct span bytes) {
    struct data_message *message = memory_new(sizeof *message);
    message->buffer = buffer_new(bytes);
    message->refs = 1;
    if (sender != NULL) {
        message->charged_bytes = charged_bytes;
        message->shard = sender->shard;
        message->transport = sender->transport;
    }
    control->data_waiting_bytes += bytes.len;
    return message;
}

void data_message_release(struct control *control, struct data_message *message) {
    ASSERT(message->refs > 0);
    if (message->holds == 0)
        give_back(control, message);
    if (--message->refs > 0)
        return;
    ASSERT(message->holds == 0 && control->data_waiting_bytes >= message->buffer->len);
    control->data_waiting_bytes -= message->buffer->len;
    buffer_release(message->buffer);
    free(message);
}

static void let_go(struct control *control, struct outbox_entry *entry) {
    if (!entry->holds)
        return;
    entry->holds = false;
    if (--entry->message->holds == 0)
        give_back(control, entry->message);
}

/* ---- a receiver's queue ------------------------------------------------------------------------------------------ */

static bool window_open(const struct outbox *outbox, uint32_t charge_bytes) {
    uint64_t in_flight = outbox->given_bytes - outbox->sent_bytes;
    return in_flight == 0 || in_flight + charge_bytes <= ENGINE_CHANNEL_TX_WINDOW_BYTES;
}

static bool hand_over(struct pc *pc, struct buffer *buffer, uint32_t charge_bytes) {
    struct control *control = pc->peer->control;
    struct shard *shard = &control->shards[pc->shard];
    size_t len = buffer->len + COMMAND_OVERHEAD_BYTES;
    if (!window_open(&pc->outbox, charge_bytes))
        return false;
    if (shard->data_room_bytes < len) { /* the way to the engine is full: again when it is not */
        if (!list_linked(&pc->outbox.waiting))
            list_append(&shard->data_waiting, &pc->outbox.waiting);
        control->next_us = time_min(control->next_us, control->now_us + RING_RETRY_US);
        return false;
    }
    shard->data_room_bytes -= len;
    pc->outbox.given_bytes += charge_bytes;
    struct engine_command command = {.type = ENGINE_CHANNEL_SEND, .object = pc->transport};
    const char *label = channel_label(CHANNEL_RELIABLE);
    memcpy(command.channel_send.label, label, strlen(label) + 1);
    command.channel_send.payload_len = buffer->len;
    output_command(control, pc->shard, &command, buffer);
    return true;
}

static void pop(struct pc *pc) {
    struct outbox *outbox = &pc->outbox;
    struct outbox_entry *entry = outbox->first;
    outbox->first = entry->next;
    if (outbox->first == NULL)
        outbox->last = NULL;
    outbox->queued_bytes -= entry->charge_bytes;
    outbox->held_bytes -= entry->holds ? entry->charge_bytes : 0;
    let_go(pc->peer->control, entry);
    data_message_release(pc->peer->control, entry->message);
    free(entry);
}

static void not_holding(struct outbox *outbox) {
    if (outbox->held_bytes == 0)
        outbox->holding_since_us = TIME_NEVER;
}

/* What is left waits within the slack: the senders need not wait for it. */
static void let_all_go(struct pc *pc) {
    struct outbox *outbox = &pc->outbox;
    if (outbox->held_bytes == 0 || outbox->queued_bytes > DATA_SLACK_BYTES / 2)
        return;
    for (struct outbox_entry *entry = outbox->first; entry != NULL; entry = entry->next)
        let_go(pc->peer->control, entry);
    outbox->held_bytes = 0;
}

static void pump(struct pc *pc) {
    struct outbox *outbox = &pc->outbox;
    while (outbox->first != NULL && hand_over(pc, outbox->first->message->buffer, outbox->first->charge_bytes))
        pop(pc);
    let_all_go(pc);
    not_holding(outbox);
}

/* How long others wait for one who takes nothing. */
static uint64_t silence_borne_us(const struct pc *pc) {
    return pc->peer->slow_us > pc->peer->control->now_us ? DATA_AGAIN_US : DATA_SILENT_US;
}

/* And for one who takes too little. */
static uint64_t slowness_borne_us(const struct pc *pc) {
    return pc->peer->slow_us > pc->peer->control->now_us ? 2 * DATA_AGAIN_US : DATA_SLOW_US;
}

void outbox_init(struct outbox *outbox) {
    *outbox = (struct outbox){.holding_since_us = TIME_NEVER};
}

void outbox_clear(struct pc *pc) {
    while (pc->outbox.first != NULL)
        pop(pc);
    list_remove(&pc->outbox.waiting);
    not_holding(&pc->outbox);
}

void outbox_send(struct pc *pc, struct data_message *message) {
    struct control *control = pc->peer->control;
    struct outbox *outbox = &pc->outbox;
    uint32_t charge_bytes = engine_channel_charge(message->buffer->len);
    control->counters.data_packets++;
    if (outbox->first == NULL && hand_over(pc, message->buffer, charge_bytes))
        return;
    struct outbox_entry *entry = memory_new(sizeof *entry);
    entry->message = message;
    entry->charge_bytes = charge_bytes;
    message->refs++;
    entry->holds = message->charged_bytes != 0 && (outbox->queued_bytes + charge_bytes > DATA_SLACK_BYTES ||
                                                   control->data_waiting_bytes > DATA_WAITING_BYTES_MAX);
    outbox->queued_bytes += charge_bytes;
    if (entry->holds) {
        message->holds++;
        outbox->held_bytes += charge_bytes;
        if (outbox->holding_since_us == TIME_NEVER) {
            outbox->holding_since_us = control->now_us;
            outbox->holding_mark_bytes = outbox->sent_bytes;
        }
        timer_arm(control, pc->peer->participant->room, outbox->holding_since_us + silence_borne_us(pc));
    }
    if (outbox->last != NULL)
        outbox->last->next = entry;
    else
        outbox->first = entry;
    outbox->last = entry;
}

void outbox_sent(struct pc *pc, uint64_t total_bytes) {
    struct outbox *outbox = &pc->outbox;
    if (total_bytes > outbox->sent_bytes && total_bytes <= outbox->given_bytes)
        outbox->sent_bytes = total_bytes;
    pump(pc);
}

/* Does anybody else in the room take data without delay? */
static bool others_wait(const struct pc *pc) {
    uint32_t waiting = 0;
    LIST_EACH(&pc->peer->participant->room->participants, struct participant, node, participant) {
        struct pc *other = data_pc(peer_of(participant));
        waiting +=
            other != NULL && other != pc && other->channel_ready[CHANNEL_RELIABLE] && other->outbox.held_bytes == 0;
    }
    return waiting > 1; /* the sender is one of them */
}

bool outbox_too_slow(struct pc *pc) {
    struct outbox *outbox = &pc->outbox;
    struct control *control = pc->peer->control;
    if (outbox->holding_since_us == TIME_NEVER)
        return false;
    uint64_t held_us = time_since(control->now_us, outbox->holding_since_us);
    uint64_t taken_bytes = outbox->sent_bytes - outbox->holding_mark_bytes;
    uint64_t silence_us = silence_borne_us(pc), slowness_us = slowness_borne_us(pc);
    bool silent = taken_bytes == 0 && held_us >= silence_us;
    bool slow = held_us >= slowness_us && taken_bytes < DATA_SLOW_BYTES_PER_S * held_us / US_PER_S;
    if (((silent || slow) && others_wait(pc)) || (taken_bytes == 0 && held_us >= DATA_STUCK_US))
        return true;
    if (held_us >= slowness_us && taken_bytes > 0) {
        outbox->holding_since_us = control->now_us;
        outbox->holding_mark_bytes = outbox->sent_bytes;
        held_us = 0;
    }
    uint64_t wait_us = held_us < silence_us    ? silence_us - held_us
                       : held_us < slowness_us ? slowness_us - held_us
                                               : US_PER_S;
    timer_arm(control, pc->peer->participant->room, control->now_us + wait_us);
    return false;
}

void control_data_room(struct control *control, uint32_t shard_number, size_t bytes) {
    ASSERT(shard_number < control->config.shards);
    struct shard *shard = &control->shards[shard_number];
    shard->data_room_bytes = bytes;
    LIST_EACH(&shard->data_waiting, struct pc, outbox.waiting, pc) {
        if (shard->data_room_bytes < ENGINE_MESSAGE_LEN_MAX + COMMAND_OVERHEAD_BYTES)
            break;
        list_remove(&pc->outbox.waiting); /* those behind it come first the next time */
        pump(pc);
    }
    if (!list_empty(&shard->data_waiting))
        control->next_us = time_min(control->next_us, control->now_us + RING_RETRY_US);
}
