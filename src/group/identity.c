#include "group/identity.h"

bool group_identity_good(struct span identity) {
    if (identity.len == 0 || identity.len > GROUP_IDENTITY_LEN_MAX)
        return false;
    for (size_t i = 0; i < identity.len; i++) {
        uint8_t c = identity.data[i];
        if ((c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return true;
}
