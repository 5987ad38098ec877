/* Joining by Welcome, and what joiners refuse of it (RFC 9420 section 12.4.3.1); leaf signatures that are checked
 * later; key packages of one's own. */
#include "unit.h"

#include "base/assert.h"
#include "e2ee/mls_group.h"
#include "group_world.h"

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

/* ---- a Welcome made by hand: a member can put anything into one, under its real signature ---- */

struct forged {
    struct peer *host, *joiner;
    uint16_t suite; /* of the Welcome */
    struct span ref;
    struct secret joiner_secret;
    struct span joiner_secret_bytes; /* what is sent; normally of the above */
    struct secret psk_secret;
    struct mls_buf psks;
    uint32_t psk_count;
    struct mls_group_context context;
    struct mls_buf tree;
    bool without_tree, bad_tag, bad_signature, bad_ciphertext;
    uint32_t signer;
    struct mls_hash own_ref;
    uint8_t tree_hash[HASH_LEN_MAX];
};

/* The host has added the joiner; the forgery starts from what would be true of its group. */
static void forged_init(struct forged *f, struct peer *host, struct peer *joiner) {
    const struct mls_group *g = host->group;
    *f = (struct forged){.host = host, .joiner = joiner, .suite = SUITE, .context = g->epoch.parsed};
    f->own_ref = peer_package_ref(joiner);
    f->ref = mls_hash_span(&f->own_ref);
    f->signer = g->own_leaf;
    mls_random_secret(&g->crypto, &host->world->rng, &f->joiner_secret);
    f->joiner_secret_bytes = secret_span(&f->joiner_secret);
    mls_zero_secret(&g->crypto, &f->psk_secret);
    mls_buf_init(&f->tree, MLS_TREE_LEN_MAX);
    mls_buf_init(&f->psks, 1000);
    assert_int_equal(tree_write(g->tree, &f->tree), MLS_OK);
}

static void forged_free(struct forged *f) {
    mls_buf_free(&f->tree);
    mls_buf_free(&f->psks);
}

/* Hash of the forged tree, as its context has to say. */
static void forged_rehash(struct forged *f) {
    const struct mls_group *g = f->host->group;
    struct tree *t = NULL;
    assert_int_equal(tree_read(&g->crypto, MLS_MEMBERS_MAX, &f->host->world->rng, mls_buf_span(&f->tree), &t), MLS_OK);
    assert_int_equal(tree_hash(t, f->tree_hash), MLS_OK);
    f->context.tree_hash = span_of(f->tree_hash, g->crypto.suite->hash_len);
    tree_free(t);
}

static void forged_info(const struct forged *f, const struct secret *member, struct mls_buf *out) {
    const struct mls_crypto *c = &f->host->group->crypto;
    struct mls_epoch_secrets secrets;
    struct mls_buf context, extensions;
    struct mls_hash tag;
    mls_buf_init(&context, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&extensions, MLS_MESSAGE_LEN_MAX);
    mls_group_context_write(&context, &f->context);
    assert_int_equal(mls_epoch_derive(c, member, mls_buf_span(&context), &secrets), MLS_OK);
    assert_int_equal(mls_confirmation_tag(c, &secrets.confirmation_key, f->context.confirmed_transcript_hash, &tag),
                     MLS_OK);
    tag.bytes[0] ^= f->bad_tag;
    if (!f->without_tree)
        mls_extensions_add(&extensions, MLS_EXTENSION_RATCHET_TREE, mls_buf_span(&f->tree));
    struct mls_group_info info = {.group_context = f->context,
                                  .extensions = {.bytes = mls_buf_span(&extensions), .count = !f->without_tree},
                                  .confirmation_tag = mls_hash_span(&tag),
                                  .signer = f->signer};
    assert_int_equal(mls_group_info_sign(c, &info, &f->host->signature_key, out), MLS_OK);
    out->w.data[out->w.len - 1] ^= f->bad_signature;
    mls_buf_free(&context);
    mls_buf_free(&extensions);
}

static void forged_welcome(const struct forged *f, struct mls_buf *out) {
    const struct mls_crypto *c = &f->host->group->crypto;
    struct secret member, welcome;
    struct mls_buf info, sealed, plain;
    mls_buf_init(&info, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&sealed, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&plain, MLS_MESSAGE_LEN_MAX);
    assert_int_equal(mls_member_secret(c, &f->joiner_secret, &f->psk_secret, &member), MLS_OK);
    assert_int_equal(mls_welcome_secret(c, &member, &welcome), MLS_OK);
    forged_info(f, &member, &info);
    assert_int_equal(mls_group_info_seal(c, &welcome, mls_buf_span(&info), &sealed), MLS_OK);
    struct mls_group_secrets secrets = {.joiner_secret = f->joiner_secret_bytes,
                                        .psks = {.bytes = mls_buf_span(&f->psks), .count = f->psk_count}};
    mls_group_secrets_write(&plain, &secrets);
    struct mls_message package;
    assert_int_equal(mls_message_parse(mls_buf_span(&f->joiner->key_package), &package), MLS_OK);
    mls_wr_u16(empty(out), MLS_VERSION_10);
    mls_wr_u16(out, MLS_WIRE_WELCOME);
    mls_wr_u16(out, f->suite);
    size_t list = mls_wr_vec_begin(out);
    mls_wr_vec(out, f->ref);
    assert_int_equal(mls_encrypt_with_label(c, package.key_package.init_key, "Welcome", mls_buf_span(&sealed),
                                            mls_buf_span(&plain), &f->host->world->rng, out, MLS_CRYPTO_FAILED),
                     MLS_OK);
    out->w.data[out->w.len - 1] ^= f->bad_ciphertext;
    mls_wr_vec_end(out, list);
    mls_wr_vec(out, mls_buf_span(&sealed));
    mls_buf_free(&info);
    mls_buf_free(&sealed);
    mls_buf_free(&plain);
}

static void joiner_refuses(struct peer *joiner, struct span welcome, enum mls_status reason) {
    struct mls_group *g = NULL;
    enum mls_status status = mls_join(joiner->client, NULL, welcome, NULL, WORLD_NOW, &joiner->world->rng, &g);
    if (status != reason)
        print_message("%s, not %s\n", mls_status_name(status), mls_status_name(reason));
    assert_int_equal(status, reason);
    assert_null(g);
}

static void forged_refused(struct forged *f, enum mls_status reason) {
    forged_welcome(f, &f->host->world->welcome);
    joiner_refuses(f->joiner, mls_buf_span(&f->host->world->welcome), reason);
}

/* Three members with a filled tree, and a joiner that m0 has added without path, together with another one: the leaves
 * of those two are under no parent hash. */
static struct peer *added(struct world *w, struct mls_buf *good_welcome) {
    world_init(w, SUITE);
    world_grow(w, 3);
    for (uint32_t i = 0; i < 3; i++)
        peer_commit(&w->peers[i], NULL);
    struct peer *joiner = world_peer(w, "joiner");
    assert_int_equal(mls_propose_write_add(peer_package(joiner), empty(&w->proposals)), MLS_OK);
    assert_int_equal(mls_propose_write_add(peer_package(world_peer(w, "other")), &w->proposals), MLS_OK);
    struct mls_commit_options o = {.proposals = mls_buf_span(&w->proposals), .no_path = true, .tree_in_welcome = true};
    assert_int_equal(peer_try_commit(&w->peers[0], &o), MLS_OK);
    world_deliver_commit(&w->peers[0]);
    mls_buf_init(good_welcome, MLS_MESSAGE_LEN_MAX);
    mls_wr_span(good_welcome, mls_buf_span(&w->welcome));
    return joiner;
}

static void a_welcome_that_breaks_a_rule_is_refused_and_the_right_one_still_joins(void **state) {
    (void)state;
    struct world w;
    struct mls_buf good;
    struct forged f;
    struct peer *joiner = added(&w, &good);
#define FORGED(reason, ...)                                                                                            \
    do {                                                                                                               \
        forged_init(&f, &w.peers[0], joiner);                                                                          \
        __VA_ARGS__;                                                                                                   \
        forged_refused(&f, reason);                                                                                    \
        forged_free(&f);                                                                                               \
    } while (0)
    FORGED(MLS_WELCOME_NOT_FOR_US, f.ref = span_str("another"));
    FORGED(MLS_WELCOME_SUITE, f.suite = MLS_SUITE_X25519_CHACHA20POLY1305_SHA256_ED25519);
    FORGED(MLS_WELCOME_SECRETS_INVALID, f.bad_ciphertext = true);
    FORGED(MLS_WELCOME_SECRETS_INVALID, f.joiner_secret_bytes.len--);
    FORGED(MLS_WELCOME_INFO_INVALID, f.joiner_secret_bytes = span_str("0123456789abcdef0123456789abcdef"));
    FORGED(MLS_WELCOME_SUITE, f.context.cipher_suite = MLS_SUITE_X25519_CHACHA20POLY1305_SHA256_ED25519);
    FORGED(MLS_WELCOME_TREE_MISSING, f.without_tree = true);
    FORGED(MLS_TREE_HASH_WRONG, f.context.tree_hash = span_str("0123456789abcdef0123456789abcdef"));
    FORGED(MLS_GROUP_INFO_SIGNER_BLANK, f.signer = 7);
    FORGED(MLS_GROUP_INFO_SIGNATURE_INVALID, f.signer = 1);
    FORGED(MLS_GROUP_INFO_SIGNATURE_INVALID, f.bad_signature = true);
    FORGED(MLS_CONFIRMATION_TAG_INVALID, f.bad_tag = true);
    static const uint8_t unknown[] = {0xf7, 0x77, 0}, misplaced[] = {0, 2, 0};
    FORGED(MLS_LEAF_LACKS_EXTENSION,
           f.context.extensions = ((struct mls_list){.bytes = span_of(unknown, sizeof unknown), .count = 1}));
    FORGED(MLS_EXTENSION_MISPLACED,
           f.context.extensions = ((struct mls_list){.bytes = span_of(misplaced, sizeof misplaced), .count = 1}));
    /* all of it right: a member can even invite into an epoch that nobody else is in */
    forged_init(&f, &w.peers[0], joiner);
    forged_welcome(&f, &w.welcome);
    struct peer *twin = world_peer(&w, "twin");
    joiner_refuses(twin, mls_buf_span(&w.welcome), MLS_WELCOME_NOT_FOR_US);
    forged_free(&f);
    mls_buf_clear(&w.welcome);
    mls_wr_span(&w.welcome, mls_buf_span(&good));
    peer_join(joiner);
    world_check(&w);
    /* the key package is used up, and the group is there already */
    joiner_refuses(joiner, mls_buf_span(&good), MLS_WELCOME_NOT_FOR_US);
    mls_buf_free(&good);
    world_free(&w);
}

static void psks_of_a_welcome_are_checked(void **state) {
    (void)state;
    struct world w;
    struct mls_buf good;
    struct forged f;
    struct peer *joiner = added(&w, &good);
    struct mls_psk_id id = {
        .type = MLS_PSK_EXTERNAL, .id = span_str("k"), .nonce = span_str("0123456789abcdef0123456789abcdef")};
    FORGED(MLS_PSK_UNKNOWN, mls_psk_id_write(&f.psks, &id), f.psk_count = 1);
    id.nonce.len--;
    FORGED(MLS_PSK_NONCE_LENGTH, mls_psk_id_write(&f.psks, &id), f.psk_count = 1);
    id.nonce.len++;
    /* a known one makes other secrets */
    assert_int_equal(mls_psk_add(joiner->client, span_str("k"), span_str("v")), MLS_OK);
    FORGED(MLS_WELCOME_INFO_INVALID, mls_psk_id_write(&f.psks, &id), f.psk_count = 1);
    /* links to a group that the joiner is in */
    struct mls_group *other = NULL;
    assert_int_equal(
        mls_group_create(joiner->client, &joiner->identity, NULL, span_str("other"), none(), WORLD_NOW, &w.rng, &other),
        MLS_OK);
    struct mls_psk_id link = {
        .type = MLS_PSK_RESUMPTION, .usage = MLS_PSK_USAGE_BRANCH, .id = span_str("other"), .nonce = id.nonce};
    FORGED(MLS_WELCOME_PSKS_MIXED, mls_psk_id_write(&f.psks, &link), mls_psk_id_write(&f.psks, &link), f.psk_count = 2);
    for (int usage = MLS_PSK_USAGE_REINIT; usage <= MLS_PSK_USAGE_BRANCH; usage++) {
        static const enum mls_status reasons[] = {MLS_WELCOME_REINIT_MISMATCH, MLS_WELCOME_BRANCH_MISMATCH};
        struct mls_buf encoded;
        link.usage = (uint8_t)usage;
        mls_buf_init(&encoded, 1000);
        mls_psk_id_write(&encoded, &link);
        for (int first_epoch = 0; first_epoch < 2; first_epoch++) {
            forged_init(&f, &w.peers[0], joiner);
            mls_psk_id_write(&f.psks, &link);
            f.psk_count = 1;
            assert_int_equal(mls_psk_secret_add(&w.peers[0].group->crypto, &f.psk_secret, mls_buf_span(&encoded),
                                                secret_span(&other->epoch.secrets.resumption_psk), 0, 1),
                             MLS_OK);
            if (first_epoch == 1)
                f.context.epoch = 1;
            /* no reinitialisation was announced; the members are not those of the other group */
            forged_refused(&f, first_epoch == 1 ? reasons[usage - MLS_PSK_USAGE_REINIT] : MLS_WELCOME_EPOCH);
            forged_free(&f);
        }
        mls_buf_free(&encoded);
    }
    mls_group_free(other);
    mls_buf_free(&good);
    world_free(&w);
}

static void a_joiner_with_a_clock_wants_leaves_that_are_in_their_time(void **state) {
    (void)state;
    struct world w;
    struct mls_buf good;
    struct peer *joiner = added(&w, &good);
    struct mls_group *g = NULL;
    assert_int_equal(
        mls_join(joiner->client, NULL, mls_buf_span(&good), NULL, WORLD_NOW + 2 * MLS_LIFETIME_DEFAULT_S, &w.rng, &g),
        MLS_LEAF_LIFETIME);
    assert_int_equal(mls_join(joiner->client, NULL, mls_buf_span(&good), NULL, 0, &w.rng, &g), MLS_OK);
    mls_group_free(g);
    mls_buf_free(&good);
    world_free(&w);
}

static void a_group_id_is_unique_among_open_groups(void **state) {
    (void)state;
    struct world w;
    struct mls_buf good;
    struct peer *joiner = added(&w, &good);
    struct mls_group *other = NULL, *again = NULL;
    assert_int_equal(mls_group_create(joiner->client, &joiner->identity, NULL, span_str("the group"), none(), WORLD_NOW,
                                      &w.rng, &other),
                     MLS_OK);
    assert_int_equal(mls_group_create(joiner->client, &joiner->identity, NULL, span_str("the group"), none(), WORLD_NOW,
                                      &w.rng, &again),
                     MLS_GROUP_ID_IN_USE);
    joiner_refuses(joiner, mls_buf_span(&good), MLS_GROUP_ID_IN_USE);
    mls_group_free(other);
    mls_buf_clear(&w.welcome);
    mls_wr_span(&w.welcome, mls_buf_span(&good));
    peer_join(joiner);
    world_check(&w);
    mls_buf_free(&good);
    world_free(&w);
}

/* Where some bytes are in others. */
static uint8_t *find(struct mls_buf *in, struct span what) {
    for (size_t i = 0; i + what.len <= in->w.len; i++) {
        if (memcmp(in->w.data + i, what.data, what.len) == 0)
            return in->w.data + i;
    }
    fail();
    return NULL;
}

static void trees_that_were_tampered_with_are_refused(void **state) {
    (void)state;
    struct world w;
    struct mls_buf good;
    struct forged f;
    struct peer *joiner = added(&w, &good);
    const struct tree *t = w.peers[0].group->tree;
    struct mls_buf first;
    mls_buf_init(&first, MLS_MESSAGE_LEN_MAX);
    mls_wr_span(&first, mls_buf_span(&joiner->key_package));
    /* a key of a parent that nobody chose */
    FORGED(MLS_PARENT_HASH_WRONG, find(&f.tree, tree_node_key(t, 1))[3] ^= 1, forged_rehash(&f));
    /* a key that two nodes have */
    FORGED(MLS_ENCRYPTION_KEY_DUPLICATE,
           memcpy(find(&f.tree, tree_leaf(t, 0)->encryption_key), tree_leaf(t, 1)->encryption_key.data, 32),
           forged_rehash(&f));
    /* the leaf of another key package of ours than the Welcome's */
    (void)peer_package(joiner);
    FORGED(MLS_WELCOME_NOT_IN_TREE, (void)0);
    struct mls_hash second = peer_package_ref(joiner);
    mls_key_package_remove(joiner->client, mls_hash_span(&second));
    mls_buf_clear(&joiner->key_package);
    mls_wr_span(&joiner->key_package, mls_buf_span(&first));
    mls_buf_free(&first);
    /* a forged leaf of another member: found at once, or when its turn comes */
    forged_init(&f, &w.peers[0], joiner);
    find(&f.tree, span_str("other"))[0] = 'O';
    forged_rehash(&f);
    forged_refused(&f, MLS_LEAF_SIGNATURE_INVALID);
    struct mls_join_options later = {.verify_later = true};
    assert_int_equal(
        mls_join(joiner->client, NULL, mls_buf_span(&w.welcome), &later, WORLD_NOW, &w.rng, &joiner->group), MLS_OK);
    assert_int_equal(mls_verify_some(joiner->group, 1000), MLS_LEAF_SIGNATURE_INVALID);
    assert_int_equal(mls_group_state(joiner->group), MLS_STATE_BROKEN);
    forged_free(&f);
    mls_buf_free(&good);
    world_free(&w);
}

/* ---- leaf signatures checked later ---- */

static void a_joiner_is_usable_before_all_leaves_are_verified(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 8);
    struct peer *joiner = world_peer(&w, "joiner");
    assert_int_equal(mls_propose_write_add(peer_package(joiner), empty(&w.proposals)), MLS_OK);
    struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals), .tree_in_welcome = true};
    assert_int_equal(peer_try_commit(&w.peers[0], &o), MLS_OK);
    world_deliver_commit(&w.peers[0]);
    struct mls_join_options join = {.verify_later = true};
    assert_int_equal(mls_join(joiner->client, NULL, mls_buf_span(&w.welcome), &join, WORLD_NOW, &w.rng, &joiner->group),
                     MLS_OK);
    world_check(&w);
    assert_int_equal(mls_verify_left(joiner->group), 7); /* all but itself and who invited it */
    struct mls_member member;
    assert_true(mls_member_at(joiner->group, mls_own_leaf(joiner->group), &member) && member.verified);
    assert_true(mls_member_at(joiner->group, 3, &member) && !member.verified);
    /* one is checked by somebody else */
    struct mls_check check;
    assert_int_equal(mls_verify_next(joiner->group, &check), MLS_OK);
    assert_int_equal(crypto_openssl.verify(check.algorithm, check.public_key, check.message, check.signature),
                     CRYPTO_OK);
    mls_verify_done(joiner->group, check.ticket, true);
    assert_int_equal(mls_verify_left(joiner->group), 6);
    /* a member commits meanwhile: its new leaf is verified with the commit */
    peer_commit(&w.peers[5], NULL);
    assert_true(mls_member_at(joiner->group, 5, &member) && member.verified);
    assert_int_equal(mls_verify_left(joiner->group), 5);
    /* the queue outlives a seal */
    struct mls_buf sealed;
    uint8_t key[MLS_SEAL_KEY_LEN] = {1};
    mls_buf_init(&sealed, MLS_TREE_LEN_MAX);
    assert_int_equal(mls_group_seal(joiner->group, span_of(key, sizeof key), &w.rng, &sealed), MLS_OK);
    peer_leave(joiner);
    assert_int_equal(
        mls_group_restore(joiner->client, span_of(key, sizeof key), mls_buf_span(&sealed), &w.rng, &joiner->group),
        MLS_OK);
    mls_buf_free(&sealed);
    assert_int_equal(mls_verify_left(joiner->group), 5);
    assert_int_equal(mls_verify_some(joiner->group, 2), MLS_OK);
    assert_int_equal(mls_verify_left(joiner->group), 3);
    assert_int_equal(mls_verify_some(joiner->group, 1000), MLS_OK);
    assert_int_equal(mls_verify_left(joiner->group), 0);
    assert_int_equal(mls_verify_next(joiner->group, &check), MLS_END);
    world_check(&w);
    world_free(&w);
}

static void a_bad_leaf_signature_breaks_the_group_and_wipes_it(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 4);
    struct peer *joiner = world_peer(&w, "joiner");
    assert_int_equal(mls_propose_write_add(peer_package(joiner), empty(&w.proposals)), MLS_OK);
    struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals), .tree_in_welcome = true};
    assert_int_equal(peer_try_commit(&w.peers[0], &o), MLS_OK);
    world_deliver_commit(&w.peers[0]);
    struct mls_join_options join = {.verify_later = true};
    assert_int_equal(mls_join(joiner->client, NULL, mls_buf_span(&w.welcome), &join, WORLD_NOW, &w.rng, &joiner->group),
                     MLS_OK);
    assert_int_equal(mls_commit(joiner->group, NULL, WORLD_NOW, &w.rng, empty(&w.commit), NULL, NULL), MLS_OK);
    struct mls_check check;
    assert_int_equal(mls_verify_next(joiner->group, &check), MLS_OK);
    mls_verify_done(joiner->group, check.ticket, false);
    assert_int_equal(mls_group_state(joiner->group), MLS_STATE_BROKEN);
    assert_int_equal(mls_group_broken_by(joiner->group), MLS_LEAF_SIGNATURE_INVALID);
    assert_true(span_equal_str(mls_group_id(joiner->group), "the group"));
    struct mls_received got;
    assert_int_equal(mls_process(joiner->group, mls_buf_span(&w.commit), WORLD_NOW, &got), MLS_GROUP_BROKEN);
    assert_int_equal(mls_protect(joiner->group, span_str("x"), none(), &w.rng, &w.message), MLS_GROUP_BROKEN);
    assert_int_equal(mls_commit_confirm(joiner->group), MLS_NOTHING_PENDING);
    assert_int_equal(mls_member_count(joiner->group), 0);
    assert_int_equal(mls_epoch_authenticator(joiner->group).len, 0);
    world_free(&w);
}

/* ---- key packages of one's own ---- */

static void key_packages_are_kept_used_and_bounded(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    struct peer *p = world_peer(&w, "p");
    for (int i = 0; i < MLS_KEY_PACKAGES_MAX; i++)
        (void)peer_package(p);
    assert_int_equal(mls_key_package_create(p->client, &p->identity, NULL, WORLD_NOW, &w.rng, empty(&w.message)),
                     MLS_KEY_PACKAGES_TOO_MANY);
    assert_int_equal(mls_buf_len(&w.message), 0);
    struct mls_hash ref = peer_package_ref(p);
    mls_key_package_remove(p->client, mls_hash_span(&ref));
    mls_key_package_remove(p->client, mls_hash_span(&ref));
    (void)peer_package(p);
    /* a last resort stays after its use */
    struct peer *q = world_peer(&w, "q");
    struct mls_key_package_options keep = {.keep = true};
    assert_int_equal(mls_key_package_create(q->client, &q->identity, &keep, WORLD_NOW, &w.rng, &q->key_package),
                     MLS_OK);
    world_found(p);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mls_propose_write_add(mls_buf_span(&q->key_package), empty(&w.proposals)), MLS_OK);
        peer_commit_values(p, mls_buf_span(&w.proposals));
        assert_non_null(q->group);
        world_check(&w);
        peer_remove(p, mls_own_leaf(q->group));
        peer_leave(q);
    }
    /* a lifetime that is over is not even made */
    struct mls_key_package_options old = {.not_before_s = 1, .not_after_s = 2};
    assert_int_equal(mls_key_package_create(q->client, &q->identity, &old, WORLD_NOW, &w.rng, empty(&w.message)),
                     MLS_LEAF_LIFETIME);
    world_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_welcome_that_breaks_a_rule_is_refused_and_the_right_one_still_joins),
        cmocka_unit_test(psks_of_a_welcome_are_checked),
        cmocka_unit_test(a_joiner_with_a_clock_wants_leaves_that_are_in_their_time),
        cmocka_unit_test(a_group_id_is_unique_among_open_groups),
        cmocka_unit_test(trees_that_were_tampered_with_are_refused),
        cmocka_unit_test(a_joiner_is_usable_before_all_leaves_are_verified),
        cmocka_unit_test(a_bad_leaf_signature_breaks_the_group_and_wipes_it),
        cmocka_unit_test(key_packages_are_kept_used_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
