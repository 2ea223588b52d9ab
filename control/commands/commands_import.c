/* Devices in bulk: import and export. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/cluster/cluster.h"
#include "control/commands/show.h"
#include "control/config/diag_text.h"
#include "control/inventory/export.h"
#include "control/store/sealed_file.h"
#include "control/inventory/import.h"
#include "control/inventory/setting_values.h"
#include "control/runs/device_change.h"
#include "control/runs/publish.h"
#include "control/runs/reload.h"
#include "control/slice.h"

enum {
	PUMP_ROWS = 500,             /* between two looks at workers, or fewer (slice.h) */
	COMMIT_WAIT_MS = 10 * 60000, /* a million devices on a slow disk */
};

/* The format that was asked for, or that the file's name or first byte tells. */
static enum import_format
format_of(struct call *call, bool reading)
{
	const char *wanted = call_option(call, "--format");
	enum import_format format = IMPORT_UNKNOWN;
	char first = 0;

	if (wanted) {
		format = import_format_by_name(wanted);
		if (format == IMPORT_UNKNOWN)
			call_refuse(call, CTL_USAGE, "a format is csv or jsonl, not \"%s\"",
				    wanted);
		return format;
	}
	if (call->arguments[0])
		format = import_format_by_file(call->arguments[0]);
	if (format != IMPORT_UNKNOWN)
		return format;
	return reading && pread(call->fd, &first, 1, 0) == 1 && first == '{' ? IMPORT_JSONL
									     : IMPORT_CSV;
}

/* ---- import ---- */

/* A file on its way into the inventory: everything that can fail is done before it is kept. */
struct importing {
	struct call *call;
	struct service *service;
	bool verify_only, skip_bad;
	struct store_change *change; /* NULL: nothing is to be kept */
	struct cluster_edit *edit;   /* NULL: the inventory is no cluster's, or nothing is to be kept */
	struct device_draft *drafts;
	size_t n, capacity;
	uint64_t added, changed, unchanged;
	uint32_t first_id; /* that a new device would get */
	struct diag_list diags;
	struct slice slice;
};

/* Whether the inventory has it already, to the byte. */
static bool
is_unchanged(const struct service *service, const struct device_draft *draft,
	     const struct device_spec *spec)
{
	const struct device *present = inventory_at(&service->inventory, draft->entry->id);
	struct device_names names;
	struct device_spec old;
	bool same;

	if (!present)
		return false;
	device_to_spec(&service->inventory, present, &names, &old);
	same = present->groups == draft->groups && device_spec_same(&old, spec);
	explicit_bzero(old.key, sizeof old.key);
	return same;
}

static int
keep_draft(struct importing *importing, struct device_draft *draft)
{
	struct device_draft *drafts;

	if (importing->n == importing->capacity) {
		importing->capacity = importing->capacity ? importing->capacity * 2 : 1024;
		drafts = realloc(importing->drafts, importing->capacity * sizeof *drafts);
		if (!drafts)
			return -ENOMEM;
		importing->drafts = drafts;
	}
	assert(importing->n < importing->capacity);
	importing->drafts[importing->n++] = *draft;
	return 0;
}

static enum import_verdict
take_draft(struct importing *importing, struct device_draft *draft, const struct device_spec *spec)
{
	struct store_device kept;

	if (is_unchanged(importing->service, draft, spec)) {
		importing->unchanged++;
		device_draft_fini(draft);
		return IMPORT_TAKEN;
	}
	importing->added += draft->is_new;
	importing->changed += !draft->is_new;
	if (importing->verify_only) {
		device_draft_fini(draft);
		return IMPORT_TAKEN;
	}
	if (importing->change) {
		kept = device_change_record(importing->service, draft, spec);
		store_change_put_device(importing->change, &kept);
		cluster_edit_put(importing->edit, &kept.spec);
		explicit_bzero(kept.spec.key, sizeof kept.spec.key);
	}
	if (keep_draft(importing, draft) == 0)
		return IMPORT_TAKEN;
	device_draft_fini(draft);
	return IMPORT_STOP;
}

static void
pump_rows(struct importing *importing)
{
	if (slice_is_over(&importing->slice, PUMP_ROWS))
		slice_pump(&importing->slice, &importing->service->pump);
}

static enum import_verdict
import_device(void *ctx, const struct device_spec *spec, uint32_t line)
{
	struct importing *importing = ctx;
	struct place place = { .file = importing->call->arguments[0], .line = line };
	char error[STORE_ERROR_MAX];
	struct device_draft draft;
	int result = device_change_draft(importing->service, spec, &draft, error);

	if (result == 0 && device_change_try(importing->service, &draft, error) < 0) {
		device_draft_fini(&draft);
		result = -EINVAL;
		slice_pump(&importing->slice, &importing->service->pump); /* it took its time */
	}
	pump_rows(importing);
	if (call_cancelled(importing->call)) {
		if (result == 0)
			device_draft_fini(&draft);
		return IMPORT_STOP;
	}
	if (importing->change)
		store_change_make_room(importing->change, &importing->service->pump);
	if (result == 0)
		return take_draft(importing, &draft, spec);
	diag_error(&importing->diags, &place, "device %s: %s", spec->endpoint, error);
	return result == -ENOMEM ? IMPORT_STOP : IMPORT_REJECTED;
}

static bool
import_progress(void *ctx, const struct import_progress *progress)
{
	struct importing *importing = ctx;

	pump_run(&importing->service->pump);
	call_tell(importing->call, "reading devices: %llu rows, %llu %%",
		  (unsigned long long)progress->rows,
		  (unsigned long long)(progress->total ? progress->bytes * 100 / progress->total
						       : 0));
	return !call_cancelled(importing->call);
}

/* Nothing of it is to be. */
static void
abandon(struct importing *importing)
{
	if (importing->change)
		store_change_rollback(importing->change);
	importing->change = NULL;
	cluster_edit_abandon(importing->edit);
	importing->edit = NULL;
	for (size_t i = 0; i < importing->n; i++)
		device_draft_fini(&importing->drafts[i]);
	importing->n = 0;
	importing->service->inventory.next_id = importing->first_id;
}

static uint32_t
make_live(struct importing *importing)
{
	struct publish_progress progress = { .tell = call_tell_live, .ctx = importing->call };
	uint32_t failed = publish_drafts(importing->service, importing->drafts, (uint32_t)importing->n, &progress);

	importing->n = 0;
	return failed;
}

/* Kept first, then live. */
static void
commit_import(struct importing *importing)
{
	struct call *call = importing->call;
	char error[STORE_ERROR_MAX];
	uint32_t failed;
	int result = 0;

	assert(!importing->verify_only);
	call_must_end(call, "its devices are being kept, and then made live");
	if (importing->edit) {
		call_tell(call, "writing %zu device%s into the cluster's database", importing->n,
			  PLURAL(importing->n));
		result = cluster_edit_commit(importing->edit, COMMIT_WAIT_MS, &importing->service->pump,
					     error);
		importing->edit = NULL;
	}
	if (importing->change && result == 0) {
		call_tell(call, "writing %zu device%s", importing->n, PLURAL(importing->n));
		result = store_change_commit(importing->change, COMMIT_WAIT_MS,
					     &importing->service->pump, error);
		importing->change = NULL;
		if (result < 0)
			cluster_edit_not_kept(importing->service->cluster);
	}
	if (result < 0) {
		call_refuse(call, CTL_REFUSED, "nothing was imported: %s", error);
		abandon(importing);
		return;
	}
	failed = make_live(importing);
	if (failed)
		call_refuse(call, CTL_REFUSED,
			    "%u devices are kept, but cannot be served before a restart: out of "
			    "memory",
			    failed);
}

static void
put_summary(struct importing *importing, const struct import_result *result, bool applied)
{
	struct call *call = importing->call;
	struct text *text = call->exit == CTL_DONE ? &call->text : &call->error;

	diag_text_put(&importing->diags, text);
	text_show(text, "%llu row%s: %llu new, %llu changed, %llu unchanged, %llu bad; %s",
		  (unsigned long long)result->rows, PLURAL(result->rows),
		  (unsigned long long)importing->added, (unsigned long long)importing->changed,
		  (unsigned long long)importing->unchanged, (unsigned long long)result->bad,
		  importing->verify_only ? "only verified"
		  : applied              ? "imported"
					 : "nothing was imported");
	if (call->exit == CTL_DONE)
		text_put(text, "\n", 1);
	call->result = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "rows", (json_int_t)result->rows, "added",
		(json_int_t)importing->added, "changed", (json_int_t)importing->changed,
		"unchanged", (json_int_t)importing->unchanged, "bad", (json_int_t)result->bad,
		"applied", applied, "diagnostics", diag_text_json(&importing->diags));
}

static void
finish_import(struct importing *importing, int status, const struct import_result *result)
{
	struct call *call = importing->call;
	bool good = status == 0 && (!result->bad || importing->skip_bad) && !call_cancelled(call);
	bool applied = false;

	if (good && !importing->verify_only) {
		commit_import(importing);
		applied = call->exit == CTL_DONE;
	} else {
		abandon(importing);
	}
	if (call_cancelled(call) && !applied)
		call_refuse(call, CTL_REFUSED, "cancelled\n");
	else if (status == -ENOMEM || status == -ECANCELED)
		call_refuse(call, CTL_REFUSED, "out of memory\n");
	/* Rows that were left out are something that was asked for and not done. */
	if (!good || result->bad)
		call->exit = CTL_REFUSED;
	put_summary(importing, result, applied);
	if (!good && result->bad && !importing->verify_only && !call_cancelled(call))
		text_show(&call->error, ": --skip-bad imports the good ones all the same");
}

/* False after refusing. */
static bool
begin_import(struct importing *importing)
{
	struct call *call = importing->call;
	char error[CLUSTER_ERROR_MAX];

	if (cluster_edit_begin(call->service->cluster, CLUSTER_EDIT, &importing->edit, error) < 0) {
		call_refuse(call, CTL_REFUSED, "%s", error);
		return false;
	}
	if (!call->service->store)
		return true;
	importing->change = store_change_begin(call->service->store);
	if (importing->change)
		return true;
	cluster_edit_abandon(importing->edit);
	call_refuse(call, CTL_REFUSED, "another change is being written: try again");
	return false;
}

/*
 * A file that `device export --seal` wrote says which format is in it. False and a refusal: it does not open here.
 * `*sealed` is for sealed_in_free(), NULL where the file is plain.
 */
static bool
unseal(struct call *call, struct import_source *source, enum import_format *format, struct sealed_in **sealed)
{
	struct store *store = call->service->store;
	char error[SEALED_ERROR_MAX];
	uint8_t inside = 0;

	if (!sealed_in_is(call->fd))
		return true;
	*sealed = sealed_in_new(call->fd, store ? store_sealer(store) : NULL, &inside, error);
	if (!*sealed) {
		call_refuse(call, CTL_REFUSED, "the file %s", error);
		return false;
	}
	*format = inside == IMPORT_JSONL ? IMPORT_JSONL : IMPORT_CSV;
	source->read = sealed_in_read;
	source->read_ctx = *sealed;
	return true;
}

void
command_device_import(struct call *call)
{
	struct importing importing = {
		.call = call,
		.service = call->service,
		.verify_only = call_option(call, "--verify-only") != NULL,
		.skip_bad = call_option(call, "--skip-bad") != NULL,
		.first_id = call->service->inventory.next_id,
	};
	const struct import_calls calls = { &importing, import_device, import_progress };
	struct import_source source = { .fd = call->fd, .name = call->arguments[0] };
	enum import_format format = format_of(call, true);
	struct sealed_in *sealed = NULL;
	struct import_result result = { 0 };
	int status;

	if (call->exit != CTL_DONE || !unseal(call, &source, &format, &sealed))
		return;
	if (!importing.verify_only && !begin_import(&importing)) {
		sealed_in_free(sealed);
		return;
	}
	diag_list_init(&importing.diags);
	call_may_cancel(call);
	status = import_read(format, &source, &calls, &importing.diags, &result);
	finish_import(&importing, status, &result);
	diag_list_fini(&importing.diags);
	free(importing.drafts);
	sealed_in_free(sealed);
}

/* ---- export ---- */

struct exporting {
	struct call *call;
	struct export *export;
	struct sealed_out *sealed; /* NULL: it is plain */
	const struct policy_group *group;
	uint64_t written;
};

static bool
is_exported(const struct exporting *exporting, const struct device *device)
{
	struct service *service = exporting->call->service;
	const struct task_set *set;

	if (!exporting->group)
		return true;
	set = generation_task_set(service->generation, &service->inventory, device->groups);
	return set && task_set_in(set, exporting->group);
}

/* Calls export_see() or export_put() for every device. 0 or -errno. */
static int
export_each(struct exporting *exporting,
	    int (*each)(struct export *export, const struct device_spec *device), const char *doing)
{
	struct inventory *inventory = &exporting->call->service->inventory;
	struct device_names names;
	struct device_spec spec;
	struct device *device;
	struct slice slice = { 0 };
	uint64_t n = 0;
	int result = 0;

	for (uint32_t id = 0; result == 0 && (device = inventory_next(inventory, &id)); id++) {
		if (!is_exported(exporting, device))
			continue;
		device_to_spec(inventory, device, &names, &spec);
		result = each(exporting->export, &spec);
		explicit_bzero(spec.key, sizeof spec.key);
		n++;
		if (slice_is_over(&slice, PUMP_ROWS)) {
			slice_pump(&slice, &exporting->call->service->pump);
			call_tell(exporting->call, "%s devices: %llu of %u", doing,
				  (unsigned long long)n, inventory->count);
			result = result ? result : call_cancelled(exporting->call) ? -ECANCELED : 0;
		}
	}
	exporting->written = n;
	return result;
}

/* False and a refusal, where sealing was asked for and there is no key. */
static bool
may_seal(struct call *call)
{
	struct store *store = call->service->store;

	if (!call_option(call, "--seal") || (store && store_sealer(store)))
		return true;
	call_refuse(call, CTL_REFUSED,
		    "there is no key to seal under: `cradled --make-kek FILE`, and kek = \"FILE\" in cradle.conf");
	return false;
}

/* 0 or -ENOMEM. */
static int
begin_export(struct exporting *exporting, enum import_format format)
{
	struct call *call = exporting->call;
	bool sealed = call_option(call, "--seal") != NULL;

	exporting->export = export_new(call->fd, format, sealed || call_option(call, "--secrets"));
	if (exporting->export && sealed)
		exporting->sealed = sealed_out_new(call->fd, store_sealer(call->service->store), (uint8_t)format);
	if (!exporting->export || (sealed && !exporting->sealed))
		return -ENOMEM;
	if (sealed)
		export_write_to(exporting->export, sealed_out_write, exporting->sealed);
	return 0;
}

static int
end_export(struct exporting *exporting, int result)
{
	if (result == 0)
		result = export_finish(exporting->export);
	if (result == 0 && exporting->sealed)
		result = sealed_out_finish(exporting->sealed);
	export_free(exporting->export);
	sealed_out_free(exporting->sealed);
	return result;
}

static const char *
what_of_secrets(struct call *call)
{
	return call_option(call, "--seal")      ? "keys included, sealed under the key-encryption key"
	       : call_option(call, "--secrets") ? "keys included"
						: "keys and secrets left out (--secrets)";
}

void
command_device_export(struct call *call)
{
	const char *group = call_option(call, "--group");
	struct exporting exporting = { .call = call };
	enum import_format format = format_of(call, false);
	int result;

	if (call->exit == CTL_DONE && group)
		exporting.group = call_group(call, group);
	if (call->exit != CTL_DONE || !may_seal(call))
		return;
	call_may_cancel(call);
	result = begin_export(&exporting, format);
	if (result == 0)
		result = export_each(&exporting, export_see, "looking at");
	if (result == 0)
		result = export_each(&exporting, export_put, "writing");
	result = end_export(&exporting, result);
	if (result == -E2BIG)
		call_refuse(call, CTL_REFUSED,
			    "more than %d columns: write JSON lines (--format jsonl)",
			    IMPORT_COLUMNS_MAX);
	else if (result == -ECANCELED)
		call_refuse(call, CTL_REFUSED, "cancelled: nothing was written");
	else if (result < 0)
		call_refuse(call, CTL_REFUSED, "cannot be written: %s", strerror(-result));
	if (result < 0)
		return;
	if (call->arguments[0])
		text_show(&call->text, "%llu devices written, %s\n",
			  (unsigned long long)exporting.written, what_of_secrets(call));
	call->result = json_pack("{s:I}", "devices", (json_int_t)exporting.written);
}
