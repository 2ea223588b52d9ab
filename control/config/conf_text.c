#include "control/config/conf_text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/conf_precheck.h"
#include "control/file_replace.h"
#include "tasks/text_file.h"

static int
parse(struct conf_text *conf, const char *text, size_t len, struct diag_list *diags)
{
	if (conf_precheck(conf->name, text, len, diags) < 0)
		return -EINVAL;
	if (config_read_string(&conf->config, text) == CONFIG_TRUE)
		return 0;
	conf_explain(conf->name, text, (uint32_t)config_error_line(&conf->config),
		     config_error_text(&conf->config), diags);
	return -EINVAL;
}

int
conf_text_parse(struct conf_text *conf, const char *name, const char *text, size_t len,
		struct diag_list *diags)
{
	struct place place = { .file = name };
	size_t bom = conf_bom(text, len);
	int result;
	char *copy;

	text += bom;
	len -= bom;
	copy = malloc(len + 1);
	conf->name = strdup(name);
	config_init(&conf->config);
	if (!copy || !conf->name) {
		diag_error(diags, &place, "out of memory");
		result = -EINVAL;
	} else {
		memcpy(copy, text, len);
		copy[len] = '\0';
		result = parse(conf, copy, len, diags);
		explicit_bzero(copy, len);
	}
	free(copy);
	if (result < 0)
		conf_text_fini(conf);
	return result;
}

char *
conf_file_read(const char *file, size_t max, size_t *len, struct diag_list *diags)
{
	struct place place = { .file = file };
	char *text;
	int result = text_file_read(file, max, &text, len);

	if (result == -EFBIG)
		diag_error(diags, &place, "cannot be read: it has more than %zu bytes", max);
	else if (result < 0)
		diag_error(diags, &place, "cannot be read: %s%s", text_file_error(result),
			   file_remedy(-result));
	return text;
}

int
conf_text_load(struct conf_text *conf, const char *file, size_t max, struct diag_list *diags)
{
	size_t len;
	char *text = conf_file_read(file, max, &len, diags);
	int result;

	if (!text)
		return -EINVAL;
	result = conf_text_parse(conf, file, text, len, diags);
	explicit_bzero(text, len);
	free(text);
	return result;
}

static void
wipe(config_setting_t *setting)
{
	if (config_setting_type(setting) == CONFIG_TYPE_STRING && setting->value.sval)
		explicit_bzero(setting->value.sval, strlen(setting->value.sval));
	if (!config_setting_is_aggregate(setting))
		return;
	for (int i = 0; i < config_setting_length(setting); i++)
		wipe(config_setting_get_elem(setting, (unsigned)i));
}

void
conf_text_fini(struct conf_text *conf)
{
	if (config_root_setting(&conf->config))
		wipe(config_root_setting(&conf->config));
	config_destroy(&conf->config);
	free(conf->name);
	conf->name = NULL;
}

struct place
conf_place(const struct conf_text *conf, const config_setting_t *setting)
{
	return (struct place){
		.file = conf->name,
		.line = config_setting_source_line(setting),
		.tag = config_setting_name(setting),
	};
}

const char *
conf_type_name(const config_setting_t *setting)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_GROUP:
		return "a group { }";
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return "a whole number";
	case CONFIG_TYPE_FLOAT:
		return "a decimal number";
	case CONFIG_TYPE_STRING:
		return "text in quotes";
	case CONFIG_TYPE_BOOL:
		return "true or false";
	case CONFIG_TYPE_ARRAY:
		return "an array [ ]";
	case CONFIG_TYPE_LIST:
		return "a list ( )";
	default:
		return "nothing";
	}
}

void
conf_check_members(const struct conf_text *conf, const config_setting_t *group,
		   const struct conf_member *known, size_t n_known, struct diag_list *diags)
{
	const char *names[CONF_MEMBERS_MAX];

	assert(config_setting_is_group(group) && n_known <= CONF_MEMBERS_MAX);
	for (size_t i = 0; i < n_known; i++)
		names[i] = known[i].name;
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *member = config_setting_get_elem(group, (unsigned)i);
		const char *name = config_setting_name(member), *nearest;
		struct place place = conf_place(conf, member);
		size_t k = 0;

		while (k < n_known && strcmp(names[k], name) != 0)
			k++;
		if (k < n_known)
			continue;
		nearest = diag_nearest(name, names, n_known);
		if (nearest)
			diag_error(diags, &place, "unknown; did you mean \"%s\"?", nearest);
		else
			diag_error(diags, &place, "unknown");
	}
}

static void
wrong_type(const struct conf_text *conf, const config_setting_t *setting, const char *wanted,
	   struct diag_list *diags)
{
	struct place place = conf_place(conf, setting);

	diag_error(diags, &place, "must be %s, not %s", wanted, conf_type_name(setting));
}

const char *
conf_string(const struct conf_text *conf, const config_setting_t *group, const char *name,
	    const char *preset, struct diag_list *diags)
{
	const config_setting_t *member = config_setting_get_member(group, name);

	if (!member)
		return preset;
	if (config_setting_type(member) == CONFIG_TYPE_STRING)
		return config_setting_get_string(member);
	wrong_type(conf, member, "text in quotes", diags);
	return preset;
}

bool
conf_bool(const struct conf_text *conf, const config_setting_t *group, const char *name,
	  bool preset, struct diag_list *diags)
{
	const config_setting_t *member = config_setting_get_member(group, name);

	if (!member)
		return preset;
	if (config_setting_type(member) == CONFIG_TYPE_BOOL)
		return config_setting_get_bool(member);
	wrong_type(conf, member, "true or false", diags);
	return preset;
}

int64_t
conf_number(const struct conf_text *conf, const config_setting_t *group, const char *name,
	    struct conf_range range, struct diag_list *diags)
{
	const config_setting_t *member = config_setting_get_member(group, name);
	struct place place;
	int64_t value;

	assert(range.min <= range.max);
	if (!member)
		return range.preset;
	if (config_setting_type(member) != CONFIG_TYPE_INT &&
	    config_setting_type(member) != CONFIG_TYPE_INT64) {
		wrong_type(conf, member, "a whole number", diags);
		return range.preset;
	}
	value = config_setting_get_int64(member);
	if (config_setting_type(member) == CONFIG_TYPE_INT)
		value = config_setting_get_int(member);
	if (value >= range.min && value <= range.max)
		return value;
	place = conf_place(conf, member);
	diag_error(diags, &place, "%lld is out of range: %lld to %lld", (long long)value,
		   (long long)range.min, (long long)range.max);
	return range.preset;
}

const config_setting_t *
conf_list(const struct conf_text *conf, const config_setting_t *group, const char *name,
	  struct diag_list *diags)
{
	const config_setting_t *member = config_setting_get_member(group, name);

	if (!member)
		return NULL;
	if (config_setting_is_list(member) || config_setting_is_array(member))
		return member;
	wrong_type(conf, member, "a list ( ) or array [ ]", diags);
	return NULL;
}
