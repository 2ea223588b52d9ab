/*
 * cradlectl_alone.h - commands without a running appliance: they become `cradled` with the right words. One thread.
 */
#pragma once

#include "tools/cradlectl_options.h"

/*
 * `task check FILE [-c CONF]`, `check --offline [-c CONF]` and `store restore DIR [--replace] [-c CONF]` never need an
 * appliance: -1 when it is none of them, else the exit code, or no return.
 */
int alone_run(const struct options *options);
/* Nobody listens, for the reason `error`: help and completion are still to be had. The exit code, or no return. */
int alone_answer(const struct options *options, int error);
