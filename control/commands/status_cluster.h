/*
 * status_cluster.h - the cluster in `status`. Control thread.
 */
#pragma once

#include "control/commands/call.h"

/* Lines and a member "cluster"; nothing where none is configured. `cluster status` tells all of it. */
void status_put_cluster(struct service *service, struct text *text, json_t *result);
