/*
 * stack.h - the straight line: datagrams in, outcomes and datagrams out.
 *
 *	session_table -> (dtls_record) -> coap_msg -> coap_exchange -> bootstrap
 *		      -> coap_msg -> (dtls_record)
 *
 * One stack holds all protocol state of one worker. Pure: bytes, time and a context in; counters,
 * events and datagrams out. No I/O, no allocation, no clock. A burst goes through stage by stage,
 * so that look-ups can be prefetched and records opened and sealed together.
 *
 * Life: stack_size() -> stack_init() in the caller's memory -> { stack_receive(), stack_tick(),
 * stack_command() }*
 *       -> stack_fini(), which wipes.
 * Threads: one stack, one thread. Only the directory is shared, and it is read under the caller's
 * quiescent points.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/counters.h"
#include "dataplane/core/datagram.h"
#include "dataplane/core/delays.h"
#include "dataplane/core/session_event.h"
#include "dataplane/core/sessions/stack_config.h"
#include "dataplane/core/tables/directory.h"

struct stack;

/* Bytes and alignment (64) of a stack of this capacity. */
size_t stack_size(const struct stack_config *config);
/* Bytes that one session costs, tables included, rounded up: printed at start. */
/* Jobs of elliptic curves that may be away at a time. */
unsigned stack_certificates(const struct stack_config *config);
size_t stack_session_bytes(void);
/* Bytes of one running DTLS handshake: the same. */
size_t stack_handshake_bytes(void);

/* `memory` is stack_size() zeroed bytes aligned to 64; `now_us` starts the clock. */
struct stack *stack_init(void *memory, const struct stack_config *config, uint64_t now_us);
void stack_fini(struct stack *stack);

/* Before stack_fini(): tells devices by close_notify that their associations end, as many as `out`
 * takes. True: there are more, call it again. */
bool stack_farewell(struct stack *stack, uint64_t now_us, struct outbox *out);

/* Takes up to STACK_BURST datagrams. Outcomes are counters; answers are appended to `out`. */
void stack_receive(struct stack *stack, uint64_t now_us, struct dgram_in *in, unsigned n,
		   struct outbox *out);

/* Runs due timers and repeats events that found no room; stops when `out` has no slot left. Call it
 * every turn: it costs one comparison when nothing is due. */
void stack_tick(struct stack *stack, uint64_t now_us, struct outbox *out);

/* One command from the control side; may append two datagrams: leave as many slots. A command for a
 * run that is over changes nothing; its batch is released. */
void stack_command(struct stack *stack, uint64_t now_us, const struct stack_command *command,
		   struct outbox *out);

/* One job that came back from the threads that compute with elliptic curves; may append several
 * datagrams. The job stays the caller's. */
void stack_ec(struct stack *stack, uint64_t now_us, struct ec_job *job, struct outbox *out);

/* Whether no event waits for room in the ring to the control side. */
bool stack_is_settled(const struct stack *stack);

const struct counters *stack_counters(const struct stack *stack);
struct counters *stack_counters_writable(struct stack *stack); /* for the I/O around it, same thread
							        * */

/* How long bootstraps and their phases took, by enum run_phase, in microseconds: RUN_PHASES of them. Readable from any thread, as
 * counters are. */
const struct delays *stack_delays(const struct stack *stack);

/* Gauges: sessions in use (running, lingering), of capacity. Readable from any thread, approximate.
 * */
struct stack_gauges {
	uint32_t sessions, running, lingering, capacity;
};
struct stack_gauges stack_gauges(const struct stack *stack);

/* How far a run is; false: its slot has another one, or none. Readable from any thread, a moment old. */
bool stack_progress(const struct stack *stack, struct session_ref ref, uint64_t now_us,
		    struct session_progress *progress);
