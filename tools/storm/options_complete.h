/*
 * options_complete.h - the options together: defaults, what follows from what was given, and
 * whether it fits together.
 *
 * Owner: the caller; one thread. Allocates nothing.
 */
#pragma once

#include "tools/storm/options.h"

/* Before the first option is taken. */
void options_set_defaults(struct options *options);
/* After the last. -1: reported on standard error. */
int options_complete(struct options *options) __attribute__((warn_unused_result));
