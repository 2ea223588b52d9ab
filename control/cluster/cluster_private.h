/*
 * cluster_private.h - the inside of struct cluster, for control/cluster/ and its tests.
 *
 *	cluster.c          life, status, batches towards the control thread
 *	cluster_state.c    waiting, and the state that is shown
 *	cluster_job.c      the thread that does what commands wait for
 *	cluster_edit.c     edits as such jobs
 *	cluster_member.c   joining and leaving as such jobs
 *	cluster_follow.c   the thread that follows (cluster_follow.h)
 *	cluster_policy.c   versions of the policy as such jobs
 *	cluster_pass.c     rest, and what passes to a process that takes over
 *	cluster_report.c   reports, and the thread that sends them
 *	cluster_unsent.c   reports that a former process made and did not send
 *	cluster_report_where.c  who ran what a report is of
 *	cluster_claim.c    claims, and the thread that asks for them
 *	cluster_routes.c   where members take what others forward
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "control/cluster/cluster.h"
#include "control/cluster/cluster_claim.h"
#include "control/cluster/cluster_policy.h"
#include "control/cluster/cluster_report.h"
#include "control/cluster/cluster_secret.h"
#include "control/cluster/cluster_unsent.h"
#include "control/cluster/database.h"

enum {
	FOLLOW_BATCHES_MAX = 4, /* that wait for the control thread */
	FOLLOW_RETRY_MS = 1000, /* while the database is away */
	FOLLOW_BEAT_MS = 1000,  /* between two signs of life */
	FOLLOW_PRUNE_MS = 60000,
};

/* Something that waits for the database, done by the job thread. */
struct cluster_job {
	/* 0, or as database.h and a sentence. */
	int (*run)(struct cluster *cluster, struct cluster_job *job, struct database *database,
		   char error[CLUSTER_ERROR_MAX]);
	void (*free)(
		struct cluster_job *job); /* by its thread, where nobody waits for it any more */
	bool done, abandoned;
	int result;
	char error[CLUSTER_ERROR_MAX];
};

/* Edits of this process that are in the inventory, until their revision is applied. */
struct own_edit {
	uint64_t txn, revision;
};

struct batch_queue {
	struct cluster_batch *items[FOLLOW_BATCHES_MAX];
	unsigned first, count;
};

/* Reports on their way up (cluster_report.h). */
struct reporting {
	pthread_mutex_t lock;
	struct records queue; /* struct report_record */
	size_t waiting_slice; /* those that are being sent */
	size_t claims; /* of all that wait: they are no reports (cluster_report_is_claim()) */
	uint64_t sent, lost;
	char error[CLUSTER_ERROR_MAX];
	struct sent_reports there; /* which came last, when this process began */
	/* The thread's, and the control thread's while that rests or has not begun. */
	struct records slice; /* on its way; tried again until it is there */
	uint64_t seq;         /* of the last report that is there */
	bool known;           /* seq is */
};

/* Whose reports are fetched: up to which number, and which there is. */
struct known_member {
	uint32_t number;
	uint64_t have, there;
};

/* Up to where reports of others were handed over, by the last turn that ended well. */
struct heard {
	bool known;
	unsigned n;
	struct known_member of[CLUSTER_MEMBERS_MAX];
};

struct cluster {
	/* Fixed. */
	char *name, *member_name; /* name NULL: detached */
	char forward
		[CLUSTER_ROUTE_TEXT_MAX]; /* where this one takes what others forward; "": nowhere */
	uint32_t member, poll_ms, horizon_s;
	uint64_t began_ms; /* wall clock of this process's beginning */
	uint64_t instance; /* of this process: tells two members with one number apart */
	struct cluster_secret secret;
	struct keyring keyring;

	/* The control thread's. */
	struct sealer *sealer;
	bool joined;
	char joined_name[CLUSTER_NAME_MAX];
	uint64_t behind_since_us;
	uint64_t resyncs, applied_rows, fetched_anew;
	struct cluster_job *sent; /* by cluster_edit_send() */
	uint64_t sent_txn;
	struct own_edit *own;
	size_t n_own, own_capacity;

	/* Guarded by `lock`. */
	pthread_mutex_t lock;
	/* Jobs; job done or room for batches; the follower; the reporter; claims. */
	pthread_cond_t work, told, follow, report, claim;
	bool ending;
	/* cluster_pass.h: set by the control thread, which reads them without the lock, too. */
	bool following_rests, sending_rests;
	bool reporter_rests; /* the thread says so */
	struct heard heard;
	struct claiming claiming;
	struct cluster_job *job; /* NULL: none waits or runs */
	bool following;          /* joined, for the follower */
	uint64_t epoch;          /* raised when the follower is to begin anew */
	bool resync;             /* ... with everything */
	uint64_t fetch_from;     /* ... else behind this revision */
	struct batch_queue batches;
	uint64_t head, revision;
	enum cluster_state state;
	uint64_t since_ms;
	char trouble[CLUSTER_ERROR_MAX];
	uint64_t effects_lost;
	unsigned n_members;
	uint64_t members_us; /* when they were read */
	bool routes_changed; /* since the workers were told */
	struct cluster_member members[CLUSTER_MEMBERS_MAX];
	/* The newest version of the policy, as the follower saw it; and what this member tells of itself. */
	uint64_t policy_head;
	char policy_digest[CLUSTER_DIGEST_MAX];
	uint64_t policy;
	char digest[CLUSTER_DIGEST_MAX], note[CLUSTER_NOTE_MAX];

	/* Of the threads. */
	pthread_t job_thread, follow_thread, report_thread, claim_thread;
	bool job_started, follow_started, report_started, claim_started;
	struct database *job_database, *follow_database, *report_database, *claim_database;
	struct reporting reporting;
	struct sealer *follow_sealer;
};

/*
 * The control thread: has a job done and waits for its end. -ETIMEDOUT: it is abandoned, and freed by its thread; else it
 * is the caller's again.
 */
int cluster_job_run(struct cluster *cluster, struct cluster_job *job, unsigned wait_ms,
		    const struct pump *pump, char error[CLUSTER_ERROR_MAX]);
/* Without waiting; -EBUSY. */
int cluster_job_post(struct cluster *cluster, struct cluster_job *job);
bool cluster_job_is_done(struct cluster *cluster, struct cluster_job *job);
void *cluster_job_thread(void *cluster);
void *cluster_follow_thread(void *cluster);
void *cluster_report_thread(void *cluster);
void *cluster_claim_thread(void *cluster);

/* The control thread: its rows are not taken over once more when they come back. False: out of memory. */
bool cluster_remember_own(struct cluster *cluster, uint64_t txn, uint64_t revision);
/* Those that are applied are forgotten. Under the lock. */
void cluster_forget_own(struct cluster *cluster);

/* Any thread: puts what it means for edits before the database's own words. */
void cluster_say_away(char error[CLUSTER_ERROR_MAX]);
/*
 * The same of what a transaction of the cluster ended with, where that is the database's doing; other codes leave `error` as it
 * is. `in_doubt`: the connection was lost while it committed, and nobody could look since.
 */
void cluster_say_end(int code, bool in_doubt, char error[CLUSTER_ERROR_MAX]);
uint64_t cluster_random(void);
/* Any thread, under the lock. */
void cluster_set_state(struct cluster *cluster, enum cluster_state state, const char *trouble);
/* Waits on a condition, `ms` at most. Under the lock. */
void cluster_wait(struct cluster *cluster, pthread_cond_t *condition, unsigned ms);
