/* The plan: a program of system calls, compiled by pyrt.launch and played here between clone3 and execve.
 *
 * A plan arrives as one flat buffer (plan_ops.h says what each operation's payload is). plan_decode checks
 * every length and index once; after that, playing takes no decision and allocates nothing. When an operation fails
 * the player answers (index, errno) and the daemon, which still has the plan, says in words what that operation was.
 *
 * File descriptors travel beside the buffer (SCM_RIGHTS, or the caller's own); operations name them by their
 * place in the table.
 */
#ifndef PYRT_PLAN_H
#define PYRT_PLAN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PLAN_NO_FD UINT32_MAX
#define PLAN_MAX_FDS 64
#define PLAN_MAX_BYTES (1u << 20)

struct plan {
	const unsigned char *buf; /* borrowed: outlives the plan */
	size_t len;
	uint64_t clone_flags;  /* new namespaces of the child, CLONE_NEW* */
	uint32_t cgroup_fd;    /* index of a cgroup v2 directory for CLONE_INTO_CGROUP, or PLAN_NO_FD */
	uint32_t pidns_fd;     /* index of a PID namespace (or a pidfd) the child is born into, or PLAN_NO_FD */
	uint32_t op_count;
	size_t first_op;       /* offset in buf */
};

/* Where a plan stopped. index == op_count means: before the first operation (clone3 itself, setns of pidns_fd). */
struct plan_failure {
	uint32_t index;
	int32_t err;
};

/* 0, or -1 with errno EBADMSG (malformed; *where gets the offset of the offence if where is not NULL). */
int plan_decode(struct plan *p, const void *buf, size_t len, size_t *where);

/* Play in the calling process. 0, or -1 with *why filled in. A plan that ends in EXEC does not return on success. */
int plan_play(const struct plan *p, const int *fds, size_t nfds, struct plan_failure *why);

/* The child that plays a plan. */
struct plan_child {
	pid_t pid;      /* as seen by the caller */
	int pidfd;      /* close-on-exec */
	int report_fd;  /* non-blocking, close-on-exec. Reads EOF after a successful execve, or one struct plan_failure */
};

/* clone3 a child that plays p with stdin, stdout, stderr = stdio[0..2] (-1: /dev/null) and every signal at its
 * default. Never waits for the child. 0, or -1 with errno. The caller reaps child->pid. */
int plan_spawn(const struct plan *p, const int *fds, size_t nfds, const int stdio[3], struct plan_child *child);

#endif
