/* The group that fuzz_mls_group.c attacks and make_corpus_mls_group.c takes its examples from: three members, a joiner
 * with a key package, an external sender; everything from one seed, so that an input means the same in each run. */
#ifndef CONCLAVE_FUZZ_MLS_GROUP_WORLD_H
#define CONCLAVE_FUZZ_MLS_GROUP_WORLD_H

#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "e2ee/mls_group.h"

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519
#define MEMBERS 3
#define NOW 1700000000u

/* What an input is; its first byte. */
enum kind {
    KIND_MESSAGE,         /* a message for member 1 */
    KIND_COMMIT,          /* content of a commit by member 0: signed and tagged here */
    KIND_PROPOSAL,        /* content of a proposal by member 0, likewise */
    KIND_EXTERNAL,        /* content of a proposal by the external sender */
    KIND_JOINER,          /* content of a proposal by the joiner itself */
    KIND_EXTERNAL_COMMIT, /* content of an external commit, signed with the joiner's key */
    KIND_GROUP_INFO,      /* GroupInfo without its signature, which is made here: for an external joiner */
    KIND_WELCOME,         /* the same, in a Welcome for the joiner */
    KIND_STATE,           /* plaintext of a sealed state */
    KIND_KEY_PACKAGE,     /* a key package, message or bare */
    KIND_COUNT
};

static const uint8_t seal_key[MLS_SEAL_KEY_LEN] = {9};
static const char seal_label[] = "conclave mls group state 1"; /* as in mls_seal.c */

struct fuzz_world {
    struct rng rng;
    struct mls_client *clients[MEMBERS + 1]; /* the last is the joiner's */
    struct secret keys[MEMBERS + 1];
    struct mls_buf credentials[MEMBERS + 1];
    struct mls_identity identities[MEMBERS + 1];
    struct mls_group *groups[MEMBERS];
    struct mls_buf package; /* the joiner's */
    struct mls_buf state;   /* sealed, of member 1 */
};

static void ok(enum mls_status status) {
    ASSERT(status == MLS_OK);
}

static void world_person(struct fuzz_world *w, size_t i) {
    static const char *const names[] = {"m0", "m1", "m2", "joiner"};
    struct mls_buf public_key;
    mls_buf_init(&public_key, 100);
    mls_buf_init(&w->credentials[i], 100);
    ok(mls_client_create(&crypto_openssl, &w->clients[i]));
    ok(mls_signature_key_generate(&crypto_openssl, SUITE, &w->rng, &w->keys[i], &public_key));
    ok(mls_credential_basic(span_str(names[i]), &w->credentials[i]));
    w->identities[i] = (struct mls_identity){
        .suite = SUITE, .credential = mls_buf_span(&w->credentials[i]), .signature_key = &w->keys[i]};
    mls_buf_free(&public_key);
}

static void world_context(struct fuzz_world *w, struct mls_buf *extensions) {
    uint8_t public_key[SIGN_PUBLIC_LEN_MAX];
    struct mls_buf senders;
    mls_buf_init(&senders, 1000);
    /* member 2's key serves for the external sender, too */
    ASSERT(crypto_openssl.sign_public(SIGN_ED25519, &w->keys[2], public_key) == CRYPTO_OK);
    ok(mls_external_sender_write(span_of(public_key, 32), mls_buf_span(&w->credentials[2]), &senders));
    ok(mls_extension_write_external_senders(mls_buf_span(&senders), extensions));
    mls_buf_free(&senders);
}

/* m1 and m2 join m0's group; everybody has sent a path. */
static void world_grow(struct fuzz_world *w) {
    struct mls_buf proposals, commit, welcome, package;
    struct mls_received got;
    mls_buf_init(&proposals, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&commit, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&welcome, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&package, MLS_MESSAGE_LEN_MAX);
    for (size_t i = 1; i < MEMBERS; i++) {
        mls_buf_clear(&package);
        ok(mls_key_package_create(w->clients[i], &w->identities[i], NULL, NOW, &w->rng, &package));
        ok(mls_propose_write_add(mls_buf_span(&package), &proposals));
    }
    struct mls_commit_options o = {.proposals = mls_buf_span(&proposals), .tree_in_welcome = true};
    ok(mls_commit(w->groups[0], &o, NOW, &w->rng, &commit, &welcome, NULL));
    ok(mls_commit_confirm(w->groups[0]));
    for (size_t i = 1; i < MEMBERS; i++)
        ok(mls_join(w->clients[i], NULL, mls_buf_span(&welcome), NULL, NOW, &w->rng, &w->groups[i]));
    for (size_t from = 0; from < MEMBERS; from++) {
        mls_buf_clear(&commit);
        ok(mls_commit(w->groups[from], NULL, NOW, &w->rng, &commit, NULL, NULL));
        for (size_t i = 0; i < MEMBERS; i++) {
            if (i != from) {
                ok(mls_process(w->groups[i], mls_buf_span(&commit), NOW, &got));
                ok(mls_staged_apply(w->groups[i]));
            }
        }
        ok(mls_commit_confirm(w->groups[from]));
    }
    mls_buf_free(&proposals);
    mls_buf_free(&commit);
    mls_buf_free(&welcome);
    mls_buf_free(&package);
}

static struct fuzz_world *world(void) {
    static struct fuzz_world w;
    if (w.groups[0] != NULL)
        return &w;
    w.rng = rng_seeded(1);
    for (size_t i = 0; i <= MEMBERS; i++)
        world_person(&w, i);
    struct mls_buf extensions;
    mls_buf_init(&extensions, 1000);
    world_context(&w, &extensions);
    ok(mls_group_create(w.clients[0], &w.identities[0], NULL, span_str("fuzz"), mls_buf_span(&extensions), NOW, &w.rng,
                        &w.groups[0]));
    mls_buf_free(&extensions);
    world_grow(&w);
    struct mls_key_package_options keep = {.keep = true};
    mls_buf_init(&w.package, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&w.state, MLS_MESSAGE_LEN_MAX);
    ok(mls_key_package_create(w.clients[MEMBERS], &w.identities[MEMBERS], &keep, NOW, &w.rng, &w.package));
    struct rng rng = rng_seeded(2);
    ok(mls_group_seal(w.groups[1], span_of(seal_key, sizeof seal_key), &rng, &w.state));
    return &w;
}

#endif
