/* Operations on user namespaces. The player stays outside of a pod's until all is done that needs the host's rights. */
#include "play.h"

#include "syscalls.h"

#include <errno.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int write_map(pid_t pid, const char *file, const struct arg *map)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = write(fd, map->data, map->len);
	if (n >= 0 && (uint32_t)n != map->len) {
		errno = EIO;
		return -1;
	}
	return n < 0 ? -1 : 0;
}

/* The first process of the namespaces: there only so that there is something to join, until its socket closes. */
static _Noreturn void hold(int socket_fd)
{
	char byte;

	while (recv(socket_fd, &byte, 1, 0) < 0 && errno == EINTR)
		;
	_exit(0);
}

/* Namespaces belong to the user namespace that their maker is in (user_namespaces(7)), and the player must not be in
 * there: so a child makes them, and the player, who has every right over them, joins what it is told to. The user
 * namespace itself is opened if userns is not NULL. */
static int make_userns(uint64_t flags, const struct arg *maps, int *userns)
{
	int pair[2], pidfd = -1, failed = 0;
	struct clone_args args = {.flags = flags | CLONE_NEWUSER | CLONE_PIDFD, .exit_signal = SIGCHLD};
	char path[64];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	args.pidfd = (uint64_t)(uintptr_t)&pidfd;
	pid_t pid = sys_clone3(&args);
	if (pid == 0) {
		close(pair[0]);
		hold(pair[1]);
	}
	close(pair[1]);
	if (pid < 0) {
		int err = errno;
		close(pair[0]);
		errno = err;
		return -1;
	}
	failed = write_map(pid, "uid_map", &maps[0]) != 0 || write_map(pid, "gid_map", &maps[1]) != 0 ||
	         (flags != 0 && setns(pidfd, (int)flags) != 0);
	if (!failed && userns != NULL) {
		(void)snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
		*userns = open(path, O_RDONLY | O_CLOEXEC);
		failed = *userns < 0;
	}
	int err = errno;
	close(pair[0]);
	close(pidfd);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	errno = err;
	return failed ? -1 : 0;
}

int do_NEW_USERNS(struct player *pl, const struct arg *a)
{
	(void)pl;
	return make_userns(a[0].number, &a[1], NULL);
}

int do_OWN_USERNS(struct player *pl, const struct arg *a)
{
	int userns = -1;

	if (make_userns(0, &a[1], &userns) != 0)
		return -1;
	player_fill(pl, &a[0], userns);
	return 0;
}

/* Kept nowhere: who has the pod's network namespace can ask whose that is (ioctl_nsfs(2)). */
int do_USERNS(struct player *pl, const struct arg *a)
{
	AUTO_FD net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd = net < 0 ? -1 : ioctl(net, NS_GET_USERNS);

	if (fd < 0)
		return -1;
	player_fill(pl, &a[0], fd);
	return 0;
}

/* A mount namespace made in a user namespace has copies of all mounts, with locks that keep them as they are: read-only,
 * nosuid, and none of them to be taken away alone (mount_namespaces(7)). A descriptor still leads to the original; the
 * working directory goes along to the copy. That copy is locked too, and pivot_root(2) wants one that is not: so it is
 * bound over itself. Its submounts stay locked. */
int do_OWN_ROOT(struct player *pl, const struct arg *a)
{
	int root = player_fd(pl, &a[0]);

	if (fchdir(root) != 0 || unshare((int)(a[1].number | CLONE_NEWNS)) != 0)
		return -1;
	AUTO_FD copy = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD tree = copy < 0 ? -1 : clone_tree(copy, 1);
	if (tree < 0 || attach_tree(tree, copy) != 0)
		return -1;
	player_fill(pl, &a[0], keep_fd(&tree));
	return 0;
}
