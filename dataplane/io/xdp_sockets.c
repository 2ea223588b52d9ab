#include "dataplane/io/xdp_sockets.h"

#include <dirent.h>
#include <errno.h>
#include <linux/if_xdp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	CHUNK = 4096, /* a page */
	RING = 2,     /* entries */
	WAIT_US = 1000,
	WAIT_TRIES = 1000,
	GRACE_US = 50000,
};

/* 0: it is none of AF_XDP. */
static ino_t
socket_of(int fd)
{
	struct stat status;
	int domain;
	socklen_t len = sizeof domain;

	if (fstat(fd, &status) < 0 || !S_ISSOCK(status.st_mode) ||
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain != AF_XDP)
		return 0;
	return status.st_ino;
}

static bool
has(const struct xdp_sockets *sockets, ino_t socket)
{
	for (unsigned i = 0; sockets && i < sockets->n; i++)
		if (sockets->items[i].socket == socket)
			return true;
	return false;
}

void
xdp_sockets_find(struct xdp_sockets *found, const struct xdp_sockets *others)
{
	DIR *folder = opendir("/proc/self/fd");
	const struct dirent *entry;

	found->n = 0;
	while (folder && !(others && others->n == XDP_SOCKETS_MAX) && found->n < XDP_SOCKETS_MAX &&
	       (entry = readdir(folder))) {
		int fd = (int)strtol(entry->d_name, NULL, 10);
		ino_t socket = entry->d_name[0] == '.' ? 0 : socket_of(fd);

		if (!socket || has(others, socket))
			continue;
		found->items[found->n].fd = fd;
		found->items[found->n++].socket = socket;
	}
	if (folder)
		closedir(folder);
}

void
xdp_sockets_close(struct xdp_sockets *sockets)
{
	for (unsigned i = 0; i < sockets->n; i++)
		if (socket_of(sockets->items[i].fd) == sockets->items[i].socket)
			close(sockets->items[i].fd);
	sockets->n = 0;
}

/* ---- whether a queue is free ---- */

/* Binds a socket with one page of packet memory and the smallest rings. 0, or -errno. */
static int
bind_to(int fd, void *page, const struct sockaddr_xdp *address)
{
	const struct xdp_umem_reg memory = { .addr = (uint64_t)(uintptr_t)page,
					     .len = CHUNK,
					     .chunk_size = CHUNK };
	const int entries = RING;

	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &memory, sizeof memory) < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &entries, sizeof entries) < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &entries, sizeof entries) < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_RX_RING, &entries, sizeof entries) < 0 ||
	    bind(fd, (const struct sockaddr *)address, sizeof *address) < 0)
		return -errno;
	return 0;
}

/*
 * 0, or -errno: -EBUSY while somebody has it. Asked for without copies, which most drivers have not: the kernel looks whether
 * the queue is free first, and nothing is taken where it then refuses.
 */
static int
try_queue(unsigned interface, uint32_t queue)
{
	const struct sockaddr_xdp address = { .sxdp_family = AF_XDP,
					      .sxdp_flags = XDP_ZEROCOPY,
					      .sxdp_ifindex = interface,
					      .sxdp_queue_id = queue };
	void *page = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	int result = fd >= 0 && page != MAP_FAILED ? bind_to(fd, page, &address) : -ENOMEM;

	if (fd >= 0)
		close(fd);
	if (page != MAP_FAILED)
		munmap(page, CHUNK);
	return result;
}

void
xdp_sockets_wait(unsigned interface, uint32_t queue)
{
	int result = try_queue(interface, queue);

	for (unsigned i = 0; i < WAIT_TRIES && result == -EBUSY; i++) {
		usleep(WAIT_US); /* lint: allow usleep - the control thread, while all rest */
		result = try_queue(interface, queue);
	}
	if (result == 0)
		usleep(GRACE_US); /* lint: allow usleep - as above; it was ours for a moment */
}
