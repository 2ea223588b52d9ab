#include "control/runs/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/clock.h"
#include "control/config/config_host.h"
#include "control/config/diag_text.h"
#include "control/file_replace.h"
#include "control/file_set.h"
#include "control/log.h"
#include "control/notify.h"
#include "control/runs/costly_tasks.h"
#include "control/runs/policy_share.h"
#include "control/runs/publish.h"
#include "control/runs/reload_changes.h"
#include "control/runs/service.h"
#include "control/runs/trust_publish.h"
#include "control/store/keyring.h"

enum { LINE_MAX_BYTES = 1024 };

/* What a check says of a configuration, which it frees with the diagnostics. */
static int
finish_check(const char *file, struct config *config, struct generation *generation,
	     struct diag_list *diags, struct check_outcome *outcome)
{
	bool good = config && diags->errors == 0;
	struct text *text = outcome->text;

	diag_text_put(diags, text);
	if (good && generation)
		text_show(text, "%s: good: %u group%s, %u task%s, %u server%s\n", file,
			  generation->policy->n_groups, PLURAL(generation->policy->n_groups),
			  generation->policy->n_tasks, PLURAL(generation->policy->n_tasks),
			  generation->policy->n_servers, PLURAL(generation->policy->n_servers));
	else if (good)
		text_show(text, "%s: good\n", file);
	else
		text_show(text, "%s: %zu error%s\n", file, diags->errors,
			  diags->errors == 1 ? "" : "s");
	outcome->result =
		json_pack("{s:b, s:i, s:i, s:o}", "good", good, "errors", (int)diags->errors,
			  "warnings", (int)diags->warnings, "diagnostics", diag_text_json(diags));
	if (generation)
		generation_release(generation);
	config_free(config);
	diag_list_fini(diags);
	return good ? 0 : -EINVAL;
}

/* What is behind it is of the machine. */
static void
check_kek(const struct config *config, bool host, struct diag_list *diags)
{
	const struct place place = { .file = config->file, .tag = "kek" };
	char error[KEYRING_ERROR_MAX];
	struct keyring keyring;

	if (!config->kek)
		return;
	if (!keyring_is_source(config->kek))
		diag_error(diags, &place, "it is /FILE, credential:NAME or pkcs11:URI, not \"%s\"",
			   config->kek);
	else if (host && keyring_load(config->kek, &keyring, error) < 0)
		diag_error(diags, &place, "%s", error);
	keyring_wipe(&keyring);
}

/* A check changes nothing. */
static void
tell_open_change(const char *folder, struct diag_list *diags)
{
	const struct place place = { .file = folder };

	if (file_set_is_open(folder))
		diag_warning(diags, &place,
			     "a change of its files was interrupted: the appliance ends it at its "
			     "next start or reload; what is checked may be a mix of two versions");
}

int
reload_check(const char *file, struct check_outcome *outcome)
{
	struct config_host host;
	struct generation *generation = NULL;
	struct diag_list diags;
	struct config *config;

	diag_list_init(&diags);
	config = config_load(file, &diags);
	if (config && outcome->host) {
		config_host_read(&host);
		config_check_host(config, &host, &diags);
	}
	if (config && outcome->inventory)
		generation_check_nosec(config, outcome->inventory, &diags);
	if (config)
		check_kek(config, outcome->host, &diags);
	if (config)
		tell_open_change(config->policy, &diags);
	if (config)
		generation = generation_load(config, 0, &diags);
	if (generation && outcome->inventory)
		generation_check_groups(generation, outcome->inventory, &diags);
	if (generation && outcome->service && !diags.errors)
		costly_tasks_check(outcome->service, generation, &diags);
	return finish_check(file, config, generation, &diags, outcome);
}

/* A folder of a client's configuration is read only where it is one that runs anyway. */
static bool
is_ours(const char *setting, const char *folder, const char *running, struct diag_list *diags)
{
	struct place place = { .tag = setting };

	if (strcmp(folder, running) == 0)
		return true;
	diag_warning(
		diags, &place,
		"%s is not the folder that runs, and is not read for a client: `cradlectl check "
		"--offline -c FILE` checks it with your own permissions",
		folder);
	return false;
}

/* The same for the file of targets: it names others, and templates. */
static void
leave_foreign_outbox(struct config *config, const struct config *running, struct diag_list *diags)
{
	if (!config->outbox ||
	    is_ours("outbox", config->outbox, running->outbox ? running->outbox : "", diags))
		return;
	free(config->outbox);
	config->outbox = NULL;
}

int
reload_check_text(struct service *service, const struct check_source *source,
		  struct check_outcome *outcome)
{
	const struct config *running = service->config;
	struct generation *generation = NULL;
	struct diag_list diags;
	struct config *config;

	diag_list_init(&diags);
	config = config_parse(source->file, source->text, source->len, &diags);
	if (config)
		generation_check_nosec(config, &service->inventory, &diags);
	if (config)
		leave_foreign_outbox(config, running, &diags);
	if (config && is_ours("policy", config->policy, running->policy, &diags) &&
	    is_ours("objects", config->objects, running->objects, &diags))
		generation = generation_load(config, 0, &diags);
	if (generation)
		generation_check_groups(generation, &service->inventory, &diags);
	if (generation && !diags.errors)
		costly_tasks_check(service, generation, &diags);
	return finish_check(source->file, config, generation, &diags, outcome);
}

/* ---- making it live ---- */

/* What the publication of many devices looks at. */
struct publication {
	struct service *service;
	struct generation *old, *new;
	reload_pump *pump;
	void *pump_ctx;
};

static bool
has_changed(void *ctx, uint32_t groups)
{
	const struct publication *publication = ctx;

	return generation_changes(publication->old, publication->new,
				  &publication->service->inventory, groups);
}

static void
tell_progress(void *ctx, uint32_t done, uint32_t total)
{
	const struct publication *publication = ctx;

	if (publication->pump)
		publication->pump(publication->pump_ctx, done, total);
}

/*
 * A loaded generation becomes the service's: devices whose tasks or values it changes are compiled
 * anew, slice by slice, while workers' events are answered. A device has what it had, or what the
 * new one says; none is without. Returns how many kept what they had for lack of memory.
 */
static uint32_t
publish_generation(struct service *service, struct generation *generation, reload_pump *pump,
		   void *ctx)
{
	struct generation *old = service->generation;
	struct publication publication = { service, old, generation, pump, ctx };
	struct publish_progress progress = { .marked = old ? has_changed : NULL,
					     .tell = tell_progress,
					     .ctx = &publication };
	uint32_t failed;

	trust_go_on(generation, old);
	service->generation = generation;
	generation->live_since_ms = clock_now_ms();
	service->last_number = generation->number;
	deliveries_use(service);
	feed_put(&service->feed, &(struct feed_event){ .kind = FEED_GENERATION,
						       .at_ms = generation->live_since_ms,
						       .number = generation->number });
	if (trust_publish(service) < 0)
		log_event(SEVERITY_WARNING, LOG_EVENT_out_of_memory, NULL,
			  "out of memory: certificates are taken as before; reload again");
	failed = publish_devices(service, &progress);
	if (old)
		generation_release(old);
	return failed;
}

/* ---- settings ---- */

/* What is live from now on. */
static int
apply_settings(struct service *service, const struct config *config)
{
	if (config_apply_live(service->config, config) < 0)
		return -ENOMEM;
	log_open((enum log_target)service->config->log_target,
		 (enum severity)service->config->log_level);
	log_set_format((enum log_format)service->config->log_format);
	return trust_publish_limits(service);
}

/* One reload in progress. */
struct transaction {
	struct service *service;
	struct config *config;
	struct generation *generation;
	struct config_changes changes;
	struct diag_list diags;
	uint64_t begun_us;
	double begun_cpu_s;
	const struct reload_wish *wish;
	uint64_t shared; /* the version that the cluster's policy is now; 0: as before */
};

/* Of this thread, whatever else the machine does. */
static double
cpu_seconds(void)
{
	struct timespec spent;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
	return (double)spent.tv_sec + (double)spent.tv_nsec / 1e9;
}

/* A process that was killed, or a disk that failed, may have left the folder between two versions. */
static void
end_open_change(const char *folder, struct diag_list *diags)
{
	const struct place place = { .file = folder };
	struct text said;
	int result;

	text_init(&said);
	result = file_set_recover(folder, &said);
	if (result < 0)
		diag_error(diags, &place,
			   "a change of its files was interrupted, and cannot be ended: %s%s",
			   strerror(-result), file_remedy(-result));
	else if (result > 0)
		diag_warning(diags, &place, "%s", text_str(&said));
	if (result > 0)
		log_event(SEVERITY_WARNING, LOG_EVENT_policy_recovered, NULL, "%s: %s", folder,
			  text_str(&said));
	text_fini(&said);
}

/* The last thing that may fail: what all members get is live here at once. */
static void
share(struct transaction *t)
{
	const struct policy_pushing pushing = { .folder = t->config->policy,
						.policy = t->generation->policy,
						.note = t->wish->note,
						.first = t->wish->make_first,
						.urgent = t->wish->urgent };

	t->shared = policy_share_push(t->service, &pushing, &t->diags);
}

static int
prepare(struct transaction *t)
{
	struct service *service = t->service;
	struct place place = { .file = service->config->file };

	t->config = t->wish->from_cluster ? service->config
					  : config_load(service->config->file, &t->diags);
	if (!t->config)
		return -EINVAL;
	end_open_change(t->config->policy, &t->diags);
	t->generation = generation_load(t->config, service->last_number + 1, &t->diags);
	if (!t->generation || t->diags.errors)
		return -EINVAL;
	if (config_compare(service->config, t->config, &t->changes) < 0) {
		diag_error(&t->diags, &place, "out of memory");
		return -EINVAL;
	}
	if (generation_number_tasks(t->generation, &service->reports) < 0)
		diag_error(&t->diags, &place, "out of memory");
	if (!t->wish->devices_follow)
		generation_check_groups(t->generation, &service->inventory, &t->diags);
	generation_check_nosec(t->config, &service->inventory, &t->diags);
	if (!t->diags.errors)
		costly_tasks_check(service, t->generation, &t->diags);
	if (!t->diags.errors && !t->wish->from_cluster)
		share(t);
	return t->diags.errors ? -EINVAL : 0;
}

static int
refuse(struct transaction *t, struct text *text, json_t **result)
{
	uint32_t number = t->service->generation->number;

	diag_text_put(&t->diags, text);
	policy_health_fail_diags(&t->service->policy_health, clock_now_ms(), &t->diags);
	text_show(text, "still running generation %u\n", number);
	*result = json_pack("{s:b, s:I, s:o}", "reloaded", 0, "generation", (json_int_t)number,
			    "diagnostics", diag_text_json(&t->diags));
	log_event(SEVERITY_WARNING, LOG_EVENT_reload_refused, NULL,
		  "reload refused with %zu error%s; still running generation %u", t->diags.errors,
		  PLURAL(t->diags.errors), number);
	for (size_t i = 0; i < t->diags.count; i++) {
		char line[LINE_MAX_BYTES];

		diag_format(&t->diags.items[i], line, sizeof line);
		log_event(SEVERITY_WARNING, LOG_EVENT_diagnostic, NULL, "%s", line);
	}
	return -EINVAL;
}

static void
put_devices(const struct transaction *t, uint32_t failed, struct text *text, json_t *result)
{
	const struct inventory *inventory = &t->service->inventory;

	if (failed)
		text_show(text,
			  "warning: %u devices keep what they had: out of memory; reload again "
			  "when there is more\n",
			  failed);
	json_object_set_new(result, "devices", json_integer(inventory->count));
	json_object_set_new(result, "devices_refused", json_integer(inventory->refused));
	json_object_set_new(result, "devices_failed", json_integer(failed));
}

static void
put_shared(const struct transaction *t, struct text *text, json_t *result)
{
	if (t->service->share.alone && !t->wish->from_cluster)
		text_show(text, "%s\n", t->service->share.trouble);
	if (!t->shared)
		return;
	text_show(text, "version %llu of the cluster's policy\n", (unsigned long long)t->shared);
	json_object_set_new(result, "cluster_policy", json_integer((json_int_t)t->shared));
}

static int
commit(struct transaction *t, struct text *text, json_t **result)
{
	struct service *service = t->service;
	struct generation *old = service->generation, *new = t->generation;
	double seconds, cpu_s;
	uint32_t failed;

	*result = json_object();
	diag_text_put(&t->diags, text);
	if (t->config != service->config && apply_settings(service, t->config) < 0)
		text_show(text, "warning: some settings were not applied: out of memory\n");
	text_show(text, "generation %u -> %u\n", old->number, new->number);
	reload_put_tasks(old, new, text, *result);
	json_object_set_new(*result, "reloaded", json_true());
	json_object_set_new(*result, "old_generation", json_integer(old->number));
	json_object_set_new(*result, "generation", json_integer(new->number));
	json_object_set_new(*result, "diagnostics", diag_text_json(&t->diags));
	t->generation = NULL; /* the service's now */
	/* They were numbered when the files were read; a refused reload forgets nothing. */
	generation_forget_other_tasks(new, &service->reports);
	policy_health_mend(&service->policy_health);
	failed = publish_generation(service, new, t->wish->pump, t->wish->pump_ctx);
	put_devices(t, failed, text, *result);
	put_shared(t, text, *result);
	reload_put_settings(&t->changes, true, text, *result);
	reload_put_settings(&t->changes, false, text, *result);
	seconds = (double)(clock_now_us() - t->begun_us) / 1e6;
	cpu_s = cpu_seconds() - t->begun_cpu_s;
	text_show(text,
		  "live after %.3f s, %.3f s of the control thread: %u device%s, %u of them with "
		  "nothing to send\n",
		  seconds, cpu_s, service->inventory.count, PLURAL(service->inventory.count),
		  service->inventory.refused);
	json_object_set_new(*result, "seconds", json_real(seconds));
	json_object_set_new(*result, "control_thread_s", json_real(cpu_s));
	log_event(SEVERITY_NOTICE, LOG_EVENT_generation_live, NULL,
		  "generation %u is live: %u task%s, %u device%s, %.3f s", new->number,
		  new->policy->n_tasks, PLURAL(new->policy->n_tasks), service->inventory.count,
		  PLURAL(service->inventory.count), seconds);
	return 0;
}

int
reload_run(struct service *service, const struct reload_wish *wish, struct text *text,
	   json_t **result)
{
	struct transaction t = { .service = service,
				 .begun_us = clock_now_us(),
				 .begun_cpu_s = cpu_seconds(),
				 .wish = wish };
	int status;

	notify_reloading();
	diag_list_init(&t.diags);
	status = prepare(&t) < 0 ? refuse(&t, text, result) : commit(&t, text, result);
	if (t.generation)
		generation_release(t.generation);
	config_changes_free(&t.changes);
	if (t.config != service->config)
		config_free(t.config);
	diag_list_fini(&t.diags);
	notify_ready();
	return status;
}
