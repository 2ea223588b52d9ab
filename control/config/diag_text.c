#include "control/config/diag_text.h"

enum { LINE_MAX_BYTES = 1024 };

void
diag_text_put(struct diag_list *diags, struct text *text)
{
	char line[LINE_MAX_BYTES];

	diag_list_sort(diags);
	for (size_t i = 0; i < diags->count; i++) {
		diag_format(&diags->items[i], line, sizeof line);
		text_show(text, "%s\n", line);
	}
	if (diags->dropped)
		text_show(text, "... and %zu more\n", diags->dropped);
}

json_t *
diag_text_json(const struct diag_list *diags)
{
	json_t *list = json_array();

	for (size_t i = 0; i < diags->count; i++) {
		const struct diag *diag = &diags->items[i];

		json_array_append_new(
			list, json_pack("{s:s, s:s?, s:i, s:i, s:s?, s:s?, s:s}", "level",
					diag->level == DIAG_ERROR ? "error" : "warning", "file",
					diag->place.file, "line", (int)diag->place.line, "column",
					(int)diag->place.column, "tag", diag->place.tag,
					"attribute", diag->place.attribute, "text", diag->text));
	}
	return list;
}
