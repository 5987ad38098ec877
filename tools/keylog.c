/* Tells the keys of a program's TLS and DTLS connections to the file named in KEYLOG, in the format that Wireshark
 * reads (NSS key log), so that a test can look at what passes through the unmodified server: LD_PRELOAD=keylog.so. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ssl.h>

static int keylog_fd = -1;

static void tell(const SSL *ssl, const char *line) {
    (void)ssl;
    char text[1024];
    int len = snprintf(text, sizeof text, "%s\n", line);
    if (len <= 0 || (size_t)len >= sizeof text || write(keylog_fd, text, (size_t)len) != len)
        abort(); /* a test that sees nothing would prove nothing */
}

SSL_CTX *SSL_CTX_new(const SSL_METHOD *method) {
    SSL_CTX *(*next)(const SSL_METHOD *);
    void *symbol = dlsym(RTLD_NEXT, "SSL_CTX_new");
    const char *path = getenv("KEYLOG");
    /* opened before the server gives up files that it has no use for */
    if (keylog_fd < 0 && path != NULL)
        keylog_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (symbol == NULL || keylog_fd < 0)
        abort();
    memcpy(&next, &symbol, sizeof next);
    SSL_CTX *context = next(method);
    if (context != NULL)
        SSL_CTX_set_keylog_callback(context, tell);
    return context;
}
