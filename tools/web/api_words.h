/*
 * api_words.h - a request of the API as the words of a command.
 *
 * Segments of the path and fields become arguments, further fields options; a field that the command does not know is
 * refused by name, with the nearest. Values are never looked at as words: options are "--name=value", arguments follow "--".
 */
#pragma once

#include <jansson.h>

#include "tools/web/api_table.h"
#include "tools/web/command_schema.h"
#include "tools/web/url.h"

enum { API_WORDS_MAX = 64, API_DETAIL_MAX = 320 };

struct api_words {
	char *items[API_WORDS_MAX]; /* owned, wiped */
	int count;
	const char *file; /* of the body's "content"; NULL: none */
	size_t file_len;
};

struct api_source {
	const struct api_route *route;
	const struct schema_command *command;
	const struct url_path *path; /* behind /api/v1 */
	const json_t *fields;        /* an object; kept as long as the words */
	enum web_role role;          /* secrets are the highest's to write */
};

/* 0; 400, 403 or 503 with a sentence in `detail`. */
unsigned api_words_make(struct api_words *words, const struct api_source *source,
			char detail[API_DETAIL_MAX]);
/* The words of another command with as many of the same first arguments as it takes. */
unsigned api_words_guard(struct api_words *words, const struct api_source *source,
			 const struct schema_command *guard, char detail[API_DETAIL_MAX]);
void api_words_fini(struct api_words *words);

/* "{name}" of a route's path at a segment: its name into `out`, false: the segment is plain. */
bool api_segment_name(const char *pattern, unsigned segment, char out[32]);
/* Whether a path is of this pattern. */
bool api_path_matches(const char *pattern, const struct url_path *path);
