/* Making files below one directory from names that an enemy chose.
 *
 * The parent of each entry is opened with openat2(RESOLVE_IN_ROOT): symlinks of the layer are followed, as docker and
 * containerd do, but never out of the root. The last component is only ever used with calls that do not follow
 * symlinks. The descriptor of the last parent is kept, since a tar lists a directory's entries together. */
#include "unpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MAX_IMPLIED 65536u

struct directory_time {
	char *path;
	struct timespec mtime;
};

struct unpack_tree {
	int root;
	unsigned max_depth;
	struct unpack_error *error;

	int parent_fd; /* -1: none */
	char parent[PATH_MAX];
	bool parent_setgid;
	bool opaque_root;

	struct directory_time *times;
	size_t times_count, times_room;
	void *implied; /* a tsearch(3) tree of paths */
	size_t implied_count;
};

/* A path of the layer taken apart. `name` is empty for the root itself. */
struct place {
	char parent[PATH_MAX];
	char name[NAME_MAX + 1];
	char path[PATH_MAX];
};

int unpack_fail(struct unpack_error *error, enum unpack_kind kind, int number, const char *entry, const char *format, ...) {
	if (error->kind != UNPACK_OK) return -1;
	error->kind = kind;
	error->number = number;
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(error->message, sizeof error->message, format, arguments);
	va_end(arguments);
	if (entry) (void)snprintf(error->entry, sizeof error->entry, "%s", entry);
	return -1;
}

static int fail(struct unpack_tree *tree, enum unpack_kind kind, int number, const char *entry, const char *message) {
	unpack_fail(tree->error, kind, number, entry, "%s", message);
	return -1;
}

static int refused(struct unpack_tree *tree, const char *entry, const char *call) {
	int number = errno;
	/* What the layer alone decides is its own fault, not the file system's. */
	bool layer = number == ELOOP || number == ENAMETOOLONG || number == ENOTDIR;
	return fail(tree, layer ? UNPACK_HOSTILE : UNPACK_IO, number, entry, call);
}

struct unpack_tree *unpack_tree_open(int root_fd, unsigned max_depth, struct unpack_error *error) {
	struct unpack_tree *tree = calloc(1, sizeof *tree);
	if (!tree) {
		unpack_fail(error, UNPACK_IO, ENOMEM, NULL, "allocate");
		return NULL;
	}
	tree->root = root_fd;
	tree->max_depth = max_depth;
	tree->error = error;
	tree->parent_fd = -1;
	return tree;
}

static void forget_parent(struct unpack_tree *tree) {
	if (tree->parent_fd >= 0) close(tree->parent_fd);
	tree->parent_fd = -1;
}

void unpack_tree_close(struct unpack_tree *tree) {
	forget_parent(tree);
	for (size_t i = 0; i < tree->times_count; i++) free(tree->times[i].path);
	free(tree->times);
	tdestroy(tree->implied, free);
	free(tree);
}

/* Absolute paths and `.` mean what they mean below the root; `..` is refused: no tool writes it in good faith. */
static int take_apart(struct unpack_tree *tree, const char *entry, struct place *place) {
	size_t used = 0, last = 0;
	unsigned depth = 0;
	const char *at = entry;
	while (*at) {
		size_t length = strcspn(at, "/");
		if (length == 0 || (length == 1 && at[0] == '.')) {
			at += length + (at[length] == '/');
			continue;
		}
		if (length == 2 && at[0] == '.' && at[1] == '.')
			return fail(tree, UNPACK_HOSTILE, 0, entry, "a path with .. in it");
		if (length > NAME_MAX || used + length + 2 > PATH_MAX)
			return fail(tree, UNPACK_HOSTILE, ENAMETOOLONG, entry, "a path that is too long");
		if (++depth > tree->max_depth) return fail(tree, UNPACK_LIMIT, 0, entry, "a path that is too deep");
		if (used > 0) place->path[used++] = '/';
		last = used;
		memcpy(place->path + used, at, length);
		used += length;
		at += length + (at[length] == '/');
	}
	place->path[used] = 0;
	memcpy(place->name, place->path + last, used - last + 1);
	if (last > 0) memcpy(place->parent, place->path, last - 1);
	place->parent[last > 0 ? last - 1 : 0] = 0;
	return 0;
}

static int open_in_root(const struct unpack_tree *tree, const char *path, uint64_t flags) {
	struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	return (int)syscall(SYS_openat2, tree->root, *path ? path : ".", &how, sizeof how);
}

static int by_name(const void *left, const void *right) { return strcmp(left, right); }

static int remember_implied(struct unpack_tree *tree, const char *path) {
	if (tree->implied_count++ >= MAX_IMPLIED)
		return fail(tree, UNPACK_LIMIT, 0, path, "too many directories without an entry of their own");
	char *copy = strdup(path);
	if (!copy || !tsearch(copy, &tree->implied, by_name)) return fail(tree, UNPACK_IO, ENOMEM, path, "allocate");
	return 0;
}

static void forget_implied(struct unpack_tree *tree, const char *path) {
	if (!tree->implied) return;
	char **found = tfind(path, &tree->implied, by_name);
	if (!found) return;
	char *copy = *found;
	tdelete(path, &tree->implied, by_name);
	free(copy);
	tree->implied_count--;
}

/* The layer has something in a directory that it does not have: the directory comes from a layer below, which this
 * process does not see. It is made now and listed, so that the caller can give it the owner and mode from below. */
static int make_parents(struct unpack_tree *tree, const char *path, const char *entry) {
	char prefix[PATH_MAX];
	int at = -1;
	size_t length = strlen(path);
	for (size_t end = 0; end <= length; end++) {
		if (path[end] != '/' && path[end] != 0) continue;
		memcpy(prefix, path, end);
		prefix[end] = 0;
		int next = open_in_root(tree, prefix, O_RDONLY | O_DIRECTORY);
		if (next < 0 && errno == ENOENT) {
			const char *name = strrchr(prefix, '/');
			int directory = at >= 0 ? at : tree->root;
			if (mkdirat(directory, name ? name + 1 : prefix, 0755) < 0) {
				if (at >= 0) close(at);
				/* A dangling symlink is in the way. */
				if (errno == EEXIST) errno = ENOTDIR;
				return refused(tree, entry, "make a parent directory");
			}
			if (remember_implied(tree, prefix) < 0) {
				if (at >= 0) close(at);
				return -1;
			}
			next = open_in_root(tree, prefix, O_RDONLY | O_DIRECTORY);
		}
		if (at >= 0) close(at);
		if (next < 0) return refused(tree, entry, "open a parent directory");
		at = next;
	}
	tree->parent_fd = at;
	return 0;
}

static int enter_parent(struct unpack_tree *tree, const char *parent, const char *entry) {
	if (tree->parent_fd >= 0 && strcmp(tree->parent, parent) == 0) return 0;
	forget_parent(tree);
	tree->parent_fd = open_in_root(tree, parent, O_RDONLY | O_DIRECTORY);
	if (tree->parent_fd < 0) {
		if (errno != ENOENT) return refused(tree, entry, "open the parent directory");
		if (make_parents(tree, parent, entry) < 0) return -1;
	}
	struct stat status;
	if (fstat(tree->parent_fd, &status) < 0) return refused(tree, entry, "stat the parent directory");
	tree->parent_setgid = status.st_mode & S_ISGID;
	memcpy(tree->parent, parent, strlen(parent) + 1);
	return 0;
}

static int find(struct unpack_tree *tree, const char *entry, struct place *place) {
	if (take_apart(tree, entry, place) < 0) return -1;
	if (!*place->name) return 0;
	return enter_parent(tree, place->parent, entry);
}

/* rm -r of what the same layer made before. Depth is bounded by max_depth per path, and by descriptors. */
static int remove_all(int parent, const char *name) {
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return 0;
	if (errno != EISDIR && errno != EPERM) return -1;
	if (unlinkat(parent, name, AT_REMOVEDIR) == 0) return 0;
	if (errno != ENOTEMPTY && errno != EEXIST) return -1;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) return -1;
	DIR *directory = fdopendir(fd);
	if (!directory) {
		close(fd);
		return -1;
	}
	int result = 0;
	const struct dirent *item;
	/* Only this thread makes files here. */
	while (result == 0 && (item = readdir(directory))) { /* NOLINT(concurrency-mt-unsafe) */
		if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0) continue;
		result = remove_all(fd, item->d_name);
	}
	int number = errno;
	closedir(directory);
	errno = number;
	return result < 0 ? -1 : unlinkat(parent, name, AT_REMOVEDIR);
}

/* Clear the way for a new entry of the same name: the last one wins. */
static int displace(struct unpack_tree *tree, const struct place *place, const char *entry) {
	if (remove_all(tree->parent_fd, place->name) < 0) return refused(tree, entry, "replace an earlier entry");
	return 0;
}

/* After a directory or symlink has gone, the kept descriptor may be that of something else than its path says. */
static int displaced(struct unpack_tree *tree, const struct place *place, const char *entry) {
	if (displace(tree, place, entry) < 0) return -1;
	forget_parent(tree);
	return enter_parent(tree, place->parent, entry);
}

static bool is_whiteout(const struct stat *status) { return S_ISCHR(status->st_mode) && status->st_rdev == 0; }

static int make_opaque(struct unpack_tree *tree, int fd, const char *entry) {
	if (fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0) < 0) return refused(tree, entry, "mark a directory opaque");
	return 0;
}

/* Owner first: chown(2) takes setuid bits and file capabilities away. */
static int set_meta(struct unpack_tree *tree, const struct place *place, const struct unpack_meta *meta, bool symlink,
		    const char *entry) {
	if (meta->uid != 0 || meta->gid != 0 || tree->parent_setgid)
		if (fchownat(tree->parent_fd, place->name, meta->uid, meta->gid, AT_SYMLINK_NOFOLLOW) < 0)
			return refused(tree, entry, "set the owner");
	/* Not a symlink: it was made a moment ago by this process, in a directory nobody else can reach. */
	if (!symlink && fchmodat(tree->parent_fd, place->name, meta->mode & 07777, 0) < 0) return refused(tree, entry, "set the mode");
	return 0;
}

static int set_time(struct unpack_tree *tree, const struct place *place, const struct unpack_meta *meta, const char *entry) {
	const struct timespec times[2] = {meta->mtime, meta->mtime};
	if (utimensat(tree->parent_fd, place->name, times, AT_SYMLINK_NOFOLLOW) < 0) return refused(tree, entry, "set the time");
	return 0;
}

static int remember_time(struct unpack_tree *tree, const struct place *place, const struct unpack_meta *meta) {
	if (tree->times_count == tree->times_room) {
		size_t room = tree->times_room ? tree->times_room * 2 : 256;
		struct directory_time *times = realloc(tree->times, room * sizeof *times);
		if (!times) return fail(tree, UNPACK_IO, ENOMEM, place->path, "allocate");
		tree->times = times;
		tree->times_room = room;
	}
	char *path = strdup(place->path);
	if (!path) return fail(tree, UNPACK_IO, ENOMEM, place->path, "allocate");
	tree->times[tree->times_count++] = (struct directory_time){path, meta->mtime};
	return 0;
}

static int root_meta(struct unpack_tree *tree, const struct place *place, const struct unpack_meta *meta, const char *entry) {
	if (fchown(tree->root, meta->uid, meta->gid) < 0) return refused(tree, entry, "set the owner");
	if (fchmod(tree->root, meta->mode & 07777) < 0) return refused(tree, entry, "set the mode");
	forget_parent(tree);
	return remember_time(tree, place, meta);
}

int unpack_tree_directory(struct unpack_tree *tree, const char *path, const struct unpack_meta *meta) {
	struct place place;
	if (find(tree, path, &place) < 0) return -1;
	if (!*place.name) return root_meta(tree, &place, meta, path);
	bool hides = false, existed = false;
	if (mkdirat(tree->parent_fd, place.name, 0700) < 0) {
		if (errno != EEXIST) return refused(tree, path, "make a directory");
		struct stat status;
		if (fstatat(tree->parent_fd, place.name, &status, AT_SYMLINK_NOFOLLOW) < 0) return refused(tree, path, "stat");
		if (S_ISDIR(status.st_mode)) {
			existed = true;
			forget_implied(tree, place.path);
		} else {
			/* A whiteout of the same layer speaks of the layers below: the new directory must go on hiding them. */
			hides = is_whiteout(&status);
			if (displaced(tree, &place, path) < 0) return -1;
			if (mkdirat(tree->parent_fd, place.name, 0700) < 0) return refused(tree, path, "make a directory");
		}
	}
	if (hides) {
		int fd = openat(tree->parent_fd, place.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0) return refused(tree, path, "open a new directory");
		int result = make_opaque(tree, fd, path);
		close(fd);
		if (result < 0) return -1;
	}
	if (set_meta(tree, &place, meta, false, path) < 0) return -1;
	if (existed) forget_parent(tree); /* It may be a kept parent, by another path, whose setgid bit has changed. */
	return remember_time(tree, &place, meta);
}

int unpack_tree_directory_xattrs(struct unpack_tree *tree, const char *path, const struct unpack_xattr *xattrs, size_t count) {
	struct place place;
	if (find(tree, path, &place) < 0) return -1;
	int fd = *place.name ? openat(tree->parent_fd, place.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
			     : open_in_root(tree, "", O_RDONLY | O_DIRECTORY);
	if (fd < 0) return refused(tree, path, "open a new directory");
	int result = 0;
	for (size_t i = 0; i < count && result == 0; i++)
		if (fsetxattr(fd, xattrs[i].name, xattrs[i].value, xattrs[i].size, 0) < 0 && errno != EOPNOTSUPP)
			result = refused(tree, path, "set an extended attribute");
	close(fd);
	return result;
}

int unpack_tree_symlink(struct unpack_tree *tree, const char *path, const char *target, const struct unpack_meta *meta) {
	struct place place;
	if (find(tree, path, &place) < 0) return -1;
	if (!*place.name || !*target) return fail(tree, UNPACK_HOSTILE, 0, path, "a symlink without a name or target");
	if (symlinkat(target, tree->parent_fd, place.name) < 0) {
		if (errno != EEXIST) return refused(tree, path, "make a symlink");
		if (displaced(tree, &place, path) < 0) return -1;
		if (symlinkat(target, tree->parent_fd, place.name) < 0) return refused(tree, path, "make a symlink");
	}
	if (set_meta(tree, &place, meta, true, path) < 0) return -1;
	return set_time(tree, &place, meta, path);
}

int unpack_tree_node(struct unpack_tree *tree, const char *path, mode_t type, dev_t device, const struct unpack_meta *meta) {
	struct place place;
	if (find(tree, path, &place) < 0) return -1;
	if (!*place.name) return fail(tree, UNPACK_HOSTILE, 0, path, "a device without a name");
	/* overlayfs would take it for a whiteout; only .wh. files may make those. */
	if (type == S_IFCHR && device == 0) return fail(tree, UNPACK_HOSTILE, 0, path, "a character device 0:0");
	if (mknodat(tree->parent_fd, place.name, type | 0600, device) < 0) {
		if (errno != EEXIST) return refused(tree, path, "make a device node");
		if (displaced(tree, &place, path) < 0) return -1;
		if (mknodat(tree->parent_fd, place.name, type | 0600, device) < 0) return refused(tree, path, "make a device node");
	}
	if (set_meta(tree, &place, meta, false, path) < 0) return -1;
	return set_time(tree, &place, meta, path);
}

int unpack_tree_hardlink(struct unpack_tree *tree, const char *path, const char *target) {
	struct place place, from;
	if (take_apart(tree, target, &from) < 0 || !*from.name)
		return fail(tree, UNPACK_HOSTILE, 0, path, "a hard link to a path that is not in the layer");
	if (find(tree, path, &place) < 0) return -1;
	if (!*place.name) return fail(tree, UNPACK_HOSTILE, 0, path, "a hard link without a name");
	int directory = open_in_root(tree, from.parent, O_RDONLY | O_DIRECTORY);
	if (directory < 0)
		return fail(tree, UNPACK_HOSTILE, errno, path, "open the directory of a hard link's target");
	int result = linkat(directory, from.name, tree->parent_fd, place.name, 0);
	if (result < 0 && errno == EEXIST) {
		struct stat old, new;
		if (fstatat(directory, from.name, &new, AT_SYMLINK_NOFOLLOW) < 0) {
			result = refused(tree, path, "find a hard link's target");
		} else if (fstatat(tree->parent_fd, place.name, &old, AT_SYMLINK_NOFOLLOW) == 0 && old.st_ino == new.st_ino &&
			   old.st_dev == new.st_dev) {
			result = 0; /* The link is there already; removing it first could remove the only name. */
		} else {
			result = displaced(tree, &place, path);
			if (result == 0 && linkat(directory, from.name, tree->parent_fd, place.name, 0) < 0)
				result = refused(tree, path, "make a hard link");
		}
	} else if (result < 0) {
		int number = errno;
		bool layer = number == ENOENT || number == EPERM || number == ELOOP || number == ENOTDIR;
		result = fail(tree, layer ? UNPACK_HOSTILE : UNPACK_IO, number, path, "make a hard link");
	}
	close(directory);
	return result;
}

int unpack_tree_file(struct unpack_tree *tree, const char *path, const struct unpack_meta *meta) {
	struct place place;
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	if (find(tree, path, &place) < 0) return -1;
	if (!*place.name) return fail(tree, UNPACK_HOSTILE, 0, path, "a file without a name");
	int fd = openat(tree->parent_fd, place.name, flags, meta->mode & 0777);
	if (fd >= 0) return fd;
	if (errno != EEXIST) return refused(tree, path, "make a file");
	if (displaced(tree, &place, path) < 0) return -1;
	fd = openat(tree->parent_fd, place.name, flags, meta->mode & 0777);
	return fd >= 0 ? fd : refused(tree, path, "make a file");
}

int unpack_tree_file_done(struct unpack_tree *tree, int fd, const char *path, const struct unpack_meta *meta,
			  const struct unpack_xattr *xattrs, size_t count) {
	int result = 0;
	bool owned = meta->uid != 0 || meta->gid != 0 || tree->parent_setgid;
	if (owned && fchown(fd, meta->uid, meta->gid) < 0) result = refused(tree, path, "set the owner");
	for (size_t i = 0; i < count && result == 0; i++)
		if (fsetxattr(fd, xattrs[i].name, xattrs[i].value, xattrs[i].size, 0) < 0 && errno != EOPNOTSUPP)
			result = refused(tree, path, "set an extended attribute");
	if (result == 0 && (meta->mode & 07000) && fchmod(fd, meta->mode & 07777) < 0) result = refused(tree, path, "set the mode");
	const struct timespec times[2] = {meta->mtime, meta->mtime};
	if (result == 0 && futimens(fd, times) < 0) result = refused(tree, path, "set the time");
	if (close(fd) < 0 && result == 0) result = refused(tree, path, "close a file");
	return result;
}

static const char *last_component(const char *path) {
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

bool unpack_tree_is_whiteout(const char *path) {
	/* Also as a directory in the middle: aufs kept its own files in .wh..wh.plnk and the like. */
	return strncmp(path, ".wh.", 4) == 0 || strstr(path, "/.wh.") != NULL;
}

int unpack_tree_whiteout(struct unpack_tree *tree, const char *path) {
	const char *marker = last_component(path);
	struct place place;
	bool opaque = strcmp(marker, ".wh..wh..opq") == 0;
	/* Bookkeeping of aufs, which no other reader keeps either. */
	if (!opaque && (strncmp(path, ".wh..wh.", 8) == 0 || strstr(path, "/.wh..wh."))) return 0;
	if (find(tree, path, &place) < 0) return -1;
	if (opaque && !*place.parent) {
		tree->opaque_root = true; /* overlayfs has no such thing: the caller leaves the layers below out. */
		return 0;
	}
	if (opaque) return make_opaque(tree, tree->parent_fd, path);
	const char *name = marker + 4;
	if (strncmp(marker, ".wh.", 4) != 0 || strncmp(name, ".wh.", 4) == 0 || !*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return fail(tree, UNPACK_HOSTILE, 0, path, "a whiteout of something that is no name");
	struct stat status;
	if (fstatat(tree->parent_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
		/* The layer's own entries stay (layer.md: a whiteout applies to lower layers only). */
		if (!S_ISDIR(status.st_mode)) return 0;
		int fd = openat(tree->parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0) return refused(tree, path, "open a directory");
		int result = make_opaque(tree, fd, path);
		close(fd);
		return result;
	}
	if (errno != ENOENT) return refused(tree, path, "stat");
	if (mknodat(tree->parent_fd, name, S_IFCHR, makedev(0, 0)) < 0) return refused(tree, path, "make a whiteout");
	return 0;
}

int unpack_tree_finish(struct unpack_tree *tree) {
	forget_parent(tree);
	/* Of several entries for one directory the last one overwrites; setting a time changes no other directory's. */
	for (size_t i = 0; i < tree->times_count; i++) {
		const struct timespec times[2] = {tree->times[i].mtime, tree->times[i].mtime};
		struct place place;
		if (take_apart(tree, tree->times[i].path, &place) < 0) return -1;
		if (!*place.name) {
			if (futimens(tree->root, times) < 0) return refused(tree, "", "set the time");
			continue;
		}
		/* A later entry may have put something else in its place: then there is nothing to set. */
		if (tree->parent_fd < 0 || strcmp(tree->parent, place.parent) != 0) {
			forget_parent(tree);
			tree->parent_fd = open_in_root(tree, place.parent, O_RDONLY | O_DIRECTORY);
			memcpy(tree->parent, place.parent, sizeof place.parent);
		}
		if (tree->parent_fd >= 0) utimensat(tree->parent_fd, place.name, times, AT_SYMLINK_NOFOLLOW);
	}
	forget_parent(tree);
	return 0;
}

static void (*each_implied)(const char *path);

static void visit(const void *node, VISIT order, int depth) {
	(void)depth;
	if (order == postorder || order == leaf) each_implied(*(char *const *)node);
}

void unpack_tree_implied(const struct unpack_tree *tree, void (*each)(const char *path)) {
	each_implied = each;
	twalk(tree->implied, visit);
}

bool unpack_tree_opaque_root(const struct unpack_tree *tree) { return tree->opaque_root; }
