/* pyrt-unpack: turns one image layer, a tar stream on standard input, into a directory that overlayfs can use.
 *
 * A layer is hostile input. The rules:
 *   - the process chroots into the target directory, gives up every capability that making files does not need, and
 *     may only use the system calls on a short list (unpack_confine.c);
 *   - every path is resolved with openat2(RESOLVE_IN_ROOT) below the target's descriptor, so a symlink of the layer
 *     can lead nowhere else even without the chroot (unpack_tree.c);
 *   - the size of the stream, the number of entries and the depth of a path are bounded.
 *
 * Two threads: one reads, digests and decompresses (unpack_input.c), one makes files (unpack_entry.c).
 */
#ifndef PYRT_UNPACK_H
#define PYRT_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

enum unpack_kind {
	UNPACK_OK,
	UNPACK_CORRUPT,   /* not a tar stream, or damaged */
	UNPACK_TRUNCATED, /* ends too early */
	UNPACK_HOSTILE,   /* a path or entry that has no honest use */
	UNPACK_LIMIT,     /* larger than allowed */
	UNPACK_IO,        /* the file system said no: see number */
};

/* What went wrong first. The first failure of a thread is kept, later ones are its consequences. */
struct unpack_error {
	enum unpack_kind kind;
	int number;        /* errno, 0 if none */
	char message[256]; /* without the entry's name */
	char entry[4096];  /* the tar entry concerned, empty if none */
};

/* Record a failure (unless one is there already) and return -1. */
int unpack_fail(struct unpack_error *error, enum unpack_kind kind, int number, const char *entry, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

struct unpack_limits {
	uint64_t bytes;   /* of the uncompressed tar stream */
	uint64_t entries; /* tar headers */
	unsigned depth;   /* components of a path */
};

#define UNPACK_DIGEST_SIZE 32

/* --- unpack_input.c: standard input to uncompressed blocks --------------------------------------------------- */

struct unpack_input;

struct unpack_totals {
	uint64_t compressed;
	uint64_t uncompressed;
	unsigned char digest[UNPACK_DIGEST_SIZE];  /* of what was read */
	unsigned char diff_id[UNPACK_DIGEST_SIZE]; /* of what it decompresses to */
};

/* Everything that opens files of the host (libcrypto's and iconv's tables) must happen before the chroot. */
int unpack_input_prepare(struct unpack_error *error);

/* Begin to read `fd`; a copy of the compressed bytes goes to `keep_fd` unless that is -1. */
struct unpack_input *unpack_input_start(int fd, int keep_fd, uint64_t max_bytes, struct unpack_error *error);

/* The next block: its size, 0 at the end of the stream, -1 on failure. Valid until the next call. */
ssize_t unpack_input_block(struct unpack_input *input, const void **block);

/* Stop the thread. The totals are set only if unpack_input_block has said that the stream ended (0 or -1), and then they
 * are those of the whole stream unless an error other than corruption stopped it. The input's own failure, if any, takes
 * the place of `error`, whose owner only saw its consequences. */
void unpack_input_finish(struct unpack_input *input, struct unpack_totals *totals, struct unpack_error *error);

/* --- unpack_tree.c: making files safely ---------------------------------------------------------------------- */

struct unpack_tree;

struct unpack_meta {
	mode_t mode; /* permission bits, with setuid, setgid and sticky */
	uid_t uid;
	gid_t gid;
	struct timespec mtime;
};

struct unpack_xattr {
	const char *name;
	const void *value;
	size_t size;
};

struct unpack_tree *unpack_tree_open(int root_fd, unsigned max_depth, struct unpack_error *error);
void unpack_tree_close(struct unpack_tree *tree);

/* Each takes the entry's path as the tar has it, and returns 0, or -1 with the error recorded. */
int unpack_tree_directory(struct unpack_tree *tree, const char *path, const struct unpack_meta *meta);
int unpack_tree_symlink(struct unpack_tree *tree, const char *path, const char *target, const struct unpack_meta *meta);
int unpack_tree_hardlink(struct unpack_tree *tree, const char *path, const char *target);
int unpack_tree_node(struct unpack_tree *tree, const char *path, mode_t type, dev_t device, const struct unpack_meta *meta);
/* An open descriptor for the new, empty file. */
int unpack_tree_file(struct unpack_tree *tree, const char *path, const struct unpack_meta *meta);
/* Owner, mode, attributes and time of a file that has its content; closes it. */
int unpack_tree_file_done(struct unpack_tree *tree, int fd, const char *path, const struct unpack_meta *meta,
			  const struct unpack_xattr *xattrs, size_t count);
int unpack_tree_directory_xattrs(struct unpack_tree *tree, const char *path, const struct unpack_xattr *xattrs, size_t count);

/* Is the last component a whiteout marker (image-spec, layer.md)? If so unpack_tree_whiteout deals with the entry. */
bool unpack_tree_is_whiteout(const char *path);
int unpack_tree_whiteout(struct unpack_tree *tree, const char *path);

/* Directory times, which must come last. */
int unpack_tree_finish(struct unpack_tree *tree);

/* Directories that the layer used without having an entry for them: their owner and mode belong to a layer below.
 * Calls `each` in order of name. */
void unpack_tree_implied(const struct unpack_tree *tree, void (*each)(const char *path));
/* Whether the layer hides everything below it (an opaque marker in its root). */
bool unpack_tree_opaque_root(const struct unpack_tree *tree);

/* --- unpack_entry.c: the tar reader --------------------------------------------------------------------------- */

struct unpack_counts {
	uint64_t entries;
	uint64_t content; /* bytes written to files */
};

int unpack_entries(struct unpack_input *input, struct unpack_tree *tree, const struct unpack_limits *limits,
		   struct unpack_counts *counts, struct unpack_error *error);

/* --- unpack_confine.c ------------------------------------------------------------------------------------------ */

/* Enter `root_fd` for good. After this no other file of the host can be named. */
int unpack_confine(int root_fd, struct unpack_error *error);
/* Allow only the system calls that unpacking needs, for every thread. */
int unpack_confine_calls(struct unpack_error *error);

#endif
