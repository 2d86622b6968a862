/* Requests of the control socket, decoded: every length is checked here and nowhere else. */
#ifndef PYRT_POD_PROTOCOL_H
#define PYRT_POD_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

/* A string inside the packet, not terminated. */
struct proto_string {
	const char *text;
	size_t len;
};

struct proto_request {
	uint16_t type;
	uint32_t seq;
	union {
		struct proto_hello hello;
		struct proto_play play;
		struct proto_start start;
		struct proto_signal signal;
		struct proto_attach attach;
		struct proto_resize resize;
		struct proto_target target;
		struct proto_name name;
		struct proto_connect connect;
	} u;
	struct proto_string id;     /* checked against PROTO_MAX_ID and the alphabet of ids; NAME: printable */
	struct proto_string target; /* likewise, or empty */
	struct proto_string log;    /* absolute and without NUL, or empty; NAME: the run directory */
	size_t plan_at;             /* offset of the plan in the packet, its length is in the structure */
};

enum proto_verdict {
	PROTO_OK,
	PROTO_MALFORMED, /* type and seq are good: answer EBADMSG */
	PROTO_UNKNOWN,   /* likewise: ENOSYS */
	PROTO_ALIEN      /* not even a header of this version: hang up */
};

enum proto_verdict proto_decode(struct proto_request *r, const void *packet, size_t len);

#endif
