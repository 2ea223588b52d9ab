/*
 * batch_compare.h - what two batches would do otherwise to a device, operation by operation.
 *
 * An operation is a value written to a resource, a delete, a question (Discover, Read) or Finish.
 * Steps that are the same byte by byte are passed over without a look inside: of a million devices most
 * differ in one step. Pure but for the arena, which holds all that is returned. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tasks/arena.h"
#include "tasks/batch.h"
#include "tasks/objects/objects.h"

struct operation {
	struct lwm2m_path path;   /* all -1: Finish */
	uint8_t code;             /* CoAP's: COAP_PUT for whatever writes */
	bool correction;          /* sent only when Finish is refused */
	struct lwm2m_value value; /* COAP_PUT; borrowed from the batch where it can be */
	unsigned order;           /* among those of its batch */
};

struct operations {
	struct operation *
		at; /* ascending by path, then by code; of one path and code the last that is sent */
	size_t count;
};

enum difference_kind { DIFFERENCE_ADDED, DIFFERENCE_CHANGED, DIFFERENCE_REMOVED };

struct difference {
	enum difference_kind kind;
	const struct operation *before, *after; /* NULL where there is none */
};

/* A batch, and what its resources are; NULL: nothing is sent. */
struct compared_batch {
	const struct batch *batch;
	const struct objects *objects;
};

/* All of a batch. 0 or -ENOMEM. */
int batch_operations(const struct compared_batch *batch, struct arena *arena,
		     struct operations *operations);

/*
 * What differs, ascending by path; *count 0: the device is told the same. 0 or -ENOMEM. What is the same in
 * both may be left out of the look: it is no difference.
 */
int batch_compare(const struct compared_batch *before, const struct compared_batch *after,
		  struct arena *arena, struct difference **differences, size_t *count);

/* "/0/1/0", "delete /0", "finish": what people call an operation. Returns out. */
enum { OPERATION_NAME_MAX = 48 };
const char *operation_name(const struct operation *operation, char out[OPERATION_NAME_MAX]);
/* Whether two mean the same place, whatever they write there. */
bool operation_is_at(const struct operation *a, const struct operation *b);
