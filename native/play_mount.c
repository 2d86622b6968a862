/* Operations on mounts. Sources and targets are held by descriptor before anything is attached. */
#include "play.h"

#include "syscalls.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define OPTION_MAX 256 /* fsconfig(2) copies keys and values of at most 255 bytes */

int attach_tree(int tree, int target)
{
	return sys_move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static int set_attributes(int fd, uint64_t set, uint64_t clear, uint64_t propagation, int recursive)
{
	struct pyrt_mount_attr attr = {.attr_set = set, .attr_clr = clear, .propagation = propagation};

	if (set == 0 && clear == 0 && propagation == 0)
		return 0;
	return sys_mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u), &attr);
}

int clone_tree(int fd, int recursive)
{
	return sys_open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0u));
}

int do_OPEN(struct player *pl, const struct arg *a)
{
	int fd = path_open(player_fd(pl, &a[1]), text(&a[2]), O_PATH | (a[3].number ? O_DIRECTORY : 0u));
	if (fd < 0)
		return -1;
	player_fill(pl, &a[0], fd);
	return 0;
}

int do_PROPAGATION(struct player *pl, const struct arg *a)
{
	AUTO_FD fd = path_open(player_fd(pl, &a[0]), text(&a[1]), O_PATH);
	return fd < 0 ? -1 : set_attributes(fd, 0, 0, a[2].number, a[3].number != 0);
}

static int set_option(int fs, const char *option)
{
	char key[OPTION_MAX];
	const char *equals = strchr(option, '=');
	size_t n = equals == NULL ? 0 : (size_t)(equals - option);

	if (equals == NULL)
		return sys_fsconfig(fs, FSCONFIG_SET_FLAG, option, NULL, 0);
	if (n >= sizeof key) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(key, option, n);
	key[n] = '\0';
	return sys_fsconfig(fs, FSCONFIG_SET_STRING, key, equals + 1, 0);
}

int do_MOUNT_NEW(struct player *pl, const struct arg *a)
{
	AUTO_FD fs = sys_fsopen(text(&a[1]), FSOPEN_CLOEXEC);
	const char *option = text(&a[3]);

	if (fs < 0)
		return -1;
	if (a[2].len > 0 && sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", a[2].data, 0) != 0)
		return -1;
	for (uint64_t i = 0; i < a[3].number; i++, option += strlen(option) + 1)
		if (set_option(fs, option) != 0)
			return -1;
	if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
		return -1;
	int mount_fd = sys_fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)a[4].number);
	if (mount_fd < 0)
		return -1;
	player_fill(pl, &a[0], -1);
	if (a[6].len > 0) {
		AUTO_FD target = path_make(player_fd(pl, &a[5]), text(&a[6]), a[7].number ? PATH_DIRECTORY : PATH_EXISTING,
		                           (mode_t)a[7].number);
		if (target < 0 || attach_tree(mount_fd, target) != 0) {
			close_fd(&mount_fd);
			return -1;
		}
	}
	player_fill(pl, &a[0], mount_fd);
	return 0;
}

/* mount(2), for what fsconfig's 255 bytes cannot say. The target goes by /proc/self/fd, which the player's own root has:
 * this is used before pivot_root only. */
int do_MOUNT_OLD(struct player *pl, const struct arg *a)
{
	AUTO_FD target = path_open(player_fd(pl, &a[6]), text(&a[7]), O_PATH | O_DIRECTORY);
	char path[32];
	int fd = -1;

	if (target < 0 || (a[5].len > 0 && chdir(text(&a[5])) != 0))
		return -1;
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", target);
	if (mount(text(&a[2]), path, text(&a[1]), a[4].number, a[3].len > 0 ? text(&a[3]) : NULL) != 0)
		return -1;
	fd = path_open(player_fd(pl, &a[6]), text(&a[7]), O_PATH | O_DIRECTORY);
	if (fd < 0)
		return -1;
	player_fill(pl, &a[0], fd);
	return 0;
}

static int bind_source(int at, const char *path, const char *subpath, uint64_t flags)
{
	int recursive = (flags & BIND_RECURSIVE) != 0;

	if (flags & BIND_DETACHED)
		return fcntl(at, F_DUPFD_CLOEXEC, 3);
	AUTO_FD source = path[0] == '\0' ? fcntl(at, F_DUPFD_CLOEXEC, 3) : path_open(at, path, O_PATH);
	if (source < 0)
		return -1;
	if (subpath[0] == '\0')
		return clone_tree(source, recursive);
	AUTO_FD beneath = path_beneath(source, subpath, (flags & BIND_MAKE_SUBPATH) != 0);
	return beneath < 0 ? -1 : clone_tree(beneath, recursive);
}

/* move_mount(2) says EINVAL for a directory over a file and the reverse: say which it was. */
static int unlike(int directory, int target)
{
	struct stat st;

	errno = EINVAL;
	if (fstat(target, &st) == 0 && S_ISDIR(st.st_mode) != directory)
		errno = directory ? ENOTDIR : EISDIR;
	return -1;
}

/* Ids as they are on disk become those of the user namespace. Only of a copy that is attached nowhere, and only this mount
 * of it: what is mounted below keeps its ids, which the namespace takes for nobody's. */
static int map_ids(int tree, int userns)
{
	struct pyrt_mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};

	if (sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr) == 0)
		return 0;
	if (errno == EINVAL)
		errno = EOPNOTSUPP; /* the file system does not know how */
	return -1;
}

/* userns -1: ids as they are. */
static int bind_tree(struct player *pl, const struct arg *a, int userns)
{
	uint64_t flags = a[5].number, set = a[6].number, clear = a[7].number, propagation = a[8].number;
	AUTO_FD tree = bind_source(player_fd(pl, &a[0]), text(&a[1]), text(&a[2]), flags);
	int recursive = (flags & BIND_RECURSIVE_ATTR) != 0;
	enum path_kind kind = PATH_EXISTING;
	struct stat st;

	if (tree < 0 || fstat(tree, &st) != 0 || (userns >= 0 && map_ids(tree, userns) != 0))
		return -1;
	if (set_attributes(tree, set, clear, 0, recursive) != 0 ||
	    set_attributes(tree, 0, 0, propagation, (flags & BIND_RECURSIVE_PROPAGATION) != 0) != 0)
		return -1;
	if (flags & BIND_CREATE)
		kind = S_ISDIR(st.st_mode) ? PATH_DIRECTORY : PATH_FILE;
	AUTO_FD target = path_make(player_fd(pl, &a[3]), text(&a[4]), kind, kind == PATH_FILE ? 0644 : 0755);
	if (target < 0)
		return -1;
	if (attach_tree(tree, target) == 0)
		return 0;
	return errno == EINVAL ? unlike(S_ISDIR(st.st_mode), target) : -1;
}

int do_BIND(struct player *pl, const struct arg *a)
{
	return bind_tree(pl, a, -1);
}

int do_BIND_IDMAPPED(struct player *pl, const struct arg *a)
{
	int userns = player_fd(pl, &a[9]);

	if (userns < 0) {
		errno = EBADF;
		return -1;
	}
	return bind_tree(pl, a, userns);
}

int do_SETATTR(struct player *pl, const struct arg *a)
{
	AUTO_FD fd = path_open(player_fd(pl, &a[0]), text(&a[1]), O_PATH);
	return fd < 0 ? -1 : set_attributes(fd, a[2].number, a[3].number, 0, a[4].number != 0);
}

int do_PIVOT(struct player *pl, const struct arg *a)
{
	/* pivot_root(2), "pivot_root(".", ".")": the old root ends up on top of the new one, and goes. */
	if (fchdir(player_fd(pl, &a[0])) != 0 || sys_pivot_root(".", ".") != 0 || umount2(".", MNT_DETACH) != 0)
		return -1;
	return chdir("/");
}

int do_CHROOT(struct player *pl, const struct arg *a)
{
	return fchdir(player_fd(pl, &a[0])) == 0 && chroot(".") == 0 ? chdir("/") : -1;
}

/* The host's /dev/null and nothing else: a container's could be a link to something it wants mounted (CVE-2025-31133). */
static int mask_file(struct player *pl, int target)
{
	struct stat st;

	if (pl->null_fd < 0) {
		pl->null_fd = path_open(AT_FDCWD, "/dev/null", O_PATH | O_NOFOLLOW);
		if (pl->null_fd < 0 || fstat(pl->null_fd, &st) != 0)
			return -1;
		if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) {
			errno = ENODEV;
			return -1;
		}
	}
	AUTO_FD tree = clone_tree(pl->null_fd, 0);
	return tree < 0 ? -1 : attach_tree(tree, target);
}

static int mask_directory(struct player *pl, int target)
{
	if (pl->empty_fd < 0) {
		AUTO_FD fs = sys_fsopen("tmpfs", FSOPEN_CLOEXEC);
		if (fs < 0 || sys_fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) != 0 ||
		    sys_fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", "1", 0) != 0 ||
		    sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
			return -1;
		pl->empty_fd = sys_fsmount(fs, FSMOUNT_CLOEXEC,
		                           MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
		return pl->empty_fd < 0 ? -1 : attach_tree(pl->empty_fd, target);
	}
	/* Only a mount that is attached can be cloned before Linux 6.15. */
	AUTO_FD tree = clone_tree(pl->empty_fd, 0);
	return tree < 0 ? -1 : attach_tree(tree, target);
}

/* config-linux.md: masked and read-only paths that do not exist are passed over. */
static int open_optional(const struct player *pl, const struct arg *a)
{
	return path_open(player_fd(pl, &a[0]), text(&a[1]), O_PATH);
}

int do_MASK(struct player *pl, const struct arg *a)
{
	AUTO_FD target = open_optional(pl, a);
	struct stat st;

	if (target < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	if (fstat(target, &st) != 0)
		return -1;
	return S_ISDIR(st.st_mode) ? mask_directory(pl, target) : mask_file(pl, target);
}

int do_READONLY(struct player *pl, const struct arg *a)
{
	AUTO_FD target = open_optional(pl, a);

	if (target < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	AUTO_FD tree = clone_tree(target, 1);
	if (tree < 0 || set_attributes(tree, MOUNT_ATTR_RDONLY, 0, 0, 1) != 0)
		return -1;
	return attach_tree(tree, target);
}
