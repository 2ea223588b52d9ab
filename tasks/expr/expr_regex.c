/*
 * expr_regex.c - methods of strings with patterns: POSIX extended regular expressions, and \d \D as well.
 *
 * A pattern is an operator's, the text may be a device's: both are bounded, and back-references, whose
 * matching takes exponential time, are refused. Patterns of the original that POSIX has no words for
 * (look-around, lazy repetition) are refused rather than misread.
 */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/expr/expr_internal.h"

enum {
	PATTERN_MAX = 256,  /* bytes */
	SUBJECT_MAX = 4096, /* bytes */
	GROUPS_MAX = 10,    /* $0 to $9 */
	NESTING_MAX = 16,   /* parentheses: the C library's compiler recurses */
	COPIES_MAX = 1000,  /* pieces of the automaton: {n,m} copies what it repeats */
	MATCH_COST = 32,    /* work of one byte searched */
};

/* ---- what is refused ---- */

/* How many copies of an automaton's piece the levels of parentheses make. */
struct level {
	unsigned long done; /* pieces before the last */
	unsigned long last; /* of the last piece, which a repetition behind it multiplies */
};

struct pattern_scan {
	const char *at;
	size_t len, i;
	unsigned nesting;
	struct level levels[NESTING_MAX + 1];
};

/* A piece that costs `cost`: a character, a bracket, a group. */
static const char *
scan_piece(struct pattern_scan *scan, unsigned long cost)
{
	struct level *level = &scan->levels[scan->nesting];

	level->done += level->last;
	level->last = cost;
	return level->done + level->last > COPIES_MAX ? "this pattern repeats too often" : NULL;
}

/* {n,m} at scan->i. */
static const char *
scan_repetition(struct pattern_scan *scan)
{
	struct level *level = &scan->levels[scan->nesting];
	unsigned long most = 1, number = 0;

	for (scan->i++; scan->i < scan->len && scan->at[scan->i] != '}'; scan->i++) {
		char c = scan->at[scan->i];

		number = c >= '0' && c <= '9' ? number * 10 + (unsigned long)(c - '0') : 0;
		if (number > most)
			most = number;
		if (most > COPIES_MAX)
			break;
	}
	level->last *= most;
	return level->done + level->last > COPIES_MAX ? "this pattern repeats too often" : NULL;
}

static const char *
scan_backslash(struct pattern_scan *scan)
{
	static const char known[] = "dDwWsSbB.[]{}()*+?|^$\\/-,:;\"#=!&%@~_ ";
	char c = scan->i + 1 < scan->len ? scan->at[scan->i + 1] : '\0';

	scan->i++;
	if (c >= '1' && c <= '9')
		return "this pattern refers back to a group, which may take forever to match";
	if (!c || !strchr(known, c))
		return "this pattern has an unknown escape; known are \\d \\D \\w \\W \\s \\S \\b "
		       "and escaped punctuation";
	return scan_piece(scan, 1);
}

/* [...]: "]" first in it is itself. */
static const char *
scan_bracket(struct pattern_scan *scan)
{
	size_t i = scan->i + 1;

	if (i < scan->len && scan->at[i] == '^')
		i++;
	if (i < scan->len && scan->at[i] == ']')
		i++;
	while (i < scan->len && scan->at[i] != ']') {
		if (scan->at[i] == '\\')
			return "this pattern has a backslash in brackets, where POSIX reads it as "
			       "itself; write the characters, as [0-9]";
		if (scan->at[i] == '[' && i + 1 < scan->len && strchr(":.=", scan->at[i + 1])) {
			char kind = scan->at[i + 1];

			for (i += 2; i + 1 < scan->len; i++) {
				if (scan->at[i] == kind && scan->at[i + 1] == ']')
					break;
			}
			i++;
		}
		i++;
	}
	scan->i = i;
	return scan_piece(scan, 1);
}

static const char *
scan_open(struct pattern_scan *scan)
{
	if (scan->nesting == NESTING_MAX)
		return "this pattern nests too deeply";
	if (scan->i + 1 < scan->len && scan->at[scan->i + 1] == '?')
		return "this pattern has a (?...) group, which POSIX patterns don't know";
	scan->levels[++scan->nesting] = (struct level){ 0 };
	return NULL;
}

static const char *
scan_close(struct pattern_scan *scan)
{
	const struct level *inner = &scan->levels[scan->nesting];

	if (!scan->nesting)
		return "this pattern has a parenthesis without partner";
	scan->nesting--;
	return scan_piece(scan, inner->done + inner->last + 1);
}

static const char *
scan_one(struct pattern_scan *scan)
{
	switch (scan->at[scan->i]) {
	case '\\':
		return scan_backslash(scan);
	case '[':
		return scan_bracket(scan);
	case '{':
		return scan_repetition(scan);
	case '(':
		return scan_open(scan);
	case ')':
		return scan_close(scan);
	case '\0':
		return "this pattern has a NUL character";
	default:
		return scan_piece(scan, 1);
	}
}

static bool
is_repetition(char c)
{
	return c == '*' || c == '+' || c == '?' || c == '}';
}

/* NULL, or why a pattern is refused before the C library sees it. */
static const char *
scan_pattern(const char *pattern, size_t len)
{
	struct pattern_scan scan = { .at = pattern, .len = len };
	const char *refusal;
	bool repeated = false;

	if (len > PATTERN_MAX)
		return "this pattern is longer than 256 bytes";
	for (; scan.i < len; scan.i++) {
		char c = pattern[scan.i];

		if (repeated && (is_repetition(c) || c == '{'))
			return "this pattern repeats a repetition, which POSIX patterns don't know";
		refusal = scan_one(&scan);
		if (refusal)
			return refusal;
		repeated = is_repetition(c) || c == '{';
	}
	return NULL;
}

/* ---- compiling ---- */

/* Puts \d and \D in POSIX words; `whole` anchors it at both ends. */
static void
translate(const char *pattern, size_t len, bool whole, char out[PATTERN_MAX * 6 + 8])
{
	size_t used = 0;

	if (whole) {
		memcpy(out, "^(", 2);
		used = 2;
	}
	for (size_t i = 0; i < len; i++) {
		const char *word = NULL;

		if (pattern[i] == '\\' && i + 1 < len)
			word = pattern[i + 1] == 'd'   ? "[0-9]"
			       : pattern[i + 1] == 'D' ? "[^0-9]"
						       : NULL;
		if (word) {
			memcpy(out + used, word, strlen(word));
			used += strlen(word);
			i++;
			continue;
		}
		if (pattern[i] == '\\' && i + 1 < len)
			out[used++] = pattern[i++];
		out[used++] = pattern[i];
	}
	if (whole) {
		memcpy(out + used, ")$", 2);
		used += 2;
	}
	out[used] = '\0';
}

static const char *
compile(const char *pattern, size_t len, bool whole, regex_t *regex)
{
	char translated[PATTERN_MAX * 6 + 8];
	const char *refusal = scan_pattern(pattern, len);
	int error;

	if (refusal)
		return refusal;
	translate(pattern, len, whole, translated);
	error = regcomp(regex, translated, REG_EXTENDED);
	switch (error) {
	case 0:
		return NULL;
	case REG_EPAREN:
		return "this pattern has a parenthesis without partner";
	case REG_EBRACK:
		return "this pattern has a bracket without partner";
	case REG_BADRPT:
		return "this pattern repeats nothing";
	case REG_EBRACE:
	case REG_BADBR:
		return "this pattern has wrong braces; as a character write \\{";
	case REG_ERANGE:
		return "this pattern has a range that ends before it begins";
	default:
		return "this is no POSIX extended regular expression";
	}
}

const char *
regex_refusal(const char *pattern, size_t len)
{
	const char *refusal;
	regex_t regex;

	refusal = compile(pattern, len, false, &regex);
	if (!refusal)
		regfree(&regex);
	return refusal;
}

/* ---- searching ---- */

struct search {
	struct run *run;
	regex_t regex;
	const char *text; /* NUL-terminated copy */
	size_t len, at;   /* searched up to here */
	regmatch_t groups[GROUPS_MAX];
};

/* Opens a search of args[0] with args[1]; close it with regfree(). */
static bool
search_open(struct search *search, struct run *run, const struct value *args, bool whole)
{
	const char *refusal;
	char *text;

	*search = (struct search){ .run = run, .len = args[0].text.len };
	if (search->len > SUBJECT_MAX)
		return METHOD_FAIL(run, EXPR_ARGUMENT, "searches a text longer than %d bytes",
				   SUBJECT_MAX);
	if (memchr(args[0].text.at, 0, search->len))
		return METHOD_FAIL(run, EXPR_ARGUMENT, "searches a text with a NUL character");
	text = expr_text_new(run, search->len + 1);
	if (!text)
		return false;
	memcpy(text, args[0].text.at, search->len);
	text[search->len] = '\0';
	search->text = text;
	refusal = compile(args[1].text.at, args[1].text.len, whole, &search->regex);
	if (refusal)
		return METHOD_FAIL(run, EXPR_PARSE, "can't be done: %s", refusal);
	return true;
}

/* 1: groups[] tells where, in bytes of the text; 0: no further match; -1: too much work. */
static int
search_next(struct search *search)
{
	size_t seen = search->len - search->at;
	bool found = regexec(&search->regex, search->text + search->at, GROUPS_MAX, search->groups,
			     search->at ? REG_NOTBOL : 0) == 0;

	if (found)
		seen = (size_t)search->groups[0].rm_eo;
	if (!expr_work(search->run, (seen + 1) * MATCH_COST))
		return -1;
	for (unsigned i = 0; found && i < GROUPS_MAX; i++) {
		if (search->groups[i].rm_so < 0)
			continue;
		search->groups[i].rm_so += (regoff_t)search->at;
		search->groups[i].rm_eo += (regoff_t)search->at;
	}
	return found;
}

bool
string_matches(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	struct search search;
	int found;

	if (!search_open(&search, run, args, true))
		return false;
	found = search_next(&search);
	regfree(&search.regex);
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
			const regmatch_t *group = &search->groups[c[1] - '0'];

			if (group->rm_so >= 0)
				put(output, search->text + group->rm_so,
				    (size_t)(group->rm_eo - group->rm_so));
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

/* Copies up to the match and its replacement; then one character of the text when the match was empty. */
static void
replace_one(struct search *search, struct output *output, const struct value *by)
{
	size_t start = (size_t)search->groups[0].rm_so, end = (size_t)search->groups[0].rm_eo;

	put(output, search->text + search->at, start - search->at);
	put_replacement(output, search, by);
	if (start == end && end < search->len)
		put(output, search->text + end++, 1);
	else if (start == end)
		end = search->len + 1; /* behind the end: no further match */
	search->at = end;
}

static int
replace_all(struct search *search, struct output *output, const struct value *by, bool all)
{
	int found = 0;

	do {
		found = search_next(search);
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
	if (!output.at || !search_open(&search, run, args, false))
		return false;
	found = replace_all(&search, &output, &args[2], all);
	regfree(&search.regex);
	if (found < 0)
		return false;
	if (output.overflow)
		return METHOD_FAIL(run, EXPR_LIMIT, "makes a text beyond %d bytes", EXPR_TEXT_MAX);
	/* The C library matches bytes. */
	if (!utf8_valid(output.at, output.len))
		return METHOD_FAIL(run, EXPR_ARGUMENT,
				   "would cut through a character beyond ASCII");
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

		found = search_next(search);
		if (found <= 0) {
			if (found < 0)
				return -1;
			break;
		}
		start = (size_t)search->groups[0].rm_so;
		end = (size_t)search->groups[0].rm_eo;
		search->at = end > start ? end : end + 1;
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
	if (!items || !search_open(&search, run, args, false))
		return false;
	result = split_all(&search, items, &count);
	regfree(&search.regex);
	if (result < 0)
		return false;
	while (count > 1 && !items[count - 1].text.len)
		count--;
	for (size_t i = 0; i < count; i++) {
		if (!utf8_valid(items[i].text.at, items[i].text.len))
			return METHOD_FAIL(run, EXPR_ARGUMENT,
					   "would cut through a character beyond ASCII");
	}
	*out = (struct value){ .kind = VALUE_LIST, .list = { items, count } };
	return true;
}
