/*
 * control_world.h - a folder of configuration, a daemon on a fake dataplane: what tests of
 * reload, events and commands share.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/daemon.h"
#include "control/events.h"
#include "control/reload.h"
#include "tests/unit/fake_dataplane.h"

struct world {
	char folder[64];
	struct dataplane dp;
	struct daemon daemon;
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

#define WORLD_DEVICES                                                                              \
	"devices = (\n"                                                                            \
	"  { endpoint = \"dev-1\"; key = \"k-e-y\"; groups = [ \"root.a\" ]; values = { id = "     \
	"\"i1\"; password = \"pw\"; }; },\n"                                                       \
	"  { endpoint = \"dev-2\"; groups = [ \"root.a\" ]; },\n"                                  \
	"  { endpoint = \"dev-3\"; }\n"                                                            \
	");\n"

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

/* A daemon as daemon_run() makes it, on generation 1. */
static inline void
world_start(struct world *world)
{
	struct daemon *daemon = &world->daemon;
	struct generation *generation;
	struct diag_list diags;
	char path[256];

	*world = (struct world){ 0 };
	snprintf(world->folder, sizeof world->folder, "/tmp/control-world-XXXXXX");
	cr_assert_not_null(mkdtemp(world->folder));
	world_folder(world, "policy");
	world_folder(world, "policy/tasks");
	world_folder(world, "objects");
	world_write(world, "cradle.conf", WORLD_CONF);
	world_write(world, "devices.conf", WORLD_DEVICES);
	world_write(world, "policy/groups.conf", WORLD_GROUPS);
	world_write(world, "policy/tasks/first.xml", WORLD_TASK);
	fake_init(&world->dp);
	text_init(&world->text);
	snprintf(path, sizeof path, "%s/cradle.conf", world->folder);
	diag_list_init(&diags);
	daemon->config = config_load(path, &diags);
	cr_assert_eq(diags.errors, 0);
	daemon->dp = &world->dp;
	daemon->started_us = daemon_now_us();
	roster_init(&daemon->roster);
	outbox_init(&daemon->outbox);
	cr_assert_eq(reports_init(&daemon->reports), 0);
	daemon->unknowns = calloc(1, sizeof *daemon->unknowns);
	generation = generation_load(daemon->config, 1, &diags);
	cr_assert(generation && diags.errors == 0);
	cr_assert_eq(generation_build(generation, &daemon->roster, &daemon->reports, &diags), 0);
	reload_publish(daemon, generation);
	diag_list_fini(&diags);
}

static inline int
world_reload(struct world *world)
{
	text_fini(&world->text);
	json_decref(world->result);
	world->result = NULL;
	return reload_run(&world->daemon, &world->text, &world->result);
}

/* Lets grace periods end and sweeps twice, as two ticks do. */
static inline void
world_settle(struct world *world)
{
	fake_pass_grace(&world->dp);
	dataplane_reap(&world->dp);
	retired_sweep(&world->daemon.retired, 1000);
	retired_sweep(&world->daemon.retired, 1000);
}

static inline void
world_stop(struct world *world)
{
	struct daemon *daemon = &world->daemon;
	char command[128];

	outbox_fini(&daemon->outbox);
	fake_pass_grace(&world->dp);
	dataplane_reap(&world->dp);
	generation_unpublish(daemon->generation, &daemon->retired);
	generation_release(daemon->generation);
	retired_fini(&daemon->retired);
	roster_fini(&daemon->roster);
	reports_fini(&daemon->reports);
	free(daemon->unknowns);
	config_free(daemon->config);
	text_fini(&world->text);
	json_decref(world->result);
	snprintf(command, sizeof command, "rm -r %s", world->folder);
	cr_assert_eq(system(command), 0);
}

static inline const struct roster_slot *
world_slot(const struct world *world, const char *endpoint)
{
	const struct roster_slot *slot = roster_find(&world->daemon.roster, endpoint);

	cr_assert_not_null(slot);
	return slot;
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
	return reports_find(&world->daemon.reports, 1, world_slot(world, endpoint)->id);
}
