/* The log pump: whatever is fed in whatever pieces comes out of the files again, and no file is too large. */
#include "../logpump.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK(condition)                                                                                               \
	do {                                                                                                               \
		if (!(condition)) {                                                                                            \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
			exit(1);                                                                                                   \
		}                                                                                                              \
	} while (0)

static char directory[] = "/tmp/logpump-test-XXXXXX";
static char path[64];
static struct log_scratch scratch;
static unsigned long long state = 42;

static unsigned pick(unsigned below)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(state >> 33) % below;
}

static void test_dates(void)
{
	static const struct {
		time_t second;
		const char *text;
	} known[] = {
		{0, "1970-01-01T00:00:00"},          {951782399, "2000-02-28T23:59:59"},  {951782400, "2000-02-29T00:00:00"},
		{1795459160, "2026-11-23T18:39:20"}, {4107542400, "2100-03-01T00:00:00"}, {-1, "1969-12-31T23:59:59"},
		{1735689599, "2024-12-31T23:59:59"}, {253402300799, "9999-12-31T23:59:59"},
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		char out[20];
		log_date(out, known[i].second);
		CHECK(strcmp(out, known[i].text) == 0);
	}
	for (time_t t = 0; t < 5000000000; t += 86399 * 13) {
		struct tm tm;
		char out[20], wanted[64];
		gmtime_r(&t, &tm);
		strftime(wanted, sizeof wanted, "%Y-%m-%dT%H:%M:%S", &tm);
		log_date(out, t);
		CHECK(strcmp(out, wanted) == 0);
	}
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_log(const struct dirent *d)
{
	return strncmp(d->d_name, "c.log", 5) == 0;
}

/* Put the text of a file's records behind out; removes the file. */
static size_t unformat(const char *name, char *out, size_t limit)
{
	char file[400], *text;
	struct stat st;
	size_t done = 0;
	snprintf(file, sizeof file, "%s/%s", directory, name);
	int fd = open(file, O_RDONLY);
	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	CHECK(!limit || (size_t)st.st_size <= limit);
	text = malloc((size_t)st.st_size + 1);
	CHECK(text && read(fd, text, (size_t)st.st_size) == st.st_size);
	close(fd);
	for (char *at = text, *end; at < text + st.st_size; at = end + 1) {
		end = memchr(at, '\n', (size_t)(text + st.st_size - at));
		CHECK(end && end - at >= LOG_PREFIX && end - at <= LOG_PREFIX + LOG_LINE_MAX);
		CHECK(memcmp(at, "2026-11-23T18:39:20.000000", 26) == 0 && memcmp(at + 29, "Z stdout ", 9) == 0 && at[39] == ' ');
		CHECK(at[38] == 'F' || at[38] == 'P');
		memcpy(out + done, at + LOG_PREFIX, (size_t)(end - at) - LOG_PREFIX);
		done += (size_t)(end - at) - LOG_PREFIX;
		if (at[38] == 'F')
			out[done++] = '\n';
	}
	free(text);
	unlink(file);
	return done;
}

/* The rotated files by age, then the current one. */
static size_t read_back(char *out, size_t limit)
{
	struct dirent **names;
	size_t done = 0;
	int n = scandir(directory, &names, is_log, by_name);
	CHECK(n > 0);
	for (int i = 1; i < n; i++)
		done += unformat(names[i]->d_name, out + done, limit);
	done += unformat(names[0]->d_name, out + done, limit);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return done;
}

static void test_everything_comes_back(void)
{
	enum { SIZE = 600000 };
	static char data[SIZE], back[SIZE + 1];
	for (int round = 0; round < 60; round++) {
		unsigned newline_every = 1u << pick(17);
		uint64_t max = pick(3) ? 20000 + pick(100000) : 0;
		for (size_t i = 0; i < SIZE; i++)
			data[i] = pick(newline_every) ? (char)pick(256) : '\n';
		struct log_file *f = log_open(path, strlen(path), max, 0);
		struct log_stream s = {.name = "stdout"};
		struct timespec now = {.tv_sec = 1795459160};
		CHECK(f);
		for (size_t at = 0, n; at < SIZE; at += n, now.tv_nsec = pick(1000)) {
			n = 1 + pick(pick(2) ? 65536 : 300);
			if (n > SIZE - at)
				n = SIZE - at;
			log_feed(&scratch, &s, f, &now, data + at, n);
		}
		log_finish(&scratch, &s, f, &now);
		CHECK(!s.pending && !log_stalled(f) && log_lost(f) == 0);
		log_close(f);
		CHECK(read_back(back, max) == SIZE);
		CHECK(memcmp(data, back, SIZE) == 0);
	}
}

static void test_a_line_of_exactly_the_limit(void)
{
	static char line[LOG_LINE_MAX + 1], back[LOG_LINE_MAX + 2];
	struct timespec now = {.tv_sec = 1795459160};
	struct log_stream s = {.name = "stdout"};
	struct stat st;
	struct log_file *f = log_open(path, strlen(path), 0, 0);
	memset(line, 'x', LOG_LINE_MAX);
	line[LOG_LINE_MAX] = '\n';
	log_feed(&scratch, &s, f, &now, line, LOG_LINE_MAX);
	CHECK(stat(path, &st) == 0 && st.st_size == 0); /* it may end here */
	log_feed(&scratch, &s, f, &now, line + LOG_LINE_MAX, 1);
	CHECK(stat(path, &st) == 0 && st.st_size == LOG_RECORD_MAX);
	log_close(f);
	CHECK(read_back(back, 0) == LOG_LINE_MAX + 1);
}

static void test_a_tiny_limit_makes_one_file_a_record(void)
{
	static char back[64];
	struct timespec now = {.tv_sec = 1795459160};
	struct log_stream s = {.name = "stdout"};
	struct log_file *f = log_open(path, strlen(path), 1, 3);
	log_feed(&scratch, &s, f, &now, "a\nb\nc\nd\ne\n", 10);
	log_close(f);
	CHECK(read_back(back, 0) == 6 && memcmp(back, "c\nd\ne\n", 6) == 0);
}

static void test_bad_paths(void)
{
	char longer[5000];
	memset(longer, 'x', sizeof longer);
	longer[0] = '/';
	CHECK(!log_open(longer, sizeof longer, 0, 0) && errno == ENAMETOOLONG);
	CHECK(!log_open("/", 1, 0, 0) && errno == EINVAL);
	CHECK(!log_open("/nowhere/x", 10, 0, 0) && errno == ENOENT);
	CHECK(!log_open("/dev/full", 9, 0, 0) && errno == EINVAL);
	CHECK(!log_open("/tmp/", 5, 0, 0) && errno == EINVAL);
}

int main(void)
{
	CHECK(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/c.log", directory);
	scratch = (struct log_scratch){.buf = malloc(131072), .size = 131072};
	CHECK(scratch.buf);
	test_dates();
	test_everything_comes_back();
	test_a_line_of_exactly_the_limit();
	test_a_tiny_limit_makes_one_file_a_record();
	test_bad_paths();
	free(scratch.buf);
	rmdir(directory);
	return 0;
}
