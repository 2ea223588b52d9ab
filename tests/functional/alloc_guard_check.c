/*
 * alloc_guard_check.c - does the guard see what it must? Run with the guard preloaded; exits 0 if
 * so.
 *
 * A thread with a worker's name allocates in every way; another does the same under its own name
 * and is not counted.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/functional/alloc_guard.h"

enum { ALLOCATIONS = 5, FREES = 4 };

static void *
allocate(void *name)
{
	void *volatile memory = NULL;
	void *aligned = NULL;

	pthread_setname_np(pthread_self(), name);
	memory = malloc(10);
	memory = realloc(memory, 100);
	free(memory);
	memory = calloc(1, 10);
	free(memory);
	memory = aligned_alloc(64, 64);
	free(memory);
	if (posix_memalign(&aligned, 64, 64) == 0)
		free(aligned);
	return NULL;
}

static void
run(const char *name)
{
	char copy[16];
	pthread_t thread;

	snprintf(copy, sizeof copy, "%s", name);
	if (pthread_create(&thread, NULL, allocate, copy) == 0)
		pthread_join(thread, NULL);
}

static int
check(const char *path)
{
	struct alloc_guard_table table;
	FILE *file = fopen(path, "rb");

	if (!file || fread(&table, sizeof table, 1, file) != 1)
		return 1;
	fclose(file);
	printf("%s: %lu allocations, %lu frees\n", table.lines[0].name, table.lines[0].allocations,
	       table.lines[0].frees);
	return table.lines[0].allocations != ALLOCATIONS || table.lines[0].frees != FREES ||
	       table.lines[1].thread;
}

int
main(void)
{
	const char *path = getenv(ALLOC_GUARD_ENVIRONMENT);
	int result;

	if (!path)
		return 1;
	unlink(path);
	run("bystander");
	run("rte-worker-7");
	result = check(path);
	unlink(path);
	return result;
}
