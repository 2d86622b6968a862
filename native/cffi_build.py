"""Writes the C source of the extension ``pyrt._native._cffi`` (cffi, API mode: the C compiler checks every
declaration).
"""

import sys
from pathlib import Path

from cffi import FFI

DECLARATIONS = """
#define PLAN_MAX_FDS ...
#define PLAN_MAX_BYTES ...
#define PLAN_OP_LIMIT ...
#define PLAN_VERSION ...
#define SPAWN_SETSID ...
#define SPAWN_MAX_FDS ...

typedef int... pid_t;

struct plan { uint32_t op_count; uint32_t fd_count; ...; };
struct plan_failure { uint32_t index; int32_t err; };
struct plan_child { pid_t pid; int pidfd; int report_fd; volatile pid_t *born; };
struct pyrt_mount_attr { uint64_t attr_set; uint64_t attr_clr; uint64_t propagation; uint64_t userns_fd; };

int plan_decode(struct plan *p, const void *buf, size_t len, size_t *where);
int plan_play(const struct plan *p, const int *fds, size_t nfds, struct plan_failure *why);
int plan_spawn(const struct plan *p, const int *fds, size_t nfds, const int *stdio, struct plan_child *child);
int plan_launch(const struct plan *p, const int *fds, size_t nfds, const int *stdio, int program_fd, int plan_fd,
                unsigned preserved, struct plan_child *child);
void plan_forget_born(volatile pid_t *born);
const char *plan_op_name(uint32_t code);
const char *plan_op_signature(uint32_t code);

int spawn_program(const char *path, char *const argv[], char *const envp[], const int *fds, const int *targets,
size_t n,
                  unsigned flags, int cgroup_fd, pid_t *pid, int *pidfd);

int path_beneath(int base, const char *path, int make);

int remove_tree(const char *path);

struct errand *errand_begin(const char *steps, size_t len);
struct errand *errand_begin_files(const char *steps, size_t len, unsigned attributes);
int errand_wait(struct errand *e, int *fd);

struct tree_usage { uint64_t bytes; uint64_t inodes; };
int tree_usage(const char *path, struct tree_usage *found);
int tree_set_group(const char *path, uint32_t gid, int readonly);

static pid_t pyrt_fork_into(uint64_t flags, int cgroup_fd, int *pidfd);
int unshare(int flags);
int setns(int fd, int flags);
static int sys_pidfd_open(pid_t pid, unsigned flags);
static int sys_pidfd_send_signal(int pidfd, int signal);
static int pyrt_pidfd_wait(int pidfd, int options, int *status);
static int pyrt_set_subreaper(void);
static int sys_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
static int sys_open_tree(int dirfd, const char *path, unsigned flags);
static int sys_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned flags);
static int sys_fsopen(const char *type, unsigned flags);
static int sys_fsconfig(int fd, unsigned cmd, const char *key, const void *value, int aux);
static int sys_fsmount(int fd, unsigned flags, unsigned attr);
static int sys_mount_setattr(int dirfd, const char *path, unsigned flags, struct pyrt_mount_attr *attr);
static int sys_pivot_root(const char *new_root, const char *put_old);
static int sys_close_range(unsigned first, unsigned last, unsigned flags);
static int pyrt_bpf_load_device(const void *instructions, uint32_t count);
static int pyrt_bpf_attach_device(int cgroup_fd, int program_fd);
int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
int umount2(const char *target, int flags);
"""

SOURCE = """
#include "errand.h"
#include "plan.h"
#include "plan_ops.h"
#include "play.h"
#include "program.h"
#include "remove_tree.h"
#include "syscalls.h"
#include "walk_tree.h"
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* clone3 as fork with new namespaces; the caller is single-threaded (a tool or a test), for Python runs on in the
child. */ static pid_t pyrt_fork_into(uint64_t flags, int cgroup_fd, int *pidfd)
{
    struct clone_args args = {.flags = flags | CLONE_PIDFD, .exit_signal = SIGCHLD};

    args.pidfd = (uint64_t)(uintptr_t)pidfd;
    if (cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup_fd;
    }
    return sys_clone3(&args);
}

/* bpf(2): a program that decides about access to devices; its descriptor. */
static int pyrt_bpf_load_device(const void *instructions, uint32_t count)
{
    static const char license[] = ""; /* calls no helper of the kernel's */
    union bpf_attr attr;

    memset(&attr, 0, sizeof attr);
    attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attr.insns = (uint64_t)(uintptr_t)instructions;
    attr.insn_cnt = count;
    attr.license = (uint64_t)(uintptr_t)license;
    return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
}

static int pyrt_bpf_attach_device(int cgroup_fd, int program_fd)
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof attr);
    attr.target_fd = (uint32_t)cgroup_fd;
    attr.attach_bpf_fd = (uint32_t)program_fd;
    attr.attach_type = BPF_CGROUP_DEVICE;
    attr.attach_flags = BPF_F_ALLOW_MULTI;
    return (int)syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof attr);
}

static int pyrt_set_subreaper(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

/* waitid(P_PIDFD): 1 with *status as wait(2) gives it, 0 if WNOHANG found it running, -1. */
static int pyrt_pidfd_wait(int pidfd, int options, int *status)
{
    siginfo_t info = {.si_pid = 0};

    if (waitid(P_PIDFD, (id_t)pidfd, &info, options | WEXITED) != 0)
        return -1;
    if (info.si_pid == 0)
        return 0;
    *status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8
            : info.si_status | (info.si_code == CLD_DUMPED ? 0x80 : 0);
    return 1;
}
"""


def main() -> None:
    """Write the C source to the path in the first argument."""
    ffi = FFI()
    ffi.cdef(DECLARATIONS)
    ffi.set_source("pyrt._native._cffi", SOURCE)
    ffi.emit_c_code(str(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
