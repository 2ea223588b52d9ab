/*
 * swarm_wire.h - a core's frames, out and in, with the impairments of the network that is between
 * devices and server; and the next hop that frames go to. Known to swarm*.c alone.
 *
 * What devices write waits in a port's backlog until core_flush(); what arrives is given to its
 * device, or to the core whose device it is. The path from a frame to its answer is one file, so
 * that the compiler sees all of it.
 *
 * Owner: the core, whose thread alone calls; before running, the swarm's. Buffers come from the
 * swarm's pool, nothing else is allocated. A frame that is lost is no error, it moves a counter.
 */
#pragma once

#include "tools/storm/swarm_core.h"

/* Whether a device may be asked to write: every slot of `out` has a buffer. */
bool core_out_ready(struct core *core);
/* What device `index` of this core wrote into `out`, into frames. */
void core_submit(struct core *core, uint32_t index);
/* Sends as much as the port takes, and the rest another time; how many frames. */
unsigned core_flush(struct core *core, unsigned port);

/* Connects a memif again whose other end has gone and come, as when the appliance was upgraded. */
void core_keep_link(struct core *core, unsigned port);

/* A burst from a port, and the devices' answers to it; how many frames came. */
unsigned core_receive(struct core *core, unsigned port);
/* The same with what other cores received for this one. */
unsigned core_take_brought(struct core *core);
/* Frames held back to be reordered, once their time has come; how many. */
unsigned core_release_held(struct core *core);

/* Sends a question for the next hop of a port; the answer is learnt as it is received. Before
 * running. */
void core_ask_next_hop(struct core *core, unsigned port);
