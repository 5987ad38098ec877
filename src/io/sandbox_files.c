#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/sandbox.h"

/* Newer than the headers of Debian 12, by the kernel's documentation (userspace-api/landlock). */
#define ACCESS_TRUNCATE (UINT64_C(1) << 14)  /* ABI 3 */
#define ACCESS_IOCTL_DEV (UINT64_C(1) << 15) /* ABI 5 */
#define NET_CONNECT_TCP (UINT64_C(1) << 1)   /* ABI 4 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)      /* ABI 6 */

/* The kernel's struct landlock_ruleset_attr as of ABI 6; older kernels take its first members by size. */
struct ruleset {
    uint64_t access_fs, access_net, scoped;
};

#define ACCESS_FILE_READ LANDLOCK_ACCESS_FS_READ_FILE
#define ACCESS_FILE_WRITE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE)
#define ACCESS_READ (ACCESS_FILE_READ | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_WRITE                                                                                                   \
    (ACCESS_READ | ACCESS_FILE_WRITE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |                     \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR)

/* All rights over files that an ABI knows. */
static uint64_t known_rights(long abi) {
    uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
    if (abi >= 2)
        rights |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        rights |= ACCESS_TRUNCATE;
    if (abi >= 5)
        rights |= ACCESS_IOCTL_DEV;
    return rights;
}

static bool allow(int ruleset, const struct sandbox_path *path, uint64_t known) {
    int fd = open(path->path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES; /* what is not there needs no right */
    struct stat st;
    bool ok = fstat(fd, &st) == 0;
    uint64_t rights = S_ISDIR(st.st_mode) ? (path->writable ? ACCESS_WRITE : ACCESS_READ)
                                          : (path->writable ? ACCESS_FILE_WRITE : ACCESS_FILE_READ);
    struct landlock_path_beneath_attr rule = {.allowed_access = rights & known, .parent_fd = fd};
    ok = ok && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    close(fd);
    return ok;
}

static enum sandbox_result restrict_files(const struct sandbox_path *paths, size_t count, bool connect) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return SANDBOX_KERNEL_LACKS;
    struct ruleset attributes = {.access_fs = known_rights(abi)};
    size_t len = sizeof attributes.access_fs;
    if (abi >= 4) {
        attributes.access_net = connect ? 0 : NET_CONNECT_TCP;
        len += sizeof attributes.access_net;
    }
    if (abi >= 6) {
        attributes.scoped = SCOPE_SIGNAL;
        len += sizeof attributes.scoped;
    }
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, len, 0);
    if (ruleset < 0)
        return SANDBOX_FAILED;
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++)
        ok = allow(ruleset, &paths[i], attributes.access_fs);
    ok = ok && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    int saved = errno;
    close(ruleset);
    errno = saved;
    return ok ? SANDBOX_ON : SANDBOX_FAILED;
}

/* Threads that start later have what their maker had. The bounding set needs a capability to be lowered, and matters only to
 * programs that are started, which nothing here may. */
enum sandbox_result sandbox_privileges(void) {
    uint32_t kept =
        geteuid() == 0 ? 1u << CAP_SYS_NICE | 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH | 1u << CAP_FOWNER : 0;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct now[2], data[2];
    if (syscall(SYS_capget, &header, now) != 0)
        return SANDBOX_FAILED;
    for (size_t i = 0; i < ARRAY_LEN(data); i++) {
        uint32_t own = now[i].permitted & (i == 0 ? kept : 0);
        data[i] = (struct __user_cap_data_struct){.effective = own, .permitted = own, .inheritable = 0};
    }
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &header, data) == 0 ? SANDBOX_ON : SANDBOX_FAILED;
}

enum sandbox_result sandbox_files(const struct sandbox_path *paths, size_t count, bool connect) {
    ASSERT(count <= SANDBOX_PATHS_MAX);
#ifdef SANDBOX_SANITIZED
    return SANDBOX_NOT_BUILT;
#endif
    return restrict_files(paths, count, connect);
}
