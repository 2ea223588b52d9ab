/*
 * decode.h - the bytes of a content format to LwM2M records (OMA TS Core 7.4), strictly.
 *
 * One file a format, as in encode.h: decode_tlv.c, decode_senml_cbor.c, decode_senml_json.c (they share
 * decode_senml.c), decode_lwm2m_cbor.c, decode_text.c (text, opaque, CBOR of one value). Link-format carries
 * no values: link_format.h. The readers of CBOR and JSON are our own: the formats need flat maps of scalars
 * with exact 64-bit numbers and every byte accounted for, which is less than a tree library and its
 * allocations take to be kept in bounds.
 *
 * Pure; what is made lives in the caller's arena, text and bytes are borrowed from the input where they can be.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tasks/arena.h"
#include "tasks/content/encode.h"
#include "tasks/objects/objects.h"

enum { DECODE_RECORDS_MAX = 4096 };

struct decode_input {
	enum content_format format;
	/* What was read or written: every record must be below. Object -1: everything, a pack. */
	struct lwm2m_path target;
	const uint8_t *bytes;
	size_t len;
	/*
	 * Tells the types of resources; may be NULL. A value of an unknown resource has the type that the format
	 * tells: bytes for TLV and opaque, a string for text; the others distinguish numbers from text.
	 */
	const struct objects *objects;
};

struct lwm2m_records {
	struct lwm2m_record *at; /* strictly ascending by path: content_encode() takes them again */
	size_t count;            /* 0: an object without instances */
};

/*
 * Returns 0; -EBADMSG for what the format or the types of the registry forbid: a length that does not fit, bytes
 * behind the end, a path that is not below the target or comes twice, text that is no UTF-8, a number beyond
 * its type; -E2BIG for more than DECODE_RECORDS_MAX values; -ENOTSUP for link-format and unknown formats;
 * -ENOMEM.
 */
int content_decode(const struct decode_input *input, struct arena *arena,
		   struct lwm2m_records *records) __attribute__((warn_unused_result));
