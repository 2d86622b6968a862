/* Starting a program from a big multi-threaded process: posix_spawn, which shares memory with the parent until execve
 * instead of copying its page tables. */
#ifndef PYRT_PROGRAM_H
#define PYRT_PROGRAM_H

#include <stddef.h>
#include <sys/types.h>

#define SPAWN_SETSID 1u

/* Start path with fds[i] as its descriptor targets[i] (distinct, at most SPAWN_MAX_FDS), and no others that are
 * close-on-exec here. Every signal is at its default, none blocked. cgroup_fd is the directory of a cgroup v2 to be born
 * into, or -1. *pidfd is close-on-exec. 0, or -1 with errno. */
#define SPAWN_MAX_FDS 32
int spawn_program(const char *path, char *const argv[], char *const envp[], const int *fds, const int *targets, size_t n,
                  unsigned flags, int cgroup_fd, pid_t *pid, int *pidfd);

#endif
