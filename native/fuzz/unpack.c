/* Layers made by libFuzzer, unpacked into a directory below /tmp. Beside the sanitizers' findings it is a failure if
 * anything appears outside that directory. */
#include "../unpack.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char jail[] = "/tmp/pyrt-fuzz-XXXXXX";
static int jail_fd;

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at) {
	(void)status;
	(void)kind;
	return at->level == 0 ? 0 : remove(path);
}

static void clean(void) {
	char layer[64];
	snprintf(layer, sizeof layer, "%s/layer", jail);
	nftw(layer, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void leave(void) {
	clean();
	unlinkat(jail_fd, "layer", AT_REMOVEDIR);
	rmdir(jail);
}

static void check_outside(void) {
	unsigned count = 0;
	DIR *directory = opendir(jail);
	while (directory && readdir(directory)) count++;
	closedir(directory);
	if (count != 3) abort(); /* ".", "..", "layer" */
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
	(void)argc;
	(void)argv;
	struct unpack_error error = {0};
	if (!mkdtemp(jail) || unpack_input_prepare(&error) < 0) abort();
	jail_fd = open(jail, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(jail_fd, "layer", 0755) < 0) abort();
	atexit(leave);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	const struct unpack_limits limits = {.bytes = 1 << 20, .entries = 200, .depth = 20};
	struct unpack_error error = {0};
	struct unpack_counts counts = {0};
	struct unpack_totals totals = {0};
	int stream = memfd_create("layer", MFD_CLOEXEC);
	if (write(stream, data, size) != (ssize_t)size || lseek(stream, 0, SEEK_SET) < 0) abort();
	int root = openat(jail_fd, "layer", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct unpack_tree *tree = unpack_tree_open(root, limits.depth, &error);
	struct unpack_input *input = unpack_input_start(stream, -1, limits.bytes, &error);
	if (!tree || !input) abort();
	unpack_entries(input, tree, &limits, &counts, &error);
	const void *block;
	while (unpack_input_block(input, &block) > 0) {} /* The thread ends before its buffers are let go. */
	unpack_input_finish(input, &totals, &error);
	unpack_tree_close(tree);
	close(root);
	close(stream);
	check_outside();
	clean();
	return 0;
}
