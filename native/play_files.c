/* Operations on namespaces, cgroups, and single files. */
#include "play.h"

#include "syscalls.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

int do_UNSHARE(struct player *pl, const struct arg *a)
{
	(void)pl;
	return unshare((int)a[0].number);
}

int do_SETNS(struct player *pl, const struct arg *a)
{
	return setns(player_fd(pl, &a[0]), (int)a[1].number);
}

static int write_all(int fd, const void *data, size_t n)
{
	ssize_t written = write(fd, data, n);

	if (written >= 0 && (size_t)written != n) {
		errno = EIO; /* kernel files take a write whole or not at all */
		return -1;
	}
	return written < 0 ? -1 : 0;
}

int do_JOIN_CGROUP(struct player *pl, const struct arg *a)
{
	AUTO_FD fd = path_open(player_fd(pl, &a[0]), text(&a[1]), O_WRONLY);
	return fd < 0 ? -1 : write_all(fd, "0", 1);
}

int do_HOSTNAME(struct player *pl, const struct arg *a)
{
	(void)pl;
	return sethostname(text(&a[0]), a[0].len);
}

int do_DOMAINNAME(struct player *pl, const struct arg *a)
{
	(void)pl;
	return setdomainname(text(&a[0]), a[0].len);
}

int do_MKDIR(struct player *pl, const struct arg *a)
{
	AUTO_FD fd = path_make(player_fd(pl, &a[0]), text(&a[1]), PATH_DIRECTORY, (mode_t)a[2].number);
	return fd < 0 ? -1 : 0;
}

int do_MKNOD(struct player *pl, const struct arg *a)
{
	const char *name = NULL;
	AUTO_FD parent = path_parent(player_fd(pl, &a[0]), text(&a[1]), &name);
	struct stat st;

	if (parent < 0)
		return -1;
	mode_t mode = (mode_t)a[2].number;
	dev_t device = makedev((unsigned)a[3].number, (unsigned)a[4].number);
	if (mknodat(parent, name, mode, device) != 0) {
		/* An image or a bind of the host's /dev may have it already: right if it is the same node. */
		if (errno != EEXIST || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			return -1;
		if ((st.st_mode & S_IFMT) != (mode & S_IFMT) || st.st_rdev != device) {
			errno = EEXIST;
			return -1;
		}
	}
	if (a[5].number == 0 && a[6].number == 0)
		return 0;
	return fchownat(parent, name, (uid_t)a[5].number, (gid_t)a[6].number, AT_SYMLINK_NOFOLLOW);
}

int do_SYMLINK(struct player *pl, const struct arg *a)
{
	const char *name = NULL;
	AUTO_FD parent = path_parent(player_fd(pl, &a[0]), text(&a[1]), &name);

	if (parent < 0)
		return -1;
	return symlinkat(text(&a[2]), parent, name) == 0 || errno == EEXIST ? 0 : -1;
}

/* A file of a procfs that the player mounted itself, and of no other mount on top of it (CVE-2019-16884, 2025-52881). */
static int proc_open(int proc, const char *path, uint64_t flags)
{
	return sys_openat2(proc, path, flags | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
}

int do_PROC_WRITE(struct player *pl, const struct arg *a)
{
	AUTO_FD fd = proc_open(player_fd(pl, &a[0]), text(&a[1]), O_WRONLY);

	if (fd < 0)
		return errno == ENOENT && (a[3].number & PROC_WRITE_OPTIONAL) ? 0 : -1;
	return write_all(fd, a[2].data, a[2].len);
}

/* Lowering needs CAP_SYS_RESOURCE (proc_oom_score_adj(5)); without it what was inherited stays, as containerd does. */
int do_OOM_SCORE_ADJ(struct player *pl, const struct arg *a)
{
	int wanted = (int)(int32_t)a[1].number, n = 0;
	char now[16], value[16];
	AUTO_FD fd = proc_open(player_fd(pl, &a[0]), "self/oom_score_adj", O_RDWR);

	if (fd < 0)
		return -1;
	n = snprintf(value, sizeof value, "%d", wanted);
	if (write_all(fd, value, (size_t)n) == 0)
		return 0;
	if (errno != EACCES)
		return -1;
	ssize_t got = pread(fd, now, sizeof now - 1, 0);
	if (got <= 0)
		return -1;
	now[got] = '\0';
	if (strtol(now, NULL, 10) < wanted) {
		errno = EACCES;
		return -1;
	}
	return 0;
}

/* time_namespaces(7): unshare(2) makes the one that children are born into; its clocks can be set until somebody is in it. */
int do_TIME_NAMESPACE(struct player *pl, const struct arg *a)
{
	int proc = player_fd(pl, &a[0]);

	if (unshare(CLONE_NEWTIME) != 0)
		return -1;
	if (a[1].len > 0) {
		AUTO_FD offsets = proc_open(proc, "self/timens_offsets", O_WRONLY);
		if (offsets < 0 || write_all(offsets, a[1].data, a[1].len) != 0)
			return -1;
	}
	/* A magic link, which no path of a container's is resolved through: this procfs is ours. */
	AUTO_FD self = sys_openat2(proc, "self/ns", O_PATH | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_XDEV);
	AUTO_FD made = self < 0 ? -1 : openat(self, "time_for_children", O_RDONLY | O_CLOEXEC);
	return made < 0 ? -1 : setns(made, CLONE_NEWTIME);
}

/* The inode of a PID namespace: of the process pid ("1", "self") of a procfs. */
static int namespace_inode(int proc, const char *pid, struct stat *st)
{
	char path[48];

	(void)snprintf(path, sizeof path, "%s/ns/pid", pid);
	return fstatat(proc, path, st, 0);
}

/* "Pid:" of /proc/self/fdinfo (pidfd_open(2)): the process's number in the PID namespace of that procfs. */
static int number_of(int pidfd, char number[16])
{
	char path[48], text[512];

	(void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n < 0)
		return -1;
	text[n] = '\0';
	const char *line = strstr(text, "Pid:\t");
	size_t digits = line == NULL ? 0 : strspn(line + 5, "0123456789");
	if (digits == 0 || digits > 15) {
		errno = ESRCH;
		return -1;
	}
	memcpy(number, line + 5, digits);
	number[digits] = '\0';
	return 0;
}

/* A procfs shows the PID namespace of whoever mounts it, and the player is not in this one. So it takes what the container
 * has, which the container may have put there itself: it must be the root of a procfs, and of that namespace. */
static int is_proc_of(int tree, int pidfd)
{
	struct stat root, theirs, wanted;
	struct statfs fs;
	char number[16];

	AUTO_FD own = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (own < 0 || number_of(pidfd, number) != 0 || fstatfs(tree, &fs) != 0 || fstat(tree, &root) != 0)
		return -1;
	if (fs.f_type != PROC_SUPER_MAGIC || root.st_ino != 1 /* PROC_ROOT_INO */) {
		errno = EXDEV;
		return -1;
	}
	if (namespace_inode(tree, "1", &theirs) != 0 || namespace_inode(own, number, &wanted) != 0)
		return -1;
	if (theirs.st_ino != wanted.st_ino || theirs.st_dev != wanted.st_dev) {
		errno = EXDEV;
		return -1;
	}
	return 0;
}

int do_PROC_OF(struct player *pl, const struct arg *a)
{
	int pidfd = player_fd(pl, &a[1]);
	AUTO_FD home = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (home < 0 || setns(pidfd, CLONE_NEWNS) != 0)
		return -1;
	AUTO_FD there = path_open(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY);
	AUTO_FD tree = there < 0 ? -1 : clone_tree(there, 0);
	int err = errno;
	if (setns(home, CLONE_NEWNS) != 0)
		return -1;
	errno = err;
	if (tree < 0 || is_proc_of(tree, pidfd) != 0)
		return -1;
	player_fill(pl, &a[0], keep_fd(&tree));
	return 0;
}
