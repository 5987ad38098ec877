/* A whole MLS group fed with anything: raw messages, and contents under real signatures and tags, as a malicious
 * member, external sender, joiner or keeper of states could make them. What is refused changes nothing; what is staged
 * can be applied, and the group works on.
 *
 * Input: enum kind of mls_group_world.h (1 byte), then the bytes. */
#include "mls_group_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Member 1 as it was. */
static struct mls_group *world_reset(struct fuzz_world *w) {
    struct rng rng = rng_seeded(3);
    mls_group_free(w->groups[1]);
    ok(mls_group_restore(w->clients[1], span_of(seal_key, sizeof seal_key), mls_buf_span(&w->state), &rng,
                         &w->groups[1]));
    return w->groups[1];
}

static void same_state(struct fuzz_world *w) {
    struct mls_buf now;
    struct rng rng = rng_seeded(2);
    mls_buf_init(&now, MLS_TREE_LEN_MAX);
    ok(mls_group_seal(w->groups[1], span_of(seal_key, sizeof seal_key), &rng, &now));
    ASSERT(span_equal(mls_buf_span(&now), mls_buf_span(&w->state)));
    mls_buf_free(&now);
}

/* Everything that can be asked of a staged commit. */
static void look(const struct mls_group *g) {
    struct mls_commit_info info;
    struct mls_proposal_info p;
    ASSERT(mls_staged_info(g, &info));
    uint32_t count = 0;
    while (mls_staged_proposal(g, count, &p))
        count++;
    ASSERT(count == info.proposals);
}

/* The group still makes and seals things. */
static void use(struct mls_group *g, struct rng *rng) {
    struct mls_buf out;
    mls_buf_init(&out, MLS_TREE_LEN_MAX);
    if (mls_group_state(g) == MLS_STATE_ACTIVE) {
        ok(mls_group_tree(g, &out));
        enum mls_status status = mls_commit(g, NULL, 0, rng, &out, NULL, NULL);
        ASSERT(status == MLS_OK);
        mls_commit_drop(g);
    }
    mls_buf_free(&out);
}

static void process(struct fuzz_world *w, struct span message, bool may_consume) {
    struct mls_group *g = world_reset(w);
    struct mls_received got;
    enum mls_status status = mls_process(g, message, NOW, &got);
    if (status != MLS_OK) {
        if (!may_consume)
            same_state(w);
        return;
    }
    if (got.kind == MLS_RECEIVED_COMMIT) {
        look(g);
        mls_staged_refuse(g);
        if (!may_consume)
            same_state(w);
        if (mls_process(g, message, NOW, &got) == MLS_OK)
            ok(mls_staged_apply(g));
    }
    use(g, &w->rng);
}

/* The content under the sender's signature, and a member's tag. */
static void framed(struct fuzz_world *w, struct mls_sender sender, uint8_t content_type, const struct secret *key,
                   struct span content) {
    struct mls_group *g = w->groups[0];
    struct mls_draft_header header = {.wire_format = MLS_WIRE_PUBLIC_MESSAGE,
                                      .group_id = mls_group_id(g),
                                      .epoch = mls_group_epoch(g),
                                      .sender = sender,
                                      .content_type = content_type};
    struct span context = mls_group_context(g);
    struct mls_hash tag = {.len = g->crypto.suite->hash_len};
    struct mls_draft d;
    mls_draft_begin(&d, &header);
    mls_wr_span(&d.bytes, content);
    enum mls_status status = mls_draft_sign(&d, &g->crypto, context, key);
    if (status == MLS_OK && content_type == MLS_CONTENT_COMMIT)
        status = mls_draft_confirm(&d, mls_hash_span(&tag));
    if (status == MLS_OK)
        status = mls_public_protect(&d, &g->crypto, context,
                                    sender.type == MLS_SENDER_MEMBER ? &g->epoch.secrets.membership_key : NULL);
    if (status == MLS_OK)
        process(w, mls_buf_span(&d.bytes), false);
    mls_draft_free(&d);
}

static void signed_info(struct fuzz_world *w, struct span tbs, struct mls_buf *out) {
    mls_wr_span(out, tbs);
    ok(mls_sign_with_label(&w->groups[0]->crypto, &w->keys[0], "GroupInfoTBS", &tbs, 1, out));
}

static void join_external(struct fuzz_world *w, struct span tbs) {
    struct mls_buf info, commit;
    struct mls_group *g = NULL;
    mls_buf_init(&info, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&commit, MLS_MESSAGE_LEN_MAX);
    mls_wr_u16(&info, MLS_VERSION_10);
    mls_wr_u16(&info, MLS_WIRE_GROUP_INFO);
    signed_info(w, tbs, &info);
    if (mls_join_external(w->clients[MEMBERS], &w->identities[MEMBERS], NULL, mls_buf_span(&info), NULL, NOW, &w->rng,
                          &g, &commit, NULL) == MLS_OK) {
        ok(mls_commit_confirm(g));
        use(g, &w->rng);
    }
    mls_group_free(g);
    mls_buf_free(&info);
    mls_buf_free(&commit);
}

static void join_welcome(struct fuzz_world *w, struct span tbs) {
    const struct mls_crypto *c = &w->groups[0]->crypto;
    struct secret joiner = {0}, psk = {0}, member = {0}, welcome_secret = {0};
    struct mls_message package;
    struct mls_hash ref;
    struct mls_buf info, sealed, plain, welcome;
    mls_buf_init(&info, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&sealed, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&plain, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&welcome, MLS_MESSAGE_LEN_MAX);
    mls_zero_secret(c, &joiner);
    mls_zero_secret(c, &psk);
    ok(mls_message_parse(mls_buf_span(&w->package), &package));
    ok(mls_key_package_ref(c, package.key_package.encoding, &ref));
    ok(mls_member_secret(c, &joiner, &psk, &member));
    ok(mls_welcome_secret(c, &member, &welcome_secret));
    signed_info(w, tbs, &info);
    ok(mls_group_info_seal(c, &welcome_secret, mls_buf_span(&info), &sealed));
    struct mls_group_secrets secrets = {.joiner_secret = secret_span(&joiner)};
    mls_group_secrets_write(&plain, &secrets);
    mls_wr_u16(&welcome, MLS_VERSION_10);
    mls_wr_u16(&welcome, MLS_WIRE_WELCOME);
    mls_wr_u16(&welcome, SUITE);
    size_t list = mls_wr_vec_begin(&welcome);
    mls_wr_vec(&welcome, mls_hash_span(&ref));
    ok(mls_encrypt_with_label(c, package.key_package.init_key, "Welcome", mls_buf_span(&sealed), mls_buf_span(&plain),
                              &w->rng, &welcome, MLS_CRYPTO_FAILED));
    mls_wr_vec_end(&welcome, list);
    mls_wr_vec(&welcome, mls_buf_span(&sealed));
    struct mls_group *g = NULL;
    if (mls_join(w->clients[MEMBERS], NULL, mls_buf_span(&welcome), NULL, NOW, &w->rng, &g) == MLS_OK)
        use(g, &w->rng);
    mls_group_free(g);
    mls_buf_free(&info);
    mls_buf_free(&sealed);
    mls_buf_free(&plain);
    mls_buf_free(&welcome);
}

/* What is restored is a group; sealed again and restored, it is the same. */
static void state(struct fuzz_world *w, struct span plain) {
    static const uint8_t nonce[AEAD_NONCE_LEN];
    struct span key = span_of(seal_key, sizeof seal_key);
    struct mls_buf sealed, again[2];
    struct mls_group *g = NULL;
    mls_buf_init(&sealed, MLS_TREE_LEN_MAX);
    mls_wr_span(&sealed, span_of(nonce, sizeof nonce));
    uint8_t *to = mls_wr_reserve(&sealed, plain.len + AEAD_TAG_LEN);
    ASSERT(crypto_openssl.aead_seal(AEAD_AES_256_GCM, key, nonce, span_str(seal_label), plain, to) == CRYPTO_OK);
    struct mls_client *client = w->clients[MEMBERS];
    mls_buf_init(&again[0], MLS_TREE_LEN_MAX);
    mls_buf_init(&again[1], MLS_TREE_LEN_MAX);
    for (int i = 0; i < 2; i++) {
        struct rng rng = rng_seeded(2);
        struct span from = i == 0 ? mls_buf_span(&sealed) : mls_buf_span(&again[0]);
        if (mls_group_restore(client, key, from, &w->rng, &g) != MLS_OK) {
            ASSERT(i == 0);
            break;
        }
        ok(mls_group_seal(g, key, &rng, &again[i]));
        if (i == 1) {
            ASSERT(span_equal(mls_buf_span(&again[0]), mls_buf_span(&again[1])));
            struct mls_received got;
            (void)mls_process(g, mls_buf_span(&w->package), NOW, &got);
        }
        mls_group_free(g);
        g = NULL;
    }
    mls_buf_free(&sealed);
    mls_buf_free(&again[0]);
    mls_buf_free(&again[1]);
}

static void key_package(struct fuzz_world *w, struct span bytes) {
    struct mls_key_package_info info;
    struct span secret = secret_span(&w->keys[0]);
    if (mls_key_package_check(&crypto_openssl, bytes, NOW, &info) != MLS_OK)
        return;
    ASSERT(info.ref_len <= sizeof info.ref && info.leaf.source == MLS_LEAF_KEY_PACKAGE);
    ASSERT(mls_key_package_import(w->clients[0], bytes, secret, secret, secret, false) != MLS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_world *w = world();
    if (size < 2 || data[0] >= KIND_COUNT)
        return 0;
    struct span in = span_of(data + 1, size - 1);
    switch ((enum kind)data[0]) {
    case KIND_MESSAGE:
        process(w, in, true);
        break;
    case KIND_COMMIT:
        framed(w, (struct mls_sender){.type = MLS_SENDER_MEMBER}, MLS_CONTENT_COMMIT, &w->keys[0], in);
        break;
    case KIND_PROPOSAL:
        framed(w, (struct mls_sender){.type = MLS_SENDER_MEMBER}, MLS_CONTENT_PROPOSAL, &w->keys[0], in);
        break;
    case KIND_EXTERNAL:
        framed(w, (struct mls_sender){.type = MLS_SENDER_EXTERNAL}, MLS_CONTENT_PROPOSAL, &w->keys[2], in);
        break;
    case KIND_JOINER:
        framed(w, (struct mls_sender){.type = MLS_SENDER_NEW_MEMBER_PROPOSAL}, MLS_CONTENT_PROPOSAL, &w->keys[MEMBERS],
               in);
        break;
    case KIND_EXTERNAL_COMMIT:
        framed(w, (struct mls_sender){.type = MLS_SENDER_NEW_MEMBER_COMMIT}, MLS_CONTENT_COMMIT, &w->keys[MEMBERS], in);
        break;
    case KIND_GROUP_INFO:
        join_external(w, in);
        break;
    case KIND_WELCOME:
        join_welcome(w, in);
        break;
    case KIND_STATE:
        state(w, in);
        break;
    case KIND_KEY_PACKAGE:
        key_package(w, in);
        break;
    case KIND_COUNT:
        break;
    }
    return 0;
}
