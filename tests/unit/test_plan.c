/* Plans: what is alike is one, counted; numbers are given again once nobody holds them. */
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

TestSuite(plan, .init = set_up, .fini = tear_down);

Test(plan, numbers_that_nobody_has)
{
	cr_expect_null(plan_at(&world.service->plans, 0));
	cr_expect_null(plan_at(&world.service->plans, 4711));
}

Test(plan, devices_that_differ_in_bytes_alone_have_one)
{
	const struct plan *plan = world_device(&world, "dev-1")->plan;
	uint32_t count = world.service->plans.count;

	world_add(&world, "dev-4", NULL, "root.a", "id=another");
	cr_expect_eq(world_device(&world, "dev-4")->plan, plan);
	cr_expect_eq(world.service->plans.count, count);
	cr_expect_eq(world_batch(&world, "dev-4")->plan, plan->number);
	cr_expect_neq(world_device(&world, "dev-2")->plan, plan, "this one failed");
}

Test(plan, names_its_steps_and_their_tasks)
{
	const struct plan *plan = world_device(&world, "dev-1")->plan;
	char name[PLAN_STEP_NAME_MAX];

	cr_expect_str_eq(plan_step_name(plan, 0, name), "PUT /0/2");
	cr_expect_str_eq(plan_step_name(plan, 2, name), "POST /bs");
	cr_expect_str_eq(plan_step_name(plan, 99, name), "step 100");
	cr_expect_str_eq(plan_step_name(NULL, 0, name), "step 1");
	cr_expect_eq(plan_task_of_step(plan, 2), 0);
	cr_expect_eq(plan_task_of_step(plan, 3), plan->n_tasks);
}

Test(plan, a_number_is_free_when_the_last_holder_lets_go)
{
	uint32_t number = world_device(&world, "dev-2")->plan->number;

	publish_removal(world.service, world_device(&world, "dev-2"));
	world_settle(&world);
	cr_expect_null(plan_at(&world.service->plans, number));
}
