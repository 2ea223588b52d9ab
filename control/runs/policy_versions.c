#include "control/runs/policy_versions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/policy/policy_folder.h"
#include "control/runs/service.h"
#include "tasks/hash.h"

enum { COMMIT_WAIT_MS = 10000 };

/* ---- what the newest version has ---- */

static struct policy_version_file *
find(struct policy_versions *versions, const char *name)
{
	for (unsigned i = 0; i < versions->n_files; i++)
		if (strcmp(versions->files[i].name, name) == 0)
			return &versions->files[i];
	return NULL;
}

static struct policy_version_file *
add(struct policy_versions *versions, const char *name)
{
	unsigned capacity = versions->capacity ? 2 * versions->capacity : 16;
	struct policy_version_file *file;

	if (versions->n_files == versions->capacity) {
		file = realloc(versions->files, capacity * sizeof *file);
		if (!file)
			return NULL;
		versions->files = file;
		versions->capacity = capacity;
	}
	file = &versions->files[versions->n_files];
	*file = (struct policy_version_file){ .name = strdup(name) };
	versions->n_files += file->name != NULL;
	return file->name ? file : NULL;
}

static void
take_out(struct policy_versions *versions, unsigned at)
{
	free(versions->files[at].name);
	versions->files[at] = versions->files[--versions->n_files];
}

void
policy_versions_fini(struct policy_versions *versions)
{
	while (versions->n_files)
		take_out(versions, versions->n_files - 1);
	free(versions->files);
	*versions = (struct policy_versions){ 0 };
}

static bool
note_version(void *ctx, const struct store_version *version)
{
	struct policy_versions *versions = ctx;

	versions->last = version->number;
	return true;
}

static bool
note_file(void *ctx, const struct store_policy_file *kept)
{
	struct policy_versions *versions = ctx;
	struct policy_version_file *file = add(versions, kept->name);

	if (!file)
		return false;
	file->hash = hash64_bytes(HASH64_EMPTY, kept->bytes, kept->len);
	file->len = kept->len;
	return true;
}

int
policy_versions_open(struct service *service, char error[STORE_ERROR_MAX])
{
	struct policy_versions *versions = &service->versions;
	int result;

	policy_versions_fini(versions);
	if (!service->store)
		return 0;
	result = store_read_versions(service->store, 0, note_version, versions, error);
	if (result == 0)
		result = store_read_policy(service->store, versions->last, note_file, versions,
					   error);
	versions->open = result == 0;
	return result;
}

/* ---- a new one ---- */

struct recording {
	struct service *service;
	struct store_change *change; /* NULL: nothing differs until now */
	uint32_t number;
};

/*
 * Another change that is open is one of a caller of this thread's, which ends when this has returned: waiting for it
 * would be for nothing.
 */
static bool
put_file(struct recording *recording, const struct store_policy_file *file)
{
	if (!recording->change)
		recording->change = store_change_begin(recording->service->store);
	if (!recording->change)
		return false;
	store_change_put_policy_file(recording->change, recording->number, file);
	return true;
}

static bool
look_at(void *ctx, const struct policy_source *source)
{
	struct recording *recording = ctx;
	struct policy_versions *versions = &recording->service->versions;
	struct policy_version_file *file = find(versions, source->name);
	uint64_t hash = hash64_bytes(HASH64_EMPTY, source->text, source->len);
	const struct store_policy_file kept = { source->name, source->text, source->len };

	if (file && file->hash == hash && file->len == source->len) {
		file->seen = true;
		return true;
	}
	if (!put_file(recording, &kept))
		return false;
	file = file ? file : add(versions, source->name);
	if (!file)
		return false;
	*file = (struct policy_version_file){ file->name, hash, source->len, true };
	return true;
}

/* Those that are not in the folder any more. */
static bool
note_gone(struct recording *recording)
{
	struct policy_versions *versions = &recording->service->versions;

	for (unsigned i = versions->n_files; i-- > 0;) {
		const struct store_policy_file gone = { .name = versions->files[i].name };

		if (!versions->files[i].seen && !put_file(recording, &gone))
			return false;
		if (!versions->files[i].seen)
			take_out(versions, i);
	}
	return true;
}

static int
commit(struct recording *recording, const struct policy_note *note, char error[STORE_ERROR_MAX])
{
	const struct store_version version = { .number = recording->number,
					       .at_ms = clock_now_ms(),
					       .who = note->who,
					       .what = note->what,
					       .why = note->why };

	store_change_put_version(recording->change, &version);
	if (version.number > POLICY_VERSIONS_KEPT)
		store_change_drop_versions(recording->change,
					   version.number - POLICY_VERSIONS_KEPT + 1);
	return store_change_commit(recording->change, COMMIT_WAIT_MS, &recording->service->pump,
				   error);
}

/* What was noted of files that are not kept after all is forgotten: the next version has them. */
static int
give_up(struct recording *recording, int result, char error[STORE_ERROR_MAX])
{
	char ignored[STORE_ERROR_MAX];

	if (recording->change)
		store_change_rollback(recording->change);
	if (result == -ECANCELED) /* put_file() or add() */
		snprintf(error, STORE_ERROR_MAX,
			 "another change is being written, or memory is out: the next change keeps "
			 "it");
	else
		snprintf(error, STORE_ERROR_MAX, "the policy folder cannot be read: %s",
			 strerror(-result));
	(void)policy_versions_open(recording->service, ignored);
	return result;
}

int64_t
policy_versions_record(struct service *service, const struct policy_note *note,
		       char error[STORE_ERROR_MAX])
{
	struct policy_versions *versions = &service->versions;
	struct recording recording = { .service = service };
	char ignored[STORE_ERROR_MAX];
	int result;

	if (!service->store)
		return 0;
	if (!versions->open) { /* it could not be read before: now, perhaps */
		result = policy_versions_open(service, error);
		if (result < 0)
			return result;
	}
	recording.number = versions->last + 1;
	for (unsigned i = 0; i < versions->n_files; i++)
		versions->files[i].seen = false;
	result = policy_folder_each(service->config->policy, look_at, &recording);
	if (result == 0 && !note_gone(&recording))
		result = -ECANCELED;
	if (result < 0)
		return give_up(&recording, result, error);
	if (!recording.change)
		return 0;
	result = commit(&recording, note, error);
	if (result < 0)
		(void)policy_versions_open(service, ignored);
	else
		versions->last = recording.number;
	return result < 0 ? result : (int64_t)recording.number;
}
