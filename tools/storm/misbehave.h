/*
 * misbehave.h - the ways in which devices misbehave on purpose, as data: name, the server's counter
 * that each must move, and a sentence. The functional tests read the same table through
 * `cradlestorm --list-misbehave`.
 */
#pragma once

#include <stdbool.h>

enum misbehave {
	MISBEHAVE_NOT,
	MISBEHAVE_HELLO_FLOOD,
	MISBEHAVE_NO_COOKIE_ECHO,
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
	MISBEHAVIOURS
};

struct misbehave_info {
	const char *name;
	const char *counter;     /* of the server, over NoSec; NULL: DTLS only */
	const char *counter_psk; /* over PSK */
	bool finishes;           /* devices bootstrap nevertheless */
	const char *text;
};

/* [MISBEHAVE_NOT] has no name. */
extern const struct misbehave_info misbehave_infos[MISBEHAVIOURS];

/* MISBEHAVE_NOT: there is no such name. */
enum misbehave misbehave_by_name(const char *name);
