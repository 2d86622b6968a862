/* containers/<id> and exits/<id>: what a daemon reads when the pod process is no longer there to be asked. The run directory is a
 * tmpfs: nothing to sync, a rename makes a file whole. */
#include "pod.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pod_text.h"

static int containers_dir = -1, exits_dir = -1;

static int open_dir(const char *name)
{
	if (mkdirat(pod.run_dir, name, 0700) < 0 && errno != EEXIST)
		return -1;
	return openat(pod.run_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int records_open(void)
{
	containers_dir = open_dir("containers");
	exits_dir = open_dir("exits");
	return containers_dir < 0 || exits_dir < 0 ? -1 : 0;
}

static void write_record(int dir, const char *id, const char *text, size_t len)
{
	char temporary[PROTO_MAX_ID + 2];
	struct text t = text_into(temporary, sizeof temporary);
	text_str(&t, ".");
	text_str(&t, id);
	int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool written = fd >= 0 && write(fd, text, len) == (ssize_t)len;
	int err = errno;
	if (fd >= 0)
		close(fd);
	if (!written)
		errno = err;
	if (!written || renameat(dir, temporary, dir, id) < 0)
		pod_log("write a record", id, errno);
}

static void field(struct text *t, const char *name, uint64_t value)
{
	text_str(t, name);
	text_str(t, " ");
	text_number(t, value, 1);
	text_str(t, "\n");
}

static void common_fields(struct text *t, const struct process *p)
{
	text_str(t, p->exec ? "kind exec\n" : "kind container\n");
	field(t, "pid", (uint64_t)p->pid);
	field(t, "start_ticks", p->start_ticks);
	field(t, "started", p->started);
	if (p->target[0]) {
		text_str(t, "target ");
		text_str(t, p->target);
		text_str(t, "\n");
	}
}

void record_start(const struct process *p)
{
	char buf[512];
	struct text t = text_into(buf, sizeof buf);
	common_fields(&t, p);
	write_record(containers_dir, p->id, buf, (size_t)(t.at - buf));
}

void record_exit(const struct process *p)
{
	char buf[512];
	struct text t = text_into(buf, sizeof buf);
	bool killed = WIFSIGNALED(p->status);
	common_fields(&t, p);
	field(&t, "finished", p->finished);
	field(&t, "status", (uint64_t)(uint32_t)p->status);
	field(&t, "code", (uint64_t)(killed ? 128 + WTERMSIG(p->status) : WEXITSTATUS(p->status)));
	field(&t, "signal", (uint64_t)(killed ? WTERMSIG(p->status) : 0));
	write_record(exits_dir, p->id, buf, (size_t)(t.at - buf));
}

void record_forget(const struct process *p)
{
	unlinkat(containers_dir, p->id, 0);
	unlinkat(exits_dir, p->id, 0);
}

uint64_t start_ticks_of(pid_t pid)
{
	char path[40], stat[512];
	struct text t = text_into(path, sizeof path);
	text_str(&t, "/proc/");
	text_number(&t, (uint64_t)pid, 1);
	text_str(&t, "/stat");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, stat, sizeof stat - 1);
	close(fd);
	if (n <= 0)
		return 0;
	stat[n] = 0;
	/* Field 2 is the program's name in parentheses, and may hold anything. */
	char *at = strrchr(stat, ')');
	for (int field_number = 2; at && field_number < 22; field_number++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at + 1, NULL, 10) : 0;
}
