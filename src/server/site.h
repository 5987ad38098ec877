/* The web client's files and the headers that go with them. Pure: a request in, a reply out.
 *
 * Pages (`/`, `/new`, `/m/<anything>`) get a Content-Security-Policy that allows nothing but files and connections of this origin, and
 * are checked with the server at each load (no-cache with a tag). Files under /assets/ carry their hash in the name and may be
 * kept for ever. Stored compressed; who does not accept gzip gets them unpacked. */
#ifndef CONCLAVE_SERVER_SITE_H
#define CONCLAVE_SERVER_SITE_H

#include <stdbool.h>

#include "server/http.h"

/* Longest Host header that is believed (RFC 1035: names have at most 253 characters; a port behind). */
#define SITE_HOST_LEN_MAX 260

/* Answers GET and HEAD for paths of the web client; false when it has no such path. `hsts`: the certificate is a real one, so
 * that browsers may be told never to come without TLS. */
bool site_serve(const struct http_request *request, bool hsts, struct http_reply *reply);
/* Answers a browser that asks for a page at an address where nothing is: 404 with the client, which says so and offers a way on. False
 * for everything else, such as scripts and pictures of a page, or programs. */
bool site_serve_missing(const struct http_request *request, bool hsts, struct http_reply *reply);
/* Does the client want a page (its Accept header names text/html)? */
bool site_wants_page(const struct http_request *request);
/* A Host header that may be repeated inside a header of ours. */
bool site_host_plain(struct span host);

#endif
