#include "control/config/conf_precheck.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/conf_text.h"

struct bracket {
	char open;
	uint32_t line;
};

/* One walk through a text: comments and strings as wholes. */
struct walk {
	const char *name, *at;
	uint32_t line;
	struct bracket open[CONF_DEPTH_MAX];
	unsigned depth;
	char last; /* the byte that the token before ends with; a string's is its quote */
	struct diag_list *diags;
};

static int __attribute__((format(printf, 3, 4)))
wrong(const struct walk *walk, uint32_t line, const char *format, ...)
{
	struct place place = { .file = walk->name, .line = line };
	va_list args;

	va_start(args, format);
	diag_add(walk->diags, DIAG_ERROR, &place, format, args);
	va_end(args);
	return -EINVAL;
}

/*
 * libconfig 1.5 takes "@include" at the start of a line wherever it is not inside a string or
 * comment. A line that looks like one is refused even there: cheaper than being wrong about what a
 * string is.
 */
static bool
line_includes(const char *line)
{
	line += strspn(line, " \t\r\v\f");
	return strncmp(line, "@include", 8) == 0;
}

/* Behind the comment that starts here, or `at` when none does. */
static const char *
skip_comment(const char *at)
{
	if (*at == '#' || (at[0] == '/' && at[1] == '/'))
		return at + strcspn(at, "\n");
	if (at[0] == '/' && at[1] == '*') {
		const char *end = strstr(at + 2, "*/");

		return end ? end + 2 : at + strlen(at);
	}
	return at;
}

/* Behind the string that starts here, or NULL when it is never closed. */
static const char *
skip_string(const char *at)
{
	for (at++; *at && *at != '"'; at++)
		if (*at == '\\' && at[1])
			at++;
	return *at ? at + 1 : NULL;
}

static bool
is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("_-*", c));
}

static size_t
name_length(const char *at)
{
	size_t len = 0;

	while (is_name(at[len]))
		len++;
	return len;
}

static int
take_bracket(struct walk *walk, char c)
{
	static const char opens[] = "({[", closes[] = ")}]";
	const struct bracket *last = walk->depth ? &walk->open[walk->depth - 1] : NULL;

	assert(walk->depth <= CONF_DEPTH_MAX);
	if (strchr(opens, c)) {
		if (walk->depth == CONF_DEPTH_MAX)
			return wrong(walk, walk->line, "nested too deeply");
		walk->open[walk->depth++] = (struct bracket){ c, walk->line };
		return 0;
	}
	if (!last)
		return wrong(walk, walk->line, "syntax error: this '%c' closes nothing", c);
	if (strchr(closes, c) - closes != strchr(opens, last->open) - opens)
		return wrong(walk, walk->line,
			     "syntax error: this '%c' cannot close the '%c' of line %u", c,
			     last->open, last->line);
	walk->depth--;
	return 0;
}

/*
 * A whole number: libconfig makes another number of one that does not fit in 32 bits, or in 64 with
 * an L behind it, and says nothing.
 */
static int
take_number(struct walk *walk)
{
	const char *at = walk->at + (*walk->at == '-' || *walk->at == '+');
	bool hex = at[0] == '0' && (at[1] | 0x20) == 'x';
	size_t digits = strspn(hex ? at + 2 : at, hex ? "0123456789abcdefABCDEF" : "0123456789");
	const char *end = (hex ? at + 2 : at) + digits;
	long long value;

	walk->at = end;
	if (*end && strchr(".eE", *end)) {
		walk->at += strspn(end, "0123456789.eE+-");
		return 0;
	}
	errno = 0;
	value = strtoll(at, NULL, hex ? 16 : 10);
	walk->at += strspn(end, "L");
	if (errno == ERANGE || (*end != 'L' && value > INT32_MAX))
		return wrong(walk, walk->line,
			     "the number %.*s is too large: here at most %s are understood",
			     (int)(end - at < 60 ? end - at : 60), at,
			     *end == 'L' ? "9223372036854775807" : "2147483647");
	return 0;
}

/* One token. */
static int
take(struct walk *walk)
{
	const char *at = walk->at;

	if (strchr("({[)}]", *at)) {
		walk->at++;
		return take_bracket(walk, *at);
	}
	if (*at == '+' || *at == '-' || (*at >= '0' && *at <= '9')) {
		const char *digit = at + (*at == '+' || *at == '-');

		if (*digit >= '0' && *digit <= '9')
			return take_number(walk);
	}
	walk->at += is_name(*at) ? name_length(at) : 1;
	return 0;
}

/*
 * Behind '=', in a list, or behind another part of itself. Anywhere else it is an error of syntax, and libconfig 1.5 lets go
 * of no text that it did not expect.
 */
static bool
takes_string(const struct walk *walk)
{
	char around = walk->depth ? walk->open[walk->depth - 1].open : '{';

	return (walk->last && strchr("=:([\"", walk->last)) || (walk->last == ',' && around != '{');
}

/* Brackets, strings and numbers. */
static int
check_tokens(struct walk *walk)
{
	while (*walk->at) {
		const char *from = walk->at, *next;
		uint32_t line = walk->line;

		next = *from == '"' ? skip_string(from) : skip_comment(from);
		if (!next)
			return wrong(walk, line, "this text in quotes is never closed");
		if (*from == '"' && !takes_string(walk))
			return wrong(walk, line,
				     "syntax error: no text in quotes can stand here; a setting is "
				     "written NAME = VALUE; and elements of a list have commas "
				     "between");
		if (next != from)
			walk->at = next;
		else if (take(walk))
			return -EINVAL;
		assert(walk->at > from);
		if ((next == from || *from == '"') && !strchr(" \t\r\n\v\f", *from))
			walk->last = walk->at[-1];
		for (; from < walk->at; from++)
			walk->line += *from == '\n';
	}
	if (!walk->depth)
		return 0;
	return wrong(walk, walk->open[walk->depth - 1].line,
		     "syntax error: this '%c' is never closed", walk->open[walk->depth - 1].open);
}

static int
check_bytes(struct walk *walk, const char *text, size_t len)
{
	const char *nul = memchr(text, '\0', len);

	if (len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
		return wrong(walk, 1, "this file is UTF-16: save it as UTF-8");
	if (!nul)
		return 0;
	for (; text < nul; text++)
		walk->line += *text == '\n';
	return wrong(walk, walk->line, "a NUL byte in the text: this is no configuration file");
}

static int
check_includes(const struct walk *walk, const char *line)
{
	for (uint32_t number = 1; line; number++) {
		if (line_includes(line))
			return wrong(walk, number,
				     "@include is not supported: put everything into one file");
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return 0;
}

int
conf_precheck(const char *name, const char *text, size_t len, struct diag_list *diags)
{
	struct walk walk = { .name = name, .at = text, .line = 1, .diags = diags };

	if (check_bytes(&walk, text, len) || check_includes(&walk, text))
		return -EINVAL;
	return check_tokens(&walk);
}

size_t
conf_bom(const char *text, size_t len)
{
	return len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/* --- what libconfig says --- */

static const char *
find_line(const char *text, uint32_t line)
{
	while (--line && (text = strchr(text, '\n')))
		text++;
	return text ? text : "";
}

/* The last byte of code before `end`, with its line; NUL: there is none. */
static char
last_code(const char *text, const char *end, uint32_t *line)
{
	uint32_t number = 1;
	char last = '\0';

	for (const char *at = text; at < end && *at;) {
		const char *next = *at == '"' ? skip_string(at) : skip_comment(at);
		bool code = next && (next == at || *at == '"');

		next = !next || next == at ? at + 1 : next;
		if (code && !strchr(" \t\r\n\v\f", *at)) {
			last = *at;
			*line = number;
		}
		for (; at < next; at++)
			number += *at == '\n';
	}
	return last;
}

/* "level = info": a value that is neither number nor truth, and not in quotes. */
static bool
lacks_quotes(const char *line, size_t *len, const char **value)
{
	const char *equals = strpbrk(line, "=:\n");

	if (!equals || *equals == '\n')
		return false;
	*value = equals + 1 + strspn(equals + 1, " \t");
	*len = name_length(*value);
	return *len && !(**value >= '0' && **value <= '9') && **value != '-' &&
	       !(*len == 4 && strncasecmp(*value, "true", 4) == 0) &&
	       !(*len == 5 && strncasecmp(*value, "false", 5) == 0);
}

/* The name that a line sets and that stands above it, too. */
static bool
find_twice(const char *text, const char *line, const char **name, size_t *len)
{
	for (const char *at = line; *at && *at != '\n'; at += *len ? *len : 1) {
		const char *after;

		*len = name_length(at);
		after = at + *len + strspn(at + *len, " \t");
		if (!*len || (*after != '=' && *after != ':'))
			continue;
		*name = at;
		for (const char *above = text; above < at; above += name_length(above)) {
			if (name_length(above) == *len && memcmp(above, at, *len) == 0)
				return true;
			above += !name_length(above);
		}
	}
	return false;
}

void
conf_explain(const char *name, const char *text, uint32_t line, const char *error,
	     struct diag_list *diags)
{
	const struct walk walk = { .name = name, .diags = diags };
	const char *at = find_line(text, line), *word;
	uint32_t before = 0;
	size_t len;
	char last;

	if (error && strstr(error, "duplicate") && find_twice(text, at, &word, &len)) {
		wrong(&walk, line, "duplicate setting: \"%.*s\" is set here and above",
		      (int)(len < 80 ? len : 80), word);
		return;
	}
	last = last_code(text, at, &before);
	if (!error || strcmp(error, "syntax error") != 0)
		wrong(&walk, line, "%s", error ? error : "cannot be parsed");
	else if (lacks_quotes(at, &len, &word))
		wrong(&walk, line, "syntax error: text stands in quotes: \"%.*s\"",
		      (int)(len < 80 ? len : 80), word);
	else if (last && !strchr(";,({[=:", last))
		wrong(&walk, line,
		      "syntax error: does not go on from line %u, where a ';' or ',' may be "
		      "missing at the end",
		      before);
	else
		wrong(&walk, line,
		      "syntax error: a setting is written NAME = VALUE; and elements of a list "
		      "have commas between");
}
