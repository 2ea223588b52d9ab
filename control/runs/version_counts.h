/*
 * version_counts.h - how each version of each task did: runs that ended, those with an error, devices that came back soon.
 *
 * A version is the task's text with the servers it names (policy_file.hash), whether a rollout gives it or all devices have
 * it; the last VERSION_COUNTS_KEPT of a task are kept, also through a restart. So are the counts by which a rollout is
 * judged (rollouts.h). Owner: the service. Control thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/runs/rollouts.h"
#include "control/store/store.h"

struct service;

enum { VERSION_COUNTS_KEPT = 8, VERSION_FILE_MAX = 256 };

struct version_count {
	uint64_t hash;
	uint32_t
		since; /* the version of the policy (policy_versions.h) with which it began to be counted; 0: none is kept */
	char file[VERSION_FILE_MAX]; /* in tasks/ */
	struct rollout_counts counts;
};

/* Of one task, the oldest first. */
struct task_versions {
	struct version_count items[VERSION_COUNTS_KEPT];
	unsigned n;
	bool unsaved; /* not in the store as it is */
};

struct version_counts {
	struct task_versions **tasks; /* by their numbers in reports; NULL: never ran */
	uint32_t capacity;
	uint64_t saved_ms; /* when it was last saved */
};

void version_counts_fini(struct version_counts *counts);
/* What is known of a task; NULL: nothing. */
const struct task_versions *version_counts_of(const struct version_counts *counts, uint32_t task);

/* A run of the task on the device ended with this status, under the version that the device is given. */
void version_counts_note(struct service *service, const struct rollout_report *report);
/* The device came back soon after the task had gone well on it, at this time; not counted where its version is newer. */
void version_counts_note_return(struct service *service, const struct policy_task *task,
				const struct device *device, uint64_t ended_ms);

/* Now and then: what changed goes to the store. */
void version_counts_save(struct service *service, uint64_t now_ms);
/* At the start, once tasks have their numbers. 0, or -errno and a sentence. */
int version_counts_load(struct service *service, char error[STORE_ERROR_MAX]);
/* A note that the former process had not written yet is what counts, if it is of ours. False: out of memory. */
bool version_counts_take(struct service *service, const char *name, const char *text);
