#include "server/library_log.h"

#include <libwebsockets.h>

#include "base/log.h"

static void emit(int level, const char *line) {
    (void)level;
    if (log_personal_data())
        log_debug("libwebsockets: %s", line);
}

void library_log_setup(void) {
    lws_set_log_level(LLL_ERR | LLL_WARN, emit);
}
