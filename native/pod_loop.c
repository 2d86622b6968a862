#define _GNU_SOURCE
#include "pod_loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define IDLE_MS 1000

static int epoll_fd = -1;
static struct timer *timers; /* earliest first */

int loop_open(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return epoll_fd < 0 ? -1 : 0;
}

uint64_t now_realtime_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now_monotonic_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

int watch_open(struct watch *w, int fd, uint32_t events, void (*ready)(struct watch *, uint32_t))
{
	struct epoll_event e = {.events = events, .data.ptr = w};
	*w = (struct watch){.fd = fd, .listening = true, .events = events, .ready = ready};
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0)
		return 0;
	int err = errno;
	close(fd);
	w->fd = -1;
	w->listening = false;
	errno = err;
	return -1;
}

void watch_keep(struct watch *w, int fd, void (*ready)(struct watch *, uint32_t))
{
	*w = (struct watch){.fd = fd, .ready = ready};
}

void watch_events(struct watch *w, uint32_t events)
{
	if (w->fd < 0 || (w->listening && w->events == events))
		return;
	struct epoll_event e = {.events = events, .data.ptr = w};
	if (epoll_ctl(epoll_fd, w->listening ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, w->fd, &e) == 0) {
		w->listening = true;
		w->events = events;
	}
}

void watch_pause(struct watch *w)
{
	if (w->fd < 0 || !w->listening)
		return;
	/* Explicitly, always: a child between clone3 and execve shares the open file, and epoll would go on reporting it. */
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	w->listening = false;
}

void watch_close(struct watch *w)
{
	if (w->fd < 0)
		return;
	watch_pause(w);
	close(w->fd);
	w->fd = -1;
}

void timer_cancel(struct timer *t)
{
	if (!t->armed)
		return;
	for (struct timer **at = &timers; *at; at = &(*at)->next)
		if (*at == t) {
			*at = t->next;
			break;
		}
	t->armed = false;
}

void timer_arm(struct timer *t, uint32_t ms, void (*fire)(struct timer *))
{
	timer_cancel(t);
	t->at = now_monotonic_ms() + ms;
	t->fire = fire;
	t->armed = true;
	struct timer **at = &timers;
	while (*at && (*at)->at <= t->at)
		at = &(*at)->next;
	t->next = *at;
	*at = t;
}

static void fire_timers(void)
{
	uint64_t now = now_monotonic_ms();
	while (timers && timers->at <= now) {
		struct timer *t = timers;
		timers = t->next;
		t->armed = false;
		t->fire(t);
	}
}

void loop_run(const bool *stop, void (*after)(void), void (*idle)(void))
{
	bool idled = false;
	while (!*stop) {
		int wait = idled ? -1 : IDLE_MS;
		if (timers) {
			uint64_t now = now_monotonic_ms();
			uint64_t left = timers->at > now ? timers->at - now : 0;
			if (wait < 0 || left < (uint64_t)wait)
				wait = (int)(left < 3600000 ? left : 3600000);
		}
		struct epoll_event e;
		int n = epoll_wait(epoll_fd, &e, 1, wait);
		if (n > 0) {
			struct watch *w = e.data.ptr;
			idled = false;
			w->ready(w, e.events);
		}
		if (timers)
			fire_timers();
		else if (n == 0 && !idled) {
			idled = true;
			idle();
		}
		after();
	}
}
