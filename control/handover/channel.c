#include "control/handover/channel.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int
channel_pair(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ? -errno : 0;
}

static int
send_bytes(int fd, char *bytes, size_t len, const int *fds, unsigned n_fds)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
	} control = { 0 };
	struct iovec piece = { bytes, len };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
	struct cmsghdr *head;

	if (n_fds) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(head), fds, sizeof(int) * n_fds);
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int
channel_send(int fd, const char *say, json_t *words, const int *fds, unsigned n_fds)
{
	json_t *all = words ? words : json_object();
	char *text;
	int result = -ENOMEM;

	if (n_fds > CHANNEL_FDS_MAX) {
		json_decref(all);
		return -E2BIG;
	}
	json_object_set_new(all, "say", json_string(say));
	text = json_dumps(all, JSON_COMPACT);
	if (text && strlen(text) > CHANNEL_MESSAGE_MAX)
		result = -EMSGSIZE;
	else if (text)
		result = send_bytes(fd, text, strlen(text), fds, n_fds);
	free(text);
	json_decref(all);
	return result;
}

static void
take_fds(struct channel_message *message, struct msghdr *from)
{
	struct cmsghdr *head;

	for (head = CMSG_FIRSTHDR(from); head; head = CMSG_NXTHDR(from, head)) {
		size_t n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
		    n > CHANNEL_FDS_MAX)
			continue;
		memcpy(message->fds, CMSG_DATA(head), n * sizeof(int));
		message->n_fds = (unsigned)n;
	}
}

static int
receive_bytes(int fd, char *bytes, size_t size, struct channel_message *message)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
	} control;
	struct iovec piece = { bytes, size };
	struct msghdr from = { .msg_iov = &piece,
			       .msg_iovlen = 1,
			       .msg_control = control.bytes,
			       .msg_controllen = sizeof control };
	ssize_t len = recvmsg(fd, &from, MSG_CMSG_CLOEXEC);

	/* It closed before it read what we said, which is told first; what it said last comes after. */
	if (len < 0 && errno == ECONNRESET)
		len = recvmsg(fd, &from, MSG_CMSG_CLOEXEC);
	if (len < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	take_fds(message, &from);
	if (from.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	/* There was no room for all descriptors: a process may have only so many open. */
	if (from.msg_flags & MSG_CTRUNC)
		return -EMFILE;
	return len ? (int)len : -EPIPE;
}

static int
parse(struct channel_message *message, const char *bytes, size_t len)
{
	const char *say;

	message->words = json_loadb(bytes, len, 0, NULL);
	say = json_string_value(json_object_get(message->words, "say"));
	if (!say)
		return -EBADMSG;
	snprintf(message->say, sizeof message->say, "%s", say);
	return 1;
}

int
channel_receive(int fd, int timeout_ms, struct channel_message *message)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char *bytes;
	int result;

	*message = (struct channel_message){ 0 };
	result = poll(&wait, 1, timeout_ms);
	if (result <= 0)
		return result < 0 && errno != EINTR ? -errno : 0;
	bytes = malloc(CHANNEL_MESSAGE_MAX);
	if (!bytes)
		return -ENOMEM;
	result = receive_bytes(fd, bytes, CHANNEL_MESSAGE_MAX, message);
	if (result > 0)
		result = parse(message, bytes, (size_t)result);
	free(bytes);
	if (result < 0)
		channel_message_fini(message);
	return result;
}

void
channel_message_fini(struct channel_message *message)
{
	for (unsigned i = 0; i < message->n_fds; i++)
		if (message->fds[i] >= 0)
			close(message->fds[i]);
	json_decref(message->words);
	*message = (struct channel_message){ 0 };
}

const char *
channel_text(const struct channel_message *message, const char *word)
{
	const char *text = json_string_value(json_object_get(message->words, word));

	return text ? text : "";
}
