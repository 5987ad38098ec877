#include "server/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/net.h"
#include "base/secret.h"
#include "e2ee/mls_types.h"

enum value_type {
    VALUE_BOOL,
    VALUE_U32,
    VALUE_PORT,
    VALUE_TEXT,    /* `size` bytes with the terminator */
    VALUE_ADDRESS, /* text that is an IP address, or empty */
    VALUE_LIST,    /* of addresses or names */
    VALUE_IP_LIST,
    VALUE_URLS,
    VALUE_LEVEL,
    VALUE_SUITE,
    VALUE_REFUSED, /* a LiveKit key that means something we do not do: only "false" or 0 is taken, else `help` is said */
    VALUE_IGNORED, /* a LiveKit key without effect here */
};

struct key_row {
    const char *name;
    enum value_type type;
    size_t offset, size;
    uint32_t max;
    const char *help;
};

#define AT(field) offsetof(struct config, field), sizeof(((struct config *)0)->field)

static const struct key_row rows[] = {
    {"port", VALUE_PORT, AT(port), 0, "HTTP and WebSocket without TLS"},
    {"bind_addresses", VALUE_IP_LIST, AT(bind_addresses), 0,
     "addresses of that port; this machine only unless given (0.0.0.0 and :: for all)"},
    {"data_dir", VALUE_TEXT, AT(data_dir), 0, "folder for keys and certificates made at first run"},
    {"key_file", VALUE_TEXT, AT(key_file), 0, "file with API keys (key: secret), readable by the owner only"},
    {"media_threads", VALUE_U32, AT(media_threads), 64, "media threads; 0 = one less than processors, 1 to 4"},
    {"sandbox", VALUE_BOOL, AT(sandbox), 0, "give up files and system calls that a server has no use for"},
    {"stop_after", VALUE_U32, AT(stop_after_s), 86400,
     "seconds that running meetings get to end after SIGTERM; none begins meanwhile; 0 = they end at once"},
    {"region", VALUE_TEXT, AT(region), 0, "shown to clients"},
    {"trusted_proxies", VALUE_IP_LIST, AT(trusted_proxies), 0,
     "reverse proxies whose X-Forwarded-For is believed when limits are counted"},
    {"tls.port", VALUE_PORT, AT(tls_port), 0, "HTTPS and WebSocket over TLS; 0 = off"},
    {"tls.bind_addresses", VALUE_IP_LIST, AT(tls_bind_addresses), 0, "addresses of that port; all unless given"},
    {"tls.cert_file", VALUE_TEXT, AT(tls_cert_file), 0, "certificate chain (PEM); self-made without"},
    {"tls.key_file", VALUE_TEXT, AT(tls_key_file), 0, "its private key (PEM)"},
    {"tls.names", VALUE_LIST, AT(tls_names), 0, "further names and addresses for the self-made certificate"},
    {"rtc.udp_port", VALUE_PORT, AT(udp_port), 0, "media over UDP"},
    {"rtc.tcp_port", VALUE_PORT, AT(tcp_port), 0, "media over TCP, for networks that let no UDP out; 0 = off"},
    {"rtc.node_ip", VALUE_ADDRESS, AT(node_ip), 0, "the one address to announce for media, for example behind NAT"},
    {"rtc.interfaces", VALUE_LIST, AT(interfaces), 0, "interfaces whose addresses are announced; all unless given"},
    {"rtc.ips", VALUE_IP_LIST, AT(ips), 0, "addresses that are announced, of those there are; all unless given"},
    {"rtc.include_loopback", VALUE_BOOL, AT(include_loopback), 0, "announce 127.0.0.1 and ::1 as well"},
    {"rtc.use_external_ip", VALUE_REFUSED, 0, 0, 0,
     "asking a STUN server on the internet for the own address is not done; set rtc.node_ip instead"},
    {"rtc.port_range_start", VALUE_REFUSED, 0, 0, 0, "all media uses one port; set rtc.udp_port instead"},
    {"rtc.port_range_end", VALUE_REFUSED, 0, 0, 0, "all media uses one port; set rtc.udp_port instead"},
    {"rtc.use_ice_lite", VALUE_IGNORED, 0, 0, 0, "always ICE-lite"},
    {"room.auto_create", VALUE_BOOL, AT(auto_create), 0, "a join makes the room"},
    {"room.empty_timeout", VALUE_U32, AT(empty_timeout_s), 604800, "seconds that a room nobody joined stays"},
    {"room.departure_timeout", VALUE_U32, AT(departure_timeout_s), 604800,
     "seconds that a room stays after the last left"},
    {"room.max_participants", VALUE_U32, AT(participants_max), 100000,
     "participants of one room; 0 = no limit of its own"},
    {"room.enable_remote_unmute", VALUE_BOOL, AT(enable_remote_unmute), 0, "the room API may unmute"},
    {"webhook.api_key", VALUE_TEXT, AT(webhook_key), 0, "API key that signs webhooks"},
    {"webhook.urls", VALUE_URLS, AT(webhook_urls), 0, "where events are posted"},
    {"prometheus.port", VALUE_PORT, AT(prometheus_port), 0,
     "a port of its own for /metrics, this machine only unless a password is set; 0 = none"},
    {"prometheus.username", VALUE_TEXT, AT(prometheus_username), 0, "basic authentication for it"},
    {"prometheus.password", VALUE_TEXT, AT(prometheus_password), 0, "basic authentication for it"},
    {"prometheus_port", VALUE_PORT, AT(prometheus_port), 0, "the same, LiveKit's older name"},
    {"limit.num_tracks", VALUE_U32, AT(num_tracks), 1000000, "published tracks of one media thread"},
    {"limit.max_metadata_size", VALUE_U32, AT(metadata_len_max), 1 << 20, "bytes of metadata"},
    {"limit.max_attributes_size", VALUE_U32, AT(attributes_len_max), 1 << 20, "bytes of attributes"},
    {"limit.max_room_name_length", VALUE_U32, AT(room_name_len_max), 1024, "bytes of a room name"},
    {"limit.max_participant_identity_length", VALUE_U32, AT(identity_len_max), 1024, "bytes of an identity"},
    {"limit.max_sessions", VALUE_U32, AT(sessions_max), 100000, "signalling sessions"},
    {"limit.max_rooms", VALUE_U32, AT(rooms_max), 100000, "rooms"},
    {"limit.max_transports", VALUE_U32, AT(transports_max), 100000, "peer connections of one media thread"},
    {"limit.max_connections", VALUE_U32, AT(connections_max), 60000, "HTTP and WebSocket connections"},
    {"limit.max_connections_per_address", VALUE_U32, AT(connections_per_address_max), 60000,
     "of one IPv4 address or IPv6 /64; 0 = no limit"},
    {"limit.meetings_per_hour", VALUE_U32, AT(meetings_per_hour), 1000000, "meetings made from one address"},
    {"limit.joins_per_minute", VALUE_U32, AT(joins_per_minute), 1000000, "connections to meetings from one address"},
    {"meeting.suite", VALUE_SUITE, AT(meeting_suite), 0,
     "cryptography of meetings: hybrid (X25519 with ML-KEM-768, against future quantum computers) or x25519"},
    {"meeting.file_len_max", VALUE_U32, AT(file_len_max), CONFIG_FILE_SHARED_LEN_MAX,
     "bytes of one shared file; 0 = no files"},
    {"meeting.files_len_max", VALUE_U32, AT(files_len_max), UINT32_MAX, "bytes of all files of one meeting"},
    {"logging.level", VALUE_LEVEL, AT(log_level), 0, "debug, info, warn or error"},
    {"logging.json", VALUE_BOOL, AT(log_json), 0, "log lines as JSON"},
    {"logging.personal_data", VALUE_BOOL, AT(log_personal_data), 0, "log lines may hold addresses and names"},
    {"redis.address", VALUE_REFUSED, 0, 0, 0, "this version runs on one node and needs no Redis"},
    {"turn.enabled", VALUE_REFUSED, 0, 0, 0,
     "there is no TURN server inside; media over TCP (rtc.tcp_port) does its work"},
};

void config_init(struct config *config) {
    *config = (struct config){
        .sandbox = true,
        .port = 7880,
        .tls_port = 7443,
        .udp_port = 7882,
        .tcp_port = 7881,
        .auto_create = true,
        .empty_timeout_s = 300,
        .departure_timeout_s = 20,
        .num_tracks = 2000,
        .sessions_max = 4096,
        .rooms_max = 1024,
        .room_name_len_max = 256,
        .identity_len_max = 256,
        .metadata_len_max = 512 << 10,
        .attributes_len_max = 64 << 10,
        .connections_max = 8192,
        .connections_per_address_max = 512,
        .meetings_per_hour = 60,
        .joins_per_minute = 120,
        .transports_max = 2048,
        .meeting_suite = MLS_SUITE_XWING_AES256GCM_SHA384_ED25519,
        .file_len_max = 100u << 20,
        .files_len_max = 1u << 30,
        .log_level = LOG_INFO,
    };
    (void)snprintf(config->data_dir, sizeof config->data_dir, "data");
}

static bool fail(struct config_error *error, const char *origin, const char *key, const char *why) {
    (void)snprintf(error->text, sizeof error->text, "%s: %s %s", origin, key, why);
    return false;
}

static const struct key_row *find_row(const char *key) {
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].name, key) == 0)
            return &rows[i];
    }
    return NULL;
}

static bool is_list(const struct key_row *row) {
    return row->type == VALUE_LIST || row->type == VALUE_IP_LIST || row->type == VALUE_URLS;
}

enum config_kind config_kind_of(const char *key) {
    const struct key_row *row = find_row(key);
    if (row != NULL)
        return is_list(row) ? CONFIG_LIST : CONFIG_SCALAR;
    if (strcmp(key, "keys") == 0)
        return CONFIG_KEYS;
    size_t len = strlen(key);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strncmp(rows[i].name, key, len) == 0 && rows[i].name[len] == '.')
            return CONFIG_SECTION;
    }
    return CONFIG_UNKNOWN;
}

/* Edits (insert, delete, replace) from a to b; capped names keep the table small. */
static unsigned distance(const char *a, const char *b) {
    enum { LEN_MAX = 48 };
    unsigned row[LEN_MAX + 1];
    size_t b_len = strlen(b);
    if (b_len > LEN_MAX)
        return UINT32_MAX;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i] != 0; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned replace = diagonal + (a[i] != b[j - 1]);
            diagonal = row[j];
            unsigned best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = replace < best ? replace : best;
        }
    }
    return row[b_len];
}

const char *config_nearest(const char *key) {
    const char *best = NULL;
    unsigned best_distance = (unsigned)strlen(key) / 3 + 2; /* further away is no likeness */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].type == VALUE_REFUSED || rows[i].type == VALUE_IGNORED)
            continue;
        const char *last = strrchr(rows[i].name, '.');
        unsigned whole = distance(key, rows[i].name);
        /* the right name in the wrong place */
        unsigned part = last != NULL && strcmp(last + 1, key) == 0 ? 1 : UINT32_MAX;
        unsigned d = whole < part ? whole : part;
        if (d < best_distance) {
            best_distance = d;
            best = rows[i].name;
        }
    }
    return best;
}

static bool parse_bool(const char *value, bool *out) {
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0", ""};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (strcmp(value, yes[i]) == 0) {
            *out = true;
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(no); i++) {
        if (strcmp(value, no[i]) == 0) {
            *out = false;
            return true;
        }
    }
    return false;
}

static bool is_ip(const char *value) {
    struct net_addr addr;
    return net_ip_parse(span_str(value), &addr);
}

static bool set_text(void *field, size_t size, const char *value) {
    size_t len = strlen(value);
    if (len >= size)
        return false;
    memcpy(field, value, len + 1);
    return true;
}

static bool set_number(const struct key_row *row, void *field, const char *origin, const char *value,
                       struct config_error *error) {
    uint64_t number;
    uint32_t max = row->type == VALUE_PORT ? UINT16_MAX : row->max;
    if (!span_to_u64(span_str(value), max, &number)) {
        char why[64];
        (void)snprintf(why, sizeof why, "must be a number from 0 to %u", max);
        return fail(error, origin, row->name, why);
    }
    if (row->type == VALUE_PORT) {
        uint16_t port = (uint16_t)number;
        memcpy(field, &port, sizeof port);
    } else {
        uint32_t u32 = (uint32_t)number;
        memcpy(field, &u32, sizeof u32);
    }
    return true;
}

static bool parse_suite(const char *value, uint16_t *out) {
    bool hybrid = strcmp(value, "hybrid") == 0;
    *out = hybrid ? MLS_SUITE_XWING_AES256GCM_SHA384_ED25519 : MLS_SUITE_X25519_AES128GCM_SHA256_ED25519;
    return hybrid || strcmp(value, "x25519") == 0;
}

static bool set_scalar(struct config *config, const struct key_row *row, const char *origin, const char *value,
                       struct config_error *error) {
    void *field = (uint8_t *)config + row->offset;
    bool yes;
    switch (row->type) {
    case VALUE_BOOL:
        if (!parse_bool(value, &yes))
            return fail(error, origin, row->name, "must be true or false");
        memcpy(field, &yes, sizeof yes);
        return true;
    case VALUE_U32:
    case VALUE_PORT:
        return set_number(row, field, origin, value, error);
    case VALUE_ADDRESS:
        if (value[0] != 0 && !is_ip(value))
            return fail(error, origin, row->name, "must be an IP address");
        return set_text(field, row->size, value) || fail(error, origin, row->name, "is too long");
    case VALUE_TEXT:
        return set_text(field, row->size, value) || fail(error, origin, row->name, "is too long");
    case VALUE_LEVEL:
        return log_level_parse(value, field) || fail(error, origin, row->name, "must be debug, info, warn or error");
    case VALUE_SUITE:
        return parse_suite(value, field) || fail(error, origin, row->name, "must be hybrid or x25519");
    case VALUE_REFUSED:
        return (parse_bool(value, &yes) && !yes) || fail(error, origin, row->name, row->help);
    case VALUE_IGNORED:
        return true;
    default:
        ASSERT(is_list(row));
        return fail(error, origin, row->name, "must be a list");
    }
}

bool config_set_item(struct config *config, const char *origin, const char *key, uint32_t index, const char *value,
                     struct config_error *error) {
    const struct key_row *row = find_row(key);
    ASSERT(row != NULL && is_list(row));
    if (row->type == VALUE_URLS) {
        if (index >= CONTROL_WEBHOOKS_MAX)
            return fail(error, origin, key, "has too many entries");
        if (strncmp(value, "http://", 7) != 0 && strncmp(value, "https://", 8) != 0)
            return fail(error, origin, key, "must hold http:// or https:// addresses");
        config->webhook_urls_count = index + 1;
        return set_text(config->webhook_urls[index], CONFIG_URL_LEN_MAX, value) ||
               fail(error, origin, key, "has an address that is too long");
    }
    struct config_list *list = (struct config_list *)(void *)((uint8_t *)config + row->offset);
    if (index >= CONFIG_ADDRESSES_MAX)
        return fail(error, origin, key, "has too many entries");
    if (row->type == VALUE_IP_LIST && !is_ip(value))
        return fail(error, origin, key, "must hold IP addresses");
    if (!set_text(list->items[index], sizeof list->items[index], value))
        return fail(error, origin, key, "has an entry that is too long");
    list->count = index + 1;
    return true;
}

static bool set_list(struct config *config, const char *origin, const char *key, const char *value,
                     struct config_error *error) {
    struct reader r = reader_of(value, strlen(value));
    struct span item;
    uint32_t index = 0;
    while (rd_token(&r, ',', &item)) {
        char text[CONFIG_URL_LEN_MAX];
        while (item.len > 0 && item.data[0] == ' ')
            item = span_of(item.data + 1, item.len - 1);
        if (item.len == 0)
            continue;
        if (!span_to_str(item, text, sizeof text))
            return fail(error, origin, key, "has an entry that is too long");
        if (!config_set_item(config, origin, key, index++, text, error))
            return false;
    }
    return true;
}

bool config_set(struct config *config, const char *origin, const char *key, const char *value,
                struct config_error *error) {
    const struct key_row *row = find_row(key);
    if (row == NULL) {
        const char *nearest = config_nearest(key);
        (void)snprintf(error->text, sizeof error->text, "%s: there is no setting %s%s%s%s", origin, key,
                       nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                       nearest != NULL ? "?" : "");
        return false;
    }
    return is_list(row) ? set_list(config, origin, key, value, error) : set_scalar(config, row, origin, value, error);
}

bool config_add_key(struct config *config, const char *origin, const char *key, const char *secret,
                    struct config_error *error) {
    if (key[0] == 0 || secret[0] == 0)
        return fail(error, origin, "keys", "need a name and a secret each");
    if (config->keys_count == CONTROL_KEYS_MAX)
        return fail(error, origin, "keys", "are too many");
    struct control_key *to = &config->keys[config->keys_count];
    for (uint32_t i = 0; i < config->keys_count; i++) {
        if (strcmp(config->keys[i].key, key) == 0)
            to = &config->keys[i];
    }
    if (!set_text(to->key, sizeof to->key, key) || !set_text(to->secret, sizeof to->secret, secret))
        return fail(error, origin, "keys", "has a name longer than 64 or a secret longer than 256 bytes");
    config->keys_count += to == &config->keys[config->keys_count];
    return true;
}

static bool load_variable(struct config *config, const char *variable, struct config_error *error) {
    const char *equals = strchr(variable, '=');
    size_t name_len = equals == NULL ? 0 : (size_t)(equals - variable);
    if (name_len == 0 || name_len >= 128)
        return true;
    char name[128];
    memcpy(name, variable, name_len);
    name[name_len] = 0;
    if (strcmp(name, "LIVEKIT_KEYS") == 0 || strcmp(name, "CONCLAVE_KEYS") == 0)
        return config_load_keys(config, name, span_str(equals + 1), error);
    /* CONFIG is the caller's; BIN, TEST_* and the like belong to scripts around us */
    if (strncmp(name, "CONCLAVE_", 9) != 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *k = rows[i].name, *v = name + 9;
        while (*k != 0 && *v == (*k == '.' ? '_' : *k >= 'a' && *k <= 'z' ? *k - 'a' + 'A' : *k))
            k++, v++;
        if (*k == 0 && *v == 0)
            return config_set(config, name, rows[i].name, equals + 1, error);
    }
    return true;
}

bool config_load_environment(struct config *config, char *const *environment, struct config_error *error) {
    for (; *environment != NULL; environment++) {
        if (!load_variable(config, *environment, error))
            return false;
    }
    return true;
}

bool config_finish(struct config *config, struct config_error *error) {
    if (config->dev) {
        config->tls_port = 0;
        config->include_loopback = true;
        config->bind_addresses.count = 0;
        if (config->keys_count == 0 && !config_add_key(config, "--dev", "devkey", "secret", error))
            return false;
    }
    if ((config->tls_cert_file[0] != 0) != (config->tls_key_file[0] != 0))
        return fail(error, "configuration", "tls.cert_file", "and tls.key_file belong together; give both or neither");
    if ((config->prometheus_username[0] != 0) != (config->prometheus_password[0] != 0))
        return fail(error, "configuration", "prometheus.username",
                    "and prometheus.password belong together; give both or neither");
    if (config->udp_port == 0)
        return fail(error, "configuration", "rtc.udp_port", "must not be 0: media needs a port");
    if (config->port == 0)
        return fail(error, "configuration", "port", "must not be 0");
    if (config->port == config->tls_port || (config->tcp_port != 0 && config->tcp_port == config->port) ||
        (config->tcp_port != 0 && config->tcp_port == config->tls_port))
        return fail(error, "configuration", "port", "tls.port and rtc.tcp_port must be three different ports");
    if (config->sessions_max == 0 || config->rooms_max == 0 || config->connections_max == 0 ||
        config->transports_max == 0 || config->num_tracks == 0)
        return fail(error, "configuration", "limit",
                    "values of sessions, rooms, connections, transports and tracks must not be 0");
    bool known = config->webhook_key[0] == 0;
    for (uint32_t i = 0; i < config->keys_count; i++)
        known = known || strcmp(config->keys[i].key, config->webhook_key) == 0;
    if (!known)
        return fail(error, "configuration", "webhook.api_key", "is not one of the keys");
    return true;
}

void config_wipe(struct config *config) {
    secure_wipe(config, sizeof *config);
}

void config_describe(struct writer *out) {
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].type != VALUE_REFUSED && rows[i].type != VALUE_IGNORED)
            wr_fmt(out, "  %-36s %s\n", rows[i].name, rows[i].help);
    }
}
