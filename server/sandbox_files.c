/* Landlock. A rule grants rights below a file or a directory, found by its path once and kept by
 * its inode: a file that is replaced later is covered by its directory's rule alone.
 *
 * Versions of the interface ("ABI") add rights: those that a kernel does not know are not asked
 * for. The first one forbids every rename from one directory to another, which publishing a model
 * needs, and counts as none.
 */
#include "server/sandbox.h"

#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of headers newer than Debian 12's. */
enum { ABI_MIN = 2, ABI_TRUNCATE = 3, ABI_IOCTL = 5, ABI_SCOPES = 6 };
#define RIGHT_TRUNCATE (UINT64_C(1) << 14)
#define RIGHT_IOCTL (UINT64_C(1) << 15)
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

struct ruleset_attributes {
    uint64_t files, net, scoped;
};

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define EXECUTING (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE)
#define OPENING                                                                                    \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE | RIGHT_IOCTL)
#define CHANGING                                                                                   \
    (READING | LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE | LANDLOCK_ACCESS_FS_REMOVE_DIR |    \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |  \
     LANDLOCK_ACCESS_FS_REFER)
/* Whatever is listed nowhere: sockets, pipes and devices are made by nobody. */
#define ALL                                                                                        \
    (CHANGING | OPENING | EXECUTING | LANDLOCK_ACCESS_FS_MAKE_CHAR |                               \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
     LANDLOCK_ACCESS_FS_MAKE_SYM)
/* Of these a file, as opposed to a directory, can be given the following. */
#define OF_FILES (EXECUTING | OPENING)

struct rules {
    int fd;
    uint64_t known; /* the rights that the kernel knows */
};

static void allow(const struct rules *rules, const char *path, uint64_t rights) {
    struct stat about;
    struct landlock_path_beneath_attr rule = {.parent_fd = open(path, O_PATH | O_CLOEXEC)};
    if (rule.parent_fd < 0)
        return;
    if (fstat(rule.parent_fd, &about) == 0) {
        rule.allowed_access = rights & rules->known & (S_ISDIR(about.st_mode) ? ALL : OF_FILES);
        (void)syscall(SYS_landlock_add_rule, rules->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    }
    close(rule.parent_fd);
}

static void allow_all(const struct rules *rules, const char *const *paths, uint64_t rights) {
    for (; paths && *paths; paths++)
        allow(rules, *paths, rights);
}

static void allow_directory_of(const struct rules *rules, const char *file) {
    char path[PATH_MAX];
    const char *slash = strrchr(file, '/');
    if (!slash || (size_t)(slash - file) >= sizeof path)
        return;
    memcpy(path, file, (size_t)(slash - file));
    path[slash - file] = '\0';
    allow(rules, path, READING);
}

/* The libraries that the program was linked to lie beside those that it opens later. The program's
 * own name is empty in this list; its interpreter executes it. */
static int allow_object(struct dl_phdr_info *object, size_t size, void *context) {
    (void)size;
    const struct rules *rules = context;
    if (object->dlpi_name[0]) {
        allow_directory_of(rules, object->dlpi_name);
        return 0;
    }
    for (int i = 0; i < object->dlpi_phnum; i++)
        if (object->dlpi_phdr[i].p_type == PT_INTERP)
            allow(rules, (const char *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr),
                  EXECUTING);
    return 0;
}

static uint64_t known_rights(int abi) {
    uint64_t rights = ALL;
    if (abi < ABI_TRUNCATE)
        rights &= ~RIGHT_TRUNCATE;
    if (abi < ABI_IOCTL)
        rights &= ~RIGHT_IOCTL;
    return rights;
}

static void allow_everything_needed(const struct rules *rules, const struct sandbox *sandbox) {
    static const char *const SYSTEM[] = {
        "/usr",        "/lib",         "/lib64",    "/etc/ld.so.cache", "/proc", "/sys",
        "/dev/random", "/dev/urandom", "/dev/zero", "/dev/full",        NULL};
    allow_all(rules, SYSTEM, READING);
    allow(rules, "/dev/null", OPENING);
    dl_iterate_phdr(allow_object, (void *)rules);
    allow_all(rules, sandbox->readable, READING);
    allow_all(rules, sandbox->writable, CHANGING);
    allow_all(rules, sandbox->devices, OPENING | READING);
    if (sandbox->starts_itself)
        allow(rules, "/proc/self/exe", EXECUTING);
}

int sandbox_files(const struct sandbox *sandbox) {
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < ABI_MIN)
        return 0;
    struct rules rules = {.known = known_rights(abi)};
    const struct ruleset_attributes attributes = {.files = rules.known,
                                                  .scoped = abi < ABI_SCOPES ? 0 : SCOPE_SIGNAL};
    size_t size = abi < ABI_SCOPES ? sizeof attributes.files : sizeof attributes;
    rules.fd = (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
    if (rules.fd < 0)
        return 0;
    allow_everything_needed(&rules, sandbox);
    bool held = syscall(SYS_landlock_restrict_self, rules.fd, 0) == 0;
    close(rules.fd);
    return held ? abi : 0;
}

struct sandbox_held sandbox_enter(const struct sandbox *sandbox) {
    struct sandbox_held held = {.landlock_abi = sandbox_files(sandbox)};
    held.calls = sandbox_calls(sandbox);
    return held;
}
