/* A native member for tests in other languages: one JSON object a line in, one a line out.
 *
 *     {"op":"create","client":1,"identity":2,"id":"<hex>"}     ->  {"ok":3}
 *     {"op":"process","group":3,"message":"<hex>"}             ->  {"ok":{"kind":2,...}} or
 * {"error":"MEMBERSHIP_TAG_INVALID"}
 *
 * Objects are numbers; byte strings hexadecimal. Everything that it is asked in a wrong form ends it: it is a test's
 * tool. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/assert.h"
#include "e2ee/frame_native.h"
#include "e2ee/mls.h"
#include "io/clock.h"
#include "io/entropy.h"

#define OBJECTS_MAX 4096
#define LEN_MAX (8u << 20)
#define KEYS_MAX 1024

struct identity {
    struct mls_identity mls;
    struct mls_buf credential;
    struct secret signature_key;
};

struct receiver {
    struct sframe_receiver sframe;
    void *memory;
};

static void *objects[OBJECTS_MAX];
static int objects_count = 1;
static struct rng rng;

static json_t *keep(void *object) {
    ASSERT(objects_count < OBJECTS_MAX);
    objects[objects_count] = object;
    return json_integer(objects_count++);
}

static void *object(const json_t *request, const char *name) {
    json_int_t i = json_integer_value(json_object_get(request, name));
    ASSERT(i > 0 && i < objects_count && objects[i] != NULL);
    return objects[i];
}

static void forget(const json_t *request, const char *name) {
    objects[json_integer_value(json_object_get(request, name))] = NULL;
}

static uint64_t number(const json_t *request, const char *name) {
    return (uint64_t)json_integer_value(json_object_get(request, name));
}

static uint8_t digit(char c) {
    ASSERT((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Bytes of a hexadecimal field; they live until the request ends. */
static uint8_t *storage;
static size_t storage_len;

static struct span bytes(const json_t *request, const char *name) {
    const char *text = json_string_value(json_object_get(request, name));
    size_t len = text == NULL ? 0 : strlen(text) / 2;
    uint8_t *start = storage + storage_len;
    ASSERT(storage_len + len <= 2 * LEN_MAX);
    for (size_t i = 0; i < len; i++)
        start[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
    storage_len += len;
    return span_of(start, len);
}

static json_t *hex(struct span value) {
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * value.len + 1);
    ASSERT(text != NULL);
    for (size_t i = 0; i < value.len; i++) {
        text[2 * i] = digits[value.data[i] >> 4];
        text[2 * i + 1] = digits[value.data[i] & 15];
    }
    text[2 * value.len] = 0;
    json_t *result = json_string(text);
    free(text);
    return result;
}

static json_t *failure(enum mls_status status) {
    return json_pack("{s:s}", "error", mls_status_name(status));
}

static json_t *good(json_t *value) {
    return json_pack("{s:o}", "ok", value);
}

static json_t *answer_buf(enum mls_status status, struct mls_buf *out) {
    json_t *result = status == MLS_OK ? good(hex(mls_buf_span(out))) : failure(status);
    mls_buf_free(out);
    return result;
}

static struct mls_buf buf(void) {
    struct mls_buf out;
    mls_buf_init(&out, LEN_MAX);
    return out;
}

/* ---- operations ---- */

static json_t *op_client(const json_t *q) {
    struct mls_client *client;
    (void)q;
    enum mls_status status = mls_client_create(&crypto_openssl, &client);
    return status == MLS_OK ? good(keep(client)) : failure(status);
}

static json_t *op_client_free(const json_t *q) {
    mls_client_free(object(q, "client"));
    forget(q, "client");
    return good(json_true());
}

static json_t *op_psk(const json_t *q) {
    enum mls_status status = mls_psk_add(object(q, "client"), bytes(q, "id"), bytes(q, "psk"));
    return status == MLS_OK ? good(json_true()) : failure(status);
}

static json_t *op_identity(const json_t *q) {
    struct identity *identity = calloc(1, sizeof *identity);
    struct mls_buf public_key = buf();
    ASSERT(identity != NULL);
    identity->credential = buf();
    uint16_t suite = (uint16_t)number(q, "suite");
    enum mls_status status =
        mls_signature_key_generate(&crypto_openssl, suite, &rng, &identity->signature_key, &public_key);
    mls_buf_free(&public_key);
    if (status == MLS_OK)
        status = mls_credential_basic(bytes(q, "name"), &identity->credential);
    /* other implementations do not all know GREASE */
    identity->mls = (struct mls_identity){.suite = suite,
                                          .credential = mls_buf_span(&identity->credential),
                                          .signature_key = &identity->signature_key,
                                          .no_grease = json_is_true(json_object_get(q, "no_grease"))};
    return status == MLS_OK ? good(keep(identity)) : failure(status);
}

static json_t *op_key_package(const json_t *q) {
    struct mls_buf out = buf();
    struct identity *identity = object(q, "identity");
    return answer_buf(
        mls_key_package_create(object(q, "client"), &identity->mls, NULL, clock_unix_us() / 1000000, &rng, &out), &out);
}

static json_t *op_create(const json_t *q) {
    struct mls_group *group;
    struct identity *identity = object(q, "identity");
    enum mls_status status = mls_group_create(object(q, "client"), &identity->mls, NULL, bytes(q, "id"),
                                              span_of(NULL, 0), clock_unix_us() / 1000000, &rng, &group);
    return status == MLS_OK ? good(keep(group)) : failure(status);
}

static json_t *op_join(const json_t *q) {
    struct mls_group *group;
    struct mls_join_options join = {.tree = bytes(q, "tree"),
                                    .verify_later = json_is_true(json_object_get(q, "later"))};
    enum mls_status status =
        mls_join(object(q, "client"), NULL, bytes(q, "welcome"), &join, clock_unix_us() / 1000000, &rng, &group);
    return status == MLS_OK ? good(keep(group)) : failure(status);
}

static json_t *op_join_external(const json_t *q) {
    struct mls_group *group;
    struct mls_buf commit = buf();
    struct identity *identity = object(q, "identity");
    struct mls_external_options external = {.join = {.tree = bytes(q, "tree")},
                                            .resync = json_is_true(json_object_get(q, "resync"))};
    enum mls_status status = mls_join_external(object(q, "client"), &identity->mls, NULL, bytes(q, "info"), &external,
                                               clock_unix_us() / 1000000, &rng, &group, &commit, NULL);
    json_t *result = failure(status);
    if (status == MLS_OK) {
        json_decref(result);
        result = good(json_pack("{s:o, s:o}", "group", keep(group), "commit", hex(mls_buf_span(&commit))));
    }
    mls_buf_free(&commit);
    return result;
}

static json_t *op_free(const json_t *q) {
    mls_group_free(object(q, "group"));
    forget(q, "group");
    return good(json_true());
}

static json_t *op_state(const json_t *q) {
    const struct mls_group *g = object(q, "group");
    json_t *members = json_array();
    struct mls_member member;
    uint32_t cursor = 0;
    while (mls_member_next(g, &cursor, &member))
        json_array_append_new(
            members, json_pack("{s:i, s:o}", "leaf", member.leaf_index, "identity", hex(member.leaf.identity)));
    return good(json_pack("{s:i, s:I, s:i, s:o, s:o, s:o}", "state", mls_group_state(g), "epoch",
                          (json_int_t)mls_group_epoch(g), "leaf", mls_own_leaf(g), "authenticator",
                          hex(mls_epoch_authenticator(g)), "context", hex(mls_group_context(g)), "members", members));
}

static json_t *op_tree(const json_t *q) {
    struct mls_buf out = buf();
    return answer_buf(mls_group_tree(object(q, "group"), &out), &out);
}

static json_t *op_info(const json_t *q) {
    struct mls_buf out = buf();
    struct mls_group_info_options options = {.external_pub = true, .tree = true};
    return answer_buf(mls_group_info(object(q, "group"), &options, &out), &out);
}

static json_t *op_export(const json_t *q) {
    uint8_t out[256];
    size_t len = number(q, "len");
    ASSERT(len <= sizeof out);
    enum mls_status status =
        mls_export(object(q, "group"), json_string_value(json_object_get(q, "label")), bytes(q, "context"), out, len);
    return status == MLS_OK ? good(hex(span_of(out, len))) : failure(status);
}

/* {"add":"<hex>"}, {"remove":leaf}, {"psk":"<hex id>"}: one encoded proposal each, one behind the other. */
static enum mls_status write_proposals(const json_t *q, uint16_t suite, struct mls_buf *out) {
    size_t i;
    json_t *p;
    enum mls_status status = MLS_OK;
    json_array_foreach(json_object_get(q, "proposals"), i, p) {
        if (status != MLS_OK)
            break;
        if (json_object_get(p, "add") != NULL)
            status = mls_propose_write_add(bytes(p, "add"), out);
        else if (json_object_get(p, "remove") != NULL)
            status = mls_propose_write_remove((uint32_t)number(p, "remove"), out);
        else
            status = mls_propose_write_psk(suite, bytes(p, "psk"), &rng, out);
    }
    return status;
}

static json_t *op_propose(const json_t *q) {
    struct mls_group *g = object(q, "group");
    struct mls_buf proposals = buf(), out = buf();
    struct mls_frame_options frame = {.as_private = json_is_true(json_object_get(q, "private"))};
    enum mls_status status;
    if (json_is_true(json_object_get(q, "update"))) {
        status = mls_propose_update(g, NULL, &frame, clock_unix_us() / 1000000, &rng, &out);
    } else {
        status = write_proposals(q, mls_group_suite(g), &proposals);
        if (status == MLS_OK)
            status = mls_propose(g, mls_buf_span(&proposals), &frame, clock_unix_us() / 1000000, &rng, &out);
    }
    mls_buf_free(&proposals);
    return answer_buf(status, &out);
}

static json_t *op_commit(const json_t *q) {
    struct mls_group *g = object(q, "group");
    struct mls_buf proposals = buf(), commit = buf(), welcome = buf();
    enum mls_status status = write_proposals(q, mls_group_suite(g), &proposals);
    struct mls_commit_options options = {.proposals = mls_buf_span(&proposals),
                                         .no_path = json_is_true(json_object_get(q, "no_path")),
                                         .frame = {.as_private = json_is_true(json_object_get(q, "private"))},
                                         .tree_in_welcome = true};
    if (status == MLS_OK)
        status = mls_commit(g, &options, clock_unix_us() / 1000000, &rng, &commit, &welcome, NULL);
    json_t *result = status != MLS_OK ? failure(status)
                                      : good(json_pack("{s:o, s:o}", "commit", hex(mls_buf_span(&commit)), "welcome",
                                                       hex(mls_buf_span(&welcome))));
    mls_buf_free(&proposals);
    mls_buf_free(&commit);
    mls_buf_free(&welcome);
    return result;
}

static json_t *op_confirm(const json_t *q) {
    enum mls_status status = mls_commit_confirm(object(q, "group"));
    return status == MLS_OK ? good(json_true()) : failure(status);
}

static json_t *op_drop(const json_t *q) {
    mls_commit_drop(object(q, "group"));
    return good(json_true());
}

static json_t *op_process(const json_t *q) {
    struct mls_received r;
    enum mls_status status = mls_process(object(q, "group"), bytes(q, "message"), clock_unix_us() / 1000000, &r);
    if (status != MLS_OK)
        return failure(status);
    return good(json_pack("{s:i, s:i, s:o}", "kind", r.kind, "sender", r.sender, "data", hex(r.application_data)));
}

static json_t *op_apply(const json_t *q) {
    enum mls_status status = mls_staged_apply(object(q, "group"));
    return status == MLS_OK ? good(json_true()) : failure(status);
}

static json_t *op_protect(const json_t *q) {
    struct mls_buf out = buf();
    return answer_buf(mls_protect(object(q, "group"), bytes(q, "data"), span_of(NULL, 0), &rng, &out), &out);
}

/* ---- frames ---- */

static json_t *op_sender(const json_t *q) {
    struct sframe_sender *sender = calloc(1, sizeof *sender);
    struct sframe_epoch_key key = {
        .epoch = number(q, "epoch"), .leaf = (uint32_t)number(q, "leaf"), .base_key = bytes(q, "key")};
    ASSERT(sender != NULL);
    sframe_sender_init(sender, &crypto_openssl, SFRAME_AES_256_GCM_SHA512_128, &sframe_native);
    ASSERT(sframe_sender_install(sender, &key, clock_now_us()) == SFRAME_OK);
    return good(keep(sender));
}

static json_t *op_receiver(const json_t *q) {
    struct receiver *receiver = calloc(1, sizeof *receiver);
    struct sframe_epoch_key key = {
        .epoch = number(q, "epoch"), .leaf = (uint32_t)number(q, "leaf"), .base_key = bytes(q, "key")};
    ASSERT(receiver != NULL);
    receiver->memory = malloc(sframe_receiver_size(KEYS_MAX));
    ASSERT(receiver->memory != NULL);
    sframe_receiver_init(&receiver->sframe, receiver->memory, KEYS_MAX, &crypto_openssl, SFRAME_AES_256_GCM_SHA512_128,
                         &sframe_native, &rng);
    ASSERT(sframe_receiver_install(&receiver->sframe, &key, clock_now_us()) == SFRAME_OK);
    return good(keep(receiver));
}

static json_t *answer_frame(enum sframe_status status, const uint8_t *out, size_t len) {
    return status == SFRAME_OK ? good(hex(span_of(out, len))) : json_pack("{s:s}", "error", sframe_status_name(status));
}

static struct frame_info info_of(const json_t *q) {
    return (struct frame_info){.codec = (enum frame_codec)number(q, "codec"),
                               .kind = (enum frame_kind)number(q, "kind"),
                               .type = (enum frame_type)number(q, "type")};
}

static json_t *op_seal_frame(const json_t *q) {
    struct frame_info info = info_of(q);
    struct span frame = bytes(q, "frame");
    size_t size = frame_sealed_len_max(info.codec, frame.len), len = 0;
    uint8_t *out = malloc(size);
    ASSERT(out != NULL);
    enum sframe_status status =
        frame_seal(object(q, "sender"), (uint32_t)number(q, "context"), &info, frame, clock_now_us(), out, size, &len);
    json_t *result = answer_frame(status, out, len);
    free(out);
    return result;
}

static json_t *op_open_frame(const json_t *q) {
    struct frame_info info = info_of(q);
    struct span frame = bytes(q, "frame");
    struct receiver *receiver = object(q, "receiver");
    size_t len = 0;
    uint8_t *out = malloc(frame.len + 64);
    ASSERT(out != NULL);
    enum sframe_status status = frame_open(&receiver->sframe, (uint32_t)number(q, "leaf"), &info, frame, clock_now_us(),
                                           out, frame.len + 64, &len);
    json_t *result = answer_frame(status, out, len);
    free(out);
    return result;
}

static const struct {
    const char *name;
    json_t *(*run)(const json_t *request);
} operations[] = {
    {"client", op_client},
    {"client_free", op_client_free},
    {"psk", op_psk},
    {"identity", op_identity},
    {"key_package", op_key_package},
    {"create", op_create},
    {"join", op_join},
    {"join_external", op_join_external},
    {"free", op_free},
    {"state", op_state},
    {"tree", op_tree},
    {"info", op_info},
    {"export", op_export},
    {"propose", op_propose},
    {"commit", op_commit},
    {"confirm", op_confirm},
    {"drop", op_drop},
    {"process", op_process},
    {"apply", op_apply},
    {"protect", op_protect},
    {"sender", op_sender},
    {"receiver", op_receiver},
    {"seal_frame", op_seal_frame},
    {"open_frame", op_open_frame},
};

static json_t *serve(const json_t *request) {
    const char *op = json_string_value(json_object_get(request, "op"));
    ASSERT(op != NULL);
    storage_len = 0;
    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        if (strcmp(op, operations[i].name) == 0)
            return operations[i].run(request);
    }
    return json_pack("{s:s}", "error", "no such operation");
}

int main(void) {
    char *line = NULL;
    size_t size = 0;
    rng = entropy_rng();
    storage = malloc(2 * LEN_MAX);
    ASSERT(storage != NULL);
    while (getline(&line, &size, stdin) > 0) {
        json_error_t error;
        json_t *request = json_loads(line, 0, &error);
        ASSERT(request != NULL);
        json_t *reply = serve(request);
        char *text = json_dumps(reply, JSON_COMPACT);
        ASSERT(text != NULL);
        puts(text);
        fflush(stdout);
        free(text);
        json_decref(reply);
        json_decref(request);
    }
    free(line);
    free(storage);
    return 0;
}
