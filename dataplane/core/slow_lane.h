/*
 * slow_lane.h - what passes between a worker and the slow lane.
 *
 * A handshake of a suite that would stall a polled core (TLS_PSK_WITH_AES_128_CBC_SHA256) is led by an ordinary thread with
 * a library. The worker answers the cookie itself, opens a session, and hands the peer's datagrams on; the lane hands back
 * datagrams to send and, once the client's Finished was verified, the keys. Records stay with the worker from then on.
 *
 *	worker                                 slow lane
 *	verified ClientHello   -- DATAGRAM -->
 *	                       <-- DATAGRAM -- ServerHello .. ServerHelloDone
 *	ClientKeyExchange ..   -- DATAGRAM -->
 *	                       <-- DATAGRAM -- ChangeCipherSpec, Finished
 *	                       <-- ESTABLISHED keys
 *	session ends           -- END ------->           or           <-- END: refused, full, timed out
 *
 * Items come from a bounded pool and are never waited for: an empty pool is a counted outcome of the worker.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/lane_head.h"

enum {
	SLOW_LANE_DATAGRAM_MAX = 1500,
	SLOW_LANE_MAC_KEY = 32,
	SLOW_LANE_ENC_KEY = 16,
	SLOW_LANE_VERIFY = 12,
};

enum slow_lane_kind {
	SLOW_LANE_DATAGRAM,
	SLOW_LANE_ESTABLISHED,
	SLOW_LANE_END,
};

/* Why the lane ended a handshake: the worker's counters. */
enum slow_lane_cause {
	SLOW_LANE_FAILED,    /* alert, unknown identity, and what else there is */
	SLOW_LANE_WRONG_KEY, /* of keys.device */
	SLOW_LANE_FULL,      /* every context was in use */
	SLOW_LANE_TIMED_OUT,
	SLOW_LANE_DISPLACED, /* every context was in use, and this one made way */
};

/* An association as the library left it. A secret. */
struct slow_lane_keys {
	uint8_t client_mac[SLOW_LANE_MAC_KEY], server_mac[SLOW_LANE_MAC_KEY];
	uint8_t client_key[SLOW_LANE_ENC_KEY], server_key[SLOW_LANE_ENC_KEY];
	bool encrypt_then_mac;          /* RFC 7366 */
	uint16_t flight_message;        /* message_seq of our Finished ... */
	uint8_t flight_verify[SLOW_LANE_VERIFY]; /* ... and its verify_data: for a client that lost it */
	uint32_t device;                /* of the identity's look-up */
	uint64_t identity_hash;
	uint64_t write_sequence;        /* of our next record of epoch 1 */
	uint64_t window_top, window_seen; /* records of epoch 1 already taken */
};

/* What a look-up of an identity found. A secret. */
struct slow_lane_identity {
	uint64_t hash;
	uint32_t device;
	uint8_t key_len; /* from 1 */
	uint8_t key[64]; /* DTLS_KEY_MAX of directory.h */
};

struct slow_lane_item {
	struct lane_head head;
	uint8_t kind;    /* enum slow_lane_kind */
	uint8_t cause;   /* enum slow_lane_cause, of END */
	uint16_t len;    /* of `datagram` */
	uint32_t slot, serial; /* the session: struct session_ref of session_event.h */
	uint32_t prefix;       /* of the peer's address, as its worker numbers them */
	union {
		uint8_t datagram[SLOW_LANE_DATAGRAM_MAX];
		struct slow_lane_keys keys;
	};
};
