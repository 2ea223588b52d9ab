#include "control/commands/status_trust.h"

#include "control/commands/show.h"
#include "control/policy/policy_trust.h"
#include "dataplane/ec/ec_threads.h"

enum {
	DAY_S = 86400,
	WARN_DAYS = 30,    /* what somebody must make anew takes weeks in a large house ... */
	WARN_CRL_DAYS = 2, /* ... but lists come by themselves, every few days */
};

static const struct {
	const char *key, *name, *remedy;
	int warn_days;
} kinds[] = {
	[EC_DATED_OWN] = { "own", "our certificate", "issue a new one, and reload", WARN_DAYS },
	[EC_DATED_ANCHOR] = { "anchor", "the authority", "trust its successor, too", WARN_DAYS },
	[EC_DATED_CRL] = { "crl", "the revocation list of", "fetch the next one, and reload",
			   WARN_CRL_DAYS },
};

/* A certificate or list that ends soonest of its kind. */
static void
put_end(const struct ec_trust *trust, enum ec_dated what, int64_t wall_s, struct text *text,
	json_t *json)
{
	const char *subject;
	int64_t ends = ec_trust_ends(trust, what, &subject), left;

	if (ends == INT64_MAX)
		return;
	json_object_set_new(
		json, kinds[what].key,
		json_pack("{s:s, s:I}", "subject", subject, "ends_s", (json_int_t)ends));
	left = (ends - wall_s) / DAY_S;
	if (ends < wall_s)
		text_show(text, "warning: %s %s ended %lld days ago: %s\n", kinds[what].name,
			  subject, (long long)-left, kinds[what].remedy);
	else if (left < kinds[what].warn_days)
		text_show(text, "warning: %s %s ends in %lld days: %s\n", kinds[what].name, subject,
			  (long long)left, kinds[what].remedy);
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
