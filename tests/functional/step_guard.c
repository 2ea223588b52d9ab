/*
 * step_guard.c - preloaded into cradled: ends the process, as kill -9 does, at a step of its choosing.
 *
 * A step is a call that changes files of this machine: a write to a file (not to a socket, a pipe or the log), a rename, a
 * removal, a sync, a new file. While the table (step_guard.h) is armed they are counted, of all threads together, and at the
 * one that was asked for the process is gone: before it, and a write when its first half is done.
 */
#undef _FILE_OFFSET_BITS /* by which pwrite() would be another name of pwrite64(): both stand here */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/functional/step_guard.h"

static struct step_guard_table *table;

__attribute__((constructor)) static void
map_table(void)
{
	const char *path = getenv(STEP_GUARD_ENVIRONMENT);
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *memory;

	if (fd < 0)
		return;
	memory = mmap(NULL, sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory != MAP_FAILED)
		table = memory;
}

/* As sudden as a signal, which no thread's list of calls lets it send. */
static void
die(void)
{
	_exit(STEP_GUARD_EXIT);
}

/* True: this is the step to end at. */
static bool
is_the_step(const char *name)
{
	uint32_t at;

	if (!table || !__atomic_load_n(&table->armed, __ATOMIC_ACQUIRE))
		return false;
	if (table->own && gettid() != getpid())
		return false;
	at = __atomic_fetch_add(&table->steps, 1, __ATOMIC_RELAXED);
	if (at < STEP_GUARD_NAMES)
		strncpy(table->names[at], name, sizeof table->names[at] - 1);
	return at == table->end_at;
}

static void
step(const char *name)
{
	if (is_the_step(name))
		die();
}

static bool
is_file(int fd)
{
	struct stat st;

	return fd > STDERR_FILENO && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* The next one of a name, as its type says. */
#define NEXT(name)                                                                                 \
	static __typeof__(&(name)) next;                                                           \
	if (!next)                                                                                 \
	*(void **)&next = dlsym(RTLD_NEXT, #name)

ssize_t
write(int fd, const void *bytes, size_t len)
{
	NEXT(write);
	if (is_file(fd) && is_the_step("write")) {
		(void)!next(fd, bytes, len / 2);
		die();
	}
	return next(fd, bytes, len);
}

ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	NEXT(pwrite);
	if (is_file(fd) && is_the_step("pwrite")) {
		(void)!next(fd, bytes, len / 2, offset);
		die();
	}
	return next(fd, bytes, len, offset);
}

ssize_t
pwrite64(int fd, const void *bytes, size_t len, off64_t offset)
{
	return pwrite(fd, bytes, len, offset);
}

int
rename(const char *from, const char *to)
{
	NEXT(rename);
	step("rename");
	return next(from, to);
}

int
unlink(const char *path)
{
	NEXT(unlink);
	step("unlink");
	return next(path);
}

int
unlinkat(int folder, const char *path, int flags)
{
	NEXT(unlinkat);
	step("unlinkat");
	return next(folder, path, flags);
}

int
mkostemp(char *path, int flags)
{
	NEXT(mkostemp);
	step("mkostemp");
	return next(path, flags);
}

int
mkostemp64(char *path, int flags)
{
	return mkostemp(path, flags);
}

int
fsync(int fd)
{
	NEXT(fsync);
	step("fsync");
	return next(fd);
}

int
fdatasync(int fd)
{
	NEXT(fdatasync);
	step("fdatasync");
	return next(fd);
}

int
ftruncate(int fd, off_t len)
{
	NEXT(ftruncate);
	step("ftruncate");
	return next(fd, len);
}

int
ftruncate64(int fd, off64_t len)
{
	return ftruncate(fd, len);
}
