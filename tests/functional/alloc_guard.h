/*
 * alloc_guard.h - the table in which alloc_guard.c counts what polled threads allocate.
 *
 * A file of one page, named by the environment variable CRADLE_ALLOC_GUARD and mapped by the
 * watched program; others read it while that runs. A line is claimed when a thread gets a worker's
 * name, so a thread that never allocates shows with zeros, and "nothing was seen" is not mistaken
 * for "nothing was allocated".
 */
#pragma once

#include <stdint.h>

#define ALLOC_GUARD_ENVIRONMENT "CRADLE_ALLOC_GUARD"
/* As DPDK 22.11 names the threads of its worker lcores. */
#define ALLOC_GUARD_THREADS "rte-worker-"

enum { ALLOC_GUARD_LINES = 64 };

struct alloc_guard_line {
	char name[16];
	uint64_t thread; /* pthread_t; 0: the line is free */
	uint64_t allocations, frees;
};

struct alloc_guard_table {
	struct alloc_guard_line lines[ALLOC_GUARD_LINES];
};
