/* Reading the records of a plan: shared by the decoder, which checks them, and the player, which trusts them. */
#ifndef PYRT_PLAN_WIRE_H
#define PYRT_PLAN_WIRE_H

#include "plan.h"
#include "plan_ops.h"

/* CLONE_NEWTIME NEWNS NEWCGROUP NEWUTS NEWIPC NEWUSER NEWPID NEWNET (linux/sched.h) */
#define PLAN_CLONE_FLAGS 0x7e020080ull

struct arg {
	uint64_t number;           /* u, q, f, o; of v: the number of strings */
	const unsigned char *data; /* s: with a NUL at data[len]; v: len bytes; b: len bytes */
	uint32_t len;
};

struct op {
	uint32_t code;
	struct arg args[PLAN_MAX_ARGS];
};

uint32_t wire_u32(const unsigned char *at);
uint64_t wire_u64(const unsigned char *at);

/* The operation at offset; the offset of the next, or 0 if the record is malformed. */
size_t plan_next(const struct plan *p, size_t offset, struct op *op);

#endif
