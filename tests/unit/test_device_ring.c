/* Numbers of devices that wait: in their order, however they come and go. */
#include "control/runs/device_ring.h"

#include <criterion/criterion.h>

static struct device_ring ring;

static void
tear_down(void)
{
	device_ring_fini(&ring);
}

TestSuite(device_ring, .fini = tear_down);

static void
put(uint32_t from, uint32_t to)
{
	while (from < to)
		cr_assert_eq(device_ring_put(&ring, from++), 0);
}

static void
take(uint32_t from, uint32_t to)
{
	while (from < to)
		cr_expect_eq(device_ring_take(&ring), from++);
}

Test(device_ring, grows_while_its_first_stands_in_the_middle)
{
	put(0, 200);
	take(0, 150);
	put(200, 1500);
	cr_expect_eq(ring.count, 1350);
	cr_expect_eq(device_ring_at(&ring, 0), 150);
	cr_expect_eq(device_ring_at(&ring, 1349), 1499);
	take(150, 1500);
	cr_expect_eq(ring.count, 0);
}

Test(device_ring, needs_no_more_memory_than_what_waits_at_a_time)
{
	size_t capacity;

	put(0, 256);
	capacity = ring.capacity;
	for (uint32_t n = 256; n < 5000; n++) {
		take(n - 256, n - 255);
		put(n, n + 1);
	}
	cr_expect_eq(ring.capacity, capacity);
}
