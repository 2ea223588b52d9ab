/*
 * upgrade.h - the next process is started beside this one, and takes over: this one's side of
 * handover/channel.h. The other's is control/standby.h.
 *
 * Runs to its end within the command; meanwhile the pump serves devices and those who look. Up to its last
 * word, `go`, whatever fails leaves this process as it was. Control thread. Allocates.
 */
#pragma once

#include <stdbool.h>

#include "control/commands/call.h"

struct upgrade_wish {
	const char *config; /* another file for the next process; NULL: the same */
};
/* Fills the call: what was found, what passed, how long devices waited; or refuses it with the reason. */
void upgrade_run(struct call *call, const struct upgrade_wish *wish);
/*
 * Whether another file stands where the program was that runs: it was installed anew. False where none stands there, or
 * it cannot be looked at.
 */
bool upgrade_is_installed(const struct daemon *daemon);
