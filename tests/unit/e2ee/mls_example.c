/* The smallest use of the MLS library: Alice makes a group, adds Bob, and both read each other's message. It needs the
 * folders base, crypto and e2ee, and libcrypto; src/e2ee/README.md says how to compile it alone. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "e2ee/mls.h"

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

/* Randomness is an argument of the library: here it comes from the operating system. */
static void fill(struct rng *rng, void *out, size_t len) {
    (void)rng;
    uint8_t *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0)
            abort();
        at += got;
        len -= (size_t)got;
    }
}

static void ok(enum mls_status status) {
    if (status == MLS_OK)
        return;
    fprintf(stderr, "%s (RFC 9420 section %s)\n", mls_status_text(status), mls_status_section(status));
    exit(1);
}

/* A client with a fresh signature key and a name. Credential and key are the application's to keep. */
struct person {
    struct mls_client *client;
    struct secret signature_key;
    struct mls_buf credential;
    struct mls_identity identity;
    struct mls_group *group;
};

static void make_person(struct person *p, const char *name, struct rng *rng) {
    struct mls_buf public_key;
    mls_buf_init(&public_key, SIGN_PUBLIC_LEN_MAX);
    mls_buf_init(&p->credential, MLS_CREDENTIAL_LEN_MAX);
    ok(mls_client_create(&crypto_openssl, &p->client));
    ok(mls_signature_key_generate(&crypto_openssl, SUITE, rng, &p->signature_key, &public_key));
    ok(mls_credential_basic(span_str(name), &p->credential));
    p->identity = (struct mls_identity){
        .suite = SUITE, .credential = mls_buf_span(&p->credential), .signature_key = &p->signature_key};
    mls_buf_free(&public_key);
}

static void free_person(struct person *p) {
    mls_group_free(p->group);
    mls_client_free(p->client);
    mls_buf_free(&p->credential);
    secret_wipe(&p->signature_key);
}

/* `from` writes, `to` reads. */
static void say(struct person *from, struct person *to, const char *text, uint64_t now_s, struct rng *rng) {
    struct mls_buf message;
    struct mls_received got;
    struct mls_member sender;
    mls_buf_init(&message, MLS_MESSAGE_LEN_MAX);
    ok(mls_protect(from->group, span_str(text), span_of(NULL, 0), rng, &message));
    ok(mls_process(to->group, mls_buf_span(&message), now_s, &got));
    if (!mls_member_at(to->group, got.sender, &sender))
        exit(1);
    printf("%.*s: %.*s\n", (int)sender.leaf.identity.len, (const char *)sender.leaf.identity.data,
           (int)got.application_data.len, (const char *)got.application_data.data);
    mls_buf_free(&message);
}

int main(void) {
    struct rng rng = {.fill = fill};
    uint64_t now_s = (uint64_t)time(NULL);
    struct person alice = {0}, bob = {0};
    make_person(&alice, "alice", &rng);
    make_person(&bob, "bob", &rng);

    /* Bob publishes a key package; Alice checks it, and whose it is, and adds it to her group. */
    struct mls_buf package, proposals, commit, welcome;
    struct mls_key_package_info info;
    mls_buf_init(&package, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&proposals, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&commit, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&welcome, MLS_MESSAGE_LEN_MAX);
    ok(mls_key_package_create(bob.client, &bob.identity, NULL, now_s, &rng, &package));

    ok(mls_group_create(alice.client, &alice.identity, NULL, span_str("an example"), span_of(NULL, 0), now_s, &rng,
                        &alice.group));
    ok(mls_key_package_check(&crypto_openssl, mls_buf_span(&package), now_s, &info));
    ok(mls_propose_write_add(mls_buf_span(&package), &proposals));
    struct mls_commit_options what = {.proposals = mls_buf_span(&proposals), .tree_in_welcome = true};
    ok(mls_commit(alice.group, &what, now_s, &rng, &commit, &welcome, NULL));
    /* ... here the delivery service accepts `commit` as the one of this epoch ... */
    ok(mls_commit_confirm(alice.group));
    ok(mls_join(bob.client, NULL, mls_buf_span(&welcome), NULL, now_s, &rng, &bob.group));

    say(&alice, &bob, "hello", now_s, &rng);
    say(&bob, &alice, "hello to you", now_s, &rng);
    bool agree = span_equal(mls_epoch_authenticator(alice.group), mls_epoch_authenticator(bob.group));
    printf("epoch %llu, %u members, %s\n", (unsigned long long)mls_group_epoch(bob.group), mls_member_count(bob.group),
           agree ? "who agree" : "who do not agree");

    mls_buf_free(&package);
    mls_buf_free(&proposals);
    mls_buf_free(&commit);
    mls_buf_free(&welcome);
    free_person(&alice);
    free_person(&bob);
    return agree ? 0 : 1;
}
