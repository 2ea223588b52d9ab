#include "tasks/value.h"

#include <string.h>
#include <strings.h>

const char *
value_kind_name(enum value_kind kind)
{
	switch (kind) {
	case VALUE_NULL:
		return "null";
	case VALUE_STRING:
		return "string";
	case VALUE_BYTES:
		return "bytes";
	case VALUE_BOOLEAN:
		return "boolean";
	case VALUE_INTEGER:
		return "integer";
	case VALUE_DOUBLE:
		return "double";
	case VALUE_LIST:
		return "list";
	}
	return "unknown";
}

static const char *const type_names[] = {
	[LWM2M_STRING] = "string", [LWM2M_INTEGER] = "integer", [LWM2M_UNSIGNED] = "unsigned",
	[LWM2M_FLOAT] = "float",   [LWM2M_BOOLEAN] = "boolean", [LWM2M_OPAQUE] = "opaque",
	[LWM2M_TIME] = "time",     [LWM2M_OBJLNK] = "objlnk",   [LWM2M_CORELNK] = "corelnk",
	[LWM2M_NONE] = "none",
};

const char *
lwm2m_type_name(enum lwm2m_type type)
{
	return (unsigned)type <= LWM2M_NONE ? type_names[type] : "unknown";
}

int
lwm2m_type_by_name(const char *name, size_t len)
{
	/* "none" is no type that a person may give: nothing can be written to an executable. */
	for (int type = 0; type < LWM2M_NONE; type++) {
		if (strlen(type_names[type]) == len && !strncasecmp(type_names[type], name, len))
			return type;
	}
	return -1;
}
