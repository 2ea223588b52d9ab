#include "control/commands/command_settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void
command_settings_init(struct command_settings *settings)
{
	*settings = (struct command_settings){ .count = 0 };
}

void
command_settings_fini(struct command_settings *settings)
{
	for (unsigned i = 0; i < settings->count; i++) {
		if (settings->texts[i].at)
			explicit_bzero(settings->texts[i].at, settings->texts[i].len);
		text_fini(&settings->texts[i]);
	}
	settings->count = 0;
}

static struct text *
add(struct command_settings *settings, const char *name)
{
	struct text *text = &settings->texts[settings->count];

	assert(settings->count < sizeof settings->texts / sizeof settings->texts[0]);
	text_init(text);
	settings->pairs[settings->count++] = (struct conf_pair){ name, NULL };
	return text;
}

/* The text stays where it is from here on. */
static void
seal(struct command_settings *settings)
{
	assert(settings->count);
	settings->pairs[settings->count - 1].value =
		text_str(&settings->texts[settings->count - 1]);
}

void
command_settings_text(struct command_settings *settings, const char *name, const char *text)
{
	conf_quote(add(settings, name), text);
	seal(settings);
}

void
command_settings_plain(struct command_settings *settings, const char *name, const char *value)
{
	text_printf(add(settings, name), "%s", value);
	seal(settings);
}

static bool
take_number(struct command_settings *settings, struct call *call,
	    const struct setting_option *option, const char *value)
{
	const char *digits = value + (*value == '-');

	if (*digits && strlen(digits) < 10 && !digits[strspn(digits, "0123456789")]) {
		command_settings_plain(settings, option->name, value);
		return true;
	}
	call_refuse(call, CTL_USAGE, "%s must be a whole number, not \"%.40s\"", option->option,
		    value);
	return false;
}

/* Seconds, or a number with a unit. */
static bool
take_seconds(struct command_settings *settings, struct call *call,
	     const struct setting_option *option, const char *value)
{
	long long seconds = call_parse_seconds(value);
	char number[24];

	if (seconds >= 0) {
		snprintf(number, sizeof number, "%lld", seconds);
		command_settings_plain(settings, option->name, number);
		return true;
	}
	call_refuse(call, CTL_USAGE,
		    "%s is a number of seconds, or like 30s, 5m, 2h, 1d, not \"%.40s\"",
		    option->option, value);
	return false;
}

static bool
take_switch(struct command_settings *settings, struct call *call,
	    const struct setting_option *option, const char *value)
{
	static const char *const words[] = { "off", "on", "false", "true", "no", "yes" };

	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(value, words[i]) == 0) {
			command_settings_plain(settings, option->name, i & 1 ? "true" : "false");
			return true;
		}
	call_refuse(call, CTL_USAGE, "%s must be on or off, not \"%.40s\"", option->option, value);
	return false;
}

bool
command_settings_take(struct command_settings *settings, struct call *call,
		      const struct setting_option *options, unsigned n_options)
{
	for (unsigned i = 0; i < n_options; i++) {
		const char *value = call_option(call, options[i].option);
		bool good = true;

		if (!value)
			continue;
		if (!*value)
			add(settings, options[i].name);
		else if (options[i].kind == SETTING_NUMBER)
			good = take_number(settings, call, &options[i], value);
		else if (options[i].kind == SETTING_SECONDS)
			good = take_seconds(settings, call, &options[i], value);
		else if (options[i].kind == SETTING_SWITCH)
			good = take_switch(settings, call, &options[i], value);
		else
			command_settings_text(settings, options[i].name, value);
		if (good && settings->texts[settings->count - 1].failed) {
			call_refuse(call, CTL_REFUSED, "out of memory");
			good = false;
		}
		if (!good)
			return false;
	}
	return true;
}
