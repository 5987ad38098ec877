#include "e2ee/mls_status.h"

#include "base/assert.h"

struct status_info {
    const char *name, *text, *section;
};

#ifdef CONCLAVE_SMALL /* whoever reads a name in a browser's console can look the rest up */
#define MLS_STATUS_INFO(name, text, section) {#name, "", ""},
#else
#define MLS_STATUS_INFO(name, text, section) {#name, text, section},
#endif
static const struct status_info infos[] = {MLS_STATUSES(MLS_STATUS_INFO)};

static const struct status_info *info_of(enum mls_status status) {
    ASSERT((unsigned)status < MLS_STATUS_COUNT);
    return &infos[status];
}

const char *mls_status_text(enum mls_status status) {
    return info_of(status)->text;
}

const char *mls_status_name(enum mls_status status) {
    return info_of(status)->name;
}

const char *mls_status_section(enum mls_status status) {
    return info_of(status)->section;
}
