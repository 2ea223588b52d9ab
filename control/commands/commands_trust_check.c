/* trust check: what a handshake would make of a device's certificate, and why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/commands/show.h"
#include "control/policy/cert_name.h"
#include "control/policy/policy_trust.h"
#include "control/runs/rejected_devices.h"
#include "dataplane/ec/ec_check.h"
#include "dataplane/ec/ec_identity.h"

struct checking {
	struct call *call;
	const struct policy_trust *trust;
	const struct device *pinned; /* NULL: inventory has no such certificate */
	struct ec_checked checked;
	char identity[IDENTITY_HASH_LEN + 1];
	char no_name[CERT_NAME_ERROR_MAX]; /* why the template gives none; "": it does */
};

/* Why the anchor's template gives no name, which a handshake does not tell. */
static void
note_name(void *ctx, uint8_t anchor, const struct ec_subject *subject)
{
	struct checking *checking = ctx;
	const struct cert_name *template;
	char name[EC_NAME_MAX];

	if (!anchor || anchor > checking->trust->n_anchors)
		return;
	template = checking->trust->anchors[anchor - 1].name;
	(void)cert_name_make(template, subject, name, sizeof name, checking->no_name);
}

static void
find_pinned(struct checking *checking, struct ec_bytes file)
{
	char *at = stpcpy(checking->identity, IDENTITY_CERTIFICATE), error[EC_ERROR_MAX];
	uint8_t hash[32];

	if (ec_identity_of_certificate(file, hash, error) < 0)
		return;
	for (unsigned i = 0; i < sizeof hash; i++)
		at += snprintf(at, 3, "%02x", hash[i]);
	checking->pinned = inventory_find_identity(&checking->call->service->inventory,
						   checking->identity, IDENTITY_HASH_LEN);
}

/* Of a good certificate whose endpoint is not pinned: whose it is, or what becomes of it. */
static const char *
outcome_of_name(struct checking *checking, char endpoint[EC_NAME_MAX + 1], bool *served)
{
	static const char *const unknown[POLICY_UNKNOWNS] = {
		[POLICY_UNKNOWN_REFUSE] = "refused: the inventory has no such endpoint",
		[POLICY_UNKNOWN_LIST] = "refused, and listed by `unknown list`: the inventory has "
					"no such endpoint",
		[POLICY_UNKNOWN_CREATE] = "created, and served at its next attempt",
	};
	const struct inventory *inventory = &checking->call->service->inventory;
	const struct device *device = inventory_find(inventory, endpoint);
	const struct policy_anchor *anchor;
	char identity[ENDPOINT_NAME_MAX + 1];

	*served = false;
	if (!device) {
		anchor = checking->checked.anchor
				 ? &checking->trust->anchors[checking->checked.anchor - 1]
				 : NULL;
		return unknown[anchor ? anchor->unknown : POLICY_UNKNOWN_LIST];
	}
	if (identity_is_hash(identity, device_identity(device, identity)))
		return "refused: the inventory has another key or certificate of it";
	*served = true;
	return "served";
}

static const char *
outcome_of(struct checking *checking, char endpoint[EC_NAME_MAX + 1], bool *served)
{
	const struct ec_checked *checked = &checking->checked;

	snprintf(endpoint, EC_NAME_MAX + 1, "%.*s", checked->name_len, checked->name);
	*served = false;
	if (checked->verdict != EC_GOOD)
		return rejected_verdict(checked->verdict);
	if (!checking->pinned)
		return outcome_of_name(checking, endpoint, served);
	device_endpoint(checking->pinned, endpoint);
	*served = true;
	return "served: the inventory has this very certificate";
}

static void
put_line(struct text *text, const char *what, const char *says)
{
	text_show(text, "%-12s%s\n", what, says);
}

static void
put(struct checking *checking)
{
	const struct ec_checked *checked = &checking->checked;
	struct text *text = &checking->call->text;
	char endpoint[EC_NAME_MAX + 1], ends[SHOW_TIME_MAX];
	bool served, no_name = checked->verdict == EC_NO_NAME && *checking->no_name;
	const char *outcome = outcome_of(checking, endpoint, &served);
	const char *anchor =
		checked->anchor ? checking->trust->anchors[checked->anchor - 1].file : "";

	put_line(text, "subject", checked->subject);
	put_line(text, "issuer", checked->issuer);
	put_line(text, "ends", show_time((uint64_t)checked->ends * 1000, ends));
	put_line(text, "identity", checking->identity);
	put_line(text, "authority", *anchor ? anchor : "none of ours");
	put_line(text, "endpoint", *endpoint ? endpoint : "-");
	put_line(text, "outcome", outcome);
	if (no_name)
		put_line(text, "", checking->no_name);
	checking->call->result =
		json_pack("{s:s, s:s, s:I, s:s, s:s, s:o, s:s, s:b}", "subject", checked->subject,
			  "issuer", checked->issuer, "ends_s", (json_int_t)checked->ends,
			  "identity", checking->identity, "anchor", anchor, "endpoint",
			  show_json(endpoint, strlen(endpoint)), "outcome",
			  no_name ? checking->no_name : outcome, "served", served);
}

void
command_trust_check(struct call *call)
{
	enum { CHECKED_FILE_MAX = 1 << 20 };
	struct checking checking = { .call = call };
	struct ec_check_ask ask = { .wall_s = (int64_t)(clock_now_ms() / 1000),
				    .described = note_name,
				    .ctx = &checking };
	char *bytes = call_read_file(call, CHECKED_FILE_MAX, &ask.file.len), error[EC_ERROR_MAX];

	if (!bytes)
		return;
	checking.trust = call->service->generation->policy->trust;
	ask.file.at = bytes;
	if (checking.trust)
		find_pinned(&checking, ask.file);
	ask.is_pinned = checking.pinned;
	if (!checking.trust)
		call_refuse(call, CTL_REFUSED,
			    "there is no trust.conf: no certificate is taken, whoever issued it");
	else if (ec_check(checking.trust->ec, &ask, &checking.checked, error) < 0)
		call_refuse(call, CTL_REFUSED, "%s: %s", call->arguments[0], error);
	else
		put(&checking);
	explicit_bzero(bytes, ask.file.len); /* it may be a key by mistake */
	free(bytes);
}
