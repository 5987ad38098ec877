#include "protocol/ice_client.h"

#include <string.h>

#include "base/assert.h"
#include "base/secret.h"
#include "base/time.h"
#include "protocol/candidate.h"

#define UFRAG_LEN 8
#define PWD_LEN 24

/* We have host candidates only. RFC 6544 section 4.2: 2^13 * direction (6 = active, of a host) + the rest. */
static uint16_t local_preference(const struct net_addr *remote) {
    return remote->proto == NET_TCP ? 6 * 8192 + 8191 : 65535;
}

static uint64_t pair_priority(const struct ice_client *ice, const struct ice_client_pair *pair) {
    uint32_t local = candidate_priority(CANDIDATE_HOST, local_preference(&pair->remote), 1);
    return ice->controlling ? candidate_pair_priority(local, pair->remote_priority)
                            : candidate_pair_priority(pair->remote_priority, local);
}

static void draw_credentials(struct ice_client *ice) {
    rng_token(ice->rng, ice->local_ufrag, UFRAG_LEN);
    rng_token(ice->rng, ice->local_pwd, PWD_LEN);
    ice->tie_breaker = rng_u64(ice->rng);
}

void ice_client_init(struct ice_client *ice, struct rng *rng) {
    ASSERT(rng != NULL);
    *ice = (struct ice_client){.rng = rng, .controlling = true};
    draw_credentials(ice);
}

bool ice_client_set_remote(struct ice_client *ice, struct span ufrag, struct span pwd) {
    if (ufrag.len < ICE_UFRAG_LEN_MIN || pwd.len < ICE_PWD_LEN_MIN)
        return false;
    ice->remote_known = span_to_str(ufrag, ice->remote_ufrag, sizeof ice->remote_ufrag) &&
                        span_to_str(pwd, ice->remote_pwd, sizeof ice->remote_pwd);
    return ice->remote_known;
}

static struct ice_client_pair *find_pair(struct ice_client *ice, const struct net_addr *remote) {
    for (unsigned i = 0; i < ice->pair_count; i++)
        if (net_addr_equal(&ice->pairs[i].remote, remote))
            return &ice->pairs[i];
    return NULL;
}

static struct ice_client_pair *add_pair(struct ice_client *ice, uint64_t now_us, const struct net_addr *addr,
                                        uint32_t priority) {
    if (ice->pair_count == ICE_CLIENT_PAIRS_MAX) {
        ice->counters.pairs_refused++;
        return NULL;
    }
    struct ice_client_pair *pair = &ice->pairs[ice->pair_count++];
    *pair = (struct ice_client_pair){.remote = *addr, .remote_priority = priority, .state = ICE_PAIR_WAITING};
    if (ice->started_us == 0) {
        ice->started_us = now_us;
        ice->next_check_us = now_us;
    }
    return pair;
}

bool ice_client_add_candidate(struct ice_client *ice, uint64_t now_us, const struct net_addr *addr, uint32_t priority) {
    ASSERT(now_us > 0);
    bool usable = addr->family != 0 && addr->port != 0 && (addr->proto == NET_UDP || addr->conn != 0);
    if (!usable || ice->failed) {
        ice->counters.pairs_refused++;
        return false;
    }
    return find_pair(ice, addr) == NULL && add_pair(ice, now_us, addr, priority) != NULL;
}

void ice_client_restart(struct ice_client *ice, uint64_t now_us) {
    struct ice_client next = {.rng = ice->rng, .controlling = ice->controlling, .counters = ice->counters};
    next.selected = ice->selected;
    next.rtt_us = ice->rtt_us;
    /* The old path's consent runs on for one period: the peer accepts the old credentials no longer than that. */
    next.consent_us = now_us;
    next.heard_us = ice->heard_us;
    secure_wipe(ice, sizeof *ice);
    *ice = next;
    secure_wipe(&next, sizeof next);
    draw_credentials(ice);
}

static void schedule_consent(struct ice_client *ice, uint64_t now_us) {
    /* RFC 7675 section 5.1: 5 seconds, each time randomised to 0.8 to 1.2 of that. */
    uint64_t spread_us = ICE_CLIENT_CONSENT_INTERVAL_US * 2 / 5;
    ice->next_consent_us = now_us + ICE_CLIENT_CONSENT_INTERVAL_US - spread_us / 2 + rng_below(ice->rng, spread_us + 1);
}

static void select_pair(struct ice_client *ice, uint64_t now_us, struct ice_client_pair *pair) {
    ASSERT(pair->state == ICE_PAIR_SUCCEEDED);
    bool first = !ice->nominated;
    ice->nominated = true;
    ice->selected = pair->remote;
    ice->selected_pair = (uint32_t)(pair - ice->pairs);
    ice->consent_us = now_us;
    if (first)
        schedule_consent(ice, now_us);
}

/* ---- answers to our checks ---- */

static void role_conflict(struct ice_client *ice, bool to_controlling) {
    ice->counters.rx_role_conflict++;
    if (ice->controlling == to_controlling)
        return;
    ice->controlling = to_controlling;
    ice->tie_breaker = rng_u64(ice->rng); /* RFC 8445 section 7.2.5.1 */
    for (unsigned i = 0; i < ice->pair_count; i++)
        ice->pairs[i].nominate_next = false;
}

static void check_failed(struct ice_client_pair *pair) {
    pair->pending = false;
    pair->nominating = false;
    pair->nominate_next = false;
    pair->state = ICE_PAIR_FAILED;
}

static void check_succeeded(struct ice_client *ice, uint64_t now_us, struct ice_client_pair *pair) {
    if (pair->tries == 1)
        ice->rtt_us = (uint32_t)time_since(now_us, pair->sent_us);
    pair->pending = false;
    pair->state = ICE_PAIR_SUCCEEDED;
    if (ice->first_success_us == 0)
        ice->first_success_us = now_us;
    ice->heard_us = now_us;
    bool nominates = ice->controlling ? pair->nominating : pair->peer_nominated;
    pair->nominating = false;
    if (ice->nominated && ice->selected_pair == (uint32_t)(pair - ice->pairs))
        ice->consent_us = now_us;
    else if (nominates)
        select_pair(ice, now_us, pair);
}

static enum ice_result input_answer(struct ice_client *ice, uint64_t now_us, const struct net_addr *from,
                                    const struct stun_message *message) {
    struct ice_client_pair *pair = NULL;
    for (unsigned i = 0; i < ice->pair_count; i++)
        if (ice->pairs[i].pending && memcmp(ice->pairs[i].transaction, message->transaction, STUN_TRANSACTION_LEN) == 0)
            pair = &ice->pairs[i];
    /* Unsigned errors (400, 401) could be anybody's: the check then times out, as RFC 8489 section 9.1.4 allows. An
     * answer has to come from where the check went (RFC 8445 section 7.2.5.2.1). */
    if (pair == NULL || !net_addr_equal(&pair->remote, from) ||
        !stun_check_integrity(message, span_str(ice->remote_pwd))) {
        ice->counters.rx_dropped++;
        return ICE_DROPPED;
    }
    if (message->class == STUN_SUCCESS) {
        ice->counters.rx_success++;
        check_succeeded(ice, now_us, pair);
        return ICE_TAKEN;
    }
    ice->counters.rx_error++;
    bool selected = ice->nominated && ice->selected_pair == (uint32_t)(pair - ice->pairs);
    if (message->error_code == STUN_ERROR_ROLE_CONFLICT) {
        role_conflict(ice, !pair->sent_controlling);
        pair->pending = false;
        pair->nominating = false;
        pair->triggered = !selected;
        if (!selected)
            pair->state = ICE_PAIR_WAITING;
    } else if (selected) {
        pair->pending = false; /* no consent in this; it expires if nothing better comes */
    } else {
        check_failed(pair);
    }
    return ICE_TAKEN;
}

/* ---- the peer's checks ---- */

static void queue_answer(struct ice_client *ice, const struct net_addr *to, const struct stun_message *message,
                         bool conflict) {
    if (ice->answer_count == ICE_CLIENT_ANSWERS_MAX) {
        ice->counters.answers_dropped++;
        return;
    }
    struct ice_client_answer *answer = &ice->answers[ice->answer_count++];
    *answer = (struct ice_client_answer){.to = *to, .role_conflict = conflict};
    memcpy(answer->transaction, message->transaction, STUN_TRANSACTION_LEN);
}

static bool username_is_ours(const struct ice_client *ice, struct span username) {
    struct reader r = reader_of_span(username);
    struct span ours;
    if (!rd_token(&r, ':', &ours) || ours.len == username.len || !span_equal_str(ours, ice->local_ufrag))
        return false;
    return !ice->remote_known || span_equal_str(rd_rest(&r), ice->remote_ufrag);
}

/* RFC 8445 section 7.3.1.1. True when the request has to be refused with 487. */
static bool resolve_role(struct ice_client *ice, const struct stun_message *message) {
    bool same_role = (message->present & (ice->controlling ? STUN_HAS_CONTROLLING : STUN_HAS_CONTROLLED)) != 0;
    if (!same_role)
        return false;
    bool ours_is_larger = ice->tie_breaker >= message->tie_breaker;
    if (ice->controlling == ours_is_larger) {
        ice->counters.rx_role_conflict++;
        return true;
    }
    role_conflict(ice, !ice->controlling);
    return false;
}

static enum ice_result input_request(struct ice_client *ice, uint64_t now_us, const struct net_addr *from,
                                     const struct stun_message *message) {
    const uint16_t needed = STUN_HAS_USERNAME | STUN_HAS_INTEGRITY | STUN_HAS_PRIORITY;
    if ((message->present & needed) != needed || message->unknown_count > 0 || ice->failed ||
        !username_is_ours(ice, message->username) || !stun_check_integrity(message, span_str(ice->local_pwd))) {
        ice->counters.rx_dropped++;
        return ICE_DROPPED;
    }
    ice->counters.rx_requests++;
    if (resolve_role(ice, message)) {
        queue_answer(ice, from, message, true);
        return ICE_REFUSED;
    }
    queue_answer(ice, from, message, false);
    struct ice_client_pair *pair = find_pair(ice, from);
    if (pair == NULL)
        pair = add_pair(ice, now_us, from, message->priority); /* peer-reflexive, section 7.3.1.3 */
    if (pair == NULL)
        return ICE_ANSWERED;
    ice->heard_us = now_us;
    if (pair->state != ICE_PAIR_SUCCEEDED && !pair->pending) {
        pair->state = ICE_PAIR_WAITING;
        pair->triggered = true;
    }
    if (!ice->controlling && (message->present & STUN_HAS_USE_CANDIDATE)) {
        pair->peer_nominated = true;
        bool selected = ice->nominated && ice->selected_pair == (uint32_t)(pair - ice->pairs);
        if (pair->state == ICE_PAIR_SUCCEEDED && !selected)
            select_pair(ice, now_us, pair);
    }
    return ICE_ANSWERED;
}

enum ice_result ice_client_input(struct ice_client *ice, uint64_t now_us, const struct net_addr *from,
                                 struct span datagram) {
    ASSERT(now_us > 0 && from->family != 0);
    struct stun_message message;
    bool binding = stun_parse(datagram, &message) == STUN_OK && message.method == STUN_METHOD_BINDING;
    if (binding && message.class == STUN_REQUEST)
        return input_request(ice, now_us, from, &message);
    if (binding && ice->remote_known && (message.class == STUN_SUCCESS || message.class == STUN_ERROR))
        return input_answer(ice, now_us, from, &message);
    ice->counters.rx_dropped++;
    return ICE_DROPPED;
}

void ice_client_note_authentic(struct ice_client *ice, uint64_t now_us) {
    ice->heard_us = now_us;
}

/* ---- time ---- */

static bool in_progress(const struct ice_client_pair *pair) {
    return pair->state == ICE_PAIR_WAITING || pair->state == ICE_PAIR_IN_PROGRESS;
}

/* The pair that ought to be nominated now, or NULL. */
static struct ice_client_pair *to_nominate(struct ice_client *ice, uint64_t now_us) {
    struct ice_client_pair *best = NULL;
    for (unsigned i = 0; i < ice->pair_count; i++) {
        struct ice_client_pair *pair = &ice->pairs[i];
        if (pair->nominate_next || pair->nominating)
            return NULL;
        if (pair->state == ICE_PAIR_SUCCEEDED && (best == NULL || pair_priority(ice, pair) > pair_priority(ice, best)))
            best = pair;
    }
    if (best == NULL || time_since(now_us, ice->first_success_us) >= ICE_CLIENT_PATIENCE_US)
        return best;
    for (unsigned i = 0; i < ice->pair_count; i++)
        if (in_progress(&ice->pairs[i]) && pair_priority(ice, &ice->pairs[i]) > pair_priority(ice, best))
            return NULL;
    return best;
}

void ice_client_tick(struct ice_client *ice, uint64_t now_us) {
    if (ice->failed)
        return;
    for (unsigned i = 0; i < ice->pair_count; i++) {
        struct ice_client_pair *pair = &ice->pairs[i];
        if (pair->pending && pair->retry_us <= now_us && pair->tries >= ICE_CLIENT_TRIES_MAX)
            check_failed(pair);
    }
    if (ice->nominated || ice->selected.family != 0) {
        if (time_since(now_us, ice->consent_us) >= ICE_CONSENT_US)
            ice->failed = true;
    } else if (ice->started_us != 0 && time_since(now_us, ice->started_us) >= ICE_CLIENT_GIVE_UP_US) {
        ice->failed = true;
    }
    if (ice->failed) {
        ice->selected = (struct net_addr){0};
        ice->nominated = false;
        ice->answer_count = 0;
        return;
    }
    if (!ice->nominated && ice->controlling) {
        struct ice_client_pair *pair = to_nominate(ice, now_us);
        if (pair != NULL)
            pair->nominate_next = true;
    }
}

/* ---- output ---- */

static bool write_answer(struct ice_client *ice, struct writer *datagram, struct net_addr *to) {
    struct ice_client_answer answer = ice->answers[0];
    ice->answer_count--;
    memmove(ice->answers, ice->answers + 1, ice->answer_count * sizeof ice->answers[0]);
    *to = answer.to;
    ice->counters.tx_answers++;
    struct span key = span_str(ice->local_pwd);
    if (!answer.role_conflict)
        return stun_write_success(datagram, answer.transaction, &answer.to, key);
    struct stun_message request = {.class = STUN_REQUEST};
    memcpy(request.transaction, answer.transaction, STUN_TRANSACTION_LEN);
    return stun_write_error(datagram, &request, STUN_ERROR_ROLE_CONFLICT, key);
}

static bool write_check(struct ice_client *ice, struct ice_client_pair *pair, struct writer *datagram,
                        struct net_addr *to) {
    char username[2 * ICE_UFRAG_LEN_MAX + 1];
    struct writer name = writer_of(username, sizeof username);
    wr_str(&name, ice->remote_ufrag);
    wr_u8(&name, ':');
    wr_str(&name, ice->local_ufrag);
    ASSERT(writer_ok(&name));
    struct stun_binding_request request = {
        .transaction = pair->transaction,
        .username = writer_span(&name),
        .key = span_str(ice->remote_pwd),
        .priority = candidate_priority(CANDIDATE_PRFLX, local_preference(&pair->remote), 1), /* section 7.1.1 */
        .tie_breaker = ice->tie_breaker,
        .controlling = pair->sent_controlling,
        /* Consent checks repeat the nomination, as libwebrtc does towards a lite agent: after a NAT rebinding the peer knows only
         * by it that the new address is the one to send to. */
        .use_candidate =
            pair->nominating || (pair->sent_controlling && ice->nominated && pair == &ice->pairs[ice->selected_pair]),
    };
    *to = pair->remote;
    ice->counters.tx_checks++;
    return stun_write_request(datagram, &request);
}

static void open_transaction(struct ice_client *ice, uint64_t now_us, struct ice_client_pair *pair) {
    rng_fill(ice->rng, pair->transaction, sizeof pair->transaction);
    pair->pending = true;
    pair->triggered = false;
    pair->sent_controlling = ice->controlling;
    pair->nominating = pair->nominate_next && ice->controlling;
    pair->nominate_next = false;
    pair->tries = 1;
    pair->sent_us = now_us;
    pair->rto_us = ICE_CLIENT_RTO_US;
    pair->retry_us = now_us + pair->rto_us;
}

static struct ice_client_pair *retransmission_due(struct ice_client *ice, uint64_t now_us) {
    for (unsigned i = 0; i < ice->pair_count; i++) {
        struct ice_client_pair *pair = &ice->pairs[i];
        if (pair->pending && pair->retry_us <= now_us && pair->tries < ICE_CLIENT_TRIES_MAX)
            return pair;
    }
    return NULL;
}

/* What to check next: the nomination, then triggered checks, then the best waiting pair (RFC 8445 section 6.1.4.2).
 * Once nominated only triggered checks are left. */
static struct ice_client_pair *check_next(struct ice_client *ice) {
    struct ice_client_pair *best = NULL;
    uint64_t best_rank = 0;
    for (unsigned i = 0; i < ice->pair_count; i++) {
        struct ice_client_pair *pair = &ice->pairs[i];
        bool waiting = pair->state == ICE_PAIR_WAITING && !ice->nominated;
        if (pair->pending || !(pair->nominate_next || pair->triggered || waiting))
            continue;
        /* pair priorities stay below 2^63: their halves are at most 2^31 - 1 */
        uint64_t rank = pair->nominate_next ? UINT64_MAX : pair_priority(ice, pair) | (uint64_t)pair->triggered << 63;
        if (best == NULL || rank > best_rank) {
            best = pair;
            best_rank = rank;
        }
    }
    return best;
}

bool ice_client_poll(struct ice_client *ice, uint64_t now_us, struct writer *datagram, struct net_addr *to) {
    ASSERT(writer_left(datagram) >= ICE_CLIENT_DATAGRAM_LEN_MAX);
    if (ice->failed)
        return false;
    if (ice->answer_count > 0)
        return write_answer(ice, datagram, to);
    if (!ice->remote_known)
        return false;
    struct ice_client_pair *pair = retransmission_due(ice, now_us);
    if (pair != NULL) {
        pair->tries++;
        pair->rto_us = time_min(2 * pair->rto_us, ICE_CLIENT_RTO_MAX_US);
        /* The last one is given 16 times the first RTO (RFC 8489 section 6.2.1). */
        pair->retry_us = now_us + (pair->tries == ICE_CLIENT_TRIES_MAX ? 16 * ICE_CLIENT_RTO_US : pair->rto_us);
        ice->counters.tx_retransmits++;
        return write_check(ice, pair, datagram, to);
    }
    if (ice->nominated && ice->next_consent_us <= now_us) {
        schedule_consent(ice, now_us);
        pair = &ice->pairs[ice->selected_pair];
        pair->nominate_next = false;
        open_transaction(ice, now_us, pair);
        pair->retry_us = TIME_NEVER; /* consent requests are not retransmitted (RFC 7675 section 5.1) */
        return write_check(ice, pair, datagram, to);
    }
    if (ice->next_check_us > now_us)
        return false;
    pair = check_next(ice);
    if (pair == NULL)
        return false;
    open_transaction(ice, now_us, pair);
    if (pair->state != ICE_PAIR_SUCCEEDED)
        pair->state = ICE_PAIR_IN_PROGRESS;
    ice->next_check_us = now_us + ICE_CLIENT_PACING_US;
    return write_check(ice, pair, datagram, to);
}

/* When the first pair that works is nominated without waiting for better ones. */
static uint64_t patience_ends(const struct ice_client *ice) {
    if (ice->nominated || !ice->controlling || ice->first_success_us == 0)
        return TIME_NEVER;
    bool works = false;
    for (unsigned i = 0; i < ice->pair_count; i++) {
        if (ice->pairs[i].nominate_next || ice->pairs[i].nominating)
            return TIME_NEVER;
        works = works || ice->pairs[i].state == ICE_PAIR_SUCCEEDED;
    }
    return works ? ice->first_success_us + ICE_CLIENT_PATIENCE_US : TIME_NEVER;
}

uint64_t ice_client_next_deadline(const struct ice_client *ice) {
    if (ice->failed)
        return TIME_NEVER;
    if (ice->answer_count > 0)
        return 0;
    uint64_t next_us = patience_ends(ice);
    if (ice->nominated || ice->selected.family != 0)
        next_us = time_min(next_us, ice->consent_us + ICE_CONSENT_US);
    else if (ice->started_us != 0)
        next_us = time_min(next_us, ice->started_us + ICE_CLIENT_GIVE_UP_US);
    if (ice->nominated)
        next_us = time_min(next_us, ice->next_consent_us);
    for (unsigned i = 0; i < ice->pair_count; i++) {
        const struct ice_client_pair *pair = &ice->pairs[i];
        bool due = pair->nominate_next || pair->triggered || (pair->state == ICE_PAIR_WAITING && !ice->nominated);
        if (pair->pending)
            next_us = time_min(next_us, pair->retry_us);
        else if (due && ice->remote_known)
            next_us = time_min(next_us, ice->next_check_us);
    }
    return next_us;
}

enum ice_client_state ice_client_state(const struct ice_client *ice, uint64_t now_us) {
    if (ice->failed)
        return ICE_CLIENT_FAILED;
    if (ice->selected.family != 0)
        return time_since(now_us, ice->heard_us) >= ICE_CLIENT_QUIET_US ? ICE_CLIENT_DISCONNECTED
                                                                        : ICE_CLIENT_CONNECTED;
    return ice->remote_known && ice->pair_count > 0 ? ICE_CLIENT_CHECKING : ICE_CLIENT_NEW;
}

bool ice_client_selected(const struct ice_client *ice, struct net_addr *to) {
    *to = ice->selected;
    return ice->selected.family != 0;
}

void ice_client_destroy(struct ice_client *ice) {
    secure_wipe(ice, sizeof *ice);
}
