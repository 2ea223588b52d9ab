/*
 * dtls_handshake.h - the server's DTLS 1.2 handshake, as a state machine: with a pre-shared key
 * (TLS_PSK_WITH_AES_128_CCM_8, or _CBC_SHA256), or with certificates or raw public keys (ECDHE_ECDSA).
 *
 *	client                              server
 *	ClientHello              ------->              dtls_greet(): no state
 *	                         <-------   HelloVerifyRequest
 *	ClientHello with cookie  ------->       dtls_handshake_init(), dtls_handshake_receive()
 *	                         <-------   ServerHello, ServerHelloDone
 *	ClientKeyExchange,
 *	ChangeCipherSpec,
 *	Finished                 ------->              DTLS_ESTABLISHED: a struct dtls_session
 *	                         <-------   ChangeCipherSpec, Finished
 *
 * With certificates the middle is longer, and twice a helper thread works on it (ec_job.h):
 *
 *	ClientHello with cookie  ------->       DTLS_AWAITING_OWN, dtls_handshake_answered()
 *	                         <-------   ServerHello, Certificate, ServerKeyExchange,
 *	                                    CertificateRequest, ServerHelloDone
 *	Certificate,
 *	ClientKeyExchange,
 *	CertificateVerify,
 *	ChangeCipherSpec,
 *	Finished                 ------->       DTLS_AWAITING_VERDICT, dtls_handshake_answered()
 *	                         <-------   ChangeCipherSpec, Finished
 *
 * What RFC 6347 4.2 demands, and where it is met:
 *	4.2.1 cookie, stateless, of the client's parameters		dtls_cookie.c
 *	      secrets change						dtls_cookies_rotate()
 *	      a wrong cookie is treated as none				dtls_greet()
 *	      HelloVerifyRequest: 1.0, the hello's record sequence	dtls_cookie_write_verify()
 *	      ServerHello: the hello's record sequence			begin_flight()
 *	4.2.2 message_seq: ours start where the hello's stands		dtls_flight.c
 *	      past messages ignored, future ones kept or dropped	dispatch_message()
 *	4.2.3 fragments in any order, overlapping, of any size		dtls_assembly_add()
 *	4.2.4 retransmission by timer					dtls_handshake_tick()
 *	      and upon the peer's retransmission			step_repeat_flight()
 *	      the last flight, though the handshake is over		dtls_session_handshake()
 *	      timer values: RFC 7925 11's 9 s, doubled			DTLS_RETRANSMIT_US
 *	4.2.5 ChangeCipherSpec is no message and has no number		dtls_step_finish.c
 *	4.2.6 the transcript leaves out the first hello			start_transcript()
 *	      and covers messages as if not fragmented			step_hash_message()
 *	4.2.7 alerts are not repeated by us, and may be lost		step_fail()
 *	4.2.8 an association lives until the new handshake ended	secured_associate()
 *
 * Fragmented hellos: where the first fragment holds the cookie, the handshake's own memory puts the
 * message together, up to DTLS_HELLO_MAX bytes. Others, cut before the cookie ends or come in another
 * order, wait in a small store until they are whole (dtls_hello_store.h).
 *
 * Nothing that anybody could have sent ends a handshake (RFC 6347 4.1.2.7): a plaintext alert, a
 * message out of its turn, a record that looks like a Finished and does not open are counted and
 * dropped, and leave a doubt. A second ClientKeyExchange that differs waits as the first one's
 * rival, until a Finished opens under the keys of one of them. Only what opens decides at once. Of a
 * client whose Finished never opens the doubt becomes the verdict, DTLS_JUDGE_US later, or at the
 * end of the handshake's life.
 *
 * With certificates CertificateVerify decides: it signs all that was said, our random number among it,
 * which nobody knows who does not see our flight. One that holds shows that the client has the key of
 * its certificate, so what else is wrong with that is answered at once. One that does not says that
 * something of the client's flight was forged, or that the client has another key: the handshake goes
 * back to where it expects a certificate, and the client repeats its flight (RFC 6347 4.2.4).
 *
 * Wrong key and unknown identity look alike: both go through the whole key schedule, fail to open
 * the client's Finished, and are answered decrypt_error with the verdict (RFC 4279 2 permits it
 * instead of unknown_psk_identity, which clients take as final and which discloses who is known).
 *
 * Connection ids (RFC 9146) of ours: worker (1) | slot (3) | random (4). The first byte lets a
 * datagram of an unknown address find its worker; the random part tells the runs of a slot apart
 * and keeps ids from being guessed.
 *
 * Owner: the caller, of all memory; pool and timers are its own. One thread. Neither allocates nor
 * blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/crypto/crypto.h"
#include "dataplane/core/cursor.h"
#include "dataplane/core/dtls/dtls_defs.h"
#include "dataplane/core/dtls/dtls_hello.h"
#include "dataplane/core/dtls/dtls_message.h"
#include "dataplane/core/dtls/dtls_record.h"
#include "dataplane/core/dtls/dtls_server.h"

enum {
	DTLS_HELLO_MAX = 512, /* a fragmented ClientHello put together; a whole one may be larger */
	DTLS_EXCHANGE_MAX = 2 + DTLS_IDENTITY_LEN_MAX,
	DTLS_EARLY_MAX = 101, /* a Finished under CBC with our connection id; 53 under CCM-8 */
	/* RFC 7925 11; the client's own timer mostly comes first. */
	DTLS_RETRANSMIT_US = 9 * 1000 * 1000,
	/* From the verified hello: three flights of such a client. */
	DTLS_HANDSHAKE_LIFE_US = 60 * 1000 * 1000,
	/* From a Finished that did not open: a client by RFC 6347 4.2.4.1 has repeated a lost one
	 * twice by then, and who waits for the verdict does not wait long. */
	DTLS_JUDGE_US = 4 * 1000 * 1000,
	/* From what only a repeated flight can set right, a certificate that proved nothing or a
	 * hello that was put together: by RFC 7925 11 the client repeats it after 9 s. */
	DTLS_JUDGE_REPEATED_US = 10 * 1000 * 1000,
	/* Verdicts that prove nothing: so many at once, and one more a second. */
	DTLS_UNPROVEN = 2,
	/* Rivals that keys are derived for: at once, and one more a second. */
	DTLS_RIVALS = 8,
};

enum dtls_state {
	DTLS_EXPECTING_HELLO, /* fragments of the verified ClientHello are missing */
	DTLS_EXPECTING_KEY_EXCHANGE,
	DTLS_EXPECTING_CHANGE_CIPHER_SPEC,
	DTLS_EXPECTING_FINISHED,
	/* With certificates, between the hello and ChangeCipherSpec. */
	DTLS_AWAITING_OWN, /* a helper signs our key share */
	DTLS_EXPECTING_CERTIFICATE,
	DTLS_EXPECTING_KEY_SHARE,
	DTLS_EXPECTING_CERTIFICATE_VERIFY,
	DTLS_AWAITING_VERDICT, /* a helper judges the client's */
	DTLS_ENDED,
	DTLS_STATES = DTLS_ENDED,
};

/* What would be wrong with the client, if what came is its own; the highest one stays. */
enum dtls_doubt {
	DTLS_NO_DOUBT,
	DTLS_DOUBT_ALERT,       /* it gave up */
	DTLS_DOUBT_MESSAGE,     /* an unexpected or malformed message */
	DTLS_DOUBT_IDENTITY,    /* one longer than any that can be known */
	DTLS_DOUBT_HELLO,       /* of fragments, to be answered by dtls_handshake.refusal */
	DTLS_DOUBT_CERTIFICATE, /* none, or one whose key it did not show: dtls_ec.doubt says more */
	DTLS_DOUBT_KEY,         /* a Finished that does not open */
};

/* A protected record that came too early. */
struct dtls_early {
	uint8_t bytes[DTLS_EARLY_MAX];
	uint8_t len;
};

/* A handshake that runs. Everything but the first group is of the state it stands under. */
struct dtls_handshake {
	uint8_t state; /* enum dtls_state; step_set_state() alone writes it */
	bool extended_master_secret, secure_renegotiation, has_cid;
	bool changed_cipher_spec; /* it came ahead of the key exchange */
	bool is_known;            /* of the identity: for the counters alone */
	bool told_identity;       /* that is too long */
	bool has_rival;           /* run.exchange is whole and not the one that the keys are of */
	uint8_t doubt;            /* enum dtls_doubt */
	uint8_t refusal;          /* enum dtls_alert, of DTLS_DOUBT_HELLO */
	uint8_t rivals;           /* that keys were derived for */
	uint8_t max_fragment, peer_cid_len, retransmissions;
	uint8_t protection;     /* enum dtls_protection */
	bool encrypt_then_mac;  /* of DTLS_CBC */
	uint16_t suite;         /* enum dtls_suite, once chosen */
	uint16_t hello_message; /* message_seq of the ClientHello, and of our ServerHello */
	uint16_t next_message;  /* message_seq expected from the client */
	struct dtls_assembly assembly;
	uint8_t flight_messages; /* of our flight up to ServerHelloDone */
	bool has_answer;         /* run.exchange.answer holds what our Finished says */
	uint32_t device;
	uint32_t trust; /* that the peer's certificate or key was judged by; 0: it has none */
	/* From its start, when its doubt becomes the verdict; UINT32_MAX: with its life. */
	uint32_t judge_ms;
	uint64_t identity_hash;
	uint64_t sequence; /* of our next record of epoch 0 */
	uint64_t started_us;
	uint64_t due_us;    /* call dtls_handshake_tick() then */
	uint64_t end_us;    /* of its life */
	struct dtls_ec *ec; /* of one with certificates, until the verdict; else NULL */
	uint8_t client_random[DTLS_RANDOM];
	uint8_t cid[DTLS_CID];
	union {
		struct { /* DTLS_EXPECTING_HELLO */
			uint8_t body[DTLS_HELLO_MAX];
			uint8_t seen[DTLS_HELLO_MAX / 8];
		} hello;
		struct { /* later */
			struct crypto_sha256 transcript;
			uint8_t server_random[DTLS_RANDOM];
			uint8_t peer_cid[DTLS_PEER_CID_MAX];
			struct { /* the newest ClientKeyExchange, or what there is of it */
				struct dtls_assembly assembly;
				union {
					uint8_t body[DTLS_EXCHANGE_MAX];
					uint8_t answer[DTLS_VERIFY_DATA]; /* of certificates, once
									   * there are keys */
				};
				uint8_t seen[(DTLS_EXCHANGE_MAX + 7) / 8];
			} exchange;
			/* The transcript up to it, once there are keys. */
			struct crypto_sha256 before;
			union {
				struct dtls_early early; /* before there are keys */
				struct {                 /* then */
					struct dtls_derived derived;
					struct dtls_window window;
					uint8_t body[DTLS_VERIFY_DATA];
					uint8_t seen[(DTLS_VERIFY_DATA + 7) / 8];
				} keyed;
			};
		} run;
	};
};

_Static_assert(sizeof(struct dtls_handshake) <= 704, "a handshake must stay small");

enum dtls_progress {
	DTLS_WAITING, /* for the client, or until due_us */
	/* Of these the caller wipes and frees the handshake. */
	DTLS_ESTABLISHED,       /* *session is ready, the last flight is written */
	DTLS_FAILED,            /* over, perhaps with an alert */
	DTLS_WRONG_KEY,         /* the same, as the client has another key than its identity */
	DTLS_WRONG_CERTIFICATE, /* the same: its job says why */
};

/* What a call brings and what it fills. */
struct dtls_turn {
	uint64_t now_us;
	struct writer *out;           /* one datagram: answers are appended */
	struct dtls_session *session; /* written when DTLS_ESTABLISHED, and not before */
};

/* Begins a handshake after DTLS_GREETING_VERIFIED. `slot` (24 bits) goes into the connection id. */
void dtls_handshake_init(struct dtls_handshake *hs, const struct dtls_server *server, uint32_t slot,
			 uint64_t now_us);

/*
 * Whether a verified hello is this handshake's own, received again. If not, the client began anew:
 * wipe, init and receive again.
 */
bool dtls_handshake_is_of(const struct dtls_handshake *hs, const struct dtls_record *hello);

/*
 * Takes one record of the peer: of epoch 0, or of epoch 1 that no association could open. A
 * ClientHello must have passed dtls_greet() as VERIFIED or FRAGMENT. The record is opened in place
 * only when it was this handshake's.
 */
enum dtls_progress dtls_handshake_receive(const struct dtls_server *server,
					  struct dtls_handshake *hs,
					  const struct dtls_record *record, struct dtls_turn *turn);

/* The job of this handshake came back from a helper: it goes on as if a record had come. */
enum dtls_progress dtls_handshake_answered(const struct dtls_server *server,
					   struct dtls_handshake *hs, struct dtls_turn *turn);

/*
 * A flight with certificates is longer than a datagram: as long as one is pending, after any of
 * these functions, the caller asks for further datagrams.
 */
bool dtls_handshake_is_sending(const struct dtls_handshake *hs);
void dtls_handshake_send(const struct dtls_server *server, struct dtls_handshake *hs,
			 struct writer *out);

/* Before a handshake is wiped or begun anew: gives back what it has of certificates. */
void dtls_handshake_leave(const struct dtls_server *server, struct dtls_handshake *hs);

/* Call it at due_us: sends our flight again, or gives up. */
enum dtls_progress dtls_handshake_tick(const struct dtls_server *server, struct dtls_handshake *hs,
				       struct dtls_turn *turn);

/*
 * A handshake record that an established association opened: the client lost our last flight (it is
 * written again), or wants to renegotiate (refused, RFC 5246 7.2.2).
 */
void dtls_session_handshake(const struct dtls_server *server, struct dtls_session *session,
			    const struct dtls_opening *opening, struct writer *out);
