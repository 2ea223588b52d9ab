/*
 * describe.h - what a step says, for people: previews of a task and traces of a dialogue.
 *
 * Pure but for the scratch memory of one call. Keys never appear; the identity of a key does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tasks/batch.h"
#include "tasks/objects/objects.h"
#include "tasks/value.h"

/*
 * The lines of a step, each with its end:
 *
 *	PUT /0/2 11542 98 bytes, continue on error
 *	    /0/2/0 LwM2M Server URI = coaps://uri.example:5684
 *	    /0/2/5 Secret Key = (16 bytes)
 *
 * Opaque values are shown in hex, with the text behind when they are text; long values are cut. A payload that cannot be read
 * is said to be so. Written to `out`, cut to `size`; returns the length that all of it has, as snprintf() does.
 */
size_t batch_step_describe(const struct batch_step *step, const struct objects *objects, char *out,
			   size_t size);

struct decode_input;
/* Where a step that is no Finish goes, and in which format: `target`, whose ids are -1 before, and `format`. */
void batch_step_target(const struct batch_step *step, struct decode_input *input);

/* The same lines of a payload alone; 0: it is not what its content format allows, or holds nothing. */
size_t payload_describe(const struct decode_input *input, char *out, size_t size);
