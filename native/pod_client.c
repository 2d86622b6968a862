/* Connections to the control socket: packets in, packets out. */
#include "pod.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "pod_text.h"

#define BURST 16 /* packets before others get their turn */

struct outgoing {
	struct outgoing *next;
	int fd;
	size_t len;
	char data[];
};

static struct watch listener = WATCH_NONE;

/* --- the end of a client */

static void hang_up(struct client *c)
{
	if (c->doomed)
		return;
	c->doomed = true;
	watch_close(&c->watch);
	for (struct outgoing *o = c->queue, *next; o; o = next) {
		next = o->next;
		if (o->fd >= 0)
			close(o->fd);
		free(o);
	}
	c->queue = NULL;
	if (pod.stopper == c)
		pod.stopper = NULL;
	process_forget_client(c);
	connect_forget_client(c);
}

void clients_sweep(void)
{
	for (struct client **at = &pod.clients; *at;) {
		struct client *c = *at;
		if (!c->doomed) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		free(c);
	}
}

/* --- out */

static ssize_t transmit(const struct client *c, const void *packet, size_t len, int fd)
{
	struct iovec data = {(void *)(uintptr_t)packet, len};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
	if (fd >= 0) {
		memset(&control, 0, sizeof control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
		message.msg_control = &control;
		message.msg_controllen = sizeof control;
	}
	return sendmsg(c->watch.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool enqueue(struct client *c, const void *packet, size_t len, int fd)
{
	if (c->queued + len > PROTO_CLIENT_BACKLOG)
		return false;
	struct outgoing *o = malloc(sizeof *o + len);
	if (!o)
		return false;
	o->next = NULL;
	o->fd = fd;
	o->len = len;
	memcpy(o->data, packet, len);
	if (!c->queue)
		c->queue_end = &c->queue;
	*c->queue_end = o;
	c->queue_end = &o->next;
	c->queued += len;
	watch_events(&c->watch, EPOLLIN | EPOLLOUT);
	return true;
}

void client_send(struct client *c, const void *packet, size_t len, int fd)
{
	if (!c->doomed) {
		bool again = c->queue != NULL;
		if (!again && transmit(c, packet, len, fd) < 0) {
			again = errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS;
			if (!again)
				hang_up(c);
		}
		if (again) {
			if (enqueue(c, packet, len, fd))
				return;
			hang_up(c);
		}
	}
	if (fd >= 0)
		close(fd);
}

static void flush(struct client *c)
{
	while (c->queue) {
		struct outgoing *o = c->queue;
		if (transmit(c, o->data, o->len, o->fd) < 0) {
			if (errno != EAGAIN && errno != ENOBUFS && errno != ETOOMANYREFS)
				hang_up(c);
			return;
		}
		c->queue = o->next;
		c->queued -= o->len;
		if (o->fd >= 0)
			close(o->fd);
		free(o);
	}
	watch_events(&c->watch, EPOLLIN);
}

void client_reply(struct client *c, uint32_t seq, const struct proto_reply *reply, int fd)
{
	struct {
		struct proto_header head;
		struct proto_reply body;
	} __attribute__((packed)) packet = {{PROTO_VERSION, PROTO_REPLY, seq}, *reply};
	if (c && seq)
		client_send(c, &packet, sizeof packet, fd);
	else if (fd >= 0)
		close(fd);
}

void client_item(struct client *c, uint16_t type, uint32_t seq, const struct process *p)
{
	struct {
		struct proto_header head;
		struct proto_item body;
		char strings[2 * PROTO_MAX_ID];
	} __attribute__((packed)) packet;
	size_t id_len = strlen(p->id), target_len = strlen(p->target);
	packet.head = (struct proto_header){PROTO_VERSION, type, seq};
	packet.body = (struct proto_item){
		.pid = p->pid,
		.status = p->status,
		.started = p->started,
		.finished = p->finished,
		.start_ticks = p->start_ticks,
		.log_lost = p->log ? log_lost(p->log) : p->log_lost,
		.exec = p->exec,
		.state = (uint8_t)p->state,
		.id_len = (uint16_t)id_len,
		.target_len = (uint16_t)target_len,
	};
	memcpy(packet.strings, p->id, id_len);
	memcpy(packet.strings + id_len, p->target, target_len);
	client_send(c, &packet, sizeof packet - sizeof packet.strings + id_len + target_len, -1);
}

void clients_tell_exit(const struct process *p)
{
	for (struct client *c = pod.clients; c; c = c->next)
		if (c->subscribed)
			client_item(c, PROTO_EXITED, 0, p);
}

/* --- in */

static void collect_fds(struct msghdr *message, struct request_fds *fds)
{
	fds->n = 0;
	for (struct cmsghdr *m = CMSG_FIRSTHDR(message); m; m = CMSG_NXTHDR(message, m)) {
		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(m) + i * sizeof fd, sizeof fd);
			if (fds->n < REQUEST_MAX_FDS)
				fds->fd[fds->n++] = fd;
			else
				close(fd);
		}
	}
}

/* False when there is nothing more to read, now or for good. */
static bool receive(struct client *c)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(REQUEST_MAX_FDS * sizeof(int))];
	} control;
	struct iovec data = {pod.packet, PROTO_MAX_MESSAGE};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	struct request_fds fds;

	ssize_t n = recvmsg(c->watch.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		hang_up(c);
		return false;
	}
	collect_fds(&message, &fds);
	if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		struct proto_header head = {0};
		if ((size_t)n >= sizeof head)
			memcpy(&head, pod.packet, sizeof head);
		struct proto_reply reply = {.err = message.msg_flags & MSG_TRUNC ? EMSGSIZE : EMFILE, .index = PROTO_NO_SLOT};
		if (head.version == PROTO_VERSION)
			client_reply(c, head.seq, &reply, -1);
		else
			hang_up(c);
	} else if (!request_handle(c, (size_t)n, &fds)) {
		hang_up(c);
	}
	for (size_t i = 0; i < fds.n; i++)
		if (fds.fd[i] >= 0)
			close(fds.fd[i]);
	return !c->doomed;
}

static void on_client(struct watch *w, uint32_t events)
{
	struct client *c = CONTAINER_OF(w, struct client, watch);
	if (events & EPOLLOUT)
		flush(c);
	for (int i = 0; i < BURST && !c->doomed; i++)
		if (!receive(c))
			break;
}

/* --- the beginning */

int client_adopt(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	/* The file's mode keeps others out already. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || (peer.uid != 0 && peer.uid != geteuid())) {
		close(fd);
		errno = EPERM;
		return -1;
	}
	struct client *c = calloc(1, sizeof *c);
	if (!c) {
		close(fd);
		return -1;
	}
	if (watch_open(&c->watch, fd, EPOLLIN, on_client) < 0) {
		free(c);
		return -1;
	}
	c->next = pod.clients;
	pod.clients = c;
	return 0;
}

static void on_connection(struct watch *w, uint32_t events)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	(void)events;
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			pod_log("accept", "control.sock", errno);
		return;
	}
	client_adopt(fd);
}

int clients_listen(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct text t = text_into(address.sun_path, sizeof address.sun_path);
	/* By way of the directory's descriptor: its path may be longer than a socket's address can be. */
	text_str(&t, "/proc/self/fd/");
	text_number(&t, (uint64_t)pod.run_dir, 1);
	text_str(&t, "/control.sock");
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	unlinkat(pod.run_dir, "control.sock", 0);
	mode_t mask = umask(0177);
	int failed = bind(fd, (struct sockaddr *)&address, sizeof address);
	umask(mask);
	if (failed || listen(fd, 64) < 0) {
		close(fd);
		return -1;
	}
	return watch_open(&listener, fd, EPOLLIN, on_connection);
}
