/* The other process: reads what is secret, says what is not, and answers until nobody asks any more. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/sandbox.h"
#include "server/cli.h"
#include "server/guard.h"
#include "server/keeper_internal.h"

struct process {
    int fd;
    struct config config;
    struct rng rng;
    struct keeper_store store;
    uint8_t question[KEEPER_QUESTION_LEN_MAX];
    uint8_t answer[KEEPER_ANSWER_LEN_MAX];
};

static bool say(struct config_error *error, const char *text) {
    (void)snprintf(error->text, sizeof error->text, "%s", text);
    return false;
}

/* ---- what there is to keep ---- */

static bool read_key_file(struct config *config, struct config_error *error) {
    if (config->key_file[0] == 0)
        return true;
    uint8_t *text = malloc(CONFIG_FILE_LEN_MAX);
    size_t len = 0;
    if (text == NULL)
        return say(error, "no memory");
    bool ok = vault_read(config->key_file, text, CONFIG_FILE_LEN_MAX, &len, error) &&
              config_load_keys(config, config->key_file, span_of(text, len), error);
    secure_wipe(text, CONFIG_FILE_LEN_MAX);
    free(text);
    return ok;
}

/* The control core signs webhooks with its first key. */
static void choose_webhook_key(struct config *config) {
    for (uint32_t i = 1; i < config->keys_count; i++) {
        if (config->webhook_key[0] != 0 && strcmp(config->keys[i].key, config->webhook_key) == 0) {
            struct control_key first = config->keys[0];
            config->keys[0] = config->keys[i];
            config->keys[i] = first;
        }
    }
}

/* What must be found again at the next start; a server for development keeps nothing. */
static bool read_secrets(struct process *p, struct keeper_hello *hello, struct config_error *error) {
    struct config *config = &p->config;
    struct secret house;
    bool ok = read_key_file(config, error);
    secret_zeros(&house, VAULT_SECRET_LEN);
    if (ok && config->dev) {
        secret_zeros(&p->store.server, VAULT_SECRET_LEN);
        rng_fill(&p->rng, p->store.server.bytes, VAULT_SECRET_LEN);
        rng_fill(&p->rng, house.bytes, VAULT_SECRET_LEN);
    } else if (ok) {
        ok = vault_open(config->data_dir, error) && vault_secret(config->data_dir, &p->rng, &p->store.server, error) &&
             vault_house(config->data_dir, &p->rng, &house, error) &&
             (config->keys_count > 0 || vault_api_key(config->data_dir, &p->rng, config, &hello->made_key, error));
    }
    /* only its public half is used: nothing is signed with it yet */
    if (ok && crypto_openssl.sign_public(SIGN_ED25519, &house, hello->operator_key) != CRYPTO_OK)
        ok = say(error, "the operator key cannot be used");
    secret_wipe(&house);
    if (!ok)
        return false;
    choose_webhook_key(config);
    memcpy(p->store.keys, config->keys, sizeof p->store.keys);
    p->store.keys_count = config->keys_count;
    for (uint32_t i = 0; i < config->keys_count; i++) {
        if (strlen(config->keys[i].secret) < CONFIG_SECRET_LEN_ADVISED && !config->dev)
            hello->weak_keys |= UINT32_C(1) << i;
        secure_wipe(config->keys[i].secret, sizeof config->keys[i].secret);
    }
    return true;
}

static bool begin(struct process *p, const struct cli_common *common) {
    struct config_error error = {{0}};
    struct keeper_hello *hello = calloc(1, sizeof *hello);
    if (hello == NULL || !cli_load(common, &p->config)) {
        free(hello);
        return false;
    }
    bool ok = read_secrets(p, hello, &error);
    if (!ok)
        cli_complain("%s", error.text);
    hello->config = p->config;
    const struct span part = span_of(hello, sizeof *hello);
    ok = ok && keeper_send(p->fd, &part, 1);
    free(hello);
    return ok;
}

/* ---- the certificate ---- */

static bool signs_for_us(const EVP_PKEY *key) {
    int kind = key != NULL ? EVP_PKEY_get_base_id(key) : 0;
    return kind == EVP_PKEY_EC || (kind == EVP_PKEY_RSA && EVP_PKEY_get_size(key) <= KEEPER_BLOCK_LEN_MAX);
}

static bool open_certificate(struct process *p, struct span names_text, struct vault_certificate *out,
                             struct config_error *error) {
    const struct config *config = &p->config;
    const char *names[VAULT_NAMES_MAX];
    size_t count = 0;
    if (config->tls_cert_file[0] != 0) {
        (void)snprintf(out->cert_path, VAULT_PATH_LEN_MAX, "%s", config->tls_cert_file);
        (void)snprintf(out->key_path, VAULT_PATH_LEN_MAX, "%s", config->tls_key_file);
        return vault_check_certificate(config->tls_cert_file, config->tls_key_file, clock_unix_us(), out->fingerprint,
                                       error);
    }
    for (size_t at = 0; at < names_text.len && count < VAULT_NAMES_MAX; count++) {
        names[count] = (const char *)names_text.data + at;
        at += strnlen(names[count], names_text.len - at) + 1;
    }
    if (count == 0 || names_text.data[names_text.len - 1] != 0)
        return say(error, "a certificate needs a name");
    return vault_certificate(config->data_dir, names, count, clock_unix_us(), out, error);
}

static size_t refuse(uint8_t *out, const struct config_error *error) {
    size_t len = strlen(error->text);
    out[0] = 0;
    memcpy(out + 1, error->text, len);
    return 1 + len;
}

static size_t answer_certificate(struct process *p, struct span names) {
    struct keeper_certificate_head head = {0};
    struct config_error error = {{0}};
    uint8_t *chain = p->answer + 1 + sizeof head;
    size_t chain_len = 0;
    bool ok = open_certificate(p, names, &head.files, &error) &&
              vault_read(head.files.cert_path, chain, KEEPER_CHAIN_LEN_MAX, &chain_len, &error);
    EVP_PKEY *key = ok ? vault_read_key(head.files.key_path) : NULL;
    ERR_clear_error();
    if (ok && !signs_for_us(key)) {
        (void)snprintf(error.text, sizeof error.text, "%s must be a key for ECDSA or RSA, which browsers know",
                       head.files.key_path);
        EVP_PKEY_free(key);
        ok = false;
    }
    if (!ok)
        return refuse(p->answer, &error);
    head.key_number = keeper_add_tls(&p->store, key);
    p->answer[0] = 1;
    memcpy(p->answer + 1, &head, sizeof head);
    return 1 + sizeof head + chain_len;
}

/* ---- life ---- */

static void answer_all(struct process *p) {
    size_t len = 0;
    while (keeper_receive(p->fd, p->question, sizeof p->question, &len)) {
        struct span question = span_of(p->question, len);
        size_t answer_len = len > 0 && question.data[0] == KEEPER_CERTIFICATE
                                ? answer_certificate(p, span_of(question.data + 1, len - 1))
                                : keeper_answer(&p->store, question, p->answer);
        const struct span part = span_of(p->answer, answer_len);
        if (!keeper_send(p->fd, &part, 1))
            return;
    }
}

_Noreturn void keeper_main(int fd, const struct cli_common *common) {
    static const int others[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        (void)signal(others[i], SIG_IGN); /* it ends when nobody can ask any more */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)prctl(PR_SET_NAME, "conclave-keys");
    struct process *p = calloc(1, sizeof *p);
    if (p == NULL)
        _exit(CLI_FAILED);
    p->fd = fd;
    p->rng = entropy_rng();
    if (!begin(p, common))
        _exit(CLI_FAILED);
    if (p->config.sandbox)
        guard_keeper(&p->config);
    answer_all(p);
    keeper_wipe(&p->store);
    _exit(CLI_OK);
}
