#include "tested.h"

const struct crypto_backend *const tested = &crypto_openssl;
