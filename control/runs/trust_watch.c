#include "control/runs/trust_watch.h"

#include "control/log.h"
#include "control/policy/policy_trust.h"
#include "control/runs/service.h"
#include "tasks/show.h"

enum {
	DAY_S = 86400,
	WARN_DAYS = 30,    /* what somebody must make anew takes weeks in a large house ... */
	WARN_CRL_DAYS = 2, /* ... but lists come by themselves, every few days */
};

bool
trust_warning(const struct ec_trust *trust, enum ec_dated what, int64_t wall_s,
	      char out[TRUST_WARNING_MAX])
{
	static const struct {
		const char *name, *remedy;
		int days;
	} kinds[] = {
		[EC_DATED_OWN] = { "our certificate", "issue a new one, and reload", WARN_DAYS },
		[EC_DATED_ANCHOR] = { "the authority", "trust its successor, too", WARN_DAYS },
		[EC_DATED_CRL] = { "the revocation list of", "fetch the next one, and reload",
				   WARN_CRL_DAYS },
	};
	const char *subject;
	int64_t ends = ec_trust_ends(trust, what, &subject), left;

	if (ends == INT64_MAX)
		return false;
	left = (ends - wall_s) / DAY_S;
	if (ends < wall_s)
		show_into(out, TRUST_WARNING_MAX, "%s %s ended %lld days ago: %s", kinds[what].name,
			  subject, (long long)-left, kinds[what].remedy);
	else if (left < kinds[what].days)
		show_into(out, TRUST_WARNING_MAX, "%s %s ends in %lld days: %s", kinds[what].name,
			  subject, (long long)left, kinds[what].remedy);
	return ends < wall_s || left < kinds[what].days;
}

void
trust_watch(struct service *service, uint64_t wall_ms)
{
	const struct policy_trust *trust =
		service->generation ? service->generation->policy->trust : NULL;
	struct trust_watched *watched = &service->trust_watched;
	char warning[TRUST_WARNING_MAX];
	uint32_t generation = trust ? ec_trust_generation(trust->ec) : 0;

	/* A clock that was set back must not silence it for long. */
	if (!trust || (watched->generation == generation && wall_ms >= watched->told_ms &&
		       wall_ms - watched->told_ms < TRUST_WATCH_MS))
		return;
	watched->generation = generation;
	watched->told_ms = wall_ms;
	for (unsigned what = EC_DATED_OWN; what <= EC_DATED_CRL; what++)
		if (trust_warning(trust->ec, (enum ec_dated)what, (int64_t)(wall_ms / 1000),
				  warning))
			log_warning("%s", warning);
}
