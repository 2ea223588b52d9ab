/*
 * user_command.h - `cradle-web user ...`: the users of the console, from a shell.
 *
 * Asks for passwords on the terminal, without echo; from a file or standard input where that is said. Blocks.
 */
#pragma once

#include <stdio.h>

/* The words behind `user`; the exit code: 0 done, 1 refused, 2 not understood. */
int user_command(const char *users_file, int argc, char **argv);
void user_command_usage(FILE *to);
