/*
 * step_guard.h - the table that step_guard.c shares with the test that preloads it: a file, mapped by both.
 *
 * The layout is read by Python, too (test_change_killed.py): little-endian words without padding.
 */
#pragma once

#include <stdint.h>

#define STEP_GUARD_ENVIRONMENT "CRADLE_STEP_GUARD" /* the file's path */

enum {
	STEP_GUARD_NAMES = 4096,
	STEP_GUARD_EXIT = 137, /* of a process that was ended here */
};

struct step_guard_table {
	uint32_t armed;  /* steps are counted */
	uint32_t end_at; /* the step that is not done any more, from 0 on */
	uint32_t steps;  /* that were reached since the table was last cleared */
	uint32_t own;    /* only those of the process's first thread are counted */
	char names[STEP_GUARD_NAMES][16]; /* of the calls */
};
