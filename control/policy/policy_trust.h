/*
 * policy_trust.h - trust.conf as read: what helper threads get, and what the control side knows of
 * its anchors.
 *
 * Owner: the policy; helper threads hold `ec` on their own. Immutable once it serves. Control thread.
 */
#pragma once

#include "dataplane/ec/ec_trust.h"
#include "tasks/digest.h"

enum { POLICY_ANCHORS_MAX = EC_ANCHOR_TAGS - 1 };

/* What becomes of an endpoint that an anchor vouches for and nobody knows. */
enum policy_unknown {
	POLICY_UNKNOWN_REFUSE, /* counted, no more */
	POLICY_UNKNOWN_LIST,   /* among the unknown devices, for an operator to adopt */
	POLICY_UNKNOWN_CREATE, /* a device of the anchor's groups, at a bounded rate */
	POLICY_UNKNOWNS,
};
/* As trust.conf writes it. */
extern const char *const policy_unknown_names[POLICY_UNKNOWNS];

struct policy_anchor {
	const char *endpoint;         /* as trust.conf says it */
	const struct cert_name *name; /* the same, parsed; `ec` owns it, as its threads use it */
	enum policy_unknown unknown;
	const char *file;   /* of certs/ */
	const char *groups; /* of what is created, with ',' between; NULL: root */
	uint32_t create_per_minute;
};

/* A file of certs/ that was read: what of it ends first. */
struct policy_trust_file {
	const char *name, *subject;
	int64_t ends_s; /* seconds since 1970; INT64_MAX: never */
	struct policy_trust_file *next;
};

struct cert_names;

struct policy_trust {
	struct ec_trust *ec;
	struct cert_names *names;                         /* of the anchors; `ec` owns them */
	struct policy_anchor anchors[POLICY_ANCHORS_MAX]; /* by tag - 1 */
	unsigned n_anchors;
	struct policy_trust_file *files; /* the last one read first */
	bool has_token; /* a key of ours is in a token, which is opened anew each time */
	uint8_t content[DIGEST_MAX]; /* of trust.conf and all files that it names, in their order */
};

/*
 * The anchor that a helper thread named by its tag, if it did so by this trust and no former one:
 * then the same tag may be another's. NULL: it is none, or `trust` is.
 */
const struct policy_anchor *policy_trust_anchor(const struct policy_trust *trust, uint8_t tag,
						uint32_t generation);

/*
 * Made of the very same files as the former one, it goes on with its `ec`, and so with its number:
 * handshakes in flight and verified chains stay good. Before it serves.
 */
void policy_trust_go_on(struct policy_trust *trust, const struct policy_trust *former);

/* NULL: no such certificate or revocation list was read. */
const struct policy_trust_file *policy_trust_file(const struct policy_trust *trust,
						  const char *name);

void policy_trust_free(struct policy_trust *trust);
