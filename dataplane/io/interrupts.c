#include "dataplane/io/interrupts.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_interrupts.h>

/* DPDK 22.11 says of what makes interrupt handles that it is not stable yet; later ones have it unchanged. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#ifndef INTERRUPTS_WAIT_MS
enum { INTERRUPTS_WAIT_MS = 5000 };
#endif

/* At file scope, as DPDK has one interrupt thread, and it outlives whoever would own this. */
static struct {
	int fd; /* what is written to it calls hold_still(); -1: not open */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool wanted, held; /* under `lock`, as the next */
	uint64_t calls;    /* of hold_still() that have ended */
} still = { .fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* (interrupt thread) It stays in here while it is wanted. */
static void
hold_still(void *ctx)
{
	uint64_t count;

	(void)!read(still.fd, &count, sizeof count);
	pthread_mutex_lock(&still.lock);
	still.held = still.wanted;
	pthread_cond_broadcast(&still.changed);
	while (still.wanted)
		pthread_cond_wait(&still.changed, &still.lock);
	still.held = false;
	still.calls++;
	pthread_cond_broadcast(&still.changed);
	pthread_mutex_unlock(&still.lock);
}

int
interrupts_open(void)
{
	/* Private: DPDK keeps a copy, which is not to lie in memory of its own. */
	struct rte_intr_handle *handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	int rc = -ENOMEM;

	still.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (still.fd < 0)
		rc = -errno;
	else if (handle && rte_intr_fd_set(handle, still.fd) == 0 &&
		 rte_intr_type_set(handle, RTE_INTR_HANDLE_EXT) == 0)
		rc = rte_intr_callback_register(handle, hold_still, NULL);
	rte_intr_instance_free(handle);
	if (rc < 0 && still.fd >= 0) {
		close(still.fd);
		still.fd = -1;
	}
	return rc < 0 ? rc : 0;
}

/* The thread comes to hold_still() when it has done with the handlers before. */
static void
call_thread(void)
{
	const uint64_t one = 1;

	(void)!write(still.fd, &one, sizeof one);
}

static struct timespec
deadline(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += INTERRUPTS_WAIT_MS / 1000;
	at.tv_nsec += INTERRUPTS_WAIT_MS % 1000 * 1000000L;
	at.tv_sec += at.tv_nsec / 1000000000L;
	at.tv_nsec %= 1000000000L;
	return at;
}

bool
interrupts_hold(void)
{
	struct timespec until = deadline();
	int rc = 0;

	if (still.fd < 0)
		return false;
	pthread_mutex_lock(&still.lock);
	still.wanted = true;
	call_thread();
	while (!still.held && rc == 0)
		rc = pthread_cond_clockwait(&still.changed, &still.lock, CLOCK_MONOTONIC, &until);
	still.wanted = still.held;
	rc = still.held ? 0 : -1;
	pthread_mutex_unlock(&still.lock);
	return rc == 0;
}

void
interrupts_release(void)
{
	struct timespec until = deadline();
	uint64_t calls;
	int rc = 0;

	pthread_mutex_lock(&still.lock);
	if (still.held) {
		/* Its next call, after the one that ends now, is in answer to another look at the descriptors. */
		calls = still.calls + 2;
		still.wanted = false;
		pthread_cond_broadcast(&still.changed);
		call_thread();
		while (still.calls < calls && rc == 0)
			rc = pthread_cond_clockwait(&still.changed, &still.lock, CLOCK_MONOTONIC,
						    &until);
	}
	pthread_mutex_unlock(&still.lock);
}
