/* Who changed what: the audit file, shown and checked. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/audit/audit_chain.h"
#include "control/commands/show.h"

enum {
	PUMP_LINES = 50, /* between two looks at workers: some 100 us */
	LIST_MAX = 1000,
};

/* ---- lines of a file, from the first to the last ---- */

struct audit_lines {
	struct call *call;
	struct audit_chain chain;
	char error[AUDIT_ERROR_MAX];
	/* Called with each line; it keeps no reference. */
	void (*each)(void *ctx, json_t *line);
	void *ctx;
};

/* 0 or -errno, and `error` says why. */
static int
read_lines(struct audit_lines *lines, FILE *file)
{
	char *line = NULL;
	size_t capacity = 0;
	ssize_t len;
	json_t *json;
	int result = 0;

	while (!result && (len = getline(&line, &capacity, file)) > 0) {
		if (line[len - 1] == '\n')
			len--;
		result = audit_chain_take(&lines->chain, line, (size_t)len, &json, lines->error);
		if (json && lines->each)
			lines->each(lines->ctx, json);
		json_decref(json);
		if (lines->chain.lines % PUMP_LINES == 0)
			pump_run(&lines->call->service->pump);
	}
	free(line);
	return result;
}

/* The file that came with the call, or ours; NULL after refusing. */
static FILE *
open_lines(struct call *call, const char **name)
{
	struct audit_info info;
	FILE *file;
	int fd;

	*name = call_option(call, "--file");
	if (*name) {
		fd = fcntl(call->fd, F_DUPFD_CLOEXEC, 0);
	} else {
		if (!call->daemon->audit) {
			call_refuse(call, CTL_REFUSED, "there is no audit file");
			return NULL;
		}
		audit_info(call->daemon->audit, &info);
		*name = info.path;
		fd = open(info.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	}
	file = fd < 0 ? NULL : fdopen(fd, "r");
	if (!file) {
		call_refuse(call, CTL_REFUSED, "%s: %s", *name, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	return file;
}

/* ---- verify ---- */

/* Whether a line that the log tells of is there as it tells: "SEQ:HASH", or nothing asked. */
struct anchor {
	uint64_t seq;
	const char *hash; /* NULL: not asked */
	bool found;
};

static bool
take_anchor(struct call *call, struct anchor *anchor)
{
	const char *text = call_option(call, "--anchor");
	char *end;

	if (!text)
		return true;
	anchor->seq = strtoull(text, &end, 10);
	anchor->hash = end + 1;
	if (end != text && *end == ':' && strlen(anchor->hash) == AUDIT_HASH_MAX - 1)
		return true;
	call_refuse(call, CTL_USAGE, "an anchor is NUMBER:HASH, as the log tells it");
	return false;
}

static void
look_for_anchor(void *ctx, json_t *line)
{
	struct anchor *anchor = ctx;
	const char *hash = json_string_value(json_object_get(line, "hash"));

	if (anchor->hash && (uint64_t)json_integer_value(json_object_get(line, "seq")) == anchor->seq)
		anchor->found = hash && strcmp(hash, anchor->hash) == 0;
}

static void
tell_verdict(struct call *call, const struct audit_lines *lines, const char *name, const char *wrong)
{
	const struct audit_chain *chain = &lines->chain;

	if (wrong)
		call_refuse(call, CTL_REFUSED, "%s: %s", name, wrong);
	else
		text_show(&call->text, "%s: %llu line%s follow%s each other, the last is %s%s%s\n", name,
			  (unsigned long long)chain->seq, PLURAL(chain->seq), chain->seq == 1 ? "s" : "",
			  chain->seq ? chain->hash : "none",
			  chain->cut ? "; lines were cut when the program or its machine died" : "",
			  chain->seq ? "" : " yet");
	call->result = json_pack("{s:b, s:I, s:I, s:s}", "good", wrong == NULL, "lines",
				 (json_int_t)chain->seq, "cut", (json_int_t)chain->cut, "hash",
				 chain->hash);
}

void
command_audit_verify(struct call *call)
{
	struct anchor anchor = { 0 };
	struct audit_lines lines = { .call = call, .each = look_for_anchor, .ctx = &anchor };
	const char *name;
	FILE *file = take_anchor(call, &anchor) ? open_lines(call, &name) : NULL;
	int result;

	if (!file)
		return;
	result = read_lines(&lines, file);
	fclose(file);
	if (result == 0 && anchor.hash && !anchor.found)
		tell_verdict(call, &lines, name,
			     "the line that the log tells of is not there, or another: the file was made "
			     "anew or cut");
	else
		tell_verdict(call, &lines, name, result < 0 ? lines.error : NULL);
}

/* ---- list ---- */

/* The newest lines that are asked for: a ring. */
struct newest {
	json_t *lines[LIST_MAX];
	size_t limit, n;
	const char *match; /* a word of the command, or who asked; NULL: all */
};

static bool
fits(const struct newest *newest, const json_t *line)
{
	const json_t *by = json_object_get(line, "by");
	const char *actor = json_string_value(json_object_get(by, "actor"));
	const json_t *word;
	size_t i;

	if (!newest->match || (actor && strcmp(actor, newest->match) == 0))
		return true;
	json_array_foreach(json_object_get(line, "command"), i, word)
		if (strcmp(json_string_value(word) ? json_string_value(word) : "", newest->match) == 0)
			return true;
	return false;
}

static void
keep_newest(void *ctx, json_t *line)
{
	struct newest *newest = ctx;
	size_t at = newest->n % newest->limit;

	if (!fits(newest, line))
		return;
	json_decref(newest->lines[at]);
	newest->lines[at] = json_incref(line);
	newest->n++;
}

static void
put_line(struct table *table, json_t *list, json_t *line)
{
	const json_t *by = json_object_get(line, "by"), *word;
	const char *actor = json_string_value(json_object_get(by, "actor"));
	json_int_t uid = json_integer_value(json_object_get(by, "uid"));
	struct text words;
	size_t i;

	text_init(&words);
	json_array_foreach(json_object_get(line, "command"), i, word)
		text_show(&words, "%s%s", i ? " " : "", json_string_value(word));
	table_cell(table, "%lld", (long long)json_integer_value(json_object_get(line, "seq")));
	table_cell(table, "%.19s", json_string_value(json_object_get(line, "time")));
	if (actor)
		table_cell(table, "%s", actor);
	else if (json_object_get(by, "uid"))
		table_cell(table, "uid %lld", (long long)uid);
	else
		table_cell(table, "-");
	table_cell(table, "%s", json_string_value(json_object_get(line, "outcome")));
	table_cell(table, "%s", text_str(&words));
	text_fini(&words);
	json_array_append(list, line);
}

static void
put_newest(struct call *call, struct newest *newest)
{
	size_t kept = newest->n < newest->limit ? newest->n : newest->limit;
	json_t *list = json_array();
	struct table table;

	table_init(&table, "number:3|time|by:1|outcome:2|~command");
	for (size_t i = newest->n - kept; i < newest->n; i++) {
		put_line(&table, list, newest->lines[i % newest->limit]);
		json_decref(newest->lines[i % newest->limit]);
	}
	table_finish(&table, &call->text);
	call->result = json_pack("{s:o}", "lines", list);
}

void
command_audit_list(struct call *call)
{
	long limit = call_number(call, "--limit", 50, LIST_MAX);
	struct newest newest = { .limit = (size_t)limit, .match = call_option(call, "--match") };
	struct audit_lines lines = { .call = call, .each = keep_newest, .ctx = &newest };
	const char *name;
	FILE *file;
	int result;

	if (call->exit == CTL_DONE && limit == 0)
		call_refuse(call, CTL_USAGE, "--limit needs at least 1");
	file = call->exit == CTL_DONE ? open_lines(call, &name) : NULL;
	if (!file)
		return;
	result = read_lines(&lines, file);
	fclose(file);
	put_newest(call, &newest);
	if (result < 0)
		text_show(&call->text, "%s: %s: `audit verify`\n", name, lines.error);
}
