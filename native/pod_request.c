/* What each request does. A handler answers 0 or an errno; LATER when its answer comes by itself. */
#include "pod.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "plan_ops.h"

#define LATER (-1)

struct call {
	struct client *client;
	const struct proto_request *request;
	struct request_fds *fds;
	struct proto_reply reply;
};

static void send_items(const struct call *call)
{
	for (const struct process *p = pod.processes; p; p = p->next)
		client_item(call->client, PROTO_ITEM, call->request->seq, p);
}

static int do_hello(struct call *call)
{
	call->client->subscribed = call->request->u.hello.subscribe != 0;
	call->reply.pid = pod.pid;
	call->reply.started = pod.started;
	call->reply.start_ticks = pod.start_ticks;
	call->reply.sandbox = pod.sandbox;
	call->reply.index = PLAN_VERSION;
	send_items(call);
	return 0;
}

static int do_list(struct call *call)
{
	call->reply.sandbox = pod.sandbox;
	send_items(call);
	return 0;
}

static int play(struct call *call)
{
	const struct proto_plan *wire = &call->request->u.play.plan;
	struct request_plan rp = {.copy = NULL};
	struct plan_failure why;
	size_t own = wire->plan_len ? 0 : 1;
	int err;

	if (call->fds->n < own || wire->target_slot != PROTO_NO_SLOT || wire->console_slot != PROTO_NO_SLOT)
		return EBADMSG;
	err = request_plan_open(&rp, wire, call->request->plan_at, call->fds, own, -1, -1);
	if (!err && plan_play(&rp.plan, rp.table, rp.slots, &why) < 0) {
		err = why.err;
		call->reply.index = why.index;
	}
	request_plan_close(&rp);
	return err;
}

static int do_prepare(struct call *call)
{
	int err = pod.sandbox == PROTO_SANDBOX_NONE ? play(call) : EINVAL;
	if (err && pod.sandbox == PROTO_SANDBOX_NONE)
		pod.sandbox = PROTO_SANDBOX_FAILED;
	return err;
}

static int do_play(struct call *call)
{
	if (pod.sandbox == PROTO_SANDBOX_STOPPING)
		return ESHUTDOWN;
	if (pod.sandbox == PROTO_SANDBOX_FAILED)
		return ECANCELED;
	int err = play(call);
	/* A later plan (one more mount, say) may fail without taking the pod with it. */
	if (pod.sandbox == PROTO_SANDBOX_NONE)
		pod.sandbox = err ? PROTO_SANDBOX_FAILED : PROTO_SANDBOX_READY;
	return err;
}

static int do_start(struct call *call)
{
	uint32_t index = PROTO_NO_SLOT;
	int err = process_start(call->client, call->request, call->fds, &index);
	call->reply.index = index;
	return err ? err : LATER;
}

static int do_signal(struct call *call)
{
	const struct process *p = process_find(&call->request->id);
	const struct proto_signal *s = &call->request->u.signal;
	if (!p)
		return ENOENT;
	return s->all ? signal_namespace(p, s->signal) : signal_process(p, s->signal);
}

static int do_attach(struct call *call)
{
	struct process *p = process_find(&call->request->id);
	unsigned streams = call->request->u.attach.streams;
	if (!p)
		return ENOENT;
	if (!streams || streams > (PROTO_ATTACH_STDIN | PROTO_ATTACH_STDOUT | PROTO_ATTACH_STDERR) ||
	    call->fds->n != (size_t)__builtin_popcount(streams))
		return EBADMSG;
	if (p->exec)
		return EINVAL;
	call->fds->n = 0; /* they are attach_open's now */
	return attach_open(p, streams, call->fds->fd);
}

static int do_resize(struct call *call)
{
	const struct process *p = process_find(&call->request->id);
	const struct proto_resize *size = &call->request->u.resize;
	if (!p)
		return ENOENT;
	if (!p->tty)
		return ENOTTY;
	int master = p->streams[STREAM_OUT].watch.fd;
	return master < 0 || terminal_resize(master, size->rows, size->columns) < 0 ? ENOTTY : 0;
}

static int do_close_stdin(struct call *call)
{
	struct process *p = process_find(&call->request->id);
	if (!p)
		return ENOENT;
	attach_close_input(p);
	return 0;
}

static int do_reopen_log(struct call *call)
{
	struct process *p = process_find(&call->request->id);
	if (!p)
		return ENOENT;
	return p->log && log_reopen(p->log) < 0 ? errno : 0;
}

static int do_connect(struct call *call)
{
	int err = connect_begin(call->client, call->request->seq, &call->request->u.connect);
	return err ? err : LATER;
}

static int do_forget(struct call *call)
{
	struct process *p = process_find(&call->request->id);
	if (!p)
		return ENOENT;
	if (p->state != PROTO_GONE)
		return EBUSY;
	record_forget(p);
	process_destroy(p);
	return 0;
}

static int do_stop(struct call *call)
{
	pod.stopper = call->client;
	pod.stop_seq = call->request->seq;
	pod_stop();
	return LATER;
}

static int do_name(struct call *call)
{
	const struct proto_request *r = call->request;
	return pod_rename(r->id.text, r->id.len, r->log.text, r->log.len) < 0 ? EINVAL : 0;
}

static int (*const handlers[])(struct call *) = {
	[PROTO_HELLO] = do_hello,
	[PROTO_PLAY] = do_play,
	[PROTO_START] = do_start,
	[PROTO_EXEC] = do_start,
	[PROTO_SIGNAL] = do_signal,
	[PROTO_ATTACH] = do_attach,
	[PROTO_RESIZE] = do_resize,
	[PROTO_CLOSE_STDIN] = do_close_stdin,
	[PROTO_REOPEN_LOG] = do_reopen_log,
	[PROTO_CONNECT] = do_connect,
	[PROTO_LIST] = do_list,
	[PROTO_FORGET] = do_forget,
	[PROTO_STOP] = do_stop,
	[PROTO_PREPARE] = do_prepare,
	[PROTO_NAME] = do_name,
};

bool request_handle(struct client *c, size_t len, struct request_fds *fds)
{
	struct proto_request request;
	struct call call = {.client = c, .request = &request, .fds = fds, .reply = {.index = PROTO_NO_SLOT}};
	int err = 0;

	switch (proto_decode(&request, pod.packet, len)) {
	case PROTO_ALIEN: return false;
	case PROTO_MALFORMED: err = EBADMSG; break;
	case PROTO_UNKNOWN: err = ENOSYS; break;
	case PROTO_OK: err = handlers[request.type](&call); break;
	}
	if (err != LATER) {
		call.reply.err = err;
		client_reply(c, request.seq, &call.reply, -1);
	}
	return true;
}
