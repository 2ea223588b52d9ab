/*
 * device_coap.h - what a device is told: replies to its request, and the operations of the server.
 */
#pragma once

#include "tools/storm/device.h"

void device_take_coap(struct fleet *fleet, struct device *device, const uint8_t *bytes, size_t len,
		      struct storm_out *out);
