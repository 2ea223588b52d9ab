/*
 * device_internal.h - what device.c (the life of a device), device_coap.c (what it is asked) and
 * device_write.c (what it sends) have in common.
 */
#pragma once

#include "tools/storm/device.h"

/* Its number among all names. */
static inline uint32_t
device_number(const struct fleet *fleet, const struct device *device)
{
	uint32_t index = (uint32_t)(device - fleet->devices);

	return fleet->first + index * (fleet->stride ? fleet->stride : 1);
}

/* How it secures what it says. */
static inline enum security
device_security(const struct fleet *fleet, const struct device *device)
{
	const struct fleet_settings *settings = &fleet->settings;

	return mix_has(&settings->mix, MIX_CERTIFIED, device_number(fleet, device))
		       ? settings->certified
		       : settings->security;
}

/* The largest payload that it takes at once, as SZX. */
static inline uint8_t
device_szx(const struct fleet *fleet, const struct device *device)
{
	return mix_has(&fleet->settings.mix, MIX_BLOCK, device_number(fleet, device))
		       ? fleet->settings.block_szx
		       : COAP_SZX_MAX;
}

/* Something good came: nothing goes again, and patience begins anew. */
void device_progress(struct fleet *fleet, struct device *device);
void device_end(struct fleet *fleet, struct device *device, enum outcome outcome);
/* The same, once an ACK that waits for the network's delay has gone. */
void device_conclude(struct fleet *fleet, struct device *device, enum outcome outcome);
/* Sends its request under a new token; `device->mid` is the caller's matter. */
void device_request(struct fleet *fleet, struct device *device, struct storm_out *out);
/* As after a power cut: handshake and request anew, message ids as before. */
void device_restart(struct fleet *fleet, struct device *device, struct storm_out *out);
/* Sends it, now or after the network's delay. */
void device_send(struct fleet *fleet, struct device *device, enum device_message message,
		 struct storm_out *out);
/* The ACK that waits for the network's delay, if one does, goes now: another message takes its place. */
void device_send_ack_due(struct fleet *fleet, struct device *device, struct storm_out *out);

/* Writes it into `out`, misbehaving as told. */
void device_write(struct fleet *fleet, struct device *device, enum device_message message,
		  struct storm_out *out);
/* Identity and key, borrowed from *credential, which is filled. */
struct storm_dtls_who device_who(const struct fleet *fleet, const struct device *device,
				 struct credential *credential);
