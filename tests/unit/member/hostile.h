/* A meeting whose server, or a member, does not keep to the rules: messages are injected, changed and kept back on the
 * way (sim/assembly.h), and what a changed program of a member sends is made with that member's own keys. Person 0 is
 * the owner and host. One meeting at a time; for unit tests. */
#ifndef CONCLAVE_TESTS_MEMBER_HOSTILE_H
#define CONCLAVE_TESTS_MEMBER_HOSTILE_H

#include "member/member_internal.h"
#include "sim/assembly.h"

#define FAST MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

struct hostile {
    int person;             /* whose messages; -1: everybody's */
    uint8_t drop_down[256]; /* types that do not arrive */
    uint8_t drop_up[256];
    uint8_t keep_type; /* the last of this type that went down to `person` is kept */
    uint8_t keep_up_type;
    size_t kept_len;
    uint8_t *kept;
    bool no_fetch;
    bool spoil_group_info; /* of one resync */
    bool forge_chain;
    uint32_t downs[256]; /* messages of that type that arrived at anybody */
    uint32_t rejoins;    /* external commits that `person` sent */
};
extern struct hostile h;
extern struct assembly a;

void begin(uint64_t seed, int people);
/* Of anybody: nobody is host. */
void begin_without_host(uint64_t seed, int people);
void end(void);
struct span kept(void);
struct wire_message kept_message(void);
/* The server says this to a person, whether it would or not. */
void inject(int person, const struct wire_message *message);
void inject_kept(int person);
uint32_t alarms(int person, enum member_alarm alarm);
uint32_t all_alarms(void);
struct span id_of(int person);
struct span seat_of(int person);
/* Draws outputs of a command and lets a second pass. */
void act(int person);
/* A new epoch for all: an empty commit of that person. */
void renew(int person);
/* The server's own resync for the present epoch, as it would send it. */
void keep_resync(int person);
void chat(int person, struct span to, const char *text);
/* What a changed program of that person sends to all. */
void say(int person, struct span content);
/* Commits these proposals, whatever the own program would say of them. */
enum mls_status commit(int person, struct span proposals, bool adds);
enum mls_status remove_person(int by, int person);

#endif
