/* One 5-tuple: ICE-lite decides where to send, DTLS gives the keys, SRTP and SCTP carry the rest. */
#include <string.h>

#include "media/impl.h"

static void ufrag_key(char key[ENGINE_UFRAG_LEN_MAX + 1], const char *ufrag) {
    memset(key, 0, ENGINE_UFRAG_LEN_MAX + 1);
    memcpy(key, ufrag, strnlen(ufrag, ENGINE_UFRAG_LEN_MAX));
}

static void dtls_begin(struct engine *e, struct transport *t);

/* In the client role the handshake begins where somebody proved to be. A peer that answers no questions is given its
 * first flight all the same, by one of its next checks: as much as those allow. */
#define BEGIN_UNPROVEN_US UINT64_C(300000)

static bool may_begin(const struct engine *e, const struct transport *t) {
    return t->dtls == NULL && t->remote_known && t->dtls_client &&
           (!t->unproven || time_since(e->now_us, t->checked_us) >= BEGIN_UNPROVEN_US);
}

static bool is_over(const struct transport *t) {
    return t->state == ENGINE_TRANSPORT_FAILED || t->state == ENGINE_TRANSPORT_CLOSED;
}

static bool credentials_fit(const struct engine_transport_open *open) {
    size_t ufrag_len = strnlen(open->local_ufrag, ENGINE_UFRAG_LEN_MAX + 1);
    size_t pwd_len = strnlen(open->local_pwd, ENGINE_PWD_LEN_MAX + 1);
    return ufrag_len >= ICE_UFRAG_LEN_MIN && ufrag_len <= ICE_UFRAG_LEN_MAX && pwd_len >= ICE_PWD_LEN_MIN &&
           pwd_len <= ICE_LITE_PWD_LEN_MAX;
}

void transport_open(struct engine *e, uint32_t handle, const struct engine_transport_open *open) {
    char key[ENGINE_UFRAG_LEN_MAX + 1];
    ufrag_key(key, open->local_ufrag);
    uint32_t taken;
    if (!credentials_fit(open) || map_get(&e->by_ufrag, key, &taken) || !pool_take_handle(&e->transport_pool, handle)) {
        event_refused(e, handle, ENGINE_TRANSPORT_OPEN);
        return;
    }
    uint32_t index = pool_index(handle);
    struct transport *t = &e->transports[index];
    ASSERT(t->handle == 0);
    memset(t, 0, offsetof(struct transport, labels)); /* what follows is written before it is read */
    memset(t->pending, 0, sizeof t->pending);
    t->handle = handle;
    t->index = index;
    t->room = open->room;
    t->dtls_client = open->dtls_client;
    t->first_source = NONE;
    t->first_sink = NONE;
    for (int i = 0; i < TX_CLASSES; i++)
        t->queue[i] = (struct tx_list){.head = NONE, .tail = NONE};
    for (int i = 0; i < TIMERS; i++)
        t->due_us[i] = TIME_NEVER;
    t->next_us = TIME_NEVER;
    t->feedback_ssrc = rng_u32(e->rng) | 1;
    rng_token(e->rng, t->cname, sizeof t->cname - 1);
    estimator_init(&t->estimator, e->now_us);
    ice_lite_init(&t->ice, e->now_us, span_str(open->local_ufrag), span_str(open->local_pwd));
    memcpy(t->ufrag, key, sizeof key);
    bool put = map_put(&e->by_ufrag, key, index);
    ASSERT(put); /* room for two a transport */
    timer_set(e, t, TIMER_ICE, ice_lite_next_deadline(&t->ice, e->now_us));
}

static bool set_extensions(struct rtp_ext_map *map, const struct engine_extension *list) {
    *map = (struct rtp_ext_map){0};
    bool all = true;
    for (int i = 0; i < ENGINE_EXTENSIONS_MAX; i++) {
        if (list[i].id != 0 && list[i].kind > RTP_EXT_NONE && list[i].kind < RTP_EXT_KINDS)
            all = rtp_ext_map_set(map, list[i].kind, list[i].id) && all;
    }
    return all;
}

static void set_feedback(struct engine *e, struct transport *t, const struct engine_transport_remote *remote) {
    uint8_t *slice = e->slices + (size_t)t->index * e->slice_len;
    t->feedback_send = remote->feedback_transport_wide && t->rx_ext.id[RTP_EXT_TRANSPORT_SEQ] != 0;
    t->remb_send = remote->feedback_remb_send && !t->feedback_send;
    t->feedback_receive = remote->feedback_remb_receive;
    if (t->feedback_send && t->twcc == NULL) {
        t->twcc = (struct twcc_log *)(void *)(slice + e->slice_twcc);
        twcc_init(t->twcc);
    }
    if (t->tx_ext.id[RTP_EXT_TRANSPORT_SEQ] != 0 && t->sendlog == NULL) {
        t->sendlog = (struct sendlog *)(void *)(slice + e->slice_sendlog);
        sendlog_init(t->sendlog);
    }
}

/* Asks whether the peer is at an address from which something authentic came: see ice_lite.h. */
static void ask(struct engine *e, struct transport *t, const struct net_addr *to, const struct net_addr *local) {
    uint8_t question[ICE_LITE_QUESTION_LEN_MAX];
    struct writer w = writer_of(question, sizeof question);
    if (!ice_lite_ask(&t->ice, e->now_us, to, (struct ice_lite_route){t->handle, e->config.core}, e->rng, &w,
                      &e->modules.ice))
        return;
    t->tx_bytes += w.len;
    t->tx_packets++;
    ice_lite_note_sent(&t->ice, to, w.len);
    tx_raw(e, writer_span(&w), to, local);
}

/* Those that came before the peer's password was known. */
static void ask_all(struct engine *e, struct transport *t) {
    struct net_addr paths[ICE_LITE_PATHS_MAX];
    size_t count = ice_lite_paths(&t->ice, paths);
    for (size_t i = 0; i < count; i++)
        ask(e, t, &paths[i], NULL);
}

void transport_remote(struct engine *e, struct transport *t, const struct engine_transport_remote *remote) {
    bool good = set_extensions(&t->rx_ext, remote->rx_extensions);
    good = set_extensions(&t->tx_ext, remote->tx_extensions) && good;
    struct span pwd = span_of(remote->remote_pwd, strnlen(remote->remote_pwd, sizeof remote->remote_pwd));
    good = ice_lite_set_remote(&t->ice, e->now_us, span_str(remote->remote_ufrag), pwd) && good;
    if (!good) {
        event_refused(e, t->handle, ENGINE_TRANSPORT_REMOTE);
        return;
    }
    if (t->dtls == NULL)
        t->dtls_client = remote->dtls_client;
    memcpy(t->fingerprint, remote->fingerprint_sha256, sizeof t->fingerprint);
    t->remote_known = true;
    t->message_len_max = remote->data_message_len_max != 0 ? remote->data_message_len_max : 65536;
    set_feedback(e, t, remote);
    if (t->dtls != NULL)
        dtls_set_fingerprint(t->dtls, t->fingerprint);
    t->data_channels = t->data_channels || remote->data_channels;
    transport_retarget(e, t);
    ask_all(e, t);
    timer_set(e, t, TIMER_ICE, ice_lite_next_deadline(&t->ice, e->now_us));
    if (t->has_target && !is_over(t) && may_begin(e, t)) /* checks were faster than the description */
        dtls_begin(e, t);
    transport_pump(e, t);
    if (t->keyed)
        channels_start(e, t);
}

void transport_restart(struct engine *e, struct transport *t, const struct engine_transport_open *open) {
    char key[ENGINE_UFRAG_LEN_MAX + 1];
    ufrag_key(key, open->local_ufrag);
    uint32_t taken;
    if (!credentials_fit(open) || map_get(&e->by_ufrag, key, &taken)) {
        event_refused(e, t->handle, ENGINE_TRANSPORT_RESTART);
        return;
    }
    if (t->old_ufrag[0] != 0) /* a restart during a restart: the first credentials are forgotten */
        map_remove(&e->by_ufrag, t->old_ufrag);
    memcpy(t->old_ufrag, t->ufrag, sizeof t->ufrag);
    memcpy(t->ufrag, key, sizeof key);
    bool put = map_put(&e->by_ufrag, key, t->index);
    ASSERT(put);
    ice_lite_restart(&t->ice, span_str(open->local_ufrag), span_str(open->local_pwd));
    timer_set(e, t, TIMER_ICE, ice_lite_next_deadline(&t->ice, e->now_us));
}

/* ---- paths ------------------------------------------------------------------------------------------------------ */

static void tell_path(struct engine *e, const struct net_addr *from, bool added, bool proven) {
    if (e->path_count == PATH_QUEUE_MAX) {
        e->counters.drop_path_queue++;
        return;
    }
    e->paths[(e->path_head + e->path_count) % PATH_QUEUE_MAX] =
        (struct engine_path){.from = *from, .added = added, .proven = proven};
    e->path_count++;
}

size_t engine_poll_paths(struct engine *e, struct engine_path *out, size_t max) {
    ASSERT(e != NULL && out != NULL);
    size_t count = 0;
    for (; count < max && e->path_count > 0; e->path_count--) {
        out[count++] = e->paths[e->path_head];
        e->path_head = (e->path_head + 1) % PATH_QUEUE_MAX;
    }
    return count;
}

static bool owns_address(const struct engine *e, const struct transport *t, const struct net_addr *addr) {
    uint32_t owner;
    return map_get(&e->by_addr, addr, &owner) && owner == t->index;
}

static void forget_address(struct engine *e, struct transport *t, const struct net_addr *addr) {
    if (!owns_address(e, t, addr))
        return;
    map_remove(&e->by_addr, addr);
    tell_path(e, addr, false, false);
}

void engine_path_elsewhere(struct engine *e, const struct net_addr *from) {
    uint32_t owner;
    if (!map_get(&e->by_addr, from, &owner))
        return;
    map_remove(&e->by_addr, from);
    ice_lite_doubt(&e->transports[owner].ice, from);
    transport_retarget(e, &e->transports[owner]);
}

/* An address belongs to the transport that authenticated there last: behind a NAT that gave it to somebody else, the
 * former owner must not be sent to any more. But a check alone, forged or replayed, takes it from nobody who is there:
 * that needs the proof. */
static void learn_address(struct engine *e, struct transport *t, const struct net_addr *addr) {
    uint32_t owner;
    bool known = map_get(&e->by_addr, addr, &owner);
    if (known && owner == t->index)
        return;
    if (known && !ice_lite_is_proven(&t->ice, addr)) {
        const struct ice_lite *theirs = &e->transports[owner].ice;
        if (ice_lite_is_proven(theirs, addr) && ice_lite_is_fresh(theirs, e->now_us, addr))
            return;
    }
    if (!map_put(&e->by_addr, addr, t->index))
        return; /* as many as all transports may have: cannot be, and would only cost a look-up by name */
    if (!known) {
        tell_path(e, addr, true, ice_lite_is_proven(&t->ice, addr));
        return;
    }
    ice_lite_doubt(&e->transports[owner].ice, addr);
    transport_retarget(e, &e->transports[owner]);
}

static void tell_proven(struct engine *e, const struct transport *t, const struct net_addr *addr) {
    if (owns_address(e, t, addr))
        tell_path(e, addr, true, true);
}

void transport_retarget(struct engine *e, struct transport *t) {
    struct net_addr to, local;
    t->has_target = ice_lite_target(&t->ice, &to, &local) && owns_address(e, t, &to);
    if (!t->has_target)
        return;
    t->unproven = !ice_lite_selected_proven(&t->ice);
    if (t->dtls != NULL && !t->keyed && !net_addr_equal(&t->to, &to))
        t->handshake_moved = true;
    t->to = to;
    t->local = local;
}

static void dtls_begin(struct engine *e, struct transport *t) {
    ASSERT(t->dtls == NULL);
    t->dtls = dtls_create(e->dtls, t->dtls_client ? DTLS_CLIENT : DTLS_SERVER, &e->modules.dtls);
    if (t->dtls == NULL) {
        e->counters.dtls_failed++;
        event_state(e, t, ENGINE_TRANSPORT_FAILED);
        return;
    }
    if (t->remote_known)
        dtls_set_fingerprint(t->dtls, t->fingerprint);
    dtls_start(t->dtls, e->now_us);
}

static void back_to_life(struct engine *e, struct transport *t) {
    if (t->state == ENGINE_TRANSPORT_NEW)
        event_state(e, t, ENGINE_TRANSPORT_CHECKING);
    else if (t->state == ENGINE_TRANSPORT_DISCONNECTED)
        event_state(e, t, t->keyed ? ENGINE_TRANSPORT_CONNECTED : ENGINE_TRANSPORT_CHECKING);
}

bool transport_stun(struct engine *e, struct transport *t, const struct engine_rx *rx, struct span datagram) {
    if (is_over(t)) {
        e->counters.rx_dropped_state++;
        return false;
    }
    uint8_t answer[ICE_LITE_RESPONSE_LEN_MAX];
    struct writer w = writer_of(answer, sizeof answer);
    struct ice_lite_change change = {0};
    enum ice_result result =
        ice_lite_input(&t->ice, e->now_us, &rx->from, &rx->local, datagram, &w, &change, &e->modules.ice);
    if (result == ICE_DROPPED) {
        e->counters.rx_dropped_malformed++;
        return false;
    }
    e->counters.rx_stun++;
    if (writer_ok(&w) && w.len > 0) {
        t->tx_bytes += w.len;
        t->tx_packets++;
        tx_raw(e, writer_span(&w), &rx->from, &rx->local);
    }
    if (result != ICE_ANSWERED)
        return false;
    if (change.path_removed)
        forget_address(e, t, &change.removed);
    if (t->checked_us == 0)
        t->checked_us = e->now_us;
    ice_lite_note_received(&t->ice, &rx->from, datagram.len);
    ice_lite_note_sent(&t->ice, &rx->from, w.len);
    learn_address(e, t, &rx->from);
    ask(e, t, &rx->from, &rx->local);
    if (change.restarted && t->old_ufrag[0] != 0) {
        map_remove(&e->by_ufrag, t->old_ufrag);
        memset(t->old_ufrag, 0, sizeof t->old_ufrag);
    }
    transport_retarget(e, t);
    back_to_life(e, t);
    timer_set(e, t, TIMER_ICE, ice_lite_next_deadline(&t->ice, e->now_us));
    /* our role is known only from the peer's description; as the server we can wait for its first flight */
    if (may_begin(e, t))
        dtls_begin(e, t);
    transport_pump(e, t);
    return true;
}

bool transport_stun_answer(struct engine *e, struct transport *t, const struct engine_rx *rx, struct span datagram) {
    if (is_over(t))
        return false;
    uint8_t answer[ICE_LITE_RESPONSE_LEN_MAX];
    struct writer w = writer_of(answer, sizeof answer);
    struct ice_lite_change change;
    if (ice_lite_input(&t->ice, e->now_us, &rx->from, &rx->local, datagram, &w, &change, &e->modules.ice) != ICE_TAKEN)
        return false;
    e->counters.rx_stun++;
    t->rx_bytes += datagram.len;
    t->rx_packets++;
    if (change.proven) {
        learn_address(e, t, &rx->from);
        tell_proven(e, t, &rx->from);
    }
    transport_retarget(e, t);
    back_to_life(e, t);
    timer_set(e, t, TIMER_ICE, ice_lite_next_deadline(&t->ice, e->now_us));
    if (may_begin(e, t))
        dtls_begin(e, t);
    transport_pump(e, t);
    return true;
}

void transport_heard(struct engine *e, struct transport *t, const struct net_addr *from) {
    ice_lite_note_authentic(&t->ice, e->now_us, from);
    if (t->state == ENGINE_TRANSPORT_DISCONNECTED)
        back_to_life(e, t);
}

void transport_tick_ice(struct engine *e, struct transport *t) {
    if (is_over(t))
        return;
    enum ice_liveness liveness = ice_lite_liveness(&t->ice, e->now_us);
    if (liveness == ICE_EXPIRED) {
        e->counters.consent_expired++;
        t->has_target = false; /* RFC 7675 section 5.1: cease transmission at once */
        tx_drop_transport(e, t);
        event_state(e, t, ENGINE_TRANSPORT_FAILED);
        for (int i = 0; i < TIMERS; i++)
            timer_set(e, t, (enum timer)i, TIME_NEVER);
        return;
    }
    if (liveness == ICE_QUIET && t->state == ENGINE_TRANSPORT_CONNECTED)
        event_state(e, t, ENGINE_TRANSPORT_DISCONNECTED);
    timer_set(e, t, TIMER_ICE, ice_lite_next_deadline(&t->ice, e->now_us));
}

void transport_connection_lost(struct engine *e, struct transport *t, uint32_t conn) {
    struct net_addr paths[ICE_LITE_PATHS_MAX];
    size_t count = ice_lite_paths(&t->ice, paths);
    bool lost = false;
    for (size_t i = 0; i < count; i++) {
        if (paths[i].proto != NET_TCP || paths[i].conn != conn)
            continue;
        forget_address(e, t, &paths[i]);
        lost = true;
    }
    if (!lost)
        return;
    ice_lite_forget_conn(&t->ice, conn);
    transport_retarget(e, t);
}

void engine_connection_lost(struct engine *e, uint64_t now_us, uint32_t conn) {
    ASSERT(e != NULL);
    if (now_us > e->now_us)
        e->now_us = now_us;
    for (uint32_t i = 0; i < e->config.transports_max; i++) {
        if (e->transports[i].handle != 0)
            transport_connection_lost(e, &e->transports[i], conn);
    }
}

/* ---- DTLS ------------------------------------------------------------------------------------------------------- */

void transport_dtls_input(struct engine *e, struct transport *t, const struct engine_rx *rx, struct span datagram) {
    if (is_over(t)) {
        e->counters.rx_dropped_state++;
        return;
    }
    if (t->dtls == NULL && t->dtls_client) {
        /* we are to begin, as the peer's description will tell; what comes earlier is sent again */
        e->counters.rx_dropped_state++;
        return;
    }
    if (t->dtls == NULL)
        dtls_begin(e, t);
    if (t->dtls == NULL)
        return;
    e->counters.rx_dtls++;
    (void)rx; /* the address is a verified path; only what decrypts counts as heard, see transport_pump */
    dtls_input(t->dtls, e->now_us, datagram);
    transport_pump(e, t);
}

static bool make_keys(struct engine *e, struct transport *t) {
    struct srtp_master ours, theirs;
    if (!dtls_export(t->dtls, &ours, &theirs))
        return false;
    uint8_t *slice = e->slices + (size_t)t->index * e->slice_len;
    bool made =
        srtp_session_init(&t->rx, slice + e->slice_rx, RX_STREAMS_MAX, RX_RETIRED_MAX, SRTP_OPENING, &theirs, e->rng);
    if (made) {
        made =
            srtp_session_init(&t->tx, slice + e->slice_tx, TX_STREAMS_MAX, TX_RETIRED_MAX, SRTP_SEALING, &ours, e->rng);
        if (!made)
            srtp_session_end(&t->rx);
    }
    srtp_master_wipe(&ours);
    srtp_master_wipe(&theirs);
    return made;
}

static void connected(struct engine *e, struct transport *t) {
    if (!make_keys(e, t)) {
        e->counters.dtls_failed++;
        event_state(e, t, ENGINE_TRANSPORT_FAILED);
        return;
    }
    t->keyed = true;
    t->connected_us = e->now_us;
    if (t->has_target && !t->handshake_moved && t->unproven) {
        ice_lite_prove_selected(&t->ice); /* who received all that was there received it at this address */
        t->unproven = false;
        tell_proven(e, t, &t->to);
    }
    event_state(e, t, ENGINE_TRANSPORT_CONNECTED);
    /* spread the reports of transports that came up together */
    timer_set(e, t, TIMER_REPORT, e->now_us + rng_below(e->rng, REPORT_INTERVAL_US));
    timer_set(e, t, TIMER_STATS, e->now_us + e->config.stats_interval_us);
    timer_set(e, t, TIMER_ALLOCATE, e->now_us);
    channels_start(e, t);
    for (uint32_t i = t->first_source; i != NONE; i = e->sources[i].next_of_transport) {
        for (uint32_t layer = 0; e->sources[i].sink_count > 0 && layer < e->sources[i].layers; layer++)
            keyframe_request(e, &e->sources[i], layer);
    }
}

static void end_with(struct engine *e, struct transport *t, enum engine_transport_state state) {
    if (is_over(t))
        return;
    tx_drop_transport(e, t);
    event_state(e, t, state);
    for (int i = 0; i < TIMERS; i++)
        timer_set(e, t, (enum timer)i, TIME_NEVER);
}

void transport_pump(struct engine *e, struct transport *t) {
    if (t->dtls == NULL || is_over(t))
        return;
    for (;;) {
        struct writer data = writer_of(e->scratch, sizeof e->scratch);
        if (!dtls_poll_data(t->dtls, &data))
            break;
        transport_heard(e, t, &t->to);
        channels_input(e, t, writer_span(&data));
    }
    for (;;) {
        struct writer out = writer_of(e->scratch, sizeof e->scratch);
        if (!dtls_poll_out(t->dtls, &out))
            break;
        tx_raw_transport(e, t, writer_span(&out));
    }
    enum dtls_state state = dtls_state(t->dtls);
    if (state == DTLS_CONNECTED && !t->keyed) {
        connected(e, t);
    } else if (state == DTLS_FAILED) {
        e->counters.dtls_failed++;
        end_with(e, t, ENGINE_TRANSPORT_FAILED);
    } else if (state == DTLS_CLOSED) {
        end_with(e, t, ENGINE_TRANSPORT_CLOSED);
    }
    if (is_over(t))
        return;
    channels_pump(e, t);
    timer_set(e, t, TIMER_DTLS, dtls_next_deadline(t->dtls));
}

/* ---- end -------------------------------------------------------------------------------------------------------- */

static void forget_paths(struct engine *e, struct transport *t) {
    struct net_addr paths[ICE_LITE_PATHS_MAX];
    size_t count = ice_lite_paths(&t->ice, paths);
    for (size_t i = 0; i < count; i++)
        forget_address(e, t, &paths[i]);
}

static void say_goodbye(struct engine *e, struct transport *t) {
    if (t->dtls == NULL || !t->keyed || is_over(t))
        return;
    dtls_close(t->dtls);
    for (;;) {
        struct writer out = writer_of(e->scratch, sizeof e->scratch);
        if (!dtls_poll_out(t->dtls, &out))
            break;
        tx_raw_transport(e, t, writer_span(&out));
    }
}

void transport_close(struct engine *e, struct transport *t) {
    ASSERT(t->handle != 0);
    while (t->first_sink != NONE)
        sink_close(e, &e->sinks[t->first_sink]);
    while (t->first_source != NONE)
        source_close(e, &e->sources[t->first_source]);
    ASSERT(t->sink_count == 0 && t->source_count == 0);
    tx_drop_transport(e, t);
    say_goodbye(e, t);
    channels_release(t);
    if (t->dtls != NULL)
        dtls_destroy(t->dtls);
    t->dtls = NULL;
    srtp_session_end(&t->rx);
    srtp_session_end(&t->tx);
    forget_paths(e, t);
    map_remove(&e->by_ufrag, t->ufrag);
    if (t->old_ufrag[0] != 0)
        map_remove(&e->by_ufrag, t->old_ufrag);
    ice_lite_destroy(&t->ice);
    if (t->state == ENGINE_TRANSPORT_CONNECTED)
        e->connected--;
    deadline_set(&e->deadlines, t->index, TIME_NEVER);
    uint32_t handle = t->handle;
    t->handle = 0;
    t->keyed = false;
    t->has_target = false;
    pool_give(&e->transport_pool, handle);
}
