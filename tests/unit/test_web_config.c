/* cradle-web.conf: the sample, its defaults, and what is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tools/web/web_config.c"

static struct web_config *
load(const char *content, struct diag_list *diags)
{
	char path[] = "/tmp/cradle-web-XXXXXX";
	int fd = mkstemp(path);
	struct web_config *config;

	cr_assert(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content));
	close(fd);
	config = web_config_load(path, diags);
	unlink(path);
	return config;
}

Test(web_config, tells_what_is_wrong_and_where)
{
	static const struct {
		const char *text, *told;
	} cases[] = {
		{ "listn = \"x\";",
		  ":1: error: <listn> unknown setting; did you mean \"listen\"?" },
		{ "\nlimits = { timeout_s = 0; };",
		  ":2: error: <timeout_s> 0 is out of range: 1 to 3600" },
		{ "log = { level = \"loud\"; };", "\"loud\" is not a valid value" },
		{ "listen = 80;", "must be text in quotes" },
		{ "ports = ();", "`cradle-web --help-settings` lists all" },
		{ "tls = { key = \"k\"; };",
		  "<tls> certificate and key go together: \"certificate\" is missing" },
		{ "tls = { certificate = \"c\"; };", "\"key\" is missing" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct diag_list diags;
		char line[512];

		diag_list_init(&diags);
		cr_expect_null(load(cases[i].text, &diags), "%s", cases[i].text);
		cr_assert_eq(diags.count, 1, "%s: %zu", cases[i].text, diags.count);
		diag_format(&diags.items[0], line, sizeof line);
		cr_expect(strstr(line, cases[i].told), "%s", line);
		diag_list_fini(&diags);
	}
}

/* What the sample shows uncommented is the default, so that who starts with it changes nothing. */
Test(web_config, sample_says_the_defaults_and_every_setting)
{
	struct diag_list diags;
	struct web_config *config, *defaults;
	char *text;
	size_t len;

	diag_list_init(&diags);
	config = web_config_load(SOURCE_ROOT "/conf/cradle-web.conf", &diags);
	defaults = load("", &diags);
	text = conf_file_read(SOURCE_ROOT "/conf/cradle-web.conf", WEB_CONFIG_FILE_MAX, &len,
			      &diags);
	cr_assert(config && defaults && text && !diags.count);
	for (unsigned i = 0; i < schema.n; i++) {
		const char *dot = strrchr(settings[i].name, '.');
		char a[256], b[256];

		setting_format(&settings[i], config, a, sizeof a);
		setting_format(&settings[i], defaults, b, sizeof b);
		cr_expect_str_eq(a, b, "%s", settings[i].name);
		cr_expect(strstr(text, dot ? dot + 1 : settings[i].name), "%s", settings[i].name);
	}
	free(text);
	web_config_free(config);
	web_config_free(defaults);
	diag_list_fini(&diags);
}
