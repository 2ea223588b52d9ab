#include "control/store/store_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BUSY_MS = 50, /* another process's short transaction is not worth a word */
	SQL_MAX = 128,
};

int
store_file_error(const struct store_file *file, int code, const char *doing,
		 char error[STORE_ERROR_MAX])
{
	static const struct {
		int code, error;
		const char *meaning;
	} meanings[] = {
		{ SQLITE_FULL, ENOSPC,
		  "its file system is full; free some space there, the store then goes on by "
		  "itself" },
		{ SQLITE_BUSY, EBUSY,
		  "another process holds it locked; end that process (fuser shows it), the store "
		  "then "
		  "goes on by itself" },
		{ SQLITE_LOCKED, EBUSY,
		  "another process holds it locked; end that process (fuser shows it), the store "
		  "then "
		  "goes on by itself" },
		{ SQLITE_READONLY, EROFS,
		  "it may not be written; check its owner and mode and how its file system is "
		  "mounted" },
		{ SQLITE_PERM, EACCES,
		  "it may not be opened; check owner and mode of the file and its folder" },
		{ SQLITE_CANTOPEN, EACCES,
		  "it cannot be opened; check that its folder exists and its owner may write "
		  "there" },
		{ SQLITE_CORRUPT, EBADMSG,
		  "it is damaged; put back a copy, or rescue its rows with: sqlite3 FILE "
		  ".recover" },
		{ SQLITE_NOTADB, EBADMSG,
		  "it is no SQLite file or damaged; put back a copy, or move it away to begin "
		  "anew" },
		{ SQLITE_IOERR, EIO,
		  "its disk answers with an error; look into the kernel's log and check the disk" },
		{ SQLITE_NOMEM, ENOMEM, "out of memory" },
		{ SQLITE_INTERRUPT, ETIMEDOUT, "it took too long" },
	};

	code &= 0xff;
	/* The index of its log did not fit: SQLite calls that an error of the disk. */
	if (code == SQLITE_IOERR && file->db && sqlite3_system_errno(file->db) == ENOSPC)
		code = SQLITE_FULL;
	for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
		if (meanings[i].code != code)
			continue;
		snprintf(error, STORE_ERROR_MAX, "%s: cannot %s: %s", file->path, doing,
			 meanings[i].meaning);
		return -meanings[i].error;
	}
	snprintf(error, STORE_ERROR_MAX, "%s: cannot %s: %s", file->path, doing,
		 file->db ? sqlite3_errmsg(file->db) : sqlite3_errstr(code));
	return -EIO;
}

int
store_file_exec(const struct store_file *file, const char *sql)
{
	return sqlite3_exec(file->db, sql, NULL, NULL, NULL);
}

sqlite3_stmt *
store_file_prepare(const struct store_file *file, const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v3(file->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) !=
	    SQLITE_OK)
		return NULL;
	return stmt;
}

int
store_file_run(sqlite3_stmt *stmt)
{
	int code = sqlite3_step(stmt);

	assert(stmt);
	sqlite3_reset(stmt);
	return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

/* One number that `sql` answers. SQLite's result. */
static int
query_int(const struct store_file *file, const char *sql, int *value)
{
	sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(file->db, sql, -1, &stmt, NULL);

	if (code == SQLITE_OK) {
		code = sqlite3_step(stmt);
		if (code == SQLITE_ROW) {
			*value = sqlite3_column_int(stmt, 0);
			code = SQLITE_OK;
		}
	}
	sqlite3_finalize(stmt);
	return code;
}

int
store_file_meta(const struct store_file *file, const char *name, uint64_t *value)
{
	sqlite3_stmt *stmt = store_file_prepare(file, "SELECT value FROM meta WHERE name = ?1");
	int code = stmt ? SQLITE_OK : sqlite3_extended_errcode(file->db);

	*value = 0;
	if (code == SQLITE_OK) {
		sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
		code = sqlite3_step(stmt);
	}
	if (code == SQLITE_ROW)
		*value = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

/*
 * An empty file whose log is not empty was cut: SQLite would begin anew with it, and the log would be
 * gone.
 */
static int
check_cut(const char *path, const struct stat *stat_of_path, char error[STORE_ERROR_MAX])
{
	char log[PATH_MAX];
	struct stat stat_of_log;

	snprintf(log, sizeof log, "%s-wal", path);
	if (stat_of_path->st_size || stat(log, &stat_of_log) < 0 || !stat_of_log.st_size)
		return 0;
	snprintf(error, STORE_ERROR_MAX,
		 "%s: it is empty, but its log beside it, -wal, is not: it was cut; put back a copy of "
		 "both, or move the log away to begin anew",
		 path);
	return -EBADMSG;
}

/* What SQLite opens beside the file. A pipe in its place would take what is written, or hold up who reads. */
static int
check_companions(const char *path, char error[STORE_ERROR_MAX])
{
	static const char *const suffixes[] = { "-wal", "-shm", "-journal" };
	char companion[PATH_MAX];
	struct stat found;

	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		snprintf(companion, sizeof companion, "%s%s", path, suffixes[i]);
		if (stat(companion, &found) < 0 || S_ISREG(found.st_mode))
			continue;
		snprintf(error, STORE_ERROR_MAX, "%.400s: not a regular file; move it away",
			 companion);
		return -EINVAL;
	}
	return 0;
}

/* SQLite would make it readable for all that the umask lets, and its log like it. */
static int
make_private(const char *path, char error[STORE_ERROR_MAX])
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
	struct stat found;
	int code = 0;

	if (fd < 0) {
		code = -errno;
		snprintf(error, STORE_ERROR_MAX,
			 "%s: cannot open it: %s; check that the folder exists and owner and mode",
			 path, strerror(errno));
		return code;
	}
	if (fstat(fd, &found) < 0 || !S_ISREG(found.st_mode)) {
		snprintf(error, STORE_ERROR_MAX, "%s: not a regular file; name another path", path);
		code = -EINVAL;
	}
	close(fd);
	if (!code)
		code = check_companions(path, error);
	return code ? code : check_cut(path, &found, error);
}

/* Whose file it is, before anything is written to it. */
static int
recognize(const struct store_file *file, int *version, char error[STORE_ERROR_MAX])
{
	const struct store_schema *schema = file->schema;
	int id = 0, tables = 0;
	int code = query_int(file, "PRAGMA application_id", &id);

	if (code == SQLITE_OK)
		code = query_int(file, "PRAGMA user_version", version);
	if (code == SQLITE_OK)
		code = query_int(file, "SELECT count(*) FROM sqlite_schema", &tables);
	if (code != SQLITE_OK)
		return store_file_error(file, code, "read it", error);
	if (id != schema->application_id && (id || tables || *version)) {
		snprintf(error, STORE_ERROR_MAX,
			 "%s: a SQLite file, but not an %s of this program; name another path",
			 file->path, schema->what);
		return -EINVAL;
	}
	if (*version > schema->n_steps) {
		snprintf(error, STORE_ERROR_MAX,
			 "%s: written by a newer version of this program (schema %d, known up to "
			 "%d); "
			 "use that version, or put back a copy from before it",
			 file->path, *version, schema->n_steps);
		return -EINVAL;
	}
	return 0;
}

static int
migrate_steps(const struct store_file *file, int version)
{
	const struct store_schema *schema = file->schema;
	char sql[SQL_MAX];
	int code = store_file_exec(file, "BEGIN IMMEDIATE");

	for (int i = version; code == SQLITE_OK && i < schema->n_steps; i++)
		code = store_file_exec(file, schema->steps[i]);
	if (code != SQLITE_OK)
		return code;
	snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
		 schema->application_id, schema->n_steps);
	return store_file_exec(file, sql);
}

static int
migrate(const struct store_file *file, int version, char error[STORE_ERROR_MAX])
{
	int code = migrate_steps(file, version);
	int result;

	if (code == SQLITE_OK)
		return 0;
	result = store_file_error(file, code, version ? "bring it to the new schema" : "set it up",
				  error);
	if (!sqlite3_get_autocommit(file->db))
		store_file_exec(file, "ROLLBACK");
	return result;
}

static int
prepare_file(struct store_file *file, char error[STORE_ERROR_MAX])
{
	int version = 0;
	int code = recognize(file, &version, error);

	if (code < 0)
		return code;
	if (chmod(file->path, 0600) < 0 && errno != EROFS && errno != EPERM) {
		code = -errno;
		snprintf(error, STORE_ERROR_MAX, "%s: cannot make it private: %s", file->path,
			 strerror(errno));
		return code;
	}
	code = store_file_exec(file, "PRAGMA journal_mode=WAL");
	if (code == SQLITE_OK)
		code = store_file_exec(file, file->schema->pragmas);
	if (code != SQLITE_OK)
		return store_file_error(file, code, "open it", error);
	if (version == file->schema->n_steps)
		return 0;
	return migrate(file, version, error);
}

static void
note_identity(struct store_file *file)
{
	struct stat found;

	if (stat(file->path, &found) < 0)
		return;
	file->device = found.st_dev;
	file->inode = found.st_ino;
}

bool
store_file_is_there(const struct store_file *file)
{
	struct stat found;

	return stat(file->path, &found) == 0 && found.st_dev == file->device &&
	       found.st_ino == file->inode;
}

int
store_file_open(struct store_file *file, const char *path, const struct store_schema *schema,
		char error[STORE_ERROR_MAX])
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int code = make_private(path, error);

	/* Nobody asks how much memory it has, and counting takes a lock at each allocation. Refused once it runs. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	*file = (struct store_file){ .path = path, .schema = schema };
	if (code < 0)
		return code;
	code = sqlite3_open_v2(path, &file->db, flags, NULL);
	if (code != SQLITE_OK) {
		code = store_file_error(file, code, "open it", error);
	} else {
		sqlite3_busy_timeout(file->db, BUSY_MS);
		code = prepare_file(file, error);
		note_identity(file);
	}
	if (code < 0)
		store_file_close(file);
	return code;
}

void
store_file_close(struct store_file *file)
{
	sqlite3_close(file->db);
	file->db = NULL;
}
