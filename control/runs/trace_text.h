/*
 * trace_text.h - one record of a trace as text: a CoAP message decoded, or what happened.
 *
 * Pure but for the text. What a peer sent never misleads a terminal.
 */
#pragma once

#include "control/runs/trace.h"

/* Appends all of the line but its time and line break. `formatter` NULL: lengths of payloads alone. */
void trace_text_put(const struct trace_record *record, trace_payload_formatter *formatter,
		    void *ctx, struct text *out);
