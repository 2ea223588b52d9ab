/*
 * store.h - what must outlive the process: devices, reports, who asked in vain. SQLite.
 *
 * Two files: PATH has the inventory, with the keys; PATH-reports has the journal and all that comes of it. SQLite lets one
 * transaction write a file at a time, and the import of a million devices must not hold up the
 * reports of those that bootstrap meanwhile. PATH.lock keeps a second process out, as long as the
 * first one lives and no longer. All of mode 0600.
 *
 * Threads of the store's own are the only writers, so a slow disk or another process's lock never
 * holds the control thread back. Operators' changes are transactions: store_change_commit() returns
 * when they are durable, or says why they are not. Reports, visits and unknown devices are queued without
 * waiting and written together at least every STORE_FLUSH_MS; what a crash can lose is that much.
 * When the disk is full or the file is locked, the queue keeps what it can (STORE_QUEUE_MAX; beyond
 * it the oldest reports, visits and unknown devices are lost and counted, never tasks), the writer tries
 * again on its own, and commits fail with the reason.
 *
 * Life: store_open() -> store_load_*() -> store_start() -> { ... } -> store_close(), which writes
 * what is queued. Everything belongs to the control thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/inventory/device_spec.h"
#include "control/pump.h"
#include "control/store/keyring.h"

enum {
	STORE_ERROR_MAX = 512,
	STORE_FLUSH_MS = 50,
	STORE_QUEUE_MAX = 1 << 20,
	STORE_SUMMARY_MAX = 320, /* TASK_SUMMARY_MAX */
	STORE_CLUSTER_MAX = 64,  /* bytes of a cluster's name, its NUL included */
};

struct store;

/*
 * Opens or makes the files, migrates an older schema (in one transaction), refuses a newer one, a
 * file that is no store, and one that another process has open. NULL and a sentence (what, then the
 * remedy).
 */
struct store *store_open(const char *path, char error[STORE_ERROR_MAX]);
void store_close(struct store *store);
/* What is wrong with the files, though they can be used: a sentence for the log; "": nothing. */
const char *store_warning(const struct store *store);
/*
 * Before store_start(), of a process that is to take over from another one: what is put waits until store_go_on(), and one
 * that is closed before has written nothing. So what passed is written by one of the two alone.
 */
void store_hold(struct store *store);
void store_go_on(struct store *store);
/*
 * Before store_start(), where no run of a former process goes on here: messages that were held for its end are due. Of a
 * store on hold none. 0, or -errno and a sentence.
 */
int store_release_held(struct store *store, char error[STORE_ERROR_MAX]);
/* Begins the writer's thread; call it after loading. 0 or -errno. */
int store_start(struct store *store);

/*
 * The keys under which secrets are sealed from now on, and opened: before loading, and again when they change. None:
 * secrets are kept plain. What is stored stays as it is (store_reseal()). Copied. 0; -ENOMEM; -EBUSY while a change is open.
 */
int store_use_keys(struct store *store, const struct keyring *keyring);

/* For the control thread's own use, such as sealed files: NULL where nothing is sealed. Until the next store_use_keys(). */
struct sealer *store_sealer(struct store *store);

/* A device as it is kept: its number is the inventory's and never used again. */
struct store_device {
	uint32_t id;
	struct device_spec spec;
	uint64_t last_bootstrap_ms; /* 0: never */
	uint16_t format;            /* Content-Format used last; 0: none yet */
};

enum store_report_status { STORE_REPORT_REMOVED = 255 }; /* else enum task_status */

struct store_report {
	uint32_t device, task; /* numbers of the inventory, of store_task */
	uint8_t status;
	uint32_t member;                  /* of a cluster, whose it is; 0: this one's */
	uint64_t started_ms, finished_ms; /* wall clock; 0: not yet */
	const char *summary;              /* never NULL */
	const char *log;                  /* lines of the run's <log>, or NULL */
};

struct store_task {
	uint32_t number; /* never used again */
	const char *group, *name;
};

struct store_unknown {
	const uint8_t *name; /* endpoint name or identity, maybe cut */
	size_t name_len;
	const char *address; /* of the last visit, as text */
	uint64_t first_ms, last_ms, count;
	uint8_t over;    /* enum unknown_over, of the last visit */
	uint32_t device; /* whose identity it came with, if it came with one of a device's */
};

/*
 * Before store_start(), devices first. Devices and tasks come in the order of their numbers,
 * unknowns in that of their last visits, reports in any; each once. Reports of devices that there
 * are not are left out and removed. 0; -ECANCELED when `each` returned false; else -errno and a
 * sentence.
 */
int store_load_devices(struct store *store, bool (*each)(void *ctx, const struct store_device *),
		       void *ctx, char error[STORE_ERROR_MAX]);
int store_load_tasks(struct store *store, bool (*each)(void *ctx, const struct store_task *),
		     void *ctx, char error[STORE_ERROR_MAX]);
int store_load_reports(struct store *store, bool (*each)(void *ctx, const struct store_report *),
		       void *ctx, char error[STORE_ERROR_MAX]);
int store_load_unknowns(struct store *store, bool (*each)(void *ctx, const struct store_unknown *),
			void *ctx, char error[STORE_ERROR_MAX]);
/* What store_put_note() put, under names that begin so: `each` gets the rest of the name. */
int store_load_notes(struct store *store, const char *prefix,
		     bool (*each)(void *ctx, const char *name, const char *text), void *ctx,
		     char error[STORE_ERROR_MAX]);
/* The number that the next new device gets: above all that were ever given. */
uint32_t store_next_device(const struct store *store);
/*
 * The cluster that the store is a replica of, and the last of its revisions that is in it; NULL: it stands alone. As
 * of the start.
 */
const char *store_cluster(const struct store *store, uint64_t *revision);

/* ---- operators' changes ---- */

/*
 * One transaction at a time. Everything put is copied, and is written while more is put, in bounded
 * memory (4 MB) where who puts many asks for room between them (store_change_make_room()).
 * Nobody sees any of it before store_change_commit().
 */
struct store_change;
/* NULL: before store_start(), or a change is open already. */
struct store_change *store_change_begin(struct store *store);
/*
 * The first failure is kept and told by store_change_commit(). A device that is put again keeps its
 * reports; the later of its last bootstraps counts, put here or by store_put_visit().
 */
void store_change_put_device(struct store_change *change, const struct store_device *device);
/* And its reports, also those that are queued or come later. */
void store_change_remove_device(struct store_change *change, uint32_t id);
/*
 * Seals anew what of some devices, from this one on, is plain or under another key than the first. Where to go
 * on is known after the commit.
 */
void store_change_reseal(struct store_change *change, uint32_t from);

/* All of the cluster up to this revision is in the store with this change; NULL: it stands alone from now on. */
void store_change_follow(struct store_change *change, const char *cluster, uint64_t revision);

/* Written as the journal is, once the change is durable. */
void store_change_remove_unknown(struct store_change *change, const uint8_t *name, size_t len);
/*
 * Between two of many: waits while the disk is far behind, running the pump every millisecond or
 * two. A disk that takes nothing meanwhile fails the change.
 */
void store_change_make_room(struct store_change *change, const struct pump *pump);
void store_change_rollback(struct store_change *change);
/*
 * Waits until it is durable, at most `wait_ms`, running the pump every millisecond or two
 * so that the appliance goes on. 0, or -errno and a sentence; then nothing of it is in the file. When
 * the time is over, the change is undone (-ETIMEDOUT); only where the disk is at its very end
 * already, that is waited for. pump() must not begin a change.
 */
int store_change_commit(struct store_change *change, unsigned wait_ms, const struct pump *pump,
			char error[STORE_ERROR_MAX]) __attribute__((warn_unused_result));

/*
 * Versions of the policy (policy_versions.h): numbers go up, each holds the files that differ from the one before. Their
 * bytes are sealed as keys are.
 */
struct store_version {
	uint32_t number; /* from 1 */
	uint64_t at_ms;  /* wall clock */
	const char *who, *what, *why; /* never NULL */
};
struct store_policy_file {
	const char *name;  /* in the policy folder: "groups.conf", "tasks/a.xml" */
	const void *bytes; /* NULL: it went */
	size_t len;
};
void store_change_put_version(struct store_change *change, const struct store_version *version);
void store_change_put_policy_file(struct store_change *change, uint32_t version,
				  const struct store_policy_file *file);
/* Forgets all before this one. */
void store_change_drop_versions(struct store_change *change, uint32_t oldest);
/* From this number on, ascending, until `each` says false. 0, or -errno and a sentence. */
int store_read_versions(struct store *store, uint32_t from,
			bool (*each)(void *ctx, const struct store_version *), void *ctx,
			char error[STORE_ERROR_MAX]);
/* What the policy's files said then, by name, until `each` says false; wiped behind it. The same. */
int store_read_policy(struct store *store, uint32_t version,
		      bool (*each)(void *ctx, const struct store_policy_file *), void *ctx,
		      char error[STORE_ERROR_MAX]);

enum { STORE_RESEALED_ALL = UINT32_MAX };
/* The device to go on with; STORE_RESEALED_ALL: there are no more. *n: how many the last change sealed anew. */
uint32_t store_resealed(const struct store *store, unsigned *n);
/* All were: status counts no others. */
void store_note_all_resealed(struct store *store);

/* ---- the journal, without waiting ---- */

void store_put_task(struct store *store, const struct store_task *task);
/* The task was removed: its reports go, and its number is free from the next start on. */
void store_forget_task(struct store *store, uint32_t number);
void store_put_report(struct store *store, const struct store_report *report);
void store_put_visit(struct store *store, uint32_t device, uint64_t last_bootstrap_ms,
		     uint16_t format);
void store_put_unknown(struct store *store, const struct store_unknown *unknown);
/* A short text by its name, which is no device's; NULL: it goes. */
void store_put_note(struct store *store, const char *name, const char *text);
/* Drops all unknowns but the `newest` that were there last. */
void store_keep_unknowns(struct store *store, uint64_t newest);

/*
 * The same for some logs of reports, from this place on (0: the first). store_resealed_logs() tells after a flush
 * where to go on; -1: there are no more.
 */
void store_reseal_logs(struct store *store, int64_t place);
int64_t store_resealed_logs(struct store *store);

/* Waits until all entries queued before are written. 0, or -errno and a sentence. */
int store_flush(struct store *store, unsigned wait_ms, const struct pump *pump,
		char error[STORE_ERROR_MAX]);

/*
 * The log of a report, malloc'ed, or NULL: kept in the file alone. Reads what is written: flush
 * first.
 */
char *store_read_log(struct store *store, uint32_t task, uint32_t device);

/* ---- another process takes the files over ---- */

/*
 * Writes what is queued, closes the files and lets go of their lock. What is put from now on is queued and waits; no
 * change can begin. 0, or -errno and a sentence: then nothing has changed.
 */
int store_suspend(struct store *store, unsigned wait_ms, const struct pump *pump,
		  char error[STORE_ERROR_MAX]);
/*
 * Takes the files back, with what waits; then the keys are to be given, and store_start() called. 0, or -errno and a
 * sentence: it stays suspended.
 */
int store_resume(struct store *store, char error[STORE_ERROR_MAX]);
/* Whether the files are such as this version writes: another's can be migrated by who has them alone. */
int store_check_version(const char *path, char error[STORE_ERROR_MAX]);

/* An entry of the journal that waits. Its kind is a number for good, of store_writer.h. */
struct store_waiting {
	uint8_t kind, status;
	uint16_t format;
	uint32_t device, task;
	uint64_t started_ms, finished_ms, count;
	const char *name; /* of a report: its summary; `more`: its log, or NULL */
	size_t name_len;
	const char *more;
	bool joins; /* is in one transaction with the one before it */
};
enum store_waiting_kind {
	STORE_WAITING_OTHER,
	STORE_WAITING_REPORT,
	STORE_WAITING_VISIT,
	STORE_WAITING_UNKNOWN,
	STORE_WAITING_NOTE, /* `more` is what it says, NULL: it is gone */
};
enum store_waiting_kind store_waiting_kind(const struct store_waiting *waiting);
/* The oldest first. (while suspended) */
void store_each_waiting(const struct store *store,
			void (*each)(void *ctx, const struct store_waiting *waiting), void *ctx);
/*
 * As it was put in the other process; what joins is put between store_begin_together() and store_end_together(), which
 * the caller calls. -EINVAL: it is of no kind that can be; -ENOMEM: it is not there.
 */
int store_put_waiting(struct store *store, const struct store_waiting *waiting)
	__attribute__((warn_unused_result));

struct store_info {
	const char *path;
	uint64_t bytes;                 /* of the files and their write-ahead logs */
	uint64_t queued, written, lost; /* entries of the journal */
	uint64_t lag_ms;                /* how long the oldest entry has been queued; 0: none is */
	bool healthy;                   /* the last write went through */
	char error[STORE_ERROR_MAX];    /* why not */
	uint64_t failing_since_ms;      /* wall clock */
	char kek[KEK_ID_TEXT_MAX];      /* the id of the key that seals; "": secrets are plain */
	uint64_t plain, former; /* devices at the start that were not sealed, or under a former key */
};
void store_info(struct store *store, struct store_info *info);
