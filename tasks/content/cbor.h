/*
 * cbor.h - the few CBOR items that the content formats need (RFC 8949), in preferred serialization.
 *
 * Pure; output goes to the bounded buffer of encode.h.
 */
#pragma once

#include "tasks/content/encode.h"

/* Major types (RFC 8949 3.1). */
enum cbor_major {
	CBOR_UNSIGNED = 0,
	CBOR_NEGATIVE = 1,
	CBOR_BYTES = 2,
	CBOR_TEXT = 3,
	CBOR_ARRAY = 4,
	CBOR_MAP = 5,
};

/* The head of an item: its type with the shortest argument. */
void cbor_head(struct bytes_out *out, enum cbor_major major, uint64_t argument);
void cbor_integer(struct bytes_out *out, int64_t value);
void cbor_string(struct bytes_out *out, enum cbor_major major, const void *bytes, size_t len);
void cbor_boolean(struct bytes_out *out, bool value);
void cbor_double(struct bytes_out *out, double value);
/* The shortest of half, single and double that keeps the value (RFC 8949 4.1). */
void cbor_shortest_real(struct bytes_out *out, double value);
/* "object:instance" as text: the form of an object link (OMA TS Core 7.4.5, 7.4.6). */
void cbor_link(struct bytes_out *out, uint16_t object, uint16_t instance);
