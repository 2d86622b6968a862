/* The output of a container: from its pipes or its terminal into the log and to whoever is attached. */
#include "pod.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BURST 8             /* reads before others get their turn */
#define DRAIN_READS 1024    /* 64 MiB: more cannot wait in a pipe, so someone is still writing */
#define RETRY_MS 100
#define RETRY_SLOWLY_MS 1000
#define PATIENCE_MS 2000    /* how long a full disk may hold a container up before its output is dropped */

enum outcome { GOT_DATA, EMPTY, HUNG_UP, ENDED };

static enum outcome stream_read(struct stream *s)
{
	struct process *p = s->process;
	struct timespec now;
	ssize_t n = read(s->watch.fd, pod.input, POD_INPUT);
	if (n > 0) {
		clock_gettime(CLOCK_REALTIME, &now);
		log_feed(&pod.scratch, &s->line, p->log, &now, pod.input, (size_t)n);
		if (p->attachments)
			attach_output(p, (enum stream_number)(s - p->streams), pod.input, (size_t)n);
		return GOT_DATA;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return EMPTY;
	/* Nobody has the terminal open at the moment, but a living process may open it again. */
	if (n < 0 && errno == EIO && p->tty && !p->reaped)
		return HUNG_UP;
	return ENDED;
}

static void pause_streams(struct process *p)
{
	for (int i = 0; i < STREAMS; i++)
		watch_pause(&p->streams[i].watch);
}

static void on_retry(struct timer *t)
{
	struct process *p = CONTAINER_OF(t, struct process, retry);
	if (log_stalled(p->log) && !log_retry(p->log)) {
		bool patient = !p->reaped && now_monotonic_ms() - p->stalled_since < PATIENCE_MS;
		timer_arm(&p->retry, patient ? RETRY_MS : RETRY_SLOWLY_MS, on_retry);
		if (patient)
			return;
	} else {
		p->stalled_since = 0;
	}
	for (int i = 0; i < STREAMS; i++)
		watch_events(&p->streams[i].watch, EPOLLIN);
	streams_settle_log(p);
}

/* The log waits for room on the disk: so does the container, for a while. */
static void check_stall(struct process *p)
{
	if (p->stalled_since || !log_stalled(p->log))
		return;
	p->stalled_since = now_monotonic_ms();
	pause_streams(p);
	timer_arm(&p->retry, RETRY_MS, on_retry);
}

static void on_ready(struct watch *w, uint32_t events)
{
	struct stream *s = CONTAINER_OF(w, struct stream, watch);
	struct process *p = s->process;
	(void)events;
	for (int i = 0; i < BURST; i++)
		switch (stream_read(s)) {
		case GOT_DATA:
			check_stall(p);
			if (!w->listening)
				return;
			break;
		case EMPTY: return;
		case HUNG_UP:
			watch_pause(w);
			if (!p->retry.armed)
				timer_arm(&p->retry, RETRY_MS, on_retry);
			return;
		case ENDED:
			stream_close(s);
			process_stream_ended(p);
			return;
		}
}

int stream_open(struct process *p, enum stream_number n, int fd)
{
	struct stream *s = &p->streams[n];
	s->process = p;
	s->line.name = n == STREAM_OUT ? "stdout" : "stderr";
	return watch_open(&s->watch, fd, EPOLLIN, on_ready);
}

bool stream_drain(struct stream *s)
{
	if (s->watch.fd < 0)
		return true;
	for (int i = 0; i < DRAIN_READS; i++) {
		enum outcome got = stream_read(s);
		if (got == EMPTY)
			return false;
		if (got == ENDED) {
			stream_close(s);
			return true;
		}
	}
	return false;
}

void stream_close(struct stream *s)
{
	struct timespec now;
	if (s->watch.fd < 0)
		return;
	watch_close(&s->watch);
	clock_gettime(CLOCK_REALTIME, &now);
	log_finish(&pod.scratch, &s->line, s->process->log, &now);
}

bool streams_ended(const struct process *p)
{
	return p->streams[STREAM_OUT].watch.fd < 0 && p->streams[STREAM_ERR].watch.fd < 0;
}

void streams_settle_log(struct process *p)
{
	if (!p->log || !p->reaped || !streams_ended(p))
		return;
	if (log_stalled(p->log)) {
		if (!p->retry.armed)
			timer_arm(&p->retry, RETRY_MS, on_retry);
		return;
	}
	timer_cancel(&p->retry);
	p->log_lost = log_lost(p->log);
	log_close(p->log);
	p->log = NULL;
}
