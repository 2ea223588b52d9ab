/* What a process that is to serve next learns of the one that serves. */
#include <sys/socket.h>

#include "control/handover/channel.h"
#include "control/log.h"
#include "control/standby.h"
#include "tests/unit/control_world.h"

static struct world world;
static struct standby standby;
static int other;

static void
setup(void)
{
	char error[STORE_ERROR_MAX];
	struct store *store;
	int fds[2];

	world_start(&world);
	free(world.service->config->store);
	cr_assert_gt(asprintf(&world.service->config->store, "%s/cradle.db", world.folder), 0);
	store = store_open(world.service->config->store, error);
	cr_assert_not_null(store, "%s", error);
	store_close(store);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	standby = (struct standby){ .fd = fds[0], .listener = -1 };
	other = fds[1];
}

static void
teardown(void)
{
	standby_fini(&standby);
	close(other);
	world_stop(&world);
}

TestSuite(standby, .init = setup, .fini = teardown);

/* `polled`: taken over; NULL: it does not tell. */
static int
meet(json_t *polled)
{
	json_t *begin = json_pack("{s:i, s:s, s:i, s:s, s:s, s:i, s:b}", "format", CHANNEL_FORMAT, "version", "0", "process",
				  (int)getpid(), "prefix", "cradle", "store", world.service->config->store, "log_level",
				  SEVERITY_ERROR, "draining", false);

	if (polled)
		json_object_set_new(begin, "polled", polled);
	cr_assert_eq(channel_send(other, "begin", begin, NULL, 0), 0);
	return standby_meet(&standby, world.service->config);
}

Test(standby, learns_where_workers_poll)
{
	cr_assert_eq(meet(json_pack("[i, i]", 1, CPU_SETSIZE - 1)), 0);
	cr_expect(standby.knows_polled);
	cr_expect_eq(CPU_COUNT(&standby.polled), 2);
	cr_expect(CPU_ISSET(1, &standby.polled) && CPU_ISSET(CPU_SETSIZE - 1, &standby.polled));
}

Test(standby, of_numbers_that_are_no_cpu_nothing_is_learnt)
{
	cr_assert_eq(meet(json_pack("[i, i]", -1, CPU_SETSIZE)), 0);
	cr_expect(standby.knows_polled);
	cr_expect_eq(CPU_COUNT(&standby.polled), 0);
}

/* An older program: its workers may poll anywhere. */
Test(standby, a_process_that_does_not_tell_may_poll_anywhere)
{
	cr_assert_eq(meet(NULL), 0);
	cr_expect_not(standby.knows_polled);
	cr_expect_eq(standby.former, getpid());
}
