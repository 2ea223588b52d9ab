#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

#include "control/socket/ctl_proto.h"
#include "tasks/utf8.h"
#include "tools/cradlectl_history.h"
#include "tools/cradlectl_shell.h"
#include "tools/cradlectl_words.h"

enum {
	LINE_BYTES_MAX = CTL_REQUEST_MAX, /* of input that is no terminal: more is no request */
	CANDIDATES_MAX = 1000,
	CANDIDATES_SHOWN = 200,
	ENDED_BY_SIGNAL = 128, /* and its number: as shells say it */
};

struct shell {
	const struct shell_calls *calls;
	sigset_t unblocked; /* signals are only taken where this is in force */
	EditLine *editor;   /* NULL: no terminal */
	History *history;
	int history_fd; /* -1: none */
	int exit_code;
	bool ended;
};

/* ---- signals ---- */

static volatile sig_atomic_t interrupted, resized, ending, running;

static void
on_signal(int number)
{
	if (number == SIGINT)
		interrupted = 1;
	else if (number == SIGWINCH)
		resized = 1;
	else
		ending = number;
	if (ending && running)
		kill(running, SIGTERM);
}

static const int handled[] = { SIGINT, SIGWINCH, SIGTERM, SIGHUP };

/* Signals wait until await_input(), so that none falls between a look and a wait. */
static void
take_signals(struct shell *shell)
{
	const struct sigaction action = { .sa_handler = on_signal }; /* without SA_RESTART */
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof handled / sizeof *handled; i++) {
		sigaddset(&blocked, handled[i]);
		sigaction(handled[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, &shell->unblocked);
}

static void
leave_signals(const struct shell *shell)
{
	for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
		signal(handled[i], SIG_DFL);
	sigprocmask(SIG_SETMASK, &shell->unblocked, NULL);
}

/* False: a signal came that ends the line or the shell, or input is broken. */
static bool
await_input(const struct shell *shell)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

	while (!interrupted && !ending) {
		if (resized && shell->editor)
			el_resize(shell->editor);
		resized = 0;
		if (ppoll(&input, 1, NULL, &shell->unblocked) > 0)
			return true;
		if (errno != EINTR)
			return false;
	}
	return false;
}

/* 1, 0 at the end, -1. One byte, for what follows the line may be a command's standard input. */
static int
read_byte(const struct shell *shell, char *byte)
{
	if (!await_input(shell))
		return -1;
	return (int)read(STDIN_FILENO, byte, 1);
}

/* ---- one command ---- */

/* In a process of its own, which Ctrl-C reaches, too: it says what becomes of the command. */
static int
run_apart(struct shell *shell, int argc, char **argv)
{
	sigset_t end_signals, interrupt;
	const struct timespec at_once = { 0 };
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child < 0) {
		fprintf(stderr, "cradlectl: no process for the command: %s\n", strerror(errno));
		return CTL_REFUSED;
	}
	if (!child) {
		leave_signals(shell);
		exit(shell->calls->run(shell->calls->context, argc, argv));
	}
	running = child;
	sigemptyset(&end_signals);
	sigaddset(&end_signals, SIGTERM);
	sigaddset(&end_signals, SIGHUP);
	sigprocmask(SIG_UNBLOCK, &end_signals, NULL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	running = 0;
	sigprocmask(SIG_BLOCK, &end_signals, NULL);
	/* An interrupt was the command's. Without a terminal it ends the lines, too. */
	sigemptyset(&interrupt);
	sigaddset(&interrupt, SIGINT);
	while (sigtimedwait(&interrupt, NULL, &at_once) > 0)
		interrupted = !shell->editor;
	return WIFEXITED(status) ? WEXITSTATUS(status) : ENDED_BY_SIGNAL + WTERMSIG(status);
}

static void
remember(struct shell *shell, const char *line, enum history_keep keep)
{
	HistEvent event;
	int error;

	if (!shell->history || keep == HISTORY_NEVER)
		return;
	history(shell->history, &event, H_ENTER, line);
	if (shell->history_fd < 0 || keep != HISTORY_FILE)
		return;
	error = history_add(shell->history_fd, line);
	if (!error)
		return;
	fprintf(stderr, "cradlectl: the history is written no more: %s\n", strerror(-error));
	close(shell->history_fd);
	shell->history_fd = -1;
}

/* Asked for every line: the appliance may be another one by now. */
static enum history_keep
judge(const struct shell *shell, const struct words *words)
{
	json_t *schema = shell->history ? shell->calls->schema(shell->calls->context) : NULL;
	enum history_keep keep = history_judge(schema, words->n, words->argv);

	json_decref(schema);
	return keep;
}

static void
run_line(struct shell *shell, const char *line, size_t len)
{
	struct words words;
	enum words_end end = words_split(line, len, &words);
	const char *error = words_error(end);

	if (error) {
		fprintf(stderr, "cradlectl: %s\n", error);
		shell->exit_code = CTL_USAGE;
		if (end != WORDS_NUL)
			remember(shell, line, HISTORY_SESSION);
	} else if (words.n == 1 && strcmp(words.argv[0], "exit") == 0) {
		shell->ended = true;
	} else if (words.n) {
		remember(shell, line, judge(shell, &words));
		shell->exit_code = run_apart(shell, words.n, words.argv);
	}
	words_free(&words);
}

/* ---- completion ---- */

struct candidates {
	char *text; /* holds them */
	const char *words[CANDIDATES_MAX];
	size_t n;
	size_t common; /* bytes that all begin with */
};

static void
add_candidate(struct candidates *list, const char *word)
{
	size_t len = strlen(word), same = 0;

	if (!len || list->n == CANDIDATES_MAX)
		return;
	while (list->n && same < list->common && word[same] == list->words[0][same])
		same++;
	list->common = list->n ? utf8_cut(word, len, same) : len;
	list->words[list->n++] = word;
}

/* Our own options before the command are not the command's. */
static int
options_before(int argc, char **argv)
{
	static const char *const valued[] = { "-s",        "--socket", "-t",       "--timeout",
					      "--columns", "--sort",   "--colour", "--color" };
	int n = 0;

	while (n + 1 < argc && argv[n][0] == '-') {
		bool takes = false;

		for (size_t i = 0; i < sizeof valued / sizeof *valued; i++)
			takes |= strcmp(argv[n], valued[i]) == 0;
		n += takes && n + 2 < argc ? 2 : 1;
	}
	return n;
}

static void
find_candidates(const struct shell *shell, struct candidates *list, int argc, char **argv)
{
	int before = options_before(argc, argv);
	char *at, *next;

	list->text = shell->calls->complete(shell->calls->context, argc - before, argv + before);
	for (at = list->text; at && *at; at = next) {
		next = at + strcspn(at, "\n");
		if (*next)
			*next++ = '\0';
		add_candidate(list, at);
	}
	if (argc - before == 1 && strncmp("exit", argv[before], strlen(argv[before])) == 0)
		add_candidate(list, "exit");
}

/* Columns of the terminal. */
static size_t
screen_width(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

static void
list_candidates(const struct candidates *list)
{
	size_t shown = list->n < CANDIDATES_SHOWN ? list->n : CANDIDATES_SHOWN, widest = 0, a_row;

	for (size_t i = 0; i < shown; i++) {
		size_t width = utf8_width(list->words[i], strlen(list->words[i]));

		widest = width > widest ? width : widest;
	}
	/* The last column of a terminal stays free: some wrap there. */
	a_row = (screen_width() - 1 + 2) / (widest + 2);
	a_row = a_row ? a_row : 1;
	for (size_t i = 0; i < shown; i++) {
		const char *word = list->words[i];
		bool last = i % a_row == a_row - 1 || i + 1 == shown;

		printf("%s%s%*s", i % a_row ? "" : "\n", word,
		       last ? 0 : (int)(widest + 2 - utf8_width(word, strlen(word))), "");
	}
	if (list->n > shown)
		printf("\n... and %zu more: type more of it", list->n - shown);
	putchar('\n');
	fflush(stdout);
}

/* Puts `word` in the place of what is typed: the last `characters` before the cursor. */
static bool
replace_typed(EditLine *editor, size_t characters, const char *word, bool whole)
{
	char *quoted = words_quote(word);
	bool done;

	if (!quoted)
		return false;
	el_deletestr(editor, (int)characters);
	done = el_insertstr(editor, quoted) == 0 && (!whole || el_insertstr(editor, " ") == 0);
	free(quoted);
	return done;
}

/* The typed word of the line is `raw`, and means `typed`. What libedit is to do. */
static unsigned char
complete_word(struct shell *shell, const struct candidates *list, const char *raw,
	      const char *typed)
{
	unsigned char result = CC_ERROR;
	char *word;

	if (!list->n)
		return CC_ERROR;
	if (list->n > 1 && list->common <= strlen(typed)) {
		list_candidates(list);
		return CC_REDISPLAY;
	}
	word = strndup(list->words[0], list->common);
	if (word && replace_typed(shell->editor, utf8_length(raw, strlen(raw)), word, list->n == 1))
		result = CC_REFRESH;
	free(word);
	return result;
}

/* Tab. */
static unsigned char
on_tab(EditLine *editor, int key)
{
	const LineInfo *info = el_line(editor);
	size_t len = (size_t)(info->cursor - info->buffer);
	struct candidates *list = calloc(1, sizeof *list);
	unsigned char result = CC_ERROR;
	char *line = strndup(info->buffer, len);
	static char nothing[] = "";
	struct shell *shell;
	struct words words;
	enum words_end end;

	el_get(editor, EL_CLIENTDATA, &shell);
	end = line && list ? words_split(line, len, &words) : WORDS_NO_MEMORY;
	if (end != WORDS_NO_MEMORY && end != WORDS_IN_REMARK) {
		const char *raw = words.open ? line + words.last_start : "";

		/* There is room: a word takes two bytes of the line, and this one none. */
		if (!words.open)
			words.argv[words.n++] = nothing;
		find_candidates(shell, list, words.n, words.argv);
		result = complete_word(shell, list, raw, words.argv[words.n - 1]);
	}
	if (end != WORDS_NO_MEMORY)
		words_free(&words);
	if (list)
		free(list->text);
	free(list);
	free(line);
	return result;
}

/* ---- a terminal ---- */

static char *
prompt(EditLine *editor)
{
	static char text[] = "cradle> ";

	return text;
}

/* A character for libedit: 1, 0 at the end, -1. Its own reader would go on after a signal. */
static int
read_character(EditLine *editor, wchar_t *character)
{
	mbstate_t state = { 0 };
	struct shell *shell;
	size_t len;
	char byte;
	int got;

	el_get(editor, EL_CLIENTDATA, &shell);
	while ((got = read_byte(shell, &byte)) > 0) {
		bool begun = !mbsinit(&state);

		len = mbrtowc(character, &byte, 1, &state);
		if (len == (size_t)-1) {
			/* What was begun is no character; this byte may be one. */
			memset(&state, 0, sizeof state);
			len = begun ? mbrtowc(character, &byte, 1, &state) : len;
		}
		if (len == (size_t)-1)
			memset(&state, 0, sizeof state);
		else if (len != (size_t)-2)
			return 1;
	}
	return got;
}

static void
offer_again(void *context, const char *line)
{
	HistEvent event;

	history(context, &event, H_ENTER, line);
}

static void
open_history(struct shell *shell)
{
	char path[HISTORY_PATH_MAX], error[HISTORY_ERROR_MAX];
	HistEvent event;

	shell->history = history_init();
	if (!shell->history)
		return;
	history(shell->history, &event, H_SETSIZE, HISTORY_LINES);
	history(shell->history, &event, H_SETUNIQUE, 1);
	if (!history_path(path))
		return;
	shell->history_fd = history_open(path, offer_again, shell->history, error);
	if (shell->history_fd < 0)
		fprintf(stderr, "cradlectl: %s\n", error);
}

static bool
open_editor(struct shell *shell)
{
	/* Names are UTF-8 whatever the locale says of text. */
	if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C.UTF-8");
	shell->editor = el_init("cradlectl", stdin, stdout, stderr);
	if (!shell->editor)
		return false;
	open_history(shell);
	el_set(shell->editor, EL_CLIENTDATA, shell);
	el_set(shell->editor, EL_PROMPT, prompt);
	el_set(shell->editor, EL_SIGNAL, 0);
	el_set(shell->editor, EL_GETCFN, read_character);
	el_set(shell->editor, EL_EDITOR, "emacs");
	if (shell->history)
		el_set(shell->editor, EL_HIST, history, shell->history);
	el_set(shell->editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
	el_source(shell->editor, NULL); /* ~/.editrc: as its user likes it */
	el_set(shell->editor, EL_ADDFN, "cradle-complete", "completes a word", on_tab);
	el_set(shell->editor, EL_BIND, "^I", "cradle-complete", NULL);
	return true;
}

static void
close_editor(struct shell *shell)
{
	el_end(shell->editor);
	if (shell->history)
		history_end(shell->history);
	if (shell->history_fd >= 0)
		close(shell->history_fd);
}

static void
edit_lines(struct shell *shell)
{
	const char *edited;
	char *line;
	int len = 0;

	while (!shell->ended && !ending) {
		interrupted = 0;
		/* Whoever stopped this at the prompt would find the terminal as the editor had it. */
		signal(SIGTSTP, SIG_IGN);
		/* Before the prompt, or a key that is pressed at once would be taken as for a command. */
		el_set(shell->editor, EL_PREP_TERM, 1);
		edited = el_gets(shell->editor, &len);
		signal(SIGTSTP, SIG_DFL);
		if (interrupted && !ending) {
			puts("^C");
			el_reset(shell->editor);
			continue;
		}
		if (!edited || len <= 0) {
			putchar('\n');
			break;
		}
		line = strndup(edited, strcspn(edited, "\n"));
		if (!line)
			break;
		run_line(shell, line, strlen(line));
		explicit_bzero(line, strlen(line));
		free(line);
	}
}

/* ---- lines of a file or pipe ---- */

static void
take_lines(struct shell *shell)
{
	char *line = malloc(LINE_BYTES_MAX + 1), byte;
	size_t len = 0;
	int got = 1;

	while (line && got > 0 && !shell->ended) {
		got = read_byte(shell, &byte);
		if (got > 0 && byte != '\n') {
			if (len < LINE_BYTES_MAX)
				line[len] = byte;
			len++;
			continue;
		}
		if (got < 0)
			break;
		if (len > LINE_BYTES_MAX) {
			fprintf(stderr, "cradlectl: a line is longer than %d bytes\n",
				LINE_BYTES_MAX);
			shell->exit_code = CTL_USAGE;
		} else {
			line[len] = '\0';
			run_line(shell, line, len);
		}
		len = 0;
	}
	if (line)
		explicit_bzero(line, LINE_BYTES_MAX + 1);
	free(line);
	if (interrupted)
		shell->exit_code = ENDED_BY_SIGNAL + SIGINT;
}

int
shell_run(const struct shell_calls *calls)
{
	struct shell shell = { .calls = calls, .history_fd = -1 };

	take_signals(&shell);
	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && open_editor(&shell)) {
		edit_lines(&shell);
		close_editor(&shell);
	} else {
		take_lines(&shell);
	}
	leave_signals(&shell);
	return ending ? ENDED_BY_SIGNAL + ending : shell.exit_code;
}
