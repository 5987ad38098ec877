#include "delivery/budget.h"

#include "base/assert.h"
#include "base/time.h"

static uint64_t paid_us(uint64_t work_us, uint64_t rate) {
    return work_us * US_PER_S / rate;
}

void budget_charge(struct budget *b, uint64_t now_us, uint32_t rate, uint64_t price_us) {
    ASSERT(rate > 0);
    b->full_at_us = now_us + time_since(b->full_at_us, now_us) + paid_us(price_us, rate);
}

uint64_t budget_debt_us(const struct budget *b, uint64_t now_us, uint32_t rate, uint32_t burst_us) {
    return time_since(time_since(b->full_at_us, now_us), paid_us(burst_us, rate));
}

uint64_t budget_share(struct budget_shared *b, uint64_t now_us, uint32_t rate, uint64_t price_us, uint64_t *window) {
    uint64_t now = now_us / US_PER_S + 1;
    if (b->window != now) {
        b->users_before = b->window + 1 == now ? b->users : 0;
        b->users = 0;
        b->window = now;
    }
    if (*window != now) {
        *window = now;
        b->users++;
    }
    budget_charge(&b->budget, now_us, rate, price_us);
    if (budget_debt_us(&b->budget, now_us, rate, BUDGET_SHARED_BURST_US) == 0)
        return 0;
    uint32_t users = b->users > b->users_before ? b->users : b->users_before;
    return paid_us(price_us, rate) * users;
}

bool ration_take(struct ration *r, uint64_t now_us, uint32_t burst, uint64_t each_us) {
    uint64_t full_at_us = now_us + time_since(r->full_at_us, now_us) + each_us;
    if (full_at_us > now_us + burst * each_us)
        return false;
    r->full_at_us = full_at_us;
    return true;
}

bool ration_full(const struct ration *r, uint64_t now_us) {
    return r->full_at_us <= now_us;
}
