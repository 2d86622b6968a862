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
	uint32_t fd_count;     /* entries of the table that the plan counts on */
	int rebirth;           /* whether there is a BIRTH */
	uint32_t vector_max;   /* strings in EXEC's two vectors together, at most: what the player's arena has to hold */
};

/* Where a plan stopped. index == op_count means: before the first operation (clone3 itself, setns of pidns_fd). */
struct plan_failure {
	uint32_t index;
	int32_t err; /* 0: no failure; operation `index` is a WAIT and has been reached */
};

/* 0, or -1 with errno EBADMSG (malformed; *where gets the offset of the offence if where is not NULL). */
int plan_decode(struct plan *p, const void *buf, size_t len, size_t *where);

/* Play in the calling process. 0, or -1 with *why filled in. A plan that ends in EXEC does not return on success. */
int plan_play(const struct plan *p, const int *fds, size_t nfds, struct plan_failure *why);

/* The child that plays a plan. */
struct plan_child {
	pid_t pid;      /* as seen by the caller */
	int pidfd;      /* close-on-exec */
	int report_fd;  /* a SOCK_SEQPACKET socket, non-blocking, close-on-exec. Reads EOF after a successful execve, or one
	                   struct plan_failure. A plan with a WAIT first reports that it has got there (err 0) and goes on
	                   when one byte is written to the socket; closing it instead ends the child. */
	volatile pid_t *born; /* of a plan with BIRTH, else NULL: the kernel writes the new process's id here before that runs;
	                         0 until then. It is the caller's child too, and pid ends by itself. See plan_forget_born. */
};

/* clone3 a child that plays p with stdin, stdout, stderr = stdio[0..2] (-1: /dev/null) and every signal at its
 * default. The child has no other descriptors than these and the table's. Never waits for the child. 0, or -1 with
 * errno. The caller reaps child->pid. */
int plan_spawn(const struct plan *p, const int *fds, size_t nfds, const int stdio[3], struct plan_child *child);

/* The same by a program of its own: program_fd is native/init_main.c's executable, plan_fd the file that holds the plan of
 * which p is the decoded form. So the child has nothing of the caller's memory, and what it shows of itself as /proc/PID/exe
 * is what the caller passes (a sealed copy). The descriptors 3 to 2 + preserved are left to it as they are. */
int plan_launch(const struct plan *p, const int *fds, size_t nfds, const int stdio[3], int program_fd, int plan_fd,
                unsigned preserved, struct plan_child *child);

/* No more is to be learned from child->born. NULL is fine. */
void plan_forget_born(volatile pid_t *born);

/* Of the operation with this code: its name and the signature of its arguments, or NULL. */
const char *plan_op_name(uint32_t code);
const char *plan_op_signature(uint32_t code);

#endif
