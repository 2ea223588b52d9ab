#include "control/runs/port_log.h"

#include "control/log.h"

const char *
port_log_link(const struct dataplane_port_info *port)
{
	if (port->link == LINK_GONE)
		return "gone";
	return port->link == LINK_UP ? "up" : "down";
}

static void
tell_link(unsigned number, const struct dataplane_port_info *port)
{
	if (port->link == LINK_GONE)
		log_warning(
			"port %u: %s: its interface is gone; the port is opened again once there "
			"is one of this name",
			number, port->device);
	else if (port->link == LINK_UP)
		log_notice("port %u: %s: link is up", number, port->device);
	else
		log_warning("port %u: %s: link is down: nobody gets through it", number,
			    port->device);
}

static void
tell_address(unsigned number, const struct dataplane_port_info *port, const char *what)
{
	log_notice("port %u: %s: %s: MAC %02x:%02x:%02x:%02x:%02x:%02x", number, port->device, what,
		   port->mac[0], port->mac[1], port->mac[2], port->mac[3], port->mac[4],
		   port->mac[5]);
}

static void
tell(void *ctx, unsigned number, enum dataplane_port_event event)
{
	const struct dataplane *dp = ctx;
	struct dataplane_port_info port;

	if (dataplane_port_info(dp, number, &port) < 0)
		return;
	switch (event) {
	case PORT_NOTHING:
		return;
	case PORT_LINK_CHANGED:
		tell_link(number, &port);
		return;
	case PORT_REOPENED:
		tell_address(number, &port, "opened again, as its interface was made anew");
		return;
	case PORT_READDRESSED:
		tell_address(number, &port, "its interface has another address");
		return;
	case PORT_IN_TROUBLE:
		log_error("port %u: its interface was made anew, and it cannot be opened again, "
			  "which is tried on and on: %s",
			  number, port.trouble);
		return;
	}
}

void
port_log_watch(struct dataplane *dp)
{
	dataplane_watch_ports(dp, tell, dp);
}
