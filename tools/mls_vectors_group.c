/* Vectors of whole groups: Welcomes, and passive clients that join by one and follow the group's commits. */
#include "base/assert.h"
#include "e2ee/mls.h"
#include "e2ee/mls_message.h"
#include "e2ee/mls_schedule.h"
#include "e2ee/mls_validate.h"
#include "mls_vectors.h"

/* ---- welcome ---- */

static bool open_group_secrets(struct vector_entry *e, const struct mls_key_package *package,
                               const struct mls_welcome *welcome, struct mls_buf *plain) {
    struct secret init;
    struct mls_hash ref;
    struct mls_encrypted_group_secrets entry;
    vector_private_key(e, e->json, "init_priv", kem_private_len(e->crypto.suite->hpke.kem), &init);
    CHECK(e, mls_key_package_ref(&e->crypto, package->encoding, &ref) == MLS_OK);
    struct mls_reader it = mls_reader_of(welcome->secrets.bytes);
    bool found = false;
    while (!found && mls_encrypted_group_secrets_next(&it, &entry))
        found = mls_hash_equal(&ref, entry.new_member);
    CHECK(e, found);
    CHECK(e, mls_decrypt_with_label(&e->crypto, &init, package->init_key, "Welcome", welcome->encrypted_group_info,
                                    entry.encrypted.kem_output, entry.encrypted.ciphertext, plain,
                                    MLS_WELCOME_SECRETS_INVALID) == MLS_OK);
    return true;
}

static bool check_group_info(struct vector_entry *e, const struct secret *member, struct span bytes) {
    struct mls_group_info info;
    struct mls_epoch_secrets secrets;
    CHECK(e, mls_group_info_parse(bytes, &info) == MLS_OK);
    CHECK(e, mls_group_info_verify(&e->crypto, &info, vector_hex(e, e->json, "signer_pub")) == MLS_OK);
    CHECK(e, mls_epoch_derive(&e->crypto, member, info.group_context.encoding, &secrets) == MLS_OK);
    CHECK(e, mls_confirmation_tag_check(&e->crypto, &secrets.confirmation_key,
                                        info.group_context.confirmed_transcript_hash, info.confirmation_tag) == MLS_OK);
    return true;
}

static bool open_group_info(struct vector_entry *e, const struct mls_welcome *welcome, struct span secrets_bytes,
                            struct mls_buf *info) {
    struct mls_group_secrets secrets;
    struct secret joiner = {0}, psk = {0}, member = {0}, welcome_secret = {0};
    CHECK(e, mls_group_secrets_parse(secrets_bytes, &secrets) == MLS_OK);
    CHECK(e, secrets.joiner_secret.len == e->crypto.suite->hash_len && secrets.psks.count == 0);
    secret_set(&joiner, secrets.joiner_secret);
    mls_zero_secret(&e->crypto, &psk);
    CHECK(e, mls_member_secret(&e->crypto, &joiner, &psk, &member) == MLS_OK);
    CHECK(e, mls_welcome_secret(&e->crypto, &member, &welcome_secret) == MLS_OK);
    CHECK(e, mls_group_info_open(&e->crypto, &welcome_secret, welcome->encrypted_group_info, info) == MLS_OK);
    return check_group_info(e, &member, mls_buf_span(info));
}

static bool check_welcome(struct vector_entry *e) {
    struct mls_message package, welcome;
    CHECK(e, mls_message_parse(vector_hex(e, e->json, "key_package"), &package) == MLS_OK);
    CHECK(e, package.wire_format == MLS_WIRE_KEY_PACKAGE);
    CHECK(e, mls_message_parse(vector_hex(e, e->json, "welcome"), &welcome) == MLS_OK);
    CHECK(e, welcome.wire_format == MLS_WIRE_WELCOME);
    struct mls_buf plain, info;
    mls_buf_init(&plain, MLS_MESSAGE_LEN_MAX);
    mls_buf_init(&info, MLS_MESSAGE_LEN_MAX);
    bool good = open_group_secrets(e, &package.key_package, &welcome.welcome, &plain) &&
                open_group_info(e, &welcome.welcome, mls_buf_span(&plain), &info);
    mls_buf_free(&plain);
    mls_buf_free(&info);
    return good;
}

/* ---- passive clients ---- */

/* Says in the entry's failure why the library refused. */
static bool fine(struct vector_entry *e, enum mls_status status, const char *what) {
    if (status == MLS_OK)
        return true;
    static char text[160]; /* no printf: it would want files of a WebAssembly host */
    struct writer w = writer_of(text, sizeof text - 1);
    wr_span(&w, span_str(what));
    wr_span(&w, span_str(": "));
    wr_span(&w, span_str(mls_status_name(status)));
    text[w.len] = 0;
    e->failed = text;
    return false;
}

static bool follow_epoch(struct vector_entry *e, struct mls_group *g, const json_t *epoch) {
    const json_t *proposals = json_object_get(epoch, "proposals");
    struct mls_received received;
    for (size_t i = 0; i < json_array_size(proposals); i++) {
        struct span proposal = vector_hex_of(e, json_array_get(proposals, i));
        if (!fine(e, mls_process(g, proposal, 0, &received), "proposal"))
            return false;
        CHECK(e, received.kind == MLS_RECEIVED_PROPOSAL);
    }
    if (!fine(e, mls_process(g, vector_hex(e, epoch, "commit"), 0, &received), "commit"))
        return false;
    CHECK(e, received.kind == MLS_RECEIVED_COMMIT);
    CHECK(e, mls_staged_apply(g) == MLS_OK);
    CHECK(e, span_equal(mls_epoch_authenticator(g), vector_hex(e, epoch, "epoch_authenticator")));
    return true;
}

static bool follow(struct vector_entry *e, struct mls_client *client, struct mls_group **group) {
    struct mls_join_options join = {0};
    /* foreign vectors use what the RFC leaves to the application: every such choice is open here */
    const struct mls_group_options options = {
        .resync_any_key = true, .match_by_application = true, .resumption_epochs = MLS_RESUMPTION_EPOCHS_MAX};
    if (!vector_absent(e->json, "ratchet_tree"))
        join.tree = vector_hex(e, e->json, "ratchet_tree");
    if (!fine(e, mls_join(client, &options, vector_hex(e, e->json, "welcome"), &join, 0, e->rng, group), "welcome"))
        return false;
    CHECK(e, span_equal(mls_epoch_authenticator(*group), vector_hex(e, e->json, "initial_epoch_authenticator")));
    const json_t *epochs = json_object_get(e->json, "epochs");
    for (size_t i = 0; i < json_array_size(epochs); i++) {
        if (!follow_epoch(e, *group, json_array_get(epochs, i)))
            return false;
    }
    return true;
}

static bool prepare(struct vector_entry *e, struct mls_client *client) {
    const json_t *psks = json_object_get(e->json, "external_psks");
    for (size_t i = 0; i < json_array_size(psks); i++) {
        const json_t *psk = json_array_get(psks, i);
        CHECK(e, mls_psk_add(client, vector_hex(e, psk, "psk_id"), vector_hex(e, psk, "psk")) == MLS_OK);
    }
    struct secret init, encryption, signature;
    size_t kem_len = kem_private_len(e->crypto.suite->hpke.kem);
    vector_private_key(e, e->json, "init_priv", kem_len, &init);
    vector_private_key(e, e->json, "encryption_priv", kem_len, &encryption);
    vector_private_key(e, e->json, "signature_priv", sign_private_len(e->crypto.suite->sign), &signature);
    return fine(e,
                mls_key_package_import(client, vector_hex(e, e->json, "key_package"), secret_span(&init),
                                       secret_span(&encryption), secret_span(&signature), false),
                "key package");
}

static bool check_passive(struct vector_entry *e) {
    struct mls_client *client = NULL;
    struct mls_group *group = NULL;
    CHECK(e, mls_client_create(e->crypto.backend, &client) == MLS_OK);
    bool good = prepare(e, client) && follow(e, client, &group);
    mls_group_free(group);
    mls_client_free(client);
    return good;
}

const struct vector_kind vector_kinds_group[] = {
    {"welcome.json", true, check_welcome},
    {"passive-client-*.json", true, check_passive},
    {"interop-passive/*.json", true, check_passive},
    {"passive/*.json", true, check_passive},
    /* the files of those folders, elsewhere */
    {"application.json", true, check_passive},
    {"branch.json", true, check_passive},
    {"commit.json", true, check_passive},
    {"deep_random.json", true, check_passive},
    {"external_join.json", true, check_passive},
    {"external_proposals.json", true, check_passive},
    {"reinit.json", true, check_passive},
    {"welcome_join.json", true, check_passive},
    {NULL, false, NULL},
};
