/* The sockets that AF_XDP's driver leaves: found beside others, and closed if they are still what they were. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/io/xdp_sockets.h"

/* Skips the test where the kernel, or whoever runs it, has none. */
static int
xdp_socket(void)
{
	int fd = socket(AF_XDP, SOCK_RAW, 0);

	if (fd < 0)
		cr_skip("no AF_XDP socket");
	return fd;
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0 || errno != EBADF;
}

Test(xdp_sockets, finds_what_was_opened_since)
{
	int before = xdp_socket(), since, other = socket(AF_UNIX, SOCK_STREAM, 0);
	struct xdp_sockets others, found;

	xdp_sockets_find(&others, NULL);
	cr_assert_eq(others.n, 1);
	since = xdp_socket();
	xdp_sockets_find(&found, &others);
	cr_assert_eq(found.n, 1);
	cr_expect_eq(found.items[0].fd, since);
	xdp_sockets_close(&found);
	cr_expect_eq(found.n, 0);
	cr_expect_not(is_open(since));
	cr_expect(is_open(before) && is_open(other));
	close(before);
	close(other);
}

Test(xdp_sockets, closes_no_descriptor_that_is_another_one_by_now)
{
	int fd = xdp_socket();
	struct xdp_sockets found;

	xdp_sockets_find(&found, NULL);
	cr_assert_eq(found.n, 1);
	close(fd); /* as a driver that leaves none */
	cr_assert_eq(socket(AF_XDP, SOCK_RAW, 0), fd);
	xdp_sockets_close(&found);
	cr_expect(is_open(fd));
	close(fd);
	xdp_sockets_find(&found, NULL);
	cr_expect_eq(found.n, 0);
}

/* Nobody knows which of them are the port's. */
Test(xdp_sockets, finds_none_beside_more_than_can_be_told)
{
	struct xdp_sockets others = { .n = XDP_SOCKETS_MAX }, found;
	int fd = xdp_socket();

	xdp_sockets_find(&found, &others);
	cr_expect_eq(found.n, 0);
	close(fd);
}

/* An interface that is not there is nobody's: no wait. */
Test(xdp_sockets, waits_for_nothing_where_there_is_no_such_queue)
{
	xdp_sockets_wait(0, 0);
	xdp_sockets_wait(1, 100000);
}
