/* The configuration file: whatever bytes, it is taken or refused with a sentence. */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "server/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct config config;
    struct config_error error = {{0}};
    config_init(&config);
    if (!config_load_text(&config, "fuzz", span_of(data, size), &error) || !config_finish(&config, &error)) {
        ASSERT(error.text[0] != 0 && memchr(error.text, 0, sizeof error.text) != NULL);
        return 0;
    }
    ASSERT(config.keys_count <= CONTROL_KEYS_MAX && config.bind_addresses.count <= CONFIG_ADDRESSES_MAX);
    return 0;
}
