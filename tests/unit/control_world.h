/*
 * control_world.h - a folder of configuration, a daemon on a fake dataplane: what tests of
 * reload, events and commands share.
 */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/clock.h"
#include "control/commands/commands.h"
#include "control/daemon.h"
#include "control/inventory/setting_values.h"
#include "control/runs/device_change.h"
#include "control/runs/events.h"
#include "control/runs/publish.h"
#include "control/runs/reload.h"
#include "control/runs/restore.h"
#include "tests/unit/fake_dataplane.h"

struct world {
	char folder[64];
	struct dataplane dp;
	struct daemon daemon;
	struct service *service; /* the daemon's */
	struct text text; /* of the last reload */
	json_t *result;
};

#define WORLD_CONF                                                                                 \
	"ports = ( { device = \"fake0\"; addresses = [ \"198.18.0.1/24\" ]; } );\n"                \
	"listeners = ( { port = 5683; security = \"nosec\"; } );\n"                                \
	"log = { level = \"error\"; };\n"

#define WORLD_GROUPS                                                                               \
	"groups = (\n"                                                                             \
	"  { name = \"root\"; },\n"                                                                \
	"  { name = \"root.a\"; values = { shared = \"one\"; };\n"                                 \
	"    tasks = ( { name = \"first\"; file = \"first.xml\"; } ); }\n"                         \
	");\n"

#define WORLD_TASK                                                                                 \
	"<config>\n"                                                                               \
	" <lwm2mBootstrap>\n"                                                                      \
	"  <write key=\"/0/2/0\" value=\"coap://h:1\" />\n"                                        \
	"  <write key=\"/0/2/10\" value=\"2\" />\n"                                                \
	"  <write key=\"/0/2/5\" value=\"${sv.id.encodeHex}\" />\n"                                \
	"  <write key=\"/1/0/0\" value=\"2\" />\n"                                                 \
	" </lwm2mBootstrap>\n"                                                                     \
	"</config>\n"

static inline void
world_write(const struct world *world, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", world->folder, name);
	file = fopen(path, "w");
	cr_assert_not_null(file, "%s", path);
	fputs(text, file);
	fclose(file);
}

static inline void
world_folder(const struct world *world, const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", world->folder, name);
	cr_assert_eq(mkdir(path, 0700), 0);
}

/* A device as it would come from the store; `values` are pairs "name=text,name=text". */
static inline void
world_add(struct world *world, const char *endpoint, const char *key, const char *groups,
	  const char *values)
{
	struct device_spec spec = { .endpoint = endpoint, .groups = groups };
	char error[STORE_ERROR_MAX], copy[256];
	uint8_t *block = NULL;
	bool created;
	char *at = copy, *pair;

	if (key) {
		spec.key_len = (uint8_t)strlen(key);
		memcpy(spec.key, key, spec.key_len);
	}
	snprintf(copy, sizeof copy, "%s", values ? values : "");
	while ((pair = strsep(&at, ","))) {
		char *text = strchr(pair, '=');
		struct setting_value value = { .name = pair };

		if (!text)
			continue;
		value.name_len = (uint8_t)(text - pair);
		value.text = text + 1;
		value.text_len = (uint16_t)strlen(text + 1);
		*text = '\0';
		value.secret = policy_name_is_secret(pair);
		cr_assert_eq(setting_values_set(&block, &value), 0);
	}
	spec.values = block;
	cr_assert_eq(device_change_put(world->service, &spec, &created, error), 0, "%s: %s",
		     endpoint, error);
	setting_values_free(block);
}

/* Where folders of worlds are made: in memory where that is possible, as there is one for every test and for most inputs
 * of a fuzz target. */
static inline const char *
world_parent(void)
{
	const char *wanted = getenv("TMPDIR");

	if (wanted && *wanted && strlen(wanted) <= 40)
		return wanted;
	return access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
}

/* A daemon as daemon_run() makes it, on generation 1, that keeps nothing. */
static inline void
world_start(struct world *world)
{
	struct daemon *daemon = &world->daemon;
	struct diag_list diags;
	char path[256];

	*world = (struct world){ .service = &world->daemon.service };
	snprintf(world->folder, sizeof world->folder, "%s/control-world-XXXXXX", world_parent());
	cr_assert_not_null(mkdtemp(world->folder));
	world_folder(world, "policy");
	world_folder(world, "policy/tasks");
	world_folder(world, "objects");
	world_write(world, "cradle.conf", WORLD_CONF);
	world_write(world, "policy/groups.conf", WORLD_GROUPS);
	world_write(world, "policy/tasks/first.xml", WORLD_TASK);
	fake_init(&world->dp);
	text_init(&world->text);
	snprintf(path, sizeof path, "%s/cradle.conf", world->folder);
	diag_list_init(&diags);
	world->service->config = config_load(path, &diags);
	cr_assert_eq(diags.errors, 0);
	daemon->started_us = clock_now_us();
	cr_assert_eq(daemon_init(daemon, 16), 0);
	world->service->generation = generation_load(world->service->config, 1, &diags);
	world->service->last_number = 1;
	cr_assert(world->service->generation && diags.errors == 0);
	cr_assert_eq(generation_number_tasks(world->service->generation, &world->service->reports),
		     0);
	world_add(world, "dev-1", "k-e-y", "root.a", "id=i1,password=pw");
	world_add(world, "dev-2", NULL, "root.a", NULL);
	world_add(world, "dev-3", NULL, NULL, NULL);
	world->service->dp = &world->dp;
	dataplane_publish_directory(world->service->dp, world->service->inventory.directory);
	diag_list_fini(&diags);
}

static inline int
world_reload(struct world *world)
{
	text_fini(&world->text);
	json_decref(world->result);
	world->result = NULL;
	return reload_run(world->service, &(struct reload_wish){ .note = NULL }, &world->text,
			  &world->result);
}

/* Lets grace periods end and sweeps twice, as two ticks do. */
static inline void
world_settle(struct world *world)
{
	fake_pass_grace(&world->dp);
	dataplane_reap(&world->dp);
	retired_sweep(&world->service->retired, &world->service->plans, 1000);
	retired_sweep(&world->service->retired, &world->service->plans, 1000);
}

static inline int
world_remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

static inline void
world_stop(struct world *world)
{
	struct daemon *daemon = &world->daemon;
	worker_commands_fini(&world->service->worker_commands);
	fake_pass_grace(&world->dp);
	dataplane_reap(&world->dp);
	daemon_fini(daemon);
	config_free(world->service->config);
	text_fini(&world->text);
	json_decref(world->result);
	cr_assert_eq(nftw(world->folder, world_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static inline struct device *
world_device(const struct world *world, const char *endpoint)
{
	struct device *device = inventory_find(&world->service->inventory, endpoint);

	cr_assert_not_null(device, "%s", endpoint);
	return device;
}

/* The published batch of a device. */
static inline const struct batch *
world_batch(const struct world *world, const char *endpoint)
{
	const struct device_entry *entry =
		directory_find(world->dp.directory, endpoint, strlen(endpoint));

	cr_assert_not_null(entry);
	return atomic_load(&entry->batch);
}

/* The last report of the only task on a device. */
static inline const struct report *
world_report(const struct world *world, const char *endpoint)
{
	return reports_find(&world->service->reports, 1, device_id(world_device(world, endpoint)));
}

static inline const char *
world_summary(const struct world *world, const char *endpoint)
{
	const struct report *report = world_report(world, endpoint);

	return report ? reports_summary(&world->service->reports, report) : "(no report)";
}
