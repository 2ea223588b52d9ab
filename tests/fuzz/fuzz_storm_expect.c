/*
 * Expectation files of the swarm, line by line: a refusal has a reason, and what is expected matches in one piece as in two,
 * wherever it is cut.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/storm/expect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static bool
matches(const struct expect_line *line, const uint8_t *bytes, size_t from, size_t to, size_t len)
{
	const struct expect_part part = {
		.bytes = bytes + from, .len = to - from, .offset = from, .last = to == len
	};

	return expect_matches(line, "ep", 2, &part);
}

static void
check_line(const struct expect_line *line, const uint8_t *bytes, size_t len)
{
	bool whole = matches(line, bytes, 0, len, len);

	for (size_t cut = 0; cut < len && cut < 64; cut++)
		require((matches(line, bytes, 0, cut, len + 1) && matches(line, bytes, cut, len, len)) ==
			whole);
}

/* A line as a string of its own: sanitizers see the first byte beyond. */
static void
take_line(struct expect *expect, const char *at, size_t len)
{
	char error[EXPECT_ERROR_MAX] = "", *line = strndup(at, len);

	require(line != NULL);
	require((expect_parse(expect, line, error) == 0) == (error[0] == '\0'));
	free(line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size;
	struct expect expect = { 0 };

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((newline ? newline : end) - at);

		take_line(&expect, at, len);
		at += len + 1;
	}
	require(expect.n <= EXPECT_MAX);
	for (unsigned i = 0; i < expect.n; i++) {
		const struct expect_line *line = &expect.lines[i];

		require(expect_find(&expect, line->path, line->path_len, line->deletes) >= 0);
		if (!line->deletes)
			check_line(line, data, size < 200 ? size : 200);
	}
	expect_free(&expect);
	return 0;
}
