/*
 * name.h - names of objects and resources as people and registries write them.
 *
 * Names differ in case and blanks between documents ("LWM2M  Server URI"), so they are compared
 * without.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Trims, and collapses runs of blanks (no-break spaces, too) to one; cut to `size`. Returns the
 * length. */
size_t name_normalize(const char *text, size_t len, char *out, size_t size);

/* True when `name` (normalized, with NUL) is these `len` bytes (normalized), ASCII case aside. */
bool name_equals(const char *name, const char *text, size_t len);
