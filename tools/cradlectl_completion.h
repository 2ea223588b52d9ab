/*
 * cradlectl_completion.h - what may follow the words of a command, as the appliance says it. One thread. Allocates.
 */
#pragma once

#include <jansson.h>

#include "tools/cradlectl_options.h"

/* The answer to a question of ours, or NULL: silently. */
json_t *completion_ask(const struct options *options, bool json, int argc, const char *const *argv);
/* What may follow the words, a line each, malloc'ed; NULL: nobody answers. */
char *completion_words(const struct options *options, int argc, char **argv);
/* For shells: the same on standard output, of the words behind `__complete`; nothing at all when nobody answers. */
int completion_print(const struct options *options);
