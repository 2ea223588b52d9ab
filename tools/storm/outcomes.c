#include "tools/storm/outcomes.h"

#include <inttypes.h>
#include <string.h>

#include "tools/storm/device_internal.h"

enum { MS_US = 1000 };

void
outcomes_write_header(FILE *stream)
{
	fputs("endpoint,began,finished,last,last_began_ms,last_ended_ms\n", stream);
}

static void
write_cell(const char *text, size_t len, FILE *stream)
{
	const bool quoted = memchr(text, ',', len) || memchr(text, '"', len) ||
			    memchr(text, '\n', len) || memchr(text, '\r', len);

	if (quoted)
		fputc('"', stream);
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"')
			fputc('"', stream);
		fputc(text[i], stream);
	}
	if (quoted)
		fputc('"', stream);
}

void
outcomes_write(const struct fleet *fleet, uint64_t epoch_us, FILE *stream)
{
	for (uint32_t i = 0; i < fleet->n; i++) {
		const struct device *device = &fleet->devices[i];
		char endpoint[NAMES_ENDPOINT_MAX];
		size_t len = names_endpoint(fleet->names, device_number(fleet, device), endpoint);

		write_cell(endpoint, len, stream);
		fprintf(stream, ",%" PRIu32 ",%" PRIu32, device->runs, device->finished);
		if (device->runs)
			fprintf(stream, ",%s,%" PRIu64 ",%" PRIu64 "\n",
				outcome_names[device->outcome],
				(device->intended_us + epoch_us) / MS_US,
				(device->ended_us + epoch_us) / MS_US);
		else
			fputs(",,,\n", stream);
	}
}
