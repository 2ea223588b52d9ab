/*
 * DPDK's interrupt thread, held and let go.
 */
#include <criterion/criterion.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>

#include <rte_eal.h>

static int wait_ms = 60000;
#define INTERRUPTS_WAIT_MS wait_ms
#include "dataplane/io/interrupts.c"

/* A source of interrupts, as a driver has them. */
static struct source {
	struct rte_intr_handle *handle;
	int fd;
	_Atomic unsigned calls;
	bool waits; /* its handler, until `go` */
	sem_t entered, go;
} source;

static void
handle_source(void *ctx)
{
	struct source *from = (struct source *)ctx;
	uint64_t count;

	(void)!read(from->fd, &count, sizeof count);
	atomic_fetch_add(&from->calls, 1);
	sem_post(&from->entered);
	if (from->waits)
		sem_wait(&from->go);
}

static void
interrupt(struct source *from)
{
	const uint64_t one = 1;

	cr_assert_eq(write(from->fd, &one, sizeof one), (ssize_t)sizeof one);
}

static void
setup(void)
{
	char lcores[32];
	const char *arguments[] = {
		"test",        "--no-huge",         "--no-pci",
		"--no-shconf", "--no-telemetry",    "-m",
		"32",          "--log-level=error", "--lcores",
		lcores,        "--file-prefix",     "cradle-test",
	};

	snprintf(lcores, sizeof lcores, "0@%d", sched_getcpu());
	cr_assert_geq(rte_eal_init(RTE_DIM(arguments), (char **)(uintptr_t)arguments), 0);
	source.fd = eventfd(0, EFD_NONBLOCK);
	source.handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	cr_assert(source.fd >= 0 && source.handle);
	cr_assert_eq(sem_init(&source.entered, 0, 0) | sem_init(&source.go, 0, 0), 0);
	cr_assert_eq(rte_intr_fd_set(source.handle, source.fd), 0);
	cr_assert_eq(rte_intr_type_set(source.handle, RTE_INTR_HANDLE_EXT), 0);
	cr_assert_eq(rte_intr_callback_register(source.handle, handle_source, &source), 0);
}

TestSuite(interrupts, .init = setup, .timeout = 60);

Test(interrupts, are_not_held_before_they_are_open)
{
	cr_expect_not(interrupts_hold());
	interrupts_release();
}

Test(interrupts, run_no_handler_while_held_and_all_of_them_after)
{
	cr_assert_eq(interrupts_open(), 0);
	cr_assert(interrupts_hold());
	interrupt(&source);
	cr_assert(interrupts_hold(), "held again is held");
	cr_expect_eq(source.calls, 0);
	interrupts_release();
	sem_wait(&source.entered);
	cr_expect_eq(source.calls, 1);
}

/* -EAGAIN is what drivers are told while their handler runs, and some make nothing good of it. */
Test(interrupts, let_a_driver_unregister_its_handler_at_once)
{
	cr_assert_eq(interrupts_open(), 0);
	for (unsigned i = 0; i < 50; i++) {
		interrupt(&source);
		cr_assert(interrupts_hold());
		cr_assert_eq(rte_intr_callback_unregister(source.handle, handle_source, &source),
			     1);
		cr_assert_eq(rte_intr_callback_register(source.handle, handle_source, &source), 0);
		interrupts_release();
	}
}

Test(interrupts, wait_no_longer_than_they_may_for_a_handler_that_does_not_end)
{
	cr_assert_eq(interrupts_open(), 0);
	source.waits = true;
	wait_ms = 20;
	interrupt(&source);
	sem_wait(&source.entered);
	cr_expect_not(interrupts_hold());
	interrupts_release();
	source.waits = false;
	sem_post(&source.go);
	wait_ms = 60000;
	cr_assert(interrupts_hold(), "the thread is free again");
	interrupts_release();
	interrupt(&source);
	sem_wait(&source.entered);
}
