/* Warnings ahead of the end of certificates: when, and how often the log has them. */
#include <criterion/criterion.h>

#include <string.h>

#include "control/runs/trust_watch.h"
#include "tests/support/ec_certs.h"

enum { DAY_S = 86400 };

static struct cert ca;
static struct ec_trust *trust;

static void
set_up(void)
{
	char error[EC_ERROR_MAX];

	cert_make(&ca, &(struct cert_spec){
			       .cn = "Factory\n2", .to_days = 40, .basic = "critical,CA:TRUE" });
	trust = ec_trust_new();
	cr_assert_eq(ec_trust_add_anchor(trust, (struct ec_bytes){ ca.der, ca.der_len }, 1, error),
		     0);
}

static void
tear_down(void)
{
	ec_trust_release(trust);
	cert_free(&ca);
}

TestSuite(trust_watch, .init = set_up, .fini = tear_down);

Test(trust_watch, nothing_is_said_of_what_is_good_for_long_or_is_not_there)
{
	char warning[TRUST_WARNING_MAX];

	cr_assert_not(trust_warning(trust, EC_DATED_ANCHOR, CERT_NOW + 10 * DAY_S - 1, warning));
	cr_assert_not(trust_warning(trust, EC_DATED_OWN, CERT_NOW, warning));
	cr_assert_not(trust_warning(trust, EC_DATED_CRL, INT64_MAX / 2, warning));
}

Test(trust_watch, what_ends_soon_or_has_ended_is_named_with_a_remedy)
{
	char warning[TRUST_WARNING_MAX];

	cr_assert(trust_warning(trust, EC_DATED_ANCHOR, CERT_NOW + 11 * DAY_S, warning));
	cr_assert(strstr(warning, "Factory") && strstr(warning, "ends in 29 days: trust its"), "%s",
		  warning);
	cr_assert_null(strchr(warning, '\n'));
	cr_assert(trust_warning(trust, EC_DATED_ANCHOR, CERT_NOW + 43 * DAY_S, warning));
	cr_assert(strstr(warning, "ended 3 days ago"), "%s", warning);
}
