/* Memory, adders and look-ups of sdp.h. The parser is sdp_parse.c, the writer sdp_write.c. */
#include "protocol/sdp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"

/* A bump allocator: blocks are only given back together. The first block is small, so that the description of two
 * people costs little; later ones double. */
#define BLOCK_LEN_MIN 4096u
#define BLOCK_LEN_MAX (256u << 10)

struct sdp_block {
    struct sdp_block *next;
    size_t size;
    size_t used;
    _Alignas(16) uint8_t bytes[];
};

void sdp_init(struct sdp *sdp) {
    memset(sdp, 0, sizeof *sdp);
}

void sdp_free(struct sdp *sdp) {
    struct sdp_block *block = sdp->blocks;
    while (block != NULL) {
        struct sdp_block *next = block->next;
        free(block);
        block = next;
    }
    sdp_init(sdp);
}

static struct sdp_block *new_block(struct sdp *sdp, size_t len) {
    size_t size = sdp->blocks == NULL ? BLOCK_LEN_MIN : sdp->blocks->size * 2;
    if (size > BLOCK_LEN_MAX)
        size = BLOCK_LEN_MAX;
    if (size < len)
        size = len;
    if (sdp->memory_bytes + size > SDP_MEMORY_MAX)
        return NULL;
    struct sdp_block *block = malloc(sizeof *block + size);
    if (block == NULL)
        return NULL;
    *block = (struct sdp_block){.next = sdp->blocks, .size = size};
    sdp->memory_bytes += size;
    sdp->blocks = block;
    return block;
}

/* Zeroed, aligned for any type; NULL and `failed` when there is none. */
static void *take_memory(struct sdp *sdp, size_t len) {
    ASSERT(len <= SDP_MEMORY_MAX);
    size_t rounded = (len + 15) & ~(size_t)15;
    struct sdp_block *block = sdp->blocks;
    if (sdp->failed)
        return NULL;
    if (block == NULL || block->size - block->used < rounded) {
        block = new_block(sdp, rounded);
        if (block == NULL) {
            sdp->failed = true;
            return NULL;
        }
    }
    void *memory = block->bytes + block->used;
    block->used += rounded;
    memset(memory, 0, len);
    return memory;
}

struct span sdp_copy_text(struct sdp *sdp, struct span text) {
    if (text.len == 0)
        return (struct span){NULL, 0};
    if (text.len > SDP_TEXT_MAX) {
        sdp->failed = true;
        return (struct span){NULL, 0};
    }
    uint8_t *copy = take_memory(sdp, text.len);
    if (copy == NULL)
        return (struct span){NULL, 0};
    memcpy(copy, text.data, text.len);
    return span_of(copy, text.len);
}

struct span sdp_format_text(struct sdp *sdp, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof text) {
        sdp->failed = true;
        return (struct span){NULL, 0};
    }
    return sdp_copy_text(sdp, span_of(text, (size_t)len));
}

/* Appends an element to an array in the description's memory; a full array moves to one of twice the room. `array` is
 * the address of the array pointer, read and written as bytes because its type varies. */
static void *push(struct sdp *sdp, void *array, uint16_t *count, uint16_t *room, size_t element_len, uint16_t max) {
    void *elements;
    memcpy(&elements, array, sizeof elements);
    ASSERT(*count <= *room);
    if (sdp->failed || *count >= max) {
        sdp->failed = true;
        return NULL;
    }
    if (*count == *room) {
        uint16_t new_room = *room == 0 ? 4 : (uint16_t)(*room * 2);
        void *moved = take_memory(sdp, new_room * element_len);
        if (moved == NULL)
            return NULL;
        if (*count > 0)
            memcpy(moved, elements, *count * element_len);
        elements = moved;
        *room = new_room;
        memcpy(array, &elements, sizeof elements);
    }
    return (uint8_t *)elements + element_len * (*count)++;
}

#define PUSH(sdp, owner, array, prefix, max)                                                                           \
    push(sdp, &(owner)->array, &(owner)->prefix##_count, &(owner)->prefix##_room, sizeof *(owner)->array, max)

struct sdp_section *sdp_add_section(struct sdp *sdp, enum sdp_kind kind, struct span mid) {
    struct sdp_section *section = take_memory(sdp, sizeof *section);
    if (section == NULL)
        return NULL;
    struct sdp_section **place = PUSH(sdp, sdp, sections, section, SDP_SECTIONS_MAX);
    if (place == NULL)
        return NULL;
    *place = section;
    section->kind = kind;
    section->mid = mid;
    section->port = 9;
    section->bundled = true;
    section->rtcp_mux = true;
    section->rtcp_rsize = true;
    section->protocol = span_str("UDP/TLS/RTP/SAVPF");
    if (kind == SDP_APPLICATION) {
        section->rtcp_mux = false;
        section->rtcp_rsize = false;
        section->direction = SDP_SENDRECV;
        section->protocol = span_str("UDP/DTLS/SCTP");
        section->app_format = span_str("webrtc-datachannel");
    }
    return section;
}

struct sdp_format *sdp_add_format(struct sdp *sdp, struct sdp_section *section) {
    return PUSH(sdp, section, formats, format, SDP_FORMATS_MAX);
}

struct sdp_extmap *sdp_add_extmap(struct sdp *sdp, struct sdp_section *section) {
    struct sdp_extmap *extmap = PUSH(sdp, section, extmaps, extmap, SDP_EXTMAPS_MAX);
    if (extmap != NULL)
        extmap->direction = SDP_SENDRECV;
    return extmap;
}

struct sdp_rid *sdp_add_rid(struct sdp *sdp, struct sdp_section *section) {
    return PUSH(sdp, section, rids, rid, SDP_RIDS_MAX);
}

struct sdp_simulcast *sdp_add_simulcast(struct sdp *sdp, struct sdp_section *section) {
    return PUSH(sdp, section, simulcast, simulcast, SDP_SIMULCAST_MAX);
}

struct sdp_msid *sdp_add_msid(struct sdp *sdp, struct sdp_section *section) {
    return PUSH(sdp, section, msids, msid, SDP_MSIDS_MAX);
}

struct sdp_ssrc *sdp_add_ssrc(struct sdp *sdp, struct sdp_section *section) {
    return PUSH(sdp, section, ssrcs, ssrc, SDP_SSRCS_MAX);
}

struct sdp_ssrc_group *sdp_add_ssrc_group(struct sdp *sdp, struct sdp_section *section) {
    return PUSH(sdp, section, ssrc_groups, ssrc_group, SDP_SSRC_GROUPS_MAX);
}

struct span *sdp_add_candidate(struct sdp *sdp, struct sdp_section *section) {
    return PUSH(sdp, section, candidates, candidate, SDP_CANDIDATES_MAX);
}

bool sdp_add_fingerprint(struct sdp_section *section, struct span algorithm, struct span value) {
    struct sdp_transport *transport = &section->transport;
    if (transport->fingerprint_count == SDP_FINGERPRINTS_MAX)
        return false;
    transport->fingerprints[transport->fingerprint_count++] = (struct sdp_fingerprint){algorithm, value};
    return true;
}

struct sdp_section *sdp_section_by_mid(const struct sdp *sdp, struct span mid) {
    for (uint16_t i = 0; i < sdp->section_count && mid.len > 0; i++) {
        if (span_equal(sdp->sections[i]->mid, mid))
            return sdp->sections[i];
    }
    return NULL;
}

const struct sdp_format *sdp_format_by_pt(const struct sdp_section *section, uint8_t pt) {
    for (uint16_t i = 0; i < section->format_count; i++) {
        if (section->formats[i].pt == pt)
            return &section->formats[i];
    }
    return NULL;
}

const struct sdp_extmap *sdp_extmap_by_uri(const struct sdp_section *section, const char *uri) {
    for (uint16_t i = 0; i < section->extmap_count; i++) {
        if (span_equal_str(section->extmaps[i].uri, uri))
            return &section->extmaps[i];
    }
    return NULL;
}

const struct sdp_rid *sdp_rid_by_id(const struct sdp_section *section, struct span id) {
    for (uint16_t i = 0; i < section->rid_count; i++) {
        if (span_equal(section->rids[i].id, id))
            return &section->rids[i];
    }
    return NULL;
}

const struct sdp_ssrc *sdp_ssrc_by_number(const struct sdp_section *section, uint32_t ssrc) {
    for (uint16_t i = 0; i < section->ssrc_count; i++) {
        if (section->ssrcs[i].ssrc == ssrc)
            return &section->ssrcs[i];
    }
    return NULL;
}

const struct sdp_format *sdp_rtx_of(const struct sdp_section *section, uint8_t pt) {
    for (uint16_t i = 0; i < section->format_count; i++) {
        const struct sdp_format *format = &section->formats[i];
        struct span value;
        uint64_t apt;
        if (format->codec == CODEC_RTX && sdp_fmtp_get(format->fmtp, "apt", &value) && span_to_u64(value, 127, &apt) &&
            apt == pt)
            return format;
    }
    return NULL;
}

uint32_t sdp_rtx_ssrc_of(const struct sdp_section *section, uint32_t ssrc) {
    for (uint16_t i = 0; i < section->ssrc_group_count; i++) {
        const struct sdp_ssrc_group *group = &section->ssrc_groups[i];
        if (group->semantics == SDP_SSRC_FID && group->count == 2 && group->ssrcs[0] == ssrc)
            return group->ssrcs[1];
    }
    return 0;
}

bool sdp_rejected(const struct sdp_section *section) {
    return section->port == 0 && !section->bundle_only;
}

const struct sdp_section *sdp_transport_section(const struct sdp *sdp) {
    const struct sdp_section *first = NULL;
    for (uint16_t i = 0; i < sdp->section_count; i++) {
        const struct sdp_section *section = sdp->sections[i];
        if (sdp_rejected(section))
            continue;
        if (section->bundled)
            return section;
        if (first == NULL)
            first = section;
    }
    return first;
}

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

bool sdp_sha256(const struct sdp_transport *transport, uint8_t digest[32]) {
    for (uint8_t i = 0; i < transport->fingerprint_count; i++) {
        struct span algorithm = transport->fingerprints[i].algorithm, value = transport->fingerprints[i].value;
        if (algorithm.len != 7 || strncasecmp((const char *)algorithm.data, "sha-256", 7) != 0)
            continue;
        if (value.len != 32 * 3 - 1)
            return false;
        for (size_t k = 0; k < 32; k++) {
            int high = hex_digit(value.data[k * 3]), low = hex_digit(value.data[k * 3 + 1]);
            if (high < 0 || low < 0 || (k < 31 && value.data[k * 3 + 2] != ':'))
                return false;
            digest[k] = (uint8_t)(high << 4 | low);
        }
        return true;
    }
    return false;
}

static struct span trim(struct span text) {
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

bool sdp_fmtp_get(struct span fmtp, const char *key, struct span *value) {
    size_t key_len = strlen(key);
    struct reader r = reader_of_span(fmtp);
    struct span pair;
    ASSERT(key_len > 0);
    while (rd_token(&r, ';', &pair)) {
        pair = trim(pair);
        if (pair.len <= key_len || strncasecmp((const char *)pair.data, key, key_len) != 0)
            continue;
        struct span rest = trim(span_of(pair.data + key_len, pair.len - key_len));
        if (rest.len == 0 || rest.data[0] != '=')
            continue;
        *value = trim(span_of(rest.data + 1, rest.len - 1));
        return true;
    }
    return false;
}
