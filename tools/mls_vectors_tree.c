/* Vectors of the ratchet tree: arithmetic, edits, validation, TreeKEM. */
#include "base/assert.h"
#include "e2ee/mls_validate.h"
#include "e2ee/tree.h"
#include "mls_vectors.h"

/* ---- tree-math ---- */

static bool is_number(const json_t *list, uint32_t i, uint32_t expected) {
    const json_t *number = json_array_get(list, i);
    return expected == TREE_NONE ? json_is_null(number)
                                 : json_is_integer(number) && json_integer_value(number) == expected;
}

static bool check_tree_math(struct vector_entry *e) {
    uint32_t leaves = (uint32_t)vector_number(e, e->json, "n_leaves"), nodes = tree_node_count(leaves);
    CHECK(e, nodes == vector_number(e, e->json, "n_nodes"));
    CHECK(e, tree_root(leaves) == vector_number(e, e->json, "root"));
    for (uint32_t node = 0; node < nodes; node++) {
        bool is_leaf = tree_level(node) == 0;
        CHECK(e, is_number(json_object_get(e->json, "left"), node, is_leaf ? TREE_NONE : tree_left(node)));
        CHECK(e, is_number(json_object_get(e->json, "right"), node, is_leaf ? TREE_NONE : tree_right(node)));
        CHECK(e, is_number(json_object_get(e->json, "parent"), node, tree_parent(node, leaves)));
        CHECK(e, is_number(json_object_get(e->json, "sibling"), node, tree_sibling(node, leaves)));
    }
    return true;
}

/* ---- helpers ---- */

static struct tree *read_tree(struct vector_entry *e, const char *name) {
    struct tree *t = NULL;
    if (tree_read(&e->crypto, MLS_MEMBERS_MAX, e->rng, vector_hex(e, e->json, name), &t) != MLS_OK)
        return NULL;
    return t;
}

static bool is_tree_hash(struct vector_entry *e, struct tree *t, uint32_t node, struct span expected) {
    uint8_t hash[HASH_LEN_MAX];
    return tree_node_hash(t, node, hash) == MLS_OK && span_equal(span_of(hash, e->crypto.suite->hash_len), expected);
}

static bool is_root_hash(struct vector_entry *e, struct tree *t, struct span expected) {
    return is_tree_hash(e, t, tree_root(tree_leaf_count(t)), expected);
}

/* ---- tree-operations ---- */

static enum mls_status apply(struct tree *t, const struct mls_proposal *p, uint32_t sender) {
    uint32_t leaf;
    switch (p->type) {
    case MLS_PROPOSAL_ADD:
        return tree_add(t, p->add.leaf_node.encoding, &leaf);
    case MLS_PROPOSAL_UPDATE:
        return tree_update(t, sender, p->update.encoding);
    case MLS_PROPOSAL_REMOVE:
        return tree_remove(t, p->removed);
    default:
        return MLS_PROPOSAL_TYPE_UNKNOWN;
    }
}

static bool is_written(struct vector_entry *e, const struct tree *t, const char *name) {
    struct mls_buf out;
    mls_buf_init(&out, MLS_TREE_LEN_MAX);
    bool same = tree_write(t, &out) == MLS_OK && span_equal(mls_buf_span(&out), vector_hex(e, e->json, name));
    mls_buf_free(&out);
    return same;
}

static bool check_operation(struct vector_entry *e, struct tree *t) {
    struct mls_proposal proposal;
    CHECK(e, is_root_hash(e, t, vector_hex(e, e->json, "tree_hash_before")));
    CHECK(e, mls_proposal_parse(vector_hex(e, e->json, "proposal"), &proposal) == MLS_OK);
    CHECK(e, tree_begin(t) == MLS_OK);
    CHECK(e, apply(t, &proposal, (uint32_t)vector_number(e, e->json, "proposal_sender")) == MLS_OK);
    CHECK(e, is_written(e, t, "tree_after"));
    CHECK(e, is_root_hash(e, t, vector_hex(e, e->json, "tree_hash_after")));
    tree_rollback(t);
    CHECK(e, is_written(e, t, "tree_before"));
    CHECK(e, is_root_hash(e, t, vector_hex(e, e->json, "tree_hash_before")));
    return true;
}

static bool check_tree_operations(struct vector_entry *e) {
    struct tree *t = read_tree(e, "tree_before");
    CHECK(e, t != NULL);
    bool good = check_operation(e, t);
    tree_free(t);
    return good;
}

/* ---- tree-validation ---- */

static bool check_signatures(struct vector_entry *e, struct tree *t) {
    struct mls_buf buf;
    struct tree_verify_job job;
    uint32_t cursor = 0;
    bool good = true;
    mls_buf_init(&buf, MLS_MESSAGE_LEN_MAX);
    do {
        good = tree_verify_next(t, vector_hex(e, e->json, "group_id"), &cursor, &buf, &job) == MLS_OK;
        if (!good || job.leaf == TREE_NONE)
            break;
        good =
            e->crypto.backend->verify(e->crypto.suite->sign, job.public_key, job.message, job.signature) == CRYPTO_OK &&
            tree_verify_done(t, job.ticket, true) == MLS_OK;
    } while (good);
    mls_buf_free(&buf);
    return good && tree_unverified_count(t) == 0;
}

static bool check_validation(struct vector_entry *e, struct tree *t) {
    const json_t *resolutions = json_object_get(e->json, "resolutions");
    const json_t *hashes = json_object_get(e->json, "tree_hashes");
    uint32_t nodes = tree_node_count(tree_leaf_count(t));
    CHECK(e, json_array_size(resolutions) == nodes && json_array_size(hashes) == nodes);
    for (uint32_t node = 0; node < nodes; node++) {
        const json_t *expected = json_array_get(resolutions, node);
        struct tree_resolution walk = tree_resolve(t, node);
        for (uint32_t i = 0; i < json_array_size(expected); i++)
            CHECK(e, is_number(expected, i, tree_resolution_next(&walk)));
        CHECK(e, tree_resolution_next(&walk) == TREE_NONE);
        CHECK(e, is_tree_hash(e, t, node, vector_hex_of(e, json_array_get(hashes, node))));
    }
    CHECK(e, tree_validate(t) == MLS_OK);
    CHECK(e, check_signatures(e, t));
    CHECK(e, is_written(e, t, "tree"));
    return true;
}

static bool check_tree_validation(struct vector_entry *e) {
    struct tree *t = read_tree(e, "tree");
    CHECK(e, t != NULL);
    bool good = check_validation(e, t);
    tree_free(t);
    return good;
}

/* ---- treekem ---- */

/* One tree a member, which knows that member's private keys. */
#define TREES_MAX 64
struct treekem {
    struct tree *trees[TREES_MAX];
    struct secret signature_keys[TREES_MAX];
};

static bool open_member(struct vector_entry *e, const json_t *v, struct treekem *k) {
    uint32_t leaf = (uint32_t)vector_number(e, v, "index");
    CHECK(e, leaf < TREES_MAX && k->trees[leaf] == NULL);
    struct tree *t = k->trees[leaf] = read_tree(e, "ratchet_tree");
    CHECK(e, t != NULL);
    struct secret key;
    vector_private_key(e, v, "encryption_priv", kem_private_len(e->crypto.suite->hpke.kem), &key);
    CHECK(e, tree_set_own(t, leaf, &key) == MLS_OK);
    vector_private_key(e, v, "signature_priv", sign_private_len(e->crypto.suite->sign), &k->signature_keys[leaf]);
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(v, "path_secrets"), i, item) {
        vector_secret(e, item, "path_secret", &key);
        CHECK(e, tree_set_path_secret(t, (uint32_t)vector_number(e, item, "node"), &key) == MLS_OK);
    }
    return true;
}

static void write_context(struct vector_entry *e, struct span tree_hash, struct mls_buf *out) {
    mls_buf_init(out, MLS_MESSAGE_LEN_MAX);
    struct mls_group_context context = {
        .version = MLS_VERSION_10,
        .cipher_suite = e->crypto.suite->id,
        .group_id = vector_hex(e, e->json, "group_id"),
        .epoch = vector_number(e, e->json, "epoch"),
        .tree_hash = tree_hash,
        .confirmed_transcript_hash = vector_hex(e, e->json, "confirmed_transcript_hash"),
    };
    mls_group_context_write(out, &context);
}

/* Member `leaf` processes the path; its tree is rolled back. */
static bool process(struct vector_entry *e, struct tree *t, uint32_t sender, struct span update_path,
                    struct span tree_hash, struct secret *path_secret, struct secret *commit_secret) {
    struct mls_update_path path;
    struct mls_buf context;
    CHECK(e, mls_update_path_parse(update_path, &path) == MLS_OK);
    CHECK(e, tree_begin(t) == MLS_OK);
    CHECK(e, tree_path_merge(t, sender, &path) == MLS_OK);
    CHECK(e, tree_check(t) == MLS_OK);
    CHECK(e, is_root_hash(e, t, tree_hash));
    write_context(e, tree_hash, &context);
    enum mls_status status = tree_path_open(t, sender, &path, mls_buf_span(&context), path_secret, commit_secret);
    mls_buf_free(&context);
    tree_rollback(t);
    CHECK(e, status == MLS_OK);
    return true;
}

static bool check_given_path(struct vector_entry *e, const json_t *v, struct treekem *k) {
    uint32_t sender = (uint32_t)vector_number(e, v, "sender");
    struct span tree_hash = vector_hex(e, v, "tree_hash_after"), path = vector_hex(e, v, "update_path");
    struct span expected = vector_hex(e, v, "commit_secret");
    for (uint32_t leaf = 0; leaf < TREES_MAX; leaf++) {
        struct secret path_secret, commit_secret;
        if (k->trees[leaf] == NULL || leaf == sender)
            continue;
        const json_t *expected_path_secret = json_array_get(json_object_get(v, "path_secrets"), leaf);
        CHECK(e, process(e, k->trees[leaf], sender, path, tree_hash, &path_secret, &commit_secret));
        CHECK(e, span_equal(secret_span(&path_secret), vector_hex_of(e, expected_path_secret)));
        CHECK(e, span_equal(secret_span(&commit_secret), expected));
    }
    return true;
}

/* The sender's leaf again, with the path's key and parent hash. */
static enum mls_status finish_path(struct vector_entry *e, struct tree *t, struct tree_path *path, uint32_t sender,
                                   const struct secret *signature_key) {
    struct mls_leaf_node leaf = *tree_leaf(t, sender);
    struct mls_buf encoding;
    leaf.source = MLS_LEAF_COMMIT;
    leaf.encryption_key = tree_path_leaf_key(path);
    leaf.parent_hash = tree_path_parent_hash(path);
    mls_buf_init(&encoding, MLS_MESSAGE_LEN_MAX);
    enum mls_status status =
        mls_leaf_node_sign(&e->crypto, &leaf, vector_hex(e, e->json, "group_id"), sender, signature_key, &encoding);
    if (status == MLS_OK)
        status = tree_path_finish(t, path, mls_buf_span(&encoding));
    mls_buf_free(&encoding);
    return status;
}

static bool create_path(struct vector_entry *e, struct tree *t, struct tree_path *path, uint32_t sender,
                        const struct secret *signature_key, uint8_t *tree_hash_out, struct mls_buf *out) {
    struct mls_buf context;
    CHECK(e, finish_path(e, t, path, sender, signature_key) == MLS_OK);
    CHECK(e, tree_hash(t, tree_hash_out) == MLS_OK);
    write_context(e, span_of(tree_hash_out, e->crypto.suite->hash_len), &context);
    enum mls_status status = tree_path_encrypt(t, path, mls_buf_span(&context), e->rng, out);
    mls_buf_free(&context);
    CHECK(e, status == MLS_OK);
    return true;
}

static bool check_own_path(struct vector_entry *e, const json_t *v, struct treekem *k) {
    uint32_t sender = (uint32_t)vector_number(e, v, "sender");
    CHECK(e, sender < TREES_MAX && k->trees[sender] != NULL);
    struct tree *t = k->trees[sender];
    struct tree_path *path;
    struct mls_buf update_path;
    uint8_t hash[HASH_LEN_MAX];
    mls_buf_init(&update_path, MLS_MESSAGE_LEN_MAX);
    CHECK(e, tree_begin(t) == MLS_OK);
    CHECK(e, tree_path_create(t, sender, e->rng, &path) == MLS_OK);
    bool good = create_path(e, t, path, sender, &k->signature_keys[sender], hash, &update_path);
    tree_rollback(t);
    for (uint32_t leaf = 0; leaf < TREES_MAX && good; leaf++) {
        struct secret commit_secret;
        if (k->trees[leaf] == NULL || leaf == sender)
            continue;
        good = process(e, k->trees[leaf], sender, mls_buf_span(&update_path), span_of(hash, e->crypto.suite->hash_len),
                       NULL, &commit_secret) &&
               span_equal(secret_span(&commit_secret), secret_span(tree_path_commit_secret(path)));
    }
    tree_path_free(path);
    mls_buf_free(&update_path);
    CHECK(e, good);
    return true;
}

static bool check_paths(struct vector_entry *e, struct treekem *k) {
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(e->json, "leaves_private"), i, item) {
        CHECK(e, open_member(e, item, k));
    }
    json_array_foreach(json_object_get(e->json, "update_paths"), i, item) {
        CHECK(e, check_given_path(e, item, k));
        CHECK(e, check_own_path(e, item, k));
    }
    return true;
}

static bool check_treekem(struct vector_entry *e) {
    struct treekem k = {.trees = {NULL}};
    bool good = check_paths(e, &k);
    for (uint32_t leaf = 0; leaf < TREES_MAX; leaf++)
        tree_free(k.trees[leaf]);
    return good;
}

const struct vector_kind vector_kinds_tree[] = {
    {"tree-math.json", false, check_tree_math},
    {"tree-operations.json", true, check_tree_operations},
    {"tree-validation.json", true, check_tree_validation},
    {"treekem.json", true, check_treekem},
    {NULL, false, NULL},
};
