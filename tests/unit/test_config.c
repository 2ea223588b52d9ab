/*
 * cradle.conf: every wrong setting is told with its line, the sample is accepted, reloads know
 * what needs a restart.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/config/config.h"
#include "control/config/config_schema.h"
#include "control/log.h"

#define GOOD_LISTS                                                                                 \
	"ports = ( { device = \"net_null0\"; addresses = [ \"198.18.0.1/24\" ]; } );\n"            \
	"listeners = ( { port = 5683; security = \"nosec\"; } );\n"

static struct diag_list diags;

static void
set_up(void)
{
	diag_list_init(&diags);
}

static void
tear_down(void)
{
	diag_list_fini(&diags);
}

TestSuite(config, .init = set_up, .fini = tear_down);

static struct config *
parse(const char *text)
{
	struct config *config = config_parse("folder/cradle.conf", text, strlen(text), &diags);

	if (diags.errors) {
		config_free(config);
		return NULL;
	}
	return config;
}

static bool
told(uint32_t line, const char *words)
{
	for (size_t i = 0; i < diags.count; i++)
		if (diags.items[i].place.line == line && strstr(diags.items[i].text, words))
			return true;
	return false;
}

Test(config, twenty_wrong_settings_are_twenty_errors)
{
	static const struct {
		const char *line, *words;
	} wrong[] = {
		{ "workers = 0;", "out of range" },
		{ "control_cpu = \"first\";", "must be a whole number" },
		{ "idle_yield = 1;", "must be true or false" },
		{ "hugepages = \"yess\";", "did you mean \"yes\"" },
		{ "memory_mb = -1;", "out of range" },
		{ "file_prefix = 7;", "must be text" },
		{ "eal_args = true;", "must be text" },
		{ "sessions = 10;", "out of range" },
		{ "sesions = 1000;", "did you mean \"sessions\"" },
		{ "policy = \"\";", "must not be empty" },
		{ "store = [ \"a\" ];", "must be text" },
		{ "packet_buffers = 1.5;", "must be a whole number" },
		{ "cpus = \"1-\";", "no list of CPUs" },
		{ "log = { level = \"loud\"; };", "is not a valid value" },
		{ "control = 5;", "must be a group" },
		{ "limits = { ack_timeout_ms = 1; ", "out of range" },
		{ "ack_random_factor = 9.5; ", "out of range" },
		{ "max_retransmits = 4; ", "did you mean \"max_retransmit\"" },
		{ "batch_wait_ms = \"soon\"; ", "must be a whole number" },
		{ "linger_s = 99999999999L; };", "out of range" },
	};
	size_t n = sizeof wrong / sizeof wrong[0];
	char text[4096] = "";

	for (size_t i = 0; i < n; i++) {
		strncat(text, wrong[i].line, sizeof text - strlen(text) - 1);
		strncat(text, "\n", sizeof text - strlen(text) - 1);
	}
	strncat(text, GOOD_LISTS, sizeof text - strlen(text) - 1);
	cr_assert_null(parse(text));
	cr_expect_eq(diags.errors, 20, "%zu errors", diags.errors);
	for (size_t i = 0; i < n; i++)
		cr_expect(told((uint32_t)i + 1, wrong[i].words), "line %zu: %s", i + 1,
			  wrong[i].line);
}

Test(config, wrong_ports_and_listeners)
{
	static const char text[] = "ports = (\n"
				   "  { device = \"\"; addresses = [ ]; },\n"
				   "  { addresses = [ \"198.18.0.300\" ]; },\n"
				   "  { device = \"a\"; addresses = [ \"10.0.0.1\", \"10.0.0.1/8\" "
				   "]; mtus = 1500; },\n"
				   "  { device = \"a\"; addresses = \"10.0.0.2\"; vlan = 5000; },\n"
				   "  7\n"
				   ");\n"
				   "listeners = (\n"
				   "  { port = 0; security = \"psk\"; },\n"
				   "  { port = 5683; security = \"none\"; },\n"
				   "  { port = 5683; }\n"
				   ");\n";

	cr_assert_null(parse(text));
	cr_expect(told(2, "must not be empty"));
	cr_expect(told(2, "at least one address"));
	cr_expect(told(3, "\"device\" is missing"));
	cr_expect(told(3, "is no address"));
	cr_expect(told(4, "listed twice"));
	cr_expect(told(4, "did you mean \"mtu\""));
	cr_expect(told(5, "list of addresses"));
	cr_expect(told(5, "5000 is out of range"));
	cr_expect(told(5, "device \"a\" is listed twice"));
	cr_expect(told(6, "must be a group"));
	cr_expect(told(9, "out of range"));
	cr_expect(told(10, "is not a valid value"));
	cr_expect(told(11, "\"security\" is missing"));
	cr_expect(told(11, "used by two listeners"));
}

/* A check goes on to policy and inventory, so that one run tells everything. */
Test(config, a_wrong_setting_leaves_the_others_readable)
{
	static const char text[] = GOOD_LISTS "workers = \"many\"; policy = \"/elsewhere\";";
	struct config *config = config_parse("cradle.conf", text, sizeof text - 1, &diags);

	cr_assert_not_null(config);
	cr_expect_eq(diags.errors, 1);
	cr_expect_eq(config->workers, 1);
	cr_expect_str_eq(config->policy, "/elsewhere");
	config_free(config);
}

Test(config, lists_are_required)
{
	cr_assert_null(parse("workers = 1;\n"));
	cr_expect_eq(diags.errors, 2);
}

Test(config, nosec_on_a_public_address_is_refused_unless_allowed)
{
	static const char *const ports =
		"ports = ( { device = \"a\"; addresses = [ \"%s\" ]; } );\n"
		"listeners = ( { port = 5683; security = \"nosec\"; %s} );\n";
	static const struct {
		const char *address, *more;
		bool good;
	} cases[] = {
		{ "8.8.8.8/24", "", false },
		{ "2600::1/64", "", false },
		{ "8.8.8.8/24", "allow_public_nosec = true; ", true },
		{ "172.31.0.1/24", "", true },
		{ "fe80::1/64", "", true },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[512];
		struct config *config;

		diag_list_fini(&diags);
		diag_list_init(&diags);
		snprintf(text, sizeof text, ports, cases[i].address, cases[i].more);
		config = parse(text);
		cr_expect_eq(config != NULL, cases[i].good, "%s", cases[i].address);
		cr_expect_eq(told(2, "public address"), !cases[i].good, "%s", cases[i].address);
		config_free(config);
	}
}

Test(config, devices_with_keys_over_nosec_are_warned_of)
{
	static const char *const text =
		"ports = ( { device = \"net_tap0\"; addresses = [ \"192.168.1.1/24\" ]; } );\n"
		"listeners = ( { port = 5683; security = \"%s\"; allow_keyed_devices = %s; } );\n";
	static const struct {
		const char *security, *allow, *warning;
	} cases[] = {
		{ "nosec", "true", "gets its secrets" },
		{ "psk", "true", "says nothing on a listener with DTLS" },
		{ "nosec", "false", NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct dataplane_config out;
		struct config *config;
		char all[512];

		diag_list_fini(&diags);
		diag_list_init(&diags);
		snprintf(all, sizeof all, text, cases[i].security, cases[i].allow);
		config = parse(all);
		cr_assert_not_null(config);
		cr_expect_eq(diags.count, cases[i].warning ? 1 : 0);
		if (cases[i].warning)
			cr_expect(told(2, cases[i].warning), "%s", diags.items[0].text);
		config_dataplane(config, &out);
		cr_expect_eq(out.listeners[0].serves_keyed, cases[i].warning != NULL);
		config_free(config);
	}
}

/* TASKS.md 7: clients give up after EXCHANGE_LIFETIME (247 s) without a request. */
Test(config, times_that_devices_do_not_wait_for_are_told)
{
	static const struct {
		const char *limits;
		bool warned;
	} cases[] = {
		{ "ack_timeout_ms = 5000; ack_random_factor = 1.5; max_retransmit = 4;", false },
		{ "ack_timeout_ms = 2000; ack_random_factor = 1.5; max_retransmit = 6;", true },
		{ "ack_timeout_ms = 60000; ack_random_factor = 3.0; max_retransmit = 8;", true },
		{ "ack_timeout_ms = 60000; ack_random_factor = 1.0; max_retransmit = 1;", false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[512];
		struct config *config;

		diag_list_fini(&diags);
		diag_list_init(&diags);
		snprintf(text, sizeof text, GOOD_LISTS "\nlimits = { %s };", cases[i].limits);
		config = parse(text);
		cr_assert_not_null(config, "a warning is no error");
		cr_expect_eq(diags.count, cases[i].warned, "%s", cases[i].limits);
		cr_expect(!cases[i].warned || strstr(diags.items[0].text, "after 247 s"));
		config_free(config);
	}
}

Test(config, room_for_answers_is_the_dataplane_s_from_the_start)
{
	struct config *config =
		parse(GOOD_LISTS "limits = { answers = 12; answer_bytes = 1024; };");
	struct config *bare = parse(GOOD_LISTS);
	struct dataplane_config *dataplane = calloc(1, sizeof *dataplane);
	struct config_changes changes;

	cr_assert(config && bare && dataplane);
	config_dataplane(config, dataplane);
	cr_expect_eq(dataplane->answers, 12);
	cr_expect_eq(dataplane->answer_bytes, 1024);
	cr_assert_eq(config_compare(bare, config, &changes), 0);
	cr_assert_eq(changes.count, 2);
	cr_expect_str_eq(changes.items[0].name, "limits.answers");
	cr_expect(!changes.items[0].live && !changes.items[1].live);
	config_changes_free(&changes);
	free(dataplane);
	config_free(config);
	config_free(bare);
	cr_expect_null(parse(GOOD_LISTS "limits = { answer_bytes = 65536; };"));
}

Test(config, sample_is_accepted_with_its_values)
{
	struct config *config = config_load(SOURCE_ROOT "/conf/cradle.conf", &diags);
	struct dataplane_config *dataplane = calloc(1, sizeof *dataplane);

	cr_assert(config && diags.count == 0);
	cr_expect_str_eq(config->policy, SOURCE_ROOT "/conf/policy");
	cr_expect_str_eq(config->socket, "/run/cradle/cradle.sock");
	cr_expect_eq(config->n_ports, 1);
	cr_expect_eq(config->ports[0].addresses.count, 2);
	cr_expect_eq(config->n_listeners, 1);
	cr_expect_eq(config->log_level, SEVERITY_INFO);
	config_dataplane(config, dataplane);
	cr_expect_eq(dataplane->limits.ack_timeout_us, 2000000);
	cr_expect_eq(dataplane->limits.ack_random_percent, 150);
	cr_expect_eq(dataplane->limits.linger_us, 247000000);
	cr_expect_eq(dataplane->ports[0].vlan, LINK_UNTAGGED);
	cr_expect_eq(dataplane->control_cpu, -1);
	cr_expect_eq(dataplane->hugepages, DATAPLANE_HUGEPAGES_AUTO);
	cr_expect_eq(dataplane->listeners[0].security, LISTENER_PSK);
	free(dataplane);
	config_free(config);
}

/* "Every setting is shown", says the sample. */
Test(config, sample_names_every_setting)
{
	static char text[65536];
	FILE *file = fopen(SOURCE_ROOT "/conf/cradle.conf", "r");
	char words[128];

	cr_assert_not_null(file);
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	fclose(file);
	for (unsigned i = 0; i < config_schema.n; i++) {
		const char *dot = strrchr(config_schema.settings[i].name, '.');

		if (config_schema.settings[i].obsolete)
			continue;
		snprintf(words, sizeof words,
			 "%s = ", dot ? dot + 1 : config_schema.settings[i].name);
		cr_expect_not_null(strstr(text, words), "%s is not there",
				   config_schema.settings[i].name);
	}
}

/* The sample says of itself that it shows defaults: leaving its scalars out must change nothing. */
Test(config, sample_shows_the_defaults)
{
	struct config *sample = config_load(SOURCE_ROOT "/conf/cradle.conf", &diags);
	static const char text[] =
		"ports = ( { device = \"net_af_packet0,iface=cradle0\";\n"
		"            addresses = [ \"198.18.0.1/24\", \"2001:2::1/64\" ]; } );\n"
		"listeners = ( { port = 5684; security = \"psk\"; } );\n";
	struct config *bare =
		config_parse(SOURCE_ROOT "/conf/cradle.conf", text, sizeof text - 1, &diags);
	struct config_changes changes;

	cr_assert(sample && bare);
	cr_assert_eq(config_compare(sample, bare, &changes), 0);
	for (unsigned i = 0; i < changes.count; i++)
		cr_expect(false, "%s: %s -> %s", changes.items[i].name, changes.items[i].before,
			  changes.items[i].after);
	config_changes_free(&changes);
	config_free(sample);
	config_free(bare);
}

Test(config, changes_know_live_from_restart)
{
	struct config *old = parse(GOOD_LISTS "sessions = 1024; limits = { max_retransmit = 4; };");
	struct config *new = parse(GOOD_LISTS "sessions = 2048; limits = { max_retransmit = 3; };"
					      "policy = \"/elsewhere\";");
	struct config_changes changes;

	cr_assert(old && new);
	cr_assert_eq(config_compare(old, new, &changes), 0);
	cr_assert_eq(changes.count, 3);
	cr_expect_str_eq(changes.items[0].name, "sessions");
	cr_expect_str_eq(changes.items[0].before, "1024");
	cr_expect_str_eq(changes.items[0].after, "2048");
	cr_expect_not(changes.items[0].live);
	cr_expect_str_eq(changes.items[1].name, "limits.max_retransmit");
	cr_expect(changes.items[1].live);
	config_changes_free(&changes);
	cr_assert_eq(config_apply_live(old, new), 0);
	cr_expect_eq(old->sessions, 1024);
	cr_expect_eq(old->max_retransmit, 3);
	cr_expect_str_eq(old->policy, "/elsewhere");
	config_free(old);
	config_free(new);
}

/* A token's PIN stands in the file; who may see settings, or the answer of a reload, need not know it. */
Test(config, a_pin_is_told_nobody)
{
	struct config *old =
		parse(GOOD_LISTS "kek = \"pkcs11:token=a;object=k?pin-value=1234&x=y\";");
	struct config *new = parse(GOOD_LISTS "kek = \"pkcs11:token=a;object=k?pin-value=987\";");
	struct config_changes changes;

	cr_assert(old && new);
	cr_assert_eq(config_compare(old, new, &changes), 0);
	cr_assert_eq(changes.count, 1, "it has changed all the same");
	cr_expect_str_eq(changes.items[0].before,
			 "\"pkcs11:token=a;object=k?pin-value=********&x=y\"");
	cr_expect_str_eq(changes.items[0].after, "\"pkcs11:token=a;object=k?pin-value=********\"");
	config_changes_free(&changes);
	config_free(old);
	config_free(new);
}

struct seen {
	unsigned n, ports;
	char device[64];
};

static void
see(void *ctx, const struct config_value *value)
{
	struct seen *seen = ctx;

	seen->n++;
	seen->ports += strncmp(value->name, "ports[", 6) == 0;
	if (strcmp(value->name, "ports[0].device") == 0)
		snprintf(seen->device, sizeof seen->device, "%s", value->text);
	cr_expect_neq(strcmp(value->name, "limits.slow_lane_handshakes"), 0, "it has no effect");
}

Test(config, every_setting_is_told_with_its_value)
{
	struct config *config = parse(GOOD_LISTS);
	struct seen seen = { 0 };

	cr_assert(config);
	config_each(config, see, &seen);
	cr_expect_gt(seen.n, 40);
	cr_expect_eq(seen.ports, 7 * config->n_ports);
	cr_expect(strlen(seen.device) > 2, "%s", seen.device);
	config_free(config);
}

/* A file of yesterday loads as it is. */
Test(config, an_obsolete_setting_is_accepted_with_a_warning_and_changes_nothing)
{
	struct config *old = parse(GOOD_LISTS "limits = { slow_lane_handshakes = 8; };");
	struct config *new = parse(GOOD_LISTS);
	struct config_changes changes;
	struct text text;

	cr_assert(old && new);
	cr_assert_eq(diags.count, 1);
	cr_expect_eq(diags.items[0].level, DIAG_WARNING);
	cr_expect(strstr(diags.items[0].text, "no effect"), "%s", diags.items[0].text);
	cr_assert_eq(config_compare(old, new, &changes), 0);
	cr_expect_eq(changes.count, 0);
	config_changes_free(&changes);
	text_init(&text);
	config_help(&text);
	cr_expect_not(strstr(text_str(&text), "slow_lane"));
	text_fini(&text);
	config_free(old);
	config_free(new);
}

Test(config, help_tells_every_setting)
{
	struct text text;

	text_init(&text);
	config_help(&text);
	cr_expect(strstr(text_str(&text), "limits.ack_timeout_ms"));
	cr_expect(strstr(text_str(&text), "ports[].device"));
	cr_expect(strstr(text_str(&text), "needs a restart"));
	text_fini(&text);
	text_init(&text);
	cr_expect(config_help_one("sessions", &text));
	cr_expect_not(config_help_one("nonsense", &text));
	text_fini(&text);
}

static const char cluster_ports[] = "ports = ( { device = \"a\"; addresses = [ \"10.0.0.1/8\" ]; } );\n"
				   "listeners = ( { port = 5684; security = \"psk\"; } );\n";

static struct config *
parse_cluster(const char *members)
{
	static char text[1024];

	snprintf(text, sizeof text, "%scluster = { %s };\n", cluster_ports, members);
	return parse(text);
}

Test(config, a_cluster_is_named_whole_or_not_at_all)
{
	cr_assert_null(parse_cluster("name = \"north\"; member = 1;"));
	cr_expect(told(3, "all of them"));
	cr_assert_null(parse_cluster("member = 1;"));
	cr_assert_null(parse_cluster("name = \"no rth\"; member = 1; database = \"postgresql:///x\"; secret = \"s\";"));
	cr_expect(told(3, "letters, digits"));
	cr_assert_null(parse_cluster("name = \"north\"; member = 8192; database = \"postgresql:///x\"; secret = \"s\";"));
	cr_expect(told(3, "out of range"));
	cr_assert_null(parse_cluster("name = \"north\"; member = 0; database = \"postgresql:///x\"; secret = \"s\";"));
}

#define MEMBER "name = \"n\"; member = 1; secret = \"s\"; database = \"postgresql:///x\"; "

Test(config, members_forward_to_an_address_of_their_own)
{
	static const char *const wrong[][2] = {
		{ "forward = \"10.0.0.2\";", "one of the addresses" },
		{ "forward = \"10.0.0.1/8\";", "one of the addresses" },
		{ "forward = \"here\";", "one of the addresses" },
		{ "forward = \"10.0.0.1\"; forward_port = 5684;", "is a listener's" },
		{ "forward = \"10.0.0.1\"; forward_port = 0;", "out of range" },
	};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		char text[256];

		snprintf(text, sizeof text, MEMBER "%s", wrong[i][0]);
		cr_assert_null(parse_cluster(text), "%s", wrong[i][0]);
		cr_expect(told(3, wrong[i][1]), "%s", wrong[i][0]);
		diag_list_fini(&diags);
		diag_list_init(&diags);
	}
}

Test(config, what_members_forward_comes_behind_the_listeners_of_devices)
{
	struct dataplane_config dataplane;
	struct config *config = parse_cluster(MEMBER "forward = \"10.0.0.1\";");

	cr_assert(config);
	config_dataplane(config, &dataplane);
	cr_assert_eq(dataplane.n_listeners, 2);
	cr_assert_eq(dataplane.listeners[1].security, LISTENER_FORWARD);
	cr_assert_eq(dataplane.listeners[1].udp_port, 5685);
	cr_assert_arr_eq(dataplane.forward_address + 12, "\x0a\0\0\1", 4);
	config_free(config);
}

/* "1e+08" would be no number that somebody wrote. */
Test(config, what_is_out_of_range_is_told_as_it_was_written)
{
	cr_assert_null(parse("sessions = 123456789;\ncontrol_cpu = -4294967295L;\n"
			     "limits = { ack_random_factor = 3.25; };\n" GOOD_LISTS));
	cr_expect(told(1, "123456789 is out of range"));
	cr_expect(told(2, "-4294967295 is out of range"));
	cr_expect(told(3, "3.25 is out of range"));
}

Test(config, an_option_of_dpdk_that_there_is_not_is_told_however_long_it_is)
{
	char text[256], option[81];

	memset(option, 'x', sizeof option - 1);
	option[sizeof option - 1] = '\0';
	snprintf(text, sizeof text, "eal_args = \"--%s --\";\n" GOOD_LISTS, option);
	cr_assert_null(parse(text));
	cr_expect(told(1, "no option \"--xxxxxxxx"));
	cr_expect_eq(diags.errors, 1);
}

/* The file is read by more than the database's password is for. */
Test(config, a_password_of_the_database_does_not_belong_into_the_file)
{
	cr_assert_null(parse_cluster("name = \"n\"; member = 1; secret = \"s\"; database = \"postgresql://u:pw@h/x\";"));
	cr_expect(told(3, "passfile"));
	cr_assert_null(parse_cluster("name = \"n\"; member = 1; secret = \"s\"; database = \"host=h password=pw\";"));
	cr_expect(told(3, "passfile"));
}

/* libpq encrypts where the server happens to, and believes whoever answers. */
Test(config, a_database_elsewhere_that_nobody_verifies_is_warned_of)
{
	static const struct {
		const char *database;
		bool warned;
	} cases[] = {
		{ "postgresql://u@db1,db2/x", true },
		{ "postgresql://u@db1/x?sslmode=require", true },
		{ "host=db1 user=u", true },
		{ "postgresql:///x?host=db1", true },
		{ "postgresql://localhost,db1/x", true },
		{ "postgresql://localhost.example.com/x", true },
		{ "host=127.0.0.1.example.com", true },
		{ "postgresql://u@db1/x?sslmode=verify-full", false },
		{ "postgresql:///x", false },
		{ "postgresql:///x?host=/run/postgresql", false },
		{ "postgresql://u@%2Frun%2Fpostgresql/x", false },
		{ "postgresql://u@localhost:5433/x", false },
		{ "postgresql://[::1]/x", false },
		{ "user=u dbname=x", false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct config *config;
		char members[256];

		snprintf(members, sizeof members,
			 "name = \"n\"; member = 1; secret = \"s\"; database = \"%s\";",
			 cases[i].database);
		diag_list_fini(&diags);
		diag_list_init(&diags);
		config = parse_cluster(members);
		cr_expect(config, "%s", cases[i].database);
		cr_expect_eq(told(3, "sslmode=verify-full"), cases[i].warned, "%s",
			     cases[i].database);
		config_free(config);
	}
}

Test(config, a_cluster_that_is_whole_is_taken)
{
	struct config *good = parse_cluster(
		"name = \"north\"; member = 7; database = \"postgresql://u@h1:5432,h2:5433/x\"; secret = \"s\";");

	cr_assert_not_null(good);
	cr_expect_eq(good->cluster_member, 7u);
	cr_expect_eq(good->cluster_poll_ms, 200u);
	cr_expect_str_eq(good->cluster_name, "north");
	config_free(good);
}

/* "Every setting is shown with its default", says the sample. */
Test(config, sample_mentions_every_setting)
{
	static char sample[65536];
	FILE *file = fopen(SOURCE_ROOT "/conf/cradle.conf", "r");

	cr_assert_not_null(file);
	sample[fread(sample, 1, sizeof sample - 1, file)] = '\0';
	fclose(file);
	for (unsigned i = 0; i < config_schema.n; i++) {
		const char *dot = strrchr(config_schema.settings[i].name, '.');

		if (config_schema.settings[i].obsolete)
			continue;
		cr_expect(strstr(sample, dot ? dot + 1 : config_schema.settings[i].name), "%s",
			  config_schema.settings[i].name);
	}
}
