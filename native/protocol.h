/* The control protocol of pyrt-pod: SOCK_SEQPACKET on <run dir>/control.sock (mode 0600), any number of clients.
 *
 * One packet is one message: struct proto_header, then the fixed structure of its type, then its strings, one after the
 * other, without separators (their lengths stand in the structure), then, where the structure has plan_len, the plan.
 * Integers are in the machine's byte order: both ends run on one machine. File descriptors travel by SCM_RIGHTS with
 * the packet, in the order the structure's comment gives. pyrt/runtime/protocol.py is the other half of this file.
 *
 * Requests are answered by exactly one PROTO_REPLY with the same seq, not necessarily in the order of the requests: START
 * and EXEC are answered when execve has happened or failed, CONNECT when the connection stands, STOP when the pod is empty.
 * Requests of one client are begun in order, so a client may send the sandbox plan and container starts back to back: when the
 * sandbox plan fails, every START behind it answers ECANCELED.
 *
 * A request with seq 0 is carried out and not answered. A malformed request is answered with EBADMSG and changes nothing; a
 * packet too short for a header, or of another PROTO_VERSION, ends that client's connection. So does a client that lets
 * PROTO_CLIENT_BACKLOG bytes of answers pile up: it may come back and ask for the state with HELLO.
 */
#ifndef PYRT_PROTOCOL_H
#define PYRT_PROTOCOL_H

#include <stdint.h>

#define PROTO_VERSION 1
#define PROTO_CONTROL_FD 3      /* in pyrt-pod at its start: the first client's connected socket */
#define PROTO_HOST_NETNS_FD 4   /* in pyrt-pod: the host's network namespace */
#define PROTO_MAX_MESSAGE 65536 /* bytes of one packet; a longer plan travels in a memfd */
#define PROTO_MAX_ID 128        /* bytes of an id: [A-Za-z0-9_.-], not beginning with a dot */
#define PROTO_MAX_PATH 4095
#define PROTO_CLIENT_BACKLOG 262144
#define PROTO_NO_SLOT UINT32_MAX

enum proto_type {
	/* requests */
	PROTO_HELLO = 1,    /* struct proto_hello: subscribe; ITEMs follow, then the REPLY */
	PROTO_PLAY = 2,     /* struct proto_play: play a plan on the pod process itself (the sandbox) */
	PROTO_START = 3,    /* struct proto_start: a container */
	PROTO_EXEC = 4,     /* struct proto_start: another process, in a container that runs */
	PROTO_SIGNAL = 5,   /* struct proto_signal */
	PROTO_ATTACH = 6,   /* struct proto_attach; fds: one for each bit of streams, lowest bit first */
	PROTO_RESIZE = 7,   /* struct proto_resize */
	PROTO_CLOSE_STDIN = 8, /* struct proto_target */
	PROTO_REOPEN_LOG = 9,  /* struct proto_target */
	PROTO_CONNECT = 10, /* struct proto_connect; the REPLY carries the connected, non-blocking socket */
	PROTO_LIST = 11,    /* no structure; ITEMs, then the REPLY */
	PROTO_FORGET = 12,  /* struct proto_target: drop an exited process and its files in containers/ and exits/ */
	PROTO_STOP = 13,    /* no structure: kill everything, answer when the pod is empty, exit */
	PROTO_PREPARE = 14, /* struct proto_play: before the sandbox's plan, what is the same for every pod */
	PROTO_NAME = 15,    /* struct proto_name: what ps shows from now on */

	/* answers and events */
	PROTO_REPLY = 64, /* struct proto_reply */
	PROTO_ITEM = 65,  /* struct proto_item: one process, as it is now; seq of the HELLO or LIST */
	PROTO_EXITED = 66 /* struct proto_item: event, seq 0, to every client that said HELLO with subscribe */
};

struct proto_header {
	uint16_t version;
	uint16_t type;
	uint32_t seq; /* chosen by the client, returned in the answer */
} __attribute__((packed));

struct proto_hello {
	uint32_t subscribe; /* 1: send events to this connection */
} __attribute__((packed));

/* What a plan needs beside itself. A plan of plan_len bytes stands at the end of the packet; with plan_len 0 the first
 * descriptor of the packet is a file (memfd) that holds it. The plan's table of descriptors has slots entries:
 * target_slot is filled with a pidfd of the container `target`, console_slot with the socket over which the player hands
 * back the master of the terminal; the table descriptors of the packet fill the other entries in order. */
struct proto_plan {
	uint32_t plan_len;
	uint32_t slots;
	uint32_t target_slot;
	uint32_t console_slot;
} __attribute__((packed));

/* fds: [plan] [table...]. PLAY makes the sandbox. PREPARE does not: a pod process that is only prepared ends with its last
 * client; EINVAL when there is a sandbox. */
struct proto_play {
	struct proto_plan plan;
} __attribute__((packed));

enum proto_stdio {
	PROTO_STDIO_NULL = 0, /* stdin, stdout, stderr are /dev/null */
	PROTO_STDIO_LOG = 1,  /* stdout and stderr go to the log, stdin as PROTO_STDIN_* say */
	PROTO_STDIO_FDS = 2,  /* the client sends its own three */
	PROTO_STDIO_TTY = 3   /* a terminal. START: read into the log; EXEC: the REPLY carries the master */
};

#define PROTO_STDIN_OPEN 1u      /* START with LOG: stdin is a pipe kept open for ATTACH (else /dev/null) */
#define PROTO_STDIN_ONCE 2u      /* closed when the first attachment with stdin ends */
#define PROTO_SHARED_PIDNS 4u    /* the container does not lead a PID namespace of its own */

/* fds: [plan] [stdin stdout stderr, if FDS] [table...]; strings: id, target, log path */
struct proto_start {
	struct proto_plan plan;
	uint16_t id_len;
	uint16_t target_len; /* EXEC: the container; START: the container whose pidfd the plan needs, or empty */
	uint16_t log_len;    /* absolute path of the log file; its directory exists. Empty: output is read and dropped */
	uint8_t stdio;       /* enum proto_stdio */
	uint8_t flags;       /* PROTO_STDIN_*, PROTO_SHARED_PIDNS */
	uint32_t log_max_files; /* the current file included; 0: no limit */
	uint64_t log_max_size;  /* bytes of one file; 0: never rotate */
} __attribute__((packed));

/* strings: id */
struct proto_signal {
	uint16_t id_len;
	uint8_t signal;
	uint8_t all; /* 1: every process of the container's own PID namespace (EINVAL if it leads none); of an exec, its process group */
} __attribute__((packed));

#define PROTO_ATTACH_STDIN 1u
#define PROTO_ATTACH_STDOUT 2u
#define PROTO_ATTACH_STDERR 4u

/* strings: id. Output written from now on is copied into the descriptors; one that does not keep up is dropped (closed). */
struct proto_attach {
	uint16_t id_len;
	uint8_t streams; /* PROTO_ATTACH_* */
	uint8_t reserved;
} __attribute__((packed));

/* strings: id */
struct proto_resize {
	uint16_t id_len;
	uint16_t rows;
	uint16_t columns;
	uint16_t reserved;
} __attribute__((packed));

/* strings: id */
struct proto_target {
	uint16_t id_len;
	uint16_t reserved;
} __attribute__((packed));

/* strings: <namespace>/<name>; the run directory's path, which it has been renamed to, as long as the old one */
struct proto_name {
	uint16_t name_len;
	uint16_t path_len;
} __attribute__((packed));

struct proto_connect {
	uint16_t family; /* AF_INET, AF_INET6 */
	uint16_t port;   /* host byte order */
	uint32_t timeout_ms;
	uint8_t address[16]; /* network byte order; 4 bytes used for AF_INET */
} __attribute__((packed));

/* err 0: done. index is meaningful for PLAY, START and EXEC when err is not 0: the operation that failed, or
 * PROTO_NO_SLOT when the failure was not the plan's. START and EXEC: pid, started (Unix time in ns), start_ticks
 * (/proc/PID/stat, field 22). HELLO: the same of pyrt-pod itself, and index is
 * the PLAN_VERSION that it plays (PROTO_NO_SLOT from one that is older than these versions: 1). */
struct proto_reply {
	int32_t err;
	uint32_t index;
	int32_t pid;
	uint32_t sandbox; /* HELLO: enum proto_sandbox */
	uint64_t started;
	uint64_t start_ticks;
} __attribute__((packed));

enum proto_sandbox {
	PROTO_SANDBOX_NONE = 0,
	PROTO_SANDBOX_READY = 1,
	PROTO_SANDBOX_FAILED = 2,
	PROTO_SANDBOX_STOPPING = 3
};

enum proto_state {
	PROTO_STARTING = 0,
	PROTO_RUNNING = 1,
	PROTO_GONE = 2 /* exited; its record is on disk */
};

/* strings: id, target */
struct proto_item {
	int32_t pid;
	int32_t status; /* as wait(2) gives it */
	uint64_t started;
	uint64_t finished; /* 0 while it runs */
	uint64_t start_ticks;
	uint64_t log_lost; /* bytes of output that could not be written (disk full) */
	uint8_t exec;      /* 1: started by EXEC */
	uint8_t state;     /* enum proto_state */
	uint16_t id_len;
	uint16_t target_len;
	uint16_t reserved;
} __attribute__((packed));

#endif
