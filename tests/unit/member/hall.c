#include "member/hall.h"

#include <stdlib.h>
#include <string.h>

#include "group/statement.h"
#include "unit.h"

struct hall hall;

/* ---- the service ---- */

void hall_tell(int i, struct wire_message message) {
    struct mls_buf bytes;
    if (hall.people[i].cut)
        return;
    mls_buf_init(&bytes, WIRE_MESSAGE_LEN_MAX);
    wire_write(&message, &bytes);
    assert_true(mls_buf_ok(&bytes));
    member_input(hall.people[i].member, hall.now_us, HALL_UNIX_S, &hall.rng, mls_buf_span(&bytes));
    mls_buf_free(&bytes);
}

struct span hall_seat_of(int i) {
    return mls_buf_span(&hall.people[i].member->signature_public);
}

void hall_challenge(int i) {
    rng_fill(&hall.rng, hall.people[i].nonce, 32);
    hall_tell(i, (struct wire_message){
                     .type = WIRE_CHALLENGE, .nonce = span_of(hall.people[i].nonce, 32), .unix_s = hall.server_s});
}

void hall_here(int i, bool is) {
    hall.people[i].in = is;
    order_here(hall.order, hall.now_us, hall_seat_of(i), is);
}

static void tell_decided(const struct order_output *out) {
    bool ready = out->type == ORDER_READY;
    for (int i = 0; i < hall.count; i++) {
        if (hall.people[i].in || i == hall.author)
            hall_tell(i, (struct wire_message){
                             .type = ready ? WIRE_READY : WIRE_WITHDRAWN, .seq = out->seq, .epoch = out->epoch});
    }
    if (ready && hall.author >= 0 && !hall.people[hall.author].in)
        hall_here(hall.author, true);
    hall.author = -1;
}

void hall_drain(void) {
    struct order_output out;
    while (hall.order != NULL && order_poll(hall.order, &out)) {
        struct mls_buf message;
        mls_buf_init(&message, WIRE_MESSAGE_LEN_MAX);
        mls_wr_span(&message, out.message);
        uint64_t epoch = public_group_epoch(order_group(hall.order)) + 1;
        for (int i = 0; out.type == ORDER_HANDSHAKE && i < hall.count; i++) {
            if (i == hall.author)
                hall_tell(i, (struct wire_message){.type = WIRE_ACCEPTED, .seq = out.seq, .epoch = epoch});
            else if (hall.people[i].in)
                hall_tell(i, (struct wire_message){
                                 .type = WIRE_HANDSHAKE, .seq = out.seq, .message = mls_buf_span(&message)});
        }
        if (out.type != ORDER_HANDSHAKE && hall.hold_ready)
            hall.held = (struct order_output){.type = out.type, .seq = out.seq, .epoch = out.epoch};
        else if (out.type != ORDER_HANDSHAKE)
            tell_decided(&out);
        mls_buf_free(&message);
    }
}

void hall_stand(void) {
    hall.hold_ready = false;
    assert_true(hall.held.epoch > 0);
    tell_decided(&hall.held);
    hall.held = (struct order_output){0};
}

static void on_hello(int i, const struct wire_message *m) {
    const struct group_server server = group_server_local(&crypto_openssl, span_of(hall.server_secret, 32));
    struct entry_meeting meeting = {.server = &server,
                                    .operator_key = span_of(hall.operator_key, 32),
                                    .id = span_str(hall.id),
                                    .group = hall.order != NULL ? order_group(hall.order) : NULL};
    struct entry_result result;
    entry_check(&crypto_openssl, &meeting, m, span_of(hall.people[i].nonce, 32), hall.server_s, &result);
    if (!result.good) {
        hall.refused++;
        member_lost(hall.people[i].member, hall.now_us, WIRE_CLOSE_NO_ENTRY);
        return;
    }
    assert_memory_equal(result.identity, hall.people[i].member->own_identity, sizeof result.identity);
    bool resumed = result.standing == WIRE_STANDING_RESUMED;
    hall_tell(i, (struct wire_message){.type = WIRE_STATE,
                                       .suite = m->suite,
                                       .standing = (uint8_t)result.standing,
                                       .epoch = resumed ? public_group_epoch(order_group(hall.order)) : 0,
                                       .seq = resumed ? order_seq(hall.order) : 0,
                                       .token = span_str("token")});
    if (result.standing == WIRE_STANDING_FOUND)
        hall_tell(
            i, (struct wire_message){.type = WIRE_CREATE_NOW, .external_sender = mls_buf_span(&hall.external_sender)});
    else if (result.standing == WIRE_STANDING_TURN)
        hall_tell(i, (struct wire_message){.type = WIRE_JOIN_NOW,
                                           .group_info = public_group_info(order_group(hall.order)),
                                           .tree_hash = public_group_tree_hash(order_group(hall.order))});
}

static void on_create(int i, const struct wire_message *m) {
    struct public_group *group = NULL;
    assert_int_equal(public_group_open(&hall.crypto, 100, m->group_info, m->tree, &hall.rng, &group), MLS_OK);
    hall.order = order_create(&crypto_openssl, group, 100);
    assert_non_null(hall.order);
    hall_here(i, true);
    hall_tell(i, (struct wire_message){.type = WIRE_ACCEPTED, .seq = order_number(hall.order)});
}

static void on_commit(int i, const struct wire_message *m) {
    struct public_group_staged staged;
    buf_set(&hall.people[i].last_commit, m->commit);
    buf_set(&hall.people[i].last_info, m->group_info);
    if (hall.no_answers)
        return;
    enum mls_status status = order_commit(hall.order, hall.now_us, HALL_UNIX_S, hall_seat_of(i),
                                          (m->flags & WIRE_COMMIT_URGENT) != 0, m->commit, m->group_info, &staged);
    if (status != MLS_OK) {
        hall_tell(i, (struct wire_message){.type = WIRE_STALE, .epoch = public_group_epoch(order_group(hall.order))});
        return;
    }
    hall.author = i;
    hall_drain();
}

static void on_app(int i, const struct wire_message *m) {
    uint64_t seq = (m->flags & WIRE_APP_NOT_KEPT) != 0 ? 0 : order_number(hall.order);
    if (seq != 0) {
        buf_set(&hall.last_app_message, m->message);
        hall.last_app = (struct wire_message){.type = WIRE_APP_FROM,
                                              .seq = seq,
                                              .identity = mls_buf_span(&hall.people[i].member->identity),
                                              .message = mls_buf_span(&hall.last_app_message)};
    }
    for (int k = 0; k < hall.count; k++) {
        if (k != i && hall.people[k].in)
            hall_tell(k, (struct wire_message){.type = WIRE_APP_FROM,
                                               .seq = seq,
                                               .identity = mls_buf_span(&hall.people[i].member->identity),
                                               .message = m->message});
    }
    if (seq != 0)
        hall_tell(i, (struct wire_message){.type = WIRE_SENT, .seq = seq});
}

static void on_direct(int i, const struct wire_message *m) {
    for (int k = 0; k < hall.count; k++) {
        if (hall.people[k].in && span_equal(m->identity, hall_identity_of(k)))
            hall_tell(k, (struct wire_message){
                             .type = WIRE_DIRECT_FROM, .identity = hall_identity_of(i), .sealed = m->sealed});
    }
}

static void to_server(int i, struct span bytes) {
    struct wire_message m;
    assert_int_equal(wire_read(WIRE_FROM_CLIENT, bytes, &m), WIRE_OK);
    switch (m.type) {
    case WIRE_HELLO:
        on_hello(i, &m);
        break;
    case WIRE_CREATE:
        on_create(i, &m);
        break;
    case WIRE_COMMIT:
        on_commit(i, &m);
        break;
    case WIRE_ACK:
        if (!hall.no_votes)
            order_ack(hall.order, hall.now_us, hall_seat_of(i), m.epoch, m.info_tag.data);
        hall_drain();
        break;
    case WIRE_BAD:
        hall.people[i].bads++;
        order_bad(hall.order, hall.now_us, hall_seat_of(i), m.epoch);
        hall_drain();
        break;
    case WIRE_APP:
        on_app(i, &m);
        break;
    case WIRE_DIRECT:
        on_direct(i, &m);
        break;
    case WIRE_CHECKED:
        hall.people[i].checks++;
        hall.people[i].checks_good += m.good;
        break;
    default:
        break;
    }
}

static void serve_chain(struct mls_buf *out, uint64_t from) {
    struct mls_buf chain;
    mls_buf_init(&chain, WIRE_MESSAGE_LEN_MAX);
    if (!order_chain(hall.order, from, &chain))
        mls_buf_clear(&chain);
    struct mls_reader r = mls_reader_of(mls_buf_span(&chain));
    while (mls_reader_left(&r) > 0) {
        struct span element = mls_rd_vec(&r, WIRE_MESSAGE_LEN_MAX, MLS_TOO_LARGE);
        if (mls_reader_left(&r) > 0 || !hall.cut_chain)
            mls_wr_vec(out, element);
    }
    mls_buf_free(&chain);
    if (hall.forge_chain && mls_buf_len(out) > 200)
        out->w.data[200] ^= 1; /* of the first commit */
}

static void serve(int i, uint32_t ticket, struct span path) {
    struct mls_buf body;
    mls_buf_init(&body, WIRE_MESSAGE_LEN_MAX);
    if (path.len > 9 && memcmp(path.data, "mls/tree/", 9) == 0) {
        uint8_t hash[64];
        size_t len = 0;
        for (size_t at = 9; at + 1 < path.len; at += 2) {
            char two[3] = {(char)path.data[at], (char)path.data[at + 1], 0};
            hash[len++] = (uint8_t)strtoul(two, NULL, 16);
        }
        mls_wr_span(&body, public_group_tree(order_group(hall.order), span_of(hash, len)));
    } else {
        char text[24] = {0};
        memcpy(text, path.data + 10, path.len - 10);
        serve_chain(&body, strtoull(text, NULL, 10));
    }
    member_fetched(hall.people[i].member, hall.now_us, HALL_UNIX_S, &hall.rng, ticket, mls_buf_span(&body));
    mls_buf_free(&body);
}

static void note(int i, const struct member_output *out) {
    struct person_here *p = &hall.people[i];
    struct mls_buf copy;
    switch (out->type) {
    case MEMBER_SEND:
        mls_buf_init(&copy, WIRE_MESSAGE_LEN_MAX);
        mls_wr_span(&copy, out->bytes);
        if (!p->cut)
            to_server(i, mls_buf_span(&copy));
        mls_buf_free(&copy);
        break;
    case MEMBER_FETCH:
        mls_buf_init(&copy, 256);
        mls_wr_span(&copy, out->text);
        serve(i, out->ticket, mls_buf_span(&copy));
        mls_buf_free(&copy);
        break;
    case MEMBER_KEYS:
        p->key_epoch = out->epoch;
        memcpy(p->key, out->bytes.data, sizeof p->key);
        break;
    case MEMBER_KEYS_DROP:
        p->keys_dropped = out->epoch;
        break;
    case MEMBER_SWITCH:
        p->seal_epoch = out->epoch;
        break;
    case MEMBER_ALARM:
        p->alarms[out->alarm]++;
        if (getenv("MEMBER_VERBOSE") != NULL)
            print_message("person %d alarm: %s (%s)\n", i, member_alarm_text(out->alarm), mls_status_name(out->status));
        break;
    case MEMBER_CHAT:
        p->chats++;
        memcpy(p->last_chat, out->text.data, out->text.len < 63 ? out->text.len : 63);
        break;
    case MEMBER_DISPUTED:
        p->disputed += out->flag;
        p->resolved += !out->flag;
        break;
    case MEMBER_CLOSING:
        p->closing_s = out->number;
        break;
    case MEMBER_WITHDRAWN:
        p->withdrawn++;
        break;
    case MEMBER_TOKEN:
        p->has_token = true;
        break;
    case MEMBER_CLOCK:
        p->clock_off_s = out->off_s;
        break;
    case MEMBER_ENDED:
        p->ended = true;
        p->in = false;
        p->gone = out->gone;
        break;
    default:
        break;
    }
}

void hall_settle(void) {
    bool any = true;
    while (any) {
        any = false;
        for (int i = 0; i < hall.count; i++) {
            struct member_output out;
            while (member_poll(hall.people[i].member, &out)) {
                note(i, &out);
                any = true;
            }
        }
    }
}

void hall_run(uint64_t us) {
    uint64_t end_us = hall.now_us + us;
    while (hall.now_us < end_us) {
        hall.now_us += 50000;
        for (int i = 0; i < hall.count; i++) {
            if (member_next_deadline_us(hall.people[i].member) <= hall.now_us)
                member_tick(hall.people[i].member, hall.now_us, HALL_UNIX_S, &hall.rng);
        }
        if (hall.order != NULL && order_deadline_us(hall.order) <= hall.now_us)
            order_tick(hall.order, hall.now_us);
        hall_drain();
        hall_settle();
    }
}

void hall_begin(uint64_t seed, uint16_t suite, uint8_t kind) {
    memset(&hall, 0, sizeof hall);
    hall.rng = rng_seeded(seed);
    hall.now_us = US_PER_S;
    hall.server_s = HALL_UNIX_S;
    hall.kind = kind;
    hall.author = -1;
    rng_fill(&hall.rng, hall.link_secret, 32);
    rng_fill(&hall.rng, hall.operator_key, 32);
    rng_fill(&hall.rng, hall.server_secret, 32);
    uint8_t seed_bytes[32], hash[32], id_hash[16], tag[8], meeting[32], sender_key[32];
    rng_fill(&hall.rng, seed_bytes, 32);
    secret_set(&hall.owner_seed, span_of(seed_bytes, 32));
    assert_int_equal(crypto_openssl.sign_public(SIGN_ED25519, &hall.owner_seed, hall.owner), CRYPTO_OK);
    assert_int_equal(group_link_derive(&crypto_openssl, span_of(hall.link_secret, 32), &hall.link), CRYPTO_OK);
    struct span operator_key = span_of(hall.operator_key, 32);
    assert_int_equal(crypto_openssl.hash(HASH_SHA256, &operator_key, 1, hash), CRYPTO_OK);
    memcpy(hall.operator_hash, hash, 16);
    const struct group_id_parts parts = {.first_link_key = span_of(hall.link.link_key, 32),
                                         .owner = span_of(hall.owner, 32),
                                         .operator_key = operator_key,
                                         .suite = suite,
                                         .kind = kind};
    group_id_hash(&crypto_openssl, &parts, id_hash);
    group_id_tag(&crypto_openssl, span_of(hall.server_secret, 32), id_hash, tag);
    group_id_text(id_hash, tag, hall.id);
    assert_int_equal(mls_crypto_of(&crypto_openssl, suite, &hall.crypto), MLS_OK);
    group_meeting_hash(&crypto_openssl, span_str(hall.id), meeting);
    const struct group_server server = group_server_local(&crypto_openssl, span_of(hall.server_secret, 32));
    assert_int_equal(
        group_external_sender(&crypto_openssl, &server, span_of(meeting, 32), &hall.external_key, sender_key),
        CRYPTO_OK);
    mls_buf_init(&hall.external_sender, 1024);
    group_external_sender_write(span_of(sender_key, 32), &hall.external_sender);
}

void hall_make(int i, const char *name, bool owner, const struct secret *seat) {
    struct member_config config = {.crypto = &crypto_openssl,
                                   .suite = hall.crypto.suite->id,
                                   .meeting = span_str(hall.id),
                                   .kind = hall.kind,
                                   .link_secret = span_of(hall.link_secret, 32),
                                   .operator_hash = span_of(hall.operator_hash, 16),
                                   .operator_key = span_of(hall.operator_key, 32),
                                   .owner = span_of(hall.owner, 32),
                                   .owner_seed = owner ? secret_span(&hall.owner_seed) : span_of(NULL, 0),
                                   .name = span_str(name),
                                   .client = GROUP_TEST,
                                   .software = span_str("test"),
                                   .seat_seed = seat};
    assert_int_equal(member_create(&config, &hall.rng, &hall.people[i].member), MLS_OK);
    if (i == hall.count)
        hall.count++;
    member_connected(hall.people[i].member, hall.now_us, HALL_UNIX_S, &hall.rng);
}

int hall_join(bool owner) {
    int i = hall.count;
    hall_make(i, i == 0 ? "Ann" : "Bob", owner, NULL);
    hall_challenge(i);
    hall_settle();
    return i;
}

void hall_end(void) {
    for (int i = 0; i < hall.count; i++) {
        member_free(hall.people[i].member);
        mls_buf_free(&hall.people[i].last_commit);
        mls_buf_free(&hall.people[i].last_info);
    }
    order_free(hall.order);
    mls_buf_free(&hall.external_sender);
    mls_buf_free(&hall.last_app_message);
    secret_wipe(&hall.owner_seed);
    secret_wipe(&hall.external_key);
    group_link_wipe(&hall.link);
}

uint32_t hall_alarms(void) {
    uint32_t count = 0;
    for (int i = 0; i < hall.count; i++) {
        for (int k = 0; k < MEMBER_ALARM_COUNT; k++)
            count += hall.people[i].alarms[k];
    }
    return count;
}

uint32_t hall_alarms_but_of_order(void) {
    uint32_t count = hall_alarms();
    for (int i = 0; i < hall.count; i++)
        count -= hall.people[i].alarms[MEMBER_ALARM_ORDER];
    return count;
}

struct span hall_identity_of(int i) {
    return mls_buf_span(&hall.people[i].member->identity);
}

void hall_agree(int a, int b) {
    char codes[2][GROUP_CODE_DIGITS + 1];
    assert_true(member_code(hall.people[a].member, codes[0]) && member_code(hall.people[b].member, codes[1]));
    assert_string_equal(codes[0], codes[1]);
    assert_memory_equal(hall.people[a].key, hall.people[b].key, 32);
}

void hall_renew(int i) {
    assert_int_equal(member_commit(hall.people[i].member, &hall.rng, span_of(NULL, 0), false, false, span_of(NULL, 0)),
                     MLS_OK);
    hall_settle();
}

void hall_chat(int i, const char *text) {
    assert_int_equal(member_chat(hall.people[i].member, 1, &hall.rng, span_of(NULL, 0), span_str("id"), span_str(text)),
                     MLS_OK);
    hall_settle();
}
