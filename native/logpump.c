#define _GNU_SOURCE
#include "logpump.h"

#include <stdlib.h>
#include <string.h>

static void two_digits(char *out, unsigned value)
{
	out[0] = (char)('0' + value / 10);
	out[1] = (char)('0' + value % 10);
}

/* Proleptic Gregorian calendar, counted in eras of 400 years that begin on 1 March, so that the leap day comes last. gmtime_r would
 * do, but brings the time zone files with it. */
void log_date(char *out, time_t seconds)
{
	int64_t day = seconds / 86400, rest = seconds % 86400;
	if (rest < 0) {
		rest += 86400;
		day--;
	}
	day += 719468; /* days from 0000-03-01 to 1970-01-01 */
	int64_t era = (day >= 0 ? day : day - 146096) / 146097;
	unsigned day_of_era = (unsigned)(day - era * 146097);
	unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned march_month = (5 * day_of_year + 2) / 153;
	unsigned month = march_month < 10 ? march_month + 3 : march_month - 9;
	unsigned year = (unsigned)((int64_t)year_of_era + era * 400) + (month <= 2);

	two_digits(out, year / 100 % 100);
	two_digits(out + 2, year % 100);
	out[4] = '-';
	two_digits(out + 5, month);
	out[7] = '-';
	two_digits(out + 8, day_of_year - (153 * march_month + 2) / 5 + 1);
	out[10] = 'T';
	two_digits(out + 11, (unsigned)(rest / 3600));
	out[13] = ':';
	two_digits(out + 14, (unsigned)(rest / 60 % 60));
	out[16] = ':';
	two_digits(out + 17, (unsigned)(rest % 60));
	out[19] = 0;
}

/* One call's output: records collected in the scratch buffer and written in large pieces. */
struct batch {
	struct log_file *file;
	char *buf;
	size_t size;
	size_t len;
	char prefix[LOG_PREFIX];
};

#define TAG_AT (LOG_PREFIX - 2)

static void batch_begin(struct batch *b, struct log_scratch *scratch, const char *name, struct log_file *f, const struct timespec *now)
{
	if (scratch->second != now->tv_sec || !scratch->date[0]) {
		log_date(scratch->date, now->tv_sec);
		scratch->second = now->tv_sec;
	}
	b->file = f;
	b->buf = scratch->buf;
	b->size = scratch->size;
	b->len = 0;
	memcpy(b->prefix, scratch->date, 19);
	b->prefix[19] = '.';
	long rest = now->tv_nsec;
	for (int i = 28; i >= 20; i--) {
		b->prefix[i] = (char)('0' + rest % 10);
		rest /= 10;
	}
	memcpy(b->prefix + 29, "Z ", 2);
	memcpy(b->prefix + 31, name, 6);
	memcpy(b->prefix + 37, " F ", 3);
}

static void batch_flush(struct batch *b)
{
	if (b->len)
		log_write(b->file, b->buf, b->len);
	b->len = 0;
}

/* A record of up to two pieces of text. */
static void emit(struct batch *b, char tag, const char *first, size_t first_len, const char *second, size_t second_len)
{
	size_t need = LOG_PREFIX + first_len + second_len + 1;
	if (need > b->size - b->len)
		batch_flush(b);
	char *out = b->buf + b->len;
	memcpy(out, b->prefix, LOG_PREFIX);
	out[TAG_AT] = tag;
	out += LOG_PREFIX;
	if (first_len)
		memcpy(out, first, first_len);
	if (second_len)
		memcpy(out + first_len, second, second_len);
	out[first_len + second_len] = '\n';
	b->len += need;
}

/* Most unfinished lines are short: grow in steps. False without memory. */
static bool keep(struct log_stream *s, const char *data, size_t len)
{
	size_t need = s->len + len;
	if (need > s->size) {
		size_t size = s->size ? s->size : 512;
		while (size < need)
			size *= 2;
		char *bigger = realloc(s->pending, size);
		if (!bigger)
			return false;
		s->pending = bigger;
		s->size = (uint32_t)size;
	}
	memcpy(s->pending + s->len, data, len);
	s->len += (uint32_t)len;
	return true;
}

static void drop_pending(struct log_stream *s)
{
	free(s->pending);
	s->pending = NULL;
	s->len = s->size = 0;
}

void log_feed(struct log_scratch *scratch, struct log_stream *s, struct log_file *f, const struct timespec *now, const char *data, size_t len)
{
	if (!f || !len)
		return;
	struct batch b;
	batch_begin(&b, scratch, s->name, f, now);
	while (len) {
		/* One more than the line may have: the newline behind a line of exactly LOG_LINE_MAX bytes ends it. */
		size_t room = LOG_LINE_MAX - s->len, window = len < room + 1 ? len : room + 1;
		const char *newline = memchr(data, '\n', window);
		size_t text = newline ? (size_t)(newline - data) : room, used = newline ? text + 1 : room;
		if (!newline && window <= room) { /* the line goes on, perhaps, and may still fit */
			if (!keep(s, data, len)) {
				emit(&b, 'P', s->pending, s->len, data, len);
				drop_pending(s);
			}
			break;
		}
		emit(&b, newline ? 'F' : 'P', s->pending, s->len, data, text);
		s->len = 0;
		data += used;
		len -= used;
	}
	if (!s->len && s->pending)
		drop_pending(s);
	batch_flush(&b);
}

void log_finish(struct log_scratch *scratch, struct log_stream *s, struct log_file *f, const struct timespec *now)
{
	if (f && s->len) {
		struct batch b;
		batch_begin(&b, scratch, s->name, f, now);
		emit(&b, 'P', s->pending, s->len, NULL, 0);
		batch_flush(&b);
	}
	drop_pending(s);
}
