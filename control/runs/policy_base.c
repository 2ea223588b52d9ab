#include "control/runs/policy_base.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/file_replace.h"
#include "tasks/text_file.h"

#define HEADER "cradle cluster policy 1\n"

enum { BASE_MAX = 1 << 24, HEX = 2 * DIGEST_MAX };

static int
path_of(const char *folder, char path[PATH_MAX])
{
	return snprintf(path, PATH_MAX, "%s/" POLICY_BASE_FILE, folder) < PATH_MAX ? 0
										   : -ENAMETOOLONG;
}

/* ---- reading ---- */

static bool
parse_hex(const char *hex, uint8_t bytes[DIGEST_MAX])
{
	for (unsigned i = 0; i < DIGEST_MAX; i++) {
		unsigned byte;

		if (strspn(hex + 2 * i, "0123456789abcdef") < 2 ||
		    sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return false;
		bytes[i] = (uint8_t)byte;
	}
	return true;
}

/* "SHA-256 NAME". 0, -EINVAL or -ENOMEM. */
static int
parse_file(const char *line, struct policy_base *base)
{
	uint8_t digest[DIGEST_MAX];

	if (strlen(line) < HEX + 2 || line[HEX] != ' ' || !parse_hex(line, digest) ||
	    !policy_set_shares(line + HEX + 1))
		return -EINVAL;
	return policy_set_add(&base->files, line + HEX + 1, NULL, 0, digest);
}

/* "VERSION DIGEST CLUSTER"; false: of another cluster, or not understood. */
static bool
parse_version(const char *line, const char *cluster, struct policy_base *base)
{
	unsigned long long version;
	int at = 0;

	if (sscanf(line, "%llu %64[0-9a-f] %n", &version, base->digest, &at) != 2 || !at ||
	    !version || (cluster && strcmp(line + at, cluster) != 0))
		return false;
	base->version = version;
	return true;
}

/* The text is changed. */
static int
parse(char *text, const char *cluster, struct policy_base *base)
{
	char *end, *line = text + strlen(HEADER);
	bool first = true;
	int result = 0;

	if (strncmp(text, HEADER, strlen(HEADER)) != 0)
		return -EINVAL;
	for (; result == 0 && (end = strchr(line, '\n')); line = end + 1, first = false) {
		*end = '\0';
		if (first)
			result = parse_version(line, cluster, base) ? 0 : -EINVAL;
		else
			result = parse_file(line, base);
	}
	return *line || first ? -EINVAL : result;
}

int
policy_base_parse(char *text, size_t len, const char *cluster, struct policy_base *base)
{
	int result;

	*base = (struct policy_base){ 0 };
	result = memchr(text, 0, len) ? -EINVAL : parse(text, cluster, base);
	policy_set_sort(&base->files);
	if (result < 0)
		policy_base_fini(base);
	return result;
}

int
policy_base_read(const char *folder, const char *cluster, struct policy_base *base)
{
	char path[PATH_MAX], *text = NULL;
	size_t len;
	int result = path_of(folder, path);

	*base = (struct policy_base){ 0 };
	if (result == 0)
		result = text_file_read(path, BASE_MAX, &text, &len);
	if (result == 0)
		result = policy_base_parse(text, len, cluster, base);
	free(text);
	return result == -ENOENT || result == -EINVAL || result == -EFBIG ? 0 : result;
}

void
policy_base_fini(struct policy_base *base)
{
	policy_set_fini(&base->files);
	*base = (struct policy_base){ 0 };
}

/* ---- writing ---- */

void
policy_base_put(struct text *text, const char *cluster, const struct policy_base *base,
		const struct policy_set *files)
{
	text_printf(text, HEADER "%llu %s %s\n", (unsigned long long)base->version, base->digest,
		    cluster);
	for (size_t i = 0; i < files->n; i++) {
		for (unsigned k = 0; k < DIGEST_MAX; k++)
			text_printf(text, "%02x", files->files[i].digest[k]);
		text_printf(text, " %s\n", files->files[i].name);
	}
}

int
policy_base_write(const char *folder, const char *cluster, const struct policy_base *base,
		  const struct policy_set *files)
{
	char path[PATH_MAX];
	struct text text;
	int result = path_of(folder, path);

	text_init(&text);
	policy_base_put(&text, cluster, base, files);
	if (result == 0)
		result = text.failed ? -ENOMEM
				     : file_replace_private(path, text_str(&text), text.len);
	text_fini(&text);
	return result;
}

void
policy_base_remove(const char *folder)
{
	char path[PATH_MAX];

	int result = path_of(folder, path);

	if (result == 0)
		result = file_remove(path);
	(void)result; /* a file that stays says what was so, and is read by a member of that cluster alone */
}
