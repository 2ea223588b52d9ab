/*
 * stack_pass.h - the state of a stack as records, and a stack from records: how sessions go on in
 * the next process.
 *
 * What passes: sessions with their exchange, their run, the memory of their last request and what
 * answers copies of it; associations with keys, sequence numbers and replay windows; handshakes in
 * progress, also those that wait for a helper thread; the secrets of cookies. What does not is counted by
 * kind (enum stack_loss): its device notices by a time-out and begins anew.
 *
 * Helper threads must rest: a job that is still out was not begun, and is asked for anew.
 *
 * A stack that was saved must not send any more: the next one goes on with its sequence numbers, and
 * a number used twice gives away what two records hold (RFC 5116 5.1.1, RFC 7905's siblings alike).
 *
 * Slots stay, as connection ids name them; so a stack takes what one of the same worker left. Threads: the
 * stack's, or any while its worker rests. Nothing is allocated.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/record.h"
#include "dataplane/core/record_kinds.h"
#include "dataplane/core/stack.h"

enum stack_loss {
	STACK_LOST_CERTIFICATE, /* a handshake with certificates that are not served any more */
	STACK_LOST_LISTENER,    /* nothing listens any more where its session was */
	STACK_LOST_ROOM,        /* a slot, a handshake's or other memory that there is not */
	STACK_LOST_BATCH,       /* a run whose batch did not pass */
	STACK_LOSSES
};
/* As "handshakes with certificates": behind a number. */
const char *stack_loss_name(enum stack_loss loss);

struct stack_passed {
	uint32_t sessions, running, associations, handshakes;
	uint32_t lost[STACK_LOSSES];
};

struct stack_saving {
	/* The number under which the batch passes, from 1; 0: it does not. */
	uint32_t (*batch)(void *ctx, const struct batch *batch);
	void *ctx;
};
/* Bytes that suffice for stack_save() now. */
size_t stack_save_size(const struct stack *stack);
void stack_save(struct stack *stack, struct record_writer *writer,
		const struct stack_saving *saving, struct stack_passed *passed);

enum { STACK_NO_LISTENER = UINT8_MAX };

struct stack_loading {
	/* The batch of this number, with all that is needed of it; NULL: there is none. */
	const struct batch *(*batch)(void *ctx, uint32_t number);
	void *ctx;
	/* What trust is called here that the writer's newest was: EC_TRUST_FORMER, or how ours is. */
	uint32_t trust;
	const uint8_t *listeners; /* LISTENERS_MAX: of the writer's, by which number it is here */
	uint64_t now_us;
};
/*
 * Takes the record at hand, of whatever kind; those before it were taken. The stack has just been made.
 * False: it is malformed, and so is the file; the stack is of no use then but for stack_fini().
 */
bool stack_load(struct stack *stack, struct record_reader *reader,
		const struct stack_loading *loading, struct stack_passed *passed)
	__attribute__((warn_unused_result));
