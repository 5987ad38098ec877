/* The delivery service and people whose messages a test writes: connections, hellos, a group that is founded and
 * entered by the library (group/meeting_world.h). Everything asserts (cmocka). */
#ifndef CONCLAVE_TESTS_SERVICE_WORLD_H
#define CONCLAVE_TESTS_SERVICE_WORLD_H

#include "../group/meeting_world.h"
#include "base/time.h"
#include "delivery/service.h"

#define LINES_MAX 10

/* A connection, and what came over it. */
struct line {
    struct seat *seat;
    uint32_t connection;
    uint16_t closed;
    uint32_t count[256];
    struct mls_buf last[256]; /* by type */
    uint8_t nonce[32], link_signature[64], leaf_signature[64];
};

struct service_world {
    struct meeting_world w;
    struct service *s;
    uint64_t now_us;
    struct line lines[LINES_MAX];
    size_t lines_count;
    uint32_t admitted, expelled, over, held, released;
};
extern struct service_world t;

struct service_now now(void);
void drain(void);
struct wire_message last(struct line *l, enum wire_type type);
void says(struct line *l, const struct wire_message *message);
void run(uint64_t us);
void begin(uint8_t entry);
void begin_with(uint8_t entry, uint32_t meetings_max, uint32_t connections_max, size_t logs_len_max);
void end(void);
struct line *connects(struct seat *seat);
void hello(struct line *l, enum wire_how how, bool may_found, bool with_link, uint64_t last_seq);
struct line *founds(void);
struct line *comes(struct line *owner);
void vouches(struct line *checker, bool good);
struct line *enters(struct line *owner);
bool is_member(const struct line *l);

#endif
