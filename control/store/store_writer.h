/*
 * store_writer.h - the thread that writes the journal: reports, visits, unknown devices.
 *
 * News waits in a queue for at most WRITER_WAIT_MS, then a slice of it becomes one transaction:
 * reports and visits appended to the table `news` (the file's name for the journal), all else to its own place. When much has
 * gathered in `news`, it is merged: moved in order of devices to `report` and `visit`, some rows
 * in each transaction, so that no entry waits for it. What ends in the middle begins anew: moving
 * an entry twice changes nothing.
 *
 * A transaction that fails is tried again, later and later; meanwhile the queue grows to its bound
 * and then loses its oldest reports, visits and unknown devices, never what else is in it, nor what is one transaction with
 * a message. Each entry has a number, that of all put so far: what is settled is known by number, not by counting, as what is
 * lost may be newer than what waits.
 *
 * Owner: the store. Its functions are the control thread's (those of the queue: store_queue.c);
 * what is private to the writer, at the end, is its own thread's. Allocates.
 */
#pragma once

#include <pthread.h>

#include "control/store/store_checkpoint.h"
#include "control/store/store_file.h"
#include "control/store/store_recent.h"
#include "control/store/store_records.h"
#include "control/store/store_secrets.h"

enum {
	WRITER_SLICE = 8192,       /* records of a transaction, about: 20 ms */
	WRITER_WAIT_MS = 30,       /* of STORE_FLUSH_MS; the rest is for writing */
	WRITER_MERGE_AT = 1 << 18, /* entries; half a page of `report` each at 1,000,000 devices */
	WRITER_RETRY_MIN_MS = 50,
	WRITER_RETRY_MAX_MS = 2000,
	WRITER_LAST_TRIES_MS = 1000, /* of store_close() on a disk that does not take it */
	WRITER_SUMMARIES_MAX =
		4096, /* kept once and named by number; others stand in each report */
	NEWS_AT_ONCE = 16, /* rows of SQL_ADD_ENTRIES; with four times as many a row costs 8 % less */
};

/* In place of a task's number. */
#define WRITER_VISIT UINT32_MAX

/* Numbers are for good: entries pass from process to process. */
enum journal_kind {
	JOURNAL_TASK,   /* name: group, more: name */
	JOURNAL_REPORT, /* name: summary, more: log */
	JOURNAL_VISIT,
	JOURNAL_UNKNOWN,     /* name, more: address; device; format: what it came over */
	JOURNAL_REMOVED,     /* a device was removed */
	JOURNAL_FORGET_TASK, /* a task was removed */
	JOURNAL_SERIAL,      /* count: of the inventory's last change */
	JOURNAL_FORGET,      /* an unknown was removed */
	JOURNAL_KEEP,        /* the `count` unknowns seen last, no others */
	JOURNAL_RESEAL, /* some logs from the place `count` on, and messages, are sealed anew */
	/* Of the message `count` (store_messages.h): */
	JOURNAL_MESSAGE, /* name: what it holds, more: key, target, subject; format: what; task: account */
	JOURNAL_MESSAGE_RELEASED,
	JOURNAL_MESSAGE_POSTPONED, /* status, task: attempts; name: the error */
	JOURNAL_MESSAGE_RETRIED,
	JOURNAL_MESSAGE_DROPPED,
	JOURNAL_NOTE, /* name, more: what it says; none: it goes */
};

struct journal_entry {
	struct record record;
	uint8_t kind, status;
	bool joins;  /* is in one transaction with the one before it */
	bool needed; /* may not be lost: a message is in that transaction */
	uint16_t format;
	uint32_t device, task;
	uint32_t name_len, more_len;
	bool has_more;
	int64_t seq; /* the writer's: its row; 0: none */
	uint64_t started_ms, finished_ms, count;
	char text[]; /* name, NUL, more, NUL */
};

struct journal_text {
	const void *name;
	size_t name_len;
	const char *more; /* NULL: none */
};

/* Summaries by number and back. The writer's thread; before it begins, the loader. */
struct summaries {
	char **texts;    /* by id - 1; NULL: none */
	uint16_t *index; /* open addressing, id */
	unsigned count;
	unsigned room; /* < WRITER_SUMMARIES_MAX in tests */
};

/* Rows that wait for others: of the slice, and not longer than its transaction. */
struct news {
	unsigned n;
	struct news_row {
		const struct journal_entry *entry;
		unsigned summary; /* its number; 0: it stands in the entry; of a visit: its format */
	} rows[NEWS_AT_ONCE];
};

enum writer_sql {
	SQL_PUT_TASK,
	SQL_PUT_SUMMARY,
	SQL_ADD_ENTRY,
	SQL_ADD_ENTRIES,
	SQL_PUT_LOG,
	SQL_DROP_LOG,
	SQL_PUT_UNKNOWN,
	SQL_DROP_UNKNOWN,
	SQL_KEEP_UNKNOWNS,
	SQL_TELL_SERIAL,
	SQL_FORGET_TASK,
	SQL_FORGET_TASK_REPORTS,
	SQL_FORGET_TASK_LOGS,
	SQL_FORGET_TASK_ENTRIES,
	SQL_DROP_REPORTS,
	SQL_DROP_LOGS,
	SQL_DROP_VISIT,
	SQL_FOLD_REPORT,
	SQL_FOLD_REMOVAL,
	SQL_FOLD_VISIT,
	SQL_DROP_ENTRIES,
	SQL_FIND_LOGS_TO_RESEAL,
	SQL_RESEAL_LOG,
	SQL_PUT_MESSAGE,
	SQL_FIND_MESSAGE,
	SQL_SET_MESSAGE,
	SQL_REPLACE_MESSAGES,
	SQL_RETRY_MESSAGES,
	SQL_WIPE_MESSAGE,
	SQL_DROP_MESSAGE,
	SQL_FIND_MESSAGES_TO_RESEAL,
	SQL_RESEAL_MESSAGE,
	SQL_PUT_NOTE,
	SQL_DROP_NOTE,
	SQL_COUNT,
};

struct store_writer {
	struct store_file *file;
	pthread_t thread;
	bool started;
	size_t queue_max; /* STORE_QUEUE_MAX, less in tests */

	/* Guarded by `lock`. */
	pthread_mutex_t lock;
	pthread_cond_t wake, done;
	struct records kept, queue; /* `kept` is older: what the queue may not lose */
	uint64_t first_ms;          /* since when the queue is not empty; monotonic */
	uint64_t put;               /* the number of the newest entry */
	uint64_t written, lost;     /* how many */
	uint64_t settled;           /* all up to this number are written, or lost and may be */
	uint64_t slice_until;       /* ... once the slice is written */
	bool urgent, ending;
	bool holding; /* nothing is written: store_hold() */
	bool gathering,
		joins;     /* entries that belong together are being put; not the first of them */
	bool group_needed; /* ... and a message is among them */
	struct records_at group_at; /* before the first of them */
	int64_t messages[3];        /* by state (store_messages.h) */
	bool messages_tell;         /* some were written since `on_messages` was called */
	void (*on_messages)(void *ctx);
	void *on_messages_ctx;
	struct sealer *next_sealer; /* to be taken before the next slice */
	bool has_next_sealer;
	int64_t reseal_next; /* the log to go on with; -1: there are no more */
	uint64_t ending_ms;
	int failure;               /* -errno, 0: healthy */
	uint64_t failing_since_ms; /* wall clock */
	char error[STORE_ERROR_MAX];

	/* The thread's own. */
	sqlite3_stmt *sql[SQL_COUNT];
	struct sealer *sealer;          /* NULL: plain */
	struct records slice;           /* taken, not yet written */
	uint64_t slice_ms;              /* since when its oldest was queued; monotonic */
	uint64_t retry_ms, back_off_ms; /* 0: the last transaction went through */
	struct recent recent, merging;
	size_t merged;   /* entries of `merging` that are in their tables */
	int64_t dropped; /* entries up to this are deleted */
	int64_t next_seq;
	struct news news;
	size_t merge_at; /* WRITER_MERGE_AT, less in tests */
	struct summaries summaries;
	bool any_logs;
	int log_pages; /* of the write-ahead log */
	struct store_checkpoint checkpoint;
	struct id_set removed;
	int64_t messages_change[3]; /* by this transaction */
	bool messages_changed;
	int64_t messages_resealed; /* the last one */

	/* The control thread's. */
	int64_t last_message;
};

/* A queue that nobody writes, while another process has the file. To be ended as what follows is. */
void store_writer_rest(struct store_writer *writer, struct store_file *file);
/* The file is open. Restores what was not merged. 0, or -errno and a sentence. */
int store_writer_init(struct store_writer *writer, struct store_file *file,
		      char error[STORE_ERROR_MAX]);
/* 0 or -errno. */
int store_writer_start(struct store_writer *writer);
/* Writes what is queued and ends the thread. */
void store_writer_fini(struct store_writer *writer);

/* Never waits. False: out of memory, the entry is lost and counted. */
bool store_writer_put(struct store_writer *writer, const struct journal_entry *entry,
		      const struct journal_text *text);
/* Under the lock. The first whenever the slice or the queue is about to change hands. */
void store_writer_note_settled(struct store_writer *writer);
bool store_writer_has_settled(struct store_writer *writer, uint64_t until);
/* Has all that is queued written at once; gives what to wait for. */
uint64_t store_writer_hurry(struct store_writer *writer);
/* Waits a millisecond or two; true when it is settled. */
bool store_writer_wait(struct store_writer *writer, uint64_t until);

/* Takes over `sealer`, from the next slice on. */
void store_writer_use(struct store_writer *writer, struct sealer *sealer);

/* Private to the writer: store_news.c, store_merge.c, store_summaries.c, store_reseal.c. Return SQLite's results. */
/* A report or visit: its row's number is known at once, it is written with others or by store_news_flush(). */
int store_news_put(struct store_writer *writer, struct journal_entry *entry);
int store_news_flush(struct store_writer *writer);
int store_write_message(struct store_writer *writer, const struct journal_entry *entry);
int store_change_message(struct store_writer *writer, const struct journal_entry *entry);
/* Counts what a transaction did once it went through; or does not. */
void store_accept_messages(struct store_writer *writer);
void store_forget_messages(struct store_writer *writer);
int store_restore_messages(struct store_writer *writer);
int store_release_all_held(struct store_writer *writer);
int store_reseal_messages(struct store_writer *writer, bool *more);
int store_reseal_some_logs(struct store_writer *writer, int64_t from);
int store_merge_restore(struct store_writer *writer);
bool store_merge_wanted(const struct store_writer *writer);
void store_merge_begin(struct store_writer *writer);
/* Some rows, in a transaction; accepted when that went through. */
struct merge_progress {
	size_t merged;
	int64_t dropped;
};
int store_merge_some(struct store_writer *writer, struct merge_progress *progress);
void store_merge_accept(struct store_writer *writer, const struct merge_progress *progress);

int summaries_load(struct summaries *summaries, const struct store_file *file);
/* Its number; 0: not kept. */
unsigned summaries_find(const struct summaries *summaries, const char *text);
/* Keeps a new one: its number, or 0 when there is no room. */
unsigned summaries_add(struct summaries *summaries, const char *text);
/* Forgets those above `count`: their transaction failed. */
void summaries_cut(struct summaries *summaries, unsigned count);
void summaries_fini(struct summaries *summaries);

uint64_t store_now_ms(void); /* monotonic */
