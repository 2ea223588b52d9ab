#include "tools/storm/memif_connect.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { PATIENT_MS = 10000, HURRIED_MS = 1, SECOND_MS = 1000, MS_US = 1000 };

/* Relaxed: it changes once, before the cores' threads run. At file scope, as the driver knows no
 * context of ours. */
static _Atomic int wait_ms = PATIENT_MS;

void
memif_connect_hurry(void)
{
	atomic_store_explicit(&wait_ms, HURRIED_MS, memory_order_relaxed);
}

typedef int (*connect_fn)(int fd, __CONST_SOCKADDR_ARG to, socklen_t len);

/* To a local socket; its limit for sending is that for connecting, too (unix(7)). */
static int
connect_for_a_while(connect_fn libcs, int fd, __CONST_SOCKADDR_ARG to, socklen_t len)
{
	int ms = atomic_load_explicit(&wait_ms, memory_order_relaxed), rc, error;
	struct timeval limit = { ms / SECOND_MS, ms % SECOND_MS * MS_US }, former;
	socklen_t size = sizeof former;

	if (getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &former, &size) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0)
		return -1;
	rc = libcs(fd, to, len);
	error = errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &former, sizeof former);
	errno = error;
	return rc;
}

__attribute__((visibility("default"))) int
connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t len)
{
	/* An address of a function fits a pointer (POSIX). */
	connect_fn libcs = (connect_fn)(uintptr_t)dlsym(RTLD_NEXT, "connect");

	return to.__sockaddr__->sa_family == AF_UNIX ? connect_for_a_while(libcs, fd, to, len)
						     : libcs(fd, to, len);
}
