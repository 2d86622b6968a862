/* Checks a plan once, so that playing it needs no checks. Reads only; hostile buffers welcome (native/fuzz). */
#include "plan.h"
#include "plan_ops.h"
#include "plan_wire.h"

#include <errno.h>
#include <linux/sched.h>
#include <string.h>

static const struct {
	const char *name;
	const char *signature;
} table[PLAN_OP_LIMIT] = {
#define X(code, name, signature) [code] = {#name, signature},
	PLAN_OPS(X)
#undef X
};

const char *plan_op_name(uint32_t code)
{
	return code < PLAN_OP_LIMIT ? table[code].name : NULL;
}

const char *plan_op_signature(uint32_t code)
{
	return code < PLAN_OP_LIMIT ? table[code].signature : NULL;
}

uint32_t wire_u32(const unsigned char *at)
{
	uint32_t value = 0;
	memcpy(&value, at, sizeof value);
	return value;
}

uint64_t wire_u64(const unsigned char *at)
{
	uint64_t value = 0;
	memcpy(&value, at, sizeof value);
	return value;
}

static size_t padded(size_t n)
{
	return (n + 3u) & ~(size_t)3u;
}

/* One argument of type `kind` at `at`, of at most `left` bytes. Its size with padding, or 0 if it does not fit. */
static size_t take_argument(char kind, const unsigned char *at, size_t left, struct arg *out)
{
	size_t n = 0;

	if (left < 4)
		return 0;
	switch (kind) {
	case 'u':
	case 'f':
	case 'o':
		out->number = wire_u32(at);
		return 4;
	case 'q':
		if (left < 8)
			return 0;
		out->number = wire_u64(at);
		return 8;
	case 's':
		n = wire_u32(at);
		if (n >= left - 4 || padded(n + 1) > left - 4)
			return 0;
		out->data = at + 4;
		out->len = (uint32_t)n;
		return 4 + padded(n + 1);
	case 'b':
		n = wire_u32(at);
		if (n > left - 4 || padded(n) > left - 4)
			return 0;
		out->data = at + 4;
		out->len = (uint32_t)n;
		return 4 + padded(n);
	case 'v':
		if (left < 8)
			return 0;
		n = wire_u32(at + 4);
		if (n > left - 8 || padded(n) > left - 8)
			return 0;
		out->number = wire_u32(at);
		out->data = at + 8;
		out->len = (uint32_t)n;
		return 8 + padded(n);
	default:
		return 0;
	}
}

static int valid_fd(const struct plan *p, uint64_t ref)
{
	return ref < p->fd_count || ref == PLAN_HOST || ref == PLAN_NO_FD ||
	       (ref >= PLAN_SLOT && ref < PLAN_SLOT + PLAN_SLOTS);
}

static int valid_vector(const struct arg *a)
{
	uint32_t strings = 0;

	if (a->number > PLAN_MAX_VECTOR)
		return 0;
	for (uint32_t i = 0; i < a->len; i++)
		strings += a->data[i] == '\0';
	return strings == a->number && (a->len == 0 || a->data[a->len - 1] == '\0');
}

static int valid_argument(const struct plan *p, char kind, const struct arg *a)
{
	switch (kind) {
	case 'f':
		return valid_fd(p, a->number);
	case 'o':
		return a->number == PLAN_NO_FD || (a->number >= PLAN_SLOT && a->number < PLAN_SLOT + PLAN_SLOTS);
	case 's':
		return a->data[a->len] == '\0' && memchr(a->data, '\0', a->len) == NULL;
	case 'v':
		return valid_vector(a);
	default:
		return 1;
	}
}

size_t plan_next(const struct plan *p, size_t offset, struct op *op)
{
	const char *signature = NULL;
	size_t left = p->len - offset, end = 0;

	if (left < PLAN_OP_BYTES)
		return 0;
	op->code = wire_u32(p->buf + offset);
	end = wire_u32(p->buf + offset + 4);
	signature = plan_op_signature(op->code);
	if (signature == NULL || end < PLAN_OP_BYTES || end > left || end % 4 != 0)
		return 0;
	end += offset;
	offset += PLAN_OP_BYTES;
	for (size_t i = 0; signature[i] != '\0'; i++) {
		size_t size = take_argument(signature[i], p->buf + offset, end - offset, &op->args[i]);
		if (size == 0)
			return 0;
		offset += size;
	}
	return offset == end ? end : 0;
}

static int valid_op(struct plan *p, const struct op *op)
{
	const char *signature = plan_op_signature(op->code);
	uint64_t strings = 0;

	for (size_t i = 0; signature[i] != '\0'; i++) {
		if (!valid_argument(p, signature[i], &op->args[i]))
			return 0;
		if (signature[i] == 'v')
			strings += op->args[i].number;
	}
	if (strings > p->vector_max)
		p->vector_max = (uint32_t)strings;
	switch (op->code) {
	case PLAN_USER:
		return op->args[2].len % 4 == 0 && op->args[2].len <= 65536 * 4;
	case PLAN_SECCOMP:
	case PLAN_SECCOMP_NOTIFY: /* struct sock_filter is 8 bytes; BPF_MAXINSNS is 4096 */
		return op->args[1].len % 8 == 0 && op->args[1].len > 0 && op->args[1].len <= 4096 * 8;
	case PLAN_EXEC:
		return op->args[0].len > 0 && op->args[1].number > 0;
	case PLAN_CLOSE_ON_EXEC:
		return op->args[0].number < 1024;
	case PLAN_NEW_USERNS:
		return (op->args[0].number & ~(PLAN_CLONE_FLAGS & ~(uint64_t)CLONE_NEWUSER)) == 0;
	case PLAN_OWN_ROOT:
		return op->args[0].number != PLAN_NO_FD && (op->args[1].number & ~PLAN_CLONE_FLAGS) == 0;
	case PLAN_BIRTH: /* once: there is one place for the number */
		if (p->rebirth || (op->args[0].number & ~PLAN_CLONE_FLAGS) != 0)
			return 0;
		p->rebirth = 1;
		return 1;
	default:
		return 1;
	}
}

static int bad(size_t offset, size_t *where)
{
	if (where != NULL)
		*where = offset;
	errno = EBADMSG;
	return -1;
}

int plan_decode(struct plan *p, const void *buf, size_t len, size_t *where)
{
	const unsigned char *b = buf;
	size_t offset = PLAN_HEADER_BYTES;

	memset(p, 0, sizeof *p);
	if (len < PLAN_HEADER_BYTES || len > PLAN_MAX_BYTES || wire_u32(b) != PLAN_MAGIC || wire_u32(b + 4) != len)
		return bad(0, where);
	p->buf = b;
	p->len = len;
	p->op_count = wire_u32(b + 8);
	p->fd_count = wire_u32(b + 12);
	p->clone_flags = wire_u64(b + 16);
	p->cgroup_fd = wire_u32(b + 24);
	p->pidns_fd = wire_u32(b + 28);
	p->first_op = offset;
	if (p->op_count > PLAN_MAX_OPS || p->fd_count > PLAN_MAX_FDS || (p->clone_flags & ~PLAN_CLONE_FLAGS) != 0 ||
	    (p->cgroup_fd != PLAN_NO_FD && p->cgroup_fd >= p->fd_count) ||
	    (p->pidns_fd != PLAN_NO_FD && p->pidns_fd >= p->fd_count))
		return bad(8, where);
	for (uint32_t i = 0; i < p->op_count; i++) {
		struct op op = {.code = 0};
		size_t next = plan_next(p, offset, &op);
		if (next == 0 || !valid_op(p, &op))
			return bad(offset, where);
		offset = next;
	}
	return offset == len ? 0 : bad(offset, where);
}
