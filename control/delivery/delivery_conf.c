#include "control/delivery/delivery_conf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/settings_read.h"
#include "control/store/store_messages.h"

enum { CONF_FILE_MAX = 1 << 20, SECTION_TARGET = 1 };

static const char *const confirm_choices[] = { "nothing", "stored", "before-finish", NULL };
static const char *const timeout_choices[] = { "finish", "fail", NULL };

#define ROOT(field)   0, offsetof(struct delivery_conf, field)
#define TARGET(field) SECTION_TARGET, offsetof(struct delivery_target, field)

static const char *const section_lists[] = { NULL, "targets" };

static const struct setting settings[] = {
	{ "retry.min_ms", SETTING_NUMBER, ROOT(retry_min_ms), 10, 60000, "1000", .live = true,
	  .help = "the pause after a first failure; it doubles, and its upper half is random" },
	{ "retry.max_s", SETTING_NUMBER, ROOT(retry_max_s), 1, 86400, "300", .live = true,
	  .help = "the longest pause" },
	{ "retry.attempts", SETTING_NUMBER, ROOT(attempts), 1, 1000, "12", .live = true,
	  .help = "a message that its target refused so often is a dead letter; while a target is "
		  "away nothing is counted" },
	{ "retry.max_age_h", SETTING_NUMBER, ROOT(max_age_h), 0, 8760, "168", .live = true,
	  .help = "a message that is so old is a dead letter at its next failure; 0: never" },
	{ "max_messages", SETTING_NUMBER, ROOT(max_messages), 16, 100000000, "1000000",
	  .live = true,
	  .help = "messages that may wait: beyond it runs that make credentials are refused, and "
		  "beyond the half of it events are dropped" },
	{ "outsiders_per_s", SETTING_NUMBER, ROOT(outsiders_per_s), 1, 100000, "10", .live = true,
	  .help = "events of unknown and rejected devices: others are counted and dropped" },
	{ "name", SETTING_TEXT, TARGET(name), .required = true, .live = true,
	  .help = "letters, digits, \"-\", \"_\" and \".\"; messages that wait are known by it" },
	{ "events", SETTING_TEXT, TARGET(events), .preset = "credentials", .live = true,
	  .help = "what it is told: credentials, bootstrapped, failed, unknown, rejected" },
	{ "url", SETTING_TEXT, TARGET(url), .required = true, .live = true,
	  .help = "where requests go: https://...; {{endpoint}} and others stand for the "
		  "message's" },
	{ "method", SETTING_TEXT, TARGET(method), .preset = "POST", .live = true,
	  .help = "POST, PUT or PATCH" },
	{ "body", SETTING_PATH, TARGET(body), .live = true,
	  .help = "file with the template of the body; without it, a JSON object with all that is "
		  "told" },
	{ "content_type", SETTING_TEXT, TARGET(content_type), .preset = "application/json",
	  .live = true, .help = "of the body" },
	{ "ssid", SETTING_NUMBER, TARGET(ssid), 0, 65534, "0", .live = true,
	  .help = "credentials of this Short Server ID alone; 0: of any" },
	{ "confirm", SETTING_CHOICE, TARGET(confirm), .preset = "stored",
	  .choices = confirm_choices, .live = true,
	  .help = "what a device waits for before its Bootstrap-Finish where the run made "
		  "credentials: before-finish: this target has them; stored: they are on the disk; "
		  "nothing: a crash in the wrong 50 ms loses them with the report" },
	{ "confirm_timeout_s", SETTING_NUMBER, TARGET(confirm_timeout_s), 1, 60, "10", .live = true,
	  .help = "... and how long at most" },
	{ "on_timeout", SETTING_CHOICE, TARGET(on_timeout), .preset = "finish",
	  .choices = timeout_choices, .live = true,
	  .help = "then: finish, and deliver later; or fail: no Finish, so the device keeps what "
		  "it "
		  "had, and nothing is delivered" },
	{ "authority", SETTING_PATH, TARGET(authority), .live = true,
	  .help = "PEM file of the authorities that the server's certificate may be from; without "
		  "it, "
		  "those of the system" },
	{ "certificate", SETTING_PATH, TARGET(certificate), .live = true,
	  .help = "PEM file with our certificate, for servers that ask for one" },
	{ "certificate_key", SETTING_PATH, TARGET(certificate_key), .live = true,
	  .help = "PEM file with its key, mode 0600" },
	{ "token_file", SETTING_PATH, TARGET(token_file), .live = true,
	  .help = "file with a token, mode 0600, that goes into a header" },
	{ "token_header", SETTING_TEXT, TARGET(token_header), .preset = "Authorization",
	  .live = true, .help = "which header" },
	{ "token_prefix", SETTING_TEXT, TARGET(token_prefix), .preset = "Bearer ", .live = true,
	  .help = "what stands before the token; \"\": nothing" },
	{ "signature_file", SETTING_PATH, TARGET(signature_file), .live = true,
	  .help = "file with a secret, mode 0600: requests get the header X-Cradle-Signature: "
		  "t=TIME,v1=HEX, the HMAC-SHA256 of TIME, a dot and the body" },
	{ "timeout_ms", SETTING_NUMBER, TARGET(timeout_ms), 100, 300000, "10000", .live = true,
	  .help = "of one request, answer included" },
	{ "connections", SETTING_NUMBER, TARGET(connections), 1, 64, "8", .live = true,
	  .help = "requests at once" },
	{ "allow_http", SETTING_BOOL, TARGET(allow_http), .preset = "false", .live = true,
	  .help = "let url be http://: everybody on the way can read it" },
};

static const struct settings_schema schema = {
	.settings = settings,
	.n = sizeof settings / sizeof settings[0],
	.lists = section_lists,
	.n_lists = 2,
	.help_command = "cradlectl help outbox.conf",
};

static bool
name_is_good(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i]))
			return false;
	return len && len < MESSAGE_TARGET_MAX;
}

static void
check_name(const struct delivery_conf *conf, const struct delivery_target *target,
	   struct diag_list *diags)
{
	const struct place place = { .file = conf->file, .line = target->line, .tag = "name" };

	if (!target->name)
		return;
	if (!name_is_good(target->name))
		diag_error(diags, &place,
			   "\"%.80s\" is no name: 1 to %d letters, digits, '-', '_' and '.'",
			   target->name, MESSAGE_TARGET_MAX - 1);
	for (const struct delivery_target *other = conf->targets; other < target; other++)
		if (other->name && strcmp(other->name, target->name) == 0)
			diag_error(diags, &place, "target %s is duplicated", target->name);
}

static void
read_targets(struct settings_reading *reading, struct delivery_conf *conf)
{
	const config_setting_t *list = settings_read_list(reading, "targets", DELIVERY_TARGETS_MAX);

	for (int i = 0; list && i < config_setting_length(list); i++) {
		const config_setting_t *item = config_setting_get_elem(list, (unsigned)i);
		struct delivery_target *target = &conf->targets[conf->n_targets++];

		target->line = config_setting_source_line(item);
		settings_read_item(reading, SECTION_TARGET, target, item);
		check_name(conf, target, reading->diags);
		delivery_check_target(target, conf->file, reading->diags);
	}
}

static void
read_all(const char *file, const struct conf_text *text, struct delivery_conf *conf,
	 struct diag_list *diags)
{
	struct settings_reading reading = {
		.schema = &schema, .conf = text, .diags = diags, .folder = settings_folder(file)
	};
	const struct place place = { .file = file, .tag = "retry" };

	conf->file = strdup(file);
	if (!reading.folder || !conf->file) {
		diag_error(diags, &place, "out of memory");
	} else {
		settings_read_root(&reading, conf);
		read_targets(&reading, conf);
		if (conf->retry_min_ms > conf->retry_max_s * UINT64_C(1000))
			diag_error(diags, &place, "min_ms is longer than max_s");
	}
	free(reading.folder);
}

struct delivery_conf *
delivery_conf_load(const char *file, struct diag_list *diags)
{
	struct delivery_conf *conf;
	struct conf_text text;
	size_t errors = diags->errors;

	if (conf_text_load(&text, file, CONF_FILE_MAX, diags) < 0)
		return NULL;
	conf = calloc(1, sizeof *conf);
	if (conf) {
		atomic_init(&conf->holders, 1);
		read_all(file, &text, conf, diags);
	} else {
		diag_error(diags, &(struct place){ .file = file }, "out of memory");
	}
	conf_text_fini(&text);
	if (diags->errors == errors)
		return conf;
	delivery_conf_release(conf);
	return NULL;
}

struct delivery_conf *
delivery_conf_hold(struct delivery_conf *conf)
{
	if (conf)
		atomic_fetch_add_explicit(&conf->holders, 1, memory_order_relaxed);
	return conf;
}

static void
wipe(char *secret, size_t len)
{
	if (secret)
		explicit_bzero(secret, len);
	free(secret);
}

static void
clear_target(struct delivery_target *target)
{
	for (unsigned i = 0; i < schema.n; i++)
		if (settings[i].section == SECTION_TARGET)
			setting_clear(&settings[i], target);
	body_template_free(target->address);
	body_template_free(target->content);
	wipe(target->token, target->token ? strlen(target->token) : 0);
	wipe(target->signature_key, target->signature_key_len);
}

/* The last holder sees all that the others did. */
void
delivery_conf_release(struct delivery_conf *conf)
{
	if (!conf || atomic_fetch_sub_explicit(&conf->holders, 1, memory_order_acq_rel) > 1)
		return;
	for (unsigned i = 0; i < conf->n_targets; i++)
		clear_target(&conf->targets[i]);
	free(conf->file);
	free(conf);
}

const struct delivery_target *
delivery_conf_target(const struct delivery_conf *conf, const char *name)
{
	for (unsigned i = 0; conf && i < conf->n_targets; i++)
		if (strcmp(conf->targets[i].name, name) == 0)
			return &conf->targets[i];
	return NULL;
}

void
delivery_conf_backoff(const struct delivery_conf *conf, struct backoff *backoff)
{
	*backoff = (struct backoff){
		.min_ms = conf->retry_min_ms,
		.max_ms = conf->retry_max_s * 1000,
		.attempts = conf->attempts,
		.max_age_ms = conf->max_age_h * UINT64_C(3600000),
	};
}

bool
delivery_wants_credentials(const struct delivery_target *target, uint32_t ssid)
{
	return target->wants & 1u << EVENT_CREDENTIALS && (!target->ssid || target->ssid == ssid);
}

void
delivery_conf_help(struct text *text)
{
	settings_help(&schema, text);
}

bool
delivery_conf_help_one(const char *name, struct text *text)
{
	return settings_help_one(&schema, name, text);
}
