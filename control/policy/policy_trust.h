/*
 * policy_trust.h - trust.conf as read: what helper threads get, and what the control side knows of
 * its anchors.
 *
 * Owner: the policy; helper threads hold `ec` on their own. Immutable once read. Control thread.
 */
#pragma once

#include "dataplane/ec/ec_trust.h"

enum { POLICY_ANCHORS_MAX = EC_ANCHOR_TAGS - 1 };

/* What becomes of an endpoint that an anchor vouches for and nobody knows. */
enum policy_unknown {
	POLICY_UNKNOWN_REFUSE, /* counted, no more */
	POLICY_UNKNOWN_LIST,   /* among the unknown devices, for an operator to adopt */
};

struct policy_anchor {
	const char *endpoint;         /* as trust.conf says it */
	const struct cert_name *name; /* the same, parsed; `ec` owns it, as its threads use it */
	enum policy_unknown unknown;
};

struct cert_names;

struct policy_trust {
	struct ec_trust *ec;
	struct cert_names *names;                         /* of the anchors; `ec` owns them */
	struct policy_anchor anchors[POLICY_ANCHORS_MAX]; /* by tag - 1 */
	unsigned n_anchors;
};

void policy_trust_free(struct policy_trust *trust);
