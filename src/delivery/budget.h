/* Budgets in work: how much of the control thread somebody may use. A bucket is counted in microseconds of that thread;
 * it fills at its rate up to its burst, and what was done is taken out afterwards, so that it can be in debt by what
 * one message costs. Whoever is in debt is not read from until it is paid: the message waits in its socket, and nothing
 * is queued here.
 *
 *     own      each connection                        20 ms a second, 200 ms at once
 *     crowd    a meeting's members together           45 ms a second
 *              who is not in yet, together            15 ms a second
 *     strangers  who has not said a good hello, of all networks   200 ms a second
 *     network  an IPv4 /24 or an IPv6 /48             100 ms a second
 *
 * When a shared bucket is short, each who used it in the last second gets an equal part of its rate: what one does is
 * paid at the part's rate, so who does little waits little, whatever the others do. Prices are those of `make
 * bench-delivery` on a slow core, rounded up. Sans-IO; no allocation. Threads: none. */
#ifndef CONCLAVE_DELIVERY_BUDGET_H
#define CONCLAVE_DELIVERY_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rates in microseconds of work a second, bursts in microseconds of work. */
#define BUDGET_OWN_RATE 20000u
#define BUDGET_MEMBERS_RATE 45000u
#define BUDGET_OTHERS_RATE 15000u
#define BUDGET_NETWORK_RATE 100000u
#define BUDGET_STRANGERS_RATE 200000u
#define BUDGET_OWN_BURST_US 200000u
#define BUDGET_SHARED_BURST_US 200000u
/* In debt for so long without a rest: it does not mean to stop. */
#define BUDGET_EMPTY_MAX_US UINT64_C(10000000)

/* Prices, microseconds. */
#define PRICE_HELLO_US 400u   /* whatever it answers, and whoever sent it: before its signatures are verified */
#define PRICE_CHECKED_US 700u /* it numbers the commit */
#define PRICE_WHERE_US 20u
#define PRICE_MODERATE_US 20u
#define PRICE_CREATE_US 900u
/* A commit, and what each byte of it and of its GroupInfo adds: keys, hashes and signatures are that many bytes. */
#define PRICE_COMMIT_US 500u
#define PRICE_COMMIT_KB_US 60u
#define PRICE_ACK_US 5u
#define PRICE_BAD_US 50u
#define PRICE_SEALED_US 10u
#define PRICE_LEAVE_US 200u
/* What anything costs that goes to somebody: it is queued and written. */
#define PRICE_SEND_US 2u
#define PRICE_MALFORMED_US 20u
/* A tree or a chain that is copied for whoever asks for it, and each 64 KiB of it. */
#define PRICE_READ_US 20u
#define PRICE_READ_64KB_US 40u

struct budget {
    uint64_t full_at_us; /* when the bucket is full again */
};

/* Takes `price_us` out. */
void budget_charge(struct budget *b, uint64_t now_us, uint32_t rate, uint64_t price_us);
/* How long until it is out of debt; 0: it is not in debt. */
uint64_t budget_debt_us(const struct budget *b, uint64_t now_us, uint32_t rate, uint32_t burst_us);

/* A bucket that many use, and how many did in the last second. */
struct budget_shared {
    struct budget budget;
    uint64_t window; /* number of the second */
    uint32_t users, users_before;
};
/* Takes `price_us` out for a user whose last window is `*window` (0 at first), and answers how long the user has to
 * wait: its part of the bucket's rate, 0 while there is enough. */
uint64_t budget_share(struct budget_shared *b, uint64_t now_us, uint32_t rate, uint64_t price_us, uint64_t *window);

/* So many at once, then one each so often: messages and events instead of work. Takes one; false when there is none. */
struct ration {
    uint64_t full_at_us;
};
bool ration_take(struct ration *r, uint64_t now_us, uint32_t burst, uint64_t each_us);
/* Nothing was taken for long enough that it is full. */
bool ration_full(const struct ration *r, uint64_t now_us);

#endif
