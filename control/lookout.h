/*
 * lookout.h - a thread that sees when the control thread does not go on, and says where it is.
 *
 * A control thread that waits for something which does not come answers nobody and logs nothing: not `status`, and
 * no SIGTERM. What it does it notes here before it begins; a thread of its own looks once a second, and when the same
 * has lasted for 10 s it logs what that is, what the kernel says of the thread (state, where it waits, how much of the
 * time it computed), and the same of all other threads, one of which may be what is waited for. A look that itself
 * came many seconds late tells of a machine that stood still.
 *
 * Owner: the daemon. lookout_enter() is the watched thread's: two stores, no lock, nothing allocated. The rest is for
 * whoever made it, in the watched thread, too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct lookout;

struct lookout_times {
	uint64_t beat_ms;     /* between two looks */
	uint64_t patience_ms; /* the same thing for so long is a stall */
};

#define LOOKOUT_TIMES ((struct lookout_times){ 1000, 10000 })

/* Watches the thread that calls; NULL: there is no memory or no thread for it. */
struct lookout *lookout_new(struct lookout_times times);
/* The watched thread begins this, or goes on with it: a static text. NULL: it waits for events, as long as it
 * likes. Without a lookout nothing happens. */
void lookout_enter(struct lookout *lookout, const char *doing);
/* Goes on with what it does. */
void lookout_goes_on(struct lookout *lookout);
void lookout_free(struct lookout *lookout);

/* ---- the judgement, pure ---- */

struct lookout_view {
	uint64_t serial;   /* of what was begun last */
	uint64_t since_ms; /* when this serial was seen first */
	uint64_t last_ms;  /* of the last look */
	bool told;         /* that it lasts */
};

enum lookout_verdict {
	LOOKOUT_FINE,
	LOOKOUT_STUCK,       /* told once */
	LOOKOUT_GOES_ON,     /* after it was told */
	LOOKOUT_STOOD_STILL, /* the look itself is late: of nobody else can be said how long it took */
};

/* `lasted_ms`: of what the verdict is about. */
enum lookout_verdict lookout_judge(struct lookout_view *view, const struct lookout_times *times,
				   bool busy, uint64_t serial, uint64_t now_ms,
				   uint64_t *lasted_ms);
