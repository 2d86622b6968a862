#include "errand.h"

#include "syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum state { WAITING, UNDER_WAY, DONE };

struct errand {
	struct errand *next;
	enum state state;
	int err;
	bool files;
	unsigned attributes; /* of the mount, and the mount */
	int mount;
	size_t len;
	char steps[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t begun = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static struct errand *first, **last = &first;
static bool busy; /* somebody carries one out: they are done one after the other */

/* Takes the descriptor. */
static int write_value(int fd, const char *value, size_t len)
{
	int err = 0;

	if (fd < 0)
		return errno;
	ssize_t n = write(fd, value, len);
	if (n != (ssize_t)len)
		err = n < 0 ? errno : EIO;
	close(fd);
	return err;
}

static int make_file(int directory, const char *name, const char *value, size_t len)
{
	int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd >= 0 && fchmod(fd, 0644) != 0) { /* whatever the umask */
		int err = errno;
		close(fd);
		return err;
	}
	return write_value(fd, value, len);
}

static int make_tmpfs(unsigned attributes)
{
	static const char *const options[][2] = {{"mode", "755"}, {"size", "1m"}, {"nr_inodes", "16"}};
	int fs = sys_fsopen("tmpfs", FSOPEN_CLOEXEC), mount = -1;
	bool ready = fs >= 0;

	for (size_t i = 0; ready && i < sizeof options / sizeof *options; i++)
		ready = sys_fsconfig(fs, FSCONFIG_SET_STRING, options[i][0], options[i][1], 0) == 0;
	if (ready && sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount = sys_fsmount(fs, FSMOUNT_CLOEXEC, attributes);
	int err = errno;
	if (fs >= 0)
		close(fs);
	errno = err;
	return mount;
}

static int run(struct errand *e)
{
	const char *at = e->steps, *end = at + e->len;
	int err = 0;

	if (e->files) {
		e->mount = make_tmpfs(e->attributes);
		err = e->mount < 0 ? errno : 0;
	}
	while (at < end && err == 0) {
		const char *path = at, *value = path + strlen(path) + 1;
		size_t len = strlen(value);
		at = value + len + 1;
		if (e->files)
			err = make_file(e->mount, path, value, len);
		else if (len > 0)
			err = write_value(open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW), value, len);
		else if (mkdir(path, 0755) != 0 && errno != EEXIST)
			err = errno;
	}
	return err;
}

/* The first one. With the lock held, which is given back meanwhile. */
static void carry_out(void)
{
	struct errand *e = first;

	first = e->next;
	if (!first)
		last = &first;
	e->state = UNDER_WAY;
	busy = true;
	pthread_mutex_unlock(&lock);
	int err = run(e);
	pthread_mutex_lock(&lock);
	e->err = err;
	e->state = DONE;
	busy = false;
	pthread_cond_broadcast(&done);
	if (first)
		pthread_cond_signal(&begun);
}

static void *serve(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	for (;;) {
		while (!first || busy)
			pthread_cond_wait(&begun, &lock);
		carry_out();
	}
	return NULL;
}

/* Without the thread, whoever waits does it. Signals are the interpreter's. */
static void start_thread(void)
{
	sigset_t all, before;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, serve, NULL) == 0)
		pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static struct errand *begin(const char *steps, size_t len, bool files, unsigned attributes)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	size_t strings = 0;

	for (size_t i = 0; i < len; i++)
		strings += steps[i] == '\0';
	if (len == 0 || steps[len - 1] != '\0' || strings % 2 != 0) {
		errno = EINVAL;
		return NULL;
	}
	struct errand *e = calloc(1, sizeof *e + len);
	if (!e)
		return NULL;
	e->files = files;
	e->attributes = attributes;
	e->mount = -1;
	e->len = len;
	memcpy(e->steps, steps, len);
	pthread_once(&once, start_thread);
	pthread_mutex_lock(&lock);
	*last = e;
	last = &e->next;
	pthread_cond_signal(&begun);
	pthread_mutex_unlock(&lock);
	return e;
}

struct errand *errand_begin(const char *steps, size_t len)
{
	return begin(steps, len, false, 0);
}

struct errand *errand_begin_files(const char *steps, size_t len, unsigned attributes)
{
	return begin(steps, len, true, attributes);
}

int errand_wait(struct errand *e, int *fd)
{
	pthread_mutex_lock(&lock);
	while (e->state != DONE) {
		if (!busy && first)
			carry_out(); /* it, or one before it */
		else
			pthread_cond_wait(&done, &lock);
	}
	pthread_mutex_unlock(&lock);
	int err = e->err;
	if (err != 0 && e->mount >= 0)
		close(e->mount);
	*fd = err == 0 ? e->mount : -1;
	free(e);
	return err;
}
