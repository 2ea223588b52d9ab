#include "dataplane/core/bootstrap/bootstrap_query.h"

#include <string.h>

void
query_init(struct bootstrap_query *query)
{
	*query = (struct bootstrap_query){ .format = FORMAT_TLV };
}

bool
bootstrap_format_supported(uint32_t format)
{
	return format == FORMAT_TLV || format == FORMAT_SENML_CBOR || format == FORMAT_SENML_JSON ||
	       format == FORMAT_LWM2M_CBOR;
}

bool
bootstrap_format_supported_pack(uint32_t format)
{
	return format != FORMAT_TLV && bootstrap_format_supported(format);
}

static bool
key_is(const uint8_t *key, size_t len, const char *name)
{
	return len == strlen(name) && memcmp(key, name, len) == 0;
}

static void
take_endpoint(struct bootstrap_query *query, const uint8_t *value, size_t len)
{
	if (query->endpoint || len == 0) {
		query->bad_endpoint = true;
		return;
	}
	query->endpoint = value;
	query->endpoint_len = (uint8_t)len; /* an option of 255 bytes at most, less "ep=" */
}

/* Decimal digits only. Content-Formats have 16 bits: above them any number is just unsupported, so
 * it saturates. */
static void
take_format(struct bootstrap_query *query, const uint8_t *value, size_t len)
{
	uint32_t number = 0;

	if (query->seen_format || len == 0)
		query->bad_format = true;
	query->seen_format = true;
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9') {
			query->bad_format = true;
			return;
		}
		number = number * 10 + (uint32_t)(value[i] - '0');
		if (number > UINT16_MAX)
			number = UINT16_MAX;
	}
	query->unsupported = !bootstrap_format_supported(number);
	query->format = (uint16_t)number;
}

static void
take_accounts(struct bootstrap_query *query, const uint8_t *value, size_t len)
{
	if (query->accounts || len == 0 || len > QUERY_ACCOUNTS_MAX) {
		query->bad_accounts = true;
		return;
	}
	query->accounts = value;
	query->accounts_len = (uint8_t)len;
}

void
query_take(struct bootstrap_query *query, const uint8_t *option, size_t len)
{
	const uint8_t *equals = len ? memchr(option, '=', len) : NULL;
	size_t key_len = equals ? (size_t)(equals - option) : len;
	const uint8_t *value = equals ? equals + 1 : NULL;
	size_t value_len = equals ? len - key_len - 1 : 0;

	if (key_is(option, key_len, "ep"))
		take_endpoint(query, value, value_len);
	else if (key_is(option, key_len, "pct"))
		take_format(query, value, value_len);
	else if (key_is(option, key_len, "acc"))
		take_accounts(query, value, value_len);
}

enum query_verdict
query_verdict(const struct bootstrap_query *query)
{
	if (query->bad_endpoint || query->bad_format)
		return QUERY_BAD;
	return query->unsupported ? QUERY_FORMAT_UNSUPPORTED : QUERY_OK;
}

enum query_verdict
query_verdict_pack(const struct bootstrap_query *query)
{
	return query->bad_endpoint || query->bad_accounts ? QUERY_BAD : QUERY_OK;
}
