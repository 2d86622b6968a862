/* The decoder of requests under noise: it reads nothing outside the packet, and what it accepts is sound. */
#include "../pod_protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long long state = 7;

static unsigned pick(unsigned below)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(state >> 33) % below;
}

static void check(int good, const char *what)
{
	if (!good) {
		fprintf(stderr, "%s\n", what);
		exit(1);
	}
}

static void check_string(const struct proto_string *s, const unsigned char *packet, size_t len)
{
	if (!s->text)
		return;
	const unsigned char *text = (const unsigned char *)s->text;
	check(text >= packet && s->len <= len && (size_t)(text - packet) <= len - s->len, "a string outside the packet");
}

int main(void)
{
	for (int round = 0; round < 2000000; round++) {
		/* Of its very own size on the heap: the address sanitizer sees a byte too many. */
		size_t len = pick(120);
		unsigned char *packet = malloc(len ? len : 1);
		struct proto_request r;
		struct proto_header head = {PROTO_VERSION, (uint16_t)(1 + pick(16)), 1};
		for (size_t i = 0; i < len; i++)
			packet[i] = pick(3) ? (unsigned char)(pick(4) * (unsigned)('a' / 3)) : (unsigned char)pick(256);
		if (len >= sizeof head && pick(20))
			memcpy(packet, &head, sizeof head);
		if (proto_decode(&r, packet, len) == PROTO_OK) {
			check_string(&r.id, packet, len);
			check_string(&r.target, packet, len);
			check_string(&r.log, packet, len);
			check(r.id.len <= PROTO_MAX_ID && r.plan_at <= len, "a length that is too large");
			check(!memchr(r.id.text ? r.id.text : "", '/', r.id.len), "a slash in an id");
		}
		free(packet);
	}
	return 0;
}
