/* pyrt-pod: what its parts know of each other. docs/internals/pod-process.md tells the story. */
#ifndef PYRT_POD_H
#define PYRT_POD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "logpump.h"
#include "plan.h"
#include "pod_loop.h"
#include "pod_protocol.h"

struct client;
struct process;

/* Descriptors that came with a request. Whoever keeps one puts -1 in its place; the rest are closed afterwards. */
#define REQUEST_MAX_FDS (PLAN_MAX_FDS + 4)
struct request_fds {
	int fd[REQUEST_MAX_FDS];
	size_t n;
};

/* --- the process as a whole (pod.c) */

struct pod {
	int run_dir;             /* descriptor */
	enum proto_sandbox sandbox;
	bool finished;           /* leave the loop */
	bool killing;            /* STOP: whatever still appears is killed */
	bool childless;          /* wait(2) said so last */
	pid_t pid;
	uint64_t started;        /* Unix time, ns */
	uint64_t start_ticks;
	struct process *processes;
	struct client *clients;
	struct client *stopper;  /* waits for the answer to STOP */
	uint32_t stop_seq;
	unsigned char *packet;   /* PROTO_MAX_MESSAGE + 8 bytes: the request being handled */
	char *input;             /* POD_INPUT bytes: what was just read from a container */
	struct log_scratch scratch;
};
extern struct pod pod;

#define POD_INPUT 65536
#define POD_SCRATCH 131072

/* Kill what is left; the pod process ends when the last process is reaped. */
void pod_stop(void);
/* What ps shows: "pyrt-pod " and the name, and the run directory, whose path keeps its length. */
int pod_rename(const char *name, size_t name_len, const char *path, size_t path_len);
/* One line to stderr. */
void pod_log(const char *what, const char *object, int err);

/* --- clients (pod_client.c) */

struct client {
	struct client *next;
	struct watch watch;
	bool subscribed;
	bool doomed; /* disconnected; freed after this event */
	struct outgoing *queue;
	struct outgoing **queue_end;
	size_t queued; /* bytes */
};

int clients_listen(void);
int client_adopt(int fd);
/* Free those that have hung up. */
void clients_sweep(void);
/* Send a packet; fd (-1: none) is closed in any case. A client that does not read is disconnected. */
void client_send(struct client *c, const void *packet, size_t len, int fd);
/* Answer a request; nothing happens when c is NULL or seq 0. reply->err and so on as in protocol.h; fd as above. */
void client_reply(struct client *c, uint32_t seq, const struct proto_reply *reply, int fd);
void client_item(struct client *c, uint16_t type, uint32_t seq, const struct process *p);
void clients_tell_exit(const struct process *p);

/* --- requests (pod_request.c) */

/* Carry out what stands in pod.packet. False: the client speaks another language. */
bool request_handle(struct client *c, size_t len, struct request_fds *fds);

/* --- containers and exec processes (pod_process.c) */

enum stream_number { STREAM_OUT, STREAM_ERR, STREAMS };

struct stream {
	struct watch watch;
	struct process *process;
	struct log_stream line;
};

struct process {
	struct process *next;
	char *id;
	char *target; /* the container of an exec, or whose PID namespace this one shares; "" */
	bool exec;
	bool tty;
	bool shared_pidns;
	bool stdin_once;
	bool reaped;
	enum proto_state state;
	pid_t pid;
	int pidfd;
	volatile pid_t *born;     /* of a plan whose process is born anew, until it is: plan.h */
	pid_t carrier;            /* the process it was born from, until that is reaped */
	int status;
	uint64_t started, finished, start_ticks;
	uint64_t log_lost;        /* of a log that is closed already */
	struct watch report;      /* the player's word: EOF is a successful execve */
	int console;              /* the terminal's master comes this way, or -1 */
	struct client *starter;   /* waits for the answer to START or EXEC, or NULL */
	uint32_t start_seq;
	struct stream streams[STREAMS];
	struct watch input;       /* write end of stdin, or a copy of the master; see pod_attach.c */
	struct log_file *log;
	struct timer retry;       /* the log waits for room, or the terminal for someone to open it again */
	uint64_t stalled_since;   /* ms; 0: the log does not wait */
	struct timer linger;      /* the process is dead, someone else holds its output */
	struct attachment *attachments;
};

struct process *process_find(const struct proto_string *id);
/* START and EXEC. 0: the answer comes later; else an errno for the answer (index in *index). */
int process_start(struct client *c, const struct proto_request *r, struct request_fds *fds, uint32_t *index);
void process_reaped(pid_t pid, int status);
/* The report of a process that is about to be reaped: its last word comes first. */
void process_last_words(pid_t pid);
void process_destroy(struct process *p);
void process_forget_client(const struct client *c);
/* A stream has come to its end. */
void process_stream_ended(struct process *p);
/* The plan of a request and its table of descriptors, filled in. 0, or an errno. */
struct request_plan {
	struct plan plan;
	void *copy; /* of a plan that came in a file; free it */
	int table[PLAN_MAX_FDS];
	size_t slots;
};
int request_plan_open(struct request_plan *rp, const struct proto_plan *wire, size_t plan_at, const struct request_fds *fds,
                      size_t own_fds, int target_pidfd, int console);
void request_plan_close(struct request_plan *rp);

/* --- streams of a process (pod_stream.c) */

int stream_open(struct process *p, enum stream_number n, int fd);
/* Read what is there. True when nothing will come any more. */
bool stream_drain(struct stream *s);
void stream_close(struct stream *s);
bool streams_ended(const struct process *p);
/* Close the log if nothing can come for it any more. */
void streams_settle_log(struct process *p);

/* --- attached clients (pod_attach.c) */

int attach_open(struct process *p, unsigned streams, const int *fds);
/* A copy for everyone who is attached. */
void attach_output(struct process *p, enum stream_number n, const char *data, size_t len);
/* No more output: let them have what waits, then end of file. */
void attach_finish(struct process *p);
/* At once. */
void attach_drop_all(struct process *p);
/* The process reads end of file. */
void attach_close_input(struct process *p);
/* Take over the descriptor that leads to the process's stdin. */
void attach_input_open(struct process *p, int fd);

/* --- terminals (pod_terminal.c) */

/* The master that the player has sent, or -1 with errno. */
int terminal_receive(int console);
int terminal_resize(int master, uint16_t rows, uint16_t columns);

/* --- signals (pod_signal.c) */

/* 0 or an errno. */
int signal_process(const struct process *p, int signal);
int signal_namespace(const struct process *p, int signal);
/* SIGKILL every child of the pod process, known or adopted. */
void signal_kill_children(void);

/* --- connections from inside the pod (pod_connect.c) */

/* 0: the answer comes later; else an errno. */
int connect_begin(struct client *c, uint32_t seq, const struct proto_connect *wire);
void connect_forget_client(const struct client *c);

/* --- files in the run directory (pod_records.c) */

int records_open(void);
void record_start(const struct process *p);
void record_exit(const struct process *p);
void record_forget(const struct process *p);
/* /proc/PID/stat, field 22; 0 if there is no such process. */
uint64_t start_ticks_of(pid_t pid);

/* --- the first process of a shared PID namespace (pod_pause.c) */

int pause_main(void);

#endif
