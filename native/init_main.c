/* pyrt-init: plays one plan and becomes what its EXEC says. Started by plan_launch (play_launch.c) as the first process of an
 * OCI container, or as one that joins it, from a sealed copy of its file: whoever overwrites its /proc/PID/exe, or executes
 * it anew from inside, has a file in memory that nobody will run again (CVE-2019-5736).
 *
 *     argv[1] a number n: the descriptors n to n + 2 are the report, the plan and BIRTH's page, and then comes the table
 */
#include "play.h"

#include "syscalls.h"

#include <errno.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

static const void *map_file(int fd, size_t *size)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return NULL;
	if (st.st_size <= 0 || st.st_size > (off_t)PLAN_MAX_BYTES) {
		errno = EBADMSG;
		return NULL;
	}
	*size = (size_t)st.st_size;
	void *at = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	return at == MAP_FAILED ? NULL : at;
}

/* 0: done, and the plan had no EXEC. */
static int play_from(int first, struct plan_failure *why)
{
	struct plan plan;
	int table[PLAN_MAX_FDS];
	size_t size = 0;
	const volatile pid_t *born = NULL;
	const void *buffer = map_file(first + 1, &size);

	if (buffer == NULL || plan_decode(&plan, buffer, size, NULL) != 0)
		return -1;
	why->index = plan.op_count;
	if (plan.rebirth) {
		void *page = mmap(NULL, sizeof(pid_t), PROT_READ | PROT_WRITE, MAP_SHARED, first + 2, 0);
		if (page == MAP_FAILED)
			return -1;
		born = page;
	}
	close(first + 1);
	close(first + 2);
	for (uint32_t i = 0; i < plan.fd_count; i++)
		table[i] = first + 3 + (int)i;
	return player_run(&plan, table, first, born, why);
}

int main(int argc, char **argv)
{
	struct plan_failure why = {.index = UINT32_MAX};
	char *end = NULL;
	long first = argc == 2 ? strtol(argv[1], &end, 10) : 0;

	/* Before anything else: nobody in the namespaces that we are in may look at us (CVE-2016-9962). */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || first < 3 || first > 4096 || *end != '\0')
		return 127;
	if (sys_close_range((unsigned)first, ~0u, CLOSE_RANGE_CLOEXEC) == 0 && play_from((int)first, &why) == 0)
		return 0;
	if (why.err == 0)
		why.err = errno;
	send((int)first, &why, sizeof why, MSG_NOSIGNAL);
	return 127;
}
