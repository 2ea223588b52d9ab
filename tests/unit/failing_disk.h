/*
 * failing_disk.h - a disk that can fail: SQLite's own, with a say before each write and sync.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <sqlite3.h>

static struct {
	sqlite3_vfs vfs, *real;
	sqlite3_io_methods methods[4]; /* SQLite locks a database, but not its log */
	const sqlite3_io_methods *originals[4];
	int (*write)(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 offset);
	int (*sync)(sqlite3_file *file, int flags);
	_Atomic int write_error;  /* what every write answers; 0: it works */
	_Atomic unsigned sync_ms; /* how long a sync takes */
	_Atomic bool sync_held;   /* it does not come back until this is over */
	_Atomic unsigned syncing; /* so many wait for that */
	_Atomic unsigned syncs;   /* that were asked for so far */
} disk;

static inline int
disk_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 offset)
{
	int error = atomic_load(&disk.write_error);

	return error ? error : disk.write(file, bytes, len, offset);
}

static inline int
disk_sync(sqlite3_file *file, int flags)
{
	usleep(atomic_load(&disk.sync_ms) * 1000);
	atomic_fetch_add(&disk.syncs, 1);
	atomic_fetch_add(&disk.syncing, 1);
	while (atomic_load(&disk.sync_held))
		usleep(1000);
	atomic_fetch_sub(&disk.syncing, 1);
	return disk.sync(file, flags);
}

static inline int
disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
	int code = disk.real->xOpen(disk.real, name, file, flags, flags_out);
	unsigned kind;

	if (code != SQLITE_OK)
		return code;
	for (kind = 0; disk.originals[kind] && disk.originals[kind] != file->pMethods; kind++)
		cr_assert_lt(kind, 3);
	if (!disk.originals[kind]) {
		disk.originals[kind] = file->pMethods;
		disk.methods[kind] = *file->pMethods;
		disk.write = file->pMethods->xWrite;
		disk.sync = file->pMethods->xSync;
		disk.methods[kind].xWrite = disk_write;
		disk.methods[kind].xSync = disk_sync;
	}
	file->pMethods = &disk.methods[kind];
	return SQLITE_OK;
}

/* From now on, what SQLite opens is on it. */
static inline void
disk_insert(void)
{
	disk.real = sqlite3_vfs_find(NULL);
	disk.vfs = *disk.real;
	disk.vfs.zName = "failing";
	disk.vfs.xOpen = disk_open;
	cr_assert_eq(sqlite3_vfs_register(&disk.vfs, 1), SQLITE_OK);
}
