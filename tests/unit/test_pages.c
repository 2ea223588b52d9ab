/* Every list in slices: bounded by counted work, stable while rows come and go, and told where it goes on. */
#include "control/commands/page.h"
#include "control/commands/show.h"
#include "tests/unit/control_world.h"

enum { MANY = 3 * PAGE_ROWS + 50 };

static struct world world;
static struct ctl_answer answer;

static void
forget(void)
{
	free(answer.text);
	free(answer.error);
	free(answer.next);
	json_decref(answer.result);
	answer = (struct ctl_answer){ 0 };
}

static void
set_up(void)
{
	world_start(&world);
}

static void
tear_down(void)
{
	forget();
	world_stop(&world);
}

TestSuite(pages, .init = set_up, .fini = tear_down);

/* `line` in words, with a place to go on from; the exit code. "''" is an empty word. */
static int
ask(const char *line, const char *page)
{
	char copy[256], *at = copy, *word;
	const char *argv[16];
	struct ctl_request request = { .argv = argv, .fd = -1, .page = page, .json = true };

	snprintf(copy, sizeof copy, "%s", line);
	while ((word = strsep(&at, " ")))
		argv[request.argc++] = strcmp(word, "''") == 0 ? "" : word;
	forget();
	commands_serve(&world.daemon, &request, &answer);
	return answer.exit;
}

/* ---- a great many of each ---- */

static void
add_devices(void)
{
	char name[32];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "many-%04u", i);
		world_add(&world, name, NULL, NULL, NULL);
	}
}

static struct session_event
event_of(unsigned i, enum session_event_kind kind)
{
	struct session_event event = { .kind = kind, .device = i };

	event.name_len = (uint8_t)snprintf((char *)event.name, sizeof event.name, "name-%04u", i);
	return event;
}

static void
add_unknown(unsigned i)
{
	struct session_event event = event_of(i, SESSION_UNKNOWN);

	unknown_devices_see(world.service->unknowns, &event, 1000 + i);
}

static void
add_rejected(unsigned i)
{
	struct session_event event = event_of(i, SESSION_REJECTED);

	rejected_devices_see(world.service->rejected, &event, 1000 + i);
}

static void
add_session(uint32_t id)
{
	struct device *device = inventory_at(&world.service->inventory, id);

	device->live = live_add(&world.service->live);
	cr_assert_not_null(device->live);
	device->live->device = id;
}

static void
add_report(uint32_t id)
{
	const struct report_change change = { .device = id,
					      .task = 1,
					      .status = TASK_SUCCESS,
					      .started_ms = 1000,
					      .finished_ms = 2000,
					      .summary = "done" };

	reports_set(&world.service->reports, &change);
}

/* `skip`: a group, task and server that is left out. */
static void
write_policy(unsigned skip)
{
	struct text groups, servers;

	text_init(&groups);
	text_init(&servers);
	text_printf(&groups, "groups = ( { name = \"root\"; }, { name = \"root.a\"; tasks = ( { "
			     "file = \"first.xml\"; name = \"first\"; } ); }");
	text_printf(&servers, "servers = (");
	for (unsigned i = 0; i < MANY; i++) {
		if (i == skip)
			continue;
		text_printf(&groups,
			    ", { name = \"root.g%04u\"; tasks = ( { file = \"first.xml\"; name = "
			    "\"t%04u\"; } ); }",
			    i, i);
		/* Backwards: the list sorts. */
		text_printf(&servers,
			    "%s{ id = \"s%04u\"; uri = \"coap://h\"; security = \"nosec\"; ssid = "
			    "%u; }",
			    i && (i != 1 || skip) ? ", " : "", MANY - 1 - i, i + 1);
	}
	text_printf(&groups, ");\n");
	text_printf(&servers, ");\n");
	world_write(&world, "policy/groups.conf", text_str(&groups));
	world_write(&world, "policy/servers.conf", text_str(&servers));
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	text_fini(&groups);
	text_fini(&servers);
}

/* ---- changes between two slices: a row that was listed goes, one that is yet to be listed, and one comes ---- */

static uint32_t
id_of(unsigned i)
{
	char name[32];

	snprintf(name, sizeof name, "many-%04u", i);
	return device_id(world_device(&world, name));
}

static void
remove_device(unsigned i)
{
	struct device *device = inventory_at(&world.service->inventory, id_of(i));

	publish_removal(world.service, device);
}

static void
change_devices(void)
{
	remove_device(3);
	remove_device(MANY - 3);
	world_add(&world, "late", NULL, NULL, NULL);
}

static void
change_unknown(void)
{
	unknown_devices_remove(world.service->unknowns, "name-0003", 9);
	unknown_devices_remove(world.service->unknowns, "name-0647", 9);
	add_unknown(5000);
}

static void
change_rejected(void)
{
	rejected_devices_forget(world.service->rejected, id_of(3));
	rejected_devices_forget(world.service->rejected, id_of(MANY - 3));
	add_rejected(0);
}

static void
change_sessions(void)
{
	live_end(world.service, inventory_at(&world.service->inventory, id_of(3)));
	live_end(world.service, inventory_at(&world.service->inventory, id_of(MANY - 3)));
	add_session(0);
}

/* The table grows: what lies in it moves. */
static void
change_reports(void)
{
	for (uint32_t i = 0; i < 5000; i++)
		add_report(100000 + i);
	reports_forget_device(&world.service->reports, id_of(3));
	reports_forget_device(&world.service->reports, id_of(MANY - 3));
}

static void
change_policy(void)
{
	write_policy(3);
}

struct list {
	const char *words, *key, *name; /* the row's name is in this member */
	void (*change)(void);
	const char *prefix; /* of the name of row i: the number follows */
	bool backwards;     /* row i has the name of MANY - 1 - i */
};

static const struct list lists[] = {
	{ "device list", "devices", "endpoint", change_devices, "many-", false },
	{ "unknown list", "unknown", "endpoint", change_unknown, "name-", false },
	{ "device rejected", "rejected", "endpoint", change_rejected, "many-", false },
	{ "session list", "sessions", "endpoint", change_sessions, "many-", false },
	{ "task reports first", "reports", "device", change_reports, "many-", false },
	{ "report list", "reports", "device", change_reports, "many-", false },
	{ "group list", "groups", "name", change_policy, "root.g", false },
	{ "task list", "tasks", "name", change_policy, "t", false },
	{ "server list", "servers", "id", change_policy, "s", true },
};

static unsigned
times_listed(const json_t *rows, const char *member, const char *name)
{
	const json_t *row;
	unsigned n = 0;
	size_t i;

	json_array_foreach(rows, i, row) n +=
		strcmp(json_string_value(json_object_get(row, member)), name) == 0;
	return n;
}

/* All slices of a list, with a change behind the first. How many rows a slice has depends on the clock, too. */
static json_t *
list_all(const char *line, const char *key, void (*change)(void))
{
	json_t *rows = json_array();
	char *page = strdup("");
	unsigned slices = 0;

	while (page) {
		json_t *slice;

		cr_assert_eq(ask(line, page), CTL_DONE, "%s: %s", line, answer.error);
		slice = json_object_get(answer.result, key);
		cr_assert_leq(json_array_size(slice), PAGE_ROWS, "%s", line);
		json_array_extend(rows, slice);
		free(page);
		page = answer.next ? strdup(answer.next) : NULL;
		if (slices++ == 0 && change)
			change();
	}
	cr_expect_geq(slices, change ? 3 : 1, "%s", line);
	return rows;
}

static void
check_list(const struct list *list)
{
	char line[64], name[32];
	json_t *rows;

	snprintf(line, sizeof line, "%s --limit 1000", list->words);
	rows = list_all(line, list->key, list->change);

	for (unsigned i = 0; i < MANY; i++) {
		unsigned named = list->backwards ? MANY - 1 - i : i;
		bool went = i == 3 || i == MANY - 3;

		snprintf(name, sizeof name, "%s%04u", list->prefix, named);
		if (!went)
			cr_expect_eq(times_listed(rows, list->name, name), 1, "%s: %s", list->words,
				     name);
		else
			cr_expect_leq(times_listed(rows, list->name, name), 1, "%s: %s",
				      list->words, name);
	}
	json_decref(rows);
}

static void
fill(void)
{
	write_policy(MANY);
	add_devices();
	for (unsigned i = 0; i < MANY; i++) {
		add_unknown(i);
		add_rejected(id_of(i));
		add_session(id_of(i));
		add_report(id_of(i));
	}
}

Test(pages, a_row_that_stays_is_listed_once_whatever_changes_between_slices)
{
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		fill();
		check_list(&lists[i]);
		tear_down();
		set_up();
	}
}

/* A client that knows of no pages gets no more at once than others, and can tell. */
Test(pages, nobody_gets_more_than_a_slice_at_once)
{
	char line[64];

	fill();
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		snprintf(line, sizeof line, "%s --limit 1000", lists[i].words);
		cr_assert_eq(ask(line, NULL), CTL_DONE, "%s", line);
		cr_expect_leq(json_array_size(json_object_get(answer.result, lists[i].key)),
			      PAGE_ROWS, "%s", line);
		cr_expect_not_null(answer.next, "%s", line);
	}
}

/* Numbers of devices that were removed, too: each is looked at. */
Test(pages, a_slice_looks_at_a_bounded_number_of_rows)
{
	world.service->inventory.next_id = 20 * PAGE_STEPS;
	cr_assert_eq(ask("device list", "7/0"), CTL_DONE);
	cr_assert_not_null(answer.next);
	cr_expect_leq(strtoul(answer.next, NULL, 10), 7 + PAGE_STEPS);
	cr_assert_eq(ask("task reports first", "7/0"), CTL_DONE);
	cr_assert_not_null(answer.next);
	cr_expect_leq(strtoul(answer.next, NULL, 10), 7 + PAGE_STEPS);
}

static const char *
cursor(void)
{
	static char copy[64];
	const char *next = json_string_value(json_object_get(answer.result, "next"));

	snprintf(copy, sizeof copy, "%s", next ? next : "");
	return copy;
}

/* The list in parts of a hundred rows. */
static void
check_cursor(const char *words, const char *key)
{
	unsigned rows = 0, parts = 0;
	char line[160];

	snprintf(line, sizeof line, "%s --limit 100 --cursor ''", words);
	do {
		json_t *part = list_all(line, key, NULL);

		cr_assert_leq(json_array_size(part), 100, "%s", line);
		rows += (unsigned)json_array_size(part);
		parts++;
		json_decref(part);
		snprintf(line, sizeof line, "%s --limit 100 --cursor %s", words, cursor());
	} while (*cursor());
	cr_expect(rows >= MANY && rows <= MANY + 3, "%s: %u", words, rows);
	cr_expect_eq(parts, (rows + 99) / 100, "%s: %u", words, parts);
}

Test(pages, a_cursor_goes_on_behind_the_limit_and_ends)
{
	fill();
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		check_cursor(lists[i].words, lists[i].key);
	cr_expect_eq(ask("group list --limit 1 --cursor ''", NULL), CTL_DONE);
	cr_expect_not_null(strstr(answer.text, "there is more: --cursor root.a"));
}

Test(pages, a_cursor_that_is_none_is_refused)
{
	static const char *const bad[] = { "device list --cursor x", "session list --cursor -1",
					   "unknown list --cursor 1/2", "report list --cursor 1x" };

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		cr_expect_eq(ask(bad[i], ""), CTL_USAGE, "%s", bad[i]);
		cr_expect_not_null(strstr(answer.error, "--cursor takes"), "%s", answer.error);
	}
	/* A name that is gone stands for what comes behind it. */
	cr_expect_eq(ask("group list --cursor root.Z", ""), CTL_DONE);
	cr_expect_eq(json_array_size(json_object_get(answer.result, "groups")), 1);
}

/* Of a slice the form that is shown is made, and no other. */
Test(pages, a_client_that_takes_pages_gets_the_form_that_it_shows)
{
	cr_expect_eq(ask("device list", ""), CTL_DONE);
	cr_expect_null(answer.text);
	cr_expect_eq(json_array_size(json_object_get(answer.result, "devices")), 3);
	cr_expect_eq(ask("device list", NULL), CTL_DONE);
	cr_expect_not_null(strstr(answer.text, "dev-3"));
	cr_expect_eq(json_array_size(json_object_get(answer.result, "devices")), 3);
}

Test(pages, without_a_cursor_the_limit_is_counted_on_and_its_place_told)
{
	cr_expect_eq(ask("device list --limit 1", ""), CTL_DONE);
	cr_expect_eq(json_integer_value(json_object_get(answer.result, "count")), 3);
	cr_expect_str_neq(cursor(), "");
	cr_expect_eq(ask("device list", ""), CTL_DONE);
	cr_expect(json_is_null(json_object_get(answer.result, "next")));
}
