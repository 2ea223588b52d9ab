/*
 * cradlectl_file.h - a file on its way to or from the appliance: opened here, with the permissions of the caller.
 *
 * The appliance only takes regular files (control/ctl_proto.h), so pipes and terminals are spooled through a memory file.
 * A folder is made new, for its owner alone; it stays where the command goes on without us, and goes, empty, where it fails.
 * A file that is written is made under another name, mode 0600, and takes its own when the command is done: a command that
 * fails leaves the old one as it was. One that is created must be new, and has its name from the start: the appliance may
 * go on writing it after its answer. One at a time; it is removed when a signal ends the program.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { CARRIED_PATH_MAX = 4096 };

enum carried_as { CARRIED_READ, CARRIED_WRITE, CARRIED_FOLDER, CARRIED_CREATE };

struct carried {
	int fd; /* what the appliance gets; -1: nothing is carried */
	enum carried_as as;
	int spool_to; /* where a memory file's content goes in the end; -1: nowhere */
	char path[CARRIED_PATH_MAX];
	char temporary[CARRIED_PATH_MAX]; /* "": none */
	bool lent; /* a folder that belongs to the appliance's user until it is closed */
};

/* `path` NULL or "-": standard input or output. 0, or -1 and a sentence in `error`. */
int carried_open(struct carried *carried, const char *path, enum carried_as as,
		 char *error, size_t size);
/* As root: a folder that was carried becomes the appliance's until carried_close(), where that runs as another user: it
 * could not write there. `socket` leads to it. 0, or -1 and a sentence in `error`. */
int carried_lend(struct carried *carried, int socket, char *error, size_t size);
/* Makes what was written live when the command is `done`, else throws it away. The same returns. */
int carried_close(struct carried *carried, bool done, char *error, size_t size);
