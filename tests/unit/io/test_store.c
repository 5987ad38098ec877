#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/store.h"

struct world {
    char folder[64];
    struct rng rng;
    struct store *store;
};

static struct store *open_store(struct world *w) {
    struct store_config config = {.folder = w->folder, .file_len_max = 1000, .group_len_max = 2500};
    char error[256] = "";
    struct store *store = store_create(&config, &w->rng, error, sizeof error);
    if (store == NULL)
        fail_msg("%s", error);
    return store;
}

static int set_up(void **state) {
    struct world *w = calloc(1, sizeof *w);
    strcpy(w->folder, "/tmp/conclave-store-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    w->rng = rng_seeded(3);
    w->store = open_store(w);
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    store_destroy(w->store);
    assert_int_equal(rmdir(w->folder), 0); /* nothing is left */
    free(w);
    return 0;
}

static void put(struct world *w, const char *group, size_t len, uint8_t fill, char id[STORE_ID_LEN + 1]) {
    uint8_t bytes[1000];
    memset(bytes, fill, sizeof bytes);
    uint32_t upload = store_begin(w->store, span_str(group), len);
    assert_int_not_equal(upload, 0);
    for (size_t done = 0; done < len; done += 100)
        assert_true(store_write(w->store, upload, span_of(bytes, len - done < 100 ? len - done : 100)));
    assert_true(store_commit(w->store, upload, id));
}

static bool there(struct world *w, const char *group, const char *id) {
    uint64_t len;
    int file = store_open(w->store, span_str(group), span_str(id), &len);
    if (file >= 0)
        store_close(w->store, file);
    return file >= 0;
}

static void a_file_comes_back_as_it_went_in_any_part(void **state) {
    struct world *w = *state;
    char id[STORE_ID_LEN + 1];
    uint8_t out[1000];
    uint64_t len;
    put(w, "g", 777, 7, id);
    int file = store_open(w->store, span_str("g"), span_str(id), &len);
    assert_int_equal(len, 777);
    assert_int_equal(store_read(w->store, file, 700, out, sizeof out), 77);
    assert_int_equal(out[76], 7);
    assert_int_equal(store_read(w->store, file, 777, out, sizeof out), 0);
    store_close(w->store, file);
}

static void files_are_of_their_group_alone(void **state) {
    struct world *w = *state;
    char id[STORE_ID_LEN + 1];
    put(w, "g", 10, 7, id);
    assert_true(there(w, "g", id));
    assert_false(there(w, "h", id));
    assert_false(there(w, "g", "AAAAAAAAAAAAAAAA"));
    assert_false(there(w, "g", "../etc/passwd"));
}

static void limits_hold_and_room_comes_back(void **state) {
    struct world *w = *state;
    char id[STORE_ID_LEN + 1];
    assert_int_equal(store_begin(w->store, span_str("g"), 1001), 0);
    assert_int_equal(store_begin(w->store, span_str("g"), 0), 0);
    put(w, "g", 1000, 1, id);
    put(w, "g", 1000, 1, id);
    uint32_t upload = store_begin(w->store, span_str("g"), 500);
    assert_int_equal(store_begin(w->store, span_str("g"), 1), 0); /* reserved by the upload */
    store_abort(w->store, upload);
    put(w, "g", 500, 1, id);
    put(w, "h", 1000, 1, id); /* another group has its own */
    assert_int_equal(store_len(w->store), 3500);
    store_drop(w->store, span_str("g"));
    assert_int_equal(store_len(w->store), 1000);
    put(w, "g", 1000, 1, id);
    for (int i = 0; i < STORE_UPLOADS_MAX; i++)
        assert_int_not_equal(store_begin(w->store, span_str("i"), 1), 0);
    assert_int_equal(store_begin(w->store, span_str("j"), 1), 0);
    assert_int_equal(store_counters_get(w->store)->files_refused, 4);
}

static void what_is_not_whole_is_no_file(void **state) {
    struct world *w = *state;
    char id[STORE_ID_LEN + 1];
    uint32_t upload = store_begin(w->store, span_str("g"), 10);
    assert_true(store_write(w->store, upload, span_str("12345")));
    assert_false(store_commit(w->store, upload, id));
    assert_false(store_write(w->store, upload, span_str("67890")));
    upload = store_begin(w->store, span_str("g"), 10);
    assert_false(store_write(w->store, upload, span_str("12345678901")));
    assert_false(store_commit(w->store, upload, id));
    assert_int_equal(store_len(w->store), 0);
}

static void a_group_that_is_dropped_takes_its_uploads_along(void **state) {
    struct world *w = *state;
    char id[STORE_ID_LEN + 1], whole[STORE_ID_LEN + 1];
    uint64_t len;
    uint8_t byte;
    put(w, "g", 10, 9, whole);
    int reading = store_open(w->store, span_str("g"), span_str(whole), &len);
    uint32_t upload = store_begin(w->store, span_str("g"), 10);
    store_drop(w->store, span_str("g"));
    assert_false(store_write(w->store, upload, span_str("12345")));
    assert_false(store_commit(w->store, upload, id));
    assert_false(there(w, "g", whole));
    assert_int_equal(store_read(w->store, reading, 9, &byte, 1), 1); /* who reads may read to the end */
    store_close(w->store, reading);
    assert_int_equal(store_len(w->store), 0);
}

static void a_start_deletes_what_an_earlier_one_left(void **state) {
    struct world *w = *state;
    char path[128];
    store_destroy(w->store);
    (void)snprintf(path, sizeof path, "%s/left", w->folder);
    FILE *left = fopen(path, "w");
    assert_non_null(left);
    (void)fclose(left);
    w->store = open_store(w);
    assert_int_not_equal(access(path, F_OK), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest store[] = {
        TEST(a_file_comes_back_as_it_went_in_any_part),
        TEST(files_are_of_their_group_alone),
        TEST(limits_hold_and_room_comes_back),
        TEST(what_is_not_whole_is_no_file),
        TEST(a_group_that_is_dropped_takes_its_uploads_along),
        TEST(a_start_deletes_what_an_earlier_one_left),
    };
    return cmocka_run_group_tests(store, NULL, NULL);
}
