/*
 * expr_regex.c - methods of strings with patterns (pattern.h).
 *
 * A pattern that is constant is compiled when its template is parsed, another one for each evaluation.
 */
#include <assert.h>
#include <string.h>

#include "tasks/expr/expr_internal.h"
#include "tasks/expr/pattern.h"

enum {
	SUBJECT_MAX = 4096,     /* bytes */
	COMPILE_WORK = 1 << 13, /* of a pattern that a device decides: some 20 us */
};

/* ---- searching ---- */

struct search {
	struct run *run;
	struct pattern_search *pattern;
	const char *text;
	size_t len, at; /* searched up to here */
	struct pattern_group groups[PATTERN_GROUPS_MAX];
};

/* The pattern of args[1]. NULL after a failure. */
static const struct pattern *
pattern_of(struct run *run, const struct value *args)
{
	const struct pattern *pattern = run->node->pattern;
	char refusal[PATTERN_REFUSAL_MAX];

	if (pattern)
		return pattern;
	if (!expr_work(run, COMPILE_WORK))
		return NULL;
	pattern = pattern_compile(run->eval->arena, args[1].text.at, args[1].text.len, refusal);
	if (!pattern)
		METHOD_FAIL(run, EXPR_PARSE, "can't be done: %s", refusal);
	return pattern;
}

/* Opens a search of args[0] with args[1]; close it with pattern_search_free(). */
static bool
search_open(struct search *search, struct run *run, const struct value *args)
{
	const struct pattern *pattern;

	*search = (struct search){ .run = run, .text = args[0].text.at, .len = args[0].text.len };
	if (search->len > SUBJECT_MAX)
		return METHOD_FAIL(run, EXPR_ARGUMENT, "searches a text longer than %d bytes",
				   SUBJECT_MAX);
	if (!utf8_valid(search->text, search->len))
		return METHOD_FAIL(run, EXPR_ARGUMENT, "searches bytes that are not valid UTF-8");
	pattern = pattern_of(run, args);
	if (!pattern)
		return false;
	search->pattern = pattern_search_new(pattern, search->text, search->len, &run->work);
	return search->pattern ? true
			       : METHOD_FAIL(run, EXPR_LIMIT, "finds no memory for its pattern");
}

/* 1: groups[] are set; 0: no further match; -1: a failure was recorded. */
static int
search_next(struct search *search, bool whole)
{
	int found = pattern_next(search->pattern, search->at, whole, search->groups);

	if (found < 0) {
		search->run->eval->costly = true;
		METHOD_FAIL(search->run, EXPR_COSTLY,
			    "takes too long: its pattern has too many ways to match this text");
	}
	return found;
}

bool
string_matches(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	struct search search;
	int found;

	if (!search_open(&search, run, args))
		return false;
	found = search_next(&search, true);
	pattern_search_free(search.pattern);
	return found >= 0 && expr_give_boolean(out, found);
}

/* ---- replacing ---- */

struct output {
	char *at;
	size_t len, size;
	bool overflow;
};

static void
put(struct output *output, const char *at, size_t len)
{
	if (len > output->size - output->len) {
		output->overflow = true;
		return;
	}
	memcpy(output->at + output->len, at, len);
	output->len += len;
}

/* The replacement with $0 to $9 for groups; a backslash makes the next character itself. */
static void
put_replacement(struct output *output, const struct search *search, const struct value *by)
{
	for (size_t i = 0; i < by->text.len; i++) {
		const char *c = by->text.at + i;
		bool more = i + 1 < by->text.len;

		if (*c == '$' && more && c[1] >= '0' && c[1] <= '9') {
			const struct pattern_group *group = &search->groups[c[1] - '0'];

			if (group->start != SIZE_MAX)
				put(output, search->text + group->start, group->end - group->start);
			i++;
			continue;
		}
		if (*c == '\\' && more) {
			c++;
			i++;
		}
		put(output, c, 1);
	}
}

/* The byte behind the character at `at`; behind the last one, where no further match is, the text's length and 1. */
static size_t
next_character(const struct search *search, size_t at)
{
	return at < search->len ? at + utf8_sequence(search->text + at, search->len - at)
				: search->len + 1;
}

/* Copies up to the match and its replacement; then one character of the text when the match was empty. */
static void
replace_one(struct search *search, struct output *output, const struct value *by)
{
	size_t start = search->groups[0].start, end = search->groups[0].end;
	size_t next = start == end ? next_character(search, end) : end;

	assert(search->at <= start && start <= end && end <= search->len);
	put(output, search->text + search->at, start - search->at);
	put_replacement(output, search, by);
	if (next <= search->len)
		put(output, search->text + end, next - end);
	search->at = next;
}

static int
replace_all(struct search *search, struct output *output, const struct value *by, bool all)
{
	int found = 0;

	do {
		found = search_next(search, false);
		if (found > 0)
			replace_one(search, output, by);
	} while (found > 0 && all && search->at <= search->len);
	if (search->at < search->len)
		put(output, search->text + search->at, search->len - search->at);
	return found;
}

/* What the longest result takes: each character replaced, each $ by the whole text. */
static size_t
replaced_max(const struct value *text, const struct value *by)
{
	size_t each = by->text.len, len = text->text.len, most;

	for (size_t i = 0; i < by->text.len; i++)
		each += by->text.at[i] == '$' ? len : 0;
	most = len + (len + 1) * each;
	return most < EXPR_TEXT_MAX ? most : EXPR_TEXT_MAX;
}

static bool
replace(struct run *run, const struct value *args, bool all, struct value *out)
{
	struct output output = { .size = replaced_max(&args[0], &args[2]) };
	struct search search;
	int found;

	output.at = expr_text_new(run, output.size);
	if (!output.at || !search_open(&search, run, args))
		return false;
	found = replace_all(&search, &output, &args[2], all);
	pattern_search_free(search.pattern);
	if (found < 0)
		return false;
	if (output.overflow)
		return METHOD_FAIL(run, EXPR_LIMIT, "makes a text beyond %d bytes", EXPR_TEXT_MAX);
	return expr_give_text(out, output.at, output.len);
}

bool
string_replace_all(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return replace(run, args, true, out);
}

bool
string_replace_first(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return replace(run, args, false, out);
}

/* ---- splitting ---- */

/*
 * As in the original: empty parts at the end are dropped, a match of nothing splits between characters, and
 * never before the first.
 */
static int
split_all(struct search *search, struct value *items, size_t *count)
{
	size_t part = 0;
	int found;

	while (search->at < search->len && *count + 1 < EXPR_LIST_MAX) {
		size_t start, end;

		found = search_next(search, false);
		if (found <= 0) {
			if (found < 0)
				return -1;
			break;
		}
		start = search->groups[0].start;
		end = search->groups[0].end;
		search->at = end > start ? end : next_character(search, end);
		if (start == end && (start == 0 || start >= search->len))
			continue;
		expr_give_text(&items[(*count)++], search->text + part, start - part);
		part = end;
	}
	expr_give_text(&items[(*count)++], search->text + part, search->len - part);
	return 0;
}

bool
string_split(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	size_t room = args[0].text.len + 2, count = 0;
	struct search search;
	struct value *items;
	int result;

	if (room > EXPR_LIST_MAX)
		room = EXPR_LIST_MAX;
	items = expr_alloc(run, room * sizeof *items);
	if (!items || !search_open(&search, run, args))
		return false;
	result = split_all(&search, items, &count);
	pattern_search_free(search.pattern);
	assert(count <= room);
	if (result < 0)
		return false;
	while (count > 1 && !items[count - 1].text.len)
		count--;
	*out = (struct value){ .kind = VALUE_LIST, .list = { items, count } };
	return true;
}
