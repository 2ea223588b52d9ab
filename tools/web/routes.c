#include "tools/web/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/web/api.h"
#include "tools/web/metrics.h"

/* A request that waits for the appliance. */
struct pending {
	const struct routes *routes;
	struct http_request *request;
	enum exposition_format format;
};

static void
get_snapshot(const struct routes *ctx, struct http_request *request, snapshot_done *done,
	     enum exposition_format format)
{
	struct pending *pending = malloc(sizeof *pending);

	if (!pending) {
		http_reply_error(request, 503, "out of memory");
		return;
	}
	*pending = (struct pending){ ctx, request, format };
	snapshots_get(ctx->snapshots, done, pending);
}

static void
reply_metrics(void *ctx, const struct snapshot *snapshot)
{
	struct pending *pending = ctx;
	struct web_stats stats;
	struct text text;

	text_init(&text);
	http_server_stats(pending->routes->server, &stats);
	live_stats(pending->routes->console->live, &stats);
	metrics_write(&text, pending->format, snapshot, &stats);
	if (text.failed)
		http_reply_error(pending->request, 503, "out of memory");
	else
		http_reply(pending->request, 200, exposition_content_type(pending->format),
			   text_str(&text), text.len);
	text_fini(&text);
	free(pending);
}

static void
get_metrics(void *ctx, struct http_request *request)
{
	const struct routes *own = ctx;
	const struct guard_claims claims = {
		.peer = http_request_peer(request),
		.authorization = http_request_header(request, "Authorization"),
		.forwarded_for = http_request_header(request, "X-Forwarded-For"),
		.forwarded = http_request_header(request, "X-Forwarded-For") ||
			     http_request_header(request, "Forwarded") ||
			     http_request_header(request, "X-Real-IP") ||
			     http_request_header(request, "Via"),
	};

	switch (guard_judge(own->guard, &claims)) {
	case GUARD_ALLOWED:
		get_snapshot(own, request, reply_metrics,
			     exposition_negotiate(http_request_header(request, "Accept")));
		return;
	case GUARD_TOKEN_WANTED:
		http_reply_error(request, 401, "a bearer token is wanted");
		return;
	case GUARD_FORBIDDEN:
		http_reply_error(request, 403, "this address may not read metrics");
		return;
	}
}

/* "running", "draining", or "unreachable": only a running appliance wants devices. */
static void
reply_health(void *ctx, const struct snapshot *snapshot)
{
	struct pending *pending = ctx;
	const char *state = json_string_value(json_object_get(snapshot->status, "state"));
	bool good;
	char body[64];
	int len;

	if (!snapshot->up || !state)
		state = "unreachable";
	good = strcmp(state, "running") == 0;
	len = snprintf(body, sizeof body, "{\"state\":\"%.32s\"}\n", state);
	http_reply(pending->request, good ? 200 : 503, "application/json", body, (size_t)len);
	free(pending);
}

static void
get_health(void *ctx, struct http_request *request)
{
	get_snapshot(ctx, request, reply_health, EXPOSITION_TEXT);
}

static size_t
admit_api(void *ctx, struct http_request *request)
{
	const struct routes *own = ctx;

	return api_admit(own->console, request);
}

static void
handle_api(void *ctx, struct http_request *request)
{
	const struct routes *own = ctx;

	api_handle(own->console, request);
}

static void
get_file(void *ctx, struct http_request *request)
{
	const struct routes *own = ctx;

	console_get_file(own->console, request);
}

const struct http_route routes[] = {
	{ "/metrics", get_metrics },
	{ "/health", get_health },
	{ API_PREFIX "/*", handle_api, (1u << HTTP_METHODS) - 1, admit_api },
	{ "/*", get_file },
	{ NULL, NULL },
};
