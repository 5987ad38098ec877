/* Memory runs out at every allocation in turn: the tree answers so, and is as it was. Every call of our own code to the
 * allocator ends here: the linker is told so (--wrap). */
#include "unit.h"

#include "base/assert.h"
#include "e2ee/mls_limits.h"
#include "tree_world.h"

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

static uint64_t left = UINT64_MAX; /* allocations that still succeed */
static uint64_t live;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void __wrap_free(void *memory);

static bool may_allocate(void) {
    if (left == 0)
        return false;
    left -= left != UINT64_MAX;
    return true;
}

void *__wrap_malloc(size_t size) {
    void *memory = may_allocate() ? __real_malloc(size) : NULL;
    live += memory != NULL;
    return memory;
}

void *__wrap_calloc(size_t count, size_t size) {
    void *memory = may_allocate() ? __real_calloc(count, size) : NULL;
    live += memory != NULL;
    return memory;
}

void __wrap_free(void *memory) {
    live -= memory != NULL;
    __real_free(memory);
}

/* A commit with all kinds of edits, as its sender and as a receiver does it. */
struct scene {
    struct world w;
    struct tree *sender, *receiver;
    struct made_leaf update, adds[4], sender_leaf;
    struct mls_buf path, bytes, private_keys;
    uint8_t tree_hash[HASH_LEN_MAX];
    struct secret joiner_key;
};

static enum mls_status edits(struct scene *s, struct tree *t) {
    uint32_t leaf;
    enum mls_status status = tree_update(t, 3, mls_buf_span(&s->update.encoding));
    if (status == MLS_OK)
        status = tree_remove(t, 5);
    for (int i = 0; i < 4 && status == MLS_OK; i++)
        status = tree_add(t, mls_buf_span(&s->adds[i].encoding), &leaf);
    return status;
}

/* With everything drawn from the same seed the leaf that was made once fits each time. */
static enum mls_status send_into(struct scene *s, bool with_edits, uint64_t seed, bool first, struct mls_buf *out) {
    struct tree *t = s->sender;
    struct rng rng = rng_seeded(seed);
    struct tree_path *path = NULL;
    enum mls_status status = with_edits ? edits(s, t) : MLS_OK;
    if (status == MLS_OK)
        status = tree_path_create(t, 0, &rng, &path);
    if (status == MLS_OK && first)
        make_leaf(&s->w,
                  &(struct leaf_wish){.source = MLS_LEAF_COMMIT,
                                      .encryption_key = tree_path_leaf_key(path),
                                      .parent_hash = tree_path_parent_hash(path)},
                  &s->sender_leaf);
    if (status == MLS_OK)
        status = tree_path_finish(t, path, mls_buf_span(&s->sender_leaf.encoding));
    if (status == MLS_OK)
        status = tree_hash(t, s->tree_hash);
    if (status == MLS_OK)
        status = tree_path_encrypt(t, path, span_of(s->tree_hash, 32), &rng, out);
    tree_path_free(path);
    return status;
}

static enum mls_status do_send(struct scene *s) {
    struct mls_buf out;
    mls_buf_init(&out, MLS_MESSAGE_LEN_MAX);
    enum mls_status status = tree_begin(s->sender);
    if (status == MLS_OK) {
        status = send_into(s, true, 78, false, &out);
        tree_rollback(s->sender);
    }
    mls_buf_free(&out);
    return status;
}

static enum mls_status receive_into(struct scene *s, bool with_edits) {
    struct mls_update_path path;
    struct secret commit_secret = {0};
    uint8_t hash[HASH_LEN_MAX];
    assert_int_equal(mls_update_path_parse(mls_buf_span(&s->path), &path), MLS_OK);
    enum mls_status status = with_edits ? edits(s, s->receiver) : MLS_OK;
    if (status == MLS_OK)
        status = tree_path_merge(s->receiver, 0, &path);
    if (status == MLS_OK)
        status = tree_hash(s->receiver, hash);
    if (status == MLS_OK)
        status = tree_path_open(s->receiver, 0, &path, span_of(hash, 32), NULL, &commit_secret);
    assert_int_equal(commit_secret.len != 0, status == MLS_OK);
    return status;
}

static enum mls_status do_receive(struct scene *s) {
    enum mls_status status = tree_begin(s->receiver);
    if (status != MLS_OK)
        return status;
    status = receive_into(s, true);
    tree_rollback(s->receiver);
    return status;
}

/* 16 leaves full, so that the next add doubles the tree. */
static enum mls_status do_extend(struct scene *s) {
    uint32_t leaf;
    enum mls_status status = tree_begin(s->receiver);
    if (status != MLS_OK)
        return status;
    for (int i = 0; i < 4 && status == MLS_OK; i++)
        status = tree_add(s->receiver, mls_buf_span(&s->adds[i].encoding), &leaf);
    for (uint32_t i = 16; i > 9 && status == MLS_OK; i--)
        status = tree_remove(s->receiver, i - 1);
    if (status != MLS_OK) {
        tree_rollback(s->receiver);
        return status;
    }
    struct tree_change *change = tree_detach(s->receiver); /* never allocates */
    tree_change_free(change);
    return MLS_OK;
}

static enum mls_status do_join(struct scene *s) {
    struct tree *t = NULL;
    uint8_t hash[HASH_LEN_MAX];
    struct mls_buf again;
    mls_buf_init(&again, MLS_TREE_LEN_MAX);
    enum mls_status status = tree_read(&s->w.crypto, 64, &s->w.rng, mls_buf_span(&s->bytes), &t);
    if (status == MLS_OK)
        status = tree_hash(t, hash);
    if (status == MLS_OK)
        status = tree_validate(t);
    if (status == MLS_OK)
        status = tree_write(t, &again);
    if (status == MLS_OK) {
        struct mls_reader r = mls_reader_of(mls_buf_span(&s->private_keys));
        status = tree_private_read(t, &r);
    }
    mls_buf_free(&again);
    tree_free(t);
    return status;
}

static void scene_make(struct scene *s) {
    *s = (struct scene){0};
    world_init(&s->w, SUITE, 1);
    struct made_leaf leaf[16];
    uint32_t place;
    for (int view = 0; view < 2; view++) {
        struct tree **t = view == 0 ? &s->sender : &s->receiver;
        assert_int_equal(tree_create(&s->w.crypto, 64, &s->w.rng, t), MLS_OK);
        assert_int_equal(tree_begin(*t), MLS_OK);
        for (int i = 0; i < 16; i++) {
            if (view == 0)
                make_leaf(&s->w, &(struct leaf_wish){0}, &leaf[i]);
            assert_int_equal(tree_add(*t, mls_buf_span(&leaf[i].encoding), &place), MLS_OK);
        }
        uint32_t own = view == 0 ? 0 : 9;
        assert_int_equal(tree_set_own(*t, own, &leaf[own].private_key), MLS_OK);
        tree_keep(*t);
    }
    for (int i = 0; i < 16; i++)
        made_leaf_free(&leaf[i]);
    make_leaf(&s->w, &(struct leaf_wish){.source = MLS_LEAF_UPDATE}, &s->update);
    for (int i = 0; i < 4; i++)
        make_leaf(&s->w, &(struct leaf_wish){0}, &s->adds[i]);
    /* first a path alone, so that there are filled parents and private keys; then the commit that the tests repeat */
    for (int round = 0; round < 2; round++) {
        mls_buf_free(&s->path);
        mls_buf_init(&s->path, MLS_MESSAGE_LEN_MAX);
        made_leaf_free(&s->sender_leaf);
        assert_int_equal(tree_begin(s->sender), MLS_OK);
        assert_int_equal(send_into(s, round == 1, 77 + (uint64_t)round, true, &s->path), MLS_OK);
        if (round == 1) {
            tree_rollback(s->sender);
            break;
        }
        tree_keep(s->sender);
        assert_int_equal(tree_begin(s->receiver), MLS_OK);
        assert_int_equal(receive_into(s, false), MLS_OK);
        tree_keep(s->receiver);
    }
    write_tree(s->receiver, &s->bytes);
    mls_buf_init(&s->private_keys, 4096);
    assert_int_equal(tree_private_write(s->receiver, &s->private_keys), MLS_OK);
}

static void scene_free(struct scene *s) {
    tree_free(s->sender);
    tree_free(s->receiver);
    made_leaf_free(&s->update);
    made_leaf_free(&s->sender_leaf);
    for (int i = 0; i < 4; i++)
        made_leaf_free(&s->adds[i]);
    mls_buf_free(&s->path);
    mls_buf_free(&s->bytes);
    mls_buf_free(&s->private_keys);
}

/* Lets `act` fail at its first allocation, its second, and so on, until it has enough. */
static void fail_everywhere(enum mls_status (*act)(struct scene *s)) {
    struct scene s;
    scene_make(&s);
    uint64_t tries = 0;
    for (;; tries++) {
        /* a tree that has grown its tables once needs less: each try starts from a fresh copy of the scene */
        struct picture sender, receiver;
        picture_take(s.sender, &sender);
        picture_take(s.receiver, &receiver);
        uint64_t live_before = live;
        left = tries;
        enum mls_status status = act(&s);
        left = UINT64_MAX;
        assert_int_equal(live, live_before);
        assert_picture(s.sender, &sender);
        assert_picture(s.receiver, &receiver);
        picture_free(&sender);
        picture_free(&receiver);
        assert_tree_sound(&s.w, s.sender);
        assert_tree_sound(&s.w, s.receiver);
        if (status == MLS_OK)
            break;
        assert_int_equal(status, MLS_NO_MEMORY);
        scene_free(&s);
        scene_make(&s);
    }
    assert_true(tries > 5);
    assert_int_equal(act(&s), MLS_OK);
    scene_free(&s);
}

static void a_sender_without_memory_keeps_its_tree(void **state) {
    (void)state;
    fail_everywhere(do_send);
}

static void a_receiver_without_memory_keeps_its_tree(void **state) {
    (void)state;
    fail_everywhere(do_receive);
}

static void growing_and_shrinking_without_memory_keeps_the_tree(void **state) {
    (void)state;
    fail_everywhere(do_extend);
}

static void a_joiner_without_memory_leaves_nothing_behind(void **state) {
    (void)state;
    fail_everywhere(do_join);
}

static void a_tree_that_is_freed_has_freed_everything(void **state) {
    (void)state;
    uint64_t live_before = live;
    struct scene s;
    scene_make(&s);
    assert_int_equal(tree_begin(s.sender), MLS_OK);
    assert_int_equal(edits(&s, s.sender), MLS_OK);
    assert_int_equal(tree_remove(s.sender, 3), MLS_OK); /* what this change made goes in it, too */
    assert_int_equal(tree_remove(s.sender, 5), MLS_OK);
    scene_free(&s); /* with an open change */
    assert_int_equal(live, live_before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sender_without_memory_keeps_its_tree),
        cmocka_unit_test(a_receiver_without_memory_keeps_its_tree),
        cmocka_unit_test(growing_and_shrinking_without_memory_keeps_the_tree),
        cmocka_unit_test(a_joiner_without_memory_leaves_nothing_behind),
        cmocka_unit_test(a_tree_that_is_freed_has_freed_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
