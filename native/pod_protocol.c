#include "pod_protocol.h"

#include <stdbool.h>
#include <string.h>

struct reader {
	const unsigned char *at;
	size_t left;
};

static bool take(struct reader *in, void *out, size_t n)
{
	if (in->left < n)
		return false;
	memcpy(out, in->at, n);
	in->at += n;
	in->left -= n;
	return true;
}

static bool take_string(struct reader *in, struct proto_string *s, size_t n)
{
	if (in->left < n)
		return false;
	*s = (struct proto_string){(const char *)in->at, n};
	in->at += n;
	in->left -= n;
	return true;
}

static bool id_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' || c == '.';
}

/* Ids are file names: no slash, and no dot in front (".." among them, and our own unfinished files). */
static bool take_id(struct reader *in, struct proto_string *s, size_t n, bool optional)
{
	if (n == 0 && optional)
		return true;
	if (n == 0 || n > PROTO_MAX_ID || !take_string(in, s, n) || s->text[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!id_char(s->text[i]))
			return false;
	return true;
}

/* For people: anything that is one line of printable ASCII. */
static bool take_name(struct reader *in, struct proto_string *s, size_t n)
{
	if (n == 0 || n > PROTO_MAX_PATH || !take_string(in, s, n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (s->text[i] < ' ' || s->text[i] > '~')
			return false;
	return true;
}

static bool take_path(struct reader *in, struct proto_string *s, size_t n)
{
	if (n == 0)
		return true;
	return n <= PROTO_MAX_PATH && take_string(in, s, n) && s->text[0] == '/' && s->text[n - 1] != '/' && !memchr(s->text, 0, n);
}

static bool take_plan(struct reader *in, struct proto_request *r, const struct proto_plan *plan, const unsigned char *packet)
{
	r->plan_at = (size_t)(in->at - packet);
	if (in->left != plan->plan_len)
		return false;
	in->left = 0;
	return true;
}

static bool take_start(struct reader *in, struct proto_request *r, const unsigned char *packet)
{
	struct proto_start *s = &r->u.start;
	return take(in, s, sizeof *s) && s->stdio <= PROTO_STDIO_TTY && take_id(in, &r->id, s->id_len, false) &&
	       take_id(in, &r->target, s->target_len, r->type == PROTO_START) && take_path(in, &r->log, s->log_len) &&
	       take_plan(in, r, &s->plan, packet);
}

static bool take_body(struct reader *in, struct proto_request *r, const unsigned char *packet)
{
	switch (r->type) {
	case PROTO_HELLO: return take(in, &r->u.hello, sizeof r->u.hello);
	case PROTO_PREPARE:
	case PROTO_PLAY: return take(in, &r->u.play, sizeof r->u.play) && take_plan(in, r, &r->u.play.plan, packet);
	case PROTO_START:
	case PROTO_EXEC: return take_start(in, r, packet);
	case PROTO_SIGNAL: return take(in, &r->u.signal, sizeof r->u.signal) && take_id(in, &r->id, r->u.signal.id_len, false);
	case PROTO_ATTACH: return take(in, &r->u.attach, sizeof r->u.attach) && take_id(in, &r->id, r->u.attach.id_len, false);
	case PROTO_RESIZE: return take(in, &r->u.resize, sizeof r->u.resize) && take_id(in, &r->id, r->u.resize.id_len, false);
	case PROTO_CLOSE_STDIN:
	case PROTO_REOPEN_LOG:
	case PROTO_FORGET: return take(in, &r->u.target, sizeof r->u.target) && take_id(in, &r->id, r->u.target.id_len, false);
	case PROTO_NAME:
		return take(in, &r->u.name, sizeof r->u.name) && take_name(in, &r->id, r->u.name.name_len) &&
		       take_path(in, &r->log, r->u.name.path_len);
	case PROTO_CONNECT: return take(in, &r->u.connect, sizeof r->u.connect);
	default: return true; /* LIST, STOP */
	}
}

enum proto_verdict proto_decode(struct proto_request *r, const void *packet, size_t len)
{
	struct reader in = {packet, len};
	struct proto_header head;
	memset(r, 0, sizeof *r);
	if (!take(&in, &head, sizeof head) || head.version != PROTO_VERSION)
		return PROTO_ALIEN;
	r->type = head.type;
	r->seq = head.seq;
	if (head.type < PROTO_HELLO || head.type > PROTO_NAME)
		return PROTO_UNKNOWN;
	return take_body(&in, r, packet) && in.left == 0 ? PROTO_OK : PROTO_MALFORMED;
}
