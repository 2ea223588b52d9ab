#include "tools/web/web_config.h"

#include <stdlib.h>

#include "control/config/settings_read.h"
#include "control/socket/ctl_proto.h"

enum { WEB_CONFIG_FILE_MAX = 1 << 20 };

static const char *const level_choices[] = { "error", "warning", "notice", "info", "debug", NULL };
static const char *const target_choices[] = { "stderr", "syslog", "journal", NULL };
static const char *const format_choices[] = { "text", "json", NULL }; /* enum log_format */

#define ROOT(field) 0, offsetof(struct web_config, field)

static const struct setting settings[] = {
	{ "listen", SETTING_TEXT, ROOT(listen), .preset = "127.0.0.1:9684",
	  .help = "address and port, such as \"127.0.0.1:9684\" or \"[::]:9684\"; \"[::]\" is "
		  "every "
		  "address of both families" },
	{ "appliance.socket", SETTING_PATH, ROOT(socket), .preset = CTL_SOCKET_DEFAULT,
	  .help = "control socket of the appliance; the user of this program must be in its "
		  "group" },
	{ "appliance.timeout_ms", SETTING_NUMBER, ROOT(appliance_timeout_ms), 100, 60000, "3000",
	  .help = "after so long without an answer the appliance counts as unreachable" },
	{ "limits.connections", SETTING_NUMBER, ROOT(connections), 8, 60000, "2048",
	  .help = "connections of all clients; further ones wait until one is closed" },
	{ "limits.connections_per_address", SETTING_NUMBER, ROOT(connections_per_address), 1, 60000,
	  "512", .help = "connections of one address; behind a proxy all are of one" },
	{ "limits.timeout_s", SETTING_NUMBER, ROOT(timeout_s), 1, 3600, "30",
	  .help = "a client's time for sending a whole request, and for reading its answer" },
	{ "limits.request_bytes", SETTING_NUMBER, ROOT(request_bytes), 4096, 1 << 20, "16384",
	  .help = "of a request's line and headers together" },
	{ "limits.body_bytes", SETTING_NUMBER, ROOT(body_bytes), 4096, 1 << 30, "33554432",
	  .help = "of a request of somebody who is logged in, such as an import" },
	{ "limits.bodies_bytes", SETTING_NUMBER, ROOT(bodies_bytes), 4096, 2147483647, "134217728",
	  .help = "of all such requests together" },
	{ "tls.certificate", SETTING_PATH, ROOT(certificate),
	  .help = "PEM file with the certificate and those of its issuers; without it plain HTTP, "
		  "for "
		  "loopback or behind a proxy" },
	{ "tls.key", SETTING_PATH, ROOT(key), .help = "PEM file with the certificate's key" },
	{ "tls.client_authority", SETTING_PATH, ROOT(client_authority),
	  .help = "PEM file of the authority whose certificates name users: the common name, of one "
		  "added with --other" },
	{ "proxy.addresses", SETTING_TEXT, ROOT(proxies),
	  .help = "reverse proxies whose X-Forwarded-For names the client, such as \"127.0.0.1, "
		  "10.0.0.0/24\"" },
	{ "proxy.user_header", SETTING_TEXT, ROOT(proxy_user_header),
	  .help = "header in which these proxies name the user, such as \"X-Remote-User\", of one added "
		  "with --other; they must remove what clients send in it" },
	{ "console.users", SETTING_PATH, ROOT(users_file), .preset = "/var/lib/cradle-web/users",
	  .help = "file of users and tokens, which `cradle-web user` writes; not readable for others" },
	{ "console.folder", SETTING_PATH, ROOT(console_folder), .preset = CRADLE_CONSOLE_FOLDER,
	  .help = "the console's pages" },
	{ "console.libraries", SETTING_PATH, ROOT(console_libraries), .preset = "/usr/share/javascript",
	  .help = "where Debian's libjs-codemirror is" },
	{ "console.idle_min", SETTING_NUMBER, ROOT(idle_min), 1, 1440, "30",
	  .help = "a login ends after so long without a request" },
	{ "console.session_h", SETTING_NUMBER, ROOT(session_h), 1, 168, "12",
	  .help = "... and after so long in any case" },
	{ "console.secure_cookies", SETTING_BOOL, ROOT(secure_cookies), .preset = "false",
	  .help = "logins over TLS only; true by itself with tls.certificate, to be said behind a "
		  "proxy that speaks TLS" },
	{ "console.command_timeout_s", SETTING_NUMBER, ROOT(command_timeout_s), 1, 3600, "60",
	  .help = "a command without a sign of life for so long counts as failed" },
	{ "metrics.allow", SETTING_TEXT, ROOT(metrics_allow), .preset = "127.0.0.1, ::1",
	  .help = "addresses that may read /metrics without a token; \"\": none" },
	{ "metrics.token_file", SETTING_PATH, ROOT(metrics_tokens),
	  .help = "file of bearer tokens that may read /metrics, one a line of 16 characters or "
		  "more; not readable for others" },
	{ "log.level", SETTING_CHOICE, ROOT(log_level), .preset = "info", .choices = level_choices,
	  .help = "least severity that is logged" },
	{ "log.to", SETTING_CHOICE, ROOT(log_target), .preset = "stderr", .choices = target_choices,
	  .help = "where the log goes" },
	{ "log.format", SETTING_CHOICE, ROOT(log_format), .preset = "text",
	  .choices = format_choices,
	  .help = "json: a line is an object with time, severity, event and message; the journal "
		  "has these as fields, whatever stands here" },
};

static const char *const lists[] = { NULL };

static const struct settings_schema schema = {
	.settings = settings,
	.n = sizeof settings / sizeof settings[0],
	.lists = lists,
	.n_lists = 1,
	.help_command = "cradle-web --help-settings",
};

static void
check(const struct web_config *config, const struct conf_text *conf, struct diag_list *diags)
{
	const config_setting_t *tls = config_setting_get_member(conf_text_root(conf), "tls");
	struct place place = { .file = conf->name };

	if (tls)
		place = conf_place(conf, tls);
	if (!config->certificate != !config->key)
		diag_error(diags, &place, "certificate and key go together: \"%s\" is missing",
			   config->key ? "certificate" : "key");
	if (config->client_authority && !config->key)
		diag_error(diags, &place, "client_authority needs certificate and key");
	if (config->proxy_user_header && !config->proxies)
		diag_error(diags, &place, "proxy.user_header needs proxy.addresses: whose it is");
}

static struct web_config *
read_config(const char *file, const struct conf_text *conf, struct diag_list *diags)
{
	struct settings_reading reading = {
		.schema = &schema, .conf = conf, .diags = diags, .folder = settings_folder(file)
	};
	struct web_config *config = calloc(1, sizeof *config);
	struct place place = { .file = file };

	if (config && reading.folder) {
		settings_read_root(&reading, config);
		check(config, conf, diags);
	} else {
		diag_error(diags, &place, "out of memory");
	}
	free(reading.folder);
	return config;
}

struct web_config *
web_config_load(const char *file, struct diag_list *diags)
{
	struct web_config *config;
	struct conf_text conf;

	if (conf_text_load(&conf, file, WEB_CONFIG_FILE_MAX, diags) < 0)
		return NULL;
	config = read_config(file, &conf, diags);
	conf_text_fini(&conf);
	if (!diags->errors)
		return config;
	web_config_free(config);
	return NULL;
}

void
web_config_free(struct web_config *config)
{
	if (!config)
		return;
	for (unsigned i = 0; i < schema.n; i++)
		setting_clear(&schema.settings[i], config);
	free(config);
}

void
web_config_help(struct text *text)
{
	settings_help(&schema, text);
}
