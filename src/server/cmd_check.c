#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "e2ee/mls_types.h"
#include "io/address.h"
#include "io/clock.h"
#include "server/cli.h"
#include "server/places.h"
#include "server/vault.h"

static bool port_free(const struct net_addr *address, const char *what, bool optional) {
    bool udp = address->proto == NET_UDP;
    struct sockaddr_storage name;
    socklen_t len = address_to_sockaddr(address, &name);
    int fd = socket(name.ss_family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    int on = 1;
    bool ok = fd >= 0;
    if (ok && !udp)
        ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    if (ok && name.ss_family == AF_INET6)
        ok = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
    ok = ok && bind(fd, (struct sockaddr *)&name, len) == 0;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    char ip[NET_IP_TEXT_LEN];
    net_ip_text(address, ip);
    if (ok)
        printf("  ok    %s port %u of %s is free: %s\n", udp ? "UDP" : "TCP", address->port, ip, what);
    else if (optional)
        printf("  note  %s port %u of %s cannot be used (%s): %s\n", udp ? "UDP" : "TCP", address->port, ip,
               strerror(saved), what);
    else
        printf("  ERROR %s port %u of %s cannot be used (%s): %s\n", udp ? "UDP" : "TCP", address->port, ip,
               strerror(saved), what);
    return ok || optional;
}

static bool check_list(const struct config_list *list, bool loopback, uint16_t port, const char *what) {
    struct net_addr addresses[PLACES_LISTEN_MAX];
    size_t count = places_listen(list, loopback, port, addresses);
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        addresses[i].proto = NET_TCP;
        ok = port_free(&addresses[i], what, list->count == 0 && addresses[i].family == 6) && ok;
    }
    return ok;
}

static bool check_ports(const struct config *config) {
    struct config_list all = {.count = 1, .items = {"0.0.0.0"}};
    struct net_addr udp[PLACES_LISTEN_MAX];
    bool ok = check_list(&config->bind_addresses, true, config->port, "pages and signalling without TLS");
    if (config->tls_port != 0)
        ok = check_list(&config->tls_bind_addresses, false, config->tls_port, "pages and signalling over TLS") && ok;
    if (config->prometheus_port != 0)
        ok = check_list(&(struct config_list){0}, true, config->prometheus_port, "metrics") && ok;
    if (config->tcp_port != 0)
        ok = check_list(&all, false, config->tcp_port, "media over TCP") && ok;
    ASSERT(places_listen(&all, false, config->udp_port, udp) == 1);
    udp[0].proto = NET_UDP;
    return port_free(&udp[0], "media over UDP", false) && ok;
}

static bool check_files(const struct config *config) {
    struct config_error error = {{0}};
    char fingerprint[VAULT_FINGERPRINT_LEN];
    bool ok = true;
    if (config->tls_port != 0 && config->tls_cert_file[0] != 0) {
        ok = vault_check_certificate(config->tls_cert_file, config->tls_key_file, clock_unix_us(), fingerprint, &error);
        printf("  %s %s\n", ok ? "ok    certificate" : "ERROR", ok ? config->tls_cert_file : error.text);
    } else if (config->tls_port != 0) {
        printf("  ok    a self-made certificate will be used; browsers will warn on other machines\n");
    }
    if (config->key_file[0] != 0) {
        bool readable = access(config->key_file, R_OK) == 0;
        printf("  %s %s\n", readable ? "ok    key file" : "ERROR cannot read", config->key_file);
        ok = ok && readable;
    }
    if (config->dev)
        return ok;
    bool exists = access(config->data_dir, F_OK) == 0;
    bool usable = exists ? access(config->data_dir, R_OK | W_OK | X_OK) == 0 : true;
    printf("  %s %s%s\n", usable ? "ok    data folder" : "ERROR not readable and writable:", config->data_dir,
           exists ? "" : " (will be made)");
    return ok && usable;
}

static bool check_candidates(const struct config *config) {
    struct address_interface interfaces[PLACES_INTERFACES_MAX];
    size_t count = address_interfaces(interfaces, PLACES_INTERFACES_MAX);
    struct net_addr out[CONTROL_CANDIDATES_MAX];
    size_t candidates = places_candidates(config, interfaces, count, config->udp_port, config->tcp_port, out);
    for (size_t i = 0; i < candidates; i++) {
        char ip[NET_IP_TEXT_LEN];
        net_ip_text(&out[i], ip);
        printf("  ok    media is announced at %s, %s port %u\n", ip, out[i].proto == NET_TCP ? "TCP" : "UDP",
               out[i].port);
    }
    if (candidates == 0)
        printf("  ERROR no address to announce for media; check rtc.interfaces and rtc.ips, or set rtc.node_ip\n");
    return candidates > 0;
}

static int check(const struct config *config) {
    printf("Conclave %s would serve like this:\n", CONCLAVE_VERSION);
    bool ports = check_ports(config);
    bool files = check_files(config);
    bool candidates = check_candidates(config);
    printf("  ok    API keys: %u%s\n", config->keys_count,
           config->keys_count == 0 && config->key_file[0] == 0 ? " (one will be made in the data folder)" : "");
    printf("  ok    meetings: %s, files up to %u bytes\n",
           config->meeting_suite == MLS_SUITE_X25519_AES128GCM_SHA256_ED25519
               ? "X25519"
               : "X25519 with ML-KEM-768 (post-quantum hybrid)",
           config->file_len_max);
    for (uint32_t i = 0; i < config->webhook_urls_count; i++)
        printf("  ok    events are posted to %s\n", config->webhook_urls[i]);
    if (ports && files && candidates)
        return CLI_OK;
    (void)fflush(stdout);
    cli_complain("the lines marked ERROR must be mended first");
    return CLI_FAILED;
}

int cli_check(int count, char **arguments) {
    struct cli_common common = {0};
    const struct cli_option options[] = {CLI_COMMON_OPTIONS(common)};
    switch (cli_parse("check", options, ARRAY_LEN(options), count, arguments)) {
    case CLI_WRONG:
        return CLI_USAGE;
    case CLI_HELP: {
        static char settings[16384];
        struct writer w = writer_of(settings, sizeof settings - 1);
        config_describe(&w);
        printf("conclave check: looks at the configuration, ports and files, and says what serve would do. Changes "
               "nothing.\n\n");
        cli_print_options(options, ARRAY_LEN(options));
        printf("\nSettings of the file:\n%.*s", (int)w.len, settings);
        return CLI_OK;
    }
    case CLI_PARSED:
        break;
    }
    struct config *config = malloc(sizeof *config);
    if (config == NULL)
        return CLI_FAILED;
    int status = cli_load(&common, config) ? check(config) : CLI_FAILED;
    config_wipe(config);
    free(config);
    return status;
}
