/*
 * pass_load_private.h - what is known while the control side's records are read; for pass_load.c and its parts
 * pass_load_batches.c, pass_load_live.c and pass_load_waiting.c.
 *
 * Each function takes the record that the reader is at. False: it is malformed, or there is no memory, and `error` says so.
 */
#pragma once

#include <stdio.h>

#include "control/runs/pass.h"
#include "control/runs/pass_fields.h"
#include "control/runs/service.h"
#include "tasks/compile/batch_build.h"

struct passed_plan;

struct pass_load {
	struct service *service;
	struct record_reader start; /* at the first record */
	struct record_reader *reader;
	char *error;
	const struct policy_task **tasks; /* by their numbers in reports; NULL: no policy has it */
	uint32_t n_tasks;
	struct passed_plan **plans; /* by the numbers that they had - 1 */
	uint32_t n_plans;
	struct passed_plan *plan; /* whose tasks come now */
	struct batch **batches;   /* by number - 1 */
	uint32_t n_batches, capacity;
	struct batch_builder builder;
	struct { /* whose steps come now */
		bool open;
		uint32_t plan;
		uint16_t format, block_bytes;
		bool continues, pack;
	} batch;
	struct live_session *live; /* whose answers and effects come now */
	uint32_t waiting;
	bool together; /* entries are being put that are one transaction: between store_begin_together() and its end */
	uint32_t trust;
};

static inline bool
pass_refuse(struct pass_load *load, const char *sentence)
{
	snprintf(load->error, PASS_ERROR_MAX, "%s", sentence);
	return false;
}

static inline bool
pass_malformed(struct pass_load *load)
{
	return pass_refuse(load, "a record is malformed");
}

/* ---- plans and batches ---- */

/* The policy's tasks by their numbers in reports: first of all. */
bool pass_find_tasks(struct pass_load *load);
bool pass_load_plan(struct pass_load *load);
bool pass_load_plan_task(struct pass_load *load);
/* The plan of this number as it is here, held once more for the caller; NULL: none. */
struct plan *pass_plan_of(struct pass_load *load, uint64_t number, const struct batch *batch);
bool pass_load_batch_begin(struct pass_load *load);
bool pass_load_step(struct pass_load *load);
/* The batch whose steps came is whole; nothing where none is open. */
bool pass_load_batch_close(struct pass_load *load);
/* Lets go of tasks, plans and of the batches that are not the service's. */
void pass_free_batches(struct pass_load *load);

/* ---- live sessions ---- */

bool pass_load_live(struct pass_load *load);
bool pass_load_answer(struct pass_load *load);
bool pass_load_effect(struct pass_load *load);
/* Credentials that the run made, and messages of them. */
bool pass_load_keys(struct pass_load *load);

/* ---- what is not in the store yet ---- */

bool pass_load_device(struct pass_load *load);
bool pass_load_waiting(struct pass_load *load);
/* The entries that are one transaction are all there. */
void pass_end_together(struct pass_load *load);
/* A copy of a field with a NUL behind it; there may be others in it. The caller frees it; NULL: out of memory. */
char *pass_text_of(struct record_reader *reader, uint8_t field);
