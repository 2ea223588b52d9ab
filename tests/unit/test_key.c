/* key: names as people write them (PROTOCOL facts 3.3: dots, slashes, blanks, ambiguity). */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tasks/objects/key.h"

static const char extra[] =
	"<LWM2M><Object><Name>Location</Name><ObjectID>3336</ObjectID></Object>"
	"<Object><Name>LwM2M v1.0 Test Object</Name><ObjectID>3441</ObjectID>"
	"<MultipleInstances>Multiple</MultipleInstances>"
	"<Resources><Item ID='1'><Name>PM2.5</Name><Type>Float</Type></Item>"
	"<Item ID='2'><Name>Twin</Name><Type>Float</Type></Item>"
	"<Item ID='3'><Name>Twin</Name><Type>Float</Type></Item>"
	"<Item ID='4'><Name>Level.4</Name><Type>Float</Type></Item>"
	"<Item ID='5'><Name>Level</Name><Type>Float</Type>"
	"<MultipleInstances>Multiple</MultipleInstances></Item></Resources></Object>"
	"<Object><Name>LwM2M</Name><ObjectID>4000</ObjectID></Object>"
	"<Object><Name>LwM2M Old "
	"Server</Name><ObjectID>1</ObjectID><ObjectVersion>0.9</ObjectVersion>"
	"<Resources><Item ID='7'><Name>Binding Mode</Name><Type>String</Type></Item>"
	"<Item ID='99'><Name>Dropped</Name><Type>String</Type></Item></Resources></Object></LWM2M>";

static struct objects *objects;
static struct diag_list diags;

static void
setup(void)
{
	diag_list_init(&diags);
	objects = objects_new();
	cr_assert_eq(objects_load_text(objects, "extra", extra, sizeof extra - 1, &diags), 0, "%s",
		     diags.count ? diags.items[0].text : "");
}

static void
teardown(void)
{
	objects_free(objects);
	diag_list_fini(&diags);
}

TestSuite(key, .init = setup, .fini = teardown);

Test(key, says_what_is_wrong)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "LwM2M Securty.2.LwM2M Server URI", "did you mean \"LWM2M Security\"?" },
		{ "LwM2M Security.2.Security Mod", "did you mean \"Security Mode\"?" },
		{ "LwM2M Security.2.Nothing like it",
		  "LWM2M Security has no resource \"Nothing like it\"" },
		{ "No such thing.0.x", "unknown object \"No such thing\": add" },
		{ "LwM2M Server.Lifetime", "lacks the instance number" },
		{ "LwM2M Server.65535.Lifetime", "instance number from 0 to 65534" },
		{ "LwM2M Server.99999999999999999999.Lifetime", "instance number from 0 to 65534" },
		{ "Device.1.Manufacturer", "Device has one instance alone" },
		{ "LwM2M Server.0.Lifetime.1", "Lifetime is a single resource" },
		{ "LwM2M v1.0 Test Object.0.Twin", "ambiguous: write one of the ids 2, 3" },
		{ "Location.0.Latitude", "ambiguous: write one of the ids 6, 3336" },
		{ "/0/x", "is not a path" },
		{ "/0/", "is not a path" },
		{ "//", "is not a path" },
		{ "/0.2", "is not a path" },
		{ "/65536", "is not a path" },
		{ "/0/65535", "is not a path" },
		{ "/0/1/2/3/4", "more than four numbers" },
		{ "/1/0/1/0", "Lifetime is a single resource" },
		{ ".", "unknown object" },
		{ "...", "unknown object" },
		{ "0.x.1", "needs an instance number" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t before = diags.count;
		struct key key;

		cr_assert_lt(key_parse(objects, cases[i].text, strlen(cases[i].text), NULL, &diags,
				       &key),
			     0, "%s", cases[i].text);
		cr_assert_eq(diags.count, before + 1, "%s", cases[i].text);
		cr_assert(strstr(diags.items[before].text, cases[i].error), "%s: %s", cases[i].text,
			  diags.items[before].text);
	}
}

Test(key, refuses_what_is_no_text)
{
	char endless[2000];
	struct key key;

	memset(endless, '.', sizeof endless);
	cr_assert_lt(key_parse(objects, endless, sizeof endless, NULL, &diags, &key), 0);
	cr_assert_lt(key_parse(objects, "/0\0/1", 5, NULL, &diags, &key), 0);
}

Test(key, resolves_names_numbers_and_paths)
{
	static const struct {
		const char *text, *path;
	} cases[] = {
		{ "", "/" },
		{ "/", "/" },
		{ " \t", "/" },
		{ "LwM2M Security.2.LwM2M Server URI", "/0/2/0" },
		{ "LWM2M  Security.2.LWM2M  Server URI", "/0/2/0" },
		{ " lwm2m security.2. lwm2m server\xc2\xa0uri ", "/0/2/0" },
		{ "LwM2M Security", "/0" },
		{ "LwM2M Security.", "/0" },
		{ "LwM2M Security.2", "/0/2" },
		{ "LwM2M Security.2.", "/0/2" },
		{ "LwM2M Security.2.TLS 1.3 Features To Use by Client", "/0/2/22" },
		{ "LwM2M Security.2.DTLS/TLS Ciphersuite", "/0/2/16" },
		{ "LwM2M Security.2.DTLS/TLS Ciphersuite.1", "/0/2/16/1" },
		{ "LwM2M Security.2.DTLS/TLS Ciphersuite.", "/0/2/16" },
		{ "LwM2M Security.2.SMS Binding Secret Key(s)", "/0/2/8" },
		{ "LwM2M Security.2.16.3", "/0/2/16/3" },
		{ "LwM2M Server.0.Notification Storing When Disabled or Offline", "/1/0/6" },
		{ "LwM2M Server.0.Binding Mode", "/1/0/7" },
		{ "LwM2M Old Server.0.Binding", "/1/0/7" },
		{ "LwM2M Security.2.server uri", "/0/2/0" },
		{ "LwM2M Server.0.Dropped", "/1/0/99" },
		{ "LwM2M v1.0 Test Object.0.PM2.5", "/3441/0/1" },
		{ "LwM2M v1.0 Test Object.3.Level.4", "/3441/3/4" },
		{ "LwM2M v1.0 Test Object.3.Level.5", "/3441/3/5/5" },
		{ "LwM2M v1.0 Test Object.0.2", "/3441/0/2" },
		{ "LwM2M.0", "/4000/0" },
		{ "0.2.0", "/0/2/0" },
		{ "0.2.Secret Key", "/0/2/5" },
		{ "0", "/0" },
		{ "4711.1.2.3", "/4711/1/2/3" },
		{ "/0", "/0" },
		{ "/0/2", "/0/2" },
		{ "/0/2/0", "/0/2/0" },
		{ "/0/2/16/65534", "/0/2/16/65534" },
		{ "/4711/1/2", "/4711/1/2" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct key key;
		char path[40];

		cr_assert_eq(key_parse(objects, cases[i].text, strlen(cases[i].text), NULL, &diags,
				       &key),
			     0, "%s: %s", cases[i].text, diags.count ? diags.items[0].text : "");
		key_path_format(&key.path, path, sizeof path);
		cr_assert_str_eq(path, cases[i].path, "%s: %s", cases[i].text, path);
	}
}

Test(key, gives_the_definitions)
{
	struct key key;

	cr_assert_eq(key_parse(objects, "1.0.99", 6, NULL, &diags, &key), 0);
	cr_assert_str_eq(key.object->version, "1.2");
	cr_assert_str_eq(key.resource->name, "Dropped");
	cr_assert_eq(key_parse(objects, "/4711/0/1", 9, NULL, &diags, &key), 0);
	cr_assert_null(key.object);
	cr_assert_null(key.resource);
	cr_assert_eq(key_parse(objects, "/0/0/77", 7, NULL, &diags, &key), 0);
	cr_assert_not_null(key.object);
	cr_assert_null(key.resource);
}

/* Another version that is loaded beside calls another resource so: the newest decides. */
Test(key, a_loaded_version_makes_no_resource_name_ambiguous)
{
	static const char *const versions[] = { "1.0", "2.0" };
	struct key key;

	for (int i = 0; i < 2; i++) {
		char text[300];
		int len = snprintf(
			text, sizeof text,
			"<LWM2M><Object><Name>Pump</Name><ObjectID>901</ObjectID><ObjectVersion>%s"
			"</ObjectVersion><Resources><Item ID='%d'><Name>Rate</Name></Item>"
			"<Item ID='%d'><Name>Old %d</Name></Item></Resources></Object></LWM2M>",
			versions[i], 5 + i, 7 + i, i);

		cr_assert_eq(objects_load_text(objects, "v", text, (size_t)len, &diags), 0);
	}
	cr_assert_eq(key_parse(objects, "Pump.0.Rate", 11, NULL, &diags, &key), 0, "%s",
		     diags.count ? diags.items[0].text : "");
	cr_expect_eq(key.path.resource, 6);
	/* A name that the newest has not is found all the same. */
	cr_assert_eq(key_parse(objects, "Pump.0.Old 0", 12, NULL, &diags, &key), 0);
	cr_expect_eq(key.path.resource, 7);
}
