#include "program.h"

#include "syscalls.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>

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

int spawn_program(const char *path, char *const argv[], char *const envp[], const int *fds, const int *targets, size_t n,
                  unsigned flags, pid_t *pid, int *pidfd)
{
	int lifted[SPAWN_MAX_FDS], err = 0;

	if (n > SPAWN_MAX_FDS) {
		errno = E2BIG;
		return -1;
	}
	if (lift_all(fds, targets, n, lifted) != 0)
		return -1;
	err = spawn_with(path, argv, envp, lifted, targets, n, flags, pid);
	for (size_t i = 0; i < n; i++)
		close(lifted[i]);
	if (err == 0) {
		*pidfd = sys_pidfd_open(*pid, 0);
		return *pidfd < 0 ? -1 : 0;
	}
	errno = err;
	return -1;
}
