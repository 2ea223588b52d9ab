/*
 * What the control side of another process left, as records: taken by one with a policy and devices; then all that runs is
 * over. Input: a byte that says what there is (enum has), and the records of a file, without its head: a checksum is none
 * against who may write here.
 */
#define PLAIN_NO_MAIN
#include "tests/unit/control_world.h"

#include "control/cluster/cluster.h"
#include "control/log.h"
#include "control/policy/policy_trust.h"
#include "control/runs/confirm.h"
#include "control/runs/live.h"
#include "control/runs/pass.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BATCHES_ASKED = 4, WRITE_WAIT_MS = 10000 };

enum has {
	HAS_SESSIONS = 1, /* every worker has the session of every run */
	HAS_STORE = 2,
	HAS_CLUSTER = 4,
	HAS_TRUST = 8,   /* of a content that is 0x5a all over */
	HAS_ENDS = 16,   /* runs finish; else they are cancelled */
	HAS_WRITER = 32, /* the store's threads run, and write what passed */
};

static void
add_trust(const struct world *world)
{
	struct policy_trust *trust = calloc(1, sizeof *trust);

	if (!trust)
		abort();
	trust->ec = ec_trust_new();
	memset(trust->content, 0x5a, sizeof trust->content);
	((struct policy *)(uintptr_t)world->service->generation->policy)->trust =
		trust; /* which frees it */
}

/* Nothing of it is started: no thread, and no database is asked. */
static struct cluster *
add_cluster(const struct world *world)
{
	char path[256], error[CLUSTER_ERROR_MAX];
	const struct cluster_options options = { .name = "north",
						 .database = "postgresql:///none",
						 .secret_file = path,
						 .member_name = "one",
						 .member = 1,
						 .poll_ms = 200,
						 .horizon_s = 60 };

	world_write(world, "secret",
		    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
	snprintf(path, sizeof path, "%s/secret", world->folder);
	if (chmod(path, 0600) < 0)
		abort();
	return cluster_new(&options, "north", 5, error);
}

static struct store *
add_store(const struct world *world)
{
	char path[256], error[STORE_ERROR_MAX];
	struct store *store;

	snprintf(path, sizeof path, "%s/store", world->folder);
	store = store_open(path, error);
	if (!store)
		abort();
	return store;
}

static void
take(struct world *world, const uint8_t *data, size_t size)
{
	struct record_reader reader = { .at = data, .end = data + size, .shift_us = 5 };
	struct pass_totals totals = { 0 };
	char error[PASS_ERROR_MAX] = "";
	struct pass_load *load = pass_load_begin(world->service, &reader, error);

	if (!load && !*error)
		abort(); /* it says why */
	if (!load)
		return;
	for (uint32_t i = 0; i <= BATCHES_ASKED; i++)
		(void)pass_load_batch(load, i);
	(void)pass_load_trust(load);
	if (!pass_load_end(load, &totals) && !*error)
		abort();
}

static void
end(struct world *world, const struct live_session *live, bool finishes)
{
	const struct session_event event = { .kind = SESSION_FINISHED,
					     .device = live->device,
					     .generation = 1,
					     .plan = live->plan ? live->plan->number : 0,
					     .format = live->format,
					     .session = live->session,
					     .peer = live->peer,
					     .started_us = live->started_us,
					     .time_us = dataplane_now_us() };

	if (finishes) {
		fake_event(&world->dp, live->worker, &event);
		(void)events_take(world->service);
	} else {
		live_end(world->service, inventory_at(&world->service->inventory, live->device));
	}
}

static void
end_all(struct world *world, bool finishes)
{
	struct live_sessions *live = &world->service->live;

	(void)confirm_poll(world->service, clock_now_ms());
	for (uint32_t i = 0; i < live->used; i++)
		if (live->places[i])
			end(world, live->places[i], finishes);
	for (uint32_t i = 0; i < live->used; i++)
		if (live->places[i])
			end(world, live->places[i], false);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct session_progress running = { .running = true };
	char error[STORE_ERROR_MAX];
	uint8_t has = size ? data[0] : 0;
	struct service *service;
	struct world world;

	log_set_level(SEVERITY_ERROR);
	world_start(&world);
	service = world.service;
	world.dp.progress = has & HAS_SESSIONS ? &running : NULL;
	if (has & HAS_STORE)
		service->store = service->reports.store = add_store(&world);
	if (has & HAS_CLUSTER)
		service->cluster = add_cluster(&world);
	if (has & HAS_TRUST)
		add_trust(&world);
	take(&world, data + (size != 0), size - (size != 0));
	if (service->store && has & HAS_WRITER && store_start(service->store) == 0)
		(void)store_flush(service->store, WRITE_WAIT_MS, NULL, error);
	end_all(&world, has & HAS_ENDS);
	world_settle(&world);
	cluster_free(service->cluster);
	service->cluster = NULL;
	store_close(service->store);
	service->store = service->reports.store = NULL;
	world_stop(&world);
	return 0;
}
