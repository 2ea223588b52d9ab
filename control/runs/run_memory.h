/*
 * run_memory.h - what a run needs between its pieces: the answers that came back and the seed of its
 * randomness, so that a run compiled again from the start comes out the same; and what its tasks
 * logged and ask of the inventory.
 *
 * Owner: the live session. Control thread. Allocates. Answers and effects hold secrets: wiped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/text.h"

enum { RUN_ANSWERS_MAX = 64, RUN_LOG_MAX = 16384 };

struct run_credentials;

struct run_answer {
	uint8_t code; /* CoAP */
	uint16_t format;
	uint8_t *bytes;
	size_t len;
};

/* What a task asks of the inventory: done when its run has finished. */
struct run_effect {
	struct run_effect *next;
	uint8_t kind; /* enum compile_effect_kind */
	uint8_t task; /* of the plan */
	bool secret;
	char *name, *text;
};

struct run_memory {
	uint8_t seed[32];
	bool seeded;
	uint64_t now_ms; /* wall clock when the run began: schedules are judged once */
	uint64_t drawn; /* blocks of random bytes since the run's start */
	unsigned n_answers;
	struct run_answer *answers;
	struct run_effect *effects, **effects_end; /* of the last compilation */
	struct run_credentials *credentials; /* that it made; NULL: none (credentials.h) */
	struct text log; /* lines "N level text", N: the task in the plan */
};

/* Zeroed memory is fine, too. */
void run_memory_init(struct run_memory *memory);
void run_memory_fini(struct run_memory *memory); /* wipes */
/* Copies the answer. 0, -E2BIG, -ENOMEM. */
int run_memory_answer(struct run_memory *memory, const struct run_answer *answer);
/* Takes over an effect of the last compilation. */
void run_memory_effect(struct run_memory *memory, struct run_effect *effect);
/* A compilation begins: what an earlier one of the session said is said again. 0 or -EIO. */
int run_memory_begin(struct run_memory *memory);
/*
 * The same bytes in the same order each time the run is compiled: HMAC-SHA256 of a counter, keyed
 * by the session's seed. ctx is the memory. 0 or -EIO.
 */
int run_memory_random(void *ctx, uint8_t *bytes, size_t len);
/* Wipes it. */
void run_effect_free(struct run_effect *effect);
