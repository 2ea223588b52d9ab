/*
 * bootstrap_request.h - what a CoAP request to this server asks for, judged without a session.
 *
 * Everything that is refused is refused here, from the message alone: cheap and stateless before
 * stateful.
 *
 *	POST /bs      Bootstrap-Request       OMA LwM2M Transport TS 6.4.3
 *	GET  /bspack  Bootstrap-Pack-Request  the same, since 1.2
 *
 * Pure, nothing allocated, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/bootstrap/bootstrap_pack.h"
#include "dataplane/core/bootstrap/bootstrap_query.h"
#include "dataplane/core/coap/coap_msg.h"
#include "dataplane/core/counters.h"

struct bootstrap_request {
	struct bootstrap_query query; /* of a request that is sound so far */
	struct pack_request pack;     /* of a REQUEST_PACK, but for its digest */
	uint8_t code;                 /* answer this; COAP_EMPTY: no answer */
	enum counter counter;         /* names the refusal */
	bool is_bootstrap;            /* its path is one of the two: who sent it is a device */
};

enum request_verdict {
	REQUEST_BOOTSTRAP, /* a sound Bootstrap-Request; `ep` may still be missing (query.endpoint
			    * NULL) */
	REQUEST_PACK,      /* a sound Bootstrap-Pack-Request; the same */
	REQUEST_REFUSED,   /* answer `code`, count `counter` */
	REQUEST_IGNORED,   /* count `counter` */
};

/* `msg` is COAP_IS_REQUEST. */
enum request_verdict request_judge(const struct coap_msg *msg, struct bootstrap_request *request);
