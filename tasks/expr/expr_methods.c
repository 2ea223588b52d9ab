/*
 * expr_methods.c - the table of methods, and those of numbers and lists.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tasks/expr/expr_internal.h"

/* ---- any value, numbers ---- */

static bool
value_to_string(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	struct text text;

	return expr_text_of(run, run->node, &args[0], &text) &&
	       expr_give_text(out, text.at, text.len);
}

static bool
number_to_double(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	if (args[0].kind == VALUE_DOUBLE)
		return expr_give_double(out, args[0].real);
	return expr_give_double(out, (double)args[0].integer);
}

/* Towards zero. 2^63 is a double, 2^63 - 1 is none. */
static bool
number_to_long(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	if (args[0].kind == VALUE_INTEGER)
		return expr_give_integer(out, args[0].integer);
	if (!(args[0].real >= -0x1p63 && args[0].real < 0x1p63))
		return METHOD_FAIL(run, EXPR_NUMBER_FORMAT, "is beyond 64 bits");
	return expr_give_integer(out, (int64_t)args[0].real);
}

static bool
number_to_int(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	if (!number_to_long(run, args, n_args, out))
		return false;
	if (out->integer != (int32_t)out->integer)
		return METHOD_FAIL(run, EXPR_NUMBER_FORMAT, "is beyond 32 bits; use toLong");
	return true;
}

static bool
boolean_to_boolean(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return expr_give_boolean(out, args[0].boolean);
}

/* ---- bytes ---- */

static bool
bytes_length(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return expr_give_integer(out, (int64_t)args[0].text.len);
}

/* ---- lists ---- */

static bool
list_length(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return expr_give_integer(out, (int64_t)args[0].list.count);
}

static bool
list_is_empty(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return expr_give_boolean(out, args[0].list.count == 0);
}

static bool
list_non_empty(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return expr_give_boolean(out, args[0].list.count > 0);
}

/* The index of a string, or -1. */
static int64_t
list_find(const struct value *list, const struct value *wanted)
{
	for (size_t i = 0; i < list->list.count; i++) {
		const struct value *item = &list->list.items[i];

		if (item->kind == VALUE_STRING && item->text.len == wanted->text.len &&
		    memcmp(item->text.at, wanted->text.at, wanted->text.len) == 0)
			return (int64_t)i;
	}
	return -1;
}

static bool
list_contains(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return expr_give_boolean(out, list_find(&args[0], &args[1]) >= 0);
}

static bool
list_index_of(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return expr_give_integer(out, list_find(&args[0], &args[1]));
}

static bool
list_element(struct run *run, const struct value *list, bool last, struct value *out)
{
	if (!list->list.count)
		return METHOD_FAIL(run, EXPR_MISSING, "finds no element: the list is empty");
	*out = list->list.items[last ? list->list.count - 1 : 0];
	return true;
}

static bool
list_head(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return list_element(run, &args[0], false, out);
}

static bool
list_last(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return list_element(run, &args[0], true, out);
}

static bool
list_join(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	size_t count = args[0].list.count, used = 0;
	struct text *parts = expr_alloc(run, (2 * count + 1) * sizeof *parts);

	if (!parts)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (i && n_args > 1)
			parts[used++] = (struct text){ args[1].text.at, args[1].text.len };
		if (!expr_text_of(run, run->node, &args[0].list.items[i], &parts[used++]))
			return false;
	}
	return expr_join(run, parts, used, out);
}

/* ---- the table ---- */

#define STR  KIND(STRING)
#define BYT  KIND(BYTES)
#define BOO  KIND(BOOLEAN)
#define INT  KIND(INTEGER)
#define DBL  KIND(DOUBLE)
#define LST  KIND(LIST)
#define DATA (STR | BYT)
#define NUM  KINDS_NUMBER

/* Sorted by name: method_find() searches by halves. Two names for one thing are the original's and its relatives'. */
const struct method methods[] = {
	/* name, receiver, least and most arguments, their kinds, result, function */
	{ "base64", BYT, 0, 0, { 0 }, STR, string_encode_base64 },
	{ "bootstrapAccount", STR, 0, 0, { 0 }, INT | KIND(NULL), answer_bootstrap_account },
	{ "capitalize", STR, 0, 0, { 0 }, STR, string_capitalize },
	{ "charAt", STR, 1, 1, { INT }, STR, string_char_at },
	{ "concat", STR, 1, 1, { KINDS_PRINTED }, STR, string_concat },
	{ "contains", STR, 1, 1, { STR }, BOO, string_contains },
	{ "contains", LST, 1, 1, { STR }, BOO, list_contains },
	{ "decodeBase64", STR, 0, 0, { 0 }, BYT, string_decode_base64 },
	{ "decodeBase64String", STR, 0, 0, { 0 }, STR, string_decode_base64_string },
	{ "decodeHex", STR, 0, 0, { 0 }, BYT, string_decode_hex },
	{ "decodeHexString", STR, 0, 0, { 0 }, STR, string_decode_hex_string },
	{ "decodeUTF8", BYT, 0, 0, { 0 }, STR, bytes_decode_utf8 },
	{ "drop", STR, 1, 1, { INT }, STR, string_drop },
	{ "dropRight", STR, 1, 1, { INT }, STR, string_drop_right },
	{ "encodeBase64", STR, 0, 0, { 0 }, STR, string_encode_base64 },
	{ "encodeHex", STR, 0, 0, { 0 }, STR, string_encode_hex },
	{ "encodeUTF8", STR, 0, 0, { 0 }, BYT, string_encode_utf8 },
	{ "endsWith", STR, 1, 1, { STR }, BOO, string_ends_with },
	{ "ensureEnd", STR, 1, 1, { STR }, STR, string_ensure_end },
	{ "ensureStart", STR, 1, 1, { STR }, STR, string_ensure_start },
	{ "equalsIgnoreCase", STR, 1, 1, { STR }, BOO, string_equals_ignore_case },
	{ "freeInstance", STR, 1, 2, { INT | STR, INT | STR }, INT, answer_free_instance },
	{ "head", LST, 0, 0, { 0 }, STR, list_head },
	{ "hex", BYT, 0, 0, { 0 }, STR, string_encode_hex },
	{ "hmacMD5", DATA, 1, 1, { DATA }, STR, string_hmac_md5 },
	{ "hmacSHA256", DATA, 1, 1, { DATA }, STR, string_hmac_sha256 },
	{ "indexOf", STR, 1, 2, { STR, INT }, INT, string_index_of },
	{ "indexOf", LST, 1, 1, { STR }, INT, list_index_of },
	{ "instanceOfServer",
	  STR,
	  2,
	  2,
	  { INT | STR, INT | STR },
	  INT | KIND(NULL),
	  answer_instance_of_server },
	{ "instances", STR, 1, 1, { INT | STR }, LST, answer_instances },
	{ "isEmpty", STR, 0, 0, { 0 }, BOO, string_is_empty },
	{ "isEmpty", LST, 0, 0, { 0 }, BOO, list_is_empty },
	{ "join", LST, 0, 1, { STR }, STR, list_join },
	{ "last", LST, 0, 0, { 0 }, STR, list_last },
	{ "lastIndexOf", STR, 1, 1, { STR }, INT, string_last_index_of },
	{ "leftPad", STR, 1, 2, { INT, STR }, STR, string_left_pad },
	{ "length", STR, 0, 0, { 0 }, INT, string_length },
	{ "length", BYT, 0, 0, { 0 }, INT, bytes_length },
	{ "length", LST, 0, 0, { 0 }, INT, list_length },
	{ "linkAttribute", STR, 2, 2, { STR, STR }, STR | KIND(NULL), answer_link_attribute },
	{ "matches", STR, 1, 1, { STR }, BOO, string_matches },
	{ "md5Hex", DATA, 0, 0, { 0 }, STR, string_md5_hex },
	{ "mkString", LST, 0, 1, { STR }, STR, list_join },
	{ "nonEmpty", STR, 0, 0, { 0 }, BOO, string_non_empty },
	{ "nonEmpty", LST, 0, 0, { 0 }, BOO, list_non_empty },
	{ "parseHex", STR, 0, 0, { 0 }, INT, string_parse_hex },
	{ "replace", STR, 2, 2, { STR, STR }, STR, string_replace },
	{ "replaceAll", STR, 2, 2, { STR, STR }, STR, string_replace_all },
	{ "replaceFirst", STR, 2, 2, { STR, STR }, STR, string_replace_first },
	{ "reverse", STR, 0, 0, { 0 }, STR, string_reverse },
	{ "rightPad", STR, 1, 2, { INT, STR }, STR, string_right_pad },
	{ "sha256Hex", DATA, 0, 0, { 0 }, STR, string_sha256_hex },
	{ "size", LST, 0, 0, { 0 }, INT, list_length },
	{ "split", STR, 1, 1, { STR }, LST, string_split },
	{ "splitBy", STR, 1, 1, { STR }, LST, string_split_by },
	{ "splitByTrim", STR, 1, 1, { STR }, LST, string_split_by_trim },
	{ "startsWith", STR, 1, 1, { STR }, BOO, string_starts_with },
	{ "stripPrefix", STR, 1, 1, { STR }, STR, string_strip_prefix },
	{ "stripSuffix", STR, 1, 1, { STR }, STR, string_strip_suffix },
	{ "substring", STR, 1, 2, { INT, INT }, STR, string_substring },
	{ "take", STR, 1, 1, { INT }, STR, string_take },
	{ "takeRight", STR, 1, 1, { INT }, STR, string_take_right },
	{ "toBoolean", STR, 0, 0, { 0 }, BOO, string_to_boolean },
	{ "toBoolean", BOO, 0, 0, { 0 }, BOO, boolean_to_boolean },
	{ "toDouble", STR, 0, 0, { 0 }, DBL, string_to_double },
	{ "toDouble", NUM, 0, 0, { 0 }, DBL, number_to_double },
	{ "toInt", STR, 0, 0, { 0 }, INT, string_to_int },
	{ "toInt", NUM, 0, 0, { 0 }, INT, number_to_int },
	{ "toLong", STR, 0, 0, { 0 }, INT, string_to_long },
	{ "toLong", NUM, 0, 0, { 0 }, INT, number_to_long },
	{ "toLowerCase", STR, 0, 0, { 0 }, STR, string_to_lower },
	{ "toString", KINDS_PRINTED, 0, 0, { 0 }, STR, value_to_string },
	{ "toUpperCase", STR, 0, 0, { 0 }, STR, string_to_upper },
	{ "trim", STR, 0, 0, { 0 }, STR, string_trim },
	{ "value", STR, 1, 1, { STR }, STR | KIND(NULL), answer_value },
};

const size_t n_methods = sizeof methods / sizeof *methods;

static int
compare_name(struct text name, const char *word)
{
	size_t len = strlen(word);
	int order = memcmp(name.at, word, name.len < len ? name.len : len);

	return order ? order : (name.len > len) - (name.len < len);
}

const struct method *
method_find(struct text name)
{
	size_t low = 0, high = n_methods;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_name(name, methods[middle].name) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n_methods && compare_name(name, methods[low].name) == 0 ? &methods[low] : NULL;
}

const struct method *
method_for(const struct method *first, enum value_kind receiver)
{
	const struct method *end = methods + n_methods;

	if (first->receiver >> receiver & 1)
		return first;
	for (const struct method *m = first + 1; m < end; m++) {
		if (strcmp(m->name, first->name) != 0)
			break;
		if (m->receiver >> receiver & 1)
			return m;
	}
	return NULL;
}
