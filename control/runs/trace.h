/*
 * trace.h - following the dialogue of chosen devices, as lines for people.
 *
 * Life: traces_new() -> { traces_start() -> trace_format()* -> traces_stop() }* -> traces_free(). What workers have
 * recorded comes in with traces_poll(), which belongs into the control loop (or into a command that waits): the
 * workers' ring holds some hundred messages, and what finds no room is lost and counted.
 *
 * Payloads hold keys: of them the length is shown, unless a formatter of the caller's makes a text that masks them.
 *
 * Owner: the control loop. One thread. Allocates; does not block. Records are wiped once shown.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "control/text.h"
#include "dataplane/dataplane.h"

enum {
	TRACE_KEPT = 256
}; /* records of one trace that wait to be shown; newer ones are lost and counted */

struct traces;
struct trace;

struct traces *traces_new(struct dataplane *dp);
void traces_free(struct traces *traces);

/*
 * Begins to trace a device, by its directory id. NULL and *error: -ENOSPC when TRACED_MAX devices are traced already,
 * -EAGAIN when a mailbox is full, -ENOMEM. Two traces of one device are two views of it.
 */
struct trace *traces_start(struct traces *traces, uint32_t device, enum trace_wish wish,
			   int *error);
/* Who gets records of datagrams and secrets, which are shown to nobody. */
void traces_set_sink(struct traces *traces,
		     void (*sink)(void *ctx, const struct trace_record *record), void *ctx);
void traces_stop(struct traces *traces, struct trace *trace);

/* Takes what the workers have recorded. Returns how many records came. */
unsigned traces_poll(struct traces *traces);

/* What a payload formatter gets. */
struct trace_payload {
	uint32_t device;
	uint8_t code;     /* of the message: a method or a response */
	const char *path; /* of a request, "/0/2"; "" of a response */
	uint16_t step;    /* index into the batch's steps; TRACE_NO_STEP: none */
	int format;       /* Content-Format, -1: none given */
	const uint8_t *bytes;
	size_t len, whole; /* bytes at hand, and of the message's payload */
};

/* Appends how a payload is shown, within the line. NULL stands for "payload N bytes". */
typedef void trace_payload_formatter(void *ctx, const struct trace_payload *payload,
				     struct text *out);

/*
 * Shows the records that wait, one a line, and forgets them; returns how many.
 *
 *	+0.000000 s  10.0.0.1:5000 -> CON POST /bs?ep=dev-0001, mid 0x1234, token c08e9be1
 *	+0.000012 s  10.0.0.1:5000 <- ACK 2.04 Changed, mid 0x1234, token c08e9be1
 *	+0.000013 s  10.0.0.1:5000 <- CON PUT /0/2, mid 0xa1a1, token 6fa0b2, format 11542 (TLV), step 1, payload 66 bytes
 *
 * Before the first line stands when that was, by the clock on the wall. Times count from the
 * trace's first record; "->" is from the device, "<-" from us; steps from 1. What was lost is told
 * in a line of its own.
 */
unsigned trace_format(struct trace *trace, trace_payload_formatter *formatter, void *ctx,
		      struct text *out);
/* The same for machines: an array of {"wall_ms":..,"t_us":..,"line":..}, the line without time. */
json_t *trace_json(struct trace *trace, trace_payload_formatter *formatter, void *ctx);
/* How many were lost, and forgets it: trace_format() tells it by itself. */
uint64_t trace_take_lost(struct trace *trace);
