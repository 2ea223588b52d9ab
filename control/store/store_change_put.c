/* An operator's change as the control thread sees it: begun, put, and durable or undone. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control/inventory/setting_values.h"
#include "control/log.h"
#include "control/store/store_change_internal.h"

enum { PUMP_MS = 1 };

/* Waits until the thread tells something, PUMP_MS at most. Under the lock. */
static void
wait_told(struct store_change *change)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += PUMP_MS * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&change->told, &change->lock, &ts);
}

struct store_change *
store_change_begin(struct store *store)
{
	struct store_change *change = &store->change;

	if (!change->started || change->open)
		return NULL;
	pthread_mutex_lock(&change->lock);
	change->open = true;
	change->done = change->cancel = change->finishing = false;
	change->wish = CHANGE_OPEN;
	change->result = 0;
	pthread_mutex_unlock(&change->lock);
	return change;
}

/* A change that takes no more: its end will be nothing. */
static void
give_up(struct store_change *change, int result, const char *why)
{
	if (change->result)
		return;
	change->result = result;
	snprintf(change->error, sizeof change->error, "%s: cannot save the change: %s",
		 change->file->path, why);
}

void
store_change_make_room(struct store_change *change, const struct pump *pump)
{
	uint64_t end = store_now_ms() + CHANGE_STALL_MS;

	pthread_mutex_lock(&change->lock);
	while (change->queue.chunks >= CHANGE_CHUNKS_MAX && !change->result) {
		pthread_cond_signal(&change->wake);
		wait_told(change);
		pthread_mutex_unlock(&change->lock);
		pump_run(pump);
		pthread_mutex_lock(&change->lock);
		if (store_now_ms() >= end && change->queue.chunks >= CHANGE_CHUNKS_MAX)
			give_up(change, -ETIMEDOUT,
				"the disk takes too long; look for what keeps it busy and try "
				"again");
	}
	pthread_mutex_unlock(&change->lock);
}

struct change_op *
change_op_add(struct store_change *change, size_t size)
{
	struct change_op *op = NULL;

	pthread_mutex_lock(&change->lock);
	if (!change->result) {
		op = records_add(&change->queue, size);
		if (!op)
			give_up(change, -ENOMEM, "out of memory; change less at once");
	}
	if (!op)
		pthread_mutex_unlock(&change->lock);
	return op;
}

void
change_op_added(struct store_change *change)
{
	bool full = change->queue.chunks > 1;

	pthread_mutex_unlock(&change->lock);
	if (full)
		pthread_cond_signal(&change->wake);
}

void
store_change_put_device(struct store_change *change, const struct store_device *device)
{
	const struct device_spec *spec = &device->spec;
	const void *at[TEXT_COUNT] = {
		spec->endpoint, spec->identity, spec->key_len ? spec->key : NULL,
		spec->domain,   spec->groups,   spec->values
	};
	uint32_t len[TEXT_COUNT];
	struct change_op *op;
	struct record record;
	size_t size = 0, used = 0;

	for (unsigned i = 0; i < TEXT_COUNT; i++) {
		len[i] = !at[i]               ? NO_TEXT
			 : i == TEXT_KEY      ? spec->key_len
			 : i == TEXT_IDENTITY ? (uint32_t)device_spec_identity_len(spec)
			 : i == TEXT_SETTINGS ? (uint32_t)setting_values_size(at[i])
					      : (uint32_t)strlen(at[i]);
		size += at[i] ? len[i] : 0;
	}
	op = change_op_add(change, sizeof *op + size);
	if (!op)
		return;
	record = op->record;
	*op = (struct change_op){
		.record = record,
		.kind = OP_PUT,
		.key_is_hex = spec->key_is_hex,
		.nosec = spec->nosec,
		.format = device->format,
		.id = device->id,
		.created_ms = spec->created_ms,
		.last_bootstrap_ms = device->last_bootstrap_ms,
	};
	for (unsigned i = 0; i < TEXT_COUNT; i++) {
		op->len[i] = len[i];
		if (!at[i])
			continue;
		memcpy(op->bytes + used, at[i], len[i]);
		used += len[i];
	}
	change_op_added(change);
	if (device->id >= change->store->next_device)
		change->store->next_device = device->id + 1;
}

/* News for when the change is through: until then nothing of it may show. */
static void
journal_later(struct store_change *change, const struct journal_entry *entry, const uint8_t *name,
	      size_t len)
{
	struct journal_entry *copy = records_add(&change->after, sizeof *copy + len);
	struct record record;

	if (!copy) {
		pthread_mutex_lock(&change->lock);
		give_up(change, -ENOMEM, "out of memory; change less at once");
		pthread_mutex_unlock(&change->lock);
		return;
	}
	record = copy->record;
	*copy = *entry;
	copy->record = record;
	copy->name_len = (uint32_t)len;
	if (len)
		memcpy(copy->text, name, len);
}

void
store_change_remove_device(struct store_change *change, uint32_t id)
{
	struct change_op *op = change_op_add(change, sizeof *op);
	struct record record;

	if (!op)
		return;
	record = op->record;
	*op = (struct change_op){ .record = record, .kind = OP_REMOVE, .id = id };
	change_op_added(change);
	journal_later(change, &(struct journal_entry){ .kind = JOURNAL_REMOVED, .device = id },
		      NULL, 0);
}

void
store_change_reseal(struct store_change *change, uint32_t from)
{
	struct change_op *op = change_op_add(change, sizeof *op);
	struct record record;

	if (!op)
		return;
	record = op->record;
	*op = (struct change_op){ .record = record, .kind = OP_RESEAL, .id = from };
	change_op_added(change);
}

void
store_change_follow(struct store_change *change, const char *cluster, uint64_t revision)
{
	size_t len = cluster ? strlen(cluster) : 0;
	struct change_op *op = change_op_add(change, sizeof *op + len);
	struct record record;

	if (!op)
		return;
	record = op->record;
	*op = (struct change_op){ .record = record, .kind = OP_FOLLOW, .revision = revision };
	op->len[TEXT_ENDPOINT] = cluster ? (uint32_t)len : NO_TEXT;
	if (len)
		memcpy(op->bytes, cluster, len);
	change_op_added(change);
}

void
store_change_remove_unknown(struct store_change *change, const uint8_t *name, size_t len)
{
	journal_later(change, &(struct journal_entry){ .kind = JOURNAL_FORGET }, name, len);
}

static void
journal_after_commit(struct store_change *change)
{
	const struct journal_entry serial = { .kind = JOURNAL_SERIAL, .count = change->serial };
	struct records_at at = { 0 };
	const struct journal_entry *entry;

	store_writer_put(&change->store->writer, &serial, &(struct journal_text){ 0 });
	while ((entry = records_next(&change->after, &at))) {
		struct journal_text text = { entry->text, entry->name_len, NULL };

		store_writer_put(&change->store->writer, entry, &text);
	}
}

static void
close_change(struct store_change *change)
{
	assert(change->open && change->done);
	records_clear(&change->after);
	change->open = false;
	pthread_cond_signal(&change->wake); /* the thread may have waited for this to be idle */
}

void
store_change_rollback(struct store_change *change)
{
	pthread_mutex_lock(&change->lock);
	change->wish = CHANGE_ROLLBACK;
	change->cancel = true;
	pthread_cond_signal(&change->wake);
	/* Again and again: between two statements it interrupts nothing. */
	while (!change->done) {
		if (!change->finishing)
			sqlite3_interrupt(change->file->db);
		wait_told(change);
	}
	close_change(change);
	pthread_mutex_unlock(&change->lock);
}

/* Who asks why a command took a minute finds here whether the disk did. True: it was told. */
static bool
tell_slow(const struct store_change *change, bool finishing, uint64_t waited_ms)
{
	if (waited_ms < change->slow_ms)
		return false;
	log_event(SEVERITY_WARNING, LOG_EVENT_store_trouble, NULL,
		  "%s: a change waits for the disk for %.1f s: %s", change->file->path,
		  (double)waited_ms / 1000,
		  finishing ? "it is being committed" : "its statements are not through");
	return true;
}

static void
tell_slow_end(const struct store_change *change, uint64_t waited_ms)
{
	log_event(SEVERITY_WARNING, LOG_EVENT_store_trouble, NULL,
		  "%s: the change that waited for the disk ended after %.1f s", change->file->path,
		  (double)waited_ms / 1000);
}

int
store_change_commit(struct store_change *change, unsigned wait_ms, const struct pump *pump,
		    char error[STORE_ERROR_MAX])
{
	uint64_t begun = store_now_ms(), end = begun + wait_ms;
	bool finishing, slow = false;
	int result;

	assert(change->open);
	pthread_mutex_lock(&change->lock);
	change->wish = CHANGE_COMMIT;
	pthread_cond_signal(&change->wake);
	while (!change->done) {
		wait_told(change);
		finishing = change->finishing;
		pthread_mutex_unlock(&change->lock);
		slow = slow || tell_slow(change, finishing, store_now_ms() - begun);
		pump_run(pump);
		pthread_mutex_lock(&change->lock);
		if (store_now_ms() < end || change->done || change->finishing)
			continue;
		change->cancel = true;
		sqlite3_interrupt(change->file->db);
	}
	result = change->result;
	if (result)
		snprintf(error, STORE_ERROR_MAX, "%s", change->error);
	pthread_mutex_unlock(&change->lock);
	if (slow)
		tell_slow_end(change, store_now_ms() - begun);
	if (!result)
		journal_after_commit(change);
	pthread_mutex_lock(&change->lock);
	close_change(change);
	pthread_mutex_unlock(&change->lock);
	return result;
}
