/*
 * feed.h - what happens, for whoever watches: the newest events of each kind, in rings of their own.
 *
 * A ring a kind, so that a storm of sessions pushes no rejected device out. Each reader keeps its own places in the rings:
 * one that is too slow loses events and can tell how many, and costs nothing. Nothing is recorded while nobody watches.
 *
 * Owner: the service. Control thread. Allocates when somebody begins to watch.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/runs/reports.h"
#include "dataplane/dataplane.h"

enum feed_kind {
	FEED_REPORT,
	FEED_SESSION,
	FEED_UNKNOWN,
	FEED_REJECTED,
	FEED_GENERATION,
	FEED_KINDS,
};

enum feed_session { FEED_STARTED, FEED_FINISHED, FEED_FAILED, FEED_REFUSED, FEED_CANCELLED };

enum { FEED_KEPT = 1024 }; /* of each kind */

struct feed_event {
	uint64_t order; /* among those of all kinds */
	uint64_t at_ms; /* wall clock */
	enum feed_kind kind;
	uint32_t device;      /* number of the inventory; not of FEED_UNKNOWN, FEED_GENERATION */
	struct report report; /* FEED_REPORT */
	struct peer peer;     /* FEED_SESSION, FEED_UNKNOWN, FEED_REJECTED */
	uint32_t number;      /* FEED_SESSION: the worker; FEED_GENERATION: its number */
	uint8_t what;    /* FEED_SESSION: enum feed_session; FEED_REJECTED: enum session_cause */
	uint8_t verdict; /* FEED_REJECTED: enum ec_verdict */
	uint8_t name_len;
	uint8_t name[96]; /* FEED_UNKNOWN; FEED_REJECTED: what it asked as; cut */
};

struct feed {
	struct feed_event *rings[FEED_KINDS]; /* FEED_KEPT each; NULL: nobody has watched yet */
	uint64_t next[FEED_KINDS];            /* the number of the next event of each kind */
	uint64_t order;
	unsigned readers;
};

/* Where a reader is; those kinds whose bit is set in `kinds`. */
struct feed_reader {
	unsigned kinds;
	uint64_t next[FEED_KINDS];
};

void feed_fini(struct feed *feed);

/* From now on. False: out of memory. */
bool feed_open(struct feed *feed, struct feed_reader *reader, unsigned kinds);
void feed_close(struct feed *feed, struct feed_reader *reader);
/* The oldest event that the reader has not got yet; NULL: it has all. *missed grows by what was too old. */
const struct feed_event *feed_read(const struct feed *feed, struct feed_reader *reader,
				   uint64_t *missed);

/* Whether the reader would get one. */
bool feed_has_news(const struct feed *feed, const struct feed_reader *reader);
/* Of each kind the reader gets the newest `kept` at most; *missed grows by the others. */
void feed_skip(const struct feed *feed, struct feed_reader *reader, unsigned kept,
	       uint64_t *missed);

/* Takes a copy; `order` is set here. Does nothing while nobody watches. */
void feed_put(struct feed *feed, const struct feed_event *event);
