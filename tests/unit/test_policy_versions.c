/* What becomes of a version of the policy that cannot be kept: a sentence, and the next one has it. */
#include "control/runs/policy_versions.h"
#include "control/store/store.h"
#include "tests/unit/control_world.h"

static struct world world;
static char path[96];

static void
set_up(void)
{
	char error[STORE_ERROR_MAX];

	world_start(&world);
	snprintf(path, sizeof path, "%s/store", world.folder);
	world.service->store = store_open(path, error);
	cr_assert_not_null(world.service->store, "%s", error);
	cr_assert_eq(store_start(world.service->store), 0);
}

static void
tear_down(void)
{
	store_close(world.service->store);
	world.service->store = NULL;
	world_stop(&world);
}

TestSuite(policy_versions, .init = set_up, .fini = tear_down);

static int64_t
record(char error[STORE_ERROR_MAX])
{
	const struct policy_note note = { .who = "-", .what = "test", .why = "" };

	return policy_versions_record(world.service, &note, error);
}

Test(policy_versions, a_folder_that_is_as_it_was_is_no_new_version)
{
	char error[STORE_ERROR_MAX];

	cr_expect_eq(record(error), 1, "%s", error);
	cr_expect_eq(record(error), 0);
	world_write(&world, "policy/tasks/more.xml", WORLD_TASK);
	cr_expect_eq(record(error), 2, "%s", error);
}

static void
count_turn(void *ctx)
{
	++*(unsigned *)ctx;
}

Test(policy_versions, one_that_meets_another_change_says_so_at_once_and_is_kept_with_the_next)
{
	struct store_change *other = store_change_begin(world.service->store);
	const struct pump pump = world.service->pump;
	char error[STORE_ERROR_MAX];
	unsigned turns = 0;

	cr_assert_not_null(other);
	world.service->pump = (struct pump){ count_turn, &turns };
	cr_expect_lt(record(error), 0);
	world.service->pump = pump;
	cr_expect_eq(turns, 0, "the other one cannot end before");
	cr_expect(strstr(error, "another change"), "%s", error);
	cr_expect_not(strstr(error, "cannot be read"), "%s", error);
	store_change_rollback(other);
	cr_expect_eq(record(error), 1, "%s", error);
}
