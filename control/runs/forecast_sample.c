/* One device's writes before and after a change, line by line. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/runs/forecast.h"
#include "tasks/coap_numbers.h"
#include "tasks/content/describe.h"
#include "tasks/objects/key.h"

enum { STEP_TEXT_MAX = 1 << 15, LINES_MAX = 120, PREFIX_MAX = 64 };

/* What is sent, described, and where its lines begin. */
struct side {
	struct text text;
	const char *lines[LINES_MAX];
	size_t len[LINES_MAX];
	unsigned n;
	bool cut;
};

static void
describe(struct side *side, const struct compared_batch *from, char *scratch)
{
	text_init(&side->text);
	for (unsigned i = 0; from->batch && i < from->batch->n_steps; i++) {
		size_t len = batch_step_describe(from->batch->steps[i], from->objects, scratch,
						 STEP_TEXT_MAX);

		text_put(&side->text, scratch, len < STEP_TEXT_MAX ? len : STEP_TEXT_MAX - 1);
	}
	side->n = 0;
	for (const char *at = text_str(&side->text); *at;) {
		size_t len = strcspn(at, "\n");

		if (side->n == LINES_MAX) {
			side->cut = true;
			return;
		}
		side->lines[side->n] = at;
		side->len[side->n++] = len;
		at += len + (at[len] == '\n');
	}
}

static bool
same_line(const struct side *a, unsigned i, const struct side *b, unsigned k)
{
	return a->len[i] == b->len[k] && memcmp(a->lines[i], b->lines[k], a->len[i]) == 0;
}

/* A secret that changed looks as it did: its line is known by its path. */
static bool
is_changed_secret(const struct forecast_device *at, const char *line, size_t len)
{
	for (size_t i = 0; i < at->n_differences; i++) {
		const struct difference *difference = &at->differences[i];
		char prefix[PREFIX_MAX] = "    ";
		int prefix_len;

		if (difference->kind != DIFFERENCE_CHANGED ||
		    !key_path_is_secret(&difference->after->path))
			continue;
		prefix_len =
			key_path_format(&difference->after->path, prefix + 4, sizeof prefix - 5) +
			4;
		prefix[prefix_len++] = ' ';
		if (len > (size_t)prefix_len && memcmp(line, prefix, (size_t)prefix_len) == 0)
			return true;
	}
	return false;
}

static void
put_line(struct text *text, char mark, const char *line, size_t len)
{
	text_printf(text, "%c ", mark);
	text_show(text, "%.*s%s\n", (int)len, line, mark == '~' ? ", another one" : "");
}

/* lengths[i][k]: of the longest common lines from i and k on. */
typedef uint16_t common_lengths[LINES_MAX + 1][LINES_MAX + 1];

static void
find_common(const struct side *before, const struct side *after, common_lengths lengths)
{
	for (unsigned i = before->n; i-- > 0;)
		for (unsigned k = after->n; k-- > 0;)
			lengths[i][k] = same_line(before, i, after, k)
						? (uint16_t)(lengths[i + 1][k + 1] + 1)
					: lengths[i + 1][k] > lengths[i][k + 1] ? lengths[i + 1][k]
										: lengths[i][k + 1];
}

static void
put_lines(struct text *text, const struct forecast_device *at, const struct side *before,
	  const struct side *after, common_lengths lengths)
{
	unsigned i = 0, k = 0;

	while (i < before->n || k < after->n) {
		if (i < before->n && k < after->n && same_line(before, i, after, k)) {
			bool other = is_changed_secret(at, after->lines[k], after->len[k]);

			put_line(text, other ? '~' : ' ', after->lines[k], after->len[k]);
			i++;
			k++;
		} else if (i < before->n &&
			   (k == after->n || lengths[i + 1][k] >= lengths[i][k + 1])) {
			put_line(text, '-', before->lines[i], before->len[i]);
			i++;
		} else {
			put_line(text, '+', after->lines[k], after->len[k]);
			k++;
		}
	}
	if (before->cut || after->cut)
		text_printf(text, "  ...\n");
}

void
forecast_take_sample(struct forecast *forecast, const struct forecast_device *at)
{
	struct forecast_sample *sample = &forecast->samples[forecast->n_samples];
	struct side *before = calloc(1, sizeof *before), *after = calloc(1, sizeof *after);
	common_lengths *lengths = calloc(1, sizeof *lengths);
	char *scratch = malloc(STEP_TEXT_MAX);

	assert(forecast->n_samples < FORECAST_SAMPLES);
	if (before && after && lengths && scratch) {
		device_endpoint(at->device, sample->endpoint);
		text_init(&sample->lines);
		describe(before, &at->before, scratch);
		describe(after, &at->after, scratch);
		find_common(before, after, *lengths);
		put_lines(&sample->lines, at, before, after, *lengths);
		text_fini(&before->text);
		text_fini(&after->text);
		forecast->n_samples++;
	}
	free(before);
	free(after);
	free(lengths);
	free(scratch);
}
