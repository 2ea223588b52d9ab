/*
 * dataplane_ports.c - the facade's watch over ports: links, and interfaces that were made anew; and what their
 * links are told of.
 */
#include "dataplane/dataplane.h"

#include <stdio.h>
#include <string.h>

#include "dataplane/io/dataplane_state.h"
#include "dataplane/io/mailbox.h"
#include "dataplane/io/port_watch.h"

enum { RETRY_LOOKS = 10 }; /* DPDK logs each attempt that fails */

/* After the grace period: no worker touches it. */
static void
port_is_quiet(void *ctx, void *what)
{
	struct port *port = (struct port *)what;

	port->life = PORT_QUIET;
}

static void
shut(struct dataplane *dp, struct port *port)
{
	port->life = PORT_SHUT;
	/* Release pairs with nothing: the grace period orders it. */
	atomic_store_explicit(&port->shut, true, memory_order_release);
	retire_put(&dp->retire, port_is_quiet, dp, port);
}

static void
open_port(struct port *port)
{
	port->trouble[0] = '\0';
	port->life = PORT_OPEN;
	atomic_store_explicit(&port->shut, false, memory_order_release);
}

/* What is to be told, or PORT_NOTHING. */
static enum dataplane_port_event
open_again(struct dataplane *dp, struct port *port)
{
	char error[DATAPLANE_ERROR_MAX];
	uint8_t mac[6];
	bool known;

	if (port_interface_now(port, mac) == INTERFACE_READDRESSED) {
		memcpy(port->l3.mac, mac, sizeof mac);
		open_port(port);
		return PORT_READDRESSED;
	}
	if (port_link(port) == LINK_GONE || (port->looks && --port->looks))
		return PORT_NOTHING;
	if (port_reopen(port, dp->pool, dp->n_workers, error) == 0) {
		port->reopened++;
		open_port(port);
		return PORT_REOPENED;
	}
	known = strcmp(port->trouble, error) == 0;
	snprintf(port->trouble, sizeof port->trouble, "%s", error);
	port->looks = RETRY_LOOKS;
	return known ? PORT_NOTHING : PORT_IN_TROUBLE;
}

static enum dataplane_port_event
watch_port(struct dataplane *dp, struct port *port)
{
	uint8_t mac[6];

	if (port->life == PORT_OPEN && port_interface_now(port, mac) != INTERFACE_SAME)
		shut(dp, port);
	return port->life == PORT_QUIET ? open_again(dp, port) : PORT_NOTHING;
}

/* Stores what the link is now, and returns whether that is to be told. */
static bool
link_changed(struct port *port, enum dataplane_link link, uint64_t now_us)
{
	bool came_back = link == LINK_UP && port->link != LINK_UP && port->link != LINK_UNKNOWN;

	/* A switch at its other end may be another one. */
	if (came_back)
		announce_begin(&port->announce, now_us);
	if (link == port->link)
		return false;
	port->link = link;
	return true;
}

/* A worker sends it, as all else; one that has no room for commands is asked at the next look. */
static void
announce_port(struct dataplane *dp, unsigned index, uint64_t now_us)
{
	struct port *port = &dp->ports[index];
	const struct stack_command command = { .kind = MAILBOX_ANNOUNCE, .device = index };

	if (port->life != PORT_OPEN || port->link != LINK_UP ||
	    !announce_due(&port->announce, now_us))
		return;
	if (dataplane_command(dp, index % dp->n_workers, &command) == 0)
		announce_sent(&port->announce, now_us);
}

void
dataplane_watch_ports(struct dataplane *dp,
		      void (*told)(void *ctx, unsigned port, enum dataplane_port_event event),
		      void *ctx)
{
	uint64_t now_us = dataplane_now_us();

	for (unsigned i = 0; i < dp->n_ports && dp->life == DATAPLANE_RUNNING; i++) {
		struct port *port = &dp->ports[i];
		enum dataplane_link link = port_link(port);
		enum dataplane_port_event event = watch_port(dp, port);

		if (event == PORT_REOPENED || event == PORT_READDRESSED)
			announce_begin(&port->announce, now_us);
		if (event != PORT_NOTHING)
			told(ctx, i, event);
		if (link_changed(port, link, now_us))
			told(ctx, i, PORT_LINK_CHANGED);
		announce_port(dp, i, now_us);
	}
}
