/*
 * api_answer.h - what a command answered, as status and JSON of HTTP.
 */
#pragma once

#include "tools/web/api_table.h"
#include "tools/web/exchange.h"

struct api_answer {
	unsigned status;
	json_t *body; /* a reference: the result, or what a problem has beside its detail; NULL: nothing */
	char detail[2048]; /* of a problem, "" of a result */
	char etag[80];     /* of a policy resource, with its quotes; "": none */
	char generation[24]; /* of the policy that it was made of; "": not said */
	bool stale;          /* the policy is not the expected one any more: nothing was done */
};

void api_answer_make(struct api_answer *answer, const struct api_route *route,
		     const struct exchange_outcome *outcome);
/* What does not change a resource's identity, such as counts of devices, is left out of its ETag. */
void api_etag(const json_t *result, char etag[80]);
