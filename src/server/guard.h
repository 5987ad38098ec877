/* What the two processes give up once they are set up (io/sandbox.h), by the configuration's word: the server, and the
 * keeper of its secrets (server/keeper.h). What cannot be restricted is said in the log. Threads: before the first one,
 * but guard_calls. */
#ifndef CONCLAVE_SERVER_GUARD_H
#define CONCLAVE_SERVER_GUARD_H

#include <stdbool.h>

#include "server/config.h"

/* Nobody else of this user may look into this process, and it leaves no core dump. Capabilities and files: the server
 * keeps the folder of meetings' files and the one of what it says while it runs, no folder with a secret in it. */
bool guard_server(const struct config *config, const char *files_dir, const char *run_dir, struct config_error *error);
/* System calls, once all threads run. */
void guard_calls(void);
/* All three for the keeper: it reads certificates, and makes its own anew. */
void guard_keeper(const struct config *config);

#endif
