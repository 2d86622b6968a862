/* What a hostile container tries, one thing a command; it prints what came of it. Linked statically, put into images. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void told(const char *what, long result)
{
	printf("%s %s\n", what, result < 0 ? strerrorname_np(errno) : "ok");
	fflush(stdout);
}

/* --- system calls, by number, through one of the machine's three doors */

static long native_call(long number, const long *a)
{
	return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#ifdef __x86_64__
static long compat_call(long number, const long *a)
{
	long result;
	register long six __asm__("rbp") = 0;
	(void)six;
	__asm__ volatile("int $0x80"
	                 : "=a"(result)
	                 : "a"(number), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
	                 : "memory", "r8", "r9", "r10", "r11");
	if (result < 0 && result > -4096) {
		errno = (int)-result;
		return -1;
	}
	return result;
}
#endif

/* In a child: a call that is let through may change or end the caller. */
static void try_call(const char *door, long number, const long *args)
{
	pid_t child = fork();
	if (child == 0) {
		long result = -1;
		errno = ENOSYS;
		if (strcmp(door, "native") == 0)
			result = native_call(number, args);
#ifdef __x86_64__
		else if (strcmp(door, "compat") == 0)
			result = compat_call(number, args);
		else if (strcmp(door, "x32") == 0)
			result = native_call(number | 0x40000000, args);
#endif
		told(door, result);
		_exit(0);
	}
	int status = 0;
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		printf("%s signal%d\n", door, WTERMSIG(status));
}

static int calls(int argc, char **argv)
{
	long args[6] = {0};
	for (int i = 2; i < argc && i < 8; i++)
		args[i - 2] = strtol(argv[i], NULL, 0);
	try_call(argv[0], strtol(argv[1], NULL, 0), args);
	return 0;
}

/* --- other processes */

/* Whoever appears in /proc and is none of ours: look for a moment at which it lets itself be read. */
static int watch(void)
{
	struct stat self;
	long seen = 0;
	time_t end = time(NULL) + 30;

	stat("/proc/self/exe", &self);
	close(open("/tmp/watching", O_CREAT | O_WRONLY, 0600));
	while (access("/tmp/stop", F_OK) != 0 && time(NULL) < end) {
		DIR *proc = opendir("/proc");
		for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
			char path[300];
			struct stat st;
			int fd;
			if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
				continue;
			snprintf(path, sizeof path, "/proc/%s/exe", entry->d_name);
			fd = open(path, O_RDONLY | O_CLOEXEC);
			seen++;
			if (fd < 0)
				continue;
			if (fstat(fd, &st) == 0 && st.st_dev != self.st_dev)
				printf("read %s of another file system\n", path);
			close(fd);
			snprintf(path, sizeof path, "/proc/%s/environ", entry->d_name);
		}
		closedir(proc);
	}
	printf("looked %s\n", seen > 0 ? "often" : "never");
	return 0;
}

static int trace(const char *pid)
{
	told("seize", ptrace(PTRACE_SEIZE, atoi(pid), 0, 0));
	return 0;
}

/* --- keys */

static int keyring(const char *what)
{
	long ring = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
	if (strcmp(what, "id") == 0)
		printf("%ld\n", ring);
	else if (strcmp(what, "add") == 0)
		told("add", syscall(SYS_add_key, "user", "pyrt:secret", "secret", 6, KEY_SPEC_SESSION_KEYRING));
	else
		told("search", syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "pyrt:secret", 0));
	return 0;
}

/* --- the network */

static int frame(const char *interface, const char *hex)
{
	unsigned char data[2048];
	size_t n = strlen(hex) / 2;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface), .sll_halen = 6};

	for (size_t i = 0; i < n && i < sizeof data; i++)
		sscanf(hex + 2 * i, "%2hhx", &data[i]);
	told("frame", fd < 0 ? fd : sendto(fd, data, n, 0, (struct sockaddr *)&to, sizeof to));
	return 0;
}

/* --- files */

/* Swap a directory and a symbolic link in its place, until told to stop. */
static int swap(const char *directory, const char *link)
{
	time_t end = time(NULL) + 30;
	close(open("/tmp/swapping", O_CREAT | O_WRONLY, 0600));
	while (access("/tmp/stop", F_OK) != 0 && time(NULL) < end)
		syscall(SYS_renameat2, AT_FDCWD, directory, AT_FDCWD, link, 2 /* RENAME_EXCHANGE */);
	return 0;
}

static int writes(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		int fd = open(argv[i], O_WRONLY | O_CLOEXEC);
		told(argv[i], fd);
		if (fd >= 0)
			close(fd);
	}
	return 0;
}

/* Read a file's descriptor, then open that again for writing: what CVE-2019-5736 did. */
static int reopen(const char *path)
{
	char again[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	told("read", fd);
	if (fd < 0)
		return 0;
	snprintf(again, sizeof again, "/proc/self/fd/%d", fd);
	told("write", open(again, O_WRONLY | O_CLOEXEC));
	told("chmod", fchmod(fd, 0777));
	told("link", linkat(AT_FDCWD, again, AT_FDCWD, "/tmp/host-file", AT_SYMLINK_FOLLOW));
	return 0;
}

/* The line of /proc/PID/status that begins with name, or "". */
static const char *status_line(const char *pid, const char *name)
{
	static char text[8192];
	char path[64];
	snprintf(path, sizeof path, "/proc/%s/status", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = 0;
	char *at = strstr(text, name);
	if (!at)
		return "";
	at[strcspn(at, "\n")] = 0;
	return at;
}

/* Seizes whatever is born, as soon as it can be seen, and says what it could then do with it. For ever. */
static int stalk(void)
{
	int next = getpid() + 1;
	puts("lurking");
	fflush(stdout);
	for (;;) {
		for (int pid = next; pid < next + 64; pid++) {
			char number[16], path[64], link[256], fds[1024] = "", held[64], name[64];
			if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
				continue;
			ptrace(PTRACE_INTERRUPT, pid, 0, 0);
			waitpid(pid, NULL, __WALL);
			snprintf(number, sizeof number, "%d", pid);
			snprintf(held, sizeof held, "%s", status_line(number, "CapPrm"));
			snprintf(name, sizeof name, "%s", status_line(number, "Name"));
			for (int fd = 3; fd < 80; fd++) {
				snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
				ssize_t n = readlink(path, link, sizeof link - 1);
				if (n > 0 && strlen(fds) + n + 2 < sizeof fds) {
					link[n] = 0;
					strcat(strcat(fds, " "), link);
				}
			}
			printf("caught %s %s fds%s\n", held, name, fds);
			fflush(stdout);
			ptrace(PTRACE_DETACH, pid, 0, 0);
			next = pid + 1;
			break;
		}
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	if (strcmp(what, "call") == 0 && argc > 3)
		return calls(argc - 2, argv + 2);
	if (strcmp(what, "stalk") == 0)
		return stalk();
	if (strcmp(what, "watch") == 0)
		return watch();
	if (strcmp(what, "trace") == 0 && argc > 2)
		return trace(argv[2]);
	if (strcmp(what, "keyring") == 0 && argc > 2)
		return keyring(argv[2]);
	if (strcmp(what, "frame") == 0 && argc > 3)
		return frame(argv[2], argv[3]);
	if (strcmp(what, "swap") == 0 && argc > 3)
		return swap(argv[2], argv[3]);
	if (strcmp(what, "writes") == 0)
		return writes(argc - 2, argv + 2);
	if (strcmp(what, "reopen") == 0 && argc > 2)
		return reopen(argv[2]);
	if (strcmp(what, "uid") == 0) {
		printf("%d\n", (int)geteuid());
		return 0;
	}
	if (strcmp(what, "socket") == 0 && argc > 2) {
		told("socket", socket(atoi(argv[2]), SOCK_STREAM, 0));
		return 0;
	}
	return 2;
}
