#include "control/inventory/hash_identity.h"

#include <string.h>
#include <strings.h>

#include "dataplane/dataplane.h"

static char
lower_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c;
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c : '\0';
}

enum hash_identity
hash_identity_normalise(char *identity, size_t *len)
{
	char made[IDENTITY_HASH_LEN];
	size_t n = IDENTITY_HASH_PREFIX;

	if (*len < n)
		return HASH_IDENTITY_NONE;
	if (strncasecmp(identity, IDENTITY_RAW_KEY, n) == 0)
		memcpy(made, IDENTITY_RAW_KEY, n);
	else if (strncasecmp(identity, IDENTITY_CERTIFICATE, n) == 0)
		memcpy(made, IDENTITY_CERTIFICATE, n);
	else
		return HASH_IDENTITY_NONE;
	for (size_t i = n; i < *len; i++) {
		char digit = lower_digit(identity[i]);

		if (identity[i] == ':' && n > IDENTITY_HASH_PREFIX && n % 2 == 0 &&
		    identity[i - 1] != ':')
			continue;
		if (!digit || n == sizeof made)
			return HASH_IDENTITY_WRONG;
		made[n++] = digit;
	}
	if (n < sizeof made || identity[*len - 1] == ':')
		return HASH_IDENTITY_WRONG;
	memcpy(identity, made, n);
	if (n < *len)
		identity[n] = '\0';
	*len = n;
	return HASH_IDENTITY_GOOD;
}
