/*
 * url.h - the parts of a request's target: segments of a path, and fields of a query, decoded (RFC 3986 2.1, 3.3).
 *
 * What is decoded is UTF-8 without NUL; a path is split before it is decoded, so that an encoded slash is part of a name.
 * Any thread. Allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { URL_SEGMENTS_MAX = 8, URL_SEGMENT_MAX = 512 };

/* `out` is ended by a NUL. False: an escape is broken, it is no UTF-8, it holds a NUL, or it does not fit. */
bool url_decode(const char *text, size_t len, char *out, size_t size);

struct url_path {
	unsigned count;
	char segments[URL_SEGMENTS_MAX][URL_SEGMENT_MAX];
};

/* "/a/b%2Fc" is "a", "b/c". False: it does not begin with a slash, has an empty segment, too many, or one that is none. */
bool url_path_parse(struct url_path *path, const char *text);
