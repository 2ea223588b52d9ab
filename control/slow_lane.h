/*
 * slow_lane.h - handshakes that would stall a polled core, led by mbedTLS on a thread of their own.
 *
 * Today TLS_PSK_WITH_AES_128_CBC_SHA256 (OMA TS Transport 5.2.8 makes it mandatory for servers). The thread keeps a bounded
 * pool of contexts; when all are taken a new handshake is refused and counted, and no worker notices.
 * mbedTLS takes keys of 1 to 32 bytes (MBEDTLS_PSK_MAX_LEN): a device with a longer one is refused here.
 *
 * Owner: the control thread, for slow_lane_new() and slow_lane_free(), between dataplane_start() and dataplane_stop().
 */
#pragma once

#include "dataplane/dataplane.h"

enum { SLOW_LANE_ERROR_MAX = 256 };

struct slow_lane;

/* Starts the thread with room for `handshakes` at once. NULL and a sentence when mbedTLS or the system refuses. */
struct slow_lane *slow_lane_new(struct dataplane *dp, unsigned handshakes,
				char error[SLOW_LANE_ERROR_MAX]);
/* Ends the thread and wipes what it knew. */
void slow_lane_free(struct slow_lane *lane);

/* Handshakes in progress, approximate, from any thread. */
unsigned slow_lane_in_use(const struct slow_lane *lane);
