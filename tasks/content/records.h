/*
 * records.h - values with their paths, in the order that every format wants, and the bounded output that encoders write to.
 *
 * Pure; allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tasks/value.h"

/* A bounded output: writes beyond `size` are dropped and set `overflow` for good. */
struct bytes_out {
	uint8_t *at;
	size_t len, size;
	bool overflow;
};

void bytes_out_init(struct bytes_out *out, uint8_t *at, size_t size);

/* Inline: encoders put a byte or a few at a time, for each device. */
static inline void
bytes_out_put(struct bytes_out *out, const void *bytes, size_t len)
{
	if (len > out->size - out->len) {
		out->overflow = true;
		return;
	}
	if (len)
		memcpy(out->at + out->len, bytes, len);
	out->len += len;
}

static inline void
bytes_out_u8(struct bytes_out *out, uint8_t byte)
{
	if (out->len == out->size)
		out->overflow = true;
	else
		out->at[out->len++] = byte;
}

/*
 * True when an encoder can take the records: at least one, each a value at a resource or resource instance
 * below `target`, strictly ascending, and no resource both with and without instances.
 */
bool lwm2m_records_valid(const struct lwm2m_path *target, const struct lwm2m_record *records,
			 size_t count);
