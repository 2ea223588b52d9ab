/*
 * startup.h - as whom the appliance starts, and what it says then: sizes, ports, listeners, devices.
 */
#pragma once

#include "control/daemon.h"

/* While there is one thread, and nothing is open. 0, or -1 once it is told. */
int startup_take_privileges(const struct config *config);
/* Once ports are open: what was needed for that alone is given up. 0, or -1 once it is told. */
int startup_drop_privileges(void);
void startup_log(const struct daemon *daemon);
