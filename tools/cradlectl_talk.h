/*
 * cradlectl_talk.h - one command's conversation with the appliance: its file, its progress, its pages, what it watches.
 *
 * Answers are shown as they come. Whoever interrupts it is told what becomes of the command. One thread; handles SIGINT and
 * SIGTERM while it runs.
 */
#pragma once

#include "tools/cradlectl_options.h"

/* `socket` is connected, and stays the caller's. The exit code. */
int talk_run(int socket, const struct options *options);
