/* seccomp. A list of what is refused, since libtorch, CUDA and the C library are free to use what
 * they like of the rest. The kernel works out once which calls pass whatever their arguments are,
 * and asks the filter only about the others (since 5.11).
 *
 * clone3 hides its flags from a filter: it does not exist here, and the C library falls back on
 * clone, whose flags tell whether it makes a namespace.
 */
#include "server/sandbox.h"

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) /* whose leak check traces the process   \
                                                           */

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { X32_BIT = 0x40000000, CALLS_COUNT_MAX = 128 };

static const uint16_t REFUSED[] = {
    /* other processes */
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise, SYS_kcmp,
    SYS_pidfd_getfd, SYS_perf_event_open,
    /* the file system's shape */
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_open_tree, SYS_move_mount, SYS_fsopen,
    SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_mount_setattr, SYS_open_by_handle_at, SYS_swapon,
    SYS_swapoff, SYS_quotactl, SYS_quotactl_fd, SYS_mknod, SYS_mknodat,
    /* namespaces */
    SYS_unshare, SYS_setns,
    /* the kernel's own programs, keys, modules and rings */
    SYS_bpf, SYS_userfaultfd, SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
    SYS_add_key, SYS_request_key, SYS_keyctl, SYS_init_module, SYS_finit_module, SYS_delete_module,
    SYS_kexec_load, SYS_kexec_file_load,
    /* the machine */
    SYS_reboot, SYS_acct, SYS_syslog, SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime,
    SYS_adjtimex, SYS_sethostname, SYS_setdomainname, SYS_iopl, SYS_ioperm, SYS_modify_ldt,
    SYS_vhangup};
static const uint16_t EXECUTING[] = {SYS_execve, SYS_execveat};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define NUMBER offsetof(struct seccomp_data, nr)
#define ARGUMENT_0 offsetof(struct seccomp_data, args) /* its lower half, on x86-64 */
#define NAMESPACES                                                                                 \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |     \
     CLONE_NEWCGROUP)

struct program {
    struct sock_filter steps[CALLS_COUNT_MAX * 2];
    unsigned short length;
};

static void add(struct program *program, struct sock_filter step) {
    program->steps[program->length++] = step;
}

static void load(struct program *program, uint32_t place) {
    add(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, place));
}

static void finish(struct program *program, uint32_t action) {
    add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* The next `skipped` steps are for where the number is this. */
static void unless(struct program *program, uint32_t number, unsigned char skipped) {
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, skipped));
}

static void refuse(struct program *program, const uint16_t *calls, size_t count) {
    for (size_t i = 0; i < count; i++) {
        unless(program, calls[i], 1);
        finish(program, SECCOMP_RET_ERRNO | EPERM);
    }
}

/* What the C library and drivers use between processes and with the kernel. */
static void refuse_other_sockets(struct program *program) {
    static const uint32_t families[] = {AF_UNIX, AF_NETLINK};
    unless(program, SYS_socket, 2 + 2 * COUNT(families));
    load(program, ARGUMENT_0);
    for (size_t i = 0; i < COUNT(families); i++) {
        unless(program, families[i], 1);
        finish(program, SECCOMP_RET_ALLOW);
    }
    finish(program, SECCOMP_RET_ERRNO | EPERM);
}

static void refuse_namespaces(struct program *program) {
    unless(program, SYS_clone3, 1);
    finish(program, SECCOMP_RET_ERRNO | ENOSYS);
    unless(program, SYS_clone, 4);
    load(program, ARGUMENT_0);
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NAMESPACES, 0, 1));
    finish(program, SECCOMP_RET_ERRNO | EPERM);
    finish(program, SECCOMP_RET_ALLOW);
}

bool sandbox_calls(const struct sandbox *sandbox) {
    struct program program = {.length = 0};
    load(&program, offsetof(struct seccomp_data, arch));
    add(&program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
    finish(&program, SECCOMP_RET_KILL_PROCESS); /* a 32-bit call has numbers of its own */
    load(&program, NUMBER);
    add(&program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
    finish(&program, SECCOMP_RET_ERRNO | ENOSYS);
    refuse(&program, REFUSED, COUNT(REFUSED));
    if (!sandbox->starts_itself)
        refuse(&program, EXECUTING, COUNT(EXECUTING));
    refuse_other_sockets(&program);
    refuse_namespaces(&program);
    finish(&program, SECCOMP_RET_ALLOW);
    const struct sock_fprog filter = {.len = program.length, .filter = program.steps};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) == 0;
}

#else

bool sandbox_calls(const struct sandbox *sandbox) {
    (void)sandbox;
    return false;
}

#endif
