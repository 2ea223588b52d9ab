/*
 * secured.h - the stack's side of DTLS: whose record it is, handshakes that run, associations.
 *
 *	datagram -> records -+- ClientHello -> dtls_greet(): no state -> a handshake of the pool
 *			     +- epoch 0 -> the handshake of this peer
 *			     +- epoch 1 -> the association of this peer or connection id: opened
 *					   in bursts -> intake_message()
 *
 * A session of the table is opened for a peer that proved its address, and has an association once
 * its handshake has finished. A peer that has one and shakes hands anew keeps it until then
 * (RFC 6347 4.2.8). Handshakes are a pool of their own, smaller than the table: what is exhausted
 * by peers without keys is that pool, never the sessions of those that have some. In a full pool an
 * old handshake makes way, or one of a prefix that began many and did not finish them; the fuller it is, the
 * shorter they live.
 *
 * Under a flood new peers are limited twice, in the order of what they cost: HelloVerifyRequests of
 * the whole worker, and handshakes of the worker and of a prefix. Only addresses that were proven
 * are charged to their prefix. Peers with a session are charged nothing, so they go on.
 *
 * Owner: the stack; its memory is secured_state.h's. One thread. Nothing allocated.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/sessions/secured_state.h"
#include "dataplane/core/sessions/stack_state.h"

/* Bytes of memory, aligned to 64, that a stack of this configuration needs for DTLS; 0: no listener
 * wants it. */
size_t secured_size(const struct stack_config *config);
/* Bytes of one association, and of one handshake of the pool. */
size_t secured_association_bytes(void);
size_t secured_handshake_bytes(void);
/* Handshakes with certificates that there may be at a time: so many jobs may be away. */
unsigned secured_certificates(const struct stack_config *config);

/* Sets stack->secured. `memory` is zeroed; NULL leaves the stack without DTLS. */
void secured_init(struct stack *stack, void *memory);
/* Wipes. */
void secured_fini(struct stack *stack);

/* Before a burst: secrets and limits that are due to change. */
void secured_begin(struct stack *stack);
/* Before the first of a burst's datagrams is taken: notes the handshakes that may go in step
 * (dtls_ahead.h). `sessions[i]` is that of the peer of in[i], or NULL. secured_end() goes with it. */
void secured_prepare(struct stack *stack, const struct dgram_in *in,
		     struct session *const *sessions, unsigned n);
void secured_end(struct stack *stack);
/* Takes all records of one datagram; protected ones may wait for secured_open(). */
void secured_receive(struct stack *stack, struct dgram_in *in, uint64_t hash);
/* The same for a datagram that another member of the cluster forwarded. */
void secured_receive_forwarded(struct stack *stack, struct dgram_in *in);
/* Opens the records that wait, and processes what they hold. */
void secured_open(struct stack *stack);

/* One job that came back from the helper threads, for a handshake of ours or one that ended. */
void secured_ec(struct stack *stack, struct ec_job *job);

/* A place for a handshake with certificates that began in another process: no limit counts it again.
 * NULL: none is free. */
struct dtls_ec *secured_ec_restore(struct stack *stack, const struct secured_handshake *handshake);
/* A handshake of this session ended without success: closes the session if that is all it was
 * for. */
void secured_abandon(struct stack *stack, struct session *session);

/* Handshakes' timers. */
void secured_tick(struct stack *stack);
/* When the next of them is due. */
uint64_t secured_due_us(const struct stack *stack);
/* The timer of a session that has an association, but no run. */
void secured_idle(struct stack *stack, struct session *session);
