#include "tools/cradlectl_completion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/socket/ctl_proto.h"
#include "tools/client/ctl_client.h"

enum { ASK_TIMEOUT_S = 2 }; /* of what somebody waits for while typing */

json_t *
completion_ask(const struct options *options, bool json, int argc, const char *const *argv)
{
	const struct ctl_client_request request = { .argc = argc, .argv = argv, .json = json };
	int socket = ctl_client_connect(options->socket, true, ASK_TIMEOUT_S), error;
	struct ctl_reader reader;
	json_t *answer = NULL;
	uint8_t *bytes;
	size_t len;

	if (socket < 0)
		return NULL;
	ctl_reader_init(&reader);
	bytes = ctl_client_encode(&request, &len);
	if (bytes && ctl_client_send(socket, bytes, len, -1) == 0)
		answer = ctl_client_receive(socket, &reader, &error);
	free(bytes);
	ctl_reader_fini(&reader);
	close(socket);
	return answer;
}

/* Commands of this program, which the appliance does not know. */
static const char *const own_commands[] = { "shell", "top" };

char *
completion_words(const struct options *options, int argc, char **argv)
{
	const char *request[] = { "complete", "--", NULL };
	char *text = NULL, *words = NULL;
	size_t size;
	FILE *to = open_memstream(&words, &size);
	json_t *answer;

	if (!to)
		return NULL;
	for (int i = 0; i < argc; i++)
		fprintf(to, "%s%s", i ? "\x1f" : "", argv[i]);
	fclose(to);
	request[2] = words;
	answer = completion_ask(options, false, 3, request);
	free(words);
	if (!json_is_integer(json_object_get(answer, "exit")) ||
	    !(to = open_memstream(&text, &size))) {
		json_decref(answer);
		return NULL;
	}
	if (json_is_string(json_object_get(answer, "text")))
		fputs(json_string_value(json_object_get(answer, "text")), to);
	for (size_t i = 0; argc == 1 && i < sizeof own_commands / sizeof *own_commands; i++)
		if (strncmp(own_commands[i], argv[0], strlen(argv[0])) == 0)
			fprintf(to, "%s\n", own_commands[i]);
	fclose(to);
	json_decref(answer);
	return text;
}

int
completion_print(const struct options *options)
{
	static char none[] = "", *nothing[] = { none };
	char *text = options->argc > 1
			     ? completion_words(options, options->argc - 1, options->argv + 1)
			     : completion_words(options, 1, nothing);

	if (text)
		fputs(text, stdout);
	free(text);
	return CTL_DONE;
}
