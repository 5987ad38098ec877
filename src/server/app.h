/* The server as a whole: data folder, keys, engines, control core, HTTP, and the loop that carries messages between them. One
 * process has one. Threads: everything here is the control thread's; the media threads speak through io/media.h.
 *
 *     app_create    opens everything; nothing is served yet. A sentence when it cannot be done
 *     app_banner    what a person who started it wants to see
 *     app_run       serves until SIGTERM or SIGINT; the exit status
 *     app_destroy
 *
 * Going down: the first signal tells every client (control_shutdown), takes no new connection, and ends when all sessions are
 * closed or after APP_FLUSH_US; a second signal ends at once. */
#ifndef CONCLAVE_SERVER_APP_H
#define CONCLAVE_SERVER_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/config.h"

#define APP_FLUSH_US UINT64_C(2000000)

struct app;

struct keeper;

/* `keeper` is who read the configuration, and outlives the app. */
struct app *app_create(const struct config *config, struct keeper *keeper, struct config_error *error);
void app_banner(const struct app *app);
int app_run(struct app *app);
void app_destroy(struct app *app);

#endif
