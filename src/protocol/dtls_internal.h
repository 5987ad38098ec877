/* What dtls.c and dtls_context.c share; nobody else includes it. */
#ifndef CONCLAVE_PROTOCOL_DTLS_INTERNAL_H
#define CONCLAVE_PROTOCOL_DTLS_INTERNAL_H

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "protocol/dtls.h"

struct dtls_context {
    SSL_CTX *ssl;
    BIO_METHOD *datagrams;
    uint16_t mtu;
    uint8_t fingerprint[DTLS_FINGERPRINT_LEN];
    char fingerprint_text[DTLS_FINGERPRINT_TEXT_LEN];
};

/* The BIO of one association: reads the datagram at hand, queues or captures what is written. Its data is the struct
 * dtls. */
BIO_METHOD *dtls_bio_method(void);

#endif
