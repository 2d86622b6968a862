#include "walk_tree.h"

#include "syscalls.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BUFFER 8192
#define OPEN_LEVELS 64 /* directories deeper than this are closed while the walk is below them */

/* A directory on the way from the top to where we are. */
struct level {
	struct level *above;
	int fd; /* -1: closed, to be opened again by ".." of the one below */
	unsigned depth;
	struct stat st;
	int64_t cookie; /* where to go on after being closed (getdents64(2), d_off) */
	size_t at, filled;
	char buffer[BUFFER];
};

struct visitor {
	int (*entry)(struct visitor *v, int at, const char *name); /* anything but a directory */
	int (*directory)(struct visitor *v, int fd, const struct stat *st); /* after all that is in it */
	struct tree_usage *found;
	double names; /* of the parts that files with several names have been counted in so far */
	uint32_t gid;
	mode_t file_mode, directory_mode;
};

/* Never through a symbolic link or a mount, whatever the path of one name is by now. */
static int open_beneath(int at, const char *name, uint64_t flags)
{
	return sys_openat2(at, name, flags | O_CLOEXEC | O_NOFOLLOW, 0,
	                   RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
}

static int push(struct level **top, int fd)
{
	struct level *l = malloc(sizeof *l);

	if (l == NULL)
		return ENOMEM;
	l->above = *top;
	l->fd = fd;
	l->depth = *top == NULL ? 0 : (*top)->depth + 1;
	l->cookie = 0;
	l->at = l->filled = 0;
	if (fstat(fd, &l->st) != 0) {
		int err = errno;
		free(l);
		return err;
	}
	*top = l;
	return 0;
}

/* The next name, NULL at the end or on an error. */
static const struct dirent64 *next(struct level *l, int *err)
{
	const struct dirent64 *e = NULL;

	if (l->at >= l->filled) {
		long n = syscall(SYS_getdents64, l->fd, l->buffer, sizeof l->buffer);
		if (n <= 0) {
			*err = n < 0 ? errno : 0;
			return NULL;
		}
		l->at = 0;
		l->filled = (size_t)n;
	}
	e = (const struct dirent64 *)(const void *)(l->buffer + l->at);
	l->at += e->d_reclen;
	l->cookie = e->d_off;
	return e;
}

/* Into a subdirectory. Nothing happens when it is gone or something is mounted on it; 1: it is no directory. */
static int descend(struct level **top, const char *name)
{
	struct level *here = *top;
	int err = 0, fd = open_beneath(here->fd, name, O_RDONLY | O_DIRECTORY | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP ? 1 : errno == ENOENT || errno == EXDEV || errno == EAGAIN ? 0 : -errno;
	err = push(top, fd);
	if (err != 0) {
		close(fd);
		return -err;
	}
	if (here->depth >= OPEN_LEVELS) {
		close(here->fd);
		here->fd = -1;
		here->at = here->filled = 0;
	}
	return 0;
}

static int ascend(struct level **top)
{
	struct level *done = *top, *above = done->above;
	struct stat st;
	int err = 0;

	if (above != NULL && above->fd < 0) {
		above->fd = openat(done->fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (above->fd < 0 || fstat(above->fd, &st) != 0 || lseek(above->fd, above->cookie, SEEK_SET) < 0)
			err = errno;
		else if (st.st_dev != above->st.st_dev || st.st_ino != above->st.st_ino)
			err = ESTALE;
	}
	close(done->fd);
	free(done);
	*top = above;
	return err;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static int visit(struct level **top, struct visitor *v, const struct dirent64 *e)
{
	int outcome = 1;

	if (is_dots(e->d_name))
		return 0;
	if (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN) {
		outcome = descend(top, e->d_name);
		if (outcome <= 0)
			return -outcome;
	}
	return v->entry(v, (*top)->fd, e->d_name);
}

static int walk(const char *path, struct visitor *v)
{
	struct level *top = NULL;
	int err = 0, fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno;
	err = push(&top, fd);
	if (err != 0)
		close(fd);
	while (err == 0 && top != NULL) {
		const struct dirent64 *e = next(top, &err);
		if (err != 0)
			break;
		if (e != NULL) {
			err = visit(&top, v, e);
			continue;
		}
		err = v->directory(v, top->fd, &top->st);
		if (err == 0)
			err = ascend(&top);
	}
	while (top != NULL) {
		struct level *above = top->above;
		if (top->fd >= 0)
			close(top->fd);
		free(top);
		top = above;
	}
	return err;
}

/* --- usage --- */

static int count_entry(struct visitor *v, int at, const char *name)
{
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0)
		return errno == ENOENT ? 0 : errno;
	if (st.st_nlink > 1) {
		/* No list of what was seen, which could be made to grow without bound: each name has its share. Names of one file cannot
		 * be in two mounts (link(2), EXDEV), so all of them are here. */
		double share = 1.0 / (double)st.st_nlink;
		v->names += share;
		v->found->bytes += (uint64_t)((double)st.st_blocks * 512 * share);
		return 0;
	}
	v->found->bytes += (uint64_t)st.st_blocks * 512;
	v->found->inodes++;
	return 0;
}

static int count_directory(struct visitor *v, int fd, const struct stat *st)
{
	(void)fd;
	v->found->bytes += (uint64_t)st->st_blocks * 512;
	v->found->inodes++;
	return 0;
}

int tree_usage(const char *path, struct tree_usage *found)
{
	struct visitor v = {.entry = count_entry, .directory = count_directory, .found = found};
	int err = 0;

	*found = (struct tree_usage){0};
	err = walk(path, &v);
	found->inodes += (uint64_t)(v.names + 0.5);
	return err;
}

/* --- group --- */

/* chmod(2) of what a descriptor holds. fchmod(2) refuses O_PATH, fchmodat2(2) is of Linux 6.6; the daemon has a procfs. */
static int change_mode(int fd, mode_t mode)
{
	char path[32];

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return chmod(path, mode) == 0 ? 0 : errno;
}

static int change(int fd, const struct stat *st, uint32_t gid, mode_t mode)
{
	bool owned = st->st_gid == gid;

	if (!owned && fchownat(fd, "", (uid_t)-1, gid, AT_EMPTY_PATH) != 0)
		return errno;
	/* chown(2) takes set-user-ID and set-group-ID away from files. */
	if (S_ISLNK(st->st_mode) || ((st->st_mode & 07777) == mode && (owned || (mode & 07000) == 0)))
		return 0;
	return change_mode(fd, mode);
}

static int own_entry(struct visitor *v, int at, const char *name)
{
	struct stat st;
	int err = 0, fd = -1;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0)
		return errno == ENOENT ? 0 : errno;
	if (st.st_gid == v->gid && (S_ISLNK(st.st_mode) || (st.st_mode & v->file_mode) == v->file_mode))
		return 0;
	fd = open_beneath(at, name, O_PATH);
	if (fd < 0)
		return errno == ENOENT || errno == EXDEV ? 0 : errno;
	if (fstat(fd, &st) != 0)
		err = errno;
	else if (!S_ISDIR(st.st_mode)) /* one that has taken the name just now is new, and its maker's */
		err = change(fd, &st, v->gid, (st.st_mode & 07777) | v->file_mode);
	close(fd);
	return err;
}

static int own_directory(struct visitor *v, int fd, const struct stat *st)
{
	return change(fd, st, v->gid, (st->st_mode & 07777) | v->directory_mode);
}

int tree_set_group(const char *path, uint32_t gid, int readonly)
{
	mode_t files = readonly ? 0440 : 0660;
	struct visitor v = {
	    .entry = own_entry, .directory = own_directory, .gid = gid, .file_mode = files, .directory_mode = files | S_ISGID | 0110};

	return walk(path, &v);
}
