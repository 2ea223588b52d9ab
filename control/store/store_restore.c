/* The way back of store_backup.h: a copy takes the place of the store. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/store/store_backup.h"
#include "control/store/store_manifest.h"
#include "control/store/store_private.h"

enum { CHUNK = 1 << 20 };

#define NEW_SUFFIX ".restoring"

/* In the order in which they go: while the inventory is missing and the reports are not, no start makes a new one. */
static const char *const old_files[] = { "", "-wal", "-shm", "-reports", "-reports-wal", "-reports-shm" };
enum { OLD_FILES = sizeof old_files / sizeof *old_files };

static const char *const suffixes[MANIFEST_FILES] = { "", "-reports" };

static int
refuse(char error[STORE_ERROR_MAX], int result, const char *name, const char *why)
{
	snprintf(error, STORE_ERROR_MAX, "%.400s: %s", name, why);
	return result;
}

static const char *
name_of(const struct store_restore *restore, const char *suffix, const char *more, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s%s%s", restore->path, suffix, more);
	return out;
}

/* ---- the copy, brought beside the store and checked ---- */

static int
copy_bytes(int from, int to)
{
	char *chunk = malloc(CHUNK);
	ssize_t n = chunk ? 1 : -1;
	int result = chunk ? 0 : -ENOMEM;

	while (!result && (n = read(from, chunk, CHUNK)) != 0) {
		if (n < 0)
			result = -errno;
		for (ssize_t at = 0, put; !result && at < n; at += put) {
			put = write(to, chunk + at, (size_t)(n - at));
			if (put < 0)
				result = -errno;
		}
	}
	free(chunk);
	return !result && fsync(to) < 0 ? -errno : result;
}

/* What was copied must be what the manifest tells, whatever happened on the way. */
static int
bring(const struct store_restore *restore, int folder, const struct manifest_file *entry,
      const char *suffix, char error[STORE_ERROR_MAX])
{
	struct manifest_file found = { 0 };
	char path[PATH_MAX];
	int from = openat(folder, entry->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int result = from < 0 ? -errno : 0, to = -1;

	if (from < 0)
		return refuse(error, result, entry->name, strerror(-result));
	name_of(restore, suffix, NEW_SUFFIX, path);
	unlink(path);
	to = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	result = to < 0 ? -errno : copy_bytes(from, to);
	if (!result)
		result = manifest_digest(to, &found);
	if (result < 0)
		refuse(error, result, path, strerror(-result));
	else if (found.bytes != entry->bytes || strcmp(found.sha256, entry->sha256) != 0)
		result = refuse(error, -EBADMSG, entry->name,
				"it is not what the manifest tells: damaged, or of another copy");
	close(from);
	if (to >= 0)
		close(to);
	return result;
}

/* Opened as a start would open it: what is of a newer version or no store is found now. */
static int
try_to_open(const struct store_restore *restore, unsigned number, char error[STORE_ERROR_MAX])
{
	static const struct store_schema *const schemas[MANIFEST_FILES] = {
		&store_inventory_schema, &store_reports_schema
	};
	struct store_file file;
	char path[PATH_MAX];
	int result = store_file_open(&file, name_of(restore, suffixes[number], NEW_SUFFIX, path),
				     schemas[number], error);

	if (result == 0)
		store_file_close(&file); /* the last connection: its log goes with it */
	return result;
}

static void
remove_brought(const struct store_restore *restore)
{
	static const char *const logs[] = { "", "-wal", "-shm" };
	char path[PATH_MAX], more[32];

	for (unsigned i = 0; i < MANIFEST_FILES; i++)
		for (unsigned j = 0; j < 3; j++) {
			snprintf(more, sizeof more, NEW_SUFFIX "%s", logs[j]);
			unlink(name_of(restore, suffixes[i], more, path));
		}
}

/* ---- in place of the store ---- */

static int
sync_folder(const struct store_restore *restore)
{
	char path[PATH_MAX];
	char *slash;
	int fd, result;

	snprintf(path, sizeof path, "%s", restore->path);
	slash = strrchr(path, '/');
	if (slash)
		slash[slash == path] = 0;
	fd = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	result = fd < 0 || fsync(fd) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return result;
}

/* 0 or -errno. */
static int
move_aside(struct store_restore *restore, char error[STORE_ERROR_MAX])
{
	char from[PATH_MAX], to[PATH_MAX];
	struct tm tm;
	time_t now = time(NULL);

	gmtime_r(&now, &tm);
	strftime(restore->aside, sizeof restore->aside, ".until-%Y%m%dT%H%M%SZ", &tm);
	for (unsigned i = 0; i < OLD_FILES; i++) {
		name_of(restore, old_files[i], "", from);
		if (rename(from, name_of(restore, old_files[i], restore->aside, to)) < 0 &&
		    errno != ENOENT)
			return refuse(error, -errno, from, strerror(errno));
	}
	return 0;
}

/* The reports first: with them alone, a start is refused; with the inventory alone, it would begin new ones. */
static int
take_place(const struct store_restore *restore, char error[STORE_ERROR_MAX])
{
	char from[PATH_MAX], to[PATH_MAX];
	int result;

	for (unsigned i = MANIFEST_FILES; i-- > 0;) {
		name_of(restore, suffixes[i], NEW_SUFFIX, from);
		if (rename(from, name_of(restore, suffixes[i], "", to)) < 0)
			return refuse(error, -errno, to, strerror(errno));
	}
	result = sync_folder(restore);
	return result ? refuse(error, result, restore->path, strerror(-result)) : 0;
}

static bool
is_there(const struct store_restore *restore)
{
	char path[PATH_MAX];

	for (unsigned i = 0; i < OLD_FILES; i++)
		if (access(name_of(restore, old_files[i], "", path), F_OK) == 0)
			return true;
	return false;
}

static int
replace(struct store_restore *restore, char error[STORE_ERROR_MAX])
{
	if (is_there(restore) && !restore->replace)
		return refuse(error, -EEXIST, restore->path,
			      "there is a store already; --replace moves it aside and takes the copy");
	if (is_there(restore) && move_aside(restore, error) < 0)
		return -EIO;
	return take_place(restore, error);
}

static int
restore_from(struct store_restore *restore, int folder, char error[STORE_ERROR_MAX])
{
	struct manifest manifest;
	int result = manifest_read(&manifest, folder, restore->folder, error);

	for (unsigned i = 0; i < MANIFEST_FILES && !result; i++) {
		result = bring(restore, folder, &manifest.files[i], suffixes[i], error);
		restore->bytes += manifest.files[i].bytes;
	}
	for (unsigned i = 0; i < MANIFEST_FILES && !result; i++)
		result = try_to_open(restore, i, error);
	if (!result)
		result = replace(restore, error);
	memcpy(restore->made, manifest.made, sizeof restore->made);
	remove_brought(restore);
	return result;
}

int
store_restore(struct store_restore *restore, char error[STORE_ERROR_MAX])
{
	int folder = open(restore->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), lock, result;

	restore->aside[0] = 0;
	restore->bytes = 0;
	if (folder < 0)
		return refuse(error, -errno, restore->folder, strerror(errno));
	lock = store_lock(restore->path, error);
	result = lock < 0 ? lock : restore_from(restore, folder, error);
	if (lock >= 0)
		close(lock);
	close(folder);
	return result;
}
