#include "unit.h"

#include "base/assert.h"
#include "group/identity.h"

/* A byte order mark or invalid UTF-8 made two identities one where they were shown. */
static void two_identities_never_become_one(void **state) {
    (void)state;
    static const struct span bad[] = {
        {(const uint8_t *)"", 0},           {(const uint8_t *)"\xef\xbb\xbfp_a", 6}, {(const uint8_t *)"p_\xff", 3},
        {(const uint8_t *)"p_a ", 4},       {(const uint8_t *)"p_\xc3\xa4", 4},      {(const uint8_t *)"p/a", 3},
        {(const uint8_t *)"p\na", 3},       {(const uint8_t *)"p_\0z", 4},           {(const uint8_t *)"p\x7f", 2},
        {(const uint8_t *)"p_\xc0\xaf", 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(group_identity_good(bad[i]));
    assert_true(group_identity_good(span_str("p_Az09-_.")));
    uint8_t longest[GROUP_IDENTITY_LEN_MAX + 1];
    memset(longest, 'a', sizeof longest);
    assert_true(group_identity_good(span_of(longest, GROUP_IDENTITY_LEN_MAX)));
    assert_false(group_identity_good(span_of(longest, sizeof longest)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_identities_never_become_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
