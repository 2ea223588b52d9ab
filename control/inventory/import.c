#include "control/inventory/import.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "control/inventory/import_row.h"

static const struct {
	const char *name;
	enum import_format format;
} formats[] = { { "csv", IMPORT_CSV }, { "jsonl", IMPORT_JSONL }, { "ndjson", IMPORT_JSONL } };

enum import_format
import_format_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
		if (strcasecmp(name, formats[i].name) == 0)
			return formats[i].format;
	return IMPORT_UNKNOWN;
}

enum import_format
import_format_by_file(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot ? import_format_by_name(dot + 1) : IMPORT_UNKNOWN;
}

int
import_read(enum import_format format, const struct import_source *source,
	    const struct import_calls *calls, struct diag_list *diags, struct import_result *result)
{
	struct import import = {
		.calls = calls, .diags = diags, .result = result, .name = source->name
	};
	uint64_t seed;

	*result = (struct import_result){ 0 };
	text_init(&import.groups);
	if (getrandom(&seed, sizeof seed, 0) != sizeof seed ||
	    import_names_init(&import.endpoints, seed) || import_open(&import, source))
		import.failed = -ENOMEM;
	if (!import.failed)
		import_skip_bom(&import);
	if (!import.failed && format == IMPORT_CSV)
		import_csv(&import);
	else if (!import.failed)
		import_jsonl(&import);
	if (!import.failed)
		import_report_progress(&import);
	import_close(&import);
	text_fini(&import.groups);
	import_names_fini(&import.endpoints);
	import_names_fini(&import.identities);
	return import.failed;
}
