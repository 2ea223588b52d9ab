#include "tasks/content/batch_text.h"

#include <stdio.h>

#include "tasks/coap_numbers.h"

/* What an option's nibble and its extension say (RFC 7252 3.1). */
static unsigned
option_part(const uint8_t **at, unsigned nibble)
{
	unsigned part = nibble;

	if (nibble == 13)
		part = 13u + *(*at)++;
	return part;
}

/* Our own options: well-formed, values up to 12 bytes. */
static void
format_path(const struct batch_step *step, char *path, size_t size, unsigned *format)
{
	const uint8_t *at = batch_step_options(step), *end = at + step->options_len;
	unsigned number = 0;
	size_t used = 0;

	*format = 0;
	while (at < end && used < size) {
		unsigned head = *at++, len;

		number += option_part(&at, head >> 4);
		len = option_part(&at, head & 15);
		if (number == COAP_OPTION_URI_PATH)
			used += (size_t)snprintf(path + used, size - used, "/%.*s", (int)len,
						 (const char *)at);
		for (unsigned i = 0; number == COAP_OPTION_CONTENT_FORMAT && i < len; i++)
			*format = *format << 8 | at[i];
		at += len;
	}
	if (!used)
		snprintf(path, size, "/");
}

int
batch_step_format(const struct batch_step *step, char *out, size_t size)
{
	static const char *const codes[] = { "?", "GET", "POST", "PUT", "DELETE" };
	const char *code = codes[step->code <= COAP_DELETE ? step->code : 0];
	char path[80];
	unsigned format;

	format_path(step, path, sizeof path, &format);
	if (step->code == COAP_CONTENT)
		return snprintf(out, size, "2.05 %u %u bytes", format, step->payload_len);
	if (step->code != COAP_PUT)
		return snprintf(out, size, "%s %s", code, path);
	return snprintf(out, size, "%s %s %u %u bytes", code, path, format, step->payload_len);
}
