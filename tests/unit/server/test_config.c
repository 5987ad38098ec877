#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/cli.h"
#include "server/config.h"
#include "server/places.h"

static struct config config;
static struct config_error error;

static bool load(const char *text) {
    config_init(&config);
    error.text[0] = 0;
    return config_load_text(&config, "conclave.yaml", span_str(text), &error);
}

static void assert_says(const char *part) {
    if (strstr(error.text, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.text, part);
}

static void an_empty_file_gives_the_defaults(void **state) {
    (void)state;
    assert_true(load(""));
    assert_true(load("# nothing\n"));
    assert_true(load("rtc:\nroom:\nkeys:\n"));
    assert_int_equal(config.port, 7880);
    assert_int_equal(config.tls_port, 7443);
    assert_int_equal(config.udp_port, 7882);
    assert_int_equal(config.tcp_port, 7881);
    assert_int_equal(config.empty_timeout_s, 300);
    assert_int_equal(config.departure_timeout_s, 20);
    assert_true(config.auto_create);
    assert_int_equal(config.keys_count, 0);
    assert_true(config_finish(&config, &error));
}

static void livekits_names_mean_what_they_mean_there(void **state) {
    (void)state;
    assert_true(load("port: 8080\n"
                     "bind_addresses:\n  - 10.0.0.1\n  - \"::1\"\n"
                     "keys:\n  one: first\n  two: \"second: with colon\"\n"
                     "rtc:\n  udp_port: 5000\n  tcp_port: 0\n  node_ip: 203.0.113.9\n  use_external_ip: false\n"
                     "  interfaces: [eth0, wlan0]\n"
                     "room:\n  auto_create: false\n  empty_timeout: 10\n  max_participants: 50\n"
                     "webhook:\n  api_key: two\n  urls: ['https://example.org/a', http://example.org/b]\n"
                     "prometheus:\n  port: 6789\n"
                     "limit:\n  num_tracks: 99\n"
                     "logging:\n  level: warn\n  json: true\n"
                     "region: eu\n"));
    assert_int_equal(config.port, 8080);
    assert_int_equal(config.bind_addresses.count, 2);
    assert_string_equal(config.bind_addresses.items[1], "::1");
    assert_int_equal(config.keys_count, 2);
    assert_string_equal(config.keys[1].secret, "second: with colon");
    assert_int_equal(config.tcp_port, 0);
    assert_string_equal(config.node_ip, "203.0.113.9");
    assert_string_equal(config.interfaces.items[1], "wlan0");
    assert_false(config.auto_create);
    assert_int_equal(config.participants_max, 50);
    assert_int_equal(config.webhook_urls_count, 2);
    assert_int_equal(config.prometheus_port, 6789);
    assert_int_equal(config.num_tracks, 99);
    assert_int_equal(config.log_level, LOG_WARN);
    assert_true(config.log_json);
    assert_true(config_finish(&config, &error));
}

static void an_unknown_key_is_named_with_its_line_and_the_nearest_known_one(void **state) {
    (void)state;
    assert_false(load("port: 7880\nrtc:\n  udp_prot: 1\n"));
    assert_says("conclave.yaml, line 3");
    assert_says("rtc.udp_prot");
    assert_says("did you mean rtc.udp_port?");
    assert_false(load("udp_port: 1\n"));
    assert_says("did you mean rtc.udp_port?");
    assert_false(load("zebra: 1\n"));
    assert_null(strstr(error.text, "did you mean"));
}

static void values_that_make_no_sense_are_refused_with_the_reason(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"port: seven\n", "must be a number from 0 to 65535"},
        {"port: 70000\n", "must be a number"},
        {"port: -1\n", "must be a number"},
        {"port: [1]\n", "must be one value"},
        {"rtc: 5\n", "rtc"},
        {"rtc:\n  node_ip: example.org\n", "must be an IP address"},
        {"bind_addresses: [everywhere]\n", "must hold IP addresses"},
        {"bind_addresses:\n  a: b\n", "must be a list"},
        {"room:\n  auto_create: perhaps\n", "must be true or false"},
        {"logging:\n  level: loud\n", "debug, info, warn or error"},
        {"webhook:\n  urls: ['ftp://x']\n", "http:// or https://"},
        {"rtc:\n  use_external_ip: true\n", "rtc.node_ip"},
        {"redis:\n  address: localhost:6379\n", "Redis"},
        {"keys: abc\n", "mind the space"},
        {"keys:\n  a: [b]\n", "pairs of texts"},
        {"port: 1\n  bad indent: 2\n", "not YAML"},
        {"port: \"78\\080\"\n", "line 1"},
        {"[1, 2]\n", "the file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (load(cases[i].text))
            fail_msg("accepted: %s", cases[i].text);
        assert_says(cases[i].says);
    }
}

static void too_many_keys_entries_and_bytes_are_refused(void **state) {
    (void)state;
    char text[8192] = "keys:\n";
    for (int i = 0; i <= CONTROL_KEYS_MAX; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "  key%d: secret\n", i);
    assert_false(load(text));
    assert_says("too many");
    assert_false(load("bind_addresses: [1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1]\n"));
    assert_says("too many entries");
    char *large = malloc(CONFIG_FILE_LEN_MAX + 1);
    memset(large, '#', CONFIG_FILE_LEN_MAX + 1);
    assert_false(config_load_text(&config, "x", span_of(large, CONFIG_FILE_LEN_MAX + 1), &error));
    assert_says("longer than");
    free(large);
}

static void the_environment_overrides_the_file(void **state) {
    (void)state;
    assert_true(load("port: 1000\nrtc:\n  udp_port: 1001\n"));
    char *environment[] = {"PATH=/bin",
                           "CONCLAVE_RTC_UDP_PORT=2001",
                           "CONCLAVE_BIND_ADDRESSES=10.0.0.1, ::1",
                           "LIVEKIT_KEYS=envkey: envsecret",
                           "CONCLAVE_BIN=/somewhere",
                           NULL};
    assert_true(config_load_environment(&config, environment, &error));
    assert_int_equal(config.port, 1000);
    assert_int_equal(config.udp_port, 2001);
    assert_int_equal(config.bind_addresses.count, 2);
    assert_string_equal(config.keys[0].key, "envkey");
    char *wrong[] = {"CONCLAVE_PORT=x", NULL};
    assert_false(config_load_environment(&config, wrong, &error));
    assert_says("CONCLAVE_PORT");
}

static void the_same_api_key_again_replaces_its_secret(void **state) {
    (void)state;
    assert_true(load("keys:\n  a: first\n  b: other\n"));
    assert_true(config_load_keys(&config, "env", span_str("a: second"), &error));
    assert_int_equal(config.keys_count, 2);
    assert_string_equal(config.keys[0].secret, "second");
}

static void settings_that_contradict_each_other_are_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "tls:\n  cert_file: /a\n",      "port: 7443\n",
        "rtc:\n  tcp_port: 7880\n",     "rtc:\n  udp_port: 0\n",
        "prometheus:\n  username: a\n", "webhook:\n  api_key: nobody\n",
        "limit:\n  max_rooms: 0\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_true(load(texts[i]));
        if (config_finish(&config, &error))
            fail_msg("accepted: %s", texts[i]);
    }
}

static void development_means_this_machine_and_a_known_key(void **state) {
    (void)state;
    assert_true(load("bind_addresses: [0.0.0.0]\n"));
    config.dev = true;
    assert_true(config_finish(&config, &error));
    assert_int_equal(config.tls_port, 0);
    assert_int_equal(config.bind_addresses.count, 0);
    assert_string_equal(config.keys[0].key, "devkey");
    assert_string_equal(config.keys[0].secret, "secret");
    assert_true(config.include_loopback);
}

static void the_description_names_every_setting_once(void **state) {
    (void)state;
    static char text[16384];
    struct writer w = writer_of(text, sizeof text - 1);
    config_describe(&w);
    assert_true(writer_ok(&w));
    assert_non_null(strstr(text, "rtc.udp_port"));
    assert_null(strstr(text, "use_external_ip"));
}

/* ---- places ---- */

static struct address_interface at(const char *name, const char *ip, bool loopback) {
    struct address_interface i = {.loopback = loopback};
    (void)snprintf(i.name, sizeof i.name, "%s", name);
    assert_true(net_ip_parse(span_str(ip), &i.addr));
    return i;
}

static size_t candidates(struct net_addr out[CONTROL_CANDIDATES_MAX]) {
    struct address_interface machine[] = {
        at("lo", "127.0.0.1", true),        at("lo", "::1", true),
        at("eth0", "192.0.2.7", false),     at("eth0", "2001:db8::7", false),
        at("docker0", "172.17.0.1", false),
    };
    return places_candidates(&config, machine, 5, 7882, 7881, out);
}

static void every_address_but_loopback_is_announced_for_udp_and_tcp(void **state) {
    (void)state;
    struct net_addr out[CONTROL_CANDIDATES_MAX];
    config_init(&config);
    assert_int_equal(candidates(out), 6);
    assert_int_equal(out[0].proto, NET_UDP);
    assert_int_equal(out[0].port, 7882);
    assert_int_equal(out[1].proto, NET_TCP);
    assert_int_equal(out[1].port, 7881);
    for (size_t i = 0; i < 6; i++)
        assert_false(net_addr_is_loopback(&out[i]));
    config.include_loopback = true;
    assert_int_equal(candidates(out), 10);
}

static void interfaces_addresses_and_node_ip_narrow_what_is_announced(void **state) {
    (void)state;
    struct net_addr out[CONTROL_CANDIDATES_MAX];
    assert_true(load("rtc:\n  interfaces: [eth0]\n"));
    assert_int_equal(candidates(out), 4);
    assert_true(load("rtc:\n  ips: [\"2001:db8::7\"]\n"));
    assert_int_equal(candidates(out), 2);
    assert_int_equal(out[0].family, 6);
    assert_true(load("rtc:\n  node_ip: 203.0.113.1\n"));
    assert_int_equal(candidates(out), 2);
    assert_int_equal(out[0].ip[0], 203);
}

static void without_any_other_address_loopback_is_announced_unless_one_was_named(void **state) {
    (void)state;
    struct net_addr out[CONTROL_CANDIDATES_MAX];
    const struct address_interface alone[] = {at("lo", "127.0.0.1", true), at("lo", "::1", true)};
    config_init(&config);
    assert_int_equal(places_candidates(&config, alone, 2, 7882, 7881, out), 4);
    assert_true(places_loopback_only(out, 4));
    assert_true(load("rtc:\n  interfaces: [wlan9]\n"));
    assert_int_equal(candidates(out), 0);
}

static void for_development_loopback_is_announced_and_addresses_that_firefox_reaches(void **state) {
    (void)state;
    struct net_addr out[CONTROL_CANDIDATES_MAX];
    config_init(&config);
    config.dev = true;
    assert_true(config_finish(&config, &error));
    assert_int_equal(candidates(out), 10);
    assert_false(places_loopback_only(out, 10));
}

static void plain_http_listens_on_this_machine_only_unless_told(void **state) {
    (void)state;
    struct net_addr out[PLACES_LISTEN_MAX];
    config_init(&config);
    assert_int_equal(places_listen(&config.bind_addresses, true, 7880, out), 2);
    assert_true(net_addr_is_loopback(&out[0]) && net_addr_is_loopback(&out[1]));
    assert_int_equal(places_listen(&config.tls_bind_addresses, false, 7443, out), 2);
    assert_false(net_addr_is_loopback(&out[0]));
    assert_true(load("bind_addresses: [10.1.2.3]\n"));
    assert_int_equal(places_listen(&config.bind_addresses, true, 7880, out), 1);
    assert_int_equal(out[0].ip[0], 10);
    assert_int_equal(out[0].port, 7880);
}

static void meetings_have_one_of_two_suites(void **state) {
    (void)state;
    config_init(&config);
    assert_int_equal(config.meeting_suite, 0xf0a7);
    assert_int_equal(config.file_len_max, 100 << 20);
    assert_true(config_load_text(&config, "f", span_str("meeting:\n  suite: x25519\n  file_len_max: 5\n"), &error));
    assert_int_equal(config.meeting_suite, 1);
    assert_int_equal(config.file_len_max, 5);
    assert_true(config_set(&config, "--set", "meeting.suite", "hybrid", &error));
    assert_int_equal(config.meeting_suite, 0xf0a7);
    assert_false(config_set(&config, "--set", "meeting.suite", "none", &error));
    assert_non_null(strstr(error.text, "must be hybrid or x25519"));
}

/* As `conclave serve` reads its arguments, `--dev` first, then `option` with each value. */
static enum cli_parsed load_arguments(const char *option, const char *const *values, size_t count, bool *loaded) {
    struct cli_common common = {0};
    const struct cli_option options[] = {CLI_COMMON_OPTIONS(common)};
    char text[CLI_VALUES_MAX + 1][64], *arguments[2 * CLI_VALUES_MAX + 3] = {"--dev"};
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(text[i], sizeof text[i], "%s=%s", option, values[i]);
        arguments[1 + i] = text[i];
    }
    enum cli_parsed parsed = cli_parse("serve", options, ARRAY_LEN(options), (int)count + 1, arguments);
    *loaded = parsed == CLI_PARSED && cli_load(&common, &config);
    return parsed;
}

static void settings_given_several_times_on_the_command_line_all_count(void **state) {
    (void)state;
    const char *const values[] = {"rtc.udp_port=5001", "port=5000,rtc.tcp_port=5003", "rtc.udp_port=5002"};
    bool loaded;
    assert_int_equal(load_arguments("--set", values, ARRAY_LEN(values), &loaded), CLI_PARSED);
    assert_true(loaded);
    assert_int_equal(config.port, 5000);
    assert_int_equal(config.tcp_port, 5003);
    assert_int_equal(config.udp_port, 5002); /* the later wins */
    const char *const wrong[] = {"port=5000", "no_such_setting=1", "port=5001"};
    assert_int_equal(load_arguments("--set", wrong, ARRAY_LEN(wrong), &loaded), CLI_PARSED);
    assert_false(loaded);
}

static void settings_on_the_command_line_have_a_limit(void **state) {
    (void)state;
    const char *values[CLI_VALUES_MAX + 1];
    bool loaded;
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        values[i] = "port=5000";
    assert_int_equal(load_arguments("--set", values, CLI_VALUES_MAX, &loaded), CLI_PARSED);
    assert_true(loaded);
    assert_int_equal(load_arguments("--set", values, CLI_VALUES_MAX + 1, &loaded), CLI_WRONG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(meetings_have_one_of_two_suites),
        cmocka_unit_test(an_empty_file_gives_the_defaults),
        cmocka_unit_test(livekits_names_mean_what_they_mean_there),
        cmocka_unit_test(an_unknown_key_is_named_with_its_line_and_the_nearest_known_one),
        cmocka_unit_test(values_that_make_no_sense_are_refused_with_the_reason),
        cmocka_unit_test(too_many_keys_entries_and_bytes_are_refused),
        cmocka_unit_test(the_environment_overrides_the_file),
        cmocka_unit_test(the_same_api_key_again_replaces_its_secret),
        cmocka_unit_test(settings_that_contradict_each_other_are_refused),
        cmocka_unit_test(development_means_this_machine_and_a_known_key),
        cmocka_unit_test(the_description_names_every_setting_once),
        cmocka_unit_test(every_address_but_loopback_is_announced_for_udp_and_tcp),
        cmocka_unit_test(interfaces_addresses_and_node_ip_narrow_what_is_announced),
        cmocka_unit_test(without_any_other_address_loopback_is_announced_unless_one_was_named),
        cmocka_unit_test(for_development_loopback_is_announced_and_addresses_that_firefox_reaches),
        cmocka_unit_test(plain_http_listens_on_this_machine_only_unless_told),
        cmocka_unit_test(settings_given_several_times_on_the_command_line_all_count),
        cmocka_unit_test(settings_on_the_command_line_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
