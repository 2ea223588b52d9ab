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

Test(cert_name, templates_that_are_wrong_say_where_and_why)
{
	static const struct {
		const char *text, *why;
		uint32_t column;
	} cases[] = {
		{ "", "same name", 0 },
		{ "fixed", "same name", 0 },
		{ "{cn}", "same name", 0 },
		{ "${'fixed'}", "same name", 0 },
		{ "${cert.cn", "closing brace", 10 },
		{ "a-${cert.name}", "unknown attribute", 19 },
		{ "${cert}", "cert.NAME", 0 },
		{ "${cert.san}", "cert.san.NAME", 0 },
		{ "${cert.san.ip}", "known are uri, uris, dns, dnsNames", 0 },
		{ "${cert.cN}", "did you mean 'cn'", 0 },
		{ "${cert.san.uris}", "gives no text", 0 },
		{ "${cert.cn.length}", "gives no text", 0 },
		{ "${sv.name}", "unknown name 'sv'; known are cert", 12 },
		{ "${device.endpointName}", "unknown name 'device'", 0 },
		{ "${res.t.by('a').get(cert.cn).b}", "unknown name 'res'", 0 },
		{ "${string.random(8)}", "unknown name 'string'", 0 },
		{ "${#x}", "no variables", 0 },
		{ "${cert.cn.matches('(')}", "pattern", 0 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct place place = { .file = "trust.conf", .line = 3, .column = 10 };
		struct diag_list diags;
		struct cert_name *name;

		diag_list_init(&diags);
		name = cert_name_parse(cases[i].text, &place, &diags);
		cr_assert_null(name, "\"%s\" is taken", cases[i].text);
		cr_assert_geq(diags.errors, 1, "\"%s\"", cases[i].text);
		cr_assert(strstr(diags.items[0].text, cases[i].why), "\"%s\": %s", cases[i].text,
			  diags.items[0].text);
		cr_assert_eq(diags.items[0].place.line, 3);
		if (cases[i].column)
			cr_assert_eq(diags.items[0].place.column, cases[i].column, "\"%s\": %u",
				     cases[i].text, diags.items[0].place.column);
		diag_list_fini(&diags);
	}
}

static struct cert_name *
parsed(const char *text)
{
	struct diag_list diags;
	struct cert_name *name;

	diag_list_init(&diags);
	name = cert_name_parse(text, NULL, &diags);
	cr_assert(name, "\"%s\": %s", text, diags.count ? diags.items[0].text : "refused");
	diag_list_fini(&diags);
	return name;
}

static void
expect_of(const struct ec_subject *of, const char *text, const char *expected)
{
	struct cert_name *name = parsed(text);
	char made[32], error[CERT_NAME_ERROR_MAX] = "";
	size_t len = cert_name_make(name, of, made, sizeof made, error);

	cr_assert_eq(len, strlen(expected), "\"%s\" makes \"%.*s\": %s", text, (int)len, made,
		     error);
	cr_assert_arr_eq(made, expected, len);
	cert_name_free(name);
}

Test(cert_name, is_what_the_template_makes)
{
	static const struct ec_subject bare = { "", "4711", "", "", "", { 0 }, { 0 }, 0, 0 };

	expect_of(&subject, CERT_NAME_DEFAULT, "meter-1");
	expect_of(&subject, "urn:imei:${cert.serialNumber}", "urn:imei:4711");
	expect_of(&subject, "${cert.san.uri}", "urn:dev:a");
	expect_of(&subject, "${cert.san.uris[1]}", "urn:dev:b");
	expect_of(&subject, "${cert.serial}-${cert.fingerprint}-${cert.spki}", "0a-ff00-00ff");
	expect_of(&subject, "${cert.cn.stripPrefix('meter-').leftPad(4, '0')}", "0001");
	expect_of(&subject, "${if(cert.cn.startsWith('meter')) cert.cn else cert.serial}",
		  "meter-1");
	expect_of(&subject, "${cert.san.dns ? cert.cn}", "meter-1");
	expect_of(&bare, "${cert.cn ? cert.serialNumber}", "4711");
	expect_of(&subject, "${cert.cn.replaceAll('[^0-9]', '')}", "1");
}

static void
expect_none(const char *text, size_t size, const char *why)
{
	struct cert_name *name = parsed(text);
	char made[300], error[CERT_NAME_ERROR_MAX] = "";

	cr_assert_eq(cert_name_make(name, &subject, made, size, error), 0, "\"%s\"", text);
	cr_assert(strstr(error, why), "\"%s\": %s", text, error);
	cr_assert_eq(cert_name_make(name, &subject, made, size, NULL), 0, "the same untold");
	cert_name_free(name);
}

Test(cert_name, what_is_missing_or_too_long_makes_no_name)
{
	struct cert_name *name = parsed("${cert.cn}");
	char made[7];

	expect_none("${cert.san.dns}", 300, "not in this certificate");
	expect_none("x${cert.san.dns}", 300, "cert.san.dns is not in this certificate");
	expect_none("${cert.san.uris[2]}", 300, "outside the list");
	expect_none("${cert.cn}", 6, "longer");
	expect_none("${cert.cn.drop(99)}", 300, "empty");
	expect_none("${if(cert.cn == '') cert.cn else 7}", 300, "no text");
	cr_assert_eq(cert_name_make(name, &subject, made, sizeof made, NULL), sizeof made);
	cert_name_free(name);
}

Test(cert_name, costs_little_whatever_a_certificate_says)
{
	char cn[256];
	struct ec_subject evil = subject;
	struct cert_name *slow = parsed("${cert.cn.replaceAll('(a+)+[bc]', 'x')}"),
			 *large = parsed(
				 "${cert.cn.leftPad(60000, 'a').concat(cert.cn.leftPad(60000, "
				 "'b')).take(3)}");
	char made[255], error[CERT_NAME_ERROR_MAX];

	memset(cn, 'a', sizeof cn - 1);
	cn[sizeof cn - 1] = '\0';
	evil.cn = cn;
	cr_assert_eq(cert_name_make(slow, &evil, made, sizeof made, error), 0);
	cr_assert(strstr(error, "too long"), "%s", error);
	cr_assert_eq(cert_name_make(large, &evil, made, sizeof made, error), 0);
	cert_name_free(slow);
	cert_name_free(large);
}
