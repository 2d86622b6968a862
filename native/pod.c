/* pyrt-pod: the pod sandbox process. One per pod; it outlives the daemon and is the parent of every process of the pod.
 *
 *     argv[0] "pyrt-pod <namespace>/<name>", or blanks to write that into (PROTO_NAME)   argv[1] the run directory
 *     fd 2 log   fd 3 the first client's socket   fd 4 the host's network namespace (native/protocol.h)
 *
 * Or, with argv[1] "--pause", the first process of a shared PID namespace. */
#include "pod.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pod_text.h"

#define TERM_GRACE_MS 30000 /* after a SIGTERM, until what is left is killed */
#define PACKET_ROOM (PROTO_MAX_MESSAGE + 4096)
#define ARENA (PACKET_ROOM + POD_INPUT + POD_SCRATCH)

struct pod pod = {.run_dir = -1};

static struct watch signals = WATCH_NONE;
static char **arguments; /* argv, which ps shows */
static struct timer term_timer;
static bool terminating;

void pod_log(const char *what, const char *object, int err)
{
	char line[512];
	struct text t = text_into(line, sizeof line);
	const char *why = strerrordesc_np(err);
	text_str(&t, "pyrt-pod: ");
	text_str(&t, what);
	text_str(&t, " ");
	text_str(&t, object);
	text_str(&t, ": ");
	text_str(&t, why ? why : "error");
	text_str(&t, "\n");
	if (write(STDERR_FILENO, line, (size_t)(t.at - line)) < 0)
		return; /* nobody to tell */
}

/* Of the name as much as there is room for, blanks behind: the arguments keep their places. */
int pod_rename(const char *name, size_t name_len, const char *path, size_t path_len)
{
	size_t room = strlen(arguments[0]), head = strlen("pyrt-pod ");

	if (room <= head || path_len != strlen(arguments[1]))
		return -1;
	memset(arguments[0] + head, ' ', room - head);
	memcpy(arguments[0] + head, name, name_len < room - head ? name_len : room - head);
	memcpy(arguments[1], path, path_len);
	return 0;
}

/* --- children */

/* The report of a plan is read before its process is reaped: while it is a zombie it still has its entry in /proc. */
static void reap(void)
{
	for (;;) {
		siginfo_t info = {.si_pid = 0};
		int status;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0) {
			pod.childless = errno == ECHILD;
			return;
		}
		if (info.si_pid == 0)
			return;
		process_last_words(info.si_pid);
		if (waitpid(info.si_pid, &status, WNOHANG) == info.si_pid)
			process_reaped(info.si_pid, status);
	}
}

void pod_stop(void)
{
	pod.sandbox = PROTO_SANDBOX_STOPPING;
	pod.killing = true;
	signal_kill_children();
	reap();
}

static void on_term_timeout(struct timer *t)
{
	(void)t;
	pod_stop();
}

/* Whether other processes were born into p's PID namespace: the last to go. */
static bool holds_namespace(const struct process *p)
{
	for (const struct process *other = pod.processes; other; other = other->next)
		if (!other->exec && strcmp(other->target, p->id) == 0)
			return true;
	return false;
}

static bool anyone_left(void)
{
	for (const struct process *p = pod.processes; p; p = p->next)
		if (p->state != PROTO_GONE && !holds_namespace(p))
			return true;
	return false;
}

/* SIGTERM to the pod process ends the pod in order: containers get it too, and time. */
static void terminate(void)
{
	if (terminating) {
		pod_stop();
		return;
	}
	terminating = true;
	pod.sandbox = PROTO_SANDBOX_STOPPING;
	timer_arm(&term_timer, TERM_GRACE_MS, on_term_timeout);
	for (const struct process *p = pod.processes; p; p = p->next)
		if (!holds_namespace(p))
			signal_process(p, SIGTERM);
}

static void on_signal(struct watch *w, uint32_t events)
{
	struct signalfd_siginfo info;
	(void)events;
	while (read(w->fd, &info, sizeof info) == (ssize_t)sizeof info)
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			terminate();
	reap();
	if (pod.killing && !pod.childless)
		signal_kill_children(); /* orphans that have become ours meanwhile */
}

/* --- is there still a reason to live? */

static void finish(void)
{
	struct proto_reply reply = {.index = PROTO_NO_SLOT};
	client_reply(pod.stopper, pod.stop_seq, &reply, -1);
	unlinkat(pod.run_dir, "control.sock", 0);
	pod.finished = true;
}

static bool all_gone(void)
{
	for (const struct process *p = pod.processes; p; p = p->next)
		if (p->state != PROTO_GONE)
			return false;
	return true;
}

static void after_event(void)
{
	clients_sweep();
	if (terminating && !pod.killing && !anyone_left())
		pod_stop();
	if (pod.killing && pod.childless && all_gone())
		finish();
	/* Without a sandbox and without anyone who could make one: the daemon died before it began. */
	if (!pod.clients && (pod.sandbox == PROTO_SANDBOX_NONE || pod.sandbox == PROTO_SANDBOX_FAILED) && !pod.finished)
		finish();
}

/* From the linker: where the program's headers begin and where its code ends. */
extern const char __executable_start[], etext[];

/* Most pods are idle most of the time: give the memory back that a burst took. The code too, of which starting up has mapped
 * ten times what waiting needs; it stays in the page cache, and comes back with a minor fault. */
static void on_idle(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), code = (size_t)(etext - __executable_start);
	malloc_trim(0);
	madvise(pod.packet, ARENA, MADV_DONTNEED);
	pod.scratch.date[0] = 0;
	madvise((void *)(uintptr_t)__executable_start, code & ~(page - 1), MADV_DONTNEED);
}

/* --- the beginning */

static int open_signals(void)
{
	sigset_t set;
	static const int ignored[] = {SIGPIPE, SIGHUP, SIGXFSZ, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2};
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return -1;
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -1 : watch_open(&signals, fd, EPOLLIN, on_signal);
}

static int open_arena(void)
{
	void *arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED)
		return -1;
	/* Whole small pages: a huge one would be four times the memory that a pod process may have. */
	madvise(arena, ARENA, MADV_NOHUGEPAGE);
	pod.packet = arena;
	pod.input = (char *)arena + PACKET_ROOM;
	pod.scratch = (struct log_scratch){.buf = pod.input + POD_INPUT, .size = POD_SCRATCH};
	return 0;
}

/* The last to be killed when memory is short; without CAP_SYS_RESOURCE the kernel refuses, and the daemon's value stays. */
static void protect_from_oom(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "-998", 4) < 0 && errno != EACCES)
		pod_log("write", "/proc/self/oom_score_adj", errno);
	close(fd);
}

static int set_up(const char *run_dir)
{
	for (int fd = PROTO_CONTROL_FD; fd <= PROTO_HOST_NETNS_FD; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	syscall(SYS_close_range, PROTO_HOST_NETNS_FD + 1, ~0u, 0);
	setsid(); /* fails when the daemon has done it */
	umask(022);
	prctl(PR_SET_NAME, "pyrt-pod");
	/* Children are born with it: not for an instant may a container look into one that is not yet its own. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return -1;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return -1;
	pod.pid = getpid();
	pod.started = now_realtime_ns();
	pod.start_ticks = start_ticks_of(pod.pid);
	pod.childless = true;
	pod.run_dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (pod.run_dir < 0 || chdir("/") < 0 || open_arena() < 0 || loop_open() < 0 || open_signals() < 0)
		return -1;
	protect_from_oom();
	return records_open() < 0 || clients_listen() < 0 || client_adopt(PROTO_CONTROL_FD) < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--pause") == 0)
		return pause_main();
	if (argc != 2) {
		pod_log("usage:", "pyrt-pod RUN_DIR, started by pyrt", EINVAL);
		return 2;
	}
	arguments = argv;
	if (set_up(argv[1]) < 0) {
		pod_log("start in", argv[1], errno);
		return 1;
	}
	loop_run(&pod.finished, after_event, on_idle);
	return 0;
}
