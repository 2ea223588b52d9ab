#include "tools/web/openapi.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tools/web/api_native.h"
#include "tools/web/api_table.h"
#include "tools/web/api_words.h"

static const char *const methods[HTTP_METHODS] = { "get", "post", "put", "patch", "delete" };

static json_t *
text_parameter(const char *name, const char *in, const char *help, bool required)
{
	return json_pack("{s:s, s:s, s:s*, s:b, s:{s:s}}", "name", name, "in", in, "description",
			 help, "required", required, "schema", "type", "string");
}

static json_t *
option_schema(const struct schema_option *option)
{
	return json_pack("{s:s, s:s}", "type",
			 !option->argument || option->is_switch ? "boolean"
			 : strcmp(option->argument, "N") == 0   ? "integer"
								: "string",
			 "description", option->help);
}

/* "taskRerunFailed" of "task rerun-failed". */
static void
operation_id(const char *words, char out[64])
{
	size_t n = 0;
	bool upper = false;

	for (; *words && n < 63; words++) {
		if (*words == ' ' || *words == '-') {
			upper = true;
			continue;
		}
		out[n++] = (char)(upper ? toupper(*words) : *words);
		upper = false;
	}
	out[n] = '\0';
}

/* Whether an argument stands in the path. */
static bool
in_path(const struct api_route *route, const char *argument)
{
	char name[32];

	for (unsigned i = 0; i < URL_SEGMENTS_MAX; i++)
		if (api_segment_name(route->path, i, name) && strcmp(name, argument) == 0)
			return true;
	return false;
}

static void
put_query(json_t *parameters, const struct api_route *route, const struct schema_command *command)
{
	for (unsigned i = 0; i < command->n_arguments; i++)
		if (!in_path(route, command->arguments[i]))
			json_array_append_new(parameters,
					      text_parameter(command->arguments[i], "query", NULL,
							     i < command->min));
	for (unsigned i = 0; i < command->n_options; i++)
		if (!command->options[i].file)
			json_array_append_new(parameters,
				      json_pack("{s:s, s:s, s:s, s:b, s:o}", "name",
						command->options[i].name, "in", "query",
						"description", command->options[i].help, "required",
						0, "schema", option_schema(&command->options[i])));
}

static json_t *
body_json(const struct api_route *route, const struct schema_command *command)
{
	json_t *properties = json_object(), *required = json_array(), *schema;

	for (unsigned i = 0; i < command->n_arguments; i++) {
		bool file = command->reads_file && i == 0;

		if (in_path(route, command->arguments[i]))
			continue;
		json_object_set_new(properties, command->arguments[i],
				    json_pack("{s:s}", "type", "string"));
		if (file)
			json_object_set_new(properties, "content",
					    json_pack("{s:s, s:s}", "type", "string", "description",
						      "the text of the file"));
		if (i < command->min)
			json_array_append_new(
				required, json_string(file ? "content" : command->arguments[i]));
	}
	for (unsigned i = 0; i < command->n_options; i++)
		json_object_set_new(properties, command->options[i].name,
					    option_schema(&command->options[i]));
	schema = json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0,
			   "properties", properties);
	if (json_array_size(required))
		json_object_set(schema, "required", required);
	json_decref(required);
	return json_pack("{s:b, s:{s:{s:o}}}", "required", 0, "content", "application/json",
			 "schema", schema);
}

static json_t *
problem_ref(const char *description)
{
	return json_pack("{s:s, s:{s:{s:{s:s}}}}", "description", description, "content",
			 "application/problem+json", "schema", "$ref",
			 "#/components/schemas/Problem");
}

static json_t *
result_json(const char *description)
{
	return json_pack("{s:s, s:{s:{s:{s:s}}}}", "description", description, "content",
			 "application/json", "schema", "type", "object");
}

static json_t *
responses_json(const struct api_route *route)
{
	json_t *responses = json_object();
	const char *done = route->job ? "202" : route->creates ? "201" : "200";

	json_object_set_new(responses, done,
			    result_json(route->job ? "a job: watch it at Location" : "done"));
	json_object_set_new(responses, "400", problem_ref("not understood"));
	json_object_set_new(responses, "401", problem_ref("nobody is logged in"));
	json_object_set_new(responses, "403", problem_ref("the role does not allow it"));
	if (route->method == HTTP_GET && strchr(route->path, '{'))
		json_object_set_new(responses, "404", problem_ref("there is none of this name"));
	if (route->method != HTTP_GET)
		json_object_set_new(responses, "422", problem_ref("refused, with the reason"));
	if (route->guard && route->method != HTTP_GET) {
		json_object_set_new(responses, "412", problem_ref("changed meanwhile"));
		json_object_set_new(responses, "428", problem_ref("If-Match is missing"));
	}
	json_object_set_new(responses, "503", problem_ref("the appliance cannot be reached"));
	return responses;
}

/* Of the routes of one command. */
static bool
is_first(const struct api_route *route)
{
	const struct api_route *first = api_routes;

	while (strcmp(first->command, route->command) != 0)
		first++;
	return first == route;
}

static json_t *
operation_json(const struct api_route *route, const struct schema_command *command)
{
	json_t *parameters = json_array(), *operation;
	char id[64], tag[32], name[32];

	operation_id(command->words, id);
	if (!is_first(route))
		snprintf(id + strlen(id), sizeof id - strlen(id), "_%s", methods[route->method]);
	snprintf(tag, sizeof tag, "%.*s", (int)strcspn(command->words, " "), command->words);
	for (unsigned i = 0; i < URL_SEGMENTS_MAX; i++)
		if (api_segment_name(route->path, i, name))
			json_array_append_new(parameters, text_parameter(name, "path", NULL, true));
	if (route->guard && route->method != HTTP_GET)
		json_array_append_new(
			parameters,
			text_parameter("If-Match", "header", "the ETag that was seen, or *", true));
	if (route->method == HTTP_GET || route->method == HTTP_DELETE)
		put_query(parameters, route, command);
	operation = json_pack("{s:s, s:s, s:[s], s:o, s:o, s:s}", "operationId", id, "summary",
			      command->help, "tags", tag, "parameters", parameters, "responses",
			      responses_json(route), "x-role", role_name(route->role));
	if (route->method != HTTP_GET && route->method != HTTP_DELETE)
		json_object_set_new(operation, "requestBody", body_json(route, command));
	return operation;
}

static json_t *
native_json(const struct api_native *native)
{
	json_t *parameters = json_array(), *operation;
	char id[64];

	snprintf(id, sizeof id, "%s%.*s", methods[native->method],
		 (int)strcspn(native->path + 1, "/.*"), native->path + 1);
	if (strchr(native->path, '*'))
		json_array_append_new(parameters, text_parameter("id", "path", NULL, true));
	operation =
		json_pack("{s:s, s:s, s:[s], s:o, s:{s:o, s:o}}", "operationId", id, "summary",
			  native->summary, "tags", "console", "parameters", parameters, "responses",
			  native->method == HTTP_POST     ? "201"
			  : native->method == HTTP_DELETE ? "204"
							  : "200",
			  native->method == HTTP_DELETE ? json_pack("{s:s}", "description", "done")
							: result_json("done"),
			  "401", problem_ref("nobody is logged in"));
	if (native->open)
		json_object_set_new(operation, "security", json_array());
	if (native->body_max)
		json_object_set_new(operation, "requestBody",
				    json_pack("{s:{s:{s:{s:s, s:{s:{s:s}, s:{s:s}}}}}}", "content",
					      "application/json", "schema", "type", "object",
					      "properties", "name", "type", "string", "password",
					      "type", "string"));
	return operation;
}

static void
put_operation(json_t *paths, const char *path, enum http_method method, json_t *operation)
{
	json_t *item = json_object_get(paths, path);

	if (!item) {
		json_object_set_new(paths, path, json_object());
		item = json_object_get(paths, path);
	}
	json_object_set_new(item, methods[method], operation);
}

static json_t *
components_json(void)
{
	return json_pack(
		"{s:{s:{s:s, s:s}, s:{s:s, s:s, s:s}},"
		" s:{s:{s:s, s:[s, s], s:{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s, s:{s:s}}, s:{s:s}}}}}",
		"securitySchemes", "token", "type", "http", "scheme", "bearer", "session", "type",
		"apiKey", "in", "cookie", "name", "cradle", "schemas", "Problem", "type", "object",
		"required", "title", "status", "properties", "type", "type", "string", "title",
		"type", "string", "status", "type", "integer", "detail", "type", "string",
		"diagnostics", "type", "array", "items", "type", "object", "result", "type",
		"object");
}

json_t *
openapi_make(const struct command_schema *schema)
{
	json_t *paths = json_object();
	char path[96];

	for (unsigned i = 0; i < n_api_natives; i++) {
		size_t len = strcspn(api_natives[i].path, "*");

		snprintf(path, sizeof path, "%.*s%s", (int)len, api_natives[i].path,
			 api_natives[i].path[len] ? "{id}" : "");
		put_operation(paths, path, api_natives[i].method, native_json(&api_natives[i]));
	}
	for (unsigned i = 0; i < n_api_routes; i++) {
		const struct schema_command *command =
			command_schema_find(schema, api_routes[i].command);

		if (!command) {
			json_decref(paths);
			return NULL;
		}
		put_operation(paths, api_routes[i].path, api_routes[i].method,
			      operation_json(&api_routes[i], command));
	}
	return json_pack(
		"{s:s, s:{s:s, s:s, s:s, s:{s:s, s:s}}, s:[{s:s}], s:[{s:[]}, {s:[]}], s:o, s:o}",
		"openapi", "3.0.3", "info", "title", "Cradle", "version", CRADLE_VERSION,
		"description", "Commands of the appliance as resources; problems are RFC 9457.",
		"license", "name", "Apache-2.0", "url",
		"https://www.apache.org/licenses/LICENSE-2.0", "servers", "url", "/api/v1",
		"security", "token", "session", "paths", paths, "components", components_json());
}
