/* The public follower: what stands, what is staged and taken back, what does not fit, and a chain replayed by who comes
 * back. */
#include "unit.h"

#include "base/assert.h"
#include "e2ee/mls_message.h"
#include "meeting_world.h"

struct scene {
    struct meeting_world w;
    struct seat *owner, *guest;
    struct public_group *g;
};

static struct public_group *open_group(struct meeting_world *w) {
    struct public_group *g = NULL;
    struct mls_crypto crypto;
    assert_int_equal(mls_crypto_of(&crypto_openssl, w->suite, &crypto), MLS_OK);
    assert_int_equal(public_group_open(&crypto, 100, mls_buf_span(&w->group_info), mls_buf_span(&w->tree), &w->rng, &g),
                     MLS_OK);
    return g;
}

static enum mls_status stage(struct scene *s, struct seat *by) {
    struct public_group_staged staged;
    return public_group_stage(s->g, mls_buf_span(&s->w.commit), mls_buf_span(&s->w.group_info),
                              span_of(by->public_key, 32), MEETING_NOW, &staged);
}

static void scene_init(struct scene *s, uint16_t suite) {
    meeting_init(&s->w, suite, GROUP_KIND_NOW, GROUP_OPEN);
    s->owner = seat_make(&s->w, true);
    s->guest = seat_make(&s->w, false);
    seat_found(s->owner, true);
    s->g = open_group(&s->w);
    propose_add(&s->w, s->guest);
    propose_psk(&s->w);
    seat_commit(s->owner);
    assert_int_equal(stage(s, s->owner), MLS_OK);
    public_group_keep(s->g);
    meeting_deliver(s->owner);
}

static void scene_free(struct scene *s) {
    public_group_free(s->g);
    meeting_free(&s->w);
}

static void stands_as(const struct scene *s, const struct seat *member) {
    assert_true(span_equal(public_group_context(s->g), mls_group_context(member->group)));
    assert_int_equal(public_group_epoch(s->g), mls_group_epoch(member->group));
    assert_int_equal(public_group_members(s->g), mls_member_count(member->group));
}

static void the_public_follows_members_in_both_suites(void **state) {
    (void)state;
    static const uint16_t suites[] = {MLS_SUITE_X25519_AES128GCM_SHA256_ED25519,
                                      MLS_SUITE_XWING_AES256GCM_SHA384_ED25519};
    for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
        struct scene s;
        struct group_standing standing;
        uint32_t leaf;
        scene_init(&s, suites[i]);
        stands_as(&s, s.owner);
        assert_true(public_group_find_seat(s.g, span_of(s.guest->public_key, 32), &leaf));
        assert_true(public_group_standing(s.g, leaf, &standing));
        assert_int_equal(standing.role, GROUP_PARTICIPANT);
        assert_true(public_group_find(s.g, span_of(s.owner->identity, GROUP_IDENTITY_LEN), &leaf));
        assert_true(public_group_standing(s.g, leaf, &standing));
        assert_true(standing.role == GROUP_HOST && standing.by_grant);
        struct seat *newcomer = seat_make(&s.w, false);
        seat_enter(newcomer, s.owner, true, false);
        assert_int_equal(stage(&s, newcomer), MLS_OK);
        public_group_keep(s.g);
        meeting_deliver(newcomer);
        stands_as(&s, newcomer);
        assert_int_equal(public_group_verify(s.g, 1000), MLS_OK);
        assert_int_equal(public_group_verify_left(s.g), 0);
        scene_free(&s);
    }
}

/* A commit that does not stand has changed nothing; the epoch goes on, and another is taken for it. */
static void a_withdrawn_commit_changes_nothing(void **state) {
    (void)state;
    struct scene s;
    uint8_t tag[16], after[16];
    struct mls_proposal_info proposal;
    struct mls_leaf_info committer;
    scene_init(&s, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    struct span tree = public_group_tree(s.g, public_group_tree_hash(s.g));
    struct mls_buf before;
    mls_buf_init(&before, 1 << 20);
    mls_wr_span(&before, tree);
    public_group_info_tag(s.g, tag);
    propose_remove(&s.w, s.guest);
    seat_commit(s.owner);
    assert_int_equal(stage(&s, s.owner), MLS_OK);
    assert_true(public_group_is_staged(s.g));
    assert_int_equal(stage(&s, s.owner), MLS_COMMIT_STAGED);
    /* what stands is told, while another waits */
    uint32_t leaf;
    stands_as(&s, s.guest);
    assert_true(public_group_find_seat(s.g, span_of(s.guest->public_key, 32), &leaf));
    assert_true(public_group_staged_proposal(s.g, 0, &proposal));
    assert_int_equal(proposal.type, MLS_PROPOSAL_REMOVE);
    assert_true(span_equal(proposal.leaf.signature_key, span_of(s.guest->public_key, 32)));
    assert_false(public_group_staged_proposal(s.g, 1, &proposal));
    assert_true(public_group_staged_committer(s.g, &committer));
    assert_true(span_equal(committer.signature_key, span_of(s.owner->public_key, 32)));
    public_group_withdraw(s.g);
    public_group_withdraw(s.g);
    assert_false(public_group_is_staged(s.g));
    stands_as(&s, s.guest);
    public_group_info_tag(s.g, after);
    assert_memory_equal(tag, after, 16);
    assert_true(span_equal(public_group_tree(s.g, public_group_tree_hash(s.g)), mls_buf_span(&before)));
    mls_commit_drop(s.owner->group);
    seat_commit(s.guest);
    assert_int_equal(stage(&s, s.guest), MLS_OK);
    public_group_keep(s.g);
    meeting_deliver(s.guest);
    stands_as(&s, s.owner);
    assert_true(public_group_tree(s.g, span_str("none")).len == 0);
    mls_buf_free(&before);
    scene_free(&s);
}

/* Each byte of a GroupInfo that is not what its commit leads to would lead a newcomer astray. */
static void a_group_info_that_is_not_the_commits_is_refused(void **state) {
    (void)state;
    struct scene s;
    struct public_group_staged staged;
    scene_init(&s, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    seat_commit(s.owner);
    for (size_t i = 0; i < s.w.group_info.w.len; i += 3) {
        s.w.group_info.w.data[i] ^= 1;
        assert_int_not_equal(stage(&s, s.owner), MLS_OK);
        assert_false(public_group_is_staged(s.g));
        s.w.group_info.w.data[i] ^= 1;
    }
    for (size_t i = 0; i < s.w.commit.w.len; i += 7) {
        s.w.commit.w.data[i] ^= 1;
        enum mls_status status = stage(&s, s.owner);
        /* the membership tag is not for the public to see */
        if (status == MLS_OK) {
            assert_true(i + 33 >= s.w.commit.w.len);
            public_group_withdraw(s.g);
        }
        s.w.commit.w.data[i] ^= 1;
    }
    assert_int_equal(public_group_stage(s.g, mls_buf_span(&s.w.commit), mls_buf_span(&s.w.group_info),
                                        span_of(s.guest->public_key, 32), MEETING_NOW, &staged),
                     MLS_SENDER_NOT_MEMBER);
    /* of the epoch before */
    struct mls_buf commit_info;
    mls_buf_init(&commit_info, 1 << 16);
    mls_wr_span(&commit_info, mls_buf_span(&s.w.group_info));
    mls_buf_clear(&s.w.group_info);
    mls_wr_span(&s.w.group_info, public_group_info(s.g));
    assert_int_equal(stage(&s, s.owner), MLS_GROUP_INFO_MISMATCH);
    mls_buf_clear(&s.w.group_info);
    mls_wr_span(&s.w.group_info, mls_buf_span(&commit_info));
    assert_int_equal(stage(&s, s.owner), MLS_OK);
    mls_buf_free(&commit_info);
    scene_free(&s);
}

static void an_info_with_another_link_key_is_refused(void **state) {
    (void)state;
    struct scene s;
    scene_init(&s, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    struct group_meeting m;
    assert_true(group_meeting_of(mls_group_extensions(s.owner->group), &m));
    s.w.link.link_key[0] ^= 1;
    meeting_info(&s.w, &m);
    seat_commit(s.owner);
    assert_int_equal(stage(&s, s.owner), MLS_GROUP_INFO_MISMATCH);
    scene_free(&s);
}

/* Handshakes of a stretch of epochs, as a delivery service keeps them. */
struct chain {
    struct mls_buf messages[8];
    size_t count;
};

static void chain_add(struct chain *c, const struct mls_buf *message) {
    mls_buf_init(&c->messages[c->count], MLS_MESSAGE_LEN_MAX);
    mls_wr_span(&c->messages[c->count++], mls_buf_span(message));
}

static void next_epoch(struct scene *s, struct seat *by, struct chain *c) {
    assert_int_equal(stage(s, by), MLS_OK);
    public_group_keep(s->g);
    chain_add(c, &s->w.commit);
    struct seat *away = s->guest; /* hears nothing of it */
    struct mls_group *kept = away->group;
    away->group = NULL;
    meeting_deliver(by);
    away->group = kept;
}

static void chain_free(struct chain *c) {
    for (size_t i = 0; i < c->count; i++)
        mls_buf_free(&c->messages[i]);
}

static enum mls_status replay(struct public_group *own, const struct chain *c, size_t skip) {
    for (size_t i = 0; i < c->count; i++) {
        struct public_group_staged staged;
        struct mls_message_info info;
        if (i == skip)
            continue;
        struct span message = mls_buf_span(&c->messages[i]);
        assert_int_equal(mls_message_peek(message, &info), MLS_OK);
        if (info.content_type == MLS_CONTENT_PROPOSAL) {
            enum mls_status status = public_group_proposal(own, message);
            if (status != MLS_OK)
                return status;
            continue;
        }
        enum mls_status status = public_group_stage(own, message, span_of(NULL, 0), span_of(NULL, 0), 0, &staged);
        if (status != MLS_OK)
            return status;
        public_group_keep(own);
    }
    return MLS_OK;
}

/* Who was away replays what happened since, and takes a GroupInfo only if that is where it leads. */
static void a_resync_into_a_fork_is_refused(void **state) {
    (void)state;
    struct scene s;
    struct chain c = {.count = 0};
    scene_init(&s, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    struct seat *third = seat_make(&s.w, false);
    /* what the guest knows */
    seat_publish(s.guest);
    struct public_group *own = open_group(&s.w), *forked = open_group(&s.w), *gap = open_group(&s.w);
    /* somebody enters, the server proposes that it goes, the owner commits that */
    seat_enter(third, s.owner, true, false);
    next_epoch(&s, third, &c);
    uint32_t leaf;
    struct mls_buf remove;
    struct mls_received received;
    mls_buf_init(&remove, MLS_MESSAGE_LEN_MAX);
    assert_true(public_group_find_seat(s.g, span_of(third->public_key, 32), &leaf));
    assert_int_equal(public_group_remove(s.g, leaf, &s.w.external_key, &remove), MLS_OK);
    assert_true(public_group_is_leaving(s.g, leaf));
    chain_add(&c, &remove);
    assert_int_equal(mls_process(s.owner->group, mls_buf_span(&remove), MEETING_NOW, &received), MLS_OK);
    assert_int_equal(mls_process(third->group, mls_buf_span(&remove), MEETING_NOW, &received), MLS_OK);
    seat_commit(s.owner);
    next_epoch(&s, s.owner, &c);
    assert_null(third->group);
    seat_commit(s.owner);
    next_epoch(&s, s.owner, &c);
    seat_publish(s.owner);
    assert_int_equal(public_group_agrees(own, mls_buf_span(&s.w.group_info)), MLS_GROUP_INFO_MISMATCH);
    assert_int_equal(replay(own, &c, SIZE_MAX), MLS_OK);
    assert_int_equal(public_group_agrees(own, mls_buf_span(&s.w.group_info)), MLS_OK);
    assert_true(span_equal(public_group_context(own), mls_group_context(s.owner->group)));
    /* a missing link */
    assert_int_equal(replay(gap, &c, 0), MLS_EPOCH_AHEAD);
    /* another history from the same epoch: the guest's own group goes on without the owner's commits */
    seat_commit(s.guest);
    assert_int_equal(mls_commit_confirm(s.guest->group), MLS_OK);
    struct public_group_staged staged;
    assert_int_equal(
        public_group_stage(forked, mls_buf_span(&s.w.commit), span_of(NULL, 0), span_of(NULL, 0), 0, &staged), MLS_OK);
    public_group_keep(forked);
    assert_int_equal(replay(forked, &c, 0), MLS_LEAF_BLANK); /* who is removed never was in it */
    assert_int_equal(
        public_group_stage(forked, mls_buf_span(&c.messages[2]), span_of(NULL, 0), span_of(NULL, 0), 0, &staged),
        MLS_SIGNATURE_INVALID);
    assert_int_equal(public_group_agrees(forked, mls_buf_span(&s.w.group_info)), MLS_OK); /* the guest's own */
    seat_publish(s.owner);
    assert_int_equal(public_group_agrees(forked, mls_buf_span(&s.w.group_info)), MLS_GROUP_INFO_MISMATCH);
    public_group_free(own);
    public_group_free(forked);
    public_group_free(gap);
    mls_buf_free(&remove);
    chain_free(&c);
    scene_free(&s);
}

/* The server's word removes; nobody's else does by reference, and its own only for members. */
static void only_the_external_sender_proposes_removes(void **state) {
    (void)state;
    struct scene s;
    struct mls_buf message;
    uint32_t leaf;
    scene_init(&s, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    struct public_group *own = NULL;
    seat_publish(s.owner);
    own = open_group(&s.w);
    mls_buf_init(&message, MLS_MESSAGE_LEN_MAX);
    assert_true(public_group_find_seat(s.g, span_of(s.guest->public_key, 32), &leaf));
    struct secret other = s.owner->key;
    assert_int_equal(public_group_remove(s.g, leaf, &other, &message), MLS_OK);
    assert_int_equal(public_group_proposal(own, mls_buf_span(&message)), MLS_SIGNATURE_INVALID);
    mls_buf_clear(&message);
    assert_int_equal(public_group_remove(s.g, 7, &s.w.external_key, &message), MLS_LEAF_BLANK);
    assert_int_equal(mls_buf_len(&message), 0);
    assert_int_equal(public_group_remove(s.g, leaf, &s.w.external_key, &message), MLS_OK);
    assert_int_equal(public_group_proposal(own, mls_buf_span(&message)), MLS_OK);
    assert_true(public_group_is_leaving(own, leaf));
    mls_buf_free(&message);
    public_group_free(own);
    scene_free(&s);
}

static void a_group_that_does_not_prove_itself_is_not_opened(void **state) {
    (void)state;
    struct scene s;
    struct mls_crypto crypto;
    struct public_group *g;
    scene_init(&s, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    seat_publish(s.owner);
    assert_int_equal(mls_crypto_of(&crypto_openssl, s.w.suite, &crypto), MLS_OK);
    struct mls_buf *both[] = {&s.w.group_info, &s.w.tree};
    for (size_t b = 0; b < 2; b++) {
        for (size_t i = 0; i < both[b]->w.len; i += 5) {
            both[b]->w.data[i] ^= 1;
            assert_int_not_equal(
                public_group_open(&crypto, 100, mls_buf_span(&s.w.group_info), mls_buf_span(&s.w.tree), &s.w.rng, &g),
                MLS_OK);
            assert_null(g);
            both[b]->w.data[i] ^= 1;
        }
    }
    scene_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_public_follows_members_in_both_suites),
        cmocka_unit_test(a_withdrawn_commit_changes_nothing),
        cmocka_unit_test(a_group_info_that_is_not_the_commits_is_refused),
        cmocka_unit_test(an_info_with_another_link_key_is_refused),
        cmocka_unit_test(a_resync_into_a_fork_is_refused),
        cmocka_unit_test(only_the_external_sender_proposes_removes),
        cmocka_unit_test(a_group_that_does_not_prove_itself_is_not_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
