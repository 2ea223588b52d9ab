/*
 * retired.h - batches that nothing points to any more but sessions in progress.
 *
 * A batch is taken out of the directory, a grace period passes (dataplane_retire()), and its last
 * session ends. Then one thing is left: the event that tells how that session ended may still be on
 * its way and names the batch's plan. So a batch must be found idle twice, and events are taken
 * between two sweeps. Owner: the service. Control thread. Allocates as it grows.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct batch;
struct plans;

struct retired_batches {
	uintptr_t *ring;               /* pointers; the lowest bit says that it was seen idle */
	size_t first, count, capacity; /* a power of two */
};

void retired_init(struct retired_batches *retired);
/* 0; -ENOMEM: it stays the caller's. Of NULL: nothing. */
int retired_add(struct retired_batches *retired, struct batch *batch);
/* Looks at up to `budget` of them and frees those whose sessions are over. */
void retired_sweep(struct retired_batches *retired, struct plans *plans, unsigned budget);
/* Frees all of them: the dataplane is gone. */
void retired_fini(struct retired_batches *retired, struct plans *plans);
