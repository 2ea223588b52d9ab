/* The expression language, row by row: TASKS.md section 4 of the task language's description. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tasks/expr.h"
#include "tasks/expr_internal.h"

/* ---- a small world ---- */

static struct value
text_value(const char *text)
{
	return (struct value){ .kind = VALUE_STRING, .text = { text, strlen(text) } };
}

static bool
same(const char *at, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(at, word, len) == 0;
}

static struct value
env_setting(void *ctx, const char *name, size_t len)
{
	static const char *const values[][2] = {
		{ "managementId", "dev-0001" },
		{ "password", "s3cret" },
		{ "count", "42" },
		{ "a.b", "dotted" },
		{ "empty", "" },
		{ "hex", "00fF" },
		{ "list", "a, b ,c" },
		{ "get", "got" },
		{ "and", "word" },
		{ "accent", "caf\xc3\xa9" },
		{ "key", "managementId" },
		{ "yes", "TRUE" },
	};

	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		if (same(name, len, values[i][0]))
			return text_value(values[i][1]);
	}
	return (struct value){ .kind = VALUE_NULL };
}

static const struct value group_items[] = {
	{ .kind = VALUE_STRING, .text = { "root.a", 6 } },
	{ .kind = VALUE_STRING, .text = { "root.b", 6 } },
};

static struct value
env_attribute(void *ctx, const char *root, const char *name, size_t len)
{
	if (strcmp(root, "device") == 0 && same(name, len, "endpointName"))
		return text_value("urn:dev:1");
	if (strcmp(root, "device") == 0 && same(name, len, "groups"))
		return (struct value){ .kind = VALUE_LIST, .list = { group_items, 2 } };
	if (strcmp(root, "device") == 0 && same(name, len, "directGroups"))
		return (struct value){ .kind = VALUE_LIST };
	if (strcmp(root, "device") == 0 && same(name, len, "creationTime"))
		return (struct value){ .kind = VALUE_INTEGER, .integer = 1700000000 };
	if (strcmp(root, "property") == 0 && same(name, len, "site"))
		return text_value("north");
	if (strcmp(root, "lwm2m") == 0 && same(name, len, "bootstrapEvent"))
		return (struct value){ .kind = VALUE_STRING }; /* empty, without an address */
	if (strcmp(root, "lwm2m") == 0 && same(name, len, "contentFormat"))
		return (struct value){ .kind = VALUE_INTEGER, .integer = 112 };
	if (strcmp(root, "task") == 0 && same(name, len, "name"))
		return text_value("reference");
	return (struct value){ .kind = VALUE_NULL };
}

static bool
env_in_group(void *ctx, const char *group, size_t len)
{
	return same(group, len, "root.a");
}

static struct value
env_resource(void *ctx, const char *alias, size_t alias_len, const char *column, size_t column_len,
	     const char *key, size_t key_len, const char *wanted, size_t wanted_len)
{
	if (same(alias, alias_len, "plan") && same(column, column_len, "ep") &&
	    same(key, key_len, "urn:dev:1") && same(wanted, wanted_len, "apn"))
		return text_value("iot.example");
	if (same(alias, alias_len, "odd name") && same(key, key_len, "7"))
		return text_value("seven");
	return (struct value){ .kind = VALUE_NULL };
}

/* Counts up, so that some bytes are refused as biased. */
static int
env_random(void *ctx, uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(250 + i);
	return 0;
}

static int
env_no_random(void *ctx, uint8_t *bytes, size_t len)
{
	return -EIO;
}

static const struct expr_env world = {
	.setting = env_setting,
	.attribute = env_attribute,
	.in_group = env_in_group,
	.resource = env_resource,
	.random = env_random,
};

static const struct expr_var vars = {
	.name = "id",
	.name_len = 2,
	.value = { .kind = VALUE_STRING, .text = { "dev-0001", 8 } },
	.next =
		&(const struct expr_var){
			.name = "odd name",
			.name_len = 8,
			.value = { .kind = VALUE_STRING, .text = { "odd", 3 } },
			.next = &(const struct expr_var){ .name = "id",
							  .name_len = 2,
							  .value = { .kind = VALUE_STRING,
								     .text = { "hidden", 6 } } } }
};

/* ---- showing results ---- */

static size_t
show(const struct value *value, char *out, size_t size)
{
	size_t used = 0;

	switch (value->kind) {
	case VALUE_NULL:
		return (size_t)snprintf(out, size, "null");
	case VALUE_STRING:
		return (size_t)snprintf(out, size, "'%.*s'", (int)value->text.len, value->text.at);
	case VALUE_BYTES:
		used = (size_t)snprintf(out, size, "<");
		for (size_t i = 0; i < value->text.len; i++)
			used += (size_t)snprintf(out + used, size - used, "%02x",
						 (uint8_t)value->text.at[i]);
		return used + (size_t)snprintf(out + used, size - used, ">");
	case VALUE_BOOLEAN:
		return (size_t)snprintf(out, size, value->boolean ? "true" : "false");
	case VALUE_INTEGER:
		return (size_t)snprintf(out, size, "%lld", (long long)value->integer);
	case VALUE_DOUBLE:
		return (size_t)snprintf(out, size, "%#.10g", value->real);
	case VALUE_LIST:
		used = (size_t)snprintf(out, size, "[");
		for (size_t i = 0; i < value->list.count; i++)
			used += show(&value->list.items[i], out + used, size - used);
		return used + (size_t)snprintf(out + used, size - used, "]");
	}
	return 0;
}

static const struct place place = {
	.file = "task.xml", .line = 3, .column = 10, .tag = "write", .attribute = "value"
};

/* The result, or "error: ..." of evaluation, or "LINE:COL ..." of each error at load. */
static const char *
outcome(const char *text, const struct expr_env *env)
{
	static char out[2048];
	struct expr_eval eval = { .env = env, .vars = &vars };
	struct template *template;
	struct diag_list diags;
	struct arena arena;
	struct value value;
	size_t used = 0;

	arena_init(&arena, 8 << 20);
	diag_list_init(&diags);
	template = template_parse(&arena, text, strlen(text), &place, &diags);
	cr_assert_eq(!template, diags.errors > 0, "%s", text);
	eval.arena = &arena;
	out[0] = '\0';
	for (size_t i = 0; i < diags.count; i++)
		used += (size_t)snprintf(out + used, sizeof out - used, "%s%u:%u %s", i ? "\n" : "",
					 diags.items[i].place.line, diags.items[i].place.column,
					 diags.items[i].text);
	if (template && template_eval(template, &eval, &value) == 0) {
		show(&value, out, sizeof out);
		cr_expect(template_kinds(template) >> value.kind & 1, "%s: kind not foreseen",
			  text);
	} else if (template) {
		snprintf(out, sizeof out, "error: %s", eval.error);
	}
	arena_fini(&arena);
	diag_list_fini(&diags);
	return out;
}

struct row {
	const char *text, *expected;
};

static void
expect_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cr_expect_str_eq(outcome(rows[i].text, &world), rows[i].expected,
				 "%s\n got  %s\n want %s", rows[i].text,
				 outcome(rows[i].text, &world), rows[i].expected);
}

#define EXPECT_ROWS(rows) expect_rows(rows, sizeof(rows) / sizeof *(rows))

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
	{ "${true & true}", "3:17 '&' alone is no operator; write && or and" },
	{ "${true | true}", "3:17 '|' alone is no operator; write || or or" },
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
	{ "${string.random('a')}",
	  "3:26 string.secureRandom needs an integer, and this is a string" },
	{ "x${'ff'.decodeHex}", "3:13 bytes can't be part of a text; use .hex or .base64" },
	{ "x${null}", "3:13 null can't be part of a text; the empty text is ''" },

	/* What reads nothing and always fails. */
	{ "${'abc'.toInt}", "3:12 'abc'.toInt reads a text that is no integer of 32 bits" },
	{ "${1 / 0}", "3:12 1 / 0 divides by zero" },
	{ "${null.length}", "3:12 null is null, and a value is needed" },
	{ "${'abc'[3]}", "3:12 'abc'[3] is outside the text, which has 3 characters" },
	{ "${'a'.matches('(')}", "3:24 this pattern has a parenthesis without partner" },
	{ "${sv.a.split('(?i)x')}",
	  "3:23 this pattern has a (?...) group, which POSIX patterns don't know" },
	{ "${sv.a.split('(a)\\\\1')}",
	  "3:23 this pattern refers back to a group, which may take forever to match" },

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
	{ "${#missing}", "error: #missing is not defined: no store before it names it" },
	{ "${device.domain.length}", "error: device.domain is not known of this device" },
	{ "${device.property.none.length}",
	  "error: device.property.none is not known of this device" },
	{ "${res.plan.by('ep').get('nobody').apn.length}",
	  "error: res.plan.by('ep').get('nobody').apn finds no such row and column" },
	{ "${sv.password.toInt}",
	  "error: sv.password.toInt reads a text that is no integer of 32 bits" },
	{ "${sv.password.decodeHex}", "error: sv.password.decodeHex reads a text that is no hex" },
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
	  "error: sv.password.matches(sv.password + '[') can't be done: this pattern has a bracket "
	  "without partner" },
	{ "${sv.accent.replaceAll('(.)$', '')}",
	  "error: sv.accent.replaceAll('(.)$', '') would cut through a character beyond ASCII" },
	{ "${sv.hex.decodeHex.decodeUTF8}",
	  "error: sv.hex.decodeHex.decodeUTF8 reads bytes that are no UTF-8 text" },
	{ "${lwm2m.bootstrapEvent + 1 - 1}", "error: lwm2m.bootstrapEvent + 1 is of kind string, "
					     "and an integer or a double is needed" },
	/* A long source is cut in messages. */
	{ "${sv.a23456789012345678901234567890123456789012345678901234567890123456789.trim}",
	  "error: sv.a23456789012345678901234567890123456789012345678901234567... is not set" },
	/* Both sides of `?` fail: the right one's reason is the news. */
	{ "${sv.missing ? sv.password.toInt}",
	  "error: sv.password.toInt reads a text that is no integer of 32 bits" },
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
	{ "${lwm2m.contentFormat == 112}", "true" },
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

/* ---- methods ---- */

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

Test(expr, has_the_methods_of_strings_and_bytes)
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
	/* Refused. */
	{ "${sv.a.matches('a**')}",
	  "3:25 this pattern repeats a repetition, which POSIX patterns don't know" },
	{ "${sv.a.matches('a+?')}",
	  "3:25 this pattern repeats a repetition, which POSIX patterns don't know" },
	{ "${sv.a.matches('((a{100}){100}){100}')}", "3:25 this pattern repeats too often" },
	{ "${sv.a.matches('a{999999999999999999999}')}", "3:25 this pattern repeats too often" },
	{ "${sv.a.matches('((((((((((((((((((a))))))))))))))))))')}",
	  "3:25 this pattern nests too deeply" },
	{ "${sv.a.matches('[\\\\d]')}", "3:25 this pattern has a backslash in brackets, where "
					"POSIX reads it as itself; write the "
					"characters, as [0-9]" },
	{ "${sv.a.matches('\\\\p')}",
	  "3:25 this pattern has an unknown escape; known are \\d \\D \\w "
	  "\\W \\s \\S \\b and escaped punctuation" },
	{ "${sv.a.matches('a\\\\')}",
	  "3:25 this pattern has an unknown escape; known are \\d \\D \\w "
	  "\\W \\s \\S \\b and escaped punctuation" },
	{ "${sv.a.matches('[a')}", "3:25 this pattern has a bracket without partner" },
	{ "${sv.a.matches(')')}", "3:25 this pattern has a parenthesis without partner" },
	{ "${sv.a.matches('a\\u0000b')}", "3:25 this pattern has a NUL character" },
	{ "${sv.a.matches('*')}", "3:25 this pattern repeats nothing" },
};

Test(expr, has_the_methods_with_patterns)
{
	EXPECT_ROWS(methods_with_patterns);
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

Test(expr, has_the_methods_of_lists_and_numbers)
{
	EXPECT_ROWS(methods_of_others);
}

/* The search by halves, and the overloads beside each other. */
Test(expr, has_a_sorted_table_of_methods)
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

/* ---- what a template tells of itself ---- */

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

static void
expect_known(const struct knowledge *k, const struct template *template)
{
	const char *literal = "";
	size_t len = 0;

	cr_expect_eq(template_depends(template), k->depends, "%s", k->text);
	cr_expect_eq(template_kinds(template), k->kinds, "%s: %x", k->text,
		     template_kinds(template));
	cr_expect_eq(template_uses_var(template, "id", 2), k->uses_id, "%s", k->text);
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
