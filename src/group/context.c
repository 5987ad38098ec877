#include "group/context.h"

#include <string.h>

#include "base/assert.h"
#include "e2ee/mls.h"

bool group_suite_good(uint16_t suite) {
    return suite == MLS_SUITE_X25519_AES128GCM_SHA256_ED25519 || suite == MLS_SUITE_XWING_AES256GCM_SHA384_ED25519;
}

/* What is left of a list from *at on, which moves past what was read. */
static struct mls_reader rest_of(struct span list, size_t at) {
    ASSERT(at <= list.len);
    return mls_reader_of(at == list.len ? span_of(NULL, 0) : span_of(list.data + at, list.len - at));
}

static struct span read_key(struct mls_reader *r) {
    struct span key = mls_rd_vec(r, GROUP_KEY_LEN, MLS_FIELD_TOO_LONG);
    if (mls_reader_ok(r) && key.len != GROUP_KEY_LEN)
        mls_reader_refuse(r, MLS_TRUNCATED);
    return key;
}

/* ---- roles, recorders, regions, barred ---- */

bool group_role_next(const struct group_meeting *meeting, size_t *at, struct group_role_entry *out) {
    struct mls_reader r = rest_of(meeting->roles, *at);
    if (mls_reader_left(&r) == 0)
        return false;
    out->role = mls_rd_u8(&r);
    out->allow = mls_rd_u32(&r);
    out->deny = mls_rd_u32(&r);
    out->key = read_key(&r);
    *at += mls_reader_pos(&r);
    return mls_reader_ok(&r);
}

bool group_role_find(const struct group_meeting *meeting, struct span seat_key, struct group_role_entry *out) {
    size_t at = 0;
    while (group_role_next(meeting, &at, out)) {
        if (span_equal(out->key, seat_key))
            return true;
    }
    return false;
}

void group_role_add(struct mls_buf *roles, const struct group_role_entry *entry) {
    mls_wr_u8(roles, entry->role);
    mls_wr_u32(roles, entry->allow);
    mls_wr_u32(roles, entry->deny);
    mls_wr_vec(roles, entry->key);
}

bool group_recorder_next(const struct group_meeting *meeting, size_t *at, struct group_recorder *out) {
    struct mls_reader r = rest_of(meeting->recorders, *at);
    if (mls_reader_left(&r) == 0)
        return false;
    out->key = read_key(&r);
    out->since_s = mls_rd_u64(&r);
    *at += mls_reader_pos(&r);
    return mls_reader_ok(&r);
}

void group_recorder_add(struct mls_buf *recorders, const struct group_recorder *recorder) {
    mls_wr_vec(recorders, recorder->key);
    mls_wr_u64(recorders, recorder->since_s);
}

bool group_region_next(const struct group_meeting *meeting, size_t *at, struct span *name) {
    struct mls_reader r = rest_of(meeting->regions, *at);
    if (mls_reader_left(&r) == 0)
        return false;
    *name = mls_rd_vec(&r, GROUP_REGION_LEN_MAX, MLS_FIELD_TOO_LONG);
    *at += mls_reader_pos(&r);
    return mls_reader_ok(&r);
}

/* Each walks its list to its end and counts; false for what is malformed, too much, or there twice. */
static bool roles_good(const struct group_meeting *m) {
    struct group_role_entry entry, first;
    size_t at = 0, count = 0, hosts = 0;
    while (at < m->roles.len) {
        if (!group_role_next(m, &at, &entry) || ++count > GROUP_ROLES_MAX)
            return false;
        if (entry.role < GROUP_HOST || entry.role > GROUP_VIEWER ||
            ((entry.allow | entry.deny) & ~(uint32_t)GROUP_MAY_ALL) != 0)
            return false;
        hosts += entry.role <= GROUP_COHOST;
        if (!group_role_find(m, entry.key, &first) || first.key.data != entry.key.data)
            return false;
    }
    return hosts <= GROUP_HOSTS_MAX;
}

static bool recorders_good(const struct group_meeting *m) {
    struct group_recorder recorder;
    struct span keys[GROUP_RECORDERS_MAX];
    size_t at = 0, count = 0;
    while (at < m->recorders.len) {
        if (count == GROUP_RECORDERS_MAX || !group_recorder_next(m, &at, &recorder))
            return false;
        for (size_t i = 0; i < count; i++) {
            if (span_equal(keys[i], recorder.key))
                return false;
        }
        keys[count++] = recorder.key;
    }
    return true;
}

static bool comes_before(struct span a, struct span b) {
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order < 0 || (order == 0 && a.len < b.len);
}

static bool regions_good(const struct group_meeting *m) {
    struct span last = {0}, name;
    size_t at = 0, count = 0;
    while (at < m->regions.len) {
        if (!group_region_next(m, &at, &name) || ++count > GROUP_REGIONS_MAX || !group_identity_good(name))
            return false;
        if (last.len > 0 && !comes_before(last, name))
            return false;
        last = name;
    }
    return true;
}

static struct span barred_at(const struct group_meeting *m, size_t i) {
    return span_of(m->barred.data + i * GROUP_BARRED_LEN, GROUP_BARRED_LEN);
}

static bool barred_good(const struct group_meeting *m) {
    size_t count = m->barred.len / GROUP_BARRED_LEN;
    if (m->barred.len % GROUP_BARRED_LEN != 0 || count > GROUP_BARRED_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (span_equal(barred_at(m, i), barred_at(m, j)))
                return false;
        }
    }
    return true;
}

void group_barred_of_seat(const struct crypto_backend *crypto, struct span seat_key, uint8_t out[GROUP_BARRED_LEN]) {
    uint8_t hash[HASH_LEN_MAX];
    (void)crypto->hash(HASH_SHA256, &seat_key, 1, hash); /* cannot fail: nothing is allocated */
    memcpy(out, hash, GROUP_BARRED_LEN);
}

bool group_is_barred(const struct group_meeting *meeting, struct span entry) {
    for (size_t i = 0; i < meeting->barred.len / GROUP_BARRED_LEN; i++) {
        if (span_equal(barred_at(meeting, i), entry))
            return true;
    }
    return false;
}

/* ---- Meeting ---- */

static bool meeting_sound(const struct group_meeting *m) {
    uint8_t kind = m->kind & (uint8_t)~GROUP_KIND_ANYBODY;
    return kind >= GROUP_KIND_NOW && kind <= GROUP_KIND_PERMANENT && m->entry <= GROUP_LOCKED &&
           (m->mode & ~(GROUP_SUSPENDED | GROUP_PASSCODE | GROUP_MEMBERS_ONLY)) == 0 &&
           (m->may & ~(uint32_t)GROUP_MAY_ALL) == 0 && m->succession >= GROUP_HOLD && m->succession <= GROUP_END &&
           roles_good(m) && recorders_good(m) && regions_good(m) && barred_good(m);
}

bool group_meeting_read(struct span data, struct group_meeting *out) {
    struct mls_reader r = mls_reader_of(data);
    *out = (struct group_meeting){0};
    if (data.len > GROUP_MEETING_LEN_MAX)
        return false;
    uint8_t version = mls_rd_u8(&r);
    out->meeting = mls_rd_bytes(&r, GROUP_HASH_LEN);
    out->kind = mls_rd_u8(&r);
    out->operator_key = mls_rd_bytes(&r, GROUP_KEY_LEN);
    out->owner = mls_rd_bytes(&r, GROUP_KEY_LEN);
    out->first_link_key = mls_rd_bytes(&r, GROUP_KEY_LEN);
    out->generation = mls_rd_u32(&r);
    out->regions = mls_rd_vec(&r, GROUP_MEETING_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->entry = mls_rd_u8(&r);
    out->mode = mls_rd_u8(&r);
    out->may = mls_rd_u32(&r);
    out->succession = mls_rd_u8(&r);
    out->succession_min = mls_rd_u16(&r);
    out->roles = mls_rd_vec(&r, GROUP_MEETING_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->recorders = mls_rd_vec(&r, GROUP_MEETING_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->barred = mls_rd_vec(&r, GROUP_MEETING_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->floor = mls_rd_bytes(&r, GROUP_HASH_LEN);
    out->founding = mls_rd_bytes(&r, GROUP_HASH_LEN);
    return mls_reader_end(&r) == MLS_OK && version == GROUP_VERSION && meeting_sound(out);
}

/* A fixed field; what has another length spoils the buffer. */
static void write_fixed(struct mls_buf *out, struct span bytes, size_t len) {
    if (bytes.len == len)
        mls_wr_span(out, bytes);
    else if (mls_buf_ok(out))
        out->status = MLS_TOO_LARGE;
}

void group_meeting_write(const struct group_meeting *m, struct mls_buf *out) {
    size_t start = mls_buf_len(out);
    struct group_meeting again;
    mls_wr_u8(out, GROUP_VERSION);
    write_fixed(out, m->meeting, GROUP_HASH_LEN);
    mls_wr_u8(out, m->kind);
    write_fixed(out, m->operator_key, GROUP_KEY_LEN);
    write_fixed(out, m->owner, GROUP_KEY_LEN);
    write_fixed(out, m->first_link_key, GROUP_KEY_LEN);
    mls_wr_u32(out, m->generation);
    mls_wr_vec(out, m->regions);
    mls_wr_u8(out, m->entry);
    mls_wr_u8(out, m->mode);
    mls_wr_u32(out, m->may);
    mls_wr_u8(out, m->succession);
    mls_wr_u16(out, m->succession_min);
    mls_wr_vec(out, m->roles);
    mls_wr_vec(out, m->recorders);
    mls_wr_vec(out, m->barred);
    write_fixed(out, m->floor, GROUP_HASH_LEN);
    write_fixed(out, m->founding, GROUP_HASH_LEN);
    if (mls_buf_ok(out) && !group_meeting_read(span_of(out->w.data + start, mls_buf_len(out) - start), &again)) {
        mls_buf_cut(out, start);
        out->status = MLS_TOO_LARGE;
    }
}

bool group_meeting_of(struct span extensions, struct group_meeting *out) {
    struct span data;
    return mls_extension_find(extensions, GROUP_EXTENSION_MEETING, &data) && group_meeting_read(data, out);
}

/* ---- Info ---- */

bool group_info_read(struct span data, struct group_info *out) {
    struct mls_reader r = mls_reader_of(data);
    *out = (struct group_info){0};
    if (data.len > GROUP_INFO_LEN_MAX)
        return false;
    out->generation = mls_rd_u32(&r);
    out->link_key = mls_rd_bytes(&r, GROUP_KEY_LEN);
    out->policy = mls_rd_vec(&r, GROUP_INFO_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->founding = mls_rd_vec(&r, GROUP_INFO_LEN_MAX, MLS_FIELD_TOO_LONG);
    return mls_reader_end(&r) == MLS_OK;
}

void group_info_write(const struct group_info *info, struct mls_buf *out) {
    size_t start = mls_buf_len(out);
    struct group_info again;
    mls_wr_u32(out, info->generation);
    write_fixed(out, info->link_key, GROUP_KEY_LEN);
    mls_wr_vec(out, info->policy);
    mls_wr_vec(out, info->founding);
    if (mls_buf_ok(out) && !group_info_read(span_of(out->w.data + start, mls_buf_len(out) - start), &again)) {
        mls_buf_cut(out, start);
        out->status = MLS_TOO_LARGE;
    }
}

bool group_info_of(struct span extensions, struct group_info *out) {
    struct span data;
    return mls_extension_find(extensions, GROUP_EXTENSION_INFO, &data) && group_info_read(data, out);
}

/* ---- Client ---- */

bool group_client_read(struct span data, struct group_client *out) {
    struct mls_reader r = mls_reader_of(data);
    *out = (struct group_client){0};
    if (data.len > GROUP_CLIENT_LEN_MAX)
        return false;
    uint8_t version = mls_rd_u8(&r);
    out->kind = mls_rd_u8(&r);
    out->software = mls_rd_vec(&r, GROUP_SOFTWARE_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->bundle = mls_rd_vec(&r, GROUP_BUNDLE_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->generation = mls_rd_u32(&r);
    out->link_signature = mls_rd_bytes(&r, 64);
    out->house = mls_rd_vec(&r, GROUP_CLIENT_LEN_MAX, MLS_FIELD_TOO_LONG);
    out->grant = mls_rd_vec(&r, GROUP_CLIENT_LEN_MAX, MLS_FIELD_TOO_LONG);
    return mls_reader_end(&r) == MLS_OK && version == GROUP_VERSION && out->kind >= GROUP_BROWSER &&
           out->kind <= GROUP_TEST;
}

void group_client_write(const struct group_client *client, struct mls_buf *out) {
    size_t start = mls_buf_len(out);
    struct group_client again;
    mls_wr_u8(out, GROUP_VERSION);
    mls_wr_u8(out, client->kind);
    mls_wr_vec(out, client->software);
    mls_wr_vec(out, client->bundle);
    mls_wr_u32(out, client->generation);
    write_fixed(out, client->link_signature, 64);
    mls_wr_vec(out, client->house);
    mls_wr_vec(out, client->grant);
    if (mls_buf_ok(out) && !group_client_read(span_of(out->w.data + start, mls_buf_len(out) - start), &again)) {
        mls_buf_cut(out, start);
        out->status = MLS_TOO_LARGE;
    }
}

bool group_client_of(struct span extensions, struct group_client *out) {
    struct span data;
    return mls_extension_find(extensions, GROUP_EXTENSION_CLIENT, &data) && group_client_read(data, out);
}
