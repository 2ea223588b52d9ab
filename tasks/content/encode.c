#include "tasks/content/encode.h"

#include <errno.h>

/* The formats that carry one value take one record, which is the target itself. */
static int
encode_single(enum content_format format, const struct lwm2m_path *target,
	      const struct lwm2m_record *records, size_t count, struct bytes_out *out)
{
	if (count != 1 || target->resource < 0 || !lwm2m_records_valid(target, records, count) ||
	    records->path.resource_instance != target->resource_instance)
		return -EINVAL;
	if (format == FORMAT_TEXT)
		return text_encode(records, out);
	if (format == FORMAT_OPAQUE)
		return opaque_encode(records, out);
	return cbor_encode(records, out);
}

int
content_encode(enum content_format format, const struct lwm2m_path *target,
	       const struct lwm2m_record *records, size_t count, struct bytes_out *out)
{
	switch (format) {
	case FORMAT_TLV:
		return tlv_encode(target, records, count, out);
	case FORMAT_SENML_CBOR:
		return senml_cbor_encode(target, records, count, out);
	case FORMAT_SENML_JSON:
		return senml_json_encode(target, records, count, out);
	case FORMAT_LWM2M_CBOR:
		return lwm2m_cbor_encode(target, records, count, out);
	case FORMAT_TEXT:
	case FORMAT_OPAQUE:
	case FORMAT_CBOR:
		return encode_single(format, target, records, count, out);
	case FORMAT_LINK: /* describes objects, carries no value */
		return -EINVAL;
	}
	return -ENOTSUP;
}
