/*
 * What the control side of another process left, as records: taken by one with a policy and devices; then all that runs is
 * over. Input: the records of a file, without its head: a checksum is none against who may write here.
 */
#define PLAIN_NO_MAIN
#include "tests/unit/control_world.h"

#include "control/log.h"
#include "control/runs/live.h"
#include "control/runs/pass.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BATCHES_ASKED = 4 };

static void
take(struct world *world, const uint8_t *data, size_t size)
{
	struct record_reader reader = { .at = data, .end = data + size, .shift_us = 5 };
	struct pass_totals totals = { 0 };
	char error[PASS_ERROR_MAX];
	struct pass_load *load = pass_load_begin(world->service, &reader, error);

	if (!load)
		return;
	for (uint32_t i = 0; i <= BATCHES_ASKED; i++)
		(void)pass_load_batch(load, i);
	(void)pass_load_trust(load);
	if (!pass_load_end(load, &totals) && !*error)
		abort(); /* it says why */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct session_progress running = { .running = true };
	struct live_sessions *live;
	struct world world;

	log_set_level(SEVERITY_ERROR);
	world_start(&world);
	world.dp.progress = size % 2 ? &running : NULL;
	live = &world.service->live;
	take(&world, data, size);
	for (uint32_t i = 0; i < live->used; i++)
		if (live->places[i])
			live_end(world.service, inventory_at(&world.service->inventory, live->places[i]->device));
	world_settle(&world);
	world_stop(&world);
	return 0;
}
