/* The expression language, row by row: TASKS.md section 4. */
#include "tests/unit/expr_world.h"

/* ---- errors at load, each with its column (the text begins in column 10) ---- */

static const struct row load_errors[] = {
	{ "${}", "3:10 '${}' holds no expression; the empty text is ${''}" },
	{ "${ }", "3:10 '${}' holds no expression; the empty text is ${''}" },
	{ "${", "3:10 this '${' has no closing brace" },
	{ "x${sv.a", "3:11 this '${' has no closing brace" },
	{ "${'abc}", "3:12 this string has no closing quote" },
	{ "${'abc\\", "3:12 this string has no closing quote" },
	{ "${'a\\qb'}",
	  "3:14 unknown escape; known are \\\\ \\' \\\" \\` \\$ \\n \\r \\t \\b \\f \\uXXXX" },
	{ "${'\\u12g4'}", "3:13 \\u is followed by four hex digits of a character" },
	{ "${'\\ud800'}", "3:13 \\u is followed by four hex digits of a character" },
	{ "${'\\udc00'}", "3:13 \\u is followed by four hex digits of a character" },
	{ "${sv.`a}", "3:15 this back-tick has no partner" },
	{ "${sv.``}", "3:15 a name in back-ticks has at least one character" },
	{ "${#}", "3:12 '#' is followed by the name of a variable: #name or #`odd name`" },
	{ "${# id}", "3:12 '#' is followed by the name of a variable: #name or #`odd name`" },
	{ "${9223372036854775808}", "3:12 this integer is beyond 9223372036854775807" },
	{ "${1abc}", "3:12 a name can't begin with a digit; put it in back-ticks" },
	{ "${1.5x}", "3:12 a name can't begin with a digit; put it in back-ticks" },
	{ "${sv.a = 'x'}", "3:17 '=' compares as '=='; expressions assign nothing" },
	{ "${true & true}", "3:17 '&' alone is not an operator; write && or and" },
	{ "${true | true}", "3:17 '|' alone is not an operator; write || or or" },
	{ "${{}", "3:12 '{' has no meaning inside an expression" },
	{ "${@}", "3:12 '@' has no meaning here" },
	{ "${\xc3\xa9}", "3:12 a character beyond ASCII stands in strings and back-ticks only" },
	{ "${1 2}", "3:14 expected an operator or '}', not a number" },
	{ "${'a' 'b'}", "3:16 expected an operator or '}', not a string" },
	{ "${1 +}", "3:15 expected a value, not '}'" },
	{ "${* 1}", "3:12 expected a value, not an operator" },
	{ "${(1}", "3:14 expected an operator or ')', not '}'" },
	{ "${1)}", "3:13 expected an operator or '}', not ')'" },
	{ "${'a'[0}", "3:17 expected ']', not '}'" },
	{ "${'a'.}", "3:16 expected the name of a method, not '}'" },
	{ "${'a'.take(1,}", "3:23 expected a value, not '}'" },
	{ "${'a'.take(1}", "3:22 expected ',', an operator or ')', not '}'" },
	{ "${if true 1 else 2}", "3:15 expected '(' behind if, not a name" },
	{ "${if (true) 1}",
	  "3:23 expected an operator or else: an if has a value in both cases, not '}'" },
	{ "${if (true) 1 else}", "3:28 expected a value, not '}'" },
	{ "${sv}", "3:14 expected a name behind 'sv': sv.NAME, not '}'" },
	{ "${sv.}", "3:15 expected a name (an odd one stands in back-ticks), not '}'" },
	{ "${sv.1}", "3:15 expected a name (an odd one stands in back-ticks), not a number" },

	/* Names, with the nearest one. */
	{ "${sw.x}", "3:12 unknown name 'sw'; did you mean 'sv'?" },
	{ "${devise.id}", "3:12 unknown name 'devise'; did you mean 'device'?" },
	{ "${managementId}", "3:12 unknown name 'managementId'; known are sv, device, lwm2m, task, "
			     "res, string, true, false, null, if" },
	{ "${device.endpointname}",
	  "3:19 unknown attribute 'endpointname'; did you mean 'endpointName'?" },
	{ "${device.isInGrup('root')}",
	  "3:19 unknown attribute 'isInGrup'; did you mean 'isInGroup'?" },
	{ "${task.zzz}", "3:17 unknown attribute 'zzz'; known are id, name, group, priority" },
	{ "${lwm2m.bootstrapEven}",
	  "3:18 unknown attribute 'bootstrapEven'; did you mean 'bootstrapEvent'?" },
	{ "${string.secureRandon(5)}",
	  "3:19 unknown function of string 'secureRandon'; did you mean 'secureRandom'?" },
	{ "${#id.encodeHxe}",
	  "3:16 a string has no method 'encodeHxe'; did you mean 'encodeHex'?" },
	{ "${sv.a.bb}", "3:17 a string has no method 'bb'; a name with a dot stands in back-ticks: "
			"sv.`a.bb`" },
	{ "${1.encodeHex}", "3:14 'encodeHex' is a method of a string, and this is an integer" },
	{ "${'a'.hex}", "3:16 'hex' is a method of bytes, and this is a string" },
	{ "${res.plan.bye('ep').get('a').apn}",
	  "3:20 a resource is read as res.ALIAS.by('column').get(key).column; '.by(' is expected "
	  "here" },
	{ "${res.plan.by('ep').apn}",
	  "3:29 a resource is read as res.ALIAS.by('column').get(key).column; '.get(' is expected "
	  "here" },

	/* Numbers of arguments. */
	{ "${'a'.take}", "3:16 'take' takes 1 argument, not 0" },
	{ "${'a'.take()}", "3:16 'take' takes 1 argument, not 0" },
	{ "${'a'.encodeHex(1)}", "3:16 'encodeHex' takes 0 arguments, not 1" },
	{ "${'a'.replace('a', 'b', 'c')}", "3:16 'replace' takes 2 arguments, not 3" },
	{ "${'a'.substring}", "3:16 'substring' takes 1 to 2 arguments, not 0" },
	{ "${sv.get()}", "3:18 sv.get takes one argument, not 0" },
	{ "${device.isInGroup('a', 'b')}", "3:28 device.isInGroup takes one argument, not 2" },

	/* Kinds that can never fit. */
	{ "${'a'.take('1')}", "3:21 take needs an integer, and this is a string" },
	{ "${#id - 1}", "3:12 '-' needs an integer or a double, and this is a string" },
	{ "${-sv.x}", "3:13 '-' needs an integer or a double, and this is a string" },
	{ "${!sv.x}", "3:13 '!' needs a boolean, and this is a string" },
	{ "${true + 1}",
	  "3:19 '+' adds numbers or joins text, and these are a boolean and an integer" },
	{ "${sv.count == 42}",
	  "3:24 a string is never equal to an integer; convert one, as with .toInt" },
	{ "${sv.count lt 42}",
	  "3:24 '<' compares two numbers or two strings, and these are a string "
	  "and an integer; convert one, as with .toInt" },
	{ "${sv.a and true}", "3:12 '&&' needs a boolean, and this is a string" },
	{ "${if (sv.a) 1 else 2}", "3:16 if needs a boolean, and this is a string" },
	{ "${device.groups['a']}", "3:26 an index needs an integer, and this is a string" },
	{ "${1[0]}", "3:12 an index needs a string or a list, and this is an integer" },
	{ "${string.random('a')}", "3:26 string.random needs an integer, and this is a string" },
	{ "x${'ff'.decodeHex}", "3:13 bytes can't be part of a text; use .hex or .base64" },
	{ "x${null}", "3:13 null can't be part of a text; the empty text is ''" },

	/* What reads nothing and always fails. */
	{ "${'abc'.toInt}", "3:12 'abc'.toInt reads a text that is not a 32-bit integer" },
	{ "${1 / 0}", "3:12 1 / 0 divides by zero" },
	{ "${null.length}", "3:12 null is null, and a value is needed" },
	{ "${'abc'[3]}", "3:12 'abc'[3] is outside the text, which has 3 characters" },
	{ "${'a'.matches('(')}", "3:24 this pattern is wrong: missing closing parenthesis" },
	{ "${sv.a.split('(?z)x')}",
	  "3:23 this pattern is wrong: unrecognized character after (? or (?-" },
	{ "${sv.a.split('(a)\\\\2')}",
	  "3:23 this pattern is wrong: reference to non-existent subpattern" },

	{ "${sv.my-key}",
	  "3:18 '-' subtracts here; a setting with such a name is read by sv.get('my-key')" },
	{ "${sv.a-b-c.trim}",
	  "3:17 '-' subtracts here; a setting with such a name is read by sv.get('a-b-c')\n"
	  "3:19 '-' subtracts here; a setting with such a name is read by sv.get('a-b-c')" },
	{ "${#my-var}",
	  "3:16 '-' subtracts here; a variable with such a name is written #`my-var`" },
	{ "${1 - key}", "3:16 unknown name 'key'; known are sv, device, lwm2m, task, res, string, "
			"true, false, null, "
			"if" },

	/* All of them at once. */
	{ "${sv.a.takke(1)} ${#id.dropp(2)} ${'x'.take()}",
	  "3:17 a string has no method 'takke'; did you mean 'take'?\n"
	  "3:33 a string has no method 'dropp'; did you mean 'drop'?\n"
	  "3:49 'take' takes 1 argument, not 0" },
	{ "${sv.a.takke(#b.dropp, 1 - 'a')}",
	  "3:26 a string has no method 'dropp'; did you mean 'drop'?\n"
	  "3:37 '-' needs an integer or a double, and this is a string\n"
	  "3:17 a string has no method 'takke'; did you mean 'take'?" },
	{ "${1 +} ${2 *} ${'x'}",
	  "3:15 expected a value, not '}'\n3:22 expected a value, not '}'" },
	{ "\n\n  ${1 +}", "5:8 expected a value, not '}'" },
};

Test(expr, finds_errors_at_load_with_their_column)
{
	EXPECT_ROWS(load_errors);
}

/* Deeper than 64: parentheses, signs, arguments, chains. None may recurse further, whatever the length. */
Test(expr, refuses_depth)
{
	static const struct {
		const char *open, *inner, *close;
	} shapes[] = {
		{ "(", "1", ")" },
		{ "!", "true", "" },
		{ "-", "1", "" },
		{ "if(true) ", "1", " else 2" },
		{ "'a'.concat(", "'b'", ")" },
		{ "", "#id", ".trim" },
		{ "", "#id", " ? #id" },
		{ "", "#id", " + #id" },
		{ "sv.get(", "'a'", ")" },
		{ "'a'[", "0", "]" },
	};

	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		static char text[200000];
		size_t used = 2;

		memcpy(text, "${", 2);
		for (int n = 0; n < 5000; n++, used += strlen(shapes[i].open))
			memcpy(text + used, shapes[i].open, strlen(shapes[i].open));
		memcpy(text + used, shapes[i].inner, strlen(shapes[i].inner));
		used += strlen(shapes[i].inner);
		for (int n = 0; n < 5000; n++, used += strlen(shapes[i].close))
			memcpy(text + used, shapes[i].close, strlen(shapes[i].close));
		memcpy(text + used, "}", 2);
		cr_expect(strstr(outcome(text, &world), "nested deeper than 64"), "%s%s%s: %s",
			  shapes[i].open, shapes[i].inner, shapes[i].close, outcome(text, &world));
	}
}

/* ---- errors of evaluation ---- */

static const struct row failures[] = {
	{ "${sv.missing.encodeHex}", "error: sv.missing is not set" },
	{ "${sv.`odd name`.encodeHex}", "error: sv.`odd name` is not set" },
	{ "${sv.get('missing').encodeHex}", "error: sv.get('missing') is not set" },
	{ "${sv.get(sv.missing)}", "error: sv.missing is not set" },
	{ "x${sv.missing}", "error: sv.missing is not set" },
	{ "${'x' + sv.missing}", "error: sv.missing is not set" },
	{ "${'x'.concat(sv.missing)}", "error: sv.missing is not set" },
	{ "${#missing}", "error: #missing is not defined: nothing before it gives it a value" },
	{ "${device.domain.length}", "error: device.domain is not known of this device" },
	{ "${device.property.none.length}",
	  "error: device.property.none is not known of this device" },
	{ "${res.plan.by('ep').get('nobody').apn.length}",
	  "error: res.plan.by('ep').get('nobody').apn finds no such row and column" },
	{ "${sv.password.toInt}",
	  "error: sv.password.toInt reads a text that is not a 32-bit integer" },
	{ "${sv.password.decodeHex}", "error: sv.password.decodeHex reads a text that is not hex" },
	{ "${(sv.password + '0').decodeHex}",
	  "error: (sv.password + '0').decodeHex reads hex of an odd number of digits" },
	{ "${sv.password[9]}",
	  "error: sv.password[9] is outside the text, which has 6 characters" },
	{ "${device.groups[2]}",
	  "error: device.groups[2] is outside the list, which has 2 elements" },
	{ "${device.groups[-1]}",
	  "error: device.groups[-1] is outside the list, which has 2 elements" },
	{ "${device.directGroups.head}",
	  "error: device.directGroups.head finds no element: the list is empty" },
	{ "${sv.password.toBoolean}",
	  "error: sv.password.toBoolean reads a text that is neither true nor false" },
	{ "${#id.substring(5, 2)}",
	  "error: #id.substring(5, 2) is outside the text, which has 8 characters" },
	{ "${sv.count.toInt * 9223372036854775807}",
	  "error: sv.count.toInt * 9223372036854775807 is beyond 64 bits" },
	{ "${sv.count.toInt % 0}", "error: sv.count.toInt % 0 divides by zero" },
	{ "${sv.count.toInt / 0 ? 1}", "error: sv.count.toInt / 0 ? 1 divides by zero" },
	{ "${string.random(0)}", "error: string.random(0) makes 1 to 1024 characters" },
	{ "${string.random(1025)}", "error: string.random(1025) makes 1 to 1024 characters" },
	{ "${sv.password.leftPad(100000)}",
	  "error: sv.password.leftPad(100000) is padded to more than 65535 characters" },
	{ "${sv.password.leftPad(9, '')}",
	  "error: sv.password.leftPad(9, '') is padded with an empty text" },
	{ "${sv.password.splitBy('')}", "error: sv.password.splitBy('') splits by an empty text" },
	{ "${sv.password.replace('', 'x')}",
	  "error: sv.password.replace('', 'x') replaces an empty text" },
	{ "${sv.password.matches(sv.password + '[')}",
	  "error: sv.password.matches(sv.password + '[') can't be done: this pattern is wrong: "
	  "missing "
	  "terminating ] for character class" },
	{ "${sv.hex.decodeHex.decodeUTF8}",
	  "error: sv.hex.decodeHex.decodeUTF8 reads bytes that are not valid UTF-8" },
	{ "${lwm2m.bootstrapEvent + 1 - 1}", "error: lwm2m.bootstrapEvent + 1 is of kind string, "
					     "and an integer or a double is needed" },
	/* A long source is cut in messages. */
	{ "${sv.a23456789012345678901234567890123456789012345678901234567890123456789.trim}",
	  "error: sv.a23456789012345678901234567890123456789012345678901234567... is not set" },
	/* Both sides of `?` fail: the right one's reason is the news. */
	{ "${sv.missing ? sv.password.toInt}",
	  "error: sv.password.toInt reads a text that is not a 32-bit integer" },
};

Test(expr, says_why_an_evaluation_failed)
{
	EXPECT_ROWS(failures);
}

/* Not even a prefix of a value may stand in a message: values are secrets. */
Test(expr, shows_no_values_in_messages)
{
	static const char *const texts[] = {
		"${sv.password.toInt}",
		"${sv.password.toBoolean}",
		"${sv.password.decodeHex}",
		"${sv.password.toDouble}",
		"${sv.password.parseHex}",
		"${sv.password[99]}",
		"${sv.password.decodeBase64}",
		"${sv.password.matches(sv.password + '(')}",
		"${sv.password.decodeBase64String}",
		"${sv.password.substring(99)}",
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		const char *message = outcome(texts[i], &world);

		cr_expect_eq(strncmp(message, "error: sv.password", 18), 0, "%s", message);
		cr_expect_null(strstr(message, "s3cret"), "%s", message);
	}
}

/* "${", `head`, `count` times `tail`, "}". */
static const char *
repeated(const char *head, const char *tail, int count)
{
	static char text[1024];
	size_t used = (size_t)snprintf(text, sizeof text, "${%s", head);

	for (int i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s", tail);
	snprintf(text + used, sizeof text - used, "}");
	return text;
}

/* Text that doubles itself must end by a limit, in little memory; so must work that leads to nothing. */
Test(expr, bounds_what_one_evaluation_makes)
{
	const char *padded = "sv.password.leftPad(65535)", *result;

	result = outcome(repeated("sv.password", ".replaceAll('(.)', '$1$1')", 20), &world);
	cr_expect_eq(strncmp(result, "error: sv.password", 18), 0, "%s", result);
	cr_expect_not_null(strstr(result, "searches a text longer than 4096 bytes"), "%s", result);
	cr_expect_str_eq(outcome(repeated("sv.password.leftPad(65535).length", "", 0), &world),
			 "65535");
	cr_expect_str_eq(outcome(repeated(padded, ".reverse", 60), &world),
			 "error: this expression handles more than 4194304 bytes of text");
	cr_expect_str_eq(outcome(repeated(padded, " + 'x'", 1), &world),
			 "error: this expression makes a text beyond 65535 bytes");
}

/* ---- templates ---- */

static const struct row templates[] = {
	{ "", "null" },
	{ "${''}", "''" },
	{ "text", "'text'" },
	{ " not trimmed ", "' not trimmed '" },
	{ "$", "'$'" },
	{ "a $ b $$ c", "'a $ b $$ c'" },
	{ "$5 ${'x'} $", "'$5 x $'" },
	{ "$${'x'}", "'$x'" },
	{ "}{", "'}{'" },
	{ "${'}'}", "'}'" },
	{ "${'123'}", "'123'" },
	{ "${123}", "123" },
	{ "a${123}", "'a123'" },
	{ "${1}${2}", "'12'" },
	{ " ${1}", "' 1'" },
	{ "${null}", "null" },
	{ "${sv.missing}", "null" },
	{ "${true}", "true" },
	{ "x${true}", "'xtrue'" },
	{ "x${1.5}", "'x1.5'" },
	{ "x${2.0}", "'x2.0'" },
	{ "${2.0}", "2.000000000" },
	{ "x${''}", "'x'" },
	{ "${sv.empty}", "''" },
	{ "id=${#id}, ep=${device.endpointName}", "'id=dev-0001, ep=urn:dev:1'" },
	{ "${device.groups}!", "'root.a,root.b!'" },
	{ "${lwm2m.bootstrapEvent}!", "'!'" },
	/* The reference task's. */
	{ "${sv.managementId}", "'dev-0001'" },
	{ "${sv.password}", "'s3cret'" },
	{ "${#id.encodeHex}", "'6465762d30303031'" },
	{ "coaps://uri.example:5684", "'coaps://uri.example:5684'" },
};

Test(expr, joins_templates)
{
	EXPECT_ROWS(templates);
}

/* ---- literals, names, operators ---- */

static const struct row language[] = {
	{ "${'it''s'.length}", "3:16 expected an operator or '}', not a string" },
	{ "${\"double\"}", "'double'" },
	{ "${'\"'}", "'\"'" },
	{ "${'\\'\\\"\\\\\\n\\t\\r\\b\\f\\$\\`'.encodeHex}", "'27225c0a090d080c2460'" },
	{ "${'\\u0041\\u00e9\\u20ac\\ud83d\\ude00'.encodeHex}", "'41c3a9e282acf09f9880'" },
	{ "${0}", "0" },
	{ "${9223372036854775807}", "9223372036854775807" },
	{ "${-9223372036854775807 - 1}", "-9223372036854775808" },
	{ "${1.5}", "1.500000000" },
	{ "${1e3}", "1000.000000" },
	{ "${2.5e-1}", "0.2500000000" },
	{ "${false}", "false" },

	{ "${sv.`a.b`}", "'dotted'" },
	{ "${sv.get('a.b')}", "'dotted'" },
	{ "${sv.get(sv.key)}", "'dev-0001'" },
	{ "${sv.get}", "'got'" },
	{ "${sv.and}", "'word'" },
	{ "${sv . managementId}", "'dev-0001'" },
	{ "${#id}", "'dev-0001'" },
	{ "${#`odd name`}", "'odd'" },
	{ "${device.endpointName}", "'urn:dev:1'" },
	{ "${device.domain}", "null" },
	{ "${device.creationTime + 1}", "1700000001" },
	{ "${device.isInGroup('root.a')}", "true" },
	{ "${device.isInGroup('root.b')}", "false" },
	{ "${device.property.site}", "'north'" },
	{ "${device.property.`odd name`}", "null" },
	{ "${lwm2m.preferredContentFormat == 112}", "true" },
	{ "${task.name}", "'reference'" },
	{ "${res.plan.by('ep').get(device.endpointName).apn}", "'iot.example'" },
	{ "${res.plan.by('ep').get('x').apn ? 'none'}", "'none'" },
	{ "${res.`odd name`.by('n').get(7).`what ever`}", "'seven'" },
	{ "${string.random(10)}", "'0123456789'" },
	{ "${string.secureRandom(24).length}", "24" },

	{ "${1 + 2 * 3}", "7" },
	{ "${(1 + 2) * 3}", "9" },
	{ "${10 - 3 - 2}", "5" },
	{ "${7 / 2}", "3" },
	{ "${-7 / 2}", "-3" },
	{ "${7 % 4}", "3" },
	{ "${7.0 / 2}", "3.500000000" },
	{ "${1 + 0.5}", "1.500000000" },
	{ "${7.5 % 2}", "1.500000000" },
	{ "${-(3)}", "-3" },
	{ "${- -3}", "3" },
	{ "${-1.5}", "-1.500000000" },
	{ "${'a' + 'b'}", "'ab'" },
	{ "${'a' + 1}", "'a1'" },
	{ "${1 + 'a'}", "'1a'" },
	{ "${'a' + true + 1.5}", "'atrue1.5'" },
	{ "${1 + 2 + 'a'}", "'3a'" },
	{ "${1 < 2}", "true" },
	{ "${2 lt 1}", "false" },
	{ "${1 lte 1}", "true" },
	{ "${2 gt 1 and 2 gte 2}", "true" },
	{ "${1 <= 0.5}", "false" },
	{ "${'a' < 'b'}", "true" },
	{ "${'ab' > 'a'}", "true" },
	{ "${1 == 1.0}", "true" },
	{ "${1 eq 2}", "false" },
	{ "${1 ne 2}", "true" },
	{ "${sv.count == '42'}", "true" },
	{ "${sv.missing == null}", "true" },
	{ "${sv.count == null}", "false" },
	{ "${null != sv.count}", "true" },
	{ "${true == false}", "false" },
	{ "${'00'.decodeHex == '00'.decodeHex}", "true" },
	{ "${'a,b'.splitBy(',') == 'a;b'.splitBy(';')}", "true" },
	{ "${true && false || true}", "true" },
	{ "${true or true and false}", "true" },
	{ "${!true}", "false" },
	{ "${not true or true}", "true" },
	{ "${1 + 1 == 2 && 2 > 1}", "true" },
	/* The right side is not looked at when the left decides. */
	{ "${false && sv.missing.isEmpty}", "false" },
	{ "${true || sv.missing.isEmpty}", "true" },
	{ "${true && sv.missing.isEmpty}", "error: sv.missing is not set" },

	{ "${if(true) 1 else 2}", "1" },
	{ "${if(false) 1 else 'b'}", "'b'" },
	{ "${if(sv.count.toInt > 40) 'many' else 'few'}", "'many'" },
	{ "${if(false) sv.missing.length else 7}", "7" },
	{ "${if(false) 1 else if(true) 2 else 3}", "2" },
	{ "${1 + if(true) 2 else 3 + 10}", "3" },
	{ "${(if(true) 'ab' else 'c').length}", "2" },

	{ "${device.groups[1]}", "'root.b'" },
	{ "${device.groups(0)}", "'root.a'" },
	{ "${'abc'[1]}", "'b'" },
	{ "${'a,b,c'.split(',')[2]}", "'c'" },
	{ "${'a,b,c'.split(',')(1)}", "'b'" },
};

Test(expr, evaluates_the_language)
{
	EXPECT_ROWS(language);
}

/* ---- the fallback operator ---- */

static const struct row fallbacks[] = {
	/* What it recovers: null, null access, missing element, index, number format, argument, pattern. */
	{ "${sv.missing ? 'x'}", "'x'" },
	{ "${sv.missing.length ? 0}", "0" },
	{ "${#missing ? 'x'}", "'x'" },
	{ "${device.directGroups.head ? 'none'}", "'none'" },
	{ "${device.groups[5] ? 'none'}", "'none'" },
	{ "${sv.password.toInt ? 5}", "5" },
	{ "${sv.password.decodeHex ? 'x'}", "'x'" },
	{ "${sv.password.toBoolean ? false}", "false" },
	{ "${sv.password.matches(sv.password + '(') ? false}", "false" },
	{ "${null ? 1}", "1" },
	{ "${'abc'.toInt ? 5}", "5" },
	/* What it leaves alone. */
	{ "${sv.managementId ? 'x'}", "'dev-0001'" },
	{ "${sv.empty ? 'x'}", "''" },
	{ "${false ? true}", "false" },
	{ "${0 ? 1}", "0" },
	/* Above all other operators of two operands, to the left. */
	{ "${sv.missing ? 'a' + 'b'}", "'ab'" },
	{ "${'x' + sv.missing ? 'a'}", "'xa'" },
	{ "${sv.count.toInt ? 0 * 2}", "84" },
	{ "${sv.missing ? #missing ? 'z'}", "'z'" },
	{ "${sv.missing ? -1}", "-1" },
	{ "${sv.missing ? 'ab'.length}", "2" },
	{ "${(sv.missing ? 'ab').length}", "2" },
	{ "${sv.missing ? sv.missing}", "null" },
	{ "x${sv.missing ? ''}", "'x'" },
	{ "${sv.yes.toBoolean ? false and true}", "true" },
	{ "${sv.missing.toBoolean ? false or true}", "true" },
	/* A failure inside what was recovered leaves no trace. */
	{ "${(sv.password.toInt ? 1) + (sv.count.toInt ? 2)}", "43" },
	{ "${((sv.password.toInt + sv.missing) ? 3) + 1}", "4" },
};

Test(expr, falls_back)
{
	EXPECT_ROWS(fallbacks);
}

/* ---- what a template tells of itself ---- */

/* Without one, no evaluation takes too long: whoever makes a device of a row need not try. */
Test(expr, a_template_says_whether_it_searches_with_a_pattern)
{
	static const struct {
		const char *text;
		bool pattern;
	} rows[] = {
		{ "", false },
		{ "a+b", false },
		{ "${sv.a.contains('a+')}", false },
		{ "${sv.a.matches('a+')}", true },
		{ "${if(sv.b.isEmpty) sv.a.replaceAll('a', 'b') else 'c'}", true },
		{ "${sv.a.replaceFirst(sv.b, 'b')}", true },
		{ "${sv.a.split(',')}", true },
		{ "${#v.matches(#p) ? false}", true },
	};
	struct arena arena;
	struct diag_list diags;

	arena_init(&arena, 1 << 20);
	diag_list_init(&diags);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct template *template =
			template_parse(&arena, rows[i].text, strlen(rows[i].text), &(struct place){ 0 }, &diags);

		cr_assert_not_null(template, "%s: %s", rows[i].text, diags.count ? diags.items[0].text : "");
		cr_expect_eq(template_has_pattern(template), rows[i].pattern, "%s", rows[i].text);
	}
	diag_list_fini(&diags);
	arena_fini(&arena);
}

struct knowledge {
	const char *text;
	enum expr_depends depends;
	unsigned kinds;
	bool literal, uses_id;
};

#define K(kind) (1u << VALUE_##kind)

static const struct knowledge known[] = {
	{ "", EXPR_CONSTANT, K(NULL), true, false },
	{ "text", EXPR_CONSTANT, K(STRING), true, false },
	{ "$ {x}", EXPR_CONSTANT, K(STRING), true, false },
	{ "${'text'}", EXPR_CONSTANT, K(STRING), false, false },
	{ "${1 + 2}", EXPR_CONSTANT, K(INTEGER), false, false },
	{ "${'ff'.decodeHex}", EXPR_CONSTANT, K(BYTES), false, false },
	{ "${#id}", EXPR_CONSTANT, K(STRING), false, true },
	{ "a ${#id.encodeHex}", EXPR_CONSTANT, K(STRING), false, true },
	{ "${#ident}", EXPR_CONSTANT, K(STRING), false, false },
	{ "${sv.a}", EXPR_DEVICE, K(STRING) | K(NULL), false, false },
	{ "${sv.a ? 'b'}", EXPR_DEVICE, K(STRING), false, false },
	{ "${sv.a.toInt}", EXPR_DEVICE, K(INTEGER), false, false },
	{ "x ${sv.a}", EXPR_DEVICE, K(STRING), false, false },
	{ "${device.id}", EXPR_DEVICE, K(STRING) | K(INTEGER), false, false },
	{ "${device.isInGroup('a')}", EXPR_DEVICE, K(BOOLEAN) | K(NULL), false, false },
	{ "${res.a.by('b').get('c').d}", EXPR_DEVICE, K(STRING) | K(NULL), false, false },
	{ "${if(sv.a.isEmpty) 1 else #id}", EXPR_DEVICE, K(INTEGER) | K(STRING), false, true },
	{ "${string.secureRandom(5)}", EXPR_SESSION, K(STRING), false, false },
	{ "${string.random(5).encodeHex}", EXPR_SESSION, K(STRING), false, false },
	{ "${sv.psk ? string.secureRandom(24)}", EXPR_SESSION, K(STRING), false, false },
	{ "${lwm2m.bootstrapEvent}", EXPR_SESSION,
	  K(NULL) | K(STRING) | K(BYTES) | K(BOOLEAN) | K(INTEGER) | K(DOUBLE) | K(LIST), false,
	  false },
	{ "a ${sv.a} ${string.random(1)} ${#id}", EXPR_SESSION, K(STRING), false, true },
};

static bool
uses_var(const struct template *template, const char *wanted)
{
	const void *cursor = NULL;
	const char *name;
	size_t len;

	while (template_next_var(template, &cursor, &name, &len))
		if (same(name, len, wanted))
			return true;
	return false;
}

static void
expect_known(const struct knowledge *k, const struct template *template)
{
	const char *literal = "";
	size_t len = 0;

	cr_expect_eq(template_depends(template), k->depends, "%s", k->text);
	cr_expect_eq(template_kinds(template), k->kinds, "%s: %x", k->text,
		     template_kinds(template));
	cr_expect_eq(uses_var(template, "id"), k->uses_id, "%s", k->text);
	cr_expect_eq(template_is_literal(template, &literal, &len), k->literal, "%s", k->text);
	if (k->literal)
		cr_expect(same(literal, len, k->text), "%s", k->text);
}

Test(expr, knows_what_a_template_needs)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		const struct knowledge *k = &known[i];
		struct diag_list diags;
		struct template *template;
		struct arena arena;

		arena_init(&arena, 0);
		diag_list_init(&diags);
		template = template_parse(&arena, k->text, strlen(k->text), NULL, &diags);
		cr_assert_not_null(template, "%s", k->text);
		expect_known(k, template);
		arena_fini(&arena);
		diag_list_fini(&diags);
	}
}

/* ---- surroundings that lack something ---- */

static int
env_no_random(void *ctx, uint8_t *bytes, size_t len)
{
	return -EIO;
}

Test(expr, reads_missing_callbacks_as_null)
{
	static const struct expr_env nothing;
	static const struct expr_env broken = { .random = env_no_random };

	cr_expect_str_eq(outcome("${sv.a}", &nothing), "null");
	cr_expect_str_eq(outcome("${device.id == null}", &nothing), "true");
	cr_expect_str_eq(outcome("${device.isInGroup('a') ? false}", &nothing), "false");
	cr_expect_str_eq(outcome("${res.a.by('b').get('c').d ? 'x'}", &nothing), "'x'");
	cr_expect_str_eq(outcome("${string.random(8)}", &nothing),
			 "error: string.random(8) finds no random numbers here");
	cr_expect_str_eq(outcome("${string.random(8) ? 'guessable'}", &broken),
			 "error: string.random(8) finds no random numbers here");
}

/* Every point where memory may run out, at load and at evaluation, ends in an error and never in a crash. */
Test(expr, survives_exhausted_memory)
{
	static const char text[] = "a ${sv.password.replaceAll('(.)', '$1$1') + #id.encodeHex} "
				   "${device.groups.join('x'.leftPad(9)) ? sv.list.split(',')[0]}";

	for (size_t limit = 1; limit < 6000; limit += 16) {
		struct expr_eval eval = { .env = &world, .vars = &vars };
		struct template *template;
		struct diag_list diags;
		struct arena arena, work;
		struct value value;

		arena_init(&arena, limit);
		arena_init(&work, limit);
		diag_list_init(&diags);
		eval.arena = &work;
		template = template_parse(&arena, text, sizeof text - 1, &place, &diags);
		cr_expect_eq(!template, diags.errors > 0);
		if (template && template_eval(template, &eval, &value) != 0)
			cr_expect_neq(eval.error[0], '\0');
		arena_fini(&work);
		arena_fini(&arena);
		diag_list_fini(&diags);
	}
}
