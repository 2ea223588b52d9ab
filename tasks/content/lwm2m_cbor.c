/*
 * lwm2m_cbor.c - application/vnd.oma.lwm2m+cbor (OMA TS Core 7.4.6).
 *
 * The format leaves much freedom; this is the one form that we write. Below an object or deeper, ids that have
 * no sibling share one array key, as in the OMA examples: {[0,2]: {0: .., 1: ..}}, {[3,0,0]: ..},
 * {[2,5]: {[2,102]: 0}}. For all objects (a Bootstrap-Pack) every level is a map of its own:
 * {0: {2: {..}}, 1: {1: {..}}}. Maps and arrays have definite lengths, a time has no tag.
 */
#include "tasks/content/encode.h"

#include <errno.h>

#include "tasks/content/cbor.h"

/* Levels of a path, from the object down. */
enum { LEVEL_OBJECT, LEVEL_INSTANCE, LEVEL_RESOURCE, LEVEL_RESOURCE_INSTANCE, LEVELS };

static int32_t
path_id(const struct lwm2m_path *path, int level)
{
	switch (level) {
	case LEVEL_OBJECT:
		return path->object;
	case LEVEL_INSTANCE:
		return path->instance;
	case LEVEL_RESOURCE:
		return path->resource;
	case LEVEL_RESOURCE_INSTANCE:
		return path->resource_instance;
	default:
		return -1;
	}
}

/* How many of the records share the first one's id at this level; those above they share anyway. */
static size_t
group_count(const struct lwm2m_record *records, size_t count, int level)
{
	size_t n = 1;

	while (n < count && path_id(&records[n].path, level) == path_id(&records->path, level))
		n++;
	return n;
}

static size_t
count_groups(const struct lwm2m_record *records, size_t count, int level)
{
	size_t groups = 0;

	for (size_t i = 0; i < count; i += group_count(records + i, count - i, level))
		groups++;
	return groups;
}

int
cbor_encode(const struct lwm2m_record *record, struct bytes_out *out)
{
	const struct lwm2m_value *value = &record->value;

	switch (value->type) {
	case LWM2M_STRING:
	case LWM2M_CORELNK:
		cbor_string(out, CBOR_TEXT, value->bytes.at, value->bytes.len);
		break;
	case LWM2M_OPAQUE:
		cbor_string(out, CBOR_BYTES, value->bytes.at, value->bytes.len);
		break;
	case LWM2M_INTEGER:
	case LWM2M_TIME:
		cbor_integer(out, value->integer);
		break;
	case LWM2M_UNSIGNED:
		cbor_head(out, CBOR_UNSIGNED, value->number);
		break;
	case LWM2M_FLOAT:
		cbor_shortest_real(out, value->real);
		break;
	case LWM2M_BOOLEAN:
		cbor_boolean(out, value->boolean);
		break;
	case LWM2M_OBJLNK:
		cbor_link(out, value->link.object, value->link.instance);
		break;
	case LWM2M_NONE:
		return -EINVAL;
	}
	return out->overflow ? -EMSGSIZE : 0;
}

/* The level down to which a group's ids have no sibling, so that they fit one key. */
static int
key_end(const struct lwm2m_record *records, size_t count, int level)
{
	while (level + 1 < LEVELS && path_id(&records->path, level + 1) >= 0 &&
	       group_count(records, count, level + 1) == count)
		level++;
	return level;
}

static void
put_key(struct bytes_out *out, const struct lwm2m_path *path, int first, int last)
{
	if (last > first)
		cbor_head(out, CBOR_ARRAY, (uint64_t)(last - first + 1));
	for (int level = first; level <= last; level++)
		cbor_head(out, CBOR_UNSIGNED, (uint64_t)path_id(path, level));
}

/* Recursion ends at the lowest level of a path, four deep. */
static void
put_map(struct bytes_out *out, const struct lwm2m_record *records, size_t count, int level,
	bool join_keys)
{
	size_t n;

	cbor_head(out, CBOR_MAP, count_groups(records, count, level));
	for (size_t i = 0; i < count; i += n) {
		const struct lwm2m_record *group = records + i;
		int last = level;

		n = group_count(group, count - i, level);
		if (join_keys)
			last = key_end(group, n, level);
		put_key(out, &group->path, level, last);
		if (path_id(&group->path, last + 1) < 0)
			(void)cbor_encode(group, out); /* an overflow is sticky */
		else
			put_map(out, group, n, last + 1, join_keys);
	}
}

int
lwm2m_cbor_encode(const struct lwm2m_path *target, const struct lwm2m_record *records, size_t count,
		  struct bytes_out *out)
{
	if (!lwm2m_records_valid(target, records, count))
		return -EINVAL;
	put_map(out, records, count, LEVEL_OBJECT, target->object >= 0);
	return out->overflow ? -EMSGSIZE : 0;
}
