/* The methods of the expression language, one by one: TASKS.md section 4. */
#include "tests/unit/expr_world.h"

static const struct row methods_of_strings[] = {
	{ "${'Ab\\u00e9'.encodeHex}", "'4162c3a9'" },
	{ "${'4162C3a9'.decodeHex}", "<4162c3a9>" },
	{ "${''.decodeHex}", "<>" },
	{ "${'abc'.decodeHex ? 'odd'}", "'odd'" },
	{ "${'zz'.decodeHex ? 'bad'}", "'bad'" },
	{ "${'6869'.decodeHexString}", "'hi'" },
	{ "${'ff'.decodeHexString ? 'bad'}", "'bad'" },
	{ "${'foobar'.encodeBase64}", "'Zm9vYmFy'" },
	{ "${'Zm9vYg=='.decodeBase64}", "<666f6f62>" },
	{ "${'Zm9vYg'.decodeBase64String}", "'foob'" },
	{ "${'!'.decodeBase64 ? 'bad'}", "'bad'" },
	{ "${'\\u00e9'.encodeUTF8}", "<c3a9>" },
	{ "${'c3a9'.decodeHex.decodeUTF8 == '\\u00e9'}", "true" },
	/* Overlong, surrogate, beyond Unicode, cut: RFC 3629 3. */
	{ "${'c080'.decodeHexString ? 'bad'}", "'bad'" },
	{ "${'eda080'.decodeHexString ? 'bad'}", "'bad'" },
	{ "${'f4908080'.decodeHexString ? 'bad'}", "'bad'" },
	{ "${'e282'.decodeHexString ? 'bad'}", "'bad'" },
	{ "${'f09f9880'.decodeHexString.length}", "1" },
	{ "${'00ff'.decodeHex.hex}", "'00ff'" },
	{ "${'00ff'.decodeHex.base64}", "'AP8='" },
	{ "${'00ff'.decodeHex.length}", "2" },
	/* RFC 1321 A.5, RFC 2202 2, FIPS 180-4, RFC 4231 4.3. */
	{ "${'abc'.md5Hex}", "'900150983cd24fb0d6963f7d28e17f72'" },
	{ "${'what do ya want for nothing?'.hmacMD5('Jefe')}",
	  "'750c783e6ab0b503eaa86e310a5db738'" },
	{ "${'abc'.sha256Hex}",
	  "'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'" },
	{ "${'what do ya want for nothing?'.hmacSHA256('Jefe')}",
	  "'5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'" },
	{ "${'616263'.decodeHex.md5Hex}", "'900150983cd24fb0d6963f7d28e17f72'" },
	{ "${'Hi There'.hmacMD5('0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b'.decodeHex)}",
	  "'9294727a3638bb1c13f48ef8158bfc9d'" },
	{ "${'fF'.parseHex}", "255" },
	{ "${'-10'.parseHex}", "-16" },
	{ "${'xyz'.parseHex ? -1}", "-1" },
	{ "${'ffffffffffffffff'.parseHex ? -1}", "-1" },
	{ "${'42'.toInt}", "42" },
	{ "${'+42'.toInt}", "42" },
	{ "${'-2147483648'.toInt}", "-2147483648" },
	{ "${'2147483648'.toInt ? 'beyond'}", "'beyond'" },
	{ "${' 42'.toInt ? 'blank'}", "'blank'" },
	{ "${''.toInt ? 'empty'}", "'empty'" },
	{ "${'-'.toInt ? 'sign'}", "'sign'" },
	{ "${'4a'.toInt ? 'hex'}", "'hex'" },
	{ "${'-9223372036854775808'.toLong}", "-9223372036854775808" },
	{ "${'9223372036854775808'.toLong ? 'beyond'}", "'beyond'" },
	{ "${'1.5'.toDouble}", "1.500000000" },
	{ "${'-.5e1'.toDouble}", "-5.000000000" },
	{ "${'1.'.toDouble}", "1.000000000" },
	{ "${'.'.toDouble ? 'bad'}", "'bad'" },
	{ "${'1e'.toDouble ? 'bad'}", "'bad'" },
	{ "${'0x10'.toDouble ? 'bad'}", "'bad'" },
	{ "${'inf'.toDouble ? 'bad'}", "'bad'" },
	{ "${'1e999'.toDouble ? 'bad'}", "'bad'" },
	{ "${'True'.toBoolean}", "true" },
	{ "${'false'.toBoolean}", "false" },
	{ "${'yes'.toBoolean ? 'bad'}", "'bad'" },
	{ "${'a'.concat('b')}", "'ab'" },
	{ "${'a'.concat(1)}", "'a1'" },
	{ "${'abc'.contains('bc')}", "true" },
	{ "${'abc'.contains('x')}", "false" },
	{ "${'abc'.contains('')}", "true" },
	{ "${'abc'.startsWith('ab')}", "true" },
	{ "${'abc'.startsWith('abcd')}", "false" },
	{ "${'abc'.endsWith('bc')}", "true" },
	{ "${'abc'.endsWith('ab')}", "false" },
	{ "${'abc'.ensureStart('x')}", "'xabc'" },
	{ "${'abc'.ensureStart('ab')}", "'abc'" },
	{ "${'abc'.ensureEnd('x')}", "'abcx'" },
	{ "${'abc'.ensureEnd('bc')}", "'abc'" },
	{ "${'abc'.stripPrefix('ab')}", "'c'" },
	{ "${'abc'.stripPrefix('x')}", "'abc'" },
	{ "${'abc'.stripSuffix('bc')}", "'a'" },
	{ "${'abc'.stripSuffix('x')}", "'abc'" },
	{ "${'abc'.substring(1)}", "'bc'" },
	{ "${'abc'.substring(1, 2)}", "'b'" },
	{ "${'abc'.substring(3)}", "''" },
	{ "${'abc'.substring(4) ? 'outside'}", "'outside'" },
	{ "${'abc'.substring(-1) ? 'outside'}", "'outside'" },
	{ "${'a\\u00e9c'.substring(1, 2) == '\\u00e9'}", "true" },
	{ "${'abc'.take(2)}", "'ab'" },
	{ "${'abc'.take(9)}", "'abc'" },
	{ "${'abc'.take(-1)}", "''" },
	{ "${'a\\u00e9c'.take(2).length}", "2" },
	{ "${'abc'.takeRight(2)}", "'bc'" },
	{ "${'abc'.takeRight(9)}", "'abc'" },
	{ "${'abc'.takeRight(0)}", "''" },
	{ "${'abc'.drop(1)}", "'bc'" },
	{ "${'abc'.drop(9)}", "''" },
	{ "${'abc'.dropRight(1)}", "'ab'" },
	{ "${'abc'.dropRight(9)}", "''" },
	{ "${'abc'.dropRight(-1)}", "'abc'" },
	{ "${'a.b.c'.replace('.', '--')}", "'a--b--c'" },
	{ "${'aaa'.replace('aa', 'b')}", "'ba'" },
	{ "${'abc'.replace('x', 'y')}", "'abc'" },
	{ "${' a b\\n'.trim}", "'a b'" },
	{ "${'  '.trim}", "''" },
	{ "${'AbC1'.toLowerCase}", "'abc1'" },
	{ "${'AbC1'.toUpperCase}", "'ABC1'" },
	{ "${'abc'.capitalize}", "'Abc'" },
	{ "${''.capitalize}", "''" },
	{ "${'abc'.reverse}", "'cba'" },
	{ "${'a\\u00e9'.reverse == '\\u00e9a'}", "true" },
	{ "${'a\\u00e9'.length}", "2" },
	{ "${''.length}", "0" },
	{ "${''.isEmpty}", "true" },
	{ "${'a'.isEmpty}", "false" },
	{ "${'a'.nonEmpty}", "true" },
	{ "${'abcb'.indexOf('b')}", "1" },
	{ "${'abcb'.indexOf('b', 2)}", "3" },
	{ "${'abcb'.indexOf('x')}", "-1" },
	{ "${'\\u00e9b'.indexOf('b')}", "1" },
	{ "${'abcb'.lastIndexOf('b')}", "3" },
	{ "${'abcb'.lastIndexOf('x')}", "-1" },
	{ "${'ab'.lastIndexOf('abc')}", "-1" },
	{ "${'abc'.charAt(1)}", "'b'" },
	{ "${'abc'.charAt(3) ? 'outside'}", "'outside'" },
	{ "${'abc'.charAt(-1) ? 'outside'}", "'outside'" },
	{ "${'7'.leftPad(3, '0')}", "'007'" },
	{ "${'7'.leftPad(3)}", "'  7'" },
	{ "${'7'.leftPad(6, 'ab')}", "'ababa7'" },
	{ "${'1234'.leftPad(3, '0')}", "'1234'" },
	{ "${'7'.rightPad(3, '0')}", "'700'" },
	{ "${'7'.rightPad(-3, '0')}", "'7'" },
	{ "${'aBc'.equalsIgnoreCase('AbC')}", "true" },
	{ "${'abc'.equalsIgnoreCase('abd')}", "false" },
	{ "${'a'.toString}", "'a'" },
};

Test(expr_methods, has_the_methods_of_strings_and_bytes)
{
	EXPECT_ROWS(methods_of_strings);
}

static const struct row methods_with_patterns[] = {
	{ "${'a,b,,c,,'.split(',')}", "['a''b''''c']" },
	{ "${'a1b22c'.split('[0-9]+')}", "['a''b''c']" },
	{ "${'a1b22c'.split('\\\\d+')}", "['a''b''c']" },
	{ "${',a'.split(',')}", "['''a']" },
	{ "${'abc'.split('x')}", "['abc']" },
	{ "${''.split(',')}", "['']" },
	{ "${'abc'.split('')}", "['a''b''c']" },
	{ "${'a b'.split(' ').length}", "2" },
	{ "${'a.b.c'.splitBy('.')}", "['a''b''c']" },
	{ "${'a.b.'.splitBy('.')}", "['a''b''']" },
	{ "${sv.list.splitByTrim(',')}", "['a''b''c']" },
	{ "${'abc'.matches('a.c')}", "true" },
	{ "${'abcd'.matches('a.c')}", "false" },
	{ "${'abc'.matches('x|abc')}", "true" },
	{ "${'2f1c7d4e-0000-4000-8000-1234567890ab'.matches("
	  "'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}')}",
	  "true" },
	{ "${'a1b2'.replaceAll('[0-9]', '#')}", "'a#b#'" },
	{ "${'a1b2'.replaceFirst('[0-9]', '#')}", "'a#b2'" },
	{ "${'john smith'.replaceAll('(\\\\w+) (\\\\w+)', '$2 $1 \\\\$1 $0')}",
	  "'smith john $1 john smith'" },
	{ "${'ab'.replaceAll('x*', '-')}", "'-a-b-'" },
	{ "${'abc'.replaceAll('^', '>')}", "'>abc'" },
	{ "${'abc'.replaceAll('x', 'y')}", "'abc'" },
	{ "${''.replaceAll('x', 'y')}", "''" },
	{ "${''.replaceAll('^$', 'y')}", "'y'" },
	{ "${'a\\\\b'.replaceAll('\\\\\\\\', '/')}", "'a/b'" },
	{ "${sv.accent.replaceAll('(.)$', '')}", "'caf'" },
	/* As in Java: the first alternative that fits, lazy and possessive repetition, look-around, references. */
	{ "${'abc'.replaceFirst('a|abc', 'x')}", "'xbc'" },
	{ "${'aXbX'.replaceFirst('.+?X', '-')}", "'-bX'" },
	{ "${'aaa'.matches('a++a')}", "false" },
	{ "${'a1b'.replaceAll('[a-z](?=[0-9])', '-')}", "'-1b'" },
	{ "${'abab'.matches('(ab)\\\\1')}", "true" },
	{ "${'ABC'.matches('(?i)abc')}", "true" },
	{ "${'x9'.matches('[\\\\w]\\\\d')}", "true" },
	{ "${'aab'.replaceAll('a*', 'X')}", "'XXbX'" },
	{ "${'\xc3\xa9\xc3\xa8'.split('')}", "['\xc3\xa9''\xc3\xa8']" },
	{ "${'\xc3\xa9\xc3\xa8'.replaceAll('x*', '-')}", "'-\xc3\xa9-\xc3\xa8-'" },
	/* Refused. */
	{ "${sv.a.matches('a**')}",
	  "3:25 this pattern is wrong: quantifier does not follow a repeatable item" },
	{ "${sv.a.matches('((a{100}){100}){100}')}",
	  "3:25 this pattern is wrong: regular expression is too large" },
	{ "${sv.a.matches('a{999999999999999999999}')}",
	  "3:25 this pattern is wrong: number too big in {} quantifier" },
	{ "${sv.a.matches('((((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))))')"
	  "}",
	  "3:25 this pattern is wrong: parentheses are too deeply nested" },
	{ "${sv.a.matches('\\\\p')}", "3:25 this pattern is wrong: malformed \\P or \\p sequence" },
	{ "${sv.a.matches('a\\\\')}", "3:25 this pattern is wrong: \\ at end of pattern" },
	{ "${sv.a.matches('[a')}",
	  "3:25 this pattern is wrong: missing terminating ] for character class" },
	{ "${sv.a.matches(')')}", "3:25 this pattern is wrong: unmatched closing parenthesis" },
	{ "${sv.a.matches('a\\u0000b')}", "3:25 this pattern has a NUL character" },
	{ "${sv.a.matches('*')}",
	  "3:25 this pattern is wrong: quantifier does not follow a repeatable item" },
	/* What the library takes and Java does not, or otherwise. */
	{ "${sv.a.matches('(*LIMIT_MATCH=1)a')}", "3:25 this pattern repeats nothing: '(*'" },
	{ "${sv.a.matches('a\\\\Kb')}", "3:25 this pattern has an escape that Java does not know" },
	{ "${sv.a.matches('[a-z&&[^b]]')}",
	  "3:25 this pattern has an intersection (&&) in brackets, which is not known here" },
};

Test(expr_methods, has_the_methods_with_patterns)
{
	EXPECT_ROWS(methods_with_patterns);
}

/* Anchors and boundaries look at what stands before the place where the search goes on. */
static const struct row searches_that_go_on[] = {
	{ "${'foofoo'.replaceAll('\\\\bfoo', 'X')}", "'Xfoo'" },
	{ "${'foo foo'.replaceAll('\\\\bfoo', 'X')}", "'X X'" },
	{ "${'aaa'.replaceAll('^a', 'X')}", "'Xaa'" },
	{ "${'abab'.replaceAll('(?<=b)a', 'X')}", "'abXb'" },
	{ "${'aab'.replaceAll('(?<!a)a', 'X')}", "'Xab'" },
	{ "${'foofoo'.split('\\\\bfoo')}", "['''foo']" },
};

Test(expr_methods, a_search_that_goes_on_sees_what_stands_before)
{
	EXPECT_ROWS(searches_that_go_on);
}

/* Repeats `with` in a text up to `len` bytes, then `end`. */
static const char *
filled(const char *with, size_t len, const char *end)
{
	static char text[5000];
	size_t used = 0;

	while (used + strlen(with) <= len)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s", with);
	snprintf(text + used, sizeof text - used, "%s", end);
	return text;
}

/* Patterns that backtrack for ages elsewhere: each ends, by its bound or by a result. */
Test(expr_methods, no_pattern_can_hang)
{
	static const char *const patterns[] = {
		"(((((a*)+)+)+)+)+",
		"(a|a)*b",
		"(a+)+$",
		"a.*.*.*.*z",
		"(?:a?){64}a{64}z",
		"(.*)\\\\1\\\\1z",
		"((a{0,30}){0,30}){0,30}z",
		"(?=(a+))\\\\1*?z",
	};
	char text[5400];

	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		const char *result;

		snprintf(text, sizeof text, "${'%s'.matches('%s')}", filled("a", 4095, "!"),
			 patterns[i]);
		result = outcome(text, &world);
		cr_expect(strstr(result, "takes too long") || !strcmp(result, "false"),
			  "%s: %.200s", patterns[i], result);
		/* One that the device decides, too. */
		snprintf(text, sizeof text, "${'%s'.matches('%s' + sv.empty)}",
			 filled("a", 4095, "!"), patterns[i]);
		result = outcome(text, &world);
		cr_expect(strstr(result, "takes too long") || !strcmp(result, "false"),
			  "%s: %.200s", patterns[i], result);
	}
}

/* At each of 4096 places the whole rest may be looked at. */
Test(expr_methods, a_search_that_goes_on_is_bounded_as_a_whole)
{
	char text[5400];

	snprintf(text, sizeof text, "${'%s'.replaceAll('a.*z|a', '')}", filled("a", 4096, ""));
	cr_expect_not_null(strstr(outcome(text, &world), "takes too long"));
	snprintf(text, sizeof text, "${'%s'.replaceAll('a|a.*z', '')}", filled("a", 4096, ""));
	cr_expect_str_eq(outcome(text, &world), "''");
}

/* The bound leaves room for what tasks do: the longest text, letter by letter. */
Test(expr_methods, the_longest_text_is_searched_within_the_bound)
{
	char text[5400];

	snprintf(text, sizeof text, "${sv.list + '%s'.replaceAll('[^0-9]', '') + '|'}",
		 filled("ab-", 4096, ""));
	cr_expect_str_eq(outcome(text, &world), "'a, b ,c|'");
}

static const struct row methods_of_others[] = {
	{ "${device.groups.length}", "2" },
	{ "${device.groups.size}", "2" },
	{ "${device.groups.isEmpty}", "false" },
	{ "${device.groups.nonEmpty}", "true" },
	{ "${device.directGroups.isEmpty}", "true" },
	{ "${device.groups.contains('root.b')}", "true" },
	{ "${device.groups.contains('root')}", "false" },
	{ "${device.groups.indexOf('root.b')}", "1" },
	{ "${device.groups.indexOf('x')}", "-1" },
	{ "${device.groups.head}", "'root.a'" },
	{ "${device.groups.last}", "'root.b'" },
	{ "${device.groups.join('; ')}", "'root.a; root.b'" },
	{ "${device.groups.mkString}", "'root.aroot.b'" },
	{ "${device.directGroups.join(',')}", "''" },
	{ "${5.toString}", "'5'" },
	{ "${5.toDouble}", "5.000000000" },
	{ "${5.9.toInt}", "5" },
	{ "${(-5.9).toLong}", "-5" },
	{ "${3000000000.toInt ? 'beyond'}", "'beyond'" },
	{ "${1e30.toLong ? 'beyond'}", "'beyond'" },
	{ "${true.toString}", "'true'" },
	{ "${true.toBoolean}", "true" },
	{ "${sv.count.toInt.toString + '!'}", "'42!'" },
	/* A receiver whose kind only the evaluation tells. */
	{ "${(if(sv.count.toInt > 1) device.groups else 'abc').length}", "2" },
	{ "${(if(sv.count.toInt < 1) device.groups else 'abc').length}", "3" },
	{ "${(if(sv.count.toInt > 1) 1 else 'abc').encodeHex}",
	  "error: (if(sv.count.toInt > 1) 1 else 'abc') is of kind integer, and a string is "
	  "needed" },
};

Test(expr_methods, has_the_methods_of_lists_and_numbers)
{
	EXPECT_ROWS(methods_of_others);
}

/* What devices answer to a Discover (link-format) and a Read (kept as SenML JSON). */
#define LINKS                                                                                      \
	"'</>;lwm2m=1.1,</0/0>;ssid=101;uri=\"coaps://a,b\",</0/1/>,</0/3>;ssid=65535,</1/"        \
	"0>;ssid=101,"                                                                             \
	"</1/1>;ssid=102,</2>,</3/0/6/1>'"
#define READ                                                                                       \
	"'[{\"bn\":\"/1/4/\",\"n\":\"0\",\"v\":101},{\"n\":\"6\",\"vb\":false},{\"n\":\"9/"        \
	"3\",\"vd\":\"_w\"}]'"

static const struct row methods_of_answers[] = {
	{ "${'</0/0'.instances(0)}", "3:12 '</0/0'.instances(0) is not valid link-format" },
	{ "${('</0/0' + sv.empty).bootstrapAccount ? 'broken'}", "'broken'" },
	{ "${'[]x'.value('/1/0/0') ? 'broken'}", "'broken'" },
	{ "${'[]'.value('/1/0')}",
	  "3:12 '[]'.value('/1/0') takes the path of a value, as '/1/0/0'" },
	{ "${''.instances('zero')}", "3:12 ''.instances('zero') takes an id, as 0 or '/0'" },
	{ "${''.instances('')}", "3:12 ''.instances('') takes ids from 0 to 65535" },
	{ "${''.instances(-1)}", "3:12 ''.instances(-1) takes ids from 0 to 65535" },
	{ "${''.freeInstance(65536)}", "3:12 ''.freeInstance(65536) takes ids from 0 to 65535" },
	{ "${''.freeInstance(0, 65535)}", "3:12 ''.freeInstance(0, 65535) finds no free instance" },
	{ "${''.instances(0)}", "[]" },
	{ "${''.freeInstance(0)}", "0" },
	{ "${''.bootstrapAccount}", "null" },
	{ "${" LINKS ".instances(0)}", "['0''1''3']" },
	{ "${" LINKS ".instances('/1')}", "['0''1']" },
	{ "${" LINKS ".instances('3')}", "[]" },
	{ "${" LINKS ".freeInstance(0)}", "2" },
	{ "${" LINKS ".freeInstance(0, 3)}", "4" },
	{ "${" LINKS ".freeInstance(2)}", "0" },
	{ "${" LINKS ".bootstrapAccount}", "1" },
	{ "${" LINKS ".instanceOfServer(1, 102)}", "1" },
	{ "${" LINKS ".instanceOfServer(1, 103)}", "null" },
	{ "${" LINKS ".linkAttribute('/0/0', 'uri')}", "'coaps://a,b'" },
	{ "${" LINKS ".linkAttribute('/0/1', 'uri')}", "null" },
	{ "${" LINKS ".linkAttribute('/', 'lwm2m')}", "'1.1'" },
	{ "${'lwm2m=\"1.0\",</0/0>'.linkAttribute('/', 'lwm2m')}", "'1.0'" },
	{ "${" READ ".value('/1/4/0')}", "'101'" },
	{ "${" READ ".value('/1/4/6')}", "'false'" },
	{ "${" READ ".value('/1/4/9/3')}", "'ff'" },
	{ "${" READ ".value('/1/4/9')}", "null" },
	{ "${" READ ".instances(1)}", "['4']" },
	{ "${" READ ".freeInstance(1)}", "0" },
};

Test(expr_methods, has_the_methods_of_answers)
{
	EXPECT_ROWS(methods_of_answers);
}

/* TASKS section 4, the lists of methods, word by word. */
Test(expr_methods, has_every_method_that_the_language_names)
{
	static const char *const names[] = {
		"encodeHex",    "decodeHex",    "decodeHexString",
		"encodeBase64", "decodeBase64", "encodeUTF8",
		"md5Hex",       "hmacMD5",      "parseHex",
		"toInt",        "toLong",       "toDouble",
		"toBoolean",    "concat",       "contains",
		"startsWith",   "endsWith",     "ensureStart",
		"ensureEnd",    "stripPrefix",  "stripSuffix",
		"substring",    "take",         "takeRight",
		"drop",         "dropRight",    "replace",
		"replaceAll",   "replaceFirst", "split",
		"matches",      "trim",         "toLowerCase",
		"toUpperCase",  "capitalize",   "reverse",
		"length",       "isEmpty",      "nonEmpty",
		"indexOf",      "lastIndexOf",  "charAt",
		"leftPad",      "rightPad",     "equalsIgnoreCase",
		"hex",          "base64",       "decodeUTF8",
		"sha256Hex",    "hmacSHA256",
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		cr_expect_not_null(method_find((struct text){ names[i], strlen(names[i]) }), "%s",
				   names[i]);
}

/* The search by halves, and the overloads beside each other. */
Test(expr_methods, has_a_sorted_table_of_methods)
{
	for (size_t i = 1; i < n_methods; i++) {
		int order = strcmp(methods[i - 1].name, methods[i].name);

		cr_expect_leq(order, 0, "%s", methods[i].name);
		cr_expect(order < 0 || !(methods[i - 1].receiver & methods[i].receiver), "%s",
			  methods[i].name);
	}
	for (size_t i = 0; i < n_methods; i++) {
		const char *name = methods[i].name;
		const struct method *found = method_find((struct text){ name, strlen(name) });

		cr_assert_not_null(found, "%s", name);
		cr_expect_str_eq(found->name, name);
		cr_expect_leq(methods[i].max_args, EXPR_ARGS_MAX - 1);
	}
}

/* `?` takes the right side where any of the answer does not decode, be what is asked for in front of that or not. */
static const struct row answers_that_do_not_decode[] = {
	{ "${'nonsense'.freeInstance(0) ? 7}", "7" },
	{ "${'<html>'.freeInstance(0) ? 7}", "7" },
	{ "${'</0/0>,<'.bootstrapAccount ? 7}", "7" },
	{ "${'</0/0>;ssid=3,nonsense'.instanceOfServer(0, 3) ? 7}", "7" },
	{ "${'</0/0>,<html>'.instances(0).length ? 7}", "7" },
	{ "${'</0/0>;uri=\"a\",<html>'.linkAttribute('/0/0', 'uri') ? 'b'}", "'b'" },
	{ "${'[{\"n\":\"/1/0/1\",\"v\":1},'.value('/1/0/1') ? 'b'}", "'b'" },
	{ "${'</0/0>'.bootstrapAccount ? 7}", "0" },
	{ "${''.freeInstance(0) ? 7}", "0" },
};

Test(expr_methods, an_answer_that_does_not_decode_has_no_parts)
{
	EXPECT_ROWS(answers_that_do_not_decode);
}
