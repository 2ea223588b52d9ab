/*
 * cradlectl_options.h - the command line: options of this program, before the command's words or behind them.
 *
 * One thread. Writes what is wrong to standard error, or with --json as a line of JSON to standard output.
 */
#pragma once

#include <stdbool.h>

#include "tools/cradlectl_colour.h"

struct options {
	const char *socket;
	bool json, progress, wide;
	enum colour_wish colour;
	const char *columns, *sort; /* of tables; NULL: as they come */
	int timeout_s;              /* for connecting and for every wait; 0: as long as it takes */
	int argc;
	char **argv;
};

/* Says why there is no answer: as people, or with --json machines, look for it. Returns the exit code. */
int options_fail(const struct options *options, int exit_code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* As they are before the first word. */
struct options options_default(void);
/* Over those that *options has. 0, or the exit code after saying what is wrong; ends the program after --help and --version. */
int options_parse(int argc, char **argv, struct options *options);
/* Whether the command begins with these words; `second` NULL: with that one. */
bool options_is(const struct options *options, const char *first, const char *second);
/* The value of `--NAME VALUE` or `--NAME=VALUE` at argv[0] into *value; how many words it was, 0: it is another word. */
int options_value(int argc, char **argv, const char *name, const char **value);
/* A number of seconds, 1 to 86400. */
bool options_seconds(const char *word, int *seconds);
/* Columns of the terminal that the answer is shown on; 0: it goes elsewhere, or the user wants all. */
unsigned options_width(const struct options *options);
