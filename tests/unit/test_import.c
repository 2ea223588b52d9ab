/* Devices from CSV and JSON lines: what is refused, with which line and words; what is taken. */
#include <errno.h>
#include <unistd.h>

#include "tests/unit/import_world.h"

static struct import_world world;

static void
tear_down(void)
{
	import_world_end(&world);
}

TestSuite(import, .fini = tear_down);

static int
csv(const char *text)
{
	return import_world_text(&world, IMPORT_CSV, text, strlen(text));
}

static int
jsonl(const char *text)
{
	return import_world_text(&world, IMPORT_JSONL, text, strlen(text));
}

static void
expect_error(const char *where, const char *words, const char *input)
{
	const char *errors = text_str(&world.errors);

	cr_assert(strstr(errors, where) && strstr(errors, words), "%s: wanted \"%s\" \"%s\" in: %s",
		  input, where, words, errors);
}

/* --- formats --- */

Test(import, formats_by_name)
{
	cr_assert_eq(import_format_by_name("csv"), IMPORT_CSV);
	cr_assert_eq(import_format_by_name("JSONL"), IMPORT_JSONL);
	cr_assert_eq(import_format_by_name("json"), IMPORT_UNKNOWN);
	cr_assert_eq(import_format_by_file("a.b/devices.CSV"), IMPORT_CSV);
	cr_assert_eq(import_format_by_file("devices.ndjson"), IMPORT_JSONL);
	cr_assert_eq(import_format_by_file("devices"), IMPORT_UNKNOWN);
	cr_assert_eq(import_format_by_file(""), IMPORT_UNKNOWN);
}

/* --- CSV --- */

Test(import, csv_headers_that_are_refused)
{
	static const struct {
		const char *text, *words;
	} bad[] = {
		{ "", "the first line must name the columns" },
		{ "\n", "the first line must name the columns" },
		{ "a,b\n", "unknown column \"a\"" },
		{ "identity\nx\n", "\"endpoint\" is not among them" },
		{ "endpoint,identty\n", "did you mean \"identity\"" },
		{ "endpoint,value.\n", "unknown column \"value.\"" },
		{ "endpoint,endpoint\n", "say the same" },
		{ "endpoint,value.a,value.a\n", "say the same" },
		{ "endpoint;identty\nx;y\n", "did you mean \"identity\"" },
		{ "\xff\xfe"
		  "e\0n\0",
		  "UTF-16" },
		{ "PK\x03\x04 and so on", "spreadsheet" },
		{ "\x1f\x8b\x08 and so on", "gunzip" },
		{ "endpoint,\"identity\n", "the first line must name" },
		{ "endpoint,\"ident\"ity\n", "behind a closing quote" },
		{ "endpoint,key.left_out\nx,yes\n", "exported without its secrets" },
		{ "endpoint,\x1b[31m\n", "unknown column \"\\x1b[31m\"" },
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		cr_assert_eq(csv(bad[i].text), -EINVAL, "%s", bad[i].text);
		expect_error("f:1: error", bad[i].words, bad[i].text);
		cr_assert_eq(world.result.rows, 0);
	}
}

Test(import, csv_rows_that_are_refused_with_line_and_reason)
{
	static const struct {
		const char *row, *words;
	} bad[] = {
		{ ",,,,,,\n", "<endpoint> is missing" },
		{ "a\n", "has 1 cells, and the header 7 columns" },
		{ "a,,,,,,,\n", "more cells than the header" },
		{ "a,\xff,,,,,\n", "<identity> byte 1 is not UTF-8" },
		{ "a\xc0\x80,,,,,,\n", "byte 2 is not UTF-8" },
		{ "a\xed\xa0\x80z,,,,,,\n", "byte 2 is not UTF-8" },
		{ "a,,k,00,,,\n", "<key> stands beside key_hex" },
		{ "a,,,0,,,\n", "<key_hex> must have 2 to 128 hex digits" },
		{ "a,,,0g,,,\n", "<key_hex> byte 2 is no hex digit" },
		{ "a,,,,,;,\n", "<groups> holds an empty name" },
		{ "a,,,,,x;;y,\n", "<groups> holds an empty name" },
		{ "a\"b,,,,,,\n", "a quote stands within a cell" },
		{ "\"a\"b,,,,,,\n", "behind a closing quote" },
		{ "a,,,,,,\"x\n", "a quote is opened and never closed" },
		{ "first,,,,,,\n", "\"first\" is duplicated, first in line 2" },
		{ "a,id-first,,,,,\n", "<identity> \"id-first\" is duplicated, first in line 3" },
		{ "a,first,,,,,\n", "<identity> \"first\" is duplicated, first in line 2" },
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char text[512];

		snprintf(text, sizeof text,
			 "endpoint,identity,key,key_hex,domain,groups,value.x\n"
			 "first,,,,,,\nsecond,id-first,,,,,\n%slast,,,,,,\n",
			 bad[i].row);
		cr_assert_eq(csv(text), 0, "%s", bad[i].row);
		expect_error("f:4: error", bad[i].words, bad[i].row);
		cr_assert_eq(world.result.rows, 4, "%s: %s", bad[i].row, text_str(&world.errors));
		cr_assert_eq(world.result.bad, 1, "%s: %s", bad[i].row, text_str(&world.errors));
		cr_assert(strstr(text_str(&world.devices), "5 endpoint=last\n"), "%s: %s",
			  bad[i].row, text_str(&world.devices));
	}
}

Test(import, lengths)
{
	static char text[70000];
	static const struct {
		const char *column;
		unsigned good;
	} limits[] = { { "endpoint", 255 }, { "identity", 128 },  { "key", 64 },
		       { "domain", 255 },   { "value.x", 65535 }, { "key_hex", 128 } };

	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
		for (unsigned over = 0; over < 2; over++) {
			bool endpoint = i == 0;
			int n = snprintf(text, sizeof text, "%s%s\n%s", endpoint ? "" : "endpoint,",
					 limits[i].column, endpoint ? "" : "a,");

			memset(text + n, 'a', limits[i].good + over);
			text[n + (int)(limits[i].good + over)] = '\0';
			cr_assert_eq(csv(text), 0);
			cr_assert_eq(world.result.bad, over, "%s, %u bytes: %s", limits[i].column,
				     limits[i].good + over, text_str(&world.errors));
		}
}

Test(import, a_bad_row_tells_all_that_is_wrong_and_no_secret)
{
	cr_assert_eq(csv("endpoint,identity,key,key_hex\n,\xff,geheim,zz\n"), 0);
	expect_error("f:2: error", "<endpoint>", "");
	expect_error("f:2: error", "<key>", "");
	cr_assert_null(strstr(text_str(&world.errors), "geheim"));
	cr_assert_eq(world.result.bad, 1);
	cr_assert_eq(jsonl("{\"endpoint\":\"a\",\"key\":\"geheim\",}\n"), 0);
	cr_assert_eq(world.result.bad, 1);
	cr_assert_null(strstr(text_str(&world.errors), "geheim"), "%s", text_str(&world.errors));
}

Test(import, nul_bytes)
{
	static const char text[] =
		"endpoint,domain,value.x,groups\na\0b,,,\nc,d\0,,\ne,,\0,\nf,,,g\0\n";

	cr_assert_eq(import_world_text(&world, IMPORT_CSV, text, sizeof text - 1), 0);
	cr_assert_eq(world.result.bad, 4, "%s", text_str(&world.errors));
	expect_error("f:2:", "byte 2 is NUL", "");
	cr_assert_str_eq(text_str(&world.devices), "");
}

Test(import, csv_as_spreadsheets_of_all_lands_write_it)
{
	static const char wanted[] = "2 endpoint=one groups=root.a,root.b value.x=1,5\n"
				     "3 endpoint=two value.x=a b\n";
	static const char *const texts[] = {
		"endpoint;groups;value.x\r\none;root.a,root.b;1,5\r\ntwo;;a b\r\n",
		"endpoint;groups;value.x\none;\"root.a;root.b\";1,5\ntwo;;a b\n",
		"endpoint\tgroups\tvalue.x\none\troot.a,root.b\t1,5\ntwo\t\ta b\n",
		"endpoint,groups,value.x\rone,root.a;root.b,\"1,5\"\rtwo,,a b\r",
		"endpoint,groups,value.x,,\none,root.a;root.b,\"1,5\",,\ntwo,,a b,,\n",
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		cr_assert_eq(csv(texts[i]), 0, "%zu: %s", i, text_str(&world.errors));
		cr_expect_str_eq(text_str(&world.errors), "");
		cr_expect_str_eq(text_str(&world.devices), wanted, "%zu", i);
	}
	cr_assert_eq(csv("sep=;\nendpoint;domain\na;d\n"), 0);
	cr_expect_str_eq(text_str(&world.devices), "3 endpoint=a domain=d\n");
	cr_assert_eq(csv("endpoint,\na,oh\n"), 0);
	expect_error("f:2: error", "cell 2 says something", "");
	cr_assert_eq(csv("endpoint,value.a,secret.a\na,x,\nb,,y\nc,x,y\n"), 0);
	cr_expect_str_eq(text_str(&world.devices),
			 "2 endpoint=a value.a=x\n3 endpoint=b secret.a=y\n");
	expect_error("f:4: error", "both say something", "");
}

Test(import, keys_in_hex_as_other_programs_write_them)
{
	static const char *const forms[] = { "0x00112233", "00:11:22:33", "00-11-22-33",
					     "00 11 22 33", "0X0011:2233" };
	char text[100];

	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		snprintf(text, sizeof text, "endpoint,key_hex\na,%s\n", forms[i]);
		cr_assert_eq(csv(text), 0);
		cr_expect_str_eq(text_str(&world.devices), "2 endpoint=a key_hex=00112233\n",
				 "%s: %s", forms[i], text_str(&world.errors));
	}
	cr_assert_eq(csv("endpoint,key_hex\na,00::11\nb,00:1\nc,:00\nd,0x\n"), 0);
	cr_expect_eq(world.result.bad, 4);
}

Test(import, what_is_allowed_and_hardly_meant_is_warned_of)
{
	static const struct {
		const char *row, *words;
	} odd[] = {
		{ "a,,key \n", "<key> begins or ends with a blank" },
		{ "a,,k\u00a0y\n", "U+00A0" },
		{ "a,,00112233445566778899aabbccddeeff\n", "looks like hex" },
		{ "3.53E+14,,\n", "<endpoint> looks like a number" },
		{ "a,id ,\n", "<identity> begins or ends with a blank" },
	};
	char text[200];

	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
		snprintf(text, sizeof text, "endpoint,identity,key\n%s", odd[i].row);
		cr_assert_eq(csv(text), 0);
		expect_error("f:2: warning", odd[i].words, odd[i].row);
		cr_expect_eq(world.result.bad, 0);
		cr_expect_eq(world.result.rows, 1);
	}
	cr_assert_eq(csv("endpoint,key\nabcdef,abcdef\n1e5x,k k\n"), 0);
	cr_expect_str_eq(text_str(&world.errors), "");
}

Test(import, identities_of_any_bytes)
{
	cr_assert_eq(
		csv("endpoint,identity,identity_hex\na,,fffe0001\nb,i,00\nc,,fffe0001\nd,,6\n"), 0);
	cr_expect_eq(world.result.bad, 3);
	expect_error("f:3: error", "stands beside identity_hex", "");
	expect_error("f:4: error", "is duplicated, first in line 2", "");
	expect_error("f:5: error", "<identity_hex> must have 2 to 256", "");
	cr_assert_eq(jsonl("{\"endpoint\":\"a\",\"identity_hex\":\"ff:00\"}\n"), 0);
	cr_expect_eq(world.result.bad, 0, "%s", text_str(&world.errors));
}

Test(import, csv_as_rfc_4180_and_spreadsheets_write_it)
{
	cr_assert_eq(csv("\xef\xbb\xbfvalue.site, endpoint ,key,groups,secret.pw\r\n"
			 "\"a, b\",one,\"k\"\"k\",root.a; root.b,x\r\n"
			 "\r\n"
			 "\"two\r\nlines\",two,,\"root.a,root.c\",\"\"\r\n"
			 "\n"
			 "\xc3\xa4,three,,,"),
		     0);
	cr_assert_str_eq(text_str(&world.errors), "");
	cr_assert_str_eq(
		text_str(&world.devices),
		"2 endpoint=one key=k\"k groups=root.a,root.b value.site=a, b secret.pw=x\n"
		"4 endpoint=two groups=root.a,root.c value.site=two\r\nlines secret.pw=\n"
		"7 endpoint=three value.site=\xc3\xa4\n");
	cr_assert_eq(world.result.rows, 3);
	cr_assert_eq(world.result.bad, 0);
}

Test(import, names_that_look_secret_are_secret)
{
	cr_assert_eq(csv("endpoint,value.adminPassword,value.site\na,x,y\n"), 0);
	cr_assert_str_eq(text_str(&world.devices),
			 "2 endpoint=a secret.adminPassword=x value.site=y\n");
	cr_assert_eq(jsonl("{\"endpoint\":\"a\",\"values\":{\"adminPassword\":\"x\"}}"), 0);
	cr_assert_str_eq(text_str(&world.devices), "1 endpoint=a secret.adminPassword=x\n");
}

Test(import, an_identity_that_equals_the_endpoint_is_none_of_its_own)
{
	cr_assert_eq(csv("endpoint,identity\na,a\nb,c\nc,\nd,d\n"), 0);
	expect_error("f:4: error", "\"c\" is duplicated, first in line 3", "");
	cr_assert_eq(world.result.bad, 1);
}

/* One stray quote costs its own line, not those up to the next one. */
Test(import, csv_reads_on_behind_a_stray_quote)
{
	cr_assert_eq(csv("endpoint,value.x\na,\"\nb,1\nc,\"2\"\nd,3\n\"e\",\"x\ny\nf,4\n"), 0);
	cr_assert_str_eq(text_str(&world.devices),
			 "3 endpoint=b value.x=1\n4 endpoint=c value.x=2\n5 endpoint=d value.x=3\n"
			 "8 endpoint=f value.x=4\n");
	expect_error("f:2: error", "quote", "");
	expect_error("f:6: error", "never closed", "");
}

Test(import, a_row_that_is_too_long_costs_itself_alone)
{
	const size_t len = IMPORT_ROW_MAX + 3000000;
	char *text = malloc(len + 200);
	static const char *const heads[] = { "endpoint,value.x\na,", "{\"endpoint\":\"a\"}\n" };

	for (int json = 0; json < 2; json++) {
		size_t head = strlen(heads[json]);

		memcpy(text, heads[json], head);
		memset(text + head, 'x', len);
		strncpy(text + head + len, json ? "\n{\"endpoint\":\"b\"}\n" : "\nb,\n", 100);
		cr_assert_eq(json ? jsonl(text) : csv(text), 0);
		expect_error("f:2: error", "longer than", "");
		cr_assert(strstr(text_str(&world.devices), "3 endpoint=b\n"));
		cr_assert_eq(world.result.bad, 1);
	}
	free(text);
}

/* --- JSON lines --- */

Test(import, json_lines_that_are_refused_with_line_and_reason)
{
	static const struct {
		const char *row, *words;
	} bad[] = {
		{ "{", "column 2" },
		{ "[]", "must be one object" },
		{ "[{\"endpoint\":\"a\"},", "must be one object" },
		{ "1", "column" },
		{ "{}", "<endpoint> is missing" },
		{ "{\"endpoint\":1}", "<endpoint> must be a text, not a number" },
		{ "{\"endpoint\":null}", "leave it out" },
		{ "{\"endpoint\":\"\"}", "<endpoint> must have 1 to 255 bytes" },
		{ "{\"endpoint\":\"a\",\"endpoint\":\"b\"}", "duplicate" },
		{ "{\"endpoint\":\"a\\u0000b\"}", "column" },
		{ "{\"endpoint\":\"a\",\"identty\":\"b\"}", "did you mean \"identity\"" },
		{ "{\"endpoint\":\"a\",\"site\":\"b\"}", "belong into \"values\"" },
		{ "{\"endpoint\":\"a\",\"groups\":\"b\"}", "<groups> must be an array" },
		{ "{\"endpoint\":\"a\",\"groups\":[1]}", "<groups> holds a number" },
		{ "{\"endpoint\":\"a\",\"groups\":[\"\"]}", "<groups> holds an empty name" },
		{ "{\"endpoint\":\"a\",\"groups\":[\"b,c\"]}", "<groups> holds what is no group" },
		{ "{\"endpoint\":\"a\",\"values\":[]}", "<values> must be an object" },
		{ "{\"endpoint\":\"a\",\"values\":{\"x\":5684}}", "<x> must be a text" },
		{ "{\"endpoint\":\"a\",\"values\":{\"x\":{}}}", "<x> needs \"value\"" },
		{ "{\"endpoint\":\"a\",\"values\":{\"\":\"x\"}}", "needs a name" },
		{ "{\"endpoint\":\"a\",\"values\":{\"x\":{\"value\":\"\",\"secret\":1}}}",
		  "true or false" },
		{ "{\"endpoint\":\"a\",\"values\":{\"x\":{\"value\":\"\",\"locked\":true}}}",
		  "no members but" },
		{ "{\"endpoint\":\"a\",\"key_left_out\":true}", "exported without its secrets" },
		{ "{\"endpoint\":\"a\",\"values\":{\"x\":{\"secret\":true,\"left_out\":true}}}",
		  "exported without its secrets" },
		{ "{\"endpoint\":\"a\",\"nosec\":\"yes\"}", "<nosec> must be true or false" },
		{ "{\"endpoint\":\"first\"}", "first in line 1" },
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char text[512];

		snprintf(text, sizeof text,
			 "{\"endpoint\":\"first\"}\n\n%s\r\n{\"endpoint\":\"last\"}\n", bad[i].row);
		cr_assert_eq(jsonl(text), 0, "%s", bad[i].row);
		expect_error("f:3: error", bad[i].words, bad[i].row);
		cr_assert_eq(world.result.rows, 3, "%s", bad[i].row);
		cr_assert_eq(world.result.bad, 1, "%s", bad[i].row);
		cr_assert(strstr(text_str(&world.devices), "4 endpoint=last\n"), "%s", bad[i].row);
	}
}

Test(import, json_lines)
{
	cr_assert_eq(
		jsonl("\xef\xbb\xbf{\"endpoint\":\"a\",\"identity\":\"i\",\"key_hex\":\"00Ff\","
		      "\"domain\":\"d\",\"groups\":[\"root.a\",\"root.b\"],"
		      "\"values\":{\"x\":\"\\u00e4\\n\",\"pin\":{\"value\":\"1\",\"secret\":true},"
		      "\"e\":{\"value\":\"\"}}}\r\n"
		      "  \n{\"endpoint\":\"b\"}"),
		0);
	cr_assert_str_eq(text_str(&world.errors), "");
	cr_assert_str_eq(text_str(&world.devices),
			 "1 endpoint=a identity=i key_hex=00ff domain=d groups=root.a,root.b "
			 "value.x=\xc3\xa4\n secret.pin=1 value.e=\n3 endpoint=b\n");
}

/* A line without an escape is read in place, one with any by the library: both say the same, and complain in the same words. */
Test(import, json_lines_of_both_ways)
{
	static const char *const lines[][2] = {
		{ "{\"values\":{\"x\":\"1\",\"p\":{\"secret\":true,\"value\":\"2\"},\"e\":\"\"},"
		  "\"endpoint\":\"a\",\"key\":\"geheim\",\"groups\":[\"root.a\",\" root.b \"],"
		  "\"domain\":\"d\",\"nosec\":true}",
		  "{\"values\":{\"x\":\"1\",\"p\":{\"secret\":true,\"value\":\"2\"},\"e\":\"\"},"
		  "\"endpoint\":\"\\u0061\",\"key\":\"geheim\",\"groups\":[\"root.a\",\" root.b "
		  "\"],\"domain\":\"d\",\"nosec\":true}" },
		{ "{\"endpoint\":\"a\",\"groups\":[],\"values\":{}}",
		  "{\"endpoint\":\"\\u0061\",\"groups\":[],\"values\":{}}" },
		{ "{\"endpoint\":\"\",\"key\":\"\",\"groups\":[\"a,b\",\"\"],\"values\":{\"\":"
		  "\"x\"}}",
		  "{\"\\u0065ndpoint\":\"\",\"key\":\"\",\"groups\":[\"a,b\",\"\"],\"values\":{"
		  "\"\":"
		  "\"x\"}}" },
		{ "{\"key\":\"a\",\"key_hex\":\"00\"}",
		  "{\"key\":\"\\u0061\",\"key_hex\":\"00\"}" },
	};

	for (unsigned i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		char *devices, *errors;

		cr_assert_eq(jsonl(lines[i][0]), 0);
		devices = strdup(text_str(&world.devices));
		errors = strdup(text_str(&world.errors));
		cr_expect(*devices || *errors);
		cr_assert_eq(jsonl(lines[i][1]), 0);
		cr_expect_str_eq(text_str(&world.devices), devices);
		cr_expect_str_eq(text_str(&world.errors), errors);
		free(devices);
		free(errors);
	}
}

/* Nothing but a plain yes lets a device's secrets go without DTLS. */
Test(import, devices_that_nosec_listeners_serve)
{
	cr_assert_eq(csv("endpoint,nosec\na,yes\nb,no\nc,\nd,YES\ne,1\n"), 0);
	cr_assert_str_eq(text_str(&world.devices),
			 "2 endpoint=a nosec\n3 endpoint=b\n4 endpoint=c\n5 endpoint=d nosec\n");
	cr_expect_eq(world.result.bad, 1);
	expect_error("f:6: error", "<nosec> is yes, no or nothing", "1");
	cr_assert_eq(jsonl("{\"endpoint\":\"a\",\"nosec\":true}\n"
			   "{\"endpoint\":\"b\",\"nosec\":false}\n"),
		     0);
	cr_assert_str_eq(text_str(&world.devices), "1 endpoint=a nosec\n2 endpoint=b\n");
}

/* --- the caller --- */

Test(import, the_caller_may_reject_or_stop)
{
	world.reject_line = 3;
	cr_assert_eq(csv("endpoint\na\nb\nc\n"), 0);
	cr_assert_eq(world.result.bad, 1);
	cr_assert_eq(world.result.rows, 3);
	cr_assert_str_eq(text_str(&world.devices), "2 endpoint=a\n4 endpoint=c\n");
	world.stop_line = 4;
	cr_assert_eq(csv("endpoint\na\nb\nc\n"), -ECANCELED);
}

Test(import, from_a_descriptor_with_progress_and_rows_across_chunks)
{
	FILE *file = tmpfile();
	const unsigned rows = 60000; /* 5 MB: rows lie across all chunk borders */
	struct import_source source = { .name = "f" };
	long size;

	fputs("endpoint,value.x\n", file);
	for (unsigned i = 0; i < rows; i++)
		fprintf(file,
			"urn:dev:%u,\"some text, with \"\"quotes\"\" and\na line break %u, to be "
			"long\"\n",
			i, i);
	fflush(file);
	size = ftell(file);
	rewind(file);
	source.fd = fileno(file);
	cr_assert_eq(lseek(source.fd, 0, SEEK_SET), 0);
	cr_assert_eq(import_world_read(&world, IMPORT_CSV, &source), 0);
	cr_assert_str_eq(text_str(&world.errors), "");
	cr_assert_eq(world.result.rows, rows);
	cr_assert_eq(world.result.bad, 0);
	cr_assert_gt(world.progress_calls, 4);
	cr_assert_eq(world.progress.bytes, (uint64_t)size);
	cr_assert_eq(world.progress.total, (uint64_t)size);
	cr_assert_eq(world.progress.rows, rows);
	cr_assert(strstr(text_str(&world.devices),
			 "120000 endpoint=urn:dev:59999 value.x=some text, with \"quotes\" and\n"));
	fclose(file);
}

Test(import, a_descriptor_that_cannot_be_read)
{
	const struct import_source source = { .fd = 1023, .name = "f" };

	cr_assert_eq(import_world_read(&world, IMPORT_CSV, &source), -EIO);
	expect_error("f", "cannot be read on", "");
	cr_assert_eq(world.result.rows, 0);
}

Test(import, many_bad_rows_are_counted_and_the_first_kept)
{
	struct text text;

	text_init(&text);
	text_printf(&text, "endpoint,key_hex\n");
	for (unsigned i = 0; i < 5000; i++)
		text_printf(&text, "d%u,x\n", i);
	cr_assert_eq(csv(text_str(&text)), 0);
	text_fini(&text);
	cr_assert_eq(world.result.bad, 5000);
	cr_assert_eq(world.diags.count, DIAG_MAX);
	cr_assert_eq(world.diags.errors, 5000);
}
