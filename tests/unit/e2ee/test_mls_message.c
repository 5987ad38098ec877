#include <stdlib.h>

#include "base/assert.h"
#include "mls_round_trip.h"
#include "mls_samples.h"
#include "unit.h"

static struct samples samples;

static int make(void **state) {
    *state = &samples;
    samples_make(&samples, MLS_SUITE_X25519_AES128GCM_SHA256_ED25519);
    return 0;
}

static int clear(void **state) {
    samples_free(*state);
    return 0;
}

/* An exact heap copy, so that a sanitizer sees a read past the end. */
static enum mls_status read_copy(enum mls_structure structure, struct span bytes, struct mls_buf *out) {
    uint8_t *copy = malloc(bytes.len + 1);
    assert_non_null(copy);
    if (bytes.len > 0)
        memcpy(copy, bytes.data, bytes.len);
    enum mls_status status = round_trip(structure, span_of(copy, bytes.len), out);
    free(copy);
    return status;
}

static void assert_same(enum mls_structure structure, struct span bytes) {
    struct mls_buf out;
    mls_buf_init(&out, MLS_TREE_LEN_MAX);
    assert_int_equal(read_copy(structure, bytes, &out), MLS_OK);
    assert_true(mls_buf_ok(&out));
    assert_true(span_equal(mls_buf_span(&out), bytes));
    mls_buf_free(&out);
}

static void assert_refused(enum mls_structure structure, const struct mls_buf *bytes, enum mls_status reason) {
    struct mls_buf out;
    mls_buf_init(&out, MLS_TREE_LEN_MAX);
    assert_true(mls_buf_ok(bytes));
    assert_string_equal(mls_status_name(read_copy(structure, mls_buf_span(bytes), &out)), mls_status_name(reason));
    mls_buf_free(&out);
}

/* ---- round trips ---- */

#define WRITTEN(s, name, value)                                                                                        \
    ({                                                                                                                 \
        struct mls_buf *b_ = samples_buf(s);                                                                           \
        mls_##name##_write(b_, (value));                                                                               \
        assert_true(mls_buf_ok(b_));                                                                                   \
        mls_buf_span(b_);                                                                                              \
    })

/* One of each structure; `i` counts up until the answer is false. */
static bool sample_of_each(struct samples *s, size_t i, enum mls_structure *structure, struct span *bytes) {
    static const uint16_t types[] = {1, 2, 3, 4, 5, 6, 7, 0xf000};
    if (i < ARRAY_LEN(types)) {
        const struct mls_proposal p = samples_proposal(s, types[i]);
        *structure = MLS_STRUCTURE_PROPOSAL;
        *bytes = WRITTEN(s, proposal, &p);
        return true;
    }
    const struct mls_commit commit = samples_commit(s);
    const struct mls_group_info info = samples_group_info(s);
    const struct mls_group_secrets secrets = samples_group_secrets(s);
    const struct mls_psk_id psk = samples_psk_id(s, MLS_PSK_EXTERNAL);
    const struct mls_key_package key_package = samples_key_package(s);
    const struct mls_leaf_node leaf = samples_leaf(s, MLS_LEAF_COMMIT);
    const struct mls_required_capabilities required = {samples_u16s(s, (const uint16_t[]){5, 6, 0}), {0}, {0}};
    struct mls_authenticated_content ac = {
        .wire_format = MLS_WIRE_PUBLIC_MESSAGE,
        .content = {.group_id = s->group_id,
                    .epoch = 3,
                    .sender = {MLS_SENDER_NEW_MEMBER_COMMIT, 0},
                    .content_type = MLS_CONTENT_COMMIT,
                    .commit = commit},
        .auth = {.signature = samples_bytes(s, 64), .confirmation_tag = samples_bytes(s, 32)}};
    const struct mls_external_sender sender = {samples_bytes(s, 32), leaf.credential};
    const struct mls_parent_node parent = {.encryption_key = samples_bytes(s, 32),
                                           .unmerged_leaves = span_of("\0\0\0\1\0\0\0\2", 8)};
    struct mls_buf *b = samples_buf(s);
    size_t begin = 0;
    *structure = MLS_STRUCTURE_MESSAGE;
    struct mls_message m = {.version = MLS_VERSION_10};
    switch (i - ARRAY_LEN(types)) {
    case 0:
        m.wire_format = MLS_WIRE_WELCOME;
        m.welcome = samples_welcome(s);
        break;
    case 1:
        m.wire_format = MLS_WIRE_GROUP_INFO;
        m.group_info = info;
        break;
    case 2:
        m.wire_format = MLS_WIRE_KEY_PACKAGE;
        m.key_package = key_package;
        break;
    case 3:
        m.wire_format = MLS_WIRE_PUBLIC_MESSAGE;
        m.public_message.authenticated = ac;
        break;
    case 4:
        m.wire_format = MLS_WIRE_PUBLIC_MESSAGE;
        ac.content.sender = (struct mls_sender){MLS_SENDER_MEMBER, 77};
        m.public_message.authenticated = ac;
        m.public_message.membership_tag = samples_bytes(s, 32);
        break;
    case 5:
        m.wire_format = MLS_WIRE_PRIVATE_MESSAGE;
        m.private_message = (struct mls_private_message){.group_id = s->group_id,
                                                         .epoch = UINT64_MAX,
                                                         .content_type = MLS_CONTENT_COMMIT,
                                                         .encrypted_sender_data = samples_bytes(s, 28),
                                                         .ciphertext = samples_bytes(s, 100)};
        break;
    case 6:
        *structure = MLS_STRUCTURE_LEAF_NODE;
        *bytes = WRITTEN(s, leaf_node, &leaf);
        return true;
    case 7:
        *structure = MLS_STRUCTURE_KEY_PACKAGE;
        *bytes = WRITTEN(s, key_package, &key_package);
        return true;
    case 8:
        *structure = MLS_STRUCTURE_PSK_ID;
        *bytes = WRITTEN(s, psk_id, &psk);
        return true;
    case 9:
        *structure = MLS_STRUCTURE_UPDATE_PATH;
        *bytes = WRITTEN(s, update_path, &commit.path);
        return true;
    case 10:
        *structure = MLS_STRUCTURE_COMMIT;
        *bytes = WRITTEN(s, commit, &commit);
        return true;
    case 11:
        *structure = MLS_STRUCTURE_GROUP_CONTEXT;
        *bytes = WRITTEN(s, group_context, &info.group_context);
        return true;
    case 12:
        *structure = MLS_STRUCTURE_GROUP_INFO;
        *bytes = WRITTEN(s, group_info, &info);
        return true;
    case 13:
        *structure = MLS_STRUCTURE_GROUP_SECRETS;
        *bytes = WRITTEN(s, group_secrets, &secrets);
        return true;
    case 14:
        *structure = MLS_STRUCTURE_AUTHENTICATED_CONTENT;
        *bytes = WRITTEN(s, authenticated_content, &ac);
        return true;
    case 15:
        *structure = MLS_STRUCTURE_REQUIRED_CAPABILITIES;
        *bytes = WRITTEN(s, required_capabilities, &required);
        return true;
    case 16:
        *structure = MLS_STRUCTURE_EXTERNAL_PUB;
        mls_external_pub_write(b, samples_bytes(s, 32));
        *bytes = mls_buf_span(b);
        return true;
    case 17:
        *structure = MLS_STRUCTURE_EXTERNAL_SENDERS;
        begin = mls_wr_vec_begin(b);
        mls_external_senders_add(b, &sender);
        mls_external_senders_add(b, &sender);
        mls_wr_vec_end(b, begin);
        *bytes = mls_buf_span(b);
        return true;
    case 18:
        *structure = MLS_STRUCTURE_RATCHET_TREE;
        begin = mls_wr_vec_begin(b);
        mls_node_write(b, &(struct mls_node){.type = MLS_NODE_LEAF, .leaf = leaf});
        mls_node_write(b, &(struct mls_node){.type = MLS_NODE_PARENT, .parent = parent});
        mls_node_write(b, &(struct mls_node){.type = 0});
        mls_wr_vec_end(b, begin);
        *bytes = mls_buf_span(b);
        return true;
    default:
        return false;
    }
    *bytes = WRITTEN(s, message, &m);
    return true;
}

static void what_is_written_is_read_as_the_same(void **state) {
    struct samples *s = *state;
    enum mls_structure structure;
    struct span bytes;
    unsigned seen = 0;
    for (size_t i = 0; sample_of_each(s, i, &structure, &bytes); i++, samples_free(s), make(state)) {
        assert_same(structure, bytes);
        seen |= 1u << structure;
    }
    assert_int_equal(seen, (1u << MLS_STRUCTURE_COUNT) - 1);
}

static void every_structure_cut_short_is_refused(void **state) {
    struct samples *s = *state;
    enum mls_structure structure;
    struct span bytes;
    for (size_t i = 0; sample_of_each(s, i, &structure, &bytes); i++, samples_free(s), make(state)) {
        for (size_t len = 0; len < bytes.len; len += 1 + bytes.len / 400) {
            struct mls_buf out;
            mls_buf_init(&out, MLS_TREE_LEN_MAX);
            assert_int_not_equal(read_copy(structure, span_of(bytes.data, len), &out), MLS_OK);
            mls_buf_free(&out);
        }
    }
}

static void every_structure_with_a_byte_behind_it_is_refused(void **state) {
    struct samples *s = *state;
    enum mls_structure structure;
    struct span bytes;
    for (size_t i = 0; sample_of_each(s, i, &structure, &bytes); i++, samples_free(s), make(state)) {
        struct mls_buf *longer = samples_buf(s);
        mls_wr_span(longer, bytes);
        mls_wr_u8(longer, 0);
        assert_refused(structure, longer, MLS_TRAILING_BYTES);
    }
}

/* A changed byte is refused, or is part of a value: then what is read is what was written, with that change. */
static void changed_bytes_are_refused_or_read_as_they_are(void **state) {
    struct samples *s = *state;
    enum mls_structure structure;
    struct span bytes;
    unsigned read = 0, refused = 0;
    for (size_t i = 0; sample_of_each(s, i, &structure, &bytes); i++, samples_free(s), make(state)) {
        struct mls_buf *changed = samples_buf(s), *out = samples_buf(s);
        for (unsigned n = 0; n < 400; n++) {
            mls_buf_clear(changed);
            mls_buf_clear(out);
            mls_wr_span(changed, bytes);
            changed->w.data[rng_below(&s->rng, bytes.len)] ^= (uint8_t)(1 + rng_below(&s->rng, 255));
            if (read_copy(structure, mls_buf_span(changed), out) != MLS_OK) {
                refused++;
                continue;
            }
            read++;
            assert_true(span_equal(mls_buf_span(out), mls_buf_span(changed)));
        }
    }
    assert_true(read > 1000 && refused > 1000);
}

/* ---- reasons ---- */

static void other_versions_and_wire_formats_are_refused(void **state) {
    struct samples *s = *state;
    struct mls_buf *b = samples_buf(s);
    mls_wr_u32(b, 0x00020001);
    assert_refused(MLS_STRUCTURE_MESSAGE, b, MLS_VERSION_UNKNOWN);
    for (uint32_t wire_format = 0; wire_format <= 0xffff; wire_format += wire_format < 16 ? 6 : 4093) {
        mls_buf_clear(b);
        mls_wr_u16(b, MLS_VERSION_10);
        mls_wr_u16(b, (uint16_t)wire_format);
        assert_refused(MLS_STRUCTURE_MESSAGE, b, MLS_WIRE_FORMAT_UNKNOWN);
    }
    struct mls_key_package key_package = samples_key_package(s);
    key_package.version = 2;
    mls_buf_clear(b);
    mls_key_package_write(b, &key_package);
    assert_refused(MLS_STRUCTURE_KEY_PACKAGE, b, MLS_VERSION_UNKNOWN);
    struct mls_group_context context = samples_group_context(s);
    context.version = 0;
    mls_buf_clear(b);
    mls_group_context_write(b, &context);
    assert_refused(MLS_STRUCTURE_GROUP_CONTEXT, b, MLS_VERSION_UNKNOWN);
    mls_buf_clear(b);
    mls_wr_u16(b, MLS_WIRE_WELCOME);
    assert_refused(MLS_STRUCTURE_AUTHENTICATED_CONTENT, b, MLS_WIRE_FORMAT_UNKNOWN);
}

static void a_message_above_the_limit_is_refused(void **state) {
    (void)state;
    uint8_t *big = calloc(1, MLS_MESSAGE_LEN_MAX + 1);
    struct mls_message m;
    assert_non_null(big);
    assert_int_equal(mls_message_parse(span_of(big, MLS_MESSAGE_LEN_MAX + 1), &m), MLS_TOO_LARGE);
    assert_int_equal(mls_message_parse(span_of(big, MLS_MESSAGE_LEN_MAX), &m), MLS_VERSION_UNKNOWN);
    free(big);
}

/* A FramedContent up to its content, in an AuthenticatedContent. */
static void content_header(struct samples *s, struct mls_buf *b, uint8_t sender_type, uint8_t content_type) {
    mls_buf_clear(b);
    mls_wr_u16(b, MLS_WIRE_PUBLIC_MESSAGE);
    mls_wr_vec(b, s->group_id);
    mls_wr_u64(b, 1);
    mls_wr_u8(b, sender_type);
    if (sender_type == MLS_SENDER_MEMBER || sender_type == MLS_SENDER_EXTERNAL)
        mls_wr_u32(b, 0);
    mls_wr_vec(b, (struct span){0});
    mls_wr_u8(b, content_type);
}

static void unknown_senders_and_contents_are_refused(void **state) {
    struct samples *s = *state;
    struct mls_buf *b = samples_buf(s);
    content_header(s, b, 0, MLS_CONTENT_PROPOSAL);
    assert_refused(MLS_STRUCTURE_AUTHENTICATED_CONTENT, b, MLS_SENDER_TYPE_UNKNOWN);
    content_header(s, b, 5, MLS_CONTENT_PROPOSAL);
    assert_refused(MLS_STRUCTURE_AUTHENTICATED_CONTENT, b, MLS_SENDER_TYPE_UNKNOWN);
    content_header(s, b, MLS_SENDER_MEMBER, 0);
    assert_refused(MLS_STRUCTURE_AUTHENTICATED_CONTENT, b, MLS_CONTENT_TYPE_UNKNOWN);
    content_header(s, b, MLS_SENDER_MEMBER, 4);
    assert_refused(MLS_STRUCTURE_AUTHENTICATED_CONTENT, b, MLS_CONTENT_TYPE_UNKNOWN);
    struct mls_message m = {.version = MLS_VERSION_10, .wire_format = MLS_WIRE_PRIVATE_MESSAGE};
    for (uint8_t type = 0; type <= 4; type = (uint8_t)(type + 4)) {
        m.private_message = (struct mls_private_message){.content_type = type};
        mls_buf_clear(b);
        mls_message_write(b, &m);
        assert_refused(MLS_STRUCTURE_MESSAGE, b, MLS_CONTENT_TYPE_UNKNOWN);
    }
}

static void fields_longer_than_they_have_reason_to_be_are_refused(void **state) {
    struct samples *s = *state;
    struct mls_buf *b = samples_buf(s);
    struct mls_group_context context = samples_group_context(s);
    context.group_id = samples_bytes(s, MLS_GROUP_ID_LEN_MAX);
    mls_group_context_write(b, &context);
    assert_same(MLS_STRUCTURE_GROUP_CONTEXT, mls_buf_span(b));
    context.group_id = samples_bytes(s, MLS_GROUP_ID_LEN_MAX + 1);
    mls_buf_clear(b);
    mls_group_context_write(b, &context);
    assert_refused(MLS_STRUCTURE_GROUP_CONTEXT, b, MLS_FIELD_TOO_LONG);

    struct mls_leaf_node leaf = samples_leaf(s, MLS_LEAF_UPDATE);
    leaf.encryption_key = samples_bytes(s, MLS_KEY_LEN_MAX + 1);
    mls_buf_clear(b);
    mls_leaf_node_write(b, &leaf);
    assert_refused(MLS_STRUCTURE_LEAF_NODE, b, MLS_FIELD_TOO_LONG);
    leaf = samples_leaf(s, MLS_LEAF_UPDATE);
    leaf.credential.identity = samples_bytes(s, MLS_CREDENTIAL_LEN_MAX + 1);
    mls_buf_clear(b);
    mls_leaf_node_write(b, &leaf);
    assert_refused(MLS_STRUCTURE_LEAF_NODE, b, MLS_FIELD_TOO_LONG);
    leaf = samples_leaf(s, MLS_LEAF_COMMIT);
    leaf.parent_hash = samples_bytes(s, MLS_HASH_LEN_MAX + 1);
    mls_buf_clear(b);
    mls_leaf_node_write(b, &leaf);
    assert_refused(MLS_STRUCTURE_LEAF_NODE, b, MLS_FIELD_TOO_LONG);

    struct mls_psk_id psk = samples_psk_id(s, MLS_PSK_EXTERNAL);
    psk.id = samples_bytes(s, MLS_PSK_ID_LEN_MAX + 1);
    mls_buf_clear(b);
    mls_psk_id_write(b, &psk);
    assert_refused(MLS_STRUCTURE_PSK_ID, b, MLS_FIELD_TOO_LONG);
    psk = samples_psk_id(s, MLS_PSK_EXTERNAL);
    psk.nonce = samples_bytes(s, MLS_HASH_LEN_MAX + 1);
    mls_buf_clear(b);
    mls_psk_id_write(b, &psk);
    assert_refused(MLS_STRUCTURE_PSK_ID, b, MLS_FIELD_TOO_LONG);
}

static void a_credential_has_a_known_type_and_an_x509_one_a_certificate(void **state) {
    struct samples *s = *state;
    struct mls_buf *b = samples_buf(s), *certificates = samples_buf(s);
    struct mls_leaf_node leaf = samples_leaf(s, MLS_LEAF_UPDATE);
    for (uint32_t i = 0; i < MLS_CERTIFICATES_MAX; i++)
        mls_wr_vec(certificates, samples_bytes(s, 3));
    leaf.credential =
        (struct mls_credential){.type = MLS_CREDENTIAL_X509, .certificates = {.bytes = mls_buf_span(certificates)}};
    mls_leaf_node_write(b, &leaf);
    assert_same(MLS_STRUCTURE_LEAF_NODE, mls_buf_span(b));
    struct mls_leaf_node read;
    assert_int_equal(mls_leaf_node_parse(mls_buf_span(b), &read), MLS_OK);
    assert_int_equal(read.credential.certificates.count, MLS_CERTIFICATES_MAX);

    mls_wr_vec(certificates, samples_bytes(s, 3));
    leaf.credential.certificates.bytes = mls_buf_span(certificates);
    mls_buf_clear(b);
    mls_leaf_node_write(b, &leaf);
    assert_refused(MLS_STRUCTURE_LEAF_NODE, b, MLS_CERTIFICATES_TOO_MANY);
    leaf.credential.certificates.bytes = (struct span){0};
    mls_buf_clear(b);
    mls_leaf_node_write(b, &leaf);
    assert_refused(MLS_STRUCTURE_LEAF_NODE, b, MLS_CERTIFICATES_EMPTY);

    mls_buf_clear(b);
    mls_wr_vec(b, leaf.encryption_key);
    mls_wr_vec(b, leaf.signature_key);
    mls_wr_u16(b, 0x0a0a);
    assert_refused(MLS_STRUCTURE_LEAF_NODE, b, MLS_CREDENTIAL_TYPE_UNKNOWN);
}

static void leaf_sources_and_capabilities_are_checked(void **state) {
    struct samples *s = *state;
    struct mls_buf *b = samples_buf(s), *list = samples_buf(s);
    struct mls_leaf_node leaf = samples_leaf(s, MLS_LEAF_UPDATE);
    for (uint8_t source = 0; source <= 4; source = (uint8_t)(source + 4)) {
        mls_buf_clear(b);
        mls_wr_vec(b, leaf.encryption_key);
        mls_wr_vec(b, leaf.signature_key);
        mls_credential_write(b, &leaf.credential);
        mls_capabilities_write(b, &leaf.capabilities);
        mls_wr_u8(b, source);
        assert_refused(MLS_STRUCTURE_LEAF_NODE, b, MLS_LEAF_SOURCE_UNKNOWN);
    }
    for (uint32_t i = 0; i < MLS_CAPABILITIES_MAX; i++)
        mls_wr_u16(list, (uint16_t)i);
    leaf.capabilities.proposals = mls_buf_span(list);
    mls_buf_clear(b);
    mls_leaf_node_write(b, &leaf);
    assert_same(MLS_STRUCTURE_LEAF_NODE, mls_buf_span(b));
    mls_wr_u16(list, 1);
    leaf.capabilities.proposals = mls_buf_span(list);
    mls_buf_clear(b);
    mls_leaf_node_write(b, &leaf);
    assert_refused(MLS_STRUCTURE_LEAF_NODE, b, MLS_CAPABILITIES_TOO_MANY);
    leaf.capabilities.proposals = span_of("abc", 3);
    mls_buf_clear(b);
    mls_leaf_node_write(b, &leaf);
    assert_refused(MLS_STRUCTURE_LEAF_NODE, b, MLS_LIST_MISALIGNED);
}

static void extensions_are_few_and_of_different_types(void **state) {
    struct samples *s = *state;
    struct mls_buf *b = samples_buf(s), *list = samples_buf(s);
    struct mls_group_context context = samples_group_context(s);
    for (uint32_t i = 0; i < MLS_EXTENSIONS_MAX; i++)
        mls_extensions_add(list, (uint16_t)i, samples_bytes(s, i % 3));
    context.extensions.bytes = mls_buf_span(list);
    mls_group_context_write(b, &context);
    assert_same(MLS_STRUCTURE_GROUP_CONTEXT, mls_buf_span(b));
    struct mls_group_context read;
    struct span data;
    assert_int_equal(mls_group_context_parse(mls_buf_span(b), &read), MLS_OK);
    assert_int_equal(read.extensions.count, MLS_EXTENSIONS_MAX);
    assert_true(mls_extensions_find(&read.extensions, 2, &data) && data.len == 2);
    assert_false(mls_extensions_find(&read.extensions, MLS_EXTENSIONS_MAX, &data));

    mls_extensions_add(list, MLS_EXTENSIONS_MAX, samples_bytes(s, 1));
    context.extensions.bytes = mls_buf_span(list);
    mls_buf_clear(b);
    mls_group_context_write(b, &context);
    assert_refused(MLS_STRUCTURE_GROUP_CONTEXT, b, MLS_EXTENSIONS_TOO_MANY);
    mls_buf_clear(list);
    mls_extensions_add(list, 7, samples_bytes(s, 1));
    mls_extensions_add(list, 8, samples_bytes(s, 1));
    mls_extensions_add(list, 7, samples_bytes(s, 1));
    context.extensions.bytes = mls_buf_span(list);
    mls_buf_clear(b);
    mls_group_context_write(b, &context);
    assert_refused(MLS_STRUCTURE_GROUP_CONTEXT, b, MLS_EXTENSION_DUPLICATE);
}

static void nodes_of_a_tree_are_blank_leaf_or_parent_in_order(void **state) {
    struct samples *s = *state;
    struct mls_buf *b = samples_buf(s), *unmerged = samples_buf(s);
    mls_wr_vec(b, span_of("\2", 1));
    assert_refused(MLS_STRUCTURE_RATCHET_TREE, b, MLS_OPTIONAL_INVALID);
    mls_buf_clear(b);
    mls_wr_vec(b, span_of("\1\3", 2));
    assert_refused(MLS_STRUCTURE_RATCHET_TREE, b, MLS_NODE_TYPE_UNKNOWN);
    static const struct {
        const char *list;
        size_t len;
        enum mls_status reason;
    } cases[] = {{"\0\0\0\1\0\0\0\1", 8, MLS_UNMERGED_UNSORTED},
                 {"\0\0\0\2\0\0\0\1", 8, MLS_UNMERGED_UNSORTED},
                 {"\0\0\0\1\0\0", 6, MLS_LIST_MISALIGNED}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct mls_node node = {.type = MLS_NODE_PARENT,
                                      .parent.unmerged_leaves = span_of(cases[i].list, cases[i].len)};
        mls_buf_clear(b);
        size_t begin = mls_wr_vec_begin(b);
        mls_node_write(b, &node);
        mls_wr_vec_end(b, begin);
        assert_refused(MLS_STRUCTURE_RATCHET_TREE, b, cases[i].reason);
    }
    for (uint32_t i = 0; i <= MLS_MEMBERS_MAX; i++)
        mls_wr_u32(unmerged, i);
    const struct mls_node node = {.type = MLS_NODE_PARENT, .parent.unmerged_leaves = mls_buf_span(unmerged)};
    mls_buf_clear(b);
    size_t begin = mls_wr_vec_begin(b);
    mls_node_write(b, &node);
    mls_wr_vec_end(b, begin);
    assert_refused(MLS_STRUCTURE_RATCHET_TREE, b, MLS_UNMERGED_TOO_MANY);
}

static void pre_shared_keys_have_known_types_and_usages(void **state) {
    struct samples *s = *state;
    struct mls_buf *b = samples_buf(s), *list = samples_buf(s);
    mls_wr_u8(b, 0);
    assert_refused(MLS_STRUCTURE_PSK_ID, b, MLS_PSK_TYPE_UNKNOWN);
    mls_buf_clear(b);
    mls_wr_u8(b, 3);
    assert_refused(MLS_STRUCTURE_PSK_ID, b, MLS_PSK_TYPE_UNKNOWN);
    struct mls_psk_id psk = samples_psk_id(s, MLS_PSK_RESUMPTION);
    for (uint8_t usage = 0; usage <= 4; usage++) {
        psk.usage = usage;
        mls_buf_clear(b);
        mls_psk_id_write(b, &psk);
        if (usage == 0 || usage == 4)
            assert_refused(MLS_STRUCTURE_PSK_ID, b, MLS_PSK_USAGE_UNKNOWN);
        else
            assert_same(MLS_STRUCTURE_PSK_ID, mls_buf_span(b));
    }
    psk = samples_psk_id(s, MLS_PSK_EXTERNAL);
    for (uint32_t i = 0; i <= MLS_PSKS_MAX; i++)
        mls_psk_id_write(list, &psk);
    const struct mls_group_secrets secrets = {.psks.bytes = mls_buf_span(list)};
    mls_buf_clear(b);
    mls_group_secrets_write(b, &secrets);
    assert_refused(MLS_STRUCTURE_GROUP_SECRETS, b, MLS_PSKS_TOO_MANY);
}

static void proposals_have_known_types_or_are_the_applications_own(void **state) {
    struct samples *s = *state;
    struct mls_buf *b = samples_buf(s);
    static const uint16_t unknown[] = {0, 8, 0x0a0a, 0xeaea, 0xefff};
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        mls_buf_clear(b);
        mls_wr_u16(b, unknown[i]);
        mls_wr_vec(b, (struct span){0});
        assert_refused(MLS_STRUCTURE_PROPOSAL, b, MLS_PROPOSAL_TYPE_UNKNOWN);
    }
    mls_buf_clear(b);
    mls_wr_u16(b, 0xf000);
    mls_wr_vec(b, span_str("ours"));
    struct mls_proposal p;
    assert_int_equal(mls_proposal_parse(mls_buf_span(b), &p), MLS_OK);
    assert_true(span_equal_str(p.body, "ours"));
    for (uint16_t type = 0; type <= 8; type++) {
        bool needs_path = type != MLS_PROPOSAL_ADD && type != MLS_PROPOSAL_PSK && type != MLS_PROPOSAL_REINIT;
        bool external = type == MLS_PROPOSAL_ADD || type == MLS_PROPOSAL_REMOVE || type == MLS_PROPOSAL_PSK ||
                        type == MLS_PROPOSAL_REINIT || type == MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS;
        assert_int_equal(mls_proposal_needs_path(type), needs_path);
        assert_int_equal(mls_proposal_may_be_external(type), external);
    }
}

static void commits_are_bounded_in_proposals_path_and_ciphertexts(void **state) {
    struct samples *s = *state;
    struct mls_buf *b = samples_buf(s), *list = samples_buf(s);
    mls_wr_vec(b, span_of("\0", 1));
    assert_refused(MLS_STRUCTURE_COMMIT, b, MLS_PROPOSAL_OR_REF_UNKNOWN);
    mls_buf_clear(b);
    mls_wr_vec(b, (struct span){0});
    mls_wr_u8(b, 2);
    assert_refused(MLS_STRUCTURE_COMMIT, b, MLS_OPTIONAL_INVALID);
    const struct mls_proposal_or_ref remove = {.type = MLS_PROPOSAL_BY_VALUE,
                                               .proposal = samples_proposal(s, MLS_PROPOSAL_REMOVE)};
    for (uint32_t i = 0; i < MLS_PROPOSALS_MAX; i++)
        mls_proposal_or_ref_write(list, &remove);
    struct mls_commit commit = {.proposals.bytes = mls_buf_span(list)};
    mls_buf_clear(b);
    mls_commit_write(b, &commit);
    assert_same(MLS_STRUCTURE_COMMIT, mls_buf_span(b));
    mls_proposal_or_ref_write(list, &remove);
    commit.proposals.bytes = mls_buf_span(list);
    mls_buf_clear(b);
    mls_commit_write(b, &commit);
    assert_refused(MLS_STRUCTURE_COMMIT, b, MLS_PROPOSALS_TOO_MANY);

    struct mls_update_path path = {.leaf_node = samples_leaf(s, MLS_LEAF_COMMIT)};
    struct mls_update_path_node node = {.encryption_key = samples_bytes(s, 32)};
    mls_buf_clear(list);
    for (uint32_t i = 0; i <= MLS_TREE_DEPTH_MAX; i++)
        mls_update_path_node_write(list, &node);
    path.nodes.bytes = mls_buf_span(list);
    mls_buf_clear(b);
    mls_update_path_write(b, &path);
    assert_refused(MLS_STRUCTURE_UPDATE_PATH, b, MLS_PATH_TOO_LONG);
    const struct mls_hpke_ciphertext ciphertext = {0};
    mls_buf_clear(list);
    for (uint32_t i = 0; i <= MLS_RESOLUTION_MAX; i++)
        mls_hpke_ciphertext_write(list, &ciphertext);
    node.encrypted_path_secret.bytes = mls_buf_span(list);
    struct mls_buf *nodes = samples_buf(s);
    mls_update_path_node_write(nodes, &node);
    path.nodes.bytes = mls_buf_span(nodes);
    mls_buf_clear(b);
    mls_update_path_write(b, &path);
    assert_refused(MLS_STRUCTURE_UPDATE_PATH, b, MLS_RESOLUTION_TOO_LARGE);
}

static void welcomes_and_external_senders_are_bounded(void **state) {
    struct samples *s = *state;
    struct mls_buf *b = samples_buf(s), *list = samples_buf(s);
    const struct mls_encrypted_group_secrets secrets = {.new_member = samples_bytes(s, 32)};
    for (uint32_t i = 0; i <= MLS_WELCOME_SECRETS_MAX; i++)
        mls_encrypted_group_secrets_write(list, &secrets);
    const struct mls_message m = {.version = MLS_VERSION_10,
                                  .wire_format = MLS_WIRE_WELCOME,
                                  .welcome = {.cipher_suite = 1, .secrets.bytes = mls_buf_span(list)}};
    mls_message_write(b, &m);
    assert_refused(MLS_STRUCTURE_MESSAGE, b, MLS_WELCOME_TOO_MANY);
    const struct mls_external_sender sender = {samples_bytes(s, 32), samples_leaf(s, MLS_LEAF_UPDATE).credential};
    mls_buf_clear(b);
    size_t begin = mls_wr_vec_begin(b);
    for (uint32_t i = 0; i <= MLS_EXTERNAL_SENDERS_MAX; i++)
        mls_external_senders_add(b, &sender);
    mls_wr_vec_end(b, begin);
    assert_refused(MLS_STRUCTURE_EXTERNAL_SENDERS, b, MLS_EXTERNAL_SENDERS_TOO_MANY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, clear)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read_as_the_same),
        TEST(every_structure_cut_short_is_refused),
        TEST(every_structure_with_a_byte_behind_it_is_refused),
        TEST(changed_bytes_are_refused_or_read_as_they_are),
        TEST(other_versions_and_wire_formats_are_refused),
        TEST(a_message_above_the_limit_is_refused),
        TEST(unknown_senders_and_contents_are_refused),
        TEST(fields_longer_than_they_have_reason_to_be_are_refused),
        TEST(a_credential_has_a_known_type_and_an_x509_one_a_certificate),
        TEST(leaf_sources_and_capabilities_are_checked),
        TEST(extensions_are_few_and_of_different_types),
        TEST(nodes_of_a_tree_are_blank_leaf_or_parent_in_order),
        TEST(pre_shared_keys_have_known_types_and_usages),
        TEST(proposals_have_known_types_or_are_the_applications_own),
        TEST(commits_are_bounded_in_proposals_path_and_ciphertexts),
        TEST(welcomes_and_external_senders_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
