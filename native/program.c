#include "program.h"

#include "syscalls.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

/* The descriptors above every target, so that no dup2 in the child overwrites a source that is still needed. */
static int lift_all(const int *fds, const int *targets, size_t n, int *lifted)
{
	int above = 3;

	for (size_t i = 0; i < n; i++)
		above = targets[i] >= above ? targets[i] + 1 : above;
	for (size_t i = 0; i < n; i++) {
		lifted[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, above);
		if (lifted[i] < 0) {
			int saved = errno;
			while (i-- > 0)
				close(lifted[i]);
			errno = saved;
			return -1;
		}
	}
	return 0;
}

static int spawn_with(const char *path, char *const argv[], char *const envp[], const int *lifted, const int *targets,
                      size_t n, unsigned flags, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t all, none;
	int err = posix_spawn_file_actions_init(&actions);

	if (err != 0)
		return err;
	err = posix_spawnattr_init(&attr);
	if (err != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return err;
	}
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, (short)(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
	                                        (flags & SPAWN_SETSID ? POSIX_SPAWN_SETSID : 0)));
	for (size_t i = 0; i < n && err == 0; i++)
		err = posix_spawn_file_actions_adddup2(&actions, lifted[i], targets[i]);
	if (err == 0)
		err = posix_spawn(pid, path, &actions, &attr, argv, envp);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

/* In the child of spawn_into: from here to execve, async-signal-safe calls only. */
static _Noreturn void become(const char *path, char *const argv[], char *const envp[], const int *lifted,
                             const int *targets, size_t n, unsigned flags, int report_fd)
{
	int failed = 0;

	sys_reset_signals();
	if (flags & SPAWN_SETSID)
		failed = setsid() < 0;
	for (size_t i = 0; i < n && !failed; i++)
		failed = dup2(lifted[i], targets[i]) < 0;
	if (!failed)
		execve(path, argv, envp);
	failed = errno;
	if (write(report_fd, &failed, sizeof failed) < 0) {
		/* The parent has gone; nobody is left to tell. */
	}
	_exit(127);
}

/* posix_spawn knows nothing of cgroups, and moving a process later waits for the whole machine (an RCU grace period).
 * So this one copies the page tables, which costs about a millisecond. An errno, 0 for success. */
static int spawn_into(int cgroup_fd, const char *path, char *const argv[], char *const envp[], const int *lifted,
                      const int *targets, size_t n, unsigned flags, pid_t *pid)
{
	struct clone_args args = {
		.flags = CLONE_VFORK | CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup_fd};
	static const uint64_t all = ~(uint64_t)0;
	uint64_t before = 0;
	int report[2], failed = 0;

	if (pipe2(report, O_CLOEXEC) != 0)
		return errno;
	/* Above the targets, as the others are. */
	int above = n > 0 ? lifted[0] : 3, told = fcntl(report[1], F_DUPFD_CLOEXEC, above);
	close(report[1]);
	if (told < 0) {
		failed = errno;
		close(report[0]);
		return failed;
	}
	/* No handler of this process's may run in the child. */
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
	*pid = sys_clone3(&args);
	if (*pid == 0)
		become(path, argv, envp, lifted, targets, n, flags, told);
	failed = *pid < 0 ? errno : 0;
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
	close(told);
	if (*pid > 0 && read(report[0], &failed, sizeof failed) == (ssize_t)sizeof failed)
		waitpid(*pid, NULL, 0);
	close(report[0]);
	return failed;
}

int spawn_program(const char *path, char *const argv[], char *const envp[], const int *fds, const int *targets, size_t n,
                  unsigned flags, int cgroup_fd, pid_t *pid, int *pidfd)
{
	int lifted[SPAWN_MAX_FDS], err = 0;

	if (n > SPAWN_MAX_FDS) {
		errno = E2BIG;
		return -1;
	}
	if (lift_all(fds, targets, n, lifted) != 0)
		return -1;
	err = cgroup_fd < 0 ? spawn_with(path, argv, envp, lifted, targets, n, flags, pid)
	                    : spawn_into(cgroup_fd, path, argv, envp, lifted, targets, n, flags, pid);
	for (size_t i = 0; i < n; i++)
		close(lifted[i]);
	if (err == 0) {
		*pidfd = sys_pidfd_open(*pid, 0);
		return *pidfd < 0 ? -1 : 0;
	}
	errno = err;
	return -1;
}
