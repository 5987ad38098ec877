/* A media engine for tests of what drives engines: it has the contract of media/engine.h and next to no media.
 *
 * It takes a STUN datagram whose ufrag names its shard, remembers the sender as a path and sends the datagram back; other
 * datagrams it takes and sends back when they come from a path. A ufrag with a P behind its shard is that of a peer who
 * proves at once to be there. Every command to open a transport is answered with an event,
 * every data message with a data message, which is charged as a reliable one when it is text. */
#ifndef CONCLAVE_TESTS_FAKE_ENGINE_H
#define CONCLAVE_TESTS_FAKE_ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* While true, engine_command does not return: a media thread that stands still. */
extern _Atomic bool fake_engine_hold;

/* A Binding request with this ufrag as the first half of its username; returns the length. */
size_t fake_check(uint8_t out[128], const char *ufrag);

#endif
