#include "control/runs/replica.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/clock.h"
#include "control/cluster/cluster.h"
#include "control/cluster/cluster_pass.h"
#include "control/log.h"
#include "control/runs/device_change.h"
#include "control/runs/member_reports.h"
#include "control/runs/publish.h"
#include "control/runs/service.h"
#include "control/runs/trust_publish.h"
#include "control/slice.h"

enum {
	SEND_EVERY_MS = 50,
	SEND_AT_ONCE = 2000,
	RETRY_MS = 1000,
	COOKIES_EVERY_MS = 60000,
	COMMIT_WAIT_MS = 60000,
	PUBLISH_SLICE = 500,
	SEEN_BITS = 64,
};

void
replica_fini(struct replica *replica)
{
	device_ring_fini(&replica->waiting);
	device_ring_fini(&replica->superseded_devices);
	free(replica->waits.slots);
	free(replica->sending);
	free(replica->seen);
	records_clear(&replica->deferred);
	*replica = (struct replica){ 0 };
}

/* ---- up: what devices and tasks changed here ---- */

void
replica_device_changed(struct service *service, struct device *device)
{
	struct replica *replica = &service->replica;

	if (!cluster_is_joined(service->cluster) || device->unsent)
		return;
	if (device_ring_put(&replica->waiting, device_id(device)) < 0) {
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "what changed of a device is not sent to the cluster: out of memory");
		return;
	}
	device->unsent = true;
}

/* The next that is to be sent; NULL: none. Those that another member changed meanwhile are left out. */
static struct device *
take_unsent(struct service *service)
{
	struct device_ring *waiting = &service->replica.waiting;

	while (waiting->count) {
		struct device *device =
			inventory_at(&service->inventory, device_ring_take(waiting));

		if (device && device->unsent)
			return device;
	}
	return NULL;
}

static void
put_some(struct service *service, struct cluster_edit *edit)
{
	struct replica *replica = &service->replica;
	struct device_names names;
	struct device_spec spec;
	struct device *device;

	while (replica->n_sending < SEND_AT_ONCE && (device = take_unsent(service))) {
		device->unsent = false;
		device->sending = true;
		replica->sending[replica->n_sending++] = device_id(device);
		device_to_spec(&service->inventory, device, &names, &spec);
		cluster_edit_put(edit, &spec);
		explicit_bzero(spec.key, sizeof spec.key);
	}
}

/* What was on its way is there, or waits again. */
static void
end_sending(struct service *service, bool again)
{
	struct replica *replica = &service->replica;

	for (size_t i = 0; i < replica->n_sending; i++) {
		struct device *device = inventory_at(&service->inventory, replica->sending[i]);
		bool ours = device && device->sending;

		if (ours)
			device->sending = false;
		if (ours && again)
			replica_device_changed(service, device);
	}
	replica->n_sending = 0;
}

/* Whether nothing is on its way any more. */
static bool
look_at_sent(struct service *service, uint64_t now_ms)
{
	struct replica *replica = &service->replica;
	char error[CLUSTER_ERROR_MAX];
	int code = replica->n_sending ? cluster_edit_sent(service->cluster, error) : 0;

	if (code == -EINPROGRESS)
		return false;
	if (code < 0) {
		replica->send_next_ms = now_ms + RETRY_MS;
		if (!replica->told)
			log_event(SEVERITY_WARNING, LOG_EVENT_cluster_trouble, NULL,
				  "what changed of %zu devices is not in the cluster yet: %s",
				  replica->n_sending + replica->waiting.count, error);
	}
	replica->told = code < 0;
	end_sending(service, code < 0);
	return true;
}

static void
send_some(struct service *service, uint64_t now_ms)
{
	struct replica *replica = &service->replica;
	char error[CLUSTER_ERROR_MAX];
	struct cluster_edit *edit;

	if (!look_at_sent(service, now_ms) || !replica->waiting.count ||
	    now_ms < replica->send_next_ms)
		return;
	replica->send_next_ms = now_ms + SEND_EVERY_MS;
	if (!replica->sending)
		replica->sending = malloc(SEND_AT_ONCE * sizeof *replica->sending);
	if (!replica->sending ||
	    cluster_edit_begin(service->cluster, CLUSTER_EFFECT, &edit, error) < 0)
		return;
	put_some(service, edit);
	if (cluster_edit_send(edit) < 0)
		end_sending(service, true);
}

size_t
replica_send_all(struct service *service, unsigned wait_ms)
{
	struct replica *replica = &service->replica;
	uint64_t end_us = clock_now_us() + wait_ms * 1000ull;

	if (!cluster_is_joined(service->cluster) || cluster_rests(service->cluster))
		return 0;
	replica->send_next_ms = 0;
	while ((replica->waiting.count || replica->n_sending) && clock_now_us() < end_us) {
		struct timespec pause = { .tv_nsec = 1000000 };

		send_some(service, clock_now_ms());
		nanosleep(&pause, NULL);
		pump_run(&service->pump);
	}
	return replica->waiting.count + replica->n_sending;
}

/* ---- down: what other members changed ---- */

/* A batch on its way into the inventory. */
struct taking {
	struct service *service;
	struct store_change *change;
	struct device_draft *drafts;
	size_t n_drafts;
	uint32_t *removed;
	size_t n_removed;
	uint32_t first_id; /* that a new device would get */
	struct slice slice;
	char *error;
};

static bool
is_unchanged(const struct service *service, const struct device *present,
	     const struct device_draft *draft, const struct device_spec *spec)
{
	struct device_names names;
	struct device_spec old;
	bool same;

	device_to_spec(&service->inventory, present, &names, &old);
	same = present->groups == draft->groups && device_spec_same(&old, spec);
	explicit_bzero(old.key, sizeof old.key);
	return same;
}

static void
mark_seen(struct replica *replica, uint32_t id)
{
	if (id < replica->n_seen)
		replica->seen[id / SEEN_BITS] |= 1ull << (id % SEEN_BITS);
}

/* An acknowledged change of an operator stands above what a task changed here meanwhile. */
static void
gives_way(struct replica *replica, struct device *present)
{
	if (!present || (!present->unsent && !present->sending))
		return;
	replica->given_way++;
	present->unsent = present->sending = false;
}

static void
take_removal(struct taking *taking, struct device *present)
{
	if (!present)
		return;
	store_change_remove_device(taking->change, device_id(present));
	taking->removed[taking->n_removed++] = device_id(present);
}

/* 0, or -errno: -EEXIST where another device has its identity. */
static int
take_device(struct taking *taking, struct device *present, const struct device_spec *spec)
{
	struct service *service = taking->service;
	struct device_draft *draft = &taking->drafts[taking->n_drafts];
	struct store_device kept;
	int code = inventory_draft(&service->inventory, spec, NAMES_NONE, draft);

	if (code < 0)
		return code;
	mark_seen(&service->replica, draft->entry->id);
	if (present && is_unchanged(service, present, draft, spec)) {
		device_draft_fini(draft);
		return 0;
	}
	kept = device_change_record(service, draft, spec);
	store_change_put_device(taking->change, &kept);
	explicit_bzero(kept.spec.key, sizeof kept.spec.key);
	taking->n_drafts++;
	return 0;
}

static int
defer(struct replica *replica, const struct cluster_row *row)
{
	struct cluster_row *copy = records_add(&replica->deferred, row->record.size);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, row, row->record.size);
	return 0;
}

/* The one that is here was removed and another added under its name, and nobody was told in between. */
static bool
is_another(const struct device *present, const struct cluster_row *row)
{
	return row->created_ms && row->created_ms / 1000 != present->created_s;
}

static int
take_row(struct taking *taking, const struct cluster_row *row)
{
	struct service *service = taking->service;
	struct device *present = inventory_find(&service->inventory, cluster_row_endpoint(row));
	struct device_spec spec;
	int code = 0;

	if (cluster_is_own(service->cluster, row))
		return 0;
	gives_way(&service->replica, present);
	if (row->dead) {
		take_removal(taking, present);
		return 0;
	}
	/* What became of tasks goes with the former one. */
	if (present && is_another(present, row)) {
		take_removal(taking, present);
		return defer(&service->replica, row);
	}
	cluster_row_spec(row, &spec);
	if (present)
		mark_seen(&service->replica, device_id(present));
	code = take_device(taking, present, &spec);
	explicit_bzero(spec.key, sizeof spec.key);
	if (code == -EEXIST)
		return defer(&service->replica, row);
	if (code < 0)
		snprintf(taking->error, STORE_ERROR_MAX, "device %s cannot be taken over: %s",
			 spec.endpoint, strerror(-code));
	return code;
}

static int
begin_taking(struct taking *taking, size_t n)
{
	taking->first_id = taking->service->inventory.next_id;
	taking->drafts = malloc((n + 1) * sizeof *taking->drafts);
	taking->removed = malloc((n + 1) * sizeof *taking->removed);
	taking->change = store_change_begin(taking->service->store);
	if (taking->drafts && taking->removed && taking->change)
		return 0;
	snprintf(taking->error, STORE_ERROR_MAX,
		 "out of memory, or another change is being written");
	return -EBUSY;
}

static void
end_taking(struct taking *taking)
{
	if (taking->change)
		store_change_rollback(taking->change);
	for (size_t i = 0; i < taking->n_drafts; i++)
		device_draft_fini(&taking->drafts[i]);
	free(taking->drafts);
	free(taking->removed);
}

static void
make_live(struct taking *taking)
{
	struct service *service = taking->service;
	uint32_t failed;

	for (size_t i = 0; i < taking->n_removed; i++) {
		struct device *device = inventory_at(&service->inventory, taking->removed[i]);

		if (device)
			publish_removal(service, device);
		if (slice_is_over(&taking->slice, PUBLISH_SLICE))
			slice_pump(&taking->slice, &service->pump);
	}
	failed = publish_drafts(service, taking->drafts, (uint32_t)taking->n_drafts, &(struct publish_progress){ 0 });
	if (failed)
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "%u device%s of the cluster kept, but cannot be served before a restart: out of memory",
			  failed, failed == 1 ? " is" : "s are");
	taking->n_drafts = taking->n_removed = 0;
}

/*
 * Rows into the store, `revision` with them, and live. Drafts of rows that come later may stand in the way of those that
 * come first, so what is deferred is taken in changes of its own.
 */
static int
take_rows(struct service *service, const struct records *rows, const char *cluster,
	  uint64_t revision, char error[STORE_ERROR_MAX])
{
	struct taking taking = { .service = service, .error = error };
	struct records_at at = { 0 };
	const struct cluster_row *row;
	int code = begin_taking(&taking, rows->count);

	while (code == 0 && (row = records_next(rows, &at))) {
		code = take_row(&taking, row);
		if (slice_is_over(&taking.slice, PUBLISH_SLICE))
			slice_pump(&taking.slice, &service->pump);
	}
	if (code == 0) {
		/* What is deferred is not in yet. */
		if (cluster && !service->replica.deferred.count)
			store_change_follow(taking.change, cluster, revision);
		code = store_change_commit(taking.change, COMMIT_WAIT_MS, &service->pump, error);
		taking.change = NULL;
	}
	if (code == 0)
		make_live(&taking);
	else
		service->inventory.next_id = taking.first_id;
	end_taking(&taking);
	return code;
}

/* Again, as long as that helps. */
static int
take_deferred(struct service *service, char error[STORE_ERROR_MAX])
{
	struct replica *replica = &service->replica;
	size_t before = SIZE_MAX;
	int code = 0;

	while (code == 0 && replica->deferred.count && replica->deferred.count < before) {
		struct records rows = replica->deferred;

		before = rows.count;
		replica->deferred = (struct records){ 0 };
		code = take_rows(service, &rows, NULL, 0, error);
		records_clear(&rows);
	}
	if (code == 0 && replica->deferred.count)
		log_event(SEVERITY_ERROR, LOG_EVENT_cluster_trouble, NULL,
			  "%zu devices of the cluster cannot be taken over: their identities "
			  "belong to other devices here",
			  replica->deferred.count);
	records_clear(&replica->deferred);
	return code;
}

/* ---- down: everything ---- */

static int
begin_all(struct service *service, char error[STORE_ERROR_MAX])
{
	struct replica *replica = &service->replica;

	free(replica->seen);
	replica->n_seen = service->inventory.next_id;
	replica->seen = calloc(replica->n_seen / SEEN_BITS + 1, sizeof *replica->seen);
	if (replica->seen)
		return 0;
	replica->n_seen = 0;
	snprintf(error, STORE_ERROR_MAX, "out of memory");
	return -ENOMEM;
}

static bool
is_missing(const struct replica *replica, const struct device *device)
{
	uint32_t id = device_id(device);

	return id < replica->n_seen && !(replica->seen[id / SEEN_BITS] >> (id % SEEN_BITS) & 1) &&
	       !device->unsent && !device->sending;
}

/* Devices that the cluster has not. */
static int
remove_missing(struct service *service, char error[STORE_ERROR_MAX])
{
	struct replica *replica = &service->replica;
	struct taking taking = { .service = service, .error = error };
	struct device *device;
	int code = begin_taking(&taking, service->inventory.count);

	for (uint32_t id = 0; code == 0 && (device = inventory_next(&service->inventory, &id));
	     id++) {
		if (is_missing(replica, device))
			take_removal(&taking, device);
		if (slice_is_over(&taking.slice, PUBLISH_SLICE))
			slice_pump(&taking.slice, &service->pump);
	}
	if (code == 0) {
		code = store_change_commit(taking.change, COMMIT_WAIT_MS, &service->pump, error);
		taking.change = NULL;
	}
	if (code == 0)
		make_live(&taking);
	end_taking(&taking);
	free(replica->seen);
	replica->seen = NULL;
	replica->n_seen = 0;
	return code;
}

/* Until all is here the store says revision 0: then a restart begins anew. */
static int
take_batch(struct service *service, const struct cluster_batch *batch, char error[STORE_ERROR_MAX])
{
	const char *name = cluster_name(service->cluster);
	const struct records none = { 0 };
	bool late = batch->resync; /* the revision is kept when all is in */
	int code = 0;

	if (batch->reports.count) {
		member_reports_take(service, &batch->reports, batch->reports_old);
		return 0;
	}
	if (batch->resync && batch->first)
		code = begin_all(service, error);
	if (code == 0 && batch->resync && !service->replica.seen)
		code = -ESTALE; /* its first page was lost with what came before */
	if (code == 0)
		code = take_rows(service, &batch->rows, name, batch->resync ? 0 : batch->revision,
				 error);
	late |= service->replica.deferred.count > 0;
	if (code == 0 && batch->end)
		code = take_deferred(service, error);
	if (code == 0 && batch->resync && batch->last)
		code = remove_missing(service, error);
	if (code == 0 && batch->end && late)
		code = take_rows(service, &none, name, batch->revision, error);
	return code;
}

static void
in_trouble(struct service *service, uint64_t now_ms, const char *error)
{
	struct replica *replica = &service->replica;

	log_event(SEVERITY_WARNING, LOG_EVENT_cluster_trouble, NULL,
		  "what the cluster changed is not taken over yet: %s", error);
	records_clear(&replica->deferred);
	replica->retry_ms = now_ms + RETRY_MS;
	cluster_refetch(service->cluster, error);
}

/* The wall clock may be set, or run on at another pace than the workers'. */
static void
follow_clock(struct service *service, uint64_t now_ms)
{
	struct replica *replica = &service->replica;
	bool wanted = cluster_is_joined(service->cluster) && !cluster_is_detached(service->cluster);

	if (!service->dp || (!wanted && !replica->cookies_ms) ||
	    (wanted && replica->cookies_ms && now_ms >= replica->cookies_ms &&
	     now_ms - replica->cookies_ms < COOKIES_EVERY_MS &&
	     !cluster_routes_changed(service->cluster)))
		return;
	if (trust_publish_limits(service) == 0)
		replica->cookies_ms = wanted ? now_ms : 0;
}

void
replica_turn(struct service *service, uint64_t now_ms)
{
	char error[STORE_ERROR_MAX] = "it begins anew";
	struct cluster_batch *batch;

	follow_clock(service, now_ms);
	if (!cluster_is_joined(service->cluster) || cluster_is_detached(service->cluster))
		return;
	send_some(service, now_ms);
	member_unsent_turn(service);
	/* Another process has the store while it takes over. */
	batch = !service->store || now_ms < service->replica.retry_ms
			? NULL
			: cluster_take(service->cluster);
	if (!batch)
		return;
	if (take_batch(service, batch, error) < 0)
		in_trouble(service, now_ms, error);
	else
		cluster_batch_done(service->cluster, !service->replica.deferred.count);
}

/* ---- another process takes over ---- */

int
replica_rest(struct service *service, char error[STORE_ERROR_MAX])
{
	struct cluster_batch *batch;
	int code;

	cluster_rest_following(service->cluster);
	member_waits_end_all(service); /* from now on none is asked for */
	while (service->cluster && (batch = cluster_take(service->cluster))) {
		code = take_batch(service, batch, error);
		if (code < 0) {
			in_trouble(service, clock_now_ms(), error);
			return code;
		}
		cluster_batch_done(service->cluster, !service->replica.deferred.count);
	}
	if (!service->replica.deferred.count)
		return 0;
	snprintf(error, STORE_ERROR_MAX,
		 "devices that another member changed are being taken over: try again");
	return -EAGAIN;
}

void
replica_end_sending(struct service *service)
{
	if (service->cluster)
		(void)look_at_sent(service, clock_now_ms());
}
