#include "control/socket/ctl_proto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CTL_HEADER = 4, CTL_DESCRIPTORS = 8 };

void
ctl_reader_init(struct ctl_reader *reader)
{
	*reader = (struct ctl_reader){ .frame_max = CTL_FRAME_MAX };
}

void
ctl_reader_fini(struct ctl_reader *reader)
{
	buffer_fini(&reader->buffer); /* a frame may have carried keys */
	*reader = (struct ctl_reader){ 0 };
}

static uint32_t
get_length(const uint8_t header[CTL_HEADER])
{
	return (uint32_t)header[0] << 24 | (uint32_t)header[1] << 16 | (uint32_t)header[2] << 8 |
	       header[3];
}

/* Whether the first frame that is not taken announces more than is allowed. */
static int
is_too_large(const struct ctl_reader *reader)
{
	return buffer_left(&reader->buffer) >= CTL_HEADER &&
	       get_length(buffer_front(&reader->buffer)) > reader->frame_max;
}

int
ctl_reader_feed(struct ctl_reader *reader, const void *bytes, size_t len)
{
	if (buffer_put(&reader->buffer, bytes, len))
		return -ENOMEM;
	return is_too_large(reader) ? -EMSGSIZE : 0;
}

static json_t *
decode(const uint8_t *text, size_t len)
{
	json_t *object = json_loadb((const char *)text, len, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_object(object) ||
	    json_integer_value(json_object_get(object, "v")) != CTL_VERSION) {
		json_decref(object);
		return NULL;
	}
	return object;
}

int
ctl_reader_next(struct ctl_reader *reader, json_t **frame)
{
	size_t left = buffer_left(&reader->buffer), whole;
	uint8_t *first;

	if (left < CTL_HEADER)
		return 0;
	if (is_too_large(reader))
		return -EBADMSG;
	first = buffer_front(&reader->buffer);
	whole = CTL_HEADER + get_length(first);
	if (left < whole)
		return 0;
	*frame = decode(first + CTL_HEADER, whole - CTL_HEADER);
	if (!*frame)
		return -EBADMSG;
	buffer_take(&reader->buffer, whole);
	return 1;
}

uint8_t *
ctl_frame_encode(const json_t *object, size_t *len)
{
	char *text = json_dumps(object, JSON_COMPACT);
	size_t size = text ? strlen(text) : 0;
	uint8_t *frame = NULL;

	if (text && size <= CTL_FRAME_MAX)
		frame = malloc(CTL_HEADER + size);
	if (frame) {
		frame[0] = (uint8_t)(size >> 24);
		frame[1] = (uint8_t)(size >> 16);
		frame[2] = (uint8_t)(size >> 8);
		frame[3] = (uint8_t)size;
		memcpy(frame + CTL_HEADER, text, size);
		*len = CTL_HEADER + size;
	}
	if (text)
		explicit_bzero(text, size);
	free(text);
	return frame;
}

ssize_t
ctl_send(int socket, const void *bytes, size_t len, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof fd),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
		message.msg_control = &control;
		message.msg_controllen = sizeof control.room;
	}
	do
		n = sendmsg(socket, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* The first descriptor; the others are closed. */
static int
take_descriptors(struct msghdr *message)
{
	int first = -1;

	for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head;
	     head = CMSG_NXTHDR(message, head)) {
		size_t n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(head) + i * sizeof fd, sizeof fd);
			if (first < 0)
				first = fd;
			else
				close(fd);
		}
	}
	return first;
}

ssize_t
ctl_receive(int socket, void *bytes, size_t len, int *fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(CTL_DESCRIPTORS * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = bytes, .iov_len = len };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof control.room };
	ssize_t n;

	*fd = -1;
	do
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	*fd = take_descriptors(&message);
	return n;
}
