/* Versions of the policy: listed, shown, compared. */
#include <stdlib.h>
#include <string.h>

#include "control/commands/policy_at.h"
#include "control/commands/show.h"
#include "control/line_diff.h"

enum { LIST_MAX = POLICY_VERSIONS_KEPT, CONTEXT = 3 };

/* ---- log ---- */

struct listing {
	uint32_t first; /* of those that are shown */
	struct table table;
	json_t *list;
};

static json_t *
version_json(uint32_t number, uint64_t at_ms, const char *who, const char *what, const char *why)
{
	return json_pack("{s:I, s:I, s:o, s:o, s:o}", "version", (json_int_t)number, "at_ms",
			 (json_int_t)at_ms, "who", show_json(who, strlen(who)), "command",
			 show_json(what, strlen(what)), "message", show_json(why, strlen(why)));
}

static bool
put_version(void *ctx, const struct store_version *version)
{
	struct listing *listing = ctx;
	char at[SHOW_TIME_MAX];

	table_cell(&listing->table, "%u", version->number);
	table_cell(&listing->table, "%s", show_time(version->at_ms, at));
	table_cell(&listing->table, "%s", version->who);
	table_cell(&listing->table, "%s", version->what);
	table_cell(&listing->table, "%s", version->why);
	json_array_append_new(listing->list,
			      version_json(version->number, version->at_ms, version->who,
					   version->what, version->why));
	return true;
}

void
command_policy_log(struct call *call)
{
	const uint32_t last = call->service->versions.last;
	struct listing listing = { .first = 1 };
	char error[STORE_ERROR_MAX];
	long limit = call_number(call, "--limit", 50, LIST_MAX);

	if (limit < 0)
		return;
	if (!call->service->store) {
		call_refuse(call, CTL_REFUSED, "there is no store, so no version is kept");
		return;
	}
	if (last > (uint32_t)limit)
		listing.first = last - (uint32_t)limit + 1;
	listing.list = json_array();
	table_init(&listing.table, "version|at:1|who|~command|~message");
	if (store_read_versions(call->service->store, listing.first, put_version, &listing, error) <
	    0)
		call_refuse(call, CTL_REFUSED, "%s", error);
	table_finish(&listing.table, &call->text);
	call->result =
		json_pack("{s:I, s:o}", "latest", (json_int_t)last, "versions", listing.list);
}

/* ---- show ---- */

static void
put_files(struct call *call, const struct policy_at *at)
{
	json_t *list = json_array();
	struct table table;

	table_init(&table, "file|bytes");
	for (unsigned i = 0; i < at->n_files; i++) {
		table_cell(&table, "%s", at->files[i].name);
		table_cell(&table, "%zu", at->files[i].len);
		json_array_append_new(list, json_pack("{s:s, s:I}", "file", at->files[i].name,
						      "bytes", (json_int_t)at->files[i].len));
	}
	table_finish(&table, &call->text);
	json_object_set_new(call->result, "files", list);
}

static void
put_file(struct call *call, const struct policy_at *at, const char *name)
{
	const struct policy_at_file *file = policy_at_find(at, name);
	struct text text;

	if (!file) {
		call_refuse(call, CTL_REFUSED,
			    "version %u has no file %s; `policy show %u` lists them", at->version,
			    name, at->version);
		return;
	}
	text_init(&text);
	(void)policy_at_show(call, file, &text);
	text_put(&call->text, text_str(&text), text.len);
	json_object_set_new(call->result, "file", json_string(name));
	json_object_set_new(call->result, "text", show_json(text_str(&text), text.len));
	text_fini(&text);
}

void
command_policy_show(struct call *call)
{
	struct policy_at at;
	char time[SHOW_TIME_MAX];

	if (!policy_at_read(call, call->arguments[0], &at))
		return;
	call->result = version_json(at.version, at.at_ms, at.who, at.what, at.why);
	if (call->arguments[1]) {
		put_file(call, &at, call->arguments[1]);
	} else {
		text_show(&call->text, "version %u, %s, by %s: %s\n", at.version,
			  show_time(at.at_ms, time), at.who, at.what);
		if (*at.why)
			text_show(&call->text, "%s\n", at.why);
		text_printf(&call->text, "\n");
		put_files(call, &at);
	}
	policy_at_fini(&at);
}

/* ---- diff ---- */

/* Lines that changed, and CONTEXT around them. */
static void
put_lines(const struct diff_line *lines, size_t n, struct text *text)
{
	size_t shown = 0; /* lines up to here were put, or left out for good */

	for (size_t i = 0; i < n; i++) {
		size_t from = i > CONTEXT ? i - CONTEXT : 0, to = i + 1 + CONTEXT;

		if (lines[i].mark == ' ')
			continue;
		if (shown && from > shown)
			text_printf(text, "  ...\n");
		for (size_t k = from > shown ? from : shown; k < to && k < n; k++)
			text_show(text, "%c %.*s\n", lines[k].mark, (int)lines[k].len, lines[k].at);
		shown = to > shown ? to : shown;
	}
}

/* One file of both, of which at least one is there, and that are not the same. */
static void
put_change(struct call *call, const struct policy_at_file *before,
	   const struct policy_at_file *after, json_t *list)
{
	const char *name = before ? before->name : after->name;
	const char *how = !before ? "added" : !after ? "removed" : "changed";
	struct text was, is, change;
	struct diff_line *lines;
	size_t n;

	text_init(&was);
	text_init(&is);
	text_init(&change);
	if (before)
		(void)policy_at_show(call, before, &was);
	if (after)
		(void)policy_at_show(call, after, &is);
	lines = line_diff(text_str(&was), text_str(&is), &n);
	if (lines && strcmp(text_str(&was), text_str(&is)) == 0)
		text_printf(&change, "~ secrets, remarks, layout or what is not shown\n");
	else if (lines)
		put_lines(lines, n, &change);
	text_show(&call->text, "%s: %s\n", name, how);
	text_put(&call->text, text_str(&change), change.len);
	text_printf(&call->text, "\n");
	json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "file", name, "change", how,
					      "lines", show_json(text_str(&change), change.len)));
	free(lines);
	text_fini(&was);
	text_fini(&is);
	text_fini(&change);
}

static bool
same_file(const struct policy_at_file *a, const struct policy_at_file *b)
{
	return a && b && a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

json_t *
policy_at_put_changes(struct call *call, const struct policy_at *before,
		      const struct policy_at *after)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < before->n_files; i++) {
		const struct policy_at_file *is = policy_at_find(after, before->files[i].name);

		if (!same_file(&before->files[i], is))
			put_change(call, &before->files[i], is, list);
		pump_run(&call->service->pump);
	}
	for (unsigned i = 0; i < after->n_files; i++)
		if (!policy_at_find(before, after->files[i].name))
			put_change(call, NULL, &after->files[i], list);
	return list;
}

static void
put_changes(struct call *call, const struct policy_at *before, const struct policy_at *after)
{
	json_t *list = policy_at_put_changes(call, before, after);

	if (!json_array_size(list))
		text_show(&call->text, "versions %u and %u say the same\n", before->version,
			  after->version);
	call->result = json_pack("{s:I, s:I, s:o}", "from", (json_int_t)before->version, "to",
				 (json_int_t)after->version, "files", list);
}

void
command_policy_diff(struct call *call)
{
	struct policy_at before, after;

	if (!policy_at_read(call, call->arguments[0], &before))
		return;
	if (policy_at_read(call, call->arguments[1], &after)) {
		put_changes(call, &before, &after);
		policy_at_fini(&after);
	}
	policy_at_fini(&before);
}
