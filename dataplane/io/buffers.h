/*
 * buffers.h - the packet buffers of all ports, in one pool.
 *
 * Drivers on hardware want each buffer in one piece of the bus's addresses, so DPDK lets none reach over the end of a page:
 * with pages of 4 KB a buffer of 2.5 KB has a page to itself. Drivers of DPDK that copy do not care, and one of them must
 * not be given such a pool: AF_XDP's (DPDK 22.11) tells the kernel of as many bytes as the buffers have, so that those
 * behind the gaps lie beyond what the kernel knows. It drops what is sent from them without a word, and keeps them when they
 * are to be received into.
 *
 * So where all ports are of such drivers, buffers lie side by side. That also takes two fifths less memory, and heads do not
 * all meet in the same set of a processor's caches.
 *
 * Owner: the control thread. Allocates; buffers are then any thread's, as DPDK has it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

struct buffers_config {
	const char *name;
	unsigned n, cache; /* `cache`: that a thread keeps for itself */
	uint16_t private_bytes, room;
	bool side_by_side; /* all of buffers_driver_copies() */
};

/* Whether the driver of this device string never shows a buffer to hardware. */
bool buffers_driver_copies(const char *device);
/* Whether its driver maps as many bytes as all buffers have, from the first one on. */
bool buffers_driver_maps(const char *device);

/* NULL, and rte_errno. For rte_mempool_free(). */
struct rte_mempool *buffers_new(const struct buffers_config *config);
/*
 * Takes those out of the pool, for ever, that such a driver would not map, before anybody has one: none where they lie side
 * by side in one piece; with huge pages those few that the last page ends with. Returns how many; -ENOMEM.
 */
int buffers_withhold(struct rte_mempool *pool);
