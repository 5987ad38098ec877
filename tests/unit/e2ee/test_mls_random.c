/* Groups of up to 300 members in disorder: commits that race, messages that are late, come twice or not at all, people
 * who come, go and lose their state. Whoever should agree has the same epoch authenticator; whoever was removed follows
 * no further. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "e2ee/mls.h"
#include "unit.h"

#define PEOPLE_MAX 360
#define LOG_MAX 512
#define NOW 1790000000u
#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

struct person {
    struct mls_client *client;
    struct mls_group *group;
    struct mls_identity identity;
    struct secret key;
    struct mls_buf credential, package;
    uint32_t at; /* entries of the log that it has taken */
    bool in, removed;
    uint32_t late; /* entry + 1 of a message that will be opened after the next commit */
};

struct entry {
    struct mls_buf bytes;
    bool commit;
    int sender;
    uint64_t epoch;
};

struct world {
    struct rng rng;
    struct person people[PEOPLE_MAX];
    int count;
    struct entry log[LOG_MAX];
    uint32_t log_count;
    uint32_t lost, twice, raced, late_opened;
};

static struct world *w;

static void ok(enum mls_status status) {
    if (status != MLS_OK)
        printf("refused: %s\n", mls_status_text(status));
    assert_int_equal(status, MLS_OK);
}

static int person_new(void) {
    struct person *p = &w->people[w->count];
    char name[16];
    struct mls_buf public_key;
    assert_true(w->count < PEOPLE_MAX);
    memset(p, 0, sizeof *p);
    snprintf(name, sizeof name, "m%d", w->count);
    mls_buf_init(&p->credential, 256);
    mls_buf_init(&p->package, 4096);
    mls_buf_init(&public_key, 256);
    ok(mls_client_create(&crypto_openssl, &p->client));
    ok(mls_signature_key_generate(&crypto_openssl, SUITE, &w->rng, &p->key, &public_key));
    ok(mls_credential_basic(span_str(name), &p->credential));
    p->identity =
        (struct mls_identity){.suite = SUITE, .credential = mls_buf_span(&p->credential), .signature_key = &p->key};
    mls_buf_free(&public_key);
    return w->count++;
}

static void person_free(struct person *p) {
    mls_group_free(p->group);
    mls_client_free(p->client);
    mls_buf_free(&p->credential);
    mls_buf_free(&p->package);
    secret_wipe(&p->key);
}

static struct entry *append(struct mls_buf *bytes, bool commit, int sender, uint64_t epoch) {
    struct entry *e = &w->log[w->log_count++];
    assert_true(w->log_count <= LOG_MAX);
    *e = (struct entry){.bytes = *bytes, .commit = commit, .sender = sender, .epoch = epoch};
    return e;
}

/* Who lost a commit comes back from the newest state of somebody who has it. */
static int somebody_at_head(void) {
    int start = (int)rng_below(&w->rng, (uint64_t)w->count);
    for (int i = 0; i < w->count; i++) {
        int k = (start + i) % w->count;
        if (w->people[k].in && w->people[k].at == w->log_count)
            return k;
    }
    return -1;
}

/* Opens an application message, perhaps of an epoch that is over. */
static void open_message(struct person *p, const struct entry *e) {
    struct mls_received got;
    enum mls_status status = mls_process(p->group, mls_buf_span(&e->bytes), NOW, &got);
    /* two epochs are remembered; what is older is refused as such */
    uint64_t now = mls_group_epoch(p->group);
    bool recent = e->epoch <= now && now - e->epoch <= MLS_PAST_EPOCHS_DEFAULT;
    if (recent) {
        ok(status);
        assert_true(span_equal_str(got.application_data, "hello"));
        w->late_opened += e->epoch < now;
    } else {
        assert_int_equal(status, MLS_EPOCH_FORGOTTEN);
    }
}

static void take(int who, bool twice) {
    struct person *p = &w->people[who];
    struct entry *e = &w->log[p->at++];
    struct mls_received got;
    if (e->sender == who)
        return;
    if (!e->commit) {
        if (p->late == 0 && rng_below(&w->rng, 2) == 0)
            p->late = p->at; /* it comes later */
        else
            open_message(p, e);
        return;
    }
    enum mls_status status = mls_process(p->group, mls_buf_span(&e->bytes), NOW, &got);
    ok(status);
    assert_int_equal(got.kind, MLS_RECEIVED_COMMIT);
    struct mls_commit_info info;
    assert_true(mls_staged_info(p->group, &info));
    bool out = info.removes_us;
    ok(mls_staged_apply(p->group));
    if (out) {
        p->in = false;
        p->removed = true;
        assert_int_equal(mls_group_state(p->group), MLS_STATE_REMOVED);
    } else if (twice) {
        w->twice++;
        assert_int_equal(mls_process(p->group, mls_buf_span(&e->bytes), NOW, &got), MLS_EPOCH_OVER);
    }
    if (!out && p->late != 0) {
        open_message(p, &w->log[p->late - 1]);
        p->late = 0;
    }
}

static void catch_up(int who) {
    while (w->people[who].in && w->people[who].at < w->log_count)
        take(who, false);
}

/* Commits `proposals`; everybody hears it in their own time. */
static bool commit(int who, struct span proposals, int *newcomers, int newcomers_count) {
    struct person *p = &w->people[who];
    struct mls_buf bytes, welcome, tree;
    struct mls_commit_options options = {.proposals = proposals,
                                         .no_path = newcomers_count > 0 && rng_below(&w->rng, 2) == 0};
    catch_up(who);
    if (!p->in)
        return false;
    mls_buf_init(&bytes, 4u << 20);
    mls_buf_init(&welcome, 4u << 20);
    mls_buf_init(&tree, 4u << 20);
    uint64_t epoch = mls_group_epoch(p->group);
    ok(mls_commit(p->group, &options, NOW, &w->rng, &bytes, &welcome, NULL));
    /* somebody else commits at the same time, loses, and drops its own */
    int rival = somebody_at_head();
    if (rival >= 0 && rival != who && rng_below(&w->rng, 3) == 0) {
        struct mls_buf late;
        struct mls_received got;
        struct mls_commit_options heal = {.no_path = false};
        mls_buf_init(&late, 4u << 20);
        ok(mls_commit(w->people[rival].group, &heal, NOW, &w->rng, &late, NULL, NULL));
        mls_commit_drop(w->people[rival].group);
        ok(mls_commit_confirm(p->group));
        assert_int_equal(mls_process(p->group, mls_buf_span(&late), NOW, &got), MLS_EPOCH_OVER);
        mls_buf_free(&late);
        w->raced++;
    } else {
        ok(mls_commit_confirm(p->group));
    }
    append(&bytes, true, who, epoch);
    p->at = w->log_count;
    ok(mls_group_tree(p->group, &tree));
    for (int i = 0; i < newcomers_count; i++) {
        struct person *n = &w->people[newcomers[i]];
        struct mls_join_options join = {.tree = mls_buf_span(&tree), .verify_later = true};
        ok(mls_join(n->client, NULL, mls_buf_span(&welcome), &join, NOW, &w->rng, &n->group));
        n->in = true;
        n->at = w->log_count;
    }
    mls_buf_free(&welcome);
    mls_buf_free(&tree);
    return true;
}

static int member(void) {
    int who;
    do
        who = (int)rng_below(&w->rng, (uint64_t)w->count);
    while (!w->people[who].in);
    return who;
}

static void add_some(int how_many) {
    struct mls_buf proposals;
    int newcomers[64];
    int who = member();
    mls_buf_init(&proposals, 1u << 20);
    for (int i = 0; i < how_many; i++) {
        newcomers[i] = person_new();
        struct person *n = &w->people[newcomers[i]];
        ok(mls_key_package_create(n->client, &n->identity, NULL, NOW, &w->rng, &n->package));
        ok(mls_propose_write_add(mls_buf_span(&n->package), &proposals));
    }
    catch_up(who);
    (void)commit(w->people[who].in ? who : somebody_at_head(), mls_buf_span(&proposals), newcomers, how_many);
    mls_buf_free(&proposals);
}

static void remove_some(int how_many) {
    struct mls_buf proposals;
    int who = member();
    catch_up(who);
    if (!w->people[who].in)
        return;
    mls_buf_init(&proposals, 4096);
    uint32_t gone[8];
    int count = 0;
    for (int i = 0; i < how_many; i++) {
        struct mls_member m;
        int victim = member();
        catch_up(victim);
        if (victim == who || !w->people[victim].in || w->people[victim].at != w->log_count)
            continue;
        uint32_t leaf = mls_own_leaf(w->people[victim].group);
        bool again = !mls_member_at(w->people[who].group, leaf, &m);
        for (int k = 0; k < count; k++)
            again = again || gone[k] == leaf;
        if (again)
            continue;
        gone[count++] = leaf;
        ok(mls_propose_write_remove(leaf, &proposals));
    }
    if (count > 0)
        (void)commit(who, mls_buf_span(&proposals), NULL, 0);
    mls_buf_free(&proposals);
}

/* Loses the next commit for good, finds out at the one after it, and comes back by external commit. */
static void lose_one(void) {
    int who = member();
    struct person *p = &w->people[who];
    struct mls_received got;
    struct mls_buf info, bytes;
    int helper = somebody_at_head();
    if (helper < 0 || helper == who || p->at + 1 >= w->log_count || !w->log[p->at].commit)
        return;
    uint32_t later = p->at + 1;
    while (later < w->log_count && !w->log[later].commit)
        later++;
    if (later == w->log_count)
        return;
    assert_int_equal(mls_process(p->group, mls_buf_span(&w->log[later].bytes), NOW, &got), MLS_EPOCH_AHEAD);
    struct mls_member m;
    uint32_t cursor = 0;
    bool still_in = false;
    while (mls_member_next(w->people[helper].group, &cursor, &m))
        still_in = still_in || span_equal(m.leaf.credential, mls_buf_span(&p->credential));
    mls_group_free(p->group);
    p->group = NULL;
    p->in = false;
    p->late = 0;
    if (!still_in) {
        p->removed = true;
        return;
    }
    mls_buf_init(&info, 4u << 20);
    mls_buf_init(&bytes, 4u << 20);
    struct mls_group_info_options options = {.external_pub = true, .tree = true};
    struct mls_external_options external = {.resync = true, .join = {.verify_later = true}};
    ok(mls_group_info(w->people[helper].group, &options, &info));
    uint64_t epoch = mls_group_epoch(w->people[helper].group);
    ok(mls_join_external(p->client, &p->identity, NULL, mls_buf_span(&info), &external, NOW, &w->rng, &p->group, &bytes,
                         NULL));
    ok(mls_commit_confirm(p->group));
    append(&bytes, true, who, epoch);
    p->in = true;
    p->at = w->log_count;
    w->lost++;
    mls_buf_free(&info);
}

static void say_hello(void) {
    struct mls_buf bytes;
    int who = somebody_at_head();
    if (who < 0)
        return;
    mls_buf_init(&bytes, 4096);
    ok(mls_protect(w->people[who].group, span_str("hello"), span_of(NULL, 0), &w->rng, &bytes));
    append(&bytes, false, who, mls_group_epoch(w->people[who].group));
    w->people[who].at = w->log_count;
}

static void everybody_agrees(void) {
    struct span first = span_of(NULL, 0);
    uint32_t in = 0;
    for (int i = 0; i < w->count; i++)
        catch_up(i);
    for (int i = 0; i < w->count; i++) {
        struct person *p = &w->people[i];
        if (!p->in)
            continue;
        struct span authenticator = mls_epoch_authenticator(p->group);
        if (in++ == 0)
            first = authenticator;
        assert_true(authenticator.len > 0 && span_equal(first, authenticator));
    }
    for (int i = 0; i < w->count; i++) {
        if (w->people[i].in)
            assert_int_equal(mls_member_count(w->people[i].group), in);
    }
    /* and nobody who was removed can follow */
    struct mls_received got;
    for (int i = 0; i < w->count; i++) {
        struct person *p = &w->people[i];
        if (p->removed && p->group != NULL && w->log_count > 0 && w->log[w->log_count - 1].commit &&
            p->at < w->log_count)
            assert_int_not_equal(mls_process(p->group, mls_buf_span(&w->log[w->log_count - 1].bytes), NOW, &got),
                                 MLS_OK);
    }
}

static void run(uint64_t seed, int batch, int batches, int steps) {
    w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->rng = rng_seeded(seed);
    int first = person_new();
    struct person *p = &w->people[first];
    ok(mls_group_create(p->client, &p->identity, NULL, span_str("random"), span_of(NULL, 0), NOW, &w->rng, &p->group));
    p->in = true;
    for (int i = 0; i < batches; i++) {
        add_some(batch);
        for (int k = 0; k < w->count; k++) /* most hear of it soon */
            if (rng_below(&w->rng, 3) > 0)
                catch_up(k);
    }
    for (int i = 0; i < steps; i++) {
        switch (rng_below(&w->rng, 6)) {
        case 0:
            if (w->count + 3 < PEOPLE_MAX)
                add_some(1 + (int)rng_below(&w->rng, 3));
            break;
        case 1:
            remove_some(1 + (int)rng_below(&w->rng, 4));
            break;
        case 2:
            lose_one();
            break;
        case 3:
            (void)commit(member(), span_of(NULL, 0), NULL, 0);
            break;
        default:
            say_hello();
        }
        for (int k = 0; k < 40; k++) {
            int who = (int)rng_below(&w->rng, (uint64_t)w->count);
            for (uint64_t n = rng_below(&w->rng, 4); n > 0 && w->people[who].in && w->people[who].at < w->log_count;
                 n--)
                take(who, rng_below(&w->rng, 4) == 0);
        }
        if (i % 10 == 9)
            everybody_agrees();
    }
    everybody_agrees();
    printf("seed %llu: %d people, %u messages, %u raced, %u twice, %u lost, %u late\n", (unsigned long long)seed,
           w->count, w->log_count, w->raced, w->twice, w->lost, w->late_opened);
    for (int i = 0; i < w->count; i++)
        person_free(&w->people[i]);
    for (uint32_t i = 0; i < w->log_count; i++)
        mls_buf_free(&w->log[i].bytes);
    free(w);
}

static void small_groups_in_disorder_agree(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++)
        run(seed, 3, 4, 80);
}

static void three_hundred_members_in_disorder_agree(void **state) {
    (void)state;
    run(100, 43, 7, 25);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_groups_in_disorder_agree),
        cmocka_unit_test(three_hundred_members_in_disorder_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
