/* Tells the keys of a program's TLS and DTLS connections to the file named in KEYLOG, in the format that Wireshark
 * reads (NSS key log), so that a test can look at what passes through the unmodified server: LD_PRELOAD=keylog.so. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

static void tell(const SSL *ssl, const char *line) {
    (void)ssl;
    const char *path = getenv("KEYLOG");
    FILE *file = path != NULL ? fopen(path, "ae") : NULL;
    if (file == NULL)
        abort(); /* a test that sees nothing would prove nothing */
    (void)fprintf(file, "%s\n", line);
    (void)fclose(file);
}

SSL_CTX *SSL_CTX_new(const SSL_METHOD *method) {
    SSL_CTX *(*next)(const SSL_METHOD *);
    void *symbol = dlsym(RTLD_NEXT, "SSL_CTX_new");
    if (symbol == NULL)
        abort();
    memcpy(&next, &symbol, sizeof next);
    SSL_CTX *context = next(method);
    if (context != NULL)
        SSL_CTX_set_keylog_callback(context, tell);
    return context;
}
