/*
 * port_log.h - tells the log of links that come and go, and of ports that were opened again.
 *
 * Control thread, from the loop's tick. Allocates nothing; nothing fails.
 */
#pragma once

#include "dataplane/dataplane.h"

/* Looks at all ports; call it every half second or so. */
void port_log_watch(struct dataplane *dp);
/* "up", "down", "gone". */
const char *port_log_link(const struct dataplane_port_info *port);
