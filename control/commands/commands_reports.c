/* What became of tasks: reports, and running tasks again. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/clock.h"
#include "control/cluster/cluster.h"
#include "control/cluster/cluster_report.h"
#include "control/commands/page.h"
#include "control/commands/show.h"
#include "control/commands/watch.h"
#include "control/runs/member_reports.h"
#include "control/runs/publish.h"

enum { FLUSH_WAIT_MS = 1000 };

static void
put_report(const struct service *service, const struct report *report, struct table *table,
	   json_t *list)
{
	const struct report_task *task = &service->reports.tasks[report->task];
	const struct device *device = inventory_at(&service->inventory, report->device);
	char endpoint[ENDPOINT_NAME_MAX + 1], started[SHOW_TIME_MAX];
	uint32_t member = show_report_member(service, report);

	table_cell(table, "%s", show_time(report_began_ms(report), started));
	table_cell(table, "%s", device ? device_endpoint(device, endpoint) : "(removed)");
	if (member)
		table_cell(table, "%u", member);
	table_cell(table, "%s", task->id);
	table_cell(table, "%s", task->name);
	table_cell(table, "%s", task_status_name(report->status));
	table_cell(table, "%u ms", report->took_ms == REPORT_UNFINISHED ? 0 : report->took_ms);
	table_cell(table, "%s", reports_summary(&service->reports, report));
	if (list)
		json_array_append_new(list, show_report_json(service, report));
}

/* Whose a report is says a column where there is a cluster. */
static const char *
report_columns(const struct service *service)
{
	return cluster_is_joined(service->cluster)
		       ? "started:2|device|member:3|task:4|~name:5|status|took:6|~summary:1"
		       : "started:2|device|task:3|~name:4|status|took:5|~summary:1";
}

/* ---- which ones ---- */

/* -1: no --status; -2 after refusing. */
static int
status_option(struct call *call)
{
	const char *wanted = call_option(call, "--status");

	if (!wanted)
		return -1;
	for (int i = 0; i < REPORT_STATUSES; i++)
		if (strcasecmp(wanted, task_status_name((enum task_status)i)) == 0)
			return i;
	call_refuse(call, CTL_USAGE,
		    "a status is NotStarted, InProgress, Success, Warning, Error or Registered, "
		    "not \"%s\"",
		    wanted);
	return -2;
}

/* What a report must be to be shown. */
struct report_filter {
	const char *task;
	int status;        /* -1: any */
	uint64_t since_ms; /* wall clock; 0: any */
};

/* "2026-01-31", "2026-01-31T12:00:00Z", or how long ago: "90s", "15m", "2h", "3d". False after refusing. */
static bool
since_option(struct call *call, uint64_t *since_ms)
{
	const char *wanted = call_option(call, "--since");
	long long seconds = wanted ? call_parse_seconds(wanted) : -1;
	uint64_t now = clock_now_ms(), ago;
	struct tm tm = { 0 };
	const char *end;

	*since_ms = 0;
	if (!wanted)
		return true;
	if (seconds >= 0 && wanted[strspn(wanted, "0123456789")]) {
		ago = (uint64_t)seconds * 1000;
		*since_ms = ago < now ? now - ago : 1;
		return true;
	}
	end = strptime(wanted, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!end && (tm = (struct tm){ 0 }, end = strptime(wanted, "%Y-%m-%d", &tm)) && *end)
		end = NULL;
	if (end && (!*end || strcmp(end, "Z") == 0)) {
		*since_ms = (uint64_t)timegm(&tm) * 1000;
		return true;
	}
	call_refuse(
		call, CTL_USAGE,
		"--since takes a UTC time such as 2026-01-31T12:00:00Z, or how long ago: 15m, 2h, "
		"3d; not \"%.40s\"",
		wanted);
	return false;
}

static bool
filter_options(struct call *call, struct report_filter *filter)
{
	filter->task = call_option(call, "--task");
	filter->status = status_option(call);
	return filter->status > -2 && since_option(call, &filter->since_ms);
}

static bool
passes(const struct service *service, const struct report *report,
       const struct report_filter *filter)
{
	const struct report_task *task = &service->reports.tasks[report->task];

	return (!filter->task || strcmp(filter->task, task->id) == 0 ||
		strcmp(filter->task, task->name) == 0) &&
	       (filter->status < 0 || report->status == filter->status) &&
	       report_began_ms(report) >= filter->since_ms;
}

/* ---- report list ---- */

static int
by_start(const void *a, const void *b)
{
	const struct report *const *left = a, *const *right = b;

	return ((*left)->started_ms > (*right)->started_ms) -
	       ((*left)->started_ms < (*right)->started_ms);
}

/* The last report of each task of one device, the one begun last at the end. */
static void
put_reports_of(struct call *call, const struct report_filter *filter, struct table *table,
	       json_t *list)
{
	const char *endpoint = call_option(call, "--device");
	const struct service *service = call->service;
	const struct device *device = show_find_device(service, endpoint);
	const struct report **found;
	size_t n = 0;

	if (!device) {
		call_refuse(call, CTL_REFUSED, "there is no device \"%s\"", endpoint);
		return;
	}
	found = calloc(service->reports.n_tasks, sizeof *found);
	for (uint32_t i = 0; found && i < service->reports.n_tasks; i++) {
		found[n] = reports_find(&service->reports, i, device_id(device));
		n += found[n] && passes(service, found[n], filter);
	}
	if (found)
		qsort(found, n, sizeof *found, by_start);
	for (size_t i = 0; i < n; i++)
		put_report(service, found[i], table, list);
	free(found);
}

/* The list goes on with what ends from now on. */
static void
follow(struct call *call, const struct report_filter *filter, const char *device)
{
	const struct watch_wish wish = { .kinds = 1u << FEED_REPORT,
					 .device = device,
					 .task = filter->task,
					 .status = filter->status };

	watch_begin(call, &wish);
}

/* Where the newest `limit` of those that have ended begin. */
static uint64_t
find_newest(struct call *call, const struct report_filter *filter, long limit)
{
	const struct reports *reports = &call->service->reports;
	uint64_t first = reports_first(reports), from = reports->ended;
	const struct report *report;

	while (from > first && limit > 0) {
		report = reports_ended(reports, --from);
		limit -= report && passes(call->service, report, filter);
	}
	return from;
}

/* Those of other members come up to a second after they ended: within a slice all stand in the order of their ends. */
static void
insert_by_end(const struct report **shown, size_t n, const struct report *report)
{
	for (; n > 0 && report_finished_ms(shown[n - 1]) > report_finished_ms(report); n--)
		shown[n] = shown[n - 1];
	shown[n] = report;
}

/* Those that have ended, as they did: each has a number, so a slice goes on where the one before was. */
static void
list_ended(struct call *call, const struct report_filter *filter)
{
	const struct reports *reports = &call->service->reports;
	json_t *list;
	const struct report *shown[PAGE_ROWS];
	struct table table;
	struct page page;
	size_t n = 0;
	uint64_t at;

	if (!page_begin(&page, call, 50))
		return;
	at = page.from;
	if (page_is_first(&page) && !page.stops)
		at = find_newest(call, filter, page.limit);
	page.stops = true; /* what ends meanwhile was not asked for */
	if (at < reports_first(reports))
		at = reports_first(reports);
	list = json_array();
	page_table(&page, &table, report_columns(call->service));
	for (; at < reports->ended && !page_full(&page); at++) {
		const struct report *report = reports_ended(reports, at);

		if (report && passes(call->service, report, filter) && page_shows(&page, at))
			insert_by_end(shown, n++, report);
	}
	for (size_t i = 0; i < n; i++)
		put_report(call->service, shown[i], &table, page_rows(&page, list));
	table_finish(&table, &call->text);
	call->result = json_pack("{s:o}", "reports", list);
	page_finish(&page, at < reports->ended, at);
	if (!call->next)
		show_halted(call, filter->task);
	/* Nothing ends between the last slice and the watch. */
	if (call_option(call, "--follow") && !call->next)
		follow(call, filter, NULL);
}

static void
list_of_device(struct call *call, const struct report_filter *filter)
{
	json_t *list = json_array();
	struct table table;

	table_init(&table, report_columns(call->service));
	put_reports_of(call, filter, &table, list);
	table_finish(&table, &call->text);
	call->result = json_pack("{s:o}", "reports", list);
	show_halted(call, filter->task);
	if (call_option(call, "--follow") && call->exit == CTL_DONE)
		follow(call, filter, call_option(call, "--device"));
}

void
command_report_list(struct call *call)
{
	struct report_filter filter;

	if (!filter_options(call, &filter))
		return;
	if (call_option(call, "--device"))
		list_of_device(call, &filter);
	else
		list_ended(call, &filter);
}

/* ---- report show ---- */

/* What was told a moment ago is written first. */
static char *
read_log(struct service *service, uint32_t task, uint32_t device)
{
	char error[STORE_ERROR_MAX];

	if (!service->store)
		return NULL;
	store_flush(service->store, FLUSH_WAIT_MS, &service->pump, error);
	return store_read_log(service->store, task, device);
}

/* One a line: a row of all this is wider than most terminals. */
static void
put_report_lines(const struct service *service, const struct report *report, struct text *text)
{
	const struct report_task *task = &service->reports.tasks[report->task];
	const struct device *device = inventory_at(&service->inventory, report->device);
	char endpoint[ENDPOINT_NAME_MAX + 1], started[SHOW_TIME_MAX];

	text_show(text, "%s on %s\n", task->id, device_endpoint(device, endpoint));
	text_show(text, "  task      %s\n  status    %s\n  started   %s\n", task->name,
		  task_status_name(report->status), show_time(report_began_ms(report), started));
	if (report->took_ms == REPORT_UNFINISHED)
		text_show(text, "  took      not over yet\n");
	else
		text_show(text, "  took      %u ms\n", report->took_ms);
	text_show(text, "  summary   %s\n", reports_summary(&service->reports, report));
}

/* The run was another member's: what it logged stays there. 0: this one's, or nobody knows. */
static uint32_t
find_other_member(struct call *call, const struct policy_task *task, const char *endpoint)
{
	struct cluster *cluster = call->service->cluster;
	const struct cluster_report report = {
		.endpoint = endpoint,
		.group = call->service->reports.tasks[task->report].group,
		.task = call->service->reports.tasks[task->report].name,
	};
	char error[CLUSTER_ERROR_MAX];
	uint32_t member;

	if (!cluster_is_joined(cluster))
		return 0;
	if (cluster_report_member(cluster, &report, &call->service->pump, &member, error) < 0) {
		text_show(&call->text, "whether another member has a log is not known: %s\n",
			  error);
		return 0;
	}
	return member == cluster_member_number(cluster) ? 0 : member;
}

static const char *
member_name(struct cluster *cluster, uint32_t number)
{
	static struct cluster_info info;

	cluster_info(cluster, &info);
	for (unsigned i = 0; i < info.n_members; i++)
		if (info.members[i].number == number)
			return info.members[i].name;
	return "?";
}

static void
show_no_log(struct call *call, const struct policy_task *task, const char *endpoint)
{
	uint32_t member = find_other_member(call, task, endpoint);
	const char *name;

	if (!member) {
		text_show(&call->text, "no log\n");
		return;
	}
	name = member_name(call->service->cluster, member);
	text_show(&call->text, "no log here: member %u (%s) ran it; ask `report show` there\n",
		  member, name);
	json_object_set_new(call->result, "member", json_integer(member));
	json_object_set_new(call->result, "member_name", show_json(name, strlen(name)));
}

void
command_report_show(struct call *call)
{
	const struct policy_task *task = call_task(call);
	const struct service *service = call->service;
	const struct device *device;
	const struct report *report;
	json_t *shown;
	char *log = NULL;

	if (!task)
		return;
	assert(call->arguments[1]);
	device = show_find_device(service, call->arguments[1]);
	report = device ? reports_find(&service->reports, task->report, device_id(device)) : NULL;
	if (!report) {
		call_refuse(call, CTL_REFUSED, "there is no report of %s on \"%s\"", task->id,
			    call->arguments[1]);
		return;
	}
	put_report_lines(service, report, &call->text);
	shown = show_report_json(service,
				 report); /* before what waits: the report may be another then */
	log = read_log(call->service, task->report, device_id(device));
	show_rollout(call, task);
	call->result = json_pack("{s:o, s:o?}", "report", shown, "log",
				 log ? show_json(log, strlen(log)) : NULL);
	if (!log)
		show_no_log(call, task, call->arguments[1]);
	else
		text_put(&call->text, log, strlen(log));
	free(log);
}

/* ---- task reports ---- */

void
command_task_reports(struct call *call)
{
	const struct policy_task *task = call_task(call);
	const struct reports *reports = &call->service->reports;
	uint32_t next_id = call->service->inventory.next_id;
	int status = status_option(call);
	struct table table;
	struct page page;
	uint64_t id;
	json_t *list;

	if (!task || call->exit != CTL_DONE || !page_begin(&page, call, 100))
		return;
	list = json_array();
	page_table(&page, &table, report_columns(call->service));
	/* By device: places in the reports' own table change as it grows. */
	for (id = page.from; id < next_id && !page_full(&page); id++) {
		const struct report *report = reports_find(reports, task->report, (uint32_t)id);

		if (report && (status < 0 || report->status == status) && page_shows(&page, id))
			put_report(call->service, report, &table, page_rows(&page, list));
	}
	table_finish(&table, &call->text);
	call->result = json_pack("{s:o}", "reports", list);
	page_finish(&page, id < next_id, id);
}

/* ---- rerun ---- */

/* Devices whose report is to be forgotten, found first: the table changes on the way. */
struct rerun {
	uint32_t task;
	bool failed_only;
	uint32_t *devices;
	size_t n, capacity;
	bool no_memory;
};

static bool
collect_rerun(void *ctx, const struct report *report)
{
	struct rerun *rerun = ctx;
	uint32_t *devices;

	if (report->task != rerun->task || report->status == TASK_NOT_STARTED ||
	    report->status == TASK_IN_PROGRESS ||
	    (rerun->failed_only && report->status != TASK_ERROR))
		return true;
	if (rerun->n == rerun->capacity) {
		rerun->capacity = rerun->capacity ? rerun->capacity * 2 : 1024;
		devices = realloc(rerun->devices, rerun->capacity * sizeof *devices);
		if (!devices) {
			rerun->no_memory = true;
			return false;
		}
		rerun->devices = devices;
	}
	assert(rerun->n < rerun->capacity);
	rerun->devices[rerun->n++] = report->device;
	return true;
}

/* It is to run again at the device's next request. */
static void
reset_report(struct service *service, uint32_t task, uint32_t id)
{
	struct device *device = inventory_at(&service->inventory, id);
	struct report_change change = { .device = id,
					.task = task,
					.status = TASK_NOT_STARTED,
					.started_ms = clock_now_ms(),
					.summary = "to be run again" };

	if (!device)
		return;
	reports_set(&service->reports, &change);
	member_reports_send(service, device, &change);
	if (!device->live && publish_device(service, device) < 0)
		service->reports.dropped++;
}

static void
rerun_collected(struct call *call, const struct policy_task *task, struct rerun *rerun)
{
	uint32_t number = task->report; /* pumping may end the task's generation */
	enum { PUMP_EVERY = 1000 };
	size_t done = 0;

	call_may_cancel(call);
	for (; done < rerun->n && !call_cancelled(call); done++) {
		reset_report(call->service, number, rerun->devices[done]);
		if (done % PUMP_EVERY < PUMP_EVERY - 1)
			continue;
		pump_run(&call->service->pump);
		call_tell(call, "%zu of %zu devices", done + 1, rerun->n);
	}
	if (done < rerun->n)
		call_refuse(call, CTL_REFUSED,
			    "cancelled: %zu of %zu devices will run it again at the next request",
			    done, rerun->n);
	else
		text_show(&call->text, "%zu device%s will run it again at the next request\n", done,
			  PLURAL(done));
	call->result = json_pack("{s:I}", "devices", (json_int_t)done);
}

static void
rerun(struct call *call, bool failed_only)
{
	const struct policy_task *task = call_task(call);
	const char *endpoint = call_option(call, "--device");
	struct rerun rerun = { .failed_only = failed_only };
	const struct device *device;

	if (!task)
		return;
	rerun.task = task->report;
	if (endpoint) {
		device = show_find_device(call->service, endpoint);
		if (!device) {
			call_refuse(call, CTL_REFUSED, "there is no device \"%s\"", endpoint);
			return;
		}
		const struct report *report =
			reports_find(&call->service->reports, rerun.task, device_id(device));
		if (report)
			collect_rerun(&rerun, report);
	} else {
		reports_each(&call->service->reports, collect_rerun, &rerun);
	}
	if (rerun.no_memory)
		call_refuse(call, CTL_REFUSED, "out of memory");
	else
		rerun_collected(call, task, &rerun);
	free(rerun.devices);
}

void
command_task_rerun(struct call *call)
{
	rerun(call, false);
}

void
command_task_rerun_failed(struct call *call)
{
	rerun(call, true);
}

/* ---- registered ---- */

struct registering {
	struct call *call;
	const struct device *device;
	json_t *tasks;
};

/* What the report says of the run stays; its log, too, where there is one. */
static void
register_task(struct registering *registering, uint32_t number)
{
	struct service *service = registering->call->service;
	const struct report *last =
		reports_find(&service->reports, number, device_id(registering->device));
	char *log;

	if (!last || !report_went_well(last) || last->status == TASK_REGISTERED)
		return;
	log = service->store
		      ? store_read_log(service->store, number, device_id(registering->device))
		      : NULL;
	reports_set(&service->reports,
		    &(struct report_change){ .device = device_id(registering->device),
					     .task = number,
					     .status = TASK_REGISTERED,
					     .member = last->member,
					     .started_ms = last->started_ms,
					     .finished_ms = report_finished_ms(last),
					     .summary = reports_summary(&service->reports, last),
					     .log = log });
	json_array_append_new(registering->tasks, json_string(service->reports.tasks[number].id));
	if (log)
		explicit_bzero(log, strlen(log));
	free(log);
}

void
command_device_registered(struct call *call)
{
	struct registering registering = { .call = call, .device = call_device(call) };
	struct service *service = call->service;
	size_t n;

	if (!registering.device)
		return;
	registering.tasks = json_array();
	for (uint32_t i = 1; i < service->reports.n_tasks; i++)
		if (service->reports.tasks[i].name)
			register_task(&registering, i);
	n = json_array_size(registering.tasks);
	text_show(&call->text, "%s registered: %zu report%s say so\n", call->arguments[0], n,
		  n == 1 ? "" : "s");
	call->result = json_pack("{s:o, s:o}", "endpoint",
				 show_json(call->arguments[0], strlen(call->arguments[0])), "tasks",
				 registering.tasks);
}
