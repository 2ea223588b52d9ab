#include "control/inventory/setting_values.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/secret_name.h"

enum {
	BLOCK_HEAD = 4, /* its size */
	VALUE_HEAD = 4,
	FLAG_SECRET = 1,
};

static uint32_t
block_size(const uint8_t *values)
{
	uint32_t size;

	memcpy(&size, values, sizeof size);
	return size;
}

static void
block_resize(uint8_t *values, size_t size)
{
	uint32_t size32 = (uint32_t)size;

	assert(size > BLOCK_HEAD && size <= SETTING_BLOCK_MAX);
	memcpy(values, &size32, sizeof size32);
}

size_t
setting_values_size(const uint8_t *values)
{
	return values ? block_size(values) : 0;
}

/* The value at `at`; its end. */
static const uint8_t *
value_at(const uint8_t *at, struct setting_value *value)
{
	uint16_t text_len;

	memcpy(&text_len, at + 2, sizeof text_len);
	*value = (struct setting_value){
		.name = (const char *)at + VALUE_HEAD,
		.name_len = at[1],
		.text = (const char *)at + VALUE_HEAD + at[1],
		.text_len = text_len,
		.secret = at[0] & FLAG_SECRET,
	};
	return at + VALUE_HEAD + at[1] + text_len;
}

bool
setting_values_check(const uint8_t *bytes, size_t size)
{
	struct setting_value value;
	size_t at = BLOCK_HEAD;

	if (size <= BLOCK_HEAD || size > SETTING_BLOCK_MAX || block_size(bytes) != size)
		return false;
	while (at < size) {
		if (size - at < VALUE_HEAD)
			return false;
		value_at(bytes + at, &value);
		at += VALUE_HEAD + (size_t)value.name_len + value.text_len;
		if (!value.name_len)
			return false;
	}
	return at == size;
}

bool
setting_values_next(const uint8_t *values, struct setting_value *value)
{
	const uint8_t *at, *end;

	if (!values)
		return false;
	end = values + block_size(values);
	at = value->name ? (const uint8_t *)value->text + value->text_len : values + BLOCK_HEAD;
	if (at >= end)
		return false;
	value_at(at, value);
	return true;
}

bool
setting_values_find(const uint8_t *values, const char *name, size_t len,
		    struct setting_value *value)
{
	*value = (struct setting_value){ 0 };
	while (setting_values_next(values, value))
		if (value->name_len == len && memcmp(value->name, name, len) == 0)
			return true;
	return false;
}

/* Where a value begins in its block, and how long it is there. */
static size_t
value_offset(const uint8_t *values, const struct setting_value *value)
{
	assert((const uint8_t *)value->name >= values + BLOCK_HEAD + VALUE_HEAD);
	return (size_t)((const uint8_t *)value->name - values) - VALUE_HEAD;
}

static size_t
value_size(const struct setting_value *value)
{
	return VALUE_HEAD + (size_t)value->name_len + value->text_len;
}

static size_t
count(const uint8_t *values)
{
	struct setting_value value = { 0 };
	size_t n = 0;

	while (setting_values_next(values, &value))
		n++;
	return n;
}

static void
put(uint8_t *at, const struct setting_value *value)
{
	assert(value->name_len);
	at[0] = value->secret ? FLAG_SECRET : 0;
	at[1] = value->name_len;
	memcpy(at + 2, &value->text_len, sizeof value->text_len);
	memcpy(at + VALUE_HEAD, value->name, value->name_len);
	if (value->text_len)
		memcpy(at + VALUE_HEAD + value->name_len, value->text, value->text_len);
}

int
setting_values_set(uint8_t **values, const struct setting_value *value)
{
	size_t size = *values ? block_size(*values) : BLOCK_HEAD;
	size_t from = size, to = size; /* what is replaced */
	struct setting_value old;
	uint8_t *block;

	if (!value->name_len)
		return -EINVAL;
	if (setting_values_find(*values, value->name, value->name_len, &old)) {
		from = value_offset(*values, &old);
		to = from + value_size(&old);
	} else if (count(*values) >= SETTING_VALUES_MAX) {
		return -E2BIG;
	}
	if (size - (to - from) + value_size(value) > SETTING_BLOCK_MAX)
		return -E2BIG;
	block = malloc(size - (to - from) + value_size(value));
	if (!block)
		return -ENOMEM;
	if (*values)
		memcpy(block, *values, from);
	put(block + from, value);
	if (to < size)
		memcpy(block + from + value_size(value), *values + to, size - to);
	block_resize(block, size - (to - from) + value_size(value));
	setting_values_free(*values);
	*values = block;
	return 0;
}

int
setting_values_unset(uint8_t **values, const char *name, size_t len)
{
	struct setting_value old;
	size_t size, from, to;
	uint8_t *block = NULL;

	if (!setting_values_find(*values, name, len, &old))
		return -ENOENT;
	size = block_size(*values);
	from = value_offset(*values, &old);
	to = from + value_size(&old);
	if (size - (to - from) > BLOCK_HEAD) {
		block = malloc(size - (to - from));
		if (!block)
			return -ENOMEM;
		memcpy(block, *values, from);
		memcpy(block + from, *values + to, size - to);
		block_resize(block, size - (to - from));
	}
	setting_values_free(*values);
	*values = block;
	return 0;
}

uint8_t *
setting_values_copy(const uint8_t *values)
{
	size_t size = setting_values_size(values);
	uint8_t *copy = size ? malloc(size) : NULL;

	return copy ? memcpy(copy, values, size) : NULL;
}

void
setting_values_free(uint8_t *values)
{
	if (!values)
		return;
	explicit_bzero(values, block_size(values));
	free(values);
}

bool
policy_name_is_secret(const char *name)
{
	return secret_name(name, strlen(name));
}

bool
setting_values_same(const uint8_t *a, const uint8_t *b)
{
	struct setting_value value = { 0 }, other;

	/* As many bytes, and each of one in the other: none is duplicated, so that is all. */
	if (setting_values_size(a) != setting_values_size(b))
		return false;
	if (!a || memcmp(a, b, setting_values_size(a)) == 0)
		return true;
	while (setting_values_next(a, &value))
		if (!setting_values_find(b, value.name, value.name_len, &other) ||
		    other.secret != value.secret || other.text_len != value.text_len ||
		    memcmp(other.text, value.text, value.text_len) != 0)
			return false;
	return true;
}
