/* plan_spawn: the child, from clone3 to the first operation. */
#include "play.h"

#include "syscalls.h"

#include <errno.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define KEPT_MAX (PLAN_MAX_FDS + 1)

/* The same file under a number above the standard streams. The old number is overwritten or closed later. */
static int lift(int fd)
{
	return fd >= 0 && fd < 3 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : fd;
}

static int standard_streams(const int stdio[3])
{
	AUTO_FD null = -1;
	int from[3];

	for (int i = 0; i < 3; i++) {
		from[i] = lift(stdio[i]);
		if (from[i] < 0 && stdio[i] >= 0)
			return -1;
		if (from[i] < 0 && null < 0) {
			null = lift(open("/dev/null", O_RDWR | O_CLOEXEC));
			if (null < 0)
				return -1;
		}
		if (from[i] < 0)
			from[i] = null;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(from[i], i) < 0)
			return -1;
	return 0;
}

/* Close everything from 3 on that is not in the list: the parent's listening sockets and logs are no business of a
 * process that is about to enter a container. */
static int close_others(int *kept, size_t n)
{
	unsigned next = 3;

	for (size_t i = 1; i < n; i++)
		for (size_t j = i; j > 0 && kept[j] < kept[j - 1]; j--) {
			int swap = kept[j];
			kept[j] = kept[j - 1];
			kept[j - 1] = swap;
		}
	for (size_t i = 0; i < n; i++) {
		if (kept[i] < (int)next)
			continue;
		if ((unsigned)kept[i] > next && sys_close_range(next, (unsigned)kept[i] - 1, 0) != 0)
			return -1;
		next = (unsigned)kept[i] + 1;
	}
	return sys_close_range(next, ~0u, 0);
}

static int settle(const struct plan *p, const int *fds, const int stdio[3], int *table, int *report_fd)
{
	int kept[KEPT_MAX];

	*report_fd = lift(*report_fd);
	if (*report_fd < 0)
		return -1;
	for (uint32_t i = 0; i < p->fd_count; i++) {
		table[i] = lift(fds[i]);
		if (table[i] < 0 && fds[i] >= 0)
			return -1;
		kept[i] = table[i];
	}
	kept[p->fd_count] = *report_fd;
	if (standard_streams(stdio) != 0)
		return -1;
	return close_others(kept, p->fd_count + 1);
}

static _Noreturn void child(const struct plan *p, const int *fds, const int stdio[3], int report_fd, volatile pid_t *born)
{
	int table[PLAN_MAX_FDS];
	struct plan_failure why = {.index = p->op_count};

	sys_reset_signals();
	if (settle(p, fds, stdio, table, &report_fd) != 0)
		why.err = errno;
	else if (player_run(p, table, report_fd, born, &why) == 0)
		_exit(0); /* a plan without EXEC */
	send(report_fd, &why, sizeof why, MSG_NOSIGNAL);
	_exit(127);
}

/* clone3, born into the PID namespace that pidns_fd refers to. setns(2) with a PID namespace only changes where the
 * calling thread's next children go. */
pid_t clone_into(struct clone_args *args, int pidns_fd)
{
	AUTO_FD self = -1;
	pid_t pid = -1;

	if (pidns_fd < 0)
		return sys_clone3(args);
	self = sys_pidfd_open(getpid(), 0);
	if (self < 0 || setns(pidns_fd, CLONE_NEWPID) != 0)
		return -1;
	pid = sys_clone3(args);
	/* In the child the way back is closed to it, and it has no need of it. In the parent every later child would be
	 * born in a container: better to die. */
	if (pid != 0 && setns(self, CLONE_NEWPID) != 0)
		abort();
	return pid;
}

/* A page that parent and child both see, for one number. */
static volatile pid_t *share_page(void)
{
	void *page = mmap(NULL, sizeof(pid_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return page == MAP_FAILED ? NULL : page;
}

void plan_forget_born(volatile pid_t *born)
{
	if (born != NULL)
		munmap((void *)(uintptr_t)born, sizeof *born);
}

/* The plan goes on in a new process; this one ends. What was done before was done outside of the PID namespace, where
 * nobody of that could see it. clone(2) and not clone3, which filters commonly forbid: a filter may be in force. The kernel
 * writes the new process's id before that can run, and so before anyone can be told of its end. */
int do_BIRTH(struct player *pl, const struct arg *a)
{
	if (pl->born == NULL) {
		errno = ENOTCONN;
		return -1;
	}
	/* With CLONE_PARENT the signal at its end is the one of ours. The first three arguments have one order everywhere. */
	long pid = syscall(SYS_clone, a[0].number | CLONE_PARENT | CLONE_PARENT_SETTID, NULL, pl->born, NULL, NULL);
	if (pid > 0)
		_exit(0);
	return (int)pid;
}

static int spawn(const struct plan *p, const int *fds, const int stdio[3], struct plan_child *out)
{
	int pair[2], pidfd = -1;
	struct clone_args args = {.flags = p->clone_flags | CLONE_PIDFD, .exit_signal = SIGCHLD};

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	AUTO_FD ours = pair[0], theirs = pair[1];
	if (fcntl(ours, F_SETFL, O_NONBLOCK) != 0)
		return -1;
	args.pidfd = (uint64_t)(uintptr_t)&pidfd;
	if (p->cgroup_fd != PLAN_NO_FD) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)fds[p->cgroup_fd];
	}
	pid_t pid = clone_into(&args, p->pidns_fd == PLAN_NO_FD ? -1 : fds[p->pidns_fd]);
	if (pid < 0)
		return -1;
	if (pid == 0)
		child(p, fds, stdio, theirs, out->born);
	out->pid = pid;
	out->pidfd = pidfd;
	out->report_fd = keep_fd(&ours);
	return 0;
}

int plan_spawn(const struct plan *p, const int *fds, size_t nfds, const int stdio[3], struct plan_child *out)
{
	if (nfds < p->fd_count) {
		errno = EBADF;
		return -1;
	}
	volatile pid_t *born = NULL;
	if (p->rebirth && (born = share_page()) == NULL)
		return -1;
	*out = (struct plan_child){.pid = -1, .pidfd = -1, .report_fd = -1, .born = born};
	if (spawn(p, fds, stdio, out) == 0)
		return 0;
	int err = errno;
	plan_forget_born(born);
	errno = err;
	return -1;
}
