/*
 * cradlectl_colour.h - words of a status in colour, where a person looks at them.
 *
 * The appliance sends text without any control character; what stands in a cell of a table by itself, or opens a line as
 * "warning:" or "error:", is coloured here. Colours take no columns. One thread; nothing is kept.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

enum colour_wish { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

/* "auto", "always" or "never"; false: it is none of them. */
bool colour_wish_of(const char *word, enum colour_wish *wish);
/* AUTO: `to` is a terminal that is not dumb, and NO_COLOR (no-color.org) is not set. */
bool colour_wanted(enum colour_wish wish, FILE *to);
void colour_put(FILE *to, const char *text);
