#include "meeting_world.h"

#include <string.h>

#include "unit.h"

#include "base/assert.h"

static const uint16_t our_extensions[] = {GROUP_EXTENSION_MEETING, GROUP_EXTENSION_CLIENT};

void meeting_init(struct meeting_world *w, uint16_t suite, uint8_t kind, uint8_t entry) {
    *w = (struct meeting_world){.rng = rng_seeded(suite + kind), .suite = suite, .kind = kind, .entry = entry};
    struct mls_buf *buffers[] = {&w->external_sender, &w->context_extensions,
                                 &w->info_extensions, &w->founding,
                                 &w->commit,          &w->welcome,
                                 &w->group_info,      &w->tree,
                                 &w->proposals,       &w->scratch};
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        mls_buf_init(buffers[i], MLS_MESSAGE_LEN_MAX);
    rng_fill(&w->rng, w->operator_key, 32);
    rng_fill(&w->rng, w->server_secret, 32);
    rng_fill(&w->rng, w->link_secret, 32);
    rng_fill(&w->rng, w->group_id, 16);
    assert_int_equal(sign_generate(&crypto_openssl, SIGN_ED25519, &w->rng, &w->owner, w->owner_key), CRYPTO_OK);
    assert_int_equal(group_link_derive(&crypto_openssl, span_of(w->link_secret, 32), &w->link), CRYPTO_OK);
    struct group_id_parts parts = {span_of(w->link.link_key, 32), span_of(w->owner_key, 32),
                                   span_of(w->operator_key, 32), suite, kind};
    uint8_t hash[16], tag[8], public_key[32];
    group_id_hash(&crypto_openssl, &parts, hash);
    group_id_tag(&crypto_openssl, span_of(w->server_secret, 32), hash, tag);
    group_id_text(hash, tag, w->id);
    group_meeting_hash(&crypto_openssl, span_str(w->id), w->meeting);
    const struct group_server server = group_server_local(&crypto_openssl, span_of(w->server_secret, 32));
    assert_int_equal(
        group_external_sender(&crypto_openssl, &server, span_of(w->meeting, 32), &w->external_key, public_key),
        CRYPTO_OK);
    group_external_sender_write(span_of(public_key, 32), &w->external_sender);
}

void meeting_free(struct meeting_world *w) {
    for (size_t i = 0; i < w->count; i++) {
        struct seat *s = &w->people[i];
        mls_group_free(s->group);
        mls_client_free(s->client);
        mls_buf_free(&s->credential);
        mls_buf_free(&s->leaf_extensions);
        mls_buf_free(&s->key_package);
    }
    struct mls_buf *buffers[] = {&w->external_sender, &w->context_extensions,
                                 &w->info_extensions, &w->founding,
                                 &w->commit,          &w->welcome,
                                 &w->group_info,      &w->tree,
                                 &w->proposals,       &w->scratch};
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        mls_buf_free(buffers[i]);
}

/* ---- seats ---- */

struct group_client seat_honest_client(struct seat *s, bool grant, struct client_storage *storage) {
    struct meeting_world *w = s->world;
    assert_int_equal(group_leaf_sign(&crypto_openssl, &w->link.sign, span_of(w->meeting, 32), 0,
                                     span_of(s->public_key, 32), storage->signature),
                     CRYPTO_OK);
    struct group_client client = {.kind = GROUP_TEST,
                                  .software = span_str("test"),
                                  .bundle = span_str("none"),
                                  .link_signature = span_of(storage->signature, 64)};
    if (grant) {
        struct mls_buf out;
        mls_buf_over(&out, storage->grant, sizeof storage->grant);
        assert_int_equal(
            group_grant_make(&crypto_openssl, &w->owner, span_of(w->meeting, 32), span_of(s->public_key, 32), &out),
            MLS_OK);
        client.grant = mls_buf_span(&out);
    }
    return client;
}

void seat_client(struct seat *s, const struct group_client *client) {
    struct mls_buf data;
    mls_buf_init(&data, GROUP_CLIENT_LEN_MAX);
    group_client_write(client, &data);
    assert_int_equal(data.status, MLS_OK);
    mls_buf_clear(&s->leaf_extensions);
    assert_int_equal(mls_extension_write(GROUP_EXTENSION_CLIENT, mls_buf_span(&data), &s->leaf_extensions), MLS_OK);
    mls_buf_free(&data);
    s->mls = (struct mls_identity){.suite = s->world->suite,
                                   .credential = mls_buf_span(&s->credential),
                                   .signature_key = &s->key,
                                   .extensions = mls_buf_span(&s->leaf_extensions),
                                   .extension_types = our_extensions,
                                   .extension_type_count = ARRAY_LEN(our_extensions)};
}

struct seat *seat_make(struct meeting_world *w, bool grant) {
    assert_true(w->count < PEOPLE_MAX);
    struct seat *s = &w->people[w->count++];
    struct client_storage storage;
    uint8_t id[GROUP_PSK_ID_LEN];
    *s = (struct seat){.world = w};
    mls_buf_init(&s->credential, 256);
    mls_buf_init(&s->leaf_extensions, 2048);
    mls_buf_init(&s->key_package, MLS_MESSAGE_LEN_MAX);
    assert_int_equal(mls_client_create(&crypto_openssl, &s->client), MLS_OK);
    assert_int_equal(sign_generate(&crypto_openssl, SIGN_ED25519, &w->rng, &s->key, s->public_key), CRYPTO_OK);
    group_identity(&crypto_openssl, span_of(w->meeting, 32), span_of(s->public_key, 32), s->identity);
    assert_int_equal(mls_credential_basic(span_of(s->identity, sizeof s->identity), &s->credential), MLS_OK);
    group_psk_id(0, id);
    assert_int_equal(mls_psk_add(s->client, span_of(id, sizeof id), secret_span(&w->link.psk)), MLS_OK);
    struct group_client client = seat_honest_client(s, grant, &storage);
    seat_client(s, &client);
    return s;
}

/* ---- the group ---- */

struct group_meeting meeting_first(const struct meeting_world *w) {
    static const uint8_t zeros[32];
    return (struct group_meeting){
        .meeting = span_of(w->meeting, 32),
        .kind = w->kind,
        .operator_key = span_of(w->operator_key, 32),
        .owner = span_of(w->owner_key, 32),
        .first_link_key = span_of(w->link.link_key, 32),
        .entry = w->entry,
        .may = GROUP_MAY_ALL,
        .succession = GROUP_HOLD,
        .floor = span_of(zeros, 32),
        .founding = span_of(zeros, 32),
    };
}

void meeting_context(struct meeting_world *w, const struct group_meeting *meeting) {
    static const uint16_t basic[] = {MLS_CREDENTIAL_BASIC};
    struct mls_buf data;
    mls_buf_init(&data, GROUP_MEETING_LEN_MAX);
    mls_buf_clear(&w->context_extensions);
    assert_int_equal(mls_extension_write_required(our_extensions, ARRAY_LEN(our_extensions), NULL, 0, basic, 1,
                                                  &w->context_extensions),
                     MLS_OK);
    size_t at = mls_wr_vec_begin(&data);
    mls_wr_span(&data, mls_buf_span(&w->external_sender));
    mls_wr_vec_end(&data, at);
    assert_int_equal(mls_extension_write(MLS_EXTENSION_EXTERNAL_SENDERS, mls_buf_span(&data), &w->context_extensions),
                     MLS_OK);
    mls_buf_clear(&data);
    group_meeting_write(meeting, &data);
    assert_int_equal(data.status, MLS_OK);
    assert_int_equal(mls_extension_write(GROUP_EXTENSION_MEETING, mls_buf_span(&data), &w->context_extensions), MLS_OK);
    mls_buf_free(&data);
}

void meeting_info(struct meeting_world *w, const struct group_meeting *meeting) {
    struct mls_buf data;
    struct group_info info = {.generation = meeting->generation,
                              .link_key = span_of(w->link.link_key, 32),
                              .founding = mls_buf_span(&w->founding)};
    mls_buf_init(&data, GROUP_INFO_LEN_MAX);
    group_info_write(&info, &data);
    assert_int_equal(data.status, MLS_OK);
    mls_buf_clear(&w->info_extensions);
    assert_int_equal(mls_extension_write(GROUP_EXTENSION_INFO, mls_buf_span(&data), &w->info_extensions), MLS_OK);
    mls_buf_free(&data);
}

static struct mls_group_info_options info_options(const struct meeting_world *w) {
    return (struct mls_group_info_options){.external_pub = true, .extensions = mls_buf_span(&w->info_extensions)};
}

void seat_publish(struct seat *s) {
    struct meeting_world *w = s->world;
    struct mls_group_info_options options = info_options(w);
    mls_buf_clear(&w->group_info);
    mls_buf_clear(&w->tree);
    assert_int_equal(mls_group_info(s->group, &options, &w->group_info), MLS_OK);
    assert_int_equal(mls_group_tree(s->group, &w->tree), MLS_OK);
}

void seat_found(struct seat *s, bool founding) {
    struct meeting_world *w = s->world;
    struct group_meeting meeting = meeting_first(w);
    uint8_t hash[64];
    if (founding) {
        struct group_client client;
        assert_true(group_client_of(mls_buf_span(&s->leaf_extensions), &client));
        assert_int_equal(group_founding_make(&crypto_openssl, &s->key, client.grant, MEETING_NOW,
                                             span_of(w->group_id, 16), &w->founding),
                         MLS_OK);
        struct span body = mls_buf_span(&w->founding);
        assert_int_equal(crypto_openssl.hash(HASH_SHA256, &body, 1, hash), CRYPTO_OK);
        meeting.founding = span_of(hash, 32);
    }
    meeting_context(w, &meeting);
    meeting_info(w, &meeting);
    assert_int_equal(mls_group_create(s->client, &s->mls, NULL, span_of(w->group_id, 16),
                                      mls_buf_span(&w->context_extensions), MEETING_NOW, &w->rng, &s->group),
                     MLS_OK);
    seat_publish(s);
}

void propose_add(struct meeting_world *w, struct seat *joiner) {
    mls_buf_clear(&joiner->key_package);
    assert_int_equal(
        mls_key_package_create(joiner->client, &joiner->mls, NULL, MEETING_NOW, &w->rng, &joiner->key_package), MLS_OK);
    assert_int_equal(mls_propose_write_add(mls_buf_span(&joiner->key_package), &w->proposals), MLS_OK);
}

void propose_psk(struct meeting_world *w) {
    uint8_t id[GROUP_PSK_ID_LEN];
    group_psk_id(0, id);
    assert_int_equal(mls_propose_write_psk(w->suite, span_of(id, sizeof id), &w->rng, &w->proposals), MLS_OK);
}

uint32_t seat_leaf(const struct seat *of, const struct seat *who) {
    uint32_t cursor = 0;
    struct mls_member member;
    while (mls_member_next(of->group, &cursor, &member)) {
        if (span_equal(member.leaf.signature_key, span_of(who->public_key, 32)))
            return member.leaf_index;
    }
    return UINT32_MAX;
}

void propose_remove(struct meeting_world *w, struct seat *gone) {
    assert_int_equal(mls_propose_write_remove(seat_leaf(gone, gone), &w->proposals), MLS_OK);
}

void propose_meeting(struct meeting_world *w, const struct group_meeting *meeting) {
    meeting_context(w, meeting);
    assert_int_equal(mls_propose_write_extensions(mls_buf_span(&w->context_extensions), &w->proposals), MLS_OK);
}

void seat_commit(struct seat *s) {
    struct meeting_world *w = s->world;
    struct mls_commit_options options = {
        .proposals = mls_buf_span(&w->proposals), .group_info = info_options(w), .frame = {.as_public = true}};
    mls_buf_clear(&w->commit);
    mls_buf_clear(&w->welcome);
    mls_buf_clear(&w->group_info);
    assert_int_equal(mls_commit(s->group, &options, MEETING_NOW, &w->rng, &w->commit, &w->welcome, &w->group_info),
                     MLS_OK);
    mls_buf_clear(&w->proposals);
}

void seat_enter(struct seat *s, struct seat *host, bool psk, bool resync) {
    struct meeting_world *w = s->world;
    uint8_t id[GROUP_PSK_ID_LEN];
    group_psk_id(0, id);
    struct span ids[] = {span_of(id, sizeof id)};
    seat_publish(host);
    struct mls_external_options options = {
        .join = {.tree = mls_buf_span(&w->tree)}, .resync = resync, .psks = ids, .psk_count = psk ? 1 : 0};
    struct mls_group_info_options next = info_options(w);
    mls_buf_clear(&w->commit);
    mls_group_free(s->group);
    s->group = NULL;
    assert_int_equal(mls_join_external(s->client, &s->mls, NULL, mls_buf_span(&w->group_info), &options, MEETING_NOW,
                                       &w->rng, &s->group, &w->commit, NULL),
                     MLS_OK);
    mls_buf_clear(&w->group_info);
    assert_int_equal(mls_next_group_info(s->group, &next, &w->group_info), MLS_OK);
}

void meeting_deliver(struct seat *from) {
    struct meeting_world *w = from->world;
    for (size_t i = 0; i < w->count; i++) {
        struct seat *s = &w->people[i];
        struct mls_received received;
        if (s == from || s->group == NULL)
            continue;
        assert_int_equal(mls_process(s->group, mls_buf_span(&w->commit), MEETING_NOW, &received), MLS_OK);
        assert_int_equal(mls_staged_apply(s->group), MLS_OK);
        if (mls_group_state(s->group) != MLS_STATE_ACTIVE) {
            mls_group_free(s->group);
            s->group = NULL;
        }
    }
    assert_int_equal(mls_commit_confirm(from->group), MLS_OK);
    mls_buf_clear(&w->tree);
    assert_int_equal(mls_group_tree(from->group, &w->tree), MLS_OK);
    for (size_t i = 0; mls_buf_len(&w->welcome) > 0 && i < w->count; i++) {
        struct seat *s = &w->people[i];
        struct mls_join_options join = {.tree = mls_buf_span(&w->tree)};
        if (s->group == NULL && mls_buf_len(&s->key_package) > 0)
            (void)mls_join(s->client, NULL, mls_buf_span(&w->welcome), &join, MEETING_NOW, &w->rng, &s->group);
    }
    mls_buf_clear(&w->welcome);
}

enum group_verdict seat_judges(struct seat *s) {
    struct group_before before;
    struct mls_commit_info info;
    struct group_staged staged;
    struct mls_received received;
    struct span link_key = span_of(s->world->link.link_key, 32);
    assert_int_equal(mls_process(s->group, mls_buf_span(&s->world->commit), MEETING_NOW, &received), MLS_OK);
    assert_int_equal(group_rules_before_of(&crypto_openssl, s->group, link_key, &before), GROUP_GOOD);
    assert_true(group_staged_of(s->group, &info, &staged));
    enum group_verdict verdict = group_rules_commit(&before, &staged);
    mls_staged_refuse(s->group);
    return verdict;
}
