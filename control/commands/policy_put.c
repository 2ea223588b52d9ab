#include "control/commands/policy_put.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/commands/call_plan.h"
#include "control/commands/policy_edit_internal.h"
#include "control/file_replace.h"
#include "control/log.h"

/* As sources of a policy. NULL: out of memory. */
static struct policy_source *
sources_of(const struct policy_put *put)
{
	struct policy_source *sources = calloc(put->n + 1, sizeof *sources);

	for (size_t i = 0; sources && i < put->n; i++)
		sources[i] = (struct policy_source){ put->items[i].name, put->items[i].text,
						     put->items[i].len };
	return sources;
}

/* ---- checked ---- */

static enum file_readers
readers_of(const struct policy *policy, const char *name)
{
	if (strncmp(name, "keys/", 5) == 0 || strncmp(name, "certs/", 6) == 0)
		return FILE_READ_BY_OWNER;
	if ((strcmp(name, "groups.conf") == 0 && policy_holds_secret(policy, "groups")) ||
	    (strcmp(name, "servers.conf") == 0 && policy_holds_secret(policy, "servers")) ||
	    *name == '.')
		return FILE_READ_BY_GROUP;
	return FILE_READ_AS_BEFORE;
}

static bool
check(const struct policy_put *put, const struct policy_source *sources)
{
	const struct objects *objects = put->call->service->generation->objects;
	struct diag_list diags;
	struct policy *policy;
	struct arena arena;
	bool good;

	diag_list_init(&diags);
	arena_init(&arena, 0);
	policy = policy_load_changed(put->folder, sources, (unsigned)put->n, objects, &arena,
				     &diags);
	good = policy && diags.errors == 0;
	for (size_t i = 0; policy && i < put->n; i++)
		put->items[i].readers = readers_of(policy, put->items[i].name);
	if (!good)
		policy_edit_refuse(put->call, &diags);
	policy_free(policy);
	arena_fini(&arena);
	diag_list_fini(&diags);
	return good;
}

bool
policy_put_check(const struct policy_put *put)
{
	struct policy_source *sources = sources_of(put);
	bool good = sources && check(put, sources);

	if (!sources)
		call_refuse(put->call, CTL_REFUSED, "out of memory");
	free(sources);
	return good;
}

void
policy_put_plan(const struct policy_put *put)
{
	struct policy_source *sources = sources_of(put);

	if (sources)
		call_plan(put->call, &(struct call_planned){ .changed = sources,
							     .n_changed = (unsigned)put->n });
	else
		call_refuse(put->call, CTL_REFUSED, "out of memory");
	free(sources);
}

/* ---- written, or put back ---- */

/* Tasks, tables and keys come before the lists that name them; what goes, goes last, and then what the files are is told. */
static int
turn_of(const struct file_set_item *item)
{
	if (*item->name == '.')
		return 3;
	return !item->text ? 2 : strchr(item->name, '/') ? 0 : 1;
}

static int
by_turn(const void *a, const void *b)
{
	const struct file_set_item *left = a, *right = b;
	int turns = turn_of(left) - turn_of(right);

	return turns ? turns : strcmp(left->name, right->name);
}

static void
put_back(const struct policy_put *put)
{
	const char *failed;
	int result;

	for (size_t i = 0; i < put->n; i++) {
		struct file_set_item *item = &put->items[i];

		*item = (struct file_set_item){ .name = item->name,
						.text = item->old,
						.len = item->old_len,
						.old = item->text,
						.old_len = item->len,
						.readers = item->readers,
						.link = item->link };
	}
	qsort(put->items, put->n, sizeof *put->items, by_turn);
	result = file_set_change(put->folder, put->items, put->n, &failed);
	if (result == 0)
		return;
	text_show(&put->call->error, "%s could not be put back: %s\n",
		  failed ? failed : put->folder, strerror(-result));
	log_error("%s could not be put back: %s", failed ? failed : put->folder, strerror(-result));
}

/* Those that nobody needed here before. That one cannot be made is told when the file is written. */
static void
make_folders(const struct policy_put *put)
{
	char path[PATH_BYTES];

	for (size_t i = 0; i < put->n; i++) {
		const struct file_set_item *item = &put->items[i];
		const char *slash = strchr(item->name, '/');

		if (!item->text || !slash)
			continue;
		snprintf(path, sizeof path, "%s/%.*s", put->folder, (int)(slash - item->name),
			 item->name);
		(void)mkdir(path, item->readers == FILE_READ_BY_OWNER ? 0700 : 0750);
	}
}

/* Of those that go: what is taken back is a link again. */
static void
note_links(const struct policy_put *put)
{
	char path[PATH_BYTES];

	for (size_t i = 0; i < put->n; i++) {
		snprintf(path, sizeof path, "%s/%s", put->folder, put->items[i].name);
		put->items[i].link = put->items[i].text ? NULL : file_link(path);
	}
}

static void
free_links(const struct policy_put *put)
{
	for (size_t i = 0; i < put->n; i++)
		free((char *)(uintptr_t)put->items[i].link);
}

static bool
write_files(const struct policy_put *put)
{
	const char *failed;
	int result;

	make_folders(put);
	note_links(put);
	qsort(put->items, put->n, sizeof *put->items, by_turn);
	result = file_set_change(put->folder, put->items, put->n, &failed);
	if (result == 0)
		return true;
	call_refuse(put->call, CTL_REFUSED, "%s cannot be written: %s%s\n",
		    failed ? failed : put->folder, strerror(-result), file_remedy(-result));
	text_show(&put->call->error, "nothing was changed\n");
	return false;
}

static bool
run(const struct policy_put *put, const struct reload_wish *wish)
{
	struct call *call = put->call;
	struct policy_health before = call->service->policy_health;
	struct text said;
	bool good;

	if (!write_files(put))
		return false;
	text_init(&said);
	good = reload_run(call->service, wish, &said, &call->result) == 0;
	text_put(good ? &call->text : &call->error, text_str(&said), said.len);
	text_fini(&said);
	if (good)
		return true;
	call->exit = CTL_REFUSED;
	call->service->policy_health = before; /* what was refused is not there any more */
	put_back(put);
	text_show(&call->error, "nothing was changed\n");
	return false;
}

bool
policy_put_run(const struct policy_put *put, const struct reload_wish *wish)
{
	bool good = run(put, wish);

	free_links(put);
	return good;
}
