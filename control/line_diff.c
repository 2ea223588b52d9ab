#include "control/line_diff.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct lines {
	const char **at;
	size_t *len;
	size_t n;
};

static size_t
count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text += *text == '\n') {
		text += strcspn(text, "\n");
		n++;
	}
	return n;
}

static bool
split(const char *text, struct lines *lines)
{
	size_t n = count_lines(text);

	*lines = (struct lines){ calloc(n + 1, sizeof *lines->at),
				 calloc(n + 1, sizeof *lines->len), 0 };
	if (!lines->at || !lines->len)
		return false;
	for (; *text; text += *text == '\n') {
		lines->at[lines->n] = text;
		lines->len[lines->n] = strcspn(text, "\n");
		text += lines->len[lines->n++];
	}
	assert(lines->n == n);
	return true;
}

static void
free_lines(struct lines *lines)
{
	free(lines->at);
	free(lines->len);
}

static bool
same(const struct lines *a, size_t i, const struct lines *b, size_t k)
{
	return a->len[i] == b->len[k] && memcmp(a->at[i], b->at[k], a->len[i]) == 0;
}

/* While the lines are put. */
struct putting {
	const struct lines *before, *after;
	size_t first, before_end, after_end; /* between what both begin and end with */
	uint16_t *
		common; /* [i][k]: longest common lines from i and k of the middle on; NULL: not looked for */
	struct diff_line *out;
	size_t n;
};

static void
put(struct putting *putting, char mark, const struct lines *lines, size_t at)
{
	putting->out[putting->n++] = (struct diff_line){ mark, lines->at[at], lines->len[at] };
}

static uint16_t *
common_at(const struct putting *putting, size_t i, size_t k)
{
	size_t width = putting->after_end - putting->first + 1;

	return &putting->common[(i - putting->first) * width + (k - putting->first)];
}

static void
find_common(struct putting *putting)
{
	for (size_t i = putting->before_end; i-- > putting->first;)
		for (size_t k = putting->after_end; k-- > putting->first;) {
			uint16_t down = *common_at(putting, i + 1, k),
				 right = *common_at(putting, i, k + 1);

			*common_at(putting, i, k) =
				same(putting->before, i, putting->after, k)
					? (uint16_t)(*common_at(putting, i + 1, k + 1) + 1)
				: down > right ? down
					       : right;
		}
}

static void
put_middle(struct putting *putting)
{
	size_t i = putting->first, k = putting->first;

	while (i < putting->before_end || k < putting->after_end) {
		bool both = i < putting->before_end && k < putting->after_end;

		if (both && putting->common && same(putting->before, i, putting->after, k)) {
			put(putting, ' ', putting->before, i++);
			k++;
		} else if (i < putting->before_end &&
			   (!both || !putting->common ||
			    *common_at(putting, i + 1, k) >= *common_at(putting, i, k + 1))) {
			put(putting, '-', putting->before, i++);
		} else {
			put(putting, '+', putting->after, k++);
		}
	}
}

static void
put_all(struct putting *putting)
{
	size_t before_end = putting->before_end, rows, columns;

	for (size_t i = 0; i < putting->first; i++)
		put(putting, ' ', putting->before, i);
	rows = before_end - putting->first;
	columns = putting->after_end - putting->first;
	if (rows <= LINE_DIFF_MAX && columns <= LINE_DIFF_MAX)
		putting->common = calloc((rows + 1) * (columns + 1), sizeof *putting->common);
	if (putting->common)
		find_common(putting);
	put_middle(putting);
	free(putting->common);
	for (size_t i = before_end; i < putting->before->n; i++)
		put(putting, ' ', putting->before, i);
}

struct diff_line *
line_diff(const char *before, const char *after, size_t *count)
{
	struct lines was, is = { 0 };
	struct putting putting = { .before = &was, .after = &is };

	*count = 0;
	if (split(before, &was) && split(after, &is))
		putting.out = calloc(was.n + is.n + 1, sizeof *putting.out);
	if (putting.out) {
		putting.before_end = was.n;
		putting.after_end = is.n;
		while (putting.first < was.n && putting.first < is.n &&
		       same(&was, putting.first, &is, putting.first))
			putting.first++;
		while (putting.before_end > putting.first && putting.after_end > putting.first &&
		       same(&was, putting.before_end - 1, &is, putting.after_end - 1)) {
			putting.before_end--;
			putting.after_end--;
		}
		put_all(&putting);
		*count = putting.n;
	}
	free_lines(&was);
	free_lines(&is);
	return putting.out;
}
