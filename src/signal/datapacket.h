/* Data packets on their way through: read and patched on the wire, never rebuilt, so that fields of newer clients and
 * the order of the rest survive (LiveKit client protocol). Also the header of data track packets.
 *
 * Threads: none. Errors: a false answer, the packet is dropped and counted by the caller. */
#ifndef CONCLAVE_SIGNAL_DATAPACKET_H
#define CONCLAVE_SIGNAL_DATAPACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

/* What clients may send is ENGINE_MESSAGE_LEN_MAX; identity and sid are added on the way. */
#define DATAPACKET_GROWTH_MAX 2048
/* One packet goes to a list of people or to all; longer lists are refused. */
#define DATAPACKET_DESTINATIONS_MAX 1024

/* Field numbers of DataPacket's oneof `value`. */
enum datapacket_case {
    DATAPACKET_NONE = 0,
    DATAPACKET_USER = 2,
    DATAPACKET_SPEAKER = 3,
    DATAPACKET_SIP_DTMF = 6,
    DATAPACKET_TRANSCRIPTION = 7,
    DATAPACKET_METRICS = 8,
    DATAPACKET_CHAT = 9,
    DATAPACKET_RPC_REQUEST = 10,
    DATAPACKET_RPC_ACK = 11,
    DATAPACKET_RPC_RESPONSE = 12,
    DATAPACKET_STREAM_HEADER = 13,
    DATAPACKET_STREAM_CHUNK = 14,
    DATAPACKET_STREAM_TRAILER = 15,
    DATAPACKET_ENCRYPTED = 18,
};

struct datapacket {
    enum datapacket_case value;
    uint32_t sequence;                     /* 0 = not numbered */
    uint32_t identities_count, sids_count; /* destinations; both 0 = everybody */
    struct span identities[DATAPACKET_DESTINATIONS_MAX];
    struct span sids[DATAPACKET_DESTINATIONS_MAX]; /* of a user packet, when there are no identities */
};

/* `out` is large: keep it in memory of the module, not on a stack. Spans point into `bytes`. */
bool datapacket_parse(struct span bytes, struct datapacket *out);
bool datapacket_is_for(const struct datapacket *packet, const char *identity, const char *sid);
/* Copies the packet with kind, sender identity and sender sid set to these, inside a user packet as well. */
bool datapacket_patch(struct span bytes, bool lossy, const char *sender_identity, const char *sender_sid,
                      struct writer *out);

/* A data track packet: its handle, and how to change it. */
bool datapacket_track_handle(struct span bytes, uint16_t *handle);
#define DATAPACKET_TRACK_HANDLE_OFFSET 2

#endif
