#include "protocol/dtls.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h> /* struct timeval, as OpenSSL hands it over */

#include "base/assert.h"
#include "base/secret.h"
#include "base/time.h"
#include "protocol/dtls_internal.h"

/* OpenSSL's timer is moved this far ahead, so that it never runs out by itself; see take_timer. */
#define FAR_AHEAD_S 100000000L
/* With a library whose timer runs in real time: how soon to ask again when it was not quite due. */
#define TIMER_AGAIN_US UINT64_C(5000)

struct out_datagram {
    struct out_datagram *next;
    uint16_t len;
    uint8_t bytes[];
};

struct dtls {
    SSL *ssl;
    struct dtls_counters *counters;
    uint64_t now_us;      /* of the call in progress */
    uint64_t started_us;  /* 0 = nothing sent or received yet */
    uint64_t deadline_us; /* next retransmission */
    uint64_t rto_us;
    struct timeval *timer;     /* OpenSSL's own timer, when it was confirmed to be that; else NULL */
    struct timeval *candidate; /* what the BIO was told about, valid within the call only */
    struct span in;            /* the datagram at hand; empty once read */
    struct writer *capture;    /* where the record being sealed goes, instead of to the queue */
    struct out_datagram *out_head;
    struct out_datagram *out_tail;
    uint8_t out_count;
    uint8_t state; /* enum dtls_state */
    uint8_t role;  /* enum dtls_role */
    bool handshake_done;
    bool expected_known;
    bool capture_failed;
    uint8_t expected[DTLS_FINGERPRINT_LEN];
    uint8_t actual[DTLS_FINGERPRINT_LEN];
};

/* ---- the BIO ---- */

static int bio_read(BIO *bio, char *out, int size) {
    struct dtls *dtls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (dtls->in.len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t len = dtls->in.len < (size_t)size ? dtls->in.len : (size_t)size; /* as recv does */
    memcpy(out, dtls->in.data, len);
    dtls->in = (struct span){0};
    return (int)len;
}

static void queue_out(struct dtls *dtls, const char *bytes, size_t len) {
    struct out_datagram *datagram = NULL;
    if (dtls->out_count < DTLS_OUT_MAX && len <= DTLS_MTU)
        datagram = malloc(sizeof *datagram + len);
    if (datagram == NULL) {
        dtls->counters->tx_dropped++;
        return;
    }
    datagram->next = NULL;
    datagram->len = (uint16_t)len;
    memcpy(datagram->bytes, bytes, len);
    if (dtls->out_tail != NULL)
        dtls->out_tail->next = datagram;
    else
        dtls->out_head = datagram;
    dtls->out_tail = datagram;
    dtls->out_count++;
}

/* A datagram that finds no room is lost like one on the way: retransmission is there for that. */
static int bio_write(BIO *bio, const char *bytes, int len) {
    struct dtls *dtls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ASSERT(len > 0);
    if (dtls->capture == NULL) {
        queue_out(dtls, bytes, (size_t)len);
    } else if (writer_left(dtls->capture) >= (size_t)len) {
        wr_bytes(dtls->capture, bytes, (size_t)len);
    } else {
        dtls->capture_failed = true;
    }
    return len;
}

/* OpenSSL set, restarted or stopped (all zero) its retransmission timer: ours follows. */
static void note_timer(struct dtls *dtls, struct timeval *next) {
    dtls->candidate = NULL;
    if (next->tv_sec == 0 && next->tv_usec == 0) {
        dtls->deadline_us = TIME_NEVER;
        return;
    }
    dtls->deadline_us = dtls->now_us + dtls->rto_us;
    dtls->candidate = next;
    next->tv_sec += FAR_AHEAD_S;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
    struct dtls *dtls = BIO_get_data(bio);
    (void)number;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
        note_timer(dtls, pointer);
        return 1;
    default:
        return 0;
    }
}

BIO_METHOD *dtls_bio_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "datagrams at hand");
    if (method != NULL && BIO_meth_set_read(method, bio_read) == 1 && BIO_meth_set_write(method, bio_write) == 1 &&
        BIO_meth_set_ctrl(method, bio_ctrl) == 1)
        return method;
    BIO_meth_free(method);
    return NULL;
}

/* ---- the clock ---- */

/* Asked for a duration when the timer is started (0) and when it ran out (the last duration). */
static unsigned next_duration(SSL *ssl, unsigned last_us) {
    struct dtls *dtls = SSL_get_app_data(ssl);
    if (last_us == 0)
        dtls->rto_us = DTLS_RTO_INITIAL_US;
    else
        dtls->rto_us = time_min(2 * dtls->rto_us, DTLS_RTO_MAX_US);
    return (unsigned)dtls->rto_us;
}

/* OpenSSL compares its timer with the system's clock, also while it reads, where a timer that has run out makes it send
 * the flight again. So that only our clock counts its timer must be far ahead at all times but in dtls_tick. Up to 3.1
 * the structure that the BIO is told about is the timer itself and note_timer has just moved it; later ones hand out a
 * copy. Which of the two is found out by asking how long the timer still has; a copy is forgotten at once. */
static void take_timer(struct dtls *dtls) {
    if (dtls->candidate == NULL)
        return;
    struct timeval left = {0};
    bool moved = DTLSv1_get_timeout(dtls->ssl, &left) == 1 && left.tv_sec > FAR_AHEAD_S / 2;
    dtls->timer = moved ? dtls->candidate : NULL;
    dtls->candidate = NULL;
}

/* ---- the handshake ---- */

static void end(struct dtls *dtls, enum dtls_state state, uint64_t *counter) {
    ASSERT(dtls->state != DTLS_FAILED);
    dtls->state = (uint8_t)state;
    dtls->deadline_us = TIME_NEVER;
    dtls->in = (struct span){0};
    (*counter)++;
}

/* Sends close_notify, at most once; OpenSSL refuses in the middle of a handshake and after fatal errors. */
static void notify_close(struct dtls *dtls) {
    if (dtls->handshake_done && SSL_alloc_buffers(dtls->ssl) == 1) /* it writes without looking for a buffer */
        (void)SSL_shutdown(dtls->ssl);
    ERR_clear_error();
}

/* The handshake is done: whom with, and with which SRTP profile? */
static void judge(struct dtls *dtls) {
    ASSERT(dtls->handshake_done && dtls->state == DTLS_HANDSHAKING);
    if (!dtls->expected_known)
        return;
    const SRTP_PROTECTION_PROFILE *profile = SSL_get_selected_srtp_profile(dtls->ssl);
    if (!secure_equal(dtls->expected, dtls->actual, DTLS_FINGERPRINT_LEN)) {
        notify_close(dtls);
        end(dtls, DTLS_FAILED, &dtls->counters->failed_fingerprint);
    } else if (profile == NULL || !srtp_profile_known((enum srtp_profile)profile->id)) {
        notify_close(dtls);
        end(dtls, DTLS_FAILED, &dtls->counters->failed_profile);
    } else {
        dtls->state = DTLS_CONNECTED;
        dtls->counters->handshakes++;
    }
}

static void handshake_finished(struct dtls *dtls) {
    dtls->deadline_us = TIME_NEVER;
    unsigned len = 0;
    X509 *peer = SSL_get1_peer_certificate(dtls->ssl);
    bool digested = peer != NULL && X509_digest(peer, EVP_sha256(), dtls->actual, &len) == 1;
    X509_free(peer);
    if (!digested || len != DTLS_FINGERPRINT_LEN) {
        end(dtls, DTLS_FAILED, &dtls->counters->failed_fingerprint);
        return;
    }
    dtls->handshake_done = true;
    judge(dtls);
}

#define RECORD_HEADER_LEN 13 /* RFC 6347 section 4.1 */
/* RFC 5288 section 3: 8 bytes of nonce and 16 of tag stand around the text; RFC 7905 section 2: only the tag does. */
#define SEALED_LEN_MIN_GCM 24
#define SEALED_LEN_MIN_CHACHA 16

/* Whether every encrypted record of the datagram has the version 1.2 and room for what its cipher adds. Some releases
 * of OpenSSL 3.0 end the association at one that has no room, instead of dropping it as RFC 6347 section 4.1.2.7 wants;
 * anybody on the way could end a call so. And they authenticate the version that they know instead of the one that
 * came. Before the cipher is known the longer minimum holds: a Finished message is longer. */
static bool records_usable(const struct dtls *dtls, struct span datagram) {
    const SSL_CIPHER *cipher = dtls->handshake_done ? SSL_get_current_cipher(dtls->ssl) : NULL;
    bool chacha = cipher != NULL && SSL_CIPHER_get_cipher_nid(cipher) == NID_chacha20_poly1305;
    struct reader r = reader_of_span(datagram);
    while (reader_left(&r) >= RECORD_HEADER_LEN) {
        (void)rd_u8(&r); /* type */
        uint16_t version = rd_u16(&r);
        uint16_t epoch = rd_u16(&r);
        (void)rd_u48(&r);
        uint16_t len = rd_u16(&r);
        if (epoch > 0 && (version != DTLS1_2_VERSION || len < (chacha ? SEALED_LEN_MIN_CHACHA : SEALED_LEN_MIN_GCM)))
            return false;
        rd_skip(&r, len);
    }
    return true;
}

/* Lets OpenSSL go as far as it comes with the datagram at hand. */
static void advance(struct dtls *dtls) {
    ASSERT(!dtls->handshake_done);
    if (dtls->started_us == 0)
        dtls->started_us = dtls->now_us;
    ERR_clear_error();
    int result = SSL_do_handshake(dtls->ssl);
    int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(dtls->ssl, result);
    take_timer(dtls);
    ERR_clear_error();
    dtls->in = (struct span){0};
    if (result == 1)
        handshake_finished(dtls);
    else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        end(dtls, DTLS_FAILED, &dtls->counters->failed_handshake);
}

/* ---- life ---- */

static bool attach(struct dtls *dtls, struct dtls_context *context) {
    dtls->ssl = SSL_new(context->ssl);
    BIO *bio = BIO_new(context->datagrams);
    if (dtls->ssl == NULL || bio == NULL || SSL_set_app_data(dtls->ssl, dtls) != 1) {
        BIO_free(bio);
        return false;
    }
    BIO_set_data(bio, dtls);
    BIO_set_init(bio, 1);
    SSL_set_bio(dtls->ssl, bio, bio);
    DTLS_set_timer_cb(dtls->ssl, next_duration);
    if (dtls->role == DTLS_SERVER)
        SSL_set_accept_state(dtls->ssl);
    else
        SSL_set_connect_state(dtls->ssl);
    return SSL_set_mtu(dtls->ssl, context->mtu) > 0;
}

struct dtls *dtls_create(struct dtls_context *context, enum dtls_role role, struct dtls_counters *counters) {
    ASSERT(context != NULL && counters != NULL);
    struct dtls *dtls = calloc(1, sizeof *dtls);
    if (dtls == NULL)
        return NULL;
    dtls->counters = counters;
    dtls->deadline_us = TIME_NEVER;
    dtls->rto_us = DTLS_RTO_INITIAL_US;
    dtls->role = (uint8_t)role;
    if (!attach(dtls, context)) {
        dtls_destroy(dtls);
        ERR_clear_error();
        return NULL;
    }
    return dtls;
}

void dtls_destroy(struct dtls *dtls) {
    if (dtls == NULL)
        return;
    while (dtls->out_head != NULL) {
        struct out_datagram *datagram = dtls->out_head;
        dtls->out_head = datagram->next;
        free(datagram);
    }
    SSL_free(dtls->ssl);
    secure_wipe(dtls, sizeof *dtls);
    free(dtls);
}

void dtls_set_fingerprint(struct dtls *dtls, const uint8_t sha256[DTLS_FINGERPRINT_LEN]) {
    if (dtls->expected_known) {
        bool same = memcmp(dtls->expected, sha256, DTLS_FINGERPRINT_LEN) == 0;
        if (!same && (dtls->state == DTLS_HANDSHAKING || dtls->state == DTLS_CONNECTED)) {
            notify_close(dtls);
            end(dtls, DTLS_FAILED, &dtls->counters->failed_fingerprint);
        }
        return;
    }
    memcpy(dtls->expected, sha256, DTLS_FINGERPRINT_LEN);
    dtls->expected_known = true;
    if (dtls->handshake_done && dtls->state == DTLS_HANDSHAKING)
        judge(dtls);
}

void dtls_start(struct dtls *dtls, uint64_t now_us) {
    dtls->now_us = now_us;
    if (dtls->role == DTLS_CLIENT && dtls->started_us == 0 && dtls->state == DTLS_HANDSHAKING)
        advance(dtls);
}

void dtls_input(struct dtls *dtls, uint64_t now_us, struct span datagram) {
    dtls->now_us = now_us;
    dtls->in = (struct span){0};
    if (dtls->state != DTLS_HANDSHAKING && dtls->state != DTLS_CONNECTED) {
        dtls->counters->rx_after_end++;
        return;
    }
    if (datagram.len > DTLS_DATAGRAM_LEN_MAX) {
        dtls->counters->rx_oversize++;
        return;
    }
    if (!records_usable(dtls, datagram)) {
        dtls->counters->rx_bad_record++;
        return;
    }
    dtls->counters->rx_datagrams++;
    dtls->in = datagram;
    if (!dtls->handshake_done)
        advance(dtls);
}

void dtls_tick(struct dtls *dtls, uint64_t now_us) {
    dtls->now_us = now_us;
    if (dtls->state != DTLS_HANDSHAKING || dtls->started_us == 0)
        return;
    if (time_since(now_us, dtls->started_us) >= DTLS_HANDSHAKE_US) {
        end(dtls, DTLS_FAILED, &dtls->counters->failed_timeout);
        return;
    }
    if (dtls->handshake_done || dtls->deadline_us > now_us)
        return;
    if (dtls->timer != NULL)
        *dtls->timer = (struct timeval){.tv_sec = 1}; /* long ago; zero would mean "stopped" */
    ERR_clear_error();
    int result = (int)DTLSv1_handle_timeout(dtls->ssl);
    take_timer(dtls);
    ERR_clear_error();
    if (result > 0)
        dtls->counters->retransmits++;
    else if (result == 0)
        dtls->deadline_us = now_us + TIMER_AGAIN_US;
    else
        end(dtls, DTLS_FAILED, &dtls->counters->failed_timeout);
}

uint64_t dtls_next_deadline(const struct dtls *dtls) {
    if (dtls->state != DTLS_HANDSHAKING || dtls->started_us == 0)
        return TIME_NEVER;
    return time_min(dtls->deadline_us, dtls->started_us + DTLS_HANDSHAKE_US);
}

/* ---- data ---- */

/* Between datagrams OpenSSL's two buffers (17 and 1.5 kB) are not needed. */
static void release_buffers(struct dtls *dtls) {
    (void)SSL_free_buffers(dtls->ssl);
}

static void read_failed(struct dtls *dtls, int error) {
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return;
    if (error == SSL_ERROR_ZERO_RETURN) {
        notify_close(dtls);
        end(dtls, DTLS_CLOSED, &dtls->counters->closed_by_peer);
    } else {
        end(dtls, DTLS_FAILED, &dtls->counters->failed_handshake);
    }
}

bool dtls_poll_data(struct dtls *dtls, struct writer *data) {
    uint8_t buffer[DTLS_DATAGRAM_LEN_MAX];
    if (!dtls->handshake_done)
        return false;
    /* every turn takes a record out of OpenSSL, and a datagram holds a bounded number of them */
    while (dtls->state == DTLS_CONNECTED || dtls->state == DTLS_HANDSHAKING) {
        ERR_clear_error();
        int len = SSL_read(dtls->ssl, buffer, sizeof buffer);
        int error = len > 0 ? SSL_ERROR_NONE : SSL_get_error(dtls->ssl, len);
        ERR_clear_error();
        if (len <= 0) {
            dtls->in = (struct span){0};
            read_failed(dtls, error);
            release_buffers(dtls);
            return false;
        }
        if (dtls->state != DTLS_CONNECTED || writer_left(data) < (size_t)len) {
            dtls->counters->rx_data_dropped++;
            continue;
        }
        dtls->counters->rx_data++;
        wr_bytes(data, buffer, (size_t)len);
        secure_wipe(buffer, (size_t)len);
        return true;
    }
    return false;
}

bool dtls_poll_out(struct dtls *dtls, struct writer *datagram) {
    struct out_datagram *first = dtls->out_head;
    if (first == NULL)
        return false;
    ASSERT(writer_left(datagram) >= first->len);
    wr_bytes(datagram, first->bytes, first->len);
    dtls->out_head = first->next;
    if (first->next == NULL)
        dtls->out_tail = NULL;
    dtls->out_count--;
    dtls->counters->tx_datagrams++;
    free(first);
    return true;
}

enum dtls_state dtls_state(const struct dtls *dtls) {
    return (enum dtls_state)dtls->state;
}

enum dtls_role dtls_role(const struct dtls *dtls) {
    return (enum dtls_role)dtls->role;
}

bool dtls_virtual_clock(const struct dtls *dtls) {
    return dtls->timer != NULL;
}

bool dtls_export(struct dtls *dtls, struct srtp_master *sealing, struct srtp_master *opening) {
    static const char label[] = "EXTRACTOR-dtls_srtp"; /* RFC 5764 section 4.2 */
    if (dtls->state != DTLS_CONNECTED)
        return false;
    const SRTP_PROTECTION_PROFILE *selected = SSL_get_selected_srtp_profile(dtls->ssl);
    ASSERT(selected != NULL);
    enum srtp_profile profile = (enum srtp_profile)selected->id;
    uint8_t exported[SRTP_EXPORT_LEN_MAX];
    size_t len = srtp_export_len(profile);
    ASSERT(len <= sizeof exported);
    ERR_clear_error();
    bool good = SSL_export_keying_material(dtls->ssl, exported, len, label, sizeof label - 1, NULL, 0, 0) == 1;
    bool client = dtls->role == DTLS_CLIENT;
    if (good)
        srtp_master_split(profile, exported, client ? sealing : opening, client ? opening : sealing);
    secure_wipe(exported, sizeof exported);
    ERR_clear_error();
    return good;
}

bool dtls_seal(struct dtls *dtls, struct span data, struct writer *datagram) {
    ASSERT(data.len > 0 && data.len <= DTLS_DATA_LEN_MAX);
    if (dtls->state != DTLS_CONNECTED)
        return false;
    dtls->capture = datagram;
    dtls->capture_failed = false;
    ERR_clear_error();
    bool written = SSL_alloc_buffers(dtls->ssl) == 1 && SSL_write(dtls->ssl, data.data, (int)data.len) > 0;
    ERR_clear_error();
    dtls->capture = NULL;
    release_buffers(dtls);
    return written && !dtls->capture_failed;
}

void dtls_close(struct dtls *dtls) {
    if (dtls->state != DTLS_HANDSHAKING && dtls->state != DTLS_CONNECTED)
        return;
    if (dtls->state == DTLS_CONNECTED)
        notify_close(dtls);
    dtls->state = DTLS_CLOSED;
    dtls->deadline_us = TIME_NEVER;
    dtls->in = (struct span){0};
}
