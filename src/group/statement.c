#include "group/statement.h"

#include "base/assert.h"
#include "group/context.h"

#define LABEL_PREFIX "Conclave 2 "

/* ---- signatures ---- */

/* The two vectors around label and content. The longest content is Founding's, some 230 bytes; an odd one may be as
 * long as a statement. */
static bool signed_bytes(struct mls_buf *out, const char *name, const struct span *parts, size_t count) {
    ASSERT(count <= GROUP_SIGN_PARTS_MAX);
    size_t label = mls_wr_vec_begin(out);
    mls_wr_span(out, span_str(LABEL_PREFIX));
    mls_wr_span(out, span_str(name));
    mls_wr_vec_end(out, label);
    size_t content = mls_wr_vec_begin(out);
    for (size_t i = 0; i < count; i++)
        mls_wr_span(out, parts[i]);
    mls_wr_vec_end(out, content);
    return mls_buf_ok(out);
}

enum crypto_status group_sign(const struct crypto_backend *crypto, const struct secret *seed, const char *name,
                              const struct span *parts, size_t count, uint8_t signature[GROUP_SIGNATURE_LEN]) {
    uint8_t storage[2 * GROUP_STATEMENT_LEN_MAX];
    struct mls_buf bytes;
    size_t len;
    mls_buf_over(&bytes, storage, sizeof storage);
    if (!signed_bytes(&bytes, name, parts, count))
        return CRYPTO_INVALID;
    return crypto->sign(SIGN_ED25519, seed, mls_buf_span(&bytes), signature, &len);
}

enum crypto_status group_verify(const struct crypto_backend *crypto, struct span key, const char *name,
                                const struct span *parts, size_t count, struct span signature) {
    uint8_t storage[2 * GROUP_STATEMENT_LEN_MAX];
    struct mls_buf bytes;
    mls_buf_over(&bytes, storage, sizeof storage);
    if (!signed_bytes(&bytes, name, parts, count))
        return CRYPTO_INVALID;
    return crypto->verify(SIGN_ED25519, key, mls_buf_span(&bytes), signature);
}

/* Fields that are numbers or vectors, as parts. */
struct encoded {
    uint8_t bytes[8];
};

static struct span number(struct encoded *e, uint64_t value, size_t width) {
    for (size_t i = 0; i < width; i++)
        e->bytes[i] = (uint8_t)(value >> (8 * (width - 1 - i)));
    return span_of(e->bytes, width);
}

static struct span len_of(struct encoded *e, struct span of) {
    return span_of(e->bytes, mls_len_encode(of.len, e->bytes));
}

/* ---- Leaf ---- */

#define LEAF_PARTS 4

static bool leaf_parts(struct span meeting, uint32_t generation, struct span seat_key, struct encoded e[2],
                       struct span parts[LEAF_PARTS]) {
    parts[0] = meeting;
    parts[1] = number(&e[0], generation, 4);
    parts[2] = len_of(&e[1], seat_key);
    parts[3] = seat_key;
    return meeting.len == GROUP_HASH_LEN && seat_key.len == GROUP_KEY_LEN;
}

enum crypto_status group_leaf_sign(const struct crypto_backend *crypto, const struct secret *link_seed,
                                   struct span meeting, uint32_t generation, struct span seat_key,
                                   uint8_t signature[GROUP_SIGNATURE_LEN]) {
    struct encoded e[2];
    struct span parts[LEAF_PARTS];
    if (!leaf_parts(meeting, generation, seat_key, e, parts))
        return CRYPTO_INVALID;
    return group_sign(crypto, link_seed, "Leaf", parts, LEAF_PARTS, signature);
}

enum crypto_status group_leaf_verify(const struct crypto_backend *crypto, struct span link_key, struct span meeting,
                                     uint32_t generation, struct span seat_key, struct span signature) {
    struct encoded e[2];
    struct span parts[LEAF_PARTS];
    if (!leaf_parts(meeting, generation, seat_key, e, parts))
        return CRYPTO_INVALID;
    return group_verify(crypto, link_key, "Leaf", parts, LEAF_PARTS, signature);
}

/* ---- Hello ---- */

#define HELLO_PARTS 7

static bool hello_parts(const struct crypto_backend *crypto, const struct group_hello *h, struct encoded e[2],
                        uint8_t package_hash[HASH_LEN_MAX], struct span parts[HELLO_PARTS]) {
    if (h->meeting.len != GROUP_HASH_LEN || h->seat_key.len != GROUP_KEY_LEN || h->server_nonce.len != 32 ||
        h->client_nonce.len != 32 || crypto->hash(HASH_SHA256, &h->key_package, 1, package_hash) != CRYPTO_OK)
        return false;
    parts[0] = h->meeting;
    parts[1] = len_of(&e[0], h->seat_key);
    parts[2] = h->seat_key;
    parts[3] = number(&e[1], h->how, 1);
    parts[4] = h->server_nonce;
    parts[5] = h->client_nonce;
    parts[6] = span_of(package_hash, 32);
    return true;
}

enum crypto_status group_hello_sign(const struct crypto_backend *crypto, const struct secret *seat_seed,
                                    const struct group_hello *hello, uint8_t signature[GROUP_SIGNATURE_LEN]) {
    struct encoded e[2];
    uint8_t package_hash[HASH_LEN_MAX];
    struct span parts[HELLO_PARTS];
    if (!hello_parts(crypto, hello, e, package_hash, parts))
        return CRYPTO_INVALID;
    return group_sign(crypto, seat_seed, "Hello", parts, HELLO_PARTS, signature);
}

enum crypto_status group_hello_verify(const struct crypto_backend *crypto, const struct group_hello *hello,
                                      struct span signature) {
    struct encoded e[2];
    uint8_t package_hash[HASH_LEN_MAX];
    struct span parts[HELLO_PARTS];
    if (!hello_parts(crypto, hello, e, package_hash, parts))
        return CRYPTO_INVALID;
    return group_verify(crypto, hello->seat_key, "Hello", parts, HELLO_PARTS, signature);
}

/* ---- statements that stand for themselves: everything before the signature is signed ---- */

static enum mls_status append_signature(const struct crypto_backend *crypto, const struct secret *seed,
                                        const char *name, size_t start, struct mls_buf *out) {
    uint8_t signature[GROUP_SIGNATURE_LEN];
    if (!mls_buf_ok(out))
        return out->status;
    struct span content = span_of(out->w.data + start, mls_buf_len(out) - start);
    enum crypto_status status = group_sign(crypto, seed, name, &content, 1, signature);
    if (status != CRYPTO_OK) {
        mls_buf_cut(out, start);
        return status == CRYPTO_NO_MEMORY ? MLS_NO_MEMORY : MLS_CRYPTO_FAILED;
    }
    mls_wr_span(out, span_of(signature, sizeof signature));
    return out->status;
}

static enum crypto_status verify_body(const struct crypto_backend *crypto, struct span key, const char *name,
                                      struct span bytes, struct span signature) {
    struct span content = span_of(bytes.data, bytes.len - GROUP_SIGNATURE_LEN);
    return group_verify(crypto, key, name, &content, 1, signature);
}

static void read_grant(struct mls_reader *r, struct group_grant *out) {
    if (mls_rd_u8(r) != GROUP_VERSION)
        mls_reader_refuse(r, MLS_VERSION_UNKNOWN);
    out->meeting = mls_rd_bytes(r, GROUP_HASH_LEN);
    out->seat_key = mls_rd_vec(r, GROUP_KEY_LEN, MLS_FIELD_TOO_LONG);
    if (mls_reader_ok(r) && out->seat_key.len != GROUP_KEY_LEN)
        mls_reader_refuse(r, MLS_TRUNCATED);
    out->signature = mls_rd_bytes(r, GROUP_SIGNATURE_LEN);
}

bool group_grant_read(struct span bytes, struct group_grant *out) {
    struct mls_reader r = mls_reader_of(bytes);
    *out = (struct group_grant){0};
    read_grant(&r, out);
    return mls_reader_end(&r) == MLS_OK;
}

enum mls_status group_grant_make(const struct crypto_backend *crypto, const struct secret *owner_seed,
                                 struct span meeting, struct span seat_key, struct mls_buf *out) {
    size_t start = mls_buf_len(out);
    if (meeting.len != GROUP_HASH_LEN || seat_key.len != GROUP_KEY_LEN)
        return MLS_SIGNATURE_KEY_INVALID;
    mls_wr_u8(out, GROUP_VERSION);
    mls_wr_span(out, meeting);
    mls_wr_vec(out, seat_key);
    return append_signature(crypto, owner_seed, "Grant", start, out);
}

enum crypto_status group_grant_check(const struct crypto_backend *crypto, struct span bytes, struct span owner,
                                     struct span meeting, struct span seat_key) {
    struct group_grant grant;
    if (!group_grant_read(bytes, &grant) || !span_equal(grant.meeting, meeting) ||
        !span_equal(grant.seat_key, seat_key))
        return CRYPTO_INVALID;
    return verify_body(crypto, owner, "Grant", bytes, grant.signature);
}

bool group_founding_read(struct span bytes, struct group_founding *out) {
    struct mls_reader r = mls_reader_of(bytes);
    *out = (struct group_founding){0};
    if (mls_rd_u8(&r) != GROUP_VERSION)
        mls_reader_refuse(&r, MLS_VERSION_UNKNOWN);
    read_grant(&r, &out->grant);
    out->unix_s = mls_rd_u64(&r);
    out->group_id = mls_rd_bytes(&r, GROUP_ID_LEN);
    out->signature = mls_rd_bytes(&r, GROUP_SIGNATURE_LEN);
    return mls_reader_end(&r) == MLS_OK;
}

enum mls_status group_founding_make(const struct crypto_backend *crypto, const struct secret *seat_seed,
                                    struct span grant, uint64_t unix_s, struct span group_id, struct mls_buf *out) {
    struct group_grant parsed;
    size_t start = mls_buf_len(out);
    if (!group_grant_read(grant, &parsed) || group_id.len != GROUP_ID_LEN)
        return MLS_SIGNATURE_KEY_INVALID;
    mls_wr_u8(out, GROUP_VERSION);
    mls_wr_span(out, grant);
    mls_wr_u64(out, unix_s);
    mls_wr_span(out, group_id);
    return append_signature(crypto, seat_seed, "Founding", start, out);
}

enum crypto_status group_founding_check(const struct crypto_backend *crypto, struct span bytes, struct span owner,
                                        struct span meeting, struct span group_id, struct group_founding *out) {
    if (!group_founding_read(bytes, out) || !span_equal(out->group_id, group_id))
        return CRYPTO_INVALID;
    /* the Grant stands after the version */
    size_t grant_len = (size_t)(out->grant.signature.data + GROUP_SIGNATURE_LEN - (bytes.data + 1));
    enum crypto_status status =
        group_grant_check(crypto, span_of(bytes.data + 1, grant_len), owner, meeting, out->grant.seat_key);
    if (status == CRYPTO_OK)
        status = verify_body(crypto, out->grant.seat_key, "Founding", bytes, out->signature);
    return status;
}
