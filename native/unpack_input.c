/* Standard input to uncompressed blocks, on a thread of its own: read, digest, copy, decompress, digest again. */
#include "unpack.h"

#include <errno.h>
#include <iconv.h>
#include <isa-l/igzip_lib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#define READ_SIZE (256u << 10)
#define BLOCK_SIZE (512u << 10)
#define BLOCKS 8u

enum coding { CODING_PLAIN, CODING_GZIP, CODING_ZSTD };

/* A ring of blocks: `filled` counts those handed over, `taken` those given back. */
struct unpack_input {
	int fd;
	int keep_fd;
	uint64_t max_bytes;

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned filled, taken;
	bool holding; /* the consumer looks at block `taken` */
	bool ended;   /* no more blocks will come */
	bool stop;    /* the consumer wants no more */

	unsigned char *blocks[BLOCKS];
	size_t sizes[BLOCKS];
	size_t used; /* bytes in the block being filled */
	unsigned char *chunk;

	struct inflate_state *gzip;
	ZSTD_DStream *zstd;
	EVP_MD_CTX *read_hash, *tar_hash;
	struct unpack_totals totals;
	struct unpack_error error;
};

static EVP_MD *sha256;

int unpack_input_prepare(struct unpack_error *error) {
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha256) return unpack_fail(error, UNPACK_IO, 0, NULL, "libcrypto has no SHA-256");
	/* glibc reads its table of converters at the first use, and would read the layer's own one after the chroot
	 * (the class of CVE-2019-14271). */
	iconv_t converter = iconv_open("UTF-8", "UTF-16");
	if ((intptr_t)converter != -1) iconv_close(converter);
	return 0;
}

/* Hand over the block being filled, and wait for a free one. -1 if the consumer has gone. */
static int next_block(struct unpack_input *input) {
	unsigned char *block = input->blocks[input->filled % BLOCKS];
	if (input->used == 0) return 0;
	if (input->totals.uncompressed + input->used > input->max_bytes)
		return unpack_fail(&input->error, UNPACK_LIMIT, 0, NULL, "larger than the limit of %llu bytes unpacked",
				   (unsigned long long)input->max_bytes);
	input->totals.uncompressed += input->used;
	pthread_mutex_lock(&input->lock);
	input->sizes[input->filled % BLOCKS] = input->used;
	input->filled++;
	pthread_cond_signal(&input->changed);
	pthread_mutex_unlock(&input->lock);
	/* The consumer only reads: digesting the block while it does needs no lock, and the block cannot be filled anew
	 * before this thread comes back to it. */
	EVP_DigestUpdate(input->tar_hash, block, input->used);
	input->used = 0;
	pthread_mutex_lock(&input->lock);
	while (input->filled - input->taken == BLOCKS && !input->stop) pthread_cond_wait(&input->changed, &input->lock);
	bool stop = input->stop;
	pthread_mutex_unlock(&input->lock);
	return stop ? -1 : 0;
}

/* The free part of the block being filled. */
static unsigned char *space(struct unpack_input *input, size_t *size) {
	*size = BLOCK_SIZE - input->used;
	return input->blocks[input->filled % BLOCKS] + input->used;
}

static int filled(struct unpack_input *input, size_t size) {
	input->used += size;
	return input->used == BLOCK_SIZE ? next_block(input) : 0;
}

static int keep(struct unpack_input *input, const unsigned char *data, size_t size) {
	while (size > 0) {
		ssize_t written = write(input->keep_fd, data, size);
		if (written < 0 && errno == EINTR) continue;
		if (written < 0) return unpack_fail(&input->error, UNPACK_IO, errno, NULL, "keep the compressed layer");
		data += written;
		size -= (size_t)written;
	}
	return 0;
}

/* Read until `chunk` is full or the stream ends. */
static ssize_t read_chunk(struct unpack_input *input) {
	size_t size = 0;
	while (size < READ_SIZE) {
		ssize_t got = read(input->fd, input->chunk + size, READ_SIZE - size);
		if (got < 0 && errno == EINTR) continue;
		if (got < 0) return unpack_fail(&input->error, UNPACK_IO, errno, NULL, "read the layer");
		if (got == 0) break;
		size += (size_t)got;
		/* A slow network gives small pieces: pass them on rather than wait. */
		if (size >= 64u << 10) break;
	}
	if (size == 0) return 0;
	input->totals.compressed += size;
	EVP_DigestUpdate(input->read_hash, input->chunk, size);
	if (input->keep_fd >= 0 && keep(input, input->chunk, size) < 0) return -1;
	return (ssize_t)size;
}

static enum coding coding_of(const unsigned char *data, size_t size) {
	if (size >= 2 && data[0] == 0x1f && data[1] == 0x8b) return CODING_GZIP;
	if (size >= 4 && memcmp(data, "\x28\xb5\x2f\xfd", 4) == 0) return CODING_ZSTD;
	/* A skippable frame may come first (RFC 8878, 3.1.2). */
	if (size >= 4 && (data[0] & 0xf0) == 0x50 && memcmp(data + 1, "\x2a\x4d\x18", 3) == 0) return CODING_ZSTD;
	return CODING_PLAIN;
}

static int plain(struct unpack_input *input, const unsigned char *data, size_t size) {
	while (size > 0) {
		size_t room;
		unsigned char *to = space(input, &room);
		if (room > size) room = size;
		memcpy(to, data, room);
		data += room;
		size -= room;
		if (filled(input, room) < 0) return -1;
	}
	return 0;
}

static int gunzip(struct unpack_input *input, unsigned char *data, size_t size) {
	struct inflate_state *state = input->gzip;
	state->next_in = data;
	state->avail_in = (uint32_t)size;
	for (;;) {
		if (state->block_state == ISAL_BLOCK_FINISH) {
			/* Another member may follow (RFC 1952, 2.2): seekable formats and pigz make many. Zero padding may, too. */
			while (state->avail_in > 0 && *state->next_in == 0) state->next_in++, state->avail_in--;
			if (state->avail_in == 0) return 0;
			if (*state->next_in != 0x1f)
				return unpack_fail(&input->error, UNPACK_CORRUPT, 0, NULL, "garbage after the gzip stream");
			unsigned char *rest = state->next_in;
			uint32_t left = state->avail_in;
			isal_inflate_reset(state);
			state->crc_flag = ISAL_GZIP;
			state->next_in = rest;
			state->avail_in = left;
		}
		size_t room;
		state->next_out = space(input, &room);
		state->avail_out = (uint32_t)room;
		int result = isal_inflate(state);
		if (result < 0)
			return unpack_fail(&input->error, UNPACK_CORRUPT, 0, NULL, "damaged gzip stream (igzip error %d)", result);
		size_t made = room - state->avail_out;
		if (filled(input, made) < 0) return -1;
		bool flushed = state->avail_out > 0;
		if (state->avail_in == 0 && flushed && state->block_state != ISAL_BLOCK_FINISH) return 0;
		if (state->avail_in == 0 && state->block_state == ISAL_BLOCK_FINISH) return 0;
	}
}

/* The result of the last call: 0 when a frame has just ended. */
static int unzstd(struct unpack_input *input, const unsigned char *data, size_t size, size_t *pending) {
	ZSTD_inBuffer in = {data, size, 0};
	for (;;) {
		size_t room;
		ZSTD_outBuffer out = {0};
		out.dst = space(input, &room);
		out.size = room;
		*pending = ZSTD_decompressStream(input->zstd, &out, &in);
		if (ZSTD_isError(*pending))
			return unpack_fail(&input->error, UNPACK_CORRUPT, 0, NULL, "damaged zstd stream: %s", ZSTD_getErrorName(*pending));
		bool flushed = out.pos < out.size;
		if (filled(input, out.pos) < 0) return -1;
		if (in.pos == in.size && flushed) return 0;
	}
}

static int decode_all(struct unpack_input *input) {
	enum coding coding = CODING_PLAIN;
	size_t pending = 0;
	bool first = true;
	for (;;) {
		ssize_t size = read_chunk(input);
		if (size < 0) return -1;
		if (size == 0) break;
		if (first) coding = coding_of(input->chunk, (size_t)size);
		first = false;
		int result = coding == CODING_GZIP   ? gunzip(input, input->chunk, (size_t)size)
			     : coding == CODING_ZSTD ? unzstd(input, input->chunk, (size_t)size, &pending)
						     : plain(input, input->chunk, (size_t)size);
		if (result < 0) return -1;
	}
	if (first) return unpack_fail(&input->error, UNPACK_TRUNCATED, 0, NULL, "empty stream");
	if ((coding == CODING_GZIP && input->gzip->block_state != ISAL_BLOCK_FINISH) || (coding == CODING_ZSTD && pending != 0))
		return unpack_fail(&input->error, UNPACK_TRUNCATED, 0, NULL, "the compressed stream ends too early");
	return next_block(input);
}

static void *run(void *argument) {
	struct unpack_input *input = argument;
	if (decode_all(input) < 0) {
		unpack_fail(&input->error, UNPACK_IO, ECANCELED, NULL, "stopped");
		/* Damage may be the network's: the digest of the rest tells whether the layer itself is like that. */
		if (input->error.kind == UNPACK_CORRUPT || input->error.kind == UNPACK_TRUNCATED)
			while (read_chunk(input) > 0) {}
	}
	EVP_DigestFinal_ex(input->read_hash, input->totals.digest, NULL);
	EVP_DigestFinal_ex(input->tar_hash, input->totals.diff_id, NULL);
	pthread_mutex_lock(&input->lock);
	input->ended = true;
	pthread_cond_signal(&input->changed);
	pthread_mutex_unlock(&input->lock);
	return NULL;
}

static void discard(struct unpack_input *input) {
	for (unsigned i = 0; i < BLOCKS; i++) free(input->blocks[i]);
	free(input->chunk);
	free(input->gzip);
	ZSTD_freeDStream(input->zstd);
	EVP_MD_CTX_free(input->read_hash);
	EVP_MD_CTX_free(input->tar_hash);
	free(input);
}

struct unpack_input *unpack_input_start(int fd, int keep_fd, uint64_t max_bytes, struct unpack_error *error) {
	struct unpack_input *input = calloc(1, sizeof *input);
	if (!input) goto memory;
	input->fd = fd;
	input->keep_fd = keep_fd;
	input->max_bytes = max_bytes;
	bool complete = true;
	for (unsigned i = 0; i < BLOCKS; i++) complete &= (input->blocks[i] = malloc(BLOCK_SIZE)) != NULL;
	complete &= (input->chunk = malloc(READ_SIZE)) != NULL;
	complete &= (input->gzip = calloc(1, sizeof *input->gzip)) != NULL;
	complete &= (input->zstd = ZSTD_createDStream()) != NULL;
	complete &= (input->read_hash = EVP_MD_CTX_new()) != NULL;
	complete &= (input->tar_hash = EVP_MD_CTX_new()) != NULL;
	complete = complete && EVP_DigestInit_ex(input->read_hash, sha256, NULL) && EVP_DigestInit_ex(input->tar_hash, sha256, NULL);
	if (!complete) goto memory;
	isal_inflate_init(input->gzip);
	input->gzip->crc_flag = ISAL_GZIP;
	pthread_mutex_init(&input->lock, NULL);
	pthread_cond_init(&input->changed, NULL);
	int failed = pthread_create(&input->thread, NULL, run, input);
	if (failed) {
		unpack_fail(error, UNPACK_IO, failed, NULL, "start the reading thread");
		discard(input);
		return NULL;
	}
	return input;
memory:
	unpack_fail(error, UNPACK_IO, ENOMEM, NULL, "allocate buffers");
	if (input) discard(input);
	return NULL;
}

ssize_t unpack_input_block(struct unpack_input *input, const void **block) {
	pthread_mutex_lock(&input->lock);
	if (input->holding) {
		input->holding = false;
		input->taken++;
		pthread_cond_signal(&input->changed);
	}
	while (input->filled == input->taken && !input->ended) pthread_cond_wait(&input->changed, &input->lock);
	ssize_t size;
	if (input->filled != input->taken) {
		unsigned index = input->taken % BLOCKS;
		*block = input->blocks[index];
		size = (ssize_t)input->sizes[index];
		input->holding = true;
	} else {
		size = input->error.kind == UNPACK_OK ? 0 : -1;
	}
	pthread_mutex_unlock(&input->lock);
	return size;
}

void unpack_input_finish(struct unpack_input *input, struct unpack_totals *totals, struct unpack_error *error) {
	pthread_mutex_lock(&input->lock);
	bool ended = input->ended;
	input->stop = true;
	pthread_cond_signal(&input->changed);
	pthread_mutex_unlock(&input->lock);
	/* It may sit in read(2) for as long as the network is slow: only the end of this process frees it then. */
	if (!ended) return;
	pthread_join(input->thread, NULL);
	*totals = input->totals;
	if (input->error.kind != UNPACK_OK && input->error.number != ECANCELED) *error = input->error;
	discard(input);
}
