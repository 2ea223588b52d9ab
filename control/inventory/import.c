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

/* What is no text at all is named, and how it becomes one. */
static void
refuse_others(struct import *import)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *what;
	} kinds[] = {
		{ "\xff\xfe", 2, "UTF-16: save it as UTF-8" },
		{ "\xfe\xff", 2, "UTF-16: save it as UTF-8" },
		{ "PK\x03\x04", 4, "a spreadsheet or a zip archive: save it as CSV (UTF-8)" },
		{ "\xd0\xcf\x11\xe0", 4, "a spreadsheet: save it as CSV (UTF-8)" },
		{ "\x1f\x8b", 2, "compressed: `gunzip -c FILE | cradlectl device import -`" },
		{ "\x28\xb5\x2f\xfd", 4,
		  "compressed: `zstd -dc FILE | cradlectl device import -`" },
		{ "BZh", 3, "compressed: `bunzip2 -c FILE | cradlectl device import -`" },
		{ "%PDF", 4, "a PDF document" },
	};

	while (import_left(import) < 4 && import_fill(import))
		;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && !import->failed; i++) {
		if (import_left(import) < kinds[i].len ||
		    memcmp(import_at(import), kinds[i].bytes, kinds[i].len) != 0)
			continue;
		import_error(import, NULL, NULL, "this file is %s", kinds[i].what);
		import->failed = -EINVAL;
	}
}

static void
import_more_warnings(const struct import *import)
{
	const struct place place = { .file = import->name };

	diag_warning(import->diags, &place, "and %u more warnings like these",
		     import->warned - IMPORT_WARNINGS);
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
	if (!import.failed)
		refuse_others(&import);
	if (!import.failed && format == IMPORT_CSV)
		import_csv(&import);
	else if (!import.failed)
		import_jsonl(&import);
	if (!import.failed)
		import_report_progress(&import);
	if (import.warned > IMPORT_WARNINGS)
		import_more_warnings(&import);
	import_close(&import);
	text_fini(&import.groups);
	import_names_fini(&import.endpoints);
	import_names_fini(&import.identities);
	return import.failed;
}
