/*
 * pass.h - what the control side knows of runs in progress, as records (dataplane/core/record.h), and
 * back: batches with their plans, live sessions with what they need for the rest of their runs, and what is
 * not in the store yet.
 *
 * Batches pass as the bytes that they send, not as what they were compiled from: so a session finishes
 * on what it began with, whatever the next process would compile. Tasks are named by their numbers in
 * reports, which the store keeps; of a task that the next policy has not got, nothing is reported any more.
 *
 * Control thread. Allocates. What is written holds keys.
 */
#pragma once

#include <stdint.h>

#include "dataplane/dataplane.h"

struct plan;
struct service;

enum { PASS_ERROR_MAX = 512 };

/* How much passed, for operators. */
struct pass_totals {
	struct stack_passed stacks; /* all workers together */
	uint32_t live, waiting;     /* live sessions; entries for the store */
	uint32_t lost_live;         /* live sessions whose worker has them no more */
};
void pass_add(struct stack_passed *sum, const struct stack_passed *one);
/* Of all kinds. */
uint32_t pass_lost(const struct stack_passed *passed);

/* ---- saving: the dataplane is paused, and nothing is on its way to or from it ---- */

struct pass_save;

/* Bytes that suffice, and then some: the memory need not be there until it is written. */
size_t pass_save_size(const struct service *service);
/* NULL: out of memory. What the control side knows goes to `writer`, while the workers are saved: */
struct pass_save *pass_save_begin(struct service *service, struct record_writer *writer);
/* stack_saving.batch */
uint32_t pass_save_batch(void *save, const struct batch *batch);
/* When all workers are saved. */
void pass_save_end(struct pass_save *save, struct pass_totals *totals);

/* ---- loading: the store is open, devices are loaded, the dataplane stands and does not run ---- */

struct pass_load;

/* Reads the whole of the control side's file. NULL and a sentence: nothing of it is taken. */
struct pass_load *pass_load_begin(struct service *service, struct record_reader *reader,
				  char error[PASS_ERROR_MAX]);
/* dataplane_loading.trust */
uint32_t pass_load_trust(const struct pass_load *load);
/* dataplane_loading.batch */
const struct batch *pass_load_batch(void *load, uint32_t number);
/*
 * All workers are loaded: live sessions that they have become the service's, and entries of the journal
 * are done and handed to the store. False, with the sentence of pass_load_begin(): something is malformed, and
 * what was taken is the half of it. Ends `load`.
 */
bool pass_load_end(struct pass_load *load, struct pass_totals *totals)
	__attribute__((warn_unused_result));
/* The same where loading failed: everything is let go of. */
void pass_load_drop(struct pass_load *load);
