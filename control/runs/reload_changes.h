/*
 * reload_changes.h - what a reload changes, or would: tasks and settings, by name.
 *
 * Lines are appended to `text`, members set in `result`. Control thread.
 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "control/config/config.h"
#include "control/runs/generation.h"
#include "control/text.h"

void reload_put_tasks(const struct generation *old, const struct generation *new, struct text *text,
		      json_t *result);
/* Those that are applied while it runs (`live`), or those that need a restart. */
void reload_put_settings(const struct config_changes *changes, bool live, struct text *text,
			 json_t *result);
