/* Directories and small files that a thread makes while the caller goes on: cgroups, whose making is all waiting for the kernel. */
#ifndef PYRT_ERRAND_H
#define PYRT_ERRAND_H

#include <stddef.h>

struct errand;

/* Begin. The steps are pairs of strings, each with its zero, in len bytes: a path and "" for a directory of mode 0755, which may be
 * there; a file that is there, and what is written into it. Done in order up to the first that fails; errands in the order in
 * which they were begun. NULL with errno (ENOMEM, EINVAL). */
struct errand *errand_begin(const char *steps, size_t len);

/* Likewise, into a tmpfs of its own that is attached nowhere, of 1 MiB and 16 inodes at most, with these MOUNT_ATTR_*: the steps are
 * names of files to make, of mode 0644, and what is in them. */
struct errand *errand_begin_files(const char *steps, size_t len, unsigned attributes);

/* Wait for its end, or do it now if nobody has begun to, and forget it: 0, or the errno of the step that failed. fd gets a descriptor
 * of the tmpfs's mount, if the errand was for one and has not failed. */
int errand_wait(struct errand *e, int *fd);

#endif
