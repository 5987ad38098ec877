/* A machine whose clock is wrong: LD_PRELOAD=wrong-clock.so. The wall clock starts WRONG_CLOCK_START seconds off, and each SIGUSR2 sets
 * it by WRONG_CLOCK_JUMP. The monotonic clock goes on as it does on such a machine. */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic long off_s;
static long jump_s;

int clock_gettime(clockid_t id, struct timespec *out) {
    long result = syscall(SYS_clock_gettime, id, out);
    if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        out->tv_sec += atomic_load(&off_s);
    return (int)result;
}

static void on_signal(int number) {
    (void)number;
    atomic_fetch_add(&off_s, jump_s);
}

static long number_of(const char *name) {
    const char *text = getenv(name);
    return text != NULL ? strtol(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void) {
    atomic_store(&off_s, number_of("WRONG_CLOCK_START"));
    jump_s = number_of("WRONG_CLOCK_JUMP");
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    (void)sigaction(SIGUSR2, &action, NULL);
}
