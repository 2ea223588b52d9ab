#include "control/store/store_backup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/guard/thread_guard.h"
#include "control/store/store_manifest.h"
#include "control/store/store_private.h"

enum {
	SNAPSHOT_TRIES = 100, /* each fails where a change is committed between two statements */
	STEP_PAGES = 1024,    /* 4 MB between two looks at whether to go on */
	BUSY_MS = 2000,
	TELL_MS = 2,
};

/* One file on its way. */
struct copying {
	const char *path; /* of the store's file */
	sqlite3 *from;    /* a transaction is open: what it reads stays as it is */
	int to;           /* -1: not made yet */
};

struct store_backup {
	struct store *store;
	int folder;
	pthread_t thread;
	struct copying files[MANIFEST_FILES];
	struct manifest manifest;

	/* Guarded by `lock`. */
	pthread_mutex_t lock;
	pthread_cond_t told;
	bool cancel, over;
	uint64_t bytes, of;
	int result;
	char error[STORE_ERROR_MAX];
};

/*
 * SQLite looks up the true path of what it opens, which may be another one in our view of the file systems than
 * in that of the client who opened the folder: here a name is taken as it is.
 */
static int
full_path_as_given(sqlite3_vfs *vfs, const char *name, int len, char *out)
{
	return snprintf(out, (size_t)len, "%s", name) < len ? SQLITE_OK : SQLITE_CANTOPEN;
}

static const char *
vfs_as_given(void)
{
	static sqlite3_vfs vfs;
	static const char name[] = "cradle-as-given";

	if (sqlite3_vfs_find(name))
		return name;
	vfs = *sqlite3_vfs_find(NULL);
	vfs.zName = name;
	vfs.xFullPathname = full_path_as_given;
	return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK ? name : NULL;
}

/* ---- what happens to it, under the lock ---- */

static int
fail(struct store_backup *backup, int result, const char *name, const char *why)
{
	pthread_mutex_lock(&backup->lock);
	if (!backup->result)
		snprintf(backup->error, sizeof backup->error, "%s: %s", name, why);
	backup->result = backup->result ? backup->result : result;
	pthread_mutex_unlock(&backup->lock);
	return result;
}

/* SQLite's result as the failure of a file of the store. */
static int
fail_reading(struct store_backup *backup, const struct copying *file, int code)
{
	const struct store_file of = { .path = file->path, .db = file->from };
	char error[STORE_ERROR_MAX];
	int result = store_file_error(&of, code, "copy it", error);

	pthread_mutex_lock(&backup->lock);
	if (!backup->result)
		memcpy(backup->error, error, sizeof error);
	backup->result = backup->result ? backup->result : result;
	pthread_mutex_unlock(&backup->lock);
	return result;
}

static bool
is_cancelled(struct store_backup *backup)
{
	bool cancel;

	pthread_mutex_lock(&backup->lock);
	cancel = backup->cancel;
	pthread_mutex_unlock(&backup->lock);
	return cancel;
}

static void
tell(struct store_backup *backup, uint64_t bytes, uint64_t of)
{
	pthread_mutex_lock(&backup->lock);
	backup->bytes = bytes;
	backup->of = of;
	pthread_mutex_unlock(&backup->lock);
	pthread_cond_signal(&backup->told);
}

/* ---- both files at one moment ---- */

static int
begin_reading(struct store_backup *backup, struct copying *file, uint64_t *serial)
{
	const struct store_file of = { .path = file->path, .db = file->from };
	int code = sqlite3_exec(file->from, "BEGIN", NULL, NULL, NULL);

	if (code == SQLITE_OK)
		code = store_file_meta(&of, "serial", serial); /* the first read begins it in truth */
	return code == SQLITE_OK ? 0 : fail_reading(backup, file, code);
}

static void
end_reading(struct store_backup *backup)
{
	for (unsigned i = 0; i < MANIFEST_FILES; i++)
		if (backup->files[i].from && !sqlite3_get_autocommit(backup->files[i].from))
			sqlite3_exec(backup->files[i].from, "ROLLBACK", NULL, NULL, NULL);
}

/* What is queued up to now is to be in the copy. */
static void
wait_for_writer(struct store_backup *backup)
{
	struct store_writer *writer = &backup->store->writer;
	uint64_t until = store_writer_hurry(writer), end = store_now_ms() + BUSY_MS;

	while (!store_writer_wait(writer, until) && store_now_ms() < end && !is_cancelled(backup))
		;
}

static int
take_snapshot(struct store_backup *backup)
{
	uint64_t inventory, reports;

	wait_for_writer(backup);
	for (unsigned i = 0; i < SNAPSHOT_TRIES && !is_cancelled(backup); i++) {
		if (begin_reading(backup, &backup->files[0], &inventory) ||
		    begin_reading(backup, &backup->files[1], &reports))
			return -EIO;
		if (reports <= inventory)
			return 0;
		end_reading(backup);
	}
	if (is_cancelled(backup))
		return fail(backup, -ECANCELED, backup->files[0].path, "the copy was cancelled");
	return fail(backup, -EBUSY, backup->files[0].path,
		    "changed all the time: try again when no import runs");
}

static int
open_files(struct store_backup *backup)
{
	for (unsigned i = 0; i < MANIFEST_FILES; i++) {
		struct copying *file = &backup->files[i];
		int code = sqlite3_open_v2(file->path, &file->from,
					   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
						   SQLITE_OPEN_EXRESCODE,
					   NULL);

		if (code != SQLITE_OK)
			return fail_reading(backup, file, code);
		sqlite3_busy_timeout(file->from, BUSY_MS);
	}
	return 0;
}

/* ---- the copies ---- */

static sqlite3 *
open_copy(struct store_backup *backup, const char *name)
{
	char path[64];
	sqlite3 *db = NULL;

	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", backup->folder, name);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, vfs_as_given()) !=
		    SQLITE_OK ||
	    /* It is thrown away unless all of it is there. */
	    sqlite3_exec(db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", NULL, NULL, NULL) !=
		    SQLITE_OK) {
		sqlite3_close(db);
		return NULL;
	}
	return db;
}

/* SQLite's result; SQLITE_INTERRUPT when it was cancelled. */
static int
copy_pages(struct store_backup *backup, sqlite3 *to, sqlite3 *from)
{
	sqlite3_backup *copy = sqlite3_backup_init(to, "main", from, "main");
	uint64_t before = backup->bytes, page = 4096;
	int code = copy ? SQLITE_OK : sqlite3_errcode(to);

	while (code == SQLITE_OK) {
		code = sqlite3_backup_step(copy, STEP_PAGES);
		tell(backup,
		     before + page * (uint64_t)(sqlite3_backup_pagecount(copy) -
						sqlite3_backup_remaining(copy)),
		     backup->of);
		if (code == SQLITE_OK && is_cancelled(backup))
			code = SQLITE_INTERRUPT;
	}
	sqlite3_backup_finish(copy);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int
copy_file(struct store_backup *backup, unsigned number)
{
	struct manifest_file *entry = &backup->manifest.files[number];
	struct copying *file = &backup->files[number];
	sqlite3 *to;
	int code;

	file->to = openat(backup->folder, entry->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file->to < 0)
		return fail(backup, -errno, entry->name, strerror(errno));
	to = open_copy(backup, entry->name);
	if (!to)
		return fail(backup, -EIO, entry->name, "cannot be written as a SQLite file");
	code = copy_pages(backup, to, file->from);
	sqlite3_close(to);
	if (code == SQLITE_INTERRUPT)
		return fail(backup, -ECANCELED, entry->name, "the copy was cancelled");
	if (code == SQLITE_FULL || code == SQLITE_IOERR)
		return fail(backup, -ENOSPC, entry->name,
			    "cannot be written: is its file system full?");
	if (code != SQLITE_OK)
		return fail_reading(backup, file, code);
	code = fsync(file->to) < 0 ? -errno : manifest_digest(file->to, entry);
	return code ? fail(backup, code, entry->name, strerror(-code)) : 0;
}

static uint64_t
size_of(sqlite3 *db)
{
	sqlite3_stmt *stmt = NULL;
	uint64_t bytes = 0;

	sqlite3_prepare_v2(db, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
			   -1, &stmt, NULL);
	if (stmt && sqlite3_step(stmt) == SQLITE_ROW)
		bytes = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return bytes;
}

static int
copy_all(struct store_backup *backup)
{
	int result = 0;

	if (open_files(backup) || take_snapshot(backup))
		return -EIO;
	tell(backup, 0, size_of(backup->files[0].from) + size_of(backup->files[1].from));
	for (unsigned i = 0; i < MANIFEST_FILES && !result; i++)
		result = copy_file(backup, i);
	end_reading(backup);
	if (!result && (result = manifest_write(&backup->manifest, backup->folder)) < 0)
		fail(backup, result, STORE_BACKUP_MANIFEST, strerror(-result));
	return result;
}

static void
remove_copies(struct store_backup *backup)
{
	for (unsigned i = 0; i < MANIFEST_FILES; i++)
		if (backup->files[i].to >= 0)
			unlinkat(backup->folder, backup->manifest.files[i].name, 0);
}

static void *
run(void *arg)
{
	struct store_backup *backup = arg;

	thread_guard_enter(THREAD_STORE);
	if (copy_all(backup) < 0)
		remove_copies(backup);
	for (unsigned i = 0; i < MANIFEST_FILES; i++) {
		sqlite3_close(backup->files[i].from);
		if (backup->files[i].to >= 0)
			close(backup->files[i].to);
	}
	pthread_mutex_lock(&backup->lock);
	backup->over = true;
	pthread_mutex_unlock(&backup->lock);
	pthread_cond_signal(&backup->told);
	return NULL;
}

/* ---- life ---- */

static void
release(struct store_backup *backup)
{
	pthread_cond_destroy(&backup->told);
	pthread_mutex_destroy(&backup->lock);
	if (backup->folder >= 0)
		close(backup->folder);
	free(backup);
}

struct store_backup *
store_backup_begin(struct store *store, int folder, char error[STORE_ERROR_MAX])
{
	struct store_backup *backup = calloc(1, sizeof *backup);
	pthread_condattr_t attr;

	if (!backup) {
		snprintf(error, STORE_ERROR_MAX, "out of memory");
		return NULL;
	}
	backup->store = store;
	backup->folder = fcntl(folder, F_DUPFD_CLOEXEC, 0);
	backup->files[0] = (struct copying){ .path = store->path, .to = -1 };
	backup->files[1] = (struct copying){ .path = store->reports_path, .to = -1 };
	manifest_init(&backup->manifest);
	pthread_mutex_init(&backup->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&backup->told, &attr);
	pthread_condattr_destroy(&attr);
	if (backup->folder < 0 || pthread_create(&backup->thread, NULL, run, backup)) {
		snprintf(error, STORE_ERROR_MAX, "no thread or descriptor for it: %s",
			 strerror(errno));
		release(backup);
		return NULL;
	}
	return backup;
}

void
store_backup_wait(struct store_backup *backup, struct store_backup_progress *progress)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += TELL_MS * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&backup->lock);
	if (!backup->over)
		pthread_cond_timedwait(&backup->told, &backup->lock, &ts);
	*progress = (struct store_backup_progress){ backup->over, backup->bytes, backup->of };
	pthread_mutex_unlock(&backup->lock);
}

int
store_backup_end(struct store_backup *backup, char error[STORE_ERROR_MAX])
{
	int result;

	pthread_mutex_lock(&backup->lock);
	backup->cancel = true;
	pthread_mutex_unlock(&backup->lock);
	pthread_join(backup->thread, NULL);
	assert(backup->over);
	result = backup->result;
	memcpy(error, backup->error, STORE_ERROR_MAX);
	release(backup);
	return result;
}
