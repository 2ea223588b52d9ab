/*
 * encode.h - LwM2M records to the bytes of a content format (PROTOCOL facts: OMA TS Core 7.4).
 *
 * One file a format: tlv.c, senml_cbor.c, senml_json.c, lwm2m_cbor.c, text.c (text, opaque, CBOR of one
 * value). Pure functions; nothing allocates: output goes to a caller's bounded buffer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tasks/value.h"

/* CoAP Content-Formats (IANA registry; OMA TS Core table 7.4). */
enum content_format {
	FORMAT_TEXT = 0,
	FORMAT_LINK = 40,
	FORMAT_OPAQUE = 42,
	FORMAT_CBOR = 60,
	FORMAT_SENML_JSON = 110,
	FORMAT_SENML_CBOR = 112,
	FORMAT_TLV = 11542,
	FORMAT_LWM2M_CBOR = 11544,
};

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

/*
 * Encodes `count` records (sorted by path, all below `target`) as the payload of a write to `target`,
 * an object, an instance, a resource or a resource instance; the formats that carry whole paths also
 * take all objects, a Bootstrap-Pack.
 * Returns 0; -EMSGSIZE when the output is full; -EINVAL when the format cannot carry these records
 * (for example text with several values); -ENOTSUP for a format that is none of enum content_format.
 */
int content_encode(enum content_format format, const struct lwm2m_path *target,
		   const struct lwm2m_record *records, size_t count, struct bytes_out *out)
	__attribute__((warn_unused_result));

/* The formats one by one, same contract. */
int tlv_encode(const struct lwm2m_path *target, const struct lwm2m_record *records, size_t count,
	       struct bytes_out *out);
int senml_cbor_encode(const struct lwm2m_path *target, const struct lwm2m_record *records,
		      size_t count, struct bytes_out *out);
int senml_json_encode(const struct lwm2m_path *target, const struct lwm2m_record *records,
		      size_t count, struct bytes_out *out);
int lwm2m_cbor_encode(const struct lwm2m_path *target, const struct lwm2m_record *records,
		      size_t count, struct bytes_out *out);
int text_encode(const struct lwm2m_record *record, struct bytes_out *out);
int opaque_encode(const struct lwm2m_record *record, struct bytes_out *out);
int cbor_encode(const struct lwm2m_record *record, struct bytes_out *out);
