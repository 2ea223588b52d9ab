/*
 * routes.h - what is served: /metrics for collectors, /health for load balancers, the console for people, its API for both.
 */
#pragma once

#include "tools/web/console.h"
#include "tools/web/guard.h"
#include "tools/web/http_server.h"
#include "tools/web/snapshot.h"

/* The handlers' context; all borrowed. */
struct routes {
	struct snapshots *snapshots;
	const struct guard *guard; /* of /metrics */
	const struct http_server *server;
	struct console *console;
};

extern const struct http_route routes[];
