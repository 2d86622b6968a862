/* Inside the player. One function an operation, do_NAME, in the file of its subject (play_*.c); each answers 0, or -1
 * with errno, and leaves no descriptor open but those it puts into a slot. Only async-signal-safe calls: the player
 * also runs in the child of a multi-threaded process. */
#ifndef PYRT_PLAY_H
#define PYRT_PLAY_H

#include "plan_wire.h"

#include <sys/types.h>

struct player {
	int fds[PLAN_MAX_FDS];
	int slots[PLAN_SLOTS]; /* -1: empty */
	int report_fd;         /* -1: nobody listens (plan_play) */
	const volatile pid_t *born; /* BIRTH: where the kernel writes the new process's id for the parent; NULL when there is none */
	uint32_t index;        /* of the operation being played */
	int null_fd;           /* MASK: O_PATH of the host's /dev/null, or -1 */
	int empty_fd;          /* MASK: the empty tmpfs, mounted, or -1 */
	char **pointers;       /* the arena: room for every pointer of argv and envp with their ends */
	char *scratch;         /* the arena: PLAY_SCRATCH bytes */
};

#define PLAY_SCRATCH 16384u

/* A descriptor that is closed when its variable goes out of scope; -1 is none. */
#define AUTO_FD __attribute__((cleanup(close_fd))) int
void close_fd(const int *fd);

/* The descriptor, which then is no longer the variable's to close. */
static inline int keep_fd(int *fd)
{
	int kept = *fd;
	*fd = -1;
	return kept;
}

/* The descriptor an argument means: AT_FDCWD for PLAN_HOST, -1 (no descriptor has it) for what is not open. */
int player_fd(const struct player *pl, const struct arg *ref);
void player_fill(struct player *pl, const struct arg *slot, int fd);

static inline const char *text(const struct arg *a)
{
	return (const char *)a->data;
}

/* Play every operation; used by plan_play and by the child of plan_spawn. */
int player_run(const struct plan *p, const int *fds, int report_fd, const volatile pid_t *born, struct plan_failure *why);

/* play_spawn.c: clone3, into the PID namespace (or that of the pidfd) pidns_fd unless it is -1. */
struct clone_args;
pid_t clone_into(struct clone_args *args, int pidns_fd);

/* play_mount.c: attach a detached tree at what target holds; a copy of the mount that fd leads to. */
int attach_tree(int tree, int target);
int clone_tree(int fd, int recursive);

/* play_path.c. at is a directory that bounds the path, or AT_FDCWD for an absolute path of the current root. */
int path_open(int at, const char *path, uint64_t flags);
enum path_kind { PATH_EXISTING, PATH_DIRECTORY, PATH_FILE };
/* O_PATH descriptor of path; a missing directory or empty file, and its missing parents, are made first. */
int path_make(int at, const char *path, enum path_kind kind, mode_t mode);
/* O_PATH descriptor of the parent directory; *name gets the last component (inside path). */
int path_parent(int at, const char *path, const char **name);
/* What lies beneath the directory base, links that leave it refused; missing directories made like base if asked. */
int path_beneath(int base, const char *path, int make);

#define X(code, name, signature) int do_##name(struct player *pl, const struct arg *a);
PLAN_OPS(X)
#undef X

#endif
