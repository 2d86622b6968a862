/* Teaches libFuzzer the header, so that it spends its time behind it: magic, length and operation count are put right
 * after each mutation, most of the time. */
#include "../plan_wire.h"

#include <string.h>

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	size = LLVMFuzzerMutate(data, size, max_size);
	if (seed % 16 == 0 || size < PLAN_HEADER_BYTES)
		return size;
	uint32_t magic = PLAN_MAGIC, len = (uint32_t)size, count = 0, fds = 8;
	size_t offset = PLAN_HEADER_BYTES;
	while (size - offset >= PLAN_OP_BYTES) {
		uint32_t code = wire_u32(data + offset), n = wire_u32(data + offset + 4);
		if (plan_op_signature(code) == NULL) {
			code = seed % PLAN_OP_LIMIT;
			memcpy(data + offset, &code, sizeof code);
		}
		count++;
		if (n < PLAN_OP_BYTES || n > size - offset)
			break;
		offset += n;
	}
	memcpy(data, &magic, sizeof magic);
	memcpy(data + 4, &len, sizeof len);
	memcpy(data + 8, &count, sizeof count);
	memcpy(data + 12, &fds, sizeof fds);
	memset(data + 16, 0, 8);
	memset(data + 24, 0xff, 8);
	return size;
}
