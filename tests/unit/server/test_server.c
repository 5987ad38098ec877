/* The server's parts that need no network, and its command line. */
#include "unit.h"

#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/counter.h"
#include "base/rng.h"
#include "base/time.h"
#include "io/clock.h"
#include "server/app_internal.h"
#include "server/assets.h"
#include "server/metrics.h"
#include "server/site.h"
#include "server/vault.h"

#define UNIX (UINT64_C(1800000000) * US_PER_S)

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/conclave-server-test-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static const char *in_folder(const char *name) {
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static unsigned mode_of(const char *name) {
    struct stat st;
    assert_int_equal(stat(in_folder(name), &st), 0);
    return st.st_mode & 0777;
}

/* ---- the data folder ---- */

static void secrets_are_made_once_and_found_again(void **state) {
    (void)state;
    struct config_error error;
    struct rng rng = rng_seeded(1);
    struct secret first, second, house, house_again;
    char dir[256];
    (void)snprintf(dir, sizeof dir, "%s", in_folder("data"));
    assert_true(vault_open(dir, &error));
    assert_true(vault_secret(dir, &rng, &first, &error));
    assert_true(vault_secret(dir, &rng, &second, &error));
    assert_true(first.len == 32 && span_equal(secret_span(&first), secret_span(&second)));
    assert_true(vault_house(dir, &rng, &house, &error));
    assert_true(vault_house(dir, &rng, &house_again, &error));
    assert_true(house.len == 32 && span_equal(secret_span(&house), secret_span(&house_again)));
    assert_false(span_equal(secret_span(&house), secret_span(&first)));
    struct config one, two;
    config_init(&one);
    config_init(&two);
    bool made;
    assert_true(vault_api_key(dir, &rng, &one, &made, &error));
    assert_true(made);
    assert_true(vault_api_key(dir, &rng, &two, &made, &error));
    assert_false(made);
    assert_string_equal(one.keys[0].secret, two.keys[0].secret);
    assert_true(strlen(one.keys[0].secret) >= CONFIG_SECRET_LEN_ADVISED);
    assert_int_equal(mode_of("data"), 0700);
    assert_int_equal(mode_of("data/server.secret"), 0600);
    assert_int_equal(mode_of("data/house.key"), 0600);
    assert_int_equal(mode_of("data/keys.yaml"), 0600);
}

static void a_damaged_secret_is_an_error_and_not_replaced(void **state) {
    (void)state;
    struct config_error error;
    struct rng rng = rng_seeded(1);
    struct secret secret;
    assert_true(vault_open(folder, &error));
    assert_true(vault_write(in_folder("server.secret"), span_str("short\n"), &error));
    assert_false(vault_secret(folder, &rng, &secret, &error));
    assert_non_null(strstr(error.text, "damaged"));
    assert_true(vault_write(in_folder("house.key"), span_str("AAAA\n"), &error));
    assert_false(vault_house(folder, &rng, &secret, &error));
    assert_non_null(strstr(error.text, "damaged"));
    assert_false(vault_open("/proc/nowhere", &error));
}

static void the_self_made_certificate_names_all_ways_to_this_machine(void **state) {
    (void)state;
    struct config_error error;
    struct vault_certificate first, second;
    const char *names[] = {"localhost", "127.0.0.1", "::1", "meet.example.org", "192.0.2.7"};
    assert_true(vault_open(folder, &error));
    assert_true(vault_certificate(folder, names, 4, UNIX, &first, &error));
    assert_true(first.made);
    assert_int_equal(strlen(first.fingerprint), 95);
    assert_int_equal(mode_of("tls/key.pem"), 0600);
    FILE *file = fopen(first.cert_path, "r");
    X509 *cert = PEM_read_X509(file, NULL, NULL, NULL);
    (void)fclose(file);
    assert_int_equal(X509_check_host(cert, "meet.example.org", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(cert, "::1", 0), 1);
    assert_int_equal(X509_check_host(cert, "other.example.org", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ca(cert), 0);
    X509_free(cert);
    /* kept while it is good; made anew for another address, or shortly before its end */
    assert_true(vault_certificate(folder, names, 4, UNIX + UINT64_C(300) * 86400 * US_PER_S, &second, &error));
    assert_false(second.made);
    assert_string_equal(first.fingerprint, second.fingerprint);
    assert_true(vault_certificate(folder, names, 5, UNIX, &second, &error));
    assert_true(second.made);
    assert_string_not_equal(first.fingerprint, second.fingerprint);
    assert_true(vault_certificate(folder, names, 5, UNIX + UINT64_C(360) * 86400 * US_PER_S, &second, &error));
    assert_true(second.made);
}

static void a_certificate_and_a_key_that_do_not_belong_together_are_refused(void **state) {
    (void)state;
    struct config_error error;
    struct vault_certificate one, two;
    char other[256], fingerprint[VAULT_FINGERPRINT_LEN];
    const char *names[] = {"localhost"};
    (void)snprintf(other, sizeof other, "%s", in_folder("other"));
    assert_true(vault_open(folder, &error) && vault_open(other, &error));
    assert_true(vault_certificate(folder, names, 1, UNIX, &one, &error));
    assert_true(vault_certificate(other, names, 1, UNIX, &two, &error));
    assert_true(vault_check_certificate(one.cert_path, one.key_path, UNIX, fingerprint, &error));
    assert_false(vault_check_certificate(one.cert_path, two.key_path, UNIX, fingerprint, &error));
    assert_non_null(strstr(error.text, "does not belong"));
    assert_false(vault_check_certificate(one.cert_path, one.key_path, UNIX + UINT64_C(400) * 86400 * US_PER_S,
                                         fingerprint, &error));
    assert_non_null(strstr(error.text, "expired"));
    assert_false(vault_check_certificate("/nowhere", one.key_path, UNIX, fingerprint, &error));
}

/* ---- metrics ---- */

static void metrics_are_in_prometheus_text_format(void **state) {
    (void)state;
    static const struct counter_info info[] = {{"rx", "things received"}, {"tx", "things sent"}};
    static const uint64_t values[2][2] = {{1, 2}, {3, UINT64_MAX}};
    char text[2048] = "";
    struct writer w = writer_of(text, sizeof text - 1);
    metrics_counters(&w, "engine", info, 2, values, 2, true);
    metrics_counters(&w, "control", info, 1, values, 1, false);
    metrics_gauge(&w, "rooms", "rooms", 5);
    metrics_gauge_shards(&w, "sinks", "forwarded tracks", &values[0][0], 2);
    assert_true(writer_ok(&w));
    assert_string_equal(text, "# HELP conclave_engine_rx_total things received\n"
                              "# TYPE conclave_engine_rx_total counter\n"
                              "conclave_engine_rx_total{shard=\"0\"} 1\n"
                              "conclave_engine_rx_total{shard=\"1\"} 3\n"
                              "# HELP conclave_engine_tx_total things sent\n"
                              "# TYPE conclave_engine_tx_total counter\n"
                              "conclave_engine_tx_total{shard=\"0\"} 2\n"
                              "conclave_engine_tx_total{shard=\"1\"} 18446744073709551615\n"
                              "# HELP conclave_control_rx_total things received\n"
                              "# TYPE conclave_control_rx_total counter\n"
                              "conclave_control_rx_total 1\n"
                              "# HELP conclave_rooms rooms\n"
                              "# TYPE conclave_rooms gauge\n"
                              "conclave_rooms 5\n"
                              "# HELP conclave_sinks forwarded tracks\n"
                              "# TYPE conclave_sinks gauge\n"
                              "conclave_sinks{shard=\"0\"} 1\n"
                              "conclave_sinks{shard=\"1\"} 2\n");
}

/* ---- the web client's files ---- */

static struct http_reply reply;

static bool get(const char *path, const char *accept, const char *encoding, const char *tag, bool hsts) {
    struct http_request request = {.method = span_str("GET"),
                                   .path = span_str(path),
                                   .accept = span_str(accept),
                                   .accept_encoding = span_str(encoding),
                                   .if_none_match = span_str(tag),
                                   .host = span_str("meet.example.org:7443")};
    http_free_reply(&reply);
    http_reply_init(&reply, 500);
    bool served = site_serve(&request, hsts, &reply);
    wr_u8(&reply.headers, 0);
    return served;
}

static void assert_header(const char *part) {
    if (strstr(reply.header_bytes, part) == NULL)
        fail_msg("no \"%s\" in:\n%s", part, reply.header_bytes);
}

static void a_new_meeting_begins_at_a_page_of_its_own(void **state) {
    (void)state;
    assert_true(get("/new", "", "gzip", "", false));
    assert_int_equal(reply.status, 200);
    assert_header("Content-Type: text/html");
    assert_header("worker-src 'self'");
    assert_false(get("/newer", "", "gzip", "", false));
}

static void pages_carry_the_strict_policy(void **state) {
    (void)state;
    assert_true(get("/m/anything", "", "gzip", "", false));
    assert_int_equal(reply.status, 200);
    assert_header("Content-Type: text/html");
    assert_header(
        "Content-Security-Policy: default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self';");
    assert_header("connect-src 'self' ws://meet.example.org:7443 wss://meet.example.org:7443;");
    assert_header("frame-ancestors 'none'");
    assert_header("Referrer-Policy: no-referrer");
    assert_header("X-Content-Type-Options: nosniff");
    assert_header("Permissions-Policy: camera=(self), microphone=(self), display-capture=(self)");
    assert_header("geolocation=()");
    assert_header("Cross-Origin-Opener-Policy: same-origin");
    assert_header("Cross-Origin-Resource-Policy: same-origin");
    assert_header("Cache-Control: no-cache");
    assert_null(strstr(reply.header_bytes, "Strict-Transport-Security"));
    assert_null(strstr(reply.header_bytes, "unsafe-inline"));
    assert_null(strstr(reply.header_bytes, "'unsafe-eval'"));
    assert_true(get("/", "text/html,application/xhtml+xml", "gzip", "", true));
    assert_header("Strict-Transport-Security: max-age=");
    http_free_reply(&reply);
}

static void a_browser_at_an_address_that_is_none_gets_a_page_with_a_way_on(void **state) {
    (void)state;
    const char *accept = "text/html,application/xhtml+xml";
    struct http_request request = {.method = span_str("GET"),
                                   .path = span_str("/elsewhere/x"),
                                   .accept = span_str(accept),
                                   .accept_encoding = span_str("gzip"),
                                   .if_none_match = span_str("*")};
    http_free_reply(&reply);
    http_reply_init(&reply, 500);
    assert_true(site_serve_missing(&request, false, &reply));
    assert_int_equal(reply.status, 404);
    assert_header("Content-Type: text/html");
    assert_header("Content-Security-Policy: default-src 'none'");
    assert_true(reply.body.len > 0);
    request.accept = span_str("*/*");
    assert_false(site_serve_missing(&request, false, &reply));
    request.accept = span_str(accept);
    request.method = span_str("POST");
    assert_false(site_serve_missing(&request, false, &reply));
    http_free_reply(&reply);
}

static void a_hostile_host_header_does_not_get_into_the_policy(void **state) {
    (void)state;
    assert_true(site_host_plain(span_str("[::1]:7880")));
    assert_false(site_host_plain(span_str("x; script-src *")));
    assert_false(site_host_plain(span_str("x\r\nSet-Cookie: a")));
    assert_false(site_host_plain(span_str("")));
}

static const struct asset *script(void) {
    for (size_t i = 0; i < assets_count; i++) {
        if (strstr(assets[i].path, ".js") != NULL && assets[i].gzip)
            return &assets[i];
    }
    fail_msg("no script among the files");
    return NULL;
}

static void types_tags_and_encodings_are_compared_as_the_standard_says(void **state) {
    (void)state;
    const struct asset *file = script();
    char tags[256];
    assert_true(get("/", "TEXT/HTML", "gzip", "", false));
    assert_true(get(file->path, "*/*", "br, GZip;q=0.5", "", false));
    assert_header("Content-Encoding: gzip");
    (void)snprintf(tags, sizeof tags, "\"a\", W/%s", file->etag);
    assert_true(get(file->path, "*/*", "gzip", tags, false));
    assert_int_equal(reply.status, 304);
    http_free_reply(&reply);
}

static void files_are_kept_for_ever_and_checked_by_tag(void **state) {
    (void)state;
    const struct asset *file = script();
    assert_true(get(file->path, "*/*", "gzip, deflate, br", "", false));
    assert_header("Cache-Control: public, max-age=31536000, immutable");
    assert_header("Content-Encoding: gzip");
    assert_header("Content-Type: text/javascript");
    assert_int_equal(reply.body.len, file->stored_len);
    assert_true(get(file->path, "*/*", "gzip", file->etag, false));
    assert_int_equal(reply.status, 304);
    assert_int_equal(reply.body.len, 0);
    assert_true(get(file->path, "*/*", "gzip", "\"other\"", false));
    assert_int_equal(reply.status, 200);
    http_free_reply(&reply);
}

static void who_does_not_take_gzip_gets_the_file_unpacked(void **state) {
    (void)state;
    const struct asset *file = script();
    static const char *const encodings[] = {"", "br", "gzip;q=0", "gzipx"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(get(file->path, "*/*", encodings[i], "", false));
        assert_null(strstr(reply.header_bytes, "Content-Encoding"));
        assert_int_equal(reply.body.len, file->len);
    }
    http_free_reply(&reply);
}

static void asking_for_a_file_without_gzip_again_costs_no_unpacking(void **state) {
    (void)state;
    const struct asset *file = script();
    assert_true(file->gzip);
    assert_true(get(file->path, "*/*", "", "", false));
    const uint8_t *first = reply.body.data;
    assert_true(get(file->path, "*/*", "", "", false));
    assert_int_equal(reply.body.len, file->len);
    /* the same bytes, which no reply takes away with it */
    assert_ptr_equal(reply.body.data, first);
    assert_null(reply.owned);
    http_free_reply(&reply);
}

static void what_is_not_among_the_files_is_not_served(void **state) {
    (void)state;
    assert_false(get("/assets/nothing.js", "*/*", "gzip", "", false));
    assert_false(get("/etc/passwd", "text/html", "gzip", "", false));
    assert_false(get("/", "application/json", "gzip", "", false));
    struct http_request post = {.method = span_str("POST"), .path = span_str("/m/x")};
    http_reply_init(&reply, 500);
    assert_true(site_serve(&post, false, &reply));
    assert_int_equal(reply.status, 405);
    http_free_reply(&reply);
}

static void it_is_known_at_the_next_start_that_meetings_were_running_however_the_server_ended(void **state) {
    (void)state;
    struct service_config config = {
        .crypto = &crypto_openssl, .meetings_max = 1, .connections_max = 1, .members_max = 1};
    struct app *app = calloc(1, sizeof *app);
    app->service = service_create(&config);
    (void)snprintf(app->config.data_dir, sizeof app->config.data_dir, "%s", folder);
    struct config_error error;
    assert_true(vault_open(folder, &error));
    assert_false(app_running_before(app));
    app->started_us = clock_now_us();
    app_running_look(app);
    assert_false(app_running_before(app));
    /* it ended while there was one, and nobody has come back yet */
    assert_true(vault_write(in_folder("run/running"), span_str(""), &error));
    app_running_look(app);
    assert_true(app_running_before(app));
    app->started_us -= APP_RUNNING_KEEP_US;
    app_running_look(app);
    assert_false(app_running_before(app));
    service_free(app->service);
    free(app);
}

static void no_upload_begins_at_the_metrics_port_where_nobody_would_end_it(void **state) {
    (void)state;
    char path[128] = "/api/v2/meetings/";
    memset(path + strlen(path), 'a', MEETING_ID_LEN);
    (void)strcat(path, "/files");
    /* of another origin, so that who looks at it at all has something to say */
    struct http_request request = {.method = span_str("POST"),
                                   .path = span_str(path),
                                   .host = span_str("x"),
                                   .origin = span_str("http://y"),
                                   .metrics_port = true};
    http_reply_init(&reply, 0);
    assert_int_equal(routes_body_begin(NULL, &request, 5, &reply), 0);
    assert_int_equal(reply.status, 0);
    request.metrics_port = false;
    assert_int_equal(routes_body_begin(NULL, &request, 5, &reply), 0);
    assert_int_equal(reply.status, 403);
    http_free_reply(&reply);
}

static void who_reads_trees_slowly_leaves_room_for_other_meetings_and_sources(void **state) {
    (void)state;
    static const char *const meetings[] = {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB",
                                           "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC"};
    enum { LEN = 8 << 20, SHARE = SHARED_SHARE_MAX / LEN, MADE = 2 * SHARE + 1 };
    struct app *app = calloc(1, sizeof *app);
    struct net_addr one = net_addr_v4(192, 0, 2, 1, 0), other = net_addr_v4(192, 0, 2, 2, 0),
                    own = net_addr_v4(127, 0, 0, 1, 0);
    struct shared_bytes *made[MADE + 1];
    uint8_t name[32] = {0};
    size_t count = 0;
    assert_null(shared_find(app, name));
    for (; count < SHARE; name[0]++)
        assert_non_null(made[count++] = shared_make(app, name, span_str(meetings[0]), &own, LEN));
    assert_null(shared_make(app, name, span_str(meetings[0]), &other, LEN)); /* the meeting has its share */
    for (; count < 2 * SHARE; name[0]++, count++)
        assert_non_null(made[count] = shared_make(app, name, span_str(meetings[1 + count % 2]), &one, LEN));
    assert_null(shared_make(app, name, span_str(meetings[1]), &one, LEN)); /* the source */
    assert_non_null(made[count++] = shared_make(app, name, span_str(meetings[1]), &other, LEN));
    /* who reads what is being sent already takes none */
    assert_ptr_equal(shared_find(app, name), made[count - 1]);
    shared_release(made[count - 1]);
    assert_ptr_equal(shared_find(app, name), made[count - 1]);
    shared_release(made[count - 1]);
    shared_release(made[0]);
    assert_non_null(made[0] = shared_make(app, name, span_str(meetings[0]), &other, LEN));
    for (size_t i = 0; i < count; i++)
        shared_release(made[i]);
    assert_null(app->shared);
    free(app);
}

static void no_websocket_opens_at_the_metrics_port(void **state) {
    (void)state;
    struct app *app = calloc(1, sizeof *app);
    app->stop_at_us = 1; /* so that it is refused elsewhere, too, but as what it is */
    static const char *const paths[] = {"/rtc", "/rtc/v1", "/mls/v2/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "/metrics"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        for (int metrics = 0; metrics < 2; metrics++) {
            struct http_request request = {
                .method = span_str("GET"), .path = span_str(paths[i]), .metrics_port = metrics != 0};
            http_reply_init(&reply, 0);
            assert_int_equal(routes_open(app, &request, &reply), 0);
            assert_int_equal(reply.status, metrics ? 404 : 503);
            http_free_reply(&reply);
        }
    }
    free(app);
}

/* ---- the command line ---- */

static char output[65536];

/* Runs the executable that was built with this test; answers its exit status, output in `output`. */
static int conclave(const char *arguments) {
    char own[512] = "", command[2048];
    assert_true(readlink("/proc/self/exe", own, sizeof own - 1) > 0);
    *strrchr(own, '/') = 0;
    (void)snprintf(command, sizeof command, "cd %s && exec timeout 20 %s/../../src/server/conclave %s 2>&1", folder,
                   own, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    output[fread(output, 1, sizeof output - 1, pipe)] = 0;
    return WEXITSTATUS(pclose(pipe));
}

static void assert_output(const char *part) {
    if (strstr(output, part) == NULL)
        fail_msg("no \"%s\" in:\n%s", part, output);
}

static void help_is_there_for_every_command(void **state) {
    (void)state;
    assert_int_equal(conclave("--help"), 0);
    assert_output("serve");
    static const char *const commands[] = {"serve --help", "token --help", "check --help", "version --help"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(conclave(commands[i]), 0);
        assert_output("--help"); /* a list of its options, not its work */
    }
    assert_int_equal(conclave("check --help"), 0);
    assert_output("rtc.udp_port");
    assert_int_equal(conclave("version"), 0);
    assert_output(assets_sha256);
}

static void wrong_usage_ends_with_status_2_and_a_sentence(void **state) {
    (void)state;
    static const struct {
        const char *arguments, *says;
    } cases[] = {
        {"", "usage:"},
        {"dance", "no command \"dance\""},
        {"serve --prot 1", "no option --prot"},
        {"serve now", "takes no argument"},
        {"serve --port", "needs a value"},
        {"serve --dev=1", "takes no value"},
        {"token", "--room and --identity"},
        {"token --room a --identity b --ttl soon", "--ttl"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(conclave(cases[i].arguments), 2);
        assert_output(cases[i].says);
    }
}

static void what_goes_wrong_ends_with_status_1_and_a_sentence(void **state) {
    (void)state;
    struct config_error error;
    assert_true(vault_write(in_folder("bad.yaml"), span_str("port: 1\nprot: 2\n"), &error));
    static const struct {
        const char *arguments, *says;
    } cases[] = {
        {"serve --config nowhere.yaml", "nowhere.yaml cannot be read: No such file"},
        {"serve --config bad.yaml", "bad.yaml, line 2: prot is not a setting; did you mean port?"},
        {"serve --port 99999", "--port: port must be a number from 0 to 65535"},
        {"serve --set a.b=1", "there is no setting a.b"},
        {"serve --data-dir /proc/x", "/proc/x cannot be made"},
        {"token --room a --identity b", "no API key"},
        {"serve --set tls.cert_file=/nowhere,tls.key_file=/nowhere --data-dir d",
         "/nowhere is not a readable PEM certificate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(conclave(cases[i].arguments), 1);
        assert_output(cases[i].says);
    }
}

static void a_token_is_three_parts(void **state) {
    (void)state;
    assert_int_equal(conclave("token --dev --room r --identity me --ttl 15m"), 0);
    char *dot = strchr(output, '.');
    assert_non_null(dot);
    assert_non_null(strchr(dot + 1, '.'));
    assert_int_equal(strspn(output, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."),
                     strlen(output) - 1);
}

static void check_looks_and_changes_nothing(void **state) {
    (void)state;
    assert_int_equal(conclave("check --port 17880 --set tls.port=17443,rtc.udp_port=17882,rtc.tcp_port=17881"), 0);
    assert_output("UDP port 17882");
    assert_output("media is announced at");
    assert_int_equal(access(in_folder("data"), F_OK), -1);
}

static void a_port_in_use_is_named_by_serve_and_by_check(void **state) {
    (void)state;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    char arguments[160], says[160];
    (void)snprintf(arguments, sizeof arguments, "serve --dev --port %u", ntohs(name.sin_port));
    assert_int_equal(conclave(arguments), 1);
    (void)snprintf(says, sizeof says,
                   "TCP port %u of 127.0.0.1 cannot be opened: Address already in use; another program uses it",
                   ntohs(name.sin_port));
    assert_output(says);
    (void)snprintf(arguments, sizeof arguments, "check --dev --port %u", ntohs(name.sin_port));
    assert_int_equal(conclave(arguments), 1);
    (void)snprintf(says, sizeof says, "ERROR TCP port %u", ntohs(name.sin_port));
    assert_output(says);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest server[] = {
        TEST(asking_for_a_file_without_gzip_again_costs_no_unpacking),
        TEST(who_reads_trees_slowly_leaves_room_for_other_meetings_and_sources),
        TEST(no_websocket_opens_at_the_metrics_port),
        TEST(no_upload_begins_at_the_metrics_port_where_nobody_would_end_it),
        TEST(secrets_are_made_once_and_found_again),
        TEST(it_is_known_at_the_next_start_that_meetings_were_running_however_the_server_ended),
        TEST(a_damaged_secret_is_an_error_and_not_replaced),
        TEST(the_self_made_certificate_names_all_ways_to_this_machine),
        TEST(a_certificate_and_a_key_that_do_not_belong_together_are_refused),
        cmocka_unit_test(metrics_are_in_prometheus_text_format),
        cmocka_unit_test(a_new_meeting_begins_at_a_page_of_its_own),
        cmocka_unit_test(pages_carry_the_strict_policy),
        cmocka_unit_test(a_browser_at_an_address_that_is_none_gets_a_page_with_a_way_on),
        cmocka_unit_test(a_hostile_host_header_does_not_get_into_the_policy),
        cmocka_unit_test(files_are_kept_for_ever_and_checked_by_tag),
        cmocka_unit_test(types_tags_and_encodings_are_compared_as_the_standard_says),
        cmocka_unit_test(who_does_not_take_gzip_gets_the_file_unpacked),
        cmocka_unit_test(what_is_not_among_the_files_is_not_served),
        TEST(help_is_there_for_every_command),
        TEST(wrong_usage_ends_with_status_2_and_a_sentence),
        TEST(what_goes_wrong_ends_with_status_1_and_a_sentence),
        TEST(a_token_is_three_parts),
        TEST(check_looks_and_changes_nothing),
        TEST(a_port_in_use_is_named_by_serve_and_by_check),
    };
    return cmocka_run_group_tests(server, NULL, NULL);
}
