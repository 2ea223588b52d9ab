/* An import from text: the devices it hands on, and its complaints, as lines of text. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/inventory/import.h"
#include "control/inventory/setting_values.h"
#include "control/text.h"

struct import_world {
	struct text devices; /* "LINE endpoint=... identity=... value.x=... secret.y=...\n" each */
	struct text errors;
	struct import_result result;
	struct diag_list diags;
	unsigned progress_calls;
	struct import_progress progress;
	uint32_t reject_line, stop_line;
	int returned;
};

static inline void
import_describe(struct text *out, const struct device_spec *device)
{
	struct setting_value value = { 0 };

	text_printf(out, "endpoint=%s", device->endpoint);
	if (device->identity && strcmp(device->identity, device->endpoint) != 0)
		text_printf(out, " identity=%s", device->identity);
	if (device->key_len)
		text_printf(out, " %s=", device->key_is_hex ? "key_hex" : "key");
	for (unsigned i = 0; i < device->key_len; i++)
		text_printf(out, device->key_is_hex ? "%02x" : "%c", device->key[i]);
	if (device->domain)
		text_printf(out, " domain=%s", device->domain);
	if (device->groups && *device->groups)
		text_printf(out, " groups=%s", device->groups);
	if (device->nosec)
		text_printf(out, " nosec");
	while (setting_values_next(device->values, &value))
		text_printf(out, " %s.%.*s=%.*s", value.secret ? "secret" : "value", value.name_len,
			    value.name, value.text_len, value.text);
}

static inline enum import_verdict
import_world_each(void *ctx, const struct device_spec *device, uint32_t line)
{
	struct import_world *world = ctx;

	if (line == world->stop_line)
		return IMPORT_STOP;
	if (line == world->reject_line) {
		const struct place place = { .line = line };

		diag_error(&world->diags, &place, "not wanted");
		return IMPORT_REJECTED;
	}
	text_printf(&world->devices, "%u ", line);
	import_describe(&world->devices, device);
	text_put(&world->devices, "\n", 1);
	return IMPORT_TAKEN;
}

static inline bool
import_world_progress(void *ctx, const struct import_progress *progress)
{
	struct import_world *world = ctx;

	world->progress_calls++;
	world->progress = *progress;
	return true;
}

static inline void
import_world_end(struct import_world *world)
{
	text_fini(&world->devices);
	text_fini(&world->errors);
	diag_list_fini(&world->diags);
	*world = (struct import_world){ 0 };
}

static inline int
import_world_read(struct import_world *world, enum import_format format,
		  const struct import_source *source)
{
	const struct import_calls calls = { world, import_world_each, import_world_progress };

	text_fini(&world->devices);
	text_fini(&world->errors);
	text_init(&world->devices);
	text_init(&world->errors);
	diag_list_fini(&world->diags);
	diag_list_init(&world->diags);
	world->returned = import_read(format, source, &calls, &world->diags, &world->result);
	for (size_t i = 0; i < world->diags.count; i++) {
		char line[1024];

		diag_format(&world->diags.items[i], line, sizeof line);
		text_printf(&world->errors, "%s\n", line);
	}
	return world->returned;
}

static inline int
import_world_text(struct import_world *world, enum import_format format, const char *text,
		  size_t len)
{
	const struct import_source source = { .fd = -1, .text = text, .len = len, .name = "f" };

	return import_world_read(world, format, &source);
}
