/* A request of the API: method, path and fields, as routed and made the words of a command. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/web/api_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct command_schema schema;

/* The first line is the path, the rest the body. */
static void
run(const char *path_text, const char *body, enum http_method method)
{
	struct url_path path;
	json_t *fields = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
	struct api_words words;
	char detail[API_DETAIL_MAX];

	if (!url_path_parse(&path, path_text) || !json_is_object(fields)) {
		json_decref(fields);
		return;
	}
	for (unsigned i = 0; i < n_api_routes; i++) {
		const struct api_source source = { &api_routes[i],
						   command_schema_find(&schema, api_routes[i].command),
						   &path, fields, ROLE_SECURITY };

		if (api_routes[i].method != method || !api_path_matches(api_routes[i].path, &path))
			continue;
		if (!api_words_make(&words, &source, detail))
			api_words_fini(&words);
		if (api_routes[i].guard &&
		    !api_words_guard(&words, &source, command_schema_find(&schema, api_routes[i].guard),
				     detail))
			api_words_fini(&words);
	}
	json_decref(fields);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text, *end;

	if (!schema.count && !command_schema_load(&schema))
		abort();
	if (!size)
		return 0;
	text = malloc(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	end = strchr(text, '\n');
	if (end)
		*end = '\0';
	run(text, end ? end + 1 : "{}", data[0] % HTTP_METHODS);
	free(text);
	return 0;
}
