/*
 * status_trust.h - what `status` says of certificates: when ours, an authority's or a revocation
 * list ends, ahead of time, and what the threads of elliptic curves do.
 */
#pragma once

#include <jansson.h>

#include "control/runs/service.h"
#include "control/text.h"

/* Adds "certificates" to the result; writes nothing where there is no trust.conf. */
void put_certificates(const struct service *service, int64_t wall_s, struct text *text,
		      json_t *result);
