/* The bytes of an import: read in chunks, taken row by row, wiped behind the reader. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/inventory/import_row.h"

enum { IMPORT_CHUNK = 1 << 20, IMPORT_CHUNK_LEAST = 4096 };

void
import_report_progress(struct import *import)
{
	const struct import_progress progress = { .bytes = import->bytes,
						  .total = import->total,
						  .rows = import->result->rows };

	if (import->calls->progress && !import->calls->progress(import->calls->ctx, &progress))
		import->failed = -ECANCELED;
}

/* What is left of a file that is known, and a byte that tells its end: the buffer is wiped, so a small file has a small one. */
static size_t
chunk_size(const struct import *import)
{
	uint64_t left = import->total > import->bytes ? import->total - import->bytes + 1 : 0;

	if (!import->total || left > IMPORT_CHUNK)
		return IMPORT_CHUNK;
	return left < IMPORT_CHUNK_LEAST ? IMPORT_CHUNK_LEAST : (size_t)left;
}

static ssize_t
read_some(struct import *import, void *bytes, size_t len)
{
	return import->read ? import->read(import->read_ctx, bytes, len) : read(import->fd, bytes, len);
}

bool
import_fill(struct import *import)
{
	size_t chunk = chunk_size(import);
	ssize_t n;

	if (import->ended || import->failed || import_left(import) > IMPORT_ROW_MAX)
		return false;
	/* One more: a row is taken apart in place, and the last one ends in a NUL, too. */
	if (buffer_reserve(&import->input, chunk + 1)) {
		import->failed = -ENOMEM;
		return false;
	}
	do
		n = read_some(import, import->input.bytes + import->input.len, chunk);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		import_error(import, NULL, NULL, "cannot be read on: %s",
			     errno == EBADMSG ? "it is damaged, or cut off" : strerror(errno));
		import->failed = -EIO;
		return false;
	}
	import->ended = n == 0;
	import->input.len += (size_t)n;
	import->bytes += (size_t)n;
	import_report_progress(import);
	return n > 0 && !import->failed;
}

void
import_take(struct import *import, size_t len, uint32_t lines)
{
	buffer_take(&import->input, len);
	import->line += lines;
}

int
import_open(struct import *import, const struct import_source *source)
{
	struct stat st;

	import->fd = source->fd;
	import->read = source->read;
	import->read_ctx = source->read_ctx;
	import->line = 1;
	if (source->fd >= 0) {
		if (fstat(source->fd, &st) == 0 && S_ISREG(st.st_mode))
			import->total = (uint64_t)st.st_size;
		return 0;
	}
	/* A copy: rows are taken apart in place. */
	if (buffer_reserve(&import->input, source->len + 1) ||
	    buffer_put(&import->input, source->text, source->len))
		return -ENOMEM;
	import->bytes = import->total = source->len;
	import->ended = true;
	return 0;
}

void
import_skip_bom(struct import *import)
{
	while (import_left(import) < 3 && import_fill(import))
		;
	if (import_left(import) >= 3 && memcmp(import_at(import), "\xef\xbb\xbf", 3) == 0)
		import_take(import, 3, 0);
}

void
import_close(struct import *import)
{
	buffer_fini(&import->input);
}
