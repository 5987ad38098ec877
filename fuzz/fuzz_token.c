/* Access tokens: the text as it is, or the input as the claims of a token with a right signature. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/base64.h"
#include "crypto/hmac.h"
#include "signal/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct control_key key = {"devkey", "a secret of thirty-two characters"};
    const struct control_keys keys = control_keys_local(&key, 1);
    if (size < 1 || size > 65536)
        return 0;
    struct arena arena;
    arena_init(&arena, ARENA_UNLIMITED);
    struct token *token = calloc(1, sizeof *token);
    size_t room = BASE64_LEN(size) + 128;
    uint8_t *text = malloc(room), mac[HMAC_SHA256_LEN];
    struct writer w = writer_of(text, room);
    bool claims = (data[0] & 1) != 0;
    if (claims) {
        wr_str(&w, "eyJhbGciOiJIUzI1NiJ9.");
        wr_base64url(&w, span_of(data + 1, size - 1));
        hmac_once(HMAC_SHA256, span_str(key.secret), writer_span(&w), mac);
        wr_str(&w, ".");
        wr_base64url(&w, span_of(mac, sizeof mac));
    } else {
        wr_bytes(&w, data + 1, size - 1);
    }
    enum token_result result = token_verify(&keys, UINT64_C(1760000000) * 1000000, writer_span(&w), &arena, token);
    /* nobody guesses a signature */
    ASSERT(claims || result != TOKEN_OK);
    free(text);
    free(token);
    arena_free(&arena);
    return 0;
}
