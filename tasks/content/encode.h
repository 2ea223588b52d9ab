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

#include "tasks/coap_numbers.h"
#include "tasks/content/records.h"
#include "tasks/value.h"

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
