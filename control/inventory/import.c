#include "control/inventory/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/inventory/import_row.h"

enum { IMPORT_CHUNK = 1 << 20 };

/* --- formats --- */

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

/* --- input --- */

static void
tell_progress(const struct import *import)
{
	const struct import_progress progress = { .bytes = import->bytes,
						  .total = import->total,
						  .rows = import->result->rows };

	if (import->calls->progress)
		import->calls->progress(import->calls->ctx, &progress);
}

/* Room for a chunk behind what is not taken, which moves to the front. */
static bool
make_room(struct import *import)
{
	size_t left = import->len - import->at;
	size_t capacity = import->capacity ? import->capacity : 2 * IMPORT_CHUNK;
	char *buffer = import->buffer;

	while (capacity < left + IMPORT_CHUNK + 1)
		capacity *= 2;
	/* Not realloc(): what it leaves behind would not be wiped. */
	if (capacity > import->capacity)
		buffer = malloc(capacity);
	if (!buffer) {
		import->failed = -ENOMEM;
		return false;
	}
	if (left)
		memmove(buffer, import->buffer + import->at, left);
	if (buffer == import->buffer) {
		if (import->at)
			explicit_bzero(buffer + left, import->len - left);
	} else if (import->buffer) {
		explicit_bzero(import->buffer, import->len);
		free(import->buffer);
	}
	import->buffer = buffer;
	import->capacity = capacity;
	import->at = 0;
	import->len = left;
	return true;
}

bool
import_fill(struct import *import)
{
	ssize_t n;

	if (import->ended || import->failed || import->len - import->at > IMPORT_ROW_MAX ||
	    !make_room(import))
		return false;
	do
		n = read(import->fd, import->buffer + import->len, IMPORT_CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		import_error(import, NULL, NULL, "cannot be read on: %s", strerror(errno));
		import->failed = -EIO;
		return false;
	}
	import->ended = n == 0;
	import->len += (size_t)n;
	import->bytes += (size_t)n;
	tell_progress(import);
	return n > 0;
}

void
import_take(struct import *import, size_t len, uint32_t lines)
{
	explicit_bzero(import->buffer + import->at, len);
	import->at += len;
	import->line += lines;
}

static int
open_source(struct import *import, const struct import_source *source)
{
	struct stat st;

	import->fd = source->fd;
	import->line = 1;
	if (source->fd >= 0) {
		if (fstat(source->fd, &st) == 0 && S_ISREG(st.st_mode))
			import->total = (uint64_t)st.st_size;
		return 0;
	}
	/* A copy: rows are taken apart in place. */
	import->buffer = malloc(source->len + 1);
	if (!import->buffer)
		return -ENOMEM;
	if (source->len)
		memcpy(import->buffer, source->text, source->len);
	import->capacity = source->len + 1;
	import->len = import->bytes = import->total = source->len;
	import->ended = true;
	return 0;
}

static void
skip_bom(struct import *import)
{
	while (import->len - import->at < 3 && import_fill(import))
		;
	if (import->len - import->at >= 3 &&
	    memcmp(import->buffer + import->at, "\xef\xbb\xbf", 3) == 0)
		import_take(import, 3, 0);
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
	    import_names_init(&import.endpoints, seed) || open_source(&import, source))
		import.failed = -ENOMEM;
	if (!import.failed)
		skip_bom(&import);
	if (!import.failed && format == IMPORT_CSV)
		import_csv(&import);
	else if (!import.failed)
		import_jsonl(&import);
	if (!import.failed)
		tell_progress(&import);
	if (import.buffer)
		explicit_bzero(import.buffer, import.len);
	free(import.buffer);
	text_fini(&import.groups);
	import_names_fini(&import.endpoints);
	import_names_fini(&import.identities);
	return import.failed;
}
