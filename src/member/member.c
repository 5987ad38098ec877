#include "member/member.h"

#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "group/statement.h"
#include "member/member_internal.h"

#define SMALL_LEN_MAX 4096
#define OUTPUT_LEN_MAX (2 * WIRE_MESSAGE_LEN_MAX)

#define ALARM_TEXT(name, text) text,
static const char *const alarm_texts[] = {MEMBER_ALARMS(ALARM_TEXT)};

const char *member_alarm_text(enum member_alarm alarm) {
    ASSERT(alarm < MEMBER_ALARM_COUNT);
    return alarm_texts[alarm];
}

/* ---- small things ---- */

void buf_set(struct mls_buf *b, struct span bytes) {
    mls_buf_free(b);
    mls_buf_init(b, bytes.len > 0 ? bytes.len : 1);
    mls_buf_reserve(b, bytes.len);
    mls_wr_span(b, bytes);
}

bool text_set(struct text *text, struct span bytes) {
    if (bytes.len > sizeof text->bytes || !utf8_good(bytes))
        return false;
    text->len = (uint16_t)bytes.len;
    if (bytes.len > 0)
        memcpy(text->bytes, bytes.data, bytes.len);
    return true;
}

struct span text_span(const struct text *text) {
    return span_of(text->bytes, text->len);
}

/* ---- outputs ---- */

static bool queue_grow(struct member *m) {
    uint32_t room = m->queue_room == 0 ? 32 : 2 * m->queue_room;
    struct queued *more = room > MEMBER_OUTPUTS_MAX ? NULL : mls_alloc(room * sizeof *more);
    if (more == NULL)
        return false;
    for (uint32_t i = 0; i < m->queue_count; i++)
        more[i] = m->queue[(m->queue_first + i) % m->queue_room];
    if (m->queue != NULL)
        mls_free(m->queue, m->queue_room * sizeof *m->queue);
    m->queue = more;
    m->queue_room = room;
    m->queue_first = 0;
    return true;
}

void member_put(struct member *m, const struct member_output *output) {
    if (m->queue_count == m->queue_room && !queue_grow(m)) {
        m->dropped++;
        return;
    }
    struct queued q = {.output = *output};
    struct span *spans[] = {&q.output.bytes,   &q.output.text,      &q.output.identity, &q.output.id,
                            &q.output.file.id, &q.output.file.name, &q.output.file.key, &q.output.file.sha256};
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_LEN(spans); i++)
        len += spans[i]->len;
    mls_buf_init(&q.storage, OUTPUT_LEN_MAX);
    mls_buf_reserve(&q.storage, len);
    for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
        size_t at = mls_buf_len(&q.storage);
        mls_wr_span(&q.storage, *spans[i]);
        if (mls_buf_ok(&q.storage) && spans[i]->len > 0)
            spans[i]->data = q.storage.w.data + at;
    }
    if (!mls_buf_ok(&q.storage)) {
        mls_buf_free(&q.storage);
        m->dropped++;
        return;
    }
    m->queue[(m->queue_first + m->queue_count++) % m->queue_room] = q;
}

bool member_poll(struct member *m, struct member_output *out) {
    mls_buf_free(&m->given.storage);
    if (m->queue_count == 0)
        return false;
    m->given = m->queue[m->queue_first];
    m->queue_first = (m->queue_first + 1) % m->queue_room;
    m->queue_count--;
    *out = m->given.output;
    return true;
}

void member_send_wire(struct member *m, const struct wire_message *message) {
    struct mls_buf bytes;
    if (!m->connected)
        return;
    mls_buf_init(&bytes, OUTPUT_LEN_MAX);
    wire_write(message, &bytes);
    if (mls_buf_ok(&bytes))
        member_put(m, &(struct member_output){.type = MEMBER_SEND, .bytes = mls_buf_span(&bytes)});
    mls_buf_free(&bytes);
}

void member_alarm(struct member *m, enum member_alarm alarm, struct span identity, enum mls_status status) {
    m->alarms[alarm]++;
    member_put(m,
               &(struct member_output){.type = MEMBER_ALARM, .alarm = alarm, .identity = identity, .status = status});
}

void member_set_state(struct member *m, enum member_state state) {
    if (m->state == state)
        return;
    m->state = state;
    member_put(m, &(struct member_output){.type = MEMBER_STATE, .state = state});
}

static void drop_groups(struct member *m) {
    member_drop_joining(m);
    mls_group_free(m->group);
    m->group = NULL;
    member_past_forget(m);
    member_rosters_forget(m);
    m->next = NEXT_NONE;
    m->next_apply_us = TIME_NEVER;
    member_directs_forget(m);
    m->fetching = FETCH_NONE;
    mls_buf_free(&m->inbox);
    m->inbox_count = 0;
}

void member_end(struct member *m, uint8_t gone) {
    member_end_by(m, gone, span_of(NULL, 0));
}

void member_end_by(struct member *m, uint8_t gone, struct span by) {
    if (m->ended_told)
        return;
    m->ended_told = true;
    m->gone = gone;
    drop_groups(m);
    member_set_state(m, MEMBER_OVER);
    member_put(m, &(struct member_output){.type = MEMBER_ENDED, .gone = gone, .identity = by});
}

/* ---- life ---- */

static enum mls_status make_leaf_extensions(struct member *m) {
    uint8_t signature[GROUP_SIGNATURE_LEN];
    struct mls_buf data;
    struct span meeting = span_of(m->meeting_hash, sizeof m->meeting_hash), seat = mls_buf_span(&m->signature_public);
    enum mls_status status = mls_status_of_crypto(
        group_leaf_sign(m->crypto, &m->link.sign, meeting, m->generation, seat, signature), MLS_CRYPTO_FAILED);
    if (status == MLS_OK && m->owner_seed.len > 0)
        status = group_grant_make(m->crypto, &m->owner_seed, meeting, seat, &m->grant);
    mls_buf_init(&data, GROUP_CLIENT_LEN_MAX);
    if (status == MLS_OK)
        group_client_write(&(struct group_client){.kind = (uint8_t)m->client_kind,
                                                  .software = mls_buf_span(&m->software),
                                                  .bundle = mls_buf_span(&m->bundle),
                                                  .generation = m->generation,
                                                  .link_signature = span_of(signature, sizeof signature),
                                                  .grant = mls_buf_span(&m->grant)},
                           &data);
    status = status == MLS_OK ? data.status : status;
    if (status == MLS_OK)
        status = mls_extension_write(GROUP_EXTENSION_CLIENT, mls_buf_span(&data), &m->leaf_extensions);
    mls_buf_free(&data);
    return status;
}

static enum mls_status make_keys(struct member *m, const struct member_config *config, struct rng *rng) {
    if (config->seat_seed == NULL)
        return mls_signature_key_generate(m->crypto, config->suite, rng, &m->signature_key, &m->signature_public);
    m->signature_key = *config->seat_seed;
    uint8_t *public_key = mls_wr_reserve(&m->signature_public, sign_public_len(m->suite.suite->sign));
    if (public_key == NULL)
        return MLS_NO_MEMORY;
    return mls_status_of_crypto(m->crypto->sign_public(m->suite.suite->sign, &m->signature_key, public_key),
                                MLS_SIGNATURE_KEY_INVALID);
}

/* Who made the meeting and in whose house it is, as far as the link says. */
static enum mls_status take_owner(struct member *m, const struct member_config *config) {
    memcpy(m->operator_hash, config->operator_hash.data, sizeof m->operator_hash);
    m->operator_known = config->operator_key.len == sizeof m->operator_key;
    if (m->operator_known)
        memcpy(m->operator_key, config->operator_key.data, sizeof m->operator_key);
    m->owner_known = config->owner.len == sizeof m->owner;
    if (m->owner_known)
        memcpy(m->owner, config->owner.data, sizeof m->owner);
    if (config->owner_seed.len == 0)
        return MLS_OK;
    secret_set(&m->owner_seed, config->owner_seed);
    m->owner_known = true;
    return mls_status_of_crypto(m->crypto->sign_public(SIGN_ED25519, &m->owner_seed, m->owner),
                                MLS_SIGNATURE_KEY_INVALID);
}

static void init_bufs(struct member *m, const struct member_config *config) {
    buf_set(&m->meeting, config->meeting);
    buf_set(&m->software, config->software);
    buf_set(&m->bundle, config->bundle);
    mls_buf_init(&m->signature_public, SIGN_PUBLIC_LEN_MAX);
    mls_buf_init(&m->credential, SMALL_LEN_MAX);
    mls_buf_init(&m->leaf_extensions, SMALL_LEN_MAX);
    mls_buf_init(&m->grant, GROUP_STATEMENT_LEN_MAX);
    mls_buf_init(&m->founding, GROUP_STATEMENT_LEN_MAX);
    mls_buf_init(&m->next_by, WIRE_IDENTITY_LEN_MAX);
    mls_buf_init(&m->fetch_group_info, WIRE_MESSAGE_LEN_MAX);
    mls_buf_init(&m->fetch_welcome, WIRE_MESSAGE_LEN_MAX);
    mls_buf_init(&m->fetch_tree_hash, HASH_LEN_MAX);
    mls_buf_init(&m->inbox, INBOX_LEN_MAX);
}

static bool config_good(const struct member_config *config) {
    return config->link_secret.len == GROUP_LINK_SECRET_LEN && config->operator_hash.len == 16 &&
           (config->operator_key.len == 0 || config->operator_key.len == GROUP_KEY_LEN) &&
           (config->owner.len == 0 || config->owner.len == GROUP_KEY_LEN) &&
           (config->owner_seed.len == 0 || config->owner_seed.len == GROUP_KEY_LEN) && config->meeting.len > 0 &&
           config->meeting.len <= GROUP_MEETING_ID_LEN_MAX && group_suite_good(config->suite);
}

static enum mls_status set_up(struct member *m, const struct member_config *config, struct rng *rng) {
    enum mls_status status = mls_crypto_of(config->crypto, config->suite, &m->suite);
    if (status == MLS_OK)
        status = mls_status_of_crypto(group_link_derive(m->crypto, config->link_secret, &m->link), MLS_CRYPTO_FAILED);
    if (status == MLS_OK)
        status = take_owner(m, config);
    group_meeting_hash(m->crypto, config->meeting, m->meeting_hash);
    group_psk_id(m->generation, m->psk_id);
    if (status == MLS_OK)
        status = make_keys(m, config, rng);
    if (status == MLS_OK)
        group_identity(m->crypto, span_of(m->meeting_hash, sizeof m->meeting_hash), mls_buf_span(&m->signature_public),
                       m->own_identity);
    buf_set(&m->identity, span_of(m->own_identity, sizeof m->own_identity));
    if (status == MLS_OK)
        status = mls_credential_basic(mls_buf_span(&m->identity), &m->credential);
    if (status == MLS_OK)
        status = make_leaf_extensions(m);
    if (status == MLS_OK)
        status = mls_client_create(m->crypto, &m->client);
    if (status == MLS_OK)
        status = mls_psk_add(m->client, span_of(m->psk_id, sizeof m->psk_id), secret_span(&m->link.psk));
    return status;
}

enum mls_status member_create(const struct member_config *config, struct rng *rng, struct member **out) {
    ASSERT(config_good(config));
    struct member *m = mls_alloc(sizeof *m);
    if (m == NULL)
        return MLS_NO_MEMORY;
    m->crypto = config->crypto;
    m->people_max = config->people_max != 0 ? config->people_max : MEMBER_PEOPLE_MAX;
    m->client_kind = config->client;
    m->kind = config->kind;
    m->generation = config->generation;
    m->checks_at_us = m->heal_at_us = m->names_at_us = m->profile_at_us = m->directs_at_us = TIME_NEVER;
    m->rejoin_at_us = m->remove_try_us = m->removal_at_us = m->next_apply_us = m->heartbeat_at_us = TIME_NEVER;
    m->greeter = UINT32_MAX;
    m->confirmed = true;
    init_bufs(m, config);
    if (!text_set(&m->name, config->name))
        m->name.len = 0;
    enum mls_status status = set_up(m, config, rng);
    if (status != MLS_OK) {
        member_free(m);
        return status;
    }
    *out = m;
    return MLS_OK;
}

void member_free(struct member *m) {
    if (m == NULL)
        return;
    drop_groups(m);
    mls_client_free(m->client);
    for (uint32_t i = 0; i < m->people_count; i++)
        member_person_free(&m->people[i]);
    if (m->people != NULL)
        mls_free(m->people, m->people_room * sizeof *m->people);
    mls_buf_free(&m->given.storage);
    for (uint32_t i = 0; i < m->queue_count; i++)
        mls_buf_free(&m->queue[(m->queue_first + i) % m->queue_room].storage);
    if (m->queue != NULL)
        mls_free(m->queue, m->queue_room * sizeof *m->queue);
    struct mls_buf *bufs[] = {&m->meeting,          &m->identity,   &m->software,         &m->bundle,
                              &m->signature_public, &m->credential, &m->leaf_extensions,  &m->grant,
                              &m->founding,         &m->next_by,    &m->fetch_group_info, &m->fetch_welcome,
                              &m->fetch_tree_hash,  &m->inbox};
    for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
        mls_buf_free(bufs[i]);
    group_link_wipe(&m->link);
    secret_wipe(&m->owner_seed);
    secret_wipe(&m->signature_key);
    mls_free(m, sizeof *m);
}

/* ---- questions ---- */

enum member_state member_state(const struct member *m) {
    return m->state;
}

uint16_t member_suite(const struct member *m) {
    return m->group != NULL ? mls_group_suite(m->group) : m->suite.suite->id;
}

uint64_t member_epoch(const struct member *m) {
    return m->group != NULL ? mls_group_epoch(m->group) : 0;
}

struct span member_own_identity(const struct member *m) {
    return mls_buf_span(&m->identity);
}

uint32_t member_people(const struct member *m) {
    return m->people_count;
}

static void show(const struct member *m, const struct person *p, struct member_person *out) {
    struct mls_member leaf;
    *out = (struct member_person){
        .identity = mls_buf_span(&p->identity),
        .leaf = p->leaf,
        .since_epoch = p->since_epoch,
        .self = span_equal(mls_buf_span(&p->identity), mls_buf_span(&m->identity)),
        .host = p->role == GROUP_HOST,
        .role = p->role,
        .may = p->may,
        .online = p->online,
        .hand = p->hand,
        .named = p->named,
        .checked = m->group != NULL && mls_member_at(m->group, p->leaf, &leaf) && leaf.verified,
        .verified = p->verified,
        .disputes = p->disputes,
        .name = text_span(&p->name),
        .client = p->client,
        .software = mls_buf_span(&p->software),
        .bundle = mls_buf_span(&p->bundle),
        .signature_key = mls_buf_span(&p->signature_key),
    };
}

bool member_person_next(const struct member *m, uint32_t *cursor, struct member_person *out) {
    if (*cursor >= m->people_count)
        return false;
    show(m, &m->people[(*cursor)++], out);
    return true;
}

bool member_person_find(const struct member *m, struct span identity, struct member_person *out) {
    const struct person *p = member_find_person(m, identity);
    if (p == NULL)
        return false;
    show(m, p, out);
    return true;
}

struct span member_title_text(const struct member *m) {
    return text_span(&m->title);
}

bool member_change_at(const struct member *m, uint32_t index, struct member_change *out) {
    if (index >= m->history_count)
        return false;
    const struct change *c = &m->history[m->history_count - 1 - index];
    *out = (struct member_change){.kind = c->kind,
                                  .epoch = c->epoch,
                                  .unix_s = c->unix_s,
                                  .identity = span_of(c->identity, c->identity_len),
                                  .by = span_of(c->by, c->by_len),
                                  .name = text_span(&c->name)};
    return true;
}

void member_mark_verified(struct member *m, struct span identity, bool verified) {
    for (uint32_t i = 0; i < m->people_count; i++) {
        struct person *p = &m->people[i];
        if (identity.len == 0 || span_equal(mls_buf_span(&p->identity), identity))
            p->verified = verified;
    }
    member_put(m, &(struct member_output){.type = MEMBER_ROSTER});
}

bool member_code(const struct member *m, char out[GROUP_CODE_DIGITS + 1]) {
    if (m->group == NULL)
        return false;
    struct span authenticator = mls_epoch_authenticator(m->group);
    return authenticator.len > 0 && group_code(m->crypto, authenticator, mls_group_context(m->group), out) == CRYPTO_OK;
}

bool member_pair_code(const struct member *m, struct span identity, char out[GROUP_CODE_DIGITS + 1]) {
    const struct person *other = member_find_person(m, identity);
    return other != NULL && m->group != NULL &&
           group_pair_code(m->crypto, span_of(m->meeting_hash, sizeof m->meeting_hash),
                           mls_buf_span(&m->signature_public), mls_buf_span(&other->signature_key), out) == CRYPTO_OK;
}

uint64_t member_next_deadline_us(const struct member *m) {
    uint64_t deadline_us = m->directs_at_us;
    deadline_us = time_min(deadline_us, m->next_apply_us);
    if (m->group == NULL || m->state != MEMBER_IN)
        return deadline_us;
    deadline_us = time_min(deadline_us, m->checks_at_us);
    deadline_us = time_min(deadline_us, m->heal_at_us);
    deadline_us = time_min(deadline_us, time_min(m->names_at_us, m->profile_at_us));
    deadline_us = time_min(deadline_us, time_min(m->remove_try_us, m->removal_at_us));
    deadline_us = time_min(deadline_us, time_min(m->rejoin_at_us, m->heartbeat_at_us));
    for (uint32_t i = 0; i < m->people_count; i++) {
        const struct person *p = &m->people[i];
        if (p->leaving_since_us != 0 && !p->withheld_told)
            deadline_us = time_min(deadline_us, p->leaving_since_us + MEMBER_WITHHELD_US);
    }
    if (m->pending_since_us != 0)
        deadline_us = time_min(deadline_us, m->pending_since_us + PENDING_US);
    return deadline_us;
}
