/*
 * cluster_schema.h - the tables that members share, as steps from each version to the next.
 *
 *	cradle_rev      one row: the newest revision (from 1: a store says 0 until it has everything), the horizon (what is
 *	                older is forgotten), the policy's version
 *	cradle_change   one row a transaction: its revision, its own number (txn), who made it and when
 *	cradle_device   one row a device, with the txn that wrote it last; dead: it was removed
 *	cradle_staging  rows on their way into cradle_device, within their transaction
 *	cradle_member   one row a member
 *	cradle_report   one row a report, by member and its own number; the newest CLUSTER_REPORTS_KEPT of each
 *	cradle_last_report  the last report of each task and device
 *	cradle_policy   one row a version of the policy: who made it, and a digest of all its files
 *	cradle_policy_file  what differs from the version before, a row a file
 *	cradle_meta     the schema's version, the cluster's name, proofs of what members must have in common
 *
 * A writing transaction does all its work first and takes its revision last, so that it holds the counter's lock for its
 * commit alone, and revisions become visible in their order: who has seen revision N has missed none below it. (An
 * identity or a time would be taken early: a reader sees 2, and never again asks for 1, which is committed later.)
 */
#pragma once

#include "control/cluster/database.h"

enum { CLUSTER_SCHEMA = 5 };

/* Brings the tables to the newest version, or makes them. 0, or as database.h and a sentence; then nothing was changed. */
int cluster_schema_migrate(struct database *database, char error[DATABASE_ERROR_MAX]);
/* Whether it has the version that this program knows. 0, DATABASE_NO_TABLE, or DATABASE_REFUSED and a sentence. */
int cluster_schema_check(struct database *database, char error[DATABASE_ERROR_MAX]);
/* A value of cradle_meta, "" where there is none. */
int cluster_schema_meta(struct database *database, const char *name, char value[DATABASE_ERROR_MAX],
			char error[DATABASE_ERROR_MAX]);
int cluster_schema_set_meta(struct database *database, const char *name, const char *value,
			    char error[DATABASE_ERROR_MAX]);
