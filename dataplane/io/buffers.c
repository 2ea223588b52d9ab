#include "dataplane/io/buffers.h"

#include <errno.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>

static bool
is_one_of(const char *device, const char *const drivers[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(device, drivers[i], strlen(drivers[i])) == 0)
			return true;
	return false;
}

bool
buffers_driver_copies(const char *device)
{
	static const char *const drivers[] = { "net_af_packet", "net_af_xdp", "net_memif", "net_tap" };

	return is_one_of(device, drivers, RTE_DIM(drivers));
}

bool
buffers_driver_maps(const char *device)
{
	static const char *const drivers[] = { "net_af_xdp" };

	return is_one_of(device, drivers, RTE_DIM(drivers));
}

/* rte_pktmbuf_pool_create(), but for the flag, without which no buffer reaches over the end of a page. */
struct rte_mempool *
buffers_new(const struct buffers_config *config)
{
	const struct rte_pktmbuf_pool_private data = { .mbuf_data_room_size = config->room,
						       .mbuf_priv_size = config->private_bytes };
	unsigned flags = config->side_by_side ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0;
	unsigned bytes = (unsigned)sizeof(struct rte_mbuf) + config->private_bytes + config->room;
	struct rte_mempool *pool = rte_mempool_create_empty(config->name, config->n, bytes, config->cache,
							    sizeof data, (int)rte_socket_id(), flags);
	int rc;

	if (!pool)
		return NULL;
	rc = rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL);
	if (rc == 0) {
		rte_pktmbuf_pool_init(pool, (void *)(uintptr_t)&data);
		rc = rte_mempool_populate_default(pool);
	}
	if (rc < 0) {
		rte_mempool_free(pool);
		rte_errno = -rc;
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

static bool
is_mapped(const struct rte_mempool *pool, const struct rte_mbuf *buffer)
{
	uintptr_t first = (uintptr_t)STAILQ_FIRST(&pool->mem_list)->addr;
	size_t each = pool->header_size + pool->elt_size + pool->trailer_size;
	uintptr_t end = (uintptr_t)buffer + pool->elt_size + pool->trailer_size;

	return (uintptr_t)buffer >= first && end <= first + pool->populated_size * each;
}

int
buffers_withhold(struct rte_mempool *pool)
{
	struct rte_mbuf **all = rte_malloc("buffers", pool->size * sizeof(struct rte_mbuf *), 0);
	int withheld = 0;
	unsigned n = 0;

	if (!all)
		return -ENOMEM;
	while (n < pool->size && (all[n] = rte_pktmbuf_alloc(pool)))
		n++;
	for (unsigned i = 0; i < n; i++) {
		if (is_mapped(pool, all[i]))
			rte_pktmbuf_free(all[i]);
		else
			withheld++;
	}
	rte_free(all);
	return withheld;
}
