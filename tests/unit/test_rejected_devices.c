/* Devices that did not get in: counted by device, bounded, the longest silent one goes. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/runs/rejected_devices.h"
#include "dataplane/core/ec_verdict.h"

static struct rejected_devices *list;

static void
setup(void)
{
	list = calloc(1, sizeof *list);
}

static void
teardown(void)
{
	free(list);
}

TestSuite(rejected_devices, .init = setup, .fini = teardown);

static void
see(uint32_t device, enum session_cause cause, const char *name, uint64_t now_ms)
{
	struct session_event event = { .kind = SESSION_REJECTED,
				       .cause = cause,
				       .device = device,
				       .name_len = (uint8_t)strlen(name) };

	memcpy(event.name, name, strlen(name));
	rejected_devices_see(list, &event, now_ms);
}

Test(rejected_devices, bounded_and_the_longest_silent_first_out)
{
	for (unsigned i = 0; i < REJECTED_DEVICES_MAX; i++)
		see(i, CAUSE_KEY, "", 1000 + i);
	see(0, CAUSE_KEY, "", 5000); /* again: now it is the newest */
	see(REJECTED_DEVICES_MAX, CAUSE_KEY, "", 6000);
	cr_expect_eq(list->count, REJECTED_DEVICES_MAX);
	cr_assert_not_null(rejected_devices_find(list, 0));
	cr_expect_eq(rejected_devices_find(list, 0)->count, 2);
	cr_expect_eq(rejected_devices_find(list, 0)->first_ms, 1000);
	cr_expect_eq(rejected_devices_find(list, 0)->last_ms, 5000);
	cr_expect_null(rejected_devices_find(list, 1));
	cr_expect_not_null(rejected_devices_find(list, REJECTED_DEVICES_MAX));
}

Test(rejected_devices, the_last_reason_counts)
{
	see(7, CAUSE_IDENTITY, "other", 1);
	cr_expect_str_eq(rejected_why(rejected_devices_find(list, 7)), "asked as another");
	cr_expect_eq(rejected_devices_find(list, 7)->name_len, 5);
	see(7, CAUSE_KEY, "", 2);
	cr_expect_str_eq(rejected_why(rejected_devices_find(list, 7)), "wrong key");
	cr_expect_eq(rejected_devices_find(list, 7)->name_len, 0);
}

Test(rejected_devices, forgetting_leaves_the_others)
{
	for (uint32_t i = 1; i <= 3; i++)
		see(i, CAUSE_KEY, "", i);
	rejected_devices_forget(list, 1);
	rejected_devices_forget(list, 9);
	cr_expect_eq(list->count, 2);
	cr_expect_null(rejected_devices_find(list, 1));
	cr_expect_eq(rejected_devices_find(list, 2)->last_ms, 2);
	cr_expect_eq(rejected_devices_find(list, 3)->last_ms, 3);
}

Test(rejected_devices, a_length_beyond_the_field_is_cut)
{
	struct session_event event = { .kind = SESSION_REJECTED, .name_len = 255 };

	rejected_devices_see(list, &event, 1);
	cr_expect_eq(list->items[0].name_len, sizeof event.name);
}

/* All verdicts that get into the list: what is not about the certificate does not. */
Test(rejected_devices, every_refusal_of_a_certificate_has_a_remedy_of_its_own)
{
	const char *none = rejected_verdict_remedy(EC_VERDICTS);

	for (unsigned verdict = EC_MALFORMED; verdict < EC_FAILED; verdict++) {
		cr_expect_str_neq(rejected_verdict(verdict), rejected_verdict(EC_VERDICTS));
		cr_expect_str_neq(rejected_verdict_remedy(verdict), none, "%s",
				  rejected_verdict(verdict));
	}
}
