#include "tasks/number.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t
put_digits(uint64_t value, char *out)
{
	char digits[20]; /* of 2^64 - 1 */
	size_t n = 0, len = 0;

	do {
		digits[n++] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	while (n)
		out[len++] = digits[--n];
	out[len] = '\0';
	assert(len && len < NUMBER_TEXT_MAX);
	return len;
}

size_t
number_format_unsigned(uint64_t value, char out[NUMBER_TEXT_MAX])
{
	return put_digits(value, out);
}

size_t
number_format_integer(int64_t value, char out[NUMBER_TEXT_MAX])
{
	if (value >= 0)
		return put_digits((uint64_t)value, out);
	out[0] = '-';
	/* 0 - x in unsigned arithmetic: the smallest integer has no positive counterpart. */
	return 1 + put_digits(0 - (uint64_t)value, out + 1);
}

size_t
number_format_real(double value, char out[NUMBER_TEXT_MAX])
{
	int len = 0;

	/* 17 digits always read back (IEEE 754); most values need fewer. */
	for (int digits = 15; digits <= 17; digits++) {
		len = snprintf(out, NUMBER_TEXT_MAX, "%.*g", digits, value);
		if (strtod(out, NULL) == value)
			break;
	}
	/* A locale's decimal comma would be no number to any reader. */
	for (char *comma = strchr(out, ','); comma; comma = NULL)
		*comma = '.';
	assert(len > 0 && len < NUMBER_TEXT_MAX);
	return (size_t)len;
}
