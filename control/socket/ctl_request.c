#include "control/socket/ctl_request.h"

#include <sys/stat.h>

/* The file that came with the request, or a complaint. */
static int
take_file(struct ctl_client *client, struct ctl_request *request, const char **complaint)
{
	struct stat st;

	request->fd = client->passed;
	client->passed = -1;
	if (request->fd < 0)
		*complaint = "a request with \"fd\" carries a descriptor; this one has none";
	else if (fstat(request->fd, &st) || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		*complaint = "a command's file must be a regular one or a folder; spool pipes and "
			     "terminals";
	else
		return 0;
	return -1;
}

/* For whom it is asked, and what it is meant for: only the console speaks for others. */
static int
read_actor(const struct ctl_client *client, const json_t *frame, struct ctl_request *request,
	   const char **complaint)
{
	const json_t *actor = json_object_get(frame, "actor");

	request->console = client->server->console && client->peer.uid == client->server->console;
	/* Where no console is configured nobody speaks for others: what is said of it counts for nothing. */
	request->actor = client->server->console ? json_string_value(actor) : NULL;
	request->expect = json_string_value(json_object_get(frame, "expect"));
	if (!actor || !client->server->console || (request->console && json_is_string(actor)))
		return 0;
	*complaint = "an actor is taken from the user of control.console_user alone, as text";
	return -1;
}

int
ctl_request_read(struct ctl_client *client, const json_t *frame, struct ctl_request *request,
		 const char *argv[CTL_ARGV], const char **complaint)
{
	const json_t *words = json_object_get(frame, "argv");
	const json_t *data = json_object_get(frame, "data");

	if (!json_is_array(words) || !json_array_size(words) ||
	    json_array_size(words) > CTL_ARGUMENTS_MAX) {
		*complaint = "a request needs argv, an array of 1 to 64 strings";
		return -1;
	}
	for (size_t i = 0; i < json_array_size(words); i++) {
		argv[i] = json_string_value(json_array_get(words, i));
		if (!argv[i]) {
			*complaint = "a request's argv holds strings only";
			return -1;
		}
	}
	request->argc = (int)json_array_size(words);
	request->argv = argv;
	request->json = json_is_true(json_object_get(frame, "json"));
	request->width = (unsigned)json_integer_value(json_object_get(frame, "width")) % 65536;
	request->page = json_string_value(json_object_get(frame, "page"));
	request->columns = json_string_value(json_object_get(frame, "columns"));
	request->sort = json_string_value(json_object_get(frame, "sort"));
	request->data = json_string_value(data);
	request->data_len = json_string_length(data);
	if (read_actor(client, frame, request, complaint))
		return -1;
	return json_is_true(json_object_get(frame, "fd")) ? take_file(client, request, complaint)
							  : 0;
}
