#include "tools/client/ctl_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

int
ctl_client_connect(const char *path, bool waits, int timeout_s)
{
	const struct timeval patience = { .tv_sec = timeout_s };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, error;

	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK), 0);
	if (fd < 0)
		return -errno;
	/* No time at all means for ever here. */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
		error = errno;
		close(fd);
		return -error;
	}
	return fd;
}

uint8_t *
ctl_client_encode(const struct ctl_client_request *request, size_t *len)
{
	json_t *argv = json_array();
	json_t *frame = NULL;
	uint8_t *bytes = NULL;

	for (int i = 0; argv && i < request->argc; i++)
		json_array_append_new(argv, json_string(request->argv[i]));
	/* json_string() is NULL for what is not UTF-8; appending it fails, and the count tells. */
	if (argv && json_array_size(argv) == (size_t)request->argc)
		frame = json_pack("{s:i, s:O, s:b, s:b, s:i, s:s*, s:s*, s:s*, s:s*, s:s*}", "v", CTL_VERSION,
				  "argv", argv, "json", request->json, "fd", request->with_fd,
				  "width", (int)request->width, "columns", request->columns, "sort",
				  request->sort, "page", request->page, "actor", request->actor,
				  "expect", request->expect);
	json_decref(argv);
	if (frame)
		bytes = ctl_frame_encode(frame, len);
	json_decref(frame);
	return bytes;
}

int
ctl_client_send(int socket, const uint8_t *bytes, size_t len, int fd)
{
	size_t sent = 0;
	ssize_t n;

	while (sent < len) {
		n = ctl_send(socket, bytes + sent, len - sent, sent ? -1 : fd);
		if (n < 0)
			return (int)n;
		sent += (size_t)n;
	}
	return 0;
}

json_t *
ctl_client_receive(int socket, struct ctl_reader *reader, int *error)
{
	json_t *frame;
	char bytes[65536];
	int got, fd;

	*error = 0;
	while ((got = ctl_reader_next(reader, &frame)) == 0) {
		ssize_t n = ctl_receive(socket, bytes, sizeof bytes, &fd);

		if (fd >= 0)
			close(fd);
		if (n <= 0 || ctl_reader_feed(reader, bytes, (size_t)n)) {
			*error = n < 0 ? (int)-n : n > 0 ? EBADMSG : 0;
			return NULL;
		}
	}
	if (got == 1)
		return frame;
	*error = EBADMSG;
	return NULL;
}
