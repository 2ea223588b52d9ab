/*
 * pcap.h - the swarm's first requests as a capture file, for other generators to replay (TRex,
 * trafgen, tcpreplay): one Bootstrap-Request a device over NoSec, a ClientHello each with --psk.
 *
 * Classic pcap, microseconds, Ethernet; frames stand 1 us apart. Destination MAC addresses are the
 * broadcast one, as nobody was asked: the replaying tool sets its own.
 */
#pragma once

#include <stdio.h>

#include "tools/storm/swarm.h"

/* 0, or -1 when the stream cannot be written or memory is exhausted. */
int pcap_write(const struct swarm_config *config, FILE *stream) __attribute__((warn_unused_result));
