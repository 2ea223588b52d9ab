/*
 * backoff.h - when a delivery is tried again, and what an answer means for it. Pure: time and randomness are given.
 *
 * What is wrong with one message (it is not liked) counts against the message, which is dead after
 * so many attempts. What is wrong with its target (it is away, overloaded, or does not know us)
 * counts against nobody: the target rests, one message tries again, and messages are given up by
 * their age alone. So an hour's absence makes no dead letters.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct backoff {
	uint32_t min_ms, max_ms; /* of the pauses */
	uint32_t attempts;       /* of one message */
	uint64_t max_age_ms;     /* of a message; 0: none */
};

/* The pause after the n-th failure in a row, from 1: it doubles up to its bound; the upper half of it is random. */
uint64_t backoff_pause_ms(const struct backoff *backoff, unsigned failures, uint32_t random);

enum delivery_verdict {
	DELIVERED,
	DELIVERY_REFUSED, /* this message */
	TARGET_AWAY,      /* whatever is sent to it */
};

/* What an HTTP status means; 0: there was no answer. */
enum delivery_verdict delivery_judge(long status);
/* A pause that the target asks for (RFC 9110 10.2.3), bounded. */
uint64_t backoff_retry_after_ms(int64_t retry_after_s);
/* Whether a message that failed once more is given up. */
bool backoff_gives_up(const struct backoff *backoff, unsigned attempts, uint64_t age_ms);
