/* The public follower of a group: any GroupInfo and tree, then any handshake messages after it, over a backend that
 * finds every signature good, so that what is behind them is reached. A commit that is refused or withdrawn changes
 * nothing. Input: group_info<V>, tree<V>, then commit<V>, group_info<V> pairs; an empty GroupInfo is a chain's; an
 * empty commit makes the other a proposal. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "group/public.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MESSAGES_MAX 16

static enum crypto_status always(enum sign_algorithm algorithm, struct span public_key, struct span message,
                                 struct span signature) {
    (void)public_key;
    (void)message;
    return sign_signature_good(algorithm, signature) ? CRYPTO_OK : CRYPTO_INVALID;
}

static void ask(struct public_group *g) {
    uint32_t cursor = 0, leaf, other;
    struct mls_leaf_info info;
    struct group_standing standing;
    uint32_t count = 0;
    for (; public_group_next(g, &cursor, &leaf); count++) {
        ASSERT(public_group_leaf(g, leaf, &info));
        ASSERT(public_group_find_seat(g, info.signature_key, &other));
        (void)public_group_standing(g, leaf, &standing);
    }
    ASSERT(count == public_group_members(g));
    ASSERT(public_group_tree(g, public_group_tree_hash(g)).len > 0);
}

static void try_commit(struct public_group *g, struct span commit, struct span info, bool keep) {
    struct public_group_staged staged;
    struct mls_proposal_info proposal;
    struct mls_leaf_info leaf;
    struct mls_buf before;
    mls_buf_init(&before, 1 << 20);
    mls_wr_span(&before, public_group_context(g));
    if (public_group_stage(g, commit, info, span_of(NULL, 0), 0, &staged) == MLS_OK) {
        ASSERT(staged.verdict == GROUP_GOOD && public_group_is_staged(g));
        uint32_t count = 0;
        while (public_group_staged_proposal(g, count, &proposal))
            count++;
        ASSERT(count == staged.proposals && public_group_staged_committer(g, &leaf));
        if (keep)
            public_group_keep(g);
        else
            public_group_withdraw(g);
        ASSERT(public_group_epoch(g) + !keep == staged.epoch);
    } else {
        keep = false;
    }
    ASSERT(!public_group_is_staged(g));
    ASSERT(keep || span_equal(public_group_context(g), mls_buf_span(&before)));
    mls_buf_free(&before);
    ask(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct crypto_backend lax = crypto_openssl;
    struct mls_crypto crypto;
    struct public_group *g;
    struct rng rng = rng_seeded(1);
    lax.verify = always;
    if (mls_crypto_of(&lax, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, &crypto) != MLS_OK)
        return 0;
    struct mls_reader r = mls_reader_of(span_of(data, size));
    struct span info = mls_rd_vec(&r, 1 << 20, MLS_TOO_LARGE), tree = mls_rd_vec(&r, 1 << 20, MLS_TOO_LARGE);
    if (!mls_reader_ok(&r) || public_group_open(&crypto, 64, info, tree, &rng, &g) != MLS_OK)
        return 0;
    (void)public_group_verify(g, 64);
    ask(g);
    for (int i = 0; i < MESSAGES_MAX && mls_reader_left(&r) > 0; i++) {
        struct span commit = mls_rd_vec(&r, 1 << 20, MLS_TOO_LARGE), other = mls_rd_vec(&r, 1 << 20, MLS_TOO_LARGE);
        if (!mls_reader_ok(&r))
            break;
        if (commit.len == 0) {
            (void)public_group_proposal(g, other);
        } else {
            try_commit(g, commit, other, false);
            try_commit(g, commit, other, true);
        }
        (void)public_group_agrees(g, other);
    }
    public_group_free(g);
    return 0;
}
