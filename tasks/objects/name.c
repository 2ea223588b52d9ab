#include "tasks/objects/name.h"

#include <string.h>
#include <strings.h>

/* Bytes of the blank at `at`: ASCII white space, or U+00A0 in UTF-8; 0 when there is none. */
static size_t
blank_width(const char *at, size_t len)
{
	if (strchr(" \t\r\n\v\f", *at) && *at)
		return 1;
	return len >= 2 && !memcmp(at, "\xc2\xa0", 2) ? 2 : 0;
}

size_t
name_normalize(const char *text, size_t len, char *out, size_t size)
{
	size_t at = 0, n = 0;
	bool blank = false;

	while (at < len && n + 1 < size) {
		size_t width = blank_width(text + at, len - at);

		if (width) {
			blank = n > 0;
			at += width;
			continue;
		}
		if (blank)
			out[n++] = ' ';
		blank = false;
		if (n + 1 < size)
			out[n++] = text[at++];
	}
	if (size)
		out[n] = '\0';
	return n;
}

bool
name_equals(const char *name, const char *text, size_t len)
{
	return strlen(name) == len && !strncasecmp(name, text, len);
}
