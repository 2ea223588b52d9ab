/*
 * xdp_sockets.h - closes the sockets that AF_XDP's driver leaves open.
 *
 * A queue of an interface belongs to the socket whose packet memory was bound to it (the kernel's AF_XDP documentation,
 * XDP_UMEM_REG). DPDK 22.11's driver closes a port without deleting that memory, so that its sockets stay until the process
 * ends: nobody else, nor the same process, can open the queue, and with each interface that is made anew a socket and the
 * pinned memory behind it are left. So what a port has opened is noted, and what is left of it closed.
 *
 * Control thread. Allocates nothing but a directory's stream.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

enum { XDP_SOCKETS_MAX = 256 };

/* Descriptors, each with the number of the socket behind it: it may be another one's by the time it is looked at again. */
struct xdp_sockets {
	unsigned n;
	struct {
		int fd;
		ino_t socket;
	} items[XDP_SOCKETS_MAX];
};

/* The process's sockets of AF_XDP but `others` (NULL: none). What is more than fits is left out: but where `others` is full,
 * nobody knows which are not among them, and none is found. */
void xdp_sockets_find(struct xdp_sockets *found, const struct xdp_sockets *others);
/*
 * Waits until the kernel has freed this queue, whose socket was closed: it does so by a work of its own. For a second at most.
 * To find out by opening is too dear: each time that fails, the driver loses the packet buffers that it would have received
 * into.
 */
void xdp_sockets_wait(unsigned interface, uint32_t queue);
/* Closes those that are still what they were, and forgets all. */
void xdp_sockets_close(struct xdp_sockets *sockets);
