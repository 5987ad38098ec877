/* Where the lines of a server's log go: standard error, one write a line, so that lines of several threads do not mix. Nobody waits for
 * who reads it: a line that finds no room (a full pipe whose reader stands still, a stopped terminal, a full disk) is left out, and
 * the next one that finds some is preceded by how many were. Under systemd the journal adds the time.
 *
 * Threads: any, after log_output_setup. */
#ifndef CONCLAVE_SERVER_LOG_OUTPUT_H
#define CONCLAVE_SERVER_LOG_OUTPUT_H

#include "server/config.h"

/* Tells base/log.h, once, before the first thread. From here on a closed pipe is no reason to end. */
void log_output_setup(const struct config *config);

#endif
