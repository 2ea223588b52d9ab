#include "tools/web/url.h"

#include <string.h>

#include "tasks/utf8.h"

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
url_decode(const char *text, size_t len, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '%') {
			int high = i + 2 < len ? digit(text[i + 1]) : -1;
			int low = i + 2 < len ? digit(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (!c || n + 1 >= size)
			return false;
		out[n++] = c;
	}
	if (!size)
		return false;
	out[n] = '\0';
	return utf8_valid(out, n);
}

bool
url_path_parse(struct url_path *path, const char *text)
{
	path->count = 0;
	if (*text != '/')
		return false;
	while (*text) {
		size_t len = strcspn(text + 1, "/");

		if (!len || path->count == URL_SEGMENTS_MAX ||
		    !url_decode(text + 1, len, path->segments[path->count], URL_SEGMENT_MAX))
			return false;
		path->count++;
		text += 1 + len;
	}
	return path->count > 0;
}
