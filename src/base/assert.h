/* ASSERT: on in every build, release included. It guards against misuse of our own interfaces; input from the network
 * is never asserted on, it is counted and dropped. A failed assert prints one line to stderr and aborts: the process
 * is not in a state that we understand, and a supervisor restarts it.
 *
 * ASSERT_HOT is for loops that were measured to matter; it vanishes with NDEBUG. CONCLAVE_SMALL, for the web client's
 * module, leaves the texts out: a failed assert is a trap. */
#ifndef CONCLAVE_BASE_ASSERT_H
#define CONCLAVE_BASE_ASSERT_H

_Noreturn void assert_fail(const char *expression, const char *file, int line);

#ifdef CONCLAVE_SMALL
#define ASSERT(condition) ((condition) ? (void)0 : __builtin_trap())
#else
#define ASSERT(condition) ((condition) ? (void)0 : assert_fail(#condition, __FILE__, __LINE__))
#endif

#ifdef NDEBUG
#define ASSERT_HOT(condition) ((void)0)
#else
#define ASSERT_HOT(condition) ASSERT(condition)
#endif

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#endif
