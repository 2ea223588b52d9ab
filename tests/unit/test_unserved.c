/* Who asked for what is not served: by address and cause, bounded; what they offered, in words. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/runs/unserved.h"

static struct unserved_peers *list;

static void
setup(void)
{
	list = calloc(1, sizeof *list);
}

static void
teardown(void)
{
	free(list);
}

TestSuite(unserved, .init = setup, .fini = teardown);

static struct session_event
event_of(unsigned address, enum session_cause cause)
{
	struct session_event event = {
		.kind = SESSION_UNSERVED,
		.cause = cause,
		.peer = { .addr = { [10] = 0xff, 0xff, 198, 18, (uint8_t)(address >> 8),
				    (uint8_t)address },
			  .port = (uint16_t)(1000 + list->count) },
	};

	return event;
}

static void
see(unsigned address, enum session_cause cause, uint64_t now_ms)
{
	struct session_event event = event_of(address, cause);

	unserved_peers_see(list, &event, now_ms);
}

Test(unserved, one_item_an_address_and_cause)
{
	see(1, CAUSE_SUITES, 10);
	see(1, CAUSE_SUITES, 20); /* from another port */
	see(1, CAUSE_NAME, 30);
	see(2, CAUSE_SUITES, 40);
	cr_assert_eq(list->count, 3);
	cr_expect_eq(list->items[0].count, 2);
	cr_expect_eq(list->items[0].first_ms, 10);
	cr_expect_eq(list->items[0].last_ms, 20);
}

Test(unserved, bounded_and_the_longest_silent_first_out)
{
	for (unsigned i = 0; i < UNSERVED_MAX; i++)
		see(i, CAUSE_SUITES, 1000 + i);
	see(0, CAUSE_SUITES, 5000);
	see(UNSERVED_MAX, CAUSE_SUITES, 6000);
	cr_expect_eq(list->count, UNSERVED_MAX);
	cr_expect_eq(list->items[0].count, 2);
	cr_expect_eq(list->items[1].last_ms, 6000);
}

static void
expect_why(const struct session_event *event, const char *sentence)
{
	struct text text;

	unserved_peers_see(list, event, 1);
	text_init(&text);
	unserved_why(&list->items[list->count - 1], &text);
	cr_expect_str_eq(text_str(&text), sentence);
	text_fini(&text);
}

Test(unserved, suites_by_name)
{
	struct session_event event = event_of(1, CAUSE_SUITES);

	/* A signal (RFC 5746), GREASE (RFC 8701), one that has no name here. */
	event.name_len = 10;
	memcpy(event.name, "\xc0\xa9\x00\xff\x1a\x1a\xfe\x01\x00\xaf", 10);
	event.whole_len = 14;
	expect_why(&event, "no cipher suite in common: it offers TLS_PSK_WITH_AES_256_CCM_8, 0xfe01, "
			   "TLS_PSK_WITH_AES_256_CBC_SHA384, and 2 more");
	event = event_of(2, CAUSE_SUITES);
	event.name_len = 1; /* no whole suite */
	expect_why(&event, "no cipher suite in common");
}

Test(unserved, names_and_requests_are_shown_escaped)
{
	struct session_event event = event_of(1, CAUSE_NAME);

	event.name_len = 4;
	memcpy(event.name, "a\x1b[m", 4);
	event.whole_len = 129;
	expect_why(&event, "identity of 129 bytes, more than any may have: a\\x1b[m...");
	event = event_of(2, CAUSE_REQUEST);
	event.reason = COUNTER_bs_refused_format;
	event.name_len = event.whole_len = 11;
	memcpy(event.name, "ep=a&pct=60", 11);
	expect_why(&event, "answered 4.15: preferred content format not supported; it asks "
			   "ep=a&pct=60");
	event.peer.addr[15] = 3;
	event.reason = UINT16_MAX; /* none of ours */
	event.name_len = 255;
	unserved_peers_see(list, &event, 1);
	cr_expect_eq(list->items[list->count - 1].event.name_len, sizeof event.name);
}
