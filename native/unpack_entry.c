/* The tar reader: libarchive says what is in the stream, unpack_tree.c makes it. */
#include "unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MAX_XATTRS 64

struct reader {
	struct unpack_input *input;
	struct unpack_tree *tree;
	struct unpack_counts *counts;
	struct unpack_error *error;
	struct archive *archive;
};

static la_ssize_t read_block(struct archive *archive, void *data, const void **block) {
	struct reader *reader = data;
	ssize_t size = unpack_input_block(reader->input, block);
	if (size < 0) archive_set_error(archive, EIO, "the layer's stream failed");
	return size;
}

static int damaged(struct reader *reader, const char *entry) {
	const char *text = archive_error_string(reader->archive);
	bool truncated = text && strncmp(text, "Truncated", 9) == 0;
	return unpack_fail(reader->error, truncated ? UNPACK_TRUNCATED : UNPACK_CORRUPT, 0, entry, "%s", text ? text : "not a tar archive");
}

/* What a layer may say about attributes. trusted.overlay.* would steer overlayfs (redirects, opaque marks), other
 * security.* names belong to this machine's policy: both are left out, as are names nobody knows. */
static bool allowed(const char *name) {
	if (strncmp(name, "user.overlay.", 13) == 0) return false;
	return strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0 ||
	       strcmp(name, "system.posix_acl_access") == 0 || strcmp(name, "system.posix_acl_default") == 0;
}

static size_t attributes(struct archive_entry *entry, struct unpack_xattr *xattrs) {
	size_t count = 0;
	if (archive_entry_xattr_reset(entry) == 0) return 0;
	struct unpack_xattr one;
	while (count < MAX_XATTRS && archive_entry_xattr_next(entry, &one.name, &one.value, &one.size) == ARCHIVE_OK)
		if (one.name && allowed(one.name)) xattrs[count++] = one;
	return count;
}

static int write_all(struct reader *reader, int fd, const char *data, size_t size, off_t offset, const char *path) {
	while (size > 0) {
		ssize_t written = pwrite(fd, data, size, offset);
		if (written < 0 && errno == EINTR) continue;
		if (written < 0) return unpack_fail(reader->error, UNPACK_IO, errno, path, "write");
		data += written;
		size -= (size_t)written;
		offset += written;
	}
	return 0;
}

/* Sparse files come as data blocks with gaps between them. */
static int copy_content(struct reader *reader, int fd, const char *path, off_t size) {
	off_t end = 0;
	for (;;) {
		const void *data;
		size_t length;
		la_int64_t offset;
		int result = archive_read_data_block(reader->archive, &data, &length, &offset);
		if (result == ARCHIVE_EOF) break;
		if (result != ARCHIVE_OK) return damaged(reader, path);
		if (offset < end || offset > size || (la_int64_t)length > size - offset)
			return unpack_fail(reader->error, UNPACK_CORRUPT, 0, path, "data outside the file's size");
		if (write_all(reader, fd, data, length, offset, path) < 0) return -1;
		end = offset + (off_t)length;
		reader->counts->content += length;
	}
	if (end < size && ftruncate(fd, size) < 0) return unpack_fail(reader->error, UNPACK_IO, errno, path, "set the size");
	return 0;
}

static int regular(struct reader *reader, struct archive_entry *entry, const char *path, const struct unpack_meta *meta) {
	struct unpack_xattr xattrs[MAX_XATTRS];
	int fd = unpack_tree_file(reader->tree, path, meta);
	if (fd < 0) return -1;
	off_t size = archive_entry_size(entry);
	if (size > 0 && copy_content(reader, fd, path, size) < 0) {
		close(fd);
		return -1;
	}
	return unpack_tree_file_done(reader->tree, fd, path, meta, xattrs, attributes(entry, xattrs));
}

static int directory(struct reader *reader, struct archive_entry *entry, const char *path, const struct unpack_meta *meta) {
	struct unpack_xattr xattrs[MAX_XATTRS];
	if (unpack_tree_directory(reader->tree, path, meta) < 0) return -1;
	size_t count = attributes(entry, xattrs);
	return count ? unpack_tree_directory_xattrs(reader->tree, path, xattrs, count) : 0;
}

static int one(struct reader *reader, struct archive_entry *entry) {
	const char *path = archive_entry_pathname(entry);
	if (!path) path = archive_entry_pathname_utf8(entry);
	if (!path) return unpack_fail(reader->error, UNPACK_CORRUPT, 0, NULL, "an entry without a readable name");
	if (unpack_tree_is_whiteout(path)) return unpack_tree_whiteout(reader->tree, path);
	const char *link = archive_entry_hardlink(entry);
	if (link) return unpack_tree_hardlink(reader->tree, path, link);

	const la_int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);
	if (uid < 0 || gid < 0 || uid >= UINT32_MAX || gid >= UINT32_MAX)
		return unpack_fail(reader->error, UNPACK_CORRUPT, 0, path, "owner %lld:%lld", (long long)uid, (long long)gid);
	const struct unpack_meta meta = {
		.mode = archive_entry_perm(entry),
		.uid = (uid_t)uid,
		.gid = (gid_t)gid,
		.mtime = {archive_entry_mtime(entry), archive_entry_mtime_nsec(entry)},
	};
	const mode_t type = archive_entry_filetype(entry);
	switch (type) {
	case AE_IFREG:
		return regular(reader, entry, path, &meta);
	case AE_IFDIR:
		return directory(reader, entry, path, &meta);
	case AE_IFLNK: {
		const char *target = archive_entry_symlink(entry);
		if (!target) target = archive_entry_symlink_utf8(entry);
		return unpack_tree_symlink(reader->tree, path, target ? target : "", &meta);
	}
	case AE_IFCHR:
	case AE_IFBLK:
	case AE_IFIFO:
		return unpack_tree_node(reader->tree, path, type, type == AE_IFIFO ? 0 : archive_entry_rdev(entry), &meta);
	default:
		return unpack_fail(reader->error, UNPACK_CORRUPT, 0, path, "an entry of unknown type %o", (unsigned)type);
	}
}

/* The digest is that of the whole stream: also of what follows the end marker. */
static int drain(struct reader *reader) {
	const void *block;
	ssize_t size;
	do {
		size = unpack_input_block(reader->input, &block);
	} while (size > 0);
	return size < 0 ? unpack_fail(reader->error, UNPACK_IO, 0, NULL, "the layer's stream failed") : 0;
}

static int entries(struct reader *reader, const struct unpack_limits *limits) {
	for (;;) {
		struct archive_entry *entry;
		int result = archive_read_next_header(reader->archive, &entry);
		if (result == ARCHIVE_EOF) return drain(reader);
		/* A warning is about a name or attribute that could not be converted; `one` sees if the name is missing. */
		if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return damaged(reader, NULL);
		if (++reader->counts->entries > limits->entries)
			return unpack_fail(reader->error, UNPACK_LIMIT, 0, NULL, "more than the limit of %llu entries",
					   (unsigned long long)limits->entries);
		if (one(reader, entry) < 0) return -1;
	}
}

int unpack_entries(struct unpack_input *input, struct unpack_tree *tree, const struct unpack_limits *limits,
		   struct unpack_counts *counts, struct unpack_error *error) {
	struct reader reader = {.input = input, .tree = tree, .counts = counts, .error = error, .archive = archive_read_new()};
	if (!reader.archive) return unpack_fail(error, UNPACK_IO, ENOMEM, NULL, "allocate");
	archive_read_support_format_tar(reader.archive);
	archive_read_support_format_empty(reader.archive);
	int result;
	if (archive_read_open(reader.archive, &reader, NULL, read_block, NULL) != ARCHIVE_OK)
		result = damaged(&reader, NULL);
	else
		result = entries(&reader, limits);
	if (result == 0) result = unpack_tree_finish(tree);
	/* As in unpack_input.c: whose damage it is, only the digest of everything tells. */
	if (error->kind == UNPACK_CORRUPT || error->kind == UNPACK_TRUNCATED) {
		const void *block;
		while (unpack_input_block(input, &block) > 0) {}
	}
	archive_read_free(reader.archive);
	return result;
}
