/*
 * cluster_routes.h - where members take what other members forward: told through the database, read for the workers.
 *
 * Owner: the cluster. Control thread. Allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/dataplane.h"

struct cluster;

enum { CLUSTER_ROUTE_TEXT_MAX = 80 };

/* "[ADDRESS]:PORT", as it stands in the database. */
void cluster_route_format(const uint8_t addr[16], uint16_t port, char text[CLUSTER_ROUTE_TEXT_MAX]);
/* False: it is none. Of `route` all but the member is set. */
bool cluster_route_parse(const char *text, struct member_route *route);

/* All that workers must know of the cluster: whose connection ids there are, and the way to the others. */
void cluster_share_members(struct cluster *cluster, struct member_sharing *sharing);
/* Whether a member has another route than when they were shared last. */
bool cluster_routes_changed(struct cluster *cluster);
