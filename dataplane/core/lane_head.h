/*
 * lane_head.h - how everything begins that goes from a worker to another thread and back: the
 * rings between them need no more of it.
 */
#pragma once

#include <stdint.h>

struct lane_head {
	uint16_t worker; /* that it is of */
};
