/* Devices by number, name and identity; what they share is kept once, and all of it is counted. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/inventory/inventory.h"
#include "control/inventory/setting_values.h"

static struct inventory inventory;

static void
set_up(void)
{
	cr_assert_eq(inventory_init(&inventory, 16), 0);
}

static void
tear_down(void)
{
	inventory_fini(&inventory);
}

TestSuite(inventory, .init = set_up, .fini = tear_down);

static struct device *
add(const struct device_spec *spec)
{
	struct device_entry *old;
	struct device_draft draft;
	struct directory_retired retired;
	struct device *device;

	cr_assert_eq(inventory_draft(&inventory, spec, NAMES_NONE, &draft), 0, "%s",
		     spec->endpoint);
	device = inventory_take(&inventory, &draft, &old);
	cr_assert_eq(inventory_enter(&inventory, device, &retired), 0);
	device_entry_free(old);
	return device;
}

#define TEXT_64 "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"

Test(inventory, what_cannot_be)
{
	static const struct device_spec wrong[] = {
		{ .endpoint = "" },
		{ .endpoint = TEXT_64 TEXT_64 TEXT_64 TEXT_64 },
		{ .endpoint = "a", .identity = "" },
		{ .endpoint = "a", .identity = TEXT_64 TEXT_64 "k" },
		/* the endpoint name would be its identity */
		{ .endpoint = TEXT_64 TEXT_64 "k", .key_len = 1 },
		{ .endpoint = "a", .key_len = DTLS_KEY_MAX + 1 },
		{ .endpoint = "a", .groups = "root," },
		{ .endpoint = "a", .groups = ",root" },
		{ .endpoint = "a", .groups = "root, ,root.b" },
	};
	struct device_draft draft;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		cr_expect_eq(inventory_draft(&inventory, &wrong[i], NAMES_NONE, &draft), -EINVAL,
			     "%zu", i);
	cr_expect_eq(inventory.count, 0);
}

Test(inventory, an_identity_has_one_owner)
{
	struct device_spec a = { .endpoint = "a", .identity = "i" };
	struct device_spec b = { .endpoint = "b", .identity = "i" };
	struct device_spec i = { .endpoint = "i", .key = "x", .key_len = 1 };
	struct device_draft draft;

	add(&a);
	cr_expect_eq(inventory_draft(&inventory, &b, NAMES_NONE, &draft), -EEXIST);
	cr_expect_eq(inventory_draft(&inventory, &i, NAMES_NONE, &draft), -EEXIST);
	cr_expect_eq(inventory_draft(&inventory, &a, NAMES_NONE, &draft), 0, "its own it keeps");
	cr_expect_not(draft.is_new);
	device_draft_fini(&draft);
}

Test(inventory, found_by_number_name_and_identity)
{
	const struct device_spec spec = { .endpoint = "dev-1",
					  .identity = "id-1",
					  .key = "k-e-y",
					  .key_len = 5,
					  .key_is_hex = true,
					  .domain = "acme",
					  .groups = " root.b , root.a,root.b ",
					  .created_ms = 1234000 };
	const struct device *device = add(&spec);
	struct device_names names;
	struct device_spec back;

	cr_expect_eq(inventory_find(&inventory, "dev-1"), device);
	cr_expect_eq(inventory_find_identity(&inventory, "id-1", 4), device);
	cr_expect_eq(inventory_at(&inventory, device_id(device)), device);
	cr_expect_null(inventory_find(&inventory, "id-1"));
	device_to_spec(&inventory, device, &names, &back);
	cr_expect_str_eq(back.endpoint, "dev-1");
	cr_expect_str_eq(back.identity, "id-1");
	cr_expect_str_eq(back.groups, "root.b,root.a");
	cr_expect_str_eq(back.domain, "acme");
	cr_expect(back.key_len == 5 && back.key_is_hex && back.created_ms == 1234000);
	cr_expect_arr_eq(back.key, "k-e-y", 5);
}

/* What the room for it held before must not count: it is the stack, and so anything. */
Test(inventory, group_lists_are_compared_within_what_is_written)
{
	static const struct {
		const char *list, *canonical;
	} cases[] = {
		{ "root.a,root.a", "root.a" },
		{ "root.a,root.b", "root.a,root.b" },
		{ "root.b,root.a,root.b", "root.b,root.a" },
		{ "root,root.a,root.ab,root.a", "root,root.a,root.ab" },
		{ "a,aa,aaa,aa,a", "a,aa,aaa" },
	};
	static const char *const before[] = { "x", ",", "root.a,", "root.b,", "a", "" };

	for (size_t b = 0; b < sizeof before / sizeof before[0]; b++)
		for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
			size_t len = strlen(before[b]);
			char out[DEVICE_LIST_MAX];

			for (size_t at = 0; at < sizeof out; at++)
				out[at] = len ? before[b][at % len] : '\0';
			cr_assert_eq(group_list_canonical(cases[i].list, out), 0);
			cr_expect_str_eq(out, cases[i].canonical, "%s: %s", before[b], out);
		}
}

Test(inventory, who_names_no_group_is_in_root)
{
	cr_expect_str_eq(device_groups(&inventory, add(&(struct device_spec){ .endpoint = "a" })),
			 "root");
	cr_expect_eq(inventory.group_devices[0], 1);
}

Test(inventory, numbers_are_not_used_again)
{
	struct device *device = add(&(struct device_spec){ .endpoint = "a" });
	uint32_t id = device_id(device);

	device_entry_free(inventory_remove(&inventory, device));
	cr_expect_null(inventory_at(&inventory, id));
	cr_expect_null(inventory_find(&inventory, "a"));
	device = add(&(struct device_spec){ .endpoint = "a" });
	cr_expect_gt(device_id(device), id);
}

Test(inventory, a_walk_leaves_out_gaps)
{
	char endpoint[16];
	unsigned seen = 0;

	for (unsigned i = 0; i < 10000; i++) {
		snprintf(endpoint, sizeof endpoint, "dev-%u", i);
		add(&(struct device_spec){ .endpoint = endpoint });
	}
	for (unsigned i = 0; i < 10000; i += 2) {
		snprintf(endpoint, sizeof endpoint, "dev-%u", i);
		device_entry_free(
			inventory_remove(&inventory, inventory_find(&inventory, endpoint)));
	}
	for (uint32_t id = 0; inventory_next(&inventory, &id); id++)
		seen++;
	cr_expect_eq(seen, 5000);
	cr_expect_eq(inventory.count, 5000);
	cr_expect_eq(inventory.group_devices[0], 5000);
}

Test(inventory, bytes_come_and_go)
{
	uint8_t *values = NULL;
	size_t empty = inventory_dataplane_bytes(&inventory);
	struct device *device;

	cr_assert_eq(setting_values_set(&values, &(struct setting_value){ "n", "text", 1, 4 }), 0);
	device = add(&(struct device_spec){ .endpoint = "a", .values = values });
	cr_expect_gt(inventory_dataplane_bytes(&inventory), empty);
	cr_expect_gt(inventory.bytes.values, 0);
	device_entry_free(inventory_remove(&inventory, device));
	cr_expect_eq(inventory.bytes.entries, 0);
	cr_expect_eq(inventory.bytes.values, 0);
	setting_values_free(values);
}

Test(inventory, moves_between_groups)
{
	struct device *device = add(&(struct device_spec){ .endpoint = "a" });

	cr_assert_eq(inventory_set_groups(&inventory, device, "root.x"), 0);
	cr_expect_str_eq(device_groups(&inventory, device), "root.x");
	cr_expect_eq(inventory.group_devices[0], 0);
	cr_expect_eq(inventory_set_groups(&inventory, device, "a,,b"), -EINVAL);
	cr_expect_str_eq(device_groups(&inventory, device), "root.x");
}
