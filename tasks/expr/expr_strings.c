/*
 * expr_strings.c - methods of strings that need neither codecs nor patterns.
 *
 * Positions and lengths count characters (code points), not bytes. Letters change case within ASCII: what
 * an é becomes would depend on the locale.
 */
#include <assert.h>
#include <string.h>

#include "tasks/expr/expr_internal.h"

/* ---- parts ---- */

static bool
starts_with(const struct value *text, const struct value *prefix)
{
	return prefix->text.len <= text->text.len &&
	       memcmp(text->text.at, prefix->text.at, prefix->text.len) == 0;
}

static bool
ends_with(const struct value *text, const struct value *suffix)
{
	return suffix->text.len <= text->text.len &&
	       memcmp(text->text.at + text->text.len - suffix->text.len, suffix->text.at,
		      suffix->text.len) == 0;
}

/* The bytes from `from` to `to`. */
static bool
give_part(const struct value *text, size_t from, size_t to, struct value *out)
{
	assert(from <= to && to <= text->text.len);
	return expr_give_text(out, text->text.at + from, to - from);
}

/* The byte behind the first `characters`; none for a negative number. */
static size_t
offset_of(const struct value *text, int64_t characters)
{
	if (characters <= 0)
		return 0;
	return utf8_offset(text->text.at, text->text.len, (uint64_t)characters);
}

/* The byte before the last `characters`. */
static size_t
offset_from_end(const struct value *text, int64_t characters)
{
	int64_t all = (int64_t)utf8_length(text->text.at, text->text.len);

	return characters <= 0     ? text->text.len
	       : characters >= all ? 0
				   : offset_of(text, all - characters);
}

bool
string_take(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return give_part(&args[0], 0, offset_of(&args[0], args[1].integer), out);
}

bool
string_drop(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return give_part(&args[0], offset_of(&args[0], args[1].integer), args[0].text.len, out);
}

bool
string_take_right(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return give_part(&args[0], offset_from_end(&args[0], args[1].integer), args[0].text.len,
			 out);
}

bool
string_drop_right(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return give_part(&args[0], 0, offset_from_end(&args[0], args[1].integer), out);
}

bool
string_substring(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	int64_t all = (int64_t)utf8_length(args[0].text.at, args[0].text.len);
	int64_t from = args[1].integer, to = n_args > 2 ? args[2].integer : all;

	if (from < 0 || to < from || to > all)
		return METHOD_FAIL(run, EXPR_INDEX,
				   "is outside the text, which has %lld characters",
				   (long long)all);
	return give_part(&args[0], offset_of(&args[0], from), offset_of(&args[0], to), out);
}

bool
string_char_at(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	int64_t at = args[1].integer;
	size_t from = offset_of(&args[0], at);

	if (at < 0 || from == args[0].text.len)
		return METHOD_FAIL(run, EXPR_INDEX, "is outside the text, which has %zu characters",
				   utf8_length(args[0].text.at, args[0].text.len));
	return give_part(&args[0], from, offset_of(&args[0], at + 1), out);
}

bool
string_strip_prefix(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	size_t from = starts_with(&args[0], &args[1]) ? args[1].text.len : 0;

	return give_part(&args[0], from, args[0].text.len, out);
}

bool
string_strip_suffix(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	size_t cut = ends_with(&args[0], &args[1]) ? args[1].text.len : 0;

	return give_part(&args[0], 0, args[0].text.len - cut, out);
}

/* Spaces and control characters at both ends, as in the original. */
static struct text
trimmed(struct text text)
{
	while (text.len && (unsigned char)text.at[text.len - 1] <= ' ')
		text.len--;
	while (text.len && (unsigned char)*text.at <= ' ') {
		text.at++;
		text.len--;
	}
	return text;
}

bool
string_trim(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	struct text text = trimmed((struct text){ args[0].text.at, args[0].text.len });

	return expr_give_text(out, text.at, text.len);
}

/* ---- questions ---- */

bool
string_starts_with(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return expr_give_boolean(out, starts_with(&args[0], &args[1]));
}

bool
string_ends_with(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return expr_give_boolean(out, ends_with(&args[0], &args[1]));
}

/* The first `needle` from byte `from` on, or NULL. */
static const char *
find(const struct value *text, const struct value *needle, size_t from)
{
	return memmem(text->text.at + from, text->text.len - from, needle->text.at,
		      needle->text.len);
}

bool
string_contains(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return expr_give_boolean(out, find(&args[0], &args[1], 0));
}

/* The number of the character at `at`, or -1. */
static bool
give_position(const struct value *text, const char *at, struct value *out)
{
	if (!at)
		return expr_give_integer(out, -1);
	return expr_give_integer(out,
				 (int64_t)utf8_length(text->text.at, (size_t)(at - text->text.at)));
}

bool
string_index_of(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	size_t from = n_args > 2 ? offset_of(&args[0], args[2].integer) : 0;

	return give_position(&args[0], find(&args[0], &args[1], from), out);
}

bool
string_last_index_of(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	size_t len = args[0].text.len, wanted = args[1].text.len;

	if (!expr_work(run, wanted > len ? 0 : (len - wanted) / 16 * (wanted / 16 + 1)))
		return false;
	for (size_t from = len + 1; wanted <= len && from-- > 0;) {
		if (len - from >= wanted &&
		    memcmp(args[0].text.at + from, args[1].text.at, wanted) == 0)
			return give_position(&args[0], args[0].text.at + from, out);
	}
	return expr_give_integer(out, -1);
}

bool
string_length(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return expr_give_integer(out, (int64_t)utf8_length(args[0].text.at, args[0].text.len));
}

bool
string_is_empty(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return expr_give_boolean(out, args[0].text.len == 0);
}

bool
string_non_empty(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return expr_give_boolean(out, args[0].text.len > 0);
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static char
upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
}

bool
string_equals_ignore_case(struct run *run, const struct value *args, unsigned n_args,
			  struct value *out)
{
	bool equal = args[0].text.len == args[1].text.len;

	for (size_t i = 0; equal && i < args[0].text.len; i++)
		equal = lower(args[0].text.at[i]) == lower(args[1].text.at[i]);
	return expr_give_boolean(out, equal);
}

/* ---- new text ---- */

static bool
join_two(struct run *run, const struct value *a, const struct value *b, struct value *out)
{
	struct text parts[2] = { { a->text.at, a->text.len }, { b->text.at, b->text.len } };

	return expr_join(run, parts, 2, out);
}

bool
string_concat(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	struct text parts[2] = { { args[0].text.at, args[0].text.len } };

	return expr_text_of(run, run->node, &args[1], &parts[1]) && expr_join(run, parts, 2, out);
}

bool
string_ensure_start(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	if (starts_with(&args[0], &args[1]))
		return give_part(&args[0], 0, args[0].text.len, out);
	return join_two(run, &args[1], &args[0], out);
}

bool
string_ensure_end(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	if (ends_with(&args[0], &args[1]))
		return give_part(&args[0], 0, args[0].text.len, out);
	return join_two(run, &args[0], &args[1], out);
}

static bool
map_letters(struct run *run, const struct value *text, char (*letter)(char), size_t count,
	    struct value *out)
{
	size_t len = text->text.len;
	char *at = expr_text_new(run, len);

	if (!at)
		return false;
	for (size_t i = 0; i < len; i++)
		at[i] = i < count ? letter(text->text.at[i]) : text->text.at[i];
	return expr_give_text(out, at, len);
}

bool
string_to_lower(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return map_letters(run, &args[0], lower, SIZE_MAX, out);
}

bool
string_to_upper(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return map_letters(run, &args[0], upper, SIZE_MAX, out);
}

bool
string_capitalize(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return map_letters(run, &args[0], upper, 1, out);
}

bool
string_reverse(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	size_t len = args[0].text.len, end;
	char *at = expr_text_new(run, len);

	if (!at)
		return false;
	for (size_t start = 0; start < len; start = end) {
		end = start + 1;
		while (end < len && utf8_is_continuation(args[0].text.at[end]))
			end++;
		memcpy(at + len - end, args[0].text.at + start, end - start);
	}
	return expr_give_text(out, at, len);
}

/* The padding repeated to `characters`, its last repetition cut. */
static bool
make_padding(struct run *run, const struct value *padding, uint64_t characters, struct value *out)
{
	size_t each = utf8_length(padding->text.at, padding->text.len);
	size_t whole, rest, len;
	char *at;

	if (!each)
		return METHOD_FAIL(run, EXPR_ARGUMENT, "is padded with an empty text");
	whole = (size_t)(characters / each);
	rest = characters % each
		       ? utf8_offset(padding->text.at, padding->text.len, characters % each)
		       : 0;
	len = whole * padding->text.len + rest;
	at = expr_text_new(run, len);
	if (!at)
		return false;
	for (size_t i = 0; i < whole; i++)
		memcpy(at + i * padding->text.len, padding->text.at, padding->text.len);
	assert(rest <= padding->text.len);
	memcpy(at + len - rest, padding->text.at, rest);
	return expr_give_text(out, at, len);
}

/* False with *padding null: the text is long enough. */
static bool
padding_for(struct run *run, const struct value *args, unsigned n_args, struct value *padding)
{
	static const struct value space = { .kind = VALUE_STRING, .text = { " ", 1 } };
	int64_t missing = args[1].integer;

	*padding = (struct value){ .kind = VALUE_NULL };
	if (missing > EXPR_TEXT_MAX)
		return METHOD_FAIL(run, EXPR_ARGUMENT, "is padded to more than %d characters",
				   EXPR_TEXT_MAX);
	missing -= (int64_t)utf8_length(args[0].text.at, args[0].text.len);
	if (missing <= 0)
		return true;
	return make_padding(run, n_args > 2 ? &args[2] : &space, (uint64_t)missing, padding);
}

bool
string_left_pad(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	struct value padding;

	if (!padding_for(run, args, n_args, &padding))
		return false;
	if (padding.kind == VALUE_NULL)
		return give_part(&args[0], 0, args[0].text.len, out);
	return join_two(run, &padding, &args[0], out);
}

bool
string_right_pad(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	struct value padding;

	if (!padding_for(run, args, n_args, &padding))
		return false;
	if (padding.kind == VALUE_NULL)
		return give_part(&args[0], 0, args[0].text.len, out);
	return join_two(run, &args[0], &padding, out);
}

/* ---- replace and split, without patterns ---- */

static size_t
count_found(const struct value *text, const struct value *needle)
{
	const char *end = text->text.at + text->text.len, *at = text->text.at;
	size_t count = 0;

	while ((at = memmem(at, (size_t)(end - at), needle->text.at, needle->text.len))) {
		at += needle->text.len;
		count++;
	}
	return count;
}

bool
string_replace(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	const struct value *text = &args[0], *needle = &args[1], *by = &args[2];
	const char *end = text->text.at + text->text.len, *from = text->text.at, *found;
	size_t count, used = 0, len;
	char *at;

	if (!needle->text.len)
		return METHOD_FAIL(run, EXPR_ARGUMENT, "replaces an empty text");
	count = count_found(text, needle);
	/* At most 2^16 times 2^16, behind the limit of a text: no overflow of 64 bits. */
	len = text->text.len - count * needle->text.len + count * by->text.len;
	at = expr_text_new(run, len);
	if (!at)
		return false;
	while ((found = memmem(from, (size_t)(end - from), needle->text.at, needle->text.len))) {
		memcpy(at + used, from, (size_t)(found - from));
		used += (size_t)(found - from);
		memcpy(at + used, by->text.at, by->text.len);
		used += by->text.len;
		from = found + needle->text.len;
	}
	assert(used + (size_t)(end - from) == len);
	memcpy(at + used, from, (size_t)(end - from));
	return expr_give_text(out, at, len);
}

static bool
split_by(struct run *run, const struct value *args, bool trim, struct value *out)
{
	const struct value *text = &args[0], *separator = &args[1];
	const char *end = text->text.at + text->text.len, *from = text->text.at, *found;
	struct value *items;
	size_t count = 0;

	if (!separator->text.len)
		return METHOD_FAIL(run, EXPR_ARGUMENT, "splits by an empty text");
	count = count_found(text, separator) + 1;
	if (count > EXPR_LIST_MAX)
		return METHOD_FAIL(run, EXPR_LIMIT, "makes a list of more than %d elements",
				   EXPR_LIST_MAX);
	items = expr_alloc(run, count * sizeof *items);
	if (!items)
		return false;
	for (size_t i = 0; i < count; i++) {
		struct text item;

		found = memmem(from, (size_t)(end - from), separator->text.at, separator->text.len);
		item = (struct text){ from, (size_t)((found ? found : end) - from) };
		if (trim)
			item = trimmed(item);
		expr_give_text(&items[i], item.at, item.len);
		from = found ? found + separator->text.len : end;
	}
	*out = (struct value){ .kind = VALUE_LIST, .list = { items, count } };
	return true;
}

bool
string_split_by(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return split_by(run, args, false, out);
}

bool
string_split_by_trim(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return split_by(run, args, true, out);
}
