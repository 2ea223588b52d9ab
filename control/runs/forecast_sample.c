/* One device's writes before and after a change, line by line. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/line_diff.h"
#include "control/runs/forecast.h"
#include "tasks/coap_numbers.h"
#include "tasks/content/describe.h"
#include "tasks/objects/key.h"

enum { STEP_TEXT_MAX = 1 << 15, SAMPLE_MAX = 1 << 14, PREFIX_MAX = 64 };

/* What is sent, described; cut where it is very long. */
static void
describe(struct text *text, const struct compared_batch *from)
{
	char *scratch = malloc(STEP_TEXT_MAX);

	text_init(text);
	for (unsigned i = 0; scratch && from->batch && i < from->batch->n_steps; i++) {
		size_t len = batch_step_describe(from->batch->steps[i], from->objects, scratch,
						 STEP_TEXT_MAX);

		if (text->len > SAMPLE_MAX) {
			text_printf(text, "...\n");
			break;
		}
		text_put(text, scratch, len < STEP_TEXT_MAX ? len : STEP_TEXT_MAX - 1);
	}
	free(scratch);
}

/* A secret that changed looks as it did: its line is known by its path. */
static bool
is_changed_secret(const struct forecast_device *at, const struct diff_line *line)
{
	for (size_t i = 0; i < at->n_differences; i++) {
		const struct difference *difference = &at->differences[i];
		char prefix[PREFIX_MAX] = "    ";
		int len;

		if (difference->kind != DIFFERENCE_CHANGED ||
		    !key_path_is_secret(&difference->after->path))
			continue;
		len = key_path_format(&difference->after->path, prefix + 4, sizeof prefix - 5) + 4;
		prefix[len++] = ' ';
		if (line->len > (size_t)len && memcmp(line->at, prefix, (size_t)len) == 0)
			return true;
	}
	return false;
}

void
forecast_take_sample(struct forecast *forecast, const struct forecast_device *at)
{
	struct forecast_sample *sample = &forecast->samples[forecast->n_samples];
	struct text before, after;
	struct diff_line *lines;
	size_t n;

	assert(forecast->n_samples < FORECAST_SAMPLES);
	describe(&before, &at->before);
	describe(&after, &at->after);
	lines = line_diff(text_str(&before), text_str(&after), &n);
	if (lines) {
		device_endpoint(at->device, sample->endpoint);
		text_init(&sample->lines);
		forecast->n_samples++;
	}
	for (size_t i = 0; lines && i < n; i++) {
		bool other = lines[i].mark == ' ' && is_changed_secret(at, &lines[i]);

		text_printf(&sample->lines, "%c ", other ? '~' : lines[i].mark);
		text_show(&sample->lines, "%.*s%s\n", (int)lines[i].len, lines[i].at,
			  other ? ", another one" : "");
	}
	free(lines);
	text_fini(&before);
	text_fini(&after);
}
