#include "control/policy/mask_template.h"

#include <string.h>

static const char mask[] = "********";

/* A string in an expression, with its quotes; what follows it. */
static const char *
mask_string(struct text *out, const char *at)
{
	char quote = *at++;

	while (*at && *at != quote)
		at += at[0] == '\\' && at[1] ? 2 : 1;
	text_printf(out, "%c%s%c", quote, mask, quote);
	return *at ? at + 1 : at;
}

void
mask_template(struct text *out, const char *template)
{
	const char *at = template;

	while (*at) {
		const char *next = strstr(at, "${");

		if (next != at)
			text_printf(out, "%s", mask);
		if (!next)
			return;
		for (at = next; *at && *at != '}';) {
			if (*at == '\'' || *at == '"')
				at = mask_string(out, at);
			else
				text_put(out, at++, 1);
		}
		if (*at)
			text_put(out, at++, 1);
	}
}
