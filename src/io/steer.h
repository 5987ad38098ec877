/* Which media thread a datagram belongs to, when the kernel gave it to another one.
 *
 * Two ways to know. A STUN check carries the receiver's ufrag, and the control core begins every local ufrag with its shard: two
 * characters, a number in base 36, most significant first ("00" is shard 0, "0a" 10, "zz" 1295; lower case). Everything else is
 * known by its source address: the owner of a transport tells the other threads which addresses it has authenticated
 * (engine_poll_paths), and each keeps them in a map of its own. Where a peer proved to be there (it answered a question of
 * ours, whose answer carries the shard as well), no other shard's check alone changes that: its source may be forged, to
 * draw somebody else's datagrams to the forger's thread.
 *
 * The map is bounded. When it is full a new address is not learned and its datagrams other than STUN are dropped at the wrong
 * thread, with a counter; ICE then sees no DTLS and the client tries another path. Threads: each owns its map. */
#ifndef CONCLAVE_IO_STEER_H
#define CONCLAVE_IO_STEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/map.h"
#include "base/net.h"

struct rng;

#define STEER_SHARD_DIGITS 2
/* Remote addresses of all shards together: 8 paths for each of 8,192 transports. */
#define STEER_ADDRESSES_MAX 65536
#define STEER_UNKNOWN UINT32_MAX

/* The shard that a ufrag names, STEER_UNKNOWN when it has not the form. */
uint32_t steer_ufrag_shard(struct span ufrag);
/* The shard that a STUN datagram asks for; STEER_UNKNOWN when it is no check with a username of ours. */
uint32_t steer_stun_shard(struct span datagram);

struct steer {
    struct map map;
    void *memory; /* a mapping */
    size_t memory_len;
};

bool steer_init(struct steer *steer, uint32_t capacity, struct rng *rng);
void steer_free(struct steer *steer);
/* False when the map is full. A path that another shard took over since is not forgotten by the late word of the first. */
bool steer_learn(struct steer *steer, const struct net_addr *from, uint32_t shard, bool proven);
/* Did a peer of another shard prove to be there? */
bool steer_proven_elsewhere(const struct steer *steer, const struct net_addr *from, uint32_t shard);
void steer_forget(struct steer *steer, const struct net_addr *from, uint32_t shard);
uint32_t steer_find(const struct steer *steer, const struct net_addr *from);

#endif
