/* Many devices compiled by several threads: what each gets is what one thread would give it. */
#include "control/runs/compile_many.h"
#include "tests/unit/control_world.h"

static const struct batch *interned; /* whose steps the plan was asked for last with */
static bool no_memory;               /* for plans */

static struct plan *
plan_intern_or_not(struct plans *plans, const struct plan_content *content)
{
	interned = content->batch;
	return no_memory ? NULL : plan_intern(plans, content);
}

#define plan_intern plan_intern_or_not
#include "control/runs/compile_many.c"
#undef plan_intern

enum { MANY = 6000 };

/* Some run two tasks, some fail with a sentence of their own, some get a batch a session. */
static const char groups[] =
	"groups = (\n"
	"  { name = \"root\"; },\n"
	"  { name = \"root.a\"; tasks = ( { name = \"first\"; file = \"first.xml\"; } ); },\n"
	"  { name = \"root.b\"; tasks = ( { name = \"second\"; file = \"first.xml\";\n"
	"      condition = \"${sv.id != null}\"; },\n"
	"      { name = \"third\"; file = \"first.xml\"; } ); },\n"
	"  { name = \"root.c\"; tasks = ( { name = \"now\"; file = \"first.xml\";\n"
	"      min_interval = 5; } ); }\n"
	");\n";

/* Between slices, of which a slow machine needs many: the fake keeps few of what goes. */
static void
let_go(void *ctx)
{
	world_settle(ctx);
}

static void
start(struct world *world, unsigned threads)
{
	static const char *const in[] = { "root.a", "root.b", "root.a,root.b", "root.c" };

	world_start(world);
	world->service->pump = (struct pump){ let_go, world };
	world_write(world, "policy/groups.conf", groups);
	cr_assert_eq(world_reload(world), 0, "%s", text_str(&world->text));
	for (unsigned i = 0; i < MANY; i++) {
		char endpoint[32], values[32];

		snprintf(endpoint, sizeof endpoint, "many-%u", i);
		snprintf(values, sizeof values, i % 7 ? "id=i%u" : "none=x%u", i);
		world_add(world, endpoint, "key", in[i / 100 % 4], values);
		if (i % 100 == 0)
			world_settle(world); /* the directory has grown */
	}
	world->service->config->compile_threads = threads;
	for (unsigned i = 0; i < threads; i++)
		CPU_SET(i, &world->service->free_cpus);
	world_write(world, "policy/tasks/first.xml",
		    "<config>\n <lwm2mBootstrap>\n"
		    "  <write key=\"/0/2/0\" value=\"coap://other:1\" />\n"
		    "  <write key=\"/0/2/10\" value=\"2\" />\n"
		    "  <write key=\"/0/2/5\" value=\"${sv.id.encodeHex}\" />\n"
		    "  <write key=\"/1/0/0\" value=\"2\" />\n"
		    " </lwm2mBootstrap>\n</config>\n");
	cr_assert_eq(world_reload(world), 0, "%s", text_str(&world->text));
}

static void
settle_all(struct world *world)
{
	do
		world_settle(world);
	while (world->service->retired.count);
}

static void
put_batch(struct text *text, const struct batch *batch)
{
	for (unsigned i = 0; batch && i < batch->n_steps; i++) {
		const struct batch_step *step = batch->steps[i];

		text_printf(text, " %u:", step->code);
		for (unsigned k = 0; k < step->options_len + step->payload_len; k++)
			text_printf(text, "%02x", step->bytes[k]);
	}
}

/* Every device's plan by its number, and all its bytes. */
static char *
describe(struct world *world)
{
	struct text text;
	struct device *device;
	char *copy;

	text_init(&text);
	for (uint32_t id = 0; (device = inventory_next(&world->service->inventory, &id)); id++) {
		text_printf(&text, "%u plan %u of %u, flags %u:", id, device->plan->number,
			    device->plan->generation->number, device->entry->flags);
		for (unsigned i = 0; i < device->plan->n_tasks; i++)
			text_printf(&text, " %s=%u %s", device->plan->tasks[i].task->name,
				    device->plan->tasks[i].state,
				    device->plan->tasks[i].summary ? device->plan->tasks[i].summary
								   : "");
		put_batch(&text, atomic_load(&device->entry->batch));
		text_printf(&text, "\n");
	}
	copy = strdup(text_str(&text));
	text_fini(&text);
	return copy;
}

static void
expect_same(const char *one, const char *other)
{
	while (*one && *one == *other) {
		one++;
		other++;
	}
	cr_expect_eq(*one, *other, "%.200s\n---\n%.200s", one, other);
}

/* Of each plan, as many holders as devices and batches have it: none is lost, none is freed too early. */
static void
expect_held(struct world *world)
{
	const struct plans *plans = &world->service->plans;
	uint32_t *holders = calloc(plans->count + 1, sizeof *holders);
	struct device *device;

	for (uint32_t id = 0; (device = inventory_next(&world->service->inventory, &id)); id++) {
		holders[device->plan->number]++;
		holders[device->plan->number] += atomic_load(&device->entry->batch) != NULL;
	}
	for (uint32_t i = 1; i <= plans->count; i++)
		cr_expect_eq(plan_at(plans, i) ? plan_at(plans, i)->holders : 0, holders[i], "%u",
			     i);
	free(holders);
}

Test(compile_many, devices_get_the_same_from_one_thread_and_from_four)
{
	static struct world world;
	char *alone, *together;

	start(&world, 1);
	alone = describe(&world);
	world_settle(&world);
	world_stop(&world);
	start(&world, 4);
	together = describe(&world);
	expect_same(alone, together);
	settle_all(&world);
	expect_held(&world);
	/* Batches of every thread's compiler are freed by this one. */
	world.service->config->compile_threads = 1;
	world_write(&world, "policy/tasks/first.xml", WORLD_TASK);
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
	settle_all(&world);
	expect_held(&world);
	world_stop(&world);
	free(alone);
	free(together);
}

/* What a device runs may be asked for, and devices may go, between two slices of a reload. */
static void
remove_some(void *ctx)
{
	struct world *world = ctx;
	static unsigned next = 1;
	char endpoint[32];
	struct device *device;

	snprintf(endpoint, sizeof endpoint, "many-%u", next++ * 13 % MANY);
	world_settle(world);
	device = inventory_find(&world->service->inventory, endpoint);
	if (device)
		publish_removal(world->service, device);
}

Test(compile_many, devices_go_while_others_are_compiled)
{
	static struct world world;
	struct publish_progress progress = { 0 };

	start(&world, 4);
	world.service->pump = (struct pump){ remove_some, &world };
	for (unsigned i = 0; i < 20; i++)
		cr_expect_eq(publish_devices(world.service, &progress), 0);
	cr_expect_lt(world.service->inventory.count, MANY);
	settle_all(&world);
	world.service->pump = (struct pump){ let_go, &world };
	world_stop(&world);
}

Test(compile_many, without_a_free_cpu_the_control_thread_is_alone)
{
	static struct world world;

	world_start(&world);
	cr_expect_null(compile_many_begin(world.service));
	CPU_SET(0, &world.service->free_cpus);
	cr_expect_null(compile_many_begin(world.service));
	CPU_SET(1, &world.service->free_cpus);
	world.service->config->compile_threads = 1;
	cr_expect_null(compile_many_begin(world.service));
	world_stop(&world);
}

/* A slice is bounded by what its devices take, not by their number. */
Test(compile_many, as_many_devices_at_once_as_a_millisecond_takes)
{
	unsigned room = COMPILE_PIECE;

	cr_expect_eq(room_after(room, room, FEW_US - 1), 2 * room);
	cr_expect_eq(room_after(room, room - 1, 1), room, "a part says little");
	cr_expect_eq(room_after(COMPILE_AT_ONCE, COMPILE_AT_ONCE, 1), COMPILE_AT_ONCE);
	cr_expect_eq(room_after(room, room, FEW_US), room);
	cr_expect_eq(room_after(room, room, MANY_US), room);
	cr_expect_eq(room_after(room, room, MANY_US + 1), room / 2);
	cr_expect_eq(room_after(room, 10, MANY_US + 1), 5);
	cr_expect_eq(room_after(1, 1, UINT64_MAX), 1);
	cr_expect_eq(divide(1024, 4), COMPILE_PIECE);
	cr_expect_eq(divide(10, 4), 3);
	cr_expect_eq(divide(1, 16), 1);
}

/* ---- drafts ---- */

/* `changed` of them are devices already, with other values. */
static struct device_draft *
make_drafts(struct world *world, unsigned changed)
{
	struct device_draft *drafts = calloc(MANY, sizeof *drafts);
	struct setting_value value = { .name = "id", .name_len = 2 };
	char error[STORE_ERROR_MAX] = "", endpoint[32], text[16];

	for (unsigned i = 0; i < MANY; i++) {
		struct device_spec spec = { .endpoint = endpoint, .groups = i % 3 ? "root.a,root.b" : "root.c" };
		uint8_t *values = NULL;

		snprintf(endpoint, sizeof endpoint, "many-%u", i + MANY - changed);
		value.text_len = (uint16_t)snprintf(text, sizeof text, "d%u", i);
		value.text = text;
		if (i % 5)
			cr_assert_eq(setting_values_set(&values, &value), 0);
		spec.values = values;
		cr_assert_eq(device_change_draft(world->service, &spec, &drafts[i], error), 0, "%s: %s", endpoint, error);
		cr_assert_eq(drafts[i].is_new, i >= changed);
		setting_values_free(values);
	}
	return drafts;
}

static char *
publish_all(struct world *world, unsigned threads)
{
	struct publish_progress progress = { 0 };
	struct device_draft *drafts;
	char *is;

	start(world, threads);
	drafts = make_drafts(world, MANY / 2);
	settle_all(world);
	world->service->dp = NULL; /* more goes at once than the fake keeps */
	cr_expect_eq(publish_drafts(world->service, drafts, MANY, &progress), 0);
	cr_expect_eq(progress.done, MANY);
	cr_expect_eq(world->service->inventory.count, MANY + MANY / 2 + 3);
	for (unsigned i = 0; i < MANY; i++)
		cr_expect_null(drafts[i].entry);
	free(drafts);
	is = describe(world);
	retired_sweep(&world->service->retired, &world->service->plans, UINT32_MAX);
	retired_sweep(&world->service->retired, &world->service->plans, UINT32_MAX);
	expect_held(world);
	world->service->dp = &world->dp;
	return is;
}

Test(compile_many, drafts_become_the_same_by_one_thread_and_by_four)
{
	static struct world world;
	char *alone, *together;

	alone = publish_all(&world, 1);
	world_stop(&world);
	together = publish_all(&world, 4);
	expect_same(alone, together);
	world_stop(&world);
	free(alone);
	free(together);
}

/* Once half are there, those of a slice have no memory; those before and behind it are what they should be. */
static unsigned lost_from; /* devices that there were before; 0: not yet */

static void
lose_memory(void *ctx)
{
	const struct world *world = ctx;
	unsigned count = world->service->inventory.count;

	no_memory = !lost_from && count > MANY + MANY / 2;
	if (no_memory)
		lost_from = count;
}

Test(compile_many, drafts_without_memory_are_no_devices_and_harm_no_others)
{
	static struct world world;
	struct publish_progress progress = { 0 };
	struct device_draft *drafts;
	unsigned found = 0, failed, first;
	char endpoint[32];

	start(&world, 4);
	drafts = make_drafts(&world, 0);
	settle_all(&world);
	world.service->dp = NULL; /* more goes at once than the fake keeps */
	world.service->pump = (struct pump){ lose_memory, &world };
	failed = publish_drafts(world.service, drafts, MANY, &progress);
	cr_assert(lost_from && failed && failed < MANY / 4, "%u", failed);
	first = lost_from - MANY - 3;
	world.service->pump = (struct pump){ let_go, &world };
	free(drafts);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(endpoint, sizeof endpoint, "many-%u", MANY + i);
		found += inventory_find(&world.service->inventory, endpoint) != NULL;
		cr_expect_eq(inventory_find(&world.service->inventory, endpoint) != NULL,
			     i < first || i >= first + failed, "%u", i);
	}
	cr_expect_eq(found, MANY - failed);
	world.service->dp = &world.dp;
	settle_all(&world);
	expect_held(&world);
	world_stop(&world);
}

/* Also devices of the same import, between two slices of it. */
static unsigned removed;

static void
remove_published(void *ctx)
{
	struct world *world = ctx;
	char endpoint[32];
	struct device *device;

	snprintf(endpoint, sizeof endpoint, "many-%u", MANY + removed++ * 7);
	world_settle(world);
	device = inventory_find(&world->service->inventory, endpoint);
	cr_assert_not_null(device, "%s", endpoint);
	publish_removal(world->service, device);
}

Test(compile_many, devices_go_while_others_come)
{
	static struct world world;
	struct publish_progress progress = { 0 };
	struct device_draft *drafts;

	start(&world, 4);
	drafts = make_drafts(&world, 0);
	world.service->pump = (struct pump){ remove_published, &world };
	cr_expect_eq(publish_drafts(world.service, drafts, MANY, &progress), 0);
	world.service->pump = (struct pump){ let_go, &world };
	free(drafts);
	cr_expect_eq(world.service->inventory.count, 2 * MANY + 3 - removed);
	cr_expect_gt(removed, 10);
	settle_all(&world);
	expect_held(&world);
	world_stop(&world);
}

/* Those of the same plan share its content; the batch of the first of them is freed with its run. */
Test(compile_many, a_plan_without_memory_leaves_the_next_device_its_own)
{
	static struct world world;
	struct device *devices[3];
	struct compile_many *many;
	struct device_run run;

	start(&world, 2);
	many = compile_many_begin(world.service);
	cr_assert_not_null(many);
	for (unsigned i = 0; i < 3; i++) {
		char endpoint[32];

		snprintf(endpoint, sizeof endpoint, "many-%u", i + 1);
		devices[i] = inventory_find(&world.service->inventory, endpoint);
	}
	compile_many(many, devices, 3);
	no_memory = true;
	cr_expect_eq(compile_many_take(many, &run), -ENOMEM);
	cr_assert_not_null(interned);
	no_memory = false;
	for (unsigned i = 1; i < 3; i++) {
		cr_assert_eq(compile_many_take(many, &run), 0);
		if (i == 1)
			cr_expect_eq(interned, run.batch);
		device_run_free(&world.service->plans, &run);
	}
	compile_many_end(many);
	settle_all(&world);
	expect_held(&world);
	world_stop(&world);
}
