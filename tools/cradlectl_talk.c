#include "tools/cradlectl_talk.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/socket/ctl_proto.h"
#include "tools/client/ctl_client.h"
#include "tools/cradlectl_file.h"

/* A command's conversation. */
struct talk {
	int socket;
	const struct options *options;
	struct ctl_reader reader;
	struct carried carried;
	bool progress_shown;
	bool to_stdout; /* the file is standard output: nothing else goes there */
	json_t *page;   /* the "next" of the last answer: the list goes on; NULL: its first page */
	json_t *whole;  /* for machines: results of the pages so far; NULL: none */
	bool watching;  /* the answer goes on */
};

/* What becomes of the command when nobody waits for it any more: a sentence that follows what happened. */
static char if_left[160] = "the command may still be carried out: `cradlectl job list` and "
			   "`cradlectl status` show what is in progress";

/* As the appliance says it of the command. */
static void
note_progress(const json_t *frame)
{
	json_int_t job = json_integer_value(json_object_get(frame, "job"));
	char sentence[sizeof if_left];

	if (json_is_true(json_object_get(frame, "waits")))
		snprintf(sentence, sizeof sentence,
			 "the command had not begun yet, and is not carried out");
	else if (job)
		snprintf(sentence, sizeof sentence,
			 "the command goes on as job %lld: `cradlectl job wait %lld` waits for it, "
			 "`cradlectl job cancel %lld` ends it",
			 (long long)job, (long long)job, (long long)job);
	else
		return;
	/* An interrupt in between shows a mixture, still with its end. */
	memcpy(if_left, sentence, sizeof if_left);
}

/* Nothing that was asked for is taken back by who gives up waiting. Async-signal-safe. */
static void
on_interrupt(int number)
{
	static const char said[] = "cradlectl: interrupted; ";

	(void)!write(STDERR_FILENO, said, sizeof said - 1);
	(void)!write(STDERR_FILENO, if_left, strlen(if_left));
	(void)!write(STDERR_FILENO, "\n", 1);
	raise(number); /* SA_RESETHAND: ends the program */
}

static void
watch_interrupts(void)
{
	const struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* Whoever watches ends it so. What was to be written was. Async-signal-safe. */
static void
on_end_of_watch(int number)
{
	_exit(CTL_DONE);
}

/* 0, or the exit code after saying why. */
static int
send_request(const struct talk *talk)
{
	const struct options *options = talk->options;
	const struct ctl_client_request request = {
		.argc = options->argc,
		.argv = (const char *const *)options->argv,
		.json = options->json,
		.width = options_width(options),
		.columns = options->columns,
		.sort = options->sort,
		.page = talk->page ? json_string_value(talk->page) : "",
		.with_fd = talk->carried.fd >= 0,
	};
	size_t len;
	uint8_t *bytes = ctl_client_encode(&request, &len);
	int error;

	if (!bytes)
		return options_fail(options, CTL_USAGE, "the arguments are not UTF-8");
	if (len > CTL_REQUEST_MAX) {
		free(bytes);
		return options_fail(options, CTL_USAGE,
				    "the arguments are longer than the %d kB that a request may "
				    "have: put what is "
				    "long into a file",
				    CTL_REQUEST_MAX / 1024);
	}
	if (talk->carried.fd < 0)
		watch_interrupts();
	error = ctl_client_send(talk->socket, bytes, len, talk->carried.fd);
	free(bytes);
	if (error)
		return options_fail(options, CTL_REFUSED, "the request could not be sent: %s",
				    strerror(-error));
	return 0;
}

static void
put_text(const struct options *options, FILE *to, const json_t *text)
{
	const char *string = json_string_value(text);
	size_t len = json_string_length(text);

	if (!string || !len)
		return;
	if (colour_wanted(options->colour, to))
		colour_put(to, string);
	else
		fputs(string, to);
	if (string[len - 1] != '\n')
		fputc('\n', to);
}

/* One line: the schema version, the exit code and error where there is one, then the command's own keys. */
static void
put_json(FILE *to, const json_t *answer)
{
	const json_t *result = json_object_get(answer, "result");
	json_t *line = json_pack("{s:i}", "schema", CTL_VERSION);

	if (json_integer_value(json_object_get(answer, "exit")))
		json_object_set(line, "exit", json_object_get(answer, "exit"));
	if (json_is_string(json_object_get(answer, "error")))
		json_object_set(line, "error", json_object_get(answer, "error"));
	if (json_is_object(result))
		json_object_update_missing(line, (json_t *)result);
	else if (result && !json_is_null(result))
		json_object_set(line, "result", (json_t *)result);
	json_dumpf(line, to, JSON_COMPACT);
	fputc('\n', to);
	json_decref(line);
}

static void
show_progress(struct talk *talk, const json_t *frame)
{
	const char *line = json_string_value(json_object_get(frame, "progress"));

	note_progress(frame);
	if (!line || !*line)
		return;
	if (isatty(STDERR_FILENO)) {
		fprintf(stderr, "\r\033[K%s", line);
		talk->progress_shown = true;
	} else if (talk->options->progress) {
		fprintf(stderr, "%s\n", line);
	}
}

static void
erase_progress(struct talk *talk)
{
	if (talk->progress_shown)
		fputs("\r\033[K", stderr);
	talk->progress_shown = false;
}

/* Pages of a list make one result: arrays are put together, of all else the last page's counts. */
static void
add_page(struct talk *talk, json_t *answer)
{
	json_t *result = json_object_get(answer, "result"), *more, *so_far;
	const char *key;

	if (!json_is_object(result))
		return;
	if (talk->whole) {
		json_object_foreach(result, key, more)
		{
			so_far = json_object_get(talk->whole, key);
			if (json_is_array(so_far) && json_is_array(more))
				json_array_extend(so_far, more);
			else
				json_object_set(talk->whole, key, more);
		}
		json_object_set(answer, "result", talk->whole);
	} else {
		talk->whole = json_incref(result);
	}
}

/* A list goes on: 0 once the next page is asked for, else the exit code. */
static int
next_page(struct talk *talk, const json_t *answer)
{
	json_decref(talk->page);
	talk->page = json_incref(json_object_get(answer, "next"));
	if (!talk->options->json)
		put_text(talk->options, stdout, json_object_get(answer, "text"));
	return send_request(talk);
}

static int
show(struct talk *talk, const json_t *answer)
{
	FILE *to = talk->to_stdout ? stderr : stdout;
	int exit_code = (int)json_integer_value(json_object_get(answer, "exit"));
	char error[PATH_MAX + 128];

	if (carried_close(&talk->carried, exit_code == CTL_DONE, error, sizeof error))
		return options_fail(talk->options, CTL_REFUSED, "%s", error);
	if (talk->options->json) {
		put_json(to, answer);
	} else {
		put_text(talk->options, to, json_object_get(answer, "text"));
		fflush(to);
		put_text(talk->options, stderr, json_object_get(answer, "error"));
	}
	if (fflush(to) || ferror(to))
		return options_fail(talk->options, CTL_REFUSED,
				    "the answer could not be written: %s", strerror(errno));
	return exit_code;
}

static int
no_answer(const struct talk *talk, int error)
{
	if (talk->watching)
		return error == EAGAIN
			       ? options_fail(talk->options, CTL_REFUSED,
					      "nothing has happened for %d s",
					      talk->options->timeout_s)
			       : options_fail(
					 talk->options, CTL_NOT_RUNNING,
					 "the appliance has gone: nothing is watched any more");
	if (error == EAGAIN)
		return options_fail(talk->options, CTL_REFUSED, "no answer within %d s; %s",
				    talk->options->timeout_s, if_left);
	return options_fail(talk->options, CTL_REFUSED,
			    "the appliance closed the connection without an answer%s%s",
			    error ? ": " : "", error ? strerror(error) : "");
}

/* The command wants a file: 0 once the request went out again with it, or the exit code. */
static int
bring_file(struct talk *talk, const json_t *frame)
{
	const struct options *options = talk->options;
	const char *want = json_string_value(json_object_get(frame, "want"));
	json_int_t word = json_integer_value(json_object_get(frame, "word"));
	enum carried_as as = want && strcmp(want, "write") == 0    ? CARRIED_WRITE
			     : want && strcmp(want, "folder") == 0 ? CARRIED_FOLDER
			     : want && strcmp(want, "create") == 0 ? CARRIED_CREATE
								   : CARRIED_READ;
	char error[PATH_MAX + 128];
	const char *path;

	/* Nothing but what the command line names is opened, and only once. */
	if (!want || talk->carried.fd >= 0 || word >= options->argc)
		return no_answer(talk, EBADMSG);
	path = word < 0 ? "-" : options->argv[word];
	talk->to_stdout = as == CARRIED_WRITE && strcmp(path, "-") == 0;
	if (carried_open(&talk->carried, path, as, error, sizeof error) ||
	    carried_lend(&talk->carried, talk->socket, error, sizeof error))
		return options_fail(options, CTL_REFUSED, "%s", error);
	return send_request(talk);
}

/* The answer goes on from here: 0, or the exit code. */
static int
begin_watch(struct talk *talk, const json_t *answer)
{
	const struct sigaction action = { .sa_handler = on_end_of_watch };

	talk->watching = true;
	if (json_is_string(json_object_get(answer, "text")) ||
	    json_is_object(json_object_get(answer, "result")))
		(void)show(talk, answer);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	return 0;
}

/* What happened, a line or some; for machines one line of JSON. */
static int
show_event(const struct talk *talk, json_t *frame)
{
	json_t *event = json_object_get(frame, "event"), *missed = json_object_get(frame, "missed");

	if (talk->options->json) {
		json_object_set_new(event, "schema", json_integer(CTL_VERSION));
		if (missed)
			json_object_set(event, "missed", missed);
		json_dumpf(event, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		if (missed)
			printf("... %lld missed\n", (long long)json_integer_value(missed));
		put_text(talk->options, stdout, json_object_get(frame, "text"));
	}
	if (fflush(stdout) || ferror(stdout))
		return options_fail(talk->options, CTL_REFUSED,
				    "what happened could not be written: %s", strerror(errno));
	return 0;
}

/* The last answer, or one of those before it: true when it was the last. */
static bool
take_answer(struct talk *talk, json_t *answer, int *result)
{
	bool last = !json_is_string(json_object_get(answer, "next"));

	erase_progress(talk);
	if (talk->watching && !json_integer_value(json_object_get(answer, "exit")))
		return true; /* as its user wanted it */
	if (talk->options->json && !talk->watching)
		add_page(talk, answer);
	if (last && talk->page && talk->options->sort)
		fputs("cradlectl: a long list is sorted page by page\n", stderr);
	if (json_is_true(json_object_get(answer, "watch"))) {
		*result = begin_watch(talk, answer);
		return false;
	}
	*result = last ? show(talk, answer) : next_page(talk, answer);
	return last;
}

static int
converse(struct talk *talk)
{
	int error, result = send_request(talk);
	json_t *frame;

	while (!result && (frame = ctl_client_receive(talk->socket, &talk->reader, &error))) {
		bool last = false;

		if (json_object_get(frame, "progress"))
			show_progress(talk, frame);
		else if (json_object_get(frame, "want"))
			result = bring_file(talk, frame);
		else if (!json_object_get(frame, "exit"))
			result = show_event(talk, frame);
		else
			last = take_answer(talk, frame, &result);
		json_decref(frame);
		if (last)
			return result;
	}
	erase_progress(talk);
	return result ? result : no_answer(talk, error);
}

int
talk_run(int socket, const struct options *options)
{
	struct talk talk = { .socket = socket, .options = options, .carried = { .fd = -1 } };
	char error[PATH_MAX + 128];
	int result;

	ctl_reader_init(&talk.reader);
	result = converse(&talk);
	(void)carried_close(&talk.carried, false, error, sizeof error);
	ctl_reader_fini(&talk.reader);
	json_decref(talk.page);
	json_decref(talk.whole);
	return result;
}
