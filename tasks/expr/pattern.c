#include "tasks/expr/pattern.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/*
 * Work is counted by callouts, which the library makes at each item of a pattern whenever it tries one, backtracking
 * included. Between two of them it scans at most the rest of the text once. Its own limits are a second fence.
 */
enum {
	STEP_WORK = 8,         /* of one callout */
	SCAN_SHARE = 32,       /* bytes of the rest of the text that cost one more */
	NESTING_MAX = 32,      /* parentheses */
	MATCH_LIMIT = 1 << 20, /* backtracking points of one search */
	DEPTH_LIMIT = 1 << 16,
	HEAP_LIMIT_KIB = 8 << 10, /* for a group that repeats over the longest text */
};

struct pattern {
	pcre2_code *code;
};

struct pattern_search {
	const struct pattern *pattern;
	const char *text;
	size_t len, *work;
	pcre2_match_data *data;
	pcre2_match_context *context;
};

/* ---- compiling ---- */

static void *
arena_get(PCRE2_SIZE size, void *arena)
{
	return arena_alloc(arena, size);
}

static void
arena_keep(void *at, void *arena)
{
}

/* What the library takes and Java does not, or otherwise: refused rather than misread. */
static const char *
foreign_syntax(const char *at, size_t len)
{
	bool bracket = false;

	for (size_t i = 0; i < len; i++) {
		const char *next = i + 1 < len ? at + i + 1 : "";

		if (!at[i])
			return "has a NUL character";
		if (at[i] == '\\') {
			if (strchr("KCgo", *next) && *next)
				return "has an escape that Java does not know";
			i++;
		} else if (bracket && at[i] == '&' && *next == '&') {
			return "has an intersection (&&) in brackets, which is not known here";
		} else if (!bracket && at[i] == '(' && *next == '*') {
			return "repeats nothing: '(*'";
		} else if (at[i] == '[') {
			bracket = true;
		} else if (at[i] == ']') {
			bracket = false;
		}
	}
	return NULL;
}

static pcre2_code *
compile(pcre2_general_context *memory, const char *at, size_t len, int *error)
{
	pcre2_compile_context *context = pcre2_compile_context_create(memory);
	PCRE2_SIZE offset;

	*error = PCRE2_ERROR_NOMEMORY;
	if (!context)
		return NULL;
	pcre2_set_parens_nest_limit(context, NESTING_MAX);
	pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
	return pcre2_compile((PCRE2_SPTR)at, len,
			     PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_NEVER_BACKSLASH_C |
				     PCRE2_AUTO_CALLOUT,
			     error, &offset, context);
}

const struct pattern *
pattern_compile(struct arena *arena, const char *at, size_t len,
		char refusal[static PATTERN_REFUSAL_MAX])
{
	struct pattern *pattern = arena_alloc(arena, sizeof *pattern);
	pcre2_general_context *memory = pcre2_general_context_create(arena_get, arena_keep, arena);
	const char *foreign = foreign_syntax(at, len);
	unsigned char reason[96];
	int error;

	if (len > PATTERN_MAX)
		snprintf(refusal, PATTERN_REFUSAL_MAX, "this pattern is longer than %d bytes",
			 PATTERN_MAX);
	else if (foreign)
		snprintf(refusal, PATTERN_REFUSAL_MAX, "this pattern %s", foreign);
	else if (!pattern || !memory)
		snprintf(refusal, PATTERN_REFUSAL_MAX, "this pattern finds no memory");
	if (len > PATTERN_MAX || foreign || !pattern || !memory)
		return NULL;
	pattern->code = compile(memory, at, len, &error);
	if (pattern->code)
		return pattern;
	if (error == PCRE2_ERROR_NOMEMORY ||
	    pcre2_get_error_message(error, reason, sizeof reason) < 0)
		snprintf(refusal, PATTERN_REFUSAL_MAX, "this pattern finds no memory");
	else
		snprintf(refusal, PATTERN_REFUSAL_MAX, "this pattern is wrong: %s",
			 (const char *)reason);
	return NULL;
}

/* ---- searching ---- */

static int
count_work(pcre2_callout_block *block, void *ctx)
{
	struct pattern_search *search = ctx;
	size_t cost = STEP_WORK + (block->subject_length - block->current_position) / SCAN_SHARE;

	if (cost > *search->work) {
		*search->work = 0;
		return PCRE2_ERROR_CALLOUT;
	}
	*search->work -= cost;
	return 0;
}

struct pattern_search *
pattern_search_new(const struct pattern *pattern, const char *text, size_t len, size_t *work)
{
	struct pattern_search *search = malloc(sizeof *search);

	if (!search)
		return NULL;
	*search = (struct pattern_search){
		.pattern = pattern, .text = text, .len = len, .work = work
	};
	search->data = pcre2_match_data_create(PATTERN_GROUPS_MAX, NULL);
	search->context = pcre2_match_context_create(NULL);
	if (!search->data || !search->context) {
		pattern_search_free(search);
		return NULL;
	}
	pcre2_set_match_limit(search->context, MATCH_LIMIT);
	pcre2_set_depth_limit(search->context, DEPTH_LIMIT);
	pcre2_set_heap_limit(search->context, HEAP_LIMIT_KIB);
	pcre2_set_callout(search->context, count_work, search);
	return search;
}

void
pattern_search_free(struct pattern_search *search)
{
	if (!search)
		return;
	pcre2_match_data_free(search->data);
	pcre2_match_context_free(search->context);
	free(search);
}

int
pattern_next(struct pattern_search *search, size_t from, bool whole,
	     struct pattern_group groups[static PATTERN_GROUPS_MAX])
{
	uint32_t options = PCRE2_NO_UTF_CHECK | (whole ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0);
	const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(search->data);
	size_t scan = STEP_WORK + (search->len - from) / SCAN_SHARE;
	int found;

	assert(from <= search->len);
	/* To find the first character of a match takes no callout. */
	if (scan > *search->work) {
		*search->work = 0;
		return -1;
	}
	*search->work -= scan;
	found = pcre2_match(search->pattern->code, (PCRE2_SPTR)search->text, search->len, from,
			    options, search->data, search->context);
	if (found == PCRE2_ERROR_NOMATCH)
		return 0;
	if (found < 0) {
		*search->work = 0;
		return -1;
	}
	/* 0: more groups than there is room for; those that have room are set. */
	for (int i = 0; i < PATTERN_GROUPS_MAX; i++) {
		bool set = found == 0 || i < found;

		groups[i].start = set ? offsets[2 * i] : SIZE_MAX;
		groups[i].end = set ? offsets[2 * i + 1] : SIZE_MAX;
	}
	return 1;
}
