#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "server/http_internal.h"

/* Of TLS 1.2 those with forward secrecy and authenticated encryption (RFC 9325 section 4.2). */
#define TLS12_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

/* ---- the context ---- */

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                           unsigned in_len, void *context) {
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    (void)ssl, (void)context;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* The first certificate of the chain is the server's own. */
static bool use_chain(SSL_CTX *tls, struct span chain) {
    BIO *bio = BIO_new_mem_buf(chain.data, (int)chain.len);
    X509 *certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    bool good = certificate != NULL && SSL_CTX_use_certificate(tls, certificate) == 1;
    X509_free(certificate);
    while (good && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        good = SSL_CTX_add1_chain_cert(tls, certificate) == 1;
        X509_free(certificate);
    }
    BIO_free(bio);
    return good;
}

SSL_CTX *stream_context(const struct http_certificate *certificate) {
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL)
        return NULL;
    /* renegotiation would let a client ask for handshakes without end */
    (void)SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF); /* tickets are the clients' to keep */
    SSL_CTX_set_alpn_select_cb(tls, choose_protocol, NULL);
    bool good = SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) == 1 &&
                SSL_CTX_set_cipher_list(tls, TLS12_CIPHERS) == 1 && use_chain(tls, certificate->chain) &&
                SSL_CTX_use_PrivateKey(tls, certificate->key) == 1 && SSL_CTX_check_private_key(tls) == 1;
    ERR_clear_error();
    if (good)
        return tls;
    SSL_CTX_free(tls);
    return NULL;
}

/* ---- one stream ---- */

bool stream_begin(struct http_stream *s, int fd, SSL_CTX *tls) {
    *s = (struct http_stream){.fd = fd};
    if (tls == NULL)
        return true;
    s->ssl = SSL_new(tls);
    if (s->ssl == NULL || SSL_set_fd(s->ssl, fd) != 1) {
        SSL_free(s->ssl);
        s->ssl = NULL;
        return false;
    }
    SSL_set_accept_state(s->ssl);
    return true;
}

/* What a call of the library comes to: 0 = not now, -1 = the stream is over. */
static int judge(struct http_stream *s, int result, bool *wants_write, bool *wants_read) {
    int error = SSL_get_error(s->ssl, result);
    *wants_write = error == SSL_ERROR_WANT_WRITE;
    *wants_read = error == SSL_ERROR_WANT_READ;
    if (*wants_write || *wants_read)
        return 0;
    s->broken = error != SSL_ERROR_ZERO_RETURN;
    return -1;
}

int stream_handshake(struct http_stream *s) {
    bool ignored;
    if (s->ssl == NULL)
        return 1;
    ERR_clear_error();
    int result = SSL_do_handshake(s->ssl);
    if (result == 1) {
        s->read_wants_write = false;
        return 1;
    }
    return judge(s, result, &s->read_wants_write, &ignored);
}

int stream_read(struct http_stream *s, uint8_t *out, size_t size) {
    bool ignored;
    if (s->ssl == NULL) {
        ssize_t got = recv(s->fd, out, size, 0);
        if (got > 0)
            return (int)got;
        return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    ERR_clear_error();
    int got = SSL_read(s->ssl, out, (int)size);
    if (got > 0) {
        s->read_wants_write = false;
        return got;
    }
    return judge(s, got, &s->read_wants_write, &ignored);
}

static int write_tls(struct http_stream *s, const uint8_t *data, size_t len) {
    bool wants_write;
    ERR_clear_error();
    int sent = SSL_write(s->ssl, data, (int)len);
    if (sent > 0) {
        s->write_wants_read = false;
        return sent;
    }
    int judged = judge(s, sent, &wants_write, &s->write_wants_read);
    return judged;
}

int stream_flush(struct http_stream *s) {
    while (s->held_at < s->held_len) {
        int sent = write_tls(s, s->held + s->held_at, s->held_len - s->held_at);
        if (sent <= 0)
            return sent;
        s->held_at += (size_t)sent;
    }
    free(s->held);
    s->held = NULL;
    s->held_at = s->held_len = 0;
    return 1;
}

int stream_write(struct http_stream *s, const uint8_t *data, size_t len) {
    ASSERT(len > 0 && len <= HTTP_CHUNK_LEN);
    if (s->ssl == NULL) {
        ssize_t sent = send(s->fd, data, len, MSG_NOSIGNAL);
        if (sent >= 0)
            return (int)sent;
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    int flushed = stream_flush(s);
    if (flushed <= 0)
        return flushed;
    int sent = write_tls(s, data, len);
    if (sent != 0)
        return sent;
    s->held = malloc(len);
    if (s->held == NULL)
        return -1;
    memcpy(s->held, data, len);
    s->held_len = len;
    return (int)len;
}

bool stream_shut(struct http_stream *s) {
    if (s->ssl != NULL && !s->broken && SSL_is_init_finished(s->ssl)) {
        ERR_clear_error();
        (void)SSL_shutdown(s->ssl);
    }
    SSL_free(s->ssl);
    s->ssl = NULL;
    s->read_wants_write = s->write_wants_read = false;
    return shutdown(s->fd, SHUT_WR) == 0;
}

int stream_drain(const struct http_stream *s, uint8_t *scratch, size_t size) {
    ssize_t got = recv(s->fd, scratch, size, 0);
    if (got > 0)
        return (int)got;
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

void stream_end(struct http_stream *s) {
    SSL_free(s->ssl);
    free(s->held);
    if (s->fd >= 0)
        (void)close(s->fd);
    *s = (struct http_stream){.fd = -1};
}
