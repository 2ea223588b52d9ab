/* Endpoint names, identities and keys by pattern and from a file. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/storm/names.h"

Test(storm_names, patterns)
{
	static const struct {
		const char *pattern, *name; /* of number 42; NULL: refused */
	} cases[] = {
		{ "dev-%07u", "dev-0000042" },
		{ "%u", "42" },
		{ "%01u.x", "42.x" },
		{ "same", "same" },
		{ "", "" },
		{ "%s", NULL },
		{ "%", NULL },
		{ "%0u", NULL },
		{ "%12u", NULL },
		{ "%u%u", NULL },
		{ "a%u%", NULL },
		{ "0123456789012345678901234567890123456789012345678901234567890123%u", NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct names names = { .first = 40 };
		char error[NAMES_ERROR_MAX], endpoint[NAMES_ENDPOINT_MAX];
		int rc = name_pattern_parse(&names.endpoint, cases[i].pattern, error);

		cr_assert_eq(rc, cases[i].name ? 0 : -1, "\"%s\"", cases[i].pattern);
		if (rc < 0)
			continue;
		cr_assert_eq(names_endpoint(&names, 2, endpoint), strlen(cases[i].name));
		cr_assert_arr_eq(endpoint, cases[i].name, strlen(cases[i].name), "\"%s\"",
				 cases[i].pattern);
	}
}

Test(storm_names, credential_by_pattern)
{
	struct names names = { .first = 1 };
	struct credential credential;
	char error[NAMES_ERROR_MAX];

	cr_assert_eq(name_pattern_parse(&names.endpoint, "e%u", error), 0);
	cr_assert_eq(name_pattern_parse(&names.identity, "id-%03u", error), 0);
	cr_assert_eq(name_pattern_parse(&names.key, "k%u", error), 0);
	names_get(&names, 99, &credential);
	cr_assert(credential.endpoint_len == 4 && memcmp(credential.endpoint, "e100", 4) == 0);
	cr_assert(credential.identity_len == 6 && memcmp(credential.identity, "id-100", 6) == 0);
	cr_assert(credential.key_len == 4 && memcmp(credential.key, "k100", 4) == 0);
}

static int
load(struct names *names, const char *text, char error[NAMES_ERROR_MAX])
{
	char file[] = "/tmp/storm-names-XXXXXX";
	int fd = mkstemp(file), rc;

	cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	rc = names_load(names, file, error);
	unlink(file);
	return rc;
}

Test(storm_names, files_that_are_refused)
{
	static const char *const texts[] = {
		"",
		"endpoint\n",                /* no devices */
		"name,key\na,b\n",           /* no endpoint column */
		"endpoint,key\n,secret\n",   /* no endpoint */
		"endpoint,key_hex\na,123\n", /* half a byte */
		"endpoint,key_hex\na,xy\n",
		"endpoint,key\na,0123456789012345678901234567890123456789012345678901234567890123 "
		"\n",                             /* 65 */
		"endpoint,key\na\n",              /* a cell is missing */
		"endpoint,key\na,b,c\n",          /* one too many */
		"endpoint,key\n\"a,b\n",          /* a quote that is not closed */
		"endpoint,key\n\"a\"x,b\n",       /* text behind a quote */
		"endpoint,key\na\"b,c\n",         /* a quote within a bare cell */
		"endpoint,key,key_hex\na,b,00\n", /* two keys */
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct names names = { 0 };
		char error[NAMES_ERROR_MAX] = "";

		cr_assert_eq(load(&names, texts[i], error), -1, "\"%s\"", texts[i]);
		cr_assert(error[0]);
		names_free(&names);
	}
}

Test(storm_names, columns_in_any_order)
{
	struct names names = { 0 };
	struct credential credential;
	char error[NAMES_ERROR_MAX];

	cr_assert_eq(load(&names,
			  "place,key_hex,endpoint,identity\r\n"
			  "attic,00fF10,one,who\r\n"
			  "\n"
			  "cellar,,two,",
			  error),
		     0, "%s", error);
	cr_assert_eq(names.count, 2);
	names_get(&names, 0, &credential);
	cr_assert(credential.endpoint_len == 3 && memcmp(credential.endpoint, "one", 3) == 0);
	cr_assert(credential.identity_len == 3 && memcmp(credential.identity, "who", 3) == 0);
	cr_assert(credential.key_len == 3 && memcmp(credential.key, "\x00\xff\x10", 3) == 0);
	names_get(&names, 1, &credential);
	cr_assert(credential.identity_len == 3 && memcmp(credential.identity, "two", 3) == 0,
		  "the identity defaults to the endpoint");
	cr_assert_eq(credential.key_len, 0);
	names_free(&names);
}

/* As in RFC 4180 2, and as the appliance reads it. */
Test(storm_names, cells_in_quotes)
{
	struct names names = { 0 };
	struct credential credential;
	char error[NAMES_ERROR_MAX];

	cr_assert_eq(load(&names,
			  "\xef\xbb\xbf\"endpoint\",key,groups,value.note,key_hex\r\n"
			  "\"a,b\",\"say \"\"hi\"\"\",root.x;root.y,\"two\r\nlines\",\r\n"
			  "c,,,,0aFF\r\n",
			  error),
		     0, "%s", error);
	cr_assert_eq(names.count, 2);
	names_get(&names, 0, &credential);
	cr_expect(credential.endpoint_len == 3 && memcmp(credential.endpoint, "a,b", 3) == 0);
	cr_expect(credential.key_len == 8 && memcmp(credential.key, "say \"hi\"", 8) == 0);
	names_get(&names, 1, &credential);
	cr_expect(credential.endpoint_len == 1 && credential.endpoint[0] == 'c');
	cr_expect(credential.key_len == 2 && memcmp(credential.key, "\x0a\xff", 2) == 0);
	names_free(&names);
}

Test(storm_names, errors_name_the_line)
{
	struct names names = { 0 };
	char error[NAMES_ERROR_MAX];

	cr_assert_eq(load(&names, "endpoint,x\n\"a\nb\",1\n\nc\n", error), -1);
	cr_expect(strstr(error, ":5: "), "%s", error);
	names_free(&names);
}

Test(storm_names, files_are_relative_to_the_table)
{
	static const char file[] = "some/where/devices.csv";
	char error[NAMES_ERROR_MAX],
		*text = strdup("endpoint,certificate,private_key\na,a.pem,/a.key\nb,,\n");
	struct names names = { 0 };
	struct name_files files;

	cr_assert_eq(names_parse(&names, text, file, error), 0, "%s", error);
	cr_assert_eq(names.with_files, 1);
	files = names_files(&names, 0);
	cr_assert(files.certificate.len == 5 && memcmp(files.certificate.at, "a.pem", 5) == 0);
	cr_assert(files.key.len == 6 && memcmp(files.key.at, "/a.key", 6) == 0);
	cr_assert(files.folder_len == 11 && memcmp(files.folder, "some/where/", 11) == 0);
	files = names_files(&names, 1);
	cr_assert_eq(files.key.len, 0);
	cr_assert_eq(files.certificate.len, 0);
	names_free(&names);
}

Test(storm_names, names_of_files_are_bounded)
{
	char error[NAMES_ERROR_MAX], text[600] = "endpoint,certificate\na,";
	struct names names = { 0 };

	memset(text + strlen(text), 'x', NAMES_FILE_MAX + 1);
	cr_assert_lt(names_parse(&names, strdup(text), "devices.csv", error), 0);
	names_free(&names);
}
