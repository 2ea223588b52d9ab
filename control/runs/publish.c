#include "control/runs/publish.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "control/log.h"
#include "control/runs/compile_many.h"
#include "control/runs/credentials.h"
#include "control/runs/member_claims.h"
#include "control/runs/service.h"
#include "control/slice.h"

enum {
	SLICE_DEVICES =
		1000, /* about a millisecond of compiling; those that need none count, too */
	RETIRE_AT_ONCE = 1000,
	MANY_DEVICES = 5000, /* fewer are compiled before threads have begun */
	DRAFTS_AT_ONCE = 512, /* compiled and entered, at most: about a millisecond */
};

/* ---- retirement ---- */

/* Batches that wait for one grace period together. */
struct retiring {
	struct service *service;
	unsigned n;
	struct batch *batches[RETIRE_AT_ONCE];
};

/* dataplane_retire(): no worker finds this batch in the directory any more. */
static void
batch_unreachable(void *ctx, void *what)
{
	struct service *service = ctx;

	if (retired_add(&service->retired, what) < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "a batch cannot be freed: out of memory");
}

static void
batches_unreachable(void *ctx, void *what)
{
	struct retiring *retiring = what;

	for (unsigned i = 0; i < retiring->n; i++)
		batch_unreachable(ctx, retiring->batches[i]);
	free(retiring);
}

static void
entry_unreachable(void *ctx, void *what)
{
	device_entry_free(what);
}

static void
block_unreachable(void *ctx, void *what)
{
	free(what);
}

/* Before the dataplane is there, nobody can read anything. */
static void
retire(struct service *service, void (*release)(void *ctx, void *what), void *what)
{
	if (!what)
		return;
	if (!service->dp)
		release(service, what);
	else if (dataplane_retire(service->dp, release, service, what) < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "something of a device cannot be freed: out of memory");
}

static void
retire_batch(struct service *service, struct batch *batch)
{
	retire(service, batch_unreachable, batch);
}

/* ---- one device ---- */

static struct batch *
published_batch(const struct device *device)
{
	/* Relaxed: this thread is the only writer. */
	return (struct batch *)(uintptr_t)atomic_load_explicit(&device->entry->batch,
							       memory_order_relaxed);
}

static bool
is_refused(const struct device *device)
{
	return device->plan && !published_batch(device) &&
	       !(device->entry->flags & DEVICE_PER_SESSION);
}

/* Directory blocks that growth replaced. */
static int
enter(struct service *service, struct device *device)
{
	struct directory_retired grown;
	int result = inventory_enter(&service->inventory, device, &grown);

	for (unsigned i = 0; i < 2; i++)
		retire(service, block_unreachable, grown.blocks[i]);
	return result;
}

/*
 * Workers look at the flag and the batch one after the other, so an entry never changes its flag:
 * another entry takes its place.
 */
static int
replace_entry(struct service *service, struct device *device, uint8_t flags, struct batch *batch)
{
	struct device_entry *old = device->entry, *entry;
	size_t identity_len;
	const uint8_t *identity = device_entry_identity(old, &identity_len);
	int result;

	entry = device_entry_new(old->id, device_entry_endpoint(old), old->endpoint_len, identity,
				 old->identity_len ? identity_len : 0, device_entry_key(old),
				 old->key_len);
	if (!entry)
		return -ENOMEM;
	entry->flags = flags;
	atomic_init(&entry->batch, batch);
	device->entry = entry;
	result = enter(service, device);
	if (result < 0) {
		device->entry = old;
		device_entry_free(entry);
		return result;
	}
	retire(service, entry_unreachable, old);
	return 0;
}

/* What the device is stays; what is made of it may differ from run to run. */
static uint8_t
flags_with(const struct device *device, const struct device_run *run)
{
	uint8_t flags = device->entry->flags & (uint8_t)~DEVICE_PER_SESSION;

	return run->per_session ? flags | DEVICE_PER_SESSION : flags;
}

static int
put_batch(struct service *service, struct device *device, const struct device_run *run)
{
	uint8_t flags = flags_with(device, run);

	if (!service->dp)
		device->entry->flags = flags; /* nobody reads it yet */
	if (device->entry->flags != flags)
		return replace_entry(service, device, flags, run->batch);
	/* Release: a worker that finds the batch finds it whole. */
	atomic_store_explicit(&device->entry->batch, run->batch, memory_order_release);
	return 0;
}

/*
 * The run becomes the device's; *old is the batch it had, for retirement. What is made anew for
 * every session goes to nobody. On an error the device keeps what it has, and the run is freed.
 */
static int
install(struct service *service, struct device *device, struct device_run *run, struct batch **old)
{
	struct inventory *inventory = &service->inventory;
	bool was_refused = is_refused(device);
	int result;

	run->per_session |= member_claims_are_due(service, device, run->plan);
	if (run->per_session) {
		plan_free_batch(&service->plans, run->batch);
		run->batch = NULL;
	}
	assert(run->plan && (!run->batch || run->batch->plan == run->plan->number));
	*old = published_batch(device);
	result = put_batch(service, device, run);
	if (result < 0) {
		*old = NULL;
		device_run_free(&service->plans, run);
		return result;
	}
	inventory->bytes.batches += batch_memory(run->batch) - batch_memory(*old);
	plan_release(&service->plans, device->plan);
	device->plan = run->plan;
	inventory->refused += (uint32_t)is_refused(device) - was_refused;
	*run = (struct device_run){ 0 };
	return 0;
}

void
publish_run(struct service *service, struct device *device, struct device_run *run)
{
	uint16_t format = run->batch ? run->batch->format : device->format;
	struct batch *old;

	if (install(service, device, run, &old) < 0) {
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "what was made for a device cannot be kept: out of memory");
		return;
	}
	device->format = format;
	retire_batch(service, old);
}

/* Compiles; *old is the batch it had. */
static int
renew(struct service *service, struct device *device, struct batch **old)
{
	const struct run_request request = { .device = device, .format = device->format };
	struct device_run run;
	int result = device_run_make(service, &request, &run);

	*old = NULL;
	return result < 0 ? result : install(service, device, &run, old);
}

int
publish_device(struct service *service, struct device *device)
{
	struct batch *old;
	int result = renew(service, device, &old);

	retire_batch(service, old);
	return result;
}

/* ---- devices that come, change and go ---- */

static void
take_away(struct service *service, struct device *device)
{
	struct batch *batch = published_batch(device);

	service->inventory.refused -= is_refused(device);
	service->inventory.bytes.batches -= batch_memory(batch);
	if (device->live) {
		credentials_ended(service, device, NULL);
		live_cancel(service, device);
	}
	plan_release(&service->plans, device->plan);
	device->plan = NULL;
	retire_batch(service, batch);
	rejected_devices_forget(service->rejected, device_id(device));
	retire(service, entry_unreachable, inventory_remove(&service->inventory, device));
}

/* A draft on its way: the device is what it says, and workers find what it was before. */
struct arrival {
	struct device *device;
	struct device_entry *old_entry; /* NULL: it is new */
	struct batch *old_batch;
};

static struct arrival
arrive(struct service *service, struct device_draft *draft)
{
	struct device *device = inventory_at(&service->inventory, draft->entry->id);
	struct arrival arrival = { 0 };

	if (device) {
		arrival.old_batch = published_batch(device);
		service->inventory.refused -= is_refused(device);
		service->inventory.bytes.batches -= batch_memory(arrival.old_batch);
	}
	arrival.device = inventory_take(&service->inventory, draft, &arrival.old_entry);
	plan_release(&service->plans, arrival.device->plan);
	arrival.device->plan = NULL;
	return arrival;
}

/* Nobody reads its entry yet. */
static int
install_first(struct service *service, struct device *device, struct device_run *run)
{
	struct batch *none;

	run->per_session |= member_claims_are_due(service, device, run->plan);
	device->entry->flags = flags_with(device, run);
	return install(service, device, run, &none);
}

/* Its run is installed, or could not be: `result`. Workers find it, or nothing. */
static int
settle(struct service *service, const struct arrival *arrival, int result)
{
	if (result == 0)
		result = enter(service, arrival->device);
	if (result < 0)
		take_away(service, arrival->device); /* first: no worker may find what is retired */
	retire_batch(service, arrival->old_batch);
	retire(service, entry_unreachable, arrival->old_entry);
	return result;
}

int
publish_draft(struct service *service, struct device_draft *draft)
{
	const struct arrival arrival = arrive(service, draft);
	const struct run_request request = { .device = arrival.device,
					     .format = arrival.device->format };
	struct device_run run;
	int result = device_run_make(service, &request, &run);

	if (result == 0)
		result = install_first(service, arrival.device, &run);
	return settle(service, &arrival, result);
}

int
publish_loaded(struct service *service, struct device_draft *draft)
{
	struct device_entry *none;
	struct device *device = inventory_take(&service->inventory, draft, &none);
	int result = enter(service, device);

	if (result < 0)
		device_entry_free(inventory_remove(&service->inventory, device));
	return result;
}

void
publish_removal(struct service *service, struct device *device)
{
	uint32_t id = device_id(device);

	take_away(service, device);
	reports_forget_device(&service->reports, id);
}

/* ---- many ---- */

static void
hand_over(struct service *service, struct retiring **retiring)
{
	if (*retiring && service->dp)
		retire(service, batches_unreachable, *retiring);
	else if (*retiring)
		batches_unreachable(service, *retiring);
	*retiring = NULL;
}

static void
collect(struct service *service, struct retiring **retiring, struct batch *batch)
{
	if (!batch)
		return;
	if (!*retiring)
		*retiring = calloc(1, sizeof **retiring);
	if (!*retiring) {
		retire_batch(service, batch);
		return;
	}
	(*retiring)->service = service;
	assert((*retiring)->n < RETIRE_AT_ONCE);
	(*retiring)->batches[(*retiring)->n++] = batch;
	if ((*retiring)->n == RETIRE_AT_ONCE)
		hand_over(service, retiring);
}

/* A pass over many devices. */
struct renewal {
	struct service *service;
	struct retiring *retiring;
	struct compile_many *many; /* NULL: this thread compiles alone */
	unsigned n;                /* devices that wait to be compiled together */
	struct device *devices[COMPILE_AT_ONCE];
	uint32_t failed;
};

static void
renew_alone(struct renewal *renewal, struct device *device)
{
	struct batch *old;

	renewal->failed += renew(renewal->service, device, &old) < 0;
	collect(renewal->service, &renewal->retiring, old);
}

/* Those that wait, in their order. */
static void
renew_together(struct renewal *renewal)
{
	struct service *service = renewal->service;
	struct device_run run;
	struct batch *old;
	int result;

	if (!renewal->n)
		return;
	compile_many(renewal->many, renewal->devices, renewal->n);
	for (unsigned i = 0; i < renewal->n; i++) {
		old = NULL;
		result = compile_many_take(renewal->many, &run);
		if (result == 0)
			result = install(service, renewal->devices[i], &run, &old);
		renewal->failed += result < 0;
		collect(service, &renewal->retiring, old);
	}
	renewal->n = 0;
}

static void
renew_device(struct renewal *renewal, struct device *device)
{
	if (!renewal->many) {
		renew_alone(renewal, device);
		return;
	}
	assert(renewal->n < COMPILE_AT_ONCE);
	renewal->devices[renewal->n++] = device;
	if (renewal->n >= compile_many_room(renewal->many))
		renew_together(renewal);
}

uint32_t
publish_devices(struct service *service, struct publish_progress *progress)
{
	struct renewal renewal = { .service = service };
	struct slice slice = { 0 };
	struct device *device;

	if (service->inventory.count >= MANY_DEVICES)
		renewal.many = compile_many_begin(service);
	progress->done = 0;
	for (uint32_t id = 0; (device = inventory_next(&service->inventory, &id)); id++) {
		if (!progress->marked || progress->marked(progress->ctx, device->groups))
			renew_device(&renewal, device);
		progress->done++;
		if (!slice_is_over(&slice, SLICE_DEVICES))
			continue;
		renew_together(&renewal);
		hand_over(service, &renewal.retiring);
		slice_pump(&slice, &service->pump);
		if (service->stopping)
			break;
		if (progress->tell)
			progress->tell(progress->ctx, progress->done, service->inventory.count);
	}
	renew_together(&renewal);
	compile_many_end(renewal.many);
	hand_over(service, &renewal.retiring);
	return renewal.failed;
}

/* How many of those that are left make a slice. */
static unsigned
some_drafts(const struct compile_many *many, uint32_t left)
{
	unsigned room = compile_many_room(many);

	if (room > DRAFTS_AT_ONCE)
		room = DRAFTS_AT_ONCE;
	return left < room ? left : room;
}

/* So many of them. How many could not be. */
static uint32_t
publish_together(struct service *service, struct compile_many *many, struct device_draft *drafts,
		 unsigned n)
{
	struct arrival arrivals[DRAFTS_AT_ONCE];
	struct device *devices[DRAFTS_AT_ONCE];
	struct device_run run;
	uint32_t failed = 0;
	int result;

	assert(n && n <= DRAFTS_AT_ONCE);
	for (unsigned i = 0; i < n; i++) {
		arrivals[i] = arrive(service, &drafts[i]);
		devices[i] = arrivals[i].device;
	}
	compile_many(many, devices, n);
	for (unsigned i = 0; i < n; i++) {
		result = compile_many_take(many, &run);
		if (result == 0)
			result = install_first(service, devices[i], &run);
		failed += settle(service, &arrivals[i], result) < 0;
	}
	return failed;
}

uint32_t
publish_drafts(struct service *service, struct device_draft *drafts, uint32_t n,
	       struct publish_progress *progress)
{
	struct compile_many *many = n >= MANY_DEVICES ? compile_many_begin(service) : NULL;
	struct slice slice = { 0 };
	uint32_t failed = 0;

	progress->done = 0;
	while (progress->done < n) {
		struct device_draft *next = &drafts[progress->done];
		unsigned some = many ? some_drafts(many, n - progress->done) : 1;

		failed += many ? publish_together(service, many, next, some)
			       : publish_draft(service, next) < 0;
		progress->done += some;
		if (!many && !slice_is_over(&slice, DRAFTS_AT_ONCE))
			continue;
		slice_pump(&slice, &service->pump);
		if (progress->tell)
			progress->tell(progress->ctx, progress->done, n);
	}
	compile_many_end(many);
	return failed;
}
