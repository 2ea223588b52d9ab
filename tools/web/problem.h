/*
 * problem.h - what went wrong, for machines and people (RFC 9457, application/problem+json).
 */
#pragma once

#include <jansson.h>

#include "tools/web/http_server.h"

struct problem {
	unsigned status;
	const char *title;  /* of the kind; NULL: the status' own */
	const char *detail; /* of this very case; NULL: none */
	json_t *more;       /* further members, borrowed; NULL: none */
	unsigned retry_s;   /* Retry-After; 0: none */
	const char *allow;  /* Allow; NULL: none */
};

void problem_reply(struct http_request *request, const struct problem *problem);
/* The same, with a title and a sentence. */
void problem_reply_text(struct http_request *request, unsigned status, const char *detail);
/* JSON as the answer; takes the reference. NULL: out of memory. */
void reply_json(struct http_request *request, unsigned status, json_t *body,
		const struct http_header *headers, unsigned n_headers);
