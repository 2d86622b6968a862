/* A container or exec process from its START to its FORGET. */
#include "pod.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIRTH_MS 5000 /* how long a container waits for another to have a PID namespace */
#define LINGER_MS 100 /* how long a process's exit waits for others that hold its output */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* A process that has gone on in another one is that from now on. The number is believed only if it is a child's: it
 * stands in memory that a process of the container may have got hold of (docs/security.md, CAP_SYS_PTRACE). */
static void follow(struct process *p)
{
	siginfo_t info;
	pid_t born = p->born ? *p->born : 0;
	if (born <= 0)
		return;
	plan_forget_born(p->born);
	p->born = NULL;
	if (waitid(P_PID, (id_t)born, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return;
	close_fd(&p->pidfd);
	p->pidfd = (int)syscall(SYS_pidfd_open, born, 0);
	if (p->pidfd < 0)
		pod_log("open pidfd of", p->id, errno);
	p->carrier = p->pid;
	p->pid = born;
}

struct process *process_find(const struct proto_string *id)
{
	for (struct process *p = pod.processes; p; p = p->next)
		if (strlen(p->id) == id->len && memcmp(p->id, id->text, id->len) == 0) {
			follow(p);
			return p;
		}
	return NULL;
}

static struct process *find_pid(pid_t pid)
{
	for (struct process *p = pod.processes; p; p = p->next) {
		follow(p);
		if (p->pid == pid && !p->reaped)
			return p;
	}
	return NULL;
}

static void free_process(struct process *p)
{
	free(p->id);
	free(p->target);
	free(p);
}

void process_destroy(struct process *p)
{
	for (struct process **at = &pod.processes; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	plan_forget_born(p->born);
	timer_cancel(&p->linger);
	attach_drop_all(p);
	watch_close(&p->input);
	watch_close(&p->report);
	for (int i = 0; i < STREAMS; i++)
		stream_close(&p->streams[i]);
	timer_cancel(&p->retry);
	log_close(p->log);
	close_fd(&p->console);
	close_fd(&p->pidfd);
	free_process(p);
}

void process_forget_client(const struct client *c)
{
	for (struct process *p = pod.processes; p; p = p->next)
		if (p->starter == c)
			p->starter = NULL;
}

/* --- the plan of a request */

static int read_plan_file(struct request_plan *rp, int fd, size_t *len)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return errno;
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > PLAN_MAX_BYTES)
		return EBADMSG;
	/* A copy: the file may still change under a mapping. */
	rp->copy = malloc((size_t)st.st_size);
	if (!rp->copy)
		return ENOMEM;
	*len = (size_t)st.st_size;
	return pread(fd, rp->copy, *len, 0) == (ssize_t)*len ? 0 : EBADMSG;
}

int request_plan_open(struct request_plan *rp, const struct proto_plan *wire, size_t plan_at, const struct request_fds *fds,
                      size_t own_fds, int target_pidfd, int console)
{
	size_t len = wire->plan_len, next = own_fds;
	void *data;
	int err;

	rp->copy = NULL;
	rp->slots = wire->slots;
	if (rp->slots > PLAN_MAX_FDS)
		return EBADMSG;
	for (size_t i = 0; i < rp->slots; i++) {
		if (i == wire->target_slot)
			rp->table[i] = target_pidfd;
		else if (i == wire->console_slot)
			rp->table[i] = console;
		else
			rp->table[i] = next < fds->n ? fds->fd[next++] : -1;
		if (rp->table[i] < 0)
			return EBADMSG;
	}
	if (next != fds->n)
		return EBADMSG;
	if (len) { /* in the packet: move it to where integers may lie; there are 8 bytes of room behind it */
		data = pod.packet + ((plan_at + 7) & ~(size_t)7);
		memmove(data, pod.packet + plan_at, len);
	} else {
		err = read_plan_file(rp, fds->fd[0], &len);
		if (err)
			return err;
		data = rp->copy;
	}
	return plan_decode(&rp->plan, data, len, NULL) < 0 ? errno : 0;
}

void request_plan_close(struct request_plan *rp)
{
	free(rp->copy);
	rp->copy = NULL;
}

/* --- START and EXEC */

/* What the child gets as 0, 1, 2, and what we keep of the other ends. */
struct plumbing {
	int child[3];
	int ours[3];
	int console_child;
};

static void plumbing_close(struct plumbing *pl)
{
	for (int i = 0; i < 3; i++) {
		close_fd(&pl->child[i]);
		close_fd(&pl->ours[i]);
	}
	close_fd(&pl->console_child);
}

static int add_pipe(struct plumbing *pl, int number)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return errno;
	int ours = number == 0 ? 1 : 0;
	pl->ours[number] = ends[ours];
	pl->child[number] = ends[1 - ours];
	/* Our end only: it is another open file than the container's. */
	return fcntl(ends[ours], F_SETFL, O_NONBLOCK) < 0 ? errno : 0;
}

static int plumb(struct plumbing *pl, struct process *p, const struct proto_start *s, struct request_fds *fds, size_t first_fd)
{
	int ends[2], err;

	switch ((enum proto_stdio)s->stdio) {
	case PROTO_STDIO_NULL: return 0;
	case PROTO_STDIO_LOG:
		err = add_pipe(pl, 1);
		if (!err)
			err = add_pipe(pl, 2);
		return !err && (s->flags & PROTO_STDIN_OPEN) ? add_pipe(pl, 0) : err;
	case PROTO_STDIO_FDS:
		if (fds->n < first_fd + 3)
			return EBADMSG;
		for (size_t i = 0; i < 3; i++) {
			pl->child[i] = fds->fd[first_fd + i];
			fds->fd[first_fd + i] = -1;
		}
		return 0;
	case PROTO_STDIO_TTY:
		if (s->plan.console_slot == PROTO_NO_SLOT)
			return EINVAL;
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
			return errno;
		p->console = ends[0];
		pl->console_child = ends[1];
		return 0;
	}
	return EINVAL;
}

static struct process *new_process(const struct proto_request *r)
{
	struct process *p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->id = strndup(r->id.text, r->id.len);
	p->target = strndup(r->target.text ? r->target.text : "", r->target.len);
	p->exec = r->type == PROTO_EXEC;
	p->tty = r->u.start.stdio == PROTO_STDIO_TTY;
	p->shared_pidns = (r->u.start.flags & PROTO_SHARED_PIDNS) != 0;
	p->stdin_once = (r->u.start.flags & PROTO_STDIN_ONCE) != 0;
	p->pidfd = p->console = p->report.fd = p->input.fd = -1;
	for (int i = 0; i < STREAMS; i++) {
		p->streams[i].watch.fd = -1;
		p->streams[i].process = p;
	}
	if (p->id && p->target)
		return p;
	free_process(p);
	return NULL;
}

/* A process whose PID namespace is wanted before it has been born into it. That takes a moment at most, unless it is stuck. */
static int await_birth(struct process *p)
{
	for (int left = BIRTH_MS; p->born && left > 0; left--) {
		struct pollfd report = {.fd = p->report.fd, .events = POLLIN};
		if (poll(&report, 1, 1) > 0)
			break; /* executed, or failed */
		follow(p);
	}
	follow(p);
	return p->born ? ESRCH : 0;
}

/* 0, or the errno that says why the pod is in no state to start this. */
static int check_start(const struct proto_request *r, const struct process **target)
{
	*target = NULL;
	if (pod.sandbox == PROTO_SANDBOX_STOPPING)
		return ESHUTDOWN;
	if (pod.sandbox != PROTO_SANDBOX_READY)
		return ECANCELED;
	if (process_find(&r->id))
		return EEXIST;
	if (r->type == PROTO_EXEC && r->u.start.stdio == PROTO_STDIO_LOG)
		return EINVAL;
	if (!r->target.len)
		return 0;
	struct process *found = process_find(&r->target);
	*target = found;
	if (!found)
		return ENOENT;
	if (found->born && await_birth(found))
		return ESRCH;
	return (*target)->reaped || (r->type == PROTO_EXEC && (*target)->state == PROTO_STARTING) ? ESRCH : 0;
}

static void on_report(struct watch *w, uint32_t events);

/* The child is there: from now on it is reaped through the list. */
static int adopt_child(struct process *p, const struct plan_child *child, struct plumbing *pl)
{
	int err = 0, fd;
	p->pid = child->pid;
	p->pidfd = child->pidfd;
	p->born = child->born;
	p->next = pod.processes;
	pod.processes = p;
	pod.childless = false;
	if (watch_open(&p->report, child->report_fd, EPOLLIN, on_report) < 0)
		err = errno;
	for (int i = 0; i < STREAMS; i++) {
		fd = pl->ours[i + 1];
		pl->ours[i + 1] = -1;
		if (fd >= 0 && stream_open(p, (enum stream_number)i, fd) < 0)
			err = errno;
	}
	if (pl->ours[0] >= 0) {
		attach_input_open(p, pl->ours[0]);
		pl->ours[0] = -1;
	}
	return err;
}

int process_start(struct client *c, const struct proto_request *r, struct request_fds *fds, uint32_t *index)
{
	const struct proto_start *s = &r->u.start;
	const struct process *target;
	struct plumbing pl = {{-1, -1, -1}, {-1, -1, -1}, -1};
	struct request_plan rp = {.copy = NULL};
	struct plan_child child;
	size_t first_fd = s->plan.plan_len ? 0 : 1;
	int err = check_start(r, &target);

	if (err)
		return err;
	if (fds->n < first_fd)
		return EBADMSG;
	struct process *p = new_process(r);
	if (!p)
		return ENOMEM;
	p->starter = c;
	p->start_seq = r->seq;
	err = plumb(&pl, p, s, fds, first_fd);
	if (!err)
		err = request_plan_open(&rp, &s->plan, r->plan_at, fds, first_fd + (s->stdio == PROTO_STDIO_FDS ? 3 : 0),
		                        target ? target->pidfd : -1, pl.console_child);
	if (!err && r->log.len) {
		p->log = log_open(r->log.text, r->log.len, s->log_max_size, s->log_max_files);
		err = p->log ? 0 : errno;
	}
	if (!err && plan_spawn(&rp.plan, rp.table, rp.slots, pl.child, &child) < 0) {
		err = errno;
		*index = rp.plan.op_count;
	}
	request_plan_close(&rp);
	if (!err) {
		err = adopt_child(p, &child, &pl);
		if (err)
			signal_process(p, SIGKILL);
	}
	plumbing_close(&pl);
	if (err)
		process_destroy(p);
	return err;
}

/* --- the answer to START and EXEC */

static void answer_start(struct process *p, int err, uint32_t index, int fd)
{
	struct proto_reply reply = {
		.err = err, .index = index, .pid = p->pid, .started = p->started, .start_ticks = p->start_ticks};
	client_reply(p->starter, p->start_seq, &reply, fd);
	p->starter = NULL;
}

/* The child is no container: it ends by itself and is reaped without a name. */
static void start_failed(struct process *p, int err, uint32_t index)
{
	signal_process(p, SIGKILL);
	answer_start(p, err, index, -1);
	process_destroy(p);
}

static int take_terminal(struct process *p, int *for_client)
{
	int master = terminal_receive(p->console);
	if (master < 0)
		return errno;
	close_fd(&p->console);
	if (p->exec) {
		*for_client = master;
		return 0;
	}
	int copy = fcntl(master, F_DUPFD_CLOEXEC, 0);
	if (copy < 0) {
		int err = errno;
		close(master);
		return err;
	}
	attach_input_open(p, copy); /* makes the shared open file non-blocking */
	return stream_open(p, STREAM_OUT, master) < 0 ? errno : 0;
}

static void started(struct process *p)
{
	int master = -1;
	watch_close(&p->report);
	follow(p);
	p->started = now_realtime_ns();
	p->start_ticks = start_ticks_of(p->pid);
	if (p->tty) {
		int err = take_terminal(p, &master);
		if (err) {
			start_failed(p, err, PROTO_NO_SLOT);
			return;
		}
	}
	p->state = PROTO_RUNNING;
	record_start(p);
	answer_start(p, 0, PROTO_NO_SLOT, master);
}

static void on_report(struct watch *w, uint32_t events)
{
	struct process *p = CONTAINER_OF(w, struct process, report);
	struct plan_failure why;
	ssize_t n = read(w->fd, &why, sizeof why);
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == (ssize_t)sizeof why) /* err 0 is a WAIT, and there is nothing here that it could wait for */
		start_failed(p, why.err ? why.err : EPROTO, why.index);
	else
		started(p);
}

/* --- the end */

static void complete(struct process *p)
{
	timer_cancel(&p->linger);
	p->state = PROTO_GONE;
	close_fd(&p->pidfd);
	attach_close_input(p);
	record_exit(p);
	if (streams_ended(p))
		attach_finish(p);
	streams_settle_log(p);
	clients_tell_exit(p);
}

static void on_linger(struct timer *t)
{
	complete(CONTAINER_OF(t, struct process, linger));
}

void process_last_words(pid_t pid)
{
	struct process *p = find_pid(pid);
	if (!p || p->state != PROTO_STARTING)
		return;
	on_report(&p->report, 0);
	/* The one it was born from has nothing to do but to end; until it does, it holds the report open. */
	p = find_pid(pid);
	if (p && p->state == PROTO_STARTING && p->carrier) {
		kill(p->carrier, SIGKILL);
		if (waitpid(p->carrier, NULL, 0) == p->carrier)
			on_report(&p->report, 0);
	}
}

static void forget_carrier(pid_t pid)
{
	for (struct process *p = pod.processes; p; p = p->next)
		if (p->carrier == pid)
			p->carrier = 0;
}

void process_reaped(pid_t pid, int status)
{
	struct process *p = find_pid(pid);
	bool ended = true;
	if (!p) { /* an orphan, a plan that failed, or one that another was born from */
		forget_carrier(pid);
		return;
	}
	p->reaped = true;
	p->status = status;
	p->finished = now_realtime_ns();
	/* Everyone in its PID namespace died before it: what they wrote is in the pipes, and nobody holds them. */
	for (int i = 0; i < STREAMS; i++)
		if (!stream_drain(&p->streams[i]))
			ended = false;
	if (ended)
		complete(p);
	else /* but someone outside does: in a shared PID namespace, or by SCM_RIGHTS. The output is read on after the event too. */
		timer_arm(&p->linger, LINGER_MS, on_linger);
}

void process_stream_ended(struct process *p)
{
	if (!p->reaped || !streams_ended(p))
		return;
	if (p->state != PROTO_GONE) {
		complete(p);
		return;
	}
	attach_finish(p);
	streams_settle_log(p);
}
