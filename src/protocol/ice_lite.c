#include "protocol/ice_lite.h"

#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "base/secret.h"
#include "base/time.h"
#include "protocol/candidate.h"
#include "protocol/stun.h"

#define TICK_BITS 16
#define TICK_MASK ((UINT32_C(1) << 30) - 1)
#define ASKED_MASK ((UINT32_C(1) << 29) - 1)

static uint32_t ticks(uint64_t now_us) {
    return (uint32_t)(now_us >> TICK_BITS) & TICK_MASK;
}

static struct ice_lite_credentials credentials(struct span ufrag, struct span pwd) {
    ASSERT(ufrag.len >= ICE_UFRAG_LEN_MIN && ufrag.len <= ICE_UFRAG_LEN_MAX);
    ASSERT(pwd.len >= ICE_PWD_LEN_MIN && pwd.len <= ICE_LITE_PWD_LEN_MAX);
    struct ice_lite_credentials c = {.ufrag_len = (uint8_t)ufrag.len, .pwd_len = (uint8_t)pwd.len};
    memcpy(c.ufrag, ufrag.data, ufrag.len);
    memcpy(c.pwd, pwd.data, pwd.len);
    return c;
}

void ice_lite_init(struct ice_lite *ice, uint64_t now_us, struct span ufrag, struct span pwd) {
    *ice = (struct ice_lite){.heard_us = now_us, .current = credentials(ufrag, pwd)};
}

bool ice_lite_set_remote(struct ice_lite *ice, uint64_t now_us, struct span ufrag, struct span pwd) {
    if (ufrag.len < ICE_UFRAG_LEN_MIN || ufrag.len > ICE_UFRAG_LEN_MAX)
        return false;
    bool usable = pwd.len >= ICE_PWD_LEN_MIN && pwd.len <= ICE_LITE_REMOTE_PWD_LEN_MAX;
    if (usable)
        memcpy(ice->remote_pwd, pwd.data, pwd.len);
    ice->remote_pwd_len = usable ? (uint8_t)pwd.len : 0;
    memcpy(ice->remote_ufrag, ufrag.data, ufrag.len);
    ice->remote_ufrag_len = (uint8_t)ufrag.len;
    if (!ice->heard)
        ice->heard_us = now_us;
    return true;
}

void ice_lite_restart(struct ice_lite *ice, struct span ufrag, struct span pwd) {
    /* With two restarts in a row the peer still checks with the credentials that last worked, not with those in
     * between. */
    if (ice->old.ufrag_len == 0)
        ice->old = ice->current;
    ice->current = credentials(ufrag, pwd);
    ice->remote_ufrag_len = 0;
    ice->remote_pwd_len = 0;
}

static struct ice_lite_path *find_path(struct ice_lite *ice, const struct net_addr *addr) {
    for (unsigned i = 0; i < ice->path_count; i++)
        if (net_addr_equal(&ice->paths[i].addr, addr))
            return &ice->paths[i];
    return NULL;
}

static uint32_t path_age(const struct ice_lite_path *path, uint64_t now_us) {
    return (ticks(now_us) - path->heard_ticks) & TICK_MASK;
}

/* The place of a new path: a free one, or that of the path heard of longest ago which is not selected. */
static struct ice_lite_path *place_for_path(struct ice_lite *ice, uint64_t now_us, struct ice_lite_change *change,
                                            struct ice_lite_counters *counters) {
    if (ice->path_count < ICE_LITE_PATHS_MAX)
        return &ice->paths[ice->path_count++];
    struct ice_lite_path *oldest = NULL;
    for (unsigned i = 0; i < ice->path_count; i++) {
        struct ice_lite_path *path = &ice->paths[i];
        if (i != ice->selected && (oldest == NULL || path_age(path, now_us) > path_age(oldest, now_us)))
            oldest = path;
    }
    ASSERT(oldest != NULL);
    change->path_removed = true;
    change->removed = oldest->addr;
    counters->path_evicted++;
    return oldest;
}

static bool local_in_use(const struct ice_lite *ice, unsigned index) {
    for (unsigned i = 0; i < ice->path_count; i++)
        if (ice->paths[i].local == index + 1)
            return true;
    return false;
}

/* The number of a local address for ice_lite_path.local. Over TCP the connection says it all. */
static uint32_t note_local(struct ice_lite *ice, const struct net_addr *local) {
    if (local->family == 0 || local->proto == NET_TCP)
        return 0;
    for (unsigned i = 0; i < ICE_LITE_LOCALS_MAX; i++) {
        const struct ice_lite_local *l = &ice->locals[i];
        if (l->family == local->family && l->port == local->port && memcmp(l->ip, local->ip, sizeof l->ip) == 0)
            return i + 1;
    }
    for (unsigned i = 0; i < ICE_LITE_LOCALS_MAX; i++) {
        if (ice->locals[i].family != 0 && local_in_use(ice, i))
            continue;
        struct ice_lite_local l = {.port = local->port, .family = local->family, .proto = local->proto};
        memcpy(l.ip, local->ip, sizeof l.ip);
        ice->locals[i] = l;
        return i + 1;
    }
    return 0;
}

static void select_path(struct ice_lite *ice, unsigned index, struct ice_lite_change *change,
                        struct ice_lite_counters *counters) {
    ASSERT(index < ice->path_count);
    ice->selected = (uint8_t)index;
    change->selected_changed = true;
    counters->selected_changed++;
}

/* Selects a path, at once or, when it is not proven and the present one is, after its answer. */
static void prefer(struct ice_lite *ice, unsigned index, struct ice_lite_change *change,
                   struct ice_lite_counters *counters) {
    for (unsigned i = 0; i < ice->path_count; i++)
        ice->paths[i].wanted = i == index && !ice->paths[i].proven;
    if (index != ice->selected && (ice->paths[index].proven || !ice->paths[ice->selected].proven))
        select_path(ice, index, change, counters);
}

static void nominate(struct ice_lite *ice, uint64_t now_us, unsigned index, struct ice_lite_change *change,
                     struct ice_lite_counters *counters) {
    if (index != ice->selected) {
        bool contested = ice->nominated_us != 0 && time_since(now_us, ice->nominated_us) < ICE_LITE_NOMINATION_US;
        if (contested && ice->paths[index].priority < ice->paths[ice->selected].priority)
            return;
    }
    prefer(ice, index, change, counters);
    ice->nominated_us = now_us;
}

/* A check that passed every test: learns its path and follows its nomination. */
static void accept_check(struct ice_lite *ice, uint64_t now_us, const struct net_addr *from,
                         const struct net_addr *local, const struct stun_message *message,
                         struct ice_lite_change *change, struct ice_lite_counters *counters) {
    struct ice_lite_path *path = find_path(ice, from);
    if (path == NULL) {
        path = place_for_path(ice, now_us, change, counters);
        *path = (struct ice_lite_path){.addr = *from, .proven = from->proto == NET_TCP};
        change->path_added = true;
        counters->path_added++;
        if (ice->path_count == 1)
            select_path(ice, 0, change, counters);
    }
    uint32_t had_local = path->local;
    path->local = 0; /* so that its old address counts as unused */
    path->local = note_local(ice, local) & 3;
    unsigned index = (unsigned)(path - ice->paths);
    if (path->local != had_local && index == ice->selected)
        change->selected_changed = true;
    path->priority = message->priority;
    path->heard_ticks = ticks(now_us) & TICK_MASK;
    ice->heard_us = now_us;
    ice->heard = true;
    if (message->present & STUN_HAS_USE_CANDIDATE)
        nominate(ice, now_us, index, change, counters);
    else if (index != ice->selected && path_age(&ice->paths[ice->selected], now_us) >= ticks(ICE_LITE_SILENT_US))
        prefer(ice, index, change, counters); /* a NAT rebinding, and a peer that nominates only once */
}

/* ---- whether somebody is there ------------------------------------------------------------------------------------
 */

static uint32_t saturating_add(uint32_t a, size_t b) {
    return b > UINT32_MAX - a ? UINT32_MAX : a + (uint32_t)b;
}

static void write_transaction(uint8_t out[STUN_TRANSACTION_LEN], struct ice_lite_route route, const uint8_t *nonce) {
    struct writer w = writer_of(out, STUN_TRANSACTION_LEN);
    wr_u32(&w, route.tag);
    wr_u16(&w, route.shard);
    wr_bytes(&w, nonce, ICE_LITE_NONCE_LEN);
    ASSERT(writer_ok(&w) && w.len == STUN_TRANSACTION_LEN);
}

bool ice_lite_ask(struct ice_lite *ice, uint64_t now_us, const struct net_addr *to, struct ice_lite_route route,
                  struct rng *rng, struct writer *question, struct ice_lite_counters *counters) {
    struct ice_lite_path *path = find_path(ice, to);
    if (path == NULL || path->proven || ice->remote_pwd_len == 0 || ice->remote_ufrag_len == 0)
        return false;
    uint32_t passed = ((ticks(now_us) & ASKED_MASK) - path->asked_ticks) & ASKED_MASK;
    if (path->asked && passed < ticks(ICE_LITE_ASK_US))
        return false;
    if (!path->asked) /* repeated questions bear the same number, so that the answer to any of them counts */
        rng_fill(rng, path->nonce, sizeof path->nonce);
    path->asked = 1;
    path->asked_ticks = ticks(now_us) & ASKED_MASK;
    uint8_t transaction[STUN_TRANSACTION_LEN];
    write_transaction(transaction, route, path->nonce);
    char username[2 * ICE_UFRAG_LEN_MAX + 1];
    struct writer name = writer_of(username, sizeof username);
    wr_bytes(&name, ice->remote_ufrag, ice->remote_ufrag_len);
    wr_u8(&name, ':');
    wr_bytes(&name, ice->current.ufrag, ice->current.ufrag_len);
    struct stun_binding_request request = {
        .transaction = transaction,
        .username = writer_span(&name),
        .key = span_of(ice->remote_pwd, ice->remote_pwd_len),
        .priority = candidate_priority(CANDIDATE_PRFLX, 0, 1),
    };
    bool fits = stun_write_request(question, &request);
    ASSERT(fits);
    counters->challenges++;
    return true;
}

bool ice_peek_answer_route(struct span datagram, struct ice_lite_route *route) {
    struct reader r = reader_of_span(datagram);
    uint16_t type = rd_u16(&r);
    rd_skip(&r, 6);
    route->tag = rd_u32(&r);
    route->shard = rd_u16(&r);
    return reader_ok(&r) && (type == 0x0101 || type == 0x0111); /* success and error of Binding, RFC 8489 section 5 */
}

static enum ice_result take_answer(struct ice_lite *ice, uint64_t now_us, const struct net_addr *from,
                                   const struct stun_message *message, struct ice_lite_change *change,
                                   struct ice_lite_counters *counters) {
    struct ice_lite_path *path = find_path(ice, from);
    const uint8_t *nonce = message->transaction + STUN_TRANSACTION_LEN - ICE_LITE_NONCE_LEN;
    if (path == NULL || !path->asked || ice->remote_pwd_len == 0 || message->class != STUN_SUCCESS ||
        !secure_equal(nonce, path->nonce, ICE_LITE_NONCE_LEN) ||
        !stun_check_integrity(message, span_of(ice->remote_pwd, ice->remote_pwd_len))) {
        counters->rx_bad_answer++;
        return ICE_DROPPED;
    }
    path->heard_ticks = ticks(now_us) & TICK_MASK;
    ice->heard_us = now_us;
    if (path->proven)
        return ICE_TAKEN;
    path->proven = 1;
    change->proven = true;
    counters->path_proven++;
    unsigned index = (unsigned)(path - ice->paths);
    struct ice_lite_path *selected = &ice->paths[ice->selected];
    bool better = path->wanted || !selected->proven;
    if (index != ice->selected && better) {
        if (!path->wanted && ice->nominated_us != 0)
            selected->wanted = 1; /* it comes into its own when it answers, too */
        select_path(ice, index, change, counters);
    }
    path->wanted = 0;
    return ICE_TAKEN;
}

void ice_lite_prove_selected(struct ice_lite *ice) {
    if (ice->path_count > 0)
        ice->paths[ice->selected].proven = 1;
}

void ice_lite_doubt(struct ice_lite *ice, const struct net_addr *addr) {
    struct ice_lite_path *path = find_path(ice, addr);
    if (path == NULL)
        return;
    path->proven = 0;
    path->asked = 0;
    path->rx_bytes = path->tx_bytes = 0;
}

bool ice_lite_selected_proven(const struct ice_lite *ice) {
    return ice->path_count > 0 && ice->paths[ice->selected].proven;
}

static const struct ice_lite_path *known_path(const struct ice_lite *ice, const struct net_addr *addr) {
    for (unsigned i = 0; i < ice->path_count; i++)
        if (net_addr_equal(&ice->paths[i].addr, addr))
            return &ice->paths[i];
    return NULL;
}

bool ice_lite_is_proven(const struct ice_lite *ice, const struct net_addr *from) {
    const struct ice_lite_path *path = known_path(ice, from);
    return path != NULL && path->proven;
}

bool ice_lite_is_fresh(const struct ice_lite *ice, uint64_t now_us, const struct net_addr *from) {
    const struct ice_lite_path *path = known_path(ice, from);
    return path != NULL && path_age(path, now_us) < ticks(ICE_QUIET_US);
}

void ice_lite_note_received(struct ice_lite *ice, const struct net_addr *from, size_t bytes) {
    struct ice_lite_path *path = find_path(ice, from);
    if (path != NULL)
        path->rx_bytes = saturating_add(path->rx_bytes, bytes);
}

void ice_lite_note_sent(struct ice_lite *ice, const struct net_addr *to, size_t bytes) {
    struct ice_lite_path *path = find_path(ice, to);
    if (path != NULL)
        path->tx_bytes = saturating_add(path->tx_bytes, bytes);
}

bool ice_lite_may_send(struct ice_lite *ice, size_t bytes) {
    ASSERT(ice->path_count > 0);
    struct ice_lite_path *path = &ice->paths[ice->selected];
    if (path->proven)
        return true;
    if ((uint64_t)path->tx_bytes + bytes > (uint64_t)path->rx_bytes * ICE_LITE_AMPLIFICATION_MAX)
        return false;
    path->tx_bytes = saturating_add(path->tx_bytes, bytes);
    return true;
}

static enum ice_result refuse(struct writer *response, const struct stun_message *message, enum stun_error_code code,
                              struct span key, uint64_t *counter) {
    (*counter)++;
    bool fits = stun_write_error(response, message, code, key);
    ASSERT(fits);
    return ICE_REFUSED;
}

/* The credentials that USERNAME names: "ours:theirs" (RFC 8445 section 7.2.2). NULL when it names none. */
static const struct ice_lite_credentials *match_username(const struct ice_lite *ice, struct span username) {
    struct reader r = reader_of_span(username);
    struct span ours;
    if (!rd_token(&r, ':', &ours) || ours.len == username.len) /* no colon */
        return NULL;
    struct span theirs = rd_rest(&r);
    if (span_equal(ours, span_of(ice->current.ufrag, ice->current.ufrag_len))) {
        bool match =
            ice->remote_ufrag_len == 0 || span_equal(theirs, span_of(ice->remote_ufrag, ice->remote_ufrag_len));
        return match ? &ice->current : NULL;
    }
    bool is_old = ice->old.ufrag_len != 0 && span_equal(ours, span_of(ice->old.ufrag, ice->old.ufrag_len));
    return is_old ? &ice->old : NULL;
}

enum ice_result ice_lite_input(struct ice_lite *ice, uint64_t now_us, const struct net_addr *from,
                               const struct net_addr *local, struct span datagram, struct writer *response,
                               struct ice_lite_change *change, struct ice_lite_counters *counters) {
    ASSERT(from->family == 4 || from->family == 6);
    ASSERT(writer_left(response) >= ICE_LITE_RESPONSE_LEN_MAX);
    *change = (struct ice_lite_change){0};
    struct stun_message message;
    if (stun_parse(datagram, &message) != STUN_OK) {
        counters->rx_malformed++;
        return ICE_DROPPED;
    }
    if (message.method == STUN_METHOD_BINDING && (message.class == STUN_SUCCESS || message.class == STUN_ERROR))
        return take_answer(ice, now_us, from, &message, change, counters);
    if (message.class != STUN_REQUEST || message.method != STUN_METHOD_BINDING) {
        counters->rx_not_request++;
        return ICE_DROPPED;
    }
    counters->rx_requests++;
    /* The order of the tests is that of RFC 8489 section 9.1.3; before the integrity is verified answers are unsigned.
     */
    const struct span no_key = {0};
    if (!(message.present & STUN_HAS_USERNAME) || !(message.present & STUN_HAS_INTEGRITY))
        return refuse(response, &message, STUN_ERROR_BAD_REQUEST, no_key, &counters->rx_incomplete);
    const struct ice_lite_credentials *match = match_username(ice, message.username);
    if (match == NULL)
        return refuse(response, &message, STUN_ERROR_UNAUTHENTICATED, no_key, &counters->rx_bad_username);
    struct span key = span_of(match->pwd, match->pwd_len);
    if (!stun_check_integrity(&message, key))
        return refuse(response, &message, STUN_ERROR_UNAUTHENTICATED, no_key, &counters->rx_bad_integrity);
    if (message.unknown_count > 0)
        return refuse(response, &message, STUN_ERROR_UNKNOWN_ATTRIBUTE, key, &counters->rx_unknown_attribute);
    if (!(message.present & STUN_HAS_PRIORITY))
        return refuse(response, &message, STUN_ERROR_BAD_REQUEST, key, &counters->rx_incomplete);
    if (message.present & STUN_HAS_CONTROLLED)
        return refuse(response, &message, STUN_ERROR_ROLE_CONFLICT, key, &counters->rx_role_conflict);
    bool fits = stun_write_success(response, message.transaction, from, key);
    ASSERT(fits);
    counters->tx_success++;
    if (match == &ice->current && ice->old.ufrag_len != 0) {
        secure_wipe(&ice->old, sizeof ice->old);
        ice->nominated_us = 0; /* the new generation's first nomination decides, whatever its priority */
        change->restarted = true;
        counters->restarted++;
    }
    accept_check(ice, now_us, from, local, &message, change, counters);
    return ICE_ANSWERED;
}

bool ice_lite_note_authentic(struct ice_lite *ice, uint64_t now_us, const struct net_addr *from) {
    struct ice_lite_path *path = find_path(ice, from);
    if (path == NULL)
        return false;
    path->heard_ticks = ticks(now_us) & TICK_MASK;
    ice->heard_us = now_us;
    ASSERT(ice->heard); /* paths come from checks */
    return true;
}

bool ice_lite_is_path(const struct ice_lite *ice, const struct net_addr *from) {
    return known_path(ice, from) != NULL;
}

bool ice_lite_forget_conn(struct ice_lite *ice, uint32_t conn) {
    unsigned kept = 0;
    bool lost = false;
    uint8_t selected = 0;
    uint32_t newest = 0; /* ticks may have wrapped in between: then any of the paths is as good */
    for (unsigned i = 0; i < ice->path_count; i++) {
        const struct ice_lite_path path = ice->paths[i];
        if (path.addr.proto == NET_TCP && path.addr.conn == conn) {
            lost = lost || i == ice->selected;
            continue;
        }
        if (i == ice->selected)
            selected = (uint8_t)kept;
        ice->paths[kept++] = path;
    }
    ice->path_count = (uint8_t)kept;
    for (unsigned i = 0; lost && i < kept; i++) {
        if (ice->paths[i].heard_ticks >= newest) {
            newest = ice->paths[i].heard_ticks;
            selected = (uint8_t)i;
        }
    }
    ice->selected = selected;
    if (lost)
        ice->nominated_us = 0;
    return lost;
}

bool ice_lite_target(const struct ice_lite *ice, struct net_addr *to, struct net_addr *local) {
    if (ice->path_count == 0)
        return false;
    ASSERT(ice->selected < ice->path_count);
    const struct ice_lite_path *path = &ice->paths[ice->selected];
    *to = path->addr;
    if (local != NULL) {
        *local = (struct net_addr){0};
        if (path->local != 0) {
            const struct ice_lite_local *l = &ice->locals[path->local - 1];
            local->family = l->family;
            local->proto = l->proto;
            local->port = l->port;
            memcpy(local->ip, l->ip, sizeof local->ip);
        }
    }
    return true;
}

size_t ice_lite_paths(const struct ice_lite *ice, struct net_addr out[ICE_LITE_PATHS_MAX]) {
    for (unsigned i = 0; i < ice->path_count; i++)
        out[i] = ice->paths[i].addr;
    return ice->path_count;
}

bool ice_lite_nominated(const struct ice_lite *ice) {
    return ice->path_count > 0 && ice->nominated_us != 0;
}

enum ice_liveness ice_lite_liveness(const struct ice_lite *ice, uint64_t now_us) {
    if (!ice->heard && ice->remote_ufrag_len == 0)
        return ICE_WAITING;
    uint64_t silence_us = time_since(now_us, ice->heard_us);
    if (silence_us >= ICE_CONSENT_US)
        return ICE_EXPIRED;
    if (!ice->heard)
        return ICE_WAITING;
    return silence_us >= ICE_QUIET_US ? ICE_QUIET : ICE_LIVE;
}

uint64_t ice_lite_next_deadline(const struct ice_lite *ice, uint64_t now_us) {
    switch (ice_lite_liveness(ice, now_us)) {
    case ICE_WAITING:
        return ice->remote_ufrag_len == 0 ? TIME_NEVER : ice->heard_us + ICE_CONSENT_US;
    case ICE_LIVE:
        return ice->heard_us + ICE_QUIET_US;
    case ICE_QUIET:
        return ice->heard_us + ICE_CONSENT_US;
    case ICE_EXPIRED:
        break;
    }
    return TIME_NEVER;
}

void ice_lite_destroy(struct ice_lite *ice) {
    secure_wipe(ice, sizeof *ice);
}

bool ice_peek_local_ufrag(struct span datagram, struct span *ufrag) {
    struct span username;
    if (!stun_peek_username(datagram, &username))
        return false;
    struct reader r = reader_of_span(username);
    return rd_token(&r, ':', ufrag) && ufrag->len > 0 && ufrag->len < username.len && ufrag->len <= ICE_UFRAG_LEN_MAX;
}
