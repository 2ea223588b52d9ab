/* Watching, over a real socket: what happens is told, and whoever reads slowly or leaves costs nothing. */
#include "control/commands/watch.h"
#include "tests/unit/socket_world.h"

static struct world world;
static struct socket_world sockets;

static void
set_up(void)
{
	world_start(&world);
	socket_world_open(&sockets, &world);
}

static void
tear_down(void)
{
	socket_world_close(&sockets);
	cr_expect_eq(world.service->feed.readers, 0, "a watch stays behind");
	world_stop(&world);
}

TestSuite(watch, .init = set_up, .fini = tear_down);

static void
run(void)
{
	socket_world_run(&sockets);
}

static struct socket_client
client(void)
{
	return socket_client_open(&sockets);
}

static void
leave(struct socket_client *one)
{
	socket_client_close(one);
	run();
}

static void
request(const struct socket_client *one, const char *line, bool json)
{
	socket_client_ask(one, line, json, -1);
}

/* The next frame that there is; NULL: none. */
static json_t *
receive(struct socket_client *one)
{
	return socket_client_next(&sockets, one);
}

static const char *
string(const json_t *frame, const char *key)
{
	const char *text = json_string_value(json_object_get(frame, key));

	return text ? text : "";
}

/* Begins a watch; its first answer is right. */
static struct socket_client
watch(const char *line, bool json)
{
	struct socket_client one = client();
	json_t *frame;

	request(&one, line, json);
	frame = receive(&one);
	cr_assert_not_null(frame);
	cr_assert(json_is_true(json_object_get(frame, "watch")), "%s", string(frame, "error"));
	json_decref(frame);
	return one;
}

static void
put_session(uint32_t device, enum feed_session what)
{
	feed_put(&world.service->feed, &(struct feed_event){ .kind = FEED_SESSION,
							     .at_ms = 1000,
							     .device = device,
							     .what = (uint8_t)what });
}

static void
report(const char *endpoint, enum task_status status)
{
	const struct report_change change = { .device = device_id(world_device(&world, endpoint)),
					      .task = 1,
					      .status = status,
					      .started_ms = 1000,
					      .finished_ms = 3000,
					      .summary = "two\nlines" };

	reports_set(&world.service->reports, &change);
}

Test(watch, what_cannot_be_watched_is_refused)
{
	static const struct {
		const char *line, *words;
	} cases[] = {
		{ "watch everything", "\"everything\" cannot be watched: say some of events," },
		{ "watch reports,", "\"\" cannot be watched" },
		{ "watch counters --interval 0", "1 to 3600" },
		{ "watch counters --interval 3601", "--interval must be" },
		{ "watch sessions --per-second x", "--per-second must be" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct socket_client one = client();
		json_t *frame;

		request(&one, cases[i].line, true);
		frame = receive(&one);
		cr_expect_eq(json_integer_value(json_object_get(frame, "exit")), CTL_USAGE);
		cr_expect_not_null(strstr(string(frame, "error"), cases[i].words), "%s",
				   string(frame, "error"));
		cr_expect_null(json_object_get(frame, "watch"));
		json_decref(frame);
		leave(&one);
	}
	run();
}

/* What each kind of event says, for machines. */
Test(watch, events_are_told_as_they_happen)
{
	static const char *const expected[] = {
		"\"kind\": \"session\"",    "\"what\": \"started\"",
		"\"kind\": \"report\"",     "\"status\": \"Success\"",
		"\"kind\": \"unknown\"",    "\"endpoint\": \"who\\\\x1b\"",
		"\"kind\": \"rejected\"",   "\"reason\": \"wrong key\"",
		"\"kind\": \"generation\"", "\"generation\": 2",
	};
	struct socket_client one = watch("watch", true);
	uint32_t id = device_id(world_device(&world, "dev-1"));

	put_session(id, FEED_STARTED);
	report("dev-1", TASK_SUCCESS);
	feed_put(&world.service->feed,
		 &(struct feed_event){ .kind = FEED_UNKNOWN, .name_len = 4, .name = "who\x1b" });
	feed_put(&world.service->feed,
		 &(struct feed_event){ .kind = FEED_REJECTED, .device = id, .what = CAUSE_KEY });
	cr_assert_eq(world_reload(&world), 0);
	for (unsigned i = 0; i < 5; i++) {
		json_t *frame = receive(&one), *event = json_object_get(frame, "event");
		char *text = json_dumps(event, 0);

		cr_assert_not_null(text);
		cr_expect_not_null(strstr(text, expected[2 * i]), "%s", text);
		cr_expect_not_null(strstr(text, expected[2 * i + 1]), "%s", text);
		cr_expect_not_null(strstr(text, "\"at_ms\""), "%s", text);
		cr_expect_null(json_object_get(frame, "missed"));
		cr_expect_null(json_object_get(frame, "text"));
		free(text);
		json_decref(frame);
	}
	cr_expect_null(receive(&one));
	leave(&one);
}

Test(watch, for_people_each_event_is_a_line)
{
	struct socket_client one = watch("watch reports,sessions --match dev-*", false);
	json_t *frame;

	report("dev-2", TASK_ERROR);
	put_session(device_id(world_device(&world, "dev-1")), FEED_FAILED);
	frame = receive(&one);
	cr_expect_str_eq(string(frame, "text"),
			 "1970-01-01T00:00:03Z  report    dev-2  g:root.a:1 first  Error  2000 ms  "
			 "two\\x0alines\n",
			 "%s", string(frame, "text"));
	json_decref(frame);
	frame = receive(&one);
	cr_expect_not_null(strstr(string(frame, "text"), "failed    dev-1"));
	cr_expect_null(json_object_get(frame, "event"));
	json_decref(frame);
	leave(&one);
}

Test(watch, only_what_matches_is_told)
{
	struct socket_client one = watch("watch reports --match *-3", true);
	json_t *frame;

	report("dev-1", TASK_SUCCESS);
	report("dev-3", TASK_WARNING);
	frame = receive(&one);
	cr_expect_str_eq(string(json_object_get(frame, "event"), "device"), "dev-3");
	json_decref(frame);
	cr_expect_null(receive(&one));
	leave(&one);
}

Test(watch, it_ends_after_as_many_as_were_asked_for)
{
	struct socket_client one = watch("watch reports --count 2", true);
	json_t *frame;

	for (unsigned i = 0; i < 3; i++)
		report("dev-1", TASK_SUCCESS);
	json_decref(receive(&one));
	json_decref(receive(&one));
	frame = receive(&one);
	cr_expect_eq(json_integer_value(json_object_get(frame, "exit")), CTL_DONE);
	cr_expect_null(json_object_get(frame, "watch"));
	json_decref(frame);
	/* The connection is as it was before. */
	request(&one, "status", true);
	frame = receive(&one);
	cr_expect_not_null(json_object_get(json_object_get(frame, "result"), "version"));
	json_decref(frame);
	leave(&one);
}

/* All frames that there are: how many events came, and how many are said to be missing. */
static void
count_events(struct socket_client *one, uint64_t *got, uint64_t *missed)
{
	json_t *frame;

	while ((frame = receive(one))) {
		*got += json_object_get(frame, "event") != NULL;
		*missed += (uint64_t)json_integer_value(json_object_get(frame, "missed"));
		json_decref(frame);
	}
}

Test(watch, who_does_not_read_loses_events_and_is_told_how_many)
{
	enum { ALL = 20 * FEED_KEPT };
	struct socket_client slow = watch("watch sessions", true),
			     quick = watch("watch rejected", true);
	uint64_t got = 0, missed = 0;
	uint32_t id = device_id(world_device(&world, "dev-1"));

	for (unsigned i = 0; i < ALL; i++) {
		put_session(id, FEED_FINISHED);
		if (i % 100 == 0)
			run();
	}
	/* Another one is served meanwhile. */
	feed_put(&world.service->feed, &(struct feed_event){ .kind = FEED_REJECTED, .device = id });
	count_events(&quick, &got, &missed);
	cr_expect_eq(got, 1);
	cr_expect_eq(missed, 0);
	got = 0;
	count_events(&slow, &got, &missed);
	cr_expect_eq(got + missed, ALL, "%llu came, %llu are missing", (unsigned long long)got,
		     (unsigned long long)missed);
	cr_expect_gt(missed, 0);
	cr_expect_geq(got, FEED_KEPT);
	leave(&slow);
	leave(&quick);
}

/* A picture that people look at needs some of a storm: the newest, and how many there were besides. */
Test(watch, no_more_events_a_second_are_told_than_were_asked_for)
{
	struct socket_client one = watch("watch sessions --per-second 3", true);
	uint32_t id = device_id(world_device(&world, "dev-1"));
	uint64_t until_us = clock_now_us() + 60000000, got = 0, missed = 0;

	for (unsigned i = 0; i < 2 * FEED_KEPT; i++)
		put_session(id, FEED_FINISHED);
	count_events(&one, &got, &missed);
	cr_expect_leq(got, 6); /* the second may have ended meanwhile */
	while (got + missed < 2 * FEED_KEPT && clock_now_us() < until_us)
		count_events(&one, &got, &missed);
	cr_expect_eq(got + missed, 2 * FEED_KEPT);
	cr_expect_leq(got, 9);
	cr_expect_gt(got, 3);
	leave(&one);
}

Test(watch, samples_come_again_and_again)
{
	struct socket_client one = watch("watch counters,status,phases --interval 3600", true);
	json_t *frame = receive(&one);

	cr_expect_str_eq(string(json_object_get(frame, "event"), "kind"), "status");
	json_decref(frame);
	frame = receive(&one);
	cr_expect_str_eq(string(json_object_get(frame, "event"), "kind"), "phases");
	cr_expect_not_null(json_object_get(json_object_get(frame, "event"), "handshake"));
	json_decref(frame);
	frame = receive(&one);
	cr_expect_str_eq(string(json_object_get(frame, "event"), "kind"), "counters");
	cr_expect_eq(json_object_size(json_object_get(json_object_get(frame, "event"), "counters")),
		     COUNTERS);
	json_decref(frame);
	cr_expect_null(receive(&one)); /* in an hour */
	leave(&one);
}

Test(watch, a_list_goes_on_with_what_comes)
{
	struct socket_client one = client();
	json_t *frame;

	report("dev-1", TASK_SUCCESS);
	request(&one, "report list --follow --status success", true);
	frame = receive(&one);
	cr_assert(json_is_true(json_object_get(frame, "watch")));
	cr_expect_eq(json_array_size(json_object_get(json_object_get(frame, "result"), "reports")),
		     1);
	json_decref(frame);
	report("dev-2", TASK_ERROR);
	report("dev-3", TASK_SUCCESS);
	frame = receive(&one);
	cr_expect_str_eq(string(json_object_get(frame, "event"), "device"), "dev-3");
	json_decref(frame);
	leave(&one);
}

Test(watch, the_end_of_the_appliance_is_told)
{
	struct socket_client one = watch("watch", true);
	json_t *frame;

	ctl_server_end_watches(sockets.server, CTL_NOT_RUNNING, "the appliance stops");
	frame = receive(&one);
	cr_expect_eq(json_integer_value(json_object_get(frame, "exit")), CTL_NOT_RUNNING);
	cr_expect_str_eq(string(frame, "error"), "the appliance stops");
	json_decref(frame);
	leave(&one);
}

/* Anything that a client sends ends its watch, and is served. */
Test(watch, another_request_ends_it)
{
	struct socket_client one = watch("watch", true);
	json_t *frame;

	request(&one, "status", true);
	frame = receive(&one);
	cr_expect_eq(json_integer_value(json_object_get(frame, "exit")), CTL_DONE);
	cr_expect_null(json_object_get(frame, "watch"));
	cr_expect(json_is_null(json_object_get(frame, "result")));
	json_decref(frame);
	frame = receive(&one);
	cr_expect_not_null(json_object_get(json_object_get(frame, "result"), "version"));
	json_decref(frame);
	cr_expect_eq(world.service->feed.readers, 0);
	leave(&one);
}

Test(watch, as_many_as_there_may_be_leave_places_for_others)
{
	struct socket_client all[CTL_WATCHES_MAX], other;
	json_t *frame;

	for (unsigned i = 0; i < CTL_WATCHES_MAX; i++)
		all[i] = watch("watch", true);
	other = client();
	request(&other, "watch", true);
	frame = receive(&other);
	cr_expect_eq(json_integer_value(json_object_get(frame, "exit")), CTL_REFUSED);
	cr_expect_not_null(strstr(string(frame, "error"), "watch already"));
	json_decref(frame);
	request(&other, "status", true);
	frame = receive(&other);
	cr_expect_eq(json_integer_value(json_object_get(frame, "exit")), CTL_DONE);
	json_decref(frame);
	/* One leaves, and makes room. */
	leave(&all[7]);
	request(&other, "watch", true);
	frame = receive(&other);
	cr_expect(json_is_true(json_object_get(frame, "watch")));
	json_decref(frame);
	for (unsigned i = 0; i < CTL_WATCHES_MAX; i++)
		if (i != 7)
			leave(&all[i]);
	leave(&other);
}
