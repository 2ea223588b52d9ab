/*
 * cluster.h - several appliances, one inventory: the database that they share, towards the control thread.
 *
 * The database is upstream, the store of each member its replica, and no datagram waits for either. Two threads with a
 * connection each do what waits: one takes jobs (edits, joining, leaving), one at a time; the other follows: it asks
 * for the newest revision every poll_ms and hands over what changed, in batches that the control
 * thread applies as it finds time.
 *
 *	command -> cluster_edit_*() -> job thread -> database -> follower of each member -> cluster_take() -> store, inventory
 *
 * A member that has not joined, or whose cluster is not configured (see cluster_is_detached()), has no follower.
 * Owner: the daemon. All functions are the control thread's. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/cluster/cluster_policy.h"
#include "control/cluster/cluster_routes.h"
#include "control/cluster/cluster_rows.h"
#include "control/pump.h"
#include "control/store/keyring.h"

enum {
	CLUSTER_NAME_MAX = 64,    /* STORE_CLUSTER_MAX */
	CLUSTER_MEMBERS_MAX = 64, /* that status shows */
	CLUSTER_MEMBER_NUMBER_MAX = 8191,
	CLUSTER_BATCH_ROWS = 4096,
	CLUSTER_NOTE_MAX = 400,
	CLUSTER_MEMBER_SILENT_MS = 5000, /* a member that wrote nothing for so long is not there */
};

struct cluster;

struct cluster_options {
	const char *name, *database, *secret_file, *member_name;
	uint32_t member;
	uint32_t poll_ms, horizon_s;
	const char *forward; /* where others forward to (cluster_routes.h); NULL: they do not */
	const struct keyring *keyring; /* copied; NULL: secrets are plain in the database, too */
};

/*
 * `joined`: the cluster that the store is a replica of, up to `revision`; NULL: it stands alone. options->name NULL: the
 * cluster is not configured any more, and nothing can be edited. NULL and a sentence: it cannot be as it is configured.
 */
struct cluster *cluster_new(const struct cluster_options *options, const char *joined,
			    uint64_t revision, char error[CLUSTER_ERROR_MAX]);
/* 0 or -errno. */
int cluster_start(struct cluster *cluster);
void cluster_free(struct cluster *cluster); /* NULL: nothing */

/* Whether the inventory is the cluster's: edits go there first. NULL: no. */
bool cluster_is_joined(const struct cluster *cluster);
/* The store is of a cluster that is not configured. */
bool cluster_is_detached(const struct cluster *cluster);
uint32_t cluster_member_number(const struct cluster *cluster);
const char *cluster_name(const struct cluster *cluster);
/* 32 bytes that all members have, for their cookies. */
void cluster_cookie_secret(const struct cluster *cluster, uint8_t secret[32]);

/* ---- edits ---- */

enum cluster_edit_kind {
	CLUSTER_EDIT, /* an operator's: refused where another member changed one of the devices meanwhile */
	CLUSTER_EFFECT, /* what devices and tasks changed: such devices stay as the other member has them */
	CLUSTER_UPLOAD, /* of a store that becomes the cluster's: what is there already stays */
};

/* 0: something can be changed now; else -errno and a sentence, why not and what helps. */
int cluster_may_edit(struct cluster *cluster, char error[CLUSTER_ERROR_MAX]);

/* Changes of devices, one transaction in the database. */
struct cluster_edit;
/*
 * 0 and *edit; NULL where the inventory is not a cluster's. Else -errno and a sentence, why nothing can be changed now and
 * what helps.
 */
int cluster_edit_begin(struct cluster *cluster, enum cluster_edit_kind kind,
		       struct cluster_edit **edit, char error[CLUSTER_ERROR_MAX])
	__attribute__((warn_unused_result));
/* The first failure is told by the commit. `edit` may be NULL in all of these. */
void cluster_edit_put(struct cluster_edit *edit, const struct device_spec *spec);
void cluster_edit_remove(struct cluster_edit *edit, const char *endpoint);
void cluster_edit_abandon(struct cluster_edit *edit);
/*
 * Waits until the database has it, running the pump; the edit is over then. 0; or -errno and a sentence: nothing of it
 * is there, but for -ETIMEDOUT: then it shows later whether it is.
 */
int cluster_edit_commit(struct cluster_edit *edit, unsigned wait_ms, const struct pump *pump,
			char error[CLUSTER_ERROR_MAX]) __attribute__((warn_unused_result));
/* The edit that was committed last could not be kept here: it is to come back as another member's. */
void cluster_edit_not_kept(struct cluster *cluster);
/*
 * The same without waiting, one at a time: -EBUSY while one is on its way. cluster_edit_sent() tells what became of it:
 * -EINPROGRESS, 0, or -errno and a sentence.
 */
int cluster_edit_send(struct cluster_edit *edit) __attribute__((warn_unused_result));
int cluster_edit_sent(struct cluster *cluster, char error[CLUSTER_ERROR_MAX]);

/* ---- following ---- */

struct cluster_batch {
	struct records rows; /* struct cluster_row, in the order of their revisions */
	uint64_t revision; /* what the inventory is up to when this is applied; 0: not known yet */
	bool resync;       /* rows are all that there are, page by page, not changes */
	bool first, last;  /* of such a resync */
	struct records reports; /* struct report_record of other members (cluster_report.h) */
	bool reports_old;       /* they are the last ones of all tasks and devices, not news */
	bool end; /* of what the database had when it was asked: names taken by others are free now */
};

/* The next batch, or NULL: nothing has come. It stays the first until it is told to be done. */
struct cluster_batch *cluster_take(struct cluster *cluster);
/* `whole`: all of its rows are in, and of those before; else what is fetched anew begins before them. */
void cluster_batch_done(struct cluster *cluster, bool whole);
/* Waits a millisecond, or until a batch comes. */
void cluster_rest(struct cluster *cluster);
/*
 * Whether the row is of an edit of this process, which the inventory has already, or more than it: rows are read some time
 * after they were written.
 */
bool cluster_is_own(const struct cluster *cluster, const struct cluster_row *row);
/* All batches that wait are forgotten, and all is fetched anew: something could not be applied, `why`. */
void cluster_refetch(struct cluster *cluster, const char *why);

/* ---- membership ---- */

/*
 * Waits for the database, running the pump. 0, or -errno and a sentence. `fresh`: the cluster is made, and this member is
 * its first; else it must be there. The follower does not begin before cluster_begin().
 */
struct cluster_joining {
	bool fresh;
	bool tables_only; /* it is a member, of an earlier release's tables */
	bool resumed;     /* out: a `fresh` one that was begun before */
	bool migrated;    /* out: its tables were of an earlier version */
};
int cluster_join(struct cluster *cluster, struct cluster_joining *joining, const struct pump *pump,
		 char error[CLUSTER_ERROR_MAX]);
/* Edits of kind CLUSTER_UPLOAD are through: others may join. */
int cluster_uploaded(struct cluster *cluster, const struct pump *pump,
		     char error[CLUSTER_ERROR_MAX]);
int cluster_leave(struct cluster *cluster, const struct pump *pump, char error[CLUSTER_ERROR_MAX]);
/* The store is a replica from now on: all of it is fetched. */
void cluster_begin(struct cluster *cluster);
/* It stands alone from now on. */
void cluster_end(struct cluster *cluster);

/* ---- status ---- */

enum cluster_state {
	CLUSTER_ALONE,     /* not joined */
	CLUSTER_DETACHED,  /* joined, but not configured */
	CLUSTER_AWAY,      /* the database cannot be reached, or does not do what it is asked */
	CLUSTER_SYNCING,   /* all devices are fetched */
	CLUSTER_FOLLOWING, /* as it should be */
};

struct cluster_member {
	uint32_t number;
	char name[CLUSTER_NAME_MAX];
	uint64_t revision, silent_ms;
	uint64_t policy; /* the version that it runs; 0: none of the cluster's */
	char digest[CLUSTER_DIGEST_MAX], note[CLUSTER_NOTE_MAX];
	char forward[CLUSTER_ROUTE_TEXT_MAX]; /* where it takes what others forward; "": nowhere */
};

struct cluster_info {
	enum cluster_state state;
	char error[CLUSTER_ERROR_MAX]; /* the last trouble, "" when it is over */
	uint64_t since_ms;             /* wall clock: of the state */
	uint64_t head, revision; /* the newest that the database has, and what is applied here */
	uint64_t lag_ms;         /* since when it is behind */
	uint64_t applied;        /* rows taken over so far */
	uint64_t resyncs, fetched_anew;
	uint64_t reports_waiting, reports_sent, reports_lost;
	uint64_t effects_lost; /* changes by tasks that gave way to another member's */
	uint64_t policy_head;  /* the newest version of the policy */
	unsigned n_members;
	struct cluster_member members[CLUSTER_MEMBERS_MAX];
};
void cluster_info(struct cluster *cluster, struct cluster_info *info);
const char *cluster_state_name(enum cluster_state state);
/* What the others see of this member: the version of the policy that it runs, and what is wrong. Copied. */
void cluster_tell(struct cluster *cluster, uint64_t policy, const char *digest, const char *note);
