#include "control/commands/task_secret.h"

#include <string.h>

#include "control/inventory/setting_values.h"
#include "control/policy/mask_template.h"

void
task_secret_mask(const struct task_tag_line *line, unsigned i, struct text *shown)
{
	bool stored = strcmp(line->name, "store") == 0 &&
		      strcmp(line->attributes[i].name, "value") == 0 &&
		      policy_name_is_secret(line->attributes[0].text);

	text_init(shown);
	if (line->attributes[i].secret || stored)
		mask_template(shown, line->attributes[i].text);
	else
		text_printf(shown, "%s", line->attributes[i].text);
}

static void
look(void *ctx, const struct task_tag_line *line)
{
	uint32_t *found = ctx;

	for (unsigned i = 0; i < line->n_attributes && !*found; i++) {
		struct text shown;

		task_secret_mask(line, i, &shown);
		if (strcmp(text_str(&shown), line->attributes[i].text) != 0)
			*found = line->line;
		text_fini(&shown);
	}
}

bool
task_secret_find(const char *name, const char *text, size_t len, const struct objects *objects,
		 uint32_t *line)
{
	struct diag_list diags;
	struct task *task;

	*line = 0;
	diag_list_init(&diags);
	task = task_load(name, text, len, objects, &diags);
	diag_list_fini(&diags);
	if (!task)
		return false;
	task_describe(task, look, line);
	task_free(task);
	return true;
}
