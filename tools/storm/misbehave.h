/*
 * misbehave.h - the ways in which devices misbehave on purpose, as data: name, the server's counter
 * that each must move, its answer, and a sentence. The functional tests read the same table through
 * `cradlestorm --list-misbehave`.
 */
#pragma once

#include <stdbool.h>

enum misbehave {
	MISBEHAVE_NOT,
	MISBEHAVE_HELLO_FLOOD,
	MISBEHAVE_NO_COOKIE_ECHO,
	MISBEHAVE_HALF_OPEN,
	MISBEHAVE_REPLAY,
	MISBEHAVE_TRUNCATE,
	MISBEHAVE_CORRUPT_RECORD,
	MISBEHAVE_WRONG_KEY,
	MISBEHAVE_UNKNOWN_IDENTITY,
	MISBEHAVE_NEVER_ACK,
	MISBEHAVE_SLOW_ACK,
	MISBEHAVE_ERROR_REPLY,
	MISBEHAVE_RESET,
	MISBEHAVE_REBOOT,
	MISBEHAVE_REBIND,
	MISBEHAVE_MALFORMED,
	MISBEHAVE_NAME_OF_ANOTHER,
	MISBEHAVE_WRONG_CA,
	MISBEHAVE_EXPIRED,
	MISBEHAVE_WRONG_USAGE,
	MISBEHAVE_BROKEN_SIGNATURE,
	MISBEHAVE_LONG_CHAIN,
	MISBEHAVE_ONE_BYTE_FRAGMENTS,
	MISBEHAVIOURS
};

/* How devices prove who they are. */
enum security { SECURITY_NOSEC, SECURITY_PSK, SECURITY_X509, SECURITY_RPK, SECURITIES };

extern const char *const security_names[SECURITIES];  /* as options have them */
extern const char *const security_titles[SECURITIES]; /* for people */

/* What the server answers to it. */
enum misbehave_answer {
	ANSWER_SERVES,      /* devices bootstrap nevertheless */
	ANSWER_OTHER,       /* devices end where that leads, whatever it is */
	ANSWER_BAD_REQUEST, /* 4.00 */
	/* A fatal alert and no other one (RFC 5246 7.2). */
	ANSWER_FAILURE, /* handshake_failure */
	ANSWER_DECRYPT, /* decrypt_error */
	ANSWER_UNKNOWN, /* to a key or certificate handshake_failure, to an identity decrypt_error */
};

struct misbehave_info {
	const char *name;
	const char *counters[SECURITIES]; /* of the server, that moves; NULL: there is no such
					   * misbehaviour */
	enum misbehave_answer answer;
	const char *text;
};

/* [MISBEHAVE_NOT] has no name. */
extern const struct misbehave_info misbehave_infos[MISBEHAVIOURS];

/* The alert that must come, or -1: none. */
int misbehave_alert(enum misbehave misbehave, enum security security);

/* MISBEHAVE_NOT: there is no such name. */
enum misbehave misbehave_by_name(const char *name);
