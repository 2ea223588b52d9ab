/*
 * dtls_flight.h - what the server sends in a handshake, made from state each time: no flight is
 * stored.
 *
 * A flight that finds no room fails the writer and nothing else. Neither allocates nor blocks.
 */
#pragma once

#include <stdint.h>

#include "dataplane/core/cursor.h"
#include "dataplane/core/dtls/dtls_handshake.h"

struct ec_job;

/*
 * ServerHello and ServerHelloDone, one record each: some small clients read one message a record.
 * When `transcript` is not NULL it takes both: the first time.
 */
void dtls_flight_hello(const struct crypto_ops *ops, struct dtls_handshake *hs,
		       struct crypto_sha256 *transcript, struct writer *out);

/*
 * The five messages of a server with certificates, whole and one behind the other, into hs->ec->job:
 * ServerHello by the worker, the others by the helper thread, which knows what is in them, and the
 * transcript over all. `certificate`: body of ours. False: they have no room there.
 */
void dtls_flight_begin(struct dtls_handshake *hs);
bool dtls_flight_complete(struct ec_job *job, const struct dtls_bytes *certificate,
			  const uint8_t point[DTLS_POINT], const struct dtls_bytes *signature);
/* What the writer takes of them, in records of fragments, from where it stopped the last time. */
void dtls_flight_send(struct dtls_handshake *hs, struct writer *out);

/* ChangeCipherSpec and Finished of session->flight_*. */
void dtls_flight_finished(const struct crypto_ops *ops, struct dtls_session *session,
			  struct writer *out);

/* A plaintext alert, before the keys are in use. */
void dtls_flight_alert(uint64_t sequence, enum dtls_alert alert, struct writer *out);
