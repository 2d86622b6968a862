/* Connections made inside the pod's network namespace, for port forwarding and probes: this process lives in it. */
#include "pod.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT_MAX_MS 600000

struct connecting {
	struct connecting *next;
	struct watch watch;
	struct timer timer;
	struct client *client; /* NULL: nobody waits any more */
	uint32_t seq;
};

static struct connecting *all;

/* Answer, with the socket if err is 0, and be gone. */
static void finish(struct connecting *c, int err)
{
	int fd = -1;
	for (struct connecting **at = &all; *at; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			break;
		}
	timer_cancel(&c->timer);
	if (!err) {
		watch_pause(&c->watch);
		fd = c->watch.fd;
	} else {
		watch_close(&c->watch);
	}
	struct client *client = c->client;
	struct proto_reply reply = {.err = err, .index = PROTO_NO_SLOT};
	uint32_t seq = c->seq;
	free(c);
	if (client)
		client_reply(client, seq, &reply, fd);
	else if (fd >= 0)
		close(fd);
}

static void on_timeout(struct timer *t)
{
	finish(CONTAINER_OF(t, struct connecting, timer), ETIMEDOUT);
}

static void on_ready(struct watch *w, uint32_t events)
{
	int err = 0;
	socklen_t len = sizeof err;
	(void)events;
	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	finish(CONTAINER_OF(w, struct connecting, watch), err);
}

static socklen_t address_of(struct sockaddr_storage *out, const struct proto_connect *wire)
{
	memset(out, 0, sizeof *out);
	if (wire->family == AF_INET) {
		struct sockaddr_in *in = (void *)out;
		in->sin_family = AF_INET;
		in->sin_port = htons(wire->port);
		memcpy(&in->sin_addr, wire->address, sizeof in->sin_addr);
		return sizeof *in;
	}
	struct sockaddr_in6 *in6 = (void *)out;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(wire->port);
	memcpy(&in6->sin6_addr, wire->address, sizeof in6->sin6_addr);
	return sizeof *in6;
}

int connect_begin(struct client *client, uint32_t seq, const struct proto_connect *wire)
{
	struct sockaddr_storage address;
	if ((wire->family != AF_INET && wire->family != AF_INET6) || wire->port == 0)
		return EINVAL;
	socklen_t len = address_of(&address, wire);
	int fd = socket(wire->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	bool pending = connect(fd, (struct sockaddr *)&address, len) < 0;
	int err = pending ? errno : 0;
	if (pending && err != EINPROGRESS) {
		close(fd);
		return err;
	}
	struct connecting *c = calloc(1, sizeof *c);
	if (!c) {
		close(fd);
		return ENOMEM;
	}
	c->client = client;
	c->seq = seq;
	if (watch_open(&c->watch, fd, EPOLLOUT, on_ready) < 0) {
		err = errno;
		free(c);
		return err;
	}
	c->next = all;
	all = c;
	timer_arm(&c->timer, wire->timeout_ms < TIMEOUT_MAX_MS ? wire->timeout_ms : TIMEOUT_MAX_MS, on_timeout);
	return 0;
}

void connect_forget_client(const struct client *client)
{
	for (struct connecting *c = all, *next; c; c = next) {
		next = c->next;
		if (c->client == client) {
			c->client = NULL;
			finish(c, ECANCELED);
		}
	}
}
