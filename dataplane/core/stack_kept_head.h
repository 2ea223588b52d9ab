/*
 * stack_kept_head.h - the first page of the memory that outlives the process: who wrote what stands behind it, and
 * whether that may be taken up.
 *
 * Slots stay where they are, as connection ids name worker and slot, and flows without one are found by a hash. So
 * workers, sessions and listeners must be the same as before, and the key of that hash goes on; else nothing is
 * taken up. It is the same for every version of the program up to `slot_bytes`.
 *
 * Owner: the control thread. Nothing is allocated.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/peer.h"

enum {
	KEPT_AGAIN_MAX = 3, /* processes in a row that took it up and lived for less than ... */
	KEPT_AGAIN_US = 60 * 1000 * 1000,
};

/* What was found there. */
enum kept_found {
	KEPT_FOUND_NOTHING, /* all zero: it is new */
	KEPT_FOUND_GOOD,
	/* What follows must not be taken up. */
	KEPT_FOUND_LAYOUT,   /* another version of the program wrote it */
	KEPT_FOUND_SETTINGS, /* workers, sessions or listeners were others */
	KEPT_FOUND_DAMAGED,
	KEPT_FOUND_PASSED, /* it passed, or was about to pass, to a process that took over */
	KEPT_FOUND_AGAIN,  /* perhaps it is what ends the process */
};
/* What it means, behind "not taken up: ". */
const char *kept_found_text(enum kept_found found);

struct kept_listener {
	uint8_t address[16];
	uint16_t port;
	uint8_t security, pad;
};

/* Under what the slots were written: settings of the process, and secrets of it that they need. */
struct kept_origin {
	char magic[8];
	uint32_t layout, slot_bytes;
	uint32_t workers, sessions, n_listeners, pad;
	struct kept_listener listeners[LISTENERS_MAX];
	uint8_t key[16];  /* of the slots' tags */
	uint8_t flow[16]; /* by which flows are given to workers */
};

struct kept_head {
	struct kept_origin origin;
	uint64_t check;        /* of it */
	_Atomic uint64_t live; /* a word of its own, or nothing of all this counts */
	uint64_t taken_us;     /* CLOCK_MONOTONIC: when it was taken up last ... */
	uint32_t again, pad;   /* ... and how often in a row */
};

/* Everything of `origin` but settings and secrets, which are zero then. */
void kept_origin_init(struct kept_origin *origin);
/* Memory that is all zero is ours from here on; it counts once kept_head_live() says so. */
void kept_head_begin(struct kept_head *head, const struct kept_origin *origin);
/* `ours`: its secrets do not matter. Times are of CLOCK_MONOTONIC. */
enum kept_found kept_head_judge(const struct kept_head *head, const struct kept_origin *ours,
				uint64_t now_us);
/* Before what is there is taken up. */
void kept_head_take(struct kept_head *head, uint64_t now_us);
void kept_head_live(struct kept_head *head, bool live);
