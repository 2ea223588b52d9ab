/* What workers tell becomes reports, batches and cancellations. */
#include "control/cluster/cluster_private.h"
#include "control/runs/member_claims.h"
#include "control/runs/member_waits.h"
#include "tasks/content/batch_text.h"
#include "tests/unit/control_world.h"

static struct world world;

static void
set_up(void)
{
	world_start(&world);
}

static void
tear_down(void)
{
	world_stop(&world);
}

TestSuite(events, .init = set_up, .fini = tear_down);

static struct session_event
event_of(uint8_t kind, const char *endpoint, uint32_t serial)
{
	const struct device *device = world_device(&world, endpoint);

	return (struct session_event){ .kind = kind,
				       .device = device_id(device),
				       .generation = 1,
				       .plan = device->plan->number,
				       .format = FORMAT_TLV,
				       .session = { 1, serial },
				       .time_us = 900000,
				       .started_us = 800000 };
}

static void
tell(const struct session_event *event, unsigned worker)
{
	fake_event(&world.dp, worker, event);
	cr_assert_eq(events_take(world.service), 1);
}

static void
tell_kind(uint8_t kind, const char *endpoint, uint32_t serial, unsigned worker)
{
	struct session_event event = event_of(kind, endpoint, serial);

	tell(&event, worker);
}

static void
fail(uint8_t cause, uint8_t code, uint16_t step)
{
	struct session_event event = event_of(SESSION_FAILED, "dev-1", 7);

	event.cause = cause;
	event.code = code;
	event.step = step;
	tell_kind(SESSION_STARTED, "dev-1", 7, 0);
	tell(&event, 0);
}

static void
expect_report(const char *endpoint, enum task_status status, const char *words)
{
	const struct report *report = world_report(&world, endpoint);

	cr_assert_not_null(report);
	cr_expect_eq(report->status, status, "%s", task_status_name(report->status));
	cr_expect(strstr(world_summary(&world, endpoint), words), "%s",
		  world_summary(&world, endpoint));
}

Test(events, numbers_never_given_are_ignored)
{
	for (uint8_t kind = 0; kind < 8; kind++) {
		struct session_event event = { .kind = kind, .device = 4711 };

		tell(&event, 0);
	}
	/* Who waits for a batch is told that there is none. */
	cr_assert_eq(world.dp.n_commands, 1);
	cr_expect_eq(world.dp.commands[0].kind, STACK_BATCH);
	cr_expect_null(world.dp.commands[0].batch);
}

Test(events, a_session_in_progress_then_finished)
{
	tell_kind(SESSION_STARTED, "dev-1", 7, 0);
	expect_report("dev-1", TASK_IN_PROGRESS, "in progress");
	cr_expect_not_null(world_device(&world, "dev-1")->live);
	tell_kind(SESSION_FINISHED, "dev-1", 7, 0);
	expect_report("dev-1", TASK_SUCCESS, "3 operations accepted");
	cr_expect_null(world_device(&world, "dev-1")->live);
	cr_expect_eq(world_report(&world, "dev-1")->took_ms, 100);
}

Test(events, an_error_reply_names_step_and_code)
{
	fail(CAUSE_REPLY, 0x80, 0);
	expect_report("dev-1", TASK_ERROR, "PUT /0/2 answered 4.00 Bad Request");
}

Test(events, silence_names_step_and_transmissions)
{
	fail(CAUSE_TIMEOUT, 0, 1);
	expect_report("dev-1", TASK_ERROR, "no answer after 5 transmissions to PUT /1/0");
}

Test(events, an_end_says_what_happened)
{
	fail(CAUSE_SILENT, 0, 1);
	expect_report("dev-1", TASK_ERROR, "PUT /1/0 was acknowledged and not answered");
	fail(CAUSE_UNCONFIRMED, 0, 2);
	expect_report(
		"dev-1", TASK_ERROR,
		"no answer after 5 transmissions to POST /bs; all before was accepted, and the "
		"device may have finished");
	fail(CAUSE_PACK_LEFT, 0, 0);
	expect_report("dev-1", TASK_ERROR, "the device did not ask for the rest of its pack");
}

Test(events, reset_and_not_acceptable_finish)
{
	fail(CAUSE_RESET, 0, 0);
	expect_report("dev-1", TASK_ERROR, "PUT /0/2 answered with Reset");
	fail(CAUSE_REPLY, 0x86, 2);
	expect_report("dev-1", TASK_ERROR, "POST /bs answered 4.06 Not Acceptable");
}

Test(events, a_step_beyond_the_batch_is_survived)
{
	fail(CAUSE_REPLY, 0x80, 999);
	expect_report("dev-1", TASK_ERROR, "step 1000 answered 4.00");
}

/*
 * The events of a slower worker arrive behind those of a faster one: a device that moved on was
 * cancelled at its new place.
 */
Test(events, news_of_an_older_session_that_come_late_do_not_cancel_the_newer_one)
{
	struct session_event older = event_of(SESSION_STARTED, "dev-1", 7);

	older.started_us -= 1000;
	tell_kind(SESSION_STARTED, "dev-1", 9, 1);
	tell(&older, 0);
	cr_assert_eq(world.dp.n_commands, 1);
	cr_expect_eq(world.dp.commands[0].kind, STACK_CANCEL);
	cr_expect_eq(world.dp.commands[0].session.serial, 7);
	cr_expect_eq(world.dp.command_workers[0], 0);
	older.kind = SESSION_FINISHED;
	tell(&older, 0);
	expect_report("dev-1", TASK_IN_PROGRESS, "in progress");
	tell_kind(SESSION_FINISHED, "dev-1", 9, 1);
	expect_report("dev-1", TASK_SUCCESS, "accepted");
}

Test(events, an_older_session_elsewhere_is_cancelled_and_its_end_hides_nothing)
{
	struct session_event end = event_of(SESSION_FAILED, "dev-1", 7);

	end.cause = CAUSE_CANCELLED;
	tell_kind(SESSION_STARTED, "dev-1", 7, 0);
	tell_kind(SESSION_STARTED, "dev-1", 9, 1);
	cr_assert_eq(world.dp.n_commands, 1);
	cr_expect_eq(world.dp.commands[0].kind, STACK_CANCEL);
	cr_expect_eq(world.dp.commands[0].session.serial, 7);
	cr_expect_eq(world.dp.command_workers[0], 0);
	tell(&end, 0);
	expect_report("dev-1", TASK_IN_PROGRESS, "in progress");
	tell_kind(SESSION_FINISHED, "dev-1", 9, 1);
	expect_report("dev-1", TASK_SUCCESS, "accepted");
}

Test(events, a_device_without_its_value_is_refused_by_tag_and_attribute)
{
	cr_assert_null(world_batch(&world, "dev-2"));
	tell_kind(SESSION_REFUSED, "dev-2", 7, 0);
	expect_report("dev-2", TASK_ERROR, "value");
	expect_report("dev-2", TASK_ERROR, "sv.id");
}

Test(events, a_device_without_tasks_is_reported_too)
{
	const struct report *report;

	tell_kind(SESSION_REFUSED, "dev-3", 7, 0);
	report = reports_find(&world.service->reports, REPORT_NO_TASK,
			      device_id(world_device(&world, "dev-3")));
	cr_assert_not_null(report);
	cr_expect_eq(report->status, TASK_ERROR);
}

Test(events, another_format_is_compiled_held_published_and_remembered)
{
	const struct batch *old = world_batch(&world, "dev-1");
	struct session_event event = event_of(SESSION_NEEDS_BATCH, "dev-1", 7);

	batch_hold(old); /* a session runs on it */
	event.format = FORMAT_SENML_CBOR;
	tell(&event, 1);
	cr_assert_eq(world.dp.n_commands, 1);
	cr_assert_eq(world.dp.commands[0].kind, STACK_BATCH);
	cr_expect_eq(world.dp.command_workers[0], 1);
	cr_expect_eq(world.dp.commands[0].session.serial, 7);
	cr_assert_not_null(world.dp.commands[0].batch);
	cr_expect_eq(world.dp.commands[0].batch->format, FORMAT_SENML_CBOR);
	cr_expect_eq(world.dp.commands[0].batch->holders, 1);
	cr_expect_eq(world_batch(&world, "dev-1"), world.dp.commands[0].batch);
	world_settle(&world);
	cr_expect_eq(world.service->retired.count, 1, "the old one is held");
	batch_release(old);
	world_settle(&world);
	cr_expect_eq(world.service->retired.count, 0);
	/* The next generation begins with the format the device used. */
	world_write(&world, "policy/tasks/first.xml", WORLD_TASK " ");
	cr_assert_eq(world_reload(&world), 0);
	cr_expect_eq(world_batch(&world, "dev-1")->format, FORMAT_SENML_CBOR);
	batch_release(world.dp.commands[0].batch);
}

Test(events, no_batch_for_another_format_is_told_and_reported_once)
{
	struct session_event event = event_of(SESSION_NEEDS_BATCH, "dev-2", 7);

	event.format = FORMAT_SENML_CBOR;
	tell(&event, 0);
	cr_assert_eq(world.dp.n_commands, 1);
	cr_expect_null(world.dp.commands[0].batch);
	tell_kind(SESSION_REFUSED, "dev-2", 7, 0);
	cr_expect_eq(world.service->reports.ring_count, 1);
	expect_report("dev-2", TASK_ERROR, "sv.id");
}

Test(events, a_device_that_was_removed_gets_no_batch)
{
	struct device *device = world_device(&world, "dev-1");
	struct session_event event = { .kind = SESSION_NEEDS_BATCH,
				       .device = device_id(device),
				       .format = FORMAT_SENML_CBOR };

	publish_removal(world.service, device);
	tell(&event, 0);
	cr_assert_eq(world.dp.n_commands, 1);
	cr_expect_null(world.dp.commands[0].batch);
}

Test(events, a_full_mailbox_keeps_commands_in_order)
{
	struct session_event event = event_of(SESSION_NEEDS_BATCH, "dev-1", 7);

	world.dp.mailbox_room = 0;
	event.format = FORMAT_SENML_CBOR;
	tell(&event, 0);
	tell_kind(SESSION_STARTED, "dev-1", 7, 0);
	tell_kind(SESSION_STARTED, "dev-1", 8, 1);
	cr_expect_eq(world.service->worker_commands.count, 2);
	world.dp.mailbox_room = FAKE_QUEUE;
	worker_commands_flush(&world.service->worker_commands, &world.dp);
	cr_assert_eq(world.dp.n_commands, 2);
	cr_expect_eq(world.dp.commands[0].kind, STACK_BATCH);
	cr_expect_eq(world.dp.commands[1].kind, STACK_CANCEL);
	batch_release(world.dp.commands[0].batch);
}

Test(events, what_depends_on_the_session_is_made_for_each)
{
	struct session_event event = event_of(SESSION_NEEDS_BATCH, "dev-1", 7);
	const struct device_entry *entry;

	world_write(&world, "policy/tasks/first.xml",
		    "<config><lwm2mBootstrap><write key=\"/0/2/5\" "
		    "value=\"${string.secureRandom(8).encodeHex}\" />"
		    "</lwm2mBootstrap></config>");
	cr_assert_eq(world_reload(&world), 0);
	entry = directory_find(world.dp.directory, "dev-1", 5);
	cr_expect(entry->flags & DEVICE_PER_SESSION);
	cr_expect_null(entry->batch);
	tell(&event, 0);
	event.session.serial = 8;
	tell(&event, 0);
	/* The newer request cancels the older one's session. */
	cr_assert_eq(world.dp.n_commands, 3);
	cr_expect_eq(world.dp.commands[1].kind, STACK_CANCEL);
	cr_assert(world.dp.commands[0].batch && world.dp.commands[2].batch);
	cr_expect_neq(world.dp.commands[0].batch, world.dp.commands[2].batch);
	cr_expect_null(entry->batch, "it is published to nobody else");
	batch_release(world.dp.commands[0].batch);
	batch_release(world.dp.commands[2].batch);
	world_settle(&world);
	cr_expect_eq(world.service->retired.count, 0);
}

Test(events, unknown_devices_are_listed)
{
	struct session_event event = { .kind = SESSION_UNKNOWN, .name_len = 8, .name = "unlisted" };

	tell(&event, 0);
	cr_expect_eq(world.service->unknowns->count, 1);
}

Test(events, a_rejected_device_is_listed_until_it_gets_in)
{
	struct session_event event = event_of(SESSION_REJECTED, "dev-1", 0);

	event.cause = CAUSE_KEY;
	tell(&event, 0);
	tell(&event, 1);
	cr_assert_eq(world.service->rejected->count, 1);
	cr_expect_eq(rejected_devices_find(world.service->rejected, event.device)->count, 2);
	tell_kind(SESSION_STARTED, "dev-2", 1, 0);
	cr_expect_eq(world.service->rejected->count, 1);
	tell_kind(SESSION_STARTED, "dev-1", 2, 0);
	cr_expect_eq(world.service->rejected->count, 0);
}

/* ---- answers, resources, policies ---- */

static void
use_task(const char *body)
{
	char xml[2048];

	snprintf(xml, sizeof xml, "<config>%s</config>", body);
	world_write(&world, "policy/tasks/first.xml", xml);
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
}

static const struct batch *
ask(const struct session_event *event)
{
	unsigned before = world.dp.n_commands;

	tell(event, 0);
	cr_assert_eq(world.dp.n_commands, before + 1);
	cr_assert_eq(world.dp.commands[before].kind, STACK_BATCH);
	return world.dp.commands[before].batch;
}

#define ASKING                                                                                     \
	"<lwm2mBootstrap onError=\"finish\"><discover key=\"0\" output=\"links\" />"               \
	"<write key=\"/0/${#links.freeInstance(0)}/0\" value=\"coap://h:1\" />"                    \
	"<write key=\"/1/0/0\" value=\"2\" /></lwm2mBootstrap>"

Test(events, what_a_device_answers_decides_what_follows)
{
	struct session_event event = event_of(SESSION_NEEDS_BATCH, "dev-1", 7);
	static const char links[] = "</>;lwm2m=1.1,</0/0>,</0/1>;ssid=5";
	const struct batch *batch, *rest;
	char path[96];

	use_task(ASKING);
	batch = ask(&event);
	cr_assert(batch && batch->continues && batch->n_steps == 1);
	event.ask = ASK_REST;
	event.code = 0x45;
	event.format = 40;
	event.step = 0;
	event.answer = (const uint8_t *)links;
	event.answer_len = sizeof links - 1;
	rest = ask(&event);
	cr_assert(rest && !rest->continues);
	cr_expect_eq(world.dp.commands[world.dp.n_commands - 1].from, 1);
	batch_step_format(rest->steps[1], path, sizeof path);
	cr_expect(strncmp(path, "PUT /0/2 ", 9) == 0, "%s", path);
	batch_release(batch);
	batch_release(rest);
}

/* A step before the answer was refused, and its policy is to finish: Finish is all that follows. */
Test(events, a_run_cut_short_by_its_policy_goes_on_with_its_finish)
{
	struct session_event event = event_of(SESSION_NEEDS_BATCH, "dev-1", 7);
	const struct batch *batch, *rest;

	use_task("<lwm2mBootstrap onError=\"finish\"><write key=\"/1/0/1\" value=\"60\" />"
		 "<discover key=\"0\" output=\"links\" />"
		 "<write key=\"/1/${#links.freeInstance(1) ? 1}/1\" value=\"60\" />"
		 "</lwm2mBootstrap>");
	batch = ask(&event);
	cr_assert(batch && batch->continues && batch->n_steps == 2);
	event.ask = ASK_REST;
	event.code = 0x80;
	event.step = 0;
	rest = ask(&event);
	cr_assert_not_null(rest);
	cr_assert_lt(world.dp.commands[world.dp.n_commands - 1].from, rest->n_steps);
	cr_expect_eq(rest->steps[world.dp.commands[world.dp.n_commands - 1].from]->expect,
		     BATCH_EXPECT_FINISH);
	batch_release(batch);
	batch_release(rest);
}

/* A worker lends the answer's bytes until it hears of them: always. */
Test(events, an_answer_of_a_session_that_is_over_is_answered_too)
{
	struct session_event event = event_of(SESSION_NEEDS_BATCH, "dev-1", 7);

	event.ask = ASK_REST;
	cr_expect_null(ask(&event));
}

/* A device does not tell its version: what it asks for, and in which format, does. */
Test(events, the_version_is_the_least_that_a_request_proves)
{
	static const struct {
		uint16_t format;
		uint8_t ask;
		const char *uri;
	} cases[] = {
		{ FORMAT_TLV, ASK_RUN, "coap://1.0" },
		{ FORMAT_SENML_JSON, ASK_RUN, "coap://1.1" },
		{ FORMAT_SENML_CBOR, ASK_RUN, "coap://1.1" },
		{ FORMAT_LWM2M_CBOR, ASK_RUN, "coap://1.2" },
		{ FORMAT_SENML_CBOR, ASK_PACK, "coap://1.2" },
	};

	use_task("<lwm2mBootstrap><write key=\"/0/2/0\" value=\"coap://${lwm2m.version}\" />"
		 "<write key=\"/0/2/1\" value=\"false\" /><write key=\"/0/2/2\" value=\"3\" />"
		 "<write key=\"/0/2/10\" value=\"2\" /><write key=\"/1/0/0\" value=\"2\" />"
		 "</lwm2mBootstrap>");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct session_event event =
			event_of(SESSION_NEEDS_BATCH, "dev-1", 7 + (uint32_t)i);
		const struct batch *batch;
		unsigned at;

		event.format = cases[i].format;
		event.ask = cases[i].ask;
		tell(&event, 0);
		at = world.dp.n_commands - 1; /* behind the older session's end */
		cr_assert_eq(world.dp.commands[at].kind, STACK_BATCH);
		batch = world.dp.commands[at].batch;
		cr_assert_not_null(batch, "%s", cases[i].uri);
		cr_expect_not_null(memmem(batch_step_payload(batch->steps[0]),
					  batch->steps[0]->payload_len, cases[i].uri,
					  strlen(cases[i].uri)),
				   "%s", cases[i].uri);
		batch_release(batch);
	}
}

/* Nobody hears what became of its operations. */
Test(events, a_pack_is_delivered_and_no_operation_of_it_accepted)
{
	struct session_event event = event_of(SESSION_NEEDS_BATCH, "dev-1", 7);
	const struct batch *batch;

	event.ask = ASK_PACK;
	event.format = FORMAT_SENML_CBOR;
	batch = ask(&event);
	cr_assert_not_null(batch);
	cr_assert(batch->pack);
	event.plan = batch->plan;
	event.kind = SESSION_STARTED;
	tell(&event, 0);
	event.kind = SESSION_FINISHED;
	tell(&event, 0);
	expect_report("dev-1", TASK_SUCCESS, "delivered as a pack");
	batch_release(batch);
}

Test(events, a_pack_that_cannot_be_is_refused_with_4_05)
{
	struct session_event event = event_of(SESSION_NEEDS_BATCH, "dev-2", 7);

	event.ask = ASK_PACK;
	event.format = FORMAT_SENML_CBOR;
	cr_expect_null(ask(&event));
	cr_expect_eq(world.dp.commands[0].code, 0x85);
}

Test(events, tables_and_files_of_the_policy_folder)
{
	const struct batch *batch;

	world_folder(&world, "policy/resources");
	world_write(&world, "policy/resources/sites.csv",
		    "id,uri\ni0,coap://none\ni1,coap://one\n");
	world_write(&world, "policy/resources/key.der", "0123456789");
	use_task("<lwm2mBootstrap><write key=\"/0/2/0\" "
		 "value=\"${res.sites.by('id').get(sv.id).uri}\" />"
		 "<upload key=\"/0/2/5\" resourceId=\"key.der\" /></lwm2mBootstrap>");
	batch = world_batch(&world, "dev-1");
	cr_assert_not_null(batch, "%s", world_device(&world, "dev-1")->plan->tasks[0].summary);
	cr_expect_not_null(memmem(batch_step_payload(batch->steps[0]), batch->steps[0]->payload_len,
				  "coap://one", 10));
	cr_expect_not_null(memmem(batch_step_payload(batch->steps[0]), batch->steps[0]->payload_len,
				  "0123456789", 10));
	/* A bad table is refused with its line, and the old policy serves. */
	world_write(&world, "policy/resources/sites.csv", "id,uri\ni0\n");
	cr_expect_lt(world_reload(&world), 0);
	cr_expect(strstr(text_str(&world.text), "sites.csv:2: error"), "%s", text_str(&world.text));
}

/* Nothing is sent to the device, so no run finishes: the effects of the task are done all the same. */
Test(events, a_task_without_operations_has_its_effects)
{
	struct session_event event = event_of(SESSION_NEEDS_BATCH, "dev-1", 7);

	use_task("<join group=\"root\" />");
	cr_expect_null(ask(&event));
	event.kind = SESSION_REFUSED;
	tell(&event, 0);
	cr_expect_str_eq(device_groups(&world.service->inventory, world_device(&world, "dev-1")),
			 "root.a,root");
	cr_expect_eq(world_report(&world, "dev-1")->status, TASK_SUCCESS);
}

Test(events, a_task_that_fails_has_none)
{
	struct session_event event = event_of(SESSION_NEEDS_BATCH, "dev-1", 7);

	use_task("<join group=\"root\" /><finish status=\"ERROR\" message=\"no\" />");
	cr_expect_null(ask(&event));
	event.kind = SESSION_REFUSED;
	tell(&event, 0);
	cr_expect_str_eq(device_groups(&world.service->inventory, world_device(&world, "dev-1")),
			 "root.a");
}

/* ---- every session has an end ---- */

#define READING  "<lwm2mBootstrap><read key=\"/1/0\" output=\"v\" /></lwm2mBootstrap>"
#define QUESTION READING "<log message=\"${#v.value('/1/0/0')}\" />"

/* What can become of a task once its device has answered, and how its session ends then. */
struct ending {
	const char *name, *task;
	uint8_t code;
	uint16_t format;
	const char *answer;
	uint8_t kind, cause; /* of the event that ends it */
	enum task_status status;
	const char *words;
};

#define ANSWER_TEXT       "[{\"bn\":\"/1/0/\",\"n\":\"0\",\"v\":2}]"
#define FINISH_WITH_ERROR QUESTION "<finish status=\"ERROR\" message=\"not this one\" />"
#define MISSING_VALUE     QUESTION "<log message=\"${#v.value('/1/0/1')}\" />"

static const struct ending endings[] = {
	{ "a value that is missing, nothing more to send", MISSING_VALUE, 0x45, 110, ANSWER_TEXT,
	  SESSION_REFUSED, 0, TASK_ERROR, "/1/0/1" },
	{ "the same, with a Finish", MISSING_VALUE, 0x45, 110, ANSWER_TEXT, SESSION_FINISHED, 0,
	  TASK_ERROR, "/1/0/1" },
	{ "the same, and it fails", MISSING_VALUE, 0x45, 110, ANSWER_TEXT, SESSION_FAILED,
	  CAUSE_TIMEOUT, TASK_ERROR, "/1/0/1" },
	{ "an answer in no format that is known", MISSING_VALUE, 0x45, 0, "x", SESSION_FINISHED, 0,
	  TASK_ERROR, "" },
	{ "an error of its own after the answer", FINISH_WITH_ERROR, 0x45, 110, ANSWER_TEXT,
	  SESSION_FINISHED, 0, TASK_ERROR, "not this one" },
	{ "all is well", QUESTION, 0x45, 110, ANSWER_TEXT, SESSION_FINISHED, 0, TASK_SUCCESS, "" },
	{ "cancelled", QUESTION, 0x45, 110, ANSWER_TEXT, SESSION_FAILED, CAUSE_CANCELLED,
	  TASK_ERROR, "cancelled" },
	{ "no batch", QUESTION, 0x45, 110, ANSWER_TEXT, SESSION_FAILED, CAUSE_NO_BATCH, TASK_ERROR,
	  "" },
};

static struct session_event
begin_with_a_question(uint32_t serial)
{
	struct session_event event = event_of(SESSION_NEEDS_BATCH, "dev-1", serial);
	const struct batch *batch;

	event.format = FORMAT_SENML_JSON;
	event.started_us += serial;
	batch = ask(&event);
	cr_assert(batch && batch->continues);
	event.kind = SESSION_STARTED;
	event.plan = batch->plan;
	tell(&event, 0);
	cr_assert_eq(world_report(&world, "dev-1")->status, TASK_IN_PROGRESS);
	batch_release(batch);
	return event;
}

static void
answer(struct session_event *event, const struct ending *ending)
{
	const struct batch *rest;

	event->kind = SESSION_NEEDS_BATCH;
	event->ask = ASK_REST;
	event->code = ending->code;
	event->format = ending->format;
	event->answer = (const uint8_t *)ending->answer;
	event->answer_len = (uint32_t)strlen(ending->answer);
	rest = ask(event);
	if (rest)
		batch_release(rest);
}

Test(events, no_report_stays_in_progress_once_its_session_is_over)
{
	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		const struct ending *ending = &endings[i];
		struct session_event event;

		use_task(ending->task);
		event = begin_with_a_question(100 + (uint32_t)i);
		answer(&event, ending);
		event.kind = ending->kind;
		event.cause = ending->cause;
		tell(&event, 0);
		cr_expect_null(world_device(&world, "dev-1")->live, "%s", ending->name);
		cr_expect_eq(world_report(&world, "dev-1")->status, ending->status, "%s: %s",
			     ending->name, world_summary(&world, "dev-1"));
		cr_expect_not_null(strstr(world_summary(&world, "dev-1"), ending->words), "%s: %s",
				   ending->name, world_summary(&world, "dev-1"));
	}
}

Test(events, a_task_that_a_reload_took_away_does_not_stay_in_progress)
{
	struct session_event event;

	use_task(QUESTION);
	event = begin_with_a_question(7);
	world_write(&world, "policy/groups.conf",
		    "groups = ( { name = \"root\"; }, { name = \"root.a\"; } );\n");
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	answer(&event, &endings[0]);
	event.kind = SESSION_REFUSED;
	tell(&event, 0);
	cr_expect_null(world_report(&world, "dev-1"), "it went with its task");
}

Test(events, a_run_that_a_newer_request_replaced_does_not_stay_in_progress)
{
	struct session_event event;

	use_task(QUESTION);
	begin_with_a_question(7);
	event = event_of(SESSION_NEEDS_BATCH, "dev-1", 8);
	event.started_us += 1000;
	tell(&event, 1);
	cr_assert_not_null(world.dp.commands[2].batch);
	batch_release(world.dp.commands[2].batch);
	expect_report("dev-1", TASK_ERROR, "the run ended before");
}

/* A device that takes nothing of what it is given comes again at once, and each run goes well. */
Test(events, a_device_that_comes_back_at_once_again_and_again_is_flagged)
{
	const struct inventory *inventory = &world.service->inventory;
	struct device *device = world_device(&world, "dev-1");
	uint64_t start_us = 1000000;

	for (uint32_t run = 0; run < DEVICE_RETURNS_MANY + 2; run++) {
		struct session_event event = event_of(SESSION_STARTED, "dev-1", run);

		cr_expect_eq(inventory->returning, run > DEVICE_RETURNS_MANY, "run %u", run);
		event.started_us = event.time_us = start_us + run;
		tell(&event, 0);
		event.kind = SESSION_FINISHED;
		tell(&event, 0);
	}
	cr_expect_eq(inventory->returning, 1);
	/* A long absence, and it is as any other. */
	device->last_bootstrap_ms -= 3600000;
	for (uint8_t kind = SESSION_STARTED; kind <= SESSION_FINISHED; kind++) {
		struct session_event event = event_of(kind, "dev-1", 900);

		if (kind == SESSION_NEEDS_BATCH)
			continue;
		event.started_us = event.time_us = start_us + 900;
		tell(&event, 0);
	}
	cr_expect_eq(inventory->returning, 0);
	publish_removal(world.service, device);
	cr_expect_eq(inventory->returning, 0);
}

Test(events, a_device_whose_changes_wait_for_the_store_is_listed_once)
{
	const struct device_ring *unsaved = &world.service->unsaved.ring;
	struct session_event event = event_of(SESSION_NEEDS_BATCH, "dev-1", 7);

	use_task("<store type=\"devProp\" target=\"made\" value=\"here\" />");
	for (uint32_t run = 0; run < 3; run++) {
		event.kind = SESSION_NEEDS_BATCH;
		event.session.serial = 7 + run;
		event.started_us++;
		cr_expect_null(ask(&event));
		event.kind = SESSION_REFUSED;
		tell(&event, 0);
	}
	cr_expect_eq(unsaved->count, 1);
	cr_expect(world_device(&world, "dev-1")->unsaved);
	cr_expect_eq(device_ring_at(unsaved, 0), device_id(world_device(&world, "dev-1")));
}

/* ---- requests at other members of the cluster ---- */

static void
claim_elsewhere(uint64_t started_ms)
{
	const struct cluster_report claim = { .endpoint = "dev-1",
					      .group = "",
					      .task = "",
					      .summary = "",
					      .status = TASK_IN_PROGRESS,
					      .started_ms = started_ms };

	member_claims_take(world.service, world_device(&world, "dev-1"), &claim);
	events_take(world.service);
}

Test(events, a_later_request_at_another_member_ends_the_run_here)
{
	struct device *device = world_device(&world, "dev-1");
	uint64_t began_ms;

	tell_kind(SESSION_STARTED, "dev-1", 7, 0);
	cr_assert(device->live);
	began_ms = device->live->started_ms;
	device->seen_here = true;
	claim_elsewhere(began_ms - 1);
	cr_assert(device->live, "an older one");
	claim_elsewhere(began_ms);
	cr_assert(device->live, "at the same time: each its own");
	cr_assert(device->seen_here);
	claim_elsewhere(began_ms + 1);
	cr_assert_null(device->live);
	cr_assert_not(device->seen_here);
	cr_assert_eq(world.service->replica.superseded, 1);
	cr_assert_eq(world.dp.commands[world.dp.n_commands - 1].kind, STACK_CANCEL);
	cr_assert_eq(world.dp.commands[world.dp.n_commands - 1].session.serial, 7);
	expect_report("dev-1", TASK_ERROR, "a later request of the device came to another member");
	claim_elsewhere(began_ms + 2);
	cr_assert_eq(world.service->replica.superseded, 1, "nothing is left to end");
	/* What its worker said before it heard of that does not begin it anew. */
	tell_kind(SESSION_NEEDS_BATCH, "dev-1", 7, 0);
	cr_assert_null(device->live);
}

Test(events, who_asked_another_member_before_is_claimed_anew)
{
	struct device *device = world_device(&world, "dev-1");

	device->seen_here = true;
	device->last_bootstrap_ms = 1000;
	claim_elsewhere(1000);
	cr_assert(device->seen_here);
	claim_elsewhere(1001);
	cr_assert_not(device->seen_here);
}

/* ---- runs that wait for their claim ---- */

/* A member that follows; no thread of it is started, so that nobody asks a database. */
static void
join_cluster(void)
{
	char path[256], error[CLUSTER_ERROR_MAX];
	struct cluster_options options = { .name = "north",
					   .database = "postgresql:///none",
					   .secret_file = path,
					   .member_name = "one",
					   .member = 1,
					   .poll_ms = 200,
					   .horizon_s = 60 };

	world_write(&world, "secret",
		    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
	snprintf(path, sizeof path, "%s/secret", world.folder);
	cr_assert_eq(chmod(path, 0600), 0);
	world.service->cluster = cluster_new(&options, "north", 5, error);
	cr_assert_not_null(world.service->cluster, "%s", error);
	world.service->cluster->state = CLUSTER_FOLLOWING;
}

/* And the worker has let go of the last batch that it got, if there is one. */
static void
leave_cluster(void)
{
	const struct stack_command *last =
		world.dp.n_commands ? &world.dp.commands[world.dp.n_commands - 1] : NULL;

	if (last && last->kind == STACK_BATCH && last->batch)
		batch_release(last->batch);
	cluster_free(world.service->cluster);
	world.service->cluster = NULL;
}

/* A device that another member saw a moment ago is to do something once. */
static struct device *
seen_elsewhere(void)
{
	struct device *device;

	world_write(&world, "policy/groups.conf",
		    "groups = ( { name = \"root\"; }, { name = \"root.a\"; values = { shared = "
		    "\"one\"; };"
		    " tasks = ( { name = \"first\"; file = \"first.xml\"; repetition = \"once\"; } "
		    "); } );");
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	join_cluster();
	device = world_device(&world, "dev-1");
	device->seen_elsewhere = true;
	device->last_bootstrap_ms = clock_now_ms();
	return device;
}

static void
ask_for_a_run(uint32_t serial)
{
	struct session_event event = event_of(SESSION_NEEDS_BATCH, "dev-1", serial);

	event.started_us += serial;
	tell(&event, 0);
}

/* The database's answer to the claim that was asked for last. */
static void
grant_last(void)
{
	struct claiming *claiming = &world.service->cluster->claiming;

	cr_assert_gt(claiming->n_asked, 0);
	claiming->ends[claiming->n_ends++] = (struct cluster_claimed){
		.claim = claiming->asked[--claiming->n_asked],
		.granted = true,
	};
	member_waits_poll(world.service);
}

/* How often claims are let go of. */
static unsigned
let_go(void)
{
	struct records_at at = { 0 };
	const struct report_record *record;
	unsigned n = 0;

	while ((record = records_next(&world.service->cluster->reporting.queue, &at))) {
		struct cluster_report report;

		cluster_report_of(record, &report);
		n += strcmp(report.summary, CLUSTER_CLAIM_OVER) == 0;
	}
	return n;
}

Test(events, a_run_goes_on_with_its_claim_and_lets_go_of_it_at_its_end)
{
	const struct member_waits *waits = &world.service->replica.waits;
	struct device *device = seen_elsewhere();

	ask_for_a_run(7);
	cr_assert_eq(waits->count, 1);
	cr_assert_eq(world.dp.n_commands, 0, "nothing is sent yet");
	grant_last();
	cr_assert_eq(waits->granted, 1);
	cr_assert_eq(waits->count, 0);
	cr_assert_eq(world.dp.n_commands, 1);
	cr_assert_not_null(world.dp.commands[0].batch);
	cr_assert_eq(let_go(), 0);
	tell_kind(SESSION_FINISHED, "dev-1", 7, 0);
	cr_assert_null(device->live);
	cr_assert_eq(let_go(), 1);
	leave_cluster();
}

Test(events, a_claim_that_comes_for_a_run_that_is_over_is_let_go_of)
{
	const struct member_waits *waits = &world.service->replica.waits;
	struct device *device = seen_elsewhere();
	unsigned before;

	ask_for_a_run(7);
	cr_assert_eq(waits->count, 1);
	tell_kind(SESSION_FAILED, "dev-1", 7, 0);
	cr_assert_null(device->live);
	before = let_go();
	grant_last();
	cr_assert_eq(waits->count, 0);
	cr_assert_eq(waits->granted, 0);
	cr_assert_eq(let_go(), before + 1);
	leave_cluster();
}

Test(events, who_asks_again_while_a_run_waits_for_its_claim_waits_as_well)
{
	const struct member_waits *waits = &world.service->replica.waits;

	seen_elsewhere();
	ask_for_a_run(7);
	ask_for_a_run(8);
	cr_assert_eq(waits->count, 1, "for the claim that was asked for");
	for (unsigned i = 0; i < world.dp.n_commands; i++)
		cr_assert_eq(world.dp.commands[i].kind, STACK_CANCEL, "nothing is sent yet");
	grant_last();
	cr_assert_eq(waits->granted, 1);
	cr_assert_eq(waits->count, 0);
	cr_assert_eq(world.dp.commands[world.dp.n_commands - 1].kind, STACK_BATCH);
	cr_assert_eq(world.dp.commands[world.dp.n_commands - 1].session.serial, 8);
	leave_cluster();
}
