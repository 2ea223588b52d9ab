/*
 * health.h - whether routers should send devices here: what a health check is told, and what `drain` waits for.
 *
 *	running -- drain --> withdrawing: checks fail, new devices are still answered
 *	                          |  a check heard it, and routes had time to go; or nobody checks
 *	                          v
 *	                     refusing: new devices are answered 5.03
 *
 * Owner: the daemon. Control thread. Pure: time is the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	HEALTH_CHECKER_MS = 10000, /* who asked within that asks again */
	HEALTH_WITHDRAW_S = 5,     /* how long routes take to go, unless told otherwise */
};

struct health {
	uint64_t checked_ms; /* the last check; 0: nobody ever did */
	bool draining, refusing;
	uint64_t began_ms;    /* of draining */
	uint64_t withdraw_ms; /* how long new devices are answered after a check failed */
	uint64_t heard_ms;    /* when a check was told so; 0: not yet */
};

/* A check asks now. */
void health_checked(struct health *health, uint64_t now_ms);
/* `drain`; true: new devices are to be refused at once, as nobody checks. */
bool health_drain(struct health *health, uint64_t withdraw_ms, uint64_t now_ms);
void health_undrain(struct health *health);
/* Whether it is time to refuse new devices, and that was not said before; then it counts as done. */
bool health_must_refuse(struct health *health, uint64_t now_ms);
