/* records.c - which records an encoder takes. */
#include "tasks/content/records.h"

void
bytes_out_init(struct bytes_out *out, uint8_t *at, size_t size)
{
	*out = (struct bytes_out){ .at = at, .size = size };
}

static bool
path_is_below(const struct lwm2m_path *path, const struct lwm2m_path *target)
{
	return (target->object < 0 || target->object == path->object) &&
	       (target->instance < 0 || target->instance == path->instance) &&
	       (target->resource < 0 || target->resource == path->resource) &&
	       (target->resource_instance < 0 ||
		target->resource_instance == path->resource_instance);
}

static bool
path_is_a_value(const struct lwm2m_path *path)
{
	return path->object >= 0 && path->object <= UINT16_MAX && path->instance >= 0 &&
	       path->instance <= UINT16_MAX && path->resource >= 0 &&
	       path->resource <= UINT16_MAX && path->resource_instance >= -1 &&
	       path->resource_instance <= UINT16_MAX;
}

/* Strictly ascending; a resource without instances beside one with them is no order either. */
static bool
path_precedes(const struct lwm2m_path *a, const struct lwm2m_path *b)
{
	if (a->object != b->object)
		return a->object < b->object;
	if (a->instance != b->instance)
		return a->instance < b->instance;
	if (a->resource != b->resource)
		return a->resource < b->resource;
	return a->resource_instance >= 0 && a->resource_instance < b->resource_instance;
}

bool
lwm2m_records_valid(const struct lwm2m_path *target, const struct lwm2m_record *records,
		    size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct lwm2m_record *record = &records[i];

		if (!path_is_a_value(&record->path) || !path_is_below(&record->path, target) ||
		    record->value.type == LWM2M_NONE)
			return false;
		if (i && !path_precedes(&records[i - 1].path, &record->path))
			return false;
	}
	return count > 0;
}
