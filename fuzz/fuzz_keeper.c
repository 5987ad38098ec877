/* Questions to the keeper of secrets, as somebody would ask them who has taken the server over: no bytes harm it, and no
 * answer has a secret in it. */
#include <string.h>

#include <openssl/ec.h>
#include <openssl/evp.h>

#include "base/assert.h"
#include "server/keeper_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct keeper_store store;
    static uint8_t out[KEEPER_ANSWER_LEN_MAX];
    if (store.keys_count == 0) {
        secret_zeros(&store.server, 32);
        memset(store.server.bytes, 0xa7, 32);
        store.keys[0] = (struct control_key){.key = "key", .secret = "a secret of thirty-two characters"};
        store.keys_count = 1;
        (void)keeper_add_tls(&store, EVP_EC_gen("P-256"));
    }
    if (size > KEEPER_QUESTION_LEN_MAX)
        return 0;
    size_t len = keeper_answer(&store, span_of(data, size), out);
    ASSERT(len >= 1 && len <= sizeof out && out[0] <= 1);
    ASSERT(memmem(out, len, store.server.bytes, 8) == NULL);
    ASSERT(memmem(out, len, store.keys[0].secret, 8) == NULL);
    return 0;
}
