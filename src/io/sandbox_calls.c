#include <errno.h>
#include <linux/prctl.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/sandbox.h"

/* Everything that the server and its libraries do once they are set up. Names that a machine's architecture lacks are passed over. */
/* clang-format off */
static const char *const allowed[] = {
    /* descriptors and files */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "close", "close_range", "lseek", "fsync", "fdatasync", "ftruncate",
    "fallocate", "sendfile", "fstat", "newfstatat", "fstatat64", "stat", "lstat", "statx", "statfs", "fstatfs", "access", "faccessat",
    "faccessat2", "open", "openat", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "getdents64",
    "readlink", "readlinkat", "getcwd", "chmod", "fchmod", "umask", "fcntl", "dup", "dup2", "dup3", "pipe2", "flock",
    /* waiting */
    "poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2",
    "timerfd_create", "timerfd_settime", "timerfd_gettime", "signalfd4", "nanosleep", "clock_nanosleep", "restart_syscall",
    "sched_yield",
    /* sockets; what families, below */
    "bind", "listen", "accept", "accept4", "connect", "getsockname", "getpeername", "setsockopt", "getsockopt", "sendto", "recvfrom",
    "sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "shutdown",
    /* memory; without the right to execute, below */
    "munmap", "mremap", "madvise", "brk", "mlock", "mlock2", "munlock", "mincore", "membarrier",
    /* threads and time */
    "futex", "futex_waitv", "set_robust_list", "get_robust_list", "rseq", "gettid", "getpid", "getppid", "sched_getaffinity", "getcpu",
    "clock_gettime", "clock_getres", "gettimeofday", "time", "times", "getrandom", "sysinfo", "uname", "getrusage", "getrlimit", "setpriority",
    "getpriority", "getuid", "geteuid", "getgid", "getegid",
    /* signals and the end */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rt_sigpending", "sigaltstack", "exit", "exit_group",
};

/* What a process needs that has its socket, and reads and writes files of few folders. */
static const char *const allowed_few[] = {
    "read", "write", "close", "lseek", "fsync", "fstat", "newfstatat", "fstatat64", "stat", "lstat", "statx", "access", "faccessat",
    "faccessat2", "open", "openat", "unlink", "unlinkat", "rename", "renameat", "renameat2", "fcntl", "getcwd", "readlink", "readlinkat",
    "sendmsg", "recvfrom", "recvmsg", "poll", "ppoll", "munmap", "mremap", "madvise", "brk", "futex", "rseq", "gettid", "getpid",
    "clock_gettime", "gettimeofday", "time", "getrandom", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "restart_syscall",
    "exit", "exit_group",
};

/* What a server never does, and somebody who took it over would. */
static const char *const fatal[] = {
    "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
    "mount", "umount2", "move_mount", "open_tree", "fsopen", "fsmount", "pivot_root", "chroot", "setns", "unshare", "bpf",
    "perf_event_open", "userfaultfd", "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
    "swapon", "swapoff", "add_key", "request_key", "keyctl", "open_by_handle_at", "name_to_handle_at", "setuid", "setgid", "setreuid",
    "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid", "capset", "personality", "iopl", "ioperm", "modify_ldt",
    "settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "sethostname", "setdomainname", "mknod", "mknodat", "acct", "quotactl",
    "syslog", "vhangup", "memfd_secret",
};
/* clang-format on */

static bool add_names(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int call = seccomp_syscall_resolve_name(names[i]);
        if (call == __NR_SCMP_ERROR)
            continue;
        int result = seccomp_rule_add(filter, action, call, 0);
        if (result != 0 && result != -EDOM) /* EDOM: this architecture has it not */
            return false;
    }
    return true;
}

/* The library's macros leave the second operand out, which clang warns of. */
static struct scmp_arg_cmp equals(unsigned argument, scmp_datum_t value) {
    return (struct scmp_arg_cmp){.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value};
}

static bool add_sockets(scmp_filter_ctx filter) {
    /* AF_UNIX: the service manager; AF_NETLINK: which addresses there are, for name resolution */
    static const int families[] = {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK};
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, equals(0, (scmp_datum_t)families[i])) != 0)
            return false;
    }
    return true;
}

static bool add_memory(scmp_filter_ctx filter) {
    static const int calls[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) != 0 ||
            seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC)) != 0)
            return false;
    }
    return true;
}

/* Calls whose arguments decide. */
static bool add_conditions(scmp_filter_ctx filter) {
    static const unsigned long requests[] = {FIONREAD, FIONBIO, TCGETS};
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, equals(1, requests[i])) != 0)
            return false;
    }
    scmp_datum_t own = (scmp_datum_t)getpid();
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, equals(0, own)) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, equals(0, own)) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, equals(0, PR_SET_NAME)) == 0 &&
           /* limits may be read */
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, equals(2, 0)) == 0 &&
           /* a thread, but no process */
           seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, 0x00010000 /* CLONE_THREAD */, 0)) == 0;
}

static bool add_role(scmp_filter_ctx filter, enum sandbox_role role) {
    if (role == SANDBOX_KEEPER)
        return add_names(filter, SCMP_ACT_ALLOW, allowed_few, ARRAY_LEN(allowed_few)) && add_memory(filter);
    return add_names(filter, SCMP_ACT_ALLOW, allowed, ARRAY_LEN(allowed)) && add_sockets(filter) &&
           add_memory(filter) && add_conditions(filter);
}

enum sandbox_result sandbox_calls(enum sandbox_role role) {
#ifdef SANDBOX_SANITIZED
    (void)role;
    return SANDBOX_NOT_BUILT;
#endif
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (filter == NULL)
        return SANDBOX_KERNEL_LACKS;
    bool ok = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0 && add_role(filter, role) &&
              add_names(filter, SCMP_ACT_KILL_PROCESS, fatal, ARRAY_LEN(fatal));
    int result = ok ? seccomp_load(filter) : -EINVAL;
    seccomp_release(filter);
    if (result == 0)
        return SANDBOX_ON;
    errno = -result;
    return result == -EINVAL && ok ? SANDBOX_KERNEL_LACKS : SANDBOX_FAILED;
}
