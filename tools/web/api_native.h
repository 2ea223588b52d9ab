/*
 * api_native.h - the resources that are no command: the session, jobs, the overview, the document of this interface.
 */
#pragma once

#include "tools/web/console.h"

struct api_native {
	enum http_method method;
	const char *path; /* below /api/v1; exact, or what it begins with and '*' */
	bool open;        /* to whoever is not logged in */
	size_t body_max;
	const char *summary;
	void (*handler)(struct console *console, struct http_request *request, const char *rest);
};

extern const struct api_native api_natives[];
extern const unsigned n_api_natives;

/* Whether the path is one of these; then *max is how long a body may be, or it was refused. */
bool api_native_admit(struct console *console, struct http_request *request, const char *path,
		      size_t *max);
/* JSON only: no form of another site can send that without asking (Fetch, CORS-safelisted request-header). */
bool api_body_is_json(const struct http_request *request);
void api_native_handle(struct console *console, struct http_request *request, const char *path);
