/* objects: the built-in definitions, and OMA DDF files with all their oddities (PROTOCOL facts 3.1, 3.2). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tasks/objects/objects_internal.h"

static struct diag_list diags;
static struct objects *objects;

static void
setup(void)
{
	diag_list_init(&diags);
	objects = objects_new();
}

static void
teardown(void)
{
	objects_free(objects);
	diag_list_fini(&diags);
}

TestSuite(objects, .init = setup, .fini = teardown);

/* The newest version of the object with this number in the order of ids, or NULL. */
static const struct object_def *
newest(unsigned index)
{
	const struct object_def *object;

	for (unsigned i = 0; (object = objects_version_at(objects, i)); i++)
		if (object == objects_find(objects, object->id) && !index--)
			return object;
	return NULL;
}

Test(objects, refuses_what_is_no_definition)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "", "empty" },
		{ "hello", "not well-formed" },
		{ "<LWM2M>", "not well-formed" },
		{ "<LWM2M/>", "not an object definition" },
		{ "<LWM2M><Object><ObjectID>9</ObjectID></Object></LWM2M>", "no Name" },
		{ "<LWM2M><Object><Name>x</Name></Object></LWM2M>", "no Name, or no ObjectID" },
		{ "<LWM2M><Object><Name>x</Name><ObjectID>65536</ObjectID></Object></LWM2M>",
		  "ObjectID" },
		{ "<LWM2M><Object><Name>x</Name><ObjectID>-1</ObjectID></Object></LWM2M>",
		  "ObjectID" },
		{ "<LWM2M><Object><Name>x</Name><ObjectID>9</ObjectID><Resources>"
		  "<Item><Name>y</Name></Item></Resources></Object></LWM2M>",
		  "no ID" },
		{ "<LWM2M><Object><Name>x</Name><ObjectID>9</ObjectID><Resources>"
		  "<Item ID='1'></Item></Resources></Object></LWM2M>",
		  "item 1 has no Name" },
		{ "<LWM2M><Object><Name>x</Name><ObjectID>9</ObjectID><Resources><Item ID='1'>"
		  "<Name>y</Name><Type>Complex</Type></Item></Resources></Object></LWM2M>",
		  "item 1 has the unknown Type \"Complex\"" },
		{ "<LWM2M><Object><Name>x</Name><ObjectID>9</ObjectID><Resources><Item ID='1'>"
		  "<Name>y</Name></Item><Item "
		  "ID='1'><Name>z</Name></Item></Resources></Object></LWM2M>",
		  "item 1 is duplicated" },
		{ "<!DOCTYPE LWM2M [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b "
		  "\"&a;&a;&a;&a;&a;&a;&a;&a;\">]>"
		  "<LWM2M><Object><Name>&b;</Name></Object></LWM2M>",
		  "a document type declaration is not allowed" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		diag_list_fini(&diags);
		cr_assert_lt(objects_load_text(objects, "x.xml", cases[i].text,
					       strlen(cases[i].text), &diags),
			     0, "%s", cases[i].text);
		cr_assert_geq(diags.errors, 1);
		cr_assert(strstr(diags.items[0].text, cases[i].error), "%s", diags.items[0].text);
	}
	cr_assert_null(objects_find(objects, 9));
}

Test(objects, reads_the_oddities_of_the_registry)
{
	static const char text[] =
		"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!-- <LWM2M> -->\r\n"
		"<LWM2M xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
		"xsi:noNamespaceSchemaLocation=\"http://example/LWM2M-v1_1.xsd\">\r\n"
		"<Object ObjectType=\"MODefinition\">\r\n<Name> Odd\xc2\xa0\r\n one  </Name>\r\n"
		"<Description1><![CDATA[<Name>no</Name>]]></Description1><ObjectID> 3459 "
		"</ObjectID>\r\n"
		"<LWM2MVersion>1.1</LWM2MVersion><ObjectVersion>1.10</ObjectVersion>\r\n"
		"<MultipleInstances>Multiple</MultipleInstances><Mandatory>Optional</Mandatory>\r\n"
		"<Resources><Item ID=\"7\"><Name><![CDATA[Up/Down ]]>&amp; "
		"more</Name><Type>Unsigned Integer</Type>"
		"<RangeEnumeration>0 - "
		"255</RangeEnumeration><MultipleInstances>Multiple</MultipleInstances>"
		"<Mandatory>Mandatory</Mandatory></Item>\r\n"
		"<Item ID=\"3\"><Name>Go</Name><Type></Type></Item>"
		"<Item ID=\"4\"><Name>Core</Name><Type>Corelnk</Type></Item></Resources>\r\n"
		"</Object></LWM2M>\r\n";
	const struct object_def *object;
	const struct resource_def *resource;

	cr_assert_eq(objects_load_text(objects, "3459.xml", text, sizeof text - 1, &diags), 0, "%s",
		     diags.count ? diags.items[0].text : "");
	object = objects_find(objects, 3459);
	cr_assert_not_null(object);
	cr_assert_str_eq(object->name, "Odd one");
	cr_assert_str_eq(object->version, "1.10");
	cr_assert(object->multiple && !object->mandatory);
	cr_assert_eq(object->n_resources, 3);
	resource = object_resource(object, 7);
	cr_assert_str_eq(resource->name, "Up/Down & more");
	cr_assert_eq(resource->type, LWM2M_UNSIGNED);
	cr_assert(resource->multiple && resource->mandatory && resource->has_range);
	cr_assert_eq(resource->max, 255);
	cr_assert_eq(object_resource(object, 3)->type, LWM2M_NONE);
	cr_assert_eq(object_resource(object, 4)->type, LWM2M_CORELNK);
	cr_assert_null(object_resource(object, 5));
}

Test(objects, versions_are_numbers_and_the_newest_wins)
{
	static const char *const versions[] = { "1.9", "1.10", "1.2" };
	unsigned seen = 0;
	char text[300];

	for (size_t i = 0; i < 3; i++) {
		int len = snprintf(text, sizeof text,
				   "<LWM2M><Object><Name>v%s</Name><ObjectID>900</ObjectID>"
				   "<ObjectVersion>%s</ObjectVersion></Object></LWM2M>",
				   versions[i], versions[i]);

		for (int twice = 0; twice < 2; twice++)
			cr_assert_eq(objects_load_text(objects, "v", text, (size_t)len, &diags), 0);
	}
	cr_assert_str_eq(objects_find(objects, 900)->name, "v1.10");
	for (unsigned i = 0; objects_version_at(objects, i); i++)
		seen += objects_version_at(objects, i)->id == 900;
	cr_assert_eq(seen, 3);
	cr_assert_eq(newest(11)->id, 900);
	cr_assert_str_eq(newest(11)->version, "1.10");
	cr_assert_null(newest(12));
}

Test(objects, ranges_are_read_leniently)
{
	static const struct {
		const char *text;
		enum lwm2m_type type;
		bool has;
		double min, max;
	} cases[] = {
		{ "", LWM2M_INTEGER, false, 0, 0 },
		{ "see the TS", LWM2M_INTEGER, false, 0, 0 },
		{ "0: off, 1: on", LWM2M_INTEGER, false, 0, 0 },
		{ "5", LWM2M_INTEGER, false, 0, 0 },
		{ "0..", LWM2M_INTEGER, false, 0, 0 },
		{ "1..65534", LWM2M_INTEGER, true, 1, 65534 },
		{ "1-65535", LWM2M_INTEGER, true, 1, 65535 },
		{ "0...7", LWM2M_INTEGER, true, 0, 7 },
		{ "0 to 7", LWM2M_INTEGER, true, 0, 7 },
		{ "-90.5..+90.5", LWM2M_FLOAT, true, -90.5, 90.5 },
		{ "0, 1 ,2", LWM2M_INTEGER, true, 0, 2 },
		{ "0..255", LWM2M_STRING, true, 0, 255 },
		{ "0-255 bytes", LWM2M_STRING, true, 0, 255 },
		{ "16-32-48 bytes", LWM2M_OPAQUE, true, 16, 48 },
		{ "6 bytes", LWM2M_OPAQUE, true, 6, 6 },
		{ "16,32,48", LWM2M_OPAQUE, false, 0, 0 },
		{ "0-255 bytes", LWM2M_INTEGER, false, 0, 0 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		double min = 0, max = 0;

		cr_assert_eq(objects_parse_range(cases[i].text, cases[i].type, &min, &max),
			     cases[i].has, "%s", cases[i].text);
		if (cases[i].has)
			cr_assert(min == cases[i].min && max == cases[i].max, "%s", cases[i].text);
	}
}

Test(objects, builtin_tables_are_sorted_and_complete)
{
	static const unsigned counts[] = { 31, 28, 4, 23, 14, 13, 7, 9 };

	for (unsigned i = 0; i < 8; i++) {
		const struct object_def *object = objects_find(objects, (uint16_t)i);

		cr_assert_not_null(object);
		cr_assert_eq(object, newest(i));
		cr_assert_eq(object->n_resources, counts[i], "object %u", i);
		for (unsigned j = 0; j < object->n_resources; j++)
			cr_assert_eq(object_resource(object, object->resources[j].id),
				     &object->resources[j]);
	}
	cr_assert_null(objects_find(objects, 8));
}

Test(objects, a_folder_loads_what_is_good_and_tells_what_is_not)
{
	char folder[] = "/tmp/objects-XXXXXX", file[64];
	static const struct {
		const char *name, *text;
	} files[] = {
		{ "900.xml",
		  "<LWM2M><Object><Name>Good</Name><ObjectID>900</ObjectID></Object></LWM2M>" },
		{ "bad.xml", "<LWM2M>\n<Object>" },
		{ "DDF.xml", "not read" },
		{ "notes.txt", "not read" },
		/* Lists that the registry has beside its objects. */
		{ "units.xml", "<units><unit name='m'/></units>" },
		{ "version.xml", "<LWM2M><Version>1</Version></LWM2M>" },
	};

	cr_assert_not_null(mkdtemp(folder));
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		FILE *out;

		snprintf(file, sizeof file, "%s/%s", folder, files[i].name);
		out = fopen(file, "w");
		fputs(files[i].text, out);
		fclose(out);
	}
	cr_assert_eq(objects_load_folder(objects, folder, &diags), 1);
	cr_assert_geq(diags.errors, 1);
	cr_assert(strstr(diags.items[0].place.file, "/bad.xml"));
	cr_assert_eq(diags.items[0].place.line, 2);
	cr_assert_str_eq(objects_find(objects, 900)->name, "Good");
	cr_expect_eq(diags.warnings, 2);
	for (size_t i = 0; i < diags.count; i++)
		if (diags.items[i].level == DIAG_WARNING)
			cr_expect_not_null(
				strstr(diags.items[i].text, "not an object definition: skipped"));
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(file, sizeof file, "%s/%s", folder, files[i].name);
		unlink(file);
	}
	rmdir(folder);
	cr_assert_lt(objects_load_folder(objects, folder, &diags), 0);
}

Test(objects, a_reference_in_a_name_is_its_character)
{
	static const char text[] =
		"<LWM2M><Object ObjectType='MODefinition'><Name>AT&amp;T &lt;x&gt; &#233;</Name>"
		"<ObjectID>901</ObjectID><Resources><Item ID='1'><Name>R&#38;D</Name>"
		"<Operations>RW</Operations><Type>String</Type></Item></Resources>"
		"</Object></LWM2M>";

	cr_assert_eq(objects_load_text(objects, "x", text, sizeof text - 1, &diags), 0, "%s",
		     diags.count ? diags.items[0].text : "");
	cr_expect_str_eq(objects_find(objects, 901)->name, "AT&T <x> \xc3\xa9");
	cr_expect_str_eq(objects_find(objects, 901)->resources[0].name, "R&D");
}

#define SECURITY(version, resource)                                                                \
	"<LWM2M><Object><Name>Own</Name><ObjectID>0</ObjectID><ObjectVersion>" version             \
	"</ObjectVersion>"                                                                         \
	"<MultipleInstances>Multiple</MultipleInstances><Resources><Item ID='" resource            \
	"'><Name>Own "                                                                             \
	"Thing</Name><Operations>RW</Operations><Type>String</Type></Item></Resources></Object>"   \
	"</LWM2M>"

Test(objects, a_file_that_redefines_a_built_in_object_is_named)
{
	static const struct {
		const char *text, *warning;
	} cases[] = {
		{ SECURITY("1.0", "0"), "the newer one stays in use" },
		{ SECURITY("1.2", "0"), "tasks use this one from now on" },
		{ SECURITY("9.0", "0"), "tasks use this one from now on" },
		{ "<LWM2M><Object><Name>x</Name><ObjectID>900</ObjectID></Object></LWM2M>", NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		diag_list_fini(&diags);
		cr_assert_eq(objects_load_text(objects, "x.xml", cases[i].text,
					       strlen(cases[i].text), &diags),
			     0);
		cr_expect_eq(diags.count, cases[i].warning != NULL, "%zu", i);
		if (cases[i].warning && diags.count)
			cr_expect(strstr(diags.items[0].text, "LWM2M Security (object 0)") &&
					  strstr(diags.items[0].text, cases[i].warning),
				  "%s", diags.items[0].text);
	}
}
