/* Text put together in a buffer of fixed size, without stdio (which would cost a third of the process's memory). */
#ifndef PYRT_POD_TEXT_H
#define PYRT_POD_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
	char *at;
	char *end; /* one byte is always left for the terminating NUL */
};

static inline struct text text_into(char *buf, size_t size)
{
	buf[0] = 0;
	return (struct text){buf, buf + size - 1};
}

static inline void text_bytes(struct text *t, const char *s, size_t n)
{
	if (n > (size_t)(t->end - t->at))
		n = (size_t)(t->end - t->at);
	memcpy(t->at, s, n);
	t->at += n;
	*t->at = 0;
}

static inline void text_str(struct text *t, const char *s)
{
	text_bytes(t, s, strlen(s));
}

/* At least width digits, zeros in front. */
static inline void text_number(struct text *t, uint64_t value, int width)
{
	char digits[24];
	char *d = digits + sizeof digits;
	do {
		*--d = (char)('0' + value % 10);
		value /= 10;
		width--;
	} while (value || width > 0);
	text_bytes(t, d, (size_t)(digits + sizeof digits - d));
}

static inline void text_signed(struct text *t, int64_t value)
{
	if (value < 0)
		text_bytes(t, "-", 1);
	text_number(t, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 1);
}

#endif
