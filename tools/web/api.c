#include "tools/web/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "tools/web/api_answer.h"
#include "tools/web/api_native.h"
#include "tools/web/api_words.h"
#include "tools/web/login.h"
#include "tools/web/problem.h"

enum { EDIT_TRIES = 4, LIST_MAX = 10000, PAGE_MAX = 4096 };

/* A request of the API, from its head to its answer. */
struct api_call {
	struct console *console;
	struct http_request *request; /* NULL: answered already, a job goes on */
	const struct api_route *route;
	const struct schema_command *command;
	struct url_path path;
	struct identity identity;
	json_t *fields;
	struct job *job;
	unsigned tries;      /* of an edit */
	char page[PAGE_MAX]; /* of a list: where its next slice begins */
	json_t *slices;      /* those before, together; NULL: none */
};

static void
free_call(void *kept)
{
	struct api_call *call = kept;

	json_decref(call->fields);
	json_decref(call->slices);
	free(call);
}

/* --- the head --- */

static const struct api_route *
find_route(const struct url_path *path, enum http_method method, char allow[64])
{
	static const char *const names[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
	const struct api_route *found = NULL;

	allow[0] = '\0';
	for (unsigned i = 0; i < n_api_routes; i++) {
		if (!api_path_matches(api_routes[i].path, path))
			continue;
		if (api_routes[i].method == method && !found)
			found = &api_routes[i];
		if (!strstr(allow, names[api_routes[i].method]))
			snprintf(allow + strlen(allow), 64 - strlen(allow), "%s%s",
				 *allow ? ", " : "", names[api_routes[i].method]);
	}
	return found;
}

static bool
has_body(enum http_method method)
{
	return method == HTTP_POST || method == HTTP_PUT || method == HTTP_PATCH;
}

/* Replies and is false where the request goes no further. */
static bool
judge(struct api_call *call, struct http_request *request, const char *allow)
{
	struct console *console = call->console;
	const struct problem method = { .status = 405, .allow = allow };

	if (!call->route && *allow) {
		problem_reply(request, &method);
	} else if (!call->route) {
		problem_reply_text(request, 404, "there is nothing of this name");
	} else if (!access_identify(&console->access, request, clock_now_us() / 1000,
				    &call->identity)) {
		problem_reply_text(request, 401, "nobody is logged in");
	} else if (call->identity.role < call->route->role) {
		char detail[96];

		snprintf(detail, sizeof detail, "the role %s is wanted, and %s is %s",
			 role_name(call->route->role), "yours", role_name(call->identity.role));
		problem_reply_text(request, 403, detail);
	} else if (call->route->method != HTTP_GET && !access_is_meant(&call->identity, request)) {
		problem_reply_text(request, 403, "X-CSRF-Token is missing or wrong");
	} else if (has_body(call->route->method) && !api_body_is_json(request)) {
		problem_reply_text(request, 415, "the body is application/json");
	} else {
		return true;
	}
	return false;
}

size_t
api_admit(struct console *console, struct http_request *request)
{
	const char *path = http_request_path(request) + sizeof API_PREFIX - 1;
	struct api_call *call;
	size_t max;
	char allow[64];

	if (api_native_admit(console, request, path, &max))
		return max;
	call = calloc(1, sizeof *call);
	if (!call) {
		problem_reply_text(request, 503, "out of memory");
		return 0;
	}
	call->console = console;
	call->request = request;
	http_request_keep(request, call, free_call);
	if (!url_path_parse(&call->path, path)) {
		problem_reply_text(request, 404, "there is nothing of this name");
		return 0;
	}
	call->route = find_route(&call->path, http_request_method(request), allow);
	if (!judge(call, request, allow))
		return 0;
	call->command = command_schema_find(&console->schema, call->route->command);
	return has_body(call->route->method) ? console->settings->body_bytes : 0;
}

/* --- fields --- */

struct query_reading {
	json_t *fields;
	bool bad;
};

static void
take_query_field(void *ctx, const char *name, const char *value)
{
	struct query_reading *reading = ctx;
	char text[URL_SEGMENT_MAX];

	reading->bad |=
		!url_decode(value ? value : "", value ? strlen(value) : 0, text, sizeof text) ||
		json_object_set_new(reading->fields, name, json_string(text)) != 0;
}

static bool
has_option(const struct schema_command *command, const char *name)
{
	for (unsigned i = 0; i < command->n_options; i++)
		if (strcmp(command->options[i].name, name) == 0)
			return true;
	return false;
}

/* A list stops at its limit, and goes on by a cursor: nobody gets a million rows because of a word left out. */
static bool
bound_list(struct api_call *call, char detail[API_DETAIL_MAX])
{
	const char *limit;

	if (!has_option(call->command, "cursor") || !has_option(call->command, "limit"))
		return true;
	if (!json_object_get(call->fields, "cursor"))
		json_object_set_new(call->fields, "cursor", json_string(""));
	if (!json_object_get(call->fields, "limit"))
		json_object_set_new(call->fields, "limit", json_string("100"));
	limit = json_string_value(json_object_get(call->fields, "limit"));
	snprintf(detail, API_DETAIL_MAX, "\"limit\" is at most %d here: go on with \"cursor\"",
		 LIST_MAX);
	return strlen(limit) < 6 && strtol(limit, NULL, 10) <= LIST_MAX;
}

static bool
read_fields(struct api_call *call, char detail[API_DETAIL_MAX])
{
	struct query_reading reading = { .fields = json_object() };
	json_error_t error;
	size_t len;
	const char *body;

	if (!has_body(call->route->method)) {
		http_request_each_query(call->request, take_query_field, &reading);
		call->fields = reading.fields;
		snprintf(detail, API_DETAIL_MAX,
			 "the query is no UTF-8, or a field of it is too long");
		return !reading.bad && call->fields && bound_list(call, detail);
	}
	json_decref(reading.fields);
	body = http_request_body(call->request, &len);
	call->fields = len ? json_loadb(body, len, JSON_REJECT_DUPLICATES, &error) : json_object();
	snprintf(detail, API_DETAIL_MAX, "the body is no JSON object: line %d: %.160s",
		 len ? error.line : 0,
		 len && !call->fields ? error.text : "another value stands there");
	return json_is_object(call->fields);
}

/* --- the answer --- */

static void
reply_answer(struct api_call *call, struct api_answer *answer)
{
	const struct http_header etag = { "ETag", answer->etag };

	if (*answer->detail) {
		problem_reply(call->request,
			      &(struct problem){ .status = answer->status,
						 .detail = answer->detail,
						 .more = answer->body,
						 .retry_s = answer->status == 503 ? 2 : 0 });
		json_decref(answer->body);
	} else {
		reply_json(call->request, answer->status, answer->body, &etag,
			   *answer->etag != '\0');
	}
}

static void
end_job(struct api_call *call, struct api_answer *answer)
{
	if (*answer->detail) {
		json_t *problem = json_pack("{s:s}", "detail", answer->detail);

		json_object_update_missing(problem, answer->body);
		json_decref(answer->body);
		answer->body = problem;
	}
	job_end(call->job, answer->status, answer->body);
	free_call(call);
}

static void start_command(struct api_call *call, const char *expect);
static void start_guard(struct api_call *call);

static void
on_progress(void *ctx, const char *line)
{
	struct api_call *call = ctx;

	if (call->job)
		job_tell(call->job, line);
}

/* Lists in a slice's result grow by those of the next one; whatever else it says, the last one says for all. */
static void
add_slice(json_t *slices, json_t *result)
{
	json_t *value, *before;
	const char *key;

	json_object_foreach(result, key, value)
	{
		before = json_object_get(slices, key);
		if (json_is_array(before) && json_is_array(value))
			json_array_extend(before, value);
		else
			json_object_set(slices, key, value);
	}
}

/* The appliance hands out long lists in slices, so that it waits for none: whether there is another one to ask for. */
static bool
goes_on(struct api_call *call, const json_t *answer)
{
	const char *next = json_string_value(json_object_get(answer, "next"));
	json_t *result = json_object_get(answer, "result");

	if (json_integer_value(json_object_get(answer, "exit")) || !json_is_object(result))
		return false;
	if (!call->slices && next)
		call->slices = json_object();
	if (call->slices)
		add_slice(call->slices, result);
	return next && call->slices &&
	       snprintf(call->page, sizeof call->page, "%s", next) < (int)sizeof call->page;
}

static void
on_done(void *ctx, const struct exchange_outcome *outcome)
{
	struct api_call *call = ctx;
	struct api_answer answer;

	if (call->request && goes_on(call, outcome->answer)) {
		start_command(call, NULL);
		return;
	}
	api_answer_make(&answer, call->route, outcome);
	if (call->slices && !*answer.detail) {
		json_decref(answer.body);
		answer.body = json_incref(call->slices);
	}
	if (answer.stale && call->tries < EDIT_TRIES) {
		/* Something else of the policy was changed, or this very thing: look again. */
		json_decref(answer.body);
		start_guard(call);
		return;
	}
	if (call->job)
		end_job(call, &answer);
	else
		reply_answer(call, &answer);
}

/* The resource as it is now: an edit goes on only where it is what the person saw. */
static void
on_guard(void *ctx, const struct exchange_outcome *outcome)
{
	static const struct api_route look = { HTTP_GET, "/{x}", NULL, ROLE_VIEWER, .guard = "" };
	struct api_call *call = ctx;
	const char *wanted = http_request_header(call->request, "If-Match");
	struct api_answer answer;

	api_answer_make(&answer, &look, outcome);
	if (*answer.detail) {
		reply_answer(call, &answer);
		return;
	}
	json_decref(answer.body);
	if (strcmp(wanted, "*") != 0 && strcmp(wanted, answer.etag) != 0) {
		problem_reply_text(call->request, 412,
				   "somebody changed this meanwhile: look at it, and try again");
		return;
	}
	start_command(call, *answer.generation ? answer.generation : NULL);
}

/* --- the command --- */

static void
refuse_start(struct api_call *call, int error)
{
	char detail[160];

	snprintf(detail, sizeof detail, "the appliance cannot be reached: %s", strerror(-error));
	problem_reply(call->request,
		      &(struct problem){ .status = error == -EINVAL ? 400 : 503,
					 .detail = error == -EBUSY    ? "too many commands at once"
						   : error == -EINVAL ? "a field is no UTF-8"
								      : detail,
					 .retry_s = 2 });
}

/* Answers with the address where the job is watched; the call belongs to the job from now on. */
static void
reply_job(struct api_call *call)
{
	char location[64];
	const struct http_header header = { "Location", location };
	struct http_request *request = call->request;

	snprintf(location, sizeof location, API_PREFIX "/jobs/%s", call->job->id);
	call->request = NULL;
	http_request_keep(request, NULL, NULL);
	reply_json(request, 202, job_json(call->job), &header, 1);
}

static void
start_words(struct api_call *call, const struct api_words *words, const char *expect,
	    exchange_done *done)
{
	const struct exchange_request request = {
		.argv = (const char *const *)words->items,
		.argc = words->count,
		.actor = call->identity.name,
		.page = call->route->method == HTTP_GET ? call->page : NULL,
		.expect = expect,
		.file = words->file,
		.file_len = words->file_len,
	};
	int error = exchange_start(call->console->exchanges, &request, on_progress, done, call);

	if (error && call->job)
		job_end(call->job, 503, NULL);
	if (error)
		refuse_start(call, error);
	else if (call->job)
		reply_job(call);
}

static void
start_command(struct api_call *call, const char *expect)
{
	const struct api_source source = { call->route, call->command, &call->path, call->fields,
					   call->identity.role };
	struct api_words words;
	char detail[API_DETAIL_MAX];
	unsigned status = api_words_make(&words, &source, detail);

	if (status) {
		problem_reply_text(call->request, status, detail);
		return;
	}
	if (call->route->job)
		call->job = jobs_begin(&call->console->jobs, call->identity.name,
				       clock_now_us() / 1000);
	if (call->route->job && !call->job)
		problem_reply(call->request, &(struct problem){ .status = 503,
								.retry_s = 5,
								.detail = "too many jobs run" });
	else
		start_words(call, &words, expect, on_done);
	api_words_fini(&words);
}

static void
start_guard(struct api_call *call)
{
	const struct api_source source = { call->route, call->command, &call->path, call->fields,
					   call->identity.role };
	const struct schema_command *guard =
		command_schema_find(&call->console->schema, call->route->guard);
	struct api_words words;
	char detail[API_DETAIL_MAX];
	unsigned status = api_words_guard(&words, &source, guard, detail);

	call->tries++;
	if (status) {
		problem_reply_text(call->request, status, detail);
		return;
	}
	start_words(call, &words, NULL, on_guard);
	api_words_fini(&words);
}

void
api_handle(struct console *console, struct http_request *request)
{
	struct api_call *call = http_request_kept(request);
	char detail[API_DETAIL_MAX];

	if (!call) {
		api_native_handle(console, request,
				  http_request_path(request) + sizeof API_PREFIX - 1);
	} else if (!read_fields(call, detail)) {
		problem_reply_text(request, 400, detail);
	} else if (!call->route->guard || call->route->method == HTTP_GET) {
		start_command(call, NULL);
	} else if (!http_request_header(request, "If-Match")) {
		problem_reply_text(
			request, 428,
			"say in If-Match what you saw: the ETag of a GET, or \"*\" for anything");
	} else {
		start_guard(call);
	}
}
