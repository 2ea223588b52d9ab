#include "control/runs/policy_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/buffer.h"
#include "control/policy/policy_folder.h"

/* Of keys/ and certs/: each member has its own. */
#define OWN "member-"

bool
policy_set_shares(const char *name)
{
	const char *slash = strchr(name, '/');

	if (policy_folder_has(name))
		return true;
	return policy_folder_has_key(name) && strncmp(slash + 1, OWN, strlen(OWN)) != 0;
}

/* ---- files ---- */

static void
forget(struct policy_set_file *file)
{
	if (file->text)
		explicit_bzero(file->text, file->len);
	free(file->text);
	free(file->name);
}

int
policy_set_add(struct policy_set *set, const char *name, const char *text, size_t len,
	       const uint8_t digest[DIGEST_MAX])
{
	size_t capacity = set->capacity ? 2 * set->capacity : 16;
	struct policy_set_file *file;

	if (set->n == set->capacity) {
		file = realloc(set->files, capacity * sizeof *file);
		if (!file)
			return -ENOMEM;
		set->files = file;
		set->capacity = capacity;
	}
	file = &set->files[set->n];
	*file = (struct policy_set_file){ .name = strdup(name), .len = len };
	if (digest)
		memcpy(file->digest, digest, DIGEST_MAX);
	if (text)
		file->text = malloc(len + 1);
	if (file->text) {
		memcpy(file->text, text, len);
		file->text[len] = '\0';
	}
	if (file->name && !text == !file->text &&
	    (digest ||
	     digest_bytes(DIGEST_SHA256, (struct digest_span){ text, len }, file->digest))) {
		set->n++;
		return 0;
	}
	forget(file);
	return -ENOMEM;
}

void
policy_set_fini(struct policy_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		forget(&set->files[i]);
	free(set->files);
	*set = (struct policy_set){ 0 };
}

static int
by_name(const void *a, const void *b)
{
	const struct policy_set_file *left = a, *right = b;

	return strcmp(left->name, right->name);
}

void
policy_set_sort(struct policy_set *set)
{
	if (set->n)
		qsort(set->files, set->n, sizeof *set->files, by_name);
}

struct policy_set_file *
policy_set_find(const struct policy_set *set, const char *name)
{
	const struct policy_set_file wanted = { .name = (char *)name };

	return set->n ? bsearch(&wanted, set->files, set->n, sizeof wanted, by_name) : NULL;
}

bool
policy_set_same(const struct policy_set_file *a, const struct policy_set_file *b)
{
	return a && b && memcmp(a->digest, b->digest, DIGEST_MAX) == 0;
}

/* ---- from disk ---- */

struct taking {
	struct policy_set *set;
	int failed;
};

static bool
take(void *ctx, const struct policy_source *source)
{
	struct taking *taking = ctx;

	taking->failed = policy_set_add(taking->set, source->name, source->text, source->len, NULL);
	return taking->failed == 0;
}

/* It may be in the set already, which is not sorted: of keys there are few. */
static bool
is_taken(const struct policy_set *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->files[i].name, name) == 0)
			return true;
	return false;
}

static int
take_key(struct taking *taking, const char *folder, const char *name)
{
	int result;

	if (!policy_folder_has_key(name) || !policy_set_shares(name) || is_taken(taking->set, name))
		return 0;
	result = policy_folder_one(folder, name, take, taking);
	return taking->failed ? taking->failed : result;
}

int
policy_set_read_keys(struct policy_set *set, const char *folder, const struct policy_set *named)
{
	struct taking taking = { .set = set };
	int result = 0;

	for (size_t i = 0; result == 0 && i < named->n; i++)
		result = take_key(&taking, folder, named->files[i].name);
	return result;
}

int
policy_set_read(struct policy_set *set, const char *folder, const struct policy *policy,
		const struct policy_set *named)
{
	struct taking taking = { .set = set };
	int result = policy_folder_each(folder, take, &taking);

	for (const struct policy_read *read = policy ? policy->read : NULL; result == 0 && read;
	     read = read->next)
		result = take_key(&taking, folder, read->name);
	if (result == 0 && named)
		result = policy_set_read_keys(set, folder, named);
	policy_set_sort(set);
	return taking.failed ? taking.failed : result;
}

/* ---- compared ---- */

size_t
policy_set_compare(const struct policy_set *before, const struct policy_set *after,
		   policy_set_differs *each, void *ctx)
{
	size_t i = 0, k = 0, n = 0;

	while (i < before->n || k < after->n) {
		const struct policy_set_file *was = i < before->n ? &before->files[i] : NULL;
		const struct policy_set_file *is = k < after->n ? &after->files[k] : NULL;
		int order = !was ? 1 : !is ? -1 : strcmp(was->name, is->name);

		i += order <= 0;
		k += order >= 0;
		if (order == 0 && policy_set_same(was, is))
			continue;
		n++;
		if (each)
			each(ctx, order <= 0 ? was : NULL, order >= 0 ? is : NULL);
	}
	return n;
}

bool
policy_set_digest(const struct policy_set *set, uint8_t digest[DIGEST_MAX])
{
	struct buffer all = { 0 };
	int failed = 0;
	bool good;

	for (size_t i = 0; i < set->n && !failed; i++) {
		const struct policy_set_file *file = &set->files[i];

		failed = buffer_put(&all, file->name, strlen(file->name) + 1);
		if (!failed)
			failed = buffer_put(&all, file->digest, DIGEST_MAX);
	}
	good = !failed &&
	       digest_bytes(DIGEST_SHA256,
			    (struct digest_span){ buffer_front(&all), buffer_left(&all) }, digest);
	buffer_fini(&all);
	return good;
}
