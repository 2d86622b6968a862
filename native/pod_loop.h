/* One thread, one epoll set, a list of timers. A handler may close and free anything: events are taken one at a time,
 * so none that was already taken can point to what is gone. */
#ifndef PYRT_POD_LOOP_H
#define PYRT_POD_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A descriptor in the set. Owned: watch_close closes it. */
struct watch {
	int fd; /* -1: closed */
	bool listening;
	uint32_t events;
	void (*ready)(struct watch *w, uint32_t events);
};

struct timer {
	struct timer *next;
	uint64_t at; /* ms, CLOCK_MONOTONIC */
	bool armed;
	void (*fire)(struct timer *t);
};

#define WATCH_NONE {.fd = -1}
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

int loop_open(void);

/* Handle events until *stop; after is called after each one. When nothing happens for a second, idle is called once. */
void loop_run(const bool *stop, void (*after)(void), void (*idle)(void));

/* Take fd over and wait for events (EPOLLERR and EPOLLHUP always included). 0, or -1 with errno: fd is then closed. */
int watch_open(struct watch *w, int fd, uint32_t events, void (*ready)(struct watch *, uint32_t));
/* Take fd over without waiting for anything yet. */
void watch_keep(struct watch *w, int fd, void (*ready)(struct watch *, uint32_t));
/* Wait for these events. */
void watch_events(struct watch *w, uint32_t events);
/* Leave the set, not even EPOLLHUP is heard; watch_events comes back. */
void watch_pause(struct watch *w);
void watch_close(struct watch *w);

void timer_arm(struct timer *t, uint32_t ms, void (*fire)(struct timer *));
void timer_cancel(struct timer *t);

uint64_t now_realtime_ns(void);
uint64_t now_monotonic_ms(void);

#endif
