#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cradlectl_words.h"

/* Reading one line. */
struct splitting {
	struct words *words;
	char *to; /* where the next character goes */
	enum words_end in;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
begin_word(struct splitting *it, size_t at)
{
	if (it->words->open)
		return;
	it->words->argv[it->words->n++] = it->to;
	it->words->last_start = at;
	it->words->open = true;
}

static void
end_word(struct splitting *it)
{
	if (it->words->open)
		*it->to++ = '\0';
	it->words->open = false;
}

/* Outside of quotes. */
static void
take_plain(struct splitting *it, char c, size_t at)
{
	if (is_blank(c)) {
		end_word(it);
		return;
	}
	if (c == '#' && !it->words->open) {
		it->in = WORDS_IN_REMARK;
		return;
	}
	begin_word(it, at);
	if (c == '\'')
		it->in = WORDS_IN_SINGLE;
	else if (c == '"')
		it->in = WORDS_IN_DOUBLE;
	else if (c == '\\')
		it->in = WORDS_IN_ESCAPE;
	else
		*it->to++ = c;
}

/* Inside of "...": true when the next character was taken, too. */
static bool
take_double(struct splitting *it, char c, char next)
{
	bool escapes = c == '\\' && next && strchr("\"\\$`", next);

	if (c == '"')
		it->in = WORDS_WHOLE;
	else
		*it->to++ = escapes ? next : c;
	return escapes;
}

static void
take_quoted(struct splitting *it, char c)
{
	if (it->in == WORDS_IN_REMARK)
		return;
	if (it->in == WORDS_IN_SINGLE && c == '\'') {
		it->in = WORDS_WHOLE;
		return;
	}
	*it->to++ = c;
	if (it->in == WORDS_IN_ESCAPE)
		it->in = WORDS_WHOLE;
}

enum words_end
words_split(const char *line, size_t len, struct words *words)
{
	struct splitting it = { .words = words };
	size_t i;

	/* A word takes two bytes of the line at least, but for the last: itself and what ends it. */
	*words = (struct words){ .size = len + 1 };
	words->text = malloc(len + 1);
	words->argv = calloc(len / 2 + 2, sizeof *words->argv);
	if (!words->text || !words->argv) {
		words_free(words);
		return WORDS_NO_MEMORY;
	}
	it.to = words->text;
	for (i = 0; i < len && line[i]; i++) {
		if (it.in == WORDS_WHOLE)
			take_plain(&it, line[i], i);
		else if (it.in == WORDS_IN_DOUBLE)
			i += take_double(&it, line[i], i + 1 < len ? line[i + 1] : '\0');
		else
			take_quoted(&it, line[i]);
	}
	if (words->open)
		*it.to = '\0';
	return i < len ? WORDS_NUL : it.in;
}

void
words_free(struct words *words)
{
	if (words->text)
		explicit_bzero(words->text, words->size);
	free(words->text);
	free(words->argv);
	*words = (struct words){ 0 };
}

const char *
words_error(enum words_end end)
{
	switch (end) {
	case WORDS_IN_SINGLE:
		return "the line ends before a ' that closes what the last one opened";
	case WORDS_IN_DOUBLE:
		return "the line ends before a \" that closes what the last one opened";
	case WORDS_IN_ESCAPE:
		return "the line ends with a backslash, which stands before a character";
	case WORDS_NUL:
		return "a zero byte stands in the line";
	case WORDS_NO_MEMORY:
		return "out of memory";
	default:
		return NULL;
	}
}

static bool
is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (unsigned char)c >= 0x80 || (c && strchr("_@%+=:,./-", c));
}

char *
words_quote(const char *word)
{
	char *quoted, *to;

	if (!*word)
		return strdup("''");
	to = quoted = malloc(2 * strlen(word) + 1);
	if (!quoted)
		return NULL;
	for (; *word; word++) {
		if (!is_plain(*word))
			*to++ = '\\';
		*to++ = *word;
	}
	*to = '\0';
	return quoted;
}
