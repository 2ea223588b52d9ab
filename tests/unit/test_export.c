/* Devices out and in again: what comes back equals what went out, and secrets go out only when asked for. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/inventory/export.h"
#include "tests/unit/import_world.h"

static struct import_world world;

static void
tear_down(void)
{
	import_world_end(&world);
}

TestSuite(export, .fini = tear_down);

static uint8_t *
values(const char *const triples[], unsigned n)
{
	uint8_t *block = NULL;

	for (unsigned i = 0; i < n; i++) {
		const char *name = triples[2 * i], *text = triples[2 * i + 1];
		bool secret = *name == '!';
		const struct setting_value value = { .name = name + secret,
						     .name_len = (uint8_t)strlen(name + secret),
						     .text = text,
						     .text_len = (uint16_t)strlen(text),
						     .secret = secret };

		cr_assert_eq(setting_values_set(&block, &value), 0);
	}
	return block;
}

enum { DEVICES = 5 };
static struct device_spec devices[DEVICES];

static void
make_devices(void)
{
	static const char *const one[] = { "site",           "north, \"hill\"", "!pw",
					   "geheim\r\nzwei", "empty",           "" };
	static const char *const two[] = { "\xc3\xa4 name", " padded ", "odd,\"name",
					   "\x01\x7f\\" };

	devices[0] = (struct device_spec){ .endpoint = "plain" };
	devices[1] = (struct device_spec){ .endpoint = "urn:dev:1",
					   .identity = "id, 1",
					   .key = "geheim,\"",
					   .key_len = 8,
					   .domain = "d",
					   .groups = "root.a,root.b",
					   .values = values(one, 3) };
	devices[2] = (struct device_spec){ .endpoint = " \xf0\x9f\x98\x80",
					   .identity = " \xf0\x9f\x98\x80",
					   .key = { 0, 255 },
					   .key_len = 2,
					   .key_is_hex = true,
					   .values = values(two, 2) };
	/* A key of text that no text can hold is written in hex. */
	devices[3] = (struct device_spec){
		.endpoint = "bytes", .key = { 7 }, .key_len = 1, .groups = "\"a\",root.\"b\""
	};
	devices[4] = (struct device_spec){ .endpoint = "\"quoted\"", .groups = "" };
}

static char *
export_text(enum import_format format, bool secrets, size_t *len)
{
	FILE *file = tmpfile();
	struct export *export = export_new(fileno(file), format, secrets);
	char *text = calloc(1, 65536);

	cr_assert(export);
	for (unsigned i = 0; i < DEVICES; i++)
		cr_assert_eq(export_see(export, &devices[i]), 0);
	for (unsigned i = 0; i < DEVICES; i++)
		cr_assert_eq(export_put(export, &devices[i]), 0);
	cr_assert_eq(export_finish(export), 0);
	export_free(export);
	*len = (size_t)pread(fileno(file), text, 65535, 0);
	fclose(file);
	return text;
}

/* Sorted, as columns sort them: order is all that may differ. */
static void
expect_round_trip(enum import_format format)
{
	size_t len;
	char *text;

	make_devices();
	text = export_text(format, true, &len);
	cr_assert_eq(import_world_text(&world, format, text, len), 0, "%s\n%s", text,
		     text_str(&world.errors));
	cr_assert_null(strstr(text_str(&world.errors), ": error"), "%s", text_str(&world.errors));
	cr_assert_eq(world.result.rows, DEVICES);
	devices[3].key_is_hex = true;
	for (unsigned i = 0; i < DEVICES; i++) {
		struct setting_value value = { 0 };
		struct text wanted;

		while (setting_values_next(devices[i].values, &value)) {
			text_init(&wanted);
			text_printf(&wanted, " %s.%.*s=%.*s", value.secret ? "secret" : "value",
				    value.name_len, value.name, value.text_len, value.text);
			cr_assert(strstr(text_str(&world.devices), text_str(&wanted)), "%s in\n%s",
				  text_str(&wanted), text_str(&world.devices));
			text_fini(&wanted);
		}
		text_init(&wanted);
		devices[i].values = NULL; /* leaks a few bytes of a test */
		import_describe(&wanted, &devices[i]);
		cr_assert(strstr(text_str(&world.devices), text_str(&wanted)), "%s in\n%s",
			  text_str(&wanted), text_str(&world.devices));
		text_fini(&wanted);
	}
	free(text);
}

Test(export, csv_comes_back_as_it_went_out)
{
	expect_round_trip(IMPORT_CSV);
}

/* A cell of several names is one cell: quotes in a name are doubled (RFC 4180 2.7). */
Test(export, csv_quotes_a_cell_of_groups_as_any_other)
{
	size_t len;
	char *text;

	make_devices();
	text = export_text(IMPORT_CSV, true, &len);
	cr_assert(strstr(text, "\"\"\"a\"\";root.\"\"b\"\"\""), "%s", text);
	free(text);
}

Test(export, json_lines_come_back_as_they_went_out)
{
	expect_round_trip(IMPORT_JSONL);
}

Test(export, without_secrets_nothing_secret_is_written_and_an_import_says_so)
{
	static const enum import_format formats[] = { IMPORT_CSV, IMPORT_JSONL };

	make_devices();
	for (unsigned i = 0; i < 2; i++) {
		size_t len;
		char *text = export_text(formats[i], false, &len);
		int returned = import_world_text(&world, formats[i], text, len);

		cr_assert_null(strstr(text, "geheim"), "%s", text);
		cr_assert_null(strstr(text, "00ff"), "%s", text);
		cr_assert(strstr(text, "left_out"));
		cr_assert(strstr(text, "urn:dev:1"));
		cr_assert(returned == -EINVAL || world.result.bad == 3);
		cr_assert(strstr(text_str(&world.errors), "exported without its secrets"), "%s",
			  text_str(&world.errors));
		free(text);
	}
}

Test(export, devices_without_any_secret_are_whole_without_secrets)
{
	size_t len;
	char *text;

	for (unsigned i = 0; i < DEVICES; i++)
		devices[i] = (struct device_spec){ .endpoint = (const char *[]){ "a", "b", "c", "d",
										 "e" }[i] };
	text = export_text(IMPORT_CSV, false, &len);
	cr_assert_str_eq(text, "endpoint\r\na\r\nb\r\nc\r\nd\r\ne\r\n");
	free(text);
}

Test(export, more_columns_than_csv_has)
{
	struct export *export = export_new(-1, IMPORT_CSV, true);
	struct device_spec device = { .endpoint = "a" };
	int result = 0;
	unsigned n = 0;

	for (; !result && n < 2000; n++) {
		char name[16];
		const char *pair[] = { name, "x" };

		snprintf(name, sizeof name, "v%u", n);
		device.values = values(pair, 1);
		result = export_see(export, &device);
		setting_values_free((uint8_t *)(uintptr_t)device.values);
	}
	cr_assert_eq(result, -E2BIG);
	cr_assert_gt(n, 1000);
	export_free(export);
}

Test(export, a_full_disk_is_told)
{
	int fd = open("/dev/full", O_WRONLY);
	struct export *export = export_new(fd, IMPORT_JSONL, true);
	struct device_spec device = { .endpoint = "a" };

	cr_assert_eq(export_put(export, &device), 0);
	cr_assert_eq(export_finish(export), -ENOSPC);
	cr_assert_eq(export_put(export, &device), -ENOSPC);
	export_free(export);
	close(fd);
}

/* --- what is exported is what is imported --- */

static uint64_t seed = 1;

static unsigned
roll(unsigned below)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (unsigned)(seed >> 33) % below;
}

/* Text that tries the formats: separators, quotes, breaks, blanks, characters of several bytes. */
static size_t
random_text(char *out, unsigned max)
{
	static const char *const parts[] = { "a",      "7",  ",",      ";",      "\"",
					     "\n",     "\r", "\t",     " ",      "=",
					     "'",      "\\", "\u00e9", "\u6771", "\U0001f600",
					     "\u00a0", "{",  "sep=",   "E+1",    "\x01" };
	unsigned n = 1 + roll(max);

	out[0] = '\0';
	while (n--)
		strcat(out, parts[roll(sizeof parts / sizeof parts[0])]);
	return strlen(out);
}

struct random_device {
	struct device_spec spec;
	char endpoint[64], identity[64], domain[64];
	uint8_t *values;
};

static void
make_random(struct random_device *device, unsigned number)
{
	static const char *const names[] = { "site",          "a,b",    "name \"x\"",
					     "adminPassword", "\u00e9", "mixed" };
	char text[64];

	*device = (struct random_device){ 0 };
	snprintf(device->endpoint, sizeof device->endpoint, "%u-", number);
	random_text(device->endpoint + strlen(device->endpoint), 6);
	device->spec.endpoint = device->endpoint;
	if (roll(2)) {
		device->spec.identity_len = (uint8_t)snprintf(device->identity, 8, "i%03u", number);
		for (unsigned i = roll(12); roll(2) && i; i--)
			device->identity[device->spec.identity_len++] = (char)roll(256);
		device->spec.identity = device->identity;
	}
	device->spec.key_len = (uint8_t)roll(20);
	for (unsigned i = 0; i < device->spec.key_len; i++)
		device->spec.key[i] = (uint8_t)(roll(8) ? ' ' + roll(95) : roll(256));
	device->spec.key_is_hex = device->spec.key_len && roll(4) == 0;
	device->spec.nosec = roll(3) == 0;
	if (roll(2) && random_text(device->domain, 6))
		device->spec.domain = device->domain;
	for (unsigned i = 0; i < 6; i++) {
		const char *name = names[(i + number) % 6];
		struct setting_value value = { .name = name,
					       .name_len = (uint8_t)strlen(name),
					       .text = text };

		if (roll(2))
			continue;
		text[0] = '\0';
		value.text_len = (uint16_t)(roll(4) ? random_text(text, 8) : 0);
		value.secret = policy_name_is_secret(name) || roll(3) == 0;
		cr_assert_eq(setting_values_set(&device->values, &value), 0);
	}
	device->spec.values = device->values;
}

enum { RANDOM_DEVICES = 300 };

struct compared {
	struct random_device devices[RANDOM_DEVICES];
	unsigned n;
};

static enum import_verdict
compare_next(void *ctx, const struct device_spec *device, uint32_t line)
{
	struct compared *compared = ctx;
	const struct random_device *sent = &compared->devices[compared->n++];

	cr_expect_str_eq(device->endpoint, sent->spec.endpoint, "line %u", line);
	cr_expect(device_spec_same(device, &sent->spec), "line %u: %s has changed", line,
		  sent->spec.endpoint);
	return IMPORT_TAKEN;
}

static void
export_and_import(enum import_format format)
{
	static struct compared compared;
	const struct import_calls calls = { &compared, compare_next, NULL };
	struct import_source source = { .fd = memfd_create("random", 0) };
	struct export *export = export_new(source.fd, format, true);
	struct import_result result;
	struct diag_list diags;

	compared.n = 0;
	for (unsigned i = 0; i < RANDOM_DEVICES; i++) {
		make_random(&compared.devices[i], i);
		cr_assert_eq(export_see(export, &compared.devices[i].spec), 0);
	}
	for (unsigned i = 0; i < RANDOM_DEVICES; i++)
		cr_assert_eq(export_put(export, &compared.devices[i].spec), 0);
	cr_assert_eq(export_finish(export), 0);
	export_free(export);
	cr_assert_eq(lseek(source.fd, 0, SEEK_SET), 0);
	diag_list_init(&diags);
	cr_expect_eq(import_read(format, &source, &calls, &diags, &result), 0);
	cr_expect_eq(diags.errors, 0, "%u: %s", diags.items[0].place.line, diags.items[0].text);
	cr_expect_eq(compared.n, RANDOM_DEVICES);
	for (unsigned i = 0; i < RANDOM_DEVICES; i++)
		setting_values_free(compared.devices[i].values);
	diag_list_fini(&diags);
	close(source.fd);
}

Test(export, what_is_exported_as_csv_and_imported_has_not_changed)
{
	for (uint64_t round = 1; round < 20; round++) {
		seed = round;
		export_and_import(IMPORT_CSV);
	}
}

Test(export, what_is_exported_as_json_lines_and_imported_has_not_changed)
{
	for (uint64_t round = 1; round < 20; round++) {
		seed = round;
		export_and_import(IMPORT_JSONL);
	}
}
