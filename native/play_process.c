/* Operations on the process itself: limits, identity, privileges, exec. */
#include "play.h"

#include "syscalls.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define CAPABILITIES_MAX 64
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

int do_SETSID(struct player *pl, const struct arg *a)
{
	(void)pl;
	(void)a;
	return setsid() < 0 ? -1 : 0;
}

int do_UMASK(struct player *pl, const struct arg *a)
{
	(void)pl;
	umask((mode_t)a[0].number);
	return 0;
}

int do_RLIMIT(struct player *pl, const struct arg *a)
{
	struct {
		uint64_t soft, hard;
	} limit = {a[1].number, a[2].number};

	(void)pl;
	return (int)syscall(SYS_prlimit64, 0, a[0].number, &limit, NULL);
}

int do_PERSONALITY(struct player *pl, const struct arg *a)
{
	(void)pl;
	return personality(a[0].number) < 0 ? -1 : 0;
}

int do_SCHEDULER(struct player *pl, const struct arg *a)
{
	struct { /* sched_setattr(2) */
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = {
		.size = sizeof attr,
		.policy = (uint32_t)a[0].number,
		.flags = a[3].number,
		.nice = (int32_t)a[1].number,
		.priority = (uint32_t)a[2].number,
		.runtime = a[4].number,
		.deadline = a[5].number,
		.period = a[6].number,
	};

	(void)pl;
	return (int)syscall(SYS_sched_setattr, 0, &attr, 0);
}

int do_IOPRIO(struct player *pl, const struct arg *a)
{
	(void)pl;
	return (int)syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, a[0].number);
}

int do_DUMPABLE(struct player *pl, const struct arg *a)
{
	(void)pl;
	return prctl(PR_SET_DUMPABLE, a[0].number, 0, 0, 0);
}

/* A parent that has died already sends no signal. getppid(2) does not tell: in a new PID namespace the parent is 0, dead
 * or alive. The other end of the report socket is the parent's alone, and closes with it. */
int do_PDEATHSIG(struct player *pl, const struct arg *a)
{
	char byte;
	if (prctl(PR_SET_PDEATHSIG, a[0].number, 0, 0, 0) != 0)
		return -1;
	if (a[0].number != 0 && pl->report_fd >= 0 && recv(pl->report_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
		errno = ESRCH;
		return -1;
	}
	return 0;
}

int do_CHDIR(struct player *pl, const struct arg *a)
{
	if (chdir(text(&a[0])) != 0)
		return -1;
	/* "(unreachable)/..." for a directory that is not below this root: reached through a descriptor or link
	 * that came in from outside. */
	if (sys_getcwd(pl->scratch, PATH_MAX) < 0)
		return -1;
	if (pl->scratch[0] != '/') {
		errno = EXDEV;
		return -1;
	}
	return 0;
}

/* keyrings(7): a session keyring is inherited, so without one of its own a container shares the runtime's with every
 * other. Without a name, for one with a name can be joined. A kernel without keys has none to share, and where a
 * filter keeps us from keyctl it keeps the container from it. */
int do_SESSION_KEYRING(struct player *pl, const struct arg *a)
{
	(void)pl;
	(void)a;
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0 || errno == ENOSYS || errno == EPERM)
		return 0;
	return -1;
}

int do_NO_NEW_PRIVS(struct player *pl, const struct arg *a)
{
	(void)pl;
	(void)a;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int do_BOUNDING(struct player *pl, const struct arg *a)
{
	(void)pl;
	for (unsigned cap = 0; cap < CAPABILITIES_MAX; cap++) {
		if (a[0].number >> cap & 1)
			continue;
		int held = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
		if (held < 0 && errno == EINVAL)
			return 0; /* past the last capability this kernel knows */
		if (held > 0 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
			return -1;
	}
	return 0;
}

int do_USER(struct player *pl, const struct arg *a)
{
	(void)pl;
	if (sys_setgroups(a[2].len / 4, (const uint32_t *)(const void *)a[2].data) != 0 ||
	    sys_setresgid((uint32_t)a[1].number) != 0)
		return -1;
	/* Permitted capabilities outlive the change of uid until CAPS says what stays. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || sys_setresuid((uint32_t)a[0].number) != 0)
		return -1;
	return prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
}

/* The owner of what is made, and whom the kernel takes the writer of a namespace's sysctl for. An effective user who is
 * not root has no effective capabilities (capabilities(7)); they are taken back, for the real one still is root. */
int do_EFFECTIVE_IDS(struct player *pl, const struct arg *a)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	(void)pl;
	if (syscall(SYS_setresgid, -1, (uint32_t)a[1].number, -1) != 0 ||
	    syscall(SYS_setresuid, -1, (uint32_t)a[0].number, -1) != 0 || syscall(SYS_capget, &header, data) != 0)
		return -1;
	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted;
	return (int)syscall(SYS_capset, &header, data);
}

int do_CAPS(struct player *pl, const struct arg *a)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	(void)pl;
	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(a[0].number >> (32 * i));
		data[i].permitted = (uint32_t)(a[1].number >> (32 * i));
		data[i].inheritable = (uint32_t)(a[2].number >> (32 * i));
	}
	return (int)syscall(SYS_capset, &header, data);
}

int do_AMBIENT(struct player *pl, const struct arg *a)
{
	(void)pl;
	for (unsigned cap = 0; cap < CAPABILITIES_MAX; cap++)
		if ((a[0].number >> cap & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) != 0)
			return -1;
	return 0;
}

int do_SECCOMP(struct player *pl, const struct arg *a)
{
	struct sock_fprog program = {
		.len = (unsigned short)(a[1].len / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)a[1].data, /* the kernel only reads it */
	};

	(void)pl;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, a[0].number, &program);
}

/* The listener has to reach somebody outside, and the filter that has just come into force need not let us send it. So
 * another process that shares our descriptors and our memory, but not the filter, waits for its number and sends it. */
struct courier {
	volatile int listener; /* -1: not there yet, -2: there is none */
	int report_fd;
	struct plan_failure here;
	char stack[16384] __attribute__((aligned(16)));
};

static int send_listener(void *given)
{
	struct courier *c = given;
	char space[CMSG_SPACE(sizeof(int))];
	struct iovec data = {.iov_base = &c->here, .iov_len = sizeof c->here};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};

	while (c->listener == -1)
		syscall(SYS_sched_yield);
	if (c->listener < 0)
		return 0;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int fd = c->listener;
	memset(space, 0, sizeof space);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(header), &fd, sizeof fd);
	sendmsg(c->report_fd, &message, MSG_NOSIGNAL);
	c->here.err = 0;
	return 0;
}

int do_SECCOMP_NOTIFY(struct player *pl, const struct arg *a)
{
	struct sock_fprog program = {
		.len = (unsigned short)(a[1].len / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)a[1].data, /* the kernel only reads it */
	};

	if (pl->report_fd < 0) {
		errno = ENOTCONN;
		return -1;
	}
	struct courier *c = mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (c == MAP_FAILED)
		return -1;
	c->listener = -1;
	c->report_fd = pl->report_fd;
	c->here = (struct plan_failure){.index = pl->index, .err = 0};
	/* Nobody's child to wait for: it ends before anyone could notice, and its parent's end is not its own. */
	int pid = clone(send_listener, c->stack + sizeof c->stack, CLONE_VM | CLONE_FILES | CLONE_PARENT, c);
	if (pid < 0)
		return -1;
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, a[0].number | SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	c->listener = fd < 0 ? -2 : (int)fd;
	return fd < 0 ? -1 : 0;
}

int do_WAIT(struct player *pl, const struct arg *a)
{
	struct plan_failure here = {.index = pl->index, .err = 0};
	char go = 0;
	ssize_t n = 0;

	(void)a;
	if (pl->report_fd < 0) {
		errno = ENOTCONN;
		return -1;
	}
	if (send(pl->report_fd, &here, sizeof here, MSG_NOSIGNAL) < 0)
		return -1;
	do
		n = recv(pl->report_fd, &go, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		_exit(0); /* the parent has gone, or thought better of it */
	return n < 0 ? -1 : 0;
}

/* The one who made us has written down who we are; nobody has to be there until somebody starts us, and whoever begins to do
 * so may die half-way. So a connection counts only once its byte has come, and until then there may be others. */
int do_GATE(struct player *pl, const struct arg *a)
{
	struct plan_failure here = {.index = pl->index, .err = 0};
	int listening = player_fd(pl, &a[0]);

	if (do_WAIT(pl, a) != 0)
		return -1;
	for (;;) {
		AUTO_FD caller = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
		char go = 0;
		ssize_t n = 0;

		if (caller < 0 && errno != EINTR && errno != ECONNABORTED)
			return -1;
		if (caller < 0 || send(caller, &here, sizeof here, MSG_NOSIGNAL) < 0)
			continue;
		do
			n = recv(caller, &go, 1, 0);
		while (n < 0 && errno == EINTR);
		if (n == 1)
			return dup3(caller, pl->report_fd, O_CLOEXEC) < 0 ? -1 : 0;
	}
}

/* Pointers to the strings of a vector, and a NULL. The end of what was written. */
static char **point_at(char **out, const struct arg *vector)
{
	char *s = (char *)vector->data; /* execve(2) only reads them */

	for (uint64_t i = 0; i < vector->number; i++, s += strlen(s) + 1)
		*out++ = s;
	*out++ = NULL;
	return out;
}

static const char *search_path(char *const *env)
{
	for (; *env != NULL; env++)
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	return DEFAULT_PATH;
}

/* What execve would say of a file, as far as that can be said beforehand. */
static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return -1;
	errno = EACCES;
	return S_ISREG(st.st_mode) && syscall(SYS_faccessat, AT_FDCWD, path, X_OK) == 0 ? 0 : -1;
}

/* As execvp(3), with the PATH of the program's own environment; errno says EACCES if something was found that may not
 * be executed, else ENOENT. */
static int exec_search(struct player *pl, const char *name, char **argv, char **env, int look_only)
{
	const char *dir = search_path(env), *end = NULL;
	size_t name_len = strlen(name);
	int err = ENOENT;

	for (;; dir = end + 1) {
		end = strchrnul(dir, ':');
		size_t n = (size_t)(end - dir);
		if (n > 0 && n + name_len + 2 <= PATH_MAX) {
			memcpy(pl->scratch, dir, n);
			pl->scratch[n] = '/';
			memcpy(pl->scratch + n + 1, name, name_len + 1);
			if (look_only ? executable(pl->scratch) == 0 : execve(pl->scratch, argv, env) == 0)
				return 0;
			if (errno == EACCES)
				err = EACCES;
			else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != ENAMETOOLONG)
				return -1;
		}
		if (*end == '\0')
			break;
	}
	errno = err;
	return -1;
}

/* Nothing of ours reaches the program, whatever a library opened (CVE-2024-21626). An operation of its own because the
 * filter that is loaded before EXEC need not allow it. */
int do_CLOSE_ON_EXEC(struct player *pl, const struct arg *a)
{
	(void)pl;
	return sys_close_range(3 + (unsigned)a[0].number, ~0u, CLOSE_RANGE_CLOEXEC);
}

/* Before the process can be seen by whoever might take its descriptors (pidfd_getfd(2)). The report stays. */
int do_CLOSE_FDS(struct player *pl, const struct arg *a)
{
	(void)a;
	for (size_t i = 0; i < PLAN_MAX_FDS; i++)
		pl->fds[i] = -1;
	for (size_t i = 0; i < PLAN_SLOTS; i++)
		pl->slots[i] = -1;
	pl->null_fd = pl->empty_fd = -1;
	unsigned report = pl->report_fd < 0 ? 2 : (unsigned)pl->report_fd;
	if (report > 3 && sys_close_range(3, report - 1, 0) != 0)
		return -1;
	return sys_close_range(report + 1, ~0u, 0);
}

int do_PROGRAM(struct player *pl, const struct arg *a)
{
	char **env = pl->pointers;

	point_at(env, &a[1]);
	if (strchr(text(&a[0]), '/') == NULL)
		return exec_search(pl, text(&a[0]), NULL, env, 1);
	return executable(text(&a[0]));
}

int do_EXEC(struct player *pl, const struct arg *a)
{
	char **argv = pl->pointers, **env = point_at(argv, &a[1]);

	point_at(env, &a[2]);
	if (strchr(text(&a[0]), '/') == NULL)
		return exec_search(pl, text(&a[0]), argv, env, 0);
	return execve(text(&a[0]), argv, env);
}
