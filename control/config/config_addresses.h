/*
 * config_addresses.h - the value of a setting that lists addresses.
 */
#pragma once

#include "dataplane/dataplane.h"

struct config_addresses {
	struct dataplane_address items[DATAPLANE_ADDRESSES_MAX];
	unsigned count;
};
