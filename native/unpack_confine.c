/* What is left to the unpacker: one directory, the capabilities that file owners and device nodes need, and the
 * system calls for making files. A hole in libarchive, ISA-L or zstd then leads nowhere. */
#include "unpack.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define SANITIZED
#endif
#endif

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* SYS_ADMIN is what trusted.overlay.opaque costs; the filter below leaves it nothing else to do. */
static const unsigned kept[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_MKNOD, CAP_SETFCAP, CAP_SYS_ADMIN};

static int give_up_capabilities(struct unpack_error *error) {
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {0};
	if (syscall(SYS_capget, &header, data) < 0) return unpack_fail(error, UNPACK_IO, errno, NULL, "read capabilities");
	unsigned mask = 0;
	for (size_t i = 0; i < COUNT(kept); i++) mask |= 1u << kept[i];
	data[0].permitted &= mask;
	data[0].effective = data[0].permitted;
	data[0].inheritable = 0;
	data[1] = (struct __user_cap_data_struct){0};
	if (syscall(SYS_capset, &header, data) < 0) return unpack_fail(error, UNPACK_IO, errno, NULL, "give up capabilities");
	return 0;
}

int unpack_confine(int root_fd, struct unpack_error *error) {
	/* A decompressor's window and a header are small; a bomb shall not eat the machine's memory. */
	const struct rlimit memory = {2ul << 30, 2ul << 30}, core = {0, 0};
#ifndef SANITIZED
	setrlimit(RLIMIT_AS, &memory);
#else
	(void)memory;
#endif
	setrlimit(RLIMIT_CORE, &core);
	if (fchdir(root_fd) < 0 || chroot(".") < 0 || chdir("/") < 0) return unpack_fail(error, UNPACK_IO, errno, NULL, "enter the layer's directory");
	if (give_up_capabilities(error) < 0) return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return unpack_fail(error, UNPACK_IO, errno, NULL, "set no_new_privs");
	return 0;
}

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#endif

#if defined(SANITIZED) || !defined(NATIVE_ARCH)

/* The sanitizers' own calls are many. */
int unpack_confine_calls(struct unpack_error *error) {
	(void)error;
	return 0;
}

#else

static const int calls[] = {
	SYS_read,      SYS_write,     SYS_pwrite64,   SYS_openat,	SYS_openat2,   SYS_close,	 SYS_fstat,
	SYS_newfstatat, SYS_mkdirat,   SYS_mknodat,    SYS_unlinkat,	SYS_symlinkat, SYS_linkat,	 SYS_fchmod,
	SYS_fchmodat,  SYS_fchown,    SYS_fchownat,   SYS_utimensat,	SYS_fsetxattr, SYS_ftruncate,	 SYS_lseek,
	SYS_getdents64, SYS_munmap,   SYS_mremap,     SYS_madvise,	SYS_brk,       SYS_futex,	 SYS_fcntl,
	SYS_getrandom, SYS_clock_gettime, SYS_sched_yield, SYS_exit,	SYS_exit_group, SYS_rt_sigprocmask, SYS_rt_sigreturn,
	SYS_getpid,    SYS_gettid,     SYS_set_robust_list, SYS_rseq,
};

int unpack_confine_calls(struct unpack_error *error) {
	enum { HEAD = 10 };
	struct sock_filter program[HEAD + 2 * COUNT(calls) + 1];
	size_t at = 0;
#define LOAD(field) (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, field))
#define SKIP_UNLESS(value, count) (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(value), 0, count)
#define ANSWER(value) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, (unsigned)(value))
	program[at++] = LOAD(arch);
	program[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
	program[at++] = ANSWER(SECCOMP_RET_KILL_PROCESS);
	program[at++] = LOAD(nr);
	/* Memory, but never executable: no library of the layer can be loaded. */
	program[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 1, 0);
	program[at++] = SKIP_UNLESS(SYS_mprotect, 4);
	program[at++] = LOAD(args[2]);
	program[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1);
	program[at++] = ANSWER(SECCOMP_RET_ERRNO | EPERM);
	program[at++] = ANSWER(SECCOMP_RET_ALLOW);
	for (size_t i = 0; i < COUNT(calls); i++) {
		program[at++] = SKIP_UNLESS(calls[i], 1);
		program[at++] = ANSWER(SECCOMP_RET_ALLOW);
	}
	program[at++] = ANSWER(SECCOMP_RET_ERRNO | EPERM);
	const struct sock_fprog filter = {(unsigned short)at, program};
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) != 0)
		return unpack_fail(error, UNPACK_IO, errno, NULL, "load the system call filter");
	return 0;
}

#endif
