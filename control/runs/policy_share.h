/*
 * policy_share.h - the policy of a member: the same on all, as one version after the other in the cluster's database.
 *
 * Files on disk are its editable form; policy_base.h says which version they are. What becomes live by command goes up first
 * (policy_share_push(), within a reload); what is newer there comes down by a command, too, which the daemon gives when it is
 * due. Owner: the service. Control thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "control/cluster/cluster.h"
#include "control/runs/policy_base.h"
#include "tasks/diag.h"

struct policy_note;
struct service;

struct policy_share {
	uint64_t
		version; /* of the cluster's policy that the files here are, as far as is known; 0: of none */
	char digest[POLICY_DIGEST_MAX];
	char trouble
		[CLUSTER_NOTE_MAX]; /* why it is not the newest that is live; "": it is, or is about to be */
	uint64_t tried;             /* the version that was refused here */
	char tried_digest[POLICY_DIGEST_MAX];
	uint64_t retry_ms; /* not before */
	uint32_t wait_ms;  /* before the next try */
	/* What is live here alone, as commands: [["task", "rollout", "halt", ...], ...]; NULL: nothing. */
	bool alone;
	json_t *unsent;
};

/* At the start, and after joining: reads which version the files are, and tells the cluster. */
void policy_share_look(struct service *service);
/* This version is live here. Told. */
void policy_share_live(struct service *service, uint64_t version, const char *digest);
/* It stands alone: the files are nobody's version any more. */
void policy_share_end(struct service *service);

/* From the process before: it has `unsent` alone (an array of commands). Before policy_share_look(). */
void policy_share_take(struct service *service, json_t *unsent);
/* What that is, or NULL: nothing is live here alone. New. */
json_t *policy_share_pass(const struct service *service);

/* Whether a newer version is to be taken over now. */
bool policy_share_is_due(struct service *service, uint64_t now_ms);
/* The command that was live here alone: done again where others made a newer version before it could go up. */
void policy_share_remember(struct service *service, int argc, const char *const *argv);
/*
 * Whether something urgent is to be sent up now; `behind`: others made a newer version, which is to be taken over before
 * share.unsent is done again.
 */
bool policy_share_is_unsent(struct service *service, uint64_t now_ms, bool *behind);
void policy_share_fini(struct policy_share *share);
/* It was not, and why: told, and tried again later. */
void policy_share_refused(struct service *service, uint64_t now_ms, const char *why);

/* Files that differ from the version which they were, "a, b and 3 more"; how many. */
size_t policy_share_changed(const struct policy_base *base, const struct policy_set *files,
			    char *names, size_t max);

/*
 * Whether the policy was made of these very files: somebody edits by hand while a reload runs, and what was checked is what
 * goes up.
 */
bool policy_share_is_loaded(const struct policy *policy, const struct policy_set *files);

struct policy_pushing {
	const char *folder;
	const struct policy *policy;    /* what was loaded of it */
	const struct policy_note *note; /* NULL: nobody's */
	bool first;                     /* this may be the cluster's first policy */
	bool urgent; /* without the database it is live here alone, and goes up later: it stops something */
};
/*
 * The files of the folder become the cluster's newest version, where they are not. Its number; 0: nothing is to be done, or
 * it failed: then an error is added. Waits for the database, with the service's pump.
 */
uint64_t policy_share_push(struct service *service, const struct policy_pushing *pushing,
			   struct diag_list *diags);
/*
 * The same while the cluster is being made: the policy that runs is its first, whatever was begun before. 0, or -errno and
 * a sentence.
 */
int policy_share_push_first(struct service *service, const struct policy_note *note,
			    char error[CLUSTER_ERROR_MAX]);
