/* The part of cmocka's interface that the tests of primitives use, for tools/build-wasm --vectors: the library has no
 * WebAssembly build. A failure ends the instance, as a failed assert does, and the host is told what did not hold. */
#ifndef CONCLAVE_TOOLS_WASM_CMOCKA_H
#define CONCLAVE_TOOLS_WASM_CMOCKA_H

#include <string.h>

_Noreturn void assert_fail(const char *expression, const char *file, int line);

struct CMUnitTest {
    void (*run)(void **state);
};
#define cmocka_unit_test(function)                                                                                     \
    { function }

#define cmocka_run_group_tests(tests, setup, teardown)                                                                 \
    cmocka_run(tests, sizeof(tests) / sizeof(tests)[0], (const void *)(setup), (const void *)(teardown))

static inline int cmocka_run(const struct CMUnitTest *tests, size_t count, const void *setup, const void *teardown) {
    void *state = NULL;
    if (setup != NULL || teardown != NULL)
        return 1;
    for (size_t i = 0; i < count; i++)
        tests[i].run(&state);
    return 0;
}

#define assert_true(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            assert_fail(#condition, __FILE__, __LINE__);                                                               \
    } while (0)
#define assert_false(condition) assert_true(!(condition))
#define assert_null(pointer) assert_true((pointer) == NULL)
#define assert_non_null(pointer) assert_true((pointer) != NULL)
#define assert_int_equal(a, b) assert_true((uint64_t)(a) == (uint64_t)(b))
#define assert_memory_equal(a, b, len) assert_true(memcmp(a, b, len) == 0)
#define assert_memory_not_equal(a, b, len) assert_true(memcmp(a, b, len) != 0)
#define fail_msg(...) assert_fail("vectors that can be read", __FILE__, __LINE__)
#define print_message(...) ((void)0)

#endif
