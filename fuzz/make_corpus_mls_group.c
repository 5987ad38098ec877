/* Writes the corpus of fuzz_mls_group.c: make_corpus_mls_group FOLDER. One real example of each kind of input, and of
 * each kind of proposal. */
#include <stdio.h>
#include <stdlib.h>

#include "mls_group_world.h"

static const char *folder;

static void put(enum kind kind, const char *name, struct span bytes) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%d-%s", folder, (int)kind, name);
    FILE *f = fopen(path, "wb");
    if (f == NULL || fputc((int)kind, f) == EOF || fwrite(bytes.data, 1, bytes.len, f) != bytes.len || fclose(f) != 0) {
        fprintf(stderr, "cannot write %s\n", path);
        exit(1);
    }
}

/* The content of a PublicMessage. */
static struct span content_of(const struct mls_buf *message, struct mls_message *m) {
    ok(mls_message_parse(mls_buf_span(message), m));
    const struct mls_framed_content *content = &m->public_message.authenticated.content;
    return content->content_type == MLS_CONTENT_COMMIT ? content->commit.encoding : content->proposal.encoding;
}

static struct mls_buf *empty(struct mls_buf *b) {
    mls_buf_clear(b);
    return b;
}

static void put_proposals(struct fuzz_world *w, struct mls_buf *p, struct mls_buf *message) {
    struct mls_message m;
    put(KIND_KEY_PACKAGE, "message", mls_buf_span(&w->package));
    ok(mls_propose_write_add(mls_buf_span(&w->package), empty(p)));
    put(KIND_PROPOSAL, "add", mls_buf_span(p));
    put(KIND_EXTERNAL, "add", mls_buf_span(p));
    put(KIND_JOINER, "add", mls_buf_span(p));
    ok(mls_propose_write_remove(2, empty(p)));
    put(KIND_PROPOSAL, "remove", mls_buf_span(p));
    put(KIND_EXTERNAL, "remove", mls_buf_span(p));
    ok(mls_propose_write_psk(SUITE, span_str("id"), &w->rng, empty(p)));
    put(KIND_PROPOSAL, "psk", mls_buf_span(p));
    ok(mls_propose_write_resumption(SUITE, span_str("fuzz"), 1, &w->rng, empty(p)));
    put(KIND_PROPOSAL, "resumption", mls_buf_span(p));
    ok(mls_propose_write_reinit(span_str("next"), SUITE, span_of(NULL, 0), empty(p)));
    put(KIND_PROPOSAL, "reinit", mls_buf_span(p));
    ok(mls_propose_write_extensions(mls_group_extensions(w->groups[0]), empty(p)));
    put(KIND_PROPOSAL, "extensions", mls_buf_span(p));
    ok(mls_propose_write_other(0xf0f0, span_str("body"), empty(p)));
    put(KIND_PROPOSAL, "other", mls_buf_span(p));
    ok(mls_propose_update(w->groups[0], NULL, NULL, NOW, &w->rng, empty(message)));
    put(KIND_PROPOSAL, "update", content_of(message, &m));
    put(KIND_MESSAGE, "update", mls_buf_span(message));
    struct mls_proposal_info info;
    ASSERT(mls_proposal_at(w->groups[0], 0, &info));
    mls_proposal_forget(w->groups[0], info.ref);
}

static void put_commit(struct fuzz_world *w, const char *name, struct span proposals, bool no_path,
                       struct mls_buf *message) {
    struct mls_message m;
    struct mls_buf welcome;
    mls_buf_init(&welcome, MLS_MESSAGE_LEN_MAX);
    struct mls_commit_options o = {.proposals = proposals, .no_path = no_path};
    ok(mls_commit(w->groups[0], &o, NOW, &w->rng, empty(message), &welcome, NULL));
    put(KIND_COMMIT, name, content_of(message, &m));
    put(KIND_MESSAGE, name, mls_buf_span(message));
    mls_commit_drop(w->groups[0]);
    mls_buf_free(&welcome);
}

static void put_joins(struct fuzz_world *w, struct mls_buf *message) {
    struct mls_buf commit;
    struct mls_message m;
    struct mls_group *g = NULL;
    mls_buf_init(&commit, MLS_MESSAGE_LEN_MAX);
    struct mls_group_info_options o = {.external_pub = true, .tree = true};
    ok(mls_group_info(w->groups[0], &o, empty(message)));
    ok(mls_message_parse(mls_buf_span(message), &m));
    put(KIND_GROUP_INFO, "with-tree", m.group_info.tbs);
    put(KIND_WELCOME, "with-tree", m.group_info.tbs);
    ok(mls_join_external(w->clients[MEMBERS], &w->identities[MEMBERS], NULL, mls_buf_span(message), NULL, NOW, &w->rng,
                         &g, &commit, NULL));
    put(KIND_EXTERNAL_COMMIT, "join", content_of(&commit, &m));
    put(KIND_MESSAGE, "join", mls_buf_span(&commit));
    mls_group_free(g);
    mls_buf_free(&commit);
}

static void put_state(struct fuzz_world *w) {
    struct span sealed = mls_buf_span(&w->state);
    struct span text = span_of(sealed.data + AEAD_NONCE_LEN, sealed.len - AEAD_NONCE_LEN);
    uint8_t *plain = malloc(text.len);
    ASSERT(plain != NULL && crypto_openssl.aead_open(AEAD_AES_256_GCM, span_of(seal_key, sizeof seal_key), sealed.data,
                                                     span_str(seal_label), text, plain) == CRYPTO_OK);
    put(KIND_STATE, "member", span_of(plain, text.len - AEAD_TAG_LEN));
    free(plain);
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    folder = argv[1];
    struct fuzz_world *w = world();
    struct mls_buf p, message;
    mls_buf_init(&p, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&message, MLS_MESSAGE_LEN_MAX);
    put_state(w);
    put_proposals(w, &p, &message);
    put_commit(w, "empty", span_of(NULL, 0), false, &message);
    ok(mls_propose_write_add(mls_buf_span(&w->package), empty(&p)));
    put_commit(w, "add", mls_buf_span(&p), true, &message);
    ok(mls_propose_write_remove(2, &p));
    put_commit(w, "add-and-remove", mls_buf_span(&p), false, &message);
    ok(mls_protect(w->groups[0], span_str("hello"), span_of(NULL, 0), &w->rng, empty(&message)));
    put(KIND_MESSAGE, "application", mls_buf_span(&message));
    put_joins(w, &message);
    mls_buf_free(&p);
    mls_buf_free(&message);
    return 0;
}
