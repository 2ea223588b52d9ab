/*
 * stack_kept.h - associations that outlive the process: where a stack keeps them, and those that the one before
 * left.
 *
 * Threads: any, before the worker runs. Nothing is allocated.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/stack.h"

/* Of one worker: a tag and a slot for each session (kept_slots.h). Both zeroed at first. */
struct kept_place {
	void *tags, *slots;
	uint8_t key[16]; /* random, and as long as the memory */
};

size_t stack_kept_tag_bytes(void);
size_t stack_kept_slot_bytes(void); /* a multiple of 64, as the address of the slots is */
/* The version of both: what another one wrote must not be given to stack_restore(). */
uint32_t stack_kept_layout(void);

/* From now on associations are kept there, also those that the stack has now. */
void stack_keep(struct stack *stack, const struct kept_place *place);

struct stack_restored {
	uint32_t associations;
	uint32_t damaged; /* half written, or scribbled on */
	uint32_t unknown; /* their device is gone */
	uint32_t no_room;
};

/*
 * (after stack_keep(), of a stack without sessions) Takes up the associations that are there; what cannot be taken up is
 * wiped and counted. No bootstrap goes on: sessions wait for their device, which asks anew.
 *
 * Records of ours go on STACK_KEPT_MARGIN above the number that is there, which is right unless memory was damaged in
 * a way that the checks do not see. Of the device's, those up to the highest one received are refused.
 */
void stack_restore(struct stack *stack, uint64_t now_us, struct stack_restored *restored);

enum { STACK_KEPT_MARGIN = 1 << 20 };
