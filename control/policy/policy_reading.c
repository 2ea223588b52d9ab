#include "control/policy/policy_reading.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "tasks/hash.h"
#include "tasks/text_file.h"

const char *
policy_keep(struct reading *reading, const char *text)
{
	const char *copy = text ? arena_copy(reading->arena, text, strlen(text)) : NULL;

	if (text && !copy) {
		struct place place = { .file = reading->conf->name };

		diag_error(reading->diags, &place, "out of memory");
	}
	return copy;
}

static const struct policy_source *
find_changed(const struct reading *reading, const char *name)
{
	for (unsigned i = 0; i < reading->n_changed; i++)
		if (strcmp(reading->changed[i].name, name) == 0)
			return &reading->changed[i];
	return NULL;
}

static char *
copy_changed(const struct policy_source *changed, size_t *len)
{
	char *text = malloc(changed->len + 1);

	if (!text)
		return NULL;
	if (changed->len)
		memcpy(text, changed->text, changed->len);
	text[changed->len] = '\0';
	*len = changed->len;
	return text;
}

/* Out of memory it is left out: then nobody can tell whether it changed since. */
static void
note_read(const struct reading *reading, const char *name, const char *text, size_t len)
{
	struct policy_read *read = arena_alloc(reading->arena, sizeof *read);
	const char *copy = arena_copy(reading->arena, name, strlen(name));

	if (!read || !copy)
		return;
	*read = (struct policy_read){ copy, hash64_bytes(HASH64_EMPTY, text, len), len,
				      reading->policy->read };
	reading->policy->read = read;
}

char *
policy_read_file(struct reading *reading, const char *name, char path[POLICY_PATH_MAX], size_t *len)
{
	const struct policy_source *changed = find_changed(reading, name);
	struct place place = { .file = path };
	char *text;

	snprintf(path, POLICY_PATH_MAX, "%s/%s", reading->folder, name);
	if (!changed) {
		text = conf_file_read(path, POLICY_FILE_MAX, len, reading->diags);
	} else {
		text = changed->text ? copy_changed(changed, len) : NULL;
		if (!text)
			diag_error(reading->diags, &place,
				   changed->text ? "out of memory" : "is not there");
	}
	if (text)
		note_read(reading, name, text, *len);
	return text;
}

int
policy_read_bytes(const struct reading *reading, const char *name, size_t limit, char **bytes,
		  size_t *len)
{
	const struct policy_source *changed = find_changed(reading, name);
	char path[POLICY_PATH_MAX];
	int result = 0;

	snprintf(path, sizeof path, "%s/%s", reading->folder, name);
	if (!changed) {
		result = text_file_read(path, limit, bytes, len);
	} else if (!changed->text) {
		result = -ENOENT;
	} else if (changed->len > limit) {
		result = -EFBIG;
	} else {
		*bytes = copy_changed(changed, len);
		result = *bytes ? 0 : -ENOMEM;
	}
	if (result == 0)
		note_read(reading, name, *bytes, *len);
	return result;
}

bool
policy_has_file(const struct reading *reading, const char *name)
{
	const struct policy_source *changed = find_changed(reading, name);
	char path[POLICY_PATH_MAX];

	if (changed)
		return changed->text != NULL;
	snprintf(path, sizeof path, "%s/%s", reading->folder, name);
	return access(path, F_OK) == 0 || errno != ENOENT;
}

int
policy_word(struct reading *reading, const config_setting_t *group, const char *name,
	    const struct words *words, int preset)
{
	const config_setting_t *member = config_setting_get_member(group, name);
	const char *said = conf_string(reading->conf, group, name, NULL, reading->diags);
	struct place place;
	const char *nearest;

	assert(preset >= 0 && (size_t)preset < words->count);
	if (!said)
		return preset;
	for (size_t i = 0; i < words->count; i++)
		if (strcasecmp(said, words->names[i]) == 0)
			return (int)i;
	place = conf_place(reading->conf, member);
	nearest = diag_nearest(said, words->names, words->count);
	if (nearest)
		diag_error(reading->diags, &place,
			   "\"%s\" is not a valid value; did you mean \"%s\"?", said, nearest);
	else
		diag_error(reading->diags, &place, "\"%s\" is not a valid value; expected: %s",
			   said, words->all);
	return preset;
}

/* A word of a file, never a path out of its folder, and no hidden or temporary file. */
bool
policy_file_name_is_good(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (name[i] == '/' || (unsigned char)name[i] < ' ' || name[i] == 0x7f)
			return false;
	return len && *name != '.' && len <= POLICY_FILE_NAME_MAX;
}

const char *const server_type_names[SERVER_TYPES] = {
	[SERVER_MANAGEMENT] = "management",
	[SERVER_BOOTSTRAP] = "bootstrap",
};
const char *const server_mode_names[SERVER_MODES] = {
	[SERVER_PSK] = "psk",
	[SERVER_RPK] = "rpk",
	[SERVER_CERTIFICATE] = "certificate",
	[SERVER_NOSEC] = "nosec",
};

void
server_wrong(struct server_reading *in, const char *setting, const char *format, ...)
{
	const config_setting_t *said = config_setting_get_member(in->member, setting);
	struct place place = conf_place(in->reading->conf, said ? said : in->member);
	va_list args;

	place.tag = setting;
	va_start(args, format);
	diag_add(in->reading->diags, DIAG_ERROR, &place, format, args);
	va_end(args);
}

const char *
server_text(struct server_reading *in, const char *name, const char *preset)
{
	const char *text =
		conf_string(in->reading->conf, in->member, name, preset, in->reading->diags);

	if (text && strlen(text) > SERVER_TEXT_MAX)
		server_wrong(in, name, "longer than %d bytes", SERVER_TEXT_MAX);
	return policy_keep(in->reading, text);
}

bool
server_says(const struct server_reading *in, const char *name)
{
	return config_setting_get_member(in->member, name) != NULL;
}
