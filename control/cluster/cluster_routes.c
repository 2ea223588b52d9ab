#include "control/cluster/cluster_routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/address.h"
#include "control/cluster/cluster_private.h"

void
cluster_route_format(const uint8_t addr[16], uint16_t port, char text[CLUSTER_ROUTE_TEXT_MAX])
{
	char address[ADDRESS_TEXT_MAX];

	address_format(addr, address);
	snprintf(text, CLUSTER_ROUTE_TEXT_MAX, "[%s]:%u", address, port);
}

bool
cluster_route_parse(const char *text, struct member_route *route)
{
	struct dataplane_address address;
	char copy[CLUSTER_ROUTE_TEXT_MAX], *close, *end;
	unsigned long port;

	if (*text != '[' || strlen(text) >= sizeof copy)
		return false;
	memcpy(copy, text + 1, strlen(text));
	close = strchr(copy, ']');
	if (!close || close[1] != ':' || close[2] < '0' || close[2] > '9')
		return false;
	*close = '\0';
	port = strtoul(close + 2, &end, 10);
	if (*end || port == 0 || port > UINT16_MAX || strchr(copy, '/') ||
	    address_parse(copy, &address) < 0 || address_unfit(&address))
		return false;
	memcpy(route->addr, address.addr, sizeof route->addr);
	route->port = (uint16_t)port;
	return true;
}

static void
add_route(const struct cluster *cluster, const struct cluster_member *member,
	  struct member_sharing *sharing)
{
	struct member_route route = { .member = (uint16_t)member->number };

	if (member->number == cluster->member || member->number > MEMBER_NUMBER_MAX ||
	    sharing->n_routes == MEMBER_ROUTES_MAX || !cluster_route_parse(member->forward, &route))
		return;
	sharing->routes[sharing->n_routes++] = route;
}

void
cluster_share_members(struct cluster *cluster, struct member_sharing *sharing)
{
	sharing->on = true;
	sharing->member = (uint16_t)cluster->member;
	cluster_secret_derive(&cluster->secret, "cradle cluster members", cluster->joined_name,
			      strlen(cluster->joined_name), sharing->secret);
	pthread_mutex_lock(&cluster->lock);
	cluster->routes_changed = false;
	/* Who does not take what others forward does not forward, either. */
	for (unsigned i = 0; i < cluster->n_members && *cluster->forward; i++)
		add_route(cluster, &cluster->members[i], sharing);
	pthread_mutex_unlock(&cluster->lock);
}

bool
cluster_routes_changed(struct cluster *cluster)
{
	bool changed;

	pthread_mutex_lock(&cluster->lock);
	changed = cluster->routes_changed;
	pthread_mutex_unlock(&cluster->lock);
	return changed;
}
