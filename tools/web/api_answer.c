#include "tools/web/api_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "control/log.h"
#include "control/socket/ctl_proto.h"

/* What a resource's answer tells of the moment. */
static const char *const momentary[] = { "devices", "reports", "device_count", "members",
					 "used_by" };

void
api_etag(const json_t *result, char etag[80])
{
	json_t *lasting = json_copy((json_t *)result);
	unsigned char hash[24];
	char *text;

	for (unsigned i = 0; i < sizeof momentary / sizeof momentary[0]; i++)
		json_object_del(lasting, momentary[i]);
	text = json_dumps(lasting, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(lasting);
	etag[0] = '\0';
	if (!text)
		return;
	crypto_generichash(hash, sizeof hash, (const unsigned char *)text, strlen(text), NULL, 0);
	free(text);
	etag[0] = '"';
	sodium_bin2hex(etag + 1, 79, hash, sizeof hash);
	memcpy(etag + 1 + 2 * sizeof hash, "\"", 2);
}

static json_t *
result_of(const json_t *answer)
{
	json_t *result = json_object_get(answer, "result");
	const char *text = json_string_value(json_object_get(answer, "text"));

	return json_is_object(result) || json_is_array(result)
		       ? json_incref(result)
		       : json_pack("{s:s*}", "message", text);
}

static unsigned
refusal_status(const struct api_route *route, json_int_t exit)
{
	if (exit == CTL_USAGE)
		return 400;
	/* A look at something that is named is only refused where there is none of the name. */
	return route->method == HTTP_GET && strchr(route->path, '{') ? 404 : 422;
}

/* What is wrong, place by place; and whatever else was found out, as by a plan in which some devices would fail. */
static json_t *
refusal_body(const json_t *result)
{
	json_t *diagnostics = json_object_get(result, "diagnostics"), *rest, *body;

	if (!diagnostics)
		return json_pack("{s:O*}", "result", result);
	rest = json_copy((json_t *)result);
	json_object_del(rest, "diagnostics");
	body = json_pack("{s:O}", "diagnostics", diagnostics);
	if (json_object_size(rest))
		json_object_set(body, "result", rest);
	json_decref(rest);
	return body;
}

static void
take_refusal(struct api_answer *made, const struct api_route *route, const json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));

	made->stale = json_is_true(json_object_get(answer, "stale"));
	made->status =
		made->stale ? 412
			    : refusal_status(route,
					     json_integer_value(json_object_get(answer, "exit")));
	snprintf(made->detail, sizeof made->detail, "%s", error ? error : "the appliance refuses");
	made->body = refusal_body(json_object_get(answer, "result"));
}

void
api_answer_make(struct api_answer *made, const struct api_route *route,
		const struct exchange_outcome *outcome)
{
	const char *generation;

	*made = (struct api_answer){ 0 };
	if (!outcome->answer) {
		made->status = outcome->timed_out ? 504 : 503;
		snprintf(made->detail, sizeof made->detail, "%s", outcome->why);
		return;
	}
	generation = json_string_value(json_object_get(outcome->answer, "generation"));
	if (!generation)
		log_warning("the appliance does not take this program for its console, so its log names nobody; "
			    "remedy: control.console_user in cradle.conf");
	if (generation)
		snprintf(made->generation, sizeof made->generation, "%s", generation);
	if (json_integer_value(json_object_get(outcome->answer, "exit")) != CTL_DONE) {
		take_refusal(made, route, outcome->answer);
		return;
	}
	made->status = route->creates ? 201 : 200;
	made->body = result_of(outcome->answer);
	if (route->guard && route->method == HTTP_GET)
		api_etag(made->body, made->etag);
}
