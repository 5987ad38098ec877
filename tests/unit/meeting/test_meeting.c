#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/base64.h"
#include "base/rng.h"
#include "base/secret.h"
#include "base/time.h"
#include "meeting/meeting.h"

#define NOW (100 * US_PER_S)
#define UNIX (UINT64_C(1800000000) * US_PER_S)

struct world {
    void *memory;
    struct meeting *m;
    struct rng rng;
    struct meeting_reply reply;
    struct net_addr client;
};

static struct meeting_config config_of(uint8_t secret_byte) {
    static const struct control_key key = {.key = "key", .secret = "a-secret-of-more-than-thirty-two-characters"};
    static uint8_t secrets[256][32];
    memset(secrets[secret_byte], secret_byte, 32);
    struct meeting_config config = {.server = group_server_local(&crypto_openssl, span_of(secrets[secret_byte], 32)),
                                    .keys = control_keys_local(&key, 1),
                                    .crypto = &crypto_openssl,
                                    .suite = 0xf0a7,
                                    .file_len_max = 1000,
                                    .rates = {{5, 3600}, {3, 60}}};
    memset(config.operator_key, 9, sizeof config.operator_key);
    return config;
}

/* The public half of a key pair; another for each number. */
static void key_of(uint8_t number, uint8_t out[32]) {
    struct secret seed;
    secret_zeros(&seed, 32);
    seed.bytes[0] = number;
    assert_int_equal(crypto_openssl.sign_public(SIGN_ED25519, &seed, out), CRYPTO_OK);
}

static void key_text(uint8_t number, char out[44]) {
    uint8_t key[32];
    key_of(number, key);
    struct writer w = writer_of(out, 43);
    wr_base64url(&w, span_of(key, 32));
    assert_true(writer_ok(&w) && w.len == 43);
    out[43] = 0;
}

static void make_id(struct world *w, uint8_t number, char id[MEETING_ID_LEN + 1]) {
    uint8_t link[32], owner[32];
    key_of(number, link);
    key_of(200, owner);
    assert_true(meeting_make(w->m, span_of(link, 32), span_of(owner, 32), 0xf0a7, 129, id));
}

static int set_up(void **state) {
    struct world *w = calloc(1, sizeof *w);
    w->rng = rng_seeded(7);
    w->memory = calloc(1, meeting_size());
    struct meeting_config config = config_of(1);
    w->m = meeting_init(w->memory, &config, &w->rng);
    w->client = net_addr_v4(192, 0, 2, 1, 0);
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    free(w->memory);
    free(w);
    return 0;
}

static uint16_t ask_with(struct world *w, uint64_t now_us, const char *method, const char *path, const char *body) {
    struct meeting_request request = {
        .method = span_str(method), .path = span_str(path), .body = span_str(body), .client = w->client};
    meeting_request(w->m, now_us, &request, &w->reply);
    return w->reply.status;
}

static uint16_t ask(struct world *w, const char *method, const char *path) {
    return ask_with(w, NOW, method, path, "");
}

#define BODY "{\"link_key\":\"%s\",\"owner_key\":\"%s\",\"suite\":%d,\"kind\":%d}"
static const char *body_of(int suite, int kind) {
    static char body[256];
    char link[44], owner[44];
    key_text(1, link);
    key_text(200, owner);
    (void)snprintf(body, sizeof body, BODY, link, owner, suite, kind);
    return body;
}

static uint16_t make_at(struct world *w, uint64_t now_us) {
    return ask_with(w, now_us, "POST", MEETING_PATH, body_of(0xf0a7, 129));
}

static char *field(struct world *w, const char *name) {
    json_t *json = json_loadb(w->reply.body, w->reply.len, 0, NULL);
    assert_non_null(json);
    const char *text = json_string_value(json_object_get(json, name));
    char *copy = text != NULL ? strdup(text) : NULL;
    json_decref(json);
    assert_non_null(copy);
    return copy;
}

static void assert_field(struct world *w, const char *name, const char *value) {
    char *text = field(w, name);
    assert_string_equal(text, value);
    free(text);
}

static void ids_are_recognised_by_the_server_that_made_them_even_after_a_restart(void **state) {
    struct world *w = *state;
    char id[MEETING_ID_LEN + 1], other[MEETING_ID_LEN + 1];
    make_id(w, 1, id);
    make_id(w, 2, other);
    assert_int_equal(strlen(id), MEETING_ID_LEN);
    assert_string_not_equal(id, other);
    void *memory = calloc(1, meeting_size());
    struct rng rng = rng_seeded(99);
    struct meeting_config config = config_of(1);
    assert_true(meeting_known(meeting_init(memory, &config, &rng), span_str(id)));
    config = config_of(2);
    memset(memory, 0, meeting_size());
    assert_false(meeting_known(meeting_init(memory, &config, &rng), span_str(id)));
    free(memory);
}

static void invented_and_changed_ids_are_unknown(void **state) {
    struct world *w = *state;
    char id[MEETING_ID_LEN + 1];
    make_id(w, 1, id);
    for (size_t i = 0; i < MEETING_ID_LEN; i++) {
        char changed[MEETING_ID_LEN + 1];
        memcpy(changed, id, sizeof changed);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_false(meeting_known(w->m, span_str(changed)));
    }
    assert_false(meeting_known(w->m, span_of(id, MEETING_ID_LEN - 1)));
    assert_false(meeting_known(w->m, span_str("")));
    assert_false(meeting_known(w->m, span_str("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")));
}

static void a_link_has_one_spelling_only(void **state) {
    struct world *w = *state;
    char id[MEETING_ID_LEN + 1];
    bool found = false;
    for (int i = 0; i < 200 && !found; i++) {
        make_id(w, (uint8_t)i, id);
        char *at = strpbrk(id, "-_");
        if (at == NULL)
            continue;
        *at = *at == '-' ? '+' : '/';
        found = true;
        assert_false(meeting_known(w->m, span_str(id)));
    }
    assert_true(found);
}

static void assert_suite(struct world *w) {
    json_t *json = json_loadb(w->reply.body, w->reply.len, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(json, "suite")), 0xf0a7);
    json_decref(json);
}

static void the_room_of_a_meeting_leads_to_its_id(void **state) {
    struct world *w = *state;
    char id[MEETING_ID_LEN + 1], room[MEETING_ROOM_LEN + 1];
    make_id(w, 1, id);
    (void)snprintf(room, sizeof room, "cm_%s", id);
    assert_true(span_equal_str(meeting_of_room(w->m, span_str(room)), id));
    assert_int_equal(meeting_of_room(w->m, span_of(room, MEETING_ROOM_LEN - 1)).len, 0);
    room[10] = room[10] == 'A' ? 'B' : 'A';
    assert_int_equal(meeting_of_room(w->m, span_str(room)).len, 0);
    assert_int_equal(meeting_of_room(w->m, span_str("plain")).len, 0);
}

static void the_house_tells_its_key_and_the_suite_of_new_meetings(void **state) {
    struct world *w = *state;
    assert_int_equal(ask(w, "GET", MEETING_HOUSE_PATH), 200);
    assert_field(w, "operator", "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk");
    assert_suite(w);
}

static void a_meetings_id_is_of_its_keys_suite_and_kind_and_is_the_same_again(void **state) {
    struct world *w = *state;
    char id[MEETING_ID_LEN + 1];
    make_id(w, 1, id);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(make_at(w, NOW), 201);
        assert_field(w, "id", id);
    }
    assert_int_equal(ask_with(w, NOW, "POST", MEETING_PATH, body_of(1, 129)), 201);
    char *suite = field(w, "id");
    assert_int_equal(ask_with(w, NOW, "POST", MEETING_PATH, body_of(0xf0a7, 1)), 201);
    char *kind = field(w, "id");
    assert_string_not_equal(suite, id);
    assert_string_not_equal(kind, id);
    assert_true(meeting_known(w->m, span_str(suite)) && meeting_known(w->m, span_str(kind)));
    free(suite);
    free(kind);
}

static void keys_and_numbers_that_cannot_be_are_refused(void **state) {
    struct world *w = *state;
    char good[44], owner[44], body[512];
    struct meeting_config config = config_of(1);
    config.rates[MEETING_MAKE] = (struct meeting_rate){1000, 1};
    memset(w->memory, 0, meeting_size());
    w->m = meeting_init(w->memory, &config, &w->rng);
    key_text(1, good);
    key_text(2, owner);
    const char *bodies[] = {"", "null", "[]", "{}", "{\"link_key\":1}", "{", "\xff"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        assert_int_equal(ask_with(w, NOW, "POST", MEETING_PATH, bodies[i]), 400);
    const char *keys[] = {
        "",
        "AAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",     /* of small order */
        "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",     /* the neutral element */
        "7f___________________________________________38", /* 44 characters */
        "7f__________________________________________38",  /* not reduced */
    };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        (void)snprintf(body, sizeof body, BODY, keys[i], owner, 1, 1);
        assert_int_equal(ask_with(w, NOW, "POST", MEETING_PATH, body), 400);
        (void)snprintf(body, sizeof body, BODY, good, keys[i], 1, 1);
        assert_int_equal(ask_with(w, NOW, "POST", MEETING_PATH, body), 400);
    }
    /* another spelling of the same bytes */
    good[42]++;
    (void)snprintf(body, sizeof body, BODY, good, owner, 1, 1);
    assert_int_equal(ask_with(w, NOW, "POST", MEETING_PATH, body), 400);
    static const int numbers[][2] = {{2, 1}, {0, 1},   {-1, 1},  {65537, 1}, {1, 0},
                                     {1, 2}, {1, 128}, {1, 257}, {1, -127}};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        assert_int_equal(ask_with(w, NOW, "POST", MEETING_PATH, body_of(numbers[i][0], numbers[i][1])), 400);
    (void)snprintf(body, sizeof body, "{\"suite\":1,%s", body_of(1, 1) + 1); /* a member twice */
    assert_int_equal(ask_with(w, NOW, "POST", MEETING_PATH, body), 400);
    (void)snprintf(body, sizeof body, "{\"title\":\"x\",%s", body_of(1, 1) + 1);
    assert_int_equal(ask_with(w, NOW, "POST", MEETING_PATH, body), 400);
    assert_int_equal(ask_with(w, NOW, "POST", MEETING_PATH, body_of(1, 1)), 201);
    assert_int_equal(w->m->counters.meetings_made, 1);
}

static void a_token_is_good_for_this_room_and_a_day_and_names_nobody(void **state) {
    struct world *w = *state;
    char id[MEETING_ID_LEN + 1], token[MEETING_TOKEN_LEN_MAX], room[64];
    static const char identity[] = "p_0123456789abcdefghijkl";
    struct writer out = writer_of(token, sizeof token - 1);
    make_id(w, 1, id);
    assert_true(meeting_token(w->m, UNIX, span_str(id), span_str(identity), &out));
    token[out.len] = 0;
    char *claims_text = strchr(token, '.') + 1;
    uint8_t claims[2048];
    size_t len;
    assert_true(base64_decode(span_of(claims_text, strcspn(claims_text, ".")), claims, sizeof claims, &len));
    json_t *json = json_loadb((char *)claims, len, 0, NULL), *video = json_object_get(json, "video");
    (void)snprintf(room, sizeof room, "cm_%s", id);
    assert_string_equal(json_string_value(json_object_get(video, "room")), room);
    assert_true(json_is_true(json_object_get(video, "roomJoin")));
    assert_false(json_is_true(json_object_get(video, "roomAdmin")));
    assert_string_equal(json_string_value(json_object_get(json, "sub")), identity);
    assert_null(json_object_get(json, "name")); /* names are the group's */
    assert_false(json_is_true(json_object_get(video, "canPublishData")));
    assert_false(json_is_true(json_object_get(video, "canUpdateOwnMetadata")));
    assert_int_equal(json_integer_value(json_object_get(json, "exp")), UNIX / US_PER_S + 86400);
    json_decref(json);
    out = writer_of(token, 10);
    assert_false(meeting_token(w->m, UNIX, span_str(id), span_str(identity), &out));
}

static void no_request_tells_whether_a_meeting_exists(void **state) {
    struct world *w = *state;
    char id[MEETING_ID_LEN + 1], path[128];
    struct meeting_reply unknown;
    make_id(w, 1, id);
    for (int method = 0; method < 2; method++) {
        const char *name = method == 0 ? "GET" : "POST";
        assert_int_equal(ask(w, name, MEETING_PATH "/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), 404);
        unknown = w->reply;
        (void)snprintf(path, sizeof path, MEETING_PATH "/%s", id);
        assert_int_equal(ask(w, name, path), 404);
        assert_true(unknown.len == w->reply.len && memcmp(unknown.body, w->reply.body, unknown.len) == 0);
    }
    assert_int_equal(ask(w, "GET", MEETING_PATH), 405);
    assert_int_equal(ask(w, "POST", MEETING_HOUSE_PATH), 405);
    assert_int_equal(ask(w, "POST", MEETING_PATH "/"), 404);
    assert_int_equal(ask(w, "POST", MEETING_PATH "x"), 404);
}

static void budgets_run_out_and_come_back(void **state) {
    struct world *w = *state;
    uint32_t retry_s;
    for (int i = 0; i < 5; i++)
        assert_int_equal(make_at(w, NOW), 201);
    assert_int_equal(make_at(w, NOW), 429);
    assert_field(w, "error", "busy");
    assert_in_range(w->reply.retry_s, 1, 721);
    assert_int_equal(make_at(w, NOW + 719 * US_PER_S), 429);
    assert_int_equal(make_at(w, NOW + 720 * US_PER_S), 201);
    assert_int_equal(make_at(w, NOW + 721 * US_PER_S), 429);
    /* another client has its own, and so has another kind of request */
    assert_true(meeting_spend(w->m, NOW, &w->client, MEETING_ENTER, &retry_s));
    w->client = net_addr_v4(192, 0, 2, 2, 0);
    assert_int_equal(make_at(w, NOW), 201);
}

static void a_flood_of_addresses_takes_no_memory_and_keeps_the_active_ones(void **state) {
    struct world *w = *state;
    uint32_t retry_s;
    struct net_addr regular = net_addr_v4(10, 0, 0, 1, 0);
    for (int i = 0; i < 5; i++)
        assert_true(meeting_spend(w->m, NOW, &regular, MEETING_MAKE, &retry_s));
    for (uint32_t i = 0; i < 3 * MEETING_CLIENTS_MAX; i++) {
        struct net_addr stranger = net_addr_v4(172, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, 0);
        assert_true(meeting_spend(w->m, NOW, &stranger, MEETING_MAKE, &retry_s));
        if (i % 1000 == 0)
            assert_false(meeting_spend(w->m, NOW, &regular, MEETING_MAKE, &retry_s));
    }
    assert_int_equal(w->m->clients_count, MEETING_CLIENTS_MAX);
    assert_false(meeting_spend(w->m, NOW, &regular, MEETING_MAKE, &retry_s));
}

static void a_server_that_goes_down_makes_no_meeting(void **state) {
    struct world *w = *state;
    struct meeting_request request = {.method = span_str("POST"), .path = span_str(MEETING_PATH), .closing = true};
    meeting_request(w->m, NOW, &request, &w->reply);
    assert_int_equal(w->reply.status, 503);
    assert_field(w, "error", "closing");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest meeting[] = {
        TEST(ids_are_recognised_by_the_server_that_made_them_even_after_a_restart),
        TEST(invented_and_changed_ids_are_unknown),
        TEST(a_link_has_one_spelling_only),
        TEST(the_house_tells_its_key_and_the_suite_of_new_meetings),
        TEST(a_meetings_id_is_of_its_keys_suite_and_kind_and_is_the_same_again),
        TEST(keys_and_numbers_that_cannot_be_are_refused),
        TEST(a_token_is_good_for_this_room_and_a_day_and_names_nobody),
        TEST(no_request_tells_whether_a_meeting_exists),
        TEST(the_room_of_a_meeting_leads_to_its_id),
        TEST(budgets_run_out_and_come_back),
        TEST(a_flood_of_addresses_takes_no_memory_and_keeps_the_active_ones),
        TEST(a_server_that_goes_down_makes_no_meeting),
    };
    return cmocka_run_group_tests(meeting, NULL, NULL);
}
