/* Writes corpora of what a meeting's group is made of, from a real one: make_corpus_group FOLDER writes FOLDER/wire,
 * FOLDER/context and FOLDER/public. */
#include <stdio.h>
#include <stdlib.h>

#include "group/meeting_world.h"
#include "group/wire.h"
#include "unit.h"

static const char *folder;

static void put(const char *corpus, int first, const char *name, struct span bytes) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s/%s", folder, corpus, name);
    FILE *f = fopen(path, "wb");
    bool good = f != NULL && (first < 0 || fputc(first, f) != EOF) && fwrite(bytes.data, 1, bytes.len, f) == bytes.len;
    if (!good || fclose(f) != 0) {
        fprintf(stderr, "cannot write %s\n", path);
        exit(1);
    }
}

static void put_message(struct wire_message m, const char *name) {
    struct mls_buf out;
    mls_buf_init(&out, WIRE_MESSAGE_LEN_MAX);
    wire_write(&m, &out);
    if (!mls_buf_ok(&out)) {
        fprintf(stderr, "%s is no message\n", name);
        exit(1);
    }
    put("wire", m.type >= 128, name, mls_buf_span(&out));
    mls_buf_free(&out);
}

static void put_messages(struct meeting_world *w, struct seat *s) {
    uint8_t zeros[64] = {0};
    struct span x = span_str("x"), key = span_of(s->public_key, 32);
    struct mls_buf list;
    mls_buf_init(&list, 1 << 16);
    put_message((struct wire_message){.type = WIRE_HELLO,
                                      .how = WIRE_ENTER,
                                      .flags = 1,
                                      .kind = w->kind,
                                      .suite = w->suite,
                                      .first_link_key = span_of(w->link.link_key, 32),
                                      .owner = span_of(w->owner_key, 32),
                                      .link_key = span_of(w->link.link_key, 32),
                                      .seat_key = key,
                                      .nonce = span_of(zeros, 32),
                                      .key_package = mls_buf_span(&s->key_package),
                                      .link_signature = span_of(zeros, 64),
                                      .leaf_signature = span_of(zeros, 64)},
                "hello");
    put_message((struct wire_message){.type = WIRE_HELLO, .how = WIRE_RESUME, .seat_key = key}, "resume");
    put_message((struct wire_message){.type = WIRE_CREATE,
                                      .group_info = mls_buf_span(&w->group_info),
                                      .tree = mls_buf_span(&w->tree)},
                "create");
    put_message((struct wire_message){.type = WIRE_RESTATED, .group_info = x, .tree = x}, "restated");
    wire_add_left_out(&list, &(struct wire_left_out){.knock = 3, .status = 7});
    put_message(
        (struct wire_message){
            .type = WIRE_COMMIT, .flags = 1, .commit = x, .group_info = x, .list = mls_buf_span(&list)},
        "commit");
    put_message((struct wire_message){.type = WIRE_ACK, .epoch = 3}, "ack");
    put_message((struct wire_message){.type = WIRE_BAD, .epoch = 3, .status = 9}, "bad");
    put_message((struct wire_message){.type = WIRE_APP, .flags = 1, .message = x}, "app");
    put_message((struct wire_message){.type = WIRE_DIRECT, .identity = x, .sealed = x}, "direct");
    put_message((struct wire_message){.type = WIRE_LEAVE}, "leave");
    put_message((struct wire_message){.type = WIRE_MODERATE, .what = WIRE_REMOVE, .target = x}, "moderate");
    put_message((struct wire_message){.type = WIRE_CHECKED, .ticket = 4, .good = true}, "checked");
    put_message((struct wire_message){.type = WIRE_CHALLENGE, .unix_s = MEETING_NOW}, "challenge");
    put_message((struct wire_message){.type = WIRE_STATE, .standing = 2, .token = x}, "state");
    put_message((struct wire_message){.type = WIRE_STATE, .standing = 4, .epoch = 5, .seq = 6}, "state_resumed");
    put_message((struct wire_message){.type = WIRE_CREATE_NOW, .external_sender = mls_buf_span(&w->external_sender)},
                "create_now");
    put_message((struct wire_message){.type = WIRE_JOIN_NOW, .group_info = x, .tree_hash = x}, "join_now");
    mls_buf_clear(&list);
    wire_add_package(&list, &(struct wire_package){.knock = 3, .key_package = mls_buf_span(&s->key_package)});
    put_message((struct wire_message){.type = WIRE_COMMIT_NOW, .epoch = 1, .list = mls_buf_span(&list)}, "commit_now");
    put_message((struct wire_message){.type = WIRE_HANDSHAKE, .seq = 1, .message = x}, "handshake");
    put_message((struct wire_message){.type = WIRE_ACCEPTED, .seq = 1, .epoch = 2}, "accepted");
    put_message((struct wire_message){.type = WIRE_STALE, .epoch = 2, .reason = x}, "stale");
    put_message((struct wire_message){.type = WIRE_WELCOME, .welcome = x, .tree_hash = x}, "welcome");
    put_message((struct wire_message){.type = WIRE_APP_FROM, .seq = 1, .identity = x, .message = x}, "app_from");
    put_message((struct wire_message){.type = WIRE_DIRECT_FROM, .identity = x, .sealed = x}, "direct_from");
    put_message((struct wire_message){.type = WIRE_READY, .seq = 1, .epoch = 2}, "ready");
    put_message((struct wire_message){.type = WIRE_RESYNC, .group_info = x, .tree_hash = x}, "resync");
    put_message((struct wire_message){.type = WIRE_GONE, .reason_gone = 1, .by = x}, "gone");
    mls_buf_clear(&list);
    wire_add_identity(&list, span_str("p_1"));
    wire_add_identity(&list, span_str("p_2"));
    put_message((struct wire_message){.type = WIRE_ONLINE, .list = mls_buf_span(&list)}, "online");
    put_message((struct wire_message){.type = WIRE_SENT, .seq = 1}, "sent");
    put_message((struct wire_message){.type = WIRE_RESTATE}, "restate");
    put_message((struct wire_message){.type = WIRE_WAITING, .position = 1}, "waiting");
    put_message((struct wire_message){.type = WIRE_CHECK_NOW, .ticket = 1, .commit = x, .group_info = x}, "check_now");
    put_message((struct wire_message){.type = WIRE_MODERATED, .what = WIRE_MUTE, .target = x, .by = x}, "moderated");
    put_message((struct wire_message){.type = WIRE_WITHDRAWN, .seq = 1, .epoch = 2}, "withdrawn");
    mls_buf_free(&list);
}

static void put_contexts(struct meeting_world *w, struct seat *s) {
    static const uint8_t regions[] = {2, 'd', 'e', 2, 'f', 'r'};
    struct mls_buf roles, recorders, out;
    uint8_t barred[GROUP_BARRED_LEN];
    struct group_meeting m;
    struct span data;
    mls_buf_init(&roles, 1 << 12);
    mls_buf_init(&recorders, 1 << 12);
    mls_buf_init(&out, 1 << 14);
    group_role_add(&roles, &(struct group_role_entry){.role = GROUP_HOST, .key = span_of(s->public_key, 32)});
    group_role_add(&roles, &(struct group_role_entry){.role = GROUP_VIEWER, .key = span_of(w->owner_key, 32)});
    group_recorder_add(&recorders, &(struct group_recorder){.key = span_of(s->public_key, 32), .since_s = 1});
    group_barred_of_seat(&crypto_openssl, span_of(w->owner_key, 32), barred);
    m = meeting_first(w);
    m.regions = span_of(regions, sizeof regions);
    m.roles = mls_buf_span(&roles);
    m.recorders = mls_buf_span(&recorders);
    m.barred = span_of(barred, sizeof barred);
    group_meeting_write(&m, &out);
    put("context", 0, "meeting", mls_buf_span(&out));
    if (mls_extension_find(mls_buf_span(&w->info_extensions), GROUP_EXTENSION_INFO, &data))
        put("context", 1, "info", data);
    if (mls_extension_find(mls_buf_span(&s->leaf_extensions), GROUP_EXTENSION_CLIENT, &data)) {
        struct group_client client;
        put("context", 1, "client", data);
        if (group_client_read(data, &client))
            put("context", 2, "grant", client.grant);
    }
    put("context", 2, "founding", mls_buf_span(&w->founding));
    put("context", 3, "id", span_str(w->id));
    mls_buf_free(&roles);
    mls_buf_free(&recorders);
    mls_buf_free(&out);
}

int main(int argc, char **argv) {
    struct meeting_world w;
    struct mls_buf chain, remove;
    if (argc != 2)
        return 2;
    folder = argv[1];
    meeting_init(&w, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519, GROUP_KIND_NOW, GROUP_OPEN);
    mls_buf_init(&chain, 1 << 20);
    mls_buf_init(&remove, 1 << 16);
    struct seat *owner = seat_make(&w, true), *guest = seat_make(&w, false), *third = seat_make(&w, false);
    seat_found(owner, true);
    mls_wr_vec(&chain, mls_buf_span(&w.group_info));
    mls_wr_vec(&chain, mls_buf_span(&w.tree));
    put("public", -1, "first", mls_buf_span(&chain));
    propose_add(&w, guest);
    propose_psk(&w);
    seat_commit(owner);
    put_messages(&w, guest);
    put_contexts(&w, owner);
    mls_wr_vec(&chain, mls_buf_span(&w.commit));
    mls_wr_vec(&chain, mls_buf_span(&w.group_info));
    meeting_deliver(owner);
    put("public", -1, "added", mls_buf_span(&chain));
    seat_enter(third, owner, true, false);
    mls_wr_vec(&chain, mls_buf_span(&w.commit));
    mls_wr_vec(&chain, mls_buf_span(&w.group_info));
    meeting_deliver(third);
    put("public", -1, "entered", mls_buf_span(&chain));
    struct group_meeting m;
    if (!group_meeting_of(mls_group_extensions(owner->group), &m))
        return 1;
    m.entry = GROUP_LOBBY;
    propose_remove(&w, third);
    propose_meeting(&w, &m);
    seat_commit(owner);
    mls_wr_vec(&chain, mls_buf_span(&w.commit));
    mls_wr_vec(&chain, span_of(NULL, 0));
    meeting_deliver(owner);
    put("public", -1, "removed", mls_buf_span(&chain));
    mls_buf_free(&chain);
    mls_buf_free(&remove);
    meeting_free(&w);
    return 0;
}
