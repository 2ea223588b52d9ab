#include "control/store/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/store/store_private.h"

/* ---- life ---- */

/*
 * On a file beside the store, which goes with the process however that ends. Not on the store itself: closing
 * any descriptor of that would drop SQLite's own locks.
 */
static int
take_lock(const char *path, const char *lock_path, char error[STORE_ERROR_MAX])
{
	int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600), result;
	char owner[32] = "";
	struct stat found;
	ssize_t len;

	if (fd < 0) {
		result = -errno;
		snprintf(error, STORE_ERROR_MAX,
			 "%s: cannot open it: %s; check that the folder exists and owner and mode",
			 lock_path, strerror(errno));
		return result;
	}
	if (fstat(fd, &found) < 0 || !S_ISREG(found.st_mode)) {
		snprintf(error, STORE_ERROR_MAX, "%s: not a regular file; move it away", lock_path);
		close(fd);
		return -EINVAL;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		len = pread(fd, owner, sizeof owner - 1, 0);
		owner[len > 0 ? strcspn(owner, "\n") : 0] = 0;
		snprintf(error, STORE_ERROR_MAX,
			 "%s: in use by process %s; end that one first, or name another path", path,
			 *owner ? owner : "(unknown)");
		close(fd);
		return -EBUSY;
	}
	/* Only for the sentence above: a full disk may leave it empty. */
	len = snprintf(owner, sizeof owner, "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) == 0)
		(void)!pwrite(fd, owner, (size_t)len, 0);
	return fd;
}

static int
read_next_device(struct store *store, char error[STORE_ERROR_MAX])
{
	const struct store_file *file = &store->inventory;
	sqlite3_stmt *stmt =
		store_file_prepare(file, "SELECT value FROM meta WHERE name = 'next_device'");
	int code = stmt ? sqlite3_step(stmt) : sqlite3_extended_errcode(file->db);

	if (code == SQLITE_ROW)
		store->next_device = (uint32_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	if (code == SQLITE_ROW)
		return 0;
	return store_file_error(file, code == SQLITE_DONE ? SQLITE_CORRUPT : code, "read it",
				error);
}

/* Which cluster it follows, if any. */
static int
read_cluster(struct store *store, char error[STORE_ERROR_MAX])
{
	const struct store_file *file = &store->inventory;
	sqlite3_stmt *stmt =
		store_file_prepare(file, "SELECT value FROM meta WHERE name = 'cluster'");
	int code = stmt ? sqlite3_step(stmt) : sqlite3_extended_errcode(file->db);

	if (code == SQLITE_ROW)
		snprintf(store->cluster, sizeof store->cluster, "%s",
			 (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	if (code == SQLITE_ROW || code == SQLITE_DONE)
		code = store_file_meta(file, "cluster_revision", &store->cluster_revision);
	return code == SQLITE_OK ? 0 : store_file_error(file, code, "read it", error);
}

/*
 * Each change has a number that both files get, the reports later: where they have a higher one, the
 * inventory has lost changes, or is an older copy.
 */
static int
compare_serials(struct store *store, char error[STORE_ERROR_MAX])
{
	uint64_t inventory, reports;
	int code = store_file_meta(&store->inventory, "serial", &inventory);

	if (code != SQLITE_OK)
		return store_file_error(&store->inventory, code, "read it", error);
	code = store_file_meta(&store->reports, "serial", &reports);
	if (code != SQLITE_OK)
		return store_file_error(&store->reports, code, "read it", error);
	if (reports > inventory && inventory == 0) {
		snprintf(error, STORE_ERROR_MAX,
			 "%s: it is empty, but %s is of an inventory that was changed %llu times; "
			 "put "
			 "back a copy, or move the reports away to begin anew",
			 store->path, store->reports_path, (unsigned long long)reports);
		return -EBADMSG;
	}
	if (reports > inventory)
		snprintf(store->warning, sizeof store->warning,
			 "%s: its last %llu changes are missing: its log was cut or damaged, or it "
			 "is an "
			 "older copy; compare `device export` with what you have",
			 store->path, (unsigned long long)(reports - inventory));
	store->change.serial = reports > inventory ? reports : inventory;
	return 0;
}

const char *
store_warning(const struct store *store)
{
	return store->warning;
}

int
store_open_files(struct store *store, char error[STORE_ERROR_MAX])
{
	int code;

	store->lock_fd = take_lock(store->path, store->lock_path, error);
	code = store->lock_fd < 0 ? store->lock_fd : 0;
	if (code == 0)
		code = store_file_open(&store->inventory, store->path, &store_inventory_schema,
				       error);
	if (code == 0)
		code = read_next_device(store, error);
	if (code == 0)
		code = read_cluster(store, error);
	if (code == 0)
		code = store_file_open(&store->reports, store->reports_path, &store_reports_schema,
				       error);
	if (code == 0)
		code = store_writer_init(&store->writer, &store->reports, error);
	if (code < 0)
		return code;
	code = store_change_init(&store->change, store, &store->inventory, error);
	if (code < 0) {
		store_writer_fini(&store->writer);
		return code;
	}
	code = compare_serials(store, error);
	if (code < 0) {
		store_change_fini(&store->change);
		store_writer_fini(&store->writer);
	}
	return code;
}

static void
release(struct store *store)
{
	sqlite3_close(store->reader);
	sqlite3_close(store->policy_reader);
	store_file_close(&store->inventory);
	store_file_close(&store->reports);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	id_set_fini(&store->present);
	sealer_free(store->sealer);
	free(store->path);
	free(store->reports_path);
	free(store->lock_path);
	free(store);
}

static char *
with_suffix(const char *path, const char *suffix)
{
	char *name;

	return asprintf(&name, "%s%s", path, suffix) < 0 ? NULL : name;
}

/* The folder of the store, one level: a first start by hand needs no preparation. */
static void
make_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash && slash != path ? strndup(path, (size_t)(slash - path)) : NULL;

	if (folder)
		mkdir(folder, 0700); /* whatever is wrong shows when the file is opened */
	free(folder);
}

int
store_lock(const char *path, char error[STORE_ERROR_MAX])
{
	char *lock_path = with_suffix(path, ".lock");
	int fd = -ENOMEM;

	if (lock_path)
		fd = take_lock(path, lock_path, error);
	else
		snprintf(error, STORE_ERROR_MAX, "%s: out of memory", path);
	free(lock_path);
	return fd;
}

struct store *
store_open(const char *path, char error[STORE_ERROR_MAX])
{
	struct store *store = calloc(1, sizeof *store);

	if (!store) {
		snprintf(error, STORE_ERROR_MAX, "%s: out of memory", path);
		return NULL;
	}
	store->lock_fd = -1;
	store->path = strdup(path);
	store->reports_path = with_suffix(path, "-reports");
	store->lock_path = with_suffix(path, ".lock");
	if (!store->path || !store->reports_path || !store->lock_path) {
		snprintf(error, STORE_ERROR_MAX, "%s: out of memory", path);
		release(store);
		return NULL;
	}
	make_folder(path);
	if (store_open_files(store, error) < 0) {
		release(store);
		return NULL;
	}
	return store;
}

void
store_hold(struct store *store)
{
	store->writer.holding = true;
}

void
store_go_on(struct store *store)
{
	struct store_writer *writer = &store->writer;

	pthread_mutex_lock(&writer->lock);
	writer->holding = false;
	pthread_cond_signal(&writer->wake);
	pthread_mutex_unlock(&writer->lock);
}

int
store_release_held(struct store *store, char error[STORE_ERROR_MAX])
{
	int code = store->writer.holding ? SQLITE_OK : store_release_all_held(&store->writer);

	return code == SQLITE_OK
		       ? 0
		       : store_file_error(&store->reports, code, "write what is due", error);
}

int
store_start(struct store *store)
{
	int code = store_writer_start(&store->writer);

	id_set_fini(&store->present);
	store->present_known = false;
	return code ? code : store_change_start(&store->change);
}

void
store_close(struct store *store)
{
	if (!store)
		return;
	store_change_fini(&store->change);
	store_writer_fini(&store->writer);
	release(store);
}

/* ---- keys ---- */

int
store_use_keys(struct store *store, const struct keyring *keyring)
{
	struct sealer *mine, *changes, *writers;

	if (store->change.open)
		return -EBUSY;
	mine = sealer_new(keyring);
	changes = sealer_new(keyring);
	writers = sealer_new(keyring);
	if (!mine || !changes || !writers || message_readers_use(store, keyring) < 0) {
		sealer_free(mine);
		sealer_free(changes);
		sealer_free(writers);
		return -ENOMEM;
	}
	sealer_free(store->sealer);
	store->sealer = mine;
	sealer_free(store->change.sealer);
	store->change.sealer = changes;
	store_writer_use(&store->writer, writers);
	return 0;
}

struct sealer *
store_sealer(struct store *store)
{
	return store->sealer && sealer_id(store->sealer) ? store->sealer : NULL;
}

uint32_t
store_resealed(const struct store *store, unsigned *n)
{
	assert(!store->change.open);
	*n = store->change.n_resealed;
	return store->change.reseal_next;
}

void
store_note_all_resealed(struct store *store)
{
	store->plain = store->former = 0;
}

void
store_reseal_logs(struct store *store, int64_t place)
{
	struct journal_entry entry = { .kind = JOURNAL_RESEAL, .count = (uint64_t)place };

	store_writer_put(&store->writer, &entry, &(struct journal_text){ 0 });
}

int64_t
store_resealed_logs(struct store *store)
{
	int64_t next;

	pthread_mutex_lock(&store->writer.lock);
	next = store->writer.reseal_next;
	pthread_mutex_unlock(&store->writer.lock);
	return next;
}

/* ---- the journal ---- */

void
store_put_task(struct store *store, const struct store_task *task)
{
	struct journal_entry entry = { .kind = JOURNAL_TASK, .task = task->number };
	struct journal_text text = { task->group, strlen(task->group), task->name };

	store_writer_put(&store->writer, &entry, &text);
}

void
store_forget_task(struct store *store, uint32_t number)
{
	struct journal_entry entry = { .kind = JOURNAL_FORGET_TASK, .task = number };

	store_writer_put(&store->writer, &entry, &(struct journal_text){ 0 });
}

void
store_put_report(struct store *store, const struct store_report *report)
{
	struct journal_entry entry = {
		.kind = JOURNAL_REPORT,
		.status = report->status,
		.device = report->device,
		.task = report->task,
		.started_ms = report->started_ms,
		.finished_ms = report->finished_ms,
		.count = report->member,
	};
	struct journal_text text = { report->summary, strlen(report->summary), report->log };

	store_writer_put(&store->writer, &entry, &text);
}

void
store_put_visit(struct store *store, uint32_t device, uint64_t last_bootstrap_ms, uint16_t format)
{
	struct journal_entry entry = {
		.kind = JOURNAL_VISIT,
		.device = device,
		.finished_ms = last_bootstrap_ms,
		.format = format,
	};

	store_writer_put(&store->writer, &entry, &(struct journal_text){ 0 });
}

void
store_put_unknown(struct store *store, const struct store_unknown *unknown)
{
	struct journal_entry entry = {
		.kind = JOURNAL_UNKNOWN,
		.device = unknown->device,
		.format = unknown->over,
		.started_ms = unknown->first_ms,
		.finished_ms = unknown->last_ms,
		.count = unknown->count,
	};
	struct journal_text text = { unknown->name, unknown->name_len, unknown->address };

	store_writer_put(&store->writer, &entry, &text);
}

void
store_put_note(struct store *store, const char *name, const char *text)
{
	struct journal_entry entry = { .kind = JOURNAL_NOTE };

	store_writer_put(&store->writer, &entry,
			 &(struct journal_text){ name, strlen(name), text });
}

void
store_keep_unknowns(struct store *store, uint64_t newest)
{
	struct journal_entry entry = { .kind = JOURNAL_KEEP, .count = newest };

	store_writer_put(&store->writer, &entry, &(struct journal_text){ 0 });
}

int
store_flush(struct store *store, unsigned wait_ms, const struct pump *pump,
	    char error[STORE_ERROR_MAX])
{
	struct store_writer *writer = &store->writer;
	uint64_t until = store_writer_hurry(writer);
	uint64_t end = store_now_ms() + (store->suspended ? 0 : wait_ms);
	int code;

	while (!store_writer_wait(writer, until)) {
		if (store_now_ms() >= end)
			break;
		pump_run(pump);
	}
	pthread_mutex_lock(&writer->lock);
	code = store_writer_has_settled(writer, until) ? 0 : -ETIMEDOUT;
	if (code && writer->failure) {
		code = writer->failure;
		snprintf(error, STORE_ERROR_MAX, "%s", writer->error);
	} else if (code) {
		snprintf(error, STORE_ERROR_MAX,
			 "%s: not all written within %u ms; the disk is slow, try again",
			 store->reports_path, wait_ms);
	}
	pthread_mutex_unlock(&writer->lock);
	return code;
}

/* ---- what it is like ---- */

static uint64_t
file_bytes(const char *path)
{
	char log[4096];
	struct stat stats;
	uint64_t bytes = 0;

	if (stat(path, &stats) == 0)
		bytes += (uint64_t)stats.st_size;
	snprintf(log, sizeof log, "%s-wal", path);
	if (stat(log, &stats) == 0)
		bytes += (uint64_t)stats.st_size;
	return bytes;
}

void
store_info(struct store *store, struct store_info *info)
{
	struct store_writer *writer = &store->writer;
	struct store_change *change = &store->change;

	*info = (struct store_info){ .path = store->path, .healthy = true };
	info->bytes = file_bytes(store->path) + file_bytes(store->reports_path);
	info->plain = store->plain;
	info->former = store->former;
	if (store->sealer && sealer_id(store->sealer))
		kek_id_text(sealer_id(store->sealer), info->kek);
	pthread_mutex_lock(&change->lock);
	if (change->failing) {
		info->healthy = false;
		info->failing_since_ms = change->failing_since_ms;
		snprintf(info->error, sizeof info->error, "%s", change->error);
	}
	pthread_mutex_unlock(&change->lock);
	pthread_mutex_lock(&writer->lock);
	info->queued = writer->slice.count + writer->kept.count + writer->queue.count;
	info->written = writer->written;
	info->lost = writer->lost;
	if (info->queued)
		info->lag_ms = store_now_ms() -
			       (writer->slice.count ? writer->slice_ms : writer->first_ms);
	if (writer->failure) {
		info->healthy = false;
		info->failing_since_ms = writer->failing_since_ms;
		snprintf(info->error, sizeof info->error, "%s", writer->error);
	}
	pthread_mutex_unlock(&writer->lock);
}
