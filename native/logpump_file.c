#define _GNU_SOURCE
#include "logpump.h"
#include "pod_text.h"
#include "syscalls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROTATE_AGAIN 65536 /* bytes to write before a rotation that failed is tried again */
#define SUFFIX_MAX 32      /* ".20261123-183920-999" and a NUL */
#define NAME_SIZE 256

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

struct log_file {
	int fd;
	int dirfd;
	uint64_t size;
	uint64_t max_size;
	uint64_t rotate_at; /* usually max_size; more after a rotation that failed; UINT64_MAX: never */
	uint32_t max_files;
	time_t rotated;    /* the second in the name of the last rotated file, */
	unsigned nth;      /* and which one of that second it was */
	uint64_t lost;     /* bytes dropped, all told */
	uint64_t unsaid;   /* of these, bytes that no record in the log speaks of yet */
	int stall_errno;
	char *backlog;     /* whole records that wait; NULL: none */
	size_t backlog_len;
	char name[NAME_SIZE - SUFFIX_MAX];
};

/* No symbolic link, and no FIFO, device or directory: a container that has the log directory mounted may put anything there. */
static int open_current(const struct log_file *f, uint64_t *size)
{
	int fd = openat(f->dirfd, f->name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);
	struct stat st;
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	*size = (uint64_t)st.st_size;
	return fd;
}

/* The directory, of whose path the last two names (<pod>/<container>) must not be links: a pod that has the log directory
 * mounted may replace its own by one to any directory of the host. */
static int open_directory(const char *dir)
{
	char base[4096];
	const char *rest = dir + strlen(dir);
	int fd, dirfd;

	for (int names = 0; names < 2 && rest > dir; names++)
		do
			rest--;
		while (rest > dir && *rest != '/');
	memcpy(base, dir, (size_t)(rest - dir));
	base[rest - dir] = 0;
	rest += strspn(rest, "/");
	fd = open(base[0] ? base : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	dirfd = sys_openat2(fd, *rest ? rest : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH);
	int err = errno;
	close(fd);
	errno = err;
	return dirfd;
}

struct log_file *log_open(const char *path, size_t path_len, uint64_t max_size, uint32_t max_files)
{
	const char *slash = memrchr(path, '/', path_len);
	size_t dir_len = slash ? (size_t)(slash - path) : 0, name_len = slash ? path_len - dir_len - 1 : 0;
	char dir[4096];
	struct log_file *f;

	if (!slash || name_len == 0 || name_len >= sizeof f->name || dir_len >= sizeof dir) {
		errno = slash && name_len ? ENAMETOOLONG : EINVAL;
		return NULL;
	}
	f = calloc(1, sizeof *f);
	if (!f)
		return NULL;
	memcpy(dir, path, dir_len);
	dir[dir_len] = 0;
	memcpy(f->name, slash + 1, name_len);
	f->max_size = max_size;
	f->rotate_at = max_size ? max_size : UINT64_MAX;
	f->max_files = max_files;
	f->dirfd = open_directory(dir);
	f->fd = f->dirfd < 0 ? -1 : open_current(f, &f->size);
	if (f->fd >= 0)
		return f;
	int err = errno;
	if (f->dirfd >= 0)
		close(f->dirfd);
	free(f);
	errno = err;
	return NULL;
}

void log_close(struct log_file *f)
{
	if (!f)
		return;
	close(f->fd);
	close(f->dirfd);
	free(f->backlog);
	free(f);
}

int log_reopen(struct log_file *f)
{
	uint64_t size;
	int fd = open_current(f, &size);
	if (fd < 0)
		return -1;
	close(f->fd);
	f->fd = fd;
	f->size = size;
	f->rotate_at = f->max_size ? f->max_size : UINT64_MAX;
	return 0;
}

bool log_stalled(const struct log_file *f)
{
	return f && (f->backlog || f->unsaid);
}

uint64_t log_lost(const struct log_file *f)
{
	return f ? f->lost : 0;
}

/* --- rotation */

/* NAME.20261123-183920, which sorts by age as text; more of them in one second get -001, -002... */
static struct text rotated_name(char *out, const char *name, time_t now)
{
	char date[20];
	struct text t = text_into(out, NAME_SIZE);
	log_date(date, now);
	text_str(&t, name);
	text_str(&t, ".");
	text_bytes(&t, date, 4);
	text_bytes(&t, date + 5, 2);
	text_bytes(&t, date + 8, 2);
	text_str(&t, "-");
	text_bytes(&t, date + 11, 2);
	text_bytes(&t, date + 14, 2);
	text_bytes(&t, date + 17, 2);
	return t;
}

static int rename_new(int dirfd, const char *from, const char *to)
{
	if (syscall(SYS_renameat2, dirfd, from, dirfd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS) /* a file system that cannot; nobody else makes these names */
		return -1;
	if (faccessat(dirfd, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat(dirfd, from, dirfd, to);
}

/* Names go up, whatever the clock does and although older ones have been removed meanwhile: the oldest is found by its name. */
static int move_away(struct log_file *f)
{
	char to[NAME_SIZE];
	time_t now = time(NULL);
	if (now > f->rotated) {
		f->rotated = now;
		f->nth = 0;
	} else {
		f->nth++;
	}
	struct text base = rotated_name(to, f->name, f->rotated);
	for (unsigned last = f->nth + 1000; f->nth < last; f->nth++) {
		struct text t = base;
		*t.at = 0;
		if (f->nth) {
			text_str(&t, "-");
			text_number(&t, f->nth, 3);
		}
		if (rename_new(f->dirfd, f->name, to) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return errno == ENOENT ? 0 : -1; /* someone else has moved it already */
}

struct dirent64_raw {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static bool is_rotated(const struct log_file *f, const char *name)
{
	size_t len = strlen(f->name);
	return strncmp(name, f->name, len) == 0 && name[len] == '.' && name[len + 1] >= '0' && name[len + 1] <= '9' &&
	       strlen(name) < NAME_SIZE;
}

/* How many rotated files there are, and which is the oldest. */
static uint32_t survey(const struct log_file *f, char oldest[NAME_SIZE])
{
	_Alignas(8) char buf[2048];
	uint32_t count = 0;
	long n;

	oldest[0] = 0;
	lseek(f->dirfd, 0, SEEK_SET);
	while ((n = syscall(SYS_getdents64, f->dirfd, buf, sizeof buf)) > 0)
		for (long at = 0; at < n;) {
			const struct dirent64_raw *d = (const void *)(buf + at);
			at += d->reclen;
			if (!is_rotated(f, d->name))
				continue;
			count++;
			if (!oldest[0] || strcmp(d->name, oldest) < 0)
				memcpy(oldest, d->name, strlen(d->name) + 1); /* is_rotated: it fits */
		}
	return count;
}

static void remove_oldest(const struct log_file *f)
{
	char oldest[NAME_SIZE];
	if (!f->max_files)
		return;
	while (survey(f, oldest) >= f->max_files)
		if (unlinkat(f->dirfd, oldest, 0) < 0)
			return;
}

/* Afterwards the file is empty, or rotate_at lies beyond the size it has: an unwilling directory does not stop the log. */
static void rotate(struct log_file *f)
{
	if (move_away(f) == 0 && log_reopen(f) == 0)
		remove_oldest(f);
	else
		f->rotate_at = f->size + ROTATE_AGAIN;
}

/* --- writing */

/* Bytes of whole records that fit into the file; at least one record into an empty file. */
static size_t fitting(const struct log_file *f, const char *records, size_t len)
{
	uint64_t room = f->rotate_at > f->size ? f->rotate_at - f->size : 0;
	if (len <= room)
		return len;
	const char *end = room ? memrchr(records, '\n', (size_t)room) : NULL;
	if (!end && f->size == 0)
		end = memchr(records, '\n', len);
	return end ? (size_t)(end - records) + 1 : 0;
}

/* Write records into the current file; how many bytes of whole records are there to stay. Fewer than len: errno. */
static size_t write_records(struct log_file *f, const char *records, size_t len)
{
	ssize_t n = write(f->fd, records, len);
	if (n == (ssize_t)len) {
		f->size += len;
		return len;
	}
	if (n <= 0) {
		if (n == 0)
			errno = EIO;
		return 0;
	}
	/* Room for a part only: take back the torn record. The write that failed outright tells why. */
	const char *end = memrchr(records, '\n', (size_t)n);
	size_t whole = end ? (size_t)(end - records) + 1 : 0;
	struct stat st; /* the file's own word: someone may have truncated it */
	if (fstat(f->fd, &st) < 0 || ftruncate(f->fd, st.st_size - (off_t)((size_t)n - whole)) < 0)
		whole = (size_t)n; /* cannot be: then the record stays torn */
	f->size += whole;
	errno = ENOSPC;
	return whole;
}

static size_t write_rotating(struct log_file *f, const char *records, size_t len)
{
	size_t done = 0;
	while (done < len) {
		size_t n = fitting(f, records + done, len - done);
		if (n == 0) {
			rotate(f);
			continue;
		}
		size_t written = write_records(f, records + done, n);
		done += written;
		if (written < n)
			break;
	}
	return done;
}

/* Keep what there is room for, whole records; count the rest. */
static void hold_back(struct log_file *f, const char *records, size_t len)
{
	size_t room = LOG_BACKLOG_MAX - f->backlog_len, kept = len;
	if (kept > room) {
		const char *end = room ? memrchr(records, '\n', room) : NULL;
		kept = end && !f->unsaid ? (size_t)(end - records) + 1 : 0;
	} else if (f->unsaid) {
		kept = 0; /* after the first gap everything waits for the record that tells of it */
	}
	if (kept) {
		char *bigger = realloc(f->backlog, f->backlog_len + kept);
		if (bigger) {
			memcpy(bigger + f->backlog_len, records, kept);
			f->backlog = bigger;
			f->backlog_len += kept;
		} else {
			kept = 0;
		}
	}
	f->lost += len - kept;
	f->unsaid += len - kept;
}

void log_write(struct log_file *f, const char *records, size_t len)
{
	size_t done = log_stalled(f) ? 0 : write_rotating(f, records, len);
	if (done == len)
		return;
	if (!log_stalled(f))
		f->stall_errno = errno;
	hold_back(f, records + done, len - done);
}

static bool tell_loss(struct log_file *f)
{
	char record[160];
	struct timespec now;
	struct text t = text_into(record, sizeof record);
	clock_gettime(CLOCK_REALTIME, &now);
	char date[20];
	log_date(date, now.tv_sec);
	text_str(&t, date);
	text_str(&t, ".");
	text_number(&t, (uint64_t)now.tv_nsec, 9);
	text_str(&t, "Z stderr F pyrt: ");
	text_number(&t, f->unsaid, 1);
	text_str(&t, " bytes of log lost: ");
	const char *why = strerrordesc_np(f->stall_errno);
	text_str(&t, why ? why : "write error");
	text_str(&t, "\n");
	size_t len = (size_t)(t.at - record);
	if (write_rotating(f, record, len) != len)
		return false;
	f->unsaid = 0;
	return true;
}

bool log_retry(struct log_file *f)
{
	if (f->backlog) {
		size_t done = write_rotating(f, f->backlog, f->backlog_len);
		if (done < f->backlog_len) {
			f->backlog_len -= done;
			memmove(f->backlog, f->backlog + done, f->backlog_len);
			return false;
		}
		free(f->backlog);
		f->backlog = NULL;
		f->backlog_len = 0;
	}
	return !f->unsaid || tell_loss(f);
}
