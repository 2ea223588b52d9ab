/*
 * api_table.h - the resources below /api/v1: one table of method, path, command and role.
 *
 * "{endpoint}" in a path is the command's argument ENDPOINT; arguments that stand in no path, and options without their
 * dashes, are fields: of the query with GET and DELETE, of the JSON body else. Requests are routed, and the OpenAPI document
 * is made, by this table and by the appliance's own table of commands (command_schema.h).
 */
#pragma once

#include "tools/web/http_server.h"
#include "tools/web/users.h"

struct api_route {
	enum http_method method;
	const char *path;    /* below /api/v1 */
	const char *command; /* its words */
	enum web_role role;  /* the least that may */
	/* The command that shows what an edit changes, with the edit's first arguments: If-Match is wanted; NULL: it is no
	 * edit of something that is there. Of a GET its own words: it answers with an ETag. */
	const char *guard;
	bool job;     /* may take long: 202 with the address of its progress */
	bool creates; /* 201 */
	const char *file; /* what a command's FILE is called where the body's "file" does not say; NULL: it has none */
};

extern const struct api_route api_routes[];
extern const unsigned n_api_routes;

/* Commands that are nobody's business over HTTP, each with the reason. */
struct api_exemption {
	const char *command, *reason;
};

extern const struct api_exemption api_exemptions[];
extern const unsigned n_api_exemptions;
