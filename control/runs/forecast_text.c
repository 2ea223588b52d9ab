/* What a change would come to, for people and for programs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/runs/forecast.h"
#include "control/runs/service.h"
#include "control/table.h"
#include "tasks/coap_numbers.h"
#include "tasks/utf8.h"

/* ---- for people ---- */

/* The registry's name of a resource, or "". */
static const char *
resource_name(const struct forecast *forecast, const struct lwm2m_path *path)
{
	const struct object_def *object =
		path->object < 0 || path->resource < 0
			? NULL
			: objects_find(forecast->generation->objects, (uint16_t)path->object);
	const struct resource_def *resource =
		object ? object_resource(object, (uint16_t)path->resource) : NULL;

	return resource ? resource->name : "";
}

/* Ascending, as people read them. */
static int
by_name(const void *a, const void *b)
{
	const struct forecast_path *const *left = a, *const *right = b;
	const int32_t *l = &(*left)->operation.path.object, *r = &(*right)->operation.path.object;

	for (unsigned i = 0; i < sizeof(struct lwm2m_path) / sizeof(int32_t); i++)
		if (l[i] != r[i])
			return l[i] < r[i] ? -1 : 1;
	return (int)(*left)->operation.code - (int)(*right)->operation.code;
}

/* Pointers into forecast->paths, in order; the caller frees them. NULL: no memory, or none. */
static const struct forecast_path **
sorted_paths(const struct forecast *forecast)
{
	const struct forecast_path **paths = calloc(forecast->n_paths + 1, sizeof *paths);

	for (uint32_t i = 0; paths && i < forecast->n_paths; i++)
		paths[i] = &forecast->paths[i];
	if (paths)
		qsort(paths, forecast->n_paths, sizeof *paths, by_name);
	return paths;
}

static void
put_paths(const struct forecast *forecast, struct text *text)
{
	const struct forecast_path **paths = sorted_paths(forecast);
	char name[OPERATION_NAME_MAX];
	struct table table;

	if (!forecast->n_paths || !paths) {
		free(paths);
		return;
	}
	text_printf(text, "\nwritten otherwise, on so many devices:\n");
	table_init(&table, "operation|~resource:1|added|changed|removed");
	for (uint32_t i = 0; i < forecast->n_paths; i++) {
		table_cell(&table, "%s", operation_name(&paths[i]->operation, name));
		table_cell(&table, "%s", resource_name(forecast, &paths[i]->operation.path));
		for (unsigned k = 0; k <= DIFFERENCE_REMOVED; k++)
			table_cell(&table, "%u", paths[i]->devices[k]);
	}
	table_finish(&table, text);
	free(paths);
	if (forecast->more_paths)
		text_show(text, "... and %u operations at other paths\n", forecast->more_paths);
}

static void
put_examples(const struct forecast_examples *examples, struct text *text)
{
	for (unsigned i = 0; i < examples->n; i++)
		text_show(text, "    such as %s%s%s\n", examples->items[i].endpoint,
			  examples->items[i].detail[0] ? ": " : "", examples->items[i].detail);
}

static void
put_causes(const struct forecast *forecast, struct text *text)
{
	if (forecast->failing)
		text_show(text, "\nerror: for %u device%s a task cannot be compiled any more:\n",
			  forecast->failing, PLURAL(forecast->failing));
	for (unsigned i = 0; i < forecast->n_causes; i++) {
		const struct forecast_cause *cause = &forecast->causes[i];

		if (cause->task)
			text_show(text, "  %u: task %s (%s): %s\n", cause->devices, cause->name,
				  cause->task, cause->text);
		else
			text_show(text, "  %u: of other causes\n", cause->devices);
		put_examples(&cause->examples, text);
	}
	if (forecast->failing_before)
		text_show(text, "\nfor %u device%s a task cannot be compiled, as until now\n",
			  forecast->failing_before, PLURAL(forecast->failing_before));
}

static void
put_hosts(const struct forecast *forecast, struct text *text)
{
	for (unsigned i = 0; i < forecast->n_hosts; i++) {
		const struct forecast_host *host = &forecast->hosts[i];

		if (host->known)
			continue;
		text_show(text, "    %s: %u device%s\n", host->name, host->devices,
			  PLURAL(host->devices));
		put_examples(&host->examples, text);
	}
	if (forecast->more_hosts)
		text_show(text, "    other hosts: %u devices\n", forecast->more_hosts);
}

static void
put_dangers(const struct forecast *forecast, struct text *text)
{
	bool any = false;

	for (unsigned i = 0; i < FORECAST_DANGERS; i++) {
		const struct forecast_danger *danger = &forecast->dangers[i];

		if (!danger->devices)
			continue;
		text_printf(text, "%s", any ? "" : "\ndangerous, if it is not meant:\n");
		any = true;
		text_show(text, "  %u device%s %s\n", danger->devices, PLURAL(danger->devices),
			  forecast_danger_sentences[i]);
		if (i == DANGER_NEW_HOST)
			put_hosts(forecast, text);
		else
			put_examples(&danger->examples, text);
	}
}

static void
put_samples(const struct forecast *forecast, struct text *text)
{
	for (unsigned i = 0; i < forecast->n_samples; i++) {
		const struct forecast_sample *sample = &forecast->samples[i];

		text_show(text, "\n%s: - now, + then, ~ a secret with another value\n",
			  sample->endpoint);
		text_put(text, text_str(&sample->lines), sample->lines.len);
	}
}

void
forecast_text(const struct forecast *forecast, struct text *text)
{
	if (forecast->abandoned)
		text_printf(text, "called off: what follows is of the devices seen until then\n");
	text_show(text, "%u device%s, %u looked at: %u would be sent something else, %u fail\n",
		  forecast->devices, PLURAL(forecast->devices), forecast->concerned,
		  forecast->changed, forecast->failing);
	put_causes(forecast, text);
	put_dangers(forecast, text);
	put_paths(forecast, text);
	put_samples(forecast, text);
	if (forecast->continuing)
		text_show(
			text,
			"\nwhat %u device%s answer%s decides what follows: compared up to there\n",
			forecast->continuing, PLURAL(forecast->continuing),
			forecast->continuing == 1 ? "s" : "");
	if (forecast->out_of_memory)
		text_show(text, "\nwarning: %u devices were not compared: out of memory\n",
			  forecast->out_of_memory);
	text_show(text,
		  "\nnothing was changed; looked through in %.3f s, %.3f s of the control thread\n",
		  forecast->seconds, forecast->cpu_s);
}

/* ---- for programs ---- */

/* Text of tasks and devices: where it is no UTF-8, as it is shown. */
static json_t *
text_json(const char *bytes, size_t len)
{
	struct text shown;
	json_t *json;

	if (utf8_valid(bytes, len))
		return json_stringn(bytes, len);
	text_init(&shown);
	text_put_untrusted(&shown, bytes, len);
	json = json_string(text_str(&shown));
	text_fini(&shown);
	return json;
}

static json_t *
examples_json(const struct forecast_examples *examples)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < examples->n; i++) {
		const char *endpoint = examples->items[i].endpoint,
			   *detail = examples->items[i].detail;

		json_array_append_new(list, json_pack("{s:o, s:o}", "endpoint",
						      text_json(endpoint, strlen(endpoint)),
						      "detail", text_json(detail, strlen(detail))));
	}
	return list;
}

static json_t *
paths_json(const struct forecast *forecast)
{
	const struct forecast_path **paths = sorted_paths(forecast);
	json_t *list = json_array();
	char name[OPERATION_NAME_MAX];

	for (uint32_t i = 0; paths && i < forecast->n_paths; i++)
		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:I, s:I, s:I}", "operation",
				  operation_name(&paths[i]->operation, name), "resource",
				  resource_name(forecast, &paths[i]->operation.path), "added",
				  (json_int_t)paths[i]->devices[DIFFERENCE_ADDED], "changed",
				  (json_int_t)paths[i]->devices[DIFFERENCE_CHANGED], "removed",
				  (json_int_t)paths[i]->devices[DIFFERENCE_REMOVED]));
	free(paths);
	return list;
}

static json_t *
causes_json(const struct forecast *forecast)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < forecast->n_causes; i++) {
		const struct forecast_cause *cause = &forecast->causes[i];
		const char *text = cause->task ? cause->text : "other causes";

		json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:I, s:o}", "task",
						      cause->task ? cause->task : "", "name",
						      cause->task ? cause->name : "", "cause",
						      text_json(text, strlen(text)), "devices",
						      (json_int_t)cause->devices, "examples",
						      examples_json(&cause->examples)));
	}
	return list;
}

static json_t *
hosts_json(const struct forecast *forecast)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < forecast->n_hosts; i++) {
		const struct forecast_host *host = &forecast->hosts[i];

		if (!host->known)
			json_array_append_new(
				list, json_pack("{s:o, s:I, s:o}", "host",
						text_json(host->name, strlen(host->name)),
						"devices", (json_int_t)host->devices, "examples",
						examples_json(&host->examples)));
	}
	return list;
}

static json_t *
dangers_json(const struct forecast *forecast)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < FORECAST_DANGERS; i++) {
		const struct forecast_danger *danger = &forecast->dangers[i];
		json_t *json;

		if (!danger->devices)
			continue;
		json = json_pack("{s:s, s:s, s:I, s:o}", "kind", forecast_danger_names[i],
				 "sentence", forecast_danger_sentences[i], "devices",
				 (json_int_t)danger->devices, "examples",
				 examples_json(&danger->examples));
		if (i == DANGER_NEW_HOST)
			json_object_set_new(json, "hosts", hosts_json(forecast));
		json_array_append_new(list, json);
	}
	return list;
}

static json_t *
samples_json(const struct forecast *forecast)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < forecast->n_samples; i++) {
		const struct forecast_sample *sample = &forecast->samples[i];
		json_t *lines = json_array();

		for (const char *at = text_str(&sample->lines); *at;) {
			size_t len = strcspn(at, "\n");

			json_array_append_new(lines, text_json(at, len));
			at += len + (at[len] == '\n');
		}
		json_array_append_new(
			list, json_pack("{s:o, s:o}", "endpoint",
					text_json(sample->endpoint, strlen(sample->endpoint)),
					"lines", lines));
	}
	return list;
}

json_t *
forecast_json(const struct forecast *forecast)
{
	return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:f, s:f}",
			 "abandoned", forecast->abandoned, "devices", (json_int_t)forecast->devices,
			 "concerned", (json_int_t)forecast->concerned, "changed",
			 (json_int_t)forecast->changed, "failing", (json_int_t)forecast->failing,
			 "failing_before", (json_int_t)forecast->failing_before, "continuing",
			 (json_int_t)forecast->continuing, "out_of_memory",
			 (json_int_t)forecast->out_of_memory, "operations", paths_json(forecast),
			 "causes", causes_json(forecast), "dangers", dangers_json(forecast),
			 "samples", samples_json(forecast), "seconds", forecast->seconds,
			 "control_thread_s", forecast->cpu_s);
}
