/*
 * config_device.h - what DPDK is told by name: drivers of virtual devices, and arguments of its
 * environment. A name that is wrong is found here, with the nearest right one, and not in what DPDK
 * prints while it fails. Pure.
 */
#pragma once

#include "tasks/diag.h"

/* Adds an error or warning for a `device` that is none. */
void config_check_device(const char *device, const struct place *place, struct diag_list *diags);
/* Adds an error for every option of `eal_args` that DPDK does not know. */
void config_check_eal_args(const char *args, const struct place *place, struct diag_list *diags);
