/* Operations on links, addresses and routes: messages that pyrt.network made, sent as they are (netlink(7)). */
#include "play.h"

#include "syscalls.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

int do_NETLINK_OPEN(struct player *pl, const struct arg *a)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -1;
	player_fill(pl, &a[0], fd);
	return 0;
}

/* How many messages the bytes hold, or -1 with EBADMSG. */
static int count_messages(const unsigned char *data, size_t left)
{
	int n = 0;

	while (left > 0) {
		struct nlmsghdr header;
		if (left < sizeof header)
			break;
		memcpy(&header, data, sizeof header);
		size_t size = NLMSG_ALIGN((size_t)header.nlmsg_len);
		if (header.nlmsg_len < sizeof header || header.nlmsg_len > left || !(header.nlmsg_flags & NLM_F_ACK))
			break;
		if (size > left)
			size = left;
		data += size;
		left -= size;
		n++;
	}
	if (left > 0) {
		errno = EBADMSG;
		return -1;
	}
	return n;
}

int do_NETLINK(struct player *pl, const struct arg *a)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int socket_fd = player_fd(pl, &a[0]), waiting = count_messages(a[1].data, a[1].len), err = 0;

	if (waiting < 0 ||
	    sendto(socket_fd, a[1].data, a[1].len, 0, (const struct sockaddr *)&kernel, sizeof kernel) < 0)
		return -1;
	while (waiting > 0) {
		ssize_t n = recv(socket_fd, pl->scratch, PLAY_SCRATCH, 0);
		size_t left = n < 0 ? 0 : (size_t)n;
		const char *at = pl->scratch;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		while (left >= sizeof(struct nlmsghdr)) {
			struct nlmsghdr header;
			int32_t answer = 0;
			memcpy(&header, at, sizeof header);
			if (header.nlmsg_len < sizeof header || header.nlmsg_len > left)
				break;
			if (header.nlmsg_type == NLMSG_ERROR && header.nlmsg_len >= sizeof header + sizeof answer) {
				memcpy(&answer, at + sizeof header, sizeof answer);
				if (answer != 0 && err == 0)
					err = -answer;
				waiting--;
			}
			size_t step = NLMSG_ALIGN((size_t)header.nlmsg_len);
			step = step < left ? step : left;
			at += step;
			left -= step;
		}
	}
	errno = err;
	return err == 0 ? 0 : -1;
}
