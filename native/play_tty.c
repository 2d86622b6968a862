/* Operations on the terminal and the standard streams. */
#include "play.h"

#include "syscalls.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

/* ptmx of a devpts: a container may have put anything in its place before an exec (CVE-2025-52565). */
static int is_ptmx(int fd)
{
	struct stat st;
	struct statfs fs;

	if (fstat(fd, &st) != 0 || fstatfs(fd, &fs) != 0)
		return 0;
	return S_ISCHR(st.st_mode) && st.st_rdev == makedev(5, 2) && fs.f_type == DEVPTS_SUPER_MAGIC;
}

static int open_ptmx(int at, const char *path)
{
	AUTO_FD seen = path_open(at, path, O_PATH);
	if (seen < 0)
		return -1;
	if (is_ptmx(seen)) {
		AUTO_FD master = path_open(at, path, O_RDWR | O_NOCTTY | O_NONBLOCK);
		if (master < 0)
			return -1;
		if (is_ptmx(master) && fcntl(master, F_SETFL, O_RDWR) == 0)
			return keep_fd(&master);
	}
	errno = ENOTTY;
	return -1;
}

static int send_fd(int socket_fd, int fd)
{
	char byte = 0;
	struct iovec data = {.iov_base = &byte, .iov_len = 1};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof fd)];
	} control;
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

	memset(&control, 0, sizeof control);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	return sendmsg(socket_fd, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int mount_console(int terminal, int root, const char *path)
{
	AUTO_FD target = path_make(root, path, PATH_FILE, 0600);
	if (target < 0)
		return -1;
	AUTO_FD tree = sys_open_tree(terminal, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return -1;
	return sys_move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int do_TERMINAL(struct player *pl, const struct arg *a)
{
	struct winsize size = {.ws_row = (unsigned short)a[5].number, .ws_col = (unsigned short)a[6].number};
	AUTO_FD master = open_ptmx(player_fd(pl, &a[1]), text(&a[2]));
	int locked = 0;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &locked) != 0)
		return -1;
	/* The slave straight from the master: no path of the container's is looked up. */
	AUTO_FD slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || (size.ws_row != 0 && ioctl(slave, TIOCSWINSZ, &size) != 0))
		return -1;
	if (a[4].len > 0 && mount_console(slave, player_fd(pl, &a[3]), text(&a[4])) != 0)
		return -1;
	if (send_fd(player_fd(pl, &a[0]), master) != 0)
		return -1;
	/* One that leads none is not the last to have the terminal: CONTROL follows. */
	if (getsid(0) == getpid() && ioctl(slave, TIOCSCTTY, 0) != 0)
		return -1;
	for (int i = 0; i < 3; i++)
		if (dup2(slave, i) < 0)
			return -1;
	return 0;
}

/* So that a program that is not root can open /dev/stdout again; the kernel's /dev/null stays root's. */
int do_STDIO_OWNER(struct player *pl, const struct arg *a)
{
	(void)pl;
	for (int fd = 0; fd < 3; fd++) {
		struct stat st;
		if (fstat(fd, &st) != 0)
			return -1;
		if ((S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) || st.st_uid == a[0].number)
			continue;
		/* A file of a read-only or foreign file system keeps its owner: no reason not to start. */
		if (fchown(fd, (uid_t)a[0].number, (gid_t)-1) != 0 && errno != EROFS && errno != EPERM && errno != EINVAL)
			return -1;
	}
	return 0;
}

int do_CONTROL(struct player *pl, const struct arg *a)
{
	(void)pl;
	(void)a;
	return ioctl(0, TIOCSCTTY, 0);
}
