#include "control/policy/policy_help.h"

#include <string.h>

enum { SECTIONS_MAX = 3 };

static const struct {
	const char *file;
	const struct policy_section *sections[SECTIONS_MAX]; /* NULL after the last */
} files[] = {
	{ "groups.conf",
	  { &policy_section_groups, &policy_section_values, &policy_section_tasks } },
	{ "servers.conf", { &policy_section_servers } },
	{ "trust.conf", { &policy_section_trust, &policy_section_own, &policy_section_anchors } },
};

static void
put_section(const struct policy_section *section, struct text *text)
{
	text_printf(text, "%s%s\n\n%s\n\n", text->len ? "\n" : "", section->title,
		    section->opening);
	for (size_t i = 0; i < section->n; i++)
		text_printf(text, "%s\n    %s\n", section->members[i].name,
			    section->members[i].help);
}

bool
policy_help(const char *file, struct text *text)
{
	for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
		if (strcmp(files[i].file, file) != 0)
			continue;
		for (unsigned k = 0; k < SECTIONS_MAX && files[i].sections[k]; k++)
			put_section(files[i].sections[k], text);
		return true;
	}
	return false;
}
