#include "tools/storm/pcap.h"

#include <stdlib.h>
#include <string.h>

enum {
	PCAP_VERSION_MAJOR = 2,
	PCAP_VERSION_MINOR = 4,
	PCAP_SNAPLEN = 65535,
	PCAP_ETHERNET = 1,
	SECOND_US = 1000000,
};

#define PCAP_MAGIC UINT32_C(0xa1b2c3d4) /* in the writer's byte order, which readers tell by it */

struct capture {
	struct fleet fleet;
	struct storm_out out;
	uint8_t slots[STORM_OUT_MAX][L3_HEADERS_MAX + STORM_DATAGRAM_MAX];
	struct l3_port port;
	uint32_t frames;
};

static void
write_header(FILE *stream)
{
	const uint32_t header[6] = {
		PCAP_MAGIC,   PCAP_VERSION_MINOR << 16 | PCAP_VERSION_MAJOR, 0, 0, PCAP_SNAPLEN,
		PCAP_ETHERNET
	};

	fwrite(header, sizeof header, 1, stream);
}

static void
write_frame(struct capture *capture, const uint8_t *frame, size_t len, FILE *stream)
{
	const uint32_t record[4] = { capture->frames / SECOND_US, capture->frames % SECOND_US,
				     (uint32_t)len, (uint32_t)len };

	capture->frames++;
	fwrite(record, sizeof record, 1, stream);
	fwrite(frame, len, 1, stream);
}

static void
write_device(struct capture *capture, const struct swarm_config *config, uint32_t device,
	     FILE *stream)
{
	const struct link link = { .mac = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
				   .vlan = config->vlan };

	for (unsigned i = 0; i < capture->out.n; i++) {
		struct storm_slot *slot = &capture->out.slots[i];
		struct net_datagram datagram = { .device = device,
						 .data = slot->data,
						 .len = slot->len };
		uint8_t *frame = net_prepend(&config->net, &capture->port, &link, &datagram);

		write_frame(capture, frame, (size_t)(slot->data + slot->len - frame), stream);
	}
	capture->out.n = 0;
}

static void
write_all(struct capture *capture, const struct swarm_config *config, FILE *stream)
{
	struct fleet_settings settings = config->fleet;
	int64_t device;

	settings.in_order = true;
	for (unsigned i = 0; i < STORM_OUT_MAX; i++)
		capture->out.slots[i].data = capture->slots[i] + L3_HEADERS_MAX;
	memcpy(capture->port.mac, "\x02\x00\x00\x00\x00\x01", sizeof capture->port.mac);
	/* Repeatable: two files of one seed are the same. */
	fleet_init(&capture->fleet, &settings, crypto_select(), config->seed, config->seed);
	write_header(stream);
	while (capture->frames < capture->fleet.n &&
	       (device = fleet_start(&capture->fleet, 0, &capture->out)) >= 0)
		write_device(capture, config, (uint32_t)device, stream);
	fleet_stop(&capture->fleet);
	fleet_fini(&capture->fleet);
}

int
pcap_write(const struct swarm_config *config, FILE *stream)
{
	struct capture *capture = (struct capture *)calloc(1, sizeof *capture);
	int rc = -1;

	if (!capture)
		return -1;
	capture->fleet.n = config->devices;
	capture->fleet.names = config->names;
	capture->fleet.expect = config->expect;
	capture->fleet.identities = config->identities;
	capture->fleet.devices =
		(struct device *)calloc(config->devices, sizeof *capture->fleet.devices);
	capture->fleet.idle = (uint32_t *)calloc(config->devices, sizeof *capture->fleet.idle);
	if (capture->fleet.devices && capture->fleet.idle) {
		write_all(capture, config, stream);
		rc = fflush(stream) == 0 && !ferror(stream) ? 0 : -1;
	}
	free(capture->fleet.devices);
	free(capture->fleet.idle);
	free(capture);
	return rc;
}
