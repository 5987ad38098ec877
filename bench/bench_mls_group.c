/* What a member of an MLS group pays: bench_mls_group [members..]
 *
 * For each size, suite and kind of tree (bare: one member added all others; filled: everybody has sent a path, by
 * joining with an external commit): milliseconds of the processor, so that a busy machine does not matter much, the
 * median of several runs, and bytes on the wire. The committer is the first member; who processes sits in the middle of
 * the tree. One row a group; tests/bench/e2ee.mjs reads the rows, and sets others beside them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "e2ee/mls.h"

#define RUNS 9
#define MEMBERS_MIN (RUNS + 1) /* enough to remove one a run, further from the end each time */
#define NOW 1700000000u

struct member {
    struct mls_client *client;
    struct mls_group *group;
    struct secret key;
    struct mls_buf credential, package;
    struct mls_identity identity;
};

struct bench {
    uint16_t suite;
    struct rng rng;
    struct member host, middle, extra;
    struct mls_buf commit, welcome, info, tree, proposals;
    struct mls_group_options options;
};

static void ok(enum mls_status status) {
    if (status == MLS_OK)
        return;
    fprintf(stderr, "refused: %s\n", mls_status_text(status));
    exit(1);
}

static double cpu_ms(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times) {
    qsort(times, RUNS, sizeof times[0], by_value);
    return times[RUNS / 2];
}

static void member_init(struct bench *b, struct member *m, const char *name) {
    *m = (struct member){0};
    ok(mls_client_create(&crypto_openssl, &m->client));
    mls_buf_init(&m->credential, MLS_CREDENTIAL_LEN_MAX);
    mls_buf_init(&m->package, MLS_MESSAGE_LEN_MAX);
    struct mls_buf public_key;
    mls_buf_init(&public_key, SIGN_PUBLIC_LEN_MAX);
    ok(mls_signature_key_generate(&crypto_openssl, b->suite, &b->rng, &m->key, &public_key));
    mls_buf_free(&public_key);
    ok(mls_credential_basic(span_str(name), &m->credential));
    m->identity = (struct mls_identity){
        .suite = b->suite, .credential = mls_buf_span(&m->credential), .signature_key = &m->key, .no_grease = true};
}

static void member_free(struct member *m) {
    mls_group_free(m->group);
    mls_client_free(m->client);
    mls_buf_free(&m->credential);
    mls_buf_free(&m->package);
}

static struct span package_of(struct bench *b, struct member *m) {
    mls_buf_clear(&m->package);
    ok(mls_key_package_create(m->client, &m->identity, NULL, NOW, &b->rng, &m->package));
    return mls_buf_span(&m->package);
}

static void follow(struct bench *b, struct member *m) {
    struct mls_received got;
    if (m->group == NULL)
        return;
    ok(mls_process(m->group, mls_buf_span(&b->commit), NOW, &got));
    ok(mls_staged_apply(m->group));
}

static void join(struct bench *b, struct member *m) {
    struct mls_join_options later = {.verify_later = true};
    ok(mls_join(m->client, &b->options, mls_buf_span(&b->welcome), &later, NOW, &b->rng, &m->group));
}

/* ---- building groups ---- */

/* By one commit without a path: nobody but the founder has sent a path. */
static void grow_bare(struct bench *b, uint32_t members) {
    for (uint32_t at = 1; at < members;) {
        mls_buf_clear(&b->proposals);
        uint32_t batch = members - at > 500 ? 500 : members - at;
        bool with_middle = false;
        for (uint32_t i = 0; i < batch; i++, at++) {
            struct member m;
            bool keep = at == members / 2;
            with_middle |= keep;
            member_init(b, keep ? &b->middle : &m, "somebody");
            ok(mls_propose_write_add(package_of(b, keep ? &b->middle : &m), &b->proposals));
            if (!keep)
                member_free(&m);
        }
        struct mls_commit_options o = {
            .proposals = mls_buf_span(&b->proposals), .no_path = true, .tree_in_welcome = true};
        mls_buf_clear(&b->commit);
        mls_buf_clear(&b->welcome);
        ok(mls_commit(b->host.group, &o, NOW, &b->rng, &b->commit, &b->welcome, NULL));
        ok(mls_commit_confirm(b->host.group));
        if (with_middle)
            join(b, &b->middle);
        else
            follow(b, &b->middle);
    }
}

/* Everybody comes by external commit. */
static void grow_filled(struct bench *b, uint32_t members) {
    struct mls_group_info_options info = {.external_pub = true, .tree = true};
    struct mls_external_options later = {.join = {.verify_later = true}};
    for (uint32_t at = 1; at < members; at++) {
        struct member other, *m = at == members / 2 ? &b->middle : &other;
        member_init(b, m, "somebody");
        mls_buf_clear(&b->info);
        mls_buf_clear(&b->commit);
        ok(mls_group_info(b->host.group, &info, &b->info));
        ok(mls_join_external(m->client, &m->identity, &b->options, mls_buf_span(&b->info), &later, NOW, &b->rng,
                             &m->group, &b->commit, NULL));
        follow(b, &b->host);
        if (m == &b->middle) {
            ok(mls_commit_confirm(m->group));
        } else {
            follow(b, &b->middle);
            member_free(m);
        }
    }
}

/* ---- measuring ---- */

struct figures {
    double commit[RUNS], process[RUNS];
    size_t commit_bytes;
};

static void change(struct bench *b, const struct mls_commit_options *o, struct figures *f, int run) {
    mls_buf_clear(&b->commit);
    mls_buf_clear(&b->welcome);
    double start = cpu_ms();
    ok(mls_commit(b->host.group, o, NOW, &b->rng, &b->commit, &b->welcome, NULL));
    ok(mls_commit_confirm(b->host.group));
    f->commit[run] = cpu_ms() - start;
    f->commit_bytes = mls_buf_len(&b->commit);
    start = cpu_ms();
    follow(b, &b->middle);
    f->process[run] = cpu_ms() - start;
}

struct joins {
    double usable[RUNS], verified[RUNS];
    size_t tree_bytes, welcome_bytes;
};

static void print_change(struct figures *f) {
    printf(" %8.2f %8.2f %7zu", median(f->commit), median(f->process), f->commit_bytes);
}

static void measure_join(struct bench *b, struct joins *f) {
    struct mls_commit_options o = {.proposals = mls_buf_span(&b->proposals), .no_path = true};
    for (int run = 0; run < RUNS; run++) {
        struct member m;
        member_init(b, &m, "joiner");
        mls_buf_clear(&b->proposals);
        ok(mls_propose_write_add(package_of(b, &m), &b->proposals));
        o.proposals = mls_buf_span(&b->proposals);
        mls_buf_clear(&b->commit);
        mls_buf_clear(&b->welcome);
        mls_buf_clear(&b->tree);
        ok(mls_commit(b->host.group, &o, NOW, &b->rng, &b->commit, &b->welcome, NULL));
        ok(mls_commit_confirm(b->host.group));
        follow(b, &b->middle);
        ok(mls_group_tree(b->host.group, &b->tree));
        struct mls_join_options later = {.verify_later = true, .tree = mls_buf_span(&b->tree)};
        double start = cpu_ms();
        ok(mls_join(m.client, &b->options, mls_buf_span(&b->welcome), &later, NOW, &b->rng, &m.group));
        f->usable[run] = cpu_ms() - start;
        ok(mls_verify_some(m.group, UINT32_MAX));
        f->verified[run] = cpu_ms() - start;
        f->tree_bytes = mls_buf_len(&b->tree);
        f->welcome_bytes = mls_buf_len(&b->welcome);
        mls_buf_clear(&b->proposals);
        ok(mls_propose_write_remove(mls_own_leaf(m.group), &b->proposals));
        member_free(&m);
        o.proposals = mls_buf_span(&b->proposals);
        mls_buf_clear(&b->commit);
        ok(mls_commit(b->host.group, &o, NOW, &b->rng, &b->commit, NULL, NULL));
        ok(mls_commit_confirm(b->host.group));
        follow(b, &b->middle);
    }
}

/* A member that is not the middle one, to remove. */
static uint32_t victim(const struct bench *b, int run) {
    uint32_t leaf = mls_member_count(b->host.group) - 2 - (uint32_t)run;
    struct mls_member m;
    while (leaf == mls_own_leaf(b->middle.group) || !mls_member_at(b->host.group, leaf, &m))
        leaf--;
    return leaf;
}

static void measure(struct bench *b) {
    struct figures add = {0}, path = {0}, removal = {0};
    struct joins joins;
    measure_join(b, &joins);
    for (int run = 0; run < RUNS; run++) {
        struct member m;
        member_init(b, &m, "added");
        mls_buf_clear(&b->proposals);
        ok(mls_propose_write_add(package_of(b, &m), &b->proposals));
        member_free(&m);
        struct mls_commit_options o = {.proposals = mls_buf_span(&b->proposals), .no_path = true};
        change(b, &o, &add, run);
    }
    /* the first path commit is dearer: it goes to those just added, one by one */
    for (int run = 0; run < RUNS; run++)
        change(b, NULL, &path, run);
    for (int run = 0; run < RUNS; run++) {
        mls_buf_clear(&b->proposals);
        ok(mls_propose_write_remove(victim(b, run), &b->proposals));
        struct mls_commit_options o = {.proposals = mls_buf_span(&b->proposals)};
        change(b, &o, &removal, run);
    }
    print_change(&add);
    printf(" %8.2f %8.2f %7zu %7zu", median(joins.usable), median(joins.verified), joins.tree_bytes,
           joins.welcome_bytes);
    print_change(&path);
    print_change(&removal);
    printf("\n");
    (void)fflush(stdout);
}

static void run(uint16_t suite, const char *name, uint32_t members, bool filled) {
    static struct bench b;
    b = (struct bench){.suite = suite, .rng = rng_seeded(members)};
    struct mls_buf *buffers[] = {&b.commit, &b.welcome, &b.info, &b.tree, &b.proposals};
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        mls_buf_init(buffers[i], MLS_TREE_LEN_MAX);
    b.options.resync_any_key = true;
    member_init(&b, &b.host, "host");
    ok(mls_group_create(b.host.client, &b.host.identity, &b.options, span_str("bench"), span_of(NULL, 0), NOW, &b.rng,
                        &b.host.group));
    if (filled)
        grow_filled(&b, members);
    else
        grow_bare(&b, members);
    printf("%-7s %7u %-6s", name, members, filled ? "filled" : "bare");
    measure(&b);
    member_free(&b.host);
    member_free(&b.middle);
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        mls_buf_free(buffers[i]);
}

int main(int argc, char **argv) {
    static const struct {
        uint16_t suite;
        const char *name;
    } suites[] = {{MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, "1"},
                  {MLS_SUITE_P256_AES128GCM_SHA256_P256, "2"},
                  {MLS_SUITE_XWING_AES256GCM_SHA384_ED25519, "hybrid"}};
    static const char *const usual[] = {"10", "100", "500", "1000"};
    printf("%22s %26s %35s %26s %26s\n", "", "add, no path", "join", "path", "remove");
    printf("%-7s %7s %-6s", "suite", "members", "tree");
    printf(" %8s %8s %7s %8s %8s %7s %7s", "commit", "process", "bytes", "usable", "verified", "tree", "Welcome");
    for (int i = 0; i < 2; i++)
        printf(" %8s %8s %7s", "commit", "process", "bytes");
    printf("\n");
    for (size_t s = 0; s < ARRAY_LEN(suites); s++) {
        for (int i = 0; i < (argc > 1 ? argc - 1 : (int)ARRAY_LEN(usual)); i++) {
            uint32_t members = (uint32_t)strtoul(argc > 1 ? argv[i + 1] : usual[i], NULL, 10);
            if (members < MEMBERS_MIN || members > MLS_MEMBERS_MAX)
                return 2;
            run(suites[s].suite, suites[s].name, members, false);
            run(suites[s].suite, suites[s].name, members, true);
        }
    }
    return 0;
}
