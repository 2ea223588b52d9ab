/* link_format: any bytes; reading ends, stays inside, and finds what it has found. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "tasks/content/link_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *end = text + size;
	struct link_reader reader;
	struct link_text value;
	struct link link;
	int more;

	link_reader_init(&reader, text, size);
	while ((more = link_reader_next(&reader, &link)) > 0) {
		assert(link.attributes.at >= text &&
		       link.attributes.at + link.attributes.len <= end);
		if (link_attribute(&link, "ssid", &value))
			assert(value.at >= link.attributes.at &&
			       value.at + value.len <= link.attributes.at + link.attributes.len);
		assert(link_server_id(&link) < UINT16_MAX);
	}
	assert(more == link_format_check(text, size));
	return 0;
}
