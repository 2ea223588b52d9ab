#include "tasks/diag.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tasks/show.h"

enum {
	DIAG_TEXT_MAX = 1024,  /* of one sentence: names in it come from input */
	NEAREST_WORD_MAX = 96, /* a longer word is no typing mistake of a name */
};

void
diag_list_init(struct diag_list *list)
{
	*list = (struct diag_list){ 0 };
}

static void
diag_fini(struct diag *diag)
{
	free((char *)(uintptr_t)diag->place.file);
	free((char *)(uintptr_t)diag->place.tag);
	free((char *)(uintptr_t)diag->place.attribute);
	free(diag->text);
}

void
diag_list_fini(struct diag_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		diag_fini(&list->items[i]);
	free(list->items);
	*list = (struct diag_list){ 0 };
}

static bool
diag_list_reserve(struct diag_list *list)
{
	size_t capacity = list->capacity ? 2 * list->capacity : 16;
	struct diag *items;

	if (list->count >= DIAG_MAX)
		return false;
	if (list->count < list->capacity)
		return true;
	items = reallocarray(list->items, capacity, sizeof *items);
	if (!items)
		return false;
	list->items = items;
	list->capacity = capacity;
	return true;
}

/* True when `copy` is `text` as it may be shown, or both are NULL. */
static bool
diag_copy(const char *text, const char **copy)
{
	size_t size = text ? show_into((char[1]){ 0 }, 1, "%s", text) + 1 : 0;
	char *shown = text ? malloc(size) : NULL;

	if (shown)
		show_into(shown, size, "%s", text);
	*copy = shown;
	return !text || shown;
}

void
diag_add(struct diag_list *list, enum diag_level level, const struct place *place,
	 const char *format, va_list args)
{
	static const struct place nowhere;
	struct diag diag = { .level = level, .place = place ? *place : nowhere };
	char text[DIAG_TEXT_MAX];
	bool copied;

	/* A caller that looks at `errors` alone must see it even when there is no room for the
	 * text. */
	if (level == DIAG_ERROR)
		list->errors++;
	else
		list->warnings++;
	show_into_v(text, sizeof text, format, args);
	copied = diag_copy(diag.place.file, &diag.place.file);
	copied = diag_copy(diag.place.tag, &diag.place.tag) && copied;
	copied = diag_copy(diag.place.attribute, &diag.place.attribute) && copied;
	copied = diag_copy(text, (const char **)&diag.text) && copied;
	if (copied && diag_list_reserve(list)) {
		list->items[list->count++] = diag;
		return;
	}
	diag_fini(&diag);
	list->dropped++;
}

void
diag_error(struct diag_list *list, const struct place *place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	diag_add(list, DIAG_ERROR, place, format, args);
	va_end(args);
}

void
diag_warning(struct diag_list *list, const struct place *place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	diag_add(list, DIAG_WARNING, place, format, args);
	va_end(args);
}

static int
compare_numbers(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

static bool
diag_before(const struct diag *a, const struct diag *b)
{
	int order = strcmp(a->place.file ? a->place.file : "", b->place.file ? b->place.file : "");

	if (!order)
		order = compare_numbers(a->place.line, b->place.line);
	if (!order)
		order = compare_numbers(a->place.column, b->place.column);
	return order < 0;
}

/* An insertion sort: it is stable (two problems of one place stay in the order they were found),
 * lists are short and nearly sorted. */
void
diag_list_sort(struct diag_list *list)
{
	for (size_t i = 1; i < list->count; i++) {
		struct diag moved = list->items[i];
		size_t at = i;

		for (; at && diag_before(&moved, &list->items[at - 1]); at--)
			list->items[at] = list->items[at - 1];
		list->items[at] = moved;
	}
}

int
diag_format(const struct diag *diag, char *out, size_t size)
{
	const struct place *place = &diag->place;
	const char *level = diag->level == DIAG_ERROR ? "error" : "warning";
	char where[32] = "", what[256] = "";

	if (place->line && place->column)
		show_into(where, sizeof where, "%u:%u:", place->line, place->column);
	else if (place->line)
		show_into(where, sizeof where, "%u:", place->line);
	if (place->tag && place->attribute)
		show_into(what, sizeof what, "<%s %s> ", place->tag, place->attribute);
	else if (place->tag)
		show_into(what, sizeof what, "<%s> ", place->tag);
	return (int)show_into(out, size, "%s%s%s%s%s: %s%s", place->file ? place->file : "",
			      place->file ? ":" : "", where, place->file || place->line ? " " : "",
			      level, what, diag->text);
}

static int
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours (optimal string alignment), case
 * aside. */
static unsigned
edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][NEAREST_WORD_MAX + 1];

	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *older = rows[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			bool same = lower(a[i - 1]) == lower(b[j - 1]);

			row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + !same);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]))
				row[j] = least(row[j], older[j - 2] + 1);
		}
	}
	return rows[a_len % 3][b_len];
}

const char *
diag_nearest(const char *word, const char *const *candidates, size_t count)
{
	size_t len = strlen(word);
	unsigned worth = len / 3 ? (unsigned)(len / 3) : 1, best = worth + 1;
	const char *nearest = NULL;

	if (!len || len > NEAREST_WORD_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t candidate_len = strlen(candidates[i]);
		unsigned distance;

		if (candidate_len > NEAREST_WORD_MAX || candidate_len > len + worth ||
		    len > candidate_len + worth)
			continue;
		distance = edit_distance(word, len, candidates[i], candidate_len);
		if (distance < best) {
			best = distance;
			nearest = candidates[i];
		}
	}
	return nearest;
}
