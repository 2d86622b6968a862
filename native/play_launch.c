/* plan_launch: the child plays its plan in a program of its own. */
#include "play.h"

#include "syscalls.h"

#include <errno.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* Where the child has what: the standard streams, what is preserved, and from LAUNCH_FIRST on these. */
enum { REPORT, PLAN, BORN, TABLE };
#define LIFTED_MAX (TABLE + PLAN_MAX_FDS)

struct launch {
	int program;
	unsigned first;       /* 3 + preserved */
	unsigned count;
	int lifted[LIFTED_MAX]; /* each above everything that is overwritten in the child */
	int stdio[3];
};

static int lift(int fd, unsigned above)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, (int)above);
}

/* From here to execveat: async-signal-safe calls only. */
static int become_player(void *given)
{
	const struct launch *l = given;
	char name[] = "pyrt-init", number[16];
	char *const argv[] = {name, number, NULL}, *const envp[] = {NULL};
	struct plan_failure why = {.index = UINT32_MAX};
	int failed = 0;

	sys_reset_signals();
	(void)snprintf(number, sizeof number, "%u", l->first);
	for (int i = 0; i < 3 && !failed; i++)
		failed = dup2(l->stdio[i], i) < 0;
	for (unsigned i = 0; i < l->count && !failed; i++)
		failed = dup2(l->lifted[i], (int)(l->first + i)) < 0;
	if (!failed && sys_close_range(l->first + l->count, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
		syscall(SYS_execveat, l->program, "", argv, envp, AT_EMPTY_PATH);
	why.err = errno;
	send(l->lifted[REPORT], &why, sizeof why, MSG_NOSIGNAL);
	_exit(127);
}

static void close_all(const int *fds, unsigned n)
{
	int saved = errno;
	for (unsigned i = 0; i < n; i++)
		close_fd(&fds[i]);
	errno = saved;
}

/* Until it executes its program the child runs in our memory, on a stack of its own, and we wait: copying the page tables
 * of an interpreter takes longer than all the rest. Being born into a cgroup takes clone3(2), for which glibc has no
 * function that takes a stack; that one copies. */
static pid_t clone_sharing(uint64_t flags, struct launch *l, int *pidfd)
{
	size_t size = 65536;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (stack == MAP_FAILED)
		return -1;
	pid_t pid = clone(become_player, stack + size, (int)(flags | CLONE_VM | SIGCHLD), l, pidfd);
	int err = errno;
	munmap(stack, size);
	errno = err;
	return pid;
}

static int clone_player(const struct plan *p, const int *fds, struct launch *l, struct plan_child *out)
{
	struct clone_args args = {.flags = p->clone_flags | CLONE_PIDFD | CLONE_VFORK, .exit_signal = SIGCHLD};
	static const uint64_t all = ~(uint64_t)0;
	uint64_t before = 0;
	int pidfd = -1;

	args.pidfd = (uint64_t)(uintptr_t)&pidfd;
	if (p->cgroup_fd != PLAN_NO_FD) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)fds[p->cgroup_fd];
	}
	/* No handler of the caller's may run in the child. */
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
	pid_t pid = -1;
	if (p->cgroup_fd == PLAN_NO_FD && p->pidns_fd == PLAN_NO_FD)
		pid = clone_sharing(args.flags, l, &pidfd);
	else
		pid = clone_into(&args, p->pidns_fd == PLAN_NO_FD ? -1 : fds[p->pidns_fd]);
	if (pid == 0)
		become_player(l);
	int err = errno;
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
	errno = err;
	out->pid = pid;
	out->pidfd = pidfd;
	return pid < 0 ? -1 : 0;
}

static int launch(const struct plan *p, const int *fds, const int stdio[3], int plan_fd, struct launch *l,
                  struct plan_child *out)
{
	int pair[2], result = -1;
	unsigned above = l->first + TABLE + p->fd_count, lifted = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	AUTO_FD ours = pair[0], theirs = pair[1];
	AUTO_FD page = memfd_create("born", MFD_CLOEXEC);
	AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (page < 0 || null < 0 || ftruncate(page, sizeof(pid_t)) != 0 || fcntl(ours, F_SETFL, O_NONBLOCK) != 0)
		return -1;
	if (p->rebirth) {
		void *shared = mmap(NULL, sizeof(pid_t), PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
		if (shared == MAP_FAILED)
			return -1;
		out->born = shared;
	}
	AUTO_FD program = lift(l->program, above);
	const int own[TABLE] = {[REPORT] = theirs, [PLAN] = plan_fd, [BORN] = page};
	for (l->count = TABLE + p->fd_count; lifted < l->count; lifted++) {
		l->lifted[lifted] = lift(lifted < TABLE ? own[lifted] : fds[lifted - TABLE], above);
		if (l->lifted[lifted] < 0)
			break;
	}
	int streams[3];
	unsigned opened = 0;
	for (; opened < 3; opened++) {
		streams[opened] = lift(stdio[opened] < 0 ? null : stdio[opened], above);
		if (streams[opened] < 0)
			break;
	}
	if (program >= 0 && lifted == l->count && opened == 3) {
		l->program = program;
		memcpy(l->stdio, streams, sizeof streams);
		result = clone_player(p, fds, l, out);
	}
	close_all(l->lifted, lifted);
	close_all(streams, opened);
	if (result == 0)
		out->report_fd = keep_fd(&ours);
	return result;
}

int plan_launch(const struct plan *p, const int *fds, size_t nfds, const int stdio[3], int program_fd, int plan_fd,
                unsigned preserved, struct plan_child *child)
{
	struct launch l = {.program = program_fd, .first = 3 + preserved};

	*child = (struct plan_child){.pid = -1, .pidfd = -1, .report_fd = -1};
	if (nfds < p->fd_count || preserved > 1024) {
		errno = EBADF;
		return -1;
	}
	if (launch(p, fds, stdio, plan_fd, &l, child) == 0)
		return 0;
	int err = errno;
	plan_forget_born(child->born);
	child->born = NULL;
	errno = err;
	return -1;
}
