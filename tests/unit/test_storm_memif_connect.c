/* A peer that accepts nobody stops nobody: memif's driver connects on a core's thread. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/storm/memif_connect.h"

enum { BACKLOG = 1, QUEUE = BACKLOG + 1 };

/* As memif's does; its address goes to *at. */
static int
listener(struct sockaddr_un *at, socklen_t *len)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	struct sockaddr_un any = { .sun_family = AF_UNIX };

	/* A name that the kernel finds, in no folder (unix(7), autobind). */
	cr_assert_eq(bind(fd, (struct sockaddr *)&any, offsetof(struct sockaddr_un, sun_path)), 0);
	cr_assert_eq(listen(fd, BACKLOG), 0);
	*len = sizeof *at;
	cr_assert_eq(getsockname(fd, (struct sockaddr *)at, len), 0);
	return fd;
}

static int
try_connect(int fd, const struct sockaddr_un *at, socklen_t len)
{
	return connect(fd, (const struct sockaddr *)at, len);
}

Test(storm_memif_connect, a_full_queue_is_told_and_not_waited_for, .timeout = 60)
{
	struct sockaddr_un at;
	socklen_t len;
	int peer = listener(&at, &len), fds[QUEUE], fd;
	struct timeval limit = { 1, 1 };
	socklen_t size = sizeof limit;

	/* Closed again, as by a driver that tries anew, they still fill the queue. */
	for (unsigned i = 0; i < QUEUE; i++) {
		fds[i] = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		cr_assert_eq(try_connect(fds[i], &at, len), 0);
		close(fds[i]);
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	memif_connect_hurry();
	errno = 0;
	cr_expect_eq(try_connect(fd, &at, len), -1);
	cr_expect_eq(errno, EAGAIN, "%s", strerror(errno));
	cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, &size), 0);
	cr_expect(limit.tv_sec == 0 && limit.tv_usec == 0, "it sends as before");
	/* The peer goes on: so does who tries again. */
	for (unsigned i = 0; i < QUEUE; i++)
		close(accept(peer, NULL, NULL));
	cr_expect_eq(try_connect(fd, &at, len), 0);
	close(fd);
	close(peer);
}

Test(storm_memif_connect, a_peer_that_is_not_there_is_told)
{
	struct sockaddr_un at;
	socklen_t len;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	close(listener(&at, &len));
	errno = 0;
	cr_expect_eq(try_connect(fd, &at, len), -1);
	cr_expect_eq(errno, ECONNREFUSED);
	close(fd);
}
