/* Packet buffers: who may have them side by side, and how they lie then. */
#include <sched.h>
#include <stdio.h>

#include <criterion/criterion.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include "dataplane/io/buffers.h"

enum { BUFFERS = 1023, ROOM = 2176, PRIVATE = 40 };

/* Pages of 4 KB, as where there are no huge ones: there the gaps are largest. */
static void
start_dpdk(void)
{
	char lcores[32];
	const char *arguments[] = {
		"test",        "--no-huge",         "--no-pci",
		"--no-shconf", "--no-telemetry",    "-m",
		"64",          "--log-level=error", "--lcores",
		lcores,        "--file-prefix",     "cradle-buffers",
	};

	snprintf(lcores, sizeof lcores, "0@%d", sched_getcpu());
	cr_assert_geq(rte_eal_init(RTE_DIM(arguments), (char **)(uintptr_t)arguments), 0);
}

static struct rte_mempool *
make(bool side_by_side)
{
	const struct buffers_config config = { "buffers", BUFFERS, 0, PRIVATE, ROOM, side_by_side };
	struct rte_mempool *pool = buffers_new(&config);

	cr_assert_not_null(pool);
	return pool;
}

struct span {
	uintptr_t low, high;
};

static void
span(struct rte_mempool *pool, void *ctx, void *object, unsigned index)
{
	struct span *span = ctx;

	if (!span->low || (uintptr_t)object < span->low)
		span->low = (uintptr_t)object;
	if ((uintptr_t)object > span->high)
		span->high = (uintptr_t)object;
}

Test(buffers, only_drivers_that_show_none_to_hardware_have_them_side_by_side)
{
	cr_expect(buffers_driver_copies("net_af_xdp0,iface=eth1"));
	cr_expect(buffers_driver_copies("net_af_packet0,iface=eth1"));
	cr_expect(buffers_driver_copies("net_memif0,role=server"));
	cr_expect_not(buffers_driver_copies("0000:03:00.0"));
	cr_expect_not(buffers_driver_copies("net_bonding0,slave=0000:03:00.0"));
	cr_expect_not(buffers_driver_copies("net_vdev_netvsc0,iface=eth1"));
	cr_expect(buffers_driver_maps("net_af_xdp1,iface=eth1"));
	cr_expect_not(buffers_driver_maps("net_af_packet0,iface=eth1"));
}

Test(buffers, side_by_side_they_take_as_many_bytes_as_they_have, .init = start_dpdk)
{
	struct rte_mempool *pool = make(true);
	size_t each = pool->header_size + pool->elt_size + pool->trailer_size;
	struct span all = { 0 };

	cr_assert_eq(rte_mempool_obj_iter(pool, span, &all), BUFFERS);
	cr_expect_eq(all.high - all.low, (BUFFERS - 1) * each);
	cr_expect_eq(buffers_withhold(pool), 0);
	cr_expect_eq(rte_mempool_avail_count(pool), BUFFERS);
	rte_mempool_free(pool);
}

Test(buffers, a_buffer_is_made_as_any_of_dpdks, .init = start_dpdk)
{
	struct rte_mempool *pool = make(true);
	struct rte_mbuf *buffer = rte_pktmbuf_alloc(pool);

	cr_assert_not_null(buffer);
	cr_expect_eq(buffer->pool, pool);
	cr_expect_eq(buffer->buf_len, ROOM);
	cr_expect_eq(buffer->priv_size, PRIVATE);
	cr_expect_eq(rte_pktmbuf_headroom(buffer), RTE_PKTMBUF_HEADROOM);
	cr_expect_eq((uint8_t *)buffer->buf_addr - (uint8_t *)buffer, (ptrdiff_t)sizeof *buffer + PRIVATE);
	cr_expect_eq(rte_mbuf_refcnt_read(buffer), 1);
	rte_pktmbuf_free(buffer);
	rte_mempool_free(pool);
}

/* With gaps between them as many bytes as they have end before the last of them: none beyond is ever given out. */
Test(buffers, those_that_would_not_be_mapped_are_withheld, .init = start_dpdk)
{
	struct rte_mempool *pool = make(false);
	size_t each = pool->header_size + pool->elt_size + pool->trailer_size;
	uintptr_t end = (uintptr_t)STAILQ_FIRST(&pool->mem_list)->addr + BUFFERS * each;
	int withheld = buffers_withhold(pool);
	struct rte_mbuf *buffer;
	unsigned left = 0;

	cr_assert_gt(withheld, BUFFERS / 4);
	while ((buffer = rte_pktmbuf_alloc(pool))) {
		cr_assert_leq((uintptr_t)buffer + pool->elt_size + pool->trailer_size, end);
		left++;
	}
	cr_expect_eq(left, BUFFERS - (unsigned)withheld);
	rte_mempool_free(pool);
}
