/*
 * device_pack.h - a device that asks for a Bootstrap-Pack and fetches it (OMA LwM2M Core TS 6.1.7.2,
 * Transport TS 6.4.3).
 *
 * A pack that is too long for one message comes in blocks (RFC 7959 2.4): each is asked for by a
 * request with a message id and a token of its own, repeated like any, and compared with what is
 * expected where it belongs. All blocks must be of one representation: another ETag, another format or
 * a block that was not asked for is a wrong write. The last block ends the run: a pack is answered by
 * nothing.
 *
 * Owner: the fleet. Pure; one thread.
 */
#pragma once

#include "dataplane/core/coap/coap_msg.h"
#include "tools/storm/device.h"

/* Whether it asks for a pack, and not to be written to. */
bool device_wants_pack(const struct fleet *fleet, const struct device *device);
/* From the first block, in the largest ones that it takes. */
void device_pack_begin(struct fleet *fleet, struct device *device);
/* The request for the block that is due, behind its header: `name` is its endpoint name as
 * Uri-Query has it. */
void device_pack_write_options(const struct fleet *fleet, const struct device *device,
			       const struct coap_option *name, struct writer *out);
enum device_pack_taken {
	DEVICE_PACK_MORE,  /* the next block is due now: it is to be asked for */
	DEVICE_PACK_WHOLE, /* as expected */
	DEVICE_PACK_WRONG,
};

/* The device's request was answered with success. */
enum device_pack_taken device_pack_take(struct fleet *fleet, struct device *device,
					const struct coap_msg *msg);
