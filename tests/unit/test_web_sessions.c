/* Sessions of the console, and how guessing is slowed down. */
#include <string.h>

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <sodium.h>

#include "tools/web/login_throttle.h"
#include "tools/web/web_sessions.h"

enum { IDLE = 1000, WHOLE = 10000 };

static struct web_sessions sessions;
static struct login_throttle throttle;

static void
setup(void)
{
	cr_assert(sodium_init() >= 0);
	web_sessions_init(&sessions, IDLE, WHOLE);
	login_throttle_init(&throttle);
}

TestSuite(web_sessions, .init = setup);
TestSuite(login_throttle, .init = setup);

Test(web_sessions, an_id_that_nobody_made_is_nothing)
{
	char id[WEB_SESSION_ID + 1];

	memset(id, 'a', WEB_SESSION_ID);
	id[WEB_SESSION_ID] = '\0';
	cr_assert(!web_sessions_find(&sessions, id, 5));
	cr_assert(!web_sessions_find(&sessions, "", 5));
	/* The place of a free entry is all zero: what hashes to that must not be found either. */
	cr_assert(web_sessions_begin(&sessions, "ann", ROLE_VIEWER, 5, id));
	web_sessions_end(&sessions, web_sessions_find(&sessions, id, 5));
	cr_assert(!web_sessions_find(&sessions, id, 5));
}

Test(web_sessions, ids_differ_and_are_not_kept)
{
	char one[WEB_SESSION_ID + 1], two[WEB_SESSION_ID + 1];
	struct web_session *session = web_sessions_begin(&sessions, "ann", ROLE_OPERATOR, 1, one);

	cr_assert(session && web_sessions_begin(&sessions, "ann", ROLE_OPERATOR, 1, two));
	cr_assert(strcmp(one, two) != 0 && strcmp(session->csrf, one) != 0);
	cr_assert(!memmem(&sessions, sizeof sessions, one, WEB_SESSION_ID));
	cr_assert(web_sessions_find(&sessions, one, 2) == session);
	cr_assert(web_session_csrf_is(session, session->csrf));
	cr_assert(!web_session_csrf_is(session, one) && !web_session_csrf_is(session, NULL) &&
		  !web_session_csrf_is(session, ""));
}

Test(web_sessions, idle_and_old_ones_end)
{
	char id[WEB_SESSION_ID + 1];

	cr_assert(web_sessions_begin(&sessions, "ann", ROLE_VIEWER, 0, id));
	for (uint64_t now = IDLE - 1; now < WHOLE; now += IDLE - 1)
		cr_assert(web_sessions_find(&sessions, id, now));
	cr_assert(!web_sessions_find(&sessions, id, WHOLE));
	cr_assert(web_sessions_begin(&sessions, "ann", ROLE_VIEWER, 20000, id));
	cr_assert(!web_sessions_find(&sessions, id, 20000 + IDLE));
}

Test(web_sessions, who_logs_in_again_and_again_keeps_nobody_out)
{
	char id[WEB_SESSION_ID + 1], first[WEB_SESSION_ID + 1], other[WEB_SESSION_ID + 1];

	cr_assert(web_sessions_begin(&sessions, "bob", ROLE_VIEWER, 1, other));
	cr_assert(web_sessions_begin(&sessions, "ann", ROLE_VIEWER, 1, first));
	for (unsigned i = 0; i < WEB_SESSIONS_OF_USER; i++)
		cr_assert(web_sessions_begin(&sessions, "ann", ROLE_VIEWER, 2 + i, id));
	cr_assert(!web_sessions_find(&sessions, first, 30)); /* the longest idle one made way */
	cr_assert(web_sessions_find(&sessions, other, 30));
}

Test(web_sessions, a_full_table_lets_in_nobody_new)
{
	char id[WEB_SESSION_ID + 1], name[16];

	for (unsigned i = 0; i < WEB_SESSIONS_MAX; i++) {
		snprintf(name, sizeof name, "u%u", i);
		cr_assert(web_sessions_begin(&sessions, name, ROLE_VIEWER, 1, id));
	}
	cr_assert(!web_sessions_begin(&sessions, "late", ROLE_VIEWER, 2, id));
	cr_assert(web_sessions_begin(&sessions, "late", ROLE_VIEWER, 1 + IDLE, id));
}

static struct ip_address
address(const char *text)
{
	struct ip_address parsed;

	cr_assert(ip_address_parse(&parsed, text, strlen(text)));
	return parsed;
}

Test(login_throttle, guessing_gets_slower_and_a_pause_forgives)
{
	const struct ip_address from = address("192.0.2.1"), other = address("192.0.2.2");
	uint64_t now = 1000;

	for (unsigned i = 1; i < THROTTLE_FREE; i++)
		login_throttle_failed(&throttle, &from, "ann", now);
	cr_assert(login_throttle_wait_s(&throttle, &from, "ann", now) == 0);
	login_throttle_failed(&throttle, &from, "ann", now);
	cr_assert(login_throttle_wait_s(&throttle, &from, "ann", now) == 1);
	login_throttle_failed(&throttle, &from, "ann", now);
	cr_assert(login_throttle_wait_s(&throttle, &from, "ann", now) == 2);
	/* Neither another name nor another address is kept out. */
	cr_assert(login_throttle_wait_s(&throttle, &from, "bob", now) == 0);
	cr_assert(login_throttle_wait_s(&throttle, &other, "ann", now) == 0);
	cr_assert(login_throttle_wait_s(&throttle, &from, "ann", now + 2000) == 0);
	for (unsigned i = 0; i < 50; i++)
		login_throttle_failed(&throttle, &from, "ann", now);
	cr_assert(login_throttle_wait_s(&throttle, &from, "ann", now) == THROTTLE_MAX_S);
	login_throttle_failed(&throttle, &other, "ann", now);
	login_throttle_failed(&throttle, &from, "ann", now + 2 * 3600 * 1000);
	cr_assert(login_throttle_wait_s(&throttle, &from, "ann", now + 2 * 3600 * 1000) == 0);
}

Test(login_throttle, an_address_with_many_names_is_slowed_down_too)
{
	const struct ip_address from = address("2001:db8::1"), near = address("2001:db8::2");
	char name[16];

	for (unsigned i = 0; i < THROTTLE_FREE_ADDRESS; i++) {
		snprintf(name, sizeof name, "u%u", i);
		login_throttle_failed(&throttle, &from, name, 1);
	}
	cr_assert(login_throttle_wait_s(&throttle, &from, "new", 1) == 1);
	cr_assert(login_throttle_wait_s(&throttle, &near, "new", 1) == 1); /* of one /64 */
}

Test(login_throttle, a_right_password_forgives_the_name)
{
	const struct ip_address from = address("192.0.2.1");

	for (unsigned i = 0; i < THROTTLE_FREE; i++)
		login_throttle_failed(&throttle, &from, "ann", 1);
	login_throttle_passed(&throttle, &from, "ann");
	cr_assert(login_throttle_wait_s(&throttle, &from, "ann", 1) == 0);
}

Test(login_throttle, a_full_table_keeps_those_that_wait_longest)
{
	const struct ip_address from = address("192.0.2.1");
	struct ip_address many = from;

	for (unsigned i = 0; i < 30; i++)
		login_throttle_failed(&throttle, &from, "ann", 1);
	for (unsigned i = 0; i < 4 * THROTTLE_ENTRIES; i++) {
		many.bytes[13] = (uint8_t)(i >> 8);
		many.bytes[14] = (uint8_t)i;
		login_throttle_failed(&throttle, &many, "ann", 2);
	}
	cr_assert(login_throttle_wait_s(&throttle, &from, "ann", 3) > 100);
}
