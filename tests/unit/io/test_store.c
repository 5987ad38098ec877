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

/* A person of its own each time, so that shares of persons are in nobody's way but where they are tested. */
static struct store_who somebody(const char *group) {
    static char name[16];
    static int count;
    (void)snprintf(name, sizeof name, "p%d", count++);
    return (struct store_who){.group = span_str(group), .person = span_str(name)};
}

static uint32_t begin(struct world *w, const char *group, uint64_t len) {
    struct store_who who = somebody(group);
    enum store_refusal refusal;
    return store_begin(w->store, &who, len, &refusal);
}

static int open_file(struct world *w, const char *group, const char *id, uint64_t *len) {
    struct store_who who = somebody(group);
    enum store_refusal refusal;
    return store_open(w->store, &who, span_str(id), len, &refusal);
}

static void put(struct world *w, const char *group, size_t len, uint8_t fill, char id[STORE_ID_LEN + 1]) {
    uint8_t bytes[1000];
    memset(bytes, fill, sizeof bytes);
    uint32_t upload = begin(w, group, len);
    assert_int_not_equal(upload, 0);
    for (size_t done = 0; done < len; done += 100)
        assert_true(store_write(w->store, upload, span_of(bytes, len - done < 100 ? len - done : 100)));
    assert_true(store_commit(w->store, upload, id));
}

static bool there(struct world *w, const char *group, const char *id) {
    uint64_t len;
    int file = open_file(w, group, id, &len);
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
    int file = open_file(w, "g", id, &len);
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
    assert_int_equal(begin(w, "g", 1001), 0);
    assert_int_equal(begin(w, "g", 0), 0);
    put(w, "g", 1000, 1, id);
    put(w, "g", 1000, 1, id);
    uint32_t upload = begin(w, "g", 500);
    assert_int_equal(begin(w, "g", 1), 0); /* reserved by the upload */
    store_abort(w->store, upload);
    put(w, "g", 500, 1, id);
    put(w, "h", 1000, 1, id); /* another group has its own */
    assert_int_equal(store_len(w->store), 3500);
    store_drop(w->store, span_str("g"));
    assert_int_equal(store_len(w->store), 1000);
    put(w, "g", 1000, 1, id);
    for (int i = 0; i < STORE_UPLOADS_MAX; i++) {
        const char group[] = {(char)('A' + i / STORE_UPLOADS_PER_GROUP_MAX), 0};
        assert_int_not_equal(begin(w, group, 1), 0);
    }
    assert_int_equal(begin(w, "j", 1), 0);
    assert_int_equal(store_counters_get(w->store)->files_refused, 4);
}

static void what_is_not_whole_is_no_file(void **state) {
    struct world *w = *state;
    char id[STORE_ID_LEN + 1];
    uint32_t upload = begin(w, "g", 10);
    assert_true(store_write(w->store, upload, span_str("12345")));
    assert_false(store_commit(w->store, upload, id));
    assert_false(store_write(w->store, upload, span_str("67890")));
    upload = begin(w, "g", 10);
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
    int reading = open_file(w, "g", whole, &len);
    uint32_t upload = begin(w, "g", 10);
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

static enum store_refusal try(struct world *w, const char *group, const char *person, uint8_t address, uint64_t len) {
    struct store_who who = {.group = span_str(group), .person = span_str(person)};
    if (address != 0)
        who.source = net_addr_v4(192, 0, 2, address, 0);
    enum store_refusal refusal;
    (void)store_begin(w->store, &who, len, &refusal);
    return refusal;
}

static void one_person_one_meeting_and_one_address_have_their_shares_of_uploads(void **state) {
    struct world *w = *state;
    char name[2] = "a", group[2] = "A";
    for (int i = 0; i < STORE_UPLOADS_PER_PERSON_MAX; i++)
        assert_int_equal(try(w, "g", "mallory", 0, 1), STORE_TAKEN);
    assert_int_equal(try(w, "g", "mallory", 0, 1), STORE_SHARE);
    assert_int_equal(try(w, "g", "ann", 0, 1), STORE_TAKEN);
    for (int i = STORE_UPLOADS_PER_PERSON_MAX + 1; i < STORE_UPLOADS_PER_GROUP_MAX; i++, name[0]++)
        assert_int_equal(try(w, "g", name, 0, 1), STORE_TAKEN);
    assert_int_equal(try(w, "g", "late", 0, 1), STORE_SHARE);
    /* with as many meetings and names as one likes */
    for (int i = 0; i < STORE_UPLOADS_PER_SOURCE_MAX; i++, group[0]++)
        assert_int_equal(try(w, group, group, 7, 1), STORE_TAKEN);
    assert_int_equal(try(w, "other", "one", 7, 1), STORE_SHARE);
    assert_int_equal(try(w, "other", "one", 8, 1), STORE_TAKEN);
    assert_int_equal(store_counters_get(w->store)->files_refused_share, 3);
}

static void nobody_takes_all_of_a_meetings_room_for_files(void **state) {
    struct world *w = *state;
    assert_int_equal(try(w, "g", "mallory", 0, 1000), STORE_TAKEN);
    assert_int_equal(try(w, "g", "mallory", 0, 251), STORE_SHARE);
    assert_int_equal(try(w, "g", "mallory", 0, 250), STORE_TAKEN);
    assert_int_equal(try(w, "g", "ann", 0, 1000), STORE_TAKEN);
    /* nor one address all of everybody's: 16 full meetings are 40000 bytes */
    char group[2] = "A";
    for (int i = 0; i < 10; i++, group[0]++)
        assert_int_equal(try(w, group, "mallory", 7, 1000), STORE_TAKEN);
    assert_int_equal(try(w, "last", "mallory", 7, 1), STORE_SHARE);
    assert_int_equal(try(w, "last", "mallory", 8, 1), STORE_TAKEN);
}

static void one_person_reads_so_many_files_at_a_time_and_others_read_on(void **state) {
    struct world *w = *state;
    char id[STORE_ID_LEN + 1];
    uint64_t len;
    enum store_refusal refusal;
    int files[STORE_READERS_PER_PERSON_MAX];
    put(w, "g", 10, 1, id);
    struct store_who mallory = {.group = span_str("g"), .person = span_str("mallory")}, ann = mallory;
    ann.person = span_str("ann");
    for (int i = 0; i < STORE_READERS_PER_PERSON_MAX; i++)
        assert_true((files[i] = store_open(w->store, &mallory, span_str(id), &len, &refusal)) >= 0);
    assert_int_equal(store_open(w->store, &mallory, span_str(id), &len, &refusal), -1);
    assert_int_equal(refusal, STORE_SHARE);
    int file = store_open(w->store, &ann, span_str(id), &len, &refusal);
    assert_true(file >= 0);
    store_close(w->store, file);
    store_close(w->store, files[0]);
    assert_true((files[0] = store_open(w->store, &mallory, span_str(id), &len, &refusal)) >= 0);
    for (int i = 0; i < STORE_READERS_PER_PERSON_MAX; i++)
        store_close(w->store, files[i]);
}

static void a_file_is_taken_back_by_who_sent_it_and_nobody_else(void **state) {
    struct world *w = *state;
    struct store_who ann = {.group = span_str("g"), .person = span_str("ann")}, bob = ann, stranger = ann;
    bob.person = span_str("bob");
    stranger.group = span_str("h");
    char id[STORE_ID_LEN + 1];
    enum store_refusal refusal;
    uint8_t bytes[10] = {0};
    uint32_t upload = store_begin(w->store, &ann, sizeof bytes, &refusal);
    assert_true(store_write(w->store, upload, span_of(bytes, sizeof bytes)));
    assert_true(store_commit(w->store, upload, id));
    assert_false(store_delete(w->store, &bob, span_str(id)));
    assert_false(store_delete(w->store, &stranger, span_str(id)));
    assert_false(store_delete(w->store, &ann, span_str("AAAAAAAAAAAAAAAA")));
    assert_true(there(w, "g", id));
    assert_true(store_delete(w->store, &ann, span_str(id)));
    assert_false(there(w, "g", id));
    assert_false(store_delete(w->store, &ann, span_str(id)));
    assert_int_equal(store_len(w->store), 0);
    assert_int_equal(store_counters_get(w->store)->files_taken_back, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest store[] = {
        TEST(a_file_comes_back_as_it_went_in_any_part),
        TEST(files_are_of_their_group_alone),
        TEST(limits_hold_and_room_comes_back),
        TEST(what_is_not_whole_is_no_file),
        TEST(a_group_that_is_dropped_takes_its_uploads_along),
        TEST(one_person_one_meeting_and_one_address_have_their_shares_of_uploads),
        TEST(nobody_takes_all_of_a_meetings_room_for_files),
        TEST(one_person_reads_so_many_files_at_a_time_and_others_read_on),
        TEST(a_file_is_taken_back_by_who_sent_it_and_nobody_else),
        TEST(a_start_deletes_what_an_earlier_one_left),
    };
    return cmocka_run_group_tests(store, NULL, NULL);
}
