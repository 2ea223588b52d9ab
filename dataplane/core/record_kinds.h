/*
 * record_kinds.h - what passes from one process to the next (record.h): the kinds of records.
 *
 * Numbers are for good. What a field means stands where the record is written: a worker's in
 * stack_save.c, the control side's in control/runs/.
 */
#pragma once

enum passed_kind {
	/* A worker's file. */
	PASSED_CLOCK = 1,    /* the writer's clocks, so that times mean something here */
	PASSED_LISTENER = 2, /* one that sessions name: its address, port and security */
	PASSED_WORKER = 3,   /* counters and secrets of a stack */
	PASSED_SESSION =
		4, /* a peer with its exchange, its run and its association, by rising slots */
	PASSED_HANDSHAKE = 5, /* of the session before it */
	PASSED_UNPINNED = 6,  /* a session that may be evicted, the oldest first */
	PASSED_CERTIFIED = 7, /* a handshake with certificates, of the session before it */
	PASSED_PORT = 8,      /* a port, and its address */

	/* The control side's file. */
	PASSED_SUMMARY = 32,
	PASSED_BATCH = 33,
	PASSED_STEP = 34, /* of the batch before it */
	PASSED_PLAN = 35,
	PASSED_PLAN_TASK = 36, /* of the plan before it */
	PASSED_LIVE = 37,      /* a device that bootstraps now */
	PASSED_ANSWER = 38,    /* of a device, to the live session before it */
	PASSED_EFFECT = 39,    /* on the inventory, of the live session before it */
	PASSED_JOURNAL =
		40, /* a report, a visit or an unknown device that is not in the store yet */
	PASSED_DEVICE = 41,        /* one that the store has otherwise */
	PASSED_TRUST = 42,         /* which certificates were taken by */
	PASSED_CREDENTIALS = 43,   /* that the run of the live session before it made ... */
	PASSED_CREDENTIAL = 44,    /* ... each of them ... */
	PASSED_MESSAGE = 45,       /* ... and each message of one that is in the store */
	PASSED_MEMBER = 46,        /* of a cluster: up to where its reports are in the database */
	PASSED_MEMBER_REPORT = 47, /* one that is not there, or may be */
	PASSED_MEMBER_EDIT = 48,   /* one of its own that comes back */
	PASSED_MEMBER_HEARD = 49,  /* up to where another's reports are here */
	PASSED_MEMBER_UNSENT = 50, /* a device that changed here, and not in the database */
};
