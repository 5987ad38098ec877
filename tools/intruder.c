/* Plays somebody who took the server over: on SIGUSR1 it does what INTRUDER names, inside of the process, and writes on
 * standard error what came of it: LD_PRELOAD=intruder.so. For tests of the sandbox. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char act[32], argument[512];

/* The copy of a server must not serve. */
static long leave_if_zero(pid_t pid) {
    if (pid == 0)
        _exit(0);
    return pid;
}

static long do_act(void) {
    if (strcmp(act, "read") == 0)
        return open(argument, O_RDONLY | O_CLOEXEC);
    if (strcmp(act, "list") == 0)
        return open(argument, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (strcmp(act, "write") == 0)
        return open(argument, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (strcmp(act, "make") == 0)
        return mkdir(argument, 0700);
    if (strcmp(act, "run") == 0)
        return execl(argument, argument, "-c", "echo intruder: ran >&2", (char *)NULL);
    if (strcmp(act, "fork") == 0)
        return leave_if_zero(fork());
    if (strcmp(act, "trace") == 0)
        return ptrace(PTRACE_ATTACH, (pid_t)atoi(argument), NULL, NULL);
    if (strcmp(act, "raw") == 0)
        return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (strcmp(act, "code") == 0)
        return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
                   ? -1
                   : 0;
    if (strcmp(act, "signal") == 0)
        return kill((pid_t)atoi(argument), SIGTERM);
    if (strcmp(act, "connect") == 0) {
        struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)atoi(argument)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof to);
    }
    return syscall(SYS_unshare, 0x10000000);
}

static void on_signal(int number) {
    (void)number;
    char text[128];
    long result = do_act();
    int len = snprintf(text, sizeof text, "intruder: %s %s\n", act, result >= 0 ? "done" : strerrorname_np(errno));
    (void)!write(STDERR_FILENO, text, (size_t)len);
}

__attribute__((constructor)) static void begin(void) {
    const char *what = getenv("INTRUDER");
    if (what == NULL)
        return;
    (void)sscanf(what, "%31s %511[^\n]", act, argument);
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigaction(SIGUSR1, &action, NULL);
}
