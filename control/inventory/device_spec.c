#include "control/inventory/device_spec.h"

#include <string.h>

#include "control/inventory/setting_values.h"
#include "tasks/utf8.h"

size_t
device_spec_identity_len(const struct device_spec *spec)
{
	if (!spec->identity)
		return 0;
	return spec->identity_len ? spec->identity_len : strlen(spec->identity);
}

bool
device_spec_has_identity(const struct device_spec *spec)
{
	size_t len = device_spec_identity_len(spec);

	return len &&
	       (len != strlen(spec->endpoint) || memcmp(spec->identity, spec->endpoint, len) != 0);
}

bool
device_spec_identity_is_text(const struct device_spec *spec)
{
	size_t len = device_spec_identity_len(spec);

	return !memchr(spec->identity, '\0', len) && utf8_valid(spec->identity, len);
}

bool
device_spec_key_is_hex(const struct device_spec *spec)
{
	if (spec->key_is_hex)
		return true;
	for (unsigned i = 0; i < spec->key_len; i++)
		if (spec->key[i] < 0x20 || spec->key[i] >= 0x7f)
			return true;
	return false;
}

static bool
same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool
same_identity(const struct device_spec *a, const struct device_spec *b)
{
	bool own = device_spec_has_identity(a);
	size_t len = device_spec_identity_len(a);

	if (own != device_spec_has_identity(b))
		return false;
	return !own ||
	       (len == device_spec_identity_len(b) && memcmp(a->identity, b->identity, len) == 0);
}

bool
device_spec_same(const struct device_spec *a, const struct device_spec *b)
{
	/* lint: allow memcmp - both keys are the operator's own, and nobody can time this */
	return same_identity(a, b) && a->key_len == b->key_len && a->nosec == b->nosec &&
	       memcmp(a->key, b->key, a->key_len) == 0 &&
	       (!a->key_len || device_spec_key_is_hex(a) == device_spec_key_is_hex(b)) &&
	       same_text(a->domain, b->domain) && setting_values_same(a->values, b->values);
}
