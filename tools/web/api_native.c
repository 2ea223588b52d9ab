#include "tools/web/api_native.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "control/clock.h"
#include "tools/web/login.h"
#include "tools/web/problem.h"
#include "tools/web/url.h"

/* --- handlers --- */

static void
begin_session(struct console *console, struct http_request *request, const char *rest)
{
	login_begin(console, request);
}

static void
show_session(struct console *console, struct http_request *request, const char *rest)
{
	login_show(console, request);
}

static void
end_session(struct console *console, struct http_request *request, const char *rest)
{
	login_end(console, request);
}

static void
show_job(struct console *console, struct http_request *request, const char *rest)
{
	struct identity identity;
	const struct job *job = NULL;

	if (access_identify(&console->access, request, clock_now_us() / 1000, &identity))
		job = jobs_find(&console->jobs, rest, identity.name);
	if (job)
		reply_json(request, 200, job_json(job), NULL, 0);
	else
		problem_reply_text(request, 404, "there is no such job of yours");
}

/* A request that waits for the appliance. */
struct waiting {
	struct console *console;
	struct http_request *request;
};

static void
reply_overview(void *ctx, const struct snapshot *snapshot)
{
	struct waiting *waiting = ctx;

	reply_json(waiting->request, 200,
		   json_pack("{s:b, s:s*, s:O*, s:O*, s:O*, s:o}", "up", snapshot->up, "why",
			     snapshot->up ? NULL : snapshot->why, "status", snapshot->status,
			     "counters", snapshot->counters, "phases", snapshot->phases, "history",
			     history_json(waiting->console->history)),
		   NULL, 0);
	free(waiting);
}

static void
show_overview(struct console *console, struct http_request *request, const char *rest)
{
	struct waiting *waiting = malloc(sizeof *waiting);

	if (!waiting) {
		problem_reply_text(request, 503, "out of memory");
		return;
	}
	*waiting = (struct waiting){ console, request };
	snapshots_get(console->snapshots, reply_overview, waiting);
}

/* The rest of the path names what is looked at. */
static void
show_events(struct console *console, struct http_request *request, const char *rest)
{
	const struct live_kind *kind = live_kind(rest);
	struct identity identity;
	char device[URL_SEGMENT_MAX];
	struct live_wish wish = { .kind = kind, .device = device, .user = identity.name };

	if (!access_identify(&console->access, request, clock_now_us() / 1000, &identity))
		problem_reply_text(request, 401, "nobody is logged in");
	else if (!kind)
		problem_reply_text(request, 404, "there is nothing of this name");
	else if (identity.role < kind->role)
		problem_reply_text(request, 403, "the role security follows dialogues");
	else if (access_is_cross_site(request))
		problem_reply_text(request, 403, "another site may not look");
	else if (kind->of_device && !http_request_query(request, "device", device, sizeof device))
		problem_reply_text(request, 400, "\"device\" names the device");
	else
		live_begin(console->live, request, &wish);
}

static void
show_openapi(struct console *console, struct http_request *request, const char *rest)
{
	reply_json(request, 200, json_incref(console->openapi), NULL, 0);
}

/* --- the table --- */

const struct api_native api_natives[] = {
	{ HTTP_POST, "/session", true, LOGIN_BODY_MAX, "log in", begin_session },
	{ HTTP_GET, "/session", true, 0, "who is logged in", show_session },
	{ HTTP_DELETE, "/session", true, 0, "log out", end_session },
	{ HTTP_GET, "/jobs/*", false, 0, "how far a job is, or what became of it", show_job },
	{ HTTP_GET, "/overview", false, 0, "status, counters, phases and the last hour at once",
	  show_overview },
	{ HTTP_GET, "/events/*", false, 0,
	  "what happens, as it does, as server-sent events: overview, sessions, reports, "
	  "outsiders, generations, or dialogue?device=ENDPOINT",
	  show_events },
	{ HTTP_GET, "/openapi.json", true, 0, "this document", show_openapi },
};
const unsigned n_api_natives = sizeof api_natives / sizeof api_natives[0];

static bool
matches(const struct api_native *native, const char *path, const char **rest)
{
	size_t len = strlen(native->path);

	*rest = "";
	if (native->path[len - 1] != '*')
		return strcmp(native->path, path) == 0;
	*rest = path + len - 1;
	return strncmp(native->path, path, len - 1) == 0 && **rest && !strchr(*rest, '/');
}

static const struct api_native *
find(enum http_method method, const char *path, const char **rest)
{
	for (unsigned i = 0; i < n_api_natives; i++)
		if (api_natives[i].method == method && matches(&api_natives[i], path, rest))
			return &api_natives[i];
	return NULL;
}

bool
api_body_is_json(const struct http_request *request)
{
	const char *type = http_request_header(request, "Content-Type");
	const char *length = http_request_header(request, "Content-Length");

	if (!type)
		return !length || strcmp(length, "0") == 0;
	return strncasecmp(type, "application/json", 16) == 0 && strcspn(type + 16, " ;") == 0;
}

bool
api_native_admit(struct console *console, struct http_request *request, const char *path,
		 size_t *max)
{
	const char *rest;
	const struct api_native *native = find(http_request_method(request), path, &rest);
	struct identity identity;

	*max = 0;
	if (!native)
		return false;
	*max = native->body_max;
	if (!native->open &&
	    !access_identify(&console->access, request, clock_now_us() / 1000, &identity))
		problem_reply_text(request, 401, "nobody is logged in");
	else if (native->body_max && !api_body_is_json(request))
		problem_reply_text(request, 415, "the body is application/json");
	return true;
}

void
api_native_handle(struct console *console, struct http_request *request, const char *path)
{
	const char *rest;
	const struct api_native *native = find(http_request_method(request), path, &rest);

	native->handler(console, request, rest);
}
