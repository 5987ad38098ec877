/* The server's configuration: defaults, then the file (YAML, with LiveKit's names where the meaning is the same), then the
 * environment, then flags; the later wins.
 *
 *     config_init             defaults
 *     config_load_text        a file's text; keys that nobody knows are errors with a line and the nearest name
 *     config_load_environment CONCLAVE_<KEY> with '.' as '_' (CONCLAVE_RTC_UDP_PORT), LIVEKIT_KEYS ("key: secret")
 *     config_set              one value by its dotted name, as flags do
 *     config_finish           dev mode, and what can only be judged when everything is there
 *
 * Every scalar key is one row of a table (config_keys), which also makes the documentation of `conclave serve --help`. Errors are
 * sentences in struct config_error. Plain data, no owner but the caller; holds secrets: wipe with config_wipe. */
#ifndef CONCLAVE_SERVER_CONFIG_H
#define CONCLAVE_SERVER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/log.h"
#include "signal/control.h"

#define CONFIG_ADDRESSES_MAX 8
#define CONFIG_TEXT_LEN_MAX 256
/* A file of a meeting: browsers seal it in memory. */
#define CONFIG_FILE_SHARED_LEN_MAX (1u << 30)
#define CONFIG_URL_LEN_MAX 512
/* A configuration is a page or two; more is a mistake. */
#define CONFIG_FILE_LEN_MAX (256u << 10)
/* Shortest API secret that is taken without a warning: 256 bits in hexadecimal would be 64, LiveKit advises 32. */
#define CONFIG_SECRET_LEN_ADVISED 32

struct config_list {
    uint32_t count;
    char items[CONFIG_ADDRESSES_MAX][64];
};

struct config {
    bool dev;
    bool sandbox;
    uint32_t stop_after_s; /* what running meetings get after SIGTERM */
    char data_dir[CONFIG_TEXT_LEN_MAX];
    uint16_t port;
    struct config_list bind_addresses;     /* of the plain port; empty = loopback only */
    uint16_t tls_port;                     /* 0 = off */
    struct config_list tls_bind_addresses; /* empty = all */
    struct config_list tls_names;          /* further names and addresses in the self-made certificate */
    char tls_cert_file[CONFIG_TEXT_LEN_MAX], tls_key_file[CONFIG_TEXT_LEN_MAX];
    struct control_key keys[CONTROL_KEYS_MAX];
    uint32_t keys_count;
    char key_file[CONFIG_TEXT_LEN_MAX];

    uint16_t udp_port, tcp_port; /* tcp_port 0 = no ICE over TCP */
    char node_ip[64];
    struct config_list interfaces; /* names; empty = all */
    struct config_list ips;        /* addresses; empty = all */
    bool include_loopback;
    uint32_t media_threads; /* 0 = by the number of processors */

    bool auto_create, enable_remote_unmute;
    uint32_t empty_timeout_s, departure_timeout_s, participants_max;
    char webhook_key[65];
    char webhook_urls[CONTROL_WEBHOOKS_MAX][CONFIG_URL_LEN_MAX];
    uint32_t webhook_urls_count;

    uint16_t prometheus_port; /* 0 = metrics are nowhere */
    char prometheus_username[65], prometheus_password[129];

    uint32_t num_tracks, sessions_max, rooms_max, room_name_len_max, identity_len_max;
    uint32_t metadata_len_max, attributes_len_max;
    uint32_t connections_max, connections_per_address_max;
    uint32_t meetings_per_hour, joins_per_minute;
    uint32_t transports_max; /* of one media thread */

    uint16_t meeting_suite;               /* MLS suite of the meetings' groups */
    uint32_t file_len_max, files_len_max; /* of one file of a meeting, of all files of a meeting; bytes */

    struct config_list trusted_proxies;
    enum log_level log_level;
    bool log_json, log_personal_data;
    char region[33];
};

struct config_error {
    char text[1024];
};

void config_init(struct config *config);
/* `name` is the file's name for messages. */
bool config_load_text(struct config *config, const char *name, struct span text, struct config_error *error);
/* Only "key: secret" pairs, as in `key_file` and LIVEKIT_KEYS. */
bool config_load_keys(struct config *config, const char *name, struct span text, struct config_error *error);
/* `environment` as in environ. */
bool config_load_environment(struct config *config, char *const *environment, struct config_error *error);
/* `origin` begins the error sentence ("--port", "line 3 of conclave.yaml"). Lists are comma-separated here. */
bool config_set(struct config *config, const char *origin, const char *key, const char *value,
                struct config_error *error);
/* Applies dev mode, checks what belongs together. */
bool config_finish(struct config *config, struct config_error *error);
void config_wipe(struct config *config);
/* Prints every key with its meaning and default. */
void config_describe(struct writer *out);

/* For the loaders: one node of the document. */
bool config_set_item(struct config *config, const char *origin, const char *key, uint32_t index, const char *value,
                     struct config_error *error);
bool config_add_key(struct config *config, const char *origin, const char *key, const char *secret,
                    struct config_error *error);
/* What `key` is: a scalar, a list, the parent of other keys, the map of API keys, or nothing that we know. */
enum config_kind { CONFIG_UNKNOWN, CONFIG_SCALAR, CONFIG_LIST, CONFIG_SECTION, CONFIG_KEYS };
enum config_kind config_kind_of(const char *key);
/* The known key that looks most like `key`, or NULL when none does. */
const char *config_nearest(const char *key);

#endif
