/*
 * alloc_guard_read.c - prints a table of alloc_guard.c: a line a thread, "NAME allocations N frees
 * N".
 *
 * usage: alloc_guard_read FILE
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/functional/alloc_guard.h"

int
main(int argc, char **argv)
{
	struct alloc_guard_table table;
	FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;

	if (!file || fread(&table, sizeof table, 1, file) != 1) {
		fprintf(stderr, "alloc_guard_read: %s: %s\n", argc == 2 ? argv[1] : "FILE",
			file ? "too short" : strerror(errno));
		return 1;
	}
	for (unsigned i = 0; i < ALLOC_GUARD_LINES && table.lines[i].thread; i++)
		printf("%.16s allocations %" PRIu64 " frees %" PRIu64 "\n", table.lines[i].name,
		       table.lines[i].allocations, table.lines[i].frees);
	fclose(file);
	return 0;
}
