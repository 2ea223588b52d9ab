/*
 * audit.h - who changed what, so that it can be proven: a file with a line for each change, chained by SHA-256.
 *
 * A line is a JSON object, in this order of members:
 *
 *	{"seq":7,"time":"2026-01-31T12:00:00.123Z","by":{"uid":0,"pid":41,"actor":"anna"},"command":["group","add","root.x"],
 *	 "outcome":"done","before":null,"after":{...},"prev":"HASH OF LINE 6","hash":"..."}
 *
 * "hash" is SHA-256, in hex, over the bytes of the line before `,"hash"`; "prev" of the first line is 64 zeros. Whoever
 * changes, removes or inserts a line must make all later ones anew; that those are the ones that were written is
 * told elsewhere, in the log ("anchors"). What is secret is masked by whoever tells it.
 *
 * Appended by the control thread, which does not wait for the disk: a thread syncs the file behind it. Mode 0600; it
 * only grows, and who moves it away begins a new chain at the next start. Owner: whoever opened it. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

enum { AUDIT_ERROR_MAX = 512, AUDIT_HASH_MAX = 65 };

struct audit;

/* A change. The references are borrowed. */
struct audit_event {
	uint64_t time_ms; /* wall clock */
	int64_t uid, pid; /* who asked; -1: nobody, but for a signal or ourselves */
	const char *actor;   /* the person, where a program asked on behalf of one; NULL: none */
	const json_t *command; /* array of words, secrets masked */
	bool done;
	const char *error; /* why not; NULL: nothing to say */
	const json_t *before, *after; /* of what was changed, secrets masked; NULL: not told */
};

/*
 * Opens it or makes it, and takes up the chain at its last line; a last line that was cut stays, and the
 * chain goes on from the one before. NULL and a sentence with the remedy.
 */
struct audit *audit_open(const char *path, char error[AUDIT_ERROR_MAX]);
void audit_close(struct audit *audit); /* NULL: nothing */

/* 0; or -errno, and audit_info() says why until an append goes through. */
int audit_append(struct audit *audit, const struct audit_event *event);
/* Whether an append would go through, as far as one can tell: after a failure it is tried with no bytes. */
bool audit_works(struct audit *audit);

struct audit_info {
	const char *path;
	uint64_t seq;              /* of the last line; 0: none */
	char hash[AUDIT_HASH_MAX]; /* of it */
	char error[AUDIT_ERROR_MAX]; /* why the last append failed; "": it did not */
};
void audit_info(const struct audit *audit, struct audit_info *info);
/* True when the last line is to be told in the log, now and then: each is told once. */
bool audit_wants_anchor(struct audit *audit, uint64_t now_ms);
