/*
 * tlv.c - application/vnd.oma.lwm2m+tlv (OMA TS Core 7.4.3).
 *
 *	 7 6   5    4 3    2 1 0
 *	+----+----+------+-------+------------+--------------------+---------+
 *	|type| id |length|length | id (1 or 2)| length (0,1,2 or 3)| value   |
 *	|    | 16 |field | if < 8|            |                    |         |
 *	+----+----+------+-------+------------+--------------------+---------+
 *
 * The length stands before the value, so each container is measured before it is written: a second
 * walk over the records is cheaper than moving what was written.
 */
#include "tasks/content/encode.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum tlv_type {
	TLV_OBJECT_INSTANCE = 0,
	TLV_RESOURCE_INSTANCE = 1,
	TLV_MULTIPLE_RESOURCE = 2,
	TLV_RESOURCE = 3,
};

enum { TLV_VALUE_MAX = 0xffffff };

/* Two's complement in the fewest of 1, 2, 4 and 8 bytes. */
static size_t
integer_len(int64_t value)
{
	if (value == (int8_t)value)
		return 1;
	if (value == (int16_t)value)
		return 2;
	return value == (int32_t)value ? 4 : 8;
}

static size_t
unsigned_len(uint64_t value)
{
	if (value <= UINT8_MAX)
		return 1;
	if (value <= UINT16_MAX)
		return 2;
	return value <= UINT32_MAX ? 4 : 8;
}

static size_t
value_len(const struct lwm2m_value *value)
{
	switch (value->type) {
	case LWM2M_INTEGER:
	case LWM2M_TIME:
		return integer_len(value->integer);
	case LWM2M_UNSIGNED:
		return unsigned_len(value->number);
	case LWM2M_FLOAT:
		return 8;
	case LWM2M_BOOLEAN:
		return 1;
	case LWM2M_OBJLNK:
		return 4;
	default:
		return value->bytes.len;
	}
}

static size_t
header_len(int32_t id, size_t len)
{
	size_t length_field = len < 8 ? 0 : len <= UINT8_MAX ? 1 : len <= UINT16_MAX ? 2 : 3;

	return 1 + (id > UINT8_MAX ? 2 : 1) + length_field;
}

static void
put_be(struct bytes_out *out, uint64_t value, size_t len)
{
	uint8_t bytes[8];

	assert(len <= sizeof bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
	bytes_out_put(out, bytes, len);
}

static void
put_header(struct bytes_out *out, enum tlv_type type, int32_t id, size_t len)
{
	bool wide_id = id > UINT8_MAX;
	size_t length_field = header_len(id, len) - 1 - (wide_id ? 2 : 1);

	assert(id >= 0 && id <= UINT16_MAX); /* lwm2m_records_valid() has seen it */
	if (len > TLV_VALUE_MAX) {
		out->overflow = true;
		return;
	}
	bytes_out_u8(out, (uint8_t)((unsigned)type << 6 | (unsigned)wide_id << 5 |
				    length_field << 3 | (length_field ? 0 : len)));
	put_be(out, (uint64_t)id, wide_id ? 2 : 1);
	put_be(out, len, length_field);
}

static void
put_value(struct bytes_out *out, const struct lwm2m_value *value, size_t len)
{
	uint64_t bits;

	switch (value->type) {
	case LWM2M_INTEGER:
	case LWM2M_TIME:
		put_be(out, (uint64_t)value->integer, len);
		return;
	case LWM2M_UNSIGNED:
		put_be(out, value->number, len);
		return;
	case LWM2M_FLOAT:
		memcpy(&bits, &value->real, sizeof bits);
		put_be(out, bits, len);
		return;
	case LWM2M_BOOLEAN:
		bytes_out_u8(out, value->boolean);
		return;
	case LWM2M_OBJLNK:
		put_be(out, (uint64_t)value->link.object << 16 | value->link.instance, len);
		return;
	default:
		bytes_out_put(out, value->bytes.at, len);
	}
}

static size_t
leaf_size(int32_t id, const struct lwm2m_value *value)
{
	size_t len = value_len(value);

	return header_len(id, len) + len;
}

static void
put_leaf(struct bytes_out *out, enum tlv_type type, int32_t id, const struct lwm2m_value *value)
{
	size_t len = value_len(value);

	put_header(out, type, id, len);
	put_value(out, value, len);
}

/* How many of the records belong to the first one's resource. */
static size_t
resource_count(const struct lwm2m_record *records, size_t count)
{
	size_t n = 1;

	while (n < count && records[n].path.resource == records->path.resource &&
	       records[n].path.instance == records->path.instance)
		n++;
	return n;
}

static size_t
instance_count(const struct lwm2m_record *records, size_t count)
{
	size_t n = 1;

	while (n < count && records[n].path.instance == records->path.instance)
		n++;
	return n;
}

static size_t
resource_instances_size(const struct lwm2m_record *records, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += leaf_size(records[i].path.resource_instance, &records[i].value);
	return size;
}

static size_t
resources_size(const struct lwm2m_record *records, size_t count)
{
	size_t size = 0, n, inner;

	for (size_t i = 0; i < count; i += n) {
		int32_t id = records[i].path.resource;

		n = resource_count(records + i, count - i);
		if (records[i].path.resource_instance < 0) {
			size += leaf_size(id, &records[i].value);
			continue;
		}
		inner = resource_instances_size(records + i, n);
		size += header_len(id, inner) + inner;
	}
	return size;
}

static void
put_resource_instances(struct bytes_out *out, const struct lwm2m_record *records, size_t count)
{
	for (size_t i = 0; i < count; i++)
		put_leaf(out, TLV_RESOURCE_INSTANCE, records[i].path.resource_instance,
			 &records[i].value);
}

/* A resource with instances is a Multiple Resource even when it has one (7.4.3.1). */
static void
put_resources(struct bytes_out *out, const struct lwm2m_record *records, size_t count)
{
	size_t n;

	for (size_t i = 0; i < count; i += n) {
		int32_t id = records[i].path.resource;

		n = resource_count(records + i, count - i);
		if (records[i].path.resource_instance < 0) {
			put_leaf(out, TLV_RESOURCE, id, &records[i].value);
			continue;
		}
		put_header(out, TLV_MULTIPLE_RESOURCE, id, resource_instances_size(records + i, n));
		put_resource_instances(out, records + i, n);
	}
}

static void
put_instances(struct bytes_out *out, const struct lwm2m_record *records, size_t count)
{
	size_t n;

	for (size_t i = 0; i < count; i += n) {
		n = instance_count(records + i, count - i);
		put_header(out, TLV_OBJECT_INSTANCE, records[i].path.instance,
			   resources_size(records + i, n));
		put_resources(out, records + i, n);
	}
}

int
tlv_encode(const struct lwm2m_path *target, const struct lwm2m_record *records, size_t count,
	   struct bytes_out *out)
{
	/* A TLV has no place for an object id, so it can't describe all objects. */
	if (target->object < 0 || !lwm2m_records_valid(target, records, count))
		return -EINVAL;
	if (target->instance < 0)
		put_instances(out, records, count);
	else if (target->resource_instance < 0)
		put_resources(out, records, count);
	else
		put_resource_instances(out, records, count);
	return out->overflow ? -EMSGSIZE : 0;
}
