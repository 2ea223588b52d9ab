/*
 * number.h - numbers as decimal text, the same for every locale.
 *
 * Pure; allocates nothing.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { NUMBER_TEXT_MAX = 32 }; /* the longest text of a number, with its NUL */

/* Each writes NUL-terminated text and returns its length. */
size_t number_format_integer(int64_t value, char out[NUMBER_TEXT_MAX]);
size_t number_format_unsigned(uint64_t value, char out[NUMBER_TEXT_MAX]);
/* The shortest text that reads back as the same double: "1.5", "-10", "1e+30", "nan", "inf". */
size_t number_format_real(double value, char out[NUMBER_TEXT_MAX]);
