/* Devices that an authority vouches for become devices of the inventory: how many, how fast, and whose not. */
#include "control/policy/policy_trust.h"
#include "control/runs/created_devices.h"
#include "control/store/store.h"
#include "tests/support/ec_certs.h"
#include "tests/unit/control_world.h"
#include "tests/unit/failing_disk.h"

enum { START_US = 1000000 };

static struct world world;

static void
write_bytes(const char *name, const uint8_t *bytes, size_t len)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof path, "%s/policy/certs/%s", world.folder, name);
	file = fopen(path, "w");
	cr_assert_not_null(file);
	cr_assert_eq(fwrite(bytes, 1, len, file), len);
	fclose(file);
	cr_assert_eq(chmod(path, 0600), 0);
}

static void
set_trust(const char *anchors)
{
	char text[512];

	snprintf(text, sizeof text,
		 "own = ( { key = \"bs.key\"; chain = \"bs.pem\"; } );\nanchors = ( %s );\n",
		 anchors);
	world_write(&world, "policy/trust.conf", text);
	cr_assert_eq(world_reload(&world), 0, "%s", text_str(&world.text));
}

#define CREATE(more) "{ file = \"ca.pem\"; unknown = \"create\"; " more " }"

static void
set_up(void)
{
	struct cert ca, ours;

	world_start(&world);
	world_folder(&world, "policy/certs");
	cert_make_ca(&ca, "Factory", NULL);
	cert_make_device(&ours, "bs.example.com", &ca);
	write_bytes("ca.pem", ca.der, ca.der_len);
	write_bytes("bs.pem", ours.der, ours.der_len);
	write_bytes("bs.key", ours.key_der, ours.key_der_len);
	cert_free(&ca);
	cert_free(&ours);
	set_trust(CREATE("groups = [ \"root.a\" ];"));
}

static void
tear_down(void)
{
	world_stop(&world);
}

TestSuite(created_devices, .init = set_up, .fini = tear_down);

static uint32_t
trust_now(void)
{
	return ec_trust_generation(world.service->generation->policy->trust->ec);
}

static void
ask_as(const char *name, size_t len, uint8_t anchor, uint32_t trust, uint64_t time_us)
{
	struct session_event event = { .kind = SESSION_UNKNOWN,
				       .anchor = anchor,
				       .generation = trust,
				       .time_us = time_us,
				       .name_len = (uint8_t)len };

	memcpy(event.name, name, len);
	fake_event(&world.dp, 0, &event);
	cr_assert_eq(events_take(world.service), 1);
}

static void
ask(const char *name, uint64_t time_us)
{
	ask_as(name, strlen(name), 1, trust_now(), time_us);
}

static struct device *
find(const char *name)
{
	return inventory_find(&world.service->inventory, name);
}

static bool
is_listed(const char *name)
{
	return unknown_devices_find(world.service->unknowns, name, strlen(name)) != NULL;
}

Test(created_devices, one_that_asks_is_made_outside_of_the_event)
{
	const struct created_device *made;

	ask("meter-1", START_US);
	cr_assert_null(find("meter-1"), "the store would run the pump inside of an event");
	cr_assert_not(is_listed("meter-1"));
	created_devices_make(world.service);
	cr_assert_not_null(find("meter-1"));
	cr_assert_str_eq(device_groups(&world.service->inventory, find("meter-1")), "root.a");
	cr_assert_not_null(directory_find(world.dp.directory, "meter-1", 7));
	made = created_devices_at(world.service->created, 0);
	cr_assert_str_eq(made->endpoint, "meter-1");
	cr_assert_str_eq(made->anchor, "ca.pem");
	cr_assert_null(created_devices_at(world.service->created, 1));
	cr_assert_eq(world.service->created->counts.made, 1);
}

Test(created_devices, one_that_asks_again_meanwhile_is_one)
{
	ask("meter-1", START_US);
	ask("meter-1", START_US);
	cr_assert_eq(world.service->created->n_queued, 1);
	created_devices_make(world.service);
	ask("meter-1", START_US); /* on its way when the device was made */
	cr_assert_eq(world.service->created->n_queued, 0);
	cr_assert_not(is_listed("meter-1"));
	cr_assert_eq(world.service->created->counts.made, 1);
}

Test(created_devices, a_device_that_is_there_stays_as_it_is)
{
	uint32_t groups = world_device(&world, "dev-3")->groups;

	ask("dev-3", START_US);
	created_devices_make(world.service);
	cr_assert_eq(world_device(&world, "dev-3")->groups, groups);
	/* Added by an operator between the wish and its turn. */
	ask("late", START_US);
	world_add(&world, "late", "key", NULL, NULL);
	created_devices_make(world.service);
	cr_assert_eq(world.service->created->counts.made, 0);
	cr_assert_str_eq(device_groups(&world.service->inventory, find("late")), "root");
}

Test(created_devices, an_anchor_creates_no_more_than_its_rate)
{
	char name[32];

	set_trust(CREATE("create_per_minute = 3;"));
	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof name, "meter-%u", i);
		ask(name, START_US);
	}
	created_devices_make(world.service);
	cr_assert_eq(world.service->created->counts.made, 3);
	cr_assert_eq(world.service->created->counts.over_rate, 7);
	cr_assert(is_listed("meter-9"), "an operator sees who had to wait");
	ask("meter-9", START_US + 19999999);
	created_devices_make(world.service);
	cr_assert_null(find("meter-9"));
	ask("meter-9", START_US + 20000000);
	created_devices_make(world.service);
	cr_assert_not_null(find("meter-9"));
	cr_assert_not(is_listed("meter-9"), "it is unknown no more");
	/* A worker's clock that is behind gives nothing. */
	ask("meter-8", START_US);
	ask("meter-8", START_US + 20000001);
	created_devices_make(world.service);
	cr_assert_null(find("meter-8"));
}

Test(created_devices, a_year_of_silence_saves_up_one_minute)
{
	char name[32];

	set_trust(CREATE("create_per_minute = 2;"));
	ask("first", START_US);
	for (unsigned i = 0; i < 5; i++) {
		snprintf(name, sizeof name, "meter-%u", i);
		ask(name, START_US + 366ull * 86400 * 1000000);
	}
	created_devices_make(world.service);
	cr_assert_eq(world.service->created->counts.made, 3);
}

Test(created_devices, a_full_queue_is_counted_and_listed)
{
	char name[32];

	set_trust(CREATE("create_per_minute = 600000;"));
	for (unsigned i = 0; i < CREATED_QUEUED_MAX + 2; i++) {
		snprintf(name, sizeof name, "meter-%u", i);
		ask(name, START_US);
	}
	cr_assert_eq(world.service->created->counts.full, 2);
	cr_assert(is_listed(name));
	for (unsigned i = 0; i < CREATED_QUEUED_MAX / CREATED_AT_ONCE; i++)
		created_devices_make(world.service);
	cr_assert_eq(world.service->created->n_queued, 0);
	cr_assert_eq(world.service->created->counts.made, CREATED_QUEUED_MAX);
	cr_assert_null(created_devices_at(world.service->created, CREATED_KEPT_MAX));
}

Test(created_devices, names_that_cannot_be_are_listed)
{
	static const char identity[] =
		IDENTITY_RAW_KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	char cut[sizeof((struct session_event *)0)->name];
	static const struct {
		const char *name;
		size_t len;
	} cases[] = { { "a\0b", 3 }, { "a\nb", 3 }, { "\xff", 1 }, { "\x7f", 1 } };

	memset(cut, 'x', sizeof cut);
	ask_as(cut, sizeof cut, 1, trust_now(), START_US); /* maybe longer than it came */
	ask(identity, START_US);                           /* would be an operator's to give */
	for (unsigned i = 0; i < 4; i++)
		ask_as(cases[i].name, cases[i].len, 1, trust_now(), START_US);
	cr_assert_eq(world.service->created->n_queued, 0);
	cr_assert_eq(world.service->created->counts.failed, 6);
	cr_assert_eq(world.service->unknowns->count, 6);
}

Test(created_devices, an_anchor_of_a_former_trust_creates_nothing)
{
	uint32_t before = trust_now();

	ask("queued", START_US);
	set_trust("{ file = \"ca.pem\"; unknown = \"refuse\"; }, " CREATE(""));
	created_devices_make(world.service);
	cr_assert_null(find("queued"), "its number is another anchor's now");
	ask_as("late", 4, 2, before, START_US);
	created_devices_make(world.service);
	cr_assert_null(find("late"));
	cr_assert(is_listed("late"));
	ask_as("refused", 7, 1, trust_now(), START_US);
	cr_assert_not(is_listed("refused"));
	ask_as("good", 4, 2, trust_now(), START_US);
	created_devices_make(world.service);
	cr_assert_not_null(find("good"));
	cr_assert_str_eq(device_groups(&world.service->inventory, find("good")), "root");
}

static void
open_store(void)
{
	char path[256], error[STORE_ERROR_MAX];

	snprintf(path, sizeof path, "%s/store.db", world.folder);
	world.service->store = store_open(path, error);
	cr_assert_not_null(world.service->store, "%s", error);
	cr_assert_eq(store_start(world.service->store), 0);
}

static void
close_store(void)
{
	store_close(world.service->store);
	world.service->store = NULL;
}

static bool
note_device(void *ctx, const struct store_device *device)
{
	strcat(ctx, device->spec.endpoint);
	strcat(ctx, ";");
	return true;
}

Test(created_devices, while_another_change_is_written_they_wait)
{
	struct store_change *change;
	char path[256], error[STORE_ERROR_MAX], kept[256] = "";
	struct store *store;

	open_store();
	change = store_change_begin(world.service->store);
	ask("meter-1", START_US);
	created_devices_make(world.service);
	cr_assert_null(find("meter-1"));
	cr_assert_eq(world.service->created->n_queued, 1);
	store_change_rollback(change);
	created_devices_make(world.service);
	cr_assert_not_null(find("meter-1"));
	close_store();
	/* They are there after a restart. */
	snprintf(path, sizeof path, "%s/store.db", world.folder);
	store = store_open(path, error);
	cr_assert_eq(store_load_devices(store, note_device, kept, error), 0, "%s", error);
	cr_assert_str_eq(kept, "meter-1;");
	store_close(store);
}

Test(created_devices, a_disk_that_fails_lists_them_and_is_left_alone_for_a_while)
{
	uint32_t next;

	disk_insert();
	open_store();
	atomic_store(&disk.write_error, SQLITE_FULL);
	next = world.service->inventory.next_id;
	ask("meter-1", START_US);
	created_devices_make(world.service);
	cr_assert_null(find("meter-1"));
	cr_assert(is_listed("meter-1"));
	cr_assert_eq(world.service->created->counts.failed, 1);
	cr_assert_eq(world.service->inventory.next_id, next);
	atomic_store(&disk.write_error, 0);
	ask("meter-2", START_US + CREATED_PAUSE_MS * 1000 - 1);
	cr_assert_eq(world.service->created->n_queued, 0);
	cr_assert(is_listed("meter-2"));
	ask("meter-1", START_US + CREATED_PAUSE_MS * 1000);
	created_devices_make(world.service);
	cr_assert_not_null(find("meter-1"));
	cr_assert_not(is_listed("meter-1"));
	close_store();
}
