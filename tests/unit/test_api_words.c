/* The API's table against the appliance's, and requests as words of commands. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tools/web/api_words.h"
#include "tools/web/openapi.h"

static struct command_schema schema;

static void
setup(void)
{
	cr_assert(command_schema_load(&schema));
}

static void
teardown(void)
{
	command_schema_fini(&schema);
}

TestSuite(api_words, .init = setup, .fini = teardown);

static const struct api_route *
route(enum http_method method, const char *path)
{
	for (unsigned i = 0; i < n_api_routes; i++)
		if (api_routes[i].method == method && strcmp(api_routes[i].path, path) == 0)
			return &api_routes[i];
	cr_assert_fail("no route %s", path);
	return NULL;
}

/* The words with blanks between, or the sentence behind "!" and the status. */
static const char *
words_of(enum http_method method, const char *pattern, const char *path, const char *fields,
	 enum web_role role)
{
	static char text[1024];
	struct url_path parsed;
	struct api_words words;
	char detail[API_DETAIL_MAX];
	json_t *json = json_loads(fields, 0, NULL);
	const struct api_route *found = route(method, pattern);
	const struct api_source source = { found, command_schema_find(&schema, found->command), &parsed,
					   json, role };
	unsigned status;

	cr_assert(json && url_path_parse(&parsed, path));
	cr_assert(api_path_matches(pattern, &parsed));
	status = api_words_make(&words, &source, detail);
	if (status)
		snprintf(text, sizeof text, "!%u %s", status, detail);
	else
		text[0] = '\0';
	for (int i = 0; !status && i < words.count; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "",
			 words.items[i]);
	if (!status)
		api_words_fini(&words);
	json_decref(json);
	return text;
}

Test(api_words, every_command_is_a_resource_or_says_why_not)
{
	for (unsigned i = 0; i < schema.count; i++) {
		unsigned found = 0;

		for (unsigned k = 0; k < n_api_routes; k++)
			found += strcmp(api_routes[k].command, schema.items[i].words) == 0;
		for (unsigned k = 0; k < n_api_exemptions; k++)
			found += strcmp(api_exemptions[k].command, schema.items[i].words) == 0;
		cr_expect(found > 0, "%s: %u resources; tools/web/api_table.c routes it, or says why not",
			  schema.items[i].words, found);
	}
}

Test(api_words, every_route_names_a_command_and_its_arguments)
{
	char name[32];

	for (unsigned i = 0; i < n_api_routes; i++) {
		const struct schema_command *command =
			command_schema_find(&schema, api_routes[i].command);

		cr_assert(command, "%s", api_routes[i].command);
		for (unsigned k = 0; k < URL_SEGMENTS_MAX; k++)
			cr_expect(!api_segment_name(api_routes[i].path, k, name) ||
					  schema_argument_index(command, name) >= 0,
				  "%s: {%s}", api_routes[i].path, name);
		cr_expect(!api_routes[i].guard || command_schema_find(&schema, api_routes[i].guard));
		cr_expect(command->reads_file == (api_routes[i].file != NULL), "%s", command->words);
		/* A look changes nothing, and what changes something is no look, whoever may. */
		cr_expect((api_routes[i].method == HTTP_GET) <= !command->changes, "%s",
			  api_routes[i].path);
		cr_expect(!command->changes || api_routes[i].role > ROLE_VIEWER, "%s",
			  api_routes[i].path);
	}
}

Test(api_words, the_document_has_every_route)
{
	json_t *document = openapi_make(&schema);
	static const char *const methods[] = { "get", "post", "put", "patch", "delete" };

	cr_assert(document);
	for (unsigned i = 0; i < n_api_routes; i++)
		cr_expect(json_object_get(json_object_get(json_object_get(document, "paths"),
							  api_routes[i].path),
					  methods[api_routes[i].method]),
			  "%s", api_routes[i].path);
	json_decref(document);
}

Test(api_words, fields_that_are_none_are_refused_by_name)
{
	static const struct {
		const char *fields, *told;
	} cases[] = {
		{ "{\"prioriti\": 3}", "!400 there is no field \"prioriti\" here; did you mean \"priority\"?" },
		{ "{\"priority\": [3]}", "!400 the field \"priority\" is text" },
		{ "{\"priority\": {}}", "!400 the field \"priority\" is text" },
		{ "{\"id\": \"x\"}", "!400 the field \"id\" stands in the path already" },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *got =
			words_of(HTTP_PATCH, "/tasks/{id}", "/tasks/g:x:1", cases[i].fields, ROLE_OPERATOR);

		cr_expect(strncmp(got, cases[i].told, strlen(cases[i].told)) == 0, "%s", got);
	}
	cr_assert_str_eq(words_of(HTTP_PUT, "/devices/{endpoint}/values/{name}", "/devices/a/values/b",
				  "{}", ROLE_OPERATOR),
			 "!400 the field \"text\" is missing");
	cr_assert_str_eq(words_of(HTTP_POST, "/tasks/check", "/tasks/check", "{}", ROLE_VIEWER),
			 "!400 the field \"content\" is missing");
}

Test(api_words, values_are_never_words)
{
	cr_assert_str_eq(words_of(HTTP_GET, "/devices/{endpoint}", "/devices/--secrets", "{}", ROLE_VIEWER),
			 "device show -- --secrets");
	cr_assert_str_eq(words_of(HTTP_POST, "/devices", "/devices",
				  "{\"endpoint\": \"-x\", \"groups\": \"--no-key\"}", ROLE_SECURITY),
			 "device add --groups=--no-key -- -x");
	cr_assert_str_eq(words_of(HTTP_GET, "/devices/{endpoint}", "/devices/a%2Fb%20c", "{}", ROLE_VIEWER),
			 "device show -- a/b c");
}

Test(api_words, types_of_json_become_words)
{
	cr_assert_str_eq(words_of(HTTP_PATCH, "/tasks/{id}", "/tasks/g:x:1",
				  "{\"priority\": 3, \"active\": false, \"comment\": \"\", \"bloodline\": null}",
				  ROLE_OPERATOR),
			 "task edit --priority=3 --active=off --comment= -- g:x:1");
	cr_assert_str_eq(words_of(HTTP_PUT, "/groups/{group}/values/{name}", "/groups/root/values/a",
				  "{\"value\": \"v\", \"secret\": true, \"locked\": false}", ROLE_OPERATOR),
			 "group value set --secret -- root a v");
	cr_assert_str_eq(words_of(HTTP_GET, "/devices", "/devices", "{\"limit\": \"3\"}", ROLE_VIEWER),
			 "device list --limit=3 --");
}

Test(api_words, keys_are_set_by_the_role_security_alone)
{
	const char *refused = words_of(HTTP_PATCH, "/devices/{endpoint}", "/devices/a", "{\"key\": \"k\"}",
				       ROLE_OPERATOR);

	cr_assert(strncmp(refused, "!403", 4) == 0 && !strstr(refused, "\"k\""), "%s", refused);
	cr_assert_str_eq(words_of(HTTP_PATCH, "/devices/{endpoint}", "/devices/a", "{\"key\": \"k\"}",
				  ROLE_SECURITY),
			 "device edit --key=k -- a");
	/* Files of the appliance are nobody's to name. */
	cr_assert(strncmp(words_of(HTTP_PATCH, "/devices/{endpoint}", "/devices/a",
				   "{\"key-file\": \"/etc/shadow\"}", ROLE_SECURITY),
			  "!400", 4) == 0);
}

Test(api_words, paths_that_are_none)
{
	static const char *const bad[] = { "",       "x",      "/",         "//",         "/a//b", "/a/",
					   "/%",     "/%4",    "/%zz",      "/a%00b",     "/%ff",  "/%c3%28",
					   "/1/2/3/4/5/6/7/8/9" };
	struct url_path path;

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_expect(!url_path_parse(&path, bad[i]), "%s", bad[i]);
	cr_assert(url_path_parse(&path, "/a/%2e%2e/b"));
	cr_assert(path.count == 3 && strcmp(path.segments[1], "..") == 0);
	cr_assert(!api_path_matches("/a/{x}", &path) && api_path_matches("/a/{x}/b", &path));
	cr_assert(!api_path_matches("/a/{x}/b/{y}", &path));
}
