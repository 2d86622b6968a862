/* System calls that glibc 2.31 has no wrapper for, or whose wrapper must not be used between clone3 and execve:
 * glibc's set*id functions signal every thread of the process they believe to be in (nptl(7)), and here the child of a
 * multi-threaded Python is single-threaded and must stay async-signal-safe. All answer -1 with errno. */
#ifndef PYRT_SYSCALLS_H
#define PYRT_SYSCALLS_H

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x04
#define MOVE_MOUNT_T_EMPTY_PATH 0x40
#endif

#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x00100000
#endif

struct pyrt_mount_attr {
	uint64_t attr_set;
	uint64_t attr_clr;
	uint64_t propagation;
	uint64_t userns_fd;
};

static inline int sys_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
	return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

static inline int sys_open_tree(int dirfd, const char *path, unsigned flags)
{
	return (int)syscall(SYS_open_tree, dirfd, path, flags);
}

static inline int sys_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned flags)
{
	return (int)syscall(SYS_move_mount, from, from_path, to, to_path, flags);
}

static inline int sys_fsopen(const char *type, unsigned flags)
{
	return (int)syscall(SYS_fsopen, type, flags);
}

static inline int sys_fsconfig(int fd, unsigned cmd, const char *key, const void *value, int aux)
{
	return (int)syscall(SYS_fsconfig, fd, cmd, key, value, aux);
}

static inline int sys_fsmount(int fd, unsigned flags, unsigned attr)
{
	return (int)syscall(SYS_fsmount, fd, flags, attr);
}

static inline int sys_mount_setattr(int dirfd, const char *path, unsigned flags, struct pyrt_mount_attr *attr)
{
	return (int)syscall(SYS_mount_setattr, dirfd, path, flags, attr, sizeof *attr);
}

static inline int sys_pivot_root(const char *new_root, const char *put_old)
{
	return (int)syscall(SYS_pivot_root, new_root, put_old);
}

static inline pid_t sys_clone3(struct clone_args *args)
{
	return (pid_t)syscall(SYS_clone3, args, sizeof *args);
}

static inline int sys_pidfd_open(pid_t pid, unsigned flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

static inline int sys_pidfd_send_signal(int pidfd, int signal)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

static inline int sys_close_range(unsigned first, unsigned last, unsigned flags)
{
	return (int)syscall(SYS_close_range, first, last, flags);
}

static inline int sys_setgroups(size_t n, const uint32_t *groups)
{
	return (int)syscall(SYS_setgroups, n, groups);
}

static inline int sys_setresgid(uint32_t gid)
{
	return (int)syscall(SYS_setresgid, gid, gid, gid);
}

static inline int sys_setresuid(uint32_t uid)
{
	return (int)syscall(SYS_setresuid, uid, uid, uid);
}

/* getcwd(2) itself: glibc's hides an answer of "(unreachable)/..." behind a slow search. Bytes with the NUL, or -1. */
static inline long sys_getcwd(char *buf, size_t size)
{
	return syscall(SYS_getcwd, buf, size);
}

/* Every signal at its default and none blocked: what a program may expect at its start. The raw call, because glibc's
 * refuses the two signals that it keeps for itself, and CPython ignores SIGPIPE and SIGXFSZ, which execve would
 * pass on. */
static inline void sys_reset_signals(void)
{
	/* struct sigaction as the kernel has it: handler, flags, restorer, mask; all zero is SIG_DFL. */
	static const unsigned long defaults[4];
	static const uint64_t none;

	for (int signal = 1; signal <= 64; signal++)
		syscall(SYS_rt_sigaction, signal, defaults, NULL, sizeof none); /* EINVAL for SIGKILL and SIGSTOP */
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
}

#endif
