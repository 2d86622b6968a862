/* Attached clients: live copies of a container's output, and its input. A client that does not read costs its own
 * attachment and never a container's time. */
#include "pod.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BACKLOG_MAX ((size_t)256 * 1024) /* bytes that wait for one client on one stream; more, and it is dropped */
#define CHUNK 4096               /* of input; what a terminal takes at once */

struct outflow {
	struct watch watch;
	struct attachment *owner;
	char *backlog;
	size_t len, size;
	bool finishing; /* close when the backlog is gone */
};

struct attachment {
	struct attachment *next;
	struct process *process;
	struct watch in;
	char *held;     /* input that the process has not taken yet */
	size_t held_len;
	struct outflow out[STREAMS];
};

/* --- the end of an attachment
 *
 * Functions below close descriptors; only sweep frees, at the end of every way in, so that no loop loses its place. */

static void outflow_close(struct outflow *o)
{
	watch_close(&o->watch);
	free(o->backlog);
	o->backlog = NULL;
	o->len = o->size = 0;
}

static void input_close(struct attachment *a)
{
	watch_close(&a->in);
	free(a->held);
	a->held = NULL;
	a->held_len = 0;
}

static void all_inputs_close(struct process *p)
{
	watch_close(&p->input);
	for (struct attachment *a = p->attachments; a; a = a->next)
		input_close(a);
}

/* The client sends no more. */
static void input_ended(struct attachment *a)
{
	input_close(a);
	if (a->process->stdin_once)
		all_inputs_close(a->process);
}

static void drop(struct attachment *a)
{
	for (int i = 0; i < STREAMS; i++)
		outflow_close(&a->out[i]);
	if (a->in.fd >= 0)
		input_ended(a);
}

static void sweep(struct process *p)
{
	for (struct attachment **at = &p->attachments; *at;) {
		struct attachment *a = *at;
		if (a->in.fd >= 0 || a->out[STREAM_OUT].watch.fd >= 0 || a->out[STREAM_ERR].watch.fd >= 0) {
			at = &a->next;
			continue;
		}
		*at = a->next;
		free(a);
	}
}

void attach_drop_all(struct process *p)
{
	for (struct attachment *a = p->attachments; a; a = a->next)
		drop(a);
	sweep(p);
}

/* --- output */

/* How much was taken; -1: the client has gone. */
static ssize_t write_some(int fd, const char *data, size_t len)
{
	ssize_t n = write(fd, data, len);
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
}

static void on_outflow(struct watch *w, uint32_t events)
{
	struct outflow *o = CONTAINER_OF(w, struct outflow, watch);
	struct process *p = o->owner->process;
	ssize_t n = 0;
	bool gone = (events & (EPOLLERR | EPOLLHUP)) != 0;
	if (!gone && o->len) {
		n = write_some(w->fd, o->backlog, o->len);
		gone = n < 0;
	}
	if (!gone && n > 0) {
		o->len -= (size_t)n;
		memmove(o->backlog, o->backlog + n, o->len);
	}
	if (!gone && !o->len) {
		free(o->backlog);
		o->backlog = NULL;
		o->size = 0;
		watch_events(w, 0); /* EPOLLERR and EPOLLHUP still come: the client has closed its end */
		gone = o->finishing;
	}
	if (gone) {
		outflow_close(o);
		sweep(p);
	}
}

/* False when too much waits already. */
static bool hold_back(struct outflow *o, const char *data, size_t len)
{
	if (o->len + len > BACKLOG_MAX)
		return false;
	if (o->len + len > o->size) {
		size_t size = o->size ? o->size : 8192;
		while (size < o->len + len)
			size *= 2;
		char *bigger = realloc(o->backlog, size);
		if (!bigger)
			return false;
		o->backlog = bigger;
		o->size = size;
	}
	memcpy(o->backlog + o->len, data, len);
	o->len += len;
	watch_events(&o->watch, EPOLLOUT);
	return true;
}

void attach_output(struct process *p, enum stream_number stream, const char *data, size_t len)
{
	for (struct attachment *a = p->attachments; a; a = a->next) {
		struct outflow *o = &a->out[stream];
		if (o->watch.fd < 0)
			continue;
		ssize_t n = o->len ? 0 : write_some(o->watch.fd, data, len);
		if (n < 0)
			outflow_close(o);
		else if ((size_t)n < len && !hold_back(o, data + n, len - (size_t)n))
			drop(a);
	}
	sweep(p);
}

void attach_finish(struct process *p)
{
	for (struct attachment *a = p->attachments; a; a = a->next) {
		input_close(a);
		for (int i = 0; i < STREAMS; i++) {
			a->out[i].finishing = true;
			if (!a->out[i].len)
				outflow_close(&a->out[i]);
		}
	}
	sweep(p);
}

/* --- input */

void attach_close_input(struct process *p)
{
	all_inputs_close(p);
	sweep(p);
}

/* The process takes input again. */
static void on_process_reads(struct watch *w, uint32_t events)
{
	struct process *p = CONTAINER_OF(w, struct process, input);
	(void)events;
	watch_pause(w);
	for (struct attachment *a = p->attachments; a; a = a->next) {
		if (!a->held)
			continue;
		ssize_t n = write_some(w->fd, a->held, a->held_len);
		if (n < 0) {
			attach_close_input(p);
			return;
		}
		a->held_len -= (size_t)n;
		if (a->held_len) {
			memmove(a->held, a->held + n, a->held_len);
			watch_events(w, EPOLLOUT);
			return;
		}
		free(a->held);
		a->held = NULL;
		watch_events(&a->in, EPOLLIN);
	}
}

static void on_client_input(struct watch *w, uint32_t events)
{
	struct attachment *a = CONTAINER_OF(w, struct attachment, in);
	struct process *p = a->process;
	char buf[CHUNK];
	(void)events;
	ssize_t n = read(w->fd, buf, sizeof buf);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		input_ended(a);
		sweep(p);
		return;
	}
	ssize_t taken = p->input.fd < 0 ? -1 : write_some(p->input.fd, buf, (size_t)n);
	if (taken < 0) { /* nobody reads it and nobody ever will */
		attach_close_input(p);
		return;
	}
	if (taken == n)
		return;
	a->held_len = (size_t)(n - taken);
	a->held = malloc(a->held_len);
	if (!a->held) {
		input_ended(a);
		sweep(p);
		return;
	}
	memcpy(a->held, buf + taken, a->held_len);
	watch_pause(w);
	watch_events(&p->input, EPOLLOUT);
}

void attach_input_open(struct process *p, int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	/* Not watched until something waits: a terminal that nobody has open would report it without end. */
	watch_keep(&p->input, fd, on_process_reads);
}

/* --- the beginning */

static int take(struct watch *w, int fd, uint32_t events, void (*ready)(struct watch *, uint32_t))
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		int err = errno;
		close(fd);
		return err;
	}
	return watch_open(w, fd, events, ready) < 0 ? errno : 0;
}

int attach_open(struct process *p, unsigned streams, const int *fds)
{
	struct attachment *a = calloc(1, sizeof *a);
	int err = a ? 0 : ENOMEM;
	if (!a) {
		for (unsigned bit = 1; bit <= PROTO_ATTACH_STDERR; bit <<= 1)
			if (streams & bit)
				close(*fds++);
		return err;
	}
	a->process = p;
	a->in.fd = -1;
	for (int i = 0; i < STREAMS; i++) {
		a->out[i].watch.fd = -1;
		a->out[i].owner = a;
	}
	a->next = p->attachments;
	p->attachments = a;
	if (streams & PROTO_ATTACH_STDIN)
		err = take(&a->in, *fds++, EPOLLIN, on_client_input);
	for (int i = 0; i < STREAMS; i++)
		if (streams & (PROTO_ATTACH_STDOUT << i)) {
			if (err)
				close(*fds++);
			else
				err = take(&a->out[i].watch, *fds++, 0, on_outflow);
		}
	if (err) {
		input_close(a);
		for (int i = 0; i < STREAMS; i++)
			outflow_close(&a->out[i]);
	} else if (p->reaped && streams_ended(p)) {
		attach_finish(p);
		return 0;
	} else if (p->input.fd < 0) {
		input_close(a);
	}
	sweep(p);
	return err;
}
