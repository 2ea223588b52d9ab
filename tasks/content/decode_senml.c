/* decode_senml.c - what records of SenML mean to LwM2M, in either encoding (RFC 8428 4, OMA TS Core 7.4.4). */
#include <string.h>

#include "tasks/content/decode_internal.h"

enum { NAME_MAX = sizeof "/65535/65535/65535/65535" };

void
senml_record_begin(struct senml_record *record)
{
	record->has_base = record->has_name = record->has_value = false;
	record->name.at = "";
	record->name.len = 0;
}

bool
senml_record_base(struct senml_record *record, const char *at, size_t len)
{
	if (record->has_base)
		return false;
	record->has_base = true;
	record->base.at = at;
	record->base.len = len;
	return true;
}

bool
senml_record_name(struct senml_record *record, const char *at, size_t len)
{
	if (record->has_name)
		return false;
	record->has_name = true;
	record->name.at = at;
	record->name.len = len;
	return true;
}

bool
senml_record_value(struct senml_record *record, const struct wire_value *value)
{
	if (record->has_value)
		return false;
	record->has_value = true;
	record->value = *value;
	return true;
}

/* Base and name together are the path, from its first slash on (RFC 8428 4.5.1). */
bool
senml_record_end(struct decoder *decoder, const struct senml_record *record)
{
	size_t len = record->base.len + record->name.len;
	struct lwm2m_path path;
	char name[NAME_MAX];

	if (!record->has_value || !len || len > sizeof name)
		return false;
	if (record->base.len)
		memcpy(name, record->base.at, record->base.len);
	if (record->name.len)
		memcpy(name + record->base.len, record->name.at, record->name.len);
	return *name == '/' && decode_path(name, len, &path) &&
	       decoder_add_wire(decoder, &path, &record->value);
}
