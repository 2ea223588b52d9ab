/*
 * dtls_ec_pass.h - what a handshake with certificates has beside (dtls_ec.h) as fields of its record, and
 * back: so that it goes on in the next process.
 *
 * A job that no helper thread has begun passes as what it was asked, and is offered anew. One that a
 * thread works on does not: its bytes change. So helpers rest before (ec_threads_rest()).
 *
 * Owner: the caller, of all memory. One thread. Neither allocates nor blocks.
 */
#pragma once

#include <stdbool.h>

#include "dataplane/core/dtls/dtls_ec.h"
#include "dataplane/core/dtls/dtls_handshake.h"
#include "dataplane/core/record.h"

/* Into the record that is open; of a handshake whose `ec` there is. */
void dtls_ec_put(const struct dtls_handshake *hs, struct record_writer *writer);
/*
 * Of the record at hand into `ec`, whose fields are zero up to its job. `hs` was read, its `ec` is not
 * looked at. False: it is not what dtls_ec_put() could have written; then wipe it.
 */
bool dtls_ec_take(struct record_reader *reader, const struct dtls_handshake *hs,
		  struct dtls_ec *ec) __attribute__((warn_unused_result));
/* Bytes of a record that dtls_ec_put() needs at most. */
enum { DTLS_EC_BYTES = EC_ROOM + 1024 };

/* The states in which a handshake has one. */
static inline bool
dtls_state_has_ec(uint8_t state)
{
	return state >= DTLS_AWAITING_OWN && state <= DTLS_AWAITING_VERDICT;
}

/* A helper has its job, or will have it. */
static inline bool
dtls_state_awaits_ec(uint8_t state)
{
	return state == DTLS_AWAITING_OWN || state == DTLS_AWAITING_VERDICT;
}
