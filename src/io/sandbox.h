/* What a process that parses strangers' bytes gives up once it is set up: files that it has no business with, and system
 * calls that a server never makes. Whoever takes it over through a fault of ours finds no program to start, no other
 * process to look into, and no file but those of the data folder; with systemd, without it, and as root alike.
 *
 *     sandbox_privileges   when low ports are bound, before the first thread: capabilities (capabilities(7))
 *     sandbox_files    before the first thread: Landlock (Linux 5.13) allows the paths that are listed and nothing else.
 *                      What is open already stays open. From Linux 6.7 on, outgoing TCP too, unless `connect`
 *     sandbox_calls    when all threads run: seccomp, for all of them; a server's calls, or the few of a process that
 *                      answers over a socket which it has and reads and writes some files
 *
 * Both are for good, also for what the process would start. A call that nobody thought of answers ENOSYS, as on a kernel
 * that lacks it; what only an intruder would do (starting a program, tracing, mounting, changing who one is) ends the
 * process with SIGSYS. Memory that is made executable is refused with EPERM.
 *
 * Where the kernel cannot, the answer says so and the process goes on: the systemd unit has the same rules again. Built
 * with a sanitizer, which makes calls of its own, both do nothing and answer SANDBOX_NOT_BUILT. Threads: the caller's. */
#ifndef CONCLAVE_IO_SANDBOX_H
#define CONCLAVE_IO_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif

/* Data folder, certificates and where they really are, what name resolution reads. */
#define SANDBOX_PATHS_MAX 32

struct sandbox_path {
    const char *path; /* file or folder with all that is below; one that does not exist is passed over */
    bool writable;    /* else readable */
};

enum sandbox_result {
    SANDBOX_ON,
    SANDBOX_KERNEL_LACKS, /* or its administrator switched it off */
    SANDBOX_NOT_BUILT,
    SANDBOX_FAILED, /* errno says why */
};

/* Gives up every capability; as root all but those for its own files and for the priority of media threads. */
enum sandbox_result sandbox_privileges(void);
/* `connect`: the process makes TCP connections to others (webhooks). */
enum sandbox_result sandbox_files(const struct sandbox_path *paths, size_t count, bool connect);
enum sandbox_role { SANDBOX_SERVER, SANDBOX_KEEPER };
enum sandbox_result sandbox_calls(enum sandbox_role role);

#endif
