/* trust.conf as it is read: every mistake with its place, files from memory and from certs/. */
#include <criterion/criterion.h>

#include <stdio.h>

#include "control/policy/cert_name.h"
#include "control/policy/policy.h"
#include "control/policy/policy_trust.h"
#include "tests/support/ec_certs.h"

struct trust_world {
	struct cert ca, ours;
	struct objects *objects;
	struct diag_list diags;
	struct arena arena;
	struct policy *policy;
};

static struct trust_world world;

static void
setup(void)
{
	cert_make_ca(&world.ca, "Factory", NULL);
	cert_make_device(&world.ours, "bs.example.com", &world.ca);
	world.objects = objects_new();
	diag_list_init(&world.diags);
	arena_init(&world.arena, 0);
}

static void
unload(void)
{
	policy_free(world.policy);
	world.policy = NULL;
	arena_reset(&world.arena);
	diag_list_fini(&world.diags);
	diag_list_init(&world.diags);
}

static void
teardown(void)
{
	unload();
	diag_list_fini(&world.diags);
	arena_fini(&world.arena);
	objects_free(world.objects);
	cert_free(&world.ours);
	cert_free(&world.ca);
}

static struct policy *
read_policy(const char *text)
{
	static const char groups[] = "groups = ( { name = \"root.meters\"; } );";
	const struct policy_source changed[] = {
		{ "trust.conf", text, strlen(text) },
		{ "groups.conf", groups, strlen(groups) },
		{ "servers.conf", "", 0 },
		{ "certs/ca.pem", (const char *)world.ca.der, world.ca.der_len },
		{ "certs/bs.pem", (const char *)world.ours.der, world.ours.der_len },
		{ "certs/bs.key", (const char *)world.ours.key_der, world.ours.key_der_len },
	};

	struct policy *policy =
		policy_load_changed("/nonexistent", changed, sizeof changed / sizeof changed[0],
				    world.objects, &world.arena, &world.diags);

	cr_assert(policy);
	cr_assert(policy->trust);
	return policy;
}

static struct policy_trust *
load(const char *text)
{
	unload();
	world.policy = read_policy(text);
	return world.policy->trust;
}

#define OWN "own = ( { key = \"bs.key\"; chain = \"bs.pem\"; } );\n"

TestSuite(policy_trust, .init = setup, .fini = teardown);

Test(policy_trust, each_file_tells_whose_it_is_and_when_it_ends)
{
	const struct policy_trust *trust = load(OWN "anchors = ( { file = \"ca.pem\"; } );");
	const struct policy_trust_file *own = policy_trust_file(trust, "bs.pem");
	const struct policy_trust_file *anchor = policy_trust_file(trust, "ca.pem");

	cr_assert(own && anchor);
	cr_expect(strstr(own->subject, "bs.example.com"), "%s", own->subject);
	cr_expect(strstr(anchor->subject, "Factory"), "%s", anchor->subject);
	cr_expect_eq(own->ends_s, CERT_NOW + 365 * 86400L);
	cr_expect_eq(anchor->ends_s, CERT_NOW + 365 * 86400L);
	cr_expect_null(policy_trust_file(trust, "bs.key"), "a key has no end, and is not told");
	cr_expect_null(policy_trust_file(NULL, "ca.pem"));
}

Test(policy_trust, every_mistake_is_told_with_its_line)
{
	static const struct {
		const char *text, *why;
		uint32_t line;
	} cases[] = {
		{ "\n", "\"own\" is missing here", 0 },
		{ OWN "anchors = ( { } );", "\"file\" is missing here", 2 },
		{ OWN "anchors = (\n{ file = \"../ca.pem\"; } );", "is no file of certs/", 3 },
		{ OWN "anchors = ( { file = \".ca\"; } );", "is no file of certs/", 2 },
		{ OWN "anchors = ( { file = \"gone.pem\"; } );", "cannot be read", 2 },
		{ OWN "anchors = ( { file = \"bs.key\"; } );", "no certificate in PEM or DER", 2 },
		{ OWN "anchors = ( { file = \"ca.pem\"; endpoint = \"x\"; } );", "same name", 2 },
		{ OWN "anchors = ( { file = \"ca.pem\";\nendpoint = \"${sv.x}\"; } );",
		  "unknown name 'sv'", 3 },
		{ OWN "anchors = ( { file = \"ca.pem\"; unknown = \"crate\"; } );",
		  "is not a valid value", 2 },
		{ "own = ( { key = \"ca.pem\"; } );", "no private key of P-256", 1 },
		{ "own = ( { key = \"bs.key\"; chain = \"ca.pem\"; } );", "is not of this key", 1 },
		{ OWN "deny = [ \"00\" ];", "entry 1 is no SHA-256", 2 },
		{ OWN "crls = [ \"ca.pem\" ];", "no revocation list", 2 },
		{ OWN "grace_days = -1;", "-1 is out of range", 2 },
		{ OWN "anchor = ( );", "anchors", 2 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		load(cases[i].text);
		cr_assert_geq(world.diags.errors, 1, "%s", cases[i].text);
		cr_assert(strstr(world.diags.items[0].text, cases[i].why), "%s: %s", cases[i].text,
			  world.diags.items[0].text);
		cr_assert_eq(world.diags.items[0].place.line, cases[i].line, "%s: line %u",
			     cases[i].text, world.diags.items[0].place.line);
	}
}

Test(policy_trust, anchors_name_endpoints_by_their_templates)
{
	static const struct ec_subject subject = { .cn = "meter-1", .serial_number = "77" };
	const struct policy_trust *trust =
		load(OWN "anchors = ( { file = \"ca.pem\"; },\n"
			 "{ file = \"ca.pem\"; endpoint = \"urn:${cert.serialNumber}\"; } );");
	char name[32];

	cr_assert_eq(world.diags.errors, 0, "%s",
		     world.diags.count ? world.diags.items[0].text : "");
	cr_assert_eq(trust->n_anchors, 2);
	cr_assert_eq(cert_name_make(trust->anchors[0].name, &subject, name, sizeof name, NULL), 7);
	cr_assert_arr_eq(name, "meter-1", 7);
	cr_assert_eq(cert_name_make(trust->anchors[1].name, &subject, name, sizeof name, NULL), 6);
	cr_assert_arr_eq(name, "urn:77", 6);
}

#define ANCHORS "anchors = ( { file = \"ca.pem\"; endpoint = \"urn:${cert.serialNumber}\"; } );"

/* Whether a policy of this text, which becomes the world's, goes on with the trust of its former one. */
static bool
goes_on(const char *text)
{
	struct policy_trust *former = world.policy->trust;
	uint32_t number = ec_trust_generation(former->ec);
	struct policy *next = read_policy(text);
	bool same;

	cr_assert_eq(world.diags.errors, 0, "%s",
		     world.diags.count ? world.diags.items[0].text : "");
	cr_assert_neq(ec_trust_generation(next->trust->ec), number);
	policy_trust_go_on(next->trust, former);
	same = ec_trust_generation(next->trust->ec) == number;
	policy_free(world.policy);
	world.policy = next;
	return same;
}

Test(policy_trust, the_same_files_are_the_same_trust)
{
	static const struct ec_subject subject = { .cn = "meter-1", .serial_number = "77" };
	const struct policy_trust *trust;
	char name[32];

	load(OWN ANCHORS);
	cr_assert(goes_on(OWN ANCHORS));
	cr_assert(goes_on(OWN ANCHORS));
	trust = world.policy->trust;
	cr_assert_eq(policy_trust_anchor(trust, 1, ec_trust_generation(trust->ec)),
		     &trust->anchors[0]);
	cr_assert_eq(cert_name_make(trust->anchors[0].name, &subject, name, sizeof name, NULL), 6);
	cr_assert_arr_eq(name, "urn:77", 6);
}

Test(policy_trust, any_changed_file_makes_a_new_trust)
{
	load(OWN ANCHORS);
	cr_assert_not(goes_on(OWN ANCHORS " grace_days = 1;"));
	cr_assert(goes_on(OWN ANCHORS " grace_days = 1;"));
	cert_free(&world.ca);
	cert_make_ca(&world.ca, "Another", NULL);
	cr_assert_not(goes_on(OWN ANCHORS " grace_days = 1;"));
}
