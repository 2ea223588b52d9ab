/*
 * conf_precheck.h - what libconfig's own parser must not get to see, and what it tells badly.
 *
 * The parser and config_destroy() recurse by nesting; @include opens other files; a number that is
 * too large becomes another one; of a string or bracket that is never closed it tells the last line
 * of the file, and of a missing ';' the line behind. Pure; looks at text alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tasks/diag.h"

/*
 * `text`, of `len` bytes, ends in NUL. 0, or -EINVAL after adding an error at its line of the file
 * `name`.
 */
int conf_precheck(const char *name, const char *text, size_t len, struct diag_list *diags)
	__attribute__((warn_unused_result));
/* Adds libconfig's `error` at `line`, with what may be behind it. */
void conf_explain(const char *name, const char *text, uint32_t line, const char *error,
		  struct diag_list *diags);
/* Bytes of a byte order mark at the start: they are no part of what a file says. */
size_t conf_bom(const char *text, size_t len);
