/* Every operation of a plan: its number, its name, its arguments.
 *
 * The buffer. Integers are in the machine's byte order, every item begins on a multiple of 4.
 *
 *   header   u32 magic, u32 length of the whole buffer, u32 operations, u32 entries in the table of descriptors,
 *            u64 clone flags, u32 cgroup descriptor, u32 PID namespace descriptor
 *   operation, one after the other:
 *            u32 code, u32 length of the record with these eight bytes, then the arguments in the order of the signature
 *
 * A signature has one letter an argument:
 *
 *   u   u32
 *   q   u64
 *   s   string: u32 length n, n bytes without NUL, NUL, padding to 4
 *   v   vector of strings: u32 count, u32 n, n bytes (each string with its NUL), padding to 4
 *   b   bytes: u32 n, n bytes, padding to 4
 *   f   descriptor: a place in the table, PLAN_SLOT + i (what an earlier operation opened), PLAN_HOST or PLAN_NO_FD
 *   o   slot to fill: PLAN_SLOT + i or PLAN_NO_FD
 *
 * Paths after a descriptor are resolved under it: openat2 with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS, so no symbolic
 * link and no ".." leads out. PLAN_HOST means an absolute path, seen from the current root directory, links followed.
 *
 * pyrt/launch/operations.py is the other half; a test compares the two tables.
 */
#ifndef PYRT_PLAN_OPS_H
#define PYRT_PLAN_OPS_H

/* Grows with every new operation. What is there stays as it is: an operation that is to mean something else, or to have other
 * arguments, gets another code. So a pod process plays every plan of its version or of an earlier one. */
#ifndef PLAN_VERSION /* a test builds an earlier one */
#define PLAN_VERSION 3u
#endif

#define PLAN_MAGIC 0x31505950u /* "PYP1" */
#define PLAN_HEADER_BYTES 32u
#define PLAN_OP_BYTES 8u
#define PLAN_MAX_ARGS 12
#define PLAN_MAX_OPS 8192
#define PLAN_MAX_VECTOR 65536u /* strings in one vector */

#define PLAN_HOST 0xfffffffeu
#define PLAN_SLOT 0x10000u
#define PLAN_SLOTS 16u

/* BIND: flags */
#define BIND_RECURSIVE 1u   /* the source's submounts too */
#define BIND_DETACHED 2u    /* the source descriptor is itself a detached tree, to be attached as it is */
#define BIND_CREATE 4u      /* make a missing target: a directory or an empty file, as the source is */
#define BIND_MAKE_SUBPATH 8u /* make missing directories of the subpath, with the mode and owner of the source */
#define BIND_RECURSIVE_ATTR 16u /* the attributes hold for submounts too (rro, rnosuid...) */
#define BIND_RECURSIVE_PROPAGATION 32u /* so does the propagation */

/* PROC_WRITE: flags */
#define PROC_WRITE_OPTIONAL 1u /* a file that is not there is not an error */

/* SECCOMP: flags are those of seccomp(2) SECCOMP_SET_MODE_FILTER */

#define PLAN_OPS(X)                                                                                                    \
	/* Namespaces and cgroups */                                                                                       \
	X(1, UNSHARE, "q")            /* CLONE_NEW* */                                                                     \
	X(2, SETNS, "fq")             /* namespace descriptor or pidfd, CLONE_NEW* */                                      \
	X(3, JOIN_CGROUP, "fs")       /* directory or PLAN_HOST, file: write "0" into it */                                \
	X(4, HOSTNAME, "s")           /* of the current UTS namespace */                                                   \
	X(5, DOMAINNAME, "s")         /* NIS domain name of the current UTS namespace */                                   \
	X(6, NETLINK_OPEN, "o")       /* a NETLINK_ROUTE socket in the current network namespace */                        \
	X(7, NETLINK, "fb")           /* socket; messages, each with NLM_F_ACK: sent in one go, all acks awaited */        \
	X(8, NEW_USERNS, "qss")       /* CLONE_NEW*; uid map, gid map: a new user namespace, which owns these new namespaces, and the player joins them, but not it */ \
	X(9, USERNS, "o")             /* slot: the user namespace that owns the current network namespace */              \
	/* Files and mounts */                                                                                             \
	X(16, OPEN, "ofsu")           /* slot; directory, path; 1: must be a directory. O_PATH */                          \
	X(17, PROPAGATION, "fsuu")    /* directory, path; MS_PRIVATE, MS_SLAVE...; 1: recursive */                         \
	X(18, MOUNT_NEW, "ossvqfsu")  /* slot; type, source, options, MOUNT_ATTR_*; dir, target ("": detached); mkdir mode or 0 */ \
	X(19, MOUNT_OLD, "osssqsfs")  /* slot; type, source, data, MS_*; working directory; directory, target: mount(2) */ \
	X(20, BIND, "fssfsuqqu")      /* source dir, path, subpath; target dir, path; flags; attr set, clear; propagation or 0 */ \
	X(21, SETATTR, "fsqqu")       /* directory, path; attr set, clear; 1: recursive */                                 \
	X(22, PIVOT, "f")             /* the new root, a mount point: pivot_root, detach the old root, chdir / */          \
	X(23, MKDIR, "fsu")           /* directory, path, mode: missing parents too */                                     \
	X(24, MKNOD, "fsuuuuu")       /* directory, path; mode with type, major, minor, uid, gid */                        \
	X(25, SYMLINK, "fss")         /* directory, path; target. An existing one is left alone */                         \
	X(26, MASK, "fs")             /* hide: a directory under an empty read-only tmpfs, a file under /dev/null; may be missing */ \
	X(27, READONLY, "fs")         /* bind onto itself and make read-only; may be missing */                            \
	X(28, PROC_WRITE, "fsbu")     /* our own procfs, path, data, flags: never through another mount */                 \
	X(29, OOM_SCORE_ADJ, "fu")    /* our own procfs, value as int32: kept as it is where the kernel forbids less */    \
	X(30, BIND_IDMAPPED, "fssfsuqquf") /* as BIND; a user namespace: the source's ids are its own (mount_setattr(2), ID-mapped mounts) */ \
	X(31, OWN_ROOT, "oq")         /* slot with a root, replaced; CLONE_NEW*: unshare these and the mount namespace, and hold the root's copy in that */ \
	X(32, PROC_OF, "of")          /* slot; pidfd: a detached copy of what that process has on /proc, if it is a procfs of its PID namespace */ \
	/* The terminal and the standard streams */                                                                        \
	X(40, SETSID, "")                                                                                                  \
	X(41, TERMINAL, "ffsfsuu")    /* socket for the master; devpts, ptmx; root, console path or ""; rows, columns. Then it is 0, 1, 2, and controls the session that the process leads, if any */ \
	X(42, STDIO_OWNER, "u")       /* uid: becomes the owner of 0, 1, 2, but never of /dev/null */                      \
	X(43, CONTROL, "")            /* 0 becomes the terminal that controls the session */                               \
	/* The process */                                                                                                  \
	X(50, UMASK, "u")                                                                                                  \
	X(51, RLIMIT, "uqq")          /* resource, soft, hard */                                                           \
	X(52, PERSONALITY, "q")                                                                                            \
	X(53, SCHEDULER, "uuuuqqq")   /* policy, nice as int32, priority, flags; runtime, deadline, period */              \
	X(54, IOPRIO, "u")            /* class << 13 | priority */                                                         \
	X(55, DUMPABLE, "u")          /* 0: no ptrace by the container until execve (CVE-2016-9962) */                     \
	X(56, PDEATHSIG, "u")                                                                                              \
	X(57, CHDIR, "s")             /* and check that it lies inside the root (CVE-2024-21626) */                        \
	X(58, NO_NEW_PRIVS, "")                                                                                            \
	X(59, BOUNDING, "q")          /* drop every capability that is not in the set */                                   \
	X(60, USER, "uub")            /* uid, gid, additional groups as u32; capabilities are kept across */               \
	X(61, CAPS, "qqq")            /* effective, permitted, inheritable */                                              \
	X(62, AMBIENT, "q")           /* raise these */                                                                    \
	X(63, SECCOMP, "ub")          /* flags, struct sock_filter[] */                                                    \
	X(64, WAIT, "")               /* report progress, then wait for one byte from the parent */                        \
	X(65, EXEC, "svv")            /* program, arguments, environment */                                                \
	X(66, CLOSE_ON_EXEC, "u")     /* every descriptor from 3 + this number on */                                       \
	X(67, SESSION_KEYRING, "")    /* a new one without a name: nothing of the runtime's or another container's keys */ \
	X(68, EFFECTIVE_IDS, "uu")     /* uid, gid, of what the player makes too; capabilities stay as they are */            \
	X(69, CLOSE_FDS, "")          /* the table and all slots: nothing of them is left to be taken */                   \
	X(70, BIRTH, "q")             /* CLONE_NEW*: go on in a new process, our parent's child, in the PID namespace that children are born into */ \
	X(71, GATE, "f")              /* listening socket: as WAIT; then wait for the one who connects and writes a byte, and report to it from there on */ \
	X(72, TIME_NAMESPACE, "fb")   /* our own procfs, lines for timens_offsets: a new time namespace with these, and into it */ \
	X(73, OWN_USERNS, "oss")      /* slot; uid map, gid map: a new user namespace; the player is not in it */ \
	X(74, CHROOT, "f")            /* the new root, of a container without a mount namespace: a detached tree, gone with its last process */ \
	X(75, SECCOMP_NOTIFY, "ub")   /* as SECCOMP, with a listener, whose descriptor goes to the parent with the operation's number */ \
	X(76, PROGRAM, "sv")          /* program, environment: what EXEC will look for is there, and may be executed */

enum plan_op {
#define X(code, name, signature) PLAN_##name = (code),
	PLAN_OPS(X)
#undef X
};

#define PLAN_OP_LIMIT 77u /* one more than the highest code */

#endif
