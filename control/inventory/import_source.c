/* The bytes of an import: read in chunks, taken row by row, wiped behind the reader. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/inventory/import_row.h"

enum { IMPORT_CHUNK = 1 << 20 };

void
import_report_progress(const struct import *import)
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
	import_report_progress(import);
	return n > 0;
}

void
import_take(struct import *import, size_t len, uint32_t lines)
{
	explicit_bzero(import->buffer + import->at, len);
	import->at += len;
	import->line += lines;
}

int
import_open(struct import *import, const struct import_source *source)
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

void
import_skip_bom(struct import *import)
{
	while (import->len - import->at < 3 && import_fill(import))
		;
	if (import->len - import->at >= 3 &&
	    memcmp(import->buffer + import->at, "\xef\xbb\xbf", 3) == 0)
		import_take(import, 3, 0);
}

void
import_close(struct import *import)
{
	if (import->buffer)
		explicit_bzero(import->buffer, import->len);
	free(import->buffer);
	import->buffer = NULL;
}
