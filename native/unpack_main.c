/* pyrt-unpack: see unpack.h. Prints one line of JSON on standard output, whatever happens. */
#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
	const char *directory;
	int keep_fd;
	struct unpack_limits limits;
};

static const char usage[] = "usage: pyrt-unpack [--max-bytes N] [--max-entries N] [--max-depth N] [--keep-fd N] DIRECTORY < LAYER\n"
			    "Unpacks an image layer (tar; gzip, zstd or plain) into an empty directory, for overlayfs.\n";

static bool number(const char *text, uint64_t most, uint64_t *value) {
	char *end;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && *text >= '0' && *text <= '9' && !*end && *value <= most;
}

static bool parse(int argc, char **argv, struct options *options) {
	static const struct option known[] = {
		{"max-bytes", required_argument, NULL, 'b'}, {"max-entries", required_argument, NULL, 'e'},
		{"max-depth", required_argument, NULL, 'd'}, {"keep-fd", required_argument, NULL, 'k'},
		{"help", no_argument, NULL, 'h'},	     {0},
	};
	*options = (struct options){.keep_fd = -1, .limits = {.bytes = 32ull << 30, .entries = 4000000, .depth = 256}};
	int option;
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) { /* NOLINT(concurrency-mt-unsafe) */
		uint64_t value;
		if (option == 'h' || option == '?' || !number(optarg, option == 'd' ? 2048 : option == 'k' ? 1 << 20 : INT64_MAX, &value)) return false;
		if (option == 'b') options->limits.bytes = value;
		if (option == 'e') options->limits.entries = value;
		if (option == 'd') options->limits.depth = (unsigned)value;
		if (option == 'k') options->keep_fd = (int)value;
	}
	if (optind != argc - 1) return false;
	options->directory = argv[optind];
	return true;
}

/* A name is bytes, JSON is characters: each byte becomes the character of its number, as in Latin-1. */
static void print_string(const char *text) {
	putchar('"');
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;
		if (byte == '"' || byte == '\\') printf("\\%c", byte);
		else if (byte < 0x20 || byte >= 0x7f) printf("\\u%04x", byte);
		else putchar(byte);
	}
	putchar('"');
}

static void print_digest(const char *key, const unsigned char *digest) {
	printf("\"%s\":\"sha256:", key);
	for (size_t i = 0; i < UNPACK_DIGEST_SIZE; i++) printf("%02x", digest[i]);
	(void)fputs("\",", stdout);
}

static bool implied_before;

static void print_implied(const char *path) {
	if (implied_before) putchar(',');
	implied_before = true;
	print_string(path);
}

static void print_error(const struct unpack_error *error, const struct unpack_totals *totals) {
	static const char *const kinds[] = {"ok", "corrupt", "truncated", "hostile", "limit", "io"};
	(void)fputs("{\"ok\":false,", stdout);
	print_digest("digest", totals->digest);
	printf("\"kind\":\"%s\",\"errno\":%d,\"message\":", kinds[error->kind], error->number);
	print_string(error->message);
	(void)fputs(",\"entry\":", stdout);
	print_string(error->entry);
	puts("}");
}

static int unpack(const struct options *options, struct unpack_totals *totals, struct unpack_error *error) {
	struct unpack_counts counts = {0};
	int root = open(options->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0) return unpack_fail(error, UNPACK_IO, errno, NULL, "open the target directory");
	if (unpack_input_prepare(error) < 0 || unpack_confine(root, error) < 0) return -1;
	struct unpack_tree *tree = unpack_tree_open(root, options->limits.depth, error);
	if (!tree) return -1;
	struct unpack_input *input = unpack_input_start(STDIN_FILENO, options->keep_fd, options->limits.bytes, error);
	if (!input) return -1;
	if (unpack_confine_calls(error) < 0) return -1;
	int result = unpack_entries(input, tree, &options->limits, &counts, error);
	unpack_input_finish(input, totals, error);
	if (result < 0) return -1;
	(void)fputs("{\"ok\":true,", stdout);
	print_digest("digest", totals->digest);
	print_digest("diff_id", totals->diff_id);
	printf("\"compressed\":%llu,\"bytes\":%llu,\"entries\":%llu,\"content\":%llu,\"opaque_root\":%s,\"implied\":[",
	       (unsigned long long)totals->compressed, (unsigned long long)totals->uncompressed, (unsigned long long)counts.entries,
	       (unsigned long long)counts.content, unpack_tree_opaque_root(tree) ? "true" : "false");
	unpack_tree_implied(tree, print_implied);
	puts("]}");
	unpack_tree_close(tree);
	close(root);
	return 0;
}

int main(int argc, char **argv) {
	struct options options;
	struct unpack_error error = {0};
	struct unpack_totals totals = {0};
	if (!parse(argc, argv, &options)) {
		(void)fputs(usage, stderr);
		return 2;
	}
	/* Names in pax headers are UTF-8, and libarchive converts them to the locale's encoding. */
	if (!setlocale(LC_CTYPE, "C.UTF-8")) (void)fputs("pyrt-unpack: no C.UTF-8 locale\n", stderr);
	umask(0);
	/* The copy of the compressed layer may hit a full disk or a file size limit: an error, not a signal. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	int result = unpack(&options, &totals, &error);
	if (result < 0) print_error(&error, &totals);
	(void)fflush(stdout);
	/* Without running exit handlers: the reading thread may still wait in read(2). */
	_exit(result < 0 ? 1 : 0);
}
