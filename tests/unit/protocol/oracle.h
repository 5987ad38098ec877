/* One usrsctp association (the stack inside Firefox) on its AF_CONN interface, without its threads: packets, time and
 * randomness come from the caller, so a seed is the whole run. Behind a header of its own because usrsctp's names and
 * ours are alike. One at a time: oracle_start sets all of usrsctp up, oracle_stop leaves nothing of it. */
#ifndef CONCLAVE_TESTS_ORACLE_H
#define CONCLAVE_TESTS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oracle_hooks {
    void *context;
    void (*on_packet)(void *context, const uint8_t *bytes, size_t len);
    void (*on_message)(void *context, uint16_t stream, uint32_t ppid, bool unordered, const uint8_t *bytes, size_t len);
};

struct oracle_counts {
    uint32_t connected;
    uint32_t restarted;
    uint32_t lost;
    uint32_t shut_down;
    uint32_t resets_in[64]; /* by the peer of usrsctp, that is by us */
    uint32_t resets_out[64];
    uint32_t resets_refused;
};

void oracle_start(uint64_t seed, struct oracle_hooks hooks);
void oracle_connect(void);
void oracle_listen(void);
void oracle_input(const uint8_t *bytes, size_t len);
void oracle_pass_ms(uint32_t elapsed_ms);
/* `retransmits_max` < 0: reliable. False when usrsctp takes nothing more now. */
bool oracle_send(uint16_t stream, uint32_t ppid, bool unordered, int retransmits_max, const uint8_t *bytes, size_t len);
/* Messages not sent yet and chunks not acknowledged. */
uint32_t oracle_waiting(void);
bool oracle_reset(uint16_t stream);
void oracle_shutdown(void);
const struct oracle_counts *oracle_counts(void);
void oracle_stop(void);

#endif
