/*
 * http_stream.h - answers that go on until either side ends them: what is put is sent as the client takes it.
 *
 * A client that does not read what was put is cut once HTTP_STREAM_BACKLOG bytes wait, or when its time is over
 * (http_server.h); one that leaves is noticed at once. Where there is nothing to send a stream costs nothing.
 * One thread, the loop's. Allocates; never blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tools/web/http_server.h"

enum { HTTP_STREAM_BACKLOG = 128 * 1024 };

struct http_stream;

/* The stream is over, whoever ended it, and gone after this; so is its request. */
typedef void http_stream_closed(void *ctx);

/*
 * From a handler, in place of a reply: 200 and what is put from now on. NULL: out of memory, 503 was replied. Every stream
 * must have been ended before http_server_free().
 */
struct http_stream *http_stream_begin(struct http_request *request, const char *content_type,
				      http_stream_closed *closed, void *ctx);
/* False: the client is too far behind, and is cut. Nothing more is taken after that, nor after the end. */
bool http_stream_put(struct http_stream *stream, const void *bytes, size_t len);
/* Ends it behind what was put; `closed` is called later, when that has been sent, or the client has gone. */
void http_stream_end(struct http_stream *stream);
/* Ends it now; `closed` is not called any more. For the end of the program. */
void http_stream_abandon(struct http_stream *stream);
