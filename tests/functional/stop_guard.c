/*
 * stop_guard.c - preloaded into cradled: when it has put everything away and exits, it writes a byte to the FIFO that
 * CRADLE_STOP_GUARD names and waits until the reader closes it (test_stop.py). The threads of libraries still run then.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *fifo;

static void
wait_for_reader(void)
{
	int fd = open(fifo, O_WRONLY | O_NONBLOCK);
	struct pollfd closed = { .fd = fd };

	if (fd < 0 || write(fd, "x", 1) != 1)
		return; /* nobody reads: the test failed meanwhile */
	while (poll(&closed, 1, -1) < 0 && errno == EINTR)
		;
	close(fd);
}

/* Registered first, so it runs last. The programs that start the appliance replace themselves by it and never exit. */
__attribute__((constructor)) static void
guard(void)
{
	fifo = getenv("CRADLE_STOP_GUARD");
	if (fifo)
		(void)atexit(wait_for_reader);
}
