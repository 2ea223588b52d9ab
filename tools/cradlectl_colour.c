#include "tools/cradlectl_colour.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define RED    "\033[31m"
#define CYAN   "\033[36m"
#define DIM    "\033[2m"
#define PLAIN  "\033[0m"

static const struct word {
	const char *text, *colour;
} cells[] = {
	{ "Success", GREEN },
	{ "Warning", YELLOW },
	{ "Error", RED },
	{ "InProgress", CYAN },
	{ "NotStarted", DIM },
	{ "Registered", GREEN },
	{ "ready", GREEN },
	{ "would be sent", GREEN },
	{ "bootstrapping", CYAN },
	{ "returning", YELLOW },
	{ "nothing to send", YELLOW },
	{ "not now", YELLOW },
	{ "left out", YELLOW },
	{ "paused", DIM },
};

static const struct word openings[] = {
	{ "warning:", YELLOW },
	{ "error:", RED },
	{ "WARNING:", RED },
};

bool
colour_wish_of(const char *word, enum colour_wish *wish)
{
	static const char *const words[] = { "auto", "always", "never" };

	for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(word, words[i]) == 0) {
			*wish = (enum colour_wish)i;
			return true;
		}
	return false;
}

bool
colour_wanted(enum colour_wish wish, FILE *to)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (wish != COLOUR_AUTO)
		return wish == COLOUR_ALWAYS;
	return !(no && *no) && !(term && strcmp(term, "dumb") == 0) && isatty(fileno(to));
}

static void
put_coloured(FILE *to, const char *at, size_t len, const char *colour)
{
	if (colour)
		fputs(colour, to);
	fwrite(at, 1, len, to);
	if (colour)
		fputs(PLAIN, to);
}

/* Its colour, or NULL. */
static const char *
colour_of_cell(const char *at, size_t len)
{
	for (unsigned i = 0; i < sizeof cells / sizeof *cells; i++)
		if (strlen(cells[i].text) == len && memcmp(cells[i].text, at, len) == 0)
			return cells[i].colour;
	return NULL;
}

/* Where a cell ends: at two blanks, or with the line. */
static size_t
cell_len(const char *at, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++)
		if (at[i] == ' ' && at[i + 1] == ' ')
			return i;
	return len && at[len - 1] == ' ' ? len - 1 : len;
}

static size_t
put_opening(FILE *to, const char *at, size_t len)
{
	for (unsigned i = 0; i < sizeof openings / sizeof *openings; i++) {
		size_t n = strlen(openings[i].text);

		if (len >= n && memcmp(at, openings[i].text, n) == 0) {
			put_coloured(to, at, n, openings[i].colour);
			return n;
		}
	}
	return 0;
}

static void
put_line(FILE *to, const char *at, size_t len)
{
	size_t n = put_opening(to, at, len);

	while (n < len) {
		size_t cell = cell_len(at + n, len - n), blanks = strspn(at + n + cell, " ");

		put_coloured(to, at + n, cell, cell ? colour_of_cell(at + n, cell) : NULL);
		n += cell;
		if (blanks > len - n)
			blanks = len - n;
		fwrite(at + n, 1, blanks, to);
		n += blanks;
	}
}

void
colour_put(FILE *to, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		put_line(to, text, len);
		text += len;
		if (*text == '\n')
			fputc(*text++, to);
	}
}
