/* decode_internal.h - the formats one by one, for decode*.c alone. */
#pragma once

#include "tasks/content/decoder.h"

bool tlv_decode(struct decoder *decoder);
bool senml_cbor_decode(struct decoder *decoder);
bool senml_json_decode(struct decoder *decoder);
bool lwm2m_cbor_decode(struct decoder *decoder);
bool text_decode(struct decoder *decoder);
bool opaque_decode(struct decoder *decoder);
bool cbor_decode(struct decoder *decoder);

/* ---- SenML: a record of a pack, field by field ---- */

struct senml_record {
	bool has_base, has_name, has_value;
	struct {
		const char *at;
		size_t len;
	} base, name; /* the base stays for the records behind */
	struct wire_value value;
};

/* Before a record's fields: what stays is its base name. */
void senml_record_begin(struct senml_record *record);
/* The fields of RFC 8428 that mean something to LwM2M; false when one comes twice. */
bool senml_record_base(struct senml_record *record, const char *at, size_t len);
bool senml_record_name(struct senml_record *record, const char *at, size_t len);
bool senml_record_value(struct senml_record *record, const struct wire_value *value);
/* Behind a record's fields: adds what it says. */
bool senml_record_end(struct decoder *decoder, const struct senml_record *record);
