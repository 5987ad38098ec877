/* What the command line says to a running server, on <data_dir>/run/admin.sock: datagrams of one line each way, so that
 * nobody holds anything open. The folder and the socket are the server's user's alone (0700, 0600).
 *
 *     drain SECONDS    no new meetings; stop when the last is over, or after so long
 *     resume           take new meetings again
 *     status
 *
 * Each is answered with ADMIN_REPLY, or with "error " and a sentence. */
#ifndef CONCLAVE_SERVER_ADMIN_H
#define CONCLAVE_SERVER_ADMIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#define ADMIN_SOCKET "run/admin.sock"
#define ADMIN_LINE_LEN_MAX 256
/* state (serving, draining, stopping), seconds left, meetings, rooms, sessions */
#define ADMIN_REPLY "%15s %u %u %u %u"

/* The socket's address in this data folder; false when the path is too long for one (107 bytes). */
bool admin_address(const char *data_dir, struct sockaddr_un *out);

#endif
