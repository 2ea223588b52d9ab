/*
 * stack_fields.h - which members of a stack's structs are which fields of its records (record.h).
 *
 * A number once given is never given again, also where its member goes. For stack_save.c and
 * stack_load.c.
 */
#pragma once

#include "dataplane/core/record.h"
#include "dataplane/core/sessions/secured_state.h"
#include "dataplane/core/sessions/stack_state.h"

#define PLAIN(number, type, member) RECORD_FIELD(number, RECORD_PLAIN, struct type, member)
#define BOOL(number, type, member)  RECORD_FIELD(number, RECORD_BOOL, struct type, member)
#define TIME(number, type, member)  RECORD_FIELD(number, RECORD_TIME, struct type, member)

enum { N_FIELDS_MAX = RECORD_FIELDS };
#define FIELDS_OF(table) (table), sizeof(table) / sizeof((table)[0])

/* ---- PASSED_SESSION: 1 to 48 the session, 49 to 79 its association, 80 and above what follows ---- */

static const struct record_field session_fields[] = {
	PLAIN(2, session, node.peer.addr),
	PLAIN(3, session, node.peer.port),
	PLAIN(4, session, node.peer.listener),
	PLAIN(5, session, exchange.token),
	PLAIN(6, session, exchange.timeout_us),
	PLAIN(7, session, exchange.mid),
	PLAIN(8, session, exchange.retransmits_left),
	PLAIN(9, session, exchange.n_acked),
	PLAIN(10, session, exchange.acked),
	PLAIN(11, session, exchange.block.offset),
	PLAIN(12, session, exchange.block.szx),
	PLAIN(13, session, exchange.block.answer_szx),
	BOOL(14, session, exchange.block.restarted),
	PLAIN(15, session, step),
	PLAIN(16, session, state),
	PLAIN(17, session, cause),
	PLAIN(18, session, code),
	PLAIN(19, session, format),
	PLAIN(20, session, link.mac),
	PLAIN(21, session, link.vlan),
	PLAIN(22, session, watch.received),
	PLAIN(23, session, watch.sent),
	PLAIN(24, session, watch.retransmitted),
	PLAIN(25, session, request.digest),
	PLAIN(26, session, request.token),
	PLAIN(27, session, request.mid),
	PLAIN(28, session, request.token_len),
	PLAIN(29, session, request.reply_code),
	TIME(30, session, started_us),
	TIME(31, session, since_us),
	PLAIN(32, session, serial),
	PLAIN(33, session, device),
	PLAIN(34, session, pack_digest),
	PLAIN(35, session, refused_steps),
	PLAIN(36, session, refused_step),
	PLAIN(37, session, refused_code),
	PLAIN(38, session, phase),
};

/* What is no member, or none that a table can name. */
enum session_field {
	SESSION_SLOT = 1,
	SESSION_HOLDS = 39,
	SESSION_STRAY_RESETS = 40,
	SESSION_PROGRESSED = 41,
	SESSION_BATCH = 42,    /* its number */
	SESSION_HEARD_AGO = 43, /* milliseconds */
	SESSION_DUE = 44,      /* a time: of its timer */
	SESSION_ANSWER = 45,   /* what has come of the answer that decides what follows ... */
	SESSION_ANSWER_FORMAT = 46,
	SESSION_ANSWER_ETAG = 47,
	SESSION_HAS_ANSWER = 48,
	SESSION_NODE_SERIAL = 80,
	SESSION_OWNER = 81,    /* the identity or endpoint name that the association is of */
	SESSION_ASSOCIATED = 82,
};

static const struct record_field association_fields[] = {
	PLAIN(49, association, dtls.keys.client_key),
	PLAIN(50, association, dtls.keys.server_key),
	PLAIN(51, association, dtls.keys.client_iv),
	PLAIN(52, association, dtls.keys.server_iv),
	PLAIN(53, association, dtls.write_sequence),
	PLAIN(54, association, dtls.window.top),
	PLAIN(55, association, dtls.window.seen),
	PLAIN(56, association, dtls.device),
	PLAIN(57, association, dtls.flight_message),
	PLAIN(58, association, dtls.suite),
	PLAIN(59, association, dtls.flight_verify),
	PLAIN(60, association, dtls.flight_sequence),
	PLAIN(61, association, dtls.cid),
	PLAIN(62, association, dtls.peer_cid),
	PLAIN(63, association, dtls.peer_cid_len),
	PLAIN(64, association, dtls.max_fragment),
	PLAIN(65, association, dtls.protection),
	BOOL(66, association, dtls.has_cid),
	TIME(67, association, keep_us),
};

static const struct record_field cbc_fields[] = {
	PLAIN(68, dtls_cbc, client.enc),
	PLAIN(69, dtls_cbc, client.mac.inner),
	PLAIN(70, dtls_cbc, client.mac.outer),
	BOOL(71, dtls_cbc, client.encrypt_then_mac),
	PLAIN(72, dtls_cbc, server.enc),
	PLAIN(73, dtls_cbc, server.mac.inner),
	PLAIN(74, dtls_cbc, server.mac.outer),
	BOOL(75, dtls_cbc, server.encrypt_then_mac),
};

/* ---- PASSED_HANDSHAKE, and PASSED_CERTIFIED, which has more ---- */

static const struct record_field handshake_fields[] = {
	PLAIN(1, dtls_handshake, state),
	BOOL(2, dtls_handshake, extended_master_secret),
	BOOL(3, dtls_handshake, secure_renegotiation),
	BOOL(4, dtls_handshake, has_cid),
	BOOL(5, dtls_handshake, changed_cipher_spec),
	BOOL(6, dtls_handshake, is_known),
	BOOL(7, dtls_handshake, told_identity),
	BOOL(8, dtls_handshake, has_rival),
	PLAIN(9, dtls_handshake, doubt),
	PLAIN(10, dtls_handshake, refusal),
	PLAIN(11, dtls_handshake, rivals),
	PLAIN(12, dtls_handshake, max_fragment),
	PLAIN(13, dtls_handshake, peer_cid_len),
	PLAIN(14, dtls_handshake, retransmissions),
	PLAIN(15, dtls_handshake, protection),
	BOOL(16, dtls_handshake, encrypt_then_mac),
	PLAIN(17, dtls_handshake, suite),
	PLAIN(18, dtls_handshake, hello_message),
	PLAIN(19, dtls_handshake, next_message),
	PLAIN(20, dtls_handshake, assembly.length),
	PLAIN(21, dtls_handshake, assembly.have),
	PLAIN(22, dtls_handshake, flight_messages),
	PLAIN(23, dtls_handshake, device),
	PLAIN(24, dtls_handshake, judge_ms),
	PLAIN(25, dtls_handshake, sequence),
	TIME(26, dtls_handshake, started_us),
	TIME(27, dtls_handshake, due_us),
	TIME(28, dtls_handshake, end_us),
	PLAIN(29, dtls_handshake, client_random),
	PLAIN(30, dtls_handshake, cid),
};

/* In DTLS_EXPECTING_HELLO. */
static const struct record_field hello_fields[] = {
	PLAIN(31, dtls_handshake, hello.body),
	PLAIN(32, dtls_handshake, hello.seen),
};

/* In the other states. */
static const struct record_field run_fields[] = {
	PLAIN(33, dtls_handshake, run.transcript.h),
	PLAIN(34, dtls_handshake, run.transcript.len),
	PLAIN(35, dtls_handshake, run.transcript.tail),
	PLAIN(36, dtls_handshake, run.server_random),
	PLAIN(37, dtls_handshake, run.peer_cid),
	PLAIN(38, dtls_handshake, run.exchange.assembly.length),
	PLAIN(39, dtls_handshake, run.exchange.assembly.have),
	PLAIN(40, dtls_handshake, run.exchange.body),
	PLAIN(41, dtls_handshake, run.exchange.seen),
	PLAIN(42, dtls_handshake, run.before.h),
	PLAIN(43, dtls_handshake, run.before.len),
	PLAIN(44, dtls_handshake, run.before.tail),
};

/* Before there are keys. */
static const struct record_field early_fields[] = {
	PLAIN(45, dtls_handshake, run.early.bytes),
	PLAIN(46, dtls_handshake, run.early.len),
};

/* Then. */
static const struct record_field keyed_fields[] = {
	PLAIN(47, dtls_handshake, run.keyed.derived.master.inner),
	PLAIN(48, dtls_handshake, run.keyed.derived.master.outer),
	PLAIN(49, dtls_handshake, run.keyed.derived.keys.client_key),
	PLAIN(50, dtls_handshake, run.keyed.derived.keys.server_key),
	PLAIN(51, dtls_handshake, run.keyed.derived.keys.client_iv),
	PLAIN(52, dtls_handshake, run.keyed.derived.keys.server_iv),
	PLAIN(53, dtls_handshake, run.keyed.window.top),
	PLAIN(54, dtls_handshake, run.keyed.window.seen),
	PLAIN(55, dtls_handshake, run.keyed.derived.client_verify),
	PLAIN(56, dtls_handshake, run.keyed.body),
	PLAIN(57, dtls_handshake, run.keyed.seen),
};

enum handshake_field {
	HANDSHAKE_OWNER = 58, /* whose identity it showed */
	HANDSHAKE_SLOT = 59,  /* of its session */
	/* Of PASSED_CERTIFIED alone; from 64 on there is more: dtls_ec_pass.c. */
	HANDSHAKE_HAS_ANSWER = 60,
	HANDSHAKE_TRUST = 61, /* enum passed_trust */
};

/* By what trust the certificate or key of a client was judged. */
enum passed_trust {
	PASSED_TRUST_NONE,   /* it was not yet, or there is none */
	PASSED_TRUST_NEWEST, /* that of the control side's PASSED_TRUST */
	PASSED_TRUST_FORMER, /* an older one */
};

static inline bool
handshake_is_keyed(const struct dtls_handshake *hs)
{
	return hs->state == DTLS_EXPECTING_CHANGE_CIPHER_SPEC ||
	       hs->state == DTLS_EXPECTING_FINISHED;
}

/* ---- PASSED_WORKER ---- */

static const struct record_field worker_fields[] = {
	PLAIN(2, stack, serial),
	PLAIN(3, stack, non_mid),
	PLAIN(4, stack, digest_key.k0),
	PLAIN(5, stack, digest_key.k1),
};

static const struct record_field cookie_fields[] = {
	PLAIN(6, dtls_cookies, heads[0].k0),
	PLAIN(7, dtls_cookies, heads[0].k1),
	PLAIN(8, dtls_cookies, heads[1].k0),
	PLAIN(9, dtls_cookies, heads[1].k1),
	TIME(14, dtls_cookies, rotate_us),
	PLAIN(15, dtls_cookies, newest),
	/* 10 to 13 were keys of HMACs. */
	PLAIN(18, dtls_cookies, wholes[0].k0),
	PLAIN(19, dtls_cookies, wholes[0].k1),
	PLAIN(20, dtls_cookies, wholes[1].k0),
	PLAIN(21, dtls_cookies, wholes[1].k1),
};

enum worker_field {
	WORKER_INDEX = 1,
	WORKER_HAS_COOKIES = 16,
	WORKER_DRAINING = 17,
};

/* ---- PASSED_UNPINNED ---- */

enum { UNPINNED_SLOT = 1 /* and 1 */ };
