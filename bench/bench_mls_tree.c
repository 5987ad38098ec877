/* What the ratchet tree costs: an added member with the tree hash after it, a path made and taken, a joiner's parsing
 * and validation; in trees that are bare (nobody has sent a path) and filled (everybody has). Times are the
 * processor's, so that a busy machine does not matter much, and the least of a few rounds. Signatures are not in them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "e2ee/mls_limits.h"
#include "e2ee/tree.h"

#define ROUNDS 15

static double cpu_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double least(double a, double b) {
    return a < b ? a : b;
}

struct bench {
    struct mls_crypto crypto;
    struct rng rng;
    uint32_t members;
    struct secret *keys; /* of the leaves */
    struct mls_buf tree;
};

static void make_leaf(struct bench *b, const struct tree_path *path, struct secret *key, struct mls_buf *out) {
    static const uint8_t versions[] = {0, 1}, credentials[] = {0, 1};
    uint8_t encryption_key[KEM_PUBLIC_LEN_MAX], signature_key[SIGN_PUBLIC_LEN_MAX], noise[64];
    uint8_t suite[2] = {(uint8_t)(b->crypto.suite->id >> 8), (uint8_t)b->crypto.suite->id};
    rng_fill(&b->rng, noise, sizeof noise);
    rng_fill(&b->rng, signature_key, mls_signature_key_len(&b->crypto));
    if (path == NULL)
        ASSERT(mls_kem_generate(&b->crypto, &b->rng, key, encryption_key) == MLS_OK);
    struct mls_leaf_node leaf = {
        .encryption_key =
            path != NULL ? tree_path_leaf_key(path) : span_of(encryption_key, mls_public_key_len(&b->crypto)),
        .signature_key = span_of(signature_key, mls_signature_key_len(&b->crypto)),
        .credential = {.type = MLS_CREDENTIAL_BASIC, .identity = span_of(noise, 16)},
        .capabilities = {.versions = span_of(versions, 2),
                         .cipher_suites = span_of(suite, 2),
                         .credentials = span_of(credentials, 2)},
        .source = path != NULL ? MLS_LEAF_COMMIT : MLS_LEAF_KEY_PACKAGE,
        .parent_hash = path != NULL ? tree_path_parent_hash(path) : span_of(NULL, 0),
        .signature = span_of(noise, 64),
    };
    mls_buf_init(out, 65536);
    mls_leaf_node_write(out, &leaf);
    ASSERT(mls_buf_ok(out));
}

static struct tree *open_tree(struct bench *b, uint32_t own) {
    struct tree *t;
    ASSERT(tree_read(&b->crypto, MLS_MEMBERS_MAX, &b->rng, mls_buf_span(&b->tree), &t) == MLS_OK);
    if (own != TREE_NONE)
        ASSERT(tree_set_own(t, own, &b->keys[own]) == MLS_OK);
    uint8_t hash[HASH_LEN_MAX];
    ASSERT(tree_hash(t, hash) == MLS_OK);
    return t;
}

static void keep_tree(struct bench *b, struct tree *t) {
    mls_buf_clear(&b->tree);
    ASSERT(tree_write(t, &b->tree) == MLS_OK);
}

static void add_one(struct bench *b, struct tree *t) {
    struct mls_buf leaf;
    uint32_t place;
    struct secret key;
    make_leaf(b, NULL, &key, &leaf);
    ASSERT(tree_add(t, mls_buf_span(&leaf), &place) == MLS_OK);
    b->keys[place] = key;
    mls_buf_free(&leaf);
}

static void make_bare(struct bench *b) {
    struct tree *t;
    ASSERT(tree_create(&b->crypto, MLS_MEMBERS_MAX, &b->rng, &t) == MLS_OK);
    ASSERT(tree_begin(t) == MLS_OK);
    for (uint32_t i = 0; i < b->members; i++)
        add_one(b, t);
    tree_keep(t);
    keep_tree(b, t);
    tree_free(t);
}

/* Leaves the change open. Answers the path, and the UpdatePath when `out` is not NULL. */
static struct tree_path *send_path(struct bench *b, struct tree *t, uint32_t own, struct mls_buf *out) {
    struct tree_path *path;
    struct mls_buf leaf;
    uint8_t hash[HASH_LEN_MAX];
    ASSERT(tree_begin(t) == MLS_OK);
    ASSERT(tree_path_create(t, own, &b->rng, &path) == MLS_OK);
    make_leaf(b, path, NULL, &leaf);
    ASSERT(tree_path_finish(t, path, mls_buf_span(&leaf)) == MLS_OK);
    ASSERT(tree_hash(t, hash) == MLS_OK);
    if (out != NULL)
        ASSERT(tree_path_encrypt(t, path, span_of(hash, b->crypto.suite->hash_len), &b->rng, out) == MLS_OK);
    mls_buf_free(&leaf);
    return path;
}

static void fill(struct bench *b) {
    for (uint32_t own = 0; own < b->members; own++) {
        struct tree *t = open_tree(b, own);
        tree_path_free(send_path(b, t, own, NULL));
        b->keys[own] = *tree_private_key(t, 2 * own);
        tree_keep(t);
        keep_tree(b, t);
        tree_free(t);
    }
}

static void measure_add(struct bench *b) {
    double best = 1e12;
    struct tree *t = open_tree(b, TREE_NONE);
    for (int round = 0; round < ROUNDS; round++) {
        struct mls_buf leaf;
        struct secret key;
        uint8_t hash[HASH_LEN_MAX];
        uint32_t place;
        make_leaf(b, NULL, &key, &leaf);
        double start = cpu_us();
        ASSERT(tree_begin(t) == MLS_OK);
        ASSERT(tree_add(t, mls_buf_span(&leaf), &place) == MLS_OK);
        ASSERT(tree_check(t) == MLS_OK && tree_hash(t, hash) == MLS_OK);
        tree_keep(t);
        best = least(best, cpu_us() - start);
        mls_buf_free(&leaf);
    }
    printf(" %9.0f", best);
    tree_free(t);
}

static void measure_join(struct bench *b) {
    double read = 1e12, hashed = 1e12, validated = 1e12;
    for (int round = 0; round < ROUNDS; round++) {
        struct tree *t;
        uint8_t hash[HASH_LEN_MAX];
        double start = cpu_us();
        ASSERT(tree_read(&b->crypto, MLS_MEMBERS_MAX, &b->rng, mls_buf_span(&b->tree), &t) == MLS_OK);
        double after_read = cpu_us();
        ASSERT(tree_hash(t, hash) == MLS_OK);
        double after_hash = cpu_us();
        ASSERT(tree_validate(t) == MLS_OK);
        validated = least(validated, cpu_us() - after_hash);
        read = least(read, after_read - start);
        hashed = least(hashed, after_hash - after_read);
        tree_free(t);
    }
    printf(" %9.0f %9.0f %9.0f", read, hashed, validated);
}

/* The receiver has sent a path itself before: it opens with a parent's key, as in a filled tree it mostly does. */
static void measure_path(struct bench *b, bool filled) {
    double made = 1e12, merged = 1e12, opened = 1e12;
    uint32_t sender = 0, receiver = b->members - 1;
    struct tree *from = open_tree(b, sender), *to = open_tree(b, receiver);
    struct mls_buf bytes;
    struct mls_update_path update;
    mls_buf_init(&bytes, MLS_MESSAGE_LEN_MAX);
    if (filled) {
        tree_path_free(send_path(b, to, receiver, &bytes));
        tree_keep(to);
        ASSERT(mls_update_path_parse(mls_buf_span(&bytes), &update) == MLS_OK);
        ASSERT(tree_begin(from) == MLS_OK && tree_path_merge(from, receiver, &update) == MLS_OK);
        tree_keep(from);
    }
    size_t len = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct secret commit_secret;
        uint8_t hash[HASH_LEN_MAX];
        mls_buf_clear(&bytes);
        double start = cpu_us();
        tree_path_free(send_path(b, from, sender, &bytes));
        made = least(made, cpu_us() - start);
        tree_rollback(from);
        len = mls_buf_len(&bytes);
        start = cpu_us();
        ASSERT(mls_update_path_parse(mls_buf_span(&bytes), &update) == MLS_OK);
        ASSERT(tree_begin(to) == MLS_OK && tree_path_merge(to, sender, &update) == MLS_OK);
        ASSERT(tree_hash(to, hash) == MLS_OK);
        double after_merge = cpu_us();
        ASSERT(tree_path_open(to, sender, &update, span_of(hash, b->crypto.suite->hash_len), NULL, &commit_secret) ==
               MLS_OK);
        opened = least(opened, cpu_us() - after_merge);
        merged = least(merged, after_merge - start);
        tree_rollback(to);
    }
    printf(" %9.0f %9.0f %9.0f %9zu", made, merged, opened, len);
    mls_buf_free(&bytes);
    tree_free(from);
    tree_free(to);
}

static void run(uint16_t suite, uint32_t members, bool filled) {
    struct bench b = {.rng = rng_seeded(members), .members = members};
    ASSERT(mls_crypto_of(&crypto_openssl, suite, &b.crypto) == MLS_OK);
    b.keys = calloc(members, sizeof *b.keys);
    ASSERT(b.keys != NULL);
    mls_buf_init(&b.tree, MLS_TREE_LEN_MAX);
    make_bare(&b);
    if (filled)
        fill(&b);
    printf("%04x %6u %6s", suite, members, filled ? "filled" : "bare");
    measure_add(&b);
    measure_join(&b);
    measure_path(&b, filled);
    struct tree *t = open_tree(&b, TREE_NONE);
    printf(" %9zu %9zu\n", mls_buf_len(&b.tree), tree_memory(t) / members);
    tree_free(t);
    mls_buf_free(&b.tree);
    free(b.keys);
}

int main(int argc, char **argv) {
    static const uint16_t suites[] = {MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, MLS_SUITE_P256_AES128GCM_SHA256_P256,
                                      MLS_SUITE_XWING_AES256GCM_SHA384_ED25519};
    static const uint32_t members[] = {10, 100, 500, 1000};
    uint32_t only = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    printf("microseconds of processor time, the least of %d; path bytes, tree bytes, and memory a member in bytes\n",
           ROUNDS);
    printf("suite members tree    add+hash      read      hash  validate      send     merge      open    B path "
           "   B tree  B member\n");
    for (size_t i = 0; i < ARRAY_LEN(suites); i++)
        for (size_t n = 0; n < ARRAY_LEN(members); n++)
            for (int filled = 0; filled < 2; filled++)
                if (only == 0 || only == members[n])
                    run(suites[i], members[n], filled);
    return 0;
}
