/* How long the turns of the control thread are, in processor time, which a busy machine does not stretch: LD_PRELOAD=turns.so. A turn is
 * what the first thread does between two waits for events. SIGUSR2 writes "turns: COUNT P50 P99 P999 HIGHEST" (microseconds) since the
 * last time on standard error. For tests/bench/attack.mjs. */
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Of 10 us each; the last holds what is longer. */
#define STEPS 20000
#define STEP_US 10

static unsigned counts[STEPS];
static long began_us, highest_us;
static _Atomic bool asked;

static bool first_thread(void) {
    return syscall(SYS_gettid) == getpid();
}

static long used_us(void) {
    struct timespec ts;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static long percentile(unsigned total, double part) {
    unsigned seen = 0;
    for (int i = 0; i < STEPS; i++) {
        seen += counts[i];
        if (seen >= part * total)
            return (long)i * STEP_US;
    }
    return STEPS * STEP_US;
}

static void tell(void) {
    unsigned total = 0;
    char text[128];
    for (int i = 0; i < STEPS; i++)
        total += counts[i];
    int len = snprintf(text, sizeof text, "turns: %u %ld %ld %ld %ld\n", total, percentile(total, 0.5),
                       percentile(total, 0.99), percentile(total, 0.999), highest_us);
    (void)!write(STDERR_FILENO, text, (size_t)len);
    memset(counts, 0, sizeof counts);
    highest_us = 0;
}

static void before(void) {
    if (began_us != 0) {
        long turn_us = used_us() - began_us;
        counts[turn_us / STEP_US < STEPS ? turn_us / STEP_US : STEPS - 1]++;
        highest_us = turn_us > highest_us ? turn_us : highest_us;
    }
    if (atomic_exchange(&asked, false))
        tell();
}

int epoll_pwait2(int epoll, struct epoll_event *events, int max, const struct timespec *timeout, const sigset_t *mask) {
    static int (*next)(int, struct epoll_event *, int, const struct timespec *, const sigset_t *);
    if (next == NULL)
        next = (int (*)(int, struct epoll_event *, int, const struct timespec *, const sigset_t *))dlsym(
            RTLD_NEXT, "epoll_pwait2");
    bool first = first_thread();
    if (first)
        before();
    int count = next(epoll, events, max, timeout, mask);
    if (first)
        began_us = used_us();
    return count;
}

int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout_ms) {
    static int (*next)(int, struct epoll_event *, int, int);
    if (next == NULL)
        next = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
    bool first = first_thread();
    if (first)
        before();
    int count = next(epoll, events, max, timeout_ms);
    if (first)
        began_us = used_us();
    return count;
}

static void on_signal(int number) {
    (void)number;
    atomic_store(&asked, true);
}

__attribute__((constructor)) static void begin(void) {
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigaction(SIGUSR2, &action, NULL);
}
