/* The player: operation after operation, until one fails or EXEC succeeds. */
#include "play.h"

#include "syscalls.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static int (*const handlers[PLAN_OP_LIMIT])(struct player *, const struct arg *) = {
#define X(code, name, signature) [code] = do_##name,
	PLAN_OPS(X)
#undef X
};

void close_fd(const int *fd)
{
	int saved = errno;
	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

int player_fd(const struct player *pl, const struct arg *ref)
{
	if (ref->number == PLAN_HOST)
		return AT_FDCWD;
	if (ref->number < PLAN_MAX_FDS)
		return pl->fds[ref->number];
	if (ref->number >= PLAN_SLOT && ref->number < PLAN_SLOT + PLAN_SLOTS)
		return pl->slots[ref->number - PLAN_SLOT];
	return -1;
}

void player_fill(struct player *pl, const struct arg *slot, int fd)
{
	if (slot->number == PLAN_NO_FD) {
		close_fd(&fd);
		return;
	}
	close_fd(&pl->slots[slot->number - PLAN_SLOT]);
	pl->slots[slot->number - PLAN_SLOT] = fd;
}

static int run_operations(const struct plan *p, struct player *pl)
{
	size_t offset = p->first_op;

	for (pl->index = 0; pl->index < p->op_count; pl->index++) {
		struct op op;
		offset = plan_next(p, offset, &op);
		if (offset == 0) {
			errno = EBADMSG; /* the buffer changed since it was decoded */
			return -1;
		}
		if (handlers[op.code](pl, op.args) != 0)
			return -1;
	}
	return 0;
}

int player_run(const struct plan *p, const int *fds, int report_fd, const volatile pid_t *born, struct plan_failure *why)
{
	struct player pl = {.report_fd = report_fd, .born = born, .null_fd = -1, .empty_fd = -1, .index = p->op_count};
	/* The two vectors of EXEC, a NULL at the end of each, one pointer to spare. */
	size_t pointers = ((size_t)p->vector_max + 3) * sizeof(char *);
	size_t arena_bytes = pointers + PLAY_SCRATCH;
	int result = -1;

	memset(pl.slots, 0xff, sizeof pl.slots);
	memset(pl.fds, 0xff, sizeof pl.fds);
	memcpy(pl.fds, fds, p->fd_count * sizeof *fds);
	void *arena = mmap(NULL, arena_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena != MAP_FAILED) {
		pl.pointers = arena;
		pl.scratch = (char *)arena + pointers;
		result = run_operations(p, &pl);
	}
	if (result != 0)
		*why = (struct plan_failure){.index = pl.index, .err = errno};
	for (size_t i = 0; i < PLAN_SLOTS; i++)
		close_fd(&pl.slots[i]);
	close_fd(&pl.null_fd);
	close_fd(&pl.empty_fd);
	if (arena != MAP_FAILED)
		munmap(arena, arena_bytes);
	return result;
}

int plan_play(const struct plan *p, const int *fds, size_t nfds, struct plan_failure *why)
{
	if (nfds < p->fd_count) {
		*why = (struct plan_failure){.index = p->op_count, .err = EBADF};
		errno = EBADF;
		return -1;
	}
	return player_run(p, fds, -1, NULL, why);
}
