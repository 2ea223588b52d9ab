#include "control/runs/trust_publish.h"

#include <stddef.h>
#include <string.h>

#include "control/clock.h"
#include "control/cluster/cluster.h"
#include "control/config/config.h"
#include "control/policy/policy_trust.h"
#include "control/runs/service.h"
#include "dataplane/ec/ec_threads.h"

static struct ec_trust *
trust_of(const struct service *service)
{
	const struct generation *generation = service->generation;

	if (!service->curves || !generation || !generation->policy->trust)
		return NULL;
	return generation->policy->trust->ec;
}

/* A router may bring the second hello of a device to another member, and records of its association. */
static void
share_with_members(const struct service *service, struct stack_limits *limits)
{
	int64_t wall_us = (int64_t)(clock_now_ms() * 1000 - dataplane_now_us());

	limits->cookies = (struct cookie_sharing){ 0 };
	limits->members = (struct member_sharing){ 0 };
	if (!cluster_is_joined(service->cluster) || cluster_is_detached(service->cluster))
		return;
	limits->cookies.on = true;
	limits->cookies.wall_us = limits->members.wall_us = wall_us;
	cluster_cookie_secret(service->cluster, limits->cookies.secret);
	cluster_share_members(service->cluster, &limits->members);
}

int
trust_publish_limits(struct service *service)
{
	const struct ec_trust *trust = trust_of(service);
	struct stack_limits limits;
	int code;

	config_limits(service->config, &limits);
	limits.abilities = trust ? ec_trust_abilities(trust) : 0;
	limits.trust = trust ? ec_trust_generation(trust) : UINT32_MAX;
	share_with_members(service, &limits);
	code = dataplane_publish_limits(service->dp, &limits);
	explicit_bzero(&limits, sizeof limits);
	return code;
}

void
trust_go_on(const struct generation *generation, const struct generation *former)
{
	if (former && former->policy->trust && generation->policy->trust)
		policy_trust_go_on(generation->policy->trust, former->policy->trust);
}

int
trust_publish(struct service *service)
{
	/* The threads first: who is offered a suite finds them ready. */
	if (service->curves)
		ec_threads_publish(service->curves, trust_of(service));
	return service->dp ? trust_publish_limits(service) : 0;
}
