/* The web client's files, put into the executable at build time by tools/embed. Read-only. */
#ifndef CONCLAVE_SERVER_ASSETS_H
#define CONCLAVE_SERVER_ASSETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct asset {
    const char *path; /* "/index.html", "/assets/app-ABCDEF.js" */
    const char *type; /* media type */
    const char *etag; /* with quotes */
    const uint8_t *bytes;
    size_t stored_len; /* of `bytes` */
    size_t len;        /* of the contents */
    bool gzip;         /* `bytes` is compressed */
};

extern const struct asset assets[];
extern const size_t assets_count;
/* SHA-256 of the bundle in hexadecimal, as tools/embed says. */
extern const char assets_sha256[65];

#endif
