/*
 * echo_stack.h - an echo in the place of core/stack.c, for tests of what is around it.
 *
 * Every datagram is answered with its own bytes and told to the control side as SESSION_STARTED;
 * every command is counted; the end is a last event. Include it in one file of a program: it
 * defines the stack's functions.
 */
#pragma once

#include <stdatomic.h>
#include <string.h>

#include "dataplane/core/stack.h"
#include "dataplane/core/stack_pass.h"

struct stack {
	struct stack_config config;
	struct counters counters;
	_Atomic uint64_t commands;
};

size_t
stack_size(const struct stack_config *config)
{
	return sizeof(struct stack);
}

unsigned
stack_certificates(const struct stack_config *config)
{
	return 0;
}

size_t
stack_session_bytes(void)
{
	return 256;
}

struct stack *
stack_init(void *memory, const struct stack_config *config, uint64_t now_us)
{
	struct stack *stack = memory;

	stack->config = *config;
	return stack;
}

bool
stack_farewell(struct stack *stack, uint64_t now_us, struct outbox *out)
{
	return false;
}

void
stack_fini(struct stack *stack)
{
	struct session_event last = { .kind = SESSION_FAILED, .cause = CAUSE_CANCELLED };

	stack->config.emit(stack->config.emit_ctx, &last);
}

void
stack_receive(struct stack *stack, uint64_t now_us, struct dgram_in *in, unsigned n,
	      struct outbox *out)
{
	struct session_event event = { .kind = SESSION_STARTED, .time_us = now_us };

	for (unsigned i = 0; i < n; i++) {
		struct dgram_out *slot = &out->slots[out->used++];

		slot->peer = in[i].peer;
		slot->link = in[i].link;
		slot->len = in[i].len;
		memcpy(slot->data, in[i].data, in[i].len);
		event.peer = in[i].peer;
		stack->config.emit(stack->config.emit_ctx, &event);
	}
	count_add(&stack->counters, COUNTER_coap_rx, n);
}

void
stack_tick(struct stack *stack, uint64_t now_us, struct outbox *out)
{
}

/* It has no certificates. */
void
stack_ec(struct stack *stack, uint64_t now_us, struct ec_job *job, struct outbox *out)
{
}

void
stack_command(struct stack *stack, uint64_t now_us, const struct stack_command *command,
	      struct outbox *out)
{
	stack->commands++;
	count(&stack->counters, COUNTER_bs_cancelled);
}

const struct delays *
stack_delays(const struct stack *stack)
{
	static const struct delays none[RUN_PHASES];

	return none;
}

const struct counters *
stack_counters(const struct stack *stack)
{
	return &stack->counters;
}

struct counters *
stack_counters_writable(struct stack *stack)
{
	return &stack->counters;
}

bool
stack_progress(const struct stack *stack, struct session_ref ref, uint64_t now_us,
	       struct session_progress *progress)
{
	return false;
}

/* ---- an echo has nothing to pass on but how many commands it got ---- */

bool
stack_is_settled(const struct stack *stack)
{
	return true;
}

const char *
stack_loss_name(enum stack_loss loss)
{
	return "echoes";
}

size_t
stack_save_size(const struct stack *stack)
{
	return 256;
}

void
stack_save(struct stack *stack, struct record_writer *writer, const struct stack_saving *saving,
	   struct stack_passed *passed)
{
	record_begin(writer, PASSED_WORKER);
	record_put_number(writer, 1, stack->commands);
	record_end(writer);
}

bool
stack_load(struct stack *stack, struct record_reader *reader, const struct stack_loading *loading,
	   struct stack_passed *passed)
{
	if (reader->kind == PASSED_WORKER)
		stack->commands = record_number(reader, 1);
	return !reader->malformed;
}

struct stack_gauges
stack_gauges(const struct stack *stack)
{
	return (struct stack_gauges){ .capacity = stack->config.sessions };
}
