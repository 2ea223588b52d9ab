#include "tasks/content/decode.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "tasks/content/decode_internal.h"

static int
compare_records(const void *a, const void *b)
{
	const struct lwm2m_path *left = &((const struct lwm2m_record *)a)->path;
	const struct lwm2m_path *right = &((const struct lwm2m_record *)b)->path;

	if (left->object != right->object)
		return left->object < right->object ? -1 : 1;
	if (left->instance != right->instance)
		return left->instance < right->instance ? -1 : 1;
	if (left->resource != right->resource)
		return left->resource < right->resource ? -1 : 1;
	return (left->resource_instance > right->resource_instance) -
	       (left->resource_instance < right->resource_instance);
}

static bool
decode_format(struct decoder *decoder)
{
	switch (decoder->input->format) {
	case FORMAT_TLV:
		return tlv_decode(decoder);
	case FORMAT_SENML_CBOR:
		return senml_cbor_decode(decoder);
	case FORMAT_SENML_JSON:
		return senml_json_decode(decoder);
	case FORMAT_LWM2M_CBOR:
		return lwm2m_cbor_decode(decoder);
	case FORMAT_TEXT:
		return text_decode(decoder);
	case FORMAT_OPAQUE:
		return opaque_decode(decoder);
	case FORMAT_CBOR:
		return cbor_decode(decoder);
	case FORMAT_LINK:
		break;
	}
	return decoder_fail(decoder, -ENOTSUP);
}

int
content_decode(const struct decode_input *input, struct arena *arena, struct lwm2m_records *records)
{
	struct decoder decoder = { .input = input, .arena = arena };

	*records = (struct lwm2m_records){ 0 };
	if (!decode_format(&decoder))
		return decoder.error ? decoder.error : -EBADMSG;
	assert(!decoder.error && decoder.count <= DECODE_RECORDS_MAX);
	if (!decoder.count)
		return 0;
	qsort(decoder.records, decoder.count, sizeof *decoder.records, compare_records);
	if (!lwm2m_records_valid(&input->target, decoder.records, decoder.count))
		return -EBADMSG; /* one comes twice, or a resource with and without instances */
	*records = (struct lwm2m_records){ decoder.records, decoder.count };
	return 0;
}
