/* member.h for the host of a WebAssembly module (wasm.h): a person's stay in a meeting, one export a function.
 *
 * After each call that may have caused outputs the host calls stay_poll until it answers 0. Every `now_us` is of one
 * clock that never goes back. What an output or a list means is in member/member.h. */
#include "base/assert.h"
#include "base/time.h"
#include "crypto/host.h"
#include "member/member.h"
#include "wasm/wasm.h"

/* ---- links ---- */

/* Result 0: the 32 bytes of the link key that follows from a link's secret. */
uint32_t WASM_EXPORT(link_key)(const uint8_t *secret, size_t secret_len) {
    struct mls_buf *out = wasm_result(0);
    struct group_link link;
    if (secret_len != GROUP_LINK_SECRET_LEN ||
        group_link_derive(&crypto_host, span_of(secret, secret_len), &link) != CRYPTO_OK)
        return MLS_CRYPTO_FAILED;
    mls_wr_span(out, span_of(link.link_key, sizeof link.link_key));
    group_link_wipe(&link);
    return out->status;
}

/* Result 0: the public half of an Ed25519 seed. */
uint32_t WASM_EXPORT(link_public)(const uint8_t *seed, size_t seed_len) {
    struct mls_buf *out = wasm_result(0);
    struct secret key;
    uint8_t public_key[32];
    if (seed_len != 32)
        return MLS_CRYPTO_FAILED;
    secret_set(&key, span_of(seed, seed_len));
    enum crypto_status status = crypto_host.sign_public(SIGN_ED25519, &key, public_key);
    secret_wipe(&key);
    if (status != CRYPTO_OK)
        return MLS_CRYPTO_FAILED;
    mls_wr_span(out, span_of(public_key, sizeof public_key));
    return out->status;
}

/* 1: the id is that of a meeting with this secret in its first link, these keys, suite and kind. */
uint32_t WASM_EXPORT(link_is_of)(const uint8_t *id, size_t id_len, const uint8_t *secret, size_t secret_len,
                                 const uint8_t *owner, size_t owner_len, const uint8_t *operator_key,
                                 size_t operator_len, uint32_t suite, uint32_t kind) {
    struct group_link link;
    if (secret_len != GROUP_LINK_SECRET_LEN || owner_len != 32 || operator_len != 32 ||
        group_link_derive(&crypto_host, span_of(secret, secret_len), &link) != CRYPTO_OK)
        return 0;
    const struct group_id_parts parts = {.first_link_key = span_of(link.link_key, sizeof link.link_key),
                                         .owner = span_of(owner, owner_len),
                                         .operator_key = span_of(operator_key, operator_len),
                                         .suite = (uint16_t)suite,
                                         .kind = (uint8_t)kind};
    bool good = group_id_is_of(&crypto_host, span_of(id, id_len), &parts);
    group_link_wipe(&link);
    return good;
}

/* ---- a stay ---- */

/* Empty: not known. `operator_hash` has 16 bytes, the keys and seeds 32. */
uint32_t WASM_EXPORT(stay_create)(uint32_t suite, uint32_t kind, const uint8_t *meeting, size_t meeting_len,
                                  const uint8_t *link_secret, size_t link_secret_len, const uint8_t *operator_hash,
                                  size_t operator_hash_len, const uint8_t *operator_key, size_t operator_key_len,
                                  const uint8_t *owner, size_t owner_len, const uint8_t *owner_seed,
                                  size_t owner_seed_len, const uint8_t *seat_seed, size_t seat_seed_len,
                                  const uint8_t *name, size_t name_len, const uint8_t *software, size_t software_len,
                                  const uint8_t *bundle, size_t bundle_len) {
    struct rng rng = rng_host();
    struct member *member = NULL;
    struct secret seat = {0};
    if (seat_seed_len == 32)
        secret_set(&seat, span_of(seat_seed, seat_seed_len));
    struct member_config config = {
        .crypto = &crypto_host,
        .suite = (uint16_t)suite,
        .meeting = span_of(meeting, meeting_len),
        .kind = (uint8_t)kind,
        .link_secret = span_of(link_secret, link_secret_len),
        .operator_hash = span_of(operator_hash, operator_hash_len),
        .operator_key = span_of(operator_key, operator_key_len),
        .owner = span_of(owner, owner_len),
        .owner_seed = span_of(owner_seed, owner_seed_len),
        .seat_seed = seat.len > 0 ? &seat : NULL,
        .name = span_of(name, name_len),
        .client = GROUP_BROWSER,
        .software = span_of(software, software_len),
        .bundle = span_of(bundle, bundle_len),
    };
    enum mls_status status = member_create(&config, &rng, &member);
    secret_wipe(&seat);
    wasm_give(member);
    return status;
}

/* Result 0: our identity. */
uint32_t WASM_EXPORT(stay_own)(const struct member *m) {
    struct mls_buf *out = wasm_result(0);
    mls_wr_span(out, member_own_identity(m));
    return out->status;
}

void WASM_EXPORT(stay_free)(struct member *m) {
    member_free(m);
}

/* ---- inputs ---- */

void WASM_EXPORT(stay_connected)(struct member *m, uint64_t now_us, uint64_t unix_s) {
    struct rng rng = rng_host();
    member_connected(m, now_us, unix_s, &rng);
}

void WASM_EXPORT(stay_input)(struct member *m, uint64_t now_us, uint64_t unix_s, const uint8_t *message, size_t len) {
    struct rng rng = rng_host();
    member_input(m, now_us, unix_s, &rng, span_of(message, len));
}

void WASM_EXPORT(stay_lost)(struct member *m, uint64_t now_us, uint32_t close_code) {
    member_lost(m, now_us, (uint16_t)close_code);
}

void WASM_EXPORT(stay_fetched)(struct member *m, uint64_t now_us, uint64_t unix_s, uint32_t ticket, const uint8_t *body,
                               size_t len) {
    struct rng rng = rng_host();
    member_fetched(m, now_us, unix_s, &rng, ticket, span_of(body, len));
}

void WASM_EXPORT(stay_tick)(struct member *m, uint64_t now_us, uint64_t unix_s) {
    struct rng rng = rng_host();
    member_tick(m, now_us, unix_s, &rng);
}

/* -1: none. */
int64_t WASM_EXPORT(stay_deadline)(const struct member *m) {
    uint64_t deadline_us = member_next_deadline_us(m);
    return deadline_us == TIME_NEVER ? -1 : (int64_t)deadline_us;
}

/* ---- what the person does ---- */

uint32_t WASM_EXPORT(stay_chat)(struct member *m, uint64_t unix_ms, const uint8_t *to, size_t to_len, const uint8_t *id,
                                size_t id_len, const uint8_t *text, size_t text_len) {
    struct rng rng = rng_host();
    return member_chat(m, unix_ms, &rng, span_of(to, to_len), span_of(id, id_len), span_of(text, text_len));
}

uint32_t WASM_EXPORT(stay_react)(struct member *m, const uint8_t *emoji, size_t len) {
    struct rng rng = rng_host();
    return member_react(m, &rng, span_of(emoji, len));
}

uint32_t WASM_EXPORT(stay_hand)(struct member *m, uint32_t raised) {
    struct rng rng = rng_host();
    return member_hand(m, &rng, raised != 0);
}

uint32_t WASM_EXPORT(stay_rename)(struct member *m, const uint8_t *name, size_t len) {
    struct rng rng = rng_host();
    return member_rename(m, &rng, span_of(name, len));
}

uint32_t WASM_EXPORT(stay_title)(struct member *m, const uint8_t *title, size_t len) {
    struct rng rng = rng_host();
    return member_title(m, &rng, span_of(title, len));
}

uint32_t WASM_EXPORT(stay_remove)(struct member *m, uint64_t now_us, uint64_t unix_s, const uint8_t *identity,
                                  size_t len) {
    struct rng rng = rng_host();
    return member_remove(m, now_us, unix_s, &rng, span_of(identity, len));
}

uint32_t WASM_EXPORT(stay_make_host)(struct member *m, uint64_t now_us, uint64_t unix_s, const uint8_t *identity,
                                     size_t len) {
    struct rng rng = rng_host();
    return member_make_host(m, now_us, unix_s, &rng, span_of(identity, len));
}

uint32_t WASM_EXPORT(stay_file)(struct member *m, uint64_t unix_ms, const uint8_t *to, size_t to_len, const uint8_t *id,
                                size_t id_len, const uint8_t *name, size_t name_len, uint64_t len_bytes,
                                const uint8_t *key, size_t key_len, const uint8_t *sha256, size_t sha256_len) {
    struct rng rng = rng_host();
    struct member_file file = {.id = span_of(id, id_len),
                               .name = span_of(name, name_len),
                               .len_bytes = len_bytes,
                               .key = span_of(key, key_len),
                               .sha256 = span_of(sha256, sha256_len)};
    return member_file(m, unix_ms, &rng, span_of(to, to_len), &file);
}

uint32_t WASM_EXPORT(stay_track)(struct member *m, uint32_t context, uint32_t source, const uint8_t *codec,
                                 size_t codec_len) {
    struct rng rng = rng_host();
    return member_track(m, &rng, (uint8_t)context, (uint8_t)source, span_of(codec, codec_len));
}

/* Tells the others whether this person found that codes differ. */
uint32_t WASM_EXPORT(stay_compared)(struct member *m, uint32_t differs) {
    struct rng rng = rng_host();
    return member_tell_compared(m, &rng, differs != 0);
}

void WASM_EXPORT(stay_leave)(struct member *m) {
    member_leave(m);
}

void WASM_EXPORT(stay_verified)(struct member *m, const uint8_t *identity, size_t len, uint32_t verified) {
    member_mark_verified(m, span_of(identity, len), verified != 0);
}

/* ---- outputs ---- */

/* Result 0, every field of every output: uint8 type, state, alarm; uint16 status; uint8 gone, private_to_us, context,
 * source, removal, flag; uint32 ticket, own_leaf; uint64 epoch, delay_us, unix_ms, number, off_s; bytes<V>, text<V>,
 * identity<V>, id<V>; of a file: id<V>, name<V>; uint64 len_bytes; key<V>, sha256<V>. Answers 0 when there is none. */
uint32_t WASM_EXPORT(stay_poll)(struct member *m) {
    struct member_output o;
    struct mls_buf *out = wasm_result(0);
    if (!member_poll(m, &o))
        return 0;
    mls_wr_u8(out, (uint8_t)o.type);
    mls_wr_u8(out, (uint8_t)o.state);
    mls_wr_u8(out, (uint8_t)o.alarm);
    mls_wr_u16(out, (uint16_t)o.status);
    mls_wr_u8(out, o.gone);
    mls_wr_u8(out, o.private_to_us);
    mls_wr_u8(out, o.context);
    mls_wr_u8(out, o.source);
    mls_wr_u8(out, (uint8_t)o.removal);
    mls_wr_u8(out, o.flag);
    mls_wr_u32(out, o.ticket);
    mls_wr_u32(out, o.own_leaf);
    mls_wr_u64(out, o.epoch);
    mls_wr_u64(out, o.delay_us);
    mls_wr_u64(out, o.unix_ms);
    mls_wr_u64(out, o.number);
    mls_wr_u64(out, (uint64_t)o.off_s);
    mls_wr_vec(out, o.bytes);
    mls_wr_vec(out, o.text);
    mls_wr_vec(out, o.identity);
    mls_wr_vec(out, o.id);
    mls_wr_vec(out, o.file.id);
    mls_wr_vec(out, o.file.name);
    mls_wr_u64(out, o.file.len_bytes);
    mls_wr_vec(out, o.file.key);
    mls_wr_vec(out, o.file.sha256);
    return mls_buf_ok(out);
}

/* ---- what there is to see ---- */

uint64_t WASM_EXPORT(stay_epoch)(const struct member *m) {
    return member_epoch(m);
}

uint32_t WASM_EXPORT(stay_suite)(const struct member *m) {
    return member_suite(m);
}

uint32_t WASM_EXPORT(stay_title_text)(const struct member *m) {
    struct mls_buf *out = wasm_result(0);
    mls_wr_span(out, member_title_text(m));
    return out->status;
}

enum {
    PERSON_SELF = 1,
    PERSON_HOST = 2,
    PERSON_ONLINE = 4,
    PERSON_HAND = 8,
    PERSON_NAMED = 16,
    PERSON_CHECKED = 32,
    PERSON_VERIFIED = 64,
    PERSON_DISPUTES = 128
};

static uint8_t flags_of(const struct member_person *p) {
    return (uint8_t)((p->self ? PERSON_SELF : 0) | (p->host ? PERSON_HOST : 0) | (p->online ? PERSON_ONLINE : 0) |
                     (p->hand ? PERSON_HAND : 0) | (p->named ? PERSON_NAMED : 0) | (p->checked ? PERSON_CHECKED : 0) |
                     (p->verified ? PERSON_VERIFIED : 0) | (p->disputes ? PERSON_DISPUTES : 0));
}

/* Result 0, for each person: uint32 leaf; uint64 since_epoch; uint8 flags, kind; identity<V>, name<V>, software<V>,
 * bundle<V>. */
uint32_t WASM_EXPORT(stay_people)(const struct member *m) {
    struct mls_buf *out = wasm_result(0);
    struct member_person p;
    uint32_t cursor = 0;
    while (member_person_next(m, &cursor, &p)) {
        mls_wr_u32(out, p.leaf);
        mls_wr_u64(out, p.since_epoch);
        mls_wr_u8(out, flags_of(&p));
        mls_wr_u8(out, (uint8_t)p.client);
        mls_wr_vec(out, p.identity);
        mls_wr_vec(out, p.name);
        mls_wr_vec(out, p.software);
        mls_wr_vec(out, p.bundle);
    }
    return out->status;
}

static uint32_t write_code(bool found, const char *code) {
    struct mls_buf *out = wasm_result(0);
    mls_wr_span(out, span_str(code));
    return found && mls_buf_ok(out);
}

/* Result 0, as text: the digits. 0: there is no code. */
uint32_t WASM_EXPORT(stay_code)(const struct member *m) {
    char code[GROUP_CODE_DIGITS + 1] = "";
    return write_code(member_code(m, code), code);
}

uint32_t WASM_EXPORT(stay_pair_code)(const struct member *m, const uint8_t *identity, size_t len) {
    char code[GROUP_CODE_DIGITS + 1] = "";
    return write_code(member_pair_code(m, span_of(identity, len), code), code);
}

/* Result 0, newest first: uint8 kind; uint64 epoch, unix_s; identity<V>, by<V>, name<V>. */
uint32_t WASM_EXPORT(stay_history)(const struct member *m) {
    struct mls_buf *out = wasm_result(0);
    struct member_change change;
    for (uint32_t i = 0; member_change_at(m, i, &change); i++) {
        mls_wr_u8(out, (uint8_t)change.kind);
        mls_wr_u64(out, change.epoch);
        mls_wr_u64(out, change.unix_s);
        mls_wr_vec(out, change.identity);
        mls_wr_vec(out, change.by);
        mls_wr_vec(out, change.name);
    }
    return out->status;
}
