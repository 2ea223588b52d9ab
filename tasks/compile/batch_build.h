/*
 * batch_build.h - puts the steps of a batch together (batch.h draws what comes out).
 *
 * A builder collects the steps of one run in scratch memory that is kept from run to run, then
 * makes the batch with one allocation. Owner: a compiler. One thread. Allocates. The scratch is
 * wiped with every run: payloads hold keys.
 *
 *	batch_builder_begin(), encode into *payload, batch_builder_commit()   a device's own step
 *	batch_builder_share()                                                 a step of many devices
 *	batch_builder_rewind()                                                forget a failed task
 *	batch_builder_finish()                                                the batch
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tasks/batch.h"
#include "tasks/coap_numbers.h"
#include "tasks/content/records.h"

enum {
	/* Of one batch: two orders above any account, and a bound for bad loops. */
	BATCH_BYTES_MAX = 4 << 20,
};

struct batch_request {
	uint8_t code, expect, task;
	uint16_t number;
	enum batch_on_error on_error;
	bool correction, credential;
	struct lwm2m_path path; /* object -1 is "/" */
	int content_format;     /* -1: no payload */
	int accept;             /* -1: none */
};

struct builder_step {
	const struct batch_step *shared; /* NULL: at `offset` of the scratch */
	size_t offset;
};

struct batch_builder {
	uint8_t *bytes;
	size_t len, capacity;
	struct builder_step steps[BATCH_STEPS_MAX];
	unsigned n_steps;
};

/* A step of the run so far. */
const struct batch_step *batch_builder_step(const struct batch_builder *builder, unsigned index);

/* The state to come back to. */
struct batch_mark {
	size_t len;
	unsigned n_steps;
};

void batch_builder_init(struct batch_builder *builder);
void batch_builder_fini(struct batch_builder *builder);

/* Forgets all steps and wipes the scratch. */
void batch_builder_reset(struct batch_builder *builder);

/*
 * Opens a step; its payload goes to *payload. A POST is Finish: its path is /bs whatever `path`
 * says. Returns 0; -E2BIG when the batch has too many steps or bytes; -ENOMEM.
 */
int batch_builder_begin(struct batch_builder *builder, const struct batch_request *request,
			struct bytes_out *payload) __attribute__((warn_unused_result));
/* Keeps the opened step. A step that is not committed is as if never begun. */
void batch_builder_commit(struct batch_builder *builder, const struct bytes_out *payload);

/*
 * Adds a step as another process made it: `like` without its bytes. 0; -EINVAL when there can be no such
 * step; -E2BIG; -ENOMEM.
 */
int batch_builder_copy(struct batch_builder *builder, const struct batch_step *like,
		       const uint8_t *options, const uint8_t *payload)
	__attribute__((warn_unused_result));

/* A copy of the newest own step on the heap, which takes its place in this batch: shared from
 * now on. NULL: no memory. */
struct batch_step *batch_builder_extract(struct batch_builder *builder);
/* Adds a shared step. Returns 0 or -E2BIG. */
int batch_builder_share(struct batch_builder *builder, const struct batch_step *step)
	__attribute__((warn_unused_result));

struct batch_mark batch_builder_mark(const struct batch_builder *builder);
void batch_builder_rewind(struct batch_builder *builder, struct batch_mark mark);

/* Puts the steps whose place in `order` comes first first; order[] holds n_steps different indexes or
 * fewer: what it leaves out is no part of the batch. */
void batch_builder_arrange(struct batch_builder *builder, const uint16_t *order, unsigned n_steps);

/* The batch of all steps, or NULL when out of memory. `owner` comes back from batch_owner(). */
struct batch *batch_builder_finish(struct batch_builder *builder, void *owner, uint32_t generation,
				   uint16_t format);
void *batch_owner(const struct batch *batch);
/* Wipes and frees the batch, not its shared steps. */
void batch_destroy(struct batch *batch);

/* Bytes of a step with its header. */
static inline size_t
batch_step_size(const struct batch_step *step)
{
	return sizeof *step + step->options_len + step->payload_len;
}
