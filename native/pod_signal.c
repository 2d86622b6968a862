/* Signals to the processes of the pod: by pidfd, so that a number in use again is never meant. */
#include "pod.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pod_text.h"

static int send_signal(int pidfd, int number)
{
	return syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) < 0 ? errno : 0;
}

int signal_process(const struct process *p, int number)
{
	return p->reaped || p->pidfd < 0 ? ESRCH : send_signal(p->pidfd, number);
}

static bool namespace_of(const char *pid, struct stat *st)
{
	char path[64];
	struct text t = text_into(path, sizeof path);
	text_str(&t, "/proc/");
	text_str(&t, pid);
	text_str(&t, "/ns/pid");
	return stat(path, st) == 0;
}

int signal_namespace(const struct process *p, int number)
{
	char pid[24];
	struct stat wanted, own, st;
	struct text t = text_into(pid, sizeof pid);
	text_number(&t, (uint64_t)p->pid, 1);
	if (p->reaped)
		return ESRCH;
	if (p->exec) /* a session leader by its plan; while we have not reaped it, the group's number is nobody else's */
		return kill(-p->pid, number) < 0 ? errno : 0;
	if (p->shared_pidns || !namespace_of(pid, &wanted) || !namespace_of("self", &own) || own.st_ino == wanted.st_ino)
		return EINVAL;
	if (number == SIGKILL) /* the kernel kills the others with the first */
		return signal_process(p, number);
	DIR *proc = opendir("/proc");
	if (!proc)
		return errno;
	for (struct dirent *d; (d = readdir(proc));) {
		if (d->d_name[0] < '1' || d->d_name[0] > '9')
			continue;
		/* The descriptor first: if the number changes hands now, the signal goes to the dead. */
		int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)strtol(d->d_name, NULL, 10), 0);
		if (pidfd < 0)
			continue;
		if (namespace_of(d->d_name, &st) && st.st_ino == wanted.st_ino && st.st_dev == wanted.st_dev)
			send_signal(pidfd, number);
		close(pidfd);
	}
	closedir(proc);
	return 0;
}

void signal_kill_children(void)
{
	char buf[4096];
	struct text t = text_into(buf, sizeof buf);
	text_str(&t, "/proc/self/task/");
	text_number(&t, (uint64_t)pod.pid, 1);
	text_str(&t, "/children");
	int fd = open(buf, O_RDONLY | O_CLOEXEC);
	for (const struct process *p = pod.processes; p; p = p->next)
		signal_process(p, SIGKILL);
	if (fd < 0)
		return;
	/* Adopted ones: our own children keep their number until we reap them. What does not fit is killed when these are reaped. */
	ssize_t n = read(fd, buf, sizeof buf - 1);
	close(fd);
	if (n <= 0)
		return;
	buf[n] = 0;
	for (char *at = buf, *end; (end = strchr(at, ' ')); at = end + 1)
		kill((pid_t)strtol(at, NULL, 10), SIGKILL);
}
