#include "service_world.h"

#include <string.h>

#include "unit.h"

struct service_world t;

struct service_now now(void) {
    return (struct service_now){.now_us = t.now_us, .unix_s = MEETING_NOW, .rng = &t.w.rng};
}

void drain(void) {
    struct service_output out;
    while (service_poll(t.s, &out)) {
        t.admitted += out.type == SERVICE_ADMITTED;
        t.expelled += out.type == SERVICE_EXPELLED;
        t.over += out.type == SERVICE_OVER;
        t.held += out.type == SERVICE_HOLD && out.held;
        t.released += out.type == SERVICE_HOLD && !out.held;
        for (size_t i = 0; i < t.lines_count; i++) {
            struct line *l = &t.lines[i];
            if (l->connection != out.connection || out.connection == 0)
                continue;
            if (out.type == SERVICE_CLOSE)
                l->closed = out.code;
            if (out.type != SERVICE_SEND)
                continue;
            struct wire_message message;
            uint8_t type = out.message.data[0];
            assert_int_equal(wire_read(WIRE_FROM_SERVER, out.message, &message), WIRE_OK);
            l->count[type]++;
            mls_buf_clear(&l->last[type]);
            mls_wr_span(&l->last[type], out.message);
        }
    }
}

struct wire_message last(struct line *l, enum wire_type type) {
    struct wire_message message;
    assert_true(l->count[type] > 0);
    assert_int_equal(wire_read(WIRE_FROM_SERVER, mls_buf_span(&l->last[type]), &message), WIRE_OK);
    return message;
}

void says(struct line *l, const struct wire_message *message) {
    struct mls_buf bytes;
    struct service_now at = now();
    mls_buf_init(&bytes, WIRE_MESSAGE_LEN_MAX);
    wire_write(message, &bytes);
    assert_true(mls_buf_ok(&bytes));
    service_message(t.s, &at, l->connection, mls_buf_span(&bytes));
    mls_buf_free(&bytes);
    drain();
}

void run(uint64_t us) {
    uint64_t end_us = t.now_us + us;
    while (t.now_us < end_us) {
        t.now_us = time_min(service_next_deadline_us(t.s), end_us);
        struct service_now at = now();
        service_tick(t.s, &at);
        drain();
        if (t.now_us < end_us && service_next_deadline_us(t.s) <= t.now_us)
            t.now_us++;
    }
}

void begin_with(uint8_t entry, uint32_t meetings_max, uint32_t connections_max, size_t logs_len_max) {
    memset(&t, 0, sizeof t);
    t.now_us = US_PER_S;
    meeting_init(&t.w, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, GROUP_KIND_NOW, entry);
    struct service_config config = {.crypto = &crypto_openssl,
                                    .server = group_server_local(&crypto_openssl, span_of(t.w.server_secret, 32)),
                                    .operator_key = span_of(t.w.operator_key, 32),
                                    .meetings_max = meetings_max,
                                    .connections_max = connections_max,
                                    .logs_len_max = logs_len_max,
                                    .members_max = 100};
    t.s = service_create(&config);
    assert_non_null(t.s);
}

void begin(uint8_t entry) {
    begin_with(entry, 4, 64, 0);
}

void end(void) {
    service_free(t.s);
    for (size_t i = 0; i < t.lines_count; i++) {
        for (size_t k = 0; k < 256; k++)
            mls_buf_free(&t.lines[i].last[k]);
    }
    meeting_free(&t.w);
}

struct line *connects(struct seat *seat) {
    struct line *l = &t.lines[t.lines_count++];
    struct service_now at = now();
    l->seat = seat;
    for (size_t k = 0; k < 256; k++)
        mls_buf_init(&l->last[k], 2 * WIRE_MESSAGE_LEN_MAX);
    l->connection = service_open(t.s, &at, NULL, span_str(t.w.id));
    assert_true(l->connection != 0);
    drain();
    struct wire_message challenge = last(l, WIRE_CHALLENGE);
    memcpy(l->nonce, challenge.nonce.data, 32);
    return l;
}

void hello(struct line *l, enum wire_how how, bool may_found, bool with_link, uint64_t last_seq) {
    static const uint8_t zeros[64];
    struct seat *seat = l->seat;
    struct span meeting = span_of(t.w.meeting, 32), key = span_of(seat->public_key, 32);
    struct wire_message message = {.type = WIRE_HELLO,
                                   .how = (uint8_t)how,
                                   .flags = may_found ? WIRE_HELLO_MAY_FOUND : 0,
                                   .kind = how == WIRE_ENTER ? t.w.kind : 0,
                                   .suite = t.w.suite,
                                   .first_link_key = span_of(t.w.link.link_key, 32),
                                   .owner = span_of(t.w.owner_key, 32),
                                   .link_key = span_of(t.w.link.link_key, 32),
                                   .claim = span_of(zeros, 16),
                                   .seat_key = key,
                                   .nonce = span_of(zeros, 32),
                                   .seq = last_seq,
                                   .link_signature = span_of(zeros, 64)};
    if (how == WIRE_ENTER && with_link) {
        assert_int_equal(group_leaf_sign(&crypto_openssl, &t.w.link.sign, meeting, 0, key, l->link_signature),
                         CRYPTO_OK);
        message.link_signature = span_of(l->link_signature, 64);
    }
    if (how != WIRE_RESUME) {
        mls_buf_clear(&seat->key_package);
        assert_int_equal(
            mls_key_package_create(seat->client, &seat->mls, NULL, MEETING_NOW, &t.w.rng, &seat->key_package), MLS_OK);
        message.key_package = mls_buf_span(&seat->key_package);
    }
    struct group_hello said = {.meeting = meeting,
                               .seat_key = key,
                               .how = (uint8_t)how,
                               .server_nonce = span_of(l->nonce, 32),
                               .client_nonce = span_of(zeros, 32),
                               .key_package = message.key_package};
    assert_int_equal(group_hello_sign(&crypto_openssl, &seat->key, &said, l->leaf_signature), CRYPTO_OK);
    message.leaf_signature = span_of(l->leaf_signature, 64);
    says(l, &message);
}

struct line *founds(void) {
    struct line *l = connects(seat_make(&t.w, true));
    hello(l, WIRE_ENTER, true, true, 0);
    assert_int_equal(last(l, WIRE_STATE).standing, WIRE_STANDING_FOUND);
    assert_true(span_equal(last(l, WIRE_CREATE_NOW).external_sender, mls_buf_span(&t.w.external_sender)));
    seat_found(l->seat, true);
    says(l, &(struct wire_message){
                .type = WIRE_CREATE, .group_info = mls_buf_span(&t.w.group_info), .tree = mls_buf_span(&t.w.tree)});
    assert_int_equal(l->count[WIRE_ACCEPTED], 1);
    return l;
}

/* Somebody comes as far as its external commit, which then is in t.w. */
struct line *comes(struct line *owner) {
    struct line *l = connects(seat_make(&t.w, false));
    hello(l, WIRE_ENTER, false, true, 0);
    assert_int_equal(last(l, WIRE_STATE).standing, WIRE_STANDING_TURN);
    struct wire_message join = last(l, WIRE_JOIN_NOW);
    assert_true(service_tree(t.s, span_str(t.w.id), join.tree_hash).len > 0);
    assert_true(service_may_read(t.s, span_str(t.w.id), span_of(l->seat->identity, GROUP_IDENTITY_LEN)));
    seat_enter(l->seat, owner->seat, true, false);
    says(l, &(struct wire_message){
                .type = WIRE_COMMIT, .commit = mls_buf_span(&t.w.commit), .group_info = mls_buf_span(&t.w.group_info)});
    return l;
}

void vouches(struct line *checker, bool good) {
    struct wire_message check = last(checker, WIRE_CHECK_NOW);
    says(checker, &(struct wire_message){.type = WIRE_CHECKED, .ticket = check.ticket, .good = good});
}

struct line *enters(struct line *owner) {
    struct line *l = comes(owner);
    vouches(owner, true);
    assert_int_equal(l->count[WIRE_ACCEPTED], 1);
    run(ORDER_READY_US + US_PER_MS);
    assert_int_equal(l->count[WIRE_READY], 1);
    meeting_deliver(l->seat);
    return l;
}

bool is_member(const struct line *l) {
    return service_is_member(t.s, span_str(t.w.id), span_of(l->seat->identity, GROUP_IDENTITY_LEN));
}
