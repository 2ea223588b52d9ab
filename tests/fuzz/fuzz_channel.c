/*
 * The channel of an upgrade: what another process says comes as a message with its words and descriptors, or is an error, and
 * no descriptor is left open. Input: a byte of how it is said (enum how), then the message as it lies on the socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "control/handover/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum how {
	HOW_FDS = 3,      /* which of `numbers` descriptors go with it */
	HOW_ENDED = 4,    /* the other end is closed then ... */
	HOW_UNREAD = 8,   /* ... with something unread */
	HOW_REFUSED = 16, /* it says so by channel_send() once more, behind it */
};
enum { SOON_MS = 10000, FDS_MOST = CHANNEL_FDS_MAX + 1 };

static const unsigned numbers[] = { 0, 1, CHANNEL_FDS_MAX, FDS_MOST };

/* False: the kernel takes no such message. */
static bool
say(int fd, const uint8_t *bytes, size_t len, unsigned n_fds)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int) * FDS_MOST)];
	} control = { 0 };
	struct iovec piece = { (void *)(uintptr_t)bytes, len };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

	if (n_fds) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		for (unsigned i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(&control.head) + i * sizeof(int), &(int){ STDERR_FILENO },
			       sizeof(int));
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

static void
check(struct channel_message *message, unsigned n_fds)
{
	if (message->n_fds != n_fds || !message->words)
		abort();
	for (unsigned i = 0; i < message->n_fds; i++)
		if (!(fcntl(message->fds[i], F_GETFD) & FD_CLOEXEC))
			abort();
	if (strlen(message->say) >= sizeof message->say)
		abort();
	if (!channel_text(message, "reason"))
		abort();
}

static void
receive(int fd, unsigned n_fds)
{
	struct channel_message message;
	int result = channel_receive(fd, SOON_MS, &message);

	if (result == 1)
		check(&message, n_fds);
	else if (!result || message.n_fds || message.words)
		abort();
	if (result == 1)
		channel_message_fini(&message);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t how = size ? data[0] : 0;
	unsigned n_fds = numbers[how & HOW_FDS];
	int ends[2], before = dup(STDERR_FILENO), after;

	close(before);
	if (channel_pair(ends) < 0)
		abort();
	if (how & HOW_UNREAD && channel_send(ends[0], "unread", NULL, NULL, 0) < 0)
		abort();
	if (say(ends[1], data + (size != 0), size - (size != 0), n_fds)) {
		if (how & HOW_REFUSED)
			(void)channel_send(ends[1], "refused", NULL, NULL, 0);
		if (how & HOW_ENDED)
			close(ends[1]);
		receive(ends[0], n_fds);
		if (how & (HOW_REFUSED | HOW_ENDED))
			receive(ends[0], 0);
		if (!(how & HOW_ENDED))
			close(ends[1]);
	} else {
		close(ends[1]);
	}
	close(ends[0]);
	after = dup(STDERR_FILENO);
	close(after);
	if (after != before)
		abort(); /* one was left open */
	return 0;
}
