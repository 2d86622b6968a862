/* Paths that stay inside a root whatever the symbolic links in it say (runc's CVEs 2019-19921, 2021-30465, 2023-27561...).
 * Nothing here is ever opened by joining strings: each step is an openat2 bounded by the root's descriptor. */
#include "play.h"

#include "syscalls.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define LINKS_MAX 40   /* as the kernel's MAXSYMLINKS */
#define RACES_MAX 128  /* openat2(2): EAGAIN when a rename or mount meets ".."; a container may provoke it for ever */

static int bounded_open(int at, const char *path, uint64_t flags, uint64_t resolve)
{
	int fd = -1;

	for (int i = 0; i < RACES_MAX; i++) {
		fd = sys_openat2(at, path, flags | O_CLOEXEC, 0, resolve);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd;
}

int path_open(int at, const char *path, uint64_t flags)
{
	if (at == AT_FDCWD && path[0] != '/') {
		errno = EINVAL;
		return -1;
	}
	return bounded_open(at, path, flags, at == AT_FDCWD ? RESOLVE_NO_MAGICLINKS : RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

/* The target of the dangling link parent/name takes the place of the component [start, end) of path: an absolute one
 * starts anew from the root, a relative one from where the link lies. */
static int splice_link(char path[PATH_MAX], size_t start, size_t end, int parent, const char *name)
{
	char joined[PATH_MAX];
	size_t rest = strlen(path + end), keep = 0;
	ssize_t n = 0;

	keep = start;
	if (start > PATH_MAX - 1) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(joined, path, keep);
	n = readlinkat(parent, name, joined + keep, sizeof joined - keep);
	if (n < 0)
		return -1;
	if (n > 0 && joined[keep] == '/') {
		memmove(joined, joined + keep, (size_t)n);
		keep = 0;
	}
	if (keep + (size_t)n + rest >= sizeof joined) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(joined + keep + n, path + end, rest + 1);
	memcpy(path, joined, keep + (size_t)n + rest + 1);
	return 0;
}

static int make_one(int parent, const char *name, enum path_kind kind, mode_t mode)
{
	if (strcmp(name, "..") == 0) {
		errno = ENOENT;
		return -1;
	}
	if (kind == PATH_DIRECTORY)
		return mkdirat(parent, name, mode);
	AUTO_FD fd = openat(parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, mode);
	return fd < 0 ? -1 : 0;
}

/* One walk along path, making what is missing. 1: a dangling link was replaced, walk again. */
static int walk(int at, char path[PATH_MAX], enum path_kind kind, mode_t mode)
{
	size_t start = 0, end = 0;

	for (start = strspn(path, "/"); path[start] != '\0'; start = end + strspn(path + end, "/")) {
		char name[NAME_MAX + 1], after = '\0', first = path[start];
		int fd = -1, last = 0, made = 0;

		end = start + strcspn(path + start, "/");
		if (end - start > NAME_MAX) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(name, path + start, end - start);
		name[end - start] = '\0';
		last = path[end + strspn(path + end, "/")] == '\0';
		after = path[end];
		path[end] = '\0';
		fd = path_open(at, path, O_PATH);
		path[end] = after;
		if (fd >= 0) {
			close(fd);
			continue;
		}
		if (errno != ENOENT)
			return -1;
		/* The parent exists: the walk has come through it. */
		path[start] = '\0';
		AUTO_FD parent = path_open(at, start == 0 ? "." : path, O_PATH | O_DIRECTORY);
		path[start] = first;
		if (parent < 0)
			return -1;
		made = make_one(parent, name, last ? kind : PATH_DIRECTORY, last ? mode : 0755);
		if (made != 0 && errno == EEXIST)
			return splice_link(path, start, end, parent, name) == 0 ? 1 : -1;
		if (made != 0)
			return -1;
	}
	return 0;
}

/* The common case: only the last name is missing. -1 if it is not, and then the walk will say why. */
static int make_last(int at, char *path, enum path_kind kind, mode_t mode)
{
	char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	if (slash == NULL || slash == path || name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -1;
	*slash = '\0';
	AUTO_FD parent = path_open(at, path, O_PATH | O_DIRECTORY);
	*slash = '/';
	return parent < 0 ? -1 : make_one(parent, name, kind, mode);
}

int path_make(int at, const char *path, enum path_kind kind, mode_t mode)
{
	char buf[PATH_MAX];
	int fd = path_open(at, path, O_PATH), again = 1;

	if (fd >= 0 || errno != ENOENT || kind == PATH_EXISTING)
		return fd;
	if (strlen(path) >= sizeof buf) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(buf, path, strlen(path) + 1);
	if (make_last(at, buf, kind, mode) == 0)
		again = 0;
	for (int i = 0; i < LINKS_MAX && again == 1; i++)
		again = walk(at, buf, kind, mode);
	if (again < 0)
		return -1;
	if (again == 1) {
		errno = ELOOP;
		return -1;
	}
	return path_open(at, buf, O_PATH);
}

int path_parent(int at, const char *path, const char **name)
{
	char buf[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t n = slash == NULL ? 0 : (size_t)(slash - path);

	*name = slash == NULL ? path : slash + 1;
	if (n >= sizeof buf) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (n == 0)
		return path_open(at, slash == NULL ? "." : "/", O_PATH | O_DIRECTORY);
	memcpy(buf, path, n);
	buf[n] = '\0';
	return path_make(at, buf, PATH_DIRECTORY, 0755);
}

/* Make the directory path beneath base, step by step, each with the mode and the owner of base. */
static int make_beneath(int base, char *path)
{
	struct stat like;
	size_t end = 0;

	if (fstat(base, &like) != 0)
		return -1;
	do {
		char after = '\0';
		const char *name = NULL;

		end += strspn(path + end, "/");
		end += strcspn(path + end, "/");
		after = path[end];
		path[end] = '\0';
		AUTO_FD here = bounded_open(base, path, O_PATH, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
		if (here < 0 && errno == ENOENT) {
			char *slash = strrchr(path, '/');
			name = slash == NULL ? path : slash + 1;
			if (slash != NULL)
				*slash = '\0';
			AUTO_FD parent = bounded_open(base, slash == NULL ? "." : path, O_PATH | O_DIRECTORY,
			                              RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
			if (slash != NULL)
				*slash = '/';
			if (parent < 0)
				return -1;
			/* EEXIST: somebody else has made it, and what it is shows in the next step. */
			if (mkdirat(parent, name, like.st_mode & 07777) != 0) {
				if (errno != EEXIST)
					return -1;
			} else if (fchownat(parent, name, like.st_uid, like.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
				return -1;
			}
		} else if (here < 0) {
			return -1;
		}
		path[end] = after;
	} while (path[end] != '\0');
	return 0;
}

int path_beneath(int base, const char *path, int make)
{
	char buf[PATH_MAX];
	int fd = bounded_open(base, path, O_PATH, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);

	if (fd >= 0 || errno != ENOENT || !make)
		return fd;
	if (strlen(path) >= sizeof buf) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(buf, path, strlen(path) + 1);
	if (make_beneath(base, buf) != 0)
		return -1;
	return bounded_open(base, path, O_PATH, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
}
