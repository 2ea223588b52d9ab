/* link_format: the answers to a Discover that the specification prints and that devices give (OMA Core TS 6.1.7.3;
 * PROTOCOL facts 1.8), and what is none. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tasks/content/link_format.h"

/* "path ssid uri;" of every link: "-" where there is none. */
static const char *
read_all(const char *text)
{
	static char out[500];
	struct link_reader reader;
	struct link_text uri;
	struct link link;
	size_t at = 0;
	int more;

	*out = '\0';
	link_reader_init(&reader, text, strlen(text));
	while ((more = link_reader_next(&reader, &link)) > 0) {
		const struct lwm2m_path *path = &link.path;
		bool has_uri = link_attribute(&link, "uri", &uri);

		at += (size_t)snprintf(out + at, sizeof out - at, "%s", link.is_path ? "" : "?");
		if (path->object >= 0)
			at += (size_t)snprintf(out + at, sizeof out - at, "%d", path->object);
		if (path->instance >= 0)
			at += (size_t)snprintf(out + at, sizeof out - at, "/%d", path->instance);
		if (path->resource >= 0)
			at += (size_t)snprintf(out + at, sizeof out - at, "/%d", path->resource);
		at += (size_t)snprintf(out + at, sizeof out - at, " %d %.*s;",
				       link_server_id(&link), has_uri ? (int)uri.len : 1,
				       has_uri ? uri.at : "-");
	}
	cr_assert_eq(more, link_format_check(text, strlen(text)), "%s", text);
	return more ? "bad" : out;
}

Test(link_format, refuses_what_is_none)
{
	static const char *const wrong[] = {
		"<",
		"</0/0",
		"</0/0>;ssid=\"1",
		"</0/0>;a=\"\\\"",
		"</0/0>x",
		"</0/0>;;",
		"</0/0>;=1",
		"</0/0>;ssid=1=2",
		"</0/0></0/1>",
		"</0/0>;ssid=1 2",
		";",
		"=",
		"a;",
		"\"",
		"</0/0>;<",
		/* What is no answer to a Discover at all. */
		"nonsense",
		"ok",
		"<html>",
		"<html><body>It works</body></html>",
		"<!DOCTYPE html>",
		"<coap://h/0/0>",
		"</0/0>,nonsense",
		"</0/0>,lwm2m=\"1.0\"",
		"ver=1.0,</0/0>",
		"</0/0>,<html>",
	};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		cr_expect_str_eq(read_all(wrong[i]), "bad", "%s: %s", wrong[i], read_all(wrong[i]));
}

Test(link_format, reads_what_devices_answer)
{
	static const struct {
		const char *text, *links;
	} cases[] = {
		{ "", "" },
		{ " ", "" },
		/* 1.1 and later as printed: a blank behind commas, a slash at the end of one. */
		{ "</>;lwm2m=1.1,</0/0>;ssid=101;uri=\"coaps://server_1.example.com\", </0/1/>, "
		  "</0/2>;ssid=102;uri=\"coaps://server_2.example.com\", </1/0>;ssid=101",
		  " -1 -;0/0 101 coaps://server_1.example.com;0/1 -1 -;0/2 102 "
		  "coaps://server_2.example.com;1/0 101 -;" },
		/* 1.0: no reference in front, a quoted version. */
		{ "lwm2m=\"1.0\",</0/0>;ssid=101,</0/1>", "? -1 -;0/0 101 -;0/1 -1 -;" },
		{ "</>;lwm2m=\"1.0\",</0/0>", " -1 -;0/0 -1 -;" },
		/* A uri at the bootstrap account (Anjay), ssid=0 there (old Zephyr), 65535. */
		{ "</0/1>;uri=\"coaps://bs:5684\"", "0/1 -1 coaps://bs:5684;" },
		{ "</0/1>;ssid=0,</0/2>;ssid=65535,</0/3>;ssid=65534",
		  "0/1 -1 -;0/2 -1 -;0/3 65534 -;" },
		{ "</0/1>;ssid=\"7\"", "0/1 7 -;" },
		/* Versions of objects, objects without instances, resources. */
		{ "</1>;ver=1.1,</1/0>;ssid=1,</2>,</3/0>,</21/0>;ssid=1",
		  "1 -1 -;1/0 1 -;2 -1 -;3/0 -1 -;21/0 1 -;" },
		{ "</3/0/1>", "3/0/1 -1 -;" },
		/* A comma, a semicolon and quotes inside of quotes. */
		{ "</0/0>;uri=\"coap://a,</9>;x=\\\"\";ssid=5", "0/0 5 coap://a,</9>;x=\\\";" },
		/* What is no LwM2M path is a link all the same. */
		{ "</rd>,</.well-known/core>;ct=40,</01>,</65536>,</1/2/3/4/5>,<>",
		  "? -1 -;? -1 -;? -1 -;? -1 -;? -1 -;? -1 -;" },
		{ "</0/0>,", "0/0 -1 -;" },
		{ "</0/0>;ssid=x,</0/1>;ssid=99999999999,</0/2>;ssid",
		  "0/0 -1 -;0/1 -1 -;0/2 -1 -;" },
		{ "</0/0> ; ssid=3 ,\r\n</0/1>", "0/0 3 -;0/1 -1 -;" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		cr_expect_str_eq(read_all(cases[i].text), cases[i].links, "%s: %s", cases[i].text,
				 read_all(cases[i].text));
}
