/* libFuzzer target: plan_decode on any bytes at all, and whatever it accepts walked through to the last argument, as
 * the player would. */
#include "../plan_wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned sink;

static void touch(const struct op *op)
{
	const char *signature = plan_op_signature(op->code);

	for (size_t i = 0; signature[i] != '\0'; i++) {
		const struct arg *a = &op->args[i];
		if (strchr("sbv", signature[i]) == NULL)
			continue;
		for (uint32_t j = 0; j < a->len; j++)
			sink += a->data[j];
		if (signature[i] == 's' && strlen((const char *)a->data) != a->len)
			abort();
		if (signature[i] == 'v') {
			const char *s = (const char *)a->data;
			for (uint64_t n = 0; n < a->number; n++)
				s += strlen(s) + 1;
			if (s != (const char *)a->data + a->len)
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan plan;
	size_t where = 0, offset = 0;
	/* A copy of exactly this size: one byte too far is an error the sanitizer sees. */
	unsigned char *copy = malloc(size > 0 ? size : 1);

	if (copy == NULL)
		return 0;
	if (size > 0)
		memcpy(copy, data, size);
	if (plan_decode(&plan, copy, size, &where) == 0) {
		offset = plan.first_op;
		for (uint32_t i = 0; i < plan.op_count; i++) {
			struct op op;
			offset = plan_next(&plan, offset, &op);
			if (offset == 0)
				abort();
			touch(&op);
		}
	} else if (where > size) {
		abort();
	}
	free(copy);
	return 0;
}
