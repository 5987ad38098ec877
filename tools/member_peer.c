/* A person of a meeting, natively, for tests in other languages: src/member/member.h with lines of JSON on both sides.
 * Whoever starts it owns the WebSocket and fetches over HTTP; time and randomness are real.
 *
 *     first line in    {"meeting":"..","secret":"<64 hex>","operator":"<64 hex>","owner":"<64 hex>","kind":129,"suite":61607,"name":"Ann"}
 *                      "owner_seed": of the host link; "seat_seed": a seat that was there before; "clock_off_s": its clock is wrong by
 *                      that; with "export":true its "keys" carry the SFrame base key of the epoch, for proofs by decryption
 *     then             {"op":"connected"}  {"op":"message","hex":".."}  {"op":"lost","code":1006}
 *                      {"op":"fetched","ticket":1,"hex":".."}           (empty: it failed)
 *                      {"op":"chat","to":"","text":".."}  react emoji, hand raised, rename name, title text,
 *                      remove identity, host identity, file {"to","id","name","len","key","sha256"},
 *                      track {"context","source","codec"}, compared {"differs"}, leave, people, code, own
 *     out              one object a line with "type": the names of enum member_output_type in small letters; and result,
 *                      people, code, own for what was asked
 *
 * Byte strings are hexadecimal, texts are texts. It ends with its input. What it is asked in a wrong form ends it: it
 * is a test's tool. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/assert.h"
#include "base/time.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "member/member.h"

/* A message of the protocol in hexadecimal, and the words around it. */
#define LINE_LEN_MAX (2 * WIRE_MESSAGE_LEN_MAX + 4096)
#define ID_LEN 16

static struct rng rng;
static struct member *member;
static bool exports; /* says the keys of frames */
static int64_t clock_off_s;
static uint8_t *storage; /* of the bytes in one line */
static size_t storage_len;

/* ---- JSON ---- */

static uint8_t digit(char c) {
    ASSERT((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static struct span bytes(const json_t *q, const char *name) {
    const char *text = json_string_value(json_object_get(q, name));
    size_t len = text == NULL ? 0 : strlen(text) / 2;
    uint8_t *start = storage + storage_len;
    ASSERT(storage_len + len <= LINE_LEN_MAX);
    for (size_t i = 0; i < len; i++)
        start[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
    storage_len += len;
    return span_of(start, len);
}

static struct span words(const json_t *q, const char *name) {
    const char *text = json_string_value(json_object_get(q, name));
    return span_str(text != NULL ? text : "");
}

static uint64_t number(const json_t *q, const char *name) {
    return (uint64_t)json_integer_value(json_object_get(q, name));
}

static json_t *hex(struct span value) {
    char *text = malloc(2 * value.len + 1);
    ASSERT(text != NULL);
    for (size_t i = 0; i < value.len; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", value.data[i]);
    text[2 * value.len] = 0;
    json_t *result = json_string(text);
    free(text);
    return result;
}

static json_t *text_of(struct span value) {
    return json_stringn(value.len > 0 ? (const char *)value.data : "", value.len);
}

static void put(json_t *line) {
    ASSERT(line != NULL);
    ASSERT(json_dumpf(line, stdout, JSON_COMPACT) == 0);
    ASSERT(putchar('\n') == '\n' && fflush(stdout) == 0);
    json_decref(line);
}

/* ---- what it says ---- */

static const char *const type_names[] = {
    [MEMBER_SEND] = "send",           [MEMBER_FETCH] = "fetch",         [MEMBER_CONNECT] = "connect",
    [MEMBER_STATE] = "state",         [MEMBER_ROSTER] = "roster",       [MEMBER_EPOCH] = "epoch",
    [MEMBER_TOKEN] = "token",         [MEMBER_KEYS_DROP] = "keys_drop", [MEMBER_WITHDRAWN] = "withdrawn",
    [MEMBER_CONFIRMED] = "confirmed", [MEMBER_CLOCK] = "clock",         [MEMBER_CLOSING] = "closing",
    [MEMBER_DISPUTED] = "disputed",   [MEMBER_KEYS] = "keys",           [MEMBER_SWITCH] = "switch",
    [MEMBER_REMOVED] = "removed",     [MEMBER_CHAT] = "chat",           [MEMBER_REACTION] = "reaction",
    [MEMBER_TITLE] = "title",         [MEMBER_FILE] = "file",           [MEMBER_TRACK] = "track",
    [MEMBER_ALARM] = "alarm",         [MEMBER_REMOVAL] = "removal",     [MEMBER_ENDED] = "ended",
};
static const char *const removal_names[] = {"wanted", "done", "failed"};
static const char *const state_names[] = {"connecting", "waiting", "joining", "in", "away", "over"};

/* Every field that any output has; those that this one lacks are empty. */
static void say(const struct member_output *out) {
    json_t *line = json_pack("{s:s, s:I, s:I}", "type", type_names[out->type], "epoch", (json_int_t)out->epoch,
                             "ticket", (json_int_t)out->ticket);
    ASSERT(line != NULL);
    switch (out->type) {
    case MEMBER_SEND:
        json_object_set_new(line, "hex", hex(out->bytes));
        break;
    case MEMBER_KEYS: /* the key itself stays inside, unless that is what the test is about */
        json_object_set_new(line, "leaf", json_integer((json_int_t)out->own_leaf));
        if (exports)
            json_object_set_new(line, "key", hex(out->bytes));
        break;
    case MEMBER_CONNECT:
        json_object_set_new(line, "delay_ms", json_integer((json_int_t)(out->delay_us / US_PER_MS)));
        break;
    case MEMBER_STATE:
        json_object_set_new(line, "state", json_string(state_names[out->state]));
        break;
    case MEMBER_ALARM:
        json_object_set_new(line, "alarm", json_string(member_alarm_text(out->alarm)));
        json_object_set_new(line, "status", json_string(mls_status_name(out->status)));
        break;
    case MEMBER_TOKEN:
    case MEMBER_CLOSING:
        json_object_set_new(line, "number", json_integer((json_int_t)out->number));
        break;
    case MEMBER_CONFIRMED:
    case MEMBER_DISPUTED:
        json_object_set_new(line, "flag", json_boolean(out->flag));
        break;
    case MEMBER_CLOCK:
        json_object_set_new(line, "off_s", json_integer((json_int_t)out->off_s));
        break;
    case MEMBER_REMOVAL:
        json_object_set_new(line, "removal", json_string(removal_names[out->removal]));
        break;
    case MEMBER_ENDED:
        json_object_set_new(line, "gone", json_integer(out->gone));
        break;
    case MEMBER_FILE:
        json_object_set_new(line, "id", text_of(out->file.id));
        json_object_set_new(line, "name", text_of(out->file.name));
        json_object_set_new(line, "len", json_integer((json_int_t)out->file.len_bytes));
        json_object_set_new(line, "key", hex(out->file.key));
        json_object_set_new(line, "sha256", hex(out->file.sha256));
        break;
    case MEMBER_TRACK:
        json_object_set_new(line, "context", json_integer(out->context));
        json_object_set_new(line, "source", json_integer(out->source));
        break;
    default:
        break;
    }
    json_object_set_new(line, "identity", text_of(out->identity));
    json_object_set_new(line, "text", text_of(out->text));
    json_object_set_new(line, "private", json_boolean(out->private_to_us));
    put(line);
}

static void say_people(void) {
    json_t *people = json_array();
    struct member_person p;
    uint32_t cursor = 0;
    while (member_person_next(member, &cursor, &p)) {
        json_array_append_new(people, json_pack("{s:o, s:o, s:I, s:b, s:b, s:b, s:b}", "identity", text_of(p.identity),
                                                "name", text_of(p.name), "leaf", (json_int_t)p.leaf, "self", p.self,
                                                "host", p.host, "online", p.online, "hand", p.hand));
    }
    put(json_pack("{s:s, s:o, s:o}", "type", "people", "people", people, "title", text_of(member_title_text(member))));
}

static void say_code(void) {
    char code[GROUP_CODE_DIGITS + 1];
    bool in = member_code(member, code);
    put(json_pack("{s:s, s:s, s:I}", "type", "code", "digits", in ? code : "", "epoch",
                  (json_int_t)member_epoch(member)));
}

static void settle(void) {
    struct member_output out;
    while (member_poll(member, &out))
        say(&out);
}

/* ---- what it is asked ---- */

static uint64_t unix_s(void) {
    return (uint64_t)((int64_t)(clock_unix_us() / US_PER_S) + clock_off_s);
}

static void create(const json_t *q) {
    struct span operator_key = bytes(q, "operator"), seat = bytes(q, "seat_seed");
    uint8_t operator_hash[32];
    struct secret seat_seed;
    ASSERT(crypto_openssl.hash(HASH_SHA256, &operator_key, 1, operator_hash) == CRYPTO_OK);
    secret_set(&seat_seed, seat);
    struct member_config config = {
        .crypto = &crypto_openssl,
        .suite = (uint16_t)number(q, "suite"),
        .meeting = words(q, "meeting"),
        .kind = (uint8_t)number(q, "kind"),
        .link_secret = bytes(q, "secret"),
        .operator_hash = span_of(operator_hash, 16),
        .operator_key = operator_key,
        .owner = bytes(q, "owner"),
        .owner_seed = bytes(q, "owner_seed"),
        .name = words(q, "name"),
        .client = GROUP_TEST,
        .software = span_str("member-peer"),
        .seat_seed = seat.len > 0 ? &seat_seed : NULL,
    };
    clock_off_s = json_integer_value(json_object_get(q, "clock_off_s"));
    exports = json_is_true(json_object_get(q, "export"));
    enum mls_status status = member_create(&config, &rng, &member);
    secret_wipe(&seat_seed);
    if (status != MLS_OK) {
        (void)fprintf(stderr, "no member: %s\n", mls_status_name(status));
        exit(1);
    }
}

/* What the transport has to say; false when it is something else. */
static bool transport(const char *op, const json_t *q) {
    uint64_t now_us = clock_now_us();
    if (strcmp(op, "connected") == 0)
        member_connected(member, now_us, unix_s(), &rng);
    else if (strcmp(op, "message") == 0)
        member_input(member, now_us, unix_s(), &rng, bytes(q, "hex"));
    else if (strcmp(op, "lost") == 0)
        member_lost(member, now_us, (uint16_t)number(q, "code"));
    else if (strcmp(op, "fetched") == 0)
        member_fetched(member, now_us, unix_s(), &rng, (uint32_t)number(q, "ticket"), bytes(q, "hex"));
    else if (strcmp(op, "leave") == 0)
        member_leave(member);
    else if (strcmp(op, "people") == 0)
        say_people();
    else if (strcmp(op, "code") == 0)
        say_code();
    else if (strcmp(op, "own") == 0)
        put(json_pack("{s:s, s:o}", "type", "own", "identity", text_of(member_own_identity(member))));
    else
        return false;
    return true;
}

static enum mls_status share(const json_t *q, uint64_t unix_ms) {
    struct member_file file = {.id = words(q, "id"),
                               .name = words(q, "name"),
                               .len_bytes = number(q, "len"),
                               .key = bytes(q, "key"),
                               .sha256 = bytes(q, "sha256")};
    return member_file(member, unix_ms, &rng, words(q, "to"), &file);
}

static enum mls_status person(const char *op, const json_t *q) {
    uint64_t now_us = clock_now_us(), unix_ms = clock_unix_us() / US_PER_MS;
    uint8_t id[ID_LEN];
    rng_fill(&rng, id, sizeof id);
    if (strcmp(op, "chat") == 0)
        return member_chat(member, unix_ms, &rng, words(q, "to"), span_of(id, sizeof id), words(q, "text"));
    if (strcmp(op, "react") == 0)
        return member_react(member, &rng, words(q, "emoji"));
    if (strcmp(op, "hand") == 0)
        return member_hand(member, &rng, json_is_true(json_object_get(q, "raised")));
    if (strcmp(op, "rename") == 0)
        return member_rename(member, &rng, words(q, "name"));
    if (strcmp(op, "title") == 0)
        return member_title(member, &rng, words(q, "text"));
    if (strcmp(op, "remove") == 0)
        return member_remove(member, now_us, unix_s(), &rng, words(q, "identity"));
    if (strcmp(op, "host") == 0)
        return member_make_host(member, now_us, unix_s(), &rng, words(q, "identity"));
    if (strcmp(op, "file") == 0)
        return share(q, unix_ms);
    if (strcmp(op, "compared") == 0)
        return member_tell_compared(member, &rng, json_is_true(json_object_get(q, "differs")));
    ASSERT(strcmp(op, "track") == 0);
    return member_track(member, &rng, (uint8_t)number(q, "context"), (uint8_t)number(q, "source"), words(q, "codec"));
}

static void handle(const char *line, size_t len) {
    json_t *q = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    ASSERT(q != NULL);
    storage_len = 0;
    const char *op = json_string_value(json_object_get(q, "op"));
    if (member == NULL) {
        create(q);
    } else {
        ASSERT(op != NULL);
        if (!transport(op, q)) {
            enum mls_status status = person(op, q);
            put(json_pack("{s:s, s:s, s:s}", "type", "result", "op", op, "status", mls_status_name(status)));
        }
    }
    json_decref(q);
}

/* ---- the loop ---- */

static int wait_ms(void) {
    uint64_t now_us = clock_now_us(), deadline_us = member != NULL ? member_next_deadline_us(member) : TIME_NEVER;
    if (deadline_us == TIME_NEVER)
        return -1;
    uint64_t ms = (time_since(deadline_us, now_us) + US_PER_MS - 1) / US_PER_MS;
    return ms > 60000 ? 60000 : (int)ms;
}

int main(void) {
    static char line[LINE_LEN_MAX];
    size_t len = 0;
    rng = entropy_rng();
    storage = malloc(LINE_LEN_MAX);
    ASSERT(storage != NULL);
    for (;;) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&input, 1, wait_ms()) > 0) {
            ssize_t got = read(STDIN_FILENO, line + len, sizeof line - len);
            if (got <= 0)
                break;
            len += (size_t)got;
            char *end;
            while ((end = memchr(line, '\n', len)) != NULL) {
                handle(line, (size_t)(end - line));
                len -= (size_t)(end - line) + 1;
                memmove(line, end + 1, len);
                settle();
            }
            ASSERT(len < sizeof line);
        }
        if (member != NULL) {
            if (clock_now_us() >= member_next_deadline_us(member))
                member_tick(member, clock_now_us(), unix_s(), &rng);
            settle();
        }
    }
    member_free(member);
    free(storage);
    return 0;
}
