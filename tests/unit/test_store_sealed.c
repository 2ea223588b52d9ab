/* A store whose secrets are sealed: what it holds, under which key, and what it refuses. */
#include <errno.h>

#include "tests/unit/store_world.h"

static const char key[] = "correct horse battery staple", note[] = "a setting value of a device";

/* Opens and loads under these keys; the load's result. */
static int
load_under(struct world *world, const char *order)
{
	struct keyring keyring = world_keys(order);

	world->n_devices = 0;
	world->store = store_open(world->path, world->error);
	cr_assert_not_null(world->store, "%s", world->error);
	cr_assert_eq(store_use_keys(world->store, &keyring), 0);
	return store_load_devices(world->store, keep_device, world, world->error);
}

static void
open_under(struct world *world, const char *order)
{
	cr_assert_eq(load_under(world, order), 0, "%s", world->error);
	cr_assert_eq(store_start(world->store), 0);
}

static void
put_secrets(struct world *world, uint32_t first, uint32_t end)
{
	struct store_change *change = store_change_begin(world->store);
	const struct setting_value value = {
		.name = "note", .name_len = 4, .text = note, .text_len = sizeof note - 1, .secret = true
	};
	uint8_t *values = NULL;

	cr_assert_eq(setting_values_set(&values, &value), 0);
	for (uint32_t id = first; id < end; id++) {
		struct store_device device = device_named(id, "dev");

		memcpy(device.spec.key, key, sizeof key);
		device.spec.key_len = sizeof key;
		device.spec.values = values;
		store_change_make_room(change, NULL);
		store_change_put_device(change, &device);
	}
	setting_values_free(values);
	cr_assert_eq(store_change_commit(change, WAIT_MS, NULL, world->error), 0, "%s",
		     world->error);
}

static void
expect_secrets(const struct world *world, unsigned n)
{
	cr_assert_eq(world->n_devices, n);
	for (unsigned i = 0; i < n && i < KEPT_MAX; i++) {
		struct setting_value value = { 0 };

		cr_assert_eq(world->devices[i].device.spec.key_len, sizeof key);
		cr_expect_str_eq((const char *)world->devices[i].device.spec.key, key);
		cr_assert(setting_values_next(world->devices[i].values, &value));
		cr_expect_eq(memcmp(value.text, note, sizeof note - 1), 0);
	}
}

/* How many bytes of the store's files are this text's first ones. */
static unsigned
found_in_files(const struct world *world, const char *text)
{
	char command[256];
	unsigned n = 0;
	FILE *out;

	snprintf(command, sizeof command, "cat %s/* | grep -a -o '%s' | wc -l", world->folder, text);
	out = popen(command, "r");
	cr_assert_eq(fscanf(out, "%u", &n), 1);
	pclose(out);
	return n;
}

static void
reseal_all(struct world *world, const char *order)
{
	struct keyring keyring = world_keys(order);
	uint32_t next = 0;
	unsigned n;

	cr_assert_eq(store_use_keys(world->store, &keyring), 0);
	while (next != STORE_RESEALED_ALL) {
		struct store_change *change = store_change_begin(world->store);

		store_change_reseal(change, next);
		cr_assert_eq(store_change_commit(change, WAIT_MS, NULL, world->error), 0, "%s",
			     world->error);
		next = store_resealed(world->store, &n);
	}
	for (int64_t place = 0; place >= 0; place = store_resealed_logs(world->store)) {
		store_reseal_logs(world->store, place);
		world_flush(world);
	}
	store_note_all_resealed(world->store);
}

static struct store_info
info_of(const struct world *world)
{
	struct store_info info;

	store_info(world->store, &info);
	return info;
}

static void
put_log(struct world *world, uint32_t device, const char *log)
{
	const struct store_report report = {
		.device = device, .task = 1, .status = 2, .summary = "well", .log = log
	};

	store_put_report(world->store, &report);
	world_flush(world);
}

Test(store_sealed, no_secret_is_in_its_files)
{
	struct world world;
	char *log;

	world_folder(&world, "/tmp");
	open_under(&world, "A");
	put_secrets(&world, 1, 50);
	put_log(&world, 3, "what the device answered");
	cr_expect_eq(found_in_files(&world, "horse battery"), 0);
	cr_expect_eq(found_in_files(&world, "setting value"), 0);
	cr_expect_eq(found_in_files(&world, "device answered"), 0);
	log = store_read_log(world.store, 1, 3);
	cr_expect_str_eq(log, "what the device answered");
	free(log);
	store_close(world.store);
	open_under(&world, "A");
	expect_secrets(&world, 49);
	cr_expect_str_eq(info_of(&world).kek, "4141414141414141");
	cr_expect_eq(info_of(&world).plain + info_of(&world).former, 0);
	world_end(&world);
}

Test(store_sealed, a_plain_store_opens_and_is_sealed_without_a_trace)
{
	struct world world;
	char *log;

	world_folder(&world, "/tmp");
	open_under(&world, "");
	put_secrets(&world, 1, 5000);
	put_log(&world, 3, "what the device answered");
	cr_expect_gt(found_in_files(&world, "horse battery"), 0);
	store_close(world.store);
	open_under(&world, "A");
	cr_expect_eq(info_of(&world).plain, 4999);
	expect_secrets(&world, 4999);
	reseal_all(&world, "A");
	cr_expect_eq(info_of(&world).plain, 0);
	log = store_read_log(world.store, 1, 3);
	cr_expect_str_eq(log, "what the device answered");
	free(log);
	store_close(world.store); /* the logs are written back to the files */
	world.store = NULL;
	cr_expect_eq(found_in_files(&world, "horse battery"), 0);
	cr_expect_eq(found_in_files(&world, "setting value"), 0);
	open_under(&world, "A");
	expect_secrets(&world, 4999);
	world_end(&world);
}

Test(store_sealed, a_new_key_takes_over_and_the_former_one_is_needed_no_more)
{
	struct world world;
	char *log;

	world_folder(&world, "/tmp");
	open_under(&world, "A");
	put_secrets(&world, 1, 3000);
	put_log(&world, 3, "of the former key");
	store_close(world.store);
	open_under(&world, "BA");
	cr_expect_eq(info_of(&world).former, 2999);
	put_secrets(&world, 3000, 3010); /* under the new one */
	reseal_all(&world, "BA");
	store_close(world.store);
	open_under(&world, "B");
	expect_secrets(&world, 3009);
	cr_expect_eq(info_of(&world).former, 0);
	log = store_read_log(world.store, 1, 3);
	cr_expect_str_eq(log, "of the former key");
	free(log);
	world_end(&world);
}

Test(store_sealed, without_its_key_it_is_refused_and_the_key_is_named)
{
	static const char *const others[] = { "", "B", "BC" };
	struct world world;

	world_folder(&world, "/tmp");
	open_under(&world, "A");
	put_secrets(&world, 1, 3);
	store_close(world.store);
	for (unsigned i = 0; i < 3; i++) {
		cr_expect_eq(load_under(&world, others[i]), -ENOKEY);
		cr_expect_not_null(strstr(world.error, "4141414141414141"), "%s", world.error);
		cr_expect_not_null(strstr(world.error, "put that key back"), "%s", world.error);
		store_close(world.store);
	}
	open_under(&world, "A");
	expect_secrets(&world, 2);
	world_end(&world);
}

Test(store_sealed, secrets_moved_between_devices_do_not_open)
{
	struct world world;

	world_folder(&world, "/tmp");
	open_under(&world, "A");
	put_secrets(&world, 1, 3);
	store_close(world.store);
	cr_assert_eq(world_sql(&world, "",
			       "UPDATE device SET key = (SELECT key FROM device WHERE id = 2) "
			       "WHERE id = 1"),
		     SQLITE_OK);
	cr_expect_eq(load_under(&world, "A"), -EBADMSG);
	cr_expect_not_null(strstr(world.error, "does not open"), "%s", world.error);
	world_end(&world);
}

Test(store_sealed, a_device_without_secrets_needs_no_key)
{
	struct world world;

	world_folder(&world, "/tmp");
	open_under(&world, "A");
	cr_assert_eq(world_put_devices(&world, 1, 10), 0);
	store_close(world.store);
	open_under(&world, "");
	cr_expect_eq(world.n_devices, 9);
	cr_expect_eq(info_of(&world).plain, 0);
	cr_expect_str_eq(info_of(&world).kek, "");
	world_end(&world);
}

Test(store_sealed, keys_do_not_change_under_an_open_change)
{
	struct keyring keyring = world_keys("B");
	struct store_change *change;
	struct world world;

	world_folder(&world, "/tmp");
	open_under(&world, "A");
	change = store_change_begin(world.store);
	cr_expect_eq(store_use_keys(world.store, &keyring), -EBUSY);
	store_change_rollback(change);
	cr_expect_eq(store_use_keys(world.store, &keyring), 0);
	world_end(&world);
}

/* ---- versions of the policy ---- */

struct kept_policy {
	unsigned n;
	char names[8][32], texts[8][64];
};

static bool
keep_file(void *ctx, const struct store_policy_file *file)
{
	struct kept_policy *kept = ctx;

	snprintf(kept->names[kept->n], sizeof kept->names[0], "%s", file->name);
	snprintf(kept->texts[kept->n++], sizeof kept->texts[0], "%.*s", (int)file->len,
		 (const char *)file->bytes);
	return true;
}

static bool
count_version(void *ctx, const struct store_version *version)
{
	struct kept_policy *kept = ctx;

	snprintf(kept->texts[kept->n++], sizeof kept->texts[0], "%u %s %s %s", version->number,
		 version->who, version->what, version->why);
	return true;
}

static void
put_version(struct world *world, uint32_t number, const struct store_policy_file *files, unsigned n)
{
	const struct store_version version = { number, 1000 + number, "ann", "reload", "why" };
	struct store_change *change = store_change_begin(world->store);

	for (unsigned i = 0; i < n; i++)
		store_change_put_policy_file(change, number, &files[i]);
	store_change_put_version(change, &version);
	cr_assert_eq(store_change_commit(change, WAIT_MS, NULL, world->error), 0, "%s", world->error);
}

static struct kept_policy
policy_at(struct world *world, uint32_t version)
{
	struct kept_policy kept = { 0 };

	cr_assert_eq(store_read_policy(world->store, version, keep_file, &kept, world->error), 0, "%s",
		     world->error);
	return kept;
}

#define A(text) { "a", text, sizeof text - 1 }
#define B(text) { "b", text, sizeof text - 1 }

Test(store_sealed, versions_of_the_policy_are_what_they_were_whatever_is_dropped)
{
	const struct store_policy_file first[] = { A("a1"), B("b1") }, second[] = { A("a2") },
				       third[] = { { "b", NULL, 0 } }, fourth[] = { B("b4"), A("") };
	struct kept_policy kept = { 0 };
	struct store_change *change;
	struct world world;

	world_folder(&world, "/tmp");
	open_under(&world, "a");
	put_version(&world, 1, first, 2);
	put_version(&world, 2, second, 1);
	put_version(&world, 3, third, 1);
	put_version(&world, 4, fourth, 2);
	for (unsigned again = 0; again < 2; again++) {
		kept = policy_at(&world, 3);
		cr_assert_eq(kept.n, 1);
		cr_assert(strcmp(kept.names[0], "a") == 0 && strcmp(kept.texts[0], "a2") == 0);
		kept = policy_at(&world, 4);
		cr_assert(kept.n == 2 && !*kept.texts[0] && strcmp(kept.texts[1], "b4") == 0);
		change = store_change_begin(world.store);
		store_change_drop_versions(change, 3);
		cr_assert_eq(store_change_commit(change, WAIT_MS, NULL, world.error), 0);
	}
	kept = (struct kept_policy){ 0 };
	cr_assert_eq(store_read_versions(world.store, 0, count_version, &kept, world.error), 0);
	cr_assert_eq(kept.n, 2);
	cr_assert_str_eq(kept.texts[0], "3 ann reload why");
	store_close(world.store);
	/* Without the key nothing of it is read. */
	world.store = store_open(world.path, world.error);
	cr_assert_not_null(world.store, "%s", world.error);
	kept = (struct kept_policy){ 0 };
	cr_assert_eq(store_read_policy(world.store, 4, keep_file, &kept, world.error), -EBADMSG);
	cr_assert_eq(kept.n, 0);
	world_end(&world);
}
