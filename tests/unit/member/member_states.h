/* A member in each of the states that it can be in, and what a server said on the way: recorded, so that it can be told again.
 * One simulated meeting at a time, in `a`. */
#ifndef CONCLAVE_TESTS_MEMBER_STATES_H
#define CONCLAVE_TESTS_MEMBER_STATES_H

#include "member/member_internal.h"
#include "sim/assembly.h"

#define REMOVED 2 /* by the host, before our person's state is made */
#define TARGET 3
#define SAMPLES_MAX 512
#define STATES 24
#define FAST MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

extern struct assembly a;

struct sample {
    size_t len;
    uint8_t *bytes;
};
struct samples {
    struct sample list[SAMPLES_MAX];
    size_t count;
    uint32_t of_type[256];
};
extern struct samples own, foreign;
/* Into which what is said goes; NULL: nowhere. */
extern struct samples *recording;

extern int target; /* our person, whose messages may be lost */
extern bool silent;
extern uint8_t drop_down[256], drop_up[256];

/* What is looked at in a process that was told something. */
struct seen {
    bool on, ended;
    uint32_t outputs, alarms;
    bool unconfirmed;
    bool seals;
    uint64_t sealing; /* the epoch whose key is in use */
    const char *wrong;
};
extern struct seen seen;

struct state {
    const char *name;
    void (*make)(void);
};
extern const struct state states[STATES];

void samples_free(struct samples *samples);
void wrong(const char *what);
void settle(void);
struct member *us(void);
void in_group(uint64_t seed);

#endif
