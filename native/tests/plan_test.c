/* The decoder and the parts of the player that need no rights, for the sanitizers: meson test -C build/asan.
 * Each test is a function; the first thing that does not hold ends the program with its line. */
#include "../play.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOLDS(x)                                                                                                       \
	do {                                                                                                               \
		if (!(x)) {                                                                                                    \
			fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #x, strerror(errno));                              \
			exit(1);                                                                                                   \
		}                                                                                                              \
	} while (0)

/* A plan under construction. */
struct builder {
	unsigned char buf[4096];
	size_t len;
	uint32_t ops;
	size_t op;
};

static void put(struct builder *b, const void *data, size_t n)
{
	HOLDS(b->len + n + 4 < sizeof b->buf);
	memcpy(b->buf + b->len, data, n);
	b->len += n;
	while (b->len % 4 != 0)
		b->buf[b->len++] = 0;
}

static void number(struct builder *b, uint32_t value)
{
	put(b, &value, sizeof value);
}

static void string(struct builder *b, const char *s)
{
	number(b, (uint32_t)strlen(s));
	put(b, s, strlen(s) + 1);
}

static void vector(struct builder *b, uint32_t count, const char *joined, uint32_t len)
{
	number(b, count);
	number(b, len);
	put(b, joined, len);
}

static void finish_op(struct builder *b)
{
	uint32_t len = (uint32_t)(b->len - b->op);
	if (b->ops > 0)
		memcpy(b->buf + b->op + 4, &len, sizeof len);
}

static void op(struct builder *b, uint32_t code)
{
	finish_op(b);
	b->op = b->len;
	b->ops++;
	number(b, code);
	number(b, 0);
}

static struct builder begin(void)
{
	struct builder b = {.len = PLAN_HEADER_BYTES};
	return b;
}

static struct plan finish(struct builder *b)
{
	struct plan p;
	uint32_t header[8] = {PLAN_MAGIC, 0, b->ops, 1, 0, 0, PLAN_NO_FD, PLAN_NO_FD};

	finish_op(b);
	header[1] = (uint32_t)b->len;
	memcpy(b->buf, header, sizeof header);
	HOLDS(plan_decode(&p, b->buf, b->len, NULL) == 0);
	return p;
}

static void every_truncation_is_refused(void)
{
	struct builder b = begin();
	struct plan p;

	op(&b, PLAN_MKDIR);
	number(&b, 0);
	string(&b, "a/b");
	number(&b, 0755);
	op(&b, PLAN_EXEC);
	string(&b, "/bin/true");
	vector(&b, 2, "true\0x", 7);
	vector(&b, 0, "", 0);
	finish(&b);
	for (size_t len = 0; len < b.len; len++) {
		unsigned char *copy = malloc(len + 1);
		uint32_t n = (uint32_t)len;
		HOLDS(copy != NULL);
		memcpy(copy, b.buf, len);
		if (len >= 8)
			memcpy(copy + 4, &n, sizeof n);
		errno = 0;
		HOLDS(plan_decode(&p, copy, len, NULL) == -1 && errno == EBADMSG);
		free(copy);
	}
}

static void a_wrong_word_is_refused_or_harmless(void)
{
	struct builder b = begin();
	const uint32_t words[] = {0, 1, 7, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff};
	struct plan p;

	op(&b, PLAN_MOUNT_NEW);
	number(&b, PLAN_SLOT);
	string(&b, "tmpfs");
	string(&b, "");
	vector(&b, 1, "size=1m", 8);
	put(&b, (uint64_t[]){1}, 8);
	number(&b, PLAN_HOST);
	string(&b, "/x");
	number(&b, 0);
	finish(&b);
	for (size_t at = 0; at + 4 <= b.len; at += 4)
		for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
			unsigned char *copy = malloc(b.len);
			HOLDS(copy != NULL);
			memcpy(copy, b.buf, b.len);
			memcpy(copy + at, &words[w], 4);
			plan_decode(&p, copy, b.len, NULL);
			free(copy);
		}
}

static void a_failure_names_its_operation(int dir)
{
	struct builder b = begin();
	struct plan_failure why = {0};

	op(&b, PLAN_MKDIR);
	number(&b, 0);
	string(&b, "one/two");
	number(&b, 0700);
	op(&b, PLAN_OPEN);
	number(&b, PLAN_SLOT + 3);
	number(&b, 0);
	string(&b, "one/missing");
	number(&b, 1);
	struct plan p = finish(&b);
	HOLDS(plan_play(&p, &dir, 1, &why) == -1);
	HOLDS(why.index == 1 && why.err == ENOENT);
	HOLDS(plan_play(&p, &dir, 0, &why) == -1 && why.index == 2 && why.err == EBADF);
}

static void dangling_links_are_followed_inside(int dir)
{
	struct stat st;

	HOLDS(symlinkat("/in/side", dir, "link") == 0 && symlinkat("../../../../in/relative", dir, "up") == 0);
	HOLDS(symlinkat("loop", dir, "loop") == 0);
	int fd = path_make(dir, "/link/deep", PATH_DIRECTORY, 0755);
	HOLDS(fd >= 0 && fstatat(dir, "in/side/deep", &st, 0) == 0);
	close(fd);
	fd = path_make(dir, "up", PATH_FILE, 0644);
	HOLDS(fd >= 0 && fstatat(dir, "in/relative", &st, 0) == 0 && S_ISREG(st.st_mode));
	close(fd);
	HOLDS(path_make(dir, "loop/x", PATH_DIRECTORY, 0755) == -1 && errno == ELOOP);
	HOLDS(path_make(dir, "nothing/../x", PATH_EXISTING, 0) == -1 && errno == ENOENT);
}

static void long_names_are_refused(int dir)
{
	char name[8192];

	memset(name, 'a', sizeof name);
	name[sizeof name - 1] = '\0';
	HOLDS(path_make(dir, name, PATH_DIRECTORY, 0755) == -1 && errno == ENAMETOOLONG);
	HOLDS(path_beneath(dir, name, 1) == -1 && errno == ENAMETOOLONG);
	for (size_t i = 0; i < sizeof name; i += 2)
		name[i] = '/';
	name[4000] = '\0';
	int fd = path_make(dir, name, PATH_DIRECTORY, 0755); /* 2000 levels */
	HOLDS(fd >= 0);
	close(fd);
}

static void beneath_is_beneath(int dir)
{
	HOLDS(symlinkat("/etc", dir, "absolute") == 0 && symlinkat("..", dir, "parent") == 0);
	HOLDS(path_beneath(dir, "absolute", 1) == -1 && errno == EXDEV);
	HOLDS(path_beneath(dir, "parent", 1) == -1 && errno == EXDEV);
	HOLDS(path_beneath(dir, "../x", 1) == -1 && errno == EXDEV);
	int fd = path_beneath(dir, "new//deep/er/", 1);
	HOLDS(fd >= 0);
	close(fd);
}

static void a_spawned_program_runs(int dir)
{
	struct builder b = begin();
	struct plan_child child;
	const int stdio[3] = {-1, -1, -1};
	char report[64];
	int status = 0;

	op(&b, PLAN_UMASK);
	number(&b, 022);
	op(&b, PLAN_WAIT);
	op(&b, PLAN_EXEC);
	string(&b, "sh");
	vector(&b, 3, "sh\0-c\0exit 7", 13);
	vector(&b, 1, "PATH=/usr/bin:/bin", 19);
	struct plan p = finish(&b);
	HOLDS(plan_spawn(&p, &dir, 1, stdio, &child) == 0);
	HOLDS(fcntl(child.report_fd, F_SETFL, 0) == 0);
	HOLDS(read(child.report_fd, report, sizeof report) == sizeof(struct plan_failure));
	HOLDS(write(child.report_fd, "g", 1) == 1);
	HOLDS(read(child.report_fd, report, sizeof report) == 0);
	HOLDS(waitpid(child.pid, &status, 0) == child.pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	close(child.report_fd);
	close(child.pidfd);
}

int main(void)
{
	char name[] = "/tmp/pyrt-plan-test-XXXXXX", command[64];

	HOLDS(mkdtemp(name) != NULL);
	int dir = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	HOLDS(dir >= 3);
	every_truncation_is_refused();
	a_wrong_word_is_refused_or_harmless();
	a_failure_names_its_operation(dir);
	dangling_links_are_followed_inside(dir);
	long_names_are_refused(dir);
	beneath_is_beneath(dir);
	a_spawned_program_runs(dir);
	close(dir);
	snprintf(command, sizeof command, "rm -rf %s", name);
	return system(command) == 0 ? 0 : 1; /* NOLINT(cert-env33-c): a test, and a name of its own */
}
