#include "tools/web/problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *
title_of(unsigned status)
{
	switch (status) {
	case 400:
		return "Not understood";
	case 401:
		return "Not logged in";
	case 403:
		return "Not allowed";
	case 404:
		return "Not found";
	case 405:
		return "Method not allowed";
	case 409:
		return "Conflict";
	case 412:
		return "Changed meanwhile";
	case 413:
		return "Too long";
	case 415:
		return "JSON is wanted";
	case 422:
		return "Refused";
	case 428:
		return "If-Match is wanted";
	case 429:
		return "Too many attempts";
	case 503:
		return "Not available";
	case 504:
		return "No answer in time";
	default:
		return "Error";
	}
}

static void
reply_as(struct http_request *request, const struct http_answer *like, json_t *body)
{
	struct http_answer answer = *like;
	char *text = body ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	json_decref(body);
	if (!text) {
		http_reply_error(request, 503, "out of memory");
		return;
	}
	answer.body = text;
	answer.len = strlen(text);
	http_answer(request, &answer);
	explicit_bzero(text, answer.len);
	free(text);
}

void
problem_reply(struct http_request *request, const struct problem *problem)
{
	struct http_header headers[3];
	unsigned n = 0;
	char retry[16];
	json_t *body = json_pack("{s:s, s:s, s:i, s:s*}", "type", "about:blank", "title",
				 problem->title ? problem->title : title_of(problem->status),
				 "status", (int)problem->status, "detail", problem->detail);

	if (body && problem->more)
		json_object_update_missing(body, problem->more);
	snprintf(retry, sizeof retry, "%u", problem->retry_s);
	if (problem->retry_s)
		headers[n++] = (struct http_header){ "Retry-After", retry };
	if (problem->allow)
		headers[n++] = (struct http_header){ "Allow", problem->allow };
	if (problem->status == 401)
		headers[n++] = (struct http_header){ "WWW-Authenticate", "Bearer" };
	reply_as(request,
		 &(struct http_answer){ .status = problem->status,
					.content_type = "application/problem+json",
					.headers = headers,
					.n_headers = n },
		 body);
}

void
problem_reply_text(struct http_request *request, unsigned status, const char *detail)
{
	problem_reply(request, &(struct problem){ .status = status, .detail = detail });
}

void
reply_json(struct http_request *request, unsigned status, json_t *body,
	   const struct http_header *headers, unsigned n_headers)
{
	reply_as(request,
		 &(struct http_answer){ .status = status,
					.content_type = "application/json",
					.headers = headers,
					.n_headers = n_headers },
		 body);
}
