#include "remove_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The way from the top to where we are: the names by which the directories are removed once they are empty. */
struct level {
	struct level *above;
	dev_t dev;
	ino_t ino;
	char name[];
};

static int open_below(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Push `name`, a directory in `at`, and open it. -1 with errno. */
static int enter(struct level **top, int at, const char *name, dev_t dev)
{
	struct stat st;
	int fd = open_below(at, name);
	if (fd < 0)
		return -1;
	int err = fstat(fd, &st) < 0 ? errno : *top && st.st_dev != dev ? EXDEV : 0;
	size_t len = strlen(name) + 1;
	struct level *l = err ? NULL : malloc(sizeof *l + len);
	if (!l) {
		close(fd);
		errno = err ? err : ENOMEM;
		return -1;
	}
	*l = (struct level){.above = *top, .dev = st.st_dev, .ino = st.st_ino};
	memcpy(l->name, name, len);
	*top = l;
	return fd;
}

/* Remove what is in `fd` up to the first directory that is not empty, whose name goes to `found` (empty: nothing is left). */
static int sweep(int fd, char found[NAME_MAX + 1])
{
	int copy = open_below(fd, "."), err = 0;
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	found[0] = 0;
	if (!dir) {
		err = errno;
		if (copy >= 0)
			close(copy);
		return err;
	}
	const struct dirent *e;
	while (!err && (errno = 0, e = readdir(dir))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		bool directory = e->d_type == DT_DIR;
		if (unlinkat(fd, e->d_name, directory ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT)
			continue;
		if (directory ? errno == ENOTEMPTY || errno == EEXIST : errno == EISDIR) {
			memcpy(found, e->d_name, strlen(e->d_name) + 1);
			break;
		}
		err = errno;
	}
	if (!err && !e)
		err = errno;
	closedir(dir);
	return err;
}

/* From a directory that is empty to the one above, and remove it there. The descriptor of the one above, or -1 with errno. */
static int leave(struct level **top, int fd)
{
	struct level *l = *top;
	struct stat st;
	int above = open_below(fd, "..");
	if (above < 0)
		return -1;
	/* Nobody moves directories here; were it otherwise, nothing outside must be touched. */
	int err = fstat(above, &st) < 0 ? errno : st.st_dev != l->above->dev || st.st_ino != l->above->ino ? ESTALE : 0;
	if (!err && unlinkat(above, l->name, AT_REMOVEDIR) < 0)
		err = errno;
	if (err) {
		close(above);
		errno = err;
		return -1;
	}
	*top = l->above;
	free(l);
	return above;
}

int remove_tree(const char *path)
{
	struct level *top = NULL;
	char found[NAME_MAX + 1];
	int err = 0, fd = enter(&top, AT_FDCWD, path, 0);
	if (fd < 0)
		return errno;
	while (!err) {
		int next;
		err = sweep(fd, found);
		if (err)
			break;
		if (found[0])
			next = enter(&top, fd, found, top->dev);
		else if (top->above)
			next = leave(&top, fd);
		else {
			err = unlinkat(AT_FDCWD, path, AT_REMOVEDIR) < 0 ? errno : 0;
			break;
		}
		if (next < 0) {
			err = errno;
			break;
		}
		close(fd);
		fd = next;
	}
	close(fd);
	while (top) {
		struct level *above = top->above;
		free(top);
		top = above;
	}
	return err;
}
