#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/base64.h"
#include "base/rng.h"
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
    struct meeting_config config = {.suite = 0xf0a7, .rates = {{5, 3600}, {3, 60}, {4, 60}}};
    memset(config.secret, secret_byte, sizeof config.secret);
    (void)snprintf(config.key.key, sizeof config.key.key, "key");
    (void)snprintf(config.key.secret, sizeof config.key.secret, "a-secret-of-more-than-thirty-two-characters");
    return config;
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

static uint16_t ask_at(struct world *w, uint64_t now_us, const char *method, const char *path) {
    struct meeting_request request = {.method = span_str(method), .path = span_str(path), .client = w->client};
    meeting_request(w->m, &w->rng, now_us, UNIX, &request, &w->reply);
    return w->reply.status;
}

static uint16_t ask(struct world *w, const char *method, const char *path) {
    return ask_at(w, NOW, method, path);
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

/* "/api/v1/meetings/<id><suffix>" of a new meeting */
static const char *new_path(struct world *w, const char *suffix) {
    static char path[128];
    char id[MEETING_ID_LEN + 1];
    meeting_make(w->m, &w->rng, id);
    (void)snprintf(path, sizeof path, "/api/v1/meetings/%s%s", id, suffix);
    return path;
}

static void ids_are_recognised_by_the_server_that_made_them_even_after_a_restart(void **state) {
    struct world *w = *state;
    char id[MEETING_ID_LEN + 1], other[MEETING_ID_LEN + 1];
    meeting_make(w->m, &w->rng, id);
    meeting_make(w->m, &w->rng, other);
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
    meeting_make(w->m, &w->rng, id);
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
    for (int i = 0; i < 1000 && !found; i++) {
        meeting_make(w->m, &w->rng, id);
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
    meeting_make(w->m, &w->rng, id);
    (void)snprintf(room, sizeof room, "cm_%s", id);
    assert_true(span_equal_str(meeting_of_room(w->m, span_str(room)), id));
    assert_int_equal(meeting_of_room(w->m, span_of(room, MEETING_ROOM_LEN - 1)).len, 0);
    room[10] = room[10] == 'A' ? 'B' : 'A';
    assert_int_equal(meeting_of_room(w->m, span_str(room)).len, 0);
    assert_int_equal(meeting_of_room(w->m, span_str("plain")).len, 0);
}

static void a_meeting_is_made_found_and_joined(void **state) {
    struct world *w = *state;
    assert_int_equal(ask(w, "POST", "/api/v1/meetings"), 201);
    char *id = field(w, "id"), path[128];
    (void)snprintf(path, sizeof path, "/m/%s", id);
    assert_field(w, "path", path);
    assert_suite(w);
    (void)snprintf(path, sizeof path, "/api/v1/meetings/%s", id);
    assert_int_equal(ask(w, "GET", path), 200);
    assert_field(w, "status", "open");
    assert_suite(w);
    assert_field(w, "id", id);
    (void)snprintf(path, sizeof path, "/api/v1/meetings/%s/join", id);
    assert_int_equal(ask(w, "POST", path), 200);
    assert_field(w, "url", "");
    free(id);
}

static void a_join_token_is_good_for_this_room_and_ten_minutes(void **state) {
    struct world *w = *state;
    const char *path = new_path(w, "/join");
    assert_int_equal(ask(w, "POST", path), 200);
    char *token = field(w, "token"), *identity = field(w, "identity");
    char *claims_text = strchr(token, '.') + 1;
    uint8_t claims[2048];
    size_t len;
    assert_true(base64_decode(span_of(claims_text, strcspn(claims_text, ".")), claims, sizeof claims, &len));
    json_t *json = json_loadb((char *)claims, len, 0, NULL), *video = json_object_get(json, "video");
    char room[64];
    (void)snprintf(room, sizeof room, "cm_%.32s", path + strlen("/api/v1/meetings/"));
    assert_string_equal(json_string_value(json_object_get(video, "room")), room);
    assert_true(json_is_true(json_object_get(video, "roomJoin")));
    assert_false(json_is_true(json_object_get(video, "roomAdmin")));
    assert_string_equal(json_string_value(json_object_get(json, "sub")), identity);
    assert_null(json_object_get(json, "name")); /* names are the group's */
    assert_false(json_is_true(json_object_get(video, "canPublishData")));
    assert_false(json_is_true(json_object_get(video, "canUpdateOwnMetadata")));
    assert_int_equal(json_integer_value(json_object_get(json, "exp")), UNIX / US_PER_S + 600);
    assert_true(strncmp(identity, "p_", 2) == 0 && strlen(identity) >= 12);
    json_decref(json);
    free(token);
    free(identity);
}

static void unknown_meetings_and_wrong_methods_are_told_apart(void **state) {
    struct world *w = *state;
    assert_int_equal(ask(w, "GET", "/api/v1/meetings/nothing"), 404);
    assert_field(w, "error", "meeting_not_found");
    assert_int_equal(ask(w, "GET", "/api/v1/meetings"), 405);
    assert_int_equal(ask(w, "POST", new_path(w, "")), 405);
    assert_int_equal(ask(w, "POST", new_path(w, "/leave")), 404);
    assert_field(w, "error", "not_found");
    assert_int_equal(ask(w, "GET", "/api/v1/meetings/"), 404);
    assert_int_equal(ask(w, "GET", new_path(w, "/")), 404);
    assert_int_equal(ask(w, "POST", "/api/v1/meetingsx"), 404);
}

static void budgets_run_out_and_come_back(void **state) {
    struct world *w = *state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(ask(w, "POST", "/api/v1/meetings"), 201);
    assert_int_equal(ask(w, "POST", "/api/v1/meetings"), 429);
    assert_field(w, "error", "busy");
    assert_in_range(w->reply.retry_s, 1, 721);
    assert_int_equal(ask_at(w, NOW + 719 * US_PER_S, "POST", "/api/v1/meetings"), 429);
    assert_int_equal(ask_at(w, NOW + 720 * US_PER_S, "POST", "/api/v1/meetings"), 201);
    assert_int_equal(ask_at(w, NOW + 721 * US_PER_S, "POST", "/api/v1/meetings"), 429);
    /* another client has its own, and so has another kind of request */
    assert_int_equal(ask(w, "GET", new_path(w, "")), 200);
    w->client = net_addr_v4(192, 0, 2, 2, 0);
    assert_int_equal(ask(w, "POST", "/api/v1/meetings"), 201);
}

static void guessing_links_is_slowed_down_but_good_links_still_work(void **state) {
    struct world *w = *state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(ask(w, "GET", "/api/v1/meetings/guess"), 404);
    assert_int_equal(ask(w, "GET", "/api/v1/meetings/guess"), 429);
    assert_int_equal(ask(w, "GET", new_path(w, "")), 200);
    assert_int_equal(ask(w, "POST", new_path(w, "/join")), 200);
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

static void a_server_that_goes_down_makes_and_joins_nothing(void **state) {
    struct world *w = *state;
    struct meeting_request request = {.method = span_str("POST"), .path = span_str("/api/v1/meetings"), .closing = true};
    meeting_request(w->m, &w->rng, NOW, UNIX, &request, &w->reply);
    assert_int_equal(w->reply.status, 503);
    assert_field(w, "error", "closing");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest meeting[] = {
        TEST(ids_are_recognised_by_the_server_that_made_them_even_after_a_restart),
        TEST(invented_and_changed_ids_are_unknown),
        TEST(a_link_has_one_spelling_only),
        TEST(a_meeting_is_made_found_and_joined),
        TEST(a_join_token_is_good_for_this_room_and_ten_minutes),
        TEST(unknown_meetings_and_wrong_methods_are_told_apart),
        TEST(the_room_of_a_meeting_leads_to_its_id),
        TEST(budgets_run_out_and_come_back),
        TEST(guessing_links_is_slowed_down_but_good_links_still_work),
        TEST(a_flood_of_addresses_takes_no_memory_and_keeps_the_active_ones),
        TEST(a_server_that_goes_down_makes_and_joins_nothing),
    };
    return cmocka_run_group_tests(meeting, NULL, NULL);
}
