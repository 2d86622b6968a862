/* Directories and small files that a thread makes while the caller goes on: cgroups, whose making is all waiting for the kernel. */
#ifndef PYRT_ERRAND_H
#define PYRT_ERRAND_H

#include <stddef.h>

struct errand;

/* Begin. The steps are pairs of strings, each with its zero, in len bytes: a path and "" for a directory of mode 0755, which may be
 * there; a file that is there, and what is written into it. Done in order up to the first that fails; errands in the order in
 * which they were begun. NULL with errno (ENOMEM, EINVAL). */
struct errand *errand_begin(const char *steps, size_t len);

/* Wait for its end, or do it now if nobody has begun to, and forget it: 0, or the errno of the step that failed. */
int errand_wait(struct errand *e);

#endif
