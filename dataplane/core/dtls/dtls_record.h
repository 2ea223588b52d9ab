/*
 * dtls_record.h - the record layer of DTLS 1.2: parse, open, seal (RFC 6347 4.1, RFC 6655, RFC
 * 9146).
 *
 * struct dtls_session is what is kept of an association for its life; records are walked in a
 * datagram, opened and sealed in bursts. Nothing here sends or answers: a record that is not
 * genuine is dropped and counted, silently (RFC 6347 4.1.2.7), so a forged one never harms an
 * association.
 *
 * Owner: the caller, of all memory. One thread. Neither allocates nor blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/counters.h"
#include "dataplane/core/crypto/crypto.h"
#include "dataplane/core/cursor.h"
#include "dataplane/core/dtls/dtls_cbc.h"
#include "dataplane/core/dtls/dtls_defs.h"
#include "dataplane/core/dtls/dtls_kept.h"

/* Anti-replay (RFC 6347 4.1.2.6): bit i of `seen` is record top - i. All zero: nothing received
 * yet. */
struct dtls_window {
	uint64_t top, seen;
};

enum { DTLS_WINDOW_WIDTH = 64 };

/* Whether this number was not received yet and is not too old to tell. */
bool dtls_window_fresh(const struct dtls_window *window, uint64_t sequence);
/* Only for records that were authenticated. */
void dtls_window_mark(struct dtls_window *window, uint64_t sequence);

/* How records of epoch 1 are sealed: what the suite says of it. */
enum dtls_protection {
	DTLS_CCM_8, /* 0: the most of them */
	DTLS_CCM,
	DTLS_GCM,
	DTLS_CBC, /* its keys are behind `cbc` of the session */
};

/* Of epoch 1, of AEAD suites. A secret. */
struct dtls_keys {
	uint8_t client_key[DTLS_KEY], server_key[DTLS_KEY];
	uint8_t client_iv[DTLS_IMPLICIT_IV], server_iv[DTLS_IMPLICIT_IV];
};

/*
 * An association: epoch 1 of both directions, and what answers a client that lost our last flight.
 *
 *	keys 40 | cbc 8 | kept 8 | write 8 | window 16 | identity 12 | flight 22 | cids 41 | flags 3
 */
struct dtls_session {
	struct dtls_keys keys;
	struct dtls_cbc
		*cbc; /* under DTLS_CBC: its keys, instead of `keys`; else NULL */
	struct dtls_kept *kept;  /* where its record numbers outlive the process; NULL: nowhere */
	uint64_t write_sequence; /* of the next record, 48 bits */
	struct dtls_window window;
	uint64_t identity_hash;  /* of the authenticated identity, by the key look-up */
	uint32_t device;         /* whose key it was, by the key look-up */
	uint16_t flight_message; /* message_seq of our Finished */
	uint16_t suite;          /* enum dtls_suite, to be shown; `protection` decides */
	uint8_t flight_verify[DTLS_VERIFY_DATA];
	uint64_t flight_sequence; /* next record number of epoch 0, for our ChangeCipherSpec */
	uint8_t cid[DTLS_CID];    /* ours, on the client's records, when has_cid */
	uint8_t peer_cid[DTLS_PEER_CID_MAX]; /* the client's, on our records */
	uint8_t peer_cid_len;                /* 0: our records carry none */
	uint8_t max_fragment;                /* enum dtls_max_fragment; 0: not negotiated */
	uint8_t protection;                  /* enum dtls_protection */
	bool has_cid;
};

_Static_assert(sizeof(struct dtls_session) <= 168, "a session must stay small");

/* Most plaintext bytes of a record, by what was negotiated (RFC 6066 4). */
size_t dtls_fragment_max(uint8_t max_fragment);
/* Most plaintext bytes of a record that this peer takes. */
size_t dtls_session_plaintext_max(const struct dtls_session *session);

/* One record as it lies in its datagram. */
struct dtls_record {
	uint8_t *header; /* DTLS_RECORD_HEADER bytes and cid_len more */
	uint8_t *fragment;
	uint16_t length; /* of the fragment */
	uint16_t version, epoch;
	uint8_t type, cid_len;
	uint64_t sequence; /* without the epoch */
};

/* A datagram being walked. */
struct dtls_walk {
	uint8_t *at, *end;
};

/*
 * The next record of the datagram: true, or false at the end. What is no record is counted and
 * skipped: with the rest of the datagram when its length is nonsense, alone when just its type or
 * version is (RFC 6347 4.1: several records a datagram). Connection ids have DTLS_CID bytes: we
 * made them.
 */
bool dtls_record_next(struct dtls_walk *walk, struct dtls_record *record,
		      struct counters *counters);

/*
 * What a cipher call is given, written just before: aligned, because a word across two cache words
 * is not passed on from store to load.
 */
struct dtls_ccm_work {
	_Alignas(16) uint8_t aad[CRYPTO_CCM_AAD_MAX];
	uint8_t nonce[DTLS_NONCE];
};

/*
 * The worker that gave out the connection id of a datagram's first record (dtls_handshake.h), or
 * -1: it has none. Whoever received it, from whatever address, hands it to that worker. The id is
 * not verified: this only routes.
 */
static inline int
dtls_named_worker(const uint8_t *datagram, size_t len)
{
	bool has_cid = len >= DTLS_RECORD_HEADER + DTLS_CID && datagram[0] == DTLS_TLS12_CID;

	return has_cid ? datagram[11] : -1;
}

/* One record to open. `work` is ours. */
struct dtls_opening {
	struct dtls_session *session;
	struct dtls_record record;
	/* Out: COUNTER_dtls_rx_opened, or why the record was dropped: count it. */
	enum counter outcome;
	bool newest;      /* when opened: no record before it, of this array neither, had its number
			   * or a higher one */
	uint8_t type;     /* the content's: of the inner plaintext where there is a connection id */
	uint16_t length;  /* of the content */
	uint8_t *content; /* in the record's place */
	struct dtls_ccm_work work;
};

enum { DTLS_BURST = 32 };

/*
 * Opens up to DTLS_BURST records of any sessions in place. The replay window moves only for records
 * whose tag was right, in the order of the array, so that of two copies in a burst the first is
 * taken. A record whose tag was wrong is left as it came.
 */
void dtls_open(const struct crypto_ops *ops, struct dtls_opening *openings, unsigned n);

/* One record to seal. `work` is ours. */
struct dtls_sealing {
	struct dtls_session *session;
	uint8_t *record; /* the content is at record + dtls_seal_prefix() already */
	/* In: of the content; out: of the record, or 0 when sequence numbers are used up. */
	uint16_t length;
	uint8_t type;
	struct dtls_ccm_work work;
};

/* Bytes of a fragment that seals so much: the least, where padding varies. */
size_t dtls_sealed_len(enum dtls_protection protection, size_t plaintext);

/* Bytes of a record before and after its content, for this peer. */
size_t dtls_seal_prefix(const struct dtls_session *session);
size_t dtls_seal_suffix(const struct dtls_session *session);

/* Seals up to DTLS_BURST records in place; one session may appear several times. */
void dtls_seal(const struct crypto_ops *ops, struct dtls_sealing *sealings, unsigned n);

/* A sealed record of `content` at the writer; fails the writer when there is no room. */
void dtls_write_sealed(const struct crypto_ops *ops, struct dtls_session *session, uint8_t type,
		       const void *content, size_t len, struct writer *out);

/* A record of epoch 0 around what is written between the two calls. */
struct writer_mark dtls_write_record(struct writer *out, uint8_t type, uint16_t version,
				     uint64_t sequence);
