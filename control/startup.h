/*
 * startup.h - what is said when the appliance starts: sizes, ports, listeners, devices.
 */
#pragma once

#include "control/daemon.h"

void startup_log(const struct daemon *daemon);
