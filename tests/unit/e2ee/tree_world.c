#include "tree_world.h"

#include "unit.h"

#include <stdlib.h>

#include "e2ee/mls_limits.h"

void world_init(struct world *w, uint16_t suite, uint64_t seed) {
    w->rng = rng_seeded(seed);
    assert_int_equal(mls_crypto_of(&crypto_openssl, suite, &w->crypto), MLS_OK);
}

/* ---- leaves ---- */

static void fresh_keys(struct world *w, const struct leaf_wish *wish, uint8_t *encryption_key, uint8_t *signature_key,
                       struct secret *signer, struct made_leaf *out) {
    if (wish->cheap) {
        rng_fill(&w->rng, encryption_key, mls_public_key_len(&w->crypto));
        encryption_key[mls_public_key_len(&w->crypto) - 1] &= 0x3f; /* below p of X25519 */
    } else
        assert_int_equal(mls_kem_generate(&w->crypto, &w->rng, &out->private_key, encryption_key), MLS_OK);
    if (wish->sign)
        assert_int_equal(mls_signature_generate(&w->crypto, &w->rng, signer, signature_key), MLS_OK);
    else
        rng_fill(&w->rng, signature_key, mls_signature_key_len(&w->crypto));
}

void make_leaf(struct world *w, const struct leaf_wish *wish, struct made_leaf *out) {
    static const uint8_t versions[] = {0, 1}, both[] = {0, 1, 0, 2};
    uint8_t encryption_key[KEM_PUBLIC_LEN_MAX], signature_key[SIGN_PUBLIC_LEN_MAX], identity[8], signature[64];
    uint8_t suite[2] = {(uint8_t)(w->crypto.suite->id >> 8), (uint8_t)w->crypto.suite->id};
    struct secret signer = {0};
    *out = (struct made_leaf){.private_key = {0}};
    mls_buf_init(&out->encoding, MLS_MESSAGE_LEN_MAX);
    fresh_keys(w, wish, encryption_key, signature_key, &signer, out);
    rng_fill(&w->rng, identity, sizeof identity);
    rng_fill(&w->rng, signature, sizeof signature);
    struct mls_leaf_node leaf = {
        .encryption_key = wish->encryption_key.len > 0 ? wish->encryption_key
                                                       : span_of(encryption_key, mls_public_key_len(&w->crypto)),
        .signature_key = wish->signature_key.len > 0 ? wish->signature_key
                                                     : span_of(signature_key, mls_signature_key_len(&w->crypto)),
        .credential = {.type = wish->credential == 0 ? MLS_CREDENTIAL_BASIC : wish->credential,
                       .identity = span_of(identity, sizeof identity)},
        .capabilities = {.versions = span_of(versions, 2),
                         .cipher_suites = span_of(suite, 2),
                         .credentials = span_of(both, wish->basic_only ? 2 : 4)},
        .source = wish->source == 0 ? MLS_LEAF_KEY_PACKAGE : wish->source,
        .not_after = UINT64_MAX,
        .parent_hash = wish->parent_hash,
        .signature = span_of(signature, sizeof signature),
    };
    uint8_t certificate[] = {2, 0x30, 0x00};
    if (leaf.credential.type == MLS_CREDENTIAL_X509)
        leaf.credential.certificates = (struct mls_list){.bytes = span_of(certificate, sizeof certificate), .count = 1};
    if (wish->sign)
        assert_int_equal(mls_leaf_node_sign(&w->crypto, &leaf, wish->group_id, wish->leaf, &signer, &out->encoding),
                         MLS_OK);
    else
        mls_leaf_node_write(&out->encoding, &leaf);
    assert_true(mls_buf_ok(&out->encoding));
    secret_wipe(&signer);
}

void made_leaf_free(struct made_leaf *leaf) {
    mls_buf_free(&leaf->encoding);
    secret_wipe(&leaf->private_key);
}

uint32_t add_member(struct world *w, struct tree *t) {
    struct made_leaf leaf;
    make_leaf(w, &(struct leaf_wish){.cheap = true}, &leaf);
    uint32_t place = TREE_NONE;
    assert_int_equal(tree_add(t, mls_buf_span(&leaf.encoding), &place), MLS_OK);
    made_leaf_free(&leaf);
    return place;
}

struct tree *make_tree(struct world *w, uint32_t count) {
    struct tree *t;
    assert_int_equal(tree_create(&w->crypto, MLS_MEMBERS_MAX, &w->rng, &t), MLS_OK);
    assert_int_equal(tree_begin(t), MLS_OK);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(add_member(w, t), i);
    tree_keep(t);
    return t;
}

void write_tree(const struct tree *t, struct mls_buf *out) {
    mls_buf_init(out, MLS_TREE_LEN_MAX);
    if (tree_member_count(t) > 0)
        assert_int_equal(tree_write(t, out), MLS_OK);
}

/* ---- hashes from scratch ---- */

struct plain {
    const struct world *w;
    struct mls_node *nodes;
    uint32_t count; /* nodes beyond are blank */
};

static void plain_hash(const struct plain *p, uint32_t node, uint8_t *out) {
    static const struct mls_node blank = {.type = 0};
    const struct mls_node *n = node < p->count ? &p->nodes[node] : &blank;
    size_t hash_len = p->w->crypto.suite->hash_len;
    struct mls_buf b;
    mls_buf_init(&b, 1 << 20);
    if ((node & 1) == 0) {
        mls_wr_u8(&b, 1);
        mls_wr_u32(&b, node / 2);
        mls_wr_u8(&b, n->type != 0);
        if (n->type != 0)
            mls_leaf_node_write(&b, &n->leaf);
    } else {
        uint8_t left[HASH_LEN_MAX], right[HASH_LEN_MAX];
        uint32_t half = 1;
        while ((node & half) != 0)
            half *= 2;
        plain_hash(p, node - half / 2, left);
        plain_hash(p, node + half / 2, right);
        mls_wr_u8(&b, 2);
        mls_wr_u8(&b, n->type != 0);
        if (n->type != 0)
            mls_parent_node_write(&b, &n->parent);
        mls_wr_vec(&b, span_of(left, hash_len));
        mls_wr_vec(&b, span_of(right, hash_len));
    }
    struct span all = mls_buf_span(&b);
    assert_int_equal(crypto_openssl.hash(p->w->crypto.suite->hash, &all, 1, out), CRYPTO_OK);
    mls_buf_free(&b);
}

static void plain_open(const struct world *w, const struct tree *t, struct mls_buf *bytes, struct plain *p) {
    struct span nodes;
    write_tree(t, bytes);
    assert_int_equal(mls_ratchet_tree_parse(mls_buf_span(bytes), &nodes), MLS_OK);
    *p = (struct plain){.w = w, .nodes = calloc(2 * MLS_MEMBERS_MAX, sizeof *p->nodes)};
    assert_non_null(p->nodes);
    struct mls_reader r = mls_reader_of(nodes);
    while (mls_reader_left(&r) > 0)
        mls_node_read(&r, &p->nodes[p->count++]);
    assert_true(mls_reader_ok(&r));
}

static void plain_close(struct mls_buf *bytes, struct plain *p) {
    free(p->nodes);
    mls_buf_free(bytes);
}

void plain_tree_hash(const struct world *w, const struct tree *t, uint8_t *out) {
    struct mls_buf bytes;
    struct plain p;
    plain_open(w, t, &bytes, &p);
    uint32_t leaf_count = 1;
    while (2 * leaf_count - 1 < p.count)
        leaf_count *= 2;
    plain_hash(&p, leaf_count - 1, out);
    plain_close(&bytes, &p);
}

/* ---- soundness ---- */

static int by_bytes(const void *a, const void *b) {
    return memcmp(a, b, 32);
}

/* Keys are compared by their first 32 bytes, which are random in all suites. */
static uint32_t count_duplicates(uint8_t (*keys)[32], uint32_t count) {
    uint32_t duplicates = 0;
    qsort(keys, count, 32, by_bytes);
    for (uint32_t i = 1; i < count; i++)
        duplicates += memcmp(keys[i - 1], keys[i], 32) == 0;
    return duplicates;
}

static void check_counters(const struct tree *t) {
    uint32_t node_count = tree_node_count(t->shape.leaf_count), members = 0, unverified = 0, keys[2] = {0, 0};
    uint8_t(*encryption)[32] = calloc(node_count + 1, 32), (*signature)[32] = calloc(node_count + 1, 32);
    uint32_t rightmost = TREE_NONE, first_blank = TREE_NONE;
    assert_true(encryption != NULL && signature != NULL);
    for (uint32_t node = 0; node < node_count; node++) {
        struct span key = tree_node_key(t, node);
        if (key.len > 0)
            memcpy(encryption[keys[0]++], key.data + (key.len > 32), 32);
        if ((node & 1) != 0)
            continue;
        const struct mls_leaf_node *leaf = tree_leaf(t, node / 2);
        if (leaf == NULL && first_blank == TREE_NONE)
            first_blank = node / 2;
        if (leaf == NULL)
            continue;
        rightmost = node / 2;
        members++;
        unverified += !tree_is_verified(t, node / 2);
        memcpy(signature[keys[1]++], leaf->signature_key.data + (leaf->signature_key.len > 32), 32);
    }
    assert_int_equal(t->member_count, members);
    assert_int_equal(t->unverified, unverified);
    assert_int_equal(t->shape.rightmost, rightmost);
    assert_true(t->shape.blank_from <= first_blank);
    assert_int_equal(t->keys.count, keys[0] + keys[1]);
    assert_int_equal(t->keys.duplicates[0], count_duplicates(encryption, keys[0]));
    assert_int_equal(t->keys.duplicates[1], count_duplicates(signature, keys[1]));
    assert_int_equal(t->shape.leaf_count, rightmost == TREE_NONE ? 0 : tree_round_up(rightmost + 1));
    free(encryption);
    free(signature);
}

void assert_tree_sound(const struct world *w, struct tree *t) {
    check_counters(t);
    if (tree_member_count(t) == 0)
        return;
    uint8_t cached[HASH_LEN_MAX], plain[HASH_LEN_MAX];
    assert_int_equal(tree_hash(t, cached), MLS_OK);
    plain_tree_hash(w, t, plain);
    assert_memory_equal(cached, plain, w->crypto.suite->hash_len);
}

/* ---- pictures ---- */

void picture_take(const struct tree *t, struct picture *out) {
    uint32_t count = tree_node_count(t->shape.leaf_count);
    *out = (struct picture){.node_count = count, .shape = t->shape};
    write_tree(t, &out->bytes);
    out->hashes = malloc((size_t)count * t->hash_len + 1);
    out->flags = malloc(count + 1);
    assert_true(out->hashes != NULL && out->flags != NULL);
    for (uint32_t node = 0; node < count; node++) {
        out->flags[node] = t->nodes[node].flags;
        memcpy(out->hashes + (size_t)node * t->hash_len, tree_cached_hash(t, node), t->hash_len);
    }
    out->member_count = t->member_count;
    out->unverified = t->unverified;
    out->key_count = t->keys.count;
    memcpy(out->duplicates, t->keys.duplicates, sizeof out->duplicates);
    memcpy(out->private_keys, t->private_keys, sizeof out->private_keys);
}

void picture_free(struct picture *p) {
    mls_buf_free(&p->bytes);
    free(p->hashes);
    free(p->flags);
    secure_wipe(p, sizeof *p);
}

void assert_picture(const struct tree *t, const struct picture *p) {
    struct mls_buf bytes;
    write_tree(t, &bytes);
    assert_true(span_equal(mls_buf_span(&bytes), mls_buf_span(&p->bytes)));
    mls_buf_free(&bytes);
    assert_int_equal(t->shape.leaf_count, p->shape.leaf_count);
    assert_int_equal(t->shape.rightmost, p->shape.rightmost);
    assert_int_equal(t->shape.own_leaf, p->shape.own_leaf);
    assert_int_equal(t->shape.blank_from, p->shape.blank_from);
    for (uint32_t node = 0; node < p->node_count; node++) {
        /* a hash that was not valid before may have been computed meanwhile: assert_tree_sound looks at those */
        assert_true((t->nodes[node].flags | NODE_DIRTY) == (p->flags[node] | NODE_DIRTY));
        assert_true((t->nodes[node].flags & NODE_DIRTY) <= (p->flags[node] & NODE_DIRTY));
        if ((p->flags[node] & NODE_DIRTY) == 0)
            assert_memory_equal(tree_cached_hash(t, node), p->hashes + (size_t)node * t->hash_len, t->hash_len);
        struct span key = tree_node_key(t, node);
        if (key.len > 0)
            assert_true(tree_has_encryption_key(t, key));
    }
    assert_int_equal(t->member_count, p->member_count);
    assert_int_equal(t->unverified, p->unverified);
    assert_int_equal(t->keys.count, p->key_count);
    assert_memory_equal(t->keys.duplicates, p->duplicates, sizeof p->duplicates);
    for (uint32_t level = 0; level < TREE_LEVELS_MAX; level++)
        assert_true(span_equal(secret_span(&t->private_keys[level]), secret_span(&p->private_keys[level])));
}

/* ---- edits ---- */

void replace_member(struct world *w, struct tree *t, uint32_t leaf) {
    struct made_leaf made;
    make_leaf(w, &(struct leaf_wish){.cheap = true, .source = MLS_LEAF_UPDATE}, &made);
    assert_int_equal(tree_update(t, leaf, mls_buf_span(&made.encoding)), MLS_OK);
    made_leaf_free(&made);
}

uint32_t random_member(struct world *w, const struct tree *t) {
    uint32_t leaf = tree_next_member(t, (uint32_t)rng_below(&w->rng, tree_leaf_count(t)));
    return leaf != TREE_NONE ? leaf : tree_next_member(t, 0);
}

void send_path(struct world *w, struct tree *t, uint32_t leaf) {
    struct filtered_path f;
    struct mls_hash hash = {.len = 0};
    uint8_t key[KEM_PUBLIC_LEN_MAX];
    tree_filtered_path(t, leaf, &f);
    assert_int_equal(tree_blank_direct_path(t, leaf), MLS_OK);
    for (uint32_t i = f.count; i > 0; i--) {
        struct parent_content *p;
        rng_fill(&w->rng, key, t->key_len);
        key[t->key_len - 1] &= 0x3f; /* below p of X25519 */
        assert_int_equal(parent_content_make(t, span_of(key, t->key_len), mls_hash_span(&hash), 0, &p), MLS_OK);
        assert_int_equal(tree_set_content(t, f.nodes[i - 1], p), MLS_OK);
        assert_int_equal(
            tree_parent_hash(t, parent_key(p), parent_hash_field(p), f.siblings[i - 1], span_of(NULL, 0), hash.bytes),
            MLS_OK);
        hash.len = (uint8_t)t->hash_len;
    }
    struct made_leaf made;
    struct leaf_content *content;
    make_leaf(w, &(struct leaf_wish){.cheap = true, .source = MLS_LEAF_COMMIT, .parent_hash = mls_hash_span(&hash)},
              &made);
    assert_int_equal(leaf_content_make(t, mls_buf_span(&made.encoding), &content), MLS_OK);
    assert_int_equal(tree_set_content(t, 2 * leaf, content), MLS_OK);
    made_leaf_free(&made);
}

void random_commit(struct world *w, struct tree *t, uint32_t target) {
    uint32_t members = tree_member_count(t);
    for (uint64_t n = rng_below(&w->rng, 3); members > 0 && n > 0; n--)
        replace_member(w, t, random_member(w, t));
    uint64_t removals = rng_below(&w->rng, members > target ? 12 : 3);
    for (; tree_member_count(t) > 0 && removals > 0; removals--)
        assert_int_equal(tree_remove(t, random_member(w, t)), MLS_OK);
    uint64_t adds = rng_below(&w->rng, tree_member_count(t) < target ? 12 : 3);
    for (; adds > 0; adds--)
        (void)add_member(w, t);
    if (tree_member_count(t) > 0 && rng_below(&w->rng, 2) == 0)
        send_path(w, t, random_member(w, t));
    assert_int_equal(tree_check(t), MLS_OK);
}
