/* outbox.conf: every fault with its place and a remedy, and what is kept of a good one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/delivery/delivery_conf.h"

static char folder[64], file[96];

static void
setup(void)
{
	snprintf(folder, sizeof folder, "/tmp/delivery-conf-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(file, sizeof file, "%s/outbox.conf", folder);
}

static void
teardown(void)
{
	char command[96];

	snprintf(command, sizeof command, "rm -r %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(delivery_conf, .init = setup, .fini = teardown);

static void
put(const char *name, const char *text, mode_t mode)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	out = fopen(path, "w");
	cr_assert_not_null(out);
	fputs(text, out);
	fclose(out);
	cr_assert_eq(chmod(path, mode), 0);
}

/* One target of these settings, and what is wrong with it, a line each. */
static struct delivery_conf *
load(const char *settings, char said[4096])
{
	char text[2048];
	struct diag_list diags;
	struct delivery_conf *conf;
	size_t used = 0;

	snprintf(text, sizeof text, "targets = (\n{ name = \"one\"; %s } );\n", settings);
	put("outbox.conf", text, 0644);
	diag_list_init(&diags);
	conf = delivery_conf_load(file, &diags);
	*said = '\0';
	for (size_t i = 0; i < diags.count && used < 4000; i++) {
		used += (size_t)diag_format(&diags.items[i], said + used, 4096 - used);
		used += (size_t)snprintf(said + used, 4096 - used, "\n");
	}
	cr_assert_eq(!conf, diags.errors > 0);
	diag_list_fini(&diags);
	return conf;
}

static void
refused(const char *settings, const char *words)
{
	char said[4096];

	cr_expect_null(load(settings, said), "%s", settings);
	cr_expect(strstr(said, words), "%s: %s", settings, said);
	cr_expect(strstr(said, "outbox.conf") || strstr(said, folder), "%s", said);
}

#define URL "url = \"https://h.example/x\"; "

Test(delivery_conf, what_is_no_target_is_refused_with_a_remedy)
{
	refused("", "url");
	refused("url = \"ftp://h/\";", "\"ftp\" is not https");
	refused("url = \"https://\";", "is no address");
	refused("url = \"http://h.example/\";", "http sends keys in the clear");
	refused("url = \"http://127.h.example/\";", "http sends keys in the clear");
	refused("url = \"https://me:pw@h.example/\";", "use token_file");
	refused("url = \"https://h.example/#a\";", "take it out");
	refused("url = \"https://h.example/{{key}}\";", "ends up in logs");
	refused("url = \"https://h.example/{{endpont}}\";", "did you mean \"endpoint\"");
	refused(URL "events = \"credential\";", "did you mean \"credentials\"");
	refused(URL "events = \"\";", "told nothing");
	refused(URL "method = \"GET\";", "it is POST, PUT or PATCH");
	refused(URL "confirm = \"later\";", "is not a valid value");
	refused(URL "confirm_timeout_s = 61;", "out of range");
	refused(URL "content_type = \"a\\nb\";", "no control characters");
	refused(URL "colour = 1;", "colour");
}

Test(delivery_conf, names_must_be_told_apart)
{
	struct diag_list diags;

	put("outbox.conf",
	    "targets = ( { name = \"a b\"; " URL "}, { name = \"c\"; " URL "}, { name = \"c\"; " URL
	    "} );",
	    0644);
	diag_list_init(&diags);
	cr_expect_null(delivery_conf_load(file, &diags));
	cr_assert_eq(diags.errors, 2);
	cr_expect(strstr(diags.items[0].text, "\"a b\" is no name"));
	cr_expect(strstr(diags.items[1].text, "target c is duplicated"));
	diag_list_fini(&diags);
}

Test(delivery_conf, a_template_is_checked_by_what_it_makes)
{
	refused(URL "body = \"none.json\";", "none.json");
	put("body.json", "{\n\"key\": {{key|hex}}\n}", 0644);
	refused(URL "body = \"body.json\";", "for the event \"credentials\" it makes no JSON");
	put("body.json", "{\n\"key\": \"{{kye}}\"\n}", 0644);
	refused(URL "body = \"body.json\";", "body.json:2:11: error: \"kye\" is not a valid value");
}

Test(delivery_conf, a_body_that_is_no_json_is_what_it_is)
{
	char said[4096];
	struct delivery_conf *conf;

	put("body.txt", "key={{key|hex}}", 0644);
	conf = load(URL "body = \"body.txt\"; content_type = \"text/plain\";", said);
	cr_assert_not_null(conf, "%s", said);
	delivery_conf_release(conf);
}

Test(delivery_conf, secrets_are_their_owners_alone_and_one_line)
{
	put("token", "secret\n", 0644);
	refused(URL "token_file = \"token\";", "may be read by others: chmod 600");
	put("token", "\n", 0600);
	refused(URL "token_file = \"token\";", "is empty");
	put("token", "one\ntwo\n", 0600);
	refused(URL "token_file = \"token\";", "must be one line");
	refused(URL "signature_file = \"none\";", "none");
}

Test(delivery_conf, certificates_are_read_as_they_will_be)
{
	put("x.pem", "no certificate", 0600);
	refused(URL "authority = \"x.pem\";", "is no certificate in PEM");
	refused(URL "certificate = \"x.pem\";", "go together");
	refused(URL "certificate = \"x.pem\"; certificate_key = \"x.pem\";",
		"is no key in PEM without a passphrase");
}

Test(delivery_conf, all_faults_are_told_at_once)
{
	char said[4096];

	cr_expect_null(
		load("url = \"http://h.example/\"; events = \"faild\"; method = \"GET\";", said));
	cr_expect(strstr(said, "in the clear") && strstr(said, "did you mean") &&
			  strstr(said, "PATCH"),
		  "%s", said);
}

Test(delivery_conf, a_good_one_is_kept_whole)
{
	char said[4096];
	struct delivery_conf *conf;
	const struct delivery_target *target;
	struct backoff backoff;

	put("token", "secret\r\n", 0600);
	conf = load(URL "events = \"credentials, failed\"; token_file = \"token\"; ssid = 7;",
		    said);
	cr_assert_not_null(conf, "%s", said);
	cr_expect_str_empty(said);
	target = delivery_conf_target(conf, "one");
	cr_assert_not_null(target);
	cr_expect_null(delivery_conf_target(conf, "two"));
	cr_expect_str_eq(target->token, "Authorization: Bearer secret");
	cr_expect_eq(target->wants, 1u << EVENT_CREDENTIALS | 1u << EVENT_FAILED);
	cr_expect(delivery_wants_credentials(target, 7));
	cr_expect_not(delivery_wants_credentials(target, 8));
	cr_expect_eq(target->confirm, CONFIRM_STORED);
	delivery_conf_backoff(conf, &backoff);
	cr_expect_eq(backoff.max_ms, 300000);
	cr_expect_eq(delivery_conf_hold(conf), conf);
	delivery_conf_release(conf);
	cr_expect_str_eq(conf->targets[0].name, "one");
	delivery_conf_release(conf);
}

Test(delivery_conf, http_is_for_loopback_or_who_says_so)
{
	char said[4096];

	delivery_conf_release(load("url = \"http://127.0.0.1:8080/\";", said));
	cr_expect_str_empty(said);
	delivery_conf_release(load("url = \"http://h.example/\"; allow_http = true;", said));
	cr_expect_str_empty(said);
}

/* "Every setting stands there." */
Test(delivery_conf, the_sample_is_good_and_has_every_setting)
{
	struct diag_list diags;
	struct delivery_conf *conf;
	static char sample[16384];
	FILE *in = fopen(SOURCE_ROOT "/conf/outbox.conf", "r");
	struct text help;
	char *line, *next;

	cr_assert_not_null(in);
	sample[fread(sample, 1, sizeof sample - 1, in)] = '\0';
	fclose(in);
	diag_list_init(&diags);
	conf = delivery_conf_load(SOURCE_ROOT "/conf/outbox.conf", &diags);
	cr_expect_not_null(conf, "%s", diags.count ? diags.items[0].text : "");
	cr_expect_eq(diags.count, 0);
	delivery_conf_release(conf);
	diag_list_fini(&diags);
	text_init(&help);
	delivery_conf_help(&help);
	for (line = help.at; line && *line; line = next) {
		char word[64];

		next = strchr(line, '\n') + 1;
		if (*line == ' ' || *line == '\n')
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(word, sizeof word,
			 "%s = ", strrchr(line, '.') ? strrchr(line, '.') + 1 : line);
		cr_expect(strstr(sample, word), "%s", word);
	}
	text_fini(&help);
}

Test(delivery_conf, the_sample_templates_are_good)
{
	static const char *const names[] = { "leshan", "thingsboard", "coiote" };

	for (unsigned i = 0; i < 3; i++) {
		char settings[256], said[4096];
		struct delivery_conf *conf;

		snprintf(settings, sizeof settings, URL "body = \"%s/conf/outbox/%s.json\";",
			 SOURCE_ROOT, names[i]);
		conf = load(settings, said);
		cr_expect_not_null(conf, "%s", said);
		delivery_conf_release(conf);
	}
}
