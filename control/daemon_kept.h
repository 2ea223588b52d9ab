/*
 * daemon_kept.h - the setting `keep_associations`: associations outlive a crash of the process.
 *
 * Owner: the daemon, of its `kept`. Control thread.
 */
#pragma once

#include "control/daemon.h"

/*
 * (before the workers start, the directory is published) From now on associations are kept, where the settings say so;
 * what a process that crashed left is taken up, or, where it must not be, wiped. Never a reason not to start: what
 * could not be is logged.
 */
void daemon_keep_associations(struct daemon *daemon);
/* (the dataplane has ended, in good order) Nothing of them is left. */
void daemon_forget_associations(struct daemon *daemon);
