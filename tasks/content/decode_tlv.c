/*
 * decode_tlv.c - application/vnd.oma.lwm2m+tlv (OMA TS Core 7.4.3; tlv.c draws an entry).
 *
 * Read as the specification allows to write it: lengths and integers need not be minimal, and the wrapper of an
 * instance that the target names already is optional. Entries nest three deep, so recursion is bounded.
 */
#include <errno.h>
#include <string.h>

#include "tasks/content/decode_internal.h"
#include "tasks/utf8.h"

enum tlv_type {
	TLV_OBJECT_INSTANCE = 0,
	TLV_RESOURCE_INSTANCE = 1,
	TLV_MULTIPLE_RESOURCE = 2,
	TLV_RESOURCE = 3,
};

struct tlv {
	enum tlv_type type;
	int32_t id;
	const uint8_t *at;
	size_t len;
};

struct tlv_reader {
	const uint8_t *at, *end;
};

static uint64_t
get_be(const uint8_t *at, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++)
		value = value << 8 | at[i];
	return value;
}

/* The next entry; false when it does not fit. */
static bool
tlv_next(struct tlv_reader *reader, struct tlv *tlv)
{
	uint8_t head = *reader->at++;
	size_t id_len = head & 0x20 ? 2 : 1, len_len = head >> 3 & 3;

	if ((size_t)(reader->end - reader->at) < id_len + len_len)
		return false;
	tlv->type = (enum tlv_type)(head >> 6);
	tlv->id = (int32_t)get_be(reader->at, id_len);
	/* The low bits are the length only when there is no length field. */
	tlv->len = len_len ? (size_t)get_be(reader->at + id_len, len_len) : head & 7u;
	reader->at += id_len + len_len;
	if ((size_t)(reader->end - reader->at) < tlv->len)
		return false;
	tlv->at = reader->at;
	reader->at += tlv->len;
	return true;
}

static bool
is_integer_len(size_t len)
{
	return len == 1 || len == 2 || len == 4 || len == 8;
}

static int64_t
get_signed(const uint8_t *at, size_t len)
{
	return (int64_t)(get_be(at, len) << (64 - 8 * len)) >> (64 - 8 * len);
}

static bool
get_real(const struct tlv *tlv, double *real)
{
	uint64_t bits = tlv->len <= 8 ? get_be(tlv->at, tlv->len) : 0;
	uint32_t short_bits = (uint32_t)bits;
	float single;

	if (tlv->len == 8) {
		memcpy(real, &bits, 8);
		return true;
	}
	memcpy(&single, &short_bits, 4);
	*real = (double)single;
	return tlv->len == 4;
}

/* A value of the type that the registry gives; bytes when it gives none. */
static bool
get_value(const struct tlv *tlv, struct lwm2m_value *value)
{
	switch (value->type) {
	case LWM2M_INTEGER:
	case LWM2M_TIME:
		value->integer = is_integer_len(tlv->len) ? get_signed(tlv->at, tlv->len) : 0;
		return is_integer_len(tlv->len);
	case LWM2M_UNSIGNED:
		value->number = is_integer_len(tlv->len) ? get_be(tlv->at, tlv->len) : 0;
		return is_integer_len(tlv->len);
	case LWM2M_FLOAT:
		return get_real(tlv, &value->real);
	case LWM2M_BOOLEAN:
		value->boolean = tlv->len && *tlv->at;
		return tlv->len == 1 && *tlv->at <= 1;
	case LWM2M_OBJLNK:
		if (tlv->len != 4)
			return false;
		value->link.object = (uint16_t)get_be(tlv->at, 2);
		value->link.instance = (uint16_t)get_be(tlv->at + 2, 2);
		return true;
	case LWM2M_NONE:
		return false;
	default:
		value->bytes.at = tlv->at;
		value->bytes.len = tlv->len;
		return value->type == LWM2M_OPAQUE || utf8_valid((const char *)tlv->at, tlv->len);
	}
}

static bool
add_leaf(struct decoder *decoder, const struct lwm2m_path *path, const struct tlv *tlv)
{
	int type = decoder_type(decoder, path);
	struct lwm2m_value value = { .type = type < 0 ? LWM2M_OPAQUE : (enum lwm2m_type)type };

	return get_value(tlv, &value) && decoder_add(decoder, path, &value);
}

/* Instances of one resource. */
static bool
read_resource_instances(struct decoder *decoder, struct lwm2m_path path, struct tlv_reader reader)
{
	struct tlv tlv;

	while (reader.at < reader.end) {
		if (!tlv_next(&reader, &tlv) || tlv.type != TLV_RESOURCE_INSTANCE)
			return false;
		path.resource_instance = tlv.id;
		if (!add_leaf(decoder, &path, &tlv))
			return false;
	}
	return true;
}

/* Resources of one instance. */
static bool
read_resources(struct decoder *decoder, struct lwm2m_path path, struct tlv_reader reader)
{
	struct tlv tlv;

	while (reader.at < reader.end) {
		if (!tlv_next(&reader, &tlv))
			return false;
		path.resource = tlv.id;
		if (tlv.type == TLV_RESOURCE && !add_leaf(decoder, &path, &tlv))
			return false;
		if (tlv.type == TLV_MULTIPLE_RESOURCE &&
		    !read_resource_instances(decoder, path,
					     (struct tlv_reader){ tlv.at, tlv.at + tlv.len }))
			return false;
		if (tlv.type != TLV_RESOURCE && tlv.type != TLV_MULTIPLE_RESOURCE)
			return false;
	}
	return true;
}

static bool
read_instances(struct decoder *decoder, struct lwm2m_path path, struct tlv_reader reader)
{
	struct tlv tlv;

	while (reader.at < reader.end) {
		if (!tlv_next(&reader, &tlv) || tlv.type != TLV_OBJECT_INSTANCE)
			return false;
		path.instance = tlv.id;
		if (!read_resources(decoder, path, (struct tlv_reader){ tlv.at, tlv.at + tlv.len }))
			return false;
	}
	return true;
}

bool
tlv_decode(struct decoder *decoder)
{
	const struct decode_input *input = decoder->input;
	struct tlv_reader reader = { input->bytes, input->bytes + input->len };
	struct lwm2m_path path = input->target;
	bool wrapped = input->len && *input->bytes >> 6 == TLV_OBJECT_INSTANCE;

	if (path.object < 0)
		return decoder_fail(decoder, -EBADMSG); /* TLV has no place for object ids */
	if (path.instance < 0 || (wrapped && path.resource < 0))
		return read_instances(decoder, path, reader);
	if (path.resource_instance < 0)
		return read_resources(decoder, path, reader);
	return read_resource_instances(decoder, path, reader);
}
