/*
 * slow_machine.h - whether this run is watched by a tool that makes it many times slower: valgrind (25 to
 * 40 times with elliptic curves) or AddressSanitizer. A table of thousands of handshakes then takes those
 * that walk other code, and leaves what only repeats them with other numbers to the release build.
 */
#pragma once

#include <stdbool.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

static inline bool
is_slow_machine(void)
{
#ifdef __SANITIZE_ADDRESS__
	return true;
#else
	return RUNNING_ON_VALGRIND != 0;
#endif
}
