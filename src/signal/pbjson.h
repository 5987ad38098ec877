/* Protocol buffers' JSON form (proto3 JSON mapping) for any message of the protocol, from protobuf-c's descriptors.
 *
 * Writing: names as in the .proto file ("max_participants") or in lowerCamelCase; 64-bit integers as texts, bytes as
 * base64, enum values by name, maps as objects. Reading: either spelling, numbers also as texts, enum values by name or
 * number, null as absent; unknown names are ignored. Threads: none. */
#ifndef CONCLAVE_SIGNAL_PBJSON_H
#define CONCLAVE_SIGNAL_PBJSON_H

#include <stdbool.h>

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

#include "signal/arena.h"

struct pbjson_style {
    bool camel;    /* lowerCamelCase names */
    bool defaults; /* write fields that have their default value */
};

/* A new reference. */
json_t *pbjson_write(const ProtobufCMessage *message, struct pbjson_style style);
/* A message in the arena, or NULL when a value is of the wrong kind. The arena's limit bounds what it may take. */
ProtobufCMessage *pbjson_read(const ProtobufCMessageDescriptor *descriptor, const json_t *object, struct arena *arena);

#endif
