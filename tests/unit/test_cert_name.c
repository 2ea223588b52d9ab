/* Endpoint names out of certificates: templates that are wrong, and what they make of a subject. */
#include <criterion/criterion.h>

#include "control/policy/cert_name.h"

static const struct ec_subject subject = {
	.cn = "meter-1",
	.serial_number = "4711",
	.serial = "0a",
	.fingerprint = "ff00",
	.spki = "00ff",
	.uris = { "urn:dev:a", "urn:dev:b" },
	.n_uris = 2,
};

Test(cert_name, templates_that_are_wrong_say_why)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "same name" },
		{ "fixed", "same name" },
		{ "{cn", "brace" },
		{ "cn}", "brace" },
		{ "{cn}{", "brace" },
		{ "{", "brace" },
		{ "{name}", "no certificate" },
		{ "{}", "no certificate" },
		{ "{cn }", "no certificate" },
		{ "{{cn}}", "no certificate" },
		{ "{cn}}", "brace" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *wrong = cert_name_check(cases[i].text);

		cr_assert(wrong && strstr(wrong, cases[i].why), "\"%s\": %s", cases[i].text,
			  wrong ? wrong : "taken");
	}
}

static void
expect(const char *text, const char *name)
{
	char made[32];
	size_t len;

	cr_assert_null(cert_name_check(text), "\"%s\"", text);
	len = cert_name_make(text, &subject, made, sizeof made);
	cr_assert_eq(len, strlen(name), "\"%s\" makes %.*s", text, (int)len, made);
	cr_assert_arr_eq(made, name, len);
}

Test(cert_name, places_are_filled_in)
{
	expect("{cn}", "meter-1");
	expect("urn:imei:{serial_number}", "urn:imei:4711");
	expect("{uri}", "urn:dev:a");
	expect("{serial}-{fingerprint}-{spki}", "0a-ff00-00ff");
	expect("a{cn}b{cn}c", "ameter-1bmeter-1c");
}

Test(cert_name, what_is_missing_or_too_long_makes_no_name)
{
	char made[32];

	cr_assert_eq(cert_name_make("x{dns}", &subject, made, sizeof made), 0,
		     "half a name is another's");
	cr_assert_eq(cert_name_make("{cn}", &subject, made, 6), 0, "a cut name is another's");
	cr_assert_eq(cert_name_make("{cn}", &subject, made, 7), 7);
}
