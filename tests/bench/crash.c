/* A container that ends once: writes down when its program began and when it ended, in nanoseconds.
 * usage: crash FILE      the first to run with FILE ends with 1; the others stay. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int note(int fd, const char *what)
{
	struct timespec t;
	char line[64];
	clock_gettime(CLOCK_REALTIME, &t);
	int n = snprintf(line, sizeof line, "%s %lld\n", what, t.tv_sec * 1000000000LL + t.tv_nsec);
	return write(fd, line, n) == n ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct stat st;
	int fd = argc == 2 ? open(argv[1], O_WRONLY | O_APPEND | O_CREAT, 0644) : -1;
	if (fd < 0 || note(fd, "began") || fstat(fd, &st))
		return 2;
	if (st.st_size < 40)
		return note(fd, "ended") ? 2 : 1;
	for (;;)
		pause();
}
