"""RuntimeDefault: the system calls a container may make when its securityContext says nothing else (or RuntimeDefault).

An allow-list with the meaning containerd's and Docker's have: what a program needs and the kernel has long exposed
is allowed; what a capability guards comes with the capability; everything else is EPERM, and a call newer than the
filter's compiler is ENOSYS, so that C libraries fall back to an older one.
"""

from __future__ import annotations

import functools
import platform

from pyrt.launch import constants as k
from pyrt.spec import LinuxSeccomp, LinuxSeccompArg, LinuxSyscall

_FILES = """
access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr
flistxattr flock fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64
futimesat getcwd getdents getdents64 getxattr getxattrat inotify_add_watch inotify_init inotify_init1
inotify_rm_watch fanotify_mark ioctl lchown lchown32 lgetxattr link linkat listxattr listxattrat llistxattr
lremovexattr lseek _llseek lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open
openat openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv
removexattr removexattrat rename renameat renameat2 rmdir sendfile sendfile64 setxattr setxattrat splice stat stat64
statfs statfs64 statx symlink symlinkat sync sync_file_range sync_file_range2 syncfs tee truncate truncate64 umask
unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice write writev cachestat landlock_add_rule
landlock_create_ruleset landlock_restrict_self file_getattr file_setattr
"""

_WAITING = """
epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
eventfd2 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake _newselect poll ppoll ppoll_time64
pselect6 pselect6_time64 select signalfd signalfd4 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
timerfd_settime64 io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit
"""

_MEMORY = """
brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2 mprotect
mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages
"""

_PROCESSES = """
alarm capget capset execve execveat exit exit_group fork getcpu getegid getegid32 geteuid geteuid32 getgid getgid32
getgroups getgroups32 getitimer getpgid getpgrp getpid getppid getpriority get_robust_list getresgid getresgid32
getresuid getresuid32 getrlimit getrusage getsid get_thread_area gettid getuid getuid32 ioprio_get ioprio_set kill
nanosleep pause pidfd_open pidfd_send_signal prctl prlimit64 restart_syscall rseq rt_sigaction rt_sigpending
rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler
sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler
sched_yield seccomp setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid
setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit
set_robust_list setsid set_thread_area set_tid_address setuid setuid32 sigaltstack sigprocmask sigreturn sysinfo
tgkill times tkill ugetrlimit uname uretprobe vfork wait4 waitid waitpid process_vm_readv process_vm_writev ptrace kcmp
"""

_CLOCKS = """
adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
clock_nanosleep_time64 getrandom gettimeofday time timer_create timer_delete timer_getoverrun timer_gettime
timer_gettime64 timer_settime timer_settime64
"""

_SOCKETS = """
accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 recvmsg
send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair
"""

_IPC = """
ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink
msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget
"""

_BY_MACHINE = {
    "x86_64": "arch_prctl modify_ldt",
    "aarch64": "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls",
    "s390x": "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr",
    "riscv64": "riscv_flush_icache",
}

_BY_CAPABILITY = {
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_SYS_ADMIN": """bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick listmount lookup_dcookie mount
        mount_setattr move_mount open_tree open_tree_attr perf_event_open quotactl quotactl_fd setdomainname sethostname
        setns statmount syslog umount umount2 unshare""",
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "delete_module finit_module init_module",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "pidfd_getfd process_madvise",
    "CAP_SYS_RAWIO": "ioperm iopl",
    "CAP_SYS_TIME": "clock_settime clock_settime64 settimeofday stime",
    "CAP_SYS_TTY_CONFIG": "vhangup",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "CAP_SYSLOG": "syslog",
    "CAP_BPF": "bpf",
    "CAP_PERFMON": "perf_event_open",
}

# 32-bit programs run too. x32 ones do not: distributions' kernels have it switched off, and a third copy of the rules
# costs every container 0.1 ms when the kernel walks the filter.
_ARCHITECTURES = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}

_NEW_NAMESPACES = (
    k.CLONE_NEWNS
    | k.CLONE_NEWUTS
    | k.CLONE_NEWIPC
    | k.CLONE_NEWUSER
    | k.CLONE_NEWPID
    | k.CLONE_NEWNET
    | k.CLONE_NEWCGROUP
)
_ALLOW = "SCMP_ACT_ALLOW"
_EPERM, _ENOSYS = 1, 38

# Every address family (value, mask) but two: AF_VSOCK (40) reaches the hypervisor past every network namespace, AF_ALG
# (38) is the kernel's cryptography, which programs have in libraries. Masks, because the kernel looks at the lower 32
# bits only: 0x100000028 is not equal to 40, and is a vsock.
_LOW = 0xFFFFFFFF
_SOCKET_FAMILIES = (
    (0, _LOW & ~31), (32, _LOW & ~3), (36, _LOW & ~1), (39, _LOW), (41, _LOW), (42, _LOW & ~1), (44, _LOW & ~3),
)  # fmt: skip


def _one(index: int, value: int, op: str, value_two: int = 0) -> tuple[LinuxSeccompArg, ...]:
    return (LinuxSeccompArg(index=index, value=value, value_two=value_two, op=op),)


@functools.lru_cache(maxsize=64)
def runtime_default(bounding: tuple[str, ...], machine: str = "") -> LinuxSeccomp:
    """The profile for a container with these capabilities in its bounding set. The same for the same set."""
    machine = machine or platform.machine()
    names = " ".join(
        (_FILES, _WAITING, _MEMORY, _PROCESSES, _CLOCKS, _SOCKETS, _IPC, _BY_MACHINE.get(machine, ""))
    ).split()
    rules = [LinuxSyscall(names=tuple(sorted(names)), action=_ALLOW)]
    # personality(2): plain Linux, 32-bit, without address randomisation's uname fix (UNAME26), both, and asking
    # which it is.
    rules += [
        LinuxSyscall(names=("personality",), action=_ALLOW, args=_one(0, persona, "SCMP_CMP_EQ"))
        for persona in (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
    ]
    rules += [
        LinuxSyscall(names=("socket",), action=_ALLOW, args=_one(0, mask, "SCMP_CMP_MASKED_EQ", value))
        for value, mask in _SOCKET_FAMILIES
    ]
    for capability in bounding:
        if capability in _BY_CAPABILITY:
            rules.append(LinuxSyscall(names=tuple(_BY_CAPABILITY[capability].split()), action=_ALLOW))
    if "CAP_SYS_ADMIN" not in bounding:
        flags_at = 1 if machine == "s390x" else 0
        masked = _one(flags_at, _NEW_NAMESPACES, "SCMP_CMP_MASKED_EQ")
        rules.append(LinuxSyscall(names=("clone",), action=_ALLOW, args=masked))
        # Its flags are behind a pointer, where no filter sees them: the C library takes clone instead.
        rules.append(LinuxSyscall(names=("clone3",), action="SCMP_ACT_ERRNO", errno_ret=_ENOSYS))
    return LinuxSeccomp(
        default_action="SCMP_ACT_ERRNO",
        default_errno_ret=_EPERM,
        architectures=_ARCHITECTURES.get(machine, ()),
        syscalls=tuple(rules),
    )
