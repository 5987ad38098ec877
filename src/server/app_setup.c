#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/time.h"
#include "crypto/selftest.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/memory.h"
#include "protocol/dtls.h"
#include "server/app_internal.h"
#include "server/assets.h"
#include "server/guard.h"

/* Descriptors besides connections: sockets of media threads, libraries, files. */
#define DESCRIPTORS_SPARE (128 + STORE_UPLOADS_MAX + STORE_READERS_MAX)
/* A participant of a large meeting watches a screen share and a page of people. */
#define SINKS_PER_TRANSPORT 16
#define TRACKS_PER_PARTICIPANT_MAX 64
/* After a restart members of meetings come back before anybody begins their meeting anew. */
#define FOUNDING_WAIT_US (5 * US_PER_S)

static bool say(struct config_error *error, const char *text) {
    (void)snprintf(error->text, sizeof error->text, "%s", text);
    return false;
}

/* Enough for the connections allowed, and no more: the library that posts webhooks makes tables of this size. */
static void set_descriptor_limit(const struct config *config, uint32_t shards) {
    struct rlimit limit;
    rlim_t want = config->connections_max + (rlim_t)shards * TCP_CONNECTIONS_MAX + DESCRIPTORS_SPARE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max != RLIM_INFINITY && want > limit.rlim_max ? limit.rlim_max : want;
    if (limit.rlim_cur < want)
        log_warn("only %llu files may be open, %llu would be needed for the configured connections",
                 (unsigned long long)limit.rlim_cur, (unsigned long long)want);
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* One thread for control, the rest for media: a datagram that arrives at the wrong media thread costs a hand-over, so
 * more than four pay off only on servers that are configured for it. */
static uint32_t default_shards(void) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors <= 2 ? 1 : processors >= 5 ? 4 : (uint32_t)processors - 1;
}

static size_t certificate_names(const struct app *app, char ips[VAULT_NAMES_MAX][NET_IP_TEXT_LEN], char *host,
                                size_t host_size, const char *out[VAULT_NAMES_MAX]) {
    size_t count = 0;
    out[count++] = "localhost";
    out[count++] = "127.0.0.1";
    out[count++] = "::1";
    if (gethostname(host, host_size) == 0 && host[0] != 0 && strchr(host, ',') == NULL &&
        strcmp(host, "localhost") != 0)
        out[count++] = host;
    for (uint32_t i = 0; i < app->config.tls_names.count; i++)
        out[count++] = app->config.tls_names.items[i];
    for (size_t i = 0; i < app->candidates_count && count < VAULT_NAMES_MAX; i++) {
        if (app->candidates[i].proto != NET_UDP || net_addr_is_loopback(&app->candidates[i]))
            continue;
        net_ip_text(&app->candidates[i], ips[i]);
        out[count++] = ips[i];
    }
    return count;
}

bool app_certificate_open(struct app *app, struct http_certificate *out, struct config_error *error) {
    char ips[VAULT_NAMES_MAX][NET_IP_TEXT_LEN], host[256] = "";
    const char *names[VAULT_NAMES_MAX];
    size_t count = certificate_names(app, ips, host, sizeof host - 1, names);
    struct keeper_certificate kept;
    *out = (struct http_certificate){0};
    if (!keeper_certificate(app->keeper, names, count, &kept, error))
        return false;
    out->chain = span_of(kept.chain, kept.chain_len);
    BIO *bio = BIO_new_mem_buf(kept.chain, (int)kept.chain_len);
    X509 *own = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    out->key = own != NULL ? keeper_tls_key(app->keeper, own, kept.key_number) : NULL;
    X509_free(own);
    BIO_free(bio);
    app->own_cert = app->config.tls_cert_file[0] == 0;
    app->certificate = kept.files;
    return out->key != NULL || say(error, "OpenSSL refuses the certificate");
}

void app_certificate_free(struct http_certificate *certificate) {
    EVP_PKEY_free(certificate->key);
    free((void *)(uintptr_t)certificate->chain.data);
    *certificate = (struct http_certificate){0};
}

static bool open_meeting(struct app *app, struct config_error *error) {
    app->meeting_memory = memory_map(meeting_size());
    if (app->meeting_memory == NULL)
        return say(error, "no memory for the table of clients");
    const struct config *config = &app->config;
    struct meeting_config meeting = {
        .crypto = &crypto_openssl,
        .server = keeper_server(app->keeper),
        .keys = keeper_keys(app->keeper, config),
        .suite = config->meeting_suite,
        .file_len_max = config->file_len_max,
        .rates = {{config->meetings_per_hour > 0 ? config->meetings_per_hour : 1, 3600},
                  {config->joins_per_minute > 0 ? config->joins_per_minute : 1, 60}},
    };
    memcpy(meeting.operator_key, app->keeper->operator_key, sizeof meeting.operator_key);
    app->meeting = meeting_init(app->meeting_memory, &meeting, &app->rng);
    return true;
}

static bool open_delivery(struct app *app, struct config_error *error) {
    const struct config *config = &app->config;
    uint32_t members = config->participants_max;
    struct service_config service = {
        .crypto = &crypto_openssl,
        .server = keeper_server(app->keeper),
        .operator_key = span_of(app->keeper->operator_key, sizeof app->keeper->operator_key),
        .table_seed = rng_u64(&app->rng),
        .meetings_max = config->rooms_max,
        .connections_max =
            config->sessions_max < SERVICE_CONNECTIONS_MAX ? config->sessions_max : SERVICE_CONNECTIONS_MAX,
        .members_max = members > 0 && members < SERVICE_MEMBERS_MAX ? members : SERVICE_MEMBERS_MAX,
        .file_len_max = config->file_len_max,
        .founding_from_us = app_running_before(app) ? clock_now_us() + FOUNDING_WAIT_US : 0,
        .token = delivery_token,
        .context = app,
    };
    app->service = service_create(&service);
    return app->service != NULL || say(error, "no memory for the delivery service of meetings");
}

/* A server for development keeps nothing: its files are in a folder that goes with it. */
static bool open_store(struct app *app, struct config_error *error) {
    const struct config *config = &app->config;
    if (config->dev) {
        (void)snprintf(app->files_dir, sizeof app->files_dir, "/tmp/conclave-files-XXXXXX");
        if (mkdtemp(app->files_dir) == NULL)
            return say(error, "no folder for the files of meetings can be made in /tmp");
    } else {
        (void)snprintf(app->files_dir, sizeof app->files_dir, "%s/files", config->data_dir);
    }
    struct store_config store = {
        .folder = app->files_dir, .file_len_max = config->file_len_max, .group_len_max = config->files_len_max};
    app->store = store_create(&store, &app->rng, error->text, sizeof error->text);
    return app->store != NULL;
}

static void wake_http(void *context) {
    http_wake(((struct app *)context)->http);
}

static bool open_media(struct app *app, struct config_error *error) {
    const struct config *config = &app->config;
    app->dtls = dtls_context_create(clock_unix_us() / 1000000, NULL);
    if (app->dtls == NULL)
        return say(error, "OpenSSL refused to make the certificate for media (DTLS)");
    struct media_config media = {
        .shards = app->shards,
        .udp_port = config->udp_port,
        .tcp_port = config->tcp_port,
        .tcp = config->tcp_port != 0,
        .loopback_only = places_loopback_only(app->candidates, app->candidates_count),
        .engine = engine_config_default(config->transports_max, config->num_tracks,
                                        config->transports_max * SINKS_PER_TRANSPORT),
        .dtls = app->dtls,
        .wake = wake_http,
        .wake_context = app,
    };
    app->media = media_create(&media, error->text, sizeof error->text);
    return app->media != NULL;
}

static bool open_control(struct app *app, struct config_error *error) {
    const struct config *config = &app->config;
    struct control_config control = control_config_default();
    control.keys = keeper_keys(app->keeper, config);
    memcpy(control.candidates, app->candidates, sizeof control.candidates);
    control.candidates_count = (uint32_t)app->candidates_count;
    (void)snprintf(control.dtls_fingerprint, sizeof control.dtls_fingerprint, "%s",
                   dtls_context_fingerprint_text(app->dtls));
    control.shards = app->shards;
    control.transports_max = config->transports_max;
    control.sources_max = config->num_tracks;
    control.sinks_max = config->transports_max * SINKS_PER_TRANSPORT;
    control.sessions_max = config->sessions_max;
    control.rooms_max = config->rooms_max;
    control.participants_max = config->participants_max;
    control.tracks_per_participant_max = TRACKS_PER_PARTICIPANT_MAX;
    control.room_name_len_max = config->room_name_len_max;
    control.identity_len_max = config->identity_len_max;
    control.metadata_len_max = config->metadata_len_max;
    control.attributes_len_max = config->attributes_len_max;
    control.empty_timeout_s = config->empty_timeout_s;
    control.departure_timeout_s = config->departure_timeout_s;
    control.auto_create = config->auto_create;
    control.webhooks = config->webhook_urls_count > 0;
    control.enable_remote_unmute = config->enable_remote_unmute;
    (void)snprintf(control.node_id, sizeof control.node_id, "ND_");
    rng_token(&app->rng, control.node_id + 3, 12);
    (void)snprintf(control.region, sizeof control.region, "%s", config->region);
    (void)snprintf(control.meeting_room_prefix, sizeof control.meeting_room_prefix, "%s", MEETING_ROOM_PREFIX);
    control.may_enter = delivery_gate;
    control.may_enter_context = app;
    app->control = control_create(&control, &app->rng, clock_now_us(), clock_unix_us());
    return app->control != NULL || say(error, "no memory for the control core");
}

static bool listen_all(struct app *app, const struct config_list *list, bool loopback_default, uint16_t port,
                       enum http_listener kind, struct config_error *error) {
    struct net_addr addresses[PLACES_LISTEN_MAX];
    size_t count = places_listen(list, loopback_default, port, addresses);
    for (size_t i = 0; i < count; i++) {
        if (http_listen(app->http, &addresses[i], kind, NULL, error->text, sizeof error->text))
            continue;
        /* by default both families are tried, and a machine without IPv6 is no error */
        if (list->count == 0 && addresses[i].family == 6)
            continue;
        return false;
    }
    return true;
}

static bool open_http(struct app *app, struct config_error *error) {
    const struct config *config = &app->config;
    for (uint32_t i = 0; i < config->trusted_proxies.count; i++)
        ASSERT(net_ip_parse(span_str(config->trusted_proxies.items[i]), &app->trusted[i]));
    struct http_config http = {
        .connections_max = config->connections_max,
        .connections_per_client_max = config->connections_per_address_max,
        .trusted = app->trusted,
        .trusted_count = config->trusted_proxies.count,
        .handlers = app_handlers(app),
    };
    if (config->tls_port != 0 && !app_certificate_open(app, &http.certificate, error))
        return false;
    app->http = http_create(&http, error->text, sizeof error->text);
    app_certificate_free(&http.certificate);
    if (app->http == NULL || !listen_all(app, &config->bind_addresses, true, config->port, HTTP_PLAIN, error))
        return false;
    if (config->tls_port != 0 &&
        !listen_all(app, &config->tls_bind_addresses, false, config->tls_port, HTTP_TLS, error))
        return false;
    if (config->prometheus_port != 0 &&
        !listen_all(app, config->prometheus_password[0] != 0 ? &config->bind_addresses : &(struct config_list){0}, true,
                    config->prometheus_port, HTTP_METRICS, error))
        return false;
    app_admin_watch(app);
    return http_take_signals(app->http, error->text, sizeof error->text);
}

static bool open_webhooks(struct app *app, struct config_error *error) {
    const struct config *config = &app->config;
    const char *urls[CONTROL_WEBHOOKS_MAX];
    for (uint32_t i = 0; i < config->webhook_urls_count; i++)
        urls[i] = config->webhook_urls[i];
    if (config->webhook_urls_count == 0)
        return true;
    app->webhook = webhook_start(urls, config->webhook_urls_count, error->text, sizeof error->text);
    return app->webhook != NULL;
}

static bool guard_files(const struct app *app, struct config_error *error) {
    char run_dir[VAULT_PATH_LEN_MAX] = "";
    if (!app->config.dev)
        (void)snprintf(run_dir, sizeof run_dir, "%s/run", app->config.data_dir);
    return guard_server(&app->config, app->files_dir, run_dir, error);
}

bool app_open(struct app *app, struct config_error *error) {
    const char *broken = crypto_self_test();
    if (broken == NULL)
        broken = crypto_self_test_backend(&crypto_openssl);
    if (broken != NULL) {
        (void)snprintf(error->text, sizeof error->text, "the cryptographic self-test failed: %s", broken);
        return false;
    }
    app->rng = entropy_rng();
    app->shards = app->config.media_threads != 0 ? app->config.media_threads : default_shards();
    set_descriptor_limit(&app->config, app->shards);
    struct address_interface interfaces[PLACES_INTERFACES_MAX];
    size_t count = address_interfaces(interfaces, PLACES_INTERFACES_MAX);
    app->candidates_count =
        places_candidates(&app->config, interfaces, count, app->config.udp_port, app->config.tcp_port, app->candidates);
    if (app->candidates_count == 0)
        return say(error,
                   "no network address to announce for media; check rtc.interfaces and rtc.ips, or set rtc.node_ip");
    /* the socket first: another server's files are not ours to empty */
    bool ok = app_admin_open(app, error) && open_meeting(app, error) && open_delivery(app, error) &&
              open_store(app, error) && open_http(app, error) && open_media(app, error) && open_control(app, error) &&
              guard_files(app, error) && open_webhooks(app, error);
    if (ok)
        app_guard_open(app);
    return ok;
}

/* ---- what the person who started it sees ---- */

static void print_url(const char *label, const char *scheme, const struct net_addr *addr, uint16_t port) {
    char ip[NET_IP_TEXT_LEN];
    net_ip_text(addr, ip);
    printf("%s%s://%s%s%s:%u/new\n", label, scheme, addr->family == 6 ? "[" : "", ip, addr->family == 6 ? "]" : "",
           port);
}

void app_banner(const struct app *app) {
    const struct config *config = &app->config;
    printf("Conclave %s\n\n", CONCLAVE_VERSION);
    /* a link to a meeting needs a secret that this server must not have: the browser makes both */
    printf("Open this to start a meeting:\n");
    printf("  On this machine:  http://localhost:%u/new\n", config->port);
    const struct net_addr *reachable = places_first_reachable(app->candidates, app->candidates_count);
    if (config->tls_port != 0 && reachable != NULL) {
        print_url("  On the network:   ", "https", reachable, config->tls_port);
        if (app->own_cert)
            printf("  The browser will warn of a self-made certificate there. Its SHA-256 fingerprint:\n  %s\n",
                   app->certificate.fingerprint);
    }
    if (config->dev) {
        printf("\nFor LiveKit SDKs: ws://localhost:%u  API key: devkey  API secret: secret\n", config->port);
        printf("Development only: everybody knows this key. This machine only.\n");
    } else if (app->keeper->made_key) {
        printf("\nAn API key for LiveKit SDKs was made: %s/keys.yaml\n", config->data_dir);
    }
    printf("\nMedia: UDP port %u%s. Stop with Ctrl+C.\n\n", media_udp_port(app->media),
           config->tcp_port != 0 ? ", and TCP where a network lets no UDP out" : "");
    (void)fflush(stdout);
}
