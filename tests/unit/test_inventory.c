/*
 * devices.conf: what is wrong is told with its line and never with a key; what is right is there.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "control/inventory.h"

static struct diag_list diags;
static struct arena arena;
static struct objects *objects;
static struct policy *policy;
static struct inventory *inventory;

static void
set_up(void)
{
	static const char groups[] = "groups = ( { name = \"root\"; }, { name = \"root.a\"; } );";

	diag_list_init(&diags);
	arena_init(&arena, 0);
	objects = objects_new();
	policy = policy_parse("policy", groups, sizeof groups - 1, objects, &arena, &diags);
	cr_assert_not_null(policy);
}

static void
tear_down(void)
{
	inventory_free(inventory);
	policy_free(policy);
	objects_free(objects);
	arena_fini(&arena);
	diag_list_fini(&diags);
}

TestSuite(inventory, .init = set_up, .fini = tear_down);

static void
parse(const char *text)
{
	inventory = inventory_parse("devices.conf", text, strlen(text), policy, &arena, &diags);
}

static bool
told(uint32_t line, const char *words)
{
	for (size_t i = 0; i < diags.count; i++)
		if (diags.items[i].place.line == line && strstr(diags.items[i].text, words))
			return true;
	return false;
}

#define TEXT_65 "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"

Test(inventory, wrong_devices)
{
	static const struct {
		const char *line, *words;
	} wrong[] = {
		{ "{ }", "\"endpoint\" is missing" },
		{ "{ endpoint = \"\"; }", "1 to 255 bytes" },
		{ "{ endpoint = 5; }", "must be text" },
		{ "\"dev\"", "must be a group" },
		{ "{ endpoint = \"a\"; key = \"\"; }", "1 to 64 bytes" },
		{ "{ endpoint = \"b\"; key = \"" TEXT_65 "\"; }", "1 to 64 bytes" },
		{ "{ endpoint = \"c\"; key_hex = \"abc\"; }", "odd number" },
		{ "{ endpoint = \"d\"; key_hex = \"0g\"; }", "byte 2 is no hex digit" },
		{ "{ endpoint = \"e\"; key = \"x\"; key_hex = \"00\"; }", "both key and key_hex" },
		{ "{ endpoint = \"f\"; groups = [ \"root.b\" ]; }", "did you mean \"root.a\"" },
		{ "{ endpoint = \"g\"; groups = [ \"root.a\", \"root.a\" ]; }", "listed twice" },
		{ "{ endpoint = \"h\"; groups = ( 5 ); }", "must be text" },
		{ "{ endpoint = \"i\"; gruops = [ \"root\" ]; }", "did you mean \"groups\"" },
		{ "{ endpoint = \"j\"; identity = \"" TEXT_65 TEXT_65 "\"; }", "1 to 128 bytes" },
		{ "{ endpoint = \"k\"; values = { a = { value = \"1\"; locked = true; }; }; }",
		  "unknown" },
		{ "{ endpoint = \"i\"; }", "listed twice, first in line 14" },
		{ "{ endpoint = \"l\"; identity = \"i\"; }", "is that of device i in line 14" },
	};
	size_t n = sizeof wrong / sizeof wrong[0];
	char text[4096] = "devices = (";

	for (size_t i = 0; i < n; i++) {
		strncat(text, i ? ",\n" : "\n", sizeof text - strlen(text) - 1);
		strncat(text, wrong[i].line, sizeof text - strlen(text) - 1);
	}
	strncat(text, ");\n", sizeof text - strlen(text) - 1);
	parse(text);
	for (size_t i = 0; i < n; i++)
		cr_expect(told((uint32_t)i + 2, wrong[i].words), "%s", wrong[i].line);
	for (size_t i = 0; i < diags.count; i++)
		cr_expect_null(strstr(diags.items[i].text, "kkkk"), "a key was shown");
}

Test(inventory, devices_as_written)
{
	const struct device *devices;

	parse("devices = (\n"
	      "{ endpoint = \"a\"; key = \"k-e-y\"; groups = [ \"root.a\" ]; values = { x = \"1\"; "
	      "}; },\n"
	      "{ endpoint = \"b\"; identity = \"bee\"; key_hex = \"00fFA5\"; },\n"
	      "{ endpoint = \"c\"; }\n"
	      ");");
	cr_assert(inventory && diags.errors == 0);
	cr_assert_eq(inventory->count, 3);
	devices = inventory->devices;
	cr_expect_eq(devices[0].key_len, 5);
	cr_expect_arr_eq(devices[0].key, "k-e-y", 5);
	cr_expect_eq(devices[0].identity, devices[0].endpoint);
	cr_expect_str_eq(devices[0].groups[0]->name, "root.a");
	cr_expect_str_eq(devices[0].values.items[0].text, "1");
	cr_expect_str_eq(devices[1].identity, "bee");
	cr_expect_eq(devices[1].key_len, 3);
	cr_expect_arr_eq(devices[1].key, "\x00\xff\xa5", 3);
	cr_expect_eq(devices[2].key_len, 0);
	cr_expect_str_eq(devices[2].groups[0]->name, "root", "who names no group is under root");
}

Test(inventory, an_empty_one)
{
	parse("devices = ( );");
	cr_expect(inventory && diags.errors == 0 && inventory->count == 0);
}
