/* Every rule that a proposal or commit can break is refused under its own name, and leaves the group as it was: RFC
 * 9420 sections 7.3, 10.1, 12.1. What honest members cannot make is forged with their keys. */
#include "unit.h"

#include "base/assert.h"
#include "e2ee/mls_group.h"
#include "group_world.h"

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

/* Bytes of a buffer since a place in it. */
static struct span since(const struct mls_buf *b, size_t start) {
    struct span all = mls_buf_span(b);
    return span_of(all.data + start, all.len - start);
}

/* ---- key packages and their leaves: sections 7.3, 10.1 ---- */

struct leaf_case {
    const char *what;
    forge_leaf *leaf;
    forge_package *package;
    enum mls_status reason;
};

static void key_of_zeros(struct mls_leaf_node *leaf, void *with) {
    static const uint8_t zeros[32];
    (void)with;
    leaf->encryption_key = span_of(zeros, 31);
}

static void long_signature_key(struct mls_leaf_node *leaf, void *with) {
    static const uint8_t key[40] = {1};
    (void)with;
    leaf->signature_key = span_of(key, sizeof key);
}

static void foreign_signature_key(struct mls_leaf_node *leaf, void *with) {
    leaf->signature_key = mls_buf_span(&((struct peer *)with)->signature_public);
}

static void no_version(struct mls_leaf_node *leaf, void *with) {
    (void)with;
    leaf->capabilities.versions = none();
}

static void no_credential_type(struct mls_leaf_node *leaf, void *with) {
    static const uint8_t x509[] = {0, 2};
    (void)with;
    leaf->capabilities.credentials = span_of(x509, sizeof x509);
}

static void unlisted_extension(struct mls_leaf_node *leaf, void *with) {
    static const uint8_t extension[] = {0xf7, 0x77, 0};
    (void)with;
    leaf->extensions = (struct mls_list){.bytes = span_of(extension, sizeof extension), .count = 1};
}

static void source_update(struct mls_leaf_node *leaf, void *with) {
    (void)with;
    leaf->source = MLS_LEAF_UPDATE;
}

static void over(struct mls_leaf_node *leaf, void *with) {
    (void)with;
    leaf->not_before = WORLD_NOW - 1000;
    leaf->not_after = WORLD_NOW - 1;
}

static void not_yet(struct mls_leaf_node *leaf, void *with) {
    (void)with;
    leaf->not_before = WORLD_NOW + 1;
    leaf->not_after = WORLD_NOW + 1000;
}

static void for_ever(struct mls_leaf_node *leaf, void *with) {
    (void)with;
    leaf->not_before = 0;
    leaf->not_after = UINT64_MAX;
}

/* After the leaf was signed. */
static void renamed_leaf(struct mls_key_package *package, void *with) {
    (void)with;
    package->leaf_node.credential.identity = span_str("x");
}

static void init_key_again(struct mls_key_package *package, void *with) {
    (void)with;
    package->init_key = package->leaf_node.encryption_key;
}

static void short_init_key(struct mls_key_package *package, void *with) {
    (void)with;
    package->init_key.len--;
}

static void other_suite(struct mls_key_package *package, void *with) {
    (void)with;
    package->cipher_suite = MLS_SUITE_P256_AES128GCM_SHA256_P256;
}

static const struct leaf_case leaf_cases[] = {
    {"encryption key of a wrong length", key_of_zeros, NULL, MLS_ENCRYPTION_KEY_INVALID},
    {"signature key of a wrong length", long_signature_key, NULL, MLS_SIGNATURE_KEY_INVALID},
    {"signature key of somebody else", foreign_signature_key, NULL, MLS_LEAF_SIGNATURE_INVALID},
    {"no protocol version", no_version, NULL, MLS_LEAF_VERSION_UNLISTED},
    {"own credential type not listed", no_credential_type, NULL, MLS_LEAF_CREDENTIAL_UNLISTED},
    {"extension not listed", unlisted_extension, NULL, MLS_LEAF_EXTENSION_UNLISTED},
    {"leaf of an Update", source_update, NULL, MLS_LEAF_SOURCE_WRONG},
    {"lifetime over", over, NULL, MLS_LEAF_LIFETIME},
    {"lifetime not begun", not_yet, NULL, MLS_LEAF_LIFETIME},
    {"lifetime for ever", for_ever, NULL, MLS_LEAF_LIFETIME_TOO_LONG},
    {"leaf changed after its signature", NULL, renamed_leaf, MLS_LEAF_SIGNATURE_INVALID},
    {"init key is the encryption key", NULL, init_key_again, MLS_KEY_PACKAGE_INIT_KEY_REUSED},
    {"init key is none", NULL, short_init_key, MLS_KEY_PACKAGE_INIT_KEY_INVALID},
    {"another suite", NULL, other_suite, MLS_KEY_PACKAGE_SUITE},
};

static void a_key_package_that_breaks_a_rule_is_not_added(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 3);
    struct peer *carol = world_peer(&w, "carol");
    for (size_t i = 0; i < ARRAY_LEN(leaf_cases); i++) {
        const struct leaf_case *c = &leaf_cases[i];
        print_message("%s\n", c->what);
        mls_wr_u16(empty(&w.proposals), MLS_PROPOSAL_ADD);
        forge_key_package(carol, c->leaf, c->package, &w.peers[1], &w.proposals);
        struct span proposal = mls_buf_span(&w.proposals);
        /* by reference, by value, and when making a commit oneself */
        forge_proposal(&w.peers[0], proposal, &w.message);
        peer_refuses(&w.peers[1], mls_buf_span(&w.message), c->reason);
        forge_commit_of(&w.peers[0], proposal, &w.message);
        peer_refuses(&w.peers[1], mls_buf_span(&w.message), c->reason);
        struct mls_commit_options o = {.proposals = proposal};
        peer_cannot_commit(&w.peers[2], &o, c->reason);
        /* a lobby sees it, too; but what suite the group has it cannot know, and it finds keys of another length */
        struct mls_key_package_info info;
        if (c->reason != MLS_KEY_PACKAGE_SUITE)
            assert_int_equal(mls_key_package_check(&crypto_openssl, since(&w.proposals, 2), WORLD_NOW, &info),
                             c->reason);
    }
    /* a signature that is none at all */
    mls_wr_u16(empty(&w.proposals), MLS_PROPOSAL_ADD);
    forge_key_package(carol, NULL, NULL, NULL, &w.proposals);
    w.proposals.w.data[w.proposals.w.len - 1] ^= 1;
    forge_commit_of(&w.peers[0], mls_buf_span(&w.proposals), &w.message);
    peer_refuses(&w.peers[1], mls_buf_span(&w.message), MLS_KEY_PACKAGE_SIGNATURE_INVALID);
    world_check(&w);
    world_free(&w);
}

/* RFC 7748 section 6.1, and numbers that are not reduced: p + 9, and the base point with the unused bit set. */
static const uint8_t bad_u[][32] = {
    {0},
    {1},
    {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
     0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
    {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
     0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
    {9, [31] = 0x80},
    {0xf6, [1 ... 30] = 0xff, [31] = 0x7f},
    {0xec, [1 ... 30] = 0xff, [31] = 0x7f},
};

/* The last 32 bytes of a key are X25519's, alone or as X-Wing's half; the first number of X-Wing's other half is 4095.
 */
#define BAD_KEYS (ARRAY_LEN(bad_u) + 1)
struct bad_key {
    uint8_t bytes[1216];
    size_t number;
    bool is_bad;
};

static struct span spoil(struct bad_key *bad, struct span key) {
    assert_true(key.len <= sizeof bad->bytes);
    memcpy(bad->bytes, key.data, key.len);
    bad->is_bad = bad->number < ARRAY_LEN(bad_u) || key.len > 32;
    if (bad->number < ARRAY_LEN(bad_u))
        memcpy(bad->bytes + key.len - 32, bad_u[bad->number], 32);
    else if (key.len > 32)
        bad->bytes[0] = bad->bytes[1] = 0xff;
    return span_of(bad->bytes, key.len);
}

static void bad_encryption_key(struct mls_leaf_node *leaf, void *with) {
    leaf->encryption_key = spoil(with, leaf->encryption_key);
}

static void bad_init_key(struct mls_key_package *package, void *with) {
    package->init_key = spoil(with, package->init_key);
}

/* A key that fails in encapsulation would stop whoever commits, the host who would remove its owner included. */
static void a_small_order_leaf_is_refused_and_never_blocks(void **state) {
    (void)state;
    static const uint16_t suites[] = {MLS_SUITE_X25519_AES128GCM_SHA256_ED25519,
                                      MLS_SUITE_XWING_AES256GCM_SHA384_ED25519};
    for (size_t s = 0; s < ARRAY_LEN(suites); s++) {
        struct world w;
        struct bad_key bad = {.number = 0};
        world_init(&w, suites[s]);
        world_grow(&w, 3);
        struct peer *carol = world_peer(&w, "carol");
        for (; bad.number < BAD_KEYS; bad.number++) {
            for (int init = 0; init < 2; init++) {
                mls_wr_u16(empty(&w.proposals), MLS_PROPOSAL_ADD);
                forge_key_package(carol, init ? NULL : bad_encryption_key, init ? bad_init_key : NULL, &bad,
                                  &w.proposals);
                if (!bad.is_bad)
                    continue; /* X25519 has no other half */
                enum mls_status reason = init ? MLS_KEY_PACKAGE_INIT_KEY_INVALID : MLS_ENCRYPTION_KEY_INVALID;
                forge_proposal(&w.peers[0], mls_buf_span(&w.proposals), &w.message);
                peer_refuses(&w.peers[1], mls_buf_span(&w.message), reason);
                forge_commit_of(&w.peers[0], mls_buf_span(&w.proposals), &w.message);
                peer_refuses(&w.peers[1], mls_buf_span(&w.message), reason);
                struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals)};
                peer_cannot_commit(&w.peers[2], &o, reason);
                struct mls_key_package_info info;
                assert_int_equal(mls_key_package_check(&crypto_openssl, since(&w.proposals, 2), WORLD_NOW, &info),
                                 reason);
            }
            forge_update(&w.peers[0], bad_encryption_key, &bad, empty(&w.proposals));
            forge_proposal(&w.peers[0], mls_buf_span(&w.proposals), &w.message);
            if (bad.is_bad)
                peer_refuses(&w.peers[1], mls_buf_span(&w.message), MLS_ENCRYPTION_KEY_INVALID);
        }
        peer_invite(&w.peers[1], carol);
        peer_remove(&w.peers[2], 0);
        world_check(&w);
        world_free(&w);
    }
}

/* Under such a key anybody can sign some messages (RFC 8032 has no rule against it). */
static void small_order_signature_key(struct mls_leaf_node *leaf, void *with) {
    (void)with;
    leaf->signature_key = span_of(bad_u[1], 32); /* y = 1: the neutral point */
}

static void a_leaf_whose_signatures_anybody_can_make_is_refused(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    struct peer *carol = world_peer(&w, "carol");
    mls_wr_u16(empty(&w.proposals), MLS_PROPOSAL_ADD);
    forge_key_package(carol, small_order_signature_key, NULL, NULL, &w.proposals);
    world_refuses(&w, mls_buf_span(&w.proposals), MLS_SIGNATURE_KEY_INVALID);
    world_free(&w);
}

static void lifetimes_are_let_be_without_a_clock(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    struct peer *carol = world_peer(&w, "carol");
    mls_wr_u16(empty(&w.proposals), MLS_PROPOSAL_ADD);
    forge_key_package(carol, for_ever, NULL, NULL, &w.proposals);
    struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals)};
    struct mls_received got;
    assert_int_equal(mls_commit(w.peers[0].group, &o, 0, &w.rng, empty(&w.commit), empty(&w.welcome), NULL), MLS_OK);
    peer_refuses(&w.peers[1], mls_buf_span(&w.commit), MLS_LEAF_LIFETIME_TOO_LONG);
    assert_int_equal(mls_process(w.peers[1].group, mls_buf_span(&w.commit), 0, &got), MLS_OK);
    world_free(&w);
}

static void a_leaf_must_support_what_the_group_needs(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    static const uint16_t known[] = {0xf001, 0xf002}, proposals[] = {0xf0f0}, credentials[] = {2};
    struct mls_buf extensions;
    mls_buf_init(&extensions, 1000);
    assert_int_equal(mls_extension_write(0xf001, span_str("policy"), &extensions), MLS_OK);
    assert_int_equal(mls_extension_write_required(&known[1], 1, proposals, 1, credentials, 1, &extensions), MLS_OK);
    w.context_extensions = mls_buf_span(&extensions);
    static const struct {
        size_t extensions, proposals, credentials;
        enum mls_status reason;
    } cases[] = {
        {0, 1, 1, MLS_LEAF_LACKS_EXTENSION},
        {1, 1, 1, MLS_LEAF_LACKS_REQUIRED},
        {2, 0, 1, MLS_LEAF_LACKS_REQUIRED},
        {2, 1, 0, MLS_LEAF_LACKS_REQUIRED},
        {2, 1, 1, MLS_OK},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer *p = world_peer(&w, "p");
        p->identity.extension_types = known;
        p->identity.extension_type_count = cases[i].extensions;
        p->identity.proposal_types = proposals;
        p->identity.proposal_type_count = cases[i].proposals;
        p->identity.credential_types = credentials;
        p->identity.credential_type_count = cases[i].credentials;
        /* the creator of a group is bound, too */
        assert_int_equal(mls_group_create(p->client, &p->identity, NULL, span_str("the group"), w.context_extensions,
                                          WORLD_NOW, &w.rng, &p->group),
                         cases[i].reason);
    }
    struct peer *a = &w.peers[4], *b = world_peer(&w, "b");
    b->identity = a->identity;
    b->identity.credential = mls_buf_span(&b->credential);
    b->identity.signature_key = &b->signature_key;
    peer_invite(a, b);
    for (size_t i = 0; i < 4; i++) {
        struct peer *p = &w.peers[i];
        assert_int_equal(mls_propose_write_add(peer_package(p), empty(&w.proposals)), MLS_OK);
        forge_commit_of(a, mls_buf_span(&w.proposals), &w.message);
        peer_refuses(b, mls_buf_span(&w.message), cases[i].reason);
        struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals)};
        peer_cannot_commit(a, &o, cases[i].reason);
        /* nor may a member become such a one */
        struct mls_identity less = p->identity;
        less.signature_key = &a->signature_key;
        o = (struct mls_commit_options){.identity = &less};
        peer_cannot_commit(a, &o, cases[i].reason);
    }
    mls_buf_free(&extensions);
    world_free(&w);
}

static void credential_types_are_known_to_everybody(void **state) {
    (void)state;
    static const uint16_t both[] = {1, 2};
    static const uint8_t certificate[] = {3, 'd', 'e', 'r'};
    struct mls_buf x509;
    mls_buf_init(&x509, 100);
    assert_int_equal(mls_credential_x509(span_of(certificate, sizeof certificate), &x509), MLS_OK);
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    struct peer *carol = world_peer(&w, "carol");
    carol->identity.credential = mls_buf_span(&x509);
    carol->identity.credential_types = both;
    carol->identity.credential_type_count = 2;
    assert_int_equal(mls_propose_write_add(peer_package(carol), empty(&w.proposals)), MLS_OK);
    world_refuses(&w, mls_buf_span(&w.proposals), MLS_CREDENTIAL_UNSUPPORTED_BY_MEMBER);
    /* nor may a member change to such a one */
    struct mls_identity other = carol->identity;
    other.signature_key = &w.peers[0].signature_key;
    peer_cannot_commit(&w.peers[0], &(struct mls_commit_options){.identity = &other},
                       MLS_CREDENTIAL_UNSUPPORTED_BY_MEMBER);
    world_free(&w);

    /* where everybody knows both, who knows one only stays out */
    world_init(&w, SUITE);
    for (uint32_t i = 0; i < 2; i++) {
        struct peer *p = world_peer(&w, "p");
        p->identity.credential_types = both;
        p->identity.credential_type_count = 2;
        if (i == 0)
            world_found(p);
        else
            p->identity.credential = mls_buf_span(&x509);
    }
    peer_invite(&w.peers[0], &w.peers[1]);
    assert_int_equal(mls_propose_write_add(peer_package(world_peer(&w, "dave")), empty(&w.proposals)), MLS_OK);
    world_refuses(&w, mls_buf_span(&w.proposals), MLS_CREDENTIAL_IN_USE_UNSUPPORTED);
    world_free(&w);
    mls_buf_free(&x509);
}

/* ---- Updates ---- */

static void same_key(struct mls_leaf_node *leaf, void *with) {
    leaf->encryption_key = ((const struct mls_leaf_node *)with)->encryption_key;
}

static void source_commit(struct mls_leaf_node *leaf, void *with) {
    (void)with;
    leaf->source = MLS_LEAF_COMMIT;
    leaf->parent_hash = span_str("hash");
}

static void wrong_signature(struct mls_buf *b) {
    b->w.data[b->w.len - 1] ^= 1;
}

static void an_update_that_breaks_a_rule_is_refused(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 3);
    struct peer *p = &w.peers[1], *q = &w.peers[2];
    struct mls_leaf_node own = *tree_leaf(p->group->tree, 1), other = *tree_leaf(p->group->tree, 0);
    static const struct {
        forge_leaf *leaf;
        enum mls_status reason;
    } cases[] = {
        {source_commit, MLS_LEAF_SOURCE_WRONG},
        {key_of_zeros, MLS_ENCRYPTION_KEY_INVALID},
        {no_version, MLS_LEAF_VERSION_UNLISTED},
        {no_credential_type, MLS_LEAF_CREDENTIAL_UNLISTED},
        {unlisted_extension, MLS_LEAF_EXTENSION_UNLISTED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        forge_update(p, cases[i].leaf, NULL, empty(&w.proposals));
        forge_proposal(p, mls_buf_span(&w.proposals), &w.message);
        peer_refuses(q, mls_buf_span(&w.message), cases[i].reason);
    }
    forge_update(p, same_key, &own, empty(&w.proposals));
    forge_proposal(p, mls_buf_span(&w.proposals), &w.message);
    peer_refuses(q, mls_buf_span(&w.message), MLS_ENCRYPTION_KEY_NOT_FRESH);
    forge_update(p, NULL, NULL, empty(&w.proposals));
    wrong_signature(&w.proposals);
    forge_proposal(p, mls_buf_span(&w.proposals), &w.message);
    peer_refuses(q, mls_buf_span(&w.message), MLS_LEAF_SIGNATURE_INVALID);
    /* somebody else's leaf signature is bound to its place */
    forge_update(p, NULL, NULL, empty(&w.proposals));
    forge_proposal(&w.peers[0], mls_buf_span(&w.proposals), &w.message);
    peer_refuses(q, mls_buf_span(&w.message), MLS_LEAF_SIGNATURE_INVALID);
    /* by value there are none: they could only be the committer's own */
    forge_commit_of(p, mls_buf_span(&w.proposals), &w.message);
    peer_refuses(q, mls_buf_span(&w.message), MLS_UPDATE_BY_COMMITTER);
    /* a key that another node has is found when it is committed; who commits everything leaves it out */
    forge_update(p, same_key, &other, empty(&w.proposals));
    forge_proposal(p, mls_buf_span(&w.proposals), &w.message);
    world_deliver_proposal(p, mls_buf_span(&w.message));
    struct mls_proposal_info info;
    assert_true(mls_proposal_at(q->group, 0, &info));
    struct mls_commit_options o = {.pick = MLS_PICK_LISTED, .refs = &info.ref, .ref_count = 1};
    peer_cannot_commit(q, &o, MLS_ENCRYPTION_KEY_DUPLICATE);
    struct mls_buf list;
    mls_buf_init(&list, 1000);
    forge_by_ref(info.ref, &list);
    forge_commit(&w.peers[0], mls_buf_span(&list), none(), &w.message);
    peer_refuses(q, mls_buf_span(&w.message), MLS_PATH_MISSING);
    mls_buf_free(&list);
    peer_leave(p); /* it has no private key for what it forged */
    peer_commit(q, NULL);
    assert_true(mls_member_count(q->group) == 3);
    world_free(&w);
}

static void an_update_may_not_drop_what_the_group_requires(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    static const uint16_t known[] = {0xf001};
    struct mls_buf extensions;
    mls_buf_init(&extensions, 1000);
    assert_int_equal(mls_extension_write(0xf001, span_str("policy"), &extensions), MLS_OK);
    w.context_extensions = mls_buf_span(&extensions);
    struct peer *a = world_peer(&w, "a"), *b = world_peer(&w, "b");
    a->identity.extension_types = b->identity.extension_types = known;
    a->identity.extension_type_count = b->identity.extension_type_count = 1;
    world_found(a);
    peer_invite(a, b);
    struct mls_identity less = b->identity;
    less.extension_type_count = 0;
    assert_int_equal(mls_propose_update(b->group, &less, NULL, WORLD_NOW, &w.rng, empty(&w.message)), MLS_OK);
    world_deliver_proposal(b, mls_buf_span(&w.message));
    struct mls_proposal_info info;
    assert_true(mls_proposal_at(a->group, 0, &info));
    struct mls_commit_options o = {.pick = MLS_PICK_LISTED, .refs = &info.ref, .ref_count = 1};
    peer_cannot_commit(a, &o, MLS_LEAF_LACKS_EXTENSION);
    /* everything that fits: that one does not */
    peer_commit(a, NULL);
    struct mls_member member;
    assert_true(mls_member_at(a->group, mls_own_leaf(b->group), &member));
    assert_int_equal(member.leaf.source, MLS_LEAF_KEY_PACKAGE);
    mls_buf_free(&extensions);
    world_free(&w);
}

/* ---- single proposals: section 12.1 ---- */

static void single_proposals_that_are_invalid_are_refused(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 4);
    peer_remove(&w.peers[0], 2);
    /* removal of nobody, of a leaf outside, of the committer */
    static const uint32_t nobody[] = {2, 4, 77, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_LEN(nobody); i++) {
        assert_int_equal(mls_propose_write_remove(nobody[i], empty(&w.proposals)), MLS_OK);
        world_refuses(&w, mls_buf_span(&w.proposals), MLS_REMOVE_BLANK);
    }
    assert_int_equal(mls_propose_write_remove(0, empty(&w.proposals)), MLS_OK);
    world_refuses(&w, mls_buf_span(&w.proposals), MLS_REMOVE_COMMITTER);
    /* PSKs: nonce, usage, unknown */
    assert_int_equal(mls_psk_add(w.peers[0].client, span_str("k"), span_str("v")), MLS_OK);
    assert_int_equal(mls_psk_add(w.peers[1].client, span_str("k"), span_str("v")), MLS_OK);
    assert_int_equal(
        mls_propose_write_psk(MLS_SUITE_P384_AES256GCM_SHA384_P384, span_str("k"), &w.rng, empty(&w.proposals)),
        MLS_OK);
    world_refuses(&w, mls_buf_span(&w.proposals), MLS_PSK_NONCE_LENGTH);
    static const enum mls_psk_usage usages[] = {MLS_PSK_USAGE_REINIT, MLS_PSK_USAGE_BRANCH};
    for (size_t i = 0; i < ARRAY_LEN(usages); i++) {
        assert_int_equal(mls_psk_write_successor(SUITE, usages[i], span_str("the group"),
                                                 mls_group_epoch(w.peers[0].group), &w.rng, empty(&w.proposals)),
                         MLS_OK);
        world_refuses(&w, mls_buf_span(&w.proposals), MLS_PSK_USAGE_WRONG);
    }
    assert_int_equal(mls_propose_write_psk(SUITE, span_str("unknown"), &w.rng, empty(&w.proposals)), MLS_OK);
    world_refuses(&w, mls_buf_span(&w.proposals), MLS_PSK_UNKNOWN);
    /* an older version */
    assert_int_equal(mls_propose_write_reinit(span_str("next"), SUITE, none(), empty(&w.proposals)), MLS_OK);
    w.proposals.w.data[2 + 1 + 4 + 1] = 0;
    world_refuses(&w, mls_buf_span(&w.proposals), MLS_REINIT_VERSION);
    /* external init by a member */
    struct mls_proposal init = {.type = MLS_PROPOSAL_EXTERNAL_INIT, .kem_output = span_str("output")};
    mls_proposal_write(empty(&w.proposals), &init);
    world_refuses(&w, mls_buf_span(&w.proposals), MLS_EXTERNAL_INIT_MISPLACED);
    world_check(&w);
    world_free(&w);
}

static void context_extensions_that_cannot_be_are_refused(void **state) {
    (void)state;
    struct world w;
    world_init(&w, SUITE);
    world_grow(&w, 2);
    struct mls_buf extensions;
    mls_buf_init(&extensions, 1000);
    static const uint16_t misplaced[] = {MLS_EXTENSION_APPLICATION_ID, MLS_EXTENSION_RATCHET_TREE,
                                         MLS_EXTENSION_EXTERNAL_PUB};
    for (size_t i = 0; i < ARRAY_LEN(misplaced); i++) {
        assert_int_equal(mls_extension_write(misplaced[i], none(), empty(&extensions)), MLS_OK);
        assert_int_equal(mls_propose_write_extensions(mls_buf_span(&extensions), empty(&w.proposals)), MLS_OK);
        world_refuses(&w, mls_buf_span(&w.proposals), MLS_EXTENSION_MISPLACED);
    }
    static const uint16_t malformed[] = {MLS_EXTENSION_REQUIRED_CAPABILITIES, MLS_EXTENSION_EXTERNAL_SENDERS};
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
        assert_int_equal(mls_extension_write(malformed[i], span_str("?"), empty(&extensions)), MLS_OK);
        assert_int_equal(mls_propose_write_extensions(mls_buf_span(&extensions), empty(&w.proposals)), MLS_OK);
        world_refuses(&w, mls_buf_span(&w.proposals), MLS_EXTENSION_MALFORMED);
    }
    /* what a member does not support, or is required of it */
    assert_int_equal(mls_extension_write(0xf001, none(), empty(&extensions)), MLS_OK);
    assert_int_equal(mls_propose_write_extensions(mls_buf_span(&extensions), empty(&w.proposals)), MLS_OK);
    struct mls_commit_options o = {.proposals = mls_buf_span(&w.proposals)};
    peer_cannot_commit(&w.peers[0], &o, MLS_CONTEXT_EXTENSIONS_UNSUPPORTED);
    static const uint16_t types[] = {0xf001};
    assert_int_equal(mls_extension_write_required(types, 1, NULL, 0, NULL, 0, empty(&extensions)), MLS_OK);
    assert_int_equal(mls_propose_write_extensions(mls_buf_span(&extensions), empty(&w.proposals)), MLS_OK);
    o.proposals = mls_buf_span(&w.proposals);
    peer_cannot_commit(&w.peers[0], &o, MLS_REQUIRED_CAPABILITIES_UNMET);
    /* two lists at once */
    assert_int_equal(mls_propose_write_extensions(none(), empty(&w.proposals)), MLS_OK);
    assert_int_equal(mls_propose_write_extensions(none(), &w.proposals), MLS_OK);
    o.proposals = mls_buf_span(&w.proposals);
    peer_cannot_commit(&w.peers[0], &o, MLS_CONTEXT_EXTENSIONS_TWICE);
    mls_buf_free(&extensions);
    world_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_package_that_breaks_a_rule_is_not_added),
        cmocka_unit_test(a_small_order_leaf_is_refused_and_never_blocks),
        cmocka_unit_test(a_leaf_whose_signatures_anybody_can_make_is_refused),
        cmocka_unit_test(lifetimes_are_let_be_without_a_clock),
        cmocka_unit_test(a_leaf_must_support_what_the_group_needs),
        cmocka_unit_test(credential_types_are_known_to_everybody),
        cmocka_unit_test(an_update_that_breaks_a_rule_is_refused),
        cmocka_unit_test(an_update_may_not_drop_what_the_group_requires),
        cmocka_unit_test(single_proposals_that_are_invalid_are_refused),
        cmocka_unit_test(context_extensions_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
