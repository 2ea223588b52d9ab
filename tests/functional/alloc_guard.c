/*
 * alloc_guard.c - a preloaded library that counts malloc and its kin on DPDK's worker threads.
 *
 * The allocator's functions stand in front of glibc's and pass on to them by their own names;
 * pthread_setname_np() tells which threads are workers. Other threads cost a comparison a line.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/functional/alloc_guard.h"

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *memory);

static struct alloc_guard_table *table;

static struct alloc_guard_table *
map_table(void)
{
	const char *path = getenv(ALLOC_GUARD_ENVIRONMENT);
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	void *memory = MAP_FAILED;

	if (fd < 0)
		return NULL;
	if (ftruncate(fd, sizeof *table) == 0)
		memory = mmap(NULL, sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return memory == MAP_FAILED ? NULL : memory;
}

static void
watch(pthread_t thread, const char *name)
{
	if (!table)
		table = map_table();
	for (unsigned i = 0; table && i < ALLOC_GUARD_LINES; i++) {
		struct alloc_guard_line *line = &table->lines[i];

		if (line->thread)
			continue;
		strncpy(line->name, name, sizeof line->name - 1);
		__atomic_store_n(&line->thread, (uint64_t)thread, __ATOMIC_RELEASE);
		return;
	}
}

int
pthread_setname_np(pthread_t thread, const char *name)
{
	int (*next)(pthread_t, const char *);

	if (strncmp(name, ALLOC_GUARD_THREADS, strlen(ALLOC_GUARD_THREADS)) == 0)
		watch(thread, name);
	*(void **)&next = dlsym(RTLD_NEXT, "pthread_setname_np");
	return next ? next(thread, name) : ENOSYS;
}

static struct alloc_guard_line *
own_line(void)
{
	for (unsigned i = 0; table && i < ALLOC_GUARD_LINES && table->lines[i].thread; i++)
		if (__atomic_load_n(&table->lines[i].thread, __ATOMIC_ACQUIRE) ==
		    (uint64_t)pthread_self())
			return &table->lines[i];
	return NULL;
}

static void
count_allocation(void)
{
	struct alloc_guard_line *line = own_line();

	if (line)
		line->allocations++;
}

void *
malloc(size_t size)
{
	count_allocation();
	return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	count_allocation();
	return __libc_calloc(n, size);
}

void *
realloc(void *memory, size_t size)
{
	count_allocation();
	return __libc_realloc(memory, size);
}

void *
memalign(size_t alignment, size_t size)
{
	count_allocation();
	return __libc_memalign(alignment, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	count_allocation();
	return __libc_memalign(alignment, size);
}

int
posix_memalign(void **memory, size_t alignment, size_t size)
{
	count_allocation();
	*memory = __libc_memalign(alignment, size);
	return *memory ? 0 : ENOMEM;
}

void
free(void *memory)
{
	struct alloc_guard_line *line = memory ? own_line() : NULL;

	if (line)
		line->frees++;
	__libc_free(memory);
}
