/*
 * What an operator may ask: lines of words against a daemon on a fake dataplane. Whatever is asked, the answer is one that
 * can be sent and shown: UTF-8 that misleads no terminal, with a reason where it is refused, as JSON, too.
 *
 * Words are apart by blanks; a word `<` is no word: the rest of the input is then what the client read for the command. An
 * input that only looked leaves the daemon to the next; whatever may have left something behind has it made anew, so that an
 * input alone does what it did in a search.
 */
#define PLAIN_NO_MAIN
#include "tests/unit/control_world.h"

#include <sys/mman.h>

#include "control/log.h"
#include "control/runs/traced.h"
#include "tasks/show.h"
#include "tasks/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = CTL_ARGUMENTS_MAX, LINES_MAX = 8, INPUTS_MAX = 1000 };

static struct world world;
static unsigned inputs; /* that this world has seen; 0: there is none */
static bool is_touched; /* by the input that runs */

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
check_text(const char *text)
{
	require(!text || show_is_plain(text, strlen(text)));
}

static void
check_answer(struct ctl_answer *answer)
{
	char *json;

	require(answer->exit == CTL_DONE || answer->exit == CTL_REFUSED || answer->exit == CTL_USAGE);
	require(answer->exit == CTL_DONE || answer->want || answer->error || answer->text ||
		answer->result);
	check_text(answer->text);
	check_text(answer->error);
	if (answer->result) {
		json = json_dumps(answer->result, JSON_COMPACT);
		require(json != NULL);
		free(json);
	}
	free(answer->text);
	free(answer->error);
	json_decref(answer->result);
	free(answer->next);
	if (answer->source.fill)
		answer->source.free(answer->source.ctx);
}

/* Does more than look: it changes something, or goes on behind its answer. */
static bool
touches(const char *words, const struct ctl_answer *answer)
{
	if (answer->want || answer->source.fill || answer->next)
		return true;
	if (answer->exit == CTL_USAGE)
		return false; /* its words were wrong: it did not run, and most of a search is that */
	for (unsigned i = 0; i < n_commands; i++)
		if (commands[i].words == words)
			return commands[i].changes;
	return false; /* no command was understood */
}

static void
serve(const struct ctl_request *request, struct ctl_answer *answer)
{
	/* The cause of the turn becomes the command that was understood. */
	world.daemon.turns.cause = "input";
	commands_serve(&world.daemon, request, answer);
	is_touched = is_touched || touches(world.daemon.turns.cause, answer);
	world.daemon.turns.cause = NULL;
}

/* The file that a client opens for the command. */
static int
file_of(const char *data, size_t len)
{
	int fd = memfd_create("fuzz", 0);

	require(fd >= 0 && write(fd, data, len) == (ssize_t)len && lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

/* Asks; where the command wants a file, the client asks once more with it. */
static void
ask(int argc, const char *const *argv, const char *data, size_t len)
{
	struct ctl_request request = { .argc = argc, .argv = argv, .fd = -1, .data = data, .data_len = len };
	struct ctl_answer answer = { 0 };
	enum ctl_want want;

	serve(&request, &answer);
	want = answer.want;
	check_answer(&answer);
	if (want == CTL_WANT_NOTHING)
		return;
	answer = (struct ctl_answer){ 0 };
	request.fd = file_of(data ? data : "", len);
	request.data = NULL;
	request.data_len = 0;
	serve(&request, &answer);
	close(request.fd);
	check_answer(&answer);
}

static void
ask_line(char *line, const char *rest, size_t rest_len)
{
	const char *argv[WORDS_MAX];
	const char *data = NULL;
	int argc = 0;
	char *word;

	if (!utf8_valid(line, strlen(line)))
		return; /* no frame of the protocol holds it */
	while (argc < WORDS_MAX && (word = strsep(&line, " ")))
		if (strcmp(word, "<") == 0)
			data = rest;
		else
			argv[argc++] = word;
	if (argc && strcmp(argv[0], "stop") != 0)
		ask(argc, argv, data, data ? rest_len : 0);
}

static void
end_world(void)
{
	if (!inputs)
		return;
	traced_fini(&world.service->traced);
	world_stop(&world);
	inputs = 0;
}

static void
begin_world(void)
{
	static bool is_known;

	if (!inputs)
		world_start(&world);
	if (!is_known)
		is_known = atexit(end_world) == 0;
	inputs++;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = strndup((const char *)data, size), *at = copy, *line;
	size_t len;

	require(copy != NULL);
	len = strlen(copy);
	log_set_level(SEVERITY_ERROR);
	begin_world();
	is_touched = false;
	for (unsigned i = 0; i < LINES_MAX && (line = strsep(&at, "\n")); i++)
		ask_line(line, at ? at : "", at ? len - (size_t)(at - copy) : 0);
	if (is_touched || inputs == INPUTS_MAX)
		end_world();
	free(copy);
	return 0;
}
