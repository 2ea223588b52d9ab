#include "control/commands/status_trust.h"

#include "control/commands/show.h"
#include "control/policy/policy_trust.h"
#include "control/runs/trust_watch.h"
#include "dataplane/ec/ec_threads.h"

/* A certificate or list that ends soonest of its kind. */
static void
put_end(const struct ec_trust *trust, enum ec_dated what, int64_t wall_s, struct text *text,
	json_t *json)
{
	static const char *const keys[] = {
		[EC_DATED_OWN] = "own", [EC_DATED_ANCHOR] = "anchor", [EC_DATED_CRL] = "crl"
	};
	char warning[TRUST_WARNING_MAX];
	const char *subject;
	int64_t ends = ec_trust_ends(trust, what, &subject);

	if (ends == INT64_MAX)
		return;
	json_object_set_new(
		json, keys[what],
		json_pack("{s:s, s:I}", "subject", subject, "ends_s", (json_int_t)ends));
	if (trust_warning(trust, what, wall_s, warning))
		text_show(text, "warning: %s\n", warning);
}

static void
put_threads(const struct ec_threads *threads, struct text *text, json_t *json)
{
	struct ec_totals totals;

	ec_threads_totals(threads, &totals);
	text_show(text, "certificates: %llu jobs of elliptic curves, %llu ms of their threads\n",
		  (unsigned long long)totals.jobs, (unsigned long long)totals.busy_ns / 1000000);
	json_object_set_new(json, "threads",
			    json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "jobs",
				      (json_int_t)totals.jobs, "busy_us",
				      (json_int_t)totals.busy_ns / 1000, "made_ahead",
				      (json_int_t)totals.made_ahead, "made_waiting",
				      (json_int_t)totals.made_waiting, "chains_cached",
				      (json_int_t)totals.chains_cached, "chains_verified",
				      (json_int_t)totals.chains_verified));
}

void
put_certificates(const struct service *service, int64_t wall_s, struct text *text, json_t *result)
{
	const struct policy_trust *trust = service->generation->policy->trust;
	json_t *json;

	if (!trust)
		return;
	json = json_object();
	if (service->curves)
		put_threads(service->curves, text, json);
	else
		text_show(text, "certificates: none is taken, as curve_threads is 0\n");
	for (unsigned what = EC_DATED_OWN; what <= EC_DATED_CRL; what++)
		put_end(trust->ec, (enum ec_dated)what, wall_s, text, json);
	show_created(service->created, text, json);
	json_object_set_new(result, "certificates", json);
}
