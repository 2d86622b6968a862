/* Container output into log files in the CRI format:
 *
 *     2026-11-23T18:39:20.123456789Z stdout F text
 *
 * (kubernetes: design proposals, node/kubelet-cri-logging.md). A record is one line of the file. A line of output longer
 * than LOG_LINE_MAX bytes is cut into records with the tag P and a last one with F; so is output that ends without a newline: its
 * last record has P, and a reader that puts P records together gets back every byte.
 *
 * Rotation is done here, by the only writer: a record that would make the file exceed its size goes into a new one. Records
 * are never split across files, and none is lost.
 *
 * A full disk: nothing is torn (what was written of a record is taken back) and what does not fit is kept in memory,
 * LOG_BACKLOG_MAX bytes at most; the caller stops reading for a while (log_stalled) and calls log_retry. What comes
 * beyond that is counted, and when there is room again a record says how much is missing.
 */
#ifndef PYRT_LOGPUMP_H
#define PYRT_LOGPUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define LOG_LINE_MAX 16384
#define LOG_PREFIX 40 /* "2026-11-23T18:39:20.123456789Z stdout F " */
#define LOG_RECORD_MAX (LOG_PREFIX + LOG_LINE_MAX + 1)
#define LOG_BACKLOG_MAX ((size_t)3 * 1024 * 1024) /* holds what 64 KiB of nothing but newlines becomes: the read that met the full disk */

/* Room to format in, one for the whole process. */
struct log_scratch {
	char *buf;
	size_t size; /* at least 2 * LOG_RECORD_MAX */
	time_t second; /* the one that `date` is the text of */
	char date[20];
};

/* --- a log file (logpump_file.c) */

struct log_file;

/* path is absolute; its directory exists. max_size in bytes of one file, 0: never rotate; max_files with the current one, 0:
 * keep all. NULL with errno; ELOOP or EINVAL when something that is not a regular file is in its place. */
struct log_file *log_open(const char *path, size_t path_len, uint64_t max_size, uint32_t max_files);
void log_close(struct log_file *f);
/* Open path anew: someone has renamed the file. 0, or -1 with errno and the old file stays in use. */
int log_reopen(struct log_file *f);
/* Append whole records. What cannot be written is kept or counted, never an error of the caller's. */
void log_write(struct log_file *f, const char *records, size_t len);
/* Records wait for room on the disk. */
bool log_stalled(const struct log_file *f);
/* Try to write what waits. True when nothing does any more. */
bool log_retry(struct log_file *f);
/* Bytes of records that were dropped. */
uint64_t log_lost(const struct log_file *f);

/* --- from bytes to records (logpump.c) */

struct log_stream {
	const char *name; /* "stdout" or "stderr": six letters */
	char *pending;    /* an unfinished line, or NULL */
	uint32_t len;
	uint32_t size;
};

/* f may be NULL: the output is dropped. */
void log_feed(struct log_scratch *scratch, struct log_stream *s, struct log_file *f, const struct timespec *now, const char *data, size_t len);
/* The output has ended: write the unfinished line, if any, and free it. */
void log_finish(struct log_scratch *scratch, struct log_stream *s, struct log_file *f, const struct timespec *now);

/* "2026-11-23T18:39:20" of a Unix time; out has 20 bytes. Years 0 to 9999. */
void log_date(char *out, time_t seconds);

#endif
